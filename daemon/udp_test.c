/*
 * The sockets of a node over loopback. The node is a stand-in: it writes down its inputs, and at an
 * input gives the outputs that a test has laid out.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/udp.h"

#define SECOND_NS UINT64_C(1000000000)

enum {
    INPUTS_MAX = 512,
    OUTPUTS_MAX = 200,
    BYTES_MAX = 1 << 20,
    NEAR = NODE_SOCKET_STUN,
    FAR = NODE_SOCKET_TRAFFIC,
};

static struct udp udp;
static struct drive driven;

/* The stand-in. */
static struct {
    unsigned input_count;
    struct node_in inputs[INPUTS_MAX];
    uint32_t used;
    uint8_t bytes[BYTES_MAX]; /* of the datagrams that came */
    unsigned output_count;
    struct node_out outputs[OUTPUTS_MAX];
} node;

void drive_input(struct drive *drive, const struct node_in *in)
{
    assert_ptr_equal(drive, &driven);
    assert_true(in->now_ns > 0);
    assert_true(node.input_count < INPUTS_MAX);
    struct node_in *kept = &node.inputs[node.input_count++];
    *kept = *in;
    if (in->kind == NODE_IN_DATAGRAM) {
        assert_true(node.used + in->datagram.size <= BYTES_MAX);
        memcpy(node.bytes + node.used, in->datagram.bytes, in->datagram.size);
        kept->datagram.bytes = node.bytes + node.used;
        node.used += in->datagram.size;
    }
    unsigned count = node.output_count;
    node.output_count = 0;
    for (unsigned i = 0; i < count; i++)
        udp_output(&udp, &node.outputs[i]);
}

static struct {
    unsigned opened, closed;
} changes;

static void note_change(void *host, struct udp_endpoint *endpoint, bool opened)
{
    assert_ptr_equal(host, &changes);
    assert_true(endpoint->fd >= 0);
    if (opened)
        changes.opened++;
    else
        changes.closed++;
}

static const struct addr *bound_of(uint32_t number, uint8_t family)
{
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++) {
        if (udp.endpoints[i].fd >= 0 && udp.endpoints[i].socket == number &&
            udp.endpoints[i].bound.family == family)
            return &udp.endpoints[i].bound;
    }
    fail();
    return NULL;
}

static struct udp_endpoint *endpoint_of(uint32_t number)
{
    struct udp_endpoint *endpoint = udp.endpoints;
    while (endpoint->fd < 0 || endpoint->socket != number)
        endpoint++;
    return endpoint;
}

static const struct addr *loopback(bool v6)
{
    static struct addr addr;
    static const uint8_t one[16] = {[15] = 1};
    addr = v6 ? addr_v6(one, 0) : addr_v4(0x7f000001, 0);
    return &addr;
}

static int begin(void **state)
{
    (void)state;
    memset(&node, 0, sizeof node);
    memset(&changes, 0, sizeof changes);
    udp_init(&udp, &driven);
    udp.changed = note_change;
    udp.changed_host = &changes;
    assert_true(udp_listen(&udp, NEAR, loopback(false)));
    assert_true(udp_listen(&udp, FAR, loopback(false)));
    return 0;
}

static int end(void **state)
{
    (void)state;
    udp_close(&udp);
    assert_int_equal(changes.opened, changes.closed);
    return 0;
}

/* From NEAR to FAR, at the next input. */
static struct node_out_send *lay_out(const uint8_t *bytes, uint32_t size, uint32_t segment)
{
    struct node_out *out = &node.outputs[node.output_count++];
    *out = (struct node_out){.kind = NODE_OUT_SEND,
                             .send = {.socket = NEAR,
                                      .remote = *bound_of(FAR, ADDR_V4),
                                      .bytes = bytes,
                                      .size = size,
                                      .segment = segment}};
    return &out->send;
}

/* Makes the node give its outputs. */
static void go(void)
{
    udp_feed(&udp, &(struct node_in){.kind = NODE_IN_DEADLINE});
    assert_int_equal(node.inputs[0].kind, NODE_IN_DEADLINE);
}

/* Until so many bytes have come, or nothing more does. */
static void receive(uint32_t size)
{
    sigset_t none;
    sigemptyset(&none);
    for (unsigned i = 0; i < 100 && node.used < size; i++)
        assert_true(udp_wait(&udp, SECOND_NS, &none));
    assert_int_equal(node.used, size);
}

static uint8_t out_bytes[400000];

static void fill(void)
{
    for (uint32_t i = 0; i < sizeof out_bytes; i++)
        out_bytes[i] = (uint8_t)(i * 2654435761u >> 24);
}

static uint64_t datagrams_in(void)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < node.input_count; i++) {
        const struct node_in_datagram *datagram = &node.inputs[i].datagram;
        if (node.inputs[i].kind != NODE_IN_DATAGRAM)
            continue;
        uint32_t segment = datagram->segment > 0 ? datagram->segment : datagram->size;
        assert_true(segment <= datagram->size && datagram->size <= 65535);
        count += (datagram->size + segment - 1) / segment;
    }
    return count;
}

/* ---- Datagrams ------------------------------------------------------------------------------- */

static void tells_exact_addresses(void **state)
{
    (void)state;
    fill();
    for (unsigned v6 = 0; v6 < 2; v6++) {
        /* Bound to every address, and heard at one. */
        struct addr everywhere = {.family = v6 != 0 ? ADDR_V6 : ADDR_V4};
        uint32_t number = NODE_SOCKET_PUNCH + v6;
        if (!udp_listen(&udp, number, &everywhere)) {
            printf("# skipped: no IPv%d here\n", v6 != 0 ? 6 : 4);
            continue;
        }
        struct addr to =
            addr_with_port(*loopback(v6 != 0), bound_of(number, everywhere.family)->port);
        node.input_count = 0;
        node.used = 0;
        struct node_out_send *send = lay_out(out_bytes, 33, 0);
        send->socket = number;
        send->source = addr_with_port(*loopback(v6 != 0), 0);
        send->remote = to;
        go();
        receive(33);
        const struct node_in_datagram *got = &node.inputs[1].datagram;
        assert_int_equal(node.inputs[1].kind, NODE_IN_DATAGRAM);
        assert_int_equal(got->socket, number);
        assert_true(addr_equal(&got->local, &to));
        assert_true(addr_equal(&got->remote, &to));
        assert_int_equal(got->segment, 0);
        assert_memory_equal(got->bytes, out_bytes, 33);
    }
}

static void carries_trains(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, segment;
        uint64_t datagrams;
        uint64_t messages; /* at most 64 datagrams and 65000 bytes in each */
    } cases[] = {
        {20 * 1000 + 7, 1000, 21, 1}, {1000, 1000, 1, 1},     {1001, 1000, 2, 1},
        {64 * 100, 100, 64, 1},       {65 * 100, 100, 65, 2}, {200 * 1400, 1400, 200, 5},
        {66000, 33000, 2, 2},         {300, 1, 300, 5},
    };
    fill();
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        node.input_count = 0;
        node.used = 0;
        struct udp_counts before = udp.counts;
        lay_out(out_bytes, cases[i].size, cases[i].segment);
        go();
        receive(cases[i].size);
        assert_memory_equal(node.bytes, out_bytes, cases[i].size);
        assert_int_equal(datagrams_in(), cases[i].datagrams);
        assert_int_equal(udp.counts.sent - before.sent, cases[i].datagrams);
        assert_int_equal(udp.counts.received - before.received, cases[i].datagrams);
        assert_int_equal(udp.counts.sent_bytes - before.sent_bytes, cases[i].size);
        assert_int_equal(udp.counts.received_bytes - before.received_bytes, cases[i].size);
        /* All messages in one call, and a train arrives as one. */
        assert_int_equal(udp.counts.sends - before.sends, 1);
        if (udp.counts.split == 0)
            assert_int_equal(node.input_count, 1 + cases[i].messages);
    }
}

/* A socket that makes no sums is one whose trains the kernel refuses. */
static void sends_singly_what_is_refused(void **state)
{
    (void)state;
    int on = 1;
    fill();
    assert_int_equal(setsockopt(endpoint_of(NEAR)->fd, SOL_SOCKET, SO_NO_CHECK, &on, sizeof on), 0);
    lay_out(out_bytes, 10, 0);
    lay_out(out_bytes + 10, 5 * 1000 - 1, 1000);
    lay_out(out_bytes + 5009, 20, 0);
    go();
    receive(5029);
    assert_memory_equal(node.bytes, out_bytes, 5029);
    assert_int_equal(datagrams_in(), 7);
    assert_int_equal(udp.counts.split, 1);
    assert_int_equal(udp.counts.sent, 7);
    assert_int_equal(node.inputs[2].datagram.size, 1000);
}

/* For a while no train is tried where one was refused because of where it went. */
static void sends_singly_for_a_while(void **state)
{
    (void)state;
    fill();
    endpoint_of(NEAR)->singly = 1;
    for (unsigned i = 0; i < 2; i++) {
        node.input_count = 0;
        node.used = 0;
        lay_out(out_bytes, 100 * 500, 500);
        go();
        assert_int_equal(endpoint_of(NEAR)->singly, 0);
        receive(100 * 500);
        assert_memory_equal(node.bytes, out_bytes, (size_t)100 * 500);
        assert_int_equal(node.input_count, i == 0 ? 101 : 3);
    }
}

static void sends_a_drain_together(void **state)
{
    (void)state;
    fill();
    struct addr other = {.family = ADDR_V4};
    assert_true(udp_listen(&udp, NODE_SOCKET_RELAY, &other));
    for (uint32_t i = 0; i < 30; i++) {
        struct node_out_send *send = lay_out(out_bytes + i * (size_t)10, 10, 0);
        if (i % 2 == 0)
            send->remote =
                addr_with_port(*loopback(false), bound_of(NODE_SOCKET_RELAY, ADDR_V4)->port);
    }
    go();
    receive(300);
    assert_int_equal(udp.counts.sends, 1);
    unsigned next[2] = {0, 1}; /* each socket hears its own in order */
    for (unsigned i = 1; i < node.input_count; i++) {
        const struct node_in_datagram *got = &node.inputs[i].datagram;
        unsigned which = got->socket == FAR ? 1 : 0;
        assert_memory_equal(got->bytes, out_bytes + (size_t)next[which] * 10, 10);
        next[which] += 2;
    }
    /* More than fit into one call, and not all with the same flags. */
    node.used = 0;
    node.input_count = 0;
    for (uint32_t i = 0; i < 150; i++)
        lay_out(out_bytes + i * (size_t)10, 10, 0)->dont_fragment = i >= 140;
    go();
    receive(1500);
    assert_memory_equal(node.bytes, out_bytes, 1500);
    assert_int_equal(udp.counts.sends, 1 + 4);
}

/* ---- Failures -------------------------------------------------------------------------------- */

static void tells_what_was_not_sent(void **state)
{
    (void)state;
    fill();
    lay_out(out_bytes, 10, 0);
    lay_out(out_bytes, 70000, 0)->dont_fragment = false; /* no datagram has so many bytes */
    lay_out(out_bytes + 10, 10, 0);
    struct node_out_send *send = lay_out(out_bytes, 20, 10);
    send->socket = NODE_SOCKET_PROBE + 5; /* there is none */
    struct addr everywhere = {.family = ADDR_V4};
    assert_true(udp_listen(&udp, NODE_SOCKET_RELAY, &everywhere));
    send = lay_out(out_bytes, 10, 0);
    send->socket = NODE_SOCKET_RELAY;
    send->source = addr_v4(0xc0000299, 0); /* 192.0.2.153: not ours */
    go();
    receive(20);
    assert_memory_equal(node.bytes, out_bytes, 20);
    assert_int_equal(udp.counts.too_big, 1);
    /*
     * Linux says of the last one, by version, that the address is wrong or that there is no route.
     */
    assert_int_equal(udp.counts.no_address + udp.counts.unreachable, 3);
    assert_true(udp.counts.no_address >= 2);
    unsigned seen[NODE_ERROR_NO_RESOURCES + 1] = {0}, unsent = 0;
    for (unsigned i = 0; i < node.input_count; i++) {
        if (node.inputs[i].kind != NODE_IN_UNSENT)
            continue;
        seen[node.inputs[i].unsent.error]++;
        unsent++;
    }
    assert_int_equal(unsent, 3);
    assert_int_equal(seen[NODE_ERROR_TOO_BIG], 1);
    assert_int_equal(seen[NODE_ERROR_ADDRESS] + seen[NODE_ERROR_UNREACHABLE], 2);
}

static void tells_icmp_errors(void **state)
{
    (void)state;
    fill();
    /* A port that was somebody's just now. */
    struct node_out *out = &node.outputs[node.output_count++];
    *out = (struct node_out){.kind = NODE_OUT_OPEN,
                             .open = {.socket = NODE_SOCKET_PROBE, .family = ADDR_V4}};
    go();
    struct addr nobody = addr_with_port(*loopback(false), node.inputs[1].socket.port);
    out = &node.outputs[node.output_count++];
    *out = (struct node_out){.kind = NODE_OUT_CLOSE, .close = NODE_SOCKET_PROBE};
    lay_out(out_bytes, 10, 0)->remote = nobody;
    go();
    lay_out(out_bytes, 10, 0);
    go(); /* the first error of a socket does not lose what is sent next */
    receive(10);
    sigset_t none;
    sigemptyset(&none);
    for (unsigned i = 0; i < 10 && udp.counts.icmp == 0; i++)
        udp_read(&udp, endpoint_of(NEAR));
    assert_int_equal(udp.counts.icmp, 1);
    struct node_in_icmp icmp = {.error = 0};
    for (unsigned i = 0; i < node.input_count; i++) {
        if (node.inputs[i].kind == NODE_IN_ICMP)
            icmp = node.inputs[i].icmp;
    }
    assert_int_equal(icmp.error, NODE_ICMP_UNREACHABLE_PORT);
    assert_int_equal(icmp.socket, NEAR);
    assert_true(addr_equal(&icmp.remote, &nobody));
    assert_true(addr_equal_ip(&icmp.reporter, loopback(false)));
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static void opens_and_closes_probes(void **state)
{
    (void)state;
    enum { PROBES = UDP_ENDPOINTS_MAX - 2 };
    assert_int_equal(changes.opened, 2);
    for (unsigned i = 0; i < PROBES + 1; i++)
        node.outputs[node.output_count++] = (struct node_out){
            .kind = NODE_OUT_OPEN, .open = {.socket = NODE_SOCKET_PROBE + i, .family = ADDR_V4}};
    go();
    assert_int_equal(changes.opened, UDP_ENDPOINTS_MAX);
    assert_int_equal(node.input_count, 1 + PROBES + 1);
    for (unsigned i = 0; i < PROBES + 1; i++) {
        const struct node_in_socket *opened = &node.inputs[1 + i].socket;
        assert_int_equal(node.inputs[1 + i].kind, NODE_IN_SOCKET);
        assert_int_equal(opened->socket, NODE_SOCKET_PROBE + i);
        assert_int_equal(opened->error, i < PROBES ? NODE_OK : NODE_ERROR_NO_RESOURCES);
        assert_int_equal(opened->port != 0, i < PROBES);
    }
    node.input_count = 0;
    /* What was to be sent before is sent; what comes of it is not told any more. */
    struct node_out_send *send = lay_out(out_bytes, 70000, 0);
    send->socket = NODE_SOCKET_PROBE;
    lay_out(out_bytes, 10, 0)->socket = NODE_SOCKET_PROBE;
    node.outputs[node.output_count++] =
        (struct node_out){.kind = NODE_OUT_CLOSE, .close = NODE_SOCKET_PROBE};
    go();
    assert_int_equal(changes.closed, 1);
    assert_int_equal(node.input_count, 1);
    receive(10);
}

/* The node closes a socket at the first of the datagrams that were read from it together. */
static void hears_no_more_of_what_is_closed(void **state)
{
    (void)state;
    fill();
    for (uint32_t i = 0; i < 5; i++)
        lay_out(out_bytes + i * (size_t)10, 10, 0);
    go();
    node.input_count = 0;
    node.outputs[node.output_count++] = (struct node_out){.kind = NODE_OUT_CLOSE, .close = FAR};
    node.outputs[node.output_count++] = (struct node_out){
        .kind = NODE_OUT_OPEN, .open = {.socket = NODE_SOCKET_PROBE, .family = ADDR_V4}};
    struct udp_endpoint *far = endpoint_of(FAR);
    udp_read(&udp, far);
    assert_int_equal(node.input_count, 2);
    assert_int_equal(node.inputs[0].kind, NODE_IN_DATAGRAM);
    assert_int_equal(node.inputs[1].kind, NODE_IN_SOCKET);
    /* The slot is another's now. */
    assert_int_equal(far->socket, NODE_SOCKET_PROBE);
    udp_read(&udp, far);
    assert_int_equal(node.input_count, 2);
}

static void refuses_an_address_in_use(void **state)
{
    (void)state;
    assert_false(udp_listen(&udp, NODE_SOCKET_RELAY, bound_of(NEAR, ADDR_V4)));
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(changes.opened, 2);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tells_exact_addresses, begin, end),
        cmocka_unit_test_setup_teardown(carries_trains, begin, end),
        cmocka_unit_test_setup_teardown(sends_singly_what_is_refused, begin, end),
        cmocka_unit_test_setup_teardown(sends_singly_for_a_while, begin, end),
        cmocka_unit_test_setup_teardown(sends_a_drain_together, begin, end),
        cmocka_unit_test_setup_teardown(tells_what_was_not_sent, begin, end),
        cmocka_unit_test_setup_teardown(tells_icmp_errors, begin, end),
        cmocka_unit_test_setup_teardown(opens_and_closes_probes, begin, end),
        cmocka_unit_test_setup_teardown(hears_no_more_of_what_is_closed, begin, end),
        cmocka_unit_test_setup_teardown(refuses_an_address_in_use, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
