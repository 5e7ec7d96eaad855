/* Tests of core/punch/path.h: data in both directions, and what the host is told of a path. */
#include "core/punch/path_test.h"

static struct addr at(uint32_t n)
{
    return addr_v4(0xcb007200 + n, (uint16_t)(30000 + n));
}

/* A DATA frame of the home with this channel. */
static void relayed(unsigned server, uint32_t channel, const uint8_t *bytes, size_t size)
{
    uint8_t wrapped[DATAGRAM];
    struct frame data = {.type = FRAME_DATA, .receiver = channel, .body.size = size};
    size_t front = frame_encode(&data, wrapped, sizeof wrapped);
    memcpy(wrapped + front, bytes, size);
    arrives(&r->server[server].punch, wrapped, front + size);
}

static void test_no_path(void **state)
{
    (void)state;
    carry(&r->peer[0], 1, 100);
    assert_int_equal(r->sent_count, 0);
    assert_int_equal(r->counts[TRACE_PATH_LOST], 1);
    assert_null(path_to(&r->peer[0])); /* and none is made */
}

/* What comes through the relay is delivered, by its channel and the home's address alone. */
static void test_relayed_data(void **state)
{
    (void)state;
    static const uint8_t data[] = {0x40, 1, 2, 3};
    static const uint8_t hello[FRAME_HELLO_SIZE] = {FRAME_FIRST_BYTE, FRAME_VERSION, FRAME_HELLO};
    called_by(&r->peer[0], 1, at(1));
    relayed(0, CHANNEL, data, sizeof data);
    assert_int_equal(r->delivers, 1);
    assert_true(r->deliver[0].relayed);
    assert_int_equal(r->deliver[0].size, sizeof data);
    assert_memory_equal(r->delivered[0], data, sizeof data);
    assert_memory_equal(r->deliver[0].peer, r->peer[0].self.identity, IDENTITY_SIZE);
    relayed(0, CHANNEL + 1, data, sizeof data); /* another channel, */
    relayed(1, CHANNEL, data, sizeof data);     /* another server, */
    relayed(0, CHANNEL, data, 0);               /* nothing in it */
    assert_int_equal(r->counts[TRACE_RELAY_NO_CHANNEL], 3);
    relayed(0, CHANNEL, hello, sizeof hello); /* frames are for us, and only probes */
    relayed(0, CHANNEL, hello, 3);
    assert_int_equal(r->delivers, 1);
    assert_int_equal(r->sent_count > 20, 0);
}

/* What is no frame is delivered when it comes from where a peer's probe came from. */
static void test_raw_data(void **state)
{
    (void)state;
    static const uint8_t data[] = {0x40, 9};
    struct addr from = at(1), other = addr_with_port(at(1), 1);
    called_by(&r->peer[0], 1, at(1));
    arrives(&from, data, sizeof data);
    assert_int_equal(r->delivers, 0); /* an offer alone says nothing of who is there */
    probed_by(&r->peer[0], from, &(struct punch_probe){.transaction = 1});
    arrives(&from, data, sizeof data);
    arrives(&other, data, sizeof data);
    assert_int_equal(r->delivers, 1);
    assert_false(r->deliver[0].relayed);
    assert_memory_equal(r->deliver[0].peer, r->peer[0].self.identity, IDENTITY_SIZE);
    /* Of two peers at one address the one who was heard first has it, until the other one's probe
       is acknowledged from there. */
    called_by(&r->peer[1], 2, at(1));
    run_for(20 * MS);
    uint64_t id = last_probe(&r->peer[1], at(1)).transaction;
    probed_by(&r->peer[1], from, &(struct punch_probe){.transaction = 2});
    arrives(&from, data, sizeof data);
    assert_memory_equal(r->deliver[0].peer, r->peer[0].self.identity, IDENTITY_SIZE);
    probed_by(&r->peer[1], from,
              &(struct punch_probe){.transaction = 3, .ack_count = 1, .acks = {id}});
    arrives(&from, data, sizeof data);
    assert_memory_equal(r->deliver[1].peer, r->peer[1].self.identity, IDENTITY_SIZE);
}

/* Findings of both sides make the reason of a relayed pair, and peers are told with a probe. */
static void test_reasons(void **state)
{
    (void)state;
    answers_at(&r->peer[0], (struct addr){0}, 20 * MS);
    r->peer[0].side.mapping = STUN_MAPPING_APDM;
    called_by(&r->peer[0], 1, at(1));
    run_for(PATH_JUDGE_NS - 1);
    assert_int_equal(last_state()->path, NODE_PATH_RELAYED);
    assert_int_equal(last_state()->reason, REASON_NONE); /* it is still probing */
    run_for(SECOND);
    assert_int_equal(last_state()->reason, REASON_NONE); /* what we are behind is not known */
    struct reason_side side = r->peer[0].side;
    mark();
    our_side(&side);
    assert_int_equal(last_state()->reason, REASON_APDM_AGAINST_APDF);
    struct punch_probe told = last_probe(&r->peer[0], r->server[0].punch);
    assert_memory_equal(&told.side, &side, sizeof side);
    /* The peer has found out something else. */
    r->peer[0].side.mapping = STUN_MAPPING_EIM;
    side.mapping = STUN_MAPPING_EIM;
    our_side(&side);
    run_for(SECOND);
    assert_int_equal(last_state()->reason, REASON_PROBES_UNANSWERED);
}

static void test_direct_reasons(void **state)
{
    (void)state;
    static const struct {
        bool near, host;
        uint8_t nat;
        uint8_t reason;
    } rows[] = {
        {true, true, STUN_NAT_PRESENT, REASON_SAME_LAN},
        {true, false, STUN_NAT_PRESENT, REASON_HAIRPIN},
        {false, false, STUN_NAT_PRESENT, REASON_PUNCHED},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        home_setup(NULL);
        struct reason_side side = r->peer[0].side;
        side.nat = rows[i].nat;
        our_side(&side);
        struct addr seen = rows[i].near ? addr_with_port(r->address, 9) : at(1);
        struct addr host = addr_v4(0x0a000055, 9);
        answers_at(&r->peer[0], rows[i].host ? host : seen, 10 * MS);
        uint8_t nonce[PUNCH_NONCE_SIZE] = {1};
        struct punch_message offer = offer_of(&r->peer[0], nonce, false, CHANNEL);
        add_candidate(&offer, host, PUNCH_CANDIDATE_HOST);
        add_candidate(&offer, seen, PUNCH_CANDIDATE_OBSERVED);
        offered_by(0, &offer);
        run_for(SECOND);
        assert_int_equal(last_state()->path, NODE_PATH_DIRECT);
        assert_int_equal(last_state()->reason, rows[i].reason);
        assert_int_equal(last_state()->rtt_ns, 20 * MS);
    }
}

/* Without a home, and with UDP blocked, nobody can be reached. */
static void test_blocked(void **state)
{
    (void)state;
    struct reason_side blocked = {.nat = STUN_NAT_BLOCKED};
    connect_to(&r->peer[0]);
    assert_int_equal(r->states, 0);
    our_side(&blocked);
    assert_int_equal(last_state()->path, NODE_PATH_UNREACHABLE);
    assert_int_equal(last_state()->reason, REASON_UDP_BLOCKED);
}

/* A relay that has gone silent is given up, and a call makes it anew. */
static void test_relay_dies(void **state)
{
    (void)state;
    answers_at(&r->peer[0], (struct addr){0}, 20 * MS);
    called_by(&r->peer[0], 1, at(1));
    run_for(5 * SECOND);
    assert_int_equal(last_state()->path, NODE_PATH_RELAYED);
    r->place[0].silent = true;
    mark();
    for (unsigned i = 0; i < 200; i++) {
        carry(&r->peer[0], 1, 50);
        run_for(50 * MS);
    }
    assert_int_equal(last_state()->path, NODE_PATH_PENDING);
    assert_true(heard_count(0, PUNCH_CONNECT) > 0);
}

/*
 * A peer that was started anew hears what the relay brings from us, and answers it, but knows
 * nothing of the call: its data shows that the relay works, and not that the path does. One that
 * has answered is enough to keep a relay.
 */
static void test_relay_speaks(void **state)
{
    static const struct {
        bool answered;
        bool calls;
    } rows[] = {{false, true}, {true, false}};
    static const uint8_t data[50] = {4};
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        if (row > 0)
            assert_int_equal(home_setup(state), 0);
        answers_at(&r->peer[0], (struct addr){0}, 20 * MS);
        r->place[0].silent = !rows[row].answered;
        called_by(&r->peer[0], 1, at(1));
        run_for(SECOND);
        r->place[0].silent = true;
        mark();
        for (unsigned i = 0; i < 100; i++) {
            carry(&r->peer[0], 1, 50);
            relayed(0, CHANNEL, data, sizeof data);
            run_for(50 * MS);
        }
        assert_int_equal(path_to(&r->peer[0])->reported == NODE_PATH_RELAYED, rows[row].answered);
        assert_int_equal(heard_count(0, PUNCH_CONNECT) > 0, rows[row].calls);
    }
}

/* A path that nobody asked for, and that has been silent for a minute, makes room when it must. */
static void test_room_is_made(void **state)
{
    (void)state;
    connect_to(&r->peer[0]);
    called_by(&r->peer[1], 1, at(1));
    called_by(&r->peer[2], 2, at(2));
    run_for(59 * SECOND);
    connect_to(&r->peer[3]);
    assert_int_equal(r->counts[TRACE_COMMAND_INVALID], 1);
    run_for(2 * SECOND);
    connect_to(&r->peer[3]);
    assert_int_equal(r->counts[TRACE_COMMAND_INVALID], 1);
    assert_non_null(path_to(&r->peer[0]));
    assert_null(path_to(&r->peer[1])); /* the older one of the two */
    assert_non_null(path_to(&r->peer[2]));
    assert_non_null(path_to(&r->peer[3]));
    /* What it had is nobody's. */
    mark();
    probed_by(&r->peer[1], at(1), &(struct punch_probe){.transaction = 1});
    assert_int_equal(r->counts[TRACE_FRAME_UNEXPECTED], 1);
}

int main(void)
{
#define IN_RIG(test) cmocka_unit_test_setup_teardown(test, home_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        IN_RIG(test_no_path),
        IN_RIG(test_relayed_data),
        IN_RIG(test_raw_data),
        IN_RIG(test_reasons),
        IN_RIG(test_direct_reasons),
        cmocka_unit_test_setup_teardown(test_blocked, rig_setup, rig_teardown),
        IN_RIG(test_relay_dies),
        IN_RIG(test_relay_speaks),
        IN_RIG(test_room_is_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
