/* Transport addresses for sockets. */
#include "daemon/socket_address.h"

#include <string.h>

#include "core/base/check.h"

socklen_t socket_address_of(const struct addr *addr, union socket_address *address)
{
    memset(address, 0, sizeof *address);
    if (addr->family == ADDR_V4) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(addr->port);
        memcpy(&address->v4.sin_addr, addr->ip, 4);
        return sizeof address->v4;
    }
    check(addr->family == ADDR_V6);
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(addr->port);
    memcpy(&address->v6.sin6_addr, addr->ip, 16);
    return sizeof address->v6;
}

struct addr socket_address_addr(const union socket_address *address)
{
    if (address->any.sa_family == AF_INET)
        return addr_v4(ntohl(address->v4.sin_addr.s_addr), ntohs(address->v4.sin_port));
    if (address->any.sa_family == AF_INET6)
        return addr_v6(address->v6.sin6_addr.s6_addr, ntohs(address->v6.sin6_port));
    return (struct addr){0};
}
