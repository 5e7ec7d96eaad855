/* What a node wants done as a result of one input. */
#include "core/base/outbox.h"

#include "core/base/check.h"
#include "core/base/pool.h"

static struct node_out *outputs_of(struct outbox *outbox)
{
    return (struct node_out *)(void *)((uint8_t *)outbox + outbox->outputs);
}

static size_t outputs_size(uint32_t capacity)
{
    return pool_align(capacity * sizeof(struct node_out));
}

size_t outbox_bytes(uint32_t capacity, uint32_t bytes_capacity)
{
    return outputs_size(capacity) + pool_align(bytes_capacity);
}

void outbox_init(struct outbox *outbox, void *memory, uint32_t capacity, uint32_t bytes_capacity)
{
    check(capacity > 0);
    *outbox = (struct outbox){
        .outputs = (uint8_t *)memory - (uint8_t *)outbox,
        .bytes = (uint8_t *)memory + outputs_size(capacity) - (uint8_t *)outbox,
        .capacity = capacity,
        .bytes_capacity = bytes_capacity,
    };
}

void outbox_keep(struct outbox *outbox, uint32_t places)
{
    check(places < outbox->capacity);
    outbox->kept = places;
}

bool outbox_drained(const struct outbox *outbox)
{
    return outbox->taken == outbox->count;
}

void outbox_reset(struct outbox *outbox)
{
    check(outbox_drained(outbox));
    outbox->count = 0;
    outbox->taken = 0;
    outbox->bytes_used = 0;
}

bool outbox_take(struct outbox *outbox, struct node_out *out)
{
    check(outbox->taken <= outbox->count);
    if (outbox_drained(outbox))
        return false;
    *out = outputs_of(outbox)[outbox->taken++];
    return true;
}

bool outbox_put(struct outbox *outbox, const struct node_out *out)
{
    check(outbox->count <= outbox->capacity);
    bool kept = out->kind != NODE_OUT_SEND && out->kind != NODE_OUT_DELIVER &&
                out->kind != NODE_OUT_PATH && out->kind != NODE_OUT_PACKET;
    if (outbox->count + (kept ? 0 : outbox->kept) >= outbox->capacity)
        return false;
    outputs_of(outbox)[outbox->count++] = *out;
    return true;
}

uint8_t *outbox_room(struct outbox *outbox, size_t *capacity)
{
    check(outbox->bytes_used <= outbox->bytes_capacity);
    *capacity = outbox->bytes_capacity - outbox->bytes_used;
    return (uint8_t *)outbox + outbox->bytes + outbox->bytes_used;
}

bool outbox_send(struct outbox *outbox, size_t size, struct node_out_send send)
{
    size_t capacity;
    send.bytes = outbox_room(outbox, &capacity);
    check(size <= capacity);
    send.size = (uint32_t)size;
    struct node_out out = {.kind = NODE_OUT_SEND, .send = send};
    if (size == 0 || !outbox_put(outbox, &out))
        return false;
    outbox->bytes_used += send.size;
    return true;
}

/* What was put in last, if nothing has been written since it ended; NULL otherwise. */
static struct node_out *newest(struct outbox *outbox, enum node_out_kind kind)
{
    if (outbox->count == 0)
        return NULL;
    struct node_out *last = &outputs_of(outbox)[outbox->count - 1];
    return last->kind == kind ? last : NULL;
}

/* Whether `more` bytes make the train longer that ends where the next bytes go. */
static bool joins(const uint8_t *train, uint32_t size, uint32_t segment, const uint8_t *room,
                  size_t more)
{
    uint32_t each = segment > 0 ? segment : size;
    return train + size == room && more <= each && size % each == 0;
}

bool outbox_train(struct outbox *outbox, size_t size, struct node_out_send send)
{
    size_t capacity;
    const uint8_t *room = outbox_room(outbox, &capacity);
    struct node_out *out = newest(outbox, NODE_OUT_SEND);
    if (out == NULL || size == 0 || out->send.socket != send.socket || out->send.ttl != send.ttl ||
        out->send.dont_fragment != send.dont_fragment ||
        !addr_equal(&out->send.remote, &send.remote) ||
        !addr_equal(&out->send.source, &send.source) ||
        !joins(out->send.bytes, out->send.size, out->send.segment, room, size))
        return outbox_send(outbox, size, send);
    uint32_t each = out->send.segment > 0 ? out->send.segment : out->send.size;
    if (out->send.size / each >= OUTBOX_TRAIN_MAX || out->send.size + size > OUTBOX_TRAIN_BYTES_MAX)
        return outbox_send(outbox, size, send);
    check(size <= capacity);
    out->send.segment = each;
    out->send.size += (uint32_t)size;
    outbox->bytes_used += (uint32_t)size;
    return true;
}

bool outbox_packet(struct outbox *outbox, size_t size)
{
    size_t capacity;
    const uint8_t *room = outbox_room(outbox, &capacity);
    struct node_out *out = newest(outbox, NODE_OUT_PACKET);
    check(size > 0 && size <= capacity);
    if (out != NULL && out->packet.size + size <= NODE_PACKETS_MAX &&
        joins(out->packet.bytes, out->packet.size, out->packet.segment, room, size)) {
        if (out->packet.segment == 0)
            out->packet.segment = out->packet.size;
        out->packet.size += (uint32_t)size;
    } else {
        struct node_out packet = {.kind = NODE_OUT_PACKET,
                                  .packet = {.bytes = room, .size = (uint32_t)size}};
        if (!outbox_put(outbox, &packet))
            return false;
    }
    outbox->bytes_used += (uint32_t)size;
    return true;
}
