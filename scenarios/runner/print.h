/* Writes a plan back as a script: loading it gives a plan with the same hash. */
#ifndef WARREN_RUNNER_PRINT_H
#define WARREN_RUNNER_PRINT_H

#include <stdio.h>

#include "scenarios/runner/plan.h"

void plan_print(FILE *file, const struct plan *plan);
void plan_print_scenario(FILE *file, const struct plan_scenario *scenario);
/*
 * One expectation as in the script, without "expect": "within 40s after 1s classified alice:
 * mapping EIM".
 */
void plan_print_sentence(FILE *file, const struct plan_scenario *scenario,
                         const struct plan_expect *expect);
/*
 * What is in front of a place, from its own router to the internet: "home behind carrier-grade"; ""
 * when nothing is.
 */
void plan_print_route(FILE *file, const struct plan_scenario *scenario, uint32_t place);

#endif
