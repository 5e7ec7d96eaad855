/*
 * The daemon's configuration: an INI file with one [warren] section, and a [server "NAME"] or
 * [peer "NAME"] section for each of these. docs/man/warrend.conf.5 describes every key. The struct
 * holds no secret: those stand in files that it names (daemon/keyfile.h).
 *
 * Every mistake in the file is found in one reading, and told with its line, what is wrong, and the
 * right form.
 */
#ifndef WARREN_DAEMON_CONFIG_H
#define WARREN_DAEMON_CONFIG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/base/addr.h"
#include "core/bootstrap/identity.h"
#include "core/warren.h"
#include "daemon/log.h"

#define CONFIG_DEFAULT_PATH "/etc/warren/warrend.conf"

enum {
    CONFIG_BYTES_MAX = 4 << 20, /* of the file */
    CONFIG_LINE_MAX = 4096,
    CONFIG_PATH_SIZE = 1024,   /* of a path, with its end, as all of these */
    CONFIG_CONTROL_SIZE = 100, /* of the control socket's, which the kernel keeps short */
    CONFIG_INTERFACE_SIZE = 16,
    CONFIG_USER_SIZE = 33,
    CONFIG_NAME_SIZE = 64,
    CONFIG_ADDRESSES_MAX = NODE_ADDRESSES,
    CONFIG_SERVERS_MAX = 1024,
    CONFIG_PEERS_MAX = 16384,
    CONFIG_ERRORS_MAX = 20, /* more are counted only */
};

/* An address of the tunnel interface, and its network's size. */
struct config_address {
    struct addr addr;
    uint8_t bits;
};

/* A server of the mesh that this node may use: [server "NAME"]. */
struct config_server {
    char name[CONFIG_NAME_SIZE];
    uint32_t line;
    char card[CONFIG_PATH_SIZE];
};

/* [peer "NAME"]. A stock peer is one whose identity in `in` is zero. */
struct config_peer {
    char name[CONFIG_NAME_SIZE];
    uint32_t line;
    struct node_in_peer in;     /* all but the pre-shared key, which is zero */
    char psk[CONFIG_PATH_SIZE]; /* the file with it; empty: none */
};

struct config {
    bool server;
    uint8_t root[IDENTITY_SIZE];
    char identity[CONFIG_PATH_SIZE];
    char certificate[CONFIG_PATH_SIZE]; /* of a server; empty for a client */
    char credential[CONFIG_PATH_SIZE];  /* of a client; empty for a server */

    char interface[CONFIG_INTERFACE_SIZE]; /* empty: there is none */
    uint32_t address_count;                /* 0 for a client */
    struct config_address addresses[CONFIG_ADDRESSES_MAX];
    uint32_t mtu; /* bytes */

    uint32_t listen_count;                    /* at least 1 */
    struct addr listen[CONFIG_ADDRESSES_MAX]; /* ports are 0 */
    uint32_t advertise_count;                 /* of a server; 0: its public addresses */
    struct addr advertise[CONFIG_ADDRESSES_MAX];
    struct label region; /* size 0: none */
    uint16_t tunnel_port;
    uint16_t punch_port;
    uint16_t relay_port;
    uint16_t stun_port; /* 0: no STUN is served */
    uint16_t stun_alternate_port;
    uint16_t traffic_port; /* of a client; 0: any */

    char control[CONFIG_CONTROL_SIZE];
    char state_dir[CONFIG_PATH_SIZE];
    char user[CONFIG_USER_SIZE];
    char group[CONFIG_USER_SIZE];

    enum log_level log_level;
    bool log_json;
    char log_file[CONFIG_PATH_SIZE]; /* empty: standard error */
    char tape[CONFIG_PATH_SIZE];     /* empty: no full tape */
    uint32_t ring_tape_mib;          /* 0: no ring tape */
    bool tape_packets;

    uint32_t server_count;
    uint32_t peer_count;
    struct config_server *servers; /* freed by config_free() */
    struct config_peer *peers;
};

struct config_error {
    uint32_t line; /* 0: the file as a whole */
    char text[360];
};

struct config_errors {
    char file[CONFIG_PATH_SIZE];
    uint32_t count; /* of all, of which CONFIG_ERRORS_MAX at most are in the list */
    struct config_error list[CONFIG_ERRORS_MAX];
};

/*
 * Reads a file. Relative paths in it start from the folder that it is in. On failure nothing is to
 * be freed, the struct is zero, and there is one error at least, in the order of lines.
 */
bool config_load(struct config *config, const char *path, struct config_errors *errors);
/* Likewise from a string; `path` is the file's in errors and for relative paths. */
bool config_parse(struct config *config, const char *text, size_t size, const char *path,
                  struct config_errors *errors);
void config_free(struct config *config);

/* FILE:LINE: text, a line each. */
void config_print_errors(const struct config_errors *errors, FILE *to);

#endif
