/* What a behaviour discovery should find behind a stack of NATs and firewalls. */
#include "sim/oracle.h"

#include <stddef.h>

#include "core/base/check.h"

enum {
    PRIMARY_PORT = 3478,
    ALTERNATE_PORT = 3479,
    SOME_PORT = 40000,     /* stands for a client's or a mapping's port */
    EPHEMERAL_LOW = 32768, /* where a host takes its ports from */
    EPHEMERAL_HIGH = 60999,
    QUOTA_ENOUGH = 16, /* mappings that a discovery makes at most, with some to spare */
    BLOCK_ENOUGH = 64, /* ports in which three random ones do not look like a sequence */
};

/*
 * From the last datagram that the filter refused to the request that would be moved. A round of the
 * filter's tests ends 400 ms or two round trips after its last request, which is refused a round
 * trip later at most: this, within a factor of two, for round trips up to 800 ms.
 */
#define TRAP_WAIT_NS UINT64_C(400000000)
/* The longest pause between two datagrams of one discovery through one mapping. */
#define PATIENCE_NS UINT64_C(45000000000)

/* ---- Firewalls: what one does with UDP between the client and a remote port ------------------ */

enum passage {
    PASSAGE_DENIED,
    PASSAGE_ALLOWED,
    PASSAGE_BY_STATE, /* inbound, if the filter has seen the right thing go out */
};

static bool rule_matches(const struct firewall_rule *rule, enum firewall_direction direction,
                         uint16_t remote_port)
{
    if (rule->direction != FIREWALL_EITHER && rule->direction != direction)
        return false;
    if (rule->protocol != 0 && rule->protocol != NAT_UDP)
        return false;
    uint16_t port = rule->inside_port ? SOME_PORT : remote_port;
    return rule->port_low <= port && port <= rule->port_high;
}

static enum passage firewall_passage(const struct firewall_config *firewall,
                                     enum firewall_direction direction, uint16_t remote_port)
{
    if (firewall == NULL)
        return PASSAGE_ALLOWED;
    for (uint32_t i = 0; i < firewall->rule_count; i++)
        if (rule_matches(&firewall->rules[i], direction, remote_port))
            return firewall->rules[i].allow ? PASSAGE_ALLOWED : PASSAGE_DENIED;
    if (!firewall->stateful)
        return firewall->default_allow ? PASSAGE_ALLOWED : PASSAGE_DENIED;
    return direction == FIREWALL_OUTBOUND ? PASSAGE_ALLOWED : PASSAGE_BY_STATE;
}

/* A rule about inside ports that holds for some of the client's ports and not for others leaves all
 * to chance. */
static bool firewall_splits_ports(const struct firewall_config *firewall)
{
    for (uint32_t i = 0; firewall != NULL && i < firewall->rule_count; i++) {
        const struct firewall_rule *rule = &firewall->rules[i];
        bool apart = rule->port_high < EPHEMERAL_LOW || rule->port_low > EPHEMERAL_HIGH;
        bool whole = rule->port_low <= EPHEMERAL_LOW && rule->port_high >= EPHEMERAL_HIGH;
        if (rule->inside_port && !apart && !whole)
            return true;
    }
    return false;
}

/* ---- Single NATs ----------------------------------------------------------------------------- */

static uint32_t pool_of(const struct oracle_layer *layer)
{
    return layer->external != 0 ? layer->external : layer->nat->pool > 0 ? layer->nat->pool : 1;
}

static bool preserves(const struct nat_config *nat)
{
    return nat->one_to_one || nat->ports == NAT_PORTS_PRESERVED ||
           nat->ports == NAT_PORTS_OVERLOADED;
}

/* Every port that a client may have can be kept. */
static bool range_covers_clients(const struct nat_config *nat)
{
    return nat->one_to_one || (nat->port_low <= EPHEMERAL_LOW && nat->port_high >= EPHEMERAL_HIGH);
}

/*
 * The mapping as it looks from outside. A mapping for each remote that keeps the port each time,
 * because overloading or stealing lets it, looks endpoint-independent; one-to-one is.
 */
static enum nat_mapping mapping_seen(const struct nat_config *nat)
{
    if (nat->one_to_one || nat->mapping == NAT_MAPPING_EIM)
        return NAT_MAPPING_EIM;
    if (nat->ports == NAT_PORTS_OVERLOADED)
        return NAT_MAPPING_EIM;
    if (nat->ports == NAT_PORTS_PRESERVED && nat->collision == NAT_COLLISION_STEAL)
        return NAT_MAPPING_EIM;
    return (enum nat_mapping)nat->mapping;
}

/* A second mapping of the same inside endpoint cannot be made. */
static bool refuses_second_mapping(const struct nat_config *nat)
{
    return !nat->one_to_one && nat->mapping != NAT_MAPPING_EIM &&
           nat->ports == NAT_PORTS_PRESERVED && nat->collision == NAT_COLLISION_REFUSE;
}

/* ---- The stack ------------------------------------------------------------------------------- */

/* What the rules below need to know of all layers. */
struct stack {
    const struct oracle_layer *layers; /* from the client outwards */
    uint32_t count;
    uint32_t nats;
    uint32_t outermost;       /* index of the outermost NAT, where there is one */
    enum nat_mapping mapping; /* of the whole */
};

static struct stack stack_of(const struct oracle_layer *layers, uint32_t count)
{
    struct stack stack = {.layers = layers, .count = count, .mapping = NAT_MAPPING_EIM};
    for (uint32_t i = 0; i < count; i++) {
        if (layers[i].nat == NULL)
            continue;
        stack.nats++;
        stack.outermost = i;
        /*
         * Mappings compose by the strictest: an outer NAT sees one endpoint for all remotes that
         * inner ones map alike, and different endpoints, which it maps differently, for all others.
         */
        enum nat_mapping mapping = mapping_seen(layers[i].nat);
        if (mapping > stack.mapping)
            stack.mapping = mapping;
    }
    return stack;
}

/* A request to a server's port gets out through all firewalls. */
static bool gets_out(const struct stack *stack, uint16_t remote_port)
{
    for (uint32_t i = 0; i < stack->count; i++)
        if (firewall_passage(stack->layers[i].firewall, FIREWALL_OUTBOUND, remote_port) ==
            PASSAGE_DENIED)
            return false;
    return true;
}

/* A request to a server's port is answered from that port: all NATs and states admit that. */
static bool is_answered(const struct stack *stack, uint16_t port)
{
    for (uint32_t i = 0; i < stack->count; i++)
        if (firewall_passage(stack->layers[i].firewall, FIREWALL_INBOUND, port) == PASSAGE_DENIED)
            return false;
    return gets_out(stack, port);
}

/*
 * Filters compose by the strictest, since what comes in has to pass all of them: a datagram from
 * the alternate port reaches a socket that has sent to the primary address and port alone. `depth`
 * is the strictest filter that would let it in.
 */
static bool lets_in(const struct stack *stack, enum nat_filtering depth)
{
    for (uint32_t i = 0; i < stack->count; i++) {
        const struct oracle_layer *layer = &stack->layers[i];
        if (layer->nat != NULL && layer->nat->filtering > depth)
            return false;
        enum passage passage = firewall_passage(layer->firewall, FIREWALL_INBOUND, ALTERNATE_PORT);
        if (passage == PASSAGE_DENIED ||
            (passage == PASSAGE_BY_STATE && layer->firewall->filtering > depth))
            return false;
    }
    return true;
}

static uint8_t filtering_of(const struct stack *stack)
{
    if (lets_in(stack, NAT_FILTERING_EIF))
        return STUN_FILTERING_EIF;
    return lets_in(stack, NAT_FILTERING_ADF) ? STUN_FILTERING_ADF : STUN_FILTERING_APDF;
}

static uint8_t mapping_of(const struct stack *stack, enum oracle_servers servers)
{
    bool stuck = false;
    for (uint32_t i = 0; i < stack->count; i++)
        stuck =
            stuck || (stack->layers[i].nat != NULL && refuses_second_mapping(stack->layers[i].nat));
    if (servers == ORACLE_SERVER_ONE || stuck)
        return STUN_MAPPING_UNKNOWN;
    if (stack->mapping == NAT_MAPPING_EIM)
        return STUN_MAPPING_EIM;
    if (servers == ORACLE_SERVERS_TWO || !is_answered(stack, ALTERNATE_PORT))
        return STUN_MAPPING_DEPENDENT;
    return stack->mapping == NAT_MAPPING_ADM ? STUN_MAPPING_ADM : STUN_MAPPING_APDM;
}

/*
 * Ports of three fresh sockets: NATs that keep ports pass on what the NATs inside of them chose, so
 * the outermost one that does not decides.
 */
static void find_ports(const struct stack *stack, struct oracle_finding *finding)
{
    finding->is.ports = STUN_PORTS_PRESERVED;
    for (uint32_t i = stack->count; i > 0; i--) {
        const struct nat_config *nat = stack->layers[i - 1].nat;
        if (nat == NULL)
            continue;
        if (preserves(nat)) {
            if (range_covers_clients(nat))
                continue;
            /* Some ports are kept and others not. */
            finding->unsure |= ORACLE_PORTS;
            finding->is.ports = STUN_PORTS_RANDOM;
            return;
        }
        bool sequence = nat->ports == NAT_PORTS_SEQUENTIAL;
        finding->is.ports = sequence ? STUN_PORTS_SEQUENTIAL : STUN_PORTS_RANDOM;
        finding->is.step = sequence ? (int32_t)nat->step : 0;
        /* Parity skips ports by what the client's port was; an address drawn for each mapping has a
         * count of its own. */
        if (sequence &&
            (nat->parity || nat->contiguity ||
             (nat->pooling == NAT_POOLING_ARBITRARY && pool_of(&stack->layers[i - 1]) > 1)))
            finding->unsure |= ORACLE_PORTS;
        if (nat->ports == NAT_PORTS_BLOCK && nat->block < BLOCK_ENOUGH)
            finding->unsure |= ORACLE_PORTS;
        return;
    }
}

/*
 * External addresses: the outermost NAT's show. It draws one for each mapping, or has one for each
 * address that it sees inside, and sees several where a NAT inside of it draws.
 */
static void find_pooling(const struct stack *stack, struct oracle_finding *finding)
{
    bool several = false;
    finding->is.pooling = STUN_POOLING_PAIRED;
    for (uint32_t i = 0; i < stack->count; i++) {
        const struct oracle_layer *layer = &stack->layers[i];
        if (layer->nat == NULL)
            continue;
        several =
            pool_of(layer) > 1 &&
            (several || (layer->nat->pooling == NAT_POOLING_ARBITRARY && !layer->nat->one_to_one));
    }
    if (!several)
        return;
    finding->is.pooling = STUN_POOLING_ARBITRARY;
    finding->unsure |= ORACLE_POOLING; /* three draws may be equal */
}

/* ---- Hairpin --------------------------------------------------------------------------------- */

/*
 * Two sockets M and H of the client each have a mapping towards the server, and each sends to the
 * other's mapped address, again and again. The outermost NAT turns such a datagram back, with the
 * sender's address as the remote. Does any layer on the way in refuse it? M has sent to H's mapped
 * address, so a filter admits:
 *   - anyone, if it is endpoint-independent;
 *   - an address-dependent one if the datagram bears the address that was sent to, and what M sent
 * counts for the mapping that the datagram came in by;
 *   - an address-and-port-dependent one if moreover the port is the same, which takes a sender who
 * is mapped towards M as it is towards the server. What M sent counts for the mapping where both
 * are one, or where permissions are kept by the internal endpoint and both have the same one, which
 * depends on the NATs further in.
 */
struct turned {
    bool same_address; /* the remote's address is the one that M sent to */
    bool same_port;
};

static bool filter_admits(uint8_t filtering, bool counts, struct turned turned)
{
    if (filtering == NAT_FILTERING_EIF)
        return true;
    if (!counts || !turned.same_address)
        return false;
    return filtering == NAT_FILTERING_ADF || turned.same_port;
}

/* All NATs further in than layer `index` map endpoint-independently. */
static bool one_endpoint_below(const struct stack *stack, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (stack->layers[i].nat != NULL && mapping_seen(stack->layers[i].nat) != NAT_MAPPING_EIM)
            return false;
    return true;
}

static bool layer_admits(const struct stack *stack, uint32_t index, struct turned turned)
{
    const struct oracle_layer *layer = &stack->layers[index];
    bool endpoint = one_endpoint_below(stack, index);
    if (layer->nat != NULL) {
        bool mapping = endpoint && mapping_seen(layer->nat) == NAT_MAPPING_EIM;
        bool counts = layer->nat->scope == NAT_SCOPE_ENDPOINT ? endpoint : mapping;
        if (!filter_admits(layer->nat->filtering, counts, turned))
            return false;
    }
    if (index == stack->outermost)
        return true; /* it turns back outside of its firewall's way in */
    enum passage passage = firewall_passage(layer->firewall, FIREWALL_INBOUND, SOME_PORT);
    if (passage == PASSAGE_BY_STATE)
        return filter_admits(layer->firewall->filtering, endpoint, turned);
    return passage == PASSAGE_ALLOWED;
}

static uint8_t hairpin_of(const struct stack *stack, struct oracle_finding *finding)
{
    if (stack->nats == 0)
        return STUN_HAIRPIN_UNKNOWN; /* nothing turns anything back, and it is not tried */
    const struct oracle_layer *outermost = &stack->layers[stack->outermost];
    const struct nat_config *nat = outermost->nat;
    if (nat->hairpin == NAT_HAIRPIN_OFF || !gets_out(stack, SOME_PORT))
        return STUN_HAIRPIN_OFF;
    if (stack->mapping != NAT_MAPPING_EIM &&
        (pool_of(outermost) > 1 || nat->session != NAT_SESSION_NOTHING))
        finding->unsure |= ORACLE_HAIRPIN;
    struct turned turned = {.same_address = true, .same_port = stack->mapping == NAT_MAPPING_EIM};
    /*
     * The first datagram comes before its receiver has sent anything. Where that poisons the
     * mapping, the receiver is heard from another port than the one that was sent to.
     */
    if (nat->poison_ns != 0 && nat->filtering != NAT_FILTERING_EIF && !nat->one_to_one)
        turned.same_port = false;
    if (!layer_admits(stack, stack->outermost, turned))
        return STUN_HAIRPIN_OFF;
    /* With an internal source, what goes on inwards does not bear the address that M sent to. */
    if (nat->hairpin == NAT_HAIRPIN_INTERNAL)
        turned.same_address = turned.same_port = false;
    for (uint32_t i = stack->outermost; i > 0; i--)
        if (!layer_admits(stack, i - 1, turned))
            return STUN_HAIRPIN_OFF;
    /* The source is the client's own only if no other NAT has translated it before. */
    return nat->hairpin == NAT_HAIRPIN_INTERNAL && stack->nats == 1 ? STUN_HAIRPIN_INTERNAL
                                                                    : STUN_HAIRPIN_EXTERNAL;
}

/* ---- The trap -------------------------------------------------------------------------------- */

/*
 * What came from the alternate address was refused; a request goes there afterwards. It is mapped
 * elsewhere if the layer that refused, the first one from outside, is a NAT that is poisoned by
 * that.
 */
static uint8_t trap_of(const struct stack *stack, const struct oracle_finding *finding,
                       uint32_t *unsure)
{
    if (finding->is.nat == STUN_NAT_NONE || finding->is.filtering == STUN_FILTERING_EIF)
        return STUN_TRAP_NO;
    if (finding->is.mapping != STUN_MAPPING_EIM ||
        finding->is.filtering == STUN_FILTERING_UNKNOWN || !is_answered(stack, ALTERNATE_PORT))
        return STUN_TRAP_UNKNOWN;
    for (uint32_t i = stack->count; i > 0; i--) {
        const struct oracle_layer *layer = &stack->layers[i - 1];
        if (layer->nat != NULL && layer->nat->filtering != NAT_FILTERING_EIF) {
            uint64_t poison_ns = layer->nat->one_to_one ? 0 : layer->nat->poison_ns;
            if (poison_ns > TRAP_WAIT_NS / 2 && poison_ns < 2 * TRAP_WAIT_NS)
                *unsure |= ORACLE_TRAP;
            return poison_ns > TRAP_WAIT_NS ? STUN_TRAP_YES : STUN_TRAP_NO;
        }
        enum passage passage = firewall_passage(layer->firewall, FIREWALL_INBOUND, ALTERNATE_PORT);
        if (passage == PASSAGE_DENIED ||
            (passage == PASSAGE_BY_STATE && layer->firewall->filtering != NAT_FILTERING_EIF))
            return STUN_TRAP_NO;
    }
    return STUN_TRAP_NO;
}

/* ---- All together ---------------------------------------------------------------------------- */

static uint32_t unsure_of(const struct oracle_layer *layer)
{
    uint32_t unsure = firewall_splits_ports(layer->firewall) ? ORACLE_ALL : 0;
    const struct nat_config *nat = layer->nat;
    if (nat == NULL || nat->one_to_one)
        return unsure;
    if (nat->quota != 0 && nat->quota < QUOTA_ENOUGH)
        unsure |= ORACLE_ALL;
    if (nat->capacity < QUOTA_ENOUGH || nat->sessions < QUOTA_ENOUGH)
        unsure |= ORACLE_ALL;
    if (nat->lifetime_ns != 0 && nat->lifetime_ns < 2 * PATIENCE_NS)
        unsure |= ORACLE_ALL & ~(uint32_t)ORACLE_NAT;
    /* A mapping that is forgotten between two requests of one test. */
    if (nat->idle_ns < PATIENCE_NS / 2 ||
        (nat->one_way_ns != 0 && nat->one_way_ns < PATIENCE_NS / 2))
        unsure |= ORACLE_ALL & ~(uint32_t)ORACLE_NAT;
    if (preserves(nat) && !range_covers_clients(nat) && nat->collision != NAT_COLLISION_RANDOM)
        unsure |= ORACLE_MAPPING | ORACLE_HAIRPIN | ORACLE_TRAP;
    return unsure;
}

struct oracle_finding oracle_discovery(const struct oracle_layer *layers, uint32_t count,
                                       enum oracle_servers servers)
{
    check(count == 0 || layers != NULL);
    struct stack stack = stack_of(layers, count);
    struct oracle_finding finding = {0};
    for (uint32_t i = 0; i < count; i++)
        finding.unsure |= unsure_of(&layers[i]);
    if (!is_answered(&stack, PRIMARY_PORT)) {
        finding.is.nat = STUN_NAT_BLOCKED;
        return finding;
    }
    finding.is.nat = stack.nats == 0 ? STUN_NAT_NONE : STUN_NAT_PRESENT;
    finding.is.mapping = mapping_of(&stack, servers);
    finding.is.filtering =
        servers == ORACLE_SERVER_PAIRED ? filtering_of(&stack) : STUN_FILTERING_UNKNOWN;
    finding.is.hairpin = hairpin_of(&stack, &finding);
    find_ports(&stack, &finding);
    find_pooling(&stack, &finding);
    finding.is.trap = trap_of(&stack, &finding, &finding.unsure);
    return finding;
}

const char *oracle_mismatch(const struct oracle_finding *finding,
                            const struct stun_behaviour *found)
{
    const struct stun_behaviour *is = &finding->is;
    const struct {
        const char *name;
        enum oracle_aspect aspect;
        bool equal;
    } fields[] = {
        {"nat", ORACLE_NAT, is->nat == found->nat},
        {"mapping", ORACLE_MAPPING, is->mapping == found->mapping},
        {"filtering", ORACLE_FILTERING, is->filtering == found->filtering},
        {"hairpin", ORACLE_HAIRPIN, is->hairpin == found->hairpin},
        {"ports", ORACLE_PORTS, is->ports == found->ports},
        {"step", ORACLE_PORTS, is->step == found->step},
        {"pooling", ORACLE_POOLING, is->pooling == found->pooling},
        {"trap", ORACLE_TRAP, is->trap == found->trap},
    };
    for (unsigned i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (!fields[i].equal && (finding->unsure & fields[i].aspect) == 0)
            return fields[i].name;
    return NULL;
}
