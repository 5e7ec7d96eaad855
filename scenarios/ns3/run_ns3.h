/* One run of one scenario on ns-3, in this process: it can have no second one. */
#ifndef WARREN_NS3_RUN_NS3_H
#define WARREN_NS3_RUN_NS3_H

#include <stdbool.h>

#include "scenarios/runner/run.h"

/* As struct run_network has it. run_ns3_can() has said that it can be run. */
bool run_ns3_here(const struct run_request *request, struct run *run,
                  char error[static RUN_ERROR_SIZE]);

#endif
