/* Tests of core/stun/discovery.c and verdict.c through a whole node: RFC 5780, section 4. */
#include "core/node_test.h"

#include "core/stun/discovery.h"
#include "crypto/crypto.h"

static struct world world;
static _Alignas(16) uint8_t block[WORLD_BLOCK];
static struct node_env env;

/*
 * A request that is answered costs one datagram, and one that is not costs seven (RFC 8489, Rc).
 * Where tests of a pair are not answered six controls go beside all transmissions but the first.
 */
enum { ANSWERED = 1, UNANSWERED = 7, CONTROLS = 6, ROUND_TRIP_MS = 2 * WORLD_DELAY_MS };

/* The line between the client and the NAT, which loses and delays what it is told to. */
static struct {
    uint64_t delay_ns;     /* added to each answer and to each hairpinned datagram */
    uint64_t dead_from_ns; /* while it is dead nothing passes, neither way */
    uint64_t dead_until_ns;
    uint32_t loss_percent; /* each way */
    uint64_t random;
    uint32_t lose_sent;     /* the number of the datagram that is lost on its way out, from 1 */
    uint32_t lose_answer;   /* likewise, whose answer is lost */
    uint32_t plain_passing; /* so many plain requests to the first server pass, and then ... */
    uint32_t plain_lost;    /* ... so many do not */
    uint8_t dead_server;    /* last byte of its address; 0: none */
    uint8_t barred_server;  /* requests to it are answered by an ICMP error */
    uint8_t failing_server; /* and to it by an error response */
    uint8_t slow_server;    /* only its answers are delayed */
} line;

static bool line_loses(uint64_t at_ns)
{
    line.random ^= line.random << 13;
    line.random ^= line.random >> 7;
    line.random ^= line.random << 17;
    return (line.random >> 20) % 100 < line.loss_percent ||
           (at_ns >= line.dead_from_ns && at_ns < line.dead_until_ns);
}

static bool line_loses_plain(const struct node_out_send *send)
{
    struct addr server = addr_v4(WORLD_SERVER_IP, WORLD_PORT);
    struct stun_message request;
    assert_int_equal(stun_decode(&request, send->bytes, send->size), STUN_OK);
    if (!addr_equal(&send->remote, &server) || stun_has(&request, STUN_HAS_CHANGE_REQUEST))
        return false;
    if (line.plain_passing > 0) {
        line.plain_passing--;
        return false;
    }
    bool lost = line.plain_lost > 0;
    line.plain_lost -= lost;
    return lost;
}

/* An answer that the world's own server would not give. */
static void line_refuses(const struct node_out_send *send)
{
    struct stun_message request;
    assert_int_equal(stun_decode(&request, send->bytes, send->size), STUN_OK);
    struct world_packet *packet =
        world_packet_new(&world, ROUND_TRIP_MS, send->socket, send->remote);
    packet->icmp = send->remote.ip[3] == line.barred_server;
    struct stun_writer w = stun_begin(packet->bytes, sizeof packet->bytes, STUN_ERROR,
                                      STUN_METHOD_BINDING, request.transaction);
    stun_put_error_code(&w, 500, NULL, 0);
    packet->size = (uint32_t)stun_end(&w);
}

static void line_output(void *host, const struct node_out *out)
{
    if (out->kind != NODE_OUT_SEND) {
        world_output(host, out);
        return;
    }
    uint8_t to = out->send.remote.ip[3];
    bool server = out->send.remote.ip[0] == 0xc0;
    uint32_t number = world.sent + 1;
    bool lost = line_loses(world.now_ns) || number == line.lose_sent ||
                (server && to == line.dead_server) || line_loses_plain(&out->send);
    bool refused = server && (to == line.barred_server || to == line.failing_server);
    if (lost || refused) {
        world.sent++;
        world.unpinned += out->send.source.family == ADDR_NONE;
        if (!lost)
            line_refuses(&out->send);
        return;
    }
    unsigned before = world.packets;
    world_output(host, out);
    assert_true(world.packets <= before + 1);
    if (world.packets == before)
        return;
    if (line.slow_server == 0 || (server && to == line.slow_server))
        world.packet[before].at_ns += line.delay_ns;
    if (line_loses(world.packet[before].at_ns) || number == line.lose_answer)
        world.packets--;
}

static int setup(void **state)
{
    (void)state;
    world_init(&world, block, &env);
    memset(&line, 0, sizeof line);
    line.random = 88172645463325252;
    world.drive.output = line_output;
    return 0;
}

static void run_to_the_end(void)
{
    world_run(&world);
    assert_int_equal(world.ended, 1);
    assert_int_equal(world.open_now, 0);
    assert_true(node_deadline(world.drive.node) == NODE_NEVER);
    assert_int_equal(world.behaviour.sent, world.sent);
}

static void discover(uint32_t servers)
{
    world_discover(&world, servers);
    run_to_the_end();
}

/* Through servers whose addresses end like this. */
static void discover_at(uint8_t first, uint8_t second)
{
    struct node_in in = {.kind = NODE_IN_DISCOVER, .discover = {.count = 2}};
    in.discover.servers[0] = addr_v4((WORLD_SERVER_IP & ~0xffu) | first, WORLD_PORT);
    in.discover.servers[1] = addr_v4((WORLD_SERVER_IP & ~0xffu) | second, WORLD_PORT);
    world_input(&world, in);
    run_to_the_end();
}

/* The longest that a discovery may take where nothing is lost. */
static uint64_t allowed_ns(uint64_t round_trip_ms)
{
    return (1500 + 6 * round_trip_ms) * WORLD_MS;
}

/* What RFC 5780's tests cost behind this NAT, from its parameters alone. */
static uint32_t cost_of(const struct world_nat *nat)
{
    bool eim = nat->mapping == STUN_MAPPING_EIM, eif = nat->filtering == STUN_FILTERING_EIF;
    uint32_t cost = 3 * ANSWERED;          /* a bind for each socket */
    cost += eim ? ANSWERED : 2 * ANSWERED; /* mapping test II, and III */
    cost += eif ? ANSWERED : UNANSWERED;   /* filtering test II */
    cost += nat->filtering != STUN_FILTERING_APDF ? ANSWERED : UNANSWERED; /* and III */
    cost += eif ? 0 : CONTROLS;
    if (eim && !eif)
        cost += ANSWERED; /* the trap */
    if (nat->hairpin == STUN_HAIRPIN_OFF || !(eim || eif))
        cost += 2 * UNANSWERED + CONTROLS;
    else if (eif)
        cost += 2 * ANSWERED;
    else /* the first is refused until the second has gone out: once more, and a control with it */
        cost += 2 * ANSWERED + ANSWERED + 1;
    return cost;
}

static void assert_behaviour(const struct world_nat *nat)
{
    const struct stun_behaviour *b = &world.behaviour;
    bool eim = nat->mapping == STUN_MAPPING_EIM, eif = nat->filtering == STUN_FILTERING_EIF;
    assert_int_equal(b->nat, STUN_NAT_PRESENT);
    assert_int_equal(b->mapping, nat->mapping);
    assert_int_equal(b->filtering, nat->filtering);
    assert_int_equal(b->hairpin, eim || eif ? nat->hairpin : STUN_HAIRPIN_OFF);
    assert_int_equal(b->ports, nat->ports);
    assert_int_equal(b->pooling, nat->pooling);
    assert_int_equal(b->step, nat->ports == STUN_PORTS_SEQUENTIAL ? nat->step : 0);
    enum stun_trap trap = nat->trap ? STUN_TRAP_YES : STUN_TRAP_NO;
    if (eif)
        trap = STUN_TRAP_NO;
    else if (!eim)
        trap = STUN_TRAP_UNKNOWN;
    assert_int_equal(b->trap, trap);
    struct addr server = addr_v4(WORLD_SERVER_IP, WORLD_PORT);
    assert_true(addr_equal(&b->server, &server));
    struct addr local = addr_v4(WORLD_LOCAL_IP, 40007);
    assert_true(addr_equal(&b->local, &local));
    assert_true(addr_equal(&b->mapped, &world.mapping[0].external));
}

/* In a world where nothing is lost and nothing is slow. */
static void assert_behaviour_and_cost(const struct world_nat *nat)
{
    assert_behaviour(nat);
    assert_int_equal(world.behaviour.sent, cost_of(nat));
    assert_true(world.behaviour.duration_ns <= allowed_ns(ROUND_TRIP_MS));
    /* Once bound, a probe keeps to the address that it was bound from. */
    assert_int_equal(world.unpinned, 3 * ANSWERED);
}

static const enum stun_mapping mappings[] = {STUN_MAPPING_EIM, STUN_MAPPING_ADM, STUN_MAPPING_APDM};
static const enum stun_filtering filterings[] = {STUN_FILTERING_EIF, STUN_FILTERING_ADF,
                                                 STUN_FILTERING_APDF};
static const enum stun_hairpin hairpins[] = {STUN_HAIRPIN_OFF, STUN_HAIRPIN_INTERNAL,
                                             STUN_HAIRPIN_EXTERNAL};
static const struct {
    uint8_t ports, pooling;
    int32_t step;
} allotments[] = {
    {STUN_PORTS_PRESERVED, STUN_POOLING_PAIRED, 3},
    {STUN_PORTS_SEQUENTIAL, STUN_POOLING_PAIRED, 1},
    {STUN_PORTS_SEQUENTIAL, STUN_POOLING_PAIRED, 2},
    {STUN_PORTS_SEQUENTIAL, STUN_POOLING_PAIRED, -4},
    {STUN_PORTS_RANDOM, STUN_POOLING_PAIRED, 1},
    {STUN_PORTS_RANDOM, STUN_POOLING_ARBITRARY, 1},
};

static void test_every_class(void **state)
{
    (void)state;
    unsigned cells = 0;
    for (unsigned i = 0; i < 3 * 3 * 3 * 6 * 2; i++) {
        setup(NULL);
        struct world_nat *nat = &world.nat;
        nat->mapping = (uint8_t)mappings[i % 3];
        nat->filtering = (uint8_t)filterings[i / 3 % 3];
        nat->hairpin = (uint8_t)hairpins[i / 9 % 3];
        nat->ports = allotments[i / 27 % 6].ports;
        nat->pooling = allotments[i / 27 % 6].pooling;
        nat->step = allotments[i / 27 % 6].step;
        nat->trap = i / 162 != 0;
        discover(1);
        assert_behaviour_and_cost(nat);
        cells++;
    }
    assert_int_equal(cells, 324);
}

static void test_no_nat(void **state)
{
    (void)state;
    world.nat.none = true;
    world.nat.filtering = STUN_FILTERING_EIF;
    discover(1);
    assert_int_equal(world.behaviour.nat, STUN_NAT_NONE);
    assert_int_equal(world.behaviour.mapping, STUN_MAPPING_EIM);
    assert_int_equal(world.behaviour.filtering, STUN_FILTERING_EIF);
    assert_int_equal(world.behaviour.ports, STUN_PORTS_PRESERVED);
    assert_int_equal(world.behaviour.trap, STUN_TRAP_NO);
    assert_true(addr_equal(&world.behaviour.local, &world.behaviour.mapped));
    assert_int_equal(world.sent, 6); /* there is nothing that could hairpin */
}

/* No translation, but a firewall that filters by address and port. */
static void test_firewall_without_nat(void **state)
{
    (void)state;
    world.nat.none = true;
    world.nat.filtering = STUN_FILTERING_APDF;
    discover(1);
    assert_int_equal(world.behaviour.nat, STUN_NAT_NONE);
    assert_int_equal(world.behaviour.filtering, STUN_FILTERING_APDF);
    assert_int_equal(world.sent, 4 + 2 * UNANSWERED + CONTROLS);
}

/* Without OTHER-ADDRESS only what one address can show is known. */
static void test_server_without_alternate(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        setup(NULL);
        world.paired = false;
        world.nat.mapping = (uint8_t)mappings[i % 3];
        world.nat.filtering = (uint8_t)filterings[i / 3];
        discover(1);
        assert_int_equal(world.behaviour.nat, STUN_NAT_PRESENT);
        assert_int_equal(world.behaviour.mapping, STUN_MAPPING_UNKNOWN);
        assert_int_equal(world.behaviour.filtering, STUN_FILTERING_UNKNOWN);
        assert_int_equal(world.behaviour.ports, STUN_PORTS_PRESERVED);
    }
}

/* A second server stands in for a second address: it tells EIM from the rest, and no more. */
static void test_two_single_servers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9; i++) {
        setup(NULL);
        world.paired = false;
        world.nat.mapping = (uint8_t)mappings[i % 3];
        world.nat.filtering = (uint8_t)filterings[i / 3];
        discover(2);
        bool eim = world.nat.mapping == STUN_MAPPING_EIM;
        assert_int_equal(world.behaviour.mapping, eim ? STUN_MAPPING_EIM : STUN_MAPPING_DEPENDENT);
        assert_int_equal(world.behaviour.filtering, STUN_FILTERING_UNKNOWN);
    }
}

/*
 * The same server twice is no second address, at whatever port: nothing follows from an equal
 * mapping.
 */
static void test_same_server_twice(void **state)
{
    (void)state;
    static const uint16_t ports[] = {WORLD_PORT, WORLD_ALTERNATE_PORT};
    for (unsigned i = 0; i < 6; i++) {
        setup(NULL);
        world.paired = false;
        world.nat.mapping = (uint8_t)mappings[i % 3];
        struct node_in in = {.kind = NODE_IN_DISCOVER, .discover = {.count = 2}};
        in.discover.servers[0] = addr_v4(WORLD_SERVER_IP, WORLD_PORT);
        in.discover.servers[1] = addr_v4(WORLD_SERVER_IP, ports[i / 3]);
        world_input(&world, in);
        world_run(&world);
        assert_int_equal(world.ended, 1);
        assert_int_equal(world.behaviour.mapping, STUN_MAPPING_UNKNOWN);
    }
}

static void test_blocked(void **state)
{
    (void)state;
    world.nat.blocked = true;
    discover(1);
    assert_int_equal(world.behaviour.nat, STUN_NAT_BLOCKED);
    assert_int_equal(world.behaviour.mapping, STUN_MAPPING_UNKNOWN);
    assert_int_equal(world.behaviour.filtering, STUN_FILTERING_UNKNOWN);
    assert_int_equal(world.behaviour.mapped.family, ADDR_NONE);
    assert_int_equal(world.sent, UNANSWERED);
    assert_int_equal(world.behaviour.received, 0);
    assert_true(world.behaviour.duration_ns == 5000 * WORLD_MS);
}

static void test_barred(void **state)
{
    (void)state;
    world.nat.barred = true;
    discover(1);
    assert_int_equal(world.behaviour.nat, STUN_NAT_BLOCKED);
    assert_int_equal(world.sent, 1);
    assert_true(world.behaviour.duration_ns == WORLD_DELAY_MS * WORLD_MS);
}

static void test_socket_refused(void **state)
{
    (void)state;
    for (uint32_t refused = 1; refused <= 3; refused++) {
        setup(NULL);
        world.refuse = refused;
        discover(1);
        assert_int_equal(world.behaviour.nat, STUN_NAT_UNKNOWN);
        assert_int_equal(world.sent, 0);
        assert_int_equal(node_count(world.drive.node, TRACE_DISCOVER_NO_SOCKET), 1);
        /* Nothing is left behind: the next one works. */
        world.refuse = 0;
        world.ended = 0;
        world_discover(&world, 1);
        world_run(&world);
        assert_int_equal(world.ended, 1);
        assert_int_equal(world.behaviour.mapping, STUN_MAPPING_EIM);
    }
}

/* An answer whose addresses are lies must not make the node send where no datagram of it can go. */
static void test_mapped_address_of_another_kind(void **state)
{
    (void)state;
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    const struct addr lies[] = {addr_v6(ip6, 4000), addr_v4(0xffffffff, 9), addr_v4(0xe0000001, 9),
                                addr_v4(0, 9)};
    for (unsigned i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        setup(NULL);
        world.nat.none = true; /* the mapping below is set by hand, and nothing else answers */
        world_discover(&world, 1);
        for (unsigned n = 0; n < 3; n++)
            world_step(&world); /* the three sockets */
        for (unsigned n = 0; n < 3; n++) {
            /* Takes the answer that is on its way, and rewrites what it says. */
            assert_int_equal(world.packets, 1);
            struct stun_message answer;
            struct world_packet *packet = &world.packet[0];
            assert_int_equal(stun_decode(&answer, packet->bytes, packet->size), STUN_OK);
            uint8_t bytes[256];
            struct stun_writer w = stun_begin(bytes, sizeof bytes, STUN_SUCCESS,
                                              STUN_METHOD_BINDING, answer.transaction);
            stun_put_xor_mapped_address(&w, &lies[i]);
            packet->size = (uint32_t)stun_end(&w);
            memcpy(packet->bytes, bytes, packet->size);
            world_step(&world);
        }
        assert_int_equal(world.ended, 1);
        assert_int_equal(world.sent, 3);
        assert_int_equal(world.behaviour.nat, STUN_NAT_PRESENT);
        assert_int_equal(world.behaviour.hairpin, STUN_HAIRPIN_UNKNOWN);
    }
}

/* ---- Loss and delay -------------------------------------------------------------------------- */

static void make_open_nat(void)
{
    setup(NULL);
    world.nat.filtering = STUN_FILTERING_EIF;
    world.nat.hairpin = STUN_HAIRPIN_EXTERNAL;
}

/*
 * A loss costs a retransmission and changes no verdict; in a pair it is accompanied by a control,
 * whose answer comes when nobody waits for it any more.
 */
static void test_each_datagram_lost_once(void **state)
{
    (void)state;
    enum { SINGLE_TESTS = 4, ALL_TESTS = 8 };
    for (uint32_t lost = 1; lost <= 2 * ALL_TESTS; lost++) {
        make_open_nat();
        uint32_t number = (lost + 1) / 2;
        if (lost % 2 == 0)
            line.lose_sent = number;
        else
            line.lose_answer = number;
        discover(1);
        assert_behaviour(&world.nat);
        assert_int_equal(cost_of(&world.nat), ALL_TESTS);
        assert_int_equal(world.behaviour.received, ALL_TESTS);
        assert_int_equal(world.sent, ALL_TESTS + (number <= SINGLE_TESTS ? 1 : 2));
    }
}

/* Whatever the round trip, up to that of a satellite, all is found, and in time. */
static void test_round_trips(void **state)
{
    (void)state;
    static const uint64_t more_ms[] = {0, 30, 79, 80, 81, 180, 280, 380, 580};
    for (unsigned i = 0; i < 9 * 3 * 9; i++) {
        setup(NULL);
        world.nat.mapping = (uint8_t)mappings[i % 3];
        world.nat.filtering = (uint8_t)filterings[i / 3 % 3];
        world.nat.hairpin = (uint8_t)hairpins[i / 9 % 3];
        world.nat.trap = true;
        line.delay_ns = more_ms[i / 27] * WORLD_MS;
        discover(1);
        assert_behaviour(&world.nat);
        assert_true(world.behaviour.duration_ns <= allowed_ns(ROUND_TRIP_MS + more_ms[i / 27]));
    }
}

/* A line that gets slower after the binds, by nearly twice, loses no control. */
static void test_slower_than_the_binds(void **state)
{
    (void)state;
    static const uint64_t more_ms[][2] = {{0, 370}, {100, 270}, {300, 610}, {900, 1800}};
    for (unsigned i = 0; i < 4; i++) {
        setup(NULL);
        world.nat.none = true; /* only the filter's tests */
        line.delay_ns = more_ms[i][0] * WORLD_MS;
        world_discover(&world, 1);
        while (world.sent < 3)
            assert_true(world_step(&world));
        line.delay_ns = more_ms[i][1] * WORLD_MS;
        run_to_the_end();
        assert_int_equal(world.behaviour.filtering, STUN_FILTERING_APDF);
        assert_int_equal(world.behaviour.received, 4 + CONTROLS);
        /* One round, and what the others send again while they wait. */
        assert_true(world.sent <= 4 + 3 + 2 * UNANSWERED + CONTROLS);
    }
}

/* 10 % lost each way, 3000 times: an open filter called another is rarer than one in 10000. */
static void test_independent_loss(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3000; seed++) {
        make_open_nat();
        line.random = seed * UINT64_C(0x9e3779b97f4a7c15);
        line.loss_percent = 10;
        discover(1);
        assert_behaviour(&world.nat);
    }
}

/* The line is dead for a while: at any moment, for as long as up to three seconds. */
static void test_bursts(void **state)
{
    (void)state;
    static const uint64_t lengths_ms[] = {50, 150, 250, 450, 650, 950, 1250, 2000, 3000};
    for (unsigned i = 0; i < 9; i++) {
        for (uint64_t from_ms = 0; from_ms < 1500; from_ms += 10) {
            for (unsigned open = 0; open < 2; open++) {
                setup(NULL);
                if (open)
                    make_open_nat();
                line.dead_from_ns = world.now_ns + from_ms * WORLD_MS;
                line.dead_until_ns = line.dead_from_ns + lengths_ms[i] * WORLD_MS;
                discover(1);
                assert_behaviour(&world.nat);
            }
        }
    }
}

/*
 * Longer than the three fast rounds: it is as sure as with the RFC's schedule, and takes as long.
 */
static void test_long_outage(void **state)
{
    (void)state;
    make_open_nat();
    line.dead_from_ns = 55 * WORLD_MS; /* the third bind's answer is on its way */
    line.dead_until_ns = 3700 * WORLD_MS;
    discover(1);
    assert_behaviour(&world.nat);
    make_open_nat();
    line.dead_from_ns = 65 * WORLD_MS; /* the tests of the filter are */
    line.dead_until_ns = 30000 * WORLD_MS;
    discover(1);
    assert_int_equal(world.behaviour.filtering, STUN_FILTERING_EIF);
    assert_int_equal(world.behaviour.hairpin, STUN_HAIRPIN_EXTERNAL);
    make_open_nat();
    line.dead_from_ns = 45 * WORLD_MS; /* the third bind is never answered */
    line.dead_until_ns = 10000 * WORLD_MS;
    discover(1);
    assert_int_equal(world.behaviour.filtering, STUN_FILTERING_EIF);
    assert_int_equal(world.behaviour.ports, STUN_PORTS_UNKNOWN);
    assert_int_equal(world.behaviour.pooling, STUN_POOLING_UNKNOWN);
    assert_int_equal(world.behaviour.hairpin, STUN_HAIRPIN_UNKNOWN);
    /* Tests that need an answer are given up after five seconds, and then nothing is claimed. */
    assert_int_equal(world.behaviour.mapping, STUN_MAPPING_UNKNOWN);
}

/* Five controls that are answered make a round; with fewer there is another one. */
static void test_controls_confirm_silence(void **state)
{
    (void)state;
    for (uint32_t lost = 0; lost <= CONTROLS; lost++) {
        setup(NULL);
        world.nat.mapping = STUN_MAPPING_EIM;
        line.plain_passing = 3; /* the binds; the hairpin's controls come later than the filter's */
        line.plain_lost = lost;
        world.nat.hairpin = STUN_HAIRPIN_INTERNAL;
        world.nat.none = true; /* so that there are no others */
        discover(1);
        assert_int_equal(world.behaviour.filtering, STUN_FILTERING_APDF);
        uint32_t rounds = CONTROLS - lost >= 5 ? 1 : 2;
        assert_int_equal(world.sent, 4 + rounds * (2 * UNANSWERED + CONTROLS));
        assert_true(world.behaviour.duration_ns == (3 * ROUND_TRIP_MS + rounds * 1000) * WORLD_MS);
        assert_int_equal(world.behaviour.received, 4 + rounds * CONTROLS - lost);
    }
}

/* Without a single control three fast rounds say nothing, and one on the RFC's schedule does. */
static void test_no_controls_at_all(void **state)
{
    (void)state;
    line.plain_passing = 3;
    line.plain_lost = UINT32_MAX;
    discover(1);
    assert_behaviour(&world.nat);
    uint32_t pair = 3 * (2 * UNANSWERED + CONTROLS) + 2 * UNANSWERED;
    assert_int_equal(world.sent, 3 + 1 + 2 * pair + 1);
    assert_true(world.sent <= STUN_DISCOVERY_SENT_MAX);
    uint64_t expected_ms = 3 * ROUND_TRIP_MS + 3 * 1000 + 39500 + ROUND_TRIP_MS;
    assert_true(world.behaviour.duration_ns == expected_ms * WORLD_MS);
}

/* ---- Two servers ----------------------------------------------------------------------------- */

static void assert_server(uint8_t last)
{
    struct addr server = addr_v4((WORLD_SERVER_IP & ~0xffu) | last, WORLD_PORT);
    assert_true(addr_equal(&world.behaviour.server, &server));
}

/* A dead server costs a second, and nothing of what is found. */
static void test_first_server_dead(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 9 * 2; i++) {
        setup(NULL);
        world.nat.mapping = (uint8_t)mappings[i % 3];
        world.nat.filtering = (uint8_t)filterings[i / 3 % 3];
        if (i < 9)
            line.dead_server = 9;
        else
            line.barred_server = 9;
        discover_at(9, 1);
        assert_behaviour(&world.nat);
        assert_server(1);
        assert_true(world.behaviour.duration_ns <= allowed_ns(ROUND_TRIP_MS) + 1000 * WORLD_MS);
    }
}

static void test_second_server_is_not_asked_where_the_first_answers(void **state)
{
    (void)state;
    discover_at(1, 9);
    assert_behaviour_and_cost(&world.nat);
    assert_server(1);
}

static void test_both_servers_dead(void **state)
{
    (void)state;
    world.nat.blocked = true;
    discover(2);
    assert_int_equal(world.behaviour.nat, STUN_NAT_BLOCKED);
    assert_server(1);
    assert_int_equal(world.sent, 2 * UNANSWERED);
    assert_true(world.behaviour.duration_ns == 6000 * WORLD_MS);

    /* The same one twice is one. */
    setup(NULL);
    line.dead_server = 9;
    discover_at(9, 9);
    assert_int_equal(world.behaviour.nat, STUN_NAT_BLOCKED);
    assert_int_equal(world.sent, UNANSWERED);
    assert_true(world.behaviour.duration_ns == 5000 * WORLD_MS);
}

/* An error response says that UDP passes, whichever of the two gives it. */
static void test_a_server_that_fails(void **state)
{
    (void)state;
    line.failing_server = 9;
    line.dead_server = 8;
    discover_at(8, 9);
    assert_int_equal(world.behaviour.nat, STUN_NAT_UNKNOWN);
    setup(NULL);
    line.failing_server = 9;
    line.dead_server = 8;
    discover_at(9, 8);
    assert_int_equal(world.behaviour.nat, STUN_NAT_UNKNOWN);
    setup(NULL);
    line.failing_server = 9;
    discover_at(9, 1);
    assert_behaviour(&world.nat);
    assert_server(1);
}

/* Both are asked, and one answer is enough: which one is first. */
static void test_two_answers_to_the_first_bind(void **state)
{
    (void)state;
    static const uint64_t more_ms[] = {985, 995};
    for (unsigned i = 0; i < 2; i++) {
        setup(NULL);
        line.slow_server = 1;
        line.delay_ns = more_ms[i] * WORLD_MS;
        world.paired = false;
        discover(2);
        assert_int_equal(world.behaviour.nat, STUN_NAT_PRESENT);
        assert_int_equal(world.behaviour.mapping, STUN_MAPPING_EIM);
        assert_server(1);
    }
    setup(NULL);
    line.slow_server = 1;
    line.delay_ns = 1005 * WORLD_MS;
    world.paired = false;
    discover(2);
    assert_int_equal(world.behaviour.nat, STUN_NAT_PRESENT);
    assert_int_equal(world.behaviour.mapping, STUN_MAPPING_EIM);
    assert_server(2);
}

int main(void)
{
    env.crypto = &crypto_real;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_every_class, setup),
        cmocka_unit_test_setup(test_no_nat, setup),
        cmocka_unit_test_setup(test_firewall_without_nat, setup),
        cmocka_unit_test_setup(test_server_without_alternate, setup),
        cmocka_unit_test_setup(test_two_single_servers, setup),
        cmocka_unit_test_setup(test_same_server_twice, setup),
        cmocka_unit_test_setup(test_blocked, setup),
        cmocka_unit_test_setup(test_barred, setup),
        cmocka_unit_test_setup(test_socket_refused, setup),
        cmocka_unit_test_setup(test_mapped_address_of_another_kind, setup),
        cmocka_unit_test_setup(test_each_datagram_lost_once, setup),
        cmocka_unit_test_setup(test_round_trips, setup),
        cmocka_unit_test_setup(test_slower_than_the_binds, setup),
        cmocka_unit_test_setup(test_independent_loss, setup),
        cmocka_unit_test_setup(test_bursts, setup),
        cmocka_unit_test_setup(test_long_outage, setup),
        cmocka_unit_test_setup(test_controls_confirm_silence, setup),
        cmocka_unit_test_setup(test_no_controls_at_all, setup),
        cmocka_unit_test_setup(test_first_server_dead, setup),
        cmocka_unit_test_setup(test_second_server_is_not_asked_where_the_first_answers, setup),
        cmocka_unit_test_setup(test_both_servers_dead, setup),
        cmocka_unit_test_setup(test_a_server_that_fails, setup),
        cmocka_unit_test_setup(test_two_answers_to_the_first_bind, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
