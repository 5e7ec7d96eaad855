/*
 * A map from keys of one size to 32-bit values: open addressing with linear probing, at most half
 * full, hashed under a key that strangers do not know. It cannot be walked, so no result can depend
 * on the order of its slots.
 */
#ifndef WARREN_BASE_MAP_H
#define WARREN_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/hash.h"

struct map {
    int64_t slots;      /* where the slots begin, in bytes from this struct */
    uint32_t key_size;  /* bytes */
    uint32_t slot_size; /* bytes */
    uint32_t mask;      /* slots - 1; the number of slots is a power of two */
    uint32_t capacity;  /* entries */
    uint32_t used;
    uint32_t zero;
    struct hash_key hash_key;
};

size_t map_bytes(uint32_t capacity, uint32_t key_size);
/* `slots` is zeroed memory in the same block as `map`, aligned to 4. */
void map_init(struct map *map, void *slots, uint32_t capacity, uint32_t key_size,
              struct hash_key hash_key);

/* True, and the value, when the key is there. */
bool map_get(const struct map *map, const void *key, uint32_t *value);
/* Adds or replaces. False when the key is new and the map is full. */
bool map_set(struct map *map, const void *key, uint32_t value);
/* Removes; false when the key was not there. */
bool map_remove(struct map *map, const void *key);

#endif
