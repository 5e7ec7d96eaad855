/*
 * The relay of a server: pairs of clients that two homes have agreed may talk, each direction with
 * a channel number, and DATA frames forwarded between their two legs. A leg leads to a client of
 * ours, or to the server that is the other one's home. Frames are opaque; only their channel is
 * read, and changed. Uses core/frame for headers and routes, and core/bootstrap/identity.h for
 * names.
 */
#ifndef WARREN_RELAY_SERVER_H
#define WARREN_RELAY_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/context.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/bootstrap/identity.h"
#include "core/frame/message.h"
#include "core/frame/seal.h"

enum {
    RELAY_KEY_SIZE = 2 * IDENTITY_SIZE, /* both identities, the smaller one first */
    RELAY_PAIRS_PER_CLIENT = 256,
    RELAY_HALVES_PER_CLIENT = 16, /* of them, pairs whose other leg is missing */
    /* Bytes in a second, and at once, of one pair, one client and the whole relay. */
    RELAY_PAIR_RATE = 4 << 20,
    RELAY_CLIENT_RATE = 16 << 20,
    RELAY_TOTAL_RATE = 256 << 20,
};

/* A pair without data for so long is forgotten. */
#define RELAY_IDLE_NS UINT64_C(90000000000)
/* One with a single leg, that nobody has asked for again. */
#define RELAY_HALF_IDLE_NS UINT64_C(10000000000)

/* One way out of a pair. */
struct relay_leg {
    uint32_t channel;        /* on this leg, both ways; not 0 */
    uint32_t owner;          /* who pays: index of the client's registration, or RELAY_NO_OWNER */
    struct seal_route route; /* remote: none while nothing may be forwarded there yet */
    /* What came in by this leg and was passed on. */
    uint64_t datagrams;
    uint64_t bytes; /* of what the frames carry */
};
#define RELAY_NO_OWNER UINT32_MAX

/* A token bucket, counted from its other end: all zero, it is full. */
struct relay_bucket {
    uint64_t paid_ns; /* when `spent` was last right */
    uint64_t spent;   /* bytes that have not come back yet; at most the rate */
};

struct relay_pair {
    uint8_t key[RELAY_KEY_SIZE];
    uint8_t nonce[16];       /* the punch protocol's: of the last call */
    struct relay_leg leg[2]; /* in the order of the identities in `key` */
    struct handle self;
    struct handle timer;
    uint64_t used_ns;
    struct relay_bucket bucket;
    uint32_t next[2]; /* of each leg in its owner's list, see server.c */
    uint32_t previous[2];
};

struct relay_server {
    struct pool pairs;     /* struct relay_pair */
    struct map by_key;     /* RELAY_KEY_SIZE -> slot */
    struct map by_channel; /* struct relay_channel_key in server.c: remote address, channel -> slot
                               and leg */
    struct relay_bucket total;
    int64_t owners; /* array of struct relay_owner in server.c, by index; in bytes from here */
    uint32_t owner_count;
    uint32_t zero;
};

/* `pairs` at once; with no room the call is refused. `owners`: highest owner index + 1. */
size_t relay_server_bytes(uint32_t pairs, uint32_t owners);
void relay_server_init(struct relay_server *relay, void *memory, uint32_t pairs, uint32_t owners,
                       struct random_secret *secret);

enum relay_result {
    RELAY_OK = 0,
    RELAY_FULL,  /* no room for another pair */
    RELAY_QUOTA, /* an owner has as many pairs as it may */
    RELAY_TAKEN, /* the channel number is in use at that address */
};

/*
 * Makes the pair, or changes the legs of the one that there is: a leg whose channel is 0 is left
 * alone. Counters stay. When the result is not RELAY_OK nothing has changed, and *pair is as it
 * was.
 */
enum relay_result relay_pair_set(struct relay_server *relay, const struct context *cx,
                                 const uint8_t key[static RELAY_KEY_SIZE],
                                 const struct relay_leg legs[static 2], struct relay_pair **pair);
struct relay_pair *relay_pair_find(struct relay_server *relay,
                                   const uint8_t key[static RELAY_KEY_SIZE]);
/* A channel number that is not in use at this address, from the secret generator; not 0. */
uint32_t relay_channel_draw(struct relay_server *relay, const struct context *cx,
                            const struct addr *remote);
/* Every leg of this owner leads to another address from now on, or nowhere (ADDR_NONE). */
void relay_owner_moved(struct relay_server *relay, const struct context *cx, uint32_t owner,
                       const struct seal_route *route);
/* The pair may talk no longer. */
void relay_pair_end(struct relay_server *relay, const struct context *cx, struct relay_pair *pair);
/* The owner is gone: so are its pairs. */
void relay_owner_gone(struct relay_server *relay, const struct context *cx, uint32_t owner);

/*
 * A DATA frame arrived: passed on along the other leg, or dropped, counted and traced with its
 * reason. It never answers.
 */
void relay_data(struct relay_server *relay, const struct context *cx,
                const struct node_in_datagram *datagram, const struct frame *frame);
/* The timer of a pair fired. */
void relay_timer(struct relay_server *relay, const struct context *cx, struct handle owner);

#endif
