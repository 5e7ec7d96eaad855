/* WireGuard's handshake, macs and cookies, in the terms of the WireGuard paper, section 5.4. */
#include "core/tunnel/noise.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

_Static_assert((int)NOISE_KEY_SIZE == CRYPTO_BLAKE2S_SIZE, "what BLAKE2s gives is a key,");
_Static_assert((int)NOISE_KEY_SIZE == CRYPTO_AEAD_KEY_SIZE, "and of the AEADs,");
_Static_assert((int)NOISE_KEY_SIZE == CRYPTO_X25519_SIZE, "as is a shared secret");
_Static_assert((int)TUNNEL_MAC_SIZE == CRYPTO_BLAKE2S_MAC_SIZE, "macs are BLAKE2s-128,");
_Static_assert((int)TUNNEL_COOKIE_SIZE == CRYPTO_BLAKE2S_MAC_SIZE, "and so is a cookie");
_Static_assert((int)NOISE_KEY_SIZE <= CRYPTO_BLAKE2S_KEY_MAX, "a key is one of BLAKE2s");

/* A text as a piece of what is hashed, without its terminating zero. */
#define LABEL(text) ((struct crypto_span){(const uint8_t *)(text), sizeof(text) - 1})
/* The paper's names of these are CONSTRUCTION, IDENTIFIER, LABEL-MAC1 and LABEL-COOKIE. */
#define CONSTRUCTION "Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s"
#define IDENTIFIER "WireGuard v1 zx2c4 Jason@zx2c4.com"
#define LABEL_MAC1 "mac1----"
#define LABEL_COOKIE "cookie--"

/* Every key of a handshake seals one piece only. */
static const uint8_t nonce_zero[CRYPTO_AEAD_NONCE_SIZE];

/* ---- Hashing ---- */

static void hash_two(const struct crypto *crypto, uint8_t out[static NOISE_KEY_SIZE],
                     struct crypto_span first, struct crypto_span second)
{
    const struct crypto_span parts[] = {first, second};
    crypto->blake2s(out, NOISE_KEY_SIZE, NULL, 0, parts, 2);
}

static void hash_construction(const struct crypto *crypto, uint8_t out[static NOISE_KEY_SIZE])
{
    const struct crypto_span construction = LABEL(CONSTRUCTION);
    crypto->blake2s(out, NOISE_KEY_SIZE, NULL, 0, &construction, 1);
}

/* The hash at the begin of a handshake with this responder. */
static void hash_begin(const struct crypto *crypto, uint8_t out[static NOISE_KEY_SIZE],
                       const uint8_t responder[static NOISE_KEY_SIZE])
{
    uint8_t hash[NOISE_KEY_SIZE];
    hash_construction(crypto, hash);
    hash_two(crypto, hash, (struct crypto_span){hash, sizeof hash}, LABEL(IDENTIFIER));
    hash_two(crypto, out, (struct crypto_span){hash, sizeof hash},
             (struct crypto_span){responder, NOISE_KEY_SIZE});
}

/* The keys that guard what is sent to the owner of this public key. */
static void hash_labels(const struct crypto *crypto, uint8_t mac1_key[static NOISE_KEY_SIZE],
                        uint8_t cookie_key[static NOISE_KEY_SIZE],
                        const uint8_t public_key[static NOISE_KEY_SIZE])
{
    const struct crypto_span key = {public_key, NOISE_KEY_SIZE};
    hash_two(crypto, mac1_key, LABEL(LABEL_MAC1), key);
    hash_two(crypto, cookie_key, LABEL(LABEL_COOKIE), key);
}

/* HMAC of RFC 2104 over BLAKE2s without a key, of two pieces; either may be empty. */
static void hmac(const struct crypto *crypto, uint8_t out[static NOISE_KEY_SIZE],
                 const uint8_t key[static NOISE_KEY_SIZE], struct crypto_span first,
                 struct crypto_span second)
{
    enum { BLOCK_SIZE = 64 };
    uint8_t inner[BLOCK_SIZE], outer[BLOCK_SIZE], hash[NOISE_KEY_SIZE];
    memset(inner, 0x36, sizeof inner);
    memset(outer, 0x5c, sizeof outer);
    for (size_t i = 0; i < NOISE_KEY_SIZE; i++) {
        inner[i] ^= key[i];
        outer[i] ^= key[i];
    }
    const struct crypto_span parts[] = {{inner, sizeof inner}, first, second};
    crypto->blake2s(hash, sizeof hash, NULL, 0, parts, 3);
    hash_two(crypto, out, (struct crypto_span){outer, sizeof outer},
             (struct crypto_span){hash, sizeof hash});
    crypto->wipe(inner, sizeof inner);
    crypto->wipe(outer, sizeof outer);
    crypto->wipe(hash, sizeof hash);
}

/*
 * The paper's KDF1, KDF2 and KDF3: `second` and `third` are NULL where they are not wanted. `key`
 * may be the first output.
 */
static void derive(const struct crypto *crypto, const uint8_t key[static NOISE_KEY_SIZE],
                   struct crypto_span input, uint8_t first[static NOISE_KEY_SIZE], uint8_t *second,
                   uint8_t *third)
{
    static const uint8_t numbers[] = {1, 2, 3};
    const struct crypto_span none = {NULL, 0};
    check(second != NULL || third == NULL);
    uint8_t secret[NOISE_KEY_SIZE];
    hmac(crypto, secret, key, input, none);
    hmac(crypto, first, secret, none, (struct crypto_span){&numbers[0], 1});
    if (second != NULL) {
        hmac(crypto, second, secret, (struct crypto_span){first, NOISE_KEY_SIZE},
             (struct crypto_span){&numbers[1], 1});
    }
    if (third != NULL) {
        hmac(crypto, third, secret, (struct crypto_span){second, NOISE_KEY_SIZE},
             (struct crypto_span){&numbers[2], 1});
    }
    crypto->wipe(secret, sizeof secret);
}

/* ---- Steps of a handshake ---- */

static void begin(struct noise_handshake *handshake, const struct crypto *crypto,
                  const uint8_t hash[static NOISE_KEY_SIZE])
{
    memset(handshake, 0, sizeof *handshake);
    memcpy(handshake->hash, hash, sizeof handshake->hash);
    hash_construction(crypto, handshake->chain);
}

static void mix_hash(struct noise_handshake *handshake, const struct crypto *crypto,
                     const uint8_t *bytes, size_t size)
{
    hash_two(crypto, handshake->hash, (struct crypto_span){handshake->hash, NOISE_KEY_SIZE},
             (struct crypto_span){bytes, size});
}

/* Mixes secret bytes into the chain, and derives a key from them unless that is NULL. */
static void mix_key(struct noise_handshake *handshake, const struct crypto *crypto,
                    const uint8_t secret[static NOISE_KEY_SIZE], uint8_t *key)
{
    derive(crypto, handshake->chain, (struct crypto_span){secret, NOISE_KEY_SIZE}, handshake->chain,
           key, NULL);
}

/* An ephemeral public key of either side: it is hashed, and mixed in as if it were secret. */
static void mix_ephemeral(struct noise_handshake *handshake, const struct crypto *crypto,
                          const uint8_t public_key[static NOISE_KEY_SIZE])
{
    mix_hash(handshake, crypto, public_key, NOISE_KEY_SIZE);
    mix_key(handshake, crypto, public_key, NULL);
}

/* Mixes in a Diffie-Hellman; false, with nothing mixed, when the public key is of small order. */
static bool mix_shared(struct noise_handshake *handshake, const struct crypto *crypto,
                       const uint8_t private_key[static NOISE_KEY_SIZE],
                       const uint8_t public_key[static NOISE_KEY_SIZE], uint8_t *key)
{
    uint8_t shared[NOISE_KEY_SIZE];
    bool ok = crypto->x25519(shared, private_key, public_key);
    if (ok)
        mix_key(handshake, crypto, shared, key);
    crypto->wipe(shared, sizeof shared);
    return ok;
}

/* Mixes the pre-shared key into chain and hash, and derives a key. */
static void mix_psk(struct noise_handshake *handshake, const struct crypto *crypto,
                    const uint8_t psk[static NOISE_KEY_SIZE], uint8_t key[static NOISE_KEY_SIZE])
{
    uint8_t hashed[NOISE_KEY_SIZE];
    derive(crypto, handshake->chain, (struct crypto_span){psk, NOISE_KEY_SIZE}, handshake->chain,
           hashed, key);
    mix_hash(handshake, crypto, hashed, sizeof hashed);
    crypto->wipe(hashed, sizeof hashed);
}

/* Seals `size` bytes to `out` and hashes what has come of them. */
static void seal_piece(struct noise_handshake *handshake, const struct crypto *crypto,
                       const uint8_t key[static NOISE_KEY_SIZE], uint8_t *out, const uint8_t *in,
                       size_t size)
{
    crypto->aead_seal(out, key, nonce_zero, handshake->hash, NOISE_KEY_SIZE, in, size);
    mix_hash(handshake, crypto, out, size + CRYPTO_AEAD_TAG_SIZE);
}

/* The other way round; `size` is that of what was sealed, with its tag. */
static bool open_piece(struct noise_handshake *handshake, const struct crypto *crypto,
                       const uint8_t key[static NOISE_KEY_SIZE], uint8_t *out, const uint8_t *in,
                       size_t size)
{
    check(size >= CRYPTO_AEAD_TAG_SIZE);
    bool ok = crypto->aead_open(out, key, nonce_zero, handshake->hash, NOISE_KEY_SIZE, in, size);
    if (ok)
        mix_hash(handshake, crypto, in, size);
    return ok;
}

/* The session's keys, of which the first is that of what the initiator sends (section 5.4.5). */
static void split(struct noise_handshake *handshake, const struct crypto *crypto,
                  uint8_t of_initiator[static NOISE_KEY_SIZE],
                  uint8_t of_responder[static NOISE_KEY_SIZE])
{
    derive(crypto, handshake->chain, (struct crypto_span){NULL, 0}, of_initiator, of_responder,
           NULL);
    crypto->wipe(handshake, sizeof *handshake);
}

/* ---- Who takes part ---- */

void noise_self_init(struct noise_self *self, const struct crypto *crypto,
                     const uint8_t private_key[static NOISE_KEY_SIZE])
{
    memcpy(self->private_key, private_key, NOISE_KEY_SIZE);
    crypto->x25519_public(self->public_key, private_key);
    hash_begin(crypto, self->hash, self->public_key);
    hash_labels(crypto, self->mac1_key, self->cookie_key, self->public_key);
}

bool noise_peer_init(struct noise_peer *peer, const struct crypto *crypto,
                     const struct noise_self *self, const uint8_t public_key[static NOISE_KEY_SIZE],
                     const uint8_t psk[static NOISE_KEY_SIZE])
{
    memset(peer, 0, sizeof *peer);
    if (!crypto->x25519(peer->shared, self->private_key, public_key))
        return false;
    memcpy(peer->public_key, public_key, NOISE_KEY_SIZE);
    memcpy(peer->psk, psk, NOISE_KEY_SIZE);
    hash_begin(crypto, peer->hash, public_key);
    hash_labels(crypto, peer->mac1_key, peer->cookie_key, public_key);
    return true;
}

/* ---- First message ---- */

void noise_initiate(struct noise_handshake *handshake, const struct crypto *crypto,
                    const struct noise_self *self, const struct noise_peer *peer,
                    const uint8_t ephemeral[static NOISE_KEY_SIZE],
                    const uint8_t timestamp[static TUNNEL_TIMESTAMP_SIZE],
                    struct tunnel_initiation *message)
{
    uint8_t key[NOISE_KEY_SIZE];
    begin(handshake, crypto, peer->hash);
    memcpy(handshake->ephemeral, ephemeral, NOISE_KEY_SIZE);
    crypto->x25519_public(message->ephemeral, ephemeral);
    mix_ephemeral(handshake, crypto, message->ephemeral);
    /* noise_peer_init() has refused a key of small order, and no other one gives zero. */
    bool ok = mix_shared(handshake, crypto, ephemeral, peer->public_key, key);
    check(ok);
    seal_piece(handshake, crypto, key, message->sealed_static, self->public_key, NOISE_KEY_SIZE);
    mix_key(handshake, crypto, peer->shared, key);
    seal_piece(handshake, crypto, key, message->sealed_timestamp, timestamp, TUNNEL_TIMESTAMP_SIZE);
    crypto->wipe(key, sizeof key);
}

bool noise_read_static(struct noise_handshake *handshake, const struct crypto *crypto,
                       const struct noise_self *self, const struct tunnel_initiation *message,
                       uint8_t public_key[static NOISE_KEY_SIZE])
{
    uint8_t key[NOISE_KEY_SIZE];
    memset(public_key, 0, NOISE_KEY_SIZE);
    begin(handshake, crypto, self->hash);
    memcpy(handshake->ephemeral, message->ephemeral, NOISE_KEY_SIZE);
    mix_ephemeral(handshake, crypto, message->ephemeral);
    bool ok = mix_shared(handshake, crypto, self->private_key, message->ephemeral, key) &&
              open_piece(handshake, crypto, key, public_key, message->sealed_static,
                         sizeof message->sealed_static);
    crypto->wipe(key, sizeof key);
    if (!ok)
        crypto->wipe(handshake, sizeof *handshake);
    return ok;
}

bool noise_read_timestamp(struct noise_handshake *handshake, const struct crypto *crypto,
                          const struct noise_peer *peer, const struct tunnel_initiation *message,
                          uint8_t timestamp[static TUNNEL_TIMESTAMP_SIZE])
{
    uint8_t key[NOISE_KEY_SIZE];
    mix_key(handshake, crypto, peer->shared, key);
    bool ok = open_piece(handshake, crypto, key, timestamp, message->sealed_timestamp,
                         sizeof message->sealed_timestamp);
    crypto->wipe(key, sizeof key);
    if (!ok)
        crypto->wipe(handshake, sizeof *handshake);
    return ok;
}

/* ---- Second message ---- */

bool noise_respond(struct noise_handshake *handshake, const struct crypto *crypto,
                   const struct noise_peer *peer, const uint8_t ephemeral[static NOISE_KEY_SIZE],
                   struct tunnel_response *message, struct noise_session *session)
{
    uint8_t key[NOISE_KEY_SIZE];
    memset(session, 0, sizeof *session);
    crypto->x25519_public(message->ephemeral, ephemeral);
    mix_ephemeral(handshake, crypto, message->ephemeral);
    if (!mix_shared(handshake, crypto, ephemeral, handshake->ephemeral, NULL) ||
        !mix_shared(handshake, crypto, ephemeral, peer->public_key, NULL)) {
        crypto->wipe(handshake, sizeof *handshake);
        return false;
    }
    mix_psk(handshake, crypto, peer->psk, key);
    seal_piece(handshake, crypto, key, message->sealed_nothing, NULL, 0);
    crypto->wipe(key, sizeof key);
    split(handshake, crypto, session->receive, session->send);
    return true;
}

bool noise_finish(struct noise_handshake *handshake, const struct crypto *crypto,
                  const struct noise_self *self, const struct noise_peer *peer,
                  const struct tunnel_response *message, struct noise_session *session)
{
    uint8_t key[NOISE_KEY_SIZE];
    uint8_t nothing[1]; /* where no plaintext goes */
    struct noise_handshake next = *handshake;
    memset(session, 0, sizeof *session);
    mix_ephemeral(&next, crypto, message->ephemeral);
    bool ok = mix_shared(&next, crypto, next.ephemeral, message->ephemeral, NULL) &&
              mix_shared(&next, crypto, self->private_key, message->ephemeral, NULL);
    if (ok) {
        mix_psk(&next, crypto, peer->psk, key);
        ok = open_piece(&next, crypto, key, nothing, message->sealed_nothing,
                        sizeof message->sealed_nothing);
        crypto->wipe(key, sizeof key);
    }
    if (ok) {
        split(&next, crypto, session->send, session->receive);
        crypto->wipe(handshake, sizeof *handshake);
    }
    crypto->wipe(&next, sizeof next);
    return ok;
}

/* ---- Macs and cookies ---- */

static void mac(const struct crypto *crypto, uint8_t out[static TUNNEL_MAC_SIZE],
                const uint8_t *key, size_t key_size, const uint8_t *bytes, size_t size)
{
    const struct crypto_span covered = {bytes, size};
    crypto->blake2s(out, TUNNEL_MAC_SIZE, key, key_size, &covered, 1);
}

static void check_has_macs(size_t size)
{
    check(size == TUNNEL_INITIATION_SIZE || size == TUNNEL_RESPONSE_SIZE);
}

void noise_write_macs(const struct crypto *crypto, const struct noise_peer *peer,
                      const uint8_t *cookie, uint8_t *bytes, size_t size)
{
    check_has_macs(size);
    size_t mac1_at = size - TUNNEL_MAC1_END, mac2_at = size - TUNNEL_MAC2_END;
    mac(crypto, bytes + mac1_at, peer->mac1_key, NOISE_KEY_SIZE, bytes, mac1_at);
    if (cookie != NULL)
        mac(crypto, bytes + mac2_at, cookie, TUNNEL_COOKIE_SIZE, bytes, mac2_at);
    else
        memset(bytes + mac2_at, 0, TUNNEL_MAC_SIZE);
}

bool noise_check_mac1(const struct crypto *crypto, const struct noise_self *self,
                      const uint8_t *bytes, size_t size)
{
    check_has_macs(size);
    uint8_t expected[TUNNEL_MAC_SIZE];
    size_t at = size - TUNNEL_MAC1_END;
    mac(crypto, expected, self->mac1_key, NOISE_KEY_SIZE, bytes, at);
    bool ok = crypto->equal(expected, bytes + at, sizeof expected);
    crypto->wipe(expected, sizeof expected);
    return ok;
}

bool noise_check_mac2(const struct crypto *crypto, const uint8_t cookie[static TUNNEL_COOKIE_SIZE],
                      const uint8_t *bytes, size_t size)
{
    check_has_macs(size);
    uint8_t expected[TUNNEL_MAC_SIZE];
    size_t at = size - TUNNEL_MAC2_END;
    mac(crypto, expected, cookie, TUNNEL_COOKIE_SIZE, bytes, at);
    bool ok = crypto->equal(expected, bytes + at, sizeof expected);
    crypto->wipe(expected, sizeof expected);
    return ok;
}

void noise_cookie_of(const struct crypto *crypto, const uint8_t secret[static NOISE_KEY_SIZE],
                     const struct addr *addr, uint32_t channel,
                     uint8_t cookie[static TUNNEL_COOKIE_SIZE])
{
    uint8_t sender[16 + 2 + 4];
    struct writer w = writer_of(sender, sizeof sender);
    check(addr->family != ADDR_NONE);
    write_bytes(&w, addr->ip, addr_ip_size(addr));
    write_u16(&w, addr->port);
    write_u32(&w, channel);
    check(!w.failed);
    mac(crypto, cookie, secret, NOISE_KEY_SIZE, sender, w.index);
}

void noise_seal_cookie(const struct crypto *crypto, const struct noise_self *self,
                       const uint8_t mac1[static TUNNEL_MAC_SIZE],
                       const uint8_t nonce[static CRYPTO_XAEAD_NONCE_SIZE],
                       const uint8_t cookie[static TUNNEL_COOKIE_SIZE],
                       struct tunnel_cookie *message)
{
    memcpy(message->nonce, nonce, sizeof message->nonce);
    crypto->xaead_seal(message->sealed_cookie, self->cookie_key, nonce, mac1, TUNNEL_MAC_SIZE,
                       cookie, TUNNEL_COOKIE_SIZE);
}

bool noise_open_cookie(const struct crypto *crypto, const struct noise_peer *peer,
                       const uint8_t mac1[static TUNNEL_MAC_SIZE],
                       const struct tunnel_cookie *message,
                       uint8_t cookie[static TUNNEL_COOKIE_SIZE])
{
    return crypto->xaead_open(cookie, peer->cookie_key, message->nonce, mac1, TUNNEL_MAC_SIZE,
                              message->sealed_cookie, sizeof message->sealed_cookie);
}

void noise_data_nonce(uint8_t nonce[static CRYPTO_AEAD_NONCE_SIZE], uint64_t counter)
{
    enum { ZERO_SIZE = CRYPTO_AEAD_NONCE_SIZE - 8 };
    memset(nonce, 0, ZERO_SIZE);
    for (size_t i = 0; i < 8; i++)
        nonce[ZERO_SIZE + i] = (uint8_t)(counter >> (8 * i));
}
