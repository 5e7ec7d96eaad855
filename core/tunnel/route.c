/* Cryptokey routing: a binary trie with compressed paths. */
#include "core/tunnel/route.h"

#include "core/base/check.h"

/* An address as numbers, so that prefixes are compared by shifts: its first bit is the highest. */
struct route_key {
    uint64_t high; /* the first eight bytes; IPv4 in the upper half */
    uint64_t low;
};

/*
 * A prefix that belongs to somebody, or a fork, where two of them part: a fork has both children.
 * What is below children[0] continues the prefix with a 0, what is below children[1] with a 1.
 * Thus the nodes follow from the prefixes alone, and are fewer than two for each.
 */
struct route_node {
    struct route_key key; /* what is behind its bits does not count */
    struct handle children[2];
    uint32_t value; /* ROUTE_NONE: a fork */
    uint32_t bits;
};
_Static_assert(sizeof(struct route_node) == 40, "a node and its slot fit a line of cache");

enum { HALF_BITS = 64, NODES_PER_PREFIX = 2, PREFIXES_MAX = 1 << 30 };

static uint64_t u64_at(const uint8_t *bytes)
{
    return (uint64_t)bytes[0] << 56 | (uint64_t)bytes[1] << 48 | (uint64_t)bytes[2] << 40 |
           (uint64_t)bytes[3] << 32 | (uint64_t)bytes[4] << 24 | (uint64_t)bytes[5] << 16 |
           (uint64_t)bytes[6] << 8 | bytes[7];
}

static struct route_key key_of(const struct addr *addr)
{
    return (struct route_key){.high = u64_at(addr->ip), .low = u64_at(addr->ip + 8)};
}

/* Are the first `bits` bits of both the same? */
static bool key_agrees(struct route_key a, struct route_key b, uint32_t bits)
{
    uint64_t high = a.high ^ b.high;
    if (bits <= HALF_BITS)
        return bits == 0 || high >> (HALF_BITS - bits) == 0;
    return high == 0 && (a.low ^ b.low) >> (2 * HALF_BITS - bits) == 0;
}

/* The bit behind the first `at`; at < 128. */
static uint32_t key_bit(struct route_key key, uint32_t at)
{
    uint64_t half = at < HALF_BITS ? key.high : key.low;
    return (uint32_t)(half >> (HALF_BITS - 1 - at % HALF_BITS)) & 1;
}

/* How many of their first `bits` bits both have in common. */
static uint32_t key_common(struct route_key a, struct route_key b, uint32_t bits)
{
    uint32_t common = 0;
    while (common < bits && key_bit(a, common) == key_bit(b, common))
        common++;
    return common;
}

static struct route_node *node_at(const struct routes *routes, struct handle handle)
{
    return pool_at((struct pool *)(uintptr_t)&routes->nodes, handle);
}

size_t routes_bytes(uint32_t prefixes)
{
    check(prefixes <= PREFIXES_MAX);
    return pool_bytes(NODES_PER_PREFIX * prefixes, sizeof(struct route_node));
}

void routes_init(struct routes *routes, void *memory, uint32_t prefixes)
{
    check(prefixes <= PREFIXES_MAX);
    *routes = (struct routes){0};
    pool_init(&routes->nodes, memory, NODES_PER_PREFIX * prefixes, sizeof(struct route_node));
}

/* Where a prefix stands in the trie, or where it would have to. */
struct place {
    struct handle *link;     /* to the node, or to what it would stand in place of */
    struct handle *above;    /* the link to the node that `link` is in; NULL: none */
    struct route_node *node; /* what the link leads to; NULL: nothing */
    struct route_key key;
    bool is_there; /* the node has exactly this prefix */
};

static struct place place_of(struct routes *routes, const struct subnet *subnet)
{
    check(subnet_is_valid(subnet));
    struct place place = {
        .link = &routes->root[subnet->addr.family == ADDR_V6],
        .key = key_of(&subnet->addr),
    };
    for (;;) {
        place.node = node_at(routes, *place.link);
        if (place.node == NULL || place.node->bits > subnet->bits ||
            !key_agrees(place.node->key, place.key, place.node->bits))
            return place;
        if (place.node->bits == subnet->bits) {
            place.is_there = true;
            return place;
        }
        place.above = place.link;
        place.link = &place.node->children[key_bit(place.key, place.node->bits)];
    }
}

static struct handle node_add(struct routes *routes, struct route_key key, uint32_t bits,
                              uint32_t value, struct route_node **node)
{
    struct handle handle;
    *node = pool_take(&routes->nodes, &handle);
    check(*node != NULL);
    (*node)->key = key;
    (*node)->bits = bits;
    (*node)->value = value;
    return handle;
}

bool routes_set(struct routes *routes, const struct subnet *subnet, uint32_t value)
{
    check(value != ROUTE_NONE);
    struct place place = place_of(routes, subnet);
    if (place.is_there) {
        place.node->value = value;
        return true;
    }
    uint32_t common = subnet->bits;
    if (place.node != NULL) {
        uint32_t bits = place.node->bits < subnet->bits ? place.node->bits : subnet->bits;
        common = key_common(place.node->key, place.key, bits);
    }
    /* The new node above what stands here, or beside it below a new fork. */
    bool forks = common < subnet->bits;
    if (routes->nodes.capacity - routes->nodes.used < (forks ? 2u : 1u))
        return false;
    struct route_node *node, *fork;
    struct handle here = node_add(routes, place.key, subnet->bits, value, &node);
    if (forks) {
        struct handle handle = node_add(routes, place.key, common, ROUTE_NONE, &fork);
        fork->children[key_bit(place.key, common)] = here;
        node = fork;
        here = handle;
    }
    if (place.node != NULL)
        node->children[key_bit(place.node->key, common)] = *place.link;
    *place.link = here;
    return true;
}

uint32_t routes_get(struct routes *routes, const struct subnet *subnet)
{
    struct place place = place_of(routes, subnet);
    return place.is_there ? place.node->value : ROUTE_NONE;
}

/* A node that neither belongs to anybody nor forks goes, and its only child takes its place. */
static void node_tidy(struct routes *routes, struct handle *link)
{
    struct handle handle = *link;
    const struct route_node *node = node_at(routes, handle);
    check(node != NULL);
    bool has_0 = node->children[0].generation != 0, has_1 = node->children[1].generation != 0;
    if (node->value != ROUTE_NONE || (has_0 && has_1))
        return;
    *link = node->children[has_1];
    pool_give(&routes->nodes, handle);
}

bool routes_remove(struct routes *routes, const struct subnet *subnet)
{
    struct place place = place_of(routes, subnet);
    if (!place.is_there || place.node->value == ROUTE_NONE)
        return false;
    place.node->value = ROUTE_NONE;
    node_tidy(routes, place.link);
    if (place.above != NULL)
        node_tidy(routes, place.above);
    return true;
}

uint32_t routes_find(const struct routes *routes, const struct addr *addr)
{
    uint32_t found = ROUTE_NONE;
    if (addr->family == ADDR_NONE)
        return found;
    struct route_key key = key_of(addr);
    uint32_t bits = addr->family == ADDR_V6 ? 128 : 32;
    const struct route_node *node = node_at(routes, routes->root[addr->family == ADDR_V6]);
    while (node != NULL && key_agrees(node->key, key, node->bits)) {
        if (node->value != ROUTE_NONE)
            found = node->value;
        if (node->bits == bits)
            break; /* a host has nothing below it */
        node = node_at(routes, node->children[key_bit(key, node->bits)]);
    }
    return found;
}
