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
#include "sim/hostile_member.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)
#define CLOCK_S UINT64_C(1800000000)

enum {
    PLACES = 64,
    NUMBERS = 4096, /* of data */
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

static struct arena {
    struct net *net;
    uint32_t server, mallory, victim;
    uint32_t clients[8];
    uint32_t client_count;
    struct watch watch[PLACES];
    uint64_t to_victim[PLACES]; /* datagrams, by who sent them */
    bool tapping;
    struct hostile_ear *ear;
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
            hostile_hear(arena.ear, event->place, event->packet, true);
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
    memset(&arena, 0, sizeof arena);
    arena.ear = calloc(1, sizeof *arena.ear);
    assert_non_null(arena.ear);
    struct net_config config = {.crypto = &crypto_real, .observe = observe};
    net_seed(config.seed, seed);
    random_stream_init(&arena.draws, config.seed, "hostile", 7);
    arena.net = net_new(&config);
}

static inline void arena_free(void)
{
    net_free(arena.net);
    free(arena.ear);
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

/* A client is told of the server and of its own network. */
static inline void join(uint32_t place)
{
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
    net_schedule_setup(arena.net, net_now(arena.net), place, &in);
    net_schedule_network(arena.net, net_now(arena.net), place);
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
    join(place);
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

/* A member at a plain host; it is in session and registered before 5 s. */
static inline void rogue_open(void *context, struct net *net, uint64_t argument)
{
    (void)net;
    (void)argument;
    struct hostile_member *r = context;
    struct papers papers;
    uint8_t key[32];
    struct addr server = server_punch();
    papers_make(&papers, 100 + r->place, 1);
    memcpy(arena.watch[r->place].identity, papers.identity, IDENTITY_SIZE);
    put_tunnel_key(key, 1);
    hostile_member_open(r, &papers.in.identity, CLOCK_S, key, &server);
}

static inline struct hostile_member *rogue_new(const char *name, uint32_t router)
{
    struct hostile_member *r = hostile_member_new(arena.net, add_plain(name, router));
    /*
     * One after the other: an address has three WELCOMEs until one that comes from it has arrived.
     */
    net_schedule_call(arena.net, SECOND + r->place * 100 * MS, r->place, rogue_open, r, 0);
    return r;
}

static inline void rogue_connect(struct hostile_member *r, uint32_t peer)
{
    hostile_member_connect(r, arena.watch[peer].identity);
}

#endif
