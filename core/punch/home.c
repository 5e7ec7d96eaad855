/* The home: registrations of clients, and where each of them is. */
#include "core/punch/home.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/punch/home_state.h"

/* ---- Memory ---------------------------------------------------------------------------------- */

size_t home_bytes(uint32_t clients, uint32_t servers, uint32_t locations)
{
    return pool_bytes(clients, sizeof(struct home_client)) +
           pool_align(map_bytes(clients, IDENTITY_SIZE)) +
           pool_bytes(servers, sizeof(struct home_server)) +
           pool_bytes(locations, sizeof(struct home_location)) +
           pool_align(map_bytes(locations, IDENTITY_SIZE)) +
           pool_bytes(clients, sizeof(struct home_call)) +
           pool_align(map_bytes(clients, PUNCH_NONCE_SIZE));
}

/* Makes a pool at *at, and *at the end of it. */
static void place_pool(struct pool *pool, uint8_t **at, uint32_t capacity, size_t size)
{
    pool_init(pool, *at, capacity, (uint32_t)size);
    *at += pool_bytes(capacity, (uint32_t)size);
}

static void place_map(struct map *map, uint8_t **at, uint32_t capacity, uint32_t key_size,
                      struct random_secret *secret)
{
    map_init(map, *at, capacity, key_size, random_hash_key(secret));
    *at += pool_align(map_bytes(capacity, key_size));
}

void home_init(struct home *home, void *memory, uint32_t clients, uint32_t servers,
               uint32_t locations, struct random_secret *secret)
{
    check(clients > 0 && clients <= HOME_TAG_SLOT && locations > 0);
    check(servers > 0 && servers <= HOME_SERVERS_MAX);
    *home = (struct home){.serving = false};
    uint8_t *at = memory;
    place_pool(&home->clients, &at, clients, sizeof(struct home_client));
    place_map(&home->by_identity, &at, clients, IDENTITY_SIZE, secret);
    place_pool(&home->servers, &at, servers, sizeof(struct home_server));
    place_pool(&home->locations, &at, locations, sizeof(struct home_location));
    place_map(&home->by_location, &at, locations, IDENTITY_SIZE, secret);
    place_pool(&home->calls, &at, clients, sizeof(struct home_call));
    place_map(&home->by_nonce, &at, clients, PUNCH_NONCE_SIZE, secret);
    check((size_t)(at - (uint8_t *)memory) == home_bytes(clients, servers, locations));
}

/* ---- Saying something ------------------------------------------------------------------------ */

bool home_send(const struct home_tools *tools, struct handle session,
               const struct punch_message *message)
{
    uint8_t body[PUNCH_MESSAGE_MAX];
    struct seal_session *to = seal_at(tools->seal, session);
    /* 0: it would name an address that no message can, because a frame seemed to come from it. */
    size_t size = punch_encode(message, body, sizeof body);
    return to != NULL && size > 0 && seal_send(tools->seal, tools->cx, to, NULL, body, size);
}

static bool is_proven(const struct home_client *client, const struct seal_event *event)
{
    return addr_equal(&client->route.remote, &event->route.remote);
}

bool home_reply(const struct home_tools *tools, const struct seal_event *event, bool proven,
                uint32_t kept, const struct punch_message *message)
{
    uint8_t body[PUNCH_MESSAGE_MAX];
    struct seal_session *to = seal_at(tools->seal, event->session);
    size_t size = punch_encode(message, body, sizeof body);
    if (to == NULL || size == 0)
        return false;
    if (!proven &&
        (size > event->body.size || !budget_take_above(&tools->seal->unproven, tools->cx->now_ns,
                                                       &event->route.remote, kept, NULL))) {
        context_trace(
            tools->cx, TRACE_SEAL_OVER_BUDGET,
            (struct trace_record){.socket = event->route.socket, .remote = event->route.remote});
        return false;
    }
    return seal_send(tools->seal, tools->cx, to, &event->route, body, size);
}

bool home_answer(const struct home_tools *tools, struct home_client *client,
                 const struct seal_event *event, const struct punch_message *message)
{
    bool proven = is_proven(client, event);
    uint32_t kept = message->type == PUNCH_CHALLENGE ? 0 : SEAL_UNPROVEN_KEPT;
    if (!home_reply(tools, event, proven, kept, message))
        return false;
    if (!proven && addr_equal(&client->asked.remote, &event->route.remote))
        client->asked_spent++;
    return true;
}

bool home_may(uint64_t *used_ns, uint64_t now_ns, uint32_t burst, uint64_t each_ns)
{
    uint64_t from_ns = *used_ns > now_ns ? *used_ns : now_ns;
    if (from_ns - now_ns > (burst - 1) * each_ns)
        return false;
    *used_ns = from_ns + each_ns;
    return true;
}

void home_disbelieve(const struct home_tools *tools, const struct seal_event *event,
                     enum identity_error error)
{
    context_trace(tools->cx, TRACE_INTRODUCTION_REFUSED,
                  (struct trace_record){.socket = event->route.socket,
                                        .remote = event->route.remote,
                                        .number = error});
}

/* ---- Registrations --------------------------------------------------------------------------- */

struct home_client *home_client_with(struct home *home,
                                     const uint8_t identity[static IDENTITY_SIZE])
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&home->by_identity, identity, &slot))
        return NULL;
    struct home_client *client = pool_slot(&home->clients, slot, &handle);
    check(client != NULL);
    return client->registered ? client : NULL;
}

/* The client whose session this is; NULL: it is nobody's, or another server's. */
static struct home_client *client_of_session(struct home *home, const struct seal_session *session)
{
    struct handle handle;
    uint32_t slot = session->tag & HOME_TAG_SLOT;
    if ((session->tag & ~(uint32_t)HOME_TAG_SLOT) != HOME_TAG_CLIENT ||
        slot >= home->clients.capacity)
        return NULL;
    struct home_client *client = pool_slot(&home->clients, slot, &handle);
    if (client == NULL || client->session.index != session->self.index ||
        client->session.generation != session->self.generation)
        return NULL;
    return client;
}

static void client_gone(struct home *home, const struct home_tools *tools,
                        struct home_client *client)
{
    uint32_t slot;
    context_trace(
        tools->cx, TRACE_HOME_GONE,
        (struct trace_record){.socket = NODE_SOCKET_PUNCH, .remote = client->route.remote});
    if (map_get(&home->by_identity, client->member.identity, &slot) && slot == client->self.index)
        map_remove(&home->by_identity, client->member.identity);
    relay_owner_gone(tools->relay, tools->cx, client->self.index);
    if (seal_at(tools->seal, client->session) != NULL)
        seal_close(tools->seal, tools->cx, client->session);
    timer_cancel(tools->cx->timers, &client->timer);
    pool_give(&home->clients, client->self);
}

/* These bytes have been verified before, for this client, and are good still. */
static bool is_believed(const struct home_tools *tools, const struct home_client *client,
                        const struct frame_span *shown)
{
    if (client->introduction_size == shown->size &&
        memcmp(client->introduction, shown->bytes, shown->size) == 0)
        return !self_expired(tools->self, tools->cx->now_ns, &client->member);
    return client->shown_size == shown->size &&
           memcmp(client->shown, shown->bytes, shown->size) == 0 &&
           !self_expired(tools->self, tools->cx->now_ns, &client->shown_member);
}

/*
 * Somebody who says HELLO to the punch socket: a member, the holder of his tunnel key, and the one
 * who has a session with it (client; NULL: there is none)? Signatures are dear, so they come last.
 */
static enum identity_error member_shown(const struct home_tools *tools,
                                        const struct seal_event *event,
                                        const struct home_client *client, struct member *member)
{
    enum identity_error error = self_claimed(event->body.bytes, event->body.size, member);
    if (error != IDENTITY_OK)
        return error;
    if (member->server)
        return IDENTITY_WRONG_KIND;
    if (memcmp(member->tunnel_key, event->key, sizeof member->tunnel_key) != 0)
        return IDENTITY_WRONG_OWNER;
    if (client != NULL &&
        memcmp(client->member.identity, member->identity, sizeof member->identity) != 0)
        return IDENTITY_WRONG_OWNER;
    if (client != NULL && is_believed(tools, client, &event->body))
        return IDENTITY_OK;
    return self_verify(tools->self, tools->cx->crypto, tools->cx->now_ns, event->body.bytes,
                       event->body.size, member);
}

/* Sets the timer to what comes first: silence for too long, or the end of what it showed. */
static void client_rearm(const struct home_tools *tools, struct home_client *client)
{
    const uint64_t second_ns = UINT64_C(1000000000);
    uint64_t next_ns = client->heard_ns + HOME_SILENT_NS, now_ns = tools->cx->now_ns;
    uint64_t wall_s = self_wall_s(tools->self, now_ns), expiry_s = client->member.expiry_s;
    if (expiry_s >= wall_s && expiry_s - wall_s < HOME_SILENT_NS / second_ns &&
        now_ns + (expiry_s - wall_s + 1) * second_ns < next_ns)
        next_ns = now_ns + (expiry_s - wall_s + 1) * second_ns;
    timer_set(tools->cx->timers, &client->timer, next_ns, TIMER_HOME_CLIENT, client->self);
}

static struct home_client *client_new(struct home *home, const struct home_tools *tools,
                                      const struct seal_event *event, const struct member *member)
{
    struct handle handle;
    struct home_client *client = pool_take(&home->clients, &handle);
    if (client == NULL) {
        context_trace(
            tools->cx, TRACE_HOME_FULL,
            (struct trace_record){.socket = event->route.socket, .remote = event->route.remote});
        return NULL;
    }
    client->self = handle;
    client->member = *member;
    client->heard_ns = tools->cx->now_ns;
    check(event->body.size <= sizeof client->introduction);
    memcpy(client->introduction, event->body.bytes, event->body.size);
    client->introduction_size = (uint32_t)event->body.size;
    client_rearm(tools, client);
    return client;
}

/* Keeps what an answered HELLO shows until its keys are used. */
static void client_shown(struct home_client *client, const struct seal_event *event,
                         const struct member *member)
{
    check(event->body.size <= sizeof client->shown);
    client->shown_member = *member;
    memcpy(client->shown, event->body.bytes, event->body.size);
    client->shown_size = (uint32_t)event->body.size;
    memcpy(client->shown_hello, event->hello, sizeof client->shown_hello);
}

/*
 * A record is made for the session that is about to begin. It says nothing about the registration
 * that the same identity may have: the HELLO could be an old one that somebody sends again. Only
 * the first message of the new session takes the registration over.
 */
static void client_hello(struct home *home, const struct home_tools *tools,
                         const struct seal_event *event)
{
    struct member member;
    const struct seal_session *before = seal_with(tools->seal, event->key);
    struct home_client *client = before != NULL ? client_of_session(home, before) : NULL;
    enum identity_error error = before != NULL && client == NULL
                                    ? IDENTITY_WRONG_OWNER
                                    : member_shown(tools, event, client, &member);
    if (error != IDENTITY_OK) {
        home_disbelieve(tools, event, error);
        return;
    }
    bool fresh = client == NULL;
    if (fresh)
        client = client_new(home, tools, event, &member);
    if (client == NULL)
        return;
    const struct seal_session *session =
        seal_accept(tools->seal, tools->cx, HOME_TAG_CLIENT | client->self.index);
    if (session == NULL) {
        if (fresh)
            client_gone(home, tools, client);
        return;
    }
    client->session = session->self;
    if (!fresh)
        client_shown(client, event, &member);
}

/* ---- Where a client is ----------------------------------------------------------------------- */

static void client_moved(const struct home_tools *tools, struct home_client *client,
                         struct seal_session *session, const struct seal_route *route)
{
    if (client->route.remote.family != ADDR_NONE &&
        !addr_equal(&client->route.remote, &route->remote))
        context_trace(tools->cx, TRACE_HOME_MOVED,
                      (struct trace_record){.socket = route->socket,
                                            .remote = route->remote,
                                            .other = client->route.remote});
    client->route = *route;
    client->asked = (struct seal_route){0};
    seal_move(session, *route);
    relay_owner_moved(tools->relay, tools->cx, client->self.index, route);
}

/*
 * The first message of new keys came from where its WELCOME went: the seal then leads the session
 * there. An address that answered long ago, under other keys, may be somebody else's by now.
 */
static bool reached(const struct seal_session *session, const struct seal_event *event)
{
    return addr_equal(&event->route.remote, &session->proven) &&
           addr_equal(&event->route.remote, &session->route.remote);
}

/*
 * The first message under new keys. Its sender has read our WELCOME just now, so it is no
 * recording, and it is where the WELCOME went, if it comes from there.
 */
static void client_arrived(struct home *home, const struct home_tools *tools,
                           struct home_client *client, struct seal_session *session,
                           const struct seal_event *event)
{
    uint32_t slot;
    struct handle handle;
    if (client->shown_size > 0 &&
        memcmp(client->shown_hello, event->hello, sizeof client->shown_hello) == 0) {
        client->member = client->shown_member;
        memcpy(client->introduction, client->shown, client->shown_size);
        client->introduction_size = client->shown_size;
        client->shown_size = 0;
    }
    if (map_get(&home->by_identity, client->member.identity, &slot) && slot != client->self.index) {
        struct home_client *before = pool_slot(&home->clients, slot, &handle);
        check(before != NULL);
        client_gone(home, tools, before);
    }
    bool stored = map_set(&home->by_identity, client->member.identity, client->self.index);
    check(stored);
    if (reached(session, event))
        client_moved(tools, client, session, &event->route);
}

/* Asks who is at a new address; false when it has just been asked. */
static bool client_challenge(const struct home_tools *tools, struct home_client *client,
                             const struct seal_event *event)
{
    const struct context *cx = tools->cx;
    uint64_t since_ns = cx->now_ns - client->asked_ns;
    bool asked = client->asked.remote.family != ADDR_NONE;
    if (asked && since_ns < HOME_CHALLENGE_NS)
        return false;
    /* An answer that is under way counts still when the same address is asked again. */
    if (!asked || since_ns >= HOME_TOKEN_NS ||
        !addr_equal(&client->asked.remote, &event->route.remote))
        random_secret_bytes(cx->secret, client->token, sizeof client->token);
    if (!addr_equal(&client->asked.remote, &event->route.remote))
        client->asked_spent = 0;
    client->asked = event->route;
    client->asked_ns = cx->now_ns;
    struct punch_message message = {.type = PUNCH_CHALLENGE};
    memcpy(message.token, client->token, sizeof message.token);
    if (home_answer(tools, client, event, &message))
        context_trace(cx, TRACE_HOME_CHALLENGED,
                      (struct trace_record){.socket = event->route.socket,
                                            .remote = event->route.remote,
                                            .other = client->route.remote});
    return true;
}

static void client_answered_challenge(const struct home_tools *tools, struct home_client *client,
                                      struct seal_session *session, const struct seal_event *event,
                                      const struct punch_message *message)
{
    if (tools->cx->now_ns - client->asked_ns >= HOME_TOKEN_NS ||
        !addr_equal(&client->asked.remote, &event->route.remote) ||
        !tools->cx->crypto->equal(client->token, message->token, sizeof client->token))
        return;
    if (client->asked_spent > 0)
        budget_give_back(&tools->seal->unproven, tools->cx->now_ns, &event->route.remote,
                         client->asked_spent);
    client->asked_spent = 0;
    client_moved(tools, client, session, &event->route);
}

/* ---- What a client says ---------------------------------------------------------------------- */

/* The home of a client is where it registered as such last, here or elsewhere. */
static void settle_home(struct home *home, const struct home_tools *tools,
                        struct home_client *client, bool was_home, bool news)
{
    uint32_t burst = was_home ? 1 : HOME_ANNOUNCES_BURST;
    struct home_location *elsewhere = home_location_of(home, tools->cx, client->member.identity);
    if (!client->home)
        return;
    if (elsewhere != NULL && elsewhere->version > client->version) {
        client->home = false;
        return;
    }
    if (elsewhere != NULL)
        home_location_forget(home, elsewhere);
    /* What is not said now the next round of all registrations says. */
    if (news && home_may(&client->announces_ns, tools->cx->now_ns, burst, HOME_ANNOUNCE_NS))
        home_announce(home, tools, client);
}

static void client_register(struct home *home, const struct home_tools *tools,
                            struct home_client *client, const struct seal_event *event,
                            const struct punch_message *message)
{
    bool news = !client->registered || event->first || message->version > client->version;
    /* Overtaken by a later one on the way; it still deserves its answer. */
    bool late = client->registered && !event->first && message->version < client->version;
    bool was_home = client->registered && client->home;
    if (!late) {
        client->registered = true;
        client->home = message->flag == 1;
        client->version = message->version;
        client->side = message->party.side;
        client->delay_us = message->party.delay_us;
        memcpy(client->salt, message->party.salt, sizeof client->salt);
        client->candidate_count = message->party.candidate_count;
        memcpy(client->candidates, message->party.candidates, sizeof client->candidates);
        settle_home(home, tools, client, was_home, news);
        context_trace(tools->cx, TRACE_HOME_REGISTERED,
                      (struct trace_record){.socket = event->route.socket,
                                            .remote = client->route.remote,
                                            .other = event->route.remote});
    }
    if (!is_proven(client, event) && client_challenge(tools, client, event))
        return;
    home_answer(tools, client, event,
                &(struct punch_message){.type = PUNCH_REGISTERED, .observed = event->route.remote});
}

static void client_ping(const struct home_tools *tools, struct home_client *client,
                        const struct seal_event *event)
{
    home_answer(tools, client, event,
                &(struct punch_message){.type = PUNCH_PONG, .observed = event->route.remote});
}

static void malformed(const struct home_tools *tools, const struct seal_event *event,
                      enum punch_error error)
{
    context_trace(tools->cx, TRACE_HOME_MALFORMED,
                  (struct trace_record){.socket = event->route.socket,
                                        .remote = event->route.remote,
                                        .number = error});
}

static void client_says(struct home *home, const struct home_tools *tools,
                        struct home_client *client, struct seal_session *session,
                        const struct seal_event *event, const struct punch_message *message)
{
    client->heard_ns = tools->cx->now_ns;
    if (message->type == PUNCH_REGISTER) {
        client_register(home, tools, client, event, message);
        return;
    }
    /*
     * Its REGISTER has been lost, or this home has forgotten it. Silence makes it come again, while
     * an answer would make it believe that it is known.
     */
    if (!client->registered)
        return;
    if (message->type == PUNCH_CHALLENGE_ANSWER) {
        client_answered_challenge(tools, client, session, event, message);
        return;
    }
    /* One datagram for one: the challenge takes the answer's place. */
    if (!is_proven(client, event) && client_challenge(tools, client, event))
        return;
    if (message->type == PUNCH_PING)
        client_ping(tools, client, event);
    else
        home_connect(home, tools, client, event, message);
}

static void client_message(struct home *home, const struct home_tools *tools,
                           struct home_client *client, struct seal_session *session,
                           const struct seal_event *event)
{
    struct punch_message message;
    enum punch_error error = punch_decode(&message, event->body.bytes, event->body.size);
    if (event->first)
        client_arrived(home, tools, client, session, event);
    if (error == PUNCH_OK && message.type != PUNCH_REGISTER && message.type != PUNCH_PING &&
        message.type != PUNCH_CHALLENGE_ANSWER && message.type != PUNCH_CONNECT)
        error = PUNCH_UNKNOWN_TYPE;
    if (self_expired(tools->self, tools->cx->now_ns, &client->member))
        client_gone(home, tools, client);
    else if (error != PUNCH_OK)
        malformed(tools, event, error);
    else
        client_says(home, tools, client, session, event, &message);
}

/* ---- What happens ---------------------------------------------------------------------------- */

void home_serve(struct home *home, const struct home_tools *tools, bool serving)
{
    if (home->serving == serving)
        return;
    home->serving = serving;
    for (uint32_t i = 0; !serving && i < home->clients.high_water; i++) {
        struct handle handle;
        struct home_client *client = pool_slot(&home->clients, i, &handle);
        if (client != NULL)
            client_gone(home, tools, client);
    }
    if (!serving)
        home_calls_forget(home);
    home_servers_serve(home, tools, serving);
}

void home_event(struct home *home, const struct home_tools *tools, const struct seal_event *event)
{
    if (!home->serving || !tools->self->ready)
        return;
    if (event->kind == SEAL_HELLO) {
        if (event->route.socket == NODE_SOCKET_PUNCH)
            client_hello(home, tools, event);
        else if (event->route.socket == NODE_SOCKET_RELAY)
            home_server_hello(home, tools, event);
        seal_decline(tools->seal, tools->cx);
        return;
    }
    struct seal_session *session = seal_at(tools->seal, event->session);
    if (session == NULL || event->kind == SEAL_NOTHING)
        return;
    if ((session->tag & ~(uint32_t)HOME_TAG_SLOT) == HOME_TAG_SERVER) {
        home_server_event(home, tools, session->tag & HOME_TAG_SLOT, event);
        return;
    }
    struct home_client *client = client_of_session(home, session);
    if (client != NULL && event->kind == SEAL_MESSAGE && event->route.socket == NODE_SOCKET_PUNCH)
        client_message(home, tools, client, session, event);
}

void home_timer(struct home *home, const struct home_tools *tools, struct handle owner)
{
    struct home_client *client = pool_at(&home->clients, owner);
    check(client != NULL);
    if (tools->cx->now_ns - client->heard_ns >= HOME_SILENT_NS ||
        self_expired(tools->self, tools->cx->now_ns, &client->member))
        client_gone(home, tools, client);
    else
        client_rearm(tools, client);
}
