/* Scenarios on several networks: what came out on each, and whether it is the same. */
#include "scenarios/runner/compare.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "scenarios/runner/judge_all.h"
#include "scenarios/runner/judge_pair.h"

/* ---- What is compared ---- */

static void add_row(struct compare_case *at, enum compare_kind kind, uint32_t a, uint32_t b,
                    uint32_t ordinal)
{
    at->rows[at->row_count++] =
        (struct compare_row){.kind = (uint8_t)kind, .a = a, .b = b, .ordinal = ordinal};
}

/* How many rows there are for the same already. */
static uint32_t count_rows(const struct compare_case *at, enum compare_kind kind, uint32_t a,
                           uint32_t b)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < at->row_count; i++)
        count += at->rows[i].kind == kind && at->rows[i].a == a && at->rows[i].b == b;
    return count;
}

static bool has_two_ends(const struct plan_expect *expect)
{
    return expect->kind != PLAN_CLASSIFIED && !plan_is_count((enum plan_expect_kind)expect->kind);
}

static void find_rows(struct compare_case *at)
{
    const struct plan_scenario *scenario = at->scenario;
    at->rows =
        calloc((size_t)scenario->action_count + scenario->expect_count + 1, sizeof *at->rows);
    check(at->rows != NULL);
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        if (action->kind == PLAN_CONNECT)
            add_row(at, COMPARE_PAIR, action->place, action->peer,
                    count_rows(at, COMPARE_PAIR, action->place, action->peer));
        else if (action->kind == PLAN_CLASSIFY &&
                 count_rows(at, COMPARE_CLASSIFIED, action->place, PLAN_INTERNET) == 0)
            add_row(at, COMPARE_CLASSIFIED, action->place, PLAN_INTERNET, 0);
    }
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        const struct plan_expect *expect = &scenario->expects[i];
        add_row(at, COMPARE_EXPECTED, expect->client,
                has_two_ends(expect) ? expect->peer : PLAN_INTERNET, i);
    }
}

void compare_add(struct compare *compare, const char *script, const struct plan *plan,
                 const char *only)
{
    for (uint32_t i = 0; i < plan->scenario_count; i++) {
        if (only != NULL && strstr(plan->scenarios[i].title, only) == NULL)
            continue;
        struct compare_case *grown =
            realloc(compare->cases, (compare->case_count + 1) * sizeof *grown);
        check(grown != NULL);
        compare->cases = grown;
        struct compare_case *at = &grown[compare->case_count++];
        *at = (struct compare_case){.script = script, .scenario = &plan->scenarios[i]};
        at->sides = calloc(compare->network_count + 1, sizeof *at->sides);
        check(at->sides != NULL);
        find_rows(at);
    }
}

void compare_free(struct compare *compare)
{
    for (uint32_t i = 0; i < compare->case_count; i++) {
        for (uint32_t j = 0; j < compare->network_count; j++)
            free(compare->cases[i].sides[j].cells);
        free(compare->cases[i].sides);
        free(compare->cases[i].rows);
    }
    free(compare->cases);
    *compare = (struct compare){.cases = NULL};
}

/* ---- How it came out ---- */

static void see_pair(const struct plan_scenario *scenario, const struct run *run,
                     const struct compare_row *row, struct compare_cell *cell)
{
    struct judge_sum sum;
    uint32_t before = 0, i = 0;
    for (; i < run->pair_count; i++)
        if (run->pairs[i].a == row->a && run->pairs[i].b == row->b && before++ == row->ordinal)
            break;
    if (i == run->pair_count) {
        snprintf(cell->text, sizeof cell->text, "no connect");
        cell->first_ns = cell->direct_ns = JUDGE_NEVER;
        return;
    }
    judge_sum_up(scenario, run, i, &sum);
    uint8_t verdict = sum.oracle.says.verdict;
    cell->free = sum.known && (verdict == ORACLE_ORDER || verdict == ORACLE_CHANCE);
    cell->agrees = sum.agrees;
    cell->first_ns = sum.first_inner_ns;
    cell->direct_ns = sum.direct_ns;
    snprintf(cell->text, sizeof cell->text, "%s%s%s%s", judge_path_name(sum.path),
             sum.reason[0] != 0 ? " (" : "", sum.reason, sum.reason[0] != 0 ? ")" : "");
}

/* In the fields that the oracle is sure of; the others are up to chance. */
static void see_finding(const struct plan_scenario *scenario, const struct run *run,
                        const struct compare_row *row, struct compare_cell *cell)
{
    char text[FINDING_TEXT_SIZE];
    const struct run_finding *last = NULL;
    struct finding wanted, shown = {.mask = 0};
    const char *why;
    for (uint32_t i = 0; i < run->finding_count; i++)
        if (run->findings[i].client == row->a)
            last = &run->findings[i];
    if (last == NULL) {
        snprintf(cell->text, sizeof cell->text, "found nothing");
        return;
    }
    const struct finding found = finding_of(&last->behaviour);
    bool sure = judge_oracle(scenario, row->a, &wanted, &why);
    for (uint32_t i = 0; i < FINDING_FIELDS; i++)
        if ((found.mask >> i & 1) != 0 && (!sure || (wanted.mask >> i & 1) != 0))
            finding_add(&shown, (enum finding_field)i, found.value[i]);
    cell->agrees = !sure || finding_agrees(&wanted, &found);
    snprintf(cell->text, sizeof cell->text, "%s", finding_brief(&shown, text));
}

static void see_expectation(const struct plan_scenario *scenario, const struct run *run,
                            const struct compare_row *row, struct compare_cell *cell)
{
    struct finding wanted;
    const char *why = judge_ask(scenario, &scenario->expects[row->ordinal], &wanted);
    cell->agrees = why != NULL || judge_expect(scenario, row->ordinal, &wanted, run, cell->more);
    snprintf(cell->text, sizeof cell->text, "%s",
             why != NULL    ? "not judged"
             : cell->agrees ? "as expected"
                            : "otherwise");
}

/* What is expected of some runs only says nothing of one. */
static bool is_up_to_chance(const struct plan_scenario *scenario, const struct compare_row *row)
{
    if (row->kind == COMPARE_EXPECTED)
        return scenario->expects[row->ordinal].share_ppm < RANDOM_PPM;
    bool chance = false;
    for (uint32_t i = 0; i < scenario->expect_count && !chance; i++) {
        const struct plan_expect *expect = &scenario->expects[i];
        bool path = expect->kind >= PLAN_DIRECT && expect->kind <= PLAN_VERDICT;
        bool about = row->kind == COMPARE_PAIR ? path && expect->peer == row->b
                                               : expect->kind == PLAN_CLASSIFIED;
        chance = about && expect->client == row->a && expect->share_ppm < RANDOM_PPM;
    }
    return chance;
}

static void see(const struct compare_case *at, struct compare_side *side,
                struct run_outcome *outcome)
{
    if (!outcome->made) {
        side->state = COMPARE_UNMADE;
        snprintf(side->why, sizeof side->why, "%s", outcome->error);
        run_free(&outcome->run);
        return;
    }
    side->state = COMPARE_RAN;
    side->cells = calloc((size_t)at->row_count + 1, sizeof *side->cells);
    check(side->cells != NULL);
    for (uint32_t i = 0; i < at->row_count; i++) {
        const struct compare_row *row = &at->rows[i];
        struct compare_cell *cell = &side->cells[i];
        if (row->kind == COMPARE_PAIR)
            see_pair(at->scenario, &outcome->run, row, cell);
        else if (row->kind == COMPARE_CLASSIFIED)
            see_finding(at->scenario, &outcome->run, row, cell);
        else
            see_expectation(at->scenario, &outcome->run, row, cell);
        if (is_up_to_chance(at->scenario, row))
            cell->free = cell->agrees = true;
    }
    run_free(&outcome->run);
}

bool compare_run(struct compare *compare, const struct crew_config *config, uint64_t seed,
                 uint64_t longest_ns)
{
    static struct run_outcome outcome;
    struct crew *crew = crew_new(config);
    bool runs = true;
    /* One network after the other, so that what computes does not disturb what is in real time. */
    for (uint32_t n = 0; n < compare->network_count; n++)
        for (uint32_t i = 0; i < compare->case_count; i++) {
            struct compare_case *at = &compare->cases[i];
            const struct run_request request = {
                .scenario = at->scenario, .seed = seed, .label = "compare"};
            const struct crew_task task = setup_task(compare->networks[n], &request, longest_ns);
            bool can = setup_can_run(task.network, at->scenario, longest_ns, at->sides[n].why);
            at->sides[n].state = can ? COMPARE_RAN : COMPARE_SKIPPED;
            if (can)
                crew_add(crew, &task);
        }
    for (uint32_t n = 0; runs && n < compare->network_count; n++)
        for (uint32_t i = 0; runs && i < compare->case_count; i++) {
            struct compare_side *side = &compare->cases[i].sides[n];
            if (side->state == COMPARE_SKIPPED)
                continue;
            runs = crew_take(crew, &outcome);
            if (runs)
                see(&compare->cases[i], side, &outcome);
        }
    compare->again = crew_again(crew);
    crew_free(crew);
    return runs;
}

/* ---- Whether it is the same ---- */

uint32_t compare_first(const struct compare *compare, const struct compare_case *at)
{
    uint32_t n = 0;
    while (n < compare->network_count && at->sides[n].state != COMPARE_RAN)
        n++;
    return n;
}

static bool is_free(const struct compare *compare, const struct compare_case *at, uint32_t row)
{
    for (uint32_t n = 0; n < compare->network_count; n++)
        if (at->sides[n].state == COMPARE_RAN && at->sides[n].cells[row].free)
            return true;
    return false;
}

enum compare_result compare_result(const struct compare *compare, const struct compare_case *at,
                                   uint32_t row, uint32_t network)
{
    uint32_t first = compare_first(compare, at);
    const struct compare_side *side = &at->sides[network];
    check(row < at->row_count && network < compare->network_count);
    if (side->state == COMPARE_SKIPPED)
        return COMPARE_NOTHING;
    /* What a script declares is what runs come to, never that there is none. */
    if (side->state == COMPARE_UNMADE)
        return COMPARE_DIFFERENT;
    check(first < compare->network_count);
    bool different;
    if (is_free(compare, at, row))
        different = !side->cells[row].agrees;
    else if (network == first)
        return COMPARE_NOTHING;
    else
        different = strcmp(side->cells[row].text, at->sides[first].cells[row].text) != 0;
    if (!different)
        return COMPARE_SAME;
    bool declared = plan_why_different(at->scenario, compare->networks[network]->name) != NULL ||
                    plan_why_different(at->scenario, compare->networks[first]->name) != NULL;
    return declared ? COMPARE_DECLARED : COMPARE_DIFFERENT;
}

static bool is_difference(enum compare_result result)
{
    return result == COMPARE_DIFFERENT || result == COMPARE_DECLARED;
}

/* Whether two rows are about the same clients. */
static bool is_about(const struct compare_row *row, const struct compare_row *other)
{
    return (row->a == other->a && row->b == other->b) || (row->a == other->b && row->b == other->a);
}

bool compare_is_shown(const struct compare *compare, const struct compare_case *at, uint32_t row)
{
    if (at->rows[row].kind != COMPARE_EXPECTED)
        return true;
    for (uint32_t n = 0; n < compare->network_count; n++) {
        /* No pair and no client says that there was no run. */
        if (at->sides[n].state == COMPARE_UNMADE && row == 0)
            return true;
        if (at->sides[n].state != COMPARE_RAN ||
            !is_difference(compare_result(compare, at, row, n)))
            continue;
        bool said = false;
        for (uint32_t i = 0; i < at->row_count && at->rows[i].kind != COMPARE_EXPECTED; i++)
            said = said || (is_about(&at->rows[i], &at->rows[row]) &&
                            is_difference(compare_result(compare, at, i, n)));
        if (!said)
            return true;
    }
    return false;
}

/* ---- The command ---- */

void compare_tick(void *context, const struct crew_progress *progress)
{
    const char *what = context;
    char elapsed[FIELD_TEXT_SIZE];
    fprintf(stderr, "\r\033[K%s: %" PRIu32 " of %" PRIu32 " runs done, %" PRIu32 " running, %s",
            what, progress->done, progress->total, progress->running,
            field_render_duration(progress->elapsed_ns / 1000000000 * 1000000000, elapsed));
}

void compare_tick_end(const struct crew_config *config)
{
    if (config->tick != NULL)
        fputs("\r\033[K", stderr);
}

void compare_leave_out(struct compare *compare, FILE *out)
{
    uint32_t kept = 0;
    for (uint32_t n = 0; n < compare->network_count; n++) {
        char why[RUN_ERROR_SIZE];
        if (setup_is_there(compare->networks[n], why))
            compare->networks[kept++] = compare->networks[n];
        else
            fprintf(out, "# without %s: %s\n", compare->networks[n]->name, why);
    }
    compare->network_count = kept;
}
