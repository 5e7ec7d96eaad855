/* What the network sees of tunnels: indices and messages, and whose they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenarios/runner/sight.h"

static void test_indices(void **state)
{
    struct sight sight = {.index_count = 0};
    (void)state;
    assert_null(sight_owner(&sight, 5));
    /* Some of them meet in every table that is smaller than 2^20; 0 is an index like any other. */
    for (uint32_t i = 0; i < 1000; i++)
        sight_drawn(&sight, i % 2 == 0 ? i : i << 20, i, 1 + i);
    for (uint32_t i = 0; i < 1000; i++) {
        const struct sight_index *index = sight_owner(&sight, i % 2 == 0 ? i : i << 20);
        assert_non_null(index);
        assert_int_equal(index->place, i);
        assert_int_equal(index->sent_ns, 1 + i);
    }
    assert_null(sight_owner(&sight, 1));
    /* A copy of the message that named it first changes nothing. */
    sight_drawn(&sight, 4, 77, 99999);
    assert_int_equal(sight_owner(&sight, 4)->place, 4);
    assert_int_equal(sight_owner(&sight, 4)->sent_ns, 5);
    sight_free(&sight);
}

static void test_messages(void **state)
{
    struct sight sight = {.index_count = 0};
    (void)state;
    assert_null(sight_find(&sight, 9, 0));
    assert_null(sight_sent(&sight, 9, 0, 1, 100));
    sight_drawn(&sight, 9, 2, 50);
    sight_drawn(&sight, 8, 3, 60);
    struct sight_message *message = sight_sent(&sight, 9, 0, 1, 100);
    assert_non_null(message);
    assert_int_equal(message->to, 2);
    message->direct = true;
    /* Its other copy is the same message; the same counter under another index is another one. */
    assert_ptr_equal(sight_sent(&sight, 9, 0, 1, 100), message);
    assert_ptr_not_equal(sight_sent(&sight, 8, 0, 1, 120), message);
    assert_false(sight_find(&sight, 8, 0)->direct);
    assert_int_equal(sight_find(&sight, 8, 0)->to, 3);
    assert_int_equal(sight_find(&sight, 8, 0)->sent_ns, 120);
    assert_true(sight_find(&sight, 9, 0)->direct);
    assert_int_equal(sight_find(&sight, 9, 0)->from, 1);
    assert_null(sight_find(&sight, 9, 1));
    /* As many are remembered as the header says, and no more. */
    for (uint64_t i = 1; i < SIGHT_MESSAGES - 1; i++)
        sight_sent(&sight, 9, i, 1, 200 + i);
    assert_non_null(sight_find(&sight, 9, 0));
    sight_sent(&sight, 9, SIGHT_MESSAGES, 1, 99999);
    assert_null(sight_find(&sight, 9, 0));
    assert_non_null(sight_find(&sight, 8, 0));
    assert_int_equal(sight_find(&sight, 9, SIGHT_MESSAGES)->sent_ns, 99999);
    sight_free(&sight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_indices),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
