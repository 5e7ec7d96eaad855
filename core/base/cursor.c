/* Checked reading and writing of big-endian bytes. */
#include "core/base/cursor.h"

#include <string.h>

struct reader reader_of(const uint8_t *base, size_t length)
{
    return (struct reader){.base = base, .length = length};
}

size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : r->length - r->index;
}

/* Claims the next `size` bytes: true, with their index in *at, or false for ever after. */
static bool reader_claim(struct reader *r, size_t size, size_t *at)
{
    if (r->failed || size > r->length - r->index) {
        r->failed = true;
        return false;
    }
    *at = r->index;
    r->index += size;
    return true;
}

uint8_t read_u8(struct reader *r)
{
    size_t at;
    return reader_claim(r, 1, &at) ? r->base[at] : 0;
}

uint16_t read_u16(struct reader *r)
{
    size_t at;
    if (!reader_claim(r, 2, &at))
        return 0;
    return (uint16_t)((unsigned)r->base[at] << 8 | r->base[at + 1]);
}

uint32_t read_u32(struct reader *r)
{
    size_t at;
    if (!reader_claim(r, 4, &at))
        return 0;
    return (uint32_t)r->base[at] << 24 | (uint32_t)r->base[at + 1] << 16 |
           (uint32_t)r->base[at + 2] << 8 | (uint32_t)r->base[at + 3];
}

uint64_t read_u64(struct reader *r)
{
    uint64_t high = read_u32(r);
    return high << 32 | read_u32(r);
}

void read_bytes(struct reader *r, uint8_t *to, size_t size)
{
    size_t at;
    bool claimed = reader_claim(r, size, &at);
    if (size == 0)
        return;
    if (claimed)
        memcpy(to, r->base + at, size);
    else
        memset(to, 0, size);
}

const uint8_t *read_span(struct reader *r, size_t size)
{
    size_t at;
    return reader_claim(r, size, &at) ? r->base + at : NULL;
}

void read_skip(struct reader *r, size_t size)
{
    size_t at;
    (void)reader_claim(r, size, &at);
}

struct writer writer_of(uint8_t *base, size_t length)
{
    return (struct writer){.base = base, .length = length};
}

static bool writer_claim(struct writer *w, size_t size, size_t *at)
{
    if (w->failed || size > w->length - w->index) {
        w->failed = true;
        return false;
    }
    *at = w->index;
    w->index += size;
    return true;
}

void write_u8(struct writer *w, uint8_t value)
{
    size_t at;
    if (writer_claim(w, 1, &at))
        w->base[at] = value;
}

void write_u16(struct writer *w, uint16_t value)
{
    size_t at;
    if (!writer_claim(w, 2, &at))
        return;
    w->base[at] = (uint8_t)(value >> 8);
    w->base[at + 1] = (uint8_t)value;
}

void write_u32(struct writer *w, uint32_t value)
{
    size_t at;
    if (!writer_claim(w, 4, &at))
        return;
    w->base[at] = (uint8_t)(value >> 24);
    w->base[at + 1] = (uint8_t)(value >> 16);
    w->base[at + 2] = (uint8_t)(value >> 8);
    w->base[at + 3] = (uint8_t)value;
}

void write_u64(struct writer *w, uint64_t value)
{
    write_u32(w, (uint32_t)(value >> 32));
    write_u32(w, (uint32_t)value);
}

void write_bytes(struct writer *w, const uint8_t *from, size_t size)
{
    size_t at;
    if (writer_claim(w, size, &at) && size > 0)
        memcpy(w->base + at, from, size);
}

void write_zero(struct writer *w, size_t size)
{
    size_t at;
    if (writer_claim(w, size, &at) && size > 0)
        memset(w->base + at, 0, size);
}

void write_u16_at(struct writer *w, size_t index, uint16_t value)
{
    if (w->failed)
        return;
    if (w->index < 2 || index > w->index - 2) {
        w->failed = true;
        return;
    }
    w->base[index] = (uint8_t)(value >> 8);
    w->base[index + 1] = (uint8_t)value;
}
