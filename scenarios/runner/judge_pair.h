/*
 * Verdicts about pairs of clients: what their path was, whether data arrived, and whether that is
 * what the oracle says. A node's word is not enough for "direct": a relay that goes on carrying
 * what was sent after it disproves it.
 */
#ifndef WARREN_RUNNER_JUDGE_PAIR_H
#define WARREN_RUNNER_JUDGE_PAIR_H

#include "scenarios/runner/judge.h"

#define JUDGE_NEVER UINT64_MAX

enum { JUDGE_REASON_SIZE = 64 };

/* Direct paths may take this much longer than the ideal flood, in 1/1000 of it. */
enum { JUDGE_STRETCH_MAX = 1100 };

/* And where one side must have come first, so much longer: the other has to be sure of it. */
#define JUDGE_HOLD_NS UINT64_C(40000000)

/* Where times are less exact than this, when something came is not judged. */
#define JUDGE_SLACK_MAX_NS UINT64_C(1000000)

/* What one connect of a run came to. */
struct judge_sum {
    uint32_t a; /* the caller, a place of the scenario */
    uint32_t b;
    bool known;   /* the oracle says something */
    bool agrees;  /* path and reason at the end are what it says */
    uint8_t path; /* enum node_path, joined from both sides' words and what the relay saw */
    char reason[JUDGE_REASON_SIZE]; /* "punched|public" where the sides do not agree; "": none */
    uint8_t wanted;                 /* what the oracle says: enum node_path; */
    uint8_t wanted_reason;          /* enum reason. Where chance decides, that of what happened */
    uint64_t first_data_ns;  /* from the connect to the first datagram at the callee; JUDGE_NEVER */
    uint64_t first_inner_ns; /* likewise, to the first packet that comes out of its tunnel */
    uint64_t inner_bound_ns; /* for that, by whether the two had a session; JUDGE_NEVER: none */
    uint64_t direct_ns;      /* to when both sides have said that it is direct; likewise */
    struct judge_pair oracle;
};

void judge_sum_up(const struct plan_scenario *scenario, const struct run *run, uint32_t pair,
                  struct judge_sum *sum);

/* direct_ns in 1/1000 of the oracle's; 0 where either is not known. */
uint64_t judge_stretch(const struct judge_sum *sum);

/* As judge_run(), for every kind of expectation but PLAN_CLASSIFIED. */
bool judge_pair_run(const struct plan_scenario *scenario, const struct plan_expect *expect,
                    const struct run *run, char happened[static JUDGE_TEXT_SIZE]);

/* "pending", "relayed", "direct", "unreachable"; static. */
const char *judge_path_name(uint8_t path);

#endif
