/* Tests of core/node.c: inputs of every kind, snapshots, the trace, and what a host may not do. */
#include "core/node_test.h"
#include "core/stun/integrity.h"

#include "crypto/crypto.h"
#include "host/check.h"

static struct world world, twin;
static _Alignas(16) uint8_t block[WORLD_BLOCK], twin_block[WORLD_BLOCK];
static struct node_env env;

static int setup(void **state)
{
    (void)state;
    env = (struct node_env){.crypto = &crypto_real};
    world_init(&world, block, &env);
    return 0;
}

static uint64_t count(enum trace_kind kind)
{
    return node_count(world.drive.node, kind);
}

/* ---- A STUN server behind no network: what goes in, and how many answers come out ------------ */

static unsigned answers;

static void keep_answer(void *host, const struct node_out *out)
{
    (void)host;
    assert_int_equal(out->kind, NODE_OUT_SEND);
    answers++;
}

static const struct addr server_local = {.family = ADDR_V4, .port = 3478, .ip = {192, 0, 2, 1}};
static const struct addr remote = {.family = ADDR_V4, .port = 4000, .ip = {203, 0, 113, 5}};

static void serve(struct node_in_serve_stun what)
{
    world.drive.output = keep_answer;
    answers = 0;
    world_input(&world, (struct node_in){.kind = NODE_IN_SERVE_STUN, .serve_stun = what});
}

static const struct node_in_serve_stun served = {
    .addresses = {{.family = ADDR_V4, .ip = {192, 0, 2, 1}}}, .count = 1, .port = 3478};

static uint32_t request(uint8_t *bytes, size_t room, uint8_t id)
{
    const uint8_t transaction[STUN_TRANSACTION_SIZE] = {id};
    struct stun_writer w = stun_begin(bytes, room, STUN_REQUEST, STUN_METHOD_BINDING, transaction);
    stun_put_software(&w, "sixty-eight bytes are never out of the budget", 44);
    return (uint32_t)stun_end(&w);
}

static struct node_in datagram(uint32_t socket, const uint8_t *bytes, uint32_t size)
{
    return (struct node_in){.kind = NODE_IN_DATAGRAM,
                            .datagram = {.socket = socket,
                                         .local = server_local,
                                         .remote = remote,
                                         .bytes = bytes,
                                         .size = size}};
}

static void test_trains(void **state)
{
    (void)state;
    uint8_t train[5 * 68];
    for (uint8_t i = 0; i < 5; i++)
        assert_int_equal(request(train + (size_t)68 * i, 68, i), 68);
    static const struct {
        uint32_t size, segment;
        unsigned answers, foreign;
    } rows[] = {
        {68, 0, 1, 0},           {68, 68, 1, 0}, {68, 69, 1, 0},     {68, UINT32_MAX, 1, 0},
        {68, 67, 0, 2},          {68, 1, 0, 68}, {5 * 68, 68, 5, 0}, {5 * 68, 0, 0, 1},
        {5 * 68, 2 * 68, 1, 2}, /* two and two in one are none; the last is */
        {4 * 68 + 20, 68, 4, 1}, {0, 0, 0, 1},   {0, 68, 0, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        setup(NULL);
        serve(served);
        struct node_in in = datagram(NODE_SOCKET_STUN, train, rows[i].size);
        in.datagram.segment = rows[i].segment;
        world_input(&world, in);
        assert_int_equal(answers, rows[i].answers);
        assert_int_equal(count(TRACE_INPUT_FOREIGN), rows[i].foreign);
        assert_int_equal(count(TRACE_STUN_SERVED), rows[i].answers);
    }
}

/* A train of more requests than there is room for outputs: the rest is lost, and counted. */
static void test_full_outbox(void **state)
{
    (void)state;
    static uint8_t train[40 * 68];
    for (uint8_t i = 0; i < 40; i++)
        request(train + (size_t)68 * i, 68, i);
    serve(served);
    struct node_in in = datagram(NODE_SOCKET_STUN, train, sizeof train);
    in.datagram.segment = 68;
    for (unsigned round = 1; round <= 3; round++) {
        world_input(&world, in);
        assert_int_equal(answers, round * (NODE_OUTPUTS_MIN - NODE_OUTPUTS_KEPT));
        assert_int_equal(count(TRACE_OUTPUT_FULL),
                         round * (40 - NODE_OUTPUTS_MIN + NODE_OUTPUTS_KEPT));
    }
}

/*
 * RFC 8489, section 6.3: a message with a wrong FINGERPRINT is silently discarded, on any socket.
 */
static void test_wrong_fingerprint(void **state)
{
    (void)state;
    static const uint8_t transaction[STUN_TRANSACTION_SIZE] = {1};
    uint8_t bytes[28];
    struct stun_writer w =
        stun_begin(bytes, sizeof bytes, STUN_REQUEST, STUN_METHOD_BINDING, transaction);
    stun_put_fingerprint(&w);
    uint32_t size = (uint32_t)stun_end(&w);
    assert_int_equal(size, sizeof bytes);
    serve(served);
    world_input(&world, datagram(NODE_SOCKET_STUN, bytes, size));
    assert_int_equal(answers, 1);
    for (unsigned bit = 0; bit < 32; bit++) {
        bytes[size - 1 - bit / 8] ^= (uint8_t)(1u << bit % 8);
        world_input(&world, datagram(NODE_SOCKET_STUN, bytes, size));
        assert_int_equal(answers, 1);
        assert_int_equal(count(TRACE_STUN_MALFORMED), bit + 1);
        bytes[size - 1 - bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
}

static void test_null_and_empty(void **state)
{
    (void)state;
    serve(served);
    world_input(&world, datagram(NODE_SOCKET_STUN, NULL, 0));
    assert_int_equal(count(TRACE_INPUT_FOREIGN), 1);
    assert_int_equal(answers, 0);
}

static void test_unknown_sockets(void **state)
{
    (void)state;
    uint8_t bytes[68];
    uint32_t size = request(bytes, sizeof bytes, 1);
    static const uint32_t sockets[] = {0, 2, 3, 255, 256, 257, 512, 65536, UINT32_MAX};
    world_input(&world, datagram(NODE_SOCKET_STUN, bytes, size)); /* before it is served */
    assert_int_equal(count(TRACE_INPUT_UNKNOWN_SOCKET), 1);
    serve(served); /* no alternate port, hence no second socket either */
    for (size_t i = 0; i < sizeof sockets / sizeof sockets[0]; i++) {
        world_input(&world, datagram(sockets[i], bytes, size));
        assert_int_equal(count(TRACE_INPUT_UNKNOWN_SOCKET), 2 + i);
    }
    assert_int_equal(answers, 0);
    world_input(&world, datagram(NODE_SOCKET_STUN, bytes, size));
    assert_int_equal(answers, 1);
    serve((struct node_in_serve_stun){.count = 0}); /* no longer */
    assert_int_equal(count(TRACE_COMMAND_INVALID), 0);
    world_input(&world, datagram(NODE_SOCKET_STUN, bytes, size));
    assert_int_equal(answers, 0);
}

/* A reply to any of these would go where nobody asked, or from an address that is not ours. */
static void test_addresses_that_nothing_comes_from(void **state)
{
    (void)state;
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    uint8_t bytes[68];
    uint32_t size = request(bytes, sizeof bytes, 1);
    const struct addr bad[] = {
        addr_v4(0xcb007105, 0),
        addr_v4(0, 4000),
        addr_v4(0xe0000001, 4000),
        addr_v4(~0u, 4000),
        addr_v4(0xf0000001, 4000),
        addr_v6(ip6, 4000),
        {0},
    };
    serve(served);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct node_in in = datagram(NODE_SOCKET_STUN, bytes, size);
        in.datagram.remote = bad[i];
        world_input(&world, in);
        assert_int_equal(answers, 0);
        assert_int_equal(count(TRACE_INPUT_FOREIGN), i + 1);
    }
    struct node_in in = datagram(NODE_SOCKET_STUN, bytes, size);
    in.datagram.local = addr_v4(0xe0000001, 3478);
    world_input(&world, in);
    assert_int_equal(answers, 0);
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void test_invalid_commands(void **state)
{
    (void)state;
    struct addr good = addr_v4(0xc0000201, 3478), other = addr_v4(0xc0000202, 3478);
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    const struct node_in_discover discovers[] = {
        {{good, other}, 0},
        {{good, other}, 3},
        {{good, other}, UINT32_MAX},
        {{{0}}, 1},
        {{addr_v4(0xc0000201, 0)}, 1},
        {{addr_v4(0xe0000001, 3478)}, 1},
        {{good, addr_v6(ip6, 3478)}, 2},
        {{good, addr_v4(0xc0000202, 0)}, 2},
    };
    uint64_t invalid = 0;
    for (size_t i = 0; i < sizeof discovers / sizeof discovers[0]; i++) {
        world_input(&world, (struct node_in){.kind = NODE_IN_DISCOVER, .discover = discovers[i]});
        assert_int_equal(count(TRACE_COMMAND_INVALID), ++invalid);
        assert_int_equal(world.opened, 0);
    }
    struct addr a = addr_v4(0xc0000201, 0);
    const struct node_in_serve_stun serves[] = {
        {{a}, 5, 3478, 3479}, {{a}, UINT32_MAX, 3478, 3479}, {{a}, 1, 0, 3479},
        {{a}, 1, 3478, 3478}, {{a}, 2, 3478, 3479},          {{addr_v4(~0u, 0)}, 1, 3478, 0},
    };
    for (size_t i = 0; i < sizeof serves / sizeof serves[0]; i++) {
        serve(serves[i]);
        assert_int_equal(count(TRACE_COMMAND_INVALID), ++invalid);
    }
    /* None of them serves; one that is invalid does not end what is served. */
    uint8_t bytes[68];
    uint32_t size = request(bytes, sizeof bytes, 1);
    world_input(&world, datagram(NODE_SOCKET_STUN, bytes, size));
    assert_int_equal(answers, 0);
    serve(served);
    serve(serves[0]);
    world_input(&world, datagram(NODE_SOCKET_STUN, bytes, size));
    assert_int_equal(answers, 1);
}

/* A command that comes while a discovery is under way joins it: one result for both. */
static void test_second_command_joins(void **state)
{
    (void)state;
    world_discover(&world, 1);
    world_discover(&world, 2);
    for (unsigned i = 0; i < 5; i++)
        world_step(&world);
    world_discover(&world, 1);
    world_run(&world);
    assert_int_equal(world.opened, 3);
    assert_int_equal(world.ended, 1);
    world_discover(&world, 1);
    world_run(&world);
    assert_int_equal(world.opened, 6);
    assert_int_equal(world.ended, 2);
}

static void test_reports_about_sockets(void **state)
{
    (void)state;
    struct node_in in = {.kind = NODE_IN_SOCKET, .socket = {.socket = 256, .port = 4000}};
    world_input(&world, in); /* never asked for */
    assert_int_equal(count(TRACE_INPUT_UNKNOWN_SOCKET), 1);
    world_discover(&world, 1);
    in.socket.socket = world.to_report[0];
    world_input(&world, in);
    world_input(&world, in); /* said twice */
    assert_int_equal(count(TRACE_INPUT_UNKNOWN_SOCKET), 2);
    assert_int_equal(world.sent, 0);
    /* Opened, but on no port: that is a refusal, whatever the error says. */
    in.socket = (struct node_in_socket){.socket = world.to_report[1]};
    world_input(&world, in);
    assert_int_equal(world.ended, 1);
    assert_int_equal(world.behaviour.nat, STUN_NAT_UNKNOWN);
    assert_int_equal(world.open_now, 1); /* what was refused is not closed: there is nothing */
    in.socket = (struct node_in_socket){.socket = world.to_report[2], .port = 4001};
    world_input(&world, in); /* the third was closed before it was open */
    assert_int_equal(count(TRACE_INPUT_UNKNOWN_SOCKET), 3);
}

/* Numbers of sockets are not used again soon, so what is late for an old one finds nobody. */
static void test_socket_numbers(void **state)
{
    (void)state;
    static bool seen[4096];
    memset(seen, 0, sizeof seen);
    world.nat.barred = true;
    for (unsigned i = 0; i < 10; i++) {
        world_discover(&world, 1);
        for (unsigned k = 0; k < 3; k++) {
            assert_false(seen[world.to_report[k]]);
            seen[world.to_report[k]] = true;
        }
        world_run(&world);
    }
}

/* ---- Malformed input ------------------------------------------------------------------------- */

/*
 * What arrives malformed changes no state but counters. The block is compared byte by byte before
 * and after, at the same time and with the outbox empty: every 8-byte word that differs must have
 * grown by the number that some counter grew by, and no more words may differ than counters did.
 * That needs no knowledge of the block's layout.
 */
static void assert_only_counts(const struct node_in *in, const char *what)
{
    world_input(&world, (struct node_in){.kind = NODE_IN_UNSENT}); /* leaves the outbox reset */
    uint64_t before[TRACE_KINDS];
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++)
        before[kind] = count((enum trace_kind)kind);
    memcpy(twin_block, block, sizeof block);
    uint64_t outputs = world.drive.outputs, deadline_ns = node_deadline(world.drive.node);
    world_input(&world, *in);
    assert_true(world.drive.outputs == outputs);
    assert_true(node_deadline(world.drive.node) == deadline_ns);

    unsigned counted = 0, changed = 0;
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++)
        counted += count((enum trace_kind)kind) != before[kind];
    for (size_t at = 0; at < sizeof block; at += 8) {
        uint64_t old, new;
        memcpy(&old, twin_block + at, 8);
        memcpy(&new, block + at, 8);
        if (old == new)
            continue;
        changed++;
        if (new <= old || new - old > 16)
            fail_msg("%s: state changed at %zu", what, at);
    }
    if (counted == 0 || changed != counted)
        fail_msg("%s: %u counters and %u words changed", what, counted, changed);
}

static void test_malformed_changes_only_counts(void **state)
{
    (void)state;
    /* In the middle of a discovery, with a server beside it: there is state to spoil. */
    world_input(&world, (struct node_in){.kind = NODE_IN_SERVE_STUN, .serve_stun = served});
    world_discover(&world, 1);
    while (world.sent < 4)
        world_step(&world);
    uint32_t probe = world.packet[0].socket;
    const struct world_packet *answer = &world.packet[0];
    struct addr local = addr_v4(WORLD_LOCAL_IP, world.local_port[probe]);

    uint8_t bytes[256] = {0};
    assert_true(answer->size < sizeof bytes);
    for (uint32_t size = 0; size < answer->size; size++) { /* every truncation */
        struct node_in in = datagram(probe, answer->bytes, size);
        in.datagram.local = local;
        in.datagram.remote = answer->remote;
        assert_only_counts(&in, "truncated");
    }
    /* Every byte of the header, the transaction id with it. */
    for (uint32_t at = 0; at < 20; at++) {
        memcpy(bytes, answer->bytes, answer->size);
        bytes[at] ^= 0x81;
        struct node_in in = datagram(probe, bytes, answer->size);
        in.datagram.local = local;
        in.datagram.remote = answer->remote;
        assert_only_counts(&in, "header");
    }
    for (uint32_t at = 0; at < 68; at++) { /* and of a request to the server */
        uint32_t size = request(bytes, sizeof bytes, 1);
        struct node_in in = datagram(NODE_SOCKET_STUN, bytes, at);
        assert_only_counts(&in, "truncated request");
        in.datagram.size = size;
        bytes[at % 8] ^= 0xff; /* type, length, cookie */
        assert_only_counts(&in, "spoilt request");
    }
    struct node_in in = datagram(probe, answer->bytes, answer->size);
    in.datagram.local = local;
    in.datagram.remote = addr_v4(WORLD_ALTERNATE_IP, 9);
    assert_only_counts(&in, "wrong source");
    in.datagram.socket = 999;
    assert_only_counts(&in, "unknown socket");
    in.kind = NODE_IN_SOCKET;
    in.socket = (struct node_in_socket){.socket = probe, .port = 1};
    assert_only_counts(&in, "socket reported twice");

    /* And the discovery ends as if nothing had been. */
    world_run(&world);
    assert_int_equal(world.ended, 1);
    assert_int_equal(world.behaviour.mapping, STUN_MAPPING_EIM);
    assert_int_equal(world.behaviour.filtering, STUN_FILTERING_APDF);
}

/* ---- Snapshots ------------------------------------------------------------------------------- */

static void copy_world(void)
{
    memcpy(twin_block, block, sizeof block);
    memcpy(&twin, &world, sizeof twin);
    twin.drive.host = &twin;
    twin.drive.node = node_attach(twin_block, sizeof twin_block, &env);
    assert_non_null(twin.drive.node);
}

/* A copy taken after any step, at another address, goes on to the same outputs as the original. */
static void test_snapshot_at_every_step(void **state)
{
    (void)state;
    world.nat.hairpin = STUN_HAIRPIN_EXTERNAL;
    world_discover(&world, 1);
    unsigned steps = world_run(&world);
    uint64_t digest = drive_digest(&world.drive), outputs = world.drive.outputs;
    struct stun_behaviour behaviour = world.behaviour;
    assert_true(steps > 15);
    for (unsigned at = 0; at <= steps; at++) {
        setup(NULL);
        world.nat.hairpin = STUN_HAIRPIN_EXTERNAL;
        world_discover(&world, 1);
        for (unsigned i = 0; i < at; i++)
            world_step(&world);
        copy_world();
        memset(block, 0xee, sizeof block); /* nothing may look back at the original */
        assert_int_equal(world_run(&twin), steps - at);
        assert_true(drive_digest(&twin.drive) == digest);
        assert_true(twin.drive.outputs == outputs);
        assert_memory_equal(&twin.behaviour, &behaviour, sizeof behaviour);
    }
}

static void test_attach_refuses(void **state)
{
    (void)state;
    memcpy(twin_block, block, sizeof block);
    assert_null(node_attach(twin_block, 0, &env));
    assert_null(node_attach(twin_block, node_size(&world_limits) - 1, &env));
    assert_non_null(node_attach(twin_block, node_size(&world_limits), &env));
    twin_block[0] ^= 1;
    assert_null(node_attach(twin_block, sizeof twin_block, &env));
    memset(twin_block, 0, sizeof twin_block);
    assert_null(node_attach(twin_block, sizeof twin_block, &env));
    memmove(twin_block + 8, block, sizeof block - 8);
    assert_null(node_attach(twin_block + 8, sizeof block - 8, &env));

    /* Not drained: its outputs point into the original. */
    struct node_in in = {.now_ns = world.now_ns, .kind = NODE_IN_DISCOVER};
    in.discover.servers[0] = addr_v4(WORLD_SERVER_IP, WORLD_PORT);
    in.discover.count = 1;
    node_input(world.drive.node, &in);
    memcpy(twin_block, block, sizeof block);
    assert_null(node_attach(twin_block, sizeof twin_block, &env));
}

/* ---- The trace ------------------------------------------------------------------------------- */

static struct trace_record records[1024];
static unsigned record_count;

static void keep_record(void *host, const struct trace_record *record)
{
    assert_ptr_equal(host, records);
    assert_true(record_count < sizeof records / sizeof records[0]);
    records[record_count++] = *record;
}

static uint8_t ids[256][STUN_TRANSACTION_SIZE];
static unsigned id_count;

static void keep_ids(void *host, const struct node_out *out)
{
    if (out->kind == NODE_OUT_SEND) {
        assert_true(id_count < 256);
        memcpy(ids[id_count++], out->send.bytes + 8, STUN_TRANSACTION_SIZE);
    }
    world_output(host, out);
}

static bool is_in_records(const uint8_t window[static 4])
{
    const uint8_t *bytes = (const uint8_t *)records;
    for (size_t i = 0; i + 4 <= record_count * sizeof records[0]; i++) {
        if (memcmp(bytes + i, window, 4) == 0)
            return true;
    }
    return false;
}

static void test_trace(void **state)
{
    (void)state;
    world_discover(&world, 1);
    world_run(&world);
    uint64_t digest = drive_digest(&world.drive);
    uint64_t counts[TRACE_KINDS];
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++)
        counts[kind] = count((enum trace_kind)kind);

    record_count = id_count = 0;
    memset(records, 0, sizeof records);
    env.tracer = (struct tracer){.record = keep_record, .host = records};
    world_init(&world, block, &env);
    world.drive.output = keep_ids;
    world_discover(&world, 1);
    world_run(&world);
    assert_true(drive_digest(&world.drive) == digest);

    uint64_t traced[TRACE_KINDS] = {0};
    for (unsigned i = 0; i < record_count; i++) {
        assert_true(records[i].kind < TRACE_KINDS);
        traced[records[i].kind]++;
        assert_true(i == 0 || records[i].now_ns >= records[i - 1].now_ns);
    }
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++) {
        assert_true(traced[kind] == counts[kind]);
        assert_true(traced[kind] == count((enum trace_kind)kind));
    }
    assert_true(record_count > 20 && id_count > 20);
    /* Who knows a transaction id can forge its answer: no four bytes of one are in any record. */
    for (unsigned i = 0; i < id_count; i++) {
        for (unsigned at = 0; at + 4 <= STUN_TRANSACTION_SIZE; at++)
            assert_false(is_in_records(ids[i] + at));
    }
    assert_false(is_in_records(world_seed));
}

/* ---- Memory, time and contracts -------------------------------------------------------------- */

/* Limits that are never used cost no memory: their pages are never written. */
static void test_untouched_pages(void **state)
{
    (void)state;
    size_t size = node_size(&node_limits_server);
    assert_true(size > 1 << 20);
    uint8_t *big = test_calloc(1, size + 16);
    uint8_t *aligned = big + (16 - (uintptr_t)big % 16) % 16;
    assert_non_null(node_init(aligned, size, &node_limits_server, world_seed, &env));
    unsigned pages = 0;
    for (size_t at = 0; at + 4096 <= size; at += 4096) {
        for (size_t i = at; i < at + 4096; i++) {
            if (aligned[i] != 0) {
                pages++;
                break;
            }
        }
    }
    assert_true(pages <= 4); /* the node itself, and nothing of its tables */
    test_free(big);
}

static void test_late_and_last_moments(void **state)
{
    (void)state;
    /* A host that slept through it all: what was due happens once, and then goes on. */
    world_discover(&world, 1);
    for (unsigned i = 0; i < 3; i++)
        world_step(&world);
    world.packets = 0;
    world.now_ns += 1000000 * WORLD_MS;
    world_input(&world, (struct node_in){.kind = NODE_IN_DEADLINE});
    assert_int_equal(world.sent, 2);
    world_run(&world);
    assert_int_equal(world.ended, 1);
    assert_int_equal(world.behaviour.mapping, STUN_MAPPING_EIM);
    /* A deadline that nothing asked for, and time that stands still. */
    uint64_t outputs = world.drive.outputs;
    world_input(&world, (struct node_in){.kind = NODE_IN_DEADLINE});
    assert_true(world.drive.outputs == outputs);
    /* The clock's very end. */
    world.now_ns = UINT64_MAX - 1;
    world.nat.blocked = true;
    world_discover(&world, 1);
    for (unsigned i = 0; i < 20; i++) {
        if (world.to_report_count > 0)
            world_step(&world);
        else
            world_input(&world, (struct node_in){.kind = NODE_IN_DEADLINE});
    }
}

static jmp_buf caught;

static void leave(void *context, const char *expression, const char *file, int line)
{
    (void)context, (void)expression, (void)file, (void)line;
    longjmp(caught, 1);
}

static void time_goes_back(void)
{
    node_input(world.drive.node, &(struct node_in){.now_ns = 5, .kind = NODE_IN_UNSENT});
    node_input(world.drive.node, &(struct node_in){.now_ns = 4, .kind = NODE_IN_UNSENT});
}

static void not_drained(void)
{
    struct node_in in = {.kind = NODE_IN_DISCOVER, .discover = {.count = 1}};
    in.discover.servers[0] = addr_v4(WORLD_SERVER_IP, WORLD_PORT);
    node_input(world.drive.node, &in);
    node_input(world.drive.node, &in);
}

static void unknown_kind(void)
{
    node_input(world.drive.node, &(struct node_in){.kind = (enum node_in_kind)99});
}

static void block_too_small(void)
{
    node_init(twin_block, node_size(&world_limits) - 1, &world_limits, world_seed, &env);
}

static void too_few_outputs(void)
{
    struct node_limits limits = world_limits;
    limits.outputs = NODE_OUTPUTS_MIN - 1;
    node_size(&limits);
}

static void too_few_probes(void)
{
    struct node_limits limits = world_limits;
    limits.stun_probes = 2;
    node_size(&limits);
}

static void test_broken_contracts_fail_checks(void **state)
{
    (void)state;
    static void (*const breaches[])(void) = {time_goes_back,  not_drained,     unknown_kind,
                                             block_too_small, too_few_outputs, too_few_probes};
    for (volatile unsigned i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        setup(NULL);
        check_set_hook(leave, NULL);
        if (setjmp(caught) == 0) {
            breaches[i]();
            fail_msg("breach %u went unnoticed", i);
        }
    }
    check_set_hook(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_trains, setup),
        cmocka_unit_test_setup(test_full_outbox, setup),
        cmocka_unit_test_setup(test_wrong_fingerprint, setup),
        cmocka_unit_test_setup(test_null_and_empty, setup),
        cmocka_unit_test_setup(test_unknown_sockets, setup),
        cmocka_unit_test_setup(test_addresses_that_nothing_comes_from, setup),
        cmocka_unit_test_setup(test_invalid_commands, setup),
        cmocka_unit_test_setup(test_second_command_joins, setup),
        cmocka_unit_test_setup(test_reports_about_sockets, setup),
        cmocka_unit_test_setup(test_socket_numbers, setup),
        cmocka_unit_test_setup(test_malformed_changes_only_counts, setup),
        cmocka_unit_test_setup(test_snapshot_at_every_step, setup),
        cmocka_unit_test_setup(test_attach_refuses, setup),
        cmocka_unit_test_setup(test_trace, setup),
        cmocka_unit_test_setup(test_untouched_pages, setup),
        cmocka_unit_test_setup(test_late_and_last_moments, setup),
        cmocka_unit_test_setup(test_broken_contracts_fail_checks, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
