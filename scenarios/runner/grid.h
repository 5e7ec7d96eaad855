/*
 * The grid of a script whose scenarios run several meshes: for each pair of sides what came of it
 * with each mesh, how soon, and whether any mesh is better than Warren.
 */
#ifndef WARREN_RUNNER_GRID_H
#define WARREN_RUNNER_GRID_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scenarios/runner/judge_pair.h"

enum { GRID_PROGRAMS_MAX = 16, GRID_TEXT_SIZE = 1024 };

/* From the best to the worst. */
enum grid_kind {
    GRID_NONE, /* there is no such scenario */
    GRID_SKIPPED,
    GRID_DIRECT,
    GRID_RELAYED,
    GRID_FAILED, /* no packet came through */
    GRID_BROKEN, /* the run could not be made */
    GRID_KINDS
};

/* One mesh between two sides: the worst of its runs. */
struct grid_cell {
    uint8_t kind;      /* enum grid_kind */
    uint64_t first_ns; /* from the connect; JUDGE_NEVER */
    uint64_t direct_ns;
};

struct grid_row {
    char a[PLAN_WORD_SIZE]; /* who calls: cell("A", "B") */
    char b[PLAN_WORD_SIZE];
    struct grid_cell cells[GRID_PROGRAMS_MAX];
};

struct grid {
    char programs[GRID_PROGRAMS_MAX][PLAN_WORD_SIZE]; /* in order of appearance */
    uint32_t program_count;
    struct grid_row *rows; /* likewise */
    uint32_t row_count;
};

/* Whether there is something to compare: a scenario with a cell names another mesh. */
bool grid_is_for(const struct plan *plan);
/* What a connect of a scenario came to. Without a cell it is left out, here and below. */
void grid_add(struct grid *grid, const struct plan_scenario *scenario, const struct judge_sum *sum);
/* It was not run, or could not be. */
void grid_miss(struct grid *grid, const struct plan_scenario *scenario, bool skipped);

enum grid_result {
    GRID_NOT_COMPARED, /* Warren and others have no pair in common that was run */
    GRID_AS_GOOD,
    GRID_BEATEN, /* another mesh has a direct pair that Warren relays, or that fails */
};
/* Whether no mesh has a direct pair that Warren has not. `pairs` names those that one has. Where
   Warren's is by order, that is no fault: see grid_print(). */
enum grid_result grid_compare(const struct grid *grid, char pairs[static GRID_TEXT_SIZE]);

/* Nothing when it is empty. */
void grid_print(FILE *file, const struct grid *grid, const char *heading, bool colour);
void grid_free(struct grid *grid);

#endif
