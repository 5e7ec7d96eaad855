/*
 * IP packets, as values over pooled, reference-counted payloads. A packet is copied, fragmented,
 * translated and delayed without its bytes being copied; only corruption writes, on a copy of its
 * own.
 */
#ifndef WARREN_SIM_PACKET_H
#define WARREN_SIM_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"

/* IANA's numbers; ICMP stands for ICMPv6 (58) as well, by the family of the addresses. */
enum packet_protocol {
    PACKET_ICMP = 1,
    PACKET_TCP = 6, /* opaque: ports and bytes, or a segment with its header */
    PACKET_UDP = 17,
};

/* What an ICMP packet is. The errors have the numbers of enum node_icmp. */
enum packet_icmp {
    PACKET_ICMP_NONE = 0,
    PACKET_ICMP_UNREACHABLE_NET = 1,
    PACKET_ICMP_UNREACHABLE_HOST = 2,
    PACKET_ICMP_UNREACHABLE_PORT = 3,
    PACKET_ICMP_PROHIBITED = 4,
    PACKET_ICMP_TOO_BIG = 5,
    PACKET_ICMP_TIME_EXCEEDED = 6,
    PACKET_ICMP_ECHO_REQUEST =
        7, /* its identifier is the port of both addresses (RFC 5508, section 3.1) */
    PACKET_ICMP_ECHO_REPLY = 8,
};

enum {
    PACKET_IPV4_HEADER = 20,
    PACKET_IPV6_HEADER = 40,
    PACKET_FRAGMENT_HEADER = 8, /* of IPv6; counted as part of the IP header */
    PACKET_UDP_HEADER = 8,
    PACKET_TCP_HEADER = 20,
    PACKET_ICMP_HEADER = 8,
    PACKET_TTL_DEFAULT = 64,
    PACKET_TRANSPORT_MAX = 65535, /* bytes of an IP payload */
    PACKET_CHUNK = 64,            /* packets in flight are kept by so many */
};

/* Bytes shared by packets. */
struct packet_buffer {
    struct packet_buffer *next; /* in the free list */
    uint32_t references;
    uint32_t capacity;
    uint8_t bytes[];
};

/*
 * The quoted datagram of an ICMP error, kept as fields so that a NAT can translate it: addresses
 * and ports as they stood in the packet that caused the error, where it was caused.
 */
struct packet_quote {
    struct addr source;
    struct addr destination;
    uint32_t mtu;      /* bytes; PACKET_ICMP_TOO_BIG */
    uint32_t sequence; /* of TCP or an ICMP echo */
    uint16_t size;     /* bytes of the quoted packet's IP payload */
    uint16_t checksum; /* of its transport header, as it was sent */
    uint16_t id;
    uint8_t protocol; /* enum packet_protocol */
    uint8_t icmp;     /* enum packet_icmp, of an echo */
    uint8_t ttl;
    bool dont_fragment;
};

/*
 * A packet or a fragment of one. `data` is what follows the transport header in the whole,
 * unfragmented packet; a fragment refers to the same buffer and says by `offset` and `length` which
 * part of the IP payload (transport header included) it carries. Only a fragment with offset 0 has
 * ports; in all others they are 0.
 *
 * A packet with `headed` has come from outside the simulation with a transport header that is more
 * than the fields say: the buffer begins with that header, all of which counts as data. The ports
 * and the checksum in it are of no account; those of the addresses, and what fits them, are. A
 * fragment that was read from bytes has it too, whatever its protocol, and ports of 0: it is
 * written as it was.
 */
struct packet {
    struct addr source;
    struct addr destination;
    struct packet_buffer
        *buffer;   /* NULL when there is no data; for ICMP errors it holds a struct packet_quote */
    uint32_t data; /* bytes of the whole packet's data */
    uint32_t id;   /* of the IP header; 32 bits of it for IPv6 */
    uint32_t length;  /* of the IP payload in this packet or fragment */
    uint16_t offset;  /* of it in the whole; a multiple of 8 */
    uint8_t protocol; /* enum packet_protocol */
    uint8_t icmp;     /* enum packet_icmp, when protocol is PACKET_ICMP */
    uint8_t ttl;
    uint8_t tcp_flags;  /* of a TCP packet: FIN 1, SYN 2, RST 4 */
    bool dont_fragment; /* IPv4; for IPv6 routers act as if it were set, unless they had to
                           reassemble */
    bool more_fragments;
    bool bad_checksum; /* corrupted on the way: the receiver's UDP refuses it */
    bool headed;       /* the data has the transport header at its beginning */
    uint16_t sequence; /* of an ICMP echo */
};

/* Free lists of packets in flight and of buffers in three sizes. Memory comes from the heap only
 * until a run is warm. */
struct packet_pool {
    struct packet_buffer *free_buffers[3];
    struct packet **chunks; /* packets in flight, by index; they stay where they are */
    uint32_t *free_packets; /* a stack of indices */
    uint32_t capacity;
    uint32_t free_count;
    uint64_t buffers_live; /* for tests: 0 when everything has come to rest */
};

void packet_pool_init(struct packet_pool *pool);
void packet_pool_free(struct packet_pool *pool);

/* A buffer of at least `size` bytes with one reference; size at most PACKET_TRANSPORT_MAX. */
struct packet_buffer *packet_buffer_new(struct packet_pool *pool, size_t size);
void packet_buffer_hold(struct packet_buffer *buffer);
void packet_buffer_drop(struct packet_pool *pool, struct packet_buffer *buffer);

/* Parks a packet until it arrives somewhere; the buffer's reference goes with it. */
uint32_t packet_park(struct packet_pool *pool, const struct packet *packet);
/* The parked packet, which may be changed and dropped in its place. */
static inline struct packet *packet_at(const struct packet_pool *pool, uint32_t index)
{
    return &pool->chunks[index / PACKET_CHUNK][index % PACKET_CHUNK];
}
/* Gives the place back; what was there has been dropped or passed on. */
void packet_unpark(struct packet_pool *pool, uint32_t index);

/* A whole datagram over a fresh buffer with a copy of the bytes; 64 hops, may be fragmented. */
void packet_make_udp(struct packet_pool *pool, struct packet *packet, const struct addr *source,
                     const struct addr *destination, const void *bytes, size_t size);
/* Gives the packet's reference back. */
void packet_drop(struct packet_pool *pool, struct packet *packet);
/* Flips one bit of the data on a copy of it; without data only the checksum suffers. */
void packet_corrupt(struct packet_pool *pool, struct packet *packet, uint32_t draw,
                    bool undetected);

/* Bytes of the transport header that the packet, when whole, has before the data. */
uint32_t packet_transport_header(const struct packet *packet);
bool packet_is_fragment(const struct packet *packet);
/* Bytes on the wire, IP header included. */
uint32_t packet_wire_size(const struct packet *packet);
bool packet_is_icmp_error(const struct packet *packet);
/* The bytes of a whole packet's data; NULL when there are none. */
const uint8_t *packet_data(const struct packet *packet);

#endif
