/* Numbered packets: valid IP and UDP, read back whole, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/addr.h"
#include "core/tunnel/inner.h"
#include "core/warren.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/numbered.h"

/* The sum of all 16-bit words in ones' complement: 0xffff where a checksum is right (RFC 1071). */
static uint32_t ones_sum(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)bytes[i] << 8 | (i + 1 < size ? bytes[i + 1] : 0u);
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return sum;
}

static const size_t sizes[] = {NUMBERED_SIZE_MIN, 73, 100, 255, 256, 1419, NODE_PACKET_MAX};
static const struct numbered examples[] = {
    {.from = 1, .to = 2, .number = 3, .sent_ns = 4},
    {.from = 2, .to = 1, .number = 3, .sent_ns = 4},
    {.from = 0, .to = 4095, .number = UINT32_MAX, .sent_ns = UINT64_MAX},
    {.from = 4095, .to = 0, .number = 65536, .sent_ns = UINT64_C(0x0123456789abcdef)},
};

static void test_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            uint8_t bytes[NODE_PACKET_MAX];
            size_t size = sizes[k];
            bool v4 = examples[i].from < examples[i].to;
            size_t header = v4 ? 20 : 40, udp = size - header;
            struct inner inner;
            numbered_write(&examples[i], bytes, size);
            assert_true(inner_parse(&inner, bytes, size));
            assert_int_equal(inner.size, size);
            uint8_t family = v4 ? ADDR_V4 : ADDR_V6;
            struct addr from = mesh_inner(examples[i].from, family);
            struct addr to = mesh_inner(examples[i].to, family);
            assert_true(addr_equal(&inner.source, &from));
            assert_true(addr_equal(&inner.destination, &to));
            if (v4)
                assert_int_equal(ones_sum(0, bytes, 20), 0xffff);
            assert_int_equal(bytes[v4 ? 9 : 6], 17);
            assert_int_equal(bytes[header + 4] << 8 | bytes[header + 5], udp);
            /* RFC 768 and RFC 8200, section 8.1: the addresses, the length, and the protocol. */
            uint32_t sum = ones_sum((uint32_t)udp + 17, v4 ? bytes + 12 : bytes + 8, v4 ? 8 : 32);
            assert_int_equal(ones_sum(sum, bytes + header, udp), 0xffff);
            assert_true(bytes[header + 6] != 0 || bytes[header + 7] != 0);
        }
}

static void test_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            uint8_t bytes[NODE_PACKET_MAX + 1] = {0};
            struct numbered read;
            numbered_write(&examples[i], bytes, sizes[k]);
            assert_true(numbered_read(&read, bytes, sizes[k]));
            assert_int_equal(read.from, examples[i].from);
            assert_int_equal(read.to, examples[i].to);
            assert_int_equal(read.number, examples[i].number);
            assert_true(read.sent_ns == examples[i].sent_ns);
            assert_false(numbered_read(&read, bytes, sizes[k] - 1));
            assert_false(numbered_read(&read, bytes, sizes[k] + 1));
        }
}

/* One bit more or less anywhere makes another packet of it. */
static void test_changed(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        uint8_t bytes[NUMBERED_SIZE_MIN];
        struct numbered read;
        numbered_write(&examples[i], bytes, sizeof bytes);
        for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(numbered_read(&read, bytes, sizeof bytes));
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_true(numbered_read(&read, bytes, sizeof bytes));
    }
}

/* The data alone is that of the whole packet, and is read as strictly. */
static void test_data_alone(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
            uint8_t bytes[NODE_PACKET_MAX], data[NODE_PACKET_MAX + 1] = {0};
            bool v4 = examples[i].from < examples[i].to;
            size_t headers = v4 ? 28 : 48;
            struct numbered read;
            assert_int_equal(numbered_family(&examples[i]), v4 ? ADDR_V4 : ADDR_V6);
            numbered_write(&examples[i], bytes, sizes[k]);
            size_t size = numbered_write_data(&examples[i], data, sizes[k]);
            assert_int_equal(size, sizes[k] - headers);
            assert_memory_equal(data, bytes + headers, size);
            assert_true(numbered_read_data(&read, data, size));
            assert_int_equal(read.from, examples[i].from);
            assert_int_equal(read.to, examples[i].to);
            assert_int_equal(read.number, examples[i].number);
            assert_true(read.sent_ns == examples[i].sent_ns);
            /* The word, and the zeros at the end. */
            data[0] ^= 1;
            assert_false(numbered_read_data(&read, data, size));
            data[0] ^= 1;
            data[size - 1] ^= 1;
            assert_false(numbered_read_data(&read, data, size));
            /* Places that no scenario has. */
            data[size - 1] ^= 1;
            data[4] |= 0x80;
            assert_false(numbered_read_data(&read, data, size));
        }
    /* Shorter than any packet makes it, longer, and nothing. */
    uint8_t data[NODE_PACKET_MAX] = {0};
    struct numbered read;
    assert_int_equal(numbered_write_data(&examples[1], data, NUMBERED_SIZE_MIN), 24);
    for (size_t size = 0; size < 24; size++)
        assert_false(numbered_read_data(&read, data, size));
    assert_false(numbered_read_data(&read, data, sizeof data));
}

static void test_foreign(void **state)
{
    uint8_t bytes[NODE_PACKET_MAX] = {0};
    struct numbered read;
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        memset(bytes, (int)first, sizeof bytes);
        for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
            assert_false(numbered_read(&read, bytes, sizes[k]));
        assert_false(numbered_read(&read, bytes, 0));
        assert_false(numbered_read(&read, bytes, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),   cmocka_unit_test(test_read),
        cmocka_unit_test(test_changed), cmocka_unit_test(test_data_alone),
        cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
