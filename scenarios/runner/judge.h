/* Verdicts: does what a run brought agree with what the script expects? */
#ifndef WARREN_RUNNER_JUDGE_H
#define WARREN_RUNNER_JUDGE_H

#include <stdbool.h>

#include "scenarios/runner/plan.h"
#include "scenarios/runner/run.h"

enum { JUDGE_TEXT_SIZE = 320 };

/*
 * What the oracle says that a client finds in this scenario, of every field that it can know.
 * False, with the reason in `why` (static), when it says nothing.
 */
bool judge_oracle(const struct plan_scenario *scenario, uint32_t client, struct finding *wanted,
                  const char **why);

/*
 * Holds one run against one expectation; `wanted` is the oracle's word where the expectation asks
 * for that, and the script's otherwise. When it fails, `happened` is a sentence that says what was
 * found instead.
 */
bool judge_run(const struct plan_expect *expect, const struct finding *wanted,
               const struct run *run, char happened[static JUDGE_TEXT_SIZE]);

#endif
