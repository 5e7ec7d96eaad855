/* Tests of core/relay/server.c, from docs/protocol.md, "Relay". */
#include "core/relay/server_test.h"

/* ---- Forwarding ------------------------------------------------------------------------------ */

static void test_both_ways(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_true(client_passes(1, 11, 2, 22));
    assert_true(client_passes(1, 11, 2, 22));
    assert_true(client_passes(2, 22, 1, 11));
    struct relay_pair *pair = relay_pair_find(&rig.relay, key_of(1, 2).bytes);
    assert_int_equal(pair->leg[0].datagrams, 2);
    assert_int_equal(pair->leg[0].bytes, 200);
    assert_int_equal(pair->leg[1].datagrams, 1);
    assert_int_equal(pair->leg[1].bytes, 100);
    assert_int_equal(rig.counts[TRACE_RELAY_FORWARDED], 3);
    assert_int_equal(rig.counts[TRACE_RELAY_PAIR], 1);
}

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 32, 1452, BIG};
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
        assert_true(passes(NODE_SOCKET_PUNCH, client_at(1), 11, sizes[i],
                           route_of(NODE_SOCKET_PUNCH, client_at(2)), 22));
}

/* One hop more: from a client to the other one's home, and from there to a client. */
static void test_through_another_home(void **state)
{
    (void)state;
    struct addr home = addr_v4(0xc6336401, 9103);
    assert_int_equal(set_legs(key_of(1, 2), client_leg(1, 11, client_at(1)), server_leg(77, home)),
                     RELAY_OK);
    assert_true(
        passes(NODE_SOCKET_PUNCH, client_at(1), 11, 9, route_of(NODE_SOCKET_RELAY, home), 77));
    assert_true(
        passes(NODE_SOCKET_RELAY, home, 77, 9, route_of(NODE_SOCKET_PUNCH, client_at(1)), 11));
    /* What is said to one socket is not heard on another. */
    assert_dropped(NODE_SOCKET_PUNCH, home, 77, TRACE_RELAY_NO_CHANNEL);
    assert_dropped(NODE_SOCKET_RELAY, client_at(1), 11, TRACE_RELAY_NO_CHANNEL);
}

static void test_strangers(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    const struct {
        struct addr from;
        uint32_t channel;
    } cases[] = {
        {client_at(1), 12},                       /* no such channel */
        {client_at(1), 22},                       /* the other side's */
        {client_at(1), 0},                        /* none at all */
        {client_at(2), 11},                       /* somebody else's */
        {client_at(3), 11},                       /* a spoofed source */
        {addr_with_port(client_at(1), 1002), 11}, /* another port of it */
        {addr_v4(0xcb007200 + 1, 1001), 11},      /* another address of it */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_dropped(NODE_SOCKET_PUNCH, cases[i].from, cases[i].channel, TRACE_RELAY_NO_CHANNEL);
    assert_true(client_passes(1, 11, 2, 22));
}

/* A channel's number means something only together with an address. */
static void test_same_channel_elsewhere(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 11), RELAY_OK);
    assert_int_equal(set_pair(3, 11, 4, 11), RELAY_OK);
    assert_true(client_passes(1, 11, 2, 11));
    assert_true(client_passes(2, 11, 1, 11));
    assert_true(client_passes(3, 11, 4, 11));
    assert_true(client_passes(4, 11, 3, 11));
}

static void test_one_leg(void **state)
{
    (void)state;
    const struct relay_leg none = {.channel = 0};
    assert_int_equal(set_legs(key_of(1, 2), client_leg(1, 11, client_at(1)), none), RELAY_OK);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, TRACE_RELAY_NO_WAY);
    /* A leg whose address is not proven yet: neither to it nor from it. */
    assert_int_equal(set_legs(key_of(1, 2), none, client_leg(2, 22, (struct addr){0})), RELAY_OK);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, TRACE_RELAY_NO_WAY);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(2), 22, TRACE_RELAY_NO_CHANNEL);
    struct seal_route there = route_of(NODE_SOCKET_PUNCH, client_at(2));
    relay_owner_moved(&rig.relay, &rig.cx, 2, &there);
    assert_true(client_passes(1, 11, 2, 22));
    assert_true(client_passes(2, 22, 1, 11));
    assert_int_equal(rig.relay.pairs.used, 1);
}

/* Without room it is as if it were lost: not counted as passed on, nor paid for. */
static void test_no_room_to_send(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    outbox_init(&rig.outbox, outbox_memory, 8, FRAME_DATA_SIZE + 99);
    for (unsigned i = 0; i < 2 * RELAY_PAIR_RATE / 100; i++)
        put_data(NODE_SOCKET_PUNCH, client_at(1), 11, 100);
    assert_true(is_silent());
    assert_int_equal(rig.counts[TRACE_RELAY_FORWARDED], 0);
    assert_int_equal(rig.counts[TRACE_RELAY_OVER_QUOTA], 0);
    assert_int_equal(rig.counts[TRACE_OUTPUT_FULL], 2 * RELAY_PAIR_RATE / 100);
    assert_int_equal(relay_pair_find(&rig.relay, key_of(1, 2).bytes)->leg[0].datagrams, 0);
    outbox_init(&rig.outbox, outbox_memory, 8, 4 * BIG);
    assert_true(client_passes(1, 11, 2, 22));
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

static void test_change_of_legs(void **state)
{
    (void)state;
    const struct relay_leg none = {.channel = 0};
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_true(client_passes(1, 11, 2, 22));
    /* A new channel on one leg, the other left alone. */
    assert_int_equal(set_legs(key_of(1, 2), client_leg(1, 12, client_at(1)), none), RELAY_OK);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, TRACE_RELAY_NO_CHANNEL);
    assert_true(client_passes(1, 12, 2, 22));
    assert_true(client_passes(2, 22, 1, 12));
    assert_int_equal(relay_pair_find(&rig.relay, key_of(1, 2).bytes)->leg[0].datagrams, 2);
    /* The second leg leads to another home from now on, and its client no longer pays. */
    struct addr home = addr_v4(0xc6336401, 9103);
    assert_int_equal(set_legs(key_of(1, 2), none, server_leg(5, home)), RELAY_OK);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(2), 22, TRACE_RELAY_NO_CHANNEL);
    assert_true(
        passes(NODE_SOCKET_PUNCH, client_at(1), 12, 9, route_of(NODE_SOCKET_RELAY, home), 5));
    relay_owner_gone(&rig.relay, &rig.cx, 2);
    assert_non_null(relay_pair_find(&rig.relay, key_of(1, 2).bytes));
    assert_int_equal(rig.relay.pairs.used, 1);
    assert_int_equal(rig.relay.by_channel.used, 2);
}

/* The same call once more is the same pair. */
static void test_repeated_call(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
        assert_true(client_passes(1, 11, 2, 22));
    }
    assert_int_equal(rig.relay.pairs.used, 1);
    assert_int_equal(relay_pair_find(&rig.relay, key_of(1, 2).bytes)->leg[0].datagrams, 3);
}

static void test_taken_channel(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(set_pair(1, 12, 3, 33), RELAY_OK);
    struct {
        const char *what;
        struct key key;
        struct relay_leg legs[2];
    } cases[] = {
        {"by another pair of the client",
         key_of(1, 4),
         {client_leg(1, 11, client_at(1)), client_leg(4, 44, client_at(4))}},
        {"on the second leg",
         key_of(4, 2),
         {client_leg(4, 44, client_at(4)), client_leg(2, 22, client_at(2))}},
        {"by the other leg of the pair",
         key_of(4, 5),
         {client_leg(4, 9, client_at(4)), client_leg(5, 9, client_at(4))}},
        {"where the pair exists",
         key_of(1, 3),
         {client_leg(1, 11, client_at(1)), client_leg(3, 34, client_at(3))}},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        print_message("# taken %s\n", cases[i].what);
        assert_int_equal(set_legs(cases[i].key, cases[i].legs[0], cases[i].legs[1]), RELAY_TAKEN);
        assert_int_equal(rig.relay.pairs.used, 2);
        assert_int_equal(rig.relay.by_channel.used, 4);
        assert_true(client_passes(1, 11, 2, 22));
        assert_true(client_passes(1, 12, 3, 33));
        assert_true(client_passes(3, 33, 1, 12));
    }
}

static void test_full(void **state)
{
    (void)state;
    rig_make(3, OWNERS);
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(set_pair(1, 12, 3, 33), RELAY_OK);
    assert_int_equal(set_pair(2, 23, 3, 34), RELAY_OK);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(set_pair(4, 44, 5, 55), RELAY_FULL);
        assert_null(relay_pair_find(&rig.relay, key_of(4, 5).bytes));
    }
    /* Those that are there go on, and can be called again. */
    assert_true(client_passes(1, 11, 2, 22));
    assert_true(client_passes(1, 12, 3, 33));
    assert_true(client_passes(2, 23, 3, 34));
    assert_int_equal(set_pair(1, 10, 2, 22), RELAY_OK);
    relay_pair_end(&rig.relay, &rig.cx, relay_pair_find(&rig.relay, key_of(1, 3).bytes));
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 12, TRACE_RELAY_NO_CHANNEL);
    assert_int_equal(set_pair(4, 44, 5, 55), RELAY_OK);
    assert_true(client_passes(4, 44, 5, 55));
    assert_int_equal(set_pair(1, 12, 3, 33), RELAY_FULL);
}

/* Pairs of one client with RELAY_PAIRS_PER_CLIENT others, all at another home. */
static enum relay_result set_many(unsigned owner, unsigned n)
{
    return set_legs(key_of(owner, 1000 + n), client_leg(owner, 1 + n, client_at(owner)),
                    server_leg(1 + owner * 1000 + n, addr_v4(0xc6336401, 9103)));
}

static void test_pairs_of_one_client(void **state)
{
    (void)state;
    for (unsigned n = 0; n < RELAY_PAIRS_PER_CLIENT; n++)
        assert_int_equal(set_many(1, n), RELAY_OK);
    assert_int_equal(set_many(1, RELAY_PAIRS_PER_CLIENT), RELAY_QUOTA);
    /* Not as the callee either, but others may, and its own pairs may be called again. */
    assert_int_equal(set_pair(2, 22, 1, 9999), RELAY_QUOTA);
    assert_int_equal(set_many(2, 0), RELAY_OK);
    assert_int_equal(set_many(1, 7), RELAY_OK);
    relay_pair_end(&rig.relay, &rig.cx, relay_pair_find(&rig.relay, key_of(1, 1003).bytes));
    assert_int_equal(set_many(1, RELAY_PAIRS_PER_CLIENT), RELAY_OK);
    assert_int_equal(set_many(1, 3), RELAY_QUOTA);
}

/* Pairs whose other end nobody has found: few of a client, and not for long. */
static void test_halves(void **state)
{
    (void)state;
    const struct relay_leg none = {.channel = 0};
    for (unsigned n = 0; n <= RELAY_HALVES_PER_CLIENT; n++)
        assert_int_equal(set_legs(key_of(1, 100 + n), client_leg(1, 10 + n, client_at(1)), none),
                         n < RELAY_HALVES_PER_CLIENT ? RELAY_OK : RELAY_QUOTA);
    /* Whole ones it may have, and others theirs; one that is there may be called again. */
    assert_int_equal(set_pair(1, 1000, 2, 22), RELAY_OK);
    assert_int_equal(set_legs(key_of(3, 100), client_leg(3, 10, client_at(3)), none), RELAY_OK);
    assert_int_equal(set_legs(key_of(1, 100), client_leg(1, 10, client_at(1)), none), RELAY_OK);
    /* One that becomes whole makes room for another. */
    assert_int_equal(set_legs(key_of(1, 100), none, client_leg(4, 44, client_at(4))), RELAY_OK);
    assert_int_equal(set_legs(key_of(1, 200), client_leg(1, 200, client_at(1)), none), RELAY_OK);
    assert_int_equal(set_legs(key_of(1, 201), client_leg(1, 201, client_at(1)), none), RELAY_QUOTA);
    /* After 5 s one is called again. */
    rig.cx.now_ns += 5 * SECOND_NS;
    assert_int_equal(set_legs(key_of(1, 101), client_leg(1, 11, client_at(1)), none), RELAY_OK);
    static const struct {
        uint64_t after_ns; /* from now */
        uint32_t left;
    } steps[] = {
        {RELAY_HALF_IDLE_NS - 5 * SECOND_NS - 1, 2 + 1 + RELAY_HALVES_PER_CLIENT},
        {RELAY_HALF_IDLE_NS - 5 * SECOND_NS, 2 + 1},
        {RELAY_HALF_IDLE_NS - 1, 2 + 1},
        {RELAY_HALF_IDLE_NS, 2},
        {RELAY_IDLE_NS - 5 * SECOND_NS - 1, 2},
        {RELAY_IDLE_NS - 5 * SECOND_NS, 0},
    };
    uint64_t start_ns = rig.cx.now_ns;
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct timer_fired fired;
        rig.cx.now_ns = start_ns + steps[i].after_ns;
        while (timers_next(&rig.timers, rig.cx.now_ns, &fired))
            relay_timer(&rig.relay, &rig.cx, fired.owner);
        assert_int_equal(rig.relay.pairs.used, steps[i].left);
    }
}

static void test_idle(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(set_pair(3, 33, 4, 44), RELAY_OK);
    assert_int_equal(set_pair(5, 55, 6, 66), RELAY_OK);
    uint64_t start_ns = rig.cx.now_ns;
    /* One is used after 60 s, one is called again then, one is not. */
    rig.cx.now_ns += 60 * SECOND_NS;
    assert_true(client_passes(1, 11, 2, 22));
    assert_int_equal(set_pair(3, 33, 4, 44), RELAY_OK);
    /* Data that is dropped is not use. */
    assert_dropped(NODE_SOCKET_PUNCH, client_at(9), 55, TRACE_RELAY_NO_CHANNEL);
    static const struct {
        uint64_t after_ns; /* the start */
        uint32_t left;
    } steps[] = {
        {RELAY_IDLE_NS - 1, 3},
        {RELAY_IDLE_NS, 2},
        {RELAY_IDLE_NS + 60 * SECOND_NS - 1, 2},
        {RELAY_IDLE_NS + 60 * SECOND_NS, 0},
    };
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct timer_fired fired;
        rig.cx.now_ns = start_ns + steps[i].after_ns;
        while (timers_next(&rig.timers, rig.cx.now_ns, &fired)) {
            assert_int_equal(fired.kind, TIMER_RELAY_PAIR);
            relay_timer(&rig.relay, &rig.cx, fired.owner);
        }
        assert_int_equal(rig.relay.pairs.used, steps[i].left);
        assert_int_equal(rig.relay.by_channel.used, 2 * steps[i].left);
        assert_int_equal(rig.counts[TRACE_RELAY_IDLE], 3 - steps[i].left);
    }
    assert_int_equal(timers_deadline(&rig.timers), UINT64_MAX);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, TRACE_RELAY_NO_CHANNEL);
}

static void test_channels_drawn(void **state)
{
    (void)state;
    struct addr remote = client_at(1);
    for (unsigned i = 0; i < 1000; i++) {
        uint32_t a = relay_channel_draw(&rig.relay, &rig.cx, &remote);
        uint32_t b = relay_channel_draw(&rig.relay, &rig.cx, &remote);
        assert_int_not_equal(a, 0);
        assert_int_not_equal(a, b); /* of 2^32 each, under this seed */
    }
}

/* ---- Owners ---------------------------------------------------------------------------------- */

static void test_owner_moved(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(set_pair(1, 12, 3, 33), RELAY_OK);
    assert_int_equal(set_pair(0, 14, 1, 15), RELAY_OK);
    struct seal_route there = route_of(NODE_SOCKET_PUNCH, client_at(9));
    relay_owner_moved(&rig.relay, &rig.cx, 1, &there);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, TRACE_RELAY_NO_CHANNEL);
    assert_true(client_passes(9, 11, 2, 22));
    assert_true(client_passes(2, 22, 9, 11));
    assert_true(client_passes(3, 33, 9, 12));
    assert_true(client_passes(0, 14, 9, 15));
    assert_true(client_passes(9, 15, 0, 14));
    /* Nowhere: nothing goes to it or comes from it. */
    relay_owner_moved(&rig.relay, &rig.cx, 1, &(struct seal_route){.socket = NODE_SOCKET_PUNCH});
    assert_dropped(NODE_SOCKET_PUNCH, client_at(2), 22, TRACE_RELAY_NO_WAY);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(9), 11, TRACE_RELAY_NO_CHANNEL);
    assert_int_equal(rig.relay.by_channel.used, 3);
    there = route_of(NODE_SOCKET_PUNCH, client_at(1));
    relay_owner_moved(&rig.relay, &rig.cx, 1, &there);
    assert_true(client_passes(1, 11, 2, 22));
    assert_true(client_passes(0, 14, 1, 15));
}

/* An address can be one client's at a time: it is whose proof is the latest. */
static void test_owner_moved_onto_another(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(set_pair(3, 11, 4, 44), RELAY_OK);
    struct seal_route there = route_of(NODE_SOCKET_PUNCH, client_at(1));
    relay_owner_moved(&rig.relay, &rig.cx, 3, &there);
    assert_true(client_passes(1, 11, 4, 44));
    assert_true(client_passes(4, 44, 1, 11));
    assert_dropped(NODE_SOCKET_PUNCH, client_at(2), 22, TRACE_RELAY_NO_WAY);
    /* The first one is found again where it proves to be. */
    there = route_of(NODE_SOCKET_PUNCH, client_at(8));
    relay_owner_moved(&rig.relay, &rig.cx, 1, &there);
    assert_true(client_passes(2, 22, 8, 11));
    assert_true(client_passes(8, 11, 2, 22));
    assert_true(client_passes(1, 11, 4, 44));
}

static void test_owner_gone(void **state)
{
    (void)state;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(set_pair(1, 12, 3, 33), RELAY_OK);
    assert_int_equal(set_pair(0, 14, 1, 15), RELAY_OK);
    assert_int_equal(set_pair(2, 23, 3, 34), RELAY_OK);
    relay_owner_gone(&rig.relay, &rig.cx, 1);
    assert_int_equal(rig.relay.pairs.used, 1);
    assert_int_equal(rig.relay.by_channel.used, 2);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(2), 22, TRACE_RELAY_NO_CHANNEL);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 12, TRACE_RELAY_NO_CHANNEL);
    assert_true(client_passes(2, 23, 3, 34));
    /* The index begins anew with its next owner. */
    for (unsigned n = 0; n < RELAY_PAIRS_PER_CLIENT; n++)
        assert_int_equal(set_many(1, n), RELAY_OK);
    relay_owner_gone(&rig.relay, &rig.cx, 1);
    relay_owner_gone(&rig.relay, &rig.cx, 2);
    assert_int_equal(rig.relay.pairs.used, 0);
    assert_int_equal(timers_deadline(&rig.timers), UINT64_MAX);
}

/* ---- Quotas in bytes ------------------------------------------------------------------------- */

/* Datagrams of BIG bytes that pass until one does not, at most `most`. */
static unsigned until_dropped(uint32_t socket, struct addr from, uint32_t channel, unsigned most)
{
    for (unsigned n = 0; n < most; n++) {
        put_data(socket, from, channel, BIG);
        if (is_silent())
            return n;
        outbox_reset(&rig.outbox);
    }
    return most;
}

static void test_quota_of_a_pair(void **state)
{
    (void)state;
    unsigned burst = RELAY_PAIR_RATE / BIG;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(set_pair(1, 12, 3, 33), RELAY_OK);
    /* Both directions pay from one bucket. */
    assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, burst / 2), burst / 2);
    assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(2), 22, burst), burst / 2);
    assert_int_equal(rig.counts[TRACE_RELAY_OVER_QUOTA], 1);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, TRACE_RELAY_OVER_QUOTA);
    assert_true(client_passes(1, 12, 3, 33));
    /* It comes back with time, at its rate and up to its burst. */
    rig.cx.now_ns += SECOND_NS / 4;
    assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, burst), burst / 4);
    rig.cx.now_ns += 100 * SECOND_NS;
    assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, 2 * burst), burst);
}

/* Time that is too short for a byte is not lost. */
static void test_quota_loses_no_fractions(void **state)
{
    (void)state;
    unsigned burst = RELAY_PAIR_RATE / BIG;
    assert_int_equal(set_pair(1, 11, 2, 22), RELAY_OK);
    assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(1), 11, 2 * burst), burst);
    unsigned passed = 0;
    for (unsigned step = 0; step < 100000; step++) {
        rig.cx.now_ns += 1001;
        put_data(NODE_SOCKET_PUNCH, client_at(1), 11, 1452);
        passed += !is_silent();
        outbox_reset(&rig.outbox);
    }
    /* 100.1 ms at the rate, and what is left of a datagram. */
    uint64_t exact = (uint64_t)RELAY_PAIR_RATE * 1001 / 10000 / 1452;
    assert_in_range(passed, exact - 1, exact);
}

static void test_quota_of_a_client(void **state)
{
    (void)state;
    unsigned burst = RELAY_PAIR_RATE / BIG, pairs = RELAY_CLIENT_RATE / RELAY_PAIR_RATE;
    for (unsigned i = 0; i < pairs + 1; i++)
        assert_int_equal(set_pair(1, 100 + i, 10 + i, 7), RELAY_OK);
    for (unsigned i = 0; i < pairs; i++)
        assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(1), 100 + i, burst), burst);
    assert_dropped(NODE_SOCKET_PUNCH, client_at(1), 100 + pairs, TRACE_RELAY_OVER_QUOTA);
    /* It is the sender who pays: others reach the client still. */
    assert_true(client_passes(10 + pairs, 7, 1, 100 + pairs));
    rig.cx.now_ns += SECOND_NS / 8;
    assert_true(client_passes(1, 100 + pairs, 10 + pairs, 7));
    /* The next owner of the index does not pay for the one before. */
    assert_int_equal(set_pair(1, 90, 30, 9), RELAY_OK);
    assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(1), 90, burst), burst / 2 - 1);
    relay_owner_gone(&rig.relay, &rig.cx, 1);
    assert_int_equal(set_pair(1, 90, 30, 9), RELAY_OK);
    assert_int_equal(until_dropped(NODE_SOCKET_PUNCH, client_at(1), 90, burst), burst);
}

/* What another home passes on has been paid for there; here it counts for pair and relay only. */
static void test_quota_of_servers(void **state)
{
    (void)state;
    unsigned burst = RELAY_PAIR_RATE / BIG, pairs = RELAY_CLIENT_RATE / RELAY_PAIR_RATE;
    struct addr home = addr_v4(0xc6336401, 9103);
    for (unsigned i = 0; i < pairs + 2; i++) {
        assert_int_equal(set_many(1, i), RELAY_OK);
        assert_int_equal(until_dropped(NODE_SOCKET_RELAY, home, 1001 + i, 2 * burst), burst);
    }
    assert_true(set_many(1, 100) == RELAY_OK);
    assert_true(
        passes(NODE_SOCKET_PUNCH, client_at(1), 101, 9, route_of(NODE_SOCKET_RELAY, home), 1101));
}

static void test_quota_of_all(void **state)
{
    (void)state;
    unsigned burst = RELAY_PAIR_RATE / BIG, pairs = RELAY_TOTAL_RATE / RELAY_PAIR_RATE;
    struct addr home = addr_v4(0xc6336401, 9103);
    for (unsigned i = 0; i < pairs + 1; i++)
        assert_int_equal(set_many(i % OWNERS, i), RELAY_OK);
    for (unsigned i = 0; i < pairs; i++)
        assert_int_equal(
            until_dropped(NODE_SOCKET_RELAY, home, 1 + i % OWNERS * 1000 + i, 2 * burst), burst);
    assert_dropped(NODE_SOCKET_RELAY, home, 1 + pairs % OWNERS * 1000 + pairs,
                   TRACE_RELAY_OVER_QUOTA);
    rig.cx.now_ns += SECOND_NS / 1000;
    assert_int_equal(
        until_dropped(NODE_SOCKET_RELAY, home, 1 + pairs % OWNERS * 1000 + pairs, burst),
        RELAY_TOTAL_RATE / 1000 / BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_both_ways, rig_setup),
        cmocka_unit_test_setup(test_sizes, rig_setup),
        cmocka_unit_test_setup(test_through_another_home, rig_setup),
        cmocka_unit_test_setup(test_strangers, rig_setup),
        cmocka_unit_test_setup(test_same_channel_elsewhere, rig_setup),
        cmocka_unit_test_setup(test_one_leg, rig_setup),
        cmocka_unit_test_setup(test_no_room_to_send, rig_setup),
        cmocka_unit_test_setup(test_change_of_legs, rig_setup),
        cmocka_unit_test_setup(test_repeated_call, rig_setup),
        cmocka_unit_test_setup(test_taken_channel, rig_setup),
        cmocka_unit_test_setup(test_full, rig_setup),
        cmocka_unit_test_setup(test_pairs_of_one_client, rig_setup),
        cmocka_unit_test_setup(test_halves, rig_setup),
        cmocka_unit_test_setup(test_idle, rig_setup),
        cmocka_unit_test_setup(test_channels_drawn, rig_setup),
        cmocka_unit_test_setup(test_owner_moved, rig_setup),
        cmocka_unit_test_setup(test_owner_moved_onto_another, rig_setup),
        cmocka_unit_test_setup(test_owner_gone, rig_setup),
        cmocka_unit_test_setup(test_quota_of_a_pair, rig_setup),
        cmocka_unit_test_setup(test_quota_loses_no_fractions, rig_setup),
        cmocka_unit_test_setup(test_quota_of_a_client, rig_setup),
        cmocka_unit_test_setup(test_quota_of_servers, rig_setup),
        cmocka_unit_test_setup(test_quota_of_all, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, rig_teardown);
}
