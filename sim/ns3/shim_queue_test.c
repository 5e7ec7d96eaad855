/* Tests of the shim: queues, segments and flows, and that a seed decides everything. */
#include "sim/ns3/shim_test.h"

/* ---- Queues ---------------------------------------------------------------------------------- */

static void drop_tail(void)
{
    start(1);
    struct ns3_way slow = way_of(0, 1000000);
    slow.queue_bytes = 10 * (1000 + PPP);
    struct ns3_way fast = way_of(0, 0);
    fast.queue_bytes = 1000000;
    build_path((const struct ns3_way[4]){fast, fast, slow, fast});
    open_ports();
    for (uint32_t i = 0; i < 100; i++)
        EXPECT(send_first(4, 972));
    ns3_run(net.network, S);
    /* One is being sent, ten wait. */
    EXPECT_INT(count_at(RECEIVED, 2), 11);
    EXPECT_INT(count_at(DROPPED, 2), 89);
    EXPECT_INT(net.counts[DROPPED], 89);
    EXPECT_INT(EVENT(DROPPED, 2, 0)->size, 1000);
    EXPECT_INT(EVENT(DROPPED, 2, 0)->head[0], 0x45);
    for (uint32_t i = 1; i < 11; i++)
        EXPECT_INT(EVENT(ARRIVED, 3, i)->at_ns - EVENT(ARRIVED, 3, i - 1)->at_ns,
                   (1000 + PPP) * 8 * 1000);

    /* Half of the queue, and twice the rate. */
    slow.queue_bytes = 5 * (1000 + PPP);
    slow.rate_bps = 2000000;
    ns3_set_way(net.network, 2, &slow);
    for (uint32_t i = 0; i < 100; i++)
        EXPECT(send_first(4, 972));
    ns3_run(net.network, 2 * S);
    EXPECT_INT(count_at(RECEIVED, 2), 11 + 6);
    EXPECT_INT(count_at(DROPPED, 2), 89 + 94);
    EXPECT_INT(EVENT(ARRIVED, 3, 12)->at_ns - EVENT(ARRIVED, 3, 11)->at_ns, (1000 + PPP) * 8 * 500);
    finish();
}

/* A flood of twice the rate of host 0's uplink (where == 0) or of the box's way on (2). */
static void flood(uint8_t queue, uint32_t where)
{
    start(1);
    struct ns3_way fast = way_of(MS, 0);
    struct ns3_way slow = way_of(MS, 1000000);
    slow.queue = queue;
    slow.queue_bytes = 30000;
    build_path(
        (const struct ns3_way[4]){where == 0 ? slow : fast, fast, where == 2 ? slow : fast, fast});
    open_ports();
    for (uint32_t i = 0; i < 1000; i++) {
        EXPECT(send_first(i % 2 == 0 ? 4 : 6, i % 2 == 0 ? 972 : 952));
        ns3_run(net.network, (i + 1) * 4 * MS);
    }
    ns3_run(net.network, 10 * S);
    EXPECT_INT(count_at(LEFT, 0), 1000);
    EXPECT(count_at(DROPPED, where) > 400);
    EXPECT_INT(net.counts[DROPPED], count_at(DROPPED, where));
    EXPECT_INT(count_at(RECEIVED, 2) + count_at(DROPPED, where), 1000);
    for (uint32_t i = 0; i < count_at(DROPPED, where); i++) {
        const struct event *dropped = EVENT(DROPPED, where, i);
        EXPECT_INT(dropped->size, 1000);
        EXPECT(dropped->head[0] == 0x45 || dropped->head[0] >> 4 == 6);
    }
    /* The link sends one after the other, and without pauses. */
    for (uint32_t i = 1; i < 400; i++)
        EXPECT_INT(EVENT(ARRIVED, where + 1, i)->at_ns - EVENT(ARRIVED, where + 1, i - 1)->at_ns,
                   (1000 + PPP) * 8 * 1000);
    finish();
}

static void disciplines(void)
{
    for (uint8_t queue = NS3_QUEUE_DROP_TAIL; queue <= NS3_QUEUE_RED; queue++)
        for (uint32_t where = 0; where <= 2; where += 2) {
            pid_t child = fork();
            if (child == 0) {
                flood(queue, where);
                _exit(0);
            }
            int status;
            EXPECT(waitpid(child, &status, 0) == child);
            if (status != 0)
                fprintf(stderr, "queue %u at end %u\n", queue, where);
            EXPECT(status == 0);
        }
}

/* How long the packets of a thin flow take beside a flood, at most; UINT64_MAX if one is lost. */
static uint64_t beside_a_flood(uint8_t queue)
{
    start(1);
    struct ns3_way fast = way_of(0, 0);
    struct ns3_way slow = way_of(0, 1000000);
    slow.queue = queue;
    slow.queue_bytes = 60000;
    build_path((const struct ns3_way[4]){fast, fast, slow, fast});
    open_ports();
    struct ns3_address thin = v4(0, 2, 1001);
    EXPECT(ns3_open(net.network, 0, &thin));
    struct ns3_datagram datagram = {.local = thin, .remote = v4(1, 2, 2000), .ttl = 64};
    uint64_t sent_ns[20];
    for (uint32_t i = 0; i < 500; i++) {
        EXPECT(send_first(4, 972));
        if (i % 25 == 24) {
            sent_ns[i / 25] = ns3_now(net.network);
            EXPECT(ns3_send(net.network, 0, &datagram, payload, 50));
        }
        ns3_run(net.network, (i + 1) * 4 * MS);
    }
    ns3_run(net.network, 10 * S);
    uint64_t most = 0;
    uint32_t n = 0;
    for (uint32_t i = 0; i < count_at(RECEIVED, 2); i++) {
        const struct event *received = EVENT(RECEIVED, 2, i);
        if (received->remote.port == 1001 && received->at_ns - sent_ns[n++] > most)
            most = received->at_ns - sent_ns[n - 1];
    }
    return n == 20 ? most : UINT64_MAX;
}

/* Flows apart: the boxes' packets are told by their addresses and ports. */
static void thin_flow(void)
{
    EXPECT(beside_a_flood(NS3_QUEUE_FQ_CODEL) < 20 * MS);
}

static void thin_flow_in_drop_tail(void)
{
    EXPECT(beside_a_flood(NS3_QUEUE_DROP_TAIL) > 200 * MS);
}

/* ---- Segments -------------------------------------------------------------------------------- */

/* Hosts 0 and 1 and box 2 on a segment; links 0 and 1, nets 0 host 2 and 3, the box is host 1. */
static void build_segment(uint64_t rate_bps, uint8_t queue)
{
    uint32_t hosts[2];
    for (uint32_t i = 0; i < 2; i++)
        hosts[i] = ns3_host(net.network);
    uint32_t box = ns3_box(net.network);
    struct ns3_way way = way_of(10000, rate_bps);
    way.queue = queue;
    ns3_segment(net.network, (uint32_t[2]){0, 1}, hosts, 2, box, &way);
    give_addresses(1, 0, 1);
    give_addresses(3, 0, 1);
    const struct ns3_address gateways[2] = {v4(0, 1, 0), v6(0, 1, 0)};
    for (uint32_t i = 0; i < 2; i++) {
        give_addresses(2 * i, 0, (uint8_t)(2 + i));
        give_defaults(2 * i, gateways, 0);
        for (uint8_t family = 4; family <= 6; family += 2) {
            struct ns3_address local = of(family, 0, (uint8_t)(2 + i), 1000);
            EXPECT(ns3_open(net.network, i, &local));
        }
    }
}

static bool send_on_segment(uint8_t family, uint32_t from, struct ns3_address remote, uint32_t size)
{
    struct ns3_datagram datagram = {.local = of(family, 0, (uint8_t)(2 + from), 1000),
                                    .remote = remote,
                                    .end = 2 * from,
                                    .ttl = 64};
    return ns3_send(net.network, from, &datagram, payload, size);
}

static void segment(uint8_t queue)
{
    start(1);
    build_segment(100000000, queue);
    /* One to the other: nothing for the box. A short frame is padded, which nobody sees. */
    for (uint8_t family = 4; family <= 6; family += 2)
        for (uint32_t i = 0; i < 2; i++) {
            EXPECT(send_on_segment(family, i, of(family, 0, (uint8_t)(3 - i), 1000), 5));
            ns3_run(net.network, ns3_now(net.network) + S);
            const struct event *received = EVENT(RECEIVED, 1 - i, family / 2 - 2);
            EXPECT_INT(received->size, 5);
            EXPECT_INT(EVENT(ARRIVED, 2 * (1 - i), family / 2 - 2)->size, family == 4 ? 33 : 53);
        }
    EXPECT_INT(count_at(ARRIVED, 1) + count_at(ARRIVED, 3), 0);
    EXPECT_INT(net.counts[LEFT], 4);
    EXPECT_INT(net.passed, 8); /* each by the sender's way up and the receiver's way down */

    /* Elsewhere, by the box, which sends it to the other host as if it were the end of its way. */
    for (uint8_t family = 4; family <= 6; family += 2)
        for (uint32_t i = 0; i < 2; i++) {
            EXPECT(send_on_segment(family, i, of(family, 7, 7, 7), 5));
            ns3_run(net.network, ns3_now(net.network) + S);
            EXPECT_INT(EVENT(ARRIVED, 2 * i + 1, family / 2 - 2)->size, family == 4 ? 33 : 53);
        }
    EXPECT_INT(net.counts[ARRIVED], 8);
    struct event to_first = *EVENT(ARRIVED, 0, 0);
    ns3_carry(net.network, 1, to_first.head, to_first.size);
    to_first = *EVENT(ARRIVED, 0, 1);
    ns3_carry(net.network, 1, to_first.head, to_first.size);
    ns3_run(net.network, ns3_now(net.network) + S);
    EXPECT_INT(count_at(RECEIVED, 0), 4);
    EXPECT_INT(count_at(RECEIVED, 1), 2);
    finish();
}

static void segment_drop_tail(void)
{
    segment(NS3_QUEUE_DROP_TAIL);
}

static void segment_codel(void)
{
    segment(NS3_QUEUE_CODEL);
}

/* A host goes down, and another up again, while a solicitation waits for its turn. */
static void down_while_it_asks(void)
{
    start(1);
    build_segment(0, NS3_QUEUE_DROP_TAIL);
    EXPECT(send_on_segment(6, 0, v6(0, 3, 1000), 5));
    ns3_set_up(net.network, 0, false);
    EXPECT(!send_on_segment(6, 0, v6(0, 3, 1000), 5));
    EXPECT(send_on_segment(6, 1, v6(0, 2, 1000), 5));
    ns3_set_up(net.network, 2, false);
    ns3_set_up(net.network, 2, true);
    ns3_run(net.network, S);
    EXPECT_INT(net.counts[RECEIVED], 0);
    ns3_set_up(net.network, 0, true);
    ns3_run(net.network, 10 * S);
    for (uint32_t i = 0; i < 2; i++) {
        EXPECT(send_on_segment(6, i, v6(0, (uint8_t)(3 - i), 1000), 5));
        EXPECT(send_on_segment(4, i, v4(0, (uint8_t)(3 - i), 1000), 5));
    }
    ns3_run(net.network, 20 * S);
    EXPECT_INT(count_at(RECEIVED, 0), 2);
    EXPECT_INT(count_at(RECEIVED, 1), 2);
    finish();
}

/* Both hosts send more than the medium holds: all of it either arrives or is dropped by a queue. */
static void busy_segment(void)
{
    start(1);
    build_segment(1000000, NS3_QUEUE_DROP_TAIL);
    for (uint32_t i = 0; i < 2; i++)
        EXPECT(send_on_segment(4, i, v4(0, (uint8_t)(3 - i), 1000), 5));
    ns3_run(net.network, S);
    for (uint32_t n = 0; n < 500; n++) {
        for (uint32_t i = 0; i < 2; i++)
            EXPECT(send_on_segment(4, i, v4(7, 7, 7), 972));
        ns3_run(net.network, ns3_now(net.network) + 4 * MS);
    }
    ns3_run(net.network, ns3_now(net.network) + 60 * S);
    EXPECT(count_at(DROPPED, 0) > 0);
    EXPECT(count_at(DROPPED, 2) > 0);
    EXPECT_INT(count_at(ARRIVED, 1) + count_at(DROPPED, 0), 500);
    EXPECT_INT(count_at(ARRIVED, 3) + count_at(DROPPED, 2), 500);
    finish();
}

/* ---- Flows ----------------------------------------------------------------------------------- */

static struct ns3_flow flow_of(uint8_t family, bool upload, uint16_t port)
{
    return (struct ns3_flow){.client = 0,
                             .server = 2,
                             .address = of(family, 1, 2, port),
                             .upload = upload,
                             .from_ns = S,
                             .until_ns = 11 * S};
}

static void one_flow(uint8_t family, bool upload)
{
    start(1);
    build_even_path(10 * MS, 10000000);
    struct ns3_flow flow = flow_of(family, upload, 5000);
    uint32_t number = ns3_add_flow(net.network, &flow);
    ns3_run(net.network, S);
    EXPECT_INT(ns3_flow_bytes(net.network, number), 0);
    ns3_run(net.network, 11 * S);
    uint64_t bytes = ns3_flow_bytes(net.network, number);
    EXPECT(bytes > 10000000 / 8 * 10 * 9 / 10);
    EXPECT(bytes < 10000000 / 8 * 10);
    /* Over, and soon: what the sender still had is not sent. */
    ns3_run(net.network, 12 * S);
    EXPECT_INT(ns3_flow_bytes(net.network, number), bytes);
    uint64_t hash = net.hash;
    ns3_run(net.network, 15 * S);
    EXPECT(net.hash == hash);
    finish();
}

static void upload(void)
{
    one_flow(4, true);
}

static void download(void)
{
    one_flow(6, false);
}

static void two_flows(void)
{
    start(1);
    build_even_path(10 * MS, 10000000);
    struct ns3_flow flows[2] = {flow_of(4, false, 5000), flow_of(6, false, 5001)};
    for (uint32_t i = 0; i < 2; i++)
        EXPECT_INT(ns3_add_flow(net.network, &flows[i]), i);
    ns3_run(net.network, 12 * S);
    uint64_t first = ns3_flow_bytes(net.network, 0);
    uint64_t second = ns3_flow_bytes(net.network, 1);
    EXPECT(first > 1000000);
    EXPECT(second > 1000000);
    EXPECT(first + second > 10000000 / 8 * 10 * 9 / 10);
    EXPECT(first + second < 10000000 / 8 * 10);
    finish();
}

/* ---- Seeds ----------------------------------------------------------------------------------- */

/* Everything that draws: RED, the back-off of a segment, and TCP over both. */
static uint64_t hash_of_a_run(uint64_t seed)
{
    start(seed);
    build_segment(2000000, NS3_QUEUE_RED);
    uint32_t host = ns3_host(net.network);
    struct ns3_way way = way_of(20 * MS, 1000000);
    way.queue = NS3_QUEUE_RED;
    way.queue_bytes = 30000;
    ns3_link(net.network, 2, (uint32_t[2]){2, host}, (const struct ns3_way[2]){way, way});
    give_addresses(5, 7, 7);
    give_defaults(5, NULL, 0);
    net.to[1] = 4;
    net.to[4] = 1;
    struct ns3_flow flow = {.client = 0,
                            .server = host,
                            .address = v4(7, 7, 5000),
                            .upload = true,
                            .from_ns = 10 * MS,
                            .until_ns = 5 * S};
    ns3_add_flow(net.network, &flow);
    for (uint32_t n = 0; n < 1000; n++) {
        EXPECT(send_on_segment(n % 2 == 0 ? 4 : 6, 1, of(n % 2 == 0 ? 4 : 6, 0, 2, 1000), 500));
        ns3_run(net.network, (n + 1) * 5 * MS);
    }
    EXPECT(ns3_flow_bytes(net.network, 0) > 100000);
    EXPECT(net.counts[DROPPED] > 0);
    finish();
    return net.hash;
}

/* In a process that has nothing of this one's. */
static uint64_t hash_elsewhere(const char *seed)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        execl("/proc/self/exe", "shim_queue_test", seed, (char *)NULL);
        _exit(1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    uint64_t hash;
    assert_int_equal(read(ends[0], &hash, sizeof hash), sizeof hash);
    close(ends[0]);
    close(ends[1]);
    return hash;
}

/* ---- All of them ----------------------------------------------------------------------------- */

IN_CHILD(drop_tail)
IN_CHILD(disciplines)
IN_CHILD(thin_flow)
IN_CHILD(thin_flow_in_drop_tail)
IN_CHILD(segment_drop_tail)
IN_CHILD(segment_codel)
IN_CHILD(down_while_it_asks)
IN_CHILD(busy_segment)
IN_CHILD(upload)
IN_CHILD(download)
IN_CHILD(two_flows)

static void test_seeds(void **state)
{
    (void)state;
    uint64_t hash = hash_elsewhere("7");
    assert_true(hash_elsewhere("7") == hash);
    static const char *const others[] = {"0", "8", "1099511627783", "18446744073709551615"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_true(hash_elsewhere(others[i]) != hash);
}

/* With a seed: writes the hash of its run. */
int main(int argc, char **argv)
{
    if (argc > 1) {
        uint64_t hash = hash_of_a_run(strtoull(argv[1], NULL, 10));
        return write(STDOUT_FILENO, &hash, sizeof hash) == sizeof hash ? 0 : 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_drop_tail),
        cmocka_unit_test(test_disciplines),
        cmocka_unit_test(test_thin_flow),
        cmocka_unit_test(test_thin_flow_in_drop_tail),
        cmocka_unit_test(test_segment_drop_tail),
        cmocka_unit_test(test_segment_codel),
        cmocka_unit_test(test_down_while_it_asks),
        cmocka_unit_test(test_busy_segment),
        cmocka_unit_test(test_upload),
        cmocka_unit_test(test_download),
        cmocka_unit_test(test_two_flows),
        cmocka_unit_test(test_seeds),
    };
    return cmocka_run_group_tests_name("queues on ns-3", tests, NULL, NULL);
}
