/*
 * The machine's clocks, in nanoseconds. Here and not in host/, because the simulator, which stands on
 * host/, must not know what time it is.
 */
#ifndef WARREN_DAEMON_CLOCK_H
#define WARREN_DAEMON_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC: for how long something takes; it stands still while the machine sleeps. */
uint64_t clock_monotonic_ns(void);
/* CLOCK_BOOTTIME: likewise, but it counts through suspend. */
uint64_t clock_boot_ns(void);
/* CLOCK_REALTIME, since 1970: what it says may jump either way. */
uint64_t clock_wall_ns(void);

#endif
