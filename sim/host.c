/* What a host does: sockets, addresses, and the node that it drives. */
#include "sim/host.h"
#include "core/base/check.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

static struct addr *addresses_of(struct host_interface *interface, uint8_t family, uint32_t *count)
{
    *count = family == ADDR_V4 ? interface->v4_count : interface->v6_count;
    return family == ADDR_V4 ? interface->v4 : interface->v6;
}

/* Of one family, bytes that are not used are zero: sixteen are compared at once. */
static bool interface_has(struct host_interface *interface, const struct addr *address)
{
    uint32_t count;
    const struct addr *addresses = addresses_of(interface, address->family, &count);
    for (uint32_t i = 0; i < count; i++)
        if (memcmp(addresses[i].ip, address->ip, sizeof address->ip) == 0)
            return true;
    return false;
}

const struct host_interface *host_interface_with(const struct host *host,
                                                 const struct addr *address)
{
    for (uint32_t i = 0; i < host->interface_count; i++)
        if (interface_has(&host->interfaces[i], address))
            return &host->interfaces[i];
    return NULL;
}

bool host_owns(const struct host *host, const struct addr *address)
{
    return host_interface_with(host, address) != NULL;
}

static struct host_socket *socket_at(struct host *host, uint16_t port, uint8_t family)
{
    for (uint32_t i = 0; i < host->socket_count; i++) {
        struct host_socket *socket = &host->sockets[i];
        if (socket->port == port && (socket->family == ADDR_NONE || socket->family == family))
            return socket;
    }
    return NULL;
}

struct host_socket *host_socket_named(struct host *host, uint32_t name)
{
    for (uint32_t i = 0; i < host->socket_count; i++)
        if (host->sockets[i].name == name)
            return &host->sockets[i];
    return NULL;
}

static bool port_in_use(const struct host *host, uint16_t port)
{
    for (uint32_t i = 0; i < host->socket_count; i++)
        if (host->sockets[i].port == port)
            return true;
    return false;
}

struct host_socket *host_bind(struct host *host, uint16_t port, uint32_t name, uint8_t family)
{
    if (host->socket_count == NET_SOCKETS_MAX || port_in_use(host, port))
        return NULL;
    host->sockets = world_grow(host->sockets, host->socket_count + 1, sizeof *host->sockets);
    struct host_socket *socket = &host->sockets[host->socket_count++];
    *socket = (struct host_socket){.port = port, .name = name, .family = family};
    if (host_is_carried(host))
        carried_open(host, socket);
    return socket;
}

/* Keeps the order of those that stay. */
void host_unbind(struct host *host, uint16_t port)
{
    uint32_t at = 0;
    while (at < host->socket_count && host->sockets[at].port != port)
        at++;
    check(at < host->socket_count);
    if (host_is_carried(host))
        carried_close(host, &host->sockets[at]);
    memmove(&host->sockets[at], &host->sockets[at + 1],
            (host->socket_count - at - 1) * sizeof *host->sockets);
    host->socket_count--;
}

static bool used_lately(const struct host *host, uint16_t port)
{
    for (unsigned i = 0; i < HOST_RECENT_PORTS; i++)
        if (host->recent[i] == port)
            return true;
    return false;
}

uint16_t host_ephemeral(struct host *host)
{
    uint16_t port;
    do {
        port =
            (uint16_t)(NET_PORT_LOW + random_below(&host->ports, NET_PORT_HIGH - NET_PORT_LOW + 1));
    } while (port_in_use(host, port) || used_lately(host, port));
    host->recent[host->recent_next++ % HOST_RECENT_PORTS] = port;
    return port;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static bool usable(const struct host *host, const struct host_interface *interface)
{
    return !host->net->ports[interface->port].down;
}

/* The interface that a packet leaves by; NULL when there is none. */
static struct host_interface *choose(struct host *host, const struct addr *source,
                                     const struct addr *remote)
{
    struct host_interface *found = NULL;
    unsigned best = 0;
    for (uint32_t i = 0; i < host->interface_count; i++) {
        struct host_interface *interface = &host->interfaces[i];
        uint32_t count;
        const struct addr *own = addresses_of(interface, remote->family, &count);
        if (count == 0 || !usable(host, interface))
            continue;
        if (source->family != ADDR_NONE) {
            if (interface_has(interface, source))
                return interface;
            continue;
        }
        if (host->interface_count == 1)
            return interface;
        unsigned bits = remote->family == ADDR_V4 ? interface->v4_bits : interface->v6_bits;
        struct addr here = addr_prefix(&own[0], bits);
        struct addr there = addr_prefix(remote, bits);
        if (!addr_equal(&here, &there))
            bits = 0;
        if (found == NULL || bits > best) {
            found = interface;
            best = bits;
        }
    }
    return found;
}

static uint32_t path_mtu(const struct host *host, const struct addr *remote, uint32_t mtu)
{
    for (unsigned i = 0; i < HOST_PATHS && i < host->path_next; i++)
        if (addr_equal_ip(&host->paths[i].remote, remote) && host->paths[i].mtu < mtu)
            return host->paths[i].mtu;
    return mtu;
}

/* Out of the door, cut where it has to be. IPv4 is cut on the way; an IPv6 host does it itself (RFC
 * 8200, section 5). */
static enum node_error leave(struct host *host, const struct host_interface *interface,
                             struct packet *packet)
{
    struct net *net = host->net;
    const struct port *port = &net->ports[interface->port];
    uint32_t mtu = port->mtu;
    if (packet->source.family == ADDR_V6 && !packet->dont_fragment)
        mtu = path_mtu(host, &packet->destination, mtu);
    packet->id = ++host->ip_id;
    if (packet_wire_size(packet) <= mtu) {
        world_show(net, NET_SENT, host->place, interface->port / 2, packet);
        world_transmit(net, interface->port, packet);
        return NODE_OK;
    }
    if (packet->dont_fragment && !port->black_hole) {
        world_drop(net, host->place, interface->port / 2, NET_DROP_TOO_BIG, 0, packet);
        return NODE_ERROR_TOO_BIG;
    }
    if (packet->dont_fragment || port->black_hole) {
        world_drop(net, host->place, interface->port / 2, NET_DROP_BLACK_HOLE, 0, packet);
        return NODE_OK;
    }
    uint32_t length;
    for (uint32_t offset = 0; offset < packet->length; offset += length) {
        struct packet piece;
        fragment_cut(packet, mtu, offset, &piece);
        length = piece.length;
        world_show(net, NET_SENT, host->place, interface->port / 2, &piece);
        world_transmit(net, interface->port, &piece);
    }
    packet_drop(&net->pool, packet);
    return NODE_OK;
}

enum node_error host_send(struct host *host, const struct net_send *send, const void *bytes,
                          uint32_t size)
{
    struct net *net = host->net;
    if (host->down || host->suspended)
        return NODE_ERROR_UNREACHABLE;
    if (size > PACKET_TRANSPORT_MAX - PACKET_TCP_HEADER)
        return NODE_ERROR_TOO_BIG;
    uint16_t port = send->source.port;
    struct packet packet;
    struct host_interface *interface = choose(host, &send->source, &send->remote);
    if (interface == NULL)
        return send->source.family != ADDR_NONE && !host_owns(host, &send->source)
                   ? NODE_ERROR_ADDRESS
                   : NODE_ERROR_UNREACHABLE;
    struct addr source = send->source;
    if (source.family == ADDR_NONE)
        source = addr_with_port(
            send->remote.family == ADDR_V4 ? interface->v4[0] : interface->v6[0], port);
    if (host_is_carried(host) && !host_owns(host, &send->remote)) {
        struct net_send resolved = *send;
        resolved.source = source;
        return carried_send(host, interface, &resolved, bytes, size);
    }
    packet_make_udp(&net->pool, &packet, &source, &send->remote, bytes, size);
    if (send->ttl != 0)
        packet.ttl = send->ttl;
    packet.dont_fragment = send->dont_fragment;
    if (send->protocol != 0 && send->protocol != PACKET_UDP) {
        packet.protocol = send->protocol;
        packet.length = size + packet_transport_header(&packet);
        packet.tcp_flags = send->tcp_flags;
    }
    if (send->protocol == PACKET_ICMP) {
        packet.icmp = PACKET_ICMP_ECHO_REQUEST;
        packet.destination.port = source.port;
    }
    if (host_owns(host, &packet.destination)) {
        world_show(net, NET_SENT, host->place, NET_NONE, &packet);
        world_arrive(net, interface->port, &packet);
        return NODE_OK;
    }
    return leave(host, interface, &packet);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

static void answer_error(struct host *host, uint32_t port, const struct packet *packet,
                         enum packet_icmp kind)
{
    struct net *net = host->net;
    /* A stack elsewhere answers what comes to it. */
    if (host_is_carried(host) || !icmp_may_answer(packet) ||
        !icmp_budget_take(&host->icmp, net->engine.now_ns))
        return;
    struct packet error;
    icmp_make_error(&net->pool, &error, packet, kind, 0, &packet->destination);
    error.id = ++host->ip_id;
    net->counts.icmp++;
    world_transmit(net, port, &error);
}

void host_digest(struct net *net, const struct host *host, const struct packet *packet)
{
    struct hash *digest = &net->digest;
    uint8_t addresses[2 * sizeof(struct addr)];
    struct addr ends[2] = {packet->source, packet->destination};
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *at = addresses + i * sizeof(struct addr);
        at[0] = ends[i].family;
        at[1] = packet->protocol;
        at[2] = (uint8_t)(ends[i].port >> 8);
        at[3] = (uint8_t)ends[i].port;
        memcpy(at + 4, ends[i].ip, 16);
    }
    hash_u64(digest, net->engine.now_ns);
    hash_u64(digest, (uint64_t)host->place << 32 | packet->data);
    hash_bytes(digest, addresses, sizeof addresses);
    hash_bytes(digest, packet_data(packet), packet->data);
}

void host_deliver(struct host *host, uint32_t port, struct packet *packet)
{
    struct net *net = host->net;
    const struct host_socket *socket =
        socket_at(host, packet->destination.port, packet->destination.family);
    if (socket == NULL || (socket->name != 0 && packet->protocol != PACKET_UDP)) {
        answer_error(host, port, packet, PACKET_ICMP_UNREACHABLE_PORT);
        world_drop(net, host->place, port / 2, NET_DROP_NO_SOCKET, 0, packet);
        return;
    }
    net->counts.delivered++;
    net->counts.bytes += packet->data;
    world_show(net, NET_DELIVERED, host->place, port / 2, packet);
    if (net->config.digesting)
        host_digest(net, host, packet);
    static const uint8_t nothing;
    const uint8_t *bytes = packet->buffer == NULL ? &nothing : packet->buffer->bytes;
    if (socket->name == 0) {
        if (socket->receive != NULL)
            socket->receive(socket->context, net, host->place, &packet->destination,
                            &packet->source, bytes, packet->data);
    } else {
        struct node_in in = {.kind = NODE_IN_DATAGRAM,
                             .datagram = {.socket = socket->name,
                                          .local = packet->destination,
                                          .remote = packet->source,
                                          .bytes = bytes,
                                          .size = packet->data}};
        host_input(host, &in);
    }
    packet_drop(&net->pool, packet);
}

/* Remembers a smaller MTU of an IPv6 path; below 1280 it is not believed (RFC 8201, section 4). */
static void learn_path(struct host *host, const struct packet_quote *quote)
{
    if (quote->destination.family != ADDR_V6 || quote->mtu < 1280)
        return;
    for (unsigned i = 0; i < HOST_PATHS && i < host->path_next; i++) {
        if (addr_equal_ip(&host->paths[i].remote, &quote->destination)) {
            host->paths[i].mtu = quote->mtu;
            return;
        }
    }
    host->paths[host->path_next++ % HOST_PATHS] =
        (struct host_path){.remote = quote->destination, .mtu = quote->mtu};
}

void host_receive_icmp(struct host *host, uint32_t port, struct packet *packet)
{
    struct net *net = host->net;
    if (packet->icmp == PACKET_ICMP_ECHO_REQUEST) {
        icmp_make_reply(packet);
        packet->id = ++host->ip_id;
        world_transmit(net, port, packet);
        return;
    }
    struct node_in in = {.kind = NODE_IN_ICMP,
                         .icmp = {.reporter = addr_with_port(packet->source, 0)}};
    in.icmp.error = packet->icmp;
    in.icmp.local = packet->destination;
    in.icmp.remote = packet->source;
    if (packet_is_icmp_error(packet)) {
        struct packet_quote quote;
        icmp_read_quote(packet, &quote);
        in.icmp.local = quote.source;
        in.icmp.remote = quote.destination;
        in.icmp.mtu = quote.mtu;
        if (host_owns(host, &quote.source) && packet->icmp == PACKET_ICMP_TOO_BIG)
            learn_path(host, &quote);
    }
    packet_drop(&net->pool, packet);
    const struct host_socket *socket = socket_at(host, in.icmp.local.port, in.icmp.local.family);
    if (socket == NULL || !host_owns(host, &in.icmp.local))
        return;
    if (socket->name == 0) {
        in.icmp.socket = socket->port;
        in.now_ns = net->engine.now_ns;
        if (socket->icmp != NULL)
            socket->icmp(socket->context, net, host->place, &in.icmp);
        return;
    }
    in.icmp.socket = socket->name;
    if (in.icmp.error <= NODE_ICMP_TIME_EXCEEDED)
        host_input(host, &in);
}

static bool reassemble(struct host *host, struct packet *packet)
{
    struct net *net = host->net;
    if (host->fragments == NULL)
        host->fragments = world_grow(NULL, 1, sizeof *host->fragments);
    uint64_t lost = 0;
    enum fragment_result result =
        fragment_accept(host->fragments, &net->pool, net->engine.now_ns, packet, &lost);
    net->counts.dropped[NET_DROP_REASSEMBLY] += lost + (result == FRAGMENT_REFUSED ? 1 : 0);
    return result == FRAGMENT_WHOLE && carried_is_read(net, packet);
}

void host_receive(struct net *net, struct host *host, uint32_t port, struct packet *packet)
{
    enum net_drop reason = NET_DROPS;
    if (host->down || host->suspended)
        reason = NET_DROP_HOST_DOWN;
    else if (!host_owns(host, &packet->destination))
        reason = NET_DROP_NOT_OURS;
    if (reason == NET_DROPS && packet_is_fragment(packet) && !reassemble(host, packet))
        return;
    if (reason == NET_DROPS && packet->bad_checksum)
        reason = NET_DROP_CHECKSUM;
    if (reason != NET_DROPS)
        world_drop(net, host->place, port / 2, reason, 0, packet);
    else if (host->gate.arrived != NULL)
        gate_receive(net, host, port, packet);
    else if (packet->protocol == PACKET_ICMP)
        host_receive_icmp(host, port, packet);
    else
        host_deliver(host, port, packet);
}
