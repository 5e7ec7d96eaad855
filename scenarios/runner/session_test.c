/*
 * Whole sessions, on a network whose runs are right, wrong, not made or dead, as the seed says:
 * what each comes to, with expectations that excuse much.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scenarios/runner/session.h"

#define S UINT64_C(1000000000)

#define WORLD "server 's1' { delay = '5ms' } client 'a' client 'b' at '1s' { connect('a', 'b') }\n"
#define DECLARED "scenario 't' differs('linux', 'so it is') " WORLD
#define PLAIN "scenario 't' " WORLD
#define TWICE "seeds(2)\n"
#define DATA "expect { finally, data('a', 'b') }\n"
#define HALF "expect { finally, share = '50%', data('a', 'b') }\n"
/* A server behind a NAT: the oracle has nothing to say. */
#define UNKNOWN \
    "router 'r' { nat = 'home' } server 's2' { behind = 'r' }\n" \
    "at '1s' { classify('a', { servers = { 's2' } }) } expect { finally, classified('a') }\n"
#define NOTHING_NEVER "expect { never, direct('a', 'b') }\n"

enum { SAID_SIZE = 16384 };

/* What happens in each run of a session: a letter for each seed, from 1. */
static const char *happens;

/* 'r': right, 'w': nothing arrives, 'u': the run cannot be made, 'c': its process dies. */
static bool make_run(const struct run_request *request, struct run *run,
                     char error[static RUN_ERROR_SIZE])
{
    const struct plan_action *action = &request->scenario->actions[0];
    const char what = happens[request->seed - 1];
    *run = (struct run){.findings = NULL};
    snprintf(error, RUN_ERROR_SIZE, "no daemons");
    if (what == 'c')
        raise(SIGKILL);
    if (what == 'u')
        return false;
    const struct run_event event = {
        .at_ns = 2 * S, .from = action->place, .to = action->peer, .kind = RUN_ARRIVED};
    if (what == 'r')
        run_add_event(run, &event);
    return true;
}

static const struct run_network network = {
    .name = "linux", .run = make_run, .real = true, .apart = true};

/* The script is run; its exit code, and in `said` what is printed. */
static int run_script(const char *script, const char *runs, char said[static SAID_SIZE])
{
    char path[] = "/tmp/warren-session-XXXXXX";
    char *files[] = {path};
    int descriptor = mkstemp(path);
    FILE *file = fdopen(descriptor, "w"), *out = tmpfile();
    assert_true(file != NULL && out != NULL);
    fputs(script, file);
    assert_int_equal(fclose(file), 0);
    const struct options options = {.command = OPTIONS_RUN,
                                    .seed = 1,
                                    .seeds = strlen(runs),
                                    .jobs = 2,
                                    .longest_ns = 180 * S,
                                    .files = files,
                                    .file_count = 1};
    happens = runs;
    /* A session prints to standard output, where the results of these tests go too. */
    fflush(stdout);
    int kept = dup(STDOUT_FILENO);
    assert_true(kept >= 0 && dup2(fileno(out), STDOUT_FILENO) >= 0);
    int code = session_run_on(&options, &network);
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) >= 0);
    close(kept);
    unlink(path);
    rewind(out);
    said[0] = '\n'; /* before each line, then */
    said[1 + fread(said + 1, 1, SAID_SIZE - 2, out)] = 0;
    fclose(out);
    return code;
}

static void test_runs(void **state)
{
    static const struct {
        const char *script;
        const char *runs;
        int code;
        const char *said;
    } rows[] = {
        {PLAIN DATA, "r", EXIT_OK, "\n1 passed, 0 failed, 0 skipped\n"},
        {PLAIN DATA, "w", EXIT_FAILED, "\nnot ok 1 - t: a and b, finally: data arrives"},
        /* what is declared may be different */
        {DECLARED DATA, "r", EXIT_OK, "\n1 passed, 0 failed, 0 skipped\n"},
        {DECLARED DATA, "w", EXIT_OK, " # SKIP so it is\n"},
        {DECLARED DATA, "u", EXIT_FAILED, "\nnot ok 1 - t: a and b, finally"},
        {DECLARED DATA, "c", EXIT_FAILED, "was ended by signal 9"},
        {DECLARED TWICE DATA, "ww", EXIT_OK, " # SKIP so it is\n"},
        {DECLARED TWICE DATA, "wu", EXIT_FAILED, "it runs"},
        {DECLARED TWICE DATA, "wu", EXIT_FAILED, "\nnot ok 1 - t (2 seeds): a and b, finally"},
        {DECLARED TWICE DATA, "cw", EXIT_FAILED, "it runs"},
        /* nothing that could fail */
        {PLAIN, "r", EXIT_OK, "\n0 passed, 0 failed, 0 skipped\n"},
        {PLAIN, "u", EXIT_FAILED, "\nnot ok 1 - t: it runs\n"},
        {PLAIN UNKNOWN, "r", EXIT_OK, "\n0 passed, 0 failed, 1 skipped\n"},
        {PLAIN UNKNOWN, "u", EXIT_FAILED, "\nnot ok 2 - t: it runs\n"},
        {DECLARED UNKNOWN, "c", EXIT_FAILED, "\nnot ok 2 - t: it runs\n"},
        /* that most runs are right */
        {PLAIN TWICE HALF, "rr", EXIT_OK, "\n1 passed, 0 failed, 0 skipped\n"},
        {PLAIN TWICE HALF, "rw", EXIT_OK, "\n1 passed, 0 failed, 0 skipped\n"},
        {PLAIN TWICE HALF, "ru", EXIT_FAILED, "\nnot ok 2 - t (2 seeds): it runs\n"},
        {PLAIN TWICE HALF, "cr", EXIT_FAILED, "\n#   right in 1 of 2 runs\n"},
        /* what holds where nothing happens */
        {PLAIN NOTHING_NEVER, "w", EXIT_OK, "\n1 passed, 0 failed, 0 skipped\n"},
        {PLAIN NOTHING_NEVER, "u", EXIT_FAILED, "no daemons"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char said[SAID_SIZE];
        int code = run_script(rows[i].script, rows[i].runs, said);
        if (code != rows[i].code || strstr(said, rows[i].said) == NULL)
            fail_msg("row %zu: exit code %d, not %d, or no \"%s\" in:\n%s", i, code, rows[i].code,
                     rows[i].said, said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
