/* Links, addresses and routes of Linux, over rtnetlink. */
#include "daemon/netlink.h"

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "core/base/check.h"

/* A request as it is built up, in one buffer: its header, a fixed part and attributes. */
struct request {
    _Alignas(struct nlmsghdr) uint8_t bytes[256];
};

static struct nlmsghdr *begin(struct request *request, uint16_t type, uint16_t flags,
                              const void *fixed, size_t size)
{
    memset(request, 0, sizeof *request);
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)request->bytes;
    check(NLMSG_SPACE(size) <= sizeof request->bytes);
    header->nlmsg_len = (uint32_t)NLMSG_LENGTH(size);
    header->nlmsg_type = type;
    header->nlmsg_flags = flags | NLM_F_REQUEST;
    memcpy(NLMSG_DATA(header), fixed, size);
    return header;
}

static void put(struct request *request, uint16_t type, const void *value, size_t size)
{
    struct nlmsghdr *header = (struct nlmsghdr *)(void *)request->bytes;
    size_t at = NLMSG_ALIGN(header->nlmsg_len);
    check(at + RTA_SPACE(size) <= sizeof request->bytes);
    struct rtattr attribute = {.rta_len = (uint16_t)RTA_LENGTH(size), .rta_type = type};
    memcpy(request->bytes + at, &attribute, sizeof attribute);
    memcpy(request->bytes + at + RTA_LENGTH(0), value, size);
    header->nlmsg_len = (uint32_t)(at + RTA_SPACE(size));
}

static void put_u32(struct request *request, uint16_t type, uint32_t value)
{
    put(request, type, &value, sizeof value);
}

static uint8_t family_of(const struct addr *addr)
{
    check(addr->family == ADDR_V4 || addr->family == ADDR_V6);
    return addr->family == ADDR_V4 ? AF_INET : AF_INET6;
}

/* ---- Talking to the kernel ------------------------------------------------------------------- */

static int open_socket(uint32_t groups)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (groups != 0 ? SOCK_NONBLOCK : 0),
                    NETLINK_ROUTE);
    struct sockaddr_nl address = {.nl_family = AF_NETLINK, .nl_groups = groups};
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

bool netlink_open(struct netlink *netlink)
{
    netlink->sequence = 0;
    netlink->watch_fd = -1;
    netlink->fd = open_socket(0);
    if (netlink->fd < 0)
        return false;
    netlink->watch_fd = open_socket(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
                                    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE);
    if (netlink->watch_fd >= 0)
        return true;
    int error = errno;
    netlink_close(netlink);
    errno = error;
    return false;
}

void netlink_close(struct netlink *netlink)
{
    if (netlink->fd >= 0)
        close(netlink->fd);
    if (netlink->watch_fd >= 0)
        close(netlink->watch_fd);
    netlink->fd = -1;
    netlink->watch_fd = -1;
}

static bool send_request(struct netlink *netlink, struct nlmsghdr *header)
{
    check(netlink->fd >= 0);
    header->nlmsg_seq = ++netlink->sequence;
    return send(netlink->fd, header, header->nlmsg_len, 0) == (ssize_t)header->nlmsg_len;
}

/* Called with each message of an answer. */
typedef void take_message(void *context, struct nlmsghdr *message);

/*
 * Reads the answer to the last request to its end, which the kernel gives at once. False, with
 * errno, when it is an error.
 */
static bool read_answer(struct netlink *netlink, take_message *take, void *context)
{
    for (;;) {
        ssize_t got = recv(netlink->fd, netlink->buffer, sizeof netlink->buffer, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        struct nlmsghdr *message = (struct nlmsghdr *)(void *)netlink->buffer;
        for (uint32_t left = (uint32_t)got; NLMSG_OK(message, left);
             message = NLMSG_NEXT(message, left)) {
            /* What is left of an earlier answer. */
            if (message->nlmsg_seq != netlink->sequence)
                continue;
            if (message->nlmsg_type == NLMSG_DONE)
                return true;
            if (message->nlmsg_type == NLMSG_ERROR) {
                struct nlmsgerr said;
                memcpy(&said, NLMSG_DATA(message), sizeof said);
                errno = -said.error;
                return said.error == 0;
            }
            if (take != NULL)
                take(context, message);
        }
    }
}

/* A request that is answered with success or an error only. */
static bool ask(struct netlink *netlink, struct nlmsghdr *header)
{
    header->nlmsg_flags |= NLM_F_ACK;
    return send_request(netlink, header) && read_answer(netlink, NULL, NULL);
}

static bool dump(struct netlink *netlink, uint16_t type, take_message *take, void *context)
{
    struct rtgenmsg general = {.rtgen_family = AF_UNSPEC};
    struct request request;
    struct nlmsghdr *header = begin(&request, type, NLM_F_DUMP, &general, sizeof general);
    return send_request(netlink, header) && read_answer(netlink, take, context);
}

/* ---- Setting up the tunnel's interface ------------------------------------------------------- */

uint32_t netlink_index(const char *name)
{
    return if_nametoindex(name);
}

bool netlink_up(struct netlink *netlink, uint32_t index, uint32_t mtu)
{
    check(index > 0 && mtu > 0);
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC,
                             .ifi_index = (int)index,
                             .ifi_flags = IFF_UP,
                             .ifi_change = IFF_UP};
    struct request request;
    struct nlmsghdr *header = begin(&request, RTM_NEWLINK, 0, &link, sizeof link);
    put_u32(&request, IFLA_MTU, mtu);
    return ask(netlink, header);
}

bool netlink_segments(struct netlink *netlink, uint32_t index, uint32_t most)
{
    check(index > 0 && most > 0);
    struct ifinfomsg link = {.ifi_family = AF_UNSPEC, .ifi_index = (int)index};
    struct request request;
    struct nlmsghdr *header = begin(&request, RTM_NEWLINK, 0, &link, sizeof link);
    put_u32(&request, IFLA_GSO_MAX_SEGS, most);
    return ask(netlink, header);
}

bool netlink_address_add(struct netlink *netlink, uint32_t index, const struct addr *addr,
                         unsigned bits)
{
    check(index > 0 && bits <= 8 * addr_ip_size(addr));
    struct ifaddrmsg message = {
        .ifa_family = family_of(addr), .ifa_prefixlen = (uint8_t)bits, .ifa_index = index};
    struct request request;
    struct nlmsghdr *header =
        begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &message, sizeof message);
    put(&request, IFA_LOCAL, addr->ip, addr_ip_size(addr));
    put(&request, IFA_ADDRESS, addr->ip, addr_ip_size(addr));
    /* Nobody else can have the address of a tunnel, and it is to be used at once. */
    if (addr->family == ADDR_V6)
        put_u32(&request, IFA_FLAGS, IFA_F_NODAD);
    return ask(netlink, header) || errno == EEXIST;
}

static bool change_route(struct netlink *netlink, uint16_t type, uint32_t index,
                         const struct subnet *subnet, const struct addr *source)
{
    check(index > 0 && subnet_is_valid(subnet));
    struct rtmsg route = {
        .rtm_family = family_of(&subnet->addr),
        .rtm_dst_len = subnet->bits,
        .rtm_table = RT_TABLE_MAIN,
        .rtm_protocol = RTPROT_STATIC,
        .rtm_scope = subnet->addr.family == ADDR_V4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE,
        .rtm_type = RTN_UNICAST,
    };
    uint16_t flags = type == RTM_NEWROUTE ? NLM_F_CREATE | NLM_F_EXCL : 0;
    struct request request;
    struct nlmsghdr *header = begin(&request, type, flags, &route, sizeof route);
    put(&request, RTA_DST, subnet->addr.ip, addr_ip_size(&subnet->addr));
    put_u32(&request, RTA_OIF, index);
    if (source->family != ADDR_NONE) {
        check(source->family == subnet->addr.family);
        put(&request, RTA_PREFSRC, source->ip, addr_ip_size(source));
    }
    return ask(netlink, header);
}

bool netlink_route_add(struct netlink *netlink, uint32_t index, const struct subnet *subnet,
                       const struct addr *source)
{
    if (change_route(netlink, RTM_NEWROUTE, index, subnet, source))
        return true;
    if (errno != EEXIST)
        return false;
    /* One of this interface may have another source; another's is not ours to replace. */
    const struct addr none = {.family = ADDR_NONE};
    if (change_route(netlink, RTM_DELROUTE, index, subnet, &none))
        return change_route(netlink, RTM_NEWROUTE, index, subnet, source);
    errno = EEXIST;
    return false;
}

bool netlink_route_remove(struct netlink *netlink, uint32_t index, const struct subnet *subnet)
{
    const struct addr none = {.family = ADDR_NONE};
    return change_route(netlink, RTM_DELROUTE, index, subnet, &none) || errno == ESRCH;
}

/* ---- Our own addresses ----------------------------------------------------------------------- */

enum { CANDIDATES_MAX = 64, FAMILIES = 2 };

/* How good an address is to be reached at: the greatest is best. */
struct candidate {
    struct addr addr;
    uint32_t score;
};

struct listing {
    uint32_t except;
    uint32_t default_index[FAMILIES]; /* where the default route leaves: 0, nowhere */
    uint32_t default_metric[FAMILIES];
    uint32_t count;
    struct candidate candidates[CANDIDATES_MAX];
};

static unsigned family_slot(uint8_t family)
{
    return family == AF_INET ? 0 : 1;
}

/* The attribute's value, when it has at least `size` bytes; else NULL. */
static const void *attribute_of(struct rtattr *attributes, uint32_t left, uint16_t type,
                                size_t size)
{
    for (struct rtattr *a = attributes; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
        if (a->rta_type == type && RTA_PAYLOAD(a) >= size)
            return RTA_DATA(a);
    }
    return NULL;
}

static uint32_t attribute_u32(struct rtattr *attributes, uint32_t left, uint16_t type,
                              uint32_t otherwise)
{
    const void *value = attribute_of(attributes, left, type, sizeof(uint32_t));
    if (value != NULL)
        memcpy(&otherwise, value, sizeof otherwise);
    return otherwise;
}

/* Keeps the default route of least metric in each family. */
static void take_route(void *context, struct nlmsghdr *message)
{
    struct listing *listing = context;
    const struct rtmsg *route = NLMSG_DATA(message);
    if (message->nlmsg_type != RTM_NEWROUTE || message->nlmsg_len < NLMSG_LENGTH(sizeof *route) ||
        route->rtm_dst_len != 0 || route->rtm_type != RTN_UNICAST ||
        route->rtm_table != RT_TABLE_MAIN ||
        (route->rtm_family != AF_INET && route->rtm_family != AF_INET6))
        return;
    uint32_t left = (uint32_t)RTM_PAYLOAD(message);
    uint32_t index = attribute_u32(RTM_RTA(route), left, RTA_OIF, 0);
    uint32_t metric = attribute_u32(RTM_RTA(route), left, RTA_PRIORITY, 0);
    unsigned slot = family_slot(route->rtm_family);
    if (index == 0 || index == listing->except)
        return;
    if (listing->default_index[slot] == 0 || metric < listing->default_metric[slot]) {
        listing->default_index[slot] = index;
        listing->default_metric[slot] = metric;
    }
}

static void take_address(void *context, struct nlmsghdr *message)
{
    struct listing *listing = context;
    const struct ifaddrmsg *said = NLMSG_DATA(message);
    if (message->nlmsg_type != RTM_NEWADDR || message->nlmsg_len < NLMSG_LENGTH(sizeof *said) ||
        said->ifa_index == listing->except || said->ifa_scope != RT_SCOPE_UNIVERSE ||
        (said->ifa_family != AF_INET && said->ifa_family != AF_INET6) ||
        listing->count == CANDIDATES_MAX)
        return;
    uint32_t left = (uint32_t)IFA_PAYLOAD(message);
    struct rtattr *attributes = IFA_RTA(said);
    uint32_t flags = attribute_u32(attributes, left, IFA_FLAGS, said->ifa_flags);
    bool v4 = said->ifa_family == AF_INET;
    /* On a link between two ends IFA_ADDRESS is the other end's. */
    const uint8_t *ip = attribute_of(attributes, left, IFA_LOCAL, v4 ? 4 : 16);
    if (ip == NULL)
        ip = attribute_of(attributes, left, IFA_ADDRESS, v4 ? 4 : 16);
    if (ip == NULL || (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)) != 0)
        return;
    struct addr addr = {.family = v4 ? ADDR_V4 : ADDR_V6};
    memcpy(addr.ip, ip, v4 ? 4 : 16);
    if (!addr_is_unicast(&addr))
        return;
    uint32_t score = said->ifa_index == listing->default_index[family_slot(said->ifa_family)];
    score = score << 1 | !addr_is_private(&addr);
    /* A lasting address, and the first of its subnet; temporary and secondary are one bit. */
    score = score << 1 | ((flags & IFA_F_SECONDARY) == 0);
    listing->candidates[listing->count++] = (struct candidate){.addr = addr, .score = score};
}

/* Takes the best one of a family out of the listing; false when there is none. */
static bool take_best(struct listing *listing, uint8_t family, struct addr *addr)
{
    uint32_t best = CANDIDATES_MAX;
    for (uint32_t i = 0; i < listing->count; i++) {
        const struct candidate *candidate = &listing->candidates[i];
        /* Of equals the first one, so that the order is the kernel's. */
        if (candidate->addr.family == family &&
            (best == CANDIDATES_MAX || candidate->score > listing->candidates[best].score))
            best = i;
    }
    if (best == CANDIDATES_MAX)
        return false;
    *addr = listing->candidates[best].addr;
    listing->candidates[best].addr.family = ADDR_NONE;
    return true;
}

bool netlink_addresses(struct netlink *netlink, uint32_t except,
                       struct addr addresses[static NODE_ADDRESSES], uint32_t *count)
{
    struct listing listing = {.except = except};
    *count = 0;
    if (!dump(netlink, RTM_GETROUTE, take_route, &listing) ||
        !dump(netlink, RTM_GETADDR, take_address, &listing))
        return false;
    for (bool more = true; more && *count < NODE_ADDRESSES;) {
        more = take_best(&listing, ADDR_V4, &addresses[*count]);
        *count += more;
        if (*count < NODE_ADDRESSES && take_best(&listing, ADDR_V6, &addresses[*count])) {
            ++*count;
            more = true;
        }
    }
    return true;
}

/* ---- Changes --------------------------------------------------------------------------------- */

bool netlink_changed(struct netlink *netlink)
{
    bool changed = false;
    check(netlink->watch_fd >= 0);
    for (;;) {
        ssize_t got =
            recv(netlink->watch_fd, netlink->buffer, sizeof netlink->buffer, MSG_DONTWAIT);
        if (got < 0 && errno == ENOBUFS)
            changed = true; /* some were left out */
        else if (got < 0 && errno != EINTR)
            return changed;
        else if (got > 0)
            changed = true;
    }
}
