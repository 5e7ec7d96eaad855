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

/* Bytes of the smallest packet that holds all this: the headers of IPv6 and UDP, and 24 of data. */
enum { NUMBERED_SIZE_MIN = 40 + 8 + 24 };

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

#endif
