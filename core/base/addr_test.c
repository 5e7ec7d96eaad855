/* Addresses: bytes, order, prefixes, and which of them a datagram may come from. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/addr.h"

static const uint8_t doc_v6[16] = {0x20, 0x01, 0x0d, 0xb8, 0xaa, 0xbb, 0xcc, 0xdd,
                                   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};

static void test_construction(void **state)
{
    (void)state;
    struct addr v4 = addr_v4(0xc0000201, 3478), v6 = addr_v6(doc_v6, 9), none = {0};
    static const uint8_t expected[16] = {192, 0, 2, 1};
    assert_int_equal(v4.family, ADDR_V4);
    assert_int_equal(v4.zero, 0);
    assert_int_equal(v4.port, 3478);
    assert_memory_equal(v4.ip, expected, 16);
    assert_int_equal(v6.family, ADDR_V6);
    assert_int_equal(v6.port, 9);
    assert_memory_equal(v6.ip, doc_v6, 16);
    assert_int_equal(addr_ip_size(&v4), 4);
    assert_int_equal(addr_ip_size(&v6), 16);
    assert_int_equal(addr_ip_size(&none), 0);
    struct addr other = addr_with_port(v4, 1);
    assert_int_equal(other.port, 1);
    assert_memory_equal(other.ip, expected, 16);
    assert_int_equal(v4.port, 3478);
}

/* Listed in the order that addr_compare() gives; each differs from all others. */
static void test_order(void **state)
{
    (void)state;
    uint8_t last_bit[16], mapped[16] = {[10] = 0xff, 0xff, 1, 2, 3, 4}, low[16] = {1, 2, 3, 4};
    memcpy(last_bit, doc_v6, 16);
    last_bit[15]++;
    const struct addr sorted[] = {
        {0},
        addr_v4(0, 0),
        addr_v4(0, 65535),
        addr_v4(0x01020304, 255),
        addr_v4(0x01020304, 256),
        addr_v4(0x01020305, 1),
        addr_v4(0x80000000, 1),
        addr_v4(0xffffffff, 1),
        addr_v6(mapped, 255),
        addr_v6(low, 255),
        addr_v6(doc_v6, 1),
        addr_v6(doc_v6, 2),
        addr_v6(last_bit, 0),
    };
    enum { COUNT = sizeof sorted / sizeof sorted[0] };
    for (int a = 0; a < COUNT; a++) {
        for (int b = 0; b < COUNT; b++) {
            int order = addr_compare(&sorted[a], &sorted[b]);
            assert_int_equal((order > 0) - (order < 0), (a > b) - (a < b));
            assert_int_equal(addr_equal(&sorted[a], &sorted[b]), a == b);
            struct addr same_port = addr_with_port(sorted[a], sorted[b].port);
            assert_int_equal(addr_equal_ip(&sorted[a], &sorted[b]),
                             addr_equal(&same_port, &sorted[b]));
        }
    }
}

static void test_prefixes(void **state)
{
    (void)state;
    static const struct {
        unsigned bits;
        uint32_t ip;
    } rows[] = {
        {0, 0},           {1, 0x80000000},  {7, 0xca000000},  {8, 0xcb000000},  {9, 0xcb000000},
        {22, 0xcb007000}, {24, 0xcb007100}, {25, 0xcb007180}, {31, 0xcb0071fe}, {32, 0xcb0071ff},
    };
    struct addr v4 = addr_v4(0xcb0071ff, 1234); /* 203.0.113.255 */
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr prefix = addr_prefix(&v4, rows[i].bits), expected = addr_v4(rows[i].ip, 0);
        assert_true(addr_equal(&prefix, &expected));
    }
    struct addr v6 = addr_v6(doc_v6, 1234);
    for (unsigned bits = 0; bits <= 128; bits++) {
        struct addr prefix = addr_prefix(&v6, bits);
        assert_int_equal(prefix.family, ADDR_V6);
        assert_int_equal(prefix.port, 0);
        for (unsigned bit = 0; bit < 128; bit++) {
            unsigned is = prefix.ip[bit / 8] >> (7 - bit % 8) & 1;
            unsigned was = doc_v6[bit / 8] >> (7 - bit % 8) & 1;
            assert_int_equal(is, bit < bits ? was : 0);
        }
    }
    struct addr none = {0}, nothing = addr_prefix(&none, 0);
    assert_true(addr_equal(&none, &nothing));
}

static void test_unicast(void **state)
{
    (void)state;
    static const struct {
        uint32_t ip;
        bool unicast;
    } rows[] = {
        {0x00000000, false}, {0x00ffffff, false}, {0x01000000, true},  {0x0a000001, true},
        {0x7f000001, true},  {0xc0000201, true},  {0xdfffffff, true},  {0xe0000000, false},
        {0xefffffff, false}, {0xf0000000, false}, {0xffffffff, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr addr = addr_v4(rows[i].ip, 1);
        assert_int_equal(addr_is_unicast(&addr), rows[i].unicast);
    }
    struct addr none = {0}, v6 = addr_v6(doc_v6, 1);
    assert_false(addr_is_unicast(&none));
    assert_true(addr_is_unicast(&v6));
    memset(v6.ip, 0, 16);
    assert_false(addr_is_unicast(&v6)); /* :: */
    v6.ip[15] = 1;
    assert_true(addr_is_unicast(&v6)); /* ::1 */
    v6.ip[0] = 0xff;
    assert_false(addr_is_unicast(&v6)); /* ff00::1 */
    v6.ip[0] = 0xfe;
    assert_true(addr_is_unicast(&v6)); /* fe00::1 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_construction),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_prefixes),
        cmocka_unit_test(test_unicast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
