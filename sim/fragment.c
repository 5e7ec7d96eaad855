/* Fragmentation and bounded reassembly. */
#include "sim/fragment.h"

#include <string.h>

#include "core/base/check.h"

static bool same_datagram(const struct packet *a, const struct packet *b)
{
    return a->id == b->id && a->protocol == b->protocol && a->headed == b->headed &&
           addr_equal_ip(&a->source, &b->source) && addr_equal_ip(&a->destination, &b->destination);
}

static void give_up(struct packet_pool *pool, struct fragment_entry *entry)
{
    check(entry->used);
    packet_drop(pool, &entry->first);
    entry->used = false;
}

/* Drops what is too old, and finds the fragment's datagram; NULL when it is new. */
static struct fragment_entry *find(struct fragment_table *table, struct packet_pool *pool,
                                   uint64_t now_ns, const struct packet *packet, uint64_t *lost)
{
    struct fragment_entry *found = NULL;
    for (unsigned i = 0; i < FRAGMENT_ENTRIES; i++) {
        struct fragment_entry *entry = &table->entries[i];
        if (!entry->used)
            continue;
        if (now_ns - entry->since_ns >= FRAGMENT_TIMEOUT_NS) {
            give_up(pool, entry);
            table->timed_out++;
            (*lost)++;
        } else if (same_datagram(&entry->first, packet)) {
            found = entry;
        }
    }
    return found;
}

/* True when `a` should make room rather than `b`. */
static bool goes_before(const struct fragment_entry *a, const struct fragment_entry *b)
{
    if (b == NULL)
        return true;
    if (a->in_order != b->in_order)
        return !a->in_order;
    return a->order < b->order;
}

/* The datagram that makes room for a new one of this source; NULL when none has to. */
static struct fragment_entry *victim(struct fragment_table *table, const struct packet *packet)
{
    struct fragment_entry *of_all = NULL;
    struct fragment_entry *of_source = NULL;
    uint32_t used = 0;
    uint32_t from_source = 0;
    for (unsigned i = 0; i < FRAGMENT_ENTRIES; i++) {
        struct fragment_entry *entry = &table->entries[i];
        if (!entry->used)
            continue;
        used++;
        if (goes_before(entry, of_all))
            of_all = entry;
        if (!addr_equal_ip(&entry->first.source, &packet->source))
            continue;
        from_source++;
        if (goes_before(entry, of_source))
            of_source = entry;
    }
    if (from_source >= FRAGMENT_PER_SOURCE)
        return of_source;
    return used == FRAGMENT_ENTRIES ? of_all : NULL;
}

static struct fragment_entry *begin(struct fragment_table *table, struct packet_pool *pool,
                                    uint64_t now_ns, const struct packet *packet, uint64_t *lost)
{
    struct fragment_entry *entry = victim(table, packet);
    if (entry != NULL) {
        give_up(pool, entry);
        table->evicted++;
        (*lost)++;
    }
    for (unsigned i = 0; entry == NULL && i < FRAGMENT_ENTRIES; i++)
        if (!table->entries[i].used)
            entry = &table->entries[i];
    check(entry != NULL && !entry->used);
    memset(entry, 0, sizeof *entry);
    entry->used = true;
    entry->first = *packet;
    packet_buffer_hold(packet->buffer);
    entry->since_ns = now_ns;
    entry->order = table->orders++;
    entry->in_order = packet->offset == 0;
    return entry;
}

/* Marks the fragment's units; false when one of them was there before. */
static bool mark(struct fragment_entry *entry, const struct packet *packet)
{
    uint32_t from = packet->offset / 8;
    uint32_t to = (packet->offset + packet->length + 7) / 8;
    for (uint32_t unit = from; unit < to; unit++)
        if ((entry->seen[unit / 8] >> unit % 8 & 1) != 0)
            return false;
    for (uint32_t unit = from; unit < to; unit++)
        entry->seen[unit / 8] |= (uint8_t)(1u << unit % 8);
    return true;
}

/*
 * Fragments of one datagram share its buffer, unless one was corrupted on the way: then its part of
 * the bytes is brought over into a buffer that only the entry has.
 */
static void merge_bytes(struct fragment_entry *entry, struct packet_pool *pool,
                        const struct packet *packet)
{
    struct packet *first = &entry->first;
    first->bad_checksum = first->bad_checksum || packet->bad_checksum;
    if (packet->buffer == first->buffer || packet->buffer == NULL || first->buffer == NULL)
        return;
    check(packet->data == first->data);
    if (first->buffer->references > 1) {
        struct packet_buffer *own = packet_buffer_new(pool, first->data);
        memcpy(own->bytes, first->buffer->bytes, first->data);
        packet_buffer_drop(pool, first->buffer);
        first->buffer = own;
    }
    uint32_t header = packet_transport_header(packet);
    uint32_t from = packet->offset > header ? packet->offset : header;
    uint32_t to = packet->offset + packet->length;
    if (to > from)
        memcpy(first->buffer->bytes + (from - header), packet->buffer->bytes + (from - header),
               to - from);
}

/* An ICMP error's buffer holds a struct, which cannot be put together from parts of others. */
static bool can_merge(const struct packet *first, const struct packet *packet)
{
    if (packet->data != first->data)
        return false;
    return packet->buffer == first->buffer ||
           (!packet_is_icmp_error(packet) && !packet_is_icmp_error(first));
}

static bool consistent(const struct fragment_entry *entry, const struct packet *packet)
{
    uint32_t end = packet->offset + packet->length;
    if (packet->length == 0 || end > PACKET_TRANSPORT_MAX || !can_merge(&entry->first, packet))
        return false;
    if (packet->more_fragments)
        return packet->length % 8 == 0 && (entry->total == 0 || end < entry->total);
    return entry->total == 0 ? end > entry->end : end == entry->total;
}

enum fragment_result fragment_accept(struct fragment_table *table, struct packet_pool *pool,
                                     uint64_t now_ns, struct packet *packet, uint64_t *lost)
{
    check(packet_is_fragment(packet));
    struct fragment_entry *entry = find(table, pool, now_ns, packet, lost);
    if (entry == NULL)
        entry = begin(table, pool, now_ns, packet, lost);
    if (!consistent(entry, packet) || !mark(entry, packet)) {
        table->refused++;
        packet_drop(pool, packet);
        return FRAGMENT_REFUSED;
    }
    entry->in_order = entry->in_order && packet->offset == entry->received;
    entry->received += packet->length;
    entry->fragments++;
    uint32_t end = packet->offset + packet->length;
    if (!packet->more_fragments)
        entry->total = end;
    if (end > entry->end)
        entry->end = end;
    if (packet->length > entry->largest)
        entry->largest = packet->length;
    merge_bytes(entry, pool, packet);
    if (packet->offset == 0) {
        entry->has_first = true;
        entry->first.source = packet->source;
        entry->first.destination = packet->destination;
        entry->first.ttl = packet->ttl;
        entry->first.icmp = packet->icmp;
    }
    packet_drop(pool, packet);
    if (!entry->has_first || entry->received != entry->total)
        return FRAGMENT_WAITS;
    *packet = entry->first;
    packet->offset = 0;
    packet->length = entry->total;
    packet->more_fragments = false;
    table->largest = entry->largest;
    entry->used = false; /* the buffer's reference has gone to the packet */
    return FRAGMENT_WHOLE;
}

void fragment_flush(struct fragment_table *table, struct packet_pool *pool)
{
    for (unsigned i = 0; i < FRAGMENT_ENTRIES; i++)
        if (table->entries[i].used)
            give_up(pool, &table->entries[i]);
}

void fragment_cut(const struct packet *packet, uint32_t mtu, uint32_t offset, struct packet *piece)
{
    bool v4 = packet->source.family == ADDR_V4;
    uint32_t header = v4 ? PACKET_IPV4_HEADER : PACKET_IPV6_HEADER + PACKET_FRAGMENT_HEADER;
    check(mtu >= header + 8 && offset < packet->length);
    uint32_t room = (mtu - header) / 8 * 8;
    uint32_t left = packet->length - offset;
    *piece = *packet;
    packet_buffer_hold(piece->buffer);
    piece->offset = (uint16_t)(packet->offset + offset);
    /* What fits as it is needs no cut at a multiple of eight. */
    if (left <= mtu - header) {
        piece->length = left;
    } else {
        piece->length = room;
        piece->more_fragments = true;
    }
    if (piece->offset != 0) {
        piece->source.port = 0;
        piece->destination.port = 0;
    }
}
