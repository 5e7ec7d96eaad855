/*
 * Eva driver: inner_parse() and inner_hop() on any bytes of any length up to LENGTH_MAX, which is
 * more than either header can have.
 *
 * EVA-SOURCES: core/tunnel/inner.c core/base/addr.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 1 -eva-slevel 5000 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/tunnel/inner.h"

#include "__fc_builtin.h"

enum { LENGTH_MAX = 64 };

/* No input may fail a check of ours. */
/*@ requires \false;
    assigns \nothing;
    ensures \false; */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

/*
 * The packet ends where its block ends, so that a read behind it is one behind the block. The
 * versions are given one at a time, as intervals of the first byte: what was parsed as one of them
 * is known to be it still when it is sent on.
 */
static void parse_any(size_t length, int first_min, int first_max)
{
    uint8_t block[LENGTH_MAX];
    Frama_C_make_unknown((char *)block, sizeof block);
    uint8_t *bytes = block + (LENGTH_MAX - length);
    if (length > 0)
        bytes[0] = (uint8_t)Frama_C_interval(first_min, first_max);
    struct inner inner;
    if (!inner_parse(&inner, bytes, length))
        return;
    bool goes_on = inner_hop(bytes, length);
    Frama_C_show_each_parsed(length, inner.size, goes_on);
}

int main(void)
{
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        parse_any(length, 0x00, 0x3f);
        parse_any(length, 0x40, 0x4f);
        parse_any(length, 0x50, 0x5f);
        parse_any(length, 0x60, 0x6f);
        parse_any(length, 0x70, 0xff);
    }
    return 0;
}
