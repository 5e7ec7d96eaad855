/* Tests of packets' buffers, of cutting and of making whole again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "sim/fragment.h"
#include "sim/icmp.h"

enum { DATA = 4000, PIECES_MAX = 64 };

struct fixture {
    struct packet_pool pool;
    struct fragment_table *table;
    uint8_t data[DATA];
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->table = calloc(1, sizeof *f->table);
    assert_non_null(f->table);
    packet_pool_init(&f->pool);
    for (uint32_t i = 0; i < DATA; i++)
        f->data[i] = (uint8_t)(i * 7 + i / 256);
    *state = f;
    return 0;
}

/* Every buffer has come back. */
static int tear_down(void **state)
{
    struct fixture *f = *state;
    fragment_flush(f->table, &f->pool);
    assert_int_equal(f->pool.buffers_live, 0);
    packet_pool_free(&f->pool);
    free(f->table);
    free(f);
    return 0;
}

static void datagram(struct fixture *f, struct packet *packet, uint8_t source, uint32_t id)
{
    struct addr from = addr_v4(0xc6120000u + source, 1000);
    struct addr to = addr_v4(0xc6120101, 2000);
    packet_make_udp(&f->pool, packet, &from, &to, f->data, DATA);
    packet->id = id;
}

/* Cuts and gives the whole one back; the number of pieces. */
static uint32_t cut(struct fixture *f, struct packet *whole, uint32_t mtu,
                    struct packet pieces[static PIECES_MAX])
{
    uint32_t count = 0;
    for (uint32_t offset = 0; offset < whole->length; offset += pieces[count++].length) {
        assert_true(count < PIECES_MAX);
        fragment_cut(whole, mtu, offset, &pieces[count]);
        assert_true(packet_wire_size(&pieces[count]) <= mtu);
        assert_int_equal(pieces[count].offset % 8, 0);
    }
    packet_drop(&f->pool, whole);
    return count;
}

static void accept_whole(struct fixture *f, struct packet *packet)
{
    assert_int_equal(packet->length, DATA + PACKET_UDP_HEADER);
    assert_false(packet_is_fragment(packet));
    assert_int_equal(packet->source.port, 1000);
    assert_int_equal(packet->destination.port, 2000);
    assert_memory_equal(packet_data(packet), f->data, DATA);
    packet_drop(&f->pool, packet);
}

/* 4008 bytes of IP payload in pieces of at most 1480, 552 or 1448 (IPv6's fragment header has
 * eight). */
static void test_sizes_of_pieces(void **state)
{
    struct fixture *f = *state;
    struct packet whole;
    struct packet pieces[PIECES_MAX];
    datagram(f, &whole, 1, 1);
    uint32_t count = cut(f, &whole, 1500, pieces);
    assert_int_equal(count, 3);
    assert_int_equal(pieces[0].length, 1480);
    assert_int_equal(pieces[1].offset, 1480);
    assert_int_equal(pieces[2].length, 4008 - 2960);
    assert_true(pieces[1].more_fragments);
    assert_false(pieces[2].more_fragments);
    assert_int_equal(pieces[0].source.port, 1000);
    assert_int_equal(pieces[1].source.port, 0);
    for (uint32_t i = 0; i < count; i++)
        packet_drop(&f->pool, &pieces[i]);
    datagram(f, &whole, 1, 1);
    count = cut(f, &whole, 576, pieces);
    assert_int_equal(count, 8);
    for (uint32_t i = 0; i < count; i++)
        packet_drop(&f->pool, &pieces[i]);
}

/* RFC 4787, REQ-14: in-order and out-of-order fragments; a fragment that was cut again. */
static void test_whole_again_in_any_order(void **state)
{
    struct fixture *f = *state;
    static const uint8_t orders[][3] = {{0, 1, 2}, {2, 1, 0}, {1, 0, 2},
                                        {1, 2, 0}, {2, 0, 1}, {0, 2, 1}};
    for (uint32_t i = 0; i < sizeof orders / sizeof orders[0]; i++) {
        struct packet whole;
        struct packet pieces[PIECES_MAX];
        datagram(f, &whole, 1, i);
        assert_int_equal(cut(f, &whole, 1500, pieces), 3);
        uint64_t lost = 0;
        for (unsigned j = 0; j < 3; j++) {
            struct packet *piece = &pieces[orders[i][j]];
            enum fragment_result result = fragment_accept(f->table, &f->pool, 0, piece, &lost);
            assert_int_equal(result, j == 2 ? FRAGMENT_WHOLE : FRAGMENT_WAITS);
            if (j == 2)
                accept_whole(f, piece);
        }
        assert_int_equal(lost, 0);
    }
}

static void test_a_piece_may_be_cut_again(void **state)
{
    struct fixture *f = *state;
    struct packet whole;
    struct packet first[PIECES_MAX];
    struct packet second[PIECES_MAX];
    datagram(f, &whole, 1, 9);
    uint32_t count = cut(f, &whole, 1500, first);
    uint64_t lost = 0;
    for (uint32_t i = count; i > 0; i--) {
        uint32_t smaller = cut(f, &first[i - 1], 600, second);
        for (uint32_t j = 0; j < smaller; j++) {
            enum fragment_result result = fragment_accept(f->table, &f->pool, 0, &second[j], &lost);
            bool last = i == 1 && j == smaller - 1;
            assert_int_equal(result, last ? FRAGMENT_WHOLE : FRAGMENT_WAITS);
            if (last)
                accept_whole(f, &second[j]);
        }
    }
}

static void test_a_duplicate_is_refused_and_age_gives_up(void **state)
{
    struct fixture *f = *state;
    struct packet whole;
    struct packet pieces[PIECES_MAX];
    datagram(f, &whole, 1, 1);
    cut(f, &whole, 1500, pieces);
    struct packet again = pieces[0];
    packet_buffer_hold(again.buffer);
    uint64_t lost = 0;
    assert_int_equal(fragment_accept(f->table, &f->pool, 0, &pieces[0], &lost), FRAGMENT_WAITS);
    assert_int_equal(fragment_accept(f->table, &f->pool, 0, &again, &lost), FRAGMENT_REFUSED);
    assert_int_equal(fragment_accept(f->table, &f->pool, 1, &pieces[1], &lost), FRAGMENT_WAITS);
    assert_int_equal(fragment_accept(f->table, &f->pool, FRAGMENT_TIMEOUT_NS, &pieces[2], &lost),
                     FRAGMENT_WAITS);
    assert_int_equal(lost, 1);
    assert_int_equal(f->table->timed_out, 1);
}

/* A bit that flipped in one piece is in the whole, and in no other packet over the same bytes. */
static void test_corruption_writes_on_a_copy(void **state)
{
    struct fixture *f = *state;
    struct packet whole;
    struct packet pieces[PIECES_MAX];
    datagram(f, &whole, 1, 1);
    struct packet untouched = whole;
    packet_buffer_hold(untouched.buffer);
    cut(f, &whole, 1500, pieces);
    packet_corrupt(&f->pool, &pieces[1], 5, false);
    uint64_t lost = 0;
    (void)fragment_accept(f->table, &f->pool, 0, &pieces[0], &lost);
    (void)fragment_accept(f->table, &f->pool, 0, &pieces[1], &lost);
    assert_int_equal(fragment_accept(f->table, &f->pool, 0, &pieces[2], &lost), FRAGMENT_WHOLE);
    assert_true(pieces[2].bad_checksum);
    assert_int_equal(packet_data(&pieces[2])[1480 - 8] ^ f->data[1480 - 8], 1 << 5);
    assert_memory_equal(packet_data(&untouched), f->data, DATA);
    packet_drop(&f->pool, &pieces[2]);
    packet_drop(&f->pool, &untouched);
}

/*
 * RFC 4787, REQ-14a. A flood of pieces that never become whole, from one source or from very many,
 * first pieces or later ones, between the pieces of a datagram that come in order: that one becomes
 * whole.
 */
static void test_a_flood_does_not_harm_in_order_fragments(void **state)
{
    struct fixture *f = *state;
    for (unsigned kind = 0; kind < 4; kind++) {
        struct packet whole;
        struct packet pieces[PIECES_MAX];
        datagram(f, &whole, 250, 77);
        assert_int_equal(cut(f, &whole, 1500, pieces), 3);
        uint64_t lost = 0;
        for (unsigned j = 0; j < 3; j++) {
            /* First pieces look as if they came in order; of those fewer may come in between. */
            unsigned flood = (kind & 1) != 0 ? 1000 : FRAGMENT_ENTRIES / 4;
            for (unsigned i = 0; i < flood; i++) {
                struct packet noise;
                struct packet noise_pieces[PIECES_MAX];
                datagram(f, &noise, (kind & 2) != 0 ? (uint8_t)(1 + i % 200) : 1,
                         100000 * (j + 1) + i);
                uint32_t count = cut(f, &noise, 1500, noise_pieces);
                unsigned chosen = (kind & 1) != 0 ? 1 : 0;
                for (unsigned p = 0; p < count; p++) {
                    if (p == chosen)
                        (void)fragment_accept(f->table, &f->pool, 0, &noise_pieces[p], &lost);
                    else
                        packet_drop(&f->pool, &noise_pieces[p]);
                }
            }
            enum fragment_result result = fragment_accept(f->table, &f->pool, 0, &pieces[j], &lost);
            assert_int_equal(result, j == 2 ? FRAGMENT_WHOLE : FRAGMENT_WAITS);
        }
        accept_whole(f, &pieces[2]);
        fragment_flush(f->table, &f->pool);
    }
}

/* A piece as it pleases, over the bytes of a datagram of its own. */
static void piece_of(struct fixture *f, uint32_t id, uint32_t offset, uint32_t length, bool more,
                     struct packet *piece)
{
    datagram(f, piece, 1, id);
    piece->offset = (uint16_t)offset;
    piece->length = length;
    piece->more_fragments = more;
}

/* A datagram ends behind all of its pieces, whichever comes first. */
static void test_pieces_that_contradict_the_end_are_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        struct {
            uint32_t offset;
            uint32_t length;
            bool more;
            enum fragment_result result;
        } pieces[4];
        uint32_t count;
    } rows[] = {
        /* The last one ends before one that is there, and the bytes would add up. */
        {{{24, 8, true, FRAGMENT_WAITS},
          {0, 8, true, FRAGMENT_WAITS},
          {16, 8, false, FRAGMENT_REFUSED}},
         3},
        /* Or where that one ends: then it is not the last. */
        {{{8, 8, true, FRAGMENT_WAITS}, {16, 0, false, FRAGMENT_REFUSED}}, 2},
        {{{16, 8, false, FRAGMENT_WAITS}, {24, 8, true, FRAGMENT_REFUSED}}, 2},
        {{{16, 8, false, FRAGMENT_WAITS}, {24, 8, false, FRAGMENT_REFUSED}}, 2},
        /* What was refused has left no trace. */
        {{{24, 8, true, FRAGMENT_WAITS},
          {16, 8, false, FRAGMENT_REFUSED},
          {0, 24, true, FRAGMENT_WAITS},
          {32, 3, false, FRAGMENT_WHOLE}},
         4},
    };
    for (uint32_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t lost = 0;
        for (uint32_t j = 0; j < rows[i].count; j++) {
            struct packet piece;
            piece_of(f, i, rows[i].pieces[j].offset, rows[i].pieces[j].length,
                     rows[i].pieces[j].more, &piece);
            enum fragment_result result = fragment_accept(f->table, &f->pool, 0, &piece, &lost);
            assert_int_equal(result, rows[i].pieces[j].result);
            if (result == FRAGMENT_WHOLE)
                packet_drop(&f->pool, &piece);
        }
        assert_int_equal(lost, 0);
    }
}

/*
 * What the data of an ICMP error means is not in its bytes, so pieces of two packets make none: the
 * other packet may be an error too, or an echo of the same size, and come first or last.
 */
static void test_pieces_of_two_icmp_packets_do_not_mix(void **state)
{
    struct fixture *f = *state;
    for (uint32_t row = 0; row < 4; row++) {
        bool is_echo = (row & 1) != 0;
        struct packet cause;
        struct packet own;
        struct packet other;
        struct addr at = addr_v4(0xc6120201, 0);
        datagram(f, &cause, 1, 1);
        icmp_make_error(&f->pool, &own, &cause, PACKET_ICMP_UNREACHABLE_PORT, 0, &at);
        cause.ttl = 9;
        icmp_make_error(&f->pool, &other, &cause, PACKET_ICMP_TIME_EXCEEDED, 0, &at);
        packet_drop(&f->pool, &cause);
        if (is_echo)
            other.icmp = PACKET_ICMP_ECHO_REQUEST;
        struct packet own_pieces[2];
        struct packet other_pieces[2];
        for (uint32_t i = 0; i < 2; i++) {
            fragment_cut(&own, PACKET_IPV4_HEADER + 24, i * 24, &own_pieces[i]);
            fragment_cut(&other, PACKET_IPV4_HEADER + 24, i * 24, &other_pieces[i]);
        }
        packet_drop(&f->pool, &own);
        packet_drop(&f->pool, &other);
        bool is_first = (row & 2) != 0;
        struct packet *first = is_first ? other_pieces : own_pieces;
        const uint8_t ttl = is_first ? 9 : PACKET_TTL_DEFAULT;
        uint64_t lost = 0;
        assert_int_equal(fragment_accept(f->table, &f->pool, 0, &first[0], &lost), FRAGMENT_WAITS);
        struct packet *second = is_first ? own_pieces : other_pieces;
        assert_int_equal(fragment_accept(f->table, &f->pool, 0, &second[1], &lost),
                         FRAGMENT_REFUSED);
        assert_int_equal(fragment_accept(f->table, &f->pool, 0, &second[0], &lost),
                         FRAGMENT_REFUSED);
        assert_int_equal(fragment_accept(f->table, &f->pool, 0, &first[1], &lost), FRAGMENT_WHOLE);
        assert_int_equal(packet_is_icmp_error(&first[1]), !is_echo || !is_first);
        struct packet_quote quote;
        memcpy(&quote, first[1].buffer->bytes, sizeof quote);
        assert_int_equal(quote.ttl, ttl);
        packet_drop(&f->pool, &first[1]);
    }
}

/*
 * In one the bytes begin with a transport header, in the other behind it: they are two datagrams.
 */
static void test_headed_pieces_are_of_another_datagram(void **state)
{
    struct fixture *f = *state;
    struct packet plain;
    struct packet headed;
    uint64_t lost = 0;
    piece_of(f, 1, 0, 1480, true, &plain);
    piece_of(f, 1, 1480, DATA - 1480, false, &headed);
    headed.headed = true;
    assert_int_equal(fragment_accept(f->table, &f->pool, 0, &plain, &lost), FRAGMENT_WAITS);
    assert_int_equal(fragment_accept(f->table, &f->pool, 0, &headed, &lost), FRAGMENT_WAITS);
    piece_of(f, 1, 1480, DATA + PACKET_UDP_HEADER - 1480, false, &plain);
    assert_int_equal(fragment_accept(f->table, &f->pool, 0, &plain, &lost), FRAGMENT_WHOLE);
    assert_false(plain.headed);
    accept_whole(f, &plain);
    piece_of(f, 1, 0, 1480, true, &headed);
    headed.headed = true;
    assert_int_equal(fragment_accept(f->table, &f->pool, 0, &headed, &lost), FRAGMENT_WHOLE);
    assert_true(headed.headed);
    assert_memory_equal(packet_data(&headed), f->data, DATA);
    packet_drop(&f->pool, &headed);
    assert_int_equal(lost, 0);
}

static void test_buffers_are_used_again(void **state)
{
    struct fixture *f = *state;
    struct packet first;
    struct packet second;
    datagram(f, &first, 1, 1);
    const struct packet_buffer *buffer = first.buffer;
    packet_drop(&f->pool, &first);
    datagram(f, &second, 1, 1);
    assert_ptr_equal(second.buffer, buffer);
    packet_drop(&f->pool, &second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes_of_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whole_again_in_any_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_piece_may_be_cut_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_duplicate_is_refused_and_age_gives_up, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_corruption_writes_on_a_copy, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_flood_does_not_harm_in_order_fragments, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pieces_that_contradict_the_end_are_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_pieces_of_two_icmp_packets_do_not_mix, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_headed_pieces_are_of_another_datagram, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_buffers_are_used_again, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
