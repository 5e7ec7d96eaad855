/*
 * The IP packets that clients of a scenario send each other through the tunnel: UDP with valid
 * headers and checksums (RFC 791, RFC 768, RFC 8200), and inside who sent it to whom, its number,
 * and when. Both families are in use: to a place that was declared later a packet is IPv4, and to
 * one that was declared earlier it is IPv6.
 */
#ifndef WARREN_RUNNER_NUMBERED_H
#define WARREN_RUNNER_NUMBERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"

enum {
    /* Bytes of the smallest packet that holds all this: headers of IPv6 and UDP, 24 of data. */
    NUMBERED_SIZE_MIN = 40 + 8 + 24,
    NUMBERED_PORT = 4242, /* of both ends */
};

struct numbered {
    uint32_t from; /* places of the scenario, below PLAN_PLACES_MAX */
    uint32_t to;
    uint32_t number;
    uint64_t sent_ns;
};

/* Makes a packet of `size` bytes, from NUMBERED_SIZE_MIN to NODE_PACKET_MAX. */
void numbered_write(const struct numbered *numbered, uint8_t *bytes, size_t size);

/*
 * False for anything else that may come out of a tunnel: every byte that a router or a tunnel must
 * not change is as it was written, and the addresses are those of the two places.
 */
bool numbered_read(struct numbered *numbered, const uint8_t *bytes, size_t size);

/* ---- Where a kernel makes the headers: the UDP data alone ---- */

/* ADDR_V4 or ADDR_V6: which addresses inside the mesh (mesh_inner()) it is sent between. */
uint8_t numbered_family(const struct numbered *numbered);
/* Writes the data of a packet of `size` bytes, headers included; returns how many bytes it has. */
size_t numbered_write_data(const struct numbered *numbered, uint8_t *bytes, size_t size);
/* False for anything else. Family, addresses and ports are for the caller to compare. */
bool numbered_read_data(struct numbered *numbered, const uint8_t *bytes, size_t size);

#endif
