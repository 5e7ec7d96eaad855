/*
 * Eva driver: tape_open() on any bytes of any length up to OPEN_MAX; then tape_next(), from every
 * state that the two leave behind, on a record of any kind and any bytes, whose length field says
 * each number up to PAYLOAD_MAX, with nothing, less or more behind it than that. That the state is
 * kept makes it a proof by induction for any tape of such records.
 *
 * EVA-SOURCES: host/tape.c core/base/cursor.c core/base/addr.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 1 -eva-slevel 400 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "host/tape.h"

#include "__fc_builtin.h"

/* The longest input of fixed length, with its record's header, takes 102 bytes. */
enum { OPEN_MAX = 16, PAYLOAD_MAX = 96, RECORD_MAX = TAPE_RECORD_HEADER_SIZE + PAYLOAD_MAX + 1 };

/* No input may fail a check of ours. */
/*@ requires \false;
    assigns \nothing;
    ensures \false; */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

static void open_any(void)
{
    uint8_t block[OPEN_MAX];
    Frama_C_make_unknown((char *)block, sizeof block);
    for (size_t length = 0; length <= OPEN_MAX; length++) {
        struct tape_reader tape;
        enum tape_error error = tape_open(&tape, block + (OPEN_MAX - length), length);
        //@ assert tape.index <= tape.size;
        Frama_C_show_each_open(length, error);
    }
}

static void next_one(const uint8_t *bytes, size_t size)
{
    struct tape_reader tape = {
        .bytes = bytes,
        .size = size,
        .now_ns = Frama_C_unsigned_long_long_interval(0, UINT64_MAX),
        .started = Frama_C_interval(0, 1) != 0,
    };
    struct tape_record record;
    enum tape_error error = tape_next(&tape, &record);
    //@ assert tape.index <= tape.size;
    Frama_C_show_each_next(size, error);
}

/* A record whose length field says `length`, of which `size` bytes are there. */
static void next_any(size_t length, size_t size)
{
    uint8_t block[RECORD_MAX];
    Frama_C_make_unknown((char *)block, sizeof block);
    uint8_t *bytes = block + (RECORD_MAX - size);
    for (size_t i = 0; i < 4 && 4 + i < size; i++)
        bytes[4 + i] = (uint8_t)(length >> (8 * (3 - i)));
    next_one(bytes, size);
}

int main(void)
{
    open_any();
    //@ loop unroll PAYLOAD_MAX + 1;
    for (size_t length = 0; length <= PAYLOAD_MAX; length++)
        next_any(length, TAPE_RECORD_HEADER_SIZE + length);
    //@ loop unroll TAPE_RECORD_HEADER_SIZE + 4;
    for (size_t size = 0; size < TAPE_RECORD_HEADER_SIZE + 4; size++)
        next_any(4, size);
    next_any(8, TAPE_RECORD_HEADER_SIZE + 9);
    next_any(UINT32_MAX, TAPE_RECORD_HEADER_SIZE + 9);
    return 0;
}
