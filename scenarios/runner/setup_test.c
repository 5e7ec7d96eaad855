/* How long a scenario takes where runs are in real time, and what that is too long for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/load.h"
#include "scenarios/runner/setup.h"

#define S UINT64_C(1000000000)

#define WORLD \
    "scenario 't' server 's1' hostile 'm' client 'a' client 'b' at '1s' { connect('a', 'b') }\n"

static const struct run_network real = {.name = "tun", .real = true};
static const struct run_network computed = {.name = "sim"};

static void test_takes(void **state)
{
    static const struct {
        const char *script; /* after WORLD */
        const char *takes;  /* what is said of it; NULL: it fits into three minutes */
    } rows[] = {
        {"", NULL},
        {"at '3m' { flush('r') }", NULL},
        {"at '181s' { flush('r') }", "181s"},
        /* what an action goes on doing */
        {"at '1s' { send('a', 'b', { count = 4, every = '1m' }) }", "241s"},
        {"at '1s' { talk('a', 'b', { lasts = '179s', every = '1s' }) }", NULL},
        {"at '1s' { talk('a', 'b', { lasts = '180s', every = '1s' }) }", "181s"},
        {"at '2m' { flood('m', 'a', { count = 61, every = '1s' }) }", "181s"},
        {"at '1s' { bulk('s1', 'a', { lasts = '179s', flows = 64 }) }", NULL},
        {"at '1s' { bulk('a', 's1', { lasts = '180s' }) }", "181s"},
        {"at '1s' { talk('a', 'b', { lasts = '4m', every = '1s' }) } at '2s' { flush('r') }",
         "241s"},
        /* when something is to be so */
        {"expect { within = '2m', after = '1m', data('a', 'b') }", NULL},
        {"expect { within = '2m', after = '61s', data('a', 'b') }", "181s"},
        {"expect { after = '181s', never, data('a', 'b') }", "181s"},
        {"expect { after = '4m', always, data('a', 'b') }", "4m"},
        {"expect { within = '181s', receives('b', { at_least = 5 }) }", "181s"},
        {"expect { after = '181s', always, receives('b', { at_most = 5 }) }", "181s"},
        {"expect { never, data('a', 'b') }", NULL},
        /* the script's word counts */
        {"at '1s' { send('a', 'b', { count = 4, every = '1m' }) } duration '10s'", NULL},
        {"duration '181s'", "181s"},
        /* more than the counter holds */
        {"at '1s' { send('a', 'b', { count = 10000000, every = '24h' }) }", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char script[1024], why[RUN_ERROR_SIZE] = "", error[LOAD_ERROR_SIZE], wanted[128];
        struct plan plan;
        snprintf(script, sizeof script, WORLD "router 'r' { nat = 'home' }\n%s", rows[i].script);
        if (!plan_load(&plan, "x.lua", script, strlen(script), error))
            fail_msg("%s", error);
        bool can = setup_can_run(&real, &plan.scenarios[0], 180 * S, why);
        if (can != (rows[i].takes == NULL))
            fail_msg("%s: %s", rows[i].script, can ? "it was not skipped" : why);
        snprintf(wanted, sizeof wanted, "it takes %s", can ? "" : rows[i].takes);
        if (!can && strncmp(why, wanted, strlen(wanted)) != 0)
            fail_msg("%s: %s", rows[i].script, why);
        assert_true(setup_can_run(&computed, &plan.scenarios[0], 180 * S, why));
        plan_free(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
