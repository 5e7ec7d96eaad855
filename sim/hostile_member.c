/* A hostile member of the mesh. */
#include "sim/hostile_member.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/frame/keys.h"
#include "sim/world.h"

enum { SESSIONS = 4, TIMERS = 8, OUTPUTS = 16, OUTPUT_BYTES = 16384 };

static struct context context_of(struct hostile_member *m)
{
    return (struct context){.now_ns = net_now(m->net),
                            .crypto = m->net->config.crypto,
                            .tracer = &m->tracer,
                            .counts = m->counts,
                            .out = &m->outbox,
                            .timers = &m->timers,
                            .secret = &m->secret};
}

/* ---- What leaves ---- */

/* A host that is off the network sends nothing, as any other. */
static void transmit(struct hostile_member *m, const struct addr *to, const void *bytes,
                     size_t size)
{
    struct net_send send = {.source = {.port = m->port}, .remote = *to};
    if (m->source.family != ADDR_NONE)
        hostile_send(m->net, m->place, &m->source, to, bytes, (uint32_t)size);
    if (m->source.family == ADDR_NONE || m->twice)
        (void)net_send(m->net, m->place, &send, bytes, (uint32_t)size);
}

static void drain(struct hostile_member *m)
{
    struct node_out out;
    while (outbox_take(&m->outbox, &out))
        if (out.kind == NODE_OUT_SEND)
            transmit(m, &out.send.remote, out.send.bytes, out.send.size);
    outbox_reset(&m->outbox);
}

void hostile_member_say(struct hostile_member *m, const struct punch_message *message)
{
    struct context cx = context_of(m);
    uint8_t body[PUNCH_MESSAGE_MAX];
    size_t size = punch_encode(message, body, sizeof body);
    struct seal_session *session = seal_at(&m->seal, m->session);
    check(size > 0);
    if (!m->up || session == NULL)
        return;
    seal_send(&m->seal, &cx, session, NULL, body, size);
    drain(m);
}

void hostile_member_register(struct hostile_member *m)
{
    struct punch_message message = {
        .type = PUNCH_REGISTER, .flag = 1, .version = ++m->version, .party = m->party};
    hostile_member_say(m, &message);
}

void hostile_member_hello(struct hostile_member *m)
{
    struct context cx = context_of(m);
    struct seal_session *session = seal_at(&m->seal, m->session);
    if (session == NULL)
        return;
    seal_renew(&m->seal, &cx, session);
    drain(m);
}

void hostile_member_connect(struct hostile_member *m, const uint8_t peer[static IDENTITY_SIZE])
{
    struct punch_message message = {.type = PUNCH_CONNECT,
                                    .channel = (uint32_t)random_u64(&m->draws) | 1};
    memcpy(message.identity, peer, IDENTITY_SIZE);
    random_secret_bytes(&m->secret, message.nonce, sizeof message.nonce);
    hostile_member_say(m, &message);
}

void hostile_member_probe(struct hostile_member *m, const struct addr *source,
                          const struct addr *to, const uint64_t *acks, uint8_t count)
{
    struct punch_probe probe = {.flags = PUNCH_PROBE_WANTS_ANSWER,
                                .transaction = random_u64(&m->draws),
                                .ack_count = count};
    uint8_t body[PUNCH_PROBE_SIZE_MAX], bytes[FRAME_PROBE_SIZE + PUNCH_PROBE_SIZE_MAX];
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    check(m->call.known && count <= PUNCH_ACKS_MAX);
    for (uint32_t i = 0; i < count; i++)
        probe.acks[i] = acks[i] == 0 ? 1 : acks[i];
    size_t size = punch_probe_encode(&probe, body, sizeof body);
    /* No encoder writes the 0 that stands for no probe. */
    for (size_t i = 0; i < count; i++)
        if (acks[i] == 0)
            memset(body + size - 8 * (count - i), 0, 8);
    struct frame frame = {.type = FRAME_PROBE,
                          .receiver = m->call.theirs,
                          .counter = m->counter++,
                          .body.size = size + FRAME_TAG_SIZE};
    size_t at = frame_encode(&frame, bytes, sizeof bytes);
    check(size > 0 && at > 0);
    keys_nonce(nonce, frame.counter);
    m->net->config.crypto->aead_seal(bytes + at, m->call.send, nonce, bytes, at, body, size);
    struct addr before = m->source;
    m->source = *source;
    transmit(m, to, bytes, at + size + FRAME_TAG_SIZE);
    m->source = before;
}

/* ---- What arrives ---- */

static void path_key(const struct crypto *crypto, uint8_t key[static 32], const uint8_t *secret,
                     const uint8_t *nonce, const uint8_t *from, const uint8_t *from_salt,
                     const uint8_t *to, const uint8_t *to_salt)
{
    static const char label[] = "warren path v1";
    const struct crypto_span parts[6] = {{(const uint8_t *)label, sizeof label - 1},
                                         {nonce, PUNCH_NONCE_SIZE},
                                         {from, 32},
                                         {from_salt, PUNCH_SALT_SIZE},
                                         {to, 32},
                                         {to_salt, PUNCH_SALT_SIZE}};
    crypto->blake2s(key, 32, secret, 32, parts, 6);
}

/* An offer brings what the keys of a call are made of. */
static void offered(struct hostile_member *m, const struct punch_message *offer)
{
    static const char label[] = "warren path index v1";
    const struct crypto_span part = {(const uint8_t *)label, sizeof label - 1};
    const struct crypto *crypto = m->net->config.crypto;
    struct hostile_call *call = &m->call;
    struct member peer;
    uint8_t secret[32], hash[32];
    if (self_verify(&m->self, crypto, net_now(m->net), offer->party.introduction.bytes,
                    offer->party.introduction.size, &peer) != IDENTITY_OK ||
        !crypto->x25519(secret, m->self.tunnel_key, peer.tunnel_key))
        return;
    path_key(crypto, call->send, secret, offer->nonce, m->self.public_key, m->party.salt,
             peer.tunnel_key, offer->party.salt);
    path_key(crypto, call->receive, secret, offer->nonce, peer.tunnel_key, offer->party.salt,
             m->self.public_key, m->party.salt);
    crypto->blake2s(hash, 32, call->send, 32, &part, 1);
    struct reader reader = reader_of(hash, 4);
    call->theirs = read_u32(&reader);
    memcpy(call->peer, peer.identity, sizeof call->peer);
    call->known = true;
}

static void probed(struct hostile_member *m, const struct frame *frame)
{
    uint8_t body[PUNCH_PROBE_SIZE_MAX], nonce[CRYPTO_AEAD_NONCE_SIZE];
    struct punch_probe probe;
    keys_nonce(nonce, frame->counter);
    if (!m->call.known || frame->body.size > sizeof body + FRAME_TAG_SIZE ||
        !m->net->config.crypto->aead_open(body, m->call.receive, nonce, frame->front.bytes,
                                          frame->front.size, frame->body.bytes, frame->body.size) ||
        punch_probe_decode(&probe, body, frame->body.size - FRAME_TAG_SIZE) != PUNCH_OK)
        return;
    m->probes++;
    m->last_transaction = probe.transaction;
}

static void heard(struct hostile_member *m, const struct seal_event *event)
{
    struct punch_message message;
    if (event->kind == SEAL_UP) {
        m->up = true;
        hostile_member_register(m);
    }
    if (event->kind != SEAL_MESSAGE ||
        punch_decode(&message, event->body.bytes, event->body.size) != PUNCH_OK)
        return;
    if (message.type == PUNCH_REGISTERED)
        m->registered++;
    else if (message.type == PUNCH_OFFER)
        offered(m, &message);
}

/* What it answers by itself, it answers as itself. */
static void receive(void *context, struct net *net, uint32_t host, const struct addr *local,
                    const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    struct hostile_member *m = context;
    struct frame frame;
    check(net == m->net && host == m->place);
    if (frame_decode(&frame, bytes, size) != FRAME_OK)
        return;
    if (frame.type == FRAME_PROBE)
        probed(m, &frame);
    if (frame.type > FRAME_SEALED)
        return;
    struct context cx = context_of(m);
    struct node_in_datagram datagram = {.socket = NODE_SOCKET_TRAFFIC,
                                        .local = *local,
                                        .remote = *remote,
                                        .bytes = bytes,
                                        .size = size};
    struct addr before = m->source;
    m->source = (struct addr){0};
    struct seal_event event = seal_input(&m->seal, &cx, &datagram, &frame);
    drain(m);
    heard(m, &event);
    m->source = before;
}

/* ---- Begin and end ---- */

struct hostile_member *hostile_member_new(struct net *net, uint32_t place)
{
    struct hostile_member *m = world_grow(NULL, 1, sizeof *m);
    uint8_t seed[RANDOM_SEED_SIZE];
    check(net->config.crypto != NULL);
    m->net = net;
    m->place = place;
    m->draws = hostile_stream(net, place, "member");
    for (size_t i = 0; i < sizeof seed; i++)
        seed[i] = (uint8_t)random_u64(&m->draws);
    random_secret_init(&m->secret, seed);
    random_secret_bytes(&m->secret, m->party.salt, sizeof m->party.salt);
    m->memory[0] = world_grow(NULL, 1, seal_bytes(SESSIONS, SESSIONS));
    m->memory[1] = world_grow(NULL, 1, timers_bytes(TIMERS));
    m->memory[2] = world_grow(NULL, 1, outbox_bytes(OUTPUTS, OUTPUT_BYTES));
    seal_init(&m->seal, m->memory[0], SESSIONS, SESSIONS, &m->secret);
    timers_init(&m->timers, m->memory[1], TIMERS);
    outbox_init(&m->outbox, m->memory[2], OUTPUTS, OUTPUT_BYTES);
    m->port = net_open(net, place, NET_PORT_TRAFFIC, receive, NULL, m);
    check(m->port == NET_PORT_TRAFFIC);
    return m;
}

void hostile_member_free(struct hostile_member *m)
{
    for (unsigned i = 0; i < 3; i++)
        free(m->memory[i]);
    free(m);
}

void hostile_member_open(struct hostile_member *m, const struct node_in_identity *identity,
                         uint64_t wall_s, const uint8_t server_key[static 32],
                         const struct addr *server)
{
    const struct crypto *crypto = m->net->config.crypto;
    uint64_t now_ns = net_now(m->net);
    check(!m->self.ready);
    self_clock(&m->self, now_ns, wall_s);
    enum identity_error error = self_set(&m->self, crypto, now_ns, identity);
    check(error == IDENTITY_OK);
    seal_configure(&m->seal, crypto, m->self.tunnel_key, m->self.introduction,
                   m->self.introduction_size);
    struct context cx = context_of(m);
    struct seal_route route = {.socket = NODE_SOCKET_TRAFFIC, .remote = *server};
    struct seal_session *session = seal_open(&m->seal, &cx, server_key, route, 0);
    check(session != NULL);
    m->session = session->self;
    drain(m);
}
