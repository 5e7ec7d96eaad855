/*
 * A simulated world's hosts and routers built from what Linux has: a network namespace for each,
 * veth cables between them, nftables and conntrack for NATs and firewalls. The world itself
 * (sim/net.h) gives the names, the tree, and every address; nothing moves in it.
 *
 * All in the sandbox that runs it (netns/space.h), which takes everything away when it ends.
 */
#ifndef WARREN_NETNS_KERNEL_H
#define WARREN_NETNS_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "netns/space.h"
#include "sim/net.h"

struct kernel;

/* One interface of a host, or a router's uplink, as it was added to the world. */
struct kernel_interface {
    uint32_t place;     /* of the world */
    uint32_t interface; /* of the place; 0 of a router */
    struct link_config up;
    struct link_config down;
};

/*
 * Whether Linux can do what the router's parameters ask for; if not, `why` is a sentence for the
 * skipped test. A NAT counts as expressible only where docs/nat-model.md and the recipes agree that
 * mapping, filtering, hairpin and lifetimes come out the same.
 */
bool kernel_can_route(const struct net_router *router, char why[static SPACE_ERROR_SIZE]);
/*
 * Likewise for a link. Jitter that reorders, reordering, duplication, corruption and bursts need
 * the queueing discipline netem, which this kernel may not have. Delays need it too, but a link
 * that only has delays can always be made: without netem, see kernel_delays(), they are left out.
 */
bool kernel_can_link(const struct link_config *link, char why[static SPACE_ERROR_SIZE]);
/* Whether packets are delayed as links say; found out once. */
bool kernel_delays(void);
/* Likewise for a fault. */
bool kernel_can_fault(const struct net_fault *fault, char why[static SPACE_ERROR_SIZE]);

/* An empty one for the world, which must stay until kernel_free(). */
struct kernel *kernel_new(struct net *net);
/* What stands at a place, and how its interfaces are linked; copied. */
void kernel_router(struct kernel *kernel, uint32_t place, const struct net_router *router);
void kernel_interface(struct kernel *kernel, const struct kernel_interface *interface);
/* Makes all of it, with addresses and routes. */
bool kernel_build(struct kernel *kernel, char error[static SPACE_ERROR_SIZE]);
void kernel_free(struct kernel *kernel);

/* The namespace of a place, a descriptor that belongs to `kernel`; its interfaces are called eth0,
   eth1 ... of a host, and "wan" (and one for each neighbour inside) of a router. */
int kernel_host(const struct kernel *kernel, uint32_t place);

/*
 * Does now what the fault says, which has happened to the world before: a router's new addresses
 * are taken from there. What happens to a process alone is the caller's, and changes nothing here.
 */
bool kernel_fault(struct kernel *kernel, const struct net_fault *fault,
                  char error[static SPACE_ERROR_SIZE]);

/*
 * Packets that have passed the rules at the place's uplink since the build, by nftables counters
 * there: those that left it, or came to it, whose other end is this address, and this port unless
 * it is 0. UDP only.
 */
bool kernel_counted(struct kernel *kernel, uint32_t place, const struct addr *remote,
                    uint64_t *sent, uint64_t *received, char error[static SPACE_ERROR_SIZE]);

#endif
