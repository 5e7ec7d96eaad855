/* The headers of IP packets inside the tunnel. */
#include "core/tunnel/inner.h"

#include "core/base/check.h"

enum {
    V4_HEADER_SIZE_MIN = 20,
    V4_TOTAL_LENGTH_AT = 2,
    V4_TTL_AT = 8, /* the upper byte of a word of the checksum */
    V4_CHECKSUM_AT = 10,
    V4_SOURCE_AT = 12,
    V4_DESTINATION_AT = 16,
    V6_HEADER_SIZE = 40,
    V6_PAYLOAD_LENGTH_AT = 4,
    V6_NEXT_HEADER_AT = 6,
    V6_HOP_LIMIT_AT = 7,
    V6_SOURCE_AT = 8,
    V6_DESTINATION_AT = 24,
    V6_HOP_BY_HOP = 0, /* the next header's number */
};

static uint32_t u16_at(const uint8_t *bytes, size_t at)
{
    return (uint32_t)bytes[at] << 8 | bytes[at + 1];
}

static uint32_t u32_at(const uint8_t *bytes, size_t at)
{
    return u16_at(bytes, at) << 16 | u16_at(bytes, at + 2);
}

/* Of the IPv4 packet in the bytes; 0: there is none. */
static uint32_t v4_size(const uint8_t *bytes, size_t size)
{
    if (size < V4_HEADER_SIZE_MIN)
        return 0;
    uint32_t header_size = (bytes[0] & 15u) * 4, total = u16_at(bytes, V4_TOTAL_LENGTH_AT);
    return header_size >= V4_HEADER_SIZE_MIN && header_size <= total && total <= size ? total : 0;
}

/*
 * The same for IPv6. A payload length of 0 with a hop-by-hop header behind it is that of a
 * jumbogram (RFC 2675, section 3), which is longer than any datagram of ours.
 */
static uint32_t v6_size(const uint8_t *bytes, size_t size)
{
    if (size < V6_HEADER_SIZE)
        return 0;
    uint32_t payload = u16_at(bytes, V6_PAYLOAD_LENGTH_AT);
    if (payload == 0 && bytes[V6_NEXT_HEADER_AT] == V6_HOP_BY_HOP)
        return 0;
    return payload <= size - V6_HEADER_SIZE ? V6_HEADER_SIZE + payload : 0;
}

static uint32_t packet_size(const uint8_t *bytes, size_t size)
{
    switch (size > 0 ? bytes[0] >> 4 : 0) {
    case 4:
        return v4_size(bytes, size);
    case 6:
        return v6_size(bytes, size);
    default:
        return 0;
    }
}

bool inner_parse(struct inner *inner, const uint8_t *bytes, size_t size)
{
    uint32_t own_size = packet_size(bytes, size);
    if (own_size == 0)
        return false;
    check(own_size >= V4_HEADER_SIZE_MIN && own_size <= size);
    if (bytes[0] >> 4 == 4) {
        inner->source = addr_v4(u32_at(bytes, V4_SOURCE_AT), 0);
        inner->destination = addr_v4(u32_at(bytes, V4_DESTINATION_AT), 0);
    } else {
        inner->source = addr_v6(bytes + V6_SOURCE_AT, 0);
        inner->destination = addr_v6(bytes + V6_DESTINATION_AT, 0);
    }
    inner->size = own_size;
    return true;
}

bool inner_hop(uint8_t *bytes, size_t size)
{
    check(packet_size(bytes, size) != 0);
    bool is_v4 = bytes[0] >> 4 == 4;
    uint8_t *life = bytes + (is_v4 ? V4_TTL_AT : V6_HOP_LIMIT_AT);
    if (*life <= 1)
        return false;
    *life = (uint8_t)(*life - 1);
    if (!is_v4)
        return true;
    /*
     * RFC 1624, equation 3: HC' = ~(~HC + ~m + m') in ones' complement. The word m' is m less one
     * in its upper byte, so ~m + m' is 0xfeff, and one carry is all that there can be.
     */
    uint32_t sum = (u16_at(bytes, V4_CHECKSUM_AT) ^ 0xffffu) + 0xfeffu;
    sum = ((sum & 0xffffu) + (sum >> 16)) ^ 0xffffu;
    bytes[V4_CHECKSUM_AT] = (uint8_t)(sum >> 8);
    bytes[V4_CHECKSUM_AT + 1] = (uint8_t)sum;
    return true;
}
