/*
 * What the tests of the shim share: a network whose events are kept, and a path of two hosts and a
 * box. There is one network in a process, so each test builds its own in a child.
 */
#ifndef WARREN_SIM_NS3_SHIM_TEST_H
#define WARREN_SIM_NS3_SHIM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/ns3/shim.h"

#define MS UINT64_C(1000000)
#define S UINT64_C(1000000000)

enum {
    PPP = 2, /* bytes that a link from point to point adds to each packet */
    FORWARDS = 16,
    KEPT = 8192,
    HEAD = 80,
};

/* cmocka's own assertions would go on with its other tests, in the child. */
#define EXPECT(condition) expect_at((condition), #condition, __LINE__)
#define EXPECT_INT(a, b) expect_int_at((uint64_t)(a), (uint64_t)(b), #a, __LINE__)

static inline void expect_at(bool good, const char *what, int line)
{
    if (good)
        return;
    fprintf(stderr, "line %d: not so: %s\n", line, what);
    _exit(1);
}

static inline void expect_int_at(uint64_t is, uint64_t should_be, const char *what, int line)
{
    if (is == should_be)
        return;
    fprintf(stderr, "line %d: %s is %llu, not %llu\n", line, what, (unsigned long long)is,
            (unsigned long long)should_be);
    _exit(1);
}

static inline void in_child(void (*body)(void))
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        body();
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- A network and what happens in it -------------------------------------------------------- */

enum what { ARRIVED, LEFT, DROPPED, RECEIVED, WHATS };

struct event {
    uint64_t at_ns;
    uint32_t end; /* or the host */
    uint32_t size;
    uint8_t what;
    uint8_t head[HEAD];
    struct ns3_address local;
    struct ns3_address remote;
};

/* The one network of the process. */
static struct {
    struct ns3_network *network;
    uint32_t to[FORWARDS]; /* what comes to this end of a box leaves by that; 0: by none */
    uint32_t lose_every;   /* packet, at any end; 0: none */
    uint32_t keeps;        /* what is to leave by this end less one does not; 0: none */
    uint32_t passed;
    uint32_t counts[WHATS];
    uint32_t count;
    uint32_t woken;
    uint32_t wake_again;
    uint64_t woken_ns;
    uint64_t hash;
    void (*on_wake)(void);
    struct event events[KEPT];
} net;

static inline void mix(uint64_t value)
{
    for (int i = 0; i < 8; i++)
        net.hash = (net.hash ^ ((value >> (8 * i)) & 0xff)) * UINT64_C(0x100000001b3);
}

static inline struct event *note(enum what what, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    static struct event spare;
    struct event *event = net.count < KEPT ? &net.events[net.count++] : &spare;
    memset(event, 0, sizeof *event);
    event->at_ns = ns3_now(net.network);
    event->what = (uint8_t)what;
    event->end = end;
    event->size = size;
    memcpy(event->head, bytes, size < HEAD ? size : HEAD);
    net.counts[what]++;
    mix(event->at_ns);
    mix(what * 1000 + end);
    for (uint32_t i = 0; i < size; i++)
        net.hash = (net.hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return event;
}

static inline void on_arrived(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    note(ARRIVED, end, bytes, size);
    if (end < FORWARDS && net.to[end] != 0)
        ns3_carry(net.network, net.to[end], bytes, size);
}

static inline bool on_leaves(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    EXPECT(bytes[0] >> 4 == 4 || bytes[0] >> 4 == 6);
    EXPECT(size >= 20);
    return net.keeps == 0 || net.keeps - 1 != end;
}

static inline bool on_passes(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    (void)end;
    EXPECT(bytes[0] >> 4 == 4 || bytes[0] >> 4 == 6);
    EXPECT(size >= 20);
    net.passed++;
    return net.lose_every == 0 || net.passed % net.lose_every != 0;
}

static inline void on_left(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    note(LEFT, end, bytes, size);
}

static inline void on_dropped(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    note(DROPPED, end, bytes, size);
}

static inline void on_received(void *context, uint32_t host, const struct ns3_address *local,
                               const struct ns3_address *remote, const uint8_t *bytes,
                               uint32_t size)
{
    (void)context;
    struct event *event = note(RECEIVED, host, bytes, size);
    event->local = *local;
    event->remote = *remote;
}

static inline void on_woken(void *context)
{
    (void)context;
    net.woken++;
    net.woken_ns = ns3_now(net.network);
    if (net.wake_again > 0) {
        net.wake_again--;
        ns3_wake(net.network, net.woken_ns);
    }
    if (net.on_wake != NULL)
        net.on_wake();
}

static inline void start(uint64_t seed)
{
    struct ns3_events events = {.arrived = on_arrived,
                                .leaves = on_leaves,
                                .passes = on_passes,
                                .left = on_left,
                                .dropped = on_dropped,
                                .received = on_received,
                                .woken = on_woken};
    memset(&net, 0, sizeof net);
    net.hash = UINT64_C(0xcbf29ce484222325);
    net.network = ns3_new(seed, &events);
}

static inline void finish(void)
{
    ns3_free(net.network);
}

/* The n-th event of a kind at an end, or NULL. */
static inline const struct event *event_at(enum what what, uint32_t end, uint32_t n)
{
    for (uint32_t i = 0; i < net.count; i++)
        if (net.events[i].what == what && net.events[i].end == end && n-- == 0)
            return &net.events[i];
    return NULL;
}

static inline const struct event *expect_event(enum what what, uint32_t end, uint32_t n, int line)
{
    const struct event *event = event_at(what, end, n);
    expect_at(event != NULL, "there is such an event", line);
    return event;
}
#define EVENT(what, end, n) expect_event(what, end, n, __LINE__)

static inline uint32_t count_at(enum what what, uint32_t end)
{
    uint32_t count = 0;
    while (event_at(what, end, count) != NULL)
        count++;
    return count;
}

static inline struct ns3_address v4(uint8_t net_number, uint8_t host, uint16_t port)
{
    return (struct ns3_address){.family = 4, .ip = {10, 0, net_number, host}, .port = port};
}

static inline struct ns3_address v6(uint8_t net_number, uint8_t host, uint16_t port)
{
    struct ns3_address address = {.family = 6, .ip = {0x20, 0x01, 0x0d, 0xb8}, .port = port};
    address.ip[7] = net_number;
    address.ip[15] = host;
    return address;
}

static inline struct ns3_address of(uint8_t family, uint8_t net_number, uint8_t host, uint16_t port)
{
    return family == 4 ? v4(net_number, host, port) : v6(net_number, host, port);
}

static inline struct ns3_way way_of(uint64_t latency_ns, uint64_t rate_bps)
{
    return (struct ns3_way){.latency_ns = latency_ns,
                            .rate_bps = rate_bps,
                            .queue_bytes = 65536,
                            .mtu = 1500,
                            .queue = NS3_QUEUE_DROP_TAIL};
}

static inline void give_addresses(uint32_t end, uint8_t net_number, uint8_t host)
{
    struct ns3_address four = v4(net_number, host, 0);
    struct ns3_address six = v6(net_number, host, 0);
    ns3_add_address(net.network, end, &four, 24);
    ns3_add_address(net.network, end, &six, 64);
}

static inline void give_defaults(uint32_t end, const struct ns3_address *gateways, uint32_t metric)
{
    ns3_add_default(net.network, end, 4, gateways == NULL ? NULL : &gateways[0], metric);
    ns3_add_default(net.network, end, 6, gateways == NULL ? NULL : &gateways[1], metric);
}

/*
 *     host 0 ---- link 0 ---- box 1 ---- link 1 ---- host 2
 *        end 0             1       2              3
 *   net 0, host 2                               net 1, host 2
 */
static inline void build_path(const struct ns3_way *ways)
{
    uint32_t first = ns3_host(net.network);
    uint32_t box = ns3_box(net.network);
    uint32_t second = ns3_host(net.network);
    ns3_link(net.network, 0, (uint32_t[2]){first, box}, &ways[0]);
    ns3_link(net.network, 1, (uint32_t[2]){box, second}, &ways[2]);
    give_addresses(0, 0, 2);
    give_addresses(3, 1, 2);
    give_defaults(0, NULL, 0);
    give_defaults(3, NULL, 0);
    net.to[1] = 2;
    net.to[2] = 1;
}

static inline void open_ports(void)
{
    for (uint8_t family = 4; family <= 6; family += 2) {
        struct ns3_address first = of(family, 0, 2, 1000);
        struct ns3_address second = of(family, 1, 2, 2000);
        EXPECT(ns3_open(net.network, 0, &first));
        EXPECT(ns3_open(net.network, 2, &second));
    }
}

static const uint8_t payload[4000] = "what the datagrams carry";

static inline bool send_first(uint8_t family, uint32_t size)
{
    struct ns3_datagram datagram = {
        .local = of(family, 0, 2, 1000), .remote = of(family, 1, 2, 2000), .end = 0, .ttl = 64};
    return ns3_send(net.network, 0, &datagram, payload, size);
}

static inline bool send_second(uint8_t family, uint32_t size)
{
    struct ns3_datagram datagram = {
        .local = of(family, 1, 2, 2000), .remote = of(family, 0, 2, 1000), .end = 3, .ttl = 64};
    return ns3_send(net.network, 2, &datagram, payload, size);
}

/* A path whose four directions are alike. */
static inline void build_even_path(uint64_t latency_ns, uint64_t rate_bps)
{
    struct ns3_way way = way_of(latency_ns, rate_bps);
    build_path((const struct ns3_way[4]){way, way, way, way});
    open_ports();
}

static inline uint32_t add_up(uint32_t sum, const uint8_t *bytes, uint32_t size)
{
    for (uint32_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    return sum;
}

/* RFC 768's checksum of a whole UDP packet in `head`. */
static inline bool udp_sum_is_good(const struct event *event)
{
    bool four = event->head[0] >> 4 == 4;
    uint32_t header = four ? 20 : 40;
    uint32_t sum = add_up(17 + event->size - header, event->head + (four ? 12 : 8), four ? 8 : 32);
    sum = add_up(sum, event->head + header, event->size - header);
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum == 0xffff;
}

/* A test for cmocka of a function that runs in a child. */
#define IN_CHILD(name) \
    static void test_##name(void **state) \
    { \
        (void)state; \
        in_child(name); \
    }

#endif
