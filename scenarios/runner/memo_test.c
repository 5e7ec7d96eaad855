/* Remembered results are those of the real operations, whatever was asked before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crypto/crypto.h"
#include "scenarios/runner/memo.h"

enum { KEYS = 40, ROUNDS = 3 };

/* A key that is `number`, and no other. */
static void make_key(uint8_t key[static 32], unsigned number)
{
    for (size_t i = 0; i < 32; i++)
        key[i] = (uint8_t)((size_t)number * 7 + i);
}

static void test_public_keys(void **state)
{
    const struct crypto *memo = memo_crypto();
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < KEYS; i++) {
            uint8_t key[32], got[32], wanted[32];
            make_key(key, i);
            memo->x25519_public(got, key);
            crypto_real.x25519_public(wanted, key);
            assert_memory_equal(got, wanted, sizeof wanted);
            /* The same bytes, asked of another operation. */
            memo->ed25519_public(got, key);
            crypto_real.ed25519_public(wanted, key);
            assert_memory_equal(got, wanted, sizeof wanted);
        }
}

static void test_shared_secrets(void **state)
{
    const struct crypto *memo = memo_crypto();
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < KEYS; i++) {
            uint8_t key[32], other[32], public_key[32], got[32], wanted[32];
            make_key(key, i);
            make_key(other, i ^ 1);
            crypto_real.x25519_public(public_key, other);
            assert_true(memo->x25519(got, key, public_key));
            assert_true(crypto_real.x25519(wanted, key, public_key));
            assert_memory_equal(got, wanted, sizeof wanted);
        }
}

/* A refusal is remembered as one, with its secret of zeros. */
static void test_small_order(void **state)
{
    static const uint8_t zero[32];
    uint8_t key[32], got[32];
    (void)state;
    make_key(key, 1);
    for (unsigned round = 0; round < ROUNDS; round++) {
        memset(got, 1, sizeof got);
        assert_false(memo_crypto()->x25519(got, key, zero));
        assert_memory_equal(got, zero, sizeof zero);
    }
}

static void test_signatures(void **state)
{
    const struct crypto *memo = memo_crypto();
    uint8_t seed[32], key[32], signature[CRYPTO_ED25519_SIGNATURE_SIZE], message[70];
    (void)state;
    make_key(seed, 9);
    crypto_real.ed25519_public(key, seed);
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (uint8_t)i;
    memo->ed25519_sign(signature, seed, message, sizeof message);
    for (unsigned round = 0; round < ROUNDS; round++) {
        assert_true(memo->ed25519_verify(signature, key, message, sizeof message));
        /* Once it was good with one bit of anything else, it is not good with this. */
        for (size_t i = 0; i < sizeof message; i++) {
            message[i] ^= 1;
            assert_false(memo->ed25519_verify(signature, key, message, sizeof message));
            message[i] ^= 1;
        }
        assert_false(memo->ed25519_verify(signature, key, message, sizeof message - 1));
        signature[40] ^= 1;
        assert_false(memo->ed25519_verify(signature, key, message, sizeof message));
        signature[40] ^= 1;
        key[3] ^= 1;
        assert_false(memo->ed25519_verify(signature, key, message, sizeof message));
        key[3] ^= 1;
    }
}

/* What was asked before is not computed again; what was not, is. */
static void test_counts(void **state)
{
    const struct crypto *memo = memo_crypto();
    uint8_t key[32], got[32];
    (void)state;
    make_key(key, 200);
    struct memo_counts before = memo_counts();
    for (unsigned i = 0; i < 5; i++)
        memo->x25519_public(got, key);
    key[0] ^= 1;
    memo->x25519_public(got, key);
    struct memo_counts after = memo_counts();
    assert_int_equal(after.asked - before.asked, 6);
    assert_int_equal(after.computed - before.computed, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_public_keys), cmocka_unit_test(test_shared_secrets),
        cmocka_unit_test(test_small_order), cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
