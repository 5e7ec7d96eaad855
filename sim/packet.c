/* IP packets over pooled payloads. */
#include "sim/packet.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

enum { BUFFER_CLASSES = 3 };

/* A short probe, a full Ethernet frame, the largest datagram. */
static const uint32_t buffer_capacity[BUFFER_CLASSES] = {128, 2048, 65536};

void packet_pool_init(struct packet_pool *pool)
{
    memset(pool, 0, sizeof *pool);
}

void packet_pool_free(struct packet_pool *pool)
{
    for (unsigned class = 0; class < BUFFER_CLASSES; class ++) {
        struct packet_buffer *next;
        for (struct packet_buffer *buffer = pool->free_buffers[class]; buffer != NULL;
             buffer = next) {
            next = buffer->next;
            free(buffer);
        }
    }
    for (uint32_t chunk = 0; chunk < pool->capacity / PACKET_CHUNK; chunk++)
        free(pool->chunks[chunk]);
    free(pool->chunks);
    free(pool->free_packets);
    memset(pool, 0, sizeof *pool);
}

static unsigned class_of(size_t size)
{
    return size <= buffer_capacity[0] ? 0 : size <= buffer_capacity[1] ? 1 : 2;
}

struct packet_buffer *packet_buffer_new(struct packet_pool *pool, size_t size)
{
    check(size <= buffer_capacity[BUFFER_CLASSES - 1]);
    unsigned class = class_of(size);
    struct packet_buffer *buffer = pool->free_buffers[class];
    if (buffer != NULL) {
        pool->free_buffers[class] = buffer->next;
    } else {
        buffer = malloc(sizeof *buffer + buffer_capacity[class]);
        check(buffer != NULL);
        buffer->capacity = buffer_capacity[class];
    }
    buffer->next = NULL;
    buffer->references = 1;
    pool->buffers_live++;
    return buffer;
}

void packet_buffer_hold(struct packet_buffer *buffer)
{
    if (buffer == NULL)
        return;
    check(buffer->references > 0 && buffer->references < UINT32_MAX);
    buffer->references++;
}

void packet_buffer_drop(struct packet_pool *pool, struct packet_buffer *buffer)
{
    if (buffer == NULL)
        return;
    check(buffer->references > 0);
    if (--buffer->references > 0)
        return;
    unsigned class = class_of(buffer->capacity);
    buffer->next = pool->free_buffers[class];
    pool->free_buffers[class] = buffer;
    pool->buffers_live--;
}

static void grow_packets(struct packet_pool *pool)
{
    uint32_t chunk = pool->capacity / PACKET_CHUNK;
    pool->capacity += PACKET_CHUNK;
    pool->chunks = realloc(pool->chunks, (chunk + 1) * sizeof *pool->chunks);
    pool->free_packets = realloc(pool->free_packets, pool->capacity * sizeof *pool->free_packets);
    check(pool->chunks != NULL && pool->free_packets != NULL);
    pool->chunks[chunk] = malloc(PACKET_CHUNK * sizeof **pool->chunks);
    check(pool->chunks[chunk] != NULL);
    for (uint32_t index = pool->capacity; index > chunk * PACKET_CHUNK; index--)
        pool->free_packets[pool->free_count++] = index - 1;
}

uint32_t packet_park(struct packet_pool *pool, const struct packet *packet)
{
    if (pool->free_count == 0)
        grow_packets(pool);
    uint32_t index = pool->free_packets[--pool->free_count];
    *packet_at(pool, index) = *packet;
    return index;
}

void packet_unpark(struct packet_pool *pool, uint32_t index)
{
    check(index < pool->capacity);
    check(pool->free_count < pool->capacity);
    pool->free_packets[pool->free_count++] = index;
}

void packet_make_udp(struct packet_pool *pool, struct packet *packet, const struct addr *source,
                     const struct addr *destination, const void *bytes, size_t size)
{
    check(size <= PACKET_TRANSPORT_MAX - PACKET_UDP_HEADER);
    check(source->family == destination->family && source->family != ADDR_NONE);
    *packet = (struct packet){.source = *source,
                              .destination = *destination,
                              .data = (uint32_t)size,
                              .length = (uint32_t)size + PACKET_UDP_HEADER,
                              .protocol = PACKET_UDP,
                              .ttl = PACKET_TTL_DEFAULT};
    if (size == 0)
        return;
    packet->buffer = packet_buffer_new(pool, size);
    memcpy(packet->buffer->bytes, bytes, size);
}

void packet_drop(struct packet_pool *pool, struct packet *packet)
{
    packet_buffer_drop(pool, packet->buffer);
    packet->buffer = NULL;
}

/* The part of the data that this packet or fragment carries: [*from, *from + result). */
static uint32_t carried(const struct packet *packet, uint32_t *from)
{
    uint32_t header = packet_transport_header(packet);
    uint32_t begin = packet->offset > header ? packet->offset : header;
    uint32_t end = packet->offset + packet->length;
    *from = begin - header;
    return end > begin ? end - begin : 0;
}

void packet_corrupt(struct packet_pool *pool, struct packet *packet, uint32_t draw, bool undetected)
{
    packet->bad_checksum = packet->bad_checksum || !undetected;
    uint32_t from;
    uint32_t size = carried(packet, &from);
    /* An ICMP error's quote is not bytes as they are on the wire, so there the checksum stands for
     * the damage. */
    if (size == 0 || packet->buffer == NULL || packet_is_icmp_error(packet))
        return;
    check(from + size <= packet->data);
    struct packet_buffer *copy = packet_buffer_new(pool, packet->data);
    memcpy(copy->bytes, packet->buffer->bytes, packet->data);
    packet_buffer_drop(pool, packet->buffer);
    packet->buffer = copy;
    uint32_t bit = draw % (8 * size);
    copy->bytes[from + bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

uint32_t packet_transport_header(const struct packet *packet)
{
    if (packet->headed)
        return 0;
    switch (packet->protocol) {
    case PACKET_ICMP:
        return PACKET_ICMP_HEADER;
    case PACKET_TCP:
        return PACKET_TCP_HEADER;
    default:
        return PACKET_UDP_HEADER;
    }
}

bool packet_is_fragment(const struct packet *packet)
{
    return packet->offset != 0 || packet->more_fragments;
}

uint32_t packet_wire_size(const struct packet *packet)
{
    if (packet->source.family == ADDR_V4)
        return packet->length + PACKET_IPV4_HEADER;
    return packet->length + PACKET_IPV6_HEADER +
           (packet_is_fragment(packet) ? PACKET_FRAGMENT_HEADER : 0);
}

bool packet_is_icmp_error(const struct packet *packet)
{
    return packet->protocol == PACKET_ICMP && packet->icmp >= PACKET_ICMP_UNREACHABLE_NET &&
           packet->icmp <= PACKET_ICMP_TIME_EXCEEDED;
}

const uint8_t *packet_data(const struct packet *packet)
{
    return packet->buffer == NULL ? NULL : packet->buffer->bytes;
}
