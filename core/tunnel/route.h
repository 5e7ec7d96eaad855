/*
 * Cryptokey routing (the WireGuard paper, section 2): which peer an inner address belongs to, by
 * the longest prefix. A binary trie with compressed paths, in a pool; a lookup takes at most one
 * step for each bit of an address.
 */
#ifndef WARREN_TUNNEL_ROUTE_H
#define WARREN_TUNNEL_ROUTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/pool.h"

#define ROUTE_NONE UINT32_MAX

struct routes {
    struct pool nodes;     /* struct route_node, in route.c */
    struct handle root[2]; /* of IPv4 and of IPv6; none: empty */
};

/* For so many prefixes. */
size_t routes_bytes(uint32_t prefixes);
void routes_init(struct routes *routes, void *memory, uint32_t prefixes);

/* The prefix belongs to `value` (not ROUTE_NONE), also when it was another's. False when full. */
bool routes_set(struct routes *routes, const struct subnet *subnet, uint32_t value);
/* To whom exactly this prefix belongs; ROUTE_NONE: nobody. */
uint32_t routes_get(struct routes *routes, const struct subnet *subnet);
/* Takes the prefix away; false when it was not there. */
bool routes_remove(struct routes *routes, const struct subnet *subnet);
/* To whom an address belongs, by the longest prefix; the port does not matter. */
uint32_t routes_find(const struct routes *routes, const struct addr *addr);

#endif
