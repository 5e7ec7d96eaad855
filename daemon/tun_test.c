/*
 * Two TUN devices in two network namespaces of the test's own, which end with it: what the kernel
 * gives at one is handed to the other, as the two ends of a tunnel do it, and must arrive intact.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/rtnetlink.h>

#include "daemon/netlink.h"
#include "daemon/tun.h"

enum {
    MTU = 1400,
    STREAM_SIZE = 16 << 20, /* bytes */
    CHUNK_SIZE = 256 << 10,
    SEGMENTS = 40,      /* of a super-packet of TCP, at most */
    PATIENCE_MS = 5000, /* nothing at all happens for so long only where something is wrong */
};

/* One end: an interface in a namespace, and the sockets that were made there. */
struct end {
    struct tun tun;
    struct netlink netlink;
    uint32_t index;
    int tcp[2]; /* IPv4 and IPv6 */
    int udp[2];
    int other_udp; /* IPv4 */
};

static struct end near, far;
static const char *skipped; /* why nothing can be tested here */

/* 10.9.0.1 and fd09::1, or those of the other end. */
static struct addr address_of(const struct end *end, bool v6)
{
    uint8_t last = end == &near ? 1 : 2;
    const uint8_t ip[16] = {0xfd, 0x09, [15] = last};
    return v6 ? addr_v6(ip, 0) : addr_v4(0x0a090000u | last, 0);
}

static socklen_t socket_address(const struct end *end, bool v6, struct sockaddr_storage *address)
{
    struct addr addr = address_of(end, v6);
    memset(address, 0, sizeof *address);
    if (v6) {
        struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(5001)};
        memcpy(&to.sin6_addr, addr.ip, 16);
        memcpy(address, &to, sizeof to);
        return sizeof to;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(5001)};
    memcpy(&to.sin_addr, addr.ip, 4);
    memcpy(address, &to, sizeof to);
    return sizeof to;
}

/* Makes a namespace, which this process is in from now on, and an interface and sockets in it. */
static const char *make_end(struct end *end)
{
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return "no right to make a network namespace";
    if (!tun_open(&end->tun, "warren-test"))
        return "cannot open /dev/net/tun";
    assert_true(netlink_open(&end->netlink));
    end->index = netlink_index(end->tun.name);
    assert_true(end->index > 0);
    assert_true(netlink_up(&end->netlink, end->index, MTU));
    assert_true(netlink_segments(&end->netlink, end->index, SEGMENTS));
    end->other_udp = socket(AF_INET, SOCK_DGRAM, 0);
    assert_true(end->other_udp >= 0);
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct addr addr = address_of(end, v6 != 0);
        assert_true(netlink_address_add(&end->netlink, end->index, &addr, v6 != 0 ? 64 : 24));
        int family = v6 != 0 ? AF_INET6 : AF_INET;
        end->tcp[v6] = socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0);
        end->udp[v6] = socket(family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        assert_true(end->tcp[v6] >= 0 && end->udp[v6] >= 0);
        struct sockaddr_storage address;
        socklen_t size = socket_address(end, v6 != 0, &address);
        assert_int_equal(bind(end->tcp[v6], (struct sockaddr *)&address, size), 0);
        assert_int_equal(bind(end->udp[v6], (struct sockaddr *)&address, size), 0);
    }
    return NULL;
}

static int make_ends(void **state)
{
    (void)state;
    near.tun.fd = far.tun.fd = -1;
    skipped = make_end(&near);
    if (skipped == NULL)
        skipped = make_end(&far);
    if (skipped != NULL)
        printf("# skipped: %s: %s\n", skipped, strerror(errno));
    return 0;
}

static int close_ends(void **state)
{
    (void)state;
    tun_close(&near.tun);
    tun_close(&far.tun);
    return 0;
}

/* Carries all that waits at one end to the other. */
static void carry(struct tun *from, struct tun *to)
{
    struct node_in_packet in;
    while (tun_read(from, &in) == TUN_OK) {
        uint32_t segment = in.segment > 0 ? in.segment : in.size;
        assert_true(in.size > 0 && segment <= MTU);
        const struct node_out_packet packet = {
            .bytes = in.bytes, .size = in.size, .segment = in.segment};
        assert_int_equal(tun_write(to, &packet), TUN_OK);
    }
    assert_false(from->dead);
}

/* Until something waits at either end, or something can be done with the socket. */
static void wait_for(int fd, short events)
{
    struct pollfd polled[] = {
        {.fd = near.tun.fd, .events = POLLIN},
        {.fd = far.tun.fd, .events = POLLIN},
        {.fd = fd, .events = events},
    };
    assert_true(poll(polled, 3, PATIENCE_MS) > 0);
    carry(&near.tun, &far.tun);
    carry(&far.tun, &near.tun);
}

static uint8_t pattern(size_t at)
{
    uint64_t word = (at / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint8_t)(word >> (8 * (at % 8)));
}

static void stream(int from, int to)
{
    static uint8_t chunk[CHUNK_SIZE];
    size_t sent = 0, got = 0;
    while (got < STREAM_SIZE) {
        size_t size = STREAM_SIZE - sent < CHUNK_SIZE ? STREAM_SIZE - sent : CHUNK_SIZE;
        for (size_t i = 0; i < size; i++)
            chunk[i] = pattern(sent + i);
        ssize_t done = size > 0 ? write(from, chunk, size) : 0;
        assert_true(done >= 0 || errno == EAGAIN);
        sent += done > 0 ? (size_t)done : 0;
        wait_for(to, POLLIN);
        done = read(to, chunk, sizeof chunk);
        assert_true(done > 0 || (done < 0 && errno == EAGAIN));
        for (ssize_t i = 0; i < done; i++) {
            if (chunk[i] != pattern(got + (size_t)i))
                fail_msg("byte %zu is wrong", got + (size_t)i);
        }
        got += done > 0 ? (size_t)done : 0;
    }
    assert_int_equal(got, STREAM_SIZE);
}

static void tcp_passes(bool v6)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address(&far, v6, &address);
    int client = near.tcp[v6], listener = far.tcp[v6];
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, size), -1);
    assert_int_equal(errno, EINPROGRESS);
    int server;
    while ((server = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
        wait_for(listener, POLLIN);
    struct tun_counts reads = near.tun.counts, writes = far.tun.counts;
    stream(client, server);
    uint64_t received = near.tun.counts.received - reads.received;
    uint64_t sent = far.tun.counts.sent - writes.sent;
    printf("# IPv%d: %llu packets in %llu reads, %llu in %llu writes\n", v6 ? 6 : 4,
           (unsigned long long)received, (unsigned long long)(near.tun.counts.reads - reads.reads),
           (unsigned long long)sent, (unsigned long long)(far.tun.counts.writes - writes.writes));
    assert_true(sent == received && sent >= STREAM_SIZE / MTU);
    if (near.tun.tcp) {
        /* How many at once is for TCP to decide, and a slow machine makes it careful. */
        assert_true(near.tun.counts.reads - reads.reads < received);
        assert_true((near.tun.counts.reads - reads.reads) * SEGMENTS >= received);
        assert_true(far.tun.counts.writes - writes.writes < sent);
    }
    assert_int_equal(near.tun.counts.refused + near.tun.counts.too_big, 0);
    assert_int_equal(far.tun.counts.unwritten + far.tun.counts.unmerged, 0);
    close(server);
}

static void carries_tcp_over_ipv4(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    tcp_passes(false);
}

static void carries_tcp_over_ipv6(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    tcp_passes(true);
}

/* A train that one socket sends at once is one that the other receives at once, where both can. */
static void udp_passes(bool v6)
{
    enum { SEGMENT = 1200, COUNT = 30, SIZE = SEGMENT * (COUNT - 1) + 77 };
    static uint8_t train[SIZE], got[65536];
    for (size_t i = 0; i < SIZE; i++)
        train[i] = pattern(i);
    struct sockaddr_storage address;
    socklen_t size = socket_address(&far, v6, &address);
    int on = 1, segment = SEGMENT;
    int from = near.udp[v6], to = far.udp[v6];
    assert_int_equal(setsockopt(from, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment), 0);
    assert_int_equal(setsockopt(to, SOL_UDP, UDP_GRO, &on, sizeof on), 0);
    struct tun_counts reads = near.tun.counts, writes = far.tun.counts;
    assert_int_equal(sendto(from, train, SIZE, 0, (struct sockaddr *)&address, size), SIZE);
    size_t total = 0;
    unsigned receives = 0;
    while (total < SIZE) {
        ssize_t one = recv(to, got, sizeof got, 0);
        if (one < 0) {
            assert_int_equal(errno, EAGAIN);
            wait_for(to, POLLIN);
            continue;
        }
        receives++;
        assert_true(total + (size_t)one <= SIZE);
        assert_memory_equal(got, train + total, (size_t)one);
        total += (size_t)one;
    }
    assert_true(near.tun.counts.received - reads.received >= COUNT);
    if (near.tun.udp) {
        assert_int_equal(receives, 1);
        /* Neighbour discovery and the like may come between. */
        assert_true(near.tun.counts.reads - reads.reads < COUNT / 2);
        assert_true(far.tun.counts.writes - writes.writes < COUNT / 2);
    }
    assert_int_equal(far.tun.counts.unwritten + far.tun.counts.unmerged, 0);
}

static void carries_udp_trains(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    udp_passes(false);
    udp_passes(true);
}

enum { LONE_FLOW = 100, LONE_COUNT = 110, LONE_HEADERS = 28 };

/* A hundred, of which one is shorter; of another flow, five short ones and five longer. */
static size_t lone_size(unsigned i)
{
    bool is_short = i < LONE_FLOW ? i == 49 : i < LONE_FLOW + 5;
    return LONE_HEADERS + (is_short ? 200u : 500u);
}

static void send_lone(int from, unsigned begin, unsigned end)
{
    struct sockaddr_storage address;
    socklen_t size = socket_address(&far, false, &address);
    for (unsigned i = begin; i < end; i++) {
        const uint8_t bytes[500] = {(uint8_t)i};
        size_t payload = lone_size(i) - LONE_HEADERS;
        ssize_t sent = sendto(from, bytes, payload, 0, (struct sockaddr *)&address, size);
        assert_int_equal(sent, payload);
    }
}

/*
 * Packets that the system gives one by one become trains, in their order: of one flow, of one size
 * but the last, and no longer than a node takes. What else is on the way may part them.
 */
static void joins_what_comes_one_by_one(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    int none = 0;
    assert_int_equal(setsockopt(near.udp[0], SOL_UDP, UDP_SEGMENT, &none, sizeof none), 0);
    carry(&near.tun, &far.tun);
    uint64_t received = near.tun.counts.received;
    send_lone(near.udp[0], 0, LONE_FLOW);
    send_lone(near.other_udp, LONE_FLOW, LONE_COUNT);
    struct node_in_packet in;
    unsigned trains = 0, foreign = 0, next = 0;
    while (tun_read(&near.tun, &in) == TUN_OK) {
        uint32_t segment = in.segment > 0 ? in.segment : in.size;
        assert_true(in.size <= NODE_PACKETS_MAX);
        if (in.bytes[0] != 0x45 || in.bytes[9] != IPPROTO_UDP) {
            foreign++;
            continue;
        }
        trains++;
        unsigned first = next;
        for (uint32_t at = 0; at < in.size; at += segment, next++) {
            assert_int_equal(in.bytes[at + LONE_HEADERS], next);
            assert_true(next == first || next != LONE_FLOW);
            assert_int_equal(in.size - at < segment ? in.size - at : segment, lone_size(next));
        }
    }
    assert_int_equal(next, LONE_COUNT);
    assert_true(trains >= 6 && trains <= 6 + foreign);
    assert_true(near.tun.counts.received - received >= LONE_COUNT);
}

/* Of two flows by turns; what lies between others of its flow stays there. */
static void gathers_in_order(void **state)
{
    enum { COUNT = 5, WRITES = 3, SIZE = 500 + LONE_HEADERS };
    static uint8_t packets[COUNT][SIZE];
    (void)state;
    if (skipped != NULL)
        skip();
    int none = 0;
    assert_int_equal(setsockopt(near.udp[0], SOL_UDP, UDP_SEGMENT, &none, sizeof none), 0);
    assert_int_equal(setsockopt(far.udp[0], SOL_UDP, UDP_GRO, &none, sizeof none), 0);
    carry(&near.tun, &far.tun);
    uint64_t writes = far.tun.counts.writes;
    send_lone(near.udp[0], 0, 2);
    send_lone(near.other_udp, 2, 3);
    send_lone(near.udp[0], 3, COUNT);
    struct node_in_packet in;
    unsigned next = 0;
    while (tun_read(&near.tun, &in) == TUN_OK) {
        if (in.bytes[0] != 0x45 || in.bytes[9] != IPPROTO_UDP)
            continue;
        for (uint32_t at = 0; at < in.size; at += SIZE, next++) {
            assert_true(next < COUNT && in.size - at >= SIZE);
            memcpy(packets[next], in.bytes + at, SIZE);
            tun_gather(&far.tun, packets[next], SIZE);
        }
    }
    assert_int_equal(next, COUNT);
    assert_int_equal(tun_flush(&far.tun), TUN_OK);
    assert_int_equal(far.tun.counts.writes - writes, far.tun.udp ? WRITES : COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        uint8_t got[SIZE];
        assert_int_equal(recv(far.udp[0], got, sizeof got, 0), SIZE - LONE_HEADERS);
        assert_int_equal(got[0], i);
    }
    assert_int_equal(tun_flush(&far.tun), TUN_OK);
    assert_int_equal(far.tun.counts.writes - writes, far.tun.udp ? WRITES : COUNT);
}

/* An interface that is down takes nothing, and is not dead for that. */
static void survives_being_down(void **state)
{
    (void)state;
    static struct tun tun;
    if (skipped != NULL)
        skip();
    assert_true(tun_open(&tun, ""));
    assert_true(tun.name[0] != 0);
    static const uint8_t bytes[28] = {0x45, 0, 0, 28, [8] = 64, [9] = 1};
    const struct node_out_packet packet = {.bytes = bytes, .size = sizeof bytes};
    assert_int_equal(tun_write(&tun, &packet), TUN_OK);
    assert_int_equal(tun.counts.unwritten, 1);
    assert_int_equal(tun.counts.sent, 0);
    assert_int_equal(tun.error, EIO);
    struct node_in_packet in;
    assert_int_equal(tun_read(&tun, &in), TUN_EMPTY);
    tun_close(&tun);
    tun_close(&tun);
    assert_int_equal(tun.fd, -1);
}

static void refuses_a_name(void **state)
{
    (void)state;
    static struct tun tun;
    assert_false(tun_open(&tun, "sixteen-letters-"));
    assert_int_equal(errno, ENAMETOOLONG);
    assert_int_equal(tun.fd, -1);
    if (skipped != NULL)
        skip();
    assert_false(tun_open(&tun, far.tun.name)); /* it has an owner */
    assert_int_equal(errno, EBUSY);
}

static void delete_interface(const struct end *end)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg link;
    } request = {
        .header = {.nlmsg_len = sizeof request,
                   .nlmsg_type = RTM_DELLINK,
                   .nlmsg_flags = NLM_F_REQUEST},
        .link = {.ifi_index = (int)end->index},
    };
    assert_int_equal(send(end->netlink.fd, &request, sizeof request, 0), sizeof request);
}

/* Last: the far end's interface is taken away under it. */
static void tells_that_it_is_gone(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    netlink_changed(&far.netlink);
    assert_false(netlink_changed(&far.netlink));
    delete_interface(&far);
    assert_true(netlink_changed(&far.netlink));
    assert_int_equal(netlink_index("warren-test"), 0);
    struct node_in_packet in;
    assert_int_equal(tun_read(&far.tun, &in), TUN_DEAD);
    static const uint8_t bytes[28] = {0x45, 0, 0, 28, [8] = 64, [9] = 1};
    const struct node_out_packet packet = {.bytes = bytes, .size = sizeof bytes};
    assert_int_equal(tun_write(&far.tun, &packet), TUN_DEAD);
    assert_int_equal(far.tun.counts.unwritten, 1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(carries_tcp_over_ipv4), cmocka_unit_test(carries_tcp_over_ipv6),
        cmocka_unit_test(carries_udp_trains),    cmocka_unit_test(joins_what_comes_one_by_one),
        cmocka_unit_test(gathers_in_order),      cmocka_unit_test(survives_being_down),
        cmocka_unit_test(refuses_a_name),        cmocka_unit_test(tells_that_it_is_gone),
    };
    return cmocka_run_group_tests(tests, make_ends, close_ends);
}
