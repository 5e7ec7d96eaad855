/*
 * `warren-lab compare`: the same scenarios on several networks, side by side. What comes out
 * differently is a bug in one of them, unless the script says why it is not.
 */
#ifndef WARREN_RUNNER_COMPARE_H
#define WARREN_RUNNER_COMPARE_H

#include <stdio.h>

#include "scenarios/runner/judge.h"
#include "scenarios/runner/options.h"
#include "scenarios/runner/setup.h"

enum compare_kind {
    COMPARE_PAIR,       /* what a connect came to */
    COMPARE_CLASSIFIED, /* what a client found */
    COMPARE_EXPECTED,   /* whether an expectation holds; shown only where networks differ */
};

/* What is compared. */
struct compare_row {
    uint8_t kind;     /* enum compare_kind */
    uint32_t a;       /* places of the scenario: the caller, or the client */
    uint32_t b;       /* PLAN_INTERNET: there is no other */
    uint32_t ordinal; /* of the connects with these two, from 0; or of the expectation */
};

/* How it came out on one network. */
struct compare_cell {
    char text[JUDGE_TEXT_SIZE]; /* "direct (punched)" */
    char more[JUDGE_TEXT_SIZE]; /* COMPARE_EXPECTED: what happened instead */
    bool free;   /* the order of packets or chance decides: it is held against the oracle alone, and
                  against nothing where only a share of the runs is to be so */
    bool agrees; /* it is what the oracle says of that run, or may be otherwise by chance */
    /* COMPARE_PAIR, from the connect; JUDGE_NEVER: it did not come to that. */
    uint64_t first_ns;  /* the first packet comes out of the tunnel */
    uint64_t direct_ns; /* both sides say that they are */
};

enum compare_state { COMPARE_RAN, COMPARE_SKIPPED, COMPARE_UNMADE };

/* A scenario on one network. */
struct compare_side {
    uint8_t state;              /* enum compare_state */
    char why[RUN_ERROR_SIZE];   /* it was skipped, or the run could not be made */
    struct compare_cell *cells; /* by row; only of what ran */
};

struct compare_case {
    const char *script;
    const struct plan_scenario *scenario;
    struct compare_row *rows;
    uint32_t row_count;
    struct compare_side *sides; /* by network */
};

struct compare {
    const struct run_network *networks[SETUP_NETWORKS_MAX];
    uint32_t network_count;
    struct compare_case *cases;
    uint32_t case_count;
    uint32_t again; /* runs that were made a second time, see crew.h */
};

enum compare_result {
    COMPARE_SAME,
    COMPARE_DIFFERENT,
    COMPARE_DECLARED, /* different, as the script says */
    COMPARE_NOTHING,  /* it was skipped, or there is nothing to hold it against */
};

struct compare_totals {
    uint32_t pairs; /* and classifications, that two networks or more have */
    uint32_t differences;
    uint32_t declared;
    uint32_t skipped; /* pairs and classifications, counted for each network */
    uint32_t unmade;  /* scenarios whose run could not be made, likewise */
};

/* The network that others are held against: the first that ran the case; the count: none. */
uint32_t compare_first(const struct compare *compare, const struct compare_case *at);
/* Adds scenarios; their plan stays until compare_free(). `only`: those with this in their title. */
void compare_add(struct compare *compare, const char *script, const struct plan *plan,
                 const char *only);
/* Runs all of them with one seed. False: a signal has come. */
bool compare_run(struct compare *compare, const struct crew_config *config, uint64_t seed,
                 uint64_t longest_ns);
/* How one network is to the first that ran the scenario. */
enum compare_result compare_result(const struct compare *compare, const struct compare_case *at,
                                   uint32_t row, uint32_t network);
/* Whether a row is to be shown: of expectations only those whose difference no other row has. */
bool compare_is_shown(const struct compare *compare, const struct compare_case *at, uint32_t row);
/* Tables and reasons for people; a line for each row and network in `json`, if not NULL. */
struct compare_totals compare_report(const struct compare *compare, FILE *out, FILE *json,
                                     bool colour);
void compare_free(struct compare *compare);

/* Shows how far a crew is, on standard error; a tick for struct crew_config. The context is a word
   for what is being done. */
void compare_tick(void *context, const struct crew_progress *progress);
/* Takes away what that has written. */
void compare_tick_end(const struct crew_config *config);

/* Leaves out networks that this machine does not have, and says why. */
void compare_leave_out(struct compare *compare, FILE *out);

/* The exit code. */
int compare_command(const struct options *options);

#endif
