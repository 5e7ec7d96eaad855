/* The real operations behind core/base/crypto.h. */
#include "crypto/crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>

#include "core/base/check.h"

/*
 * Fetching an algorithm and making a context costs more than hashing a STUN message, so each thread
 * keeps one context per algorithm. Between two calls a context says nothing that a result could
 * depend on: every call starts it afresh with all its arguments.
 */
static _Thread_local EVP_MD_CTX *md5_context;
static _Thread_local EVP_MD_CTX *sha256_context;
static _Thread_local EVP_MAC_CTX *hmac_sha1_context;
static _Thread_local EVP_MAC_CTX *hmac_sha256_context;

/* A context holds its own reference to the algorithm that it was fetched for. */
static EVP_MD_CTX *hash_context(EVP_MD_CTX **context, const char *name)
{
    if (*context != NULL)
        return *context;
    EVP_MD *algorithm = EVP_MD_fetch(NULL, name, NULL);
    check(algorithm != NULL);
    *context = EVP_MD_CTX_new();
    check(*context != NULL);
    int ok = EVP_DigestInit_ex2(*context, algorithm, NULL);
    check(ok == 1);
    EVP_MD_free(algorithm);
    return *context;
}

static EVP_MAC_CTX *hmac_context(EVP_MAC_CTX **context, const char *hash)
{
    if (*context != NULL)
        return *context;
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    check(algorithm != NULL);
    *context = EVP_MAC_CTX_new(algorithm);
    check(*context != NULL);
    EVP_MAC_free(algorithm);
    char name[16];
    OPENSSL_strlcpy(name, hash, sizeof name); /* the parameter is not const, and is only read */
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    int ok = EVP_MAC_CTX_set_params(*context, parameters);
    check(ok == 1);
    return *context;
}

static void run_hash(EVP_MD_CTX *context, uint8_t *out, size_t out_size,
                     const struct crypto_span *parts, size_t count)
{
    int ok = EVP_DigestInit_ex2(context, NULL, NULL);
    for (size_t i = 0; i < count; i++)
        ok &= EVP_DigestUpdate(context, parts[i].bytes, parts[i].size);
    unsigned size = 0;
    ok &= EVP_DigestFinal_ex(context, out, &size);
    check(ok == 1);
    check(size == out_size);
}

static void run_hmac(EVP_MAC_CTX *context, uint8_t *out, size_t out_size, const uint8_t *key,
                     size_t key_size, const struct crypto_span *parts, size_t count)
{
    /* No key at all would mean "the key of the last call" to libcrypto; an empty one is a key. */
    static const uint8_t empty[1];
    int ok = EVP_MAC_init(context, key_size > 0 ? key : empty, key_size, NULL);
    for (size_t i = 0; i < count; i++)
        ok &= EVP_MAC_update(context, parts[i].bytes, parts[i].size);
    size_t size = 0;
    ok &= EVP_MAC_final(context, out, &size, out_size);
    check(ok == 1);
    check(size == out_size);
}

static void real_md5(uint8_t out[static CRYPTO_MD5_SIZE], const struct crypto_span *parts,
                     size_t count)
{
    run_hash(hash_context(&md5_context, "MD5"), out, CRYPTO_MD5_SIZE, parts, count);
}

static void real_sha256(uint8_t out[static CRYPTO_SHA256_SIZE], const struct crypto_span *parts,
                        size_t count)
{
    run_hash(hash_context(&sha256_context, "SHA256"), out, CRYPTO_SHA256_SIZE, parts, count);
}

static void real_hmac_sha1(uint8_t out[static CRYPTO_SHA1_SIZE], const uint8_t *key,
                           size_t key_size, const struct crypto_span *parts, size_t count)
{
    run_hmac(hmac_context(&hmac_sha1_context, "SHA1"), out, CRYPTO_SHA1_SIZE, key, key_size, parts,
             count);
}

static void real_hmac_sha256(uint8_t out[static CRYPTO_SHA256_SIZE], const uint8_t *key,
                             size_t key_size, const struct crypto_span *parts, size_t count)
{
    run_hmac(hmac_context(&hmac_sha256_context, "SHA256"), out, CRYPTO_SHA256_SIZE, key, key_size,
             parts, count);
}

static bool real_equal(const void *a, const void *b, size_t size)
{
    return sodium_memcmp(a, b, size) == 0;
}

static void real_wipe(void *secret, size_t size)
{
    sodium_memzero(secret, size);
}

void crypto_thread_end(void)
{
    EVP_MD_CTX_free(md5_context);
    EVP_MD_CTX_free(sha256_context);
    EVP_MAC_CTX_free(hmac_sha1_context);
    EVP_MAC_CTX_free(hmac_sha256_context);
    md5_context = NULL;
    sha256_context = NULL;
    hmac_sha1_context = NULL;
    hmac_sha256_context = NULL;
}

const struct crypto crypto_real = {
    .md5 = real_md5,
    .sha256 = real_sha256,
    .hmac_sha1 = real_hmac_sha1,
    .hmac_sha256 = real_hmac_sha256,
    .equal = real_equal,
    .wipe = real_wipe,
};
