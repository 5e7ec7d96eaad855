/*
 * What the path of another mesh is, judged from what the network saw alone: between two answers of
 * its probe (netns/adapter_probe.h) datagrams went from client to client, or through a server.
 */
#ifndef WARREN_RUNNER_GUEST_PATH_H
#define WARREN_RUNNER_GUEST_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/warren.h"

enum {
    /* A packet of the probe in an IPv4 datagram of its own, without what the mesh adds to it. What
       is smaller cannot have one in it. */
    GUEST_PATH_PROBE_SIZE = 72,
    /* A mesh talks to its servers now and then, in packets as large as a probe's. Where a path has
       been direct, so many answers in a row have to say that it no longer is. */
    GUEST_PATH_DOUBTS = 5,
};

struct guest_path {
    bool between; /* since the last answer: a datagram has come to one from outside, not a server */
    bool served;  /* likewise: a client has sent a server what can have a probe in it */
    uint8_t doubts;
    uint8_t path; /* enum node_path */
};

/* A client has sent a server a packet of this size. */
void guest_path_sent(struct guest_path *path, uint32_t size);
/* A datagram has reached a client, from somewhere that is no server. */
void guest_path_delivered(struct guest_path *path);
/* An answer whose way there and back lies after the last one. Whether that way was direct. */
bool guest_path_answered(struct guest_path *path);

#endif
