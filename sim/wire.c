/* Simulated packets as bytes. */
#include "sim/wire.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "sim/icmp.h"

enum {
    IP_NEXT_FRAGMENT = 44,
    IP_NEXT_ICMPV6 = 58,
    TCP_CHECKSUM_AT = 16,
    CHECKSUM_DAMAGE = 0x0101,
};

uint32_t wire_sum(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += (i & 1) == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    return sum;
}

uint16_t wire_fold(uint32_t sum)
{
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint8_t next_header(const struct packet *packet)
{
    return packet->protocol == PACKET_ICMP && packet->source.family == ADDR_V6 ? IP_NEXT_ICMPV6
                                                                               : packet->protocol;
}

uint32_t wire_pseudo_header(const struct packet *packet, uint32_t size)
{
    if (packet->protocol == PACKET_ICMP && packet->source.family == ADDR_V4)
        return 0;
    uint32_t sum = wire_sum(0, packet->source.ip, addr_ip_size(&packet->source));
    sum = wire_sum(sum, packet->destination.ip, addr_ip_size(&packet->destination));
    return sum + next_header(packet) + size;
}

static void write_ipv4(struct writer *w, const struct addr *source, const struct addr *destination,
                       uint32_t size, const struct packet *fields)
{
    size_t start = w->index;
    write_u8(w, 0x45);
    write_u8(w, 0);
    write_u16(w, (uint16_t)size);
    write_u16(w, (uint16_t)fields->id);
    write_u16(w, (uint16_t)((fields->dont_fragment ? 0x4000 : 0) |
                            (fields->more_fragments ? 0x2000 : 0) | fields->offset / 8));
    write_u8(w, fields->ttl);
    write_u8(w, fields->protocol);
    write_u16(w, 0);
    write_bytes(w, source->ip, 4);
    write_bytes(w, destination->ip, 4);
    if (!w->failed)
        write_u16_at(w, start + 10, wire_fold(wire_sum(0, w->base + start, PACKET_IPV4_HEADER)));
}

static void write_ipv6(struct writer *w, const struct packet *packet, uint32_t size)
{
    bool fragment = packet_is_fragment(packet);
    write_u32(w, 0x60000000);
    write_u16(w, (uint16_t)(size - PACKET_IPV6_HEADER));
    write_u8(w, fragment ? IP_NEXT_FRAGMENT : next_header(packet));
    write_u8(w, packet->ttl);
    write_bytes(w, packet->source.ip, 16);
    write_bytes(w, packet->destination.ip, 16);
    if (!fragment)
        return;
    write_u8(w, next_header(packet));
    write_u8(w, 0);
    write_u16(w, (uint16_t)(packet->offset | (packet->more_fragments ? 1 : 0)));
    write_u32(w, packet->id);
}

static void write_ip(struct writer *w, const struct packet *packet, uint32_t size)
{
    if (packet->source.family == ADDR_V4)
        write_ipv4(w, &packet->source, &packet->destination, size, packet);
    else
        write_ipv6(w, packet, size);
}

/* Type and code of RFC 792 and RFC 4443. */
static uint16_t icmp_type(const struct packet *packet)
{
    static const uint16_t v4[] = {
        [PACKET_ICMP_UNREACHABLE_NET] = 0x0300,  [PACKET_ICMP_UNREACHABLE_HOST] = 0x0301,
        [PACKET_ICMP_UNREACHABLE_PORT] = 0x0303, [PACKET_ICMP_PROHIBITED] = 0x030d,
        [PACKET_ICMP_TOO_BIG] = 0x0304,          [PACKET_ICMP_TIME_EXCEEDED] = 0x0b00,
        [PACKET_ICMP_ECHO_REQUEST] = 0x0800,     [PACKET_ICMP_ECHO_REPLY] = 0x0000,
    };
    static const uint16_t v6[] = {
        [PACKET_ICMP_UNREACHABLE_NET] = 0x0100,  [PACKET_ICMP_UNREACHABLE_HOST] = 0x0103,
        [PACKET_ICMP_UNREACHABLE_PORT] = 0x0104, [PACKET_ICMP_PROHIBITED] = 0x0101,
        [PACKET_ICMP_TOO_BIG] = 0x0200,          [PACKET_ICMP_TIME_EXCEEDED] = 0x0300,
        [PACKET_ICMP_ECHO_REQUEST] = 0x8000,     [PACKET_ICMP_ECHO_REPLY] = 0x8100,
    };
    check(packet->icmp >= PACKET_ICMP_UNREACHABLE_NET && packet->icmp <= PACKET_ICMP_ECHO_REPLY);
    return packet->source.family == ADDR_V4 ? v4[packet->icmp] : v6[packet->icmp];
}

/* The quoted IP header and the first eight bytes after it. */
static void write_quote(struct writer *w, const struct packet *packet)
{
    struct packet_quote quote;
    icmp_read_quote(packet, &quote);
    struct packet quoted = {.source = quote.source,
                            .destination = quote.destination,
                            .id = quote.id,
                            .length = quote.size,
                            .protocol = quote.protocol,
                            .ttl = quote.ttl,
                            .dont_fragment = quote.dont_fragment};
    write_ip(w, &quoted, packet_wire_size(&quoted));
    if (quote.protocol == PACKET_ICMP) {
        quoted.icmp = quote.icmp;
        write_u16(w, icmp_type(&quoted));
        write_u16(w, quote.checksum);
        write_u16(w, quote.source.port);
        write_u16(w, (uint16_t)quote.sequence);
        return;
    }
    write_u16(w, quote.source.port);
    write_u16(w, quote.destination.port);
    if (quote.protocol == PACKET_TCP) {
        write_u32(w, quote.sequence);
        return;
    }
    write_u16(w, quote.size);
    write_u16(w, quote.checksum);
}

/* All after the ICMP checksum. */
static void write_icmp_body(struct writer *w, const struct packet *packet)
{
    if (!packet_is_icmp_error(packet)) {
        write_u16(w, packet->source.port);
        write_u16(w, packet->sequence);
        write_bytes(w, packet_data(packet), packet->data);
        return;
    }
    struct packet_quote quote;
    icmp_read_quote(packet, &quote);
    write_u32(w, packet->icmp == PACKET_ICMP_TOO_BIG ? quote.mtu : 0);
    write_quote(w, packet);
}

static void write_transport_header(struct writer *w, const struct packet *packet)
{
    write_u16(w, packet->source.port);
    write_u16(w, packet->destination.port);
    if (packet->protocol == PACKET_UDP) {
        write_u16(w, (uint16_t)(packet->data + PACKET_UDP_HEADER));
        write_u16(w, 0);
        return;
    }
    write_u32(w, 0); /* sequence */
    write_u32(w, 0); /* acknowledgement */
    write_u16(w, (uint16_t)(0x5000 | packet->tcp_flags));
    write_u16(w, 0xffff); /* window */
    write_u16(w, 0);
    write_u16(w, 0); /* urgent */
}

/* A transport header that came with the packet, with the ports that it has now. */
static void write_headed(struct writer *w, const struct packet *packet)
{
    check(packet->protocol == PACKET_TCP && packet->data >= PACKET_TCP_HEADER);
    write_bytes(w, packet_data(packet), packet->data);
    write_u16_at(w, 0, packet->source.port);
    write_u16_at(w, 2, packet->destination.port);
    write_u16_at(w, TCP_CHECKSUM_AT, 0);
}

static size_t checksum_at(const struct packet *packet)
{
    return packet->protocol == PACKET_ICMP  ? 2
           : packet->protocol == PACKET_TCP ? TCP_CHECKSUM_AT
                                            : 6;
}

/* The whole IP payload of the packet that this is, or is a fragment of; its size. */
static uint32_t write_payload(const struct packet *packet, uint8_t *to)
{
    struct writer w = writer_of(to, PACKET_TRANSPORT_MAX);
    if (packet->protocol == PACKET_ICMP) {
        write_u16(&w, icmp_type(packet));
        write_u16(&w, 0);
        write_icmp_body(&w, packet);
    } else if (packet->headed) {
        write_headed(&w, packet);
    } else {
        write_transport_header(&w, packet);
        write_bytes(&w, packet_data(packet), packet->data);
    }
    check(!w.failed);
    uint32_t size = (uint32_t)w.index;
    uint16_t checksum = wire_fold(wire_sum(wire_pseudo_header(packet, size), to, size));
    if (packet->protocol == PACKET_UDP && checksum == 0)
        checksum = 0xffff;
    if (packet->bad_checksum)
        checksum ^= CHECKSUM_DAMAGE;
    write_u16_at(&w, checksum_at(packet), checksum);
    return size;
}

uint16_t wire_checksum(const struct packet *packet)
{
    uint8_t payload[PACKET_TRANSPORT_MAX];
    (void)write_payload(packet, payload);
    size_t at = checksum_at(packet);
    return (uint16_t)(payload[at] << 8 | payload[at + 1]);
}

uint32_t wire_sequence(const struct packet *packet)
{
    if (packet->protocol == PACKET_ICMP)
        return packet->sequence;
    if (!packet->headed)
        return 0;
    struct reader r = reader_of(packet_data(packet), packet->data);
    read_skip(&r, 4);
    return read_u32(&r);
}

/* What a quoted packet's checksum covers and a NAT changes; of an echo over IPv4 only its id. */
static uint32_t translated_part(const struct packet_quote *quote)
{
    if (quote->protocol == PACKET_ICMP && quote->source.family == ADDR_V4)
        return quote->source.port;
    uint32_t sum = wire_sum(0, quote->source.ip, addr_ip_size(&quote->source));
    sum = wire_sum(sum, quote->destination.ip, addr_ip_size(&quote->destination));
    return sum + quote->source.port +
           (quote->protocol == PACKET_ICMP ? 0u : quote->destination.port);
}

uint16_t wire_translated(const struct packet_quote *before, const struct packet_quote *after)
{
    bool is_udp = before->protocol == PACKET_UDP;
    if (is_udp && before->checksum == 0)
        return 0;
    /* RFC 1624, equation 3: HC' = ~(~HC + ~m + m'); ~m is what wire_fold() makes of m. */
    uint32_t sum = (uint16_t)~before->checksum;
    sum += wire_fold(translated_part(before));
    uint16_t checksum = wire_fold(sum + translated_part(after));
    return is_udp && checksum == 0 ? 0xffff : checksum;
}

size_t wire_write(const struct packet *packet, uint8_t to[static WIRE_MAX])
{
    struct writer w = writer_of(to, WIRE_MAX);
    uint32_t size = packet_wire_size(packet);
    write_ip(&w, packet, size);
    if (packet->headed && packet->source.port == 0) {
        /* A later fragment, or one that was read: nothing in it is to be put right. */
        check(packet->offset + packet->length <= packet->data);
        write_bytes(&w, packet_data(packet) + packet->offset, packet->length);
    } else {
        uint8_t payload[PACKET_TRANSPORT_MAX];
        uint32_t whole = write_payload(packet, payload);
        check(packet->offset + packet->length <= whole);
        write_bytes(&w, payload + packet->offset, packet->length);
    }
    check(!w.failed && w.index == size);
    return w.index;
}
