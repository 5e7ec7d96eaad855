/* Firewalls: who is admitted, for how long, and what rules decide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/firewall.h"

/* 10.0.0.1, 198.51.100.1 and .2 */
static const uint32_t host = 0x0a000001;
static const uint32_t server = 0xc6336401;
static const uint32_t stranger = 0xc6336402;

static const uint64_t second_ns = 1000000000;

static struct nat_packet packet_of(uint8_t protocol, struct addr source, struct addr destination)
{
    return (struct nat_packet){.protocol = protocol, .source = source, .destination = destination};
}

static enum firewall_verdict out_at(struct firewall *firewall, uint64_t now_ns, uint8_t protocol,
                                    struct addr from, struct addr to)
{
    struct nat_packet packet = packet_of(protocol, from, to);
    return firewall_outbound(firewall, now_ns, &packet);
}

static enum firewall_verdict in_at(struct firewall *firewall, uint64_t now_ns, uint8_t protocol,
                                   struct addr from, struct addr to)
{
    struct nat_packet packet = packet_of(protocol, from, to);
    return firewall_inbound(firewall, now_ns, &packet);
}

static struct firewall *preset(const char *name)
{
    const struct firewall_preset *found = firewall_preset_find(name);
    assert_non_null(found);
    assert_null(firewall_config_problem(&found->config));
    struct firewall *firewall = firewall_create(&found->config, 99);
    assert_non_null(firewall);
    return firewall;
}

static void test_stateful_filtering(void **state)
{
    (void)state;
    const struct {
        const char *name;
        enum firewall_verdict same, other_port, other_address;
    } cases[] = {
        {"stateful", FIREWALL_PASS, FIREWALL_DROP_UNSOLICITED, FIREWALL_DROP_UNSOLICITED},
        {"stateful-adf", FIREWALL_PASS, FIREWALL_PASS, FIREWALL_DROP_UNSOLICITED},
        {"stateful-eif", FIREWALL_PASS, FIREWALL_PASS, FIREWALL_PASS},
    };
    const uint8_t inside_ip[16] = {0xfd, 1};
    const uint8_t remote_ip[16] = {0x20, 1};
    const uint8_t other_ip[16] = {0x20, 2};
    const struct addr insides[2] = {addr_v4(host, 5000), addr_v6(inside_ip, 5000)};
    const struct addr remotes[2] = {addr_v4(server, 6000), addr_v6(remote_ip, 6000)};
    const struct addr others[2] = {addr_v4(stranger, 6000), addr_v6(other_ip, 6000)};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t family = 0; family < 2; family++) {
            struct firewall *firewall = preset(cases[i].name);
            struct addr inside = insides[family];
            struct addr remote = remotes[family];
            assert_int_equal(in_at(firewall, 0, NAT_UDP, remote, inside),
                             FIREWALL_DROP_UNSOLICITED);
            assert_int_equal(out_at(firewall, 1, NAT_UDP, inside, remote), FIREWALL_PASS);
            assert_int_equal(in_at(firewall, 2, NAT_UDP, remote, inside), cases[i].same);
            assert_int_equal(in_at(firewall, 3, NAT_UDP, addr_with_port(remote, 6001), inside),
                             cases[i].other_port);
            assert_int_equal(in_at(firewall, 4, NAT_UDP, others[family], inside),
                             cases[i].other_address);
            /* Neither another inside port nor another protocol was opened. */
            assert_int_equal(in_at(firewall, 5, NAT_UDP, remote, addr_with_port(inside, 5001)),
                             FIREWALL_DROP_UNSOLICITED);
            assert_int_equal(in_at(firewall, 6, NAT_TCP, remote, inside),
                             FIREWALL_DROP_UNSOLICITED);
            firewall_flush(firewall);
            assert_int_equal(in_at(firewall, 7, NAT_UDP, remote, inside),
                             FIREWALL_DROP_UNSOLICITED);
            firewall_destroy(firewall);
        }
    }
}

static void test_idle_timeouts(void **state)
{
    (void)state;
    struct addr inside = addr_v4(host, 5000);
    struct addr remote = addr_v4(server, 6000);
    const struct {
        uint8_t protocol;
        uint64_t idle_ns;
    } cases[] = {{NAT_UDP, 300 * second_ns}, {NAT_TCP, 7440 * second_ns}};
    for (size_t i = 0; i < 2; i++) {
        struct firewall *firewall = preset("stateful");
        uint8_t protocol = cases[i].protocol;
        uint64_t now_ns = 0;
        out_at(firewall, now_ns, protocol, inside, remote);
        now_ns += cases[i].idle_ns - 1;
        assert_int_equal(in_at(firewall, now_ns, protocol, remote, inside), FIREWALL_PASS);
        now_ns += cases[i].idle_ns - 1; /* what came in has restarted the timer */
        assert_int_equal(in_at(firewall, now_ns, protocol, remote, inside), FIREWALL_PASS);
        now_ns += cases[i].idle_ns;
        assert_int_equal(in_at(firewall, now_ns, protocol, remote, inside),
                         FIREWALL_DROP_UNSOLICITED);
        firewall_destroy(firewall);
    }
}

static void test_full_table(void **state)
{
    (void)state;
    struct firewall_config config = firewall_config_default();
    config.capacity = 3;
    struct firewall *firewall = firewall_create(&config, 1);
    for (uint16_t port = 1; port <= 3; port++)
        assert_int_equal(out_at(firewall, port, NAT_UDP, addr_v4(host, port), addr_v4(server, 9)),
                         FIREWALL_PASS);
    assert_int_equal(out_at(firewall, 4, NAT_UDP, addr_v4(host, 4), addr_v4(server, 9)),
                     FIREWALL_DROP_FULL);
    assert_int_equal(out_at(firewall, 5, NAT_UDP, addr_v4(host, 2), addr_v4(server, 9)),
                     FIREWALL_PASS);
    /* The first and third have gone, the second was used later. */
    uint64_t later_ns = 300 * second_ns + 3;
    assert_int_equal(in_at(firewall, later_ns, NAT_UDP, addr_v4(server, 9), addr_v4(host, 2)),
                     FIREWALL_PASS);
    assert_int_equal(in_at(firewall, later_ns, NAT_UDP, addr_v4(server, 9), addr_v4(host, 3)),
                     FIREWALL_DROP_UNSOLICITED);
    assert_int_equal(out_at(firewall, later_ns, NAT_UDP, addr_v4(host, 4), addr_v4(server, 9)),
                     FIREWALL_PASS);
    assert_int_equal(firewall_count(firewall, FIREWALL_DROP_FULL), 1);
    firewall_destroy(firewall);
}

static void test_rule_presets(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint8_t protocol;
        uint16_t port;
        enum firewall_verdict outbound, inbound;
    } cases[] = {
        {"udp-blocked", NAT_UDP, 6000, FIREWALL_DROP_RULE, FIREWALL_DROP_RULE},
        {"udp-blocked", NAT_UDP, 53, FIREWALL_DROP_RULE, FIREWALL_DROP_RULE},
        {"udp-blocked", NAT_TCP, 6000, FIREWALL_PASS, FIREWALL_PASS},
        {"udp-blocked", NAT_ICMP, 0, FIREWALL_PASS, FIREWALL_PASS},
        {"tcp-443-only", NAT_TCP, 443, FIREWALL_PASS, FIREWALL_PASS},
        {"tcp-443-only", NAT_TCP, 444, FIREWALL_DROP_RULE, FIREWALL_DROP_RULE},
        {"tcp-443-only", NAT_UDP, 443, FIREWALL_DROP_RULE, FIREWALL_DROP_RULE},
        {"tcp-443-only", NAT_ICMP, 0, FIREWALL_DROP_RULE, FIREWALL_DROP_RULE},
        {"dns-and-web", NAT_UDP, 53, FIREWALL_PASS, FIREWALL_PASS},
        {"dns-and-web", NAT_UDP, 3478, FIREWALL_DROP_RULE, FIREWALL_DROP_UNSOLICITED},
        {"dns-and-web", NAT_TCP, 80, FIREWALL_PASS, FIREWALL_PASS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct firewall *firewall = preset(cases[i].name);
        struct addr inside = addr_v4(host, 5000);
        struct addr remote = addr_v4(server, cases[i].port);
        assert_int_equal(out_at(firewall, 0, cases[i].protocol, inside, remote), cases[i].outbound);
        assert_int_equal(in_at(firewall, 0, cases[i].protocol, remote, inside), cases[i].inbound);
        firewall_destroy(firewall);
    }
}

/* First match decides; inside and remote ports, and directions, are told apart. */
static void test_rule_order(void **state)
{
    (void)state;
    struct firewall_config config = firewall_config_default();
    config.rule_count = 3;
    config.rules[0] = (struct firewall_rule){.direction = FIREWALL_INBOUND,
                                             .protocol = NAT_TCP,
                                             .inside_port = true,
                                             .allow = true,
                                             .port_low = 22,
                                             .port_high = 22};
    config.rules[1] = (struct firewall_rule){.direction = FIREWALL_INBOUND,
                                             .protocol = NAT_TCP,
                                             .inside_port = true,
                                             .port_low = 1,
                                             .port_high = 1023};
    config.rules[2] = (struct firewall_rule){
        .direction = FIREWALL_OUTBOUND, .protocol = NAT_TCP, .port_low = 25, .port_high = 25};
    struct firewall *firewall = firewall_create(&config, 5);
    struct addr remote = addr_v4(server, 22);
    assert_int_equal(in_at(firewall, 0, NAT_TCP, remote, addr_v4(host, 22)), FIREWALL_PASS);
    assert_int_equal(in_at(firewall, 0, NAT_UDP, remote, addr_v4(host, 22)),
                     FIREWALL_DROP_UNSOLICITED);
    assert_int_equal(in_at(firewall, 0, NAT_TCP, remote, addr_v4(host, 23)), FIREWALL_DROP_RULE);
    assert_int_equal(in_at(firewall, 0, NAT_TCP, remote, addr_v4(host, 1024)),
                     FIREWALL_DROP_UNSOLICITED);
    assert_int_equal(out_at(firewall, 0, NAT_TCP, addr_v4(host, 25), addr_v4(server, 26)),
                     FIREWALL_PASS);
    assert_int_equal(out_at(firewall, 0, NAT_TCP, addr_v4(host, 26), addr_v4(server, 25)),
                     FIREWALL_DROP_RULE);
    assert_int_equal(firewall_count(firewall, FIREWALL_DROP_RULE), 2);
    firewall_destroy(firewall);
}

static void test_icmp_errors(void **state)
{
    (void)state;
    struct firewall *firewall = preset("stateful");
    struct nat_packet error = {
        .protocol = NAT_UDP,
        .is_error = true,
        .source = addr_v4(stranger, 0),
        .destination = addr_v4(host, 0),
        .quoted_source = addr_v4(host, 5000),
        .quoted_destination = addr_v4(server, 6000),
    };
    assert_int_equal(firewall_inbound(firewall, 0, &error), FIREWALL_DROP_UNSOLICITED);
    out_at(firewall, 0, NAT_UDP, addr_v4(host, 5000), addr_v4(server, 6000));
    assert_int_equal(firewall_inbound(firewall, 0, &error), FIREWALL_PASS);
    /* It prolongs nothing. */
    assert_int_equal(firewall_inbound(firewall, 299 * second_ns, &error), FIREWALL_PASS);
    assert_int_equal(firewall_inbound(firewall, 300 * second_ns, &error),
                     FIREWALL_DROP_UNSOLICITED);
    firewall_destroy(firewall);
}

static void test_problems(void **state)
{
    (void)state;
    struct firewall_config config = firewall_config_default();
    assert_null(firewall_config_problem(&config));
    config.capacity = 0;
    assert_non_null(firewall_config_problem(&config));
    config = firewall_config_default();
    config.idle_ns = 0;
    assert_non_null(firewall_config_problem(&config));
    config = firewall_config_default();
    config.filtering = 3;
    assert_non_null(firewall_config_problem(&config));
    config = firewall_config_default();
    config.rule_count = FIREWALL_RULES_MAX + 1;
    assert_non_null(firewall_config_problem(&config));
    config.rule_count = 1;
    config.rules[0].port_low = 2;
    config.rules[0].port_high = 1;
    assert_non_null(firewall_config_problem(&config));
    assert_null(firewall_preset_find("nonesuch"));
    for (unsigned i = 0; i < FIREWALL_VERDICT_COUNT; i++)
        assert_non_null(firewall_verdict_name(i));
}

/* What an error leaves behind, what protocols share, and port rules for packets without ports. */
static void test_protocols_apart(void **state)
{
    (void)state;
    struct firewall_config config = firewall_config_default();
    config.capacity = 1;
    struct firewall *firewall = firewall_create(&config, 7);
    struct addr inside = addr_v4(0x0a000001, 5000);
    struct addr remote = addr_v4(0xc6336401, 80);
    struct nat_packet packet = {
        .protocol = NAT_UDP, .is_error = true, .source = remote, .destination = inside};
    assert_int_equal(firewall_outbound(firewall, 0, &packet), FIREWALL_PASS);
    packet = (struct nat_packet){.protocol = NAT_UDP, .source = inside, .destination = remote};
    assert_int_equal(firewall_outbound(firewall, 0, &packet), FIREWALL_PASS);
    packet = (struct nat_packet){.protocol = NAT_UDP, .source = remote, .destination = inside};
    assert_int_equal(firewall_inbound(firewall, 1, &packet), FIREWALL_PASS);
    packet.protocol = NAT_TCP;
    assert_int_equal(firewall_inbound(firewall, 1, &packet), FIREWALL_DROP_UNSOLICITED);
    firewall_destroy(firewall);

    config = (struct firewall_config){.capacity = 1, .idle_ns = 1, .tcp_idle_ns = 1};
    config.rule_count = 1;
    config.rules[0] = (struct firewall_rule){.allow = true, .port_low = 0, .port_high = 100};
    config.rules[0].direction = FIREWALL_EITHER;
    firewall = firewall_create(&config, 7);
    packet = (struct nat_packet){
        .protocol = NAT_ICMP, .source = inside, .destination = addr_with_port(remote, 0)};
    assert_int_equal(firewall_outbound(firewall, 0, &packet), FIREWALL_DROP_RULE);
    packet.protocol = NAT_UDP;
    assert_int_equal(firewall_outbound(firewall, 0, &packet), FIREWALL_PASS);
    firewall_destroy(firewall);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stateful_filtering), cmocka_unit_test(test_idle_timeouts),
        cmocka_unit_test(test_full_table),         cmocka_unit_test(test_rule_presets),
        cmocka_unit_test(test_rule_order),         cmocka_unit_test(test_icmp_errors),
        cmocka_unit_test(test_problems),           cmocka_unit_test(test_protocols_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
