/* Transport addresses. */
#include "core/base/addr.h"

#include <string.h>

#include "core/base/check.h"

struct addr addr_v4(uint32_t ip, uint16_t port)
{
    struct addr addr = {.family = ADDR_V4, .port = port};
    addr.ip[0] = (uint8_t)(ip >> 24);
    addr.ip[1] = (uint8_t)(ip >> 16);
    addr.ip[2] = (uint8_t)(ip >> 8);
    addr.ip[3] = (uint8_t)ip;
    return addr;
}

struct addr addr_v6(const uint8_t ip[static 16], uint16_t port)
{
    struct addr addr = {.family = ADDR_V6, .port = port};
    memcpy(addr.ip, ip, 16);
    return addr;
}

size_t addr_ip_size(const struct addr *addr)
{
    switch (addr->family) {
    case ADDR_V4:
        return 4;
    case ADDR_V6:
        return 16;
    default:
        check(addr->family == ADDR_NONE);
        return 0;
    }
}

int addr_compare(const struct addr *a, const struct addr *b)
{
    if (a->family != b->family)
        return a->family < b->family ? -1 : 1;
    int order = memcmp(a->ip, b->ip, sizeof a->ip);
    if (order != 0)
        return order;
    return (a->port > b->port) - (a->port < b->port);
}

struct addr addr_prefix(const struct addr *addr, unsigned bits)
{
    check(bits <= 8 * addr_ip_size(addr));
    struct addr prefix = {.family = addr->family};
    for (unsigned i = 0; i < bits / 8; i++)
        prefix.ip[i] = addr->ip[i];
    if (bits % 8 != 0)
        prefix.ip[bits / 8] = (uint8_t)(addr->ip[bits / 8] & (0xff00u >> (bits % 8)));
    return prefix;
}

struct subnet subnet_of(const struct addr *addr, unsigned bits)
{
    return (struct subnet){.addr = addr_prefix(addr, bits), .bits = (uint8_t)bits};
}

bool subnet_is_valid(const struct subnet *subnet)
{
    size_t size = addr_ip_size(&subnet->addr);
    if (size == 0 || subnet->bits > 8 * size || subnet->addr.port != 0)
        return false;
    struct addr prefix = addr_prefix(&subnet->addr, subnet->bits);
    return addr_equal(&prefix, &subnet->addr);
}

bool subnet_has(const struct subnet *subnet, const struct addr *addr)
{
    if (addr->family != subnet->addr.family)
        return false;
    struct addr prefix = addr_prefix(addr, subnet->bits);
    return addr_equal(&prefix, &subnet->addr);
}

bool addr_is_unicast(const struct addr *addr)
{
    static const uint8_t zero[16];
    switch (addr->family) {
    case ADDR_V4: /* neither 0.0.0.0/8 nor 224.0.0.0/3: multicast, reserved, broadcast */
        return addr->ip[0] != 0 && addr->ip[0] < 224;
    case ADDR_V6:
        return addr->ip[0] != 0xff && memcmp(addr->ip, zero, sizeof zero) != 0;
    default:
        return false;
    }
}

bool addr_is_mapped_v4(const struct addr *addr)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return addr->family == ADDR_V6 && memcmp(addr->ip, mapped, sizeof mapped) == 0;
}

bool addr_is_private(const struct addr *addr)
{
    const uint8_t *ip = addr->ip;
    if (addr->family == ADDR_V6)
        return (ip[0] & 0xfe) == 0xfc || (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
    return ip[0] == 10 || (ip[0] == 172 && (ip[1] & 0xf0) == 16) ||
           (ip[0] == 192 && ip[1] == 168) || (ip[0] == 100 && (ip[1] & 0xc0) == 64) ||
           (ip[0] == 169 && ip[1] == 254);
}
