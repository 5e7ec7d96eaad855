/* Faults of a network that has been built. */
#include <errno.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "netns/kernel_part.h"

/* ---- Routers ---- */

/* Conntrack's table of a namespace, by a message that names no entry and so means all. */
static bool flush_conntrack(int host, char error[static SPACE_ERROR_SIZE])
{
    struct {
        struct nlmsghdr header;
        struct nfgenmsg message;
    } request = {
        .header = {.nlmsg_len = sizeof request,
                   .nlmsg_type = (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_DELETE,
                   .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
        .message = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0},
    };
    struct {
        struct nlmsghdr header;
        struct nlmsgerr result;
    } answer = {.result = {.error = 0}};
    int file = space_socket(host, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER, error);
    if (file < 0)
        return false;
    /* The kernel has answered by the time that send() returns. */
    bool asked = send(file, &request, sizeof request, 0) == (ssize_t)sizeof request;
    ssize_t size = asked ? recv(file, &answer, sizeof answer, 0) : -1;
    int number = size < (ssize_t)sizeof answer ? errno : -answer.result.error;
    close(file);
    if (asked && number == 0)
        return true;
    return kernel_refuse(error, "connection tracking cannot be emptied: %s", strerror(number));
}

/*
 * Between the new rules and the emptying, packets of old flows would teach the old mappings again:
 * so until both are done, the router takes nothing but IPv6's search for neighbours, which would be
 * tried again only after a second. The rest is dropped before conntrack sees it (priority -200),
 * and the last line of the new rules lets it in again.
 */
static bool flush(const struct kernel *kernel, uint32_t router, char error[static SPACE_ERROR_SIZE])
{
    struct kernel_lines *quiet = kernel_lines_new(kernel);
    fprintf(kernel_lines_at(quiet, router),
            "table inet quiet {\n chain hold {\n"
            "  type filter hook prerouting priority -400; policy drop;\n"
            "  icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept\n }\n}\n");
    if (!kernel_lines_do(kernel, quiet, KERNEL_NFT, error))
        return false;
    bool empty = flush_conntrack(kernel->places[router].host, error);
    struct kernel_lines *lines = kernel_lines_new(kernel);
    kernel_write_router(lines, kernel, router);
    fprintf(kernel_lines_at(lines, router), "delete table inet quiet\n");
    char ignored[SPACE_ERROR_SIZE] = "";
    return kernel_lines_do(kernel, lines, KERNEL_NFT, empty ? error : ignored) && empty;
}

/* The new addresses first: Linux takes the routes away from an interface that has lost its last. */
static bool renumber(struct kernel *kernel, uint32_t router, char error[static SPACE_ERROR_SIZE])
{
    struct kernel_lines *lines = kernel_lines_new(kernel);
    struct kernel_place *former = malloc(sizeof *former);
    struct kernel_place *place = &kernel->places[router];
    check(former != NULL);
    *former = *place;
    kernel_read_external(kernel, router);
    kernel_write_external(lines, kernel, router, "replace");
    struct kernel_place now = *place;
    *place = *former;
    kernel_write_external(lines, kernel, router, "del");
    *place = now;
    free(former);
    return kernel_lines_do(kernel, lines, KERNEL_IP, error) && flush(kernel, router, error);
}

/* ---- Links ---- */

static bool change_link(struct kernel *kernel, const struct net_fault *fault,
                        char error[static SPACE_ERROR_SIZE])
{
    struct kernel_cable *cable = &kernel->places[fault->place].cables[fault->interface];
    uint32_t parent = net_parent(kernel->net, fault->place, fault->interface);
    char own[SPACE_NAME_SIZE];
    char inner[SPACE_NAME_SIZE];
    kernel_own_name(kernel, fault->place, fault->interface, own);
    kernel_inner_name(kernel, fault->place, fault->interface, inner);
    if (fault->kind == NET_FAULT_LINK_DOWN)
        cable->down_ways |= fault->way;
    else if (fault->kind == NET_FAULT_LINK_UP)
        cable->down_ways &= ~fault->way;
    if (fault->kind == NET_FAULT_LINK_SET) {
        if ((fault->way & NET_WAY_UP) != 0)
            cable->up = fault->link;
        if ((fault->way & NET_WAY_DOWN) != 0)
            cable->down = fault->link;
        struct kernel_lines *addresses = kernel_lines_new(kernel);
        struct kernel_lines *qdiscs = kernel_lines_new(kernel);
        fprintf(kernel_lines_at(addresses, fault->place), "link set %s mtu %u\n", own,
                kernel_mtu(cable));
        fprintf(kernel_lines_at(addresses, parent), "link set %s mtu %u\n", inner,
                kernel_mtu(cable));
        kernel_write_qdiscs(qdiscs, kernel, fault->place, fault->interface, true);
        bool set = kernel_lines_do(kernel, addresses, KERNEL_IP, error);
        char ignored[SPACE_ERROR_SIZE] = "";
        if (!kernel_lines_do(kernel, qdiscs, KERNEL_TC, set ? error : ignored) || !set)
            return false;
    }
    struct kernel_lines *rules = kernel_lines_new(kernel);
    kernel_write_link(kernel_lines_at(rules, parent), inner, cable);
    return kernel_lines_do(kernel, rules, KERNEL_NFT, error);
}

/* ---- Hosts ---- */

/* An interface is there while neither it nor its host is down. */
static bool move_interfaces(struct kernel *kernel, const struct net_fault *fault,
                            char error[static SPACE_ERROR_SIZE])
{
    struct kernel_place *place = &kernel->places[fault->place];
    bool whole = fault->kind == NET_FAULT_HOST_DOWN || fault->kind == NET_FAULT_HOST_UP;
    bool down = fault->kind == NET_FAULT_HOST_DOWN || fault->kind == NET_FAULT_INTERFACE_DOWN;
    if (whole)
        place->is_down = down;
    else
        place->cables[fault->interface].is_down = down;
    struct kernel_lines *lines = kernel_lines_new(kernel);
    for (uint32_t i = 0; i < NET_INTERFACES_MAX; i++) {
        const struct kernel_cable *cable = &place->cables[i];
        if (!cable->used || (!whole && i != fault->interface))
            continue;
        FILE *to = kernel_lines_at(lines, fault->place);
        if (place->is_down || cable->is_down)
            fprintf(to, "addr flush dev eth%u\nlink set eth%u down\n", i, i);
        else
            kernel_write_up(to, kernel, fault->place, i);
    }
    bool well = kernel_lines_do(kernel, lines, KERNEL_IP, error);
    for (uint32_t i = 0; well && !down && i < NET_INTERFACES_MAX; i++) {
        const struct kernel_cable *cable = &place->cables[i];
        if (cable->used && !cable->is_down && !place->is_down)
            well = kernel_await(kernel, fault->place, i, error);
    }
    return well;
}

/* ---- The internet ---- */

/* The place right behind the internet that this one is, or is behind. */
static uint32_t side_of(const struct kernel *kernel, uint32_t place)
{
    uint32_t side = place;
    for (uint32_t at = place; at != NET_INTERNET; at = net_parent(kernel->net, side, 0)) {
        check(at != NET_NONE);
        side = at;
    }
    return side;
}

static void write_severed(FILE *to, const struct kernel *kernel)
{
    fprintf(to, "table inet severed\ndelete table inet severed\ntable inet severed {\n"
                " chain transit {\n  type filter hook forward priority filter; policy accept;\n");
    for (uint32_t i = 0; i < kernel->severed_count; i++) {
        char a[SPACE_NAME_SIZE];
        char b[SPACE_NAME_SIZE];
        kernel_inner_name(kernel, kernel->severed[i].side[0], 0, a);
        kernel_inner_name(kernel, kernel->severed[i].side[1], 0, b);
        fprintf(to, "  iifname \"%s\" oifname \"%s\" drop\n  iifname \"%s\" oifname \"%s\" drop\n",
                a, b, b, a);
    }
    fprintf(to, " }\n}\n");
}

static bool sever(struct kernel *kernel, const struct net_fault *fault,
                  char error[static SPACE_ERROR_SIZE])
{
    const uint32_t a = side_of(kernel, fault->place);
    const uint32_t b = side_of(kernel, fault->peer);
    check(a != b);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < kernel->severed_count; i++) {
        const uint32_t *side = kernel->severed[i].side;
        if (!((side[0] == a && side[1] == b) || (side[0] == b && side[1] == a)))
            kernel->severed[kept++] = kernel->severed[i];
    }
    kernel->severed_count = kept;
    if (fault->kind == NET_FAULT_SEVER) {
        kernel->severed = realloc(kernel->severed, ((size_t)kept + 1) * sizeof *kernel->severed);
        check(kernel->severed != NULL);
        kernel->severed[kernel->severed_count++] = (struct kernel_pair){{a, b}};
    }
    struct kernel_lines *lines = kernel_lines_new(kernel);
    write_severed(kernel_lines_at(lines, NET_INTERNET), kernel);
    return kernel_lines_do(kernel, lines, KERNEL_NFT, error);
}

bool kernel_fault(struct kernel *kernel, const struct net_fault *fault,
                  char error[static SPACE_ERROR_SIZE])
{
    check(fault->place < kernel->place_count && fault->interface < NET_INTERFACES_MAX);
    switch (fault->kind) {
    case NET_FAULT_LINK_DOWN:
    case NET_FAULT_LINK_UP:
    case NET_FAULT_LINK_SET:
        return change_link(kernel, fault, error);
    case NET_FAULT_NAT_FLUSH:
        return flush(kernel, fault->place, error);
    case NET_FAULT_WAN_ADDRESS:
        return renumber(kernel, fault->place, error);
    case NET_FAULT_INTERFACE_DOWN:
    case NET_FAULT_INTERFACE_UP:
    case NET_FAULT_HOST_DOWN:
    case NET_FAULT_HOST_UP:
        return move_interfaces(kernel, fault, error);
    case NET_FAULT_SEVER:
    case NET_FAULT_MEND:
        return sever(kernel, fault, error);
    default:
        /* What happens to a process is its owner's to do. */
        return true;
    }
}
