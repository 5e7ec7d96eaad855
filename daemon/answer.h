/* Answers to what the operator's tool asks, as docs/status.md has them. */
#ifndef WARREN_DAEMON_ANSWER_H
#define WARREN_DAEMON_ANSWER_H

#include <jansson.h>

#include "daemon/daemon.h"

/* For control_open(); `host` is the daemon. */
void answer_request(void *host, struct control_ticket ticket, const char *command,
                    const json_t *request);
/* The whole status. The reference is the caller's. */
json_t *answer_status(struct daemon *daemon);
/* The home, for other answers. */
json_t *answer_home(struct daemon *daemon);

#endif
