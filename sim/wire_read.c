/* Bytes as simulated packets: nothing in them is believed before it is checked. */
#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "sim/wire.h"

enum {
    IP_NEXT_FRAGMENT = 44,
    IP_NEXT_ICMPV6 = 58,
    IPV4_MAX = 65535, /* bytes of a packet, header included */
};

/* The fields of an IP header and what follows it. */
struct ip {
    struct packet fields; /* addresses, id, offset, ttl and flags */
    uint8_t next;         /* the protocol, by IANA's number */
    const uint8_t *payload;
    uint32_t size;   /* of it by the header's word */
    uint32_t there;  /* bytes of it that are there; less than `size` only in a quote */
    uint16_t header; /* sum of an IPv4 header; 0: its checksum is right */
};

static enum wire_result read_ipv4(struct reader *r, struct ip *ip)
{
    const uint8_t *start = r->base + r->index;
    struct packet *fields = &ip->fields;
    uint32_t header = (read_u8(r) & 15u) * 4;
    read_skip(r, 1);
    uint32_t total = read_u16(r);
    fields->id = read_u16(r);
    uint16_t fragment = read_u16(r);
    fields->ttl = read_u8(r);
    ip->next = read_u8(r);
    read_skip(r, 2);
    uint32_t source = read_u32(r);
    uint32_t destination = read_u32(r);
    if (header < PACKET_IPV4_HEADER)
        return WIRE_MALFORMED;
    read_skip(r, header - PACKET_IPV4_HEADER);
    if (r->failed || total < header)
        return WIRE_MALFORMED;
    ip->header = wire_fold(wire_sum(0, start, header));
    fields->source = addr_v4(source, 0);
    fields->destination = addr_v4(destination, 0);
    fields->dont_fragment = (fragment & 0x4000) != 0;
    fields->more_fragments = (fragment & 0x2000) != 0;
    fields->offset = (uint16_t)((fragment & 0x1fffu) * 8);
    ip->size = total - header;
    return WIRE_OK;
}

static enum wire_result read_ipv6(struct reader *r, struct ip *ip)
{
    struct packet *fields = &ip->fields;
    uint8_t source[16], destination[16];
    read_skip(r, 4);
    ip->size = read_u16(r);
    ip->next = read_u8(r);
    fields->ttl = read_u8(r);
    read_bytes(r, source, sizeof source);
    read_bytes(r, destination, sizeof destination);
    if (r->failed)
        return WIRE_MALFORMED;
    fields->source = addr_v6(source, 0);
    fields->destination = addr_v6(destination, 0);
    if (ip->next != IP_NEXT_FRAGMENT)
        return WIRE_OK;
    ip->next = read_u8(r);
    read_skip(r, 1);
    uint16_t fragment = read_u16(r);
    fields->id = read_u32(r);
    if (r->failed || ip->size < PACKET_FRAGMENT_HEADER)
        return WIRE_MALFORMED;
    fields->more_fragments = (fragment & 1) != 0;
    fields->offset = (uint16_t)(fragment & 0xfff8u);
    ip->size -= PACKET_FRAGMENT_HEADER;
    return WIRE_OK;
}

/* Reads a header. `family` is the one that it must have, ADDR_NONE: either. */
static enum wire_result read_ip(const uint8_t *bytes, size_t size, uint8_t family, struct ip *ip)
{
    *ip = (struct ip){.next = 0};
    if (size == 0)
        return WIRE_MALFORMED;
    uint8_t version = bytes[0] >> 4;
    if ((version != ADDR_V4 && version != ADDR_V6) || (family != ADDR_NONE && family != version))
        return WIRE_MALFORMED;
    struct reader r = reader_of(bytes, size);
    enum wire_result result = version == ADDR_V4 ? read_ipv4(&r, ip) : read_ipv6(&r, ip);
    if (result != WIRE_OK)
        return result;
    size_t left = reader_left(&r);
    ip->there = left < ip->size ? (uint32_t)left : ip->size;
    ip->payload = bytes + r.index;
    return WIRE_OK;
}

/* False when it is none that is carried. */
static bool set_protocol(struct packet *packet, uint8_t next)
{
    uint8_t icmp = packet->source.family == ADDR_V4 ? (uint8_t)PACKET_ICMP : IP_NEXT_ICMPV6;
    packet->protocol = next == icmp ? (uint8_t)PACKET_ICMP : next;
    return next == icmp || next == PACKET_TCP || next == PACKET_UDP;
}

static bool is_link_local(const struct addr *address)
{
    if (address->family == ADDR_V4)
        return address->ip[0] == 169 && address->ip[1] == 254;
    return address->ip[0] == 0xfe && (address->ip[1] & 0xc0) == 0x80;
}

/* Multicast, or to all on the link. */
static bool is_to_many(const struct addr *address)
{
    static const uint8_t all[4] = {255, 255, 255, 255};
    if (address->family == ADDR_V6)
        return address->ip[0] == 0xff;
    return address->ip[0] >> 4 == 14 || memcmp(address->ip, all, sizeof all) == 0;
}

/* ---- Transport ------------------------------------------------------------------------------- */

static void keep_data(struct packet_pool *pool, struct packet *packet, const uint8_t *bytes,
                      uint32_t size)
{
    packet->data = size;
    if (size == 0)
        return;
    packet->buffer = packet_buffer_new(pool, size);
    memcpy(packet->buffer->bytes, bytes, size);
}

static bool sums_up(const struct packet *packet, const uint8_t *payload, uint32_t size)
{
    return wire_fold(wire_sum(wire_pseudo_header(packet, size), payload, size)) == 0;
}

static enum wire_result read_udp(struct packet_pool *pool, struct packet *packet,
                                 const uint8_t *payload, uint32_t size)
{
    struct reader r = reader_of(payload, size);
    packet->source.port = read_u16(&r);
    packet->destination.port = read_u16(&r);
    uint16_t length = read_u16(&r);
    uint16_t checksum = read_u16(&r);
    if (r.failed || length != size)
        return WIRE_MALFORMED;
    bool may_lack = packet->source.family == ADDR_V4;
    if (checksum == 0 ? !may_lack : !sums_up(packet, payload, size))
        return WIRE_CHECKSUM;
    if (packet->source.port == 0 || packet->destination.port == 0)
        return WIRE_UNSUPPORTED;
    keep_data(pool, packet, payload + PACKET_UDP_HEADER, size - PACKET_UDP_HEADER);
    return WIRE_OK;
}

static enum wire_result read_tcp(struct packet_pool *pool, struct packet *packet,
                                 const uint8_t *payload, uint32_t size)
{
    struct reader r = reader_of(payload, size);
    packet->source.port = read_u16(&r);
    packet->destination.port = read_u16(&r);
    read_skip(&r, 8);
    uint32_t header = (read_u8(&r) >> 4) * 4u;
    packet->tcp_flags = read_u8(&r) & 7;
    if (r.failed || header < PACKET_TCP_HEADER || header > size)
        return WIRE_MALFORMED;
    if (!sums_up(packet, payload, size))
        return WIRE_CHECKSUM;
    if (packet->source.port == 0 || packet->destination.port == 0)
        return WIRE_UNSUPPORTED;
    packet->headed = true;
    keep_data(pool, packet, payload, size);
    return WIRE_OK;
}

/* ---- ICMP ------------------------------------------------------------------------------------ */

/* RFC 792, RFC 1122 section 3.2.2.1 and RFC 1812 section 5.2.7.1: the codes of "unreachable". */
static uint8_t unreachable_v4(uint8_t code)
{
    switch (code) {
    case 0:
    case 6:
    case 11:
        return PACKET_ICMP_UNREACHABLE_NET;
    case 1:
    case 7:
    case 12:
        return PACKET_ICMP_UNREACHABLE_HOST;
    case 3:
        return PACKET_ICMP_UNREACHABLE_PORT;
    case 4:
        return PACKET_ICMP_TOO_BIG;
    case 9:
    case 10:
    case 13:
        return PACKET_ICMP_PROHIBITED;
    default:
        return PACKET_ICMP_NONE;
    }
}

/* RFC 4443, section 3.1. Codes 5 and 6 are finer words for 1. */
static uint8_t unreachable_v6(uint8_t code)
{
    static const uint8_t kinds[] = {
        [0] = PACKET_ICMP_UNREACHABLE_NET,
        [1] = PACKET_ICMP_PROHIBITED,
        [2] = PACKET_ICMP_NONE,
        [3] = PACKET_ICMP_UNREACHABLE_HOST,
        [4] = PACKET_ICMP_UNREACHABLE_PORT,
        [5] = PACKET_ICMP_PROHIBITED,
        [6] = PACKET_ICMP_PROHIBITED,
    };
    return code < sizeof kinds ? kinds[code] : (uint8_t)PACKET_ICMP_NONE;
}

/* PACKET_ICMP_NONE for what is not carried. */
static uint8_t icmp_kind(uint8_t family, uint8_t type, uint8_t code)
{
    bool v4 = family == ADDR_V4;
    if (type == (v4 ? 3 : 1))
        return v4 ? unreachable_v4(code) : unreachable_v6(code);
    if (!v4 && type == 2) /* whatever its code (RFC 4443, section 3.2) */
        return PACKET_ICMP_TOO_BIG;
    if (code != 0)
        return PACKET_ICMP_NONE;
    if (type == (v4 ? 11 : 3))
        return PACKET_ICMP_TIME_EXCEEDED;
    if (type == (v4 ? 8 : 128))
        return PACKET_ICMP_ECHO_REQUEST;
    if (type == (v4 ? 0 : 129))
        return PACKET_ICMP_ECHO_REPLY;
    return PACKET_ICMP_NONE;
}

/* The first eight bytes of a quoted transport header. */
static enum wire_result read_quoted_transport(struct packet_quote *quote, struct reader *r)
{
    if (quote->protocol == PACKET_ICMP) {
        uint8_t type = read_u8(r);
        quote->icmp = icmp_kind(quote->source.family, type, read_u8(r));
        quote->checksum = read_u16(r);
        quote->source.port = read_u16(r);
        quote->destination.port = quote->source.port;
        quote->sequence = read_u16(r);
        bool is_echo = quote->icmp >= PACKET_ICMP_ECHO_REQUEST;
        return r->failed ? WIRE_MALFORMED : is_echo ? WIRE_OK : WIRE_UNSUPPORTED;
    }
    quote->source.port = read_u16(r);
    quote->destination.port = read_u16(r);
    if (quote->protocol == PACKET_TCP) {
        quote->sequence = read_u32(r);
    } else {
        read_skip(r, 2);
        quote->checksum = read_u16(r);
    }
    if (r->failed)
        return WIRE_MALFORMED;
    return quote->source.port != 0 && quote->destination.port != 0 ? WIRE_OK : WIRE_UNSUPPORTED;
}

static enum wire_result read_quote(struct packet_quote *quote, uint8_t family, const uint8_t *bytes,
                                   uint32_t size)
{
    struct ip ip;
    enum wire_result result = read_ip(bytes, size, family, &ip);
    if (result != WIRE_OK)
        return result;
    struct packet *fields = &ip.fields;
    /* Only the first fragment has ports, by which whoever sent it is found. */
    if (!set_protocol(fields, ip.next) || fields->offset != 0)
        return WIRE_UNSUPPORTED;
    quote->source = fields->source;
    quote->destination = fields->destination;
    quote->size = (uint16_t)ip.size;
    quote->id = (uint16_t)fields->id;
    quote->protocol = fields->protocol;
    quote->ttl = fields->ttl;
    quote->dont_fragment = fields->dont_fragment;
    struct reader r = reader_of(ip.payload, ip.there);
    return read_quoted_transport(quote, &r);
}

static enum wire_result read_icmp(struct packet_pool *pool, struct packet *packet,
                                  const uint8_t *payload, uint32_t size)
{
    struct reader r = reader_of(payload, size);
    uint8_t type = read_u8(&r);
    uint8_t code = read_u8(&r);
    read_skip(&r, 2);
    uint32_t rest = read_u32(&r);
    if (r.failed)
        return WIRE_MALFORMED;
    if (!sums_up(packet, payload, size))
        return WIRE_CHECKSUM;
    uint8_t family = packet->source.family;
    packet->icmp = icmp_kind(family, type, code);
    if (packet->icmp == PACKET_ICMP_NONE)
        return WIRE_UNSUPPORTED;
    if (!packet_is_icmp_error(packet)) {
        packet->source.port = (uint16_t)(rest >> 16);
        packet->destination.port = packet->source.port;
        packet->sequence = (uint16_t)rest;
        keep_data(pool, packet, payload + PACKET_ICMP_HEADER, size - PACKET_ICMP_HEADER);
        return WIRE_OK;
    }
    struct packet_quote quote = {.mtu = 0};
    if (packet->icmp == PACKET_ICMP_TOO_BIG)
        quote.mtu = family == ADDR_V4 ? rest & 0xffff : rest;
    enum wire_result result =
        read_quote(&quote, family, payload + PACKET_ICMP_HEADER, size - PACKET_ICMP_HEADER);
    if (result != WIRE_OK)
        return result;
    /* However much was quoted: what is carried is the header and eight bytes. */
    keep_data(pool, packet, (const uint8_t *)&quote, sizeof quote);
    packet->data = (family == ADDR_V4 ? PACKET_IPV4_HEADER : PACKET_IPV6_HEADER) + WIRE_QUOTED;
    packet->length = PACKET_ICMP_HEADER + packet->data;
    return WIRE_OK;
}

/* ---- Whole packets --------------------------------------------------------------------------- */

static enum wire_result read_transport(struct packet_pool *pool, struct packet *packet,
                                       const uint8_t *payload, uint32_t size)
{
    check(packet->buffer == NULL && !packet_is_fragment(packet));
    packet->length = size;
    switch (packet->protocol) {
    case PACKET_UDP:
        return read_udp(pool, packet, payload, size);
    case PACKET_TCP:
        return read_tcp(pool, packet, payload, size);
    default:
        check(packet->protocol == PACKET_ICMP);
        return read_icmp(pool, packet, payload, size);
    }
}

static enum wire_result read_fragment(struct packet_pool *pool, struct packet *packet,
                                      const struct ip *ip)
{
    uint32_t end = packet->offset + ip->size;
    uint32_t header = packet->source.family == ADDR_V4 ? PACKET_IPV4_HEADER : 0;
    if (ip->size == 0 || end > IPV4_MAX - header || (packet->more_fragments && ip->size % 8 != 0))
        return WIRE_MALFORMED;
    packet->headed = true;
    packet->data = PACKET_TRANSPORT_MAX;
    packet->length = ip->size;
    packet->buffer = packet_buffer_new(pool, PACKET_TRANSPORT_MAX);
    /* Whoever looks into it finds zeros beside the bytes. */
    memset(packet->buffer->bytes, 0, PACKET_TRANSPORT_MAX);
    memcpy(packet->buffer->bytes + packet->offset, ip->payload, ip->size);
    return WIRE_OK;
}

enum wire_result wire_parse(struct packet_pool *pool, struct packet *packet, const uint8_t *bytes,
                            size_t size)
{
    struct ip ip;
    enum wire_result result = read_ip(bytes, size, ADDR_NONE, &ip);
    *packet = ip.fields;
    if (result != WIRE_OK)
        return result;
    if (ip.there < ip.size)
        return WIRE_MALFORMED;
    if (ip.header != 0)
        return WIRE_CHECKSUM;
    if (is_to_many(&packet->destination) || is_link_local(&packet->source) ||
        is_link_local(&packet->destination))
        return WIRE_NOISE;
    if (!set_protocol(packet, ip.next))
        return WIRE_UNSUPPORTED;
    if (packet_is_fragment(packet))
        return read_fragment(pool, packet, &ip);
    return read_transport(pool, packet, ip.payload, ip.size);
}

enum wire_result wire_read_whole(struct packet_pool *pool, struct packet *packet)
{
    check(packet->headed && packet->buffer != NULL && packet->length <= packet->data);
    struct packet whole = *packet;
    whole.buffer = NULL;
    whole.headed = false;
    enum wire_result result = read_transport(pool, &whole, packet->buffer->bytes, packet->length);
    packet_drop(pool, packet);
    *packet = whole;
    return result;
}
