/*
 * Fragmentation (RFC 791, RFC 8200 section 4.5) and bounded reassembly.
 *
 * Reassembly has room for FRAGMENT_ENTRIES datagrams. RFC 4787, REQ-14a: "the NAT MUST NOT permit a
 * denial of service with fragments to harm in-order fragments or unfragmented traffic".
 * Unfragmented packets never come here. When there is no room, the oldest datagram whose fragments
 * came out of order goes first, then the oldest of all, and one source address never holds more
 * than FRAGMENT_PER_SOURCE: datagrams whose fragments come in order are whole again after a few
 * packets, so a flood would have to push the whole table through in between.
 */
#ifndef WARREN_SIM_FRAGMENT_H
#define WARREN_SIM_FRAGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/packet.h"

enum {
    FRAGMENT_ENTRIES = 64,
    FRAGMENT_PER_SOURCE = 16,
    FRAGMENT_UNITS = (PACKET_TRANSPORT_MAX + 1) / 8, /* offsets count eight bytes */
};

/* How long a datagram may take to become whole: RFC 1122, section 3.3.2, and RFC 8200 allow 60 s;
 * Linux takes 30 s. */
#define FRAGMENT_TIMEOUT_NS UINT64_C(30000000000)

struct fragment_entry {
    struct packet first; /* addresses, id, protocol; the fragment with offset 0 once it has come;
                            owns the buffer */
    uint64_t since_ns;
    uint64_t order;    /* counts entries as they are made: the smaller the older */
    uint32_t total;    /* bytes of the whole IP payload, 0 until the last fragment came */
    uint32_t end;      /* of the piece that reaches furthest */
    uint32_t received; /* bytes so far, each counted once */
    uint32_t fragments;
    uint32_t largest; /* bytes of the largest fragment's payload */
    bool used;
    bool in_order; /* each fragment began where the one before ended */
    bool has_first;
    uint8_t seen[FRAGMENT_UNITS / 8]; /* a bit for each unit received */
};

struct fragment_table {
    uint64_t orders;
    uint64_t timed_out; /* datagrams given up */
    uint64_t evicted;
    uint64_t refused; /* fragments that fit no datagram */
    uint32_t largest; /* of the last datagram that became whole: bytes of its largest fragment */
    struct fragment_entry entries[FRAGMENT_ENTRIES];
};

enum fragment_result {
    FRAGMENT_WAITS,   /* taken; the datagram is not whole yet */
    FRAGMENT_WHOLE,   /* *packet is the whole datagram */
    FRAGMENT_REFUSED, /* dropped: inconsistent, or overlapping (RFC 5722) */
};

/*
 * Takes a fragment, and its reference. `lost` is increased by the datagrams that were given up to
 * make room or for their age.
 */
enum fragment_result fragment_accept(struct fragment_table *table, struct packet_pool *pool,
                                     uint64_t now_ns, struct packet *packet, uint64_t *lost);
/* Gives up everything. */
void fragment_flush(struct fragment_table *table, struct packet_pool *pool);

/*
 * The piece of `packet` that begins at `offset` bytes into its IP payload, at most `mtu` bytes on
 * the wire; shares the buffer, with a reference of its own. Call with 0 first, then with the sum of
 * the lengths, until `packet->length`.
 */
void fragment_cut(const struct packet *packet, uint32_t mtu, uint32_t offset, struct packet *piece);

#endif
