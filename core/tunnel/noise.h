/*
 * WireGuard's handshake, Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s, and its macs and cookies: pure
 * functions of keys and messages. Sections are those of the WireGuard paper. Who may do a
 * handshake, when, and what becomes of the keys is core/tunnel/tunnel.h's business.
 */
#ifndef WARREN_TUNNEL_NOISE_H
#define WARREN_TUNNEL_NOISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/crypto.h"
#include "core/tunnel/message.h"

enum { NOISE_KEY_SIZE = 32 };

/* Ourselves, and what follows from our keys alone. */
struct noise_self {
    uint8_t private_key[NOISE_KEY_SIZE];
    uint8_t public_key[NOISE_KEY_SIZE];
    uint8_t hash[NOISE_KEY_SIZE];       /* of a handshake that we respond to, at its begin */
    uint8_t mac1_key[NOISE_KEY_SIZE];   /* of messages to us (section 5.4.4) */
    uint8_t cookie_key[NOISE_KEY_SIZE]; /* of cookies from us (section 5.4.7) */
};

/* A peer, and what follows from its key and ours. */
struct noise_peer {
    uint8_t public_key[NOISE_KEY_SIZE];
    uint8_t shared[NOISE_KEY_SIZE];     /* X25519 of both static keys */
    uint8_t psk[NOISE_KEY_SIZE];        /* zero: none, which is a key like any other */
    uint8_t hash[NOISE_KEY_SIZE];       /* of a handshake that we initiate, at its begin */
    uint8_t mac1_key[NOISE_KEY_SIZE];   /* of messages to the peer */
    uint8_t cookie_key[NOISE_KEY_SIZE]; /* of cookies from it */
};

/* A handshake under way: secret, and wiped once it has ended. */
struct noise_handshake {
    uint8_t hash[NOISE_KEY_SIZE];
    uint8_t chain[NOISE_KEY_SIZE];
    uint8_t ephemeral[NOISE_KEY_SIZE]; /* initiator: our private one; responder: the peer's public */
};

/* The two keys of a session, as this end uses them. */
struct noise_session {
    uint8_t send[NOISE_KEY_SIZE];
    uint8_t receive[NOISE_KEY_SIZE];
};

void noise_self_init(struct noise_self *self, const struct crypto *crypto,
                     const uint8_t private_key[static NOISE_KEY_SIZE]);
/* False when the key is of small order: nobody's. */
bool noise_peer_init(struct noise_peer *peer, const struct crypto *crypto,
                     const struct noise_self *self, const uint8_t public_key[static NOISE_KEY_SIZE],
                     const uint8_t psk[static NOISE_KEY_SIZE]);

/*
 * Initiator, first message (section 5.4.2): fills in all of `message` but sender and macs.
 * `ephemeral` is 32 fresh random bytes.
 */
void noise_initiate(struct noise_handshake *handshake, const struct crypto *crypto,
                    const struct noise_self *self, const struct noise_peer *peer,
                    const uint8_t ephemeral[static NOISE_KEY_SIZE],
                    const uint8_t timestamp[static TUNNEL_TIMESTAMP_SIZE],
                    struct tunnel_initiation *message);
/*
 * Responder, first message, in two steps, since the peer is looked up in between. The first opens
 * its static public key, at the cost of one Diffie-Hellman; the second its timestamp. False when
 * the message does not open; the handshake is then wiped.
 */
bool noise_read_static(struct noise_handshake *handshake, const struct crypto *crypto,
                       const struct noise_self *self, const struct tunnel_initiation *message,
                       uint8_t public_key[static NOISE_KEY_SIZE]);
bool noise_read_timestamp(struct noise_handshake *handshake, const struct crypto *crypto,
                          const struct noise_peer *peer, const struct tunnel_initiation *message,
                          uint8_t timestamp[static TUNNEL_TIMESTAMP_SIZE]);
/*
 * Responder, second message (section 5.4.3): fills in ephemeral and sealed_nothing, and derives the
 * session's keys (section 5.4.5). False when the peer's ephemeral key is of small order. The
 * handshake is wiped in either case.
 */
bool noise_respond(struct noise_handshake *handshake, const struct crypto *crypto,
                   const struct noise_peer *peer, const uint8_t ephemeral[static NOISE_KEY_SIZE],
                   struct tunnel_response *message, struct noise_session *session);
/*
 * Initiator, second message. False when it does not open: the handshake is then as it was, since
 * anybody may have sent that. Wiped otherwise.
 */
bool noise_finish(struct noise_handshake *handshake, const struct crypto *crypto,
                  const struct noise_self *self, const struct noise_peer *peer,
                  const struct tunnel_response *message, struct noise_session *session);

/* ---- Macs and cookies (sections 5.4.4 and 5.4.7) --------------------------------------------- */

/*
 * Writes mac1 and mac2 into an encoded initiation or response of `size` bytes for this peer;
 * `cookie` NULL: mac2 is zero.
 */
void noise_write_macs(const struct crypto *crypto, const struct noise_peer *peer,
                      const uint8_t *cookie, uint8_t *bytes, size_t size);
/* Is mac1 of an encoded message to us right? In constant time. */
bool noise_check_mac1(const struct crypto *crypto, const struct noise_self *self,
                      const uint8_t *bytes, size_t size);
/* And mac2, made with this cookie? */
bool noise_check_mac2(const struct crypto *crypto, const uint8_t cookie[static TUNNEL_COOKIE_SIZE],
                      const uint8_t *bytes, size_t size);
/*
 * The cookie of a sender: of its address and port, and of a relay's channel (0: it came directly).
 */
void noise_cookie_of(const struct crypto *crypto, const uint8_t secret[static NOISE_KEY_SIZE],
                     const struct addr *addr, uint32_t channel,
                     uint8_t cookie[static TUNNEL_COOKIE_SIZE]);
/*
 * Seals a cookie into a reply to a message with this mac1; `nonce` is 24 fresh random bytes. The
 * receiver field is the caller's.
 */
void noise_seal_cookie(const struct crypto *crypto, const struct noise_self *self,
                       const uint8_t mac1[static TUNNEL_MAC_SIZE],
                       const uint8_t nonce[static CRYPTO_XAEAD_NONCE_SIZE],
                       const uint8_t cookie[static TUNNEL_COOKIE_SIZE],
                       struct tunnel_cookie *message);
/* Opens one that this peer sent for our message with this mac1; false when it is none. */
bool noise_open_cookie(const struct crypto *crypto, const struct noise_peer *peer,
                       const uint8_t mac1[static TUNNEL_MAC_SIZE],
                       const struct tunnel_cookie *message,
                       uint8_t cookie[static TUNNEL_COOKIE_SIZE]);

/* The nonce of a data message: four zero bytes, and the counter, little-endian (section 5.4.6). */
void noise_data_nonce(uint8_t nonce[static CRYPTO_AEAD_NONCE_SIZE], uint64_t counter);

#endif
