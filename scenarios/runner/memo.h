/*
 * The real cryptography with a memory: what a public-key operation gave once it gives again, without
 * being computed. Every operation is a pure function of its arguments, so a run cannot tell the
 * difference; a sweep asks the same of them in each of its thousands of runs.
 */
#ifndef WARREN_RUNNER_MEMO_H
#define WARREN_RUNNER_MEMO_H

#include <stdint.h>

#include "core/base/crypto.h"

/*
 * Not safe to use from several threads. It remembers secrets until the process ends, which is right
 * for a simulation and for nothing else.
 */
const struct crypto *memo_crypto(void);

/* How many operations were asked for, and how many of them were computed. */
struct memo_counts {
    uint64_t asked;
    uint64_t computed;
};

struct memo_counts memo_counts(void);

#endif
