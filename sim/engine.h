/*
 * Virtual time and the order of events.
 *
 * Events happen in the total order of (time, class, node, sequence):
 *   - time in nanoseconds since the run began;
 *   - class: a fault before a delivery before a timer before a command, so that a cut link carries
 * nothing that arrives in the same nanosecond, a timer sees what has arrived, and a command sees a
 * settled world;
 *   - node: the number of the node that the event happens to, in order of creation;
 *   - sequence: counts that node's events as they were scheduled.
 * No two events have equal keys, so nothing depends on how the heap is built. Time never goes back.
 * Both are checked.
 */
#ifndef WARREN_SIM_ENGINE_H
#define WARREN_SIM_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

enum engine_class {
    ENGINE_FAULT = 0,
    ENGINE_DELIVERY = 1,
    ENGINE_TIMER = 2,
    ENGINE_COMMAND = 3,
};

enum {
    ENGINE_NODES_MAX = 1 << 22, /* nodes of one engine */
    ENGINE_SEQUENCE_BITS = 40,  /* events of one node over a run */
};

/* Nothing is scheduled. */
#define ENGINE_NEVER UINT64_MAX

struct engine_event {
    uint64_t time_ns;
    uint64_t order; /* class, node and sequence, most significant first */
    uint32_t what;  /* the owner's */
    uint32_t which; /* the owner's */
};

/* A heap of four children to a node; its memory grows until a run is warm, then stays. */
struct engine {
    uint64_t now_ns;
    uint64_t last_order; /* of the event taken last */
    uint64_t taken;      /* events so far */
    struct engine_event *heap;
    uint32_t count;
    uint32_t capacity;
    uint64_t *sequences; /* by node */
    uint32_t nodes;
};

void engine_init(struct engine *engine);
void engine_free(struct engine *engine);
/* Makes room for nodes 0 to count - 1. */
void engine_set_nodes(struct engine *engine, uint32_t count);

/* `time_ns` is not before now; `node` is one of the nodes. */
void engine_schedule(struct engine *engine, uint64_t time_ns, enum engine_class class,
                     uint32_t node, uint32_t what, uint32_t which);
/* When the next event happens; ENGINE_NEVER when there is none. */
uint64_t engine_next_ns(const struct engine *engine);
/* Takes the next event and moves time to it; there is one. */
void engine_take(struct engine *engine, struct engine_event *event);
/* Moves time on, with no event before `time_ns`. */
void engine_advance(struct engine *engine, uint64_t time_ns);

enum engine_class engine_event_class(const struct engine_event *event);
uint32_t engine_event_node(const struct engine_event *event);

#endif
