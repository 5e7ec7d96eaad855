/* `warren-lab replay`: a tape, fed to a fresh node, gives the digest that it was recorded with. */
#ifndef WARREN_RUNNER_REPLAY_H
#define WARREN_RUNNER_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum { REPLAY_ERROR_SIZE = 512 };

struct replay {
    uint64_t inputs;
    uint64_t outputs;
    uint64_t digest;          /* of this replay */
    uint64_t recorded_digest; /* as the tape says */
    uint64_t recorded_outputs;
};

/*
 * False, with one line in `error`, when the file is no whole tape. Whether the digests agree is for
 * the caller to see.
 */
bool replay_file(struct replay *replay, const char *path, char error[static REPLAY_ERROR_SIZE]);

#endif
