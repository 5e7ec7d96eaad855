/*
 * A run in real time in a sandbox: a process that makes the run, sends its result to its maker, and
 * ends with all that belongs to it, or is left standing for a person to look around in.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/judge_all.h"
#include "scenarios/runner/on_real.h"
#include "scenarios/runner/run_copy.h"

/* What the sandbox's process is to do, and where its result goes. */
struct order {
    const struct run_request *request;
    const struct real_network *network;
    int result;
    int told; /* the sandbox's process, as its maker sees it, comes here */
};

/* What to type to look around in what is left standing. */
static char *describe(const struct real *real, pid_t process)
{
    char *notes = NULL;
    size_t size;
    FILE *file = open_memstream(&notes, &size);
    check(file != NULL);
    fprintf(file, "left standing until its process ends: kill -KILL %ld\n", (long)process);
    for (uint32_t i = 0; i < real->stage.scenario->place_count; i++) {
        char line[RUN_ERROR_SIZE];
        if (real->hosts[i] < 0)
            continue;
        space_describe(real->hosts[i], process, line, sizeof line);
        fprintf(file, "%s: %s\n", real->stage.scenario->places[i].name, line);
    }
    fprintf(file, "configuration and logs: /proc/%ld/root" REAL_FOLDER, (long)process);
    fclose(file);
    return notes;
}

/* Until somebody kills it. Whoever reads what its maker writes waits for the end of it, so this
   holds none of it. */
static _Noreturn void stand(void)
{
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    check(nothing >= 0);
    for (int file = STDIN_FILENO; file <= STDERR_FILENO; file++)
        dup2(nothing, file);
    for (;;)
        pause();
}

static int sandbox_main(void *argument)
{
    const struct order *order = argument;
    const struct run_request *request = order->request;
    char error[SPACE_ERROR_SIZE] = "";
    struct real real;
    struct run run;
    pid_t process = 0;
    if (read(order->told, &process, sizeof process) != sizeof process)
        return EXIT_FAILURE;
    real_begin(&real, request, order->network, &run);
    bool done = real_run(&real, error);
    bool stay = request->keep && (!done || !judge_is_right(request->scenario, &run));
    if (stay)
        run.notes = describe(&real, process);
    if (request->trace != NULL)
        fflush(request->trace);
    /* Its maker ends once it has the result. */
    if (stay)
        prctl(PR_SET_PDEATHSIG, 0);
    else
        real_end_programs(&real);
    /* What a program finds wrong at its end is as bad as what it finds before. */
    if (done && real.failed) {
        done = false;
        memcpy(error, real.error, sizeof error);
    }
    bool told = run_copy_write(order->result, request->scenario, &run, done ? NULL : error);
    close(order->result);
    if (stay)
        stand();
    if (real.state != NULL)
        real.network->end(&real);
    return told ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool run_in_sandbox(const struct run_request *request, const struct real_network *network,
                           struct run *run, char error[static RUN_ERROR_SIZE])
{
    int result[2], told[2];
    *run = (struct run){.findings = NULL};
    if (pipe2(result, O_CLOEXEC) != 0 || pipe2(told, O_CLOEXEC) != 0) {
        snprintf(error, RUN_ERROR_SIZE, "no pipe to a sandbox: %s", strerror(errno));
        return false;
    }
    struct order order = {
        .request = request, .network = network, .result = result[1], .told = told[0]};
    fflush(NULL);
    pid_t process = space_sandbox(sandbox_main, &order, error);
    close(result[1]);
    close(told[0]);
    bool done = process > 0 && write(told[1], &process, sizeof process) == sizeof process &&
                run_copy_read(result[0], request->scenario, run, error);
    close(result[0]);
    close(told[1]);
    /* What stands on after its result has no more to say. */
    if (process > 0 && run->notes == NULL)
        waitpid(process, NULL, 0);
    return done;
}

bool run_on_tun(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE])
{
    return run_in_sandbox(request, &real_tun, run, error);
}

bool run_on_linux(const struct run_request *request, struct run *run,
                  char error[static RUN_ERROR_SIZE])
{
    return run_in_sandbox(request, &real_linux, run, error);
}
