/* Records of one size, referred to by handle. */
#include "core/base/pool.h"

#include <string.h>

#include "core/base/check.h"

/* Stands in front of every record. The generation is odd while the record lives. */
struct slot {
    uint32_t generation;
    uint32_t next_free; /* as pool.first_free */
    uint64_t zero;
};
_Static_assert(sizeof(struct slot) == POOL_ALIGN, "records keep the alignment of their slots");

static uint32_t slot_size_of(uint32_t body_size)
{
    return (uint32_t)(sizeof(struct slot) + pool_align(body_size));
}

static struct slot *slot_at(struct pool *pool, uint32_t index)
{
    check(index < pool->capacity);
    uint8_t *slots = (uint8_t *)pool + pool->slots;
    return (struct slot *)(void *)(slots + (size_t)index * pool->slot_size);
}

static struct slot *slot_of(struct pool *pool, struct handle handle)
{
    if (handle.generation % 2 == 0 || handle.index >= pool->high_water)
        return NULL;
    struct slot *slot = slot_at(pool, handle.index);
    return slot->generation == handle.generation ? slot : NULL;
}

size_t pool_bytes(uint32_t capacity, uint32_t body_size)
{
    return (size_t)capacity * slot_size_of(body_size);
}

void pool_init(struct pool *pool, void *slots, uint32_t capacity, uint32_t body_size)
{
    check((uintptr_t)slots % POOL_ALIGN == 0);
    *pool = (struct pool){
        .slots = (uint8_t *)slots - (uint8_t *)pool,
        .slot_size = slot_size_of(body_size),
        .capacity = capacity,
    };
}

void *pool_take(struct pool *pool, struct handle *handle)
{
    check(pool->used <= pool->high_water && pool->high_water <= pool->capacity);
    uint32_t index;
    if (pool->first_free != 0)
        index = pool->first_free - 1;
    else if (pool->high_water < pool->capacity)
        index = pool->high_water++;
    else
        return NULL;

    struct slot *slot = slot_at(pool, index);
    check(slot->generation % 2 == 0);
    pool->first_free = slot->next_free;
    slot->next_free = 0;
    slot->generation++;
    pool->used++;
    memset(slot + 1, 0, pool->slot_size - sizeof *slot);
    *handle = (struct handle){.index = index, .generation = slot->generation};
    return slot + 1;
}

void pool_give(struct pool *pool, struct handle handle)
{
    struct slot *slot = slot_of(pool, handle);
    check(slot != NULL);
    check(pool->used > 0);
    slot->generation++;
    slot->next_free = pool->first_free;
    pool->first_free = handle.index + 1;
    pool->used--;
}

void *pool_at(struct pool *pool, struct handle handle)
{
    struct slot *slot = slot_of(pool, handle);
    return slot != NULL ? slot + 1 : NULL;
}

void *pool_slot(struct pool *pool, uint32_t index, struct handle *handle)
{
    if (index >= pool->high_water)
        return NULL;
    struct slot *slot = slot_at(pool, index);
    if (slot->generation % 2 == 0)
        return NULL;
    *handle = (struct handle){.index = index, .generation = slot->generation};
    return slot + 1;
}
