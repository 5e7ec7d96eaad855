/* Tests of programs in the hosts of a sandbox. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netns/space_test.h"

struct run_case {
    const char *name;
    const char *arguments[4];
    const char *input;
    const char *error; /* a part of it; NULL: it goes well */
};

static const struct run_case run_cases[] = {
    {"does nothing", {"true"}, NULL, NULL},
    {"has no input", {"sh", "-c", "test -z \"$(cat)\""}, NULL, NULL},
    {"has empty input", {"sh", "-c", "test -z \"$(cat)\""}, "", NULL},
    {"reads its input", {"grep", "-q", "^middle$"}, "first\nmiddle\nlast\n", NULL},
    {"does not read it", {"true"}, "something", NULL},
    {"fails silently", {"sh", "-c", "exit 3"}, NULL, "c exit 3: exit status 3: it said nothing"},
    {"complains", {"sh", "-c", "echo one >&2; echo two >&2; exit 1"}, NULL, "exit status 1: one"},
    {"complains late", {"sh", "-c", "echo; echo one; exit 1"}, NULL, "exit status 1: one"},
    {"is missing", {"no-such-program"}, NULL, "no-such-program cannot be run: No such"},
    {"writes escapes", {"sh", "-c", "printf 'a\\033[2J'; exit 1"}, NULL, "exit status 1: a?[2J"},
    {"is killed", {"sh", "-c", "echo dying; kill -9 $$"}, NULL, "ended by signal 9: dying"},
    {"is a folder", {"/"}, NULL, "/ cannot be run: Permission denied"},
    {"leaves a child behind", {"sh", "-c", "sleep 1000 & exit 0"}, NULL, NULL},
};

static int run_all(void *argument)
{
    char error[SPACE_ERROR_SIZE];
    (void)argument;
    int host = space_host(error);
    expect_done(host >= 0);
    for (size_t i = 0; i < sizeof run_cases / sizeof run_cases[0]; i++) {
        const struct run_case *one = &run_cases[i];
        error[0] = 0;
        bool well = space_run(host, one->arguments, one->input, error);
        if (well != (one->error == NULL) || (!well && strstr(error, one->error) == NULL)) {
            fprintf(stderr, "# a program that %s: %d: %s\n", one->name, well, error);
            return WRONG;
        }
    }
    return OK;
}

static void programs_run_to_their_end(void **state)
{
    (void)state;
    need_sandboxes();
    assert_int_equal(run(run_all, NULL), OK);
}

static int move_much(void *argument)
{
    static char input[MUCH + 1];
    static const char *const count[] = {"sh", "-c", "test $(wc -c) = 3000000", NULL};
    static const char *const echo[] = {"sh", "-c", "cat; exit 4", NULL};
    static const char *const yes[] = {"sh", "-c", "yes 12345678 | head -c 1000000", NULL};
    static const char *const fail[] = {"sh", "-c", "echo told; echo reason >&2; exit 5", NULL};
    char error[SPACE_ERROR_SIZE] = "";
    char said[32];
    (void)argument;
    int host = space_host(error);
    expect_done(host >= 0);
    memset(input, 'a', MUCH);
    expect_done(space_run(host, count, input, error));
    /* More than any pipe holds, both ways at once. */
    expect(!space_run(host, echo, input, error) && strstr(error, "exit status 4: aaaa") != NULL);
    expect_done(space_ask(host, yes, said, sizeof said, error));
    expect(strcmp(said, "12345678\n12345678\n12345678\n1234") == 0);
    expect_done(space_ask(host, yes, said, 1, error));
    expect(said[0] == 0);
    expect(!space_ask(host, fail, said, sizeof said, error));
    expect(strstr(error, "exit status 5: reason") != NULL && said[0] == 0);
    return OK;
}

static void any_amount_goes_in_and_out(void **state)
{
    (void)state;
    need_sandboxes();
    assert_int_equal(run(move_much, NULL), OK);
}

/* Starts a shell's command with its output in memory, and gives that when it has ended. */
static bool start_and_listen(int host, const char *directory, const char *command,
                             char said[static TEXT_SIZE], char error[static SPACE_ERROR_SIZE])
{
    const char *const arguments[] = {"sh", "-c", command, NULL};
    int status;
    int output = memfd_create("output", MFD_CLOEXEC);
    struct space_program program = {
        .arguments = arguments, .directory = directory, .output = output};
    pid_t process = space_start(host, &program, error);
    bool well = process > 0 && waitpid(process, &status, 0) == process && status == 0;
    ssize_t size = pread(output, said, TEXT_SIZE - 1, 0);
    said[size > 0 ? size : 0] = 0;
    close(output);
    return well;
}

static int start_some(void *argument)
{
    static const char *const missing[] = {"no-such-program", NULL};
    static const char *const there[] = {"true", NULL};
    char error[SPACE_ERROR_SIZE] = "";
    char said[TEXT_SIZE];
    char network[64];
    sigset_t some;
    int status;
    (void)argument;
    int host = space_host(error);
    expect_done(host >= 0);
    /* Left open, blocked and ignored here, and none of it there. */
    expect(dup2(host, 77) == 77);
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    expect(sigprocmask(SIG_BLOCK, &some, NULL) == 0 && signal(SIGUSR1, SIG_IGN) != SIG_ERR);
    expect_done(
        start_and_listen(host, NULL, "grep -E '^Sig(Blk|Ign)' /proc/self/status", said, error));
    expect(strcmp(said, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n") == 0);
    /* The last one is the folder that is being listed. */
    expect_done(start_and_listen(host, NULL, "ls /proc/self/fd", said, error));
    expect(strcmp(said, "0\n1\n2\n3\n") == 0);
    expect_done(start_and_listen(host, "/usr", "pwd; cat; echo end >&2", said, error));
    expect(strcmp(said, "/usr\nend\n") == 0);
    expect(name_network(host, network));
    expect_done(start_and_listen(host, NULL, "readlink /proc/self/ns/net", said, error));
    expect(strcmp(said, network) == 0);
    struct space_program program = {.arguments = missing, .output = -1};
    expect(space_start(host, &program, error) == -1);
    expect(strstr(error, "no-such-program cannot be run: No such file") != NULL);
    program = (struct space_program){.arguments = there, .directory = "/no-such", .output = -1};
    expect(space_start(host, &program, error) == -1);
    expect(strstr(error, "/no-such cannot be entered") != NULL);
    /* Those that failed have left no child behind. */
    expect(waitpid(-1, &status, WNOHANG) < 0 && errno == ECHILD);
    return OK;
}

static void programs_are_started(void **state)
{
    (void)state;
    need_sandboxes();
    assert_int_equal(run(start_some, NULL), OK);
}

static int start_with_no_files(void *argument)
{
    char error[SPACE_ERROR_SIZE] = "";
    char said[TEXT_SIZE];
    (void)argument;
    int host = space_host(error);
    expect_done(host >= 0);
    /* So that every new file gets a number that the program's three first files need. */
    close(0);
    close(1);
    expect_done(start_and_listen(host, NULL, "cat; echo out; echo err >&2", said, error));
    expect(strcmp(said, "out\nerr\n") == 0);
    return OK;
}

static void files_with_small_numbers_are_no_obstacle(void **state)
{
    (void)state;
    need_sandboxes();
    assert_int_equal(run(start_with_no_files, NULL), OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(programs_run_to_their_end),
        cmocka_unit_test(any_amount_goes_in_and_out),
        cmocka_unit_test(programs_are_started),
        cmocka_unit_test(files_with_small_numbers_are_no_obstacle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
