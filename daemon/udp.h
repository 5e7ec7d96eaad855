/*
 * The UDP sockets of one node on Linux: carries out the node's outputs about sockets, and feeds it
 * the datagrams, ICMP errors and failures that come of them. Every datagram bears the exact local
 * address it was sent to.
 */
#ifndef WARREN_DAEMON_UDP_H
#define WARREN_DAEMON_UDP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "core/warren.h"
#include "host/drive.h"

enum {
    UDP_ENDPOINTS_MAX = 2 * NODE_STUN_ADDRESSES + 8, /* two ports on each address, and the probes */
    UDP_PENDING_MAX = 256,
    UDP_DATAGRAM_MAX = 65536,
};

/*
 * One socket of the operating system. A socket of the node has one for each address that it is
 * bound to.
 */
struct udp_endpoint {
    int fd;            /* -1: the slot is free */
    uint32_t socket;   /* as the node names it */
    struct addr bound; /* all zeros but family and port: bound to every address */
    bool dont_fragment;
};

struct udp {
    struct drive *drive;
    struct udp_endpoint endpoints[UDP_ENDPOINTS_MAX];
    struct node_in pending[UDP_PENDING_MAX]; /* a ring: what came of outputs, told afterwards */
    uint32_t pending_first;
    uint32_t pending_count;
    uint8_t datagram[UDP_DATAGRAM_MAX];
};

/* The drive is the caller's and outlives the struct. */
void udp_init(struct udp *udp, struct drive *drive);
/* Closes every socket. */
void udp_close(struct udp *udp);

/* Nanoseconds of a clock that counts through suspend: the time of every input. */
uint64_t udp_now_ns(void);

/*
 * Binds the standing socket that the node knows by this number to an address too. False, with
 * errno, when that cannot be done.
 */
bool udp_listen(struct udp *udp, uint32_t number, const struct addr *bound);

/* Carries out NODE_OUT_SEND, NODE_OUT_OPEN or NODE_OUT_CLOSE; for the drive's output function. */
void udp_output(struct udp *udp, const struct node_out *out);

/* Feeds one input, and then whatever came of its outputs. The time is filled in. */
void udp_feed(struct udp *udp, const struct node_in *in);

/*
 * Waits until datagrams or errors arrive, and feeds them; at most for wait_ns (NODE_NEVER: without
 * end), and no longer than to the next signal that is not in `blocked`. False, with errno, when the
 * system refuses to wait.
 */
bool udp_wait(struct udp *udp, uint64_t wait_ns, const sigset_t *blocked);

#endif
