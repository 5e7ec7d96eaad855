/*
 * Fuzzes the headers of inner packets: any bytes are parsed; what is a packet is sent one hop on,
 * and must then be the same packet but for its life and, with IPv4, its header's checksum, which is
 * as right or as wrong as it was.
 */
#include "core/base/check.h"
#include "core/tunnel/inner.h"
#include "fuzz/harness.h"

/* The ones' complement sum of the IPv4 header (RFC 1071): 0xffff when its checksum is right. */
static uint32_t header_sum(const uint8_t *bytes)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < (size_t)(bytes[0] & 15u) * 4; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return sum;
}

void fuzz_one(const uint8_t *data, size_t size)
{
    struct inner before, after;
    if (!inner_parse(&before, data, size))
        return;
    bool is_v4 = before.source.family == ADDR_V4;
    check(before.destination.family == before.source.family);
    check(before.source.port == 0 && before.destination.port == 0);
    check(before.size <= size && before.size >= (is_v4 ? 20u : 40u));

    uint8_t *next = malloc(size);
    if (next == NULL)
        abort();
    memcpy(next, data, size);
    size_t life = is_v4 ? 8 : 7;
    bool goes_on = inner_hop(next, size);
    check(goes_on == (data[life] > 1));
    check(inner_parse(&after, next, size));
    check(addr_equal(&before.source, &after.source));
    check(addr_equal(&before.destination, &after.destination));
    check(before.size == after.size);
    check(next[life] == data[life] - (goes_on ? 1 : 0));
    if (is_v4)
        check(header_sum(next) == header_sum(data));
    for (size_t i = 0; i < size; i++) {
        bool may_differ = i == life || (is_v4 && (i == 10 || i == 11));
        check(next[i] == data[i] || (goes_on && may_differ));
    }
    free(next);
}
