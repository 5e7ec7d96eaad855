/*
 * Reasons: the table of docs/reasons.md row by row, symmetry over every pair of findings, and the
 * same code as the pair oracle, which knows the NATs' parameters, from what a discovery finds. Who
 * comes first: likewise, wherever the oracle says that it matters.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/punch/reason.h"
#include "sim/nat_preset.h"
#include "sim/oracle.h"
#include "sim/oracle_pair.h"

#define MS UINT64_C(1000000)

/* ---- By hand --------------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    static const char *const names[REASON_COUNT] = {"",
                                                    "same-lan",
                                                    "hairpin",
                                                    "public",
                                                    "punched",
                                                    "adm-against-adf",
                                                    "edm-against-adf",
                                                    "apdm-against-adf",
                                                    "adm-against-apdf",
                                                    "edm-against-apdf",
                                                    "apdm-against-apdf",
                                                    "pooling-against-adf",
                                                    "no-hairpin",
                                                    "trap",
                                                    "probes-unanswered",
                                                    "udp-blocked",
                                                    "not-registered",
                                                    "refused"};
    for (unsigned i = 0; i < REASON_COUNT; i++)
        assert_string_equal(reason_name((enum reason)i), names[i]);
}

static void test_side_of(void **state)
{
    (void)state;
    const struct stun_behaviour behaviour = {
        .nat = STUN_NAT_PRESENT,
        .mapping = STUN_MAPPING_DEPENDENT,
        .filtering = STUN_FILTERING_ADF,
        .hairpin = STUN_HAIRPIN_OFF,
        .ports = STUN_PORTS_RANDOM,
        .pooling = STUN_POOLING_ARBITRARY,
        .trap = STUN_TRAP_YES,
    };
    struct reason_side side = reason_side_of(&behaviour);
    assert_int_equal(side.nat, STUN_NAT_PRESENT);
    assert_int_equal(side.mapping, STUN_MAPPING_DEPENDENT);
    assert_int_equal(side.filtering, STUN_FILTERING_ADF);
    assert_int_equal(side.hairpin, STUN_HAIRPIN_OFF);
    assert_int_equal(side.pooling, STUN_POOLING_ARBITRARY);
    assert_int_equal(side.trap, STUN_TRAP_YES);
}

/*
 * A side in a word: n no NAT, b blocked, ? not known; else e EIM, a ADM, p APDM, d dependent, u not
 * known. Then the filter: E EIF, A ADF, P APDF, U not known. Then, in any order: o hairpin off, i
 * internal, x external; j pooling arbitrary; t trap.
 */
static struct reason_side side_of(const char *word)
{
    struct reason_side side = {.nat = STUN_NAT_PRESENT};
    for (; *word != 0; word++) {
        switch (*word) {
        case '?':
            side.nat = STUN_NAT_UNKNOWN;
            break;
        case 'b':
            side.nat = STUN_NAT_BLOCKED;
            break;
        case 'n':
            side.nat = STUN_NAT_NONE;
            break;
        case 'e':
            side.mapping = STUN_MAPPING_EIM;
            break;
        case 'a':
            side.mapping = STUN_MAPPING_ADM;
            break;
        case 'p':
            side.mapping = STUN_MAPPING_APDM;
            break;
        case 'd':
            side.mapping = STUN_MAPPING_DEPENDENT;
            break;
        case 'E':
            side.filtering = STUN_FILTERING_EIF;
            break;
        case 'A':
            side.filtering = STUN_FILTERING_ADF;
            break;
        case 'P':
            side.filtering = STUN_FILTERING_APDF;
            break;
        case 'o':
            side.hairpin = STUN_HAIRPIN_OFF;
            break;
        case 'i':
            side.hairpin = STUN_HAIRPIN_INTERNAL;
            break;
        case 'x':
            side.hairpin = STUN_HAIRPIN_EXTERNAL;
            break;
        case 'j':
            side.pooling = STUN_POOLING_ARBITRARY;
            break;
        case 't':
            side.trap = STUN_TRAP_YES;
            break;
        default:
            assert_true(*word == 'u' || *word == 'U');
        }
    }
    return side;
}

static const struct {
    const char *x, *y;
    bool same_mapped;
    const char *reason;
} relayed_rows[] = {
    /* A filter by port against a mapping that nobody can know beforehand. */
    {"eP", "pP", false, "apdm-against-apdf"},
    {"eP", "aE", false, "adm-against-apdf"},
    {"eP", "dU", false, "edm-against-apdf"},
    {"nP", "pE", false, "apdm-against-apdf"}, /* a host behind a firewall alone */
    {"uP", "pU", false, "apdm-against-apdf"}, /* whatever the rest is */
    /* Both directions fail: the stricter filter, then the stricter mapping. */
    {"aP", "pA", false, "apdm-against-apdf"},
    {"aA", "pP", false, "adm-against-apdf"},
    {"aP", "pP", false, "apdm-against-apdf"},
    {"aP", "dP", false, "edm-against-apdf"},
    {"dP", "pP", false, "apdm-against-apdf"},
    {"aA", "aA", false, "adm-against-adf"},
    {"aA", "dA", false, "edm-against-adf"},
    {"aA", "pA", false, "apdm-against-adf"},
    {"dA", "pA", false, "apdm-against-adf"},
    /* No direction fails by its classes. */
    {"eP", "eP", false, "probes-unanswered"},
    {"eA", "pP", false, "probes-unanswered"},
    {"pA", "pE", false, "probes-unanswered"},
    {"nP", "nP", false, "probes-unanswered"},
    {"nE", "eE", false, "probes-unanswered"},
    {"npP", "npP", false, "probes-unanswered"}, /* without a NAT there is one endpoint */
    /* Filters or mappings that a finished discovery could not tell. */
    {"pA", "pU", false, "probes-unanswered"},
    {"pU", "pU", false, "probes-unanswered"},
    {"uA", "pA", false, "probes-unanswered"},
    {"b", "eP", false, "probes-unanswered"},
    {"b", "b", false, "probes-unanswered"},
    /* The same NAT in front of both. */
    {"eEo", "eEo", true, "no-hairpin"},
    {"eEx", "eAo", true, "no-hairpin"},
    {"eEx", "eAi", true, "no-hairpin"},
    {"eEx", "eAx", true, "probes-unanswered"},
    {"eE", "eA", true, "probes-unanswered"},
    {"eEo", "eEo", false, "probes-unanswered"},
    {"pPo", "pPo", true, "apdm-against-apdf"},
    {"eAto", "eAt", true, "no-hairpin"},
    {"pEjo", "eAo", true, "no-hairpin"},
    /* Addresses that change from mapping to mapping. */
    {"pEj", "eA", false, "pooling-against-adf"},
    {"aEj", "pA", false, "pooling-against-adf"},
    {"dAj", "eA", false, "pooling-against-adf"},
    {"aAj", "aA", false, "adm-against-adf"},
    {"pEj", "eP", false, "apdm-against-apdf"},
    {"eEj", "eA", false, "probes-unanswered"}, /* one mapping, one address */
    {"pEj", "eE", false, "probes-unanswered"},
    {"uEj", "eA", false, "probes-unanswered"},
    {"pEjt", "eA", false, "pooling-against-adf"},
    /* The trap. */
    {"ePt", "eP", false, "trap"},
    {"eAt", "pE", false, "trap"},
    {"ePt", "pE", false, "apdm-against-apdf"},
    {"bt", "eP", false, "trap"},
    /* A discovery is missing. */
    {"?", "eP", false, ""},
    {"?", "?", true, ""},
    {"?pPojt", "pPojt", true, ""},
};

static void test_relayed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof relayed_rows / sizeof relayed_rows[0]; i++) {
        struct reason_side x = side_of(relayed_rows[i].x);
        struct reason_side y = side_of(relayed_rows[i].y);
        bool same_mapped = relayed_rows[i].same_mapped;
        const char *there = reason_name(reason_relayed(&x, &y, same_mapped));
        const char *back = reason_name(reason_relayed(&y, &x, same_mapped));
        if (strcmp(there, relayed_rows[i].reason) != 0 || strcmp(back, relayed_rows[i].reason) != 0)
            fail_msg("%s and %s: %s, %s instead of %s", relayed_rows[i].x, relayed_rows[i].y, there,
                     back, relayed_rows[i].reason);
    }
}

static const struct {
    const char *x, *y;
    bool host_addresses;
    bool same_mapped;
    const char *reason;
} direct_rows[] = {
    {"eP", "pP", true, true, "same-lan"},
    {"eP", "pP", true, false,
     "same-lan"}, /* a NAT each for the internet, and a network in common */
    {"?", "?", true, true, "same-lan"},
    {"?", "?", true, false, "punched"}, /* they may both be public */
    {"nP", "nP", true, false, "punched"},
    {"nE", "nP", true, false, "public"},
    {"nP", "eP", true, false, "punched"},
    {"nP", "eP", true, true, "punched"}, /* the one is the other's router */
    {"eP", "eP", false, true, "hairpin"},
    {"?", "?", false, true, "hairpin"},
    {"eE", "eE", false, false, "punched"},
    {"nE", "pP", false, false, "public"},
    {"nA", "pE", false, false, "punched"},
    {"nU", "eP", false, false, "punched"},
    {"?E", "eP", false, false, "punched"},
    {"b", "nE", false, false, "public"},
};

static void test_direct(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof direct_rows / sizeof direct_rows[0]; i++) {
        struct reason_side x = side_of(direct_rows[i].x);
        struct reason_side y = side_of(direct_rows[i].y);
        bool host_addresses = direct_rows[i].host_addresses;
        bool same_mapped = direct_rows[i].same_mapped;
        const char *there = reason_name(reason_direct(&x, &y, host_addresses, same_mapped));
        const char *back = reason_name(reason_direct(&y, &x, host_addresses, same_mapped));
        if (strcmp(there, direct_rows[i].reason) != 0 || strcmp(back, direct_rows[i].reason) != 0)
            fail_msg("%s and %s: %s, %s instead of %s", direct_rows[i].x, direct_rows[i].y, there,
                     back, direct_rows[i].reason);
    }
}

static const struct {
    const char *mine, *theirs;
    enum reason_order order;
} order_rows[] = {
    /* What an endpoint-dependent mapping sends first is lost at APDF, and may bind a session. */
    {"aE", "eP", REASON_ORDER_HEARD},
    {"pE", "nP", REASON_ORDER_HEARD},
    {"dE", "eP", REASON_ORDER_HEARD},
    {"pE", "ePt", REASON_ORDER_HEARD}, /* and springs no trap either */
    {"eE", "eP", REASON_ORDER_NONE},
    {"nE", "eP", REASON_ORDER_NONE},
    {"uE", "eP", REASON_ORDER_NONE},
    {"aA", "eP", REASON_ORDER_PASSED},
    {"pP", "nP", REASON_ORDER_PASSED},
    {"aU", "ePt", REASON_ORDER_PASSED},
    {"aE", "eA", REASON_ORDER_NONE},
    {"aE", "eU", REASON_ORDER_NONE},
    {"aE", "aP", REASON_ORDER_NONE},
    {"eP", "aE", REASON_ORDER_NONE},
    /* The other side of such pairs, where a trap that is not found may be. */
    {"eP", "aA", REASON_ORDER_TOLD},
    {"nP", "pP", REASON_ORDER_TOLD},
    {"ePt", "dU", REASON_ORDER_TOLD},
    {"eP", "aAt", REASON_ORDER_OPENED},
    {"eA", "aA", REASON_ORDER_NONE},
    {"pP", "aA", REASON_ORDER_NONE},
    /* The trap, unless what the peer then sends from elsewhere would be admitted. */
    {"eP", "ePt", REASON_ORDER_OPENED},
    {"ePt", "ePt", REASON_ORDER_OPENED},
    {"nP", "eAt", REASON_ORDER_OPENED},
    {"?U", "ePt", REASON_ORDER_OPENED},
    {"pA", "eAt", REASON_ORDER_OPENED},
    {"pE", "eAt", REASON_ORDER_OPENED},
    {"eE", "ePt", REASON_ORDER_NONE},
    {"eA", "ePt", REASON_ORDER_NONE},
    {"nE", "ePt", REASON_ORDER_NONE},
    {"ePt", "eP", REASON_ORDER_NONE},
};

static void test_order(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof order_rows / sizeof order_rows[0]; i++) {
        struct reason_side mine = side_of(order_rows[i].mine);
        struct reason_side theirs = side_of(order_rows[i].theirs);
        if (reason_order(&mine, &theirs) != order_rows[i].order)
            fail_msg("%s towards %s", order_rows[i].mine, order_rows[i].theirs);
    }
}

/* ---- Every pair of findings ------------------------------------------------------------------ */

enum { SIDES = 4 * 5 * 4 * 4 * 3 * 3 };

static struct reason_side side_at(unsigned index)
{
    struct reason_side side;
    side.nat = (uint8_t)(index % 4);
    index /= 4;
    side.mapping = (uint8_t)(index % 5);
    index /= 5;
    side.filtering = (uint8_t)(index % 4);
    index /= 4;
    side.hairpin = (uint8_t)(index % 4);
    index /= 4;
    side.pooling = (uint8_t)(index % 3);
    side.trap = (uint8_t)(index / 3);
    return side;
}

/*
 * Who asks changes nothing; a reason of its own kind comes out, and none exactly where a discovery
 * is missing. Nor do both sides wait to be reached.
 */
static void test_all_findings(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (unsigned i = 0; i < SIDES; i++) {
        for (unsigned k = 0; k <= i; k++) {
            struct reason_side x = side_at(i);
            struct reason_side y = side_at(k);
            enum reason_order there = reason_order(&x, &y), back = reason_order(&y, &x);
            wrong += there == REASON_ORDER_HEARD && back == REASON_ORDER_HEARD;
            wrong += there == REASON_ORDER_PASSED && back != REASON_ORDER_TOLD &&
                     back != REASON_ORDER_OPENED;
            wrong += back == REASON_ORDER_PASSED && there != REASON_ORDER_TOLD &&
                     there != REASON_ORDER_OPENED;
            bool missing = x.nat == STUN_NAT_UNKNOWN || y.nat == STUN_NAT_UNKNOWN;
            for (unsigned flag = 0; flag < 2; flag++) {
                enum reason relayed = reason_relayed(&x, &y, flag == 1);
                enum reason direct = reason_direct(&x, &y, true, flag == 1);
                wrong += relayed != reason_relayed(&y, &x, flag == 1);
                wrong += direct != reason_direct(&y, &x, true, flag == 1);
                wrong += reason_direct(&x, &y, false, flag == 1) !=
                         reason_direct(&y, &x, false, flag == 1);
                wrong += (relayed == REASON_NONE) != missing;
                wrong += relayed > REASON_PROBES_UNANSWERED;
                wrong += relayed > REASON_NONE && relayed < REASON_ADM_AGAINST_ADF;
                wrong += direct == REASON_NONE || direct > REASON_PUNCHED;
            }
        }
    }
    assert_int_equal(wrong, 0);
}

/* ---- Against the oracle ---------------------------------------------------------------------- */

/* A client behind up to two routers. */
struct client {
    struct nat_config nat[2];
    const struct firewall_config *firewall;
    struct oracle_layer layers[4];
    uint32_t count;
};

static struct nat_config class_of(unsigned index)
{
    return nat_preset_config(
        nat_preset_class((enum nat_mapping)(index / 3), (enum nat_filtering)(index % 3)));
}

static struct oracle_side as_side(struct client *client, const struct nat_config *outer)
{
    uint32_t count = client->count;
    for (uint32_t i = 0; i < count; i++)
        client->layers[i].nat = &client->nat[i];
    if (client->firewall != NULL)
        client->layers[count++] = (struct oracle_layer){.firewall = client->firewall};
    if (outer != NULL)
        client->layers[count++] = (struct oracle_layer){.nat = outer};
    return (struct oracle_side){client->layers, count};
}

struct met {
    unsigned relayed;
    unsigned direct;
    unsigned either; /* direct or relayed, by order or chance */
};

/* What the discoveries of both find must lead to the oracle's codes. */
static void compare(const struct oracle_pair *pair, bool host_addresses, bool same_mapped,
                    struct met *met, const char *what, unsigned i, unsigned k)
{
    struct oracle_pair_says says = oracle_pair(pair);
    assert_int_not_equal(says.verdict, ORACLE_UNREACHABLE);
    struct reason_side found[2];
    for (unsigned j = 0; j < 2; j++) {
        struct oracle_finding finding =
            oracle_discovery(pair->side[j].layers, pair->side[j].count, ORACLE_SERVER_PAIRED);
        found[j] = reason_side_of(&finding.is);
    }
    if (says.verdict != ORACLE_DIRECT) {
        const char *reason = reason_name(reason_relayed(&found[0], &found[1], same_mapped));
        const char *expected = oracle_reason_name((enum oracle_reason)says.relayed_reason);
        if (strcmp(reason, expected) != 0)
            fail_msg("%s: %u and %u relayed: %s, not %s", what, i, k, reason, expected);
    }
    if (says.verdict != ORACLE_RELAYED) {
        const char *reason =
            reason_name(reason_direct(&found[0], &found[1], host_addresses, same_mapped));
        const char *expected = oracle_reason_name((enum oracle_reason)says.direct_reason);
        if (strcmp(reason, expected) != 0)
            fail_msg("%s: %u and %u direct: %s, not %s", what, i, k, reason, expected);
    }
    for (unsigned j = 0; j < 2 && says.verdict == ORACLE_ORDER; j++) {
        enum reason_order expected =
            says.order == ORACLE_ORDER_HEARD ? REASON_ORDER_HEARD : REASON_ORDER_OPENED;
        if ((says.order_sides >> j & 1) != 0 && reason_order(&found[1 - j], &found[j]) != expected)
            fail_msg("%s: %u and %u: side %u does not wait", what, i, k, 1 - j);
    }
    met->relayed += says.verdict == ORACLE_RELAYED;
    met->direct += says.verdict == ORACLE_DIRECT;
    met->either += says.verdict == ORACLE_ORDER || says.verdict == ORACLE_CHANCE;
}

static struct oracle_pair pair_of(struct oracle_side a, struct oracle_side b)
{
    return (struct oracle_pair){.side = {a, b}, .delay_ns = {20 * MS, 30 * MS}, .peer_ns = 35 * MS};
}

/* The nine classes plain, with the trap, with addresses that are drawn, with sessions that the first
   packet makes; no NAT; three firewalls. */
enum { VARIANTS = 4, SINGLES = 9 * VARIANTS + 1 + 3 };

static struct client single_at(unsigned index)
{
    static const char *const firewalls[] = {"stateful-eif", "stateful-adf", "stateful"};
    struct client client = {.count = 0};
    if (index >= 9 * VARIANTS + 1) {
        client.firewall = &firewall_preset_find(firewalls[index - 9 * VARIANTS - 1])->config;
    } else if (index < 9 * VARIANTS) {
        client.count = 1;
        client.nat[0] = class_of(index % 9);
        if (index / 9 == 1)
            client.nat[0].poison_ns = 30000 * MS;
        if (index / 9 == 2) {
            client.nat[0].pool = 4;
            client.nat[0].pooling = NAT_POOLING_ARBITRARY;
        }
        if (index / 9 == 3)
            client.nat[0].session = NAT_SESSION_FIRST;
    }
    return client;
}

static void test_singles(void **state)
{
    (void)state;
    struct met met = {0};
    for (unsigned i = 0; i < SINGLES; i++) {
        for (unsigned k = 0; k < SINGLES; k++) {
            struct client a = single_at(i), b = single_at(k);
            struct oracle_pair pair = pair_of(as_side(&a, NULL), as_side(&b, NULL));
            compare(&pair, a.count + b.count == 0, false, &met, "one router each", i, k);
        }
    }
    /* The plain classes alone have 36 cells of 81 that are relayed. */
    assert_true(met.relayed >= 36 && met.direct >= 45 && met.either > 0);
}

/* Two NATs in front of each. */
static void test_doubles(void **state)
{
    (void)state;
    struct met met = {0};
    for (unsigned i = 0; i < 81; i++) {
        for (unsigned k = 0; k < 81; k++) {
            struct client a = {.nat = {class_of(i / 9), class_of(i % 9)}, .count = 2};
            struct client b = {.nat = {class_of(k / 9), class_of(k % 9)}, .count = 2};
            struct oracle_pair pair = pair_of(as_side(&a, NULL), as_side(&b, NULL));
            compare(&pair, false, false, &met, "two NATs each", i, k);
        }
    }
    assert_true(met.relayed > 0 && met.direct > 0);
}

/*
 * One NAT in front of both, of every class and every hairpin, and in front of each client one of
 * its own, or none.
 */
static void test_shared(void **state)
{
    (void)state;
    struct met met = {0};
    for (unsigned o = 0; o < 27; o++) {
        struct nat_config outer = class_of(o % 9);
        outer.hairpin = (uint8_t)(o / 9);
        for (unsigned i = 0; i < 10; i++) {
            for (unsigned k = 0; k < 10; k++) {
                struct client a = {.nat = {class_of(i % 9)}, .count = i < 9};
                struct client b = {.nat = {class_of(k % 9)}, .count = k < 9};
                struct oracle_pair pair = pair_of(as_side(&a, &outer), as_side(&b, &outer));
                pair.shared = 1;
                compare(&pair, false, true, &met, "behind one", 100 * o + i, k);
            }
        }
    }
    assert_true(met.relayed > 0 && met.direct > 0);
}

static void test_same_lan(void **state)
{
    (void)state;
    struct met met = {0};
    for (unsigned i = 0; i < 9; i++) {
        struct nat_config outer = class_of(i);
        struct client a = {.count = 0}, b = {.count = 0};
        struct oracle_pair pair = pair_of(as_side(&a, &outer), as_side(&b, &outer));
        pair.shared = 1;
        pair.same_lan = true;
        compare(&pair, true, true, &met, "on one network", i, i);
    }
    assert_int_equal(met.direct, 9);
}

/* Whose discovery found UDP blocked has no home, so the oracle's code is not for reason_relayed. */
static void test_blocked(void **state)
{
    (void)state;
    const struct firewall_config *blocked = &firewall_preset_find("udp-blocked")->config;
    for (unsigned i = 0; i < SINGLES; i++) {
        struct client a = {.firewall = blocked}, b = single_at(i);
        struct oracle_pair pair = pair_of(as_side(&a, NULL), as_side(&b, NULL));
        struct oracle_pair_says says = oracle_pair(&pair);
        assert_int_equal(says.verdict, ORACLE_UNREACHABLE);
        assert_string_equal(oracle_reason_name((enum oracle_reason)says.relayed_reason),
                            reason_name(REASON_UDP_BLOCKED));
        struct oracle_finding finding =
            oracle_discovery(pair.side[0].layers, pair.side[0].count, ORACLE_SERVER_PAIRED);
        assert_int_equal(finding.is.nat, STUN_NAT_BLOCKED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_side_of),
        cmocka_unit_test(test_relayed), cmocka_unit_test(test_order),
        cmocka_unit_test(test_direct),  cmocka_unit_test(test_all_findings),
        cmocka_unit_test(test_singles), cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_shared),  cmocka_unit_test(test_same_lan),
        cmocka_unit_test(test_blocked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
