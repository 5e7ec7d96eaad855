/*
 * Child processes that make runs. Each has a pipe for what its run came to and a descriptor that
 * says when it has ended; one loop waits for all of them.
 */
#include "scenarios/runner/crew.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/clock.h"
#include "scenarios/runner/field.h"
#include "scenarios/runner/judge_all.h"

#define SECOND_NS UINT64_C(1000000000)

enum { CHUNK_SIZE = 65536, DESCRIPTORS_EACH = 2 };

enum job_state { JOB_WAITING, JOB_RUNNING, JOB_AGAIN, JOB_DONE, JOB_TAKEN };

struct job {
    struct crew_task task;
    char *label;
    enum job_state state;
    pid_t child;
    int ended; /* a pidfd */
    int pipe;  /* -1: it has been read to its end */
    uint64_t deadline_ns;
    bool killed; /* it was going on for too long */
    bool again;  /* it is made a second time */
    FILE *trace; /* what the child writes in place of the request's */
    uint8_t *bytes;
    size_t size;
    size_t room;
    struct run_outcome outcome;
};

struct crew {
    struct crew_config config;
    uint32_t processors;
    struct job *jobs;
    uint32_t job_count;
    uint32_t begun; /* all before this are no longer waiting */
    uint32_t taken;
    uint32_t done;
    uint32_t again;
    uint32_t running;
    uint32_t running_real;
    uint32_t running_again;
    uint32_t places; /* of the scenarios that run in real time */
    struct pollfd *polls;
    uint64_t started_ns;
    uint64_t ticked_ns;
    sigset_t mask; /* as it was before */
    struct sigaction old_int;
    struct sigaction old_term;
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

struct crew *crew_new(const struct crew_config *config)
{
    struct crew *crew = calloc(1, sizeof *crew);
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    struct sigaction action = {.sa_handler = on_signal};
    sigset_t ours;
    check(crew != NULL);
    crew->config = *config;
    crew->processors = processors > 0 ? (uint32_t)processors : 1;
    if (config->jobs == 0)
        crew->config.jobs = crew->processors * CREW_JOBS_PER_PROCESSOR;
    crew->polls = calloc((size_t)crew->config.jobs * DESCRIPTORS_EACH, sizeof *crew->polls);
    check(crew->polls != NULL);
    crew->started_ns = clock_monotonic_ns();
    interrupted = 0;
    /* Signals are let in while the crew waits, and at no other time. */
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigprocmask(SIG_BLOCK, &ours, &crew->mask);
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, &crew->old_int);
    sigaction(SIGTERM, &action, &crew->old_term);
    return crew;
}

void crew_add(struct crew *crew, const struct crew_task *task)
{
    if ((crew->job_count & (crew->job_count - 1)) == 0) {
        size_t room = crew->job_count == 0 ? 1 : (size_t)crew->job_count * 2;
        struct job *grown = realloc(crew->jobs, room * sizeof *grown);
        check(grown != NULL);
        crew->jobs = grown;
    }
    struct job *job = &crew->jobs[crew->job_count++];
    *job = (struct job){.task = *task, .label = strdup(task->request.label)};
    check(job->label != NULL);
    job->task.request.label = job->label;
}

/* ---- In the child ---- */

static _Noreturn void be_child(const struct crew *crew, struct job *job, pid_t maker, int out)
{
    static struct run run;
    char error[RUN_ERROR_SIZE] = "";
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != maker) /* it was too late for that */
        _exit(EXIT_FAILURE);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &crew->mask, NULL);
    if (job->trace != NULL)
        job->task.request.trace = job->trace;
    bool made = job->task.network->run(&job->task.request, &run, error);
    if (job->trace != NULL)
        fflush(job->trace);
    bool told = run_copy_write(out, job->task.request.scenario, &run, made ? NULL : error);
    /* Nothing of the maker's is flushed or given back a second time. */
    _exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
}

/* ---- In the maker ---- */

static void finish(struct crew *crew, struct job *job)
{
    job->state = JOB_DONE;
    crew->done++;
}

/* No child could be started: the run could not be made. */
static void fail_to_start(struct crew *crew, struct job *job, const char *what)
{
    snprintf(job->outcome.error, RUN_ERROR_SIZE, "%s: %s", what, strerror(errno));
    finish(crew, job);
}

/* Places of a scenario that is run in real time, each of which is a process or not much less. */
static uint32_t weight(const struct job *job)
{
    return job->task.network->real ? job->task.request.scenario->place_count : 0;
}

static void start(struct crew *crew, struct job *job)
{
    int ends[2];
    pid_t maker = getpid();
    if (job->task.request.trace != NULL && (job->trace = tmpfile()) == NULL) {
        fail_to_start(crew, job, "no file for the trace");
        return;
    }
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fail_to_start(crew, job, "no pipe for the run");
        return;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        be_child(crew, job, maker, ends[1]);
    }
    close(ends[1]);
    int ended = child > 0 ? pidfd_open(child, 0) : -1;
    if (ended < 0) {
        fail_to_start(crew, job, "no process for the run");
        close(ends[0]);
        if (child > 0 && kill(child, SIGKILL) == 0)
            waitpid(child, NULL, 0);
        return;
    }
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    job->state = JOB_RUNNING;
    job->child = child;
    job->ended = ended;
    job->pipe = ends[0];
    job->deadline_ns = clock_monotonic_ns() + job->task.limit_ns;
    crew->running++;
    crew->running_real += job->task.network->real;
    crew->running_again += job->again;
    crew->places += weight(job);
}

/*
 * What computes gets one processor each, and runs in real time do not begin beside it, since it
 * would take theirs.
 */
static bool may_start(const struct crew *crew, const struct job *job)
{
    if (crew->running >= crew->config.jobs)
        return false;
    /* A crowd of daemons counts for as many runs as it would fill. */
    if (crew->running > 0 && crew->places + weight(job) > crew->config.jobs * CREW_PLACES_PER_JOB)
        return false;
    if (job->task.network->real)
        return crew->running == crew->running_real;
    return crew->running_real == 0 && crew->running < crew->processors;
}

/* Those that are made again have a processor each, and nothing else beside them. */
static void start_again(struct crew *crew)
{
    for (uint32_t i = crew->taken; i < crew->begun; i++) {
        struct job *job = &crew->jobs[i];
        if (crew->running > crew->running_again || crew->running == crew->processors)
            return;
        if (job->state == JOB_AGAIN)
            start(crew, job);
    }
}

/* They wait until the turn of one to be taken has come. */
static void start_more(struct crew *crew)
{
    const struct job *first = &crew->jobs[crew->taken];
    if (first->state == JOB_AGAIN || crew->running_again > 0) {
        start_again(crew);
        return;
    }
    while (crew->begun < crew->job_count && may_start(crew, &crew->jobs[crew->begun]))
        start(crew, &crew->jobs[crew->begun++]);
}

/* Everything that is in the pipe now. */
static void drain(struct job *job)
{
    while (job->pipe >= 0) {
        if (job->room - job->size < CHUNK_SIZE) {
            job->room = job->room * 2 + CHUNK_SIZE;
            uint8_t *grown = realloc(job->bytes, job->room);
            check(grown != NULL);
            job->bytes = grown;
        }
        ssize_t size = read(job->pipe, job->bytes + job->size, CHUNK_SIZE);
        if (size > 0) {
            job->size += (size_t)size;
            continue;
        }
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && errno == EAGAIN)
            return;
        close(job->pipe);
        job->pipe = -1;
    }
}

static void say_death(const struct job *job, int status, char error[static RUN_ERROR_SIZE])
{
    char limit[FIELD_TEXT_SIZE];
    if (job->killed)
        snprintf(error, RUN_ERROR_SIZE, "the run was still going on after %s, and was killed",
                 field_render_duration(job->task.limit_ns, limit));
    else if (WIFSIGNALED(status))
        snprintf(error, RUN_ERROR_SIZE, "the run's process was ended by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    else
        snprintf(error, RUN_ERROR_SIZE, "the run's process ended with status %d and no result",
                 WEXITSTATUS(status));
}

/* Whether a run says more of the machine than of what ran on it. */
static bool is_none(const struct job *job)
{
    const struct run *run = &job->outcome.run;
    return job->task.network->real && !job->again && !job->task.request.keep && job->outcome.made &&
           run->late_ns >= CREW_LATE_NS && !judge_is_right(job->task.request.scenario, run);
}

static void put_back(struct crew *crew, struct job *job)
{
    run_free(&job->outcome.run);
    job->outcome = (struct run_outcome){.made = false};
    job->size = job->room = 0;
    job->state = JOB_AGAIN;
    job->again = true;
    crew->again++;
    if (job->trace != NULL)
        fclose(job->trace);
    job->trace = NULL;
}

/* The child has ended. What it wrote counts if it is whole, however it ended. */
static void reap(struct crew *crew, struct job *job)
{
    int status = 0;
    check(job->state == JOB_RUNNING);
    while (waitpid(job->child, &status, 0) < 0 && errno == EINTR)
        ;
    drain(job);
    if (job->pipe >= 0) /* something that it has left behind holds the other end */
        close(job->pipe);
    close(job->ended);
    if (!run_copy_unpack(job->bytes, job->size, job->task.request.scenario, &job->outcome))
        say_death(job, status, job->outcome.error);
    free(job->bytes);
    job->bytes = NULL;
    crew->running--;
    crew->running_real -= job->task.network->real;
    crew->running_again -= job->again;
    crew->places -= weight(job);
    if (is_none(job))
        put_back(crew, job);
    else
        finish(crew, job);
}

static void kill_all(struct crew *crew)
{
    for (uint32_t i = 0; i < crew->begun; i++)
        if (crew->jobs[i].state == JOB_RUNNING)
            kill(crew->jobs[i].child, SIGKILL);
    for (uint32_t i = 0; i < crew->begun; i++)
        if (crew->jobs[i].state == JOB_RUNNING)
            reap(crew, &crew->jobs[i]);
    check(crew->running == 0);
}

static void tick(struct crew *crew, uint64_t at_ns)
{
    if (crew->config.tick == NULL || at_ns - crew->ticked_ns < SECOND_NS)
        return;
    const struct crew_progress progress = {.done = crew->done,
                                           .running = crew->running,
                                           .total = crew->job_count,
                                           .elapsed_ns = at_ns - crew->started_ns};
    crew->ticked_ns = at_ns;
    crew->config.tick(crew->config.context, &progress);
}

/* Until something has happened, a run is overdue, a signal has come, or a second has passed. */
static void wait_for_any(struct crew *crew)
{
    uint64_t from_ns = clock_monotonic_ns(), wait_ns = SECOND_NS;
    nfds_t count = 0;
    for (uint32_t i = crew->taken; i < crew->begun; i++) {
        const struct job *job = &crew->jobs[i];
        if (job->state != JOB_RUNNING)
            continue;
        uint64_t left_ns = job->deadline_ns > from_ns ? job->deadline_ns - from_ns : 0;
        if (!job->killed && left_ns < wait_ns)
            wait_ns = left_ns;
        crew->polls[count++] = (struct pollfd){.fd = job->ended, .events = POLLIN};
        crew->polls[count++] = (struct pollfd){.fd = job->pipe, .events = POLLIN};
    }
    check(count <= (nfds_t)crew->config.jobs * DESCRIPTORS_EACH);
    const struct timespec wait = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
                                  .tv_nsec = (long)(wait_ns % SECOND_NS)};
    if (ppoll(crew->polls, count, &wait, &crew->mask) <= 0)
        count = 0;
    nfds_t at = 0;
    for (uint32_t i = crew->taken; i < crew->begun; i++) {
        struct job *job = &crew->jobs[i];
        if (job->state != JOB_RUNNING)
            continue;
        bool ended = at < count && crew->polls[at].revents != 0;
        bool said = at < count && crew->polls[at + 1].revents != 0;
        at += DESCRIPTORS_EACH;
        if (said)
            drain(job);
        if (ended) {
            reap(crew, job);
        } else if (!job->killed && clock_monotonic_ns() >= job->deadline_ns) {
            job->killed = true;
            kill(job->child, SIGKILL);
        }
    }
}

/* The child's trace goes where it belongs. */
static void copy_trace(struct job *job)
{
    static char chunk[CHUNK_SIZE];
    size_t size;
    if (job->trace == NULL)
        return;
    rewind(job->trace);
    while ((size = fread(chunk, 1, sizeof chunk, job->trace)) > 0)
        fwrite(chunk, 1, size, job->task.request.trace);
    fclose(job->trace);
    job->trace = NULL;
}

bool crew_take(struct crew *crew, struct run_outcome *outcome)
{
    check(crew->taken < crew->job_count);
    for (;;) {
        start_more(crew);
        if (crew->jobs[crew->taken].state == JOB_DONE)
            break;
        tick(crew, clock_monotonic_ns());
        wait_for_any(crew);
        if (interrupted != 0) {
            kill_all(crew);
            return false;
        }
    }
    struct job *job = &crew->jobs[crew->taken++];
    job->state = JOB_TAKEN;
    copy_trace(job);
    *outcome = job->outcome;
    free(job->label);
    job->label = NULL;
    return true;
}

uint32_t crew_again(const struct crew *crew)
{
    return crew->again;
}

void crew_free(struct crew *crew)
{
    kill_all(crew);
    for (uint32_t i = crew->taken; i < crew->job_count; i++) {
        struct job *job = &crew->jobs[i];
        run_free(&job->outcome.run);
        free(job->label);
        if (job->trace != NULL)
            fclose(job->trace);
    }
    sigaction(SIGINT, &crew->old_int, NULL);
    sigaction(SIGTERM, &crew->old_term, NULL);
    sigprocmask(SIG_SETMASK, &crew->mask, NULL);
    free(crew->jobs);
    free(crew->polls);
    free(crew);
}
