/* SipHash-2-4 against the vectors of its paper, in every way to cut its input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"

/*
 * Key 00 01 .. 0f, inputs 00, 00 01, 00 01 02, ...: the paper's value for fifteen bytes is
 * a129ca6149be45e5.
 */
static const struct hash_key paper_key = {.word = {0x0706050403020100, 0x0f0e0d0c0b0a0908}};
static const uint64_t expected[64] = {
    0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
    0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
    0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
    0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    0x3f2acc7f57c29bdb, 0x699ae9f52cbe4794, 0x4bc1b3f0968dd39c, 0xbb6dc91da77961bd,
    0xbed65cf21aa2ee98, 0xd0f2cbb02e3b67c7, 0x93536795e3a33e88, 0xa80c038ccd5ccec8,
    0xb8ad50c6f649af94, 0xbce192de8a85b8ea, 0x17d835b85bbb15f3, 0x2f2e6163076bcfad,
    0xde4daaaca71dc9a5, 0xa6a2506687956571, 0xad87a3535c49ef28, 0x32d892fad841c342,
    0x7127512f72f27cce, 0xa7f32346f95978e3, 0x12e0b01abb051238, 0x15e034d40fa197ae,
    0x314dffbe0815a3b4, 0x027990f029623981, 0xcadcd4e59ef40c4d, 0x9abfd8766a33735c,
    0x0e3ea96b5304a7d0, 0xad0c42d6fc585992, 0x187306c89bc215a9, 0xd4a60abcf3792b95,
    0xf935451de4f21df2, 0xa9538f0419755787, 0xdb9acddff56ca510, 0xd06c98cd5c0975eb,
    0xe612a3cb9ecba951, 0xc766e62cfcadaf96, 0xee64435a9752fe72, 0xa192d576b245165a,
    0x0a8787bf8ecb74b2, 0x81b3e73d20b49b6f, 0x7fa8220ba3b2ecea, 0x245731c13ca42499,
    0xb78dbfaf3a8d83bd, 0xea1ad565322a1a0b, 0x60e61c23a3795013, 0x6606d7e446282b93,
    0x6ca4ecb15c5f91e1, 0x9f626da15c9625f3, 0xe51b38608ef25f57, 0x958a324ceb064572,
};

static void test_vectors(void **state)
{
    (void)state;
    for (size_t size = 0; size < 64; size++) {
        uint8_t *bytes =
            malloc(size + (size == 0)); /* so that a sanitizer sees a read past the end */
        assert_non_null(bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)i;
        assert_true(hash_once(paper_key, bytes, size) == expected[size]);
        free(bytes);
    }
    assert_true(expected[15] == 0xa129ca6149be45e5);
    assert_true(hash_once(paper_key, NULL, 0) == expected[0]);
}

/* In two and three pieces, with the value asked for in between. */
static void test_streams(void **state)
{
    (void)state;
    uint8_t bytes[63];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    for (size_t a = 0; a <= sizeof bytes; a++) {
        for (size_t b = a; b <= sizeof bytes; b++) {
            struct hash h;
            hash_start(&h, paper_key);
            hash_bytes(&h, bytes, a);
            assert_true(hash_value(&h) == expected[a]);
            hash_bytes(&h, bytes + a, b - a);
            assert_true(hash_value(&h) == expected[b]);
            hash_bytes(&h, bytes + b, sizeof bytes - b);
            assert_true(hash_value(&h) == expected[63]);
        }
    }
}

/* A number is its eight bytes, the lowest first, wherever in the stream it stands. */
static void test_numbers(void **state)
{
    (void)state;
    for (uint8_t before = 0; before < 9; before++) {
        uint8_t bytes[17];
        for (size_t i = 0; i < sizeof bytes; i++)
            bytes[i] = (uint8_t)i;
        uint64_t number = 0;
        for (unsigned i = 0; i < 8; i++)
            number |= (uint64_t)bytes[before + i] << (8 * i);
        struct hash h;
        hash_start(&h, paper_key);
        hash_bytes(&h, bytes, before);
        hash_u64(&h, number);
        assert_true(hash_value(&h) == expected[before + 8]);
    }
}

/* Each bit of the key and of the input, and the input's length, count. */
static void test_everything_counts(void **state)
{
    (void)state;
    uint8_t bytes[20] = {0};
    uint64_t before = hash_once(paper_key, bytes, sizeof bytes);
    for (unsigned bit = 0; bit < 128; bit++) {
        struct hash_key key = paper_key;
        key.word[bit / 64] ^= (uint64_t)1 << bit % 64;
        assert_false(hash_once(key, bytes, sizeof bytes) == before);
    }
    for (unsigned bit = 0; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(hash_once(paper_key, bytes, sizeof bytes) == before);
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t size = 0; size < sizeof bytes; size++)
        assert_false(hash_once(paper_key, bytes, size) == before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_everything_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
