/* Tests of core/punch/client.h: a client and its servers, in virtual time. */
#include "core/punch/path_test.h"

/* Times from the mark, all of them and in this order. */
static void assert_times(const uint64_t *got_ns, unsigned count, const uint64_t *expected_ms,
                         unsigned expected)
{
    assert_int_equal(count, expected);
    for (unsigned i = 0; i < expected; i++)
        assert_int_equal(got_ns[i], expected_ms[i] * MS);
}

static const struct addr *home_addr(void)
{
    const struct client_server *home = client_home(&r->client);
    return home == NULL ? NULL : &home->punch;
}

static void assert_home(unsigned n)
{
    assert_non_null(home_addr());
    assert_true(addr_equal(home_addr(), &r->server[n].punch));
}

/* ---- Registration ---------------------------------------------------------------------------- */

static void test_registers(void **state)
{
    (void)state;
    struct addr own[3] = {own_address, addr_v4(0xcb007105, 0)};
    static const uint8_t ip[16] = {0xfd, [15] = 9};
    own[2] = addr_v6(ip, 0);
    knows(0, 1, 0);
    assert_null(client_home(&r->client));
    assert_int_equal(r->packets, 0); /* without a network nothing is said */
    network_is(3, own);
    run_for(SECOND);
    assert_home(0);
    const struct punch_message *message = heard(0, PUNCH_REGISTER);
    assert_non_null(message);
    assert_int_equal(heard_count(0, PUNCH_REGISTER), 1);
    assert_int_equal(message->flag, 1);
    assert_int_equal(message->party.delay_us, 10000);
    assert_int_equal(message->party.candidate_count, 3);
    for (unsigned i = 0; i < 3; i++) {
        struct addr with_port = addr_with_port(own[i], TRAFFIC_PORT);
        assert_true(addr_equal(&message->party.candidates[i].addr, &with_port));
        assert_int_equal(message->party.candidates[i].kind, PUNCH_CANDIDATE_HOST);
    }
    static const uint8_t zero[PUNCH_SALT_SIZE];
    assert_memory_not_equal(message->party.salt, zero, sizeof zero);
    assert_int_equal(r->homes, 1);
    assert_true(addr_equal(&r->home[0].server, &r->server[0].punch));
    assert_true(addr_equal(&r->home[0].mapped, &r->address));
    assert_true(r->news.home && !r->news.moved);
}

/* Two clients, and two starts of one, have different salts. */
static void test_salts_differ(void **state)
{
    (void)state;
    struct random_secret secret;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {9};
    struct client one, other;
    random_secret_init(&secret, seed);
    client_init(&one, &secret);
    client_init(&other, &secret);
    assert_memory_not_equal(one.salt, other.salt, sizeof one.salt);
}

/* Each registration has a higher version than the one before, over a restart of the client too. */
static void test_versions_grow(void **state)
{
    rig_home(2);
    uint64_t last = 0;
    for (unsigned i = 1; i < 4; i++) {
        struct reason_side side = {.nat = STUN_NAT_PRESENT, .mapping = (uint8_t)i};
        struct context cx = our_context();
        struct path_tools tools = our_tools(&cx);
        client_side(&r->client, &tools.tools, &side, &own_address);
        our_drain();
        run_for(SECOND);
        assert_int_equal(heard_count(0, PUNCH_REGISTER), i);
        assert_true(heard(0, PUNCH_REGISTER)->version > last);
        assert_memory_equal(&heard(0, PUNCH_REGISTER)->party.side, &side, sizeof side);
        last = heard(0, PUNCH_REGISTER)->version;
        /* The same findings once more are no news. */
        client_side(&r->client, &tools.tools, &side, &own_address);
        our_drain();
        run_for(SECOND);
        assert_int_equal(heard_count(0, PUNCH_REGISTER), i);
    }
    assert_home(0); /* all the time */
    rig_setup(state);
    self_clock(&r->self, r->now_ns, NOW_S + 20);
    knows(0, 1, 0);
    network_is(1, &own_address);
    run_for(SECOND);
    assert_true(heard(0, PUNCH_REGISTER)->version > last);
}

/* What is found out before there is a home is in the first registration. */
static void test_side_before_home(void **state)
{
    (void)state;
    struct reason_side side = {.nat = STUN_NAT_NONE};
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    client_side(&r->client, &tools.tools, &side, &own_address);
    rig_setup(NULL);
    client_side(&r->client, &tools.tools, &side, &own_address);
    knows(0, 1, 0);
    network_is(1, &own_address);
    run_for(SECOND);
    assert_int_equal(heard_count(0, PUNCH_REGISTER), 1);
    assert_memory_equal(&heard(0, PUNCH_REGISTER)->party.side, &side, sizeof side);
}

/* PING 20 s after the last answer, and again 20 s after its PONG. */
static void test_keepalive(void **state)
{
    (void)state;
    knows(0, 1, 0);
    network_is(1, &own_address);
    run_for(40 * MS - 1); /* HELLO, WELCOME, REGISTER; REGISTERED comes now */
    assert_int_equal(heard_count(0, PUNCH_REGISTER), 1);
    mark();
    run_for(100 * SECOND);
    uint64_t at_ns[8] = {0};
    unsigned count = heard_times(0, PUNCH_PING, at_ns, 8);
    assert_int_equal(count, 4);
    assert_int_equal(at_ns[0], CLIENT_KEEPALIVE_NS + 1);
    for (unsigned i = 1; i < count; i++)
        assert_int_equal(at_ns[i] - at_ns[i - 1], CLIENT_KEEPALIVE_NS + 20 * MS);
    assert_int_equal(heard_count(0, PUNCH_REGISTER), 0);
    assert_int_equal(r->homes, 1); /* the one of the beginning */
}

/* ---- Silence --------------------------------------------------------------------------------- */

/* A REGISTER without an answer: four tries, and the server is lost. */
static void test_register_retries(void **state)
{
    (void)state;
    r->server[0].mute = true;
    knows(0, 1, 0);
    network_is(1, &own_address);
    run_for(20 * MS);
    mark();
    run_for(3750 * MS - 1);
    uint64_t at_ns[8];
    static const uint64_t expected[] = {0, 250, 750, 1750};
    run_for(10 * MS);
    assert_times(at_ns, heard_times(0, PUNCH_REGISTER, at_ns, 8), expected, 4);
    assert_int_equal(r->counts[TRACE_CLIENT_HOME_LOST], 1);
    assert_null(client_home(&r->client));
}

/* A PING without an answer, likewise; then the reserve takes over, and is told that it is home. */
/*
 * A home that is farther away than a HELLO waits, and one whose first WELCOME was lost: after the
 * registration the way there is known, and the home is told.
 */
static void test_far_home(void **state)
{
    (void)state;
    for (unsigned lost = 0; lost < 2; lost++) {
        rig_setup(NULL);
        uint64_t way_ns = lost != 0 ? 30 * MS : 150 * MS;
        r->server[0].way_ns = way_ns;
        r->server[0].gone = lost != 0;
        knows(0, 1, 0);
        network_is(1, &own_address);
        run_for(200 * MS);
        r->server[0].gone = false;
        run_for(3 * SECOND);
        assert_non_null(client_home(&r->client));
        assert_int_equal(seal_at(&r->seal, r->client.servers[0].session)->rtt_ns, 2 * way_ns);
        assert_int_equal(heard(0, PUNCH_REGISTER)->party.delay_us, way_ns / 1000);
        /* Nothing changes any more. */
        unsigned count = heard_count(0, PUNCH_REGISTER);
        run_for(50 * SECOND);
        assert_int_equal(heard_count(0, PUNCH_REGISTER), count);
    }
}

/* An address comes while a REGISTER is under way: its answer is not one to the second REGISTER. */
static void test_far_home_asked_twice(void **state)
{
    (void)state;
    const struct addr both[] = {own_address, addr_v4(0x0a000909, 0)};
    rig_setup(NULL);
    r->server[0].way_ns = 150 * MS;
    knows(0, 1, 0);
    network_is(1, &own_address);
    run_for(590 * MS);
    network_is(2, both);
    run_for(3 * SECOND);
    assert_int_equal(seal_at(&r->seal, r->client.servers[0].session)->rtt_ns, 300 * MS);
}

static void test_home_lost(void **state)
{
    (void)state;
    rig_home(2);
    r->server[0].gone = true;
    run_for(19 * SECOND);
    assert_home(0);
    run_for(5 * SECOND);
    assert_home(1);
    assert_int_equal(r->counts[TRACE_CLIENT_HOME_LOST], 1);
    assert_int_equal(heard(1, PUNCH_REGISTER)->flag, 1);
    assert_true(r->news.home); /* so that all peers are called anew */
    assert_int_equal(r->homes, 2);
    assert_int_equal(r->home[0].server.family, ADDR_NONE);
    assert_true(addr_equal(&r->home[1].server, &r->server[1].punch));
    /* The old one comes back, and is kept in reserve. */
    r->server[0].gone = false;
    mark();
    run_for(20 * SECOND);
    assert_home(1);
    assert_non_null(heard(0, PUNCH_REGISTER));
    assert_int_equal(heard(0, PUNCH_REGISTER)->flag, 0);
    assert_int_equal(r->homes, 0);
}

/* The only one is lost, and comes back. */
static void test_only_home_lost(void **state)
{
    (void)state;
    rig_home(1);
    r->server[0].gone = true;
    run_for(30 * SECOND);
    assert_null(client_home(&r->client));
    assert_int_equal(r->homes, 1);
    r->server[0].gone = false;
    run_for(10 * SECOND);
    assert_home(0);
    assert_int_equal(r->homes, 2);
    assert_int_equal(heard(0, PUNCH_REGISTER)->flag, 1);
}

static void test_reserve_lost(void **state)
{
    (void)state;
    rig_home(3);
    r->server[1].gone = true;
    run_for(30 * SECOND);
    assert_home(0);
    assert_int_equal(r->homes, 0);
    assert_false(r->news.home);
    assert_int_equal(heard(2, PUNCH_REGISTER)->flag, 0); /* the third stands in */
}

/* The home is asked at once when something is wrong, once at a time. */
static void test_ask_home(void **state)
{
    (void)state;
    rig_home(2);
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    r->server[0].mute = true;
    client_ask_home(&r->client, &tools.tools);
    client_ask_home(&r->client, &tools.tools);
    our_drain();
    run_for(4 * SECOND);
    uint64_t at_ns[8];
    static const uint64_t expected[] = {0, 250, 750, 1750};
    assert_times(at_ns, heard_times(0, PUNCH_PING, at_ns, 8), expected, 4);
    assert_int_equal(heard_count(1, PUNCH_PING), 0);
    assert_home(1);
    /* Without a home there is nobody to ask. */
    rig_setup(NULL);
    cx = our_context();
    tools = our_tools(&cx);
    client_ask_home(&r->client, &tools.tools);
    assert_int_equal(r->packets, 0);
}

/* It has forgotten us: STRANGER, HELLO, and we register again and call all peers. */
static void test_home_restarts(void **state)
{
    (void)state;
    rig_home(2);
    end_start(&r->server[0]);
    run_for(25 * SECOND);
    assert_home(0);
    assert_int_equal(heard_count(0, PUNCH_REGISTER), 1);
    assert_int_equal(heard(0, PUNCH_REGISTER)->flag, 1);
    assert_true(r->news.home);
    assert_int_equal(r->counts[TRACE_CLIENT_HOME_LOST], 0);
}

/* ---- The choice ------------------------------------------------------------------------------ */

/* One way in ms and load of each server, and who becomes home and reserve. */
static void test_choice(void **state)
{
    (void)state;
    static const struct {
        uint8_t way_ms[4];
        uint16_t load[4];
        unsigned servers, home, reserve;
    } rows[] = {
        {{30, 10, 20, 0}, {0}, 3, 1, 2},
        {{10, 10, 10, 0}, {0}, 3, 0, 1},           /* equal: the order in which they were named */
        {{20, 10, 10, 5}, {0}, 4, 3, 1},           /* likewise for the reserve */
        {{5, 10, 20, 0}, {2, 0, 0, 0}, 3, 1, 2},   /* 5 ms and 2 of load are 25 ms */
        {{5, 15, 30, 0}, {1, 0, 0, 0}, 3, 0, 1},   /* 15 ms each: a tie */
        {{200, 200, 5, 40}, {0, 0, 9, 0}, 4, 3, 2} /* 40 and 95 ms against 200 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        for (unsigned n = 0; n < rows[i].servers; n++) {
            r->server[n].way_ns = rows[i].way_ms[n] * MS;
            knows(n, 1, rows[i].load[n]);
        }
        network_is(1, &own_address);
        run_for(3 * SECOND);
        assert_home(rows[i].home);
        for (unsigned n = 0; n < rows[i].servers; n++) {
            const struct punch_message *said = heard(n, PUNCH_REGISTER);
            assert_int_equal(said != NULL, n == rows[i].home || n == rows[i].reserve);
            if (said != NULL)
                assert_int_equal(said->flag, n == rows[i].home);
        }
        assert_int_equal(r->homes, 1);
    }
}

/* The choice waits for the others, but not longer than 250 ms after the first is up. */
static void test_choice_waits(void **state)
{
    (void)state;
    static const struct {
        unsigned way_ms; /* of the second server; the first has 50 and is loaded */
        uint64_t at_ms;  /* when the home hears REGISTER */
        unsigned home;
    } rows[] = {
        {60, 120 + 60, 1},        /* up at 120: all are there */
        {120, 240 + 50, 0},       /* all are there, and the first is better */
        {1000, 100 + 250 + 50, 0} /* the first was up at 100 */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        r->server[0].way_ns = 50 * MS;
        r->server[1].way_ns = rows[i].way_ms * MS;
        knows(0, 1, 3);
        knows(1, 1, 0);
        mark();
        network_is(1, &own_address);
        run_for(2 * SECOND);
        uint64_t at_ns[4] = {0};
        assert_true(heard_times(rows[i].home, PUNCH_REGISTER, at_ns, 4) > 0);
        assert_int_equal(at_ns[0] + r->server[rows[i].home].way_ns, rows[i].at_ms * MS);
        assert_home(rows[i].home);
    }
}

/*
 * A home is left for a better one only when that is better by 10 ms and by a third: a server that
 * is named later, or one whose record says less load.
 */
static void test_hysteresis(void **state)
{
    (void)state;
    static const struct {
        unsigned home_ms, other_ms;
        bool leaves;
    } rows[] = {
        {40, 40, false}, {40, 35, false},  {40, 31, false}, {12, 3, false},
        {40, 5, true},   {100, 80, false}, {100, 20, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        r->server[0].way_ns = rows[i].home_ms * MS;
        r->server[1].way_ns = rows[i].other_ms * MS;
        knows(0, 1, 0);
        network_is(1, &own_address);
        run_for(SECOND);
        assert_home(0);
        mark();
        knows(1, 1, 0);
        run_for(SECOND);
        assert_home(rows[i].leaves ? 1 : 0);
        assert_int_equal(heard(1, PUNCH_REGISTER)->flag, rows[i].leaves);
        assert_int_equal(r->news.home, rows[i].leaves);
        if (rows[i].leaves)
            assert_int_equal(heard(0, PUNCH_REGISTER)->flag, 0);
        else
            assert_null(heard(0, PUNCH_REGISTER));
    }
}

/* ---- What servers say of themselves ------------------------------------------------------------ */

static void test_too_many_servers(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SERVERS; i++) {
        r->server[i].way_ns = (20 - i) * MS; /* the one too many would be the best */
        knows(i, 1, 0);
    }
    network_is(1, &own_address);
    run_for(SECOND);
    assert_int_equal(r->client.server_count, CLIENT_SERVERS_MAX);
    assert_home(CLIENT_SERVERS_MAX - 1);
    assert_int_equal(r->server[SERVERS - 1].session.index, 0);
    assert_int_equal(heard_count(SERVERS - 1, PUNCH_REGISTER), 0);
    /* What is known is still heard of. */
    r->server[0].punch = addr_v4(0xc6336480, PUNCH_PORT);
    knows(0, 2, 0);
    assert_true(addr_equal(&r->client.servers[0].punch, &r->server[0].punch));
}

/* A newer record moves the server, an older one and an equal one change nothing. */
static void test_records(void **state)
{
    (void)state;
    rig_home(1);
    struct addr before = r->server[0].punch;
    static const struct {
        uint64_t version;
        bool counts;
    } rows[] = {{0, false}, {1, false}, {2, true}, {2, false}, {1, false}, {9, true}};
    uint64_t highest = 1;
    for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr there = addr_v4(0xc6336490 + i, PUNCH_PORT);
        r->server[0].punch = there;
        knows(0, rows[i].version, (uint16_t)i);
        assert_int_equal(addr_equal(&r->client.servers[0].punch, &there), rows[i].counts);
        if (rows[i].counts) {
            before = there;
            highest = rows[i].version;
        }
        assert_true(addr_equal(&r->client.servers[0].punch, &before));
        assert_int_equal(r->client.servers[0].record_version, highest);
    }
    r->server[0].punch = before;
    mark();
    run_for(21 * SECOND);
    assert_int_equal(heard_count(0, PUNCH_PING), 1); /* at the new address */
    assert_home(0);
}

/* Of a server's addresses the one of a family that we have. */
static void test_families(void **state)
{
    (void)state;
    static const uint8_t ip[16] = {0x20, 1, [15] = 1}, own[16] = {0x20, 1, [15] = 2};
    struct addr v6 = addr_v6(ip, PUNCH_PORT), own6 = addr_v6(own, 0);
    struct addr own_both[2] = {own6, own_address};
    static const struct {
        unsigned count;
        unsigned first; /* of own_both */
        bool early;     /* the network is known before the server */
        uint8_t family;
    } rows[] = {
        {1, 0, true, ADDR_V6},  {1, 1, true, ADDR_V4},  {2, 0, true, ADDR_V6},
        {1, 0, false, ADDR_V6}, {1, 1, false, ADDR_V4},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        struct context cx = our_context();
        struct path_tools tools = our_tools(&cx);
        struct server_record record = record_of(0, 1, 0);
        record.endpoint_count = 2;
        record.endpoints[1] = (struct endpoint){v6, ENDPOINT_PUNCH};
        if (rows[i].early)
            network_is(rows[i].count, own_both + rows[i].first);
        client_know_server(&r->client, &tools.tools, &r->server[0].member, &record);
        if (rows[i].family == ADDR_V6)
            r->server[0].punch = v6;
        our_drain();
        if (!rows[i].early)
            network_is(rows[i].count, own_both + rows[i].first);
        assert_int_equal(r->client.servers[0].punch.family, rows[i].family);
        run_for(SECOND);
        assert_home(0);
    }
}

/* ---- Challenges, and other networks -------------------------------------------------------------- */

static void test_challenge(void **state)
{
    (void)state;
    rig_home(2);
    struct punch_message challenge = {.type = PUNCH_CHALLENGE, .token = {1, 2, 3, 4, 5, 6, 7, 8}};
    r->address = addr_v4(0xcb007102, 41000);
    server_says(0, &challenge);
    run_for(100 * MS);
    assert_non_null(heard(0, PUNCH_CHALLENGE_ANSWER));
    assert_memory_equal(heard(0, PUNCH_CHALLENGE_ANSWER)->token, challenge.token, PUNCH_TOKEN_SIZE);
    assert_int_equal(heard_count(0, PUNCH_PING), 1); /* to hear where we are seen now */
    assert_true(r->news.moved);
    assert_int_equal(r->homes, 1);
    assert_true(addr_equal(&r->home[0].mapped, &r->address));
    /* The reserve's challenge is answered, and is no news. */
    mark();
    server_says(1, &challenge);
    run_for(100 * MS);
    assert_int_equal(heard_count(1, PUNCH_CHALLENGE_ANSWER), 1);
    assert_false(r->news.moved);
    assert_int_equal(r->homes, 0);
}

/* Other addresses: the home and the reserve are told at once; the same ones are no news. */
static void test_network_change(void **state)
{
    (void)state;
    rig_home(3);
    network_is(1, &own_address);
    run_for(SECOND);
    assert_int_equal(heard_count(0, PUNCH_REGISTER), 0);
    struct addr other = addr_v4(0x0a000003, 0);
    r->address = addr_v4(0xcb007102, 41000);
    network_is(1, &other);
    run_for(SECOND);
    for (unsigned n = 0; n < 2; n++) {
        assert_int_equal(heard_count(n, PUNCH_REGISTER), 1);
        assert_int_equal(heard(n, PUNCH_REGISTER)->flag, n == 0);
        assert_true(addr_equal_ip(&heard(n, PUNCH_REGISTER)->party.candidates[0].addr, &other));
    }
    assert_int_equal(heard_count(2, PUNCH_REGISTER), 0);
    assert_true(r->news.moved);
    assert_true(addr_equal(&r->client.mapped, &r->address));
    assert_home(0);
}

/* No network: nothing is said from there; when there is one again it goes on. */
static void test_no_network(void **state)
{
    (void)state;
    rig_home(1);
    network_is(0, &own_address);
    assert_false(r->client.running);
    run_for(SECOND);
    network_is(1, &own_address);
    run_for(SECOND);
    assert_home(0);
    assert_true(r->client.running);
    assert_int_equal(heard_count(0, PUNCH_REGISTER), 1);
}

/* ---- What it must not believe ----------------------------------------------------------------- */

static void test_malformed(void **state)
{
    (void)state;
    rig_home(1);
    static const uint8_t junk[] = {PUNCH_REGISTERED, 4, 1};
    server_says_bytes(0, junk, sizeof junk);
    server_says_bytes(0, junk, 0);
    /* What clients say, a server must not say to us. */
    struct punch_message ping = {.type = PUNCH_PING};
    server_says(0, &ping);
    run_for(SECOND);
    assert_int_equal(r->counts[TRACE_HOME_MALFORMED], 3);
    assert_home(0);
    assert_int_equal(r->server[0].count, 0);
}

/* An event of a session that is not ours, or with no server, is none. */
static void test_foreign_session(void **state)
{
    (void)state;
    rig_home(1);
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    struct punch_message message;
    struct seal_event event = {.kind = SEAL_UP, .session = {.index = 7, .generation = 99}};
    struct client_news news = client_event(&r->client, &tools.tools, &event, &message);
    assert_false(news.home || news.moved || news.call != NULL);
    struct seal_route route = {.socket = NODE_SOCKET_TRAFFIC, .remote = r->server[5].punch};
    struct seal_session *session =
        seal_open(&r->seal, &cx, r->server[5].member.tunnel_key, route, 200);
    event.session = session->self;
    news = client_event(&r->client, &tools.tools, &event, &message);
    assert_false(news.home || news.moved || news.call != NULL);
    assert_home(0);
}

/* Every kind of answer, from a server that is not the home, leaves the home alone. */
static void test_reserve_says(void **state)
{
    (void)state;
    rig_home(2);
    struct punch_message registered = {.type = PUNCH_REGISTERED,
                                       .observed = addr_v4(0xcb007109, 1)};
    server_says(1, &registered);
    run_for(SECOND);
    assert_true(addr_equal(&r->client.mapped, &r->address));
    assert_int_equal(r->homes, 0);
    assert_false(r->news.home || r->news.moved);
    /* From the home it counts: we are seen elsewhere. */
    server_says(0, &registered);
    run_for(SECOND);
    assert_true(addr_equal(&r->client.mapped, &registered.observed));
    assert_int_equal(r->homes, 1);
    assert_true(r->news.moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_registers, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_salts_differ, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_versions_grow, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_side_before_home, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_keepalive, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_register_retries, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_far_home, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_far_home_asked_twice, NULL, rig_teardown),
        cmocka_unit_test_setup_teardown(test_home_lost, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_only_home_lost, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_reserve_lost, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_ask_home, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_home_restarts, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_choice, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_choice_waits, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_hysteresis, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_too_many_servers, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_records, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_families, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_challenge, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_network_change, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_no_network, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_malformed, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_foreign_session, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(test_reserve_says, rig_setup, rig_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
