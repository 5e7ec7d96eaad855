/* Both AEADs against the vectors of their standards; every change of a sealed message is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "crypto/crypto_test.h"

enum { TAG = CRYPTO_AEAD_TAG_SIZE, MESSAGE_MAX = 1500 };

static const char sunscreen[] =
    "Ladies and Gentlemen of the class of '99: If I could offer you only one"
    " tip for the future, sunscreen would be it.";

/* RFC 8439, section 2.8.2, and draft-irtf-cfrg-xchacha-03, A.3.1. */
static const struct row {
    bool extended;
    const char *nonce;
    const char *sealed; /* ciphertext and tag */
} rows[] = {
    {false, "070000004041424344454647",
     "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b"
     "1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
     "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691"},
    {true, "404142434445464748494a4b4c4d4e4f5051525354555657",
     "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39"
     "ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
     "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"},
};
enum { ROWS = sizeof rows / sizeof rows[0] };

/* A case of a table, unfolded. */
struct sample {
    crypto_seal *seal;
    crypto_open *open;
    uint8_t key[CRYPTO_AEAD_KEY_SIZE];
    uint8_t nonce[CRYPTO_XAEAD_NONCE_SIZE];
    size_t nonce_size;
    uint8_t ad[12];
    uint8_t sealed[sizeof sunscreen - 1 + TAG];
};

enum { TEXT = sizeof sunscreen - 1, SEALED = TEXT + TAG };

static struct sample sample_of(const struct row *row)
{
    struct sample s = {
        .seal = row->extended ? crypto_real.xaead_seal : crypto_real.aead_seal,
        .open = row->extended ? crypto_real.xaead_open : crypto_real.aead_open,
    };
    for (size_t i = 0; i < sizeof s.key; i++)
        s.key[i] = (uint8_t)(0x80 + i);
    s.nonce_size = unhex(s.nonce, row->nonce);
    assert_int_equal(unhex(s.ad, "50515253c0c1c2c3c4c5c6c7"), sizeof s.ad);
    assert_int_equal(unhex(s.sealed, row->sealed), SEALED);
    return s;
}

static void test_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct sample s = sample_of(&rows[i]);
        uint8_t got[SEALED], text[TEXT];
        s.seal(got, s.key, s.nonce, s.ad, sizeof s.ad, (const uint8_t *)sunscreen, TEXT);
        assert_memory_equal(got, s.sealed, SEALED);
        assert_true(s.open(text, s.key, s.nonce, s.ad, sizeof s.ad, s.sealed, SEALED));
        assert_memory_equal(text, sunscreen, TEXT);
    }
}

static void test_in_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct sample s = sample_of(&rows[i]);
        uint8_t block[SEALED], zero[TEXT] = {0};
        memcpy(block, sunscreen, TEXT);
        s.seal(block, s.key, s.nonce, s.ad, sizeof s.ad, block, TEXT);
        assert_memory_equal(block, s.sealed, SEALED);
        assert_true(s.open(block, s.key, s.nonce, s.ad, sizeof s.ad, block, SEALED));
        assert_memory_equal(block, sunscreen, TEXT);
        /* What does not open leaves nothing of its plaintext. */
        memcpy(block, s.sealed, SEALED);
        block[0] ^= 1;
        assert_false(s.open(block, s.key, s.nonce, s.ad, sizeof s.ad, block, SEALED));
        assert_memory_equal(block, zero, TEXT);
    }
}

/* True when the sample opens; when it does not, the output must be zero. */
static bool opens(const struct sample *s, size_t ad_size)
{
    uint8_t text[TEXT], zero[TEXT] = {0};
    memset(text, 0xaa, sizeof text);
    if (s->open(text, s->key, s->nonce, s->ad, ad_size, s->sealed, SEALED))
        return true;
    assert_memory_equal(text, zero, TEXT);
    return false;
}

static void check_flips(struct sample *s, uint8_t *bytes, size_t size)
{
    for (size_t bit = 0; bit < 8 * size; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(opens(s, sizeof s->ad));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(opens(s, sizeof s->ad));
}

static void test_every_flip_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct sample s = sample_of(&rows[i]);
        check_flips(&s, s.sealed, sizeof s.sealed); /* ciphertext and tag */
        check_flips(&s, s.ad, sizeof s.ad);
        check_flips(&s, s.nonce, s.nonce_size);
        check_flips(&s, s.key, sizeof s.key);
    }
}

static void test_every_truncation_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct sample s = sample_of(&rows[i]);
        for (size_t size = 0; size < SEALED; size++) {
            uint8_t *copy = malloc(size + 1), text[TEXT];
            assert_non_null(copy);
            memcpy(copy, s.sealed, size);
            assert_false(s.open(text, s.key, s.nonce, s.ad, sizeof s.ad, copy, size));
            free(copy);
        }
        for (size_t size = 0; size < sizeof s.ad; size++)
            assert_false(opens(&s, size));
    }
}

/* A key says nothing about the next one, and no size, not even none, is special. */
static void test_sizes(void **state)
{
    (void)state;
    static uint8_t text[MESSAGE_MAX], sealed[MESSAGE_MAX + TAG], got[MESSAGE_MAX + TAG];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < ROWS; i++) {
        struct sample s = sample_of(&rows[i]);
        for (size_t size = 0; size <= MESSAGE_MAX; size += size < 130 ? 1 : 137) {
            const uint8_t *in = size > 0 ? text : NULL, *ad = size % 3 > 0 ? text + 9 : NULL;
            size_t ad_size = size % 3 * 8;
            s.key[0] = (uint8_t)size;
            s.seal(sealed, s.key, s.nonce, ad, ad_size, in, size);
            assert_true(s.open(got, s.key, s.nonce, ad, ad_size, sealed, size + TAG));
            assert_memory_equal(got, text, size);
            s.key[0] ^= 0x80;
            assert_false(s.open(got, s.key, s.nonce, ad, ad_size, sealed, size + TAG));
            s.key[0] ^= 0x80;
            s.seal(got, s.key, s.nonce, ad, ad_size, in, size);
            assert_memory_equal(got, sealed, size + TAG);
        }
    }
}

static void *run_vectors(void *context)
{
    for (size_t round = 0; round < 200; round++) {
        struct sample s = sample_of(&rows[round % ROWS]);
        uint8_t got[SEALED];
        s.seal(got, s.key, s.nonce, s.ad, sizeof s.ad, (const uint8_t *)sunscreen, TEXT);
        if (memcmp(got, s.sealed, SEALED) != 0 || !opens(&s, sizeof s.ad) || opens(&s, 0))
            return context;
        if (round % 50 == 0)
            crypto_thread_end();
    }
    crypto_thread_end();
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    int failed;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_vectors, &failed), 0);
    for (size_t i = 0; i < 4; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    crypto_thread_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_in_place),
        cmocka_unit_test(test_every_flip_refused),
        cmocka_unit_test(test_every_truncation_refused),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
