/* Verdicts over the results of one run. */
#include "scenarios/runner/judge.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/base/check.h"

static void say(const struct finding *wanted, const struct run_finding *at,
                char happened[static JUDGE_TEXT_SIZE])
{
    char text[FINDING_TEXT_SIZE], time[FIELD_TEXT_SIZE];
    if (at == NULL) {
        snprintf(happened, JUDGE_TEXT_SIZE, "nothing was found at all");
        return;
    }
    struct finding found = finding_of(&at->behaviour);
    struct finding compared = {.mask = 0};
    for (uint32_t i = 0; i < FINDING_FIELDS; i++)
        if ((wanted->mask >> i & 1) != 0)
            finding_add(&compared, (enum finding_field)i, found.value[i]);
    finding_render(&compared, wanted, text);
    snprintf(happened, JUDGE_TEXT_SIZE, "at %s it found %s",
             field_render_duration(at->at_ns / 1000000 * 1000000, time),
             text[0] != 0 ? text : "just that");
}

bool judge_count(const struct plan_expect *expect, uint64_t count,
                 char happened[static JUDGE_TEXT_SIZE])
{
    check(plan_is_count((enum plan_expect_kind)expect->kind));
    check(expect->at_least <= expect->at_most);
    snprintf(happened, JUDGE_TEXT_SIZE, "it %s %" PRIu64 " datagrams",
             expect->kind == PLAN_SENDS ? "sent" : "received", count);
    return count >= expect->at_least &&
           (expect->at_most == PLAN_COUNT_ANY || count <= expect->at_most);
}

uint64_t judge_until_ns(const struct plan_expect *expect, const struct run *run)
{
    if (expect->mode != PLAN_WITHIN)
        return UINT64_MAX;
    return expect->after_ns + expect->within_ns + run->slack_ns;
}

bool judge_run(const struct plan_expect *expect, const struct finding *wanted,
               const struct run *run, char happened[static JUDGE_TEXT_SIZE])
{
    const struct run_finding *last = NULL, *last_right = NULL, *last_wrong = NULL;
    uint64_t until_ns = judge_until_ns(expect, run);
    uint64_t from_ns = expect->mode == PLAN_FINALLY ? 0 : expect->after_ns;
    check(until_ns >= from_ns);
    for (uint32_t i = 0; i < run->finding_count; i++) {
        const struct run_finding *at = &run->findings[i];
        if (at->client != expect->client || at->at_ns < from_ns)
            continue;
        struct finding found = finding_of(&at->behaviour);
        bool right = finding_agrees(wanted, &found);
        last = at;
        if (right && at->at_ns <= until_ns)
            last_right = at;
        else
            last_wrong = at;
    }
    happened[0] = 0;
    switch (expect->mode) {
    case PLAN_FINALLY:
        say(wanted, last, happened);
        return last != NULL && last == last_right;
    case PLAN_WITHIN:
        say(wanted, last_wrong, happened);
        return last_right != NULL;
    case PLAN_ALWAYS:
        say(wanted, last_wrong, happened);
        return last_right != NULL && last_wrong == NULL;
    default:
        check(expect->mode == PLAN_NEVER);
        say(wanted, last_right, happened);
        return last_right == NULL;
    }
}
