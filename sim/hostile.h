/*
 * What a hostile host has: everything that was ever sent, a hand that writes any source address,
 * and junk of every kind. It is a plain host of the network; nothing here is a member (see
 * sim/hostile_member.h).
 */
#ifndef WARREN_SIM_HOSTILE_H
#define WARREN_SIM_HOSTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/random.h"
#include "sim/net.h"

/* ---- Sending ---- */

/*
 * Sends a datagram now, over the host's first interface, from any source at all. A NAT on the way
 * translates what it takes for an inner source. Nothing leaves a host that is off the network.
 */
void hostile_send(struct net *net, uint32_t place, const struct addr *source,
                  const struct addr *destination, const void *bytes, uint32_t size);
/* Opens a port whose datagrams are forgotten: nobody answers for it, nor says that it is closed. */
void hostile_listen(struct net *net, uint32_t place, uint16_t port);
/* A random stream of the host's, "hostile/NAME/PURPOSE"; a purpose has at most 15 letters. */
struct random_stream hostile_stream(const struct net *net, uint32_t place, const char *purpose);

/* ---- Junk ---- */

enum { HOSTILE_JUNK_MAX = 1300 }; /* bytes of one */

enum hostile_junk {
    HOSTILE_MALFORMED,
    HOSTILE_HELLO,      /* its mac1 is wrong */
    HOSTILE_HELLO_MAC1, /* right, by somebody who knows the server's key */
    HOSTILE_WELCOME,
    HOSTILE_COOKIE,
    HOSTILE_STRANGER,
    HOSTILE_SEALED,
    HOSTILE_DATA,
    HOSTILE_PROBE,
    HOSTILE_FOREIGN, /* no frame at all, nor STUN */
    HOSTILE_JUNKS
};

/*
 * Makes a frame with the right header and size, and random bytes behind it; its size. `server_key`
 * is the tunnel key of a server, for HOSTILE_HELLO_MAC1 alone.
 */
uint32_t hostile_make(enum hostile_junk kind, struct random_stream *draws,
                      const struct crypto *crypto, const uint8_t server_key[static 32],
                      uint8_t bytes[static HOSTILE_JUNK_MAX]);

/* ---- What was heard ---- */

enum {
    HOSTILE_HEARD_MAX = 4096,   /* datagrams that are kept; then the oldest goes */
    HOSTILE_HEARD_BYTES = 1300, /* of each; longer ones are not kept */
    HOSTILE_NOTICED = 1 << 16,  /* digests of datagrams on their way; a power of two */
};

struct hostile_heard {
    struct addr source, destination; /* as they were where it was heard, */
    uint32_t place;                  /* which is here */
    uint32_t size;
    uint8_t bytes[HOSTILE_HEARD_BYTES];
};

/* Zeroed at first; 6 MiB. */
struct hostile_ear {
    uint64_t count; /* ever heard */
    uint64_t noticed[HOSTILE_NOTICED];
    struct hostile_heard heard[HOSTILE_HEARD_MAX];
};

/*
 * Keeps a UDP datagram. What is carried for others, in a DATA frame or without one, is kept only if
 * `opaque` says so: nothing protects it at this layer, and whoever writes its source has it
 * delivered again.
 */
void hostile_hear(struct hostile_ear *ear, uint32_t place, const struct packet *packet,
                  bool opaque);
/*
 * Tells what nodes have sent from what hostile hosts have: a node's datagram is noticed where it
 * leaves, and heard where it arrives for the first time. Of very many on their way some are missed.
 */
void hostile_notice(struct hostile_ear *ear, const struct packet *packet);
void hostile_hear_noticed(struct hostile_ear *ear, uint32_t place, const struct packet *packet);
/* The datagram that was heard as the `number`th, counted from 0; NULL: it is not kept any more. */
const struct hostile_heard *hostile_heard_at(const struct hostile_ear *ear, uint64_t number);
/* Whether a datagram is opaque, as hostile_hear() has it. */
bool hostile_is_opaque(const uint8_t *bytes, uint32_t size);

#endif
