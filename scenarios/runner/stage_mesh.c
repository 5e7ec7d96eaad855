/* A mesh on its stage: its set-up, its numbered packets, and what is seen of them. */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/frame/message.h"
#include "core/tunnel/message.h"
#include "scenarios/runner/judge.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/numbered.h"
#include "scenarios/runner/stage.h"

/* ---- Set-up ---- */

void stage_serve_stun(const struct stage *stage, uint32_t place, uint64_t at_ns)
{
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    const struct plan_place *server = &stage->scenario->places[place];
    struct node_in in = {
        .kind = NODE_IN_SERVE_STUN,
        .serve_stun = {.port = server->port, .alternate_port = server->alternate_port}};
    for (uint32_t i = 0; i < 4; i++) {
        struct addr addr = net_address(stage->net, stage->places[place], families[i / 2], i % 2);
        if (addr.family != ADDR_NONE)
            in.serve_stun.addresses[in.serve_stun.count++] = addr;
    }
    net_schedule_setup(stage->net, at_ns, stage->places[place], &in);
}

static void introduce_server(const struct stage *stage, uint32_t place, uint32_t server)
{
    struct endpoint endpoints[SERVER_ENDPOINTS_MAX];
    struct node_in in;
    if (server == PLAN_INTERNET || server == place)
        return;
    const struct plan_place *at = &stage->scenario->places[server];
    uint32_t count = mesh_endpoints(stage->net, stage->places[server], at, endpoints);
    mesh_server(&in, at->name, endpoints, count);
    net_schedule_setup(stage->net, 0, stage->places[place], &in);
}

/* A client knows its home and reserve where the script names them, and all servers otherwise. */
static void set_up_node(const struct stage *stage, uint32_t place, const char *issuer)
{
    const struct plan_scenario *scenario = stage->scenario;
    const struct plan_place *at = &scenario->places[place];
    bool client = at->kind == PLAN_CLIENT;
    struct node_in in = {.kind = NODE_IN_WALL_CLOCK, .wall_clock = {.now_s = MESH_CLOCK_S}};
    net_schedule_setup(stage->net, 0, stage->places[place], &in);
    mesh_identity(&in, at->name, client ? issuer : NULL, place);
    net_schedule_setup(stage->net, 0, stage->places[place], &in);
    if (client && at->home != PLAN_INTERNET) {
        introduce_server(stage, place, at->home);
        introduce_server(stage, place, at->reserve);
    } else {
        for (uint32_t i = 0; i < scenario->place_count; i++)
            if (scenario->places[i].kind == PLAN_SERVER)
                introduce_server(stage, place, i);
    }
    if (client)
        net_schedule_network(stage->net, 0, stage->places[place]);
    else
        net_schedule_serve_mesh(stage->net, 0, stage->places[place]);
}

void stage_set_up_mesh(struct stage *stage)
{
    const struct plan_scenario *scenario = stage->scenario;
    uint32_t count = scenario->place_count;
    const char *issuer = NULL;
    stage->lossy = plan_is_lossy(scenario);
    stage->keys = calloc(count + 1, sizeof *stage->keys);
    stage->homes = calloc(count + 1, sizeof *stage->homes);
    stage->mapped = calloc(count + 1, sizeof *stage->mapped);
    stage->flows = calloc(2 * (size_t)scenario->action_count + 1, sizeof *stage->flows);
    stage->watches = calloc((size_t)scenario->action_count + 1, sizeof *stage->watches);
    check(stage->keys != NULL && stage->homes != NULL && stage->mapped != NULL);
    check(stage->flows != NULL && stage->watches != NULL);
    for (uint32_t i = 0; i < count; i++) {
        stage->homes[i] = PLAN_INTERNET;
        if (plan_is_node(&scenario->places[i]))
            stage->keys[i] = mesh_key(scenario->places[i].name);
        if (scenario->places[i].kind == PLAN_SERVER && issuer == NULL)
            issuer = scenario->places[i].name;
    }
    /* Without a server there is nobody who could issue a credential, so there is no mesh. */
    for (uint32_t i = 0; i < count && issuer != NULL && stage->real == NULL; i++)
        if (stage->keys[i] != NULL)
            set_up_node(stage, i, issuer);
}

void stage_free_mesh(struct stage *stage)
{
    free(stage->keys);
    free(stage->homes);
    free(stage->mapped);
    free(stage->flows);
    free(stage->watches);
    sight_free(&stage->sight);
}

/* ---- Sending ---- */

static void send_packet(struct stage *stage, uint32_t from, uint32_t to, uint32_t size)
{
    uint8_t bytes[NODE_PACKET_MAX];
    const struct node_in in = {.kind = NODE_IN_PACKET, .packet = {.bytes = bytes, .size = size}};
    const struct numbered numbered = {
        .from = from, .to = to, .number = stage->numbers++, .sent_ns = net_now(stage->net)};
    check(size <= sizeof bytes);
    run_add_event(stage->run, &(struct run_event){.at_ns = numbered.sent_ns,
                                                  .sent_ns = numbered.sent_ns,
                                                  .from = from,
                                                  .to = to,
                                                  .number = numbered.number,
                                                  .kind = RUN_SENT});
    if (stage->real != NULL) {
        stage->real->send(stage, &numbered, size);
        return;
    }
    numbered_write(&numbered, bytes, size);
    net_command(stage->net, stage->places[from], &in);
}

static void send_next(void *context, struct net *net, uint64_t argument)
{
    struct stage_flow *flow = context;
    (void)argument;
    check(flow->left > 0);
    send_packet(flow->stage, flow->from, flow->to, flow->size);
    if (--flow->left > 0)
        net_schedule_call(net, net_now(net) + flow->every_ns, flow->stage->places[flow->from],
                          send_next, flow, 0);
}

static void add_flow(struct stage *stage, const struct plan_action *action, uint32_t from,
                     uint32_t to)
{
    struct stage_flow *flow = &stage->flows[stage->flow_count++];
    *flow = (struct stage_flow){.stage = stage,
                                .from = from,
                                .to = to,
                                .left = action->count,
                                .size = action->size,
                                .every_ns = action->every_ns};
    net_schedule_call(stage->net, action->at_ns, stage->places[from], send_next, flow, 0);
}

/* What is looked at where the verdict of a pair rests on the order of packets. */
static void watch_order(struct stage *stage, uint32_t a, uint32_t b)
{
    const uint32_t homes[2] = {stage->homes[a], stage->homes[b]};
    struct judge_pair judged;
    struct stage_watch watch = {.pair = stage->run->pair_count - 1};
    if (!judge_pair_oracle(stage->scenario, a, b, homes, &judged) ||
        judged.says.verdict != ORACLE_ORDER)
        return;
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t router = judge_order_router(stage->scenario, i == 0 ? a : b, &judged.says);
        watch.router[i] = router == PLAN_INTERNET ? NET_NONE : stage->places[router];
    }
    stage->watches[stage->watch_count++] = watch;
}

static void connect(void *context, struct net *net, uint64_t argument)
{
    struct stage *stage = context;
    const struct plan_action *action = &stage->scenario->actions[argument];
    struct node_in in;
    uint64_t now_ns = net_now(net);
    run_add_event(stage->run, &(struct run_event){.at_ns = now_ns,
                                                  .from = action->place,
                                                  .to = action->peer,
                                                  .kind = RUN_CONNECTED});
    run_add_pair(stage->run, &(struct run_pair){.a = action->place,
                                                .b = action->peer,
                                                .at_ns = now_ns,
                                                .seen = {.left = {ORACLE_NEVER, ORACLE_NEVER},
                                                         .arrived = {ORACLE_NEVER, ORACLE_NEVER}}});
    watch_order(stage, action->place, action->peer);
    stage->changed_ns = now_ns;
    if (stage->real != NULL) {
        stage->real->connect(stage, action->place, action->peer);
    } else {
        mesh_peer(&in, stage->scenario->places[action->peer].name, action->peer);
        net_command(net, stage->places[action->place], &in);
    }
    send_packet(stage, action->place, action->peer, PLAN_SIZE_DEFAULT);
}

void stage_schedule_peer(struct stage *stage, const struct plan_action *action)
{
    check(plan_names_peer((enum plan_action_kind)action->kind));
    if (action->kind == PLAN_CONNECT) {
        net_schedule_call(stage->net, action->at_ns, stage->places[action->place], connect, stage,
                          (uint64_t)(action - stage->scenario->actions));
        return;
    }
    add_flow(stage, action, action->place, action->peer);
    if (action->kind == PLAN_TALK)
        add_flow(stage, action, action->peer, action->place);
}

/* ---- Watching ---- */

/* The place with this key; PLAN_INTERNET when it is nobody's here. */
static uint32_t place_of(const struct stage *stage, const uint8_t *key)
{
    for (uint32_t i = 0; i < stage->scenario->place_count; i++)
        if (stage->keys[i] != NULL && memcmp(stage->keys[i], key, IDENTITY_SIZE) == 0)
            return i;
    return PLAN_INTERNET;
}

static uint32_t server_at(const struct stage *stage, const struct addr *address)
{
    /* A client that has lost its home says so without an address. */
    for (uint32_t i = 0; address->family != ADDR_NONE && i < stage->scenario->place_count; i++) {
        if (stage->scenario->places[i].kind != PLAN_SERVER)
            continue;
        struct addr own = net_address(stage->net, stage->places[i], address->family, 0);
        if (addr_equal_ip(&own, address))
            return i;
    }
    return PLAN_INTERNET;
}

void stage_saw_packet(struct stage *stage, uint32_t place, const struct numbered *numbered)
{
    if (numbered->to == place)
        run_add_event(stage->run, &(struct run_event){.at_ns = net_now(stage->net),
                                                      .sent_ns = numbered->sent_ns,
                                                      .from = numbered->from,
                                                      .to = numbered->to,
                                                      .number = numbered->number,
                                                      .kind = RUN_ARRIVED});
}

/* One packet, or a train. */
static void observe_packets(struct stage *stage, uint32_t place,
                            const struct node_out_packet *packet)
{
    uint32_t segment = packet->segment == 0 ? packet->size : packet->segment;
    for (uint32_t done = 0; done < packet->size; done += segment) {
        uint32_t left = packet->size - done;
        struct numbered numbered;
        if (numbered_read(&numbered, packet->bytes + done, left < segment ? left : segment))
            stage_saw_packet(stage, place, &numbered);
    }
}

void stage_saw_home(struct stage *stage, uint32_t place, const struct addr *server,
                    const struct addr *mapped)
{
    stage->homes[place] = server_at(stage, server);
    stage->mapped[place] = *mapped;
    run_add_event(stage->run, &(struct run_event){.at_ns = net_now(stage->net),
                                                  .from = place,
                                                  .to = stage->homes[place],
                                                  .kind = RUN_HOME});
}

void stage_saw_path(struct stage *stage, uint32_t place, uint32_t peer, enum node_path path,
                    enum reason reason)
{
    stage->changed_ns = net_now(stage->net);
    run_add_event(stage->run, &(struct run_event){.at_ns = stage->changed_ns,
                                                  .from = place,
                                                  .to = peer,
                                                  .kind = RUN_PATH,
                                                  .path = (uint8_t)path,
                                                  .reason = (uint8_t)reason});
}

static void observe_output(struct stage *stage, const struct net_event *event)
{
    const struct node_out *out = event->output;
    uint32_t place = stage->clients[event->place];
    check(place != PLAN_INTERNET);
    if (out->kind == NODE_OUT_HOME)
        stage_saw_home(stage, place, &out->home.server, &out->home.mapped);
    else if (out->kind == NODE_OUT_PATH)
        stage_saw_path(stage, place, place_of(stage, out->path.peer),
                       (enum node_path)out->path.path, (enum reason)out->path.reason);
    else if (out->kind == NODE_OUT_PACKET)
        observe_packets(stage, place, &out->packet);
}

/* The tunnel's message in a datagram, on its own or in a frame for a relay; NULL: there is none. */
static const uint8_t *message_in(const struct packet *packet, size_t *size, bool *framed)
{
    struct frame frame;
    const uint8_t *bytes = packet->protocol == PACKET_UDP ? packet_data(packet) : NULL;
    if (bytes == NULL)
        return NULL;
    *size = packet->data;
    *framed = frame_is_ours(bytes, *size);
    if (*framed) {
        if (frame_decode(&frame, bytes, *size) != FRAME_OK || frame.type != FRAME_DATA)
            return NULL;
        bytes = frame.body.bytes;
        *size = frame.body.size;
    }
    return tunnel_message_type(bytes, *size) != TUNNEL_NO_MESSAGE ? bytes : NULL;
}

/* A keepalive is no data: nobody waits for it, and it says nothing of where packets go. */
static bool is_data(const uint8_t *bytes, size_t size)
{
    return tunnel_message_type(bytes, size) == TUNNEL_DATA && size > TUNNEL_DATA_SIZE_MIN;
}

/* `place` answers a handshake: whoever has begun it was heard. */
static void observe_response(struct stage *stage, uint32_t place, uint64_t now_ns,
                             const uint8_t *bytes, size_t size)
{
    struct tunnel_response response;
    tunnel_response_decode(&response, bytes, size);
    sight_drawn(&stage->sight, response.sender, place, now_ns);
    const struct sight_index *initiator = sight_owner(&stage->sight, response.receiver);
    if (initiator != NULL)
        run_add_event(stage->run, &(struct run_event){.at_ns = now_ns,
                                                      .sent_ns = initiator->sent_ns,
                                                      .from = initiator->place,
                                                      .to = place,
                                                      .kind = RUN_ANSWERED});
}

/* A message that a client sends, directly or to a relay. */
static void observe_sent(struct stage *stage, const struct net_event *event)
{
    struct tunnel_initiation initiation;
    struct tunnel_data data;
    size_t size;
    bool framed;
    uint32_t place = stage->clients[event->place];
    const uint8_t *bytes = message_in(event->packet, &size, &framed);
    if (bytes == NULL || place == PLAN_INTERNET ||
        stage->scenario->places[place].kind != PLAN_CLIENT)
        return;
    switch (tunnel_message_type(bytes, size)) {
    case TUNNEL_INITIATION:
        tunnel_initiation_decode(&initiation, bytes, size);
        sight_drawn(&stage->sight, initiation.sender, place, event->now_ns);
        return;
    case TUNNEL_RESPONSE:
        observe_response(stage, place, event->now_ns, bytes, size);
        return;
    default:
        break;
    }
    if (!is_data(bytes, size))
        return;
    tunnel_data_decode(&data, bytes, size);
    struct sight_message *message =
        sight_sent(&stage->sight, data.receiver, data.counter, place, event->now_ns);
    if (message != NULL && !framed)
        message->direct = true;
}

/*
 * Data that a server was asked to relay. The server cannot read it, nor can the network: the head
 * of the message says which of those it is that clients have sent, and so whose and when. What
 * names no such message was sent by no client, and is no data of theirs. Where links lose packets a
 * path is often in doubt, and then data goes both ways for a while; what was sent directly too is
 * no word against it.
 */
static void observe_relayed(struct stage *stage, const struct net_event *event)
{
    struct tunnel_data data;
    size_t size;
    bool framed;
    uint32_t place = stage->clients[event->place];
    if (place == PLAN_INTERNET || stage->scenario->places[place].kind != PLAN_SERVER)
        return;
    const uint8_t *bytes = message_in(event->packet, &size, &framed);
    if (bytes == NULL || !framed || !is_data(bytes, size))
        return;
    tunnel_data_decode(&data, bytes, size);
    const struct sight_message *message = sight_find(&stage->sight, data.receiver, data.counter);
    if (message == NULL || (stage->lossy && message->direct))
        return;
    run_add_event(stage->run, &(struct run_event){.at_ns = event->now_ns,
                                                  .sent_ns = message->sent_ns,
                                                  .from = message->from,
                                                  .to = message->to,
                                                  .kind = RUN_RELAYED});
}

/* Keeps the first of each kind of packet that an order is about, by the number of its event. */
static void observe_order(const struct stage *stage, const struct stage_watch *watch,
                          const struct net_event *event)
{
    struct run_pair *pair = &stage->run->pairs[watch->pair];
    const struct packet *packet = event->packet;
    const struct addr *mapped[2] = {&stage->mapped[pair->a], &stage->mapped[pair->b]};
    if (packet->protocol != PACKET_UDP)
        return;
    for (uint32_t i = 0; i < 2; i++) {
        if (event->place != watch->router[i])
            continue;
        bool left = event->kind == NET_FORWARDED && addr_equal(&packet->destination, mapped[1 - i]);
        bool arrived = !left && addr_equal_ip(&packet->source, mapped[1 - i]);
        if (left && pair->seen.left[i] == ORACLE_NEVER)
            pair->seen.left[i] = stage->observed;
        if (arrived && pair->seen.arrived[i] == ORACLE_NEVER)
            pair->seen.arrived[i] = stage->observed;
    }
}

void stage_observe(struct stage *stage, const struct net_event *event)
{
    stage->observed++;
    if (event->kind == NET_OUTPUT)
        observe_output(stage, event);
    else if (event->kind == NET_SENT)
        observe_sent(stage, event);
    else if (event->kind == NET_DELIVERED)
        observe_relayed(stage, event);
    else if (event->kind == NET_FORWARDED || event->kind == NET_DROPPED)
        for (uint32_t i = 0; i < stage->watch_count; i++)
            observe_order(stage, &stage->watches[i], event);
}

/* The last that a node has said of its path; NULL when it has said nothing. */
static const struct run_event *last_said(const struct run *run, uint32_t from, uint32_t to)
{
    for (uint32_t i = run->event_count; i > 0; i--) {
        const struct run_event *event = &run->events_seen[i - 1];
        if (event->kind == RUN_PATH && event->from == from && event->to == to)
            return event;
    }
    return NULL;
}

static bool is_final(const struct run_event *said)
{
    return said != NULL && (said->path == NODE_PATH_DIRECT || said->path == NODE_PATH_UNREACHABLE ||
                            (said->path == NODE_PATH_RELAYED && said->reason != REASON_NONE));
}

bool stage_is_settled(const struct stage *stage)
{
    const struct run *run = stage->run;
    bool settled = true;
    for (uint32_t i = 0; settled && i < run->pair_count; i++) {
        const struct run_event *caller = last_said(run, run->pairs[i].a, run->pairs[i].b);
        const struct run_event *callee = last_said(run, run->pairs[i].b, run->pairs[i].a);
        bool unreachable = (caller != NULL && caller->path == NODE_PATH_UNREACHABLE) ||
                           (callee != NULL && callee->path == NODE_PATH_UNREACHABLE);
        settled =
            unreachable || (is_final(caller) && is_final(callee) && caller->path == callee->path);
    }
    return settled;
}
