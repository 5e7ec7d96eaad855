/*
 * How much a node may hold. Memory is sized from these once, and a full table does what its line
 * says; nothing ever grows.
 */
#ifndef WARREN_BASE_LIMITS_H
#define WARREN_BASE_LIMITS_H

#include <stdint.h>

/*
 * Room for what must not be lost at once (three sockets closed and three opened, a result, a home),
 * which is kept for it, and for as many datagrams as a discovery sends at once. Datagrams may be
 * lost, and the news of a path is told with the next input.
 */
enum { NODE_OUTPUTS_MIN = 24, NODE_OUTPUTS_KEPT = 8 };

struct node_limits {
    uint32_t outputs;      /* of one input, NODE_OUTPUTS_MIN at least; a datagram more is lost */
    uint32_t output_bytes; /* bytes of the datagrams among them; likewise */
    uint32_t stun_probes;  /* probe sockets open at once, 3 to 256; a discovery needs 3 */
    uint32_t stun_transactions; /* requests under way at once; one more is refused to its caller */
    uint32_t stun_sources;      /* prefixes with a STUN budget; one more makes another forgotten */
    uint32_t sessions;          /* with other nodes; a HELLO more is refused */
    uint32_t unproven;          /* addresses with a budget of replies; likewise forgotten */
    uint32_t servers;           /* of the mesh; one more is not learned */
    uint32_t clients;           /* server: registrations; one more is refused */
    uint32_t locations;         /* server: clients at home elsewhere; one more makes another
                                   forgotten */
    uint32_t pairs;             /* server: relayed at once; a call more is refused */
    uint32_t paths;             /* client: peers; a connect more is refused */
    uint32_t tunnel_peers;      /* a peer more is refused */
    uint32_t tunnel_subnets;    /* of all of them; one more is not routed */
    uint32_t tunnel_queue;      /* packets that wait for a handshake; one more makes the oldest of
                                   its peer lost, or is lost */
};

/* What a client, and a server for a region's worth of clients, start from. */
extern const struct node_limits node_limits_client;
extern const struct node_limits node_limits_server;

#endif
