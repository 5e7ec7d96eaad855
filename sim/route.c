/* A routing table: longest prefix match by hashing. */
#include "sim/route.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

enum { SLOTS_START = 8 };

struct key {
    uint64_t high;
    uint64_t low;
};

/* Written so that compilers make one load of it. */
static uint64_t load_be(const uint8_t *at)
{
    return (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
           (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
           (uint64_t)at[6] << 8 | (uint64_t)at[7];
}

/* The bytes after an IPv4 address are zero. */
static struct key key_of(const struct addr *address)
{
    return (struct key){.high = load_be(address->ip), .low = load_be(address->ip + 8)};
}

static struct key cut(struct key key, unsigned bits)
{
    if (bits < 64)
        return (struct key){.high = bits == 0 ? 0 : key.high >> (64 - bits) << (64 - bits),
                            .low = 0};
    if (bits > 64 && bits < 128)
        key.low = key.low >> (128 - bits) << (128 - bits);
    else if (bits == 64)
        key.low = 0;
    return key;
}

/* Only has to spread: the addresses are the simulator's own. The order of the slots decides
 * nothing. */
static uint32_t place_of(struct key key, unsigned bits)
{
    uint64_t x = (key.high ^ (key.low * 0x9e3779b97f4a7c15u) ^ bits) * 0xd6e8feb86659fd93u;
    return (uint32_t)((x ^ x >> 32) * 0xd6e8feb86659fd93u >> 32);
}

static void forget(struct route_table *table)
{
    memset(table->memories, 0, sizeof table->memories);
}

static struct route *probe(const struct route_table *table, uint8_t family, struct key key,
                           unsigned bits)
{
    uint32_t at = place_of(key, bits) & table->mask;
    for (;;) {
        struct route *slot = &table->slots[at];
        if (slot->family == ADDR_NONE || (slot->high == key.high && slot->low == key.low &&
                                          slot->bits == bits && slot->family == family))
            return slot;
        at = (at + 1) & table->mask;
    }
}

void route_init(struct route_table *table)
{
    memset(table, 0, sizeof *table);
    table->v4_default = ROUTE_NONE;
    table->v6_default = ROUTE_NONE;
    table->slots = calloc(SLOTS_START, sizeof *table->slots);
    check(table->slots != NULL);
    table->mask = SLOTS_START - 1;
}

void route_free(struct route_table *table)
{
    free(table->slots);
    table->slots = NULL;
}

static void grow(struct route_table *table)
{
    struct route *old = table->slots;
    uint32_t old_count = table->mask + 1;
    table->mask = 2 * old_count - 1;
    table->slots = calloc((size_t)table->mask + 1, sizeof *table->slots);
    check(table->slots != NULL);
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].family != ADDR_NONE)
            *probe(table, old[i].family, (struct key){old[i].high, old[i].low}, old[i].bits) =
                old[i];
    free(old);
}

/* Keeps the lengths in use sorted, the longest first. */
static void note_length(uint8_t *lengths, uint8_t *count, uint8_t bits)
{
    uint8_t at = 0;
    while (at < *count && lengths[at] > bits)
        at++;
    if (at < *count && lengths[at] == bits)
        return;
    memmove(lengths + at + 1, lengths + at, (size_t)(*count - at));
    lengths[at] = bits;
    (*count)++;
}

void route_set(struct route_table *table, const struct addr *prefix, uint32_t bits, uint32_t target)
{
    bool v4 = prefix->family == ADDR_V4;
    check(v4 || prefix->family == ADDR_V6);
    check(bits <= (v4 ? 32u : 128u) && target != ROUTE_NONE);
    forget(table);
    if (bits == 0) {
        *(v4 ? &table->v4_default : &table->v6_default) = target;
        return;
    }
    if (4 * (table->count + 1) > 3 * (table->mask + 1))
        grow(table);
    struct key key = cut(key_of(prefix), bits);
    struct route *slot = probe(table, prefix->family, key, bits);
    if (slot->family == ADDR_NONE)
        table->count++;
    *slot = (struct route){.high = key.high,
                           .low = key.low,
                           .target = target,
                           .family = prefix->family,
                           .bits = (uint8_t)bits};
    if (v4)
        note_length(table->v4_lengths, &table->v4_length_count, (uint8_t)bits);
    else
        note_length(table->v6_lengths, &table->v6_length_count, (uint8_t)bits);
}

void route_remove_host(struct route_table *table, const struct addr *host)
{
    unsigned bits = host->family == ADDR_V4 ? 32 : 128;
    struct route *slot = probe(table, host->family, key_of(host), bits);
    forget(table);
    if (slot->family != ADDR_NONE)
        slot->target = ROUTE_NONE; /* the place stays taken, so that no chain breaks */
}

static uint32_t search(const struct route_table *table, uint8_t family, struct key key)
{
    bool v4 = family == ADDR_V4;
    check(v4 || family == ADDR_V6);
    const uint8_t *lengths = v4 ? table->v4_lengths : table->v6_lengths;
    unsigned count = v4 ? table->v4_length_count : table->v6_length_count;
    for (unsigned i = 0; i < count; i++) {
        const struct route *slot = probe(table, family, cut(key, lengths[i]), lengths[i]);
        if (slot->family != ADDR_NONE && slot->target != ROUTE_NONE)
            return slot->target;
    }
    return v4 ? table->v4_default : table->v6_default;
}

uint32_t route_find(struct route_table *table, const struct addr *address)
{
    struct key key = key_of(address);
    /* The upper bits of a product spread well enough here, and are there sooner than place_of(). */
    uint64_t spread = (key.high ^ key.low) * 0x9e3779b97f4a7c15u;
    struct route_memory *memory = &table->memories[spread >> 32 & (ROUTE_MEMORIES - 1)];
    if (memory->high == key.high && memory->low == key.low && memory->family == address->family)
        return memory->target;
    uint32_t target = search(table, address->family, key);
    *memory = (struct route_memory){
        .high = key.high, .low = key.low, .target = target, .family = address->family};
    return target;
}
