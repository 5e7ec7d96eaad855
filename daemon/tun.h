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
    uint64_t too_big; /* read, and larger than packet_max */
    uint64_t writes;  /* system calls */
    uint64_t sent;    /* packets to the interface, before merging */
    uint64_t sent_bytes;
    uint64_t unwritten; /* packets that it did not take: it is down, or memory is short */
    uint64_t unmerged;  /* super-packets that it did not take, and whose packets it was given */
};

struct tun {
    int fd; /* for the caller's event loop, to read; -1: closed */
    char name[TUN_NAME_SIZE];
    bool tcp;            /* the system gives super-packets of TCP, and takes them */
    bool udp;            /* and of UDP (Linux 6.2) */
    uint32_t packet_max; /* bytes of a packet, after splitting; what is larger is not given */
    bool dead;           /* as tun_read() or tun_write() found out */
    int error;           /* errno of the last failure */
    struct tun_counts counts;
    bool splitting; /* `split` is not at its end */
    bool drained;   /* the system has just said that it has no more */
    /* What was read last and did not join the train before it; size 0: there is none. */
    struct offload_header held;
    uint32_t held_size;
    const uint8_t *held_packet; /* within `packet` */
    const uint8_t *last;        /* of what tun_gather() took; size 0: nothing is gathered */
    uint32_t last_size;
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
/*
 * Likewise with a device that is open already, which does not block and has IFF_NO_PI and
 * IFF_VNET_HDR; packets of up to packet_max (at most OFFLOAD_SIZE_MAX) bytes are read from it.
 * False, with errno, and then the file is still the caller's.
 */
bool tun_adopt(struct tun *tun, int fd, uint32_t packet_max);
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

/*
 * Takes a packet as they come one by one, of whatever flows: those of one flow become a
 * super-packet where none of another came between them, so that the interface gets all in their
 * order, and the last of them by tun_flush(). Until then their bytes stay where they are.
 */
void tun_gather(struct tun *tun, const uint8_t *packet, uint32_t size);
/* TUN_OK or TUN_DEAD. */
enum tun_status tun_flush(struct tun *tun);

#endif
