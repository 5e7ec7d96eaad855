/* The command line: one table of commands, one of options. */
#include "scenarios/runner/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "host/word.h"

static const struct command {
    const char *name;
    enum options_command command;
    const char *arguments;
    const char *about;
    const char *more;
} commands[] = {
    {"run", OPTIONS_RUN, "SCRIPT... [OPTION...]",
     "runs scenario scripts and holds them against what they expect",
     "A failed scenario is run again, with captures and a trace in build/failed/.\n"},
    {"replay", OPTIONS_REPLAY, "TAPE...", "feeds tapes to fresh nodes and compares the digests",
     "A tape is what one node was fed, as run --tape records it.\n"},
    {"list", OPTIONS_LIST, "", "lists networks, presets, parameters, fields and actions", ""},
    {"print", OPTIONS_PRINT, "SCRIPT", "loads a script and writes its plan back as a script", ""},
    {"plan-hash", OPTIONS_PLAN_HASH, "SCRIPT...", "writes the hash of each script's plan",
     "Equal plans have equal hashes, on every machine and in every process.\n"},
};

enum option_kind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER };

static const struct option {
    const char *name;
    const char *value; /* NULL: it has none */
    enum option_kind kind;
    size_t offset;
    const char *about;
} run_options[] = {
    {"--on", "NETWORK", OPTION_TEXT, offsetof(struct options, network),
     "the network; sim unless said otherwise"},
    {"--seed", "N", OPTION_NUMBER, offsetof(struct options, seed),
     "the first seed of every scenario; 1"},
    {"--seeds", "N", OPTION_NUMBER, offsetof(struct options, seeds),
     "no more than N seeds of any scenario; 0: as many as it asks for"},
    {"--only", "TEXT", OPTION_TEXT, offsetof(struct options, only),
     "only scenarios with this in their title"},
    {"--summary", NULL, OPTION_FLAG, offsetof(struct options, summary),
     "show failures and tables only"},
    {"--json", "FILE", OPTION_TEXT, offsetof(struct options, json),
     "one JSON object a line for each verdict"},
    {"--pcap", "DIR", OPTION_TEXT, offsetof(struct options, pcap_dir),
     "a capture for each interface and run"},
    {"--trace", "FILE", OPTION_TEXT, offsetof(struct options, trace), "what happened, as text"},
    {"--hops", NULL, OPTION_FLAG, offsetof(struct options, hops),
     "the trace shows every hop and what nodes say"},
    {"--tape", "DIR", OPTION_TEXT, offsetof(struct options, tape_dir),
     "a tape for each node and run; it holds secrets"},
    {"--digests", NULL, OPTION_FLAG, offsetof(struct options, digests),
     "one line for each run with its digest"},
    {"--twice", NULL, OPTION_FLAG, offsetof(struct options, twice),
     "make each run twice and compare the digests"},
};

enum {
    COMMANDS = sizeof commands / sizeof *commands,
    RUN_OPTIONS = sizeof run_options / sizeof *run_options
};

void options_print_help(enum options_command command)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (command != commands[i].command)
            continue;
        printf("usage: warren-lab %s%s%s\n\n%s.\n%s", commands[i].name,
               commands[i].arguments[0] != 0 ? " " : "", commands[i].arguments, commands[i].about,
               commands[i].more);
        if (command == OPTIONS_RUN) {
            puts("\nOptions (\"-\" as FILE is standard output):");
            for (size_t j = 0; j < RUN_OPTIONS; j++) {
                const char *value = run_options[j].value != NULL ? run_options[j].value : "";
                printf("  %-9s %-8s %s\n", run_options[j].name, value, run_options[j].about);
            }
        }
        return;
    }
    puts("usage: warren-lab COMMAND [ARGUMENT...]\n\nRuns network scenarios. Commands:");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("  %-10s %s\n", commands[i].name, commands[i].about);
    puts(
        "\nwarren-lab COMMAND --help says more about one; warren-lab --version names the version.\n"
        "Exit codes: 0 all is well, 1 an expectation failed, 2 bad input.");
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

static const struct option *find_option(const char *name)
{
    struct word_search search = {.wrong = name};
    for (size_t i = 0; i < RUN_OPTIONS; i++) {
        if (strcmp(run_options[i].name, name) == 0)
            return &run_options[i];
        word_consider(&search, run_options[i].name);
    }
    const char *meant = word_meant(&search);
    if (meant != NULL)
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
    switch (option->kind) {
    case OPTION_FLAG:
        memcpy(at, &flag, sizeof flag);
        return true;
    case OPTION_TEXT:
        memcpy(at, &value, sizeof value);
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
            const struct option *option = find_option(argument);
            if (option == NULL)
                return false;
            if (options->command != OPTIONS_RUN) {
                fprintf(stderr, "warren-lab: %s is an option of run\n", argument);
                return false;
            }
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

bool options_parse(struct options *options, int count, char *const *arguments)
{
    *options = (struct options){.command = OPTIONS_HELP, .network = "sim", .seed = 1};
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
    bool wants_files = options->command != OPTIONS_LIST && options->command != OPTIONS_HELP;
    if (wants_files && options->file_count == 0) {
        fprintf(stderr, "warren-lab: %s needs a %s\n", command->name,
                options->command == OPTIONS_REPLAY ? "tape" : "script");
        options_free(options);
        return false;
    }
    if (options->command == OPTIONS_PRINT && options->file_count > 1) {
        fputs("warren-lab: print takes one script\n", stderr);
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
