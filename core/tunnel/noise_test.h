/* What the tests of the handshake share: two ends that know each other, step by step. */
#ifndef WARREN_TUNNEL_NOISE_TEST_H
#define WARREN_TUNNEL_NOISE_TEST_H

#include <cmocka.h>

#include <string.h>

#include "core/tunnel/noise.h"
#include "core/tunnel/noise_vectors_test.h"
#include "crypto/crypto.h"
#include "crypto/crypto_test.h"

enum { HEX_MAX = 160 };

static const struct crypto *const crypto = &crypto_real;
static const uint8_t zeros[256];

static inline void assert_hex(const void *bytes, size_t size, const char *hex)
{
    uint8_t expected[HEX_MAX];
    assert_true(strlen(hex) <= 2 * sizeof expected);
    assert_int_equal(unhex(expected, hex), size);
    assert_memory_equal(bytes, expected, size);
}

static inline void assert_wiped(const struct noise_handshake *handshake)
{
    assert_memory_equal(handshake, zeros, sizeof *handshake);
}

static inline void count_up(uint8_t *to, size_t size, unsigned from)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(from + i);
}

/* ---- Two ends that know each other ---- */

struct end {
    struct noise_self self;
    struct noise_peer peer;
    struct noise_handshake handshake;
    struct noise_session session;
};

struct pair {
    struct end initiator;
    struct end responder;
    uint8_t timestamp[TUNNEL_TIMESTAMP_SIZE];
    uint8_t initiator_ephemeral[NOISE_KEY_SIZE];
    uint8_t responder_ephemeral[NOISE_KEY_SIZE];
    struct tunnel_initiation initiation;
    struct tunnel_response response;
    uint8_t initiation_bytes[TUNNEL_INITIATION_SIZE];
    uint8_t response_bytes[TUNNEL_RESPONSE_SIZE];
};

/* The keys, ephemeral too, are those of the vectors. */
static inline struct pair pair_of(const char *initiators_psk, const char *responders_psk)
{
    struct pair p;
    uint8_t key[NOISE_KEY_SIZE];
    memset(&p, 0, sizeof p);
    unhex(key, VECTOR_INITIATOR_PRIVATE);
    noise_self_init(&p.initiator.self, crypto, key);
    unhex(key, VECTOR_RESPONDER_PRIVATE);
    noise_self_init(&p.responder.self, crypto, key);
    unhex(key, initiators_psk);
    assert_true(noise_peer_init(&p.initiator.peer, crypto, &p.initiator.self,
                                p.responder.self.public_key, key));
    unhex(key, responders_psk);
    assert_true(noise_peer_init(&p.responder.peer, crypto, &p.responder.self,
                                p.initiator.self.public_key, key));
    unhex(p.timestamp, VECTOR_TIMESTAMP);
    unhex(p.initiator_ephemeral, VECTOR_INITIATOR_EPHEMERAL);
    unhex(p.responder_ephemeral, VECTOR_RESPONDER_EPHEMERAL);
    return p;
}

static inline void initiate(struct pair *p)
{
    noise_initiate(&p->initiator.handshake, crypto, &p->initiator.self, &p->initiator.peer,
                   p->initiator_ephemeral, p->timestamp, &p->initiation);
    p->initiation.sender = VECTOR_INITIATOR_INDEX;
    tunnel_initiation_encode(&p->initiation, p->initiation_bytes);
    noise_write_macs(crypto, &p->initiator.peer, NULL, p->initiation_bytes,
                     sizeof p->initiation_bytes);
}

/* The responder reads what the initiator's bytes say; false: they do not open. */
static inline bool receive(struct pair *p)
{
    struct tunnel_initiation message;
    uint8_t public_key[NOISE_KEY_SIZE], timestamp[TUNNEL_TIMESTAMP_SIZE];
    tunnel_initiation_decode(&message, p->initiation_bytes, sizeof p->initiation_bytes);
    struct noise_handshake *handshake = &p->responder.handshake;
    if (!noise_read_static(handshake, crypto, &p->responder.self, &message, public_key)) {
        assert_wiped(handshake);
        assert_memory_equal(public_key, zeros, sizeof public_key);
        return false;
    }
    assert_memory_equal(public_key, p->initiator.self.public_key, sizeof public_key);
    if (!noise_read_timestamp(handshake, crypto, &p->responder.peer, &message, timestamp)) {
        assert_wiped(handshake);
        return false;
    }
    assert_memory_equal(timestamp, p->timestamp, sizeof timestamp);
    return true;
}

static inline void respond(struct pair *p)
{
    assert_true(noise_respond(&p->responder.handshake, crypto, &p->responder.peer,
                              p->responder_ephemeral, &p->response, &p->responder.session));
    assert_wiped(&p->responder.handshake);
    p->response.sender = VECTOR_RESPONDER_INDEX;
    p->response.receiver = VECTOR_INITIATOR_INDEX;
    tunnel_response_encode(&p->response, p->response_bytes);
    noise_write_macs(crypto, &p->responder.peer, NULL, p->response_bytes, sizeof p->response_bytes);
}

/* The initiator reads the responder's bytes; when they do not open, nothing has changed. */
static inline bool finish(struct pair *p)
{
    struct tunnel_response message;
    struct end *end = &p->initiator;
    const struct noise_handshake before = end->handshake;
    tunnel_response_decode(&message, p->response_bytes, sizeof p->response_bytes);
    if (noise_finish(&end->handshake, crypto, &end->self, &end->peer, &message, &end->session)) {
        assert_wiped(&end->handshake);
        return true;
    }
    assert_memory_equal(&end->handshake, &before, sizeof before);
    assert_memory_equal(&end->session, zeros, sizeof end->session);
    return false;
}

static inline void assert_one_session(const struct pair *p)
{
    const struct noise_session *i = &p->initiator.session, *r = &p->responder.session;
    assert_memory_equal(i->send, r->receive, NOISE_KEY_SIZE);
    assert_memory_equal(i->receive, r->send, NOISE_KEY_SIZE);
    assert_memory_not_equal(i->send, i->receive, NOISE_KEY_SIZE);
    assert_memory_not_equal(i->send, zeros, NOISE_KEY_SIZE);
    assert_memory_not_equal(i->receive, zeros, NOISE_KEY_SIZE);
}

static const char no_psk[] = "0000000000000000000000000000000000000000000000000000000000000000";
static const char some_psk[] = "0f0e0d0c0b0a09080706050403020100ffeeddccbbaa99887766554433221100";
static const char other_psk[] = "0f0e0d0c0b0a09080706050403020100ffeeddccbbaa99887766554433221180";

#endif
