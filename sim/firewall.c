/* Simulated firewalls: rules, and a table of who was sent to. */
#include "sim/firewall.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

/* A pair that may talk. Indexes count from 1; 0 is none. */
struct pair {
    struct addr inside;
    struct addr remote; /* as far as the filter looks */
    uint64_t used_ns;
    uint32_t prev; /* by last use */
    uint32_t next;
    uint32_t chain;
    uint8_t protocol;
};

/* TCP has a timeout of its own, hence a list of its own. */
enum { LIST_SHORT, LIST_TCP, LIST_COUNT };

struct firewall {
    struct firewall_config config;
    uint64_t counts[FIREWALL_VERDICT_COUNT];
    uint64_t key;
    uint64_t now_ns;
    uint32_t head[LIST_COUNT]; /* used longest ago */
    uint32_t tail[LIST_COUNT];
    uint32_t mark; /* pairs ever used */
    uint32_t free;
    uint32_t mask; /* of `heads` */
    uint32_t *heads;
    struct pair pairs[]; /* capacity, and the heads of the hash table behind them */
};

static const uint64_t second_ns = 1000000000;

struct firewall_config firewall_config_default(void)
{
    return (struct firewall_config){
        .stateful = true,
        .filtering = NAT_FILTERING_APDF,
        .capacity = 16384,
        .idle_ns = 300 * second_ns,      /* RFC 6092, REC-14: not less than 2 minutes */
        .tcp_idle_ns = 7440 * second_ns, /* RFC 6092, REC-35: 2 hours 4 minutes */
    };
}

const char *firewall_config_problem(const struct firewall_config *config)
{
    if (config->filtering > NAT_FILTERING_APDF)
        return "the filtering has a value that is none of its words";
    if (config->capacity < 1 || config->capacity > 1 << 24)
        return "the capacity must lie within 1 to 16777216";
    if (config->idle_ns == 0 || config->tcp_idle_ns == 0)
        return "an idle timeout must be longer than zero";
    if (config->rule_count > FIREWALL_RULES_MAX)
        return "there are too many rules";
    for (uint32_t i = 0; i < config->rule_count; i++) {
        if (config->rules[i].port_low > config->rules[i].port_high)
            return "a rule's port range ends before it begins";
        if (config->rules[i].direction > FIREWALL_EITHER)
            return "a rule's direction has a value that is none of its words";
    }
    return NULL;
}

struct firewall *firewall_create(const struct firewall_config *config, uint64_t key)
{
    check(firewall_config_problem(config) == NULL);
    uint32_t heads = 1;
    while (heads < config->capacity)
        heads *= 2;
    size_t pairs_size = config->capacity * sizeof(struct pair);
    struct firewall *firewall = calloc(1, sizeof *firewall + pairs_size + heads * sizeof(uint32_t));
    if (firewall == NULL)
        return NULL;
    firewall->config = *config;
    firewall->key = key;
    firewall->mask = heads - 1;
    firewall->heads = (uint32_t *)(void *)(firewall->pairs + config->capacity);
    return firewall;
}

void firewall_destroy(struct firewall *firewall)
{
    free(firewall);
}

/* The table. */

static struct pair *pair_at(struct firewall *firewall, uint32_t index)
{
    check(index != 0 && index <= firewall->mark);
    return &firewall->pairs[index - 1];
}

static uint64_t mix_addr(uint64_t hash, const struct addr *addr)
{
    uint64_t words[3] = {0};
    memcpy(words, addr, sizeof *addr);
    for (size_t i = 0; i < 3; i++) {
        hash = (hash ^ words[i]) * 0x9e3779b97f4a7c15;
        hash ^= hash >> 32;
    }
    return hash;
}

static uint32_t *head_of(struct firewall *firewall, const struct pair *key)
{
    uint64_t hash = mix_addr(firewall->key ^ key->protocol, &key->inside);
    hash = mix_addr(hash, &key->remote);
    return &firewall->heads[(hash ^ hash >> 16) & firewall->mask];
}

static unsigned list_of(const struct pair *pair)
{
    return pair->protocol == NAT_TCP ? LIST_TCP : LIST_SHORT;
}

static void list_remove(struct firewall *firewall, uint32_t index)
{
    struct pair *pair = pair_at(firewall, index);
    unsigned list = list_of(pair);
    if (pair->prev == 0)
        firewall->head[list] = pair->next;
    else
        pair_at(firewall, pair->prev)->next = pair->next;
    if (pair->next == 0)
        firewall->tail[list] = pair->prev;
    else
        pair_at(firewall, pair->next)->prev = pair->prev;
}

static void list_append(struct firewall *firewall, uint32_t index)
{
    struct pair *pair = pair_at(firewall, index);
    unsigned list = list_of(pair);
    pair->used_ns = firewall->now_ns;
    pair->prev = firewall->tail[list];
    pair->next = 0;
    if (pair->prev == 0)
        firewall->head[list] = index;
    else
        pair_at(firewall, pair->prev)->next = index;
    firewall->tail[list] = index;
}

static uint32_t pair_find(struct firewall *firewall, const struct pair *key)
{
    uint32_t index = *head_of(firewall, key);
    while (index != 0) {
        const struct pair *pair = pair_at(firewall, index);
        if (pair->protocol == key->protocol && addr_equal(&pair->inside, &key->inside) &&
            addr_equal(&pair->remote, &key->remote))
            break;
        index = pair->chain;
    }
    return index;
}

static uint32_t pair_new(struct firewall *firewall, const struct pair *key)
{
    uint32_t index = firewall->free;
    if (index != 0)
        firewall->free = pair_at(firewall, index)->next;
    else if (firewall->mark < firewall->config.capacity)
        index = ++firewall->mark;
    if (index == 0)
        return 0;
    struct pair *pair = pair_at(firewall, index);
    uint32_t *head = head_of(firewall, key);
    *pair = *key;
    pair->chain = *head;
    *head = index;
    list_append(firewall, index);
    return index;
}

static void pair_free(struct firewall *firewall, uint32_t index)
{
    struct pair *pair = pair_at(firewall, index);
    uint32_t *link = head_of(firewall, pair);
    while (*link != index)
        link = &pair_at(firewall, *link)->chain;
    *link = pair->chain;
    list_remove(firewall, index);
    pair->next = firewall->free;
    firewall->free = index;
}

/* Forgets what is due. Each list is in the order of last use, so that stands at its head. */
static void advance(struct firewall *firewall, uint64_t now_ns)
{
    const uint64_t idle_ns[LIST_COUNT] = {
        firewall->config.idle_ns,
        firewall->config.tcp_idle_ns,
    };
    check(now_ns >= firewall->now_ns);
    firewall->now_ns = now_ns;
    for (unsigned list = 0; list < LIST_COUNT; list++) {
        while (firewall->head[list] != 0 &&
               now_ns - pair_at(firewall, firewall->head[list])->used_ns >= idle_ns[list])
            pair_free(firewall, firewall->head[list]);
    }
}

static struct pair key_of(const struct firewall *firewall, uint8_t protocol,
                          const struct addr *inside, const struct addr *remote)
{
    struct pair key = {.protocol = protocol, .inside = *inside};
    if (firewall->config.filtering == NAT_FILTERING_ADF)
        key.remote = addr_with_port(*remote, 0);
    else if (firewall->config.filtering == NAT_FILTERING_APDF)
        key.remote = *remote;
    return key;
}

/* Rules. */

static bool rule_matches(const struct firewall_rule *rule, const struct nat_packet *packet,
                         bool outbound)
{
    uint8_t other = outbound ? FIREWALL_INBOUND : FIREWALL_OUTBOUND;
    uint8_t protocol = packet->is_error ? (uint8_t)NAT_ICMP : packet->protocol;
    if (rule->direction == other || (rule->protocol != 0 && rule->protocol != protocol))
        return false;
    if (rule->port_low == 0 && rule->port_high == 65535)
        return true;
    if (protocol == NAT_ICMP)
        return false;
    bool source = rule->inside_port == outbound;
    uint16_t port = source ? packet->source.port : packet->destination.port;
    return port >= rule->port_low && port <= rule->port_high;
}

/* The rule that decides, or NULL. */
static const struct firewall_rule *rule_for(const struct firewall *firewall,
                                            const struct nat_packet *packet, bool outbound)
{
    for (uint32_t i = 0; i < firewall->config.rule_count; i++) {
        if (rule_matches(&firewall->config.rules[i], packet, outbound))
            return &firewall->config.rules[i];
    }
    return NULL;
}

/* The two functions. */

static enum firewall_verdict judge_outbound(struct firewall *firewall,
                                            const struct nat_packet *packet)
{
    const struct firewall_rule *rule = rule_for(firewall, packet, true);
    if (rule != NULL && !rule->allow)
        return FIREWALL_DROP_RULE;
    if (!firewall->config.stateful)
        return rule != NULL || firewall->config.default_allow ? FIREWALL_PASS : FIREWALL_DROP_RULE;
    if (packet->is_error)
        return FIREWALL_PASS;
    struct pair key = key_of(firewall, packet->protocol, &packet->source, &packet->destination);
    uint32_t index = pair_find(firewall, &key);
    if (index == 0)
        return pair_new(firewall, &key) != 0 ? FIREWALL_PASS : FIREWALL_DROP_FULL;
    list_remove(firewall, index);
    list_append(firewall, index);
    return FIREWALL_PASS;
}

static enum firewall_verdict judge_inbound(struct firewall *firewall,
                                           const struct nat_packet *packet)
{
    const struct firewall_rule *rule = rule_for(firewall, packet, false);
    if (rule != NULL)
        return rule->allow ? FIREWALL_PASS : FIREWALL_DROP_RULE;
    if (!firewall->config.stateful)
        return firewall->config.default_allow ? FIREWALL_PASS : FIREWALL_DROP_RULE;
    const struct addr *inside = packet->is_error ? &packet->quoted_source : &packet->destination;
    const struct addr *remote = packet->is_error ? &packet->quoted_destination : &packet->source;
    struct pair key = key_of(firewall, packet->protocol, inside, remote);
    uint32_t index = pair_find(firewall, &key);
    if (index == 0)
        return FIREWALL_DROP_UNSOLICITED;
    if (!packet->is_error) {
        list_remove(firewall, index);
        list_append(firewall, index);
    }
    return FIREWALL_PASS;
}

enum firewall_verdict firewall_outbound(struct firewall *firewall, uint64_t now_ns,
                                        const struct nat_packet *packet)
{
    advance(firewall, now_ns);
    enum firewall_verdict verdict = judge_outbound(firewall, packet);
    firewall->counts[verdict]++;
    return verdict;
}

enum firewall_verdict firewall_inbound(struct firewall *firewall, uint64_t now_ns,
                                       const struct nat_packet *packet)
{
    advance(firewall, now_ns);
    enum firewall_verdict verdict = judge_inbound(firewall, packet);
    firewall->counts[verdict]++;
    return verdict;
}

void firewall_flush(struct firewall *firewall)
{
    for (unsigned list = 0; list < LIST_COUNT; list++) {
        while (firewall->head[list] != 0)
            pair_free(firewall, firewall->head[list]);
    }
}

uint64_t firewall_count(const struct firewall *firewall, enum firewall_verdict verdict)
{
    check((unsigned)verdict < FIREWALL_VERDICT_COUNT);
    return firewall->counts[verdict];
}

const char *firewall_verdict_name(enum firewall_verdict verdict)
{
    static const char *const names[FIREWALL_VERDICT_COUNT] = {
        [FIREWALL_PASS] = "pass",
        [FIREWALL_DROP_RULE] = "rule",
        [FIREWALL_DROP_UNSOLICITED] = "unsolicited",
        [FIREWALL_DROP_FULL] = "full",
    };
    check((unsigned)verdict < FIREWALL_VERDICT_COUNT);
    return names[verdict];
}

/* Presets. */

#define STATE .capacity = 16384, .idle_ns = 300000000000, .tcp_idle_ns = 7440000000000
#define ANY_PORT .port_low = 0, .port_high = 65535
#define PORT(number) .port_low = (number), .port_high = (number)

static const struct firewall_preset presets[] = {
    {"stateful",
     "Admits answers from the very address and port that was sent to.",
     {STATE, .stateful = true, .filtering = NAT_FILTERING_APDF}},
    {"stateful-adf",
     "Admits answers from any port of an address that was sent to.",
     {STATE, .stateful = true, .filtering = NAT_FILTERING_ADF}},
    {"stateful-eif",
     "Admits anyone to an endpoint that has sent anything (RFC 6092, REC-11).",
     {STATE, .stateful = true, .filtering = NAT_FILTERING_EIF}},
    {"udp-blocked",
     "Drops all UDP, both ways, and passes everything else.",
     {STATE, .default_allow = true, .rule_count = 1,
      .rules = {{.direction = FIREWALL_EITHER, .protocol = NAT_UDP, ANY_PORT}}}},
    {"tcp-443-only",
     "Passes TCP to remote port 443 and its answers, and nothing else.",
     {STATE, .rule_count = 1,
      .rules = {{.direction = FIREWALL_EITHER, .protocol = NAT_TCP, .allow = true, PORT(443)}}}},
    {"dns-and-web",
     "A guest network: lets remote ports 53, 80 and 443 be used, and answers in.",
     {STATE, .stateful = true, .filtering = NAT_FILTERING_APDF, .rule_count = 4,
      .rules = {{.direction = FIREWALL_OUTBOUND, .allow = true, PORT(53)},
                {.direction = FIREWALL_OUTBOUND, .allow = true, PORT(80)},
                {.direction = FIREWALL_OUTBOUND, .allow = true, PORT(443)},
                {.direction = FIREWALL_OUTBOUND, ANY_PORT}}}},
};

size_t firewall_preset_count(void)
{
    return sizeof presets / sizeof presets[0];
}

const struct firewall_preset *firewall_preset_at(size_t index)
{
    check(index < firewall_preset_count());
    return &presets[index];
}

const struct firewall_preset *firewall_preset_find(const char *name)
{
    for (size_t i = 0; i < firewall_preset_count(); i++) {
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    }
    return NULL;
}
