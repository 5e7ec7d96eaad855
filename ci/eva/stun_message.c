/*
 * Eva driver: the STUN decoder on any bytes of any length up to LENGTH_MAX.
 *
 * EVA-SOURCES: core/stun/message.c core/base/cursor.c core/base/addr.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 1 -eva-slevel 60 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/stun/message.h"

#include "__fc_builtin.h"

enum { LENGTH_MAX = 48 };

/* No input may fail a check of ours. */
/*@ requires \false;
    assigns \nothing;
    ensures \false; */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

int main(void)
{
    uint8_t block[LENGTH_MAX];
    Frama_C_make_unknown((char *)block, sizeof block);
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        //@ split length;
        struct stun_message m;
        enum stun_error error = stun_decode(&m, block + (LENGTH_MAX - length), length);
        Frama_C_show_each_len(length, error);
    }
    return 0;
}
