/* Tests of events as text: every kind of line, and addresses as RFC 5952 writes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sim/trace_text.h"

static const struct {
    struct addr addr;
    const char *text;
} addr_table[] = {
    {{0}, "-"},
    {{.family = ADDR_V4, .ip = {192, 0, 2, 1}}, "192.0.2.1"},
    {{.family = ADDR_V4, .port = 3478, .ip = {192, 0, 2, 1}}, "192.0.2.1:3478"},
    {{.family = ADDR_V6}, "::"},
    {{.family = ADDR_V6, .ip = {[15] = 1}}, "::1"},
    {{.family = ADDR_V6, .ip = {[0] = 0xff, [1] = 2}}, "ff02::"},
    {{.family = ADDR_V6, .port = 9, .ip = {0x20, 1, 0xd, 0xb8, [15] = 5}}, "[2001:db8::5]:9"},
    /* RFC 5952, 4.2.2: a single zero group stays; 4.2.3: the first of equal runs is shortened. */
    {{.family = ADDR_V6, .ip = {0, 1, 0, 0, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7}},
     "1:0:2:3:4:5:6:7"},
    {{.family = ADDR_V6, .ip = {0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 6, 0, 7}}, "1::3:0:0:6:7"},
    {{.family = ADDR_V6, .ip = {0, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 7}}, "1:0:0:3::7"},
};

static void test_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof addr_table / sizeof addr_table[0]; i++) {
        char text[TRACE_ADDR_SIZE];
        trace_addr(text, &addr_table[i].addr);
        assert_string_equal(text, addr_table[i].text);
    }
}

static void expect_line(const struct net *net, const struct net_event *event, const char *line)
{
    char text[TRACE_LINE_SIZE];
    assert_int_equal(trace_text(text, net, event), strlen(line));
    assert_string_equal(text, line);
}

static void test_lines(void **state)
{
    (void)state;
    struct net_config config = {0};
    struct net *net = net_new(&config);
    uint32_t a = net_add_host(net, "alice", &(struct net_host){0});
    struct packet packet = {
        .source = addr_v4(0xc0000201, 5), .destination = addr_v4(0xc0000202, 6), .data = 20};
    packet.protocol = PACKET_UDP;
    struct net_event event = {
        .now_ns = UINT64_C(12000000345), .place = a, .link = NET_NONE, .packet = &packet};
    event.kind = NET_SENT;
    expect_line(net, &event,
                "12.000000345 alice      sent udp 192.0.2.1:5 > 192.0.2.2:6, 20 bytes");
    event.kind = NET_DELIVERED;
    expect_line(net, &event,
                "12.000000345 alice      received udp 192.0.2.1:5 > 192.0.2.2:6, 20 bytes");
    event.kind = NET_DROPPED;
    event.drop = NET_DROP_NAT;
    event.detail = NAT_DROP_FILTERED;
    event.link = net_link(net, a, 0);
    expect_line(net, &event,
                "12.000000345 alice      dropped (nat filtered) on alice>internet udp "
                "192.0.2.1:5 > 192.0.2.2:6, 20 bytes");
    event.kind = NET_FAULT;
    event.number = NET_FAULT_NAT_FLUSH;
    expect_line(net, &event, "12.000000345 alice      fault nat-flush");
    event.kind = NET_COMMAND;
    event.number = NODE_IN_DISCOVER;
    expect_line(net, &event, "12.000000345 alice      command discover");
    struct trace_record record = {.kind = TRACE_STUN_RESPONSE,
                                  .socket = 256,
                                  .remote = addr_v4(0xc0000201, 3478),
                                  .other = addr_v4(0xc0000203, 9)};
    event.kind = NET_TRACE;
    event.record = &record;
    expect_line(
        net, &event,
        "12.000000345 alice      response from 192.0.2.1:3478 on socket 256: seen as 192.0.2.3:9");
    struct node_out out = {.kind = NODE_OUT_BEHAVIOUR};
    event.kind = NET_OUTPUT;
    event.output = &out;
    expect_line(net, &event,
                "12.000000345 alice      found nat unknown, mapping unknown, filtering unknown, "
                "hairpin unknown, ports "
                "unknown step 0, pooling unknown, trap unknown, mapped to -, 0 sent, 0 received");
    out = (struct node_out){.kind = NODE_OUT_HOME};
    out.home.server = addr_v4(0xc0000201, 51941);
    out.home.mapped = addr_v4(0xc0000203, 9);
    expect_line(net, &event, "12.000000345 alice      home 192.0.2.1:51941, mapped to 192.0.2.3:9");
    out = (struct node_out){.kind = NODE_OUT_PATH};
    out.path.peer[0] = 0xab;
    out.path.path = NODE_PATH_DIRECT;
    out.path.reason = REASON_PUNCHED;
    out.path.remote = addr_v4(0xc0000203, 9);
    out.path.rtt_ns = 1234567;
    expect_line(net, &event,
                "12.000000345 alice      path to ab000000 direct (punched) by 192.0.2.3:9, rtt "
                "1234 us");
    out = (struct node_out){.kind = NODE_OUT_DELIVER};
    out.deliver.size = 7;
    out.deliver.relayed = true;
    expect_line(net, &event, "12.000000345 alice      delivered 7 bytes of 00000000, relayed");
    event.kind = NET_COMMAND;
    event.number = NODE_IN_CONNECT;
    expect_line(net, &event, "12.000000345 alice      command connect");
    event.number = 99;
    expect_line(net, &event, "12.000000345 alice      command 99");
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
