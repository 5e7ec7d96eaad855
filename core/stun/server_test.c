/* Tests of core/stun/server.c: RFC 8489 and RFC 5780, sections 6 and 7. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/stun/integrity.h"
#include "core/stun/server.h"

enum { SOURCES = 3, PORT = 3478, ALTERNATE_PORT = 3479 };

#define SECOND_NS UINT64_C(1000000000)

struct rig {
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) struct stun_server server;
    _Alignas(POOL_ALIGN) uint8_t outbox_memory[8192];
    _Alignas(POOL_ALIGN) uint8_t server_memory[2048];
    uint64_t counts[TRACE_KINDS];
    struct tracer tracer;
    struct context cx;
};

static struct rig rig;

static const uint8_t transaction[STUN_TRANSACTION_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};

/* The addresses by family: 0 for IPv4, 1 for IPv6. */
static struct addr first[2], second[2], client[2];

static void make_addresses(void)
{
    static const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    uint8_t other6[16], client6[16];
    memcpy(other6, ip6, 16);
    memcpy(client6, ip6, 16);
    other6[15] = 2;
    client6[4] = 0x99;
    first[0] = addr_v4(0xc0000201, 0);
    second[0] = addr_v4(0xc0000202, 0);
    client[0] = addr_v4(0xcb007105, 40000);
    first[1] = addr_v6(ip6, 0);
    second[1] = addr_v6(other6, 0);
    client[1] = addr_v6(client6, 40000);
}

static void rig_init(uint32_t addresses_per_family, uint16_t alternate_port)
{
    memset(&rig, 0, sizeof rig);
    make_addresses();
    assert_true(stun_server_bytes(SOURCES) <= sizeof rig.server_memory);
    outbox_init(&rig.outbox, rig.outbox_memory, 4, 4096);
    stun_server_init(&rig.server, rig.server_memory, SOURCES, (struct hash_key){{1, 2}});
    rig.cx = (struct context){.tracer = &rig.tracer, .counts = rig.counts, .out = &rig.outbox};
    struct node_in_serve_stun serve = {.port = PORT, .alternate_port = alternate_port};
    for (unsigned family = 0; family < 2; family++) {
        serve.addresses[serve.count++] = first[family];
        if (addresses_per_family > 1)
            serve.addresses[serve.count++] = second[family];
    }
    stun_server_serve(&rig.server, &serve);
}

static int rig_setup(void **state)
{
    (void)state;
    rig_init(2, ALTERNATE_PORT);
    return 0;
}

/* What a request has, beside its header. */
struct wish {
    bool change; /* a CHANGE-REQUEST attribute with these flags */
    bool change_ip;
    bool change_port;
    uint16_t response_port;
    uint16_t padding;
    uint16_t filling; /* bytes of SOFTWARE, which any server may skip */
    uint16_t unknown; /* how many attributes that nobody understands */
    bool fingerprint;
    uint16_t method; /* 0: Binding */
};

static uint8_t request_bytes[2048];

static uint32_t make_request(const struct wish *wish)
{
    uint16_t method = wish->method != 0 ? wish->method : STUN_METHOD_BINDING;
    struct stun_writer w =
        stun_begin(request_bytes, sizeof request_bytes, STUN_REQUEST, method, transaction);
    if (wish->change)
        stun_put_change_request(&w, wish->change_ip, wish->change_port);
    if (wish->response_port != 0)
        stun_put_response_port(&w, wish->response_port);
    if (wish->padding != 0)
        stun_put_padding(&w, wish->padding);
    for (uint16_t i = 0; i < wish->unknown; i++)
        stun_put_attribute(&w, (uint16_t)(0x7f00 + i), "", 0);
    if (wish->filling != 0) {
        char filling[128];
        memset(filling, 'x', sizeof filling);
        stun_put_software(&w, filling, wish->filling);
    }
    if (wish->fingerprint)
        stun_put_fingerprint(&w);
    size_t size = stun_end(&w);
    assert_int_not_equal(size, 0);
    return (uint32_t)size;
}

static void deliver(struct addr local, struct addr remote, uint32_t size)
{
    struct stun_message message;
    assert_int_equal(stun_decode(&message, request_bytes, size), STUN_OK);
    outbox_reset(&rig.outbox);
    struct node_in_datagram datagram = {
        .socket = local.port == PORT ? NODE_SOCKET_STUN : NODE_SOCKET_STUN_ALTERNATE,
        .local = local,
        .remote = remote,
        .bytes = request_bytes,
        .size = size,
    };
    stun_server_message(&rig.server, &rig.cx, &datagram, &message);
}

/* The one answer that must be there, decoded. */
static struct stun_message take_answer(struct node_out *out)
{
    assert_true(outbox_take(&rig.outbox, out));
    assert_int_equal(out->kind, NODE_OUT_SEND);
    struct stun_message message;
    assert_int_equal(stun_decode(&message, out->send.bytes, out->send.size), STUN_OK);
    assert_memory_equal(message.transaction, transaction, sizeof transaction);
    struct node_out more;
    assert_false(outbox_take(&rig.outbox, &more));
    return message;
}

static bool is_silent(void)
{
    struct node_out out;
    return !outbox_take(&rig.outbox, &out);
}

static struct stun_message ask(struct addr local, struct addr remote, const struct wish *wish,
                               struct node_out *out)
{
    deliver(local, remote, make_request(wish));
    return take_answer(out);
}

/* RFC 5780's table: Da:Dp is where the request went, Ca:Cp the other pair. */
static void test_source_table(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2 * 4 * 4; i++) {
        unsigned family = i / 16;
        bool on_second = (i & 8) != 0, on_alternate = (i & 4) != 0;
        struct wish wish = {.change = true, .change_ip = (i & 2) != 0, .change_port = (i & 1) != 0};
        struct addr da = on_second ? second[family] : first[family];
        struct addr ca = on_second ? first[family] : second[family];
        uint16_t dp = on_alternate ? ALTERNATE_PORT : PORT;
        uint16_t cp = on_alternate ? PORT : ALTERNATE_PORT;
        struct node_out out;
        struct stun_message answer = ask(addr_with_port(da, dp), client[family], &wish, &out);

        struct addr source = addr_with_port(wish.change_ip ? ca : da, wish.change_port ? cp : dp);
        struct addr other = addr_with_port(ca, cp);
        assert_int_equal(answer.class, STUN_SUCCESS);
        assert_int_equal(answer.method, STUN_METHOD_BINDING);
        assert_true(addr_equal(&out.send.source, &source));
        assert_int_equal(out.send.socket,
                         source.port == PORT ? NODE_SOCKET_STUN : NODE_SOCKET_STUN_ALTERNATE);
        assert_true(addr_equal(&out.send.remote, &client[family]));
        assert_true(addr_equal(&answer.response_origin, &source));
        assert_true(addr_equal(&answer.other_address, &other));
        assert_true(addr_equal(&answer.xor_mapped_address, &client[family]));
        assert_true(addr_equal(&answer.mapped_address, &client[family]));
    }
}

/* OTHER-ADDRESS and CHANGE-REQUEST need a second address and a second port. */
static void test_without_an_alternate(void **state)
{
    (void)state;
    static const struct {
        uint32_t addresses;
        uint16_t alternate_port;
    } servers[] = {{1, ALTERNATE_PORT}, {2, 0}, {1, 0}};
    for (unsigned s = 0; s < 3; s++) {
        for (unsigned i = 0; i < 2 * 5; i++) {
            rig_init(servers[s].addresses, servers[s].alternate_port);
            unsigned family = i / 5, flags = i % 5;
            struct wish wish = {.change = flags < 4,
                                .change_ip = (flags & 2) != 0,
                                .change_port = (flags & 1) != 0};
            struct addr to = addr_with_port(first[family], PORT);
            struct node_out out;
            struct stun_message answer = ask(to, client[family], &wish, &out);
            assert_true(addr_equal(&out.send.source, &to));
            assert_int_equal(out.send.socket, NODE_SOCKET_STUN);
            assert_false(stun_has(&answer, STUN_HAS_OTHER_ADDRESS));
            if (!wish.change) {
                assert_int_equal(answer.class, STUN_SUCCESS);
                assert_true(addr_equal(&answer.response_origin, &to));
                continue;
            }
            assert_int_equal(answer.class, STUN_ERROR);
            assert_int_equal(answer.error_code, STUN_CODE_UNKNOWN_ATTRIBUTE);
            assert_int_equal(stun_unknown_attribute_count(&answer), 1);
            assert_int_equal(stun_unknown_attribute(&answer, 0), STUN_ATTRIBUTE_CHANGE_REQUEST);
        }
    }
}

/* The alternate of an address is of its own family. */
static void test_families_are_kept_apart(void **state)
{
    (void)state;
    rig_init(1, ALTERNATE_PORT);
    struct stun_answer_source source;
    for (unsigned family = 0; family < 2; family++) {
        struct addr to = addr_with_port(first[family], PORT);
        assert_true(stun_server_source(&rig.server.serving, &to, false, false, &source));
        assert_int_equal(source.other.family, ADDR_NONE);
        assert_false(stun_server_source(&rig.server.serving, &to, true, false, &source));
    }
}

static void test_unknown_attributes(void **state)
{
    (void)state;
    static const uint16_t counts[] = {1, 2, 15, 16};
    for (unsigned i = 0; i < 4; i++) {
        struct wish wish = {.unknown = counts[i], .fingerprint = i % 2 != 0};
        struct node_out out;
        struct stun_message answer = ask(addr_with_port(first[0], PORT), client[0], &wish, &out);
        assert_int_equal(answer.class, STUN_ERROR);
        assert_int_equal(answer.error_code, STUN_CODE_UNKNOWN_ATTRIBUTE);
        assert_int_equal(stun_unknown_attribute_count(&answer), counts[i]);
        for (uint16_t k = 0; k < counts[i]; k++)
            assert_int_equal(stun_unknown_attribute(&answer, k), 0x7f00 + k);
        assert_int_equal(stun_check_fingerprint(&answer), wish.fingerprint);
    }
    assert_int_equal(rig.counts[TRACE_STUN_REFUSED], 4);
}

static void test_padding_and_response_port(void **state)
{
    (void)state;
    struct addr to = addr_with_port(first[0], PORT);
    struct node_out out;
    struct stun_message answer =
        ask(to, client[0], &(struct wish){.response_port = 5000, .padding = 64}, &out);
    assert_int_equal(answer.class, STUN_ERROR);
    assert_int_equal(answer.error_code, STUN_CODE_BAD_REQUEST);
    assert_true(addr_equal(&out.send.remote, &client[0])); /* not to the port that was wished for */

    answer = ask(to, client[0], &(struct wish){.response_port = 5000, .filling = 60}, &out);
    assert_int_equal(answer.class, STUN_SUCCESS);
    struct addr there = addr_with_port(client[0], 5000);
    assert_true(addr_equal(&out.send.remote, &there));
    assert_true(addr_equal(&out.send.source, &to));
    /* The mapped address is where the request came from, not where the answer goes. */
    assert_true(addr_equal(&answer.xor_mapped_address, &client[0]));

    /* PADDING comes back, and the whole answer is no longer than the request. */
    for (uint16_t size = 4; size <= 1400; size = (uint16_t)(size + 4)) {
        struct wish wish = {.padding = size, .fingerprint = size % 8 != 0};
        uint32_t asked = make_request(&wish);
        deliver(to, client[0], asked);
        answer = take_answer(&out);
        assert_int_equal(answer.class, STUN_SUCCESS);
        if (asked >= 20 + 4 * 12 + 4 + 8) {
            assert_true(stun_has(&answer, STUN_HAS_PADDING));
            assert_true(out.send.size <= asked);
            assert_true(out.send.size + 4 > asked);
        }
    }
}

static void test_fingerprint(void **state)
{
    (void)state;
    struct addr to = addr_with_port(first[0], PORT);
    struct node_out out;
    struct stun_message answer = ask(to, client[0], &(struct wish){.fingerprint = true}, &out);
    assert_true(stun_check_fingerprint(&answer));
    answer = ask(to, client[0], &(struct wish){.fingerprint = false}, &out);
    assert_false(stun_has(&answer, STUN_HAS_FINGERPRINT));
}

/* RFC 8489, section 6.3: what is of no supported method is silently discarded. */
static void test_other_methods(void **state)
{
    (void)state;
    static const uint16_t methods[] = {0x002, 0x003, 0x009, 0xfff};
    for (unsigned i = 0; i < 4; i++) {
        deliver(addr_with_port(first[0], PORT), client[0],
                make_request(&(struct wish){.method = methods[i]}));
        assert_true(is_silent());
    }
    assert_int_equal(rig.counts[TRACE_STUN_UNEXPECTED], 4);
}

static unsigned answers_until_silence(struct addr remote, unsigned most)
{
    unsigned count = 0;
    for (; count < most; count++) {
        deliver(addr_with_port(first[remote.family == ADDR_V6], PORT), remote,
                make_request(&(struct wish){.change = false}));
        if (is_silent())
            break;
    }
    return count;
}

/* A short request gets an answer longer than itself: a burst, then a refill with time. */
static void test_budget(void **state)
{
    (void)state;
    for (unsigned family = 0; family < 2; family++) {
        rig_setup(NULL);
        rig.cx.now_ns = 5 * SECOND_NS;
        assert_int_equal(answers_until_silence(client[family], 1000), STUN_BUDGET_BURST);
        assert_int_equal(rig.counts[TRACE_STUN_OVER_BUDGET], 1);
        rig.cx.now_ns += SECOND_NS / STUN_BUDGET_PER_SECOND - 1;
        assert_int_equal(answers_until_silence(client[family], 1000), 0);
        rig.cx.now_ns += 1;
        assert_int_equal(answers_until_silence(client[family], 1000), 1);
        rig.cx.now_ns += SECOND_NS;
        assert_int_equal(answers_until_silence(client[family], 1000), STUN_BUDGET_PER_SECOND);
        rig.cx.now_ns += 10000 * SECOND_NS; /* no more than a burst is saved up */
        assert_int_equal(answers_until_silence(client[family], 1000), STUN_BUDGET_BURST);

        /* An answer that is not longer than its request costs nothing. */
        deliver(addr_with_port(first[family], PORT), client[family],
                make_request(&(struct wish){.filling = 92}));
        assert_false(is_silent());
        /* One that goes to another port does, however long the request. */
        deliver(addr_with_port(first[family], PORT), client[family],
                make_request(&(struct wish){.filling = 92, .response_port = 9}));
        assert_true(is_silent());
    }
}

/* However the time is cut up, no second gives more than it should. */
static void test_budget_loses_no_fractions(void **state)
{
    (void)state;
    answers_until_silence(client[0], 1000);
    unsigned count = 0;
    for (unsigned i = 0; i < 1000; i++) {
        rig.cx.now_ns += SECOND_NS / 100;
        count += answers_until_silence(client[0], 1000);
    }
    assert_int_equal(count, 10 * STUN_BUDGET_PER_SECOND);
}

static void test_budget_is_per_prefix(void **state)
{
    (void)state;
    static const struct {
        unsigned family, byte;
        bool same; /* is a neighbour that differs in this byte in the same prefix? */
    } rows[] = {{0, 3, true}, {0, 2, false}, {1, 6, true}, {1, 15, true}, {1, 5, false}};
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        struct addr remote = client[rows[i].family];
        answers_until_silence(remote, 1000);
        remote.ip[rows[i].byte] ^= 1;
        remote.port = 1;
        unsigned expected = rows[i].same ? 0 : STUN_BUDGET_BURST;
        assert_int_equal(answers_until_silence(remote, 1000), expected);
    }
}

/*
 * Full: the prefixes are forgotten in turn, so each new one is served and memory stays what it is.
 */
static void test_full_table_forgets_in_turn(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SOURCES; i++)
        answers_until_silence(addr_v4(0x0b000000 + (i << 8) + 1, 1), 1000);
    assert_int_equal(rig.counts[TRACE_STUN_SOURCES_FULL], 0);
    for (uint32_t i = 0; i < SOURCES; i++)
        assert_int_equal(answers_until_silence(addr_v4(0x0b000000 + (i << 8) + 2, 1), 1000), 0);
    for (uint32_t i = 0; i < 2 * SOURCES; i++) {
        assert_int_equal(answers_until_silence(addr_v4(0x0c000000 + (i << 8) + 1, 1), 1000),
                         STUN_BUDGET_BURST);
        assert_int_equal(rig.counts[TRACE_STUN_SOURCES_FULL], i + 1);
        assert_int_equal(rig.server.sources.buckets.used, SOURCES);
        assert_int_equal(rig.server.sources.by_prefix.used, SOURCES);
    }
    /* The last SOURCES of them are those that are still known. */
    for (uint32_t i = SOURCES; i < 2 * SOURCES; i++)
        assert_int_equal(answers_until_silence(addr_v4(0x0c000000 + (i << 8) + 3, 1), 1000), 0);
}

struct amplification {
    const char *name;
    struct wish wish;
    bool free; /* never longer than the request, so never out of the budget */
};

/* Requests as our client makes them are padded to 68 (IPv4) and 116 bytes (IPv6). */
static const struct amplification amplifications[] = {
    {"as our client asks", {.filling = 1}, true},
    {"as our client asks for a change", {.change = true, .change_ip = true, .filling = 1}, true},
    {"bare", {.change = false}, false},
    {"bare, with FINGERPRINT", {.fingerprint = true}, false},
    {"change of both", {.change = true, .change_ip = true, .change_port = true}, false},
    {"RESPONSE-PORT", {.response_port = 7}, false},
    {"PADDING", {.padding = 1200}, true},
    {"PADDING and FINGERPRINT", {.padding = 1200, .fingerprint = true}, true},
    {"PADDING and RESPONSE-PORT", {.padding = 4, .response_port = 7}, true},
    {"an unknown attribute", {.unknown = 1}, false},
    {"sixteen unknown attributes", {.unknown = 16}, true},
};

static void test_amplification(void **state)
{
    (void)state;
    static const uint32_t padded[] = {68, 116}, headers[] = {28, 48};
    for (unsigned i = 0; i < sizeof amplifications / sizeof amplifications[0]; i++) {
        for (unsigned family = 0; family < 2; family++) {
            struct wish wish = amplifications[i].wish;
            if (wish.filling != 0)
                wish.filling = (uint16_t)(padded[family] - 24 - (wish.change ? 8 : 0));
            uint32_t asked = make_request(&wish);
            if (wish.filling != 0)
                assert_int_equal(asked, padded[family]);
            rig_setup(NULL);
            struct node_out out;
            ask(addr_with_port(first[family], PORT), client[family], &wish, &out);
            uint32_t in = asked + headers[family], answered = out.send.size + headers[family];
            print_message("# IPv%c %-32s %4u bytes in, %4u out: %u.%02u\n", family == 0 ? '4' : '6',
                          amplifications[i].name, in, answered, answered / in,
                          answered * 100 / in % 100);
            if (amplifications[i].free) {
                assert_true(answered <= in);
                for (unsigned n = 0; n < 2 * STUN_BUDGET_BURST; n++)
                    ask(addr_with_port(first[family], PORT), client[family], &wish, &out);
                assert_int_equal(rig.server.sources.buckets.used, 0);
            } else {
                assert_true(answered <= 3 * in);
                for (unsigned n = 1; n < STUN_BUDGET_BURST; n++)
                    ask(addr_with_port(first[family], PORT), client[family], &wish, &out);
                deliver(addr_with_port(first[family], PORT), client[family], asked);
                assert_true(is_silent());
            }
        }
    }
}

/* Without room for the answer nothing goes out, and nothing says that it did. */
static void test_no_room_for_the_answer(void **state)
{
    (void)state;
    for (uint32_t bytes = 0; bytes < 68; bytes++) {
        rig_setup(NULL);
        outbox_init(&rig.outbox, rig.outbox_memory, 4, bytes);
        deliver(addr_with_port(first[0], PORT), client[0],
                make_request(&(struct wish){.change = false}));
        assert_true(is_silent());
        assert_int_equal(rig.counts[TRACE_OUTPUT_FULL], 1);
        assert_int_equal(rig.counts[TRACE_STUN_SERVED], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_source_table, rig_setup),
        cmocka_unit_test_setup(test_without_an_alternate, rig_setup),
        cmocka_unit_test_setup(test_families_are_kept_apart, rig_setup),
        cmocka_unit_test_setup(test_unknown_attributes, rig_setup),
        cmocka_unit_test_setup(test_padding_and_response_port, rig_setup),
        cmocka_unit_test_setup(test_fingerprint, rig_setup),
        cmocka_unit_test_setup(test_other_methods, rig_setup),
        cmocka_unit_test_setup(test_budget, rig_setup),
        cmocka_unit_test_setup(test_budget_loses_no_fractions, rig_setup),
        cmocka_unit_test_setup(test_budget_is_per_prefix, rig_setup),
        cmocka_unit_test_setup(test_full_table_forgets_in_turn, rig_setup),
        cmocka_unit_test_setup(test_amplification, rig_setup),
        cmocka_unit_test_setup(test_no_room_for_the_answer, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
