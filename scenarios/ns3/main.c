/*
 * warren-ns3: runs a scenario on ns-3. warren-lab starts it once for each run, with --result; by
 * hand it makes all runs of a script, each in a process of its own, and writes their JSON lines.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "host/word.h"
#include "scenarios/ns3/run_ns3.h"
#include "scenarios/runner/load.h"
#include "scenarios/runner/run_copy.h"
#include "scenarios/runner/sandbox.h"
#include "scenarios/runner/session.h"

#define NAME "warren-ns3"

/* What no descriptor is. */
#define NO_FILE UINT64_MAX

struct arguments {
    struct options options; /* as of warren-lab run */
    const char *script;     /* NULL: standard input */
    const char *label;
    uint64_t events;
    uint64_t result; /* a descriptor; NO_FILE: by hand */
    uint64_t trace;  /* likewise, with it */
    bool help;
};

enum kind { FLAG, TEXT, NUMBER };

#define AT(member) offsetof(struct arguments, member)

static const struct option {
    const char *name;
    const char *value; /* NULL: it has none */
    enum kind kind;
    size_t offset;
    const char *about;
} known[] = {
    {"--seed", "N", NUMBER, AT(options.seed), "the first seed of every scenario; 1"},
    {"--json", "FILE", TEXT, AT(options.json),
     "one JSON object a line for each verdict and pair; standard output"},
    {"--pcap", "DIR", TEXT, AT(options.pcap_dir), "a capture for each interface and run"},
    {"--tape", "DIR", TEXT, AT(options.tape_dir), "a tape for each node and run; it holds secrets"},
    {"--trace", "FILE", TEXT, AT(options.trace), "what happened, as text"},
    {"--hops", NULL, FLAG, AT(options.hops), "the trace shows every hop and what nodes say"},
    {"--twice", NULL, FLAG, AT(options.twice), "make each run twice and compare the digests"},
    {"--result", "FD", NUMBER, AT(result),
     "for warren-lab: one run, whose result goes to this descriptor"},
    {"--trace-to", "FD", NUMBER, AT(trace), "with --result: the trace goes to this one"},
    {"--label", "TEXT", TEXT, AT(label), "with --result: what files are called"},
    {"--events", "N", NUMBER, AT(events),
     "with --result: a run with more is stopped; 0: as many as it needs"},
    {"--help", NULL, FLAG, AT(help), "shows this"},
};

enum { KNOWN = sizeof known / sizeof *known };

static void print_help(void)
{
    puts("usage: " NAME " [SCRIPT] [OPTION...]\n\n"
         "Runs the scenarios of a script on ns-3; without one, of standard input:\n\n"
         "    warren-lab print SCRIPT | " NAME " --seed 1\n\n"
         "warren-lab run SCRIPT --on ns3 does the same, for people. Options:");
    for (size_t i = 0; i < KNOWN; i++)
        printf("  %-10s %-5s %s\n", known[i].name, known[i].value != NULL ? known[i].value : "",
               known[i].about);
    puts("\nExit codes: 0 all is well, 1 an expectation failed, 2 bad input.");
}

/* ---- The command line ---- */

static const struct option *find(const char *name)
{
    struct word_search search = {.wrong = name};
    for (size_t i = 0; i < KNOWN; i++) {
        if (strcmp(known[i].name, name) == 0)
            return &known[i];
        word_consider(&search, known[i].name);
    }
    const char *meant = word_meant(&search);
    if (meant != NULL)
        fprintf(stderr, NAME ": unknown option \"%s\": did you mean \"%s\"?\n", name, meant);
    else
        fprintf(stderr, NAME ": unknown option \"%s\"\n", name);
    return NULL;
}

static bool set(struct arguments *arguments, const struct option *option, const char *value)
{
    char *at = (char *)arguments + option->offset, *end;
    const bool flag = true;
    if (option->kind == FLAG) {
        memcpy(at, &flag, sizeof flag);
        return true;
    }
    if (value == NULL) {
        fprintf(stderr, NAME ": %s needs a %s\n", option->name, option->value);
        return false;
    }
    if (option->kind == TEXT) {
        memcpy(at, &value, sizeof value);
        return true;
    }
    errno = 0;
    uint64_t number = strtoull(value, &end, 10);
    memcpy(at, &number, sizeof number);
    if (errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == 0)
        return true;
    fprintf(stderr, NAME ": %s: \"%s\" is not a number\n", option->name, value);
    return false;
}

static bool parse(struct arguments *arguments, char *const *words)
{
    for (; *words != NULL; words++) {
        if ((*words)[0] != '-') {
            if (arguments->script != NULL) {
                fprintf(stderr, NAME ": takes one script\n");
                return false;
            }
            arguments->script = *words;
            continue;
        }
        const struct option *option = find(*words);
        if (option == NULL || !set(arguments, option, option->value != NULL ? words[1] : NULL))
            return false;
        words += option->value != NULL;
    }
    return true;
}

/* ---- The plan ---- */

static bool load(struct plan *plan, const char *script)
{
    char error[LOAD_ERROR_SIZE];
    if (script != NULL) {
        if (plan_load_file(plan, script, error))
            return true;
        fprintf(stderr, "%s\n", error);
        return false;
    }
    char *text = malloc(SANDBOX_SCRIPT_MAX + 1);
    check(text != NULL);
    size_t size = fread(text, 1, SANDBOX_SCRIPT_MAX + 1, stdin);
    bool loaded = plan_load(plan, "stdin", text, size, error);
    if (!loaded)
        fprintf(stderr, "%s\n", error);
    free(text);
    return loaded;
}

/* What ns-3 cannot express is not left out silently. */
static bool can_run(const struct plan *plan)
{
    char why[RUN_ERROR_SIZE];
    for (uint32_t i = 0; i < plan->scenario_count; i++) {
        if (run_ns3_can(&plan->scenarios[i], why))
            continue;
        fprintf(stderr, NAME ": %s: %s\n", plan->scenarios[i].title, why);
        return false;
    }
    return true;
}

/* ---- Runs ---- */

/* One run, for whoever has started this process. */
static int run_one(const struct arguments *arguments, const struct plan *plan)
{
    static struct run run;
    char error[RUN_ERROR_SIZE] = "";
    struct run_request request = {.scenario = &plan->scenarios[0],
                                  .seed = arguments->options.seed,
                                  .label = arguments->label,
                                  .pcap_dir = arguments->options.pcap_dir,
                                  .tape_dir = arguments->options.tape_dir,
                                  .events_max = arguments->events};
    if (arguments->options.hops)
        request.detail = RUN_DETAIL_HOPS;
    if (plan->scenario_count != 1) {
        fprintf(stderr, NAME ": --result goes with one scenario, not %" PRIu32 "\n",
                plan->scenario_count);
        return EXIT_USAGE;
    }
    if (arguments->result > INT_MAX ||
        (arguments->trace != NO_FILE && arguments->trace > INT_MAX)) {
        fprintf(stderr, NAME ": --result and --trace-to take open descriptors\n");
        return EXIT_USAGE;
    }
    if (arguments->trace != NO_FILE &&
        (request.trace = fdopen((int)arguments->trace, "w")) == NULL) {
        fprintf(stderr, NAME ": --trace-to: %s\n", strerror(errno));
        return EXIT_USAGE;
    }
    bool made = run_ns3_here(&request, &run, error);
    bool kept = request.trace == NULL || fclose(request.trace) == 0;
    if (made && !kept)
        snprintf(error, sizeof error, "the trace could not be written");
    if (!run_copy_write((int)arguments->result, request.scenario, &run,
                        made && kept ? NULL : error)) {
        fprintf(stderr, NAME ": --result: %s\n", strerror(errno));
        return EXIT_USAGE;
    }
    run_free(&run);
    return EXIT_OK;
}

/* All runs of a script, each by a child that is this program, too. */
static int run_all(struct arguments *arguments, struct plan *plan)
{
    char name[] = "stdin";
    char *files[] = {arguments->script != NULL ? (char *)arguments->script : name};
    arguments->options.files = files;
    arguments->options.file_count = 1;
    return session_run_plans(&arguments->options, run_network_find("ns3"), plan);
}

int main(int count, char **words)
{
    struct arguments arguments = {
        .options = {.command = OPTIONS_RUN, .seed = 1, .seeds = OPTIONS_UNSAID, .json = "-"},
        .label = "run",
        .result = NO_FILE,
        .trace = NO_FILE};
    struct plan plan;
    /* As warren-lab: a node's block is large and mostly never touched. */
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    if (count < 1 || !parse(&arguments, words + 1))
        return EXIT_USAGE;
    if (arguments.help) {
        print_help();
        return EXIT_OK;
    }
    if (!load(&plan, arguments.script))
        return EXIT_USAGE;
    int code = EXIT_USAGE;
    if (can_run(&plan))
        code =
            arguments.result != NO_FILE ? run_one(&arguments, &plan) : run_all(&arguments, &plan);
    plan_free(&plan);
    return code;
}
