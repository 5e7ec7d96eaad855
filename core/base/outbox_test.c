/* Tests of core/base/outbox.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "core/base/outbox.h"
#include "core/base/pool.h"
#include "host/check.h"

enum { CAPACITY = 6, BYTES = 100 };

struct block {
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) uint8_t memory[4096];
};

static void block_init(struct block *block)
{
    memset(block, 0, sizeof *block);
    assert_true(outbox_bytes(CAPACITY, BYTES) <= sizeof block->memory);
    outbox_init(&block->outbox, block->memory, CAPACITY, BYTES);
}

static bool send(struct block *block, size_t size, uint8_t fill)
{
    size_t capacity;
    uint8_t *room = outbox_room(&block->outbox, &capacity);
    if (size > capacity)
        return false;
    memset(room, fill, size);
    return outbox_send(&block->outbox, size, (struct node_out_send){.socket = fill, .ttl = 9});
}

static void test_order_and_bytes(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    struct node_out out;
    assert_true(outbox_drained(&block.outbox));
    assert_false(outbox_take(&block.outbox, &out));
    assert_true(send(&block, 10, 1));
    struct node_out put = {.kind = NODE_OUT_CLOSE, .close = 777};
    assert_true(outbox_put(&block.outbox, &put));
    assert_true(send(&block, 20, 2));
    assert_false(outbox_drained(&block.outbox));

    struct node_out taken[3];
    for (unsigned i = 0; i < 3; i++)
        assert_true(outbox_take(&block.outbox, &taken[i]));
    assert_false(outbox_take(&block.outbox, &out));
    assert_true(outbox_drained(&block.outbox));
    /* The bytes stay good although everything was taken: until the next input, which resets. */
    static const struct {
        uint32_t size;
        uint8_t fill;
    } sends[] = {{10, 1}, {0, 0}, {20, 2}};
    for (unsigned i = 0; i < 3; i += 2) {
        assert_int_equal(taken[i].kind, NODE_OUT_SEND);
        assert_int_equal(taken[i].send.size, sends[i].size);
        assert_int_equal(taken[i].send.socket, sends[i].fill);
        assert_int_equal(taken[i].send.ttl, 9);
        for (uint32_t k = 0; k < sends[i].size; k++)
            assert_int_equal(taken[i].send.bytes[k], sends[i].fill);
    }
    assert_int_equal(taken[1].kind, NODE_OUT_CLOSE);
    assert_int_equal(taken[1].close, 777);
}

static void test_full_of_outputs(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    struct node_out out = {.kind = NODE_OUT_CLOSE};
    for (uint32_t i = 0; i < CAPACITY; i++) {
        out.close = i;
        assert_true(outbox_put(&block.outbox, &out));
    }
    assert_false(outbox_put(&block.outbox, &out));
    assert_false(send(&block, 1, 1));
    size_t capacity;
    outbox_room(&block.outbox, &capacity);
    assert_int_equal(capacity, BYTES); /* what was not sent holds no bytes */
    for (uint32_t i = 0; i < CAPACITY; i++) {
        assert_true(outbox_take(&block.outbox, &out));
        assert_int_equal(out.close, i);
        /* Taking makes no room before the reset: the bytes of what was taken are still lent out. */
        assert_false(outbox_put(&block.outbox, &out));
    }
    assert_false(outbox_take(&block.outbox, &out));
    outbox_reset(&block.outbox);
    assert_true(outbox_put(&block.outbox, &out));
}

/* Places that are kept hold no datagram and no news of a path, but what must not be lost. */
static void test_kept_places(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    outbox_keep(&block.outbox, 2);
    for (unsigned i = 0; i + 2 < CAPACITY; i++)
        assert_true(send(&block, 1, 1));
    assert_false(send(&block, 1, 1));
    assert_false(outbox_put(&block.outbox, &(struct node_out){.kind = NODE_OUT_PATH}));
    assert_false(outbox_put(&block.outbox, &(struct node_out){.kind = NODE_OUT_DELIVER}));
    assert_true(outbox_put(&block.outbox, &(struct node_out){.kind = NODE_OUT_CLOSE}));
    assert_true(outbox_put(&block.outbox, &(struct node_out){.kind = NODE_OUT_OPEN}));
    assert_false(outbox_put(&block.outbox, &(struct node_out){.kind = NODE_OUT_OPEN}));
}

static void test_full_of_bytes(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    assert_true(send(&block, 60, 3));
    size_t capacity;
    outbox_room(&block.outbox, &capacity);
    assert_int_equal(capacity, 40);
    assert_false(outbox_send(&block.outbox, 0, (struct node_out_send){0}));
    assert_true(send(&block, 40, 4));
    outbox_room(&block.outbox, &capacity);
    assert_int_equal(capacity, 0);
    assert_false(send(&block, 1, 5));
    struct node_out out;
    assert_true(outbox_take(&block.outbox, &out));
    assert_int_equal(out.send.bytes[59], 3);
    assert_true(outbox_take(&block.outbox, &out));
    assert_int_equal(out.send.bytes[0], 4);
    assert_int_equal(out.send.bytes[39], 4);
    outbox_reset(&block.outbox);
    outbox_room(&block.outbox, &capacity);
    assert_int_equal(capacity, BYTES);
}

/* What lies behind the bytes is never written, and a copy of the drained block works elsewhere. */
static void test_bounds_and_copy(void **state)
{
    (void)state;
    static struct block block, copy;
    block_init(&block);
    size_t size = outbox_bytes(CAPACITY, BYTES);
    memset(block.memory + size, 0x77, sizeof block.memory - size);
    for (unsigned round = 0; round < 3; round++) {
        while (send(&block, 7, 0xff))
            ;
        struct node_out out;
        while (outbox_take(&block.outbox, &out))
            assert_int_equal(out.send.bytes[6], 0xff);
        outbox_reset(&block.outbox);
    }
    for (size_t i = size; i < sizeof block.memory; i++)
        assert_int_equal(block.memory[i], 0x77);

    memcpy(&copy, &block, sizeof copy);
    memset(&block, 0xee, sizeof block);
    assert_true(send(&copy, 30, 8));
    struct node_out out;
    assert_true(outbox_take(&copy.outbox, &out));
    assert_in_range((uintptr_t)out.send.bytes, (uintptr_t)&copy, (uintptr_t)(&copy + 1) - 30);
    assert_int_equal(out.send.bytes[29], 8);
}

/* ---- Trains ---------------------------------------------------------------------------------- */

enum { LONG_CAPACITY = 8, LONG_BYTES = 512 * 1024 };

/* Room for trains that are as long as they may be. */
static struct {
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) uint8_t memory[LONG_BYTES + 4096];
} longer;

static struct outbox *long_init(void)
{
    memset(&longer, 0, sizeof longer);
    assert_true(outbox_bytes(LONG_CAPACITY, LONG_BYTES) <= sizeof longer.memory);
    outbox_init(&longer.outbox, longer.memory, LONG_CAPACITY, LONG_BYTES);
    return &longer.outbox;
}

static bool train(struct outbox *outbox, size_t size, uint8_t fill, struct node_out_send way)
{
    size_t capacity;
    uint8_t *room = outbox_room(outbox, &capacity);
    if (size > capacity)
        return false;
    memset(room, fill, size);
    return outbox_train(outbox, size, way);
}

static bool packet(struct outbox *outbox, size_t size, uint8_t fill)
{
    size_t capacity;
    uint8_t *room = outbox_room(outbox, &capacity);
    if (size > capacity)
        return false;
    memset(room, fill, size);
    return outbox_packet(outbox, size);
}

/* Datagrams by size, and what they become; 0 ends either list. */
static const struct {
    uint32_t sizes[6];
    uint32_t outputs[6], segments[6]; /* a segment of 0 is that of a single one */
} joins[] = {
    {{10}, {10}, {0}},
    {{10, 10}, {20}, {10}},
    {{10, 10, 10, 10, 10}, {50}, {10}},
    {{10, 10, 7}, {27}, {10}},         /* a shorter one is the last */
    {{10, 7, 10}, {17, 10}, {10, 0}},  /* also when an equal one comes behind it */
    {{10, 7, 7}, {17, 7}, {10, 0}},    /* or one as short */
    {{7, 10}, {7, 10}, {0, 0}},        /* a longer one is another's */
    {{10, 10, 11}, {20, 11}, {10, 0}}, /* likewise */
    {{10, 5, 5}, {15, 5}, {10, 0}},    /* also when their sum would fit */
    {{10, 1, 1, 1}, {11, 2}, {10, 1}},
};

static void test_trains(void **state)
{
    (void)state;
    for (unsigned of_packets = 0; of_packets < 2; of_packets++)
        for (unsigned i = 0; i < sizeof joins / sizeof *joins; i++) {
            struct outbox *outbox = long_init();
            uint8_t fill = 0;
            for (unsigned k = 0; k < 6 && joins[i].sizes[k] != 0; k++)
                assert_true(of_packets ? packet(outbox, joins[i].sizes[k], ++fill)
                                       : train(outbox, joins[i].sizes[k], ++fill,
                                               (struct node_out_send){.socket = 5, .ttl = 3}));
            struct node_out out;
            fill = 0;
            for (unsigned k = 0; k < 6 && joins[i].outputs[k] != 0; k++) {
                assert_true(outbox_take(outbox, &out));
                assert_int_equal(out.kind, of_packets ? NODE_OUT_PACKET : NODE_OUT_SEND);
                uint32_t size = of_packets ? out.packet.size : out.send.size;
                uint32_t segment = of_packets ? out.packet.segment : out.send.segment;
                const uint8_t *bytes = of_packets ? out.packet.bytes : out.send.bytes;
                assert_int_equal(size, joins[i].outputs[k]);
                assert_int_equal(segment, joins[i].segments[k]);
                assert_true(of_packets || (out.send.socket == 5 && out.send.ttl == 3));
                for (uint32_t at = 0; at < size; at++) {
                    fill = (uint8_t)(fill + (at % (segment > 0 ? segment : size) == 0));
                    assert_int_equal(bytes[at], fill);
                }
            }
            assert_false(outbox_take(outbox, &out));
        }
}

/* What differs in where it goes, or how, is no train. */
static void test_trains_of_one_way(void **state)
{
    (void)state;
    const struct addr a = addr_v4(0x0a000001, 1), b = addr_v4(0x0a000001, 2);
    const struct node_out_send ways[] = {
        {.socket = 5, .remote = a},
        {.socket = 6, .remote = a},
        {.socket = 6, .remote = b},
        {.socket = 6, .remote = b, .source = a},
        {.socket = 6, .remote = b, .source = a, .ttl = 1},
        {.socket = 6, .remote = b, .source = a, .ttl = 1, .dont_fragment = true},
        {.socket = 5, .remote = a},
    };
    struct outbox *outbox = long_init();
    for (unsigned i = 0; i < sizeof ways / sizeof *ways; i++)
        assert_true(train(outbox, 10, 1, ways[i]));
    assert_int_equal(outbox->count, sizeof ways / sizeof *ways);
}

/* Nor is what something else stands between. */
static void test_trains_without_gaps(void **state)
{
    (void)state;
    const struct node_out_send way = {.socket = 5};
    struct outbox *outbox = long_init();
    assert_true(train(outbox, 10, 1, way));
    assert_true(packet(outbox, 10, 2));
    assert_true(train(outbox, 10, 3, way));
    assert_true(outbox_put(outbox, &(struct node_out){.kind = NODE_OUT_CLOSE}));
    assert_true(train(outbox, 10, 4, way));
    assert_true(packet(outbox, 10, 5));
    assert_true(packet(outbox, 10, 6));
    assert_int_equal(outbox->count, 6);
    assert_false(outbox_train(outbox, 0, way));
    assert_int_equal(outbox->bytes_used, 60);
}

/* As long as a train may be, and no longer. */
static void test_trains_end(void **state)
{
    (void)state;
    static const struct {
        uint32_t size, most;
    } cases[] = {
        {1, OUTBOX_TRAIN_MAX},
        {1000, OUTBOX_TRAIN_MAX},
        {1452, 44},
        {OUTBOX_TRAIN_BYTES_MAX / 3, 3},
        {OUTBOX_TRAIN_BYTES_MAX / 2 + 1, 1},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct outbox *outbox = long_init();
        struct node_out out;
        for (uint32_t k = 0; k < 2 * cases[i].most + 1; k++)
            assert_true(train(outbox, cases[i].size, 1, (struct node_out_send){.socket = 5}));
        for (unsigned k = 0; k < 3; k++) {
            assert_true(outbox_take(outbox, &out));
            assert_int_equal(out.send.size, (k < 2 ? cases[i].most : 1) * cases[i].size);
        }
    }
    struct outbox *outbox = long_init();
    struct node_out out;
    for (unsigned k = 0; k < NODE_PACKETS_MAX / 1000 + 1; k++)
        assert_true(packet(outbox, 1000, 1));
    assert_true(outbox_take(outbox, &out) && outbox_take(outbox, &out));
    assert_int_equal(out.packet.size, 1000);
}

/* A train that is there already may grow when no place is left, as long as there are bytes. */
static void test_trains_when_full(void **state)
{
    (void)state;
    static struct block block;
    block_init(&block);
    outbox_keep(&block.outbox, 2);
    const struct node_out_send way = {.socket = 5}, other = {.socket = 6};
    for (unsigned i = 0; i + 2 < CAPACITY; i++)
        assert_true(train(&block.outbox, 10, 1, i % 2 ? way : other));
    assert_false(train(&block.outbox, 10, 2, other));
    assert_false(packet(&block.outbox, 10, 2));
    assert_true(train(&block.outbox, 10, 3, way));
    assert_int_equal(block.outbox.bytes_used, 50);
    for (unsigned i = 0; i < 5; i++)
        assert_true(train(&block.outbox, 10, 4, way));
    assert_false(train(&block.outbox, 10, 5, way));
    struct node_out out = {0};
    while (outbox_take(&block.outbox, &out))
        ;
    assert_int_equal(out.send.size, 70);
    assert_int_equal(out.send.segment, 10);
    assert_int_equal(out.send.bytes[10], 3);
    assert_int_equal(out.send.bytes[69], 4);
}

static jmp_buf caught;

static void leave(void *context, const char *expression, const char *file, int line)
{
    (void)context, (void)expression, (void)file, (void)line;
    longjmp(caught, 1);
}

static struct block contract;

static void reset_before_drained(void)
{
    send(&contract, 5, 5);
    outbox_reset(&contract.outbox);
}

static void send_more_than_room(void)
{
    outbox_send(&contract.outbox, BYTES + 1, (struct node_out_send){0});
}

static void send_longer_train_than_room(void)
{
    send(&contract, 10, 5);
    outbox_train(&contract.outbox, BYTES, (struct node_out_send){0});
}

static void more_packets_than_room(void)
{
    outbox_packet(&contract.outbox, BYTES + 1);
}

static void packet_of_nothing(void)
{
    outbox_packet(&contract.outbox, 0);
}

static void init_without_outputs(void)
{
    outbox_init(&contract.outbox, contract.memory, 0, BYTES);
}

static void test_broken_contracts_fail_checks(void **state)
{
    (void)state;
    static void (*const breaches[])(void) = {reset_before_drained,        send_more_than_room,
                                             send_longer_train_than_room, more_packets_than_room,
                                             packet_of_nothing,           init_without_outputs};
    for (volatile unsigned i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        block_init(&contract);
        check_set_hook(leave, NULL);
        if (setjmp(caught) == 0) {
            breaches[i]();
            fail_msg("breach %u went unnoticed", i);
        }
    }
    check_set_hook(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_and_bytes),
        cmocka_unit_test(test_full_of_outputs),
        cmocka_unit_test(test_kept_places),
        cmocka_unit_test(test_full_of_bytes),
        cmocka_unit_test(test_bounds_and_copy),
        cmocka_unit_test(test_trains),
        cmocka_unit_test(test_trains_of_one_way),
        cmocka_unit_test(test_trains_without_gaps),
        cmocka_unit_test(test_trains_end),
        cmocka_unit_test(test_trains_when_full),
        cmocka_unit_test(test_broken_contracts_fail_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
