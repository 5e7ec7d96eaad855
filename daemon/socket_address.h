/* Transport addresses as the kernel has them, for sockets. */
#ifndef WARREN_DAEMON_SOCKET_ADDRESS_H
#define WARREN_DAEMON_SOCKET_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "core/base/addr.h"

/* Room for an address of either family; as the kernel fills it in, or for it to read. */
union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* The address, which is not ADDR_NONE, for the kernel, and the size of it. All that `struct addr`
   does not have is zero: the flow label, and the scope, so that a link-local one will not do. */
socklen_t socket_address_of(const struct addr *addr, union socket_address *address);
/* And back; ADDR_NONE where it is of another family. */
struct addr socket_address_addr(const union socket_address *address);

#endif
