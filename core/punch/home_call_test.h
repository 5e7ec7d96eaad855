/* For tests of calls: what offers and refusals say, and what servers say to each other. */
#ifndef WARREN_PUNCH_HOME_CALL_TEST_H
#define WARREN_PUNCH_HOME_CALL_TEST_H

#include "core/punch/home_test.h"

#define S0 server_of_test(0)
#define S1 server_of_test(1)
#define S2 server_of_test(2)

static inline int one_server(void **state)
{
    (void)state;
    world_make(1, 8, 8, 8);
    return 0;
}

static inline int two_servers(void **state)
{
    (void)state;
    world_make(2, 8, 8, 8);
    return 0;
}

/* The offer that a client has heard last, after checking what every offer has. */
static inline const struct punch_message *
offer_of(const struct node_rig *client, const struct node_rig *other, bool caller, uint8_t nonce)
{
    struct member member;
    uint8_t expected[PUNCH_NONCE_SIZE];
    const struct letter *letter = heard(client, PUNCH_OFFER);
    if (letter == NULL)
        return NULL;
    const struct punch_message *offer = &letter->message;
    memset(expected, nonce, sizeof expected);
    assert_memory_equal(offer->nonce, expected, sizeof expected);
    assert_int_equal(offer->flag, caller);
    assert_int_not_equal(offer->channel, 0);
    assert_memory_equal(offer->party.salt, other->party.salt, sizeof offer->party.salt);
    assert_int_equal(offer->party.side.mapping, other->party.side.mapping);
    assert_int_equal(offer->party.delay_us, other->party.delay_us);
    assert_int_equal(self_verify(&client->self, &crypto_real, w->now_ns,
                                 offer->party.introduction.bytes, offer->party.introduction.size,
                                 &member),
                     IDENTITY_OK);
    assert_memory_equal(member.identity, other->self.identity, sizeof member.identity);
    const struct punch_candidate *last = &offer->party.candidates[offer->party.candidate_count - 1];
    assert_int_equal(last->kind, PUNCH_CANDIDATE_OBSERVED);
    assert_true(addr_equal(&last->addr, &other->addr));
    return offer;
}

/* The refusal of a call, or 0. */
static inline unsigned refusal_heard(const struct node_rig *caller, const struct node_rig *callee,
                                     uint8_t nonce)
{
    const struct letter *letter = heard(caller, PUNCH_REFUSED);
    if (letter == NULL)
        return 0;
    assert_memory_equal(letter->message.identity, callee->self.identity, IDENTITY_SIZE);
    for (unsigned i = 0; i < PUNCH_NONCE_SIZE; i++)
        assert_int_equal(letter->message.nonce[i], nonce);
    return letter->message.flag;
}

static inline struct home_location *location_at(struct node_rig *server,
                                                const struct node_rig *client)
{
    struct context cx = context_of(server);
    return home_location_of(&server->home, &cx, client->self.identity);
}

/* One that S0 expects to open their session; the test has still to do that. */
static inline struct node_rig *smaller_server(void)
{
    struct node_rig *s = client_start(CLIENTS - 1);
    for (unsigned n = 1;; n++) {
        uint8_t identity[IDENTITY_SIZE];
        assert_true(n < 90);
        put_identity(identity, (uint8_t)(10 + n));
        if (memcmp(identity, S0->self.identity, IDENTITY_SIZE) < 0) {
            s->socket = NODE_SOCKET_RELAY;
            self_of_test(&s->self, n, true, (uint8_t)(100 + n));
            node_start(s, 9);
            return s;
        }
    }
}

/* A server that the test speaks for, in session with the first one. */
static inline struct node_rig *spoken_server(void)
{
    struct node_rig *s = smaller_server();
    client_open(s, S0);
    run_for(SECOND);
    client_pings(s, S0);
    run_for(SECOND);
    assert_non_null(heard(s, PUNCH_PONG));
    forget(s);
    return s;
}

static uint32_t dropped_between_servers;

static inline bool is_server(const struct addr *addr)
{
    return addr->port == RELAY_PORT;
}

static inline bool drop_between_servers(const struct packet *packet)
{
    bool dropped = is_server(&packet->from) && is_server(&packet->to);
    dropped_between_servers += dropped;
    return dropped;
}

#endif
