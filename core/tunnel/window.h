/*
 * Which counters of a session were received: the highest, and a window of those behind it (RFC
 * 6479), wide enough for what two ways at once can put out of order.
 */
#ifndef WARREN_TUNNEL_WINDOW_H
#define WARREN_TUNNEL_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
    WINDOW_WORDS = 128,
    /* Counters by which one may be late: one word less than there are is always valid. */
    WINDOW_SIZE = (WINDOW_WORDS - 1) * 64,
};

/* All zero: nothing was received. */
struct window {
    uint64_t next; /* the highest counter + 1 */
    uint64_t words[WINDOW_WORDS];
};

/* The counter was received before, or is too old to tell. */
bool window_seen(const struct window *window, uint64_t counter);
/* It is received now; it was not before: checked. */
void window_mark(struct window *window, uint64_t counter);

#endif
