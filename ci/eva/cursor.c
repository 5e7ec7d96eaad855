/*
 * Eva driver: every operation of the byte cursors, with any size, from every state that keeps the
 * invariant index <= length, for all lengths up to more than the widest operation. That the
 * invariant holds again afterwards makes it a proof by induction for any sequence of operations.
 *
 * EVA-SOURCES: core/base/cursor.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 3 -eva-slevel 1000 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/cursor.h"

#include "__fc_builtin.h"

enum { LENGTH_MAX = 12, COPIED_MAX = LENGTH_MAX + 4, OPERATIONS = 8 };

/* Where results go, so that they are computed. */
uint64_t sink;

static size_t any_size(void)
{
    return (size_t)Frama_C_unsigned_long_interval(0, SIZE_MAX);
}

static void read_one(struct reader *r, int operation)
{
    uint8_t to[COPIED_MAX];
    switch (operation) {
    case 0:
        sink = read_u8(r);
        break;
    case 1:
        sink = read_u16(r);
        break;
    case 2:
        sink = read_u32(r);
        break;
    case 3:
        sink = read_u64(r);
        break;
    case 4:
        read_bytes(r, to, (size_t)Frama_C_interval(1, COPIED_MAX));
        break;
    case 5:
        (void)read_span(r, any_size());
        break;
    case 6:
        read_skip(r, any_size());
        break;
    default:
        sink = reader_left(r);
        /*@ assert sink <= r->length; */
    }
    /*@ assert r->index <= r->length; */
}

static void write_one(struct writer *w, int operation)
{
    const uint8_t from[COPIED_MAX] = {0};
    switch (operation) {
    case 0:
        write_u8(w, 1);
        break;
    case 1:
        write_u16(w, 1);
        break;
    case 2:
        write_u32(w, 1);
        break;
    case 3:
        write_u64(w, 1);
        break;
    case 4:
        write_bytes(w, from, (size_t)Frama_C_interval(0, COPIED_MAX));
        break;
    case 5:
        write_zero(w, any_size());
        break;
    default:
        write_u16_at(w, any_size(), 1);
    }
    /*@ assert w->index <= w->length; */
}

/* Each length stands at the end of the block, so that the first byte behind it is out of bounds. */
int main(void)
{
    uint8_t block[LENGTH_MAX];
    Frama_C_make_unknown((char *)block, sizeof block);
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (size_t index = 0; index <= length; index++) {
            for (int operation = 0; operation < OPERATIONS; operation++) {
                struct reader r = reader_of(block + (LENGTH_MAX - length), length);
                r.index = index;
                r.failed = Frama_C_interval(0, 1) != 0;
                read_one(&r, operation);
                struct writer w = writer_of(block + (LENGTH_MAX - length), length);
                w.index = index;
                w.failed = Frama_C_interval(0, 1) != 0;
                write_one(&w, operation);
            }
        }
    }
    return 0;
}
