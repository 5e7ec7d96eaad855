/*
 * The programs of another mesh in one run, in real time: what scenarios/runner/programs.h is for
 * Warren's own. Its adapter (netns/adapter.h) makes files and processes; a connect begins a probe
 * (netns/adapter_probe.h), and what the network saw says what its path is.
 */
#ifndef WARREN_RUNNER_GUESTS_H
#define WARREN_RUNNER_GUESTS_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "netns/space.h"
#include "scenarios/runner/plan.h"
#include "scenarios/runner/run.h"
#include "sim/net.h"

struct guests;

/* What they tell their run, from within the event loop. */
struct guests_events {
    void *context;
    /* The path between two, as the network saw it; the same for both. */
    void (*path)(void *context, uint32_t place, uint32_t peer, enum node_path path);
    /* The first packet has come out of the mesh at `peer`. */
    void (*arrived)(void *context, uint32_t place, uint32_t peer);
    /* A program has ended, or cannot be used; one line. The run has failed. */
    void (*failed)(void *context, const char *why);
};

struct guests_config {
    struct ev_loop *loop; /* the default loop, which alone hears of children */
    const struct plan_scenario *scenario;
    const struct net *net;  /* for addresses; it lasts as long */
    const uint32_t *places; /* of the net, by the scenario's */
    const int *hosts;       /* network namespaces, by the scenario's places; -1: it has none */
    const char *folder;     /* for configuration, keys and logs; it exists */
    struct guests_events events;
};

/* Whether a scenario asks for nothing that they cannot do, and they are installed; if not, `why` is
   a sentence. True where the programs are Warren's own. */
bool guests_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);

/* Writes every file and starts the servers. */
struct guests *guests_new(const struct guests_config *config, char error[static SPACE_ERROR_SIZE]);
/* Looks how far all of them have come, and starts the clients when the servers are up; to be asked
   every 20 ms or so. Whether all are up. Failures come as events. */
bool guests_ready(struct guests *guests);
/* Begins the probe from a client to another. */
bool guests_connect(struct guests *guests, uint32_t place, uint32_t peer,
                    char error[static SPACE_ERROR_SIZE]);
/* What the network saw; the world's observer tells it. */
void guests_see(struct guests *guests, const struct net_event *event);
/* Whether nothing more is to come: the path has been direct for a while, or will never be. */
bool guests_are_over(const struct guests *guests);
/* The run ends: a pair without any answer is unreachable. */
void guests_conclude(struct guests *guests);
/* Ends all of them, and waits; NULL is allowed. No events any more. */
void guests_free(struct guests *guests);

#endif
