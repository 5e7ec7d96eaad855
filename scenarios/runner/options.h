/* The command line of warren-lab. */
#ifndef WARREN_RUNNER_OPTIONS_H
#define WARREN_RUNNER_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

/* Exit codes. */
enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_INTERRUPTED = 130 };

enum options_command {
    OPTIONS_HELP,
    OPTIONS_VERSION,
    OPTIONS_RUN,
    OPTIONS_COMPARE,
    OPTIONS_CLASSIFY,
    OPTIONS_REPLAY,
    OPTIONS_LIST,
    OPTIONS_PRINT,
    OPTIONS_PLAN_HASH,
};

/* In place of a number: none was given. */
#define OPTIONS_UNSAID UINT64_MAX

/* Files and folders are NULL where not asked for; "-" is standard output. */
struct options {
    enum options_command command;
    enum options_command help_for; /* OPTIONS_HELP: the command, or OPTIONS_HELP for all */
    const char *network; /* compare, classify: several, with commas; NULL: as the command has it */
    uint64_t seed;       /* of the first run */
    uint64_t seeds;      /* of each scenario at most; 0: as many as it asks for; OPTIONS_UNSAID:
                             likewise, and one in real time */
    uint64_t jobs;       /* runs in real time at once; 0: as crew.h has it */
    uint64_t longest_ns; /* of them no longer ones are made */
    const char *json;
    const char *pcap_dir;
    const char *trace;
    const char *tape_dir;
    const char *only; /* runs only scenarios with this in their title */
    bool hops;        /* the trace shows every hop */
    bool summary;
    bool digests;
    bool twice;
    bool keep;    /* what a failed run leaves stays standing */
    bool all;     /* classify: every preset */
    char **files; /* scripts, tapes or NATs; options_free() frees the list */
    int file_count;
};

/* False, after saying why on standard error, when the arguments make no sense. */
bool options_parse(struct options *options, int count, char *const *arguments);
void options_free(struct options *options);
void options_print_help(enum options_command command);

#endif
