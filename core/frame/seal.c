/* Sessions between two nodes: how they are opened, renewed and closed, and what is sent in them. */
#include "core/frame/seal.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/frame/keys.h"
#include "core/frame/session.h"

size_t seal_bytes(uint32_t sessions, uint32_t sources)
{
    return session_table_bytes(sessions) + budget_bytes(sources);
}

void seal_init(struct seal *seal, void *memory, uint32_t sessions, uint32_t sources,
               struct random_secret *secret)
{
    static const struct budget_rate rate = {
        .burst = SEAL_UNPROVEN_BURST,
        .more = SEAL_UNPROVEN_MORE,
        .token_ns = SEAL_UNPROVEN_NS,
        .bits_v4 = SEAL_UNPROVEN_BITS_V4,
        .bits_v6 = SEAL_UNPROVEN_BITS_V6,
    };
    memset(seal, 0, sizeof *seal);
    session_table_init(seal, memory, sessions, random_hash_key(secret));
    uint8_t *sources_memory = (uint8_t *)memory + session_table_bytes(sessions);
    budget_init(&seal->unproven, sources_memory, sources, rate, random_hash_key(secret));
    random_secret_bytes(secret, seal->boot, sizeof seal->boot);
    random_secret_bytes(secret, seal->cookie_secret[0], sizeof seal->cookie_secret[0]);
    random_secret_bytes(secret, seal->cookie_secret[1], sizeof seal->cookie_secret[1]);
    seal->load_tokens = SEAL_LOAD_BURST;
}

void seal_configure(struct seal *seal, const struct crypto *crypto,
                    const uint8_t private_key[static FRAME_KEY_SIZE], const uint8_t *introduction,
                    size_t introduction_size)
{
    check(!seal->ready);
    check(introduction_size <= SEAL_INTRODUCTION_MAX);
    memcpy(seal->private_key, private_key, FRAME_KEY_SIZE);
    crypto->x25519_public(seal->public_key, private_key);
    keys_mac1(crypto, seal->mac1_key, seal->public_key);
    keys_cookie(crypto, seal->cookie_key, seal->public_key);
    if (introduction_size > 0)
        memcpy(seal->introduction, introduction, introduction_size);
    seal->introduction_size = (uint32_t)introduction_size;
    seal->ready = true;
}

/* Writes the two macs behind the `size` bytes in front; returns the size of the whole HELLO. */
static size_t hello_macs(const struct context *cx, struct seal_session *session, uint8_t *bytes,
                         size_t size)
{
    uint8_t key[KEYS_SIZE];
    keys_mac1(cx->crypto, key, session->peer);
    keys_mac(cx->crypto, bytes + size, key, sizeof key, bytes, size);
    memcpy(session->mac1, bytes + size, FRAME_MAC_SIZE);
    size += FRAME_MAC_SIZE;
    if (session->cookie_known && cx->now_ns - session->cookie_ns < SEAL_COOKIE_NS)
        keys_mac(cx->crypto, bytes + size, session->cookie, FRAME_COOKIE_SIZE, bytes, size);
    else
        memset(bytes + size, 0, FRAME_MAC_SIZE);
    return size + FRAME_MAC_SIZE;
}

void hello_transmit(struct seal *seal, const struct context *cx, struct seal_session *session)
{
    check(seal->ready && session->saying);
    struct frame frame = {
        .type = FRAME_HELLO,
        .sender = session->hello_index,
        .key = seal->public_key,
        .nonce = session->nonce,
        .body.size = SEAL_HELLO_FRONT + seal->introduction_size + FRAME_TAG_SIZE,
    };
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    size_t front = frame_encode(&frame, room, capacity);
    size_t size = 0;
    if (front > 0) {
        struct writer w = writer_of(room + front, frame.body.size);
        write_bytes(&w, seal->boot, SEAL_BOOT_SIZE);
        write_u64(&w, session->hello_number);
        write_bytes(&w, seal->introduction, seal->introduction_size);
        check(!w.failed && w.index + FRAME_TAG_SIZE == frame.body.size);
        uint8_t key[KEYS_SIZE];
        const struct keys_pair pair = {session->secret, seal->public_key, session->peer};
        keys_hello(cx->crypto, key, &pair);
        cx->crypto->xaead_seal(room + front, key, frame.nonce, room, front, room + front, w.index);
        cx->crypto->wipe(key, sizeof key);
        size = hello_macs(cx, session, room, front + frame.body.size);
        check(size == frame_size(&frame));
    }
    /* Without room it is as if it were lost on the way. */
    session->hello_tries++;
    session->hello_ns = cx->now_ns;
    if (context_send(cx, size, send_to(&session->route)))
        context_trace(cx, TRACE_SEAL_HELLO_SENT, record_of(&session->route, session->hello_tries));
    session_schedule(cx, session);
}

void hello_say(struct seal *seal, const struct context *cx, struct seal_session *session)
{
    check(session->initiator);
    session->saying = false;
    session->hello_index = session_draw_index(cx, session);
    session->hello_number = ++seal->number;
    session->hello_tries = 0;
    random_secret_bytes(cx->secret, session->nonce, sizeof session->nonce);
    session->saying = true;
    hello_transmit(seal, cx, session);
}

struct seal_session *seal_open(struct seal *seal, const struct context *cx,
                               const uint8_t key[static FRAME_KEY_SIZE], struct seal_route route,
                               uint32_t tag)
{
    check(seal->ready && route.remote.family != ADDR_NONE);
    struct seal_session *session = seal_with(seal, key);
    if (session == NULL) {
        uint8_t secret[CRYPTO_X25519_SIZE];
        if (cx->crypto->x25519(secret, seal->private_key, key))
            session = session_new(seal, cx, key, secret, route);
        cx->crypto->wipe(secret, sizeof secret);
        if (session == NULL)
            return NULL;
    } else {
        seal_move(session, route);
    }
    session->tag = tag;
    session_own(seal, session);
    hello_say(seal, cx, session);
    return session;
}

void seal_close(struct seal *seal, const struct context *cx, struct handle session)
{
    struct seal_session *record = seal_at(seal, session);
    check(record != NULL);
    session_end(seal, cx, record);
}

void seal_move(struct seal_session *session, struct seal_route route)
{
    check(route.remote.family != ADDR_NONE);
    session->route = route;
    session->cookie_known = false; /* it is for the address that we had */
}

void seal_renew(struct seal *seal, const struct context *cx, struct seal_session *session)
{
    hello_say(seal, cx, session);
}

void seal_timer(struct seal *seal, const struct context *cx, struct handle owner)
{
    struct seal_session *session = seal_at(seal, owner);
    check(session != NULL);
    if (session->previous_ends && cx->now_ns >= session->previous_ns) {
        cx->crypto->wipe(&session->previous, sizeof session->previous);
        session->previous_ends = false;
    }
    bool renew = session->initiator && !session->saying && session->current.live &&
                 cx->now_ns - session->keys_ns >= SEAL_RENEW_NS;
    if (renew)
        hello_say(seal, cx, session);
    else if (session->saying && cx->now_ns - session->hello_ns >= session_hello_wait_ns(session))
        hello_transmit(seal, cx, session);
    else
        session_schedule(cx, session);
}

bool seal_send(struct seal *seal, const struct context *cx, struct seal_session *session,
               const struct seal_route *route, const uint8_t *body, size_t size)
{
    struct seal_keys *keys = &session->current;
    if (!keys->live || size > SEAL_BODY_MAX || keys->counter >= 2 * SEAL_RENEW_FRAMES)
        return false;
    if (route == NULL)
        route = &session->route;
    /* Counted before anything can fail: a nonce is used once. */
    struct frame frame = {
        .type = FRAME_SEALED,
        .receiver = keys->theirs,
        .counter = keys->counter++,
        .body.size = size + FRAME_TAG_SIZE,
    };
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    size_t front = frame_encode(&frame, room, capacity);
    if (front > 0) {
        uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
        keys_nonce(nonce, frame.counter);
        cx->crypto->aead_seal(room + front, keys->send, nonce, room, front, body, size);
    }
    bool sent = context_send(cx, front > 0 ? frame_size(&frame) : 0, send_to(route));
    if (session->initiator && !session->saying && keys->counter >= SEAL_RENEW_FRAMES)
        hello_say(seal, cx, session);
    return sent;
}
