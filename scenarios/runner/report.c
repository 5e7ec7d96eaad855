/* TAP and JSON. */
#include "scenarios/runner/report.h"

#include <inttypes.h>
#include <stdarg.h>

#include "core/base/check.h"
#include "scenarios/runner/json.h"

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
    struct json json;
    json_begin(&json, file);
    json_text(&json, "script", verdict->script);
    json_text(&json, "network", verdict->network);
    json_text(&json, "scenario", verdict->scenario->title);
    json_number(&json, "line",
                verdict->expect != NULL ? verdict->expect->line : verdict->scenario->line);
    json_text(&json, "expected", verdict->what);
    json_text(&json, "verdict",
              verdict->skipped != NULL ? "skip"
              : verdict->passed        ? "pass"
                                       : "fail");
    json_number(&json, "runs", verdict->runs);
    json_number(&json, "right", verdict->right);
    if (verdict->skipped != NULL)
        json_text(&json, "reason", verdict->skipped);
    if (verdict->wanted[0] != 0)
        json_text(&json, "wanted", verdict->wanted);
    if (verdict->skipped == NULL && verdict->right < verdict->runs) {
        json_number(&json, "seed", verdict->seed);
        json_text(&json, "happened", verdict->happened);
    }
    json_end(&json);
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
