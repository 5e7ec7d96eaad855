/*
 * What a behaviour discovery should find, computed from the parameters of the NATs and firewalls in
 * front of a client alone: the reference that scenarios are held to. It shares no code with the
 * NAT, the firewall or the core, and takes from their headers nothing but the meaning of parameters
 * and results.
 *
 * It speaks of a client whose network loses nothing, with fresh ports that nobody else has, and of
 * NATs that remember for as long as a discovery takes, some fifty seconds; what chance or a
 * parameter outside of that decides is marked unsure.
 */
#ifndef WARREN_SIM_ORACLE_H
#define WARREN_SIM_ORACLE_H

#include <stdint.h>

#include "core/stun/behaviour.h"
#include "sim/firewall.h"
#include "sim/nat.h"

/* One router in front of the client, or none of both: a router that only routes. */
struct oracle_layer {
    const struct nat_config
        *nat; /* NULL: none; also where it does not translate the family in question */
    const struct firewall_config *firewall; /* NULL: none; on the inner side of the NAT */
    uint32_t external;                      /* external addresses; 0: nat->pool, or 1 */
};

/* What the client asks. */
enum oracle_servers {
    ORACLE_SERVER_PAIRED, /* one with two addresses and two ports (RFC 5780), on 3478 and 3479 */
    ORACLE_SERVERS_TWO,   /* two with one address each, or more servers of that kind */
    ORACLE_SERVER_ONE,    /* one with one address */
};

enum oracle_aspect {
    ORACLE_NAT = 1 << 0,
    ORACLE_MAPPING = 1 << 1,
    ORACLE_FILTERING = 1 << 2,
    ORACLE_HAIRPIN = 1 << 3,
    ORACLE_PORTS = 1 << 4, /* and the step */
    ORACLE_POOLING = 1 << 5,
    ORACLE_TRAP = 1 << 6,
    ORACLE_ALL = (1 << 7) - 1,
};

struct oracle_finding {
    struct stun_behaviour
        is; /* nat, mapping, filtering, hairpin, ports, step, pooling and trap; the rest is 0 */
    uint32_t unsure; /* enum oracle_aspect, or-ed: `is` has the likeliest of several */
};

/* `layers` from the client outwards. */
struct oracle_finding oracle_discovery(const struct oracle_layer *layers, uint32_t count,
                                       enum oracle_servers servers);

/*
 * NULL when a result is what the oracle says, or the name of the first field ("nat", "mapping" ...)
 * that is not. A field that is unsure fits always.
 */
const char *oracle_mismatch(const struct oracle_finding *finding,
                            const struct stun_behaviour *found);

#endif
