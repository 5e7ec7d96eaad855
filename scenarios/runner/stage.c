/*
 * A scenario on its stage: the world that the plan describes, its timeline, and what is seen of it.
 * Every network begins with this one; they differ in what moves in it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "scenarios/runner/event_text.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/on_virtual.h"
#include "sim/firewall.h"
#include "sim/nat_preset.h"

void stage_see(void *context, const struct net_event *event)
{
    struct stage *stage = context;
    if (stage->request->trace != NULL)
        event_print(stage->request->trace, stage->net, event, stage->request->detail);
    if (stage->real != NULL && stage->real->see != NULL)
        stage->real->see(stage, event);
    else if (stage->keys != NULL)
        stage_observe(stage, event);
    if (stage->ear != NULL || stage->run->counts != NULL)
        stage_observe_hostile(stage, event);
    if (event->kind == NET_SENT && event->now_ns >= stage->quiet_from_ns) {
        check(stage->clients[event->place] != PLAN_INTERNET);
        struct run_quiet *quiet = &stage->run->quiet[stage->clients[event->place]];
        quiet->packets++;
        quiet->bytes += packet_wire_size(event->packet);
    }
    if (event->kind == NET_OUTPUT && event->output->kind == NODE_OUT_BEHAVIOUR)
        stage_saw_behaviour(stage, stage->clients[event->place], &event->output->behaviour);
}

void stage_saw_behaviour(struct stage *stage, uint32_t place,
                         const struct stun_behaviour *behaviour)
{
    struct run_finding finding = {
        .at_ns = net_now(stage->net), .client = place, .behaviour = *behaviour};
    check(place != PLAN_INTERNET);
    run_add_finding(stage->run, &finding);
}

/* ---- The world ---- */

static uint32_t parent(const struct stage *stage, uint32_t behind)
{
    return behind == PLAN_INTERNET ? NET_INTERNET : stage->places[behind];
}

struct net_router stage_router(const struct stage *stage, const struct plan_place *place)
{
    const struct firewall_preset *firewall =
        place->firewall[0] != 0 ? firewall_preset_find(place->firewall) : NULL;
    const struct plan_interface *uplink = &place->interfaces[0];
    return (struct net_router){
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
}

static uint32_t add_router(const struct stage *stage, const struct plan_place *place)
{
    struct net_router router = stage_router(stage, place);
    return net_add_router(stage->net, place->name, &router);
}

/* Where programs run in place of nodes, the network ends at the host's door. */
static uint32_t add_host(const struct stage *stage, const struct plan_place *place)
{
    static const struct node_limits *const limits[PLAN_PLACE_KINDS] = {
        [PLAN_SERVER] = &node_limits_server, [PLAN_CLIENT] = &node_limits_client};
    bool programs = stage->real != NULL && plan_is_node(place);
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
            .limits = programs ? NULL : limits[place->kind],
            .gate = programs ? stage->real->gate : NULL,
        };
        if (i == 0)
            added = net_add_host(stage->net, place->name, &host);
        else
            net_add_interface(stage->net, added, &host);
    }
    return added;
}

void stage_build(struct stage *stage)
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

static void classify_now(void *context, struct net *net, uint64_t argument)
{
    struct stage *stage = context;
    (void)net;
    stage->real->classify(stage, &stage->scenario->actions[argument]);
}

static void classify(struct stage *stage, const struct plan_action *action)
{
    if (stage->real != NULL) {
        net_schedule_call(stage->net, action->at_ns, stage->places[action->place], classify_now,
                          stage, (uint64_t)(action - stage->scenario->actions));
        return;
    }
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

static void fault_now(void *context, struct net *net, uint64_t argument)
{
    struct stage *stage = context;
    (void)net;
    stage->real->fault(stage, &stage->faults[argument]);
}

/* The world is as the fault makes it when what is real in it is told. */
static void schedule_fault(struct stage *stage, uint64_t at_ns, const struct net_fault *fault)
{
    net_schedule_fault(stage->net, at_ns, fault);
    if (stage->real == NULL)
        return;
    stage->faults[stage->fault_count] = *fault;
    net_schedule_call(stage->net, at_ns, fault->place, fault_now, stage, stage->fault_count++);
}

/*
 * One direction of a link gets the fields that the action changes, on top of what earlier actions
 * made of it.
 */
static void change_link(struct stage *stage, const struct plan_action *action,
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
    schedule_fault(stage, action->at_ns, &fault);
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

uint32_t stage_fault_kind(const struct plan_action *action)
{
    static const uint32_t faults[PLAN_ACTION_KINDS] = {
        [PLAN_FLUSH] = NET_FAULT_NAT_FLUSH,       [PLAN_ADDRESS] = NET_FAULT_WAN_ADDRESS,
        [PLAN_DOWN] = NET_FAULT_LINK_DOWN,        [PLAN_UP] = NET_FAULT_LINK_UP,
        [PLAN_SUSPEND] = NET_FAULT_SUSPEND,       [PLAN_RESUME] = NET_FAULT_RESUME,
        [PLAN_CRASH] = NET_FAULT_CRASH,           [PLAN_RESTART] = NET_FAULT_RESTART,
        [PLAN_UNPLUG] = NET_FAULT_INTERFACE_DOWN, [PLAN_PLUG] = NET_FAULT_INTERFACE_UP,
        [PLAN_SEVER] = NET_FAULT_SEVER,           [PLAN_MEND] = NET_FAULT_MEND,
        [PLAN_LINK] = NET_FAULT_LINK_SET,
    };
    check(action->kind < PLAN_ACTION_KINDS);
    return faults[action->kind];
}

static void schedule(struct stage *stage, struct plan_interface (*links)[PLAN_INTERFACES_MAX],
                     const struct plan_action *action)
{
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
    if (action->kind == PLAN_BULK) {
        check(stage->network != NULL && stage->network->bulk != NULL);
        stage->network->bulk(stage, action);
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
    struct net_fault fault = {.kind = stage_fault_kind(action),
                              .place = stage->places[action->place],
                              .interface = action->interface,
                              .way = ways[action->way],
                              .peer = stage->places[action->peer]};
    schedule_fault(stage, action->at_ns, &fault);
}

/* Actions in order of time; those of one time in the script's order. */
void stage_schedule(struct stage *stage)
{
    const struct plan_scenario *scenario = stage->scenario;
    struct plan_interface(*links)[PLAN_INTERFACES_MAX] =
        calloc(scenario->place_count + 1, sizeof *links);
    uint32_t *order = calloc(scenario->action_count + 1, sizeof *order);
    /* A link that changes has two directions. */
    stage->faults = calloc(2 * (size_t)scenario->action_count + 1, sizeof *stage->faults);
    check(links != NULL && order != NULL && stage->faults != NULL);
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        memcpy(links[i], scenario->places[i].interfaces, sizeof links[i]);
        if (scenario->places[i].kind == PLAN_SERVER && stage->real == NULL)
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

/* ---- The end ---- */

/* Nothing but where paths come to is expected, so that a run may end when they have. */
static bool may_end_early(const struct plan_scenario *scenario, uint64_t *last_ns)
{
    bool may = scenario->expect_count > 0;
    *last_ns = 0;
    for (uint32_t i = 0; i < scenario->expect_count && may; i++)
        may = scenario->expects[i].mode == PLAN_FINALLY &&
              scenario->expects[i].kind >= PLAN_DIRECT && scenario->expects[i].kind <= PLAN_VERDICT;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        uint64_t end_ns = plan_action_end_ns(&scenario->actions[i]);
        if (end_ns > *last_ns)
            *last_ns = end_ns;
    }
    return may;
}

/* Where the end of a mesh's run is quiet for long, it is counted what that costs. */
void stage_count_quiet(struct stage *stage)
{
    static const uint64_t least_ns = RUN_QUIET_AFTER_NS + RUN_QUIET_MIN_NS;
    const struct plan_scenario *scenario = stage->scenario;
    uint64_t last_ns;
    stage->quiet_from_ns = UINT64_MAX;
    if (stage->keys == NULL || may_end_early(scenario, &last_ns) ||
        scenario->duration_ns < least_ns || scenario->duration_ns - least_ns < last_ns)
        return;
    uint64_t from_ns = last_ns + RUN_QUIET_AFTER_NS;
    stage->run->quiet = calloc(scenario->place_count + 1, sizeof *stage->run->quiet);
    check(stage->run->quiet != NULL);
    stage->run->quiet_ns = scenario->duration_ns - from_ns;
    stage->quiet_from_ns = from_ns;
}

bool stage_may_end(const struct stage *stage, uint64_t *from_ns)
{
    return stage->keys != NULL && may_end_early(stage->scenario, from_ns);
}

bool stage_is_over(const struct stage *stage)
{
    static const uint64_t still_ns = 1000000000;
    return net_now(stage->net) - stage->changed_ns >= still_ns && stage_is_settled(stage);
}

void stage_begin(struct stage *stage, const struct net_config *config)
{
    uint32_t count = stage->scenario->place_count;
    *stage->run = (struct run){.findings = NULL};
    stage->net = net_new(config);
    stage->places = calloc(count + 1, sizeof *stage->places);
    check(stage->net != NULL && stage->places != NULL);
}

void stage_end(struct stage *stage)
{
    stage_free_hostile(stage);
    net_free(stage->net);
    free(stage->places);
    free(stage->clients);
    free(stage->faults);
    stage_free_mesh(stage);
}

/* ---- Captures ---- */

bool stage_capture(const struct stage *stage, char error[static RUN_ERROR_SIZE])
{
    const struct run_request *request = stage->request;
    for (uint32_t i = 0; i < stage->scenario->place_count; i++) {
        const struct plan_place *place = &stage->scenario->places[i];
        for (uint32_t j = 0; j < place->interface_count; j++) {
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
