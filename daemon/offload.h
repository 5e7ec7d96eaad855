/*
 * Super-packets: one TCP or UDP packet of up to 64 KiB that stands for many of equal size, as a TUN
 * device takes and gives them with a virtio header (virtio 1.2, section 5.1.6). Splits one into the
 * packets that it stands for, and makes packets into super-packets again. Nothing here asks the
 * system for anything; all sums are of RFC 1071.
 */
#ifndef WARREN_DAEMON_OFFLOAD_H
#define WARREN_DAEMON_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/* Bits of `flags` and values of `kind`. */
enum {
    OFFLOAD_NEEDS_SUM = 1,
    OFFLOAD_SINGLE = 0,
    OFFLOAD_TCP4 = 1,
    OFFLOAD_TCP6 = 4,
    OFFLOAD_UDP = 5, /* either family */
};

/* What stands before each packet at a TUN device; in the machine's byte order. */
struct offload_header {
    uint8_t flags;
    uint8_t kind;
    uint16_t headers;    /* bytes of all headers; of what is read from a TUN, only a hint */
    uint16_t segment;    /* payload of each packet that it stands for, but the last */
    uint16_t sum_start;  /* OFFLOAD_NEEDS_SUM: the sum goes from here to the end, */
    uint16_t sum_offset; /* and is to be written here, counted from sum_start */
};
_Static_assert(sizeof(struct offload_header) == 10, "the form that TUNSETVNETHDRSZ 10 has");

enum {
    OFFLOAD_SIZE_MAX = 65535,     /* of a super-packet, its headers included */
    OFFLOAD_HEADERS_MAX = 120,    /* 60 of IPv4 and 60 of TCP */
    OFFLOAD_PACKETS_MAX = 128,    /* in a super-packet of TCP that we make */
    OFFLOAD_UDP_PACKETS_MAX = 64, /* of UDP; Linux puts no more into one itself */
    OFFLOAD_GROUPS = 8,           /* flows that are gathered at once; one more ends the oldest */
};

/*
 * The sum of 16-bit words (RFC 1071), folded and not complemented. The bytes' order in memory is
 * kept: the result is stored as it is. `sum` is an earlier result over an even number of bytes, or
 * 0.
 */
uint16_t offload_sum(const uint8_t *bytes, size_t size, uint16_t sum);

/* ---- Splitting ------------------------------------------------------------------------------- */

/* One super-packet on its way to be packets. */
struct offload_split {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t headers;       /* bytes of all of them */
    uint32_t transport;     /* where TCP or UDP begins */
    uint32_t segment;       /* payload of each packet but the last */
    uint32_t next;          /* where the payload of the next packet begins */
    uint32_t index;         /* how many packets were made */
    uint16_t addresses_sum; /* of both addresses and the protocol */
    bool v6;
    bool udp;
    bool sumless; /* UDP without a sum: its packets have none either */
};

/*
 * A packet that stands for itself: writes its sum, where it lacks one. False when the header does
 * not fit the packet.
 */
bool offload_complete(const struct offload_header *header, uint8_t *bytes, uint32_t size);

/*
 * Begins to split what is not OFFLOAD_SINGLE. The bytes stay as they are until all is split. False
 * when it is malformed, or of a kind that there is not.
 */
bool offload_split_begin(struct offload_split *split, const struct offload_header *header,
                         const uint8_t *bytes, uint32_t size);

/*
 * Writes the next packets one behind the other, all with their sums, all of *segment bytes but the
 * last; as many as there is room for. Returns how many bytes that is; 0 when there are no more, or
 * room is too small for one.
 */
uint32_t offload_split_next(struct offload_split *split, uint8_t *packets, uint32_t room,
                            uint32_t *segment);

/* ---- Gathering ------------------------------------------------------------------------------- */

/*
 * Takes a packet or super-packet: parts[0] is a struct offload_header, and the rest the packet.
 * `packets` is how many it stands for, `size` its bytes. Of a super-packet parts[1] is the headers,
 * and every further part the payload of one packet, which stands in memory behind that packet's own
 * headers of the same size. The header and parts[1] are good only during the call.
 */
typedef void offload_emit(void *context, const struct iovec *parts, unsigned count,
                          unsigned packets, uint32_t size);

/* Packets of one flow, in order, which will be written as one. */
struct offload_group {
    const uint8_t *first; /* the first packet; NULL: the slot is free */
    uint32_t size;        /* of the super-packet */
    uint32_t headers;
    uint32_t transport;
    uint32_t segment;  /* payload of each packet but the last */
    uint32_t sequence; /* TCP: of the byte that comes next */
    uint32_t packets;  /* each has one part after the headers */
    uint32_t age;      /* order of beginning */
    uint64_t key;      /* differs only where flows do */
    uint8_t last;      /* TCP: flags of the last packet */
    bool summed;       /* the first packet's sums are known to be right */
    struct offload_header header;
    uint8_t rewritten[OFFLOAD_HEADERS_MAX];
    struct iovec parts[2 + OFFLOAD_PACKETS_MAX];
};

/* Gathers packets; several kilobytes. The emit function and its context are the caller's. */
struct offload_gather {
    offload_emit *emit;
    void *context;
    bool tcp; /* make super-packets of TCP */
    bool udp; /* and of UDP */
    uint32_t next_age;
    uint32_t latest; /* the group that took the last packet */
    struct offload_group groups[OFFLOAD_GROUPS];
};

void offload_gather_init(struct offload_gather *gather, bool tcp, bool udp, offload_emit *emit,
                         void *context);

/*
 * Takes one packet. Packets of one flow are emitted in the order in which they came; what cannot be
 * merged without a trace is emitted as it is. The bytes stay as they are until
 * offload_gather_end().
 */
void offload_gather_add(struct offload_gather *gather, const uint8_t *packet, uint32_t size);

/* Emits all that is still gathered. */
void offload_gather_end(struct offload_gather *gather);

#endif
