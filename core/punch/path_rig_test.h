/*
 * For tests of a client and its paths: the client is real, its servers are sessions through which
 * the test says every word itself, and its peers are keys by which the test seals and opens probes
 * as docs/protocol.md, "Paths", has them. All in virtual time, sealed and signed for real.
 */
#ifndef WARREN_PUNCH_PATH_RIG_TEST_H
#define WARREN_PUNCH_PATH_RIG_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/cursor.h"
#include "core/bootstrap/identity_test.h"
#include "core/frame/keys.h"
#include "core/punch/path_state.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

enum {
    SERVERS = CLIENT_SERVERS_MAX + 1,
    PEERS = 4,
    PATHS = 3, /* room of the client */
    SENT = 1024,
    INBOX = 64,
    PACKETS = 256,
    PLACES = 16,
    EVENTS = 128,
    DATAGRAM = 1500,
    TRAFFIC_PORT = 51900,
    PUNCH_PORT = 51941,
    LAST_S = 1000000, /* of all certificates and credentials */
    US = 40,          /* number of our own identity; servers are from 10, peers from 50 */
    PEER = 50,
    CHANNEL = 7, /* that homes give us as callee */
};

/* A session's other end, at a server. */
struct end {
    struct self self;
    struct member member;
    _Alignas(POOL_ALIGN) struct seal seal;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    void *memory[3];
    struct random_secret secret;
    struct addr punch;
    uint64_t way_ns; /* one way between it and us */
    uint8_t boot;
    bool gone;             /* nothing reaches it, and nothing comes from it */
    bool mute;             /* answers sessions, but no message */
    struct peer *called;   /* answers CONNECT by an offer of this one, unless NULL, */
    struct addr called_at; /* who is seen there, */
    uint32_t other_us;     /* with this delay */
    struct handle session;
    uint32_t count;
    struct punch_message inbox[INBOX];
    uint64_t inbox_ns[INBOX];
};

struct peer {
    struct self self; /* as the peer has it */
    uint8_t salt[PUNCH_SALT_SIZE];
    uint8_t nonce[PUNCH_NONCE_SIZE]; /* of the call that it speaks under */
    uint64_t counter;
    struct reason_side side;
};

/* An address at which a peer answers probes. */
struct place {
    struct addr addr; /* none: through the relay */
    struct peer *peer;
    uint64_t way_ns;
    bool silent;      /* hears us, and does not answer */
    struct addr from; /* its answers come from here instead, unless none */
};

struct sent {
    uint64_t at_ns;
    struct addr to;
    bool relayed; /* in a DATA frame to the server `to`: `bytes` is what it carries */
    uint32_t channel;
    uint8_t ttl; /* 0: as always */
    uint32_t size;
    uint8_t bytes[DATAGRAM];
};

struct packet {
    uint64_t at_ns;
    uint64_t sequence;
    struct addr from, to; /* `to` none: us */
    uint32_t size;
    uint8_t bytes[DATAGRAM];
};

struct rig {
    uint64_t now_ns, sequence, mark_ns;
    /* The client. */
    struct self self;
    _Alignas(POOL_ALIGN) struct seal seal;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) struct client client;
    _Alignas(POOL_ALIGN) struct paths paths;
    void *memory[4];
    struct random_secret secret;
    uint64_t counts[TRACE_KINDS];
    struct tracer tracer;
    struct addr address;     /* where we are seen */
    struct client_news news; /* of everything since the mark */
    struct end server[SERVERS];
    struct peer peer[PEERS];
    struct place place[PLACES];
    uint32_t places;
    uint32_t sent_count;
    struct sent sent[SENT];
    uint32_t packets;
    struct packet packet[PACKETS];
    uint32_t states, homes, delivers; /* NODE_OUT_PATH and so on, since the mark */
    struct node_out_path state[EVENTS];
    struct node_out_home home[EVENTS];
    struct node_out_deliver deliver[EVENTS];
    uint8_t delivered[EVENTS][64];
};

static struct rig *r;

static inline struct context context_of(struct timers *timers, struct outbox *outbox,
                                        struct random_secret *secret)
{
    return (struct context){
        .now_ns = r->now_ns,
        .crypto = &crypto_real,
        .tracer = &r->tracer,
        .counts = r->counts,
        .out = outbox,
        .timers = timers,
        .secret = secret,
    };
}

static inline struct context our_context(void)
{
    return context_of(&r->timers, &r->outbox, &r->secret);
}

static inline struct path_tools our_tools(const struct context *cx)
{
    return (struct path_tools){.tools = {.cx = cx, .self = &r->self, .seal = &r->seal},
                               .client = &r->client};
}

/* ---- Identities ------------------------------------------------------------------------------ */

/* Server 0 issues all credentials. All bytes of a seed are the node's number. */
static inline void self_of_test(struct self *self, uint8_t number, bool server)
{
    uint8_t bytes[2][CREDENTIAL_SIZE_MAX];
    struct seed root = seed_of(SEED_ROOT), issuer = seed_of(10), own = seed_of(number);
    struct certificate certificate = certificate_sample();
    struct credential credential = credential_sample();
    uint8_t certified = server ? number : 10;
    struct seed tunnel = seed_of((uint8_t)(certified + 100));
    put_identity(certificate.identity, certified);
    crypto_real.x25519_public(certificate.tunnel_key, tunnel.bytes);
    certificate.roles |= IDENTITY_ROLE_PUNCH;
    certificate.serial = certified;
    certificate.not_after_s = LAST_S;
    assert_true(certificate_sign(&certificate, &crypto_real, root.bytes));
    tunnel = seed_of((uint8_t)(number + 100));
    put_identity(credential.identity, number);
    credential.expiry_s = LAST_S;
    crypto_real.x25519_public(credential.tunnel_key, tunnel.bytes);
    assert_true(credential_sign(&credential, &crypto_real, issuer.bytes));
    struct node_in_identity in = {
        .certificate = bytes[0],
        .certificate_size = (uint32_t)certificate_encode(&certificate, bytes[0], sizeof bytes[0]),
        .credential = server ? NULL : bytes[1],
        .credential_size = (uint32_t)credential_encode(&credential, bytes[1], sizeof bytes[1]),
    };
    memcpy(in.seed, own.bytes, sizeof in.seed);
    memcpy(in.tunnel_key, tunnel.bytes, sizeof in.tunnel_key);
    put_identity(in.root, SEED_ROOT);
    memset(self, 0, sizeof *self);
    self_clock(self, r->now_ns, NOW_S);
    assert_int_equal(self_set(self, &crypto_real, r->now_ns, &in), IDENTITY_OK);
}

static inline struct server_record record_of(unsigned n, uint64_t version, uint16_t load)
{
    struct server_record record = {
        .version = version,
        .load = load,
        .endpoint_count = 1,
        .endpoints = {{r->server[n].punch, ENDPOINT_PUNCH}},
    };
    return record;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static inline void packet_put(const struct addr *from, const struct addr *to, uint64_t way_ns,
                              const uint8_t *bytes, size_t size)
{
    assert_true(r->packets < PACKETS && size <= DATAGRAM);
    struct packet *packet = &r->packet[r->packets++];
    *packet = (struct packet){.at_ns = r->now_ns + way_ns,
                              .sequence = r->sequence++,
                              .from = *from,
                              .to = *to,
                              .size = (uint32_t)size};
    memcpy(packet->bytes, bytes, size);
}

static inline struct end *server_at(const struct addr *addr)
{
    for (unsigned i = 0; i < SERVERS; i++)
        if (addr_equal(&r->server[i].punch, addr))
            return &r->server[i];
    return NULL;
}

static inline void end_drain(struct end *end)
{
    struct node_out out;
    while (outbox_take(&end->outbox, &out)) {
        static const struct addr us;
        assert_int_equal(out.kind, NODE_OUT_SEND);
        if (!end->gone)
            packet_put(&end->punch, &us, end->way_ns, out.send.bytes, out.send.size);
    }
    outbox_reset(&end->outbox);
}

/* A server says something to us, along its session. */
static inline void server_says(unsigned n, const struct punch_message *message)
{
    struct end *end = &r->server[n];
    struct context cx = context_of(&end->timers, &end->outbox, &end->secret);
    uint8_t body[PUNCH_MESSAGE_MAX];
    size_t size = punch_encode(message, body, sizeof body);
    assert_int_not_equal(size, 0);
    assert_true(seal_send(&end->seal, &cx, seal_at(&end->seal, end->session), NULL, body, size));
    end_drain(end);
}

static inline void server_says_bytes(unsigned n, const uint8_t *bytes, size_t size)
{
    struct end *end = &r->server[n];
    struct context cx = context_of(&end->timers, &end->outbox, &end->secret);
    assert_true(seal_send(&end->seal, &cx, seal_at(&end->seal, end->session), NULL, bytes, size));
    end_drain(end);
}

/* ---- Keys of probes, after docs/protocol.md --------------------------------------------------- */

struct probe_keys {
    uint8_t to_us[32], to_peer[32];
    uint32_t index_us, index_peer;
};

static inline uint32_t index_of_test(const char *label, const uint8_t *key, size_t key_size)
{
    uint8_t hash[32];
    struct crypto_span part = {(const uint8_t *)label, strlen(label)};
    crypto_real.blake2s(hash, sizeof hash, key, key_size, &part, 1);
    uint32_t index =
        (uint32_t)hash[0] << 24 | (uint32_t)hash[1] << 16 | (uint32_t)hash[2] << 8 | hash[3];
    return index == 0 ? 1 : index;
}

static inline struct probe_keys keys_of(const struct peer *peer, const uint8_t *nonce)
{
    struct probe_keys keys;
    uint8_t secret[32];
    crypto_real.x25519(secret, peer->self.tunnel_key, r->self.public_key);
    for (unsigned to_us = 0; to_us < 2; to_us++) {
        const uint8_t *key[2] = {r->self.public_key, peer->self.public_key};
        const uint8_t *salt[2] = {r->client.salt, peer->salt};
        struct crypto_span parts[] = {
            {(const uint8_t *)"warren path v1", 14},
            {nonce, 16},
            {key[to_us], 32},
            {salt[to_us], 16},
            {key[to_us ^ 1], 32},
            {salt[to_us ^ 1], 16},
        };
        crypto_real.blake2s(to_us ? keys.to_us : keys.to_peer, 32, secret, 32, parts, 6);
    }
    keys.index_us = index_of_test("warren path index v1", keys.to_us, 32);
    keys.index_peer = index_of_test("warren path index v1", keys.to_peer, 32);
    return keys;
}

/* A probe of the peer under its call; its size. */
static inline size_t probe_make(struct peer *peer, const struct punch_probe *probe, uint8_t *to)
{
    struct probe_keys keys = keys_of(peer, peer->nonce);
    uint8_t body[PUNCH_PROBE_SIZE_MAX], nonce[12] = {0};
    size_t size = punch_probe_encode(probe, body, sizeof body);
    assert_int_not_equal(size, 0);
    struct frame frame = {.type = FRAME_PROBE,
                          .receiver = keys.index_us,
                          .counter = peer->counter++,
                          .body.size = size + FRAME_TAG_SIZE};
    size_t at = frame_encode(&frame, to, DATAGRAM);
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(frame.counter >> (56 - 8 * i));
    crypto_real.aead_seal(to + at, keys.to_us, nonce, to, at, body, size);
    return at + size + FRAME_TAG_SIZE;
}

/* Whether a datagram of ours is a probe to this peer under its call, and what it says. */
static inline bool probe_read(const struct peer *peer, const uint8_t *bytes, size_t size,
                              struct frame *frame, struct punch_probe *probe)
{
    struct probe_keys keys = keys_of(peer, peer->nonce);
    uint8_t body[DATAGRAM], nonce[12] = {0};
    if (frame_decode(frame, bytes, size) != FRAME_OK || frame->type != FRAME_PROBE ||
        frame->receiver != keys.index_peer)
        return false;
    for (unsigned i = 0; i < 8; i++)
        nonce[4 + i] = (uint8_t)(frame->counter >> (56 - 8 * i));
    assert_true(crypto_real.aead_open(body, keys.to_peer, nonce, frame->front.bytes,
                                      frame->front.size, frame->body.bytes, frame->body.size));
    assert_int_equal(punch_probe_decode(probe, body, frame->body.size - FRAME_TAG_SIZE), PUNCH_OK);
    return true;
}

/* ---- The client ------------------------------------------------------------------------------ */

/* What a place does with a probe: it acknowledges it. */
static inline void place_answers(const struct place *place, const uint8_t *bytes, size_t size)
{
    static const struct addr us;
    struct frame frame;
    struct punch_probe probe;
    uint8_t answer[DATAGRAM], wrapped[DATAGRAM];
    if (place->silent || !probe_read(place->peer, bytes, size, &frame, &probe))
        return;
    struct punch_probe said = {.transaction = r->sequence + 1,
                               .side = place->peer->side,
                               .ack_count = 1,
                               .acks = {probe.transaction}};
    size_t length = probe_make(place->peer, &said, answer);
    if (place->addr.family != ADDR_NONE) {
        packet_put(place->from.family != ADDR_NONE ? &place->from : &place->addr, &us,
                   2 * place->way_ns, answer, length);
        return;
    }
    const struct path *path = path_of(&r->paths, place->peer->self.identity, false);
    struct frame data = {.type = FRAME_DATA, .receiver = path->channel, .body.size = length};
    size_t at = frame_encode(&data, wrapped, sizeof wrapped);
    memcpy(wrapped + at, answer, length);
    packet_put(&r->server[path->server].punch, &us, 2 * place->way_ns, wrapped, at + length);
}

static inline void our_send(const struct node_out_send *send)
{
    struct frame frame = {0};
    struct end *end = server_at(&send->remote);
    assert_int_equal(send->socket, NODE_SOCKET_TRAFFIC);
    frame_decode(&frame, send->bytes, send->size);
    if (end != NULL && frame.type != FRAME_DATA) {
        if (!end->gone)
            packet_put(&r->address, &end->punch, end->way_ns, send->bytes, send->size);
        return;
    }
    assert_true(r->sent_count < SENT);
    struct sent *sent = &r->sent[r->sent_count++];
    *sent = (struct sent){
        .at_ns = r->now_ns, .to = send->remote, .relayed = end != NULL, .ttl = send->ttl};
    const uint8_t *bytes = end != NULL ? frame.body.bytes : send->bytes;
    sent->size = (uint32_t)(end != NULL ? frame.body.size : send->size);
    sent->channel = end != NULL ? frame.receiver : 0;
    assert_true(sent->size <= DATAGRAM);
    memcpy(sent->bytes, bytes, sent->size);
    for (unsigned i = 0; i < r->places; i++) {
        const struct place *place = &r->place[i];
        if (end != NULL ? place->addr.family == ADDR_NONE : addr_equal(&place->addr, &sent->to))
            place_answers(place, sent->bytes, sent->size);
    }
}

static inline void our_drain(void)
{
    struct node_out out;
    while (outbox_take(&r->outbox, &out)) {
        switch (out.kind) {
        case NODE_OUT_SEND:
            our_send(&out.send);
            break;
        case NODE_OUT_PATH:
            assert_true(r->states < EVENTS);
            r->state[r->states++] = out.path;
            break;
        case NODE_OUT_HOME:
            assert_true(r->homes < EVENTS);
            r->home[r->homes++] = out.home;
            break;
        case NODE_OUT_DELIVER:
            assert_true(r->delivers < EVENTS && out.deliver.size <= sizeof r->delivered[0]);
            memcpy(r->delivered[r->delivers], out.deliver.bytes, out.deliver.size);
            r->deliver[r->delivers++] = out.deliver;
            break;
        default:
            fail();
        }
    }
    outbox_reset(&r->outbox);
}

/* What a node does with the client's news. */
static inline void our_news(const struct context *cx, const struct client_news *news)
{
    struct path_tools tools = our_tools(cx);
    if (news->call != NULL)
        path_message(&r->paths, &tools, news->server, news->call);
    if (news->home || news->moved)
        path_call_all(&r->paths, &tools);
    r->news.home |= news->home;
    r->news.moved |= news->moved;
}

static inline void arrives(const struct addr *from, const uint8_t *bytes, size_t size)
{
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    struct frame frame;
    struct node_in_datagram datagram = {.socket = NODE_SOCKET_TRAFFIC,
                                        .local = r->address,
                                        .remote = *from,
                                        .bytes = bytes,
                                        .size = (uint32_t)size};
    if (!frame_is_ours(bytes, size)) {
        struct path_arrival arrival = path_opaque(&r->paths, &datagram);
        if (arrival.bytes != NULL)
            path_deliver(&cx, &arrival);
        our_drain();
        return;
    }
    assert_int_equal(frame_decode(&frame, bytes, size), FRAME_OK);
    if (frame.type == FRAME_DATA) {
        struct path_arrival arrival = path_data(&r->paths, &tools, &datagram, &frame);
        if (arrival.bytes != NULL)
            path_deliver(&cx, &arrival);
    } else if (frame.type == FRAME_PROBE) {
        path_probe(&r->paths, &tools, &datagram, &frame);
    } else {
        struct punch_message message;
        struct seal_event event = seal_input(&r->seal, &cx, &datagram, &frame);
        struct client_news news = {0};
        if (event.kind != SEAL_NOTHING)
            news = client_event(&r->client, &tools.tools, &event, &message);
        our_news(&cx, &news);
    }
    our_drain();
}

static inline void our_fire(void)
{
    struct timer_fired fired;
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    while (timers_next(&r->timers, r->now_ns, &fired)) {
        if (fired.kind == TIMER_SEAL_SESSION) {
            seal_timer(&r->seal, &cx, fired.owner);
        } else if (fired.kind == TIMER_PATH) {
            path_timer(&r->paths, &tools, fired.owner);
        } else {
            assert_int_equal(fired.kind, TIMER_CLIENT);
            client_timer(&r->client, &tools.tools);
        }
        our_drain();
    }
}

/* ---- Servers --------------------------------------------------------------------------------- */

/* An offer of a peer, as its home would say it. */
static inline struct punch_message offer_of(struct peer *peer, const uint8_t *nonce, bool caller,
                                            uint32_t channel)
{
    struct punch_message offer = {
        .type = PUNCH_OFFER, .flag = caller, .channel = channel, .party.side = peer->side};
    memcpy(offer.nonce, nonce, sizeof offer.nonce);
    memcpy(peer->nonce, nonce, sizeof peer->nonce);
    memcpy(offer.party.salt, peer->salt, sizeof offer.party.salt);
    offer.party.introduction =
        (struct frame_span){peer->self.introduction, peer->self.introduction_size};
    return offer;
}

static inline void add_candidate(struct punch_message *offer, struct addr addr, uint8_t kind)
{
    assert_true(offer->party.candidate_count < PUNCH_CANDIDATES_MAX);
    offer->party.candidates[offer->party.candidate_count++] =
        (struct punch_candidate){.addr = addr, .kind = kind};
}

static inline void answer_client(struct end *end, const struct punch_message *message)
{
    unsigned n = (unsigned)(end - r->server);
    if (end->mute)
        return;
    if (message->type == PUNCH_REGISTER || message->type == PUNCH_PING)
        server_says(n, &(struct punch_message){
                           .type = message->type == PUNCH_PING ? PUNCH_PONG : PUNCH_REGISTERED,
                           .observed = r->address});
    if (message->type == PUNCH_CONNECT && end->called != NULL) {
        struct punch_message offer = offer_of(end->called, message->nonce, true, message->channel);
        offer.other_us = end->other_us;
        if (end->called_at.family != ADDR_NONE)
            add_candidate(&offer, end->called_at, PUNCH_CANDIDATE_OBSERVED);
        server_says(n, &offer);
    }
}

static inline void end_hears(struct end *end, const struct packet *packet)
{
    struct context cx = context_of(&end->timers, &end->outbox, &end->secret);
    struct frame frame;
    struct node_in_datagram datagram = {.socket = NODE_SOCKET_PUNCH,
                                        .local = end->punch,
                                        .remote = packet->from,
                                        .bytes = packet->bytes,
                                        .size = packet->size};
    assert_int_equal(frame_decode(&frame, packet->bytes, packet->size), FRAME_OK);
    struct seal_event event = seal_input(&end->seal, &cx, &datagram, &frame);
    if (event.kind == SEAL_HELLO) {
        struct member member;
        assert_int_equal(self_verify(&end->self, &crypto_real, r->now_ns, event.body.bytes,
                                     event.body.size, &member),
                         IDENTITY_OK);
        assert_non_null(seal_accept(&end->seal, &cx, 0));
    } else if (event.kind == SEAL_MESSAGE) {
        struct punch_message *message = &end->inbox[end->count % INBOX];
        assert_int_equal(punch_decode(message, event.body.bytes, event.body.size), PUNCH_OK);
        end->inbox_ns[end->count++ % INBOX] = r->now_ns;
        end->session = event.session;
        answer_client(end, message);
    }
    end_drain(end);
}

static inline void end_start(struct end *end)
{
    uint8_t seed[RANDOM_SEED_SIZE] = {(uint8_t)(end - r->server), ++end->boot};
    random_secret_init(&end->secret, seed);
    for (unsigned i = 0; i < 3; i++)
        free(end->memory[i]);
    end->memory[0] = calloc(1, timers_bytes(4));
    end->memory[1] = calloc(1, outbox_bytes(64, 64 * 1024));
    end->memory[2] = calloc(1, seal_bytes(4, 16));
    timers_init(&end->timers, end->memory[0], 4);
    outbox_init(&end->outbox, end->memory[1], 64, 64 * 1024);
    memset(&end->seal, 0, sizeof end->seal);
    seal_init(&end->seal, end->memory[2], 4, 16, &end->secret);
    seal_configure(&end->seal, &crypto_real, end->self.tunnel_key, end->self.introduction,
                   end->self.introduction_size);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static inline void packet_arrives(uint32_t index)
{
    static struct packet packet;
    packet = r->packet[index];
    r->packet[index] = r->packet[--r->packets];
    if (packet.to.family == ADDR_NONE) {
        arrives(&packet.from, packet.bytes, packet.size);
        return;
    }
    struct end *end = server_at(&packet.to);
    if (!end->gone)
        end_hears(end, &packet);
}

/* Lets everything happen that is due until then. */
static inline void run_until(uint64_t until_ns)
{
    for (;;) {
        uint64_t next_ns = timers_deadline(&r->timers);
        uint32_t chosen = PACKETS;
        for (uint32_t i = 0; i < r->packets; i++) {
            const struct packet *packet = &r->packet[i];
            if (packet->at_ns < next_ns ||
                (packet->at_ns == next_ns &&
                 (chosen == PACKETS || packet->sequence < r->packet[chosen].sequence))) {
                next_ns = packet->at_ns;
                chosen = i;
            }
        }
        if (next_ns > until_ns)
            break;
        r->now_ns = next_ns > r->now_ns ? next_ns : r->now_ns;
        if (chosen == PACKETS)
            our_fire();
        else
            packet_arrives(chosen);
    }
    r->now_ns = until_ns;
}

static inline void run_for(uint64_t ns)
{
    run_until(r->now_ns + ns);
}

/* Forgets what was sent and told, and counts time from here. */
static inline void mark(void)
{
    r->mark_ns = r->now_ns;
    r->sent_count = 0;
    r->states = r->homes = r->delivers = 0;
    r->news = (struct client_news){0};
    memset(r->counts, 0, sizeof r->counts);
    for (unsigned i = 0; i < SERVERS; i++)
        r->server[i].count = 0;
}

#endif
