/*
 * What is inside a struct nat: private to sim/nat.c, sim/nat_table.c and sim/nat_port.c.
 *
 * All state is one block. Records are referred to by index, never by pointer, so the block may be
 * copied to another address. A record stands in one hash table or two, and in one timer list; each
 * list is ordered by last use and all its records have the same timeout, so whatever is due stands
 * at a head. Everything due is expired before a packet is looked at; no result depends on when.
 */
#ifndef WARREN_SIM_NAT_STATE_H
#define WARREN_SIM_NAT_STATE_H

#include "sim/nat.h"

enum {
    /* no record: indexes count from 1, so that zeroed memory is an empty table */
    NAT_NONE = 0,
    NAT_NO_PORT = 0x10000, /* no port at all */
    NAT_PORT_WORDS = 65536 / 64,
    NAT_SPACES = 3, /* port spaces of one external address: ICMP, TCP, UDP */
};

/* The timer lists. The last three are not idle timeouts of traffic. */
enum nat_timer {
    NAT_TIMER_IDLE,
    NAT_TIMER_ONE_WAY,
    NAT_TIMER_WELL_KNOWN,
    NAT_TIMER_TCP_IDLE,
    NAT_TIMER_TCP_TRANSITORY,
    NAT_TIMER_ICMP,
    NAT_TIMER_LIVE_COUNT,
    NAT_TIMER_POISON = NAT_TIMER_LIVE_COUNT, /* sessions that hold a port against a remote */
    NAT_TIMER_KEPT, /* never due: paths, and subscribers without mappings */
    NAT_TIMER_DEAD, /* mappings that are gone, kept to say why */
    NAT_TIMER_COUNT,
};

enum nat_record_flag {
    NAT_SEEN_OUT = 1,
    NAT_SEEN_IN = 2,
    NAT_SEEN_HIGH = 4, /* a remote port of 1024 or more */
    NAT_FIN_OUT = 8,
    NAT_FIN_IN = 16,
    NAT_RESET = 32,
};

/* The start of every record. */
struct nat_record {
    uint64_t made_ns;
    uint64_t used_ns; /* when the timer was last started */
    uint32_t prev;    /* in the timer list */
    uint32_t next;    /* in the timer list, or in the list of free records */
    uint8_t timer;
    uint8_t flags;
    uint8_t protocol; /* 0 with shared protocols */
    uint8_t kind;     /* of mappings, enum nat_state; of sessions, enum nat_flow_kind */
};

struct nat_timer_list {
    uint32_t head;
    uint32_t tail;
};

struct nat_table {
    size_t offset; /* of record 1, from the start of the struct nat */
    size_t stride;
    uint32_t capacity;
    uint32_t mark; /* records ever used */
    uint32_t free;
    uint32_t zero;
    struct nat_timer_list lists[NAT_TIMER_COUNT];
};

struct nat_hash {
    size_t offset; /* of uint32_t heads[mask + 1] */
    uint32_t mask;
    uint32_t zero;
};

enum nat_state {
    NAT_ALIVE,
    NAT_DEAD_IDLE,
    NAT_DEAD_LIFETIME,
    NAT_DEAD_OTHER,
};

struct nat_entry {
    struct nat_record record;
    struct addr inside;
    struct addr outside;
    struct addr remote; /* the part of the remote that the mapping depends on; the rest is zero */
    struct addr owner;  /* in whose name permissions stand */
    uint32_t address;   /* index of the external address in the pool */
    uint32_t subscriber;
    uint32_t inside_next;
    uint32_t outside_next;
    uint32_t older; /* in the list by age, kept when there is a lifetime */
    uint32_t newer;
    uint32_t flows; /* the sessions that end with this mapping */
    uint32_t zero;
    uint64_t serial; /* grows with every mapping made */
};

enum nat_flow_kind {
    NAT_PERMIT, /* owner: inside endpoint or mapping, by scope; remote: what the filter looks at */
    NAT_CLAIM,  /* owner: outside endpoint; the 5-tuple is that of `entry`, or poisoned */
    NAT_PATH,   /* owner: inside endpoint; packets to the remote leave by `entry` */
};

struct nat_flow {
    struct nat_record record;
    struct addr owner;
    struct addr remote;
    uint32_t entry;      /* the mapping that it ends with, or NAT_NONE */
    uint32_t entry_prev; /* among the sessions of that mapping */
    uint32_t entry_next;
    uint32_t chain;
};

struct nat_subscriber {
    struct nat_record record;
    struct addr inside;     /* port 0 */
    uint32_t alive;         /* mappings */
    uint32_t address;       /* index in the pool */
    uint32_t block;         /* 1 + number of its block of ports; 0: none */
    uint32_t block_address; /* index in the pool of the address whose ports those are */
    uint32_t chain;
};

struct nat_space {
    uint64_t taken[NAT_PORT_WORDS];
    uint32_t last[2]; /* the last port given out in sequence; [1]: of well-known ones */
};

struct nat_exemption {
    struct addr prefix;
    uint32_t bits;
};

struct nat {
    struct nat_config config;
    struct nat_counters counters;
    struct random_stream random;
    uint64_t hash_key;
    uint64_t now_ns;
    uint64_t quiet_until_ns; /* nothing is due before that */
    uint64_t timer_ns[NAT_TIMER_COUNT];
    uint64_t next_serial;
    struct nat_table entries;
    struct nat_table flows;
    struct nat_table subscribers;
    struct nat_hash by_inside;
    struct nat_hash by_outside;
    struct nat_hash by_flow;
    struct nat_hash by_subscriber;
    struct nat_hash by_pool;
    size_t pool_offset;      /* struct addr[pool_count], IPv4 ones first */
    size_t pool_next_offset; /* uint32_t[pool_count]: hash chains */
    size_t owner_offset;     /* uint32_t[pool_count]: one-to-one, the subscriber */
    size_t space_offset;     /* struct nat_space[pool_count * NAT_SPACES] */
    size_t blocks_offset;    /* uint64_t[pool_count * NAT_PORT_WORDS]: blocks of ports given out */
    uint32_t pool_count;
    uint32_t pool_v4; /* of them, IPv4 */
    uint32_t turn_v4; /* whose turn it is among the pool's addresses */
    uint32_t turn_v6;
    uint32_t oldest; /* the list of live entries by age */
    uint32_t newest;
    uint32_t exempt_count;
    uint32_t alive; /* mappings */
    bool claims;    /* 5-tuples are tracked */
    bool splits;    /* one remote may have a mapping of its own, apart from the mapping rule */
    bool permits;   /* permissions are tracked */
    bool paths;     /* paths are tracked */
    struct nat_exemption exempt[NAT_EXEMPT_MAX];
};

/* sim/nat_table.c */

struct nat_entry *nat_entry_at(const struct nat *nat, uint32_t index);
struct nat_flow *nat_flow_at(const struct nat *nat, uint32_t index);
struct nat_subscriber *nat_subscriber_at(const struct nat *nat, uint32_t index);
struct nat_record *nat_record_at(const struct nat *nat, const struct nat_table *table,
                                 uint32_t index);
struct nat_space *nat_space_at(const struct nat *nat, uint32_t address, uint8_t protocol);
const struct addr *nat_pool_at(const struct nat *nat, uint32_t address);

/* Expires everything that is due; called before anything else with each new time. */
void nat_advance(struct nat *nat, uint64_t now_ns);
/* Puts a record into a timer list, at its end, with the timer starting now. */
void nat_timer_start(struct nat *nat, struct nat_table *table, uint32_t index, uint8_t timer);

/* The live mapping of exactly this key; NAT_NONE when there is none. */
uint32_t nat_entry_find(const struct nat *nat, uint8_t protocol, const struct addr *inside,
                        const struct addr *remote);
/* The first mapping, alive or dead, in the chain that holds those of an external endpoint. */
uint32_t nat_outside_first(const struct nat *nat, uint8_t protocol, const struct addr *outside);
/*
 * A record with room made for it by policy, in no table and list yet; NAT_NONE when there is none.
 */
uint32_t nat_entry_new(struct nat *nat);
/* Enters a new mapping, whose fields are set, into its tables. */
void nat_entry_add(struct nat *nat, uint32_t index);
/* Gives a record of nat_entry_new() back. */
void nat_entry_drop(struct nat *nat, uint32_t index);
/* Ends a live mapping; it is kept for a while as dead. */
void nat_entry_kill(struct nat *nat, uint32_t index, enum nat_state state);
/* Forgets the dead mappings of an external endpoint, whose port is given out anew. */
void nat_outside_forget(struct nat *nat, uint8_t protocol, const struct addr *outside);

/* The session of exactly this key; NAT_NONE when there is none. */
uint32_t nat_flow_find(const struct nat *nat, enum nat_flow_kind kind, uint8_t protocol,
                       const struct addr *owner, const struct addr *remote);
/*
 * The session of this key bound to `entry` (or NAT_NONE), made when there is none; NAT_NONE: full.
 */
uint32_t nat_flow_put(struct nat *nat, enum nat_flow_kind kind, uint8_t protocol,
                      const struct addr *owner, const struct addr *remote, uint32_t entry);

uint32_t nat_subscriber_find(const struct nat *nat, const struct addr *inside);
/*
 * Found or made; its address is chosen. NAT_NONE: the pool has none for it, or the table is full.
 */
uint32_t nat_subscriber_put(struct nat *nat, const struct addr *inside);

/* One-to-one: the subscriber that has an external address, or NAT_NONE. */
uint32_t nat_pool_owner(const struct nat *nat, uint32_t address);
/* The pool's index of an IP address, or pool_count. */
uint32_t nat_pool_find(const struct nat *nat, const struct addr *address);
void nat_pool_set(struct nat *nat, const struct addr *pool, size_t pool_count);
/* The pool's part of one family: its first index, and how many. */
uint32_t nat_pool_family(const struct nat *nat, uint8_t family, uint32_t *first);

/* sim/nat_port.c */

/* For whom a port is asked. */
struct nat_ask {
    struct addr inside;
    struct addr remote; /* of the packet that asks */
    struct addr key;    /* the part of it that the mapping depends on */
    bool fresh;         /* the endpoint's usual port will not do for this remote */
};

struct nat_choice {
    uint32_t port;   /* NAT_NO_PORT: none is free */
    bool for_remote; /* the mapping is to be for this remote alone */
};

/* The external port for a new mapping on one external address. */
struct nat_choice nat_port_choose(struct nat *nat, uint8_t protocol, const struct nat_ask *ask,
                                  uint32_t address, uint32_t subscriber);
void nat_port_take(struct nat *nat, uint32_t address, uint8_t protocol, uint16_t port);
void nat_port_release(struct nat *nat, uint32_t address, uint8_t protocol, uint16_t port);
/* Draws where sequences begin. */
void nat_ports_begin(struct nat *nat);
/* Gives the subscriber's block of ports back. */
void nat_block_release(struct nat *nat, struct nat_subscriber *subscriber);

#endif
