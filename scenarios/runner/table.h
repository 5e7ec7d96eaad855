/* The table of what each NAT is and what the client behind it found, one for each script. */
#ifndef WARREN_RUNNER_TABLE_H
#define WARREN_RUNNER_TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scenarios/runner/plan.h"
#include "scenarios/runner/run.h"

enum { TABLE_CELL_SIZE = FINDING_TEXT_SIZE };

/* One client's classifications, in the scenarios of one title. */
struct table_row {
    const char *title; /* the plan's */
    uint32_t client;
    char nat[TABLE_CELL_SIZE];
    char is[TABLE_CELL_SIZE];    /* what the oracle says; "" when it says nothing */
    char found[TABLE_CELL_SIZE]; /* without loss; "" when there was no such run */
    bool wrong;                  /* what was found without loss is not what it is */
    uint32_t sent;               /* datagrams that the client spent, without loss */
    uint64_t duration_ns;        /* and virtual time */
    uint32_t lossy_runs;
    uint32_t lossy_right;
};

struct table {
    struct table_row *rows;
    uint32_t count;
};

/*
 * Adds the last classification of each client in a run. `right` says by client (a place's index)
 * whether what it found is what the script expects.
 */
void table_add(struct table *table, const struct plan_scenario *scenario, const struct run *run,
               const bool *right);
/* Nothing when the table is empty. */
void table_print(FILE *file, const struct table *table, const char *heading, bool colour);
void table_free(struct table *table);

#endif
