/* A simulated world on an ns-3 network: what the one is told of the other, and when. */
#include "sim/ns3/carrier.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "sim/ns3/shim.h"

/* The first port of flows; no node has one so low. */
enum { FLOW_PORT = 5001 };

struct carrier {
    struct net_carrier interface;
    struct net *net;
    struct ns3_network *ns3;
    bool inside;      /* the world runs, or is told something */
    uint64_t wake_ns; /* as ns-3 was last told; UINT64_MAX: never */
    uint32_t flows;
};

static struct ns3_address there(const struct addr *addr)
{
    struct ns3_address address = {.family = addr->family, .port = addr->port};
    memcpy(address.ip, addr->ip, sizeof address.ip);
    return address;
}

static struct addr here(const struct ns3_address *address)
{
    struct addr addr = {.family = address->family, .port = address->port};
    memcpy(addr.ip, address->ip, sizeof addr.ip);
    return addr;
}

/* ---- The world follows ns-3's clock ---------------------------------------------------------- */

/* The world has come to the present; what it does not know yet happens now. */
static void enter(struct carrier *carrier)
{
    check(!carrier->inside);
    carrier->inside = true;
    net_run_until(carrier->net, ns3_now(carrier->ns3));
}

/* It does what follows, and is woken for what it has to do next. */
static void leave(struct carrier *carrier)
{
    check(carrier->inside);
    net_run_until(carrier->net, ns3_now(carrier->ns3));
    uint64_t next_ns = net_is_spent(carrier->net) ? UINT64_MAX : net_next(carrier->net);
    if (next_ns != carrier->wake_ns)
        ns3_wake(carrier->ns3, next_ns);
    carrier->wake_ns = next_ns;
    carrier->inside = false;
}

/* For what may happen within what the world does, too; whether it has to be left. */
static bool enter_if_outside(struct carrier *carrier)
{
    bool outside = !carrier->inside;
    if (outside)
        enter(carrier);
    return outside;
}

static void on_woken(void *context)
{
    struct carrier *carrier = context;
    carrier->wake_ns = UINT64_MAX;
    enter(carrier);
    leave(carrier);
}

static void on_arrived(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    enter(carrier);
    net_carry_arrived(carrier->net, end, bytes, size);
    leave(carrier);
}

/* A device that is idle sends at once what the world has just given it. */
static bool on_leaves(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    bool entered = enter_if_outside(carrier);
    bool does = net_carry_leaves(carrier->net, end, bytes, size);
    if (entered)
        leave(carrier);
    return does;
}

static bool on_passes(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    enter(carrier);
    bool passes = net_carry_passes(carrier->net, end, bytes, size);
    leave(carrier);
    return passes;
}

/* A stack sends on its own account, too. */
static void on_left(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    bool entered = enter_if_outside(carrier);
    net_carry_left(carrier->net, end, bytes, size);
    if (entered)
        leave(carrier);
}

static void on_dropped(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    bool entered = enter_if_outside(carrier);
    net_carry_lost(carrier->net, end, bytes, size);
    if (entered)
        leave(carrier);
}

static void on_received(void *context, uint32_t host, const struct ns3_address *local,
                        const struct ns3_address *remote, const uint8_t *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    struct addr to = here(local), from = here(remote);
    enter(carrier);
    net_carry_received(carrier->net, host, &to, &from, bytes, size);
    leave(carrier);
}

/* ---- What the world asks for ----------------------------------------------------------------- */

static void carry(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    ns3_carry(carrier->ns3, end, bytes, size);
}

static void open_port(void *context, uint32_t host, const struct addr *local)
{
    struct carrier *carrier = context;
    struct ns3_address address = there(local);
    bool opened = ns3_open(carrier->ns3, host, &address);
    check(opened);
}

static void close_port(void *context, uint32_t host, uint16_t port)
{
    struct carrier *carrier = context;
    ns3_close(carrier->ns3, host, port);
}

static bool send_datagram(void *context, uint32_t host, uint32_t end, const struct net_send *send,
                          const void *bytes, uint32_t size)
{
    struct carrier *carrier = context;
    const struct ns3_datagram datagram = {
        .local = there(&send->source),
        .remote = there(&send->remote),
        .end = end,
        .ttl = send->ttl != 0 ? send->ttl : PACKET_TTL_DEFAULT,
        .dont_fragment = send->dont_fragment,
    };
    return ns3_send(carrier->ns3, host, &datagram, bytes, size);
}

/* What has no rate has no queue: it takes all of a burst. */
static struct ns3_way way_of(const struct link_config *config)
{
    static const uint8_t queues[] = {
        [LINK_QUEUE_DROP_TAIL] = NS3_QUEUE_DROP_TAIL,
        [LINK_QUEUE_CODEL] = NS3_QUEUE_CODEL,
        [LINK_QUEUE_FQ_CODEL] = NS3_QUEUE_FQ_CODEL,
        [LINK_QUEUE_RED] = NS3_QUEUE_RED,
    };
    return (struct ns3_way){
        .latency_ns = config->latency_ns,
        .rate_bps = config->rate_bps,
        .queue_bytes = config->rate_bps == 0      ? LINK_QUEUE_MAX
                       : config->queue_bytes != 0 ? config->queue_bytes
                                                  : LINK_QUEUE_DEFAULT,
        .mtu = config->mtu != 0 ? config->mtu : LINK_MTU_DEFAULT,
        .queue = queues[config->queue_kind],
    };
}

static bool has_stack(const struct carrier *carrier, uint32_t place)
{
    return net_is_node(carrier->net, place);
}

static void fault(void *context, const struct net_fault *fault)
{
    struct carrier *carrier = context;
    uint32_t end = net_end(carrier->net, fault->place, fault->interface);
    struct ns3_way way = way_of(&fault->link);
    switch (fault->kind) {
    case NET_FAULT_LINK_SET:
        if ((fault->way & NET_WAY_UP) != 0)
            ns3_set_way(carrier->ns3, end, &way);
        if ((fault->way & NET_WAY_DOWN) != 0)
            ns3_set_way(carrier->ns3, end ^ 1, &way);
        return;
    case NET_FAULT_INTERFACE_DOWN:
    case NET_FAULT_INTERFACE_UP:
        if (has_stack(carrier, fault->place))
            ns3_set_up(carrier->ns3, end, fault->kind == NET_FAULT_INTERFACE_UP);
        return;
    default:
        return;
    }
}

/* ---- Building -------------------------------------------------------------------------------- */

struct carrier *carrier_new(uint64_t seed)
{
    struct carrier *carrier = calloc(1, sizeof *carrier);
    check(carrier != NULL);
    carrier->interface = (struct net_carrier){.context = carrier,
                                              .carry = carry,
                                              .open = open_port,
                                              .close = close_port,
                                              .send = send_datagram,
                                              .fault = fault};
    carrier->wake_ns = UINT64_MAX;
    const struct ns3_events events = {.context = carrier,
                                      .arrived = on_arrived,
                                      .leaves = on_leaves,
                                      .passes = on_passes,
                                      .left = on_left,
                                      .dropped = on_dropped,
                                      .received = on_received,
                                      .woken = on_woken};
    carrier->ns3 = ns3_new(seed, &events);
    return carrier;
}

void carrier_free(struct carrier *carrier)
{
    if (carrier == NULL)
        return;
    ns3_free(carrier->ns3);
    free(carrier);
}

const struct net_carrier *carrier_interface(struct carrier *carrier)
{
    return &carrier->interface;
}

static bool on_segment(const struct net *net, uint32_t end)
{
    return net_end_way(net, end)->medium == LINK_MEDIUM_CSMA;
}

/* A host's addresses and its default routes by one interface. */
static void add_addresses(struct carrier *carrier, uint32_t place, uint32_t interface, uint32_t end)
{
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    const struct net *net = carrier->net;
    bool segment = on_segment(net, end);
    for (uint32_t f = 0; f < sizeof families; f++) {
        uint32_t all = families[f] == ADDR_V4 ? 32 : 128;
        uint32_t router = net_end_place(net, end ^ 1);
        uint32_t bits = net_prefix(net, place, interface, families[f]);
        struct addr addr, gateway = net_inside(net, router, families[f]);
        /* A router that only passes things on has no range of its own, and is asked for by the
           address that it has outside. */
        if (gateway.family == ADDR_NONE)
            gateway = net_address(net, router, families[f], 0);
        uint32_t count = 0;
        for (; (addr = net_interface_address(net, place, interface, families[f], count)).family !=
               ADDR_NONE;
             count++) {
            struct ns3_address address = there(&addr);
            ns3_add_address(carrier->ns3, end, &address, segment && bits != 0 ? bits : all);
        }
        struct ns3_address by = there(&gateway);
        if (count > 0)
            ns3_add_default(carrier->ns3, end, families[f], segment ? &by : NULL, interface);
    }
}

static void add_link(struct carrier *carrier, uint32_t end)
{
    const struct net *net = carrier->net;
    const uint32_t nodes[2] = {net_end_place(net, end), net_end_place(net, end ^ 1)};
    const struct ns3_way ways[2] = {way_of(net_end_way(net, end)),
                                    way_of(net_end_way(net, end ^ 1))};
    ns3_link(carrier->ns3, end / 2, nodes, ways);
}

/* All links by CSMA to one router are one segment. */
static void add_segment(struct carrier *carrier, uint32_t router, const uint32_t *ends,
                        uint32_t count)
{
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    const struct net *net = carrier->net;
    uint32_t *links = calloc(count, sizeof *links), *hosts = calloc(count, sizeof *hosts);
    check(links != NULL && hosts != NULL);
    for (uint32_t i = 0; i < count; i++) {
        links[i] = ends[i] / 2;
        hosts[i] = net_end_place(net, ends[i]);
        check(has_stack(carrier, hosts[i]));
    }
    struct ns3_way way = way_of(net_end_way(net, ends[0]));
    ns3_segment(carrier->ns3, links, hosts, count, router, &way);
    for (uint32_t f = 0; f < sizeof families; f++) {
        struct addr inside = net_inside(net, router, families[f]);
        struct ns3_address address = there(&inside);
        if (inside.family != ADDR_NONE)
            ns3_add_address(carrier->ns3, ends[0] ^ 1, &address, families[f] == ADDR_V4 ? 32 : 128);
    }
    free(links);
    free(hosts);
}

static void add_segments(struct carrier *carrier)
{
    const struct net *net = carrier->net;
    uint32_t *ends = calloc((size_t)net_places(net) * NET_INTERFACES_MAX, sizeof *ends);
    check(ends != NULL);
    for (uint32_t router = 0; router < net_places(net); router++) {
        uint32_t count = 0, end;
        for (uint32_t place = 1; place < net_places(net); place++)
            for (uint32_t i = 0; (end = net_end(net, place, i)) != NET_NONE; i++)
                if (net_end_place(net, end ^ 1) == router && on_segment(net, end))
                    ends[count++] = end;
        if (count > 0)
            add_segment(carrier, router, ends, count);
    }
    free(ends);
}

void carrier_build(struct carrier *carrier, struct net *net)
{
    carrier->net = net;
    for (uint32_t place = 0; place < net_places(net); place++) {
        uint32_t node = has_stack(carrier, place) ? ns3_host(carrier->ns3) : ns3_box(carrier->ns3);
        check(node == place);
    }
    uint32_t end;
    for (uint32_t place = 1; place < net_places(net); place++)
        for (uint32_t i = 0; (end = net_end(net, place, i)) != NET_NONE; i++)
            if (!on_segment(net, end))
                add_link(carrier, end);
    add_segments(carrier);
    for (uint32_t place = 1; place < net_places(net); place++)
        for (uint32_t i = 0; (end = net_end(net, place, i)) != NET_NONE; i++)
            if (has_stack(carrier, place))
                add_addresses(carrier, place, i, end);
}

/* ---- Running --------------------------------------------------------------------------------- */

void carrier_add_bulk(struct carrier *carrier, const struct carrier_bulk *bulk)
{
    const struct net *net = carrier->net;
    uint32_t server = bulk->from_listens ? bulk->from : bulk->to;
    uint32_t client = bulk->from_listens ? bulk->to : bulk->from;
    uint8_t family = net_address(net, server, ADDR_V4, 0).family == ADDR_V4 &&
                             net_address(net, client, ADDR_V4, 0).family == ADDR_V4
                         ? ADDR_V4
                         : ADDR_V6;
    struct addr address = net_address(net, server, family, 0);
    check(address.family == family);
    for (uint32_t i = 0; i < bulk->flows; i++) {
        address.port = (uint16_t)(FLOW_PORT + carrier->flows++);
        const struct ns3_flow flow = {
            .client = client,
            .server = server,
            .address = there(&address),
            .upload = !bulk->from_listens,
            .from_ns = bulk->at_ns,
            .until_ns = bulk->at_ns + bulk->last_ns,
        };
        ns3_add_flow(carrier->ns3, &flow);
    }
}

/* What was scheduled before anything ran is due, too. */
void carrier_run_until(struct carrier *carrier, uint64_t until_ns)
{
    check(!carrier->inside);
    carrier->inside = true;
    leave(carrier);
    ns3_run(carrier->ns3, until_ns);
    enter(carrier);
    leave(carrier);
}

uint64_t carrier_events(const struct carrier *carrier)
{
    return ns3_event_count(carrier->ns3);
}

uint64_t carrier_bulk_bytes(const struct carrier *carrier)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < carrier->flows; i++)
        bytes += ns3_flow_bytes(carrier->ns3, i);
    return bytes;
}
