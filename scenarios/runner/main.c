/* warren-lab: runs network scenarios. */
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>

#include "scenarios/runner/classify.h"
#include "scenarios/runner/compare.h"
#include "scenarios/runner/list.h"
#include "scenarios/runner/load.h"
#include "scenarios/runner/options.h"
#include "scenarios/runner/print.h"
#include "scenarios/runner/replay.h"
#include "scenarios/runner/session.h"

#define VERSION "0.1"

static int print_script(const struct options *options)
{
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    if (!plan_load_file(&plan, options->files[0], error)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_USAGE;
    }
    plan_print(stdout, &plan);
    plan_free(&plan);
    return EXIT_OK;
}

static int print_hashes(const struct options *options)
{
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    for (int i = 0; i < options->file_count; i++) {
        if (!plan_load_file(&plan, options->files[i], error)) {
            fprintf(stderr, "%s\n", error);
            return EXIT_USAGE;
        }
        printf("%s\t%016" PRIx64 "\n", options->files[i], plan_hash(&plan));
        plan_free(&plan);
    }
    return EXIT_OK;
}

static int replay_tapes(const struct options *options)
{
    char error[REPLAY_ERROR_SIZE];
    int code = EXIT_OK;
    for (int i = 0; i < options->file_count; i++) {
        struct replay replay;
        if (!replay_file(&replay, options->files[i], error)) {
            fprintf(stderr, "warren-lab: %s\n", error);
            return EXIT_USAGE;
        }
        bool same =
            replay.digest == replay.recorded_digest && replay.outputs == replay.recorded_outputs;
        printf("%s %d - %s: %" PRIu64 " inputs, %" PRIu64 " outputs, digest %016" PRIx64 "\n",
               same ? "ok" : "not ok", i + 1, options->files[i], replay.inputs, replay.outputs,
               replay.digest);
        if (same)
            continue;
        printf("#   recorded: %" PRIu64 " outputs, digest %016" PRIx64 "\n",
               replay.recorded_outputs, replay.recorded_digest);
        code = EXIT_FAILED;
    }
    return code;
}

static int obey(const struct options *options)
{
    switch (options->command) {
    case OPTIONS_HELP:
        options_print_help(options->help_for);
        return EXIT_OK;
    case OPTIONS_VERSION:
        puts("warren-lab " VERSION);
        return EXIT_OK;
    case OPTIONS_LIST:
        list_everything();
        return EXIT_OK;
    case OPTIONS_PRINT:
        return print_script(options);
    case OPTIONS_PLAN_HASH:
        return print_hashes(options);
    case OPTIONS_REPLAY:
        return replay_tapes(options);
    case OPTIONS_COMPARE:
        return compare_command(options);
    case OPTIONS_CLASSIFY:
        return classify_command(options);
    default:
        return session_run(options);
    }
}

int main(int count, char **arguments)
{
    struct options options;
    /*
     * A node's block is large and mostly never touched. Fresh pages are zero at no cost; without a
     * fixed threshold the allocator would soon give out used memory and clear all of it.
     */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    if (!options_parse(&options, count, arguments))
        return EXIT_USAGE;
    int code = obey(&options);
    options_free(&options);
    return code;
}
