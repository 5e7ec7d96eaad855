/*
 * The simulated NAT: two functions, outbound and inbound, that translate one packet in place with
 * the time as an argument. Every behaviour that RFC 4787, RFC 5382, RFC 5508, RFC 6888 and RFC 7857
 * name, and the known wrong ones, is a field of struct nat_config; the fields are described for
 * scripts in sim/nat_param.h, named sets of them are in sim/nat_preset.h. IPv4 and IPv6 are treated
 * alike. Depends on core/base only.
 */
#ifndef WARREN_SIM_NAT_H
#define WARREN_SIM_NAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/random.h"

/* The protocols that are translated; the values are IP's protocol numbers. */
enum nat_protocol {
    NAT_ICMP = 1, /* a query: its identifier takes the place of a port on the inside host's end */
    NAT_TCP = 6,
    NAT_UDP = 17,
};

/* The flags of a TCP header that a NAT looks at; or-ed together. */
enum nat_tcp_flag {
    NAT_TCP_FIN = 1,
    NAT_TCP_SYN = 2,
    NAT_TCP_RST = 4,
};

/*
 * The parts of a packet that a NAT reads and rewrites. An ICMP query (echo) has its identifier as
 * source port outbound and as destination port inbound; its other port is 0. An ICMP error (RFC
 * 5508, section 4) has `is_error` set, `protocol` is the protocol of the packet it quotes, the
 * ports of source and destination are 0, and `quoted_source` and `quoted_destination` are those of
 * the quoted packet, as they stood when the packet was refused.
 */
struct nat_packet {
    uint8_t protocol;  /* enum nat_protocol */
    uint8_t tcp_flags; /* enum nat_tcp_flag; 0 unless protocol is NAT_TCP */
    bool is_error;
    struct addr source;
    struct addr destination;
    struct addr quoted_source;
    struct addr quoted_destination;
};

/* What became of a packet. A dropped packet is left as it was. */
enum nat_verdict {
    NAT_PASS,             /* translated; goes on in its direction */
    NAT_HAIRPIN,          /* outbound only: translated both ways; goes back inside */
    NAT_DROP_NO_MAPPING,  /* inbound: nothing was ever mapped there, or it is forgotten */
    NAT_DROP_EXPIRED,     /* inbound: the mapping was there and has been idle for too long */
    NAT_DROP_LIFETIME,    /* inbound: the mapping reached its absolute lifetime */
    NAT_DROP_FILTERED,    /* inbound: the mapping is there, but not for this remote */
    NAT_DROP_NO_PORT,     /* outbound: no external port is free */
    NAT_DROP_QUOTA,       /* outbound: the subscriber has all the mappings it may have */
    NAT_DROP_TABLE_FULL,  /* no room for a mapping or a session, and the policy is to refuse */
    NAT_DROP_HAIRPIN_OFF, /* outbound: addressed to one of our own external addresses */
    NAT_DROP_ICMP_EATEN,  /* an ICMP error that this NAT does not translate */
    NAT_DROP_NO_ADDRESS,  /* outbound: the pool has none of this family, or none left */
    NAT_DROP_NOT_OURS,    /* inbound: not addressed to any of our external addresses */
    NAT_DROP_PROTOCOL,    /* a protocol that is not translated */
    NAT_VERDICT_COUNT,
};

/*
 * RFC 4787, section 4.1: what an external endpoint is a function of, besides the internal endpoint.
 */
enum nat_mapping {
    NAT_MAPPING_EIM,  /* nothing */
    NAT_MAPPING_ADM,  /* the remote address */
    NAT_MAPPING_APDM, /* the remote address and port */
};

/* RFC 4787, section 5: from whom an existing mapping admits a packet. */
enum nat_filtering {
    NAT_FILTERING_EIF,  /* anyone */
    NAT_FILTERING_ADF,  /* an address that was sent to */
    NAT_FILTERING_APDF, /* an address and port that was sent to */
};

/* What "was sent to" is counted by. Shows only where the mapping depends on the remote. */
enum nat_scope {
    NAT_SCOPE_MAPPING,  /* through this very mapping */
    NAT_SCOPE_ENDPOINT, /* by the internal endpoint, through any mapping */
};

/*
 * What an admitted inbound packet does to later packets between the same internal endpoint and
 * remote.
 */
enum nat_session {
    NAT_SESSION_NOTHING, /* nothing: packets out find their mapping by the mapping rule alone */
    NAT_SESSION_FIRST,   /* the pair's first packet, either way, fixes the mapping for both */
    NAT_SESSION_PIN,     /* replies leave by the mapping through which the remote last came in */
    NAT_SESSION_COUNT,
};

/* How the external port of a new mapping is chosen. */
enum nat_ports {
    NAT_PORTS_PRESERVED,  /* the internal port when it is free; `collision` says what else */
    NAT_PORTS_OVERLOADED, /* the same also when it is taken, while 5-tuples stay unique (Linux) */
    NAT_PORTS_SEQUENTIAL, /* `step` above the last one of this external address and protocol */
    NAT_PORTS_RANDOM,     /* any free one */
    NAT_PORTS_BLOCK,      /* a random free one of the subscriber's own block of `block` ports */
};

/* What a port-preserving NAT does when the internal port is taken. */
enum nat_collision {
    NAT_COLLISION_RANDOM,    /* a random free port (RFC 7857, section 9) */
    NAT_COLLISION_NEXT,      /* the next free port above */
    NAT_COLLISION_SYMMETRIC, /* a random free port for each remote: APDM, against REQ-11 */
    NAT_COLLISION_STEAL,     /* the port, whose former mapping is lost */
    NAT_COLLISION_REFUSE,    /* none: the packet is dropped */
};

/*
 * RFC 4787, section 4.1, "IP address pooling": which of several external addresses a mapping gets.
 */
enum nat_pooling {
    NAT_POOLING_PAIRED,    /* always the same one for one internal address */
    NAT_POOLING_SOFT,      /* the same while it has free ports, else another (RFC 7857, 4) */
    NAT_POOLING_ARBITRARY, /* any one, drawn for every mapping */
};

/* RFC 4787, section 6: packets from inside to one of our own external addresses. */
enum nat_hairpin {
    NAT_HAIRPIN_OFF,
    NAT_HAIRPIN_INTERNAL, /* delivered with the sender's internal source (REQ-9a forbids it) */
    NAT_HAIRPIN_EXTERNAL, /* delivered with the sender's external source */
};

/* RFC 4787, section 4.3: which packets restart the idle timer. */
enum nat_refresh {
    NAT_REFRESH_OUTBOUND,
    NAT_REFRESH_INBOUND,
    NAT_REFRESH_BOTH,
};

/* What happens to a new mapping or session when its table is full. */
enum nat_eviction {
    NAT_EVICTION_REFUSE, /* it is not made (RFC 6888, REQ-11) */
    NAT_EVICTION_OLDEST, /* the one that was idle for longest makes room */
};

enum nat_icmp {
    NAT_ICMP_PASSED,     /* ICMP errors are translated as RFC 5508 asks */
    NAT_ICMP_EATEN,      /* they are dropped */
    NAT_ICMP_TERMINATES, /* translated, but one from outside ends its mapping, against REQ-12 */
};

/*
 * All behaviour of one NAT. Fields of type uint8_t hold a value of the enum named beside them;
 * times are nanoseconds. nat_config_default() is a fully compliant RFC 4787 NAT with
 * address-and-port-dependent filtering. Which timeout holds is decided anew by each packet that
 * restarts the timer. Times of 0 that are not explained are refused.
 */
struct nat_config {
    uint64_t idle_ns;           /* UDP: a mapping or permission unused for so long is gone */
    uint64_t one_way_ns;        /* UDP: the same while only one side has sent; 0: as idle_ns */
    uint64_t two_way_after_ns;  /* UDP: a younger mapping counts as one-way in any case */
    uint64_t well_known_ns;     /* UDP: while all remote ports were below 1024; 0: as idle_ns */
    uint64_t tcp_idle_ns;       /* TCP after traffic both ways */
    uint64_t tcp_transitory_ns; /* TCP before that, and after a reset or a FIN from both sides */
    uint64_t icmp_idle_ns;      /* ICMP queries */
    uint64_t lifetime_ns;       /* a mapping of this age is gone, used or not; 0: never */
    uint64_t reuse_delay_ns;    /* an external port rests so long when its mapping is gone */
    uint64_t poison_ns;         /* how long an inbound packet that was not admitted keeps later
                                   mappings to its sender off that external port; 0: not at all */
    uint32_t port_low;          /* the range of external ports, both ends in it */
    uint32_t port_high;
    uint32_t step;         /* of sequential ports; at least 1 */
    uint32_t block;        /* ports in a subscriber's block; at least 1, and with port classes
                                   none is below 1024 */
    uint32_t pool;         /* external addresses it should be given by who creates it */
    uint32_t capacity;     /* mappings; at least 1 */
    uint32_t sessions;     /* permissions, claims and paths; at least 1 */
    uint32_t quota;        /* mappings of one internal address; 0: no limit */
    uint8_t mapping;       /* enum nat_mapping */
    uint8_t filtering;     /* enum nat_filtering */
    uint8_t scope;         /* enum nat_scope */
    uint8_t session;       /* enum nat_session */
    uint8_t ports;         /* enum nat_ports */
    uint8_t collision;     /* enum nat_collision */
    uint8_t pooling;       /* enum nat_pooling */
    uint8_t hairpin;       /* enum nat_hairpin */
    uint8_t refresh;       /* enum nat_refresh */
    uint8_t eviction;      /* enum nat_eviction */
    uint8_t icmp;          /* enum nat_icmp */
    bool parity;           /* even internal ports get even external ones, odd get odd ones */
    bool contiguity;       /* internal ports 2n and 2n+1 get external ports 2m and 2m+1 */
    bool port_classes;     /* internal ports below 1024 get external ones of 1 to 1023, and
                                   others none of those */
    bool refresh_dropped;  /* a filtered inbound packet restarts the timer too */
    bool shared_protocols; /* one mapping serves UDP and TCP */
    bool one_to_one;       /* each internal address has an external one of its own with all
                                   its ports: no mappings, and permissions if filtering asks */
};

/* What happened so far; kept through nat_flush(). */
struct nat_counters {
    uint64_t verdicts[NAT_VERDICT_COUNT]; /* packets by what became of them */
    uint64_t mappings_made;
    uint64_t mappings_expired;  /* idle */
    uint64_t mappings_outlived; /* by lifetime */
    uint64_t mappings_evicted;  /* for room, by a stolen port, or by an ICMP error */
    uint64_t mappings_flushed;
    uint64_t sessions_made;
    uint64_t collisions; /* a preserved port that was taken, or a 5-tuple */
    uint64_t poisoned;   /* early packets that were remembered */
};

/* External addresses of one NAT, at most; each costs 32 kB where it is used. */
enum { NAT_POOL_MAX = 65536 };

struct nat;

struct nat_config nat_config_default(void);
/* NULL when the configuration can work, otherwise a sentence that says what is wrong. */
const char *nat_config_problem(const struct nat_config *config);

/*
 * The bytes that a NAT of this configuration and pool takes; pages that are never used are never
 * touched.
 */
size_t nat_size(const struct nat_config *config, size_t pool_count);

/*
 * A NAT with the external addresses pool[0..pool_count), whose ports are ignored. They may be of
 * both families. `seed` and `name` (any bytes) give its random choices. NULL when there is no
 * memory. Destroy it with nat_destroy(). `config` must have no problem, and pool_count is at least
 * 1.
 */
struct nat *nat_create(const struct nat_config *config, const struct addr *pool, size_t pool_count,
                       const uint8_t seed[static RANDOM_SEED_SIZE], const char *name,
                       size_t name_size);
void nat_destroy(struct nat *nat);

/*
 * A packet from inside: translated in place when the verdict is NAT_PASS or NAT_HAIRPIN. `now_ns`
 * never decreases.
 */
enum nat_verdict nat_outbound(struct nat *nat, uint64_t now_ns, struct nat_packet *packet);
/* A packet from outside: translated in place when the verdict is NAT_PASS. */
enum nat_verdict nat_inbound(struct nat *nat, uint64_t now_ns, struct nat_packet *packet);

/* A reboot: all state is lost, one-to-one assignments, addresses and counters stay. */
void nat_flush(struct nat *nat);
/* The external addresses change (as many as before, in the same order); all mappings are lost. */
void nat_set_external(struct nat *nat, const struct addr *pool, size_t pool_count);
/*
 * One-to-one only: gives an internal address its external one before it has sent anything, and
 * writes that to `external` (port 0). Addresses are given in the order of the pool. False when none
 * is left.
 */
bool nat_assign(struct nat *nat, const struct addr *internal, struct addr *external);
/*
 * RFC 6888, REQ-6: packets to and from remotes of this prefix pass untranslated. False when
 * NAT_EXEMPT_MAX are set.
 */
enum { NAT_EXEMPT_MAX = 8 };
bool nat_exempt(struct nat *nat, const struct addr *prefix, unsigned bits);

const struct nat_config *nat_configuration(const struct nat *nat);
/* The counters as of now: what is due to expire by now_ns is expired first. */
const struct nat_counters *nat_count(struct nat *nat, uint64_t now_ns);
/* Mappings alive at now_ns; of one internal address, or of all when it is NULL. */
uint32_t nat_mapping_count(struct nat *nat, uint64_t now_ns, const struct addr *internal);
/* Whether packets to this IP address belong to this NAT. */
bool nat_is_external(const struct nat *nat, const struct addr *address);

bool nat_verdict_passes(enum nat_verdict verdict);
/* A word for reports, such as "filtered"; static. */
const char *nat_verdict_name(enum nat_verdict verdict);

#endif
