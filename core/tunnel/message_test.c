/*
 * WireGuard's messages against the WireGuard paper, section 5.4: one of each byte for byte, every
 * size, every type and every reserved byte that is not theirs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/tunnel/message.h"
#include "crypto/crypto_test.h"

enum { BYTES_MAX = 2048 };

#define ZEROS_16 "00000000000000000000000000000000"
#define EPHEMERAL "101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
#define MAC1 "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
#define MAC2 "e0e1e2e3e4e5e6e7e8e9eaebecedeeef"

/* Field by field, in hexadecimal; numbers are little-endian. */
static const char initiation_hex[] =
    "01000000"
    "04030201" EPHEMERAL "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f"
    "505152535455565758595a5b5c5d5e5f"
    "606162636465666768696a6b6c6d6e6f707172737475767778797a7b" MAC1 MAC2;
static const char response_hex[] =
    "02000000"
    "f4f3f2f1"
    "04030201" EPHEMERAL "808182838485868788898a8b8c8d8e8f" MAC1 ZEROS_16;
static const char cookie_hex[] = "03000000"
                                 "04030201"
                                 "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7"
                                 "a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7";
static const char data_hex[] = "04000000"
                               "04030201"
                               "8877665544332211"
                               "c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8";

/* What the fields above are called, of the type that they are of. */
static const uint32_t sender = 0x01020304, other = 0xf1f2f3f4;
static const uint64_t counter = 0x1122334455667788;

static void assert_counts_up(const uint8_t *bytes, size_t size, unsigned from)
{
    for (size_t i = 0; i < size; i++)
        assert_int_equal(bytes[i], from + i);
}

static void count_up(uint8_t *to, size_t size, unsigned from)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(from + i);
}

/* ---- Types ---- */

static const struct size_row {
    uint8_t type;
    size_t size_min;
    size_t size_max;
} size_rows[] = {
    {1, 148, 148},
    {2, 92, 92},
    {3, 64, 64},
    {4, 32, SIZE_MAX},
};

enum { SIZE_ROWS = sizeof size_rows / sizeof size_rows[0] };

static enum tunnel_message_type type_of(const uint8_t head[static 4], size_t size)
{
    /* A block of exactly this size, so that a sanitizer sees a read past its end. */
    uint8_t *block = calloc(1, size > 0 ? size : 1);
    assert_non_null(block);
    memcpy(block, head, size < 4 ? size : 4);
    enum tunnel_message_type type = tunnel_message_type(block, size);
    free(block);
    return type;
}

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE_ROWS; i++) {
        const struct size_row *row = &size_rows[i];
        const uint8_t head[4] = {row->type};
        for (size_t size = 0; size <= BYTES_MAX; size++) {
            bool right = size >= row->size_min && size <= row->size_max;
            assert_int_equal(type_of(head, size), right ? row->type : 0);
        }
    }
}

static void test_types(void **state)
{
    (void)state;
    static const size_t sizes[] = {4, 32, 64, 92, 148, 1452};
    for (unsigned type = 0; type <= UINT8_MAX; type++) {
        const uint8_t head[4] = {(uint8_t)type};
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            bool known = type >= 1 && type <= 4;
            if (!known)
                assert_int_equal(type_of(head, sizes[i]), TUNNEL_NO_MESSAGE);
        }
    }
}

static void test_reserved(void **state)
{
    (void)state;
    for (size_t i = 0; i < SIZE_ROWS; i++) {
        for (size_t at = 1; at <= 3; at++) {
            for (unsigned value = 1; value <= UINT8_MAX; value++) {
                uint8_t head[4] = {size_rows[i].type};
                head[at] = (uint8_t)value;
                assert_int_equal(type_of(head, size_rows[i].size_min), TUNNEL_NO_MESSAGE);
            }
        }
    }
}

static void test_no_bytes(void **state)
{
    (void)state;
    assert_int_equal(tunnel_message_type(NULL, 0), TUNNEL_NO_MESSAGE);
}

/* ---- Each message ---- */

static void test_initiation(void **state)
{
    (void)state;
    uint8_t bytes[TUNNEL_INITIATION_SIZE], again[TUNNEL_INITIATION_SIZE];
    assert_int_equal(strlen(initiation_hex), 2 * sizeof bytes);
    unhex(bytes, initiation_hex);
    struct tunnel_initiation message;
    memset(&message, 0xff, sizeof message);
    tunnel_initiation_decode(&message, bytes, sizeof bytes);
    assert_int_equal(message.sender, sender);
    assert_counts_up(message.ephemeral, 32, 0x10);
    assert_counts_up(message.sealed_static, 48, 0x30);
    assert_counts_up(message.sealed_timestamp, 28, 0x60);
    assert_counts_up(message.mac1, 16, 0xd0);
    assert_counts_up(message.mac2, 16, 0xe0);

    struct tunnel_initiation made = {.sender = sender};
    count_up(made.ephemeral, 32, 0x10);
    count_up(made.sealed_static, 48, 0x30);
    count_up(made.sealed_timestamp, 28, 0x60);
    count_up(made.mac1, 16, 0xd0);
    count_up(made.mac2, 16, 0xe0);
    tunnel_initiation_encode(&made, again);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void test_response(void **state)
{
    (void)state;
    uint8_t bytes[TUNNEL_RESPONSE_SIZE], again[TUNNEL_RESPONSE_SIZE];
    assert_int_equal(strlen(response_hex), 2 * sizeof bytes);
    unhex(bytes, response_hex);
    struct tunnel_response message;
    memset(&message, 0xff, sizeof message);
    tunnel_response_decode(&message, bytes, sizeof bytes);
    assert_int_equal(message.sender, other);
    assert_int_equal(message.receiver, sender);
    assert_counts_up(message.ephemeral, 32, 0x10);
    assert_counts_up(message.sealed_nothing, 16, 0x80);
    assert_counts_up(message.mac1, 16, 0xd0);
    static const uint8_t zeros[16];
    assert_memory_equal(message.mac2, zeros, sizeof zeros);

    struct tunnel_response made = {.sender = other, .receiver = sender};
    count_up(made.ephemeral, 32, 0x10);
    count_up(made.sealed_nothing, 16, 0x80);
    count_up(made.mac1, 16, 0xd0);
    tunnel_response_encode(&made, again);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void test_cookie(void **state)
{
    (void)state;
    uint8_t bytes[TUNNEL_COOKIE_REPLY_SIZE], again[TUNNEL_COOKIE_REPLY_SIZE];
    assert_int_equal(strlen(cookie_hex), 2 * sizeof bytes);
    unhex(bytes, cookie_hex);
    struct tunnel_cookie message;
    memset(&message, 0xff, sizeof message);
    tunnel_cookie_decode(&message, bytes, sizeof bytes);
    assert_int_equal(message.receiver, sender);
    assert_counts_up(message.nonce, 24, 0x90);
    assert_counts_up(message.sealed_cookie, 32, 0xa8);

    struct tunnel_cookie made = {.receiver = sender};
    count_up(made.nonce, 24, 0x90);
    count_up(made.sealed_cookie, 32, 0xa8);
    tunnel_cookie_encode(&made, again);
    assert_memory_equal(again, bytes, sizeof bytes);
}

static void test_data(void **state)
{
    (void)state;
    uint8_t bytes[TUNNEL_DATA_HEADER_SIZE + 17], header[TUNNEL_DATA_HEADER_SIZE];
    assert_int_equal(strlen(data_hex), 2 * sizeof bytes);
    unhex(bytes, data_hex);
    struct tunnel_data message;
    memset(&message, 0xff, sizeof message);
    tunnel_data_decode(&message, bytes, sizeof bytes);
    assert_int_equal(message.receiver, sender);
    assert_true(message.counter == counter);
    assert_ptr_equal(message.sealed, bytes + 16);
    assert_int_equal(message.sealed_size, 17);
    tunnel_data_header_encode(sender, counter, header);
    assert_memory_equal(header, bytes, sizeof header);
}

/* From a keepalive upwards, whether or not the size is a multiple of 16. */
static void test_data_sizes(void **state)
{
    (void)state;
    static uint8_t bytes[BYTES_MAX];
    tunnel_data_header_encode(UINT32_MAX, UINT64_MAX, bytes);
    for (size_t size = 32; size <= BYTES_MAX; size++) {
        struct tunnel_data message;
        assert_int_equal(tunnel_message_type(bytes, size), TUNNEL_DATA);
        tunnel_data_decode(&message, bytes, size);
        assert_int_equal(message.receiver, UINT32_MAX);
        assert_true(message.counter == UINT64_MAX);
        assert_ptr_equal(message.sealed, bytes + 16);
        assert_int_equal(message.sealed_size, size - 16);
    }
}

/* Every bit of every number has its place. */
static void test_numbers(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 64; bit++) {
        uint8_t bytes[TUNNEL_DATA_SIZE_MIN] = {0}, expected[TUNNEL_DATA_HEADER_SIZE] = {4};
        uint64_t number = UINT64_C(1) << bit;
        uint32_t receiver = bit < 32 ? UINT32_C(1) << bit : 0;
        expected[8 + bit / 8] = (uint8_t)(1u << bit % 8);
        if (bit < 32)
            expected[4 + bit / 8] = (uint8_t)(1u << bit % 8);
        tunnel_data_header_encode(receiver, number, bytes);
        assert_memory_equal(bytes, expected, sizeof expected);
        struct tunnel_data message;
        tunnel_data_decode(&message, bytes, sizeof bytes);
        assert_true(message.receiver == receiver && message.counter == number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_types),
        cmocka_unit_test(test_reserved),   cmocka_unit_test(test_no_bytes),
        cmocka_unit_test(test_initiation), cmocka_unit_test(test_response),
        cmocka_unit_test(test_cookie),     cmocka_unit_test(test_data),
        cmocka_unit_test(test_data_sizes), cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
