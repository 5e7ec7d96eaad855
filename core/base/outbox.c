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
    bool kept =
        out->kind != NODE_OUT_SEND && out->kind != NODE_OUT_DELIVER && out->kind != NODE_OUT_PATH;
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
