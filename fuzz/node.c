/*
 * Fuzzes a whole node: the bytes are a script of inputs, each a letter and its parameters, that
 * answer what the node asked, spoil answers, make requests of its STUN server, let time pass, and
 * throw raw bytes at its sockets. Out of bytes is the end. After every input the promises of
 * core/warren.h are checked.
 */
#include "core/base/check.h"
#include "core/stun/client.h"
#include "core/stun/discovery.h"
#include "core/stun/message.h"
#include "core/stun/server.h"
#include "core/warren.h"
#include "fuzz/harness.h"
#include "fuzz/null_crypto.h"

enum { SOURCES = 4, ASKED = 16, SOCKETS = 8, BLOCK = 64 * 1024, INPUTS_MAX = 2000 };

#define SECOND_NS UINT64_C(1000000000)

static const struct node_limits limits = {
    .outputs = NODE_OUTPUTS_MIN,
    .output_bytes = 2048,
    .stun_probes = 3,
    .stun_transactions = 10,
    .stun_sources = SOURCES,
    .sessions = 1,
    .unproven = 1,
    .servers = 1,
    .clients = 1,
    .locations = 1,
    .pairs = 1,
    .paths = 1,
    .tunnel_peers = 4,
    .tunnel_subnets = 16,
    .tunnel_queue = 8,
};

/* A request that the node made. */
struct asked {
    uint32_t socket;
    struct addr remote;
    uint8_t bytes[STUN_REQUEST_SIZE_V6];
    uint32_t size;
};

static struct state {
    struct reader script;
    uint64_t now_ns;
    struct node *node;
    unsigned block;            /* which of the blocks it lives in */
    struct asked asked[ASKED]; /* the last ones, in turn */
    unsigned asked_count;
    uint32_t sockets[SOCKETS]; /* probe sockets, 0 where there is none */
    uint8_t families[SOCKETS];
    struct node_in_serve_stun serving;
    unsigned discovers, behaviours;
    uint64_t larger; /* answers of the server that were larger than their requests */
    unsigned answers;
} s;

static _Alignas(16) uint8_t pristine[BLOCK], blocks[2][BLOCK];
static const struct node_env env = {.crypto = &crypto_null};

void fuzz_init(void)
{
    static const uint8_t seed[RANDOM_SEED_SIZE] = {'f', 'u', 'z', 'z'};
    check(node_size(&limits) <= BLOCK);
    node_init(pristine, BLOCK, &limits, seed, &env);
}

static unsigned pick(unsigned bound)
{
    return read_u8(&s.script) % bound;
}

/* From few enough that addresses meet again, with some that nothing may come from. */
static struct addr pick_addr(uint8_t family)
{
    static const uint16_t ports[] = {3478, 3479, 4000, 0, 65535, 1};
    static const uint8_t firsts[] = {192, 10, 203, 255, 0, 224};
    unsigned choice = read_u8(&s.script), low = read_u8(&s.script);
    uint16_t port = ports[choice / 8 % 6];
    if (family == ADDR_V4)
        return addr_v4((uint32_t)firsts[choice % 6] << 24 | (low & 0xf0u) << 4 | (low & 0xfu),
                       port);
    uint8_t ip[16] = {choice % 8 == 7 ? 0xff : 0x20,
                      1, [4] = (uint8_t)(low >> 4), [15] = (uint8_t)(low & 15)};
    if (choice % 8 == 6)
        memset(ip, 0, sizeof ip);
    return addr_v6(ip, port);
}

static struct addr local_of(uint8_t family)
{
    static const uint8_t ip6[16] = {0x20, 1, [15] = 2};
    return family == ADDR_V6 ? addr_v6(ip6, 4000) : addr_v4(0x0a000002, 4000);
}

static bool is_served(const struct addr *source)
{
    for (uint32_t i = 0; i < s.serving.count; i++) {
        if (addr_equal_ip(&s.serving.addresses[i], source))
            return true;
    }
    return false;
}

static uint32_t *find_socket(uint32_t socket)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        if (s.sockets[i] == socket)
            return &s.sockets[i];
    }
    return NULL;
}

static void take_send(const struct node_in *in, const struct node_out_send *send)
{
    check(send->bytes >= blocks[s.block] && send->size > 0);
    check(send->bytes + send->size <= blocks[s.block] + BLOCK);
    check(stun_is_message(send->bytes, send->size));
    check(addr_is_unicast(&send->remote) && send->remote.port != 0);
    if (send->socket >= NODE_SOCKET_PROBE) {
        const uint32_t *socket = find_socket(send->socket);
        check(socket != NULL && send->remote.family == s.families[socket - s.sockets]);
        struct addr local = local_of(send->remote.family);
        check(send->source.family == ADDR_NONE || addr_equal(&send->source, &local));
        check(send->size <= STUN_REQUEST_SIZE_V6);
        struct asked *asked = &s.asked[s.asked_count++ % ASKED];
        *asked = (struct asked){.socket = send->socket, .remote = send->remote, .size = send->size};
        memcpy(asked->bytes, send->bytes, send->size);
        return;
    }
    /*
     * An answer of the server: to a datagram, to its sender's address, from a socket that is
     * served.
     */
    check(in->kind == NODE_IN_DATAGRAM && in->datagram.socket < NODE_SOCKET_PROBE);
    check(send->socket == NODE_SOCKET_STUN || send->socket == NODE_SOCKET_STUN_ALTERNATE);
    check(addr_equal_ip(&send->remote, &in->datagram.remote));
    check(is_served(&send->source) || addr_equal(&send->source, &in->datagram.local));
    check((send->bytes[0] & 0x01) != 0 && memcmp(send->bytes + 4, "\x21\x12\xa4\x42", 4) == 0);
    s.answers++;
    uint32_t headers = send->remote.family == ADDR_V4 ? STUN_IP_UDP_V4 : STUN_IP_UDP_V6;
    uint32_t got = in->datagram.segment != 0 && in->datagram.segment < in->datagram.size
                       ? in->datagram.segment
                       : in->datagram.size;
    check(send->size + headers <= 3 * (got + headers));
    if (send->size > got)
        s.larger++;
}

static void take_output(const struct node_in *in, const struct node_out *out)
{
    switch (out->kind) {
    case NODE_OUT_SEND:
        take_send(in, &out->send);
        break;
    case NODE_OUT_OPEN: {
        uint32_t *free_place = find_socket(0);
        check(out->open.socket >= NODE_SOCKET_PROBE && find_socket(out->open.socket) == NULL);
        check(free_place != NULL);
        check(out->open.family == ADDR_V4 || out->open.family == ADDR_V6);
        *free_place = out->open.socket;
        s.families[free_place - s.sockets] = out->open.family;
        break;
    }
    case NODE_OUT_CLOSE: {
        uint32_t *socket = find_socket(out->close);
        check(out->close != 0 && socket != NULL);
        *socket = 0;
        break;
    }
    case NODE_OUT_HOME:
    case NODE_OUT_PATH:
    case NODE_OUT_DELIVER:
    case NODE_OUT_PACKET:
        check(false); /* of a node without an identity */
        break;
    case NODE_OUT_BEHAVIOUR:
        s.behaviours++;
        check(out->behaviour.received <= out->behaviour.sent);
        check(out->behaviour.sent <= STUN_DISCOVERY_SENT_MAX);
        break;
    }
}

static void input(struct node_in in)
{
    in.now_ns = s.now_ns;
    s.answers = 0;
    node_input(s.node, &in);
    struct node_out out;
    unsigned outputs = 0;
    while (node_output(s.node, &out)) {
        check(++outputs <= limits.outputs);
        take_output(&in, &out);
    }
    check(!node_output(s.node, &out));
    check(s.behaviours <= s.discovers);
    uint64_t deadline_ns = node_deadline(s.node);
    check(deadline_ns == NODE_NEVER || deadline_ns <= s.now_ns + 16 * SECOND_NS);
    if (in.kind == NODE_IN_DEADLINE)
        check(deadline_ns > s.now_ns);
    if (in.kind == NODE_IN_DATAGRAM && in.datagram.segment == 0)
        check(s.answers <= 1);
    /*
     * Every prefix's burst, what time has filled up since, and a new burst for each that was
     * forgotten.
     */
    uint64_t bursts = SOURCES + node_count(s.node, TRACE_STUN_SOURCES_FULL);
    uint64_t filled = SOURCES * (s.now_ns / SECOND_NS + 1) * STUN_BUDGET_PER_SECOND;
    check(s.larger <= bursts * STUN_BUDGET_BURST + filled);
}

static struct node_in datagram(uint32_t socket, struct addr local, struct addr remote,
                               const uint8_t *bytes, uint32_t size)
{
    return (struct node_in){
        .kind = NODE_IN_DATAGRAM,
        .datagram = {
            .socket = socket, .local = local, .remote = remote, .bytes = bytes, .size = size}};
}

/* A good answer to one of the requests, from where the bytes say; then, if they say so, spoilt. */
static void do_answer(void)
{
    const struct asked *asked = &s.asked[pick(ASKED)];
    unsigned how = read_u8(&s.script);
    if (asked->size == 0)
        return;
    uint8_t family = asked->remote.family, bytes[256];
    struct addr remote = (how & 1) != 0 ? pick_addr(family) : asked->remote;
    struct addr mapped =
        (how & 2) != 0 ? pick_addr(how & 64 ? ADDR_V6 : ADDR_V4) : local_of(family);
    struct stun_writer w =
        stun_begin(bytes, sizeof bytes, (how & 4) != 0 ? STUN_ERROR : STUN_SUCCESS,
                   STUN_METHOD_BINDING, asked->bytes + 8);
    if ((how & 4) != 0)
        stun_put_error_code(&w, (uint16_t)(300 + pick(4) * 100), NULL, 0);
    if (mapped.port != 0)
        stun_put_xor_mapped_address(&w, &mapped);
    if ((how & 8) != 0) {
        struct addr other = pick_addr(family);
        if (other.port != 0)
            stun_put_other_address(&w, &other);
    }
    uint32_t size = (uint32_t)stun_end(&w);
    if (size > 0 && (how & 16) != 0)
        bytes[pick(size)] ^= read_u8(&s.script);
    if ((how & 32) != 0)
        size = pick(size + 1);
    input(datagram(asked->socket, local_of(family), remote, bytes, size));
}

/* A request comes back on one of the sockets, as a NAT hairpins it. */
static void do_echo(void)
{
    const struct asked *asked = &s.asked[pick(ASKED)];
    uint32_t socket = s.sockets[pick(SOCKETS)];
    if (asked->size > 0)
        input(datagram(socket, local_of(asked->remote.family), pick_addr(asked->remote.family),
                       asked->bytes, asked->size));
}

/* A request to the server: a header that is right, then attributes as the bytes have them. */
static void do_request(void)
{
    uint8_t bytes[20 + 256] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    unsigned how = read_u8(&s.script);
    uint32_t size = (how & 63) * 4u;
    bytes[3] = (uint8_t)size;
    read_bytes(&s.script, bytes + 20, size);
    uint8_t family = (how & 64) != 0 ? ADDR_V6 : ADDR_V4;
    struct addr local = s.serving.addresses[pick(NODE_STUN_ADDRESSES)];
    uint32_t socket = (how & 128) != 0 ? NODE_SOCKET_STUN_ALTERNATE : NODE_SOCKET_STUN;
    local.port = socket == NODE_SOCKET_STUN ? s.serving.port : s.serving.alternate_port;
    struct node_in in = datagram(socket, local, pick_addr(family), bytes, 20 + size);
    for (unsigned again = pick(8) == 7 ? 120 : 1; again > 0; again--)
        input(in);
}

static void do_raw(void)
{
    unsigned which = read_u8(&s.script);
    uint32_t size = read_u8(&s.script) * 4u, segment = read_u8(&s.script) * 4u;
    uint8_t bytes[1024] = {0};
    read_bytes(&s.script, bytes, size);
    uint8_t family = (which & 128) != 0 ? ADDR_V6 : ADDR_V4;
    uint32_t socket = (which & 64) != 0 ? s.sockets[which % SOCKETS] : which & 15;
    struct node_in in = datagram(socket, local_of(family), pick_addr(family), bytes, size);
    in.datagram.segment = segment;
    input(in);
}

static void do_serve(void)
{
    struct node_in_serve_stun serve = {.count = pick(6), .port = 3478};
    unsigned how = read_u8(&s.script);
    serve.alternate_port = (uint16_t)((how & 1) != 0 ? 3479 : 0);
    for (unsigned i = 0; i < NODE_STUN_ADDRESSES; i++)
        serve.addresses[i] = addr_with_port(pick_addr((how & 2u << i) != 0 ? ADDR_V6 : ADDR_V4), 0);
    uint64_t invalid = node_count(s.node, TRACE_COMMAND_INVALID);
    input((struct node_in){.kind = NODE_IN_SERVE_STUN, .serve_stun = serve});
    if (node_count(s.node, TRACE_COMMAND_INVALID) == invalid)
        s.serving = serve;
}

static void do_discover(void)
{
    struct node_in_discover discover = {.count = pick(4)};
    uint8_t family = pick(2) != 0 ? ADDR_V6 : ADDR_V4;
    for (unsigned i = 0; i < NODE_DISCOVER_SERVERS; i++)
        discover.servers[i] = pick_addr(family);
    s.discovers++;
    input((struct node_in){.kind = NODE_IN_DISCOVER, .discover = discover});
}

static void do_socket(void)
{
    unsigned how = read_u8(&s.script);
    struct node_in in = {.kind = NODE_IN_SOCKET};
    in.socket.socket = s.sockets[how % SOCKETS];
    bool refused = how >= 224;
    in.socket.port = refused ? 0 : 4000;
    in.socket.error = refused ? NODE_ERROR_NO_RESOURCES : NODE_OK;
    /*
     * What is refused is none of ours any more, whether the node hears of it for the first time or
     * not.
     */
    uint64_t unknown = node_count(s.node, TRACE_INPUT_UNKNOWN_SOCKET);
    uint32_t *place = refused && in.socket.socket != 0 ? find_socket(in.socket.socket) : NULL;
    uint32_t kept = in.socket.socket;
    if (place != NULL)
        *place = 0;
    input(in);
    if (place != NULL && node_count(s.node, TRACE_INPUT_UNKNOWN_SOCKET) != unknown)
        *place = kept; /* it was open already, so this was not heard */
}

static void do_trouble(void)
{
    const struct asked *asked = &s.asked[pick(ASKED)];
    unsigned how = read_u8(&s.script);
    if ((how & 128) != 0)
        input((struct node_in){.kind = NODE_IN_UNSENT,
                               .unsent = {asked->socket, asked->remote, (uint8_t)(how & 7)}});
    else
        input((struct node_in){.kind = NODE_IN_ICMP,
                               .icmp = {.socket = asked->socket,
                                        .local = local_of(asked->remote.family),
                                        .remote = asked->remote,
                                        .error = (uint8_t)(how & 7)}});
}

/*
 * To the deadline, beyond it, or a little further; time stops well before the end of its numbers.
 */
static void do_time(void)
{
    unsigned how = read_u8(&s.script);
    uint64_t deadline_ns = node_deadline(s.node), next_ns = s.now_ns;
    if ((how & 1) != 0 && deadline_ns != NODE_NEVER && deadline_ns > s.now_ns)
        next_ns = deadline_ns;
    else
        next_ns += UINT64_C(1) << how / 2 % 40;
    if (next_ns < UINT64_C(1) << 62)
        s.now_ns = next_ns;
    input((struct node_in){.kind = NODE_IN_DEADLINE});
}

/* The whole state is the block: from now on it lives in the other one. */
static void do_move(void)
{
    memcpy(blocks[1 - s.block], blocks[s.block], BLOCK);
    memset(blocks[s.block], 0xee, BLOCK);
    s.block = 1 - s.block;
    s.node = node_attach(blocks[s.block], BLOCK, &env);
    check(s.node != NULL);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static void (*const actions[])(void) = {
        do_time,  do_answer, do_request, do_socket, do_discover,
        do_serve, do_raw,    do_trouble, do_echo,   do_move,
    };
    if (size == 0)
        return;
    memset(&s, 0, sizeof s);
    s.script = reader_of(data, size);
    memcpy(blocks[0], pristine, BLOCK);
    s.node = node_attach(blocks[0], BLOCK, &env);
    check(s.node != NULL);
    for (unsigned i = 0; i < INPUTS_MAX && reader_left(&s.script) > 0; i++)
        actions[pick(sizeof actions / sizeof actions[0])]();
}
