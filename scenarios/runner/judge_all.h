/* All expectations of a scenario, of whatever kind, held against one run. */
#ifndef WARREN_RUNNER_JUDGE_ALL_H
#define WARREN_RUNNER_JUDGE_ALL_H

#include "scenarios/runner/judge.h"

/*
 * What is wanted of one expectation: the script's word, or the oracle's where the expectation asks
 * for that. NULL, or why it cannot be judged since the oracle says nothing; static.
 */
const char *judge_ask(const struct plan_scenario *scenario, const struct plan_expect *expect,
                      struct finding *wanted);

/* As judge_run(), for expectation `index` of any kind, with what judge_ask() gave. */
bool judge_expect(const struct plan_scenario *scenario, uint32_t index,
                  const struct finding *wanted, const struct run *run,
                  char happened[static JUDGE_TEXT_SIZE]);

/* Whether a run is what its scenario expects, in all that can be judged. */
bool judge_is_right(const struct plan_scenario *scenario, const struct run *run);

#endif
