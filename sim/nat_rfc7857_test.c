/*
 * The NAT against RFC 7857's updates of the requirements: one test each, by section. Each shows
 * that the compliant NAT complies, and that one configured otherwise is seen to differ.
 */
#include "sim/nat_test.h"

static const uint8_t seed[RANDOM_SEED_SIZE] = {1, 2, 3};

static struct nat *make(const struct nat_config *config)
{
    return make_seeded(config, seed, "rfc");
}

/* The open and the closing of a TCP connection have their own, shorter timeout. */
static void test_rfc7857_2(void **state)
{
    (void)state;
    const uint8_t ends[3] = {0, NAT_TCP_FIN, NAT_TCP_RST};
    for (unsigned i = 0; i < 3; i++) {
        struct nat_config config = nat_config_default();
        struct nat *nat = make(&config);
        struct addr mapped;
        out_by(nat, 0, NAT_TCP, NAT_TCP_SYN, host(1, 5000), server(1, 80), &mapped);
        in_by(nat, 1, NAT_TCP, NAT_TCP_SYN, server(1, 80), mapped);
        out_by(nat, 2, NAT_TCP, ends[i], host(1, 5000), server(1, 80), &mapped);
        in_by(nat, 3, NAT_TCP, ends[i] & NAT_TCP_FIN, server(1, 80), mapped);
        enum nat_verdict late = i == 0 ? NAT_PASS : NAT_DROP_EXPIRED;
        assert_int_equal(in_by(nat, 240 * second_ns + 3, NAT_TCP, 0, server(1, 80), mapped), late);
        nat_destroy(nat);
    }
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr mapped;
    out_by(nat, 0, NAT_TCP, NAT_TCP_SYN, host(1, 5000), server(1, 80), &mapped);
    assert_int_equal(in_by(nat, 240 * second_ns, NAT_TCP, 0, server(1, 80), mapped),
                     NAT_DROP_EXPIRED);
    nat_destroy(nat);
}

/* A shared external port only where destinations differ, so that the 5-tuple stays unique. */
static void test_rfc7857_3(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("linux-masquerade-drop"));
    struct nat *nat = make(&config);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 100));
    struct addr shared = out(nat, 0, host(2, 5000), server(2, 100));
    struct addr apart = out(nat, 0, host(2, 5000), server(1, 100));
    assert_true(addr_equal(&first, &shared));
    assert_false(addr_equal(&first, &apart));
    /* Each answer reaches its own host. */
    const struct {
        struct addr from, to, host;
    } answers[3] = {
        {server(1, 100), first, host(1, 5000)},
        {server(2, 100), shared, host(2, 5000)},
        {server(1, 100), apart, host(2, 5000)},
    };
    for (unsigned i = 0; i < 3; i++) {
        struct nat_packet packet = {
            .protocol = NAT_UDP, .source = answers[i].from, .destination = answers[i].to};
        assert_int_equal(nat_inbound(nat, 1, &packet), NAT_PASS);
        assert_true(addr_equal(&packet.destination, &answers[i].host));
    }
    nat_destroy(nat);
}

/* Paired, and the address has no port left: new sessions are dropped; "soft" takes another. */
static void test_rfc7857_4(void **state)
{
    (void)state;
    for (unsigned soft = 0; soft < 2; soft++) {
        struct nat_config config = nat_config_default();
        config.pool = 2;
        config.pooling = soft ? NAT_POOLING_SOFT : NAT_POOLING_PAIRED;
        config.ports = NAT_PORTS_RANDOM;
        config.parity = false;
        config.port_low = 4000;
        config.port_high = 4007;
        config.block = 1;
        struct nat *nat = make(&config);
        struct addr mapped;
        struct addr first = out(nat, 0, host(1, 5000), server(1, 100));
        for (uint16_t i = 1; i < 8; i++) {
            mapped = out(nat, 0, host(1, (uint16_t)(5000 + i)), server(1, 100));
            assert_true(addr_equal_ip(&first, &mapped));
        }
        assert_int_equal(out_by(nat, 0, NAT_UDP, 0, host(1, 6000), server(1, 100), &mapped),
                         soft ? NAT_PASS : NAT_DROP_NO_PORT);
        nat_destroy(nat);
    }
}

/* Mappings of UDP and TCP are separate things. */
static void test_rfc7857_5(void **state)
{
    (void)state;
    for (unsigned shared = 0; shared < 2; shared++) {
        struct nat_config config = nat_config_default();
        config.shared_protocols = shared != 0;
        config.ports = NAT_PORTS_RANDOM;
        struct nat *nat = make(&config);
        struct addr tcp;
        struct addr udp = out(nat, 0, host(1, 5000), server(1, 100));
        out_by(nat, 0, NAT_TCP, NAT_TCP_SYN, host(1, 5000), server(1, 100), &tcp);
        assert_int_equal(addr_equal(&udp, &tcp), shared);
        nat_destroy(nat);
    }
}

/* A UDP mapping admits no TCP, whatever its filter. */
static void test_rfc7857_6(void **state)
{
    (void)state;
    for (unsigned shared = 0; shared < 2; shared++) {
        struct nat_config config = nat_config_default();
        config.shared_protocols = shared != 0;
        config.filtering = NAT_FILTERING_EIF;
        struct nat *nat = make(&config);
        struct addr mapped = out(nat, 0, host(1, 5000), server(1, 100));
        assert_int_equal(in_by(nat, 0, NAT_TCP, NAT_TCP_SYN, server(1, 100), mapped),
                         shared ? NAT_PASS : NAT_DROP_NO_MAPPING);
        nat_destroy(nat);
    }
}

/* An inbound packet that policy refuses does not keep the mapping. */
static void test_rfc7857_7(void **state)
{
    (void)state;
    for (unsigned violates = 0; violates < 2; violates++) {
        struct nat_config config = nat_config_default();
        config.refresh_dropped = violates != 0;
        struct nat *nat = make(&config);
        struct addr mapped = out(nat, 0, host(1, 5000), server(1, 100));
        assert_int_equal(in(nat, 200 * second_ns, server(2, 100), mapped), NAT_DROP_FILTERED);
        assert_int_equal(in(nat, 400 * second_ns, server(2, 100), mapped),
                         violates ? NAT_DROP_FILTERED : NAT_DROP_EXPIRED);
        nat_destroy(nat);
    }
}

/* Outbound ICMP errors and TCP resets keep nothing. */
static void test_rfc7857_7_1(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 100));
    struct nat_packet error = {
        .protocol = NAT_UDP,
        .is_error = true,
        .source = host(1, 0),
        .destination = server(1, 0),
        .quoted_source = server(1, 100),
        .quoted_destination = host(1, 5000),
    };
    assert_int_equal(nat_outbound(nat, 200 * second_ns, &error), NAT_PASS);
    assert_true(addr_equal(&error.quoted_destination, &mapped));
    assert_true(addr_equal_ip(&error.source, &mapped));
    assert_int_equal(in(nat, 300 * second_ns, server(1, 100), mapped), NAT_DROP_EXPIRED);
    nat_destroy(nat);

    const uint8_t flags[2] = {NAT_TCP_RST, 0};
    for (unsigned i = 0; i < 2; i++) {
        nat = make(&config);
        out_by(nat, 0, NAT_TCP, NAT_TCP_SYN, host(1, 5000), server(1, 80), &mapped);
        out_by(nat, 200 * second_ns, NAT_TCP, flags[i], host(1, 5000), server(1, 80), &mapped);
        assert_int_equal(in_by(nat, 300 * second_ns, NAT_TCP, 0, server(1, 80), mapped),
                         i == 0 ? NAT_DROP_EXPIRED : NAT_PASS);
        nat_destroy(nat);
    }
}

/* Parity may be switched off: test_rfc4787_req_4 shows both; a preset of each kind exists. */
static void test_rfc7857_8(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("carrier-grade"));
    assert_false(config.parity);
    config = nat_preset_config(nat_preset_find("full-cone"));
    assert_true(config.parity);
}

/* A port that cannot be kept is drawn at random, not the next one. */
static void test_rfc7857_9(void **state)
{
    (void)state;
    for (unsigned next = 0; next < 2; next++) {
        struct nat_config config = nat_config_default();
        config.collision = next ? NAT_COLLISION_NEXT : NAT_COLLISION_RANDOM;
        struct nat *nat = make(&config);
        unsigned near = 0;
        for (uint16_t i = 0; i < 50; i++) {
            uint16_t port = (uint16_t)(5000 + 100 * i);
            out(nat, 0, host(1, port), server(1, 100));
            uint16_t moved = out(nat, 0, host(2, port), server(1, 100)).port;
            near += moved > port && moved - port <= 2;
        }
        assert_int_equal(near == 50, next);
        assert_true(next || near < 5);
        nat_destroy(nat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc7857_2),   cmocka_unit_test(test_rfc7857_3),
        cmocka_unit_test(test_rfc7857_4),   cmocka_unit_test(test_rfc7857_5),
        cmocka_unit_test(test_rfc7857_6),   cmocka_unit_test(test_rfc7857_7),
        cmocka_unit_test(test_rfc7857_7_1), cmocka_unit_test(test_rfc7857_8),
        cmocka_unit_test(test_rfc7857_9),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
