/*
 * Looks at everything that a start needs before anything is touched, so that all that is missing is
 * told at once, and what to do about it.
 */
#ifndef WARREN_DAEMON_PREFLIGHT_H
#define WARREN_DAEMON_PREFLIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/daemon.h"

enum { PREFLIGHT_FINDINGS_MAX = 32, PREFLIGHT_TEXT = 640 };

struct preflight_finding {
    bool fatal; /* false: the daemon starts nevertheless */
    char text[PREFLIGHT_TEXT];
};

struct preflight {
    uint32_t count; /* of findings; more than fit are left out */
    uint32_t fatal; /* of them */
    struct preflight_finding findings[PREFLIGHT_FINDINGS_MAX];
};

/*
 * The papers of the daemon are read here, and stay; when that fails the rest is checked
 * nevertheless. Nothing else is changed: sockets that are opened are closed again.
 */
void preflight_run(struct daemon *daemon, struct preflight *preflight);

#endif
