/* A simulated packet as the bytes it would have on a wire, with correct checksums, and back: for
 * captures, and for real interfaces. */
#ifndef WARREN_SIM_WIRE_H
#define WARREN_SIM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/packet.h"

enum {
    /* Bytes of the longest packet. */
    WIRE_MAX = PACKET_IPV6_HEADER + PACKET_FRAGMENT_HEADER + PACKET_TRANSPORT_MAX,
    /* Bytes of a transport header that an ICMP error quotes: RFC 792's 64 bits. */
    WIRE_QUOTED = 8,
};

/* Writes the packet, big-endian as everything on the wire; returns its size, packet_wire_size(). */
size_t wire_write(const struct packet *packet, uint8_t to[static WIRE_MAX]);
/* The checksum of the whole packet's transport header; of UDP never 0 (RFC 768). */
uint16_t wire_checksum(const struct packet *packet);
/* The sequence number of an ICMP echo, or of a TCP segment with its own header; otherwise 0. */
uint32_t wire_sequence(const struct packet *packet);
/*
 * The checksum of a quoted packet whose addresses and ports are translated from those of `before`
 * to those of `after` (RFC 1624; RFC 5508, section 4).
 */
uint16_t wire_translated(const struct packet_quote *before, const struct packet_quote *after);

/* ---- Checksums (RFC 1071) -------------------------------------------------------------------- */

/* Adds the big-endian words of at most 64 KiB to a sum, whose 32 bits they do not overflow. */
uint32_t wire_sum(uint32_t sum, const uint8_t *bytes, size_t size);
/* The checksum from a sum: 0 when what was summed up has a right one in it. */
uint16_t wire_fold(uint32_t sum);
/* The sum of the pseudo header of `size` bytes of payload (RFC 768; RFC 8200, section 8.1); 0 for
 * ICMP over IPv4, which has none. */
uint32_t wire_pseudo_header(const struct packet *packet, uint32_t size);

/* ---- Reading (wire_read.c) ------------------------------------------------------------------- */

enum wire_result {
    WIRE_OK,
    WIRE_NOISE,       /* not for anybody behind a router: to multicast or broadcast, or from or to a
                         link-local address */
    WIRE_MALFORMED,   /* cut short, or its lengths contradict each other */
    WIRE_CHECKSUM,    /* a checksum is wrong; also UDP without one over IPv6 (RFC 8200, 8.1) */
    WIRE_UNSUPPORTED, /* a protocol, extension header, ICMP type or port (0) that is not carried */
};

/*
 * The packet that is written as these bytes; what is behind its end by its own length is ignored.
 * Carried are UDP, TCP, ICMP echo, and the ICMP errors of enum packet_icmp about these. IPv4
 * options, traffic class and flow label are skipped and lost.
 *
 * A fragment comes out with `headed` and over a buffer of its own for the whole datagram, without
 * ports; collect such with fragment_accept(), and give the whole datagram to wire_read_whole().
 * Unless the result is WIRE_OK, the packet holds no reference, and only its addresses may be set.
 */
enum wire_result wire_parse(struct packet_pool *pool, struct packet *packet, const uint8_t *bytes,
                            size_t size);
/* The same for who does not ask why; false: there is no packet. */
static inline bool wire_read(struct packet_pool *pool, struct packet *packet, const uint8_t *bytes,
                             size_t size)
{
    return wire_parse(pool, packet, bytes, size) == WIRE_OK;
}
/* Turns what was collected from fragments of wire_parse() into the packet that they were. */
enum wire_result wire_read_whole(struct packet_pool *pool, struct packet *packet);

#endif
