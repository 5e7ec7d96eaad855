/* The real cryptographic operations against the vectors of their standards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "crypto/crypto_test.h"

enum { MESSAGE_MAX = 200 };

/* RFC 1321, A.5 and FIPS 180-4's published examples. */
static const struct hash_row {
    const char *message;
    const char *md5;
    const char *sha256;
} hash_rows[] = {
    {"", "d41d8cd98f00b204e9800998ecf8427e",
     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"a", "0cc175b9c0f1b6a831c399e269772661", NULL},
    {"abc", "900150983cd24fb0d6963f7d28e17f72",
     "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"message digest", "f96b697d7cb7938d525a2f31aaf161d0", NULL},
    {"abcdefghijklmnopqrstuvwxyz", "c3fcd3d76192e4007dfb496cca67e13b", NULL},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
     "d174ab98d277d9f5a5611c2c9f419d9f", NULL},
    {"1234567890123456789012345678901234567890123456789012345678901234567890123456789"
     "0",
     "57edf4a22be3c955ac49da2e2107b67a", NULL},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", NULL,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
     "lmnopqrsmnopqrstnopqrstu",
     NULL, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
};

/* Cuts a message at `cut` into two parts, with an empty one between them. */
static void split(struct crypto_span parts[static 3], const uint8_t *bytes, size_t size, size_t cut)
{
    parts[0] = (struct crypto_span){bytes, cut};
    parts[1] = (struct crypto_span){NULL, 0};
    parts[2] = (struct crypto_span){bytes + cut, size - cut};
}

static void test_hashes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hash_rows / sizeof hash_rows[0]; i++) {
        const struct hash_row *row = &hash_rows[i];
        size_t size = strlen(row->message);
        for (size_t cut = 0; cut <= size; cut++) {
            struct crypto_span parts[3];
            uint8_t got[32], expected[32];
            split(parts, (const uint8_t *)row->message, size, cut);
            if (row->md5 != NULL) {
                crypto_real.md5(got, parts, 3);
                assert_memory_equal(got, expected, unhex(expected, row->md5));
            }
            if (row->sha256 != NULL) {
                crypto_real.sha256(got, parts, 3);
                assert_memory_equal(got, expected, unhex(expected, row->sha256));
            }
        }
    }
}

/*
 * RFC 2202, section 3 (SHA-1) and RFC 4231, section 4 (SHA-256). Keys and texts that are one byte
 * over and over are given by that byte.
 */
static const struct hmac_row {
    const char *key; /* hexadecimal, or NULL: key_size bytes of key_fill */
    uint8_t key_fill;
    size_t key_size;
    const char *text; /* or NULL: 50 bytes of text_fill */
    uint8_t text_fill;
    const char *sha1;
    const char *sha256;
} hmac_rows[] = {
    {NULL, 0x0b, 20, "Hi There", 0, "b617318655057264e28bc0b6fb378c8ef146be00",
     "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
    {"4a656665", 0, 0, "what do ya want for nothing?", 0,
     "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
     "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
    {NULL, 0xaa, 20, NULL, 0xdd, "125d7342b9ac11cd91a39af48aa17b4f63f175d3",
     "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
    {"0102030405060708090a0b0c0d0e0f10111213141516171819", 0, 0, NULL, 0xcd,
     "4c9007f4026250c6bc8414f9bf50c86c2d7235da",
     "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
    {NULL, 0x0c, 20, "Test With Truncation", 0, "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04", NULL},
    {NULL, 0xaa, 80, "Test Using Larger Than Block-Size Key - Hash Key First", 0,
     "aa4ae5e15272d00e95705637ce8a3b55ed402112", NULL},
    {NULL, 0xaa, 80, "Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data", 0,
     "e8e99d0f45237d786d6bbaa7965c7808bbff1a91", NULL},
    {NULL, 0xaa, 131, "Test Using Larger Than Block-Size Key - Hash Key First", 0, NULL,
     "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
    {NULL, 0xaa, 131,
     "This is a test using a larger than block-size key and a larger than block-size data. The "
     "key needs to be hashed before being used by the HMAC algorithm.",
     0, NULL, "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

static void check_hmac_row(const struct hmac_row *row)
{
    uint8_t key[MESSAGE_MAX], text[MESSAGE_MAX], got[32], expected[32];
    size_t key_size = row->key_size, text_size = 50;
    memset(key, row->key_fill, sizeof key);
    memset(text, row->text_fill, sizeof text);
    if (row->key != NULL)
        key_size = unhex(key, row->key);
    if (row->text != NULL) {
        text_size = strlen(row->text);
        memcpy(text, row->text, text_size);
    }
    for (size_t cut = 0; cut <= text_size; cut++) {
        struct crypto_span parts[3];
        split(parts, text, text_size, cut);
        if (row->sha1 != NULL) {
            crypto_real.hmac_sha1(got, key, key_size, parts, 3);
            assert_memory_equal(got, expected, unhex(expected, row->sha1));
        }
        if (row->sha256 != NULL) {
            crypto_real.hmac_sha256(got, key, key_size, parts, 3);
            assert_memory_equal(got, expected, unhex(expected, row->sha256));
        }
    }
}

static void test_hmacs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof hmac_rows / sizeof hmac_rows[0]; i++)
        check_hmac_row(&hmac_rows[i]);
}

/*
 * An empty key is a key of its own, not whichever was there before; values worked out by RFC 2104.
 */
static void test_empty_key(void **state)
{
    (void)state;
    static const char sha1[] = "6244e66451a1c8695db9731ce2c4fd5de25ccf87";
    static const char sha256[] = "4cbc96099a6467ce002461f10549b4898265ebe6188b45efacc44293516e62c4";
    const struct crypto_span text = {(const uint8_t *)"x", 1};
    uint8_t got[32], expected[32];
    for (unsigned with_null = 0; with_null <= 1; with_null++) {
        const uint8_t *empty = with_null ? NULL : (const uint8_t *)"";
        crypto_real.hmac_sha1(got, (const uint8_t *)"other", 5, &text, 1);
        crypto_real.hmac_sha1(got, empty, 0, &text, 1);
        assert_memory_equal(got, expected, unhex(expected, sha1));
        crypto_real.hmac_sha256(got, (const uint8_t *)"other", 5, &text, 1);
        crypto_real.hmac_sha256(got, empty, 0, &text, 1);
        assert_memory_equal(got, expected, unhex(expected, sha256));
    }
}

/*
 * Unkeyed and keyed: RFC 7693, appendix B, and from BLAKE2's own known answers, whose messages are
 * 00, 01, 02, ... and whose key is 00 to 1f. The short ones, and those with shorter keys, were
 * worked out with the reference implementation.
 */
static const struct blake2s_row {
    size_t key_size;
    size_t size; /* of 00, 01, 02, ...; SIZE_MAX stands for "abc" */
    const char *expected;
} blake2s_rows[] = {
    {0, SIZE_MAX, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982"},
    {0, 0, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"},
    {0, 1, "e34d74dbaf4ff4c6abd871cc220451d2ea2648846c7757fbaac82fe51ad64bea"},
    {0, 64, "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e"},
    {0, 255, "f03f5789d3336b80d002d59fdf918bdb775b00956ed5528e86aa994acb38fe2d"},
    {32, 0, "48a8997da407876b3d79c0d92325ad3b89cbb754d86ab71aee047ad345fd2c49"},
    {32, 1, "40d15fee7c328830166ac3f918650f807e7e01e177258cdc0a39b11f598066f1"},
    {32, 64, "8975b0577fd35566d750b362b0897a26c399136df07bababbde6203ff2954ed4"},
    {32, 65, "21fe0ceb0052be7fb0f004187cacd7de67fa6eb0938d927677f2398c132317a8"},
    {32, 255, "3fb735061abc519dfe979e54c1ee5bfad0a9d858b3315bad34bde999efd724dd"},
    {1, SIZE_MAX, "8a273cd57d48b272a6547652593f3c33ec69e3fb94fec9b59f2f21760ff62b4e"},
    {16, SIZE_MAX, "033a40b64c6296fc2e3584d2a06bcf1a8003ebb9b8007940e2f820b645917a4e"},
    {32, 0, "9536f9b267655743dee97b8a670f9f53"},
    {32, 1, "13bacfb85b48a1223c595f8c1e7e82cb"},
    {32, 64, "f1efa90d2547036841ecd3627fafbc36"},
    {32, 65, "811ff8686d23a435ecbd0bdafcd27b1b"},
    {32, 255, "cd075928ab7e6883e697fe7fd3ac43ee"},
    {1, SIZE_MAX, "b0b50abcc8035f261e99bc69470f14d3"},
    {16, SIZE_MAX, "75296c2d2c0f51210b383f386bc8b1ff"},
};

static void check_blake2s_row(const struct blake2s_row *row)
{
    uint8_t bytes[255], got[32], expected[32];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    const uint8_t *message = row->size == SIZE_MAX ? (const uint8_t *)"abc" : bytes;
    size_t size = row->size == SIZE_MAX ? 3 : row->size;
    size_t out_size = unhex(expected, row->expected);
    for (size_t cut = 0; cut <= size; cut++) {
        struct crypto_span parts[3];
        split(parts, message, size, cut);
        crypto_real.blake2s(got, out_size, row->key_size > 0 ? bytes : NULL, row->key_size, parts,
                            3);
        assert_memory_equal(got, expected, out_size);
    }
}

/* Upwards and downwards, so that a size or a key that stayed from the last call would show. */
static void test_blake2s(void **state)
{
    (void)state;
    enum { COUNT = sizeof blake2s_rows / sizeof blake2s_rows[0] };
    for (size_t i = 0; i < COUNT; i++)
        check_blake2s_row(&blake2s_rows[i]);
    for (size_t i = COUNT; i-- > 0;)
        check_blake2s_row(&blake2s_rows[i]);
    crypto_thread_end();
}

static void test_equal_and_wipe(void **state)
{
    (void)state;
    uint8_t a[40], b[40], zero[40] = {0};
    for (size_t i = 0; i < sizeof a; i++)
        a[i] = b[i] = (uint8_t)(i + 1);
    assert_true(crypto_real.equal(a, b, sizeof a));
    assert_true(crypto_real.equal(a, b, 0));
    for (size_t i = 0; i < 8 * sizeof a; i++) {
        b[i / 8] ^= (uint8_t)(1u << i % 8);
        assert_false(crypto_real.equal(a, b, sizeof a));
        assert_true(crypto_real.equal(a, b, i / 8)); /* only the bytes asked for */
        b[i / 8] ^= (uint8_t)(1u << i % 8);
    }
    crypto_real.wipe(a, sizeof a - 1);
    assert_memory_equal(a, zero, sizeof a - 1);
    assert_int_equal(a[sizeof a - 1], sizeof a);
}

static void *run_rows(void *context)
{
    (void)context;
    for (size_t i = 0; i < sizeof hmac_rows / sizeof hmac_rows[0]; i++) {
        uint8_t key[MESSAGE_MAX], got[32], expected[32];
        const struct hmac_row *row = &hmac_rows[i];
        if (row->sha256 == NULL || row->key != NULL || row->text == NULL)
            continue;
        memset(key, row->key_fill, sizeof key);
        const struct crypto_span text = {(const uint8_t *)row->text, strlen(row->text)};
        for (unsigned round = 0; round < 500; round++) {
            crypto_real.hmac_sha256(got, key, row->key_size, &text, 1);
            if (memcmp(got, expected, unhex(expected, row->sha256)) != 0)
                return context;
        }
    }
    crypto_thread_end();
    return NULL;
}

/* Each thread has a context of its own, and may end it and go on. */
static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    int failed;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_rows, &failed), 0);
    for (size_t i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    crypto_thread_end();
    crypto_thread_end();
    check_hmac_row(&hmac_rows[0]);
    crypto_thread_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hashes),    cmocka_unit_test(test_hmacs),
        cmocka_unit_test(test_empty_key), cmocka_unit_test(test_equal_and_wipe),
        cmocka_unit_test(test_threads),   cmocka_unit_test(test_blake2s),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
