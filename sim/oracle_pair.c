/* What any protocol could reach between two clients, why, and how soon. */
#include "sim/oracle_pair.h"

#include <stddef.h>

#include "core/base/check.h"
#include "sim/oracle_pair_ideal.h"

enum {
    HOME_PORT = 51941,
    PEER_PORT = 50000,   /* stands for any port that a peer may be seen with */
    CLIENT_PORT = 51940, /* stands for a client's own; rules rarely name it */
};

/* ---- One side, as the other one sees it ------------------------------------------------------ */

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
    effect->filters[effect->filter_count++] = (struct filter){depth, key, effect->place};
    if (depth > effect->filtering)
        effect->filtering = depth;
    if (key != NAT_MAPPING_EIM)
        effect->scope = NAT_SCOPE_MAPPING;
    effect->trap = false;
    effect->session_open = false;
}

/*
 * A firewall keeps what was sent by the endpoint that it sees, which the NATs inside of it made.
 * What the NAT of the same router turns back has passed it once, on its way out, and does not come
 * in by it.
 */
static void add_firewall(struct effect *effect, const struct firewall_config *firewall,
                         uint16_t server_port)
{
    if (passage(firewall, FIREWALL_OUTBOUND, server_port) == PASSAGE_DENIED ||
        passage(firewall, FIREWALL_INBOUND, server_port) == PASSAGE_DENIED)
        effect->registers = false;
    enum passage in = passage(firewall, FIREWALL_INBOUND, PEER_PORT);
    if (effect->place == PLACE_TURN)
        in = PASSAGE_ALLOWED;
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
        if (inner == NAT_MAPPING_EIM) {
            effect->session = nat->session;
            effect->session_place = effect->place;
            effect->session_open = true;
        } else if (nat->session == NAT_SESSION_NOTHING) {
            effect->session = NAT_SESSION_NOTHING;
        }
    }
    if (mapping > effect->mapping)
        effect->mapping = mapping;
    /* A NAT of several addresses gives each inside address its own, so it passes on what jumps. */
    bool draws = !nat->one_to_one && nat->pooling == NAT_POOLING_ARBITRARY;
    effect->jumps = pool > 1 && (draws || effect->jumps);
    effect->translated = true;
    effect->inner_filters = effect->filter_count;
    bool by_endpoint = nat->scope == NAT_SCOPE_ENDPOINT || nat->one_to_one;
    add_filter(effect, nat->filtering, by_endpoint ? inner : effect->mapping);
    if (nat->poison_ns != 0 && !nat->one_to_one && nat->filtering != NAT_FILTERING_EIF) {
        effect->trap = true;
        effect->trap_place = effect->place;
        effect->trap_mapping = effect->mapping;
    }
}

/*
 * The first `count` layers of a side, of which the outermost `shared` are in front of both, and the
 * very last turns the path back when `turns`; what is further out counts only for the registration.
 */
static struct effect effect_of(const struct oracle_side *side, uint32_t count, uint32_t shared,
                               bool turns, uint16_t server_port)
{
    check(side->count <= ORACLE_LAYERS_MAX);
    check(count <= side->count);
    struct effect effect = {
        .scope = NAT_SCOPE_ENDPOINT,
        .registers = true,
        .open = true,
    };
    for (uint32_t i = 0; i < count; i++) {
        effect.place = i + shared < count ? PLACE_OWN : PLACE_BOTH;
        if (turns && i + 1 == count)
            effect.place = PLACE_TURN;
        if (side->layers[i].firewall != NULL)
            add_firewall(&effect, side->layers[i].firewall, server_port);
        if (side->layers[i].nat != NULL)
            add_nat(&effect, &side->layers[i]);
        if (effect.place == PLACE_OWN)
            effect.own_mapping = effect.mapping;
    }
    struct effect beyond = {.filter_count = 0};
    beyond.registers = true;
    for (uint32_t i = count; i < side->count; i++)
        if (side->layers[i].firewall != NULL)
            add_firewall(&beyond, side->layers[i].firewall, server_port);
    effect.registers = effect.registers && beyond.registers;
    effect.hidden = beyond.filtering != NAT_FILTERING_EIF;
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
    if (pin)
        return shared ? REACH_ALWAYS : REACH_NEVER;
    /*
     * Filters further in than the session do not keep y from being first there, nor does a trap: x
     * can have opened those with what ends before it comes to the session.
     */
    return x->session_open ? REACH_ORDER : REACH_NEVER;
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
 * The same when something of y's comes to x's registered mapping before x has sent anything to y,
 * and x falls into the trap. What then comes from that endpoint of y's is lost where the trap is.
 *
 * An x with one mapping there is moved to a new port towards that endpoint: y gets through only if
 * it can learn that port. A y with several mappings does not come from its registered endpoint
 * before it was heard there, so x's mapping towards that one is safe, and is of use if y's session
 * makes it answer from there.
 *
 * An x with several has a mapping of its own for y's endpoint in any case, and is left with what
 * comes in there. So is one that gets them further out, against a y that comes from another port
 * once it has learned that one.
 */
static enum reach reach_trapped(const struct effect *x, const struct effect *y)
{
    struct effect spoilt = *x;
    bool elsewhere = x->mapping != NAT_MAPPING_EIM && y->mapping == NAT_MAPPING_APDM;
    if (x->trap_mapping != NAT_MAPPING_EIM || elsewhere) {
        spoilt.scope = NAT_SCOPE_MAPPING;
        return reach_of(&spoilt, y);
    }
    if (y->mapping == NAT_MAPPING_EIM)
        return y->filtering != NAT_FILTERING_APDF ? REACH_ALWAYS : REACH_NEVER;
    spoilt.filtering = NAT_FILTERING_APDF;
    return reach_gain(y, &spoilt);
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
    return !effect->translated && !effect->hidden && effect->filtering == NAT_FILTERING_EIF;
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
        course.effect[i] = effect_of(&pair->side[i], pair->side[i].count - beyond,
                                     pair->shared - beyond, course.turns_back, server_port);
    return course;
}

/* By which port a side sends depends on what a NAT in front of both has met before. */
static bool chooses_half_way(const struct effect *effect)
{
    return (effect->session != NAT_SESSION_NOTHING && effect->session_place != PLACE_OWN) ||
           (effect->trap && effect->trap_place != PLACE_OWN &&
            effect->own_mapping == NAT_MAPPING_EIM);
}

/*
 * The trap is in a NAT in front of both: what is first for one side comes too early for the other.
 */
static bool always_trapped(const struct course *course)
{
    return course->effect[0].trap && course->effect[0].trap_place != PLACE_OWN;
}

static uint64_t timed_when(const struct oracle_pair *pair, const struct course *course,
                           const struct oracle_pair_says *says, bool learns, uint32_t sooner)
{
    const uint64_t told_ns[2] = {
        2 * (pair->delay_ns[ORACLE_CALLER] + pair->homes_ns),
        pair->delay_ns[ORACLE_CALLER] + pair->homes_ns + pair->delay_ns[ORACLE_CALLEE],
    };
    struct flood flood = {
        .peer_ns = pair->peer_ns,
        .learns = learns,
        .sooner = sooner,
    };
    for (uint32_t i = 0; i < 2; i++) {
        const struct effect *effect = &course->effect[i];
        bool left = says->order == ORACLE_ORDER_LEFT && (says->order_sides >> i & 1) != 0;
        /* The favourable order: the side that must not be first waits until it is heard, and has
           opened what is further in. */
        bool silent = says->order == ORACLE_ORDER_HEARD && (says->order_sides >> (1 - i) & 1) != 0;
        flood.side[i].effect = effect;
        flood.side[i].silent = silent;
        flood.side[i].traps = effect->trap && !left && !silent;
        flood.side[i].first_binds = effect->session == NAT_SESSION_FIRST && effect->session_open &&
                                    (silent || !effect->trap);
        if (chooses_half_way(effect))
            flood.side[i].behind_ns = pair->peer_ns;
    }
    return flood_ns(&flood, told_ns);
}

/* Where both sides' first packets meet half-way, the better of both orders. */
static uint64_t timed(const struct oracle_pair *pair, const struct course *course,
                      const struct oracle_pair_says *says, bool learns)
{
    /* That is the named side's where the order is that one is first. */
    if (says->order == ORACLE_ORDER_LEFT && says->order_sides != 3 && always_trapped(course))
        return timed_when(pair, course, says, learns, says->order_sides >> ORACLE_CALLEE & 1);
    uint64_t best_ns = timed_when(pair, course, says, learns, ORACLE_CALLER);
    if (!chooses_half_way(&course->effect[0]) && !chooses_half_way(&course->effect[1]))
        return best_ns;
    uint64_t other_ns = timed_when(pair, course, says, learns, ORACLE_CALLEE);
    return other_ns < best_ns ? other_ns : best_ns;
}

/* Why nothing gets through a NAT in front of both that does turn back, or not to any effect. */
static uint8_t turned_reason(const struct course *course)
{
    const struct effect *x = &course->effect[ORACLE_CALLER];
    const struct effect *y = &course->effect[ORACLE_CALLEE];
    bool strict = x->filtering == NAT_FILTERING_APDF || y->filtering == NAT_FILTERING_APDF;
    return relayed_reason(x, y, always_trapped(course) && !strict);
}

/*
 * A NAT that shows the inside source when it turns back: filters further in, which know only of
 * the outside address that was sent to, refuse it, sessions there are of no use, and a port that
 * would have to be learned cannot be. What is left is what registered addresses alone give, which
 * the flood tells; and nothing if one side is trapped, since it can be reached by no other way.
 */
static void judge_internal(const struct oracle_pair *pair, const struct course *course,
                           struct oracle_pair_says *says)
{
    struct course plain = *course;
    bool refused = always_trapped(course);
    for (uint32_t i = 0; i < 2; i++) {
        refused = refused || plain.effect[i].inner_filters > 0;
        if (plain.effect[i].session_place != PLACE_TURN)
            plain.effect[i].session = NAT_SESSION_NOTHING;
    }
    if (!refused)
        says->direct_ns = timed(pair, &plain, says, false);
    if (says->direct_ns != ORACLE_NEVER)
        return;
    says->verdict = ORACLE_RELAYED;
    says->relayed_reason = turned_reason(course);
}

/*
 * What the trap takes back of a verdict: it depends on the order, or, where both cannot be first
 * and either must, nothing is left.
 */
static void judge_trap(const struct course *course, struct oracle_pair_says *says)
{
    for (uint32_t i = 0; i < 2; i++) {
        const struct effect *x = &course->effect[i];
        const struct effect *y = &course->effect[1 - i];
        if (!x->trap || reach_trapped(x, y) == REACH_ALWAYS)
            continue;
        says->order_sides |= (uint8_t)(1 << i);
        if (x->trap_place != PLACE_OWN)
            says->order_shared |= (uint8_t)(1 << i);
    }
    if (says->order_sides == 0)
        return;
    says->verdict = ORACLE_ORDER;
    says->order = ORACLE_ORDER_LEFT;
    says->relayed_reason =
        relayed_reason(&course->effect[ORACLE_CALLER], &course->effect[ORACLE_CALLEE], true);
    if (says->order_sides != 3 || !always_trapped(course))
        return;
    says->verdict = ORACLE_RELAYED;
    says->order = ORACLE_ORDER_NONE;
    says->order_sides = 0;
    says->order_shared = 0;
    says->relayed_reason = turned_reason(course);
}

/* What addresses that jump take back. */
static void judge_jumps(const struct course *course, struct oracle_pair_says *says)
{
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
        for (uint32_t i = 0; i < 2; i++) {
            const struct effect *heard_by = &course->effect[1 - i];
            if (reach_gain(heard_by, &course->effect[i]) != REACH_ORDER)
                continue;
            says->order_sides |= (uint8_t)(1 << i);
            if (heard_by->session_place != PLACE_OWN)
                says->order_shared |= (uint8_t)(1 << (1 - i));
        }
    } else {
        judge_trap(course, says);
        if (says->verdict == ORACLE_RELAYED)
            return;
        judge_jumps(course, says);
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
