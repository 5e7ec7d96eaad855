/*
 * What warren-lab says about verdicts: lines of the Test Anything Protocol for people, JSON lines
 * for programs.
 */
#ifndef WARREN_RUNNER_REPORT_H
#define WARREN_RUNNER_REPORT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scenarios/runner/judge_pair.h"
#include "scenarios/runner/plan.h"

struct report {
    FILE *out;  /* for people */
    FILE *json; /* NULL: none */
    bool colour;
    bool summary; /* only failures */
    uint32_t number;
    uint32_t passed;
    uint32_t failed;
    uint32_t skipped;
};

/* One verdict, over all runs of a scenario. */
struct report_verdict {
    const char *script;
    const char *network;
    const struct plan_scenario *scenario;
    const struct plan_expect *expect; /* NULL: about the runs themselves */
    const char *what;                 /* what is expected, as a sentence */
    const char *skipped;              /* why it could not be judged, or NULL */
    bool passed;
    uint32_t runs;
    uint32_t right;
    uint64_t seed;        /* of the first run that was not right */
    const char *wanted;   /* "" when it is in `what` */
    const char *happened; /* in that run */
};

void report_verdict(struct report *report, const struct report_verdict *verdict);
/* A script that was not run, since the machine has no such network. */
void report_absent(struct report *report, const char *script, const char *network, const char *why);
/* What one connect of one run came to: JSON only. */
void report_pair(struct report *report, const char *network, const struct plan_scenario *scenario,
                 uint64_t seed, const struct judge_sum *sum);
/* A comment under the verdict. */
/* What clients send when nothing is asked of them, if the run had time for that. */
void report_quiet(struct report *report, const struct plan_scenario *scenario,
                  const struct run *run);

void report_note(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The closing line. */
void report_close(struct report *report);

#endif
