/*
 * The keys and macs of sealed frames, each a pure function of what docs/protocol.md, "Frames", says
 * it is made of. Labels are ASCII without a terminating zero.
 */
#ifndef WARREN_FRAME_KEYS_H
#define WARREN_FRAME_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/crypto.h"
#include "core/frame/message.h"

enum { KEYS_SIZE = 32 }; /* of every key that is derived here */

/* Whose static keys a frame's keys are made of, and with which secret. */
struct keys_pair {
    const uint8_t *secret;    /* X25519 of the two, KEYS_SIZE bytes */
    const uint8_t *initiator; /* public keys, FRAME_KEY_SIZE bytes each */
    const uint8_t *responder;
};

/* The key of mac1 in frames that `receiver` gets. */
void keys_mac1(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
               const uint8_t receiver[static FRAME_KEY_SIZE]);
/* The key under which `receiver` of a HELLO seals its cookies. */
void keys_cookie(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                 const uint8_t receiver[static FRAME_KEY_SIZE]);
/* mac1 or mac2 over what stands in front of it. */
void keys_mac(const struct crypto *crypto, uint8_t out[static FRAME_MAC_SIZE], const uint8_t *key,
              size_t key_size, const uint8_t *covered, size_t covered_size);

void keys_hello(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                const struct keys_pair *pair);
void keys_welcome(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                  const struct keys_pair *pair, const uint8_t hello[static FRAME_NONCE_SIZE]);
/* The session's key of what the initiator sends, or the responder. */
void keys_session(const struct crypto *crypto, uint8_t out[static KEYS_SIZE],
                  const struct keys_pair *pair, const uint8_t hello[static FRAME_NONCE_SIZE],
                  const uint8_t welcome[static FRAME_NONCE_SIZE], bool of_responder);

/* The cookie of an address, from a secret that changes with the period. */
void keys_cookie_of(const struct crypto *crypto, uint8_t out[static FRAME_COOKIE_SIZE],
                    const uint8_t secret[static KEYS_SIZE], const struct addr *addr);

/* The nonce of SEALED: four zero bytes and the counter. */
void keys_nonce(uint8_t out[static CRYPTO_AEAD_NONCE_SIZE], uint64_t counter);

#endif
