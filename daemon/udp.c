/* The UDP sockets of one node on Linux. */
#include "daemon/udp.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

#include "core/base/check.h"

#define SECOND_NS UINT64_C(1000000000)

/* Datagrams read from one socket before the next has its turn. */
enum { BATCH_MAX = 64 };

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* Room for all control messages that one datagram may bear, aligned as they must be. */
union control {
    struct cmsghdr align;
    uint8_t bytes[512];
};

uint64_t udp_now_ns(void)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_BOOTTIME, &now);
    check(failed == 0);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

static struct addr addr_of_v4(const struct in_addr *ip, uint16_t port)
{
    return addr_v4(ntohl(ip->s_addr), port);
}

static struct addr addr_of(const union socket_address *address)
{
    if (address->any.sa_family == AF_INET)
        return addr_of_v4(&address->v4.sin_addr, ntohs(address->v4.sin_port));
    if (address->any.sa_family == AF_INET6)
        return addr_v6(address->v6.sin6_addr.s6_addr, ntohs(address->v6.sin6_port));
    return (struct addr){0};
}

static socklen_t socket_address_of(const struct addr *addr, union socket_address *address)
{
    memset(address, 0, sizeof *address);
    if (addr->family == ADDR_V4) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons(addr->port);
        memcpy(&address->v4.sin_addr, addr->ip, 4);
        return sizeof address->v4;
    }
    check(addr->family == ADDR_V6);
    address->v6.sin6_family = AF_INET6;
    address->v6.sin6_port = htons(addr->port);
    memcpy(&address->v6.sin6_addr, addr->ip, 16);
    return sizeof address->v6;
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

/*
 * Opens and binds; the endpoint's port is then known. NULL, with errno, when that cannot be done.
 */
static struct udp_endpoint *endpoint_open(struct udp *udp, uint32_t number, struct addr bound)
{
    struct udp_endpoint *endpoint = udp->endpoints;
    while (endpoint < udp->endpoints + UDP_ENDPOINTS_MAX && endpoint->fd >= 0)
        endpoint++;
    check(endpoint < udp->endpoints + UDP_ENDPOINTS_MAX);

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
    *endpoint = (struct udp_endpoint){.fd = fd, .socket = number, .bound = addr_of(&address)};
    return endpoint;
}

static void endpoint_close(struct udp_endpoint *endpoint)
{
    close(endpoint->fd);
    endpoint->fd = -1;
}

void udp_init(struct udp *udp, struct drive *drive)
{
    check(drive != NULL);
    udp->drive = drive;
    udp->pending_first = 0;
    udp->pending_count = 0;
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++)
        udp->endpoints[i] = (struct udp_endpoint){.fd = -1};
}

void udp_close(struct udp *udp)
{
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++) {
        if (udp->endpoints[i].fd >= 0)
            endpoint_close(&udp->endpoints[i]);
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
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++) {
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
    union control *control = message->msg_control;
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

/* Sends one datagram; 0 or the error. */
static int send_one(struct udp_endpoint *endpoint, const struct node_out_send *send,
                    const uint8_t *bytes, size_t size)
{
    union socket_address to;
    union control control;
    memset(&control, 0, sizeof control);
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {
        .msg_name = &to,
        .msg_namelen = socket_address_of(&send->remote, &to),
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
    };
    put_headers(&message, endpoint, send);
    if (message.msg_controllen == 0)
        message.msg_control = NULL;
    set_dont_fragment(endpoint, send->dont_fragment);
    /*
     * The first failure may be an ICMP error about an earlier datagram: the system did not try to
     * send this one.
     */
    for (int tries = 0; tries < 2; tries++) {
        if (sendmsg(endpoint->fd, &message, 0) >= 0)
            return 0;
    }
    return errno;
}

static void output_send(struct udp *udp, const struct node_out_send *send)
{
    struct udp_endpoint *endpoint =
        endpoint_for(udp, send->socket, &send->source, send->remote.family);
    uint32_t segment = send->segment > 0 ? send->segment : send->size;
    int error = endpoint == NULL ? EADDRNOTAVAIL : 0;
    for (uint32_t at = 0; error == 0 && at < send->size; at += segment) {
        size_t size = send->size - at < segment ? send->size - at : segment;
        error = send_one(endpoint, send, send->bytes + at, size);
    }
    /*
     * When too many are refused at once, the rest is as lost on the way; room is kept for the
     * answers to NODE_OUT_OPEN.
     */
    if (error != 0 && udp->pending_count < UDP_PENDING_MAX - UDP_ENDPOINTS_MAX)
        pending_put(udp, &(struct node_in){.kind = NODE_IN_UNSENT,
                                           .unsent = {.socket = send->socket,
                                                      .remote = send->remote,
                                                      .error = (uint8_t)error_of(error)}});
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
        pending_forget(udp, out->close);
        for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++) {
            if (udp->endpoints[i].fd >= 0 && udp->endpoints[i].socket == out->close)
                endpoint_close(&udp->endpoints[i]);
        }
        break;
    }
}

/* ---- Inputs of the node ---------------------------------------------------------------------- */

void udp_feed(struct udp *udp, const struct node_in *in)
{
    check(udp->pending_count == 0);
    pending_put(udp, in);
    while (udp->pending_count > 0) {
        struct node_in next = udp->pending[udp->pending_first];
        udp->pending_first = (udp->pending_first + 1) % UDP_PENDING_MAX;
        udp->pending_count--;
        next.now_ns = udp_now_ns();
        drive_input(udp->drive, &next);
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
            return addr_of_v4(&info.ipi_addr, port);
        }
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo info;
            memcpy(&info, CMSG_DATA(c), sizeof info);
            return addr_v6(info.ipi6_addr.s6_addr, port);
        }
    }
    return endpoint->bound;
}

/* Reads one datagram, or takes an error off the socket; false when there is neither. */
static bool take_datagram(struct udp *udp, const struct udp_endpoint *endpoint)
{
    union socket_address from;
    union control control;
    struct iovec part = {.iov_base = udp->datagram, .iov_len = sizeof udp->datagram};
    struct msghdr message = {
        .msg_name = &from,
        .msg_namelen = sizeof from,
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    ssize_t size = recvmsg(endpoint->fd, &message, 0);
    if (size < 0)
        return errno != EAGAIN;
    struct node_in_datagram datagram = {
        .socket = endpoint->socket,
        .local = local_address(&message, endpoint),
        .remote = addr_of(&from),
        .bytes = udp->datagram,
        .size = (uint32_t)size,
    };
    udp_feed(udp, &(struct node_in){.kind = NODE_IN_DATAGRAM, .datagram = datagram});
    return true;
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
        icmp.reporter = addr_with_port(addr_of(&said.reporter), 0);
    }
    return icmp;
}

/* Reads one ICMP error; false when none waits. */
static bool take_error(struct udp *udp, const struct udp_endpoint *endpoint)
{
    union socket_address to;
    union control control;
    struct iovec part = {.iov_base = udp->datagram, .iov_len = sizeof udp->datagram};
    struct msghdr message = {
        .msg_name = &to, /* where the quoted datagram was going */
        .msg_namelen = sizeof to,
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    if (recvmsg(endpoint->fd, &message, MSG_ERRQUEUE) < 0)
        return false;
    struct node_in_icmp icmp = icmp_of(&message);
    if (icmp.error == 0)
        return true;
    icmp.socket = endpoint->socket;
    icmp.local = local_address(&message, endpoint);
    icmp.remote = addr_of(&to);
    udp_feed(udp, &(struct node_in){.kind = NODE_IN_ICMP, .icmp = icmp});
    return true;
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
        const struct udp_endpoint *endpoint = &udp->endpoints[i];
        bool more = (polled[i].revents & POLLERR) != 0;
        for (int n = 0; n < BATCH_MAX && more && endpoint->fd >= 0; n++)
            more = take_error(udp, endpoint);
        more = polled[i].revents != 0;
        for (int n = 0; n < BATCH_MAX && more && endpoint->fd >= 0; n++)
            more = take_datagram(udp, endpoint);
    }
    return true;
}
