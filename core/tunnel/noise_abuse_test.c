/*
 * WireGuard's handshake against bits that flip, points of small order and forgeries that rest on
 * them; and that it leaves no secret behind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/tunnel/noise_test.h"

/* ---- Bits that flip ---- */

/* Where in a message each way of finding a flipped bit begins to apply, and where it ends. */
struct finder {
    size_t opens_from, opens_to; /* the handshake's own keys */
    size_t mac1_to, mac2_to;     /* from the begin */
};

static void assert_found(const struct finder *by, size_t at, bool opens, bool mac1, bool mac2)
{
    assert_int_equal(opens, at < by->opens_from || at >= by->opens_to);
    assert_int_equal(mac1, at >= by->mac1_to);
    assert_int_equal(mac2, at >= by->mac2_to);
}

static void test_flipped_initiation(void **state)
{
    (void)state;
    /* Behind type and sender, all up to the macs; mac1 covers that, and mac2 mac1 too. */
    static const struct finder by = {8, 116, 132, 148};
    const uint8_t cookie[TUNNEL_COOKIE_SIZE] = {1, 2, 3};
    struct pair p = pair_of(some_psk, some_psk);
    initiate(&p);
    uint8_t *bytes = p.initiation_bytes;
    noise_write_macs(crypto, &p.initiator.peer, cookie, bytes, TUNNEL_INITIATION_SIZE);
    for (size_t bit = 0; bit < (size_t)8 * TUNNEL_INITIATION_SIZE; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit / 8 < 4) {
            assert_int_equal(tunnel_message_type(bytes, TUNNEL_INITIATION_SIZE), 0);
        } else {
            bool opens = receive(&p);
            bool mac1 = noise_check_mac1(crypto, &p.responder.self, bytes, TUNNEL_INITIATION_SIZE);
            bool mac2 = noise_check_mac2(crypto, cookie, bytes, TUNNEL_INITIATION_SIZE);
            assert_found(&by, bit / 8, opens, mac1, mac2);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(receive(&p));
}

static void test_flipped_response(void **state)
{
    (void)state;
    static const struct finder by = {12, 60, 76, 92};
    const uint8_t cookie[TUNNEL_COOKIE_SIZE] = {1, 2, 3};
    struct pair p = pair_of(some_psk, some_psk);
    initiate(&p);
    assert_true(receive(&p));
    respond(&p);
    uint8_t *bytes = p.response_bytes;
    noise_write_macs(crypto, &p.responder.peer, cookie, bytes, TUNNEL_RESPONSE_SIZE);
    const struct noise_handshake waiting = p.initiator.handshake;
    for (size_t bit = 0; bit < (size_t)8 * TUNNEL_RESPONSE_SIZE; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (bit / 8 < 4) {
            assert_int_equal(tunnel_message_type(bytes, TUNNEL_RESPONSE_SIZE), 0);
        } else {
            p.initiator.handshake = waiting;
            bool opens = finish(&p);
            bool mac1 = noise_check_mac1(crypto, &p.initiator.self, bytes, TUNNEL_RESPONSE_SIZE);
            bool mac2 = noise_check_mac2(crypto, cookie, bytes, TUNNEL_RESPONSE_SIZE);
            assert_found(&by, bit / 8, opens, mac1, mac2);
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    p.initiator.handshake = waiting;
    assert_true(finish(&p));
    assert_one_session(&p);
}

static void test_flipped_cookie(void **state)
{
    (void)state;
    struct pair p = pair_of(no_psk, no_psk);
    uint8_t mac1[TUNNEL_MAC_SIZE], cookie[TUNNEL_COOKIE_SIZE], opened[TUNNEL_COOKIE_SIZE];
    uint8_t nonce[CRYPTO_XAEAD_NONCE_SIZE], bytes[TUNNEL_COOKIE_REPLY_SIZE];
    count_up(mac1, sizeof mac1, 1);
    count_up(cookie, sizeof cookie, 2);
    count_up(nonce, sizeof nonce, 3);
    struct tunnel_cookie message = {.receiver = 1};
    noise_seal_cookie(crypto, &p.responder.self, mac1, nonce, cookie, &message);
    tunnel_cookie_encode(&message, bytes);
    /* All behind type and receiver. */
    for (size_t bit = 64; bit < 8 * sizeof bytes; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        struct tunnel_cookie flipped;
        tunnel_cookie_decode(&flipped, bytes, sizeof bytes);
        assert_false(noise_open_cookie(crypto, &p.initiator.peer, mac1, &flipped, opened));
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    assert_true(noise_open_cookie(crypto, &p.initiator.peer, mac1, &message, opened));
    /* To another message; from another peer. */
    mac1[15] ^= 1;
    assert_false(noise_open_cookie(crypto, &p.initiator.peer, mac1, &message, opened));
    mac1[15] ^= 1;
    assert_false(noise_open_cookie(crypto, &p.responder.peer, mac1, &message, opened));
}

/* ---- Points of small order ---- */

/* Every u with a multiple of 8 that is zero: RFC 7748, section 7, and their other encodings. */
static const char *const small_points[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

enum { SMALL_POINTS = 2 * sizeof small_points / sizeof small_points[0] };

/* Each of them twice: the top bit does not count. */
static void small_point(size_t i, uint8_t point[static NOISE_KEY_SIZE])
{
    unhex(point, small_points[i / 2]);
    point[31] |= (uint8_t)(i % 2 << 7);
}

static void test_small_points(void **state)
{
    (void)state;
    for (size_t i = 0; i < SMALL_POINTS; i++) {
        struct pair p = pair_of(no_psk, no_psk);
        uint8_t point[NOISE_KEY_SIZE], public_key[NOISE_KEY_SIZE];
        small_point(i, point);
        struct noise_peer peer;
        memset(&peer, 0xff, sizeof peer);
        assert_false(noise_peer_init(&peer, crypto, &p.initiator.self, point, zeros));
        assert_memory_equal(peer.shared, zeros, sizeof peer.shared);

        initiate(&p);
        assert_true(receive(&p));
        struct noise_handshake handshake = p.responder.handshake;
        memcpy(handshake.ephemeral, point, sizeof point);
        struct noise_session session;
        assert_false(noise_respond(&handshake, crypto, &p.responder.peer, p.responder_ephemeral,
                                   &p.response, &session));
        assert_wiped(&handshake);
        assert_memory_equal(&session, zeros, sizeof session);

        struct tunnel_initiation initiation = p.initiation;
        memcpy(initiation.ephemeral, point, sizeof point);
        memset(public_key, 0xff, sizeof public_key);
        assert_false(
            noise_read_static(&handshake, crypto, &p.responder.self, &initiation, public_key));
        assert_memory_equal(public_key, zeros, sizeof public_key);
        assert_wiped(&handshake);

        respond(&p);
        uint8_t right[NOISE_KEY_SIZE];
        memcpy(right, p.response.ephemeral, sizeof right);
        memcpy(p.response.ephemeral, point, sizeof point);
        tunnel_response_encode(&p.response, p.response_bytes);
        assert_false(finish(&p));
        memcpy(p.response.ephemeral, right, sizeof right);
        tunnel_response_encode(&p.response, p.response_bytes);
        assert_true(finish(&p));
    }
}

/* ---- Forgeries that a shared secret of zeros would let through ---- */

static bool zeros_shared(uint8_t shared[static CRYPTO_X25519_SIZE],
                         const uint8_t private_key[static CRYPTO_X25519_SIZE],
                         const uint8_t public_key[static CRYPTO_X25519_SIZE])
{
    (void)private_key;
    (void)public_key;
    memset(shared, 0, CRYPTO_X25519_SIZE);
    return true;
}

static void small_public(uint8_t public_key[static CRYPTO_X25519_SIZE],
                         const uint8_t private_key[static CRYPTO_X25519_SIZE])
{
    (void)private_key;
    small_point(4, public_key);
}

/* Sends a point of small order for its ephemeral key, and takes the zeros that follow. */
static struct crypto forger(void)
{
    struct crypto table = crypto_real;
    table.x25519 = zeros_shared;
    table.x25519_public = small_public;
    return table;
}

static void test_forged_initiation(void **state)
{
    (void)state;
    const struct crypto forging = forger();
    struct pair p = pair_of(no_psk, no_psk);
    uint8_t public_key[NOISE_KEY_SIZE];
    noise_initiate(&p.initiator.handshake, &forging, &p.initiator.self, &p.initiator.peer,
                   p.initiator_ephemeral, p.timestamp, &p.initiation);
    assert_false(noise_read_static(&p.responder.handshake, crypto, &p.responder.self, &p.initiation,
                                   public_key));
    /* Whoever takes zeros opens it, so nothing but the point was wrong with it. */
    assert_true(noise_read_static(&p.responder.handshake, &forging, &p.responder.self,
                                  &p.initiation, public_key));
}

static void test_forged_response(void **state)
{
    (void)state;
    const struct crypto forging = forger();
    struct pair p = pair_of(no_psk, no_psk);
    initiate(&p);
    assert_true(receive(&p));
    assert_true(noise_respond(&p.responder.handshake, &forging, &p.responder.peer,
                              p.responder_ephemeral, &p.response, &p.responder.session));
    tunnel_response_encode(&p.response, p.response_bytes);
    assert_false(finish(&p));
    struct end *end = &p.initiator;
    assert_true(noise_finish(&end->handshake, &forging, &end->self, &end->peer, &p.response,
                             &end->session));
}

/* ---- What is secret is wiped ---- */

enum { SECRETS_MAX = 256 };

/* Where secrets of a function's own were seen, and not wiped since. */
static const uint8_t *secrets[SECRETS_MAX];
static size_t secrets_kept;
static size_t secrets_seen;

static void saw_secret(const uint8_t *secret)
{
    secrets_seen++;
    for (size_t i = 0; i < secrets_kept; i++) {
        if (secrets[i] == secret)
            return;
    }
    assert_true(secrets_kept < SECRETS_MAX);
    secrets[secrets_kept++] = secret;
}

static void spying_wipe(void *secret, size_t size)
{
    const uintptr_t from = (uintptr_t)secret;
    crypto_real.wipe(secret, size);
    size_t kept = 0;
    for (size_t i = 0; i < secrets_kept; i++) {
        const uintptr_t at = (uintptr_t)secrets[i];
        if (at < from || at >= from + size)
            secrets[kept++] = secrets[i];
    }
    secrets_kept = kept;
}

static bool spying_x25519(uint8_t shared[static CRYPTO_X25519_SIZE],
                          const uint8_t private_key[static CRYPTO_X25519_SIZE],
                          const uint8_t public_key[static CRYPTO_X25519_SIZE])
{
    saw_secret(shared);
    return crypto_real.x25519(shared, private_key, public_key);
}

/* HMAC's blocks are a key, and what its two hashes give is one too. */
static void spying_blake2s(uint8_t *out, size_t out_size, const uint8_t *key, size_t key_size,
                           const struct crypto_span *parts, size_t count)
{
    if (key_size == 0 && parts[0].size == 64) {
        saw_secret(parts[0].bytes);
        saw_secret(out);
    }
    crypto_real.blake2s(out, out_size, key, key_size, parts, count);
}

static void spying_seal(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                        const uint8_t *nonce, const uint8_t *ad, size_t ad_size, const uint8_t *in,
                        size_t size)
{
    saw_secret(key);
    crypto_real.aead_seal(out, key, nonce, ad, ad_size, in, size);
}

static bool spying_open(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                        const uint8_t *nonce, const uint8_t *ad, size_t ad_size, const uint8_t *in,
                        size_t size)
{
    saw_secret(key);
    return crypto_real.aead_open(out, key, nonce, ad, ad_size, in, size);
}

/* But for what the caller keeps: handshakes and sessions. */
static void assert_nothing_kept(const struct pair *p)
{
    const uintptr_t from = (uintptr_t)p;
    assert_true(secrets_seen > 0);
    for (size_t i = 0; i < secrets_kept; i++) {
        const uintptr_t at = (uintptr_t)secrets[i];
        assert_true(at >= from && at < from + sizeof *p);
    }
    secrets_kept = 0;
    secrets_seen = 0;
}

static void test_wiped(void **state)
{
    (void)state;
    struct crypto spying = crypto_real;
    spying.wipe = spying_wipe;
    spying.x25519 = spying_x25519;
    spying.blake2s = spying_blake2s;
    spying.aead_seal = spying_seal;
    spying.aead_open = spying_open;
    struct pair p = pair_of(some_psk, some_psk);
    struct end *i = &p.initiator, *r = &p.responder;
    uint8_t public_key[NOISE_KEY_SIZE], timestamp[TUNNEL_TIMESTAMP_SIZE];
    noise_initiate(&i->handshake, &spying, &i->self, &i->peer, p.initiator_ephemeral, p.timestamp,
                   &p.initiation);
    assert_nothing_kept(&p);
    assert_true(noise_read_static(&r->handshake, &spying, &r->self, &p.initiation, public_key));
    assert_nothing_kept(&p);
    assert_true(noise_read_timestamp(&r->handshake, &spying, &r->peer, &p.initiation, timestamp));
    assert_nothing_kept(&p);
    assert_true(noise_respond(&r->handshake, &spying, &r->peer, p.responder_ephemeral, &p.response,
                              &r->session));
    assert_nothing_kept(&p);
    p.response.sealed_nothing[0] ^= 1;
    assert_false(
        noise_finish(&i->handshake, &spying, &i->self, &i->peer, &p.response, &i->session));
    assert_nothing_kept(&p);
    p.response.sealed_nothing[0] ^= 1;
    assert_true(noise_finish(&i->handshake, &spying, &i->self, &i->peer, &p.response, &i->session));
    assert_nothing_kept(&p);
    p.initiation.sealed_timestamp[0] ^= 1;
    assert_true(noise_read_static(&r->handshake, &spying, &r->self, &p.initiation, public_key));
    assert_false(noise_read_timestamp(&r->handshake, &spying, &r->peer, &p.initiation, timestamp));
    assert_nothing_kept(&p);
    p.initiation.sealed_static[0] ^= 1;
    assert_false(noise_read_static(&r->handshake, &spying, &r->self, &p.initiation, public_key));
    assert_nothing_kept(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flipped_initiation),
        cmocka_unit_test(test_flipped_response),
        cmocka_unit_test(test_flipped_cookie),
        cmocka_unit_test(test_small_points),
        cmocka_unit_test(test_forged_initiation),
        cmocka_unit_test(test_forged_response),
        cmocka_unit_test(test_wiped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
