/* What a member's papers, and its host's word, do to its tunnel: real nodes, a mesh, and time. */
#include "sim/member_test.h"

enum { ALICE = 10, BOB = 11, CAROL = 12, OLD_KEY = 11, NEW_KEY = 31 };
#define LONG_S UINT64_C(1000000)

static const struct card alice_card = {.identity = ALICE, .key = 10, .inner = 1, .lasts_s = LONG_S};
static const struct card bob_card = {
    .identity = BOB, .key = OLD_KEY, .inner = 2, .lasts_s = LONG_S};

static uint32_t alice, bob;

static int teardown(void **state)
{
    (void)state;
    arena_free();
    return 0;
}

/* Both are there, and name each other if they should. */
static void meet(const struct card *bobs, bool named)
{
    world_new(11);
    alice = member_new("alice", &alice_card);
    bob = member_new("bob", bobs);
    if (named)
        name_peer(alice, BOB);
    name_peer(bob, ALICE);
    run_for(3 * SECOND);
}

static void expect_direct(void)
{
    struct node_peer peer;
    assert_true(peer_at(alice, BOB, &peer));
    assert_int_equal(peer.path, NODE_PATH_DIRECT);
    assert_true(peer.session);
}

/* Bob says so many, and all of them come. */
static void expect_heard(uint32_t place, uint8_t inner)
{
    uint32_t packets = witness.packets[alice];
    say_for(place, inner, 1, 3);
    assert_int_equal(witness.packets[alice], packets + 3);
    assert_int_equal(witness.from[alice], INNER + inner);
}

/* ---- The host's word ------------------------------------------------------------------------- */

/*
 * Who was removed opens nothing, neither with what he has a session for, nor with a handshake that
 * was good before; but may be named again, or call as anybody may.
 */
static void test_removed_stays_away(void **state)
{
    (void)state;
    struct node_peer peer;
    meet(&bob_card, true);
    expect_heard(bob, 2);
    expect_direct();
    struct taped initiation = witness.taped[bob][TUNNEL_INITIATION];
    uint32_t packets = witness.packets[alice];
    uint64_t sessions = counted(alice, TRACE_TUNNEL_SESSION);
    remove_peer(alice, BOB);
    say(bob, 2, 1);
    send_again(&initiation, alice);
    assert_int_equal(counted(alice, TRACE_TUNNEL_STRANGER), 1);
    assert_int_equal(counted(alice, TRACE_TUNNEL_NO_SESSION), 1);
    assert_int_equal(counted(alice, TRACE_TUNNEL_SESSION), sessions);
    assert_int_equal(witness.packets[alice], packets);
    assert_false(peer_at(alice, BOB, &peer));
    name_peer(alice, BOB);
    run_for(20 * SECOND);
    expect_heard(bob, 2);

    remove_peer(alice, BOB);
    assert_false(peer_at(alice, BOB, &peer));
    say_for(bob, 2, 1, 20); /* his path falls silent, and he calls */
    expect_heard(bob, 2);
    assert_true(peer_at(alice, BOB, &peer));
}

/* A key that the host names is whose the host says, whoever has come with it before. */
static void test_named_key_comes_first(void **state)
{
    (void)state;
    struct node_peer peer;
    meet(&bob_card, false);
    expect_heard(bob, 2);
    assert_true(peer_at(alice, BOB, &peer));
    struct addr net = addr_v4(0x0a630000, 0);
    struct node_in in = peer_of(CAROL);
    put_tunnel_key(in.peer.key, OLD_KEY);
    in.peer.subnets[0] = subnet_of(&net, 24);
    in.peer.subnet_count = 1;
    assert_true(tell(alice, in));
    uint32_t packets = witness.packets[alice];
    say(bob, 2, 1);
    run_for(100 * MS);
    assert_int_equal(counted(alice, TRACE_TUNNEL_NO_SESSION), 1);
    /* He shows who he is as often as he likes: the key stays Carol's, and he gets nowhere. */
    uint64_t refused = counted(alice, TRACE_TUNNEL_KEY_REFUSED);
    remove_peer(bob, ALICE);
    run_for(SECOND);
    name_peer(bob, ALICE);
    say_for(bob, 2, 1, 30);
    assert_true(counted(alice, TRACE_TUNNEL_KEY_REFUSED) > refused);
    assert_int_equal(witness.packets[alice], packets);
    assert_true(peer_at(alice, CAROL, &peer));
    assert_memory_equal(peer.key, in.peer.key, sizeof peer.key);
    assert_int_equal(peer.subnet_count, 1);
    if (peer_at(alice, BOB, &peer))
        assert_memory_not_equal(peer.key, in.peer.key, sizeof peer.key);
}

/* ---- Other papers ---------------------------------------------------------------------------- */

/* Bob is gone from his host, and comes back on another with other papers. */
static uint32_t come_back(const char *name, const struct card *card)
{
    member_off(bob);
    uint32_t place = member_new(name, card);
    name_peer(place, ALICE);
    run_for(3 * SECOND);
    return place;
}

/* The credential has another address: the old one is nobody's, what the host has named stays. */
static void test_renumbered(void **state)
{
    (void)state;
    struct card other = bob_card;
    struct addr net = addr_v4(0x0a630000, 0); /* 10.99.0.0 */
    struct node_in in = peer_of(BOB);
    meet(&bob_card, false);
    in.peer.subnets[0] = subnet_of(&net, 24);
    in.peer.subnet_count = 1;
    assert_true(tell(alice, in));
    expect_heard(bob, 2);
    other.inner = 3;
    uint32_t place = come_back("bob2", &other);
    expect_heard(place, 3);
    uint32_t packets = witness.packets[alice];
    uint64_t wrong = counted(alice, TRACE_TUNNEL_WRONG_SOURCE);
    uint64_t routeless = counted(alice, TRACE_TUNNEL_NO_ROUTE);
    say(place, 2, 1);
    run_for(SECOND);
    assert_int_equal(counted(alice, TRACE_TUNNEL_WRONG_SOURCE), wrong + 1);
    assert_int_equal(witness.packets[alice], packets);
    say(alice, 1, 2);
    assert_int_equal(counted(alice, TRACE_TUNNEL_NO_ROUTE), routeless + 1);
    say(alice, 1, 3);
    say_as(place, 0x0a630007, INNER + 1);
    run_for(SECOND);
    assert_int_equal(witness.packets[place], 1);
    assert_int_equal(witness.packets[alice], packets + 1);
    assert_int_equal(witness.from[alice], 0x0a630007);
    struct node_peer peer;
    assert_true(peer_at(alice, BOB, &peer));
    assert_int_equal(peer.subnet_count, 2);
}

/* The credential has another tunnel key: it counts, and what the old one has sealed does not. */
static void test_other_key(void **state)
{
    (void)state;
    struct card other = bob_card;
    struct node_peer peer;
    uint8_t key[32];
    meet(&bob_card, true);
    expect_heard(bob, 2);
    expect_direct();
    /* A message that never arrived, so it is no replay. */
    struct net_fault cut = {.kind = NET_FAULT_LINK_DOWN, .place = bob, .way = NET_WAY_UP};
    net_schedule_fault(arena.net, net_now(arena.net), &cut);
    run_for(MS);
    say(bob, 2, 1);
    run_for(10 * MS);
    struct taped late = witness.taped[bob][TUNNEL_DATA];
    other.key = NEW_KEY;
    other.behind_s = 500; /* the old key's timestamps are nothing to the new one */
    uint32_t place = come_back("bob2", &other);
    uint32_t packets = witness.packets[alice];
    uint64_t unknown = counted(alice, TRACE_TUNNEL_NO_SESSION);
    send_again(&late, alice);
    assert_int_equal(witness.packets[alice], packets);
    assert_int_equal(counted(alice, TRACE_TUNNEL_NO_SESSION), unknown + 1);
    expect_heard(place, 2);
    assert_true(peer_at(alice, BOB, &peer));
    put_tunnel_key(key, NEW_KEY);
    assert_memory_equal(peer.key, key, sizeof key);
    assert_int_equal(counted(alice, TRACE_TUNNEL_OLD), 0);
    say(alice, 1, 2);
    run_for(SECOND);
    assert_int_equal(witness.packets[place], 1);
}

/* ---- Papers that run out --------------------------------------------------------------------- */

enum { RUNS_OUT_S = 100 };

/*
 * One side alone speaks, so it begins every session; after the credential has run out there is no
 * new one, and what there was ends 180 s after it was made. New papers let bob in again.
 */
static void expect_expiry(bool by_bob)
{
    struct card brief = bob_card, renewed = bob_card;
    brief.lasts_s = RUNS_OUT_S;
    meet(&brief, true);
    uint32_t to = by_bob ? alice : bob, from = by_bob ? bob : alice;
    uint8_t inner = by_bob ? 2 : 1;
    while (net_now(arena.net) < (RUNS_OUT_S + 2) * SECOND)
        say_for(from, inner, (uint8_t)(3 - inner), 1);
    assert_true(witness.packets[to] > RUNS_OUT_S / 2);
    uint64_t sessions = counted(alice, TRACE_TUNNEL_SESSION);
    uint64_t initiated = counted(alice, TRACE_TUNNEL_INITIATED);
    say_for(from, inner, (uint8_t)(3 - inner), 180);
    uint32_t packets = witness.packets[to];
    say_for(from, inner, (uint8_t)(3 - inner), 120);
    assert_int_equal(witness.packets[to], packets);
    assert_int_equal(counted(alice, TRACE_TUNNEL_SESSION), sessions);
    assert_int_equal(counted(alice, TRACE_TUNNEL_INITIATED), initiated);
    if (by_bob)
        assert_true(counted(alice, TRACE_TUNNEL_STRANGER) > 0);
    uint32_t place = come_back("bob2", &renewed);
    expect_heard(place, 2);
}

static void test_expired_caller(void **state)
{
    (void)state;
    expect_expiry(true);
}

static void test_expired_callee(void **state)
{
    (void)state;
    expect_expiry(false);
}

/* ---- A clock that seems to have gone back ---------------------------------------------------- */

/*
 * An old initiation makes us begin a handshake, since the peer's clock may have gone back. Who says
 * it again and again gets that less often each time, every two minutes at last.
 */
static void test_old_initiations(void **state)
{
    (void)state;
    meet(&bob_card, true);
    say_for(bob, 2, 1, 130); /* he begins another session */
    struct taped old = witness.taped[bob][TUNNEL_INITIATION];
    say_for(bob, 2, 1, 130); /* and one more */
    expect_direct();
    assert_memory_not_equal(old.bytes, witness.taped[bob][TUNNEL_INITIATION].bytes, old.size);
    run_for(20 * SECOND); /* nobody says anything any more */
    uint64_t begun[4], sessions = counted(bob, TRACE_TUNNEL_SESSION);
    static const unsigned until_s[4] = {10, 100, 700, 1900};
    unsigned second = 0;
    uint64_t before = counted(alice, TRACE_TUNNEL_INITIATED);
    for (unsigned i = 0; i < 4; i++) {
        for (; second < until_s[i]; second++) {
            send_again(&old, alice);
            run_for(950 * MS);
        }
        begun[i] = counted(alice, TRACE_TUNNEL_INITIATED) - before;
    }
    /* At once; after 10, 20, 40 and 80 s more; then every 125 s. */
    assert_int_equal(begun[0], 1);
    assert_in_range(begun[1], 3, 4);
    assert_in_range(begun[2], 7, 10);
    assert_in_range(begun[3] - begun[2], 8, 10);
    assert_int_equal(counted(bob, TRACE_TUNNEL_SESSION) - sessions, begun[3]);
    assert_int_equal(counted(alice, TRACE_TUNNEL_OLD), 1900);
    expect_heard(bob, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_removed_stays_away, teardown),
        cmocka_unit_test_teardown(test_named_key_comes_first, teardown),
        cmocka_unit_test_teardown(test_renumbered, teardown),
        cmocka_unit_test_teardown(test_other_key, teardown),
        cmocka_unit_test_teardown(test_expired_caller, teardown),
        cmocka_unit_test_teardown(test_expired_callee, teardown),
        cmocka_unit_test_teardown(test_old_initiations, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
