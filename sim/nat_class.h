/*
 * A classifier in the spirit of RFC 5780: finds out by packets alone how a NAT behaves. It drives
 * the NAT's two functions directly, from inside endpoints and remotes that it makes up, and looks
 * at nothing but what comes out; of a dropped packet it reads the reason only to tell hairpin that
 * is off from hairpin that is filtered.
 */
#ifndef WARREN_SIM_NAT_CLASS_H
#define WARREN_SIM_NAT_CLASS_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/nat.h"

/* What can be found out; or-ed together in nat_class.seen. */
enum nat_aspect {
    NAT_ASPECT_MAPPING = 1 << 0,
    NAT_ASPECT_FILTERING = 1 << 1,
    NAT_ASPECT_SCOPE = 1 << 2,   /* only where mapping and filtering depend on the remote */
    NAT_ASPECT_SESSION = 1 << 3, /* only where a mapping admits a remote that has another */
    /* "first" can be told from "nothing", not only "pin" from both */
    NAT_ASPECT_FIRST = 1 << 4,
    NAT_ASPECT_PORTS = 1 << 5,
    NAT_ASPECT_COLLISION = 1 << 6, /* only where ports are preserved and addresses paired */
    NAT_ASPECT_PARITY = 1 << 7,
    NAT_ASPECT_POOLING = 1 << 8, /* only where several external addresses were met */
    NAT_ASPECT_HAIRPIN = 1 << 9,
    NAT_ASPECT_REFRESH = 1 << 10,
    NAT_ASPECT_IDLE = 1 << 11,
    NAT_ASPECT_LIFETIME = 1 << 12,
    NAT_ASPECT_POISON = 1 << 13,
};

struct nat_class {
    uint32_t seen;     /* enum nat_aspect; fields of aspects not seen are 0 */
    bool one_to_one;   /* a port that never sent is reached; nothing else is probed then */
    uint8_t mapping;   /* enum nat_mapping */
    uint8_t filtering; /* enum nat_filtering */
    uint8_t scope;     /* enum nat_scope */
    uint8_t session;   /* enum nat_session */
    uint8_t ports;     /* enum nat_ports */
    uint8_t collision; /* enum nat_collision */
    uint8_t pooling;   /* enum nat_pooling; "soft" shows as paired */
    uint8_t hairpin;   /* enum nat_hairpin */
    uint8_t refresh;   /* enum nat_refresh */
    bool parity;
    bool poison;
    uint32_t step;          /* of sequential ports */
    uint32_t block;         /* of ports in blocks */
    uint32_t pool;          /* external addresses that were met */
    uint64_t idle_ns;       /* two-way UDP; to the millisecond, rounded up; 0: longer than a day */
    uint64_t one_way_ns;    /* after a single packet, likewise */
    uint64_t well_known_ns; /* two-way with a remote port below 1024, likewise */
    /* to the millisecond, rounded up; 0: longer than a day, or not above idle_ns */
    uint64_t lifetime_ns;
};

/*
 * Probes a NAT, which should be idle, from `*now_ns` on, and moves that on to the end of the
 * probing (some days). `inside` and `remote` are the first of 4096 addresses each that probing may
 * use.
 */
struct nat_class nat_classify(struct nat *nat, uint64_t *now_ns, const struct addr *inside,
                              const struct addr *remote);

/*
 * Whether what was seen fits a configuration: NULL, or the name of the first parameter that does
 * not, as in sim/nat_param.h. What was not seen fits anything.
 */
const char *nat_class_mismatch(const struct nat_class *seen, const struct nat_config *config);

#endif
