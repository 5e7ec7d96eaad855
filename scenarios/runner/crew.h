/*
 * Runs made by child processes, many at once: for networks in real time, where runs mostly wait,
 * and for those that can have one run in each process. They are begun in the order in which they
 * were added, and taken in that order.
 *
 * A run in real time that did not get the processor when it was due, and that came to what is not
 * expected, is no run: it is made a second time, with only such runs beside it, one for each
 * processor, and what comes of that counts.
 *
 * A child dies with its maker, whatever ends that. One that crashes or goes on for too long costs
 * its own run only. While there is a crew, SIGINT and SIGTERM end its children, and crew_take()
 * says so; there is at most one crew in a process.
 */
#ifndef WARREN_RUNNER_CREW_H
#define WARREN_RUNNER_CREW_H

#include "scenarios/runner/run_copy.h"

enum {
    CREW_JOBS_PER_PROCESSOR = 8,
    CREW_PLACES_PER_JOB = 8, /* of the scenarios that run at once, on average */
};

/* A run that was so late may have come out otherwise for that alone. */
#define CREW_LATE_NS UINT64_C(20000000)

/* What to say of such runs, after their number. */
#define CREW_AGAIN_TEXT \
    " runs were made a second time, with few beside them: they had not got the processor in " \
    "time, and had come to what is not expected"

struct crew;

struct crew_progress {
    uint32_t done;
    uint32_t running;
    uint32_t total;
    uint64_t elapsed_ns; /* since the crew was made */
};

struct crew_config {
    /* Children at once; 0: CREW_JOBS_PER_PROCESSOR for each processor. Of those that compute, never
       more than processors. */
    uint32_t jobs;
    /* Called about once a second while crew_take() waits; NULL: nothing is. */
    void (*tick)(void *context, const struct crew_progress *progress);
    void *context;
};

struct crew_task {
    const struct run_network *network;
    struct run_request request; /* everything that it points to stays until the run is taken */
    uint64_t limit_ns;          /* of real time, after which the child is killed */
};

struct crew *crew_new(const struct crew_config *config);
/* The label is copied; what a run writes to its trace is there when the run is taken. */
void crew_add(struct crew *crew, const struct crew_task *task);
/*
 * Waits for the next run. False when a signal has come: all children are dead, and there is no
 * outcome. There must be a run that was added and not taken yet.
 */
bool crew_take(struct crew *crew, struct run_outcome *outcome);
/* How many runs so far were made a second time. */
uint32_t crew_again(const struct crew *crew);
/* Kills what still runs. */
void crew_free(struct crew *crew);

#endif
