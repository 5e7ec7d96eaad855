/*
 * Checked reading and writing of big-endian bytes. Both cursors keep base, length and index, and
 * their error is sticky: after the first failure every operation does nothing and reads as zero, so
 * a codec checks once, at its end.
 */
#ifndef WARREN_BASE_CURSOR_H
#define WARREN_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *base;
    size_t length;
    size_t index; /* at most length */
    bool failed;
};

struct writer {
    uint8_t *base;
    size_t length;
    size_t index; /* at most length */
    bool failed;
};

struct reader reader_of(const uint8_t *base, size_t length);
/* Bytes not read yet; 0 after a failure. */
size_t reader_left(const struct reader *r);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
/* Copies `size` bytes out; on failure the destination is zeroed. */
void read_bytes(struct reader *r, uint8_t *to, size_t size);
/* Borrows `size` bytes in place; NULL on failure. */
const uint8_t *read_span(struct reader *r, size_t size);
void read_skip(struct reader *r, size_t size);

struct writer writer_of(uint8_t *base, size_t length);
void write_u8(struct writer *w, uint8_t value);
void write_u16(struct writer *w, uint16_t value);
void write_u32(struct writer *w, uint32_t value);
void write_u64(struct writer *w, uint64_t value);
void write_bytes(struct writer *w, const uint8_t *from, size_t size);
void write_zero(struct writer *w, size_t size);
/* Overwrites two bytes that were written before, at `index`: a length known only afterwards. */
void write_u16_at(struct writer *w, size_t index, uint16_t value);

#endif
