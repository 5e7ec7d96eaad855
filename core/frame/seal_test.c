/* Tests of sessions as they are meant to be: core/frame/seal.h between ends that keep the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/frame/seal_test.h"

#define A (&rig.end[0])
#define B (&rig.end[1])
#define C (&rig.end[2])
#define D (&rig.end[3])

static void test_a_session(void **state)
{
    (void)state;
    struct seal_session *a = opens(A, B);
    assert_non_null(a);
    assert_true(a->initiator && !a->up);
    assert_int_equal(a->tag, 7);
    assert_false(sends(A, B, "too early"));
    rig.now_ns += 20 * MS;
    struct packet hello = carry_one();
    assert_int_equal(hello.bytes[2], FRAME_HELLO);
    assert_int_equal(B->told.hellos, 1);
    assert_memory_equal(B->told.last.key, A->public_key, 32);
    assert_int_equal(B->told.last.body.size, 15);
    assert_memory_equal(B->told.body, "an introduction", 15);
    assert_true(addr_equal(&B->told.last.route.remote, &A->addr));
    assert_true(addr_equal(&B->told.last.route.source, &B->addr));
    struct seal_session *b = session_of(B, A);
    assert_ptr_equal(b, B->accepted);
    assert_true(!b->initiator && !b->up);
    assert_int_equal(b->tag, 77);
    assert_int_equal(b->proven.family, ADDR_NONE);
    assert_false(sends(B, A, "nothing has come under the keys"));

    rig.now_ns += 30 * MS;
    struct packet welcome = carry_one();
    assert_int_equal(welcome.bytes[2], FRAME_WELCOME);
    assert_int_equal(A->told.ups, 1);
    assert_false(A->told.last.peer_restarted);
    assert_true(a->up);
    assert_int_equal(a->rtt_ns, 50 * MS);
    assert_true(addr_equal(&a->proven, &B->addr));

    says(A, B, "hello, world");
    assert_true(B->told.last.first && !B->told.last.peer_restarted);
    assert_true(addr_equal(&b->proven, &A->addr));
    assert_true(b->up);
    says(B, A, "and back");
    says(A, B, "");
    assert_false(B->told.last.first);
    for (unsigned i = 0; i < 200; i++)
        says(i % 3 == 0 ? B : A, i % 3 == 0 ? A : B, "more");
    assert_int_equal(rig.diffie_hellmans, 2); /* one at each end */
    assert_ptr_equal(seal_at(&A->block.seal, a->self), a);
}

static void test_sizes_of_bodies(void **state)
{
    (void)state;
    joins(A, B);
    static const uint8_t body[SEAL_BODY_MAX + 1];
    struct context cx = context_of(A);
    struct seal_session *a = session_of(A, B);
    assert_true(seal_send(&A->block.seal, &cx, a, NULL, body, SEAL_BODY_MAX));
    assert_false(seal_send(&A->block.seal, &cx, a, NULL, body, SEAL_BODY_MAX + 1));
    collect(A);
    carry();
    assert_int_equal(B->told.last.body.size, SEAL_BODY_MAX);
    /* A full outbox loses the frame, and its counter is not used again. */
    for (unsigned i = 0; i < 12; i++)
        assert_true(seal_send(&A->block.seal, &cx, a, NULL, body, SEAL_BODY_MAX));
    assert_false(seal_send(&A->block.seal, &cx, a, NULL, body, SEAL_BODY_MAX));
    collect(A);
    lose();
    says(A, B, "after");
}

/* Along another route than the session's. */
static void test_route_of_one_message(void **state)
{
    (void)state;
    joins(A, B);
    const struct seal_route route = {
        .socket = 9, .source = addr_v4(0x0a000001, 1), .remote = addr_v4(0x0a000002, 2)};
    struct context cx = context_of(A);
    const uint8_t body[] = {1};
    assert_true(seal_send(&A->block.seal, &cx, session_of(A, B), &route, body, 1));
    struct node_out out;
    assert_true(outbox_take(&A->block.outbox, &out));
    assert_int_equal(out.send.socket, 9);
    assert_true(addr_equal(&out.send.source, &route.source));
    assert_true(addr_equal(&out.send.remote, &route.remote));
    assert_true(addr_equal(&session_of(A, B)->route.remote, &B->addr));
}

/* The HELLO and the WELCOME, opened byte by byte after docs/protocol.md. */
static void test_bytes(void **state)
{
    (void)state;
    opens(A, B);
    struct packet hello = rig.wire[0];
    assert_int_equal(hello.size, 4 + 4 + 32 + 24 + (24 + 15 + 16) + 32);
    uint8_t keys[64 + 24], secret[32], key[32], plain[64], mac[16];
    memcpy(keys, A->public_key, 32);
    memcpy(keys + 32, B->public_key, 32);
    memcpy(keys + 64, hello.bytes + 40, 24); /* HELLO's nonce */
    assert_true(crypto_real.x25519(secret, B->private_key, A->public_key));
    assert_memory_equal(hello.bytes, "\x0b\x01\x01\x00", 4);
    assert_memory_equal(hello.bytes + 8, A->public_key, 32);
    blake2s(key, 32, secret, 32, "warren hello v1", keys, 64);
    assert_true(crypto_real.xaead_open(plain, key, hello.bytes + 40, hello.bytes, 64,
                                       hello.bytes + 64, 24 + 15 + 16));
    assert_memory_equal(plain, A->block.seal.boot, 16);
    assert_memory_equal(plain + 16, "\0\0\0\0\0\0\0\1an introduction", 8 + 15);
    blake2s(key, 32, NULL, 0, "warren mac1 v1", B->public_key, 32);
    blake2s(mac, 16, key, 32, "", hello.bytes, hello.size - 32);
    assert_memory_equal(hello.bytes + hello.size - 32, mac, 16);
    assert_memory_equal(hello.bytes + hello.size - 16, (uint8_t[16]){0}, 16);

    carry_one();
    struct packet welcome = rig.wire[0];
    assert_int_equal(welcome.size, 4 + 8 + 24 + (16 + 16) + 16);
    assert_memory_equal(welcome.bytes, "\x0b\x01\x02\x00", 4);
    assert_memory_equal(welcome.bytes + 8, hello.bytes + 4, 4);
    blake2s(key, 32, secret, 32, "warren welcome v1", keys, 64 + 24);
    assert_true(crypto_real.xaead_open(plain, key, welcome.bytes + 12, welcome.bytes, 36,
                                       welcome.bytes + 36, 32));
    assert_memory_equal(plain, B->block.seal.boot, 16);
    blake2s(key, 32, NULL, 0, "warren mac1 v1", A->public_key, 32);
    blake2s(mac, 16, key, 32, "", welcome.bytes, welcome.size - 16);
    assert_memory_equal(welcome.bytes + welcome.size - 16, mac, 16);

    carry();
    assert_true(sends(A, B, "text"));
    struct packet sealed = rig.wire[0];
    assert_memory_equal(sealed.bytes, "\x0b\x01\x05\x00", 4);
    assert_memory_equal(sealed.bytes + 4, welcome.bytes + 4, 4);
    assert_memory_equal(sealed.bytes + 8, (uint8_t[8]){0}, 8);
    uint8_t session[64 + 48 + 1] = {0};
    memcpy(session, keys, 64 + 24);
    memcpy(session + 88, welcome.bytes + 12, 24);
    blake2s(key, 32, secret, 32, "warren session v1", session, sizeof session);
    assert_true(crypto_real.aead_open(plain, key, (uint8_t[12]){0}, sealed.bytes, 16,
                                      sealed.bytes + 16, 4 + 16));
    assert_memory_equal(plain, "text", 4);
}

static void test_retransmission(void **state)
{
    (void)state;
    /* Milliseconds: waits of 250 that double up to 8000, and from 1000 on are up to a half shorter. */
    static const struct {
        uint64_t least, most;
    } waits_ms[] = {{250, 250},   {500, 500},   {500, 1000},  {1000, 2000}, {2000, 4000},
                    {4000, 8000}, {4000, 8000}, {4000, 8000}, {4000, 8000}};
    enum { WAITS = sizeof waits_ms / sizeof *waits_ms };
    uint32_t shortened = 0;
    opens(A, B);
    struct packet first = rig.wire[0];
    for (size_t i = 0; i < WAITS; i++) {
        uint64_t since_ns = session_of(A, B)->hello_ns;
        lose();
        pass_until(since_ns + waits_ms[i].least * MS - 1, false);
        assert_int_equal(rig.on_wire, 0);
        while (rig.on_wire == 0)
            pass_until(rig.now_ns + MS / 2 + 1, false);
        assert_int_equal(rig.on_wire, 1);
        assert_true(rig.now_ns <= since_ns + (waits_ms[i].most + 1) * MS);
        shortened += rig.now_ns + MS < since_ns + waits_ms[i].most * MS;
        assert_int_equal(rig.wire[0].size, first.size);
        assert_memory_equal(rig.wire[0].bytes, first.bytes, first.size);
    }
    assert_in_range(shortened, 5, WAITS - 2); /* one in 256 is not */
    rig.now_ns = session_of(A, B)->hello_ns + 40 * MS;
    carry();
    assert_int_equal(A->told.ups, 1);
    assert_int_equal(session_of(A, B)->rtt_ns, 40 * MS); /* taken for the answer to the last */
    says(A, B, "at last");
    pass(60 * SECOND);
    assert_int_equal(A->counts[TRACE_SEAL_HELLO_SENT], 10);
    /* A HELLO that is sent once measures again. */
    renews(A, B);
    rig.now_ns += 50 * MS;
    carry();
    assert_int_equal(session_of(A, B)->rtt_ns, 50 * MS);
    /* One that is sent twice does not. */
    renews(A, B);
    lose();
    pass_until(rig.now_ns + 250 * MS, false);
    rig.now_ns += 3 * MS;
    carry();
    assert_int_equal(A->told.ups, 3);
    assert_int_equal(session_of(A, B)->rtt_ns, 50 * MS);
}

/* While WELCOMEs are lost, each HELLO gets the same one again, and the owner is asked once. */
static void test_welcome_is_lost(void **state)
{
    (void)state;
    struct packet first = {0};
    opens(A, B);
    for (unsigned i = 1; i < SEAL_UNPROVEN_BURST; i++) {
        carry_one();
        assert_int_equal(rig.on_wire, 1);
        if (i == 1)
            first = rig.wire[0];
        assert_int_equal(rig.wire[0].size, first.size);
        assert_memory_equal(rig.wire[0].bytes, first.bytes, first.size);
        lose();
        uint64_t deadline_ns = timers_deadline(&A->block.timers);
        pass_until(deadline_ns, false);
    }
    carry();
    assert_int_equal(B->told.hellos, 1);
    assert_int_equal(rig.diffie_hellmans, 2);
    /* A late copy of the HELLO changes nothing, nor does a late copy of the WELCOME. */
    hand(A, &first);
    says(A, B, "text");
    says(B, A, "text");
}

/* The window: after these frames arrived, in this order, is the last one of them taken? */
static void test_window(void **state)
{
    (void)state;
    static const struct {
        uint8_t arrive[4]; /* counters + 1; 0 ends */
        bool taken;
    } rows[] = {
        {{1}, true},
        {{1, 1}, false},
        {{2, 1}, true},
        {{2, 1, 1}, false},
        {{65, 2}, true},
        {{65, 1}, false},
        {{65, 2, 2}, false},
        {{64, 1}, true},
        {{64, 1, 1}, false},
        {{1, 100, 1}, false},
        {{1, 2, 3, 2}, false},
        {{1, 3, 66, 2}, false},
        {{1, 3, 66, 3}, false},
        {{1, 65, 2}, true},
        {{100, 37}, true},
        {{100, 36}, false},
        {{1, 128, 128}, false},
        {{1, 2, 200, 137}, true},
        {{1, 2, 200, 136}, false},
    };
    for (size_t row = 0; row < sizeof rows / sizeof rows[0]; row++) {
        rig_setup(NULL);
        static struct packet sent[200];
        opens(A, B);
        carry();
        for (size_t i = 0; i < 200; i++) {
            assert_true(sends(A, B, "text"));
            sent[i] = wire_pop();
        }
        unsigned before = 0;
        for (size_t i = 0; i < 4 && rows[row].arrive[i] != 0; i++) {
            before = B->told.messages;
            hand(B, &sent[rows[row].arrive[i] - 1]);
        }
        assert_int_equal(B->told.messages - before, rows[row].taken);
        assert_int_equal(B->counts[TRACE_SEAL_REPLAY], !rows[row].taken);
        assert_int_equal(rig.on_wire, 0);
    }
}

/* Messages that are under way while keys change arrive, in whatever order. */
static void test_renewal(void **state)
{
    (void)state;
    joins(A, B);
    struct seal_session *a = session_of(A, B), *b = session_of(B, A);
    uint32_t index = a->current.theirs;
    uint64_t made_ns = a->keys_ns;
    pass_until(made_ns + SEAL_RENEW_NS - 1, false);
    assert_int_equal(rig.on_wire, 0);
    assert_true(sends(A, B, "a1"));
    struct packet a1 = wire_pop();
    assert_true(sends(B, A, "b1"));
    struct packet b1 = wire_pop();
    pass_until(made_ns + SEAL_RENEW_NS, false);
    assert_int_equal(rig.on_wire, 1); /* HELLO */
    assert_true(sends(B, A, "b2"));   /* under the old keys, while the HELLO is on its way */
    hand(A, &rig.wire[1]);
    assert_int_equal(A->told.messages, 1);
    rig.on_wire = 1;
    carry();
    assert_int_equal(A->told.ups, 2);
    assert_false(A->told.last.peer_restarted);
    assert_true(a->current.theirs != index);
    assert_true(sends(B, A, "b3"));
    struct packet b3 = wire_pop();
    assert_true(sends(A, B, "a2"));
    struct packet a2 = wire_pop();

    unsigned before = B->told.messages;
    hand(B, &a2);
    assert_true(B->told.last.first && !B->told.last.peer_restarted);
    hand(B, &a1);
    assert_false(B->told.last.first);
    assert_int_equal(B->told.messages, before + 2);
    before = A->told.messages;
    says(B, A, "b4");
    hand(A, &b3);
    hand(A, &b1);
    assert_int_equal(A->told.messages, before + 3);
    assert_true(a->previous.live && b->previous.live);
    hand(A, &b3);
    hand(B, &a1);
    assert_int_equal(A->told.messages, before + 3);

    /* Then the old keys are gone, however much is said under the new ones. */
    pass(SEAL_PREVIOUS_NS - SECOND);
    assert_true(a->previous.live && b->previous.live);
    says(A, B, "text");
    says(B, A, "text");
    pass(SECOND);
    const struct seal_keys none = {.live = false};
    assert_memory_equal(&a->previous, &none, sizeof none);
    assert_memory_equal(&b->previous, &none, sizeof none);
    assert_int_equal(timers_deadline(&B->block.timers), UINT64_MAX);
    pass_until(a->keys_ns + SEAL_RENEW_NS, true);
    assert_int_equal(A->told.ups, 3);
    assert_int_equal(rig.diffie_hellmans, 2);
}

/* An initiator that renews and says nothing still hears what is sent under the keys before. */
static void test_renewal_without_a_word(void **state)
{
    (void)state;
    joins(A, B);
    for (unsigned i = 0; i < 3; i++) {
        renews(A, B);
        carry();
        says(B, A, "still the first keys");
        pass(20 * SECOND);
    }
    says(A, B, "now the last ones");
    assert_true(B->told.last.first);
    says(B, A, "those too");
    pass(20 * SECOND);
    assert_false(session_of(A, B)->previous.live || session_of(B, A)->previous.live);
    says(B, A, "text");
}

static void test_renewal_by_frames(void **state)
{
    (void)state;
    joins(A, B);
    session_of(A, B)->current.counter = (UINT64_C(1) << 60) - 2;
    says(A, B, "the last but one");
    assert_int_equal(A->told.ups, 1);
    assert_true(sends(A, B, "the last"));
    carry();
    assert_int_equal(B->told.messages, 3);
    assert_int_equal(A->told.ups, 2);
    says(A, B, "new keys");
    assert_int_equal(session_of(A, B)->current.counter, 1);
    /* Who cannot renew falls silent in the end. */
    says(B, A, "text");
    session_of(B, A)->current.counter = UINT64_C(1) << 61;
    assert_false(sends(B, A, "text"));
}

static void test_responder_restarts(void **state)
{
    (void)state;
    joins(A, B);
    pass(10 * SECOND);
    end_start(B, 2);
    assert_true(sends(A, B, "lost"));
    carry(); /* STRANGER, HELLO, WELCOME */
    assert_int_equal(A->told.ups, 2);
    assert_true(A->told.last.peer_restarted);
    assert_int_equal(B->told.messages, 0);
    says(A, B, "text");
    assert_false(B->told.last.peer_restarted); /* this B has known no other A */
    says(B, A, "text");
}

static void test_initiator_restarts(void **state)
{
    (void)state;
    joins(A, B);
    for (unsigned i = 0; i < 3; i++) {
        renews(A, B);
        carry();
        says(A, B, "text");
    }
    assert_true(session_of(B, A)->previous.live);
    struct packet old = {0};
    assert_true(sends(B, A, "to the old A"));
    old = wire_pop();
    end_start(A, 2);
    opens(A, B);
    carry();
    hand(A, &old);
    assert_int_equal(A->told.messages, 0);
    lose();
    says(A, B, "text");
    assert_true(B->told.last.first && B->told.last.peer_restarted);
    says(B, A, "text");
    assert_int_equal(B->block.seal.sessions.used, 1);
    assert_int_equal(rig.diffie_hellmans, 3);      /* B knows the secret */
    assert_false(session_of(B, A)->previous.live); /* nobody has those keys any more */
    renews(A, B);                                  /* numbers count from one in each boot */
    carry();
    assert_int_equal(A->told.ups, 2);
}

/* Both open a session to each other at once. */
static void test_both_open(void **state)
{
    (void)state;
    opens(A, B);
    opens(B, A);
    carry();
    assert_true(A->told.ups >= 1 && B->told.ups >= 1);
    says(A, B, "text");
    says(B, A, "text");
    for (unsigned i = 0; i < 10; i++) {
        pass(20 * SECOND);
        sends(A, B, "text");
        carry();
        sends(B, A, "text");
        carry();
    }
    says(A, B, "text");
    says(B, A, "text");
    assert_int_equal(A->block.seal.sessions.used, 1);
    /* Both routes are still as their owners said. */
    assert_int_equal(session_of(A, B)->route.socket, NODE_SOCKET_PUNCH);
    assert_int_equal(session_of(B, A)->route.socket, NODE_SOCKET_PUNCH);
}

static void test_open_again(void **state)
{
    (void)state;
    joins(A, B);
    struct seal_session *b = session_of(B, A);
    uint32_t index = b->current.mine;
    /* The responder takes the session over. */
    assert_ptr_equal(opens(B, A), b);
    assert_true(b->initiator && b->up && b->current.mine == index);
    assert_int_equal(b->tag, 7);
    lose();
    says(A, B, "while HELLO is on its way");
    pass(SECOND);
    assert_int_equal(B->told.ups, 1);
    says(B, A, "text");
    says(A, B, "text");
}

static void test_move(void **state)
{
    (void)state;
    joins(A, B);
    struct addr elsewhere = addr_v4(0x0a000001, 5);
    A->addr = elsewhere;
    says(A, B, "from elsewhere");
    assert_true(addr_equal(&B->told.last.route.remote, &elsewhere));
    /* Whose message it is does not say where he is: the route is the owner's to change. */
    struct seal_session *b = session_of(B, A);
    assert_false(addr_equal(&b->route.remote, &elsewhere));
    assert_false(addr_equal(&b->proven, &elsewhere));
    seal_move(b, B->told.last.route);
    says(B, A, "there");
    /* A HELLO from there, and a message after its WELCOME, prove it. */
    A->addr = addr_v4(0x0a000001, 6);
    renews(A, B);
    carry();
    assert_false(addr_equal(&b->route.remote, &A->addr));
    says(A, B, "text");
    assert_true(addr_equal(&b->route.remote, &A->addr));
    assert_true(addr_equal(&b->proven, &A->addr));
}

/* Who moves before the first message is answered where the last HELLO came from. */
static void test_move_before_the_first_message(void **state)
{
    (void)state;
    opens(A, B);
    carry_one();
    lose();
    A->addr = addr_v4(0x0a000001, 6);
    renews(A, B);
    carry_one();
    assert_true(addr_equal(&session_of(B, A)->route.remote, &A->addr));
    /* The WELCOME is good from anywhere, but proves only where the HELLO went. */
    struct packet welcome = wire_pop();
    welcome.from.port++;
    hand(A, &welcome);
    assert_int_equal(A->told.ups, 1);
    assert_int_equal(session_of(A, B)->proven.family, ADDR_NONE);
    says(A, B, "text");
    says(B, A, "text");
}

/* Bytes of a secret anywhere in an end's block. */
static bool holds(const struct end *end, const uint8_t *secret, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)&end->block;
    for (size_t i = 0; i + size <= sizeof end->block; i++) {
        if (memcmp(bytes + i, secret, size) == 0)
            return true;
    }
    return false;
}

static void test_close_wipes(void **state)
{
    (void)state;
    joins(A, B);
    renews(A, B);
    carry(); /* B has a pending set, A a previous one */
    struct end *ends[] = {A, B};
    for (size_t i = 0; i < 2; i++) {
        struct end *end = ends[i];
        const struct seal_session *session = session_of(end, ends[1 - i]);
        uint8_t secrets[4][32] = {{0}};
        memcpy(secrets[0], session->secret, 32);
        memcpy(secrets[1], session->current.send, 32);
        memcpy(secrets[2], session->current.receive, 32);
        memcpy(secrets[3], i == 0 ? session->previous.receive : session->pending[0].keys.receive,
               32);
        for (size_t k = 0; k < 4; k++)
            assert_true(holds(end, secrets[k], 32));
        struct handle handle = session->self;
        struct context cx = context_of(end);
        seal_close(&end->block.seal, &cx, handle);
        for (size_t k = 0; k < 4; k++)
            assert_false(holds(end, secrets[k], 32));
        assert_null(seal_at(&end->block.seal, handle));
        assert_null(session_of(end, ends[1 - i]));
        assert_int_equal(timers_deadline(&end->block.timers), UINT64_MAX);
        assert_int_equal(end->counts[TRACE_SEAL_FORGOTTEN], 1);
    }
    joins(B, A);
    says(A, B, "again");
}

/* Three may be in; one more is refused, until one of those has been silent for two minutes. */
static void test_table_full(void **state)
{
    (void)state;
    uint8_t private_key[32] = {9};
    struct by_hand hello = {.private_key = private_key, .receiver = B->public_key, .boot = 1};
    for (unsigned i = 0; i < SESSIONS; i++) {
        private_key[1] = (uint8_t)i;
        hello.number = 1;
        hello.nonce = (uint8_t)i;
        struct packet packet = hello_by_hand(&hello);
        packet.from = addr_v4(UINT32_C(0x0a000000) + i, 1);
        hand(B, &packet);
        assert_non_null(B->accepted);
        rig.now_ns += SECOND;
    }
    lose();
    opens(A, B);
    carry();
    assert_null(B->accepted);
    assert_int_equal(A->told.ups, 0);
    assert_int_equal(B->counts[TRACE_SEAL_FULL], 1);
    assert_null(opens(B, C));
    assert_int_equal(B->counts[TRACE_SEAL_FULL], 2);
    pass(SEAL_SILENT_NS - SESSIONS * SECOND - 8 * SECOND);
    assert_int_equal(A->told.ups, 0);
    pass(13 * SECOND);
    assert_int_equal(A->told.ups, 1);
    says(A, B, "text");
    assert_int_equal(B->block.seal.sessions.used, SESSIONS);
    assert_int_equal(B->counts[TRACE_SEAL_FORGOTTEN], 1);
    private_key[1] = 0;
    uint8_t public_key[32];
    crypto_real.x25519_public(public_key, private_key);
    assert_null(seal_with(&B->block.seal, public_key));
    /* The search goes on behind the one that was forgotten: A's is not silent, the next is. */
    pass(10 * SECOND);
    joins(C, B);
    says(A, B, "text");
    private_key[1] = 1;
    crypto_real.x25519_public(public_key, private_key);
    assert_null(seal_with(&B->block.seal, public_key));
}

/* A session of our own is not forgotten, however silent. */
static void test_own_sessions_stay(void **state)
{
    (void)state;
    opens(A, B);
    opens(A, C);
    opens(A, D);
    for (unsigned i = 0; i < 40; i++) {
        lose();
        pass_until(rig.now_ns + SEAL_SILENT_NS / 2, false);
    }
    lose();
    uint8_t private_key[32] = {9};
    struct packet packet = hello_by_hand(
        &(struct by_hand){.private_key = private_key, .receiver = A->public_key, .number = 1});
    packet.from = addr_v4(0x0a000000, 1);
    hand(A, &packet);
    assert_int_equal(A->told.hellos, 1);
    assert_null(A->accepted);
    assert_non_null(session_of(A, B));
    /* Closed from the middle of their list, the others still hear a STRANGER. */
    struct context cx = context_of(A);
    seal_close(&A->block.seal, &cx, session_of(A, C)->self);
    renews(A, B);
    renews(A, D);
    carry();
    assert_true(session_of(A, B)->up && session_of(A, D)->up);
    pass(10 * SECOND);
    end_start(B, 2);
    end_start(D, 2);
    sends(A, B, "text");
    sends(A, D, "text");
    carry();
    says(A, B, "text");
    says(A, D, "text");
    seal_close(&A->block.seal, &cx, session_of(A, B)->self);
    joins(A, C);
    pass(10 * SECOND);
    end_start(D, 3);
    sends(A, D, "text");
    carry();
    says(A, D, "text");
    seal_close(&A->block.seal, &cx, session_of(A, D)->self);
    seal_close(&A->block.seal, &cx, session_of(A, C)->self);
    joins(A, D);
}

/* An index that is drawn although it is in use gives way to the next. */
static void test_indices_differ(void **state)
{
    (void)state;
    joins(A, B);
    struct seal_session *a = session_of(A, B);
    struct random_secret ahead = A->block.secret;
    uint8_t low[2];
    random_secret_bytes(&ahead, low, sizeof low);
    uint32_t drawn = a->self.index << 16 | (uint32_t)(low[0] << 8 | low[1]);
    a->current.mine = drawn;
    renews(A, B);
    assert_int_equal(a->hello_index, (drawn & 0xffff0000) | ((drawn + 1) & 0xffff));
    carry();
    says(A, B, "text");
    says(B, A, "text");
}

/* A copy of the block goes on like the block itself. */
static void test_snapshot(void **state)
{
    (void)state;
    static struct block copy;
    joins(A, B);
    renews(A, B);
    carry();
    memcpy(&copy, &B->block, sizeof copy);
    memset(&B->block, 0xee, sizeof B->block);
    static struct end other;
    other = *B;
    memcpy(&other.block, &copy, sizeof copy);
    struct packet packet;
    sends(A, B, "text");
    packet = wire_pop();
    unsigned before = other.told.messages;
    hand(&other, &packet);
    assert_int_equal(other.told.messages, before + 1);
    assert_memory_equal(other.told.body, "text", 4);
    struct seal_session *session = seal_with(&other.block.seal, A->public_key);
    assert_non_null(session);
    assert_true(addr_equal(&session->proven, &A->addr));
    assert_true(sends(&other, A, "back"));
    before = A->told.messages;
    carry();
    assert_int_equal(A->told.messages, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_session, rig_setup),
        cmocka_unit_test_setup(test_sizes_of_bodies, rig_setup),
        cmocka_unit_test_setup(test_route_of_one_message, rig_setup),
        cmocka_unit_test_setup(test_bytes, rig_setup),
        cmocka_unit_test_setup(test_retransmission, rig_setup),
        cmocka_unit_test_setup(test_welcome_is_lost, rig_setup),
        cmocka_unit_test_setup(test_window, rig_setup),
        cmocka_unit_test_setup(test_renewal, rig_setup),
        cmocka_unit_test_setup(test_renewal_without_a_word, rig_setup),
        cmocka_unit_test_setup(test_renewal_by_frames, rig_setup),
        cmocka_unit_test_setup(test_responder_restarts, rig_setup),
        cmocka_unit_test_setup(test_initiator_restarts, rig_setup),
        cmocka_unit_test_setup(test_both_open, rig_setup),
        cmocka_unit_test_setup(test_open_again, rig_setup),
        cmocka_unit_test_setup(test_move, rig_setup),
        cmocka_unit_test_setup(test_move_before_the_first_message, rig_setup),
        cmocka_unit_test_setup(test_close_wipes, rig_setup),
        cmocka_unit_test_setup(test_table_full, rig_setup),
        cmocka_unit_test_setup(test_own_sessions_stay, rig_setup),
        cmocka_unit_test_setup(test_indices_differ, rig_setup),
        cmocka_unit_test_setup(test_snapshot, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
