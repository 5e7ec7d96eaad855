/* Tests of core/base/timers.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/random.h"
#include "core/base/timers.h"
#include "host/check.h"

enum { CAPACITY = 40 };

struct block {
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) uint8_t memory[8192];
};

static void block_init(struct block *block)
{
    memset(block, 0, sizeof *block);
    assert_true(timers_bytes(CAPACITY) <= sizeof block->memory);
    timers_init(&block->timers, block->memory, CAPACITY);
}

static void set(struct block *block, struct handle *timer, uint64_t deadline_ns, uint32_t owner)
{
    timer_set(&block->timers, timer, deadline_ns, TIMER_STUN_TRANSACTION,
              (struct handle){owner, 2 * owner + 1});
}

static void assert_fires(struct block *block, uint64_t now_ns, uint32_t owner)
{
    struct timer_fired fired;
    assert_true(timers_next(&block->timers, now_ns, &fired));
    assert_int_equal(fired.kind, TIMER_STUN_TRANSACTION);
    assert_int_equal(fired.owner.index, owner);
    assert_int_equal(fired.owner.generation, 2 * owner + 1);
}

static void test_order(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    struct handle timers[CAPACITY] = {{0}};
    struct timer_fired fired;
    assert_true(timers_deadline(&block.timers) == UINT64_MAX);
    assert_false(timers_next(&block.timers, UINT64_MAX, &fired));

    /* By deadline; of equal ones, what was set first. */
    static const uint64_t deadlines[] = {50, 10, 50, 30, 10, 50, 20, UINT64_MAX};
    static const uint32_t order[] = {1, 4, 6, 3, 0, 2, 5, 7};
    for (uint32_t i = 0; i < 8; i++)
        set(&block, &timers[i], deadlines[i], i);
    assert_false(timers_next(&block.timers, 9, &fired));
    for (uint32_t i = 0; i < 8; i++) {
        assert_true(timers_deadline(&block.timers) == deadlines[order[i]]);
        assert_false(timers_next(&block.timers, deadlines[order[i]] - 1, &fired));
        assert_fires(&block, deadlines[order[i]], order[i]);
    }
    assert_true(timers_deadline(&block.timers) == UINT64_MAX);
}

static void test_set_again_moves(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    struct handle a = {0}, b = {0};
    set(&block, &a, 100, 1);
    set(&block, &b, 100, 2);
    set(&block, &a, 100, 1); /* set again, so now it stands behind b */
    assert_int_equal(block.timers.count, 2);
    assert_fires(&block, 100, 2);
    assert_fires(&block, 100, 1);
    set(&block, &a, 300, 1);
    set(&block, &b, 200, 2);
    set(&block, &a, 150, 1);
    assert_fires(&block, 400, 1);
    assert_fires(&block, 400, 2);
}

static void test_cancel(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    struct handle timers[3] = {{0}};
    timer_cancel(&block.timers, &timers[0]); /* not set: nothing */
    for (uint32_t i = 0; i < 3; i++)
        set(&block, &timers[i], 10 + i, i);
    struct handle stale = timers[0];
    timer_cancel(&block.timers, &timers[0]);
    assert_int_equal(timers[0].generation, 0);
    assert_true(timers_deadline(&block.timers) == 11);
    timer_cancel(&block.timers, &timers[0]);
    timer_cancel(&block.timers, &stale);
    assert_int_equal(block.timers.count, 2);
    assert_fires(&block, 11, 1);
    stale = timers[1];
    set(&block, &timers[0], 5, 7); /* takes the slot that fired */
    timer_cancel(&block.timers, &stale);
    assert_int_equal(block.timers.count, 2);
    assert_fires(&block, 100, 7);
    assert_fires(&block, 100, 2);
}

struct reference {
    bool set;
    uint64_t deadline_ns;
    uint64_t order;
};

/* The timer that must fire next; CAPACITY when none is set. */
static uint32_t earliest(const struct reference *reference)
{
    uint32_t best = CAPACITY;
    for (uint32_t i = 0; i < CAPACITY; i++) {
        if (!reference[i].set)
            continue;
        if (best == CAPACITY || reference[i].deadline_ns < reference[best].deadline_ns ||
            (reference[i].deadline_ns == reference[best].deadline_ns &&
             reference[i].order < reference[best].order))
            best = i;
    }
    return best;
}

static void test_random_against_reference(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    struct handle timers[CAPACITY] = {{0}};
    struct reference reference[CAPACITY] = {{.set = false}};
    struct random_stream stream;
    random_stream_init(&stream, (const uint8_t[RANDOM_SEED_SIZE]){2}, "timers", 6);
    uint64_t now_ns = 0;
    unsigned fired_count = 0;
    for (uint64_t round = 0; round < 30000; round++) {
        uint32_t i = (uint32_t)random_below(&stream, CAPACITY);
        switch (random_below(&stream, 4)) {
        case 0:
        case 1:
            reference[i] = (struct reference){true, now_ns + random_below(&stream, 64), round};
            set(&block, &timers[i], reference[i].deadline_ns, i);
            break;
        case 2:
            reference[i].set = false;
            timer_cancel(&block.timers, &timers[i]);
            break;
        default:
            now_ns += random_below(&stream, 8);
            for (uint32_t due = earliest(reference);
                 due < CAPACITY && reference[due].deadline_ns <= now_ns;
                 due = earliest(reference)) {
                assert_fires(&block, now_ns, due);
                reference[due].set = false;
                fired_count++;
            }
            struct timer_fired fired;
            assert_false(timers_next(&block.timers, now_ns, &fired));
        }
        uint32_t next = earliest(reference);
        uint64_t deadline_ns = next < CAPACITY ? reference[next].deadline_ns : UINT64_MAX;
        assert_true(timers_deadline(&block.timers) == deadline_ns);
    }
    assert_true(fired_count > 1000);
}

static void test_full_and_copied(void **state)
{
    (void)state;
    static struct block block, copy;
    block_init(&block);
    struct handle timers[CAPACITY] = {{0}};
    for (uint32_t i = 0; i < CAPACITY; i++)
        set(&block, &timers[i], 1000 - i, i);
    /* Full, each can still be moved. */
    for (uint32_t i = 0; i < CAPACITY; i++)
        set(&block, &timers[i], 2000 - i, i);
    memcpy(&copy, &block, sizeof copy);
    memset(&block, 0xee, sizeof block);
    for (uint32_t i = CAPACITY; i > 0; i--)
        assert_fires(&copy, 2000 - (i - 1), i - 1);
    assert_int_equal(copy.timers.count, 0);
}

static jmp_buf caught;

static void leave(void *context, const char *expression, const char *file, int line)
{
    (void)context, (void)expression, (void)file, (void)line;
    longjmp(caught, 1);
}

/* Whoever sets a timer has reserved it: one too many is a bug, not a loss. */
static void test_one_too_many_fails_a_check(void **state)
{
    (void)state;
    static struct block block;
    static struct handle timers[CAPACITY + 1];
    block_init(&block);
    for (uint32_t i = 0; i < CAPACITY; i++)
        set(&block, &timers[i], i, i);
    check_set_hook(leave, NULL);
    if (setjmp(caught) == 0) {
        set(&block, &timers[CAPACITY], 5, 5);
        fail_msg("there was room for one more than the capacity");
    }
    check_set_hook(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),           cmocka_unit_test(test_set_again_moves),
        cmocka_unit_test(test_cancel),          cmocka_unit_test(test_random_against_reference),
        cmocka_unit_test(test_full_and_copied), cmocka_unit_test(test_one_too_many_fails_a_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
