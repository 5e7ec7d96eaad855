/*
 * Tests of the oracle: a table of what RFC 4787, RFC 5780 and the rules in oracle.c say by hand,
 * and then the oracle, the simulated network and the core held against each other over every
 * preset, every class, and stacks of two.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "crypto/crypto.h"
#include "sim/nat_preset.h"
#include "sim/net.h"
#include "sim/oracle.h"

#define SECOND UINT64_C(1000000000)

/* ---- By hand --------------------------------------------------------------------------------- */

struct row {
    const char *presets[3]; /* from the client outwards */
    const char *firewall;   /* of the innermost */
    struct stun_behaviour is;
};

#define FOUND(n, m, f, h, p, s, o, t) \
    { \
        .nat = STUN_NAT_##n, .mapping = STUN_MAPPING_##m, .filtering = STUN_FILTERING_##f, \
        .hairpin = STUN_HAIRPIN_##h, .ports = STUN_PORTS_##p, .step = (s), \
        .pooling = STUN_POOLING_##o, .trap = STUN_TRAP_##t \
    }

static const struct row rows[] = {
    {{NULL}, NULL, FOUND(NONE, EIM, EIF, UNKNOWN, PRESERVED, 0, PAIRED, NO)},
    {{NULL}, "stateful", FOUND(NONE, EIM, APDF, UNKNOWN, PRESERVED, 0, PAIRED, NO)},
    {{NULL}, "stateful-adf", FOUND(NONE, EIM, ADF, UNKNOWN, PRESERVED, 0, PAIRED, NO)},
    {{NULL}, "udp-blocked", {.nat = STUN_NAT_BLOCKED}},
    {{NULL}, "dns-and-web", {.nat = STUN_NAT_BLOCKED}},
    {{"full-cone"}, NULL, FOUND(PRESENT, EIM, EIF, EXTERNAL, PRESERVED, 0, PAIRED, NO)},
    {{"full-cone"}, "stateful", FOUND(PRESENT, EIM, APDF, EXTERNAL, PRESERVED, 0, PAIRED, NO)},
    {{"restricted-cone"}, NULL, FOUND(PRESENT, EIM, ADF, EXTERNAL, PRESERVED, 0, PAIRED, NO)},
    {{"port-restricted-cone"}, NULL, FOUND(PRESENT, EIM, APDF, EXTERNAL, PRESERVED, 0, PAIRED, NO)},
    {{"symmetric"}, NULL, FOUND(PRESENT, APDM, APDF, OFF, RANDOM, 0, PAIRED, UNKNOWN)},
    {{"home"}, NULL, FOUND(PRESENT, EIM, APDF, OFF, PRESERVED, 0, PAIRED, NO)},
    {{"linux-masquerade"}, NULL, FOUND(PRESENT, EIM, APDF, OFF, PRESERVED, 0, PAIRED, YES)},
    {{"linux-masquerade-drop"}, NULL, FOUND(PRESENT, EIM, APDF, OFF, PRESERVED, 0, PAIRED, NO)},
    {{"one-to-one"}, NULL, FOUND(PRESENT, EIM, EIF, EXTERNAL, PRESERVED, 0, PAIRED, NO)},
    {{"sequential-symmetric"},
     NULL,
     FOUND(PRESENT, APDM, APDF, OFF, SEQUENTIAL, 1, PAIRED, UNKNOWN)},
    /* Only an endpoint-independent filter lets a symmetric NAT's two sockets hear each other. */
    {{"apdm-eif"}, NULL, FOUND(PRESENT, APDM, EIF, EXTERNAL, RANDOM, 0, PAIRED, NO)},
    {{"apdm-adf"}, NULL, FOUND(PRESENT, APDM, ADF, OFF, RANDOM, 0, PAIRED, UNKNOWN)},
    {{"adm-eif"}, NULL, FOUND(PRESENT, ADM, EIF, EXTERNAL, RANDOM, 0, PAIRED, NO)},
    /* Stacks: strictest mapping and filter; the outermost one's hairpin, where the inner ones let
       it back. */
    {{"home", "carrier-grade"}, NULL, FOUND(PRESENT, EIM, APDF, EXTERNAL, RANDOM, 0, PAIRED, NO)},
    {{"carrier-grade", "home"}, NULL, FOUND(PRESENT, EIM, APDF, OFF, RANDOM, 0, PAIRED, NO)},
    {{"symmetric", "full-cone"}, NULL, FOUND(PRESENT, APDM, APDF, OFF, RANDOM, 0, PAIRED, UNKNOWN)},
    {{"full-cone", "symmetric"}, NULL, FOUND(PRESENT, APDM, APDF, OFF, RANDOM, 0, PAIRED, UNKNOWN)},
    {{"linux-masquerade", "full-cone"},
     NULL,
     FOUND(PRESENT, EIM, APDF, EXTERNAL, PRESERVED, 0, PAIRED, YES)},
    /* The outer filter refuses what would have poisoned the inner NAT. */
    {{"linux-masquerade", "home"}, NULL, FOUND(PRESENT, EIM, APDF, OFF, PRESERVED, 0, PAIRED, NO)},
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct nat_config nats[3];
        struct oracle_layer layers[3] = {{0}};
        uint32_t count = 0;
        while (count < 3 && rows[i].presets[count] != NULL) {
            nats[count] = nat_preset_config(nat_preset_find(rows[i].presets[count]));
            layers[count].nat = &nats[count];
            count++;
        }
        if (rows[i].firewall != NULL) {
            layers[0].firewall = &firewall_preset_find(rows[i].firewall)->config;
            count = count == 0 ? 1 : count;
        }
        struct oracle_finding finding = oracle_discovery(layers, count, ORACLE_SERVER_PAIRED);
        finding.unsure = 0;
        const char *wrong = oracle_mismatch(&finding, &rows[i].is);
        if (wrong != NULL)
            fail_msg("row %zu: %s", i, wrong);
    }
}

static void test_fewer_servers_tell_less(void **state)
{
    (void)state;
    struct nat_config nat = nat_preset_config(nat_preset_find("symmetric"));
    struct oracle_layer layer = {.nat = &nat};
    struct oracle_finding finding = oracle_discovery(&layer, 1, ORACLE_SERVERS_TWO);
    assert_int_equal(finding.is.mapping, STUN_MAPPING_DEPENDENT);
    assert_int_equal(finding.is.filtering, STUN_FILTERING_UNKNOWN);
    finding = oracle_discovery(&layer, 1, ORACLE_SERVER_ONE);
    assert_int_equal(finding.is.mapping, STUN_MAPPING_UNKNOWN);
    assert_int_equal(finding.is.nat, STUN_NAT_PRESENT);
}

static void test_a_mismatch_names_its_field(void **state)
{
    (void)state;
    struct oracle_finding finding = {.is = {.nat = STUN_NAT_PRESENT, .ports = STUN_PORTS_RANDOM}};
    struct stun_behaviour found = finding.is;
    assert_null(oracle_mismatch(&finding, &found));
    found.ports = STUN_PORTS_PRESERVED;
    assert_string_equal(oracle_mismatch(&finding, &found), "ports");
    finding.unsure = ORACLE_PORTS;
    assert_null(oracle_mismatch(&finding, &found));
}

/* ---- Against the network and the core -------------------------------------------------------- */

static void observe(void *context, const struct net_event *event)
{
    struct stun_behaviour *found = context;
    if (event->kind == NET_OUTPUT && event->output->kind == NODE_OUT_BEHAVIOUR)
        *found = event->output->behaviour;
}

/* What the client really finds behind the layers. */
static struct stun_behaviour discover(const struct oracle_layer *layers, uint32_t count)
{
    struct stun_behaviour found = {.nat = 0xff};
    struct net_config config = {.crypto = &crypto_real, .observe = observe, .context = &found};
    net_seed(config.seed, 3);
    struct net *net = net_new(&config);
    uint32_t server = net_add_host(
        net, "server", &(struct net_host){.addresses = 2, .limits = &node_limits_server});
    uint32_t behind = NET_INTERNET;
    static const char *const names[] = {"first", "second", "third"};
    for (uint32_t i = count; i > 0; i--)
        behind = net_add_router(net, names[i - 1],
                                &(struct net_router){.behind = behind,
                                                     .nat = layers[i - 1].nat,
                                                     .firewall = layers[i - 1].firewall,
                                                     .up.latency_ns = 5000000,
                                                     .down.latency_ns = 5000000});
    uint32_t client = net_add_host(
        net, "client", &(struct net_host){.behind = behind, .limits = &node_limits_client});
    net_schedule_serve_stun(net, 0, server);
    net_schedule_discover(net, SECOND, client, ADDR_V4, &server, 1);
    net_run_until(net, 200 * SECOND);
    net_free(net);
    return found;
}

static void compare(const struct oracle_layer *layers, uint32_t count, const char *first,
                    const char *second)
{
    struct oracle_finding finding = oracle_discovery(layers, count, ORACLE_SERVER_PAIRED);
    struct stun_behaviour found = discover(layers, count);
    const char *wrong = oracle_mismatch(&finding, &found);
    if (wrong != NULL)
        fail_msg(
            "%s, %s: %s differs: nat %u/%u mapping %u/%u filtering %u/%u hairpin %u/%u ports %u/%u "
            "step %d/%d "
            "pooling %u/%u trap %u/%u",
            first, second, wrong, finding.is.nat, found.nat, finding.is.mapping, found.mapping,
            finding.is.filtering, found.filtering, finding.is.hairpin, found.hairpin,
            finding.is.ports, found.ports, (int)finding.is.step, (int)found.step,
            finding.is.pooling, found.pooling, finding.is.trap, found.trap);
}

static void test_every_preset_behind_every_firewall(void **state)
{
    (void)state;
    for (size_t i = 0; i < nat_preset_count(); i++) {
        const struct nat_preset *preset = nat_preset_at(i);
        struct nat_config nat = nat_preset_config(preset);
        struct oracle_layer layer = {.nat = preset->is_nat ? &nat : NULL};
        compare(&layer, 1, preset->name, "no firewall");
        for (size_t j = 0; j < firewall_preset_count(); j++) {
            layer.firewall = &firewall_preset_at(j)->config;
            compare(&layer, 1, preset->name, firewall_preset_at(j)->name);
        }
    }
}

static void test_every_preset_behind_every_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < nat_preset_count(); i++) {
        for (size_t j = 0; j < nat_preset_count(); j++) {
            const struct nat_preset *inner = nat_preset_at(i);
            const struct nat_preset *outer = nat_preset_at(j);
            struct nat_config nats[2] = {nat_preset_config(inner), nat_preset_config(outer)};
            struct oracle_layer layers[2] = {{.nat = inner->is_nat ? &nats[0] : NULL},
                                             {.nat = outer->is_nat ? &nats[1] : NULL}};
            compare(layers, 2, inner->name, outer->name);
        }
    }
}

/* Every combination of what decides hairpin, in front of and behind a plain NAT. */
static void test_every_class_scope_and_hairpin(void **state)
{
    (void)state;
    struct nat_config plain = nat_config_default();
    for (unsigned i = 0; i < 3 * 3 * 2 * 3 * 4; i++) {
        struct nat_config nat = nat_config_default();
        nat.mapping = (uint8_t)(i % 3);
        nat.filtering = (uint8_t)(i / 3 % 3);
        nat.scope = (uint8_t)(i / 9 % 2);
        nat.hairpin = (uint8_t)(i / 18 % 3);
        static const uint8_t ports[] = {NAT_PORTS_PRESERVED, NAT_PORTS_OVERLOADED, NAT_PORTS_RANDOM,
                                        NAT_PORTS_SEQUENTIAL};
        nat.ports = ports[i / 54];
        nat.parity = false;
        char name[64];
        (void)snprintf(name, sizeof name, "mapping %u filtering %u scope %u hairpin %u ports %u",
                       nat.mapping, nat.filtering, nat.scope, nat.hairpin, nat.ports);
        struct oracle_layer layers[3] = {{.nat = &plain}, {.nat = &nat}, {.nat = &plain}};
        compare(layers + 1, 1, name, "alone");
        compare(layers, 2, name, "outside");
        compare(layers + 1, 2, name, "inside");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_fewer_servers_tell_less),
        cmocka_unit_test(test_a_mismatch_names_its_field),
        cmocka_unit_test(test_every_preset_behind_every_firewall),
        cmocka_unit_test(test_every_preset_behind_every_other),
        cmocka_unit_test(test_every_class_scope_and_hairpin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
