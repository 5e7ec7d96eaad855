/* IP headers in the tunnel: lengths, addresses, and what one hop does to the packet. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/tunnel/inner.h"

/* 192.0.2.1 to 198.51.100.2, UDP, 8 bytes of payload (RFC 791, section 3.1). */
static const uint8_t v4_packet[28] = {
    0x45, 0x00, 0x00, 0x1c, 0x12, 0x34, 0x40, 0x00, 0x40, 0x11, 0x00, 0x00, 0xc0, 0x00,
    0x02, 0x01, 0xc6, 0x33, 0x64, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x11, 0x22,
};
/* 2001:db8::1 to 2001:db8:0:1::2, UDP, 8 bytes of payload (RFC 8200, section 3). */
static const uint8_t v6_packet[48] = {
    0x60, 0x01, 0x23, 0x45, 0x00, 0x08, 0x11, 0x40, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x01, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x01,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x11, 0x22,
};

/* Parses bytes that end where a sanitizer sees it. */
static bool parse(struct inner *inner, const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    assert_non_null(exact);
    if (size > 0)
        memcpy(exact, bytes, size);
    bool ok = inner_parse(inner, exact, size);
    free(exact);
    return ok;
}

static void test_addresses(void **state)
{
    (void)state;
    struct inner inner;
    assert_true(parse(&inner, v4_packet, sizeof v4_packet));
    struct addr source = addr_v4(0xc0000201, 0), destination = addr_v4(0xc6336402, 0);
    assert_true(addr_equal(&inner.source, &source));
    assert_true(addr_equal(&inner.destination, &destination));
    assert_int_equal(inner.size, sizeof v4_packet);

    assert_true(parse(&inner, v6_packet, sizeof v6_packet));
    source = addr_v6(v6_packet + 8, 0);
    destination = addr_v6(v6_packet + 24, 0);
    assert_true(addr_equal(&inner.source, &source));
    assert_true(addr_equal(&inner.destination, &destination));
    assert_int_equal(inner.size, sizeof v6_packet);
}

static void test_v4_lengths(void **state)
{
    (void)state;
    static const struct {
        uint8_t first;  /* version and header length in words */
        uint16_t total; /* by the header */
        size_t size;    /* that arrived */
        bool ok;
    } rows[] = {
        {0x45, 20, 20, true},       {0x45, 20, 19, false},      {0x45, 19, 20, false},
        {0x45, 0, 20, false},       {0x45, 21, 20, false},      {0x45, 20, 21, true},
        {0x45, 20, 1500, true},     {0x45, 1500, 1500, true},   {0x45, 1500, 1499, false},
        {0x45, 65535, 65535, true}, {0x45, 65535, 65536, true}, {0x45, 65535, 65534, false},
        {0x44, 28, 28, false},      {0x40, 28, 28, false},      {0x41, 28, 28, false},
        {0x46, 24, 24, true},       {0x46, 23, 24, false},      {0x46, 24, 23, false},
        {0x4f, 60, 60, true},       {0x4f, 59, 60, false},      {0x4f, 60, 59, false},
        {0x4f, 61, 61, true},       {0x55, 20, 20, false},      {0x35, 20, 20, false},
        {0x05, 20, 20, false},      {0xf5, 20, 20, false},      {0x15, 20, 20, false},
        {0x25, 20, 20, false},      {0x75, 20, 20, false},      {0xc5, 20, 20, false},
        {0x45, 20, 0, false},       {0x45, 20, 1, false},       {0x45, 20, 4, false},
    };
    static uint8_t packet[65536];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(packet, 0x5a, sizeof packet);
        memcpy(packet, v4_packet, sizeof v4_packet);
        packet[0] = rows[i].first;
        packet[2] = (uint8_t)(rows[i].total >> 8);
        packet[3] = (uint8_t)rows[i].total;
        struct inner inner;
        assert_int_equal(parse(&inner, packet, rows[i].size), rows[i].ok);
        if (rows[i].ok)
            assert_int_equal(inner.size, rows[i].total);
    }
}

static void test_v6_lengths(void **state)
{
    (void)state;
    static const struct {
        uint8_t first;
        uint16_t payload; /* by the header */
        uint8_t next;     /* header */
        size_t size;      /* that arrived */
        bool ok;
    } rows[] = {
        {0x60, 0, 59, 40, true},        {0x60, 0, 59, 39, false},
        {0x60, 0, 17, 40, true},        {0x60, 0, 59, 1280, true},
        {0x60, 1, 17, 40, false},       {0x60, 1, 17, 41, true},
        {0x60, 1240, 6, 1280, true},    {0x60, 1240, 6, 1279, false},
        {0x60, 1240, 6, 1281, true},    {0x60, 65535, 6, 65575, true},
        {0x60, 65535, 6, 65574, false}, {0x60, 65535, 6, 65576, true},
        {0x6f, 0, 59, 40, true},        {0x60, 0, 0, 40, false}, /* jumbograms, RFC 2675 */
        {0x60, 0, 0, 65600, false},     {0x60, 8, 0, 48, true},  /* hop-by-hop options */
        {0x60, 0, 44, 40, true},        {0x50, 0, 59, 40, false},
        {0x70, 0, 59, 40, false},       {0x00, 0, 59, 40, false},
        {0xe0, 0, 59, 40, false},       {0x60, 0, 59, 20, false},
        {0x60, 0, 59, 0, false},        {0x60, 0, 59, 1, false},
        {0x60, 0, 59, 6, false},
    };
    static uint8_t packet[65600];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        memset(packet, 0x5a, sizeof packet);
        memcpy(packet, v6_packet, sizeof v6_packet);
        packet[0] = rows[i].first;
        packet[4] = (uint8_t)(rows[i].payload >> 8);
        packet[5] = (uint8_t)rows[i].payload;
        packet[6] = rows[i].next;
        struct inner inner;
        assert_int_equal(parse(&inner, packet, rows[i].size), rows[i].ok);
        if (rows[i].ok)
            assert_int_equal(inner.size, rows[i].payload + 40);
    }
}

/* Neither fragments nor checksums, protocols, hops or odd addresses are any business of ours. */
static void test_passes_the_rest(void **state)
{
    (void)state;
    for (size_t at = 1; at < sizeof v4_packet; at++) {
        uint8_t packet[sizeof v4_packet];
        memcpy(packet, v4_packet, sizeof packet);
        for (unsigned flip = 1; flip < 256; flip++) {
            packet[at] = (uint8_t)(v4_packet[at] ^ flip);
            struct inner inner;
            bool is_length = at == 2 || at == 3;
            assert_int_equal(parse(&inner, packet, sizeof packet),
                             !is_length || (at == 3 && packet[at] >= 20 && packet[at] <= 28));
        }
    }
    for (size_t at = 6; at < sizeof v6_packet; at++) {
        uint8_t packet[sizeof v6_packet];
        memcpy(packet, v6_packet, sizeof packet);
        for (unsigned flip = 1; flip < 256; flip++) {
            packet[at] = (uint8_t)(v6_packet[at] ^ flip);
            struct inner inner;
            assert_true(parse(&inner, packet, sizeof packet));
        }
    }
}

/* RFC 1071 over a header whose checksum field counts as zero. */
static uint16_t checksum_of(const uint8_t *header, size_t size)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < size; i += 2) {
        if (i != 10)
            sum += (uint32_t)header[i] << 8 | header[i + 1];
    }
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)~sum;
}

static void checksum_write(uint8_t *header, uint16_t checksum)
{
    header[10] = (uint8_t)(checksum >> 8);
    header[11] = (uint8_t)checksum;
}

/* The packet that the specification wants of one hop more. */
static void hop_expected(uint8_t *packet)
{
    if (packet[0] >> 4 == 6) {
        packet[7]--;
        return;
    }
    packet[8]--;
    checksum_write(packet, checksum_of(packet, (size_t)(packet[0] & 15u) * 4));
}

static void test_hop_table(void **state)
{
    (void)state;
    static const struct {
        uint8_t life;
        bool goes_on;
    } rows[] = {{0, false},  {1, false},  {2, true},  {64, true},
                {128, true}, {129, true}, {255, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t v4[sizeof v4_packet], v6[sizeof v6_packet];
        uint8_t v4_expected[sizeof v4], v6_expected[sizeof v6];
        memcpy(v4, v4_packet, sizeof v4);
        memcpy(v6, v6_packet, sizeof v6);
        v4[8] = rows[i].life;
        v6[7] = rows[i].life;
        checksum_write(v4, checksum_of(v4, 20));
        memcpy(v4_expected, v4, sizeof v4);
        memcpy(v6_expected, v6, sizeof v6);
        if (rows[i].goes_on) {
            hop_expected(v4_expected);
            hop_expected(v6_expected);
        }
        assert_int_equal(inner_hop(v4, sizeof v4), rows[i].goes_on);
        assert_int_equal(inner_hop(v6, sizeof v6), rows[i].goes_on);
        assert_memory_equal(v4, v4_expected, sizeof v4);
        assert_memory_equal(v6, v6_expected, sizeof v6);
    }
}

/*
 * The checksum is mended at its own edges: the header of each row is made such that its checksum
 * before the hop is the one given. RFC 1624, section 4, has the case that RFC 1141 got wrong.
 */
static void test_hop_checksum_edges(void **state)
{
    (void)state;
    static const uint16_t before[] = {0x0000, 0x0001, 0x00fe, 0x00ff, 0x0100, 0x7fff, 0x8000,
                                      0xfdff, 0xfe00, 0xfeff, 0xff00, 0xff01, 0xfffe};
    for (size_t i = 0; i < sizeof before / sizeof before[0]; i++) {
        uint8_t packet[sizeof v4_packet], expected[sizeof packet];
        memcpy(packet, v4_packet, sizeof packet);
        /* The identification is what is free: try all. */
        uint32_t id = 0;
        do {
            packet[4] = (uint8_t)(id >> 8);
            packet[5] = (uint8_t)id;
        } while (checksum_of(packet, 20) != before[i] && ++id <= 0xffff);
        assert_true(id <= 0xffff);
        checksum_write(packet, before[i]);
        memcpy(expected, packet, sizeof packet);
        hop_expected(expected);
        assert_true(inner_hop(packet, sizeof packet));
        assert_memory_equal(packet, expected, sizeof packet);
    }
}

/* A checksum that was wrong stays wrong: mending must not hide what happened before. */
static void test_hop_keeps_damage(void **state)
{
    (void)state;
    for (unsigned damage = 1; damage < 0xffff; damage += 97) {
        uint8_t packet[sizeof v4_packet];
        memcpy(packet, v4_packet, sizeof packet);
        uint32_t wrong = checksum_of(packet, 20) ^ damage;
        checksum_write(packet, (uint16_t)wrong);
        assert_true(inner_hop(packet, sizeof packet));
        assert_int_not_equal((uint32_t)packet[10] << 8 | packet[11], checksum_of(packet, 20));
    }
}

static void test_hop_random(void **state)
{
    (void)state;
    enum { PACKETS = 200000 };
    static const uint8_t seed[RANDOM_SEED_SIZE] = {5};
    struct random_stream stream;
    random_stream_init(&stream, seed, "hop", 3);
    unsigned hops = 0, last = 0;
    for (unsigned p = 0; p < PACKETS; p++) {
        uint8_t packet[72], expected[sizeof packet];
        for (size_t i = 0; i < sizeof packet; i++)
            packet[i] = (uint8_t)random_u64(&stream);
        bool is_v6 = random_chance(&stream, RANDOM_PPM / 10);
        uint8_t words = (uint8_t)(5 + random_below(&stream, 11));
        packet[0] = is_v6 ? 0x60 : (uint8_t)(0x40 | words);
        packet[is_v6 ? 4 : 2] = 0;
        packet[is_v6 ? 5 : 3] = (uint8_t)(is_v6 ? random_below(&stream, 33)
                                                : words * UINT64_C(4) + random_below(&stream, 9));
        packet[6] |= 1; /* no jumbogram */
        if (random_chance(&stream, RANDOM_PPM / 20))
            packet[is_v6 ? 7 : 8] = (uint8_t)random_below(&stream, 3);
        if (!is_v6)
            checksum_write(packet, checksum_of(packet, (size_t)words * 4));
        struct inner before, after;
        assert_true(inner_parse(&before, packet, sizeof packet));
        memcpy(expected, packet, sizeof packet);
        bool goes_on = packet[is_v6 ? 7 : 8] > 1;
        if (goes_on)
            hop_expected(expected);
        assert_int_equal(inner_hop(packet, sizeof packet), goes_on);
        assert_memory_equal(packet, expected, sizeof packet);
        assert_true(inner_parse(&after, packet, sizeof packet));
        assert_true(addr_equal(&before.source, &after.source));
        assert_true(addr_equal(&before.destination, &after.destination));
        assert_int_equal(before.size, after.size);
        hops += goes_on;
        last += !goes_on;
    }
    assert_true(hops > PACKETS / 2 && last > PACKETS / 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses),        cmocka_unit_test(test_v4_lengths),
        cmocka_unit_test(test_v6_lengths),       cmocka_unit_test(test_passes_the_rest),
        cmocka_unit_test(test_hop_table),        cmocka_unit_test(test_hop_checksum_edges),
        cmocka_unit_test(test_hop_keeps_damage), cmocka_unit_test(test_hop_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
