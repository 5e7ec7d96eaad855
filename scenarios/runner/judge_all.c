/* Expectations of any kind against one run. */
#include "scenarios/runner/judge_all.h"

#include "core/base/check.h"
#include "scenarios/runner/judge_pair.h"

const char *judge_ask(const struct plan_scenario *scenario, const struct plan_expect *expect,
                      struct finding *wanted)
{
    static const uint32_t unknown[2] = {PLAN_INTERNET, PLAN_INTERNET};
    struct judge_pair judged;
    const char *why = NULL;
    bool says = true;
    *wanted = expect->wanted;
    if (expect->kind == PLAN_CLASSIFIED && expect->oracle)
        says = judge_oracle(scenario, expect->client, wanted, &why);
    if (expect->kind == PLAN_VERDICT) {
        says = judge_pair_oracle(scenario, expect->client, expect->peer, unknown, &judged);
        why = judged.why;
    }
    check(says || why != NULL);
    return why;
}

bool judge_expect(const struct plan_scenario *scenario, uint32_t index,
                  const struct finding *wanted, const struct run *run,
                  char happened[static JUDGE_TEXT_SIZE])
{
    check(index < scenario->expect_count);
    const struct plan_expect *expect = &scenario->expects[index];
    if (expect->kind == PLAN_CLASSIFIED)
        return judge_run(expect, wanted, run, happened);
    if (plan_is_count((enum plan_expect_kind)expect->kind))
        return judge_count(expect, run->counts != NULL ? run->counts[index] : 0, happened);
    return judge_pair_run(scenario, expect, run, happened);
}

bool judge_is_right(const struct plan_scenario *scenario, const struct run *run)
{
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        struct finding wanted;
        char happened[JUDGE_TEXT_SIZE];
        if (judge_ask(scenario, &scenario->expects[i], &wanted) == NULL &&
            !judge_expect(scenario, i, &wanted, run, happened))
            return false;
    }
    return !run->stormed;
}
