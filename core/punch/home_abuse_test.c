/* Tests of what a home does for those who want it to work, or to send, too much. */
#include "core/punch/home_call_test.h"

/* ---- Introductions --------------------------------------------------------------------------- */

/* What a HELLO claims is compared with its key before any signature is looked at, and what has been
   believed is not verified again. */
static void test_signatures_are_dear(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0), *thief = client_start(1);
    memcpy(thief->self.introduction, a->self.introduction, a->self.introduction_size);
    thief->self.introduction_size = a->self.introduction_size;
    node_start(thief, 2);
    signatures_verified = 0;
    client_open(thief, S0);
    run_for(20 * SECOND);
    assert_true(S0->counts[TRACE_INTRODUCTION_REFUSED] > 1);
    assert_int_equal(signatures_verified, 0);

    client_at_home(0, S0, true);
    assert_int_equal(signatures_verified, 2);
    for (unsigned i = 0; i < 10; i++) {
        struct context cx = context_of(a);
        seal_renew(&a->seal, &cx, session_to(a, S0));
        drain(a);
        run_for(SECOND);
        client_pings(a, S0);
        run_for(SECOND);
    }
    node_start(a, 2);
    client_at_home(0, S0, true);
    assert_int_equal(signatures_verified, 2);
    /* Another credential is news; and a good one does not stay good for ever. */
    expiry_of_test = CREDENTIAL_EXPIRY_S - 1;
    self_of_test(&a->self, SERVERS, false, 100 + SERVERS);
    expiry_of_test = CREDENTIAL_EXPIRY_S;
    node_start(a, 3);
    client_at_home(0, S0, true);
    assert_int_equal(signatures_verified, 4);
    self_clock(&S0->self, w->now_ns, CREDENTIAL_EXPIRY_S);
    node_start(a, 4);
    client_open(a, S0);
    run_for(SECOND);
    assert_false(session_to(a, S0)->up);
}

static void test_signatures_of_servers(void **state)
{
    (void)state;
    struct node_rig *s = spoken_server(), *thief = client_start(1);
    signatures_verified = 0;
    for (unsigned i = 0; i < 5; i++) {
        node_start(s, (uint8_t)(20 + i));
        client_open(s, S0);
        run_for(SECOND);
        assert_true(session_to(s, S0)->up);
    }
    assert_int_equal(signatures_verified, 0);
    memcpy(thief->self.introduction, s->self.introduction, s->self.introduction_size);
    thief->self.introduction_size = s->self.introduction_size;
    thief->socket = NODE_SOCKET_RELAY;
    node_start(thief, 2);
    client_open(thief, S0);
    run_for(SECOND);
    assert_true(S0->counts[TRACE_INTRODUCTION_REFUSED] > 0);
    assert_int_equal(signatures_verified, 0);
    self_clock(&S0->self, w->now_ns, CERTIFICATE_EXPIRY_S + 1);
    node_start(s, 30);
    client_open(s, S0);
    run_for(SECOND);
    assert_false(session_to(s, S0)->up);
}

/* A HELLO may be a recording: what it shows counts from the first message of its keys on. */
static void test_hello_changes_nothing(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    struct self before = a->self;
    expiry_of_test = CREDENTIAL_EXPIRY_S - 50;
    self_of_test(&a->self, SERVERS, false, 100 + SERVERS);
    expiry_of_test = CREDENTIAL_EXPIRY_S;
    assert_memory_not_equal(before.introduction, a->self.introduction, before.introduction_size);
    node_start(a, 2);
    client_open(a, S0);
    struct packet recorded = w->last;
    run_for(SECOND); /* it has its WELCOME, and says nothing */
    assert_int_equal(S0->counts[TRACE_SEAL_ACCEPTED], 3);
    connect_to(b, S0, a, 1, 11);
    run_for(SECOND);
    const struct letter *offer = heard(b, PUNCH_OFFER);
    assert_int_equal(offer->message.party.introduction.size, before.introduction_size);
    assert_memory_equal(offer->introduction, before.introduction, before.introduction_size);
    assert_int_equal(record_of_client(S0, a)->member.expiry_s, CREDENTIAL_EXPIRY_S);
    client_registers(a, S0, true);
    run_for(SECOND);
    const struct home_client *client = record_of_client(S0, a);
    assert_memory_equal(client->introduction, a->self.introduction, a->self.introduction_size);
    assert_int_equal(client->member.expiry_s, CREDENTIAL_EXPIRY_S - 50);
    /* Later somebody plays that HELLO again, when yet another credential counts. */
    a->self = before;
    node_start(a, 3);
    client_at_home(0, S0, true);
    deliver(S0, &recorded);
    run_for(SECOND);
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_int_equal(client->member.expiry_s, CREDENTIAL_EXPIRY_S);
    assert_memory_equal(client->introduction, before.introduction, before.introduction_size);
}

/* Who is a member no longer is registered no longer, however lively. */
static void test_credential_ends(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0), *b = client_at_home(1, S0, true);
    uint64_t start_ns = w->now_ns, start_s = self_wall_s(&S0->self, start_ns);
    expiry_of_test = start_s + 60;
    self_of_test(&a->self, SERVERS, false, 100 + SERVERS);
    expiry_of_test = CREDENTIAL_EXPIRY_S;
    node_start(a, 2);
    client_at_home(0, S0, true);
    connect_to(a, S0, b, 1, 11);
    for (unsigned i = 0; i < 5; i++) {
        run_for(10 * SECOND);
        client_pings(a, S0);
        client_pings(b, S0);
    }
    run_until(start_ns + 60 * SECOND);
    assert_non_null(record_of_client(S0, a));
    assert_int_equal(S0->relay.pairs.used, 1);
    run_until(start_ns + 61 * SECOND + SECOND);
    assert_null(record_of_client(S0, a));
    assert_non_null(record_of_client(S0, b));
    assert_int_equal(S0->home.clients.used, 1);
    assert_int_equal(S0->relay.pairs.used, 0);
    /* The clock can jump, too: then the next word is the last. */
    self_clock(&S0->self, w->now_ns, CREDENTIAL_EXPIRY_S + 1);
    forget(b);
    connect_to(b, S0, a, 2, 11);
    run_for(SECOND);
    assert_int_equal(b->count, 0);
    assert_int_equal(S0->home.clients.used, 0);
}

/* ---- Work for other servers ------------------------------------------------------------------ */

static int three_servers(void **state)
{
    (void)state;
    world_make(3, 8, 8, 32);
    return 0;
}

static uint32_t sent_between_servers;

static bool count_between_servers(const struct packet *packet)
{
    sent_between_servers += is_server(&packet->from) && is_server(&packet->to);
    return false;
}

/* What one client says moves few announcements, whatever it says, and the last word arrives. */
static void test_announcements_are_few(void **state)
{
    (void)state;
    for (unsigned toggles = 0; toggles < 2; toggles++) {
        three_servers(NULL);
        struct node_rig *a = client_at_home(0, S0, true);
        run_for(2 * SECOND);
        w->drop = count_between_servers;
        sent_between_servers = 0;
        for (unsigned i = 0; i < 400; i++) {
            a->version++;
            client_registers(a, S0, toggles == 0 || i % 2 == 1);
            run_for(5 * MS);
        }
        /* In 2 s: to two servers each, and once or twice their PING and PONG. */
        assert_in_range(sent_between_servers, 2, 2 * (toggles == 0 ? 3 : 7) + 8);
        w->drop = NULL;
        for (unsigned i = 0; i < 7; i++) {
            run_for(10 * SECOND);
            client_pings(a, S0);
        }
        assert_int_equal(location_at(S1, a)->version, a->version);
        assert_int_equal(location_at(S2, a)->version, a->version);
    }
}

/* Calls to nobody: all servers are asked for a few of them. */
static void test_searches_are_few(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    run_for(2 * SECOND);
    w->drop = drop_between_servers;
    dropped_between_servers = 0;
    for (unsigned i = 0; i < 20; i++)
        client_start(2 + i);
    uint64_t start_ns = w->now_ns;
    for (unsigned i = 0; i < 20; i++)
        connect_to(a, S0, client_of_test(2 + i), (uint8_t)(1 + i), 10 + i);
    run_until(start_ns + 100 * MS);
    assert_int_equal(dropped_between_servers, 2 * HOME_SEARCHES_BURST);
    assert_int_equal(heard_count(a, PUNCH_REFUSED), 20 - HOME_SEARCHES_BURST);
    assert_int_equal(refusal_heard(a, client_of_test(2 + 19), 20), PUNCH_REFUSED_QUOTA);
    assert_int_equal(S0->relay.pairs.used, HOME_SEARCHES_BURST);
    assert_int_equal(S0->home.calls.used, HOME_SEARCHES_BURST);
    /* Repeated, a call that waits is not refused, but nobody is asked again. */
    forget(a);
    connect_to(a, S0, client_of_test(2), 1, 10);
    run_until(start_ns + 200 * MS);
    assert_int_equal(dropped_between_servers, 2 * HOME_SEARCHES_BURST);
    assert_int_equal(a->count, 0);
    /* Others are known, or somebody else's: no search, or not its. */
    connect_to(a, S0, b, 30, 30);
    connect_to(b, S0, client_of_test(2), 31, 31);
    run_until(start_ns + 300 * MS);
    assert_non_null(offer_of(a, b, true, 30));
    assert_int_equal(dropped_between_servers, 2 * HOME_SEARCHES_BURST + 2);
    run_until(start_ns + SECOND + 20 * MS);
    dropped_between_servers = 0;
    connect_to(a, S0, client_of_test(10), 40, 40);
    connect_to(a, S0, client_of_test(11), 41, 41);
    run_for(100 * MS);
    assert_int_equal(dropped_between_servers, 2);
    /* What nobody comes back for is forgotten. */
    run_for(RELAY_HALF_IDLE_NS);
    assert_int_equal(S0->relay.pairs.used, 1);
}

/* A call that has waited for 10 s is no call any more: coming again begins it anew. */
static void test_waiting_ends(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_start(1);
    w->drop = drop_between_servers;
    for (unsigned again = 0; again < 2; again++) {
        for (unsigned i = 0; i < 4; i++) {
            connect_to(a, S0, b, 1, 11);
            run_for(SECOND);
            assert_int_equal(a->count, 0);
        }
        run_for(again == 0 ? HOME_WAIT_NS : HOME_WAIT_NS - 2 * SECOND);
    }
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, b, 1), PUNCH_REFUSED_UNKNOWN);
}

/* A server that says hello in a victim's name, and reads the WELCOME at its own address. */
static void test_victim_of_servers(void **state)
{
    (void)state;
    struct node_rig *s = smaller_server(), *a = client_at_home(0, S0, true);
    struct node_rig *nobody = client_start(2);
    w->victim = addr_v4(0xcb0071f0, 0);
    s->spoof = addr_with_port(w->victim, 9103);
    client_open(s, S0);
    struct packet hello = w->last;
    s->spoof = (struct addr){0};
    run_for(MS + s->delay_ns);
    assert_int_equal(w->victim_datagrams, 1);
    hello.from = s->addr;
    deliver(S0, &hello);
    run_for(100 * MS);
    assert_true(session_to(s, S0)->up);
    for (unsigned i = 0; i < 100; i++) {
        client_pings(s, S0);
        client_pings(a, S0);
        connect_to(a, S0, nobody, (uint8_t)(1 + i), 10 + i);
        forget(a);
        run_for(SECOND);
    }
    assert_int_equal(w->victim_datagrams, 1);
    /* PINGs are answered where they come from, as long as that has proven nothing: a few. */
    assert_in_range(heard_count(s, PUNCH_PONG), 1, SEAL_UNPROVEN_BURST);
    assert_int_equal(heard_count(s, PUNCH_INTRODUCE), 0);
    /* The proof is a session whose WELCOME went there alone. */
    run_for(SEAL_UNPROVEN_NS);
    struct context cx = context_of(s);
    seal_renew(&s->seal, &cx, session_to(s, S0));
    drain(s);
    run_for(SECOND);
    client_pings(s, S0);
    run_for(SECOND);
    assert_non_null(heard(s, PUNCH_PING));
    assert_int_equal(w->victim_datagrams, 1);
}

/* No room for a session with another server: it is tried again, until there is. */
static void test_no_room_for_a_server(void **state)
{
    (void)state;
    world_make(2, 8, 8, 8);
    struct node_rig *opener = session_to(S0, S1)->initiator ? S0 : S1;
    struct node_rig *other = opener == S0 ? S1 : S0;
    w->sessions = 1;
    node_start(opener, 2);
    client_at_home(0, opener, true);
    know(opener, other);
    run_for(10 * SECOND);
    assert_null(session_to(opener, other));
    assert_true(opener->counts[TRACE_SEAL_FULL] > 0);
    run_for(HOME_SILENT_NS + HOME_PING_NS); /* the client is silent, and gone */
    assert_non_null(session_to(opener, other));
    assert_true(session_to(opener, other)->up);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_signatures_are_dear, one_server),
        cmocka_unit_test_setup(test_signatures_of_servers, one_server),
        cmocka_unit_test_setup(test_hello_changes_nothing, one_server),
        cmocka_unit_test_setup(test_credential_ends, one_server),
        cmocka_unit_test_setup(test_announcements_are_few, three_servers),
        cmocka_unit_test_setup(test_searches_are_few, three_servers),
        cmocka_unit_test_setup(test_waiting_ends, two_servers),
        cmocka_unit_test_setup(test_victim_of_servers, one_server),
        cmocka_unit_test_setup(test_no_room_for_a_server, two_servers),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
