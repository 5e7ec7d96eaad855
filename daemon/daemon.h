/* All that one daemon is made of; a single one exists. start.h makes it, loop.h runs it. */
#ifndef WARREN_DAEMON_DAEMON_H
#define WARREN_DAEMON_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include <ev.h>

#include "core/warren.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/keyfile.h"
#include "daemon/netcheck.h"
#include "daemon/netlink.h"
#include "daemon/ring.h"
#include "daemon/tun.h"
#include "daemon/udp.h"
#include "host/drive.h"
#include "host/tape.h"

/* What the files say that the configuration names. */
struct papers {
    struct keyfile identity; /* secret */
    struct keyfile paper;    /* a server's certificate, a client's credential */
    struct keyfile *cards;   /* one for each [server], in its order */
};

struct daemon {
    const char *config_path;
    struct config config;
    struct papers papers;
    char name[IDENTITY_LABEL_MAX + 1]; /* of the certificate or credential */

    struct node_env env;
    void *memory;
    size_t memory_size;
    uint64_t start_ns;
    struct drive drive;
    struct tape_writer tape; /* writes to tape_file, to the ring, or to both */
    FILE *tape_file;         /* NULL: no full tape */
    bool tape_failed;
    struct ring ring;

    struct udp udp;
    struct tun tun;
    uint32_t tun_index; /* 0: there is no interface */
    uint64_t tun_deaths;
    bool dropped; /* rights are given up: no interface and no route can be made any more */
    struct config_address addresses[CONFIG_ADDRESSES_MAX]; /* of the interface */
    uint32_t address_count;
    struct netlink netlink;
    struct node_in_network network; /* as last told to the node */

    /* What the node said last. */
    struct node_out_home home;
    bool behaviour_known;
    struct stun_behaviour behaviour;

    struct ev_loop *loop;
    ev_io sockets[UDP_ENDPOINTS_MAX]; /* beside udp.endpoints */
    ev_io tun_io;
    ev_idle tun_idle; /* while something is read that the node has not had yet */
    ev_io netlink_io;
    ev_io deadline_io;
    ev_io clock_io;
    ev_timer tun_timer; /* tries to open a dead interface again */
    ev_prepare prepare;
    ev_signal signals[5];
    int deadline_fd;
    int clock_fd;
    uint64_t armed_ns; /* when deadline_fd fires; NODE_NEVER: it does not */
    struct control control;
    struct netcheck netcheck;
};

#endif
