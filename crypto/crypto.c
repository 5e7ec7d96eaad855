/* The real operations behind core/base/crypto.h. */
#include "crypto/crypto.h"

#include <limits.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <sodium.h>
#include <string.h>

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
static _Thread_local EVP_MD_CTX *blake2s_context;
static _Thread_local EVP_MAC_CTX *blake2s_mac_context;
static _Thread_local EVP_CIPHER_CTX *seal_context;
static _Thread_local EVP_CIPHER_CTX *open_context;
static _Thread_local bool sodium_ready;

/* libsodium then uses what the processor offers; without this it is right, but slow. */
static void use_sodium(void)
{
    if (sodium_ready)
        return;
    int status = sodium_init();
    check(status >= 0);
    sodium_ready = true;
}

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

static EVP_MAC_CTX *blake2s_mac(void)
{
    if (blake2s_mac_context != NULL)
        return blake2s_mac_context;
    EVP_MAC *algorithm = EVP_MAC_fetch(NULL, "BLAKE2SMAC", NULL);
    check(algorithm != NULL);
    blake2s_mac_context = EVP_MAC_CTX_new(algorithm);
    check(blake2s_mac_context != NULL);
    EVP_MAC_free(algorithm);
    return blake2s_mac_context;
}

/* For one direction; `encrypt` is 1 to seal with it and 0 to open. */
static EVP_CIPHER_CTX *aead_context(EVP_CIPHER_CTX **context, int encrypt)
{
    if (*context != NULL)
        return *context;
    EVP_CIPHER *algorithm = EVP_CIPHER_fetch(NULL, "ChaCha20-Poly1305", NULL);
    check(algorithm != NULL);
    *context = EVP_CIPHER_CTX_new();
    check(*context != NULL);
    int ok = EVP_CipherInit_ex2(*context, algorithm, NULL, NULL, encrypt, NULL);
    check(ok == 1);
    EVP_CIPHER_free(algorithm);
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

/*
 * OpenSSL 3.0 has BLAKE2s as a digest of 32 bytes only and as a MAC that insists on a key, both in
 * its default provider. So 16 bytes without a key, which nothing here uses, are not to be had.
 */
static void real_blake2s(uint8_t *out, size_t out_size, const uint8_t *key, size_t key_size,
                         const struct crypto_span *parts, size_t count)
{
    check(key_size <= CRYPTO_BLAKE2S_KEY_MAX);
    check(out_size == CRYPTO_BLAKE2S_SIZE || (out_size == CRYPTO_BLAKE2S_MAC_SIZE && key_size > 0));
    if (key_size == 0) {
        run_hash(hash_context(&blake2s_context, "BLAKE2S-256"), out, out_size, parts, count);
        return;
    }
    EVP_MAC_CTX *context = blake2s_mac();
    size_t size = out_size;
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
        OSSL_PARAM_construct_end(),
    };
    int ok = EVP_MAC_init(context, key, key_size, parameters);
    for (size_t i = 0; i < count; i++)
        ok &= EVP_MAC_update(context, parts[i].bytes, parts[i].size);
    ok &= EVP_MAC_final(context, out, &size, out_size);
    check(ok == 1);
    check(size == out_size);
}

static bool real_x25519(uint8_t shared[static CRYPTO_X25519_SIZE],
                        const uint8_t private_key[static CRYPTO_X25519_SIZE],
                        const uint8_t public_key[static CRYPTO_X25519_SIZE])
{
    use_sodium();
    if (crypto_scalarmult_curve25519(shared, private_key, public_key) == 0)
        return true;
    memset(shared, 0, CRYPTO_X25519_SIZE);
    return false;
}

static void real_x25519_public(uint8_t public_key[static CRYPTO_X25519_SIZE],
                               const uint8_t private_key[static CRYPTO_X25519_SIZE])
{
    use_sodium();
    int status = crypto_scalarmult_curve25519_base(public_key, private_key);
    check(status == 0);
}

static void real_ed25519_public(uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                                const uint8_t seed[static CRYPTO_ED25519_SEED_SIZE])
{
    use_sodium();
    uint8_t pair[crypto_sign_ed25519_SECRETKEYBYTES];
    int status = crypto_sign_ed25519_seed_keypair(public_key, pair, seed);
    check(status == 0);
    sodium_memzero(pair, sizeof pair);
}

static void real_ed25519_sign(uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                              const uint8_t seed[static CRYPTO_ED25519_SEED_SIZE],
                              const uint8_t *message, size_t size)
{
    use_sodium();
    uint8_t public_key[CRYPTO_ED25519_PUBLIC_SIZE], pair[crypto_sign_ed25519_SECRETKEYBYTES];
    int status = crypto_sign_ed25519_seed_keypair(public_key, pair, seed);
    check(status == 0);
    status = crypto_sign_ed25519_detached(signature, NULL, message, size, pair);
    check(status == 0);
    sodium_memzero(pair, sizeof pair);
}

static bool real_ed25519_verify(const uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                                const uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                                const uint8_t *message, size_t size)
{
    use_sodium();
    return crypto_sign_ed25519_verify_detached(signature, message, size, public_key) == 0;
}

/* Feeds `size` bytes; libcrypto takes no bytes at all for a mistake in some of its versions. */
static int aead_update(EVP_CIPHER_CTX *context, uint8_t *out, const uint8_t *in, size_t size)
{
    check(size <= INT_MAX);
    int written = 0;
    if (size == 0)
        return 1;
    return EVP_CipherUpdate(context, out, &written, in, (int)size) == 1 && written == (int)size;
}

/* The two spans are one and the same, or apart. */
static bool apart(const uint8_t *out, size_t out_size, const uint8_t *in, size_t in_size)
{
    uintptr_t a = (uintptr_t)out, b = (uintptr_t)in;
    return a == b || a + out_size <= b || b + in_size <= a;
}

static void real_aead_seal(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                           const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                           const uint8_t *in, size_t size)
{
    check(apart(out, size + CRYPTO_AEAD_TAG_SIZE, in, size));
    EVP_CIPHER_CTX *context = aead_context(&seal_context, 1);
    uint8_t none[1];
    int written = 0;
    int ok = EVP_CipherInit_ex2(context, NULL, key, nonce, -1, NULL);
    ok &= aead_update(context, NULL, ad, ad_size);
    ok &= aead_update(context, out, in, size);
    ok &= EVP_CipherFinal_ex(context, none, &written);
    ok &= EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, CRYPTO_AEAD_TAG_SIZE, out + size);
    check(ok == 1);
    check(written == 0);
}

static bool real_aead_open(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                           const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                           const uint8_t *in, size_t size)
{
    if (size < CRYPTO_AEAD_TAG_SIZE)
        return false;
    size_t text_size = size - CRYPTO_AEAD_TAG_SIZE;
    check(apart(out, text_size, in, size));
    EVP_CIPHER_CTX *context = aead_context(&open_context, 0);
    uint8_t none[1], tag[CRYPTO_AEAD_TAG_SIZE];
    int written = 0;
    memcpy(tag, in + text_size, sizeof tag); /* libcrypto wants one that is not const */
    int ok = EVP_CipherInit_ex2(context, NULL, key, nonce, -1, NULL);
    ok &= EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, CRYPTO_AEAD_TAG_SIZE, tag);
    ok &= aead_update(context, NULL, ad, ad_size);
    ok &= aead_update(context, out, in, text_size);
    check(ok == 1);
    if (EVP_CipherFinal_ex(context, none, &written) == 1)
        return true;
    if (text_size > 0)
        memset(out, 0, text_size);
    return false;
}

static void real_xaead_seal(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                            const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                            const uint8_t *in, size_t size)
{
    check(apart(out, size + CRYPTO_AEAD_TAG_SIZE, in, size));
    use_sodium();
    int status = crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in, size, ad, ad_size, NULL,
                                                            nonce, key);
    check(status == 0);
}

static bool real_xaead_open(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                            const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                            const uint8_t *in, size_t size)
{
    if (size < CRYPTO_AEAD_TAG_SIZE)
        return false;
    size_t text_size = size - CRYPTO_AEAD_TAG_SIZE;
    check(apart(out, text_size, in, size));
    use_sodium();
    if (crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in, size, ad, ad_size, nonce,
                                                   key) == 0)
        return true;
    if (text_size > 0)
        memset(out, 0, text_size);
    return false;
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
    EVP_MD_CTX_free(blake2s_context);
    EVP_MAC_CTX_free(blake2s_mac_context);
    EVP_CIPHER_CTX_free(seal_context);
    EVP_CIPHER_CTX_free(open_context);
    md5_context = NULL;
    sha256_context = NULL;
    hmac_sha1_context = NULL;
    hmac_sha256_context = NULL;
    blake2s_context = NULL;
    blake2s_mac_context = NULL;
    seal_context = NULL;
    open_context = NULL;
}

const struct crypto crypto_real = {
    .md5 = real_md5,
    .sha256 = real_sha256,
    .hmac_sha1 = real_hmac_sha1,
    .hmac_sha256 = real_hmac_sha256,
    .blake2s = real_blake2s,
    .x25519 = real_x25519,
    .x25519_public = real_x25519_public,
    .ed25519_public = real_ed25519_public,
    .ed25519_sign = real_ed25519_sign,
    .ed25519_verify = real_ed25519_verify,
    .aead_seal = real_aead_seal,
    .aead_open = real_aead_open,
    .xaead_seal = real_xaead_seal,
    .xaead_open = real_xaead_open,
    .equal = real_equal,
    .wipe = real_wipe,
};
