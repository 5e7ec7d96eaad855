/* Tests of core/stun/client.c: RFC 8489, sections 6.2.1 and 6.3. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/stun/client.h"

enum { TRANSACTIONS = 4, SOCKET = 256, OTHER_SOCKET = 257, TAG = 5 };

#define MS UINT64_C(1000000)

/* A client with all that a node would give it. */
struct rig {
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct stun_client client;
    _Alignas(POOL_ALIGN) uint8_t outbox_memory[4096];
    _Alignas(POOL_ALIGN) uint8_t timers_memory[4096];
    _Alignas(POOL_ALIGN) uint8_t client_memory[4096];
    struct random_secret secret;
    uint64_t counts[TRACE_KINDS];
    struct tracer tracer;
    struct context cx;
    uint8_t id[STUN_TRANSACTION_SIZE]; /* of the request that was sent last */
    uint32_t sent_size;
};

static struct rig rig;

static const struct addr local = {.family = ADDR_V4, .port = 4000, .ip = {10, 0, 0, 2}};
/* What initializes a constant has to be one itself. */
#define SERVER \
    { \
        .family = ADDR_V4, .port = 3478, .ip = { 192, 0, 2, 1 } \
    }
#define ELSEWHERE \
    { \
        .family = ADDR_V4, .port = 3479, .ip = { 192, 0, 2, 9 } \
    }
static const struct addr server = SERVER;
static const struct addr elsewhere = ELSEWHERE;
static const struct addr mapped = {.family = ADDR_V4, .port = 32853, .ip = {203, 0, 113, 7}};

static const struct stun_request plain = {
    .socket = SOCKET, .server = SERVER, .answers = SERVER, .tag = TAG};

static void rig_init(uint32_t output_bytes)
{
    memset(&rig, 0, sizeof rig);
    outbox_init(&rig.outbox, rig.outbox_memory, 8, output_bytes);
    timers_init(&rig.timers, rig.timers_memory, TRANSACTIONS);
    stun_client_init(&rig.client, rig.client_memory, TRANSACTIONS, (struct hash_key){{1, 2}});
    random_secret_init(&rig.secret, (const uint8_t[RANDOM_SEED_SIZE]){3});
    rig.cx = (struct context){
        .tracer = &rig.tracer,
        .counts = rig.counts,
        .out = &rig.outbox,
        .timers = &rig.timers,
        .secret = &rig.secret,
    };
}

static int rig_setup(void **state)
{
    (void)state;
    rig_init(1024);
    return 0;
}

/* Takes the one datagram that must be there, decodes it, and empties the outbox. */
static struct stun_message take_request(struct node_out *out)
{
    static uint8_t bytes[256];
    assert_true(outbox_take(&rig.outbox, out));
    assert_int_equal(out->kind, NODE_OUT_SEND);
    assert_true(out->send.size <= sizeof bytes);
    memcpy(bytes, out->send.bytes, out->send.size);
    struct stun_message message;
    assert_int_equal(stun_decode(&message, bytes, out->send.size), STUN_OK);
    assert_int_equal(message.class, STUN_REQUEST);
    assert_int_equal(message.method, STUN_METHOD_BINDING);
    memcpy(rig.id, message.transaction, sizeof rig.id);
    rig.sent_size = out->send.size;
    struct node_out more;
    assert_false(outbox_take(&rig.outbox, &more));
    outbox_reset(&rig.outbox);
    return message;
}

static void request(const struct stun_request *what)
{
    struct node_out out;
    assert_true(stun_client_request(&rig.client, &rig.cx, what));
    take_request(&out);
}

/* What arrives: a message of this class with the last request's id, from here, on that socket. */
struct arrival {
    enum stun_class class;
    uint16_t method;
    uint16_t code;
    uint16_t unknown; /* an attribute of this type, where it is not 0 */
    bool xor_mapped;
    bool in_the_clear;
    bool wrong_id;
    uint32_t socket;
    struct addr remote;
};

static const struct arrival good = {.class = STUN_SUCCESS,
                                    .method = STUN_METHOD_BINDING,
                                    .xor_mapped = true,
                                    .socket = SOCKET,
                                    .remote = SERVER};

static struct stun_outcome arrive(const struct arrival *arrival)
{
    static uint8_t bytes[256];
    uint8_t id[STUN_TRANSACTION_SIZE];
    memcpy(id, rig.id, sizeof id);
    id[11] ^= arrival->wrong_id ? 1 : 0;
    struct stun_writer w = stun_begin(bytes, sizeof bytes, arrival->class, arrival->method, id);
    if (arrival->xor_mapped)
        stun_put_xor_mapped_address(&w, &mapped);
    if (arrival->in_the_clear)
        stun_put_mapped_address(&w, &elsewhere);
    if (arrival->code != 0)
        stun_put_error_code(&w, arrival->code, NULL, 0);
    if (arrival->unknown != 0)
        stun_put_attribute(&w, arrival->unknown, "abcd", 4);
    size_t size = stun_end(&w);
    assert_int_not_equal(size, 0);
    struct stun_message message;
    assert_int_equal(stun_decode(&message, bytes, size), STUN_OK);
    struct node_in_datagram datagram = {
        .socket = arrival->socket,
        .local = local,
        .remote = arrival->remote,
        .bytes = bytes,
        .size = (uint32_t)size,
    };
    return stun_client_message(&rig.client, &rig.cx, &datagram, &message);
}

static void assert_over(void)
{
    assert_int_equal(rig.client.transactions.used, 0);
    assert_int_equal(rig.client.by_id.used, 0);
    assert_true(timers_deadline(&rig.timers) == UINT64_MAX);
}

static void assert_alive(void)
{
    assert_int_equal(rig.client.transactions.used, 1);
    assert_true(timers_deadline(&rig.timers) != UINT64_MAX);
}

static struct stun_outcome fire(uint64_t now_ns)
{
    struct timer_fired fired;
    rig.cx.now_ns = now_ns;
    assert_true(timers_next(&rig.timers, now_ns, &fired));
    assert_int_equal(fired.kind, TIMER_STUN_TRANSACTION);
    return stun_client_timer(&rig.client, &rig.cx, fired.owner);
}

static void test_schedule(void **state)
{
    (void)state;
    static const uint64_t sends_ms[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
    const uint64_t start_ns = 12345;
    rig.cx.now_ns = start_ns;
    struct node_out out;
    assert_true(stun_client_request(&rig.client, &rig.cx, &plain));
    uint8_t id[STUN_TRANSACTION_SIZE];
    for (unsigned i = 0; i < 7; i++) {
        if (i > 0) {
            assert_true(timers_deadline(&rig.timers) == start_ns + sends_ms[i] * MS);
            assert_int_equal(fire(start_ns + sends_ms[i] * MS).result, STUN_RESULT_NONE);
        }
        take_request(&out);
        assert_int_equal(out.send.socket, SOCKET);
        assert_true(addr_equal(&out.send.remote, &server));
        assert_int_equal(out.send.source.family, ADDR_NONE);
        if (i == 0)
            memcpy(id, rig.id, sizeof id);
        assert_memory_equal(id, rig.id, sizeof id); /* a retransmission is the same request */
    }
    assert_true(timers_deadline(&rig.timers) == start_ns + 39500 * MS);
    struct stun_outcome outcome = fire(start_ns + 39500 * MS);
    assert_int_equal(outcome.result, STUN_RESULT_TIMEOUT);
    assert_int_equal(outcome.tag, TAG);
    assert_int_equal(outcome.local.family, ADDR_NONE);
    assert_true(outbox_drained(&rig.outbox) && rig.outbox.count == 0);
    assert_over();
    assert_int_equal(rig.client.sent, 7);
    assert_int_equal(rig.client.received, 0);
    assert_int_equal(rig.counts[TRACE_STUN_REQUEST], 7);
    assert_int_equal(rig.counts[TRACE_STUN_TIMEOUT], 1);
}

/*
 * An owner's schedule: when each transmission is due, in ms from the request, and when it is over.
 */
static void test_own_schedules(void **state)
{
    (void)state;
    static const struct {
        struct stun_schedule schedule;
        uint64_t sends_ms[9];
        uint64_t over_ms;
    } rows[] = {
        {{0, 250 * MS, 750 * MS, 1250 * MS, 7}, {0, 250, 750, 1500, 2250, 3000, 3750}, 5000},
        {{0, 100 * MS, 100 * MS, 400 * MS, 7}, {0, 100, 200, 300, 400, 500, 600}, 1000},
        {{100 * MS, 100 * MS, 100 * MS, 400 * MS, 6}, {100, 200, 300, 400, 500, 600}, 1000},
        {{1000 * MS, 250 * MS, 1000 * MS, MS, 5}, {1000, 1250, 1750, 2750, 3750}, 3751},
        {{0, MS, 1000 * MS, 30 * MS, 1}, {0}, 30},
        {{0, 3 * MS, 7 * MS, 2 * MS, 4}, {0, 3, 9, 16}, 18},
        {{0, MS, UINT64_MAX, MS, 9}, {0, 1, 3, 7, 15, 31, 63, 127, 255}, 256},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        rig_setup(NULL);
        const uint64_t start_ns = 777;
        rig.cx.now_ns = start_ns;
        struct stun_request what = plain;
        what.schedule = rows[row].schedule;
        assert_true(stun_client_request(&rig.client, &rig.cx, &what));
        for (unsigned i = 0; i < what.schedule.count; i++) {
            struct node_out out;
            uint64_t due_ns = start_ns + rows[row].sends_ms[i] * MS;
            if (due_ns > start_ns) {
                assert_int_equal(rig.outbox.count, 0);
                assert_true(timers_deadline(&rig.timers) == due_ns);
                assert_int_equal(fire(due_ns).result, STUN_RESULT_NONE);
            }
            take_request(&out);
        }
        uint64_t over_ns = start_ns + rows[row].over_ms * MS;
        assert_true(timers_deadline(&rig.timers) == over_ns);
        struct stun_outcome outcome = fire(over_ns);
        assert_int_equal(outcome.result, STUN_RESULT_TIMEOUT);
        assert_true(outcome.took_ns == over_ns - start_ns - rows[row].sends_ms[0] * MS);
        assert_over();
        assert_int_equal(rig.client.sent, rows[row].schedule.count);
    }
}

/* From the first transmission on, so that a delay does not count as a part of the round trip. */
static void test_time_that_an_answer_took(void **state)
{
    (void)state;
    for (unsigned retransmissions = 0; retransmissions < 3; retransmissions++) {
        rig_setup(NULL);
        struct stun_request what = plain;
        what.schedule = (struct stun_schedule){300 * MS, 50 * MS, 50 * MS, 50 * MS, 7};
        assert_true(stun_client_request(&rig.client, &rig.cx, &what));
        for (unsigned i = 0; i <= retransmissions; i++) {
            struct node_out out;
            assert_int_equal(fire((300 + 50 * i) * MS).result, STUN_RESULT_NONE);
            take_request(&out);
        }
        rig.cx.now_ns += 20 * MS;
        struct stun_outcome outcome = arrive(&good);
        assert_int_equal(outcome.result, STUN_RESULT_SUCCESS);
        assert_true(outcome.took_ns == (20 + 50 * retransmissions) * MS);
    }
}

/* A series goes on after an answer, and counts at most one for each request that was sent. */
static void test_series(void **state)
{
    (void)state;
    for (unsigned answered = 0; answered < 8; answered++) { /* a set of the three transmissions */
        rig_setup(NULL);
        struct stun_request what = plain;
        what.series = true;
        what.schedule = (struct stun_schedule){0, 10 * MS, 10 * MS, 20 * MS, 3};
        assert_true(stun_client_request(&rig.client, &rig.cx, &what));
        uint32_t answers = 0;
        for (unsigned i = 0; i < 3; i++) {
            struct node_out out;
            if (i > 0)
                assert_int_equal(fire(i * (10 * MS)).result, STUN_RESULT_NONE);
            take_request(&out);
            if ((answered >> i & 1) != 0) {
                assert_int_equal(arrive(&good).result, STUN_RESULT_NONE);
                answers++;
            }
            assert_alive();
        }
        struct arrival error = good, elsewhere_from = good;
        elsewhere_from.remote = elsewhere;
        assert_int_equal(arrive(&elsewhere_from).result, STUN_RESULT_NONE);
        assert_int_equal(rig.client.received, answers);
        assert_int_equal(rig.counts[TRACE_STUN_RESPONSE], answers);
        if (answers == 3) { /* a fourth answer to three requests is a copy */
            assert_int_equal(arrive(&good).result, STUN_RESULT_NONE);
            assert_int_equal(rig.client.received, 3);
            assert_int_equal(rig.counts[TRACE_STUN_UNEXPECTED], 1);
        }
        error.class = STUN_ERROR;
        error.code = 500;
        error.xor_mapped = false;
        struct stun_outcome outcome = answered == 5 ? arrive(&error) : fire(40 * MS);
        enum stun_result result = answers > 0 ? STUN_RESULT_SUCCESS : STUN_RESULT_TIMEOUT;
        assert_int_equal(outcome.result, answered == 5 ? STUN_RESULT_ERROR : result);
        assert_int_equal(outcome.answers, answers);
        assert_int_equal(outcome.tag, TAG);
        assert_int_equal(rig.counts[TRACE_STUN_TIMEOUT], answers == 0);
        assert_over();
    }
}

/* What has not been sent yet cannot be answered, nor refused by an ICMP error. */
static void test_before_the_first_transmission(void **state)
{
    (void)state;
    struct stun_request what = plain;
    what.schedule = (struct stun_schedule){10 * MS, 10 * MS, 10 * MS, 10 * MS, 2};
    assert_true(stun_client_request(&rig.client, &rig.cx, &what));
    assert_int_equal(rig.outbox.count, 0);
    assert_int_equal(rig.client.sent, 0);
    struct node_in_icmp icmp = {
        .socket = SOCKET, .local = local, .remote = server, .error = NODE_ICMP_UNREACHABLE_PORT};
    assert_int_equal(stun_client_icmp(&rig.client, &rig.cx, &icmp).result, STUN_RESULT_NONE);
    assert_alive();
    assert_int_equal(fire(10 * MS).result, STUN_RESULT_NONE);
    assert_int_equal(rig.client.sent, 1);
    assert_int_equal(stun_client_icmp(&rig.client, &rig.cx, &icmp).result, STUN_RESULT_ICMP);
    assert_over();
}

static void test_cancel(void **state)
{
    (void)state;
    struct stun_request same_socket = plain, same_tag = plain;
    same_socket.tag = TAG + 1;
    same_tag.socket = OTHER_SOCKET;
    request(&same_socket);
    request(&same_tag);
    request(&plain);
    stun_client_cancel(&rig.client, &rig.cx, SOCKET, TAG);
    assert_int_equal(rig.client.transactions.used, 2);
    assert_int_equal(arrive(&good).result, STUN_RESULT_NONE); /* the answer comes too late */
    stun_client_cancel(&rig.client, &rig.cx, SOCKET, TAG);    /* nothing is left to cancel */
    assert_int_equal(rig.client.transactions.used, 2);
    stun_client_cancel(&rig.client, &rig.cx, SOCKET, TAG + 1);
    stun_client_cancel(&rig.client, &rig.cx, OTHER_SOCKET, TAG);
    assert_over();
}

/*
 * A host that comes late shifts the rest of the schedule; it never makes two transmissions at once.
 */
static void test_late_timer(void **state)
{
    (void)state;
    struct node_out out;
    request(&plain);
    assert_int_equal(fire(4000 * MS).result, STUN_RESULT_NONE);
    take_request(&out);
    assert_true(timers_deadline(&rig.timers) == 5000 * MS);
}

static void test_request_bytes(void **state)
{
    (void)state;
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    for (unsigned i = 0; i < 8; i++) {
        rig_setup(NULL);
        bool v6 = (i & 4) != 0;
        struct stun_request what = plain;
        what.change_ip = (i & 1) != 0;
        what.change_port = (i & 2) != 0;
        if (v6)
            what.server = what.answers = addr_v6(ip6, 3478);
        struct node_out out;
        assert_true(stun_client_request(&rig.client, &rig.cx, &what));
        struct stun_message message = take_request(&out);
        assert_int_equal(out.send.size, v6 ? STUN_REQUEST_SIZE_V6 : STUN_REQUEST_SIZE_V4);
        assert_int_equal(out.send.size, v6 ? 116 : 68);
        assert_int_equal(stun_has(&message, STUN_HAS_CHANGE_REQUEST), (i & 3) != 0);
        assert_int_equal(message.change_ip, what.change_ip);
        assert_int_equal(message.change_port, what.change_port);
        assert_int_equal(message.unknown_count, 0);
        assert_false(stun_has(&message, STUN_HAS_PADDING | STUN_HAS_RESPONSE_PORT));
    }
}

struct row {
    const char *name;
    struct arrival arrival;
    enum stun_result result; /* STUN_RESULT_NONE: dropped, and the transaction goes on */
    uint16_t code;
    enum trace_kind counted;
};

/* The plain request, answered from where it went. */
static const struct row plain_rows[] = {
    {"success",
     {STUN_SUCCESS, 1, .xor_mapped = true, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_SUCCESS,
     0,
     TRACE_STUN_RESPONSE},
    {"success with both addresses",
     {STUN_SUCCESS, 1, .xor_mapped = true, .in_the_clear = true, .socket = SOCKET,
      .remote = SERVER},
     STUN_RESULT_SUCCESS,
     0,
     TRACE_STUN_RESPONSE},
    {"success without an address",
     {STUN_SUCCESS, 1, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_ERROR,
     0,
     TRACE_STUN_ERROR_RESPONSE},
    {"unknown attribute that must be understood",
     {STUN_SUCCESS, 1, .unknown = 0x7f00, .xor_mapped = true, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_ERROR,
     0,
     TRACE_STUN_ERROR_RESPONSE},
    {"unknown attribute that may be skipped",
     {STUN_SUCCESS, 1, .unknown = 0xff00, .xor_mapped = true, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_SUCCESS,
     0,
     TRACE_STUN_RESPONSE},
    {"error 420",
     {STUN_ERROR, 1, .code = 420, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_ERROR,
     420,
     TRACE_STUN_ERROR_RESPONSE},
    {"error 500",
     {STUN_ERROR, 1, .code = 500, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_ERROR,
     500,
     TRACE_STUN_ERROR_RESPONSE},
    {"error without a code",
     {STUN_ERROR, 1, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_ERROR,
     0,
     TRACE_STUN_ERROR_RESPONSE},
    {"another transaction",
     {STUN_SUCCESS, 1, .xor_mapped = true, .wrong_id = true, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_NONE,
     0,
     TRACE_STUN_UNEXPECTED},
    {"another socket",
     {STUN_SUCCESS, 1, .xor_mapped = true, .socket = OTHER_SOCKET, .remote = SERVER},
     STUN_RESULT_NONE,
     0,
     TRACE_STUN_UNEXPECTED},
    {"another source",
     {STUN_SUCCESS, 1, .xor_mapped = true, .socket = SOCKET, .remote = ELSEWHERE},
     STUN_RESULT_NONE,
     0,
     TRACE_STUN_WRONG_SOURCE},
    {"error from another source",
     {STUN_ERROR, 1, .code = 400, .socket = SOCKET, .remote = ELSEWHERE},
     STUN_RESULT_NONE,
     0,
     TRACE_STUN_WRONG_SOURCE},
    {"indication",
     {STUN_INDICATION, 1, .xor_mapped = true, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_NONE,
     0,
     TRACE_STUN_UNEXPECTED},
    {"request that is no echo",
     {STUN_REQUEST, 1, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_NONE,
     0,
     TRACE_STUN_UNEXPECTED},
    {"another method",
     {STUN_SUCCESS, 3, .xor_mapped = true, .socket = SOCKET, .remote = SERVER},
     STUN_RESULT_NONE,
     0,
     TRACE_STUN_UNEXPECTED},
};

static void run_rows(const struct row *rows, size_t count, const struct stun_request *what)
{
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        rig_setup(NULL);
        request(what);
        struct stun_outcome outcome = arrive(&row->arrival);
        if (outcome.result != row->result)
            fail_msg("%s: result %d, expected %d", row->name, outcome.result, row->result);
        assert_int_equal(rig.counts[row->counted], 1);
        if (row->result == STUN_RESULT_NONE) {
            assert_alive();
            assert_int_equal(rig.client.received, 0);
            assert_int_equal(arrive(&good).result, addr_equal(&what->answers, &server)
                                                       ? STUN_RESULT_SUCCESS
                                                       : STUN_RESULT_NONE);
            continue;
        }
        assert_over();
        assert_int_equal(outcome.tag, TAG);
        assert_int_equal(outcome.socket, SOCKET);
        assert_int_equal(outcome.code, row->code);
        assert_true(addr_equal(&outcome.local, &local));
        assert_true(addr_equal(&outcome.remote, &row->arrival.remote));
        struct addr none = {0};
        assert_true(
            addr_equal(&outcome.mapped, row->result == STUN_RESULT_SUCCESS ? &mapped : &none));
        assert_int_equal(rig.client.received, 1);
        /* The same again finds nothing that waits. */
        assert_int_equal(arrive(&row->arrival).result, STUN_RESULT_NONE);
    }
}

static void test_responses(void **state)
{
    (void)state;
    run_rows(plain_rows, sizeof plain_rows / sizeof plain_rows[0], &plain);
}

/* A request whose answer must come from elsewhere (RFC 5780, CHANGE-REQUEST). */
static void test_responses_from_elsewhere(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"success from there",
         {STUN_SUCCESS, 1, .xor_mapped = true, .socket = SOCKET, .remote = ELSEWHERE},
         STUN_RESULT_SUCCESS,
         0,
         TRACE_STUN_RESPONSE},
        {"success from the server itself, which did not change",
         {STUN_SUCCESS, 1, .xor_mapped = true, .socket = SOCKET, .remote = SERVER},
         STUN_RESULT_NONE,
         0,
         TRACE_STUN_WRONG_SOURCE},
        {"error from the server itself, which cannot change",
         {STUN_ERROR, 1, .code = 420, .socket = SOCKET, .remote = SERVER},
         STUN_RESULT_ERROR,
         420,
         TRACE_STUN_ERROR_RESPONSE},
        {"success from there that cannot be understood is a failure, not silence",
         {STUN_SUCCESS, 1, .unknown = 0x7f00, .xor_mapped = true, .socket = SOCKET,
          .remote = ELSEWHERE},
         STUN_RESULT_ERROR,
         0,
         TRACE_STUN_ERROR_RESPONSE},
    };
    struct stun_request what = plain;
    what.change_ip = what.change_port = true;
    what.answers = elsewhere;
    run_rows(rows, sizeof rows / sizeof rows[0], &what);
}

/* A response in the clear alone, as servers of RFC 3489 give it, is believed. */
static void test_address_in_the_clear(void **state)
{
    (void)state;
    request(&plain);
    struct arrival arrival = good;
    arrival.xor_mapped = false;
    arrival.in_the_clear = true;
    struct stun_outcome outcome = arrive(&arrival);
    assert_int_equal(outcome.result, STUN_RESULT_SUCCESS);
    assert_true(addr_equal(&outcome.mapped, &elsewhere));
}

static void test_echo(void **state)
{
    (void)state;
    struct stun_request what = plain;
    what.echo = OTHER_SOCKET;
    request(&what);
    struct arrival arrival = {STUN_REQUEST, 1, .socket = SOCKET, .remote = mapped};
    assert_int_equal(arrive(&arrival).result, STUN_RESULT_NONE); /* not on the socket named */
    arrival.socket = OTHER_SOCKET;
    arrival.wrong_id = true;
    assert_int_equal(arrive(&arrival).result, STUN_RESULT_NONE); /* somebody else's request */
    arrival.wrong_id = false;
    assert_alive();
    struct stun_outcome outcome = arrive(&arrival);
    assert_int_equal(outcome.result, STUN_RESULT_ECHO);
    assert_int_equal(outcome.socket, OTHER_SOCKET);
    assert_int_equal(outcome.tag, TAG);
    assert_true(addr_equal(&outcome.remote, &mapped));
    assert_over();
}

static void test_icmp(void **state)
{
    (void)state;
    static const struct {
        uint8_t error;
        bool hard;
    } rows[] = {
        {NODE_ICMP_UNREACHABLE_NET, true},
        {NODE_ICMP_UNREACHABLE_HOST, true},
        {NODE_ICMP_UNREACHABLE_PORT, true},
        {NODE_ICMP_PROHIBITED, true},
        {NODE_ICMP_TOO_BIG, false},
        {NODE_ICMP_TIME_EXCEEDED, false},
        {0, false},
        {255, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        request(&plain);
        struct node_in_icmp icmp = {
            .socket = SOCKET, .local = local, .remote = elsewhere, .error = rows[i].error};
        assert_int_equal(stun_client_icmp(&rig.client, &rig.cx, &icmp).result, STUN_RESULT_NONE);
        icmp.remote = server;
        icmp.socket = OTHER_SOCKET;
        assert_int_equal(stun_client_icmp(&rig.client, &rig.cx, &icmp).result, STUN_RESULT_NONE);
        assert_alive();
        icmp.socket = SOCKET;
        struct stun_outcome outcome = stun_client_icmp(&rig.client, &rig.cx, &icmp);
        assert_int_equal(outcome.result, rows[i].hard ? STUN_RESULT_ICMP : STUN_RESULT_NONE);
        assert_int_equal(rig.counts[TRACE_STUN_ICMP], rows[i].hard);
        if (rows[i].hard)
            assert_over();
        else
            assert_alive();
    }
}

/* One ICMP error speaks of one datagram, so it ends one transaction where two fit. */
static void test_icmp_ends_one(void **state)
{
    (void)state;
    request(&plain);
    request(&plain);
    struct node_in_icmp icmp = {
        .socket = SOCKET, .remote = server, .error = NODE_ICMP_UNREACHABLE_PORT};
    assert_int_equal(stun_client_icmp(&rig.client, &rig.cx, &icmp).result, STUN_RESULT_ICMP);
    assert_alive();
    assert_int_equal(stun_client_icmp(&rig.client, &rig.cx, &icmp).result, STUN_RESULT_ICMP);
    assert_over();
}

static void test_forget(void **state)
{
    (void)state;
    struct stun_request other = plain;
    other.socket = OTHER_SOCKET;
    request(&plain);
    request(&plain);
    request(&other);
    stun_client_forget(&rig.client, &rig.cx, SOCKET);
    assert_alive();
    struct arrival arrival = good;
    arrival.socket = OTHER_SOCKET;
    assert_int_equal(arrive(&arrival).result, STUN_RESULT_SUCCESS);
    assert_over();
}

static void test_full_table_refuses(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TRANSACTIONS; i++)
        request(&plain);
    assert_false(stun_client_request(&rig.client, &rig.cx, &plain));
    assert_int_equal(rig.outbox.count, 0);
    assert_int_equal(rig.client.sent, TRANSACTIONS);
    assert_int_equal(arrive(&good).result, STUN_RESULT_SUCCESS);
    request(&plain);
}

static void test_ids_differ(void **state)
{
    (void)state;
    static uint8_t seen[64][STUN_TRANSACTION_SIZE];
    for (unsigned i = 0; i < 64; i++) {
        request(&plain);
        memcpy(seen[i], rig.id, sizeof rig.id);
        for (unsigned k = 0; k < i; k++)
            assert_memory_not_equal(seen[i], seen[k], sizeof rig.id);
        assert_int_equal(arrive(&good).result, STUN_RESULT_SUCCESS);
    }
}

/* No room in the outbox is as a loss on the way: counted, not sent, tried again on time. */
static void test_no_room_for_bytes(void **state)
{
    (void)state;
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    for (uint32_t bytes = 0; bytes < STUN_REQUEST_SIZE_V6; bytes++) {
        rig_init(bytes);
        struct stun_request what = plain;
        what.server = what.answers = addr_v6(ip6, 3478);
        what.change_ip = bytes % 2 != 0;
        assert_true(stun_client_request(&rig.client, &rig.cx, &what));
        assert_int_equal(rig.outbox.count, 0);
        assert_int_equal(rig.counts[TRACE_OUTPUT_FULL], 1);
        assert_int_equal(rig.client.sent, 0);
        assert_true(timers_deadline(&rig.timers) == 500 * MS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_schedule, rig_setup),
        cmocka_unit_test_setup(test_own_schedules, rig_setup),
        cmocka_unit_test_setup(test_time_that_an_answer_took, rig_setup),
        cmocka_unit_test_setup(test_series, rig_setup),
        cmocka_unit_test_setup(test_before_the_first_transmission, rig_setup),
        cmocka_unit_test_setup(test_cancel, rig_setup),
        cmocka_unit_test_setup(test_late_timer, rig_setup),
        cmocka_unit_test_setup(test_request_bytes, rig_setup),
        cmocka_unit_test_setup(test_responses, rig_setup),
        cmocka_unit_test_setup(test_responses_from_elsewhere, rig_setup),
        cmocka_unit_test_setup(test_address_in_the_clear, rig_setup),
        cmocka_unit_test_setup(test_echo, rig_setup),
        cmocka_unit_test_setup(test_icmp, rig_setup),
        cmocka_unit_test_setup(test_icmp_ends_one, rig_setup),
        cmocka_unit_test_setup(test_forget, rig_setup),
        cmocka_unit_test_setup(test_full_table_refuses, rig_setup),
        cmocka_unit_test_setup(test_ids_differ, rig_setup),
        cmocka_unit_test_setup(test_no_room_for_bytes, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
