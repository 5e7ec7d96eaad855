/*
 * What `warren netcheck` asks for: a discovery over each family, and which server answers first.
 * The discoveries are the node's; latency is measured by a plain STUN request to each server.
 */
#ifndef WARREN_DAEMON_NETCHECK_H
#define WARREN_DAEMON_NETCHECK_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>
#include <jansson.h>

#include "core/warren.h"
#include "daemon/control.h"

enum {
    NETCHECK_SERVERS_MAX = 32, /* whose latency is measured */
    NETCHECK_WAITING_MAX = CONTROL_CLIENTS_MAX,
};

struct netcheck_server {
    struct addr addr; /* of its STUN */
    uint8_t transaction[12];
    uint64_t sent_ns;
    uint64_t rtt_ns; /* 0: it has not answered */
};

struct netcheck {
    bool running;
    bool again;      /* another discovery was under way: ask once more */
    unsigned family; /* 0: IPv4 is being discovered, 1: IPv6, 2: neither */
    bool found[2];
    struct stun_behaviour behaviour[2];
    struct node_in_discover discover[2]; /* count 0: not over this family */
    uint32_t server_count;
    struct netcheck_server servers[NETCHECK_SERVERS_MAX];
    int fds[2];
    ev_io ios[2];
    ev_timer timer; /* ends it */
    uint32_t waiting_count;
    struct control_ticket waiting[NETCHECK_WAITING_MAX];
};

struct daemon;

void netcheck_init(struct daemon *daemon);
/* Begins one, or joins the one under way. */
void netcheck_begin(struct daemon *daemon, struct control_ticket ticket);
/* The node found this. It may be called in the midst of the node's outputs. */
void netcheck_found(struct daemon *daemon, const struct stun_behaviour *behaviour);
/* Goes on after that; called when the node is drained. */
void netcheck_step(struct daemon *daemon);

#endif
