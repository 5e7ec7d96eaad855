/*
 * The picture of a sweep: who goes direct with whom, a letter a cell, and how much longer direct
 * paths took than they could have.
 */
#ifndef WARREN_RUNNER_MATRIX_H
#define WARREN_RUNNER_MATRIX_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "scenarios/runner/judge_pair.h"

/* All scenarios with one pair of names. */
struct matrix_cell {
    uint32_t row; /* of the names */
    uint32_t column;
    uint32_t runs;   /* without loss */
    uint32_t differ; /* of them, those that are not what the oracle says */
    uint8_t kind;    /* enum matrix_kind, the worst */
};

/* From the best to the worst. */
enum matrix_kind {
    MATRIX_NONE,
    MATRIX_DIRECT,
    MATRIX_CHANCE,
    MATRIX_RELAYED,
    MATRIX_UNREACHABLE,
    MATRIX_PENDING,
    MATRIX_KINDS
};

enum { MATRIX_NAMES_MAX = 64 }; /* rows and columns in all; more are not drawn */

/* Stretches of direct paths, in 1/1000 of the oracle's time. */
struct matrix_stretch {
    uint64_t *values;
    uint32_t count;
};

struct matrix {
    char names[MATRIX_NAMES_MAX][PLAN_WORD_SIZE]; /* in order of appearance */
    uint32_t name_count;
    struct matrix_cell *cells; /* likewise */
    uint32_t cell_count;
    struct matrix_stretch exact; /* without loss */
    struct matrix_stretch lossy;
    uint32_t runs; /* pairs of which the oracle says something, without loss */
    uint32_t agree;
    uint32_t lossy_runs; /* with loss, but for those where the order decides */
    uint32_t lossy_agree;
};

void matrix_add(struct matrix *matrix, const struct plan_scenario *scenario,
                const struct judge_sum *sum);
/* Nothing when the matrix is empty. Sorts the stretches. */
void matrix_print(FILE *file, struct matrix *matrix, const char *heading, bool colour);
void matrix_free(struct matrix *matrix);

#endif
