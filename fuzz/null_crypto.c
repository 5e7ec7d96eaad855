/* Cryptography for fuzzing: zero bytes from every hash, MAC, tag and signature. */
#include "fuzz/null_crypto.h"

#include <string.h>

/* Where reads end up, so that they are made. */
static volatile uint8_t sink;

static void read_all(const struct crypto_span *parts, size_t count)
{
    uint8_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < parts[i].size; k++)
            sum ^= parts[i].bytes[k];
    }
    sink = sum;
}

static void null_md5(uint8_t out[static CRYPTO_MD5_SIZE], const struct crypto_span *parts,
                     size_t count)
{
    read_all(parts, count);
    memset(out, 0, CRYPTO_MD5_SIZE);
}

static void null_sha256(uint8_t out[static CRYPTO_SHA256_SIZE], const struct crypto_span *parts,
                        size_t count)
{
    read_all(parts, count);
    memset(out, 0, CRYPTO_SHA256_SIZE);
}

static void null_hmac_sha1(uint8_t out[static CRYPTO_SHA1_SIZE], const uint8_t *key,
                           size_t key_size, const struct crypto_span *parts, size_t count)
{
    read_all(&(struct crypto_span){key, key_size}, 1);
    read_all(parts, count);
    memset(out, 0, CRYPTO_SHA1_SIZE);
}

static void null_hmac_sha256(uint8_t out[static CRYPTO_SHA256_SIZE], const uint8_t *key,
                             size_t key_size, const struct crypto_span *parts, size_t count)
{
    read_all(&(struct crypto_span){key, key_size}, 1);
    read_all(parts, count);
    memset(out, 0, CRYPTO_SHA256_SIZE);
}

static void null_blake2s(uint8_t *out, size_t out_size, const uint8_t *key, size_t key_size,
                         const struct crypto_span *parts, size_t count)
{
    read_all(&(struct crypto_span){key, key_size}, 1);
    read_all(parts, count);
    memset(out, 0, out_size);
}

static bool null_x25519(uint8_t shared[static CRYPTO_X25519_SIZE],
                        const uint8_t private_key[static CRYPTO_X25519_SIZE],
                        const uint8_t public_key[static CRYPTO_X25519_SIZE])
{
    uint8_t any = 0;
    for (size_t i = 0; i < CRYPTO_X25519_SIZE; i++) {
        shared[i] = private_key[i] ^ public_key[i];
        any |= shared[i];
    }
    return any != 0;
}

static void null_x25519_public(uint8_t public_key[static CRYPTO_X25519_SIZE],
                               const uint8_t private_key[static CRYPTO_X25519_SIZE])
{
    memmove(public_key, private_key, CRYPTO_X25519_SIZE);
}

static void null_ed25519_public(uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                                const uint8_t seed[static CRYPTO_ED25519_SEED_SIZE])
{
    memmove(public_key, seed, CRYPTO_ED25519_PUBLIC_SIZE);
}

static void null_ed25519_sign(uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                              const uint8_t seed[static CRYPTO_ED25519_SEED_SIZE],
                              const uint8_t *message, size_t size)
{
    read_all(&(struct crypto_span){seed, CRYPTO_ED25519_SEED_SIZE}, 1);
    read_all(&(struct crypto_span){message, size}, 1);
    memset(signature, 0, CRYPTO_ED25519_SIGNATURE_SIZE);
}

static bool null_ed25519_verify(const uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                                const uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                                const uint8_t *message, size_t size)
{
    read_all(&(struct crypto_span){signature, CRYPTO_ED25519_SIGNATURE_SIZE}, 1);
    read_all(&(struct crypto_span){public_key, CRYPTO_ED25519_PUBLIC_SIZE}, 1);
    read_all(&(struct crypto_span){message, size}, 1);
    return true;
}

static void null_seal(uint8_t *out, const uint8_t *key, struct crypto_span nonce,
                      struct crypto_span ad, struct crypto_span in)
{
    const struct crypto_span parts[] = {{key, CRYPTO_AEAD_KEY_SIZE}, nonce, ad, in};
    read_all(parts, 4);
    if (in.size > 0)
        memmove(out, in.bytes, in.size);
    memset(out + in.size, 0, CRYPTO_AEAD_TAG_SIZE);
}

static bool null_open(uint8_t *out, const uint8_t *key, struct crypto_span nonce,
                      struct crypto_span ad, struct crypto_span in)
{
    const struct crypto_span parts[] = {{key, CRYPTO_AEAD_KEY_SIZE}, nonce, ad, in};
    read_all(parts, 4);
    if (in.size < CRYPTO_AEAD_TAG_SIZE)
        return false;
    if (in.size > CRYPTO_AEAD_TAG_SIZE)
        memmove(out, in.bytes, in.size - CRYPTO_AEAD_TAG_SIZE);
    return true;
}

static void null_aead_seal(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                           const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                           const uint8_t *in, size_t size)
{
    null_seal(out, key, (struct crypto_span){nonce, CRYPTO_AEAD_NONCE_SIZE},
              (struct crypto_span){ad, ad_size}, (struct crypto_span){in, size});
}

static bool null_aead_open(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                           const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                           const uint8_t *in, size_t size)
{
    return null_open(out, key, (struct crypto_span){nonce, CRYPTO_AEAD_NONCE_SIZE},
                     (struct crypto_span){ad, ad_size}, (struct crypto_span){in, size});
}

static void null_xaead_seal(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                            const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                            const uint8_t *in, size_t size)
{
    null_seal(out, key, (struct crypto_span){nonce, CRYPTO_XAEAD_NONCE_SIZE},
              (struct crypto_span){ad, ad_size}, (struct crypto_span){in, size});
}

static bool null_xaead_open(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                            const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                            const uint8_t *in, size_t size)
{
    return null_open(out, key, (struct crypto_span){nonce, CRYPTO_XAEAD_NONCE_SIZE},
                     (struct crypto_span){ad, ad_size}, (struct crypto_span){in, size});
}

static bool null_equal(const void *a, const void *b, size_t size)
{
    return memcmp(a, b, size) == 0;
}

static void null_wipe(void *secret, size_t size)
{
    memset(secret, 0, size);
}

const struct crypto crypto_null = {
    .md5 = null_md5,
    .sha256 = null_sha256,
    .hmac_sha1 = null_hmac_sha1,
    .hmac_sha256 = null_hmac_sha256,
    .blake2s = null_blake2s,
    .x25519 = null_x25519,
    .x25519_public = null_x25519_public,
    .ed25519_public = null_ed25519_public,
    .ed25519_sign = null_ed25519_sign,
    .ed25519_verify = null_ed25519_verify,
    .aead_seal = null_aead_seal,
    .aead_open = null_aead_open,
    .xaead_seal = null_xaead_seal,
    .xaead_open = null_xaead_open,
    .equal = null_equal,
    .wipe = null_wipe,
};
