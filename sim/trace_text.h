/*
 * What happens in a simulated network, as stable lines of text: the same run gives the same lines
 * in every build. A line is the time in seconds, the place, and what happened there.
 */
#ifndef WARREN_SIM_TRACE_TEXT_H
#define WARREN_SIM_TRACE_TEXT_H

#include <stddef.h>

#include "sim/net.h"

enum {
    TRACE_ADDR_SIZE = 56,  /* "[2001:db8:...]:65535" with its end */
    TRACE_LINE_SIZE = 384, /* the longest line with its end */
};

/* "192.0.2.1:3478", "[2001:db8::1]:3478" (RFC 5952); without the port when it is 0; "-" for
 * ADDR_NONE. */
void trace_addr(char to[static TRACE_ADDR_SIZE], const struct addr *addr);

/* The line of an event, without its end of line; cut if it were longer than TRACE_LINE_SIZE.
 * Returns its length. */
size_t trace_text(char to[static TRACE_LINE_SIZE], const struct net *net,
                  const struct net_event *event);

#endif
