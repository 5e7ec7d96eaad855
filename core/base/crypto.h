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
    CRYPTO_X25519_SIZE = 32,
    CRYPTO_ED25519_PUBLIC_SIZE = 32,
    CRYPTO_ED25519_SEED_SIZE = 32, /* the private key of RFC 8032 */
    CRYPTO_ED25519_SIGNATURE_SIZE = 64,
    CRYPTO_AEAD_KEY_SIZE = 32,
    CRYPTO_AEAD_NONCE_SIZE = 12,
    CRYPTO_XAEAD_NONCE_SIZE = 24,
    CRYPTO_AEAD_TAG_SIZE = 16,
    CRYPTO_BLAKE2S_SIZE = 32,
    CRYPTO_BLAKE2S_MAC_SIZE = 16,
    CRYPTO_BLAKE2S_KEY_MAX = 32,
};

/* One piece of a message that is hashed or authenticated as if its pieces stood side by side. */
struct crypto_span {
    const uint8_t *bytes;
    size_t size;
};

/*
 * Sealing writes the ciphertext and then the tag, so `out` has room for size + CRYPTO_AEAD_TAG_SIZE
 * bytes. `out` is `in` itself or does not overlap it. `ad` may be NULL where ad_size is 0, and `in`
 * where size is.
 */
typedef void crypto_seal(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                         const uint8_t *nonce, const uint8_t *ad, size_t ad_size, const uint8_t *in,
                         size_t size);
/*
 * Opening takes ciphertext and tag, `size` bytes in all, and writes size - CRYPTO_AEAD_TAG_SIZE
 * bytes of plaintext. False when they are not what was sealed with this key, nonce and `ad`; what
 * would have been the plaintext is then zero, which in place is at the ciphertext's cost. Fewer
 * bytes than a tag has are never what was sealed, and nothing is written for them.
 */
typedef bool crypto_open(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                         const uint8_t *nonce, const uint8_t *ad, size_t ad_size, const uint8_t *in,
                         size_t size);

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
    /*
     * BLAKE2s (RFC 7693), keyed where key_size is not 0. `out_size` is CRYPTO_BLAKE2S_SIZE, or with
     * a key CRYPTO_BLAKE2S_MAC_SIZE, which is what WireGuard's mac1 and mac2 are: another function,
     * not the first half of the longer one.
     */
    void (*blake2s)(uint8_t *out, size_t out_size, const uint8_t *key, size_t key_size,
                    const struct crypto_span *parts, size_t count);
    /*
     * The shared secret of RFC 7748, section 6.1. False, with a secret of zeros, when the public
     * key is of small order, so that anyone would know the secret.
     */
    bool (*x25519)(uint8_t shared[static CRYPTO_X25519_SIZE],
                   const uint8_t private_key[static CRYPTO_X25519_SIZE],
                   const uint8_t public_key[static CRYPTO_X25519_SIZE]);
    void (*x25519_public)(uint8_t public_key[static CRYPTO_X25519_SIZE],
                          const uint8_t private_key[static CRYPTO_X25519_SIZE]);
    void (*ed25519_public)(uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                           const uint8_t seed[static CRYPTO_ED25519_SEED_SIZE]);
    /* Ed25519 of RFC 8032 (pure: neither ctx nor ph), of one piece of bytes. */
    void (*ed25519_sign)(uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                         const uint8_t seed[static CRYPTO_ED25519_SEED_SIZE],
                         const uint8_t *message, size_t size);
    /* False, too, for a public key of small order, under which one signature fits many messages. */
    bool (*ed25519_verify)(const uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                           const uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                           const uint8_t *message, size_t size);
    /* ChaCha20-Poly1305 with a nonce of CRYPTO_AEAD_NONCE_SIZE bytes (RFC 8439, section 2.8). */
    crypto_seal *aead_seal;
    crypto_open *aead_open;
    /* XChaCha20-Poly1305 with a nonce of CRYPTO_XAEAD_NONCE_SIZE (draft-irtf-cfrg-xchacha-03). */
    crypto_seal *xaead_seal;
    crypto_open *xaead_open;
    /* True when the bytes are equal; takes the same time whether and wherever they differ. */
    bool (*equal)(const void *a, const void *b, size_t size);
    /* Overwrites a secret so that the compiler cannot leave it out. */
    void (*wipe)(void *secret, size_t size);
};

#endif
