/*
 * What the daemon says of itself, as JSON; docs/status.md is its schema. Nothing here is secret:
 * keys are public ones.
 */
#ifndef WARREN_DAEMON_STATUS_H
#define WARREN_DAEMON_STATUS_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "core/warren.h"
#include "daemon/config.h"

enum {
    STATUS_SCHEMA = 1, /* changes when a member changes its meaning or goes */
};

/* Names of keys and addresses, from the configuration. NULL: it has none. */
typedef const char *status_peer_name(void *host, const struct node_peer *peer);
typedef const char *status_server_name(void *host, const struct addr *addr);

/* All that a status is made of; everything belongs to the caller. */
struct status_view {
    struct node *node;
    uint64_t now_ns;   /* as in inputs */
    uint64_t start_ns; /* when the node was made */
    bool server;
    const char *name; /* of the certificate or credential; "" when there is none */
    uint8_t identity[CRYPTO_ED25519_PUBLIC_SIZE];
    uint8_t key[CRYPTO_X25519_SIZE];
    const char *interface; /* NULL: there is no tunnel interface */
    const struct config_address *addresses;
    uint32_t address_count;
    uint32_t mtu;
    struct node_out_home home;              /* as last told */
    const struct stun_behaviour *behaviour; /* as last found; NULL: never */
    status_peer_name *peer_name;
    status_server_name *server_name;
    void *host;
};

/* The whole status; the reference is the caller's. The host adds counters of its own parts. */
json_t *status_json(const struct status_view *view);
json_t *status_peer_json(const struct status_view *view, const struct node_peer *peer);
/* The home with its name, or null. */
json_t *status_home_json(const struct status_view *view);
json_t *status_behaviour_json(const struct stun_behaviour *behaviour);

#endif
