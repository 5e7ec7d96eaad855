/*
 * A TUN device of Linux: one system call for each packet or super-packet, in either direction.
 * Packets come from it as trains for NODE_IN_PACKET, and go to it as NODE_OUT_PACKET has them.
 */
#ifndef WARREN_DAEMON_TUN_H
#define WARREN_DAEMON_TUN_H

#include <stdbool.h>
#include <stdint.h>

#include "core/warren.h"
#include "daemon/offload.h"

enum {
    TUN_NAME_SIZE = 16,                      /* with the zero at the end */
    TUN_PACKET_SIZE = OFFLOAD_SIZE_MAX + 64, /* IPv6 does not count its own header */
    TUN_JOINED_MAX = 44,                     /* packets read one by one that become a train */
};

enum tun_status {
    TUN_OK = 0,
    TUN_EMPTY, /* nothing to read now */
    TUN_DEAD,  /* the interface is gone; close it */
};

struct tun_counts {
    uint64_t reads;    /* system calls that gave something */
    uint64_t received; /* packets from the interface, after splitting */
    uint64_t received_bytes;
    uint64_t refused; /* read, and malformed or of an unknown kind */
    uint64_t too_big; /* read, and larger than NODE_PACKET_MAX */
    uint64_t writes;  /* system calls */
    uint64_t sent;    /* packets to the interface, before merging */
    uint64_t sent_bytes;
    uint64_t unwritten; /* packets that it did not take: it is down, or memory is short */
    uint64_t unmerged;  /* super-packets that it did not take, and whose packets it was given */
};

struct tun {
    int fd; /* for the caller's event loop, to read; -1: closed */
    char name[TUN_NAME_SIZE];
    bool tcp;  /* the system gives super-packets of TCP, and takes them */
    bool udp;  /* and of UDP (Linux 6.2) */
    bool dead; /* as tun_read() or tun_write() found out */
    int error; /* errno of the last failure */
    struct tun_counts counts;
    bool splitting; /* `split` is not at its end */
    bool drained;   /* the system has just said that it has no more */
    /* What was read last and did not join the train before it; size 0: there is none. */
    struct offload_header held;
    uint32_t held_size;
    const uint8_t *held_packet; /* within `packet` */
    struct offload_split split;
    struct offload_gather gather;
    uint8_t packet[TUN_JOINED_MAX * NODE_PACKET_MAX + TUN_PACKET_SIZE];
    uint8_t train[NODE_PACKETS_MAX];
};

/*
 * Makes or takes over the interface of this name ("": the system names it), which needs
 * CAP_NET_ADMIN unless it exists and is ours. Its fd does not block. It is down and has neither
 * address nor MTU of ours yet: see daemon/netlink.h. False, with errno.
 */
bool tun_open(struct tun *tun, const char *name);
/* Closes it, which removes the interface. Harmless when it is closed. */
void tun_close(struct tun *tun);

/*
 * The next packet or train: a super-packet that was split, or packets of one flow and size that the
 * system has given one after the other, such as acknowledgements. Nothing waits for more to come.
 * Its bytes are good until the next call. Call until TUN_EMPTY, or a bounded number of times and
 * again when the fd is readable *or* tun_waiting() says so.
 */
enum tun_status tun_read(struct tun *tun, struct node_in_packet *packet);
/* Something has been read already and waits. */
static inline bool tun_waiting(const struct tun *tun)
{
    return tun->splitting || tun->held_size > 0;
}

/*
 * Hands packets to the interface. What it does not take is counted and lost. TUN_OK or TUN_DEAD.
 */
enum tun_status tun_write(struct tun *tun, const struct node_out_packet *packet);

#endif
