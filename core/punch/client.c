/* A client's standing with its servers. */
#include "core/punch/client.h"

#include <string.h>

#include "core/base/check.h"

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void client_init(struct client *client, struct random_secret *secret)
{
    memset(client, 0, sizeof *client);
    client->home = CLIENT_NONE;
    client->reserve = CLIENT_NONE;
    client->choice_ns = UINT64_MAX;
    random_secret_bytes(secret, client->salt, sizeof client->salt);
}

static void rearm(struct client *client, const struct client_tools *tools)
{
    uint64_t deadline_ns = client->choice_ns;
    for (unsigned i = 0; i < client->server_count; i++)
        deadline_ns = min_u64(deadline_ns, client->servers[i].next_ns);
    if (deadline_ns == UINT64_MAX)
        timer_cancel(tools->cx->timers, &client->timer);
    else
        timer_set(tools->cx->timers, &client->timer, deadline_ns, TIMER_CLIENT, (struct handle){0});
}

static struct seal_route route_to(const struct client_server *server)
{
    return (struct seal_route){.socket = NODE_SOCKET_TRAFFIC, .remote = server->punch};
}

static void open_session(struct client *client, const struct client_tools *tools, uint8_t index)
{
    struct client_server *server = &client->servers[index];
    if (!client->running || seal_at(tools->seal, server->session) != NULL)
        return;
    struct seal_session *session =
        seal_open(tools->seal, tools->cx, server->member.tunnel_key, route_to(server), index);
    server->session = session != NULL ? session->self : (struct handle){0};
}

static void choose(struct client *client, const struct client_tools *tools);

/* ---- What is known --------------------------------------------------------------------------- */

/* In the first family that the server and we have; IPv4 while our addresses are not known. */
static void choose_endpoints(const struct client *client, struct client_server *server)
{
    const struct client_endpoints *chosen =
        server->v4.punch.family != ADDR_NONE ? &server->v4 : &server->v6;
    for (uint32_t i = client->network.count; i-- > 0;) {
        const struct client_endpoints *same =
            client->network.addresses[i].family == ADDR_V6 ? &server->v6 : &server->v4;
        if (same->punch.family != ADDR_NONE)
            chosen = same;
    }
    server->punch = chosen->punch;
    server->stun = chosen->stun;
}

const struct client_server *client_home(const struct client *client)
{
    if (client->home == CLIENT_NONE)
        return NULL;
    const struct client_server *home = &client->servers[client->home];
    return home->up && home->registered ? home : NULL;
}

/* ---- Saying something ------------------------------------------------------------------------ */

bool client_send(struct client *client, const struct client_tools *tools, uint8_t server,
                 const struct punch_message *message)
{
    check(server < client->server_count);
    struct seal_session *session = seal_at(tools->seal, client->servers[server].session);
    uint8_t body[PUNCH_MESSAGE_MAX];
    size_t size = punch_encode(message, body, sizeof body);
    check(size > 0);
    return session != NULL && seal_send(tools->seal, tools->cx, session, NULL, body, size);
}

static void send_register(struct client *client, const struct client_tools *tools, uint8_t index)
{
    struct punch_message message = {
        .type = PUNCH_REGISTER,
        .flag = index == client->home,
        .version = self_wall_s(tools->self, tools->cx->now_ns) << 20 | ++client->sequence,
        .party.side = client->side,
    };
    memcpy(message.party.salt, client->salt, sizeof client->salt);
    const struct seal_session *session = seal_at(tools->seal, client->servers[index].session);
    if (session != NULL)
        message.party.delay_us = (uint32_t)min_u64(session->rtt_ns / 2000, UINT32_MAX);
    for (uint32_t i = 0; i < client->network.count && i < PUNCH_CANDIDATES_MAX - 1; i++)
        message.party.candidates[message.party.candidate_count++] = (struct punch_candidate){
            .addr = addr_with_port(client->network.addresses[i], client->network.traffic_port),
            .kind = PUNCH_CANDIDATE_HOST,
        };
    client_send(client, tools, index, &message);
}

/* Registers, or shows that we are still there; and waits for the answer. */
static void speak(struct client *client, const struct client_tools *tools, uint8_t index)
{
    struct client_server *server = &client->servers[index];
    if (server->registered)
        client_send(client, tools, index, &(struct punch_message){.type = PUNCH_PING});
    else
        send_register(client, tools, index);
    if (server->tries == 0)
        server->asked_ns = tools->cx->now_ns;
    server->next_ns = tools->cx->now_ns + (CLIENT_RETRY_NS << server->tries);
    if (server->tries < CLIENT_TRIES_MAX)
        server->tries++;
}

static void speak_anew(struct client *client, const struct client_tools *tools, uint8_t index)
{
    struct client_server *server = &client->servers[index];
    /* The answer may be to a REGISTER that is under way. */
    bool under_way = !server->registered && server->tries > 0;
    uint64_t asked_ns = under_way ? server->asked_ns : tools->cx->now_ns;
    server->registered = false;
    server->tries = 0;
    if (!server->up)
        return;
    speak(client, tools, index);
    server->asked_ns = asked_ns;
}

void client_ask_home(struct client *client, const struct client_tools *tools)
{
    if (client_home(client) == NULL || client->servers[client->home].tries > 0)
        return;
    speak(client, tools, client->home);
    rearm(client, tools);
}

void client_side(struct client *client, const struct client_tools *tools,
                 const struct reason_side *side, const struct addr *from)
{
    client->side_from = *from;
    if (memcmp(&client->side, side, sizeof *side) == 0)
        return;
    client->side = *side;
    if (client_home(client) == NULL)
        return;
    /* The home goes on knowing us while it hears the news. */
    send_register(client, tools, client->home);
}

struct reason_side client_side_here(const struct client *client)
{
    for (uint32_t i = 0; i < client->network.count; i++)
        if (addr_equal_ip(&client->network.addresses[i], &client->side_from))
            return client->side;
    return (struct reason_side){.nat = STUN_NAT_UNKNOWN};
}

/* ---- Which server is the home ---------------------------------------------------------------- */

static uint64_t score(const struct client *client, const struct client_tools *tools, uint8_t index)
{
    const struct client_server *server = &client->servers[index];
    const struct seal_session *session = seal_at(tools->seal, server->session);
    if (!server->up || session == NULL)
        return UINT64_MAX;
    return session->rtt_ns / 2 + server->load * CLIENT_LOAD_NS;
}

/* The best server but for one; the one that the host named first where two are equal. */
static uint8_t best_but(const struct client *client, const struct client_tools *tools,
                        uint8_t except)
{
    uint8_t best = CLIENT_NONE;
    uint64_t lowest = UINT64_MAX;
    for (uint8_t i = 0; i < client->server_count; i++) {
        uint64_t value = i == except ? UINT64_MAX : score(client, tools, i);
        if (value < lowest) {
            lowest = value;
            best = i;
        }
    }
    return best;
}

/* Whether leaving the home for this server is worth it. */
static bool is_worth_it(const struct client *client, const struct client_tools *tools,
                        uint8_t index)
{
    uint64_t now_ns = score(client, tools, client->home);
    uint64_t then_ns = score(client, tools, index);
    return now_ns != UINT64_MAX && then_ns + CLIENT_HYSTERESIS_NS <= now_ns &&
           then_ns <= now_ns - now_ns / 3;
}

static void choose(struct client *client, const struct client_tools *tools)
{
    client->choice_ns = UINT64_MAX;
    uint8_t best = best_but(client, tools, CLIENT_NONE);
    if (best == CLIENT_NONE)
        return;
    if (client->home == CLIENT_NONE) {
        client->home = best;
        speak_anew(client, tools, client->home);
    } else if (is_worth_it(client, tools, best)) {
        client->reserve = client->home;
        client->home = best;
        client->mapped = (struct addr){0};
        speak_anew(client, tools, client->home);
        speak_anew(client, tools, client->reserve);
    }
    if (client->reserve == CLIENT_NONE) {
        client->reserve = best_but(client, tools, client->home);
        if (client->reserve != CLIENT_NONE)
            speak_anew(client, tools, client->reserve);
    }
}

static bool all_up(const struct client *client)
{
    for (unsigned i = 0; i < client->server_count; i++)
        if (!client->servers[i].up)
            return false;
    return true;
}

static void report_home(struct client *client, const struct client_tools *tools)
{
    const struct client_server *home = client_home(client);
    struct node_out out = {.kind = NODE_OUT_HOME};
    if (home != NULL) {
        out.home.server = home->punch;
        out.home.mapped = home->observed;
    }
    context_put(tools->cx, &out);
}

/* A server does not answer: the other one takes its place, and it is asked for a new session. */
static void lost(struct client *client, const struct client_tools *tools, uint8_t index)
{
    struct client_server *server = &client->servers[index];
    context_trace(tools->cx, TRACE_CLIENT_HOME_LOST,
                  (struct trace_record){.remote = server->punch});
    server->up = false;
    server->registered = false;
    server->tries = 0;
    server->next_ns = UINT64_MAX;
    struct seal_session *session = seal_at(tools->seal, server->session);
    if (session != NULL)
        seal_renew(tools->seal, tools->cx, session);
    if (index == client->reserve)
        client->reserve = CLIENT_NONE;
    if (index == client->home) {
        client->home = client->reserve;
        client->reserve = CLIENT_NONE;
        client->mapped = (struct addr){0};
        if (client->home != CLIENT_NONE)
            speak_anew(client, tools, client->home);
        report_home(client, tools); /* none, until the new one has answered */
    }
    choose(client, tools);
}

/* Its session leads to where it is now, and is opened if there is none. */
static void reach(struct client *client, const struct client_tools *tools, uint8_t index)
{
    struct client_server *server = &client->servers[index];
    struct addr before = server->punch;
    choose_endpoints(client, server);
    struct seal_session *session = seal_at(tools->seal, server->session);
    if (server->punch.family == ADDR_NONE) {
        if (session != NULL)
            seal_close(tools->seal, tools->cx, session->self);
        if (server->up)
            lost(client, tools, index);
    } else if (session == NULL) {
        open_session(client, tools, index);
    } else if (session != NULL && !addr_equal(&before, &server->punch)) {
        seal_move(session, route_to(server));
    }
}

void client_know_server(struct client *client, const struct client_tools *tools,
                        const struct member *member, const struct server_record *record)
{
    uint8_t index = 0;
    while (index < client->server_count &&
           memcmp(client->servers[index].member.identity, member->identity, IDENTITY_SIZE) != 0)
        index++;
    if (index == CLIENT_SERVERS_MAX)
        return;
    struct client_server *server = &client->servers[index];
    if (index == client->server_count) {
        *server = (struct client_server){.next_ns = UINT64_MAX};
        client->server_count++;
    } else if (record->version <= server->record_version) {
        return;
    }
    server->member = *member;
    server->record_version = record->version;
    server->load = record->load;
    if ((member->roles & IDENTITY_ROLE_PUNCH) == 0) {
        server->v4 = server->v6 = (struct client_endpoints){0};
        reach(client, tools, index);
        return;
    }
    server->v4 = (struct client_endpoints){server_record_endpoint(record, ENDPOINT_PUNCH, ADDR_V4),
                                           server_record_endpoint(record, ENDPOINT_STUN, ADDR_V4)};
    server->v6 = (struct client_endpoints){server_record_endpoint(record, ENDPOINT_PUNCH, ADDR_V6),
                                           server_record_endpoint(record, ENDPOINT_STUN, ADDR_V6)};
    reach(client, tools, index);
    /* Its load may be another one now. */
    if (client->home != CLIENT_NONE) {
        choose(client, tools);
        rearm(client, tools);
    }
}

/* ---- What happens ---------------------------------------------------------------------------- */

void client_network(struct client *client, const struct client_tools *tools,
                    const struct node_in_network *network)
{
    bool same = client->network.count == network->count &&
                memcmp(client->network.addresses, network->addresses,
                       sizeof network->addresses[0] * network->count) == 0;
    client->network = *network;
    client->running = tools->self->ready && network->count > 0;
    for (uint8_t i = 0; i < client->server_count; i++) {
        struct client_server *server = &client->servers[i];
        reach(client, tools, i);
        if (!same && client->running && server->up && (i == client->home || i == client->reserve))
            speak_anew(client, tools, i);
    }
    rearm(client, tools);
}

static void session_up(struct client *client, const struct client_tools *tools, uint8_t index,
                       bool restarted)
{
    struct client_server *server = &client->servers[index];
    bool was_up = server->up;
    server->up = true;
    if (index == client->home || index == client->reserve) {
        if (!was_up || restarted)
            speak_anew(client, tools, index);
        return;
    }
    if (client->home != CLIENT_NONE || all_up(client))
        choose(client, tools);
    else if (client->choice_ns == UINT64_MAX)
        client->choice_ns = tools->cx->now_ns + CLIENT_CHOICE_NS;
}

/*
 * Where a HELLO had to be repeated, nobody knows which one was answered. The first REGISTER after it
 * tells: if that had to be repeated, too, the server is probably far away, and the first one was
 * answered. (Later answers may be to repetitions from before.) It learns by one more registration
 * how far it is.
 */
static void measure(struct client *client, const struct client_tools *tools, uint8_t index)
{
    const struct client_server *server = &client->servers[index];
    struct seal_session *session = seal_at(tools->seal, server->session);
    if (session == NULL || !session->rtt_unsure || server->tries == 0 ||
        tools->cx->now_ns == server->asked_ns)
        return;
    uint64_t before_ns = session->rtt_ns;
    session->rtt_ns = tools->cx->now_ns - server->asked_ns;
    session->rtt_unsure = false;
    if (session->rtt_ns > before_ns + before_ns / 4 || before_ns > session->rtt_ns * 5 / 4)
        send_register(client, tools, index);
}

static struct client_news answered(struct client *client, const struct client_tools *tools,
                                   uint8_t index, const struct punch_message *message)
{
    struct client_news news = {0};
    struct client_server *server = &client->servers[index];
    bool fresh = message->type == PUNCH_REGISTERED && !server->registered;
    if (message->type == PUNCH_REGISTERED)
        server->registered = true;
    if (fresh)
        measure(client, tools, index);
    server->tries = 0;
    server->next_ns = tools->cx->now_ns + CLIENT_KEEPALIVE_NS;
    server->observed = message->observed;
    if (index != client->home)
        return news;
    if (fresh) {
        context_trace(tools->cx, TRACE_CLIENT_HOME,
                      (struct trace_record){.remote = server->punch, .other = message->observed});
        news.home = true;
    }
    if (message->type == PUNCH_REGISTERED && client->mapped.family != ADDR_NONE &&
        !addr_equal(&client->mapped, &message->observed))
        news.moved = true;
    bool told = addr_equal(&client->mapped, &message->observed) && !fresh;
    client->mapped = message->observed;
    if (!told)
        report_home(client, tools);
    return news;
}

/* The server asks whether we are really where our frames seem to come from. */
static struct client_news challenged(struct client *client, const struct client_tools *tools,
                                     uint8_t index, const struct punch_message *message)
{
    struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
    memcpy(answer.token, message->token, sizeof answer.token);
    client_send(client, tools, index, &answer);
    if (index != client->home)
        return (struct client_news){0};
    /* What it sees now comes with the next answer. */
    client_ask_home(client, tools);
    return (struct client_news){.moved = true};
}

static struct client_news message_in(struct client *client, const struct client_tools *tools,
                                     uint8_t index, const struct seal_event *event,
                                     struct punch_message *message)
{
    enum punch_error error = punch_decode(message, event->body.bytes, event->body.size);
    if (error != PUNCH_OK) {
        context_trace(tools->cx, TRACE_HOME_MALFORMED,
                      (struct trace_record){.remote = event->route.remote, .number = error});
        return (struct client_news){0};
    }
    switch (message->type) {
    case PUNCH_REGISTERED:
    case PUNCH_PONG:
        return answered(client, tools, index, message);
    case PUNCH_CHALLENGE:
        return challenged(client, tools, index, message);
    case PUNCH_OFFER:
    case PUNCH_REFUSED:
        return (struct client_news){.call = message, .server = index};
    default:
        context_trace(tools->cx, TRACE_HOME_MALFORMED,
                      (struct trace_record){.remote = event->route.remote});
        return (struct client_news){0};
    }
}

struct client_news client_event(struct client *client, const struct client_tools *tools,
                                const struct seal_event *event, struct punch_message *scratch)
{
    const struct seal_session *session = seal_at(tools->seal, event->session);
    if (session == NULL || session->tag >= client->server_count)
        return (struct client_news){0};
    uint8_t index = (uint8_t)session->tag;
    struct client_news news = {0};
    if (event->kind == SEAL_UP)
        session_up(client, tools, index, event->peer_restarted);
    else if (event->kind == SEAL_MESSAGE)
        news = message_in(client, tools, index, event, scratch);
    rearm(client, tools);
    return news;
}

void client_timer(struct client *client, const struct client_tools *tools)
{
    uint64_t now_ns = tools->cx->now_ns;
    if (client->choice_ns <= now_ns)
        choose(client, tools);
    for (uint8_t i = 0; i < client->server_count; i++) {
        struct client_server *server = &client->servers[i];
        if (server->next_ns > now_ns)
            continue;
        if (server->tries == CLIENT_TRIES_MAX)
            lost(client, tools, i);
        else if (i == client->home || i == client->reserve)
            speak(client, tools, i);
        else
            server->next_ns = UINT64_MAX;
    }
    rearm(client, tools);
}
