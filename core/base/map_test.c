/* Tests of core/base/map.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/addr.h"
#include "core/base/map.h"
#include "core/base/random.h"
#include "host/check.h"

static const struct hash_key hash_key = {{0x0706050403020100u, 0x0f0e0d0c0b0a0908u}};

struct block {
    struct map map;
    uint32_t slots[1 << 14];
};

static struct block *block_new(uint32_t capacity, uint32_t key_size)
{
    struct block *block = calloc(1, sizeof *block);
    assert_non_null(block);
    assert_true(map_bytes(capacity, key_size) <= sizeof block->slots);
    map_init(&block->map, block->slots, capacity, key_size, hash_key);
    return block;
}

static void test_set_get_remove(void **state)
{
    (void)state;
    static const uint32_t key_sizes[] = {1, 2, 3, 4, 5, 12, 20, 33};
    for (size_t s = 0; s < sizeof key_sizes / sizeof key_sizes[0]; s++) {
        struct block *block = block_new(8, key_sizes[s]);
        uint8_t keys[8][33];
        memset(keys, 0x5a, sizeof keys);
        uint32_t value = 99;
        for (uint32_t i = 0; i < 8; i++) {
            keys[i][key_sizes[s] - 1] = (uint8_t)i; /* the last byte of the key counts */
            assert_false(map_get(&block->map, keys[i], &value));
            assert_int_equal(value, 99);
            assert_false(map_remove(&block->map, keys[i]));
            assert_true(map_set(&block->map, keys[i], 1000 + i));
        }
        for (uint32_t i = 0; i < 8; i++) {
            keys[i][32] ^= key_sizes[s] < 33 ? 0xff : 0; /* what follows the key does not */
            assert_true(map_get(&block->map, keys[i], &value));
            assert_int_equal(value, 1000 + i);
            assert_true(map_set(&block->map, keys[i], 2000 + i));
            assert_true(map_get(&block->map, keys[i], &value));
            assert_int_equal(value, 2000 + i);
        }
        assert_int_equal(block->map.used, 8);
        assert_true(map_remove(&block->map, keys[3]));
        assert_false(map_remove(&block->map, keys[3]));
        assert_false(map_get(&block->map, keys[3], &value));
        assert_int_equal(block->map.used, 7);
        free(block);
    }
}

static void test_full(void **state)
{
    (void)state;
    static const uint32_t capacities[] = {1, 2, 3, 4, 5, 7, 8, 9, 100};
    for (size_t c = 0; c < sizeof capacities / sizeof capacities[0]; c++) {
        struct block *block = block_new(capacities[c], 4);
        uint32_t value;
        for (uint32_t key = 0; key < capacities[c]; key++)
            assert_true(map_set(&block->map, &key, key));
        for (uint32_t key = capacities[c]; key < capacities[c] + 50; key++) {
            assert_false(map_set(&block->map, &key, key));
            assert_false(map_get(&block->map, &key, &value));
        }
        /* Full says no to what is new only, and changes nothing. */
        uint32_t known = 0;
        assert_true(map_set(&block->map, &known, 77));
        for (uint32_t key = 0; key < capacities[c]; key++) {
            assert_true(map_get(&block->map, &key, &value));
            assert_int_equal(value, key == 0 ? 77 : key);
        }
        assert_true(map_remove(&block->map, &known));
        uint32_t late = 12345;
        assert_true(map_set(&block->map, &late, 1));
        free(block);
    }
}

/*
 * Random sets and removals from so few keys and so full a table that chains are long and wrap
 * round the end, against an array by key.
 */
static void random_against_reference(uint32_t capacity, uint32_t key_size, uint32_t keys)
{
    struct block *block = block_new(capacity, key_size);
    static uint32_t reference[256];
    static bool present[256];
    memset(present, 0, sizeof present);
    uint32_t count = 0;
    struct random_stream stream;
    random_stream_init(&stream, (const uint8_t[RANDOM_SEED_SIZE]){1}, "map", 3);
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t key[33] = {0};
        uint32_t k = (uint32_t)random_below(&stream, keys);
        key[0] = (uint8_t)k;
        if (random_chance(&stream, 550000)) {
            bool fits = present[k] || count < capacity;
            assert_int_equal(map_set(&block->map, key, round), fits);
            if (fits) {
                count += !present[k];
                present[k] = true;
                reference[k] = round;
            }
        } else {
            assert_int_equal(map_remove(&block->map, key), present[k]);
            count -= present[k];
            present[k] = false;
        }
        assert_int_equal(block->map.used, count);
        for (uint32_t i = 0; i < keys; i++) {
            uint32_t value = 0;
            key[0] = (uint8_t)i;
            assert_int_equal(map_get(&block->map, key, &value), present[i]);
            if (present[i])
                assert_int_equal(value, reference[i]);
        }
    }
    /* Emptied, it is as if nothing had ever been in it. */
    for (uint32_t i = 0; i < keys; i++) {
        uint8_t key[33] = {(uint8_t)i};
        map_remove(&block->map, key);
    }
    for (size_t i = 0; i < sizeof block->slots / sizeof block->slots[0]; i++)
        assert_int_equal(block->slots[i], 0);
    free(block);
}

static void test_random_against_reference(void **state)
{
    (void)state;
    random_against_reference(1, 1, 4);
    random_against_reference(4, 3, 8);
    random_against_reference(8, 12, 12);
    random_against_reference(16, 20, 24);
    random_against_reference(31, 33, 60);
}

static void test_copy_elsewhere_works(void **state)
{
    (void)state;
    struct block *block = block_new(32, sizeof(struct addr));
    for (uint32_t i = 0; i < 32; i++) {
        struct addr addr = addr_v4(0x0a000000 + i, 1);
        assert_true(map_set(&block->map, &addr, i));
    }
    struct block *copy = malloc(sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, block, sizeof *copy);
    memset(block, 0xee, sizeof *block);
    for (uint32_t i = 0; i < 32; i++) {
        struct addr addr = addr_v4(0x0a000000 + i, 1);
        uint32_t value;
        assert_true(map_get(&copy->map, &addr, &value));
        assert_int_equal(value, i);
        assert_true(map_remove(&copy->map, &addr));
    }
    free(block);
    free(copy);
}

static void test_sizes(void **state)
{
    (void)state;
    /* At most half full, whatever the capacity. */
    for (uint32_t capacity = 1; capacity < 300; capacity++) {
        size_t one = map_bytes(1, 4) / 2;
        assert_true(map_bytes(capacity, 4) >= one * 2 * capacity);
        assert_true(map_bytes(capacity, 4) <= one * 4 * capacity);
    }
}

static jmp_buf caught;

static void leave(void *context, const char *expression, const char *file, int line)
{
    (void)context, (void)expression, (void)file, (void)line;
    longjmp(caught, 1);
}

static void test_broken_contracts_fail_checks(void **state)
{
    (void)state;
    static struct block block;
    static const struct {
        uint32_t capacity, key_size, offset;
    } breaches[] = {{0, 4, 0}, {4, 0, 0}, {4, 4, 1}};
    for (volatile unsigned i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        check_set_hook(leave, NULL);
        if (setjmp(caught) == 0) {
            map_init(&block.map, (uint8_t *)block.slots + breaches[i].offset, breaches[i].capacity,
                     breaches[i].key_size, hash_key);
            fail_msg("breach %u went unnoticed", i);
        }
    }
    check_set_hook(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_get_remove),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_random_against_reference),
        cmocka_unit_test(test_copy_elsewhere_works),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_broken_contracts_fail_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
