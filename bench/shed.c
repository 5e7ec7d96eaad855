/*
 * How many forged frames a server sheds per processor second, by kind, without an asymmetric
 * operation, while clients in session with it go on and lose nothing; beside it, in the same run,
 * what one keyed BLAKE2s of the same bytes takes: less than that no check of a mac can.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "core/base/random.h"
#include "core/frame/keys.h"
#include "core/frame/seal.h"
#include "core/warren.h"
#include "crypto/crypto.h"
#include "scenarios/runner/mesh.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
    ROUNDS = 3,
    FRAMES = 200000, /* per measurement */
    DISTINCT = 1024, /* forged frames, in turn */
    EVERY = 100,     /* forged frames between two of a legitimate client */
    CLIENTS = 16,    /* in pairs */
    LETTERS = 256,
    FRAME_ROOM = 1500,
    INTRODUCTION = 480, /* bytes of a member's, about */
};

/* ---- Operations that are counted --------------------------------------------------------------- */

static struct crypto counting;
static uint64_t asymmetric;

static bool count_x25519(uint8_t shared[static CRYPTO_X25519_SIZE],
                         const uint8_t private_key[static CRYPTO_X25519_SIZE],
                         const uint8_t public_key[static CRYPTO_X25519_SIZE])
{
    asymmetric++;
    return crypto_real.x25519(shared, private_key, public_key);
}

static bool count_verify(const uint8_t signature[static CRYPTO_ED25519_SIGNATURE_SIZE],
                         const uint8_t public_key[static CRYPTO_ED25519_PUBLIC_SIZE],
                         const uint8_t *message, size_t size)
{
    asymmetric++;
    return crypto_real.ed25519_verify(signature, public_key, message, size);
}

static uint64_t processor_ns(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* ---- Nodes, and the wire between them ---------------------------------------------------------- */

/* A node at an address. Clients reach the server and are reached by it, but not by each other. */
struct peer {
    struct node *node;
    struct addr addr;
    uint32_t socket;
};

/* A datagram under way. */
struct letter {
    struct peer *from, *to;
    uint32_t size;
    uint8_t bytes[FRAME_ROOM];
};

static struct peer server;
static struct peer clients[CLIENTS];
static struct letter letters[LETTERS]; /* a ring */
static uint32_t letters_in, letters_out;
static uint64_t now_ns;
static uint64_t homes; /* times that a client said it has one, or none */
static uint64_t carried, delivered;

static struct peer *peer_at(const struct peer *from, const struct addr *addr)
{
    if (from != &server)
        return addr_equal(addr, &server.addr) ? &server : NULL;
    for (unsigned i = 0; i < CLIENTS; i++)
        if (addr_equal(addr, &clients[i].addr))
            return &clients[i];
    return NULL;
}

/* One input, and all that comes out of it. */
static void feed(struct peer *peer, struct node_in *in)
{
    struct node_out out;
    in->now_ns = now_ns;
    node_input(peer->node, in);
    while (node_output(peer->node, &out)) {
        homes += out.kind == NODE_OUT_HOME;
        delivered += out.kind == NODE_OUT_DELIVER;
        struct peer *to = out.kind == NODE_OUT_SEND ? peer_at(peer, &out.send.remote) : NULL;
        if (to == NULL)
            continue;
        struct letter *letter = &letters[letters_in++ % LETTERS];
        check(letters_in - letters_out <= LETTERS && out.send.size <= FRAME_ROOM);
        letter->from = peer;
        letter->to = to;
        letter->size = out.send.size;
        memcpy(letter->bytes, out.send.bytes, out.send.size);
    }
}

static void arrive(struct peer *to, const struct addr *from, const uint8_t *bytes, uint32_t size)
{
    struct node_in in = {.kind = NODE_IN_DATAGRAM,
                         .datagram = {.socket = to->socket,
                                      .local = to->addr,
                                      .remote = *from,
                                      .bytes = bytes,
                                      .size = size}};
    feed(to, &in);
}

/* Carries until nothing is under way. */
static void carry_all(void)
{
    while (letters_out != letters_in) {
        const struct letter *letter = &letters[letters_out % LETTERS];
        arrive(letter->to, &letter->from->addr, letter->bytes, letter->size);
        letters_out++;
    }
}

static void begin(struct peer *peer, const char *name, const char *issuer,
                  const struct node_limits *limits)
{
    static const struct node_env env = {.crypto = &counting};
    uint8_t seed[RANDOM_SEED_SIZE] = {0};
    memcpy(seed, name, strlen(name));
    size_t size = node_size(limits);
    void *memory = calloc(1, size);
    check(memory != NULL);
    peer->node = node_init(memory, size, limits, seed, &env);
    struct node_in in = {.kind = NODE_IN_WALL_CLOCK, .wall_clock = {.now_s = MESH_CLOCK_S}};
    feed(peer, &in);
    mesh_identity(&in, name, issuer, 1);
    feed(peer, &in);
}

static void begin_all(void)
{
    server = (struct peer){.addr = addr_v4(0xc6120001, 51941), .socket = NODE_SOCKET_PUNCH};
    begin(&server, "server", NULL, &node_limits_server);
    struct node_in in = {.kind = NODE_IN_SERVE_MESH,
                         .serve_mesh = {.punch_port = 51941, .relay_port = 9103}};
    feed(&server, &in);
    for (unsigned i = 0; i < CLIENTS; i++) {
        char name[16];
        struct endpoint endpoint = {.addr = server.addr, .role = ENDPOINT_PUNCH};
        (void)snprintf(name, sizeof name, "client%u", i);
        clients[i] =
            (struct peer){.addr = addr_v4(0xc6130001 + i, 51940), .socket = NODE_SOCKET_TRAFFIC};
        begin(&clients[i], name, "server", &node_limits_client);
        mesh_server(&in, "server", &endpoint, 1);
        feed(&clients[i], &in);
        in = (struct node_in){.kind = NODE_IN_NETWORK,
                              .network = {.count = 1, .traffic_port = 51940}};
        in.network.addresses[0] = addr_with_port(clients[i].addr, 0);
        feed(&clients[i], &in);
        carry_all();
    }
}

static void connect_pairs(void)
{
    for (unsigned i = 0; i < CLIENTS; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "client%u", i ^ 1);
        struct node_in in = {.kind = NODE_IN_CONNECT};
        memcpy(in.connect.peer, mesh_key(name), sizeof in.connect.peer);
        feed(&clients[i], &in);
        carry_all();
    }
}

/* What a client has to say by itself, and a datagram for its peer, which the server relays. */
static void legitimate(unsigned turn)
{
    static const uint8_t data[100] = {4};
    unsigned who = turn % CLIENTS;
    char name[16];
    (void)snprintf(name, sizeof name, "client%u", who ^ 1);
    struct node_in in = {.kind = NODE_IN_DEADLINE};
    feed(&clients[who], &in);
    in = (struct node_in){.kind = NODE_IN_CARRY, .carry = {.bytes = data, .size = sizeof data}};
    memcpy(in.carry.peer, mesh_key(name), sizeof in.carry.peer);
    feed(&clients[who], &in);
    carried++;
    carry_all();
}

/* ---- Forgeries ---------------------------------------------------------------------------------- */

enum forgery { WRONG_MAC1, NO_COOKIE, RANDOM_SEALED, NO_CHANNEL, MALFORMED, FORGERIES };

static const char *const names[FORGERIES] = {"HELLO, wrong mac1", "HELLO, no cookie, load",
                                             "SEALED, random", "DATA, no channel", "malformed"};

struct forged {
    uint32_t size;
    uint8_t bytes[FRAME_ROOM];
};

static struct forged forged[DISTINCT];

static void forge(enum forgery kind)
{
    static const uint8_t types[FORGERIES] = {FRAME_HELLO, FRAME_HELLO, FRAME_SEALED, FRAME_DATA,
                                             99};
    struct random_stream stream;
    uint8_t seed[RANDOM_SEED_SIZE] = {0}, key[KEYS_SIZE], public_key[32];
    struct node_in in;
    random_stream_init(&stream, seed, "shed", 4);
    mesh_identity(&in, "server", NULL, 0);
    crypto_real.x25519_public(public_key, in.identity.tunnel_key);
    keys_mac1(&crypto_real, key, public_key);
    for (unsigned i = 0; i < DISTINCT; i++) {
        struct forged *f = &forged[i];
        f->size = kind <= NO_COOKIE ? FRAME_HELLO_SIZE + SEAL_HELLO_FRONT + INTRODUCTION : 200;
        for (uint32_t k = 0; k < f->size; k++)
            f->bytes[k] = (uint8_t)random_u64(&stream);
        const uint8_t header[FRAME_HEADER_SIZE] = {FRAME_FIRST_BYTE, FRAME_VERSION, types[kind], 0};
        memcpy(f->bytes, header, sizeof header);
        size_t covered = f->size - 2 * FRAME_MAC_SIZE;
        if (kind == NO_COOKIE)
            keys_mac(&crypto_real, f->bytes + covered, key, sizeof key, f->bytes, covered);
    }
}

struct measured {
    double each_ns;
    uint64_t asymmetric;
    uint64_t carried; /* of legitimate datagrams */
    uint64_t lost;    /* of them, and homes */
};

/* Keyed BLAKE2s over the same bytes, through the same table. */
static double measure_hash(void)
{
    double best = 0;
    uint8_t key[32] = {1}, mac[FRAME_MAC_SIZE];
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t start_ns = processor_ns();
        for (uint32_t i = 0; i < FRAMES; i++) {
            const struct forged *f = &forged[i % DISTINCT];
            keys_mac(&crypto_real, mac, key, sizeof key, f->bytes, f->size);
            key[1] ^= mac[0];
        }
        double each_ns = (double)(processor_ns() - start_ns) / FRAMES;
        if (round == 0 || each_ns < best)
            best = each_ns;
    }
    return best;
}

/* Legitimate clients speak between, outside of the time that is measured. */
static struct measured measure(enum forgery kind)
{
    struct measured result = {.each_ns = 0};
    uint64_t before_homes = homes, before_carried = carried, before_delivered = delivered;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t spent_ns = 0;
        if (kind == NO_COOKIE) /* the tokens of the load are spent first */
            for (unsigned i = 0; i < 2 * SEAL_LOAD_BURST; i++) {
                struct addr from = addr_v4(0x0b000000 + i, 7);
                arrive(&server, &from, forged[i % DISTINCT].bytes, forged[i % DISTINCT].size);
            }
        uint64_t before = asymmetric;
        for (uint32_t i = 0; i < FRAMES; i += EVERY) {
            uint64_t start_ns = processor_ns();
            for (uint32_t k = i; k < i + EVERY; k++) {
                const struct forged *f = &forged[k % DISTINCT];
                struct addr from = addr_v4(0x0b000000 + k * 7919 % 0xffffff, 7);
                arrive(&server, &from, f->bytes, f->size);
            }
            spent_ns += processor_ns() - start_ns;
            /* A load is of one moment; otherwise a flood of 100,000 a second. */
            if (kind != NO_COOKIE)
                now_ns += UINT64_C(10000) * EVERY;
            legitimate(i / EVERY);
        }
        result.asymmetric += asymmetric - before;
        double each_ns = (double)spent_ns / FRAMES;
        if (round == 0 || each_ns < result.each_ns)
            result.each_ns = each_ns;
        now_ns += 10 * NS_PER_SECOND;
        for (unsigned i = 0; i < CLIENTS; i++)
            legitimate(i);
    }
    result.carried = carried - before_carried;
    result.lost = result.carried - (delivered - before_delivered) + homes - before_homes;
    return result;
}

int main(void)
{
    counting = crypto_real;
    counting.x25519 = count_x25519;
    counting.ed25519_verify = count_verify;
    now_ns = NS_PER_SECOND;
    begin_all();
    for (unsigned i = 0; i < 4 * CLIENTS; i++) {
        now_ns += NS_PER_SECOND / 4;
        legitimate(i);
    }
    check(homes == CLIENTS);
    connect_pairs();
    for (unsigned i = 0; i < CLIENTS; i++)
        legitimate(i);
    printf("%-24s %6s %12s %9s %11s %7s %11s %8s %5s\n", "forged", "bytes", "shed/s", "ns each",
           "BLAKE2s ns", "ratio", "asymmetric", "carried", "lost");
    for (unsigned kind = 0; kind < FORGERIES; kind++) {
        forge((enum forgery)kind);
        double hash_ns = measure_hash();
        struct measured m = measure((enum forgery)kind);
        printf("%-24s %6" PRIu32 " %12.0f %9.1f %11.1f %7.2f %11" PRIu64 " %8" PRIu64 " %5" PRIu64
               "\n",
               names[kind], forged[0].size, 1e9 / m.each_ns, m.each_ns, hash_ns,
               m.each_ns / hash_ns, m.asymmetric, m.carried, m.lost);
        (void)fflush(stdout);
    }
    printf(
        "The ratio is of the time for one frame, input and output of the node included, to that\n"
        "of one keyed BLAKE2s of its bytes. Between the forged frames %d clients carry data to\n"
        "each other through the server's relay, and keep their registrations: lost counts what of\n"
        "it did not arrive, and homes that changed.\n",
        CLIENTS);
    free(server.node);
    for (unsigned i = 0; i < CLIENTS; i++)
        free(clients[i].node);
    return 0;
}
