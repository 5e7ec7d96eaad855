/*
 * What run, compare and classify share: scripts that are loaded, networks by name, which scenarios
 * a network can run, and files for output.
 */
#ifndef WARREN_RUNNER_SETUP_H
#define WARREN_RUNNER_SETUP_H

#include <stdio.h>

#include "scenarios/runner/crew.h"
#include "scenarios/runner/options.h"
#include "scenarios/runner/run.h"

enum { SETUP_NETWORKS_MAX = 8 };

/*
 * All scripts of the command line, which are loaded before the first runs, so that a misspelling in
 * the last one costs no time. From malloc(), `file_count` of them; NULL after saying why.
 */
struct plan *setup_load(const struct options *options);
void setup_free(const struct options *options, struct plan *plans);

/* The network of that name; NULL after saying what may have been meant. */
const struct run_network *setup_network(const char *name);
/* Networks from a list such as "sim,tun", or all of them where it is NULL; 0 after saying why. */
uint32_t setup_networks(const char *list,
                        const struct run_network *networks[static SETUP_NETWORKS_MAX]);

/* Whether the network is on this machine; false with the reason in `why`. */
bool setup_is_there(const struct run_network *network, char why[static RUN_ERROR_SIZE]);
/* Whether it can run the scenario, within `longest_ns` where it runs in real time; likewise. */
bool setup_can_run(const struct run_network *network, const struct plan_scenario *scenario,
                   uint64_t longest_ns, char why[static RUN_ERROR_SIZE]);
/* The task for a crew of one run of a scenario. */
struct crew_task setup_task(const struct run_network *network, const struct run_request *request,
                            uint64_t longest_ns);

/* Whether a scenario is among those that --only names. */
bool setup_is_wanted(const struct options *options, const struct plan_scenario *scenario);

/* "-" is standard output. NULL, after saying why, when the file cannot be written. */
FILE *setup_open(const char *path);
/* False, after saying why, when not everything that was written has arrived. NULL is none. */
bool setup_close(FILE *file, const char *path);
/* Makes a folder, and those above it. False after saying why. */
bool setup_folder(const char *path);
/* Whether what goes there is seen by a person who likes colours. */
bool setup_has_colour(FILE *file);

#endif
