/*
 * The trace: fixed-size numeric records through one side callback. Records are declared in
 * trace.def alone and rendered elsewhere. Every kind is also a counter, kept whether or not anyone
 * listens.
 */
#ifndef WARREN_BASE_TRACE_H
#define WARREN_BASE_TRACE_H

#include <stdint.h>

#include "core/base/addr.h"

enum trace_kind {
#define TRACE(name, text) TRACE_##name,
#include "core/base/trace.def"
#undef TRACE
    TRACE_KINDS
};

struct trace_record {
    uint64_t now_ns;
    uint32_t kind;      /* enum trace_kind */
    uint32_t socket;    /* that it is about, or 0 */
    struct addr remote; /* that it is about, or ADDR_NONE */
    struct addr other;  /* a second address where the kind has one */
    uint64_t number;    /* the kind says of what; never a secret */
};

struct tracer {
    void (*record)(void *host, const struct trace_record *record); /* NULL: nobody listens */
    void *host;
};

#endif
