/* Tests of core/tunnel/: sessions of whole nodes, by the WireGuard paper's sections 2, 5 and 6. */
#include "core/tunnel/tunnel_test.h"

#include "core/tunnel/tunnel.h"

static struct rig r;

static int teardown(void **state)
{
    (void)state;
    rig_end(&r);
    return 0;
}

static uint64_t sent(unsigned end, enum tunnel_message_type type)
{
    return r.ends[end].sent[type];
}

/* ---- Sessions -------------------------------------------------------------------------------- */

/* Section 5.1: one round trip, and the packet follows; it is itself the confirmation. */
static void test_first_packet(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    assert_int_equal(node_deadline(r.ends[0].node), NODE_NEVER);
    rig_send(&r, 0, 1, 100, 7);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
    assert_int_equal(r.ends[0].sent_bytes, 148);
    rig_run(&r, 3 * RIG_DELAY_NS - 1);
    assert_int_equal(r.ends[1].packets, 0);
    rig_run(&r, 1);
    assert_true(rig_got(&r, 0, 1, 100, 7));
    assert_int_equal(sent(0, TUNNEL_DATA), 1);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
    assert_int_equal(sent(1, TUNNEL_RESPONSE), 1);
    assert_int_equal(r.ends[1].sent_bytes, 92);
    rig_send(&r, 1, 0, 60, 8);
    rig_run(&r, RIG_DELAY_NS);
    assert_true(rig_got(&r, 1, 0, 60, 8));
    assert_int_equal(sent(1, TUNNEL_INITIATION), 0);
}

/* A responder may not send under a session before something has come under it (section 5.1). */
static void test_responder_waits(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, RIG_DELAY_NS);
    assert_int_equal(sent(1, TUNNEL_RESPONSE), 1);
    rig_send(&r, 1, 0, 100, 2);
    assert_int_equal(sent(1, TUNNEL_DATA), 0);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 1, 0, 100, 2));
    assert_true(rig_got(&r, 0, 1, 100, 1));
}

/* Every size goes through, both ways, and is padded to sixteen bytes on the wire (5.4.6). */
static void test_sizes(void **state)
{
    (void)state;
    static uint8_t bytes[NODE_PACKET_MAX];
    static const uint32_t sizes[] = {20, 21,  31,   32,   33,   40,   41,   47,  48,
                                     49, 575, 1280, 1407, 1408, 1409, 1419, 1420};
    rig_pair(&r);
    r.wire = rig_watch;
    for (unsigned i = 0; i < 4 * (sizeof sizes / sizeof *sizes); i++) {
        uint32_t size = sizes[i / 4];
        unsigned from = i % 2, dest = 1 - from;
        bool v6 = i % 4 >= 2;
        if (v6 && size < 40)
            continue;
        rig_packet(bytes, size, v6 ? rig_inner6(from) : rig_inner4(from),
                   v6 ? rig_inner6(dest) : rig_inner4(dest), (uint8_t)i);
        uint64_t before = r.ends[dest].packets;
        rig_give(&r, from, bytes, size, 0);
        uint32_t padded = (size + 15) / 16 * 16;
        if (padded > NODE_PACKET_MAX)
            padded = NODE_PACKET_MAX;
        assert_int_equal(rig_seen[TUNNEL_DATA].size, 32 + padded);
        rig_run(&r, RIG_S);
        assert_int_equal(r.ends[dest].packets, before + 1);
        assert_int_equal(r.ends[dest].last_size, size);
        assert_memory_equal(r.ends[dest].last, bytes, size);
    }
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
}

/* What is sealed behind a packet is zeros, whatever the memory had before. */
static void test_padding(void **state)
{
    (void)state;
    static uint8_t bytes[2048];
    rig_pair(&r);
    r.wire = rig_watch;
    for (uint32_t size = 1300; size > 100; size -= 37) {
        uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
        struct tunnel_data data;
        rig_send(&r, 0, 1, size, 0xfe);
        const struct rig_seen *last = &rig_seen[TUNNEL_DATA];
        tunnel_data_decode(&data, last->bytes, last->size);
        noise_data_nonce(nonce, data.counter);
        bool opens = false;
        for (unsigned k = 0; k < rig_crypto.key_count && !opens; k++)
            opens = crypto_real.aead_open(bytes, rig_crypto.keys[k], nonce, NULL, 0, data.sealed,
                                          data.sealed_size);
        assert_true(opens);
        for (size_t i = size; i < data.sealed_size - CRYPTO_AEAD_TAG_SIZE; i++)
            assert_int_equal(bytes[i], 0);
    }
}

static void test_no_packets(void **state)
{
    (void)state;
    uint8_t bytes[1500];
    rig_pair(&r);
    uint64_t before = r.ends[0].datagrams;
    rig_packet(bytes, 1421, rig_inner4(0), rig_inner4(1), 1);
    rig_give(&r, 0, bytes, 1421, 0);
    rig_give(&r, 0, bytes, 0, 0);
    rig_give(&r, 0, bytes, 19, 0);
    bytes[0] = 0x55;
    rig_give(&r, 0, bytes, 100, 0);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NOT_IP), 4);
    rig_packet(bytes, 100, rig_inner4(0), rig_inner4(77), 1);
    rig_give(&r, 0, bytes, 100, 0);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_ROUTE), 1);
    assert_int_equal(r.ends[0].datagrams, before);
}

/* Packets wait for the handshake, the newest of them, in order. */
static void test_queue(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    for (unsigned i = 0; i < TUNNEL_QUEUE_MAX + 5; i++)
        rig_send(&r, 0, 1, 100 + i, (uint8_t)i);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_QUEUE_FULL), 5);
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[1].packets, TUNNEL_QUEUE_MAX);
    for (unsigned i = 0; i < TUNNEL_QUEUE_MAX; i++)
        assert_int_equal(r.ends[1].log[i], 5 + i);
}

/* Whether end 0 has the end of such a packet anywhere, in the clear. */
static bool holds_plain(uint8_t number)
{
    uint8_t bytes[100];
    rig_packet(bytes, sizeof bytes, rig_inner4(0), rig_inner4(1), number);
    return rig_holds(&r, 0, bytes + 60, sizeof bytes - 60);
}

/* Nothing of what waited is left in memory, however its waiting ended. */
static void test_queue_wiped(void **state)
{
    (void)state;
    enum { SENT, REMOVED, GIVEN_UP, PUSHED_OUT, ENDINGS };
    for (unsigned ending = SENT; ending < ENDINGS; ending++) {
        rig_init(&r, 2);
        rig_meet(&r, 0, 1);
        struct node_in in = rig_peer(&r, 1);
        in.peer.remove = true;
        r.wire = ending == SENT ? NULL : rig_cut;
        rig_send(&r, 0, 1, 100, 201);
        rig_send(&r, 0, 1, 100, 202);
        assert_true(holds_plain(201));
        assert_true(holds_plain(202));
        if (ending == REMOVED)
            assert_true(rig_tell(&r, 0, in));
        for (unsigned i = 0; ending == PUSHED_OUT && i < TUNNEL_QUEUE_MAX; i++)
            rig_send(&r, 0, 1, 40, 7); /* shorter ones, in the same places */
        rig_run(&r, (ending == GIVEN_UP ? 100 : 1) * RIG_S);
        assert_int_equal(r.ends[1].packets, ending == SENT ? 2 : 0);
        assert_false(holds_plain(201));
        assert_false(holds_plain(202));
        rig_end(&r);
    }
}

static void test_queue_of_all(void **state)
{
    (void)state;
    rig_init(&r, 4);
    for (unsigned i = 1; i < 4; i++)
        rig_meet(&r, 0, i);
    for (unsigned i = 0; i < TUNNEL_QUEUE_MAX; i++)
        rig_send(&r, 0, 1, 100, (uint8_t)i);
    for (unsigned i = 0; i < RIG_QUEUE - TUNNEL_QUEUE_MAX + 3; i++)
        rig_send(&r, 0, 2, 100, (uint8_t)i);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_QUEUE_FULL), 3); /* the oldest of its own */
    rig_send(&r, 0, 3, 100, 9); /* it has none to lose but this one */
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_QUEUE_FULL), 4);
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[1].packets, TUNNEL_QUEUE_MAX);
    assert_int_equal(r.ends[2].packets, RIG_QUEUE - TUNNEL_QUEUE_MAX);
    assert_int_equal(r.ends[2].log[0], 3);
    assert_int_equal(r.ends[3].packets, 0);
    rig_send(&r, 0, 3, 100, 10); /* but there is a session with it */
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 3, 100, 10));
    assert_int_equal(sent(0, TUNNEL_INITIATION), 3);
}

static void test_preshared_keys(void **state)
{
    (void)state;
    static const struct {
        uint8_t of_0, of_1;
        bool works;
    } cases[] = {{0, 0, true}, {5, 5, true}, {5, 0, false}, {0, 5, false}, {5, 6, false}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig_init(&r, 2);
        struct node_in to_0 = rig_peer(&r, 1), to_1 = rig_peer(&r, 0);
        to_0.peer.psk[31] = cases[i].of_0;
        to_1.peer.psk[31] = cases[i].of_1;
        assert_true(rig_tell(&r, 0, to_0) && rig_tell(&r, 1, to_1));
        rig_send(&r, 0, 1, 100, 1);
        rig_run(&r, 2 * RIG_S);
        assert_int_equal(r.ends[1].packets, cases[i].works);
        assert_int_equal(sent(1, TUNNEL_RESPONSE), 1);
        assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_FORGED), !cases[i].works);
        rig_end(&r);
    }
}

/* ---- Trains ---------------------------------------------------------------------------------- */

static void test_trains(void **state)
{
    (void)state;
    static uint8_t bytes[NODE_PACKETS_MAX];
    static const struct {
        uint32_t segment, count, last;
        uint64_t outputs; /* on the wire: 64 datagrams, or 65000 bytes */
    } cases[] = {
        {1000, 40, 500, 1}, {1000, 2, 1000, 1}, {1420, 44, 1420, 1}, {1420, 45, 1420, 2},
        {100, 64, 100, 1},  {100, 65, 20, 2},   {20, 1, 20, 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig_pair(&r);
        r.whole = true;
        uint32_t segment = cases[i].segment, size = 0;
        for (unsigned k = 0; k < cases[i].count; k++) {
            uint32_t each = k + 1 < cases[i].count ? segment : cases[i].last;
            rig_packet(bytes + size, each, rig_inner4(0), rig_inner4(1), (uint8_t)k);
            size += each;
        }
        uint64_t trains = r.ends[0].trains, outputs = r.ends[1].packet_outputs;
        rig_give(&r, 0, bytes, size, segment);
        assert_int_equal(r.ends[0].trains, trains + cases[i].outputs);
        rig_run(&r, RIG_DELAY_NS);
        assert_int_equal(r.ends[1].packets, 1 + cases[i].count);
        assert_int_equal(r.ends[1].packet_outputs, outputs + cases[i].outputs);
        if (cases[i].outputs == 1) {
            assert_int_equal(r.ends[1].last_size, size);
            assert_int_equal(r.ends[1].last_segment, segment);
            assert_memory_equal(r.ends[1].last, bytes, size);
        }
        rig_end(&r);
    }
}

/* One that comes before the session waits, as so many packets. */
static void test_train_waits(void **state)
{
    (void)state;
    static uint8_t bytes[10 * 200];
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    for (unsigned i = 0; i < 10; i++)
        rig_packet(bytes + (size_t)i * 200, 200, rig_inner4(0), rig_inner4(1), (uint8_t)i);
    rig_give(&r, 0, bytes, sizeof bytes, 200);
    r.whole = true;
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[1].packets, 10);
    assert_int_equal(r.ends[1].last_size, sizeof bytes);
    assert_memory_equal(r.ends[1].last, bytes, sizeof bytes);
}

/* A train that is more than what the node can put out at once loses its end, and nothing else. */
static void test_train_too_long(void **state)
{
    (void)state;
    static uint8_t bytes[NODE_PACKETS_MAX];
    rig_pair(&r);
    r.whole = true;
    for (uint32_t at = 0; at < sizeof bytes; at += 20)
        rig_packet(bytes + at, 20, rig_inner4(0), rig_inner4(1), (uint8_t)(at / 20));
    rig_give(&r, 0, bytes, sizeof bytes, 20);
    rig_run(&r, RIG_S);
    assert_int_equal(rig_count(&r, 0, TRACE_OUTPUT_FULL), 1);
    assert_in_range(r.ends[1].packets, 3000, sizeof bytes / 20 - 1);
    assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_FORGED), 0);
    rig_send(&r, 0, 1, 100, 7);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 7));
}

/* ---- Timers (section 6) ---------------------------------------------------------------------- */

/* Who has received data and sent nothing for ten seconds says so, and only then (6.5). */
static void test_keepalive(void **state)
{
    (void)state;
    rig_pair(&r);
    r.wire = rig_watch;
    rig_run(&r, 9 * RIG_S); /* the packet came at 30 ms, a second less before now */
    assert_int_equal(sent(1, TUNNEL_DATA), 0);
    rig_run(&r, RIG_S);
    assert_int_equal(sent(1, TUNNEL_DATA), 1);
    assert_int_equal(rig_seen[TUNNEL_DATA].size, 32);
    rig_run(&r, 90 * RIG_S);
    assert_int_equal(sent(1, TUNNEL_DATA), 1); /* a keepalive is not answered */
    assert_int_equal(sent(0, TUNNEL_DATA), 1);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);

    rig_send(&r, 0, 1, 50, 2);
    rig_run(&r, 5 * RIG_S);
    rig_send(&r, 1, 0, 50, 3); /* that is an answer too */
    rig_run(&r, 9 * RIG_S);
    assert_int_equal(sent(1, TUNNEL_DATA), 2);
    assert_int_equal(sent(0, TUNNEL_DATA), 2);
    rig_run(&r, 2 * RIG_S);
    assert_int_equal(sent(0, TUNNEL_DATA), 3); /* for the one that 1 has sent */
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_KEEPALIVE), 1);
}

/* Data that nothing comes back for makes a new handshake after 15 s, not before (6.5). */
static void test_silence(void **state)
{
    (void)state;
    rig_pair(&r);
    rig_run(&r, 30 * RIG_S);
    r.wire = rig_cut;
    uint64_t begin_ns = r.now_ns;
    rig_send(&r, 0, 1, 100, 2);
    rig_run(&r, 7 * RIG_S);
    rig_send(&r, 0, 1, 100, 3); /* it counts from the first */
    rig_run(&r, 8 * RIG_S - 1);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
    rig_run(&r, RIG_S);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 2);
    assert_in_range(r.ends[0].initiated_ns[1] - begin_ns, 15 * RIG_S, 15 * RIG_S + 333 * RIG_MS);
    r.wire = NULL;
    rig_run(&r, 10 * RIG_S);
    assert_int_equal(sent(1, TUNNEL_RESPONSE), 2);
    rig_send(&r, 0, 1, 100, 4);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 4));
}

/* After 120 s who began the session begins the next, when it sends; the other never does (6.2). */
static void test_rekey(void **state)
{
    (void)state;
    static const struct {
        bool speaks[2];
        uint64_t latest_ms; /* a keepalive is sent, too, each ten seconds */
    } cases[] = {{{true, false}, 121000}, {{true, true}, 121000}, {{false, true}, 131000}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig_pair(&r);
        uint64_t packets = 0;
        for (unsigned s = 0; s < 600; s++) {
            for (unsigned k = 0; k < 2; k++)
                if (cases[i].speaks[k])
                    rig_send(&r, k, 1 - k, 100, (uint8_t)s);
            packets += cases[i].speaks[0] + cases[i].speaks[1];
            rig_run(&r, RIG_S);
        }
        assert_int_equal(sent(1, TUNNEL_INITIATION), 0);
        assert_in_range(sent(0, TUNNEL_INITIATION), 5, 6);
        for (unsigned k = 1; k < sent(0, TUNNEL_INITIATION); k++) {
            const uint64_t *times = r.ends[0].initiated_ns;
            assert_in_range(times[k] - times[k - 1], 120 * RIG_S,
                            (cases[i].latest_ms + 100) * RIG_MS);
        }
        assert_int_equal(r.ends[0].packets + r.ends[1].packets, packets + 1); /* none was lost */
        rig_end(&r);
    }
}

/* What comes under a session that will not last until an answer makes a new one at once (6.2). */
static void test_rekey_on_receipt(void **state)
{
    (void)state;
    static const struct {
        uint64_t age_s;
        unsigned who;
        bool at_once;
    } cases[] = {{164, 1, false}, {166, 1, true}, {164, 0, false}, {166, 0, false}};
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig_pair(&r); /* not quite a second ago */
        rig_run(&r, (cases[i].age_s - 1) * RIG_S);
        if (cases[i].who == 0) { /* the other one has not begun it */
            r.wire = rig_cut;
            rig_send(&r, 0, 1, 100, 2);
            rig_again(&r, 1, &rig_seen[TUNNEL_DATA], r.ends[0].addr);
        } else {
            rig_send(&r, 1, 0, 100, 2);
            rig_run(&r, RIG_S);
            assert_int_equal(sent(0, TUNNEL_INITIATION), cases[i].at_once ? 2 : 1);
            assert_int_equal(r.ends[0].packets, 1);
        }
        assert_int_equal(sent(1, TUNNEL_INITIATION), 0);
        rig_end(&r);
    }
}

/* 180 s after it was made a session is neither sent under nor believed (6.2). */
static void test_expired(void **state)
{
    (void)state;
    rig_pair(&r); /* its sessions were made 980 and 990 ms before now */
    rig_run(&r, 30 * RIG_S);
    r.wire = rig_cut;
    rig_run(&r, 149 * RIG_S - 10 * RIG_MS);
    uint64_t data = sent(0, TUNNEL_DATA);
    rig_send(&r, 0, 1, 100, 2);
    assert_int_equal(sent(0, TUNNEL_DATA), data + 1);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 2); /* it is high time */
    struct rig_seen late = rig_seen[TUNNEL_DATA];
    rig_run(&r, 50 * RIG_MS);
    rig_datagram(&r, 1, late.from, late.bytes, late.size, 0);
    assert_int_equal(r.ends[1].packets, 1);
    assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_NO_SESSION), 1);
    rig_send(&r, 0, 1, 100, 3);
    assert_int_equal(sent(0, TUNNEL_DATA), data + 1);
    r.wire = NULL;
    rig_run(&r, 6 * RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 3));
    assert_int_equal(r.ends[1].packets, 2);
}

/* Just before that it is. */
static void test_not_expired(void **state)
{
    (void)state;
    rig_pair(&r);
    rig_run(&r, 30 * RIG_S);
    r.wire = rig_cut;
    rig_run(&r, 149 * RIG_S - 30 * RIG_MS);
    rig_send(&r, 0, 1, 100, 2);
    rig_datagram(&r, 1, rig_seen[TUNNEL_DATA].from, rig_seen[TUNNEL_DATA].bytes,
                 rig_seen[TUNNEL_DATA].size, 0);
    assert_true(rig_got(&r, 0, 1, 100, 2));
}

/* 540 s after the last session was made nothing of any is left (6.3). */
static void test_wiped(void **state)
{
    (void)state;
    rig_pair(&r);
    rig_send(&r, 1, 0, 100, 2);
    rig_run(&r, 538 * RIG_S);
    assert_int_equal(rig_crypto.key_count, 2);
    for (unsigned end = 0; end < 2; end++)
        for (unsigned k = 0; k < 2; k++)
            assert_true(rig_holds(&r, end, rig_crypto.keys[k], CRYPTO_AEAD_KEY_SIZE));
    rig_run(&r, 2 * RIG_S);
    for (unsigned end = 0; end < 2; end++)
        for (unsigned k = 0; k < 2; k++)
            assert_false(rig_holds(&r, end, rig_crypto.keys[k], CRYPTO_AEAD_KEY_SIZE));
    assert_int_equal(node_deadline(r.ends[0].node), NODE_NEVER);
    rig_send(&r, 0, 1, 100, 3);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 3));
}

/* A handshake that is under way when old keys are wiped goes on. */
static void test_wiped_meanwhile(void **state)
{
    (void)state;
    for (uint64_t ms = 0; ms < 60; ms += 5) {
        rig_pair(&r);
        rig_run(&r, 539 * RIG_S - 40 * RIG_MS + ms * RIG_MS);
        rig_send(&r, 0, 1, 100, 2);
        rig_run(&r, 6 * RIG_S);
        assert_true(rig_got(&r, 0, 1, 100, 2));
        assert_int_equal(sent(0, TUNNEL_INITIATION), 2);
        rig_end(&r);
    }
}

/* An initiation is repeated after 5 s and a little, for 90 s; then what waits is lost (6.4). */
static void test_retries(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    r.wire = rig_cut;
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, 89 * RIG_S);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_GIVEN_UP), 0);
    rig_run(&r, 7 * RIG_S);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_GIVEN_UP), 1);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_QUEUE_FULL), 1);
    uint64_t count = sent(0, TUNNEL_INITIATION);
    assert_in_range(count, 17, 19);
    const uint64_t *times = r.ends[0].initiated_ns;
    bool jitters = false;
    for (unsigned i = 1; i < count; i++) {
        assert_in_range(times[i] - times[i - 1], 5 * RIG_S, 5 * RIG_S + 333 * RIG_MS);
        jitters = jitters || times[i] - times[i - 1] != times[1] - times[0];
    }
    assert_true(jitters);
    rig_run(&r, 1000 * RIG_S);
    assert_int_equal(sent(0, TUNNEL_INITIATION), count);
    assert_int_equal(node_deadline(r.ends[0].node), NODE_NEVER);
    r.wire = NULL;
    rig_send(&r, 0, 1, 100, 2);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 2));
    assert_int_equal(r.ends[1].packets, 1);
}

/* The 90 s are those since the last packet that asked for a session (6.4). */
static void test_retries_as_asked(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    r.wire = rig_cut;
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, 60 * RIG_S);
    rig_send(&r, 0, 1, 100, 2);
    rig_run(&r, 80 * RIG_S); /* no retry after 90 s, and they are up to 5.3 s apart */
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_GIVEN_UP), 0);
    r.wire = NULL;
    rig_run(&r, 6 * RIG_S);
    assert_int_equal(r.ends[1].packets, 2);
}

static void test_persistent_keepalive(void **state)
{
    (void)state;
    rig_init(&r, 2);
    struct node_in in = rig_peer(&r, 1);
    in.peer.keepalive_s = 25;
    rig_meet(&r, 0, 1);
    assert_true(rig_tell(&r, 0, in));
    for (unsigned i = 0; i < 5; i++) {
        rig_run(&r, RIG_S); /* at once a handshake, then each 25 s */
        assert_int_equal(sent(0, TUNNEL_DATA), i + 1);
        rig_run(&r, 24 * RIG_S);
        assert_int_equal(sent(0, TUNNEL_DATA), i + 1);
    }
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
    assert_int_equal(sent(1, TUNNEL_DATA), 0);
    in.peer.keepalive_s = 0;
    assert_true(rig_tell(&r, 0, in));
    rig_run(&r, 300 * RIG_S);
    assert_int_equal(sent(0, TUNNEL_DATA), 5);
}

/* ---- Both at once, order, doubles ------------------------------------------------------------ */

static void test_both_at_once(void **state)
{
    (void)state;
    for (uint64_t apart_ms = 0; apart_ms < 40; apart_ms += 5) {
        rig_init(&r, 2);
        rig_meet(&r, 0, 1);
        rig_send(&r, 0, 1, 100, 0);
        rig_run(&r, apart_ms * RIG_MS);
        rig_send(&r, 1, 0, 100, 0);
        for (unsigned i = 1; i < 200; i++) {
            rig_run(&r, 3 * RIG_MS);
            rig_send(&r, i % 2, 1 - i % 2, 100, (uint8_t)i);
        }
        rig_run(&r, 6 * RIG_S);
        assert_int_equal(r.ends[0].packets, 101); /* at most 32 ever wait: none is lost */
        assert_int_equal(r.ends[1].packets, 100);
        assert_true(sent(0, TUNNEL_INITIATION) + sent(1, TUNNEL_INITIATION) <= 2);
        rig_end(&r);
    }
}

/* A handshake of ours is over when the other end's came first. */
static void test_other_was_first(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    r.wire = rig_cut;
    rig_send(&r, 0, 1, 100, 1);
    r.wire = NULL;
    rig_run(&r, RIG_S);
    rig_send(&r, 1, 0, 100, 2);
    rig_run(&r, 9 * RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 1));
    assert_true(rig_got(&r, 1, 0, 100, 2));
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
    assert_int_equal(sent(1, TUNNEL_INITIATION), 1);
}

static void test_replays(void **state)
{
    (void)state;
    rig_pair(&r);
    r.wire = rig_twice;
    for (unsigned i = 0; i < 20; i++)
        rig_send(&r, 0, 1, 100, (uint8_t)i);
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[1].packets, 21);
    assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_REPLAY), 20);
}

/* In any order, but each once. */
static void test_order(void **state)
{
    (void)state;
    enum { COUNT = 50 };
    static struct rig_seen kept[COUNT];
    rig_pair(&r);
    r.wire = rig_cut;
    for (unsigned i = 0; i < COUNT; i++) {
        rig_send(&r, 0, 1, 100, (uint8_t)i);
        kept[i] = rig_seen[TUNNEL_DATA];
    }
    for (unsigned i = COUNT; i-- > 0;)
        rig_datagram(&r, 1, kept[i].from, kept[i].bytes, kept[i].size, 0);
    assert_int_equal(r.ends[1].packets, COUNT + 1);
    for (unsigned i = 0; i < COUNT; i++)
        rig_datagram(&r, 1, kept[i].from, kept[i].bytes, kept[i].size, 0);
    assert_int_equal(r.ends[1].packets, COUNT + 1);
    assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_REPLAY), COUNT);
}

/* An initiation that was seen before is not answered, however late it comes again (5.1). */
static void test_old_initiation(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    r.wire = rig_watch;
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, RIG_S);
    struct rig_seen old = rig_seen[TUNNEL_INITIATION];
    for (unsigned i = 0; i < 4; i++) {
        rig_datagram(&r, 1, old.from, old.bytes, old.size, 0);
        assert_int_equal(sent(1, TUNNEL_RESPONSE), 1);
        assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_OLD), i + 1);
        rig_run(&r, 400 * RIG_S);
    }
}

/* A response counts once, and only for the handshake that it answers. */
static void test_old_response(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    r.wire = rig_watch;
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, RIG_S);
    struct rig_seen old = rig_seen[TUNNEL_RESPONSE];
    rig_datagram(&r, 0, old.from, old.bytes, old.size, 0);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_SESSION), 1);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_SESSION), 1);
    rig_send(&r, 0, 1, 100, 2);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_first_packet, teardown),
        cmocka_unit_test_teardown(test_responder_waits, teardown),
        cmocka_unit_test_teardown(test_sizes, teardown),
        cmocka_unit_test_teardown(test_padding, teardown),
        cmocka_unit_test_teardown(test_no_packets, teardown),
        cmocka_unit_test_teardown(test_queue, teardown),
        cmocka_unit_test_teardown(test_queue_wiped, teardown),
        cmocka_unit_test_teardown(test_queue_of_all, teardown),
        cmocka_unit_test_teardown(test_preshared_keys, teardown),
        cmocka_unit_test_teardown(test_trains, teardown),
        cmocka_unit_test_teardown(test_train_waits, teardown),
        cmocka_unit_test_teardown(test_train_too_long, teardown),
        cmocka_unit_test_teardown(test_keepalive, teardown),
        cmocka_unit_test_teardown(test_silence, teardown),
        cmocka_unit_test_teardown(test_rekey, teardown),
        cmocka_unit_test_teardown(test_rekey_on_receipt, teardown),
        cmocka_unit_test_teardown(test_expired, teardown),
        cmocka_unit_test_teardown(test_not_expired, teardown),
        cmocka_unit_test_teardown(test_wiped, teardown),
        cmocka_unit_test_teardown(test_wiped_meanwhile, teardown),
        cmocka_unit_test_teardown(test_retries, teardown),
        cmocka_unit_test_teardown(test_retries_as_asked, teardown),
        cmocka_unit_test_teardown(test_persistent_keepalive, teardown),
        cmocka_unit_test_teardown(test_both_at_once, teardown),
        cmocka_unit_test_teardown(test_other_was_first, teardown),
        cmocka_unit_test_teardown(test_replays, teardown),
        cmocka_unit_test_teardown(test_order, teardown),
        cmocka_unit_test_teardown(test_old_initiation, teardown),
        cmocka_unit_test_teardown(test_old_response, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
