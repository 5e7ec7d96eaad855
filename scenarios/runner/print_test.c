/* Printing: loading what was printed gives the same plan. Run from the root of the checkout. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/load.h"
#include "scenarios/runner/print.h"
#include "scenarios/runner/sandbox.h"

static char *printed(const struct plan *plan, size_t *size)
{
    char *text;
    FILE *file = open_memstream(&text, size);
    plan_print(file, plan);
    fclose(file);
    return text;
}

/* Prints and loads again, each scenario as a script of its own. */
static void check_each(const struct plan *plan, const char *name)
{
    for (uint32_t i = 0; i < plan->scenario_count; i++) {
        char error[LOAD_ERROR_SIZE];
        const struct plan one = {.scenarios = &plan->scenarios[i], .scenario_count = 1};
        struct plan again;
        size_t size;
        char *text = printed(&one, &size);
        if (!plan_load(&again, name, text, size, error))
            fail_msg("%s\n%s", error, text);
        assert_int_equal(plan_hash(&again), plan_hash(&one));
        plan_free(&again);
        free(text);
    }
}

/* Loads, prints and loads again; takes the plan. */
static void check_round_trip(struct plan *plan, const char *name)
{
    char error[LOAD_ERROR_SIZE];
    struct plan again;
    size_t size, size_again;
    char *text = printed(plan, &size);
    if (size > SANDBOX_BLOCK_MAX) { /* what loops made is longer than a script may be */
        check_each(plan, name);
        plan_free(plan);
        free(text);
        return;
    }
    if (!plan_load(&again, name, text, size, error))
        fail_msg("%s\n%s", error, text);
    assert_int_equal(plan_hash(&again), plan_hash(plan));
    char *text_again = printed(&again, &size_again);
    assert_string_equal(text_again, text);
    plan_free(&again);
    plan_free(plan);
    free(text);
    free(text_again);
}

static void test_scripts(void **state)
{
    static const char *const patterns[] = {"scenarios/*.lua", "scenarios/traces/*.lua"};
    char error[LOAD_ERROR_SIZE];
    size_t count = 0;
    (void)state;
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        glob_t found;
        assert_int_equal(glob(patterns[i], 0, NULL, &found), 0);
        for (size_t j = 0; j < found.gl_pathc; j++, count++) {
            struct plan plan;
            if (!plan_load_file(&plan, found.gl_pathv[j], error))
                fail_msg("%s", error);
            check_round_trip(&plan, found.gl_pathv[j]);
        }
        globfree(&found);
    }
    assert_true(count > 5);
}

static const char *const corners[] = {
    "scenario 'quotes \" and \\\\ backslashes'",
    "scenario 't' client 'x'",
    "scenario 't' server 's' { addresses = 1, alternate_port = 0, ipv6 = true, ipv4 = false }",
    "scenario 't' router 'r' { nat = {} }",
    "scenario 't' router 'r' { nat = { mapping = 'ADM', one_to_one = false, pool = 3, idle = '1h' "
    "} }",
    "scenario 't' router 'r' { nat = 'none' }",
    "scenario 't' router 'r' { nat = 'home', ipv6 = true, nat_v6 = true, silent = true, inside = "
    "'carrier' }",
    "scenario 't' router 'r' { up = { rate = '1Mbit/s', queue = '10kB' }, down = { rate = "
    "'10Mbit/s' } }",
    "scenario 't' router 'r' { loss = '5%', up = { loss = '0%' }, jitter = '3ms', jitter_shape = "
    "'bell' }",
    "scenario 't' router 'r' {} client 'c' { behind = { 'r', { 'internet', up = { mtu = 1280 } } "
    "}, delay = '1ns' }",
    "scenario 't' router 'r' {} client 'c' { behind = { 'internet', 'r' } } at '1s' { link('c', { "
    "loss = '0%', "
    "interface = 'r', way = 'down' }), down('c', { interface = 'r' }), up('c', { way = 'up' }) }",
    "scenario 't' server 's' { ipv6 = true, rate = '1Mbit/s', up = { discipline = 'codel' } } "
    "router 'r' { discipline = 'red', down = { discipline = 'fq-codel' } } "
    "client 'a' { behind = 'r', medium = 'csma', rate = '100Mbit/s', discipline = 'red' } "
    "client 'b' { behind = { { 'r', medium = 'csma', rate = '100Mbit/s', discipline = 'red' }, "
    "'internet' } }\n"
    "at '1s' { bulk('s', 'a') } at '2s' { bulk('b', 's', { flows = 64, lasts = '1.5s' }) }",
    "scenario 't' server 'a' {} server 'b' {} client 'c' {} at '1h' { classify('c', { servers = { "
    "'b', 'a' } }) }\n"
    "at '0s' { suspend 'c', resume 'c', crash 'a', restart 'a' }\n"
    "expect { always, after = '1.5s', share = '0.0001%', classified('c', { nat = 'none', step = "
    "-1, trap = 'yes', "
    "ports = 'random', hairpin = 'off', pooling = 'paired', mapping = 'EIM', filtering = 'EIF' }) "
    "}",
};

static const char *const meshes[] = {
    "scenario 't' mesh() program 'nebula-relay'",
    "scenario 't' mesh() cell('a \"b\"', 'c')",
    "scenario 't' mesh() differs('tun', 'a \"b\" \\\\ c') differs('linux', 'd')",
    "scenario 't' server 's' {} server 'r' {} client 'a' { home = 's' } client 'b' { home = 'r', "
    "reserve = 's', behind = { 'internet', 'internet' } }\n"
    "at '1s' { connect('a', 'b') } at '2s' { send('a', 'b', { count = 3, every = '1ns', size = "
    "1420 }), talk('b', 'a', { lasts = '10s' }), unplug('b', { interface = 'internet' }), plug "
    "'a', sever('a', 's'), mend('s', 'b') }\n"
    "expect { finally, verdict('a', 'b') } expect { never, verdict('a', 'b', { bounds = false }) }"
    "expect { always, after = '1s', direct('b', 'a') }"
    "expect { within = '3s', relayed('a', 'b', 'no-hairpin') }"
    "expect { finally, share = '50%', unreachable('a', 'b') }"
    "expect { always, data('b', 'a') } expect { always, data('a', 'b', { gap = '20ms' }) }",
    "scenario 't' server 's' {} server 'r' { ipv6 = true } "
    "router 'n' { nat = 'home', ipv6 = true } "
    "client 'c' bystander 'v' { behind = 'n', ipv6 = true, delay = '1ms' } bystander 'w'\n"
    "hostile 'e' { behind = { 'n', 'internet' }, up = { loss = '1%' }, ipv4 = false, ipv6 = true } "
    "hostile 'm' { member = true } hostile 'o' { member = true, home = 'r' }\n"
    "at '1s' { replay('e', { every = '1ms', lasts = '2s' }), flood('m', 's', { count = 7 }), "
    "spoof('e', 'c', { every = '1ns', count = 10000000 }), claim('m', 'v', { count = 1 }), "
    "bind('o', 'c', { count = 2 }), probe('o', 'm', { count = 3 }) }\n"
    "at '2s' { clock('c', '-36h'), clock('s', '1s'), clock('r', '0s') }\n"
    "expect { always, receives('v', { at_most = 0 }) }"
    "expect { always, after = '1s', share = '50%', sends('m', { at_most = 5 }) }"
    "expect { within = '1s', receives('s', { at_least = 5 }) }"
    "expect { finally, sends('c', { at_least = 5, at_most = 5 }) }",
};

static void test_meshes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof meshes / sizeof *meshes; i++) {
        char error[LOAD_ERROR_SIZE];
        struct plan plan;
        if (!plan_load(&plan, "mesh", meshes[i], strlen(meshes[i]), error))
            fail_msg("%s\n%s", error, meshes[i]);
        check_round_trip(&plan, "printed");
    }
}

static void test_corners(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof corners / sizeof *corners; i++) {
        char error[LOAD_ERROR_SIZE];
        struct plan plan;
        if (!plan_load(&plan, "corner", corners[i], strlen(corners[i]), error))
            fail_msg("%s\n%s", error, corners[i]);
        check_round_trip(&plan, "printed");
    }
}

static void test_sentence(void **state)
{
    static const char script[] =
        "scenario 't' server 's' {} router 'outer' { nat = 'full-cone' } router 'r' { nat = { "
        "'home', idle = '1m' }, "
        "behind = 'outer', firewall = 'stateful' } client 'c' { behind = 'r' } client 'd' "
        "bystander 'v'\n"
        "at '1s' { classify 'c', connect('c', 'd') }\n"
        "expect { within = '2s', after = '1s', share = '98.5%', classified('c', { mapping = 'EIM' "
        "}) }\n"
        "expect { finally, classified 'c' }\n"
        "expect { finally, verdict('c', 'd') }\n"
        "expect { finally, verdict('c', 'd', { bounds = false }) }\n"
        "expect { always, after = '3s', data('c', 'd', { gap = '1s' }) }\n"
        "expect { within = '3s', after = '1s', relayed('c', 'd', 'no-hairpin') }\n"
        "expect { never, direct('d', 'c') }\n"
        "expect { always, after = '1s', receives('v', { at_most = 5 }) }\n"
        "expect { within = '1s', sends('v', { at_least = 3 }) }\n"
        "expect { finally, sends('v', { at_least = 3, at_most = 4 }) }\n";
    static const char *const sentences[] = {
        "c, within 2s after 1s in 98.50 % of the runs, finds mapping EIM",
        "c, finally, finds what the oracle says",
        "c and d, finally: the path is what the oracle says, and as soon",
        "c and d, finally: the path is what the oracle says",
        "c and d, always after 3s: data arrives, with no gap above 1s",
        "c and d, within 3s after 1s: relayed (no-hairpin)",
        "d and c, never: direct",
        "v, always after 1s, receives at most 5 datagrams",
        "v, within 1s, sends at least 3 datagrams",
        "v, finally, sends at least 3 and at most 4 datagrams",
    };
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    (void)state;
    assert_true(plan_load(&plan, "x", script, sizeof script - 1, error));
    for (uint32_t i = 0; i < sizeof sentences / sizeof *sentences; i++) {
        char text[256] = "";
        FILE *file = fmemopen(text, sizeof text, "w");
        plan_print_sentence(file, &plan.scenarios[0], &plan.scenarios[0].expects[i]);
        fclose(file);
        assert_string_equal(text, sentences[i]);
    }
    char route[256] = "";
    FILE *file = fmemopen(route, sizeof route, "w");
    plan_print_route(file, &plan.scenarios[0], 3);
    fclose(file);
    assert_string_equal(route, "home { idle = \"1m\" } + firewall stateful behind full-cone");
    plan_free(&plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scripts),
        cmocka_unit_test(test_corners),
        cmocka_unit_test(test_meshes),
        cmocka_unit_test(test_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
