/*
 * Runs a scenario in real time: programs in namespaces act on the stage, and its world and timeline
 * follow the kernel's clock.
 */
#include "scenarios/runner/on_real.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "daemon/clock.h"
#include "scenarios/runner/mesh.h"

#define SECOND_NS UINT64_C(1000000000)
/* How often it is looked whether the run is over. */
#define LOOK_NS (SECOND_NS / 10)
/* Scheduling, and how long a program takes that has to share the processor with many others. */
#define SLACK_NS (SECOND_NS / 2)

enum { READY_S = 20, FOLDER_MODE = 0700, SETTLE_NS = 50000000 };

/* The run has failed; the first sentence stays. */
static void fail(struct real *real, const char *why)
{
    if (!real->failed)
        snprintf(real->error, sizeof real->error, "%s", why);
    real->failed = true;
    ev_break(real->loop, EVBREAK_ALL);
}

/* ---- Time ---- */

/* Something was due then, and it is done now. */
static void measure(struct real *real, uint64_t due_ns, uint64_t now_ns)
{
    struct run *run = real->stage.run;
    if (now_ns > due_ns && now_ns - due_ns > run->late_ns)
        run->late_ns = now_ns - due_ns;
}

static void flush(struct real *real)
{
    if (real->network->flush != NULL)
        real->network->flush(real);
}

void real_catch_up(struct real *real)
{
    if (!real->moving)
        return;
    uint64_t now_ns = clock_monotonic_ns() - real->begun_ns;
    if (now_ns > real->end_ns)
        now_ns = real->end_ns;
    measure(real, net_next(real->stage.net), now_ns);
    if (now_ns > net_now(real->stage.net))
        net_run_until(real->stage.net, now_ns);
    flush(real);
}

/* The timer fires at the world's next event, or when it is time to look whether all is over. */
static void arm(struct ev_loop *loop, ev_prepare *watcher, int events)
{
    struct real *real = watcher->data;
    (void)loop;
    (void)events;
    if (!real->moving)
        return;
    uint64_t at_ns = net_next(real->stage.net);
    if (real->look_ns < at_ns)
        at_ns = real->look_ns;
    if (real->end_ns < at_ns)
        at_ns = real->end_ns;
    at_ns += real->begun_ns;
    struct itimerspec when = {
        .it_value = {.tv_sec = (time_t)(at_ns / SECOND_NS), .tv_nsec = (long)(at_ns % SECOND_NS)}};
    if (timerfd_settime(real->clock_fd, TFD_TIMER_ABSTIME, &when, NULL) != 0)
        fail(real, "the clock's timer cannot be set");
}

/* Without a mesh there is nothing to wait for but what clients find. */
static bool has_found_all(const struct real *real)
{
    const struct plan_scenario *scenario = real->stage.scenario;
    uint32_t asked = 0;
    for (uint32_t i = 0; i < scenario->action_count; i++)
        asked += scenario->actions[i].kind == PLAN_CLASSIFY ? 1 : 0;
    return asked > 0 && real->stage.run->finding_count >= asked;
}

static bool is_over(const struct real *real)
{
    if (real->guests != NULL)
        return guests_are_over(real->guests);
    return real->stage.keys == NULL ? has_found_all(real) : stage_is_over(&real->stage);
}

static void on_clock(struct ev_loop *loop, ev_io *watcher, int events)
{
    struct real *real = watcher->data;
    uint64_t times;
    (void)events;
    if (read(real->clock_fd, &times, sizeof times) < 0 && errno != EAGAIN)
        fail(real, "the clock's timer cannot be read");
    real_catch_up(real);
    uint64_t now_ns = net_now(real->stage.net);
    measure(real, real->look_ns, now_ns);
    if (now_ns >= real->look_ns) {
        real->look_ns = now_ns + LOOK_NS;
        if (is_over(real))
            ev_break(loop, EVBREAK_ALL);
    }
    if (now_ns >= real->end_ns)
        ev_break(loop, EVBREAK_ALL);
}

/* ---- What the stage says to programs ---- */

static void connect_to(struct stage *stage, uint32_t from, uint32_t to)
{
    struct real *real = (struct real *)stage;
    char error[SPACE_ERROR_SIZE];
    if (real->guests != NULL ? !guests_connect(real->guests, from, to, error)
                             : !programs_connect(real->programs, from, to, error))
        fail(real, error);
}

static void send_numbered(struct stage *stage, const struct numbered *numbered, uint32_t size)
{
    struct real *real = (struct real *)stage;
    /* The probe of another mesh sends by itself; a connect's packet stands for its first one. */
    if (real->guests != NULL)
        real->first = *numbered;
    else
        programs_send(real->programs, numbered, size);
}

static void classify(struct stage *stage, const struct plan_action *action)
{
    struct real *real = (struct real *)stage;
    char error[SPACE_ERROR_SIZE];
    if (!programs_classify(real->programs, action, error))
        fail(real, error);
}

static void fault(struct stage *stage, const struct net_fault *fault)
{
    struct real *real = (struct real *)stage;
    char error[SPACE_ERROR_SIZE];
    uint32_t place = stage->clients[fault->place];
    flush(real);
    switch (fault->kind) {
    case NET_FAULT_CRASH:
        programs_crash(real->programs, place);
        return;
    case NET_FAULT_RESTART:
        programs_crash(real->programs, place);
        if (!programs_start(real->programs, place, error))
            fail(real, error);
        return;
    case NET_FAULT_SUSPEND:
        programs_suspend(real->programs, place);
        return;
    case NET_FAULT_RESUME:
        programs_resume(real->programs, place);
        return;
    default:
        if (!real->network->fault(real, fault, error))
            fail(real, error);
    }
}

/* ---- What programs say to the stage ---- */

/* Something is about to be said: all that has moved so far was before it. */
static void hear(struct real *real)
{
    real_catch_up(real);
    if (real->moving && real->network->look != NULL)
        real->network->look(real);
}

static void on_home(void *context, uint32_t place, const struct addr *server,
                    const struct addr *mapped)
{
    struct real *real = context;
    hear(real);
    if (real->stage.keys != NULL)
        stage_saw_home(&real->stage, place, server, mapped);
}

static void on_path(void *context, uint32_t place, uint32_t peer, enum node_path path,
                    enum reason reason)
{
    struct real *real = context;
    hear(real);
    if (real->stage.keys != NULL)
        stage_saw_path(&real->stage, place, peer, path, reason);
}

static void on_arrived(void *context, uint32_t place, const struct numbered *numbered)
{
    struct real *real = context;
    hear(real);
    stage_saw_packet(&real->stage, place, numbered);
}

static void on_behaviour(void *context, uint32_t place, const struct stun_behaviour *behaviour)
{
    struct real *real = context;
    hear(real);
    stage_saw_behaviour(&real->stage, place, behaviour);
}

static void on_guest_path(void *context, uint32_t place, uint32_t peer, enum node_path path)
{
    on_path(context, place, peer, path, REASON_NONE);
}

static void on_guest_arrived(void *context, uint32_t place, uint32_t peer)
{
    struct real *real = context;
    check(real->first.from == place && real->first.to == peer);
    on_arrived(context, peer, &real->first);
}

static void see_guests(struct stage *stage, const struct net_event *event)
{
    struct real *real = (struct real *)stage;
    guests_see(real->guests, event);
}

static void on_failed(void *context, const char *why)
{
    fail(context, why);
}

/* ---- A run ---- */

static bool start_guests(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    const struct guests_config config = {
        .loop = real->loop,
        .scenario = real->stage.scenario,
        .net = real->stage.net,
        .places = real->stage.places,
        .hosts = real->hosts,
        .folder = REAL_FOLDER,
        .events = {.context = real,
                   .path = on_guest_path,
                   .arrived = on_guest_arrived,
                   .failed = on_failed},
    };
    real->guests = guests_new(&config, error);
    return real->guests != NULL;
}

static bool start_daemons(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    const struct plan_scenario *scenario = real->stage.scenario;
    static const uint8_t order[] = {PLAN_SERVER, PLAN_CLIENT};
    char binaries[RUN_PATH_SIZE];
    if (!real_find_binaries(binaries, error))
        return false;
    struct programs_config config = {
        .loop = real->loop,
        .scenario = scenario,
        .net = real->stage.net,
        .places = real->stage.places,
        .hosts = real->hosts,
        .binaries = binaries,
        .folder = REAL_FOLDER,
        .events = {.context = real,
                   .home = on_home,
                   .path = on_path,
                   .arrived = on_arrived,
                   .behaviour = on_behaviour,
                   .failed = on_failed},
    };
    real->programs = programs_new(&config, error);
    if (real->programs == NULL)
        return false;
    /* Clients of a scenario that is no mesh only ask STUN servers. */
    bool mesh = plan_is_mesh(scenario);
    for (uint32_t k = 0; k < sizeof order; k++)
        for (uint32_t i = 0; i < scenario->place_count; i++)
            if (scenario->places[i].kind == order[k] && (mesh || order[k] == PLAN_SERVER) &&
                !programs_start(real->programs, i, error))
                return false;
    return true;
}

static bool are_ready(const struct real *real)
{
    return real->guests != NULL ? guests_ready(real->guests) : programs_ready(real->programs);
}

static bool start_programs(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    bool other = real->stage.scenario->program[0] != 0;
    if (other ? !start_guests(real, error) : !start_daemons(real, error))
        return false;
    for (uint64_t from_ns = clock_monotonic_ns(); !real->failed && !are_ready(real);) {
        ev_run(real->loop, EVRUN_ONCE);
        if (clock_monotonic_ns() - from_ns > READY_S * SECOND_NS)
            fail(real, "the daemons were not ready within 20 seconds");
    }
    snprintf(error, SPACE_ERROR_SIZE, "%s", real->error);
    return !real->failed;
}

/* A timer that keeps the loop turning while it waits for daemons. */
static void on_tick(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
}

static void play(struct real *real)
{
    struct stage *stage = &real->stage;
    ev_prepare prepare;
    ev_prepare_init(&prepare, arm);
    prepare.data = real;
    ev_prepare_start(real->loop, &prepare);
    real->end_ns = stage->scenario->duration_ns;
    if (stage->request->longest_ns != 0 && stage->request->longest_ns < real->end_ns)
        real->end_ns = stage->request->longest_ns;
    if (real->guests == NULL && !stage_may_end(stage, &real->look_ns))
        real->look_ns = stage->keys == NULL ? 0 : UINT64_MAX;
    real->begun_ns = clock_monotonic_ns();
    real->moving = true;
    real->network->begin(real);
    ev_run(real->loop, 0);
    if (real->guests != NULL)
        guests_conclude(real->guests);
    real->moving = false;
    ev_prepare_stop(real->loop, &prepare);
}

/* Each of Warren's own; guests go on. */
static void for_daemons(struct real *real, void (*act)(struct programs *programs, uint32_t place))
{
    const struct plan_scenario *scenario = real->stage.scenario;
    for (uint32_t i = 0; real->programs != NULL && i < scenario->place_count; i++)
        if (plan_is_node(&scenario->places[i]))
            act(real->programs, i);
}

/* What was seen is held against what the network itself knows, while nothing moves. */
static void settle(struct real *real)
{
    const struct timespec pause = {.tv_nsec = SETTLE_NS};
    char error[SPACE_ERROR_SIZE];
    if (real->failed || real->network->settle == NULL)
        return;
    for_daemons(real, programs_suspend);
    nanosleep(&pause, NULL);
    if (!real->network->settle(real, error))
        fail(real, error);
    for_daemons(real, programs_resume);
}

void real_begin(struct real *real, const struct run_request *request,
                const struct real_network *network, struct run *run)
{
    const struct plan_scenario *scenario = request->scenario;
    *real = (struct real){
        .stage = {.request = request, .scenario = scenario, .run = run, .real = &real->hooks},
        .network = network,
        .hooks = {.connect = connect_to,
                  .send = send_numbered,
                  .classify = classify,
                  .fault = fault,
                  .see = scenario->program[0] != 0 ? see_guests : NULL},
    };
    if (network->gate != NULL) {
        real->gate = *network->gate;
        real->gate.context = real;
        real->hooks.gate = &real->gate;
    }
    struct net_config config = {
        .crypto = &crypto_real, .observe = stage_see, .context = &real->stage};
    net_seed(config.seed, request->seed);
    mesh_set_clock((uint64_t)time(NULL));
    stage_begin(&real->stage, &config);
    real->loop = ev_default_loop(EVFLAG_AUTO); /* it alone watches children */
    real->hosts = malloc((scenario->place_count + 1) * sizeof *real->hosts);
    real->clock_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    check(real->loop != NULL && real->hosts != NULL && real->clock_fd >= 0);
    for (uint32_t i = 0; i < scenario->place_count; i++)
        real->hosts[i] = -1;
}

bool real_run(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    const struct run_request *request = real->stage.request;
    struct run *run = real->stage.run;
    ev_timer tick;
    ev_timer_init(&tick, on_tick, 0.01, 0.01);
    ev_io_init(&real->clock_io, on_clock, real->clock_fd, EV_READ);
    real->clock_io.data = real;
    ev_io_start(real->loop, &real->clock_io);
    stage_build(&real->stage);
    if (mkdir(REAL_FOLDER, FOLDER_MODE) != 0 && errno != EEXIST) {
        snprintf(error, SPACE_ERROR_SIZE, "%s: %s", REAL_FOLDER, strerror(errno));
        return false;
    }
    if (!real->network->build(real, error))
        return false;
    /* Homes are found before the clock runs. */
    stage_schedule(&real->stage);
    stage_count_quiet(&real->stage);
    ev_timer_start(real->loop, &tick);
    bool ready = start_programs(real, error);
    ev_timer_stop(real->loop, &tick);
    /* Where the world carries no packets, whoever sees them captures them. */
    bool captures = request->pcap_dir != NULL && real->network->gate != NULL;
    if (!ready || (captures && !stage_capture(&real->stage, error)))
        return false;
    play(real);
    settle(real);
    run->slack_ns = SLACK_NS;
    run->end_ns = net_now(real->stage.net);
    run->packets = net_counts(real->stage.net)->sent;
    run->events = net_events(real->stage.net);
    snprintf(error, SPACE_ERROR_SIZE, "%s", real->error);
    return !real->failed;
}

void real_end_programs(struct real *real)
{
    guests_free(real->guests);
    if (real->programs != NULL)
        programs_free(real->programs);
}
