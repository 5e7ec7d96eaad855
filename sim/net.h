/*
 * A simulated network in virtual time: hosts and routers ("places"), links between them, faults and
 * commands on a timeline. This is the one header that a program on top of the simulator needs.
 *
 * A world is built first, by name, then run. Everything is a function of the root seed and the
 * calls, in their order. Random streams are named ("link/home>internet/loss", "host/alice/ports",
 * "nat/home"), so that adding a place or a link disturbs no other's draws.
 *
 * Addresses, all handed out in order of creation:
 *   198.18.0.0/15        the internet in IPv4: servers, and routers' external addresses, from .0.1,
 *                        the hub's own, on
 *   2001:db8::/64        the internet in IPv6, likewise
 *   2001:db8:0:N::/64    behind router N, counted in order of creation from 1; routed there
 *   fd00:0:0:N::/64      instead, where the router or one above it has nat_v6
 *   192.168.N.0/24       behind an ordinary NAT; N is the router's number, from 1 to 254 and again
 *   100.64.0.0/12        behind a carrier's NAT; each has the whole range
 *   10.0.0.0/12          behind a NAT with `wide`; each has the whole range
 *
 * Behind a carrier's NAT behind another, the next range (100.80.0.0/12) is used; likewise for
 * `wide`. A router with a range of its own is the first address in it. Behind a router without a
 * NAT, IPv4 addresses come from the range above it and are routed.
 *
 * Not reentrant: callbacks may read the world, schedule, and send from plain hosts, but not run or
 * free it.
 */
#ifndef WARREN_SIM_NET_H
#define WARREN_SIM_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/warren.h"
#include "host/drive.h"
#include "sim/firewall.h"
#include "sim/link.h"
#include "sim/nat.h"
#include "sim/packet.h"

struct net;

/* Stands for "no place", "no link", "no interface". */
#define NET_NONE UINT32_MAX
/* The hub that every world has: a router without a NAT, named "internet". */
#define NET_INTERNET 0

enum {
    NET_NAME_MAX = 63, /* bytes of a name */
    NET_LINK_NAME_SIZE = 2 * NET_NAME_MAX + 8,
    NET_INTERFACES_MAX = 8, /* of one host */
    NET_ADDRESSES_MAX = 4,  /* of one interface in each family */
    NET_EXTERNAL_MAX = 64,  /* external addresses of one router in each family */
    NET_SOCKETS_MAX = 64,   /* of one host, standing ones included */
    NET_PORT_LOW = 32768,   /* ephemeral ports, as Linux has them */
    NET_PORT_HIGH = 60999,
    NET_PORT_PUNCH = 51941,   /* of a mesh's servers, for clients */
    NET_PORT_RELAY = 9103,    /* likewise, for each other */
    NET_PORT_TRAFFIC = 51940, /* of clients */
};

/* ---- What happens, for traces, captures and invariants --------------------------------------- */

enum net_event_kind {
    NET_SENT,      /* a host sent a packet */
    NET_DELIVERED, /* a datagram reached a socket, or a gate, whole */
    NET_DROPPED,   /* a packet ended; `drop` says why, and `detail` more precisely */
    NET_FORWARDED, /* a router passed a packet on, after translation */
    NET_FAULT,     /* `number` is an enum net_fault_kind */
    NET_COMMAND,   /* `number` is an enum node_in_kind */
    NET_OUTPUT,    /* a node's output that is neither a datagram nor a socket; `output` is set */
    NET_TRACE,     /* a record of a node's trace; `record` is set */
    NET_SOCKET, /* a probe socket opened; `number` is its port, 0 when it was refused or closed */
};

enum net_drop {
    NET_DROP_LOSS,        /* independent loss on a link */
    NET_DROP_BURST,       /* burst loss */
    NET_DROP_QUEUE,       /* a full queue */
    NET_DROP_LINK_DOWN,   /* a link, or an interface, that is down */
    NET_DROP_BLACK_HOLE,  /* bigger than an MTU, and nobody says so */
    NET_DROP_TOO_BIG,     /* bigger than an MTU, and an ICMP error says so */
    NET_DROP_TTL,         /* hops used up */
    NET_DROP_NO_ROUTE,    /* no route */
    NET_DROP_NAT,         /* refused by a NAT; `detail` is an enum nat_verdict */
    NET_DROP_FIREWALL,    /* refused by a firewall; `detail` is an enum firewall_verdict */
    NET_DROP_CHECKSUM,    /* corrupted on the way */
    NET_DROP_REASSEMBLY,  /* fragments that never became whole, or had no room */
    NET_DROP_NO_SOCKET,   /* closed port */
    NET_DROP_NOT_OURS,    /* arrived at a host that does not have the address, or was to leave a
                             gate by one that it does not have */
    NET_DROP_HOST_DOWN,   /* the host, or its process, is not running */
    NET_DROP_UNSUPPORTED, /* a protocol that nothing at the destination speaks; at a gate, also
                             what is no packet, or none that the network carries: no event then */
    NET_DROPS
};

/* Which pointers are set depends on the kind; they are good only during the call. */
struct net_event {
    uint64_t now_ns;
    enum net_event_kind kind;
    uint32_t place; /* where */
    uint32_t link;  /* on which link, or NET_NONE */
    uint8_t drop;   /* enum net_drop */
    uint8_t detail;
    uint64_t number;
    const struct packet *packet;
    const struct trace_record *record;
    const struct node_out *output;
    const struct net_fault *fault;
};

typedef void net_observe(void *context, const struct net_event *event);

struct net_counts {
    uint64_t sent;      /* packets that hosts sent; a fragment counts as one */
    uint64_t forwarded; /* by routers */
    uint64_t delivered; /* datagrams that reached a socket or a gate */
    uint64_t bytes;     /* of their data */
    uint64_t dropped[NET_DROPS];
    uint64_t icmp; /* ICMP errors made */
};

/* A word for a reason, such as "queue"; static. */
const char *net_drop_name(enum net_drop drop);
const char *net_fault_name(uint32_t kind);

/* ---- A network elsewhere --------------------------------------------------------------------- */

/*
 * Carries what the world's own links would: another simulator. Routers and plain hosts still do
 * with packets what they do here; hosts that run a node have a stack there, with their addresses,
 * and send and receive datagrams only. A host's interface has end 2n of link n, and so has a
 * router's uplink; end 2n + 1 is what it leads to. Latency, rate and queue are the carrier's;
 * losses are drawn here, when a packet has come through, and a packet that is too big for a link,
 * or finds it down, does not get there.
 *
 * What the carrier is told is told within net_run_until() and the functions below, and it answers
 * without calling any of them but net_carry_left(), net_carry_leaves() and net_carry_lost().
 */
struct net_send;
struct net_carrier {
    void *context;
    /* A router or a plain host sends an IP packet by this end. */
    void (*carry)(void *context, uint32_t end, const uint8_t *bytes, uint32_t size);
    /* A node's UDP port on one of its host's addresses. */
    void (*open)(void *context, uint32_t host, const struct addr *local);
    /* Of all addresses. */
    void (*close)(void *context, uint32_t host, uint16_t port);
    /* A datagram from an open port by the interface that has this end; false: there is no route. */
    bool (*send)(void *context, uint32_t host, uint32_t end, const struct net_send *send,
                 const void *bytes, uint32_t size);
    /* The world is about to have this fault. Links that are down are the world's business. */
    void (*fault)(void *context, const struct net_fault *fault);
};

/*
 * An IP packet has come out of a link at this end, now. What comes to a host with a stack is shown,
 * and the node is told of ICMP errors. The world is settled by the next step.
 */
void net_carry_arrived(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size);
/* To be asked for each packet as it is put on the wire by an end; false: it is not. */
bool net_carry_leaves(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size);
/* To be asked for each packet just before it comes out at an end; false: it does not. */
bool net_carry_passes(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size);
/* A host's stack has sent an IP packet by this end. */
void net_carry_left(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size);
/* There was no room for a packet that was to leave by this end. */
void net_carry_lost(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size);
/* A datagram for the node at a place, with ports. */
void net_carry_received(struct net *net, uint32_t place, const struct addr *local,
                        const struct addr *remote, const uint8_t *bytes, uint32_t size);
/* The end of a host's interface, or of a router's uplink (interface 0); NET_NONE: none. */
uint32_t net_end(const struct net *net, uint32_t place, uint32_t interface);
/* The place at an end, and what the direction away from it is like. */
uint32_t net_end_place(const struct net *net, uint32_t end);
const struct link_config *net_end_way(const struct net *net, uint32_t end);

/* ---- Building -------------------------------------------------------------------------------- */

struct net_config {
    uint8_t seed[RANDOM_SEED_SIZE];
    const struct crypto *crypto; /* for nodes; may be NULL where all hosts are plain */
    bool digesting;              /* keep net_digest(); off costs nothing */
    bool tracing;                /* hand the nodes' trace records to the observer */
    uint64_t events_max;         /* a run that has had so many stops for good; 0: no limit */
    net_observe *observe;        /* may be NULL */
    void *context;
    const struct net_carrier *carrier; /* stays the caller's; NULL: the world's own links */
};

/* Seed bytes from a number. */
void net_seed(uint8_t seed[static RANDOM_SEED_SIZE], uint64_t number);

struct net *net_new(const struct net_config *config);
void net_free(struct net *net);

/*
 * A router behind another. All zero is a router on the internet with one public address in each
 * family, no firewall and an ideal uplink. Without a NAT, what is behind it has IPv4 addresses of
 * the nearest NAT's range above it (public ones when there is none), which are routed there.
 *
 * Where the NAT has poison_ns, the router's own stack sees what the NAT refuses, as Linux does
 * without a rule that drops it, and answers UDP with "port unreachable".
 */
struct net_router {
    uint32_t behind;                        /* a router */
    const struct nat_config *nat;           /* copied; NULL: none */
    const struct firewall_config *firewall; /* copied; NULL: none. On the way out before
                                               the NAT on the way out and after it on the way in */
    struct link_config up;                  /* the uplink, away from this router */
    struct link_config down;
    uint32_t external; /* external IPv4 addresses; 0: nat->pool, or 1 */
    bool nat_v6;  /* the NAT translates IPv6 too: the pool gets an IPv6 address for each IPv4 one */
    bool no_v6;   /* neither it nor what is behind it has IPv6 */
    bool carrier; /* inside is 100.64.0.0/12 */
    bool wide;    /* inside is 10.0.0.0/12; an ordinary NAT has room for 253 places, these for a
                     million */
    bool silent;  /* makes no ICMP errors of its own */
};

/* The new place. Names are unique, not empty, and made of letters, digits, '-', '_' and '.'. */
uint32_t net_add_router(struct net *net, const char *name, const struct net_router *config);

/*
 * Makes a host a gate: its packets come from and go to somewhere else, such as a TUN device. What
 * the caller sends by net_gate_send() leaves it, and what arrives is handed to `arrived`.
 */
struct net_gate {
    /*
     * An IPv4 or IPv6 packet has arrived at the host: whole, even where that is more than a link's
     * MTU, and with good checksums. The bytes are good only during the call.
     */
    void (*arrived)(void *context, struct net *net, uint32_t host, uint32_t interface,
                    const uint8_t *bytes, uint32_t size);
    void *context;
};

/*
 * A host. All zero, with `behind` NET_INTERNET, is a plain host with one public address in each
 * family and an ideal link; with `limits` it runs a node of the core.
 */
struct net_host {
    uint32_t behind;       /* a router; NET_NONE: no interface yet */
    struct link_config up; /* away from the host */
    struct link_config down;
    uint32_t addresses; /* in each family; 0: one. An RFC 5780 server needs two */
    bool no_v4;
    bool no_v6;
    const struct node_limits *limits; /* NULL: a plain host */
    const struct net_gate *gate; /* copied; NULL: none. A gate runs no node and has no sockets */
};

uint32_t net_add_host(struct net *net, const char *name, const struct net_host *config);
/* One more interface, which is the default route after those before it; its number on the host.
   Uses net_host's link and address fields. */
uint32_t net_add_interface(struct net *net, uint32_t place, const struct net_host *config);

/* ---- Finding --------------------------------------------------------------------------------- */

/* NET_NONE when there is no such place. */
uint32_t net_find(const struct net *net, const char *name);
uint32_t net_places(const struct net *net);
const char *net_name(const struct net *net, uint32_t place);
bool net_is_router(const struct net *net, uint32_t place);
bool net_is_node(const struct net *net, uint32_t place);
/* The router that an interface of the place leads to; NET_NONE when it has none. */
uint32_t net_parent(const struct net *net, uint32_t place, uint32_t interface);

/*
 * The index-th address, over all interfaces in order, that a host has in a family, or that a router
 * has on its uplink; ADDR_NONE when there is none. Port 0.
 */
struct addr net_address(const struct net *net, uint32_t place, uint8_t family, uint32_t index);
/* Likewise of one interface of a host, and of a router's uplink (interface 0). */
struct addr net_interface_address(const struct net *net, uint32_t place, uint32_t interface,
                                  uint8_t family, uint32_t index);
/* The prefix of its addresses there that is on the interface's link, in bits; 0: none is known to be
   but those that it is told of. */
uint32_t net_prefix(const struct net *net, uint32_t place, uint32_t interface, uint8_t family);
/* A router's own address towards what is behind it; ADDR_NONE when it has none of that family. */
struct addr net_inside(const struct net *net, uint32_t router, uint8_t family);
/* The link of an interface: of a host's interface, or of a router's uplink (interface 0). NET_NONE:
 * none. */
uint32_t net_link(const struct net *net, uint32_t place, uint32_t interface);
/* "home>internet"; of a second link between the same two, "home>internet#2". Also for traces. */
void net_link_name(const struct net *net, uint32_t link, char to[static NET_LINK_NAME_SIZE]);
/* The first place that has this IP address; NET_NONE when none has. Private addresses may exist
   several times. Slow: for reports. */
uint32_t net_owner(const struct net *net, const struct addr *address);

/* NULL when the router has none, or the host no node. */
struct nat *net_nat(struct net *net, uint32_t router);
struct firewall *net_firewall(struct net *net, uint32_t router);
struct node *net_node(struct net *net, uint32_t host);
/* The drive of the host's node: give it a tape before anything runs. */
struct drive *net_drive(struct net *net, uint32_t host);
/* The seed of the host's node, from the root seed and the name. */
void net_node_seed(const struct net *net, uint32_t place, uint8_t seed[static RANDOM_SEED_SIZE]);

/* ---- The timeline ---------------------------------------------------------------------------- */

enum net_fault_kind {
    NET_FAULT_LINK_DOWN = 1, /* `place`'s interface `interface`; `way` says which directions */
    NET_FAULT_LINK_UP,
    NET_FAULT_LINK_SET,  /* new parameters `link` for the directions `way` */
    NET_FAULT_NAT_FLUSH, /* the router reboots: its NAT, firewall and half-built packets are lost */
    NET_FAULT_WAN_ADDRESS, /* the router's external addresses are replaced by new ones; its mappings
                              are lost */
    NET_FAULT_INTERFACE_DOWN, /* the host has no longer this interface, and routes elsewhere */
    NET_FAULT_INTERFACE_UP,
    NET_FAULT_HOST_DOWN, /* the host is off the network; its process goes on */
    NET_FAULT_HOST_UP,
    NET_FAULT_SUSPEND, /* the host's process and network stop; time goes on */
    NET_FAULT_RESUME,
    NET_FAULT_CRASH,   /* the process ends: sockets close, the node is forgotten */
    NET_FAULT_RESTART, /* a fresh node, with a seed of its own for each start; after a crash or as
                          one */
    NET_FAULT_SEVER,   /* the internet loses its routes between `place` and `peer`: what either
                          sends the other vanishes there. It goes by the sides of the internet that
                          their first interfaces are on, so neighbours of theirs are cut off too */
    NET_FAULT_MEND,    /* it has them again */
    NET_FAULT_KINDS
};

enum net_way {
    NET_WAY_UP = 1,   /* away from `place` */
    NET_WAY_DOWN = 2, /* towards it */
    NET_WAY_BOTH = 3,
};

struct net_fault {
    uint32_t kind; /* enum net_fault_kind */
    uint32_t place;
    uint32_t interface;      /* of the place; a router's uplink is 0 */
    uint32_t way;            /* enum net_way, for the LINK faults */
    uint32_t peer;           /* NET_FAULT_SEVER, NET_FAULT_MEND: another place */
    struct link_config link; /* NET_FAULT_LINK_SET */
};

/* Times are absolute and not in the past. What is scheduled is copied. */
void net_schedule_fault(struct net *net, uint64_t at_ns, const struct net_fault *fault);
/* Any input to a node that is a command and points to no bytes; its now_ns is set when the time has
 * come. Lost if the node is not running. */
void net_schedule_command(struct net *net, uint64_t at_ns, uint32_t host, const struct node_in *in);
/*
 * A command that sets the node up: fed at that time, and again, in the order of the first time, at
 * every start after it, as a daemon does from its configuration. What it points to is copied. At a
 * later start a wall clock has gone on, and NODE_IN_NETWORK, whose addresses are always filled in
 * by the host, has those of that time. A host that was told of its network is told again whenever
 * its addresses change: an interface that goes down or up, the host off the network or back. A
 * second wall clock takes the place of the first.
 */
void net_schedule_setup(struct net *net, uint64_t at_ns, uint32_t host, const struct node_in *in);
/* Set-up: be a home for clients and relay, on NET_PORT_PUNCH and NET_PORT_RELAY. */
void net_schedule_serve_mesh(struct net *net, uint64_t at_ns, uint32_t host);
/* Set-up: the host's own addresses, with NET_PORT_TRAFFIC. */
void net_schedule_network(struct net *net, uint64_t at_ns, uint32_t host);
/* A command now, within a net_call or between steps; lost if the node is not running. */
void net_command(struct net *net, uint32_t host, const struct node_in *in);
/* Serve STUN on the host's own addresses (up to two in each family), ports 3478 and 3479. */
void net_schedule_serve_stun(struct net *net, uint64_t at_ns, uint32_t host);
/* Discover through the first addresses of these servers in a family; count is 1 or 2. */
void net_schedule_discover(struct net *net, uint64_t at_ns, uint32_t host, uint8_t family,
                           const uint32_t *servers, uint32_t count);
/* A function of the caller, as a command at a place. */
typedef void net_call(void *context, struct net *net, uint64_t argument);
void net_schedule_call(struct net *net, uint64_t at_ns, uint32_t place, net_call *call,
                       void *context, uint64_t argument);

/* ---- Running --------------------------------------------------------------------------------- */

uint64_t net_now(const struct net *net);
/* When the next event happens; UINT64_MAX when there is none. */
uint64_t net_next(const struct net *net);
/* Runs every event up to and including `until_ns`, and leaves the time there. */
void net_run_until(struct net *net, uint64_t until_ns);
/* Runs one event; false when there is none, or the run is spent. */
bool net_step(struct net *net);
/* Runs until nothing is scheduled, at most `limit_ns`; true when it became idle. */
bool net_run_idle(struct net *net, uint64_t limit_ns);
/* Events so far. */
uint64_t net_events(const struct net *net);
/*
 * Whether the run was stopped by events_max. What ideal links pass on within an event counts too,
 * and from then on nothing runs: time stays where it is.
 */
bool net_is_spent(const struct net *net);

const struct net_counts *net_counts(const struct net *net);
/* Over every datagram delivered (time, place, addresses, bytes), then every node's digest in order;
   0 when it was not kept. */
uint64_t net_digest(const struct net *net);

/* ---- Captures -------------------------------------------------------------------------------- */

/*
 * From now on, every packet that passes an interface, in both directions, into a libpcap file: of a
 * host's interface, or of a router's uplink (interface 0). False when the file cannot be written.
 * Closed by net_free().
 */
bool net_capture(struct net *net, uint32_t place, uint32_t interface, const char *path);

/* ---- Plain hosts ----------------------------------------------------------------------------- */

/* A datagram (or a TCP segment) that arrived at a plain host's socket; the bytes are good only
 * during the call. */
typedef void net_receive(void *context, struct net *net, uint32_t host, const struct addr *local,
                         const struct addr *remote, const uint8_t *bytes, uint32_t size);
/* An ICMP error about what the socket sent; `socket` is its port. An echo reply has error
 * PACKET_ICMP_ECHO_REPLY. */
typedef void net_icmp(void *context, struct net *net, uint32_t host, const struct node_in_icmp *in);

/* Opens a port in both families; 0: an ephemeral one. Returns it, or 0 when it is taken. */
uint16_t net_open(struct net *net, uint32_t place, uint16_t port, net_receive *receive,
                  net_icmp *icmp, void *context);
void net_close(struct net *net, uint32_t host, uint16_t port);

struct net_send {
    struct addr source; /* ADDR_NONE with the port of the socket: the address that the route says */
    struct addr remote;
    uint8_t protocol;  /* enum packet_protocol; 0: UDP. PACKET_ICMP is an echo request with the
                          source's port as id */
    uint8_t ttl;       /* 0: 64 */
    uint8_t tcp_flags; /* FIN 1, SYN 2, RST 4 */
    bool dont_fragment;
};

/* Sends one datagram now; NODE_OK, or why it could not leave. */
enum node_error net_send(struct net *net, uint32_t host, const struct net_send *send,
                         const void *bytes, uint32_t size);

/* ---- Gates ----------------------------------------------------------------------------------- */

/*
 * A gate sends an IP packet by one of its interfaces now: UDP, TCP, ICMP echo and ICMP errors,
 * whole or as fragments. Fragments are collected, and leave cut as they came once they are all
 * there. Life (TTL, hop limit) and identification stay as they are; traffic class and options are
 * lost.
 *
 * False when the packet goes nowhere: it is none, has a bad checksum or a source that is not the
 * host's, or is nothing that the network carries; it is counted as dropped. What a kernel says to
 * its link alone (to multicast, from or to link-local addresses) is not even counted. A packet that
 * is too big for the interface and may not be cut is dropped likewise, and an ICMP error from the
 * router there arrives at the gate within the next step.
 */
bool net_gate_send(struct net *net, uint32_t host, uint32_t interface, const uint8_t *bytes,
                   uint32_t size);

#endif
