/*
 * WireGuard's handshake against the WireGuard paper, section 5.4: known handshakes that another
 * program computed, both ends against each other, and ends that are not who they say.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/tunnel/noise_test.h"

enum { VECTORS = sizeof noise_vectors / sizeof noise_vectors[0] };

/* ---- Known handshakes ---- */

static void test_vector_keys(void **state)
{
    (void)state;
    const struct pair p = pair_of(no_psk, some_psk);
    const struct noise_self *i = &p.initiator.self, *r = &p.responder.self;
    assert_hex(i->private_key, NOISE_KEY_SIZE, VECTOR_INITIATOR_PRIVATE);
    assert_hex(i->public_key, NOISE_KEY_SIZE, VECTOR_INITIATOR_PUBLIC);
    assert_hex(i->hash, NOISE_KEY_SIZE, VECTOR_INITIATOR_HASH);
    assert_hex(i->mac1_key, NOISE_KEY_SIZE, VECTOR_INITIATOR_MAC1_KEY);
    assert_hex(i->cookie_key, NOISE_KEY_SIZE, VECTOR_INITIATOR_COOKIE_KEY);
    assert_hex(r->public_key, NOISE_KEY_SIZE, VECTOR_RESPONDER_PUBLIC);
    assert_hex(r->hash, NOISE_KEY_SIZE, VECTOR_RESPONDER_HASH);
    assert_hex(r->mac1_key, NOISE_KEY_SIZE, VECTOR_RESPONDER_MAC1_KEY);
    assert_hex(r->cookie_key, NOISE_KEY_SIZE, VECTOR_RESPONDER_COOKIE_KEY);
    const struct noise_peer *of_i = &p.initiator.peer, *of_r = &p.responder.peer;
    assert_hex(of_i->public_key, NOISE_KEY_SIZE, VECTOR_RESPONDER_PUBLIC);
    assert_hex(of_i->shared, NOISE_KEY_SIZE, VECTOR_STATIC_SHARED);
    assert_hex(of_i->psk, NOISE_KEY_SIZE, no_psk);
    assert_hex(of_i->hash, NOISE_KEY_SIZE, VECTOR_RESPONDER_HASH);
    assert_hex(of_i->mac1_key, NOISE_KEY_SIZE, VECTOR_RESPONDER_MAC1_KEY);
    assert_hex(of_i->cookie_key, NOISE_KEY_SIZE, VECTOR_RESPONDER_COOKIE_KEY);
    assert_hex(of_r->public_key, NOISE_KEY_SIZE, VECTOR_INITIATOR_PUBLIC);
    assert_hex(of_r->shared, NOISE_KEY_SIZE, VECTOR_STATIC_SHARED);
    assert_hex(of_r->psk, NOISE_KEY_SIZE, some_psk);
    assert_hex(of_r->mac1_key, NOISE_KEY_SIZE, VECTOR_INITIATOR_MAC1_KEY);
}

static void test_vector_handshakes(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct noise_vector *v = &noise_vectors[i];
        print_message("%s\n", v->name);
        struct pair p = pair_of(v->psk, v->psk);
        initiate(&p);
        assert_hex(p.initiation_bytes, sizeof p.initiation_bytes, v->initiation);
        assert_true(receive(&p));
        respond(&p);
        assert_hex(p.response_bytes, sizeof p.response_bytes, v->response);
        assert_true(finish(&p));
        assert_hex(p.initiator.session.send, NOISE_KEY_SIZE, v->of_initiator);
        assert_hex(p.initiator.session.receive, NOISE_KEY_SIZE, v->of_responder);
        assert_hex(p.responder.session.receive, NOISE_KEY_SIZE, v->of_initiator);
        assert_hex(p.responder.session.send, NOISE_KEY_SIZE, v->of_responder);
    }
}

static void test_vector_data(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct noise_vector *v = &noise_vectors[i];
        uint8_t key[NOISE_KEY_SIZE], nonce[CRYPTO_AEAD_NONCE_SIZE], text[VECTOR_DATA_SIZE];
        uint8_t bytes[TUNNEL_DATA_SIZE_MIN + VECTOR_DATA_SIZE];
        unhex(key, v->of_initiator);
        count_up(text, sizeof text, 0);
        noise_data_nonce(nonce, VECTOR_DATA_COUNTER);
        tunnel_data_header_encode(VECTOR_RESPONDER_INDEX, VECTOR_DATA_COUNTER, bytes);
        crypto->aead_seal(bytes + TUNNEL_DATA_HEADER_SIZE, key, nonce, NULL, 0, text, sizeof text);
        assert_hex(bytes, sizeof bytes, v->data);
        unhex(key, v->of_responder);
        noise_data_nonce(nonce, 0);
        tunnel_data_header_encode(VECTOR_INITIATOR_INDEX, 0, bytes);
        crypto->aead_seal(bytes + TUNNEL_DATA_HEADER_SIZE, key, nonce, NULL, 0, NULL, 0);
        assert_hex(bytes, TUNNEL_DATA_SIZE_MIN, v->keepalive);
    }
}

static void test_vector_cookies(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTORS; i++) {
        const struct noise_vector *v = &noise_vectors[i];
        struct pair p = pair_of(v->psk, v->psk);
        uint8_t cookie[TUNNEL_COOKIE_SIZE], opened[TUNNEL_COOKIE_SIZE];
        uint8_t nonce[CRYPTO_XAEAD_NONCE_SIZE], bytes[TUNNEL_COOKIE_REPLY_SIZE];
        uint8_t initiation[TUNNEL_INITIATION_SIZE], response[TUNNEL_RESPONSE_SIZE];
        unhex(cookie, VECTOR_COOKIE);
        unhex(nonce, VECTOR_COOKIE_NONCE);
        unhex(initiation, v->initiation);
        unhex(response, v->response);
        const uint8_t *mac1 = initiation + sizeof initiation - TUNNEL_MAC1_END;
        struct tunnel_cookie message = {.receiver = VECTOR_INITIATOR_INDEX};
        noise_seal_cookie(crypto, &p.responder.self, mac1, nonce, cookie, &message);
        tunnel_cookie_encode(&message, bytes);
        assert_hex(bytes, sizeof bytes, v->cookie_reply);
        assert_true(noise_open_cookie(crypto, &p.initiator.peer, mac1, &message, opened));
        assert_memory_equal(opened, cookie, sizeof cookie);

        noise_write_macs(crypto, &p.initiator.peer, cookie, initiation, sizeof initiation);
        assert_hex(initiation + sizeof initiation - 16, 16, v->initiation_mac2);
        assert_true(noise_check_mac1(crypto, &p.responder.self, initiation, sizeof initiation));
        assert_true(noise_check_mac2(crypto, cookie, initiation, sizeof initiation));
        noise_write_macs(crypto, &p.responder.peer, cookie, response, sizeof response);
        assert_hex(response + sizeof response - 16, 16, v->response_mac2);
        assert_true(noise_check_mac1(crypto, &p.initiator.self, response, sizeof response));
        assert_true(noise_check_mac2(crypto, cookie, response, sizeof response));
    }
}

/* ---- Both ends against each other ---- */

static void test_many_keys(void **state)
{
    (void)state;
    static struct noise_session sessions[32];
    for (unsigned n = 0; n < 32; n++) {
        struct pair p = pair_of(no_psk, no_psk);
        uint8_t initiators[NOISE_KEY_SIZE], responders[NOISE_KEY_SIZE], psk[NOISE_KEY_SIZE];
        count_up(initiators, sizeof initiators, 7 * n);
        count_up(responders, sizeof responders, 11 * n + 5);
        memset(psk, n % 2 == 0 ? 0 : (int)n, sizeof psk);
        noise_self_init(&p.initiator.self, crypto, initiators);
        noise_self_init(&p.responder.self, crypto, responders);
        assert_true(noise_peer_init(&p.initiator.peer, crypto, &p.initiator.self,
                                    p.responder.self.public_key, psk));
        assert_true(noise_peer_init(&p.responder.peer, crypto, &p.responder.self,
                                    p.initiator.self.public_key, psk));
        count_up(p.initiator_ephemeral, NOISE_KEY_SIZE, 13 * n + 100);
        count_up(p.responder_ephemeral, NOISE_KEY_SIZE, 17 * n + 200);
        count_up(p.timestamp, sizeof p.timestamp, n);
        initiate(&p);
        assert_true(receive(&p));
        respond(&p);
        assert_true(finish(&p));
        assert_one_session(&p);
        sessions[n] = p.initiator.session;
        for (unsigned k = 0; k < n; k++)
            assert_memory_not_equal(sessions[k].send, sessions[n].send, NOISE_KEY_SIZE);
    }
}

/* Both initiate at once: two handshakes under way at each end, and two sessions. */
static void test_both_ways(void **state)
{
    (void)state;
    struct pair there = pair_of(some_psk, some_psk), back = there;
    back.initiator.self = there.responder.self;
    back.initiator.peer = there.responder.peer;
    back.responder.self = there.initiator.self;
    back.responder.peer = there.initiator.peer;
    initiate(&there);
    initiate(&back);
    assert_true(receive(&there));
    assert_true(receive(&back));
    respond(&there);
    respond(&back);
    assert_true(finish(&there));
    assert_true(finish(&back));
    assert_one_session(&there);
    assert_one_session(&back);
    assert_memory_not_equal(there.initiator.session.send, back.responder.session.send,
                            NOISE_KEY_SIZE);
}

/* ---- Who is not who they say ---- */

static void test_wrong_psk(void **state)
{
    (void)state;
    static const char *const psks[][2] = {
        {no_psk, some_psk}, {some_psk, no_psk}, {some_psk, other_psk}};
    for (size_t i = 0; i < sizeof psks / sizeof psks[0]; i++) {
        struct pair p = pair_of(psks[i][0], psks[i][1]);
        initiate(&p);
        /* The first message does not depend on it. */
        assert_true(receive(&p));
        respond(&p);
        assert_false(finish(&p));
        /* The right answer still comes through. */
        unhex(p.responder.peer.psk, psks[i][0]);
        assert_true(receive(&p));
        respond(&p);
        assert_true(finish(&p));
        assert_one_session(&p);
    }
}

static struct noise_self stranger_of(unsigned from)
{
    struct noise_self self;
    uint8_t key[NOISE_KEY_SIZE];
    count_up(key, sizeof key, from);
    noise_self_init(&self, crypto, key);
    return self;
}

/* The initiator means somebody else than who gets its message. */
static void test_wrong_responder(void **state)
{
    (void)state;
    struct pair p = pair_of(no_psk, no_psk);
    initiate(&p);
    p.responder.self = stranger_of(1);
    assert_false(receive(&p));
    assert_false(
        noise_check_mac1(crypto, &p.responder.self, p.initiation_bytes, sizeof p.initiation_bytes));
}

/* One whose static key is the initiator's, and who has not its private key. */
static void test_wrong_initiator(void **state)
{
    (void)state;
    struct pair p = pair_of(no_psk, no_psk);
    const struct noise_self honest = p.initiator.self;
    const struct noise_self stranger = stranger_of(1);
    struct noise_peer peer;
    assert_true(noise_peer_init(&peer, crypto, &stranger, p.responder.self.public_key,
                                p.initiator.peer.psk));
    p.initiator.peer = peer;
    initiate(&p);
    assert_memory_equal(p.initiator.self.public_key, honest.public_key, NOISE_KEY_SIZE);
    assert_false(receive(&p));
}

/* Whoever answers must have the responder's private key, also when it knows the handshake. */
static void test_wrong_answer(void **state)
{
    (void)state;
    struct pair p = pair_of(some_psk, some_psk);
    initiate(&p);
    assert_true(receive(&p));
    /* It mixes in another initiator than the one who asked. */
    const struct noise_self stranger = stranger_of(1);
    memcpy(p.responder.peer.public_key, stranger.public_key, NOISE_KEY_SIZE);
    respond(&p);
    assert_false(finish(&p));
    /* A right answer to another handshake of the same two. */
    struct pair again = pair_of(some_psk, some_psk);
    count_up(again.initiator_ephemeral, NOISE_KEY_SIZE, 99);
    initiate(&again);
    assert_true(receive(&again));
    respond(&again);
    memcpy(p.response_bytes, again.response_bytes, sizeof p.response_bytes);
    assert_false(finish(&p));
    assert_true(finish(&again));
}

/* ---- Macs and cookies ---- */

static void test_mac2_needs_the_cookie(void **state)
{
    (void)state;
    struct pair p = pair_of(no_psk, no_psk);
    const uint8_t cookie[TUNNEL_COOKIE_SIZE] = {1}, other[TUNNEL_COOKIE_SIZE] = {2};
    initiate(&p);
    uint8_t *bytes = p.initiation_bytes;
    size_t size = sizeof p.initiation_bytes;
    assert_memory_equal(bytes + size - 16, zeros, 16);
    assert_true(noise_check_mac1(crypto, &p.responder.self, bytes, size));
    assert_false(noise_check_mac1(crypto, &p.initiator.self, bytes, size));
    assert_false(noise_check_mac2(crypto, cookie, bytes, size));
    noise_write_macs(crypto, &p.initiator.peer, cookie, bytes, size);
    assert_true(noise_check_mac2(crypto, cookie, bytes, size));
    assert_false(noise_check_mac2(crypto, other, bytes, size));
    /* Without a cookie again, the old mac2 is gone. */
    noise_write_macs(crypto, &p.initiator.peer, NULL, bytes, size);
    assert_memory_equal(bytes + size - 16, zeros, 16);
}

/* Each row differs from every other in one thing that a cookie depends on. */
static void test_cookies(void **state)
{
    (void)state;
    static const uint8_t v6[16] = {0x20, 1, 0xd, 0xb8, [15] = 7}, mapped[16] = {192, 0, 2, 1};
    const struct {
        uint8_t secret;
        struct addr addr;
        uint32_t channel;
    } rows[] = {
        {1, addr_v4(0xc0000201, 51820), 0}, {2, addr_v4(0xc0000201, 51820), 0},
        {1, addr_v4(0xc0000202, 51820), 0}, {1, addr_v4(0xc0000201, 51821), 0},
        {1, addr_v4(0xc0000201, 51820), 1}, {1, addr_v4(0xc0000201, 51820), 0x01000000},
        {1, addr_v6(v6, 51820), 0},         {1, addr_v6(mapped, 51820), 0},
    };
    enum { ROWS = sizeof rows / sizeof rows[0] };
    uint8_t cookies[ROWS][TUNNEL_COOKIE_SIZE], again[TUNNEL_COOKIE_SIZE];
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t secret[NOISE_KEY_SIZE] = {rows[i].secret};
        noise_cookie_of(crypto, secret, &rows[i].addr, rows[i].channel, cookies[i]);
        noise_cookie_of(crypto, secret, &rows[i].addr, rows[i].channel, again);
        assert_memory_equal(again, cookies[i], sizeof again);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(cookies[k], cookies[i], sizeof again);
    }
}

/* ---- Nonces ---- */

static void test_data_nonces(void **state)
{
    (void)state;
    static const struct {
        uint64_t counter;
        const char *hex;
    } rows[] = {
        {0, "000000000000000000000000"},
        {1, "000000000100000000000000"},
        {0x0102030405060708, "000000000807060504030201"},
        {UINT64_MAX, "00000000ffffffffffffffff"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
        memset(nonce, 0xee, sizeof nonce);
        noise_data_nonce(nonce, rows[i].counter);
        assert_hex(nonce, sizeof nonce, rows[i].hex);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_keys),
        cmocka_unit_test(test_vector_handshakes),
        cmocka_unit_test(test_vector_data),
        cmocka_unit_test(test_vector_cookies),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_wrong_psk),
        cmocka_unit_test(test_wrong_responder),
        cmocka_unit_test(test_wrong_initiator),
        cmocka_unit_test(test_wrong_answer),
        cmocka_unit_test(test_mac2_needs_the_cookie),
        cmocka_unit_test(test_cookies),
        cmocka_unit_test(test_data_nonces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
