/* What the tests of the relay share: a relay, and data that goes in and comes out. */
#ifndef WARREN_RELAY_SERVER_TEST_H
#define WARREN_RELAY_SERVER_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/relay/server.h"

enum { PAIRS = 300, OWNERS = 40, BIG = 32768 };

#define SECOND_NS UINT64_C(1000000000)

struct rig {
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) struct relay_server relay;
    struct random_secret secret;
    uint64_t counts[TRACE_KINDS];
    struct tracer tracer;
    struct context cx;
};

static struct rig rig;
static void *outbox_memory, *timers_memory, *relay_memory;

static inline void rig_make(uint32_t pairs, uint32_t owners)
{
    static const uint8_t seed[RANDOM_SEED_SIZE] = {7};
    free(outbox_memory);
    free(timers_memory);
    free(relay_memory);
    memset(&rig, 0, sizeof rig);
    random_secret_init(&rig.secret, seed);
    outbox_memory = calloc(1, outbox_bytes(8, 4 * BIG));
    timers_memory = calloc(1, timers_bytes(pairs));
    relay_memory = calloc(1, relay_server_bytes(pairs, owners));
    outbox_init(&rig.outbox, outbox_memory, 8, 4 * BIG);
    timers_init(&rig.timers, timers_memory, pairs);
    relay_server_init(&rig.relay, relay_memory, pairs, owners, &rig.secret);
    rig.cx = (struct context){
        .now_ns = 5 * SECOND_NS,
        .tracer = &rig.tracer,
        .counts = rig.counts,
        .out = &rig.outbox,
        .timers = &rig.timers,
        .secret = &rig.secret,
    };
}

static inline int rig_setup(void **state)
{
    (void)state;
    rig_make(PAIRS, OWNERS);
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    free(outbox_memory);
    free(timers_memory);
    free(relay_memory);
    outbox_memory = timers_memory = relay_memory = NULL;
    return 0;
}

/* Client number n, behind port 1000 + n of an address of its own. */
static inline struct addr client_at(unsigned n)
{
    return addr_v4(0xcb007100 + n, (uint16_t)(1000 + n));
}

static inline struct seal_route route_of(uint32_t socket, struct addr remote)
{
    return (struct seal_route){
        .socket = socket, .source = addr_v4(0xc0000201, (uint16_t)socket), .remote = remote};
}

static inline struct relay_leg client_leg(uint32_t owner, uint32_t channel, struct addr remote)
{
    return (struct relay_leg){
        .channel = channel, .owner = owner, .route = route_of(NODE_SOCKET_PUNCH, remote)};
}

static inline struct relay_leg server_leg(uint32_t channel, struct addr remote)
{
    return (struct relay_leg){
        .channel = channel,
        .owner = RELAY_NO_OWNER,
        .route = route_of(NODE_SOCKET_RELAY, remote),
    };
}

struct key {
    uint8_t bytes[RELAY_KEY_SIZE];
};

static inline struct key key_of(unsigned a, unsigned b)
{
    struct key key;
    memset(key.bytes, 0, sizeof key.bytes);
    key.bytes[0] = (uint8_t)(a >> 8);
    key.bytes[1] = (uint8_t)a;
    key.bytes[IDENTITY_SIZE] = (uint8_t)(b >> 8);
    key.bytes[IDENTITY_SIZE + 1] = (uint8_t)b;
    return key;
}

static inline enum relay_result set_legs(struct key key, struct relay_leg first,
                                         struct relay_leg second)
{
    struct relay_leg legs[2] = {first, second};
    struct relay_pair *pair = NULL;
    enum relay_result result = relay_pair_set(&rig.relay, &rig.cx, key.bytes, legs, &pair);
    assert_true((result == RELAY_OK) == (pair != NULL));
    if (pair != NULL)
        assert_ptr_equal(pair, relay_pair_find(&rig.relay, key.bytes));
    return result;
}

/* Clients a and b, as owners and addresses of these numbers, with these channels. */
static inline enum relay_result set_pair(unsigned a, uint32_t channel_a, unsigned b,
                                         uint32_t channel_b)
{
    return set_legs(key_of(a, b), client_leg(a, channel_a, client_at(a)),
                    client_leg(b, channel_b, client_at(b)));
}

static uint8_t datagram_bytes[BIG + FRAME_DATA_SIZE];

static inline void put_data(uint32_t socket, struct addr remote, uint32_t channel, size_t size)
{
    struct frame frame = {.type = FRAME_DATA, .receiver = channel, .body.size = size};
    size_t front = frame_encode(&frame, datagram_bytes, sizeof datagram_bytes);
    assert_int_equal(front, FRAME_DATA_SIZE);
    for (size_t i = 0; i < size && i < 64; i++)
        datagram_bytes[front + i] = (uint8_t)(channel + 3 * i + size);
    assert_int_equal(frame_decode(&frame, datagram_bytes, front + size), FRAME_OK);
    struct node_in_datagram datagram = {
        .socket = socket,
        .local = addr_v4(0xc0000201, (uint16_t)socket),
        .remote = remote,
        .bytes = datagram_bytes,
        .size = (uint32_t)(front + size),
    };
    outbox_reset(&rig.outbox);
    relay_data(&rig.relay, &rig.cx, &datagram, &frame);
}

static inline bool is_silent(void)
{
    struct node_out out;
    return !outbox_take(&rig.outbox, &out);
}

/* Data goes in; true when exactly the same bytes come out towards `to`, on `channel`. */
static inline bool passes(uint32_t socket, struct addr from, uint32_t channel, size_t size,
                          struct seal_route to, uint32_t channel_out)
{
    struct node_out out;
    struct frame frame;
    put_data(socket, from, channel, size);
    if (!outbox_take(&rig.outbox, &out))
        return false;
    assert_true(is_silent());
    assert_int_equal(out.kind, NODE_OUT_SEND);
    assert_int_equal(out.send.size, FRAME_DATA_SIZE + size);
    assert_int_equal(out.send.segment, 0);
    assert_int_equal(frame_decode(&frame, out.send.bytes, out.send.size), FRAME_OK);
    assert_int_equal(frame.type, FRAME_DATA);
    assert_memory_equal(frame.body.bytes, datagram_bytes + FRAME_DATA_SIZE, size);
    return frame.receiver == channel_out && out.send.socket == to.socket &&
           addr_equal(&out.send.source, &to.source) && addr_equal(&out.send.remote, &to.remote);
}

static inline bool client_passes(unsigned from, uint32_t channel, unsigned to, uint32_t channel_out)
{
    return passes(NODE_SOCKET_PUNCH, client_at(from), channel, 100,
                  route_of(NODE_SOCKET_PUNCH, client_at(to)), channel_out);
}

/* It is dropped, and for this reason alone. */
static inline void assert_dropped(uint32_t socket, struct addr from, uint32_t channel,
                                  enum trace_kind reason)
{
    uint64_t before[TRACE_KINDS];
    memcpy(before, rig.counts, sizeof before);
    put_data(socket, from, channel, 100);
    assert_true(is_silent());
    before[reason]++;
    assert_memory_equal(before, rig.counts, sizeof before);
}

#endif
