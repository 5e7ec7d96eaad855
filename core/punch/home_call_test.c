/* Tests of core/punch/home_call.c, from docs/protocol.md, "Registration and calls". */
#include "core/punch/home_call_test.h"

/* ---- One home -------------------------------------------------------------------------------- */

static void test_common_home(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    uint64_t start_ns = w->now_ns;
    /* Data right behind the CONNECT, which arrives after the way has been made. */
    connect_to(a, S0, b, 1, 11);
    data_to(a, S0, 11, 0x77);
    run_for(SECOND);
    const struct punch_message *to_a = offer_of(a, b, true, 1), *to_b = offer_of(b, a, false, 1);
    assert_non_null(to_a);
    assert_non_null(to_b);
    assert_int_equal(to_a->channel, 11);
    assert_int_equal(heard(a, PUNCH_OFFER)->at_ns, start_ns + 20 * MS);
    assert_int_equal(heard(b, PUNCH_OFFER)->at_ns, start_ns + 20 * MS);
    assert_int_equal(a->count, 1);
    assert_int_equal(b->count, 1);
    assert_int_equal(b->data_count, 1);
    assert_int_equal(b->data_channel, to_b->channel);
    assert_int_equal(b->data[0], 0x77);
    assert_true(data_passes(a, S0, 11, b, to_b->channel));
    assert_true(data_passes(b, S0, to_b->channel, a, 11));
    assert_int_equal(S0->counts[TRACE_HOME_CALL], 1);
}

static struct punch_candidate host_v4(uint32_t ip, uint16_t port)
{
    return (struct punch_candidate){addr_v4(ip, port), PUNCH_CANDIDATE_HOST};
}

static struct punch_candidate host_v6(uint16_t head, uint16_t port)
{
    uint8_t ip[16] = {(uint8_t)(head >> 8), (uint8_t)head, [15] = 9};
    return (struct punch_candidate){addr_v6(ip, port), PUNCH_CANDIDATE_HOST};
}

/* An address that a client claims is passed on if it is local, or seen to be its own. */
static void test_candidates(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    uint32_t own = 0xcb007101; /* where client 0 is seen, as client_start() says */
    const struct {
        struct punch_candidate candidate;
        bool passed_on;
    } cases[] = {
        {host_v4(0x0a000001, 1), true},   /* 10.0.0.1 */
        {host_v4(0x0affffff, 2), true},   /* 10.255.255.255 */
        {host_v4(0x0b000001, 3), false},  /* 11.0.0.1 */
        {host_v4(0xac100001, 4), true},   /* 172.16.0.1 */
        {host_v4(0xac1f0001, 5), true},   /* 172.31.0.1 */
        {host_v4(0xac200001, 6), false},  /* 172.32.0.1 */
        {host_v4(0xac0f0001, 7), false},  /* 172.15.0.1 */
        {host_v4(0xc0a80001, 8), true},   /* 192.168.0.1 */
        {host_v4(0xc0a90001, 9), false},  /* 192.169.0.1 */
        {host_v4(0x64400001, 10), true},  /* 100.64.0.1 */
        {host_v4(0x647f0001, 11), true},  /* 100.127.0.1 */
        {host_v4(0x64800001, 12), false}, /* 100.128.0.1 */
        {host_v4(0x643f0001, 13), false}, /* 100.63.0.1 */
        {host_v4(0xa9fe0001, 14), true},  /* 169.254.0.1 */
        {host_v4(0xa9ff0001, 15), false}, /* 169.255.0.1 */
        {host_v4(0x7f000001, 16), false}, /* 127.0.0.1 */
        {host_v4(0x08080808, 17), false}, /* 8.8.8.8: a victim's */
        {host_v4(own, 18), true},         {host_v4(own + 1, 19), false},
        {host_v6(0xfe80, 20), true},      {host_v6(0xfebf, 21), true},
        {host_v6(0xfec0, 22), false},     {host_v6(0xfc00, 23), true},
        {host_v6(0xfd01, 24), true},      {host_v6(0xfe00, 25), false},
        {host_v6(0x2001, 26), false},
    };
    enum { COUNT = sizeof cases / sizeof cases[0], AT_ONCE = 5 };
    for (unsigned i = 0; i < COUNT; i += AT_ONCE) {
        unsigned given = 0, passed = 0;
        for (; given < AT_ONCE && i + given < COUNT; given++)
            a->party.candidates[given] = cases[i + given].candidate;
        a->party.candidate_count = (uint8_t)given;
        client_registers(a, S0, true);
        connect_to(a, S0, b, (uint8_t)i, 11);
        run_for(SECOND);
        const struct punch_message *offer = offer_of(b, a, false, (uint8_t)i);
        for (unsigned j = 0; j < given; j++)
            if (cases[i + j].passed_on) {
                assert_int_equal(offer->party.candidates[passed].kind, PUNCH_CANDIDATE_HOST);
                assert_true(addr_equal(&offer->party.candidates[passed].addr,
                                       &cases[i + j].candidate.addr));
                passed++;
            }
        assert_int_equal(offer->party.candidate_count, passed + 1);
        forget(a);
        forget(b);
    }
    /* As many as there may be: one gives way to where the client is seen. */
    for (unsigned i = 0; i < PUNCH_CANDIDATES_MAX; i++)
        a->party.candidates[i] = host_v4(0x0a000001 + i, 1);
    a->party.candidate_count = PUNCH_CANDIDATES_MAX;
    client_registers(a, S0, true);
    connect_to(a, S0, b, 99, 11);
    run_for(SECOND);
    assert_int_equal(offer_of(b, a, false, 99)->party.candidate_count, PUNCH_CANDIDATES_MAX);
}

static void test_other_us(void **state)
{
    (void)state;
    static const struct {
        uint32_t a, b, caller, callee;
    } cases[] = {
        {10000, 10000, 0, 0},
        {10000, 30000, 20000, 0},
        {30000, 10000, 0, 20000},
        {0, 0, 0, 0},
        {UINT32_MAX, 0, 0, HOME_OTHER_MAX_US},
        {0, UINT32_MAX, HOME_OTHER_MAX_US, 0},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world_make(1, 8, 8, 8);
        client_start(0)->party.delay_us = cases[i].a;
        client_start(1)->party.delay_us = cases[i].b;
        struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
        connect_to(a, S0, b, 1, 11);
        run_for(SECOND);
        assert_int_equal(offer_of(a, b, true, 1)->other_us, cases[i].caller);
        assert_int_equal(offer_of(b, a, false, 1)->other_us, cases[i].callee);
    }
}

static void test_repeated_connect(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    uint32_t channel = 0;
    for (unsigned i = 0; i < 4; i++) {
        connect_to(a, S0, b, 1, 11);
        run_for(SECOND);
        const struct punch_message *to_b = offer_of(b, a, false, 1);
        assert_int_equal(heard_count(a, PUNCH_OFFER), i + 1);
        assert_int_equal(heard_count(b, PUNCH_OFFER), i + 1);
        if (i > 0)
            assert_int_equal(to_b->channel, channel);
        channel = to_b->channel;
        assert_true(data_passes(a, S0, 11, b, channel));
    }
    /* Another call: another nonce, another channel of the caller's; the pair and the rest stay. */
    connect_to(a, S0, b, 2, 12);
    run_for(SECOND);
    assert_int_equal(offer_of(a, b, true, 2)->channel, 12);
    assert_int_equal(offer_of(b, a, false, 2)->channel, channel);
    assert_true(data_passes(a, S0, 12, b, channel));
    assert_false(data_passes(a, S0, 11, b, channel));
    /* The other side calls: now it chooses its channel. */
    connect_to(b, S0, a, 3, 21);
    run_for(SECOND);
    assert_int_equal(offer_of(b, a, true, 3)->channel, 21);
    assert_int_equal(offer_of(a, b, false, 3)->channel, 12);
    assert_true(data_passes(b, S0, 21, a, 12));
    assert_true(data_passes(a, S0, 12, b, 21));
    assert_int_equal(S0->relay.pairs.used, 1);
}

static void test_refusals_at_one_home(void **state)
{
    (void)state;
    world_make(1, 8, 8, 2);
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    struct node_rig *c = client_at_home(2, S0, true), *d = client_start(3);
    /* Nobody is known by that name, and there is no other server to ask. */
    uint64_t start_ns = w->now_ns;
    connect_to(a, S0, d, 1, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, d, 1), PUNCH_REFUSED_UNKNOWN);
    assert_int_equal(heard(a, PUNCH_REFUSED)->at_ns, start_ns + 20 * MS);
    assert_int_equal(S0->relay.pairs.used, 0);
    /* One has a session but is not registered. */
    client_open(d, S0);
    run_for(SECOND);
    client_pings(d, S0);
    run_for(SECOND);
    connect_to(a, S0, d, 2, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, d, 2), PUNCH_REFUSED_UNKNOWN);
    connect_to(a, S0, a, 3, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, a, 3), PUNCH_REFUSED_RULES);
    /* The channel number is taken. */
    connect_to(a, S0, b, 4, 11);
    connect_to(a, S0, c, 5, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, c, 5), PUNCH_REFUSED_CHANNEL);
    assert_int_equal(S0->relay.pairs.used, 1);
    connect_to(a, S0, c, 6, 12);
    run_for(SECOND);
    assert_non_null(offer_of(a, c, true, 6));
    /* The relay is full. */
    connect_to(b, S0, c, 7, 13);
    run_for(SECOND);
    assert_int_equal(refusal_heard(b, c, 7), PUNCH_REFUSED_QUOTA);
    uint32_t channel = offer_of(c, a, false, 6)->channel;
    assert_true(data_passes(a, S0, 12, c, channel));
    /* An established pair outlives a call that is refused, */
    connect_to(a, S0, c, 9, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, c, 9), PUNCH_REFUSED_CHANNEL);
    assert_true(data_passes(a, S0, 12, c, channel));
    /* and can be called again although the relay is full. */
    connect_to(a, S0, c, 8, 12);
    run_for(SECOND);
    assert_non_null(offer_of(a, c, true, 8));
}

static void test_rate_of_calls(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    for (unsigned i = 0; i < HOME_CALLS_BURST + 5; i++)
        connect_to(a, S0, b, 1, 11);
    run_for(50 * MS);
    assert_int_equal(heard_count(a, PUNCH_OFFER), HOME_CALLS_BURST);
    assert_int_equal(heard_count(b, PUNCH_OFFER), HOME_CALLS_BURST);
    assert_int_equal(heard_count(a, PUNCH_REFUSED), 5);
    assert_int_equal(refusal_heard(a, b, 1), PUNCH_REFUSED_QUOTA);
    /* The pair that there is does not suffer. */
    run_for(30 * MS);
    assert_int_equal(S0->relay.pairs.used, 1);
    forget(a);
    for (unsigned i = 0; i < 50; i++) {
        connect_to(a, S0, b, 1, 11);
        run_for(20 * MS);
    }
    assert_in_range(heard_count(a, PUNCH_OFFER), 9, 11);
    forget(a);
    /* Another client's calls are its own. */
    connect_to(b, S0, a, 2, 22);
    run_for(SECOND);
    assert_non_null(offer_of(b, a, true, 2));
}

/* A client that is nowhere proven is neither called nor may it call. */
static void test_unproven_client(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0), *b = client_at_home(1, S0, true);
    struct addr hello_from = a->addr;
    client_open(a, S0);
    run_for(100 * MS);
    a->addr = addr_v4(0xcb007150, 5000);
    client_registers(a, S0, true);
    run_for(100 * MS);
    assert_non_null(record_of_client(S0, a));
    assert_int_equal(record_of_client(S0, a)->route.remote.family, ADDR_NONE);
    w->victim = hello_from;
    connect_to(b, S0, a, 1, 11);
    connect_to(a, S0, b, 2, 22);
    run_for(SECOND);
    assert_int_equal(refusal_heard(b, a, 1), PUNCH_REFUSED_UNKNOWN);
    assert_null(heard(b, PUNCH_OFFER));
    assert_int_equal(w->victim_datagrams, 0);
    /* The challenge that it got makes it whole. */
    struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
    memcpy(answer.token, heard(a, PUNCH_CHALLENGE)->message.token, sizeof answer.token);
    client_say(a, S0, &answer);
    connect_to(a, S0, b, 3, 22);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 3));
}

static void test_callee_gone(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    connect_to(a, S0, b, 1, 11);
    for (unsigned i = 0; i < 10; i++) {
        client_pings(a, S0);
        data_to(a, S0, 11, 1);
        run_for(10 * SECOND);
    }
    assert_int_equal(S0->relay.pairs.used, 0);
    connect_to(a, S0, b, 2, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, b, 2), PUNCH_REFUSED_UNKNOWN);
}

/* ---- Two homes ------------------------------------------------------------------------------- */

static void test_two_homes(void **state)
{
    (void)state;
    S0->delay_ns = S1->delay_ns = 20 * MS;
    run_for(2 * HOME_PING_NS);
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    uint64_t start_ns = w->now_ns;
    connect_to(a, S0, b, 1, 11);
    data_to(a, S0, 11, 0x55);
    run_for(SECOND);
    const struct punch_message *to_a = offer_of(a, b, true, 1), *to_b = offer_of(b, a, false, 1);
    assert_non_null(to_a);
    assert_non_null(to_b);
    assert_int_equal(to_a->channel, 11);
    /* 30 ms to each home, 40 ms between them. */
    assert_int_equal(heard(b, PUNCH_OFFER)->at_ns, start_ns + 100 * MS);
    assert_int_equal(heard(a, PUNCH_OFFER)->at_ns, start_ns + 140 * MS);
    assert_int_equal(b->data_count, 1);
    assert_int_equal(b->data_channel, to_b->channel);
    assert_true(data_passes(a, S0, 11, b, to_b->channel));
    assert_true(data_passes(b, S1, to_b->channel, a, 11));
    assert_int_equal(S0->home.calls.used, 0);
    struct relay_pair *pair = pool_slot(&S0->relay.pairs, 0, &(struct handle){0});
    assert_true(addr_equal(&pair->leg[0].route.remote, &a->addr) ||
                addr_equal(&pair->leg[1].route.remote, &a->addr));
    /* The same call again: the same channels. */
    forget(a);
    forget(b);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 1));
    assert_true(data_passes(a, S0, 11, b, offer_of(b, a, false, 1)->channel));
    /* And another one, from the other side. */
    connect_to(b, S1, a, 2, 22);
    run_for(SECOND);
    assert_int_equal(offer_of(b, a, true, 2)->channel, 22);
    assert_int_equal(offer_of(a, b, false, 2)->channel, 11);
    assert_true(data_passes(b, S1, 22, a, 11));
    assert_true(data_passes(a, S0, 11, b, 22));
    assert_int_equal(S0->relay.pairs.used, 1);
    assert_int_equal(S1->relay.pairs.used, 1);
}

/* With a, b the ways from client to home and h that between homes, by the clock of the network. */
static void test_other_us_between_homes(void **state)
{
    (void)state;
    static const uint32_t ways_ms[][3] = {
        {10, 10, 0}, {10, 10, 25}, {10, 60, 25}, {60, 10, 25}, {5, 90, 40}, {5, 45, 40}, {70, 5, 3},
    };
    for (unsigned i = 0; i < sizeof ways_ms / sizeof ways_ms[0]; i++) {
        uint64_t a_ns = ways_ms[i][0] * MS, b_ns = ways_ms[i][1] * MS, h_ns = ways_ms[i][2] * MS;
        world_make(2, 8, 8, 8);
        /* The second server is h away from the middle, its client so much nearer to it. */
        S1->delay_ns = h_ns;
        run_for(3 * HOME_PING_NS);
        client_start(0)->party.delay_us = ways_ms[i][0] * 1000;
        client_start(1)->party.delay_us = ways_ms[i][1] * 1000;
        client_of_test(0)->delay_ns = a_ns;
        client_of_test(1)->delay_ns = b_ns;
        struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
        /* The client's word stands for the way, which the test network makes h longer. */
        uint64_t way_b_ns = b_ns + h_ns;
        b->party.delay_us = (uint32_t)(way_b_ns / 1000);
        client_registers(b, S1, true);
        run_for(SECOND);
        connect_to(a, S0, b, 1, 11);
        run_for(SECOND);
        uint64_t at_a_ns = heard(a, PUNCH_OFFER)->at_ns, at_b_ns = heard(b, PUNCH_OFFER)->at_ns;
        uint64_t later_b_us = at_b_ns > at_a_ns ? (at_b_ns - at_a_ns) / 1000 : 0;
        uint64_t later_a_us = at_a_ns > at_b_ns ? (at_a_ns - at_b_ns) / 1000 : 0;
        assert_int_equal(heard(a, PUNCH_OFFER)->message.other_us, later_b_us);
        assert_int_equal(heard(b, PUNCH_OFFER)->message.other_us, later_a_us);
    }
}

/* The announcement is lost: the home asks whoever there is. */
static void test_search(void **state)
{
    (void)state;
    world_make(3, 8, 8, 8);
    w->drop = drop_between_servers;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    w->drop = NULL;
    assert_null(location_at(S0, b));
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 1));
    uint32_t channel = offer_of(b, a, false, 1)->channel;
    assert_true(data_passes(a, S0, 11, b, channel));
    assert_true(data_passes(b, S1, channel, a, 11));
    assert_int_equal(S2->relay.pairs.used, 0);
    /* It is known now: the next call goes there alone. */
    assert_non_null(location_at(S0, b));
    uint64_t refused = S2->counts[TRACE_HOME_REFUSED];
    assert_int_equal(refused, 1);
    connect_to(a, S0, b, 2, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 2));
    assert_int_equal(S2->counts[TRACE_HOME_REFUSED], refused);
}

static void test_unknown_everywhere(void **state)
{
    (void)state;
    world_make(3, 8, 8, 8);
    S2->delay_ns = 50 * MS;
    struct node_rig *a = client_at_home(0, S0, true), *d = client_start(1);
    uint64_t start_ns = w->now_ns;
    connect_to(a, S0, d, 1, 11);
    run_for(SECOND);
    /* As soon as the slowest has answered. */
    assert_int_equal(refusal_heard(a, d, 1), PUNCH_REFUSED_UNKNOWN);
    assert_int_equal(heard(a, PUNCH_REFUSED)->at_ns, start_ns + 120 * MS);
    assert_int_equal(heard_count(a, PUNCH_REFUSED), 1);
    assert_int_equal(S0->relay.pairs.used, 0);
    assert_int_equal(S0->home.calls.used, 0);
    /* Nobody answers: the caller comes again, and in the end it is told. */
    forget(a);
    w->drop = drop_between_servers;
    for (unsigned i = 0; i < 4; i++) {
        connect_to(a, S0, d, 2, 11);
        run_for(500 * MS);
        assert_int_equal(a->count, 0);
    }
    connect_to(a, S0, d, 2, 11);
    run_for(500 * MS);
    assert_int_equal(refusal_heard(a, d, 2), PUNCH_REFUSED_UNKNOWN);
    assert_int_equal(S0->relay.pairs.used, 0);
}

/* Lost on the way, in either direction, and asked again. */
static void test_lost_introductions(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    for (unsigned i = 0; i < 3; i++) {
        w->drop = drop_between_servers;
        connect_to(a, S0, b, (uint8_t)i, 11);
        run_for((UINT64_C(10) * i + 11) * MS);
        w->drop = NULL;
        run_for(SECOND);
        assert_null(heard(a, PUNCH_OFFER));
        connect_to(a, S0, b, (uint8_t)i, 11);
        run_for(SECOND);
        assert_non_null(offer_of(a, b, true, (uint8_t)i));
        uint32_t channel = offer_of(b, a, false, (uint8_t)i)->channel;
        assert_true(data_passes(a, S0, 11, b, channel));
        assert_true(data_passes(b, S1, channel, a, 11));
        assert_int_equal(heard_count(a, PUNCH_OFFER), 1);
        forget(a);
        forget(b);
    }
}

/* Both call at the same moment: one call remains, and data passes both ways. */
static void test_crossing_calls(void **state)
{
    (void)state;
    for (unsigned searched = 0; searched < 2; searched++) {
        world_make(2, 8, 8, 8);
        if (searched)
            w->drop = drop_between_servers;
        struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
        w->drop = NULL;
        S0->delay_ns = S1->delay_ns = 10 * MS;
        for (unsigned i = 0; i < 3; i++) {
            forget(a);
            forget(b);
            connect_to(a, S0, b, (uint8_t)(10 + i), 11);
            connect_to(b, S1, a, (uint8_t)(20 + i), 22);
            run_for(SECOND);
            const struct letter *to_a = heard(a, PUNCH_OFFER), *to_b = heard(b, PUNCH_OFFER);
            assert_non_null(to_a);
            assert_non_null(to_b);
            assert_memory_equal(to_a->message.nonce, to_b->message.nonce, PUNCH_NONCE_SIZE);
            assert_int_equal(to_a->message.flag + to_b->message.flag, 1);
            assert_int_equal(to_a->message.channel, 11);
            assert_int_equal(to_b->message.channel, 22);
            assert_true(data_passes(a, S0, 11, b, 22));
            assert_true(data_passes(b, S1, 22, a, 11));
            assert_int_equal(S0->home.calls.used, 0);
            assert_int_equal(S1->home.calls.used, 0);
        }
    }
}

/* Calls do not cross when one of them was given up long before. */
static void test_call_after_a_lost_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        world_make(2, 8, 8, 8);
        struct node_rig *one = server_of_test(i), *other = server_of_test(1 - i);
        struct node_rig *a = client_at_home(0, one, true), *b = client_at_home(1, other, true);
        w->drop = drop_between_servers;
        connect_to(a, one, b, 1, 11);
        run_for(2 * SECOND);
        w->drop = NULL;
        connect_to(b, other, a, 2, 22);
        run_for(SECOND);
        assert_non_null(offer_of(b, a, true, 2));
        assert_non_null(offer_of(a, b, false, 2));
        assert_true(data_passes(b, other, 22, a, heard(a, PUNCH_OFFER)->message.channel));
    }
}

/* The callee's home is another one at the next call: so is the way there. */
static void test_callee_moves_home(void **state)
{
    (void)state;
    world_make(3, 8, 8, 8);
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 1));
    b->version = 1001;
    client_at_home(1, S2, true);
    connect_to(a, S0, b, 2, 11);
    data_to(a, S0, 11, 0x11);
    run_for(SECOND);
    assert_int_equal(S1->counts[TRACE_RELAY_FORWARDED], 0);
    assert_int_equal(S2->counts[TRACE_RELAY_FORWARDED], 1);
    assert_non_null(offer_of(a, b, true, 2));
    uint32_t channel = offer_of(b, a, false, 2)->channel;
    assert_true(data_passes(a, S0, 11, b, channel));
    assert_true(data_passes(b, S2, channel, a, 11));
    assert_int_equal(S2->relay.pairs.used, 1);
}

static bool drop_to_first(const struct packet *packet)
{
    struct addr first = relay_of(S0);
    return is_server(&packet->from) && addr_equal(&packet->to, &first);
}

/* The reserve knows where the callee is at home, and leaves the call to that one. */
static void test_search_finds_the_home(void **state)
{
    (void)state;
    world_make(3, 8, 8, 8);
    struct node_rig *a = client_at_home(0, S0, true);
    w->drop = drop_to_first;
    client_at_home(1, S1, false);
    struct node_rig *b = client_at_home(1, S2, true);
    w->drop = NULL;
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 1));
    assert_int_equal(heard_count(b, PUNCH_OFFER), 1);
    assert_int_equal(S1->relay.pairs.used, 0);
    assert_int_equal(S2->relay.pairs.used, 1);
}

/* The home that has lost its client asks, so its reserve does not send it back there. */
static void test_search_finds_the_reserve(void **state)
{
    (void)state;
    client_at_home(1, S1, false);
    struct node_rig *b = client_at_home(1, S0, true);
    run_for(5 * SECOND);
    node_start(S0, 2);
    know(S0, S1);
    for (unsigned i = 0; i < 4; i++) {
        client_pings(b, S1);
        run_for(5 * SECOND);
    }
    forget(b);
    struct node_rig *a = client_at_home(0, S0, true);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 1));
    assert_true(data_passes(a, S0, 11, b, offer_of(b, a, false, 1)->channel));
}

/* Where the callee should be it is not: the others are asked, that one not again. */
static void test_stale_location(void **state)
{
    (void)state;
    world_make(3, 8, 8, 8);
    struct node_rig *a = client_at_home(0, S0, true);
    client_at_home(1, S1, true);
    struct node_rig *b = client_of_test(1);
    w->drop = drop_to_first;
    b->version = 1001;
    client_at_home(1, S2, true);
    run_for(5 * SECOND);
    node_start(S1, 2);
    know(S1, S0);
    know(S1, S2);
    w->drop = NULL;
    for (unsigned i = 0; i < 2; i++) {
        client_pings(b, S2);
        run_for(10 * SECOND);
    }
    /* S2 has not told S0 again yet. */
    const struct home_location *location = location_at(S0, b);
    assert_non_null(location);
    assert_int_equal(location->version, 1000);
    forget(b);
    uint64_t refused = S1->counts[TRACE_HOME_REFUSED];
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 1));
    assert_int_equal(S1->counts[TRACE_HOME_REFUSED], refused + 1);
    connect_to(a, S0, b, 2, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 2));
    assert_int_equal(S1->counts[TRACE_HOME_REFUSED], refused + 1);
}

/* A client moves its home: the later registration counts, whatever the order of the news. */
static void test_home_moves(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    assert_non_null(location_at(S0, b));
    /* b is at home at S0 now, and in reserve at S1. */
    b->version = 1001;
    client_at_home(1, S0, true);
    assert_null(location_at(S0, b));
    assert_non_null(location_at(S1, b));
    assert_false(record_of_client(S1, b)->home);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_non_null(offer_of(b, a, false, 1));
    assert_int_equal(S1->relay.pairs.used, 0);
    /* A call through the reserve goes to the home. */
    struct node_rig *c = client_at_home(2, S1, true);
    connect_to(c, S1, b, 2, 33);
    run_for(SECOND);
    assert_non_null(offer_of(b, c, false, 2));
    assert_int_equal(S0->relay.pairs.used, 2);
    /* A registration that is older than that does not take it back. */
    b->version = 1005;
    client_registers(b, S0, true);
    run_for(SECOND);
    forget(b);
    client_say(b, S1,
               &(struct punch_message){
                   .type = PUNCH_REGISTER, .flag = 1, .version = 1003, .party = b->party});
    run_for(SECOND);
    assert_false(record_of_client(S1, b)->home);
    assert_true(record_of_client(S0, b)->home);
    assert_null(location_at(S0, b));
}

/* Its home is gone: the reserve serves, once the home is known not to have it, or not to answer. */
static void test_reserve_serves(void **state)
{
    (void)state;
    for (unsigned dead = 0; dead < 2; dead++) {
        world_make(2, 8, 8, 8);
        struct node_rig *a = client_at_home(0, S0, true);
        client_at_home(1, S0, false);
        struct node_rig *b = client_at_home(1, S1, true);
        assert_true(addr_equal(&record_of_client(S0, b)->route.remote, &b->addr));
        assert_non_null(location_at(S0, b));
        if (dead)
            S1->on = false;
        else
            node_start(S1, 2);
        for (unsigned i = 0; i < 8; i++) {
            client_pings(a, S0);
            client_pings(b, S0);
            run_for(10 * SECOND);
        }
        forget(a);
        connect_to(a, S0, b, 1, 11);
        run_for(SECOND);
        assert_non_null(offer_of(a, b, true, 1));
        assert_true(data_passes(a, S0, 11, b, offer_of(b, a, false, 1)->channel));
    }
}

/* Calls that wait are as many as clients; one more makes the oldest forgotten. */
static void test_waiting_calls_full(void **state)
{
    (void)state;
    world_make(2, 2, 8, 16);
    struct node_rig *a = client_at_home(0, S0, true);
    w->drop = drop_between_servers;
    for (unsigned i = 1; i <= 4; i++) {
        connect_to(a, S0, client_start(i), (uint8_t)i, 10 + i);
        run_for(100 * MS);
        assert_int_equal(S0->home.calls.used, i < 2 ? i : 2);
    }
    for (unsigned i = 1; i <= 4; i++) {
        uint8_t nonce[PUNCH_NONCE_SIZE];
        uint32_t slot;
        memset(nonce, (int)i, sizeof nonce);
        assert_int_equal(map_get(&S0->home.by_nonce, nonce, &slot), i > 2);
    }
    w->drop = NULL;
    for (unsigned i = 1; i <= 4; i++) {
        forget(a);
        connect_to(a, S0, client_of_test(i), (uint8_t)i, 10 + i);
        run_for(SECOND);
        assert_int_equal(refusal_heard(a, client_of_test(i), (uint8_t)i), PUNCH_REFUSED_UNKNOWN);
    }
    assert_int_equal(S0->home.calls.used, 0);
    /* What waits when the home serves no longer is forgotten. */
    w->drop = drop_between_servers;
    connect_to(a, S0, client_of_test(1), 9, 11);
    run_for(100 * MS);
    assert_int_equal(S0->home.calls.used, 1);
    struct context cx = context_of(S0);
    struct home_tools tools = tools_of(S0, &cx);
    home_serve(&S0->home, &tools, false);
    assert_int_equal(S0->home.calls.used, 0);
}

/* A nonce names one call: nobody can answer, or break, another one's by using it. */
static void test_nonce_of_another(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *c = client_at_home(2, S0, true);
    struct node_rig *b = client_at_home(1, S1, true);
    S1->delay_ns = 100 * MS;
    connect_to(a, S0, b, 1, 11);
    run_for(50 * MS);
    connect_to(c, S0, b, 1, 33);
    run_for(50 * MS);
    assert_int_equal(refusal_heard(c, b, 1), PUNCH_REFUSED_CHANNEL);
    /* Nor another call of its own. */
    connect_to(a, S0, c, 1, 12);
    run_for(50 * MS);
    assert_int_equal(refusal_heard(a, c, 1), PUNCH_REFUSED_CHANNEL);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 1));
    assert_null(heard(c, PUNCH_OFFER));
}

static void test_refusals_of_the_other_home(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    struct node_rig *c = client_at_home(2, S1, true), *d = client_at_home(3, S1, true);
    /* Its relay is full. */
    for (unsigned i = 0; i < 8; i++) {
        uint8_t key[RELAY_KEY_SIZE] = {1, (uint8_t)i};
        struct relay_leg legs[2] = {{.channel = 1 + i, .owner = RELAY_NO_OWNER},
                                    {.channel = 1 + i, .owner = RELAY_NO_OWNER}};
        struct relay_pair *pair;
        struct context cx = context_of(S1);
        assert_int_equal(relay_pair_set(&S1->relay, &cx, key, legs, &pair), RELAY_OK);
    }
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, b, 1), PUNCH_REFUSED_QUOTA);
    assert_null(heard(b, PUNCH_OFFER));
    assert_int_equal(S0->relay.pairs.used, 0);
    assert_int_equal(S0->home.calls.used, 0);
    (void)c;
    (void)d;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_common_home, one_server),
        cmocka_unit_test_setup(test_candidates, one_server),
        cmocka_unit_test(test_other_us),
        cmocka_unit_test_setup(test_repeated_connect, one_server),
        cmocka_unit_test(test_refusals_at_one_home),
        cmocka_unit_test_setup(test_rate_of_calls, one_server),
        cmocka_unit_test_setup(test_unproven_client, one_server),
        cmocka_unit_test_setup(test_callee_gone, one_server),
        cmocka_unit_test_setup(test_two_homes, two_servers),
        cmocka_unit_test(test_other_us_between_homes),
        cmocka_unit_test(test_search),
        cmocka_unit_test(test_unknown_everywhere),
        cmocka_unit_test_setup(test_lost_introductions, two_servers),
        cmocka_unit_test(test_crossing_calls),
        cmocka_unit_test(test_call_after_a_lost_one),
        cmocka_unit_test(test_callee_moves_home),
        cmocka_unit_test(test_search_finds_the_home),
        cmocka_unit_test_setup(test_search_finds_the_reserve, two_servers),
        cmocka_unit_test(test_stale_location),
        cmocka_unit_test_setup(test_home_moves, two_servers),
        cmocka_unit_test(test_reserve_serves),
        cmocka_unit_test(test_waiting_calls_full),
        cmocka_unit_test_setup(test_nonce_of_another, two_servers),
        cmocka_unit_test_setup(test_refusals_of_the_other_home, two_servers),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
