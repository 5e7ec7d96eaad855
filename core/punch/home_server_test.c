/* Tests of core/punch/home_server.c, from docs/protocol.md, "Registration and calls". */
#include "core/punch/home_call_test.h"

/* ---- Announcements --------------------------------------------------------------------------- */

static void test_announced(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, false);
    assert_non_null(location_at(S1, a));
    assert_int_equal(location_at(S1, a)->version, 1000);
    /* Reserves are not. */
    assert_null(location_at(S0, b));
    a->version = 1001;
    run_for(SECOND);
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_int_equal(location_at(S1, a)->version, 1001);
}

static void test_location_expires(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    /* Announced again and again as long as it is there. */
    for (unsigned i = 0; i < 40; i++) {
        client_pings(a, S0);
        client_pings(b, S1);
        run_for(10 * SECOND);
        assert_non_null(location_at(S0, b));
    }
    w->drop = drop_between_servers;
    dropped_between_servers = 0;
    run_for(HOME_LOCATION_NS - HOME_REFRESH_NS - SECOND);
    assert_non_null(location_at(S0, b));
    run_for(HOME_REFRESH_NS + SECOND);
    assert_null(location_at(S0, b));
    assert_true(dropped_between_servers > 0);
}

static void test_locations_full(void **state)
{
    (void)state;
    world_make(2, 8, 3, 8);
    struct node_rig *a = client_at_home(0, S0, true);
    for (unsigned i = 1; i <= 5; i++) {
        client_at_home(i, S1, true);
        assert_int_equal(S0->home.locations.used, i < 3 ? i : 3);
        assert_non_null(location_at(S0, client_of_test(i)));
    }
    assert_null(location_at(S0, client_of_test(1)));
    assert_null(location_at(S0, client_of_test(2)));
    /* Who is forgotten is found all the same. */
    for (unsigned i = 1; i <= 5; i++) {
        connect_to(a, S0, client_of_test(i), (uint8_t)i, 10 + i);
        run_for(SECOND);
        assert_non_null(offer_of(a, client_of_test(i), true, (uint8_t)i));
    }
}

/* ---- Servers --------------------------------------------------------------------------------- */

/* One session for two servers, opened by the smaller identity, and the way measured by both. */
static void test_servers_meet(void **state)
{
    (void)state;
    bool s0_opens = memcmp(S0->self.identity, S1->self.identity, IDENTITY_SIZE) < 0;
    assert_int_equal(S0->seal.sessions.used, 1);
    assert_int_equal(S1->seal.sessions.used, 1);
    assert_int_equal(session_to(S0, S1)->initiator, s0_opens);
    assert_int_equal(session_to(S1, S0)->initiator, !s0_opens);
    S0->delay_ns = 7 * MS;
    run_for(3 * HOME_PING_NS);
    for (unsigned i = 0; i < 2; i++) {
        struct handle handle;
        const struct home_server *other = pool_slot(&server_of_test(i)->home.servers, 0, &handle);
        assert_int_equal(other->delay_us, 7000);
    }
    /* It stays: nobody says hello again, and nobody is known twice or by himself. */
    uint64_t hellos = S0->counts[TRACE_SEAL_HELLO_SENT] + S1->counts[TRACE_SEAL_HELLO_SENT];
    assert_int_equal(hellos, 1);
    know(S0, S1);
    know(S0, S0);
    run_for(600 * SECOND);
    assert_int_equal(S0->counts[TRACE_SEAL_HELLO_SENT] + S1->counts[TRACE_SEAL_HELLO_SENT], hellos);
    assert_int_equal(S0->home.servers.used, 1);
}

/* The other server's endpoint, or its tunnel key, is another one: its session follows. */
static void test_server_changes(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        world_make(2, 8, 8, 8);
        struct node_rig *one = server_of_test(i % 2), *other = server_of_test(1 - i % 2);
        struct node_rig *a = client_at_home(0, one, true);
        run_for(5 * SECOND);
        other->ip += 100;
        if (i / 2 == 1)
            self_of_test(&other->self, 1 - i % 2, true, 0xdd);
        node_start(other, 2);
        know(one, other);
        know(other, one);
        run_for(10 * SECOND);
        assert_true(session_to(one, other)->up);
        struct addr relay = relay_of(other);
        assert_true(addr_equal(&session_to(one, other)->route.remote, &relay));
        assert_int_equal(one->home.servers.used, 1);
        assert_int_equal(one->seal.sessions.used, 2);
        assert_non_null(location_at(other, a));
    }
}

/* A server that a home should open to itself is not let in, nor is one without a role for it. */
static void test_servers_refused(void **state)
{
    (void)state;
    world_make(1, 8, 8, 8);
    struct node_rig *s = client_start(0);
    unsigned larger = 0, smaller = 0;
    for (unsigned n = 1; n < NODES && (larger == 0 || smaller == 0); n++) {
        uint8_t identity[IDENTITY_SIZE];
        put_identity(identity, (uint8_t)(10 + n));
        if (memcmp(identity, S0->self.identity, IDENTITY_SIZE) > 0)
            larger = n;
        else
            smaller = n;
    }
    s->socket = NODE_SOCKET_RELAY;
    self_of_test(&s->self, larger, true, (uint8_t)(100 + larger));
    node_start(s, 2);
    client_open(s, S0);
    run_for(SECOND);
    assert_false(session_to(s, S0)->up);
    uint16_t roles = roles_of_test;
    roles_of_test = IDENTITY_ROLE_STUN | IDENTITY_ROLE_DNS;
    self_of_test(&s->self, smaller, true, (uint8_t)(100 + smaller));
    roles_of_test = roles;
    node_start(s, 3);
    client_open(s, S0);
    run_for(SECOND);
    assert_false(session_to(s, S0)->up);
    /* It shows another one's introduction. */
    self_of_test(&s->self, smaller, true, (uint8_t)(100 + smaller));
    memset(s->self.tunnel_key, 0x33, sizeof s->self.tunnel_key);
    node_start(s, 4);
    client_open(s, S0);
    run_for(SECOND);
    assert_false(session_to(s, S0)->up);
    assert_int_equal(S0->home.servers.used, 0);
    self_of_test(&s->self, smaller, true, (uint8_t)(100 + smaller));
    node_start(s, 5);
    client_open(s, S0);
    run_for(SECOND);
    assert_true(session_to(s, S0)->up);
}

/* A session is a client's or a server's, whoever has both kinds of papers for one key. */
static void test_member_and_server(void **state)
{
    (void)state;
    unsigned n = 0;
    uint8_t identity[IDENTITY_SIZE];
    do {
        n++;
        put_identity(identity, (uint8_t)(10 + SERVERS + n));
    } while (memcmp(identity, S0->self.identity, IDENTITY_SIZE) > 0);
    struct node_rig *a = client_at_home(n, S0, true);
    self_of_test(&a->self, SERVERS + n, true, (uint8_t)(100 + SERVERS + n));
    a->socket = NODE_SOCKET_RELAY;
    node_start(a, 2);
    client_open(a, S0);
    run_for(10 * SECOND);
    assert_false(session_to(a, S0)->up);
    assert_non_null(record_of_client(S0, a));
}

static void introduce(struct node_rig *s, const struct node_rig *callee,
                      const struct node_rig *caller, uint8_t nonce, uint32_t channel)
{
    struct punch_message message = {
        .type = PUNCH_INTRODUCE, .channel = channel, .party = caller->party};
    message.party.introduction =
        (struct frame_span){caller->self.introduction, caller->self.introduction_size};
    message.party.candidates[0] = (struct punch_candidate){
        caller->server ? relay_of(caller) : caller->addr, PUNCH_CANDIDATE_OBSERVED};
    message.party.candidate_count = 1;
    memcpy(message.identity, callee->self.identity, sizeof message.identity);
    memset(message.nonce, nonce, sizeof message.nonce);
    client_say(s, S0, &message);
}

/* What another server says of a caller is checked like everything else. */
static void test_introductions_checked(void **state)
{
    (void)state;
    struct node_rig *s = spoken_server(), *b = client_at_home(0, S0, true);
    struct node_rig *a = client_start(1);
    forget(s);
    introduce(s, b, a, 1, 70);
    run_for(SECOND);
    assert_non_null(offer_of(b, a, false, 1));
    const struct letter *introduced = heard(s, PUNCH_INTRODUCED);
    assert_non_null(introduced);
    assert_memory_equal(introduced->message.identity, a->self.identity, IDENTITY_SIZE);
    assert_memory_equal(introduced->introduction, b->self.introduction, b->self.introduction_size);
    forget(b);
    forget(s);
    /* A changed signature; a server as the caller; the callee itself. */
    a->self.introduction[a->self.introduction_size - 1] ^= 1;
    introduce(s, b, a, 2, 71);
    run_for(SECOND);
    assert_int_equal(refusal_heard(s, b, 2), PUNCH_REFUSED_RULES);
    introduce(s, b, S0, 3, 71);
    run_for(SECOND);
    assert_int_equal(refusal_heard(s, b, 3), PUNCH_REFUSED_RULES);
    introduce(s, b, b, 4, 71);
    run_for(SECOND);
    assert_int_equal(refusal_heard(s, b, 4), PUNCH_REFUSED_RULES);
    assert_int_equal(b->count, 0);
    assert_int_equal(S0->relay.pairs.used, 1);
    /* A channel that another pair has; a callee that nobody knows. */
    struct node_rig *c = client_start(2);
    introduce(s, b, c, 5, 70);
    run_for(SECOND);
    assert_int_equal(refusal_heard(s, b, 5), PUNCH_REFUSED_CHANNEL);
    introduce(s, c, b, 6, 72);
    run_for(SECOND);
    assert_int_equal(refusal_heard(s, c, 6), PUNCH_REFUSED_UNKNOWN);
    assert_int_equal(S0->relay.pairs.used, 1);
}

/* An answer counts for the call that was asked, with the callee that was asked for. */
static void test_answers_checked(void **state)
{
    (void)state;
    struct node_rig *s = spoken_server(), *a = client_at_home(0, S0, true);
    struct node_rig *b = client_start(1), *c = client_start(2);
    struct punch_message announce = {.type = PUNCH_ANNOUNCE, .location_count = 1};
    memcpy(announce.locations[0].identity, b->self.identity, IDENTITY_SIZE);
    announce.locations[0].version = 5;
    client_say(s, S0, &announce);
    run_for(SECOND);
    forget(s);
    connect_to(a, S0, b, 1, 11);
    run_for(100 * MS);
    const struct letter *asked = heard(s, PUNCH_INTRODUCE);
    assert_non_null(asked);
    assert_memory_equal(asked->message.identity, b->self.identity, IDENTITY_SIZE);
    assert_memory_equal(asked->introduction, a->self.introduction, a->self.introduction_size);
    struct punch_message answer = {.type = PUNCH_INTRODUCED, .party = b->party};
    answer.party.introduction =
        (struct frame_span){b->self.introduction, b->self.introduction_size};
    answer.party.candidates[0] = (struct punch_candidate){b->addr, PUNCH_CANDIDATE_OBSERVED};
    answer.party.candidate_count = 1;
    memcpy(answer.identity, a->self.identity, IDENTITY_SIZE);
    memset(answer.nonce, 1, sizeof answer.nonce);
    struct punch_message wrong[4] = {answer, answer, answer, answer};
    wrong[0].nonce[0] ^= 1;
    wrong[1].identity[0] ^= 1;
    wrong[2].party.introduction =
        (struct frame_span){c->self.introduction, c->self.introduction_size};
    wrong[3].party.introduction =
        (struct frame_span){S0->self.introduction, S0->self.introduction_size};
    for (unsigned i = 0; i < 4; i++) {
        client_say(s, S0, &wrong[i]);
        run_for(100 * MS);
        assert_null(heard(a, PUNCH_OFFER));
    }
    client_say(s, S0, &answer);
    run_for(100 * MS);
    assert_non_null(offer_of(a, b, true, 1));
    /* Once. */
    client_say(s, S0, &answer);
    run_for(100 * MS);
    assert_int_equal(heard_count(a, PUNCH_OFFER), 1);
}

static void announce(struct node_rig *s, const uint8_t *identity, uint64_t version)
{
    struct punch_message message = {.type = PUNCH_ANNOUNCE, .location_count = 1};
    memcpy(message.locations[0].identity, identity, IDENTITY_SIZE);
    message.locations[0].version = version;
    client_say(s, S0, &message);
    run_for(100 * MS);
}

static struct punch_message introduced_as(const struct node_rig *caller,
                                          const struct node_rig *callee, uint8_t nonce)
{
    struct punch_message message = {.type = PUNCH_INTRODUCED, .party = callee->party};
    message.party.introduction =
        (struct frame_span){callee->self.introduction, callee->self.introduction_size};
    message.party.candidate_count = 0;
    memcpy(message.identity, caller->self.identity, IDENTITY_SIZE);
    memset(message.nonce, nonce, sizeof message.nonce);
    return message;
}

/* The higher version counts, and at equal ones what was there first. */
static void test_versions(void **state)
{
    (void)state;
    struct node_rig *s = spoken_server(), *a = client_at_home(0, S0, true);
    struct node_rig *b = client_at_home(1, S1, true);
    const struct {
        const struct node_rig *client;
        uint64_t version;
        bool counts;
    } cases[] = {
        {a, 999, false}, {a, 1000, false}, {a, 1001, true},
        {b, 999, false}, {b, 1000, false}, {b, 1001, true},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        announce(s, cases[i].client->self.identity, cases[i].version);
        const struct home_location *location = location_at(S0, cases[i].client);
        bool there = location != NULL && location->version == cases[i].version &&
                     ((struct home_server *)pool_at(&S0->home.servers, location->server))
                             ->member.tunnel_key[0] == s->self.public_key[0];
        assert_int_equal(there, cases[i].counts);
        assert_int_equal(record_of_client(S0, a)->home, i < 2);
    }
}

/* Only who was asked answers, for the last call between two, while its caller is there. */
static void test_answers_of_others(void **state)
{
    (void)state;
    struct node_rig *s = spoken_server(), *a = client_at_home(0, S0, true);
    struct node_rig *b = client_at_home(1, S1, true), *c = client_start(2);
    struct punch_message refusal = {.type = PUNCH_REFUSED, .flag = PUNCH_REFUSED_RULES};
    memcpy(refusal.identity, b->self.identity, IDENTITY_SIZE);
    memset(refusal.nonce, 1, sizeof refusal.nonce);
    S1->delay_ns = 200 * MS;
    connect_to(a, S0, b, 1, 11);
    run_for(50 * MS);
    client_say(s, S0, &refusal);
    run_for(50 * MS);
    assert_int_equal(a->count, 0);
    run_for(SECOND);
    assert_non_null(heard(a, PUNCH_OFFER));
    forget(a);
    /* Of two calls between the same two the last one counts. */
    announce(s, c->self.identity, 5);
    connect_to(a, S0, c, 2, 12);
    connect_to(a, S0, c, 3, 13);
    run_for(100 * MS);
    struct punch_message answer = introduced_as(a, c, 2);
    client_say(s, S0, &answer);
    run_for(100 * MS);
    assert_int_equal(a->count, 0);
    answer = introduced_as(a, c, 3);
    client_say(s, S0, &answer);
    run_for(100 * MS);
    assert_int_equal(heard(a, PUNCH_OFFER)->message.channel, 13);
    /* A server cannot be called, whatever another one says. */
    forget(a);
    announce(s, S1->self.identity, 5);
    connect_to(a, S0, S1, 4, 14);
    run_for(100 * MS);
    answer = introduced_as(a, S1, 4);
    client_say(s, S0, &answer);
    run_for(100 * MS);
    assert_int_equal(a->count, 0);
    /* The caller is gone. */
    announce(s, client_start(3)->self.identity, 5);
    connect_to(a, S0, client_of_test(3), 5, 15);
    for (unsigned i = 0; i < 11; i++) {
        client_pings(s, S0);
        run_for(10 * SECOND);
    }
    assert_null(record_of_client(S0, a));
    uint32_t waiting = S0->home.calls.used;
    answer = introduced_as(a, client_of_test(3), 5);
    client_say(s, S0, &answer);
    run_for(100 * MS);
    assert_int_equal(S0->home.calls.used, waiting - 1);
}

/*
 * The callee calls back from where it really is, while its caller's home asks another server: that
 * is no crossing, and what the other server says in the end is about no call any more.
 */
static void test_call_back(void **state)
{
    (void)state;
    assert_true(memcmp(S0->self.identity, S1->self.identity, IDENTITY_SIZE) < 0);
    struct node_rig *s = spoken_server(), *a = client_at_home(0, S0, true);
    struct node_rig *b = client_at_home(1, S1, true);
    struct punch_message refusal = {.type = PUNCH_REFUSED, .flag = PUNCH_REFUSED_RULES};
    memcpy(refusal.identity, b->self.identity, IDENTITY_SIZE);
    memset(refusal.nonce, 1, sizeof refusal.nonce);
    announce(s, b->self.identity, 5000);
    connect_to(a, S0, b, 1, 11);
    run_for(100 * MS);
    connect_to(b, S1, a, 2, 22);
    run_for(100 * MS);
    assert_non_null(offer_of(b, a, true, 2));
    assert_non_null(offer_of(a, b, false, 2));
    client_say(s, S0, &refusal);
    run_for(100 * MS);
    assert_int_equal(a->count, 1);
    assert_true(data_passes(b, S1, 22, a, 11));
    assert_true(data_passes(a, S0, 11, b, 22));
}

/* A server that does not answer any more is not asked, and found again when it is back. */
static void test_server_lost(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S1, true);
    w->drop = drop_between_servers;
    for (unsigned i = 0; i < 8; i++) {
        client_pings(a, S0);
        client_pings(b, S1);
        run_for(10 * SECOND);
    }
    uint64_t start_ns = w->now_ns;
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_int_equal(refusal_heard(a, b, 1), PUNCH_REFUSED_UNKNOWN);
    assert_int_equal(heard(a, PUNCH_REFUSED)->at_ns, start_ns + 20 * MS);
    w->drop = NULL;
    run_for(40 * SECOND);
    forget(a);
    connect_to(a, S0, b, 2, 11);
    run_for(SECOND);
    assert_non_null(offer_of(a, b, true, 2));
}

/* Either server crashes: it learns again who is at home at the other one. */
static void test_server_restarts(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        world_make(2, 8, 8, 8);
        struct node_rig *one = server_of_test(i), *other = server_of_test(1 - i);
        struct node_rig *a = client_at_home(0, other, true);
        assert_non_null(location_at(one, a));
        run_for(5 * SECOND);
        node_start(one, 2);
        assert_null(location_at(one, a));
        know(one, other);
        run_for(HOME_PING_NS + 2 * SECOND);
        assert_non_null(location_at(one, a));
        struct node_rig *b = client_at_home(1, one, true);
        connect_to(b, one, a, 1, 11);
        run_for(SECOND);
        assert_non_null(offer_of(b, a, true, 1));
    }
}

/* More clients than one message names, told to a server that comes later. */
static void test_many_announced(void **state)
{
    (void)state;
    enum { MANY = 5 * PUNCH_ANNOUNCED_MAX + 3 };
    world_make(1, MANY, MANY, 8);
    for (unsigned i = 0; i < MANY; i++) {
        struct handle handle;
        struct home_client *client = pool_take(&S0->home.clients, &handle);
        client->self = handle;
        client->registered = true;
        client->home = i % 50 != 49;
        client->version = i;
        client->member.identity[0] = 1;
        client->member.identity[1] = (uint8_t)i;
    }
    server_start(1);
    know(S0, S1);
    know(S1, S0);
    run_for(SECOND);
    assert_int_equal(S1->home.locations.used, MANY - 2);
    assert_int_equal(S0->counts[TRACE_OUTPUT_FULL], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_announced, two_servers),
        cmocka_unit_test_setup(test_location_expires, two_servers),
        cmocka_unit_test(test_locations_full),
        cmocka_unit_test_setup(test_servers_meet, two_servers),
        cmocka_unit_test(test_server_changes),
        cmocka_unit_test(test_servers_refused),
        cmocka_unit_test_setup(test_member_and_server, one_server),
        cmocka_unit_test_setup(test_introductions_checked, one_server),
        cmocka_unit_test_setup(test_answers_checked, one_server),
        cmocka_unit_test_setup(test_versions, two_servers),
        cmocka_unit_test_setup(test_answers_of_others, two_servers),
        cmocka_unit_test_setup(test_call_back, two_servers),
        cmocka_unit_test_setup(test_server_lost, two_servers),
        cmocka_unit_test(test_server_restarts),
        cmocka_unit_test(test_many_announced),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
