/* Warren frames against docs/protocol.md: layout byte for byte, every length, every wrong header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/frame/message.h"

static const uint8_t key[FRAME_KEY_SIZE] = {0xa0, 0xa1, 0xa2, 0xa3};
static const uint8_t nonce[FRAME_NONCE_SIZE] = {0xb0, 0xb1, 0xb2, 0xb3};

/* What docs/protocol.md says of each type: where its body begins, what stands behind it. */
static const struct row {
    uint8_t type;
    const char *front; /* in hexadecimal, with sender 0x01020304, receiver 0x05060708, and so on */
    size_t body_min;
    size_t behind;
    bool fixed; /* no body but the smallest */
} rows[] = {
    {FRAME_HELLO,
     "0b010100"
     "01020304"
     "a0a1a2a300000000000000000000000000000000000000000000000000000000"
     "b0b1b2b30000000000000000000000000000000000000000",
     16, 32, false},
    {FRAME_WELCOME,
     "0b010200"
     "01020304"
     "05060708"
     "b0b1b2b30000000000000000000000000000000000000000",
     16, 16, false},
    {FRAME_COOKIE,
     "0b010300"
     "05060708"
     "b0b1b2b30000000000000000000000000000000000000000",
     32, 0, true},
    {FRAME_STRANGER,
     "0b010400"
     "05060708"
     "1112131415161718",
     0, 0, true},
    {FRAME_SEALED,
     "0b010500"
     "05060708"
     "1112131415161718",
     16, 0, false},
    {FRAME_DATA,
     "0b010600"
     "05060708",
     0, 0, false},
    {FRAME_PROBE,
     "0b010700"
     "05060708"
     "1112131415161718",
     16, 0, false},
};

enum { ROWS = sizeof rows / sizeof rows[0], BODY_MAX = 100, FRAME_MAX = 300 };

static size_t unhex(uint8_t *to, const char *hex)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        to[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

static struct frame frame_of(const struct row *row, size_t body)
{
    return (struct frame){
        .type = row->type,
        .sender = 0x01020304,
        .receiver = 0x05060708,
        .counter = 0x1112131415161718,
        .key = key,
        .nonce = nonce,
        .body = {.size = body},
    };
}

/* A whole frame, its body and macs counting up from 1. */
static size_t write_frame(const struct row *row, size_t body, uint8_t *bytes)
{
    struct frame frame = frame_of(row, body);
    size_t at = frame_encode(&frame, bytes, FRAME_MAX);
    assert_true(at > 0);
    for (size_t i = 0; i < body + row->behind; i++)
        bytes[at + i] = (uint8_t)(i + 1);
    assert_int_equal(frame_size(&frame), at + body + row->behind);
    return at + body + row->behind;
}

static enum frame_error decode_exact(struct frame *frame, const uint8_t *bytes, size_t size,
                                     uint8_t **copy)
{
    *copy = malloc(size > 0 ? size : 1);
    assert_non_null(*copy);
    if (size > 0)
        memcpy(*copy, bytes, size);
    return frame_decode(frame, *copy, size);
}

static void test_layout(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *row = &rows[i];
        for (size_t body = row->body_min; body <= (row->fixed ? row->body_min : BODY_MAX); body++) {
            uint8_t bytes[FRAME_MAX], front[FRAME_MAX];
            size_t at = unhex(front, row->front);
            size_t size = write_frame(row, body, bytes);
            assert_memory_equal(bytes, front, at);
            struct frame frame;
            uint8_t *copy;
            assert_int_equal(decode_exact(&frame, bytes, size, &copy), FRAME_OK);
            assert_true(frame_is_ours(copy, size));
            assert_int_equal(frame.type, row->type);
            assert_int_equal(frame.front.size, at);
            assert_ptr_equal(frame.body.bytes, copy + at);
            assert_int_equal(frame.body.size, body);
            bool sender = row->type == FRAME_HELLO || row->type == FRAME_WELCOME;
            assert_int_equal(frame.sender, sender ? 0x01020304 : 0);
            assert_int_equal(frame.receiver, row->type == FRAME_HELLO ? 0 : 0x05060708);
            assert_int_equal(frame.covered1.size, row->behind >= 16 ? at + body : 0);
            assert_int_equal(frame.covered2.size, row->behind >= 32 ? at + body + 16 : 0);
            assert_true((frame.mac2 != NULL) == (row->type == FRAME_HELLO));
            if (frame.mac1 != NULL)
                assert_int_equal(frame.mac1[0], (uint8_t)(body + 1));
            free(copy);
        }
    }
}

/* Every shorter datagram is refused, and a longer one of a type whose size is fixed. */
static void test_lengths(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t bytes[FRAME_MAX];
        size_t size = write_frame(&rows[i], rows[i].body_min, bytes);
        for (size_t length = 0; length < size; length++) {
            struct frame frame, zero;
            uint8_t *copy;
            memset(&zero, 0, sizeof zero);
            assert_int_equal(decode_exact(&frame, bytes, length, &copy), FRAME_TOO_SHORT);
            assert_memory_equal(&frame, &zero, sizeof frame);
            free(copy);
        }
        struct frame frame;
        bytes[size] = 0;
        assert_int_equal(frame_decode(&frame, bytes, size + 1),
                         rows[i].fixed ? FRAME_BAD_SIZE : FRAME_OK);
    }
}

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        uint8_t at, value;
        enum frame_error error;
    } wrong[] = {
        {0, 0x0a, FRAME_NOT_OURS},     {0, 0x00, FRAME_NOT_OURS},  {1, 0, FRAME_OTHER_VERSION},
        {1, 2, FRAME_OTHER_VERSION},   {2, 0, FRAME_UNKNOWN_TYPE}, {2, 8, FRAME_UNKNOWN_TYPE},
        {2, 0xff, FRAME_UNKNOWN_TYPE}, {3, 1, FRAME_BAD_FLAGS},    {3, 0x80, FRAME_BAD_FLAGS},
    };
    for (size_t i = 0; i < ROWS; i++) {
        for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
            uint8_t bytes[FRAME_MAX];
            struct frame frame;
            size_t size = write_frame(&rows[i], rows[i].body_min, bytes);
            bytes[wrong[k].at] = wrong[k].value;
            assert_int_equal(frame_decode(&frame, bytes, size), wrong[k].error);
        }
    }
    /* A name of its own for each error. */
    for (unsigned a = 0; a < FRAME_ERROR_COUNT; a++) {
        for (unsigned b = 0; b < a; b++)
            assert_string_not_equal(frame_error_name((enum frame_error)a),
                                    frame_error_name((enum frame_error)b));
    }
}

/* A buffer of exactly the size is enough, one byte less is not, and nothing past it is written. */
static void test_capacity(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        struct frame frame = frame_of(&rows[i], rows[i].body_min);
        size_t size = frame_size(&frame);
        for (size_t capacity = 0; capacity <= size; capacity++) {
            uint8_t *bytes = malloc(capacity + 1);
            assert_non_null(bytes);
            assert_true((frame_encode(&frame, bytes, capacity) > 0) == (capacity == size));
            free(bytes);
        }
    }
}

/* A WELCOME with as much inside is never longer than the HELLO that it answers; nor is any other. */
static void test_no_amplification(void **state)
{
    (void)state;
    assert_true(FRAME_WELCOME_SIZE + 4 <= FRAME_HELLO_SIZE);
    assert_true(FRAME_COOKIE_FRAME_SIZE <= FRAME_HELLO_SIZE);
    assert_true(FRAME_STRANGER_SIZE <= FRAME_SEALED_SIZE);
    struct frame hello = frame_of(&rows[0], FRAME_TAG_SIZE);
    assert_int_equal(frame_size(&hello), FRAME_HELLO_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),           cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_headers),          cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_no_amplification),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
