/* What a comparison shows: a table, what was skipped and why, and lines for programs. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/compare.h"
#include "scenarios/runner/json_line.h"
#include "scenarios/runner/judge_pair.h"
#include "scenarios/runner/print.h"

enum { LABEL_SIZE = 2 * PLAN_NAME_SIZE + PLAN_TITLE_SIZE + 512, GAP = 2 };

struct printing {
    const struct compare *compare;
    FILE *out;
    FILE *json;
    bool colour;
    int label_width;
    int width[SETUP_NETWORKS_MAX];
    struct compare_totals totals;
};

static const char *name_label(const struct compare_case *at, const struct compare_row *row,
                              char label[static LABEL_SIZE])
{
    const struct plan_scenario *scenario = at->scenario;
    if (row->kind == COMPARE_EXPECTED) {
        memset(label, 0, LABEL_SIZE);
        FILE *file = fmemopen(label, LABEL_SIZE - 1, "w");
        check(file != NULL);
        fprintf(file, "%s: ", scenario->title);
        plan_print_sentence(file, scenario, &scenario->expects[row->ordinal]);
        fclose(file);
        return label;
    }
    int size =
        snprintf(label, LABEL_SIZE, "%s: %s", scenario->title, scenario->places[row->a].name);
    if (row->b != PLAN_INTERNET)
        snprintf(label + size, LABEL_SIZE - (size_t)size, ", %s", scenario->places[row->b].name);
    return label;
}

static const char *cell_text(const struct compare_side *side, uint32_t row)
{
    return side->state == COMPARE_SKIPPED  ? "-"
           : side->state == COMPARE_UNMADE ? "no run"
                                           : side->cells[row].text;
}

/* What marks a cell, and stands before the sentences below the table. */
static char mark_of(enum compare_result result)
{
    return result == COMPARE_DIFFERENT ? '!' : result == COMPARE_DECLARED ? '+' : ' ';
}

static void measure(struct printing *printing, const struct compare_case *cases, uint32_t count)
{
    char label[LABEL_SIZE];
    printing->label_width = (int)strlen(cases[0].script);
    for (uint32_t n = 0; n < printing->compare->network_count; n++)
        printing->width[n] = (int)strlen(printing->compare->networks[n]->name);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t row = 0; row < cases[i].row_count; row++) {
            if (!compare_is_shown(printing->compare, &cases[i], row))
                continue;
            int size = (int)strlen(name_label(&cases[i], &cases[i].rows[row], label));
            printing->label_width = size > printing->label_width ? size : printing->label_width;
            for (uint32_t n = 0; n < printing->compare->network_count; n++) {
                size = (int)strlen(cell_text(&cases[i].sides[n], row));
                printing->width[n] = size > printing->width[n] ? size : printing->width[n];
            }
        }
}

static void print_json(const struct printing *printing, const struct compare_case *at, uint32_t row,
                       uint32_t n, enum compare_result result)
{
    static const char *const kinds[] = {"pair", "classified", "expected"};
    const struct compare_row *what = &at->rows[row];
    const struct compare_side *side = &at->sides[n];
    const char *network = printing->compare->networks[n]->name;
    const char *why = side->state != COMPARE_RAN   ? side->why
                      : result == COMPARE_DECLARED ? plan_why_different(at->scenario, network)
                                                   : NULL;
    struct json_line json;
    if (printing->json == NULL)
        return;
    json_line_begin(&json, printing->json);
    json_line_text(&json, "script", at->script);
    json_line_text(&json, "scenario", at->scenario->title);
    json_line_text(&json, "kind", kinds[what->kind]);
    json_line_text(&json, "a", at->scenario->places[what->a].name);
    if (what->b != PLAN_INTERNET)
        json_line_text(&json, "b", at->scenario->places[what->b].name);
    json_line_number(&json, "ordinal", what->ordinal);
    json_line_text(&json, "network", network);
    json_line_text(&json, "is", side->state == COMPARE_RAN ? side->cells[row].text : "");
    json_line_text(&json, "result",
                   side->state == COMPARE_SKIPPED ? "skipped"
                   : result == COMPARE_DIFFERENT  ? "different"
                   : result == COMPARE_DECLARED   ? "declared"
                                                  : "same");
    if (why != NULL)
        json_line_text(&json, "reason", why);
    json_line_end(&json);
}

static void count(struct printing *printing, const struct compare_case *at, uint32_t row)
{
    uint32_t there = 0;
    bool pair = at->rows[row].kind != COMPARE_EXPECTED;
    for (uint32_t n = 0; n < printing->compare->network_count; n++) {
        enum compare_result result = compare_result(printing->compare, at, row, n);
        bool skipped = at->sides[n].state == COMPARE_SKIPPED;
        there += at->sides[n].state == COMPARE_RAN;
        printing->totals.skipped += skipped && pair;
        printing->totals.differences += result == COMPARE_DIFFERENT;
        printing->totals.declared += result == COMPARE_DECLARED;
        print_json(printing, at, row, n, result);
    }
    printing->totals.pairs += pair && there >= 2;
}

static void print_row(struct printing *printing, const struct compare_case *at, uint32_t row)
{
    const struct compare *compare = printing->compare;
    char label[LABEL_SIZE];
    fprintf(printing->out, "%-*s", printing->label_width, name_label(at, &at->rows[row], label));
    for (uint32_t n = 0; n < compare->network_count; n++) {
        enum compare_result result = compare_result(compare, at, row, n);
        const char *paint = result == COMPARE_DIFFERENT  ? "\033[31m"
                            : result == COMPARE_DECLARED ? "\033[33m"
                                                         : "";
        if (!printing->colour)
            paint = "";
        bool last = n + 1 == compare->network_count && mark_of(result) == ' ';
        fprintf(printing->out, "%*s%s%-*s", GAP, "", paint, last ? 0 : printing->width[n],
                cell_text(&at->sides[n], row));
        fprintf(printing->out, "%s%s", paint[0] != 0 ? "\033[0m" : "", last ? "" : " ");
        if (!last)
            fputc(mark_of(result), printing->out);
    }
    fputc('\n', printing->out);
    for (uint32_t n = 0; n < compare->network_count; n++)
        if (at->sides[n].state == COMPARE_RAN && at->rows[row].kind == COMPARE_EXPECTED &&
            !at->sides[n].cells[row].agrees)
            fprintf(printing->out, "  on %s: %s\n", compare->networks[n]->name,
                    at->sides[n].cells[row].more);
}

/* Each reason once, with how many scenarios of the script it is given for. */
static void print_reasons(const struct printing *printing, const struct compare_case *cases,
                          uint32_t count, uint32_t n, enum compare_state state, const char *sign)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t same = 0;
        bool first = cases[i].sides[n].state == state;
        for (uint32_t j = 0; first && j < count; j++) {
            bool equal = cases[j].sides[n].state == state &&
                         strcmp(cases[j].sides[n].why, cases[i].sides[n].why) == 0;
            first = !equal || j >= i;
            same += equal;
        }
        if (first)
            fprintf(printing->out, "%s %s, %" PRIu32 " scenario%s: %s\n", sign,
                    printing->compare->networks[n]->name, same, same == 1 ? "" : "s",
                    cases[i].sides[n].why);
    }
}

/* What the script says of differences: that there is one, or that there should be. */
static void print_declared(const struct printing *printing, const struct compare_case *at,
                           uint32_t n)
{
    const struct compare *compare = printing->compare;
    const char *network = compare->networks[n]->name;
    const char *why = plan_why_different(at->scenario, network);
    bool different = false, compared = false;
    for (uint32_t row = 0; why != NULL && row < at->row_count; row++)
        for (uint32_t m = 0; m < compare->network_count; m++) {
            enum compare_result result = compare_result(compare, at, row, m);
            /* Of the network that all others are held against, they are what differs. */
            bool told = m == n || compare_result(compare, at, row, n) == COMPARE_NOTHING;
            bool ran = at->sides[n].state == COMPARE_RAN && at->sides[m].state == COMPARE_RAN;
            compared = compared || (told && ran && result != COMPARE_NOTHING);
            different = different || (told && result == COMPARE_DECLARED);
        }
    if (different)
        fprintf(printing->out, "+ %s, %s: %s\n", at->scenario->title, network, why);
    else if (compared)
        fprintf(printing->out, "# %s: %s is declared to differ (%s), and does not\n",
                at->scenario->title, network, why);
}

/* The scenarios of one script. */
static void print_script(struct printing *printing, const struct compare_case *cases,
                         uint32_t cases_count)
{
    const struct compare *compare = printing->compare;
    measure(printing, cases, cases_count);
    fprintf(printing->out, "%-*s", printing->label_width, cases[0].script);
    for (uint32_t n = 0; n < compare->network_count; n++) {
        bool last = n + 1 == compare->network_count;
        fprintf(printing->out, "%*s%-*s%s", GAP, "", last ? 0 : printing->width[n],
                compare->networks[n]->name, last ? "\n" : "  ");
    }
    for (uint32_t i = 0; i < cases_count; i++)
        for (uint32_t row = 0; row < cases[i].row_count; row++) {
            if (!compare_is_shown(compare, &cases[i], row))
                continue;
            print_row(printing, &cases[i], row);
            count(printing, &cases[i], row);
        }
    for (uint32_t n = 0; n < compare->network_count; n++) {
        for (uint32_t i = 0; i < cases_count; i++)
            printing->totals.unmade += cases[i].sides[n].state == COMPARE_UNMADE;
        print_reasons(printing, cases, cases_count, n, COMPARE_SKIPPED, "-");
        print_reasons(printing, cases, cases_count, n, COMPARE_UNMADE, "! no run on");
        for (uint32_t i = 0; i < cases_count; i++)
            print_declared(printing, &cases[i], n);
    }
    fputc('\n', printing->out);
}

/* ---- Times ---- */

/* What a network is later, or earlier, than the first, over all pairs. */
struct drift {
    uint32_t pairs;
    uint64_t later_ns;
    uint64_t earlier_ns;
    const struct compare_case *most_at; /* where the difference is largest */
    uint32_t most_row;
};

static void add_drift(struct drift *drift, const struct compare_case *at, uint32_t row,
                      uint64_t first_ns, uint64_t ns)
{
    if (first_ns == JUDGE_NEVER || ns == JUDGE_NEVER)
        return;
    uint64_t most_ns = drift->later_ns > drift->earlier_ns ? drift->later_ns : drift->earlier_ns;
    uint64_t by_ns = ns > first_ns ? ns - first_ns : first_ns - ns;
    uint64_t *side = ns > first_ns ? &drift->later_ns : &drift->earlier_ns;
    drift->pairs++;
    if (by_ns > *side)
        *side = by_ns;
    if (by_ns > most_ns || drift->most_at == NULL) {
        drift->most_at = at;
        drift->most_row = row;
    }
}

/* Where order or chance decides, times say nothing, nor where verdicts are not the same. */
static void gather_drift(const struct compare *compare, const struct compare_case *at, uint32_t n,
                         struct drift drifts[static 2])
{
    uint32_t first = compare_first(compare, at);
    if (first >= n || at->sides[n].state != COMPARE_RAN)
        return;
    for (uint32_t row = 0; row < at->row_count; row++) {
        const struct compare_cell *one = &at->sides[first].cells[row];
        const struct compare_cell *other = &at->sides[n].cells[row];
        if (at->rows[row].kind != COMPARE_PAIR || one->free || other->free ||
            compare_result(compare, at, row, n) != COMPARE_SAME)
            continue;
        add_drift(&drifts[0], at, row, one->first_ns, other->first_ns);
        add_drift(&drifts[1], at, row, one->direct_ns, other->direct_ns);
    }
}

static void print_drift(FILE *out, const struct compare *compare)
{
    static const char *const what[] = {"to the first packet", "to direct"};
    for (uint32_t n = 1; n < compare->network_count; n++) {
        struct drift drifts[2] = {{.pairs = 0}, {.pairs = 0}};
        for (uint32_t i = 0; i < compare->case_count; i++)
            gather_drift(compare, &compare->cases[i], n, drifts);
        for (uint32_t i = 0; i < 2; i++) {
            char label[LABEL_SIZE], later[FIELD_TEXT_SIZE], earlier[FIELD_TEXT_SIZE];
            const struct drift *drift = &drifts[i];
            if (drift->pairs == 0)
                continue;
            fprintf(out,
                    "%s, on %s: at most %s later and %s earlier than on the first, %" PRIu32
                    " pair%s; most in %s\n",
                    what[i], compare->networks[n]->name,
                    field_render_duration(drift->later_ns, later),
                    field_render_duration(drift->earlier_ns, earlier), drift->pairs,
                    drift->pairs == 1 ? "" : "s",
                    name_label(drift->most_at, &drift->most_at->rows[drift->most_row], label));
        }
    }
}

struct compare_totals compare_report(const struct compare *compare, FILE *out, FILE *json,
                                     bool colour)
{
    struct printing printing = {.compare = compare, .out = out, .json = json, .colour = colour};
    for (uint32_t i = 0, next; i < compare->case_count; i = next) {
        next = i + 1;
        while (next < compare->case_count &&
               compare->cases[next].script == compare->cases[i].script)
            next++;
        print_script(&printing, &compare->cases[i], next - i);
    }
    const struct compare_totals *totals = &printing.totals;
    fprintf(out,
            "%" PRIu32 " pairs compared, %" PRIu32 " differences, %" PRIu32 " declared, %" PRIu32
            " skipped",
            totals->pairs, totals->differences, totals->declared, totals->skipped);
    if (totals->unmade > 0)
        fprintf(out, ", %" PRIu32 " not run", totals->unmade);
    fputc('\n', out);
    print_drift(out, compare);
    if (compare->again > 0)
        fprintf(out, "%" PRIu32 CREW_AGAIN_TEXT "\n", compare->again);
    return *totals;
}

/* ---- The command ---- */

int compare_command(const struct options *options)
{
    static char what[] = "compare";
    struct compare compare = {.cases = NULL};
    FILE *out = stdout, *json = NULL;
    compare.network_count = setup_networks(options->network, compare.networks);
    struct plan *plans = compare.network_count > 0 ? setup_load(options) : NULL;
    if (plans == NULL)
        return EXIT_USAGE;
    if (options->json != NULL && (json = setup_open(options->json)) == NULL) {
        setup_free(options, plans);
        return EXIT_USAGE;
    }
    if (json == stdout)
        out = stderr;
    compare_leave_out(&compare, out);
    for (int i = 0; i < options->file_count; i++)
        compare_add(&compare, options->files[i], &plans[i], options->only);
    const struct crew_config config = {.jobs = (uint32_t)options->jobs,
                                       .tick = isatty(STDERR_FILENO) != 0 ? compare_tick : NULL,
                                       .context = what};
    struct compare_totals totals = {.differences = 0};
    bool ran = compare_run(&compare, &config, options->seed, options->longest_ns);
    compare_tick_end(&config);
    if (ran)
        totals = compare_report(&compare, out, json, setup_has_colour(out));
    bool kept = setup_close(json, options->json);
    kept = setup_close(out, "output") && kept;
    compare_free(&compare);
    setup_free(options, plans);
    if (!ran)
        return EXIT_INTERRUPTED;
    if (!kept)
        return EXIT_USAGE;
    return totals.differences > 0 || totals.unmade > 0 ? EXIT_FAILED : EXIT_OK;
}
