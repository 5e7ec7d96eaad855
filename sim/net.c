/* The world in motion: packets on the wire, the timeline, and running. */
#include "sim/net.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "sim/host.h"
#include "sim/world.h"

void *world_grow(void *items, size_t count, size_t item_size)
{
    check(count > 0 && item_size > 0);
    void *memory = items == NULL ? calloc(count, item_size) : realloc(items, count * item_size);
    check(memory != NULL);
    return memory;
}

/* ---- Packets on the move --------------------------------------------------------------------- */

void world_tell(struct net *net, struct net_event *event)
{
    if (net->config.observe == NULL)
        return;
    event->now_ns = net->engine.now_ns;
    net->config.observe(net->config.context, event);
}

void world_drop(struct net *net, uint32_t place, uint32_t link, enum net_drop drop, uint8_t detail,
                struct packet *packet)
{
    check(drop < NET_DROPS);
    net->counts.dropped[drop]++;
    if (net->config.observe != NULL) {
        struct net_event event = {.kind = NET_DROPPED,
                                  .place = place,
                                  .link = link,
                                  .drop = (uint8_t)drop,
                                  .detail = detail,
                                  .packet = packet};
        world_tell(net, &event);
    }
    packet_drop(&net->pool, packet);
}

static void grow_arrivals(struct net *net)
{
    uint32_t old = net->arrival_capacity;
    uint32_t size = old == 0 ? 64 : 2 * old;
    struct arrival *arrivals = world_grow(NULL, size, sizeof *arrivals);
    for (uint32_t i = 0; i < net->arrival_count; i++)
        arrivals[i] = net->arrivals[(net->arrival_head + i) & (old - 1)];
    free(net->arrivals);
    net->arrivals = arrivals;
    net->arrival_head = 0;
    net->arrival_capacity = size;
}

void world_arrive(struct net *net, uint32_t port, const struct packet *packet)
{
    if (net->arrival_count == net->arrival_capacity)
        grow_arrivals(net);
    uint32_t at = (net->arrival_head + net->arrival_count++) & (net->arrival_capacity - 1);
    net->arrivals[at].port = port;
    net->arrivals[at].packet = packet_park(&net->pool, packet);
}

enum net_drop world_drop_of_loss(enum link_loss lost)
{
    switch (lost) {
    case LINK_LOST:
        return NET_DROP_LOSS;
    case LINK_LOST_BURST:
        return NET_DROP_BURST;
    case LINK_LOST_QUEUE:
        return NET_DROP_QUEUE;
    default:
        return NET_DROP_LINK_DOWN;
    }
}

static void schedule_delivery(struct net *net, uint32_t port, uint64_t at_ns,
                              const struct packet *packet)
{
    uint32_t parked = packet_park(&net->pool, packet);
    engine_schedule(&net->engine, at_ns, ENGINE_DELIVERY, net->ports[port].place, port, parked);
}

static void transmit_impaired(struct net *net, uint32_t port, struct packet *packet)
{
    struct port *from = &net->ports[port];
    struct link_outcome outcome;
    link_pass(&from->way, net->engine.now_ns, packet_wire_size(packet), &outcome);
    if (outcome.copies == 0) {
        world_drop(net, from->place, port / 2, world_drop_of_loss(outcome.lost), 0, packet);
        return;
    }
    /* The second copy takes its reference before the first one's bytes are changed. */
    struct packet second = *packet;
    if (outcome.copies == 2)
        packet_buffer_hold(second.buffer);
    if (outcome.corrupt)
        packet_corrupt(&net->pool, packet, outcome.corrupt_draw,
                       from->way.config.corrupt_undetected);
    schedule_delivery(net, port ^ 1, outcome.arrival_ns[0], packet);
    if (outcome.copies == 2)
        schedule_delivery(net, port ^ 1, outcome.arrival_ns[1], &second);
}

void world_transmit(struct net *net, uint32_t port, struct packet *packet)
{
    struct port *from = &net->ports[port];
    if (from->capture != NULL)
        pcap_file_write(from->capture, net->engine.now_ns, packet);
    if (from->down) {
        world_drop(net, from->place, port / 2, NET_DROP_LINK_DOWN, 0, packet);
        return;
    }
    if (net->config.carrier != NULL) {
        carried_transmit(net, port, packet);
        return;
    }
    if (from->way.ideal && !from->way.down) {
        world_arrive(net, port ^ 1, packet);
        return;
    }
    if (from->way.plain && !from->way.down) {
        schedule_delivery(net, port ^ 1, link_pass_plain(&from->way, net->engine.now_ns), packet);
        return;
    }
    transmit_impaired(net, port, packet);
}

/* A packet comes out of the wire at a port. A direction that was cut meanwhile has lost it. */
static void arrive(struct net *net, uint32_t port, struct packet *packet)
{
    struct port *at = &net->ports[port];
    if (at->down || net->ports[port ^ 1].way.down) {
        world_drop(net, at->place, port / 2, NET_DROP_LINK_DOWN, 0, packet);
        return;
    }
    if (at->capture != NULL)
        pcap_file_write(at->capture, net->engine.now_ns, packet);
    const struct place *place = &net->places[at->place];
    if (place->router != NULL)
        router_receive(net, place->router, port, packet);
    else
        host_receive(net, place->host, port, packet);
}

/* All packets that ideal links pass on within this event; their hops bound how many there are. */
static void settle(struct net *net)
{
    while (net->arrival_count > 0 && !net_is_spent(net)) {
        net->passed++;
        struct arrival next = net->arrivals[net->arrival_head];
        net->arrival_head = (net->arrival_head + 1) & (net->arrival_capacity - 1);
        net->arrival_count--;
        arrive(net, next.port, packet_at(&net->pool, next.packet));
        packet_unpark(&net->pool, next.packet);
    }
}

/* ---- The timeline ---------------------------------------------------------------------------- */

static uint32_t new_timeline(struct net *net)
{
    if (net->timeline_free_count > 0)
        return net->timeline_free[--net->timeline_free_count];
    if (net->timeline_count == net->timeline_capacity) {
        net->timeline_capacity = net->timeline_capacity == 0 ? 16 : 2 * net->timeline_capacity;
        net->timeline = world_grow(net->timeline, net->timeline_capacity, sizeof *net->timeline);
        net->timeline_free =
            world_grow(net->timeline_free, net->timeline_capacity, sizeof *net->timeline_free);
    }
    return net->timeline_count++;
}

static void schedule(struct net *net, uint64_t at_ns, const struct timeline *entry)
{
    check(entry->place < net->place_count);
    uint32_t index = new_timeline(net);
    net->timeline[index] = *entry;
    engine_schedule(&net->engine, at_ns, entry->is_fault ? ENGINE_FAULT : ENGINE_COMMAND,
                    entry->place, entry->is_fault ? WORLD_FAULT : WORLD_COMMAND, index);
}

void net_schedule_fault(struct net *net, uint64_t at_ns, const struct net_fault *fault)
{
    check(fault->kind > 0 && fault->kind < NET_FAULT_KINDS);
    struct timeline entry = {.place = fault->place, .is_fault = true, .fault = *fault};
    schedule(net, at_ns, &entry);
}

void net_schedule_command(struct net *net, uint64_t at_ns, uint32_t host, const struct node_in *in)
{
    check(in->kind == NODE_IN_SERVE_STUN || in->kind == NODE_IN_DISCOVER ||
          in->kind == NODE_IN_WALL_CLOCK || in->kind == NODE_IN_SERVE_MESH ||
          in->kind == NODE_IN_NETWORK || in->kind == NODE_IN_CONNECT);
    check(host < net->place_count && net->places[host].host != NULL);
    check(net->places[host].host->gate.arrived == NULL);
    struct timeline entry = {.place = host, .command = *in};
    schedule(net, at_ns, &entry);
}

void net_schedule_setup(struct net *net, uint64_t at_ns, uint32_t host, const struct node_in *in)
{
    check(host < net->place_count && net->places[host].host != NULL);
    struct timeline entry = {.place = host,
                             .setup = host_keep_setup(net->places[host].host, in) + 1};
    schedule(net, at_ns, &entry);
}

void net_schedule_serve_mesh(struct net *net, uint64_t at_ns, uint32_t host)
{
    struct node_in in = {
        .kind = NODE_IN_SERVE_MESH,
        .serve_mesh = {.punch_port = NET_PORT_PUNCH, .relay_port = NET_PORT_RELAY}};
    net_schedule_setup(net, at_ns, host, &in);
}

void net_schedule_network(struct net *net, uint64_t at_ns, uint32_t host)
{
    struct node_in in = {.kind = NODE_IN_NETWORK, .network = {.traffic_port = NET_PORT_TRAFFIC}};
    net_schedule_setup(net, at_ns, host, &in);
}

void net_command(struct net *net, uint32_t host, const struct node_in *in)
{
    check(host < net->place_count && net->places[host].host != NULL && !net->in_node);
    host_command(net, net->places[host].host, in);
}

void net_schedule_serve_stun(struct net *net, uint64_t at_ns, uint32_t host)
{
    struct node_in in = {.kind = NODE_IN_SERVE_STUN,
                         .serve_stun = {.port = 3478, .alternate_port = 3479}};
    for (unsigned family = 0; family < 2; family++) {
        for (uint32_t i = 0; i < 2; i++) {
            struct addr address = net_address(net, host, family == 0 ? ADDR_V4 : ADDR_V6, i);
            if (address.family != ADDR_NONE)
                in.serve_stun.addresses[in.serve_stun.count++] = address;
        }
    }
    net_schedule_command(net, at_ns, host, &in);
}

void net_schedule_discover(struct net *net, uint64_t at_ns, uint32_t host, uint8_t family,
                           const uint32_t *servers, uint32_t count)
{
    check(count >= 1 && count <= NODE_DISCOVER_SERVERS);
    struct node_in in = {.kind = NODE_IN_DISCOVER, .discover = {.count = count}};
    for (uint32_t i = 0; i < count; i++) {
        in.discover.servers[i] = addr_with_port(net_address(net, servers[i], family, 0), 3478);
        check(in.discover.servers[i].family != ADDR_NONE);
    }
    net_schedule_command(net, at_ns, host, &in);
}

void net_schedule_call(struct net *net, uint64_t at_ns, uint32_t place, net_call *call,
                       void *context, uint64_t argument)
{
    struct timeline entry = {
        .place = place, .call = call, .context = context, .argument = argument};
    schedule(net, at_ns, &entry);
}

static void link_fault(struct net *net, const struct net_fault *fault)
{
    uint32_t up = build_port(net, fault->place, fault->interface);
    check(up != NET_NONE && fault->way >= NET_WAY_UP && fault->way <= NET_WAY_BOTH);
    for (uint32_t way = NET_WAY_UP; way <= NET_WAY_DOWN; way++) {
        uint32_t port = way == NET_WAY_UP ? up : up ^ 1;
        if ((fault->way & way) == 0)
            continue;
        if (fault->kind == NET_FAULT_LINK_SET)
            build_set_way(net, port, &fault->link);
        else
            net->ports[port].way.down = fault->kind == NET_FAULT_LINK_DOWN;
    }
}

/* The place right behind the internet that this one is, or is behind. */
static uint32_t side_of(const struct net *net, uint32_t place)
{
    uint32_t side = place;
    for (uint32_t at = place; at != NET_INTERNET; at = net_parent(net, side, 0)) {
        check(at != NET_NONE);
        side = at;
    }
    check(side != NET_INTERNET);
    return side;
}

static void sever_fault(struct net *net, const struct net_fault *fault)
{
    const struct severed pair = {{side_of(net, fault->place), side_of(net, fault->peer)}};
    check(pair.side[0] != pair.side[1]);
    if (fault->kind == NET_FAULT_SEVER) {
        net->severed = world_grow(net->severed, net->severed_count + 1, sizeof *net->severed);
        net->severed[net->severed_count++] = pair;
        return;
    }
    uint32_t kept = 0;
    for (uint32_t i = 0; i < net->severed_count; i++)
        if (!world_is_pair(&net->severed[i], pair.side[0], pair.side[1]))
            net->severed[kept++] = net->severed[i];
    net->severed_count = kept;
}

static void apply_fault(struct net *net, const struct net_fault *fault)
{
    struct net_event event = {.kind = NET_FAULT,
                              .place = fault->place,
                              .link = NET_NONE,
                              .number = fault->kind,
                              .fault = fault};
    world_tell(net, &event);
    const struct place *place = &net->places[fault->place];
    const struct net_carrier *carrier = net->config.carrier;
    if (carrier != NULL)
        carrier->fault(carrier->context, fault);
    switch (fault->kind) {
    case NET_FAULT_LINK_DOWN:
    case NET_FAULT_LINK_UP:
    case NET_FAULT_LINK_SET:
        link_fault(net, fault);
        return;
    case NET_FAULT_NAT_FLUSH:
        check(place->router != NULL);
        router_flush(net, place->router);
        return;
    case NET_FAULT_WAN_ADDRESS:
        check(place->router != NULL && place->router->uplink != NET_NONE);
        build_renumber(net, place->router);
        return;
    case NET_FAULT_SEVER:
    case NET_FAULT_MEND:
        sever_fault(net, fault);
        return;
    case NET_FAULT_INTERFACE_DOWN:
    case NET_FAULT_INTERFACE_UP: {
        uint32_t port = build_port(net, fault->place, fault->interface);
        check(port != NET_NONE);
        net->ports[port].down = fault->kind == NET_FAULT_INTERFACE_DOWN;
        if (place->host != NULL)
            host_addresses_changed(net, place->host);
        return;
    }
    default:
        check(place->host != NULL);
        host_fault(net, place->host, fault->kind);
        return;
    }
}

/* ---- Running --------------------------------------------------------------------------------- */

uint64_t net_next(const struct net *net)
{
    /* What ideal links pass on, when a gate has sent it, is due now. */
    return net->arrival_count > 0 ? net->engine.now_ns : engine_next_ns(&net->engine);
}

uint64_t net_now(const struct net *net)
{
    return net->engine.now_ns;
}

uint64_t net_events(const struct net *net)
{
    return net->engine.taken;
}

bool net_is_spent(const struct net *net)
{
    return net->config.events_max != 0 && net->engine.taken + net->passed >= net->config.events_max;
}

static void run_timeline(struct net *net, uint32_t index)
{
    check(index < net->timeline_count);
    struct timeline entry = net->timeline[index];
    net->timeline_free[net->timeline_free_count++] = index;
    if (entry.is_fault)
        apply_fault(net, &entry.fault);
    else if (entry.call != NULL)
        entry.call(entry.context, net, entry.argument);
    else if (entry.setup != 0)
        host_feed_setup(net, net->places[entry.place].host, entry.setup - 1);
    else
        host_command(net, net->places[entry.place].host, &entry.command);
}

bool net_step(struct net *net)
{
    check(!net->in_node);
    settle(net); /* what plain hosts sent since the last event */
    if (engine_next_ns(&net->engine) == ENGINE_NEVER || net_is_spent(net))
        return false;
    struct engine_event event;
    engine_take(&net->engine, &event);
    switch (event.what) {
    case WORLD_TIMER:
        host_timer(net, net->places[engine_event_node(&event)].host, event.time_ns);
        break;
    case WORLD_FAULT:
    case WORLD_COMMAND:
        run_timeline(net, event.which);
        break;
    default:
        arrive(net, event.what, packet_at(&net->pool, event.which));
        packet_unpark(&net->pool, event.which);
        break;
    }
    settle(net);
    return true;
}

void net_run_until(struct net *net, uint64_t until_ns)
{
    settle(net);
    while (engine_next_ns(&net->engine) <= until_ns && net_step(net))
        ;
    if (!net_is_spent(net))
        engine_advance(&net->engine, until_ns);
}

bool net_run_idle(struct net *net, uint64_t limit_ns)
{
    settle(net);
    while (engine_next_ns(&net->engine) <= limit_ns)
        if (!net_step(net))
            return !net_is_spent(net);
    return engine_next_ns(&net->engine) == ENGINE_NEVER;
}

const struct net_counts *net_counts(const struct net *net)
{
    return &net->counts;
}

uint64_t net_digest(const struct net *net)
{
    if (!net->config.digesting)
        return 0;
    struct hash digest = net->digest;
    for (uint32_t i = 0; i < net->place_count; i++) {
        const struct host *host = net->places[i].host;
        if (host == NULL || host->node == NULL)
            continue;
        hash_u64(&digest, host->past_digest);
        hash_u64(&digest, drive_digest(&host->drive));
    }
    return hash_value(&digest);
}

/* ---- A world's beginning and end ------------------------------------------------------------- */

void net_seed(uint8_t seed[static RANDOM_SEED_SIZE], uint64_t number)
{
    memset(seed, 0, RANDOM_SEED_SIZE);
    for (unsigned i = 0; i < 8; i++)
        seed[i] = (uint8_t)(number >> (8 * i));
}

struct net *net_new(const struct net_config *config)
{
    struct net *net = world_grow(NULL, 1, sizeof *net);
    net->config = *config;
    engine_init(&net->engine);
    packet_pool_init(&net->pool);
    hash_start(&net->digest, (struct hash_key){{0, 0}});
    build_internet(net);
    return net;
}

static void free_router(struct net *net, struct router *router)
{
    router_flush(net, router);
    if (router->nat != NULL)
        nat_destroy(router->nat);
    if (router->firewall != NULL)
        firewall_destroy(router->firewall);
    route_free(&router->routes);
    free(router->fragments);
    free(router->external);
    free(router);
}

static void free_host(struct net *net, struct host *host)
{
    if (host->fragments != NULL)
        fragment_flush(host->fragments, &net->pool);
    if (host->leaving != NULL)
        fragment_flush(host->leaving, &net->pool);
    free(host->fragments);
    free(host->leaving);
    free(host->interfaces);
    free(host->sockets);
    host_free_setup(host);
    free(host->node);
    free(host);
}

/* Gives back what is still under way, so that a leaked reference shows. */
static void drop_under_way(struct net *net)
{
    while (net->arrival_count > 0) {
        packet_drop(&net->pool, packet_at(&net->pool, net->arrivals[net->arrival_head].packet));
        net->arrival_head = (net->arrival_head + 1) & (net->arrival_capacity - 1);
        net->arrival_count--;
    }
    while (engine_next_ns(&net->engine) != ENGINE_NEVER) {
        struct engine_event event;
        engine_take(&net->engine, &event);
        if (engine_event_class(&event) != ENGINE_DELIVERY)
            continue;
        packet_drop(&net->pool, packet_at(&net->pool, event.which));
    }
}

void net_free(struct net *net)
{
    if (net == NULL)
        return;
    check(!net->in_node);
    drop_under_way(net);
    for (uint32_t i = 0; i < net->place_count; i++) {
        if (net->places[i].router != NULL)
            free_router(net, net->places[i].router);
        else
            free_host(net, net->places[i].host);
    }
    for (uint32_t i = 0; i < net->port_count; i++) {
        free(net->ports[i].draws);
        if (net->ports[i].capture != NULL)
            pcap_file_close(net->ports[i].capture);
    }
    check(net->pool.buffers_live == 0);
    packet_pool_free(&net->pool);
    engine_free(&net->engine);
    free(net->arrivals);
    free(net->pending);
    free(net->ports);
    free(net->places);
    free(net->names);
    free(net->timeline);
    free(net->timeline_free);
    free(net->severed);
    free(net);
}

bool net_capture(struct net *net, uint32_t place, uint32_t interface, const char *path)
{
    uint32_t port = build_port(net, place, interface);
    check(port != NET_NONE && net->ports[port].capture == NULL);
    net->ports[port].capture = pcap_file_open(path);
    return net->ports[port].capture != NULL;
}

/* ---- Looking --------------------------------------------------------------------------------- */

uint32_t net_places(const struct net *net)
{
    return net->place_count;
}

const char *net_name(const struct net *net, uint32_t place)
{
    check(place < net->place_count);
    return net->places[place].name;
}

bool net_is_router(const struct net *net, uint32_t place)
{
    check(place < net->place_count);
    return net->places[place].router != NULL;
}

bool net_is_node(const struct net *net, uint32_t place)
{
    check(place < net->place_count);
    return net->places[place].host != NULL && net->places[place].host->node != NULL;
}

struct nat *net_nat(struct net *net, uint32_t router)
{
    check(net_is_router(net, router));
    return net->places[router].router->nat;
}

struct firewall *net_firewall(struct net *net, uint32_t router)
{
    check(net_is_router(net, router));
    return net->places[router].router->firewall;
}

static struct host *host_at(const struct net *net, uint32_t host)
{
    check(host < net->place_count && net->places[host].host != NULL);
    return net->places[host].host;
}

struct node *net_node(struct net *net, uint32_t host)
{
    return host_at(net, host)->node;
}

struct drive *net_drive(struct net *net, uint32_t host)
{
    return net_is_node(net, host) ? &host_at(net, host)->drive : NULL;
}

/* ---- Plain hosts ----------------------------------------------------------------------------- */

uint16_t net_open(struct net *net, uint32_t place, uint16_t port, net_receive *receive,
                  net_icmp *icmp, void *context)
{
    struct host *host = host_at(net, place);
    check(host->node == NULL && host->gate.arrived == NULL);
    if (port == 0 && host->socket_count < NET_SOCKETS_MAX)
        port = host_ephemeral(host);
    struct host_socket *socket = host_bind(host, port, 0, ADDR_NONE);
    if (socket == NULL)
        return 0;
    socket->receive = receive;
    socket->icmp = icmp;
    socket->context = context;
    return port;
}

void net_close(struct net *net, uint32_t host, uint16_t port)
{
    host_unbind(host_at(net, host), port);
}

enum node_error net_send(struct net *net, uint32_t host, const struct net_send *send,
                         const void *bytes, uint32_t size)
{
    check(send->source.port != 0 && host_at(net, host)->gate.arrived == NULL);
    return host_send(host_at(net, host), send, bytes, size);
}

const char *net_drop_name(enum net_drop drop)
{
    static const char *const names[NET_DROPS] = {
        [NET_DROP_LOSS] = "loss",
        [NET_DROP_BURST] = "burst",
        [NET_DROP_QUEUE] = "queue",
        [NET_DROP_LINK_DOWN] = "link-down",
        [NET_DROP_BLACK_HOLE] = "black-hole",
        [NET_DROP_TOO_BIG] = "too-big",
        [NET_DROP_TTL] = "ttl",
        [NET_DROP_NO_ROUTE] = "no-route",
        [NET_DROP_NAT] = "nat",
        [NET_DROP_FIREWALL] = "firewall",
        [NET_DROP_CHECKSUM] = "checksum",
        [NET_DROP_REASSEMBLY] = "reassembly",
        [NET_DROP_NO_SOCKET] = "no-socket",
        [NET_DROP_NOT_OURS] = "not-ours",
        [NET_DROP_HOST_DOWN] = "host-down",
        [NET_DROP_UNSUPPORTED] = "unsupported",
    };
    return drop < NET_DROPS ? names[drop] : "unknown";
}

const char *net_fault_name(uint32_t kind)
{
    static const char *const names[NET_FAULT_KINDS] = {
        [NET_FAULT_LINK_DOWN] = "link-down",
        [NET_FAULT_LINK_UP] = "link-up",
        [NET_FAULT_LINK_SET] = "link-set",
        [NET_FAULT_NAT_FLUSH] = "nat-flush",
        [NET_FAULT_WAN_ADDRESS] = "wan-address",
        [NET_FAULT_INTERFACE_DOWN] = "interface-down",
        [NET_FAULT_INTERFACE_UP] = "interface-up",
        [NET_FAULT_HOST_DOWN] = "host-down",
        [NET_FAULT_HOST_UP] = "host-up",
        [NET_FAULT_SUSPEND] = "suspend",
        [NET_FAULT_RESUME] = "resume",
        [NET_FAULT_CRASH] = "crash",
        [NET_FAULT_RESTART] = "restart",
        [NET_FAULT_SEVER] = "sever",
        [NET_FAULT_MEND] = "mend",
    };
    return kind > 0 && kind < NET_FAULT_KINDS ? names[kind] : "unknown";
}
