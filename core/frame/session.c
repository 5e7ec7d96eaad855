/* The table of sessions and what each one holds. */
#include "core/frame/session.h"

#include <string.h>

#include "core/base/check.h"

size_t session_table_bytes(uint32_t sessions)
{
    return pool_bytes(sessions, sizeof(struct seal_session)) +
           pool_align(map_bytes(sessions, FRAME_KEY_SIZE));
}

void session_table_init(struct seal *seal, void *memory, uint32_t sessions,
                        struct hash_key hash_key)
{
    check(sessions > 0 && sessions <= SEAL_SESSIONS_MAX);
    pool_init(&seal->sessions, memory, sessions, sizeof(struct seal_session));
    uint8_t *map = (uint8_t *)memory + pool_bytes(sessions, sizeof(struct seal_session));
    map_init(&seal->by_key, map, sessions, FRAME_KEY_SIZE, hash_key);
}

struct seal_session *seal_at(struct seal *seal, struct handle session)
{
    return pool_at(&seal->sessions, session);
}

struct seal_session *seal_with(struct seal *seal, const uint8_t key[static FRAME_KEY_SIZE])
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&seal->by_key, key, &slot))
        return NULL;
    struct seal_session *session = pool_slot(&seal->sessions, slot, &handle);
    check(session != NULL);
    return session;
}

/* Forgets a session that has been silent; false when none of those that were looked at has been. */
static bool forget_one(struct seal *seal, const struct context *cx)
{
    uint32_t capacity = seal->sessions.capacity;
    uint32_t steps = capacity < SEAL_EVICT_STEPS ? capacity : SEAL_EVICT_STEPS;
    for (uint32_t i = 0; i < steps; i++) {
        struct handle handle;
        struct seal_session *session = pool_slot(&seal->sessions, seal->evict_at, &handle);
        seal->evict_at = (seal->evict_at + 1) % capacity;
        check(session != NULL);
        if (session->initiator || cx->now_ns - session->heard_ns < SEAL_SILENT_NS)
            continue;
        session_end(seal, cx, session);
        return true;
    }
    return false;
}

struct seal_session *session_new(struct seal *seal, const struct context *cx,
                                 const uint8_t key[static FRAME_KEY_SIZE],
                                 const uint8_t secret[static CRYPTO_X25519_SIZE],
                                 struct seal_route route)
{
    check(seal_with(seal, key) == NULL);
    struct handle handle;
    struct seal_session *session = pool_take(&seal->sessions, &handle);
    if (session == NULL && forget_one(seal, cx))
        session = pool_take(&seal->sessions, &handle);
    if (session == NULL) {
        context_trace(cx, TRACE_SEAL_FULL,
                      (struct trace_record){.socket = route.socket, .remote = route.remote});
        return NULL;
    }
    memcpy(session->peer, key, FRAME_KEY_SIZE);
    memcpy(session->secret, secret, CRYPTO_X25519_SIZE);
    session->self = handle;
    session->route = route;
    session->heard_ns = cx->now_ns;
    bool stored = map_set(&seal->by_key, key, handle.index);
    check(stored);
    return session;
}

static struct seal_session *opened_at(struct seal *seal, uint32_t link)
{
    struct handle handle;
    if (link == 0)
        return NULL;
    struct seal_session *session = pool_slot(&seal->sessions, link - 1, &handle);
    check(session != NULL && session->initiator);
    return session;
}

struct seal_session *session_first(struct seal *seal)
{
    return opened_at(seal, seal->first_opened);
}

struct seal_session *session_next(struct seal *seal, const struct seal_session *session)
{
    return opened_at(seal, session->next_opened);
}

void session_own(struct seal *seal, struct seal_session *session)
{
    if (session->initiator)
        return;
    struct seal_session *next = session_first(seal);
    if (next != NULL)
        next->previous_opened = session->self.index + 1;
    session->initiator = true;
    session->previous_opened = 0;
    session->next_opened = seal->first_opened;
    seal->first_opened = session->self.index + 1;
}

static void disown(struct seal *seal, struct seal_session *session)
{
    struct seal_session *next = opened_at(seal, session->next_opened);
    struct seal_session *previous = opened_at(seal, session->previous_opened);
    if (next != NULL)
        next->previous_opened = session->previous_opened;
    if (previous != NULL)
        previous->next_opened = session->next_opened;
    else
        seal->first_opened = session->next_opened;
}

void session_end(struct seal *seal, const struct context *cx, struct seal_session *session)
{
    context_trace(
        cx, TRACE_SEAL_FORGOTTEN,
        (struct trace_record){.socket = session->route.socket, .remote = session->route.remote});
    if (session->initiator)
        disown(seal, session);
    timer_cancel(cx->timers, &session->timer);
    bool known = map_remove(&seal->by_key, session->peer);
    check(known);
    struct handle self = session->self;
    cx->crypto->wipe(session, sizeof *session);
    pool_give(&seal->sessions, self);
}

static bool index_in_use(const struct seal_session *session, uint32_t index)
{
    return (session->saying && session->hello_index == index) ||
           (session->current.live && session->current.mine == index) ||
           (session->previous.live && session->previous.mine == index) ||
           (session->pending[0].keys.live && session->pending[0].keys.mine == index) ||
           (session->pending[1].keys.live && session->pending[1].keys.mine == index);
}

/* The slot leads to the session in one step; the random half tells stale indices apart. */
uint32_t session_draw_index(const struct context *cx, const struct seal_session *session)
{
    uint8_t low[2];
    random_secret_bytes(cx->secret, low, sizeof low);
    uint16_t number = (uint16_t)(low[0] << 8 | low[1]);
    check(session->self.index < SEAL_SESSIONS_MAX);
    uint32_t slot = session->self.index << 16;
    for (uint32_t taken = 0; index_in_use(session, slot | number); taken++) {
        check(taken < 5); /* as many as can be in use */
        number++;
    }
    return slot | number;
}

struct seal_session *session_by_index(struct seal *seal, uint32_t index)
{
    struct handle handle;
    return pool_slot(&seal->sessions, index >> 16, &handle);
}

uint64_t session_hello_wait_ns(const struct seal_session *session)
{
    check(session->hello_tries > 0);
    uint64_t wait_ns = SEAL_HELLO_FIRST_NS;
    for (uint32_t i = 1; i < session->hello_tries && wait_ns < SEAL_HELLO_LAST_NS; i++)
        wait_ns *= 2;
    if (wait_ns > SEAL_HELLO_LAST_NS)
        wait_ns = SEAL_HELLO_LAST_NS;
    if (wait_ns < SEAL_HELLO_SPREAD_NS)
        return wait_ns;
    /* The HELLO's nonce is random, and everybody may know it. */
    return wait_ns - wait_ns / 512 * session->nonce[session->hello_tries % sizeof session->nonce];
}

void session_schedule(const struct context *cx, struct seal_session *session)
{
    uint64_t next_ns = UINT64_MAX;
    if (session->saying)
        next_ns = session->hello_ns + session_hello_wait_ns(session);
    else if (session->initiator && session->current.live)
        next_ns = session->keys_ns + SEAL_RENEW_NS;
    if (session->previous_ends && session->previous_ns < next_ns)
        next_ns = session->previous_ns;
    if (next_ns == UINT64_MAX)
        timer_cancel(cx->timers, &session->timer);
    else
        timer_set(cx->timers, &session->timer, next_ns, TIMER_SEAL_SESSION, session->self);
}

void session_retire(const struct context *cx, struct seal_session *session)
{
    if (!session->current.live)
        return;
    if (session->current.seen.window != 0 || !session->previous.live) {
        cx->crypto->wipe(&session->previous, sizeof session->previous);
        session->previous = session->current;
        session->previous_ends = false;
    }
    cx->crypto->wipe(&session->current, sizeof session->current);
}

void session_confirm(const struct context *cx, struct seal_session *session)
{
    if (!session->previous.live || session->previous_ends)
        return;
    session->previous_ends = true;
    session->previous_ns = cx->now_ns + SEAL_PREVIOUS_NS;
    session_schedule(cx, session);
}
