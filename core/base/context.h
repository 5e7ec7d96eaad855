/* What a protocol may touch, beside its own state, while the node handles one input. */
#ifndef WARREN_BASE_CONTEXT_H
#define WARREN_BASE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/crypto.h"
#include "core/base/outbox.h"
#include "core/base/random.h"
#include "core/base/timers.h"
#include "core/base/trace.h"

struct context {
    uint64_t now_ns;
    const struct crypto *crypto;
    const struct tracer *tracer;
    uint64_t *counts; /* by enum trace_kind */
    struct outbox *out;
    struct timers *timers;
    struct random_secret *secret;
};

/*
 * Counts a record, and shows it to whoever listens. now_ns and kind are filled in; the rest is as
 * given.
 */
void context_trace(const struct context *cx, enum trace_kind kind, struct trace_record record);
/*
 * Sends the `size` bytes written to outbox_room(). False when there was no room, which it counts;
 * size 0 says that they did not fit.
 */
bool context_send(const struct context *cx, size_t size, struct node_out_send send);
/* Likewise, as one more datagram of a train where it can be: outbox_train(). */
bool context_send_train(const struct context *cx, size_t size, struct node_out_send send);
/* Puts out anything else; likewise. */
bool context_put(const struct context *cx, const struct node_out *out);

#endif
