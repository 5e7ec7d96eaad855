/*
 * For tests of the tunnel: whole nodes that are stock WireGuard peers of each other, a wire between
 * them that does as it is told, and virtual time.
 */
#ifndef WARREN_TUNNEL_TUNNEL_TEST_H
#define WARREN_TUNNEL_TUNNEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/bootstrap/identity_test.h"
#include "core/tunnel/message.h"
#include "core/tunnel/noise.h"
#include "core/warren.h"
#include "crypto/crypto.h"

#define RIG_MS UINT64_C(1000000)
#define RIG_S UINT64_C(1000000000)
#define RIG_DELAY_NS (10 * RIG_MS) /* one way */

enum {
    RIG_ENDS = 4,
    RIG_FLIGHTS = 1024,
    RIG_TYPES = 5,   /* of messages, by enum tunnel_message_type */
    RIG_KEYS = 64,   /* the last keys that data was sealed with */
    RIG_TIMES = 256, /* the first initiations of an end */
    RIG_LOG = 64,
    RIG_QUEUE = 40,
    RIG_PORT = 51820,
    RIG_WALL_S = NOW_S,
};

/* A node, and what it has put out. */
struct rig_end {
    struct node *node;
    void *block;
    size_t size;
    struct addr addr;
    uint8_t private_key[NOISE_KEY_SIZE], public_key[NOISE_KEY_SIZE];
    uint64_t sent[RIG_TYPES]; /* messages */
    uint64_t sent_bytes;
    uint64_t datagrams, trains; /* trains: outputs of any number of datagrams */
    uint64_t initiated_ns[RIG_TIMES];
    /* The host's side. */
    uint64_t packets, packet_outputs;
    uint8_t log[RIG_LOG];             /* low bytes of the last IPv4 identifications, in turn */
    uint32_t last_size, last_segment; /* of the last NODE_OUT_PACKET */
    uint8_t last[NODE_PACKETS_MAX];
};

/* What is on the wire: one datagram, or a train. */
struct rig_flight {
    uint64_t at_ns, order;
    struct addr from, to;
    uint8_t *bytes;
    uint32_t size, segment;
};

struct rig {
    uint64_t now_ns, order;
    unsigned count;
    bool whole; /* trains travel whole */
    struct rig_end ends[RIG_ENDS];
    struct rig_flight flights[RIG_FLIGHTS];
    unsigned in_flight;
    /* Sees every flight before it leaves and may change it; false: it is lost. NULL: none is. */
    bool (*wire)(struct rig *rig, struct rig_flight *flight);
    unsigned copies; /* of the next flights, beside themselves: set by the wire for each */
};

/* ---- Cryptography that counts ---------------------------------------------------------------- */

struct rig_crypto {
    struct crypto crypto;
    struct node_env env;
    uint64_t diffie_hellmans;
    uint8_t keys[RIG_KEYS][CRYPTO_AEAD_KEY_SIZE]; /* that data was sealed with, each once */
    unsigned key_count;
};
static struct rig_crypto rig_crypto;

static inline bool rig_x25519(uint8_t shared[static CRYPTO_X25519_SIZE],
                              const uint8_t private_key[static CRYPTO_X25519_SIZE],
                              const uint8_t public_key[static CRYPTO_X25519_SIZE])
{
    rig_crypto.diffie_hellmans++;
    return crypto_real.x25519(shared, private_key, public_key);
}

/* Data alone is sealed without anything beside it. */
static inline void rig_seal(uint8_t *out, const uint8_t key[static CRYPTO_AEAD_KEY_SIZE],
                            const uint8_t *nonce, const uint8_t *ad, size_t ad_size,
                            const uint8_t *in, size_t size)
{
    bool known = ad_size > 0;
    for (unsigned i = 0; i < RIG_KEYS && !known; i++)
        known = memcmp(rig_crypto.keys[i], key, CRYPTO_AEAD_KEY_SIZE) == 0;
    if (!known)
        memcpy(rig_crypto.keys[rig_crypto.key_count++ % RIG_KEYS], key, CRYPTO_AEAD_KEY_SIZE);
    crypto_real.aead_seal(out, key, nonce, ad, ad_size, in, size);
}

static inline void rig_crypto_init(void)
{
    memset(&rig_crypto, 0, sizeof rig_crypto);
    rig_crypto.crypto = crypto_real;
    rig_crypto.crypto.x25519 = rig_x25519;
    rig_crypto.crypto.aead_seal = rig_seal;
    rig_crypto.env.crypto = &rig_crypto.crypto;
}

/* ---- Ends ------------------------------------------------------------------------------------ */

static const struct node_limits rig_limits = {
    .outputs = 256,
    .output_bytes = 250 * 1024,
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
    .tunnel_peers = 3,
    .tunnel_subnets = 32,
    .tunnel_queue = RIG_QUEUE,
};

static inline struct rig_end *rig_end_at(struct rig *rig, const struct addr *addr)
{
    for (unsigned i = 0; i < rig->count; i++)
        if (addr_equal(&rig->ends[i].addr, addr))
            return &rig->ends[i];
    return NULL;
}

static inline void rig_fly(struct rig *rig, struct rig_flight flight, const uint8_t *bytes,
                           uint32_t size)
{
    flight.size = size;
    flight.bytes = malloc(size);
    assert_non_null(flight.bytes);
    memcpy(flight.bytes, bytes, size);
    flight.at_ns = rig->now_ns + RIG_DELAY_NS;
    rig->copies = 0;
    if (rig->wire != NULL && !rig->wire(rig, &flight)) {
        free(flight.bytes);
        return;
    }
    for (unsigned i = 0; i < rig->copies; i++) {
        struct rig_flight copy = flight;
        copy.bytes = malloc(flight.size);
        assert_non_null(copy.bytes);
        memcpy(copy.bytes, flight.bytes, flight.size);
        copy.order = rig->order++;
        assert_true(rig->in_flight < RIG_FLIGHTS);
        rig->flights[rig->in_flight++] = copy;
    }
    flight.order = rig->order++;
    assert_true(rig->in_flight < RIG_FLIGHTS);
    rig->flights[rig->in_flight++] = flight;
}

static inline void rig_sent(struct rig *rig, struct rig_end *end, const struct node_out_send *send)
{
    struct rig_flight flight = {.from = end->addr, .to = send->remote};
    uint32_t each = send->segment > 0 ? send->segment : send->size;
    assert_int_equal(send->socket, NODE_SOCKET_TUNNEL);
    end->trains++;
    end->sent_bytes += send->size;
    for (uint32_t at = 0; at < send->size; at += each) {
        uint32_t size = send->size - at < each ? send->size - at : each;
        enum tunnel_message_type type = tunnel_message_type(send->bytes + at, size);
        assert_int_not_equal(type, TUNNEL_NO_MESSAGE);
        if (type == TUNNEL_INITIATION && end->sent[type] < RIG_TIMES)
            end->initiated_ns[end->sent[type]] = rig->now_ns;
        end->sent[type]++;
        end->datagrams++;
        if (!rig->whole)
            rig_fly(rig, flight, send->bytes + at, size);
    }
    flight.segment = send->segment;
    if (rig->whole)
        rig_fly(rig, flight, send->bytes, send->size);
}

static inline void rig_input(struct rig *rig, struct rig_end *end, struct node_in in)
{
    struct node_out out;
    in.now_ns = rig->now_ns;
    node_input(end->node, &in);
    while (node_output(end->node, &out)) {
        if (out.kind == NODE_OUT_SEND) {
            rig_sent(rig, end, &out.send);
            continue;
        }
        assert_int_equal(out.kind, NODE_OUT_PACKET);
        uint32_t each = out.packet.segment > 0 ? out.packet.segment : out.packet.size;
        assert_in_range(out.packet.size, 1, NODE_PACKETS_MAX);
        for (uint32_t at = 0; at < out.packet.size; at += each)
            end->log[end->packets++ % RIG_LOG] = out.packet.bytes[at + 5];
        end->packet_outputs++;
        end->last_size = out.packet.size;
        end->last_segment = each;
        memcpy(end->last, out.packet.bytes, out.packet.size);
    }
    if (in.kind == NODE_IN_DEADLINE)
        assert_true(node_deadline(end->node) > rig->now_ns);
}

static inline uint64_t rig_count(const struct rig *rig, unsigned end, enum trace_kind kind)
{
    return node_count(rig->ends[end].node, kind);
}

static inline void rig_identify(struct rig *rig, unsigned number)
{
    struct rig_end *end = &rig->ends[number];
    uint8_t bytes[CERTIFICATE_SIZE_MAX];
    struct seed root = seed_of(SEED_ROOT), own = seed_of((uint8_t)(20 + number));
    struct seed tunnel = seed_of((uint8_t)(120 + number));
    struct certificate certificate = certificate_sample();
    memcpy(end->private_key, tunnel.bytes, sizeof end->private_key);
    crypto_real.x25519_public(end->public_key, end->private_key);
    put_identity(certificate.identity, (uint8_t)(20 + number));
    memcpy(certificate.tunnel_key, end->public_key, sizeof certificate.tunnel_key);
    assert_true(certificate_sign(&certificate, &crypto_real, root.bytes));
    struct node_in in = {.kind = NODE_IN_IDENTITY};
    in.identity.certificate = bytes;
    in.identity.certificate_size = (uint32_t)certificate_encode(&certificate, bytes, sizeof bytes);
    memcpy(in.identity.seed, own.bytes, sizeof in.identity.seed);
    memcpy(in.identity.tunnel_key, end->private_key, sizeof in.identity.tunnel_key);
    put_identity(in.identity.root, SEED_ROOT);
    rig_input(rig, end, in);
    assert_int_equal(rig_count(rig, number, TRACE_IDENTITY_REFUSED), 0);
}

static inline void rig_wall(struct rig *rig, unsigned end, uint64_t wall_s)
{
    rig_input(rig, &rig->ends[end],
              (struct node_in){.kind = NODE_IN_WALL_CLOCK, .wall_clock.now_s = wall_s});
}

static inline struct addr rig_addr(unsigned number)
{
    return addr_v4(0xc0000201u + number, RIG_PORT);
}

/* Ends that do not know each other yet. */
static inline void rig_init(struct rig *rig, unsigned count)
{
    memset(rig, 0, sizeof *rig);
    rig_crypto_init();
    rig->count = count;
    rig->now_ns = 1000 * RIG_S;
    for (unsigned i = 0; i < count; i++) {
        struct rig_end *end = &rig->ends[i];
        const uint8_t seed[RANDOM_SEED_SIZE] = {'r', 'i', 'g', (uint8_t)i};
        end->size = node_size(&rig_limits);
        end->block = calloc(1, end->size);
        assert_non_null(end->block);
        end->node = node_init(end->block, end->size, &rig_limits, seed, &rig_crypto.env);
        end->addr = rig_addr(i);
        rig_wall(rig, i, RIG_WALL_S);
        rig_identify(rig, i);
    }
}

static inline void rig_end(struct rig *rig)
{
    for (unsigned i = 0; i < rig->count; i++)
        free(rig->ends[i].block);
    for (unsigned i = 0; i < rig->in_flight; i++)
        free(rig->flights[i].bytes);
    memset(rig, 0, sizeof *rig);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

static inline struct addr rig_inner4(unsigned number)
{
    return addr_v4(0x0a000001u + number, 0);
}

static inline struct addr rig_inner6(unsigned number)
{
    const uint8_t ip[16] = {0xfd, [15] = (uint8_t)(number + 1)};
    return addr_v6(ip, 0);
}

/* What another end tells of this one: its key, its place and its two inner addresses. */
static inline struct node_in rig_peer(const struct rig *rig, unsigned number)
{
    struct node_in in = {.kind = NODE_IN_PEER};
    struct addr v4 = rig_inner4(number), v6 = rig_inner6(number);
    memcpy(in.peer.key, rig->ends[number].public_key, sizeof in.peer.key);
    in.peer.subnets[0] = subnet_of(&v4, 32);
    in.peer.subnets[1] = subnet_of(&v6, 128);
    in.peer.subnet_count = 2;
    in.peer.endpoint = rig->ends[number].addr;
    return in;
}

/* Whether the end took it. */
static inline bool rig_tell(struct rig *rig, unsigned end, struct node_in in)
{
    uint64_t invalid = rig_count(rig, end, TRACE_COMMAND_INVALID);
    rig_input(rig, &rig->ends[end], in);
    return rig_count(rig, end, TRACE_COMMAND_INVALID) == invalid;
}

static inline void rig_meet(struct rig *rig, unsigned a, unsigned b)
{
    assert_true(rig_tell(rig, a, rig_peer(rig, b)));
    assert_true(rig_tell(rig, b, rig_peer(rig, a)));
}

/* The end's figures of one of its peers, by key. */
static inline bool rig_figures(struct rig *rig, unsigned end, unsigned of, struct node_peer *peer)
{
    uint32_t cursor = 0;
    while (node_peers(rig->ends[end].node, &cursor, peer))
        if (memcmp(peer->key, rig->ends[of].public_key, sizeof peer->key) == 0)
            return true;
    return false;
}

/* ---- Packets --------------------------------------------------------------------------------- */

static inline uint16_t rig_checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

/* A packet of `size` bytes, at least a header's; what is behind depends on `number`. */
static inline void rig_packet(uint8_t *to, uint32_t size, struct addr from, struct addr dest,
                              uint8_t number)
{
    uint32_t header = from.family == ADDR_V4 ? 20 : 40;
    assert_true(size >= header);
    memset(to, 0, header);
    if (from.family == ADDR_V4) {
        const uint8_t begin[] = {0x45, 0, (uint8_t)(size >> 8), (uint8_t)size, 0, number, 0, 0,
                                 64,   17};
        memcpy(to, begin, sizeof begin);
        memcpy(to + 12, from.ip, 4);
        memcpy(to + 16, dest.ip, 4);
        uint16_t checksum = rig_checksum(to, 20);
        to[10] = (uint8_t)(checksum >> 8);
        to[11] = (uint8_t)checksum;
    } else {
        const uint8_t begin[] = {0x60, 0, 0, 0, (uint8_t)((size - 40) >> 8), (uint8_t)(size - 40),
                                 17,   64};
        memcpy(to, begin, sizeof begin);
        memcpy(to + 8, from.ip, 16);
        memcpy(to + 24, dest.ip, 16);
    }
    for (uint32_t i = header; i < size; i++)
        to[i] = (uint8_t)(number + i * 7 + 1);
}

static inline void rig_give(struct rig *rig, unsigned end, const uint8_t *bytes, uint32_t size,
                            uint32_t segment)
{
    struct node_in in = {.kind = NODE_IN_PACKET,
                         .packet = {.bytes = bytes, .size = size, .segment = segment}};
    rig_input(rig, &rig->ends[end], in);
}

/* The host of one end sends a packet to the other: IPv4. */
static inline void rig_send(struct rig *rig, unsigned from, unsigned dest, uint32_t size,
                            uint8_t number)
{
    uint8_t bytes[NODE_PACKET_MAX];
    assert_true(size <= sizeof bytes);
    rig_packet(bytes, size, rig_inner4(from), rig_inner4(dest), number);
    rig_give(rig, from, bytes, size, 0);
}

/* The last packet that this end's host got is exactly that one. */
static inline bool rig_got(const struct rig *rig, unsigned from, unsigned dest, uint32_t size,
                           uint8_t number)
{
    uint8_t bytes[NODE_PACKET_MAX];
    const struct rig_end *end = &rig->ends[dest];
    rig_packet(bytes, size, rig_inner4(from), rig_inner4(dest), number);
    return end->last_size == size && memcmp(end->last, bytes, size) == 0;
}

/* ---- Time ------------------------------------------------------------------------------------ */

static inline void rig_datagram(struct rig *rig, unsigned end, struct addr from,
                                const uint8_t *bytes, uint32_t size, uint32_t segment)
{
    struct node_in in = {.kind = NODE_IN_DATAGRAM};
    in.datagram = (struct node_in_datagram){.socket = NODE_SOCKET_TUNNEL,
                                            .local = rig->ends[end].addr,
                                            .remote = from,
                                            .bytes = bytes,
                                            .size = size,
                                            .segment = segment};
    rig_input(rig, &rig->ends[end], in);
}

static inline void rig_land(struct rig *rig, unsigned index)
{
    struct rig_flight flight = rig->flights[index];
    rig->flights[index] = rig->flights[--rig->in_flight];
    struct rig_end *end = rig_end_at(rig, &flight.to);
    if (end != NULL)
        rig_datagram(rig, (unsigned)(end - rig->ends), flight.from, flight.bytes, flight.size,
                     flight.segment);
    free(flight.bytes);
}

/* One event up to this time, of those that are due at once a deadline first; false: none. */
static inline bool rig_step(struct rig *rig, uint64_t until_ns)
{
    uint64_t at_ns = UINT64_MAX;
    unsigned which = 0, first = 0;
    for (unsigned i = 0; i < rig->count; i++)
        if (node_deadline(rig->ends[i].node) < at_ns) {
            at_ns = node_deadline(rig->ends[i].node);
            which = i;
        }
    for (unsigned i = 1; i < rig->in_flight; i++) {
        const struct rig_flight *a = &rig->flights[i], *b = &rig->flights[first];
        if (a->at_ns < b->at_ns || (a->at_ns == b->at_ns && a->order < b->order))
            first = i;
    }
    bool lands = rig->in_flight > 0 && rig->flights[first].at_ns < at_ns;
    if (lands)
        at_ns = rig->flights[first].at_ns;
    if (at_ns > until_ns)
        return false;
    if (at_ns > rig->now_ns)
        rig->now_ns = at_ns;
    if (lands)
        rig_land(rig, first);
    else
        rig_input(rig, &rig->ends[which], (struct node_in){.kind = NODE_IN_DEADLINE});
    return true;
}

static inline void rig_run(struct rig *rig, uint64_t for_ns)
{
    uint64_t until_ns = rig->now_ns + for_ns;
    while (rig_step(rig, until_ns))
        ;
    rig->now_ns = until_ns;
}

/* Two ends that have a session, begun by the first. */
static inline void rig_pair(struct rig *rig)
{
    rig_init(rig, 2);
    rig_meet(rig, 0, 1);
    rig_send(rig, 0, 1, 100, 1);
    rig_run(rig, RIG_S);
    assert_int_equal(rig->ends[1].packets, 1);
}

/* ---- What the wire may do -------------------------------------------------------------------- */

/* A datagram that was seen on the wire. */
struct rig_seen {
    struct addr from;
    uint8_t bytes[2048];
    uint32_t size;
};
static struct rig_seen rig_seen[RIG_TYPES]; /* the last one, by type */

static inline bool rig_watch(struct rig *rig, struct rig_flight *flight)
{
    (void)rig;
    struct rig_seen *last = &rig_seen[tunnel_message_type(flight->bytes, flight->size)];
    assert_true(flight->size <= sizeof last->bytes);
    last->from = flight->from;
    last->size = flight->size;
    memcpy(last->bytes, flight->bytes, flight->size);
    return true;
}

static inline bool rig_cut(struct rig *rig, struct rig_flight *flight)
{
    rig_watch(rig, flight);
    return false;
}

static inline bool rig_twice(struct rig *rig, struct rig_flight *flight)
{
    rig->copies = 1;
    return rig_watch(rig, flight);
}

/* Somebody sends what was seen once more, from wherever. */
static inline void rig_again(struct rig *rig, unsigned end, const struct rig_seen *what,
                             struct addr from)
{
    rig_datagram(rig, end, from, what->bytes, what->size, 0);
}

/* Whether the bytes are anywhere in the node. */
static inline bool rig_holds(const struct rig *rig, unsigned end, const uint8_t *bytes, size_t size)
{
    const uint8_t *block = rig->ends[end].block;
    for (size_t i = 0; i + size <= rig->ends[end].size; i++)
        if (block[i] == bytes[0] && memcmp(block + i, bytes, size) == 0)
            return true;
    return false;
}

/* ---- A stranger ------------------------------------------------------------------------------ */

/* An initiation to this end under any key, with any timestamp, and whether with a cookie. */
static inline void rig_forge(const struct rig *rig, unsigned end, uint8_t key, uint64_t timestamp,
                             const uint8_t *cookie, uint8_t bytes[static TUNNEL_INITIATION_SIZE])
{
    struct noise_self self;
    struct noise_peer peer;
    struct noise_handshake handshake;
    const uint8_t no_psk[NOISE_KEY_SIZE] = {0};
    uint8_t tai[TUNNEL_TIMESTAMP_SIZE] = {0x40};
    struct seed private_key = seed_of(key), ephemeral = seed_of((uint8_t)(key + 1));
    struct tunnel_initiation initiation = {.sender = 0x01020304};
    for (unsigned i = 0; i < 8; i++)
        tai[4 + i] = (uint8_t)(timestamp >> (8 * (7 - i)));
    noise_self_init(&self, &crypto_real, private_key.bytes);
    assert_true(noise_peer_init(&peer, &crypto_real, &self, rig->ends[end].public_key, no_psk));
    noise_initiate(&handshake, &crypto_real, &self, &peer, ephemeral.bytes, tai, &initiation);
    tunnel_initiation_encode(&initiation, bytes);
    noise_write_macs(&crypto_real, &peer, cookie, bytes, TUNNEL_INITIATION_SIZE);
}

#endif
