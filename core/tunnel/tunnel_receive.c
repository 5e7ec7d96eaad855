/* What comes through the tunnel: data messages, from the network to the host or to another peer. */
#include <string.h>

#include "core/base/check.h"
#include "core/tunnel/inner.h"
#include "core/tunnel/tunnel_state.h"

/* A session that is as old as this when something comes under it needs a new handshake soon. */
#define REKEY_ON_RECEIVE_NS (TUNNEL_REJECT_AFTER_NS - TUNNEL_KEEPALIVE_NS - TUNNEL_REKEY_TIMEOUT_NS)

static void dropped(const struct tunnel_tools *t, const struct tunnel_source *source,
                    enum trace_kind kind, uint64_t number)
{
    context_trace(t->cx, kind,
                  (struct trace_record){
                      .socket = source->socket, .remote = source->remote, .number = number});
}

static struct tunnel_session *session_of(struct tunnel_peer *peer, uint32_t index)
{
    struct tunnel_session *const sessions[] = {&peer->current, &peer->next, &peer->previous};
    for (unsigned i = 0; i < sizeof sessions / sizeof *sessions; i++)
        if (sessions[i]->mine == index)
            return sessions[i];
    return NULL;
}

/* The peer has our response: what we made as responder is the session from now on. */
static void confirm(struct tunnel *tunnel, const struct tunnel_tools *t,
                    const struct tunnel_source *source, struct tunnel_peer *peer)
{
    tunnel_session_end(tunnel, t, &peer->previous);
    peer->previous = peer->current;
    peer->current = peer->next;
    memset(&peer->next, 0, sizeof peer->next);
    dropped(t, source, TRACE_TUNNEL_CONFIRMED, peer->current.mine);
    tunnel_handshake_end(tunnel, t, peer); /* both had begun one, and this one came first */
    if (peer->queue_count > 0)
        tunnel_send_waiting(tunnel, t, peer);
}

/* The peer that a packet is passed on to; NULL: it is for the host. */
static struct tunnel_peer *next_hop(struct tunnel *tunnel, const struct tunnel_peer *from,
                                    const struct inner *inner)
{
    if (!from->hub)
        return NULL;
    uint32_t slot = routes_find(&tunnel->routes, &inner->destination);
    struct tunnel_peer *to = slot == ROUTE_NONE ? NULL : tunnel_peer_at(tunnel, slot);
    return to != NULL && to->hub && to != from ? to : NULL;
}

/*
 * What to do with a packet that was opened into `packet`. It lies `front` bytes into the outbox's
 * room, for a hub seals it where it stands.
 */
static void take_packet(struct tunnel *tunnel, const struct tunnel_tools *t,
                        const struct tunnel_source *source, struct tunnel_peer *peer,
                        uint8_t *packet, size_t size, size_t front)
{
    struct inner inner;
    if (!inner_parse(&inner, packet, size)) {
        dropped(t, source, TRACE_TUNNEL_NOT_IP, size);
        return;
    }
    if (routes_find(&tunnel->routes, &inner.source) != peer->self.index) {
        context_trace(t->cx, TRACE_TUNNEL_WRONG_SOURCE,
                      (struct trace_record){.remote = source->remote, .other = inner.source});
        return;
    }
    peer->received[source->channel != 0] += inner.size;
    struct tunnel_peer *to = next_hop(tunnel, peer, &inner);
    if (to != NULL && inner.size > NODE_PACKET_MAX) {
        dropped(t, source, TRACE_TUNNEL_NOT_IP, size); /* its sender has a larger MTU than we */
        return;
    }
    if (to != NULL) {
        if (inner_hop(packet, inner.size)) {
            context_trace(t->cx, TRACE_TUNNEL_HUB,
                          (struct trace_record){.remote = to->endpoint, .number = inner.size});
            tunnel_send(tunnel, t, to, packet, inner.size, inner.size);
            tunnel_rearm(t, to);
        }
        return;
    }
    if (front > 0)
        memmove(packet - front, packet, inner.size);
    if (!outbox_packet(t->cx->out, inner.size))
        context_trace(t->cx, TRACE_OUTPUT_FULL, (struct trace_record){.number = inner.size});
}

/* The session under which a message may be opened; NULL, and counted: there is none. */
static struct tunnel_session *find_session(struct tunnel *tunnel, const struct tunnel_tools *t,
                                           const struct tunnel_source *source,
                                           const struct tunnel_data *data,
                                           struct tunnel_peer **peer)
{
    uint32_t slot;
    struct tunnel_session *session = NULL;
    if (map_get(&tunnel->by_index, &data->receiver, &slot)) {
        *peer = tunnel_peer_at(tunnel, slot);
        session = session_of(*peer, data->receiver);
    }
    if (session == NULL || t->cx->now_ns - session->made_ns >= TUNNEL_REJECT_AFTER_NS) {
        dropped(t, source, TRACE_TUNNEL_NO_SESSION, data->receiver);
        return NULL;
    }
    if (data->counter >= TUNNEL_REJECT_AFTER_MESSAGES ||
        window_seen(&session->received, data->counter)) {
        dropped(t, source, TRACE_TUNNEL_REPLAY, data->counter);
        return NULL;
    }
    return session;
}

void tunnel_data(struct tunnel *tunnel, const struct tunnel_tools *t,
                 const struct tunnel_source *source, const uint8_t *bytes, size_t size)
{
    struct tunnel_data data;
    struct tunnel_peer *peer = NULL;
    tunnel_data_decode(&data, bytes, size);
    struct tunnel_session *session = find_session(tunnel, t, source, &data, &peer);
    if (session == NULL)
        return;
    size_t plain_size = data.sealed_size - CRYPTO_AEAD_TAG_SIZE;
    /* Sealing again leaves a header in front, and may pad more. */
    size_t front = peer->hub ? TUNNEL_DATA_HEADER_SIZE : 0;
    size_t room;
    uint8_t *plain = outbox_room(t->cx->out, &room) + front;
    if (room < plain_size + (size_t)4 * CRYPTO_AEAD_TAG_SIZE) {
        context_trace(t->cx, TRACE_OUTPUT_FULL, (struct trace_record){.number = plain_size});
        return;
    }
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    noise_data_nonce(nonce, data.counter);
    if (!t->cx->crypto->aead_open(plain, session->keys.receive, nonce, NULL, 0, data.sealed,
                                  data.sealed_size)) {
        dropped(t, source, TRACE_TUNNEL_FORGED, TUNNEL_DATA);
        return;
    }
    window_mark(&session->received, data.counter);
    tunnel_roam(t, peer, source);
    tunnel_heard(t, peer, plain_size > 0);
    bool confirms = session == &peer->next;
    if (plain_size > 0)
        take_packet(tunnel, t, source, peer, plain, plain_size, front);
    if (confirms)
        confirm(tunnel, t, source, peer);
    if (peer->current.initiator && peer->current.mine != 0 &&
        t->cx->now_ns - peer->current.made_ns >= REKEY_ON_RECEIVE_NS)
        tunnel_initiate(tunnel, t, peer, false);
    tunnel_rearm(t, peer);
}
