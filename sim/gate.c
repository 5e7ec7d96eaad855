/* Gates: hosts whose packets come from and go to somewhere outside the simulation, as bytes. */
#include "core/base/check.h"
#include "sim/host.h"
#include "sim/wire.h"
#include "sim/world.h"

/* What a gate sends, on its way out. */
struct leaving {
    struct net *net;
    struct host *host;
    uint32_t port;
    uint32_t unit; /* bytes of the largest IP packet that it came in */
};

/* A fragment is not shown: its buffer has no more bytes than its own. */
static bool refuse(const struct leaving *by, enum net_drop reason, struct packet *packet)
{
    if (!packet_is_fragment(packet)) {
        world_drop(by->net, by->host->place, by->port / 2, reason, 0, packet);
        return false;
    }
    by->net->counts.dropped[reason]++;
    packet_drop(&by->net->pool, packet);
    return false;
}

/* Nothing that an observer could be shown. */
static bool refuse_bytes(struct net *net, enum wire_result result)
{
    check(result != WIRE_OK);
    if (result != WIRE_NOISE)
        net->counts.dropped[result == WIRE_CHECKSUM ? NET_DROP_CHECKSUM : NET_DROP_UNSUPPORTED]++;
    return false;
}

/* A kernel learns a link's MTU, when the link's is not the device's, as that of a path. */
static void answer_too_big(const struct leaving *by, const struct packet *packet, uint32_t mtu)
{
    struct net *net = by->net;
    const struct router *router = net->places[net->ports[by->port ^ 1].place].router;
    struct addr from = router_address(router, false, packet->source.family);
    if (from.family == ADDR_NONE || !icmp_may_answer(packet) ||
        !icmp_budget_take(&by->host->icmp, net->engine.now_ns))
        return;
    struct packet error;
    icmp_make_error(&net->pool, &error, packet, PACKET_ICMP_TOO_BIG, mtu, &from);
    error.id = ++by->host->ip_id;
    net->counts.icmp++;
    world_arrive(net, by->port, &error);
}

static void put_on_wire(const struct leaving *by, struct packet *packet)
{
    world_show(by->net, NET_SENT, by->host->place, by->port / 2, packet);
    world_transmit(by->net, by->port, packet);
}

/* Out of the door, cut where it came in pieces, and where IPv4 lets a router do it. */
static bool leave(const struct leaving *by, struct packet *packet)
{
    struct net *net = by->net;
    const struct port *port = &net->ports[by->port];
    uint32_t mtu = by->unit;
    if (by->unit > port->mtu) {
        mtu = port->mtu;
        if (port->black_hole)
            return refuse(by, NET_DROP_BLACK_HOLE, packet);
        if (packet->dont_fragment || packet->source.family == ADDR_V6) {
            answer_too_big(by, packet, mtu);
            return refuse(by, NET_DROP_TOO_BIG, packet);
        }
    }
    if (packet_wire_size(packet) <= mtu) {
        put_on_wire(by, packet);
        return true;
    }
    uint32_t length;
    for (uint32_t offset = 0; offset < packet->length; offset += length) {
        struct packet piece;
        fragment_cut(packet, mtu, offset, &piece);
        length = piece.length;
        put_on_wire(by, &piece);
    }
    packet_drop(&net->pool, packet);
    return true;
}

/* Keeps a fragment, or sends what it makes whole. */
static bool collect(struct leaving *by, struct packet *packet)
{
    struct net *net = by->net;
    struct host *host = by->host;
    if (host->leaving == NULL)
        host->leaving = world_grow(NULL, 1, sizeof *host->leaving);
    uint64_t lost = 0;
    enum fragment_result result =
        fragment_accept(host->leaving, &net->pool, net->engine.now_ns, packet, &lost);
    bool refused = result == FRAGMENT_REFUSED;
    net->counts.dropped[NET_DROP_REASSEMBLY] += lost + (refused ? 1 : 0);
    if (result != FRAGMENT_WHOLE)
        return !refused;
    enum wire_result read = wire_read_whole(&net->pool, packet);
    if (read != WIRE_OK)
        return refuse_bytes(net, read);
    by->unit = host->leaving->largest + (packet->source.family == ADDR_V4
                                             ? PACKET_IPV4_HEADER
                                             : PACKET_IPV6_HEADER + PACKET_FRAGMENT_HEADER);
    return leave(by, packet);
}

bool net_gate_send(struct net *net, uint32_t place, uint32_t interface, const uint8_t *bytes,
                   uint32_t size)
{
    check(place < net->place_count && net->places[place].host != NULL);
    struct host *host = net->places[place].host;
    check(host->gate.arrived != NULL && interface < host->interface_count);
    struct packet packet;
    enum wire_result result = wire_parse(&net->pool, &packet, bytes, size);
    if (result != WIRE_OK)
        return refuse_bytes(net, result);
    struct leaving by = {.net = net,
                         .host = host,
                         .port = host->interfaces[interface].port,
                         .unit = packet_wire_size(&packet)};
    if (host->down)
        return refuse(&by, NET_DROP_HOST_DOWN, &packet);
    if (!host_owns(host, &packet.source))
        return refuse(&by, NET_DROP_NOT_OURS, &packet);
    return packet_is_fragment(&packet) ? collect(&by, &packet) : leave(&by, &packet);
}

void gate_receive(struct net *net, struct host *host, uint32_t port, struct packet *packet)
{
    check(!packet_is_fragment(packet) && !packet->bad_checksum);
    uint8_t bytes[WIRE_MAX];
    /* Simulated hosts cut a little more than an IPv4 header can tell the size of. */
    if (packet->source.family == ADDR_V4 && packet_wire_size(packet) > UINT16_MAX) {
        world_drop(net, host->place, port / 2, NET_DROP_REASSEMBLY, 0, packet);
        return;
    }
    if (packet->protocol == PACKET_UDP) {
        net->counts.delivered++;
        net->counts.bytes += packet->data;
        world_show(net, NET_DELIVERED, host->place, port / 2, packet);
        if (net->config.digesting)
            host_digest(net, host, packet);
    }
    uint32_t size = (uint32_t)wire_write(packet, bytes);
    packet_drop(&net->pool, packet);
    host->gate.arrived(host->gate.context, net, host->place, net->ports[port].number, bytes, size);
}
