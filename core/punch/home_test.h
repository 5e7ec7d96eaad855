/*
 * For tests of homes: servers with a home and a relay, and clients that are a seal and nothing
 * else, so that a test says every word of theirs itself; all in virtual time. Everything is sealed
 * and signed for real.
 */
#ifndef WARREN_PUNCH_HOME_TEST_H
#define WARREN_PUNCH_HOME_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/bootstrap/identity_test.h"
#include "core/punch/home_state.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

enum {
    SERVERS = 4,
    CLIENTS = 24,
    NODES = SERVERS + CLIENTS,
    SESSIONS = 64,
    PACKETS = 512,
    INBOX = 64,
    PUNCH_PORT = 51941,
    RELAY_PORT = 9103,
};

struct letter {
    struct punch_message message;
    uint8_t introduction[PUNCH_INTRODUCTION_MAX];
    struct addr to; /* where it arrived */
    uint64_t at_ns;
};

struct node_rig {
    bool on;
    bool server; /* has a home and a relay */
    struct self self;
    _Alignas(POOL_ALIGN) struct seal seal;
    _Alignas(POOL_ALIGN) struct home home;
    _Alignas(POOL_ALIGN) struct relay_server relay;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    void *memory[5];
    struct random_secret secret;
    uint64_t counts[TRACE_KINDS];
    struct tracer tracer;
    uint32_t ip;
    uint64_t delay_ns; /* between it and the middle of the network */
    /* Of a client. */
    struct addr addr;  /* where its datagrams come from and it is reached */
    struct addr spoof; /* where they claim to come from instead, unless none */
    uint32_t socket;   /* NODE_SOCKET_TRAFFIC; a server that the test speaks for: RELAY */
    uint32_t count;
    struct letter inbox[INBOX];
    uint32_t data_count;
    uint32_t data_channel; /* of the last DATA */
    uint8_t data[64];
    struct punch_party party; /* what it registers */
    uint64_t version;
};

struct packet {
    uint64_t at_ns;
    uint64_t sequence;
    struct addr from, to;
    uint32_t size;
    uint8_t bytes[1500];
};

struct world {
    uint64_t now_ns;
    uint64_t sequence;
    struct node_rig node[NODES];
    uint32_t packets;
    struct packet packet[PACKETS];
    bool (*drop)(const struct packet *packet); /* NULL: nothing is lost */
    /* What arrives at `victim`, where nobody is. */
    struct addr victim;
    uint32_t victim_datagrams, victim_bytes;
    struct packet last;                                    /* that anybody sent */
    uint32_t clients, servers, locations, pairs, sessions; /* limits of each server */
};

static struct world *w;

static inline struct node_rig *server_of_test(unsigned n)
{
    return &w->node[n];
}

static inline struct node_rig *client_of_test(unsigned n)
{
    return &w->node[SERVERS + n];
}

static unsigned signatures_verified;

static inline bool counting_verify(const uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                                   const uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                                   const uint8_t *message, size_t size)
{
    signatures_verified++;
    return crypto_real.ed25519_verify(signature, public_key, message, size);
}

static struct crypto crypto_counting;

static inline struct context context_of(struct node_rig *node)
{
    return (struct context){
        .now_ns = w->now_ns,
        .crypto = &crypto_counting,
        .tracer = &node->tracer,
        .counts = node->counts,
        .out = &node->outbox,
        .timers = &node->timers,
        .secret = &node->secret,
    };
}

static inline struct addr punch_of(const struct node_rig *server)
{
    return addr_v4(server->ip, PUNCH_PORT);
}

static inline struct addr relay_of(const struct node_rig *server)
{
    return addr_v4(server->ip, RELAY_PORT);
}

/* ---- The network ----------------------------------------------------------------------------- */

static inline struct node_rig *node_at(const struct addr *addr)
{
    for (unsigned i = 0; i < NODES; i++) {
        struct node_rig *node = &w->node[i];
        if (!node->on)
            continue;
        struct addr punch = punch_of(node), relay = relay_of(node);
        if (node->server ? addr_equal(addr, &punch) || addr_equal(addr, &relay)
                         : addr_equal(addr, &node->addr))
            return node;
    }
    return NULL;
}

static inline void packet_send(struct node_rig *from, const struct node_out_send *send)
{
    assert_true(w->packets < PACKETS && send->size <= sizeof w->packet[0].bytes);
    struct packet *packet = &w->packet[w->packets];
    *packet = (struct packet){.to = send->remote, .size = send->size, .sequence = w->sequence++};
    memcpy(packet->bytes, send->bytes, send->size);
    if (from->server)
        packet->from = send->socket == NODE_SOCKET_PUNCH ? punch_of(from) : relay_of(from);
    else
        packet->from = from->spoof.family != ADDR_NONE ? from->spoof : from->addr;
    const struct node_rig *to = node_at(&packet->to);
    packet->at_ns = w->now_ns + from->delay_ns + (to != NULL ? to->delay_ns : 0);
    w->last = *packet;
    if (addr_equal_ip(&packet->to, &w->victim)) {
        w->victim_datagrams++;
        w->victim_bytes += packet->size + 28;
    } else if (to != NULL && (w->drop == NULL || !w->drop(packet))) {
        w->packets++;
    }
}

static inline void drain(struct node_rig *node)
{
    struct node_out out;
    while (outbox_take(&node->outbox, &out)) {
        assert_int_equal(out.kind, NODE_OUT_SEND);
        packet_send(node, &out.send);
    }
    outbox_reset(&node->outbox);
}

static inline struct home_tools tools_of(struct node_rig *node, const struct context *cx)
{
    return (struct home_tools){
        .cx = cx, .self = &node->self, .seal = &node->seal, .relay = &node->relay};
}

static inline void letter_keep(struct node_rig *node, const struct seal_event *event)
{
    struct letter *letter = &node->inbox[node->count++ % INBOX];
    assert_int_equal(punch_decode(&letter->message, event->body.bytes, event->body.size), PUNCH_OK);
    struct frame_span *span = &letter->message.party.introduction;
    if (span->size > 0) {
        memcpy(letter->introduction, span->bytes, span->size);
        span->bytes = letter->introduction;
    }
    letter->at_ns = w->now_ns;
}

static inline void deliver(struct node_rig *node, const struct packet *packet)
{
    struct context cx = context_of(node);
    struct home_tools tools = tools_of(node, &cx);
    struct frame frame;
    struct node_in_datagram datagram = {
        .socket = !node->server                   ? node->socket
                  : packet->to.port == PUNCH_PORT ? NODE_SOCKET_PUNCH
                                                  : NODE_SOCKET_RELAY,
        .local = packet->to,
        .remote = packet->from,
        .bytes = packet->bytes,
        .size = packet->size,
    };
    assert_int_equal(frame_decode(&frame, packet->bytes, packet->size), FRAME_OK);
    if (frame.type == FRAME_DATA && node->server) {
        relay_data(&node->relay, &cx, &datagram, &frame);
    } else if (frame.type == FRAME_DATA) {
        node->data_count++;
        node->data_channel = frame.receiver;
        memcpy(node->data, frame.body.bytes,
               frame.body.size < sizeof node->data ? frame.body.size : sizeof node->data);
    } else {
        struct seal_event event = seal_input(&node->seal, &cx, &datagram, &frame);
        if (node->server && event.kind != SEAL_NOTHING)
            home_event(&node->home, &tools, &event);
        else if (event.kind == SEAL_MESSAGE)
            letter_keep(node, &event);
    }
    drain(node);
}

static inline void fire(struct node_rig *node)
{
    struct timer_fired fired;
    struct context cx = context_of(node);
    struct home_tools tools = tools_of(node, &cx);
    while (timers_next(&node->timers, w->now_ns, &fired)) {
        switch (fired.kind) {
        case TIMER_SEAL_SESSION:
            seal_timer(&node->seal, &cx, fired.owner);
            break;
        case TIMER_HOME_CLIENT:
            home_timer(&node->home, &tools, fired.owner);
            break;
        case TIMER_HOME_SERVER:
            home_server_timer(&node->home, &tools, fired.owner);
            break;
        case TIMER_RELAY_PAIR:
            relay_timer(&node->relay, &cx, fired.owner);
            break;
        default:
            fail();
        }
        drain(node);
    }
}

/* Lets everything happen that is due until `until_ns`. */
static inline void run_until(uint64_t until_ns)
{
    for (;;) {
        uint64_t next_ns = until_ns + 1;
        struct node_rig *timer_of = NULL;
        uint32_t chosen = PACKETS;
        for (unsigned i = 0; i < NODES; i++)
            if (w->node[i].on && timers_deadline(&w->node[i].timers) < next_ns) {
                next_ns = timers_deadline(&w->node[i].timers);
                timer_of = &w->node[i];
            }
        for (uint32_t i = 0; i < w->packets; i++) {
            const struct packet *packet = &w->packet[i];
            if (packet->at_ns < next_ns ||
                (packet->at_ns == next_ns &&
                 (chosen == PACKETS || packet->sequence < w->packet[chosen].sequence))) {
                next_ns = packet->at_ns;
                chosen = i;
            }
        }
        if (next_ns > until_ns)
            break;
        w->now_ns = next_ns > w->now_ns ? next_ns : w->now_ns;
        if (chosen == PACKETS) {
            fire(timer_of);
            continue;
        }
        struct packet packet = w->packet[chosen];
        w->packet[chosen] = w->packet[--w->packets];
        struct node_rig *to = node_at(&packet.to);
        if (to != NULL)
            deliver(to, &packet);
    }
    w->now_ns = until_ns;
}

static inline void run_for(uint64_t ns)
{
    run_until(w->now_ns + ns);
}

/* ---- Identities ------------------------------------------------------------------------------ */

/* The credentials that are made from now on are good until then. */
enum { CREDENTIAL_EXPIRY_S = 100000, CERTIFICATE_EXPIRY_S = 200000 };
static uint64_t expiry_of_test = CREDENTIAL_EXPIRY_S;

/* A node's secrets: all bytes of its seed are its number plus 10, its tunnel key's another one. */
static uint16_t roles_of_test = IDENTITY_ROLE_ISSUER | IDENTITY_ROLE_PUNCH | IDENTITY_ROLE_RELAY;

static inline struct certificate certificate_of(unsigned n, uint8_t key_number)
{
    struct certificate certificate = certificate_sample();
    struct seed key, root = seed_of(SEED_ROOT);
    memset(key.bytes, key_number, sizeof key.bytes);
    put_identity(certificate.identity, (uint8_t)(10 + n));
    crypto_real.x25519_public(certificate.tunnel_key, key.bytes);
    certificate.roles = roles_of_test;
    certificate.serial = n + 1;
    certificate.not_after_s = CERTIFICATE_EXPIRY_S;
    assert_true(certificate_sign(&certificate, &crypto_real, root.bytes));
    return certificate;
}

static inline struct credential credential_of(unsigned n, uint8_t key_number)
{
    struct credential credential = credential_sample();
    struct seed key, issuer = seed_of(10);
    memset(key.bytes, key_number, sizeof key.bytes);
    put_identity(credential.identity, (uint8_t)(10 + n));
    crypto_real.x25519_public(credential.tunnel_key, key.bytes);
    credential.expiry_s = expiry_of_test;
    assert_true(credential_sign(&credential, &crypto_real, issuer.bytes));
    return credential;
}

/* Node n becomes itself; the first server is the issuer of all credentials. */
static inline void self_of_test(struct self *self, unsigned n, bool server, uint8_t key_number)
{
    uint8_t certificate_bytes[CERTIFICATE_SIZE_MAX], credential_bytes[CREDENTIAL_SIZE_MAX];
    struct certificate certificate =
        server ? certificate_of(n, key_number) : certificate_of(0, 100);
    struct credential credential = credential_of(n, key_number);
    struct node_in_identity in = {
        .certificate = certificate_bytes,
        .certificate_size =
            (uint32_t)certificate_encode(&certificate, certificate_bytes, sizeof certificate_bytes),
        .credential = server ? NULL : credential_bytes,
        .credential_size =
            (uint32_t)credential_encode(&credential, credential_bytes, sizeof credential_bytes),
    };
    memset(in.seed, (int)(10 + n), sizeof in.seed);
    memset(in.tunnel_key, key_number, sizeof in.tunnel_key);
    put_identity(in.root, SEED_ROOT);
    memset(self, 0, sizeof *self);
    self_clock(self, w->now_ns, NOW_S);
    assert_int_equal(self_set(self, &crypto_real, w->now_ns, &in), IDENTITY_OK);
}

/* ---- Nodes ----------------------------------------------------------------------------------- */

static inline void *memory_for(struct node_rig *node, unsigned which, size_t size)
{
    free(node->memory[which]);
    return node->memory[which] = calloc(1, size);
}

/* A node begins, or begins anew after a crash: it keeps its place and who it is, and no more. */
static inline void node_start(struct node_rig *node, uint8_t boot)
{
    uint8_t seed[RANDOM_SEED_SIZE] = {(uint8_t)(node - w->node), boot};
    uint32_t timers = SESSIONS + w->clients + w->servers + w->pairs;
    random_secret_init(&node->secret, seed);
    memset(node->counts, 0, sizeof node->counts);
    node->on = true;
    timers_init(&node->timers, memory_for(node, 0, timers_bytes(timers)), timers);
    outbox_init(&node->outbox, memory_for(node, 1, outbox_bytes(256, 256 * 1024)), 256, 256 * 1024);
    seal_init(&node->seal, memory_for(node, 2, seal_bytes(w->sessions, 32)), w->sessions, 32,
              &node->secret);
    seal_configure(&node->seal, &crypto_real, node->self.tunnel_key, node->self.introduction,
                   node->self.introduction_size);
    if (!node->server)
        return;
    home_init(&node->home, memory_for(node, 3, home_bytes(w->clients, w->servers, w->locations)),
              w->clients, w->servers, w->locations, &node->secret);
    relay_server_init(&node->relay, memory_for(node, 4, relay_server_bytes(w->pairs, w->clients)),
                      w->pairs, w->clients, &node->secret);
    struct context cx = context_of(node);
    struct home_tools tools = tools_of(node, &cx);
    home_serve(&node->home, &tools, true);
    drain(node);
}

static inline struct member member_of(const struct node_rig *node)
{
    struct member member;
    assert_int_equal(self_verify(&node->self, &crypto_real, w->now_ns, node->self.introduction,
                                 node->self.introduction_size, &member),
                     IDENTITY_OK);
    return member;
}

/* `server` learns of `other`. */
static inline void know(struct node_rig *server, const struct node_rig *other)
{
    struct context cx = context_of(server);
    struct home_tools tools = tools_of(server, &cx);
    struct member member = member_of(other);
    struct addr relay = relay_of(other);
    home_know_server(&server->home, &tools, &member, &relay);
    drain(server);
}

static inline void server_start(unsigned n)
{
    struct node_rig *node = server_of_test(n);
    node->server = true;
    node->ip = 0xc6336400 + 1 + n;
    node->delay_ns = 0;
    self_of_test(&node->self, n, true, (uint8_t)(100 + n));
    node_start(node, 1);
}

/* Client n behind an address of its own, 10 ms away from everything. */
static inline struct node_rig *client_start(unsigned n)
{
    struct node_rig *node = client_of_test(n);
    node->addr = addr_v4(0xcb007100 + 1 + n, (uint16_t)(40000 + n));
    node->socket = NODE_SOCKET_TRAFFIC;
    node->delay_ns = 10 * MS;
    self_of_test(&node->self, SERVERS + n, false, (uint8_t)(100 + SERVERS + n));
    node_start(node, 1);
    memset(node->party.salt, (int)(0x80 + n), sizeof node->party.salt);
    node->party.side.nat = STUN_NAT_PRESENT;
    node->party.delay_us = 10000;
    node->version = 1000;
    return node;
}

static inline void world_end(void)
{
    if (w == NULL)
        return;
    for (unsigned i = 0; i < NODES; i++)
        for (unsigned j = 0; j < 5; j++)
            free(w->node[i].memory[j]);
    free(w);
    w = NULL;
}

/* So many servers that know each other, and their limits. */
static inline void world_make(unsigned servers, uint32_t clients, uint32_t locations,
                              uint32_t pairs)
{
    world_end();
    w = calloc(1, sizeof *w);
    crypto_counting = crypto_real;
    crypto_counting.ed25519_verify = counting_verify;
    assert_non_null(w);
    w->now_ns = 7 * SECOND;
    w->clients = clients;
    w->servers = SERVERS;
    w->locations = locations;
    w->pairs = pairs;
    w->sessions = SESSIONS;
    for (unsigned i = 0; i < servers; i++)
        server_start(i);
    for (unsigned i = 0; i < servers; i++)
        for (unsigned j = 0; j < servers; j++)
            if (i != j)
                know(server_of_test(i), server_of_test(j));
    run_for(SECOND);
}

static inline int teardown(void **state)
{
    (void)state;
    world_end();
    return 0;
}

/* ---- What clients say and hear --------------------------------------------------------------- */

static inline struct seal_session *session_to(struct node_rig *client,
                                              const struct node_rig *server)
{
    return seal_with(&client->seal, server->self.public_key);
}

static inline void client_open(struct node_rig *client, const struct node_rig *server)
{
    struct context cx = context_of(client);
    struct addr there = client->socket == NODE_SOCKET_TRAFFIC ? punch_of(server) : relay_of(server);
    struct seal_route route = {.socket = client->socket, .remote = there};
    assert_non_null(seal_open(&client->seal, &cx, server->self.public_key, route, 0));
    drain(client);
}

static inline void client_say(struct node_rig *client, const struct node_rig *server,
                              const struct punch_message *message)
{
    uint8_t body[PUNCH_MESSAGE_MAX];
    struct context cx = context_of(client);
    size_t size = punch_encode(message, body, sizeof body);
    assert_int_not_equal(size, 0);
    assert_true(seal_send(&client->seal, &cx, session_to(client, server), NULL, body, size));
    drain(client);
}

static inline void client_registers(struct node_rig *client, const struct node_rig *server,
                                    bool home)
{
    client_say(client, server,
               &(struct punch_message){.type = PUNCH_REGISTER,
                                       .flag = home,
                                       .version = client->version,
                                       .party = client->party});
}

static inline void client_pings(struct node_rig *client, const struct node_rig *server)
{
    client_say(client, server, &(struct punch_message){.type = PUNCH_PING});
}

/* The last message of this type since the client last forgot; NULL: none. */
static inline const struct letter *heard(const struct node_rig *client, uint8_t type)
{
    assert_true(client->count <= INBOX);
    for (uint32_t i = client->count; i-- > 0;)
        if (client->inbox[i].message.type == type)
            return &client->inbox[i];
    return NULL;
}

static inline uint32_t heard_count(const struct node_rig *client, uint8_t type)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < client->count; i++)
        count += client->inbox[i].message.type == type;
    return count;
}

static inline void forget(struct node_rig *client)
{
    client->count = 0;
    client->data_count = 0;
}

/* A client that has a session with the server, and is registered there. */
static inline struct node_rig *client_at_home(unsigned n, struct node_rig *server, bool home)
{
    struct node_rig *client = client_of_test(n);
    if (!client->on)
        client_start(n);
    client_open(client, server);
    run_for(4 * client->delay_ns + 100 * MS);
    client_registers(client, server, home);
    run_for(4 * client->delay_ns + 100 * MS);
    assert_non_null(heard(client, PUNCH_REGISTERED));
    forget(client);
    return client;
}

static inline void connect_to(struct node_rig *caller, const struct node_rig *server,
                              const struct node_rig *callee, uint8_t nonce, uint32_t channel)
{
    struct punch_message message = {.type = PUNCH_CONNECT, .channel = channel};
    memcpy(message.identity, callee->self.identity, sizeof message.identity);
    memset(message.nonce, nonce, sizeof message.nonce);
    client_say(caller, server, &message);
}

/* A datagram in a relay channel. */
static inline void data_to(struct node_rig *client, const struct node_rig *server, uint32_t channel,
                           uint8_t what)
{
    uint8_t bytes[FRAME_DATA_SIZE + 40];
    struct frame frame = {.type = FRAME_DATA, .receiver = channel, .body.size = 40};
    size_t front = frame_encode(&frame, bytes, sizeof bytes);
    memset(bytes + front, what, 40);
    packet_send(client, &(struct node_out_send){.socket = client->socket,
                                                .remote = punch_of(server),
                                                .bytes = bytes,
                                                .size = sizeof bytes});
}

/* Data passes from one to the other, each with its home and channel. */
static inline bool data_passes(struct node_rig *from, const struct node_rig *from_home,
                               uint32_t channel, struct node_rig *to, uint32_t to_channel)
{
    static uint8_t what;
    uint32_t before = to->data_count;
    data_to(from, from_home, channel, ++what);
    run_for(500 * MS);
    return to->data_count == before + 1 && to->data_channel == to_channel && to->data[0] == what;
}

static inline struct home_client *record_of_client(struct node_rig *server,
                                                   const struct node_rig *client)
{
    return home_client_with(&server->home, client->self.identity);
}

#endif
