/*
 * One direction of a link: what happens to a packet between the moment it is handed to the wire and
 * the moment, or the moments, at which it comes out. A function of its parameters, its own state
 * and its own random streams; it holds no packets and knows no nodes.
 */
#ifndef WARREN_SIM_LINK_H
#define WARREN_SIM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/random.h"

enum {
    LINK_MTU_DEFAULT = 1500,
    LINK_MTU_MIN = 576, /* no link carries less; IPv6 needs 1280 (RFC 8200, section 5) */
    LINK_QUEUE_DEFAULT = 65536,
    LINK_QUEUE_MAX = 1 << 30,
};

/* How jitter is spread over [0, jitter_ns]; the sum of four uniform draws stands in for a bell, in
 * integers. */
enum link_jitter {
    LINK_JITTER_UNIFORM = 0,
    LINK_JITTER_BELL = 1,
};

/* Why a link lost a packet. */
enum link_loss {
    LINK_KEPT = 0,
    LINK_LOST,       /* independent loss */
    LINK_LOST_BURST, /* loss in the bad state */
    LINK_LOST_QUEUE, /* the queue was full: drop-tail */
    LINK_LOST_DOWN,  /* this direction is down */
};

/*
 * Which packets a full queue drops, and what a link is made of: for networks that have their own
 * links, as ns-3 does. Those of sim/ are cables with drop-tail queues, whatever these say.
 */
enum link_queue {
    LINK_QUEUE_DROP_TAIL = 0, /* the last that came */
    LINK_QUEUE_CODEL,         /* RFC 8289 */
    LINK_QUEUE_FQ_CODEL,      /* RFC 8290 */
    LINK_QUEUE_RED,
};
enum link_medium {
    LINK_MEDIUM_WIRE = 0,
    LINK_MEDIUM_CSMA, /* Ethernet with carrier sense, which several hosts share */
};

/*
 * The parameters of one direction. All zero is an ideal wire with the default MTU. Probabilities
 * are parts per million of the packets.
 */
struct link_config {
    uint64_t latency_ns;
    uint64_t jitter_ns;       /* at most this much is added */
    uint64_t reorder_hold_ns; /* a packet that is reordered is held back this much longer */
    uint64_t rate_bps;        /* bits per second of IP packets; 0: unlimited */
    uint32_t queue_bytes;     /* that wait where the rate is limited; 0: LINK_QUEUE_DEFAULT */
    uint32_t mtu;             /* largest IP packet in bytes; 0: LINK_MTU_DEFAULT */
    uint32_t loss_ppm;        /* independent loss (Bernoulli) */
    uint32_t burst_enter_ppm; /* Gilbert and Elliott's two states: from good to bad, drawn for every
                                 packet */
    uint32_t burst_leave_ppm; /* from bad to good; 0: a burst never ends */
    uint32_t burst_loss_ppm;  /* loss while in the bad state; 0: everything */
    uint32_t duplicate_ppm;   /* a second copy, with its own jitter */
    uint32_t reorder_ppm;     /* held back, so that later packets pass it */
    uint32_t corrupt_ppm;     /* one bit of the payload flips */
    uint8_t jitter;           /* enum link_jitter */
    bool jitter_reorders;     /* false: a packet never passes an earlier one through jitter alone */
    bool corrupt_undetected;  /* the flipped bit slips through the checksum and is delivered */
    uint8_t queue_kind;       /* enum link_queue; sim/ has drop-tail alone */
    uint8_t medium;           /* enum link_medium; sim/ has wires alone */
    bool mtu_black_hole; /* what is too big vanishes; false: fragmented, or refused with an ICMP
                                error */
};

enum link_purpose {
    LINK_DRAW_LOSS,
    LINK_DRAW_BURST,
    LINK_DRAW_JITTER,
    LINK_DRAW_DUPLICATE,
    LINK_DRAW_REORDER,
    LINK_DRAW_CORRUPT,
    LINK_DRAWS
};

/* One random stream for each purpose: changing one impairment leaves the draws of the others where
 * they were. */
struct link_draws {
    struct random_stream stream[LINK_DRAWS];
};

/* Longest name of a stream, "link/<from>><to>/<purpose>" with its end. */
enum { LINK_NAME_SIZE = 192 };

struct link_way {
    struct link_config config;
    struct link_draws *draws; /* the owner's; NULL until an impairment needs them */
    uint64_t busy_until_ns;   /* when the wire has sent all that waits */
    uint64_t last_arrival_ns; /* of the packets in order */
    bool ideal;               /* passes everything on at once */
    bool plain;               /* has latency, and nothing else */
    bool impaired;            /* something has to be drawn */
    bool bad;                 /* the state of burst loss */
    bool down;
};

/* What became of one packet. */
struct link_outcome {
    uint64_t arrival_ns[2]; /* absolute */
    uint32_t copies;        /* 0, 1 or 2 */
    uint32_t corrupt_draw;  /* which bit, modulo the payload's bits; only where `corrupt` */
    bool corrupt;           /* the first copy */
    uint8_t lost;           /* enum link_loss, LINK_KEPT unless copies is 0 */
};

/* Takes over the parameters, with defaults filled in; keeps the state. Counts as no packet and
 * draws nothing. */
void link_set(struct link_way *way, const struct link_config *config);
/* True when link_pass() will draw, so that `draws` has to be there. */
bool link_needs_draws(const struct link_config *config);
/* Derives the streams of the direction named "from>to" from the root seed. */
void link_draws_init(struct link_draws *draws, const uint8_t seed[static RANDOM_SEED_SIZE],
                     const char *name);
/* link_pass() for a direction that is plain and not down: when the one copy comes out. */
static inline uint64_t link_pass_plain(struct link_way *way, uint64_t now_ns)
{
    uint64_t at_ns = now_ns + way->config.latency_ns;
    /* The latency may have been longer a moment ago. */
    at_ns = at_ns > way->last_arrival_ns ? at_ns : way->last_arrival_ns;
    way->last_arrival_ns = at_ns;
    return at_ns;
}
/* Whether a direction that something else carries loses the next packet: link_pass()'s loss, with
   the same draws, and nothing more of it. */
enum link_loss link_lose(struct link_way *way);
/* Hands one packet of `size` bytes to the wire. */
void link_pass(struct link_way *way, uint64_t now_ns, uint32_t size, struct link_outcome *outcome);

#endif
