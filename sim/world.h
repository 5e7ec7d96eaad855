/*
 * The inside of a simulated network, shared by the files that make it up: net.c (timeline and
 * running), build.c (places, links, addresses), router.c, host.c. Programs on top include
 * sim/net.h.
 */
#ifndef WARREN_SIM_WORLD_H
#define WARREN_SIM_WORLD_H

#include "core/base/hash.h"
#include "sim/engine.h"
#include "sim/fragment.h"
#include "sim/icmp.h"
#include "sim/net.h"
#include "sim/pcap.h"
#include "sim/route.h"

/* Targets of a router's table besides its ports. */
enum {
    ROUTE_REJECT = 0x7ffffffd, /* a range of the router's own in which nobody has this address */
    ROUTE_LOCAL = 0x7ffffffe,
};

/*
 * What an engine event does. Smaller numbers are a delivery: `what` is the port and `which` the
 * parked packet. `which` of a timer says nothing, its node is the host; that of the others is an
 * index into the timeline.
 */
enum world_what {
    WORLD_TIMER = 0x7ffffff0,
    WORLD_FAULT,
    WORLD_COMMAND,
};

/*
 * An interface. Links have two ends, ports 2n and 2n + 1 of link n, so that a port's link and peer
 * need no table. A port holds the direction that leads away from it. What every packet reads comes
 * first.
 */
struct port {
    uint32_t place;
    uint32_t number; /* of the place's interfaces; a router's uplink is 0, and those towards inside
                        count from 1 */
    uint32_t mtu;    /* of the way out */
    bool down;       /* the interface itself */
    bool outside;    /* a router's uplink */
    bool black_hole;
    struct pcap_file *capture;
    struct link_way way;
    struct link_draws *draws;
};

/* A packet that arrives within the event that is under way. */
struct arrival {
    uint32_t port;
    uint32_t packet; /* parked */
};

struct router {
    uint32_t place;
    uint32_t uplink; /* port; NET_NONE for the internet */
    uint32_t parent; /* place */
    struct nat *nat;
    struct firewall *firewall;
    bool nat_v6;
    bool silent;
    bool answers_refused; /* the router's own stack sees what the NAT did not admit, and says "port
                             unreachable" */
    uint32_t ip_id;
    struct route_table routes;
    struct icmp_budget icmp;
    struct fragment_table *fragments; /* NULL until the first fragment */
    struct addr inside_v4;            /* the router's own, on the inner side */
    struct addr inside_v6;
    struct addr *external; /* on the uplink: IPv4 first, then IPv6 */
    uint32_t external_v4;
    uint32_t external_v6;
    uint32_t number; /* counts routers; the internet is 0 */
    uint32_t inner_ports;
    uint32_t v4_base;
    uint32_t v4_next; /* of its inner range; 0: it has none of its own */
    uint32_t v4_end;
    uint8_t v4_bits;       /* prefix of the inner range, 0: places behind it see single hosts */
    struct addr v6_prefix; /* of 64 bits; ADDR_NONE: none */
    uint64_t v6_next;
};

struct host_interface {
    uint32_t port;
    uint8_t v4_count;
    uint8_t v6_count;
    uint8_t v4_bits; /* what is on the link, by prefix; 0: nothing is known to be */
    uint8_t v6_bits;
    struct addr v4[NET_ADDRESSES_MAX];
    struct addr v6[NET_ADDRESSES_MAX];
};

struct host_socket {
    uint16_t port;
    uint8_t family; /* ADDR_NONE: both */
    uint32_t name;  /* the node's; 0 on a plain host */
    net_receive *receive;
    net_icmp *icmp;
    void *context;
};

enum { HOST_RECENT_PORTS = 32, HOST_PATHS = 8, HOST_TIMERS_NOW_MAX = 100000 };

/* A path whose MTU is smaller than the link's, learned from an ICMP error (RFC 8201). */
struct host_path {
    struct addr remote;
    uint32_t mtu;
};

/* An input that sets the node up, with copies of the bytes that it points to behind it. */
struct host_setup {
    struct node_in in;
    uint64_t since_ns; /* when it was first fed */
    bool fed;
    uint8_t *bytes; /* one block; NULL: it points to none */
};

struct host {
    struct net *net;
    uint32_t place;
    uint32_t interface_count;
    struct host_interface *interfaces;
    struct host_socket *sockets;
    uint32_t socket_count;
    uint32_t ip_id;
    bool down;
    bool suspended;
    bool crashed;
    struct icmp_budget icmp;
    struct fragment_table *fragments;
    struct random_stream ports;
    uint16_t recent[HOST_RECENT_PORTS];
    uint32_t recent_next;
    struct host_path paths[HOST_PATHS];
    uint32_t path_next;
    struct net_gate gate;           /* `arrived` is NULL where the host is none */
    struct fragment_table *leaving; /* fragments that a gate was given to send; NULL until the
                                       first one */
    /* The node, if there is one. */
    struct node *node;
    size_t node_bytes;
    struct node_limits limits;
    struct node_env env;
    struct drive drive;
    uint64_t armed_ns;   /* the timer event that counts; ENGINE_NEVER: none */
    uint64_t timer_ns;   /* when the node was last told of its deadline */
    uint32_t timers_now; /* how often in a row at that time */
    uint32_t starts;
    uint64_t past_digest;     /* of the nodes that ended */
    struct host_setup *setup; /* in the order in which it is fed */
    uint32_t setup_count;
    uint32_t setup_capacity;
    struct node_in_network network; /* as last told; traffic_port 0: never */
};

struct place {
    char name[NET_NAME_MAX + 1];
    struct router *router; /* one of the two */
    struct host *host;
};

/* One entry of the timeline. */
struct timeline {
    uint32_t place;
    bool is_fault;
    struct net_fault fault;
    struct node_in command;
    uint32_t setup; /* a command: number + 1 in the host's setup; 0: `command` itself */
    net_call *call; /* a command that is the caller's function */
    void *context;
    uint64_t argument;
};

/* An input that waits until the one under way is drained. */
struct pending {
    struct host *host;
    struct node_in in;
};

/* Two places right behind the internet between which it has no route. */
struct severed {
    uint32_t side[2];
};

struct net {
    struct net_config config;
    struct engine engine;
    struct packet_pool pool;
    struct net_counts counts;
    struct hash digest;
    struct arrival *arrivals; /* a ring; its size is a power of two */
    uint32_t arrival_head;
    uint32_t arrival_count;
    uint32_t arrival_capacity;
    struct pending *pending;
    uint32_t pending_count;
    uint32_t pending_capacity;
    uint64_t passed; /* packets that ideal links passed on within an event */
    bool in_node;    /* a drive is under way */
    struct port *ports;
    uint32_t port_count;
    uint32_t port_capacity;
    struct place *places;
    uint32_t place_count;
    uint32_t place_capacity;
    uint32_t *names; /* hash table of place numbers + 1 */
    uint32_t names_mask;
    struct timeline *timeline;
    uint32_t timeline_count;
    uint32_t timeline_capacity;
    uint32_t *timeline_free;
    uint32_t timeline_free_count;
    uint32_t router_count;
    struct severed *severed;
    uint32_t severed_count;
};

static inline bool world_is_pair(const struct severed *pair, uint32_t a, uint32_t b)
{
    return (pair->side[0] == a && pair->side[1] == b) || (pair->side[0] == b && pair->side[1] == a);
}

/*
 * Memory for `count` items, zero when `items` is NULL, otherwise with what was there and anything
 * after it. It ends the program when there is none: a simulation has nothing to fall back on.
 */
void *world_grow(void *items, size_t count, size_t item_size);

/* ---- Packets on the move (net.c). All take the packet's reference. --------------------------- */

/* Puts a packet on the wire at a port; its size fits the port's MTU. */
void world_transmit(struct net *net, uint32_t port, struct packet *packet);
/* Hands a packet to a port within this event, but not within this call. */
void world_arrive(struct net *net, uint32_t port, const struct packet *packet);
/* Why a link lost a packet, in the world's words. */
enum net_drop world_drop_of_loss(enum link_loss lost);
void world_drop(struct net *net, uint32_t place, uint32_t link, enum net_drop drop, uint8_t detail,
                struct packet *packet);
/* Counts and shows a datagram or packet that was not dropped. */
void world_tell(struct net *net, struct net_event *event);
static inline void world_show(struct net *net, enum net_event_kind kind, uint32_t place,
                              uint32_t link, const struct packet *packet)
{
    if (kind == NET_SENT)
        net->counts.sent++;
    else if (kind == NET_FORWARDED)
        net->counts.forwarded++;
    if (net->config.observe == NULL)
        return;
    struct net_event event = {.kind = kind, .place = place, .link = link, .packet = packet};
    world_tell(net, &event);
}

/* ---- Places ---------------------------------------------------------------------------------- */

void router_receive(struct net *net, struct router *router, uint32_t port, struct packet *packet);
/* The router's own address on its outer or inner side; ADDR_NONE when it has none of the family. */
struct addr router_address(const struct router *router, bool outside, uint8_t family);
/* A reboot: everything but the configuration is lost. */
void router_flush(struct net *net, struct router *router);

void host_receive(struct net *net, struct host *host, uint32_t port, struct packet *packet);
void host_timer(struct net *net, struct host *host, uint64_t time_ns);
void host_command(struct net *net, struct host *host, const struct node_in *in);
void host_fault(struct net *net, struct host *host, uint32_t kind);
/* Makes the host's node; its seed is derived from the name and the number of the start. */
void host_start(struct net *net, struct host *host);
/* Keeps a copy of an input for the starts to come; its number. */
uint32_t host_keep_setup(struct host *host, const struct node_in *in);
/* Feeds an input of the setup for the first time. */
void host_feed_setup(struct net *net, struct host *host, uint32_t index);
void host_free_setup(struct host *host);
/* Tells the node of its addresses, if it was told before and they are others now. */
void host_addresses_changed(struct net *net, struct host *host);

/* ---- A network elsewhere (carried.c) --------------------------------------------------------- */

/* Hands a packet that leaves by a port to the carrier; takes its reference. */
void carried_transmit(struct net *net, uint32_t port, struct packet *packet);
/* What was made whole from fragments has come as bytes, if the world is carried: the packet that
   they are. False: they are none, and it is gone. */
bool carried_is_read(struct net *net, struct packet *packet);

/* ---- Building (build.c) ---------------------------------------------------------------------- */

/* The first place of a world. */
void build_internet(struct net *net);
/* Changes the parameters of the direction away from a port. */
void build_set_way(struct net *net, uint32_t port, const struct link_config *config);
/* Replaces a router's external addresses by fresh ones, and their routes. */
void build_renumber(struct net *net, struct router *router);
uint32_t build_port(const struct net *net, uint32_t place, uint32_t interface);

#endif
