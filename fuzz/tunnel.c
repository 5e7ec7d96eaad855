/*
 * Fuzzes the tunnel: two whole nodes that are each other's stock peers, and the datagrams between
 * them. The bytes are a script of steps, each a letter and its parameters, that name and remove
 * peers, hand in packets and trains, deliver what is on its way whole, changed, elsewhere or never,
 * hand in messages of any bytes (which open, since nothing is sealed here), set clocks, move the
 * nodes' memory, and let time pass. Out of bytes is the end; then two peers that are named anew and
 * left in peace find together.
 */
#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/bootstrap/identity.h"
#include "core/tunnel/inner.h"
#include "core/tunnel/message.h"
#include "core/warren.h"
#include "fuzz/harness.h"
#include "fuzz/null_crypto.h"

enum {
    ENDS = 2,
    KEYS = 6, /* of which the first are the ends' */
    KEPT = 16,
    BLOCK = 160 * 1024,
    MESSAGE_MAX = 2048,
    STEPS_MAX = 1000,
};

#define SECOND_NS UINT64_C(1000000000)

static const struct node_limits limits = {
    .outputs = NODE_OUTPUTS_MIN,
    .output_bytes = 16 * 1024,
    .stun_probes = 3,
    .stun_transactions = 10,
    .stun_sources = 1,
    .sessions = 1,
    .unproven = 1,
    .servers = 1,
    .clients = 1,
    .locations = 1,
    .pairs = 1,
    .paths = 1,
    .tunnel_peers = 4,
    .tunnel_subnets = 12,
    .tunnel_queue = 8,
};

struct datagram {
    struct addr from, to;
    uint32_t size;
    uint8_t bytes[MESSAGE_MAX];
};

static struct state {
    struct reader script;
    uint64_t now_ns;
    struct node *nodes[ENDS];
    unsigned place[ENDS];       /* which of its blocks a node lives in */
    struct datagram kept[KEPT]; /* the last ones, in turn */
    unsigned kept_count;
    uint64_t packets[ENDS];
} s;

static _Alignas(16) uint8_t pristine[ENDS][BLOCK], blocks[ENDS][2][BLOCK];
static const struct node_env env = {.crypto = &crypto_null};

static unsigned pick(unsigned bound)
{
    return read_u8(&s.script) % bound;
}

static struct addr addr_of(unsigned number)
{
    return addr_v4(0xc0000201u + number, 51820);
}

static struct addr inner_of(unsigned number, bool v6)
{
    const uint8_t ip[16] = {0xfd, [15] = (uint8_t)number};
    return v6 ? addr_v6(ip, 0) : addr_v4(0x0a000000u + number, 0);
}

/* ---- Outputs --------------------------------------------------------------------------------- */

static void take_send(unsigned end, const struct node_out_send *send)
{
    const uint8_t *block = blocks[end][s.place[end]];
    uint32_t each = send->segment > 0 ? send->segment : send->size;
    check(send->socket == NODE_SOCKET_TUNNEL && send->size > 0);
    check(send->bytes >= block && send->bytes + send->size <= block + BLOCK);
    check(addr_is_unicast(&send->remote) && send->remote.port != 0);
    for (uint32_t at = 0; at < send->size; at += each) {
        struct datagram *kept = &s.kept[s.kept_count++ % KEPT];
        kept->from = addr_of(end);
        kept->to = send->remote;
        kept->size = send->size - at < each ? send->size - at : each;
        check(kept->size <= NODE_CARRY_MAX);
        check(tunnel_message_type(send->bytes + at, kept->size) != TUNNEL_NO_MESSAGE);
        memcpy(kept->bytes, send->bytes + at, kept->size);
    }
}

static void take_packets(unsigned end, const struct node_out_packet *packet)
{
    uint32_t each = packet->segment > 0 ? packet->segment : packet->size;
    check(packet->size > 0 && packet->size <= NODE_PACKETS_MAX);
    for (uint32_t at = 0; at < packet->size; at += each) {
        struct inner inner;
        uint32_t size = packet->size - at < each ? packet->size - at : each;
        check(inner_parse(&inner, packet->bytes + at, size) && inner.size == size);
        s.packets[end]++;
    }
}

static void input(unsigned end, struct node_in in)
{
    struct node_out out;
    uint32_t outputs = 0;
    in.now_ns = s.now_ns;
    node_input(s.nodes[end], &in);
    while (node_output(s.nodes[end], &out)) {
        check(++outputs <= limits.outputs);
        check(out.kind == NODE_OUT_SEND || out.kind == NODE_OUT_PACKET);
        if (out.kind == NODE_OUT_SEND)
            take_send(end, &out.send);
        else
            take_packets(end, &out.packet);
    }
    if (in.kind == NODE_IN_DEADLINE)
        check(node_deadline(s.nodes[end]) > s.now_ns);
    struct node_peer peer;
    uint32_t cursor = 0, peers = 0;
    while (node_peers(s.nodes[end], &cursor, &peer))
        check(++peers <= limits.tunnel_peers && peer.subnet_count <= NODE_PEER_SUBNETS);
}

static void become(unsigned end)
{
    const uint8_t seed[RANDOM_SEED_SIZE] = {'t', 'u', 'n', (uint8_t)end};
    uint8_t bytes[CERTIFICATE_SIZE_MAX];
    struct certificate certificate = {
        .name = label_of("s", 1), .roles = IDENTITY_ROLE_RELAY, .not_after_s = UINT64_MAX};
    memset(certificate.identity, (int)end + 101, sizeof certificate.identity);
    memset(certificate.tunnel_key, (int)end + 1, sizeof certificate.tunnel_key);
    struct node_in in = {.kind = NODE_IN_IDENTITY};
    in.identity.certificate = bytes;
    in.identity.certificate_size = (uint32_t)certificate_encode(&certificate, bytes, sizeof bytes);
    memcpy(in.identity.seed, certificate.identity, sizeof in.identity.seed);
    memcpy(in.identity.tunnel_key, certificate.tunnel_key, sizeof in.identity.tunnel_key);
    memset(in.identity.root, 1, sizeof in.identity.root);
    s.nodes[end] = node_init(blocks[end][0], BLOCK, &limits, seed, &env);
    input(end, (struct node_in){.kind = NODE_IN_WALL_CLOCK, .wall_clock.now_s = 1000});
    input(end, in);
    check(node_count(s.nodes[end], TRACE_IDENTITY_REFUSED) == 0);
    memcpy(pristine[end], blocks[end][0], BLOCK);
}

void fuzz_init(void)
{
    check(node_size(&limits) <= BLOCK);
    for (unsigned end = 0; end < ENDS; end++)
        become(end);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static struct node_in peer_of(unsigned number)
{
    struct node_in in = {.kind = NODE_IN_PEER};
    memset(in.peer.key, (int)number + 1, sizeof in.peer.key);
    for (unsigned i = 0; i < 2; i++) {
        struct addr inner = inner_of(number, i == 1);
        in.peer.subnets[in.peer.subnet_count++] = subnet_of(&inner, i == 1 ? 128 : 32);
    }
    in.peer.endpoint = addr_of(number);
    return in;
}

static void do_peer(void)
{
    unsigned end = pick(ENDS), how = read_u8(&s.script);
    struct node_in in = peer_of(pick(KEYS));
    in.peer.hub = (how & 1) != 0;
    in.peer.remove = (how & 6) == 6;
    in.peer.keepalive_s = (uint16_t)((how & 8) != 0 ? 1 + pick(30) : 0);
    in.peer.psk[0] = (uint8_t)((how & 16) != 0 ? pick(3) : 0);
    if ((how & 32) != 0)
        in.peer.endpoint = (struct addr){0};
    for (unsigned more = (how & 64) != 0 ? pick(16) : 0; more > 0; more--) {
        struct addr inner = inner_of(pick(8), (more & 1) != 0);
        in.peer.subnets[in.peer.subnet_count % NODE_PEER_SUBNETS] =
            subnet_of(&inner, pick((more & 1) != 0 ? 129 : 33));
        in.peer.subnet_count++;
    }
    input(end, in);
}

static void write_packet(uint8_t *to, uint32_t size, bool v6, unsigned from, unsigned dest)
{
    const struct addr source = inner_of(from, v6), destination = inner_of(dest, v6);
    to[0] = v6 ? 0x60 : 0x45;
    if (v6 && size >= 40) {
        to[4] = (uint8_t)((size - 40) >> 8);
        to[5] = (uint8_t)(size - 40);
        to[7] = read_u8(&s.script);
        memcpy(to + 8, source.ip, 16);
        memcpy(to + 24, destination.ip, 16);
    } else if (size >= 20) {
        to[2] = (uint8_t)(size >> 8);
        to[3] = (uint8_t)size;
        to[8] = read_u8(&s.script);
        memcpy(to + 12, source.ip, 4);
        memcpy(to + 16, destination.ip, 4);
    }
}

/* From one host to a peer, in a train or alone. */
static void do_packet(void)
{
    static uint8_t bytes[32 * 256 * 6];
    unsigned end = pick(ENDS), dest = pick(KEYS + 1), how = read_u8(&s.script);
    uint32_t segment = read_u8(&s.script) * 6u, count = 1 + (how & 31u);
    memset(bytes, 0, sizeof bytes);
    for (uint32_t i = 0; i < count; i++)
        write_packet(bytes + (size_t)i * segment, segment, (how & 32) != 0, end, dest);
    uint32_t size = segment * count;
    if ((how & 64) != 0 && size > 0)
        size -= pick(segment);
    struct node_in in = {.kind = NODE_IN_PACKET,
                         .packet = {.bytes = bytes, .size = size, .segment = segment}};
    input(end, in);
}

static void hand_in(unsigned end, struct addr from, const uint8_t *bytes, uint32_t size,
                    uint32_t segment)
{
    struct node_in in = {.kind = NODE_IN_DATAGRAM};
    in.datagram.socket = NODE_SOCKET_TUNNEL;
    in.datagram.local = addr_of(end);
    in.datagram.remote = from;
    in.datagram.bytes = bytes;
    in.datagram.size = size;
    in.datagram.segment = segment;
    input(end, in);
}

/* What was sent, as it was or bent, from where it was or elsewhere, to whom it was for or not. */
static void do_deliver(void)
{
    struct datagram datagram = s.kept[pick(KEPT)];
    unsigned how = read_u8(&s.script);
    if (datagram.size == 0)
        return;
    unsigned end = datagram.to.ip[3] == 1 ? 0 : 1;
    if ((how & 1) != 0)
        datagram.from = addr_of(pick(KEYS));
    if ((how & 2) != 0)
        datagram.bytes[read_u16(&s.script) % datagram.size] ^= read_u8(&s.script);
    if ((how & 4) != 0)
        datagram.size = 1 + read_u16(&s.script) % datagram.size;
    if ((how & 8) != 0)
        end = 1 - end;
    hand_in(end, datagram.from, datagram.bytes, datagram.size, 0);
}

/* Everything that was sent lately, in order: how a session comes about in few bytes. */
static void do_flow(void)
{
    for (unsigned i = 0; i < KEPT; i++) {
        const struct datagram datagram = s.kept[(s.kept_count + i) % KEPT];
        s.kept[(s.kept_count + i) % KEPT].size = 0;
        if (datagram.size > 0 && datagram.to.ip[3] <= ENDS)
            hand_in(datagram.to.ip[3] - 1u, datagram.from, datagram.bytes, datagram.size, 0);
    }
}

/* Any bytes behind a type that there is, of any size; maybe a packet is in them. */
static void do_raw(void)
{
    static const uint16_t sizes[] = {TUNNEL_INITIATION_SIZE, TUNNEL_RESPONSE_SIZE,
                                     TUNNEL_COOKIE_REPLY_SIZE};
    static uint8_t bytes[65536];
    unsigned end = pick(ENDS), how = read_u8(&s.script), from = pick(KEYS), type = how % 4;
    uint32_t size = type < 3 ? sizes[type] : 32 + read_u16(&s.script) % (65536u - 32);
    memset(bytes, 0, size);
    bytes[0] = (uint8_t)(type + 1);
    if ((how & 4) != 0) /* the index of a session that there is, and its counter */
        memcpy(bytes + 4, s.kept[pick(KEPT)].bytes + 4, 12);
    if (type == 0) /* the key that it is from, as plain as everything here */
        memset(bytes + 40, (int)from + 1, 32);
    if (type == 3 && (how & 8) != 0 && size >= 32 + 40)
        write_packet(bytes + 16, size - 32, (how & 16) != 0, from, pick(KEYS));
    uint32_t given = read_u8(&s.script) % 32u;
    read_bytes(&s.script, bytes + 8, given);
    hand_in(end, addr_of(from), bytes, size, (how & 32) != 0 ? size / 2 : 0);
}

static void do_time(void)
{
    unsigned how = read_u8(&s.script), end = how & 1;
    uint64_t deadline_ns = node_deadline(s.nodes[end]), next_ns = s.now_ns;
    if ((how & 2) != 0 && deadline_ns != NODE_NEVER && deadline_ns > s.now_ns)
        next_ns = deadline_ns;
    else
        next_ns += UINT64_C(1) << how / 4 % 44;
    if (next_ns < UINT64_C(1) << 60)
        s.now_ns = next_ns;
    input(end, (struct node_in){.kind = NODE_IN_DEADLINE});
}

static void do_clock(void)
{
    unsigned end = pick(ENDS);
    uint64_t wall_s = read_u64(&s.script) >> pick(64);
    input(end, (struct node_in){.kind = NODE_IN_WALL_CLOCK, .wall_clock.now_s = wall_s});
}

static void do_move(void)
{
    unsigned end = pick(ENDS), old = s.place[end];
    memcpy(blocks[end][1 - old], blocks[end][old], BLOCK);
    memset(blocks[end][old], 0xee, BLOCK);
    s.place[end] = 1 - old;
    s.nodes[end] = node_attach(blocks[end][1 - old], BLOCK, &env);
    check(s.nodes[end] != NULL);
}

/* ---- In peace -------------------------------------------------------------------------------- */

static void find_together(void)
{
    s.script = reader_of(NULL, 0);
    memset(s.kept, 0, sizeof s.kept);
    for (unsigned end = 0; end < ENDS; end++) {
        for (unsigned i = 0; i < KEYS; i++) {
            struct node_in gone = peer_of(i);
            gone.peer.remove = true;
            input(end, gone);
        }
        input(end, peer_of(1 - end));
        check(node_deadline(s.nodes[end]) == NODE_NEVER);
    }
    s.now_ns += SECOND_NS; /* whoever was under load is not any more */
    uint8_t bytes[100] = {0};
    uint64_t before = s.packets[1];
    write_packet(bytes, sizeof bytes, false, 0, 1);
    input(0, (struct node_in){.kind = NODE_IN_PACKET,
                              .packet = {.bytes = bytes, .size = sizeof bytes}});
    for (unsigned i = 0; i < 3; i++)
        do_flow();
    check(s.packets[1] == before + 1);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static void (*const actions[])(void) = {
        do_time, do_peer, do_packet, do_flow, do_deliver, do_raw, do_clock, do_move,
    };
    memset(&s, 0, sizeof s);
    s.script = reader_of(data, size);
    for (unsigned end = 0; end < ENDS; end++) {
        memcpy(blocks[end][0], pristine[end], BLOCK);
        s.nodes[end] = node_attach(blocks[end][0], BLOCK, &env);
        check(s.nodes[end] != NULL);
    }
    for (unsigned i = 0; i < STEPS_MAX && reader_left(&s.script) > 0; i++)
        actions[pick(sizeof actions / sizeof actions[0])]();
    find_together();
}
