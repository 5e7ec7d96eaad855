/*
 * The kernel's tables of links, addresses and routes, over rtnetlink (RFC 3549): sets up the
 * tunnel's interface, lists our own addresses, and tells when something has changed.
 */
#ifndef WARREN_DAEMON_NETLINK_H
#define WARREN_DAEMON_NETLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/warren.h"

enum { NETLINK_SIZE = 32 * 1024 };

struct netlink {
    int fd;       /* requests */
    int watch_fd; /* notifications; for the caller's event loop, to read */
    uint32_t sequence;
    _Alignas(8) uint8_t buffer[NETLINK_SIZE];
};

/* Every function below that gives a bool gives false, with errno, when the kernel refuses. */

/* Opens both sockets, in the network namespace that we are in. */
bool netlink_open(struct netlink *netlink);
void netlink_close(struct netlink *netlink);

/* The index of an interface; 0, with errno, when there is none of that name. */
uint32_t netlink_index(const char *name);

/* Sets the MTU, and the interface up. */
bool netlink_up(struct netlink *netlink, uint32_t index, uint32_t mtu);
/* The interface shall give super-packets of so many segments at most. */
bool netlink_segments(struct netlink *netlink, uint32_t index, uint32_t most);
/* Gives the interface an address; its subnet is the first `bits`. Harmless when it has it. */
bool netlink_address_add(struct netlink *netlink, uint32_t index, const struct addr *addr,
                         unsigned bits);
/* Routes a subnet to the interface, in place of an equal route; `source` may be ADDR_NONE. */
bool netlink_route_add(struct netlink *netlink, uint32_t index, const struct subnet *subnet,
                       const struct addr *source);
/* Harmless when there is no such route. */
bool netlink_route_remove(struct netlink *netlink, uint32_t index, const struct subnet *subnet);

/*
 * Our own addresses that others may reach us at, the best first: those that a default route would
 * leave from, then global ones, then private ones; IPv4 and IPv6 by turns. Not those of the
 * loopback, link-local, temporary-deprecated or tentative ones, nor those of interface `except` (0:
 * none). Fills at most NODE_ADDRESSES; ports are 0.
 */
bool netlink_addresses(struct netlink *netlink, uint32_t except,
                       struct addr addresses[static NODE_ADDRESSES], uint32_t *count);

/*
 * Takes all notifications that wait. True when a link, an address or a route has changed; also when
 * the kernel says that it had to leave some out.
 */
bool netlink_changed(struct netlink *netlink);

#endif
