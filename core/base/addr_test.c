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

static void test_subnet_of(void **state)
{
    (void)state;
    struct addr v4 = addr_v4(0xcb0071ff, 1234), v6 = addr_v6(doc_v6, 1234);
    for (unsigned bits = 0; bits <= 128; bits++) {
        struct subnet subnet = subnet_of(&v6, bits);
        struct addr prefix = addr_prefix(&v6, bits);
        assert_int_equal(subnet.bits, bits);
        assert_true(addr_equal(&subnet.addr, &prefix));
        assert_true(subnet_is_valid(&subnet));
        /* Equal subnets are equal bytes: they are keys of maps. */
        struct subnet again = subnet_of(&prefix, bits);
        assert_memory_equal(&subnet, &again, sizeof subnet);
    }
    for (unsigned bits = 0; bits <= 32; bits++) {
        struct subnet subnet = subnet_of(&v4, bits);
        assert_int_equal(subnet.bits, bits);
        assert_int_equal(subnet.addr.port, 0);
        assert_true(subnet_is_valid(&subnet));
        assert_true(subnet_has(&subnet, &v4));
    }
    struct addr host = subnet_of(&v4, 32).addr;
    assert_true(addr_equal_ip(&host, &v4));
}

static void test_subnet_is_valid(void **state)
{
    (void)state;
    static const struct {
        uint32_t ip;
        uint16_t port;
        uint8_t bits;
        bool valid;
    } rows[] = {
        {0x00000000, 0, 0, true},    {0x00000001, 0, 0, false},   {0x80000000, 0, 0, false},
        {0x80000000, 0, 1, true},    {0x0a000000, 0, 8, true},    {0x0a000000, 0, 7, true},
        {0x0a000000, 0, 6, false},   {0x0a000000, 0, 32, true},   {0x0a000000, 0, 33, false},
        {0x0a000000, 0, 128, false}, {0x0a000000, 0, 255, false}, {0x0a000000, 1, 8, false},
        {0x0a000001, 0, 31, false},  {0x0a000001, 0, 32, true},   {0xffffffff, 0, 32, true},
        {0x0a000001, 9, 32, false},  {0x0a000002, 0, 31, true},   {0x00000000, 9, 0, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct subnet subnet = {.addr = addr_v4(rows[i].ip, rows[i].port), .bits = rows[i].bits};
        assert_int_equal(subnet_is_valid(&subnet), rows[i].valid);
    }
    struct subnet none = {.bits = 0}, v6 = {.addr = addr_v6(doc_v6, 0), .bits = 128};
    assert_false(subnet_is_valid(&none));
    assert_true(subnet_is_valid(&v6));
    for (unsigned bits = 0; bits < 256; bits++) {
        v6.bits = (uint8_t)bits;
        /* The last bits of the address are 1000. */
        assert_int_equal(subnet_is_valid(&v6), bits >= 125 && bits <= 128);
    }
}

static void test_subnet_has(void **state)
{
    (void)state;
    static const struct {
        uint32_t ip;
        unsigned bits;
        uint32_t other;
        bool has;
    } rows[] = {
        {0x00000000, 0, 0x00000000, true},  {0x00000000, 0, 0xffffffff, true},
        {0x0a000000, 8, 0x0a000000, true},  {0x0a000000, 8, 0x0affffff, true},
        {0x0a000000, 8, 0x0b000000, false}, {0x0a000000, 8, 0x09ffffff, false},
        {0xc0a80180, 25, 0xc0a801ff, true}, {0xc0a80180, 25, 0xc0a8017f, false},
        {0xc0a80101, 32, 0xc0a80101, true}, {0xc0a80101, 32, 0xc0a80100, false},
        {0x80000000, 1, 0xffffffff, true},  {0x80000000, 1, 0x7fffffff, false},
    };
    struct addr v6 = addr_v6(doc_v6, 7), none = {0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct addr of = addr_v4(rows[i].ip, 0), other = addr_v4(rows[i].other, (uint16_t)i);
        struct subnet subnet = subnet_of(&of, rows[i].bits);
        assert_int_equal(subnet_has(&subnet, &other), rows[i].has);
        assert_false(subnet_has(&subnet, &v6));
        assert_false(subnet_has(&subnet, &none));
    }
    /* Of IPv6, one bit changed: what is behind the prefix does not matter, all else does. */
    for (unsigned bits = 0; bits <= 128; bits++) {
        struct subnet subnet = subnet_of(&v6, bits);
        assert_true(subnet_has(&subnet, &v6));
        for (unsigned bit = 0; bit < 128; bit++) {
            struct addr other = v6;
            other.ip[bit / 8] ^= (uint8_t)(0x80u >> (bit % 8));
            assert_int_equal(subnet_has(&subnet, &other), bit >= bits);
        }
        struct addr v4 = addr_v4(0x20010db8, 0);
        assert_false(subnet_has(&subnet, &v4));
    }
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
        cmocka_unit_test(test_construction),    cmocka_unit_test(test_order),
        cmocka_unit_test(test_prefixes),        cmocka_unit_test(test_subnet_of),
        cmocka_unit_test(test_subnet_is_valid), cmocka_unit_test(test_subnet_has),
        cmocka_unit_test(test_unicast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
