/* The timers of a node: a binary heap of slots. */
#include "core/base/timers.h"

#include "core/base/check.h"

struct timer_entry {
    uint64_t deadline_ns;
    uint64_t sequence;
    struct handle owner;
    uint32_t kind;
    uint32_t position; /* in the heap */
};

static struct handle *heap_of(const struct timers *timers)
{
    return (struct handle *)(void *)((uint8_t *)(uintptr_t)timers + timers->heap);
}

static struct timer_entry *entry_at(const struct timers *timers, uint32_t position)
{
    check(position < timers->count);
    struct pool *entries = (struct pool *)(uintptr_t)&timers->entries;
    struct timer_entry *entry = pool_at(entries, heap_of(timers)[position]);
    check(entry != NULL && entry->position == position);
    return entry;
}

static bool fires_before(const struct timers *timers, uint32_t a, uint32_t b)
{
    const struct timer_entry *first = entry_at(timers, a);
    const struct timer_entry *second = entry_at(timers, b);
    if (first->deadline_ns != second->deadline_ns)
        return first->deadline_ns < second->deadline_ns;
    return first->sequence < second->sequence;
}

static void swap(struct timers *timers, uint32_t a, uint32_t b)
{
    struct handle *heap = heap_of(timers);
    struct timer_entry *first = entry_at(timers, a);
    struct timer_entry *second = entry_at(timers, b);
    struct handle handle = heap[a];
    heap[a] = heap[b];
    heap[b] = handle;
    first->position = b;
    second->position = a;
}

static uint32_t sift_up(struct timers *timers, uint32_t position)
{
    while (position > 0 && fires_before(timers, position, (position - 1) / 2)) {
        swap(timers, position, (position - 1) / 2);
        position = (position - 1) / 2;
    }
    return position;
}

static void sift_down(struct timers *timers, uint32_t position)
{
    for (;;) {
        uint32_t first = position;
        for (uint32_t child = 2 * position + 1; child <= 2 * position + 2; child++) {
            if (child < timers->count && fires_before(timers, child, first))
                first = child;
        }
        if (first == position)
            return;
        swap(timers, position, first);
        position = first;
    }
}

static void take_out(struct timers *timers, uint32_t position)
{
    uint32_t last = timers->count - 1;
    if (position != last)
        swap(timers, position, last);
    pool_give(&timers->entries, heap_of(timers)[last]);
    timers->count = last;
    if (position != last)
        sift_down(timers, sift_up(timers, position));
}

size_t timers_bytes(uint32_t capacity)
{
    return pool_bytes(capacity, sizeof(struct timer_entry)) +
           pool_align(capacity * sizeof(struct handle));
}

void timers_init(struct timers *timers, void *memory, uint32_t capacity)
{
    *timers = (struct timers){.sequence = 0};
    pool_init(&timers->entries, memory, capacity, sizeof(struct timer_entry));
    uint8_t *heap = (uint8_t *)memory + pool_bytes(capacity, sizeof(struct timer_entry));
    timers->heap = heap - (uint8_t *)timers;
}

void timer_set(struct timers *timers, struct handle *timer, uint64_t deadline_ns,
               enum timer_kind kind, struct handle owner)
{
    timer_cancel(timers, timer);
    struct timer_entry *entry = pool_take(&timers->entries, timer);
    check(entry != NULL);
    *entry = (struct timer_entry){
        .deadline_ns = deadline_ns,
        .sequence = timers->sequence++,
        .owner = owner,
        .kind = kind,
        .position = timers->count,
    };
    heap_of(timers)[timers->count++] = *timer;
    sift_up(timers, entry->position);
}

void timer_cancel(struct timers *timers, struct handle *timer)
{
    const struct timer_entry *entry = pool_at(&timers->entries, *timer);
    if (entry != NULL)
        take_out(timers, entry->position);
    *timer = (struct handle){0};
}

uint64_t timers_deadline(const struct timers *timers)
{
    return timers->count > 0 ? entry_at(timers, 0)->deadline_ns : UINT64_MAX;
}

bool timers_next(struct timers *timers, uint64_t now_ns, struct timer_fired *fired)
{
    if (timers_deadline(timers) > now_ns || timers->count == 0)
        return false;
    const struct timer_entry *entry = entry_at(timers, 0);
    *fired = (struct timer_fired){.kind = (enum timer_kind)entry->kind, .owner = entry->owner};
    take_out(timers, 0);
    return true;
}
