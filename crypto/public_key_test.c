/* X25519 and Ed25519 against the vectors of their standards, and what both must refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "crypto/crypto.h"
#include "crypto/crypto_test.h"

/* RFC 7748, sections 5.2 and 6.1. The second public key has the bit set that does not count. */
static const char *const x25519_rows[][3] = {
    {"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
     "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
     "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
    {"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
     "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
     "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
    {"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
     "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
    {"5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb",
     "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
     "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
};

static void test_x25519(void **state)
{
    (void)state;
    uint8_t private_key[32], public_key[32], expected[32], got[32];
    for (size_t i = 0; i < sizeof x25519_rows / sizeof x25519_rows[0]; i++) {
        unhex(private_key, x25519_rows[i][0]);
        unhex(public_key, x25519_rows[i][1]);
        unhex(expected, x25519_rows[i][2]);
        assert_true(crypto_real.x25519(got, private_key, public_key));
        assert_memory_equal(got, expected, 32);
    }
    for (size_t i = 2; i < 4; i++) { /* one row has the public key of the other */
        unhex(private_key, x25519_rows[i][0]);
        unhex(expected, x25519_rows[5 - i][1]);
        crypto_real.x25519_public(got, private_key);
        assert_memory_equal(got, expected, 32);
    }
}

/* RFC 7748, section 5.2: each result is the next scalar, and each scalar the next point. */
static void test_x25519_iterated(void **state)
{
    (void)state;
    static const char once[] = "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079";
    static const char often[] = "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51";
    uint8_t scalar[32] = {9}, point[32] = {9}, result[32], expected[32];
    for (unsigned i = 1; i <= 1000; i++) {
        assert_true(crypto_real.x25519(result, scalar, point));
        memcpy(point, scalar, 32);
        memcpy(scalar, result, 32);
        if (i == 1)
            assert_memory_equal(result, expected, unhex(expected, once));
    }
    assert_memory_equal(result, expected, unhex(expected, often));
}

/* The points of order 1, 2, 4 and 8 on the curve and its twist, and their other spellings. */
static const char *const small_order[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void test_x25519_small_order(void **state)
{
    (void)state;
    static const uint8_t zero[32];
    uint8_t private_key[32], point[32], got[32];
    unhex(private_key, x25519_rows[0][0]);
    for (size_t i = 0; i < sizeof small_order / sizeof small_order[0]; i++) {
        unhex(point, small_order[i]);
        for (unsigned high_bit = 0; high_bit <= 1; high_bit++) {
            point[31] ^= (uint8_t)(high_bit << 7);
            memset(got, 0xaa, sizeof got);
            assert_false(crypto_real.x25519(got, private_key, point));
            assert_memory_equal(got, zero, 32);
        }
    }
}

/* RFC 8032, section 7.1, tests 1 to 3: seed, public key, message, signature. */
static const char *const ed25519_rows[][4] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46"
     "bd25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8"
     "c387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc65"
     "94a7c15e9716ed28dc027beceea1ec40a"},
};

static void flip(uint8_t *bytes, size_t bit)
{
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void test_ed25519(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ed25519_rows / sizeof ed25519_rows[0]; i++) {
        uint8_t seed[32], key[32], message[2], signature[64], got[64];
        unhex(seed, ed25519_rows[i][0]);
        unhex(key, ed25519_rows[i][1]);
        size_t size = unhex(message, ed25519_rows[i][2]);
        unhex(signature, ed25519_rows[i][3]);
        crypto_real.ed25519_public(got, seed);
        assert_memory_equal(got, key, 32);
        crypto_real.ed25519_sign(got, seed, message, size);
        assert_memory_equal(got, signature, 64);
        assert_true(crypto_real.ed25519_verify(signature, key, message, size));
        for (size_t bit = 0; bit < 8 * sizeof signature; bit++) {
            flip(signature, bit);
            assert_false(crypto_real.ed25519_verify(signature, key, message, size));
            flip(signature, bit);
        }
        for (size_t bit = 0; bit < 8 * sizeof key; bit++) {
            flip(key, bit);
            assert_false(crypto_real.ed25519_verify(signature, key, message, size));
            flip(key, bit);
        }
        for (size_t bit = 0; bit < 8 * size; bit++) {
            flip(message, bit);
            assert_false(crypto_real.ed25519_verify(signature, key, message, size));
            flip(message, bit);
        }
        if (size > 0)
            assert_false(crypto_real.ed25519_verify(signature, key, message, size - 1));
    }
}

/* RFC 8032, section 5.1.7: S + L would verify as well as S does, so S must be below L. */
static void test_ed25519_malleable(void **state)
{
    (void)state;
    static const char order[] = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010";
    uint8_t key[32], signature[64], l[32], message[1] = {0x72};
    unhex(key, ed25519_rows[1][1]);
    unhex(signature, ed25519_rows[1][3]);
    unhex(l, order);
    unsigned carry = 0;
    for (size_t i = 0; i < 32; i++) {
        carry += (unsigned)signature[32 + i] + l[i];
        signature[32 + i] = (uint8_t)carry;
        carry >>= 8;
    }
    assert_int_equal(carry, 0);
    assert_false(crypto_real.ed25519_verify(signature, key, message, 1));
}

/*
 * Keys of small order: with R the neutral element and S zero the equation holds for every message
 * that hashes to a multiple of the key's order, and always for order 1.
 */
static void test_ed25519_small_order(void **state)
{
    (void)state;
    static const char *const keys[] = {
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    };
    uint8_t signature[64] = {1};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        uint8_t key[32];
        unhex(key, keys[i]);
        for (unsigned high_bit = 0; high_bit <= 1; high_bit++) {
            key[31] ^= (uint8_t)(high_bit << 7);
            for (unsigned m = 0; m < 64; m++) {
                const uint8_t message[1] = {(uint8_t)m};
                assert_false(crypto_real.ed25519_verify(signature, key, message, 1));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_x25519),
        cmocka_unit_test(test_x25519_iterated),
        cmocka_unit_test(test_x25519_small_order),
        cmocka_unit_test(test_ed25519),
        cmocka_unit_test(test_ed25519_malleable),
        cmocka_unit_test(test_ed25519_small_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
