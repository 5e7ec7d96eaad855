/*
 * The pair oracle against the tables of the exhaustive search (docs/nat-model.md), the times of the
 * ideal flood worked out by hand, and what every single fact in front of a client must do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sim/nat_preset.h"
#include "sim/oracle_pair.h"

#define MS UINT64_C(1000000)

/* Rows and columns: EIM, ADM, APDM, each with EIF, ADF, APDF. Direct, Relayed, Order. */
static const struct table {
    uint8_t scope;
    uint8_t session;
    const char *rows[9];
} tables[] = {
    {NAT_SCOPE_MAPPING,
     NAT_SESSION_NOTHING,
     {"DDDDDDDDD", "DDDDDDDDD", "DDDRRRRRR", "DDRDDRDDR", "DDRDRRDRR", "DDRRRRRRR", "DDRDDRDDR",
      "DDRDRRDRR", "DDRRRRRRR"}},
    {NAT_SCOPE_MAPPING,
     NAT_SESSION_FIRST,
     {"DDDDDDDDD", "DDDDDDDDD", "DDDORRORR", "DDODDDDDD", "DDRDRRDRR", "DDRDRRDRR", "DDODDDDDD",
      "DDRDRRDRR", "DDRDRRDRR"}},
    {NAT_SCOPE_MAPPING,
     NAT_SESSION_PIN,
     {"DDDDDDDDD", "DDDDDDDDD", "DDDDRRDRR", "DDDDDDDDD", "DDRDRRDRR", "DDRDRRDRR", "DDDDDDDDD",
      "DDRDRRDRR", "DDRDRRDRR"}},
    {NAT_SCOPE_ENDPOINT,
     NAT_SESSION_NOTHING,
     {"DDDDDDDDD", "DDDDDDDDD", "DDDRRRRRR", "DDRDDRDDR", "DDRDDRDDR", "DDRRRRRRR", "DDRDDRDDR",
      "DDRDDRDDR", "DDRRRRRRR"}},
    {NAT_SCOPE_ENDPOINT,
     NAT_SESSION_FIRST,
     {"DDDDDDDDD", "DDDDDDDDD", "DDDORRORR", "DDODDDDDD", "DDRDDDDDD", "DDRDDRDDR", "DDODDDDDD",
      "DDRDDDDDD", "DDRDDRDDR"}},
    {NAT_SCOPE_ENDPOINT,
     NAT_SESSION_PIN,
     {"DDDDDDDDD", "DDDDDDDDD", "DDDDDDDDD", "DDDDDDDDD", "DDDDDDDDD", "DDDDDRDDR", "DDDDDDDDD",
      "DDDDDDDDD", "DDDDDRDDR"}},
};

/* nat-facts: a, b and d of one call. */
static const struct delays {
    uint64_t a, b, d;
} triples[] = {{20, 30, 35}, {50, 50, 10}, {10, 80, 75}, {5, 5, 2}};

enum { TRIPLES = sizeof triples / sizeof triples[0] };

static struct nat_config class_of(unsigned index, uint8_t scope, uint8_t session)
{
    struct nat_config nat = nat_preset_config(
        nat_preset_class((enum nat_mapping)(index / 3), (enum nat_filtering)(index % 3)));
    nat.scope = scope;
    nat.session = session;
    return nat;
}

/* A call between two hosts, each behind one NAT of its own, or none. */
static struct oracle_pair_says call(const struct nat_config *a, const struct nat_config *b,
                                    const struct delays *delays)
{
    struct oracle_layer layers[2] = {{.nat = a}, {.nat = b}};
    struct oracle_pair pair = {
        .side = {{&layers[0], a != NULL ? 1 : 0}, {&layers[1], b != NULL ? 1 : 0}},
        .delay_ns = {delays->a * MS, delays->b * MS},
        .peer_ns = delays->d * MS,
    };
    return oracle_pair(&pair);
}

static uint8_t verdict_of(char letter)
{
    return letter == 'D' ? ORACLE_DIRECT : letter == 'O' ? ORACLE_ORDER : ORACLE_RELAYED;
}

static void test_tables(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (unsigned i = 0; i < 9; i++) {
            for (unsigned k = 0; k < 9; k++) {
                struct nat_config a = class_of(i, tables[t].scope, tables[t].session);
                struct nat_config b = class_of(k, tables[t].scope, tables[t].session);
                struct oracle_pair_says says = call(&a, &b, &triples[0]);
                if (says.verdict != verdict_of(tables[t].rows[i][k]))
                    fail_msg("table %zu, row %u, column %u: %s", t, i, k,
                             oracle_verdict_name((enum oracle_verdict)says.verdict));
                /* A reason for what is not direct and a time for what can be, and only then. */
                assert_true((says.relayed_reason == ORACLE_REASON_NONE) ==
                            (says.verdict == ORACLE_DIRECT));
                assert_true((says.direct_ns == ORACLE_NEVER) == (says.verdict == ORACLE_RELAYED));
                assert_int_equal(says.first_data_ns, 50 * MS);
            }
        }
    }
}

/* Who calls changes neither verdict nor reason; of an order it swaps the side. */
static void test_symmetry(void **state)
{
    (void)state;
    static const uint8_t swapped[] = {0, 2, 1, 3};
    for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++) {
        for (unsigned i = 0; i < 9; i++) {
            for (unsigned k = 0; k < 9; k++) {
                struct nat_config a = class_of(i, tables[t].scope, tables[t].session);
                struct nat_config b = class_of(k, tables[t].scope, NAT_SESSION_NOTHING);
                struct oracle_pair_says there = call(&a, &b, &triples[1]);
                struct oracle_pair_says back = call(&b, &a, &triples[1]);
                assert_int_equal(there.verdict, back.verdict);
                assert_int_equal(there.relayed_reason, back.relayed_reason);
                assert_int_equal(there.order_sides, swapped[back.order_sides]);
            }
        }
    }
}

/* max(2a, a+b) + 2d where the registered endpoints are those that probes leave from. */
static void test_plain_times(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TRIPLES; t++) {
        const struct delays *x = &triples[t];
        uint64_t told = 2 * x->a > x->a + x->b ? 2 * x->a : x->a + x->b;
        for (unsigned i = 0; i < 9; i++) {
            struct nat_config a = class_of(i / 3, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
            struct nat_config b = class_of(i % 3, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
            struct oracle_pair_says says = call(&a, &b, x);
            assert_int_equal(says.verdict, ORACLE_DIRECT);
            assert_int_equal(says.first_data_ns, (x->a + x->b) * MS);
            /* A side that admits anyone hears the other before it has sent: never later. */
            assert_true(says.direct_ns <= (told + 2 * x->d) * MS);
            if (i / 3 == 2 && i % 3 == 2)
                assert_int_equal(says.direct_ns, (told + 2 * x->d) * MS);
        }
    }
    static const uint64_t written[TRIPLES] = {120, 120, 240, 14}; /* as the table of the formula */
    struct nat_config nat = class_of(2, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
    for (unsigned t = 0; t < TRIPLES; t++)
        assert_int_equal(call(&nat, &nat, &triples[t]).direct_ns, written[t] * MS);
}

/*
 * APDM behind an ADF against EIM behind an APDF-free filter: the port that the symmetric side sends
 * from has to be learned from its probe, so the flood takes longer than in the plain case, by no
 * more than one way.
 */
static void test_learned_port(void **state)
{
    (void)state;
    for (unsigned t = 0; t < TRIPLES; t++) {
        const struct delays *x = &triples[t];
        uint64_t told = 2 * x->a > x->a + x->b ? 2 * x->a : x->a + x->b;
        struct nat_config symmetric = class_of(8, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
        struct nat_config restricted = class_of(1, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
        struct oracle_pair_says says = call(&symmetric, &restricted, x);
        assert_int_equal(says.verdict, ORACLE_DIRECT);
        assert_true(says.direct_ns <= (told + 3 * x->d) * MS);
        assert_true(says.direct_ns >= (2 * x->a + 2 * x->d) * MS);
    }
}

static void test_reasons(void **state)
{
    (void)state;
    struct nat_config apdf = class_of(2, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
    struct nat_config adm = class_of(4, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
    struct nat_config symmetric = class_of(8, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
    const struct {
        const struct nat_config *a, *b;
        const char *reason;
    } rows[] = {
        {&symmetric, &apdf, "apdm-against-apdf"}, {&symmetric, &symmetric, "apdm-against-apdf"},
        {&adm, &apdf, "adm-against-apdf"},        {&adm, &adm, "adm-against-adf"},
        {&adm, &symmetric, "adm-against-apdf"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct oracle_pair_says says = call(rows[i].a, rows[i].b, &triples[0]);
        assert_int_equal(says.verdict, ORACLE_RELAYED);
        assert_string_equal(oracle_reason_name((enum oracle_reason)says.relayed_reason),
                            rows[i].reason);
    }
    assert_string_equal(
        oracle_reason_name((enum oracle_reason)call(NULL, &symmetric, &triples[0]).direct_reason),
        "public");
    assert_string_equal(
        oracle_reason_name((enum oracle_reason)call(&apdf, &apdf, &triples[0]).direct_reason),
        "punched");
}

static void test_blocked(void **state)
{
    (void)state;
    const struct firewall_preset *blocked = firewall_preset_find("udp-blocked");
    assert_non_null(blocked);
    struct nat_config nat = class_of(0, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
    struct oracle_layer layers[2] = {{.nat = &nat, .firewall = &blocked->config}, {.nat = &nat}};
    for (unsigned side = 0; side < 2; side++) {
        struct oracle_pair pair = {
            .side = {{&layers[side], 1}, {&layers[1 - side], 1}},
            .delay_ns = {MS, MS},
            .peer_ns = MS,
        };
        struct oracle_pair_says says = oracle_pair(&pair);
        assert_int_equal(says.verdict, ORACLE_UNREACHABLE);
        assert_int_equal(says.relayed_reason, ORACLE_REASON_UDP_BLOCKED);
        assert_int_equal(says.first_data_ns, ORACLE_NEVER);
        assert_int_equal(says.direct_ns, ORACLE_NEVER);
    }
}

/* Two hosts behind one NAT that tells no hairpin, and the same two on one LAN. */
static void test_behind_one(void **state)
{
    (void)state;
    struct nat_config nat = class_of(2, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
    struct oracle_layer layer = {.nat = &nat};
    struct oracle_pair pair = {
        .side = {{&layer, 1}, {&layer, 1}},
        .shared = 1,
        .delay_ns = {MS, MS},
        .peer_ns = MS,
    };
    nat.hairpin = NAT_HAIRPIN_OFF;
    struct oracle_pair_says says = oracle_pair(&pair);
    assert_int_equal(says.verdict, ORACLE_RELAYED);
    assert_int_equal(says.relayed_reason, ORACLE_REASON_NO_HAIRPIN);
    nat.hairpin = NAT_HAIRPIN_EXTERNAL;
    says = oracle_pair(&pair);
    assert_int_equal(says.verdict, ORACLE_DIRECT);
    assert_int_equal(says.direct_reason, ORACLE_REASON_HAIRPIN);
    nat.hairpin = NAT_HAIRPIN_OFF;
    pair.same_lan = true;
    says = oracle_pair(&pair);
    assert_int_equal(says.verdict, ORACLE_DIRECT);
    assert_int_equal(says.direct_reason, ORACLE_REASON_SAME_LAN);
}

/* Neighbours pass no firewall that is in front of both, and yet neither can be reached by everybody. */
static void test_neighbours_behind_a_firewall(void **state)
{
    (void)state;
    const struct firewall_preset *stateful = firewall_preset_find("stateful");
    assert_non_null(stateful);
    struct oracle_layer layer = {.firewall = &stateful->config};
    struct oracle_pair pair = {
        .side = {{&layer, 1}, {&layer, 1}}, .shared = 1, .delay_ns = {MS, MS}, .peer_ns = MS};
    struct oracle_pair_says says = oracle_pair(&pair);
    assert_int_equal(says.verdict, ORACLE_DIRECT);
    assert_int_equal(says.direct_reason, ORACLE_REASON_PUNCHED);
    pair.side[0].count = pair.side[1].count = pair.shared = 0;
    assert_int_equal(oracle_pair(&pair).direct_reason, ORACLE_REASON_PUBLIC);
}

/* Masquerade without an inbound drop: direct only for the one whose packet leaves first. */
static void test_trap(void **state)
{
    (void)state;
    struct nat_config trap = nat_preset_config(nat_preset_find("linux-masquerade"));
    struct nat_config drop = nat_preset_config(nat_preset_find("linux-masquerade-drop"));
    assert_int_equal(call(&drop, &drop, &triples[0]).verdict, ORACLE_DIRECT);
    struct oracle_pair_says says = call(&trap, &drop, &triples[0]);
    assert_int_equal(says.verdict, ORACLE_ORDER);
    assert_int_equal(says.order, ORACLE_ORDER_LEFT);
    assert_int_equal(says.order_sides, 1 << ORACLE_CALLER);
    assert_int_equal(says.relayed_reason, ORACLE_REASON_TRAP);
    struct oracle_pair_seen early = {.left = {10, 10}, .arrived = {20, 20}};
    struct oracle_pair_seen late = {.left = {20, 10}, .arrived = {10, 20}};
    assert_true(oracle_order_met(&says, &early));
    assert_false(oracle_order_met(&says, &late));
    says = call(&trap, &trap, &triples[0]);
    assert_int_equal(says.order_sides, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),      cmocka_unit_test(test_symmetry),
        cmocka_unit_test(test_plain_times), cmocka_unit_test(test_learned_port),
        cmocka_unit_test(test_reasons),     cmocka_unit_test(test_blocked),
        cmocka_unit_test(test_behind_one),  cmocka_unit_test(test_neighbours_behind_a_firewall),
        cmocka_unit_test(test_behind_one),  cmocka_unit_test(test_trap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
