/*
 * Eva driver: tape_open() on any bytes of any length up to OPEN_MAX; then tape_next(), from every
 * state that the two leave behind, on any bytes of any length up to RECORD_MAX. That the state is
 * kept makes it a proof by induction for any tape of such records.
 *
 * EVA-SOURCES: host/tape.c core/base/cursor.c core/base/addr.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 1 -eva-slevel 200 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "host/tape.h"

#include "__fc_builtin.h"

/*
 * The longest record of fixed length (an input with four addresses), with its header, and a little
 * more.
 */
enum { OPEN_MAX = 16, RECORD_MAX = 116 };

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

static void next_one(const uint8_t *bytes, size_t length)
{
    struct tape_reader tape = {
        .bytes = bytes,
        .size = length,
        .now_ns = Frama_C_unsigned_long_long_interval(0, UINT64_MAX),
        .started = Frama_C_interval(0, 1) != 0,
    };
    struct tape_record record;
    enum tape_error error = tape_next(&tape, &record);
    //@ assert tape.index <= tape.size;
    Frama_C_show_each_next(length, error);
    if (error == TAPE_OK && record.kind == TAPE_INPUT && record.in.kind == NODE_IN_DATAGRAM &&
        record.in.datagram.size > 0) {
        uint8_t last = record.in.datagram.bytes[record.in.datagram.size - 1];
        Frama_C_show_each_last(last);
    }
}

static void next_any(void)
{
    uint8_t block[RECORD_MAX];
    Frama_C_make_unknown((char *)block, sizeof block);
    for (size_t length = 0; length <= RECORD_MAX; length++) {
        //@ split length;
        next_one(block + (RECORD_MAX - length), length);
    }
}

int main(void)
{
    open_any();
    next_any();
    return 0;
}
