/* A home's other servers: sessions with them, and who is at home where. */
#include <string.h>

#include "core/base/check.h"
#include "core/punch/home_state.h"

/* Messages in one go when a server is told of all clients, and the pause before the next ones. */
enum { ANNOUNCE_MESSAGES = 4 };
#define ANNOUNCE_PAUSE_NS UINT64_C(5000000)

/* ---- Sessions -------------------------------------------------------------------------------- */

static bool handle_equal(struct handle a, struct handle b)
{
    return a.index == b.index && a.generation == b.generation;
}

/* Of two servers the one with the smaller identity opens the session. */
static bool we_open(const struct home_tools *tools, const uint8_t *identity)
{
    return memcmp(tools->self->identity, identity, IDENTITY_SIZE) < 0;
}

static struct home_server *server_with(struct home *home, const uint8_t *identity)
{
    for (uint32_t i = 0; i < home->servers.high_water; i++) {
        struct handle handle;
        struct home_server *server = pool_slot(&home->servers, i, &handle);
        if (server != NULL && memcmp(server->member.identity, identity, IDENTITY_SIZE) == 0)
            return server;
    }
    return NULL;
}

static struct home_server *server_take(struct home *home, const struct home_tools *tools,
                                       const struct member *member, const struct addr *seen)
{
    struct home_server *server = server_with(home, member->identity);
    if (server != NULL)
        return server;
    struct handle handle;
    server = pool_take(&home->servers, &handle);
    if (server == NULL) {
        context_trace(tools->cx, TRACE_HOME_FULL,
                      (struct trace_record){.socket = NODE_SOCKET_RELAY, .remote = *seen});
        return NULL;
    }
    server->self = handle;
    server->member = *member;
    server->announce_at = UINT32_MAX;
    return server;
}

struct seal_session *home_server_proven(const struct home_tools *tools,
                                        const struct home_server *server)
{
    struct seal_session *session = seal_at(tools->seal, server->session);
    if (session == NULL || !session->up || !addr_equal(&session->proven, &session->route.remote))
        return NULL;
    return session;
}

struct seal_session *home_server_session(const struct home_tools *tools,
                                         const struct home_server *server)
{
    return server->unanswered <= HOME_PINGS_MAX ? home_server_proven(tools, server) : NULL;
}

static void server_open(const struct home_tools *tools, struct home_server *server)
{
    const uint8_t *key = server->member.tunnel_key;
    struct seal_route route = {.socket = NODE_SOCKET_RELAY, .remote = server->relay};
    struct seal_session *session = seal_at(tools->seal, server->session);
    if (!we_open(tools, server->member.identity) || server->relay.family == ADDR_NONE)
        return;
    if (session != NULL && memcmp(session->peer, key, sizeof session->peer) != 0) {
        seal_close(tools->seal, tools->cx, server->session);
        session = NULL;
    }
    if (session == NULL) {
        session =
            seal_open(tools->seal, tools->cx, key, route, HOME_TAG_SERVER | server->self.index);
        server->session = session != NULL ? session->self : (struct handle){0};
        server->announce_ns = 0; /* due when it is up */
        /* No room for a session now: there may be later. */
        if (session == NULL)
            timer_set(tools->cx->timers, &server->timer, tools->cx->now_ns + HOME_PING_NS,
                      TIMER_HOME_SERVER, server->self);
    } else if (!addr_equal(&session->route.remote, &route.remote)) {
        seal_move(session, route);
        seal_renew(tools->seal, tools->cx, session);
    }
}

void home_know_server(struct home *home, const struct home_tools *tools,
                      const struct member *member, const struct addr *relay)
{
    check(member->server);
    if ((member->roles & (IDENTITY_ROLE_PUNCH | IDENTITY_ROLE_RELAY)) == 0 ||
        memcmp(tools->self->identity, member->identity, IDENTITY_SIZE) == 0)
        return;
    struct home_server *server = server_take(home, tools, member, relay);
    if (server == NULL)
        return;
    server->member = *member;
    server->relay = *relay;
    if (home->serving)
        server_open(tools, server);
}

void home_servers_serve(struct home *home, const struct home_tools *tools, bool serving)
{
    for (uint32_t i = 0; i < home->servers.high_water; i++) {
        struct handle handle;
        struct home_server *server = pool_slot(&home->servers, i, &handle);
        if (server == NULL)
            continue;
        if (serving) {
            server_open(tools, server);
            continue;
        }
        if (seal_at(tools->seal, server->session) != NULL)
            seal_close(tools->seal, tools->cx, server->session);
        timer_cancel(tools->cx->timers, &server->timer);
        server->session = (struct handle){0};
        server->unanswered = 0;
    }
}

static void hash_shown(const struct home_tools *tools, const struct seal_event *event,
                       uint8_t hash[static CRYPTO_BLAKE2S_SIZE])
{
    const struct crypto_span part = {event->body.bytes, event->body.size};
    tools->cx->crypto->blake2s(hash, CRYPTO_BLAKE2S_SIZE, NULL, 0, &part, 1);
}

/* Who says HELLO is a server that has business here? What costs most is asked last. */
static enum identity_error server_shown(struct home *home, const struct home_tools *tools,
                                        const struct seal_event *event, struct member *member)
{
    uint8_t hash[CRYPTO_BLAKE2S_SIZE];
    enum identity_error error = self_claimed(event->body.bytes, event->body.size, member);
    if (error != IDENTITY_OK)
        return error;
    /* A member that is no server has no roles. */
    if ((member->roles & (IDENTITY_ROLE_PUNCH | IDENTITY_ROLE_RELAY)) == 0)
        return IDENTITY_BAD_ROLES;
    if (memcmp(member->tunnel_key, event->key, FRAME_KEY_SIZE) != 0 ||
        we_open(tools, member->identity))
        return IDENTITY_WRONG_OWNER;
    const struct home_server *server = server_with(home, member->identity);
    hash_shown(tools, event, hash);
    if (server != NULL && memcmp(server->believed, hash, sizeof hash) == 0 &&
        self_wall_s(tools->self, tools->cx->now_ns) <= server->believed_s)
        return IDENTITY_OK;
    return self_verify(tools->self, tools->cx->crypto, tools->cx->now_ns, event->body.bytes,
                       event->body.size, member);
}

void home_server_hello(struct home *home, const struct home_tools *tools,
                       const struct seal_event *event)
{
    struct member member;
    enum identity_error error = server_shown(home, tools, event, &member);
    if (error != IDENTITY_OK) {
        home_disbelieve(tools, event, error);
        return;
    }
    struct home_server *server = server_take(home, tools, &member, &event->route.remote);
    if (server == NULL)
        return;
    hash_shown(tools, event, server->believed);
    server->believed_s = member.expiry_s;
    uint32_t tag = HOME_TAG_SERVER | server->self.index;
    const struct seal_session *before = seal_with(tools->seal, event->key);
    if (before != NULL && before->tag != tag)
        home_disbelieve(tools, event, IDENTITY_WRONG_OWNER);
    else
        seal_accept(tools->seal, tools->cx, tag);
}

/* ---- Announcements --------------------------------------------------------------------------- */

/* Fills a message with clients from slot `at` on; returns where the next one goes on. */
static uint32_t fill_announcement(struct home *home, uint32_t at, struct punch_message *message)
{
    *message = (struct punch_message){.type = PUNCH_ANNOUNCE};
    for (; at < home->clients.high_water && message->location_count < PUNCH_ANNOUNCED_MAX; at++) {
        struct handle handle;
        const struct home_client *client = pool_slot(&home->clients, at, &handle);
        if (client == NULL || !client->registered || !client->home)
            continue;
        struct punch_location *location = &message->locations[message->location_count++];
        memcpy(location->identity, client->member.identity, IDENTITY_SIZE);
        location->version = client->version;
    }
    return at;
}

static void announce_some(struct home *home, const struct home_tools *tools,
                          struct home_server *server)
{
    for (unsigned i = 0; i < ANNOUNCE_MESSAGES && server->announce_at != UINT32_MAX; i++) {
        struct punch_message message;
        uint32_t next = fill_announcement(home, server->announce_at, &message);
        if (message.location_count > 0 && home_server_proven(tools, server) != NULL)
            home_send(tools, server->session, &message);
        server->announce_at = next < home->clients.high_water ? next : UINT32_MAX;
    }
    server->announce_ns = tools->cx->now_ns +
                          (server->announce_at != UINT32_MAX ? ANNOUNCE_PAUSE_NS : HOME_REFRESH_NS);
}

void home_announce(struct home *home, const struct home_tools *tools,
                   const struct home_client *client)
{
    struct punch_message message = {.type = PUNCH_ANNOUNCE, .location_count = 1};
    check(client->registered && client->home);
    memcpy(message.locations[0].identity, client->member.identity, IDENTITY_SIZE);
    message.locations[0].version = client->version;
    for (uint32_t i = 0; i < home->servers.high_water; i++) {
        struct handle handle;
        const struct home_server *server = pool_slot(&home->servers, i, &handle);
        if (server != NULL && home_server_session(tools, server) != NULL)
            home_send(tools, server->session, &message);
    }
}

/* ---- Locations ------------------------------------------------------------------------------- */

void home_location_forget(struct home *home, struct home_location *location)
{
    bool known = map_remove(&home->by_location, location->identity);
    check(known);
    pool_give(&home->locations, location->self);
}

struct home_location *home_location_of(struct home *home, const struct context *cx,
                                       const uint8_t identity[static IDENTITY_SIZE])
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&home->by_location, identity, &slot))
        return NULL;
    struct home_location *location = pool_slot(&home->locations, slot, &handle);
    check(location != NULL);
    if (cx->now_ns - location->heard_ns < HOME_LOCATION_NS)
        return location;
    home_location_forget(home, location);
    return NULL;
}

void home_location_set(struct home *home, const struct context *cx,
                       const struct punch_location *where, struct handle server)
{
    struct home_location *location = home_location_of(home, cx, where->identity);
    struct handle handle;
    if (location == NULL && home->locations.used == home->locations.capacity) {
        uint32_t victim = home->forget_at++ % home->locations.capacity;
        location = pool_slot(&home->locations, victim, &handle);
        check(location != NULL);
        home_location_forget(home, location);
        location = NULL;
    }
    if (location == NULL) {
        location = pool_take(&home->locations, &handle);
        check(location != NULL);
        location->self = handle;
        memcpy(location->identity, where->identity, IDENTITY_SIZE);
        bool stored = map_set(&home->by_location, where->identity, handle.index);
        check(stored);
    }
    location->version = where->version;
    location->server = server;
    location->heard_ns = cx->now_ns;
}

/* The higher version counts, of what we know and what a server says. */
static void take_location(struct home *home, const struct home_tools *tools,
                          const struct home_server *server, const struct punch_location *where)
{
    struct home_client *client = home_client_with(home, where->identity);
    if (client != NULL && client->home) {
        if (where->version <= client->version)
            return;
        client->home = false;
    }
    const struct home_location *known = home_location_of(home, tools->cx, where->identity);
    if (known != NULL && !handle_equal(known->server, server->self) &&
        where->version <= known->version)
        return;
    home_location_set(home, tools->cx, where, server->self);
}

/* ---- What happens ---------------------------------------------------------------------------- */

/* When it is asked next. Nobody who has been silent for long is asked more often than anybody. */
static uint64_t ping_due_ns(const struct home_server *server)
{
    bool again = server->unanswered > 0 && server->unanswered <= HOME_PINGS_MAX;
    return server->ping_ns + (again ? HOME_PING_AGAIN_NS : HOME_PING_NS);
}

static void server_rearm(const struct home_tools *tools, struct home_server *server)
{
    uint64_t ping_ns = ping_due_ns(server);
    timer_set(tools->cx->timers, &server->timer,
              ping_ns < server->announce_ns ? ping_ns : server->announce_ns, TIMER_HOME_SERVER,
              server->self);
}

static void server_ping(const struct home_tools *tools, struct home_server *server)
{
    server->ping_ns = tools->cx->now_ns;
    if (server->unanswered <= HOME_PINGS_MAX)
        server->unanswered++;
    if (home_server_proven(tools, server) != NULL)
        home_send(tools, server->session, &(struct punch_message){.type = PUNCH_PING});
}

/* The other one is there; one that has begun anew knows nothing of our clients. */
static void server_up(const struct home_tools *tools, struct home_server *server, bool anew)
{
    server->unanswered = 0;
    if (anew) {
        server->announce_at = 0;
        server->announce_ns = tools->cx->now_ns;
    }
    server_ping(tools, server);
    server_rearm(tools, server);
}

/* To where it came from, since that is what it asks. */
static void server_answer(const struct home_tools *tools, const struct seal_event *event)
{
    const struct seal_session *session = seal_at(tools->seal, event->session);
    check(session != NULL);
    home_reply(tools, event, addr_equal(&session->proven, &event->route.remote), 0,
               &(struct punch_message){.type = PUNCH_PONG, .observed = event->route.remote});
}

static void server_pong(const struct home_tools *tools, struct home_server *server)
{
    server->delay_us = (uint32_t)((tools->cx->now_ns - server->ping_ns) / 2000);
}

static void server_message(struct home *home, const struct home_tools *tools,
                           struct home_server *server, const struct seal_event *event)
{
    struct punch_message message;
    enum punch_error error = punch_decode(&message, event->body.bytes, event->body.size);
    server->unanswered = 0; /* whatever it says: it is there */
    bool about_call =
        error == PUNCH_OK && (message.type == PUNCH_INTRODUCE || message.type == PUNCH_INTRODUCED ||
                              message.type == PUNCH_REFUSED);
    /* What a call brings about would go to where nobody may be. */
    if (about_call && home_server_proven(tools, server) == NULL)
        return;
    if (error == PUNCH_OK)
        switch (message.type) {
        case PUNCH_PING:
            server_answer(tools, event);
            return;
        case PUNCH_PONG:
            server_pong(tools, server);
            return;
        case PUNCH_ANNOUNCE:
            for (unsigned i = 0; i < message.location_count; i++)
                take_location(home, tools, server, &message.locations[i]);
            return;
        case PUNCH_INTRODUCE:
            home_introduce(home, tools, server, event, &message);
            return;
        case PUNCH_INTRODUCED:
            home_introduced(home, tools, server, event, &message);
            return;
        case PUNCH_REFUSED:
            home_refused(home, tools, server, &message);
            return;
        default:
            error = PUNCH_UNKNOWN_TYPE;
        }
    context_trace(tools->cx, TRACE_HOME_MALFORMED,
                  (struct trace_record){.socket = event->route.socket,
                                        .remote = event->route.remote,
                                        .number = error});
}

/*
 * The first message of new keys: it comes from whom it says, and the WELCOME reached him. Its bytes
 * are good only until something is sent, so it is heard before its sender is greeted.
 */
static void server_arrived(struct home *home, const struct home_tools *tools,
                           struct home_server *server, struct seal_session *session,
                           const struct seal_event *event)
{
    struct handle before = server->session;
    server->session = session->self;
    server_message(home, tools, server, event);
    bool same = handle_equal(before, session->self);
    if (!same && seal_at(tools->seal, before) != NULL)
        seal_close(tools->seal, tools->cx, before);
    server_up(tools, server, !same || event->peer_restarted);
}

void home_server_event(struct home *home, const struct home_tools *tools, uint32_t slot,
                       const struct seal_event *event)
{
    struct handle handle;
    struct home_server *server =
        slot < home->servers.capacity ? pool_slot(&home->servers, slot, &handle) : NULL;
    struct seal_session *session = seal_at(tools->seal, event->session);
    if (server == NULL || event->route.socket != NODE_SOCKET_RELAY)
        return;
    check(session != NULL);
    if (event->kind == SEAL_UP) {
        if (session->rtt_ns != 0)
            server->delay_us = (uint32_t)(session->rtt_ns / 2000);
        /* The first time its announcement is due at once anyway. */
        server_up(tools, server, event->peer_restarted);
        return;
    }
    if (event->first && !session->initiator)
        server_arrived(home, tools, server, session, event);
    else if (handle_equal(server->session, session->self))
        server_message(home, tools, server, event);
}

void home_server_timer(struct home *home, const struct home_tools *tools, struct handle owner)
{
    struct home_server *server = pool_at(&home->servers, owner);
    check(server != NULL);
    uint64_t now_ns = tools->cx->now_ns;
    struct seal_session *session = seal_at(tools->seal, server->session);
    if (session == NULL) {
        server_open(tools, server);
        return;
    }
    if (now_ns >= server->announce_ns) {
        if (server->announce_at == UINT32_MAX)
            server->announce_at = 0;
        announce_some(home, tools, server);
    }
    if (now_ns >= ping_due_ns(server)) {
        if (server->unanswered == HOME_PINGS_MAX && session->initiator)
            seal_renew(tools->seal, tools->cx, session);
        server_ping(tools, server);
    }
    server_rearm(tools, server);
}
