/* A host's node: its inputs, its outputs, its deadline, and its starts and ends. */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "sim/host.h"
#include "sim/world.h"

/* An input that follows from an output waits until the node is drained. */
static void defer(struct host *host, const struct node_in *in)
{
    struct net *net = host->net;
    check(net->in_node && in->kind != NODE_IN_DATAGRAM);
    if (net->pending_count == net->pending_capacity) {
        net->pending_capacity = net->pending_capacity == 0 ? 16 : 2 * net->pending_capacity;
        net->pending = world_grow(net->pending, net->pending_capacity, sizeof *net->pending);
    }
    net->pending[net->pending_count++] = (struct pending){.host = host, .in = *in};
}

static void output_open(struct host *host, const struct node_out_open *open)
{
    struct node_in in = {.kind = NODE_IN_SOCKET, .socket = {.socket = open->socket}};
    check(open->socket >= NODE_SOCKET_PROBE && host_socket_named(host, open->socket) == NULL);
    if (host->socket_count == NET_SOCKETS_MAX) {
        in.socket.error = NODE_ERROR_NO_RESOURCES;
    } else {
        in.socket.port = host_ephemeral(host);
        struct host_socket *socket = host_bind(host, in.socket.port);
        check(socket != NULL);
        socket->name = open->socket;
        socket->family = open->family;
    }
    struct net_event event = {
        .kind = NET_SOCKET, .place = host->place, .link = NET_NONE, .number = in.socket.port};
    world_tell(host->net, &event);
    defer(host, &in);
}

static void output_send(struct host *host, const struct node_out_send *out)
{
    const struct host_socket *socket = host_socket_named(host, out->socket);
    check(socket != NULL);
    check(out->source.family == ADDR_NONE || out->source.port == socket->port);
    struct net_send send = {.source = out->source,
                            .remote = out->remote,
                            .ttl = out->ttl,
                            .dont_fragment = out->dont_fragment};
    send.source.port = socket->port;
    uint32_t segment = out->segment == 0 || out->segment > out->size ? out->size : out->segment;
    uint32_t at = 0;
    do {
        uint32_t size = out->size - at < segment ? out->size - at : segment;
        enum node_error error = host_send(host, &send, out->bytes + at, size);
        if (error != NODE_OK) {
            struct node_in in = {
                .kind = NODE_IN_UNSENT,
                .unsent = {.socket = out->socket, .remote = out->remote, .error = (uint8_t)error}};
            defer(host, &in);
        }
        at += size;
    } while (at < out->size);
}

static void output(void *context, const struct node_out *out)
{
    struct host *host = context;
    switch (out->kind) {
    case NODE_OUT_SEND:
        output_send(host, &out->send);
        return;
    case NODE_OUT_OPEN:
        output_open(host, &out->open);
        return;
    case NODE_OUT_CLOSE: {
        const struct host_socket *socket = host_socket_named(host, out->close);
        check(out->close >= NODE_SOCKET_PROBE && socket != NULL);
        host_unbind(host, socket->port);
        struct net_event event = {.kind = NET_SOCKET, .place = host->place, .link = NET_NONE};
        world_tell(host->net, &event);
        return;
    }
    default: {
        struct net_event event = {
            .kind = NET_OUTPUT, .place = host->place, .link = NET_NONE, .output = out};
        world_tell(host->net, &event);
        return;
    }
    }
}

static void traced(void *context, const struct trace_record *record)
{
    const struct host *host = context;
    struct net_event event = {
        .kind = NET_TRACE, .place = host->place, .link = NET_NONE, .record = record};
    world_tell(host->net, &event);
}

/* Makes sure that a timer event comes no later than the node's deadline. An event that came too
 * early does nothing. */
static void rearm(struct host *host)
{
    struct engine *engine = &host->net->engine;
    uint64_t deadline_ns = node_deadline(host->node);
    if (deadline_ns >= host->armed_ns)
        return;
    host->armed_ns = deadline_ns > engine->now_ns ? deadline_ns : engine->now_ns;
    engine_schedule(engine, host->armed_ns, ENGINE_TIMER, host->place, WORLD_TIMER, 0);
}

static bool running(const struct host *host)
{
    return host->node != NULL && !host->crashed && !host->suspended;
}

void host_input(struct host *host, struct node_in *in)
{
    struct net *net = host->net;
    check(!net->in_node);
    if (!running(host))
        return;
    in->now_ns = net->engine.now_ns;
    net->in_node = true;
    drive_input(&host->drive, in);
    for (uint32_t i = 0; i < net->pending_count; i++) {
        struct pending next = net->pending[i];
        check(next.host == host);
        next.in.now_ns = net->engine.now_ns;
        /* A socket may have been closed by what came before. */
        bool gone = next.in.kind != NODE_IN_UNSENT
                        ? host_socket_named(host, next.in.socket.socket) == NULL &&
                              next.in.socket.error == NODE_OK
                        : host_socket_named(host, next.in.unsent.socket) == NULL;
        if (!gone)
            drive_input(&host->drive, &next.in);
    }
    net->pending_count = 0;
    net->in_node = false;
    rearm(host);
}

void host_timer(struct net *net, struct host *host, uint64_t time_ns)
{
    if (host->node == NULL || time_ns != host->armed_ns)
        return;
    host->armed_ns = ENGINE_NEVER;
    if (!running(host))
        return;
    if (node_deadline(host->node) > net->engine.now_ns) {
        rearm(host);
        return;
    }
    /* A deadline that never moves on would stop time for everybody. */
    host->timers_now = host->timer_ns == time_ns ? host->timers_now + 1 : 0;
    host->timer_ns = time_ns;
    check(host->timers_now < HOST_TIMERS_NOW_MAX);
    struct node_in in = {.kind = NODE_IN_DEADLINE};
    host_input(host, &in);
}

/* The standing sockets follow the command that uses them. */
static void bind_standing(struct host *host, uint32_t name, uint16_t port)
{
    const struct host_socket *old = host_socket_named(host, name);
    if (old != NULL && old->port == port)
        return;
    if (old != NULL)
        host_unbind(host, old->port);
    if (port == 0)
        return;
    struct host_socket *socket = host_bind(host, port);
    check(socket != NULL);
    socket->name = name;
}

void host_command(struct net *net, struct host *host, const struct node_in *in)
{
    struct net_event event = {
        .kind = NET_COMMAND, .place = host->place, .link = NET_NONE, .number = in->kind};
    world_tell(net, &event);
    if (!running(host))
        return;
    struct node_in copy = *in;
    if (in->kind == NODE_IN_SERVE_STUN) {
        bind_standing(host, NODE_SOCKET_STUN, in->serve_stun.count > 0 ? in->serve_stun.port : 0);
        bind_standing(host, NODE_SOCKET_STUN_ALTERNATE,
                      in->serve_stun.count > 0 ? in->serve_stun.alternate_port : 0);
    }
    host_input(host, &copy);
}

void net_node_seed(const struct net *net, uint32_t place, uint8_t seed[static RANDOM_SEED_SIZE])
{
    check(place < net->place_count && net->places[place].host != NULL);
    const struct place *at = &net->places[place];
    /* "node/<name>" for the first start, then with the number of the start: no two starts share a
     * seed. */
    char name[NET_NAME_MAX + 32] = "node/";
    size_t size = 5;
    size_t name_size = strlen(at->name);
    memcpy(name + size, at->name, name_size);
    size += name_size;
    name[size++] = '/';
    uint32_t start = at->host->starts;
    do {
        name[size++] = (char)('0' + start % 10);
        start /= 10;
    } while (start != 0);
    struct random_stream stream;
    random_stream_init(&stream, net->config.seed, name, size);
    for (unsigned i = 0; i < RANDOM_SEED_SIZE; i += 8) {
        uint64_t word = random_u64(&stream);
        for (unsigned b = 0; b < 8; b++)
            seed[i + b] = (uint8_t)(word >> (8 * b));
    }
}

void host_start(struct net *net, struct host *host)
{
    check(host->limits.outputs > 0 && net->config.crypto != NULL);
    if (host->node == NULL) {
        host->node_bytes = node_size(&host->limits);
        host->node = calloc(1, host->node_bytes);
        check(host->node != NULL);
    } else {
        memset((void *)host->node, 0, host->node_bytes);
        host->starts++;
    }
    host->env.crypto = net->config.crypto;
    if (net->config.tracing)
        host->env.tracer = (struct tracer){.record = traced, .host = host};
    uint8_t seed[RANDOM_SEED_SIZE];
    net_node_seed(net, host->place, seed);
    struct node *node = node_init(host->node, host->node_bytes, &host->limits, seed, &host->env);
    check(node == host->node);
    drive_init(&host->drive, node, output, host);
    host->drive.digesting = net->config.digesting;
    host->armed_ns = ENGINE_NEVER;
    host->crashed = false;
    rearm(host);
}

/* The process ends: its sockets close, and its tape stops with it. */
static void crash(struct net *net, struct host *host)
{
    if (host->node == NULL || host->crashed)
        return;
    if (net->config.digesting) {
        struct hash digest;
        hash_start(&digest, (struct hash_key){{host->past_digest, host->starts}});
        hash_u64(&digest, drive_digest(&host->drive));
        host->past_digest = hash_value(&digest);
    }
    for (uint32_t i = host->socket_count; i > 0; i--)
        if (host->sockets[i - 1].name != 0)
            host_unbind(host, host->sockets[i - 1].port);
    host->crashed = true;
    host->armed_ns = ENGINE_NEVER;
    if (host->fragments != NULL)
        fragment_flush(host->fragments, &net->pool);
}

void host_fault(struct net *net, struct host *host, uint32_t kind)
{
    switch (kind) {
    case NET_FAULT_HOST_DOWN:
        host->down = true;
        return;
    case NET_FAULT_HOST_UP:
        host->down = false;
        return;
    case NET_FAULT_SUSPEND:
        host->suspended = true;
        return;
    case NET_FAULT_RESUME:
        host->suspended = false;
        if (host->node != NULL && !host->crashed) {
            host->armed_ns = ENGINE_NEVER;
            rearm(host);
        }
        return;
    case NET_FAULT_CRASH:
        crash(net, host);
        return;
    default:
        check(kind == NET_FAULT_RESTART);
        crash(net, host);
        if (host->node != NULL)
            host_start(net, host);
        return;
    }
}
