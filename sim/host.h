/* What a host is made of, for the files that make it up: sockets and packets in host.c, its node in
 * host_node.c, a gate in gate.c. */
#ifndef WARREN_SIM_HOST_H
#define WARREN_SIM_HOST_H

#include "sim/world.h"

bool host_owns(const struct host *host, const struct addr *address);
/* A socket on a port of both families; NULL when the port is taken or there are too many. Good
 * until the next change. */
struct host_socket *host_bind(struct host *host, uint16_t port);
/* There is such a socket. */
void host_unbind(struct host *host, uint16_t port);
/* A free ephemeral port that was not in use lately. */
uint16_t host_ephemeral(struct host *host);
enum node_error host_send(struct host *host, const struct net_send *send, const void *bytes,
                          uint32_t size);
/* A datagram that is delivered, into the network's digest. */
void host_digest(struct net *net, const struct host *host, const struct packet *packet);
struct host_socket *host_socket_named(struct host *host, uint32_t name);

/* Feeds the node one input, at the present time, and whatever follows from it at once. Ignored if
 * it is not running. */
void host_input(struct host *host, struct node_in *in);

/* A whole packet with good checksums has arrived at a gate (gate.c); takes its reference. */
void gate_receive(struct net *net, struct host *host, uint32_t port, struct packet *packet);

#endif
