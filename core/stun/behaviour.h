/* What a client found out about the NATs in front of it, in the words of RFC 4787 and RFC 5780. */
#ifndef WARREN_STUN_BEHAVIOUR_H
#define WARREN_STUN_BEHAVIOUR_H

#include <stdint.h>

#include "core/base/addr.h"

/* Does anything come back at all, and is the address ours? */
enum stun_nat {
    STUN_NAT_UNKNOWN = 0,
    STUN_NAT_BLOCKED, /* no answer to any request: UDP does not pass, or the server is gone */
    STUN_NAT_NONE,    /* the server sees our own address and port */
    STUN_NAT_PRESENT,
};

/* RFC 4787, section 4.1. */
enum stun_mapping {
    STUN_MAPPING_UNKNOWN = 0,
    STUN_MAPPING_EIM,
    STUN_MAPPING_ADM,
    STUN_MAPPING_APDM,
    STUN_MAPPING_DEPENDENT, /* ADM or APDM: the servers at hand cannot tell which */
};

/* RFC 4787, section 5. */
enum stun_filtering {
    STUN_FILTERING_UNKNOWN = 0,
    STUN_FILTERING_EIF,
    STUN_FILTERING_ADF,
    STUN_FILTERING_APDF,
};

/* RFC 4787, section 6. */
enum stun_hairpin {
    STUN_HAIRPIN_UNKNOWN = 0,
    STUN_HAIRPIN_OFF,
    STUN_HAIRPIN_INTERNAL, /* the inside host sees the internal source */
    STUN_HAIRPIN_EXTERNAL, /* the inside host sees the mapped source (REQ-9a) */
};

/* RFC 4787, section 4.2.1, seen from three fresh ports. */
enum stun_ports {
    STUN_PORTS_UNKNOWN = 0,
    STUN_PORTS_PRESERVED,
    STUN_PORTS_SEQUENTIAL, /* fresh mappings are a constant, non-zero step apart */
    STUN_PORTS_RANDOM,
};

/* RFC 4787, section 4.1, REQ-2. */
enum stun_pooling {
    STUN_POOLING_UNKNOWN = 0,
    STUN_POOLING_PAIRED, /* one external address for all our ports */
    STUN_POOLING_ARBITRARY,
};

/*
 * Does a datagram that the NAT refused spoil the mapping that we make to its sender afterwards?
 * Linux's masquerade does so where nothing drops the datagram before the router's own stack answers
 * it; it turns simultaneous opening into failure.
 */
enum stun_trap {
    STUN_TRAP_UNKNOWN = 0,
    STUN_TRAP_NO,
    STUN_TRAP_YES,
};

struct stun_behaviour {
    uint8_t nat;       /* enum stun_nat */
    uint8_t mapping;   /* enum stun_mapping */
    uint8_t filtering; /* enum stun_filtering */
    uint8_t hairpin;   /* enum stun_hairpin */
    uint8_t ports;     /* enum stun_ports */
    uint8_t pooling;   /* enum stun_pooling */
    uint8_t trap;      /* enum stun_trap */
    uint8_t zero;
    int32_t step;         /* STUN_PORTS_SEQUENTIAL: from one fresh mapping to the next */
    struct addr server;   /* that the tests were made with; blocked: the first that was named */
    struct addr local;    /* the first probe socket's own address */
    struct addr mapped;   /* and the address that the server saw */
    uint32_t sent;        /* datagrams spent */
    uint32_t received;    /* datagrams that counted */
    uint64_t duration_ns; /* from the command to this result */
};

#endif
