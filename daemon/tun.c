/* A TUN device of Linux. */
#include "daemon/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "core/base/check.h"

/* Newer than the headers of Debian 12. */
#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

/* Read and refused one after the other, before the caller looks elsewhere. */
enum { REFUSED_MAX = 64 };

enum { JOINED_SIZE = TUN_JOINED_MAX * NODE_PACKET_MAX };

_Static_assert((int)JOINED_SIZE <= (int)NODE_PACKETS_MAX, "a node takes such a train");
_Static_assert(TUN_NAME_SIZE == IFNAMSIZ, "a name that we keep is one that the kernel takes");

static bool is_gone(int error)
{
    return error == EBADFD || error == ENODEV || error == EBADF;
}

/* Whether two packets are of one flow, as far as their headers tell at once. */
static bool same_flow(const uint8_t *a, const uint8_t *b, uint32_t size)
{
    enum { V4_END = 24, V6_END = 44 }; /* of the ports */
    if (size >= V4_END && a[0] == 0x45 && b[0] == 0x45)
        return a[9] == b[9] && memcmp(a + 12, b + 12, V4_END - 12) == 0;
    return size >= V6_END && a[0] >> 4 == 6 && b[0] >> 4 == 6 && a[6] == b[6] &&
           memcmp(a + 8, b + 8, V6_END - 8) == 0;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static bool write_parts(struct tun *tun, const struct iovec *parts, unsigned count)
{
    tun->counts.writes++;
    if (writev(tun->fd, parts, (int)count) >= 0)
        return true;
    tun->error = errno;
    /* EIO is no reason here: so says an interface that is down, and it may be up again. */
    tun->dead = tun->dead || is_gone(errno);
    return false;
}

/* What stands for `packets` packets, of which each has its own headers in memory. */
static void write_singly(struct tun *tun, const struct iovec *parts, unsigned packets)
{
    static const struct offload_header single;
    size_t headers = parts[1].iov_len;
    tun->counts.unmerged++;
    for (unsigned i = 0; i < packets; i++) {
        const struct iovec one[2] = {
            {.iov_base = (void *)(uintptr_t)&single, .iov_len = sizeof single},
            {.iov_base = (uint8_t *)parts[2 + i].iov_base - headers,
             .iov_len = headers + parts[2 + i].iov_len},
        };
        if (write_parts(tun, one, 2)) {
            tun->counts.sent++;
            tun->counts.sent_bytes += one[1].iov_len;
        } else {
            tun->counts.unwritten++;
        }
    }
}

/* The gatherer has a packet or super-packet. */
static void emit(void *context, const struct iovec *parts, unsigned count, unsigned packets,
                 uint32_t size)
{
    struct tun *tun = context;
    check(count >= 2 && packets >= 1);
    if (tun->dead) {
        tun->counts.unwritten += packets;
    } else if (write_parts(tun, parts, count)) {
        tun->counts.sent += packets;
        tun->counts.sent_bytes += size;
    } else if (packets > 1 && errno == EINVAL) {
        write_singly(tun, parts, packets);
    } else {
        tun->counts.unwritten += packets;
    }
}

enum tun_status tun_write(struct tun *tun, const struct node_out_packet *packet)
{
    check(tun->fd >= 0);
    uint32_t segment = packet->segment > 0 ? packet->segment : packet->size;
    for (uint32_t at = 0; at < packet->size; at += segment) {
        uint32_t size = packet->size - at < segment ? packet->size - at : segment;
        offload_gather_add(&tun->gather, packet->bytes + at, size);
    }
    return tun_flush(tun);
}

enum tun_status tun_flush(struct tun *tun)
{
    check(tun->fd >= 0);
    offload_gather_end(&tun->gather);
    tun->last_size = 0;
    return tun->dead ? TUN_DEAD : TUN_OK;
}

void tun_gather(struct tun *tun, const uint8_t *packet, uint32_t size)
{
    check(tun->fd >= 0 && size > 0);
    /* Of several flows, a later packet would join its own before an earlier one of another. */
    uint32_t both = size < tun->last_size ? size : tun->last_size;
    if (tun->last_size > 0 && !same_flow(tun->last, packet, both))
        (void)tun_flush(tun);
    offload_gather_add(&tun->gather, packet, size);
    tun->last = packet;
    tun->last_size = size;
}

/* ---- Reading --------------------------------------------------------------------------------- */

/* The next train of the super-packet that is being split; false when there is no more of it. */
static bool next_train(struct tun *tun, struct node_in_packet *packet)
{
    uint32_t segment;
    uint32_t before = tun->split.index;
    uint32_t size = offload_split_next(&tun->split, tun->train, sizeof tun->train, &segment);
    tun->splitting = tun->split.next < tun->split.size;
    check(size > 0 || !tun->splitting);
    tun->counts.received += tun->split.index - before;
    tun->counts.received_bytes += size;
    *packet = (struct node_in_packet){.bytes = tun->train, .size = size, .segment = segment};
    return size > 0;
}

/* A super-packet; false when it is refused. */
static bool take_super(struct tun *tun, const struct offload_header *header, const uint8_t *bytes,
                       uint32_t size, struct node_in_packet *packet)
{
    if (!offload_split_begin(&tun->split, header, bytes, size)) {
        tun->counts.refused++;
        return false;
    }
    uint32_t payload = size - tun->split.headers;
    if (payload > tun->split.segment)
        payload = tun->split.segment;
    if (tun->split.headers + payload <= tun->packet_max)
        return next_train(tun, packet);
    tun->counts.too_big++;
    return false;
}

/* A packet that stands for itself; false when it is refused. */
static bool take_single(struct tun *tun, const struct offload_header *header, uint8_t *bytes,
                        uint32_t size)
{
    if (size > tun->packet_max) {
        tun->counts.too_big++;
        return false;
    }
    if (size == 0 || !offload_complete(header, bytes, size)) {
        tun->counts.refused++;
        return false;
    }
    tun->counts.received++;
    tun->counts.received_bytes += size;
    return true;
}

/*
 * Reads one packet or super-packet to `bytes`, where there is room for TUN_PACKET_SIZE. Its size; 0
 * when there is none, or it failed.
 */
static uint32_t read_one(struct tun *tun, struct offload_header *header, uint8_t *bytes)
{
    tun->error = 0;
    for (unsigned i = 0; i < REFUSED_MAX && !tun->drained; i++) {
        const struct iovec parts[2] = {
            {.iov_base = header, .iov_len = sizeof *header},
            {.iov_base = bytes, .iov_len = TUN_PACKET_SIZE},
        };
        ssize_t size = readv(tun->fd, parts, 2);
        if (size < 0) {
            tun->drained = errno == EAGAIN || errno == EINTR;
            tun->error = tun->drained ? 0 : errno;
            return 0;
        }
        tun->counts.reads++;
        if (size > (ssize_t)sizeof *header)
            return (uint32_t)size - (uint32_t)sizeof *header;
        tun->counts.refused++;
    }
    return 0;
}

/*
 * Behind the packet of `size` bytes at the front come others of its flow, as long as the system has
 * them: all of that size, but the last may be shorter. Returns the size of all. What is read and
 * does not join is held.
 */
static uint32_t join(struct tun *tun, uint32_t size)
{
    uint32_t end = size;
    for (unsigned i = 1; i < TUN_JOINED_MAX && end + size <= JOINED_SIZE; i++) {
        uint8_t *next = tun->packet + end;
        uint32_t more = read_one(tun, &tun->held, next);
        if (more == 0)
            break;
        if (tun->held.kind != OFFLOAD_SINGLE || more > size ||
            !same_flow(tun->packet, next, more)) {
            tun->held_size = more;
            tun->held_packet = next;
            break;
        }
        if (!take_single(tun, &tun->held, next, more))
            continue;
        end += more;
        if (more < size)
            break;
    }
    return end;
}

enum tun_status tun_read(struct tun *tun, struct node_in_packet *packet)
{
    check(tun->fd >= 0);
    if (tun->splitting && next_train(tun, packet))
        return TUN_OK;
    for (unsigned i = 0; i < REFUSED_MAX && !tun->dead; i++) {
        struct offload_header header = tun->held;
        const uint8_t *bytes = tun->held_packet;
        uint32_t size = tun->held_size;
        tun->held_size = 0;
        if (size == 0) {
            bytes = tun->packet;
            size = read_one(tun, &header, tun->packet);
        }
        if (size == 0) {
            tun->dead = is_gone(tun->error) || tun->error == EIO;
            break;
        }
        if (header.kind != OFFLOAD_SINGLE) {
            if (take_super(tun, &header, bytes, size, packet))
                return TUN_OK;
            continue;
        }
        if (size <= tun->packet_max && bytes != tun->packet)
            memmove(tun->packet, bytes, size);
        if (!take_single(tun, &header, tun->packet, size))
            continue;
        uint32_t all = join(tun, size);
        *packet = (struct node_in_packet){
            .bytes = tun->packet, .size = all, .segment = all > size ? size : 0};
        return TUN_OK;
    }
    tun->drained = false;
    return tun->dead ? TUN_DEAD : TUN_EMPTY;
}

/* ---- Opening --------------------------------------------------------------------------------- */

/* Asks for as much as the kernel can do; what it cannot, it does before we see a packet. */
static void set_offloads(struct tun *tun)
{
    const unsigned tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
    tun->udp = ioctl(tun->fd, TUNSETOFFLOAD, (unsigned long)(tcp | TUN_F_USO4 | TUN_F_USO6)) == 0;
    tun->tcp = tun->udp || ioctl(tun->fd, TUNSETOFFLOAD, (unsigned long)tcp) == 0;
    if (!tun->tcp && ioctl(tun->fd, TUNSETOFFLOAD, (unsigned long)TUN_F_CSUM) != 0)
        (void)ioctl(tun->fd, TUNSETOFFLOAD, 0ul);
}

bool tun_adopt(struct tun *tun, int fd, uint32_t packet_max)
{
    struct ifreq is = {.ifr_flags = 0};
    int header_size = sizeof(struct offload_header);
    check(packet_max <= OFFLOAD_SIZE_MAX);
    tun->fd = -1;
    if (ioctl(fd, TUNGETIFF, &is) != 0 || ioctl(fd, TUNSETVNETHDRSZ, &header_size) != 0)
        return false;
    check((is.ifr_flags & IFF_VNET_HDR) != 0);
    tun->fd = fd;
    memcpy(tun->name, is.ifr_name, TUN_NAME_SIZE);
    tun->name[TUN_NAME_SIZE - 1] = 0;
    tun->packet_max = packet_max;
    tun->dead = false;
    tun->error = 0;
    tun->counts = (struct tun_counts){0};
    tun->splitting = false;
    tun->drained = false;
    tun->held_size = 0;
    tun->last_size = 0;
    set_offloads(tun);
    offload_gather_init(&tun->gather, tun->tcp, tun->udp, emit, tun);
    return true;
}

bool tun_open(struct tun *tun, const char *name)
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
    tun->fd = -1;
    size_t size = strlen(name);
    if (size >= TUN_NAME_SIZE) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(request.ifr_name, name, size);
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (ioctl(fd, TUNSETIFF, &request) == 0 && tun_adopt(tun, fd, NODE_PACKET_MAX))
        return true;
    int error = errno;
    close(fd);
    errno = error;
    return false;
}

void tun_close(struct tun *tun)
{
    if (tun->fd >= 0)
        close(tun->fd);
    tun->fd = -1;
    tun->splitting = false;
    tun->held_size = 0;
}
