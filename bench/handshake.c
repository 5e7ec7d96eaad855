/*
 * What a flood of handshakes costs a server's tunnel, by kind, in processor time for one message
 * and in Diffie-Hellmans for a second of flood; whether stock peers in session lose anything to it,
 * and how long one that comes anew has to wait; and what handshakes of peers that it knows cost.
 * Beside it, in the same run, one keyed BLAKE2s and one X25519: less than the first no check of a
 * mac can take, and a handshake less than four of the second.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "core/base/random.h"
#include "core/tunnel/noise.h"
#include "core/warren.h"
#include "crypto/crypto.h"
#include "scenarios/runner/mesh.h"

#define NS_PER_SECOND UINT64_C(1000000000)

enum {
    FLOOD_PER_SECOND = 20000, /* of the node's time: ten times the handshakes that it allows */
    FLOOD_MIN_S = 10,
    FLOOD_MAX_S = 30,
    LATE_S = 1,      /* when the one comes that comes late */
    EVERY = 100,     /* messages of the flood between two of somebody in session */
    DISTINCT = 4096, /* messages of the flood, in turn */
    COOKIES = 64,    /* addresses that have fetched a cookie */
    CLIENTS = 16,
    LATE = 4, /* peers that come during a flood, each during another */
    PEERS = CLIENTS + LATE,
    HONEST = 2000, /* handshakes */
    LETTERS = 256,
    ROOM = 1500,
    INNER = 100, /* bytes of a packet in the tunnel */
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

static void count_x25519_public(uint8_t public_key[static CRYPTO_X25519_SIZE],
                                const uint8_t private_key[static CRYPTO_X25519_SIZE])
{
    asymmetric++;
    crypto_real.x25519_public(public_key, private_key);
}

static uint64_t processor_ns(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* ---- Nodes, and the wire between them ---------------------------------------------------------- */

struct peer {
    struct node *node;
    struct addr addr;
    char name[16];
    uint32_t inside; /* its address in the tunnel */
};

struct letter {
    struct peer *from, *to;
    uint32_t size;
    uint8_t bytes[ROOM];
};

static struct peer server;
static struct peer peers[PEERS];
static struct letter letters[LETTERS]; /* a ring */
static uint32_t letters_in, letters_out;
static struct addr watched; /* what the server sends there is kept */
static uint8_t reply[ROOM];
static uint32_t reply_size;
static uint64_t now_ns;
static uint64_t sent;      /* packets of those in session, and to them */
static uint64_t delivered; /* of them */
static const struct peer *late = &peers[CLIENTS];
static uint64_t late_came; /* and of the one that comes late */

static struct peer *peer_at(const struct peer *from, const struct addr *addr)
{
    if (from != &server)
        return addr_equal(addr, &server.addr) ? &server : NULL;
    for (unsigned i = 0; i < PEERS; i++)
        if (addr_equal(addr, &peers[i].addr))
            return &peers[i];
    return NULL;
}

static void post(struct peer *from, const struct node_out_send *send, uint32_t at, uint32_t size)
{
    if (from == &server && addr_equal(&send->remote, &watched)) {
        memcpy(reply, send->bytes + at, size);
        reply_size = size;
    }
    struct peer *to = peer_at(from, &send->remote);
    if (to == NULL)
        return;
    struct letter *letter = &letters[letters_in++ % LETTERS];
    check(letters_in - letters_out <= LETTERS && size <= ROOM);
    letter->from = from;
    letter->to = to;
    letter->size = size;
    memcpy(letter->bytes, send->bytes + at, size);
}

/* A packet has come through the tunnel; whose it is says its source address. */
static void take_packet(const struct peer *peer, const uint8_t *packet)
{
    uint8_t from = packet[15];
    delivered += peer != &server || from < (uint8_t)peers[CLIENTS].inside;
    late_came += peer == &server && from == (uint8_t)late->inside;
}

/* One input, and all that comes out of it. */
static void feed(struct peer *peer, struct node_in *in)
{
    struct node_out out;
    in->now_ns = now_ns;
    node_input(peer->node, in);
    while (node_output(peer->node, &out)) {
        uint32_t inner = out.kind == NODE_OUT_PACKET ? out.packet.size : 0;
        for (uint32_t at = 0; at < inner; at += INNER)
            take_packet(peer, out.packet.bytes + at);
        if (out.kind != NODE_OUT_SEND)
            continue;
        uint32_t each = out.send.segment > 0 ? out.send.segment : out.send.size;
        for (uint32_t at = 0; at < out.send.size; at += each)
            post(peer, &out.send, at, out.send.size - at < each ? out.send.size - at : each);
    }
}

static void arrive(struct peer *to, const struct addr *from, const uint8_t *bytes, uint32_t size)
{
    struct node_in in = {.kind = NODE_IN_DATAGRAM,
                         .datagram = {.socket = NODE_SOCKET_TUNNEL,
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

static void look_at_clock(struct peer *peer)
{
    struct node_in in = {.kind = NODE_IN_DEADLINE};
    if (node_deadline(peer->node) <= now_ns)
        feed(peer, &in);
}

static void look_at_clocks(void)
{
    look_at_clock(&server);
    for (unsigned i = 0; i < PEERS; i++)
        look_at_clock(&peers[i]);
    carry_all();
}

/* All of them are servers, for clients have more to do before they hear anything. */
static void begin(struct peer *peer, const struct node_limits *limits)
{
    static const struct node_env env = {.crypto = &counting};
    uint8_t seed[RANDOM_SEED_SIZE] = {0};
    memcpy(seed, peer->name, strlen(peer->name));
    size_t size = node_size(limits);
    void *memory = calloc(1, size);
    check(memory != NULL);
    peer->node = node_init(memory, size, limits, seed, &env);
    struct node_in in = {.kind = NODE_IN_WALL_CLOCK, .wall_clock = {.now_s = MESH_CLOCK_S}};
    feed(peer, &in);
    mesh_identity(&in, peer->name, NULL, 0);
    feed(peer, &in);
}

/* To each other they are stock peers, and the server does not know where the others are. */
static void introduce(struct peer *to, const struct peer *peer)
{
    struct node_in in = {.kind = NODE_IN_PEER, .peer = {.subnet_count = 1}};
    memcpy(in.peer.key, mesh_tunnel_key(peer->name), sizeof in.peer.key);
    in.peer.subnets[0] = (struct subnet){.addr = addr_v4(peer->inside, 0), .bits = 32};
    if (peer == &server)
        in.peer.endpoint = server.addr;
    feed(to, &in);
}

static void begin_all(void)
{
    server =
        (struct peer){.addr = addr_v4(0xc6120001, 51940), .name = "server", .inside = 0x0a400001};
    begin(&server, &node_limits_server);
    for (unsigned i = 0; i < PEERS; i++) {
        peers[i] = (struct peer){.addr = addr_v4(0xc6130001 + i, 51940), .inside = 0x0a400101 + i};
        (void)snprintf(peers[i].name, sizeof peers[i].name, "client%u", i);
        begin(&peers[i], &node_limits_client);
        introduce(&server, &peers[i]);
        introduce(&peers[i], &server);
    }
}

static void write_ip(uint8_t *to, uint32_t ip)
{
    for (unsigned i = 0; i < 4; i++)
        to[i] = (uint8_t)(ip >> (24 - 8 * i));
}

/* A packet, as the host of `from` sends it. */
static void send_packet(struct peer *from, const struct peer *to)
{
    uint8_t packet[INNER] = {0x45, 0, 0, INNER, [8] = 64, [9] = 17};
    write_ip(packet + 12, from->inside);
    write_ip(packet + 16, to->inside);
    struct node_in in = {.kind = NODE_IN_PACKET,
                         .packet = {.bytes = packet, .size = sizeof packet}};
    feed(from, &in);
    carry_all();
}

/* One in session sends to the server and is answered. */
static void legitimate(unsigned turn)
{
    send_packet(&peers[turn % CLIENTS], &server);
    send_packet(&server, &peers[turn % CLIENTS]);
    sent += 2;
}

/* ---- The flood --------------------------------------------------------------------------------- */

enum flood { WRONG_MAC1, NO_COOKIE, WITH_COOKIE, NO_SESSION, FLOODS };

static const char *const names[FLOODS] = {"initiation, wrong mac1", "initiation, stranger, no mac2",
                                          "initiation, stranger, mac2", "data for no session"};

struct forged {
    struct addr from;
    uint32_t size;
    uint8_t bytes[TUNNEL_INITIATION_SIZE];
};

static struct forged forged[DISTINCT];
static struct random_stream stream;

static void draw(uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)random_u64(&stream);
}

static struct addr spoofed(uint32_t n)
{
    return addr_v4(0x0b000000 + n * 7919 % 0xffffff, 7);
}

/* An attacker knows the server's public key, as everybody may, and has one that nobody knows. */
static void stranger(struct noise_self *self, struct noise_peer *to)
{
    static const uint8_t none[NOISE_KEY_SIZE];
    uint8_t key[NOISE_KEY_SIZE];
    draw(key, sizeof key);
    noise_self_init(self, &crypto_real, key);
    bool ok = noise_peer_init(to, &crypto_real, self, mesh_tunnel_key("server"), none);
    check(ok);
}

static void write_initiation(uint8_t *bytes, const struct noise_self *self,
                             const struct noise_peer *to, const uint8_t *cookie,
                             struct noise_handshake *handshake, uint64_t number)
{
    struct tunnel_initiation message = {.sender = (uint32_t)number};
    uint8_t ephemeral[NOISE_KEY_SIZE], timestamp[TUNNEL_TIMESTAMP_SIZE] = {0xff};
    for (unsigned i = 0; i < 8; i++)
        timestamp[1 + i] = (uint8_t)(number >> (56 - 8 * i));
    draw(ephemeral, sizeof ephemeral);
    noise_initiate(handshake, &crypto_real, self, to, ephemeral, timestamp, &message);
    tunnel_initiation_encode(&message, bytes);
    noise_write_macs(&crypto_real, to, cookie, bytes, TUNNEL_INITIATION_SIZE);
}

/* A cookie for this address, of a server that is under load from others. */
static void fetch_cookie(const struct noise_self *self, const struct noise_peer *to,
                         const struct addr *from, uint8_t cookie[static TUNNEL_COOKIE_SIZE])
{
    struct noise_handshake handshake;
    uint8_t bytes[TUNNEL_INITIATION_SIZE];
    struct tunnel_cookie message;
    watched = *from;
    reply_size = 0;
    for (unsigned tries = 0; reply_size != TUNNEL_COOKIE_REPLY_SIZE; tries++) {
        check(tries < 1000);
        write_initiation(bytes, self, to, NULL, &handshake, tries);
        arrive(&server, from, bytes, sizeof bytes);
    }
    watched = (struct addr){0};
    tunnel_cookie_decode(&message, reply, reply_size);
    bool ok = noise_open_cookie(&crypto_real, to, bytes + sizeof bytes - TUNNEL_MAC1_END, &message,
                                cookie);
    check(ok);
}

static void forge(enum flood kind)
{
    struct noise_self self;
    struct noise_peer to;
    struct noise_handshake handshake;
    uint8_t cookies[COOKIES][TUNNEL_COOKIE_SIZE];
    stranger(&self, &to);
    for (unsigned i = 0; kind == WITH_COOKIE && i < COOKIES; i++) {
        struct addr from = spoofed(i);
        fetch_cookie(&self, &to, &from, cookies[i]);
    }
    for (uint32_t i = 0; i < DISTINCT; i++) {
        struct forged *f = &forged[i];
        f->size = sizeof f->bytes;
        f->from = spoofed(kind == WITH_COOKIE ? i % COOKIES : i);
        write_initiation(f->bytes, &self, &to, kind == WITH_COOKIE ? cookies[i % COOKIES] : NULL,
                         &handshake, i);
        if (kind == WRONG_MAC1)
            f->bytes[f->size - TUNNEL_MAC1_END] ^= 1;
        if (kind == NO_SESSION) {
            draw(f->bytes, f->size);
            memcpy(f->bytes, (const uint8_t[4]){TUNNEL_DATA}, 4);
        }
    }
}

struct measured {
    uint64_t messages;
    uint64_t spent_ns;
    uint64_t flood_ns; /* of the node's time */
    uint64_t asymmetric;
    uint64_t sent;
    uint64_t lost;
    uint64_t waited_ns; /* by the one that came late; 0: in vain */
};

/* Those in session speak between, and one comes anew, outside of the time that is measured. */
static struct measured measure(enum flood kind)
{
    struct measured m = {0};
    late = &peers[CLIENTS + (unsigned)kind];
    uint64_t start_ns = now_ns, sent_before = sent, delivered_before = delivered;
    late_came = 0;
    for (uint32_t turn = 0; now_ns - start_ns < FLOOD_MAX_S * NS_PER_SECOND; turn++) {
        uint64_t before = asymmetric, begin_ns = processor_ns();
        for (uint32_t i = 0; i < EVERY; i++) {
            const struct forged *f = &forged[m.messages++ % DISTINCT];
            now_ns += NS_PER_SECOND / FLOOD_PER_SECOND;
            arrive(&server, &f->from, f->bytes, f->size);
        }
        m.spent_ns += processor_ns() - begin_ns;
        m.asymmetric += asymmetric - before;
        look_at_clocks();
        legitimate(turn);
        if (turn % EVERY == 0 && now_ns - start_ns >= LATE_S * NS_PER_SECOND && late_came == 0)
            send_packet(&peers[CLIENTS + (unsigned)kind], &server);
        if (late_came > 0 && m.waited_ns == 0)
            m.waited_ns = now_ns - start_ns - LATE_S * NS_PER_SECOND;
        if (m.waited_ns != 0 && now_ns - start_ns >= FLOOD_MIN_S * NS_PER_SECOND)
            break;
    }
    m.flood_ns = now_ns - start_ns;
    m.sent = sent - sent_before;
    m.lost = m.sent - (delivered - delivered_before);
    return m;
}

/* ---- What the parts take ----------------------------------------------------------------------- */

static double measure_hash(void)
{
    uint8_t key[NOISE_KEY_SIZE] = {1}, mac[TUNNEL_MAC_SIZE];
    double best = 0;
    for (unsigned round = 0; round < 3; round++) {
        enum { TIMES = 100000 };
        uint64_t start_ns = processor_ns();
        for (uint32_t i = 0; i < TIMES; i++) {
            const struct crypto_span part = {forged[i % DISTINCT].bytes,
                                             TUNNEL_INITIATION_SIZE - TUNNEL_MAC1_END};
            crypto_real.blake2s(mac, sizeof mac, key, sizeof key, &part, 1);
            key[1] ^= mac[0];
        }
        double each_ns = (double)(processor_ns() - start_ns) / TIMES;
        if (round == 0 || each_ns < best)
            best = each_ns;
    }
    return best;
}

static double measure_x25519(void)
{
    uint8_t key[NOISE_KEY_SIZE] = {1}, shared[NOISE_KEY_SIZE];
    double best = 0;
    for (unsigned round = 0; round < 3; round++) {
        enum { TIMES = 2000 };
        uint64_t start_ns = processor_ns();
        for (unsigned i = 0; i < TIMES; i++) {
            bool ok = crypto_real.x25519(shared, key, mesh_tunnel_key("server"));
            check(ok);
            key[1] ^= shared[0];
        }
        double each_ns = (double)(processor_ns() - start_ns) / TIMES;
        if (round == 0 || each_ns < best)
            best = each_ns;
    }
    return best;
}

/* ---- Handshakes of peers that it knows --------------------------------------------------------- */

/*
 * The peer's side is made here and not counted: initiation, the server's response, and an empty
 * message under the new keys, which makes them the session's. Returns the server's part.
 */
static uint64_t handshake(const struct peer *peer, const struct noise_self *self,
                          const struct noise_peer *to, uint64_t number)
{
    struct noise_handshake under_way;
    struct noise_session session;
    struct tunnel_response response;
    uint8_t bytes[TUNNEL_INITIATION_SIZE], nonce[CRYPTO_AEAD_NONCE_SIZE];
    write_initiation(bytes, self, to, NULL, &under_way, number);
    watched = peer->addr;
    reply_size = 0;
    uint64_t start_ns = processor_ns();
    arrive(&server, &peer->addr, bytes, sizeof bytes);
    uint64_t spent_ns = processor_ns() - start_ns;
    check(reply_size == TUNNEL_RESPONSE_SIZE);
    letters_out = letters_in;
    tunnel_response_decode(&response, reply, reply_size);
    bool ok = noise_finish(&under_way, &crypto_real, self, to, &response, &session);
    check(ok);
    tunnel_data_header_encode(response.sender, 0, bytes);
    noise_data_nonce(nonce, 0);
    crypto_real.aead_seal(bytes + TUNNEL_DATA_HEADER_SIZE, session.send, nonce, NULL, 0, bytes, 0);
    start_ns = processor_ns();
    arrive(&server, &peer->addr, bytes, TUNNEL_DATA_SIZE_MIN);
    return spent_ns + processor_ns() - start_ns;
}

static void measure_honest(double x25519_ns)
{
    struct noise_self selves[PEERS];
    struct noise_peer to[PEERS];
    static const uint8_t none[NOISE_KEY_SIZE];
    for (unsigned i = 0; i < PEERS; i++) {
        struct node_in in;
        mesh_identity(&in, peers[i].name, NULL, 0);
        noise_self_init(&selves[i], &crypto_real, in.identity.tunnel_key);
        bool ok =
            noise_peer_init(&to[i], &crypto_real, &selves[i], mesh_tunnel_key("server"), none);
        check(ok);
    }
    uint64_t before = asymmetric, spent_ns = 0;
    for (uint64_t n = 0; n < HONEST; n++) {
        now_ns += NS_PER_SECOND / 1000;
        spent_ns += handshake(&peers[n % PEERS], &selves[n % PEERS], &to[n % PEERS], n);
    }
    double each_ns = (double)spent_ns / HONEST;
    printf("\nhandshakes of peers that it knows, as responder, to the first message under the new\n"
           "keys: %.0f for each processor second and core, %.1f us each, %.2f X25519 of %.1f us;\n"
           "asymmetric operations each: %.2f\n",
           1e9 / each_ns, each_ns / 1000, each_ns / x25519_ns, x25519_ns / 1000,
           (double)(asymmetric - before) / HONEST);
}

/* ------------------------------------------------------------------------------------------------ */

static void print(enum flood kind, const struct measured *m, double hash_ns, double x25519_ns)
{
    double each_ns = (double)m->spent_ns / (double)m->messages;
    char waited[16] = "never";
    if (m->waited_ns > 0)
        (void)snprintf(waited, sizeof waited, "%.2f", (double)m->waited_ns / 1e9);
    printf("%-30s %10.0f %8.0f %8.2f %8.3f %10.0f %7" PRIu64 " %5" PRIu64 " %8s\n", names[kind],
           1e9 / each_ns, each_ns, each_ns / hash_ns, each_ns / x25519_ns,
           (double)m->asymmetric * 1e9 / (double)m->flood_ns, m->sent, m->lost, waited);
    (void)fflush(stdout);
}

int main(void)
{
    static const uint8_t seed[RANDOM_SEED_SIZE];
    counting = crypto_real;
    counting.x25519 = count_x25519;
    counting.x25519_public = count_x25519_public;
    random_stream_init(&stream, seed, "handshake", 9);
    now_ns = NS_PER_SECOND;
    begin_all();
    for (unsigned i = 0; i < CLIENTS; i++) {
        now_ns += NS_PER_SECOND / 100;
        send_packet(&peers[i], &server);
    }
    check(delivered == CLIENTS);
    double x25519_ns = measure_x25519();
    printf("%-30s %10s %8s %8s %8s %10s %7s %5s %8s\n", "flood", "shed/s", "ns each", "/BLAKE2s",
           "/X25519", "asymm./s", "sent", "lost", "late, s");
    for (unsigned kind = 0; kind < FLOODS; kind++) {
        forge((enum flood)kind);
        double hash_ns = measure_hash();
        struct measured m = measure((enum flood)kind);
        print((enum flood)kind, &m, hash_ns, x25519_ns);
        now_ns += NS_PER_SECOND;
        look_at_clocks();
    }
    measure_honest(x25519_ns);
    printf(
        "\nshed/s and ns each are processor time of the whole node for one message, without the\n"
        "memory of what is in session. The flood comes at %d a second of the node's time, from\n"
        "spoofed addresses, or with mac2 from %d that have fetched a cookie; asymm./s counts\n"
        "X25519 for such a second. sent and lost are packets of %d stock peers in session, in\n"
        "both directions; late is how long a peer that came anew had to wait for its first\n"
        "packet to arrive.\n",
        FLOOD_PER_SECOND, COOKIES, CLIENTS);
    free(server.node);
    for (unsigned i = 0; i < PEERS; i++)
        free(peers[i].node);
    return 0;
}
