/* Tests of core/base/pool.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/pool.h"
#include "host/check.h"

struct body {
    uint64_t word[3];
};

enum { CAPACITY = 5, BODY = sizeof(struct body) };

/* A pool and its slots in one block, as in a node. */
struct block {
    _Alignas(POOL_ALIGN) struct pool pool;
    _Alignas(POOL_ALIGN) uint8_t slots[1024];
};

static void block_init(struct block *block, uint32_t capacity)
{
    memset(block, 0, sizeof *block);
    assert_true(pool_bytes(capacity, BODY) <= sizeof block->slots);
    pool_init(&block->pool, block->slots, capacity, BODY);
}

static void test_take_until_full(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block, CAPACITY);
    struct handle handles[CAPACITY];
    for (uint32_t i = 0; i < CAPACITY; i++) {
        struct body *body = pool_take(&block.pool, &handles[i]);
        assert_non_null(body);
        assert_int_equal((uintptr_t)body % POOL_ALIGN, 0);
        assert_int_equal(block.pool.used, i + 1);
        assert_int_equal(block.pool.high_water, i + 1);
        memset(body, 0xa0 + (int)i, sizeof *body);
    }
    struct handle none = {7, 7};
    assert_null(pool_take(&block.pool, &none));
    assert_int_equal(block.pool.used, CAPACITY);
    for (uint32_t i = 0; i < CAPACITY; i++) {
        const uint8_t *bytes = pool_at(&block.pool, handles[i]);
        assert_non_null(bytes);
        for (size_t k = 0; k < BODY; k++)
            assert_int_equal(bytes[k], 0xa0 + i);
    }
    pool_give(&block.pool, handles[2]);
    assert_non_null(pool_take(&block.pool, &none));
    assert_null(pool_take(&block.pool, &none));
}

static void test_stale_handles(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block, CAPACITY);
    assert_null(pool_at(&block.pool, (struct handle){0}));
    assert_null(pool_at(&block.pool, (struct handle){0, 1}));
    struct handle old;
    struct body *body = pool_take(&block.pool, &old);
    assert_int_not_equal(old.generation, 0);
    body->word[0] = 42;
    pool_give(&block.pool, old);
    assert_null(pool_at(&block.pool, old));
    assert_int_equal(body->word[0], 42); /* its bytes stay until it is taken again */

    /* A hundred lives of one slot: no handle of an earlier life ever works again. */
    struct handle past[100];
    for (unsigned i = 0; i < 100; i++) {
        body = pool_take(&block.pool, &past[i]);
        assert_int_equal(past[i].index, old.index);
        assert_int_equal(body->word[0], 0);
        body->word[0] = i + 1;
        for (unsigned k = 0; k < i; k++)
            assert_null(pool_at(&block.pool, past[k]));
        assert_null(pool_at(&block.pool, old));
        assert_ptr_equal(pool_at(&block.pool, past[i]), body);
        pool_give(&block.pool, past[i]);
    }
    assert_int_equal(block.pool.used, 0);
    assert_int_equal(block.pool.high_water, 1);
    assert_null(pool_at(&block.pool, (struct handle){CAPACITY + 1, past[99].generation}));
}

static void test_slots_in_index_order(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block, CAPACITY);
    struct handle handles[4];
    for (unsigned i = 0; i < 4; i++)
        ((struct body *)pool_take(&block.pool, &handles[i]))->word[0] = 10 + i;
    pool_give(&block.pool, handles[1]);
    static const uint64_t expected[] = {10, 0, 12, 13, 0, 0};
    for (uint32_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct handle handle = {0};
        const struct body *body = pool_slot(&block.pool, i, &handle);
        assert_int_equal(body != NULL, expected[i] != 0);
        if (body == NULL)
            continue;
        assert_int_equal(body->word[0], expected[i]);
        assert_int_equal(handle.index, i);
        assert_ptr_equal(pool_at(&block.pool, handle), body);
    }
}

/* A slot above the high-water mark is never written: fresh pages stay fresh. */
static void test_untouched_slots_stay_untouched(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block, CAPACITY);
    size_t slot_size = pool_bytes(1, BODY);
    for (unsigned i = 0; i < 50; i++) {
        struct handle a, b;
        memset(pool_take(&block.pool, &a), 0xff, BODY);
        memset(pool_take(&block.pool, &b), 0xff, BODY);
        pool_give(&block.pool, i % 2 == 0 ? a : b);
        pool_give(&block.pool, i % 2 == 0 ? b : a);
    }
    assert_int_equal(block.pool.high_water, 2);
    for (size_t i = 2 * slot_size; i < sizeof block.slots; i++)
        assert_int_equal(block.slots[i], 0);
}

static void test_copy_elsewhere_works(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block, CAPACITY);
    struct handle kept, gone;
    ((struct body *)pool_take(&block.pool, &kept))->word[2] = 7;
    pool_take(&block.pool, &gone);
    pool_give(&block.pool, gone);
    static struct block copy;
    memcpy(&copy, &block, sizeof block);
    memset(&block, 0xee, sizeof block);
    struct body *body = pool_at(&copy.pool, kept);
    assert_in_range((uintptr_t)body, (uintptr_t)&copy, (uintptr_t)&copy + sizeof copy - 1);
    assert_int_equal(body->word[2], 7);
    assert_null(pool_at(&copy.pool, gone));
    struct handle again;
    assert_non_null(pool_take(&copy.pool, &again));
    assert_int_equal(again.index, gone.index);
    assert_int_not_equal(again.generation, gone.generation);
}

/* Random takes and gives against a plain list of what should be there. */
static void test_random_against_reference(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block, 12);
    struct handle live[12];
    uint64_t value[12];
    uint32_t count = 0;
    uint32_t dice = 1;
    for (unsigned round = 0; round < 20000; round++) {
        dice = dice * 1664525u + 1013904223u;
        if (dice >> 31 != 0) {
            struct body *body = pool_take(&block.pool, &live[count < 12 ? count : 0]);
            assert_int_equal(body != NULL, count < 12);
            if (body != NULL) {
                for (unsigned i = 0; i < 3; i++)
                    assert_int_equal(body->word[i], 0);
                value[count++] = body->word[1] = round;
            }
        } else if (count > 0) {
            uint32_t victim = (dice >> 8) % count;
            pool_give(&block.pool, live[victim]);
            assert_null(pool_at(&block.pool, live[victim]));
            live[victim] = live[--count];
            value[victim] = value[count];
        }
        assert_int_equal(block.pool.used, count);
        for (uint32_t i = 0; i < count; i++)
            assert_int_equal(((struct body *)pool_at(&block.pool, live[i]))->word[1], value[i]);
    }
}

static jmp_buf caught;

static void leave(void *context, const char *expression, const char *file, int line)
{
    (void)context, (void)expression, (void)file, (void)line;
    longjmp(caught, 1);
}

static struct block contract;
static struct handle contract_handle;

static void give_twice(void)
{
    pool_take(&contract.pool, &contract_handle);
    pool_give(&contract.pool, contract_handle);
    pool_give(&contract.pool, contract_handle);
}

static void give_none(void)
{
    pool_give(&contract.pool, (struct handle){0});
}

static void give_beyond(void)
{
    pool_give(&contract.pool, (struct handle){CAPACITY, 1});
}

static void init_unaligned(void)
{
    pool_init(&contract.pool, contract.slots + 1, CAPACITY, BODY);
}

static void test_broken_contracts_fail_checks(void **state)
{
    (void)state;
    static void (*const breaches[])(void) = {give_twice, give_none, give_beyond, init_unaligned};
    for (volatile unsigned i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        block_init(&contract, CAPACITY);
        check_set_hook(leave, NULL);
        if (setjmp(caught) == 0) {
            breaches[i]();
            fail_msg("breach %u went unnoticed", i);
        }
    }
    check_set_hook(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_take_until_full),
        cmocka_unit_test(test_stale_handles),
        cmocka_unit_test(test_slots_in_index_order),
        cmocka_unit_test(test_untouched_slots_stay_untouched),
        cmocka_unit_test(test_copy_elsewhere_works),
        cmocka_unit_test(test_random_against_reference),
        cmocka_unit_test(test_broken_contracts_fail_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
