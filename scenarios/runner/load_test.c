/*
 * Loading scripts: what they mean, what is refused and how, and the rules that make them
 * deterministic.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/load.h"

/* A world that most scripts below begin with, on line 1. */
#define WORLD \
    "scenario 't' server 's1' {} router 'home' { nat = 'home' } " \
    "client 'alice' { behind = 'home' }\n"
#define CLASSIFIED WORLD "at '1s' { classify 'alice' }\n"

/* Two clients that could be connected, and that are. */
#define MESH WORLD "client 'bob' {}\n"
#define CONNECTED MESH "at '8s' { connect('alice', 'bob') }\n"

/* An attack on that mesh, by a host that has no credential and by one that has. */
#define ATTACKED \
    MESH "bystander 'victim' hostile 'eve' hostile 'mallory' { member = true, home = 's1' " \
         "}\n"

static bool load(struct plan *plan, const char *script, char error[static LOAD_ERROR_SIZE])
{
    return plan_load(plan, "x.lua", script, strlen(script), error);
}

static uint64_t hash_of(const char *script)
{
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    if (!load(&plan, script, error))
        fail_msg("%s", error);
    uint64_t hash = plan_hash(&plan);
    plan_free(&plan);
    return hash;
}

static const struct {
    const char *script;
    const char *error;
} refused[] = {
    /* words */
    {"scenaro 'x'", "x.lua:1: unknown word \"scenaro\": did you mean \"scenario\"?"},
    {WORLD "\nruoter 'x' {}", "x.lua:3: unknown word \"ruoter\": did you mean \"router\"?"},
    {"local x = qqqqqqqqqq", "x.lua:1: unknown word \"qqqqqqqqqq\""},
    {"router = 1", "x.lua:1: \"router\" is a word of scenarios and cannot be assigned"},
    {"server 's1' {}", "x.lua:1: server: begin with scenario \"what this is about\""},
    {"", "x.lua:1: the script has no scenario"},
    {"scenario ''", "x.lua:1: scenario: the title is empty"},
    {"scenario(7)", "x.lua:1: scenario's title must be a text, not a number"},
    {"scenario 'a\\nb'", "x.lua:1: scenario's title has a control character in it"},
    {"x = = 1", "x.lua:1: unexpected symbol near '='"},
    {"\n\nerror 'no'", "x.lua:3: no"},
    /* places */
    {WORLD "router 'x' { mappin = 'APDM' }",
     "x.lua:2: unknown field \"mappin\" of router: did you mean \"mapping\"?"},
    {WORLD "router 'x' { nat = { 'home', mappin = 'APDM' } }",
     "x.lua:2: unknown field \"mappin\" of router: did you mean \"mapping\"?"},
    {WORLD "router 'x' { mapping = 'APDM' }",
     "x.lua:2: unknown field \"mapping\" of router: it belongs inside nat = { }"},
    {WORLD "router 'x' { nat = 'hom' }",
     "x.lua:2: nat of router \"x\": unknown preset \"hom\": did you mean \"home\"?"},
    {WORLD "router 'x' { nat = { 'none', mapping = 'EIM' } }",
     "x.lua:2: nat of router \"x\": \"none\" does not translate and has no parameters"},
    {WORLD "router 'x' { firewall = 'statefull' }",
     "x.lua:2: firewall of router \"x\": unknown preset \"statefull\": did you mean \"stateful\"?"},
    {WORLD "router 'x' { nat = { 'home', pool = 65 } }",
     "x.lua:2: nat of router \"x\": a pool has at most 64 addresses"},
    {"scenario 't' local b for i = 1, 5 do router('r' .. i) { nat = 'home', behind = b, "
     "inside = 'carrier' } b = 'r' .. i end",
     "x.lua:1: router \"r5\": there are ranges for 4 NATs with inside = \"carrier\" in a row"},
    {WORLD "client 'x' { los = '1%' }",
     "x.lua:2: unknown field \"los\" of client: did you mean \"loss\"?"},
    {WORLD "client 'x' { up = { los = '1%' } }",
     "x.lua:2: unknown field \"los\" of up of client \"x\": did you mean \"loss\"?"},
    {WORLD "client 'x' { 'home' }",
     "x.lua:2: client \"x\": every field has a name, such as delay = \"20ms\""},
    {WORLD "client 'x' { behind = 'hoem' }",
     "x.lua:2: behind of client \"x\": unknown router \"hoem\": did you mean \"home\"?"},
    {WORLD "client 'x' { behind = 'alice' }",
     "x.lua:2: behind of client \"x\": \"alice\" is a client, not a router"},
    {WORLD "client 'x' { behind = {} }", "x.lua:2: behind of client \"x\": the list is empty"},
    {WORLD "router 'x' { behind = 'x' }",
     "x.lua:2: behind of router \"x\": \"x\" has to be declared above"},
    {WORLD "client 'alice' {}", "x.lua:2: client: there is a client \"alice\" already, on line 1"},
    {WORLD "client 'internet' {}", "x.lua:2: client: \"internet\" is there already"},
    {WORLD "client 'a b' {}",
     "x.lua:2: client: a name has letters, digits, '-', '_' and '.', which \"a b\" is not made of"},
    {WORLD "client 'x' (3)", "x.lua:2: client \"x\" takes a table in { }, not a number"},
    {WORLD "local x = client 'x' x {} x {}", "x.lua:2: client \"x\" is described twice"},
    {WORLD "client 'x' { ipv4 = false }", "x.lua:2: client \"x\" has neither IPv4 nor IPv6"},
    {WORLD "client 'x' { ipv6 = true, behind = 'home' }",
     "x.lua:2: client \"x\" has IPv6, and \"home\" in front of it has not: add ipv6 = true there"},
    /* values */
    {WORLD "client 'x' { delay = '12m s' }",
     "x.lua:2: delay of client \"x\": \"12m s\" is not a duration, such as \"20ms\" (ns, us, ms, "
     "s, m, h)"},
    {WORLD "client 'x' { delay = 12 }",
     "x.lua:2: delay of client \"x\" must be a duration, such as \"20ms\" (ns, us, ms, s, m, h), "
     "not the number 12"},
    {WORLD "client 'x' { addresses = 4 / 2 }",
     "x.lua:2: addresses of client \"x\": a plan has whole numbers only, and "
     "this is a fraction or the result of a division by /"},
    {WORLD "client 'x' { addresses = '2' }",
     "x.lua:2: addresses of client \"x\" must be a number, not the text 2"},
    {WORLD "client 'x' { addresses = {} }", "x.lua:2: addresses of client \"x\" cannot be a table"},
    {WORLD "client 'x' { ipv6 = 'true' }",
     "x.lua:2: ipv6 of client \"x\" must be true or false, not the text true"},
    {WORLD "client 'x' { mtu = 500 }", "x.lua:2: mtu of client \"x\": 500 is below 576"},
    {WORLD "client 'x' { loss = '200%' }",
     "x.lua:2: loss of client \"x\": 200% is out of range: 0% to 100%"},
    {WORLD "seeds(0)", "x.lua:2: seeds: \"0\" is not a number from 1 to 1000000"},
    {WORLD "seeds(2.0)",
     "x.lua:2: seeds: a plan has whole numbers only, and this is a fraction or the result of a "
     "division by /"},
    /* the timeline */
    {WORLD "at '1s' { classify 'alic' }",
     "x.lua:2: classify: unknown client \"alic\": did you mean \"alice\"?"},
    {WORLD "at '1s' { flush 'alice' }", "x.lua:2: flush: \"alice\" is a client, not a router"},
    {WORLD "at '1s'", "x.lua:2: at: has no actions; write at \"1s\" { flush(\"home\") }"},
    {WORLD "at '1s' {}", "x.lua:2: at: has no actions; write at \"1s\" { flush(\"home\") }"},
    {WORLD "at '1s' { 'flush' }",
     "x.lua:2: at: takes a list of actions, such as { classify(\"alice\") }"},
    {WORLD "\nflush 'home'", "x.lua:3: flush belongs inside at \"1s\" { }"},
    {WORLD "at '1s' { link('alice', { dealy = '1s' }) }",
     "x.lua:2: unknown field \"dealy\" of link: did you mean \"delay\"?"},
    {WORLD "at '1s' { link('alice', {}) }",
     "x.lua:2: link: says nothing about the link of \"alice\""},
    {WORLD "at '1s' { classify('alice', { family = 'ipv6' }) }",
     "x.lua:2: classify: \"alice\" has no IPv6"},
    {WORLD "at '1s' { classify('alice', { servers = { 's2' } }) }",
     "x.lua:2: classify: unknown server \"s2\": did you mean \"s1\"?"},
    {"scenario 't' client 'a' {} at '1s' { classify 'a' }",
     "x.lua:1: classify: no server above has IPv4"},
    {WORLD "local a = flush 'home' at '1s' { a } scenario 'u' at '1s' { a }",
     "x.lua:2: at: flush on line 2 belongs to another scenario"},
    /* expectations */
    {CLASSIFIED "expect { finally }",
     "x.lua:3: expect: says nothing that could be true; add classified(\"alice\")"},
    {CLASSIFIED "expect { classified 'alice' }",
     "x.lua:3: expect: add finally, always, never or within = \"10s\""},
    {CLASSIFIED "expect { finally, always, classified 'alice' }",
     "x.lua:3: expect: only one of finally, always, never and within = \"1s\""},
    {CLASSIFIED "expect { finaly, classified 'alice' }",
     "x.lua:3: unknown word \"finaly\": did you mean \"finally\"?"},
    {CLASSIFIED "expect { finally, classified('alice', { maping = 'EIM' }) }",
     "x.lua:3: unknown field \"maping\" of classified: did you mean \"mapping\"?"},
    {CLASSIFIED "expect { finally, classified('alice', { mapping = 'EIN' }) }",
     "x.lua:3: classified: unknown mapping \"EIN\": did you mean \"EIM\"?"},
    {CLASSIFIED "expect { finally, classified('alice', { step = '1' }) }",
     "x.lua:3: classified: step is a number from -65535 to 65535"},
    {CLASSIFIED "expect { finally, shar = '98%', classified 'alice' }",
     "x.lua:3: unknown field \"shar\" of expect: did you mean \"share\"?"},
    {CLASSIFIED "expect { finally, after = '1s', classified 'alice' }",
     "x.lua:3: expect: finally looks at the end of the run; after has no meaning there"},
    {CLASSIFIED "classified 'alice'", "x.lua:3: classified belongs inside expect { }"},
    {WORLD "expect { finally, classified 'alice' }",
     "x.lua:2: expect: nothing above classifies \"alice\"; add at \"1s\" { classify(\"alice\") }"},
    /* a mesh */
    {MESH "at '1s' { connect('alice', 'bo') }",
     "x.lua:3: connect: unknown client \"bo\": did you mean \"bob\"?"},
    {MESH "at '1s' { connect('alice', 's1') }",
     "x.lua:3: connect: \"s1\" is a server, not a client"},
    {MESH "at '1s' { connect('bob', 'bob') }", "x.lua:3: connect: \"bob\" is on both ends"},
    {MESH "at '1s' { connect 'alice' }", "x.lua:3: connect must be a text, not a nil"},
    {MESH "at '1s' { connect('alice', 'bob', {}) }",
     "x.lua:3: connect takes two names and nothing else"},
    {MESH "at '1s' { send('alice', 'bob') }", "x.lua:3: send takes a table in { }, not a nil"},
    {MESH "at '1s' { send('alice', 'bob', { every = '1s' }) }",
     "x.lua:3: send: say either count = 50 or lasts = \"10s\""},
    {MESH "at '1s' { send('alice', 'bob', { count = 1, lasts = '1s' }) }",
     "x.lua:3: send: say either count = 50 or lasts = \"10s\""},
    {MESH "at '1s' { talk('alice', 'bob', { cuont = 1 }) }",
     "x.lua:3: unknown field \"cuont\" of talk: did you mean \"count\"?"},
    {MESH "at '1s' { talk('alice', 'bob', { count = 1, size = 71 }) }",
     "x.lua:3: size of talk: 71 is out of range: 72 to 1420"},
    {MESH "at '1s' { talk('alice', 'bob', { every = '2s', lasts = '1s' }) }",
     "x.lua:3: talk: that would be 0 datagrams, not 1 to 10000000"},
    {MESH "at '1s' { sever('alice', 'bbo') }",
     "x.lua:3: sever: unknown place \"bbo\": did you mean \"bob\"?"},
    {MESH "at '1s' { mend('alice', 'alice') }",
     "x.lua:3: mend: the internet is not between \"alice\" and \"alice\""},
    {MESH "router 'r' client 'c' { behind = 'r' } at '1s' { sever('c', 'r') }",
     "x.lua:3: sever: the internet is not between \"c\" and \"r\""},
    {MESH "at '1s' { sever('alice', 's1', {}) }",
     "x.lua:3: sever takes two names and nothing else"},
    {MESH "at '1s' { unplug('alice', { way = 'up' }) }",
     "x.lua:3: unknown field \"way\" of unplug"},
    {MESH "at '1s' { plug('alice', { interface = 'lte' }) }",
     "x.lua:3: interface: \"alice\" is not behind \"lte\""},
    {MESH "\nsend('alice', 'bob', { count = 1 })", "x.lua:4: send belongs inside at \"1s\" { }"},
    {MESH "mesh(true)", "x.lua:3: mesh: takes nothing between its brackets"},
    {MESH "cell('', 'b')", "x.lua:3: cell: the name of a row or column has 1 to 31 letters"},
    {MESH "cell('a')", "x.lua:3: cell must be a text, not a no value"},
    {MESH "differs('linus', 'so it is')",
     "x.lua:3: differs: unknown network \"linus\": did you mean \"linux\"?"},
    {MESH "program 'nebulous'",
     "x.lua:3: program: unknown program \"nebulous\": did you mean \"nebula\"?"},
    {MESH "program 'waren'",
     "x.lua:3: program: unknown program \"waren\": did you mean \"warren\"?"},
    {MESH "program(1)", "x.lua:3: program must be a text, not a number"},
    {MESH "differs('linux')", "x.lua:3: differs: the reason must be a text, not a no value"},
    {MESH "differs('linux', '')",
     "x.lua:3: differs: the reason is a sentence of at most 255 bytes"},
    {MESH "differs('tun', 'so it is') differs('tun', 'and so')",
     "x.lua:3: differs: says twice why \"tun\" does"},
    {MESH "client 'c' { home = 'alice' }",
     "x.lua:3: home of client \"c\": \"alice\" is a client, not a server"},
    {MESH "client 'c' { reserve = 's1' }", "x.lua:3: client \"c\" has a reserve and no home"},
    {MESH "client 'c' { home = 's1', reserve = 's1' }",
     "x.lua:3: home and reserve of client \"c\" are the same"},
    {MESH "server 's2' { home = 's1' }", "x.lua:3: unknown field \"home\" of server"},
    {MESH "expect { finally, direct('alice', 'bob') }",
     "x.lua:3: expect: nothing above connects \"alice\" and \"bob\"; add at \"8s\" { "
     "connect(\"alice\", \"bob\") }"},
    {CONNECTED "expect { finally, verdict('bob', 'alice') }",
     "x.lua:4: expect: nothing above connects \"bob\" and \"alice\"; add at \"8s\" { "
     "connect(\"bob\", \"alice\") }"},
    {CONNECTED "expect { always, data('bob', 'alice') }",
     "x.lua:4: expect: nothing above sends from \"bob\" to \"alice\""},
    {CONNECTED "expect { always, data('alice', 'bob', { gab = '1s' }) }",
     "x.lua:4: unknown field \"gab\" of data: did you mean \"gap\"?"},
    {CONNECTED "expect { finally, verdict('alice', 'bob', { gap = '1s' }) }",
     "x.lua:4: unknown field \"gap\" of verdict"},
    {CONNECTED "expect { finally, verdict('alice', 'bob', { bounds = 1 }) }",
     "x.lua:4: verdict: bounds is true or false"},
    {CONNECTED "expect { finally, relayed('alice', 'bob', 'apdm-against-apfd') }",
     "x.lua:4: relayed: unknown reason \"apdm-against-apfd\": did you mean "
     "\"apdm-against-apdf\"?"},
    {CONNECTED "expect { finally, direct('alice', 'alice') }",
     "x.lua:4: direct: \"alice\" is on both ends"},
    {CONNECTED "direct('alice', 'bob')", "x.lua:4: direct belongs inside expect { }"},
    /* what is hostile */
    {MESH "hostile 'eve' { membre = true }",
     "x.lua:3: unknown field \"membre\" of hostile: did you mean \"member\"?"},
    {MESH "hostile 'eve' { member = true, reserve = 's1' }",
     "x.lua:3: unknown field \"reserve\" of hostile: did you mean \"reorder\"?"},
    {MESH "hostile 'eve' { home = 's1' }",
     "x.lua:3: hostile \"eve\" has a home and is no member; add member = true"},
    {MESH "bystander 'v' { home = 's1' }", "x.lua:3: unknown field \"home\" of bystander"},
    {MESH "at '1s' { flood('alice', 's1', { count = 1 }) }",
     "x.lua:3: flood: \"alice\" is a client, not a hostile"},
    {ATTACKED "at '1s' { flood('eve', 'victim', { count = 1 }) }",
     "x.lua:4: flood: \"victim\" is a bystander, not a server or client"},
    {ATTACKED "at '1s' { spoof('eve', 's1') }", "x.lua:4: spoof takes a table in { }, not a nil"},
    {ATTACKED "at '1s' { replay('eve', {}) }",
     "x.lua:4: replay: say either count = 50 or lasts = \"10s\""},
    {ATTACKED "at '1s' { replay('eve', { count = 1, size = 100 }) }",
     "x.lua:4: unknown field \"size\" of replay"},
    {ATTACKED "at '1s' { replay('eve', { count = 10000001 }) }",
     "x.lua:4: count of replay: 10000001 is out of range: 1 to 10000000"},
    {ATTACKED "at '1s' { replay('eve', { every = '1ns', lasts = '1s' }) }",
     "x.lua:4: replay: that would be 1000000000 times, not 1 to 10000000"},
    {ATTACKED "at '1s' { claim('eve', 'victim', { count = 1 }) }",
     "x.lua:4: claim: \"eve\" is no member; add member = true"},
    {ATTACKED "at '1s' { bind('mallory', 'mallory', { count = 1 }) }",
     "x.lua:4: bind: \"mallory\" is on both ends"},
    {ATTACKED "at '1s' { probe('mallory', 'home', { count = 1 }) }",
     "x.lua:4: probe: \"home\" is a router, not a place"},
    {"scenario 't' hostile 'm' { member = true } client 'v' at '1s' { claim('m', 'v', { count = 1 "
     "}) }",
     "x.lua:1: claim: there is no server above that \"m\" could lie to"},
    {ATTACKED "at '1s' { crash 'mallory' }",
     "x.lua:4: crash: \"mallory\" is a hostile, not a server or "
     "client"},
    {MESH "at '1s' { clock('alice', '-1') }",
     "x.lua:3: clock: \"1\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h), or of "
     "\"-1h\" where it is slow"},
    {MESH "at '1s' { clock('alice', '1500ms') }",
     "x.lua:3: clock: \"1500ms\" is not whole seconds up to fifty years"},
    {MESH "at '1s' { clock('alice', '-438001h') }",
     "x.lua:3: clock: \"-438001h\" is not whole seconds up to fifty years"},
    {MESH "at '1s' { clock('alice', '1h', {}) }",
     "x.lua:3: clock takes a name and how far it is off, and nothing else"},
    {MESH "at '1s' { clock('home', '1h') }",
     "x.lua:3: clock: \"home\" is a router, not a server or client"},
    {ATTACKED "expect { always, receives 'victim' }",
     "x.lua:4: receives takes a table in { }, not a nil"},
    {ATTACKED "expect { always, receives('victim', {}) }",
     "x.lua:4: receives: add at_most = 5 or at_least = 5"},
    {ATTACKED "expect { always, receives('victim', { atmost = 5 }) }",
     "x.lua:4: unknown field \"atmost\" of receives: did you mean \"at_most\"?"},
    {ATTACKED "expect { finally, sends('eve', { at_least = 6, at_most = 5 }) }",
     "x.lua:4: sends: at_least is more than at_most"},
    {ATTACKED "expect { never, sends('eve', { at_most = 5 }) }",
     "x.lua:4: expect: sends goes with finally, always or within, not with never"},
    {ATTACKED "expect { always, sends('eve', { at_least = 5 }) }",
     "x.lua:4: expect: always goes with at_most alone; no count begins above 0"},
    {ATTACKED "expect { within = '1s', receives('victim', { at_most = 5 }) }",
     "x.lua:4: expect: within goes with at_least alone; write always for at_most"},
    {ATTACKED "expect { always, receives('home', { at_most = 5 }) }",
     "x.lua:4: receives: \"home\" is a router, not a place"},
    /* limits */
    {"while true do end",
     "x.lua:1: the script takes more than 4000000 steps: is there an endless loop?"},
    {"local function f() return f() end f()",
     "x.lua:1: the script takes more than 4000000 steps: is there an endless loop?"},
    {"local s = 'x'\nwhile true do s = s .. s end",
     "x.lua:2: a text, a table or the depth of calls has grown beyond 256 KiB"},
    {"local t = {}\nfor i = 1, 1000000000 do t[i] = ('x'):rep(100000) .. i end",
     "x.lua:2: the script needs more than 16 MiB of memory"},
    {"local function f() return f() + 1 end\nf()",
     "x.lua:1: a text, a table or the depth of calls has grown beyond 256 KiB"},
    {"local s = ('x'):rep(100000) for i = 1, 1000000 do local t = s .. i end",
     "x.lua:1: the script has taken more than 256 MiB of memory in all"},
    /* what reaches outside, or would not be the same twice */
    {"local x = string.format('%p', {})",
     "x.lua:1: string.format: %p is not available in scenarios"},
    {"local x = ('%.3f'):format(1)", "x.lua:1: string.format: %f is not available in scenarios"},
    {"for k in pairs { [{}] = 1 } do end",
     "x.lua:1: a key is a table; only numbers and texts have an order"},
    {"math.random()", "x.lua:1: unknown word \"math.random\""},
    {"\x1bLua", "x.lua: attempt to load a binary chunk (mode is 't')"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        char error[LOAD_ERROR_SIZE];
        struct plan plan;
        assert_false(load(&plan, refused[i].script, error));
        assert_string_equal(error, refused[i].error);
        assert_null(plan.scenarios);
    }
}

static void test_missing_from_lua(void **state)
{
    static const char *const gone[] = {
        "io",          "os",          "debug",           "package",      "require",
        "load",        "loadstring",  "loadfile",        "dofile",       "next",
        "pcall",       "xpcall",      "setmetatable",    "getmetatable", "rawset",
        "print",       "coroutine",   "collectgarbage",  "_G",           "utf8",
        "math.random", "math.pi",     "math.randomseed", "math.sqrt",    "string.dump",
        "string.gsub", "string.find", "table.move",
    };
    (void)state;
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        char script[64], error[LOAD_ERROR_SIZE], begins[96];
        struct plan plan;
        snprintf(script, sizeof script, "scenario 't' local x = %s", gone[i]);
        snprintf(begins, sizeof begins, "x.lua:1: unknown word \"%s\"", gone[i]);
        assert_false(load(&plan, script, error));
        assert_memory_equal(error, begins, strlen(begins));
    }
}

/* Scripts that hold only if the rules do. */
static void test_rules(void **state)
{
    static const char *const scripts[] = {
        "local s = '' for k in pairs { b = 1, a = 2, 10, 20, [-5] = 3, c = 4 } do s = s .. k .. ' "
        "' end\n"
        "assert(s == '-5 1 2 a b c ', s)",
        "assert(tostring({}) == 'table' and tostring(pairs) == 'function' and tostring(12) == "
        "'12')",
        "assert(('%s|%5d|%q|%x'):format({}, 7, 'a', 255) == 'table|    7|\"a\"|ff')",
        "local t = { 3, 1, 2 } table.sort(t) assert(table.concat(t, ',') == '1,2,3')",
        /* the order of equals is that of the list, however long it is */
        "local t = {} for i = 1, 500 do t[i] = { i % 3, i } end\n"
        "table.sort(t, function(a, b) return a[1] < b[1] end)\n"
        "for i = 2, 500 do assert(t[i - 1][1] < t[i][1] or (t[i - 1][1] == t[i][1] and t[i - "
        "1][2] < t[i][2])) end",
        "local a, b = table.unpack { 1, 2 } assert(a == 1 and b == 2 and select('#', a, b) == 2)",
        "assert(('abc'):upper() == 'ABC' and #('ab'):rep(3) == 6 and math.max(1, 2) == 2 and 7 // "
        "2 == 3)",
        "name = 'x' assert(name == 'x') function f() return name end assert(f() == 'x')",
    };
    (void)state;
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        char script[1024], error[LOAD_ERROR_SIZE];
        struct plan plan;
        snprintf(script, sizeof script, "scenario 't' %s", scripts[i]);
        if (!load(&plan, script, error))
            fail_msg("%s", error);
        plan_free(&plan);
    }
}

/* The actions and expectations of the script in test_meaning(). */
static void check_timeline(const struct plan_scenario *one)
{
    assert_int_equal(one->action_count, 3);
    assert_int_equal(one->actions[0].kind, PLAN_LINK);
    assert_int_equal(one->actions[0].at_ns, 2000000000);
    assert_int_equal(one->actions[0].interface, 1);
    assert_int_equal(one->actions[0].way, PLAN_WAY_UP);
    assert_int_equal(one->actions[0].link.loss_ppm, 50000);
    assert_int_equal(one->actions[1].kind, PLAN_DOWN);
    assert_int_equal(one->actions[1].place, 1);
    assert_int_equal(one->actions[2].kind, PLAN_CLASSIFY);
    assert_int_equal(one->actions[2].server_count, 1);
    assert_int_equal(one->actions[2].servers[0], 0);
    const struct plan_expect *first = &one->expects[0];
    assert_int_equal(first->mode, PLAN_WITHIN);
    assert_int_equal(first->within_ns, 40000000000);
    assert_int_equal(first->after_ns, 1000000000);
    assert_int_equal(first->share_ppm, 980000);
    assert_int_equal(first->wanted.mask, 1u << FINDING_MAPPING | 1u << FINDING_STEP);
    assert_int_equal(first->wanted.value[FINDING_MAPPING], STUN_MAPPING_APDM);
    assert_int_equal(first->wanted.value[FINDING_STEP], -2);
    assert_int_equal(one->expects[1].mode, PLAN_NEVER);
    assert_true(one->expects[1].oracle);
    assert_int_equal(one->expects[1].share_ppm, 1000000);
}

static void test_meaning(void **state)
{
    static const char script[] =
        "scenario 'one'\n"
        "seeds(50)\n"
        "duration '2m'\n"
        "server 's1' { delay = '20ms', addresses = 2, port = 5000 }\n"
        "router 'home' { nat = { 'home', mapping = 'APDM', idle = '60s' }, delay = '12ms', loss = "
        "'1%', up = { loss = '0.5%' } }\n"
        "router 'fw' { firewall = 'stateful', behind = 'home', inside = 'wide' }\n"
        "client 'alice' { behind = { 'fw', { 'internet', delay = '3ms' } }, delay = '1ms' }\n"
        "at '2s' { link('alice', { loss = '5%', way = 'up', interface = 'internet' }), down "
        "'home' }\n"
        "at '1s' { classify 'alice' }\n"
        "expect { within = '40s', after = '1s', share = '98%', classified('alice', { mapping = "
        "'apdm', step = -2 }) }\n"
        "expect { never, classified 'alice' }\n"
        "scenario 'two'\n";
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    (void)state;
    if (!load(&plan, script, error))
        fail_msg("%s", error);
    assert_int_equal(plan.scenario_count, 2);
    const struct plan_scenario *one = &plan.scenarios[0];
    assert_string_equal(one->title, "one");
    assert_int_equal(one->seeds, 50);
    assert_int_equal(one->duration_ns, 120000000000);
    assert_int_equal(one->place_count, 4);
    assert_int_equal(one->places[0].port, 5000);
    assert_int_equal(one->places[0].interfaces[0].down.latency_ns, 20000000);
    const struct plan_place *home = &one->places[1];
    assert_true(home->has_nat);
    assert_string_equal(home->preset, "home");
    assert_int_equal(home->nat.mapping, NAT_MAPPING_APDM);
    assert_int_equal(home->nat.filtering, NAT_FILTERING_APDF);
    assert_int_equal(home->nat.idle_ns, 60000000000);
    assert_int_equal(home->interfaces[0].up.loss_ppm, 5000);
    assert_int_equal(home->interfaces[0].down.loss_ppm, 10000);
    assert_int_equal(home->interfaces[0].behind, PLAN_INTERNET);
    assert_false(one->places[2].has_nat);
    assert_string_equal(one->places[2].firewall, "stateful");
    assert_int_equal(one->places[2].interfaces[0].behind, 1);
    assert_int_equal(one->places[2].inside, PLAN_INSIDE_WIDE);
    const struct plan_place *alice = &one->places[3];
    assert_int_equal(alice->interface_count, 2);
    assert_int_equal(alice->interfaces[0].behind, 2);
    assert_int_equal(alice->interfaces[0].up.latency_ns, 1000000);
    assert_int_equal(alice->interfaces[1].behind, PLAN_INTERNET);
    assert_int_equal(alice->interfaces[1].up.latency_ns, 3000000);
    check_timeline(one);
    assert_int_equal(plan.scenarios[1].seeds, 1);
    assert_true(plan_is_lossy(one));
    assert_false(plan_is_lossy(&plan.scenarios[1]));
    plan_free(&plan);
}

static void test_mesh(void **state)
{
    static const char script[] =
        "scenario 't' cell('row', 'column') server 's1' {} server 's2' {}\n"
        "differs('linux', 'one address less')\n"
        "client 'a' { home = 's2', reserve = 's1', behind = { 'internet' } } client 'b'\n"
        "at '1s' { connect('a', 'b') }\n"
        "at '2s' { send('a', 'b', { every = '20ms', lasts = '1s', size = 200 }) }\n"
        "at '3s' { talk('b', 'a', { count = 7 }), unplug 'a', sever('s1', 'b'), mend('b', 's1') }\n"
        "expect { finally, verdict('a', 'b', { bounds = false }) }\n"
        "expect { within = '1s', relayed('b', 'a', 'udp-blocked') }\n"
        "expect { always, data('a', 'b') } expect { always, data('a', 'b', { gap = '2s' }) }\n"
        "scenario 'u' mesh() program 'nebula' scenario 'v' program 'warren' server 's' {}\n";
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    (void)state;
    if (!load(&plan, script, error))
        fail_msg("%s", error);
    const struct plan_scenario *one = &plan.scenarios[0];
    assert_string_equal(one->row, "row");
    assert_string_equal(one->column, "column");
    assert_string_equal(plan_program(one), "warren");
    assert_string_equal(plan_program(&plan.scenarios[1]), "nebula");
    assert_string_equal(plan_program(&plan.scenarios[2]), "warren");
    assert_string_equal(plan_why_different(one, "linux"), "one address less");
    assert_null(plan_why_different(one, "tun"));
    assert_null(plan_why_different(&plan.scenarios[1], "linux"));
    assert_int_equal(one->places[2].home, 1);
    assert_int_equal(one->places[2].reserve, 0);
    assert_int_equal(one->places[3].home, PLAN_INTERNET);
    assert_int_equal(one->places[3].reserve, PLAN_INTERNET);
    const struct plan_action *actions = one->actions;
    assert_int_equal(actions[0].kind, PLAN_CONNECT);
    assert_int_equal(actions[0].place, 2);
    assert_int_equal(actions[0].peer, 3);
    assert_int_equal(actions[1].kind, PLAN_SEND);
    assert_int_equal(actions[1].every_ns, 20000000);
    assert_int_equal(actions[1].count, 50);
    assert_int_equal(actions[1].size, 200);
    assert_int_equal(actions[2].kind, PLAN_TALK);
    assert_int_equal(actions[2].place, 3);
    assert_int_equal(actions[2].every_ns, 100000000);
    assert_int_equal(actions[2].count, 7);
    assert_int_equal(actions[2].size, 100);
    assert_int_equal(actions[3].kind, PLAN_UNPLUG);
    assert_int_equal(actions[4].kind, PLAN_SEVER);
    assert_int_equal(actions[4].place, 0);
    assert_int_equal(actions[4].peer, 3);
    assert_int_equal(actions[5].kind, PLAN_MEND);
    assert_int_equal(actions[5].place, 3);
    assert_int_equal(actions[5].peer, 0);
    const struct plan_expect *expects = one->expects;
    assert_int_equal(expects[0].kind, PLAN_VERDICT);
    assert_true(expects[0].no_bounds);
    assert_int_equal(expects[1].kind, PLAN_RELAYED);
    assert_int_equal(expects[1].client, 3);
    assert_int_equal(expects[1].peer, 2);
    assert_int_equal(expects[1].reason, REASON_UDP_BLOCKED);
    assert_int_equal(expects[2].kind, PLAN_DATA);
    assert_int_equal(expects[2].gap_ns, 1000000000);
    assert_int_equal(expects[3].gap_ns, 2000000000);
    assert_true(plan_is_mesh(one));
    assert_true(plan_is_mesh(&plan.scenarios[1]));
    assert_false(plan_is_mesh(&plan.scenarios[2]));
    plan_free(&plan);
}

/* Scripts that say the same have one hash; every change of what they say changes it. */
static void check_attacks(const struct plan_scenario *one)
{
    static const struct {
        uint8_t kind;
        uint32_t place, peer, count;
        uint64_t every_ns;
    } wanted[] = {
        {PLAN_REPLAY, 5, 0, 2000, 1000000},   {PLAN_FLOOD, 5, 0, 7, PLAN_EVERY_DEFAULT_NS},
        {PLAN_SPOOF, 6, 2, 7, 2000000000},    {PLAN_CLAIM, 6, 4, 1, PLAN_EVERY_DEFAULT_NS},
        {PLAN_BIND, 6, 2, PLAN_COUNT_MAX, 1}, {PLAN_PROBE, 6, 5, 3, 1000000000},
    };
    for (uint32_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const struct plan_action *action = &one->actions[i];
        assert_int_equal(action->kind, wanted[i].kind);
        assert_int_equal(action->place, wanted[i].place);
        assert_int_equal(action->peer, wanted[i].peer);
        assert_int_equal(action->count, wanted[i].count);
        assert_int_equal(action->every_ns, wanted[i].every_ns);
        assert_true(plan_is_attack((enum plan_action_kind)action->kind));
    }
}

static void test_hostile(void **state)
{
    static const char script[] = ATTACKED
        "at '1s' { replay('eve', { every = '1ms', lasts = '2s' }), flood('eve', 's1', { count = 7 "
        "}), spoof('mallory', 'alice', { every = '2s', count = 7 }), claim('mallory', 'victim', { "
        "count = 1 }), bind('mallory', 'alice', { every = '1ns', count = 10000000 }), "
        "probe('mallory', 'eve', { every = '1s', lasts = '3s' }) }\n"
        "at '2s' { clock('alice', '-1h'), clock('s1', '90s'), clock('s1', '-0s') }\n"
        "expect { always, after = '3s', receives('victim', { at_most = 0 }) }\n"
        "expect { within = '1s', after = '3s', sends('eve', { at_least = 1 }) }\n"
        "expect { finally, receives('mallory', { at_least = 1, at_most = 2 }) }\n";
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    (void)state;
    if (!load(&plan, script, error))
        fail_msg("%s", error);
    const struct plan_scenario *one = &plan.scenarios[0];
    assert_true(plan_is_mesh(one));
    assert_int_equal(one->places[4].kind, PLAN_BYSTANDER);
    assert_int_equal(one->places[5].kind, PLAN_HOSTILE);
    assert_false(one->places[5].member);
    assert_int_equal(one->places[5].home, PLAN_INTERNET);
    assert_true(one->places[6].member);
    assert_int_equal(one->places[6].home, 0);
    assert_int_equal(one->action_count, 9);
    check_attacks(one);
    assert_true(one->actions[6].clock_slow && !one->actions[7].clock_slow);
    assert_int_equal(one->actions[6].clock_ns, 3600000000000);
    assert_int_equal(one->actions[7].clock_ns, 90000000000);
    assert_true(!one->actions[8].clock_slow && one->actions[8].clock_ns == 0);
    assert_int_equal(one->expects[0].kind, PLAN_RECEIVES);
    assert_int_equal(one->expects[0].client, 4);
    assert_int_equal(one->expects[0].at_most, 0);
    assert_int_equal(one->expects[0].at_least, 0);
    assert_int_equal(one->expects[1].kind, PLAN_SENDS);
    assert_int_equal(one->expects[1].at_least, 1);
    assert_int_equal(one->expects[1].at_most, PLAN_COUNT_ANY);
    assert_int_equal(one->expects[2].at_least, 1);
    assert_int_equal(one->expects[2].at_most, 2);
    plan_free(&plan);
}

static void test_hash(void **state)
{
    static const char base[] = CLASSIFIED "expect { finally, classified 'alice' }";
    static const char *const same[] = {
        "scenario 't'\n-- a comment\nserver 's1' {} router 'home' { nat = 'home' }\n\nclient "
        "'alice' { behind = 'home' }\n"
        "at '1000ms' { classify 'alice' } expect { classified('alice'), finally, share = '100%' }",
        "scenario 't' for _, n in ipairs { 1 } do server('s' .. n) {} end router 'home' { nat = "
        "'home', delay = '0s' }\n"
        "client 'alice' { behind = { 'home' } } at '1s' { classify('alice', { servers = { 's1' } "
        "}) }\n"
        "expect { finally, classified 'alice' }",
    };
    static const char *const others[] = {
        CLASSIFIED "expect { always, classified 'alice' }",
        CLASSIFIED "expect { finally, share = '99%', classified 'alice' }",
        CLASSIFIED "expect { finally, classified('alice', { nat = 'none' }) }",
        CLASSIFIED "seeds(2) expect { finally, classified 'alice' }",
        CLASSIFIED "duration '1m' expect { finally, classified 'alice' }",
        CLASSIFIED "expect { finally, classified 'alice' } scenario 'u'",
        WORLD "at '1001ms' { classify 'alice' } expect { finally, classified 'alice' }",
        WORLD "at '1s' { classify 'alice', flush 'home' } expect { finally, classified 'alice' }",
        "scenario 'u' server 's1' {} router 'home' { nat = 'home' } client 'alice' { behind = "
        "'home' }\n"
        "at '1s' { classify 'alice' } expect { finally, classified 'alice' }",
        "scenario 't' server 's1' {} router 'home' { nat = 'home', mtu = 1400 } client 'alice' { "
        "behind = 'home' }\n"
        "at '1s' { classify 'alice' } expect { finally, classified 'alice' }",
        "scenario 't' server 's1' {} router 'home' { nat = { 'home', idle = '61s' } } client "
        "'alice' { behind = 'home' }\n"
        "at '1s' { classify 'alice' } expect { finally, classified 'alice' }",
        ("scenario 't' server 's1' {} router 'home' { nat = 'home' } client 'alice' {}\n"
         "at '1s' { classify 'alice' } expect { finally, classified 'alice' }"),
    };
    uint64_t hash = hash_of(base);
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        assert_int_equal(hash_of(same[i]), hash);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_not_equal(hash_of(others[i]), hash);
}

/* Each of them means something else. */
static void test_hash_of_meshes(void **state)
{
    static const char *const meshes[] = {
        CONNECTED,
        CONNECTED "mesh()",
        CONNECTED "cell('a', 'b')",
        CONNECTED "cell('a', 'c')",
        CONNECTED "program 'n2n'",
        CONNECTED "program 'tinc'",
        CONNECTED "differs('linux', 'so it is')",
        CONNECTED "differs('tun', 'so it is')",
        CONNECTED "differs('linux', 'so it was')",
        CONNECTED "differs('linux', 'so it is') differs('tun', 'so it is')",
        MESH "at '8s' { connect('bob', 'alice') }",
        MESH "at '8s' { talk('alice', 'bob', { count = 1 }) }",
        MESH "at '8s' { send('alice', 'bob', { count = 1 }) }",
        MESH "at '8s' { send('alice', 'bob', { count = 2 }) }",
        MESH "at '8s' { send('alice', 'bob', { count = 2, every = '1ms' }) }",
        MESH "at '8s' { send('alice', 'bob', { count = 2, size = 101 }) }",
        CONNECTED "client 'c'",
        CONNECTED "client 'c' { home = 's1' }",
        CONNECTED "client 'c' { discipline = 'codel' }",
        CONNECTED "client 'c' { discipline = 'red' }",
        CONNECTED "client 'c' { up = { discipline = 'red' } }",
        CONNECTED "client 'c' { down = { discipline = 'red' } }",
        CONNECTED "client 'c' { behind = 'home' }",
        CONNECTED "client 'c' { behind = 'home', medium = 'csma' }",
        CONNECTED "at '1s' { bulk('s1', 'alice') }",
        CONNECTED "at '1s' { bulk('alice', 's1') }",
        CONNECTED "at '1s' { bulk('s1', 'alice', { flows = 2 }) }",
        CONNECTED "at '1s' { bulk('s1', 'alice', { lasts = '11s' }) }",
        CONNECTED "expect { finally, direct('alice', 'bob') }",
        CONNECTED "expect { finally, direct('bob', 'alice') }",
        CONNECTED "expect { finally, direct('alice', 'bob', 'punched') }",
        CONNECTED "expect { finally, relayed('alice', 'bob') }",
        CONNECTED "expect { finally, unreachable('alice', 'bob') }",
        CONNECTED "expect { finally, verdict('alice', 'bob') }",
        CONNECTED "expect { finally, verdict('alice', 'bob', { bounds = false }) }",
        CONNECTED "expect { finally, data('alice', 'bob') }",
        CONNECTED "expect { finally, data('alice', 'bob', { gap = '2s' }) }",
        ATTACKED,
        ATTACKED "hostile 'x'",
        ATTACKED "bystander 'x'",
        ATTACKED "hostile 'x' { member = true }",
        ATTACKED "hostile 'x' { member = true, home = 's1' }",
        ATTACKED "at '1s' { replay('eve', { count = 1 }) }",
        ATTACKED "at '1s' { replay('eve', { count = 2 }) }",
        ATTACKED "at '1s' { replay('mallory', { count = 1 }) }",
        ATTACKED "at '1s' { flood('eve', 's1', { count = 1 }) }",
        ATTACKED "at '1s' { flood('eve', 'bob', { count = 1 }) }",
        ATTACKED "at '1s' { spoof('eve', 's1', { count = 1 }) }",
        ATTACKED "at '1s' { claim('mallory', 'victim', { count = 1 }) }",
        ATTACKED "at '1s' { bind('mallory', 'victim', { count = 1 }) }",
        ATTACKED "at '1s' { probe('mallory', 'victim', { count = 1 }) }",
        ATTACKED "at '1s' { clock('alice', '1h') }",
        ATTACKED "at '1s' { clock('alice', '-1h') }",
        ATTACKED "at '1s' { clock('alice', '-2h') }",
        ATTACKED "expect { always, receives('victim', { at_most = 5 }) }",
        ATTACKED "expect { always, receives('victim', { at_most = 6 }) }",
        ATTACKED "expect { always, sends('victim', { at_most = 5 }) }",
        ATTACKED "expect { finally, receives('victim', { at_most = 5 }) }",
        ATTACKED "expect { finally, receives('victim', { at_least = 5 }) }",
    };
    (void)state;
    for (size_t i = 0; i < sizeof meshes / sizeof *meshes; i++)
        for (size_t k = 0; k < i; k++)
            assert_int_not_equal(hash_of(meshes[i]), hash_of(meshes[k]));
}

static void test_full(void **state)
{
    static const struct {
        const char *script;
        const char *error;
    } cases[] = {
        {"for i = 1, 70000 do scenario('t' .. i) end",
         "x.lua:1: scenario: there are more than 65536"},
        {"scenario 't' for i = 1, 5000 do client('c' .. i) end",
         "x.lua:1: client: there are more than 4096 places"},
        {WORLD "local f = flush 'home' for i = 1, 5000 do at '1s' { f } end",
         "x.lua:2: at: there are more than 4096 actions"},
        {CLASSIFIED "local c = classified 'alice' for i = 1, 2000 do expect { finally, c } end",
         "x.lua:3: expect: there are more than 1024"},
        {WORLD "client 'x' { behind = { 'home', 'home', 'home', 'home', 'home' } }",
         "x.lua:2: behind of client \"x\": there are more than 4 interfaces"},
        {WORLD "for i = 1, 250 do client('c' .. i) { behind = 'home' } end",
         "x.lua:2: there are more than 250 addresses behind \"home\": give it inside = \"wide\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char error[LOAD_ERROR_SIZE];
        struct plan plan;
        assert_false(load(&plan, cases[i].script, error));
        assert_string_equal(error, cases[i].error);
    }
}

static void test_long_script(void **state)
{
    static char script[(1 << 20) + 1];
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    (void)state;
    memset(script, ' ', sizeof script);
    memcpy(script, "scenario 't'", 12);
    assert_false(plan_load(&plan, "x.lua", script, sizeof script, error));
    assert_string_equal(error, "x.lua: a script has at most 1 MiB, and this one has 1048577 bytes");
    assert_true(plan_load(&plan, "x.lua", script, sizeof script - 1, error));
    plan_free(&plan);
}

static void test_no_file(void **state)
{
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    (void)state;
    assert_false(plan_load_file(&plan, "scenarios/there-is-none.lua", error));
    assert_string_equal(error,
                        "scenarios/there-is-none.lua: cannot be read: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_missing_from_lua),
        cmocka_unit_test(test_rules),          cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_hash),           cmocka_unit_test(test_full),
        cmocka_unit_test(test_long_script),    cmocka_unit_test(test_mesh),
        cmocka_unit_test(test_no_file),        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_hash_of_meshes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
