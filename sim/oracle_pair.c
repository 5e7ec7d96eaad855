/* What any protocol could reach between two clients, why, and how soon. */
#include "sim/oracle_pair.h"

#include <stddef.h>

#include "core/base/check.h"

enum {
    HOME_PORT = 51941,
    PEER_PORT = 50000,   /* stands for any port that a peer may be seen with */
    CLIENT_PORT = 51940, /* stands for a client's own; rules rarely name it */
    FILTERS_MAX = 2 * ORACLE_LAYERS_MAX,
};

/* ---- One side, as the other one sees it ------------------------------------------------------ */

/*
 * One filter on the way in. What was sent counts for all mappings of the client that agree in
 * `key`: all of them (EIM), those towards one address (ADM), or each for itself (APDM).
 */
struct filter {
    uint8_t depth; /* enum nat_filtering, never EIF */
    uint8_t key;   /* enum nat_mapping */
};

/* All layers in one. */
struct effect {
    struct filter filters[FILTERS_MAX];
    uint32_t filter_count;
    uint32_t inner_filters; /* those further in than the outermost NAT's own */
    uint8_t mapping;        /* enum nat_mapping */
    uint8_t filtering;      /* enum nat_filtering: of the strictest filter */
    uint8_t scope;          /* ENDPOINT when what was sent through any mapping counts for all */
    uint8_t session;        /* enum nat_session */
    bool trap;              /* a peer that is heard too early spoils the mapping towards it */
    bool jumps;             /* mappings towards different remotes may have different addresses */
    bool translated;        /* there is a NAT */
    bool registers;         /* UDP to and from its home passes */
    bool open;              /* UDP to and from a peer is not denied whatever was sent before */
};

enum passage {
    PASSAGE_DENIED,
    PASSAGE_ALLOWED,
    PASSAGE_BY_STATE, /* inbound: when the right thing was sent before */
};

static enum passage passage(const struct firewall_config *firewall,
                            enum firewall_direction direction, uint16_t remote_port)
{
    for (uint32_t i = 0; i < firewall->rule_count; i++) {
        const struct firewall_rule *rule = &firewall->rules[i];
        uint16_t port = rule->inside_port ? CLIENT_PORT : remote_port;
        bool concerned = (rule->direction == FIREWALL_EITHER || rule->direction == direction) &&
                         (rule->protocol == 0 || rule->protocol == NAT_UDP);
        if (concerned && rule->port_low <= port && port <= rule->port_high)
            return rule->allow ? PASSAGE_ALLOWED : PASSAGE_DENIED;
    }
    if (!firewall->stateful)
        return firewall->default_allow ? PASSAGE_ALLOWED : PASSAGE_DENIED;
    return direction == FIREWALL_INBOUND ? PASSAGE_BY_STATE : PASSAGE_ALLOWED;
}

/*
 * Filters in a row admit what each of them admits: the strictest one is a bound that is reached,
 * and the client's mappings share what was sent only if they do so for every filter. One further
 * out hides what it refuses from those further in, so it protects them from the trap: towards one
 * peer even an address-dependent one does, since it lets nothing through before the client has
 * sent, and a client with one mapping has then sent through that.
 */
static void add_filter(struct effect *effect, uint8_t depth, uint8_t key)
{
    check(depth <= NAT_FILTERING_APDF);
    if (depth == NAT_FILTERING_EIF)
        return;
    check(effect->filter_count < FILTERS_MAX);
    effect->filters[effect->filter_count++] = (struct filter){depth, key};
    if (depth > effect->filtering)
        effect->filtering = depth;
    if (key != NAT_MAPPING_EIM)
        effect->scope = NAT_SCOPE_MAPPING;
    effect->trap = false;
}

/* A firewall keeps what was sent by the endpoint that it sees, which the NATs inside of it made. */
static void add_firewall(struct effect *effect, const struct firewall_config *firewall,
                         uint16_t server_port)
{
    if (passage(firewall, FIREWALL_OUTBOUND, server_port) == PASSAGE_DENIED ||
        passage(firewall, FIREWALL_INBOUND, server_port) == PASSAGE_DENIED)
        effect->registers = false;
    enum passage in = passage(firewall, FIREWALL_INBOUND, PEER_PORT);
    if (in == PASSAGE_DENIED || passage(firewall, FIREWALL_OUTBOUND, PEER_PORT) == PASSAGE_DENIED)
        effect->open = false;
    if (in == PASSAGE_BY_STATE)
        add_filter(effect, firewall->filtering, effect->mapping);
}

/*
 * One-to-one is endpoint-independent, and so is every mapping that keeps the port by overloading.
 */
static uint8_t mapping_of(const struct nat_config *nat)
{
    return nat->one_to_one || nat->ports == NAT_PORTS_OVERLOADED ? NAT_MAPPING_EIM : nat->mapping;
}

/*
 * Mappings compose by the strictest: a NAT sees one endpoint for the remotes that those inside of
 * it map alike, and different endpoints, which it maps differently, for all others.
 *
 * Sessions show only where the mapping depends on the remote. A reply leaves by the mapping that
 * the peer came in by only if every such NAT on its way out sees to that. Further out than the
 * first of them, each path to the peer comes from an endpoint of its own, so nothing was sent from
 * the registered one before the peer was heard there, and "the first wins" is won by the peer: the
 * innermost one decides between "first" and "pin".
 */
static void add_nat(struct effect *effect, const struct oracle_layer *layer)
{
    const struct nat_config *nat = layer->nat;
    uint8_t inner = effect->mapping;
    uint8_t mapping = mapping_of(nat);
    uint32_t pool = layer->external != 0 ? layer->external : nat->pool;
    if (mapping != NAT_MAPPING_EIM) {
        if (inner == NAT_MAPPING_EIM)
            effect->session = nat->session;
        else if (nat->session == NAT_SESSION_NOTHING)
            effect->session = NAT_SESSION_NOTHING;
    }
    if (mapping > effect->mapping)
        effect->mapping = mapping;
    effect->jumps = pool > 1 && !nat->one_to_one && nat->pooling == NAT_POOLING_ARBITRARY;
    effect->translated = true;
    effect->inner_filters = effect->filter_count;
    bool by_endpoint = nat->scope == NAT_SCOPE_ENDPOINT || nat->one_to_one;
    add_filter(effect, nat->filtering, by_endpoint ? inner : effect->mapping);
    if (nat->poison_ns != 0 && !nat->one_to_one && nat->filtering != NAT_FILTERING_EIF)
        effect->trap = true;
}

/* The first `count` layers of a side; what is further out counts only for its registration. */
static struct effect effect_of(const struct oracle_side *side, uint32_t count, uint16_t server_port)
{
    check(side->count <= ORACLE_LAYERS_MAX);
    check(count <= side->count);
    struct effect effect = {
        .scope = NAT_SCOPE_ENDPOINT,
        .registers = true,
        .open = true,
    };
    for (uint32_t i = 0; i < count; i++) {
        if (side->layers[i].firewall != NULL)
            add_firewall(&effect, side->layers[i].firewall, server_port);
        if (side->layers[i].nat != NULL)
            add_nat(&effect, &side->layers[i]);
    }
    struct effect beyond = {.filter_count = 0};
    beyond.registers = true;
    for (uint32_t i = count; i < side->count; i++)
        if (side->layers[i].firewall != NULL)
            add_firewall(&beyond, side->layers[i].firewall, server_port);
    effect.registers = effect.registers && beyond.registers;
    return effect;
}

/* ---- The verdict for two effects ------------------------------------------------------------- */

/* From worse to better. */
enum reach { REACH_NEVER, REACH_ORDER, REACH_ALWAYS };

/* docs/nat-model.md, with the session model "nothing" on both sides. */
static enum reach reach_base(const struct effect *x, const struct effect *y)
{
    bool x_one = x->mapping == NAT_MAPPING_EIM;
    bool y_one = y->mapping == NAT_MAPPING_EIM;
    if (x_one && y_one)
        return REACH_ALWAYS;
    if (x_one || y_one) {
        const struct effect *one = x_one ? x : y;
        return one->filtering == NAT_FILTERING_APDF ? REACH_NEVER : REACH_ALWAYS;
    }
    if (x->filtering == NAT_FILTERING_APDF || y->filtering == NAT_FILTERING_APDF)
        return REACH_NEVER;
    if (x->filtering == NAT_FILTERING_EIF || y->filtering == NAT_FILTERING_EIF)
        return REACH_ALWAYS;
    bool shared = x->scope == NAT_SCOPE_ENDPOINT || y->scope == NAT_SCOPE_ENDPOINT;
    return shared ? REACH_ALWAYS : REACH_NEVER;
}

/* The same page: what x's session model makes of y, which is heard at x's registered mapping. */
static enum reach reach_gain(const struct effect *x, const struct effect *y)
{
    if (x->mapping == NAT_MAPPING_EIM || y->filtering != NAT_FILTERING_APDF ||
        x->session == NAT_SESSION_NOTHING)
        return REACH_NEVER;
    bool shared = x->scope == NAT_SCOPE_ENDPOINT;
    bool pin = x->session == NAT_SESSION_PIN;
    if (y->mapping != NAT_MAPPING_EIM) {
        bool heard =
            x->filtering == NAT_FILTERING_EIF || (x->filtering == NAT_FILTERING_ADF && shared);
        return heard ? REACH_ALWAYS : REACH_NEVER;
    }
    if (x->filtering == NAT_FILTERING_EIF)
        return pin ? REACH_ALWAYS : REACH_ORDER;
    return pin && shared ? REACH_ALWAYS : REACH_NEVER;
}

static enum reach reach_of(const struct effect *x, const struct effect *y)
{
    enum reach best = reach_base(x, y);
    enum reach gains[2] = {reach_gain(x, y), reach_gain(y, x)};
    for (uint32_t i = 0; i < 2; i++)
        if (gains[i] > best)
            best = gains[i];
    return best;
}

/*
 * The same when y is heard at x's registered mapping before x has sent anything to y, and x falls
 * into the trap. What then comes from y's endpoint to that mapping is lost. A client with one
 * mapping is moved to a new port towards that endpoint: y gets through only if it can learn that
 * port, and if the endpoint is the one that it registered with, since x hears of no other. A client
 * with several has a mapping of its own for that endpoint in any case, and is left with what comes
 * in there.
 */
static enum reach reach_trapped(const struct effect *x, const struct effect *y)
{
    if (x->mapping == NAT_MAPPING_EIM) {
        bool learns = y->mapping == NAT_MAPPING_EIM && y->filtering != NAT_FILTERING_APDF;
        return learns ? REACH_ALWAYS : REACH_NEVER;
    }
    struct effect spoilt = *x;
    spoilt.scope = NAT_SCOPE_MAPPING;
    return reach_of(&spoilt, y);
}

/* When x's address changes from mapping to mapping, y's filter takes it for another host. */
static enum reach reach_jumping(const struct effect *x, const struct effect *y)
{
    struct effect stricter = *y;
    if (stricter.filtering == NAT_FILTERING_ADF)
        stricter.filtering = NAT_FILTERING_APDF;
    return reach_of(x, &stricter);
}

/* ---- Reasons --------------------------------------------------------------------------------- */

static const struct {
    uint8_t filtering, mapping, reason;
} against[] = {
    {NAT_FILTERING_APDF, NAT_MAPPING_APDM, ORACLE_REASON_APDM_AGAINST_APDF},
    {NAT_FILTERING_APDF, NAT_MAPPING_ADM, ORACLE_REASON_ADM_AGAINST_APDF},
    {NAT_FILTERING_ADF, NAT_MAPPING_APDM, ORACLE_REASON_APDM_AGAINST_ADF},
    {NAT_FILTERING_ADF, NAT_MAPPING_ADM, ORACLE_REASON_ADM_AGAINST_ADF},
};

/*
 * Why a pair that might be direct or not is not. Only what both sides' discoveries can find goes
 * into it: scope and session model do not, so the strictest are supposed. Of two directions the
 * stricter filter, then the stricter mapping, gives the name, so it does not depend on who calls.
 */
static uint8_t relayed_reason(const struct effect *x, const struct effect *y, bool turns)
{
    struct effect strict[2] = {*x, *y};
    for (uint32_t i = 0; i < 2; i++) {
        strict[i].scope = NAT_SCOPE_MAPPING;
        strict[i].session = NAT_SESSION_NOTHING;
    }
    if (reach_of(&strict[0], &strict[1]) == REACH_NEVER) {
        for (size_t i = 0; i < sizeof against / sizeof against[0]; i++) {
            for (uint32_t j = 0; j < 2; j++)
                if (strict[j].mapping == against[i].mapping &&
                    strict[1 - j].filtering == against[i].filtering)
                    return against[i].reason;
        }
    }
    if (!turns)
        return ORACLE_REASON_NO_HAIRPIN;
    if (x->trap || y->trap)
        return ORACLE_REASON_TRAP;
    return ORACLE_REASON_PROBES_UNANSWERED;
}

static bool is_public(const struct effect *effect)
{
    return !effect->translated && effect->filtering == NAT_FILTERING_EIF;
}

/* ---- The ideal flood ------------------------------------------------------------------------- */

/*
 * A model of its own, of facts that become true at some time and, but for one kind, stay true. A
 * side's external ports have numbers: 0 is the registered one, 1 + q the one that its mapping rule
 * gives for the other's port q (under ADM, 1 for all of them). A flow is a side sending from port p
 * to the other's port q without pause. Facts are taken in the order of their times, so what the
 * first packet between two endpoints fixes is fixed by the first.
 *
 * The exhaustive search needed ports nested to a depth of 3; more than 5 add nothing.
 */
enum { PORTS = 6 };

struct flow {
    uint64_t from_ns;  /* when its first packet leaves; ORACLE_NEVER: no flow */
    uint64_t until_ns; /* no packet leaves at or after that */
    uint64_t heard_ns; /* when the first packet is admitted at the other side */
    bool arrived;      /* the first packet has been judged by a NAT that has the trap */
};

struct flood_side {
    const struct effect *effect;
    struct flow flows[PORTS][PORTS]; /* from own port to the other's port */
    uint64_t known_ns[PORTS];        /* when it knows the other's port */
    bool sending[PORTS];
    bool bound[PORTS];   /* replies to this port leave by the session's mapping */
    uint8_t path[PORTS]; /* which is this one */
    bool spoilt[PORTS];  /* the trap: port 0 is lost for the other's port */
    uint64_t heard_ns;   /* the first packet from the other */
    bool silent;         /* does not send before it is heard */
};

struct flood {
    struct flood_side side[2];
    uint64_t peer_ns;
    bool learns; /* observed addresses can be sent to */
    bool traps;
};

enum fact { FACT_NONE, FACT_KNOWN, FACT_HEARD, FACT_ARRIVED };

struct next {
    enum fact fact;
    uint32_t side; /* whom it happens to */
    uint32_t own;
    uint32_t other;
    uint64_t time_ns;
};

static uint32_t port_towards(const struct flood_side *side, uint32_t other)
{
    if (side->bound[other])
        return side->path[other];
    switch (side->effect->mapping) {
    case NAT_MAPPING_EIM:
        return side->spoilt[other] ? other + 1 : 0;
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

/* When a side's filters admit the other's port at an own one. */
static uint64_t permitted_ns(const struct flood_side *side, uint32_t own, uint32_t other)
{
    uint64_t all_ns = 0;
    for (uint32_t i = 0; i < side->effect->filter_count; i++) {
        const struct filter *filter = &side->effect->filters[i];
        uint64_t one_ns = ORACLE_NEVER;
        for (uint32_t p = 0; p < PORTS; p++) {
            for (uint32_t q = 0; q < PORTS; q++) {
                bool counts = same_key(filter->key, p, own) &&
                              (filter->depth == NAT_FILTERING_ADF || q == other);
                if (counts && side->flows[p][q].from_ns < one_ns)
                    one_ns = side->flows[p][q].from_ns;
            }
        }
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
    bool lost = own == 0 && side->spoilt[other];
    uint64_t time_ns = permitted_ns(side, own, other);
    if (time_ns < first_ns)
        time_ns = first_ns;
    if (!lost && time_ns < last_ns)
        prefer(best, (struct next){FACT_HEARD, index, own, other, time_ns});
    if (flood->traps && side->effect->trap && own == 0 && !flow->arrived)
        prefer(best, (struct next){FACT_ARRIVED, index, own, other, first_ns});
}

static struct next next_fact(const struct flood *flood)
{
    struct next best = {.fact = FACT_NONE, .time_ns = ORACLE_NEVER};
    for (uint32_t i = 0; i < 2; i++) {
        const struct flood_side *side = &flood->side[i];
        for (uint32_t other = 0; other < PORTS; other++) {
            uint64_t known_ns = side->known_ns[other];
            if (side->silent && known_ns < side->heard_ns)
                known_ns = side->heard_ns;
            if (!side->sending[other])
                prefer(&best, (struct next){FACT_KNOWN, i, 0, other, known_ns});
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

/* An admitted packet: the session model first, then what the client makes of it. */
static void hear(struct flood *flood, const struct next *next)
{
    struct flood_side *side = &flood->side[next->side];
    uint8_t session = side->effect->session;
    flood->side[1 - next->side].flows[next->other][next->own].heard_ns = next->time_ns;
    if (next->time_ns < side->heard_ns)
        side->heard_ns = next->time_ns;
    bool binds =
        side->effect->mapping != NAT_MAPPING_EIM &&
        (session == NAT_SESSION_PIN || (session == NAT_SESSION_FIRST && !side->bound[next->other]));
    if (binds) {
        /* A flow by the mapping rule ends; flows of several pinned mappings go on side by side,
         * since the other keeps coming in by all of them. */
        uint32_t before = port_towards(side, next->other);
        if (side->sending[next->other] && !side->bound[next->other] && before != next->own &&
            before < PORTS)
            side->flows[before][next->other].until_ns = next->time_ns;
        side->bound[next->other] = true;
        side->path[next->other] = (uint8_t)next->own;
        if (side->sending[next->other])
            start_flow(side, next->own, next->other, next->time_ns);
    }
    if (flood->learns && next->time_ns < side->known_ns[next->other])
        side->known_ns[next->other] = next->time_ns;
}

static void apply(struct flood *flood, const struct next *next)
{
    struct flood_side *side = &flood->side[next->side];
    check(next->other < PORTS);
    if (next->fact == FACT_HEARD) {
        hear(flood, next);
    } else if (next->fact == FACT_KNOWN) {
        uint32_t own = port_towards(side, next->other);
        side->sending[next->other] = true;
        start_flow(side, own, next->other, next->time_ns);
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

/* When both sides have had one; ORACLE_NEVER when it comes to none. */
static uint64_t flood_ns(struct flood *flood, const uint64_t told_ns[2])
{
    for (uint32_t i = 0; i < 2; i++) {
        struct flood_side *side = &flood->side[i];
        side->heard_ns = ORACLE_NEVER;
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

/* ---- All together ---------------------------------------------------------------------------- */

/* How the direct path runs. */
struct course {
    struct effect effect[2];
    bool turns_back; /* it turns back at a NAT that is in front of both */
    uint8_t hairpin; /* enum nat_hairpin, of that NAT */
};

/*
 * What is sent to the other's registered address goes out as far as the outermost NAT. If that is
 * in front of both it turns back there; if the two have routers in common but no NAT among them,
 * the datagram turns back within, and passes none of those on its way.
 */
static struct course course_of(const struct oracle_pair *pair, uint16_t server_port)
{
    struct course course = {.turns_back = false, .hairpin = NAT_HAIRPIN_OFF};
    uint32_t beyond = pair->shared; /* so many outermost layers are not passed */
    const struct oracle_side *side = &pair->side[0];
    for (uint32_t i = 0; i < pair->shared && !course.turns_back; i++) {
        const struct nat_config *nat = side->layers[side->count - 1 - i].nat;
        if (nat == NULL)
            continue;
        course.turns_back = true;
        course.hairpin = nat->hairpin;
        beyond = i;
    }
    for (uint32_t i = 0; i < 2; i++)
        course.effect[i] = effect_of(&pair->side[i], pair->side[i].count - beyond, server_port);
    return course;
}

static uint64_t timed(const struct oracle_pair *pair, const struct course *course,
                      const struct oracle_pair_says *says, bool learns)
{
    const uint64_t told_ns[2] = {
        2 * (pair->delay_ns[ORACLE_CALLER] + pair->homes_ns),
        pair->delay_ns[ORACLE_CALLER] + pair->homes_ns + pair->delay_ns[ORACLE_CALLEE],
    };
    struct flood flood = {
        .peer_ns = pair->peer_ns,
        .learns = learns,
        .traps = says->order != ORACLE_ORDER_LEFT,
    };
    for (uint32_t i = 0; i < 2; i++) {
        flood.side[i].effect = &course->effect[i];
        /* The favourable order: the side that must not be first waits until it is heard. */
        flood.side[i].silent =
            says->order == ORACLE_ORDER_HEARD && (says->order_sides >> (1 - i) & 1) != 0;
    }
    return flood_ns(&flood, told_ns);
}

/*
 * A NAT that shows the inside source when it turns back: filters further in, which know only of
 * the outside address that was sent to, refuse it, and a port that would have to be learned cannot
 * be. What is left is what registered addresses alone give, which the flood tells.
 */
static void judge_internal(const struct oracle_pair *pair, const struct course *course,
                           struct oracle_pair_says *says)
{
    bool refused = false;
    for (uint32_t i = 0; i < 2; i++)
        refused = refused || course->effect[i].inner_filters > 0;
    if (!refused)
        says->direct_ns = timed(pair, course, says, false);
    if (says->direct_ns != ORACLE_NEVER)
        return;
    says->verdict = ORACLE_RELAYED;
    says->relayed_reason = relayed_reason(&course->effect[0], &course->effect[1], false);
}

/* What the trap and addresses that jump take back of a verdict. */
static void judge_hazards(const struct course *course, struct oracle_pair_says *says)
{
    for (uint32_t i = 0; i < 2; i++) {
        const struct effect *x = &course->effect[i];
        const struct effect *y = &course->effect[1 - i];
        if (x->trap && reach_trapped(x, y) != REACH_ALWAYS) {
            says->verdict = ORACLE_ORDER;
            says->order = ORACLE_ORDER_LEFT;
            says->order_sides |= (uint8_t)(1 << i);
            says->relayed_reason = relayed_reason(x, y, true);
        }
    }
    for (uint32_t i = 0; i < 2; i++) {
        const struct effect *x = &course->effect[i];
        if (x->jumps && reach_jumping(x, &course->effect[1 - i]) != REACH_ALWAYS) {
            says->verdict = ORACLE_CHANCE;
            says->relayed_reason = ORACLE_REASON_POOLING_AGAINST_ADF;
        }
    }
}

static void judge(const struct oracle_pair *pair, const struct course *course,
                  struct oracle_pair_says *says)
{
    const struct effect *x = &course->effect[ORACLE_CALLER];
    const struct effect *y = &course->effect[ORACLE_CALLEE];
    bool off = course->turns_back && course->hairpin == NAT_HAIRPIN_OFF;
    enum reach reach = reach_of(x, y);
    says->direct_reason = course->turns_back             ? ORACLE_REASON_HAIRPIN
                          : is_public(x) || is_public(y) ? ORACLE_REASON_PUBLIC
                                                         : ORACLE_REASON_PUNCHED;
    if (!x->open || !y->open || off || reach == REACH_NEVER) {
        says->verdict = ORACLE_RELAYED;
        says->relayed_reason = relayed_reason(x, y, !off);
        return;
    }
    if (course->turns_back && course->hairpin == NAT_HAIRPIN_INTERNAL) {
        judge_internal(pair, course, says);
        return;
    }
    if (reach == REACH_ORDER) {
        says->verdict = ORACLE_ORDER;
        says->order = ORACLE_ORDER_HEARD;
        says->relayed_reason = relayed_reason(x, y, true);
        for (uint32_t i = 0; i < 2; i++)
            if (reach_gain(&course->effect[1 - i], &course->effect[i]) == REACH_ORDER)
                says->order_sides |= (uint8_t)(1 << i);
    } else {
        judge_hazards(course, says);
    }
    says->direct_ns = timed(pair, course, says, true);
}

struct oracle_pair_says oracle_pair(const struct oracle_pair *pair)
{
    check(pair->shared <= pair->side[0].count);
    check(pair->shared <= pair->side[1].count);
    uint16_t server_port = pair->server_port != 0 ? pair->server_port : HOME_PORT;
    struct oracle_pair_says says = {
        .verdict = ORACLE_DIRECT,
        .first_data_ns = ORACLE_NEVER,
        .direct_ns = ORACLE_NEVER,
    };
    struct course course = course_of(pair, server_port);
    if (!course.effect[0].registers || !course.effect[1].registers) {
        says.verdict = ORACLE_UNREACHABLE;
        says.relayed_reason = ORACLE_REASON_UDP_BLOCKED;
        return says;
    }
    uint64_t there_ns = pair->delay_ns[0] + pair->homes_ns + pair->delay_ns[1];
    says.first_data_ns = there_ns;
    if (!pair->same_lan) {
        judge(pair, &course, &says);
        return says;
    }
    says.direct_reason = ORACLE_REASON_SAME_LAN;
    struct course plain = {.turns_back = false};
    says.direct_ns = timed(pair, &plain, &says, true);
    return says;
}

bool oracle_order_met(const struct oracle_pair_says *says, const struct oracle_pair_seen *seen)
{
    check(says->verdict == ORACLE_ORDER);
    check(says->order_sides != 0);
    bool all = true;
    bool any = false;
    for (uint32_t i = 0; i < 2; i++) {
        if ((says->order_sides >> i & 1) == 0)
            continue;
        if (says->order == ORACLE_ORDER_HEARD)
            any = any || seen->arrived[1 - i] < seen->left[1 - i];
        else
            all = all && seen->left[i] < seen->arrived[i];
    }
    return says->order == ORACLE_ORDER_HEARD ? any : all;
}

const char *oracle_reason_name(enum oracle_reason reason)
{
    static const char *const names[ORACLE_REASON_COUNT] = {
        [ORACLE_REASON_NONE] = "",
        [ORACLE_REASON_SAME_LAN] = "same-lan",
        [ORACLE_REASON_HAIRPIN] = "hairpin",
        [ORACLE_REASON_PUBLIC] = "public",
        [ORACLE_REASON_PUNCHED] = "punched",
        [ORACLE_REASON_ADM_AGAINST_ADF] = "adm-against-adf",
        [ORACLE_REASON_EDM_AGAINST_ADF] = "edm-against-adf",
        [ORACLE_REASON_APDM_AGAINST_ADF] = "apdm-against-adf",
        [ORACLE_REASON_ADM_AGAINST_APDF] = "adm-against-apdf",
        [ORACLE_REASON_EDM_AGAINST_APDF] = "edm-against-apdf",
        [ORACLE_REASON_APDM_AGAINST_APDF] = "apdm-against-apdf",
        [ORACLE_REASON_POOLING_AGAINST_ADF] = "pooling-against-adf",
        [ORACLE_REASON_NO_HAIRPIN] = "no-hairpin",
        [ORACLE_REASON_TRAP] = "trap",
        [ORACLE_REASON_PROBES_UNANSWERED] = "probes-unanswered",
        [ORACLE_REASON_UDP_BLOCKED] = "udp-blocked",
    };
    check((unsigned)reason < ORACLE_REASON_COUNT);
    return names[reason];
}

const char *oracle_verdict_name(enum oracle_verdict verdict)
{
    static const char *const names[ORACLE_VERDICT_COUNT] = {
        [ORACLE_DIRECT] = "direct",           [ORACLE_RELAYED] = "relayed",
        [ORACLE_UNREACHABLE] = "unreachable", [ORACLE_ORDER] = "order",
        [ORACLE_CHANCE] = "chance",
    };
    check((unsigned)verdict < ORACLE_VERDICT_COUNT);
    return names[verdict];
}
