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
        const struct host_socket *socket =
            host_bind(host, in.socket.port, open->socket, open->family);
        check(socket != NULL);
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
    const struct host_socket *socket = host_bind(host, port, name, ADDR_NONE);
    check(socket != NULL);
}

static void bind_sockets(struct host *host, const struct node_in *in)
{
    switch (in->kind) {
    case NODE_IN_SERVE_STUN: {
        bool serves = in->serve_stun.count > 0;
        bind_standing(host, NODE_SOCKET_STUN, serves ? in->serve_stun.port : 0);
        bind_standing(host, NODE_SOCKET_STUN_ALTERNATE, serves ? in->serve_stun.alternate_port : 0);
        return;
    }
    case NODE_IN_SERVE_MESH:
        bind_standing(host, NODE_SOCKET_PUNCH, in->serve_mesh.punch_port);
        bind_standing(host, NODE_SOCKET_RELAY, in->serve_mesh.relay_port);
        return;
    case NODE_IN_NETWORK:
        bind_standing(host, NODE_SOCKET_TRAFFIC, in->network.traffic_port);
        host->network = in->network;
        return;
    default:
        return;
    }
}

void host_command(struct net *net, struct host *host, const struct node_in *in)
{
    check(host->gate.arrived == NULL);
    struct net_event event = {
        .kind = NET_COMMAND, .place = host->place, .link = NET_NONE, .number = in->kind};
    world_tell(net, &event);
    if (!running(host))
        return;
    struct node_in copy = *in;
    bind_sockets(host, in);
    host_input(host, &copy);
}

/* ---- What sets a node up, at every start ----------------------------------------------------- */

/* The byte strings that an input points to; how many. */
static uint32_t borrowed(struct node_in *in, const uint8_t **spans[static 2],
                         uint32_t sizes[static 2])
{
    switch (in->kind) {
    case NODE_IN_IDENTITY:
        spans[0] = &in->identity.certificate;
        spans[1] = &in->identity.credential;
        sizes[0] = in->identity.certificate_size;
        sizes[1] = in->identity.credential_size;
        return 2;
    case NODE_IN_SERVER:
        spans[0] = &in->server.certificate;
        spans[1] = &in->server.record;
        sizes[0] = in->server.certificate_size;
        sizes[1] = in->server.record_size;
        return 2;
    default:
        check(in->kind != NODE_IN_DATAGRAM && in->kind != NODE_IN_CARRY);
        return 0;
    }
}

uint32_t host_keep_setup(struct host *host, const struct node_in *in)
{
    check(host->gate.arrived == NULL);
    if (host->setup_count == host->setup_capacity) {
        host->setup_capacity = host->setup_capacity == 0 ? 8 : 2 * host->setup_capacity;
        host->setup = world_grow(host->setup, host->setup_capacity, sizeof *host->setup);
    }
    struct host_setup *setup = &host->setup[host->setup_count];
    *setup = (struct host_setup){.in = *in};
    const uint8_t **spans[2];
    uint32_t sizes[2];
    uint32_t count = borrowed(&setup->in, spans, sizes);
    if (count > 0)
        setup->bytes = world_grow(NULL, (size_t)sizes[0] + sizes[1] + 1, 1);
    size_t at = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (*spans[i] == NULL)
            continue;
        memcpy(setup->bytes + at, *spans[i], sizes[i]);
        *spans[i] = setup->bytes + at;
        at += sizes[i];
    }
    return host->setup_count++;
}

void host_free_setup(struct host *host)
{
    for (uint32_t i = 0; i < host->setup_count; i++)
        free(host->setup[i].bytes);
    free(host->setup);
}

/* The host's addresses as they are now: none while it is off the network. */
static struct node_in_network current_network(const struct net *net, const struct host *host,
                                              uint16_t traffic_port)
{
    struct node_in_network network = {.traffic_port = traffic_port};
    for (uint32_t i = 0; i < host->interface_count && !host->down; i++) {
        const struct host_interface *interface = &host->interfaces[i];
        if (net->ports[interface->port].down)
            continue;
        for (uint32_t k = 0; k < interface->v4_count && network.count < NODE_ADDRESSES; k++)
            network.addresses[network.count++] = interface->v4[k];
        for (uint32_t k = 0; k < interface->v6_count && network.count < NODE_ADDRESSES; k++)
            network.addresses[network.count++] = interface->v6[k];
    }
    return network;
}

/* An input as it has to be at this start: clocks go on, and addresses change. */
static void feed_setup(struct net *net, struct host *host, const struct host_setup *setup)
{
    struct node_in in = setup->in;
    check(setup->fed);
    if (in.kind == NODE_IN_WALL_CLOCK)
        in.wall_clock.now_s += (net->engine.now_ns - setup->since_ns) / 1000000000;
    if (in.kind == NODE_IN_NETWORK)
        in.network = current_network(net, host, in.network.traffic_port);
    host_command(net, host, &in);
}

/* A wall clock takes the place of the one before it, so that a start has one, and has it first. */
void host_feed_setup(struct net *net, struct host *host, uint32_t index)
{
    check(index < host->setup_count && !host->setup[index].fed);
    struct host_setup *setup = &host->setup[index];
    for (uint32_t i = 0; i < host->setup_count && setup->in.kind == NODE_IN_WALL_CLOCK; i++) {
        struct host_setup *before = &host->setup[i];
        if (!before->fed || before->in.kind != NODE_IN_WALL_CLOCK)
            continue;
        before->in = setup->in;
        setup = before;
        break;
    }
    setup->fed = true;
    setup->since_ns = net->engine.now_ns;
    feed_setup(net, host, setup);
}

static bool same_network(const struct node_in_network *a, const struct node_in_network *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = addr_equal(&a->addresses[i], &b->addresses[i]);
    return same;
}

void host_addresses_changed(struct net *net, struct host *host)
{
    if (host->network.traffic_port == 0 || !running(host))
        return;
    struct node_in in = {.kind = NODE_IN_NETWORK,
                         .network = current_network(net, host, host->network.traffic_port)};
    if (!same_network(&in.network, &host->network))
        host_command(net, host, &in);
}

/* ---- Starts and ends ------------------------------------------------------------------------- */

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
    check(host->gate.arrived == NULL && host->limits.outputs > 0 && net->config.crypto != NULL);
    if (host->node == NULL) {
        host->node_bytes = node_size(&host->limits);
        host->node = calloc(1, host->node_bytes);
        check(host->node != NULL);
    } else {
        /* Fresh pages are zero, and cost less than clearing a large node. */
        free(host->node);
        host->node = calloc(1, host->node_bytes);
        check(host->node != NULL);
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
    host->network = (struct node_in_network){.traffic_port = 0};
    rearm(host);
    for (uint32_t i = 0; i < host->setup_count; i++)
        if (host->setup[i].fed)
            feed_setup(net, host, &host->setup[i]);
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
        host_addresses_changed(net, host);
        return;
    case NET_FAULT_HOST_UP:
        host->down = false;
        host_addresses_changed(net, host);
        return;
    case NET_FAULT_SUSPEND:
        /* The process behind a gate stops by itself; its network is still there. */
        host->suspended = host->gate.arrived == NULL;
        return;
    case NET_FAULT_RESUME:
        host->suspended = false;
        if (host->node != NULL && !host->crashed) {
            host->armed_ns = ENGINE_NEVER;
            rearm(host);
            host_addresses_changed(net, host);
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
