/* Links, hosts and counters of a network that Linux makes, by what real UDP sockets see. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/prctl.h>
#include <time.h>

#include "netns/kernel_test.h"

enum {
    LOSS_PACKETS = 1000,
    FORGET_ROUNDS = 6,
    STREAM_GAP_NS = 2000000,
    STREAM_WARM_NS = 50000000,
    FAMILIES = 2,    /* IPv4 and IPv6 */
    WAYS = 2,        /* out of a host, that carry less than its links */
    BIG_SIZE = 1400, /* of a datagram: more than they carry in one piece */
};

static bool both_ways(int a, int b, bool expected)
{
    struct addr at_a = local(a);
    struct addr at_b = local(b);
    bool there = reaches(a, &at_b, b, expected);
    bool back = reaches(b, &at_a, a, expected);
    return expected ? there && back : there || back;
}

static void test_links(void **state)
{
    (void)state;
    struct bench b;
    begin(&b);
    uint32_t places[2];
    places[0] = add_host(&b, "left", &(struct net_host){.behind = NET_INTERNET});
    places[1] = add_host(&b, "right", &(struct net_host){.behind = NET_INTERNET});
    build(&b);
    int left = open_at(&b, places[0], ADDR_V4, 0, 9000);
    int right = open_at(&b, places[1], ADDR_V4, 0, 9000);
    struct addr at_left = local(left);
    struct addr at_right = local(right);
    assert_true(both_ways(left, right, true));

    do_fault(
        &b, (struct net_fault){.kind = NET_FAULT_LINK_DOWN, .place = places[0], .way = NET_WAY_UP});
    assert_false(reaches(left, &at_right, right, false));
    assert_true(reaches(right, &at_left, left, true));
    do_fault(&b, (struct net_fault){
                     .kind = NET_FAULT_LINK_DOWN, .place = places[0], .way = NET_WAY_BOTH});
    assert_false(both_ways(left, right, false));
    do_fault(
        &b, (struct net_fault){.kind = NET_FAULT_LINK_UP, .place = places[0], .way = NET_WAY_BOTH});
    assert_true(both_ways(left, right, true));

    do_fault(&b,
             (struct net_fault){.kind = NET_FAULT_SEVER, .place = places[0], .peer = places[1]});
    assert_false(both_ways(left, right, false));
    do_fault(&b, (struct net_fault){.kind = NET_FAULT_MEND, .place = places[1], .peer = places[0]});
    assert_true(both_ways(left, right, true));
    end(&b);
}

static void test_hosts(void **state)
{
    static const struct {
        uint32_t down;
        uint32_t up;
    } rows[] = {{NET_FAULT_INTERFACE_DOWN, NET_FAULT_INTERFACE_UP},
                {NET_FAULT_HOST_DOWN, NET_FAULT_HOST_UP}};
    (void)state;
    struct bench b;
    begin(&b);
    uint32_t left = add_host(&b, "left", &(struct net_host){.behind = NET_INTERNET});
    uint32_t right = add_host(&b, "right", &(struct net_host){.behind = NET_INTERNET});
    uint32_t second = net_add_interface(b.net, left, &(struct net_host){.behind = NET_INTERNET});
    linked(&b, left, second, (struct link_config){.mtu = 0}, (struct link_config){.mtu = 0});
    build(&b);
    for (uint32_t f = 0; f < 2; f++) {
        uint8_t family = f == 0 ? ADDR_V4 : ADDR_V6;
        int files[2];
        int other = open_at(&b, right, family, 0, 9000);
        struct addr there = local(other);
        for (uint32_t i = 0; i < 2; i++)
            files[i] = open_at(&b, left, family, i, 9000);
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
            bool whole = rows[i].down == NET_FAULT_HOST_DOWN;
            struct addr own = local(files[0]);
            assert_true(both_ways(files[0], other, true) && both_ways(files[1], other, true));
            do_fault(&b, (struct net_fault){.kind = rows[i].down, .place = left});
            struct sockaddr_storage to;
            socklen_t size = to_system(&own, &to);
            (void)sendto(other, "x", 1, 0, (struct sockaddr *)&to, size);
            assert_int_equal(receive(files[0], NEVER_MS).family, ADDR_NONE);
            if (!whole)
                assert_true(reaches(files[1], &there, other, true));
            do_fault(&b, (struct net_fault){.kind = rows[i].up, .place = left});
        }
        assert_true(both_ways(files[0], other, true));
    }
    end(&b);
}

/* ---- What is too big for a way ---- */

/* Sends a big datagram again and again, without saying a source, until one arrives. */
static bool arrives_cut(struct bench *b, uint32_t from, int to)
{
    char error[SPACE_ERROR_SIZE] = "";
    struct addr there = local(to);
    struct sockaddr_storage remote;
    socklen_t remote_size = to_system(&there, &remote);
    int file = space_socket(kernel_host(b->kernel, from),
                            there.family == ADDR_V4 ? AF_INET : AF_INET6, SOCK_DGRAM, 0, error);
    bool arrived = false;
    if (file < 0)
        fail_msg("%s", error);
    for (int waited_ms = 0; !arrived && waited_ms < SOON_MS; waited_ms += NEVER_MS) {
        char bytes[BIG_SIZE] = "";
        (void)sendto(file, bytes, sizeof bytes, 0, (struct sockaddr *)&remote, remote_size);
        arrived = receive(to, NEVER_MS).family != ADDR_NONE;
    }
    close(file);
    return arrived;
}

/* A host learns what its way out carries (RFC 1191, RFC 8201), and the next one's when it loses
   that. */
static void test_narrow_ways(void **state)
{
    static const char *const names[WAYS] = {"first", "second"};
    (void)state;
    struct bench b;
    uint32_t routers[WAYS];
    begin(&b);
    for (uint32_t i = 0; i < WAYS; i++)
        routers[i] = add_router(&b, names[i], &(struct net_router){.up = {.mtu = 1320 - 20 * i}});
    uint32_t left = add_host(&b, "left", &(struct net_host){.behind = routers[0]});
    uint32_t second = net_add_interface(b.net, left, &(struct net_host){.behind = routers[1]});
    linked(&b, left, second, (struct link_config){.mtu = 0}, (struct link_config){.mtu = 0});
    uint32_t right = add_host(&b, "right", &(struct net_host){.behind = NET_INTERNET});
    build(&b);
    int to[FAMILIES] = {open_at(&b, right, ADDR_V4, 0, 9000), open_at(&b, right, ADDR_V6, 0, 9000)};
    for (uint32_t f = 0; f < FAMILIES; f++)
        assert_true(arrives_cut(&b, left, to[f]));
    do_fault(&b, (struct net_fault){.kind = NET_FAULT_INTERFACE_DOWN, .place = left});
    for (uint32_t f = 0; f < FAMILIES; f++)
        assert_true(arrives_cut(&b, left, to[f]));
    end(&b);
}

/* ---- Impairments and counters ---- */

static uint32_t count_arrivals(int from, int to)
{
    uint32_t count = 0;
    struct addr there = local(to);
    for (uint32_t i = 0; i < LOSS_PACKETS; i++) {
        send_to(from, &there);
        while (receive(to, 0).family != ADDR_NONE)
            count++;
    }
    while (receive(to, NEVER_MS).family != ADDR_NONE)
        count++;
    return count;
}

static void test_loss_and_counters(void **state)
{
    const struct link_config lossy = {.loss_ppm = 300000};
    (void)state;
    struct bench b;
    begin(&b);
    uint32_t left = add_host(&b, "left", &(struct net_host){.behind = NET_INTERNET, .up = lossy});
    uint32_t right = add_host(&b, "right", &(struct net_host){.behind = NET_INTERNET});
    build(&b);
    int from = open_at(&b, left, ADDR_V6, 0, 9000);
    int to = open_at(&b, right, ADDR_V6, 0, 9001);
    uint32_t lost = LOSS_PACKETS - count_arrivals(from, to);
    assert_in_range(lost, 200, 400);
    assert_int_equal(count_arrivals(to, from), LOSS_PACKETS);

    struct addr remote = local(to);
    char error[SPACE_ERROR_SIZE] = "";
    uint64_t sent;
    uint64_t received;
    assert_true(kernel_counted(b.kernel, left, &remote, &sent, &received, error));
    assert_int_equal(sent, LOSS_PACKETS);
    assert_int_equal(received, LOSS_PACKETS);
    remote = addr_with_port(local(from), 0);
    assert_true(kernel_counted(b.kernel, right, &remote, &sent, &received, error));
    assert_int_equal(sent, LOSS_PACKETS);
    assert_int_equal(received, LOSS_PACKETS - lost);
    remote.port = 9;
    assert_true(kernel_counted(b.kernel, right, &remote, &sent, &received, error));
    assert_int_equal(sent + received, 0);

    do_fault(&b, (struct net_fault){.kind = NET_FAULT_LINK_SET,
                                    .place = left,
                                    .way = NET_WAY_BOTH,
                                    .link = {.loss_ppm = 1000000}});
    assert_int_equal(count_arrivals(to, from), 0);
    do_fault(&b, (struct net_fault){.kind = NET_FAULT_LINK_SET,
                                    .place = left,
                                    .way = NET_WAY_BOTH,
                                    .link = {.rate_bps = 1000000}});
    assert_true(both_ways(from, to, true));
    do_fault(&b, (struct net_fault){.kind = NET_FAULT_LINK_SET,
                                    .place = left,
                                    .way = NET_WAY_BOTH,
                                    .link = {.mtu = 1400}});
    assert_int_equal(count_arrivals(to, from), LOSS_PACKETS);
    end(&b);
}

/* What a router counts is what it let pass. */
static void test_router_counters(void **state)
{
    (void)state;
    struct nat_config nat = preset("home");
    struct site site;
    make_site(&site, &(struct net_router){.nat = &nat}, NULL);
    int file = open_client(&site, site.alice, 40001);
    struct addr mapped = seen(file, site.s[0][0]);
    assert_true(reaches(site.s[0][0], &mapped, file, true));
    assert_false(reaches(site.s[1][0], &mapped, file, false));
    for (uint32_t i = 0; i < 2; i++) {
        struct addr remote = net_address(site.bench.net, site.server, ADDR_V4, i);
        char error[SPACE_ERROR_SIZE] = "";
        uint64_t sent;
        uint64_t received;
        assert_true(
            kernel_counted(site.bench.kernel, site.router, &remote, &sent, &received, error));
        assert_int_equal(sent, i == 0);
        assert_int_equal(received, i == 0);
    }
    end(&site.bench);
}

/* ---- What a NAT forgets ---- */

/* Sends to the address all the time, from a process of its own, which stop_stream() ends. */
static pid_t start_stream(int file, const struct addr *to)
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child != 0)
        return child;
    const struct timespec gap = {.tv_nsec = STREAM_GAP_NS};
    struct sockaddr_storage remote;
    socklen_t size = to_system(to, &remote);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        (void)sendto(file, "x", 1, 0, (struct sockaddr *)&remote, size);
        nanosleep(&gap, NULL);
    }
}

static void stop_stream(pid_t child)
{
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/*
 * A flow that never rests must not carry its mapping over the fault: while the rules change and the
 * connections are forgotten, each of its packets could teach the old one again.
 */
static void test_faults_under_load(void **state)
{
    static const uint32_t kinds[] = {NET_FAULT_NAT_FLUSH, NET_FAULT_WAN_ADDRESS};
    (void)state;
    struct nat_config nat = preset("full-cone");
    /* So that a port that comes back is one that was kept. */
    nat.ports = NAT_PORTS_RANDOM;
    nat.contiguity = false;
    struct site site;
    make_site(&site, &(struct net_router){.nat = &nat}, NULL);
    int file = open_client(&site, site.alice, 40001);
    int server = site.s[0][0];
    struct addr there = local(server);
    for (uint32_t i = 0; i < FORGET_ROUNDS * 2; i++) {
        struct addr before = seen(file, server);
        assert_int_equal(before.family, ADDR_V4);
        pid_t stream = start_stream(file, &there);
        const struct timespec warm = {.tv_nsec = STREAM_WARM_NS};
        nanosleep(&warm, NULL);
        do_fault(&site.bench, (struct net_fault){.kind = kinds[i % 2], .place = site.router});
        stop_stream(stream);
        while (receive(server, NEVER_MS).family != ADDR_NONE)
            continue;
        struct addr after = seen(file, server);
        assert_int_equal(after.family, ADDR_V4);
        if (kinds[i % 2] == NET_FAULT_NAT_FLUSH)
            assert_int_not_equal(after.port, before.port);
        else
            assert_false(addr_equal_ip(&after, &before));
    }
    end(&site.bench);
}

static void test_can_link(void **state)
{
    static const struct {
        struct link_config link;
        bool plain; /* can be made on every Linux */
    } rows[] = {
        {{.latency_ns = 1000000}, true},
        {{.latency_ns = 1000000, .jitter_ns = 1000}, true},
        {{.jitter_ns = 1000, .jitter_reorders = true}, false},
        {{.loss_ppm = 1000}, true},
        {{.rate_bps = 1000000}, true},
        {{.mtu = 1280}, true},
        {{.burst_enter_ppm = 1}, false},
        {{.duplicate_ppm = 1}, false},
        {{.reorder_ppm = 1}, false},
        {{.corrupt_ppm = 1}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char why[SPACE_ERROR_SIZE] = "";
        assert_int_equal(kernel_can_link(&rows[i].link, why), rows[i].plain || kernel_delays());
    }
    char why[SPACE_ERROR_SIZE] = "";
    assert_false(kernel_can_link(&(struct link_config){.mtu = 1279}, why));
    assert_ptr_equal(strstr(why, "mtu"), why);
}

static int run_all(void *argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_links),           cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_narrow_ways),     cmocka_unit_test(test_loss_and_counters),
        cmocka_unit_test(test_router_counters), cmocka_unit_test(test_faults_under_load),
        cmocka_unit_test(test_can_link),
    };
    (void)argument;
    return can_build() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}

int main(void)
{
    return run_in_sandbox(run_all);
}
