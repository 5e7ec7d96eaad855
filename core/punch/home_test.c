/* Tests of core/punch/home.c, from docs/protocol.md, "Registration and calls". */
#include "core/punch/home_test.h"

static int one_server(void **state)
{
    (void)state;
    world_make(1, 8, 8, 8);
    return 0;
}

#define S0 server_of_test(0)

/* ---- Sessions -------------------------------------------------------------------------------- */

static void test_registration(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0);
    client_open(a, S0);
    run_for(SECOND);
    assert_null(record_of_client(S0, a));
    a->party.candidates[0] =
        (struct punch_candidate){addr_v4(0x0a000002, 40000), PUNCH_CANDIDATE_HOST};
    a->party.candidate_count = 1;
    client_registers(a, S0, true);
    run_for(SECOND);
    const struct letter *letter = heard(a, PUNCH_REGISTERED);
    assert_non_null(letter);
    assert_true(addr_equal(&letter->message.observed, &a->addr));
    const struct home_client *client = record_of_client(S0, a);
    assert_non_null(client);
    assert_true(client->home);
    assert_int_equal(client->version, 1000);
    assert_memory_equal(client->salt, a->party.salt, sizeof client->salt);
    assert_true(addr_equal(&client->route.remote, &a->addr));
    assert_int_equal(client->route.socket, NODE_SOCKET_PUNCH);
    assert_int_equal(client->candidate_count, 1);
    assert_int_equal(S0->counts[TRACE_HOME_REGISTERED], 1);
    assert_int_equal(S0->counts[TRACE_HOME_CHALLENGED], 0);
}

/* News come as another REGISTER, and one that was overtaken on the way changes nothing. */
static void test_registration_again(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    a->version = 1002;
    a->party.side.mapping = STUN_MAPPING_EIM;
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_int_equal(record_of_client(S0, a)->side.mapping, STUN_MAPPING_EIM);
    a->version = 1001;
    a->party.side.mapping = STUN_MAPPING_APDM;
    client_registers(a, S0, false);
    run_for(SECOND);
    assert_int_equal(heard_count(a, PUNCH_REGISTERED), 2);
    assert_int_equal(record_of_client(S0, a)->side.mapping, STUN_MAPPING_EIM);
    assert_int_equal(record_of_client(S0, a)->version, 1002);
    assert_true(record_of_client(S0, a)->home);
    assert_int_equal(S0->home.clients.used, 1);
}

static void test_ping(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0);
    client_open(a, S0);
    run_for(SECOND);
    /* Not registered: an answer would say that it is. */
    client_pings(a, S0);
    run_for(SECOND);
    assert_int_equal(a->count, 0);
    client_registers(a, S0, true);
    run_for(SECOND);
    client_pings(a, S0);
    run_for(SECOND);
    const struct letter *letter = heard(a, PUNCH_PONG);
    assert_non_null(letter);
    assert_true(addr_equal(&letter->message.observed, &a->addr));
}

/* Who may come in by which door. */
static void test_doors(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0), *b = client_start(1), *s = client_start(2);
    /* A member at the servers' door. */
    a->socket = NODE_SOCKET_RELAY;
    client_open(a, S0);
    run_for(SECOND);
    assert_false(session_to(a, S0)->up);
    /* A server at the clients' door. */
    self_of_test(&s->self, 3, true, 103);
    node_start(s, 2);
    client_open(s, S0);
    run_for(SECOND);
    assert_false(session_to(s, S0)->up);
    /* A member who shows another one's introduction. */
    memcpy(b->self.introduction, a->self.introduction, sizeof b->self.introduction);
    b->self.introduction_size = a->self.introduction_size;
    node_start(b, 2);
    client_open(b, S0);
    run_for(SECOND);
    assert_false(session_to(b, S0)->up);
    assert_true(S0->counts[TRACE_INTRODUCTION_REFUSED] >= 3);
    assert_int_equal(S0->home.clients.used, 0);
    assert_int_equal(S0->home.servers.used, 0);
}

static void test_expired_member(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0);
    self_clock(&S0->self, w->now_ns, CREDENTIAL_EXPIRY_S + 1);
    client_open(a, S0);
    run_for(SECOND);
    assert_false(session_to(a, S0)->up);
    assert_int_equal(S0->home.clients.used, 0);
    self_clock(&S0->self, w->now_ns, CREDENTIAL_EXPIRY_S - 100);
    run_for(10 * SECOND);
    assert_true(session_to(a, S0)->up);
}

static void test_malformed(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    struct punch_message messages[] = {
        {.type = PUNCH_ANNOUNCE, .location_count = 1, .locations = {{{1}, 5}}},
        {.type = PUNCH_PONG, .observed = addr_v4(0xcb007101, 1)},
        {.type = PUNCH_REFUSED, .flag = PUNCH_REFUSED_RULES, .identity = {1}},
    };
    struct home_client before = *record_of_client(S0, a);
    for (unsigned i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        client_say(a, S0, &messages[i]);
        run_for(SECOND);
        assert_int_equal(S0->counts[TRACE_HOME_MALFORMED], i + 1);
    }
    struct context cx = context_of(a);
    assert_true(seal_send(&a->seal, &cx, session_to(a, S0), NULL, (const uint8_t *)"\x63xyz", 4));
    drain(a);
    run_for(SECOND);
    assert_int_equal(S0->counts[TRACE_HOME_MALFORMED], 4);
    assert_int_equal(a->count, 0);
    assert_memory_equal(&before, record_of_client(S0, a), sizeof before);
    assert_int_equal(S0->home.locations.used, 0);
}

static void test_full(void **state)
{
    (void)state;
    world_make(1, 3, 8, 8);
    for (unsigned i = 0; i < 3; i++)
        client_at_home(i, S0, true);
    struct node_rig *late = client_start(3);
    client_open(late, S0);
    run_for(20 * SECOND);
    assert_false(session_to(late, S0)->up);
    assert_true(S0->counts[TRACE_HOME_FULL] >= 1);
    for (unsigned i = 0; i < 3; i++)
        assert_non_null(record_of_client(S0, client_of_test(i)));
    /* Two stay, the third falls silent, and makes room. */
    for (unsigned i = 0; i < 5; i++) {
        client_pings(client_of_test(0), S0);
        client_pings(client_of_test(1), S0);
        run_for(20 * SECOND);
    }
    assert_null(record_of_client(S0, client_of_test(2)));
    assert_true(session_to(late, S0)->up);
    client_registers(late, S0, true);
    run_for(SECOND);
    assert_non_null(record_of_client(S0, late));
}

static void test_silence(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    client_pings(a, S0);
    run_for(20 * MS);
    uint64_t last_ns = w->now_ns - 10 * MS; /* when it arrived */
    run_until(last_ns + HOME_SILENT_NS - 1);
    assert_non_null(record_of_client(S0, a));
    run_until(last_ns + HOME_SILENT_NS);
    assert_null(record_of_client(S0, a));
    assert_int_equal(S0->home.clients.used, 0);
    assert_int_equal(S0->seal.sessions.used, 0);
    assert_int_equal(S0->counts[TRACE_HOME_GONE], 1);
    /* It asks again, is told that it is a stranger, and comes anew. */
    client_pings(a, S0);
    run_for(2 * SECOND);
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_non_null(record_of_client(S0, a));
}

/* A home that crashed knows nobody; its clients find out by their next word. */
static void test_crash(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    run_for(20 * SECOND);
    node_start(S0, 2);
    client_pings(a, S0);
    run_for(2 * SECOND);
    assert_int_equal(heard_count(a, PUNCH_PONG), 0);
    assert_true(S0->counts[TRACE_SEAL_ACCEPTED] == 1);
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_non_null(heard(a, PUNCH_REGISTERED));
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
}

static void test_serve_no_longer(void **state)
{
    (void)state;
    world_make(2, 8, 8, 8);
    struct node_rig *a = client_at_home(0, S0, true);
    run_for(2 * SECOND);
    struct context cx = context_of(S0);
    struct home_tools tools = tools_of(S0, &cx);
    assert_true(S0->seal.sessions.used == 2);
    home_serve(&S0->home, &tools, false);
    assert_int_equal(S0->home.clients.used, 0);
    assert_int_equal(S0->seal.sessions.used, 0);
    assert_int_equal(timers_deadline(&S0->timers), UINT64_MAX);
    client_pings(a, S0);
    run_for(20 * SECOND);
    assert_int_equal(S0->seal.sessions.used, 0);
    cx = context_of(S0);
    home_serve(&S0->home, &tools, true);
    drain(S0);
    run_for(20 * SECOND);
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_non_null(record_of_client(S0, a));
    assert_int_equal(S0->seal.sessions.used, 2);
}

/* ---- One identity, one registration ---------------------------------------------------------- */

/* The client starts anew, elsewhere, with the same keys: its first message moves it at once. */
static void test_restart(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    a->addr = addr_v4(0xcb007180, 50000);
    a->version = 5; /* a lost disk */
    a->party.salt[0] ^= 1;
    node_start(a, 2);
    client_at_home(0, S0, true);
    assert_int_equal(S0->home.clients.used, 2);
    assert_int_equal(S0->counts[TRACE_HOME_CHALLENGED], 0);
    assert_int_equal(S0->counts[TRACE_HOME_MOVED], 1);
    const struct home_client *client = record_of_client(S0, a);
    assert_true(addr_equal(&client->route.remote, &a->addr));
    assert_int_equal(client->version, 5);
    assert_memory_equal(client->salt, a->party.salt, sizeof client->salt);
    connect_to(b, S0, a, 1, 11);
    run_for(SECOND);
    assert_non_null(heard(a, PUNCH_OFFER));
}

/* With other keys it is another session, which takes the registration over. */
static void test_new_key(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    assert_int_equal(S0->relay.pairs.used, 1);
    self_of_test(&a->self, SERVERS, false, 0xee);
    node_start(a, 2);
    client_open(a, S0);
    run_for(15 * MS);
    /* The HELLO has arrived, and might be a recording: the registration stands. */
    assert_int_equal(S0->counts[TRACE_SEAL_ACCEPTED], 3);
    assert_int_equal(S0->relay.pairs.used, 1);
    assert_non_null(record_of_client(S0, a));
    run_for(SECOND);
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_int_equal(S0->home.clients.used, 2);
    assert_int_equal(S0->seal.sessions.used, 2);
    assert_int_equal(S0->relay.pairs.used, 0);
    assert_memory_equal(record_of_client(S0, a)->member.tunnel_key, a->self.public_key, 32);
    forget(a);
    connect_to(b, S0, a, 2, 12);
    run_for(SECOND);
    assert_non_null(heard(a, PUNCH_OFFER));
    const struct letter *offer = heard(b, PUNCH_OFFER);
    assert_int_equal(offer->message.party.introduction.size, a->self.introduction_size);
    assert_memory_equal(offer->introduction, a->self.introduction, a->self.introduction_size);
}

static struct packet recorded;

/* Keeps the HELLO of the client's boot before. */
static void test_old_hello(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0), *b = client_at_home(1, S0, true);
    client_open(a, S0);
    recorded = w->last;
    node_start(a, 2);
    w->packets = 0;
    client_at_home(0, S0, true);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    uint32_t channel = heard(b, PUNCH_OFFER)->message.channel;
    /* Somebody sends it again, from elsewhere. */
    w->victim = addr_v4(0xcb0071f0, 0);
    for (unsigned i = 0; i < 100; i++) {
        recorded.from = addr_with_port(w->victim, (uint16_t)(1000 + i));
        deliver(S0, &recorded);
        run_for(10 * MS);
    }
    assert_true(w->victim_datagrams <= 5);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
    assert_true(data_passes(a, S0, 11, b, channel));
    assert_true(data_passes(b, S0, channel, a, 11));
    client_pings(a, S0);
    run_for(SECOND);
    assert_non_null(heard(a, PUNCH_PONG));
}

/* ---- Addresses ------------------------------------------------------------------------------- */

/* A NAT gives the client another address: it is followed once a challenge to it came back. */
static void test_move(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    uint32_t channel = heard(b, PUNCH_OFFER)->message.channel;
    struct addr before = a->addr;
    forget(a);
    a->addr = addr_v4(0xcb007190, 50001);
    client_pings(a, S0);
    run_for(SECOND);
    /* The challenge, and nothing else. */
    assert_int_equal(a->count, 1);
    assert_int_equal(a->inbox[0].message.type, PUNCH_CHALLENGE);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &before));
    /* Nothing is forwarded from there or to there. */
    assert_false(data_passes(a, S0, 11, b, channel));
    assert_false(data_passes(b, S0, channel, a, 11));
    struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
    memcpy(answer.token, a->inbox[0].message.token, sizeof answer.token);
    client_say(a, S0, &answer);
    client_pings(a, S0);
    run_for(SECOND);
    assert_int_equal(S0->counts[TRACE_HOME_MOVED], 1);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
    assert_true(addr_equal(&heard(a, PUNCH_PONG)->message.observed, &a->addr));
    assert_true(data_passes(a, S0, 11, b, channel));
    assert_true(data_passes(b, S0, channel, a, 11));
    /* Offers go there too, and name it. */
    forget(a);
    connect_to(b, S0, a, 9, 99);
    run_for(SECOND);
    assert_non_null(heard(a, PUNCH_OFFER));
    const struct punch_party *party = &heard(b, PUNCH_OFFER)->message.party;
    assert_true(addr_equal(&party->candidates[party->candidate_count - 1].addr, &a->addr));
}

/* What does not count as an answer. */
static void test_wrong_answers(void **state)
{
    (void)state;
    enum { WRONG_TOKEN, OTHER_ADDRESS, TOO_LATE, OLD_ADDRESS, CASES };
    for (unsigned i = 0; i < CASES; i++) {
        world_make(1, 8, 8, 8);
        struct node_rig *a = client_at_home(0, S0, true);
        struct addr before = a->addr, now = addr_v4(0xcb007190, 50001);
        struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
        /* None is under way: a token of zeros is not one. */
        a->addr = now;
        client_say(a, S0, &answer);
        run_for(SECOND);
        assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &before));
        client_pings(a, S0);
        run_for(100 * MS);
        memcpy(answer.token, heard(a, PUNCH_CHALLENGE)->message.token, sizeof answer.token);
        if (i == WRONG_TOKEN)
            answer.token[PUNCH_TOKEN_SIZE - 1] ^= 1;
        if (i == OTHER_ADDRESS)
            a->addr = addr_with_port(now, 50002);
        if (i == TOO_LATE)
            run_for(HOME_TOKEN_NS);
        if (i == OLD_ADDRESS)
            a->addr = before;
        client_say(a, S0, &answer);
        run_for(100 * MS);
        assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &before));
        assert_int_equal(S0->counts[TRACE_HOME_MOVED], 0);
    }
}

/* A token is good once: an old answer does not move the client back. */
static void test_token_is_used_up(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    struct addr first = a->addr, second = addr_v4(0xcb007190, 50001);
    struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
    a->addr = second;
    client_pings(a, S0);
    run_for(100 * MS);
    memcpy(answer.token, heard(a, PUNCH_CHALLENGE)->message.token, sizeof answer.token);
    client_say(a, S0, &answer);
    run_for(2 * SECOND);
    forget(a);
    a->addr = first;
    client_pings(a, S0);
    run_for(100 * MS);
    assert_memory_not_equal(answer.token, heard(a, PUNCH_CHALLENGE)->message.token,
                            sizeof answer.token);
    client_say(a, S0, &answer);
    run_for(100 * MS);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &second));
}

/* A recording of a HELLO under keys that the client had before is forgotten in time, alone. */
static void test_old_hello_of_old_key(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0);
    client_open(a, S0);
    recorded = w->last;
    w->packets = 0;
    self_of_test(&a->self, SERVERS, false, 0xee);
    node_start(a, 2);
    client_at_home(0, S0, true);
    deliver(S0, &recorded);
    assert_int_equal(S0->home.clients.used, 2);
    for (unsigned i = 0; i < 10; i++) {
        client_pings(a, S0);
        run_for(10 * SECOND);
        assert_non_null(record_of_client(S0, a));
    }
    assert_int_equal(S0->home.clients.used, 1);
    assert_int_equal(S0->home.by_identity.used, 1);
    assert_non_null(heard(a, PUNCH_PONG));
}

/* Two identities do not share a tunnel key: a session is one of them. */
static void test_shared_key(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_start(1);
    self_of_test(&b->self, SERVERS + 1, false, 100 + SERVERS);
    node_start(b, 2);
    client_open(b, S0);
    run_for(10 * SECOND);
    assert_false(session_to(b, S0)->up);
    client_pings(a, S0);
    run_for(SECOND);
    assert_non_null(heard(a, PUNCH_PONG));
    assert_memory_equal(record_of_client(S0, a)->member.identity, a->self.identity, IDENTITY_SIZE);
}

/* Without room for a session there is no registration either. */
static void test_sessions_full(void **state)
{
    (void)state;
    w->sessions = 1;
    node_start(S0, 2);
    w->sessions = SESSIONS;
    client_at_home(0, S0, true);
    client_open(client_start(1), S0);
    run_for(SECOND);
    assert_true(S0->counts[TRACE_SEAL_FULL] >= 1);
    assert_int_equal(S0->home.clients.used, 1);
    assert_int_equal(S0->home.clients.high_water, 2);
}

/* A client's words at the servers' door are not heard. */
static void test_wrong_door(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    seal_move(session_to(a, S0), (struct seal_route){.socket = a->socket, .remote = relay_of(S0)});
    client_pings(a, S0);
    run_for(SECOND);
    assert_int_equal(a->count, 0);
}

/* The WELCOME went to two addresses, so the first message proves neither. */
static void test_hello_from_two_places(void **state)
{
    (void)state;
    struct node_rig *a = client_start(0);
    client_open(a, S0);
    recorded = w->last;
    recorded.from = addr_v4(0xcb0071f0, 77);
    run_for(11 * MS);
    deliver(S0, &recorded);
    run_for(SECOND);
    client_registers(a, S0, true);
    run_for(SECOND);
    assert_non_null(record_of_client(S0, a));
    assert_int_equal(record_of_client(S0, a)->route.remote.family, ADDR_NONE);
    assert_non_null(heard(a, PUNCH_CHALLENGE));
}

/*
 * The client was at one address, moved to another, and says hello from a third. What it says first
 * under the new keys, with the first address as its source, proves nothing: that address may be
 * somebody else's by now.
 */
static void test_old_proof(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    struct addr first = a->addr, second = addr_v4(0xcb007190, 50001);
    struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
    a->addr = second;
    client_pings(a, S0);
    run_for(100 * MS);
    memcpy(answer.token, heard(a, PUNCH_CHALLENGE)->message.token, sizeof answer.token);
    client_say(a, S0, &answer);
    run_for(100 * MS);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &second));
    struct context cx = context_of(a);
    a->addr = addr_v4(0xcb007191, 50002);
    seal_renew(&a->seal, &cx, session_to(a, S0));
    drain(a);
    run_for(100 * MS);
    a->addr = first;
    client_pings(a, S0);
    run_for(100 * MS);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &second));
}

/* Each address gets a token of its own; and one that has moved may move on at once. */
static void test_tokens_by_address(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
    a->addr = addr_v4(0xcb007190, 50001);
    client_pings(a, S0);
    run_for(HOME_CHALLENGE_NS);
    memcpy(answer.token, heard(a, PUNCH_CHALLENGE)->message.token, sizeof answer.token);
    forget(a);
    a->addr = addr_v4(0xcb007191, 50001);
    client_pings(a, S0);
    run_for(100 * MS);
    assert_memory_not_equal(answer.token, heard(a, PUNCH_CHALLENGE)->message.token,
                            sizeof answer.token);
    memcpy(answer.token, heard(a, PUNCH_CHALLENGE)->message.token, sizeof answer.token);
    client_say(a, S0, &answer);
    run_for(100 * MS);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
    forget(a);
    a->addr = addr_v4(0xcb007192, 50001);
    client_pings(a, S0);
    run_for(100 * MS);
    assert_non_null(heard(a, PUNCH_CHALLENGE));
}

/* A client that moves on and on at one IP address pays for none of its moves. */
static void test_answers_give_back(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    for (uint16_t i = 0; i < 3 * SEAL_UNPROVEN_BURST; i++) {
        struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
        a->addr = addr_v4(0xcb007190, (uint16_t)(50001 + i));
        forget(a);
        client_pings(a, S0);
        run_for(HOME_CHALLENGE_NS);
        /* The first challenge is lost, the second is answered. */
        client_pings(a, S0);
        run_for(100 * MS);
        assert_int_equal(heard_count(a, PUNCH_CHALLENGE), 2);
        memcpy(answer.token, heard(a, PUNCH_CHALLENGE)->message.token, sizeof answer.token);
        client_say(a, S0, &answer);
        run_for(HOME_CHALLENGE_NS);
        assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
    }
    assert_int_equal(S0->counts[TRACE_SEAL_OVER_BUDGET], 0);
}

static void test_challenges_are_paced(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    a->addr = addr_v4(0xcb007190, 50001);
    for (unsigned i = 0; i < 3; i++) {
        client_pings(a, S0);
        run_for(100 * MS);
    }
    /* The first was the challenge; what is left of the address's budget is for more of them. */
    assert_int_equal(heard_count(a, PUNCH_CHALLENGE), 1);
    assert_int_equal(heard_count(a, PUNCH_PONG), 0);
    run_for(HOME_CHALLENGE_NS);
    client_pings(a, S0);
    run_for(100 * MS);
    assert_int_equal(heard_count(a, PUNCH_CHALLENGE), 2);
    /* The same token again, so that an answer to either counts. */
    struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
    memcpy(answer.token, a->inbox[0].message.token, sizeof answer.token);
    client_say(a, S0, &answer);
    run_for(100 * MS);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
}

/* Many clients behind one NAT that restarts: each that proves itself makes room for the next. */
static void test_many_move_together(void **state)
{
    (void)state;
    world_make(1, CLIENTS, 8, 8);
    for (unsigned i = 0; i < 20; i++) {
        client_start(i)->addr = addr_v4(0xcb007101, (uint16_t)(40000 + i));
        client_at_home(i, S0, true);
    }
    for (unsigned i = 0; i < 20; i++)
        client_of_test(i)->addr = addr_v4(0xcb007199, (uint16_t)(50000 + i));
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 20; i++) {
            struct node_rig *a = client_of_test(i);
            const struct letter *letter = heard(a, PUNCH_CHALLENGE);
            if (letter != NULL) {
                struct punch_message answer = {.type = PUNCH_CHALLENGE_ANSWER};
                memcpy(answer.token, letter->message.token, sizeof answer.token);
                client_say(a, S0, &answer);
            } else if (!addr_equal(&record_of_client(S0, a)->route.remote, &a->addr)) {
                client_pings(a, S0);
            }
            forget(a);
        }
        run_for(1100 * MS);
    }
    for (unsigned i = 0; i < 20; i++)
        assert_true(addr_equal(&record_of_client(S0, client_of_test(i))->route.remote,
                               &client_of_test(i)->addr));
}

/*
 * A hostile member claims a victim's address in every message there is: the victim gets five
 * datagrams at most, none longer than what asked for it, and no data ever.
 */
static void test_victim(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true), *b = client_at_home(1, S0, true);
    w->victim = addr_v4(0xcb0071f0, 0);
    connect_to(a, S0, b, 1, 11);
    run_for(SECOND);
    uint32_t channel = heard(b, PUNCH_OFFER)->message.channel;
    for (unsigned i = 0; i < 400; i++) {
        a->spoof = addr_with_port(w->victim, (uint16_t)(1000 + i % 7));
        uint32_t datagrams = w->victim_datagrams, bytes = w->victim_bytes;
        switch (i % 5) {
        case 0:
            client_pings(a, S0);
            break;
        case 1:
            client_registers(a, S0, true);
            break;
        case 2:
            connect_to(a, S0, b, (uint8_t)i, 11 + i % 3);
            break;
        case 3:
            client_say(a, S0, &(struct punch_message){.type = PUNCH_CHALLENGE_ANSWER});
            break;
        default:
            data_to(a, S0, 11, 1);
        }
        uint32_t asked = w->last.size + 28;
        data_to(b, S0, channel, 2);
        run_for(60 * MS);
        assert_true(w->victim_datagrams <= datagrams + 1);
        assert_true(w->victim_bytes - bytes <= asked);
    }
    assert_in_range(w->victim_datagrams, 1, 5);
    a->spoof = (struct addr){0};
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
    assert_int_equal(S0->counts[TRACE_HOME_MOVED], 0);
}

/* It says hello in the victim's name instead, as often as it likes. */
static void test_victim_of_hellos(void **state)
{
    (void)state;
    struct node_rig *a = client_at_home(0, S0, true);
    w->victim = addr_v4(0xcb0071f0, 0);
    for (unsigned i = 0; i < 50; i++) {
        a->spoof = addr_with_port(w->victim, (uint16_t)(1000 + i % 7));
        struct context cx = context_of(a);
        seal_renew(&a->seal, &cx, session_to(a, S0));
        drain(a);
        run_for(100 * MS);
    }
    assert_in_range(w->victim_datagrams, 1, 5);
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &a->addr));
    /*
     * What a session under new keys says first comes from elsewhere than its WELCOME went: it
     * proves nothing about that address.
     */
    a->spoof = (struct addr){0};
    struct context cx = context_of(a);
    seal_renew(&a->seal, &cx, session_to(a, S0));
    drain(a);
    run_for(100 * MS);
    struct addr before = a->addr;
    a->addr = addr_v4(0xcb007195, 50009);
    client_registers(a, S0, true);
    run_for(100 * MS);
    assert_non_null(record_of_client(S0, a));
    assert_true(addr_equal(&record_of_client(S0, a)->route.remote, &before));
    assert_int_equal(heard_count(a, PUNCH_CHALLENGE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_registration, one_server),
        cmocka_unit_test_setup(test_registration_again, one_server),
        cmocka_unit_test_setup(test_ping, one_server),
        cmocka_unit_test_setup(test_doors, one_server),
        cmocka_unit_test_setup(test_expired_member, one_server),
        cmocka_unit_test_setup(test_malformed, one_server),
        cmocka_unit_test_setup(test_full, one_server),
        cmocka_unit_test_setup(test_silence, one_server),
        cmocka_unit_test_setup(test_crash, one_server),
        cmocka_unit_test_setup(test_serve_no_longer, one_server),
        cmocka_unit_test_setup(test_restart, one_server),
        cmocka_unit_test_setup(test_new_key, one_server),
        cmocka_unit_test_setup(test_old_hello, one_server),
        cmocka_unit_test_setup(test_move, one_server),
        cmocka_unit_test_setup(test_wrong_answers, one_server),
        cmocka_unit_test_setup(test_token_is_used_up, one_server),
        cmocka_unit_test_setup(test_old_hello_of_old_key, one_server),
        cmocka_unit_test_setup(test_shared_key, one_server),
        cmocka_unit_test_setup(test_sessions_full, one_server),
        cmocka_unit_test_setup(test_wrong_door, one_server),
        cmocka_unit_test_setup(test_hello_from_two_places, one_server),
        cmocka_unit_test_setup(test_old_proof, one_server),
        cmocka_unit_test_setup(test_tokens_by_address, one_server),
        cmocka_unit_test_setup(test_answers_give_back, one_server),
        cmocka_unit_test_setup(test_challenges_are_paced, one_server),
        cmocka_unit_test_setup(test_many_move_together, one_server),
        cmocka_unit_test_setup(test_victim, one_server),
        cmocka_unit_test_setup(test_victim_of_hellos, one_server),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
