/* What is hostile on the simulated network: hosts that attack, and what is counted of that. */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "scenarios/runner/memo.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/stage.h"

enum {
    /* Of a hostile host without a session, and of a victim: nobody there has asked for anything. */
    PORT_HOSTILE = 6666,
    PORT_VICTIM = 4444,
    PORTS_VICTIM = 3,
    ROUNDS = 20, /* calls to one client before it is the next one's turn */
};

/* Members open their sessions one after the other from this time on, so that those behind one
   address do not take each other's WELCOMEs. */
#define OPEN_NS UINT64_C(1000000000)
#define OPEN_EVERY_NS UINT64_C(100000000)
/* A registration is renewed after this. */
#define REGISTER_NS UINT64_C(20000000000)

/* ---- Addresses ---- */

/* The address of a place with a port; IPv4 where it has it. */
static struct addr address_of(const struct stage *stage, uint32_t place, uint16_t port)
{
    struct addr addr = net_address(stage->net, stage->places[place], ADDR_V4, 0);
    if (addr.family == ADDR_NONE)
        addr = net_address(stage->net, stage->places[place], ADDR_V6, 0);
    return addr_with_port(addr, port);
}

/*
 * Where a node is reached from a place: a client by its own address from behind the same router,
 * and else where its home sees it.
 */
static struct addr reach(const struct stage *stage, uint32_t from, uint32_t to)
{
    const struct plan_place *places = stage->scenario->places;
    if (places[to].kind == PLAN_SERVER)
        return address_of(stage, to, NET_PORT_PUNCH);
    bool beside = places[from].interfaces[0].behind == places[to].interfaces[0].behind;
    if (beside || stage->mapped[to].family == ADDR_NONE)
        return address_of(stage, to, NET_PORT_TRAFFIC);
    return stage->mapped[to];
}

/* The place with this key; PLAN_INTERNET: it is no node's. */
static uint32_t place_with(const struct stage *stage, const uint8_t *key)
{
    for (uint32_t i = 0; i < stage->scenario->place_count; i++)
        if (stage->keys[i] != NULL && memcmp(stage->keys[i], key, IDENTITY_SIZE) == 0)
            return i;
    return PLAN_INTERNET;
}

/* ---- Without a credential ---- */

/* Sends from any source of the destination's family, as far as the host has that family. */
static void send_as(const struct stage *stage, uint32_t from, const struct addr *source,
                    const struct addr *to, const uint8_t *bytes, uint32_t size)
{
    uint32_t place = stage->places[from];
    if (source->family == to->family &&
        net_address(stage->net, place, to->family, 0).family != ADDR_NONE)
        hostile_send(stage->net, place, source, to, bytes, size);
}

/* What was heard last and not replayed yet, and any other: in turns. */
static void replay(struct stage_attack *attack)
{
    struct stage *stage = attack->stage;
    uint32_t place = attack->action->place;
    struct random_stream *draws = &stage->hostiles[place].draws;
    const struct hostile_ear *ear = stage->ear;
    if (ear->count == 0)
        return;
    uint64_t kept = ear->count < HOSTILE_HEARD_MAX ? ear->count : HOSTILE_HEARD_MAX;
    uint64_t number = ear->count - kept + random_below(draws, kept);
    if (attack->replayed < ear->count - kept)
        attack->replayed = ear->count - kept;
    if (attack->done % 2 == 0 && attack->replayed < ear->count)
        number = attack->replayed++;
    const struct hostile_heard *heard = hostile_heard_at(ear, number);
    check(heard != NULL);
    struct addr own = net_address(stage->net, stage->places[place], heard->source.family, 0);
    bool spoofs = random_below(draws, 2) == 0 || own.family == ADDR_NONE;
    own.port = PORT_HOSTILE;
    uint32_t node = stage->clients[heard->place];
    struct addr to = heard->destination;
    if (stage->scenario->places[node].kind == PLAN_CLIENT)
        to = reach(stage, place, node);
    send_as(stage, place, spoofs ? &heard->source : &own, &to, heard->bytes, heard->size);
}

/* Another node's address as the target sees it; an address that nobody has where there is none. */
static struct addr false_source(const struct stage *stage, uint32_t target, bool nobody,
                                const struct addr *to, struct random_stream *draws)
{
    uint32_t count = stage->scenario->place_count;
    uint32_t at = (uint32_t)random_below(draws, count);
    for (uint32_t i = 0; i < count && !nobody; i++, at = (at + 1) % count) {
        if (at == target || stage->keys[at] == NULL)
            continue;
        struct addr source = reach(stage, target, at);
        if (source.family == to->family)
            return source;
    }
    if (to->family == ADDR_V4)
        return addr_v4(UINT32_C(0x0b000000) + (uint32_t)random_below(draws, 1 << 24), 9);
    /* 2001:db8:b::/48, of which nothing is used. */
    struct addr source = {.family = ADDR_V6, .port = 9, .ip = {0x20, 1, 0xd, 0xb8, 0, 0xb}};
    for (uint32_t i = 8; i < 16; i++)
        source.ip[i] = (uint8_t)random_below(draws, 256);
    return source;
}

/*
 * Junk of the next kind. What no frame is would be a peer's data if it came from a peer's address,
 * and a HELLO with the right mac1 takes the WELCOMEs of whom it seems to come from; so both come
 * from addresses that nobody has.
 */
static void send_junk(struct stage_attack *attack)
{
    struct stage *stage = attack->stage;
    uint32_t place = attack->action->place, target = attack->action->peer;
    struct random_stream *draws = &stage->hostiles[place].draws;
    enum hostile_junk kind = (enum hostile_junk)(attack->done % HOSTILE_JUNKS);
    uint8_t bytes[HOSTILE_JUNK_MAX];
    struct addr to = reach(stage, place, target);
    struct addr source = net_address(stage->net, stage->places[place], to.family, 0);
    source.port = PORT_HOSTILE;
    if (attack->action->kind == PLAN_SPOOF) {
        bool nobody =
            kind == HOSTILE_FOREIGN || kind == HOSTILE_HELLO_MAC1 || random_below(draws, 2) == 0;
        source = false_source(stage, target, nobody, &to, draws);
    }
    uint32_t size = hostile_make(kind, draws, memo_crypto(),
                                 mesh_tunnel_key(stage->scenario->places[target].name), bytes);
    send_as(stage, place, &source, &to, bytes, size);
}

/* ---- With a credential ---- */

static struct hostile_member *member_of(const struct stage_attack *attack)
{
    struct hostile_member *member = attack->stage->hostiles[attack->action->place].member;
    check(member != NULL);
    return member;
}

/* The client whose turn it is; PLAN_INTERNET: there is none. */
static uint32_t called(const struct stage_attack *attack)
{
    const struct plan_scenario *scenario = attack->stage->scenario;
    uint32_t clients = 0;
    for (uint32_t i = 0; i < scenario->place_count; i++)
        clients += scenario->places[i].kind == PLAN_CLIENT;
    uint32_t turn = clients == 0 ? 0 : attack->done / ROUNDS % clients;
    for (uint32_t i = 0; i < scenario->place_count; i++)
        if (scenario->places[i].kind == PLAN_CLIENT && turn-- == 0)
            return i;
    return PLAN_INTERNET;
}

static void call(const struct stage_attack *attack)
{
    uint32_t client = called(attack);
    if (client != PLAN_INTERNET)
        hostile_member_connect(member_of(attack), attack->stage->keys[client]);
}

/* An address of the victim's: of a node, the one that it has its sessions from; then others. */
static struct addr victim(const struct stage_attack *attack, uint32_t number)
{
    const struct plan_action *action = attack->action;
    if (number == 0 && attack->stage->keys[action->peer] != NULL)
        return reach(attack->stage, action->place, action->peer);
    return address_of(attack->stage, action->peer, (uint16_t)(PORT_VICTIM + number));
}

/* "I am at the victim's address": whoever is called gets that as a way to the caller. */
static void claim(struct stage_attack *attack)
{
    struct hostile_member *m = member_of(attack);
    uint64_t now_ns = net_now(attack->stage->net);
    if (attack->registered_ns == 0 || now_ns - attack->registered_ns >= REGISTER_NS) {
        m->party.candidate_count = PORTS_VICTIM;
        for (uint32_t i = 0; i < PORTS_VICTIM; i++)
            m->party.candidates[i] =
                (struct punch_candidate){.addr = victim(attack, i), .kind = PUNCH_CANDIDATE_HOST};
        hostile_member_register(m);
        attack->registered_ns = now_ns;
    }
    call(attack);
}

/* A session from the victim's address, and in turns from the own one too. */
static void bind_as_victim(struct stage_attack *attack)
{
    struct hostile_member *m = member_of(attack);
    m->source = victim(attack, 0);
    m->twice = attack->done % 2 == 1;
    hostile_member_hello(m);
    hostile_member_register(m);
    hostile_member_say(m, &(struct punch_message){.type = PUNCH_PING});
    hostile_member_say(m, &(struct punch_message){.type = PUNCH_CHALLENGE_ANSWER});
    call(attack);
    m->source = (struct addr){0};
    m->twice = false;
}

/* Probes that seem to come from the victim, and acknowledge what was never sent. */
static void probe_as_victim(struct stage_attack *attack)
{
    struct stage *stage = attack->stage;
    struct hostile_member *m = member_of(attack);
    struct random_stream *draws = &stage->hostiles[attack->action->place].draws;
    uint64_t unknown[PUNCH_ACKS_MAX] = {attack->done % 2, 1};
    call(attack);
    uint32_t peer = m->call.known ? place_with(stage, m->call.peer) : PLAN_INTERNET;
    if (peer == PLAN_INTERNET)
        return;
    struct addr to = reach(stage, attack->action->place, peer);
    for (uint32_t i = 2; i < PUNCH_ACKS_MAX; i++)
        unknown[i] = random_u64(draws) | 1;
    for (uint32_t i = 0; i < PORTS_VICTIM; i++) {
        struct addr source = victim(attack, i);
        if (source.family == to.family)
            hostile_member_probe(m, &source, &to, unknown, i == 0 ? 0 : PUNCH_ACKS_MAX);
    }
    hostile_member_probe(m, &(struct addr){.family = ADDR_NONE}, &to, unknown, PUNCH_ACKS_MAX);
}

/* A member whose HELLO or its answer was lost says it again. */
static void lie(struct stage_attack *attack)
{
    struct hostile_member *m = member_of(attack);
    if (!m->up) {
        hostile_member_hello(m);
        return;
    }
    switch (attack->action->kind) {
    case PLAN_CLAIM:
        claim(attack);
        return;
    case PLAN_BIND:
        bind_as_victim(attack);
        return;
    default:
        check(attack->action->kind == PLAN_PROBE);
        probe_as_victim(attack);
        return;
    }
}

/* ---- The timeline ---- */

static void attack_next(void *context, struct net *net, uint64_t argument)
{
    struct stage_attack *attack = context;
    const struct plan_action *action = attack->action;
    (void)argument;
    check(attack->done < action->count);
    if (plan_is_lie((enum plan_action_kind)action->kind))
        lie(attack);
    else if (action->kind == PLAN_REPLAY)
        replay(attack);
    else
        send_junk(attack);
    if (++attack->done < action->count)
        net_schedule_call(net, net_now(net) + action->every_ns,
                          attack->stage->places[action->place], attack_next, attack, 0);
}

void stage_schedule_attack(struct stage *stage, const struct plan_action *action)
{
    check(plan_is_attack((enum plan_action_kind)action->kind) && action->count > 0);
    struct stage_attack *attack = &stage->attacks[stage->attack_count++];
    *attack = (struct stage_attack){.stage = stage, .action = action};
    net_schedule_call(stage->net, action->at_ns, stage->places[action->place], attack_next, attack,
                      0);
}

/* ---- Set-up ---- */

static void open_member(void *context, struct net *net, uint64_t argument)
{
    const struct stage *stage = context;
    const struct plan_scenario *scenario = stage->scenario;
    const struct plan_place *place = &scenario->places[argument];
    uint32_t issuer = 0;
    struct node_in in;
    (void)net;
    while (scenario->places[issuer].kind != PLAN_SERVER)
        issuer++;
    uint32_t home = place->home != PLAN_INTERNET ? place->home : issuer;
    struct addr server = address_of(stage, home, NET_PORT_PUNCH);
    mesh_identity(&in, place->name, scenario->places[issuer].name, (uint32_t)argument);
    hostile_member_open(stage->hostiles[argument].member, &in.identity, MESH_CLOCK_S,
                        mesh_tunnel_key(scenario->places[home].name), &server);
}

static bool has_server(const struct plan_scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->place_count; i++)
        if (scenario->places[i].kind == PLAN_SERVER)
            return true;
    return false;
}

static void set_up_host(struct stage *stage, uint32_t index, uint32_t number)
{
    const struct plan_place *place = &stage->scenario->places[index];
    struct stage_hostile *hostile = &stage->hostiles[index];
    hostile->draws = hostile_stream(stage->net, stage->places[index], "attack");
    hostile_listen(stage->net, stage->places[index], PORT_HOSTILE);
    if (!place->member || !has_server(stage->scenario))
        return;
    hostile->member = hostile_member_new(stage->net, stage->places[index]);
    net_schedule_call(stage->net, OPEN_NS + number * OPEN_EVERY_NS, stage->places[index],
                      open_member, stage, index);
}

void stage_set_up_hostile(struct stage *stage)
{
    const struct plan_scenario *scenario = stage->scenario;
    uint32_t hosts = 0, attacks = 0;
    bool counts = false, replays = false;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        attacks += plan_is_attack((enum plan_action_kind)scenario->actions[i].kind);
        replays = replays || scenario->actions[i].kind == PLAN_REPLAY;
    }
    for (uint32_t i = 0; i < scenario->expect_count; i++)
        counts = counts || plan_is_count((enum plan_expect_kind)scenario->expects[i].kind);
    stage->hostiles = calloc(scenario->place_count + 1, sizeof *stage->hostiles);
    stage->attacks = calloc((size_t)attacks + 1, sizeof *stage->attacks);
    stage->ear = replays ? calloc(1, sizeof *stage->ear) : NULL;
    stage->run->counts = counts ? calloc(scenario->expect_count, sizeof *stage->run->counts) : NULL;
    check(stage->hostiles != NULL && stage->attacks != NULL);
    check(replays == (stage->ear != NULL) && counts == (stage->run->counts != NULL));
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        if (scenario->places[i].kind == PLAN_HOSTILE)
            set_up_host(stage, i, hosts++);
        for (uint16_t n = 0; n < PORTS_VICTIM && scenario->places[i].kind == PLAN_BYSTANDER; n++)
            hostile_listen(stage->net, stage->places[i], (uint16_t)(PORT_VICTIM + n));
    }
}

void stage_free_hostile(struct stage *stage)
{
    for (uint32_t i = 0; stage->hostiles != NULL && i < stage->scenario->place_count; i++)
        if (stage->hostiles[i].member != NULL)
            hostile_member_free(stage->hostiles[i].member);
    free(stage->hostiles);
    free(stage->attacks);
    free(stage->ear);
}

/* ---- Watching ---- */

/* Whether an event is a datagram that leaves its place, or one that has come to it. */
static bool is_counted(const struct net_event *event, uint8_t kind)
{
    if (event->packet == NULL || event->packet->protocol != PACKET_UDP)
        return false;
    if (kind == PLAN_SENDS)
        return event->kind == NET_SENT;
    return event->kind == NET_DELIVERED ||
           (event->kind == NET_DROPPED && event->drop == NET_DROP_NO_SOCKET);
}

static void count(const struct stage *stage, const struct net_event *event)
{
    for (uint32_t i = 0; i < stage->scenario->expect_count; i++) {
        const struct plan_expect *expect = &stage->scenario->expects[i];
        if (!plan_is_count((enum plan_expect_kind)expect->kind) ||
            stage->places[expect->client] != event->place || !is_counted(event, expect->kind))
            continue;
        bool early = event->now_ns < expect->after_ns;
        bool late =
            expect->mode == PLAN_WITHIN && event->now_ns > expect->after_ns + expect->within_ns;
        stage->run->counts[i] += !early && !late;
    }
}

/* A hostile host hears what a node has sent once it has arrived at another: it is no faster. */
static void hear(const struct stage *stage, const struct net_event *event)
{
    uint32_t place = stage->clients[event->place];
    if (event->packet == NULL || place == PLAN_INTERNET)
        return;
    /* A node of the core, or a program in its place. */
    if (!plan_is_node(&stage->scenario->places[place]))
        return;
    if (event->kind == NET_SENT)
        hostile_notice(stage->ear, event->packet);
    else if (event->kind == NET_DELIVERED)
        hostile_hear_noticed(stage->ear, event->place, event->packet);
}

void stage_observe_hostile(struct stage *stage, const struct net_event *event)
{
    if (stage->run->counts != NULL)
        count(stage, event);
    if (stage->ear != NULL)
        hear(stage, event);
}
