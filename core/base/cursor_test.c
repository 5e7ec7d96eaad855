/* The byte cursors: every width at every distance from the end, and errors that stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/cursor.h"

enum { ROOM = 12 };

static uint8_t *block(size_t size)
{
    uint8_t *bytes = malloc(size > 0 ? size : 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)(0xa1 + i);
    return bytes;
}

/* A number of `width` bytes as they stand in block(), from `at` on. */
static uint64_t number(size_t at, size_t width)
{
    uint64_t value = 0;
    for (size_t i = 0; i < width; i++)
        value = value << 8 | (0xa1 + at + i);
    return value;
}

static uint64_t read_width(struct reader *r, size_t width)
{
    switch (width) {
    case 1:
        return read_u8(r);
    case 2:
        return read_u16(r);
    case 4:
        return read_u32(r);
    default:
        return read_u64(r);
    }
}

static void write_width(struct writer *w, size_t width, uint64_t value)
{
    switch (width) {
    case 1:
        write_u8(w, (uint8_t)value);
        break;
    case 2:
        write_u16(w, (uint16_t)value);
        break;
    case 4:
        write_u32(w, (uint32_t)value);
        break;
    default:
        write_u64(w, value);
    }
}

static void assert_reader_dead(struct reader *r)
{
    uint8_t to[3] = {1, 2, 3};
    assert_true(r->failed);
    assert_int_equal(reader_left(r), 0);
    for (size_t width = 1; width <= 8; width *= 2)
        assert_true(read_width(r, width) == 0);
    read_bytes(r, to, 2);
    assert_memory_equal(to, "\0\0\3", 3);
    assert_null(read_span(r, 0));
    read_skip(r, 0);
    assert_true(r->failed);
}

static void test_read_numbers(void **state)
{
    (void)state;
    for (size_t length = 0; length <= ROOM; length++) {
        uint8_t *bytes = block(length);
        for (size_t at = 0; at <= length; at++) {
            for (size_t width = 1; width <= 8; width *= 2) {
                struct reader r = reader_of(bytes, length);
                read_skip(&r, at);
                assert_int_equal(reader_left(&r), length - at);
                uint64_t got = read_width(&r, width);
                if (width > length - at) {
                    /*
                     * Half of a wide number may have been there; a failed codec looks at none of
                     * it.
                     */
                    assert_true(width == 8 || got == 0);
                    assert_reader_dead(&r);
                } else {
                    assert_true(got == number(at, width));
                    assert_int_equal(reader_left(&r), length - at - width);
                    assert_false(r.failed);
                }
            }
        }
        free(bytes);
    }
}

static void test_read_bytes_and_spans(void **state)
{
    (void)state;
    for (size_t length = 0; length <= ROOM; length++) {
        uint8_t *bytes = block(length);
        for (size_t size = 0; size <= ROOM + 2; size++) {
            uint8_t to[ROOM + 3], zero[ROOM + 3] = {0};
            struct reader r = reader_of(bytes, length), s = r, k = r;
            memset(to, 0xee, sizeof to);
            read_bytes(&r, to, size);
            const uint8_t *span = read_span(&s, size);
            read_skip(&k, size);
            assert_int_equal(to[size], 0xee); /* nothing behind what was asked for */
            assert_int_equal(r.failed, size > length);
            assert_int_equal(s.failed, size > length);
            assert_int_equal(k.failed, size > length);
            if (size <= length) {
                assert_int_equal(memcmp(to, bytes, size), 0);
                assert_ptr_equal(span, bytes);
                assert_int_equal(reader_left(&k), length - size);
            } else {
                assert_int_equal(memcmp(to, zero, size), 0);
                assert_null(span);
                assert_reader_dead(&r);
                assert_reader_dead(&s);
                assert_reader_dead(&k);
            }
        }
        free(bytes);
    }
}

/* Sizes near the top of size_t must not wrap around into the buffer. */
static void test_huge_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 4, SIZE_MAX / 2 + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t bytes[8] = {0};
        struct reader r = reader_of(bytes, sizeof bytes);
        read_skip(&r, 5);
        read_skip(&r, sizes[i]);
        assert_reader_dead(&r);
        r = reader_of(bytes, sizeof bytes);
        read_skip(&r, 5);
        assert_null(read_span(&r, sizes[i]));
        assert_true(r.failed);
        struct writer w = writer_of(bytes, sizeof bytes);
        write_u32(&w, 1);
        write_zero(&w, sizes[i]);
        assert_true(w.failed);
        w = writer_of(bytes, sizeof bytes);
        write_u32(&w, 1);
        write_u16_at(&w, sizes[i], 1);
        assert_true(w.failed);
    }
}

static void test_write_numbers(void **state)
{
    (void)state;
    for (size_t length = 0; length <= ROOM; length++) {
        for (size_t at = 0; at <= length; at++) {
            for (size_t width = 1; width <= 8; width *= 2) {
                uint8_t *bytes = block(length), *expected = block(length);
                struct writer w = writer_of(bytes, length);
                w.index = at;
                write_width(&w, width, number(0, width) ^ 0x5555555555555555);
                assert_int_equal(w.failed, width > length - at);
                if (!w.failed) {
                    for (size_t i = 0; i < width; i++)
                        expected[at + i] = (uint8_t)((0xa1 + i) ^ 0x55);
                    assert_int_equal(memcmp(bytes, expected, length), 0);
                    assert_int_equal(w.index, at + width);
                } else if (width < 8) {
                    assert_int_equal(memcmp(bytes, expected, length), 0);
                    assert_int_equal(w.index, at);
                }
                free(bytes);
                free(expected);
            }
        }
    }
}

static void test_write_bytes(void **state)
{
    (void)state;
    const uint8_t from[ROOM] = "hello, world";
    for (size_t length = 0; length <= ROOM; length++) {
        for (size_t size = 0; size <= ROOM; size++) {
            uint8_t *bytes = block(length), *expected = block(length);
            struct writer w = writer_of(bytes, length), z = w;
            write_bytes(&w, from, size);
            assert_int_equal(w.failed, size > length);
            const uint8_t *want = w.failed ? expected : from;
            assert_int_equal(memcmp(bytes, want, w.failed ? length : size), 0);
            write_zero(&z, size);
            assert_int_equal(z.failed, size > length);
            for (size_t i = 0; size <= length && i < size; i++)
                assert_int_equal(bytes[i], 0);
            for (size_t i = size; i < length; i++)
                assert_int_equal(bytes[i], expected[i]);
            free(bytes);
            free(expected);
        }
    }
}

/* After a failure nothing is written any more, not even what would fit. */
static void test_write_errors_stay(void **state)
{
    (void)state;
    uint8_t bytes[ROOM], before[ROOM];
    memset(bytes, 0xee, sizeof bytes);
    memset(before, 0xee, sizeof before);
    struct writer w = writer_of(bytes, sizeof bytes);
    w.index = 3;
    write_zero(&w, sizeof bytes);
    assert_true(w.failed);
    for (size_t width = 1; width <= 8; width *= 2)
        write_width(&w, width, 0);
    write_bytes(&w, (const uint8_t *)"x", 1);
    write_zero(&w, 1);
    write_u16_at(&w, 0, 0);
    assert_true(w.failed);
    assert_memory_equal(bytes, before, sizeof bytes);
}

static void test_write_u16_at(void **state)
{
    (void)state;
    for (size_t written = 0; written <= 6; written++) {
        for (size_t at = 0; at <= 7; at++) {
            uint8_t bytes[8], expected[8];
            memset(bytes, 0xee, sizeof bytes);
            struct writer w = writer_of(bytes, sizeof bytes);
            write_zero(&w, written);
            memcpy(expected, bytes, sizeof bytes);
            write_u16_at(&w, at, 0x1234);
            bool fits = at + 2 <= written; /* only over what was written before */
            assert_int_equal(w.failed, !fits);
            if (fits) {
                expected[at] = 0x12;
                expected[at + 1] = 0x34;
            }
            assert_int_equal(w.index, written);
            assert_memory_equal(bytes, expected, sizeof bytes);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_numbers), cmocka_unit_test(test_read_bytes_and_spans),
        cmocka_unit_test(test_huge_sizes),   cmocka_unit_test(test_write_numbers),
        cmocka_unit_test(test_write_bytes),  cmocka_unit_test(test_write_errors_stay),
        cmocka_unit_test(test_write_u16_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
