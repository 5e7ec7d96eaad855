/* Tests of core/stun/discovery.c and verdict.c through a whole node: RFC 5780, section 4. */
#include "core/node_test.h"

#include "crypto/crypto.h"

static struct world world;
static _Alignas(16) uint8_t block[WORLD_BLOCK];
static struct node_env env;

static int setup(void **state)
{
    (void)state;
    world_init(&world, block, &env);
    return 0;
}

static void discover(uint32_t servers)
{
    world_discover(&world, servers);
    world_run(&world);
    assert_int_equal(world.ended, 1);
    assert_int_equal(world.open_now, 0);
    assert_true(node_deadline(world.drive.node) == NODE_NEVER);
    assert_int_equal(world.behaviour.sent, world.sent);
    assert_true(world.behaviour.duration_ns <= 120000 * WORLD_MS);
}

/* A request that is answered costs one datagram, and one that is not costs seven (RFC 8489, Rc). */
enum { ANSWERED = 1, UNANSWERED = 7 };

/* What RFC 5780's tests cost behind this NAT, from its parameters alone. */
static uint32_t cost_of(const struct world_nat *nat)
{
    bool eim = nat->mapping == STUN_MAPPING_EIM, eif = nat->filtering == STUN_FILTERING_EIF;
    uint32_t cost = 3 * ANSWERED;          /* a bind for each socket */
    cost += eim ? ANSWERED : 2 * ANSWERED; /* mapping test II, and III */
    cost += eif ? ANSWERED : UNANSWERED;   /* filtering test II */
    cost += nat->filtering != STUN_FILTERING_APDF ? ANSWERED : UNANSWERED; /* and III */
    if (eim && !eif)
        cost += ANSWERED; /* the trap */
    if (nat->hairpin == STUN_HAIRPIN_OFF || !(eim || eif))
        cost += 2 * UNANSWERED;
    else if (eif)
        cost += 2 * ANSWERED;
    else
        cost += 2 * ANSWERED + ANSWERED; /* the first is refused until the second has gone out */
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
    assert_int_equal(b->sent, cost_of(nat));
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
        assert_behaviour(nat);
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
    assert_int_equal(world.sent, 4 + 2 * UNANSWERED);
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
    assert_true(world.behaviour.duration_ns == 39500 * WORLD_MS);
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

/* A loss costs a retransmission and changes no verdict. */
static void test_each_datagram_lost_once(void **state)
{
    (void)state;
    for (uint32_t lost = 1; lost <= 6; lost++) {
        setup(NULL);
        world.nat.filtering = STUN_FILTERING_EIF;
        world.nat.hairpin = STUN_HAIRPIN_EXTERNAL;
        world_discover(&world, 1);
        uint32_t seen = 0;
        bool dropped = false;
        do {
            if (!dropped && world.packets > 0 && world.sent > seen && ++seen == lost) {
                world.packets--;
                dropped = true;
            }
        } while (world_step(&world));
        assert_true(dropped);
        assert_int_equal(world.ended, 1);
        assert_int_equal(world.behaviour.mapping, STUN_MAPPING_EIM);
        assert_int_equal(world.behaviour.filtering, STUN_FILTERING_EIF);
        assert_int_equal(world.behaviour.hairpin, STUN_HAIRPIN_EXTERNAL);
        assert_int_equal(world.behaviour.sent, cost_of(&world.nat) + 1);
        assert_int_equal(world.behaviour.received + 1, world.behaviour.sent);
    }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
