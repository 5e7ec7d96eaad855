/* The words for what only ns-3 has, who refuses them, and what ns-3 refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/load.h"
#include "scenarios/runner/run.h"

#define S UINT64_C(1000000000)

/* What most scripts below begin with, on line 1. */
#define WORLD \
    "scenario 't' server 's1' { ipv6 = true } server 's2' router 'home' { nat = 'home' } " \
    "client 'a' { behind = 'home' } client 'b'\n"
#define SEGMENT \
    WORLD "client 'c' { behind = 'home', medium = 'csma', rate = '10Mbit/s', delay = '1ms' }\n"

static void load(struct plan *plan, const char *script)
{
    char error[LOAD_ERROR_SIZE];
    if (!plan_load(plan, "x.lua", script, strlen(script), error))
        fail_msg("%s", error);
}

static void test_meaning(void **state)
{
    static const char script[] =
        WORLD "client 'c' { medium = 'csma', behind = { 'home', { 'internet', medium = 'wire' } }, "
              "down = { discipline = 'drop-tail' } }\n"
              "router 'r' { discipline = 'codel', up = { discipline = 'fq-codel' } }\n"
              "at '1s' { bulk('s1', 'a') }\n"
              "at '2s' { bulk('b', 's2', { flows = 64, lasts = '20s' }) }\n";
    struct plan plan;
    (void)state;
    load(&plan, script);
    const struct plan_scenario *one = &plan.scenarios[0];
    const struct plan_interface *links = one->places[5].interfaces;
    assert_int_equal(links[0].up.medium, LINK_MEDIUM_CSMA);
    assert_int_equal(links[0].down.medium, LINK_MEDIUM_CSMA);
    assert_int_equal(links[0].down.queue_kind, LINK_QUEUE_DROP_TAIL);
    assert_int_equal(links[1].up.medium, LINK_MEDIUM_WIRE);
    assert_int_equal(one->places[6].interfaces[0].up.queue_kind, LINK_QUEUE_FQ_CODEL);
    assert_int_equal(one->places[6].interfaces[0].down.queue_kind, LINK_QUEUE_CODEL);
    const struct plan_action *bulk = one->actions;
    assert_int_equal(bulk[0].kind, PLAN_BULK);
    assert_int_equal(bulk[0].place, 0);
    assert_int_equal(bulk[0].peer, 3);
    assert_int_equal(bulk[0].count, 1);
    assert_int_equal(bulk[0].lasts_ns, 10 * S);
    assert_int_equal(plan_action_end_ns(&bulk[0]), 11 * S);
    assert_int_equal(bulk[1].place, 4);
    assert_int_equal(bulk[1].peer, 1);
    assert_int_equal(bulk[1].count, 64);
    assert_int_equal(plan_action_end_ns(&bulk[1]), 22 * S);
    assert_false(plan_is_mesh(one)); /* no node has a part in it */
    plan_free(&plan);
}

static void test_refused_words(void **state)
{
    static const struct {
        const char *script;
        const char *error;
    } rows[] = {
        {WORLD "client 'x' { discipline = 'codl' }",
         "x.lua:2: discipline of client \"x\": unknown word \"codl\": did you mean \"codel\"?"},
        {WORLD "client 'x' { medium = 'csma' }",
         "x.lua:2: medium of client \"x\": csma is what hosts behind a router share"},
        {WORLD "router 'x' { behind = 'home', medium = 'csma' }",
         "x.lua:2: medium of router \"x\": a router's uplink is no csma; its hosts' links may be"},
        {WORLD "bystander 'x' { behind = 'home', medium = 'csma' }",
         "x.lua:2: medium of bystander \"x\": only servers and clients are on csma segments"},
        {WORLD "hostile 'x' { behind = 'home', medium = 'csma' }",
         "x.lua:2: medium of hostile \"x\": only servers and clients are on csma segments"},
        {WORLD "client 'x' { behind = 'home', up = { medium = 'csma' } }",
         "x.lua:2: medium of client \"x\": both directions have the same one"},
        {WORLD "client 'x' { behind = 'home', medium = 'csma', up = { delay = '1ms' } }",
         "x.lua:2: medium of client \"x\": a csma segment has one delay, rate, queue, discipline "
         "and mtu in both directions"},
        {WORLD "client 'x' { behind = { 'home', 'home' }, medium = 'csma' }",
         "x.lua:2: medium of client \"x\": it is twice on the csma segment of \"home\""},
        {SEGMENT "client 'x' { behind = 'home', medium = 'csma', rate = '10Mbit/s' }",
         "x.lua:3: medium of client \"x\": on its csma segment \"c\" has another delay, rate, "
         "queue, discipline or mtu"},
        {SEGMENT "client 'x' { behind = { 'internet', 'home' }, medium = 'csma', mtu = 1400, "
                 "delay = '1ms', rate = '10Mbit/s' }",
         "x.lua:3: medium of client \"x\": csma is what hosts behind a router share"},
        {SEGMENT "server 'x' { behind = 'home', medium = 'csma', mtu = 1400, delay = '1ms', rate "
                 "= '10Mbit/s' }",
         "x.lua:3: medium of server \"x\": on its csma segment \"c\" has another delay, rate, "
         "queue, discipline or mtu"},
        {WORLD "at '1s' { link('a', { discipline = 'codel' }) }",
         "x.lua:2: link: discipline stays as the link of \"a\" was made"},
        {WORLD "at '1s' { link('a', { medium = 'csma' }) }",
         "x.lua:2: link: medium stays as the link of \"a\" was made"},
        {WORLD "at '1s' { bulk('s1') }", "x.lua:2: bulk must be a text, not a nil"},
        {WORLD "at '1s' { bulk('s1', 's1') }", "x.lua:2: bulk: \"s1\" is on both ends"},
        {WORLD "at '1s' { bulk('s1', 's2') }",
         "x.lua:2: bulk: \"s1\" and \"s2\" are both servers: it goes between a server, which "
         "listens, and a client, such as bulk(\"s1\", \"alice\")"},
        {WORLD "at '1s' { bulk('b', 'a') }",
         "x.lua:2: bulk: \"b\" and \"a\" are both clients: it goes between a server, which "
         "listens, and a client, such as bulk(\"s1\", \"alice\")"},
        {WORLD "at '1s' { bulk('home', 'a') }",
         "x.lua:2: bulk: \"home\" is a router, not a server or client"},
        {WORLD "client 'x' { ipv4 = false, ipv6 = true } at '1s' { bulk('s2', 'x') }",
         "x.lua:2: bulk: \"s2\" and \"x\" have neither IPv4 nor IPv6 in common"},
        {WORLD "at '1s' { bulk('s1', 'a', { flow = 2 }) }",
         "x.lua:2: unknown field \"flow\" of bulk: did you mean \"flows\"?"},
        {WORLD "at '1s' { bulk('s1', 'a', { last = '2s' }) }",
         "x.lua:2: unknown field \"last\" of bulk: did you mean \"lasts\"?"},
        {WORLD "at '1s' { bulk('s1', 'a', { flows = 65 }) }",
         "x.lua:2: flows of bulk: 65 is out of range: 1 to 64"},
        {WORLD "at '1s' { bulk('s1', 'a', { flows = 0 }) }",
         "x.lua:2: flows of bulk: 0 is out of range: 1 to 64"},
        {WORLD "at '1s' { bulk('s1', 'a', 2) }",
         "x.lua:2: bulk takes a table in { }, not a number"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char error[LOAD_ERROR_SIZE] = "";
        struct plan plan;
        if (plan_load(&plan, "x.lua", rows[i].script, strlen(rows[i].script), error))
            fail_msg("row %zu was loaded", i);
        assert_string_equal(error, rows[i].error);
    }
}

static void test_only_ns3(void **state)
{
    static const struct {
        const char *script;
        const char *why; /* NULL: others can run it, too */
    } rows[] = {
        {WORLD, NULL},
        {WORLD "client 'x' { discipline = 'drop-tail', medium = 'wire' }", NULL},
        {WORLD "client 'x' { behind = { 'home', { 'internet', down = { discipline = 'red' } } } }",
         "the queueing discipline red is only ns-3's: --on ns3"},
        {WORLD "router 'x' { up = { discipline = 'fq-codel' } }",
         "the queueing discipline fq-codel is only ns-3's: --on ns3"},
        {SEGMENT, "the medium csma is only ns-3's: --on ns3"},
        {WORLD "at '1s' { bulk('s1', 'a') }", "bulk data is only ns-3's, which has TCP: --on ns3"},
    };
    static const char *const names[] = {"sim", "tun", "linux"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[RUN_ERROR_SIZE];
        struct plan plan;
        load(&plan, rows[i].script);
        for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
            bool can = run_network_find(names[k])->can(&plan.scenarios[0], why);
            if (can != (rows[i].why == NULL))
                fail_msg("row %zu on %s: %s", i, names[k], can ? "it can be run" : why);
            if (!can)
                assert_string_equal(why, rows[i].why);
        }
        if (!run_ns3_can(&plan.scenarios[0], why))
            fail_msg("row %zu: %s", i, why);
        plan_free(&plan);
    }
}

static void test_not_ns3(void **state)
{
    static const struct {
        const char *script;
        const char *why; /* NULL: it can be run */
    } rows[] = {
        {WORLD "client 'x' { jitter = '1ms' }",
         "ns-3's links have no jitter, which that of \"x\" has"},
        {WORLD "client 'x' { up = { reorder = '1%' } }",
         "ns-3's links have no reorder, which that of \"x\" has"},
        {WORLD "client 'x' { behind = { 'home', { 'internet', down = { duplicate = '1%' } } } }",
         "ns-3's links have no duplicate, which that of \"x\" has"},
        {WORLD "router 'x' { corrupt = '1ppm' }",
         "ns-3's links have no corrupt, which that of \"x\" has"},
        {WORLD "at '1s' { link('home', { jitter = '1ms' }) }",
         "ns-3's links have no jitter, which that of \"home\" has"},
        {WORLD "program 'nebula'", "nebula is a program, which runs in real time: --on tun or "
                                   "linux"},
        {SEGMENT "at '1s' { link('c', { loss = '1%' }) }",
         "link: one host's share of a csma segment, such as that of \"c\", cannot change"},
        {SEGMENT "at '1s' { down('c') }",
         "down: one host's share of a csma segment, such as that of \"c\", cannot change"},
        {SEGMENT "at '1s' { up('c', { way = 'up' }) }",
         "up: one host's share of a csma segment, such as that of \"c\", cannot change"},
        {"scenario 'v6' server 's' { ipv6 = true } client 'x' { ipv6 = true, mtu = 1000 }",
         "ns-3's hosts have no IPv6 on links of less than 1280 bytes, such as that of \"x\""},
        {"scenario 'v6' server 's' { ipv6 = true } client 'x' { ipv6 = true } "
         "at '1s' { link('x', { mtu = 1279 }) }",
         "ns-3's hosts have no IPv6 on links of less than 1280 bytes, such as that of \"x\""},
        {"scenario 'v6' server 's' { ipv6 = true } client 'x' { ipv6 = true, mtu = 1280 }", NULL},
        {"scenario 'hidden' router 'home' { nat = 'home' } server 's' { behind = 'home' } "
         "client 'x' at '1s' { bulk('x', 's') }",
         "bulk: nobody can open a connection to \"s\" behind \"home\""},
        {SEGMENT "at '1s' { unplug('c') }", NULL},
        {SEGMENT "at '1s' { down('a'), link('home', { rate = '1Mbit/s' }) }", NULL},
        {WORLD "client 'x' { loss = '1%', burst_enter = '1%', rate = '1Mbit/s', mtu = 600, "
               "mtu_black_hole = true, jitter_shape = 'bell', reorder_hold = '1ms' }",
         NULL},
        {WORLD "hostile 'm' bystander 'v' at '1s' { flood('m', 's1', { count = 1 }), "
               "crash('a'), sever('a', 's1'), flush('home'), address('home'), clock('b', '1h') }",
         NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[RUN_ERROR_SIZE];
        struct plan plan;
        load(&plan, rows[i].script);
        bool can = run_ns3_can(&plan.scenarios[0], why);
        if (can != (rows[i].why == NULL))
            fail_msg("row %zu: %s", i, can ? "it can be run" : why);
        if (!can)
            assert_string_equal(why, rows[i].why);
        plan_free(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_refused_words),
        cmocka_unit_test(test_only_ns3),
        cmocka_unit_test(test_not_ns3),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
