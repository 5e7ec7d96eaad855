/* Sessions between two nodes: what arrives, and what is answered. */
#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/frame/keys.h"
#include "core/frame/session.h"

enum { WELCOME_BODY = SEAL_BOOT_SIZE + FRAME_TAG_SIZE };

static const struct seal_event nothing = {.kind = SEAL_NOTHING};

static struct seal_route route_back(const struct node_in_datagram *datagram)
{
    return (struct seal_route){
        .socket = datagram->socket, .source = datagram->local, .remote = datagram->remote};
}

static struct seal_event dropped(const struct context *cx, const struct node_in_datagram *datagram,
                                 enum trace_kind kind, uint64_t number)
{
    struct seal_route route = route_back(datagram);
    context_trace(cx, kind, record_of(&route, number));
    return nothing;
}

/* Whether one more reply may go to an address that has proven nothing. */
static bool reply_allowed(struct seal *seal, const struct context *cx,
                          const struct seal_route *route, uint32_t kept)
{
    if (budget_take_above(&seal->unproven, cx->now_ns, &route->remote, kept, NULL))
        return true;
    context_trace(cx, TRACE_SEAL_OVER_BUDGET, record_of(route, 0));
    return false;
}

/* Whether what is sent there reaches the peer; a session that is NULL has proven nothing. */
static bool is_proven(const struct seal_session *session, const struct seal_route *route)
{
    return session != NULL && addr_equal(&route->remote, &session->proven);
}

/* Whether a WELCOME may answer the HELLO; *spent counts the tokens that it costs. */
static bool welcome_allowed(struct seal *seal, const struct context *cx,
                            const struct seal_session *session, uint32_t *spent)
{
    if (is_proven(session, &seal->hello_route))
        return true;
    if (!reply_allowed(seal, cx, &seal->hello_route, 0))
        return false;
    (*spent)++;
    return true;
}

static bool mac1_is_right(const struct seal *seal, const struct context *cx,
                          const struct frame *frame)
{
    uint8_t mac[FRAME_MAC_SIZE];
    keys_mac(cx->crypto, mac, seal->mac1_key, sizeof seal->mac1_key, frame->covered1.bytes,
             frame->covered1.size);
    return cx->crypto->equal(mac, frame->mac1, FRAME_MAC_SIZE);
}

/* The secrets of cookies are as old as the period and the one before, no older. */
static void cookies_turn(struct seal *seal, const struct context *cx)
{
    uint64_t periods = (cx->now_ns - seal->cookie_ns) / SEAL_COOKIE_NS;
    if (periods == 0)
        return;
    memcpy(seal->cookie_secret[1], seal->cookie_secret[0], sizeof seal->cookie_secret[1]);
    random_secret_bytes(cx->secret, seal->cookie_secret[0], sizeof seal->cookie_secret[0]);
    if (periods > 1)
        random_secret_bytes(cx->secret, seal->cookie_secret[1], sizeof seal->cookie_secret[1]);
    seal->cookie_ns += periods * SEAL_COOKIE_NS;
}

static bool mac2_is_right(const struct seal *seal, const struct context *cx,
                          const struct frame *frame, const struct addr *remote)
{
    bool right = false;
    for (size_t period = 0; period < 2; period++) {
        uint8_t cookie[FRAME_COOKIE_SIZE], mac[FRAME_MAC_SIZE];
        keys_cookie_of(cx->crypto, cookie, seal->cookie_secret[period], remote);
        keys_mac(cx->crypto, mac, cookie, sizeof cookie, frame->covered2.bytes,
                 frame->covered2.size);
        right |= cx->crypto->equal(mac, frame->mac2, FRAME_MAC_SIZE);
    }
    return right;
}

static void cookie_send(struct seal *seal, const struct context *cx,
                        const struct node_in_datagram *datagram, const struct frame *hello,
                        const struct seal_session *session)
{
    struct seal_route route = route_back(datagram);
    if (!is_proven(session, &route) && !reply_allowed(seal, cx, &route, 0))
        return;
    uint8_t nonce[FRAME_NONCE_SIZE], cookie[FRAME_COOKIE_SIZE];
    random_secret_bytes(cx->secret, nonce, sizeof nonce);
    keys_cookie_of(cx->crypto, cookie, seal->cookie_secret[0], &datagram->remote);
    struct frame frame = {
        .type = FRAME_COOKIE,
        .receiver = hello->sender,
        .nonce = nonce,
        .body.size = FRAME_COOKIE_SIZE + FRAME_TAG_SIZE,
    };
    size_t size = frame_size(&frame);
    check(size <= datagram->size);
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    size_t front = frame_encode(&frame, room, capacity);
    if (front > 0) {
        uint8_t ad[FRAME_COOKIE_FRAME_SIZE + FRAME_MAC_SIZE];
        check(front + FRAME_MAC_SIZE <= sizeof ad);
        memcpy(ad, room, front);
        memcpy(ad + front, hello->mac1, FRAME_MAC_SIZE);
        cx->crypto->xaead_seal(room + front, seal->cookie_key, nonce, ad, front + FRAME_MAC_SIZE,
                               cookie, sizeof cookie);
    }
    if (context_send(cx, front > 0 ? size : 0, send_to(&route)))
        context_trace(cx, TRACE_SEAL_COOKIE_SENT, record_of(&route, 0));
}

/*
 * Whether a HELLO may cost what follows: a Diffie-Hellman when it is a stranger's (session: NULL),
 * the signatures of an introduction. The second half of the tokens is for those who have shown by a
 * cookie that they are where they say.
 */
static bool load_allows(struct seal *seal, const struct context *cx,
                        const struct node_in_datagram *datagram, const struct frame *frame,
                        const struct seal_session *session, bool cookie_needed)
{
    const uint64_t token_ns = UINT64_C(1000000000) / SEAL_LOAD_PER_SECOND;
    check(seal->load_tokens <= SEAL_LOAD_BURST && cx->now_ns >= seal->load_ns);
    uint64_t fills = (cx->now_ns - seal->load_ns) / token_ns;
    uint64_t missing = SEAL_LOAD_BURST - seal->load_tokens;
    seal->load_tokens += (uint32_t)(fills < missing ? fills : missing);
    seal->load_ns += fills * token_ns;

    if (cookie_needed || 2 * seal->load_tokens < SEAL_LOAD_BURST) {
        cookies_turn(seal, cx);
        if (!mac2_is_right(seal, cx, frame, &datagram->remote)) {
            cookie_send(seal, cx, datagram, frame, session);
            return false;
        }
    }
    if (seal->load_tokens == 0) {
        dropped(cx, datagram, TRACE_SEAL_OVERLOADED, 0);
        return false;
    }
    seal->load_tokens--;
    return true;
}

/* Says WELCOME to a HELLO whose key set is pending, if it may: the same bytes each time. */
static void welcome_send(struct seal *seal, const struct context *cx,
                         const struct seal_session *session, const struct seal_pending *pending,
                         const struct seal_route *route)
{
    struct frame frame = {
        .type = FRAME_WELCOME,
        .sender = pending->keys.mine,
        .receiver = pending->keys.theirs,
        .nonce = pending->welcome,
        .body.size = WELCOME_BODY,
    };
    size_t size = frame_size(&frame);
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    size_t front = frame_encode(&frame, room, capacity);
    check(size <= FRAME_HELLO_SIZE + SEAL_HELLO_FRONT); /* no HELLO that opens is shorter */
    if (front > 0) {
        uint8_t key[KEYS_SIZE];
        const struct keys_pair pair = {session->secret, session->peer, seal->public_key};
        keys_welcome(cx->crypto, key, &pair, pending->hello);
        cx->crypto->xaead_seal(room + front, key, pending->welcome, room, front, seal->boot,
                               SEAL_BOOT_SIZE);
        size_t covered = front + WELCOME_BODY;
        keys_mac1(cx->crypto, key, session->peer);
        keys_mac(cx->crypto, room + covered, key, sizeof key, room, covered);
        cx->crypto->wipe(key, sizeof key);
    }
    context_send(cx, front > 0 ? size : 0, send_to(route));
}

/* What a HELLO is to a session that we have. */
enum hello_place { HELLO_NEW, HELLO_AGAIN, HELLO_OLD };

/* Its place, and which pending set it has or will have. */
static enum hello_place hello_place(const struct seal_session *session, const uint8_t *boot,
                                    uint64_t number, const uint8_t *nonce, size_t *which)
{
    for (size_t i = 0; i < 2; i++) {
        const struct seal_pending *pending = &session->pending[i];
        *which = i;
        if (pending->keys.live && memcmp(pending->boot, boot, SEAL_BOOT_SIZE) == 0 &&
            memcmp(pending->hello, nonce, FRAME_NONCE_SIZE) == 0)
            return HELLO_AGAIN;
    }
    if (session->boot_known && memcmp(session->boot, boot, SEAL_BOOT_SIZE) == 0) {
        *which = 0;
        return number > session->number ? HELLO_NEW : HELLO_OLD;
    }
    *which = 1;
    const struct seal_pending *other = &session->pending[1];
    if (other->keys.live && memcmp(other->boot, boot, SEAL_BOOT_SIZE) == 0 &&
        number <= other->number)
        return HELLO_OLD;
    return HELLO_NEW;
}

/*
 * Whether a new HELLO would take the place of keys that another boot of the peer was offered just
 * now. One of the two is a recording, and only the peer itself can tell which.
 */
static bool displaces(const struct context *cx, const struct seal_session *session, size_t which,
                      const uint8_t *boot)
{
    const struct seal_pending *other = &session->pending[1];
    return which == 1 && other->keys.live && memcmp(other->boot, boot, SEAL_BOOT_SIZE) != 0 &&
           cx->now_ns - other->made_ns < SEAL_PENDING_NS;
}

/* The secret of the two static keys: known of a session, else computed, if the load allows it. */
static bool hello_secret(struct seal *seal, const struct context *cx,
                         const struct node_in_datagram *datagram, const struct frame *frame,
                         const struct seal_session *session)
{
    if (session != NULL) {
        memcpy(seal->hello_secret, session->secret, sizeof seal->hello_secret);
        return true;
    }
    if (!load_allows(seal, cx, datagram, frame, NULL, false))
        return false;
    if (cx->crypto->x25519(seal->hello_secret, seal->private_key, frame->key))
        return true;
    dropped(cx, datagram, TRACE_SEAL_BAD_TAG, FRAME_HELLO);
    return false;
}

/* The HELLO opens: keeps what seal_accept() will need, or answers what has been accepted before. */
static struct seal_event hello_opened(struct seal *seal, const struct context *cx,
                                      const struct node_in_datagram *datagram,
                                      const struct frame *frame, struct seal_session *session)
{
    struct reader r = reader_of(seal->plain, frame->body.size - FRAME_TAG_SIZE);
    read_bytes(&r, seal->hello_boot, SEAL_BOOT_SIZE);
    seal->hello_number = read_u64(&r);
    check(!r.failed && r.index == SEAL_HELLO_FRONT);
    seal->hello_route = route_back(datagram);
    size_t which;
    if (session != NULL) {
        switch (hello_place(session, seal->hello_boot, seal->hello_number, frame->nonce, &which)) {
        case HELLO_OLD:
            return dropped(cx, datagram, TRACE_SEAL_REPLAY, seal->hello_number);
        case HELLO_AGAIN: {
            struct seal_pending *pending = &session->pending[which];
            if (!addr_equal(&pending->to, &datagram->remote))
                pending->to = (struct addr){0};
            if (welcome_allowed(seal, cx, session, &pending->spent))
                welcome_send(seal, cx, session, pending, &seal->hello_route);
            return nothing;
        }
        case HELLO_NEW:
            if (!load_allows(seal, cx, datagram, frame, session,
                             displaces(cx, session, which, seal->hello_boot)))
                return nothing;
            break;
        }
    }
    memcpy(seal->hello_key, frame->key, FRAME_KEY_SIZE);
    memcpy(seal->hello_nonce, frame->nonce, FRAME_NONCE_SIZE);
    seal->hello_index = frame->sender;
    seal->hello_waits = true;
    return (struct seal_event){
        .kind = SEAL_HELLO,
        .key = seal->hello_key,
        .body = {.bytes = seal->plain + SEAL_HELLO_FRONT, .size = reader_left(&r)},
        .hello = seal->hello_nonce,
        .route = seal->hello_route,
    };
}

static struct seal_event hello_open(struct seal *seal, const struct context *cx,
                                    const struct node_in_datagram *datagram,
                                    const struct frame *frame)
{
    size_t around = SEAL_HELLO_FRONT + FRAME_TAG_SIZE;
    if (frame->body.size < around || frame->body.size > around + SEAL_INTRODUCTION_MAX)
        return dropped(cx, datagram, TRACE_FRAME_MALFORMED, FRAME_BAD_SIZE);
    if (!mac1_is_right(seal, cx, frame))
        return dropped(cx, datagram, TRACE_SEAL_BAD_MAC, FRAME_HELLO);
    if (memcmp(frame->key, seal->public_key, FRAME_KEY_SIZE) == 0)
        return dropped(cx, datagram, TRACE_FRAME_UNEXPECTED, FRAME_HELLO);
    struct seal_session *session = seal_with(seal, frame->key);
    if (!hello_secret(seal, cx, datagram, frame, session))
        return nothing;

    uint8_t key[KEYS_SIZE];
    const struct keys_pair pair = {seal->hello_secret, frame->key, seal->public_key};
    keys_hello(cx->crypto, key, &pair);
    bool open = cx->crypto->xaead_open(seal->plain, key, frame->nonce, frame->front.bytes,
                                       frame->front.size, frame->body.bytes, frame->body.size);
    cx->crypto->wipe(key, sizeof key);
    if (!open)
        return dropped(cx, datagram, TRACE_SEAL_BAD_TAG, FRAME_HELLO);
    return hello_opened(seal, cx, datagram, frame, session);
}

static struct seal_event input_hello(struct seal *seal, const struct context *cx,
                                     const struct node_in_datagram *datagram,
                                     const struct frame *frame)
{
    struct seal_event event = hello_open(seal, cx, datagram, frame);
    check(seal->hello_waits == (event.kind == SEAL_HELLO));
    if (!seal->hello_waits)
        cx->crypto->wipe(seal->hello_secret, sizeof seal->hello_secret);
    return event;
}

struct seal_session *seal_accept(struct seal *seal, const struct context *cx, uint32_t tag)
{
    check(seal->hello_waits);
    seal->hello_waits = false;
    struct seal_session *session = seal_with(seal, seal->hello_key);
    if (session == NULL)
        session = session_new(seal, cx, seal->hello_key, seal->hello_secret, seal->hello_route);
    cx->crypto->wipe(seal->hello_secret, sizeof seal->hello_secret);
    if (session == NULL)
        return NULL;
    size_t which;
    enum hello_place place =
        hello_place(session, seal->hello_boot, seal->hello_number, seal->hello_nonce, &which);
    check(place == HELLO_NEW);
    /* A WELCOME that is not sent brings nobody in, so it does not put anybody out either. */
    uint32_t spent = 0;
    bool welcome = welcome_allowed(seal, cx, session, &spent);
    if (!welcome && displaces(cx, session, which, seal->hello_boot))
        return NULL;
    struct seal_pending *pending = &session->pending[which];
    cx->crypto->wipe(pending, sizeof *pending);
    memcpy(pending->boot, seal->hello_boot, SEAL_BOOT_SIZE);
    memcpy(pending->hello, seal->hello_nonce, FRAME_NONCE_SIZE);
    random_secret_bytes(cx->secret, pending->welcome, sizeof pending->welcome);
    pending->number = seal->hello_number;
    pending->made_ns = cx->now_ns;
    pending->to = seal->hello_route.remote;
    pending->spent = spent;
    pending->keys.mine = session_draw_index(cx, session);
    pending->keys.theirs = seal->hello_index;
    pending->keys.live = true;
    const struct keys_pair pair = {session->secret, session->peer, seal->public_key};
    keys_session(cx->crypto, pending->keys.receive, &pair, pending->hello, pending->welcome, false);
    keys_session(cx->crypto, pending->keys.send, &pair, pending->hello, pending->welcome, true);

    if (which == 0)
        session->number = seal->hello_number;
    session->tag = tag;
    session->heard_ns = cx->now_ns;
    if (!session->initiator && !session->up)
        session->route = seal->hello_route;
    if (welcome)
        welcome_send(seal, cx, session, pending, &seal->hello_route);
    context_trace(cx, TRACE_SEAL_ACCEPTED, record_of(&seal->hello_route, 0));
    return session;
}

void seal_decline(struct seal *seal, const struct context *cx)
{
    if (!seal->hello_waits)
        return;
    seal->hello_waits = false;
    cx->crypto->wipe(seal->hello_secret, sizeof seal->hello_secret);
}

/* The peer is of this boot: true when it was of another before, whose keys are then wiped. */
static bool boot_is(const struct context *cx, struct seal_session *session, const uint8_t *boot)
{
    bool same = session->boot_known && memcmp(session->boot, boot, SEAL_BOOT_SIZE) == 0;
    bool restarted = session->boot_known && !same;
    if (restarted) {
        cx->crypto->wipe(&session->current, sizeof session->current);
        cx->crypto->wipe(&session->previous, sizeof session->previous);
        cx->crypto->wipe(&session->pending[0], sizeof session->pending[0]);
        session->previous_ends = false;
    }
    if (!same)
        session->number = 0;
    memcpy(session->boot, boot, SEAL_BOOT_SIZE);
    session->boot_known = true;
    return restarted;
}

static struct seal_event welcome_opened(struct seal *seal, const struct context *cx,
                                        const struct node_in_datagram *datagram,
                                        const struct frame *frame, struct seal_session *session)
{
    bool restarted = boot_is(cx, session, seal->plain);
    session_retire(cx, session);
    struct seal_keys *keys = &session->current;
    const struct keys_pair pair = {session->secret, seal->public_key, session->peer};
    keys_session(cx->crypto, keys->send, &pair, session->nonce, frame->nonce, false);
    keys_session(cx->crypto, keys->receive, &pair, session->nonce, frame->nonce, true);
    keys->mine = session->hello_index;
    keys->theirs = frame->sender;
    keys->live = true;
    bool once = session->hello_tries == 1;
    session->rtt_unsure = !once && (session->rtt_unsure || session->rtt_ns == 0);
    if (once || session->rtt_ns == 0)
        session->rtt_ns = cx->now_ns - session->hello_ns;
    session->saying = false;
    session->up = true;
    session->keys_ns = cx->now_ns;
    session->heard_ns = cx->now_ns;
    if (addr_equal(&datagram->remote, &session->route.remote)) {
        session->proven = datagram->remote;
        budget_give_back(&seal->unproven, cx->now_ns, &datagram->remote,
                         SEAL_UNPROVEN_BURST + SEAL_UNPROVEN_MORE);
    }
    session_schedule(cx, session);
    struct seal_route route = route_back(datagram);
    context_trace(cx, TRACE_SEAL_WELCOMED, record_of(&route, 0));
    return (struct seal_event){
        .kind = SEAL_UP,
        .session = session->self,
        .key = session->peer,
        .route = route,
        .peer_restarted = restarted,
    };
}

/* The session whose HELLO under way a WELCOME or COOKIE names; NULL: none. */
static struct seal_session *session_said(struct seal *seal, uint32_t index)
{
    struct seal_session *session = session_by_index(seal, index);
    return session != NULL && session->saying && session->hello_index == index ? session : NULL;
}

static struct seal_event input_welcome(struct seal *seal, const struct context *cx,
                                       const struct node_in_datagram *datagram,
                                       const struct frame *frame)
{
    if (frame->body.size != WELCOME_BODY)
        return dropped(cx, datagram, TRACE_FRAME_MALFORMED, FRAME_BAD_SIZE);
    if (!mac1_is_right(seal, cx, frame))
        return dropped(cx, datagram, TRACE_SEAL_BAD_MAC, FRAME_WELCOME);
    struct seal_session *session = session_said(seal, frame->receiver);
    if (session == NULL || session->route.socket != datagram->socket)
        return dropped(cx, datagram, TRACE_SEAL_STRANGER, FRAME_WELCOME);
    uint8_t key[KEYS_SIZE];
    const struct keys_pair pair = {session->secret, seal->public_key, session->peer};
    keys_welcome(cx->crypto, key, &pair, session->nonce);
    bool open = cx->crypto->xaead_open(seal->plain, key, frame->nonce, frame->front.bytes,
                                       frame->front.size, frame->body.bytes, frame->body.size);
    cx->crypto->wipe(key, sizeof key);
    if (!open)
        return dropped(cx, datagram, TRACE_SEAL_BAD_TAG, FRAME_WELCOME);
    return welcome_opened(seal, cx, datagram, frame, session);
}

static struct seal_event input_cookie(struct seal *seal, const struct context *cx,
                                      const struct node_in_datagram *datagram,
                                      const struct frame *frame)
{
    struct seal_session *session = session_said(seal, frame->receiver);
    if (session == NULL)
        return dropped(cx, datagram, TRACE_SEAL_STRANGER, FRAME_COOKIE);
    uint8_t key[KEYS_SIZE], ad[FRAME_COOKIE_FRAME_SIZE + FRAME_MAC_SIZE];
    check(frame->front.size + FRAME_MAC_SIZE <= sizeof ad);
    check(frame->body.size == FRAME_COOKIE_SIZE + FRAME_TAG_SIZE);
    memcpy(ad, frame->front.bytes, frame->front.size);
    memcpy(ad + frame->front.size, session->mac1, FRAME_MAC_SIZE);
    keys_cookie(cx->crypto, key, session->peer);
    if (!cx->crypto->xaead_open(seal->plain, key, frame->nonce, ad,
                                frame->front.size + FRAME_MAC_SIZE, frame->body.bytes,
                                frame->body.size))
        return dropped(cx, datagram, TRACE_SEAL_BAD_TAG, FRAME_COOKIE);
    bool had = session->cookie_known && cx->now_ns - session->cookie_ns < SEAL_COOKIE_NS;
    memcpy(session->cookie, seal->plain, FRAME_COOKIE_SIZE);
    session->cookie_known = true;
    session->cookie_ns = cx->now_ns;
    /* At once only if the HELLO had no cookie: two ends never talk in circles. */
    if (!had)
        hello_transmit(seal, cx, session);
    return nothing;
}

static struct seal_event input_stranger(struct seal *seal, const struct context *cx,
                                        const struct node_in_datagram *datagram,
                                        const struct frame *frame)
{
    struct seal_session *session = session_first(seal);
    for (; session != NULL; session = session_next(seal, session)) {
        const struct seal_keys *keys = &session->current;
        if (keys->live && keys->theirs == frame->receiver && frame->counter < keys->counter &&
            keys->counter - frame->counter <= SEAL_STRANGER_FRAMES &&
            addr_equal(&datagram->remote, &session->route.remote))
            break;
    }
    dropped(cx, datagram, TRACE_SEAL_STRANGER, FRAME_STRANGER);
    if (session != NULL && !session->saying && cx->now_ns - session->hello_ns >= SEAL_STRANGER_NS)
        hello_say(seal, cx, session);
    return nothing;
}

static void stranger_send(struct seal *seal, const struct context *cx,
                          const struct node_in_datagram *datagram, const struct frame *sealed)
{
    struct seal_route route = route_back(datagram);
    if (!reply_allowed(seal, cx, &route, SEAL_UNPROVEN_KEPT))
        return;
    struct frame frame = {
        .type = FRAME_STRANGER, .receiver = sealed->receiver, .counter = sealed->counter};
    check(frame_size(&frame) <= datagram->size);
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    context_send(cx, frame_encode(&frame, room, capacity), send_to(&route));
}

/* The first frame of a pending set: its keys are the current ones now. True: the peer restarted. */
static bool promote(struct seal *seal, const struct context *cx, struct seal_session *session,
                    struct seal_pending *pending, const struct seal_route *route)
{
    struct seal_pending taken = *pending;
    cx->crypto->wipe(pending, sizeof *pending);
    bool restarted = boot_is(cx, session, taken.boot);
    session_retire(cx, session);
    session->current = taken.keys;
    session->number = taken.number > session->number ? taken.number : session->number;
    session->keys_ns = cx->now_ns;
    session->up = true;
    if (addr_equal(&route->remote, &taken.to)) {
        session->proven = route->remote;
        if (taken.spent > 0)
            budget_give_back(&seal->unproven, cx->now_ns, &route->remote, taken.spent);
        if (!session->initiator)
            seal_move(session, *route);
    }
    cx->crypto->wipe(&taken, sizeof taken);
    return restarted;
}

/* The key set that an index names; *pending: it waits for its first frame. NULL: none. */
static struct seal_keys *keys_named(struct seal_session *session, uint32_t index,
                                    struct seal_pending **pending)
{
    *pending = NULL;
    if (session->current.live && session->current.mine == index)
        return &session->current;
    if (session->previous.live && session->previous.mine == index)
        return &session->previous;
    for (size_t i = 0; i < 2; i++) {
        *pending = &session->pending[i];
        if ((*pending)->keys.live && (*pending)->keys.mine == index)
            return &(*pending)->keys;
    }
    return NULL;
}

static struct seal_event input_sealed(struct seal *seal, const struct context *cx,
                                      const struct node_in_datagram *datagram,
                                      const struct frame *frame)
{
    if (frame->body.size > SEAL_BODY_MAX + FRAME_TAG_SIZE)
        return dropped(cx, datagram, TRACE_FRAME_MALFORMED, FRAME_BAD_SIZE);
    struct seal_session *session = session_by_index(seal, frame->receiver);
    struct seal_pending *pending;
    struct seal_keys *keys =
        session != NULL ? keys_named(session, frame->receiver, &pending) : NULL;
    if (keys == NULL) {
        dropped(cx, datagram, TRACE_SEAL_STRANGER, FRAME_SEALED);
        stranger_send(seal, cx, datagram, frame);
        return nothing;
    }
    if (replay_seen(&keys->seen, frame->counter))
        return dropped(cx, datagram, TRACE_SEAL_REPLAY, frame->counter);
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    keys_nonce(nonce, frame->counter);
    if (!cx->crypto->aead_open(seal->plain, keys->receive, nonce, frame->front.bytes,
                               frame->front.size, frame->body.bytes, frame->body.size)) {
        /* Another session may have had this index before we restarted. */
        dropped(cx, datagram, TRACE_SEAL_BAD_TAG, FRAME_SEALED);
        stranger_send(seal, cx, datagram, frame);
        return nothing;
    }
    replay_mark(&keys->seen, frame->counter);
    session->heard_ns = cx->now_ns;
    struct seal_event event = {
        .kind = SEAL_MESSAGE,
        .session = session->self,
        .key = session->peer,
        .body = {.bytes = seal->plain, .size = frame->body.size - FRAME_TAG_SIZE},
        .route = route_back(datagram),
        .first = pending != NULL,
    };
    if (pending != NULL) {
        memcpy(seal->hello_nonce, pending->hello, FRAME_NONCE_SIZE);
        event.hello = seal->hello_nonce;
        event.peer_restarted = promote(seal, cx, session, pending, &event.route);
    }
    if (keys == &session->current || pending != NULL)
        session_confirm(cx, session);
    return event;
}

struct seal_event seal_input(struct seal *seal, const struct context *cx,
                             const struct node_in_datagram *datagram, const struct frame *frame)
{
    seal_decline(seal, cx);
    if (!seal->ready)
        return dropped(cx, datagram, TRACE_FRAME_UNEXPECTED, frame->type);
    switch (frame->type) {
    case FRAME_HELLO:
        return input_hello(seal, cx, datagram, frame);
    case FRAME_WELCOME:
        return input_welcome(seal, cx, datagram, frame);
    case FRAME_COOKIE:
        return input_cookie(seal, cx, datagram, frame);
    case FRAME_STRANGER:
        return input_stranger(seal, cx, datagram, frame);
    case FRAME_SEALED:
        return input_sealed(seal, cx, datagram, frame);
    default:
        return dropped(cx, datagram, TRACE_FRAME_UNEXPECTED, frame->type);
    }
}
