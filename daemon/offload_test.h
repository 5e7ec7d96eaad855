/*
 * What the tests of offloading hold it against: sums and a splitter that are written byte by byte,
 * and packets of any shape.
 */
#ifndef WARREN_DAEMON_OFFLOAD_TEST_H
#define WARREN_DAEMON_OFFLOAD_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <string.h>

#include "daemon/offload.h"

enum {
    FIN = 1,
    SYN = 2,
    RST = 4,
    PSH = 8,
    ACK = 16,
    URG = 32,
    ECE = 64,
    CWR = 128,
    MSS = 1000,
    PACKET_MAX = 70000,
    BYTES_MAX = 400000,
};

static uint64_t random_state = 88172645463325252u;

static inline uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 11) % below;
}

static inline uint32_t get16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static inline void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static inline uint32_t get32(const uint8_t *bytes)
{
    return get16(bytes) << 16 | get16(bytes + 2);
}

static inline void put32(uint8_t *bytes, uint32_t value)
{
    put16(bytes, value >> 16);
    put16(bytes + 2, value & 0xffff);
}

/* RFC 1071, section 4.1, over big-endian words. */
static inline uint32_t naive_sum(const uint8_t *bytes, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return sum;
}

struct shape {
    bool v6;
    bool udp;
    uint32_t ip_options;  /* bytes, IPv4 */
    uint32_t tcp_options; /* bytes */
};

static inline uint32_t transport_at(const uint8_t *packet)
{
    return packet[0] >> 4 == 6 ? 40 : (packet[0] & 15u) * 4;
}

static inline bool is_udp(const uint8_t *packet)
{
    return (packet[0] >> 4 == 6 ? packet[6] : packet[9]) == 17;
}

static inline uint32_t headers_of(const uint8_t *packet)
{
    uint32_t at = transport_at(packet);
    return is_udp(packet) ? at + 8 : at + (uint32_t)(packet[at + 12] >> 4) * 4;
}

/* RFC 9293, section 3.1 and RFC 8200, section 8.1. */
static inline uint32_t pseudo_sum(const uint8_t *packet, uint32_t size)
{
    bool v6 = packet[0] >> 4 == 6;
    uint32_t sum = naive_sum(packet + (v6 ? 8 : 12), v6 ? 32 : 8, is_udp(packet) ? 17 : 6);
    return naive_sum(NULL, 0, sum + size - transport_at(packet));
}

/* Lengths and sums, as a packet of this size has them. */
static inline void finish(uint8_t *packet, uint32_t size)
{
    uint32_t at = transport_at(packet);
    if (packet[0] >> 4 == 6) {
        put16(packet + 4, size - 40);
    } else {
        put16(packet + 2, size);
        put16(packet + 10, 0);
        put16(packet + 10, ~naive_sum(packet, at, 0) & 0xffff);
    }
    uint8_t *field = packet + at + (is_udp(packet) ? 6 : 16);
    if (is_udp(packet))
        put16(packet + at + 4, size - at);
    put16(field, 0);
    uint32_t sum = naive_sum(packet + at, size - at, pseudo_sum(packet, size));
    put16(field, is_udp(packet) && sum == 0xffff ? sum : ~sum & 0xffff);
}

/* A packet whose sums are right, with DF where it is IPv4, ACK where it is TCP. */
static inline uint32_t make_packet(uint8_t *packet, const struct shape *shape, uint32_t payload)
{
    uint32_t at = shape->v6 ? 40 : 20 + shape->ip_options;
    uint32_t size = at + (shape->udp ? 8 : 20 + shape->tcp_options) + payload;
    assert_true(size <= PACKET_MAX);
    for (uint32_t i = 0; i < size; i++)
        packet[i] = (uint8_t)draw(256);
    if (shape->v6) {
        packet[0] = (uint8_t)(0x60 | draw(16));
        packet[6] = shape->udp ? 17 : 6;
    } else {
        packet[0] = (uint8_t)(0x40 | (at / 4));
        packet[6] = 0x40;
        packet[7] = 0;
        packet[9] = shape->udp ? 17 : 6;
    }
    if (!shape->udp) {
        packet[at + 12] = (uint8_t)((20 + shape->tcp_options) / 4 << 4 | draw(16));
        packet[at + 13] = ACK;
    }
    finish(packet, size);
    return size;
}

static inline struct shape draw_shape(void)
{
    struct shape shape = {.v6 = draw(2) == 0, .udp = draw(2) == 0};
    shape.ip_options = draw(3) == 0 ? draw(11) * 4 : 0;
    shape.tcp_options = draw(2) == 0 ? draw(11) * 4 : 0;
    return shape;
}

/* Makes a packet the super-packet that Linux gives, with only the pseudo header summed. */
static inline struct offload_header make_super(uint8_t *packet, uint32_t size, uint32_t segment)
{
    uint32_t at = transport_at(packet);
    bool udp = is_udp(packet);
    put16(packet + at + (udp ? 6 : 16), pseudo_sum(packet, size));
    uint8_t tcp = packet[0] >> 4 == 6 ? OFFLOAD_TCP6 : OFFLOAD_TCP4;
    return (struct offload_header){
        .flags = OFFLOAD_NEEDS_SUM,
        .kind = udp ? OFFLOAD_UDP : tcp,
        .headers = (uint16_t)headers_of(packet),
        .segment = (uint16_t)segment,
        .sum_start = (uint16_t)at,
        .sum_offset = udp ? 6 : 16,
    };
}

/* Packet `index` of what a super-packet stands for; its size, or 0 behind the last. */
static inline uint32_t naive_packet(uint8_t *out, const uint8_t *super, uint32_t size,
                                    uint32_t segment, uint32_t index)
{
    uint32_t headers = headers_of(super), at = transport_at(super);
    uint32_t before = index * segment;
    if (headers + before >= size)
        return 0;
    uint32_t payload = size - headers - before < segment ? size - headers - before : segment;
    memcpy(out, super, headers);
    memcpy(out + headers, super + headers + before, payload);
    if (super[0] >> 4 == 4)
        put16(out + 4, (get16(super + 4) + index) & 0xffff);
    if (!is_udp(super)) {
        put32(out + at + 4, get32(super + at + 4) + before);
        if (headers + before + payload < size)
            out[at + 13] &= (uint8_t) ~(FIN | PSH);
        if (index > 0)
            out[at + 13] &= (uint8_t)~CWR;
    }
    finish(out, headers + payload);
    return headers + payload;
}

#endif
