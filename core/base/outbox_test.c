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

static void init_without_outputs(void)
{
    outbox_init(&contract.outbox, contract.memory, 0, BYTES);
}

static void test_broken_contracts_fail_checks(void **state)
{
    (void)state;
    static void (*const breaches[])(void) = {reset_before_drained, send_more_than_room,
                                             init_without_outputs};
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
        cmocka_unit_test(test_order_and_bytes), cmocka_unit_test(test_full_of_outputs),
        cmocka_unit_test(test_kept_places),     cmocka_unit_test(test_full_of_bytes),
        cmocka_unit_test(test_bounds_and_copy), cmocka_unit_test(test_broken_contracts_fail_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
