/*
 * The ring tape: the newest inputs of the node, and a snapshot of it from before them, kept in
 * memory and written to a file when a check fails or somebody asks. It replays in the build that
 * wrote it, and in no other. docs/tapes.md has its layout.
 *
 * Two halves are filled by turns. Each begins with a snapshot, of which zero pages are left out.
 * Snapshots take at most a hundredth of the time: where inputs come faster than that, the ring has
 * a gap, and says so. It holds secrets: the file has mode 0600 and is never sent by itself.
 */
#ifndef WARREN_DAEMON_RING_H
#define WARREN_DAEMON_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/warren.h"

enum {
    RING_VERSION = 1,
    RING_HALVES = 2,
    RING_BUILD_SIZE = 64, /* bytes of the text that names a build, with its end */
    RING_HOLD = 1024,     /* more than the header and fields of any input */
};

struct ring_half {
    bool used;
    bool gap;          /* inputs are missing at its end */
    uint8_t *snapshot; /* as large as the node; zero pages are not touched */
    uint8_t *inputs;
    size_t size; /* of the inputs */
};

struct ring {
    int fd; /* the file; -1: there is no ring */
    const uint8_t *memory;
    size_t memory_size;
    size_t room;      /* of the inputs of a half */
    bool packets;     /* data of the tunnel is kept too */
    unsigned current; /* half */
    uint64_t wait_ns; /* CLOCK_MONOTONIC: no snapshot before this time */
    size_t left;      /* bytes of the record under way that are still to come */
    bool skipping;    /* they are not kept */
    size_t held;      /* bytes of the record under way of which nothing is decided yet */
    uint8_t hold[RING_HOLD];
    uint64_t left_out; /* inputs with data of the tunnel */
    struct ring_half halves[RING_HALVES];
};

/*
 * A ring of so many MiB over the node's memory, which stays where it is. The file at `path` is
 * opened now, since it may not be possible later; one that is not empty is kept as PATH.old. False,
 * with errno.
 */
bool ring_open(struct ring *ring, const char *path, uint32_t mib, bool packets, const void *memory,
               size_t memory_size);
void ring_close(struct ring *ring);

/*
 * Takes what a tape's writer writes (host/tape.h). The node is drained when a record begins. Always
 * true.
 */
bool ring_put(struct ring *ring, const uint8_t *bytes, size_t size);

/* Writes the file. Calls nothing that a broken state could upset. False, with errno. */
bool ring_write(struct ring *ring);

/* What names this build: programs with the same text have the same layout. */
const char *ring_build(void);

struct ring_replay {
    uint64_t inputs;
    uint64_t outputs;
    bool whole; /* with the tunnel's data, and to the end */
};

/*
 * Replays a file into a node of its own, with this trace. False, with a sentence in `error`, when
 * that cannot be done.
 */
bool ring_replay(struct ring_replay *replay, const char *path, const struct node_env *env,
                 char *error, size_t error_size);

#endif
