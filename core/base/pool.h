/*
 * Records of one size, referred to by handle. A pool lives in the node's block and holds no
 * pointers, so it moves with it. Slots are handed out from a free list first and by high-water mark
 * then: what was never used was never touched.
 */
#ifndef WARREN_BASE_POOL_H
#define WARREN_BASE_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Names a record for as long as it lives. Generation 0 names nothing, so a zeroed handle is none.
 */
struct handle {
    uint32_t index;
    uint32_t generation;
};

struct pool {
    int64_t slots;       /* where the slots begin, in bytes from this struct */
    uint32_t slot_size;  /* bytes, slot header included */
    uint32_t capacity;   /* slots */
    uint32_t used;       /* slots taken now */
    uint32_t high_water; /* slots ever taken */
    uint32_t first_free; /* index + 1 of the first slot given back; 0: none */
    uint32_t zero;
};

/* Every part of a block begins at a multiple of this. */
enum { POOL_ALIGN = 16 };

/* The size rounded up to the next such multiple. */
static inline size_t pool_align(size_t size)
{
    return (size + POOL_ALIGN - 1) / POOL_ALIGN * POOL_ALIGN;
}

/* Bytes that `capacity` records of `body_size` need beside the struct, a multiple of POOL_ALIGN. */
size_t pool_bytes(uint32_t capacity, uint32_t body_size);
/* `slots` is zeroed memory in the same block as `pool`, aligned to POOL_ALIGN. */
void pool_init(struct pool *pool, void *slots, uint32_t capacity, uint32_t body_size);

/* Takes a zeroed record; NULL when all are taken. */
void *pool_take(struct pool *pool, struct handle *handle);
/*
 * Gives a live record back; every handle to it becomes stale. Its bytes stay until it is taken
 * again.
 */
void pool_give(struct pool *pool, struct handle handle);
/* The record, or NULL when the handle is stale or none. */
void *pool_at(struct pool *pool, struct handle handle);
/*
 * The live record in a slot, and its handle; NULL when that slot is free. For bounded walks in
 * index order.
 */
void *pool_slot(struct pool *pool, uint32_t index, struct handle *handle);

#endif
