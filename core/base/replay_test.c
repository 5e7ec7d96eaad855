/* The window of counters: each is taken once, and late ones as far back as the window reaches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/replay.h"

static void test_order(void **state)
{
    (void)state;
    static const struct {
        uint64_t counter;
        bool seen;
    } rows[] = {
        {0, false},
        {0, true},
        {2, false},
        {1, false},
        {1, true},
        {65, false},
        {1, true},
        {2, true},
        {3, false},
        {66, false},
        {4, false},
        {2, true}, /* 64 behind: too old to tell */
        {1000, false},
        {936, true},
        {937, false},
        {UINT64_MAX, false},
        {UINT64_MAX, true},
        {UINT64_MAX - 63, false},
        {UINT64_MAX - 64, true},
    };
    struct replay replay = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(replay_seen(&replay, rows[i].counter), rows[i].seen);
        if (!rows[i].seen)
            replay_mark(&replay, rows[i].counter);
    }
}

/* A stream may begin anywhere, and what is behind its beginning may be late. */
static void test_beginning(void **state)
{
    (void)state;
    struct replay replay = {0};
    replay_mark(&replay, 100);
    assert_true(replay_seen(&replay, 100));
    assert_true(replay_seen(&replay, 36));
    assert_false(replay_seen(&replay, 37));
    assert_false(replay_seen(&replay, 99));
    assert_false(replay_seen(&replay, 101));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
