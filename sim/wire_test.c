/*
 * Tests of packets as bytes: against packets of known bytes, and by the rule of RFC 1071 that a
 * right packet's words sum to all ones.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/icmp.h"
#include "sim/pcap.h"
#include "sim/wire.h"

static uint8_t wire[WIRE_MAX];

static struct addr v4(uint8_t last, uint16_t port)
{
    return addr_v4(0xc6120000u + last, port);
}

static struct addr v6(uint8_t last, uint16_t port)
{
    uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8};
    ip[15] = last;
    return addr_v6(ip, port);
}

static void make(struct packet_pool *pool, struct packet *packet, bool six, const char *data)
{
    struct addr from = six ? v6(1, 4660) : v4(1, 4660);
    struct addr to = six ? v6(2, 22136) : v4(2, 22136);
    packet_make_udp(pool, packet, &from, &to, data, strlen(data));
    packet->id = 7;
}

static uint32_t sum(const uint8_t *bytes, size_t size)
{
    uint32_t total = 0;
    for (size_t i = 0; i < size; i++)
        total += (i & 1) == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (total >> 16 != 0)
        total = (total & 0xffff) + (total >> 16);
    return total;
}

/* Sum of the transport part with its pseudo header; 0xffff when it is right. */
static uint32_t transport_sum(size_t size, bool six, uint8_t protocol, bool pseudo)
{
    size_t header = six ? 40 : 20;
    uint8_t all[WIRE_MAX];
    size_t at = 0;
    if (pseudo) {
        memcpy(all, wire + (six ? 8 : 12), six ? 32 : 8);
        at = six ? 32 : 8;
        all[at++] = 0;
        all[at++] = protocol;
        all[at++] = (uint8_t)((size - header) >> 8);
        all[at++] = (uint8_t)(size - header);
    }
    memcpy(all + at, wire + header, size - header);
    return sum(all, at + size - header);
}

/* Made by hand from RFC 791 and RFC 768; the checksums by the definition above. */
static void test_udp_over_ipv4_byte_for_byte(void **state)
{
    (void)state;
    static const uint8_t expected[] = {
        0x45, 0x00, 0x00, 0x20, 0x00, 0x07, 0x40, 0x00, 0x40, 0x11, 0, 0, 0xc6, 0x12, 0x00, 0x01,
        0xc6, 0x12, 0x00, 0x02, 0x12, 0x34, 0x56, 0x78, 0x00, 0x0c, 0, 0, 'a',  'b',  'c',  'd'};
    struct packet_pool pool;
    packet_pool_init(&pool);
    struct packet packet;
    make(&pool, &packet, false, "abcd");
    packet.dont_fragment = true;
    assert_int_equal(wire_write(&packet, wire), sizeof expected);
    assert_int_equal(sum(wire, 20), 0xffff);
    assert_int_equal(transport_sum(sizeof expected, false, 17, true), 0xffff);
    wire[10] = wire[11] = wire[26] = wire[27] = 0;
    assert_memory_equal(wire, expected, sizeof expected);
    packet_drop(&pool, &packet);
    packet_pool_free(&pool);
}

static void test_checksums_of_every_kind(void **state)
{
    (void)state;
    struct packet_pool pool;
    packet_pool_init(&pool);
    static const char *const data[] = {"", "a", "ab", "abcdefghijklm"};
    for (unsigned six = 0; six < 2; six++) {
        for (unsigned i = 0; i < 4; i++) {
            struct packet packet;
            make(&pool, &packet, six != 0, data[i]);
            size_t size = wire_write(&packet, wire);
            assert_int_equal(transport_sum(size, six != 0, 17, true), 0xffff);
            for (unsigned kind = PACKET_ICMP_UNREACHABLE_NET; kind <= PACKET_ICMP_TIME_EXCEEDED;
                 kind++) {
                struct packet error;
                struct addr router = six != 0 ? v6(9, 0) : v4(9, 0);
                icmp_make_error(&pool, &error, &packet, (enum packet_icmp)kind, 1400, &router);
                size = wire_write(&error, wire);
                assert_int_equal(size, packet_wire_size(&error));
                assert_int_equal(transport_sum(size, six != 0, 58, six != 0), 0xffff);
                packet_drop(&pool, &error);
            }
            packet_corrupt(&pool, &packet, 3, false);
            size = wire_write(&packet, wire);
            assert_int_not_equal(transport_sum(size, six != 0, 17, true), 0xffff);
            packet_drop(&pool, &packet);
        }
    }
    packet_pool_free(&pool);
}

static void test_capture_file(void **state)
{
    (void)state;
    char path[] = "/tmp/warren-pcap-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(close(descriptor), 0);
    struct packet_pool pool;
    packet_pool_init(&pool);
    struct packet packet;
    make(&pool, &packet, false, "abcd");
    struct pcap_file *file = pcap_file_open(path);
    assert_non_null(file);
    pcap_file_write(file, UINT64_C(3000000005), &packet);
    pcap_file_close(file);
    uint8_t bytes[128];
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(bytes, 1, sizeof bytes, in), 24 + 16 + 32);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(unlink(path), 0);
    uint32_t words[10];
    memcpy(words, bytes, sizeof words);
    assert_int_equal(words[0], 0xa1b23c4d); /* nanoseconds, in this machine's byte order */
    assert_int_equal(words[5], 101);        /* LINKTYPE_RAW */
    assert_int_equal(words[6], 3);
    assert_int_equal(words[7], 5);
    assert_int_equal(words[8], 32);
    assert_null(pcap_file_open("/nowhere/at/all"));
    packet_drop(&pool, &packet);
    packet_pool_free(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_udp_over_ipv4_byte_for_byte),
        cmocka_unit_test(test_checksums_of_every_kind),
        cmocka_unit_test(test_capture_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
