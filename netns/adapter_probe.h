/*
 * How soon two hosts of another mesh reach each other: numbered UDP packets from one to the other's
 * inner address, which sends them back. What the answers are worth, whether the way was direct, the
 * caller knows who sees the packets outside.
 *
 * Works in the caller's event loop, in its thread; nothing here blocks.
 */
#ifndef WARREN_NETNS_ADAPTER_PROBE_H
#define WARREN_NETNS_ADAPTER_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "core/base/addr.h"
#include "netns/space.h"

enum {
    ADAPTER_PROBE_PORT = 9999,
    ADAPTER_PROBE_EVERY_MS = 100,
};

/* A host as the probe needs it: its namespace, and its interface and address in the mesh. Packets
   go through that interface and no other, so a mesh that has no route is not asked around. */
struct adapter_probe_end {
    int host;
    char interface[SPACE_NAME_SIZE];
    struct addr inner;
};

/* Times are of CLOCK_MONOTONIC, in nanoseconds. */
struct adapter_probe_answer {
    uint32_t number; /* of the packet that came back, from 0 on */
    uint64_t sent_ns;
    uint64_t answered_ns;
    bool direct; /* what the predicate said; false when it was not asked */
};

/* What has come of it so far; a time is 0 while there is none. */
struct adapter_probe_result {
    uint64_t begun_ns;         /* about when the first packet was sent */
    uint64_t first_answer_ns;  /* the first packet came back */
    uint64_t first_arrival_ns; /* the first packet reached the other host */
    uint64_t first_direct_ns;  /* the first one came back of which the predicate said so */
    uint32_t sent;             /* tries, those without a route included */
    uint32_t answers;
};

struct adapter_probe_config {
    struct ev_loop *loop;
    struct adapter_probe_end from;
    struct adapter_probe_end to;
    /*
     * Has there been, since it was asked last (or the probe began), a packet between the two from
     * outside to outside, and none that a server passed on? Asked at an answer whose packet was
     * sent after it was asked last, so that a whole way there and back lies in between: what a mesh
     * has held back comes in a burst, and in a burst there is no time for the relay to be seen.
     * NULL: nobody knows.
     */
    bool (*direct)(void *context);
    /* The first packet has reached the other host, now. NULL: not told. */
    void (*arrived)(void *context);
    /* Every answer; one packet may have two of them where a mesh sends it twice. NULL: not told. */
    void (*answered)(void *context, const struct adapter_probe_answer *answer);
    void *context;
};

struct adapter_probe;

/* Begins at once, with a packet every 100 ms. Both interfaces exist, and have their addresses. */
struct adapter_probe *adapter_probe_new(const struct adapter_probe_config *config,
                                        char error[static SPACE_ERROR_SIZE]);
const struct adapter_probe_result *adapter_probe_result(const struct adapter_probe *probe);
/* Not from within a callback. NULL is allowed. */
void adapter_probe_free(struct adapter_probe *probe);

#endif
