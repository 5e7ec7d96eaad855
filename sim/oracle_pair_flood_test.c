/*
 * The oracle of pairs in cases by hand, and against two real NATs between clients that flood, whose
 * times must be the same to the nanosecond. The search's tables are in oracle_pair_test.c.
 */
#include "sim/oracle_pair_test.h"

/* Delays of nat-facts: caller and home, callee and home, the two directly, in milliseconds. */
static const uint64_t triples[4][3] = {{20, 30, 35}, {50, 50, 10}, {10, 80, 75}, {5, 5, 2}};

/* ---- By hand --------------------------------------------------------------------------------- */

/* Presets of NATs, or of a firewall after a plus sign, from the client outwards. */
struct by_hand {
    const char *layers[2][3];
    uint32_t shared;
    bool same_lan;
    uint8_t hairpin; /* of the outermost NAT in common, when shared */
    const char *verdict, *direct, *relayed;
    uint64_t direct_ms; /* with 20, 30 and 35 ms; 0: never */
};

static const struct by_hand cases[] = {
    {{{NULL}, {NULL}}, 0, false, 0, "direct", "public", "", 120},
    {{{"home"}, {NULL}}, 0, false, 0, "direct", "public", "", 120},
    {{{"home"}, {"home"}}, 0, false, 0, "direct", "punched", "", 120},
    {{{"one-to-one"}, {"symmetric"}}, 0, false, 0, "direct", "punched", "", 155},
    {{{"symmetric"}, {NULL}}, 0, false, 0, "direct", "public", "", 145},
    {{{"home"}, {"symmetric"}}, 0, false, 0, "relayed", "punched", "apdm-against-apdf", 0},
    {{{"symmetric"}, {"symmetric"}}, 0, false, 0, "relayed", "punched", "apdm-against-apdf", 0},
    {{{"restricted-cone"}, {"symmetric"}}, 0, false, 0, "direct", "punched", "", 155},
    {{{"adm-adf"}, {"adm-adf"}}, 0, false, 0, "relayed", "punched", "adm-against-adf", 0},
    {{{"adm-adf"}, {"apdm-adf"}}, 0, false, 0, "relayed", "punched", "apdm-against-adf", 0},
    {{{"adm-apdf"}, {"apdm-eif"}}, 0, false, 0, "relayed", "punched", "apdm-against-apdf", 0},
    {{{"adm-eif"}, {"apdm-apdf"}}, 0, false, 0, "relayed", "punched", "adm-against-apdf", 0},
    /* A carrier's NAT over a home's: the strictest of both. */
    {{{"home", "carrier-grade"}, {"symmetric"}},
     0,
     false,
     0,
     "relayed",
     "punched",
     "apdm-against-apdf",
     0},
    {{{"home", "carrier-grade-strict"}, {"full-cone"}}, 0, false, 0, "direct", "punched", "", 145},
    {{{"home", "carrier-grade"}, {"home", "carrier-grade"}},
     0,
     false,
     0,
     "direct",
     "punched",
     "",
     120},
    /* Firewalls. */
    {{{"+stateful"}, {"+stateful"}}, 0, false, 0, "direct", "punched", "", 120},
    {{{"+stateful"}, {"symmetric"}}, 0, false, 0, "relayed", "punched", "apdm-against-apdf", 0},
    {{{"+stateful-adf"}, {"symmetric"}}, 0, false, 0, "direct", "punched", "", 155},
    {{{"+stateful-eif"}, {"symmetric"}}, 0, false, 0, "direct", "public", "", 155},
    {{{"+udp-blocked"}, {NULL}}, 0, false, 0, "unreachable", "", "udp-blocked", 0},
    {{{"home"}, {"home", "+udp-blocked"}}, 0, false, 0, "unreachable", "", "udp-blocked", 0},
    {{{"+tcp-443-only"}, {"home"}}, 0, false, 0, "unreachable", "", "udp-blocked", 0},
    /* One NAT in front of both. */
    {{{"home"}, {"home"}}, 1, false, NAT_HAIRPIN_OFF, "relayed", "hairpin", "no-hairpin", 0},
    {{{"home"}, {"home"}}, 1, false, NAT_HAIRPIN_INTERNAL, "direct", "hairpin", "", 120},
    {{{"home"}, {"home"}}, 1, false, NAT_HAIRPIN_EXTERNAL, "direct", "hairpin", "", 120},
    {{{"apdm-eif"}, {"apdm-eif"}}, 1, false, NAT_HAIRPIN_INTERNAL, "direct", "hairpin", "", 120},
    {{{"symmetric"}, {"symmetric"}},
     1,
     false,
     NAT_HAIRPIN_EXTERNAL,
     "relayed",
     "hairpin",
     "apdm-against-apdf",
     0},
    {{{"symmetric"}, {"symmetric"}},
     1,
     false,
     NAT_HAIRPIN_OFF,
     "relayed",
     "hairpin",
     "apdm-against-apdf",
     0},
    {{{"home", "carrier-grade"}, {"home", "carrier-grade"}},
     1,
     false,
     NAT_HAIRPIN_OFF,
     "relayed",
     "hairpin",
     "no-hairpin",
     0},
    {{{"home", "carrier-grade"}, {"home", "carrier-grade"}},
     1,
     false,
     NAT_HAIRPIN_EXTERNAL,
     "direct",
     "hairpin",
     "",
     120},
    {{{"home", "carrier-grade"}, {"home", "carrier-grade"}},
     1,
     false,
     NAT_HAIRPIN_INTERNAL,
     "relayed",
     "hairpin",
     "no-hairpin",
     0},
    {{{"home", "carrier-grade"}, {"home", "carrier-grade"}},
     2,
     false,
     NAT_HAIRPIN_INTERNAL,
     "relayed",
     "hairpin",
     "no-hairpin",
     0},
    /* One router in front of both that does not translate: its firewall is not passed. */
    {{{"+stateful"}, {"+stateful"}}, 1, false, NAT_HAIRPIN_OFF, "direct", "punched", "", 120},
    /* One LAN, whatever is in front of it. */
    {{{"symmetric"}, {"symmetric"}}, 1, true, NAT_HAIRPIN_OFF, "direct", "same-lan", "", 120},
    {{{"+udp-blocked"}, {"+udp-blocked"}}, 1, true, 0, "unreachable", "", "udp-blocked", 0},
    /* The trap. */
    {{{"linux-masquerade"}, {NULL}}, 0, false, 0, "direct", "public", "", 120},
    {{{"linux-masquerade"}, {"restricted-cone"}}, 0, false, 0, "direct", "punched", "", 120},
    {{{"linux-masquerade"}, {"home"}}, 0, false, 0, "order", "punched", "trap", 120},
    {{{"linux-masquerade"}, {"linux-masquerade"}}, 0, false, 0, "order", "punched", "trap", 120},
    {{{"linux-masquerade"}, {"+stateful"}}, 0, false, 0, "order", "punched", "trap", 120},
    {{{"linux-masquerade"}, {"symmetric"}},
     0,
     false,
     0,
     "relayed",
     "punched",
     "apdm-against-apdf",
     0},
    {{{"linux-masquerade"}, {"apdm-eif"}}, 0, false, 0, "relayed", "punched", "apdm-against-apdf", 0},
    {{{"linux-masquerade"}, {"linux-masquerade-drop"}}, 0, false, 0, "order", "punched", "trap", 120},
    {{{"linux-masquerade-drop"}, {"home"}}, 0, false, 0, "direct", "punched", "", 120},
    /* What a filter further out drops cannot spring it; what a wide open one passes can. */
    {{{"linux-masquerade", "home"}, {"home"}}, 0, false, 0, "direct", "punched", "", 120},
    {{{"linux-masquerade", "carrier-grade"}, {"home"}}, 0, false, 0, "order", "punched", "trap", 120},
};

/* Layers of one case; the outermost `shared` NATs have the hairpin of the case. */
static uint32_t layers_by_hand(const struct by_hand *one, uint32_t side, struct nat_config *configs,
                               struct oracle_layer *layers)
{
    uint32_t count = 0;
    while (count < 3 && one->layers[side][count] != NULL)
        count++;
    for (uint32_t i = 0; i < count; i++) {
        const char *name = one->layers[side][i];
        layers[i] = (struct oracle_layer){.nat = NULL};
        if (name[0] == '+') {
            const struct firewall_preset *firewall = firewall_preset_find(name + 1);
            assert_non_null(firewall);
            layers[i].firewall = &firewall->config;
            continue;
        }
        const struct nat_preset *preset = nat_preset_find(name);
        assert_non_null(preset);
        configs[i] = nat_preset_config(preset);
        if (i >= count - one->shared)
            configs[i].hairpin = one->hairpin;
        layers[i].nat = &configs[i];
    }
    return count;
}

static void test_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct by_hand *one = &cases[i];
        for (uint32_t turn = 0; turn < 2; turn++) {
            struct nat_config configs[2][3];
            struct oracle_layer layers[2][3];
            uint32_t counts[2];
            for (uint32_t side = 0; side < 2; side++)
                counts[side] = layers_by_hand(one, side ^ turn, configs[side], layers[side]);
            struct oracle_pair pair =
                pair_of(layers[0], counts[0], layers[1], counts[1], triples[0]);
            pair.shared = one->shared;
            pair.same_lan = one->same_lan;
            struct oracle_pair_says says = oracle_pair(&pair);
            print_message("%zu%s: %s %s %s %llu\n", i, turn == 0 ? "" : " turned",
                          oracle_verdict_name(says.verdict), oracle_reason_name(says.direct_reason),
                          oracle_reason_name(says.relayed_reason),
                          (unsigned long long)(says.direct_ns / MS));
            assert_string_equal(oracle_verdict_name(says.verdict), one->verdict);
            assert_string_equal(oracle_reason_name(says.direct_reason), one->direct);
            assert_string_equal(oracle_reason_name(says.relayed_reason), one->relayed);
            /* Who has to learn a port, and when, depends on who calls. */
            if (turn == 0)
                assert_int_equal(says.direct_ns,
                                 one->direct_ms != 0 ? one->direct_ms * MS : ORACLE_NEVER);
        }
    }
}

/* ---- Single NATs ----------------------------------------------------------------------------- */

/* Every pair of classes with every scope and session model on either side. */
static void test_flood_classes(void **state)
{
    (void)state;
    unsigned differences = 0;
    unsigned runs = 0;
    for (uint32_t cell = 0; cell < 81 * 36 * 4; cell++) {
        uint32_t kind = cell / 4 % 36;
        uint32_t classes[2] = {cell / 4 / 36 / 9, cell / 4 / 36 % 9};
        struct nat_config configs[2] = {
            class_config(classes[0], kind & 1, (uint8_t)(kind / 4 % 3)),
            class_config(classes[1], kind >> 1 & 1, (uint8_t)(kind / 12)),
        };
        const struct oracle_layer layers[2] = {{.nat = &configs[0]}, {.nat = &configs[1]}};
        struct oracle_pair pair = pair_of(&layers[0], 1, &layers[1], 1, short_triples[cell % 4]);
        char what[96];
        (void)snprintf(what, sizeof what, "%s %u %s x %s %u %s", class_names[classes[0]],
                       configs[0].scope, session_names[configs[0].session], class_names[classes[1]],
                       configs[1].scope, session_names[configs[1].session]);
        differences += !agree(&pair, what);
        runs++;
    }
    print_message("%u floods, %u differences\n", runs, differences);
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_flood_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
