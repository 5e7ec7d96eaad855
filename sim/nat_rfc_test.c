/*
 * The NAT against the requirements of RFC 4787 (1 to 12; 13 and 14 are the router's) and RFC 6888:
 * one test each, by number. Each shows that the compliant NAT complies, and that one
 * configured to violate the requirement is seen to violate it.
 */
#include "sim/nat_test.h"

static const uint8_t seed[RANDOM_SEED_SIZE] = {1, 2, 3};

static struct nat *make(const struct nat_config *config)
{
    return make_seeded(config, seed, "rfc");
}

/* RFC 4787. */

static void test_rfc4787_req_1(void **state)
{
    (void)state;
    for (unsigned mapping = NAT_MAPPING_EIM; mapping <= NAT_MAPPING_APDM; mapping++) {
        struct nat_config config = nat_config_default();
        config.mapping = (uint8_t)mapping;
        config.ports = NAT_PORTS_RANDOM;
        struct nat *nat = make(&config);
        struct addr first = out(nat, 0, host(1, 5000), server(1, 100));
        struct addr port = out(nat, 0, host(1, 5000), server(1, 101));
        struct addr address = out(nat, 0, host(1, 5000), server(2, 100));
        assert_int_equal(addr_equal(&first, &port), mapping != NAT_MAPPING_APDM);
        assert_int_equal(addr_equal(&first, &address), mapping == NAT_MAPPING_EIM);
        nat_destroy(nat);
    }
}

/* How many external addresses one host's 64 mappings have. */
static unsigned addresses_of_one_host(struct nat *nat)
{
    bool met[16] = {false};
    unsigned count = 0;
    for (uint16_t i = 0; i < 64; i++) {
        struct addr mapped = out(nat, 0, host(1, (uint16_t)(5000 + i)), server(1, 100));
        unsigned number = mapped.ip[3] - 1u;
        count += !met[number];
        met[number] = true;
    }
    return count;
}

static void test_rfc4787_req_2(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.pool = 4;
    struct nat *nat = make(&config);
    assert_int_equal(addresses_of_one_host(nat), 1);
    nat_destroy(nat);
    config.pooling = NAT_POOLING_ARBITRARY;
    nat = make(&config);
    assert_true(addresses_of_one_host(nat) > 1);
    nat_destroy(nat);
}

static void test_rfc4787_req_3(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 100));
    struct addr second = out(nat, 0, host(2, 5000), server(2, 100));
    assert_false(addr_equal(&first, &second));
    nat_destroy(nat);
    config.ports = NAT_PORTS_OVERLOADED;
    nat = make(&config);
    first = out(nat, 0, host(1, 5000), server(1, 100));
    second = out(nat, 0, host(2, 5000), server(2, 100));
    assert_true(addr_equal(&first, &second));
    nat_destroy(nat);
}

static void test_rfc4787_req_3a(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    for (unsigned kept = 0; kept < 2; kept++) {
        config.port_classes = kept != 0;
        struct nat *nat = make(&config);
        unsigned low = 0;
        for (uint16_t i = 0; i < 100; i++) {
            low += out(nat, 0, host(1, (uint16_t)(100 + i)), server(1, 100)).port < 1024;
            assert_true(out(nat, 0, host(1, (uint16_t)(1024 + i)), server(1, 100)).port >= 1024);
        }
        assert_int_equal(low, kept ? 100 : 0);
        nat_destroy(nat);
    }
}

static void test_rfc4787_req_4(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    for (unsigned kept = 0; kept < 2; kept++) {
        config.parity = kept != 0;
        struct nat *nat = make(&config);
        unsigned same = 0;
        for (uint16_t port = 5000; port < 5064; port++)
            same += (out(nat, 0, host(1, port), server(1, 100)).port ^ port) % 2 == 0;
        if (kept)
            assert_int_equal(same, 64);
        else
            assert_in_range(same, 8, 56);
        nat_destroy(nat);
    }
}

/* Whether a mapping made at 0 admits its remote's answer after `idle_ns`. */
static bool alive_after(const struct nat_config *config, struct addr remote, uint64_t idle_ns)
{
    struct nat *nat = make(config);
    struct addr mapped = out(nat, 0, host(1, 5000), remote);
    bool alive = in(nat, idle_ns, remote, mapped) == NAT_PASS;
    nat_destroy(nat);
    return alive;
}

static void test_rfc4787_req_5(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    assert_true(alive_after(&config, server(1, 5000), 120 * second_ns));
    config.idle_ns = 119 * second_ns;
    assert_false(alive_after(&config, server(1, 5000), 120 * second_ns));
}

static void test_rfc4787_req_5a(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    assert_true(alive_after(&config, server(1, 53), 299 * second_ns));
    config.well_known_ns = 10 * second_ns;
    assert_true(alive_after(&config, server(1, 53), 10 * second_ns - 1));
    assert_false(alive_after(&config, server(1, 53), 10 * second_ns));
    assert_true(alive_after(&config, server(1, 1024), 299 * second_ns));
}

static void test_rfc4787_req_5b(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    for (uint64_t idle_s = 1; idle_s < 100000; idle_s *= 7) {
        config.idle_ns = idle_s * second_ns;
        assert_true(alive_after(&config, server(1, 5000), config.idle_ns - 1));
        assert_false(alive_after(&config, server(1, 5000), config.idle_ns));
    }
}

static void test_rfc4787_req_5c(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    assert_true(alive_after(&config, server(1, 5000), 300 * second_ns - 1));
    config = nat_preset_config(nat_preset_find("linux-masquerade-drop"));
    assert_false(alive_after(&config, server(1, 5000), 30 * second_ns));
}

/* Whether packets of one direction, a second before the timeout, keep a mapping for ten of them. */
static bool kept_by(const struct nat_config *config, bool outbound)
{
    struct nat *nat = make(config);
    uint64_t now_ns = 0;
    struct addr mapped = out(nat, now_ns, host(1, 5000), server(1, 100));
    bool alive = true;
    for (unsigned i = 0; i < 10; i++) {
        now_ns += config->idle_ns - second_ns;
        alive = alive && nat_mapping_count(nat, now_ns, NULL) == 1;
        if (outbound)
            out(nat, now_ns, host(1, 5000), server(1, 100));
        else
            alive = alive && in(nat, now_ns, server(1, 100), mapped) == NAT_PASS;
    }
    nat_destroy(nat);
    return alive;
}

static void test_rfc4787_req_6(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    assert_true(kept_by(&config, true));
    config.refresh = NAT_REFRESH_OUTBOUND;
    assert_true(kept_by(&config, true));
    config.refresh = NAT_REFRESH_INBOUND;
    assert_false(kept_by(&config, true));
}

static void test_rfc4787_req_6a(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    assert_true(kept_by(&config, false));
    config.refresh = NAT_REFRESH_OUTBOUND;
    assert_false(kept_by(&config, false));
}

/* The same address inside and outside: each direction is translated by itself. */
static void test_rfc4787_req_7(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr inside = server(1, 5000);
    struct nat_packet packet = {
        .protocol = NAT_UDP, .source = inside, .destination = server(1, 5000)};
    assert_int_equal(nat_outbound(nat, 0, &packet), NAT_PASS);
    struct addr mapped = packet.source;
    assert_true(nat_is_external(nat, &mapped));
    packet.source = server(1, 5000);
    packet.destination = mapped;
    assert_int_equal(nat_inbound(nat, 0, &packet), NAT_PASS);
    assert_true(addr_equal(&packet.destination, &inside));
    nat_destroy(nat);
}

static void test_rfc4787_req_8(void **state)
{
    (void)state;
    const enum nat_verdict other_port[3] = {NAT_PASS, NAT_PASS, NAT_DROP_FILTERED};
    const enum nat_verdict other_address[3] = {NAT_PASS, NAT_DROP_FILTERED, NAT_DROP_FILTERED};
    for (unsigned filtering = 0; filtering <= NAT_FILTERING_APDF; filtering++) {
        struct nat_config config = nat_config_default();
        config.filtering = (uint8_t)filtering;
        struct nat *nat = make(&config);
        struct addr mapped = out(nat, 0, host(1, 5000), server(1, 100));
        assert_int_equal(in(nat, 0, server(1, 100), mapped), NAT_PASS);
        assert_int_equal(in(nat, 0, server(1, 101), mapped), other_port[filtering]);
        assert_int_equal(in(nat, 0, server(2, 100), mapped), other_address[filtering]);
        nat_destroy(nat);
    }
}

/* Host 1 calls host 2's external endpoint, which is open to it; the packet as delivered. */
static enum nat_verdict hairpin(uint8_t mode, struct nat_packet *packet, struct addr *caller)
{
    struct nat_config config = nat_config_default();
    config.hairpin = mode;
    struct nat *nat = make(&config);
    *caller = out(nat, 0, host(1, 5000), server(1, 100));
    struct addr called = out(nat, 0, host(2, 6000), server(1, 100));
    *packet =
        (struct nat_packet){.protocol = NAT_UDP, .source = host(1, 5000), .destination = called};
    enum nat_verdict verdict = nat_outbound(nat, 0, packet);
    if (mode != NAT_HAIRPIN_OFF) {
        /* Filtered until the called one has sent the other way, which is filtered no more. */
        assert_int_equal(verdict, NAT_DROP_FILTERED);
        struct nat_packet back = {
            .protocol = NAT_UDP, .source = host(2, 6000), .destination = *caller};
        assert_int_equal(nat_outbound(nat, 0, &back), NAT_HAIRPIN);
        verdict = nat_outbound(nat, 0, packet);
    }
    nat_destroy(nat);
    return verdict;
}

static void test_rfc4787_req_9(void **state)
{
    (void)state;
    struct nat_packet packet;
    struct addr caller;
    struct addr called = host(2, 6000);
    assert_int_equal(hairpin(NAT_HAIRPIN_EXTERNAL, &packet, &caller), NAT_HAIRPIN);
    assert_true(addr_equal(&packet.destination, &called));
    assert_int_equal(hairpin(NAT_HAIRPIN_OFF, &packet, &caller), NAT_DROP_HAIRPIN_OFF);
}

static void test_rfc4787_req_9a(void **state)
{
    (void)state;
    struct nat_packet packet;
    struct addr caller;
    struct addr inside = host(1, 5000);
    hairpin(NAT_HAIRPIN_EXTERNAL, &packet, &caller);
    assert_true(addr_equal(&packet.source, &caller));
    hairpin(NAT_HAIRPIN_INTERNAL, &packet, &caller);
    assert_true(addr_equal(&packet.source, &inside));
}

/* A NAT of addresses and ports sees no payload: nothing in its packet can be an address inside. */
static void test_rfc4787_req_10(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct nat_packet packet = {.protocol = NAT_UDP,
                                .source = host(1, 5060),
                                .destination = server(1, 5060),
                                .quoted_source = host(1, 5060),
                                .quoted_destination = server(1, 5060)};
    struct addr quoted = packet.quoted_source;
    assert_int_equal(nat_outbound(nat, 0, &packet), NAT_PASS);
    assert_true(addr_equal(&packet.quoted_source, &quoted));
    nat_destroy(nat);
}

/* Whether host 2's mapping stays endpoint-independent after host 1 has taken its port. */
static bool eim_under_collision(uint8_t collision)
{
    struct nat_config config = nat_config_default();
    config.collision = collision;
    struct nat *nat = make(&config);
    out(nat, 0, host(1, 5000), server(1, 100));
    struct addr first = out(nat, 0, host(2, 5000), server(1, 100));
    struct addr second = out(nat, 0, host(2, 5000), server(2, 100));
    /* Without a collision it is endpoint-independent in any case. */
    struct addr free_first = out(nat, 0, host(2, 6000), server(1, 100));
    struct addr free_second = out(nat, 0, host(2, 6000), server(2, 100));
    assert_true(addr_equal(&free_first, &free_second));
    nat_destroy(nat);
    return addr_equal(&first, &second);
}

static void test_rfc4787_req_11(void **state)
{
    (void)state;
    assert_true(eim_under_collision(NAT_COLLISION_RANDOM));
    assert_true(eim_under_collision(NAT_COLLISION_NEXT));
    assert_false(eim_under_collision(NAT_COLLISION_SYMMETRIC));
}

static struct nat_packet error_from(struct addr router, struct addr mapped, struct addr remote)
{
    return (struct nat_packet){
        .protocol = NAT_UDP,
        .is_error = true,
        .source = addr_with_port(router, 0),
        .destination = addr_with_port(mapped, 0),
        .quoted_source = mapped,
        .quoted_destination = remote,
    };
}

static void test_rfc4787_req_12(void **state)
{
    (void)state;
    for (unsigned icmp = NAT_ICMP_PASSED; icmp <= NAT_ICMP_TERMINATES; icmp++) {
        struct nat_config config = nat_config_default();
        config.icmp = (uint8_t)icmp;
        struct nat *nat = make(&config);
        struct addr mapped = out(nat, 0, host(1, 5000), server(1, 100));
        struct nat_packet error = error_from(server(1, 0), mapped, server(1, 100));
        nat_inbound(nat, 1, &error);
        assert_int_equal(in(nat, 2, server(1, 100), mapped),
                         icmp == NAT_ICMP_TERMINATES ? NAT_DROP_NO_MAPPING : NAT_PASS);
        nat_destroy(nat);
    }
}

/* An error about our packet is let in from a router that was never sent to. */
static void test_rfc4787_req_12a(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 100));
    struct nat_packet error = error_from(server(77, 0), mapped, server(1, 100));
    assert_int_equal(nat_inbound(nat, 1, &error), NAT_PASS);
    /* One about a packet that was never sent is not. */
    error = error_from(server(77, 0), mapped, server(2, 100));
    assert_int_equal(nat_inbound(nat, 1, &error), NAT_DROP_FILTERED);
    nat_destroy(nat);
}

static void test_rfc4787_req_12b(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr inside = host(1, 5000);
    struct addr inside_ip = host(1, 0);
    struct addr mapped = out(nat, 0, inside, server(1, 100));
    struct nat_packet error = error_from(server(1, 0), mapped, server(1, 100));
    assert_int_equal(nat_inbound(nat, 1, &error), NAT_PASS);
    assert_true(addr_equal(&error.destination, &inside_ip));
    assert_true(addr_equal(&error.quoted_source, &inside));
    nat_destroy(nat);
    config.icmp = NAT_ICMP_EATEN;
    nat = make(&config);
    mapped = out(nat, 0, inside, server(1, 100));
    error = error_from(server(1, 0), mapped, server(1, 100));
    assert_int_equal(nat_inbound(nat, 1, &error), NAT_DROP_ICMP_EATEN);
    nat_destroy(nat);
}

/* RFC 6888. */

/* RFC 5382 and RFC 5508 beside RFC 4787: TCP and ICMP queries are translated, with their timers. */
static void test_rfc6888_req_1(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
    struct nat *nat = make(&config);
    struct addr tcp;
    struct addr icmp;
    assert_int_equal(out_by(nat, 0, NAT_TCP, NAT_TCP_SYN, host(1, 5000), server(1, 80), &tcp),
                     NAT_PASS);
    assert_int_equal(in_by(nat, 0, NAT_TCP, NAT_TCP_SYN, server(1, 80), tcp), NAT_PASS);
    assert_int_equal(out_by(nat, 0, NAT_ICMP, 0, host(1, 77), server(1, 0), &icmp), NAT_PASS);
    assert_int_equal(in_by(nat, 60 * second_ns - 1, NAT_ICMP, 0, server(1, 0), icmp), NAT_PASS);
    assert_int_equal(in_by(nat, 120 * second_ns, NAT_ICMP, 0, server(1, 0), icmp),
                     NAT_DROP_EXPIRED);
    assert_int_equal(in_by(nat, 7440 * second_ns - 1, NAT_TCP, 0, server(1, 80), tcp), NAT_PASS);
    assert_int_equal(in_by(nat, 2ull * 7440 * second_ns, NAT_TCP, 0, server(1, 80), tcp),
                     NAT_DROP_EXPIRED);
    nat_destroy(nat);
}

/* Paired across all protocols. */
static void test_rfc6888_req_2(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
    for (unsigned arbitrary = 0; arbitrary < 2; arbitrary++) {
        config.pooling = arbitrary ? NAT_POOLING_ARBITRARY : NAT_POOLING_PAIRED;
        struct nat *nat = make(&config);
        unsigned differ = 0;
        for (uint8_t i = 1; i < 40; i++) {
            struct addr tcp;
            struct addr icmp;
            struct addr udp = out(nat, 0, host(i, 5000), server(1, 100));
            out_by(nat, 0, NAT_TCP, NAT_TCP_SYN, host(i, 5000), server(1, 80), &tcp);
            out_by(nat, 0, NAT_ICMP, 0, host(i, 77), server(1, 0), &icmp);
            differ += !addr_equal_ip(&udp, &tcp) || !addr_equal_ip(&udp, &icmp);
        }
        assert_int_equal(differ > 0, arbitrary);
        nat_destroy(nat);
    }
}

/* A pool of addresses that have no order and no common prefix. */
static void test_rfc6888_req_3(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
    const struct addr pool[3] = {addr_v4(0xcb007109, 0), addr_v4(0x01020304, 0),
                                 addr_v4(0xc0000201, 0)};
    struct nat *nat = nat_create(&config, pool, 3, seed, "rfc", 3);
    unsigned met = 0;
    for (uint8_t i = 1; i <= 6; i++) {
        struct addr mapped = out(nat, 0, host(i, 5000), server(1, 100));
        for (unsigned j = 0; j < 3; j++)
            met |= addr_equal_ip(&mapped, &pool[j]) ? 1u << j : 0;
    }
    assert_int_equal(met, 7);
    nat_destroy(nat);
}

static void test_rfc6888_req_4(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
    for (uint32_t quota = 0; quota <= 100; quota += 50) { /* REQ-4a: configurable */
        config.quota = quota;
        struct nat *nat = make(&config);
        unsigned made = 0;
        struct addr mapped;
        for (uint16_t i = 0; i < 200; i++)
            made += out_by(nat, 0, NAT_UDP, 0, host(1, (uint16_t)(2000 + i)), server(1, 100),
                           &mapped) == NAT_PASS;
        assert_int_equal(made, quota == 0 ? 200 : quota);
        out(nat, 0, host(2, 2000), server(1, 100)); /* others are not hurt */
        nat_destroy(nat);
    }
}

static void test_rfc6888_req_6(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
    struct nat *nat = make(&config);
    struct addr prefix = server(0, 0);
    struct addr inside = host(1, 5000);
    struct addr mapped = out(nat, 0, inside, server(1, 100));
    assert_false(addr_equal(&mapped, &inside));
    assert_true(nat_exempt(nat, &prefix, 24));
    mapped = out(nat, 0, inside, server(1, 100));
    assert_true(addr_equal(&mapped, &inside));
    assert_int_equal(in(nat, 0, server(1, 100), inside), NAT_PASS);
    mapped = out(nat, 0, inside, addr_v4(0x08080808, 53));
    assert_false(addr_equal(&mapped, &inside));
    nat_destroy(nat);
}

static void test_rfc6888_req_7(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 100));
    assert_int_equal(in(nat, 0, server(9, 999), mapped), NAT_PASS);
    nat_destroy(nat);
    config = nat_preset_config(nat_preset_find("carrier-grade-strict"));
    nat = make(&config);
    mapped = out(nat, 0, host(1, 5000), server(1, 100));
    assert_int_equal(in(nat, 0, server(9, 999), mapped), NAT_DROP_FILTERED);
    nat_destroy(nat);
}

/* Four ports in all: when mappings of them have expired, who gets the ports again, and when. */
static void test_rfc6888_req_8(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    config.parity = false;
    config.port_low = 4000;
    config.port_high = 4003;
    config.block = 1;
    for (unsigned rests = 0; rests < 2; rests++) {
        config.reuse_delay_ns = rests ? 120 * second_ns : 0;
        struct nat *nat = make(&config);
        struct addr mapped;
        for (uint16_t i = 0; i < 4; i++)
            out(nat, 0, host(1, (uint16_t)(5000 + i)), server(1, 100));
        uint64_t gone_ns = config.idle_ns;
        enum nat_verdict expected = rests ? NAT_DROP_NO_PORT : NAT_PASS;
        assert_int_equal(out_by(nat, gone_ns, NAT_UDP, 0, host(2, 5000), server(1, 100), &mapped),
                         expected);
        uint64_t rested_ns = gone_ns + 120 * second_ns;
        assert_int_equal(
            out_by(nat, rested_ns - 1, NAT_UDP, 0, host(3, 5000), server(1, 100), &mapped),
            expected);
        assert_int_equal(out_by(nat, rested_ns, NAT_UDP, 0, host(4, 5000), server(1, 100), &mapped),
                         NAT_PASS);
        nat_destroy(nat);
    }
}

/* Without resources the packet is dropped, and no mapping that exists is harmed. */
static void test_rfc6888_req_11(void **state)
{
    (void)state;
    for (unsigned evicts = 0; evicts < 2; evicts++) {
        struct nat_config config = nat_config_default();
        config.capacity = 10;
        config.eviction = evicts ? NAT_EVICTION_OLDEST : NAT_EVICTION_REFUSE;
        struct nat *nat = make(&config);
        struct addr first = out(nat, 0, host(1, 5000), server(1, 100));
        struct addr mapped;
        for (uint16_t i = 1; i < 10; i++)
            out(nat, i, host(1, (uint16_t)(5000 + i)), server(1, 100));
        assert_int_equal(out_by(nat, 20, NAT_UDP, 0, host(2, 7000), server(1, 100), &mapped),
                         evicts ? NAT_PASS : NAT_DROP_TABLE_FULL);
        assert_int_equal(in(nat, 21, server(1, 100), first) == NAT_PASS, !evicts);
        nat_destroy(nat);
    }
}

/* Ports are hard to guess: no distance between neighbours is common. */
static void test_rfc6888_req_15(void **state)
{
    (void)state;
    for (unsigned sequential = 0; sequential < 2; sequential++) {
        struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
        config.ports = sequential ? NAT_PORTS_SEQUENTIAL : NAT_PORTS_RANDOM;
        struct nat *nat = make(&config);
        unsigned near = 0;
        uint16_t last = 0;
        for (uint16_t i = 0; i < 200; i++) {
            uint16_t port = out(nat, 0, host(1, (uint16_t)(5000 + i)), server(1, 100)).port;
            near += (uint16_t)(port - last) < 16;
            last = port;
        }
        if (sequential)
            assert_true(near >= 198);
        else
            assert_true(near < 10);
        nat_destroy(nat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc4787_req_1),   cmocka_unit_test(test_rfc4787_req_2),
        cmocka_unit_test(test_rfc4787_req_3),   cmocka_unit_test(test_rfc4787_req_3a),
        cmocka_unit_test(test_rfc4787_req_4),   cmocka_unit_test(test_rfc4787_req_5),
        cmocka_unit_test(test_rfc4787_req_5a),  cmocka_unit_test(test_rfc4787_req_5b),
        cmocka_unit_test(test_rfc4787_req_5c),  cmocka_unit_test(test_rfc4787_req_6),
        cmocka_unit_test(test_rfc4787_req_6a),  cmocka_unit_test(test_rfc4787_req_7),
        cmocka_unit_test(test_rfc4787_req_8),   cmocka_unit_test(test_rfc4787_req_9),
        cmocka_unit_test(test_rfc4787_req_9a),  cmocka_unit_test(test_rfc4787_req_10),
        cmocka_unit_test(test_rfc4787_req_11),  cmocka_unit_test(test_rfc4787_req_12),
        cmocka_unit_test(test_rfc4787_req_12a), cmocka_unit_test(test_rfc4787_req_12b),
        cmocka_unit_test(test_rfc6888_req_1),   cmocka_unit_test(test_rfc6888_req_2),
        cmocka_unit_test(test_rfc6888_req_3),   cmocka_unit_test(test_rfc6888_req_4),
        cmocka_unit_test(test_rfc6888_req_6),   cmocka_unit_test(test_rfc6888_req_7),
        cmocka_unit_test(test_rfc6888_req_8),   cmocka_unit_test(test_rfc6888_req_11),
        cmocka_unit_test(test_rfc6888_req_15),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
