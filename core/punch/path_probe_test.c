/* Tests of probes: candidates, pace, answers, acknowledgements, the choice, doubt and death. */
#include "core/punch/path_test.h"

static const struct addr relay = {0};

/* Somewhere else than every other one. */
static struct addr at(uint32_t n)
{
    return addr_v4(0xcb007200 + n, (uint16_t)(30000 + n));
}

/* The same IP address as at(1), where the peer is observed, with another port. */
static struct addr beside(uint16_t n)
{
    return addr_with_port(at(1), (uint16_t)(31000 + n));
}

static void probes(struct addr from, uint8_t flags, uint64_t transaction, uint64_t ack)
{
    struct punch_probe probe = {
        .flags = flags, .transaction = transaction, .ack_count = ack != 0, .acks = {ack}};
    probed_by(&r->peer[0], from, &probe);
}

static void offer_candidates(uint8_t nonce, const struct punch_candidate *candidates,
                             unsigned count)
{
    uint8_t bytes[PUNCH_NONCE_SIZE];
    memset(bytes, nonce, sizeof bytes);
    struct punch_message offer = offer_of(&r->peer[0], bytes, false, CHANNEL);
    for (unsigned i = 0; i < count; i++)
        add_candidate(&offer, candidates[i].addr, candidates[i].kind);
    offered_by(0, &offer);
}

/* A pair with a direct path to at(1), and a relay. */
static void direct_pair(uint64_t way_ns)
{
    answers_at(&r->peer[0], relay, 20 * MS);
    answers_at(&r->peer[0], at(1), way_ns);
    called_by(&r->peer[0], 1, at(1));
    run_for(2 * SECOND);
    assert_int_equal(last_state()->path, NODE_PATH_DIRECT);
    assert_true(addr_equal(&last_state()->remote, (const struct addr[]){at(1)}));
    mark();
}

/* ---- Candidates ------------------------------------------------------------------------------ */

static void test_candidates(void **state)
{
    (void)state;
    static const uint8_t v6[16] = {0x20, 1, [15] = 5};
    struct addr ours = addr_v4(0xcb007101, 777); /* the IP address where we are seen */
    struct addr own = addr_with_port(own_address, TRAFFIC_PORT);
    const struct {
        struct punch_candidate host;
        struct addr observed;
        bool tried;
    } rows[] = {
        {{addr_v4(0x0a000009, 5), 1}, at(1), false},
        {{addr_v4(0x0a000009, 5), 1}, ours, true},
        {{addr_v4(0xac100009, 5), 1}, at(1), false},
        {{addr_v4(0xac1fffff, 5), 1}, ours, true},
        {{addr_v4(0xac200009, 5), 1}, at(1), true},
        {{addr_v4(0xc0a80109, 5), 1}, at(1), false},
        {{addr_v4(0xc0a80109, 5), 1}, ours, true},
        {{addr_v4(0xa9fe0109, 5), 1}, at(1), false},
        {{addr_v4(0x64400001, 5), 1}, at(1), false},
        {{addr_v4(0x64800001, 5), 1}, at(1), true},
        {{at(2), 1}, at(1), true},
        {{addr_v6(v6, 5), 1}, at(1), false}, /* a family that we do not have */
        {{own, 1}, ours, false},             /* our own address */
        {{addr_with_port(own, 9), 1}, ours, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        home_setup(NULL);
        const struct punch_candidate both[] = {rows[i].host, {rows[i].observed, 2}};
        mark();
        offer_candidates(1, both, 2);
        run_for(100 * MS);
        assert_int_equal(sent_count(rows[i].host.addr) > 0, rows[i].tried);
        assert_true(sent_count(rows[i].observed) > 0);
    }
}

/* Eight are kept; those that have answered stay, learned ones go before those that were offered. */
static void test_candidates_full(void **state)
{
    (void)state;
    struct punch_candidate offered[PUNCH_CANDIDATES_MAX];
    for (unsigned i = 0; i < PUNCH_CANDIDATES_MAX; i++)
        offered[i] = (struct punch_candidate){i == 0 ? at(1) : beside((uint16_t)i), i == 0 ? 2 : 1};
    answers_at(&r->peer[0], at(1), 10 * MS);
    offer_candidates(1, offered, PUNCH_CANDIDATES_MAX);
    run_for(SECOND);
    const struct path *path = path_to(&r->peer[0]);
    assert_int_equal(path->remote_count, PATH_REMOTES_MAX);
    for (unsigned i = 0; i < PUNCH_CANDIDATES_MAX; i++)
        assert_true(sent_count(offered[i].addr) > 0);
    /* A new one takes the place of one that was silent, and the next one that one's. */
    probes(beside(100), 0, 1, 0);
    assert_int_equal(path->remote_count, PATH_REMOTES_MAX);
    assert_int_not_equal(path_find_remote(path, (const struct addr[]){beside(100)}), PATH_NONE);
    probes(beside(101), 0, 2, 0);
    assert_int_not_equal(path_find_remote(path, (const struct addr[]){beside(101)}), PATH_NONE);
    assert_int_not_equal(path_find_remote(path, &offered[0].addr), PATH_NONE);
    assert_int_equal(path->remote_count, PATH_REMOTES_MAX);
    assert_int_equal(last_state()->path, NODE_PATH_DIRECT);
}

/* All eight have answered: one more is not taken in, and nothing breaks. */
static void test_candidates_all_valid(void **state)
{
    (void)state;
    struct punch_candidate offered[PUNCH_CANDIDATES_MAX];
    for (unsigned i = 0; i < PUNCH_CANDIDATES_MAX; i++) {
        offered[i] = (struct punch_candidate){i == 0 ? at(1) : beside((uint16_t)i), i == 0 ? 2 : 1};
        answers_at(&r->peer[0], offered[i].addr, 10 * MS);
    }
    offer_candidates(1, offered, PUNCH_CANDIDATES_MAX);
    run_for(SECOND);
    mark();
    probes(beside(200), PUNCH_PROBE_WANTS_ANSWER, 5, 0);
    assert_int_equal(sent_count(beside(200)), 0);
    assert_int_equal(path_find_remote(path_to(&r->peer[0]), (const struct addr[]){beside(200)}),
                     PATH_NONE);
    assert_int_equal(r->counts[TRACE_PATH_HEARD], 1);
}

/* ---- Pace ------------------------------------------------------------------------------------ */

/* A silent address: five probes, counted from when both have been told. */
static void test_pace(void **state)
{
    (void)state;
    static const struct {
        unsigned home_ms; /* one way */
        uint32_t other_us;
        uint64_t at_us[PATH_PACE];
    } rows[] = {
        {10, 0, {0, 2500, 120000, 300000, 700000}}, /* a quarter of the way: 2.5 ms */
        {160, 0, {0, 40000, 120000, 300000, 700000}},
        {300, 0, {0, 40000, 120000, 300000, 700000}},
        {160, 100000, {0, 100000, 140000, 220000, 400000}},
        {160, 100, {0, 40000, 120000, 300000, 700000}}, /* as good as the same time */
        {160, 2000000, {0, 2000000, 2040000, 2120000, 2300000}},
        {160, 20000000, {0, 40000, 120000, 300000, 700000}}, /* that is a lie */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        r->server[0].way_ns = rows[i].home_ms * MS;
        knows(0, 1, 0);
        network_is(1, &own_address);
        run_for(10 * SECOND); /* the home's round trip may need a second HELLO */
        if (rows[i].home_ms > 120) {
            struct seal_session *session = seal_at(&r->seal, r->client.servers[0].session);
            session->rtt_ns = UINT64_C(2) * rows[i].home_ms * MS;
        }
        mark();
        uint8_t nonce[PUNCH_NONCE_SIZE] = {1};
        struct punch_message offer = offer_of(&r->peer[0], nonce, false, CHANNEL);
        add_candidate(&offer, at(1), PUNCH_CANDIDATE_OBSERVED);
        offer.other_us = rows[i].other_us;
        offered_by(0, &offer);
        r->mark_ns = r->now_ns;
        run_for(9 * SECOND);
        uint64_t at_ns[16];
        assert_int_equal(sent_times(at(1), at_ns, 16), PATH_PACE);
        for (unsigned n = 0; n < PATH_PACE; n++)
            assert_int_equal(at_ns[n], rows[i].at_us[n] * 1000);
    }
}

/* A new call is a new attempt: five more, to each address that did not answer. */
static void test_pace_of_new_call(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(5 * SECOND);
    assert_int_equal(sent_count(at(1)), PATH_PACE);
    called_by(&r->peer[0], 2, at(1));
    run_for(5 * SECOND);
    assert_int_equal(sent_count(at(1)), PATH_PACE);
}

/* While nothing comes through the relay it is asked, but not for ever. */
static void test_relay_silent(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(120 * SECOND);
    unsigned through = 0;
    for (uint32_t i = 0; i < r->sent_count; i++)
        through += r->sent[i].relayed;
    assert_in_range(through, 5, 60);
    assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_PENDING);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static void test_answers(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(5 * SECOND);
    mark();
    /* From a new address: an answer there and to where the home sees the peer, with the ack. */
    probes(beside(3), PUNCH_PROBE_WANTS_ANSWER, 4711, 0);
    assert_int_equal(sent_count(beside(3)), 1);
    assert_int_equal(sent_count(at(1)), 1);
    struct punch_probe answer = last_probe(&r->peer[0], beside(3));
    assert_int_equal(answer.ack_count, 1);
    assert_int_equal(answer.acks[0], 4711);
    assert_true(answer.flags & PUNCH_PROBE_WANTS_ANSWER); /* it has proven nothing yet */
    assert_int_equal(r->counts[TRACE_PATH_LEARNED], 1);
    /* From the same one again, when it does not ask: nothing at once. */
    run_for(5 * SECOND);
    mark();
    probes(beside(3), 0, 4712, 0);
    assert_int_equal(r->sent_count, 0);
    probes(beside(3), PUNCH_PROBE_WANTS_ANSWER, 4713, 0);
    assert_int_equal(sent_count(beside(3)), 1);
    answer = last_probe(&r->peer[0], beside(3));
    assert_int_equal(answer.ack_count, 3);
    assert_int_equal(answer.acks[2], 4713);
}

/* The last eight are acknowledged, newest last. */
static void test_last_eight(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    for (uint64_t i = 1; i <= 11; i++)
        probes(at(1), 0, 100 + i, 0);
    mark();
    probes(at(1), PUNCH_PROBE_WANTS_ANSWER, 112, 0);
    struct punch_probe answer = last_probe(&r->peer[0], at(1));
    assert_int_equal(answer.ack_count, PUNCH_ACKS_MAX);
    for (unsigned i = 0; i < PUNCH_ACKS_MAX; i++)
        assert_int_equal(answer.acks[i], 105 + i);
}

/* What comes from ever new addresses does not keep us busy. */
static void test_learned_are_bounded(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(SECOND);
    mark();
    for (uint16_t i = 0; i < 40; i++)
        probes(beside((uint16_t)(300 + i)), PUNCH_PROBE_WANTS_ANSWER, 1000 + i, 0);
    assert_int_equal(r->counts[TRACE_PATH_LEARNED], 16);
    unsigned answered = 0;
    for (uint16_t i = 0; i < 40; i++)
        answered += sent_count(beside((uint16_t)(300 + i))) > 0;
    assert_int_equal(answered, PATH_SHY_SEEN);
}

/* How many datagrams the ports of an IP address have that nobody vouches for, all together. */
static void test_shy_budget(void **state)
{
    (void)state;
    static const struct {
        uint32_t ip;
        unsigned most;
    } rows[] = {
        {0xc0000207, 1}, /* anywhere */
        {0xc0a80707, 2}, /* private */
        {0xcb007201, 8}, /* where a server sees the peer at another port */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(i == 0 ? 0 : rig_teardown(state) + home_setup(state), 0);
        struct addr there[2] = {addr_v4(rows[i].ip, 1), addr_v4(rows[i].ip, 2)};
        called_by(&r->peer[0], 1, at(1));
        run_for(20 * SECOND);
        mark();
        for (unsigned n = 0; n < 12; n++)
            probes(there[n % 2], PUNCH_PROBE_WANTS_ANSWER, 1 + n, 0);
        run_for(30 * SECOND);
        assert_int_equal(sent_count(there[0]) + sent_count(there[1]), rows[i].most);
        assert_true(r->counts[TRACE_PATH_SHY] > 0);
        /* One acknowledges, so what went there was wanted; but not what goes to its neighbour. */
        unsigned of_first = sent_count(there[0]);
        uint64_t acked = last_probe(&r->peer[0], there[0]).transaction;
        mark();
        probes(there[0], 0, 99, acked);
        for (unsigned n = 0; n < 12; n++)
            probes(there[1], PUNCH_PROBE_WANTS_ANSWER, 200 + n, 0);
        assert_int_equal(sent_count(there[1]), of_first);
        /* To itself there may go as much as it asks for, at nobody's cost. */
        for (unsigned n = 0; n < 12; n++)
            probes(there[0], PUNCH_PROBE_WANTS_ANSWER, 300 + n, 0);
        assert_true(sent_count(there[0]) >= 12);
        mark();
        probes(there[1], PUNCH_PROBE_WANTS_ANSWER, 400, 0);
        assert_int_equal(sent_count(there[1]), 0);
    }
}

/* Where its home sees the peer, it is. */
static void test_vouched(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(5 * SECOND);
    mark();
    for (unsigned i = 0; i < 12; i++)
        probes(at(1), PUNCH_PROBE_WANTS_ANSWER, 1 + i, 0);
    assert_in_range(sent_count(at(1)), 12, 14);
    assert_int_equal(r->counts[TRACE_PATH_SHY], 0);
}

/* ---- Acknowledgements ------------------------------------------------------------------------ */

/* It proves the address that the probe went to, from wherever it comes. */
static void test_ack_from_elsewhere(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(20 * MS);
    uint64_t id = last_probe(&r->peer[0], at(1)).transaction;
    probes(beside(9), 0, 1, id);
    assert_int_equal(last_state()->path, NODE_PATH_DIRECT);
    assert_true(addr_equal(&last_state()->remote, (const struct addr[]){at(1)}));
    assert_int_equal(last_state()->rtt_ns, 20 * MS - 2500000 + 0);
}

/* Through the relay it counts for the relay alone. */
static void test_ack_through_relay(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(20 * MS);
    uint64_t id = last_probe(&r->peer[0], at(1)).transaction;
    uint64_t relayed = last_probe(&r->peer[0], r->server[0].punch).transaction;
    assert_int_not_equal(id, relayed);
    probes(relay, 0, 1, id);
    assert_int_equal(last_state()->path, NODE_PATH_RELAYED);
    assert_int_equal(last_state()->rtt_ns, 0);
    assert_true(addr_equal(&last_state()->remote, &r->server[0].punch));
    probes(relay, 0, 2, relayed);
    assert_int_equal(path_to(&r->peer[0])->remotes[PATH_RELAY].rtt_ns, 20 * MS);
    assert_int_equal(last_state()->path, NODE_PATH_RELAYED);
    /* Directly, an acknowledgement of the same probe counts. */
    probes(at(1), 0, 3, id);
    assert_int_equal(last_state()->path, NODE_PATH_DIRECT);
}

/* Acknowledgements of what was never sent, or twice, prove nothing. */
static void test_acks_of_nothing(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(20 * MS);
    uint64_t id = last_probe(&r->peer[0], at(1)).transaction;
    /* The number that no probe has: no peer says it, and an address is not valid by it. */
    uint8_t bytes[DATAGRAM];
    struct probe_keys keys = keys_of(&r->peer[0], r->peer[0].nonce);
    uint8_t body[PUNCH_PROBE_SIZE_MAX], nonce[12] = {0};
    size_t size = punch_probe_encode(
        &(struct punch_probe){.transaction = 7, .ack_count = 1, .acks = {1}}, body, sizeof body);
    memset(body + size - 8, 0, 8);
    struct frame frame = {.type = FRAME_PROBE,
                          .receiver = keys.index_us,
                          .counter = r->peer[0].counter++,
                          .body.size = size + FRAME_TAG_SIZE};
    size_t front = frame_encode(&frame, bytes, sizeof bytes);
    nonce[11] = (uint8_t)frame.counter;
    crypto_real.aead_seal(bytes + front, keys.to_us, nonce, bytes, front, body, size);
    arrives((const struct addr[]){at(1)}, bytes, front + size + FRAME_TAG_SIZE);
    assert_int_not_equal(path_to(&r->peer[0])->reported, NODE_PATH_DIRECT);
    probes(at(1), 0, 2, id ^ 1);
    assert_int_not_equal(path_to(&r->peer[0])->reported, NODE_PATH_DIRECT);
    probes(at(1), 0, 3, id);
    assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_DIRECT);
    mark();
    probes(at(1), 0, 4, id);
    assert_int_equal(r->counts[TRACE_PATH_ACKED], 0);
}

/* Of more than 32 probes only the last 32 can be acknowledged. */
static void test_old_acks(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(20 * MS);
    uint64_t id = last_probe(&r->peer[0], at(1)).transaction;
    for (unsigned i = 0; i < PATH_TRANSACTIONS; i++)
        probes(at(1), PUNCH_PROBE_WANTS_ANSWER, 1 + i, 0);
    mark();
    probes(at(1), 0, 100, id);
    assert_int_equal(r->counts[TRACE_PATH_ACKED], 0);
}

/* ---- Replay ---------------------------------------------------------------------------------- */

static void test_replay(void **state)
{
    (void)state;
    static const struct {
        uint64_t counter;
        bool heard;
    } rows[] = {
        {100, true},   {100, false}, {99, true},   {99, false},
        {37, true},    {37, false},  {36, false},  {101, true},
        {37, false},   {38, true},   {1000, true}, {937, true},
        {936, false},  {999, true},  {999, false}, {UINT64_MAX - 1, true},
        {1001, false},
    };
    called_by(&r->peer[0], 1, at(1));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mark();
        r->peer[0].counter = rows[i].counter;
        probes(at(1), 0, 1 + i, 0);
        assert_int_equal(r->counts[TRACE_PATH_HEARD], rows[i].heard);
        assert_int_equal(r->counts[TRACE_SEAL_REPLAY], !rows[i].heard);
    }
}

/* Bent, cut, of nobody, or too long: dropped and counted, and nothing is said. */
static void test_bad_probes(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    run_for(5 * SECOND);
    struct addr from = beside(1);
    for (unsigned what = 0; what < 6; what++) {
        uint8_t bytes[DATAGRAM] = {0};
        struct punch_probe probe = {.transaction = 9, .flags = PUNCH_PROBE_WANTS_ANSWER};
        size_t size = probe_make(&r->peer[0], &probe, bytes);
        if (what == 0)
            bytes[size - 1] ^= 1;
        if (what == 1)
            bytes[5] ^= 1; /* the index */
        if (what == 2)
            bytes[9] ^= 1; /* the counter, authenticated */
        if (what == 3)
            size--;
        if (what == 4)
            size = FRAME_PROBE_SIZE;
        if (what == 5)
            size = 1200;
        mark();
        arrives(&from, bytes, size);
        assert_int_equal(r->counts[TRACE_PATH_HEARD], 0);
        assert_int_equal(r->counts[TRACE_FRAME_UNEXPECTED], what == 1);
        assert_int_equal(r->counts[TRACE_SEAL_BAD_TAG], what != 1);
        assert_int_equal(r->sent_count, 0);
    }
    assert_int_equal(path_to(&r->peer[0])->remote_count, 1);
}

/* What opens and is no probe. */
static void test_malformed_probe(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    struct probe_keys keys = keys_of(&r->peer[0], r->peer[0].nonce);
    uint8_t bytes[DATAGRAM], body[30] = {0xff}, nonce[12] = {0};
    struct frame frame = {
        .type = FRAME_PROBE, .receiver = keys.index_us, .body.size = sizeof body + FRAME_TAG_SIZE};
    size_t front = frame_encode(&frame, bytes, sizeof bytes);
    crypto_real.aead_seal(bytes + front, keys.to_us, nonce, bytes, front, body, sizeof body);
    arrives((const struct addr[]){at(1)}, bytes, front + sizeof body + FRAME_TAG_SIZE);
    assert_int_equal(r->counts[TRACE_HOME_MALFORMED], 1);
    assert_int_equal(r->counts[TRACE_PATH_HEARD], 0);
}

/* ---- Keepalive ------------------------------------------------------------------------------- */

static void assert_every(struct addr to, uint64_t wait_ns, uint64_t slack_ns, unsigned at_least)
{
    uint64_t at_ns[64];
    unsigned count = sent_times(to, at_ns, 64);
    assert_in_range(count, at_least, 64);
    for (unsigned i = 1; i < count; i++)
        assert_in_range(at_ns[i] - at_ns[i - 1], wait_ns, wait_ns + slack_ns);
}

static void test_keepalives(void **state)
{
    (void)state;
    unsigned first = 0;
    for (unsigned p = 0; p < PEERS; p++) {
        home_setup(NULL);
        struct peer *peer = &r->peer[p];
        bool smaller = memcmp(r->self.identity, peer->self.identity, IDENTITY_SIZE) < 0;
        first += smaller;
        answers_at(peer, relay, 20 * MS);
        answers_at(peer, at(1), 20 * MS);
        called_by(peer, 1, at(1));
        run_for(20 * SECOND);
        mark();
        run_for(200 * SECOND);
        assert_every(at(1), (smaller ? 15 : 18) * SECOND, 50 * MS, 11);
        assert_every(r->server[0].punch, (smaller ? 25 : 29) * SECOND, 50 * MS, 6);
        assert_int_equal(r->states, 0);
    }
    assert_in_range(first, 1, PEERS - 1); /* the table has both sides */
}

/* The larger side finds it done: the peer's probe puts its own off. */
static void test_active(void **state)
{
    (void)state;
    direct_pair(20 * MS);
    for (unsigned i = 0; i < 100; i++) {
        carry(&r->peer[0], 1, 50);
        run_for(50 * MS);
    }
    unsigned count = 0;
    uint64_t last_ns = 0;
    for (uint32_t i = 0; i < r->sent_count; i++)
        if (!r->sent[i].relayed && r->sent[i].size > 50) {
            count++;
            if (last_ns != 0)
                assert_in_range(r->sent[i].at_ns - last_ns, 200 * MS, 250 * MS);
            last_ns = r->sent[i].at_ns;
        }
    assert_in_range(count, 19, 26);
    for (uint32_t i = 0; i < r->sent_count; i++)
        assert_true(!r->sent[i].relayed || r->sent[i].size != 50); /* data goes direct only */
}

/* While data goes through the relay, that is asked every second. */
static void test_relay_active(void **state)
{
    (void)state;
    answers_at(&r->peer[0], relay, 20 * MS);
    called_by(&r->peer[0], 1, at(1));
    run_for(5 * SECOND);
    assert_int_equal(last_state()->path, NODE_PATH_RELAYED);
    mark();
    for (unsigned i = 0; i < 100; i++) {
        carry(&r->peer[0], 1, 50);
        run_for(100 * MS);
    }
    unsigned data = 0, asked = 0;
    for (uint32_t i = 0; i < r->sent_count; i++) {
        assert_true(r->sent[i].relayed);
        assert_int_equal(r->sent[i].channel, CHANNEL);
        data += r->sent[i].size == 50;
        asked += r->sent[i].size != 50;
    }
    assert_int_equal(data, 100);
    assert_in_range(asked, 9, 12);
}

/* ---- Choice ---------------------------------------------------------------------------------- */

/* One way in ms of two addresses; the second one answers later. Which has the data in the end? */
static void test_choice(void **state)
{
    (void)state;
    static const struct {
        unsigned first_ms, second_ms;
        bool second_host; /* the second is one of the peer's own, behind the same NAT */
        bool second;
    } rows[] = {
        {20, 20, false, false}, {20, 15, false, false},   {40, 25, false, true},
        {40, 29, false, false}, {200, 170, false, false}, {200, 150, false, true},
        {10, 6, false, false},  {10, 60, true, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        home_setup(NULL);
        struct addr seen = addr_with_port(r->address, 999);
        struct addr other =
            rows[i].second_host ? addr_v4(0x0a000077, 5) : addr_with_port(seen, 1000);
        answers_at(&r->peer[0], seen, rows[i].first_ms * MS);
        answers_at(&r->peer[0], other, rows[i].second_ms * MS);
        struct punch_candidate both[] = {{other, rows[i].second_host ? 1 : 2}, {seen, 2}};
        offer_candidates(1, both + 1, 1);
        run_for(3 * SECOND);
        assert_true(addr_equal(&last_state()->remote, &seen));
        offer_candidates(2, both, 2);
        run_for(3 * SECOND);
        assert_true(addr_equal(&last_state()->remote, rows[i].second ? &other : &seen));
        mark();
        carry(&r->peer[0], 1, 50);
        assert_true(addr_equal(&r->sent[0].to, rows[i].second ? &other : &seen));
        assert_int_equal(r->sent[0].size, 50);
    }
}

/* Silence: doubt, data both ways, and the home is asked; then it is over. */
static void test_doubt_and_death(void **state)
{
    (void)state;
    direct_pair(20 * MS); /* a round trip of 40 ms */
    carry(&r->peer[0], 1, 50);
    run_for(10 * MS);
    r->place[1].silent = true;
    run_for(100 * MS);
    uint64_t asked_ns = 0, doubt_ns = 0, dead_ns = 0;
    for (unsigned i = 0; i < 900 && dead_ns == 0; i++) {
        mark();
        uint64_t now_ns = r->now_ns;
        carry(&r->peer[0], 2, 50);
        bool direct = false, relayed = false, probed = false;
        for (uint32_t n = 0; n < r->sent_count; n++) {
            direct |= r->sent[n].size == 50 && !r->sent[n].relayed;
            relayed |= r->sent[n].size == 50 && r->sent[n].relayed;
        }
        run_for(10 * MS);
        for (uint32_t n = 0; n < r->sent_count; n++)
            probed |= r->sent[n].size != 50 && !r->sent[n].relayed;
        if (asked_ns == 0 && probed)
            asked_ns = now_ns; /* the first probe that nobody answers */
        if (doubt_ns == 0 && relayed) {
            assert_true(direct);
            doubt_ns = now_ns;
            assert_true(heard_count(0, PUNCH_PING) + (r->client.servers[0].tries > 0) > 0);
        } else if (doubt_ns == 0) {
            assert_true(direct && !relayed);
        } else if (!direct) {
            dead_ns = now_ns;
        }
        assert_true(doubt_ns == 0 || relayed);
    }
    assert_in_range(doubt_ns - asked_ns, 340 * MS, 360 * MS);
    assert_in_range(dead_ns - doubt_ns, 4990 * MS, 5020 * MS);
    run_for(SECOND);
    assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_RELAYED);
    run_for(2 * SECOND);
    mark();
    run_for(4 * SECOND);
    assert_true(heard_count(0, PUNCH_CONNECT) > 0); /* a new call, which nobody answers */
}

/* An answer in time ends the doubt. */
static void test_doubt_ends(void **state)
{
    (void)state;
    direct_pair(20 * MS);
    r->place[1].silent = true;
    carry(&r->peer[0], 1, 50);
    run_for(SECOND);
    assert_true(path_to(&r->peer[0])->doubt);
    r->place[1].silent = false;
    run_for(300 * MS);
    assert_false(path_to(&r->peer[0])->doubt);
    mark();
    carry(&r->peer[0], 1, 50);
    for (uint32_t i = 0; i < r->sent_count; i++)
        assert_true(!r->sent[i].relayed || r->sent[i].size != 50);
    assert_int_equal(r->states, 0);
}

/* In doubt, another address that was acknowledged meanwhile takes over at once. */
static void test_doubt_other_takes_over(void **state)
{
    (void)state;
    direct_pair(20 * MS);
    r->place[1].silent = true;
    carry(&r->peer[0], 1, 50);
    run_for(SECOND);
    assert_true(path_to(&r->peer[0])->doubt);
    mark();
    probes(beside(1), PUNCH_PROBE_WANTS_ANSWER, 1, 0);
    uint64_t id = last_probe(&r->peer[0], beside(1)).transaction;
    run_for(50 * MS);
    probes(beside(1), 0, 2, id);
    assert_true(addr_equal(&last_state()->remote, (const struct addr[]){beside(1)}));
    assert_false(path_to(&r->peer[0])->doubt);
}

int main(void)
{
#define IN_RIG(test) cmocka_unit_test_setup_teardown(test, home_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        IN_RIG(test_candidates),
        IN_RIG(test_candidates_full),
        IN_RIG(test_candidates_all_valid),
        IN_RIG(test_pace),
        IN_RIG(test_pace_of_new_call),
        IN_RIG(test_relay_silent),
        IN_RIG(test_answers),
        IN_RIG(test_last_eight),
        IN_RIG(test_learned_are_bounded),
        IN_RIG(test_shy_budget),
        IN_RIG(test_vouched),
        IN_RIG(test_ack_from_elsewhere),
        IN_RIG(test_ack_through_relay),
        IN_RIG(test_acks_of_nothing),
        IN_RIG(test_old_acks),
        IN_RIG(test_replay),
        IN_RIG(test_bad_probes),
        IN_RIG(test_malformed_probe),
        IN_RIG(test_keepalives),
        IN_RIG(test_active),
        IN_RIG(test_relay_active),
        IN_RIG(test_choice),
        IN_RIG(test_doubt_and_death),
        IN_RIG(test_doubt_ends),
        IN_RIG(test_doubt_other_takes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
