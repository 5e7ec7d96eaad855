/*
 * Numbered packets through real tunnels. The kernel of a client's namespace makes and takes off
 * their headers, so here they are datagrams between the addresses that clients have inside.
 */
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/socket_address.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/programs_state.h"

/* ---- Receiving ---- */

static void on_datagram(struct ev_loop *loop, ev_io *io, int events)
{
    const struct programs_port *port = io->data;
    const struct programs_events *to = &port->programs->config.events;
    (void)loop, (void)events;
    for (;;) {
        uint8_t bytes[NODE_PACKET_MAX + 1];
        struct numbered numbered;
        union socket_address name = {.v6 = {.sin6_family = AF_UNSPEC}};
        socklen_t name_size = sizeof name;
        ssize_t size = recvfrom(io->fd, bytes, sizeof bytes, 0, &name.any, &name_size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return;
        if (!numbered_read_data(&numbered, bytes, (size_t)size) || numbered.to != port->place)
            continue;
        struct addr source = socket_address_addr(&name);
        struct addr from = mesh_inner(numbered.from, numbered_family(&numbered));
        from.port = NUMBERED_PORT;
        if (addr_equal(&source, &from))
            to->arrived(to->context, port->place, &numbered);
    }
}

/* ---- Sending ---- */

/*
 * Through the tunnel interface or not at all: while it is not there, the kernel would know another
 * way, and the packet would go out in the open.
 */
static void send_through(int fd, const struct addr *remote, int interface, void *bytes, size_t size)
{
    union socket_address name;
    struct iovec data = {.iov_base = bytes, .iov_len = size};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control = {.bytes = {0}};
    struct msghdr message = {.msg_name = &name,
                             .msg_namelen = socket_address_of(remote, &name),
                             .msg_iov = &data,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes};
    bool v4 = remote->family == ADDR_V4;
    struct in_pktinfo out_v4 = {.ipi_ifindex = interface};
    struct in6_pktinfo out_v6 = {.ipi6_ifindex = (unsigned)interface};
    size_t info_size = v4 ? sizeof out_v4 : sizeof out_v6;
    message.msg_controllen = CMSG_SPACE(info_size);
    struct cmsghdr *info = CMSG_FIRSTHDR(&message);
    info->cmsg_level = v4 ? IPPROTO_IP : IPPROTO_IPV6;
    info->cmsg_type = v4 ? IP_PKTINFO : IPV6_PKTINFO;
    info->cmsg_len = CMSG_LEN(info_size);
    memcpy(CMSG_DATA(info), v4 ? (const void *)&out_v4 : (const void *)&out_v6, info_size);
    /* What the kernel does not take is lost, as a packet may be anywhere. */
    (void)sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void programs_send_now(const struct programs *programs, const struct numbered *numbered,
                       uint32_t size)
{
    uint8_t bytes[NODE_PACKET_MAX];
    struct ifreq interface = {.ifr_name = PROGRAMS_INTERFACE};
    check(numbered->from < programs->count && size <= sizeof bytes);
    const struct programs_port *port = programs->ports[numbered->from];
    uint8_t family = numbered_family(numbered);
    int fd = port != NULL ? port->fd[family == ADDR_V6] : -1;
    if (fd < 0 || ioctl(fd, SIOCGIFINDEX, &interface) != 0)
        return;
    struct addr remote = addr_with_port(mesh_inner(numbered->to, family), NUMBERED_PORT);
    size_t data = numbered_write_data(numbered, bytes, size);
    send_through(fd, &remote, interface.ifr_ifindex, bytes, data);
}

/* ---- Sockets ---- */

static int open_socket(int host, uint8_t family, char error[static SPACE_ERROR_SIZE])
{
    struct addr any = {.family = family, .port = NUMBERED_PORT};
    int on = 1;
    union socket_address name;
    socklen_t name_size = socket_address_of(&any, &name);
    int fd = space_socket(host, name.any.sa_family, SOCK_DGRAM, 0, error);
    if (fd < 0)
        return -1;
    bool done = family == ADDR_V4 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    if (done && bind(fd, &name.any, name_size) == 0)
        return fd;
    snprintf(error, SPACE_ERROR_SIZE, "cannot bind UDP port %d for numbered packets: %s",
             NUMBERED_PORT, strerror(errno));
    close(fd);
    return -1;
}

bool programs_open_port(struct programs *programs, uint32_t place,
                        char error[static SPACE_ERROR_SIZE])
{
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    struct programs_port *port = calloc(1, sizeof *port);
    check(port != NULL && programs->ports[place] == NULL);
    *port = (struct programs_port){.programs = programs, .place = place, .fd = {-1, -1}};
    programs->ports[place] = port;
    for (int i = 0; i < 2; i++) {
        port->fd[i] = open_socket(programs->config.hosts[place], families[i], error);
        if (port->fd[i] < 0)
            return false;
        ev_io_init(&port->io[i], on_datagram, port->fd[i], EV_READ);
        port->io[i].data = port;
        ev_io_start(programs->config.loop, &port->io[i]);
    }
    return true;
}

void programs_close_port(struct programs_port *port)
{
    for (int i = 0; port != NULL && i < 2; i++) {
        if (port->fd[i] < 0)
            continue;
        ev_io_stop(port->programs->config.loop, &port->io[i]);
        close(port->fd[i]);
    }
    free(port);
}
