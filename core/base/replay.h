/*
 * Which counters of a numbered stream were seen: the highest, and a window of those behind it (RFC
 * 6479's idea, in one word).
 */
#ifndef WARREN_BASE_REPLAY_H
#define WARREN_BASE_REPLAY_H

#include <stdbool.h>
#include <stdint.h>

enum { REPLAY_WINDOW = 64 }; /* counters by which one may be late */

/* All zero: nothing was seen. */
struct replay {
    uint64_t highest;
    uint64_t window; /* bit n: highest - n was seen; 0: nothing was */
};

/* The counter was seen, or is too old to tell. */
bool replay_seen(const struct replay *replay, uint64_t counter);
/* It is seen now; it was not before: checked. */
void replay_mark(struct replay *replay, uint64_t counter);

#endif
