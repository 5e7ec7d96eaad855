/*
 * What happens in the simulated network as lines of text: those of sim/trace_text.h, with what a
 * STUN message says.
 */
#ifndef WARREN_RUNNER_EVENT_TEXT_H
#define WARREN_RUNNER_EVENT_TEXT_H

#include <stdio.h>

#include "scenarios/runner/run.h"
#include "sim/net.h"

/* One line, or none where the detail leaves such events out. */
void event_print(FILE *file, const struct net *net, const struct net_event *event,
                 enum run_detail detail);

#endif
