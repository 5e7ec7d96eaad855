/*
 * The daemon's event loop, on libev: sockets, interface, the node's deadline, changes of addresses
 * and of the wall clock, signals, and the control socket.
 *
 *   TERM, INT   end         HUP   opens the log anew, reads peers again
 *   USR1        status to the log    QUIT  writes the ring tape
 */
#ifndef WARREN_DAEMON_LOOP_H
#define WARREN_DAEMON_LOOP_H

#include <stdbool.h>

#include "daemon/daemon.h"

/* Makes the loop and its timers, which need nothing else. False, with errno. */
bool loop_init(struct daemon *daemon);
/* For the drive of the node: carries out an output. `host` is the daemon. */
void loop_output(void *host, const struct node_out *out);
/* For udp.changed. */
void loop_socket_changed(void *host, struct udp_endpoint *endpoint, bool opened);
/* Begins to watch what is open, and runs until a signal says to end. */
void loop_run(struct daemon *daemon);
void loop_close(struct daemon *daemon);

/* The name of a peer in the configuration; NULL: it has none. */
const char *loop_peer_name(const struct daemon *daemon,
                           const uint8_t identity[static IDENTITY_SIZE], const uint8_t *key);
/* The name of the server at this address; NULL: none of the cards has it. */
const char *loop_server_name(const struct daemon *daemon, const struct addr *addr);

#endif
