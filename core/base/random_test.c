/*
 * Both kinds of randomness against published vectors and values from an independent implementation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"

/* 00 01 .. 1f: the key of RFC 8439's example, and the seed of the values below. */
static uint8_t counted[RANDOM_SEED_SIZE];

static int count_seed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < RANDOM_SEED_SIZE; i++)
        counted[i] = (uint8_t)i;
    return 0;
}

/* RFC 8439, 2.3.2, and A.1 with its first vector. */
static void test_chacha20(void **state)
{
    (void)state;
    static const uint8_t nonce[12] = {0, 0, 0, 9, 0, 0, 0, 0x4a}, zero[32];
    static const uint8_t example[64] = {
        0x10, 0xf1, 0xe7, 0xe4, 0xd1, 0x3b, 0x59, 0x15, 0x50, 0x0f, 0xdd, 0x1f, 0xa3,
        0x20, 0x71, 0xc4, 0xc7, 0xd1, 0xf4, 0xc7, 0x33, 0xc0, 0x68, 0x03, 0x04, 0x22,
        0xaa, 0x9a, 0xc3, 0xd4, 0x6c, 0x4e, 0xd2, 0x82, 0x64, 0x46, 0x07, 0x9f, 0xaa,
        0x09, 0x14, 0xc2, 0xd7, 0x05, 0xd9, 0x8b, 0x02, 0xa2, 0xb5, 0x12, 0x9c, 0xd1,
        0xde, 0x16, 0x4e, 0xb9, 0xcb, 0xd0, 0x83, 0xe8, 0xa2, 0x50, 0x3c, 0x4e,
    };
    static const uint8_t all_zero[64] = {
        0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90, 0x40, 0x5d, 0x6a, 0xe5, 0x53,
        0x86, 0xbd, 0x28, 0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a, 0xa8, 0x36,
        0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7, 0xda, 0x41, 0x59, 0x7c, 0x51, 0x57, 0x48,
        0x8d, 0x77, 0x24, 0xe0, 0x3f, 0xb8, 0xd8, 0x4a, 0x37, 0x6a, 0x43, 0xb8, 0xf4,
        0x15, 0x18, 0xa1, 0x1c, 0xc3, 0x87, 0xb6, 0x69, 0xb2, 0xee, 0x65, 0x86,
    };
    uint8_t out[64];
    chacha20_block(out, counted, 1, nonce);
    assert_memory_equal(out, example, sizeof out);
    chacha20_block(out, zero, 0, zero);
    assert_memory_equal(out, all_zero, sizeof out);
}

/* A block with counter 0: its first half is the next key, its second half is handed out. */
static void test_secret_values(void **state)
{
    (void)state;
    static const uint8_t expected[100] = {
        0x2b, 0x23, 0xcc, 0xe7, 0xa2, 0x60, 0x23, 0xab, 0x3f, 0x0e, 0xef, 0x69, 0x3a, 0xc8, 0x7f,
        0x64, 0x25, 0x82, 0x35, 0xea, 0xb1, 0xf7, 0xa3, 0x2d, 0xc2, 0x27, 0x62, 0xa0, 0x48, 0x5b,
        0x41, 0x0c, 0x2d, 0x41, 0xa5, 0x9c, 0x90, 0xe4, 0x1a, 0x8e, 0x7a, 0x4d, 0xcc, 0xaa, 0x1c,
        0x46, 0x06, 0x99, 0x83, 0xb1, 0xa3, 0x33, 0xce, 0x25, 0x71, 0x9e, 0xc3, 0x43, 0x77, 0x68,
        0xab, 0x57, 0xfa, 0x42, 0x5f, 0xd8, 0x44, 0xaf, 0x20, 0xc3, 0x8d, 0xdc, 0xd7, 0x9c, 0xb9,
        0x34, 0xb6, 0xac, 0x59, 0xc9, 0x70, 0xec, 0x0e, 0xea, 0x9e, 0xfc, 0x46, 0x49, 0x1e, 0x2d,
        0xa0, 0xe6, 0x63, 0xd7, 0x4b, 0xb5, 0x64, 0xeb, 0xa2, 0x0f,
    };
    for (size_t step = 1; step <= sizeof expected; step++) {
        struct random_secret r;
        uint8_t got[sizeof expected];
        random_secret_init(&r, counted);
        for (size_t done = 0; done < sizeof got; done += step) {
            size_t left = sizeof got - done;
            random_secret_bytes(&r, got + done, step < left ? step : left);
        }
        assert_memory_equal(got, expected, sizeof got);
    }
}

/* What was handed out is nowhere in the state afterwards, nor is the seed. */
static void test_secret_is_erased(void **state)
{
    (void)state;
    struct random_secret r;
    random_secret_init(&r, counted);
    for (unsigned round = 0; round < 100; round++) {
        uint8_t got[8];
        random_secret_bytes(&r, got, sizeof got);
        const uint8_t *at = (const uint8_t *)&r;
        for (size_t i = 0; i + sizeof got <= sizeof r; i++) {
            assert_memory_not_equal(at + i, got, sizeof got);
            assert_memory_not_equal(at + i, counted, sizeof got);
        }
    }
}

/*
 * From the algorithm's authors' description, run independently; the first four are 11520, 0,
 * 1509978240, ...
 */
static void test_xoshiro(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        0x0000000000002d00, 0x0000000000000000, 0x000000005a007080,
        0x10e0000000009d80, 0x10e0b61ce1009d80, 0x0870021ce143ad00,
    };
    struct random_stream r = {.state = {1, 2, 3, 4}};
    uint64_t last = 0;
    for (size_t i = 0; i < 1000; i++) {
        last = random_u64(&r);
        if (i < sizeof expected / sizeof expected[0])
            assert_true(last == expected[i]);
    }
    assert_true(last == 0x3039d010986d012d);
}

/* A stream's state is SipHash of the seed and the name, worked out independently. */
static void test_named_stream_values(void **state)
{
    (void)state;
    static const uint64_t expected[] = {
        0x961c4c6babdb7916,
        0x0d319bfeb13ed47d,
        0xe19ffdb35d56bd81,
    };
    struct random_stream r;
    random_stream_init(&r, counted, "link 7", 6);
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_true(random_u64(&r) == expected[i]);
}

static uint64_t first_of(const uint8_t *seed, const char *name, size_t size)
{
    struct random_stream r;
    random_stream_init(&r, seed, name, size);
    return random_u64(&r);
}

/* Equal seed and name, equal stream; any bit of the seed or byte of the name makes it another. */
static void test_streams_are_independent(void **state)
{
    (void)state;
    uint64_t value = first_of(counted, "a", 1);
    assert_true(first_of(counted, "a", 1) == value);
    assert_false(first_of(counted, "b", 1) == value);
    assert_false(first_of(counted, "a", 0) == value);
    assert_false(first_of(counted, "a\0", 2) == value);
    for (unsigned bit = 0; bit < 8 * RANDOM_SEED_SIZE; bit++) {
        uint8_t seed[RANDOM_SEED_SIZE];
        memcpy(seed, counted, sizeof seed);
        seed[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_false(first_of(seed, "a", 1) == value);
    }
}

static void test_below(void **state)
{
    (void)state;
    static const uint64_t bounds[] = {1,
                                      2,
                                      3,
                                      7,
                                      10,
                                      1000,
                                      65536,
                                      0x7fffffffffffffff,
                                      0x8000000000000000,
                                      0x8000000000000001,
                                      UINT64_MAX};
    struct random_stream r;
    random_stream_init(&r, counted, "below", 5);
    for (size_t i = 0; i < sizeof bounds / sizeof bounds[0]; i++) {
        for (unsigned round = 0; round < 2000; round++)
            assert_true(random_below(&r, bounds[i]) < bounds[i]);
    }
}

/* Every value comes up about equally often: within five standard deviations of a binomial count. */
static void test_below_is_fair(void **state)
{
    (void)state;
    enum { BOUND = 6, DRAWS = 60000, DEVIATION_5 = 457 }; /* 5 sqrt(60000 / 6 * 5 / 6) */
    unsigned count[BOUND] = {0};
    struct random_stream r;
    random_stream_init(&r, counted, "fair", 4);
    for (unsigned i = 0; i < DRAWS; i++)
        count[random_below(&r, BOUND)]++;
    for (unsigned i = 0; i < BOUND; i++)
        assert_in_range(count[i], DRAWS / BOUND - DEVIATION_5, DRAWS / BOUND + DEVIATION_5);
}

/*
 * A bound of 3 * 2^62 folded by remainder alone would give its lower third twice as often: 1/2 of
 * all.
 */
static void test_below_has_no_bias(void **state)
{
    (void)state;
    enum { DRAWS = 30000, DEVIATION_5 = 408 }; /* 5 sqrt(30000 * 1/3 * 2/3) */
    unsigned low = 0;
    struct random_stream r;
    random_stream_init(&r, counted, "bias", 4);
    for (unsigned i = 0; i < DRAWS; i++)
        low += random_below(&r, (uint64_t)3 << 62) < (uint64_t)1 << 62;
    assert_in_range(low, DRAWS / 3 - DEVIATION_5, DRAWS / 3 + DEVIATION_5);
}

static void test_chance(void **state)
{
    (void)state;
    static const struct {
        uint32_t ppm;
        unsigned low, high; /* of 100,000 draws, by five standard deviations */
    } rows[] = {
        {0, 0, 0}, {RANDOM_PPM, 100000, 100000}, {500000, 49210, 50790}, {10000, 843, 1157},
        {1, 0, 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct random_stream r, other;
        unsigned hits = 0;
        random_stream_init(&r, counted, "chance", 6);
        other = r;
        for (unsigned round = 0; round < 100000; round++)
            hits += random_chance(&r, rows[i].ppm);
        assert_in_range(hits, rows[i].low, rows[i].high);
        /* One draw each, whatever the chance: the stream stands where plain draws leave it. */
        for (unsigned round = 0; round < 100000; round++)
            (void)random_u64(&other);
        assert_true(random_u64(&r) == random_u64(&other));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chacha20),
        cmocka_unit_test(test_secret_values),
        cmocka_unit_test(test_secret_is_erased),
        cmocka_unit_test(test_xoshiro),
        cmocka_unit_test(test_named_stream_values),
        cmocka_unit_test(test_streams_are_independent),
        cmocka_unit_test(test_below),
        cmocka_unit_test(test_below_is_fair),
        cmocka_unit_test(test_below_has_no_bias),
        cmocka_unit_test(test_chance),
    };
    return cmocka_run_group_tests(tests, count_seed, NULL);
}
