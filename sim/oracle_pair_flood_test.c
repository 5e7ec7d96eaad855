/*
 * The oracle of pairs in cases by hand, and against two real NATs between clients that flood, whose
 * times must be the same to the nanosecond. The search's tables are in oracle_pair_test.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "sim/nat_preset.h"
#include "sim/oracle_pair.h"

#define MS UINT64_C(1000000)

static const char *const class_names[9] = {"eim/eif",  "eim/adf",  "eim/apdf",
                                           "adm/eif",  "adm/adf",  "adm/apdf",
                                           "apdm/eif", "apdm/adf", "apdm/apdf"};
static const char *const session_names[NAT_SESSION_COUNT] = {"nothing", "first", "pin"};

/* Delays of nat-facts: caller and home, callee and home, the two directly, in milliseconds. */
static const uint64_t triples[4][3] = {{20, 30, 35}, {50, 50, 10}, {10, 80, 75}, {5, 5, 2}};

/* A class of the textbook, small enough to be made by the thousand. */
static struct nat_config class_config(uint32_t class, uint8_t scope, uint8_t session)
{
    struct nat_config config = nat_config_default();
    config.mapping = (uint8_t)(class / 3);
    config.filtering = (uint8_t)(class % 3);
    config.scope = scope;
    config.session = session;
    config.ports = config.mapping == NAT_MAPPING_EIM ? NAT_PORTS_PRESERVED : NAT_PORTS_RANDOM;
    config.capacity = 128;
    config.sessions = 1024;
    config.parity = false;
    return config;
}

static struct oracle_pair pair_of(const struct oracle_layer *a, uint32_t a_count,
                                  const struct oracle_layer *b, uint32_t b_count,
                                  const uint64_t triple[3])
{
    return (struct oracle_pair){
        .side = {{a, a_count}, {b, b_count}},
        .delay_ns = {triple[0] * MS, triple[1] * MS},
        .peer_ns = triple[2] * MS,
    };
}

/* ---- The tables ------------------------------------------------------------------------------ */

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
    {{{"+stateful"}, {"+stateful"}}, 1, false, NAT_HAIRPIN_OFF, "direct", "public", "", 120},
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

/* ---- Two clients that flood through real NATs ------------------------------------------------ */

enum { LAYERS = 3, KNOWN_MAX = 24, FLIGHT_MAX = 512, RING = 128 };

struct flooder {
    struct nat *nats[LAYERS]; /* from the client outwards; NULL: none */
    struct firewall *firewalls[LAYERS];
    uint32_t count;
    struct addr inside;
    struct addr mapped; /* what it registered with */
    struct addr known[KNOWN_MAX];
    uint32_t known_count;
    bool silent;   /* sends nothing before it is heard */
    bool heard;    /* something of the other's has come */
    bool fresh;    /* it has learned or heard something in this step */
    uint64_t trip; /* the step of its first round trip */
};

struct datagram {
    struct nat_packet packet;
    uint8_t from;
    bool turned;       /* at a NAT in front of both */
    uint32_t level;    /* of the sender's layers, how many it has passed */
    bool acknowledges; /* the sender had heard the other */
};

struct flood_run {
    struct flooder side[2];
    uint32_t shared;
    bool turning;                           /* there is a NAT among those */
    struct datagram ring[RING][FLIGHT_MAX]; /* by the step in which something happens */
    uint32_t ring_count[RING];
    uint64_t peer; /* steps */
    uint64_t now;
    uint64_t count; /* of events, for the order */
    struct oracle_pair_seen seen;
};

static struct flood_run run;

/* All floods begin a second after the registration, and a step is a millisecond. */
static uint64_t clock_ns(void)
{
    return 1000 * MS + run.now * MS;
}

static void later(uint64_t steps, const struct datagram *datagram)
{
    assert_true(steps < RING);
    uint64_t slot = (run.now + steps) % RING;
    assert_true(run.ring_count[slot] < FLIGHT_MAX);
    run.ring[slot][run.ring_count[slot]++] = *datagram;
}

/* Outwards through layers [from, to). False: dropped. A hairpin stops at its layer. */
static bool go_out(struct flooder *side, uint32_t from, uint32_t to, struct datagram *datagram)
{
    for (uint32_t i = from; i < to; i++) {
        datagram->level = i;
        if (side->firewalls[i] != NULL &&
            firewall_outbound(side->firewalls[i], clock_ns(), &datagram->packet) != FIREWALL_PASS)
            return false;
        if (side->nats[i] == NULL)
            continue;
        enum nat_verdict verdict = nat_outbound(side->nats[i], clock_ns(), &datagram->packet);
        if (verdict == NAT_HAIRPIN)
            datagram->turned = true;
        if (verdict != NAT_PASS)
            return verdict == NAT_HAIRPIN;
    }
    datagram->level = to;
    return true;
}

/* Inwards through the NAT and firewall of layers [low, high). */
static bool go_in(struct flooder *side, uint32_t low, uint32_t high, struct datagram *datagram)
{
    for (uint32_t i = high; i > low; i--) {
        if (side->nats[i - 1] != NULL &&
            nat_inbound(side->nats[i - 1], clock_ns(), &datagram->packet) != NAT_PASS)
            return false;
        if (side->firewalls[i - 1] != NULL && firewall_inbound(side->firewalls[i - 1], clock_ns(),
                                                               &datagram->packet) != FIREWALL_PASS)
            return false;
    }
    return true;
}

static void note_left(uint32_t side, const struct addr *destination)
{
    uint64_t number = run.count++;
    if (addr_equal(destination, &run.side[1 - side].mapped) && number < run.seen.left[side])
        run.seen.left[side] = number;
}

static void note_arrived(uint32_t side, const struct addr *destination)
{
    uint64_t number = run.count++;
    if (addr_equal(destination, &run.side[side].mapped) && number < run.seen.arrived[side])
        run.seen.arrived[side] = number;
}

/*
 * Half-way, at the routers in front of both: out as far as the NAT that turns it, and in again,
 * also through its firewall, which is on its inner side. Without a NAT among them there is nothing
 * to go out to: the innermost of them knows the way.
 */
static bool turn_back(struct datagram *datagram)
{
    struct flooder *from = &run.side[datagram->from];
    struct flooder *to = &run.side[1 - datagram->from];
    const struct addr aimed = datagram->packet.destination;
    if (!run.turning) {
        datagram->turned = true;
        return true;
    }
    note_left(datagram->from, &aimed);
    note_arrived(1u - datagram->from, &aimed);
    if (!go_out(from, from->count - run.shared, from->count, datagram) || !datagram->turned)
        return false;
    uint32_t beyond = from->count - datagram->level; /* the turning layer and those outside of it */
    uint32_t turning = to->count - beyond;
    if (to->firewalls[turning] != NULL &&
        firewall_inbound(to->firewalls[turning], clock_ns(), &datagram->packet) != FIREWALL_PASS)
        return false;
    return go_in(to, to->count - run.shared, turning, datagram);
}

static void send_one(uint32_t index, const struct addr *to)
{
    struct flooder *side = &run.side[index];
    struct datagram datagram = {
        .packet = {.protocol = NAT_UDP, .source = side->inside, .destination = *to},
        .from = (uint8_t)index,
        .acknowledges = side->heard,
    };
    if (!go_out(side, 0, side->count - run.shared, &datagram))
        return;
    if (!run.turning)
        note_left(index, to);
    later(run.shared == 0 ? run.peer : run.peer / 2, &datagram);
}

static void receive(uint32_t index, const struct datagram *datagram)
{
    struct flooder *side = &run.side[index];
    if (!addr_equal(&datagram->packet.destination, &side->inside))
        return;
    if (!side->heard)
        side->fresh = true;
    side->heard = true;
    if (datagram->acknowledges && side->trip == UINT64_MAX)
        side->trip = run.now;
    uint32_t i = 0;
    while (i < side->known_count && !addr_equal(&side->known[i], &datagram->packet.source))
        i++;
    if (i < side->known_count || i == KNOWN_MAX)
        return;
    side->known[side->known_count++] = datagram->packet.source;
    side->fresh = true;
}

static void happen(struct datagram *datagram)
{
    uint32_t to = 1u - datagram->from;
    struct flooder *side = &run.side[to];
    if (!run.turning && (run.shared == 0 || datagram->turned))
        note_arrived(to, &datagram->packet.destination);
    if (run.shared == 0) {
        if (go_in(side, 0, side->count, datagram))
            receive(to, datagram);
    } else if (!datagram->turned) {
        if (turn_back(datagram))
            later(run.peer - run.peer / 2, datagram);
    } else if (go_in(side, 0, side->count - run.shared, datagram)) {
        receive(to, datagram);
    }
}

static void send_all(uint32_t index)
{
    struct flooder *side = &run.side[index];
    if (side->silent && !side->heard)
        return;
    for (uint32_t i = 0; i < side->known_count; i++)
        send_one(index, &side->known[i]);
}

/* One client's routers; those in common are the first side's. */
static void open_flooder(uint32_t index, const struct oracle_pair *pair)
{
    struct flooder *side = &run.side[index];
    const struct oracle_side *plan = &pair->side[index];
    uint8_t seed[RANDOM_SEED_SIZE] = {(uint8_t)(index + 1)};
    *side = (struct flooder){.count = plan->count, .trip = UINT64_MAX};
    side->inside = addr_v4(plan->count > 0 ? 0x0a000005 + index : 0xcb007180 + index, 51940);
    for (uint32_t i = 0; i < plan->count; i++) {
        const struct oracle_layer *layer = &plan->layers[i];
        if (index == 1 && i >= plan->count - pair->shared) {
            uint32_t same = run.side[0].count - (plan->count - i);
            side->nats[i] = run.side[0].nats[same];
            side->firewalls[i] = run.side[0].firewalls[same];
            continue;
        }
        bool outermost = i + 1 == plan->count;
        uint32_t base = outermost ? 0xcb007100 : 0x64400000 + 0x10000 * i;
        struct addr pool[2];
        for (uint32_t k = 0; k < 2; k++)
            pool[k] = addr_v4(base + 16 * index + 2 * i + k + 1, 0);
        seed[1] = (uint8_t)i;
        if (layer->nat != NULL)
            side->nats[i] =
                nat_create(layer->nat, pool, layer->nat->one_to_one ? 2 : 1, seed, "pair", 4);
        if (layer->firewall != NULL)
            side->firewalls[i] = firewall_create(layer->firewall, 1);
    }
}

/* A host behind routers of which none translates has an address that everybody can use. */
static void name_inside(uint32_t index)
{
    struct flooder *side = &run.side[index];
    bool translated = false;
    for (uint32_t i = 0; i < side->count; i++)
        translated = translated || side->nats[i] != NULL;
    if (!translated)
        side->inside = addr_v4(0xcb007180 + index, 51940);
}

static void close_flooders(uint32_t shared)
{
    for (uint32_t index = 0; index < 2; index++) {
        struct flooder *side = &run.side[index];
        for (uint32_t i = 0; i < side->count - (index == 1 ? shared : 0); i++) {
            if (side->nats[i] != NULL)
                nat_destroy(side->nats[i]);
            if (side->firewalls[i] != NULL)
                firewall_destroy(side->firewalls[i]);
        }
    }
}

static void register_side(uint32_t index)
{
    struct flooder *side = &run.side[index];
    struct datagram datagram = {
        .packet = {.protocol = NAT_UDP,
                   .source = side->inside,
                   .destination = addr_v4(0xc6336401, 51941)},
    };
    assert_true(go_out(side, 0, side->count, &datagram));
    side->mapped = datagram.packet.source;
}

/*
 * Steps until both sides have had a round trip; UINT64_MAX when they do not get it within `limit`.
 * `silent` has the bits of the sides that wait until they are heard.
 */
static uint64_t flood(const struct oracle_pair *pair, uint64_t limit, uint32_t silent)
{
    memset(run.ring_count, 0, sizeof run.ring_count);
    run.shared = pair->shared;
    run.peer = pair->peer_ns / MS;
    run.now = 0;
    run.count = 0;
    run.seen =
        (struct oracle_pair_seen){{ORACLE_NEVER, ORACLE_NEVER}, {ORACLE_NEVER, ORACLE_NEVER}};
    const uint64_t caller_ns = pair->delay_ns[0] + pair->homes_ns;
    const uint64_t told[2] = {2 * caller_ns / MS, (caller_ns + pair->delay_ns[1]) / MS};
    for (uint32_t i = 0; i < 2; i++) {
        open_flooder(i, pair);
        name_inside(i);
        register_side(i);
        run.side[i].silent = (silent >> i & 1) != 0;
    }
    run.turning = false;
    for (uint32_t i = run.side[0].count - run.shared; i < run.side[0].count; i++)
        run.turning = run.turning || run.side[0].nats[i] != NULL;
    uint64_t result = UINT64_MAX;
    for (; run.now <= limit && result == UINT64_MAX; run.now++) {
        for (uint32_t i = 0; i < 2; i++) {
            struct flooder *side = &run.side[i];
            if (run.now == told[i]) {
                /* It may have been heard before, from this very address or another. */
                bool known = false;
                for (uint32_t k = 0; k < side->known_count; k++)
                    known = known || addr_equal(&side->known[k], &run.side[1 - i].mapped);
                if (!known && side->known_count < KNOWN_MAX)
                    side->known[side->known_count++] = run.side[1 - i].mapped;
            }
            send_all(i);
        }
        uint64_t slot = run.now % RING;
        /* Where both meet half-way, each packet of a step comes before and after the other's. */
        for (uint32_t i = 0; run.shared > 0 && i < run.ring_count[slot]; i++) {
            struct datagram copy = run.ring[slot][i];
            if (!copy.turned)
                happen(&copy);
        }
        for (uint32_t i = 0; i < run.ring_count[slot]; i++)
            happen(&run.ring[slot][i]);
        run.ring_count[slot] = 0;
        for (uint32_t i = 0; i < 2; i++) {
            if (run.side[i].fresh)
                send_all(i);
            run.side[i].fresh = false;
        }
        if (run.side[0].trip != UINT64_MAX && run.side[1].trip != UINT64_MAX)
            result = run.now;
    }
    close_flooders(pair->shared);
    return result;
}

/*
 * Holds the oracle against a flood; false, with a line that says so, when they differ. An order is
 * also brought about: by silence where the other has to be heard first.
 */
static bool agree(const struct oracle_pair *pair, const char *what)
{
    struct oracle_pair_says says = oracle_pair(pair);
    uint64_t limit =
        2 * (pair->delay_ns[0] + pair->homes_ns + pair->delay_ns[1]) / MS + 12 * pair->peer_ns / MS;
    uint64_t steps = flood(pair, limit, 0);
    bool direct = says.verdict == ORACLE_DIRECT;
    if (says.verdict == ORACLE_ORDER)
        direct = oracle_order_met(&says, &run.seen);
    if (says.verdict == ORACLE_ORDER && says.order == ORACLE_ORDER_HEARD && !direct &&
        steps == UINT64_MAX) {
        steps = flood(pair, limit, (uint32_t)says.order_sides ^ 3u);
        direct = oracle_order_met(&says, &run.seen);
    }
    uint64_t wanted = direct ? says.direct_ns / MS : UINT64_MAX;
    if (steps == wanted)
        return true;
    print_message("%s, delays %u %u %u: the oracle says %s %lld, the NATs %lld\n", what,
                  (unsigned)(pair->delay_ns[0] / MS), (unsigned)(pair->delay_ns[1] / MS),
                  (unsigned)(pair->peer_ns / MS), oracle_verdict_name(says.verdict),
                  (long long)wanted, (long long)steps);
    return false;
}

/* Delays in units of their own, so that few steps are needed. */
static const uint64_t short_triples[4][3] = {{4, 6, 7}, {5, 5, 1}, {2, 16, 15}, {5, 5, 2}};

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
