/*
 * A world whose links, and the stacks under its nodes, are a carrier's: what goes to it, as bytes,
 * and what comes back.
 */
#include "core/base/check.h"
#include "sim/host.h"
#include "sim/wire.h"
#include "sim/world.h"

bool host_is_carried(const struct host *host)
{
    return host->net->config.carrier != NULL && host->limits.outputs > 0;
}

/* NULL where the place is no host with a stack elsewhere. */
static struct host *carried_at(const struct net *net, uint32_t place)
{
    struct host *host = net->places[place].host;
    return host != NULL && host_is_carried(host) ? host : NULL;
}

static const struct port *port_at(const struct net *net, uint32_t end)
{
    check(end < net->port_count);
    return &net->ports[end];
}

uint32_t net_end(const struct net *net, uint32_t place, uint32_t interface)
{
    return build_port(net, place, interface);
}

uint32_t net_end_place(const struct net *net, uint32_t end)
{
    return port_at(net, end)->place;
}

uint32_t net_prefix(const struct net *net, uint32_t place, uint32_t interface, uint8_t family)
{
    check(place < net->place_count && net->places[place].host != NULL);
    const struct host *host = net->places[place].host;
    check(interface < host->interface_count);
    const struct host_interface *at = &host->interfaces[interface];
    return family == ADDR_V4 ? at->v4_bits : at->v6_bits;
}

const struct link_config *net_end_way(const struct net *net, uint32_t end)
{
    return &port_at(net, end)->way.config;
}

/* ---- To the carrier -------------------------------------------------------------------------- */

void carried_transmit(struct net *net, uint32_t port, struct packet *packet)
{
    const struct net_carrier *carrier = net->config.carrier;
    const struct port *from = port_at(net, port);
    uint8_t bytes[WIRE_MAX];
    check(!packet->bad_checksum && carried_at(net, from->place) == NULL);
    if (from->way.down) {
        world_drop(net, from->place, port / 2, NET_DROP_LINK_DOWN, 0, packet);
        return;
    }
    uint32_t size = (uint32_t)wire_write(packet, bytes);
    packet_drop(&net->pool, packet);
    carrier->carry(carrier->context, port, bytes, size);
}

/* Of a family, or of both, the addresses that a host has now and later: a host keeps its own. */
static void open_on(const struct host *host, uint8_t family, uint16_t port)
{
    const struct net_carrier *carrier = host->net->config.carrier;
    struct addr local;
    for (uint32_t i = 0;
         (local = net_address(host->net, host->place, family, i)).family != ADDR_NONE; i++) {
        /* Behind two routers that give out the same range, both interfaces may have one address. */
        uint32_t same = 0;
        for (struct addr before; same < i; same++) {
            before = net_address(host->net, host->place, family, same);
            if (addr_equal_ip(&before, &local))
                break;
        }
        local.port = port;
        if (same == i)
            carrier->open(carrier->context, host->place, &local);
    }
}

void carried_open(const struct host *host, const struct host_socket *socket)
{
    if (socket->family != ADDR_V6)
        open_on(host, ADDR_V4, socket->port);
    if (socket->family != ADDR_V4)
        open_on(host, ADDR_V6, socket->port);
}

void carried_close(const struct host *host, const struct host_socket *socket)
{
    const struct net_carrier *carrier = host->net->config.carrier;
    carrier->close(carrier->context, host->place, socket->port);
}

/* What is too big for the link is found out here, as by a socket that asks for path MTU discovery. */
enum node_error carried_send(struct host *host, const struct host_interface *interface,
                             const struct net_send *send, const void *bytes, uint32_t size)
{
    struct net *net = host->net;
    const struct net_carrier *carrier = net->config.carrier;
    const struct port *port = &net->ports[interface->port];
    struct packet packet;
    check(send->protocol == 0 || send->protocol == PACKET_UDP);
    packet_make_udp(&net->pool, &packet, &send->source, &send->remote, bytes, size);
    packet.dont_fragment = send->dont_fragment;
    bool fits = packet_wire_size(&packet) <= port->mtu;
    if (!fits && (send->dont_fragment || port->black_hole)) {
        bool silent = port->black_hole;
        world_drop(net, host->place, interface->port / 2,
                   silent ? NET_DROP_BLACK_HOLE : NET_DROP_TOO_BIG, 0, &packet);
        return silent ? NODE_OK : NODE_ERROR_TOO_BIG;
    }
    packet_drop(&net->pool, &packet);
    bool sent = carrier->send(carrier->context, host->place, interface->port, send, bytes, size);
    return sent ? NODE_OK : NODE_ERROR_UNREACHABLE;
}

/* ---- From the carrier ------------------------------------------------------------------------ */

static bool is_read(struct net *net, enum wire_result result)
{
    if (result != WIRE_OK && result != WIRE_NOISE)
        net->counts.dropped[result == WIRE_CHECKSUM ? NET_DROP_CHECKSUM : NET_DROP_UNSUPPORTED]++;
    return result == WIRE_OK;
}

/* False: it is nothing that the world carries, such as what a stack says to its link alone. */
static bool read_packet(struct net *net, struct packet *packet, const uint8_t *bytes, uint32_t size)
{
    return is_read(net, wire_parse(&net->pool, packet, bytes, size));
}

bool carried_is_read(struct net *net, struct packet *packet)
{
    return net->config.carrier == NULL || is_read(net, wire_read_whole(&net->pool, packet));
}

static void lose(struct net *net, uint32_t end, enum net_drop drop, const uint8_t *bytes,
                 uint32_t size)
{
    struct packet packet;
    if (read_packet(net, &packet, bytes, size))
        world_drop(net, port_at(net, end)->place, end / 2, drop, 0, &packet);
}

/* A stack goes on where its host does not, but nothing of it gets out, and nothing in. */
static bool is_off(const struct net *net, uint32_t end)
{
    const struct host *host = carried_at(net, port_at(net, end)->place);
    return host != NULL && (host->down || host->suspended);
}

bool net_carry_leaves(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    bool down = port_at(net, end)->way.down;
    if (!down && !is_off(net, end))
        return true;
    lose(net, end, down ? NET_DROP_LINK_DOWN : NET_DROP_HOST_DOWN, bytes, size);
    return false;
}

bool net_carry_passes(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    check(end < net->port_count);
    if (is_off(net, end)) {
        lose(net, end, NET_DROP_HOST_DOWN, bytes, size);
        return false;
    }
    enum link_loss lost =
        net->ports[end].down ? LINK_LOST_DOWN : link_lose(&net->ports[end ^ 1].way);
    if (lost == LINK_KEPT)
        return true;
    lose(net, end ^ 1, world_drop_of_loss(lost), bytes, size);
    return false;
}

void net_carry_lost(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    lose(net, end, NET_DROP_QUEUE, bytes, size);
}

void net_carry_left(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    const struct port *port = port_at(net, end);
    struct packet packet;
    check(carried_at(net, port->place) != NULL);
    if (!read_packet(net, &packet, bytes, size))
        return;
    world_show(net, NET_SENT, port->place, end / 2, &packet);
    if (port->capture != NULL)
        pcap_file_write(port->capture, net->engine.now_ns, &packet);
    packet_drop(&net->pool, &packet);
}

/* The stack has it, too: all that is left is to tell the node of errors, which it does not. */
static void arrive_at_stack(struct net *net, struct host *host, uint32_t end, struct packet *packet)
{
    const struct port *port = port_at(net, end);
    if (port->capture != NULL)
        pcap_file_write(port->capture, net->engine.now_ns, packet);
    if (!host->down && !host->suspended && !packet_is_fragment(packet) &&
        packet_is_icmp_error(packet))
        host_receive_icmp(host, end, packet);
    else
        packet_drop(&net->pool, packet);
}

void net_carry_arrived(struct net *net, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    const struct port *port = port_at(net, end);
    struct packet packet;
    check(net->config.carrier != NULL && !net->in_node);
    if (!read_packet(net, &packet, bytes, size))
        return;
    struct host *host = carried_at(net, port->place);
    if (host != NULL)
        arrive_at_stack(net, host, end, &packet);
    else
        world_arrive(net, end, &packet);
}

void net_carry_received(struct net *net, uint32_t place, const struct addr *local,
                        const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    check(!net->in_node);
    struct host *host = carried_at(net, place);
    struct packet packet;
    check(host != NULL);
    packet_make_udp(&net->pool, &packet, remote, local, bytes, size);
    const struct host_interface *interface = host_interface_with(host, local);
    check(interface != NULL);
    if (host->down || host->suspended)
        world_drop(net, place, interface->port / 2, NET_DROP_HOST_DOWN, 0, &packet);
    else
        host_deliver(host, interface->port, &packet);
}
