/*
 * What the pair oracle's test files share: two clients that flood through real NATs and firewalls,
 * and the oracle held against them. Routers of one client alone are next to it; those in front of
 * both are half-way.
 */
#ifndef WARREN_SIM_ORACLE_PAIR_TEST_H
#define WARREN_SIM_ORACLE_PAIR_TEST_H

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

/* A class of the textbook, small enough to be made by the thousand. */
static inline struct nat_config class_config(uint32_t class, uint8_t scope, uint8_t session)
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

static inline struct oracle_pair pair_of(const struct oracle_layer *a, uint32_t a_count,
                                         const struct oracle_layer *b, uint32_t b_count,
                                         const uint64_t triple[3])
{
    return (struct oracle_pair){
        .side = {{a, a_count}, {b, b_count}},
        .delay_ns = {triple[0] * MS, triple[1] * MS},
        .peer_ns = triple[2] * MS,
    };
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
    bool silent;     /* sends nothing whole before the other's has come to its NAT */
    uint32_t knocks; /* but as far as this layer, the first that may have sessions */
    bool heard;      /* something of the other's has come */
    bool fresh;      /* it has learned or heard something in this step */
    uint64_t trip;   /* the step of its first round trip */
};

struct datagram {
    struct nat_packet packet;
    uint8_t from;
    bool turned;       /* at a NAT in front of both */
    uint32_t level;    /* of the sender's layers, how many it has passed */
    bool acknowledges; /* the sender had heard the other */
    bool registered;   /* sent to the address that the other registered with */
};

struct flood_run {
    struct flooder side[2];
    uint32_t shared;
    bool turning;                           /* there is a NAT among those */
    uint32_t sooner;                        /* the side that sends first of two at the same time */
    struct datagram ring[RING][FLIGHT_MAX]; /* by the step in which something happens */
    uint32_t ring_count[RING];
    uint64_t peer; /* steps */
    uint64_t now;
    uint64_t count;               /* of events, for the order */
    struct oracle_pair_seen seen; /* at the NATs of each side alone */
    struct oracle_pair_seen met;  /* at the one in front of both */
};

static struct flood_run run;

/* All floods begin a second after the registration, and a step is a millisecond. */
static inline uint64_t clock_ns(void)
{
    return 1000 * MS + run.now * MS;
}

static inline void later(uint64_t steps, const struct datagram *datagram)
{
    assert_true(steps < RING);
    uint64_t slot = (run.now + steps) % RING;
    assert_true(run.ring_count[slot] < FLIGHT_MAX);
    run.ring[slot][run.ring_count[slot]++] = *datagram;
}

/* Outwards through layers [from, to). False: dropped. A hairpin stops at its layer. */
static inline bool go_out(struct flooder *side, uint32_t from, uint32_t to,
                          struct datagram *datagram)
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
static inline bool go_in(struct flooder *side, uint32_t low, uint32_t high,
                         struct datagram *datagram)
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

static inline void note(uint64_t *first, const struct datagram *datagram)
{
    uint64_t number = run.count++;
    if (datagram->registered && number < *first)
        *first = number;
}

/*
 * Half-way, at the routers in front of both: out as far as the NAT that turns it, and in again; its
 * firewall has seen it on its way out and does not see it again. Without a NAT among them there is
 * nothing to go out to: the innermost of them knows the way.
 */
static inline bool turn_back(struct datagram *datagram)
{
    struct flooder *from = &run.side[datagram->from];
    struct flooder *to = &run.side[1 - datagram->from];
    if (!run.turning) {
        datagram->turned = true;
        return true;
    }
    note(&run.met.left[datagram->from], datagram);
    note(&run.met.arrived[1 - datagram->from], datagram);
    if (!go_out(from, from->count - run.shared, from->count, datagram) || !datagram->turned)
        return false;
    uint32_t beyond = from->count - datagram->level; /* the turning layer and those outside of it */
    uint32_t turning = to->count - beyond;
    return go_in(to, to->count - run.shared, turning, datagram);
}

static inline void send_one(uint32_t index, const struct addr *to)
{
    struct flooder *side = &run.side[index];
    struct datagram datagram = {
        .packet = {.protocol = NAT_UDP, .source = side->inside, .destination = *to},
        .from = (uint8_t)index,
        .acknowledges = side->heard,
        .registered = addr_equal(to, &run.side[1 - index].mapped),
    };
    if (!go_out(side, 0, side->count - run.shared, &datagram))
        return;
    note(&run.seen.left[index], &datagram);
    later(run.shared == 0 ? run.peer : run.peer / 2, &datagram);
}

static inline void receive(uint32_t index, const struct datagram *datagram)
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

static inline void happen(struct datagram *datagram)
{
    uint32_t to = 1u - datagram->from;
    struct flooder *side = &run.side[to];
    if (run.shared == 0 || datagram->turned) {
        note(&run.seen.arrived[to], datagram);
        side->fresh = true;
    }
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

/* What opens the routers in front of that layer, and ends there. */
static inline void knock(struct flooder *side, const struct addr *to)
{
    struct datagram datagram = {
        .packet = {.protocol = NAT_UDP, .source = side->inside, .destination = *to}};
    go_out(side, 0, side->knocks, &datagram);
}

static inline void send_all(uint32_t index)
{
    struct flooder *side = &run.side[index];
    uint64_t met = run.seen.arrived[index];
    if (side->silent && met == ORACLE_NEVER) {
        for (uint32_t i = 0; i < side->known_count; i++)
            knock(side, &side->known[i]);
        return;
    }
    for (uint32_t i = 0; i < side->known_count; i++)
        send_one(index, &side->known[i]);
}

/* Whether a layer has no NAT, or one that keeps an endpoint for all remotes. */
static inline bool has_one_endpoint(const struct oracle_side *side, uint32_t layer)
{
    const struct nat_config *nat = side->layers[layer].nat;
    return nat == NULL || nat->one_to_one || nat->ports == NAT_PORTS_OVERLOADED ||
           nat->mapping == NAT_MAPPING_EIM;
}

/* One client's routers; those in common are the first side's. */
static inline void open_flooder(uint32_t index, const struct oracle_pair *pair)
{
    struct flooder *side = &run.side[index];
    const struct oracle_side *plan = &pair->side[index];
    uint8_t seed[RANDOM_SEED_SIZE] = {(uint8_t)(index + 1)};
    *side = (struct flooder){.count = plan->count, .trip = UINT64_MAX};
    side->inside = addr_v4(plan->count > 0 ? 0x0a000005 + index : 0xcb007180 + index, 51940);
    while (side->knocks < plan->count - pair->shared && has_one_endpoint(plan, side->knocks))
        side->knocks++;
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
        size_t addresses = layer->nat != NULL && layer->nat->one_to_one ? 2 : 1;
        if (layer->nat != NULL)
            side->nats[i] = nat_create(layer->nat, pool, addresses, seed, "pair", 4);
        if (layer->firewall != NULL)
            side->firewalls[i] = firewall_create(layer->firewall, 1);
    }
}

/*
 * A host behind routers of which none translates has an address that everybody can use. Two with
 * homes of their own have ports of their own: a NAT that overloads would give both the same.
 */
static inline void name_inside(uint32_t index, bool same_home)
{
    struct flooder *side = &run.side[index];
    if (!same_home)
        side->inside.port = (uint16_t)(51940 + index);
    bool translated = false;
    for (uint32_t i = 0; i < side->count; i++)
        translated = translated || side->nats[i] != NULL;
    if (!translated)
        side->inside = addr_v4(0xcb007180 + index, side->inside.port);
}

static inline void close_flooders(uint32_t shared)
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

/* At the home of both, or each at its own. */
static inline void register_side(uint32_t index, bool same_home)
{
    struct flooder *side = &run.side[index];
    struct datagram datagram = {
        .packet = {.protocol = NAT_UDP,
                   .source = side->inside,
                   .destination = addr_v4(0xc6336401 + (same_home ? 0 : index), 51941)},
    };
    assert_true(go_out(side, 0, side->count, &datagram));
    side->mapped = datagram.packet.source;
}

/*
 * Steps until both sides have had a round trip; UINT64_MAX when they do not get it within `limit`.
 * `silent` has the bits of the sides that wait until they are heard.
 */
static inline uint64_t flood(const struct oracle_pair *pair, uint64_t limit, uint32_t silent)
{
    memset(run.ring_count, 0, sizeof run.ring_count);
    run.shared = pair->shared;
    run.peer = pair->peer_ns / MS;
    run.now = 0;
    run.count = 0;
    run.seen =
        (struct oracle_pair_seen){{ORACLE_NEVER, ORACLE_NEVER}, {ORACLE_NEVER, ORACLE_NEVER}};
    run.met = run.seen;
    const uint64_t caller_ns = pair->delay_ns[0] + pair->homes_ns;
    const uint64_t told[2] = {2 * caller_ns / MS, (caller_ns + pair->delay_ns[1]) / MS};
    for (uint32_t i = 0; i < 2; i++) {
        open_flooder(i, pair);
        name_inside(i, pair->homes_ns == 0);
        register_side(i, pair->homes_ns == 0);
        run.side[i].silent = (silent >> i & 1) != 0;
    }
    run.turning = false;
    for (uint32_t i = run.side[0].count - run.shared; i < run.side[0].count; i++)
        run.turning = run.turning || run.side[0].nats[i] != NULL;
    uint64_t result = UINT64_MAX;
    for (; run.now <= limit && result == UINT64_MAX; run.now++) {
        for (uint32_t k = 0; k < 2; k++) {
            uint32_t i = k ^ run.sooner;
            struct flooder *side = &run.side[i];
            if (run.now == told[i]) {
                /* It may have been heard before, from this very address or another. */
                bool known = false;
                for (uint32_t n = 0; n < side->known_count; n++)
                    known = known || addr_equal(&side->known[n], &run.side[1 - i].mapped);
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
 * The better of the two orders in which packets may meet half-way, where there is such a place.
 * Leaves in `run` what that one has seen.
 */
static inline uint64_t flood_best(const struct oracle_pair *pair, uint64_t limit, uint32_t silent)
{
    run.sooner = ORACLE_CALLER;
    uint64_t steps = flood(pair, limit, silent);
    if (pair->shared == 0)
        return steps;
    run.sooner = ORACLE_CALLEE;
    uint64_t other = flood(pair, limit, silent);
    if (other <= steps)
        return other;
    run.sooner = ORACLE_CALLER;
    return flood(pair, limit, silent);
}

/* What was seen at the NATs that decide. */
static inline bool order_met(const struct oracle_pair_says *says)
{
    struct oracle_pair_seen seen = run.seen;
    for (uint32_t i = 0; i < 2; i++) {
        if ((says->order_shared >> i & 1) == 0)
            continue;
        seen.left[i] = run.met.left[i];
        seen.arrived[i] = run.met.arrived[i];
    }
    return oracle_order_met(says, &seen);
}

/*
 * Holds the oracle against a flood; false, with a line that says so, when they differ. An order is
 * also brought about: by silence where the other has to be heard first.
 */
static inline bool agree(const struct oracle_pair *pair, const char *what)
{
    struct oracle_pair_says says = oracle_pair(pair);
    uint64_t limit =
        2 * (pair->delay_ns[0] + pair->homes_ns + pair->delay_ns[1]) / MS + 12 * pair->peer_ns / MS;
    uint64_t steps = flood_best(pair, limit, 0);
    bool direct = says.verdict == ORACLE_DIRECT;
    if (says.verdict == ORACLE_ORDER)
        direct = order_met(&says);
    if (says.verdict == ORACLE_ORDER && says.order == ORACLE_ORDER_HEARD && !direct &&
        steps == UINT64_MAX) {
        steps = flood_best(pair, limit, (uint32_t)says.order_sides ^ 3u);
        direct = order_met(&says);
    }
    uint64_t wanted = direct ? says.direct_ns / MS : UINT64_MAX;
    if (steps == wanted)
        return true;
    print_message("%s, delays %u %u %u homes %u: the oracle says %s %lld, the NATs %lld\n", what,
                  (unsigned)(pair->delay_ns[0] / MS), (unsigned)(pair->delay_ns[1] / MS),
                  (unsigned)(pair->peer_ns / MS), (unsigned)(pair->homes_ns / MS),
                  oracle_verdict_name(says.verdict), (long long)wanted, (long long)steps);
    return false;
}

/* Delays in units of their own, so that few steps are needed. */
static const uint64_t short_triples[4][3] = {{4, 6, 7}, {5, 5, 1}, {2, 16, 15}, {5, 5, 2}};

#endif
