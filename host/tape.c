/* Tapes: writing and reading everything that happened to one node. */
#include "host/tape.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

static const uint8_t magic[8] = {'W', 'A', 'R', 'R', 'E', 'N', 'T', 'P'};

enum {
    START_SIZE = 15 * 4 + RANDOM_SEED_SIZE,
    END_SIZE = 16,
    INPUT_FIELDS_MAX = 512, /* of any input, without bytes of a size of their own */
};

/* Bytes that stand at the end of an input's record and are not copied. */
struct rest {
    const uint8_t *bytes;
    size_t size;
};

enum { RESTS_MAX = 2 };

/* ---- Fields ---------------------------------------------------------------------------------- */

static void write_addr(struct writer *w, const struct addr *addr)
{
    write_u8(w, addr->family);
    write_u16(w, addr->port);
    write_bytes(w, addr->ip, sizeof addr->ip);
}

/*
 * Fails the reader on what no struct addr may hold: another family, or bytes that its family does
 * not use.
 */
static struct addr read_addr(struct reader *r)
{
    struct addr addr = {.family = read_u8(r), .port = read_u16(r)};
    read_bytes(r, addr.ip, sizeof addr.ip);
    bool known = addr.family == ADDR_NONE || addr.family == ADDR_V4 || addr.family == ADDR_V6;
    size_t used = known ? addr_ip_size(&addr) : sizeof addr.ip;
    bool clean = known && (addr.family != ADDR_NONE || addr.port == 0);
    for (size_t i = used; i < sizeof addr.ip; i++)
        clean = clean && addr.ip[i] == 0;
    if (!clean) {
        r->failed = true;
        return (struct addr){0};
    }
    return addr;
}

static void write_limits(struct writer *w, const struct node_limits *limits)
{
    write_u32(w, limits->outputs);
    write_u32(w, limits->output_bytes);
    write_u32(w, limits->stun_probes);
    write_u32(w, limits->stun_transactions);
    write_u32(w, limits->stun_sources);
    write_u32(w, limits->sessions);
    write_u32(w, limits->unproven);
    write_u32(w, limits->servers);
    write_u32(w, limits->clients);
    write_u32(w, limits->locations);
    write_u32(w, limits->pairs);
    write_u32(w, limits->paths);
    write_u32(w, limits->tunnel_peers);
    write_u32(w, limits->tunnel_subnets);
    write_u32(w, limits->tunnel_queue);
}

static bool is_within(uint32_t value, uint32_t least, uint32_t most)
{
    check(least <= most);
    return value >= least && value <= most;
}

/*
 * A node of these limits is made when the tape is replayed, so they are held to what a machine can
 * give.
 */
static bool limits_are_sane(const struct node_limits *limits)
{
    return is_within(limits->outputs, NODE_OUTPUTS_MIN, 1 << 20) &&
           is_within(limits->output_bytes, 0, 1 << 28) && is_within(limits->stun_probes, 3, 256) &&
           is_within(limits->stun_transactions, 1, 1 << 20) &&
           is_within(limits->stun_sources, 1, 1 << 22) && is_within(limits->sessions, 1, 1 << 20) &&
           is_within(limits->unproven, 1, 1 << 22) && is_within(limits->servers, 1, 1 << 16) &&
           is_within(limits->clients, 1, 1 << 20) && is_within(limits->locations, 1, 1 << 22) &&
           is_within(limits->pairs, 1, 1 << 20) && is_within(limits->paths, 1, 1 << 20) &&
           is_within(limits->tunnel_peers, 1, 1 << 16) &&
           is_within(limits->tunnel_subnets, 1, 1 << 20) &&
           is_within(limits->tunnel_queue, 1, 1 << 16);
}

static void read_limits(struct reader *r, struct node_limits *limits)
{
    limits->outputs = read_u32(r);
    limits->output_bytes = read_u32(r);
    limits->stun_probes = read_u32(r);
    limits->stun_transactions = read_u32(r);
    limits->stun_sources = read_u32(r);
    limits->sessions = read_u32(r);
    limits->unproven = read_u32(r);
    limits->servers = read_u32(r);
    limits->clients = read_u32(r);
    limits->locations = read_u32(r);
    limits->pairs = read_u32(r);
    limits->paths = read_u32(r);
    limits->tunnel_peers = read_u32(r);
    limits->tunnel_subnets = read_u32(r);
    limits->tunnel_queue = read_u32(r);
    if (!limits_are_sane(limits))
        r->failed = true;
}

static void write_identity(struct writer *w, const struct node_in_identity *identity)
{
    write_bytes(w, identity->seed, sizeof identity->seed);
    write_bytes(w, identity->tunnel_key, sizeof identity->tunnel_key);
    write_bytes(w, identity->root, sizeof identity->root);
    write_u8(w, identity->credential != NULL);
    write_u32(w, identity->certificate_size);
    write_u32(w, identity->credential != NULL ? identity->credential_size : 0);
}

static void write_network(struct writer *w, const struct node_in_network *network)
{
    for (unsigned i = 0; i < NODE_ADDRESSES; i++)
        write_addr(w, &network->addresses[i]);
    write_u32(w, network->count);
    write_u16(w, network->traffic_port);
}

static void write_peer(struct writer *w, const struct node_in_peer *peer)
{
    write_bytes(w, peer->peer, sizeof peer->peer);
    write_bytes(w, peer->key, sizeof peer->key);
    write_bytes(w, peer->psk, sizeof peer->psk);
    for (unsigned i = 0; i < NODE_PEER_SUBNETS; i++) {
        write_addr(w, &peer->subnets[i].addr);
        write_u8(w, peer->subnets[i].bits);
    }
    write_u32(w, peer->subnet_count);
    write_addr(w, &peer->endpoint);
    write_u16(w, peer->keepalive_s);
    write_u8(w, peer->hub);
    write_u8(w, peer->remove);
}

/* The inputs of a mesh. */
static void write_mesh_input(struct writer *w, const struct node_in *in)
{
    switch (in->kind) {
    case NODE_IN_WALL_CLOCK:
        write_u64(w, in->wall_clock.now_s);
        break;
    case NODE_IN_IDENTITY:
        write_identity(w, &in->identity);
        break;
    case NODE_IN_SERVER:
        write_u32(w, in->server.certificate_size);
        write_u32(w, in->server.record_size);
        break;
    case NODE_IN_SERVE_MESH:
        write_u16(w, in->serve_mesh.punch_port);
        write_u16(w, in->serve_mesh.relay_port);
        break;
    case NODE_IN_NETWORK:
        write_network(w, &in->network);
        break;
    case NODE_IN_CONNECT:
        write_bytes(w, in->connect.peer, sizeof in->connect.peer);
        break;
    case NODE_IN_CARRY:
        write_bytes(w, in->carry.peer, sizeof in->carry.peer);
        break;
    case NODE_IN_PEER:
        write_peer(w, &in->peer);
        break;
    default:
        check(in->kind == NODE_IN_PACKET);
        write_u32(w, in->packet.segment);
        break; /* the bytes are the rest of the record */
    }
}

static void write_input(struct writer *w, const struct node_in *in)
{
    write_u64(w, in->now_ns);
    write_u16(w, (uint16_t)in->kind);
    switch (in->kind) {
    case NODE_IN_DEADLINE:
        break;
    case NODE_IN_DATAGRAM:
        write_u32(w, in->datagram.socket);
        write_addr(w, &in->datagram.local);
        write_addr(w, &in->datagram.remote);
        write_u32(w, in->datagram.segment);
        break; /* the bytes are the rest of the record */
    case NODE_IN_ICMP:
        write_u32(w, in->icmp.socket);
        write_addr(w, &in->icmp.local);
        write_addr(w, &in->icmp.remote);
        write_addr(w, &in->icmp.reporter);
        write_u32(w, in->icmp.mtu);
        write_u8(w, in->icmp.error);
        break;
    case NODE_IN_UNSENT:
        write_u32(w, in->unsent.socket);
        write_addr(w, &in->unsent.remote);
        write_u8(w, in->unsent.error);
        break;
    case NODE_IN_SOCKET:
        write_u32(w, in->socket.socket);
        write_u16(w, in->socket.port);
        write_u8(w, in->socket.error);
        break;
    case NODE_IN_SERVE_STUN:
        for (unsigned i = 0; i < NODE_STUN_ADDRESSES; i++)
            write_addr(w, &in->serve_stun.addresses[i]);
        write_u32(w, in->serve_stun.count);
        write_u16(w, in->serve_stun.port);
        write_u16(w, in->serve_stun.alternate_port);
        break;
    case NODE_IN_DISCOVER:
        for (unsigned i = 0; i < NODE_DISCOVER_SERVERS; i++)
            write_addr(w, &in->discover.servers[i]);
        write_u32(w, in->discover.count);
        break;
    default:
        write_mesh_input(w, in);
        break;
    }
}

/* What follows the fields; the count. */
static uint32_t rests_of(const struct node_in *in, struct rest rests[static RESTS_MAX])
{
    switch (in->kind) {
    case NODE_IN_DATAGRAM:
        rests[0] = (struct rest){in->datagram.bytes, in->datagram.size};
        return 1;
    case NODE_IN_IDENTITY:
        rests[0] = (struct rest){in->identity.certificate, in->identity.certificate_size};
        rests[1] = (struct rest){in->identity.credential, in->identity.credential_size};
        return in->identity.credential != NULL ? 2 : 1;
    case NODE_IN_SERVER:
        rests[0] = (struct rest){in->server.certificate, in->server.certificate_size};
        rests[1] = (struct rest){in->server.record, in->server.record_size};
        return 2;
    case NODE_IN_CARRY:
        rests[0] = (struct rest){in->carry.bytes, in->carry.size};
        return 1;
    case NODE_IN_PACKET:
        rests[0] = (struct rest){in->packet.bytes, in->packet.size};
        return 1;
    default:
        return 0;
    }
}

static void read_identity(struct reader *r, struct node_in_identity *identity)
{
    read_bytes(r, identity->seed, sizeof identity->seed);
    read_bytes(r, identity->tunnel_key, sizeof identity->tunnel_key);
    read_bytes(r, identity->root, sizeof identity->root);
    uint8_t member = read_u8(r);
    identity->certificate_size = read_u32(r);
    identity->credential_size = read_u32(r);
    identity->certificate = read_span(r, identity->certificate_size);
    if (member == 1)
        identity->credential = read_span(r, identity->credential_size);
    else if (member != 0 || identity->credential_size != 0)
        r->failed = true;
}

static void read_network(struct reader *r, struct node_in_network *network)
{
    for (unsigned i = 0; i < NODE_ADDRESSES; i++)
        network->addresses[i] = read_addr(r);
    network->count = read_u32(r);
    network->traffic_port = read_u16(r);
}

static bool read_flag(struct reader *r)
{
    uint8_t flag = read_u8(r);
    if (flag > 1)
        r->failed = true;
    return flag == 1;
}

static void read_peer(struct reader *r, struct node_in_peer *peer)
{
    read_bytes(r, peer->peer, sizeof peer->peer);
    read_bytes(r, peer->key, sizeof peer->key);
    read_bytes(r, peer->psk, sizeof peer->psk);
    for (unsigned i = 0; i < NODE_PEER_SUBNETS; i++) {
        peer->subnets[i].addr = read_addr(r);
        peer->subnets[i].bits = read_u8(r);
    }
    peer->subnet_count = read_u32(r);
    peer->endpoint = read_addr(r);
    peer->keepalive_s = read_u16(r);
    peer->hub = read_flag(r);
    peer->remove = read_flag(r);
}

static void read_mesh_input(struct reader *r, struct node_in *in)
{
    switch (in->kind) {
    case NODE_IN_WALL_CLOCK:
        in->wall_clock.now_s = read_u64(r);
        break;
    case NODE_IN_IDENTITY:
        read_identity(r, &in->identity);
        break;
    case NODE_IN_SERVER:
        in->server.certificate_size = read_u32(r);
        in->server.record_size = read_u32(r);
        in->server.certificate = read_span(r, in->server.certificate_size);
        in->server.record = read_span(r, in->server.record_size);
        break;
    case NODE_IN_SERVE_MESH:
        in->serve_mesh.punch_port = read_u16(r);
        in->serve_mesh.relay_port = read_u16(r);
        break;
    case NODE_IN_NETWORK:
        read_network(r, &in->network);
        break;
    case NODE_IN_CONNECT:
        read_bytes(r, in->connect.peer, sizeof in->connect.peer);
        break;
    case NODE_IN_CARRY:
        read_bytes(r, in->carry.peer, sizeof in->carry.peer);
        in->carry.size = (uint32_t)reader_left(r);
        in->carry.bytes = read_span(r, in->carry.size);
        break;
    case NODE_IN_PEER:
        read_peer(r, &in->peer);
        break;
    case NODE_IN_PACKET:
        in->packet.segment = read_u32(r);
        in->packet.size = (uint32_t)reader_left(r);
        in->packet.bytes = read_span(r, in->packet.size);
        break;
    default:
        r->failed = true;
        break;
    }
}

static void read_input(struct reader *r, struct node_in *in)
{
    in->now_ns = read_u64(r);
    in->kind = (enum node_in_kind)read_u16(r);
    switch (in->kind) {
    case NODE_IN_DEADLINE:
        break;
    case NODE_IN_DATAGRAM:
        in->datagram.socket = read_u32(r);
        in->datagram.local = read_addr(r);
        in->datagram.remote = read_addr(r);
        in->datagram.segment = read_u32(r);
        in->datagram.size = (uint32_t)reader_left(r);
        in->datagram.bytes = read_span(r, in->datagram.size);
        break;
    case NODE_IN_ICMP:
        in->icmp.socket = read_u32(r);
        in->icmp.local = read_addr(r);
        in->icmp.remote = read_addr(r);
        in->icmp.reporter = read_addr(r);
        in->icmp.mtu = read_u32(r);
        in->icmp.error = read_u8(r);
        break;
    case NODE_IN_UNSENT:
        in->unsent.socket = read_u32(r);
        in->unsent.remote = read_addr(r);
        in->unsent.error = read_u8(r);
        break;
    case NODE_IN_SOCKET:
        in->socket.socket = read_u32(r);
        in->socket.port = read_u16(r);
        in->socket.error = read_u8(r);
        break;
    case NODE_IN_SERVE_STUN:
        for (unsigned i = 0; i < NODE_STUN_ADDRESSES; i++)
            in->serve_stun.addresses[i] = read_addr(r);
        in->serve_stun.count = read_u32(r);
        in->serve_stun.port = read_u16(r);
        in->serve_stun.alternate_port = read_u16(r);
        break;
    case NODE_IN_DISCOVER:
        for (unsigned i = 0; i < NODE_DISCOVER_SERVERS; i++)
            in->discover.servers[i] = read_addr(r);
        in->discover.count = read_u32(r);
        break;
    default:
        read_mesh_input(r, in);
        break;
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void put(struct tape_writer *tape, const uint8_t *bytes, size_t size)
{
    if (!tape->failed && size > 0 && !tape->sink(tape->host, bytes, size))
        tape->failed = true;
}

/* One record: `fields`, then the rests. */
static void put_record(struct tape_writer *tape, enum tape_kind kind, const struct writer *fields,
                       const struct rest *rests, uint32_t count)
{
    check(!fields->failed);
    check(count <= RESTS_MAX);
    size_t size = fields->index;
    for (uint32_t i = 0; i < count; i++)
        size += rests[i].size;
    check(kind != TAPE_INPUT || size <= TAPE_INPUT_MAX);
    uint8_t header[TAPE_RECORD_HEADER_SIZE];
    struct writer w = writer_of(header, sizeof header);
    write_u16(&w, (uint16_t)kind);
    write_u16(&w, 0);
    write_u32(&w, (uint32_t)size);
    check(!w.failed);
    put(tape, header, sizeof header);
    put(tape, fields->base, fields->index);
    for (uint32_t i = 0; i < count; i++)
        put(tape, rests[i].bytes, rests[i].size);
}

void tape_start(struct tape_writer *tape, tape_sink *sink, void *host,
                const struct node_limits *limits, const uint8_t seed[static RANDOM_SEED_SIZE])
{
    *tape = (struct tape_writer){.sink = sink, .host = host};
    uint8_t bytes[START_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, magic, sizeof magic);
    write_u32(&w, TAPE_VERSION);
    check(w.index == TAPE_ENVELOPE_SIZE);
    put(tape, bytes, w.index);

    w = writer_of(bytes, sizeof bytes);
    write_limits(&w, limits);
    write_bytes(&w, seed, RANDOM_SEED_SIZE);
    put_record(tape, TAPE_START, &w, NULL, 0);
}

void tape_input(struct tape_writer *tape, const struct node_in *in)
{
    uint8_t bytes[INPUT_FIELDS_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_input(&w, in);
    struct rest rests[RESTS_MAX];
    uint32_t count = rests_of(in, rests);
    put_record(tape, TAPE_INPUT, &w, rests, count);
}

void tape_end(struct tape_writer *tape, uint64_t outputs, uint64_t digest)
{
    uint8_t bytes[END_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u64(&w, outputs);
    write_u64(&w, digest);
    put_record(tape, TAPE_END, &w, NULL, 0);
}

/* ---- Reading --------------------------------------------------------------------------------- */

const char *tape_error_text(enum tape_error error)
{
    switch (error) {
    case TAPE_OK:
        return "is a tape";
    case TAPE_FOREIGN:
        return "is not a Warren tape";
    case TAPE_VERSION_NEW:
        return "is a tape of another version; replay it with the build that wrote it";
    case TAPE_TRUNCATED:
        return "is cut short: the rest of the run is missing";
    case TAPE_MALFORMED:
        return "has a record that makes no sense";
    }
    return "is broken";
}

enum tape_error tape_open(struct tape_reader *tape, const uint8_t *bytes, size_t size)
{
    *tape = (struct tape_reader){.bytes = bytes, .size = size};
    size_t compared = size < sizeof magic ? size : sizeof magic;
    if (size == 0 || memcmp(bytes, magic, compared) != 0)
        return TAPE_FOREIGN;
    if (size < TAPE_ENVELOPE_SIZE)
        return TAPE_TRUNCATED;
    struct reader r = reader_of(bytes, size);
    read_skip(&r, sizeof magic);
    if (read_u32(&r) != TAPE_VERSION)
        return TAPE_VERSION_NEW;
    tape->index = r.index;
    return TAPE_OK;
}

/* Reads what a record says; false when no writer makes it so. */
static bool read_record(struct tape_reader *tape, struct reader *r, struct tape_record *record)
{
    switch (record->kind) {
    case TAPE_START:
        read_limits(r, &record->limits);
        read_bytes(r, record->seed, sizeof record->seed);
        if (tape->started)
            return false;
        tape->started = true;
        break;
    case TAPE_INPUT:
        read_input(r, &record->in);
        if (!tape->started || record->in.now_ns < tape->now_ns)
            return false;
        tape->now_ns = record->in.now_ns;
        break;
    case TAPE_END:
        record->outputs = read_u64(r);
        record->digest = read_u64(r);
        if (!tape->started)
            return false;
        tape->ended = true;
        break;
    default:
        return false;
    }
    return !r->failed && reader_left(r) == 0;
}

enum tape_error tape_next(struct tape_reader *tape, struct tape_record *record)
{
    check(!tape->ended);
    check(tape->index <= tape->size);
    struct reader r = reader_of(tape->bytes + tape->index, tape->size - tape->index);
    uint16_t kind = read_u16(&r);
    uint16_t zero = read_u16(&r);
    uint32_t length = read_u32(&r);
    const uint8_t *payload = read_span(&r, length);
    if (r.failed)
        return TAPE_TRUNCATED;
    struct reader fields = reader_of(payload, length);
    memset(record, 0, sizeof *record);
    record->kind = (enum tape_kind)kind;
    bool too_long = kind == TAPE_INPUT && length > TAPE_INPUT_MAX;
    if (zero != 0 || too_long || !read_record(tape, &fields, record))
        return TAPE_MALFORMED;
    tape->index += r.index;
    if (tape->ended && tape->index != tape->size)
        return TAPE_MALFORMED;
    return TAPE_OK;
}
