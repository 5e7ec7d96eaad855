/* `warren log`: the last lines of the daemon's log, and those to come. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "daemon/warren_client.h"
#include "daemon/warren_command.h"
#include "daemon/warren_grid.h"

enum {
    LOG_POLL_MS = 500,
    LOG_LINES_MAX = 1000 * 1000,
};

/* The last `most` of them. */
static void print_lines(const json_t *lines, uint32_t most)
{
    size_t count = json_array_size(lines);
    for (size_t i = count > most ? count - most : 0; i < count; i++) {
        const char *line = json_string_value(json_array_get(lines, i));
        readable_print(stdout, line != NULL ? line : "");
        putchar('\n');
    }
    fflush(stdout);
}

/* Until the reader or the daemon goes; a signal ends the program as usual. */
static int print_log(struct warren_client *client, uint32_t most, bool follow)
{
    json_t *arguments = NULL;
    int status = COMMAND_OK;
    for (;;) {
        json_t *answer = client_ask(client, "log", arguments);
        json_decref(arguments);
        arguments = NULL;
        if (answer == NULL)
            status = COMMAND_FAILED;
        else if (!json_is_array(json_object_get(answer, "lines")))
            status = command_failed("warrend did not send its log");
        else
            print_lines(json_object_get(answer, "lines"), most);
        json_t *next = json_incref(json_object_get(answer, "next"));
        json_decref(answer);
        if (status != COMMAND_OK || !follow || next == NULL || ferror(stdout)) {
            json_decref(next);
            return status;
        }
        arguments = json_pack("{s:o}", "after", next);
        most = LOG_LINES_MAX;
        struct timespec pause = {.tv_nsec = LOG_POLL_MS * 1000000L};
        nanosleep(&pause, NULL);
    }
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"follow", no_argument, NULL, 'f'},
                                            {"lines", required_argument, NULL, 'n'},
                                            {"control", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *control = WARREN_CONTROL;
    uint32_t lines = LOG_LINES_MAX;
    bool follow = false;
    for (int option; (option = getopt_long(argc, argv, ":fn:", options, NULL)) != -1;) {
        if (option == 'f')
            follow = true;
        else if (option == 's')
            control = optarg;
        else if (option == 'n' && !command_number(optarg, 0, LOG_LINES_MAX, &lines))
            return command_wrong(&warren_log, "the lines are a number from 0 to %d, not '%s'",
                                 LOG_LINES_MAX, optarg);
        else if (option == '?' || option == ':')
            return command_wrong_option(&warren_log, option, argv);
    }
    if (optind < argc)
        return command_wrong(&warren_log, "it takes no '%s'", argv[optind]);
    struct warren_client client;
    if (!client_open(&client, control))
        return COMMAND_FAILED;
    int status = print_log(&client, lines, follow);
    client_close(&client);
    return status;
}

const struct warren_command warren_log = {
    .name = "log",
    .form = "[-f] [-n LINES] [--control SOCKET]",
    .about = "the last lines of the daemon's log",
    .help = "The daemon keeps its last 512 lines in memory, wherever else it writes them.\n"
            "\n"
            "  -f, --follow       go on with new lines until interrupted\n"
            "  -n, --lines LINES  at most so many of the old ones\n"
            "  --control SOCKET   the daemon's socket; default " WARREN_CONTROL "\n",
    .run = run,
};
