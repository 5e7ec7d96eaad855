/* A simulated packet as the bytes it would have on a wire, with correct checksums: for captures,
 * and for real interfaces. */
#ifndef WARREN_SIM_WIRE_H
#define WARREN_SIM_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "sim/packet.h"

/* Bytes of the longest packet. */
enum { WIRE_MAX = PACKET_IPV6_HEADER + PACKET_FRAGMENT_HEADER + PACKET_TRANSPORT_MAX };

/* Writes the packet, big-endian as everything on the wire; returns its size, packet_wire_size(). */
size_t wire_write(const struct packet *packet, uint8_t to[static WIRE_MAX]);
/* The checksum of the whole packet's transport header; of UDP never 0 (RFC 768). */
uint16_t wire_checksum(const struct packet *packet);

#endif
