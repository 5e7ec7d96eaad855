/*
 * The timers of a node: a binary heap in the order of (deadline, set earlier first). A timer
 * belongs to a record of a protocol; when it fires, the node tells that protocol so.
 */
#ifndef WARREN_BASE_TIMERS_H
#define WARREN_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/pool.h"

/* Which protocol a timer belongs to. */
enum timer_kind {
    TIMER_STUN_TRANSACTION = 1,
    TIMER_SEAL_SESSION = 2,
    TIMER_HOME_CLIENT = 3, /* a registration, at its home */
    TIMER_RELAY_PAIR = 4,
    TIMER_CLIENT = 5,      /* the client's own registration */
    TIMER_PATH = 6,        /* a path to a peer */
    TIMER_HOME_SERVER = 7, /* another server, at a server */
    TIMER_TUNNEL_PEER = 8,
};

struct timers {
    struct pool entries; /* struct timer_entry, in timers.c */
    int64_t heap;        /* array of slots, in bytes from this struct */
    uint64_t sequence;   /* of the next timer that is set */
    uint32_t count;      /* entries in the heap */
    uint32_t zero;
};

struct timer_fired {
    enum timer_kind kind;
    struct handle owner;
};

size_t timers_bytes(uint32_t capacity);
void timers_init(struct timers *timers, void *memory, uint32_t capacity);

/*
 * Sets *timer to fire at deadline_ns, whether it was set before or not. Protocols reserve one timer
 * for each of their records, so there is always room: checked.
 */
void timer_set(struct timers *timers, struct handle *timer, uint64_t deadline_ns,
               enum timer_kind kind, struct handle owner);
/* Unsets *timer; does nothing when it is not set. */
void timer_cancel(struct timers *timers, struct handle *timer);
/* The earliest deadline; UINT64_MAX when no timer is set. */
uint64_t timers_deadline(const struct timers *timers);
/* Takes the next timer that is due at now_ns; false when there is none. */
bool timers_next(struct timers *timers, uint64_t now_ns, struct timer_fired *fired);

#endif
