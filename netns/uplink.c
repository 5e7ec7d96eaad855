/*
 * A host's way out of its namespace.
 *
 * An interface has two default routes, one in the main table and one in a table of its own for what
 * comes from its addresses, and both have the same next hop: what Linux learns of a path, such as
 * its MTU, is kept with the next hop of the route that the source of the packet in question has,
 * and most programs send without saying a source. For IPv6 that takes a gateway.
 */
#include "netns/uplink.h"

#include <arpa/inet.h>

#include "core/base/check.h"

enum {
    METRIC = 100, /* of the first interface's default route; also its table of routes */
    HOP_V4 = 100, /* the first interface's next hop, of each family */
    HOP_V6 = 200,
};

/* An address of the interface as text; false when there are not so many. */
static bool address_of(const struct net *net, uint32_t host, uint32_t interface, uint8_t family,
                       uint32_t index, char text[static INET6_ADDRSTRLEN])
{
    struct addr addr = net_interface_address(net, host, interface, family, index);
    if (addr.family == ADDR_NONE)
        return false;
    const char *done =
        inet_ntop(addr.family == ADDR_V4 ? AF_INET : AF_INET6, addr.ip, text, INET6_ADDRSTRLEN);
    check(done != NULL);
    return true;
}

void uplink_write(FILE *to, const struct net *net, uint32_t host, uint32_t interface,
                  uint8_t family)
{
    bool v4 = family == ADDR_V4;
    const char *all = v4 ? "0.0.0.0/0" : "::/0";
    uint32_t hop = (v4 ? HOP_V4 : HOP_V6) + interface, count = 0;
    char text[INET6_ADDRSTRLEN];
    for (; address_of(net, host, interface, family, count, text); count++) {
        fprintf(to, "addr replace %s/%u dev eth%u%s\n", text, v4 ? 32u : 128u, interface,
                v4 ? "" : " nodad");
        /* What comes for a new IPv6 address is not taken until a worker of Linux has added such a
           route, so it is added now. */
        if (!v4)
            fprintf(to, "route replace local %s/128 dev eth%u\n", text, interface);
    }
    if (count == 0)
        return;
    fprintf(to, "nexthop replace id %u via %s dev eth%u onlink\n", hop,
            v4 ? UPLINK_GATEWAY_V4 : UPLINK_GATEWAY_V6, interface);
    fprintf(to, "route replace %s nhid %u metric %u\n", all, hop, METRIC + interface);
    fprintf(to, "route replace %s nhid %u table %u\n", all, hop, METRIC + interface);
}

void uplink_write_rules(FILE *to, const struct net *net, uint32_t host, uint32_t interface,
                        uint8_t family)
{
    char text[INET6_ADDRSTRLEN];
    for (uint32_t i = 0; address_of(net, host, interface, family, i, text); i++)
        fprintf(to, "rule add from %s lookup %u\n", text, METRIC + interface);
}
