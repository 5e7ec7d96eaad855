/* The ideal flood between two sides: facts in the order of their times. */
#include "sim/oracle_pair_ideal.h"

#include "core/base/check.h"

/* In the order in which they count where several are true at once. */
enum fact { FACT_NONE, FACT_KNOWN, FACT_HEARD, FACT_BOUND, FACT_ARRIVED, FACT_KNOWN_LATE };

struct next {
    enum fact fact;
    uint32_t side; /* whom it happens to */
    uint32_t own;
    uint32_t other;
    uint64_t time_ns;
};

/* Where a trapped side with one mapping at the trap is moved to; that port has no other use. */
static uint32_t moved_port(const struct flood_side *side, uint32_t other)
{
    return side->effect->mapping == NAT_MAPPING_ADM ? other + 2 : other + 1;
}

/* What comes from the other's port is lost at an own one, once that is spoilt. */
static bool loses(const struct flood_side *side, uint32_t own, uint32_t other)
{
    if (side->effect->trap_mapping != NAT_MAPPING_EIM)
        return own == 0;
    return own != moved_port(side, other);
}

static uint32_t port_towards(const struct flood_side *side, uint32_t other)
{
    if (side->bound[other])
        return side->path[other];
    if (side->spoilt[other] && side->effect->trap_mapping == NAT_MAPPING_EIM)
        return moved_port(side, other);
    switch (side->effect->mapping) {
    case NAT_MAPPING_EIM:
        return 0;
    case NAT_MAPPING_ADM:
        return 1;
    default:
        return other + 1;
    }
}

static bool same_key(uint8_t key, uint32_t p, uint32_t q)
{
    if (key == NAT_MAPPING_EIM)
        return true;
    return key == NAT_MAPPING_ADM ? (p == 0) == (q == 0) : p == q;
}

/* When a side begins to send to a port of the other's, by whichever of its own. */
static uint64_t sends_ns(const struct flood_side *side, uint32_t other)
{
    uint64_t known_ns = side->known_ns[other];
    return side->silent && known_ns < side->met_ns ? side->met_ns : known_ns;
}

/*
 * When something first opens a filter for the other's port at an own one. Where ports are chosen
 * half-way, those further in know of only one.
 */
static uint64_t opened_ns(const struct flood_side *side, const struct filter *filter, uint32_t own,
                          uint32_t other)
{
    bool inner = side->behind_ns > 0 && filter->place == PLACE_OWN;
    uint64_t best_ns = ORACLE_NEVER;
    for (uint32_t q = 0; q < PORTS; q++) {
        if (filter->depth != NAT_FILTERING_ADF && q != other)
            continue;
        if (inner && sends_ns(side, q) < best_ns)
            best_ns = sends_ns(side, q);
        for (uint32_t p = 0; p < PORTS && !inner; p++)
            if (same_key(filter->key, p, own) && side->flows[p][q].from_ns < best_ns)
                best_ns = side->flows[p][q].from_ns;
    }
    return best_ns;
}

/*
 * When a side can first get what its filters admit, from the other's port at an own one. A filter
 * half-way admits what comes there after what opens it, and that is received later by as much as
 * the two have still to go: all of the way, together.
 */
static uint64_t permitted_ns(const struct flood_side *side, uint32_t own, uint32_t other,
                             uint64_t peer_ns)
{
    uint64_t all_ns = 0;
    for (uint32_t i = 0; i < side->effect->filter_count; i++) {
        const struct filter *filter = &side->effect->filters[i];
        uint64_t one_ns = opened_ns(side, filter, own, other);
        if (one_ns != ORACLE_NEVER && filter->place != PLACE_OWN)
            one_ns += peer_ns;
        if (one_ns > all_ns)
            all_ns = one_ns;
    }
    return all_ns;
}

static void prefer(struct next *best, struct next candidate)
{
    bool sooner = candidate.time_ns < best->time_ns ||
                  (candidate.time_ns == best->time_ns && candidate.fact < best->fact);
    if (candidate.time_ns != ORACLE_NEVER && (best->fact == FACT_NONE || sooner))
        *best = candidate;
}

/* What the other side's flow from `other` to our port `own` brings about next. */
static void consider_flow(const struct flood *flood, uint32_t index, uint32_t own, uint32_t other,
                          struct next *best)
{
    const struct flood_side *side = &flood->side[index];
    const struct flow *flow = &flood->side[1 - index].flows[other][own];
    if (flow->from_ns == ORACLE_NEVER || flow->heard_ns != ORACLE_NEVER)
        return;
    uint64_t first_ns = flow->from_ns + flood->peer_ns;
    uint64_t last_ns =
        flow->until_ns == ORACLE_NEVER ? ORACLE_NEVER : flow->until_ns + flood->peer_ns;
    bool lost = side->spoilt[other] && loses(side, own, other);
    uint64_t time_ns = permitted_ns(side, own, other, flood->peer_ns);
    if (time_ns < first_ns)
        time_ns = first_ns;
    if (!lost && time_ns < last_ns)
        prefer(best, (struct next){FACT_HEARD, index, own, other, time_ns});
    if (side->first_binds && !side->bound[other])
        prefer(best, (struct next){FACT_BOUND, index, own, other, first_ns});
    if (side->traps && own == 0 && !flow->arrived)
        prefer(best, (struct next){FACT_ARRIVED, index, own, other, first_ns});
}

static struct next next_fact(const struct flood *flood)
{
    struct next best = {.fact = FACT_NONE, .time_ns = ORACLE_NEVER};
    for (uint32_t i = 0; i < 2; i++) {
        const struct flood_side *side = &flood->side[i];
        for (uint32_t other = 0; other < PORTS; other++) {
            uint64_t known_ns = sends_ns(side, other);
            if (known_ns != ORACLE_NEVER)
                known_ns += side->behind_ns;
            bool late = side->behind_ns > 0 && i != flood->sooner;
            enum fact known = late ? FACT_KNOWN_LATE : FACT_KNOWN;
            if (!side->sending[other])
                prefer(&best, (struct next){known, i, 0, other, known_ns});
            for (uint32_t own = 0; own < PORTS; own++)
                consider_flow(flood, i, own, other, &best);
        }
    }
    return best;
}

static void start_flow(struct flood_side *side, uint32_t own, uint32_t other, uint64_t now_ns)
{
    if (own < PORTS && side->flows[own][other].from_ns == ORACLE_NEVER)
        side->flows[own][other].from_ns = now_ns;
}

/* What a packet that the NAT of the session admits does there. */
static void bind_session(struct flood_side *side, const struct next *next)
{
    uint8_t session = side->effect->session;
    if (next->time_ns < side->met_ns)
        side->met_ns = next->time_ns;
    bool binds =
        side->effect->mapping != NAT_MAPPING_EIM &&
        (session == NAT_SESSION_PIN || (session == NAT_SESSION_FIRST && !side->bound[next->other]));
    if (!binds)
        return;
    /* A flow by the mapping rule ends; flows of several pinned mappings go on side by side, since
     * the other keeps coming in by all of them. */
    uint32_t before = port_towards(side, next->other);
    uint64_t left_ns = next->time_ns - side->behind_ns;
    if (side->sending[next->other] && !side->bound[next->other] && before != next->own &&
        before < PORTS)
        side->flows[before][next->other].until_ns = left_ns;
    side->bound[next->other] = true;
    side->path[next->other] = (uint8_t)next->own;
    if (side->sending[next->other])
        start_flow(side, next->own, next->other, left_ns);
}

/* An admitted packet: the session model first, then what the client makes of it. */
static void hear(struct flood *flood, const struct next *next)
{
    struct flood_side *side = &flood->side[next->side];
    flood->side[1 - next->side].flows[next->other][next->own].heard_ns = next->time_ns;
    if (next->time_ns < side->heard_ns)
        side->heard_ns = next->time_ns;
    bind_session(side, next);
    if (flood->learns && next->time_ns < side->known_ns[next->other])
        side->known_ns[next->other] = next->time_ns;
}

static void apply(struct flood *flood, const struct next *next)
{
    struct flood_side *side = &flood->side[next->side];
    check(next->other < PORTS);
    if (next->fact == FACT_HEARD) {
        hear(flood, next);
    } else if (next->fact == FACT_BOUND) {
        bind_session(side, next);
    } else if (next->fact == FACT_KNOWN || next->fact == FACT_KNOWN_LATE) {
        uint32_t own = port_towards(side, next->other);
        side->sending[next->other] = true;
        start_flow(side, own, next->other, next->time_ns - side->behind_ns);
        if (side->effect->session == NAT_SESSION_FIRST && own < PORTS) {
            side->bound[next->other] = true;
            side->path[next->other] = (uint8_t)own;
        }
    } else {
        /* It was not admitted, or it would have been heard before: that comes first in a tie. */
        flood->side[1 - next->side].flows[next->other][0].arrived = true;
        bool ours = side->flows[0][next->other].from_ns != ORACLE_NEVER;
        bool heard = flood->side[1 - next->side].flows[next->other][0].heard_ns != ORACLE_NEVER;
        if (!ours && !heard)
            side->spoilt[next->other] = true;
    }
}

/*
 * When a side has had a round trip: when something reaches it that the other sent after it had
 * heard this side. Acknowledgements count wherever they come from.
 */
static uint64_t round_trip_ns(const struct flood *flood, uint32_t index)
{
    const struct flood_side *other = &flood->side[1 - index];
    uint64_t best_ns = ORACLE_NEVER;
    if (other->heard_ns == ORACLE_NEVER)
        return best_ns;
    for (uint32_t p = 0; p < PORTS; p++) {
        for (uint32_t q = 0; q < PORTS; q++) {
            const struct flow *flow = &other->flows[p][q];
            if (flow->heard_ns == ORACLE_NEVER)
                continue;
            bool over = flow->until_ns <= other->heard_ns;
            uint64_t time_ns = other->heard_ns + flood->peer_ns;
            if (time_ns < flow->heard_ns)
                time_ns = flow->heard_ns;
            if (!over && time_ns < best_ns)
                best_ns = time_ns;
        }
    }
    return best_ns;
}

uint64_t flood_ns(struct flood *flood, const uint64_t told_ns[static 2])
{
    for (uint32_t i = 0; i < 2; i++) {
        struct flood_side *side = &flood->side[i];
        side->heard_ns = ORACLE_NEVER;
        side->met_ns = ORACLE_NEVER;
        for (uint32_t p = 0; p < PORTS; p++) {
            side->known_ns[p] = p == 0 ? told_ns[i] : ORACLE_NEVER;
            for (uint32_t q = 0; q < PORTS; q++) {
                struct flow none = {ORACLE_NEVER, ORACLE_NEVER, ORACLE_NEVER, false};
                side->flows[p][q] = none;
            }
        }
    }
    /* Each fact happens once. */
    for (uint32_t i = 0; i < 2 * (PORTS + 2 * PORTS * PORTS); i++) {
        struct next next = next_fact(flood);
        if (next.fact == FACT_NONE)
            break;
        apply(flood, &next);
    }
    uint64_t caller_ns = round_trip_ns(flood, ORACLE_CALLER);
    uint64_t callee_ns = round_trip_ns(flood, ORACLE_CALLEE);
    return caller_ns > callee_ns ? caller_ns : callee_ns;
}
