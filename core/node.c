/*
 * The one place where the protocols meet: routes each input to its protocol, and each protocol's
 * result to the next.
 */
#include <string.h>

#include "core/base/check.h"
#include "core/node_state.h"
#include "core/stun/integrity.h"

/* "node" and what would make one build's block unreadable to another. */
#define NODE_MAGIC (UINT64_C(0x6e6f646500000000) | sizeof(struct node))

/*
 * Probe sockets are numbered by slot, in rows of this many, one row for each time a slot is used.
 * When the rows of 32 bits are used up the numbers begin again.
 */
enum { PROBES_MAX = 256, PROBE_ROWS = (1 << 24) - 1 };

/* Where each part of the block begins. */
struct layout {
    size_t timers, outbox, probes, client, server, seal, paths, home, relay, tunnel, total;
};

static size_t place(size_t *total, size_t size)
{
    size_t at = *total;
    *total += pool_align(size);
    return at;
}

/* Each record that may wait for a time has a timer of its own. */
static uint32_t timers_of(const struct node_limits *limits)
{
    return limits->stun_transactions + limits->sessions + limits->clients + limits->servers +
           limits->pairs + limits->paths + limits->tunnel_peers + 1;
}

static struct layout layout_of(const struct node_limits *limits)
{
    check(limits->stun_probes >= STUN_PROBES && limits->stun_probes <= PROBES_MAX);
    check(limits->outputs >= NODE_OUTPUTS_MIN);
    check(limits->stun_transactions > 0 && limits->stun_sources > 0);
    check(limits->sessions > 0 && limits->unproven > 0 && limits->servers > 0);
    check(limits->clients > 0 && limits->locations > 0 && limits->pairs > 0 && limits->paths > 0);
    check(limits->tunnel_peers > 0 && limits->tunnel_subnets > 0 && limits->tunnel_queue > 0);
    struct layout layout = {0};
    size_t total = 0;
    place(&total, sizeof(struct node));
    layout.timers = place(&total, timers_bytes(timers_of(limits)));
    layout.outbox = place(&total, outbox_bytes(limits->outputs, limits->output_bytes));
    layout.probes = place(&total, pool_bytes(limits->stun_probes, sizeof(struct probe)));
    layout.client = place(&total, stun_client_bytes(limits->stun_transactions));
    layout.server = place(&total, stun_server_bytes(limits->stun_sources));
    layout.seal = place(&total, seal_bytes(limits->sessions, limits->unproven));
    layout.paths = place(&total, paths_bytes(limits->paths));
    layout.home = place(&total, home_bytes(limits->clients, limits->servers, limits->locations));
    layout.relay = place(&total, relay_server_bytes(limits->pairs, limits->clients));
    layout.tunnel = place(&total, tunnel_bytes(limits));
    layout.total = total;
    return layout;
}

size_t node_size(const struct node_limits *limits)
{
    return layout_of(limits).total;
}

struct node *node_init(void *memory, size_t size, const struct node_limits *limits,
                       const uint8_t seed[static RANDOM_SEED_SIZE], const struct node_env *env)
{
    struct layout layout = layout_of(limits);
    check(size >= layout.total && (uintptr_t)memory % POOL_ALIGN == 0);
    struct node *node = memory;
    uint8_t *block = memory;
    node->magic = NODE_MAGIC;
    node->size = layout.total;
    node->env = env;
    node->limits = *limits;
    random_secret_init(&node->secret, seed);
    timers_init(&node->timers, block + layout.timers, timers_of(limits));
    outbox_init(&node->outbox, block + layout.outbox, limits->outputs, limits->output_bytes);
    outbox_keep(&node->outbox, NODE_OUTPUTS_KEPT);
    pool_init(&node->probes, block + layout.probes, limits->stun_probes, sizeof(struct probe));
    stun_client_init(&node->client, block + layout.client, limits->stun_transactions,
                     random_hash_key(&node->secret));
    stun_server_init(&node->server, block + layout.server, limits->stun_sources,
                     random_hash_key(&node->secret));
    seal_init(&node->seal, block + layout.seal, limits->sessions, limits->unproven, &node->secret);
    client_init(&node->punch_client, &node->secret);
    paths_init(&node->paths, block + layout.paths, limits->paths, &node->secret);
    home_init(&node->home, block + layout.home, limits->clients, limits->servers, limits->locations,
              &node->secret);
    relay_server_init(&node->relay, block + layout.relay, limits->pairs, limits->clients,
                      &node->secret);
    tunnel_init(&node->tunnel, block + layout.tunnel, limits, &node->secret);
    return node;
}

struct node *node_attach(void *memory, size_t size, const struct node_env *env)
{
    struct node *node = memory;
    if (size < sizeof *node || (uintptr_t)memory % POOL_ALIGN != 0 || node->magic != NODE_MAGIC ||
        node->size > size || !outbox_drained(&node->outbox))
        return NULL;
    node->env = env;
    return node;
}

static struct context context_of(struct node *node)
{
    return (struct context){
        .now_ns = node->now_ns,
        .crypto = node->env->crypto,
        .tracer = &node->env->tracer,
        .counts = node->counts,
        .out = &node->outbox,
        .timers = &node->timers,
        .secret = &node->secret,
    };
}

/* ---- Probe sockets --------------------------------------------------------------------------- */

/* The probe with this number; NULL when it was never opened, or was closed. */
static struct probe *probe_by_socket(struct node *node, uint32_t socket, struct handle *handle)
{
    if (socket < NODE_SOCKET_PROBE)
        return NULL;
    struct probe *probe = pool_slot(&node->probes, socket % PROBES_MAX, handle);
    return probe != NULL && probe->socket == socket ? probe : NULL;
}

static void probe_open(struct node *node, const struct context *cx, uint8_t family,
                       uint32_t *socket)
{
    struct handle handle;
    struct probe *probe = pool_take(&node->probes, &handle);
    check(probe != NULL);
    /* Generations of live slots are odd, from 1: rows begin at NODE_SOCKET_PROBE. */
    probe->socket = (handle.generation / 2 % PROBE_ROWS + 1) * PROBES_MAX + handle.index;
    check(probe->socket >= NODE_SOCKET_PROBE);
    *socket = probe->socket;
    context_put(cx, &(struct node_out){.kind = NODE_OUT_OPEN,
                                       .open = {.socket = probe->socket, .family = family}});
}

static void probes_close(struct node *node, const struct context *cx)
{
    for (uint32_t i = 0; i < node->probes.high_water; i++) {
        struct handle handle;
        const struct probe *probe = pool_slot(&node->probes, i, &handle);
        if (probe == NULL)
            continue;
        stun_client_forget(&node->client, cx, probe->socket);
        context_put(cx, &(struct node_out){.kind = NODE_OUT_CLOSE, .close = probe->socket});
        pool_give(&node->probes, handle);
    }
}

/* ---- Discovery ----------------------------------------------------------------------------- */

void node_discover(struct node *node, const struct context *cx,
                   const struct node_in_discover *discover)
{
    uint32_t sockets[STUN_PROBES];
    for (unsigned i = 0; i < STUN_PROBES; i++)
        probe_open(node, cx, discover->servers[0].family, &sockets[i]);
    stun_discovery_start(&node->discovery, &node->client, cx, discover, sockets);
}

/* A client finds out what it is behind, through its servers, the home first. */
void node_discover_own(struct node *node, const struct context *cx)
{
    const struct client *client = &node->punch_client;
    struct node_in_discover command = {0};
    for (uint8_t i = 0; i <= client->server_count; i++) {
        uint8_t index = i == 0 ? client->home : (uint8_t)(i - 1);
        if (index == CLIENT_NONE || (i > 0 && index == client->home))
            continue;
        const struct addr *stun = &client->servers[index].stun;
        if (command.count < NODE_DISCOVER_SERVERS && stun->family != ADDR_NONE &&
            (command.count == 0 || stun->family == command.servers[0].family))
            command.servers[command.count++] = *stun;
    }
    node->rediscover = node->discovery.running;
    if (command.count > 0 && !node->discovery.running)
        node_discover(node, cx, &command);
}

static void discovered(struct node *node, const struct context *cx)
{
    struct path_tools tools = node_path_tools(node, cx);
    struct stun_behaviour behaviour =
        stun_discovery_result(&node->discovery, &node->client, cx->now_ns);
    struct reason_side side = reason_side_of(&behaviour);
    client_side(tools.client, &tools.tools, &side, &behaviour.local);
    path_side(&node->paths, &tools);
    if (node->rediscover)
        node_discover_own(node, cx);
}

/* What a client has heard from its servers concerns its paths. */
static void tell_paths(struct node *node, const struct context *cx, const struct client_news *news)
{
    struct path_tools tools = node_path_tools(node, cx);
    if (news->call != NULL)
        path_message(&node->paths, &tools, news->server, news->call);
    if (news->home || news->moved)
        path_call_all(&node->paths, &tools);
    if (news->moved || (news->home && node->punch_client.side.nat == STUN_NAT_BLOCKED))
        node_discover_own(node, cx);
}

/* ---- Inputs ---------------------------------------------------------------------------------- */

static void input_outcome(struct node *node, const struct context *cx,
                          const struct stun_outcome *outcome)
{
    if (outcome->result == STUN_RESULT_NONE)
        return;
    if (stun_discovery_outcome(&node->discovery, &node->client, cx, outcome)) {
        probes_close(node, cx);
        discovered(node, cx);
    }
}

static void drop(const struct context *cx, enum trace_kind kind,
                 const struct node_in_datagram *datagram, uint64_t number)
{
    context_trace(cx, kind,
                  (struct trace_record){
                      .socket = datagram->socket, .remote = datagram->remote, .number = number});
}

static void input_stun(struct node *node, const struct context *cx,
                       const struct node_in_datagram *datagram)
{
    struct stun_message message;
    enum stun_error error = stun_decode(&message, datagram->bytes, datagram->size);
    /* RFC 8489, section 6.3: a wrong FINGERPRINT says that it is not STUN after all. */
    if (error == STUN_OK && stun_has(&message, STUN_HAS_FINGERPRINT) &&
        !stun_check_fingerprint(&message))
        error = STUN_BAD_FINGERPRINT;
    if (error != STUN_OK) {
        drop(cx, TRACE_STUN_MALFORMED, datagram, error);
        return;
    }
    if (datagram->socket >= NODE_SOCKET_PROBE) {
        struct stun_outcome outcome = stun_client_message(&node->client, cx, datagram, &message);
        input_outcome(node, cx, &outcome);
    } else if (message.class == STUN_REQUEST) {
        stun_server_message(&node->server, cx, datagram, &message);
    } else {
        drop(cx, TRACE_STUN_UNEXPECTED, datagram, message.class);
    }
}

/* Is there somebody who listens on the socket? */
static bool socket_is_ours(struct node *node, uint32_t socket)
{
    struct handle handle;
    const struct node_in_serve_stun *serving = &node->server.serving;
    if (socket == NODE_SOCKET_STUN)
        return serving->count > 0;
    if (socket == NODE_SOCKET_STUN_ALTERNATE)
        return serving->count > 0 && serving->alternate_port != 0;
    if (socket == NODE_SOCKET_PUNCH || socket == NODE_SOCKET_RELAY)
        return node->serving_mesh;
    if (socket == NODE_SOCKET_TRAFFIC)
        return node->punch_client.running;
    if (socket == NODE_SOCKET_TUNNEL)
        return node->tunnel.ready && node->self.server;
    const struct probe *probe = probe_by_socket(node, socket, &handle);
    return probe != NULL && probe->open;
}

/* A frame that belongs to a session: whoever keeps that session is told what came of it. */
static void input_session(struct node *node, const struct context *cx,
                          const struct node_in_datagram *datagram, const struct frame *frame)
{
    struct seal_event event = seal_input(&node->seal, cx, datagram, frame);
    if (event.kind == SEAL_NOTHING)
        return;
    if (datagram->socket == NODE_SOCKET_TRAFFIC) {
        struct path_tools tools = node_path_tools(node, cx);
        struct punch_message message;
        struct client_news news = client_event(tools.client, &tools.tools, &event, &message);
        seal_decline(&node->seal, cx); /* nobody opens a session with a client */
        tell_paths(node, cx, &news);
    } else {
        struct home_tools tools = node_home_tools(node, cx);
        home_event(&node->home, &tools, &event);
    }
}

/* A datagram that a peer has carried to us is the tunnel's, or as opaque to us as it was to it. */
static void input_carried(struct node *node, const struct context *cx,
                          const struct node_in_datagram *datagram,
                          const struct path_arrival *arrival)
{
    if (tunnel_message_type(arrival->bytes, arrival->size) == TUNNEL_NO_MESSAGE) {
        path_deliver(cx, arrival);
        return;
    }
    struct tunnel_tools tools = node_tunnel_tools(node, cx);
    const struct tunnel_source source = {
        .socket = datagram->socket, .remote = datagram->remote, .channel = arrival->channel};
    tunnel_message(&node->tunnel, &tools, &source, arrival->bytes, arrival->size);
}

static void input_frame(struct node *node, const struct context *cx,
                        const struct node_in_datagram *datagram)
{
    struct frame frame;
    enum frame_error error = frame_decode(&frame, datagram->bytes, datagram->size);
    if (error != FRAME_OK) {
        drop(cx, TRACE_FRAME_MALFORMED, datagram, error);
        return;
    }
    bool client = datagram->socket == NODE_SOCKET_TRAFFIC;
    struct path_tools tools = node_path_tools(node, cx);
    if (frame.type == FRAME_DATA && client) {
        struct path_arrival arrival = path_data(&node->paths, &tools, datagram, &frame);
        if (arrival.bytes != NULL)
            input_carried(node, cx, datagram, &arrival);
    } else if (frame.type == FRAME_DATA)
        relay_data(&node->relay, cx, datagram, &frame);
    else if (frame.type == FRAME_PROBE && client)
        path_probe(&node->paths, &tools, datagram, &frame);
    else if (frame.type == FRAME_PROBE || (frame.type == FRAME_HELLO && client))
        drop(cx, TRACE_FRAME_UNEXPECTED, datagram, frame.type); /* nobody opens these with us */
    else
        input_session(node, cx, datagram, &frame);
}

/* Neither STUN nor a frame: WireGuard's, or a peer's opaque datagram. */
static void input_other(struct node *node, const struct context *cx,
                        const struct node_in_datagram *datagram)
{
    bool stun = stun_is_message(datagram->bytes, datagram->size);
    if (tunnel_message_type(datagram->bytes, datagram->size) != TUNNEL_NO_MESSAGE) {
        struct tunnel_tools tools = node_tunnel_tools(node, cx);
        const struct tunnel_source source = {.socket = datagram->socket,
                                             .remote = datagram->remote};
        tunnel_message(&node->tunnel, &tools, &source, datagram->bytes, datagram->size);
        return;
    }
    struct path_arrival arrival = {0};
    if (datagram->socket == NODE_SOCKET_TRAFFIC && !stun)
        arrival = path_opaque(&node->paths, datagram);
    if (arrival.bytes != NULL)
        path_deliver(cx, &arrival);
    else
        drop(cx, TRACE_INPUT_FOREIGN, datagram, datagram->size);
}

/* The first byte decides (RFC 7983), among what a socket has. */
static void input_one(struct node *node, const struct context *cx,
                      const struct node_in_datagram *datagram)
{
    switch (datagram->socket) {
    case NODE_SOCKET_PUNCH:
    case NODE_SOCKET_RELAY:
        if (frame_is_ours(datagram->bytes, datagram->size))
            input_frame(node, cx, datagram);
        else
            drop(cx, TRACE_INPUT_FOREIGN, datagram, datagram->size);
        return;
    case NODE_SOCKET_TRAFFIC:
    case NODE_SOCKET_TUNNEL:
        if (datagram->socket == NODE_SOCKET_TRAFFIC &&
            frame_is_ours(datagram->bytes, datagram->size))
            input_frame(node, cx, datagram);
        else
            input_other(node, cx, datagram);
        return;
    default:
        if (stun_is_message(datagram->bytes, datagram->size))
            input_stun(node, cx, datagram);
        else
            drop(cx, TRACE_INPUT_FOREIGN, datagram, datagram->size);
        return;
    }
}

static void input_datagram(struct node *node, const struct context *cx,
                           const struct node_in_datagram *train)
{
    if (!socket_is_ours(node, train->socket)) {
        drop(cx, TRACE_INPUT_UNKNOWN_SOCKET, train, train->size);
        return;
    }
    if (train->size == 0 || train->remote.family != train->local.family ||
        train->remote.port == 0 || !addr_is_unicast(&train->remote) ||
        !addr_is_unicast(&train->local)) {
        drop(cx, TRACE_INPUT_FOREIGN, train, train->size);
        return;
    }
    struct node_in_datagram datagram = *train;
    uint32_t segment = train->segment > 0 ? train->segment : train->size;
    uint32_t at = 0;
    do {
        datagram.bytes = train->bytes + at;
        datagram.size = train->size - at < segment ? train->size - at : segment;
        datagram.segment = 0;
        input_one(node, cx, &datagram);
        at += datagram.size;
    } while (at < train->size);
}

/*
 * A datagram that could not be sent is as good as lost on the way, and the schedule sends it again;
 * but where there is no route, no leave, or no longer such an address of ours, there is nothing to
 * wait for, as with an ICMP error that says so.
 */
static void input_unsent(struct node *node, const struct context *cx,
                         const struct node_in_unsent *unsent)
{
    context_trace(cx, TRACE_UNSENT,
                  (struct trace_record){
                      .socket = unsent->socket, .remote = unsent->remote, .number = unsent->error});
    if (unsent->error != NODE_ERROR_UNREACHABLE && unsent->error != NODE_ERROR_REFUSED &&
        unsent->error != NODE_ERROR_ADDRESS)
        return;
    struct node_in_icmp icmp = {
        .socket = unsent->socket,
        .remote = unsent->remote,
        .error = NODE_ICMP_UNREACHABLE_NET,
    };
    struct stun_outcome outcome = stun_client_icmp(&node->client, cx, &icmp);
    input_outcome(node, cx, &outcome);
}

static void input_socket(struct node *node, const struct context *cx,
                         const struct node_in_socket *socket)
{
    struct handle handle;
    struct probe *probe = probe_by_socket(node, socket->socket, &handle);
    if (probe == NULL || probe->open) {
        context_trace(cx, TRACE_INPUT_UNKNOWN_SOCKET,
                      (struct trace_record){.socket = socket->socket});
        return;
    }
    probe->open = socket->error == NODE_OK && socket->port != 0;
    struct node_in_socket result = *socket;
    if (!probe->open) {
        if (result.error == NODE_OK)
            result.error = NODE_ERROR_ADDRESS;
        pool_give(&node->probes, handle); /* there is nothing to close */
    }
    if (stun_discovery_socket(&node->discovery, &node->client, cx, &result)) {
        probes_close(node, cx);
        discovered(node, cx);
    }
}

/* ---- Timers ---------------------------------------------------------------------------------- */

static void fire(struct node *node, const struct context *cx, const struct timer_fired *fired)
{
    struct path_tools paths = node_path_tools(node, cx);
    struct home_tools home = node_home_tools(node, cx);
    switch (fired->kind) {
    case TIMER_STUN_TRANSACTION: {
        struct stun_outcome outcome = stun_client_timer(&node->client, cx, fired->owner);
        input_outcome(node, cx, &outcome);
        return;
    }
    case TIMER_SEAL_SESSION:
        seal_timer(&node->seal, cx, fired->owner);
        return;
    case TIMER_HOME_CLIENT:
        home_timer(&node->home, &home, fired->owner);
        return;
    case TIMER_HOME_SERVER:
        home_server_timer(&node->home, &home, fired->owner);
        return;
    case TIMER_RELAY_PAIR:
        relay_timer(&node->relay, cx, fired->owner);
        return;
    case TIMER_CLIENT:
        client_timer(paths.client, &paths.tools);
        return;
    case TIMER_PATH:
        path_timer(&node->paths, &paths, fired->owner);
        return;
    case TIMER_TUNNEL_PEER: {
        struct tunnel_tools tunnel = node_tunnel_tools(node, cx);
        tunnel_timer(&node->tunnel, &tunnel, fired->owner);
        return;
    }
    }
    warren_check_failed("a timer kind that the core knows", __FILE__, __LINE__);
}

static void input_deadline(struct node *node, const struct context *cx)
{
    /*
     * Bounded: a timer that is set again lies in the future, since no protocol waits for less than
     * a nanosecond.
     */
    struct timer_fired fired;
    while (timers_next(&node->timers, cx->now_ns, &fired))
        fire(node, cx, &fired);
}

static void input(struct node *node, const struct context *cx, const struct node_in *in)
{
    switch (in->kind) {
    case NODE_IN_DEADLINE:
        input_deadline(node, cx);
        break;
    case NODE_IN_DATAGRAM:
        input_datagram(node, cx, &in->datagram);
        break;
    case NODE_IN_ICMP: {
        struct stun_outcome outcome = stun_client_icmp(&node->client, cx, &in->icmp);
        input_outcome(node, cx, &outcome);
        break;
    }
    case NODE_IN_UNSENT:
        input_unsent(node, cx, &in->unsent);
        break;
    case NODE_IN_SOCKET:
        input_socket(node, cx, &in->socket);
        break;
    case NODE_IN_PACKET: {
        struct tunnel_tools tools = node_tunnel_tools(node, cx);
        tunnel_packet(&node->tunnel, &tools, &in->packet);
        break;
    }
    default:
        node_command(node, cx, in);
        break;
    }
}

void node_input(struct node *node, const struct node_in *in)
{
    check(node->magic == NODE_MAGIC);
    check(in->now_ns >= node->now_ns);
    outbox_reset(&node->outbox);
    node->now_ns = in->now_ns;
    struct context cx = context_of(node);
    input(node, &cx, in);
    struct tunnel_tools tools = node_tunnel_tools(node, &cx);
    tunnel_look(&node->tunnel, &tools);
}

bool node_output(struct node *node, struct node_out *out)
{
    check(node->magic == NODE_MAGIC);
    return outbox_take(&node->outbox, out);
}

uint64_t node_deadline(const struct node *node)
{
    return timers_deadline(&node->timers);
}

uint64_t node_count(const struct node *node, enum trace_kind kind)
{
    check(kind < TRACE_KINDS);
    return node->counts[kind];
}

bool node_peers(struct node *node, uint32_t *cursor, struct node_peer *peer)
{
    check(node->magic == NODE_MAGIC);
    while (*cursor < node->tunnel.peers.high_water)
        if (tunnel_status(&node->tunnel, &node->paths, node->now_ns, (*cursor)++, peer))
            return true;
    return false;
}
