/* Cryptography for fuzzing: zero bytes from everything. */
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
    .equal = null_equal,
    .wipe = null_wipe,
};
