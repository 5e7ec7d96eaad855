/* The commands of `warren`, the operator's tool, and how they say what is wrong. */
#ifndef WARREN_DAEMON_WARREN_COMMAND_H
#define WARREN_DAEMON_WARREN_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum {
    COMMAND_OK = 0,
    COMMAND_FAILED = 1, /* what was asked for did not come about */
    COMMAND_WRONG = 2,  /* the command line is wrong */
};

struct warren_command {
    const char *name;
    const char *form; /* what follows the name, as a person types it */
    const char *about;
    const char *help; /* whole lines */
    /* argv[0] is the command's name. */
    int (*run)(int argc, char **argv);
};

extern const struct warren_command warren_status;
extern const struct warren_command warren_ping;
extern const struct warren_command warren_netcheck;
extern const struct warren_command warren_log;

/* Says on one line what is wrong with the command line, and its right form. COMMAND_WRONG. */
__attribute__((format(printf, 2, 3))) int command_wrong(const struct warren_command *command,
                                                        const char *format, ...);

/* Says on one line why the command failed. COMMAND_FAILED. */
__attribute__((format(printf, 1, 2))) int command_failed(const char *format, ...);

/*
 * What getopt_long found wrong with the option before `optind`; `letter` is what it returned, '?'
 * or ':'. Its option string has to begin with ':', so that it prints nothing itself.
 */
int command_wrong_option(const struct warren_command *command, int letter, char **argv);

/*
 * A number written with digits and at most one decimal, in tenths: "2" is 20, "0.5" is 5. False
 * where it is none, or not from `low` to `high` tenths.
 */
bool command_tenths(const char *text, uint32_t low, uint32_t high, uint32_t *tenths);

/* A whole number from `low` to `high`; false where it is none. */
bool command_number(const char *text, uint32_t low, uint32_t high, uint32_t *number);

#endif
