/* ICMP errors and echo. */
#include "sim/icmp.h"

#include <string.h>

#include "core/base/check.h"
#include "sim/wire.h"

#define INTERVAL_NS UINT64_C(1000000)
#define BURST 50

bool icmp_budget_take(struct icmp_budget *budget, uint64_t now_ns)
{
    uint64_t from_ns = budget->spent_until_ns > now_ns ? budget->spent_until_ns : now_ns;
    if (from_ns - now_ns > (BURST - 1) * INTERVAL_NS)
        return false;
    budget->spent_until_ns = from_ns + INTERVAL_NS;
    return true;
}

bool icmp_may_answer(const struct packet *cause)
{
    return !packet_is_icmp_error(cause) && cause->offset == 0 && addr_is_unicast(&cause->source);
}

void icmp_make_error(struct packet_pool *pool, struct packet *error, const struct packet *cause,
                     enum packet_icmp kind, uint32_t mtu, const struct addr *source)
{
    check(kind >= PACKET_ICMP_UNREACHABLE_NET && kind <= PACKET_ICMP_TIME_EXCEEDED);
    check(source->family == cause->source.family);
    struct packet whole = *cause;
    whole.more_fragments = false;
    struct packet_quote quote = {.source = cause->source,
                                 .destination = cause->destination,
                                 .mtu = mtu,
                                 .size = (uint16_t)cause->length,
                                 .checksum = wire_checksum(&whole),
                                 .id = (uint16_t)cause->id,
                                 .sequence = wire_sequence(cause),
                                 .protocol = cause->protocol,
                                 .icmp = cause->icmp,
                                 .ttl = cause->ttl,
                                 .dont_fragment = cause->dont_fragment};
    uint32_t ip_header = cause->source.family == ADDR_V4 ? PACKET_IPV4_HEADER : PACKET_IPV6_HEADER;
    *error = (struct packet){.source = addr_with_port(*source, 0),
                             .destination = addr_with_port(cause->source, 0),
                             .buffer = packet_buffer_new(pool, sizeof quote),
                             .data = ip_header + WIRE_QUOTED,
                             .length = PACKET_ICMP_HEADER + ip_header + WIRE_QUOTED,
                             .protocol = PACKET_ICMP,
                             .icmp = (uint8_t)kind,
                             .ttl = PACKET_TTL_DEFAULT};
    memcpy(error->buffer->bytes, &quote, sizeof quote);
}

void icmp_make_reply(struct packet *packet)
{
    check(packet->protocol == PACKET_ICMP && packet->icmp == PACKET_ICMP_ECHO_REQUEST);
    struct addr source = packet->source;
    packet->source = packet->destination;
    packet->destination = source;
    packet->icmp = PACKET_ICMP_ECHO_REPLY;
    packet->ttl = PACKET_TTL_DEFAULT;
}

void icmp_read_quote(const struct packet *error, struct packet_quote *quote)
{
    check(packet_is_icmp_error(error) && error->buffer != NULL);
    memcpy(quote, error->buffer->bytes, sizeof *quote);
}

void icmp_write_quote(struct packet_pool *pool, struct packet *error,
                      const struct packet_quote *quote)
{
    check(packet_is_icmp_error(error) && error->buffer != NULL);
    if (error->buffer->references > 1) {
        packet_buffer_drop(pool, error->buffer);
        error->buffer = packet_buffer_new(pool, sizeof *quote);
    }
    memcpy(error->buffer->bytes, quote, sizeof *quote);
}
