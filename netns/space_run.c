/* The starting of programs in a host of a sandbox. */
#include "netns/space.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "netns/space_part.h"

enum {
    COMMAND_SIZE = 192, /* as much of a command as a message shows */
    SAID_SIZE = 256,    /* and of what it said */
    REPORT = 3,         /* the number that the new process gives to the pipe for its report */
    STATUS_NOT_RUN = 127,
};

/* A program to start, with each of its three first files; -1: none. */
struct launch {
    int host;
    const char *const *arguments;
    const char *directory;
    int input;
    int output;
    int errors;
};

/* ---- In the new process ---------------------------------------------------------------------- */

/* Puts the files where a program looks for them, and closes all others. */
static bool arrange_files(const struct launch *launch, int *report,
                          char error[static SPACE_ERROR_SIZE])
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return space_fail(error, errno, "/dev/null cannot be opened");
    const int wanted[REPORT + 1] = {
        launch->input >= 0 ? launch->input : null,
        launch->output >= 0 ? launch->output : null,
        launch->errors >= 0 ? launch->errors : null,
        *report,
    };
    int above[REPORT + 1];
    /* First out of the way of each other: any of them may have one of the wanted numbers. */
    for (int i = 0; i <= REPORT; i++) {
        above[i] = fcntl(wanted[i], F_DUPFD_CLOEXEC, REPORT + 1);
        if (above[i] < 0)
            return space_fail(error, errno, "a file of the new process cannot be duplicated");
    }
    *report = above[REPORT];
    for (int i = 0; i <= REPORT; i++)
        if (dup3(above[i], i, i == REPORT ? O_CLOEXEC : 0) < 0)
            return space_fail(error, errno, "a file of the new process cannot be duplicated");
    *report = REPORT;
    if (close_range(REPORT + 1, ~0U, 0) < 0)
        return space_fail(error, errno, "the files of the parent cannot be closed");
    return true;
}

static bool prepare(const struct launch *launch, pid_t parent, int *report,
                    char error[static SPACE_ERROR_SIZE])
{
    space_signals_reset();
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return space_fail(error, errno, "a process cannot be tied to its parent");
    if (getppid() != parent)
        return space_fail(error, 0, "the parent has ended");
    if (setns(launch->host, CLONE_NEWNET) < 0)
        return space_fail(error, errno, "the host's network namespace cannot be entered");
    if (launch->directory != NULL && chdir(launch->directory) < 0)
        return space_fail(error, errno, "%s cannot be entered", launch->directory);
    return arrange_files(launch, report, error);
}

static _Noreturn void become(const struct launch *launch, pid_t parent, int report)
{
    char error[SPACE_ERROR_SIZE] = "";
    if (prepare(launch, parent, &report, error)) {
        execvp(launch->arguments[0], (char *const *)(uintptr_t)launch->arguments);
        space_fail(error, errno, "%s cannot be run", launch->arguments[0]);
    }
    space_write(report, error, strlen(error));
    _exit(STATUS_NOT_RUN);
}

/* ---- In the parent --------------------------------------------------------------------------- */

static void check_arguments(const char *const *arguments)
{
    check(arguments[0] != NULL);
    unsigned count = 0;
    while (count < SPACE_ARGUMENTS_MAX && arguments[count] != NULL)
        count++;
    check(count < SPACE_ARGUMENTS_MAX);
}

static pid_t start(const struct launch *launch, char error[static SPACE_ERROR_SIZE])
{
    int report[2];
    int status;
    sigset_t before;
    check_arguments(launch->arguments);
    if (pipe2(report, O_CLOEXEC) < 0) {
        space_fail(error, errno, "no pipe for starting %s", launch->arguments[0]);
        return -1;
    }
    pid_t parent = getpid();
    space_signals_hold(&before);
    pid_t process = fork();
    int number = errno;
    if (process == 0)
        become(launch, parent, report[1]);
    check(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
    close(report[1]);
    if (process < 0) {
        space_fail(error, number, "no process for %s", launch->arguments[0]);
    } else {
        /* The pipe closes by itself when the program runs; what comes before is why it does not. */
        char said[SPACE_ERROR_SIZE];
        size_t size = space_read(report[0], said, sizeof said - 1);
        said[size] = 0;
        if (size > 0) {
            memcpy(error, said, size + 1);
            space_wait(process, &status);
            process = -1;
        }
    }
    close(report[0]);
    return process;
}

pid_t space_start(int host, const struct space_program *program,
                  char error[static SPACE_ERROR_SIZE])
{
    struct launch launch = {
        .host = host,
        .arguments = program->arguments,
        .directory = program->directory,
        .input = -1,
        .output = program->output,
        .errors = program->output,
    };
    return start(&launch, error);
}

/* ---- Programs that are waited for ------------------------------------------------------------ */

/* The command line, cut where it is too long. */
static void name_command(const char *const *arguments, char to[static COMMAND_SIZE])
{
    size_t at = 0;
    to[0] = 0;
    for (size_t i = 0; arguments[i] != NULL && at + 1 < COMMAND_SIZE; i++) {
        int length = snprintf(to + at, COMMAND_SIZE - at, "%s%s", i > 0 ? " " : "", arguments[i]);
        at += length > 0 ? (size_t)length : 0;
    }
}

/* The first line with something in it; control characters, which could disturb a terminal or a
   report, become question marks. */
static void read_first_line(int file, char to[static SAID_SIZE])
{
    char bytes[SAID_SIZE];
    ssize_t size = pread(file, bytes, sizeof bytes - 1, 0);
    bytes[size > 0 ? size : 0] = 0;
    const char *line = bytes + strspn(bytes, "\r\n");
    size_t length = strcspn(line, "\r\n");
    for (size_t i = 0; i < length; i++) {
        bool control = (unsigned char)line[i] < ' ' || line[i] == 0x7f;
        to[i] = '?';
        if (!control)
            to[i] = line[i];
    }
    to[length] = 0;
}

/* Whether the process ends with status 0; if not, `error` says what it said into this file. */
static bool ends_well(pid_t process, const char *const *arguments, int file,
                      char error[static SPACE_ERROR_SIZE])
{
    char command[COMMAND_SIZE];
    char said[SAID_SIZE];
    int status;
    if (!space_wait(process, &status))
        return space_fail(error, errno, "%s cannot be waited for", arguments[0]);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    name_command(arguments, command);
    read_first_line(file, said);
    const char *words = said[0] != 0 ? said : "it said nothing";
    if (WIFSIGNALED(status))
        return space_fail(error, 0, "%s: ended by signal %d: %s", command, WTERMSIG(status), words);
    return space_fail(error, 0, "%s: exit status %d: %s", command, WEXITSTATUS(status), words);
}

/* A file without a name, which takes any amount with nobody reading it. It has this text, and
   stands at its beginning. */
static int open_nameless(const char *text, char error[static SPACE_ERROR_SIZE])
{
    int fd = memfd_create("program", MFD_CLOEXEC);
    if (fd < 0) {
        space_fail(error, errno, "no file in memory for a program");
        return -1;
    }
    if (space_write(fd, text, strlen(text)) && lseek(fd, 0, SEEK_SET) == 0)
        return fd;
    space_fail(error, errno, "the input of a program cannot be kept");
    close(fd);
    return -1;
}

static bool run_with(struct launch *launch, const char *input, char error[static SPACE_ERROR_SIZE])
{
    launch->input = -1;
    if (input != NULL) {
        launch->input = open_nameless(input, error);
        if (launch->input < 0)
            return false;
    }
    pid_t process = start(launch, error);
    bool well = process > 0 && ends_well(process, launch->arguments, launch->errors, error);
    if (launch->input >= 0)
        close(launch->input);
    return well;
}

bool space_run(int host, const char *const *arguments, const char *input,
               char error[static SPACE_ERROR_SIZE])
{
    int said = open_nameless("", error);
    if (said < 0)
        return false;
    struct launch launch = {.host = host, .arguments = arguments, .output = said, .errors = said};
    bool well = run_with(&launch, input, error);
    close(said);
    return well;
}

bool space_ask(int host, const char *const *arguments, char *said, size_t size,
               char error[static SPACE_ERROR_SIZE])
{
    check(size > 0);
    said[0] = 0;
    struct launch launch = {.host = host, .arguments = arguments};
    launch.output = open_nameless("", error);
    if (launch.output < 0)
        return false;
    launch.errors = open_nameless("", error);
    bool well = launch.errors >= 0 && run_with(&launch, NULL, error);
    if (well) {
        ssize_t length = pread(launch.output, said, size - 1, 0);
        said[length > 0 ? length : 0] = 0;
    }
    if (launch.errors >= 0)
        close(launch.errors);
    close(launch.output);
    return well;
}
