/*
 * The one place where the protocols meet: routes each input to its protocol, and each protocol's
 * result to the next.
 */
#include <string.h>

#include "core/base/check.h"
#include "core/base/context.h"
#include "core/base/pool.h"
#include "core/stun/client.h"
#include "core/stun/discovery.h"
#include "core/stun/integrity.h"
#include "core/stun/server.h"
#include "core/warren.h"

/* A probe socket, from the request to open it until it is closed. */
struct probe {
    uint32_t socket;
    bool open;
};

/*
 * Everything about a node, but for what hangs behind it in the same block. No pointers but `env`.
 */
struct node {
    uint64_t magic;
    uint64_t size; /* of the whole block */
    const struct node_env *env;
    struct node_limits limits;
    uint64_t now_ns;
    uint64_t counts[TRACE_KINDS];
    struct random_secret secret;
    struct timers timers;
    struct outbox outbox;
    struct pool probes;
    struct stun_client client;
    struct stun_server server;
    struct stun_discovery discovery;
};

/* "node" and what would make one build's block unreadable to another. */
#define NODE_MAGIC (UINT64_C(0x6e6f646500000000) | sizeof(struct node))

/*
 * Probe sockets are numbered by slot, in rows of this many, one row for each time a slot is used.
 * When the rows of 32 bits are used up the numbers begin again.
 */
enum { PROBES_MAX = 256, PROBE_ROWS = (1 << 24) - 1 };

/* Where each part of the block begins. */
struct layout {
    size_t timers, outbox, probes, client, server, total;
};

static size_t place(size_t *total, size_t size)
{
    size_t at = *total;
    *total += (size + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
    return at;
}

static struct layout layout_of(const struct node_limits *limits)
{
    check(limits->stun_probes >= STUN_PROBES && limits->stun_probes <= PROBES_MAX);
    check(limits->outputs >= NODE_OUTPUTS_MIN);
    check(limits->stun_transactions > 0 && limits->stun_sources > 0);
    struct layout layout = {0};
    size_t total = 0;
    place(&total, sizeof(struct node));
    layout.timers = place(&total, timers_bytes(limits->stun_transactions));
    layout.outbox = place(&total, outbox_bytes(limits->outputs, limits->output_bytes));
    layout.probes = place(&total, pool_bytes(limits->stun_probes, sizeof(struct probe)));
    layout.client = place(&total, stun_client_bytes(limits->stun_transactions));
    layout.server = place(&total, stun_server_bytes(limits->stun_sources));
    layout.total = total;
    return layout;
}

size_t node_size(const struct node_limits *limits)
{
    return layout_of(limits).total;
}

static struct hash_key draw_hash_key(struct random_secret *secret)
{
    uint8_t bytes[16];
    random_secret_bytes(secret, bytes, sizeof bytes);
    struct reader r = reader_of(bytes, sizeof bytes);
    struct hash_key key;
    key.word[0] = read_u64(&r);
    key.word[1] = read_u64(&r);
    return key;
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
    timers_init(&node->timers, block + layout.timers, limits->stun_transactions);
    outbox_init(&node->outbox, block + layout.outbox, limits->outputs, limits->output_bytes);
    pool_init(&node->probes, block + layout.probes, limits->stun_probes, sizeof(struct probe));
    stun_client_init(&node->client, block + layout.client, limits->stun_transactions,
                     draw_hash_key(&node->secret));
    stun_server_init(&node->server, block + layout.server, limits->stun_sources,
                     draw_hash_key(&node->secret));
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

/* ---- Inputs ---------------------------------------------------------------------------------- */

static void input_outcome(struct node *node, const struct context *cx,
                          const struct stun_outcome *outcome)
{
    if (outcome->result == STUN_RESULT_NONE)
        return;
    if (stun_discovery_outcome(&node->discovery, &node->client, cx, outcome))
        probes_close(node, cx);
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
    const struct probe *probe = probe_by_socket(node, socket, &handle);
    return probe != NULL && probe->open;
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
        /* The first byte decides; STUN is the one protocol so far. */
        if (stun_is_message(datagram.bytes, datagram.size))
            input_stun(node, cx, &datagram);
        else
            drop(cx, TRACE_INPUT_FOREIGN, &datagram, datagram.size);
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
    if (stun_discovery_socket(&node->discovery, &node->client, cx, &result))
        probes_close(node, cx);
}

static void command_invalid(const struct context *cx, enum node_in_kind kind)
{
    context_trace(cx, TRACE_COMMAND_INVALID, (struct trace_record){.number = kind});
}

static void input_serve_stun(struct node *node, const struct context *cx,
                             const struct node_in_serve_stun *serve)
{
    bool valid = serve->count == 0 || (serve->count <= NODE_STUN_ADDRESSES && serve->port != 0 &&
                                       serve->port != serve->alternate_port);
    for (uint32_t i = 0; valid && i < serve->count; i++)
        valid = addr_is_unicast(&serve->addresses[i]);
    if (valid)
        stun_server_serve(&node->server, serve);
    else
        command_invalid(cx, NODE_IN_SERVE_STUN);
}

static void input_discover(struct node *node, const struct context *cx,
                           const struct node_in_discover *discover)
{
    bool valid = discover->count >= 1 && discover->count <= NODE_DISCOVER_SERVERS;
    for (uint32_t i = 0; valid && i < discover->count; i++) {
        const struct addr *server = &discover->servers[i];
        valid = addr_is_unicast(server) && server->port != 0 &&
                server->family == discover->servers[0].family;
    }
    if (!valid) {
        command_invalid(cx, NODE_IN_DISCOVER);
        return;
    }
    if (node->discovery.running)
        return;
    uint32_t sockets[STUN_PROBES];
    for (unsigned i = 0; i < STUN_PROBES; i++)
        probe_open(node, cx, discover->servers[0].family, &sockets[i]);
    stun_discovery_start(&node->discovery, &node->client, cx, discover, sockets);
}

static void input_deadline(struct node *node, const struct context *cx)
{
    /*
     * Bounded: a timer that is set again lies in the future, since no protocol waits for less than
     * a nanosecond.
     */
    struct timer_fired fired;
    while (timers_next(&node->timers, cx->now_ns, &fired)) {
        check(fired.kind == TIMER_STUN_TRANSACTION);
        struct stun_outcome outcome = stun_client_timer(&node->client, cx, fired.owner);
        input_outcome(node, cx, &outcome);
    }
}

void node_input(struct node *node, const struct node_in *in)
{
    check(node->magic == NODE_MAGIC);
    check(in->now_ns >= node->now_ns);
    outbox_reset(&node->outbox);
    node->now_ns = in->now_ns;
    struct context cx = context_of(node);
    switch (in->kind) {
    case NODE_IN_DEADLINE:
        input_deadline(node, &cx);
        break;
    case NODE_IN_DATAGRAM:
        input_datagram(node, &cx, &in->datagram);
        break;
    case NODE_IN_ICMP: {
        struct stun_outcome outcome = stun_client_icmp(&node->client, &cx, &in->icmp);
        input_outcome(node, &cx, &outcome);
        break;
    }
    case NODE_IN_UNSENT:
        input_unsent(node, &cx, &in->unsent);
        break;
    case NODE_IN_SOCKET:
        input_socket(node, &cx, &in->socket);
        break;
    case NODE_IN_SERVE_STUN:
        input_serve_stun(node, &cx, &in->serve_stun);
        break;
    case NODE_IN_DISCOVER:
        input_discover(node, &cx, &in->discover);
        break;
    default:
        warren_check_failed("an input kind that the core knows", __FILE__, __LINE__);
    }
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
