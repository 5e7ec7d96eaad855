/*
 * `warren-lab classify`: a client behind one NAT, on each network, and what it finds there beside
 * what the oracle says that it is.
 */
#ifndef WARREN_RUNNER_CLASSIFY_H
#define WARREN_RUNNER_CLASSIFY_H

#include "scenarios/runner/options.h"

/* The exit code. */
int classify_command(const struct options *options);

#endif
