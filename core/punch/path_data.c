/* Data on paths: where it goes, and what comes. */
#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/punch/path_state.h"

/* ---- What is known of a peer ----------------------------------------------------------------- */

const struct member *path_member(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE])
{
    const struct path *path = path_of(paths, identity, false);
    return path != NULL && path->known ? &path->peer : NULL;
}

uint32_t path_introductions(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE])
{
    const struct path *path = path_of(paths, identity, false);
    return path != NULL ? path->introductions : 0;
}

void path_disconnect(struct paths *paths, const struct path_tools *t,
                     const uint8_t identity[static IDENTITY_SIZE])
{
    struct path *path = path_of(paths, identity, false);
    if (path != NULL)
        path_forget(paths, t, path);
}

const struct member *path_member_at(struct paths *paths, uint32_t slot)
{
    struct handle handle;
    const struct path *path = pool_slot(&paths->pool, slot, &handle);
    return path != NULL && path->known ? &path->peer : NULL;
}

uint32_t path_slots(const struct paths *paths)
{
    return paths->pool.high_water;
}

const struct member *path_member_by_key(struct paths *paths,
                                        const uint8_t key[static IDENTITY_TUNNEL_KEY_SIZE])
{
    for (uint32_t i = 0; i < path_slots(paths); i++) {
        const struct member *member = path_member_at(paths, i);
        if (member != NULL && memcmp(member->tunnel_key, key, IDENTITY_TUNNEL_KEY_SIZE) == 0)
            return member;
    }
    return NULL;
}

enum node_path path_state(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE],
                          struct node_out_path *out)
{
    const struct path *path = path_of(paths, identity, false);
    if (out != NULL) {
        memset(out, 0, sizeof *out);
        memcpy(out->peer, identity, sizeof out->peer);
    }
    if (path == NULL)
        return NODE_PATH_PENDING;
    if (out != NULL) {
        out->path = path->reported;
        out->reason = path->reported_reason;
        out->remote = path->reported_remote;
        if (path->chosen != PATH_NONE)
            out->rtt_ns = path->remotes[path->chosen].rtt_ns;
    }
    return path->reported;
}

/* ---- Sending --------------------------------------------------------------------------------- */

void path_send_relayed(const struct path_tools *t, const struct path *path, const uint8_t *bytes,
                       size_t size)
{
    const struct addr *home = &t->client->servers[path->server].punch;
    if (home->family == ADDR_NONE)
        return; /* it has no such endpoint any more: there will be another home */
    struct frame frame = {
        .type = FRAME_DATA, .receiver = path->channel, .body = {.bytes = bytes, .size = size}};
    size_t room;
    uint8_t *to = outbox_room(t->tools.cx->out, &room);
    size_t at = frame_encode(&frame, to, room);
    if (at > 0)
        memcpy(to + at, bytes, size);
    context_send(t->tools.cx, at > 0 ? at + size : 0,
                 (struct node_out_send){.socket = NODE_SOCKET_TRAFFIC, .remote = *home});
}

bool path_way(struct paths *paths, const struct path_tools *t,
              const uint8_t identity[static IDENTITY_SIZE], struct path_way *way)
{
    const struct path *path = path_of(paths, identity, false);
    memset(way, 0, sizeof *way);
    if (path == NULL)
        return false;
    way->direct = path->chosen < PATH_RELAY;
    if (way->direct)
        way->remote = path->remotes[path->chosen].addr;
    /* A home without such an endpoint is no way: there will be another. */
    way->home = t->client->servers[path->server].punch;
    way->relayed =
        path->channel != 0 && (!way->direct || path->doubt) && way->home.family != ADDR_NONE;
    way->channel = path->channel;
    return way->direct || way->relayed;
}

void path_used(struct paths *paths, const struct path_tools *t,
               const uint8_t identity[static IDENTITY_SIZE])
{
    uint64_t now_ns = t->tools.cx->now_ns;
    struct path *path = path_of(paths, identity, false);
    check(path != NULL);
    bool slept = path->data_ns == 0 || now_ns - path->data_ns > PATH_IN_USE_NS;
    path->data_ns = now_ns;
    if (slept) {
        path_probe_woken(paths, t, path);
        path_settle(t, path);
    }
}

void path_carry(struct paths *paths, const struct path_tools *t, const struct node_in_carry *carry)
{
    const struct context *cx = t->tools.cx;
    struct path_way way;
    if (!path_way(paths, t, carry->peer, &way)) {
        context_trace(cx, TRACE_PATH_LOST, (struct trace_record){.number = carry->size});
        return;
    }
    if (way.direct) {
        size_t room;
        uint8_t *to = outbox_room(cx->out, &room);
        bool fits = carry->size <= room;
        if (fits)
            memcpy(to, carry->bytes, carry->size);
        context_send(cx, fits ? carry->size : 0,
                     (struct node_out_send){.socket = NODE_SOCKET_TRAFFIC, .remote = way.remote});
    }
    if (way.relayed)
        path_send_relayed(t, path_of(paths, carry->peer, false), carry->bytes, carry->size);
    path_used(paths, t, carry->peer);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

void path_deliver(const struct context *cx, const struct path_arrival *arrival)
{
    struct node_out out = {
        .kind = NODE_OUT_DELIVER,
        .deliver = {.bytes = arrival->bytes,
                    .size = (uint32_t)arrival->size,
                    .relayed = arrival->channel != 0},
    };
    memcpy(out.deliver.peer, arrival->peer, sizeof out.deliver.peer);
    context_put(cx, &out);
}

static struct path_arrival arrival_of(const struct path *path, const uint8_t *bytes, size_t size,
                                      uint32_t channel)
{
    struct path_arrival arrival = {.bytes = bytes, .size = size, .channel = channel};
    memcpy(arrival.peer, path->peer.identity, sizeof arrival.peer);
    return arrival;
}

struct path_arrival path_opaque(struct paths *paths, const struct node_in_datagram *datagram)
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&paths->by_remote, &datagram->remote, &slot))
        return (struct path_arrival){0};
    const struct path *path = pool_slot(&paths->pool, slot, &handle);
    check(path != NULL);
    return arrival_of(path, datagram->bytes, datagram->size, 0);
}

/* The path whose relay has this channel at the server that the datagram came from. */
static struct path *path_by_channel(struct paths *paths, const struct path_tools *t,
                                    const struct addr *remote, uint32_t channel)
{
    for (uint8_t server = 0; server < t->client->server_count; server++) {
        uint8_t key[8] = {server};
        struct writer w = writer_of(key + 4, 4);
        write_u32(&w, channel);
        uint32_t slot;
        struct handle handle;
        if (addr_equal(&t->client->servers[server].punch, remote) &&
            map_get(&paths->by_channel, key, &slot))
            return pool_slot(&paths->pool, slot, &handle);
    }
    return NULL;
}

struct path_arrival path_data(struct paths *paths, const struct path_tools *t,
                              const struct node_in_datagram *datagram, const struct frame *frame)
{
    struct path *path = path_by_channel(paths, t, &datagram->remote, frame->receiver);
    if (path == NULL || frame->body.size == 0) {
        context_trace(t->tools.cx, TRACE_RELAY_NO_CHANNEL,
                      (struct trace_record){.remote = datagram->remote, .number = frame->receiver});
        return (struct path_arrival){0};
    }
    if (!frame_is_ours(frame->body.bytes, frame->body.size)) {
        path_relay_speaks(path);
        return arrival_of(path, frame->body.bytes, frame->body.size, frame->receiver);
    }
    struct frame inner;
    struct node_in_datagram relayed = *datagram;
    relayed.bytes = frame->body.bytes;
    relayed.size = (uint32_t)frame->body.size;
    relayed.remote = (struct addr){0}; /* the relay, as far as probes are concerned */
    if (frame_decode(&inner, relayed.bytes, relayed.size) == FRAME_OK && inner.type == FRAME_PROBE)
        path_probe(paths, t, &relayed, &inner);
    return (struct path_arrival){0};
}
