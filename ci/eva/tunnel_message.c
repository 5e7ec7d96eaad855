/*
 * Eva driver: any bytes of any length up to LENGTH_MAX are decoded as the message that they say
 * they are, and encoded again into exactly the room that it takes.
 *
 * EVA-SOURCES: core/tunnel/message.c core/base/cursor.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 1 -eva-slevel 5000 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/tunnel/message.h"

#include "__fc_builtin.h"

enum { LENGTH_MAX = TUNNEL_INITIATION_SIZE + 4 };

/* No input may fail a check of ours. */
/*@ requires \false;
    assigns \nothing;
    ensures \false; */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

/* Where reads end up, so that they are made. */
uint8_t sink;

static void decode_data(const uint8_t *bytes, size_t length)
{
    uint8_t header[TUNNEL_DATA_HEADER_SIZE];
    struct tunnel_data message;
    tunnel_data_decode(&message, bytes, length);
    tunnel_data_header_encode(message.receiver, message.counter, header);
    for (size_t i = 0; i < message.sealed_size; i++)
        sink = message.sealed[i];
}

static void decode_any(size_t length, unsigned first)
{
    uint8_t block[LENGTH_MAX];
    uint8_t again[TUNNEL_INITIATION_SIZE];
    Frama_C_make_unknown((char *)block, sizeof block);
    /* At the block's end, so that every byte behind the message is out of bounds. */
    const uint8_t *bytes = block + (LENGTH_MAX - length);
    if (length > 0)
        block[LENGTH_MAX - length] = (uint8_t)first;
    struct tunnel_initiation initiation;
    struct tunnel_response response;
    struct tunnel_cookie cookie;
    switch (tunnel_message_type(bytes, length)) {
    case TUNNEL_INITIATION:
        tunnel_initiation_decode(&initiation, bytes, length);
        tunnel_initiation_encode(&initiation, again);
        break;
    case TUNNEL_RESPONSE:
        tunnel_response_decode(&response, bytes, length);
        tunnel_response_encode(&response, again + (sizeof again - TUNNEL_RESPONSE_SIZE));
        break;
    case TUNNEL_COOKIE:
        tunnel_cookie_decode(&cookie, bytes, length);
        tunnel_cookie_encode(&cookie, again + (sizeof again - TUNNEL_COOKIE_REPLY_SIZE));
        break;
    case TUNNEL_DATA:
        decode_data(bytes, length);
        break;
    case TUNNEL_NO_MESSAGE:
        break;
    }
}

int main(void)
{
    for (size_t length = 0; length <= LENGTH_MAX; length++) {
        for (unsigned first = TUNNEL_NO_MESSAGE; first <= TUNNEL_DATA; first++)
            decode_any(length, first);
        decode_any(length, (unsigned)Frama_C_interval(TUNNEL_DATA + 1, UINT8_MAX));
    }
    return 0;
}
