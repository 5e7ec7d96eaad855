/*
 * What any protocol could reach between two clients, computed from the parameters of the NATs and
 * firewalls in front of them alone: direct, relayed or unreachable, the reason, and how soon. It
 * shares no code with the NAT, the firewall or the core, and takes from their headers nothing but
 * the meaning of parameters. docs/nat-model.md has the rule for single NATs, docs/reasons.md the
 * reasons.
 *
 * It speaks of protocols that guess no ports and ask no NAT to open any, of NATs that nobody else
 * crowds and that forget nothing meanwhile, and of a network that loses nothing. Nor do two clients
 * crowd the NATs in front of both: one that overloads ports gives them different ones. A router of
 * one side's is next to its client, those in front of both are half-way between them. A NAT that
 * turns a packet back with its inside source shows an address that nobody else can send to.
 */
#ifndef WARREN_SIM_ORACLE_PAIR_H
#define WARREN_SIM_ORACLE_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/oracle.h"

enum {
    ORACLE_LAYERS_MAX = 16,
    ORACLE_CALLER = 0, /* the index of a side */
    ORACLE_CALLEE = 1,
};

#define ORACLE_NEVER UINT64_MAX

/* One client: its routers from it outwards. None: a host directly on the internet. */
struct oracle_side {
    const struct oracle_layer *layers;
    uint32_t count; /* at most ORACLE_LAYERS_MAX */
};

struct oracle_pair {
    struct oracle_side side[2]; /* ORACLE_CALLER, ORACLE_CALLEE */
    uint32_t
        shared; /* so many outermost layers are the same routers for both; not above either count */
    bool same_lan; /* they reach each other by their own addresses, through none of the layers */
    uint16_t server_port; /* UDP port of their homes, which firewalls may name; 0: 51941 */
    uint64_t delay_ns[2]; /* one way between each side and its home */
    uint64_t peer_ns;     /* one way between the sides, by the direct path that there would be */
    uint64_t homes_ns;    /* one way between the two homes; 0 when both have the same */
};

enum oracle_verdict {
    ORACLE_DIRECT,
    ORACLE_RELAYED,
    ORACLE_UNREACHABLE, /* not even registered */
    ORACLE_ORDER,       /* direct or relayed by the order of packets: oracle_order_met() */
    ORACLE_CHANCE,      /* direct or relayed by what a NAT draws */
    ORACLE_VERDICT_COUNT,
};

/* What has to come first for a pair of verdict ORACLE_ORDER to be direct. */
enum oracle_order {
    ORACLE_ORDER_NONE,
    /*
     * A packet of the named side is admitted by the other's NAT before the other's first packet to
     * the named side leaves through that NAT. (Afterwards that NAT has bound the pair to a mapping
     * that the named side can never learn.)
     */
    ORACLE_ORDER_HEARD,
    /*
     * The first packet of each named side leaves its NAT before any of the other's arrives there.
     * (What arrives earlier spoils the mapping: the trap.)
     */
    ORACLE_ORDER_LEFT,
};

enum oracle_reason {
    ORACLE_REASON_NONE,
    /* Direct. */
    ORACLE_REASON_SAME_LAN,
    ORACLE_REASON_HAIRPIN,
    ORACLE_REASON_PUBLIC,
    ORACLE_REASON_PUNCHED,
    /* Relayed: one side's mapping against the other's filtering; EDM is ADM or APDM. */
    ORACLE_REASON_ADM_AGAINST_ADF,
    ORACLE_REASON_EDM_AGAINST_ADF,
    ORACLE_REASON_APDM_AGAINST_ADF,
    ORACLE_REASON_ADM_AGAINST_APDF,
    ORACLE_REASON_EDM_AGAINST_APDF,
    ORACLE_REASON_APDM_AGAINST_APDF,
    ORACLE_REASON_POOLING_AGAINST_ADF,
    ORACLE_REASON_NO_HAIRPIN,
    ORACLE_REASON_TRAP,
    ORACLE_REASON_PROBES_UNANSWERED,
    /* Unreachable. */
    ORACLE_REASON_UDP_BLOCKED,
    ORACLE_REASON_COUNT,
};

struct oracle_pair_says {
    uint8_t verdict;        /* enum oracle_verdict */
    uint8_t order;          /* enum oracle_order */
    uint8_t order_sides;    /* the sides that it names: 1 << ORACLE_CALLER, 1 << ORACLE_CALLEE */
    uint8_t order_shared;   /* the sides whose deciding NAT is one in front of both */
    uint8_t direct_reason;  /* enum oracle_reason, for as long as the pair is direct */
    uint8_t relayed_reason; /* and for as long as it is not; NONE where the verdict is direct */
    /*
     * From the caller's request: when the first datagram can be there through the relay, and when
     * both sides can have had a round trip on a direct path, if it comes to one. ORACLE_NEVER: not
     * at all. The second is that of the ideal flood: each side sends to every address that it knows
     * from the moment that it was told the other's (two ways to its home for the caller, one for
     * the callee), and carries acknowledgements on everything. Where the verdict depends on the
     * order, it is that of the favourable one.
     */
    uint64_t first_data_ns;
    uint64_t direct_ns;
};

struct oracle_pair_says oracle_pair(const struct oracle_pair *pair);

/*
 * When what happened that decides an order, at the NAT that decides: one of the side's own, or, for
 * a side in `order_shared`, the one in front of both, where a packet leaves and arrives at once:
 * any measure that grows with every packet of a trace, such as its number; ORACLE_NEVER for what
 * did not happen.
 */
struct oracle_pair_seen {
    /* A side's first packet to the address that the other registered with left its NAT. */
    uint64_t left[2];
    /*
     * A packet from the other first arrived at this side's NAT, for the address that it registered.
     */
    uint64_t arrived[2];
};

/* Only for the verdict ORACLE_ORDER: whether what was seen makes the pair direct. */
bool oracle_order_met(const struct oracle_pair_says *says, const struct oracle_pair_seen *seen);

/* A code as in docs/reasons.md, such as "apdm-against-apdf"; "" for none. Static. */
const char *oracle_reason_name(enum oracle_reason reason);
/* "direct", "relayed", "unreachable", "order" or "chance". Static. */
const char *oracle_verdict_name(enum oracle_verdict verdict);

#endif
