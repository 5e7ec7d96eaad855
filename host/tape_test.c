/* Tests of host/tape.c: what is written comes back, and what is broken is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "host/check.h"
#include "host/tape.h"

static uint8_t written[256 * 1024];
static size_t written_size, written_limit;

static bool keep(void *host, const uint8_t *bytes, size_t size)
{
    assert_ptr_equal(host, written);
    assert_true(size > 0);
    if (written_size + size > written_limit)
        return false;
    memcpy(written + written_size, bytes, size);
    written_size += size;
    return true;
}

static const struct node_limits limits = {
    .outputs = 77,
    .output_bytes = 12345,
    .stun_probes = 5,
    .stun_transactions = 9,
    .stun_sources = 1000,
    .sessions = 11,
    .unproven = 12,
    .servers = 13,
    .clients = 14,
    .locations = 15,
    .pairs = 16,
    .paths = 17,
    .tunnel_peers = 18,
    .tunnel_subnets = 19,
    .tunnel_queue = 20,
};

static uint8_t seed[RANDOM_SEED_SIZE];
static struct tape_writer writer;

static int setup(void **state)
{
    (void)state;
    written_size = 0;
    written_limit = sizeof written;
    for (unsigned i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)(0xc0 + i);
    tape_start(&writer, keep, written, &limits, seed);
    return 0;
}

static const struct addr v4 = {.family = ADDR_V4, .port = 0x1234, .ip = {192, 0, 2, 200}};
static const struct addr v6 = {
    .family = ADDR_V6, .port = 65535, .ip = {0x20, 1, 0xd, 0xb8, [15] = 9}};
static uint8_t payload[65535];

/* Every kind, every field unlike its neighbours. */
static struct node_in inputs[24];
static unsigned input_count;

static void add(struct node_in in)
{
    in.now_ns = (UINT64_C(1) << 40) + 1000 * (uint64_t)(input_count / 2); /* time may stand still */
    assert_true(input_count < sizeof inputs / sizeof inputs[0]);
    inputs[input_count++] = in;
}

static void make_mesh_inputs(void)
{
    struct node_in identity = {.kind = NODE_IN_IDENTITY};
    identity.identity = (struct node_in_identity){{[0] = 1, [31] = 2},
                                                  {[0] = 3, [31] = 4},
                                                  {[0] = 5, [31] = 6},
                                                  payload + 1,
                                                  payload + 300,
                                                  211,
                                                  317};
    add(identity);
    identity.identity.credential = NULL; /* a server */
    identity.identity.credential_size = 0;
    add(identity);
    add((struct node_in){.kind = NODE_IN_WALL_CLOCK, .wall_clock = {0x0102030405060708}});
    add((struct node_in){.kind = NODE_IN_SERVER, .server = {payload, payload + 9, 3, 400}});
    add((struct node_in){.kind = NODE_IN_SERVE_MESH, .serve_mesh = {51941, 9103}});
    add((struct node_in){.kind = NODE_IN_NETWORK, .network = {{v4, v6, [7] = v4}, 0xfedcba98, 1}});
    add((struct node_in){.kind = NODE_IN_CONNECT, .connect = {{[0] = 7, [31] = 8}}});
    add((struct node_in){.kind = NODE_IN_CARRY, .carry = {{[0] = 9, [31] = 10}, payload, 333}});
    add((struct node_in){.kind = NODE_IN_CARRY, .carry = {{[5] = 1}, payload, 0}});
}

static void make_inputs(void)
{
    for (size_t i = 0; i < sizeof payload; i++)
        payload[i] = (uint8_t)(i * 7 + i / 256);
    input_count = 0;
    add((struct node_in){.kind = NODE_IN_DEADLINE});
    add((struct node_in){.kind = NODE_IN_DATAGRAM,
                         .datagram = {0x01020304, v4, v6, payload, 333, 0}});
    add((struct node_in){.kind = NODE_IN_DATAGRAM, .datagram = {1, v6, v4, payload, 1000, 100}});
    add((struct node_in){.kind = NODE_IN_DATAGRAM, .datagram = {1, v6, v4, payload, 0, 7}});
    add((struct node_in){.kind = NODE_IN_DATAGRAM,
                         .datagram = {1, v4, v4, payload, sizeof payload, UINT32_MAX}});
    add((struct node_in){
        .kind = NODE_IN_ICMP,
        .icmp = {257, v4, v6, {.family = ADDR_V4, .ip = {1, 2, 3, 4}}, 1280, NODE_ICMP_TOO_BIG}});
    add((struct node_in){.kind = NODE_IN_UNSENT, .unsent = {258, v6, NODE_ERROR_REFUSED}});
    add((struct node_in){.kind = NODE_IN_SOCKET, .socket = {259, 40000, NODE_OK}});
    add((struct node_in){.kind = NODE_IN_SOCKET, .socket = {260, 0, NODE_ERROR_NO_RESOURCES}});
    add((struct node_in){.kind = NODE_IN_SERVE_STUN,
                         .serve_stun = {{v4, v6, {0}, v4}, 0xfffffffe, 3478, 3479}});
    add((struct node_in){.kind = NODE_IN_DISCOVER, .discover = {{v6, v4}, 2}});
    make_mesh_inputs();
}

static void assert_addr(const struct addr *a, const struct addr *b)
{
    assert_memory_equal(a, b, sizeof *a);
}

static void assert_bytes(const uint8_t *a, uint32_t a_size, const uint8_t *b, uint32_t b_size)
{
    assert_int_equal(a_size, b_size);
    assert_non_null(a);
    assert_memory_equal(a, b, b_size);
}

static void assert_same_identity(const struct node_in_identity *a, const struct node_in_identity *b)
{
    assert_memory_equal(a->seed, b->seed, sizeof a->seed);
    assert_memory_equal(a->tunnel_key, b->tunnel_key, sizeof a->tunnel_key);
    assert_memory_equal(a->root, b->root, sizeof a->root);
    assert_bytes(a->certificate, a->certificate_size, b->certificate, b->certificate_size);
    if (b->credential == NULL)
        assert_null(a->credential);
    else
        assert_bytes(a->credential, a->credential_size, b->credential, b->credential_size);
}

static void assert_same_mesh(const struct node_in *a, const struct node_in *b)
{
    switch (a->kind) {
    case NODE_IN_WALL_CLOCK:
        assert_true(a->wall_clock.now_s == b->wall_clock.now_s);
        break;
    case NODE_IN_IDENTITY:
        assert_same_identity(&a->identity, &b->identity);
        break;
    case NODE_IN_SERVER:
        assert_bytes(a->server.certificate, a->server.certificate_size, b->server.certificate,
                     b->server.certificate_size);
        assert_bytes(a->server.record, a->server.record_size, b->server.record,
                     b->server.record_size);
        break;
    case NODE_IN_SERVE_MESH:
        assert_int_equal(a->serve_mesh.punch_port, b->serve_mesh.punch_port);
        assert_int_equal(a->serve_mesh.relay_port, b->serve_mesh.relay_port);
        break;
    case NODE_IN_NETWORK:
        for (unsigned i = 0; i < NODE_ADDRESSES; i++)
            assert_addr(&a->network.addresses[i], &b->network.addresses[i]);
        assert_int_equal(a->network.count, b->network.count);
        assert_int_equal(a->network.traffic_port, b->network.traffic_port);
        break;
    case NODE_IN_CONNECT:
        assert_memory_equal(a->connect.peer, b->connect.peer, sizeof a->connect.peer);
        break;
    default:
        assert_int_equal(a->kind, NODE_IN_CARRY);
        assert_memory_equal(a->carry.peer, b->carry.peer, sizeof a->carry.peer);
        assert_bytes(a->carry.bytes, a->carry.size, b->carry.bytes, b->carry.size);
        break;
    }
}

static void assert_same(const struct node_in *a, const struct node_in *b)
{
    assert_true(a->now_ns == b->now_ns);
    assert_int_equal(a->kind, b->kind);
    switch (a->kind) {
    case NODE_IN_DEADLINE:
        break;
    case NODE_IN_DATAGRAM:
        assert_int_equal(a->datagram.socket, b->datagram.socket);
        assert_addr(&a->datagram.local, &b->datagram.local);
        assert_addr(&a->datagram.remote, &b->datagram.remote);
        assert_int_equal(a->datagram.segment, b->datagram.segment);
        assert_int_equal(a->datagram.size, b->datagram.size);
        assert_non_null(a->datagram.bytes);
        assert_memory_equal(a->datagram.bytes, b->datagram.bytes, b->datagram.size);
        break;
    case NODE_IN_ICMP:
        assert_int_equal(a->icmp.socket, b->icmp.socket);
        assert_addr(&a->icmp.local, &b->icmp.local);
        assert_addr(&a->icmp.remote, &b->icmp.remote);
        assert_addr(&a->icmp.reporter, &b->icmp.reporter);
        assert_int_equal(a->icmp.mtu, b->icmp.mtu);
        assert_int_equal(a->icmp.error, b->icmp.error);
        break;
    case NODE_IN_UNSENT:
        assert_int_equal(a->unsent.socket, b->unsent.socket);
        assert_addr(&a->unsent.remote, &b->unsent.remote);
        assert_int_equal(a->unsent.error, b->unsent.error);
        break;
    case NODE_IN_SOCKET:
        assert_int_equal(a->socket.socket, b->socket.socket);
        assert_int_equal(a->socket.port, b->socket.port);
        assert_int_equal(a->socket.error, b->socket.error);
        break;
    case NODE_IN_SERVE_STUN:
        for (unsigned i = 0; i < NODE_STUN_ADDRESSES; i++)
            assert_addr(&a->serve_stun.addresses[i], &b->serve_stun.addresses[i]);
        assert_int_equal(a->serve_stun.count, b->serve_stun.count);
        assert_int_equal(a->serve_stun.port, b->serve_stun.port);
        assert_int_equal(a->serve_stun.alternate_port, b->serve_stun.alternate_port);
        break;
    case NODE_IN_DISCOVER:
        for (unsigned i = 0; i < NODE_DISCOVER_SERVERS; i++)
            assert_addr(&a->discover.servers[i], &b->discover.servers[i]);
        assert_int_equal(a->discover.count, b->discover.count);
        break;
    default:
        assert_same_mesh(a, b);
        break;
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    make_inputs();
    for (unsigned i = 0; i < input_count; i++)
        tape_input(&writer, &inputs[i]);
    tape_end(&writer, 0x1122334455667788, 0x99aabbccddeeff00);
    assert_false(writer.failed);

    struct tape_reader reader;
    struct tape_record record;
    assert_int_equal(tape_open(&reader, written, written_size), TAPE_OK);
    assert_int_equal(tape_next(&reader, &record), TAPE_OK);
    assert_int_equal(record.kind, TAPE_START);
    assert_memory_equal(&record.limits, &limits, sizeof limits);
    assert_memory_equal(record.seed, seed, sizeof seed);
    for (unsigned i = 0; i < input_count; i++) {
        assert_int_equal(tape_next(&reader, &record), TAPE_OK);
        assert_int_equal(record.kind, TAPE_INPUT);
        assert_same(&record.in, &inputs[i]);
        if (record.in.kind == NODE_IN_DATAGRAM) /* borrowed from the tape */
            assert_in_range((uintptr_t)record.in.datagram.bytes, (uintptr_t)written,
                            (uintptr_t)written + written_size);
    }
    assert_false(reader.ended);
    assert_int_equal(tape_next(&reader, &record), TAPE_OK);
    assert_int_equal(record.kind, TAPE_END);
    assert_true(record.outputs == 0x1122334455667788);
    assert_true(record.digest == 0x99aabbccddeeff00);
    assert_true(reader.ended);
    assert_int_equal(reader.index, written_size);
}

/* The bytes of docs/tapes.md, by hand. */
static void test_bytes(void **state)
{
    (void)state;
    static const uint8_t begin[] = {
        'W', 'A', 'R', 'R', 'E', 'N', 'T',  'P',  0, 0, 0, 3, /* envelope */
        0,   1,   0,   0,   0,   0,   0,    92,               /* START, 92 bytes */
        0,   0,   0,   77,  0,   0,   0x30, 0x39, 0, 0, 0, 5,  0, 0, 0, 9,  0, 0, 3, 0xe8,
        0,   0,   0,   11,  0,   0,   0,    12,   0, 0, 0, 13, 0, 0, 0, 14, 0, 0, 0, 15,
        0,   0,   0,   16,  0,   0,   0,    17,   0, 0, 0, 18, 0, 0, 0, 19, 0, 0, 0, 20,
    };
    assert_int_equal(written_size, TAPE_ENVELOPE_SIZE + TAPE_RECORD_HEADER_SIZE + 92);
    assert_memory_equal(written, begin, sizeof begin);
    assert_memory_equal(written + sizeof begin, seed, sizeof seed);
    size_t at = written_size;
    tape_input(&writer, &(struct node_in){.now_ns = 0x0102030405060708,
                                          .kind = NODE_IN_UNSENT,
                                          .unsent = {258, v4, NODE_ERROR_TOO_BIG}});
    static const uint8_t unsent[] = {
        0, 2,    0,    0,   0, 0, 0,   34,                                  /* INPUT, 34 bytes */
        1, 2,    3,    4,   5, 6, 7,   8,  0, 4,                            /* time, kind */
        0, 0,    1,    2,                                                   /* socket */
        4, 0x12, 0x34, 192, 0, 2, 200, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* remote */
        4,                                                                  /* error */
    };
    assert_int_equal(written_size - at, sizeof unsent);
    assert_memory_equal(written + at, unsent, sizeof unsent);
    at = written_size;
    tape_end(&writer, 3, 4);
    static const uint8_t end[] = {0, 3, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0,
                                  0, 0, 0, 3, 0, 0, 0, 0,  0, 0, 0, 4};
    assert_int_equal(written_size - at, sizeof end);
    assert_memory_equal(written + at, end, sizeof end);
}

/* Reads to the end, or to the first error. */
static enum tape_error read_all(const uint8_t *bytes, size_t size, size_t *index)
{
    struct tape_reader reader;
    struct tape_record record;
    enum tape_error error = tape_open(&reader, bytes, size);
    while (error == TAPE_OK && !reader.ended)
        error = tape_next(&reader, &record);
    *index = reader.index;
    return error;
}

static void write_small(void)
{
    make_inputs();
    setup(NULL);
    for (unsigned i = 0; i < input_count; i++) {
        if (inputs[i].kind == NODE_IN_DATAGRAM && inputs[i].datagram.size > 400)
            inputs[i].datagram.size = 5;
        tape_input(&writer, &inputs[i]);
    }
    tape_end(&writer, 1, 2);
}

/* Cut anywhere, a tape is cut short; each length in a block of its own, for the sanitizers. */
static void test_truncated_at_every_byte(void **state)
{
    (void)state;
    write_small();
    size_t index;
    assert_int_equal(read_all(written, written_size, &index), TAPE_OK);
    for (size_t size = 0; size < written_size; size++) {
        uint8_t *cut = test_malloc(size + 1);
        memmove(cut + 1, written, size);
        assert_int_equal(read_all(cut + 1, size, &index),
                         size == 0 ? TAPE_FOREIGN : TAPE_TRUNCATED);
        assert_true(index <= size);
        test_free(cut);
    }
}

static void test_foreign_and_newer(void **state)
{
    (void)state;
    write_small();
    size_t index;
    for (size_t i = 0; i < 8; i++) {
        written[i] ^= 0x20;
        assert_int_equal(read_all(written, written_size, &index), TAPE_FOREIGN);
        written[i] ^= 0x20;
    }
    assert_int_equal(read_all((const uint8_t *)"#!/bin/sh", 9, &index), TAPE_FOREIGN);
    for (size_t i = 8; i < 12; i++) {
        written[i] ^= 2;
        assert_int_equal(read_all(written, written_size, &index), TAPE_VERSION_NEW);
        /* A newer version may continue in any way, so that is what is said of a short one too. */
        assert_int_equal(read_all(written, 12, &index), TAPE_VERSION_NEW);
        written[i] ^= 2;
    }
    assert_int_equal(read_all(written, written_size, &index), TAPE_OK);
    for (int error = TAPE_OK; error <= TAPE_MALFORMED; error++)
        assert_true(strlen(tape_error_text((enum tape_error)error)) > 5);
}

enum { START_AT = TAPE_ENVELOPE_SIZE, FIRST_AT = START_AT + TAPE_RECORD_HEADER_SIZE + 92 };

/* A tape of START, one input and END, with one byte set to another value. */
static enum tape_error spoil(const struct node_in *in, size_t at, uint8_t value)
{
    setup(NULL);
    tape_input(&writer, in);
    tape_end(&writer, 1, 2);
    assert_true(at < written_size);
    assert_int_not_equal(written[at], value);
    written[at] = value;
    size_t index;
    return read_all(written, written_size, &index);
}

static void test_malformed(void **state)
{
    (void)state;
    make_inputs();
    const struct node_in deadline = inputs[0];
    const struct node_in gram = {
        .now_ns = 5, .kind = NODE_IN_DATAGRAM, .datagram = {1, v4, v4, payload, 4, 0}};
    struct node_in member = {.now_ns = 5, .kind = NODE_IN_IDENTITY};
    member.identity.certificate = member.identity.credential = payload;
    member.identity.certificate_size = 200;
    member.identity.credential_size = 300;
    const struct node_in server = {
        .now_ns = 5, .kind = NODE_IN_SERVER, .server = {payload, payload, 4, 5}};
    const struct {
        const char *name;
        const struct node_in *in;
        size_t at;
        uint8_t value;
        enum tape_error error;
    } rows[] = {
        {"kind 0", &deadline, FIRST_AT + 1, 0, TAPE_MALFORMED},
        {"kind 4", &deadline, FIRST_AT + 1, 4, TAPE_MALFORMED},
        {"kind 0x102", &deadline, FIRST_AT, 1, TAPE_MALFORMED},
        {"not zero", &deadline, FIRST_AT + 2, 1, TAPE_MALFORMED},
        {"not zero", &deadline, FIRST_AT + 3, 1, TAPE_MALFORMED},
        {"START twice", &deadline, FIRST_AT + 1, 1, TAPE_MALFORMED},
        {"first record is no START", &deadline, START_AT + 1, 2, TAPE_MALFORMED},
        {"first record is END", &deadline, START_AT + 1, 3, TAPE_MALFORMED},
        {"input kind 0", &deadline, FIRST_AT + 8 + 9, 0, TAPE_MALFORMED},
        {"input kind 15", &deadline, FIRST_AT + 8 + 9, 15, TAPE_MALFORMED},
        {"length too short", &deadline, FIRST_AT + 7, 9, TAPE_MALFORMED},
        {"length too long", &deadline, FIRST_AT + 7, 11, TAPE_MALFORMED},
        {"length past the end", &deadline, FIRST_AT + 4, 255, TAPE_TRUNCATED},
        {"outputs below the least", &deadline, START_AT + 8 + 3, 15, TAPE_MALFORMED},
        {"outputs beyond reason", &deadline, START_AT + 8, 1, TAPE_MALFORMED},
        {"output bytes beyond reason", &deadline, START_AT + 8 + 4, 0x80, TAPE_MALFORMED},
        {"too few probes", &deadline, START_AT + 8 + 11, 2, TAPE_MALFORMED},
        {"too many probes", &deadline, START_AT + 8 + 10, 2, TAPE_MALFORMED},
        {"no transactions", &deadline, START_AT + 8 + 15, 0, TAPE_MALFORMED},
        {"sources beyond reason", &deadline, START_AT + 8 + 16, 1, TAPE_MALFORMED},
        {"no sessions", &deadline, START_AT + 8 + 23, 0, TAPE_MALFORMED},
        {"sessions beyond reason", &deadline, START_AT + 8 + 20, 1, TAPE_MALFORMED},
        {"no sources without proof", &deadline, START_AT + 8 + 27, 0, TAPE_MALFORMED},
        {"servers beyond reason", &deadline, START_AT + 8 + 29, 2, TAPE_MALFORMED},
        {"no clients", &deadline, START_AT + 8 + 35, 0, TAPE_MALFORMED},
        {"locations beyond reason", &deadline, START_AT + 8 + 36, 1, TAPE_MALFORMED},
        {"no pairs", &deadline, START_AT + 8 + 43, 0, TAPE_MALFORMED},
        {"paths beyond reason", &deadline, START_AT + 8 + 44, 1, TAPE_MALFORMED},
        {"another limit", &deadline, START_AT + 8 + 47, 18, TAPE_OK},
        {"neither member nor server", &member, FIRST_AT + 8 + 10 + 96, 2, TAPE_MALFORMED},
        {"a server with a credential", &member, FIRST_AT + 8 + 10 + 96, 0, TAPE_MALFORMED},
        {"a certificate past the end", &member, FIRST_AT + 8 + 10 + 98, 1, TAPE_MALFORMED},
        {"bytes after the credential", &member, FIRST_AT + 8 + 10 + 104, 1, TAPE_MALFORMED},
        {"a record past the end", &server, FIRST_AT + 8 + 10 + 7, 6, TAPE_MALFORMED},
        {"bytes after the record", &server, FIRST_AT + 8 + 10 + 7, 4, TAPE_MALFORMED},
        {"address family 1", &gram, FIRST_AT + 8 + 14, 1, TAPE_MALFORMED},
        {"port without an address", &gram, FIRST_AT + 8 + 14, 0, TAPE_MALFORMED},
        {"IPv4 with more bytes", &gram, FIRST_AT + 8 + 14 + 7, 1, TAPE_MALFORMED},
        {"IPv4 with more bytes", &gram, FIRST_AT + 8 + 14 + 18, 1, TAPE_MALFORMED},
        {"IPv6, all bytes of which count", &gram, FIRST_AT + 8 + 14, 6, TAPE_OK},
        {"another payload", &gram, FIRST_AT + 8 + 14 + 38 + 4, 9, TAPE_OK},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        enum tape_error error = spoil(rows[i].in, rows[i].at, rows[i].value);
        if (error != rows[i].error)
            fail_msg("%s: %s", rows[i].name, tape_error_text(error));
    }
}

static void test_time_goes_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t first_ns, second_ns;
        enum tape_error error;
    } rows[] = {{5, 5, TAPE_OK},
                {5, 6, TAPE_OK},
                {0, UINT64_MAX, TAPE_OK},
                {5, 4, TAPE_MALFORMED},
                {UINT64_MAX, 0, TAPE_MALFORMED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup(NULL);
        tape_input(&writer,
                   &(struct node_in){.now_ns = rows[i].first_ns, .kind = NODE_IN_DEADLINE});
        size_t at = written_size;
        tape_input(&writer,
                   &(struct node_in){.now_ns = rows[i].second_ns, .kind = NODE_IN_DEADLINE});
        tape_end(&writer, 0, 0);
        size_t index;
        assert_int_equal(read_all(written, written_size, &index), rows[i].error);
        assert_int_equal(index, rows[i].error == TAPE_OK ? written_size : at); /* where it lies */
    }
}

static void test_more_after_the_end(void **state)
{
    (void)state;
    write_small();
    size_t index, size = written_size;
    written[written_size++] = 0;
    assert_int_equal(read_all(written, written_size, &index), TAPE_MALFORMED);
    assert_int_equal(index, size);
    written_size = size;
    tape_end(&writer, 1, 2);
    assert_int_equal(read_all(written, written_size, &index), TAPE_MALFORMED);
}

/* An input's record holds one train; what is longer no writer makes. */
static void test_longest_input(void **state)
{
    (void)state;
    struct node_in in = {.kind = NODE_IN_DATAGRAM, .datagram = {1, v4, v4, payload, 65535, 0}};
    size_t index;
    tape_input(&writer, &in);
    tape_end(&writer, 0, 0);
    assert_int_equal(read_all(written, written_size, &index), TAPE_OK);

    size_t head = FIRST_AT + TAPE_RECORD_HEADER_SIZE, length = TAPE_INPUT_MAX + 1;
    memset(written + head + 10 + 46, 0, length - 56);
    written[FIRST_AT + 4] = (uint8_t)(length >> 24);
    written[FIRST_AT + 5] = (uint8_t)(length >> 16);
    written[FIRST_AT + 6] = (uint8_t)(length >> 8);
    written[FIRST_AT + 7] = (uint8_t)length;
    written_size = head + length;
    tape_end(&writer, 0, 0);
    assert_int_equal(read_all(written, written_size, &index), TAPE_MALFORMED);
}

/* A full disk: the writer says so, and writes nothing after the gap. */
static void test_sink_that_fails(void **state)
{
    (void)state;
    make_inputs();
    for (size_t limit = 0; limit < 400; limit += 13) {
        written_size = 0;
        written_limit = limit;
        tape_start(&writer, keep, written, &limits, seed);
        for (unsigned i = 0; i < input_count; i++)
            tape_input(&writer, &inputs[i]);
        assert_true(writer.failed);
        size_t size = written_size;
        written_limit = sizeof written;
        tape_input(&writer, &inputs[0]);
        tape_end(&writer, 0, 0);
        assert_int_equal(written_size, size);
        if (size > 0) {
            size_t index;
            assert_int_equal(read_all(written, size, &index), TAPE_TRUNCATED);
        }
    }
}

static jmp_buf caught;

static void leave(void *context, const char *expression, const char *file, int line)
{
    (void)context, (void)expression, (void)file, (void)line;
    longjmp(caught, 1);
}

static void test_reading_on_after_the_end(void **state)
{
    (void)state;
    write_small();
    static struct tape_reader reader;
    static struct tape_record record;
    assert_int_equal(tape_open(&reader, written, written_size), TAPE_OK);
    while (!reader.ended)
        assert_int_equal(tape_next(&reader, &record), TAPE_OK);
    check_set_hook(leave, NULL);
    if (setjmp(caught) == 0) {
        tape_next(&reader, &record);
        fail_msg("reading on after the end went unnoticed");
    }
    check_set_hook(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round_trip, setup),
        cmocka_unit_test_setup(test_bytes, setup),
        cmocka_unit_test_setup(test_truncated_at_every_byte, setup),
        cmocka_unit_test_setup(test_foreign_and_newer, setup),
        cmocka_unit_test_setup(test_malformed, setup),
        cmocka_unit_test_setup(test_time_goes_back, setup),
        cmocka_unit_test_setup(test_more_after_the_end, setup),
        cmocka_unit_test_setup(test_longest_input, setup),
        cmocka_unit_test_setup(test_sink_that_fails, setup),
        cmocka_unit_test_setup(test_reading_on_after_the_end, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
