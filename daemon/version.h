/* The version that the programs of the daemon tell. */
#ifndef WARREN_DAEMON_VERSION_H
#define WARREN_DAEMON_VERSION_H

#define WARREN_VERSION "0.1"

#endif
