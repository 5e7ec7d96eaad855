/*
 * A hostile member: a plain host that holds a valid credential and speaks the protocol by code of
 * its own, so that it can lie. It says what it is told to, from whatever address it is told to; by
 * itself it only opens its session, registers once, and takes in what servers and peers answer.
 */
#ifndef WARREN_SIM_HOSTILE_MEMBER_H
#define WARREN_SIM_HOSTILE_MEMBER_H

#include "core/bootstrap/self.h"
#include "core/frame/seal.h"
#include "core/punch/message.h"
#include "sim/hostile.h"

/* A call whose keys it knows. */
struct hostile_call {
    bool known;
    uint8_t peer[IDENTITY_SIZE];
    uint8_t send[32];
    uint8_t receive[32];
    uint32_t theirs; /* the index in probes to the peer */
};

struct hostile_member {
    _Alignas(POOL_ALIGN) struct seal seal;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    struct net *net;
    void *memory[3];
    struct self self;
    struct random_secret secret;
    struct random_stream draws;
    struct tracer tracer;
    uint64_t counts[TRACE_KINDS];
    uint32_t place;
    uint16_t port;
    struct addr source;  /* of what leaves; none: its own */
    bool twice;          /* what leaves, leaves from its own address too */
    bool up;             /* it is in session */
    uint32_t registered; /* REGISTEREDs */
    struct handle session;
    struct punch_party party; /* what it registers */
    uint64_t version;
    struct hostile_call call; /* the last one of which an offer came */
    uint64_t counter;         /* of probes */
    uint32_t probes;          /* that came here */
    uint64_t last_transaction;
};

/* At a plain host, on NET_PORT_TRAFFIC. It is silent until it is opened. */
struct hostile_member *hostile_member_new(struct net *net, uint32_t place);
void hostile_member_free(struct hostile_member *m);

/*
 * Takes its identity and wall clock, and says HELLO to a server with this tunnel key. Once it is
 * let in, it registers.
 */
void hostile_member_open(struct hostile_member *m, const struct node_in_identity *identity,
                         uint64_t wall_s, const uint8_t server_key[static 32],
                         const struct addr *server);

/* All of these want a session that was opened; while it is not up they say nothing. */
void hostile_member_say(struct hostile_member *m, const struct punch_message *message);
void hostile_member_register(struct hostile_member *m);
void hostile_member_connect(struct hostile_member *m, const uint8_t peer[static IDENTITY_SIZE]);
/* Says HELLO anew, from wherever it claims to be; also while the session is not up. */
void hostile_member_hello(struct hostile_member *m);
/*
 * A probe from any source (none: its own) to the peer of the call that it knows, which acknowledges
 * these; 0 stands for a transaction that no probe has.
 */
void hostile_member_probe(struct hostile_member *m, const struct addr *source,
                          const struct addr *to, const uint64_t *acks, uint8_t count);

#endif
