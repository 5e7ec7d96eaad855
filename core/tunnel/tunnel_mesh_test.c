/*
 * Tests of core/tunnel/ between peers of the mesh: tunnels on paths that the test makes itself, so
 * that it decides who has shown who he is, and through which relay what comes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/bootstrap/identity_test.h"
#include "core/frame/message.h"
#include "core/punch/path_state.h"
#include "core/tunnel/tunnel.h"

#define MS UINT64_C(1000000)
#define SECOND (1000 * MS)

enum { ALICE, BOB, CAROL, ENDS, PACKET = 28, FLOOD = 1000 };

static const struct node_limits limits = {
    .unproven = 16, .tunnel_peers = 4, .tunnel_subnets = 16, .tunnel_queue = 8};

struct end {
    struct self self;
    struct member member; /* as others know it */
    struct addr addr;
    bool gone; /* nothing reaches it */
    uint64_t initiations[ENDS];
    uint32_t packets;
    uint8_t cookie[TUNNEL_COOKIE_REPLY_SIZE]; /* the last that it sent */
    uint64_t counts[TRACE_KINDS];
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) struct paths paths;
    _Alignas(POOL_ALIGN) struct tunnel tunnel;
    struct client client;
    struct random_secret secret;
    struct context cx;
    void *memory[4];
};

static struct world {
    uint64_t now_ns;
    struct tracer tracer;
    struct addr home;
    struct end end[ENDS];
} * w;

static struct tunnel_tools tools_of(struct end *end)
{
    end->cx = (struct context){.now_ns = w->now_ns,
                               .crypto = &crypto_real,
                               .tracer = &w->tracer,
                               .counts = end->counts,
                               .out = &end->outbox,
                               .timers = &end->timers,
                               .secret = &end->secret};
    return (struct tunnel_tools){
        .cx = &end->cx,
        .self = &end->self,
        .paths = &end->paths,
        .path = {.tools = {.cx = &end->cx, .self = &end->self}, .client = &end->client}};
}

/* ---- Making the ends ------------------------------------------------------------------------- */

static void make_self(unsigned number)
{
    struct end *end = &w->end[number];
    struct seed seed = seed_of((uint8_t)(50 + number)), key = seed_of((uint8_t)(150 + number));
    end->self.ready = true;
    memcpy(end->self.seed, seed.bytes, sizeof end->self.seed);
    memcpy(end->self.tunnel_key, key.bytes, sizeof end->self.tunnel_key);
    crypto_real.x25519_public(end->self.public_key, key.bytes);
    put_identity(end->self.identity, (uint8_t)(50 + number));
    self_clock(&end->self, w->now_ns, NOW_S);
    memcpy(end->member.identity, end->self.identity, IDENTITY_SIZE);
    memcpy(end->member.tunnel_key, end->self.public_key, IDENTITY_TUNNEL_KEY_SIZE);
    end->member.expiry_s = NOW_S + 1000000;
    end->member.address_count = 1;
    end->member.addresses[0] = addr_v4(0x0a400001 + number, 0);
    end->addr = addr_v4(0xc6336401 + number, 51940);
}

static void make_tunnel(struct end *end, uint8_t number)
{
    const uint8_t seed[RANDOM_SEED_SIZE] = {'m', 'e', 's', 'h', number};
    random_secret_init(&end->secret, seed);
    end->memory[0] = calloc(1, timers_bytes(16));
    end->memory[1] = calloc(1, outbox_bytes(256, 64 * 1024));
    end->memory[2] = calloc(1, paths_bytes(4));
    end->memory[3] = calloc(1, tunnel_bytes(&limits));
    for (unsigned i = 0; i < 4; i++)
        assert_non_null(end->memory[i]);
    timers_init(&end->timers, end->memory[0], 16);
    outbox_init(&end->outbox, end->memory[1], 256, 64 * 1024);
    paths_init(&end->paths, end->memory[2], 4, &end->secret);
    tunnel_init(&end->tunnel, end->memory[3], &limits, &end->secret);
    client_init(&end->client, &end->secret);
    end->client.server_count = 1;
    end->client.servers[0].punch = w->home;
    struct tunnel_tools t = tools_of(end);
    tunnel_configure(&end->tunnel, &t);
}

/* A peer has shown who it is. */
static void introduce(struct end *end, const struct end *peer)
{
    struct path *path = path_of(&end->paths, peer->self.identity, true);
    path->peer = peer->member;
    path->known = true;
    path->introductions++;
    end->paths.introduced++;
}

/* And there is a direct path to it. */
static void make_path(struct end *end, const struct end *peer)
{
    introduce(end, peer);
    struct path *path = path_of(&end->paths, peer->self.identity, false);
    path->wanted = true;
    path->made_ns = w->now_ns;
    path->chosen = path_add_remote(&end->paths, path, &peer->addr, PUNCH_CANDIDATE_OBSERVED);
    path->remotes[path->chosen].valid = true;
}

static int set_up(void **state)
{
    (void)state;
    w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->now_ns = 1000 * SECOND;
    w->home = addr_v4(0xcb007101, 51941);
    for (unsigned i = 0; i < ENDS; i++) {
        make_self(i);
        make_tunnel(&w->end[i], (uint8_t)i);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ENDS; i++)
        for (unsigned k = 0; k < 4; k++)
            free(w->end[i].memory[k]);
    free(w);
    return 0;
}

/* ---- What they do ---------------------------------------------------------------------------- */

static struct end *end_at(const struct addr *addr)
{
    for (unsigned i = 0; i < ENDS; i++)
        if (addr_equal(&w->end[i].addr, addr))
            return &w->end[i];
    return NULL;
}

/* What an end hears of the tunnel's messages, at once. */
static void hears(struct end *end, const struct tunnel_source *source, const uint8_t *bytes,
                  size_t size)
{
    struct tunnel_tools t = tools_of(end);
    tunnel_message(&end->tunnel, &t, source, bytes, size);
}

static void sent(struct end *end, const struct node_out_send *send)
{
    struct frame frame;
    const uint8_t *bytes = send->bytes;
    size_t size = send->size;
    if (addr_equal(&send->remote, &w->home) && frame_decode(&frame, bytes, size) == FRAME_OK &&
        frame.type == FRAME_DATA) {
        bytes = frame.body.bytes;
        size = frame.body.size;
    }
    struct end *to = end_at(&send->remote);
    enum tunnel_message_type type = tunnel_message_type(bytes, size);
    const struct tunnel_source source = {.socket = NODE_SOCKET_TRAFFIC, .remote = end->addr};
    if (type == TUNNEL_COOKIE)
        memcpy(end->cookie, bytes, TUNNEL_COOKIE_REPLY_SIZE);
    if (to == NULL || type == TUNNEL_NO_MESSAGE)
        return;
    end->initiations[to - w->end] += type == TUNNEL_INITIATION;
    if (!to->gone)
        hears(to, &source, bytes, size);
}

/* Everything is there at once, and answered, until all are silent. */
static void settle(void)
{
    struct node_out out;
    bool more = true;
    while (more) {
        more = false;
        for (unsigned i = 0; i < ENDS; i++) {
            struct end *end = &w->end[i];
            while (outbox_take(&end->outbox, &out)) {
                more = true;
                if (out.kind == NODE_OUT_SEND)
                    sent(end, &out.send);
                end->packets += out.kind == NODE_OUT_PACKET;
            }
            outbox_reset(&end->outbox);
        }
    }
}

static void look(unsigned number)
{
    struct tunnel_tools t = tools_of(&w->end[number]);
    tunnel_look(&w->end[number].tunnel, &t);
    settle();
}

/* A packet from one host to another's inner address. */
static void say(unsigned from, unsigned to)
{
    const uint8_t v4[4] = {10, 64, 0, 0};
    uint8_t bytes[PACKET] = {0x45, 0, 0, PACKET, 0, 0, 0, 0, 64, 17};
    memcpy(bytes + 12, v4, 4);
    memcpy(bytes + 16, v4, 4);
    bytes[15] = (uint8_t)(1 + from);
    bytes[19] = (uint8_t)(1 + to);
    struct tunnel_tools t = tools_of(&w->end[from]);
    tunnel_packet(&w->end[from].tunnel, &t,
                  &(struct node_in_packet){.bytes = bytes, .size = sizeof bytes});
    settle();
}

/* ---- Who calls may have started again -------------------------------------------------------- */

/*
 * A peer that shows who it is, after nothing has come for what was sent for a second, gets a
 * handshake at once (docs/protocol.md, "Tunnel"). Others who show who they are change nothing.
 */
static void test_introductions(void **state)
{
    (void)state;
    struct end *alice = &w->end[ALICE], *bob = &w->end[BOB], *carol = &w->end[CAROL];
    make_path(alice, bob);
    make_path(bob, alice);
    look(ALICE);
    look(BOB);
    say(ALICE, BOB);
    say(BOB, ALICE);
    assert_int_equal(bob->packets, 1);
    assert_int_equal(alice->packets, 1);
    assert_int_equal(alice->initiations[BOB], 1);
    bob->gone = true;
    say(ALICE, BOB);
    w->now_ns += SECOND / 2;
    introduce(alice, bob);
    look(ALICE);
    assert_int_equal(alice->initiations[BOB], 1); /* there is time for an answer yet */
    for (unsigned i = 0; i < 10; i++) {
        w->now_ns += SECOND;
        introduce(alice, carol);
        look(ALICE);
    }
    assert_int_equal(alice->initiations[BOB], 1);
    introduce(alice, bob);
    look(ALICE);
    assert_int_equal(alice->initiations[BOB], 2);
}

/* ---- Load through relays --------------------------------------------------------------------- */

/* An initiation to Alice under this seed's key. */
static void forge(uint8_t key, uint8_t number, const uint8_t *cookie,
                  uint8_t bytes[static TUNNEL_INITIATION_SIZE])
{
    struct noise_self self;
    struct noise_peer peer;
    struct noise_handshake handshake;
    const uint8_t no_psk[NOISE_KEY_SIZE] = {0};
    const uint8_t tai[TUNNEL_TIMESTAMP_SIZE] = {0x40, [11] = number};
    struct seed private_key = seed_of(key), ephemeral = seed_of(number);
    struct tunnel_initiation initiation = {.sender = 0x01020304};
    noise_self_init(&self, &crypto_real, private_key.bytes);
    assert_true(noise_peer_init(&peer, &crypto_real, &self, w->end[ALICE].self.public_key, no_psk));
    noise_initiate(&handshake, &crypto_real, &self, &peer, ephemeral.bytes, tai, &initiation);
    tunnel_initiation_encode(&initiation, bytes);
    noise_write_macs(&crypto_real, &peer, cookie, bytes, TUNNEL_INITIATION_SIZE);
}

/* Through a channel of the one relay that there is. */
static void relayed(uint32_t channel, const uint8_t bytes[static TUNNEL_INITIATION_SIZE])
{
    const struct tunnel_source source = {
        .socket = NODE_SOCKET_TRAFFIC, .remote = w->home, .channel = channel};
    hears(&w->end[ALICE], &source, bytes, TUNNEL_INITIATION_SIZE);
    settle();
}

/* The cookie that Alice has for who sends under this key through that channel. */
static void ask_cookie(uint32_t channel, uint8_t key, uint8_t cookie[static TUNNEL_COOKIE_SIZE])
{
    struct noise_self self;
    struct noise_peer peer;
    struct tunnel_cookie reply;
    const uint8_t no_psk[NOISE_KEY_SIZE] = {0};
    uint8_t bytes[TUNNEL_INITIATION_SIZE];
    struct seed private_key = seed_of(key);
    struct end *alice = &w->end[ALICE];
    uint64_t before = alice->counts[TRACE_TUNNEL_COOKIE_SENT];
    forge(key, 1, NULL, bytes);
    relayed(channel, bytes);
    assert_int_equal(alice->counts[TRACE_TUNNEL_COOKIE_SENT], before + 1);
    noise_self_init(&self, &crypto_real, private_key.bytes);
    assert_true(noise_peer_init(&peer, &crypto_real, &self, alice->self.public_key, no_psk));
    tunnel_cookie_decode(&reply, alice->cookie, TUNNEL_COOKIE_REPLY_SIZE);
    assert_true(noise_open_cookie(&crypto_real, &peer, bytes + sizeof bytes - TUNNEL_MAC1_END,
                                  &reply, cookie));
}

/*
 * All that comes through a relay comes from its address. Whoever sends through one channel as much
 * as he can, with a cookie, takes nothing from who comes through another.
 */
static void test_relay_channels(void **state)
{
    (void)state;
    enum { STRANGER = 200, BOBS = 150 + BOB };
    struct end *alice = &w->end[ALICE];
    uint8_t bytes[TUNNEL_INITIATION_SIZE], cookies[2][TUNNEL_COOKIE_SIZE];
    make_path(alice, &w->end[BOB]);
    forge(STRANGER, 1, NULL, bytes);
    for (unsigned i = 0; i < TUNNEL_LOAD_BURST; i++)
        relayed(1, bytes);
    assert_in_range(alice->counts[TRACE_TUNNEL_COOKIE_SENT], 1, TUNNEL_LOAD_BURST / 2);
    ask_cookie(1, STRANGER, cookies[0]);
    ask_cookie(2, BOBS, cookies[1]);
    uint64_t strangers = alice->counts[TRACE_TUNNEL_STRANGER];
    forge(STRANGER, 1, cookies[0], bytes);
    for (unsigned i = 0; i < FLOOD; i++)
        relayed(1, bytes);
    assert_int_equal(alice->counts[TRACE_TUNNEL_STRANGER], strangers + TUNNEL_SOURCE_BURST);
    assert_int_equal(alice->counts[TRACE_TUNNEL_OVERLOADED], FLOOD - TUNNEL_SOURCE_BURST);
    /* A cookie is for its channel alone. */
    uint64_t asked = alice->counts[TRACE_TUNNEL_COOKIE_SENT];
    forge(BOBS, 2, cookies[0], bytes);
    relayed(2, bytes);
    assert_int_equal(alice->counts[TRACE_TUNNEL_COOKIE_SENT], asked + 1);
    assert_int_equal(alice->counts[TRACE_TUNNEL_SESSION], 0);
    forge(BOBS, 2, cookies[1], bytes);
    relayed(2, bytes);
    assert_int_equal(alice->counts[TRACE_TUNNEL_SESSION], 1);
    assert_int_equal(alice->counts[TRACE_TUNNEL_OVERLOADED], FLOOD - TUNNEL_SOURCE_BURST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_introductions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_relay_channels, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
