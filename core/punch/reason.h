/*
 * What two behaviour discoveries say of a pair of clients: why it is direct, relayed or unreachable
 * (the closed list of docs/reasons.md), and who has to be heard first for it to become direct. Uses
 * what a discovery finds (core/stun/behaviour.h).
 */
#ifndef WARREN_PUNCH_REASON_H
#define WARREN_PUNCH_REASON_H

#include <stdbool.h>
#include <stdint.h>

#include "core/stun/behaviour.h"

enum reason {
    REASON_NONE, /* not known yet */
    /* Direct. */
    REASON_SAME_LAN,
    REASON_HAIRPIN,
    REASON_PUBLIC,
    REASON_PUNCHED,
    /* Relayed: one side's mapping against the other's filtering; EDM is ADM or APDM. */
    REASON_ADM_AGAINST_ADF,
    REASON_EDM_AGAINST_ADF,
    REASON_APDM_AGAINST_ADF,
    REASON_ADM_AGAINST_APDF,
    REASON_EDM_AGAINST_APDF,
    REASON_APDM_AGAINST_APDF,
    REASON_POOLING_AGAINST_ADF,
    REASON_NO_HAIRPIN,
    REASON_TRAP,
    REASON_PROBES_UNANSWERED,
    /* Unreachable. */
    REASON_UDP_BLOCKED,
    REASON_NOT_REGISTERED,
    REASON_REFUSED,
    REASON_COUNT
};

/* As in docs/reasons.md, such as "apdm-against-apdf"; "" for REASON_NONE. Static. */
const char *reason_name(enum reason reason);

/* What one side of a pair knows of a side: the part of its discovery that reasons rest on. */
struct reason_side {
    uint8_t nat;       /* enum stun_nat */
    uint8_t mapping;   /* enum stun_mapping */
    uint8_t filtering; /* enum stun_filtering */
    uint8_t hairpin;   /* enum stun_hairpin */
    uint8_t pooling;   /* enum stun_pooling */
    uint8_t trap;      /* enum stun_trap */
};

struct reason_side reason_side_of(const struct stun_behaviour *behaviour);

/* Why a validated path is direct. */
enum reason reason_direct(const struct reason_side *mine, const struct reason_side *theirs,
                          bool host_addresses, /* the path is between addresses of the hosts */
                          bool same_mapped);   /* both have the same mapped IP address */

/*
 * Why probing found no path. REASON_NONE while a discovery is missing. The same for both sides:
 * exchanging the arguments changes nothing.
 */
enum reason reason_relayed(const struct reason_side *mine, const struct reason_side *theirs,
                           bool same_mapped);

/* What has to happen before our probes may come to the peer's NAT: docs/protocol.md, "Order". */
enum reason_order {
    REASON_ORDER_NONE,
    REASON_ORDER_TOLD,   /* the peer must have sent: a trap of its that nobody finds may be there */
    REASON_ORDER_OPENED, /* the same, and surely: it has the trap, which we would spring */
    REASON_ORDER_PASSED, /* the peer must have come as far as our NATs, where it makes a session */
    REASON_ORDER_HEARD,  /* we must have been reached: what we send first binds the wrong mapping */
};

/* For a side for which it is PASSED, it is TOLD or OPENED for the other; never HEARD for both. */
enum reason_order reason_order(const struct reason_side *mine, const struct reason_side *theirs);

#endif
