/*
 * Makes the daemon what its configuration says: reads its papers, makes the node, opens sockets and
 * the interface, and tells the node who and where it is. Each step that fails says why in the log,
 * in one sentence with what to do about it.
 */
#ifndef WARREN_DAEMON_START_H
#define WARREN_DAEMON_START_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/daemon.h"

enum { START_PATH_SIZE = CONFIG_PATH_SIZE + 32 };

struct start_error {
    char text[640];
};

/* Reads identity, certificate or credential, and cards; and whether they fit each other. */
bool start_papers(struct daemon *daemon, struct start_error *error);

/* Makes the node with its tapes. Its outputs go to `output`. */
bool start_node(struct daemon *daemon, drive_output *output, struct start_error *error);
/* Opens the interface, and gives it its addresses, routes and MTU. */
bool start_interface(struct daemon *daemon, struct start_error *error);
/* Opens the standing sockets. */
bool start_sockets(struct daemon *daemon, struct start_error *error);
/* A server's card, made anew at every start, into its state-dir. */
bool start_card(struct daemon *daemon, struct start_error *error);
/* Tells the node all that it has to know. */
bool start_inputs(struct daemon *daemon, struct start_error *error);

/* Tells the node what the wall clock says. */
void start_tell_clock(struct daemon *daemon);
/* Tells the node our addresses, if they are others than before or `always`. */
void start_tell_network(struct daemon *daemon, bool always);
/* Tells the node a peer, with its pre-shared key. */
bool start_tell_peer(struct daemon *daemon, const struct config_peer *peer, bool remove,
                     struct start_error *error);
/* Routes what belongs to the peers to the interface. */
void start_routes(struct daemon *daemon);

/* Ends the full tape and forgets all keys. */
void start_undo(struct daemon *daemon);

/* The path of a file in the state-dir. */
void start_state_path(const struct daemon *daemon, const char *name,
                      char path[static START_PATH_SIZE]);

#endif
