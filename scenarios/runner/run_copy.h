/*
 * What a run came to as bytes, for the pipe between the process that made it and the one that
 * judges it. Only the build that wrote them can read them.
 */
#ifndef WARREN_RUNNER_RUN_COPY_H
#define WARREN_RUNNER_RUN_COPY_H

#include <stddef.h>

#include "scenarios/runner/run.h"

enum { RUN_COPY_NOTES_MAX = 65536 }; /* bytes; of longer ones the begin is kept */

struct run_outcome {
    bool made;
    struct run run;             /* run_free(); when it was not made, it has notes at most */
    char error[RUN_ERROR_SIZE]; /* why it was not made */
};

/* From malloc(), `size` bytes. */
uint8_t *run_copy_pack(const struct run_outcome *outcome, const struct plan_scenario *scenario,
                       size_t *size);
/*
 * False, and an outcome without a run, when these are not the bytes that an outcome of this
 * scenario was packed as: cut short, changed, or with something in it that no run has.
 */
bool run_copy_unpack(const uint8_t *bytes, size_t size, const struct plan_scenario *scenario,
                     struct run_outcome *outcome);

/* The same to a file; `error` is why the run was not made, and NULL when it was. False when not all
   could be written. */
bool run_copy_write(int file, const struct plan_scenario *scenario, const struct run *run,
                    const char *error);
/* The same from a file, to its end. False when the run was not made, or cannot be read, with a
   sentence in `error`; `run` then has notes at most. */
bool run_copy_read(int file, const struct plan_scenario *scenario, struct run *run,
                   char error[static RUN_ERROR_SIZE]);

#endif
