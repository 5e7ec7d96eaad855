/* The command line: one table of commands, one of options. */
#include "scenarios/runner/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "host/word.h"
#include "scenarios/runner/field.h"

static const struct command {
    const char *name;
    enum options_command command;
    const char *arguments;
    const char *about;
    const char *more;
} commands[] = {
    {"run", OPTIONS_RUN, "SCRIPT... [OPTION...]",
     "runs scenario scripts and holds them against what they expect",
     "A failed scenario is run again, with captures and a trace in build/failed/; one in real time\n"
     "is not.\n"},
    {"compare", OPTIONS_COMPARE, "SCRIPT... [OPTION...]",
     "runs scenarios on several networks and shows what comes out differently",
     "What a script declares, by differs(\"NETWORK\", \"WHY\"), does not count.\n"},
    {"classify", OPTIONS_CLASSIFY, "NAT...|--all [OPTION...]",
     "puts a client behind a NAT and shows what it finds, beside what the oracle says",
     "A NAT is a preset's name, as list has them.\n"},
    {"replay", OPTIONS_REPLAY, "TAPE...", "feeds tapes to fresh nodes and compares the digests",
     "A tape is what one node was fed, as run --tape records it.\n"},
    {"list", OPTIONS_LIST, "", "lists networks, presets, parameters, fields and actions", ""},
    {"print", OPTIONS_PRINT, "SCRIPT", "loads a script and writes its plan back as a script", ""},
    {"plan-hash", OPTIONS_PLAN_HASH, "SCRIPT...", "writes the hash of each script's plan",
     "Equal plans have equal hashes, on every machine and in every process.\n"},
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_DURATION };

/* The commands that an option is of. */
enum {
    OF_RUN = 1 << OPTIONS_RUN,
    OF_COMPARE = 1 << OPTIONS_COMPARE,
    OF_CLASSIFY = 1 << OPTIONS_CLASSIFY,
    OF_SCRIPTS = OF_RUN | OF_COMPARE,
    OF_ALL = OF_SCRIPTS | OF_CLASSIFY,
};

static const struct option {
    const char *name;
    const char *value; /* NULL: it has none */
    enum option_kind kind;
    unsigned of;
    size_t offset;
    const char *about;
} run_options[] = {
    {"--on", "NETWORK", OPTION_TEXT, OF_RUN, offsetof(struct options, network),
     "sim (unless said otherwise), ns3, tun or linux"},
    {"--on", "NETWORKS", OPTION_TEXT, OF_COMPARE | OF_CLASSIFY, offsetof(struct options, network),
     "networks, such as sim,tun; all that are there"},
    {"--seed", "N", OPTION_NUMBER, OF_ALL, offsetof(struct options, seed),
     "the first seed of every scenario; 1"},
    {"--seeds", "N", OPTION_NUMBER, OF_RUN, offsetof(struct options, seeds),
     "no more than N seeds of any scenario; 0: as many as it asks for"},
    {"--only", "TEXT", OPTION_TEXT, OF_SCRIPTS, offsetof(struct options, only),
     "only scenarios with this in their title"},
    {"--longest", "TIME", OPTION_DURATION, OF_SCRIPTS, offsetof(struct options, longest_ns),
     "in real time, skip scenarios that take longer; 3m"},
    {"--jobs", "N", OPTION_NUMBER, OF_ALL, offsetof(struct options, jobs),
     "runs in real time at once; 8 for each processor. On ns3 at most one for each"},
    {"--keep", NULL, OPTION_FLAG, OF_RUN, offsetof(struct options, keep),
     "in real time, leave what failed standing, and say how to enter it"},
    {"--all", NULL, OPTION_FLAG, OF_CLASSIFY, offsetof(struct options, all), "every preset"},
    {"--summary", NULL, OPTION_FLAG, OF_RUN, offsetof(struct options, summary),
     "show failures and tables only"},
    {"--json", "FILE", OPTION_TEXT, OF_ALL, offsetof(struct options, json),
     "one JSON object a line for each verdict, pair or NAT"},
    {"--pcap", "DIR", OPTION_TEXT, OF_RUN, offsetof(struct options, pcap_dir),
     "a capture for each interface and run"},
    {"--trace", "FILE", OPTION_TEXT, OF_RUN, offsetof(struct options, trace),
     "what happened, as text"},
    {"--hops", NULL, OPTION_FLAG, OF_RUN, offsetof(struct options, hops),
     "the trace shows every hop and what nodes say"},
    {"--tape", "DIR", OPTION_TEXT, OF_RUN, offsetof(struct options, tape_dir),
     "a tape for each node and run; it holds secrets"},
    {"--digests", NULL, OPTION_FLAG, OF_RUN, offsetof(struct options, digests),
     "one line for each run with its digest"},
    {"--twice", NULL, OPTION_FLAG, OF_RUN, offsetof(struct options, twice),
     "make each run twice and compare the digests"},
};

/* How long a scenario may take in real time unless --longest says otherwise. */
#define LONGEST_NS UINT64_C(180000000000)

enum {
    JOBS_MAX = 1024,
    COMMANDS = sizeof commands / sizeof *commands,
    RUN_OPTIONS = sizeof run_options / sizeof *run_options
};

static bool is_of(const struct option *option, enum options_command command)
{
    return (option->of >> command & 1) != 0;
}

static void print_options(enum options_command command)
{
    bool first = true;
    for (size_t i = 0; i < RUN_OPTIONS; i++) {
        const struct option *option = &run_options[i];
        if (!is_of(option, command))
            continue;
        if (first)
            puts("\nOptions (\"-\" as FILE is standard output):");
        first = false;
        printf("  %-9s %-8s %s\n", option->name, option->value != NULL ? option->value : "",
               option->about);
    }
}

void options_print_help(enum options_command command)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (command != commands[i].command)
            continue;
        printf("usage: warren-lab %s%s%s\n\n%s.\n%s", commands[i].name,
               commands[i].arguments[0] != 0 ? " " : "", commands[i].arguments, commands[i].about,
               commands[i].more);
        print_options(command);
        return;
    }
    puts("usage: warren-lab COMMAND [ARGUMENT...]\n\nRuns network scenarios. Commands:");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].about);
    puts(
        "\nwarren-lab COMMAND --help says more about one; warren-lab --version names the version.\n"
        "Exit codes: 0 all is well, 1 an expectation failed or networks differ, 2 bad input.");
}

static const struct command *find_command(const char *name)
{
    struct word_search search = {.wrong = name};
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
        word_consider(&search, commands[i].name);
    }
    const char *meant = word_meant(&search);
    if (meant != NULL)
        fprintf(stderr, "warren-lab: unknown command \"%s\": did you mean \"%s\"?\n", name, meant);
    else
        fprintf(stderr, "warren-lab: unknown command \"%s\"; warren-lab --help lists them\n", name);
    return NULL;
}

/* NULL, after saying what is wrong, when the command has no such option. */
static const struct option *find_option(const char *name, enum options_command command)
{
    struct word_search search = {.wrong = name};
    const char *owner = NULL;
    for (size_t i = 0; i < RUN_OPTIONS; i++) {
        const struct option *option = &run_options[i];
        bool same = strcmp(option->name, name) == 0;
        if (same && is_of(option, command))
            return option;
        for (size_t j = 0; same && owner == NULL && j < COMMANDS; j++)
            if (is_of(option, commands[j].command))
                owner = commands[j].name;
        word_consider(&search, option->name);
    }
    const char *meant = word_meant(&search);
    if (owner != NULL)
        fprintf(stderr, "warren-lab: %s is an option of %s\n", name, owner);
    else if (meant != NULL)
        fprintf(stderr, "warren-lab: unknown option \"%s\": did you mean \"%s\"?\n", name, meant);
    else
        fprintf(stderr, "warren-lab: unknown option \"%s\"\n", name);
    return NULL;
}

static bool set_option(struct options *options, const struct option *option, const char *value)
{
    char *at = (char *)options + option->offset;
    char *end;
    bool flag = true;
    uint64_t number;
    char error[FIELD_ERROR_SIZE];
    switch (option->kind) {
    case OPTION_FLAG:
        memcpy(at, &flag, sizeof flag);
        return true;
    case OPTION_TEXT:
        memcpy(at, &value, sizeof value);
        return true;
    case OPTION_DURATION:
        if (!field_parse_duration(value, &number, error)) {
            fprintf(stderr, "warren-lab: %s: %s\n", option->name, error);
            return false;
        }
        memcpy(at, &number, sizeof number);
        return true;
    default:
        check(option->kind == OPTION_NUMBER && value != NULL);
        errno = 0;
        number = strtoull(value, &end, 10);
        memcpy(at, &number, sizeof number);
        if (errno == 0 && value[0] >= '0' && value[0] <= '9' && *end == 0)
            return true;
        fprintf(stderr, "warren-lab: %s: \"%s\" is not a number\n", option->name, value);
        return false;
    }
}

/*
 * Options and files in any order. The files are moved to the front of `arguments`' copy in `files`.
 */
static bool parse_rest(struct options *options, int count, char *const *arguments, char **files)
{
    bool only_files = false;
    for (int i = 0; i < count; i++) {
        const char *argument = arguments[i];
        if (only_files || argument[0] != '-' || argument[1] == 0) {
            files[options->file_count++] = arguments[i];
        } else if (strcmp(argument, "--") == 0) {
            only_files = true;
        } else if (strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0) {
            options->help_for = options->command;
            options->command = OPTIONS_HELP;
            return true;
        } else {
            const struct option *option = find_option(argument, options->command);
            if (option == NULL)
                return false;
            if (option->value != NULL && i + 1 == count) {
                fprintf(stderr, "warren-lab: %s needs a %s\n", argument, option->value);
                return false;
            }
            if (!set_option(options, option, option->value != NULL ? arguments[++i] : NULL))
                return false;
        }
    }
    return true;
}

/* What is left when the arguments have been read, as a whole. */
static bool makes_sense(const struct options *options, const struct command *command)
{
    bool wants_files = options->command != OPTIONS_LIST && options->command != OPTIONS_HELP &&
                       (options->command != OPTIONS_CLASSIFY || !options->all);
    if (wants_files && options->file_count == 0) {
        fprintf(stderr, "warren-lab: %s needs a %s\n", command->name,
                options->command == OPTIONS_REPLAY     ? "tape"
                : options->command == OPTIONS_CLASSIFY ? "NAT, or --all"
                                                       : "script");
        return false;
    }
    if (options->command == OPTIONS_PRINT && options->file_count > 1) {
        fputs("warren-lab: print takes one script\n", stderr);
        return false;
    }
    if (options->command == OPTIONS_CLASSIFY && options->all && options->file_count > 0) {
        fputs("warren-lab: classify takes NATs or --all, not both\n", stderr);
        return false;
    }
    if (options->jobs > JOBS_MAX) {
        fprintf(stderr, "warren-lab: --jobs: no more than %d\n", JOBS_MAX);
        return false;
    }
    return true;
}

bool options_parse(struct options *options, int count, char *const *arguments)
{
    *options = (struct options){
        .command = OPTIONS_HELP, .seed = 1, .seeds = OPTIONS_UNSAID, .longest_ns = LONGEST_NS};
    if (count < 2) {
        fputs("warren-lab: no command; warren-lab --help lists them\n", stderr);
        return false;
    }
    if (strcmp(arguments[1], "--help") == 0 || strcmp(arguments[1], "-h") == 0 ||
        strcmp(arguments[1], "help") == 0)
        return true;
    if (strcmp(arguments[1], "--version") == 0) {
        options->command = OPTIONS_VERSION;
        return true;
    }
    const struct command *command = find_command(arguments[1]);
    if (command == NULL)
        return false;
    options->command = command->command;
    char **files = calloc((size_t)count, sizeof *files);
    check(files != NULL);
    options->files = files;
    if (!parse_rest(options, count - 2, arguments + 2, files)) {
        options_free(options);
        return false;
    }
    if (!makes_sense(options, command)) {
        options_free(options);
        return false;
    }
    return true;
}

void options_free(struct options *options)
{
    free(options->files);
    options->files = NULL;
    options->file_count = 0;
}
