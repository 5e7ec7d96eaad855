/* `warren-lab run`: scripts over seeds on a network, with all that is written about them. */
#ifndef WARREN_RUNNER_SESSION_H
#define WARREN_RUNNER_SESSION_H

#include "scenarios/runner/options.h"
#include "scenarios/runner/run.h"

/* The exit code. */
int session_run(const struct options *options);
/* Likewise on this network, whatever the options name. */
int session_run_on(const struct options *options, const struct run_network *network);
/* Likewise with these plans for the options' files. Fewer seeds may be set in them. */
int session_run_plans(const struct options *options, const struct run_network *network,
                      struct plan *plans);

#endif
