/* Runs by child processes, on networks that do what the seed says: order, death, limits, signals. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "scenarios/runner/crew.h"

#define MS UINT64_C(1000000)
#define MINUTE_NS UINT64_C(60000000000)

static struct plan_place places[1];
static const struct plan_scenario scenario = {.places = places, .place_count = 1};

/* What the children of one test share with it. */
struct shared {
    pid_t child[64]; /* by seed */
    int running;
    int most;
    int begun;
    uint64_t order[64]; /* seeds, as they began */
    int times;          /* that SEED_LATE was run */
    int beside;         /* runs, itself included, when it was run last */
};
static struct shared *shared;

enum {
    SEED_CRASH = 10,
    SEED_EXIT,
    SEED_HANG,
    SEED_UNMADE,
    SEED_MUCH,
    SEED_TRACE,
    SEED_ORPHAN,
    SEED_LATE
};

static void sleep_ms(uint32_t ms)
{
    const struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    nanosleep(&wait, NULL);
}

/* Whether a process has ended, though perhaps nobody has asked for its status yet. */
static bool is_dead(pid_t process)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)process);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return true;
    bool read = fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    fclose(file);
    return !read || state == 'Z';
}

/* Waits up to ten seconds for a process that is not ours. */
static bool is_gone(pid_t process)
{
    for (uint32_t i = 0; i < 1000; i++) {
        if (is_dead(process))
            return true;
        sleep_ms(10);
    }
    return false;
}

/* How late SEED_LATE is, and how often it is wrong before it is right. */
static uint64_t late_ns;
static int wrong_times;

static bool make_run(const struct run_request *request, struct run *run,
                     char error[static RUN_ERROR_SIZE])
{
    uint64_t seed = request->seed;
    *run = (struct run){.digest = seed};
    shared->child[seed] = getpid();
    shared->order[__atomic_fetch_add(&shared->begun, 1, __ATOMIC_SEQ_CST)] = seed;
    int running = __atomic_add_fetch(&shared->running, 1, __ATOMIC_SEQ_CST);
    if (running > shared->most)
        shared->most = running;
    if (seed == SEED_CRASH)
        raise(SIGKILL);
    if (seed == SEED_EXIT)
        _exit(3);
    if (seed == SEED_HANG)
        for (;;)
            pause();
    if (seed == SEED_TRACE)
        fputs("what it traced\n", request->trace);
    for (uint32_t i = 0; seed == SEED_MUCH && i < 100000; i++)
        run_add_event(run, &(struct run_event){.at_ns = i});
    /* Something that holds the pipe open after its run has ended. */
    if (seed == SEED_ORPHAN && fork() == 0) {
        shared->child[0] = getpid();
        for (;;)
            pause();
    }
    /* Wrong at first, for which a storm stands. */
    if (seed == SEED_LATE) {
        run->late_ns = late_ns;
        run->stormed = shared->times++ < wrong_times;
        shared->beside = running;
    }
    sleep_ms(seed < 10 ? 50 - 5 * (uint32_t)seed : 0); /* the first takes longest */
    __atomic_sub_fetch(&shared->running, 1, __ATOMIC_SEQ_CST);
    snprintf(error, RUN_ERROR_SIZE, "no network for %s", request->label);
    return seed != SEED_UNMADE;
}

static const struct run_network real = {.name = "real", .run = make_run, .real = true};
static const struct run_network computed = {.name = "computed", .run = make_run};

static int set_up(void **state)
{
    (void)state;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return shared == MAP_FAILED ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return munmap(shared, sizeof *shared);
}

static struct crew *crew_of(uint32_t jobs)
{
    return crew_new(&(struct crew_config){.jobs = jobs});
}

static void add(struct crew *crew, const struct run_network *network, uint64_t seed, FILE *trace,
                uint64_t limit_ns)
{
    char label[16];
    snprintf(label, sizeof label, "run-%u", (unsigned)seed);
    crew_add(crew,
             &(struct crew_task){
                 .network = network,
                 .request = {.scenario = &scenario, .seed = seed, .label = label, .trace = trace},
                 .limit_ns = limit_ns});
    memset(label, 'x', sizeof label); /* it was copied */
}

static void test_order(void **state)
{
    struct crew *crew = crew_of(3);
    (void)state;
    for (uint64_t seed = 1; seed < 9; seed++)
        add(crew, &real, seed, NULL, MINUTE_NS);
    for (uint64_t seed = 1; seed < 9; seed++) {
        struct run_outcome outcome;
        assert_true(crew_take(crew, &outcome));
        assert_true(outcome.made);
        assert_int_equal(outcome.run.digest, seed);
        run_free(&outcome.run);
    }
    crew_free(crew);
    assert_int_equal(shared->begun, 8);
    assert_in_range(shared->most, 1, 3);
}

/* One child at a time is begun in order; what is not taken yet costs nothing but memory. */
static void test_one_at_a_time(void **state)
{
    struct crew *crew = crew_of(1);
    struct run_outcome outcome;
    (void)state;
    for (uint64_t seed = 1; seed < 5; seed++)
        add(crew, &real, seed, NULL, MINUTE_NS);
    for (uint64_t seed = 1; seed < 5; seed++)
        assert_true(crew_take(crew, &outcome));
    crew_free(crew);
    assert_int_equal(shared->most, 1);
    for (uint64_t seed = 1; seed < 5; seed++)
        assert_int_equal(shared->order[seed - 1], seed);
}

/* Runs in real time do not begin while something computes. */
static void test_computed_first(void **state)
{
    struct crew *crew = crew_of(8);
    struct run_outcome outcome;
    (void)state;
    for (uint64_t seed = 1; seed < 4; seed++)
        add(crew, &computed, seed, NULL, MINUTE_NS);
    for (uint64_t seed = 4; seed < 7; seed++)
        add(crew, &real, seed, NULL, MINUTE_NS);
    for (uint64_t seed = 1; seed < 7; seed++) {
        assert_true(crew_take(crew, &outcome));
        assert_int_equal(outcome.run.digest, seed);
    }
    crew_free(crew);
    for (uint32_t i = 0; i < 3; i++)
        assert_in_range(shared->order[i], 1, 3);
}

/* What was late and wrong is made again, with nothing else beside it, and once; no other is. */
static void test_late(void **state)
{
    static const struct {
        const struct run_network *network;
        uint64_t late_ns;
        int wrong_times;
        int times; /* that it is made */
        bool stormed;
        bool keep;
    } cases[] = {
        {&real, CREW_LATE_NS, 1, 2, false, false},    {&real, CREW_LATE_NS, 2, 2, true, false},
        {&real, CREW_LATE_NS - 1, 1, 1, true, false}, {&real, CREW_LATE_NS, 0, 1, false, false},
        {&real, CREW_LATE_NS, 1, 1, true, true},      {&computed, CREW_LATE_NS, 1, 1, true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct crew *crew = crew_of(4);
        memset(shared, 0, sizeof *shared);
        late_ns = cases[i].late_ns;
        wrong_times = cases[i].wrong_times;
        for (uint64_t seed = 1; seed < 4; seed++)
            add(crew, cases[i].network, seed, NULL, MINUTE_NS);
        crew_add(crew, &(struct crew_task){.network = cases[i].network,
                                           .request = {.scenario = &scenario,
                                                       .seed = SEED_LATE,
                                                       .label = "late",
                                                       .keep = cases[i].keep},
                                           .limit_ns = MINUTE_NS});
        for (uint64_t seed = 4; seed < 8; seed++)
            add(crew, cases[i].network, seed, NULL, MINUTE_NS);
        for (uint64_t n = 1; n < 9; n++) {
            struct run_outcome outcome;
            assert_true(crew_take(crew, &outcome));
            assert_true(outcome.made);
            assert_int_equal(outcome.run.digest, n < 4 ? n : n == 4 ? SEED_LATE : n - 1);
            assert_int_equal(outcome.run.stormed, n == 4 && cases[i].stormed);
            run_free(&outcome.run);
        }
        assert_int_equal(crew_again(crew), cases[i].times - 1);
        crew_free(crew);
        assert_int_equal(shared->times, cases[i].times);
        if (cases[i].times > 1)
            assert_int_equal(shared->beside, 1);
    }
}

static void test_what_can_happen(void **state)
{
    static const struct {
        uint64_t seed;
        uint64_t limit_ns;
        const char *error; /* NULL: it is made */
        uint32_t events;
    } cases[] = {
        {SEED_CRASH, MINUTE_NS, "the run's process was ended by signal 9 (Killed)", 0},
        {SEED_EXIT, MINUTE_NS, "the run's process ended with status 3 and no result", 0},
        {SEED_HANG, 200 * MS, "the run was still going on after 200ms, and was killed", 0},
        {SEED_UNMADE, MINUTE_NS, "no network for run-13", 0},
        {SEED_MUCH, MINUTE_NS, NULL, 100000},
        {SEED_ORPHAN, MINUTE_NS, NULL, 0},
        {1, MINUTE_NS, NULL, 0},
    };
    enum { CASES = sizeof cases / sizeof *cases };
    struct crew *crew = crew_of(2);
    (void)state;
    for (size_t i = 0; i < CASES; i++)
        add(crew, &real, cases[i].seed, NULL, cases[i].limit_ns);
    for (size_t i = 0; i < CASES; i++) {
        struct run_outcome outcome;
        assert_true(crew_take(crew, &outcome));
        assert_int_equal(outcome.made, cases[i].error == NULL);
        if (cases[i].error != NULL)
            assert_string_equal(outcome.error, cases[i].error);
        assert_int_equal(outcome.run.event_count, cases[i].events);
        run_free(&outcome.run);
    }
    crew_free(crew);
    assert_true(is_gone(shared->child[SEED_HANG]));
    kill(shared->child[0], SIGKILL);
}

static void test_trace(void **state)
{
    char *text = NULL;
    size_t size;
    struct run_outcome outcome;
    FILE *trace = open_memstream(&text, &size);
    (void)state;
    assert_non_null(trace);
    struct crew *crew = crew_of(2);
    add(crew, &real, SEED_TRACE, trace, MINUTE_NS);
    add(crew, &real, 1, trace, MINUTE_NS);
    fputs("before\n", trace);
    assert_true(crew_take(crew, &outcome));
    assert_true(crew_take(crew, &outcome));
    fputs("after\n", trace);
    fclose(trace);
    crew_free(crew);
    assert_string_equal(text, "before\nwhat it traced\nafter\n");
    free(text);
}

static void test_freed_early(void **state)
{
    struct crew *crew = crew_of(2);
    struct run_outcome outcome;
    (void)state;
    add(crew, &real, 9, NULL, MINUTE_NS);
    add(crew, &real, SEED_HANG, NULL, MINUTE_NS);
    add(crew, &real, 1, NULL, MINUTE_NS);
    assert_true(crew_take(crew, &outcome));
    while (shared->child[SEED_HANG] == 0)
        sleep_ms(1);
    crew_free(crew);
    assert_true(is_gone(shared->child[SEED_HANG]));
}

static uint32_t ticks;
static void on_tick(void *context, const struct crew_progress *progress)
{
    assert_ptr_equal(context, &ticks);
    assert_int_equal(progress->total, 1);
    assert_in_range(progress->done + progress->running, 0, 1);
    ticks++;
}

static void test_progress(void **state)
{
    struct crew *crew =
        crew_new(&(struct crew_config){.jobs = 1, .tick = on_tick, .context = &ticks});
    struct run_outcome outcome;
    (void)state;
    add(crew, &real, 1, NULL, MINUTE_NS);
    assert_true(crew_take(crew, &outcome));
    crew_free(crew);
    assert_int_not_equal(ticks, 0);
}

/* A maker with one child that hangs: it exits with 7 when it is told of a signal. */
static pid_t start_maker(void)
{
    pid_t maker = fork();
    assert_true(maker >= 0);
    if (maker == 0) {
        struct run_outcome outcome;
        struct crew *crew = crew_of(1);
        add(crew, &real, SEED_HANG, NULL, MINUTE_NS);
        bool taken = crew_take(crew, &outcome);
        crew_free(crew);
        _exit(taken ? 0 : 7);
    }
    while (shared->child[SEED_HANG] == 0)
        sleep_ms(1);
    return maker;
}

static void test_signals(void **state)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGKILL};
    (void)state;
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        int status;
        shared->child[SEED_HANG] = 0;
        pid_t maker = start_maker();
        assert_int_equal(kill(maker, signals[i]), 0);
        assert_int_equal(waitpid(maker, &status, 0), maker);
        if (signals[i] == SIGKILL)
            assert_true(WIFSIGNALED(status));
        else
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
        assert_true(is_gone(shared->child[SEED_HANG]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_computed_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_late, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_can_happen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_trace, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_freed_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_progress, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_signals, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
