/*
 * For tests with hostile hosts: a small mesh of real nodes with real cryptography, plain hosts that
 * send whatever they like from whatever address they like, and members of the mesh that hold a
 * valid credential and speak the protocol by code of their own.
 */
#ifndef WARREN_SIM_HOSTILE_TEST_H
#define WARREN_SIM_HOSTILE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/cursor.h"
#include "core/bootstrap/self.h"
#include "core/frame/keys.h"
#include "core/frame/seal.h"
#include "core/punch/message.h"
#include "crypto/crypto.h"
#include "sim/world.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define CLOCK_S UINT64_C(1800000000)

enum {
    PLACES = 64,
    NUMBERS = 4096,   /* of data */
    TAPPED = 16384,   /* datagrams that the tap keeps */
    TAP_BYTES = 1300, /* of each; nothing that is recorded is longer */
    DATA_SIZE = 24,
    ROGUES = 10,
};

/* ---- Who is who ------------------------------------------------------------------------------ */

/* Keys by number; 0 is the root. */
static inline void put_seed(uint8_t to[static 32], uint8_t purpose, uint32_t number)
{
    memset(to, purpose, 32);
    to[1] = (uint8_t)(number + 1);
}

/* What a host hands in for one node. */
struct papers {
    struct node_in in;
    uint8_t identity[IDENTITY_SIZE];
    uint8_t certificate[IDENTITY_ENCODING_MAX];
    uint8_t credential[IDENTITY_ENCODING_MAX];
};

static inline void put_identity(uint8_t to[static IDENTITY_SIZE], uint32_t number)
{
    uint8_t seed[32];
    put_seed(seed, 0x11, number);
    crypto_real.ed25519_public(to, seed);
}

static inline void put_tunnel_key(uint8_t to[static 32], uint32_t number)
{
    uint8_t key[32];
    put_seed(key, 0x22, number);
    crypto_real.x25519_public(to, key);
}

static inline struct label name_of(char kind, uint32_t number)
{
    char text[16];
    int size = snprintf(text, sizeof text, "%c%" PRIu32, kind, number);
    return label_of(text, (size_t)size);
}

static inline size_t certify(uint32_t number, uint8_t *to, size_t room)
{
    struct certificate c = {.name = name_of('s', number),
                            .roles = IDENTITY_ROLE_ISSUER | IDENTITY_ROLE_PUNCH |
                                     IDENTITY_ROLE_RELAY | IDENTITY_ROLE_STUN,
                            .not_before_s = CLOCK_S - 1000,
                            .not_after_s = CLOCK_S + 1000000,
                            .serial = number};
    uint8_t root[32];
    put_seed(root, 0x11, 0);
    put_identity(c.identity, number);
    put_tunnel_key(c.tunnel_key, number);
    assert_true(certificate_sign(&c, &crypto_real, root));
    return certificate_encode(&c, to, room);
}

/* A server's where `issuer` is its own number; otherwise a member's. */
static inline void papers_make(struct papers *p, uint32_t number, uint32_t issuer)
{
    memset(p, 0, sizeof *p);
    p->in.kind = NODE_IN_IDENTITY;
    struct node_in_identity *in = &p->in.identity;
    put_seed(in->seed, 0x11, number);
    put_seed(in->tunnel_key, 0x22, number);
    put_identity(in->root, 0);
    put_identity(p->identity, number);
    in->certificate = p->certificate;
    in->certificate_size = (uint32_t)certify(issuer, p->certificate, sizeof p->certificate);
    if (issuer == number)
        return;
    struct credential c = {.name = name_of('c', number), .expiry_s = CLOCK_S + 1000000};
    uint8_t seed[32];
    put_seed(seed, 0x11, issuer);
    put_identity(c.identity, number);
    put_tunnel_key(c.tunnel_key, number);
    assert_true(credential_sign(&c, &crypto_real, seed));
    in->credential = p->credential;
    in->credential_size = (uint32_t)credential_encode(&c, p->credential, sizeof p->credential);
}

/* ---- The world ------------------------------------------------------------------------------- */

/* What has been seen of one place. */
struct watch {
    uint8_t identity[IDENTITY_SIZE];
    uint64_t out_bytes, out_datagrams;  /* that it sent */
    uint64_t in_bytes, in_datagrams;    /* that came to it, open port or not */
    uint32_t homes;                     /* times it said which home it has */
    uint32_t paths;                     /* times it said what its path is */
    struct node_out_path path;          /* as last said */
    uint64_t direct_ns;                 /* when it first was direct */
    uint64_t first_ns, last_ns, gap_ns; /* of data that was new */
    uint32_t delivered, repeated;
    uint8_t times[NUMBERS]; /* each number */
};

struct tapped {
    struct addr source, destination;
    uint32_t size;
    uint8_t bytes[TAP_BYTES];
};

static struct arena {
    struct net *net;
    uint32_t server, mallory, victim;
    uint32_t clients[8];
    uint32_t client_count;
    struct watch watch[PLACES];
    uint64_t to_victim[PLACES]; /* datagrams, by who sent them */
    bool tapping;
    uint32_t tapped_count;
    struct tapped *tapped;
    struct random_stream draws;
} arena;

static inline void data_in(struct watch *watch, const struct node_out_deliver *deliver,
                           uint64_t now_ns)
{
    struct reader r = reader_of(deliver->bytes, deliver->size);
    read_u32(&r);
    uint32_t number = read_u32(&r);
    assert_true(!r.failed && deliver->size == DATA_SIZE && number < NUMBERS);
    if (watch->times[number]++ > 0) {
        watch->repeated++;
        return;
    }
    watch->delivered++;
    if (watch->first_ns == 0)
        watch->first_ns = now_ns;
    else if (now_ns - watch->last_ns > watch->gap_ns)
        watch->gap_ns = now_ns - watch->last_ns;
    watch->last_ns = now_ns;
}

static inline void output_seen(struct watch *watch, const struct net_event *event)
{
    const struct node_out *out = event->output;
    if (out->kind == NODE_OUT_HOME) {
        watch->homes++;
    } else if (out->kind == NODE_OUT_PATH) {
        watch->paths++;
        watch->path = out->path;
        if (out->path.path == NODE_PATH_DIRECT && watch->direct_ns == 0)
            watch->direct_ns = event->now_ns;
    } else if (out->kind == NODE_OUT_DELIVER) {
        data_in(watch, &out->deliver, event->now_ns);
    }
}

static inline void tap(const struct packet *packet)
{
    if (arena.tapped_count == TAPPED || packet->data > TAP_BYTES)
        return;
    struct tapped *t = &arena.tapped[arena.tapped_count++];
    t->source = packet->source;
    t->destination = packet->destination;
    t->size = packet->data;
    memcpy(t->bytes, packet_data(packet), packet->data);
}

static inline void observe(void *context, const struct net_event *event)
{
    (void)context;
    struct watch *watch = &arena.watch[event->place];
    if (event->kind == NET_OUTPUT) {
        output_seen(watch, event);
        return;
    }
    if (event->packet == NULL || event->packet->protocol != PACKET_UDP)
        return;
    bool came = event->kind == NET_DELIVERED ||
                (event->kind == NET_DROPPED && event->drop == NET_DROP_NO_SOCKET);
    if (event->kind == NET_SENT) {
        watch->out_bytes += event->packet->data;
        watch->out_datagrams++;
        if (arena.tapping && net_is_node(arena.net, event->place))
            tap(event->packet);
    } else if (came) {
        watch->in_bytes += event->packet->data;
        watch->in_datagrams++;
        uint32_t from = net_owner(arena.net, &event->packet->source);
        if (event->place == arena.victim && arena.victim != 0 && from != NET_NONE)
            arena.to_victim[from]++;
    }
}

/* A random 16 bits and more, for junk; the same in every run. */
static inline uint64_t draw(void)
{
    return random_u64(&arena.draws);
}

static inline void arena_new(uint64_t seed)
{
    struct tapped *kept = arena.tapped;
    memset(&arena, 0, sizeof arena);
    arena.tapped = kept != NULL ? kept : calloc(TAPPED, sizeof *kept);
    assert_non_null(arena.tapped);
    struct net_config config = {.crypto = &crypto_real, .observe = observe};
    net_seed(config.seed, seed);
    random_stream_init(&arena.draws, config.seed, "hostile", 7);
    arena.net = net_new(&config);
}

static inline void arena_free(void)
{
    net_free(arena.net);
    arena.net = NULL;
}

/* A place of this kind has 10 ms to the router in front of it, which is nothing to the internet. */
static inline struct net_host host_behind(uint32_t router, const struct node_limits *limits)
{
    struct net_host host = {.behind = router, .limits = limits, .no_v6 = true};
    host.up.latency_ns = host.down.latency_ns = 10 * MS;
    return host;
}

static inline void set_up(uint32_t place, uint32_t number, uint32_t issuer)
{
    struct papers papers;
    struct node_in in = {.kind = NODE_IN_WALL_CLOCK, .wall_clock = {.now_s = CLOCK_S}};
    net_schedule_setup(arena.net, 0, place, &in);
    papers_make(&papers, number, issuer);
    memcpy(arena.watch[place].identity, papers.identity, IDENTITY_SIZE);
    net_schedule_setup(arena.net, 0, place, &papers.in);
}

/* Node 1: the only server; it issues all credentials. */
static inline void add_server(const struct node_limits *limits)
{
    struct net_host host = host_behind(NET_INTERNET, limits);
    host.addresses = 2;
    arena.server = net_add_host(arena.net, "server", &host);
    set_up(arena.server, 1, 1);
    net_schedule_serve_mesh(arena.net, 0, arena.server);
    net_schedule_serve_stun(arena.net, 0, arena.server);
}

static inline struct addr server_punch(void)
{
    return addr_with_port(net_address(arena.net, arena.server, ADDR_V4, 0), NET_PORT_PUNCH);
}

/* A client of number 10 and up; it knows the server. */
static inline uint32_t add_client(const char *name, uint32_t router)
{
    struct net_host host = host_behind(router, &node_limits_client);
    uint32_t place = net_add_host(arena.net, name, &host);
    uint32_t number = 10 + arena.client_count;
    assert_true(place < PLACES && arena.client_count < 8);
    arena.clients[arena.client_count++] = place;
    set_up(place, number, 1);
    struct server_record record = {
        .version = 1, .endpoint_count = 1, .endpoints = {{server_punch(), ENDPOINT_PUNCH}}};
    uint8_t seed[32], certificate[IDENTITY_ENCODING_MAX], bytes[IDENTITY_ENCODING_MAX];
    put_seed(seed, 0x11, 1);
    put_identity(record.owner, 1);
    assert_true(server_record_sign(&record, &crypto_real, seed));
    struct node_in in = {.kind = NODE_IN_SERVER};
    in.server.certificate = certificate;
    in.server.certificate_size = (uint32_t)certify(1, certificate, sizeof certificate);
    in.server.record = bytes;
    in.server.record_size = (uint32_t)server_record_encode(&record, bytes, sizeof bytes);
    net_schedule_setup(arena.net, 0, place, &in);
    net_schedule_network(arena.net, 0, place);
    return place;
}

static inline uint32_t add_plain(const char *name, uint32_t router)
{
    struct net_host host = host_behind(router, NULL);
    uint32_t place = net_add_host(arena.net, name, &host);
    assert_true(place < PLACES);
    return place;
}

static inline struct addr place_addr(uint32_t place, uint16_t port)
{
    return addr_with_port(net_address(arena.net, place, ADDR_V4, 0), port);
}

/* Sends from any source at all; NAT-less routers let it pass. */
static inline void spoof(uint32_t from, const struct addr *source, const struct addr *destination,
                         const void *bytes, size_t size)
{
    struct packet packet;
    struct net *net = arena.net;
    packet_make_udp(&net->pool, &packet, source, destination, bytes, size);
    world_transmit(net, net->places[from].host->interfaces[0].port, &packet);
}

static inline void connect_now(uint32_t from, uint32_t to)
{
    struct node_in in = {.kind = NODE_IN_CONNECT};
    memcpy(in.connect.peer, arena.watch[to].identity, IDENTITY_SIZE);
    net_command(arena.net, from, &in);
}

static inline void carry_now(uint32_t from, uint32_t to, uint32_t number)
{
    uint8_t bytes[DATA_SIZE] = {4, 'h', 'o', 's'};
    struct writer w = writer_of(bytes + 4, 4);
    write_u32(&w, number);
    struct node_in in = {.kind = NODE_IN_CARRY, .carry = {.bytes = bytes, .size = DATA_SIZE}};
    memcpy(in.carry.peer, arena.watch[to].identity, IDENTITY_SIZE);
    net_command(arena.net, from, &in);
}

/* Two clients carry to each other, one datagram in `every_ns` each way. */
struct talk {
    uint32_t a, b, number, left;
    uint64_t every_ns;
};

static inline void talk_next(void *context, struct net *net, uint64_t argument)
{
    struct talk *talk = context;
    (void)argument;
    if (talk->number == 0)
        connect_now(talk->a, talk->b);
    carry_now(talk->a, talk->b, talk->number);
    carry_now(talk->b, talk->a, talk->number);
    talk->number++;
    if (--talk->left > 0)
        net_schedule_call(net, net_now(net) + talk->every_ns, talk->a, talk_next, talk, 0);
}

static inline void talk_from(struct talk *talk, uint64_t at_ns)
{
    assert_true(talk->left <= NUMBERS);
    net_schedule_call(arena.net, at_ns, talk->a, talk_next, talk, 0);
}

static inline uint64_t counted(uint32_t place, enum trace_kind kind)
{
    return node_count(net_node(arena.net, place), kind);
}

/* ---- Hostile members ------------------------------------------------------------------------- */

/* A call that a rogue knows the keys of. */
struct rogue_call {
    uint8_t send[32];
    uint8_t receive[32];
    uint32_t theirs; /* the index in probes to the peer */
    uint32_t peer;   /* place */
    bool known;
};

struct rogue {
    _Alignas(POOL_ALIGN) struct seal seal;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    struct self self;
    void *memory[3];
    struct random_secret secret;
    uint64_t counts[TRACE_KINDS];
    struct tracer tracer;
    uint32_t place;
    uint16_t port;
    struct addr source; /* of what leaves; none: its own */
    bool twice;         /* what leaves, leaves from its own address too */
    bool up;
    uint32_t registered; /* REGISTEREDs */
    struct handle session;
    struct punch_party party;
    uint64_t version;
    struct rogue_call call;
    uint64_t counter; /* of probes */
    uint32_t probes;  /* that came here */
    uint64_t last_transaction;
};

static inline struct context rogue_context(struct rogue *r)
{
    return (struct context){.now_ns = net_now(arena.net),
                            .crypto = &crypto_real,
                            .tracer = &r->tracer,
                            .counts = r->counts,
                            .out = &r->outbox,
                            .timers = &r->timers,
                            .secret = &r->secret};
}

static inline void rogue_transmit(struct rogue *r, const struct addr *to, const void *bytes,
                                  size_t size)
{
    struct net_send send = {.source = {.port = r->port}, .remote = *to};
    if (r->source.family != ADDR_NONE)
        spoof(r->place, &r->source, to, bytes, size);
    if (r->source.family == ADDR_NONE || r->twice)
        assert_int_equal(net_send(arena.net, r->place, &send, bytes, (uint32_t)size), NODE_OK);
}

static inline void rogue_drain(struct rogue *r)
{
    struct node_out out;
    while (outbox_take(&r->outbox, &out))
        if (out.kind == NODE_OUT_SEND)
            rogue_transmit(r, &out.send.remote, out.send.bytes, out.send.size);
    outbox_reset(&r->outbox);
}

static inline void rogue_say(struct rogue *r, const struct punch_message *message)
{
    struct context cx = rogue_context(r);
    uint8_t body[PUNCH_MESSAGE_MAX];
    size_t size = punch_encode(message, body, sizeof body);
    struct seal_session *session = seal_at(&r->seal, r->session);
    assert_true(size > 0 && session != NULL);
    seal_send(&r->seal, &cx, session, NULL, body, size);
    rogue_drain(r);
}

static inline void rogue_register(struct rogue *r)
{
    struct punch_message message = {
        .type = PUNCH_REGISTER, .flag = 1, .version = ++r->version, .party = r->party};
    rogue_say(r, &message);
}

/* Says HELLO anew, from wherever the rogue claims to be. */
static inline void rogue_hello(struct rogue *r)
{
    struct context cx = rogue_context(r);
    seal_renew(&r->seal, &cx, seal_at(&r->seal, r->session));
    rogue_drain(r);
}

static inline void rogue_connect(struct rogue *r, uint32_t peer)
{
    struct punch_message message = {.type = PUNCH_CONNECT, .channel = (uint32_t)draw() | 1};
    memcpy(message.identity, arena.watch[peer].identity, IDENTITY_SIZE);
    random_secret_bytes(&r->secret, message.nonce, sizeof message.nonce);
    r->call.peer = peer;
    rogue_say(r, &message);
}

static inline void path_key(uint8_t key[static 32], const uint8_t *secret, const uint8_t *nonce,
                            const uint8_t *from, const uint8_t *from_salt, const uint8_t *to,
                            const uint8_t *to_salt)
{
    static const char label[] = "warren path v1";
    const struct crypto_span parts[6] = {{(const uint8_t *)label, sizeof label - 1},
                                         {nonce, PUNCH_NONCE_SIZE},
                                         {from, 32},
                                         {from_salt, PUNCH_SALT_SIZE},
                                         {to, 32},
                                         {to_salt, PUNCH_SALT_SIZE}};
    crypto_real.blake2s(key, 32, secret, 32, parts, 6);
}

static inline void rogue_offered(struct rogue *r, const struct punch_message *offer)
{
    static const char label[] = "warren path index v1";
    const struct crypto_span part = {(const uint8_t *)label, sizeof label - 1};
    struct member peer;
    uint8_t secret[32], hash[32];
    assert_int_equal(self_verify(&r->self, &crypto_real, net_now(arena.net),
                                 offer->party.introduction.bytes, offer->party.introduction.size,
                                 &peer),
                     IDENTITY_OK);
    assert_true(crypto_real.x25519(secret, r->self.tunnel_key, peer.tunnel_key));
    path_key(r->call.send, secret, offer->nonce, r->self.public_key, r->party.salt, peer.tunnel_key,
             offer->party.salt);
    path_key(r->call.receive, secret, offer->nonce, peer.tunnel_key, offer->party.salt,
             r->self.public_key, r->party.salt);
    crypto_real.blake2s(hash, 32, r->call.send, 32, &part, 1);
    struct reader reader = reader_of(hash, 4);
    r->call.theirs = read_u32(&reader);
    r->call.known = true;
}

/* A probe from any source to the peer of the last call, in direct reach. */
static inline void rogue_probe(struct rogue *r, const struct addr *source, const struct addr *to,
                               const uint64_t *acks, uint8_t count)
{
    struct punch_probe probe = {
        .flags = PUNCH_PROBE_WANTS_ANSWER, .transaction = draw(), .ack_count = count};
    uint8_t body[PUNCH_PROBE_SIZE_MAX], bytes[FRAME_PROBE_SIZE + PUNCH_PROBE_SIZE_MAX];
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    for (uint8_t i = 0; i < count; i++)
        probe.acks[i] = acks[i] == 0 ? 1 : acks[i];
    size_t size = punch_probe_encode(&probe, body, sizeof body);
    /* No encoder writes the 0 that stands for no probe. */
    for (size_t i = 0; i < count; i++)
        if (acks[i] == 0)
            memset(body + size - 8 * (count - i), 0, 8);
    struct frame frame = {.type = FRAME_PROBE,
                          .receiver = r->call.theirs,
                          .counter = r->counter++,
                          .body.size = size + FRAME_TAG_SIZE};
    size_t at = frame_encode(&frame, bytes, sizeof bytes);
    assert_true(size > 0 && at > 0 && r->call.known);
    keys_nonce(nonce, frame.counter);
    crypto_real.aead_seal(bytes + at, r->call.send, nonce, bytes, at, body, size);
    struct addr before = r->source;
    r->source = *source;
    rogue_transmit(r, to, bytes, at + size + FRAME_TAG_SIZE);
    r->source = before;
}

static inline void rogue_probed(struct rogue *r, const struct frame *frame)
{
    uint8_t body[PUNCH_PROBE_SIZE_MAX], nonce[CRYPTO_AEAD_NONCE_SIZE];
    struct punch_probe probe;
    keys_nonce(nonce, frame->counter);
    if (!r->call.known || frame->body.size > sizeof body + FRAME_TAG_SIZE ||
        !crypto_real.aead_open(body, r->call.receive, nonce, frame->front.bytes, frame->front.size,
                               frame->body.bytes, frame->body.size) ||
        punch_probe_decode(&probe, body, frame->body.size - FRAME_TAG_SIZE) != PUNCH_OK)
        return;
    r->probes++;
    r->last_transaction = probe.transaction;
}

static inline void rogue_heard(struct rogue *r, const struct seal_event *event)
{
    static struct punch_message message;
    if (event->kind == SEAL_UP) {
        r->up = true;
        rogue_register(r);
    }
    if (event->kind != SEAL_MESSAGE ||
        punch_decode(&message, event->body.bytes, event->body.size) != PUNCH_OK)
        return;
    if (message.type == PUNCH_REGISTERED)
        r->registered++;
    else if (message.type == PUNCH_OFFER)
        rogue_offered(r, &message);
}

static inline void rogue_receive(void *context, struct net *net, uint32_t host,
                                 const struct addr *local, const struct addr *remote,
                                 const uint8_t *bytes, uint32_t size)
{
    (void)net;
    (void)host;
    struct rogue *r = context;
    struct frame frame;
    if (frame_decode(&frame, bytes, size) != FRAME_OK)
        return;
    if (frame.type == FRAME_PROBE)
        rogue_probed(r, &frame);
    if (frame.type > FRAME_SEALED)
        return;
    struct context cx = rogue_context(r);
    struct node_in_datagram datagram = {.socket = NODE_SOCKET_TRAFFIC,
                                        .local = *local,
                                        .remote = *remote,
                                        .bytes = bytes,
                                        .size = size};
    struct addr before = r->source;
    r->source = (struct addr){0};
    struct seal_event event = seal_input(&r->seal, &cx, &datagram, &frame);
    rogue_drain(r);
    rogue_heard(r, &event);
    r->source = before;
}

static inline void rogue_open(void *context, struct net *net, uint64_t argument)
{
    (void)argument;
    struct rogue *r = context;
    struct papers papers;
    papers_make(&papers, 100 + r->place, 1);
    memcpy(arena.watch[r->place].identity, papers.identity, IDENTITY_SIZE);
    self_clock(&r->self, net_now(net), CLOCK_S);
    assert_int_equal(self_set(&r->self, &crypto_real, net_now(net), &papers.in.identity),
                     IDENTITY_OK);
    seal_configure(&r->seal, &crypto_real, r->self.tunnel_key, r->self.introduction,
                   r->self.introduction_size);
    struct context cx = rogue_context(r);
    uint8_t key[32];
    put_tunnel_key(key, 1);
    struct seal_route route = {.socket = NODE_SOCKET_TRAFFIC, .remote = server_punch()};
    struct seal_session *session = seal_open(&r->seal, &cx, key, route, 0);
    assert_non_null(session);
    r->session = session->self;
    rogue_drain(r);
}

/* A member at a plain host; it is in session and registered before 5 s. */
static inline struct rogue *rogue_new(const char *name, uint32_t router)
{
    struct rogue *r = calloc(1, sizeof *r);
    assert_non_null(r);
    uint8_t seed[32];
    r->place = add_plain(name, router);
    put_seed(seed, 0x33, r->place);
    random_secret_init(&r->secret, seed);
    memset(r->party.salt, 0x5a, sizeof r->party.salt);
    r->memory[0] = calloc(1, seal_bytes(4, 4));
    r->memory[1] = calloc(1, timers_bytes(8));
    r->memory[2] = calloc(1, outbox_bytes(16, 16384));
    assert_true(r->memory[0] != NULL && r->memory[1] != NULL && r->memory[2] != NULL);
    seal_init(&r->seal, r->memory[0], 4, 4, &r->secret);
    timers_init(&r->timers, r->memory[1], 8);
    outbox_init(&r->outbox, r->memory[2], 16, 16384);
    r->port = net_open(arena.net, r->place, NET_PORT_TRAFFIC, rogue_receive, NULL, r);
    assert_int_equal(r->port, NET_PORT_TRAFFIC);
    /* One after the other: an address has three WELCOMEs until one that comes from it has arrived. */
    net_schedule_call(arena.net, SECOND + r->place * 100 * MS, r->place, rogue_open, r, 0);
    return r;
}

static inline void rogue_free(struct rogue *r)
{
    for (unsigned i = 0; i < 3; i++)
        free(r->memory[i]);
    free(r);
}

#endif
