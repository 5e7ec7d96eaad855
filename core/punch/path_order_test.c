/*
 * Tests of who comes first: docs/protocol.md, "Order". A peer that has the trap must have sent
 * before our probes come to its NAT; one that can only answer must have reached us before.
 */
#include "core/punch/path_test.h"

static const struct addr relay = {0};

static struct addr at(uint32_t n)
{
    return addr_v4(0xcb007200 + n, (uint16_t)(30000 + n));
}

static struct reason_side side_of(uint8_t mapping, uint8_t filtering, uint8_t trap)
{
    return (struct reason_side){.nat = STUN_NAT_PRESENT,
                                .mapping = mapping,
                                .filtering = filtering,
                                .hairpin = STUN_HAIRPIN_OFF,
                                .pooling = STUN_POOLING_PAIRED,
                                .trap = trap};
}

/* We have a home that is so far, and both discoveries have found this. */
static void sides_are(uint64_t home_ns, struct reason_side ours, struct reason_side theirs)
{
    rig_setup(NULL);
    r->server[0].way_ns = home_ns;
    rig_home(1);
    our_side(&ours);
    r->peer[0].side = theirs;
}

/* The peer calls us, and is told so much later than we are. */
static void called_before(uint8_t nonce, struct addr seen, uint32_t other_us)
{
    uint8_t bytes[PUNCH_NONCE_SIZE];
    memset(bytes, nonce, sizeof bytes);
    struct punch_message offer = offer_of(&r->peer[0], bytes, false, CHANNEL);
    offer.other_us = other_us;
    add_candidate(&offer, seen, PUNCH_CANDIDATE_OBSERVED);
    server_says(0, &offer);
    run_for(r->server[0].way_ns - 1);
    mark();
    run_for(1);
    r->mark_ns = r->now_ns;
}

static void probes(struct addr from, uint64_t transaction)
{
    struct punch_probe probe = {
        .flags = PUNCH_PROBE_WANTS_ANSWER, .transaction = transaction, .side = r->peer[0].side};
    probed_by(&r->peer[0], from, &probe);
}

/* Of what went there since the mark, how much may come to the peer's NAT. */
static unsigned whole_to(struct addr to)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < r->sent_count; i++)
        count += addr_equal(&r->sent[i].to, &to) && r->sent[i].ttl == 0;
    return count;
}

/* ---- The trap -------------------------------------------------------------------------------- */

/* What opens our own NAT goes at once and not far; the rest when both have been told, and later. */
static void test_knock(void **state)
{
    (void)state;
    static const struct {
        unsigned home_ms;
        uint32_t other_us;
        uint8_t trap; /* of our own NAT, which the knock may not come as far as */
        uint64_t at_us[PATH_PACE];
    } rows[] = {
        {10, 0, STUN_TRAP_NO, {0, 40000, 120000, 300000, 700000}},
        {100, 0, STUN_TRAP_NO, {0, 40000, 120000, 300000, 700000}},
        {10, 100000, STUN_TRAP_NO, {0, 140000, 220000, 400000, 800000}},
        {100, 1000000, STUN_TRAP_NO, {0, 1040000, 1120000, 1300000, 1700000}},
        {10, 100000, STUN_TRAP_YES, {0, 140000, 220000, 400000, 800000}},
        {100, 1000000, STUN_TRAP_YES, {0, 1040000, 1120000, 1300000, 1700000}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sides_are(rows[i].home_ms * MS,
                  side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, rows[i].trap),
                  side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES));
        called_before(1, at(1), rows[i].other_us);
        run_for(5 * SECOND);
        uint64_t at_ns[16];
        assert_int_equal(sent_times(at(1), at_ns, 16), PATH_PACE);
        for (unsigned n = 0; n < PATH_PACE; n++)
            assert_int_equal(at_ns[n], rows[i].at_us[n] * 1000);
        assert_int_equal(whole_to(at(1)), PATH_PACE - 1);
        for (uint32_t n = 0; n < r->sent_count; n++)
            assert_true(r->sent[n].ttl == 0 || r->sent[n].at_ns == r->mark_ns);
        probes(relay, 9); /* too late: all five have been sent */
        run_for(SECOND);
        assert_int_equal(sent_count(at(1)), PATH_PACE);
    }
}

/* The peer has been heard, so its NAT is open: nothing is held any longer. */
static void test_knock_ends(void **state)
{
    (void)state;
    /* To who has the trap, too, the peer may only have knocked: both send at the same time. */
    static const struct {
        bool relayed;
        uint8_t trap;
        uint64_t after_ns;
    } rows[] = {{true, STUN_TRAP_NO, 0},
                {true, STUN_TRAP_YES, 700 * MS + PATH_HOLD_NS},
                {false, STUN_TRAP_YES, 0}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sides_are(10 * MS, side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, rows[i].trap),
                  side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES));
        called_before(1, at(1), 1000000);
        run_for(300 * MS);
        assert_int_equal(sent_count(at(1)), 1);
        assert_int_equal(whole_to(at(1)), 0);
        probes(rows[i].relayed ? relay : at(1), 9);
        if (rows[i].after_ns > 0) {
            run_for(rows[i].after_ns - 1);
            assert_int_equal(whole_to(at(1)), 0);
        }
        run_for(2);
        assert_int_equal(whole_to(at(1)), 1);
        run_for(5 * SECOND);
        assert_int_equal(sent_count(at(1)), rows[i].relayed ? PATH_PACE : PATH_PACE + 1);
    }
}

/* Under an older call it may have sent long ago, and its NAT be closed again. */
static void test_old_call_ends_nothing(void **state)
{
    (void)state;
    sides_are(10 * MS, side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO),
              side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES));
    called_before(1, at(1), 0);
    run_for(5 * SECOND);
    called_before(2, at(1), 1000000);
    memset(r->peer[0].nonce, 1, PUNCH_NONCE_SIZE);
    probes(relay, 9);
    run_for(500 * MS);
    assert_int_equal(whole_to(at(1)), 0);
    memset(r->peer[0].nonce, 2, PUNCH_NONCE_SIZE);
    probes(relay, 10);
    run_for(1);
    assert_int_equal(whole_to(at(1)), 1);
}

/* Nobody is kept waiting for nothing: what is heard from another port of the peer's can be answered
   through these filters, and behind the same NAT there is no such order. */
static void test_no_knock(void **state)
{
    (void)state;
    const struct {
        struct reason_side ours;
        struct addr seen;
        bool knocks;
    } rows[] = {
        {side_of(STUN_MAPPING_EIM, STUN_FILTERING_EIF, STUN_TRAP_NO), at(1), false},
        {side_of(STUN_MAPPING_EIM, STUN_FILTERING_ADF, STUN_TRAP_NO), at(1), false},
        {{.nat = STUN_NAT_NONE, .filtering = STUN_FILTERING_EIF}, at(1), false},
        {{.nat = STUN_NAT_NONE, .filtering = STUN_FILTERING_APDF}, at(1), true},
        {{.nat = STUN_NAT_UNKNOWN}, at(1), true},
        {side_of(STUN_MAPPING_ADM, STUN_FILTERING_ADF, STUN_TRAP_NO), at(1), true},
        {side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES), addr_v4(0xcb007101, 777),
         false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sides_are(10 * MS, rows[i].ours,
                  side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES));
        called_before(1, rows[i].seen, 1000000);
        run_for(500 * MS);
        assert_int_equal(whole_to(rows[i].seen) > 0, !rows[i].knocks);
        assert_int_equal(sent_count(rows[i].seen), 1);
    }
}

/*
 * A way to a peer with the trap that was found from an address that we no longer have is closed at
 * its filter, and what goes there comes too early for the way that is to be made from here.
 */
static void test_old_way(void **state)
{
    (void)state;
    static const struct addr elsewhere = {.family = ADDR_V4, .ip = {10, 0, 7, 2}};
    const struct addr both[] = {elsewhere, own_address};
    for (unsigned trap = 0; trap < 2; trap++) {
        sides_are(10 * MS, side_of(STUN_MAPPING_EIM, STUN_FILTERING_EIF, STUN_TRAP_NO),
                  side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF,
                          trap != 0 ? STUN_TRAP_YES : STUN_TRAP_NO));
        connect_to(&r->peer[0]);
        answers_at(&r->peer[0], relay, 20 * MS);
        answers_at(&r->peer[0], at(1), 20 * MS);
        called_before(1, at(1), 0);
        run_for(SECOND);
        network_is(2, both); /* the old one is still there */
        assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_DIRECT);
        network_is(1, &elsewhere);
        mark();
        carry(&r->peer[0], 1, 100);
        run_for(900 * MS);
        assert_int_equal(whole_to(at(1)) == 0, trap != 0);
        if (trap != 0)
            assert_true(sent_count(r->server[0].punch) > 0); /* it goes through the relay */
        answers_at(&r->peer[0], at(1), 20 * MS);
        called_before(2, at(1), 0);
        probes(relay, 9);
        run_for(SECOND);
        assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_DIRECT);
    }
}

/*
 * It is about the NAT where the peer is seen. Another address of the peer's, which gets one datagram
 * and no more before it answers, gets it whole, and at once.
 */
static void test_other_address(void **state)
{
    (void)state;
    const struct addr other = addr_v4(0xcb007301, 40000);
    const struct reason_side findings[][2] = {
        {side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES)},
        {side_of(STUN_MAPPING_ADM, STUN_FILTERING_EIF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO)},
    };
    for (size_t i = 0; i < sizeof findings / sizeof findings[0]; i++) {
        sides_are(10 * MS, findings[i][0], findings[i][1]);
        uint8_t bytes[PUNCH_NONCE_SIZE] = {1};
        struct punch_message offer = offer_of(&r->peer[0], bytes, false, CHANNEL);
        add_candidate(&offer, other, PUNCH_CANDIDATE_HOST);
        add_candidate(&offer, at(1), PUNCH_CANDIDATE_OBSERVED);
        mark();
        server_says(0, &offer);
        run_for(r->server[0].way_ns);
        assert_int_equal(whole_to(other), 1);
        assert_int_equal(whole_to(at(1)), 0);
        run_for(5 * SECOND);
        assert_int_equal(sent_count(other), 1);
    }
}

/*
 * A session of our outer NAT's that the peer has to make, and a filter of the inner one that we have
 * to open: the knock does the one and spares the other, until the peer has come by. What comes
 * through the relay says nothing of that.
 */
static void test_passed(void **state)
{
    (void)state;
    for (unsigned direct = 0; direct < 2; direct++) {
        sides_are(10 * MS, side_of(STUN_MAPPING_ADM, STUN_FILTERING_APDF, STUN_TRAP_UNKNOWN),
                  side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO));
        called_before(1, at(1), 0);
        assert_int_equal(sent_count(at(1)), 1);
        assert_int_equal(whole_to(at(1)), 0);
        run_for(100 * MS);
        probes(relay, 9);
        if (direct != 0)
            probes(at(1), 10);
        run_for(1);
        assert_int_equal(whole_to(at(1)), direct);
        run_for(198 * MS);
        assert_int_equal(whole_to(at(1)), direct != 0 ? 3 : 0);
        run_for(5 * SECOND);
        assert_in_range(sent_count(at(1)), 3, PATH_PACE + 1);
    }
}

/*
 * Such a peer may have a trap behind its outer NAT, where no discovery finds it: as a callee that is
 * told first, we do not come before it is told. As a caller we cannot.
 */
static void test_told(void **state)
{
    (void)state;
    for (unsigned caller = 0; caller < 2; caller++) {
        sides_are(10 * MS, side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO),
                  side_of(STUN_MAPPING_ADM, STUN_FILTERING_APDF, STUN_TRAP_UNKNOWN));
        if (caller != 0) {
            r->server[0].called = &r->peer[0];
            r->server[0].called_at = at(1);
            r->server[0].other_us = 100000;
            mark();
            connect_to(&r->peer[0]);
            run_for(20 * MS);
            r->mark_ns = r->now_ns;
        } else {
            called_before(1, at(1), 100000);
        }
        run_for(99 * MS);
        assert_int_equal(sent_count(at(1)), 1);
        assert_int_equal(whole_to(at(1)), caller);
        run_for(2 * MS);
        assert_int_equal(whole_to(at(1)), caller + 1);
        run_for(SECOND);
        assert_int_equal(sent_count(at(1)), PATH_PACE);
    }
}

/* ---- Waiting to be reached ------------------------------------------------------------------- */

static void one_to_be_reached(void)
{
    sides_are(10 * MS, side_of(STUN_MAPPING_ADM, STUN_FILTERING_EIF, STUN_TRAP_NO),
              side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO));
}

static void test_silent(void **state)
{
    (void)state;
    one_to_be_reached();
    called_before(1, at(1), 0);
    run_for(100 * MS);
    probes(relay, 9);
    run_for(400 * MS);
    assert_int_equal(sent_count(at(1)), 0);
    assert_true(r->sent_count > 0); /* through the relay it answers */
    probes(at(1), 10);
    assert_int_equal(whole_to(at(1)), 1);
    assert_int_equal(last_probe(&r->peer[0], at(1)).acks[1], 10);
    run_for(5 * SECOND);
    assert_int_equal(sent_count(at(1)), 1 + PATH_PACE); /* nothing is acknowledged */
    /* Nor in the next attempt before it is reached again. */
    called_before(2, at(1), 0);
    run_for(5 * SECOND);
    assert_int_equal(sent_count(at(1)), 0);
}

/* Reached before the offer that says who it is: what came is answered, and the offer goes on. */
static void test_reached_before_the_offer(void **state)
{
    (void)state;
    one_to_be_reached();
    called_before(1, at(1), 0);
    probes(at(1), 10);
    run_for(5 * SECOND);
    called_before(1, at(1), 0);
    assert_int_equal(whole_to(at(1)), 1);
}

/* What was found in a network that we have left says nothing of the one where we are. */
static void test_left_behind(void **state)
{
    (void)state;
    static const struct addr elsewhere = {.family = ADDR_V4, .ip = {10, 0, 7, 2}};
    const struct addr both[] = {elsewhere, own_address};
    const struct {
        struct reason_side ours, theirs;
        bool knocks; /* once we are elsewhere; and while we are not: silent, or not held */
        bool silent;
    } rows[] = {
        {side_of(STUN_MAPPING_ADM, STUN_FILTERING_EIF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO), false, true},
        {side_of(STUN_MAPPING_ADM, STUN_FILTERING_EIF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES), true, true},
        {side_of(STUN_MAPPING_EIM, STUN_FILTERING_EIF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES), true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sides_are(10 * MS, rows[i].ours, rows[i].theirs);
        network_is(2, both); /* one more address is no other network */
        called_before(1, at(1), 1000000);
        assert_int_equal(sent_count(at(1)), rows[i].silent ? 0 : 1);
        assert_int_equal(whole_to(at(1)), rows[i].silent ? 0 : 1);
        network_is(1, &elsewhere);
        called_before(2, at(1), 1000000);
        assert_int_equal(sent_count(at(1)), 1);
        assert_int_equal(whole_to(at(1)), rows[i].knocks ? 0 : 1);
    }
}

/* The other mappings and filters. */
static void test_not_silent(void **state)
{
    (void)state;
    const struct {
        struct reason_side ours, theirs;
    } rows[] = {
        {side_of(STUN_MAPPING_EIM, STUN_FILTERING_EIF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO)},
        {side_of(STUN_MAPPING_ADM, STUN_FILTERING_EIF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_EIM, STUN_FILTERING_ADF, STUN_TRAP_NO)},
        {side_of(STUN_MAPPING_ADM, STUN_FILTERING_EIF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_ADM, STUN_FILTERING_APDF, STUN_TRAP_NO)},
        {side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO),
         side_of(STUN_MAPPING_ADM, STUN_FILTERING_EIF, STUN_TRAP_NO)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        sides_are(10 * MS, rows[i].ours, rows[i].theirs);
        called_before(1, at(1), 0);
        assert_int_equal(whole_to(at(1)), 1);
    }
}

/* Ways that are open are probed as always, whatever a new call has to wait for elsewhere. */
static void test_direct_path_goes_on(void **state)
{
    (void)state;
    for (unsigned trap = 0; trap < 2; trap++) {
        if (trap != 0)
            sides_are(10 * MS, side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO),
                      side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_YES));
        else
            one_to_be_reached();
        answers_at(&r->peer[0], relay, 20 * MS);
        answers_at(&r->peer[0], at(1), 20 * MS);
        answers_at(&r->peer[0], at(2), 30 * MS);
        called_before(1, at(1), 0);
        probes(at(1), 10);
        run_for(SECOND);
        called_before(2, at(2), 0);
        probes(at(2), 11);
        run_for(SECOND);
        called_before(3, at(1), 1000000);
        run_for(500 * MS);
        assert_int_equal(whole_to(at(1)) + whole_to(at(2)), 1); /* which is not the chosen one */
        run_for(60 * SECOND);
        assert_int_equal(r->states, 0);
        assert_in_range(whole_to(at(1)), 3, 6);
        assert_int_equal(whole_to(at(1)), sent_count(at(1)));
        assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_DIRECT);
    }
}

/*
 * A path was direct when the peer called anew, and its way is gone since, and so is our home. What
 * the peer sends is answered whole: it has been told long ago.
 */
static void test_answers_are_whole(void **state)
{
    (void)state;
    sides_are(10 * MS, side_of(STUN_MAPPING_EIM, STUN_FILTERING_APDF, STUN_TRAP_NO),
              side_of(STUN_MAPPING_ADM, STUN_FILTERING_APDF, STUN_TRAP_UNKNOWN));
    answers_at(&r->peer[0], at(1), 20 * MS);
    called_before(1, at(1), 0);
    run_for(SECOND);
    assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_DIRECT);
    called_before(2, at(1), 100000);
    run_for(SECOND);
    r->places = 0;
    r->server[0].gone = true;
    run_for(40 * SECOND);
    mark();
    for (uint64_t i = 0; i < 2; i++) {
        probes(at(1), 77 + i);
        run_for(MS);
    }
    assert_int_equal(sent_count(at(1)), 2);
    assert_int_equal(whole_to(at(1)), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_knock, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_knock_ends, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_old_call_ends_nothing, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_no_knock, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_passed, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_told, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_answers_are_whole, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_old_way, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_other_address, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_silent, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_reached_before_the_offer, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_left_behind, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_not_silent, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_direct_path_goes_on, NULL, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
