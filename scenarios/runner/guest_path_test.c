/* Direct or relayed: sequences of what is seen, and what each answer makes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenarios/runner/guest_path.h"

/* 's' a client sends a server a packet with room for a probe, 'k' one that is too small, 'd' a
   datagram comes from no server; and answers, after which the path is: 'D' direct, 'R' relayed. */
static const char *const courses[] = {
    "dD",
    "sR",
    "R", /* nobody saw how; then nobody can say that it was direct */
    "ddkD",
    "kR",
    "dsR",
    "sdR",
    "sRsRdDdD",
    /* what it says to its servers while it is direct is no relay, unless it goes on */
    "dDdsDdDsDsDsDsDdD",
    "dDsDsDsDsDsRsRdD",
    "dDDDDDR",
    "sRdDsDsDsDsDsR",
};

static void test_courses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof courses / sizeof *courses; i++) {
        struct guest_path path = {.path = NODE_PATH_PENDING};
        for (const char *at = courses[i]; *at != 0; at++) {
            if (*at == 's')
                guest_path_sent(&path, GUEST_PATH_PROBE_SIZE);
            else if (*at == 'k')
                guest_path_sent(&path, GUEST_PATH_PROBE_SIZE - 1);
            else if (*at == 'd')
                guest_path_delivered(&path);
            else
                guest_path_answered(&path);
            uint8_t wanted = *at == 'D' ? NODE_PATH_DIRECT : NODE_PATH_RELAYED;
            if ((*at == 'D' || *at == 'R') && path.path != wanted)
                fail_msg("%s: after %d the path is %d", courses[i], (int)(at - courses[i]) + 1,
                         path.path);
        }
    }
}

/* One way alone is told, without a memory. */
static void test_each_answer(void **state)
{
    (void)state;
    struct guest_path path = {.path = NODE_PATH_PENDING};
    assert_false(guest_path_answered(&path));
    guest_path_delivered(&path);
    assert_true(guest_path_answered(&path));
    guest_path_delivered(&path);
    guest_path_sent(&path, 1500);
    assert_false(guest_path_answered(&path));
    assert_int_equal(path.path, NODE_PATH_DIRECT);
    guest_path_delivered(&path);
    assert_true(guest_path_answered(&path));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_courses),
        cmocka_unit_test(test_each_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
