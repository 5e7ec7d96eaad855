/* Hostile members: what they can make honest nodes send to a victim, and what their lies change. */
#include "sim/hostile_test.h"

enum {
    HONEST = 2,
    MINUTES = 10,
    BOUND = 5,     /* datagrams that a victim may get of all honest nodes together, */
    OF_SERVER = 3, /* of which the server may send so many, */
    OF_CLIENT = 2, /* and one client so many: one, or two to a neighbour behind its NAT */
    /*
     * Where the victim is another port behind the hostile members' own public address it looks like
     * a port of theirs, which a symmetric NAT shows to each peer: there are only bounds for each
     * honest node, as high as an honest peer on a bad link needs.
     */
    OF_SERVER_SEEN = 5,
    OF_CLIENT_SEEN = 8,
    FOREIGN_PORT = 4444, /* of the victim: nothing there has ever asked for anything */
    LIES = 10000,
};

static struct hostile_member *rogues[ROGUES];
static uint32_t rogue_count;

/* ---- The victim ------------------------------------------------------------------------------ */

/* A way of pointing honest nodes at the victim. */
struct arrangement {
    const char *name;
    bool one_nat;      /* all of them, but the server, are behind one NAT */
    bool seen;         /* the victim and the rogues alone are */
    bool registers;    /* the victim's address as a host's own */
    bool binds;        /* HELLO, REGISTER, PING, CONNECT with the victim's source */
    bool twice;        /* the same bytes from the rogue's own address too */
    bool probes;       /* PROBEs with the victim's source */
    bool acknowledges; /* what it never received */
    bool forgets;      /* ever new sources between, so that budgets are forgotten */
    bool opens;        /* the honest clients call the rogues, too */
    unsigned calls;    /* in a second, of each rogue */
};

static const struct arrangement arrangements[] = {
    {.name = "registers", .registers = true, .calls = 1},
    {.name = "registers, one NAT", .one_nat = true, .registers = true, .calls = 1},
    {.name = "binds", .binds = true, .calls = 1},
    {.name = "binds twice", .binds = true, .twice = true, .calls = 1},
    {.name = "probes", .probes = true, .calls = 1},
    {.name = "probes, called", .probes = true, .opens = true, .acknowledges = true, .calls = 1},
    {.name = "probes, one NAT", .one_nat = true, .probes = true, .calls = 1},
    {.name = "acknowledges, one NAT",
     .one_nat = true,
     .registers = true,
     .acknowledges = true,
     .calls = 1},
    {.name = "all",
     .registers = true,
     .binds = true,
     .twice = true,
     .probes = true,
     .acknowledges = true,
     .calls = 1},
    {.name = "all, one NAT",
     .one_nat = true,
     .registers = true,
     .probes = true,
     .acknowledges = true,
     .calls = 1},
    {.name = "forgets", .probes = true, .forgets = true, .calls = 1},
    {.name = "all, called",
     .registers = true,
     .binds = true,
     .twice = true,
     .probes = true,
     .acknowledges = true,
     .opens = true,
     .calls = 1},
    {.name = "own address, probes", .seen = true, .probes = true, .calls = 1},
    {.name = "own address, registers", .seen = true, .registers = true, .binds = true, .calls = 1},
    {.name = "own address, all",
     .seen = true,
     .registers = true,
     .binds = true,
     .twice = true,
     .probes = true,
     .acknowledges = true,
     .opens = true,
     .calls = 1},
};

static struct addr victim_addr(uint16_t port)
{
    return place_addr(arena.victim, port);
}

static void call_and_lie(struct hostile_member *r, const struct arrangement *how, uint32_t client)
{
    /* Half of them say that they have received what was never sent, the probe without a number. */
    uint64_t unknown[PUNCH_ACKS_MAX] = {draw() & 1, 1};
    for (unsigned i = 2; i < PUNCH_ACKS_MAX; i++)
        unknown[i] = draw() | 1;
    const struct addr none = {0};
    struct addr to = place_addr(client, NET_PORT_TRAFFIC);
    rogue_connect(r, client);
    if (!r->call.known)
        return;
    uint8_t count = how->acknowledges ? PUNCH_ACKS_MAX : 0;
    for (uint16_t i = 0; how->forgets && i < 15; i++) {
        struct addr source = addr_v4(UINT32_C(0x0b000000) + ((uint32_t)draw() & 0xffffff), 9);
        hostile_member_probe(r, &source, &to, NULL, 0);
    }
    for (uint16_t i = 0; how->probes && i < 3; i++) {
        struct addr source = victim_addr((uint16_t)(FOREIGN_PORT + i));
        hostile_member_probe(r, &source, &to, unknown, count);
    }
    if (how->acknowledges)
        hostile_member_probe(r, &none, &to, unknown, count);
}

static void bind_as_victim(struct hostile_member *r, const struct arrangement *how)
{
    r->source = victim_addr(FOREIGN_PORT);
    r->twice = how->twice;
    hostile_member_hello(r);
    hostile_member_register(r);
    hostile_member_say(r, &(struct punch_message){.type = PUNCH_PING});
    hostile_member_say(r, &(struct punch_message){.type = PUNCH_CHALLENGE_ANSWER});
    rogue_connect(r, arena.clients[0]);
    r->source = (struct addr){0};
    r->twice = false;
}

/* One second of an attack by all rogues. */
static void attack(void *context, struct net *net, uint64_t second)
{
    const struct arrangement *how = context;
    for (uint32_t i = 0; i < rogue_count; i++) {
        struct hostile_member *r = rogues[i];
        assert_true(r->up);
        if (second % 20 == 0)
            hostile_member_register(r);
        /* Many take turns, so that the test does not take long. */
        if (rogue_count > 1 && second % 5 != i % 5)
            continue;
        if (how->binds)
            bind_as_victim(r, how);
        for (unsigned n = 0; n < how->calls; n++)
            call_and_lie(r, how, arena.clients[(second / 20 + i) % HONEST]);
        if (how->opens)
            connect_now(arena.clients[(second / 20 + i) % HONEST], r->place);
    }
    if (second + 1 < UINT64_C(60) * MINUTES)
        net_schedule_call(net, net_now(net) + SECOND, arena.server, attack, context, second + 1);
}

static void ignore(void *context, struct net *net, uint32_t host, const struct addr *local,
                   const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    (void)net;
    (void)host;
    (void)local;
    (void)remote;
    (void)bytes;
    (void)size;
}

static void build(const struct arrangement *how, uint32_t count)
{
    struct node_limits limits = node_limits_server;
    limits.clients = limits.sessions = limits.pairs = 64;
    arena_new(7);
    add_server(&limits);
    uint32_t router = NET_INTERNET;
    struct nat_config nat = nat_config_default();
    if (how->one_nat || how->seen)
        router = net_add_router(arena.net, "nat", &(struct net_router){.nat = &nat, .no_v6 = true});
    add_client("alice", how->seen ? NET_INTERNET : router);
    add_client("bob", how->seen ? NET_INTERNET : router);
    arena.victim = add_plain("victim", router);
    for (uint16_t i = 0; i < 3; i++)
        net_open(arena.net, arena.victim, (uint16_t)(FOREIGN_PORT + i), ignore, NULL, NULL);
    rogue_count = count;
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "rogue%" PRIu32, i);
        rogues[i] = rogue_new(name, router);
        struct punch_party *party = &rogues[i]->party;
        for (uint16_t n = 0; how->registers && n < 3; n++)
            party->candidates[party->candidate_count++] = (struct punch_candidate){
                .addr = addr_with_port(how->seen ? net_address(arena.net, router, ADDR_V4, 0)
                                                 : victim_addr(0),
                                       (uint16_t)(FOREIGN_PORT + n)),
                .kind = PUNCH_CANDIDATE_HOST};
    }
}

/* What reached the victim in all: no more than there is a bound for, of no honest node. */
static void expect_within_bounds(const struct arrangement *how, uint32_t count)
{
    uint64_t server = arena.to_victim[arena.server], clients[HONEST], total = server, all = 0;
    for (uint32_t i = 0; i < HONEST; i++) {
        clients[i] = arena.to_victim[arena.clients[i]];
        total += clients[i];
    }
    print_message("%-24s %6" PRIu32 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %6" PRIu64 "\n",
                  how->name, count, server, clients[0], clients[1], total);
    for (uint32_t i = 0; i < PLACES; i++)
        all += arena.to_victim[i];
    assert_int_equal(all, total);
    assert_true(server <= (how->seen ? OF_SERVER_SEEN : OF_SERVER));
    for (uint32_t i = 0; i < HONEST; i++)
        assert_true(clients[i] <= (how->seen ? OF_CLIENT_SEEN : OF_CLIENT));
    assert_true(how->seen || total <= BOUND);
}

static void test_victim(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1, ROGUES};
    print_message("%-24s %6s %8s %8s %8s %6s\n", "arrangement", "rogues", "server", "alice", "bob",
                  "total");
    for (size_t i = 0; i < sizeof arrangements / sizeof *arrangements; i++) {
        for (size_t n = 0; n < sizeof counts / sizeof *counts; n++) {
            const struct arrangement *how = &arrangements[i];
            build(how, counts[n]);
            net_schedule_call(arena.net, 5 * SECOND, arena.server, attack, (void *)(uintptr_t)how,
                              0);
            net_run_until(arena.net, (MINUTES * 60 + 6) * SECOND);
            expect_within_bounds(how, counts[n]);
            /* The rogues did what they are here for. */
            for (uint32_t k = 0; k < rogue_count; k++) {
                assert_true(rogues[k]->registered > 0 && rogues[k]->call.known);
                hostile_member_free(rogues[k]);
            }
            arena_free();
        }
    }
}

/* ---- Lies ------------------------------------------------------------------------------------ */

static struct talk talk;

/* Two honest clients are direct; a rogue has called one of them, and knows the keys of that call. */
static struct hostile_member *build_liar(void)
{
    build(&(struct arrangement){.name = "lies"}, 1);
    talk = (struct talk){
        .a = arena.clients[0], .b = arena.clients[1], .left = 1500, .every_ns = 20 * MS};
    talk_from(&talk, 5 * SECOND);
    net_run_until(arena.net, 10 * SECOND);
    rogue_connect(rogues[0], arena.clients[0]);
    net_run_until(arena.net, 13 * SECOND);
    assert_true(rogues[0]->call.known && rogues[0]->probes > 0);
    assert_int_equal(arena.watch[talk.b].path.path, NODE_PATH_DIRECT);
    return rogues[0];
}

/* The talk goes on: nothing is lost, nothing comes twice, and no path has changed since `paths`. */
static void expect_unharmed(uint32_t paths_a, uint32_t paths_b)
{
    net_run_until(arena.net, 40 * SECOND);
    const struct watch *a = &arena.watch[talk.a], *b = &arena.watch[talk.b];
    assert_int_equal(talk.left, 0);
    assert_true(a->delivered >= 1498 && b->delivered >= 1498);
    /* What is carried while a path is in doubt may come both ways; here none is. */
    assert_int_equal(a->repeated + b->repeated, 0);
    assert_true(a->gap_ns <= 60 * MS && b->gap_ns <= 60 * MS);
    assert_int_equal(a->paths, paths_a);
    assert_int_equal(b->paths, paths_b);
    assert_int_equal(counted(talk.a, TRACE_CLIENT_HOME_LOST), 0);
    hostile_member_free(rogues[0]);
    arena_free();
}

static void test_acknowledges_the_unknown(void **state)
{
    (void)state;
    struct hostile_member *r = build_liar();
    struct watch *alice = &arena.watch[talk.a];
    const struct addr none = {0};
    struct addr to = place_addr(talk.a, NET_PORT_TRAFFIC);
    uint32_t paths_a = alice->paths, paths_b = arena.watch[talk.b].paths;
    uint64_t acked = counted(talk.a, TRACE_PATH_ACKED), lies = 0;
    uint64_t before = arena.watch[talk.a].out_datagrams;
    for (unsigned i = 0; i < LIES / PUNCH_ACKS_MAX; i++) {
        uint64_t acks[PUNCH_ACKS_MAX] = {0};
        for (unsigned k = i % 2; k < PUNCH_ACKS_MAX; k++)
            acks[k] = k % 2 == 0 ? draw() | 1 : i + k;
        hostile_member_probe(r, &none, &to, acks, PUNCH_ACKS_MAX);
        lies += i % 2 == 0 && i > 0; /* the others are malformed */
    }
    net_run_until(arena.net, 14 * SECOND);
    /* One answer for each probe that asked for one, beside the talk and its probes. */
    uint64_t sent = arena.watch[talk.a].out_datagrams - before;
    assert_in_range(sent, lies, lies + 80);
    assert_in_range(counted(talk.a, TRACE_PATH_ACKED) - acked, 0, 40);
    expect_unharmed(paths_a, paths_b);
}

/* Every probe from another address: what is sent, and what is kept, has a bound. */
static void test_probes_from_everywhere(void **state)
{
    (void)state;
    struct hostile_member *r = build_liar();
    struct addr to = place_addr(talk.a, NET_PORT_TRAFFIC);
    uint32_t paths_a = arena.watch[talk.a].paths, paths_b = arena.watch[talk.b].paths;
    uint64_t learned = counted(talk.a, TRACE_PATH_LEARNED);
    uint64_t heard = counted(talk.a, TRACE_PATH_HEARD);
    uint64_t before = arena.watch[talk.a].out_datagrams;
    for (uint32_t i = 0; i < LIES; i++) {
        struct addr source = addr_v4(UINT32_C(0x0b000001) + i, 9);
        hostile_member_probe(r, &source, &to, NULL, 0);
    }
    net_run_until(arena.net, 14 * SECOND);
    assert_int_equal(counted(talk.a, TRACE_PATH_HEARD) - heard >= LIES, 1);
    assert_in_range(counted(talk.a, TRACE_PATH_LEARNED) - learned, 1, 16);
    /* Each of the 16 gets its answers, and the first one has the peer's other addresses told. */
    assert_in_range(arena.watch[talk.a].out_datagrams - before, 16, 16 * 7 + 80);
    expect_unharmed(paths_a, paths_b);
}

static void test_words_of_others(void **state)
{
    (void)state;
    struct hostile_member *r = build_liar();
    uint32_t paths_a = arena.watch[talk.a].paths, paths_b = arena.watch[talk.b].paths;
    uint64_t malformed = counted(arena.server, TRACE_HOME_MALFORMED);
    uint64_t moved = counted(arena.server, TRACE_HOME_MOVED);
    /* A client announces that the other clients are its own. */
    struct punch_message announce = {.type = PUNCH_ANNOUNCE, .location_count = 2};
    for (unsigned i = 0; i < 2; i++) {
        memcpy(announce.locations[i].identity, arena.watch[arena.clients[i]].identity,
               IDENTITY_SIZE);
        announce.locations[i].version = UINT64_MAX;
    }
    hostile_member_say(r, &announce);
    /* It offers itself, refuses a call, answers for a home. */
    struct punch_message offer = {
        .type = PUNCH_OFFER,
        .flag = 1,
        .party = {.introduction = {r->self.introduction, r->self.introduction_size}},
        .channel = 1};
    struct punch_message refused = {.type = PUNCH_REFUSED, .flag = PUNCH_REFUSED_UNKNOWN};
    memcpy(refused.identity, arena.watch[talk.b].identity, IDENTITY_SIZE);
    hostile_member_say(r, &offer);
    hostile_member_say(r, &refused);
    /* And the same to a client, in a session that there is not. */
    uint8_t frame[FRAME_SEALED_SIZE + 200] = {FRAME_FIRST_BYTE, FRAME_VERSION, FRAME_SEALED};
    struct addr to = place_addr(talk.a, NET_PORT_TRAFFIC), from = server_punch();
    for (unsigned i = 0; i < 1000; i++) {
        for (size_t k = FRAME_HEADER_SIZE; k < sizeof frame; k++)
            frame[k] = (uint8_t)draw();
        hostile_send(arena.net, r->place, &from, &to, frame, sizeof frame);
    }
    net_run_until(arena.net, 14 * SECOND);
    assert_int_equal(counted(arena.server, TRACE_HOME_MALFORMED) - malformed, 3);
    assert_int_equal(counted(arena.server, TRACE_HOME_MOVED), moved);
    assert_int_equal(counted(arena.server, TRACE_HOME_REFUSED), 0);
    expect_unharmed(paths_a, paths_b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_victim),
        cmocka_unit_test(test_acknowledges_the_unknown),
        cmocka_unit_test(test_probes_from_everywhere),
        cmocka_unit_test(test_words_of_others),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crypto_thread_end();
    return failed;
}
