/* What a protocol may touch while the node handles one input. */
#include "core/base/context.h"

#include "core/base/check.h"

void context_trace(const struct context *cx, enum trace_kind kind, struct trace_record record)
{
    check(kind < TRACE_KINDS);
    cx->counts[kind]++;
    if (cx->tracer->record == NULL)
        return;
    record.now_ns = cx->now_ns;
    record.kind = kind;
    cx->tracer->record(cx->tracer->host, &record);
}

static bool was_sent(const struct context *cx, bool sent, size_t size,
                     const struct node_out_send *send)
{
    if (!sent)
        context_trace(
            cx, TRACE_OUTPUT_FULL,
            (struct trace_record){.socket = send->socket, .remote = send->remote, .number = size});
    return sent;
}

bool context_send(const struct context *cx, size_t size, struct node_out_send send)
{
    return was_sent(cx, outbox_send(cx->out, size, send), size, &send);
}

bool context_send_train(const struct context *cx, size_t size, struct node_out_send send)
{
    return was_sent(cx, outbox_train(cx->out, size, send), size, &send);
}

bool context_put(const struct context *cx, const struct node_out *out)
{
    if (outbox_put(cx->out, out))
        return true;
    context_trace(cx, TRACE_OUTPUT_FULL, (struct trace_record){0});
    return false;
}
