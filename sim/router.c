/*
 * What a router does with a packet. The order is that of Linux, and shows in which packets make a
 * mapping: on the way out hops, size and firewall are looked at before the NAT, so that a refused
 * packet opens nothing; on the way in the NAT comes first, so that a packet that dies afterwards
 * has still refreshed its mapping.
 */
#include "core/base/check.h"
#include "sim/wire.h"
#include "sim/world.h"

#include <stdlib.h>

/* One packet's way through the router. */
struct hop {
    struct net *net;
    struct router *router;
    uint32_t in; /* port */
    bool reassembled;
    const struct addr *source; /* as it came in, for the quote of an error */
    const struct addr *destination;
    struct addr source_before; /* where those two point once the packet is translated */
    struct addr destination_before;
};

static bool translates(const struct router *router, const struct packet *packet)
{
    return router->nat != NULL && (packet->source.family == ADDR_V4 || router->nat_v6);
}

static uint32_t link_of(uint32_t port)
{
    return port / 2;
}

static void drop(const struct hop *hop, enum net_drop reason, uint8_t detail, struct packet *packet)
{
    world_drop(hop->net, hop->router->place, link_of(hop->in), reason, detail, packet);
}

struct addr router_address(const struct router *router, bool outside, uint8_t family)
{
    struct addr inside = family == ADDR_V4 ? router->inside_v4 : router->inside_v6;
    struct addr external = {0};
    if (family == ADDR_V4 && router->external_v4 > 0)
        external = router->external[0];
    else if (family == ADDR_V6 && router->external_v6 > 0)
        external = router->external[router->external_v4];
    if (outside || inside.family == ADDR_NONE)
        return external.family != ADDR_NONE ? external : inside;
    return inside;
}

/* Tells the sender, unless nobody may be told. `packet` stays the caller's. */
static void answer_error(const struct hop *hop, const struct packet *packet, enum packet_icmp kind,
                         uint32_t mtu, const struct addr *from)
{
    struct net *net = hop->net;
    struct packet cause = *packet;
    cause.source = *hop->source;
    cause.destination = *hop->destination;
    if (hop->router->silent || !icmp_may_answer(&cause))
        return;
    uint32_t target = route_find(&hop->router->routes, &cause.source);
    if (target >= net->port_count)
        return;
    struct addr source = *from;
    if (source.family == ADDR_NONE)
        source = router_address(hop->router, net->ports[target].outside, cause.source.family);
    if (source.family == ADDR_NONE || !icmp_budget_take(&hop->router->icmp, net->engine.now_ns))
        return;
    struct packet error;
    icmp_make_error(&net->pool, &error, &cause, kind, mtu, &source);
    error.id = ++hop->router->ip_id;
    net->counts.icmp++;
    world_transmit(net, target, &error);
}

static void refuse(const struct hop *hop, enum net_drop reason, uint8_t detail,
                   enum packet_icmp kind, uint32_t mtu, struct packet *packet)
{
    static const struct addr any;
    if (kind != PACKET_ICMP_NONE)
        answer_error(hop, packet, kind, mtu, &any);
    drop(hop, reason, detail, packet);
}

/* The packet is for the router itself, which has no ports open. */
static void deliver_local(const struct hop *hop, struct packet *packet)
{
    struct net *net = hop->net;
    uint32_t target = route_find(&hop->router->routes, &packet->source);
    if (packet->protocol == PACKET_ICMP && packet->icmp == PACKET_ICMP_ECHO_REQUEST &&
        target < net->port_count && !packet->bad_checksum && !hop->router->silent) {
        icmp_make_reply(packet);
        packet->id = ++hop->router->ip_id;
        world_transmit(net, target, packet);
        return;
    }
    if (packet->protocol != PACKET_ICMP && !packet->bad_checksum)
        answer_error(hop, packet, PACKET_ICMP_UNREACHABLE_PORT, 0, hop->destination);
    drop(hop, packet->protocol == PACKET_ICMP ? NET_DROP_UNSUPPORTED : NET_DROP_NO_SOCKET, 0,
         packet);
}

/* False when the packet is too big for the way out and may not be cut; it is then gone. */
static bool fits(const struct hop *hop, uint32_t target, struct packet *packet)
{
    const struct port *port = &hop->net->ports[target];
    if (packet_wire_size(packet) <= port->mtu)
        return true;
    if (port->black_hole) {
        drop(hop, NET_DROP_BLACK_HOLE, 0, packet);
        return false;
    }
    bool may_cut = packet->source.family == ADDR_V4 ? !packet->dont_fragment : hop->reassembled;
    if (!may_cut)
        refuse(hop, NET_DROP_TOO_BIG, 0, PACKET_ICMP_TOO_BIG, port->mtu, packet);
    return may_cut;
}

/* Puts the packet on the wire, cut where it has to be. */
static void send(const struct hop *hop, uint32_t target, struct packet *packet)
{
    struct net *net = hop->net;
    check(packet->ttl > 1);
    packet->ttl--;
    if (hop->reassembled)
        packet->id =
            ++hop->router->ip_id; /* two inside hosts may use the same one towards the same place */
    uint32_t mtu = net->ports[target].mtu;
    if (packet_wire_size(packet) <= mtu) {
        world_show(net, NET_FORWARDED, hop->router->place, link_of(target), packet);
        world_transmit(net, target, packet);
        return;
    }
    uint32_t length;
    for (uint32_t offset = 0; offset < packet->length; offset += length) {
        struct packet piece;
        fragment_cut(packet, mtu, offset, &piece);
        length = piece.length;
        world_show(net, NET_FORWARDED, hop->router->place, link_of(target), &piece);
        world_transmit(net, target, &piece);
    }
    packet_drop(&net->pool, packet);
}

/* Has the internet lost the route from where the packet came from to where it would go? */
static bool is_severed(const struct hop *hop, uint32_t target)
{
    const struct net *net = hop->net;
    if (hop->router->place != NET_INTERNET)
        return false;
    for (uint32_t i = 0; i < net->severed_count; i++)
        if (world_is_pair(&net->severed[i], net->ports[hop->in ^ 1].place,
                          net->ports[target ^ 1].place))
            return true;
    return false;
}

/* Passes on a packet that no NAT touches any more. */
static void forward(const struct hop *hop, uint32_t target, struct packet *packet)
{
    if (target == ROUTE_NONE)
        refuse(hop, NET_DROP_NO_ROUTE, 0, PACKET_ICMP_UNREACHABLE_NET, 0, packet);
    else if (target == ROUTE_REJECT)
        refuse(hop, NET_DROP_NO_ROUTE, 0, PACKET_ICMP_UNREACHABLE_HOST, 0, packet);
    else if (is_severed(hop, target))
        drop(hop, NET_DROP_NO_ROUTE, 0, packet);
    else if (packet->ttl <= 1)
        refuse(hop, NET_DROP_TTL, 0, PACKET_ICMP_TIME_EXCEEDED, 0, packet);
    else if (fits(hop, target, packet))
        send(hop, target, packet);
}

static void to_nat(const struct packet *packet, struct nat_packet *out)
{
    out->protocol = packet->protocol;
    out->tcp_flags = packet->tcp_flags;
    out->is_error = false;
    out->source = packet->source;
    out->destination = packet->destination;
    if (packet->protocol != PACKET_ICMP)
        return;
    if (packet->icmp == PACKET_ICMP_ECHO_REQUEST)
        out->destination.port = 0;
    if (packet->icmp == PACKET_ICMP_ECHO_REPLY)
        out->source.port = 0;
    if (!packet_is_icmp_error(packet))
        return;
    struct packet_quote quote;
    icmp_read_quote(packet, &quote);
    out->is_error = true;
    out->protocol = quote.protocol;
    out->quoted_source = quote.source;
    out->quoted_destination = quote.destination;
    if (quote.protocol == PACKET_ICMP && quote.icmp == PACKET_ICMP_ECHO_REPLY)
        out->quoted_source.port = 0;
    else if (quote.protocol == PACKET_ICMP)
        out->quoted_destination.port = 0;
}

static void from_nat(struct net *net, const struct nat_packet *in, struct packet *packet)
{
    packet->source = in->source;
    packet->destination = in->destination;
    if (packet->protocol != PACKET_ICMP)
        return;
    if (packet->icmp == PACKET_ICMP_ECHO_REQUEST)
        packet->destination.port = in->source.port;
    if (packet->icmp == PACKET_ICMP_ECHO_REPLY)
        packet->source.port = in->destination.port;
    if (!packet_is_icmp_error(packet))
        return;
    struct packet_quote quote;
    icmp_read_quote(packet, &quote);
    struct packet_quote before = quote;
    quote.source = in->quoted_source;
    quote.destination = in->quoted_destination;
    if (quote.protocol == PACKET_ICMP && quote.icmp == PACKET_ICMP_ECHO_REPLY)
        quote.source.port = quote.destination.port;
    else if (quote.protocol == PACKET_ICMP)
        quote.destination.port = quote.source.port;
    quote.checksum = wire_translated(&before, &quote);
    icmp_write_quote(&net->pool, packet, &quote);
}

/* RFC 6888, REQ-11: a packet that finds no room gets "host unreachable". */
static enum packet_icmp error_of_verdict(enum nat_verdict verdict)
{
    switch (verdict) {
    case NAT_DROP_NO_PORT:
    case NAT_DROP_QUOTA:
    case NAT_DROP_TABLE_FULL:
    case NAT_DROP_NO_ADDRESS:
        return PACKET_ICMP_UNREACHABLE_HOST;
    default:
        return PACKET_ICMP_NONE;
    }
}

/* False when the firewall refuses the packet, in silence; it is then gone. */
static bool admitted(const struct hop *hop, bool outbound, struct packet *packet)
{
    struct router *router = hop->router;
    if (router->firewall == NULL)
        return true;
    struct nat_packet view;
    to_nat(packet, &view);
    uint64_t now_ns = hop->net->engine.now_ns;
    enum firewall_verdict verdict = outbound ? firewall_outbound(router->firewall, now_ns, &view)
                                             : firewall_inbound(router->firewall, now_ns, &view);
    if (verdict == FIREWALL_PASS)
        return true;
    drop(hop, NET_DROP_FIREWALL, (uint8_t)verdict, packet);
    return false;
}

static void outbound(struct hop *hop, uint32_t target, struct packet *packet)
{
    struct net *net = hop->net;
    struct router *router = hop->router;
    if (packet->ttl <= 1) {
        refuse(hop, NET_DROP_TTL, 0, PACKET_ICMP_TIME_EXCEEDED, 0, packet);
        return;
    }
    if ((target != ROUTE_LOCAL && !fits(hop, target, packet)) || !admitted(hop, true, packet))
        return;
    if (!translates(router, packet)) {
        send(hop, target, packet);
        return;
    }
    struct nat_packet view;
    to_nat(packet, &view);
    enum nat_verdict verdict = nat_outbound(router->nat, net->engine.now_ns, &view);
    if (!nat_verdict_passes(verdict)) {
        refuse(hop, NET_DROP_NAT, (uint8_t)verdict, error_of_verdict(verdict), 0, packet);
        return;
    }
    hop->source_before = packet->source;
    hop->destination_before = packet->destination;
    hop->source = &hop->source_before;
    hop->destination = &hop->destination_before;
    from_nat(net, &view, packet);
    if (verdict == NAT_HAIRPIN)
        forward(hop, route_find(&router->routes, &packet->destination), packet);
    else
        send(hop, target, packet);
}

static void inbound(struct hop *hop, uint32_t target, struct packet *packet)
{
    struct net *net = hop->net;
    struct router *router = hop->router;
    if (target == ROUTE_LOCAL && translates(router, packet)) {
        struct nat_packet view;
        to_nat(packet, &view);
        enum nat_verdict verdict = nat_inbound(router->nat, net->engine.now_ns, &view);
        if (!nat_verdict_passes(verdict)) {
            if (router->answers_refused && packet->protocol == PACKET_UDP && !packet->bad_checksum)
                answer_error(hop, packet, PACKET_ICMP_UNREACHABLE_PORT, 0, hop->destination);
            drop(hop, NET_DROP_NAT, (uint8_t)verdict, packet);
            return;
        }
        hop->destination_before = packet->destination;
        hop->destination = &hop->destination_before;
        from_nat(net, &view, packet);
        target = route_find(&router->routes, &packet->destination);
    }
    if (target == ROUTE_LOCAL)
        deliver_local(hop, packet);
    else if (admitted(hop, false, packet))
        forward(hop, target, packet);
}

/* Makes a fragment into a datagram; false when it has to wait, or is gone. */
static bool reassemble(struct hop *hop, struct packet *packet)
{
    struct router *router = hop->router;
    struct net *net = hop->net;
    if (router->fragments == NULL)
        router->fragments = world_grow(NULL, 1, sizeof *router->fragments);
    uint64_t lost = 0;
    enum fragment_result result =
        fragment_accept(router->fragments, &net->pool, net->engine.now_ns, packet, &lost);
    net->counts.dropped[NET_DROP_REASSEMBLY] += lost;
    if (result == FRAGMENT_REFUSED)
        net->counts.dropped[NET_DROP_REASSEMBLY]++;
    hop->reassembled = result == FRAGMENT_WHOLE && carried_is_read(net, packet);
    return hop->reassembled;
}

void router_receive(struct net *net, struct router *router, uint32_t port, struct packet *packet)
{
    struct hop hop = {.net = net, .router = router, .in = port};
    if (packet_is_fragment(packet) && (translates(router, packet) || router->firewall != NULL) &&
        !reassemble(&hop, packet))
        return;
    hop.source = &packet->source;
    hop.destination = &packet->destination;
    uint32_t target = route_find(&router->routes, &packet->destination);
    if (target == ROUTE_NONE)
        forward(&hop, target, packet);
    else if (net->ports[port].outside)
        inbound(&hop, target, packet);
    else if (target == router->uplink)
        outbound(&hop, target, packet);
    else if (target != ROUTE_LOCAL)
        forward(&hop, target, packet);
    else if (translates(router, packet) && nat_is_external(router->nat, &packet->destination))
        outbound(&hop, target, packet);
    else
        deliver_local(&hop, packet);
}

void router_flush(struct net *net, struct router *router)
{
    if (router->nat != NULL)
        nat_flush(router->nat);
    if (router->firewall != NULL)
        firewall_flush(router->firewall);
    if (router->fragments != NULL)
        fragment_flush(router->fragments, &net->pool);
}
