/* Transport addresses: an IPv4 or IPv6 address with a port. */
#ifndef WARREN_BASE_ADDR_H
#define WARREN_BASE_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum addr_family {
    ADDR_NONE = 0, /* no address at all; every byte of the struct is zero */
    ADDR_V4 = 4,
    ADDR_V6 = 6,
};

/*
 * Has no padding, and bytes that the family does not use are zero, so two equal addresses are equal
 * bytes and the struct can be a map's key.
 */
struct addr {
    uint8_t family; /* enum addr_family */
    uint8_t zero;   /* always 0 */
    uint16_t port;  /* host byte order */
    uint8_t ip[16]; /* network byte order; IPv4 in the first four bytes */
};
_Static_assert(sizeof(struct addr) == 20, "struct addr is a map key and has no padding");

/* An IPv4 address from its four bytes as one number (192.0.2.1 is 0xc0000201). */
struct addr addr_v4(uint32_t ip, uint16_t port);
struct addr addr_v6(const uint8_t ip[static 16], uint16_t port);
/* The same address with another port. */
static inline struct addr addr_with_port(struct addr addr, uint16_t port)
{
    addr.port = port;
    return addr;
}

/* The bytes of the IP address that count: 4, 16, or 0 for ADDR_NONE. */
size_t addr_ip_size(const struct addr *addr);

/* Here, not in addr.c: tables compare addresses on every packet's path. */
static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}
/* Equal but for the port. */
static inline bool addr_equal_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}
/*
 * A total order for places where results must not depend on memory: family, address, port. <0, 0,
 * >0.
 */
int addr_compare(const struct addr *a, const struct addr *b);

/*
 * The address with all bits after the first `bits` cleared and port 0: what a budget per prefix is
 * keyed by. `bits` is at most 8 * addr_ip_size(addr).
 */
struct addr addr_prefix(const struct addr *addr, unsigned bits);

/* An IP prefix: the addresses whose first `bits` bits are those of `addr`. A key of maps too. */
struct subnet {
    struct addr addr; /* port 0, and all other bits zero */
    uint8_t bits;     /* at most 8 * addr_ip_size(&addr) */
    uint8_t zero[3];
};
/* The smallest one that has the address, when bits is that of its family: 32 or 128. */
struct subnet subnet_of(const struct addr *addr, unsigned bits);
/* Has a family, not too many bits, and nothing behind them. */
bool subnet_is_valid(const struct subnet *subnet);
bool subnet_has(const struct subnet *subnet, const struct addr *addr);

/*
 * False for the unspecified address, multicast, and IPv4 broadcast: what no datagram may come from.
 */
bool addr_is_unicast(const struct addr *addr);
/*
 * An address that others may have too: RFC 1918, RFC 6598 (behind a carrier's NAT), RFC 3927 and
 * RFC 4193, RFC 4291 (section 2.5.6). Not the loopback.
 */
bool addr_is_private(const struct addr *addr);
/* An IPv4 address in the clothes of IPv6 (RFC 4291, section 2.5.5.2): it has two encodings then. */
bool addr_is_mapped_v4(const struct addr *addr);

#endif
