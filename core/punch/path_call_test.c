/* Tests of calls: asking the home, offers and what must not be believed of them, keys, openings. */
#include "core/punch/path_test.h"

static struct addr at(uint32_t n)
{
    return addr_v4(0xcb007200 + n, (uint16_t)(30000 + n));
}

static void refuse(const struct punch_message *connect, uint8_t why)
{
    struct punch_message refused = {.type = PUNCH_REFUSED, .flag = why};
    memcpy(refused.nonce, connect->nonce, sizeof refused.nonce);
    memcpy(refused.identity, connect->identity, sizeof refused.identity);
    server_says(0, &refused);
}

/* ---- Asking the home ------------------------------------------------------------------------- */

static void test_schedule(void **state)
{
    (void)state;
    static const uint64_t expected_ms[] = {0,    250,  500,  1000,  1500,  2500,
                                           3500, 5500, 7500, 11500, 15500, 23500};
    connect_to(&r->peer[0]);
    run_for(30 * SECOND);
    uint64_t at_ns[16];
    assert_int_equal(heard_times(0, PUNCH_CONNECT, at_ns, 16), 12);
    const struct end *home = &r->server[0];
    const struct punch_message *last = heard(0, PUNCH_CONNECT);
    assert_memory_equal(last->identity, r->peer[0].self.identity, IDENTITY_SIZE);
    assert_int_not_equal(last->channel, 0);
    for (unsigned i = 0, n = 0; i < home->count; i++) {
        if (home->inbox[i].type != PUNCH_CONNECT)
            continue;
        assert_int_equal(at_ns[n], expected_ms[n] * MS);
        assert_memory_equal(home->inbox[i].nonce, last->nonce, PUNCH_NONCE_SIZE);
        assert_int_equal(home->inbox[i].channel, last->channel);
        n++;
    }
    assert_int_equal(r->states, 0); /* pending, as it was */
}

/* Two commands for a peer are one; two peers are two calls with nonces and channels of their own. */
static void test_two_peers(void **state)
{
    (void)state;
    connect_to(&r->peer[0]);
    connect_to(&r->peer[0]);
    connect_to(&r->peer[1]);
    run_for(20 * MS);
    const struct end *home = &r->server[0];
    assert_int_equal(heard_count(0, PUNCH_CONNECT), 2);
    assert_memory_not_equal(home->inbox[0].nonce, home->inbox[1].nonce, PUNCH_NONCE_SIZE);
    assert_int_not_equal(home->inbox[0].channel, home->inbox[1].channel);
}

/* Without a home nothing is asked; when there is one everything is. */
static void test_before_home(void **state)
{
    (void)state;
    connect_to(&r->peer[0]);
    knows(0, 1, 0);
    network_is(1, &own_address);
    mark();
    run_for(200 * MS);
    assert_int_equal(heard_count(0, PUNCH_CONNECT), 1);
    uint64_t at_ns = 0;
    heard_times(0, PUNCH_CONNECT, &at_ns, 1);
    assert_int_equal(at_ns, 40 * MS);
}

/* Data may follow CONNECT in the next datagram, on its channel. */
static void test_data_at_once(void **state)
{
    (void)state;
    connect_to(&r->peer[0]);
    carry(&r->peer[0], 9, 100);
    run_for(10 * MS);
    assert_int_equal(r->sent_count, 1);
    assert_true(r->sent[0].relayed);
    assert_int_equal(r->sent[0].channel, heard(0, PUNCH_CONNECT)->channel);
    assert_int_equal(r->sent[0].size, 100);
    assert_int_equal(r->sent[0].bytes[99], 9);
}

/* An offer does not end the call, a probe does, by whatever way. */
static void test_until_a_probe(void **state)
{
    (void)state;
    for (unsigned relayed = 0; relayed < 2; relayed++) {
        home_setup(NULL);
        r->server[0].called = &r->peer[0];
        connect_to(&r->peer[0]);
        run_for(3 * SECOND);
        assert_int_equal(heard_count(0, PUNCH_CONNECT), 6);
        struct punch_probe probe = {.transaction = 1};
        struct addr from = {0}; /* the relay */
        if (relayed == 0)
            from = at(1);
        probed_by(&r->peer[0], from, &probe);
        run_for(5 * SECOND);
        assert_int_equal(heard_count(0, PUNCH_CONNECT), 6);
    }
}

/* Waits between calls, each answered: a relayed pair's grow, a direct one's are the longest. */
static void test_recheck(void **state)
{
    (void)state;
    static const uint64_t waits_s[2][7] = {{10, 20, 40, 80, 160, 300, 300}, {300, 300}};
    for (unsigned direct = 0; direct < 2; direct++) {
        home_setup(NULL);
        r->server[0].called = &r->peer[0];
        r->server[0].called_at = at(1);
        answers_at(&r->peer[0], (struct addr){0}, 10 * MS);
        if (direct)
            answers_at(&r->peer[0], at(1), 10 * MS);
        connect_to(&r->peer[0]);
        uint64_t last_ns = r->now_ns;
        run_for(900 * MS);
        uint8_t nonce[PUNCH_NONCE_SIZE] = {0};
        for (unsigned i = 0; i < 7 && waits_s[direct][i] > 0; i++) {
            mark();
            run_until(last_ns + waits_s[direct][i] * SECOND + 900 * MS);
            uint64_t at_ns = 0;
            assert_int_equal(heard_times(0, PUNCH_CONNECT, &at_ns, 1), 1);
            at_ns += r->mark_ns;
            /* From when the answer to the last one came. */
            assert_in_range(at_ns - last_ns, waits_s[direct][i] * SECOND + 40 * MS,
                            waits_s[direct][i] * SECOND + 50 * MS);
            last_ns = at_ns;
            assert_memory_not_equal(nonce, heard(0, PUNCH_CONNECT)->nonce, PUNCH_NONCE_SIZE);
            const struct punch_message *call = heard(0, PUNCH_CONNECT);
            assert_non_null(call);
            if (call != NULL)
                memcpy(nonce, call->nonce, sizeof nonce);
        }
    }
}

/* Who was called, and did not ask himself, does not call again. */
static void test_callee_does_not_recheck(void **state)
{
    (void)state;
    answers_at(&r->peer[0], (struct addr){0}, 10 * MS);
    called_by(&r->peer[0], 1, at(1));
    run_for(600 * SECOND);
    assert_int_equal(last_state()->path, NODE_PATH_RELAYED);
    assert_int_equal(heard_count(0, PUNCH_CONNECT), 0);
    /* Until its host asks: what there is then counts as an answer. */
    mark();
    connect_to(&r->peer[0]);
    run_for(11 * SECOND);
    assert_int_equal(heard_count(0, PUNCH_CONNECT) > 0, 1);
}

/* Seen elsewhere, all peers are called anew, but two calls are a second apart. */
static void test_spacing(void **state)
{
    (void)state;
    struct addr addresses[2] = {at(90), at(91)};
    connect_to(&r->peer[0]);
    run_for(100 * MS);
    uint8_t first[PUNCH_NONCE_SIZE];
    memcpy(first, heard(0, PUNCH_CONNECT)->nonce, sizeof first);
    for (unsigned i = 0; i < 2; i++) {
        struct punch_message challenge = {.type = PUNCH_CHALLENGE, .token = {(uint8_t)i}};
        r->address = addresses[i];
        server_says(0, &challenge);
        run_for(100 * MS);
    }
    assert_int_equal(heard_count(0, PUNCH_CONNECT), 1);
    run_for(800 * MS);
    uint64_t at_ns[4];
    assert_int_equal(heard_times(0, PUNCH_CONNECT, at_ns, 4), 2);
    assert_int_equal(at_ns[1] - at_ns[0], SECOND);
    assert_memory_not_equal(first, heard(0, PUNCH_CONNECT)->nonce, sizeof first);
    /* Later than that, by 1.5 s after the last repetition, it happens at once. */
    run_for(6900 * MS);
    mark();
    server_says(0, &(struct punch_message){.type = PUNCH_CHALLENGE, .token = {9}});
    run_for(20 * MS);
    assert_true(heard_count(0, PUNCH_CONNECT) == 1);
}

/* With the home lost, the reserve is asked, with a new channel there. */
static void test_other_home(void **state)
{
    (void)state;
    rig_setup(NULL);
    rig_home(2);
    connect_to(&r->peer[0]);
    run_for(SECOND);
    r->server[0].gone = true;
    run_for(30 * SECOND);
    const struct punch_message *connect = heard(1, PUNCH_CONNECT);
    assert_non_null(connect);
    assert_int_not_equal(connect->channel, heard(0, PUNCH_CONNECT)->channel);
    assert_memory_not_equal(connect->nonce, heard(0, PUNCH_CONNECT)->nonce, PUNCH_NONCE_SIZE);
    assert_int_equal(path_to(&r->peer[0])->server, 1);
    /* Data goes there from then on. */
    mark();
    carry(&r->peer[0], 1, 10);
    assert_true(addr_equal(&r->sent[0].to, &r->server[1].punch));
}

/* ---- Being refused --------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        uint8_t why, reason;
    } rows[] = {{PUNCH_REFUSED_UNKNOWN, REASON_NOT_REGISTERED},
                {PUNCH_REFUSED_RULES, REASON_REFUSED},
                {PUNCH_REFUSED_QUOTA, REASON_REFUSED}};
    static const uint64_t waits_s[] = {10, 20, 40, 80, 160, 300, 300};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        home_setup(NULL);
        connect_to(&r->peer[0]);
        run_for(10 * MS);
        for (size_t n = 0; n < sizeof waits_s / sizeof waits_s[0]; n++) {
            uint8_t nonce[PUNCH_NONCE_SIZE];
            const struct punch_message *call = heard(0, PUNCH_CONNECT);
            assert_non_null(call);
            if (call != NULL)
                memcpy(nonce, call->nonce, sizeof nonce);
            refuse(heard(0, PUNCH_CONNECT), rows[i].why);
            run_for(10 * MS);
            if (n == 0) {
                assert_int_equal(last_state()->path, NODE_PATH_UNREACHABLE);
                assert_int_equal(last_state()->reason, rows[i].reason);
            }
            mark();
            run_for(waits_s[n] * SECOND + 10 * MS - 1);
            assert_null(heard(0, PUNCH_CONNECT));
            run_for(1);
            assert_non_null(heard(0, PUNCH_CONNECT));
            assert_memory_not_equal(nonce, heard(0, PUNCH_CONNECT)->nonce, sizeof nonce);
        }
    }
}

/* The channel number is taken: it comes with another, and nobody is told of a refusal. */
static void test_refused_channel(void **state)
{
    (void)state;
    connect_to(&r->peer[0]);
    run_for(10 * MS);
    uint32_t channel = heard(0, PUNCH_CONNECT)->channel;
    refuse(heard(0, PUNCH_CONNECT), PUNCH_REFUSED_CHANNEL);
    run_for(2 * SECOND);
    assert_int_not_equal(heard(0, PUNCH_CONNECT)->channel, channel);
    assert_int_not_equal(heard(0, PUNCH_CONNECT)->channel, 0);
    assert_int_equal(r->states, 0);
}

/* Only the refusal of the call that is under way counts. */
static void test_refusals_of_nothing(void **state)
{
    (void)state;
    connect_to(&r->peer[0]);
    run_for(10 * MS);
    struct punch_message other = *heard(0, PUNCH_CONNECT);
    other.nonce[3] ^= 1;
    refuse(&other, PUNCH_REFUSED_RULES);
    run_for(20 * MS);
    assert_int_equal(r->states, 0);
    /* Nor does one after an answer. */
    r->server[0].called = &r->peer[0];
    run_for(SECOND);
    struct punch_probe probe = {.transaction = 1};
    probed_by(&r->peer[0], (struct addr){0}, &probe);
    mark();
    other.nonce[3] ^= 1;
    refuse(&other, PUNCH_REFUSED_RULES);
    run_for(20 * MS);
    assert_int_equal(r->states, 0);
    assert_int_equal(path_to(&r->peer[0])->reported, NODE_PATH_RELAYED);
}

/* An offer ends the blame. */
static void test_refused_then_called(void **state)
{
    (void)state;
    connect_to(&r->peer[0]);
    run_for(10 * MS);
    refuse(heard(0, PUNCH_CONNECT), PUNCH_REFUSED_UNKNOWN);
    run_for(10 * MS);
    assert_int_equal(last_state()->path, NODE_PATH_UNREACHABLE);
    called_by(&r->peer[0], 1, at(1));
    assert_int_equal(last_state()->path, NODE_PATH_PENDING);
}

/* ---- Glare ----------------------------------------------------------------------------------- */

/* The peer is heard under this nonce. */
static bool is_heard(struct peer *peer, const uint8_t *nonce, uint32_t from)
{
    uint8_t kept[PUNCH_NONCE_SIZE];
    uint64_t before = r->counts[TRACE_PATH_HEARD];
    struct punch_probe probe = {.transaction = 77};
    memcpy(kept, peer->nonce, sizeof kept);
    memcpy(peer->nonce, nonce, sizeof kept);
    probed_by(peer, at(from), &probe);
    memcpy(peer->nonce, kept, sizeof kept);
    return r->counts[TRACE_PATH_HEARD] == before + 1;
}

/* Both call at once: both calls live, in either order of offers; a third takes the oldest away. */
static void test_glare(void **state)
{
    (void)state;
    for (unsigned ours_first = 0; ours_first < 2; ours_first++) {
        home_setup(NULL);
        struct peer *peer = &r->peer[0];
        connect_to(peer);
        run_for(10 * MS);
        uint8_t ours[PUNCH_NONCE_SIZE], theirs[PUNCH_NONCE_SIZE], third[PUNCH_NONCE_SIZE];
        memcpy(ours, heard(0, PUNCH_CONNECT)->nonce, sizeof ours);
        memset(theirs, 0x33, sizeof theirs);
        memset(third, 0x44, sizeof third);
        uint32_t channel = heard(0, PUNCH_CONNECT)->channel;
        for (unsigned i = 0; i < 2; i++) {
            bool caller = i != ours_first;
            struct punch_message offer = offer_of(peer, caller ? ours : theirs, caller, channel);
            add_candidate(&offer, at(1), PUNCH_CANDIDATE_OBSERVED);
            offered_by(0, &offer);
            mark();
            run_for(100 * MS);
            last_probe(peer, at(1)); /* it is sent under the latest one */
        }
        assert_true(is_heard(peer, ours, 1));
        assert_true(is_heard(peer, theirs, 1));
        struct punch_message offer = offer_of(peer, third, false, channel);
        offered_by(0, &offer);
        assert_true(is_heard(peer, third, 1));
        assert_int_equal(is_heard(peer, ours, 1), !ours_first);
        assert_int_equal(is_heard(peer, theirs, 1), ours_first);
    }
}

/* The same offer again: the same keys, no new attempt on top of the one under way. */
static void test_offer_again(void **state)
{
    (void)state;
    struct peer *peer = &r->peer[0];
    called_by(peer, 1, at(1));
    run_for(900 * MS);
    assert_int_equal(sent_count(at(1)), PATH_PACE);
    uint8_t nonce[PUNCH_NONCE_SIZE];
    memset(nonce, 1, sizeof nonce);
    struct punch_message offer = offer_of(peer, nonce, false, CHANNEL);
    add_candidate(&offer, at(1), PUNCH_CANDIDATE_OBSERVED);
    for (unsigned i = 0; i < 5; i++)
        offered_by(0, &offer);
    run_for(400 * MS);
    assert_int_equal(sent_count(at(1)), PATH_PACE);
    assert_true(is_heard(peer, nonce, 1));
    /* Counters go on: none is used twice under the keys. */
    uint64_t last = 0;
    for (uint32_t i = 0; i < r->sent_count; i++) {
        struct frame frame;
        struct punch_probe probe;
        if (!probe_read(peer, r->sent[i].bytes, r->sent[i].size, &frame, &probe))
            continue;
        assert_true(i == 0 || frame.counter > last);
        last = frame.counter;
    }
}

/* One counter for all paths of the node, which only goes up. */
static void test_counter_of_all(void **state)
{
    (void)state;
    called_by(&r->peer[0], 1, at(1));
    called_by(&r->peer[1], 2, at(2));
    mark();
    run_for(5 * SECOND);
    struct punch_probe probe;
    struct frame frame;
    uint64_t last = 0;
    unsigned of[2] = {0};
    for (uint32_t i = 0; i < r->sent_count; i++) {
        for (unsigned n = 0; n < 2; n++)
            if (probe_read(&r->peer[n], r->sent[i].bytes, r->sent[i].size, &frame, &probe)) {
                of[n]++;
                assert_true(i == 0 || frame.counter > last);
                last = frame.counter;
            }
    }
    assert_true(of[0] > 3 && of[1] > 3);
}

/* ---- Offers that must not be believed ---------------------------------------------------------- */

/* What is the matter with an offer. */
enum {
    OFFER_GOOD,
    OFFER_NOT_CALLED,
    OFFER_NO_CALL,
    OFFER_CALLER_OF_NONE,
    OFFER_BENT,
    OFFER_CUT,
    OFFER_JUNK,
    OFFER_OURSELVES,
    OFFER_SERVER,
    OFFER_AS_CALLEE
};

static void test_bad_offers(void **state)
{
    (void)state;
    static const struct {
        unsigned what;
        bool caller;
        bool good;
    } rows[] = {
        {OFFER_GOOD, true, true},
        {OFFER_GOOD, false, true},
        {OFFER_NOT_CALLED, true, false},
        {OFFER_NO_CALL, true, false},
        {OFFER_BENT, false, false},
        {OFFER_BENT, true, false},
        {OFFER_CUT, false, false},
        {OFFER_JUNK, false, false},
        {OFFER_OURSELVES, false, false},
        {OFFER_SERVER, false, false},
        {OFFER_SERVER, true, false},
        {OFFER_AS_CALLEE, false, false},
        {OFFER_CALLER_OF_NONE, true, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        home_setup(NULL);
        struct peer *peer = &r->peer[0];
        uint8_t nonce[PUNCH_NONCE_SIZE], introduction[SELF_INTRODUCTION_MAX];
        memset(nonce, 5, sizeof nonce);
        if ((rows[i].caller && rows[i].what != OFFER_CALLER_OF_NONE) ||
            rows[i].what == OFFER_AS_CALLEE) {
            connect_to(peer);
            run_for(10 * MS);
            const struct punch_message *call = heard(0, PUNCH_CONNECT);
            assert_non_null(call);
            if (call != NULL)
                memcpy(nonce, call->nonce, sizeof nonce);
        }
        if (rows[i].what == OFFER_NOT_CALLED)
            peer = &r->peer[1];
        if (rows[i].what == OFFER_NO_CALL)
            nonce[0] ^= 1;
        struct punch_message offer = offer_of(peer, nonce, rows[i].caller, 99);
        add_candidate(&offer, at(1), PUNCH_CANDIDATE_OBSERVED);
        const struct self *shown = rows[i].what == OFFER_OURSELVES ? &r->self
                                   : rows[i].what == OFFER_SERVER  ? &r->server[1].self
                                                                   : &peer->self;
        struct frame_span *span = &offer.party.introduction;
        memcpy(introduction, shown->introduction, shown->introduction_size);
        *span = (struct frame_span){introduction, shown->introduction_size};
        if (rows[i].what == OFFER_BENT)
            introduction[span->size - 1] ^= 1;
        if (rows[i].what == OFFER_CUT)
            span->size--;
        if (rows[i].what == OFFER_JUNK)
            memset(introduction, 0xff, span->size);
        mark();
        offered_by(0, &offer);
        run_for(100 * MS);
        assert_int_equal(r->counts[TRACE_PATH_OFFER], rows[i].good);
        assert_int_equal(sent_count(at(1)) > 0, rows[i].good);
        if (rows[i].good)
            continue;
        assert_int_equal(r->sent_count, 0);
        assert_int_equal(r->states, 0);
        assert_int_equal(r->paths.pool.high_water, rows[i].caller
                                                       ? rows[i].what != OFFER_CALLER_OF_NONE
                                                       : rows[i].what == OFFER_AS_CALLEE);
    }
}

/* A peer that is known does not become another one by an offer that lies. */
static void test_bad_offer_of_known(void **state)
{
    (void)state;
    struct peer *peer = &r->peer[0];
    called_by(peer, 1, at(1));
    uint8_t nonce[PUNCH_NONCE_SIZE], introduction[SELF_INTRODUCTION_MAX];
    memcpy(introduction, peer->self.introduction, peer->self.introduction_size);
    introduction[peer->self.introduction_size - 70] ^= 1;
    memset(nonce, 2, sizeof nonce);
    struct punch_message offer = offer_of(peer, nonce, false, 99);
    offer.party.introduction.bytes = introduction;
    mark();
    offered_by(0, &offer);
    assert_int_equal(r->counts[TRACE_INTRODUCTION_REFUSED], 1);
    assert_int_equal(path_to(peer)->channel, CHANNEL);
    memset(nonce, 1, sizeof nonce);
    assert_true(is_heard(peer, nonce, 1));
}

/* A credential that has run out is not believed, also of a peer that was believed before. */
static void test_expired(void **state)
{
    (void)state;
    for (unsigned known = 0; known < 2; known++) {
        home_setup(NULL);
        r->server[0].called = &r->peer[0];
        if (known) {
            answers_at(&r->peer[0], (struct addr){0}, 10 * MS);
            connect_to(&r->peer[0]);
            run_for(5 * SECOND);
            assert_int_equal(r->counts[TRACE_PATH_OFFER], 1);
        }
        self_clock(&r->self, r->now_ns, LAST_S + 1);
        mark();
        connect_to(&r->peer[0]);
        run_for(12 * SECOND);
        assert_true(heard_count(0, PUNCH_CONNECT) > 0);
        assert_int_equal(r->counts[TRACE_PATH_OFFER], 0);
        assert_true(r->counts[TRACE_INTRODUCTION_REFUSED] > 0);
    }
}

/* ---- Keys ------------------------------------------------------------------------------------ */

/*
 * By Python: hashlib.blake2s over "warren path v1", nonce, X's key and salt, Y's key and salt, with
 * the X25519 secret of the private keys 32 times 140 and 150, salts 16 times 0x5a and 0xa0, and the
 * nonce 16 times 0x77.
 */
static const uint8_t vector_to_peer[32] = {
    0xd5, 0xa9, 0xcf, 0xf8, 0x5b, 0x06, 0xd7, 0x5f, 0x90, 0xd6, 0x20, 0x78, 0x20, 0x29, 0x82, 0x53,
    0xcc, 0xc3, 0xde, 0xff, 0xee, 0x20, 0xdd, 0x90, 0xdc, 0x0e, 0xf3, 0x27, 0x9c, 0xd8, 0x80, 0x4f};
static const uint8_t vector_to_us[32] = {
    0xaf, 0xc2, 0xa7, 0x1f, 0x39, 0xa9, 0x63, 0x77, 0xd3, 0xac, 0x99, 0xa0, 0xd6, 0x47, 0xe4, 0xff,
    0x67, 0x85, 0xb8, 0x84, 0xca, 0x68, 0x9b, 0x1b, 0x82, 0x54, 0x08, 0x07, 0x9b, 0xd0, 0xa6, 0xb1};

static void test_key_vectors(void **state)
{
    (void)state;
    memset(r->client.salt, 0x5a, sizeof r->client.salt);
    called_by(&r->peer[0], 0x77, at(1));
    const struct path *path = path_to(&r->peer[0]);
    const struct path_call *call = &path->calls[path->newest];
    assert_memory_equal(call->send, vector_to_peer, 32);
    assert_memory_equal(call->receive, vector_to_us, 32);
    assert_int_equal(call->theirs, 0x87a0e31e);
    assert_int_equal(call->mine, 0xb95e762b);
    struct probe_keys keys = keys_of(&r->peer[0], r->peer[0].nonce);
    assert_memory_equal(keys.to_peer, vector_to_peer, 32);
    assert_memory_equal(keys.to_us, vector_to_us, 32);
}

/* Nonce and salts all make another key, and other indices. */
static void test_keys_differ(void **state)
{
    (void)state;
    struct peer *peer = &r->peer[0];
    uint8_t nonce[PUNCH_NONCE_SIZE] = {1}, other[PUNCH_NONCE_SIZE] = {2};
    struct probe_keys keys = keys_of(peer, nonce), by_nonce = keys_of(peer, other);
    assert_memory_not_equal(keys.to_us, keys.to_peer, 32);
    assert_memory_not_equal(keys.to_us, by_nonce.to_us, 32);
    struct punch_message offer = offer_of(peer, nonce, false, 3);
    offered_by(0, &offer);
    assert_true(is_heard(peer, nonce, 1));
    assert_false(is_heard(peer, other, 1));
    peer->salt[5] ^= 1;
    assert_false(is_heard(peer, nonce, 1));
    peer->salt[5] ^= 1;
    /* A restarted peer offers with another salt, and a call of another nonce: both are heard. */
    peer->salt[5] ^= 1;
    offer = offer_of(peer, other, false, 3);
    offered_by(0, &offer);
    assert_true(is_heard(peer, other, 1));
}

/* ---- Openings -------------------------------------------------------------------------------- */

/* What a callee says who was told long before the caller: a probe with its introduction. */
static size_t opening_make(const struct peer *peer, const uint8_t *call_nonce,
                           const struct self *shown, uint8_t *to)
{
    struct probe_keys keys = keys_of(peer, call_nonce);
    struct punch_probe probe = {.transaction = 5, .flags = PUNCH_PROBE_WANTS_ANSWER};
    uint8_t plain[2 + SELF_INTRODUCTION_MAX + PUNCH_PROBE_SIZE_MAX], nonce[12] = {0};
    plain[0] = (uint8_t)(shown->introduction_size >> 8);
    plain[1] = (uint8_t)shown->introduction_size;
    memcpy(plain + 2, shown->introduction, shown->introduction_size);
    size_t size = 2 + shown->introduction_size;
    size += punch_probe_encode(&probe, plain + size, sizeof plain - size);
    struct frame frame = {.type = FRAME_PROBE,
                          .receiver =
                              index_of_test("warren call index v1", call_nonce, PUNCH_NONCE_SIZE),
                          .body.size = 48 + size + FRAME_TAG_SIZE};
    size_t front = frame_encode(&frame, to, DATAGRAM);
    memcpy(to + front, peer->self.public_key, 32);
    memcpy(to + front + 32, peer->salt, 16);
    crypto_real.aead_seal(to + front + 48, keys.to_us, nonce, to, front + 48, plain, size);
    return front + 48 + size + FRAME_TAG_SIZE;
}

static void test_openings(void **state)
{
    (void)state;
    enum { GOOD, OTHER_PEER, OTHER_INTRODUCTION, BENT, BENT_SALT, CUT, SHORT, LONG, BAD_KEY, LATE };
    for (unsigned what = GOOD; what <= LATE; what++) {
        home_setup(NULL);
        struct peer *peer = &r->peer[what == OTHER_PEER ? 1 : 0];
        struct addr from = at(1);
        uint8_t bytes[DATAGRAM] = {0}, nonce[PUNCH_NONCE_SIZE];
        connect_to(&r->peer[0]);
        run_for(10 * MS);
        const struct punch_message *call = heard(0, PUNCH_CONNECT);
        assert_non_null(call);
        if (call != NULL)
            memcpy(nonce, call->nonce, sizeof nonce);
        size_t size = opening_make(
            peer, nonce, &r->peer[what == OTHER_INTRODUCTION ? 1 : what == OTHER_PEER].self, bytes);
        if (what == BENT)
            bytes[size - 20] ^= 1;
        if (what == BENT_SALT)
            bytes[16 + 35] ^= 1;
        if (what == BAD_KEY)
            memset(bytes + 16, 0, 32);
        if (what == CUT)
            size--;
        if (what == SHORT)
            size = FRAME_PROBE_SIZE + 10;
        if (what == LONG)
            size = DATAGRAM;
        if (what == LATE) { /* the offer has come, with the same keys */
            struct punch_message offer = offer_of(peer, nonce, true, 1);
            offered_by(0, &offer);
        }
        mark();
        arrives(&from, bytes, size);
        bool good = what == GOOD || what == LATE;
        assert_int_equal(r->counts[TRACE_PATH_HEARD], good);
        assert_int_equal(sent_count(from) > 0, good);
        if (!good) {
            assert_int_equal(r->sent_count, 0);
            continue;
        }
        /* It was good for a call's keys, and is good once. */
        memcpy(peer->nonce, nonce, sizeof nonce);
        assert_int_equal(last_probe(peer, from).acks[0], 5);
        assert_true(is_heard(peer, nonce, 1) || what == LATE);
        mark();
        arrives(&from, bytes, size);
        assert_int_equal(r->counts[TRACE_PATH_HEARD], 0);
        assert_int_equal(r->sent_count, 0);
    }
}

/* Nobody is called: an opening is of nobody. */
static void test_opening_without_call(void **state)
{
    (void)state;
    uint8_t bytes[DATAGRAM], nonce[PUNCH_NONCE_SIZE] = {1};
    struct addr from = at(1);
    arrives(&from, bytes, opening_make(&r->peer[0], nonce, &r->peer[0].self, bytes));
    assert_int_equal(r->sent_count, 0);
    assert_int_equal(r->counts[TRACE_FRAME_UNEXPECTED], 1);
}

/* What we say as a callee who is told 200 ms before the caller, and that the keys are right. */
static void test_opening_sent(void **state)
{
    (void)state;
    struct peer *peer = &r->peer[0];
    uint8_t nonce[PUNCH_NONCE_SIZE];
    memset(nonce, 7, sizeof nonce);
    struct punch_message offer = offer_of(peer, nonce, false, 3);
    offer.other_us = 200000;
    add_candidate(&offer, at(1), PUNCH_CANDIDATE_OBSERVED);
    offered_by(0, &offer);
    run_for(100 * MS);
    const struct sent *sent = &r->sent[0];
    for (uint32_t i = 0; i < r->sent_count; i++)
        if (!r->sent[i].relayed)
            sent = &r->sent[i];
    assert_false(sent->relayed);
    struct frame frame;
    assert_int_equal(frame_decode(&frame, sent->bytes, sent->size), FRAME_OK);
    assert_int_equal(frame.type, FRAME_PROBE);
    assert_int_equal(frame.receiver, index_of_test("warren call index v1", nonce, sizeof nonce));
    assert_memory_equal(frame.body.bytes, r->self.public_key, 32);
    assert_memory_equal(frame.body.bytes + 32, r->client.salt, 16);
    struct probe_keys keys = keys_of(peer, nonce);
    uint8_t plain[DATAGRAM], counter[12] = {0};
    for (unsigned i = 0; i < 8; i++)
        counter[4 + i] = (uint8_t)(frame.counter >> (56 - 8 * i));
    assert_true(crypto_real.aead_open(plain, keys.to_peer, counter, frame.front.bytes,
                                      frame.front.size + 48, frame.body.bytes + 48,
                                      frame.body.size - 48));
    struct member member;
    uint32_t size = (uint32_t)plain[0] << 8 | plain[1];
    assert_int_equal(self_verify(&peer->self, &crypto_real, r->now_ns, plain + 2, size, &member),
                     IDENTITY_OK);
    assert_memory_equal(member.identity, r->self.identity, IDENTITY_SIZE);
    struct punch_probe probe;
    assert_int_equal(punch_probe_decode(&probe, plain + 2 + size,
                                        frame.body.size - 48 - FRAME_TAG_SIZE - 2 - size),
                     PUNCH_OK);
    /* When the caller has been told, probes are plain ones again. */
    mark();
    run_for(200 * MS);
    assert_true(last_probe(peer, at(1)).flags & PUNCH_PROBE_WANTS_ANSWER);
}

/* ---- Full ------------------------------------------------------------------------------------ */

static void test_paths_full(void **state)
{
    (void)state;
    for (unsigned i = 0; i < PATHS; i++)
        connect_to(&r->peer[i]);
    assert_int_equal(r->counts[TRACE_COMMAND_INVALID], 0);
    connect_to(&r->peer[PATHS]);
    assert_int_equal(r->counts[TRACE_COMMAND_INVALID], 1);
    run_for(20 * MS);
    assert_int_equal(heard_count(0, PUNCH_CONNECT), PATHS);
    called_by(&r->peer[PATHS], 1, at(1));
    run_for(100 * MS);
    assert_int_equal(r->sent_count, 0);
    connect_to(&r->peer[0]); /* one that is there is none more */
    assert_int_equal(r->counts[TRACE_COMMAND_INVALID], 0);
}

int main(void)
{
#define IN_RIG(test) cmocka_unit_test_setup_teardown(test, home_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        IN_RIG(test_schedule),
        IN_RIG(test_two_peers),
        cmocka_unit_test_setup_teardown(test_before_home, rig_setup, rig_teardown),
        IN_RIG(test_data_at_once),
        IN_RIG(test_until_a_probe),
        IN_RIG(test_recheck),
        IN_RIG(test_callee_does_not_recheck),
        IN_RIG(test_spacing),
        IN_RIG(test_other_home),
        IN_RIG(test_refusals),
        IN_RIG(test_refused_channel),
        IN_RIG(test_refusals_of_nothing),
        IN_RIG(test_refused_then_called),
        IN_RIG(test_glare),
        IN_RIG(test_offer_again),
        IN_RIG(test_counter_of_all),
        IN_RIG(test_bad_offers),
        IN_RIG(test_bad_offer_of_known),
        IN_RIG(test_expired),
        IN_RIG(test_key_vectors),
        IN_RIG(test_keys_differ),
        IN_RIG(test_openings),
        IN_RIG(test_opening_without_call),
        IN_RIG(test_opening_sent),
        IN_RIG(test_paths_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
