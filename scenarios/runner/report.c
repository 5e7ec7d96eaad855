/* TAP and JSON. */
#include "scenarios/runner/report.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "core/base/check.h"
#include "scenarios/runner/json_line.h"
#include "sim/nat_param.h"

enum { DESCRIBE_SIZE = 2 * NAT_PARAM_TEXT_SIZE + 2 };

/* In TAP a '#' begins a directive. */
static void print_escaped(FILE *file, const char *text)
{
    for (; *text != 0; text++) {
        if (*text == '#' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
}

static void print_json(FILE *file, const struct report_verdict *verdict)
{
    struct json_line json;
    json_line_begin(&json, file);
    json_line_text(&json, "script", verdict->script);
    json_line_text(&json, "network", verdict->network);
    json_line_text(&json, "program", plan_program(verdict->scenario));
    json_line_text(&json, "scenario", verdict->scenario->title);
    json_line_number(&json, "line",
                     verdict->expect != NULL ? verdict->expect->line : verdict->scenario->line);
    json_line_text(&json, "expected", verdict->what);
    json_line_text(&json, "verdict",
                   verdict->skipped != NULL ? "skip"
                   : verdict->passed        ? "pass"
                                            : "fail");
    json_line_number(&json, "runs", verdict->runs);
    json_line_number(&json, "right", verdict->right);
    if (verdict->skipped != NULL)
        json_line_text(&json, "reason", verdict->skipped);
    if (verdict->wanted[0] != 0)
        json_line_text(&json, "wanted", verdict->wanted);
    if (verdict->skipped == NULL && verdict->right < verdict->runs) {
        json_line_number(&json, "seed", verdict->seed);
        json_line_text(&json, "happened", verdict->happened);
    }
    json_line_end(&json);
}

void report_verdict(struct report *report, const struct report_verdict *verdict)
{
    check(verdict->what != NULL && verdict->wanted != NULL && verdict->happened != NULL);
    report->number++;
    bool failed = verdict->skipped == NULL && !verdict->passed;
    report->skipped += verdict->skipped != NULL;
    report->failed += failed;
    report->passed += verdict->skipped == NULL && verdict->passed;
    if (report->json != NULL)
        print_json(report->json, verdict);
    if (report->summary && !failed)
        return;
    const char *paint = !report->colour            ? ""
                        : failed                   ? "\033[31m"
                        : verdict->skipped != NULL ? "\033[33m"
                                                   : "\033[32m";
    fprintf(report->out, "%s%s%s %" PRIu32 " - ", paint, failed ? "not ok" : "ok",
            report->colour ? "\033[0m" : "", report->number);
    print_escaped(report->out, verdict->scenario->title);
    if (verdict->scenario->seeds > 1)
        fprintf(report->out, " (%" PRIu32 " seeds)", verdict->scenario->seeds);
    fputs(": ", report->out);
    print_escaped(report->out, verdict->what);
    if (verdict->skipped != NULL)
        fprintf(report->out, " # SKIP %s", verdict->skipped);
    fputc('\n', report->out);
    if (!failed)
        return;
    report_note(report, "  script:   %s:%" PRIu32, verdict->script,
                verdict->expect != NULL ? verdict->expect->line : verdict->scenario->line);
    report_note(report, "  expected: %s",
                verdict->wanted[0] != 0 ? verdict->wanted : verdict->what);
    report_note(report, "  happened: with seed %" PRIu64 ", %s", verdict->seed, verdict->happened);
    if (verdict->runs > 1)
        report_note(report, "  right in %" PRIu32 " of %" PRIu32 " runs", verdict->right,
                    verdict->runs);
}

void report_absent(struct report *report, const char *script, const char *network, const char *why)
{
    report->number++;
    report->skipped++;
    if (report->json != NULL) {
        struct json_line json;
        json_line_begin(&json, report->json);
        json_line_text(&json, "script", script);
        json_line_text(&json, "network", network);
        json_line_text(&json, "verdict", "skip");
        json_line_text(&json, "reason", why);
        json_line_end(&json);
    }
    if (report->summary) {
        report_note(report, "%s on %s: skipped: %s", script, network, why);
        return;
    }
    fprintf(report->out, "ok %" PRIu32 " - ", report->number);
    print_escaped(report->out, script);
    fprintf(report->out, " on %s # SKIP %s\n", network, why);
}

/* A parameter of the NATs in front of both: "first", or where they differ "first|none". */
static void describe(const struct plan_scenario *scenario, const uint32_t ends[static 2],
                     const char *name, char text[static DESCRIBE_SIZE])
{
    const struct nat_param *param = nat_param_find(name);
    check(param != NULL);
    text[0] = 0;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t at = scenario->places[ends[i]].interfaces[0].behind;
        while (at != PLAN_INTERNET && !scenario->places[at].has_nat)
            at = scenario->places[at].interfaces[0].behind;
        if (at == PLAN_INTERNET)
            continue;
        char word[NAT_PARAM_TEXT_SIZE];
        nat_param_render(param, &scenario->places[at].nat, word);
        size_t size = strlen(text);
        if (strcmp(text, word) != 0)
            snprintf(text + size, DESCRIBE_SIZE - size, "%s%s", size > 0 ? "|" : "", word);
    }
}

static void json_time(struct json_line *json, const char *name, uint64_t ns)
{
    if (ns == JUDGE_NEVER)
        json_line_null(json, name);
    else
        json_line_number(json, name, ns);
}

void report_pair(struct report *report, const char *network, const struct plan_scenario *scenario,
                 uint64_t seed, const struct judge_sum *sum)
{
    const uint32_t ends[2] = {sum->a, sum->b};
    const struct oracle_pair_says *says = &sum->oracle.says;
    char session[DESCRIBE_SIZE], scope[DESCRIBE_SIZE];
    struct json_line json;
    if (report->json == NULL)
        return;
    describe(scenario, ends, "session", session);
    describe(scenario, ends, "scope", scope);
    json_line_begin(&json, report->json);
    json_line_text(&json, "scenario", scenario->title);
    json_line_text(&json, "network", network);
    json_line_text(&json, "program", plan_program(scenario));
    json_line_number(&json, "seed", seed);
    json_line_text(&json, "a", scenario->places[sum->a].name);
    json_line_text(&json, "b", scenario->places[sum->b].name);
    json_time(&json, "a_delay_ns", sum->known ? sum->oracle.delay_ns[0] : JUDGE_NEVER);
    json_time(&json, "b_delay_ns", sum->known ? sum->oracle.delay_ns[1] : JUDGE_NEVER);
    json_time(&json, "d_delay_ns", sum->known ? sum->oracle.peer_ns : JUDGE_NEVER);
    json_line_text(&json, "session", session);
    json_line_text(&json, "scope", scope);
    json_line_text(&json, "path", judge_path_name(sum->path));
    json_line_text(&json, "reason", sum->reason);
    json_line_text(&json, "oracle",
                   sum->known ? oracle_verdict_name((enum oracle_verdict)says->verdict) : "");
    json_line_text(&json, "wanted", sum->known ? judge_path_name(sum->wanted) : "");
    json_line_text(&json, "wanted_reason",
                   sum->known ? reason_name((enum reason)sum->wanted_reason) : "");
    json_time(&json, "first_data_ns", sum->first_data_ns);
    json_time(&json, "first_inner_ns", sum->first_inner_ns);
    json_time(&json, "direct_ns", sum->direct_ns);
    json_time(&json, "bound_first_data_ns", sum->known ? says->first_data_ns : JUDGE_NEVER);
    json_time(&json, "bound_first_inner_ns", sum->inner_bound_ns);
    json_time(&json, "bound_direct_ns", sum->known ? says->direct_ns : JUDGE_NEVER);
    json_line_end(&json);
}

void report_quiet(struct report *report, const struct plan_scenario *scenario,
                  const struct run *run)
{
    static const uint64_t hour_s = 3600;
    uint64_t quiet_s = run->quiet_ns / 1000000000;
    for (uint32_t i = 0; run->quiet != NULL && i < scenario->place_count; i++) {
        const struct run_quiet *quiet = &run->quiet[i];
        if (scenario->places[i].kind != PLAN_CLIENT)
            continue;
        check(quiet_s > 0);
        report_note(report,
                    "%s: in an idle hour %s sends %" PRIu64 " bytes in %" PRIu64 " IP packets",
                    scenario->title, scenario->places[i].name, quiet->bytes * hour_s / quiet_s,
                    quiet->packets * hour_s / quiet_s);
    }
}

void report_note(struct report *report, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("# ", report->out);
    vfprintf(report->out, format, arguments);
    fputc('\n', report->out);
    va_end(arguments);
}

void report_close(struct report *report)
{
    if (!report->summary)
        fprintf(report->out, "1..%" PRIu32 "\n", report->number);
    fprintf(report->out, "%" PRIu32 " passed, %" PRIu32 " failed, %" PRIu32 " skipped\n",
            report->passed, report->failed, report->skipped);
}
