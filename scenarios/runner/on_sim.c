/*
 * Runs a scenario on the simulated network: builds the world that the plan describes, schedules its
 * timeline, runs it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/event_text.h"
#include "scenarios/runner/memo.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/stage.h"
#include "sim/firewall.h"
#include "sim/nat_preset.h"

static void observe(void *context, const struct net_event *event)
{
    struct stage *stage = context;
    if (stage->request->trace != NULL)
        event_print(stage->request->trace, stage->net, event, stage->request->detail);
    if (stage->keys != NULL)
        stage_observe(stage, event);
    if (stage->ear != NULL || stage->run->counts != NULL)
        stage_observe_hostile(stage, event);
    if (event->kind == NET_SENT && event->now_ns >= stage->quiet_from_ns) {
        check(stage->clients[event->place] != PLAN_INTERNET);
        struct run_quiet *quiet = &stage->run->quiet[stage->clients[event->place]];
        quiet->packets++;
        quiet->bytes += packet_wire_size(event->packet);
    }
    if (event->kind != NET_OUTPUT || event->output->kind != NODE_OUT_BEHAVIOUR)
        return;
    struct run_finding finding = {.at_ns = event->now_ns,
                                  .client = stage->clients[event->place],
                                  .behaviour = event->output->behaviour};
    check(finding.client != PLAN_INTERNET);
    run_add_finding(stage->run, &finding);
}

static uint32_t parent(const struct stage *stage, uint32_t behind)
{
    return behind == PLAN_INTERNET ? NET_INTERNET : stage->places[behind];
}

static uint32_t add_router(const struct stage *stage, const struct plan_place *place)
{
    const struct firewall_preset *firewall =
        place->firewall[0] != 0 ? firewall_preset_find(place->firewall) : NULL;
    const struct plan_interface *uplink = &place->interfaces[0];
    struct net_router router = {
        .behind = parent(stage, uplink->behind),
        .nat = place->has_nat ? &place->nat : NULL,
        .firewall = firewall != NULL ? &firewall->config : NULL,
        .up = uplink->up,
        .down = uplink->down,
        .external = place->addresses,
        .nat_v6 = place->nat_v6,
        .no_v6 = !place->ipv6,
        .carrier = place->inside == PLAN_INSIDE_CARRIER,
        .wide = place->inside == PLAN_INSIDE_WIDE,
        .silent = place->silent,
    };
    return net_add_router(stage->net, place->name, &router);
}

static uint32_t add_host(const struct stage *stage, const struct plan_place *place)
{
    static const struct node_limits *const limits[PLAN_PLACE_KINDS] = {
        [PLAN_SERVER] = &node_limits_server, [PLAN_CLIENT] = &node_limits_client};
    uint32_t added = NET_NONE;
    for (uint32_t i = 0; i < place->interface_count; i++) {
        const struct plan_interface *interface = &place->interfaces[i];
        struct net_host host = {
            .behind = parent(stage, interface->behind),
            .up = interface->up,
            .down = interface->down,
            .addresses = place->addresses,
            .no_v4 = !place->ipv4,
            .no_v6 = !place->ipv6,
            .limits = limits[place->kind],
        };
        if (i == 0)
            added = net_add_host(stage->net, place->name, &host);
        else
            net_add_interface(stage->net, added, &host);
    }
    return added;
}

static void build(struct stage *stage)
{
    const struct plan_scenario *scenario = stage->scenario;
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        stage->places[i] =
            place->kind == PLAN_ROUTER ? add_router(stage, place) : add_host(stage, place);
    }
    uint32_t count = net_places(stage->net);
    stage->clients = malloc(count * sizeof *stage->clients);
    check(stage->clients != NULL);
    for (uint32_t i = 0; i < count; i++)
        stage->clients[i] = PLAN_INTERNET;
    for (uint32_t i = 0; i < scenario->place_count; i++)
        stage->clients[stage->places[i]] = i;
}

/* ---- The timeline ---- */

static void classify(const struct stage *stage, const struct plan_action *action)
{
    struct node_in in = {.kind = NODE_IN_DISCOVER};
    for (uint32_t i = 0; i < action->server_count; i++) {
        uint8_t family = action->ipv6 ? ADDR_V6 : ADDR_V4;
        struct addr addr = net_address(stage->net, stage->places[action->servers[i]], family, 0);
        check(addr.family == family);
        in.discover.servers[in.discover.count++] =
            addr_with_port(addr, stage->scenario->places[action->servers[i]].port);
    }
    net_schedule_command(stage->net, action->at_ns, stage->places[action->place], &in);
}

/*
 * One direction of a link gets the fields that the action changes, on top of what earlier actions
 * made of it.
 */
static void change_link(const struct stage *stage, const struct plan_action *action,
                        struct link_config *link, uint32_t way)
{
    for (uint32_t i = 0; plan_link_fields[i].name != NULL; i++)
        if ((action->changed >> i & 1) != 0)
            field_set(&plan_link_fields[i], link, field_get(&plan_link_fields[i], &action->link));
    struct net_fault fault = {.kind = NET_FAULT_LINK_SET,
                              .place = stage->places[action->place],
                              .interface = action->interface,
                              .way = way,
                              .link = *link};
    net_schedule_fault(stage->net, action->at_ns, &fault);
}

/* From then on, and at each later start. */
static void set_clock(const struct stage *stage, const struct plan_action *action)
{
    struct node_in in = {.kind = NODE_IN_WALL_CLOCK};
    uint64_t off_s = action->clock_ns / 1000000000, now_s = action->at_ns / 1000000000;
    check(off_s <= MESH_CLOCK_S);
    in.wall_clock.now_s =
        action->clock_slow ? MESH_CLOCK_S + now_s - off_s : MESH_CLOCK_S + now_s + off_s;
    net_schedule_setup(stage->net, action->at_ns, stage->places[action->place], &in);
}

static void schedule(struct stage *stage, struct plan_interface (*links)[PLAN_INTERFACES_MAX],
                     const struct plan_action *action)
{
    static const uint32_t faults[PLAN_ACTION_KINDS] = {
        [PLAN_FLUSH] = NET_FAULT_NAT_FLUSH,       [PLAN_ADDRESS] = NET_FAULT_WAN_ADDRESS,
        [PLAN_DOWN] = NET_FAULT_LINK_DOWN,        [PLAN_UP] = NET_FAULT_LINK_UP,
        [PLAN_SUSPEND] = NET_FAULT_SUSPEND,       [PLAN_RESUME] = NET_FAULT_RESUME,
        [PLAN_CRASH] = NET_FAULT_CRASH,           [PLAN_RESTART] = NET_FAULT_RESTART,
        [PLAN_UNPLUG] = NET_FAULT_INTERFACE_DOWN, [PLAN_PLUG] = NET_FAULT_INTERFACE_UP,
        [PLAN_SEVER] = NET_FAULT_SEVER,           [PLAN_MEND] = NET_FAULT_MEND,
    };
    static const uint32_t ways[] = {
        [PLAN_WAY_BOTH] = NET_WAY_BOTH, [PLAN_WAY_UP] = NET_WAY_UP, [PLAN_WAY_DOWN] = NET_WAY_DOWN};
    if (action->kind == PLAN_CLASSIFY) {
        classify(stage, action);
        return;
    }
    if (plan_names_peer((enum plan_action_kind)action->kind)) {
        stage_schedule_peer(stage, action);
        return;
    }
    if (plan_is_attack((enum plan_action_kind)action->kind)) {
        stage_schedule_attack(stage, action);
        return;
    }
    if (action->kind == PLAN_CLOCK) {
        set_clock(stage, action);
        return;
    }
    if (action->kind == PLAN_LINK) {
        struct plan_interface *interface = &links[action->place][action->interface];
        if (action->way != PLAN_WAY_DOWN)
            change_link(stage, action, &interface->up, NET_WAY_UP);
        if (action->way != PLAN_WAY_UP)
            change_link(stage, action, &interface->down, NET_WAY_DOWN);
        return;
    }
    check(faults[action->kind] != 0);
    struct net_fault fault = {.kind = faults[action->kind],
                              .place = stage->places[action->place],
                              .interface = action->interface,
                              .way = ways[action->way],
                              .peer = stage->places[action->peer]};
    net_schedule_fault(stage->net, action->at_ns, &fault);
}

/* Actions in order of time; those of one time in the script's order. */
static void schedule_all(struct stage *stage)
{
    const struct plan_scenario *scenario = stage->scenario;
    struct plan_interface(*links)[PLAN_INTERFACES_MAX] =
        calloc(scenario->place_count + 1, sizeof *links);
    uint32_t *order = calloc(scenario->action_count + 1, sizeof *order);
    check(links != NULL && order != NULL);
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        memcpy(links[i], scenario->places[i].interfaces, sizeof links[i]);
        if (scenario->places[i].kind == PLAN_SERVER)
            stage_serve_stun(stage, i, 0);
    }
    if (plan_is_mesh(scenario))
        stage_set_up_mesh(stage);
    stage_set_up_hostile(stage);
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        uint32_t at = i;
        for (; at > 0 && scenario->actions[order[at - 1]].at_ns > scenario->actions[i].at_ns; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    for (uint32_t i = 0; i < scenario->action_count; i++)
        schedule(stage, links, &scenario->actions[order[i]]);
    free(links);
    free(order);
}

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
        const struct plan_place *place = &stage->scenario->places[i];
        bool node = place->kind == PLAN_SERVER || place->kind == PLAN_CLIENT;
        if (request->tape_dir != NULL && node && !open_tape(stage, i, error))
            return false;
        for (uint32_t j = 0; request->pcap_dir != NULL && j < place->interface_count; j++) {
            char path[RUN_PATH_SIZE], number[16] = "";
            if (place->interface_count > 1)
                snprintf(number, sizeof number, "-%u", j);
            snprintf(path, sizeof path, "%s/%s-%s%s.pcap", request->pcap_dir, request->label,
                     place->name, number);
            if (!net_capture(stage->net, stage->places[i], j, path)) {
                snprintf(error, RUN_ERROR_SIZE, "%.300s: the capture cannot be written", path);
                return false;
            }
        }
    }
    return true;
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

/* Nothing but where paths come to is expected, so that a run may end when they have. */
static bool may_end_early(const struct plan_scenario *scenario, uint64_t *last_ns)
{
    bool may = scenario->expect_count > 0;
    *last_ns = 0;
    for (uint32_t i = 0; i < scenario->expect_count && may; i++)
        may = scenario->expects[i].mode == PLAN_FINALLY &&
              scenario->expects[i].kind >= PLAN_DIRECT && scenario->expects[i].kind <= PLAN_VERDICT;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        uint64_t end_ns = action->at_ns + action->count * action->every_ns;
        if (end_ns > *last_ns)
            *last_ns = end_ns;
    }
    return may;
}

/* Where the end of a mesh's run is quiet for long, it is counted what that costs. */
static void count_quiet(struct stage *stage)
{
    const struct plan_scenario *scenario = stage->scenario;
    uint64_t last_ns;
    stage->quiet_from_ns = UINT64_MAX;
    if (stage->keys == NULL || may_end_early(scenario, &last_ns) ||
        scenario->duration_ns < last_ns + RUN_QUIET_AFTER_NS + RUN_QUIET_MIN_NS)
        return;
    uint64_t from_ns = last_ns + RUN_QUIET_AFTER_NS;
    stage->run->quiet = calloc(scenario->place_count + 1, sizeof *stage->run->quiet);
    check(stage->run->quiet != NULL);
    stage->run->quiet_ns = scenario->duration_ns - from_ns;
    stage->quiet_from_ns = from_ns;
}

/*
 * No run of a scenario needs more events than this. A hundred for each datagram that the script
 * sends is several times what a relayed one costs.
 */
static uint64_t events_max(const struct plan_scenario *scenario)
{
    uint64_t most = RUN_EVENTS_MAX;
    for (uint32_t i = 0; i < scenario->action_count; i++)
        most += 100 * (uint64_t)scenario->actions[i].count;
    return most;
}

/* A mesh never falls silent; it runs on until its paths have been the same for a while. */
static void play(const struct stage *stage)
{
    static const uint64_t step_ns = 100000000, still_ns = 1000000000;
    uint64_t end_ns = stage->scenario->duration_ns, last_ns;
    if (stage->keys == NULL || !may_end_early(stage->scenario, &last_ns)) {
        net_run_idle(stage->net, end_ns);
        return;
    }
    bool over = false;
    uint64_t now_ns = last_ns < end_ns ? last_ns : end_ns;
    for (net_run_until(stage->net, now_ns);
         now_ns < end_ns && !over && !net_is_spent(stage->net);) {
        now_ns = end_ns - now_ns < step_ns ? end_ns : now_ns + step_ns;
        net_run_until(stage->net, now_ns);
        over = now_ns - stage->changed_ns >= still_ns && stage_is_settled(stage);
    }
}

bool run_on_sim(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE])
{
    struct stage stage = {.request = request, .scenario = request->scenario, .run = run};
    struct net_config config = {
        .crypto = memo_crypto(),
        .digesting = true,
        .tracing = request->trace != NULL && request->detail == RUN_DETAIL_HOPS,
        .events_max =
            request->events_max != 0 ? request->events_max : events_max(request->scenario),
        .observe = observe,
        .context = &stage,
    };
    *run = (struct run){.findings = NULL};
    net_seed(config.seed, request->seed);
    stage.net = net_new(&config);
    stage.places = calloc(request->scenario->place_count + 1, sizeof *stage.places);
    stage.reels = calloc(request->scenario->place_count + 1, sizeof *stage.reels);
    check(stage.net != NULL && stage.places != NULL && stage.reels != NULL);
    build(&stage);
    bool done = open_files(&stage, error);
    if (done) {
        schedule_all(&stage);
        count_quiet(&stage);
        play(&stage);
        run->digest = net_digest(stage.net);
        run->end_ns = net_now(stage.net);
        run->packets = net_counts(stage.net)->sent;
        run->events = net_events(stage.net);
        run->stormed = net_is_spent(stage.net);
    }
    done = close_tapes(&stage, error) && done;
    stage_free_hostile(&stage);
    net_free(stage.net);
    free(stage.places);
    free(stage.clients);
    free(stage.reels);
    stage_free_mesh(&stage);
    if (!done)
        run_free(run);
    return done;
}
