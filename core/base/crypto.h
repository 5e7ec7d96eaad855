/*
 * The cryptographic operations that the core asks of its host. Every one is a pure function of its
 * arguments: bytes in, bytes out, no kept context, no randomness drawn. `crypto/` has the real
 * table; fuzzing uses a null one.
 */
#ifndef WARREN_BASE_CRYPTO_H
#define WARREN_BASE_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CRYPTO_MD5_SIZE = 16,
    CRYPTO_SHA1_SIZE = 20,
    CRYPTO_SHA256_SIZE = 32,
};

/* One piece of a message that is hashed or authenticated as if its pieces stood side by side. */
struct crypto_span {
    const uint8_t *bytes;
    size_t size;
};

struct crypto {
    /* Keys of STUN's long-term credentials (RFC 8489, section 9.2.2). */
    void (*md5)(uint8_t out[static CRYPTO_MD5_SIZE], const struct crypto_span *parts, size_t count);
    void (*sha256)(uint8_t out[static CRYPTO_SHA256_SIZE], const struct crypto_span *parts,
                   size_t count);
    /* MESSAGE-INTEGRITY and MESSAGE-INTEGRITY-SHA256 (RFC 8489, sections 14.5 and 14.6). */
    void (*hmac_sha1)(uint8_t out[static CRYPTO_SHA1_SIZE], const uint8_t *key, size_t key_size,
                      const struct crypto_span *parts, size_t count);
    void (*hmac_sha256)(uint8_t out[static CRYPTO_SHA256_SIZE], const uint8_t *key, size_t key_size,
                        const struct crypto_span *parts, size_t count);
    /* True when the bytes are equal; takes the same time whether and wherever they differ. */
    bool (*equal)(const void *a, const void *b, size_t size);
    /* Overwrites a secret so that the compiler cannot leave it out. */
    void (*wipe)(void *secret, size_t size);
};

#endif
