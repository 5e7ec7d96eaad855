/* Tests of the shim: datagrams, stacks, losses and time, as its header says. */
#include "sim/ns3/shim_test.h"

/* ---- Datagrams ------------------------------------------------------------------------------- */

static bool same(const struct ns3_address *a, const struct ns3_address *b)
{
    return a->family == b->family && a->port == b->port &&
           memcmp(a->ip, b->ip, a->family == 4 ? 4 : 16) == 0;
}

static void datagrams(void)
{
    start(1);
    build_even_path(5 * MS, 0);
    static const struct {
        uint8_t family;
        uint8_t ttl;
        bool dont_fragment;
    } cases[] = {{4, 64, false}, {4, 3, true}, {4, 1, false}, {6, 64, false}, {6, 7, true}};
    for (uint32_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t family = cases[i].family;
        struct ns3_datagram datagram = {.local = of(family, 0, 2, 1000),
                                        .remote = of(family, 1, 2, 2000),
                                        .end = 0,
                                        .ttl = cases[i].ttl,
                                        .dont_fragment = cases[i].dont_fragment};
        uint64_t sent_ns = ns3_now(net.network);
        EXPECT(ns3_send(net.network, 0, &datagram, payload, 25));
        ns3_run(net.network, sent_ns + 100 * MS);
        uint32_t header = family == 4 ? 20 : 40;
        const struct event *left = EVENT(LEFT, 0, i);
        EXPECT_INT(left->at_ns, sent_ns);
        EXPECT_INT(left->size, header + 8 + 25);
        EXPECT_INT(left->head[family == 4 ? 8 : 7], cases[i].ttl);
        if (family == 4)
            EXPECT_INT((left->head[6] & 0x40) != 0, cases[i].dont_fragment);
        EXPECT(udp_sum_is_good(left));
        EXPECT(memcmp(left->head + header + 8, payload, 25) == 0);
        for (uint32_t end = 1; end <= 3; end += 2)
            EXPECT(memcmp(EVENT(ARRIVED, end, i)->head, left->head, left->size) == 0);
        const struct event *received = EVENT(RECEIVED, 2, i);
        EXPECT_INT(received->size, 25);
        EXPECT(memcmp(received->head, payload, 25) == 0);
        EXPECT(same(&received->local, &datagram.remote));
        EXPECT(same(&received->remote, &datagram.local));
        EXPECT(received > EVENT(ARRIVED, 3, i));
    }
    EXPECT_INT(net.counts[DROPPED], 0);
    finish();
}

/* A packet takes its size over the rate, and the latency; each direction its own. */
static void latency(void)
{
    start(1);
    build_path((const struct ns3_way[4]){way_of(10 * MS, 8000000), way_of(3 * MS, 1000000),
                                         way_of(0, 2000000), way_of(7 * MS, 4000000)});
    open_ports();
    EXPECT(send_first(4, 970));
    ns3_run(net.network, S);
    EXPECT_INT(EVENT(ARRIVED, 1, 0)->at_ns, 10 * MS + 1 * MS);
    EXPECT_INT(EVENT(ARRIVED, 3, 0)->at_ns, 11 * MS + 4 * MS);
    EXPECT_INT(EVENT(RECEIVED, 2, 0)->at_ns, 15 * MS);
    EXPECT(send_second(6, 950));
    ns3_run(net.network, 2 * S);
    EXPECT_INT(EVENT(ARRIVED, 2, 0)->at_ns, S + 7 * MS + 2 * MS);
    EXPECT_INT(EVENT(RECEIVED, 0, 0)->at_ns, S + 9 * MS + 3 * MS + 8 * MS);

    /* A shorter latency lets nothing overtake. */
    EXPECT(send_first(4, 970));
    struct ns3_way shorter = way_of(MS, 8000000);
    ns3_run(net.network, 2 * S + MS);
    ns3_set_way(net.network, 0, &shorter);
    EXPECT(send_first(4, 970));
    ns3_run(net.network, 3 * S);
    EXPECT_INT(EVENT(ARRIVED, 1, 1)->at_ns, 2 * S + 11 * MS);
    EXPECT_INT(EVENT(ARRIVED, 1, 2)->at_ns, 2 * S + 11 * MS);
    EXPECT(send_first(4, 970));
    ns3_run(net.network, 4 * S);
    EXPECT_INT(EVENT(ARRIVED, 1, 3)->at_ns, 3 * S + 2 * MS);
    finish();
}

static void fragments(void)
{
    start(1);
    build_even_path(MS, 0);
    for (uint8_t family = 4; family <= 6; family += 2) {
        uint32_t header = family == 4 ? 20 : 40;
        struct ns3_datagram whole = {.local = of(family, 0, 2, 1000),
                                     .remote = of(family, 1, 2, 2000),
                                     .ttl = 64,
                                     .dont_fragment = true};
        EXPECT(ns3_send(net.network, 0, &whole, payload, 1500 - header - 8));
        EXPECT(!ns3_send(net.network, 0, &whole, payload, 1501 - header - 8));
        whole.dont_fragment = false;
        EXPECT(ns3_send(net.network, 0, &whole, payload, 4000));
    }
    ns3_run(net.network, S);
    EXPECT_INT(count_at(RECEIVED, 2), 4);
    EXPECT_INT(EVENT(RECEIVED, 2, 1)->size, 4000);
    EXPECT_INT(EVENT(RECEIVED, 2, 3)->size, 4000);
    EXPECT_INT(count_at(LEFT, 0), 2 + 3 + 3);
    for (uint32_t i = 0; i < 8; i++)
        EXPECT(EVENT(LEFT, 0, i)->size <= 1500);
    finish();
}

static void losses(void)
{
    start(1);
    build_even_path(MS, 0);
    net.lose_every = 3;
    for (uint32_t i = 0; i < 30; i++) {
        EXPECT(send_first(i % 2 == 0 ? 4 : 6, 10));
        ns3_run(net.network, (i + 1) * 10 * MS);
    }
    /* Each packet is asked for at both links, unless it is lost on the first. */
    EXPECT_INT(count_at(LEFT, 0), 30);
    EXPECT_INT(net.passed, 30 + count_at(ARRIVED, 1));
    EXPECT_INT(net.passed / 3, 30 - count_at(ARRIVED, 3));
    EXPECT_INT(count_at(RECEIVED, 2), count_at(ARRIVED, 3));
    finish();
}

/* What a stack has sent does not get out while the world says so, and a box's neither. */
static void kept_back(void)
{
    start(1);
    build_even_path(MS, 0);
    EXPECT(send_first(4, 10));
    ns3_run(net.network, 10 * MS);
    net.keeps = 0 + 1;
    EXPECT(send_first(4, 10));
    ns3_run(net.network, 20 * MS);
    EXPECT_INT(count_at(LEFT, 0), 2);
    EXPECT_INT(count_at(ARRIVED, 1), 1);
    net.keeps = 2 + 1;
    EXPECT(send_first(4, 10));
    ns3_run(net.network, 30 * MS);
    EXPECT_INT(count_at(ARRIVED, 1), 2);
    EXPECT_INT(count_at(RECEIVED, 2), 1);
    net.keeps = 0;
    EXPECT(send_first(4, 10));
    ns3_run(net.network, 40 * MS);
    EXPECT_INT(count_at(RECEIVED, 2), 2);
    finish();
}

static void unreachable_ports(void)
{
    start(1);
    build_even_path(MS, 0);
    for (uint8_t family = 4; family <= 6; family += 2)
        EXPECT(send_first(family, 10));
    ns3_run(net.network, 100 * MS);
    EXPECT_INT(count_at(RECEIVED, 2), 2);
    struct ns3_address taken = v4(1, 2, 2000);
    EXPECT(!ns3_open(net.network, 2, &taken));

    ns3_close(net.network, 2, 2000);
    for (uint8_t family = 4; family <= 6; family += 2)
        EXPECT(send_first(family, 10));
    ns3_run(net.network, 200 * MS);
    EXPECT_INT(count_at(RECEIVED, 2), 2);
    EXPECT_INT(count_at(LEFT, 3), 2);
    const struct event *four = EVENT(ARRIVED, 0, 0);
    EXPECT_INT(four->head[9], 1);
    EXPECT_INT(four->head[20], 3);
    EXPECT_INT(four->head[21], 3);
    /* It quotes what it answers. */
    EXPECT(memcmp(four->head + 28 + 12, EVENT(LEFT, 0, 2)->head + 12, 8) == 0);
    const struct event *six = EVENT(ARRIVED, 0, 1);
    EXPECT_INT(six->head[6], 58);
    EXPECT_INT(six->head[40], 1);
    EXPECT_INT(six->head[41], 4);

    EXPECT(ns3_open(net.network, 2, &taken));
    EXPECT(send_first(4, 10));
    EXPECT(!send_second(6, 10)); /* it was closed as well */
    ns3_run(net.network, 300 * MS);
    EXPECT_INT(count_at(RECEIVED, 2), 3);
    finish();
}

static void up_and_down(void)
{
    start(1);
    build_even_path(MS, 0);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint8_t family = 4; family <= 6; family += 2) {
            EXPECT(send_first(family, 10));
            EXPECT(send_second(family, 10));
        }
        ns3_run(net.network, ns3_now(net.network) + 10 * MS);
        EXPECT_INT(count_at(RECEIVED, 0), 2 * (round + 1));
        EXPECT_INT(count_at(RECEIVED, 2), 2 * (round + 1));

        uint32_t left = count_at(LEFT, 0);
        uint32_t arrived = count_at(ARRIVED, 0);
        ns3_set_up(net.network, 0, false);
        ns3_set_up(net.network, 0, false);
        for (uint8_t family = 4; family <= 6; family += 2) {
            EXPECT(!send_first(family, 10));
            EXPECT(send_second(family, 10));
        }
        ns3_run(net.network, ns3_now(net.network) + 10 * MS);
        EXPECT_INT(count_at(RECEIVED, 0), 2 * (round + 1));
        EXPECT_INT(count_at(LEFT, 0), left);
        EXPECT_INT(count_at(ARRIVED, 0), arrived);
        ns3_set_up(net.network, 0, true);
    }
    finish();
}

/* IPv6 needs 1280 bytes (RFC 8200, section 5). */
static void small_mtu(void)
{
    start(1);
    struct ns3_way way = way_of(MS, 0);
    way.mtu = 1279;
    build_path((const struct ns3_way[4]){way, way, way, way});
    open_ports();
    EXPECT(send_first(4, 1000));
    EXPECT(!send_first(6, 1000));
    ns3_set_up(net.network, 0, false);
    ns3_run(net.network, S);
    ns3_set_up(net.network, 0, true);
    EXPECT(send_first(4, 2000));
    ns3_run(net.network, 2 * S);
    EXPECT_INT(count_at(RECEIVED, 2), 2);
    EXPECT_INT(count_at(LEFT, 0), 3);
    finish();
}

/* Nothing of it is on the link. */
static void to_itself(void)
{
    start(1);
    build_even_path(MS, 0);
    for (uint8_t family = 4; family <= 6; family += 2) {
        struct ns3_datagram datagram = {.local = of(family, 0, 2, 1000),
                                        .remote = of(family, 0, 2, 1000),
                                        .ttl = 64,
                                        .dont_fragment = true};
        EXPECT(ns3_send(net.network, 0, &datagram, payload, 10));
    }
    ns3_run(net.network, S);
    EXPECT_INT(count_at(RECEIVED, 0), 2);
    EXPECT_INT(net.counts[LEFT] + net.counts[ARRIVED], 0);
    finish();
}

/* Host 0 has two links to the box: what it sends leaves by the end that the datagram names. */
static void two_interfaces(void)
{
    start(1);
    struct ns3_way way = way_of(MS, 0);
    const struct ns3_way ways[2] = {way, way};
    uint32_t host = ns3_host(net.network);
    uint32_t box = ns3_box(net.network);
    for (uint32_t link = 0; link < 2; link++) {
        ns3_link(net.network, link, (uint32_t[2]){host, box}, ways);
        give_addresses(2 * link, (uint8_t)link, 2);
        give_defaults(2 * link, NULL, link);
    }
    uint32_t seen[2] = {0, 0};
    for (uint8_t family = 4; family <= 6; family += 2)
        for (uint32_t from = 0; from < 2; from++) {
            struct ns3_datagram datagram = {.local = of(family, (uint8_t)from, 2, 1000),
                                            .remote = of(family, 9, 9, 9),
                                            .ttl = 64};
            EXPECT(ns3_open(net.network, host, &datagram.local));
            for (uint32_t link = 0; link < 2; link++) {
                datagram.end = 2 * link;
                EXPECT(ns3_send(net.network, host, &datagram, payload, 10));
                const struct event *left = EVENT(LEFT, 2 * link, seen[link]++);
                const uint8_t *source = left->head + (family == 4 ? 12 : 8);
                EXPECT(memcmp(source, datagram.local.ip, family == 4 ? 4 : 16) == 0);
            }
        }
    ns3_run(net.network, S);
    EXPECT_INT(count_at(ARRIVED, 1), 4);
    EXPECT_INT(count_at(ARRIVED, 3), 4);
    finish();
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void send_on_wake(void)
{
    EXPECT(send_first(4, 10));
}

static void time_passes(void)
{
    start(1);
    build_even_path(0, 0);
    EXPECT_INT(ns3_now(net.network), 0);
    ns3_wake(net.network, 5 * MS);
    ns3_run(net.network, 5 * MS - 1);
    EXPECT_INT(net.woken, 0);
    EXPECT_INT(ns3_now(net.network), 5 * MS - 1);
    net.wake_again = 3;
    ns3_run(net.network, 5 * MS);
    EXPECT_INT(net.woken, 4);
    EXPECT_INT(net.woken_ns, 5 * MS);
    EXPECT_INT(ns3_now(net.network), 5 * MS);

    ns3_wake(net.network, 6 * MS);
    ns3_wake(net.network, 7 * MS);
    ns3_run(net.network, 10 * MS);
    EXPECT_INT(net.woken, 5);
    EXPECT_INT(net.woken_ns, 7 * MS);
    ns3_wake(net.network, 11 * MS);
    ns3_wake(net.network, UINT64_MAX);
    ns3_run(net.network, 20 * MS);
    EXPECT_INT(net.woken, 5);
    ns3_wake(net.network, 0);
    ns3_run(net.network, 20 * MS);
    EXPECT_INT(net.woken, 6);
    EXPECT_INT(net.woken_ns, 20 * MS);

    /* What is sent at the last moment leaves at that moment. */
    uint64_t events = ns3_event_count(net.network);
    ns3_run(net.network, 30 * MS);
    EXPECT_INT(ns3_event_count(net.network), events);
    net.on_wake = send_on_wake;
    ns3_wake(net.network, 40 * MS);
    ns3_run(net.network, 40 * MS);
    EXPECT_INT(EVENT(LEFT, 0, 0)->at_ns, 40 * MS);
    EXPECT_INT(ns3_event_count(net.network), events + 1);
    ns3_run(net.network, 41 * MS);
    EXPECT_INT(count_at(RECEIVED, 2), 1);
    EXPECT(ns3_event_count(net.network) > events + 1);
    finish();
}

/* ---- All of them ----------------------------------------------------------------------------- */

IN_CHILD(datagrams)
IN_CHILD(latency)
IN_CHILD(fragments)
IN_CHILD(kept_back)
IN_CHILD(losses)
IN_CHILD(unreachable_ports)
IN_CHILD(up_and_down)
IN_CHILD(small_mtu)
IN_CHILD(to_itself)
IN_CHILD(two_interfaces)
IN_CHILD(time_passes)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_datagrams),   cmocka_unit_test(test_latency),
        cmocka_unit_test(test_fragments),   cmocka_unit_test(test_kept_back),
        cmocka_unit_test(test_losses),      cmocka_unit_test(test_unreachable_ports),
        cmocka_unit_test(test_up_and_down), cmocka_unit_test(test_small_mtu),
        cmocka_unit_test(test_to_itself),   cmocka_unit_test(test_two_interfaces),
        cmocka_unit_test(test_time_passes),
    };
    return cmocka_run_group_tests_name("datagrams on ns-3", tests, NULL, NULL);
}
