/* What a host is made of, for the files that make it up: sockets and packets in host.c, its node in
 * host_node.c, a gate in gate.c. */
#ifndef WARREN_SIM_HOST_H
#define WARREN_SIM_HOST_H

#include "sim/world.h"

/* The first interface that has this IP address; NULL: none has. */
const struct host_interface *host_interface_with(const struct host *host,
                                                 const struct addr *address);
bool host_owns(const struct host *host, const struct addr *address);
/* A socket of that name on a port of one family, or of both (ADDR_NONE); NULL when the port is taken
 * or there are too many. Good until the next change. */
struct host_socket *host_bind(struct host *host, uint16_t port, uint32_t name, uint8_t family);
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

/* Whether the host's stack is the carrier's (carried.c). */
bool host_is_carried(const struct host *host);
/* A node's socket is open there, or closes. */
void carried_open(const struct host *host, const struct host_socket *socket);
void carried_close(const struct host *host, const struct host_socket *socket);
/* A datagram from a node, whose source is known. */
enum node_error carried_send(struct host *host, const struct host_interface *interface,
                             const struct net_send *send, const void *bytes, uint32_t size);
/* What host.c does with an ICMP packet or a datagram that has arrived; both take its reference. */
void host_receive_icmp(struct host *host, uint32_t port, struct packet *packet);
void host_deliver(struct host *host, uint32_t port, struct packet *packet);

/* A whole packet with good checksums has arrived at a gate (gate.c); takes its reference. */
void gate_receive(struct net *net, struct host *host, uint32_t port, struct packet *packet);

#endif
