/* The UDP sockets of one node on Linux. */
#include "daemon/udp.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "core/base/check.h"
#include "daemon/clock.h"
#include "daemon/socket_address.h"

#define SECOND_NS UINT64_C(1000000000)

enum {
    ERRORS_MAX = 64,       /* ICMP errors read from one socket before the next has its turn */
    BUFFER_SIZE = 4 << 20, /* of each socket and direction, in bytes */
    SINGLY = 1024,         /* trains, after one was refused because of where it went */
};

/* Room for all control messages that one datagram may bear, aligned as they must be. */
struct control {
    _Alignas(size_t) uint8_t bytes[256];
};

uint64_t udp_now_ns(void)
{
    return clock_boot_ns();
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/*
 * Every datagram tells the address it was sent to, and ICMP errors wait in the socket's error
 * queue.
 */
static bool set_options(int fd, uint8_t family)
{
    if (family == ADDR_V4)
        return set_option(fd, IPPROTO_IP, IP_PKTINFO, 1) &&
               set_option(fd, IPPROTO_IP, IP_RECVERR, 1) &&
               set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT);
    return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
           set_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1) &&
           set_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1) &&
           set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT);
}

/* What is good to have: room for bursts, which only root may take in full, and trains. */
static void set_preferences(int fd)
{
    if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_SIZE))
        set_option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER_SIZE);
    if (!set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_SIZE))
        set_option(fd, SOL_SOCKET, SO_SNDBUF, BUFFER_SIZE);
    set_option(fd, SOL_UDP, UDP_GRO, 1);
}

/*
 * Opens and binds; the endpoint's port is then known. NULL, with errno, when that cannot be done.
 */
static struct udp_endpoint *endpoint_open(struct udp *udp, uint32_t number, struct addr bound)
{
    uint32_t slot = 0;
    while (slot < UDP_ENDPOINTS_MAX && udp->endpoints[slot].fd >= 0)
        slot++;
    if (slot == UDP_ENDPOINTS_MAX) {
        errno = EMFILE;
        return NULL;
    }
    int family = bound.family == ADDR_V4 ? AF_INET : AF_INET6;
    int fd = socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return NULL;
    union socket_address address;
    socklen_t size = socket_address_of(&bound, &address);
    if (!set_options(fd, bound.family) || bind(fd, &address.any, size) != 0 ||
        getsockname(fd, &address.any, &size) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return NULL;
    }
    set_preferences(fd);
    struct udp_endpoint *endpoint = &udp->endpoints[slot];
    *endpoint =
        (struct udp_endpoint){.fd = fd, .socket = number, .bound = socket_address_addr(&address)};
    if (udp->endpoints_end <= slot)
        udp->endpoints_end = slot + 1;
    if (udp->changed != NULL)
        udp->changed(udp->changed_host, endpoint, true);
    return endpoint;
}

static void endpoint_close(struct udp *udp, struct udp_endpoint *endpoint)
{
    check(endpoint->fd >= 0 && udp->sending != endpoint);
    if (udp->changed != NULL)
        udp->changed(udp->changed_host, endpoint, false);
    close(endpoint->fd);
    endpoint->fd = -1;
}

void udp_init(struct udp *udp, struct drive *drive)
{
    check(drive != NULL);
    udp->drive = drive;
    udp->changed = NULL;
    udp->changed_host = NULL;
    udp->counts = (struct udp_counts){0};
    udp->pending_first = 0;
    udp->pending_count = 0;
    udp->endpoints_end = 0;
    udp->sending = NULL;
    udp->sending_count = 0;
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++)
        udp->endpoints[i] = (struct udp_endpoint){.fd = -1};
}

void udp_close(struct udp *udp)
{
    udp_flush(udp);
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++) {
        if (udp->endpoints[i].fd >= 0)
            endpoint_close(udp, &udp->endpoints[i]);
    }
}

bool udp_listen(struct udp *udp, uint32_t number, const struct addr *bound)
{
    check(bound->family != ADDR_NONE);
    return endpoint_open(udp, number, *bound) != NULL;
}

static bool is_everywhere(const struct addr *bound)
{
    static const uint8_t zero[16];
    return memcmp(bound->ip, zero, sizeof zero) == 0;
}

/* The endpoint of a node's socket that can send from `source`; NULL when there is none. */
static struct udp_endpoint *endpoint_for(struct udp *udp, uint32_t number,
                                         const struct addr *source, uint8_t family)
{
    for (uint32_t i = 0; i < udp->endpoints_end; i++) {
        struct udp_endpoint *endpoint = &udp->endpoints[i];
        if (endpoint->fd >= 0 && endpoint->socket == number && endpoint->bound.family == family &&
            (source->family == ADDR_NONE || is_everywhere(&endpoint->bound) ||
             addr_equal_ip(source, &endpoint->bound)))
            return endpoint;
    }
    return NULL;
}

static enum node_error error_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return NODE_ERROR_REFUSED;
    case EADDRNOTAVAIL:
    case EADDRINUSE:
    case EINVAL:
        return NODE_ERROR_ADDRESS;
    case EMSGSIZE:
        return NODE_ERROR_TOO_BIG;
    case EAGAIN:
    case ENOBUFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
        return NODE_ERROR_NO_RESOURCES;
    default:
        return NODE_ERROR_UNREACHABLE;
    }
}

/* ---- Outputs of the node --------------------------------------------------------------------- */

/* To be told to the node once its outputs are drained. */
static void pending_put(struct udp *udp, const struct node_in *in)
{
    check(udp->pending_count < UDP_PENDING_MAX);
    uint32_t last = (udp->pending_first + udp->pending_count) % UDP_PENDING_MAX;
    udp->pending[last] = *in;
    udp->pending_count++;
}

/* Nothing may be told about a socket that the node has closed. */
static void pending_forget(struct udp *udp, uint32_t number)
{
    uint32_t count = udp->pending_count;
    udp->pending_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const struct node_in *in = &udp->pending[(udp->pending_first + i) % UDP_PENDING_MAX];
        bool about = (in->kind == NODE_IN_SOCKET && in->socket.socket == number) ||
                     (in->kind == NODE_IN_UNSENT && in->unsent.socket == number);
        if (!about)
            pending_put(udp, in);
    }
}

static void put_control(struct msghdr *message, int level, int type, const void *data, size_t size)
{
    struct control *control = message->msg_control;
    struct cmsghdr *header = (struct cmsghdr *)(void *)(control->bytes + message->msg_controllen);
    check(message->msg_controllen + CMSG_SPACE(size) <= sizeof *control);
    header->cmsg_level = level;
    header->cmsg_type = type;
    header->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(header), data, size);
    message->msg_controllen += CMSG_SPACE(size);
}

/* What a datagram's headers shall say beyond what the socket says by itself. */
static void put_headers(struct msghdr *message, const struct udp_endpoint *endpoint,
                        const struct node_out_send *send)
{
    bool v4 = endpoint->bound.family == ADDR_V4;
    int ttl = send->ttl;
    if (ttl != 0 && v4)
        put_control(message, IPPROTO_IP, IP_TTL, &ttl, sizeof ttl);
    else if (ttl != 0)
        put_control(message, IPPROTO_IPV6, IPV6_HOPLIMIT, &ttl, sizeof ttl);
    if (send->source.family == ADDR_NONE || !is_everywhere(&endpoint->bound))
        return;
    if (v4) {
        struct in_pktinfo info = {.ipi_ifindex = 0};
        memcpy(&info.ipi_spec_dst, send->source.ip, 4);
        put_control(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    } else {
        struct in6_pktinfo info = {.ipi6_ifindex = 0};
        memcpy(&info.ipi6_addr, send->source.ip, 16);
        put_control(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    }
}

static void set_dont_fragment(struct udp_endpoint *endpoint, bool dont_fragment)
{
    if (endpoint->dont_fragment == dont_fragment)
        return;
    endpoint->dont_fragment = dont_fragment;
    if (endpoint->bound.family == ADDR_V4)
        set_option(endpoint->fd, IPPROTO_IP, IP_MTU_DISCOVER,
                   dont_fragment ? IP_PMTUDISC_PROBE : IP_PMTUDISC_DONT);
    else
        set_option(endpoint->fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER,
                   dont_fragment ? IPV6_PMTUDISC_PROBE : IPV6_PMTUDISC_DONT);
}

/* As many datagrams as a node_out_send has. */
static uint32_t datagrams_of(const struct node_out_send *send)
{
    return send->segment == 0 ? 1 : (send->size + send->segment - 1) / send->segment;
}

static bool is_train(const struct node_out_send *send)
{
    return send->segment > 0 && send->segment < send->size;
}

static void note_sent(struct udp *udp, const struct node_out_send *send)
{
    udp->counts.sent += datagrams_of(send);
    udp->counts.sent_bytes += send->size;
}

/*
 * When too many are refused at once, the rest is as lost on the way; room is kept for the answers
 * to NODE_OUT_OPEN.
 */
static void note_unsent(struct udp *udp, const struct node_out_send *send, int error)
{
    enum node_error reason = error_of(error);
    uint64_t *counts[] = {
        [NODE_ERROR_REFUSED] = &udp->counts.refused,
        [NODE_ERROR_ADDRESS] = &udp->counts.no_address,
        [NODE_ERROR_UNREACHABLE] = &udp->counts.unreachable,
        [NODE_ERROR_TOO_BIG] = &udp->counts.too_big,
        [NODE_ERROR_NO_RESOURCES] = &udp->counts.full,
    };
    *counts[reason] += datagrams_of(send);
    if (udp->pending_count < UDP_PENDING_MAX - UDP_ENDPOINTS_MAX)
        pending_put(udp, &(struct node_in){.kind = NODE_IN_UNSENT,
                                           .unsent = {.socket = send->socket,
                                                      .remote = send->remote,
                                                      .error = (uint8_t)reason}});
}

/* What the system is given of one message: stays in place while it is sent. */
struct outgoing {
    union socket_address to;
    struct control control;
    struct iovec part;
};

static struct msghdr message_of(struct outgoing *outgoing, const struct udp_endpoint *endpoint,
                                const struct node_out_send *send)
{
    memset(&outgoing->control, 0, sizeof outgoing->control);
    outgoing->part =
        (struct iovec){.iov_base = (void *)(uintptr_t)send->bytes, .iov_len = send->size};
    struct msghdr message = {
        .msg_name = &outgoing->to,
        .msg_namelen = socket_address_of(&send->remote, &outgoing->to),
        .msg_iov = &outgoing->part,
        .msg_iovlen = 1,
        .msg_control = &outgoing->control,
    };
    put_headers(&message, endpoint, send);
    if (is_train(send)) {
        uint16_t segment = (uint16_t)send->segment;
        put_control(&message, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment);
    }
    if (message.msg_controllen == 0)
        message.msg_control = NULL;
    return message;
}

/* Sends a train that the system has refused as one. */
static void send_singly(struct udp *udp, const struct udp_endpoint *endpoint,
                        const struct node_out_send *train)
{
    udp->counts.split++;
    struct node_out_send one = *train;
    one.segment = 0;
    for (uint32_t at = 0; at < train->size; at += train->segment) {
        struct outgoing outgoing;
        one.bytes = train->bytes + at;
        one.size = train->size - at < train->segment ? train->size - at : train->segment;
        struct msghdr message = message_of(&outgoing, endpoint, &one);
        udp->counts.sends++;
        if (sendmsg(endpoint->fd, &message, 0) >= 0) {
            note_sent(udp, &one);
        } else {
            /* The rest would fare no better. */
            one.size = train->size - at;
            one.segment = train->segment;
            note_unsent(udp, &one, errno);
            return;
        }
    }
}

/*
 * The system could not send this. It refuses a train that goes to an interface which cannot sum
 * (EIO), whose datagrams are larger than the path takes, or that is of a kind that it does not
 * know.
 */
static void send_failed(struct udp *udp, struct udp_endpoint *endpoint,
                        const struct node_out_send *send, int error)
{
    bool never = error == EIO || error == EOPNOTSUPP;
    if (!is_train(send) || (!never && error != EINVAL && error != EMSGSIZE)) {
        note_unsent(udp, send, error);
        return;
    }
    if (never)
        endpoint->singly = SINGLY;
    send_singly(udp, endpoint, send);
}

void udp_flush(struct udp *udp)
{
    struct udp_endpoint *endpoint = udp->sending;
    if (endpoint == NULL)
        return;
    struct outgoing outgoing[UDP_SEND_MAX];
    struct mmsghdr messages[UDP_SEND_MAX];
    unsigned count = udp->sending_count, done = 0;
    check(endpoint->fd >= 0 && count > 0 && count <= UDP_SEND_MAX);
    udp->sending = NULL;
    udp->sending_count = 0;
    for (unsigned i = 0; i < count; i++)
        messages[i].msg_hdr = message_of(&outgoing[i], endpoint, &udp->sends[i]);
    bool tried = false;
    while (done < count) {
        udp->counts.sends++;
        int sent = sendmmsg(endpoint->fd, messages + done, count - done, 0);
        for (int i = 0; i < sent; i++)
            note_sent(udp, &udp->sends[done++]);
        if (sent > 0) {
            tried = false;
        } else if (!tried) {
            /*
             * The first failure may be an ICMP error about an earlier datagram: the system did not
             * try to send this one.
             */
            tried = true;
            endpoint->erred = true;
        } else {
            send_failed(udp, endpoint, &udp->sends[done], errno);
            tried = false;
            done++;
        }
    }
}

/* It is sent with others of the same endpoint, once the node is drained. */
static void queue_send(struct udp *udp, struct udp_endpoint *endpoint,
                       const struct node_out_send *send)
{
    if (udp->sending != endpoint || endpoint->dont_fragment != send->dont_fragment ||
        udp->sending_count == UDP_SEND_MAX)
        udp_flush(udp);
    set_dont_fragment(endpoint, send->dont_fragment);
    udp->sending = endpoint;
    udp->sends[udp->sending_count] = *send;
    udp->sending_count++;
}

static void output_send(struct udp *udp, const struct node_out_send *send)
{
    struct udp_endpoint *endpoint =
        endpoint_for(udp, send->socket, &send->source, send->remote.family);
    if (endpoint == NULL) {
        note_unsent(udp, send, EADDRNOTAVAIL);
        return;
    }
    if (!is_train(send)) {
        queue_send(udp, endpoint, send);
        return;
    }
    uint32_t together = UDP_TRAIN_MAX / send->segment;
    if (together > UDP_TRAIN_SEGMENTS)
        together = UDP_TRAIN_SEGMENTS;
    if (together == 0 || endpoint->singly > 0)
        together = 1;
    if (endpoint->singly > 0)
        endpoint->singly--;
    uint32_t most = together * send->segment;
    for (uint32_t at = 0; at < send->size; at += most) {
        struct node_out_send part = *send;
        part.bytes = send->bytes + at;
        part.size = send->size - at < most ? send->size - at : most;
        queue_send(udp, endpoint, &part);
    }
}

static void output_open(struct udp *udp, const struct node_out_open *open)
{
    struct addr everywhere = {.family = open->family};
    const struct udp_endpoint *endpoint = endpoint_open(udp, open->socket, everywhere);
    struct node_in in = {.kind = NODE_IN_SOCKET, .socket = {.socket = open->socket}};
    if (endpoint != NULL)
        in.socket.port = endpoint->bound.port;
    else
        in.socket.error = (uint8_t)error_of(errno);
    pending_put(udp, &in);
}

void udp_output(struct udp *udp, const struct node_out *out)
{
    switch (out->kind) {
    case NODE_OUT_SEND:
        output_send(udp, &out->send);
        break;
    case NODE_OUT_OPEN:
        output_open(udp, &out->open);
        break;
    default:
        check(out->kind == NODE_OUT_CLOSE);
        udp_flush(udp);
        pending_forget(udp, out->close);
        for (uint32_t i = 0; i < udp->endpoints_end; i++) {
            if (udp->endpoints[i].fd >= 0 && udp->endpoints[i].socket == out->close)
                endpoint_close(udp, &udp->endpoints[i]);
        }
        break;
    }
}

/* ---- Inputs of the node ---------------------------------------------------------------------- */

void udp_feed(struct udp *udp, const struct node_in *in)
{
    pending_put(udp, in);
    while (udp->pending_count > 0) {
        struct node_in next = udp->pending[udp->pending_first];
        udp->pending_first = (udp->pending_first + 1) % UDP_PENDING_MAX;
        udp->pending_count--;
        next.now_ns = udp_now_ns();
        drive_input(udp->drive, &next);
        udp_flush(udp);
    }
}

/* Our own address, from the control messages; else what the socket is bound to. */
static struct addr local_address(struct msghdr *message, const struct udp_endpoint *endpoint)
{
    uint16_t port = endpoint->bound.port;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return addr_v4(ntohl(info.ipi_addr.s_addr), port);
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return addr_v6(info.ipi6_addr.s6_addr, port);
        }
    }
    return endpoint->bound;
}

/* The class of an ICMPv4 error; 0 when it is of none. */
static uint8_t icmp_v4(uint8_t type, uint8_t code)
{
    if (type == ICMP_TIME_EXCEEDED)
        return NODE_ICMP_TIME_EXCEEDED;
    if (type != ICMP_DEST_UNREACH)
        return 0;
    switch (code) {
    case ICMP_NET_UNREACH:
    case ICMP_SR_FAILED:
    case ICMP_NET_UNKNOWN:
    case ICMP_NET_UNR_TOS:
        return NODE_ICMP_UNREACHABLE_NET;
    case ICMP_PROT_UNREACH:
    case ICMP_PORT_UNREACH:
        return NODE_ICMP_UNREACHABLE_PORT;
    case ICMP_FRAG_NEEDED:
        return NODE_ICMP_TOO_BIG;
    case ICMP_NET_ANO:
    case ICMP_HOST_ANO:
    case ICMP_PKT_FILTERED:
    case ICMP_PREC_VIOLATION:
    case ICMP_PREC_CUTOFF:
        return NODE_ICMP_PROHIBITED;
    default:
        return NODE_ICMP_UNREACHABLE_HOST;
    }
}

/* Likewise of ICMPv6. */
static uint8_t icmp_v6(uint8_t type, uint8_t code)
{
    if (type == ICMP6_TIME_EXCEEDED)
        return NODE_ICMP_TIME_EXCEEDED;
    if (type == ICMP6_PACKET_TOO_BIG)
        return NODE_ICMP_TOO_BIG;
    if (type != ICMP6_DST_UNREACH)
        return 0;
    switch (code) {
    case ICMP6_DST_UNREACH_NOROUTE:
    case ICMP6_DST_UNREACH_BEYONDSCOPE:
        return NODE_ICMP_UNREACHABLE_NET;
    case ICMP6_DST_UNREACH_ADDR:
        return NODE_ICMP_UNREACHABLE_HOST;
    case ICMP6_DST_UNREACH_NOPORT:
        return NODE_ICMP_UNREACHABLE_PORT;
    default: /* by policy (RFC 4443, section 3.1) */
        return NODE_ICMP_PROHIBITED;
    }
}

/* The ICMP error that the control messages tell of; its class is 0 when there is none. */
static struct node_in_icmp icmp_of(struct msghdr *message)
{
    struct node_in_icmp icmp = {.error = 0};
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        bool v4 = c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR;
        bool v6 = c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR;
        if (!v4 && !v6)
            continue;
        /* The system puts the reporter's address right behind the error. */
        struct {
            struct sock_extended_err error;
            union socket_address reporter;
        } said = {.error = {0}};
        size_t size = c->cmsg_len - CMSG_LEN(0);
        memcpy(&said, CMSG_DATA(c), size < sizeof said ? size : sizeof said);
        if (said.error.ee_origin == SO_EE_ORIGIN_ICMP)
            icmp.error = icmp_v4(said.error.ee_type, said.error.ee_code);
        else if (said.error.ee_origin == SO_EE_ORIGIN_ICMP6)
            icmp.error = icmp_v6(said.error.ee_type, said.error.ee_code);
        icmp.mtu = icmp.error == NODE_ICMP_TOO_BIG ? said.error.ee_info : 0;
        icmp.reporter = addr_with_port(socket_address_addr(&said.reporter), 0);
    }
    return icmp;
}

/* Reads one ICMP error; false when none waits. */
static bool take_error(struct udp *udp, const struct udp_endpoint *endpoint)
{
    union socket_address to;
    struct control control;
    struct msghdr message = {
        .msg_name = &to, /* where the quoted datagram was going */
        .msg_namelen = sizeof to,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    if (recvmsg(endpoint->fd, &message, MSG_ERRQUEUE) < 0)
        return false;
    struct node_in_icmp icmp = icmp_of(&message);
    if (icmp.error == 0)
        return true;
    udp->counts.icmp++;
    icmp.socket = endpoint->socket;
    icmp.local = local_address(&message, endpoint);
    icmp.remote = socket_address_addr(&to);
    udp_feed(udp, &(struct node_in){.kind = NODE_IN_ICMP, .icmp = icmp});
    return true;
}

static void take_errors(struct udp *udp, struct udp_endpoint *endpoint)
{
    endpoint->erred = false;
    bool more = true;
    for (int n = 0; n < ERRORS_MAX && more && endpoint->fd >= 0; n++)
        more = take_error(udp, endpoint);
}

/* The size of each datagram of a train but the last; 0 when it is one datagram. */
static uint32_t segment_of(struct msghdr *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c != NULL; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
            int segment;
            memcpy(&segment, CMSG_DATA(c), sizeof segment);
            return segment > 0 ? (uint32_t)segment : 0;
        }
    }
    return 0;
}

static void take_datagram(struct udp *udp, const struct udp_endpoint *endpoint,
                          struct mmsghdr *message)
{
    if ((message->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        udp->counts.truncated++;
        return;
    }
    struct node_in in = {
        .kind = NODE_IN_DATAGRAM,
        .datagram = {.socket = endpoint->socket,
                     .local = local_address(&message->msg_hdr, endpoint),
                     .remote = socket_address_addr(message->msg_hdr.msg_name),
                     .bytes = message->msg_hdr.msg_iov->iov_base,
                     .size = message->msg_len,
                     .segment = segment_of(&message->msg_hdr)},
    };
    if (in.datagram.segment >= in.datagram.size)
        in.datagram.segment = 0;
    uint32_t segment = in.datagram.segment;
    udp->counts.received += segment == 0 ? 1 : (in.datagram.size + segment - 1) / segment;
    udp->counts.received_bytes += in.datagram.size;
    udp_feed(udp, &in);
}

void udp_read(struct udp *udp, struct udp_endpoint *endpoint)
{
    union socket_address from[UDP_RECEIVE_MAX];
    struct control controls[UDP_RECEIVE_MAX];
    struct iovec parts[UDP_RECEIVE_MAX];
    struct mmsghdr messages[UDP_RECEIVE_MAX];
    check(endpoint->fd >= 0);
    uint32_t number = endpoint->socket;
    if (endpoint->erred)
        take_errors(udp, endpoint);
    if (endpoint->fd < 0)
        return;
    for (unsigned i = 0; i < UDP_RECEIVE_MAX; i++) {
        parts[i] = (struct iovec){.iov_base = udp->datagrams[i], .iov_len = UDP_DATAGRAM_MAX};
        messages[i].msg_hdr = (struct msghdr){
            .msg_name = &from[i],
            .msg_namelen = sizeof from[i],
            .msg_iov = &parts[i],
            .msg_iovlen = 1,
            .msg_control = &controls[i],
            .msg_controllen = sizeof controls[i],
        };
    }
    int count = recvmmsg(endpoint->fd, messages, UDP_RECEIVE_MAX, MSG_DONTWAIT, NULL);
    if (count < 0) {
        take_errors(udp, endpoint);
        return;
    }
    udp->counts.receives++;
    /* The node may close a socket at any input; then it hears no more of it. */
    for (int i = 0; i < count && endpoint->fd >= 0 && endpoint->socket == number; i++)
        take_datagram(udp, endpoint, &messages[i]);
}

bool udp_wait(struct udp *udp, uint64_t wait_ns, const sigset_t *blocked)
{
    struct pollfd polled[UDP_ENDPOINTS_MAX];
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++)
        polled[i] = (struct pollfd){.fd = udp->endpoints[i].fd, .events = POLLIN};
    struct timespec wait = {.tv_sec = (time_t)(wait_ns / SECOND_NS),
                            .tv_nsec = (long)(wait_ns % SECOND_NS)};
    int ready = ppoll(polled, UDP_ENDPOINTS_MAX, wait_ns == NODE_NEVER ? NULL : &wait, blocked);
    if (ready < 0)
        return errno == EINTR;
    for (unsigned i = 0; ready > 0 && i < UDP_ENDPOINTS_MAX; i++) {
        /* The node may close a socket at any input, so that is looked at each time. */
        struct udp_endpoint *endpoint = &udp->endpoints[i];
        if (polled[i].revents == 0 || endpoint->fd != polled[i].fd)
            continue;
        endpoint->erred = endpoint->erred || (polled[i].revents & POLLERR) != 0;
        udp_read(udp, endpoint);
    }
    return true;
}
