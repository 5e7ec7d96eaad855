/*
 * Fuzzes the frame codec: any bytes are decoded; what is accepted is encoded again from the struct
 * and must come out as the bytes it was read from.
 */
#include "core/base/check.h"
#include "core/frame/message.h"
#include "fuzz/harness.h"

void fuzz_one(const uint8_t *data, size_t size)
{
    static uint8_t again[FRAME_SIZE_MAX];
    struct frame frame;
    if (frame_decode(&frame, data, size) != FRAME_OK || size > sizeof again)
        return;
    check(frame_is_ours(data, size));
    check(frame_size(&frame) == size);
    size_t at = frame_encode(&frame, again, sizeof again);
    check(at == frame.front.size && memcmp(again, data, at) == 0);
    check(frame.body.bytes == data + at);
    size_t macs = (frame.mac1 != NULL ? 1u : 0u) + (frame.mac2 != NULL ? 1u : 0u);
    check(at + frame.body.size + macs * FRAME_MAC_SIZE == size);
}
