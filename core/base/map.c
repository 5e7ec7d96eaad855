/* A map from keys of one size to 32-bit values. */
#include "core/base/map.h"

#include <string.h>

#include "core/base/check.h"

/* In front of the key's bytes. */
struct map_slot {
    uint32_t taken; /* 0 or 1 */
    uint32_t value;
};

static uint32_t slots_for(uint32_t capacity)
{
    check(capacity < 1u << 30);
    uint32_t slots = 2;
    while (slots < 2 * capacity)
        slots *= 2;
    return slots;
}

static uint32_t slot_size_for(uint32_t key_size)
{
    return (uint32_t)sizeof(struct map_slot) + (key_size + 3) / 4 * 4;
}

static struct map_slot *slot_at(const struct map *map, uint32_t index)
{
    uint8_t *slots = (uint8_t *)(uintptr_t)map + map->slots;
    return (struct map_slot *)(void *)(slots + (size_t)index * map->slot_size);
}

static uint32_t home_of(const struct map *map, const void *key)
{
    return (uint32_t)hash_once(map->hash_key, key, map->key_size) & map->mask;
}

/* The slot that holds the key, or the free one where it would go. There is always a free one. */
static struct map_slot *find(const struct map *map, const void *key, uint32_t *index)
{
    check(map->used <= map->mask);
    uint32_t i = home_of(map, key);
    for (;; i = (i + 1) & map->mask) {
        struct map_slot *slot = slot_at(map, i);
        if (slot->taken == 0 || memcmp(slot + 1, key, map->key_size) == 0) {
            *index = i;
            return slot;
        }
    }
}

size_t map_bytes(uint32_t capacity, uint32_t key_size)
{
    return (size_t)slots_for(capacity) * slot_size_for(key_size);
}

void map_init(struct map *map, void *slots, uint32_t capacity, uint32_t key_size,
              struct hash_key hash_key)
{
    check(capacity > 0 && key_size > 0);
    check((uintptr_t)slots % 4 == 0);
    *map = (struct map){
        .slots = (uint8_t *)slots - (uint8_t *)map,
        .key_size = key_size,
        .slot_size = slot_size_for(key_size),
        .mask = slots_for(capacity) - 1,
        .capacity = capacity,
        .hash_key = hash_key,
    };
}

bool map_get(const struct map *map, const void *key, uint32_t *value)
{
    uint32_t index;
    const struct map_slot *slot = find(map, key, &index);
    if (slot->taken == 0)
        return false;
    *value = slot->value;
    return true;
}

bool map_set(struct map *map, const void *key, uint32_t value)
{
    uint32_t index;
    struct map_slot *slot = find(map, key, &index);
    if (slot->taken == 0) {
        if (map->used == map->capacity)
            return false;
        slot->taken = 1;
        memcpy(slot + 1, key, map->key_size);
        map->used++;
    }
    slot->value = value;
    return true;
}

bool map_remove(struct map *map, const void *key)
{
    uint32_t hole;
    if (find(map, key, &hole)->taken == 0)
        return false;
    /* Close the hole: whoever was pushed past it moves back, so that no search ends too early. */
    for (uint32_t i = (hole + 1) & map->mask; slot_at(map, i)->taken != 0;
         i = (i + 1) & map->mask) {
        uint32_t home = home_of(map, slot_at(map, i) + 1);
        if (((i - home) & map->mask) >= ((i - hole) & map->mask)) {
            memcpy(slot_at(map, hole), slot_at(map, i), map->slot_size);
            hole = i;
        }
    }
    memset(slot_at(map, hole), 0, map->slot_size);
    check(map->used > 0);
    map->used--;
    return true;
}
