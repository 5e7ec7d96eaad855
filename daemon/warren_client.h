/* A connection to the daemon's control socket: one JSON object a line is asked, one is answered. */
#ifndef WARREN_DAEMON_WARREN_CLIENT_H
#define WARREN_DAEMON_WARREN_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define WARREN_CONTROL "/run/warren/control"

struct warren_client {
    const char *path;
    int fd;
    char *line; /* what was read and not yet given out */
    size_t size;
    size_t room;
};

/* False where the daemon cannot be reached; a sentence that says why is on standard error. */
bool client_open(struct warren_client *client, const char *path);

/*
 * Asks a command, with the members of `arguments` beside it (NULL for none; it stays the caller's).
 * The answer is the caller's to json_decref; NULL where there is none or where it has a string
 * member "error", and why is on standard error.
 */
json_t *client_ask(struct warren_client *client, const char *command, json_t *arguments);

void client_close(struct warren_client *client);

/* Opens, asks and closes. */
json_t *client_ask_once(const char *path, const char *command, json_t *arguments);

#endif
