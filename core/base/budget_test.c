/* Tests of core/base/budget.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/budget.h"

enum { PREFIXES = 3, BURST = 4, MORE = 2 };

#define TOKEN_NS UINT64_C(1000)

static const struct budget_rate rate = {
    .burst = BURST,
    .more = MORE,
    .token_ns = TOKEN_NS,
    .bits_v4 = 24,
    .bits_v6 = 48,
};

struct block {
    _Alignas(POOL_ALIGN) struct budget budget;
    _Alignas(POOL_ALIGN) uint8_t memory[1024];
};

static struct block block;

static int setup(void **state)
{
    (void)state;
    memset(&block, 0, sizeof block);
    assert_true(budget_bytes(PREFIXES) <= sizeof block.memory);
    budget_init(&block.budget, block.memory, PREFIXES, rate, (struct hash_key){{1, 2}});
    return 0;
}

/* An address in the prefix with this number: 10.0.n.0/24. */
static struct addr in_prefix(uint32_t n, uint32_t host)
{
    return addr_v4(UINT32_C(0x0a000000) | n << 8 | host, 1000);
}

/* How many tokens there are, all of which it takes. */
static uint32_t drain(struct budget *budget, uint64_t now_ns, struct addr addr)
{
    uint32_t taken = 0;
    while (budget_take(budget, now_ns, &addr, NULL))
        taken++;
    return taken;
}

/* After the burst is gone at time 0: how many tokens there are after each of these times. */
static void test_tokens_come_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t after_ns;
        uint32_t tokens;
    } rows[] = {
        {0, 0},
        {TOKEN_NS - 1, 0},
        {TOKEN_NS, 1},
        {2 * TOKEN_NS - 1, 1},
        {3 * TOKEN_NS, 3},
        {4 * TOKEN_NS, 4},
        {4 * TOKEN_NS + 1, 4},
        {5 * TOKEN_NS, 4},
        {UINT64_MAX - 5, 4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup(NULL);
        assert_int_equal(drain(&block.budget, 5, in_prefix(1, 1)), BURST);
        assert_int_equal(drain(&block.budget, 5 + rows[i].after_ns, in_prefix(1, 1)),
                         rows[i].tokens);
    }
}

/* Time that is not yet worth a token is not lost when somebody asks in between. */
static void test_asking_costs_no_time(void **state)
{
    (void)state;
    struct addr addr = in_prefix(1, 1);
    drain(&block.budget, 0, addr);
    uint32_t taken = 0;
    for (uint64_t now_ns = 0; now_ns <= 10 * TOKEN_NS; now_ns += TOKEN_NS / 10 * 3)
        taken += drain(&block.budget, now_ns, addr);
    assert_int_equal(taken, 9); /* the last question comes at 9.9 tokens */
}

/* Once full, the time that passes counts for nothing: the next token takes its whole time again. */
static void test_full_saves_no_time(void **state)
{
    (void)state;
    struct addr addr = in_prefix(1, 1);
    drain(&block.budget, 0, addr);
    uint64_t late_ns = 100 * TOKEN_NS + TOKEN_NS / 2;
    assert_int_equal(drain(&block.budget, late_ns, addr), BURST);
    assert_int_equal(drain(&block.budget, late_ns + TOKEN_NS - 1, addr), 0);
    assert_int_equal(drain(&block.budget, late_ns + TOKEN_NS, addr), 1);
}

static void test_prefixes(void **state)
{
    (void)state;
    uint8_t ip[16] = {0x20, 1, 0xd, 0xb8, 0, 1, 7, 8, [15] = 1};
    struct addr first = addr_v6(ip, 1);
    ip[6] = 0xff; /* behind the 48 bits */
    ip[15] = 2;
    struct addr same = addr_v6(ip, 2);
    ip[5] ^= 1; /* the last of them */
    struct addr other = addr_v6(ip, 1);
    const struct {
        struct addr drained, asked;
        uint32_t left;
    } rows[] = {
        {in_prefix(1, 1), in_prefix(1, 1), 0},
        {in_prefix(1, 1), in_prefix(1, 255), 0},
        {in_prefix(1, 1), addr_with_port(in_prefix(1, 1), 7), 0},
        {in_prefix(1, 1), in_prefix(2, 1), BURST},
        {first, same, 0},
        {first, other, BURST},
        {in_prefix(1, 1), first, BURST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup(NULL);
        assert_int_equal(drain(&block.budget, 0, rows[i].drained), BURST);
        assert_int_equal(drain(&block.budget, 0, rows[i].asked), rows[i].left);
    }
}

/* The fourth of three is taken in at the cost of the first, the fifth at that of the second. */
static void test_full_table_forgets_in_turn(void **state)
{
    (void)state;
    struct addr forgot;
    for (uint32_t n = 0; n < PREFIXES; n++)
        assert_int_equal(drain(&block.budget, 0, in_prefix(n, 1)), BURST);
    for (uint32_t n = PREFIXES; n < 4 * PREFIXES; n++) {
        struct addr addr = in_prefix(n, 1);
        struct addr expected = in_prefix(n - PREFIXES, 0);
        expected.port = 0;
        assert_true(budget_take(&block.budget, 0, &addr, &forgot));
        assert_true(addr_equal(&forgot, &expected));
        assert_int_equal(block.budget.buckets.used, PREFIXES);
        assert_int_equal(block.budget.by_prefix.used, PREFIXES);
        assert_true(budget_take(&block.budget, 0, &addr, &forgot));
        assert_int_equal(forgot.family, ADDR_NONE);
        assert_int_equal(drain(&block.budget, 0, addr), BURST - 2);
    }
    /* Forgotten long ago: a new burst. */
    assert_int_equal(drain(&block.budget, 0, in_prefix(0, 1)), BURST);
}

static void test_give_back(void **state)
{
    (void)state;
    static const struct {
        uint32_t taken, given;
        uint64_t after_ns;
        uint32_t left;
    } rows[] = {
        {BURST, 1, 0, MORE + 1},
        {BURST, BURST, 0, MORE + BURST},
        {BURST, 2 * BURST, 0, MORE + BURST}, /* never more than it holds */
        {BURST, 0, 0, MORE},
        {1, 1, 0, MORE + BURST},
        {BURST, 1, 2 * TOKEN_NS, MORE + 3},
        {BURST, BURST, BURST * TOKEN_NS, MORE + BURST}, /* time has given all of them back */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup(NULL);
        struct addr addr = in_prefix(1, 1), same = in_prefix(1, 9);
        for (uint32_t n = 0; n < rows[i].taken; n++)
            assert_true(budget_take(&block.budget, 0, &addr, NULL));
        budget_give_back(&block.budget, rows[i].after_ns, &same, rows[i].given);
        assert_int_equal(drain(&block.budget, rows[i].after_ns, addr), rows[i].left);
        /* What there is more of since the first answer is there once. */
        budget_give_back(&block.budget, rows[i].after_ns, &addr, 1);
        assert_int_equal(drain(&block.budget, rows[i].after_ns, addr), 1);
        /* Time fills the bucket to its new brim. */
        assert_int_equal(drain(&block.budget, 100 * TOKEN_NS, addr), MORE + BURST);
    }
    /* Who has no bucket gets none by this. */
    struct addr stranger = in_prefix(2, 1);
    budget_give_back(&block.budget, 100 * TOKEN_NS, &stranger, 1);
    assert_int_equal(block.budget.buckets.used, 1);
    assert_int_equal(drain(&block.budget, 100 * TOKEN_NS, stranger), BURST);
}

/* A copy of the block goes on where the block was, and does not touch it. */
static void test_copy(void **state)
{
    (void)state;
    static struct block copy;
    struct addr addr = in_prefix(1, 1);
    assert_true(budget_take(&block.budget, 0, &addr, NULL));
    memcpy(&copy, &block, sizeof copy);
    assert_int_equal(drain(&copy.budget, 0, addr), BURST - 1);
    assert_int_equal(drain(&block.budget, 0, addr), BURST - 1);
}

/* A strict table forgets nobody who has still something to wait for. */
static void test_strict(void **state)
{
    (void)state;
    struct budget_rate strict = rate;
    struct addr forgot, addr = in_prefix(PREFIXES, 1);
    strict.strict = true;
    budget_init(&block.budget, block.memory, PREFIXES, strict, (struct hash_key){{1, 2}});
    for (uint32_t i = 0; i < PREFIXES; i++)
        assert_int_equal(drain(&block.budget, 0, in_prefix(i, 1)), BURST);
    assert_int_equal(drain(&block.budget, BURST * TOKEN_NS - 1, addr), 0);
    for (uint32_t i = 0; i < PREFIXES; i++)
        assert_int_equal(drain(&block.budget, BURST * TOKEN_NS - 1, in_prefix(i, 1)), BURST - 1);
    /* The others wait; whose bucket is full again makes room. */
    addr = in_prefix(1, 1);
    budget_give_back(&block.budget, BURST * TOKEN_NS, &addr, BURST + MORE);
    addr = in_prefix(PREFIXES, 1);
    assert_true(budget_take(&block.budget, BURST * TOKEN_NS, &addr, &forgot));
    assert_true(forgot.family == ADDR_V4 && forgot.ip[2] == 1);
    assert_int_equal(drain(&block.budget, BURST * TOKEN_NS, addr), BURST - 1);
}

/* What is asked for only above some tokens leaves them to others. */
static void test_above(void **state)
{
    (void)state;
    struct addr addr = in_prefix(1, 1);
    for (uint32_t i = 0; i < 2 * BURST; i++)
        assert_int_equal(budget_take_above(&block.budget, 0, &addr, 3, NULL), i < BURST - 3);
    assert_int_equal(drain(&block.budget, 0, addr), 3);
    assert_false(budget_take_above(&block.budget, 3 * TOKEN_NS, &addr, 3, NULL));
    assert_true(budget_take_above(&block.budget, 4 * TOKEN_NS, &addr, 3, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_tokens_come_back, setup),
        cmocka_unit_test_setup(test_asking_costs_no_time, setup),
        cmocka_unit_test_setup(test_full_saves_no_time, setup),
        cmocka_unit_test_setup(test_prefixes, setup),
        cmocka_unit_test_setup(test_full_table_forgets_in_turn, setup),
        cmocka_unit_test_setup(test_give_back, setup),
        cmocka_unit_test_setup(test_strict, setup),
        cmocka_unit_test_setup(test_above, setup),
        cmocka_unit_test_setup(test_copy, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
