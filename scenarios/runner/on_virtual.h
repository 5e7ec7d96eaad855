/*
 * A scenario in virtual time, for the files that run it: the core's nodes on the stage, with a tape
 * for each. on_sim.c has the simulator alone; on another network something else carries the world's
 * packets and drives its clock.
 */
#ifndef WARREN_RUNNER_ON_VIRTUAL_H
#define WARREN_RUNNER_ON_VIRTUAL_H

#include <stdbool.h>
#include <stdint.h>

#include "scenarios/runner/stage.h"

/*
 * What such a network does in the simulator's place. Any function may be NULL: then nothing is
 * done, or what the simulator does. All but configure() have the stage, whose `virtual_state` is
 * what run_on_virtual() was given.
 */
struct virtual_network {
    /* The world is about to be made like this. */
    void (*configure)(void *state, struct net_config *config);
    /* All places are there and captures open; nothing is scheduled yet. */
    void (*build)(struct stage *stage);
    /* PLAN_BULK, while the timeline is made; its times are absolute, places the scenario's. */
    void (*bulk)(struct stage *stage, const struct plan_action *action);
    /* Runs all events up to and including this time, and leaves the world's time there. */
    void (*run_until)(struct stage *stage, uint64_t until_ns);
    /* The run is over, and what it came to is in stage->run; the world still is there. */
    void (*end)(struct stage *stage);
    uint64_t slack_ns; /* of struct run */
};

/* `network` NULL: the simulator. False with a sentence in `error` when there is no run. */
bool run_on_virtual(const struct run_request *request, const struct virtual_network *network,
                    void *state, struct run *run, char error[static RUN_ERROR_SIZE]);
/* Whether the core's nodes are what the scenario is about; false with the reason in `why`. */
bool run_virtual_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);

#endif
