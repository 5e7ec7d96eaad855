/*
 * Eva driver: decoding control messages and probes' bodies, and encoding what was decoded, for any
 * bytes of any length. The byte cursors are stood in for by functions that may return anything and
 * fail at any time, and that touch all the memory they are given: more than the real ones can do,
 * whose own proof is cursor.c.
 *
 * EVA-SOURCES: core/punch/message.c core/base/addr.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 2 -eva-slevel 100 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/punch/message.h"

#include "__fc_builtin.h"

/* Nothing may fail a check of ours. */
/*@ requires \false;
    assigns \nothing;
    ensures \false; */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

/* Where reads end up, so that they are made. */
uint8_t sink;
/*
 * What the first byte is: one type at a time, so that what is decoded is known to fit it when it is
 * encoded.
 */
static uint8_t first;

static uint64_t any(uint64_t max)
{
    return (uint64_t)Frama_C_unsigned_long_interval(0, max);
}

struct reader reader_of(const uint8_t *base, size_t length)
{
    return (struct reader){.base = base, .length = length};
}

static void read(struct reader *r)
{
    r->failed = r->failed || any(1) != 0;
}

size_t reader_left(const struct reader *r)
{
    return r->failed ? 0 : (size_t)any(SIZE_MAX);
}

uint8_t read_u8(struct reader *r)
{
    read(r);
    bool is_first = r->index == 0;
    r->index = 1;
    return is_first ? first : (uint8_t)any(UINT8_MAX);
}

uint16_t read_u16(struct reader *r)
{
    read(r);
    return (uint16_t)any(UINT16_MAX);
}

uint32_t read_u32(struct reader *r)
{
    read(r);
    return (uint32_t)any(UINT32_MAX);
}

uint64_t read_u64(struct reader *r)
{
    read(r);
    return any(UINT64_MAX);
}

void read_bytes(struct reader *r, uint8_t *to, size_t size)
{
    read(r);
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)any(UINT8_MAX);
}

const uint8_t *read_span(struct reader *r, size_t size)
{
    read(r);
    /* As long as the longest that may be asked for. */
    static const uint8_t span[PUNCH_INTRODUCTION_MAX];
    for (size_t i = 0; i < size; i++)
        sink = span[i];
    return r->failed ? NULL : span;
}

struct writer writer_of(uint8_t *base, size_t length)
{
    return (struct writer){.base = base, .length = length};
}

static void wrote(struct writer *w)
{
    w->failed = w->failed || any(1) != 0;
    w->index = (size_t)any(w->length);
}

void write_u8(struct writer *w, uint8_t value)
{
    sink = value;
    wrote(w);
}

void write_u16(struct writer *w, uint16_t value)
{
    sink = (uint8_t)value;
    wrote(w);
}

void write_u32(struct writer *w, uint32_t value)
{
    sink = (uint8_t)value;
    wrote(w);
}

void write_u64(struct writer *w, uint64_t value)
{
    sink = (uint8_t)value;
    wrote(w);
}

void write_bytes(struct writer *w, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sink = from[i];
    wrote(w);
}

void write_zero(struct writer *w, size_t size)
{
    sink = (uint8_t)size;
    wrote(w);
}

static void any_message(uint8_t type)
{
    uint8_t block[PUNCH_MESSAGE_MAX] = {0};
    struct punch_message message;
    first = type;
    enum punch_error error = punch_decode(&message, block, sizeof block);
    sink = (uint8_t)punch_error_name(error)[0];
    size_t size = punch_encode(&message, block, sizeof block);
    /*@ assert size <= PUNCH_MESSAGE_MAX; */
    sink = (uint8_t)size;
}

static void any_probe(void)
{
    uint8_t block[PUNCH_PROBE_SIZE_MAX] = {0};
    struct punch_probe probe;
    first = (uint8_t)any(UINT8_MAX);
    enum punch_error error = punch_probe_decode(&probe, block, sizeof block);
    sink = (uint8_t)punch_error_name(error)[0];
    size_t size = punch_probe_encode(&probe, block, sizeof block);
    /*@ assert size <= PUNCH_PROBE_SIZE_MAX; */
    sink = (uint8_t)size;
}

int main(void)
{
    for (unsigned type = 0; type <= PUNCH_ANNOUNCE; type++)
        any_message((uint8_t)type);
    any_message((uint8_t)Frama_C_interval(PUNCH_ANNOUNCE + 1, UINT8_MAX));
    any_probe();
    return 0;
}
