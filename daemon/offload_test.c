/*
 * Tests of sums and of splitting, against the same written byte by byte.
 */
#include "daemon/offload_test.h"

/* ---- Sums ------------------------------------------------------------------------------------ */

static uint32_t sum_of(const uint8_t *bytes, size_t size, uint32_t seed)
{
    uint8_t stored[2];
    put16(stored, seed);
    uint16_t sum;
    memcpy(&sum, stored, sizeof sum);
    sum = offload_sum(bytes, size, sum);
    memcpy(stored, &sum, sizeof sum);
    return get16(stored);
}

static void sums_as_rfc_1071_says(void **state)
{
    (void)state;
    static const uint8_t example[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    assert_int_equal(sum_of(example, sizeof example, 0), 0xddf2);
    assert_int_equal(sum_of(example, 0, 0), 0);
    assert_int_equal(sum_of(example, 0, 0xffff), 0xffff);
    assert_int_equal(sum_of(example + 2, 1, 0), 0xf200);
}

static void sums_any_size_and_place(void **state)
{
    (void)state;
    uint8_t bytes[400];
    for (uint32_t round = 0; round < 20000; round++) {
        uint32_t at = draw(16), size = draw(sizeof bytes - 16);
        /* Many ones make many carries. */
        for (uint32_t i = 0; i < sizeof bytes; i++)
            bytes[i] = round % 3 == 0 ? 0xff : (uint8_t)draw(256);
        uint32_t seed = round % 2 == 0 ? 0 : draw(0x10000);
        assert_int_equal(sum_of(bytes + at, size, seed), naive_sum(bytes + at, size, seed));
    }
}

/* ---- Single packets -------------------------------------------------------------------------- */

static void completes_a_sum(void **state)
{
    (void)state;
    static uint8_t packet[PACKET_MAX], whole[PACKET_MAX];
    for (unsigned i = 0; i < 400; i++) {
        struct shape shape = draw_shape();
        uint32_t size = make_packet(packet, &shape, draw(1400));
        memcpy(whole, packet, size);
        struct offload_header header = make_super(packet, size, 0);
        header.kind = OFFLOAD_SINGLE;
        assert_true(offload_complete(&header, packet, size));
        assert_memory_equal(packet, whole, size);
    }
}

/* RFC 768: a sum that is zero is sent as all ones. */
static void completes_a_sum_of_zero(void **state)
{
    (void)state;
    static uint8_t packet[PACKET_MAX];
    uint32_t size = make_packet(packet, &(struct shape){.udp = true}, 2);
    put16(packet + 28, 0);
    finish(packet, size);
    put16(packet + 28, get16(packet + 26)); /* now all words sum up to ones */
    struct offload_header header = make_super(packet, size, 0);
    header.kind = OFFLOAD_SINGLE;
    assert_true(offload_complete(&header, packet, size));
    assert_int_equal(get16(packet + 26), 0xffff);
}

static void refuses_a_sum_outside(void **state)
{
    (void)state;
    static const struct {
        uint16_t start, offset;
        uint32_t size;
        bool taken;
    } cases[] = {
        {20, 16, 38, true}, {20, 16, 37, false},         {38, 0, 40, true},
        {39, 0, 40, false}, {0xffff, 0xffff, 40, false}, {40, 0, 40, false},
        {0, 38, 40, true},  {0, 0xffff, 40, false},      {0, 0, 1, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t bytes[40] = {0x45};
        struct offload_header header = {
            .flags = OFFLOAD_NEEDS_SUM, .sum_start = cases[i].start, .sum_offset = cases[i].offset};
        assert_int_equal(offload_complete(&header, bytes, cases[i].size), cases[i].taken);
    }
    uint8_t byte = 7;
    assert_true(offload_complete(&(struct offload_header){.sum_start = 99}, &byte, 1));
    assert_int_equal(byte, 7);
}

/* ---- Splitting ------------------------------------------------------------------------------- */

static uint8_t super[PACKET_MAX], expected[PACKET_MAX], trains[BYTES_MAX];

/* Splits into rooms of this size and compares every packet. */
static void assert_split(const struct offload_header *header, uint32_t size, uint32_t room)
{
    struct offload_split split;
    assert_true(offload_split_begin(&split, header, super, size));
    uint32_t index = 0, used, segment;
    while ((used = offload_split_next(&split, trains, room, &segment)) > 0) {
        assert_true(used <= room && segment > 0 && segment <= used);
        for (uint32_t at = 0; at < used; index++) {
            uint32_t wanted = naive_packet(expected, super, size, header->segment, index);
            assert_true(wanted > 0 && at + wanted <= used);
            assert_memory_equal(trains + at, expected, wanted);
            /* All but the last of a train have the size that it says. */
            assert_true(wanted == segment || (wanted < segment && at + wanted == used));
            at += wanted;
        }
    }
    assert_int_equal(naive_packet(expected, super, size, header->segment, index), 0);
}

static void splits_any_shape(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 400; i++) {
        struct shape shape = draw_shape();
        uint32_t payload = 1 + draw(i % 4 == 0 ? 65000 : 9000);
        uint32_t segment = 1 + draw(i % 8 == 0 ? 20 : 1400);
        if (payload / segment > 500)
            segment += payload / 500;
        uint32_t size = make_packet(super, &shape, payload);
        if (!shape.udp)
            super[transport_at(super) + 13] = (uint8_t)draw(256);
        struct offload_header header = make_super(super, size, segment);
        uint32_t one = headers_of(super) + segment;
        assert_split(&header, size, i % 3 == 0 ? one + draw(3 * one) : BYTES_MAX);
    }
}

static void split_needs_room_for_one(void **state)
{
    (void)state;
    uint32_t size = make_packet(super, &(struct shape){0}, 3000);
    struct offload_header header = make_super(super, size, MSS), again = header;
    struct offload_split split;
    uint32_t segment;
    assert_true(offload_split_begin(&split, &header, super, size));
    assert_int_equal(offload_split_next(&split, trains, 40 + MSS - 1, &segment), 0);
    assert_int_equal(offload_split_next(&split, trains, 40 + MSS, &segment), 40 + MSS);
    assert_memory_equal(&header, &again, sizeof header);
}

static void splits_udp_without_sums(void **state)
{
    (void)state;
    uint32_t size = make_packet(super, &(struct shape){.udp = true}, 2500);
    struct offload_header header = make_super(super, size, MSS);
    header.flags = 0;
    put16(super + 26, 0);
    struct offload_split split;
    uint32_t segment;
    assert_true(offload_split_begin(&split, &header, super, size));
    assert_int_equal(offload_split_next(&split, trains, BYTES_MAX, &segment), 3 * 28 + 2500);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(get16(trains + (size_t)i * (28 + MSS) + 26), 0);
}

/* With a header of 8 bytes between IPv6 and TCP, which the kernel has gone through. */
static void splits_behind_extension_headers(void **state)
{
    (void)state;
    uint32_t size = make_packet(super, &(struct shape){.v6 = true}, 1500);
    memmove(super + 48, super + 40, size - 40);
    super[6] = 60;
    static const uint8_t options[8] = {6, 0, 1, 4};
    memcpy(super + 40, options, 8);
    size += 8;
    struct offload_header header = {.flags = OFFLOAD_NEEDS_SUM,
                                    .kind = OFFLOAD_TCP6,
                                    .segment = MSS,
                                    .sum_start = 48,
                                    .sum_offset = 16};
    struct offload_split split;
    uint32_t segment;
    assert_true(offload_split_begin(&split, &header, super, size));
    assert_int_equal(offload_split_next(&split, trains, BYTES_MAX, &segment), 2 * 68 + 1500);
    assert_int_equal(segment, 68 + MSS);
    for (uint32_t i = 0; i < 2; i++) {
        const uint8_t *packet = trains + (size_t)i * segment;
        uint32_t rest = 20 + (i == 0 ? MSS : 500);
        assert_int_equal(get16(packet + 4), rest + 8);
        assert_int_equal(naive_sum(packet + 48, rest, naive_sum(packet + 8, 32, 6 + rest)), 0xffff);
    }
}

static void refuses_to_split(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        bool v6, udp;
        unsigned at; /* of the byte that is changed */
        uint8_t value;
        uint32_t payload;
        uint32_t shorter;             /* bytes cut off */
        struct offload_header header; /* what of it is not zero is put into the good one */
    } cases[] = {
        {.what = "version", .at = 0, .value = 0x55},
        {.what = "IPv4 in a header for IPv6", .header = {.kind = OFFLOAD_TCP6}},
        {.what = "IPv6 in a header for IPv4", .v6 = true, .header = {.kind = OFFLOAD_TCP4}},
        {.what = "kind", .header = {.kind = 3}},
        {.what = "ECN", .header = {.kind = 0x81}},
        {.what = "header length", .at = 0, .value = 0x44},
        {.what = "more options than there are", .at = 0, .value = 0x46},
        {.what = "protocol", .at = 9, .value = 17},
        {.what = "protocol of UDP", .udp = true, .at = 9, .value = 6},
        {.what = "fragment", .at = 6, .value = 0x20},
        {.what = "fragment's place", .at = 7, .value = 1},
        {.what = "TCP's length", .at = 32, .value = 0x40},
        {.what = "TCP's length beyond the end", .at = 32, .value = 0xf0, .payload = 40},
        {.what = "no payload", .payload = 1, .shorter = 1},
        {.what = "no whole TCP header", .payload = 1, .shorter = 2},
        {.what = "no whole IPv6 header", .v6 = true, .payload = 1, .shorter = 22},
        {.what = "nothing", .payload = 1, .shorter = 41},
        {.what = "sum elsewhere", .header = {.sum_start = 24}},
        {.what = "sum elsewhere, IPv6", .v6 = true, .header = {.sum_start = 48}},
        {.what = "sum inside IPv6", .v6 = true, .at = 6, .value = 60, .header = {.sum_start = 32}},
        {.what = "segment too large", .header = {.segment = 65500}},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct shape shape = {.v6 = cases[i].v6, .udp = cases[i].udp};
        uint32_t size = make_packet(super, &shape, cases[i].payload > 0 ? cases[i].payload : 3000);
        struct offload_header header = make_super(super, size, MSS);
        struct offload_split split;
        assert_true(offload_split_begin(&split, &header, super, size));
        if (cases[i].value != 0)
            super[cases[i].at] = cases[i].value;
        if (cases[i].header.kind != 0)
            header.kind = cases[i].header.kind;
        if (cases[i].header.sum_start != 0)
            header.sum_start = cases[i].header.sum_start;
        if (cases[i].header.segment != 0)
            header.segment = cases[i].header.segment;
        if (offload_split_begin(&split, &header, super, size - cases[i].shorter))
            fail_msg("accepted: %s", cases[i].what);
    }
    uint32_t size = make_packet(super, &(struct shape){0}, 3000);
    struct offload_header header = make_super(super, size, 0);
    struct offload_split split;
    assert_false(offload_split_begin(&split, &header, super, size));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_as_rfc_1071_says),
        cmocka_unit_test(sums_any_size_and_place),
        cmocka_unit_test(completes_a_sum),
        cmocka_unit_test(completes_a_sum_of_zero),
        cmocka_unit_test(refuses_a_sum_outside),
        cmocka_unit_test(splits_any_shape),
        cmocka_unit_test(split_needs_room_for_one),
        cmocka_unit_test(splits_udp_without_sums),
        cmocka_unit_test(splits_behind_extension_headers),
        cmocka_unit_test(refuses_to_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
