/* What leaves the tunnel: packets under a session, those that wait for one, and keepalives. */
#include <string.h>

#include "core/base/check.h"
#include "core/frame/message.h"
#include "core/tunnel/tunnel_state.h"

/* Plaintext is padded with zeros to a multiple of this (the WireGuard paper, section 5.4.6). */
enum { PADDING = 16 };

bool tunnel_way(const struct tunnel_tools *t, const struct tunnel_peer *peer,
                struct tunnel_way *way)
{
    memset(way, 0, sizeof *way);
    if (tunnel_is_stock(peer)) {
        way->socket = peer->socket;
        way->remote = peer->endpoint;
        way->direct = peer->endpoint.family != ADDR_NONE;
        return way->direct;
    }
    struct path_way path;
    bool found = path_way(t->paths, &t->path, peer->identity, &path);
    way->socket = NODE_SOCKET_TRAFFIC;
    way->direct = path.direct;
    way->remote = path.remote;
    way->relayed = path.relayed;
    way->home = path.home;
    way->channel = path.channel;
    return found;
}

/* ---- Messages, direct and through a relay ---------------------------------------------------- */

/*
 * Where a message of `size` bytes is to be written: in front of it there is room for the relay's
 * header where it goes that way alone. NULL when it does not fit.
 */
static uint8_t *message_room(const struct tunnel_tools *t, const struct tunnel_way *way,
                             size_t size)
{
    size_t front = way->direct ? 0 : FRAME_DATA_SIZE;
    size_t room;
    uint8_t *at = outbox_room(t->cx->out, &room);
    if (front + size <= room)
        return at + front;
    context_trace(t->cx, TRACE_OUTPUT_FULL, (struct trace_record){.number = size});
    return NULL;
}

static bool send_framed(const struct tunnel_tools *t, const struct tunnel_way *way,
                        const uint8_t *bytes, size_t size)
{
    struct frame frame = {
        .type = FRAME_DATA, .receiver = way->channel, .body = {.bytes = bytes, .size = size}};
    size_t room;
    uint8_t *to = outbox_room(t->cx->out, &room);
    size_t front = frame_encode(&frame, to, room);
    if (front > 0 && to + front != bytes)
        memcpy(to + front, bytes, size);
    return context_send_train(t->cx, front > 0 ? front + size : 0,
                              (struct node_out_send){.socket = way->socket, .remote = way->home});
}

/* Sends what was written to message_room(). */
static bool send_written(const struct tunnel_tools *t, const struct tunnel_way *way,
                         const uint8_t *bytes, size_t size)
{
    bool sent = false;
    if (way->direct)
        sent = context_send_train(
            t->cx, size, (struct node_out_send){.socket = way->socket, .remote = way->remote});
    /* What has found no place there stands where it was written: nothing may be put before it. */
    if (way->relayed && (sent || !way->direct))
        sent = send_framed(t, way, bytes, size) || sent;
    return sent;
}

bool tunnel_send_message(const struct tunnel_tools *t, const struct tunnel_way *way,
                         const uint8_t *bytes, size_t size)
{
    uint8_t *to = message_room(t, way, size);
    if (to == NULL)
        return false;
    memcpy(to, bytes, size);
    return send_written(t, way, to, size);
}

/* ---- Data ------------------------------------------------------------------------------------ */

bool tunnel_session_sends(const struct tunnel_session *session, uint64_t now_ns)
{
    return session->mine != 0 && now_ns - session->made_ns < TUNNEL_REJECT_AFTER_NS &&
           session->counter < TUNNEL_REJECT_AFTER_MESSAGES;
}

/* One packet, or none: a keepalive. The nonce is used up, whatever becomes of the message. */
static bool seal(const struct tunnel_tools *t, struct tunnel_peer *peer,
                 const struct tunnel_way *way, const uint8_t *packet, size_t size)
{
    struct tunnel_session *session = &peer->current;
    size_t padded = (size + PADDING - 1) / PADDING * PADDING;
    if (padded > NODE_PACKET_MAX)
        padded = NODE_PACKET_MAX;
    check(size <= padded);
    size_t whole = TUNNEL_DATA_SIZE_MIN + padded;
    uint8_t *to = message_room(t, way, whole);
    if (to == NULL)
        return false;
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    uint64_t counter = session->counter++;
    uint8_t *plain = to + TUNNEL_DATA_HEADER_SIZE;
    tunnel_data_header_encode(session->theirs, counter, to);
    noise_data_nonce(nonce, counter);
    if (size > 0 && plain != packet) /* a hub's packet stands where it is sealed */
        memmove(plain, packet, size);
    memset(plain + size, 0, padded - size);
    t->cx->crypto->aead_seal(plain, session->keys.send, nonce, NULL, 0, plain, padded);
    return send_written(t, way, to, whole);
}

/* Section 6.2: who began the session begins the next one, when this one has been used long enough. */
static void keep_fresh(struct tunnel *tunnel, const struct tunnel_tools *t,
                       struct tunnel_peer *peer)
{
    const struct tunnel_session *session = &peer->current;
    if (session->counter >= TUNNEL_REKEY_AFTER_MESSAGES ||
        (session->initiator && t->cx->now_ns - session->made_ns >= TUNNEL_REKEY_AFTER_NS))
        tunnel_initiate(tunnel, t, peer, false);
}

static void sent(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                 bool data)
{
    tunnel_spoke(t, peer, data);
    if (!tunnel_is_stock(peer))
        path_used(t->paths, &t->path, peer->identity);
    keep_fresh(tunnel, t, peer);
}

static void send_now(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                     const uint8_t *bytes, size_t size, size_t segment)
{
    struct tunnel_way way;
    if (!tunnel_way(t, peer, &way)) {
        context_trace(t->cx, TRACE_TUNNEL_NO_WAY, (struct trace_record){.number = size});
        return;
    }
    for (size_t at = 0; at < size; at += segment) {
        size_t part = size - at < segment ? size - at : segment;
        if (!seal(t, peer, &way, bytes + at, part))
            break; /* the rest does not fit either: lost, as on any full queue */
        peer->sent[way.direct ? 0 : 1] += part;
    }
    sent(tunnel, t, peer, true);
}

void tunnel_send_keepalive(struct tunnel *tunnel, const struct tunnel_tools *t,
                           struct tunnel_peer *peer)
{
    struct tunnel_way way;
    if (!tunnel_session_sends(&peer->current, t->cx->now_ns)) {
        tunnel_initiate(tunnel, t, peer, false);
        return;
    }
    if (!tunnel_way(t, peer, &way))
        return;
    context_trace(t->cx, TRACE_TUNNEL_KEEPALIVE,
                  (struct trace_record){.remote = way.direct ? way.remote : way.home});
    seal(t, peer, &way, NULL, 0);
    sent(tunnel, t, peer, false);
}

/* ---- What waits ------------------------------------------------------------------------------ */

/* The first packet that waits; its slot is good until the queue changes. NULL: none waits. */
static struct tunnel_waiting *first_waiting(struct tunnel *tunnel, const struct tunnel_peer *peer,
                                            struct handle *handle)
{
    if (peer->queue_first == 0)
        return NULL;
    struct tunnel_waiting *waiting = pool_slot(&tunnel->queue, peer->queue_first - 1, handle);
    check(waiting != NULL);
    return waiting;
}

static void drop_first(struct tunnel *tunnel, const struct tunnel_tools *t,
                       struct tunnel_peer *peer)
{
    struct handle handle;
    struct tunnel_waiting *waiting = first_waiting(tunnel, peer, &handle);
    check(waiting != NULL && peer->queue_count > 0);
    peer->queue_first = waiting->next;
    if (peer->queue_first == 0)
        peer->queue_last = 0;
    peer->queue_count--;
    t->cx->crypto->wipe(waiting->bytes, waiting->size);
    pool_give(&tunnel->queue, handle);
}

void tunnel_queue_drop(struct tunnel *tunnel, const struct tunnel_tools *t,
                       struct tunnel_peer *peer)
{
    struct handle handle;
    const struct tunnel_waiting *waiting;
    while ((waiting = first_waiting(tunnel, peer, &handle)) != NULL) {
        context_trace(t->cx, TRACE_TUNNEL_QUEUE_FULL,
                      (struct trace_record){.number = waiting->size});
        drop_first(tunnel, t, peer);
    }
}

static void wait(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                 const uint8_t *bytes, size_t size)
{
    struct handle handle;
    const struct tunnel_waiting *first = first_waiting(tunnel, peer, &handle);
    if (first != NULL &&
        (peer->queue_count == TUNNEL_QUEUE_MAX || tunnel->queue.used == tunnel->queue.capacity)) {
        context_trace(t->cx, TRACE_TUNNEL_QUEUE_FULL, (struct trace_record){.number = first->size});
        drop_first(tunnel, t, peer);
    }
    struct tunnel_waiting *waiting = pool_take(&tunnel->queue, &handle);
    if (waiting == NULL) {
        context_trace(t->cx, TRACE_TUNNEL_QUEUE_FULL, (struct trace_record){.number = size});
        return;
    }
    waiting->size = (uint32_t)size;
    memcpy(waiting->bytes, bytes, size);
    if (peer->queue_last != 0) {
        struct handle last;
        struct tunnel_waiting *before = pool_slot(&tunnel->queue, peer->queue_last - 1, &last);
        check(before != NULL);
        before->next = handle.index + 1;
    } else {
        peer->queue_first = handle.index + 1;
    }
    peer->queue_last = handle.index + 1;
    peer->queue_count++;
    context_trace(t->cx, TRACE_TUNNEL_WAITS, (struct trace_record){.number = size});
}

void tunnel_send(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                 const uint8_t *bytes, size_t size, size_t segment)
{
    check(segment > 0 && segment <= NODE_PACKET_MAX);
    if (tunnel_session_sends(&peer->current, t->cx->now_ns)) {
        send_now(tunnel, t, peer, bytes, size, segment);
        return;
    }
    for (size_t at = 0; at < size; at += segment)
        wait(tunnel, t, peer, bytes + at, size - at < segment ? size - at : segment);
    peer->attempt_ns = t->cx->now_ns; /* a packet begins the time of trying anew (section 6.4) */
    tunnel_initiate(tunnel, t, peer, false);
}

void tunnel_send_waiting(struct tunnel *tunnel, const struct tunnel_tools *t,
                         struct tunnel_peer *peer)
{
    struct handle handle;
    const struct tunnel_waiting *waiting;
    if (peer->queue_count == 0) {
        tunnel_send_keepalive(tunnel, t, peer);
        return;
    }
    while ((waiting = first_waiting(tunnel, peer, &handle)) != NULL) {
        send_now(tunnel, t, peer, waiting->bytes, waiting->size, waiting->size);
        drop_first(tunnel, t, peer);
    }
}
