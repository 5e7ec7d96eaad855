/*
 * A routing table: longest prefix match by one hash table for all prefix lengths, so that an exact
 * host among ten thousand costs one probe.
 */
#ifndef WARREN_SIM_ROUTE_H
#define WARREN_SIM_ROUTE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/addr.h"

/* No route. */
#define ROUTE_NONE UINT32_MAX

struct route {
    uint64_t high; /* of the prefix, IPv4 in the upper half */
    uint64_t low;
    uint32_t target;
    uint8_t family; /* ADDR_NONE: a free place */
    uint8_t bits;
};

/* An answer that was found before; `family` ADDR_NONE: none. */
struct route_memory {
    uint64_t high;
    uint64_t low;
    uint32_t target;
    uint8_t family;
};

enum { ROUTE_MEMORIES = 16 };

struct route_table {
    struct route *slots;
    uint32_t count;
    uint32_t mask;       /* slots - 1 */
    uint32_t v4_default; /* ROUTE_NONE: none */
    uint32_t v6_default;
    uint8_t v4_lengths[33]; /* in use, the longest first; a default route has no entry */
    uint8_t v6_lengths[129];
    uint8_t v4_length_count;
    uint8_t v6_length_count;
    struct route_memory memories[ROUTE_MEMORIES]; /* by hash; forgotten whenever a route changes */
};

void route_init(struct route_table *table);
void route_free(struct route_table *table);
/* Adds or replaces the route of a prefix; bits 0 is the default route of the family. */
void route_set(struct route_table *table, const struct addr *prefix, uint32_t bits,
               uint32_t target);
/* Takes an exact host's route out, if it is there. */
void route_remove_host(struct route_table *table, const struct addr *host);
/* The target of the longest prefix that matches; ROUTE_NONE when none does. */
uint32_t route_find(struct route_table *table, const struct addr *address);

#endif
