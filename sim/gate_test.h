/* IP packets for the tests of gates, made and summed up byte by byte, from RFC 791, RFC 8200, RFC
 * 768, RFC 793, RFC 792 and RFC 1071. */
#ifndef WARREN_SIM_GATE_TEST_H
#define WARREN_SIM_GATE_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/base/addr.h"

enum { BYTES_MAX = 65536, ICMP = 1, TCP = 6, UDP = 17, ICMP_V6 = 58 };

static inline uint16_t get16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static inline void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline uint32_t add_up(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] * 256 : bytes[i];
    while (sum > 0xffff)
        sum = sum % 65536 + sum / 65536;
    return sum;
}

static inline bool is_v6(const uint8_t *packet)
{
    return packet[0] >> 4 == 6;
}

static inline uint32_t header_of(const uint8_t *packet)
{
    return is_v6(packet) ? 40 : 20;
}

static inline uint8_t protocol_of(const uint8_t *packet)
{
    return is_v6(packet) ? packet[6] : packet[9];
}

static inline uint8_t ttl_of(const uint8_t *packet)
{
    return is_v6(packet) ? packet[7] : packet[8];
}

/* The sum of the transport part and its pseudo header: 0xffff when its checksum is right. */
static inline uint32_t transport_sum(const uint8_t *packet, uint32_t size)
{
    uint32_t header = header_of(packet);
    uint32_t sum = 0;
    if (protocol_of(packet) != ICMP)
        sum = add_up(size - header + protocol_of(packet), packet + (is_v6(packet) ? 8 : 12),
                     is_v6(packet) ? 32 : 8);
    return add_up(sum, packet + header, size - header);
}

static inline uint32_t checksum_at(uint8_t protocol)
{
    return protocol == UDP ? 6 : protocol == TCP ? 16 : 2;
}

static inline void put_checksums(uint8_t *packet, uint32_t size)
{
    uint8_t *checksum = packet + header_of(packet) + checksum_at(protocol_of(packet));
    put16(checksum, 0);
    put16(checksum, transport_sum(packet, size) ^ 0xffff);
    if (is_v6(packet))
        return;
    put16(packet + 10, 0);
    put16(packet + 10, add_up(0, packet, 20) ^ 0xffff);
}

/* An IP packet around a transport part whose checksum is put right; its size. */
static inline uint32_t make_packet(uint8_t *to, const struct addr *source,
                                   const struct addr *destination, uint8_t protocol,
                                   const uint8_t *payload, uint32_t size)
{
    bool v6 = source->family == ADDR_V6;
    memset(to, 0, 40);
    if (v6) {
        to[0] = 0x60;
        put16(to + 4, size);
        to[6] = protocol == ICMP ? (uint8_t)ICMP_V6 : protocol;
        to[7] = 64;
        memcpy(to + 8, source->ip, 16);
        memcpy(to + 24, destination->ip, 16);
    } else {
        to[0] = 0x45;
        put16(to + 2, 20 + size);
        put16(to + 4, 0x3456);
        to[8] = 64;
        to[9] = protocol;
        memcpy(to + 12, source->ip, 4);
        memcpy(to + 16, destination->ip, 4);
    }
    memcpy(to + header_of(to), payload, size);
    put_checksums(to, header_of(to) + size);
    return header_of(to) + size;
}

static inline uint32_t make_udp(uint8_t *to, const struct addr *source,
                                const struct addr *destination, uint32_t size)
{
    static uint8_t payload[BYTES_MAX];
    put16(payload, source->port);
    put16(payload + 2, destination->port);
    put16(payload + 4, size + 8);
    for (uint32_t i = 0; i < size; i++)
        payload[8 + i] = (uint8_t)(i * 5 + i / 256);
    return make_packet(to, source, destination, UDP, payload, size + 8);
}

static inline uint32_t make_echo(uint8_t *to, const struct addr *source,
                                 const struct addr *destination, bool reply, uint16_t sequence)
{
    uint8_t payload[64] = {0};
    bool v6 = source->family == ADDR_V6;
    payload[0] = (uint8_t)(v6 ? (reply ? 129 : 128) : (reply ? 0 : 8));
    put16(payload + 4, reply ? destination->port : source->port);
    put16(payload + 6, sequence);
    memset(payload + 8, 0x5a, 56);
    return make_packet(to, source, destination, ICMP, payload, sizeof payload);
}

static inline uint32_t make_tcp(uint8_t *to, const struct addr *source,
                                const struct addr *destination, uint8_t flags, uint32_t sequence,
                                uint32_t data)
{
    /* Maximum segment size, selective acknowledgements, window scale. */
    static const uint8_t options[12] = {2, 4, 0x05, 0xb4, 4, 2, 1, 3, 3, 7, 1, 0};
    uint8_t segment[256] = {0};
    put16(segment, source->port);
    put16(segment + 2, destination->port);
    put16(segment + 4, sequence >> 16);
    put16(segment + 6, sequence);
    put16(segment + 8, 0xabcd);
    segment[12] = 0x80;
    segment[13] = flags;
    put16(segment + 14, 0xfaf0);
    put16(segment + 18, 9);
    memcpy(segment + 20, options, sizeof options);
    memset(segment + 32, 0x77, data);
    return make_packet(to, source, destination, TCP, segment, 32 + data);
}

#endif
