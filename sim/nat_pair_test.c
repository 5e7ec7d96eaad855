/*
 * Two hosts, each behind a NAT, punch holes: all pairs of the nine classes, for both filter scopes
 * and the three session models, give the verdicts that exhaustive search found. Each side sends to
 * every address that it knows of the other, again and again, and answers what it observes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "sim/nat_preset.h"

enum { KNOWN_MAX = 64, ROUNDS = 8 };

struct side {
    struct nat *nat;
    struct addr inside;
    struct addr known[KNOWN_MAX]; /* addresses of the other side, the signalled one first */
    uint32_t known_count;
    bool answered; /* a probe of ours reached the other side, and its answer reached us */
};

static void learn(struct side *side, struct addr address)
{
    uint32_t i = 0;
    while (i < side->known_count && !addr_equal(&side->known[i], &address))
        i++;
    if (i == side->known_count && i < KNOWN_MAX)
        side->known[side->known_count++] = address;
}

/* One packet through both NATs; `source` is what the receiver observes. */
static bool deliver(struct side *from, struct side *to, struct addr address, uint64_t now_ns,
                    struct addr *source)
{
    struct nat_packet packet = {
        .protocol = NAT_UDP, .source = from->inside, .destination = address};
    if (nat_outbound(from->nat, now_ns, &packet) != NAT_PASS)
        return false;
    *source = packet.source;
    return nat_inbound(to->nat, now_ns, &packet) == NAT_PASS &&
           addr_equal(&packet.destination, &to->inside);
}

static void probe_all(struct side *from, struct side *to, uint64_t now_ns)
{
    uint32_t count = from->known_count;
    for (uint32_t i = 0; i < count; i++) {
        struct addr observed;
        if (!deliver(from, to, from->known[i], now_ns, &observed))
            continue;
        learn(to, observed);
        struct addr answered;
        if (!deliver(to, from, observed, now_ns, &answered))
            continue;
        learn(from, answered);
        from->answered = true;
    }
}

static void open_side(struct side *side, unsigned class, uint8_t scope, uint8_t session,
                      uint8_t number)
{
    const uint8_t seed[RANDOM_SEED_SIZE] = {number};
    struct nat_config config = nat_preset_config(nat_preset_class(class / 3, class % 3));
    struct addr pool = addr_v4(0xcb007100u + number, 0);
    config.scope = scope;
    config.session = session;
    *side = (struct side){.inside = addr_v4(0x0a000000u + number, 5000)};
    side->nat = nat_create(&config, &pool, 1, seed, "pair", 4);
    assert_non_null(side->nat);
}

/* Whether the pair gets through when the first side's packets always leave first. */
static bool direct(unsigned first_class, unsigned second_class, uint8_t scope, uint8_t session)
{
    struct side sides[2];
    const struct addr stun = addr_v4(0xc6336401, 3478);
    open_side(&sides[0], first_class, scope, session, 1);
    open_side(&sides[1], second_class, scope, session, 2);
    for (unsigned i = 0; i < 2; i++) {
        struct nat_packet packet = {
            .protocol = NAT_UDP, .source = sides[i].inside, .destination = stun};
        assert_int_equal(nat_outbound(sides[i].nat, 0, &packet), NAT_PASS);
        learn(&sides[1 - i], packet.source);
    }
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        probe_all(&sides[0], &sides[1], round * 1000000);
        probe_all(&sides[1], &sides[0], round * 1000000);
    }
    nat_destroy(sides[0].nat);
    nat_destroy(sides[1].nat);
    return sides[0].answered && sides[1].answered;
}

/* Filters per mapping, nothing remembered of inbound packets: row and column are the classes. */
static void test_verdict_table(void **state)
{
    (void)state;
    static const char *const table[9] = {
        "DDDDDDDDD", "DDDDDDDDD", "DDDRRRRRR", "DDRDDRDDR", "DDRDRRDRR",
        "DDRRRRRRR", "DDRDDRDDR", "DDRDRRDRR", "DDRRRRRRR",
    };
    for (unsigned i = 0; i < 9; i++) {
        for (unsigned j = 0; j < 9; j++)
            assert_int_equal(direct(i, j, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING),
                             table[i][j] == 'D');
    }
}

/* Of 81 cells, how many are direct whoever sends first, and how many only for one of the two. */
static void test_counts(void **state)
{
    (void)state;
    const struct {
        uint8_t scope, session;
        unsigned always, order;
    } cases[] = {
        {NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING, 45, 0},
        {NAT_SCOPE_MAPPING, NAT_SESSION_FIRST, 53, 4},
        {NAT_SCOPE_MAPPING, NAT_SESSION_PIN, 57, 0},
        {NAT_SCOPE_ENDPOINT, NAT_SESSION_NOTHING, 49, 0},
        {NAT_SCOPE_ENDPOINT, NAT_SESSION_FIRST, 65, 4},
        {NAT_SCOPE_ENDPOINT, NAT_SESSION_PIN, 77, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned always = 0;
        unsigned order = 0;
        for (unsigned cell = 0; cell < 81; cell++) {
            bool first = direct(cell / 9, cell % 9, cases[i].scope, cases[i].session);
            bool second = direct(cell % 9, cell / 9, cases[i].scope, cases[i].session);
            always += first && second;
            order += first != second;
        }
        assert_int_equal(always, cases[i].always);
        assert_int_equal(order, cases[i].order);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdict_table),
        cmocka_unit_test(test_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
