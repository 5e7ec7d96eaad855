/* Virtual time and the order of events. */
#include "sim/engine.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

enum {
    HEAP_ARITY = 4,
    HEAP_START = 64,
    NODE_SHIFT = ENGINE_SEQUENCE_BITS,
    CLASS_SHIFT = 62,
};

/* Without branches: which of two events comes first is as good as random, and a wrong guess costs
 * more than both. */
static bool before(const struct engine_event *a, const struct engine_event *b)
{
    unsigned sooner = a->time_ns < b->time_ns;
    unsigned same = a->time_ns == b->time_ns;
    unsigned first = a->order < b->order;
    return (sooner | (same & first)) != 0;
}

void engine_init(struct engine *engine)
{
    memset(engine, 0, sizeof *engine);
}

void engine_free(struct engine *engine)
{
    free(engine->heap);
    free(engine->sequences);
    memset(engine, 0, sizeof *engine);
}

void engine_set_nodes(struct engine *engine, uint32_t count)
{
    check(count <= ENGINE_NODES_MAX);
    if (count <= engine->nodes)
        return;
    uint32_t room = engine->nodes == 0 ? HEAP_START : engine->nodes;
    while (room < count)
        room *= 2;
    engine->sequences = realloc(engine->sequences, room * sizeof *engine->sequences);
    check(engine->sequences != NULL);
    memset(engine->sequences + engine->nodes, 0,
           (room - engine->nodes) * sizeof *engine->sequences);
    engine->nodes = room;
}

static void grow(struct engine *engine)
{
    engine->capacity = engine->capacity == 0 ? HEAP_START : 2 * engine->capacity;
    engine->heap = realloc(engine->heap, engine->capacity * sizeof *engine->heap);
    check(engine->heap != NULL);
}

void engine_schedule(struct engine *engine, uint64_t time_ns, enum engine_class class,
                     uint32_t node, uint32_t what, uint32_t which)
{
    check(time_ns >= engine->now_ns && time_ns != ENGINE_NEVER);
    check(node < engine->nodes);
    uint64_t sequence = engine->sequences[node]++;
    check(sequence < (uint64_t)1 << ENGINE_SEQUENCE_BITS);
    if (engine->count == engine->capacity)
        grow(engine);
    struct engine_event event = {.time_ns = time_ns,
                                 .order = (uint64_t) class << CLASS_SHIFT |
                                          (uint64_t)node << NODE_SHIFT | sequence,
                                 .what = what,
                                 .which = which};
    struct engine_event *heap = engine->heap;
    uint32_t hole = engine->count++;
    while (hole > 0) {
        uint32_t parent = (hole - 1) / HEAP_ARITY;
        if (!before(&event, &heap[parent]))
            break;
        heap[hole] = heap[parent];
        hole = parent;
    }
    heap[hole] = event;
}

uint64_t engine_next_ns(const struct engine *engine)
{
    return engine->count == 0 ? ENGINE_NEVER : engine->heap[0].time_ns;
}

/* Of the children that start at `first`, the one that comes first. */
static uint32_t least_child(const struct engine_event *heap, uint32_t first, uint32_t count)
{
    _Static_assert(HEAP_ARITY == 4, "two pairs and a final");
    if (first + HEAP_ARITY <= count) {
        uint32_t left = before(&heap[first + 1], &heap[first]) ? first + 1 : first;
        uint32_t right = before(&heap[first + 3], &heap[first + 2]) ? first + 3 : first + 2;
        return before(&heap[right], &heap[left]) ? right : left;
    }
    uint32_t least = first;
    for (uint32_t child = first + 1; child < count; child++)
        least = before(&heap[child], &heap[least]) ? child : least;
    return least;
}

void engine_take(struct engine *engine, struct engine_event *event)
{
    check(engine->count > 0);
    struct engine_event *heap = engine->heap;
    *event = heap[0];
    check(event->time_ns >= engine->now_ns);
    /* Equal keys would leave the order to the heap. Two that are equal are taken one after the
     * other. */
    check(engine->taken == 0 || event->time_ns > engine->now_ns ||
          event->order != engine->last_order);
    engine->now_ns = event->time_ns;
    engine->last_order = event->order;
    engine->taken++;

    struct engine_event last = heap[--engine->count];
    uint32_t hole = 0;
    for (uint32_t first = 1; first < engine->count; first = HEAP_ARITY * hole + 1) {
        uint32_t least = least_child(heap, first, engine->count);
        if (!before(&heap[least], &last))
            break;
        heap[hole] = heap[least];
        hole = least;
    }
    heap[hole] = last;
}

void engine_advance(struct engine *engine, uint64_t time_ns)
{
    check(time_ns >= engine->now_ns);
    check(engine_next_ns(engine) > time_ns);
    engine->now_ns = time_ns;
}

enum engine_class engine_event_class(const struct engine_event *event)
{
    return (enum engine_class)(event->order >> CLASS_SHIFT);
}

uint32_t engine_event_node(const struct engine_event *event)
{
    return (uint32_t)(event->order >> NODE_SHIFT) & (ENGINE_NODES_MAX - 1);
}
