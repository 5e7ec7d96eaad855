/* Tapes: writing and reading everything that happened to one node. */
#include "host/tape.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

static const uint8_t magic[8] = {'W', 'A', 'R', 'R', 'E', 'N', 'T', 'P'};

enum {
    START_SIZE = 5 * 4 + RANDOM_SEED_SIZE,
    END_SIZE = 16,
    INPUT_FIELDS_MAX = 160, /* of any input, without a datagram's bytes */
};

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
}

/*
 * A node of these limits is made when the tape is replayed, so they are held to what a machine can
 * give.
 */
static bool limits_are_sane(const struct node_limits *limits)
{
    return limits->outputs >= NODE_OUTPUTS_MIN && limits->outputs <= 1 << 20 &&
           limits->output_bytes <= 1 << 28 && limits->stun_probes >= 3 &&
           limits->stun_probes <= 256 && limits->stun_transactions >= 1 &&
           limits->stun_transactions <= 1 << 20 && limits->stun_sources >= 1 &&
           limits->stun_sources <= 1 << 22;
}

static void read_limits(struct reader *r, struct node_limits *limits)
{
    limits->outputs = read_u32(r);
    limits->output_bytes = read_u32(r);
    limits->stun_probes = read_u32(r);
    limits->stun_transactions = read_u32(r);
    limits->stun_sources = read_u32(r);
    if (!limits_are_sane(limits))
        r->failed = true;
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
        r->failed = true;
        break;
    }
}

/* ---- Writing --------------------------------------------------------------------------------- */

static void put(struct tape_writer *tape, const uint8_t *bytes, size_t size)
{
    if (!tape->failed && size > 0 && !tape->sink(tape->host, bytes, size))
        tape->failed = true;
}

/* One record: `fields`, then `rest`, which is not copied. */
static void put_record(struct tape_writer *tape, enum tape_kind kind, const struct writer *fields,
                       const uint8_t *rest, size_t rest_size)
{
    check(!fields->failed);
    uint8_t header[TAPE_RECORD_HEADER_SIZE];
    struct writer w = writer_of(header, sizeof header);
    write_u16(&w, (uint16_t)kind);
    write_u16(&w, 0);
    write_u32(&w, (uint32_t)(fields->index + rest_size));
    check(!w.failed);
    put(tape, header, sizeof header);
    put(tape, fields->base, fields->index);
    put(tape, rest, rest_size);
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
    bool datagram = in->kind == NODE_IN_DATAGRAM;
    size_t size = datagram ? in->datagram.size : 0;
    check(size <= TAPE_INPUT_MAX - w.index);
    put_record(tape, TAPE_INPUT, &w, datagram ? in->datagram.bytes : NULL, size);
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
