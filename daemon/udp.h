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
    UDP_ENDPOINTS_MAX = 128, /* standing sockets on each address, and the probes */
    UDP_PENDING_MAX = 256,
    UDP_DATAGRAM_MAX = 65536, /* a datagram or a train */
    UDP_RECEIVE_MAX = 16,     /* datagrams or trains of one system call */
    UDP_SEND_MAX = 64,        /* likewise */
    UDP_TRAIN_SEGMENTS = 64,  /* most datagrams of a train that Linux takes at once (UDP_SEGMENT) */
    UDP_TRAIN_MAX = 65000,    /* most bytes of one; headers come on top */
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
    bool erred;      /* a send failed, so an ICMP error may wait */
    uint32_t singly; /* trains that are sent datagram by datagram before one is tried again */
};

/* A datagram is counted once, also where it was part of a train. */
struct udp_counts {
    uint64_t receives; /* system calls that gave something */
    uint64_t received;
    uint64_t received_bytes;
    uint64_t truncated; /* larger than UDP_DATAGRAM_MAX, and dropped; Linux sends none */
    uint64_t sends;     /* system calls */
    uint64_t sent;
    uint64_t sent_bytes;
    uint64_t split;       /* trains that the system refused as such */
    uint64_t refused;     /* datagrams not sent: forbidden by a firewall */
    uint64_t full;        /* buffers or queues were full */
    uint64_t too_big;     /* larger than the path's MTU */
    uint64_t no_address;  /* the address that it shall leave from is gone, or no socket has it */
    uint64_t unreachable; /* no route, the network is down, or any other reason */
    uint64_t icmp;        /* ICMP errors told to the node */
};

/*
 * Called when a socket has been opened, and before one is closed: the endpoint's fd is to be
 * watched for input from now on, or no longer.
 */
typedef void udp_changed(void *host, struct udp_endpoint *endpoint, bool opened);

struct udp {
    struct drive *drive;
    udp_changed *changed; /* NULL: nobody wants to know */
    void *changed_host;
    struct udp_counts counts;
    struct udp_endpoint endpoints[UDP_ENDPOINTS_MAX];
    struct node_in pending[UDP_PENDING_MAX]; /* a ring: what came of outputs, told afterwards */
    uint32_t pending_first;
    uint32_t pending_count;
    uint32_t endpoints_end;       /* behind the last slot that was ever used */
    struct udp_endpoint *sending; /* whose the waiting sends are; NULL: there are none */
    uint32_t sending_count;
    struct node_out_send sends[UDP_SEND_MAX];
    uint8_t datagrams[UDP_RECEIVE_MAX][UDP_DATAGRAM_MAX];
};

/*
 * The drive is the caller's and outlives the struct, which has more than a megabyte: it is not for
 * the stack. The field `changed` is the caller's to set afterwards.
 */
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

/*
 * Carries out NODE_OUT_SEND, NODE_OUT_OPEN or NODE_OUT_CLOSE; for the drive's output function. What
 * is to be sent may wait for udp_flush(), since its bytes are good until the node's next input.
 */
void udp_output(struct udp *udp, const struct node_out *out);

/* Sends what waits. For those that give the node inputs by themselves: udp_feed() does it. */
void udp_flush(struct udp *udp);

/*
 * Feeds one input of any kind, sends what came of it, and feeds the answers to its outputs. The
 * time is filled in.
 */
void udp_feed(struct udp *udp, const struct node_in *in);

/*
 * For an event loop: reads one bounded batch of datagrams, and ICMP errors, and feeds them. Call it
 * whenever the endpoint's fd is readable or has an error; it never waits. During the call any
 * endpoint may be closed.
 */
void udp_read(struct udp *udp, struct udp_endpoint *endpoint);

/*
 * Waits until datagrams or errors arrive, and feeds them; at most for wait_ns (NODE_NEVER: without
 * end), and no longer than to the next signal that is not in `blocked`. False, with errno, when the
 * system refuses to wait.
 */
bool udp_wait(struct udp *udp, uint64_t wait_ns, const sigset_t *blocked);

#endif
