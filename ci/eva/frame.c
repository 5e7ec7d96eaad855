/*
 * Eva driver: frame_decode() on any bytes of any length up to LENGTH_MAX, and frame_encode() of
 * whatever was decoded, into a buffer of exactly the size.
 *
 * EVA-SOURCES: core/frame/message.c core/base/cursor.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 1 -eva-slevel 5000 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/frame/message.h"

#include "__fc_builtin.h"

enum { LENGTH_MAX = FRAME_HELLO_SIZE + 4 };

/* No input may fail a check of ours. */
/*@ requires \false;
    assigns \nothing;
    ensures \false; */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

/* The type is one number at a time, so that what is decoded is known to fit it when it is encoded. */
static void decode_any(size_t length, unsigned type)
{
    uint8_t block[LENGTH_MAX];
    uint8_t again[LENGTH_MAX];
    Frama_C_make_unknown((char *)block, sizeof block);
    const uint8_t *bytes = block + (LENGTH_MAX - length);
    if (length > 2)
        block[LENGTH_MAX - length + 2] = (uint8_t)type;
    struct frame frame;
    frame_is_ours(bytes, length);
    if (frame_decode(&frame, bytes, length) != FRAME_OK)
        return;
    size_t at = frame_encode(&frame, again + (LENGTH_MAX - length), length);
    Frama_C_show_each_encoded(length, at);
}

int main(void)
{
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (unsigned type = 0; type <= FRAME_PROBE; type++)
            decode_any(length, type);
        decode_any(length, (unsigned)Frama_C_interval(FRAME_PROBE + 1, UINT8_MAX));
    }
    return 0;
}
