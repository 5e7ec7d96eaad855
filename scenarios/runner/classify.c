/* NATs one by one on several networks, as scenarios that are made here. */
#include "scenarios/runner/classify.h"

#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/compare.h"
#include "scenarios/runner/json_line.h"
#include "scenarios/runner/load.h"
#include "sim/nat_preset.h"

enum { GAP = 2 };

struct printing {
    const struct compare *compare;
    FILE *out;
    FILE *json;
    bool colour;
    int width[SETUP_NETWORKS_MAX + 2]; /* of the names, the oracle's and the networks' columns */
    bool differs;
};

/* Adds the text of a scenario in which a client classifies a NAT of that preset. */
static void write_scenario(FILE *script, const char *preset)
{
    fprintf(script,
            "scenario \"%s\"\n"
            "server \"s1\" { delay = \"20ms\" }\n"
            "router \"nat\" { nat = \"%s\", delay = \"10ms\" }\n"
            "client \"alice\" { behind = \"nat\", delay = \"1ms\" }\n"
            "at \"1s\" { classify(\"alice\") }\n"
            "expect { finally, classified(\"alice\") }\n",
            preset, preset);
}

/* False after saying why. */
static bool make_plan(const struct options *options, struct plan *plan)
{
    static char text[65536];
    char error[LOAD_ERROR_SIZE];
    FILE *script = fmemopen(text, sizeof text, "w");
    check(script != NULL);
    bool known = true;
    for (size_t i = 0; options->all && i < nat_preset_count(); i++)
        write_scenario(script, nat_preset_at(i)->name);
    for (int i = 0; i < options->file_count; i++) {
        const char *name = options->files[i];
        if (nat_preset_find(name) != NULL) {
            write_scenario(script, name);
            continue;
        }
        fprintf(stderr, "warren-lab: unknown NAT \"%s\": did you mean \"%s\"?\n", name,
                nat_preset_nearest(name)->name);
        known = false;
    }
    long size = ftell(script);
    bool fits = fflush(script) == 0 && size >= 0 && (size_t)size < sizeof text;
    fclose(script);
    if (!known)
        return false;
    if (!fits) {
        fputs("warren-lab: too many NATs at once\n", stderr);
        return false;
    }
    if (plan_load(plan, "classify", text, (size_t)size, error))
        return true;
    fprintf(stderr, "%s\n", error);
    return false;
}

/* What the oracle says of the scenario's client, as the cells of the networks are written. */
static const char *oracle_text(const struct compare_case *at, char text[static FINDING_TEXT_SIZE])
{
    struct finding wanted;
    const char *why;
    check(at->rows[0].kind == COMPARE_CLASSIFIED);
    if (!judge_oracle(at->scenario, at->rows[0].a, &wanted, &why)) {
        snprintf(text, FINDING_TEXT_SIZE, "?");
        return text;
    }
    return finding_brief(&wanted, text);
}

static const char *found_text(const struct compare_side *side)
{
    return side->state == COMPARE_SKIPPED  ? "-"
           : side->state == COMPARE_UNMADE ? "no run"
                                           : side->cells[0].text;
}

static bool is_wrong(const struct compare_side *side)
{
    return side->state == COMPARE_UNMADE || (side->state == COMPARE_RAN && !side->cells[0].agrees);
}

static void widen(int *width, const char *text)
{
    if ((int)strlen(text) > *width)
        *width = (int)strlen(text);
}

static void measure(struct printing *printing)
{
    const struct compare *compare = printing->compare;
    char text[FINDING_TEXT_SIZE];
    widen(&printing->width[0], "NAT");
    widen(&printing->width[1], "oracle");
    for (uint32_t n = 0; n < compare->network_count; n++)
        widen(&printing->width[n + 2], compare->networks[n]->name);
    for (uint32_t i = 0; i < compare->case_count; i++) {
        const struct compare_case *at = &compare->cases[i];
        widen(&printing->width[0], at->scenario->title);
        widen(&printing->width[1], oracle_text(at, text));
        for (uint32_t n = 0; n < compare->network_count; n++)
            widen(&printing->width[n + 2], found_text(&at->sides[n]));
    }
}

static void print_json(const struct printing *printing, const struct compare_case *at, uint32_t n)
{
    const struct compare_side *side = &at->sides[n];
    char text[FINDING_TEXT_SIZE];
    struct json_line json;
    if (printing->json == NULL)
        return;
    json_line_begin(&json, printing->json);
    json_line_text(&json, "nat", at->scenario->title);
    json_line_text(&json, "network", printing->compare->networks[n]->name);
    json_line_text(&json, "oracle", oracle_text(at, text));
    json_line_text(&json, "found", side->state == COMPARE_RAN ? side->cells[0].text : "");
    json_line_text(&json, "verdict",
                   side->state == COMPARE_SKIPPED ? "skip"
                   : is_wrong(side)               ? "fail"
                                                  : "pass");
    if (side->state != COMPARE_RAN)
        json_line_text(&json, "reason", side->why);
    json_line_end(&json);
}

static void print_cell(struct printing *printing, uint32_t n, const char *text, bool wrong)
{
    bool last = n + 1 == printing->compare->network_count, painted = wrong && printing->colour;
    fprintf(printing->out, "%*s%s%-*s%s", GAP, "", painted ? "\033[31m" : "",
            last && !wrong ? 0 : printing->width[n + 2], text, painted ? "\033[0m" : "");
    fputs(wrong ? " !" : last ? "" : "  ", printing->out);
}

static void print_table(struct printing *printing)
{
    const struct compare *compare = printing->compare;
    FILE *out = printing->out;
    char text[FINDING_TEXT_SIZE];
    measure(printing);
    fprintf(out, "%-*s%*s%-*s", printing->width[0], "NAT", GAP, "", printing->width[1], "oracle");
    for (uint32_t n = 0; n < compare->network_count; n++)
        print_cell(printing, n, compare->networks[n]->name, false);
    fputc('\n', out);
    for (uint32_t i = 0; i < compare->case_count; i++) {
        const struct compare_case *at = &compare->cases[i];
        fprintf(out, "%-*s%*s%-*s", printing->width[0], at->scenario->title, GAP, "",
                printing->width[1], oracle_text(at, text));
        for (uint32_t n = 0; n < compare->network_count; n++) {
            bool wrong = is_wrong(&at->sides[n]);
            print_cell(printing, n, found_text(&at->sides[n]), wrong);
            printing->differs = printing->differs || wrong;
            print_json(printing, at, n);
        }
        fputc('\n', out);
    }
    for (uint32_t n = 0; n < compare->network_count; n++)
        for (uint32_t i = 0; i < compare->case_count; i++)
            if (compare->cases[i].sides[n].state != COMPARE_RAN)
                fprintf(out, "%s %s, %s: %s\n",
                        compare->cases[i].sides[n].state == COMPARE_SKIPPED ? "-" : "!",
                        compare->networks[n]->name, compare->cases[i].scenario->title,
                        compare->cases[i].sides[n].why);
}

int classify_command(const struct options *options)
{
    static char what[] = "classify";
    struct compare compare = {.cases = NULL};
    struct plan plan;
    FILE *out = stdout, *json = NULL;
    compare.network_count = setup_networks(options->network, compare.networks);
    if (compare.network_count == 0 || !make_plan(options, &plan))
        return EXIT_USAGE;
    if (options->json != NULL && (json = setup_open(options->json)) == NULL) {
        plan_free(&plan);
        return EXIT_USAGE;
    }
    if (json == stdout)
        out = stderr;
    compare_leave_out(&compare, out);
    compare_add(&compare, "classify", &plan, NULL);
    const struct crew_config config = {.jobs = (uint32_t)options->jobs,
                                       .tick = isatty(STDERR_FILENO) != 0 ? compare_tick : NULL,
                                       .context = what};
    struct printing printing = {
        .compare = &compare, .out = out, .json = json, .colour = setup_has_colour(out)};
    bool ran = compare_run(&compare, &config, options->seed, options->longest_ns);
    compare_tick_end(&config);
    if (ran)
        print_table(&printing);
    bool kept = setup_close(json, options->json);
    kept = setup_close(out, "output") && kept;
    compare_free(&compare);
    plan_free(&plan);
    if (!ran)
        return EXIT_INTERRUPTED;
    if (!kept)
        return EXIT_USAGE;
    return printing.differs ? EXIT_FAILED : EXIT_OK;
}
