/*
 * Tests of core/tunnel/: who the peers are, where they are, what may come from them, and what is
 * done under load (the WireGuard paper, sections 2 and 5.3).
 */
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

/* ---- Where a peer is ------------------------------------------------------------------------- */

static struct addr remote_of(unsigned end, unsigned of)
{
    struct node_peer peer;
    assert_true(rig_figures(&r, end, of, &peer));
    return peer.remote;
}

/* Authentic datagrams alone, and those that are new, tell where a peer is (section 2.1). */
static void test_roaming(void **state)
{
    (void)state;
    const struct addr there = addr_v4(0xcb007109, 4242), liar = addr_v4(0xcb007166, 6666);
    rig_pair(&r);
    r.wire = rig_watch;
    rig_send(&r, 1, 0, 100, 1);
    rig_run(&r, RIG_S);
    struct rig_seen old = rig_seen[TUNNEL_DATA];
    rig_again(&r, 0, &old, liar);
    r.wire = rig_cut;
    rig_send(&r, 1, 0, 100, 2);
    struct rig_seen bent = rig_seen[TUNNEL_DATA];
    bent.bytes[40] ^= 1;
    rig_again(&r, 0, &bent, liar);
    struct addr before = remote_of(0, 1);
    assert_true(addr_equal(&before, &r.ends[1].addr));
    r.wire = NULL;
    r.ends[1].addr = there;
    rig_send(&r, 0, 1, 100, 3); /* to where it was */
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[1].packets, 1);
    rig_send(&r, 1, 0, 100, 4);
    rig_run(&r, RIG_S);
    struct addr after = remote_of(0, 1);
    assert_true(addr_equal(&after, &there));
    rig_send(&r, 0, 1, 100, 5);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 5));
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_ROAMED), 1);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
}

/* A peer whose place is not known comes first; what waits for it goes then. */
static void test_comes_first(void **state)
{
    (void)state;
    rig_init(&r, 2);
    struct node_in nowhere = rig_peer(&r, 1);
    nowhere.peer.endpoint = (struct addr){0};
    assert_true(rig_tell(&r, 0, nowhere) && rig_tell(&r, 1, rig_peer(&r, 0)));
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, 20 * RIG_S);
    assert_int_equal(r.ends[0].datagrams, 0);
    rig_send(&r, 1, 0, 100, 2);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 1, 0, 100, 2));
    assert_true(rig_got(&r, 0, 1, 100, 1));
}

/* ---- Whose an inner address is --------------------------------------------------------------- */

static void test_inner_source(void **state)
{
    (void)state;
    uint8_t bytes[100];
    const struct addr sources[] = {rig_inner4(1), rig_inner4(9), rig_inner6(1), rig_inner6(9)};
    rig_pair(&r);
    for (unsigned i = 0; i < 4; i++) {
        bool v6 = sources[i].family == ADDR_V6;
        rig_packet(bytes, sizeof bytes, sources[i], v6 ? rig_inner6(1) : rig_inner4(1), 1);
        rig_give(&r, 0, bytes, sizeof bytes, 0);
        rig_run(&r, RIG_S);
        assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_WRONG_SOURCE), i + 1);
    }
    assert_int_equal(r.ends[1].packets, 1);
    struct node_peer peer;
    assert_true(rig_figures(&r, 1, 0, &peer));
    assert_int_equal(peer.received_direct, 100); /* the first one, alone */
}

static struct node_in with_subnet(struct node_in in, uint32_t ip, uint8_t bits)
{
    in.peer.subnets[in.peer.subnet_count++] = (struct subnet){.addr = addr_v4(ip, 0), .bits = bits};
    return in;
}

static void test_longest_prefix(void **state)
{
    (void)state;
    static const struct {
        uint32_t ip;
        unsigned whose; /* 0: nobody's */
    } cases[] = {
        {0x0a010203, 2}, {0x0a010303, 1}, {0x0a0102ff, 2}, {0x0a020000, 3}, {0x0a010000, 1},
    };
    uint8_t bytes[60];
    rig_init(&r, 4);
    assert_true(rig_tell(&r, 0, with_subnet(rig_peer(&r, 1), 0x0a010000, 16)));
    assert_true(rig_tell(&r, 0, with_subnet(rig_peer(&r, 2), 0x0a010200, 24)));
    assert_true(rig_tell(&r, 0, with_subnet(rig_peer(&r, 3), 0, 0)));
    for (unsigned i = 1; i < 4; i++)
        assert_true(rig_tell(&r, i, rig_peer(&r, 0)));
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t before = r.ends[cases[i].whose].packets;
        rig_packet(bytes, sizeof bytes, rig_inner4(0), addr_v4(cases[i].ip, 0), 1);
        rig_give(&r, 0, bytes, sizeof bytes, 0);
        rig_run(&r, RIG_S);
        assert_int_equal(r.ends[cases[i].whose].packets, before + 1);
        /* The way back: what is another's by a longer prefix may not be sent from. */
        for (unsigned from = 1; from < 4; from++) {
            uint64_t got = r.ends[0].packets;
            rig_packet(bytes, sizeof bytes, addr_v4(cases[i].ip, 0), rig_inner4(0), 1);
            rig_give(&r, from, bytes, sizeof bytes, 0);
            rig_run(&r, RIG_S);
            assert_int_equal(r.ends[0].packets, got + (from == cases[i].whose));
        }
    }
}

/* A prefix belongs to the peer that named it last, and is nobody's when that one goes. */
static void test_prefix_moves(void **state)
{
    (void)state;
    struct node_peer peer;
    rig_init(&r, 3);
    rig_meet(&r, 0, 1);
    rig_meet(&r, 0, 2);
    struct node_in taker = rig_peer(&r, 2);
    taker.peer.subnets[taker.peer.subnet_count++] = rig_peer(&r, 1).peer.subnets[0];
    assert_true(rig_tell(&r, 0, taker));
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[1].packets, 0);
    assert_int_equal(r.ends[2].packets, 1);
    assert_true(rig_figures(&r, 0, 1, &peer));
    assert_int_equal(peer.subnet_count, 1); /* the other one, of IPv6 */
    taker.peer.remove = true;
    assert_true(rig_tell(&r, 0, taker));
    rig_send(&r, 0, 1, 100, 2);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_ROUTE), 1);
    assert_true(rig_tell(&r, 0, rig_peer(&r, 1)));
    rig_send(&r, 0, 1, 100, 3);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 3));
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void test_removed(void **state)
{
    (void)state;
    struct node_peer peer;
    rig_pair(&r);
    r.wire = rig_watch;
    rig_send(&r, 1, 0, 100, 2);
    rig_send(&r, 0, 1, 100, 2);
    assert_int_equal(rig_crypto.key_count, 2);
    struct node_in in = rig_peer(&r, 1);
    in.peer.remove = true;
    assert_true(rig_tell(&r, 0, in));
    assert_false(rig_figures(&r, 0, 1, &peer));
    assert_false(rig_holds(&r, 0, rig_crypto.keys[0], CRYPTO_AEAD_KEY_SIZE));
    assert_false(rig_holds(&r, 0, rig_crypto.keys[1], CRYPTO_AEAD_KEY_SIZE));
    assert_false(rig_holds(&r, 0, r.ends[1].public_key, NOISE_KEY_SIZE));
    assert_int_equal(node_deadline(r.ends[0].node), NODE_NEVER);
    uint64_t got = r.ends[0].packets, datagrams = r.ends[0].datagrams;
    rig_send(&r, 0, 1, 100, 3);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_ROUTE), 1);
    rig_run(&r, RIG_S); /* data was under way */
    rig_send(&r, 1, 0, 100, 3);
    rig_run(&r, 60 * RIG_S); /* and then its initiations */
    assert_int_equal(r.ends[0].packets, got);
    assert_int_equal(r.ends[0].datagrams, datagrams);
    assert_true(rig_count(&r, 0, TRACE_TUNNEL_NO_SESSION) >= 1);
    assert_true(rig_count(&r, 0, TRACE_TUNNEL_STRANGER) >= 1);
    assert_true(rig_tell(&r, 0, in)); /* it is not a peer still */
}

/* With packets that wait, and a handshake under way: nothing of it is left. */
static void test_removed_early(void **state)
{
    (void)state;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    struct node_in in = rig_peer(&r, 1);
    for (unsigned round = 0; round < 5; round++) {
        for (unsigned i = 0; i < TUNNEL_QUEUE_MAX; i++)
            rig_send(&r, 0, 1, 100, (uint8_t)i);
        in.peer.remove = true;
        assert_true(rig_tell(&r, 0, in));
        rig_run(&r, RIG_S); /* the response comes for nobody */
        in.peer.remove = false;
        assert_true(rig_tell(&r, 0, in));
    }
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_SESSION), 5);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_QUEUE_FULL), 5 * TUNNEL_QUEUE_MAX);
    rig_send(&r, 0, 1, 100, 77);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 77));
}

/* The same again changes nothing; another pre-shared key ends the sessions. */
static void test_told_again(void **state)
{
    (void)state;
    rig_pair(&r);
    rig_meet(&r, 0, 1);
    rig_send(&r, 0, 1, 100, 2);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 2));
    assert_int_equal(sent(0, TUNNEL_INITIATION), 1);
    struct node_in to_0 = rig_peer(&r, 1), to_1 = rig_peer(&r, 0);
    to_0.peer.psk[0] = to_1.peer.psk[0] = 3;
    assert_true(rig_tell(&r, 0, to_0));
    assert_false(rig_holds(&r, 0, rig_crypto.keys[0], CRYPTO_AEAD_KEY_SIZE));
    rig_send(&r, 0, 1, 100, 3);
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[1].packets, 2); /* the other one has the old key */
    assert_true(rig_tell(&r, 1, to_1));
    rig_run(&r, 6 * RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 3));
}

/* With another tunnel key it is another peer. */
static void test_other_key(void **state)
{
    (void)state;
    struct node_peer peer;
    rig_init(&r, 3);
    rig_meet(&r, 0, 1);
    rig_meet(&r, 0, 2);
    struct node_in in = rig_peer(&r, 2);
    in.peer.subnets[0] = rig_peer(&r, 1).peer.subnets[0];
    in.peer.subnet_count = 1;
    assert_true(rig_tell(&r, 0, in));
    assert_true(rig_figures(&r, 0, 2, &peer) && peer.subnet_count == 1);
    rig_send(&r, 0, 2, 100, 1); /* its own address is gone */
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_ROUTE), 1);
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, RIG_S);
    assert_int_equal(r.ends[2].packets, 1);
}

static void test_full(void **state)
{
    (void)state;
    rig_init(&r, 2);
    struct node_in in = rig_peer(&r, 1);
    in.peer.subnet_count = 0;
    for (uint8_t i = 0; i < 5; i++) {
        in.peer.key[0] = (uint8_t)(in.peer.key[0] + 1);
        assert_int_equal(rig_tell(&r, 0, in), i < rig_limits.tunnel_peers);
    }
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_FULL), 2);
    in.peer.key[0] = (uint8_t)(in.peer.key[0] - 2);
    in.peer.remove = true;
    assert_true(rig_tell(&r, 0, in));
    assert_true(rig_tell(&r, 0, rig_peer(&r, 1)));
    assert_true(rig_tell(&r, 1, rig_peer(&r, 0)));
    rig_send(&r, 0, 1, 100, 1);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 1));
}

static void test_nonsense(void **state)
{
    (void)state;
    enum { CASES = 9 };
    struct node_in in[CASES];
    struct node_peer peer;
    rig_init(&r, 2);
    for (unsigned i = 0; i < CASES; i++)
        in[i] = rig_peer(&r, 1);
    memset(in[0].peer.key, 0, sizeof in[0].peer.key);
    memcpy(in[1].peer.key, r.ends[0].public_key, sizeof in[1].peer.key); /* ourselves */
    memset(in[2].peer.key, 0, sizeof in[2].peer.key);
    in[2].peer.key[0] = 1; /* of small order */
    in[3].peer.subnet_count = NODE_PEER_SUBNETS + 1;
    in[4].peer.subnets[1].bits = 129;
    in[5].peer.subnets[0].addr.ip[3] = 1;
    in[5].peer.subnets[0].bits = 24;
    in[6].peer.endpoint = addr_v4(0xe0000001, RIG_PORT);
    in[7].peer.endpoint.port = 0;
    put_identity(in[8].peer.peer, 40); /* a server has no peers of the mesh */
    for (unsigned i = 0; i < CASES; i++) {
        if (rig_tell(&r, 0, in[i]))
            fail_msg("case %u", i);
        assert_false(rig_figures(&r, 0, 1, &peer));
    }
    rig_send(&r, 0, 1, 100, 1);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_ROUTE), 1);
}

static void test_figures(void **state)
{
    (void)state;
    struct node_peer peer;
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    assert_true(rig_figures(&r, 0, 1, &peer));
    assert_false(peer.session || peer.hub);
    assert_int_equal(peer.handshake_ns, 0);
    assert_int_equal(peer.path, NODE_PATH_PENDING);
    assert_int_equal(peer.subnet_count, 2);
    uint64_t begin_ns = r.now_ns;
    rig_send(&r, 0, 1, 100, 1);
    rig_send(&r, 0, 1, 41, 2);
    rig_run(&r, RIG_S);
    rig_send(&r, 1, 0, 77, 3);
    rig_run(&r, 60 * RIG_S); /* with keepalives, which are no bytes of anybody */
    for (unsigned end = 0; end < 2; end++) {
        assert_true(rig_figures(&r, end, 1 - end, &peer));
        assert_true(peer.session);
        assert_int_equal(peer.path, NODE_PATH_DIRECT);
        assert_true(addr_equal(&peer.remote, &r.ends[1 - end].addr));
        assert_in_range(peer.handshake_ns - begin_ns, 10 * RIG_MS, 30 * RIG_MS);
        assert_int_equal(peer.sent_direct, end == 0 ? 141 : 77);
        assert_int_equal(peer.received_direct, end == 0 ? 77 : 141);
        assert_int_equal(peer.sent_relayed + peer.received_relayed, 0);
        const uint8_t stock[sizeof peer.peer] = {0};
        assert_memory_equal(peer.peer, stock, sizeof stock);
    }
    rig_run(&r, 600 * RIG_S);
    assert_true(rig_figures(&r, 0, 1, &peer));
    assert_false(peer.session);
    assert_int_equal(peer.sent_direct, 141);
}

/* ---- A hub ----------------------------------------------------------------------------------- */

/* Ends 0 and 2 have each other's addresses behind 1, which knows both. */
static void hub_init(bool hub_0, bool hub_2)
{
    rig_init(&r, 3);
    for (unsigned i = 0; i < 3; i += 2) {
        struct node_in to_hub = rig_peer(&r, i), to_end = rig_peer(&r, 1);
        const struct node_in other = rig_peer(&r, 2 - i);
        to_hub.peer.hub = i == 0 ? hub_0 : hub_2;
        memcpy(to_end.peer.subnets + 2, other.peer.subnets, 2 * sizeof(struct subnet));
        to_end.peer.subnet_count = 4;
        assert_true(rig_tell(&r, i, to_end) && rig_tell(&r, 1, to_hub));
    }
}

static void test_hub(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        hub_init((i & 1) != 0, (i & 2) != 0);
        unsigned dest = i == 3 ? 2 : 1;
        for (uint32_t size = 40; size <= NODE_PACKET_MAX; size += 115) {
            uint8_t bytes[NODE_PACKET_MAX];
            rig_packet(bytes, size, rig_inner4(0), rig_inner4(2), (uint8_t)size);
            uint64_t before = r.ends[dest].packets;
            rig_give(&r, 0, bytes, size, 0);
            rig_run(&r, RIG_S);
            assert_int_equal(r.ends[dest].packets, before + 1);
            assert_int_equal(r.ends[dest].last_size, size);
            uint8_t *last = r.ends[dest].last;
            assert_int_equal(rig_checksum(last, 20), 0);
            assert_int_equal(last[8], i == 3 ? 63 : 64);
            last[8] = bytes[8];
            memcpy(last + 10, bytes + 10, 2);
            assert_memory_equal(last, bytes, size);
        }
        assert_int_equal(r.ends[3 - dest].packets, 0);
        rig_end(&r);
    }
}

static void test_hub_hops(void **state)
{
    (void)state;
    uint8_t bytes[100];
    hub_init(true, true);
    for (unsigned v6 = 0; v6 < 2; v6++)
        for (unsigned life = 0; life < 4; life++) {
            struct addr from = v6 ? rig_inner6(0) : rig_inner4(0);
            struct addr dest = v6 ? rig_inner6(2) : rig_inner4(2);
            rig_packet(bytes, sizeof bytes, from, dest, 1);
            bytes[v6 ? 7 : 8] = (uint8_t)life;
            uint64_t before = r.ends[2].packets;
            rig_give(&r, 0, bytes, sizeof bytes, 0);
            rig_run(&r, RIG_S);
            assert_int_equal(r.ends[2].packets, before + (life > 1));
            if (life > 1)
                assert_int_equal(r.ends[2].last[v6 ? 7 : 8], life - 1);
        }
    assert_int_equal(r.ends[1].packets, 0);
}

/* What a peer with a larger MTU sends is the host's, but does not fit into what we pass on. */
static void test_hub_large(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1408, NODE_PACKET_MAX, NODE_PACKET_MAX + 1, 2000, 65000};
    static uint8_t packet[65536], sealed[65536 + 64];
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        hub_init(true, true);
        r.wire = rig_watch;
        rig_send(&r, 2, 1, 100, 1);
        rig_run(&r, RIG_S);
        rig_send(&r, 0, 1, 100, 1);
        rig_run(&r, RIG_S);
        /* The last key is that of end 0; its last message names the session. */
        const uint8_t *key = rig_crypto.keys[rig_crypto.key_count - 1];
        uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
        uint32_t size = sizes[i], padded = (size + 15) / 16 * 16;
        for (unsigned to = 1; to < 3; to++) {
            uint64_t before = r.ends[to].packets;
            rig_packet(packet, size, rig_inner4(0), rig_inner4(to), 1);
            memcpy(sealed, rig_seen[TUNNEL_DATA].bytes, 8);
            memset(sealed + 8, 0, 8);
            sealed[8] = (uint8_t)(100 + to);
            noise_data_nonce(nonce, 100 + to);
            crypto_real.aead_seal(sealed + 16, key, nonce, NULL, 0, packet, padded);
            rig_datagram(&r, 1, r.ends[0].addr, sealed, 32 + padded, 0);
            rig_run(&r, RIG_S);
            assert_int_equal(r.ends[to].packets, before + (to == 1 || size <= NODE_PACKET_MAX));
        }
        rig_end(&r);
    }
}

/* ---- Load (section 5.3) ---------------------------------------------------------------------- */

static void flood(unsigned end, unsigned count, const struct addr *from, const uint8_t *cookie)
{
    uint8_t bytes[TUNNEL_INITIATION_SIZE];
    rig_forge(&r, end, 200, 1, cookie, bytes);
    for (unsigned i = 0; i < count; i++)
        rig_datagram(&r, end, *from, bytes, sizeof bytes, 0);
}

/* What end 1 has just sent to the flood. */
static void last_cookie(uint8_t cookie[static TUNNEL_COOKIE_SIZE])
{
    struct noise_self self;
    struct noise_peer peer;
    struct tunnel_cookie reply;
    const uint8_t no_psk[NOISE_KEY_SIZE] = {0};
    uint8_t bytes[TUNNEL_INITIATION_SIZE];
    struct seed key = seed_of(200);
    noise_self_init(&self, &crypto_real, key.bytes);
    assert_true(noise_peer_init(&peer, &crypto_real, &self, r.ends[1].public_key, no_psk));
    rig_forge(&r, 1, 200, 1, NULL, bytes);
    tunnel_cookie_decode(&reply, rig_seen[TUNNEL_COOKIE].bytes, TUNNEL_COOKIE_REPLY_SIZE);
    assert_int_equal(reply.receiver, 0x01020304);
    assert_true(noise_open_cookie(&crypto_real, &peer, bytes + 148 - 32, &reply, cookie));
}

/* A stranger costs one Diffie-Hellman, no answer, and less than the budget for all of them. */
static void test_strangers(void **state)
{
    (void)state;
    const struct addr from = addr_v4(0xcb007107, 700);
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    r.wire = rig_watch;
    uint64_t before = rig_crypto.diffie_hellmans;
    flood(1, 1, &from, NULL);
    assert_int_equal(rig_crypto.diffie_hellmans - before, 1);
    assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_STRANGER), 1);
    assert_int_equal(r.ends[1].datagrams, 0);
    flood(1, 1000, &from, NULL);
    assert_in_range(rig_crypto.diffie_hellmans - before, 50, TUNNEL_LOAD_BURST / 2 + 1);
    assert_int_equal(sent(1, TUNNEL_COOKIE) + rig_crypto.diffie_hellmans - before, 1001);
    assert_int_equal(rig_seen[TUNNEL_COOKIE].size, 64);
    /* With the cookie it may have what is one address's, and no more. */
    uint8_t cookie[TUNNEL_COOKIE_SIZE];
    last_cookie(cookie);
    uint64_t without = rig_crypto.diffie_hellmans;
    flood(1, 1000, &from, cookie);
    assert_int_equal(rig_crypto.diffie_hellmans - without, TUNNEL_SOURCE_BURST);
    assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_OVERLOADED), 1000 - TUNNEL_SOURCE_BURST);
    /* It is good for its address alone. */
    const struct addr other = addr_v4(0xcb007107, 701);
    uint64_t cookies = sent(1, TUNNEL_COOKIE);
    flood(1, 10, &other, cookie);
    assert_int_equal(sent(1, TUNNEL_COOKIE), cookies + 10);
    /* In a second the budget fills up, but not beyond. */
    rig_run(&r, 3600 * RIG_S);
    before = rig_crypto.diffie_hellmans;
    flood(1, 1000, &from, NULL);
    assert_in_range(rig_crypto.diffie_hellmans - before, 100, TUNNEL_LOAD_BURST / 2 + 1);
}

/* A peer's own initiations are no flood either: two are 20 ms apart at least (section 5.1). */
static void test_eager_peer(void **state)
{
    (void)state;
    uint8_t bytes[TUNNEL_INITIATION_SIZE];
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    uint64_t timestamp = UINT64_C(1) << 60;
    for (unsigned round = 1; round <= 5; round++) {
        uint64_t diffie_hellmans = rig_crypto.diffie_hellmans;
        for (unsigned i = 0; i < 20; i++) {
            rig_forge(&r, 1, 120, ++timestamp, NULL, bytes); /* end 0's own key */
            rig_datagram(&r, 1, r.ends[0].addr, bytes, sizeof bytes, 0);
        }
        assert_int_equal(sent(1, TUNNEL_RESPONSE), round);
        assert_int_equal(rig_count(&r, 1, TRACE_TUNNEL_OLD), 19 * round);
        assert_int_equal(rig_crypto.diffie_hellmans - diffie_hellmans, 20 + 2);
        rig_run(&r, 20 * RIG_MS);
    }
}

/* A cookie comes for each message once. */
static void test_cookie_again(void **state)
{
    (void)state;
    const struct addr from = addr_v4(0xcb007107, 700);
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    flood(1, 300, &from, NULL);
    r.wire = rig_watch;
    rig_send(&r, 0, 1, 100, 1);
    struct rig_seen initiation = rig_seen[TUNNEL_INITIATION];
    rig_again(&r, 1, &initiation, initiation.from);
    assert_int_equal(rig_seen[TUNNEL_COOKIE].size, 64);
    for (unsigned i = 0; i < 3; i++)
        rig_again(&r, 0, &rig_seen[TUNNEL_COOKIE], r.ends[1].addr);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_COOKIE), 1);
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_NO_SESSION), 2);
}

/* A cookie is good for two minutes at least, and for four at most (section 5.4.7). */
static void test_cookie_ages(void **state)
{
    (void)state;
    static const struct {
        uint64_t age_s;
        bool good;
    } cases[] = {{1, true}, {119, true}, {241, false}, {3600, false}};
    const struct addr from = addr_v4(0xcb007107, 700);
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t cookie[TUNNEL_COOKIE_SIZE];
        rig_init(&r, 2);
        r.wire = rig_watch;
        rig_run(&r, 50 * RIG_S);
        flood(1, 300, &from, NULL);
        last_cookie(cookie);
        rig_run(&r, cases[i].age_s * RIG_S);
        flood(1, 300, &from, NULL);
        uint64_t before = rig_crypto.diffie_hellmans;
        flood(1, TUNNEL_SOURCE_BURST, &from, cookie);
        assert_int_equal(rig_crypto.diffie_hellmans - before,
                         cases[i].good ? TUNNEL_SOURCE_BURST : 0);
        rig_end(&r);
    }
}

/* A peer that is asked for a cookie comes again with it, and gets in (sections 5.3 and 5.4.7). */
static void test_cookie(void **state)
{
    (void)state;
    const struct addr from = addr_v4(0xcb007107, 700);
    static const uint8_t zero[TUNNEL_MAC_SIZE];
    rig_init(&r, 2);
    rig_meet(&r, 0, 1);
    r.wire = rig_watch;
    rig_run(&r, RIG_MS / 10); /* so that the initiation comes between two tokens */
    rig_send(&r, 0, 1, 100, 1);
    assert_memory_equal(rig_seen[TUNNEL_INITIATION].bytes + 132, zero, sizeof zero);
    for (unsigned i = 0; i < 2; i++) {
        while (sent(0, TUNNEL_INITIATION) == i)
            assert_true(rig_step(&r, r.now_ns + 10 * RIG_S));
        rig_run(&r, RIG_DELAY_NS - 1);
        flood(1, 300, &from, NULL);
        rig_run(&r, RIG_MS);
        assert_int_equal(sent(1, TUNNEL_RESPONSE), i);
        assert_int_equal(sent(0, TUNNEL_INITIATION), i + 1); /* the cookie itself starts nothing */
    }
    assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_COOKIE), 1);
    assert_memory_not_equal(rig_seen[TUNNEL_INITIATION].bytes + 132, zero, sizeof zero);
    assert_in_range(r.ends[0].initiated_ns[1] - r.ends[0].initiated_ns[0], 5 * RIG_S,
                    5 * RIG_S + 333 * RIG_MS);
    rig_run(&r, RIG_S);
    assert_true(rig_got(&r, 0, 1, 100, 1));
    /* A cookie counts for two minutes. */
    rig_run(&r, 125 * RIG_S);
    rig_send(&r, 0, 1, 100, 2);
    assert_int_equal(sent(0, TUNNEL_INITIATION), 3);
    assert_memory_equal(rig_seen[TUNNEL_INITIATION].bytes + 132, zero, sizeof zero);
}

/* ---- Peers of the mesh ----------------------------------------------------------------------- */

/* End 0 is a member now, of a mesh where it has met nobody. */
static void become_member(void)
{
    uint8_t bytes[2][CREDENTIAL_SIZE_MAX];
    const uint8_t seed[RANDOM_SEED_SIZE] = {'m'};
    struct rig_end *end = &r.ends[0];
    struct seed root = seed_of(SEED_ROOT), issuer = seed_of(SEED_SERVER), own = seed_of(40);
    struct certificate certificate = certificate_sample();
    struct credential credential = credential_sample();
    put_identity(credential.identity, 40);
    memcpy(credential.tunnel_key, end->public_key, sizeof credential.tunnel_key);
    assert_true(certificate_sign(&certificate, &crypto_real, root.bytes));
    assert_true(credential_sign(&credential, &crypto_real, issuer.bytes));
    memset(end->block, 0, end->size);
    end->node = node_init(end->block, end->size, &rig_limits, seed, &rig_crypto.env);
    rig_wall(&r, 0, RIG_WALL_S);
    struct node_in in = {.kind = NODE_IN_IDENTITY};
    in.identity.certificate = bytes[0];
    in.identity.certificate_size =
        (uint32_t)certificate_encode(&certificate, bytes[0], sizeof bytes[0]);
    in.identity.credential = bytes[1];
    in.identity.credential_size =
        (uint32_t)credential_encode(&credential, bytes[1], sizeof bytes[1]);
    memcpy(in.identity.seed, own.bytes, sizeof in.identity.seed);
    memcpy(in.identity.tunnel_key, end->private_key, sizeof in.identity.tunnel_key);
    put_identity(in.identity.root, SEED_ROOT);
    rig_input(&r, end, in);
    assert_int_equal(rig_count(&r, 0, TRACE_IDENTITY_REFUSED), 0);
}

/* What waits for one whose key is not known, or whom no path leads to, is lost after 90 s too. */
static void test_nobody_there(void **state)
{
    (void)state;
    for (unsigned known = 0; known < 2; known++) {
        rig_init(&r, 2);
        become_member();
        struct node_in in = rig_peer(&r, 1);
        in.peer.endpoint = (struct addr){0};
        put_identity(in.peer.peer, 41);
        if (!known)
            memset(in.peer.key, 0, sizeof in.peer.key);
        assert_true(rig_tell(&r, 0, in));
        rig_send(&r, 0, 1, 100, 1);
        rig_run(&r, 60 * RIG_S);
        rig_send(&r, 0, 1, 100, 2);
        rig_run(&r, 89 * RIG_S);
        assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_QUEUE_FULL), 0);
        rig_run(&r, 7 * RIG_S);
        assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_QUEUE_FULL), 2);
        assert_int_equal(rig_count(&r, 0, TRACE_TUNNEL_GIVEN_UP), 1);
        assert_int_equal(r.ends[0].datagrams, 0);
        rig_end(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_roaming, teardown),
        cmocka_unit_test_teardown(test_comes_first, teardown),
        cmocka_unit_test_teardown(test_inner_source, teardown),
        cmocka_unit_test_teardown(test_longest_prefix, teardown),
        cmocka_unit_test_teardown(test_prefix_moves, teardown),
        cmocka_unit_test_teardown(test_removed, teardown),
        cmocka_unit_test_teardown(test_removed_early, teardown),
        cmocka_unit_test_teardown(test_told_again, teardown),
        cmocka_unit_test_teardown(test_other_key, teardown),
        cmocka_unit_test_teardown(test_full, teardown),
        cmocka_unit_test_teardown(test_nonsense, teardown),
        cmocka_unit_test_teardown(test_figures, teardown),
        cmocka_unit_test_teardown(test_hub, teardown),
        cmocka_unit_test_teardown(test_hub_hops, teardown),
        cmocka_unit_test_teardown(test_hub_large, teardown),
        cmocka_unit_test_teardown(test_strangers, teardown),
        cmocka_unit_test_teardown(test_cookie_ages, teardown),
        cmocka_unit_test_teardown(test_cookie, teardown),
        cmocka_unit_test_teardown(test_eager_peer, teardown),
        cmocka_unit_test_teardown(test_cookie_again, teardown),
        cmocka_unit_test_teardown(test_nobody_there, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
