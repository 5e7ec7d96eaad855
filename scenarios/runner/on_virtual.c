/*
 * Runs a scenario in virtual time: the core's nodes on the stage, a tape for each, and captures,
 * until nothing more can happen.
 */
#include "scenarios/runner/on_virtual.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/memo.h"

/* ---- Files ---- */

static bool write_tape(void *host, const uint8_t *bytes, size_t size)
{
    return fwrite(bytes, 1, size, host) == size;
}

/* A tape holds secrets: nobody else may read it. */
static bool open_tape(struct stage *stage, uint32_t place, char *error)
{
    char path[RUN_PATH_SIZE];
    uint8_t seed[RANDOM_SEED_SIZE];
    const struct plan_place *at = &stage->scenario->places[place];
    struct reel *reel = &stage->reels[place];
    int size = snprintf(path, sizeof path, "%s/%s-%s.tape", stage->request->tape_dir,
                        stage->request->label, at->name);
    int file =
        size < (int)sizeof path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600) : -1;
    reel->file = file >= 0 ? fdopen(file, "wb") : NULL;
    if (reel->file == NULL) {
        snprintf(error, RUN_ERROR_SIZE, "%.300s: cannot be written: %s", path, strerror(errno));
        return false;
    }
    net_node_seed(stage->net, stage->places[place], seed);
    tape_start(&reel->tape, write_tape, reel->file,
               at->kind == PLAN_SERVER ? &node_limits_server : &node_limits_client, seed);
    net_drive(stage->net, stage->places[place])->tape = &reel->tape;
    return true;
}

static bool open_files(struct stage *stage, char *error)
{
    const struct run_request *request = stage->request;
    for (uint32_t i = 0; i < stage->scenario->place_count; i++) {
        bool node = plan_is_node(&stage->scenario->places[i]);
        if (request->tape_dir != NULL && node && !open_tape(stage, i, error))
            return false;
    }
    return request->pcap_dir == NULL || stage_capture(stage, error);
}

/* A tape of a process that has crashed has no end, since its digest ended with it. */
static bool close_tapes(struct stage *stage, char *error)
{
    bool kept = true;
    for (uint32_t i = 0; i < stage->scenario->place_count; i++) {
        struct reel *reel = &stage->reels[i];
        if (reel->file == NULL)
            continue;
        struct drive *drive = net_node(stage->net, stage->places[i]) != NULL
                                  ? net_drive(stage->net, stage->places[i])
                                  : NULL;
        if (drive != NULL && drive->tape == &reel->tape) {
            tape_end(&reel->tape, drive->outputs, drive_digest(drive));
            drive->tape = NULL;
        }
        if (fclose(reel->file) != 0 || reel->tape.failed) {
            snprintf(error, RUN_ERROR_SIZE, "the tape of %s could not be written",
                     stage->scenario->places[i].name);
            kept = false;
        }
    }
    return kept;
}

/* ---- Time ---- */

/*
 * No run of a scenario needs more events than this. A hundred for each datagram that the script
 * sends is several times what a relayed one costs; bulk data is as much as links let pass.
 */
static uint64_t events_max(const struct plan_scenario *scenario)
{
    static const uint64_t second_ns = 1000000000, bulk_events = 1000000;
    uint64_t most = RUN_EVENTS_MAX;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        most += action->kind == PLAN_BULK ? (action->lasts_ns / second_ns + 1) * bulk_events
                                          : 100 * (uint64_t)action->count;
    }
    return most;
}

static void run_until(struct stage *stage, uint64_t until_ns)
{
    const struct virtual_network *network = stage->network;
    if (network->run_until != NULL)
        network->run_until(stage, until_ns);
    else
        net_run_until(stage->net, until_ns);
}

/* Only the simulator knows that nothing is left to happen. */
static void run_idle(struct stage *stage, uint64_t limit_ns)
{
    if (stage->network->run_until != NULL)
        run_until(stage, limit_ns);
    else
        net_run_idle(stage->net, limit_ns);
}

/* A mesh never falls silent; it runs on until its paths have been the same for a while. */
static void play(struct stage *stage)
{
    static const uint64_t step_ns = 100000000;
    uint64_t end_ns = stage->scenario->duration_ns, last_ns;
    if (!stage_may_end(stage, &last_ns)) {
        run_idle(stage, end_ns);
        return;
    }
    bool over = false;
    uint64_t now_ns = last_ns < end_ns ? last_ns : end_ns;
    for (run_until(stage, now_ns); now_ns < end_ns && !over && !net_is_spent(stage->net);) {
        now_ns = end_ns - now_ns < step_ns ? end_ns : now_ns + step_ns;
        run_until(stage, now_ns);
        over = stage_is_over(stage);
    }
}

/* ---- A run ---- */

static void run_stage(struct stage *stage)
{
    const struct virtual_network *network = stage->network;
    struct run *run = stage->run;
    if (network->build != NULL)
        network->build(stage);
    stage_schedule(stage);
    stage_count_quiet(stage);
    play(stage);
    run->digest = net_digest(stage->net);
    run->end_ns = net_now(stage->net);
    run->packets = net_counts(stage->net)->sent;
    run->events = net_events(stage->net);
    run->stormed = net_is_spent(stage->net);
    run->slack_ns = network->slack_ns;
}

bool run_on_virtual(const struct run_request *request, const struct virtual_network *network,
                    void *state, struct run *run, char error[static RUN_ERROR_SIZE])
{
    static const struct virtual_network simulator = {.slack_ns = 0};
    struct stage stage = {.request = request,
                          .scenario = request->scenario,
                          .run = run,
                          .network = network != NULL ? network : &simulator,
                          .virtual_state = state};
    struct net_config config = {
        .crypto = memo_crypto(),
        .digesting = true,
        .tracing = request->trace != NULL && request->detail == RUN_DETAIL_HOPS,
        .events_max =
            request->events_max != 0 ? request->events_max : events_max(request->scenario),
        .observe = stage_see,
        .context = &stage,
    };
    net_seed(config.seed, request->seed);
    if (stage.network->configure != NULL)
        stage.network->configure(state, &config);
    stage_begin(&stage, &config);
    stage.reels = calloc(request->scenario->place_count + 1, sizeof *stage.reels);
    check(stage.reels != NULL);
    stage_build(&stage);
    bool done = open_files(&stage, error);
    if (done)
        run_stage(&stage);
    done = close_tapes(&stage, error) && done;
    if (stage.network->end != NULL)
        stage.network->end(&stage);
    stage_end(&stage);
    free(stage.reels);
    if (!done)
        run_free(run);
    return done;
}

bool run_virtual_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    if (scenario->program[0] == 0)
        return true;
    snprintf(why, RUN_ERROR_SIZE, "%s is a program, which runs in real time: --on tun or linux",
             plan_program(scenario));
    return false;
}
