/*
 * What the two halves of the pair oracle share: all routers of one side in one, and the ideal
 * flood between two such. For sim/oracle_pair.c and sim/oracle_pair_ideal.c alone.
 */
#ifndef WARREN_SIM_ORACLE_PAIR_IDEAL_H
#define WARREN_SIM_ORACLE_PAIR_IDEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/oracle_pair.h"

enum { FILTERS_MAX = 2 * ORACLE_LAYERS_MAX };

/* Where on the direct path a router is. */
enum place {
    PLACE_OWN,  /* next to the client: it serves one side alone */
    PLACE_BOTH, /* in front of both, half-way */
    PLACE_TURN, /* the same, and its NAT is the one that turns the path back */
};

/*
 * One filter on the way in. What was sent counts for all mappings of the client that agree in
 * `key`: all of them (EIM), those towards one address (ADM), or each for itself (APDM).
 */
struct filter {
    uint8_t depth; /* enum nat_filtering, never EIF */
    uint8_t key;   /* enum nat_mapping */
    uint8_t place; /* enum place */
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
    bool session_open; /* what comes to the NAT of the session is refused further in, if at all */
    uint8_t place;     /* enum place: of what is being added */
    uint8_t session_place; /* of the NAT that decides on sessions */
    uint8_t trap_place;    /* of the one that is trapped */
    uint8_t trap_mapping;  /* enum nat_mapping: of all layers up to that one */
    uint8_t own_mapping;   /* the same, of the client's own layers */
    bool jumps;            /* mappings towards different remotes may have different addresses */
    bool translated;       /* there is a NAT */
    bool hidden;           /* what is further out filters, for everybody but this peer */
    bool registers;        /* UDP to and from its home passes */
    bool open;             /* UDP to and from a peer is not denied whatever was sent before */
};

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
    uint64_t met_ns;     /* the same, or a session with it */
    uint64_t behind_ns;  /* so far off, there and back, is the NAT that chooses its ports */
    bool silent;         /* does not send before that */
    bool traps;          /* the trap is there and not ruled out */
    bool first_binds;    /* a session begins with what filters further in may refuse */
};

struct flood {
    struct flood_side side[2];
    uint64_t peer_ns;
    bool learns;     /* observed addresses can be sent to */
    uint32_t sooner; /* the side whose packet is first where two meet half-way */
};

/* When both sides have had a round trip, by when each is told; ORACLE_NEVER: they get none. */
uint64_t flood_ns(struct flood *flood, const uint64_t told_ns[static 2]);

#endif
