/*
 * What a daemon or `stun-probe` says in one line of JSON, as far as a run asks for it: the events
 * of daemon/loop.c, and the findings of daemon/stun_probe.c.
 */
#ifndef WARREN_RUNNER_PROGRAMS_LOG_H
#define WARREN_RUNNER_PROGRAMS_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "core/bootstrap/identity.h"
#include "core/punch/reason.h"
#include "core/warren.h"

enum programs_said_kind {
    PROGRAMS_SAID_OTHER,  /* nothing that a run asks for, or no JSON */
    PROGRAMS_SAID_READY,  /* the daemon has its sockets and its interface */
    PROGRAMS_SAID_REREAD, /* it knows the peers that its configuration has now */
    PROGRAMS_SAID_HOME,
    PROGRAMS_SAID_PATH,
    PROGRAMS_SAID_BEHAVIOUR,
};

/* Only the members of its kind are there; the others are zero. */
struct programs_said {
    enum programs_said_kind kind;
    struct addr server; /* of HOME; ADDR_NONE: there is none any more */
    struct addr mapped;
    uint8_t peer[IDENTITY_SIZE]; /* of PATH */
    enum node_path path;
    enum reason reason;
    struct stun_behaviour behaviour; /* of BEHAVIOUR; words that are not known are 0 */
};

/* A line without its end. */
void programs_log_read(struct programs_said *said, const char *line, size_t size);

#endif
