/*
 * For tests of a whole node: a host, one server site and one NAT that behaves exactly as it is
 * told, all in virtual time. It shares no code with the simulator nor with the server under test,
 * only the codec.
 */
#ifndef WARREN_NODE_TEST_H
#define WARREN_NODE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "core/stun/message.h"
#include "core/warren.h"
#include "host/drive.h"

#define WORLD_MS UINT64_C(1000000)
#define WORLD_SERVER_IP 0xc0000201u
#define WORLD_ALTERNATE_IP 0xc0000202u
#define WORLD_EXTERNAL_IP 0xcb007101u

enum {
    WORLD_PORT = 3478,
    WORLD_ALTERNATE_PORT = 3479,
    WORLD_LOCAL_IP = 0x0a000002,
    WORLD_DELAY_MS = 10, /* each way */
    WORLD_MAPPINGS = 64,
    WORLD_PACKETS = 64,
    WORLD_BLOCK = 64 * 1024,
};

struct world_nat {
    bool none;         /* no NAT at all, hence nothing that filters */
    bool blocked;      /* nothing comes back */
    bool barred;       /* every request is answered by an ICMP error */
    uint8_t mapping;   /* enum stun_mapping */
    uint8_t filtering; /* enum stun_filtering */
    uint8_t hairpin;   /* enum stun_hairpin */
    uint8_t ports;     /* enum stun_ports */
    uint8_t pooling;   /* enum stun_pooling */
    bool trap;         /* a refused datagram makes the next mapping to its sender a new one */
    int32_t step;      /* of sequential ports */
};

struct world_mapping {
    uint16_t local_port;
    struct addr towards; /* what the mapping is for: parts that it does not depend on are zero */
    struct addr external;
    struct addr sent[16]; /* where datagrams of it went: what the filter goes by */
    unsigned sent_count;
};

struct world_packet {
    uint64_t at_ns;
    uint32_t socket;
    struct addr remote;
    uint8_t bytes[256];
    uint32_t size;
    bool icmp;
};

struct world {
    struct world_nat nat;
    bool paired;     /* the server has a second address and port */
    uint32_t refuse; /* the open request that is refused, from 1; 0: none */
    uint64_t now_ns;
    struct drive drive;
    uint16_t local_port[4096]; /* of probe sockets, by number; 0: not open */
    uint32_t opened;           /* open requests so far */
    uint32_t to_report[8];     /* sockets whose opening has not been reported yet */
    uint32_t to_report_count;
    struct world_mapping mapping[WORLD_MAPPINGS];
    unsigned mappings;
    struct {
        uint16_t local_port;
        struct addr from;
    } refused[32]; /* what the filter kept out: the trap goes by it */
    unsigned refusals;
    struct world_packet packet[WORLD_PACKETS];
    unsigned packets;
    uint32_t sent;     /* datagrams that the node put out */
    uint32_t unpinned; /* those among them that may leave from whatever address the route says */
    uint32_t ended;
    struct stun_behaviour behaviour;
    uint32_t open_now;
};

static const struct node_limits world_limits = {
    .outputs = NODE_OUTPUTS_MIN,
    .output_bytes = 4096,
    .stun_probes = 3,
    .stun_transactions = 10,
    .stun_sources = 4,
    .sessions = 1,
    .unproven = 1,
    .servers = 1,
    .clients = 1,
    .locations = 1,
    .pairs = 1,
    .paths = 1,
    .tunnel_peers = 4,
    .tunnel_subnets = 16,
    .tunnel_queue = 8,
};

static const uint8_t world_seed[RANDOM_SEED_SIZE] = {'w', 'o', 'r', 'l', 'd'};

static inline struct addr world_external(struct world *world)
{
    struct world_nat *nat = &world->nat;
    unsigned n = world->mappings;
    uint32_t ip = WORLD_EXTERNAL_IP + (nat->pooling == STUN_POOLING_ARBITRARY ? n % 2 : 0);
    uint16_t port = (uint16_t)(20000 + (int32_t)n * nat->step);
    if (nat->ports == STUN_PORTS_RANDOM)
        port = (uint16_t)(30000 + (n + 1) * (n + 1) * 37 % 5000);
    return addr_v4(ip, port);
}

static inline bool world_was_refused(const struct world *world, uint16_t local_port,
                                     const struct addr *from)
{
    for (unsigned i = 0; i < world->refusals; i++) {
        if (world->refused[i].local_port == local_port && addr_equal(&world->refused[i].from, from))
            return true;
    }
    return false;
}

/* The mapping that a datagram leaves by, made if there is none. */
static inline struct world_mapping *world_outbound(struct world *world, uint16_t local_port,
                                                   const struct addr *to)
{
    struct addr towards = *to;
    bool trapped = world->nat.trap && world_was_refused(world, local_port, to);
    if (!trapped && world->nat.mapping == STUN_MAPPING_EIM)
        towards = (struct addr){0};
    if (!trapped && world->nat.mapping == STUN_MAPPING_ADM)
        towards.port = 0;
    struct world_mapping *mapping = NULL;
    for (unsigned i = 0; i < world->mappings; i++) {
        if (world->mapping[i].local_port == local_port &&
            addr_equal(&world->mapping[i].towards, &towards))
            mapping = &world->mapping[i];
    }
    if (mapping == NULL) {
        assert_true(world->mappings < WORLD_MAPPINGS);
        struct addr external = world_external(world);
        /* The first mapping of a port keeps its number where the NAT preserves ports. */
        bool fresh = true;
        for (unsigned i = 0; i < world->mappings; i++)
            fresh = fresh && world->mapping[i].local_port != local_port;
        if (world->nat.ports == STUN_PORTS_PRESERVED && fresh)
            external.port = local_port;
        mapping = &world->mapping[world->mappings++];
        *mapping = (struct world_mapping){
            .local_port = local_port, .towards = towards, .external = external};
    }
    for (unsigned i = 0; i < mapping->sent_count; i++) {
        if (addr_equal(&mapping->sent[i], to))
            return mapping;
    }
    assert_true(mapping->sent_count < 16);
    mapping->sent[mapping->sent_count++] = *to;
    return mapping;
}

static inline bool world_admits(const struct world *world, const struct world_mapping *mapping,
                                const struct addr *from)
{
    if (world->nat.filtering == STUN_FILTERING_EIF)
        return true;
    for (unsigned i = 0; i < mapping->sent_count; i++) {
        if (world->nat.filtering == STUN_FILTERING_ADF ? addr_equal_ip(&mapping->sent[i], from)
                                                       : addr_equal(&mapping->sent[i], from))
            return true;
    }
    return false;
}

static inline uint32_t world_socket(const struct world *world, uint16_t local_port)
{
    for (uint32_t socket = 0; socket < 4096; socket++) {
        if (world->local_port[socket] == local_port)
            return socket;
    }
    return 0;
}

static inline struct world_packet *world_packet_new(struct world *world, uint64_t delay_ms,
                                                    uint32_t socket, struct addr remote)
{
    assert_true(world->packets < WORLD_PACKETS);
    struct world_packet *packet = &world->packet[world->packets++];
    *packet = (struct world_packet){
        .at_ns = world->now_ns + delay_ms * WORLD_MS, .socket = socket, .remote = remote};
    return packet;
}

/* A datagram comes from outside, or by way of a hairpin, to an external address. */
static inline void world_inbound(struct world *world, const struct addr *to, struct addr from,
                                 struct addr shown, bool hairpin, const uint8_t *bytes,
                                 uint32_t size, uint64_t delay_ms)
{
    for (unsigned i = 0; i < world->mappings; i++) {
        const struct world_mapping *mapping = &world->mapping[i];
        if (!addr_equal(&mapping->external, to))
            continue;
        if (!world_admits(world, mapping, &from)) {
            if (!hairpin && world->refusals < 32) {
                world->refused[world->refusals].local_port = mapping->local_port;
                world->refused[world->refusals++].from = from;
            }
            return;
        }
        uint32_t socket = world_socket(world, mapping->local_port);
        if (socket == 0)
            return;
        struct world_packet *packet = world_packet_new(world, delay_ms, socket, shown);
        assert_true(size <= sizeof packet->bytes);
        memcpy(packet->bytes, bytes, size);
        packet->size = size;
        return;
    }
}

/* The server site answers by RFC 5780's table. */
static inline void world_serve(struct world *world, const struct node_out_send *send,
                               struct addr client)
{
    struct stun_message request;
    assert_int_equal(stun_decode(&request, send->bytes, send->size), STUN_OK);
    uint32_t ip = (uint32_t)send->remote.ip[3] == 1 ? WORLD_SERVER_IP : WORLD_ALTERNATE_IP;
    uint32_t other_ip = WORLD_SERVER_IP ^ WORLD_ALTERNATE_IP ^ ip;
    uint16_t other_port = (uint16_t)(WORLD_PORT ^ WORLD_ALTERNATE_PORT ^ send->remote.port);
    struct addr other = addr_v4(other_ip, other_port);
    struct addr source = addr_v4(request.change_ip ? other_ip : ip,
                                 request.change_port ? other_port : send->remote.port);
    uint8_t bytes[256];
    bool refuse = !world->paired && stun_has(&request, STUN_HAS_CHANGE_REQUEST);
    struct stun_writer w = stun_begin(bytes, sizeof bytes, refuse ? STUN_ERROR : STUN_SUCCESS,
                                      STUN_METHOD_BINDING, request.transaction);
    if (refuse) {
        stun_put_error_code(&w, STUN_CODE_UNKNOWN_ATTRIBUTE, NULL, 0);
    } else {
        stun_put_xor_mapped_address(&w, &client);
        stun_put_response_origin(&w, &source);
        if (world->paired)
            stun_put_other_address(&w, &other);
    }
    uint32_t size = (uint32_t)stun_end(&w);
    world_inbound(world, &client, source, source, false, bytes, size, 2 * WORLD_DELAY_MS);
}

static inline void world_send(struct world *world, const struct node_out_send *send)
{
    assert_in_range(send->socket, NODE_SOCKET_PROBE, 4095);
    uint16_t local_port = world->local_port[send->socket];
    assert_int_not_equal(local_port, 0);
    assert_int_equal(send->size, 68);
    world->sent++;
    world->unpinned += send->source.family == ADDR_NONE;
    if (world->nat.blocked)
        return;
    if (world->nat.barred) {
        world_packet_new(world, WORLD_DELAY_MS, send->socket, send->remote)->icmp = true;
        return;
    }
    struct addr local = addr_v4(WORLD_LOCAL_IP, local_port);
    assert_true(send->source.family == ADDR_NONE || addr_equal(&send->source, &local));
    struct world_mapping *mapping = world_outbound(world, local_port, &send->remote);
    if (world->nat.none)
        mapping->external = local;
    if (send->remote.ip[0] == 0xc0) {
        world_serve(world, send, mapping->external);
    } else if (world->nat.hairpin != STUN_HAIRPIN_OFF) {
        struct addr shown = world->nat.hairpin == STUN_HAIRPIN_INTERNAL ? local : mapping->external;
        world_inbound(world, &send->remote, mapping->external, shown, true, send->bytes, send->size,
                      WORLD_DELAY_MS);
    }
}

static inline void world_output(void *host, const struct node_out *out)
{
    struct world *world = host;
    switch (out->kind) {
    case NODE_OUT_SEND:
        world_send(world, &out->send);
        break;
    case NODE_OUT_OPEN:
        assert_in_range(out->open.socket, NODE_SOCKET_PROBE, 4095);
        assert_int_equal(out->open.family, ADDR_V4);
        assert_int_equal(world->local_port[out->open.socket], 0);
        world->opened++;
        world->open_now++;
        world->local_port[out->open.socket] = (uint16_t)(40000 + 7 * world->opened);
        assert_true(world->to_report_count < 8);
        world->to_report[world->to_report_count++] = out->open.socket;
        break;
    case NODE_OUT_CLOSE:
        assert_int_not_equal(world->local_port[out->close], 0);
        world->local_port[out->close] = 0;
        world->open_now--;
        break;
    case NODE_OUT_HOME:
    case NODE_OUT_PATH:
    case NODE_OUT_DELIVER:
    case NODE_OUT_PACKET:
        fail(); /* of a node without an identity */
        break;
    case NODE_OUT_BEHAVIOUR:
        world->ended++;
        world->behaviour = out->behaviour;
        break;
    }
}

static inline void world_input(struct world *world, struct node_in in)
{
    in.now_ns = world->now_ns;
    drive_input(&world->drive, &in);
}

/* `env` and the block outlive the world. */
static inline void world_init(struct world *world, void *block, const struct node_env *env)
{
    memset(world, 0, sizeof *world);
    memset(block, 0, WORLD_BLOCK);
    assert_true(node_size(&world_limits) <= WORLD_BLOCK);
    struct node *node = node_init(block, WORLD_BLOCK, &world_limits, world_seed, env);
    drive_init(&world->drive, node, world_output, world);
    world->drive.digesting = true;
    world->now_ns = 1000;
    world->paired = true;
    world->nat = (struct world_nat){.mapping = STUN_MAPPING_EIM,
                                    .filtering = STUN_FILTERING_APDF,
                                    .hairpin = STUN_HAIRPIN_OFF,
                                    .ports = STUN_PORTS_PRESERVED,
                                    .pooling = STUN_POOLING_PAIRED,
                                    .step = 1};
}

/* One event: what was opened is reported, the packet that is due arrives, or the deadline comes. */
static inline bool world_step(struct world *world)
{
    if (world->to_report_count > 0) {
        uint32_t socket = world->to_report[0];
        memmove(world->to_report, world->to_report + 1, 7 * sizeof world->to_report[0]);
        world->to_report_count--;
        uint32_t number = world->opened - world->to_report_count;
        bool refused = world->refuse != 0 && number == world->refuse;
        struct node_in in = {.kind = NODE_IN_SOCKET, .socket = {.socket = socket}};
        in.socket.port = refused ? 0 : world->local_port[socket];
        in.socket.error = refused ? NODE_ERROR_NO_RESOURCES : NODE_OK;
        bool closed = world->local_port[socket] == 0; /* before it was open */
        if (refused && !closed) {
            world->local_port[socket] = 0;
            world->open_now--;
        }
        if (!closed)
            world_input(world, in);
        return true;
    }
    unsigned next = 0;
    for (unsigned i = 1; i < world->packets; i++) {
        if (world->packet[i].at_ns < world->packet[next].at_ns)
            next = i;
    }
    uint64_t deadline_ns = node_deadline(world->drive.node);
    if (world->packets == 0 || deadline_ns < world->packet[next].at_ns) {
        if (deadline_ns == NODE_NEVER)
            return false;
        world->now_ns = deadline_ns > world->now_ns ? deadline_ns : world->now_ns;
        world_input(world, (struct node_in){.kind = NODE_IN_DEADLINE});
        return true;
    }
    struct world_packet packet = world->packet[next];
    memmove(&world->packet[next], &world->packet[next + 1],
            (world->packets - next - 1) * sizeof packet);
    world->packets--;
    world->now_ns = packet.at_ns;
    struct addr local = addr_v4(WORLD_LOCAL_IP, world->local_port[packet.socket]);
    struct node_in in = {.kind = NODE_IN_DATAGRAM,
                         .datagram = {.socket = packet.socket,
                                      .local = local,
                                      .remote = packet.remote,
                                      .bytes = packet.bytes,
                                      .size = packet.size}};
    if (packet.icmp)
        in = (struct node_in){.kind = NODE_IN_ICMP,
                              .icmp = {.socket = packet.socket,
                                       .local = local,
                                       .remote = packet.remote,
                                       .error = NODE_ICMP_PROHIBITED}};
    if (local.port != 0)
        world_input(world, in);
    return true;
}

static inline void world_discover(struct world *world, uint32_t servers)
{
    struct node_in in = {.kind = NODE_IN_DISCOVER, .discover = {.count = servers}};
    in.discover.servers[0] = addr_v4(WORLD_SERVER_IP, WORLD_PORT);
    if (servers > 1)
        in.discover.servers[1] = addr_v4(WORLD_ALTERNATE_IP, WORLD_PORT);
    world_input(world, in);
}

/* Runs until nothing will happen any more; how many steps it took. */
static inline unsigned world_run(struct world *world)
{
    unsigned steps = 0;
    while (world_step(world))
        assert_true(++steps < 10000);
    return steps;
}

#endif
