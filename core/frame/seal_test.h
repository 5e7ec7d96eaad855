/*
 * What the tests of core/frame/seal.h share: ends that talk over a wire on which a test can lose,
 * keep, repeat and change datagrams; and HELLOs written by hand, after docs/protocol.md.
 */
#ifndef WARREN_FRAME_SEAL_TEST_H
#define WARREN_FRAME_SEAL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/cursor.h"
#include "core/frame/seal.h"
#include "crypto/crypto.h"

enum { ENDS = 4, SESSIONS = 3, SOURCES = 64, WIRE = 64, PACKET_MAX = 2048 };

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

struct packet {
    struct addr from, to;
    uint32_t size;
    uint8_t bytes[PACKET_MAX];
};

/* What the owner of an end was told. */
struct told {
    unsigned hellos, ups, messages;
    struct seal_event last; /* not SEAL_NOTHING; its body points to `body` */
    uint8_t body[SEAL_BODY_MAX];
};

/* Everything that is part of a node's block comes first, so that a copy of it can be a snapshot. */
struct block {
    _Alignas(POOL_ALIGN) struct seal seal;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) struct timers timers;
    struct random_secret secret;
    _Alignas(POOL_ALIGN) uint8_t seal_memory[64 << 10];
    _Alignas(POOL_ALIGN) uint8_t outbox_memory[32 << 10];
    _Alignas(POOL_ALIGN) uint8_t timers_memory[4 << 10];
};

struct end {
    struct block block;
    struct addr addr;
    uint8_t private_key[32];
    uint8_t public_key[32];
    bool refuses;                  /* leaves every HELLO unanswered */
    struct seal_session *accepted; /* the last one */
    struct told told;
    uint64_t counts[TRACE_KINDS];
};

struct rig {
    uint64_t now_ns;
    struct end end[ENDS];
    struct packet wire[WIRE];
    size_t on_wire;
    struct tracer tracer;
    struct crypto crypto;
    unsigned diffie_hellmans;
};

static struct rig rig;

static inline bool counting_x25519(uint8_t shared[static CRYPTO_X25519_SIZE],
                                   const uint8_t private_key[static CRYPTO_X25519_SIZE],
                                   const uint8_t public_key[static CRYPTO_X25519_SIZE])
{
    rig.diffie_hellmans++;
    return crypto_real.x25519(shared, private_key, public_key);
}

static inline struct context context_of(struct end *end)
{
    return (struct context){
        .now_ns = rig.now_ns,
        .crypto = &rig.crypto,
        .tracer = &rig.tracer,
        .counts = end->counts,
        .out = &end->block.outbox,
        .timers = &end->block.timers,
        .secret = &end->block.secret,
    };
}

/* Starts an end, or starts it again: its keys stay, all else is new. `start` differs each time. */
static inline void end_start(struct end *end, uint8_t start)
{
    static const uint8_t introduction[] = "an introduction";
    struct block *block = &end->block;
    memset(block, 0, sizeof *block);
    memset(&end->told, 0, sizeof end->told);
    end->accepted = NULL;
    const uint8_t seed[RANDOM_SEED_SIZE] = {start, end->private_key[0]};
    random_secret_init(&block->secret, seed);
    outbox_init(&block->outbox, block->outbox_memory, 16, 16 << 10);
    timers_init(&block->timers, block->timers_memory, SESSIONS);
    assert_true(seal_bytes(SESSIONS, SOURCES) <= sizeof block->seal_memory);
    seal_init(&block->seal, block->seal_memory, SESSIONS, SOURCES, &block->secret);
    seal_configure(&block->seal, &rig.crypto, end->private_key, introduction,
                   sizeof introduction - 1);
}

static inline int rig_setup(void **state)
{
    (void)state;
    memset(&rig, 0, sizeof rig);
    rig.crypto = crypto_real;
    rig.crypto.x25519 = counting_x25519;
    rig.now_ns = 1000 * SECOND;
    for (uint8_t i = 0; i < ENDS; i++) {
        struct end *end = &rig.end[i];
        memset(end->private_key, 0x11 * (i + 1), sizeof end->private_key);
        crypto_real.x25519_public(end->public_key, end->private_key);
        end->addr = addr_v4(UINT32_C(0xc0000201) + i, 4000);
        end_start(end, 1);
    }
    return 0;
}

/* ---- The wire -------------------------------------------------------------------------------- */

/* Puts what an end wants sent on the wire. */
static inline void collect(struct end *end)
{
    struct node_out out;
    while (outbox_take(&end->block.outbox, &out)) {
        assert_int_equal(out.kind, NODE_OUT_SEND);
        assert_true(rig.on_wire < WIRE && out.send.size <= PACKET_MAX);
        struct packet *packet = &rig.wire[rig.on_wire++];
        packet->from = out.send.source.family != ADDR_NONE ? out.send.source : end->addr;
        packet->to = out.send.remote;
        packet->size = out.send.size;
        memcpy(packet->bytes, out.send.bytes, out.send.size);
    }
    outbox_reset(&end->block.outbox);
}

/* Hands a datagram to an end. No reply is longer than it; a HELLO is not a reply. */
static inline void hand(struct end *end, const struct packet *packet)
{
    static uint8_t exact[PACKET_MAX]; /* at the end of it, for reads that go too far */
    uint8_t *bytes = exact + PACKET_MAX - packet->size;
    memcpy(bytes, packet->bytes, packet->size);
    struct frame frame;
    if (frame_decode(&frame, bytes, packet->size) != FRAME_OK)
        return;
    struct node_in_datagram datagram = {.socket = NODE_SOCKET_PUNCH,
                                        .local = packet->to,
                                        .remote = packet->from,
                                        .bytes = bytes,
                                        .size = packet->size};
    struct context cx = context_of(end);
    struct seal_event event = seal_input(&end->block.seal, &cx, &datagram, &frame);
    if (event.kind != SEAL_NOTHING) {
        end->told.last = event;
        if (event.body.size > 0)
            memcpy(end->told.body, event.body.bytes, event.body.size);
        end->told.last.body.bytes = end->told.body;
        end->told.hellos += event.kind == SEAL_HELLO;
        end->told.ups += event.kind == SEAL_UP;
        end->told.messages += event.kind == SEAL_MESSAGE;
    }
    if (event.kind == SEAL_HELLO && !end->refuses)
        end->accepted = seal_accept(&end->block.seal, &cx, 77);
    size_t before = rig.on_wire;
    collect(end);
    for (size_t i = before; i < rig.on_wire; i++) {
        if (rig.wire[i].bytes[2] != FRAME_HELLO)
            assert_true(rig.wire[i].size <= packet->size);
    }
}

static inline struct packet wire_pop(void)
{
    assert_true(rig.on_wire > 0);
    struct packet packet = rig.wire[0];
    rig.on_wire--;
    memmove(rig.wire, rig.wire + 1, rig.on_wire * sizeof rig.wire[0]);
    return packet;
}

/* Delivers the first datagram on the wire to whoever has its address, and returns it. */
static inline struct packet carry_one(void)
{
    struct packet packet = wire_pop();
    for (size_t i = 0; i < ENDS; i++) {
        if (addr_equal(&rig.end[i].addr, &packet.to))
            hand(&rig.end[i], &packet);
    }
    return packet;
}

static inline void carry(void)
{
    for (size_t i = 0; rig.on_wire > 0; i++) {
        assert_true(i < 100); /* nobody talks in circles */
        carry_one();
    }
}

static inline void lose(void)
{
    rig.on_wire = 0;
}

/* Fires the timers that are due up to `until_ns`; each datagram arrives at once, if it does. */
static inline void pass_until(uint64_t until_ns, bool carried)
{
    for (;;) {
        struct end *next = NULL;
        uint64_t deadline_ns = until_ns;
        for (size_t i = 0; i < ENDS; i++) {
            uint64_t ns = timers_deadline(&rig.end[i].block.timers);
            if (ns <= deadline_ns && (next == NULL || ns < deadline_ns)) {
                next = &rig.end[i];
                deadline_ns = ns;
            }
        }
        if (next == NULL)
            break;
        if (deadline_ns > rig.now_ns)
            rig.now_ns = deadline_ns;
        struct timer_fired fired;
        assert_true(timers_next(&next->block.timers, rig.now_ns, &fired));
        assert_int_equal(fired.kind, TIMER_SEAL_SESSION);
        struct context cx = context_of(next);
        seal_timer(&next->block.seal, &cx, fired.owner);
        collect(next);
        if (carried)
            carry();
    }
    rig.now_ns = until_ns;
}

static inline void pass(uint64_t ns)
{
    pass_until(rig.now_ns + ns, true);
}

/* ---- What ends do ---------------------------------------------------------------------------- */

static inline struct seal_route route_to(const struct end *end)
{
    return (struct seal_route){.socket = NODE_SOCKET_PUNCH, .remote = end->addr};
}

static inline struct seal_session *opens(struct end *from, const struct end *to)
{
    struct context cx = context_of(from);
    struct seal_session *session =
        seal_open(&from->block.seal, &cx, to->public_key, route_to(to), 7);
    collect(from);
    return session;
}

static inline struct seal_session *session_of(struct end *end, const struct end *peer)
{
    return seal_with(&end->block.seal, peer->public_key);
}

static inline bool sends(struct end *from, const struct end *to, const char *text)
{
    struct context cx = context_of(from);
    struct seal_session *session = session_of(from, to);
    assert_non_null(session);
    bool sent =
        seal_send(&from->block.seal, &cx, session, NULL, (const uint8_t *)text, strlen(text));
    collect(from);
    return sent;
}

static inline void renews(struct end *from, const struct end *to)
{
    struct context cx = context_of(from);
    seal_renew(&from->block.seal, &cx, session_of(from, to));
    collect(from);
}

/* Sends a message and sees it arrive, as the only one. */
static inline void says(struct end *from, struct end *to, const char *text)
{
    unsigned before = to->told.messages;
    assert_true(sends(from, to, text));
    carry();
    assert_int_equal(to->told.messages, before + 1);
    assert_int_equal(to->told.last.kind, SEAL_MESSAGE);
    assert_int_equal(to->told.last.body.size, strlen(text));
    assert_memory_equal(to->told.body, text, strlen(text));
    assert_memory_equal(to->told.last.key, from->public_key, 32);
}

/* A session from one to the other, with its first message. */
static inline void joins(struct end *from, struct end *to)
{
    assert_non_null(opens(from, to));
    carry();
    says(from, to, "first");
}

/* ---- By hand --------------------------------------------------------------------------------- */

struct by_hand {
    const uint8_t *private_key; /* of the sender */
    const uint8_t *receiver;    /* public key */
    uint8_t boot, nonce;        /* the first byte of each */
    uint64_t number;
    uint32_t index;
    const uint8_t *cookie; /* or NULL */
    size_t introduction;   /* bytes */
};

static inline void blake2s(uint8_t *out, size_t out_size, const uint8_t *key, size_t key_size,
                           const char *label, const uint8_t *rest, size_t rest_size)
{
    const struct crypto_span parts[] = {{(const uint8_t *)label, strlen(label)}, {rest, rest_size}};
    crypto_real.blake2s(out, out_size, key, key_size, parts, 2);
}

/* HELLO field by field. */
static inline struct packet hello_by_hand(const struct by_hand *hello)
{
    struct packet packet = {.to = {0}};
    uint8_t keys[64], secret[32], key[32];
    crypto_real.x25519_public(keys, hello->private_key);
    memcpy(keys + 32, hello->receiver, 32);
    assert_true(crypto_real.x25519(secret, hello->private_key, hello->receiver));
    blake2s(key, 32, secret, 32, "warren hello v1", keys, 64);

    struct writer w = writer_of(packet.bytes, PACKET_MAX);
    write_u32(&w, 0x0b010100);
    write_u32(&w, hello->index);
    write_bytes(&w, keys, 32);
    uint8_t nonce[24] = {hello->nonce};
    write_bytes(&w, nonce, sizeof nonce);
    size_t front = w.index;
    write_u8(&w, hello->boot);
    write_zero(&w, 15);
    write_u64(&w, hello->number);
    write_zero(&w, hello->introduction);
    crypto_real.xaead_seal(packet.bytes + front, key, nonce, packet.bytes, front,
                           packet.bytes + front, w.index - front);
    w.index += 16;
    uint8_t mac[16];
    blake2s(key, 32, NULL, 0, "warren mac1 v1", hello->receiver, 32);
    blake2s(mac, 16, key, 32, "", packet.bytes, w.index);
    write_bytes(&w, mac, 16);
    if (hello->cookie != NULL) {
        blake2s(mac, 16, hello->cookie, 16, "", packet.bytes, w.index);
        write_bytes(&w, mac, 16);
    } else {
        write_zero(&w, 16);
    }
    assert_false(w.failed);
    packet.size = (uint32_t)w.index;
    return packet;
}

/* HELLO number `number` of boot `boot` by someone whose private key is `who` and zeros. */
static inline struct packet hello_of(const struct end *to, uint16_t who, uint8_t boot,
                                     uint8_t number, const uint8_t *cookie)
{
    uint8_t private_key[32] = {8, (uint8_t)(who >> 8), (uint8_t)who};
    return hello_by_hand(&(struct by_hand){.private_key = private_key,
                                           .receiver = to->public_key,
                                           .boot = boot,
                                           .nonce = number,
                                           .number = number,
                                           .index = 0x01020304,
                                           .cookie = cookie});
}

#endif
