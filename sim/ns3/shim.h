/*
 * A network of ns-3's, for C: nodes, links, UDP and TCP sockets of its stacks, and its clock. What
 * is in them is bytes of IP packets and datagrams; nothing here knows what they mean.
 *
 * A node is a box or a host. A box has no stack: it sees every packet that comes to it and sends
 * whatever it is given, which is how the routers of sim/ work on ns-3. A host has ns-3's own IPv4
 * and IPv6 stack, with UDP sockets that its application holds.
 *
 * A link has two ends, 2n and 2n + 1 of link n. It is point to point, or it leads from a host to a
 * segment: Ethernet with carrier sense (CSMA) that hosts and one box share, with ARP and neighbour
 * discovery. What ns-3 adds to a packet on the way takes its time and its room in queues: 2 bytes
 * (PPP) from point to point, 18 at a segment, where frames have at least 64.
 *
 * Times are nanoseconds since the beginning, sizes bytes, IP packets begin with their IP header.
 * Bytes are borrowed for the call. ns-3 has one simulator in each process, so there is one network
 * at a time, and a second one in the same process would not have the same random numbers: one
 * process for each case. Where ns-3 finds something fatal it ends the process.
 */
#ifndef WARREN_SIM_NS3_SHIM_H
#define WARREN_SIM_NS3_SHIM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct ns3_network;

/* An address of IPv4 (family 4, first four bytes) or IPv6 (6), in network order; a port, in host
   order. */
struct ns3_address {
    uint8_t family;
    uint8_t ip[16];
    uint16_t port;
};

/* What decides which packets a full link drops. */
enum ns3_queue {
    NS3_QUEUE_DROP_TAIL, /* the device's own queue, and no discipline above it */
    NS3_QUEUE_CODEL,     /* RFC 8289 */
    NS3_QUEUE_FQ_CODEL,  /* RFC 8290 */
    NS3_QUEUE_RED,
};

/* One direction of a link. */
struct ns3_way {
    uint64_t latency_ns;
    uint64_t rate_bps; /* 0: unlimited, which is 100 Gbit/s */
    /* That wait before the device: in its queue, or in the discipline's. At least one packet;
       FqCoDel counts packets of the MTU. */
    uint32_t queue_bytes;
    uint32_t mtu;  /* of IP packets */
    uint8_t queue; /* enum ns3_queue */
};

/*
 * What happens; all at ns3_now(). In none of them may the network be freed or run. Packets by which
 * a link is kept going (ARP, neighbour discovery, listener reports) are in none of them.
 */
struct ns3_events {
    void *context;
    /* A packet has come to an end of a link: to a box, or to a host, whose stack gets it after. */
    void (*arrived)(void *context, uint32_t end, const uint8_t *bytes, uint32_t size);
    /* A packet is about to leave by an end; false: it does not get onto the wire. On a segment it
       has been on its way by then. */
    bool (*leaves)(void *context, uint32_t end, const uint8_t *bytes, uint32_t size);
    /* A packet is about to arrive at an end; false: the link has lost it. From one host of a segment
       to another it passes the end at the box that the first one has, too. */
    bool (*passes)(void *context, uint32_t end, const uint8_t *bytes, uint32_t size);
    /* A host's stack has sent a packet by an end. Then it may have to wait for ARP, in a discipline
       and in the device's queue. */
    void (*left)(void *context, uint32_t end, const uint8_t *bytes, uint32_t size);
    /* A queue or a discipline had no room for a packet that was to leave by an end. */
    void (*dropped)(void *context, uint32_t end, const uint8_t *bytes, uint32_t size);
    /* A datagram for a socket of a host. */
    void (*received)(void *context, uint32_t host, const struct ns3_address *local,
                     const struct ns3_address *remote, const uint8_t *bytes, uint32_t size);
    /* The time has come that ns3_wake() gave. */
    void (*woken)(void *context);
};

/* Every random number of ns-3's is drawn from streams of this seed that are numbered by what they
   are for. The events are copied. */
struct ns3_network *ns3_new(uint64_t seed, const struct ns3_events *events);
void ns3_free(struct ns3_network *network);

/* ---- Building -------------------------------------------------------------------------------- */

/* The next node; nodes are numbered from 0. */
uint32_t ns3_box(struct ns3_network *network);
uint32_t ns3_host(struct ns3_network *network);

/* Link `link` from one node (end 2 * link) to another; ways[i] leads away from end 2 * link + i. */
void ns3_link(struct ns3_network *network, uint32_t link, const uint32_t nodes[2],
              const struct ns3_way ways[2]);
/*
 * A segment with `count` hosts and one box: link links[i] leads from hosts[i] (end 2 * links[i]) to
 * it, and the ends 2 * links[i] + 1 are all at the box. One rate, latency and MTU for all. The box
 * answers ARP and neighbour solicitations for whatever is not an address of a host there.
 */
void ns3_segment(struct ns3_network *network, const uint32_t *links, const uint32_t *hosts,
                 uint32_t count, uint32_t box, const struct ns3_way *way);

/*
 * An address of a host at an end, with the prefix that is on its link; or of a box at its end of a
 * segment. No route but that prefix.
 */
void ns3_add_address(struct ns3_network *network, uint32_t end, const struct ns3_address *address,
                     uint32_t bits);
/* A host's default route in a family, by an end; `gateway` is an address on the segment there, NULL
   on a link from point to point. A smaller metric goes first. */
void ns3_add_default(struct ns3_network *network, uint32_t end, uint8_t family,
                     const struct ns3_address *gateway, uint32_t metric);

/* ---- While it runs --------------------------------------------------------------------------- */

/* The direction away from an end of a link from point to point is like this from now on; its
   queue's kind stays, and a discipline's is not made shorter than what waits in it. */
void ns3_set_way(struct ns3_network *network, uint32_t end, const struct ns3_way *way);
/* A host's interface at an end goes down, or comes up again with the addresses and routes that it
   had. */
void ns3_set_up(struct ns3_network *network, uint32_t end, bool up);

/* A box sends an IP packet by an end. */
void ns3_carry(struct ns3_network *network, uint32_t end, const uint8_t *bytes, uint32_t size);

/* Opens a UDP port of a host on one of its addresses; false: it is taken. */
bool ns3_open(struct ns3_network *network, uint32_t host, const struct ns3_address *local);
/* Closes a port on all addresses of the host where it is open. */
void ns3_close(struct ns3_network *network, uint32_t host, uint16_t port);

struct ns3_datagram {
    struct ns3_address local; /* which is open */
    struct ns3_address remote;
    uint32_t end; /* by which it leaves */
    uint8_t ttl;
    bool dont_fragment;
};

/* Sends a datagram from an open port; false: there is no route, the interface is down, the port is
   not open, or what may not be cut is too big for the link. */
bool ns3_send(struct ns3_network *network, uint32_t host, const struct ns3_datagram *datagram,
              const uint8_t *bytes, uint32_t size);

/* A TCP connection that sends as much as it can. */
struct ns3_flow {
    uint32_t client;            /* the host that opens it */
    uint32_t server;            /* the host that it is opened to, */
    struct ns3_address address; /* at this address and port; the port is used by no other flow */
    bool upload;                /* the client sends; otherwise the server does */
    uint64_t from_ns;           /* absolute */
    uint64_t until_ns;          /* when it ends: what has not arrived by then does not count */
};

/* The number of the flow. */
uint32_t ns3_add_flow(struct ns3_network *network, const struct ns3_flow *flow);
/* Bytes that have arrived over it. */
uint64_t ns3_flow_bytes(const struct ns3_network *network, uint32_t flow);

/* ---- Time ------------------------------------------------------------------------------------ */

uint64_t ns3_now(const struct ns3_network *network);
/* `woken` is called at this time, not in the past, and not at the one given before; UINT64_MAX:
   never. */
void ns3_wake(struct ns3_network *network, uint64_t at_ns);
/* Runs all events up to and including this time. */
void ns3_run(struct ns3_network *network, uint64_t until_ns);
/* ns-3's events so far. */
uint64_t ns3_event_count(const struct ns3_network *network);

#ifdef __cplusplus
}
#endif

#endif
