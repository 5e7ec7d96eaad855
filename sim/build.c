/* Building a world: places, links, addresses and the routes to them. */
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "sim/host.h"
#include "sim/world.h"

/* 198.18.0.0/15, which RFC 2544 sets aside for benchmarks. */
#define INTERNET_V4_BASE UINT32_C(0xc6120000)
#define INTERNET_V4_END UINT32_C(0xc6140000)
/* 192.168.0.0/16 and 10.0.0.0/8 of RFC 1918, 100.64.0.0/10 of RFC 6598. */
#define HOME_V4_BASE UINT32_C(0xc0a80000)
#define CARRIER_V4_BASE UINT32_C(0x64400000)
#define WIDE_V4_BASE UINT32_C(0x0a000000)
/* Addresses of a /12. */
#define RANGE_12 UINT32_C(0x00100000)

/* ---- Names ----------------------------------------------------------------------------------- */

static uint32_t name_slot(const struct net *net, const char *name)
{
    uint64_t hash = hash_once((struct hash_key){{0, 0}}, name, strlen(name));
    uint32_t at = (uint32_t)hash & net->names_mask;
    while (net->names[at] != 0 && strcmp(net->places[net->names[at] - 1].name, name) != 0)
        at = (at + 1) & net->names_mask;
    return at;
}

uint32_t net_find(const struct net *net, const char *name)
{
    return net->names == NULL ? NET_NONE : net->names[name_slot(net, name)] - 1;
}

static void grow_names(struct net *net)
{
    free(net->names);
    net->names_mask = net->names_mask == 0 ? 63 : 2 * net->names_mask + 1;
    net->names = world_grow(NULL, (size_t)net->names_mask + 1, sizeof *net->names);
    for (uint32_t i = 0; i < net->place_count; i++)
        net->names[name_slot(net, net->places[i].name)] = i + 1;
}

static bool name_is_good(const char *name)
{
    size_t size = strlen(name);
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    return size >= 1 && size <= NET_NAME_MAX && strspn(name, letters) == size;
}

static uint32_t add_place(struct net *net, const char *name)
{
    check(name_is_good(name));
    check(net_find(net, name) == NET_NONE);
    if (net->place_count == net->place_capacity) {
        net->place_capacity = net->place_capacity == 0 ? 16 : 2 * net->place_capacity;
        net->places = world_grow(net->places, net->place_capacity, sizeof *net->places);
    }
    if (2 * (net->place_count + 1) > net->names_mask)
        grow_names(net);
    struct place *place = &net->places[net->place_count];
    memset(place, 0, sizeof *place);
    memcpy(place->name, name, strlen(name));
    net->names[name_slot(net, name)] = net->place_count + 1;
    engine_set_nodes(&net->engine, net->place_count + 1);
    return net->place_count++;
}

/* ---- Links ----------------------------------------------------------------------------------- */

static struct router *router_at(const struct net *net, uint32_t place)
{
    check(place < net->place_count && net->places[place].router != NULL);
    return net->places[place].router;
}

/* "from>to" of the direction away from a port; a number tells parallel links apart. */
static void way_name(const struct net *net, uint32_t port, char to[static NET_LINK_NAME_SIZE])
{
    const struct place *from = &net->places[net->ports[port].place];
    const struct place *dest = &net->places[net->ports[port ^ 1].place];
    uint32_t child = port & ~UINT32_C(1);
    uint32_t parallel = 1;
    const struct host *host = net->places[net->ports[child].place].host;
    for (uint32_t i = 0; host != NULL && i < net->ports[child].number; i++)
        if (net->ports[host->interfaces[i].port ^ 1].place == net->ports[child ^ 1].place)
            parallel++;
    size_t size = strlen(from->name);
    memcpy(to, from->name, size);
    to[size++] = '>';
    memcpy(to + size, dest->name, strlen(dest->name) + 1);
    size += strlen(dest->name);
    check(parallel <= NET_INTERFACES_MAX);
    if (parallel == 1)
        return;
    to[size++] = '#';
    to[size++] = (char)('0' + parallel);
    to[size] = '\0';
}

void net_link_name(const struct net *net, uint32_t link, char to[static NET_LINK_NAME_SIZE])
{
    check(2 * link < net->port_count);
    way_name(net, 2 * link, to);
}

void build_set_way(struct net *net, uint32_t port, const struct link_config *config)
{
    struct port *at = &net->ports[port];
    if (link_needs_draws(config) && at->draws == NULL) {
        char name[NET_LINK_NAME_SIZE];
        way_name(net, port, name);
        at->draws = world_grow(NULL, 1, sizeof *at->draws);
        link_draws_init(at->draws, net->config.seed, name);
        at->way.draws = at->draws;
    }
    link_set(&at->way, config);
    at->mtu = at->way.config.mtu;
    at->black_hole = at->way.config.mtu_black_hole;
}

/* The child's port of a new link; the parent's is the next number. */
static uint32_t add_link(struct net *net, uint32_t child, uint32_t number, struct router *parent)
{
    if (net->port_count + 2 > net->port_capacity) {
        net->port_capacity = net->port_capacity == 0 ? 32 : 2 * net->port_capacity;
        net->ports = world_grow(net->ports, net->port_capacity, sizeof *net->ports);
    }
    uint32_t port = net->port_count;
    net->port_count += 2;
    check(net->port_count < ROUTE_REJECT);
    memset(&net->ports[port], 0, 2 * sizeof *net->ports);
    net->ports[port].place = child;
    net->ports[port].number = number;
    net->ports[port + 1].place = parent->place;
    net->ports[port + 1].number = ++parent->inner_ports;
    return port;
}

/* ---- Addresses ------------------------------------------------------------------------------- */

/* The router whose IPv4 range covers what is behind this one. */
static struct router *v4_owner(const struct net *net, struct router *router)
{
    while (router->v4_next == 0)
        router = router_at(net, router->parent);
    return router;
}

/* A route to what is behind a port of a router, there and in all routers above it up to the one
 * whose range it is in. */
static void add_v4_route(const struct net *net, struct router *router, uint32_t port,
                         const struct addr *address)
{
    const struct router *owner = v4_owner(net, router);
    for (;;) {
        route_set(&router->routes, address, 32, port);
        if (router == owner)
            return;
        port = router->uplink ^ 1;
        router = router_at(net, router->parent);
    }
}

static void remove_v4_route(const struct net *net, struct router *router,
                            const struct addr *address)
{
    const struct router *owner = v4_owner(net, router);
    for (;;) {
        route_remove_host(&router->routes, address);
        if (router == owner)
            return;
        router = router_at(net, router->parent);
    }
}

static struct addr take_v4(const struct net *net, struct router *router, uint32_t port)
{
    struct router *owner = v4_owner(net, router);
    check(owner->v4_next < owner->v4_end); /* the range is full: use `wide` */
    struct addr address = addr_v4(owner->v4_next++, 0);
    add_v4_route(net, router, port, &address);
    return address;
}

/* ADDR_NONE where the router has no IPv6. */
static struct addr take_v6(struct router *router, uint32_t port)
{
    struct addr address = router->v6_prefix;
    if (address.family == ADDR_NONE)
        return address;
    uint64_t host = router->v6_next++;
    for (unsigned i = 0; i < 8; i++)
        address.ip[15 - i] = (uint8_t)(host >> (8 * i));
    route_set(&router->routes, &address, 128, port);
    return address;
}

/* The router's own /64, routed to it from every router above, up to one that translates IPv6. */
static void give_v6_prefix(const struct net *net, struct router *router)
{
    bool translated = false;
    for (const struct router *at = router; at->uplink != NET_NONE; at = router_at(net, at->parent))
        translated = translated || at->nat_v6;
    uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8};
    if (translated)
        memcpy(ip, (const uint8_t[4]){0xfd, 0, 0, 0}, 4);
    ip[4] = (uint8_t)(router->number >> 24);
    ip[5] = (uint8_t)(router->number >> 16);
    ip[6] = (uint8_t)(router->number >> 8);
    ip[7] = (uint8_t)router->number;
    router->v6_prefix = addr_v6(ip, 0);
    router->v6_next = 1;
    route_set(&router->routes, &router->v6_prefix, 64, ROUTE_REJECT);
    router->inside_v6 = take_v6(router, ROUTE_LOCAL);
    for (struct router *at = router; at->uplink != NET_NONE && !at->nat_v6;) {
        uint32_t port = at->uplink ^ 1;
        at = router_at(net, at->parent);
        route_set(&at->routes, &router->v6_prefix, 64, port);
    }
}

static void set_v4_range(struct router *router, uint32_t base, unsigned bits)
{
    struct addr range = addr_v4(base, 0);
    router->v4_base = base;
    router->v4_bits = (uint8_t)bits;
    router->v4_next = base + 2;
    router->v4_end = base + (UINT32_C(1) << (32 - bits)) - 1;
    route_set(&router->routes, &range, bits, ROUTE_REJECT);
    router->inside_v4 = addr_v4(base + 1, 0);
    route_set(&router->routes, &router->inside_v4, 32, ROUTE_LOCAL);
}

static bool range_taken(const struct net *net, const struct router *router, uint32_t base)
{
    for (const struct router *at = router; at->uplink != NET_NONE; at = router_at(net, at->parent))
        if (at->v4_base == base)
            return true;
    return false;
}

/* A range that no router above it uses, so that nothing has an address twice along one path. */
static void give_v4_range(const struct net *net, struct router *router,
                          const struct net_router *config)
{
    if (config->carrier || config->wide) {
        uint32_t base = config->carrier ? CARRIER_V4_BASE : WIDE_V4_BASE;
        uint32_t end = base + (config->carrier ? 4 : 16) * RANGE_12;
        while (range_taken(net, router, base))
            base += RANGE_12;
        check(base < end);
        set_v4_range(router, base, 12);
        return;
    }
    uint32_t number = router->number;
    uint32_t base;
    do {
        base = HOME_V4_BASE + ((number++ - 1) % 254 + 1) * 256;
    } while (range_taken(net, router, base));
    set_v4_range(router, base, 24);
}

/* External addresses from the parent, reachable there, and the router's own here. */
static void give_external(const struct net *net, struct router *router)
{
    struct router *parent = router_at(net, router->parent);
    uint32_t count = router->external_v4 + router->external_v6;
    for (uint32_t i = 0; i < count; i++) {
        bool v4 = i < router->external_v4;
        struct addr address =
            v4 ? take_v4(net, parent, router->uplink ^ 1) : take_v6(parent, router->uplink ^ 1);
        check(address.family != ADDR_NONE);
        router->external[i] = address;
        route_set(&router->routes, &address, v4 ? 32 : 128, ROUTE_LOCAL);
    }
}

void build_renumber(struct net *net, struct router *router)
{
    struct router *parent = router_at(net, router->parent);
    for (uint32_t i = 0; i < router->external_v4; i++) {
        remove_v4_route(net, parent, &router->external[i]);
        route_remove_host(&router->routes, &router->external[i]);
    }
    for (uint32_t i = router->external_v4; i < router->external_v4 + router->external_v6; i++) {
        route_remove_host(&parent->routes, &router->external[i]);
        route_remove_host(&router->routes, &router->external[i]);
    }
    give_external(net, router);
    if (router->nat != NULL)
        nat_set_external(router->nat, router->external,
                         router->external_v4 + (router->nat_v6 ? router->external_v6 : 0));
}

/* ---- Places ---------------------------------------------------------------------------------- */

static struct router *new_router(struct net *net, const char *name)
{
    uint32_t place = add_place(net, name);
    struct router *router = world_grow(NULL, 1, sizeof *router);
    router->place = place;
    router->uplink = NET_NONE;
    router->number = net->router_count++;
    route_init(&router->routes);
    net->places[place].router = router;
    return router;
}

void build_internet(struct net *net)
{
    struct router *router = new_router(net, "internet");
    check(router->place == NET_INTERNET);
    router->parent = NET_NONE;
    router->v4_base = INTERNET_V4_BASE;
    router->v4_next = INTERNET_V4_BASE + 2;
    router->v4_end = INTERNET_V4_END;
    router->inside_v4 = addr_v4(INTERNET_V4_BASE + 1, 0);
    route_set(&router->routes, &router->inside_v4, 32, ROUTE_LOCAL);
    give_v6_prefix(net, router);
}

static void give_nat(struct net *net, struct router *router, const char *name,
                     const struct nat_config *config)
{
    char full[NET_NAME_MAX + 5] = "nat/";
    memcpy(full + 4, name, strlen(name));
    uint32_t pool = router->external_v4 + (router->nat_v6 ? router->external_v6 : 0);
    router->nat =
        nat_create(config, router->external, pool, net->config.seed, full, 4 + strlen(name));
    check(router->nat != NULL);
    router->answers_refused = config->poison_ns != 0;
}

static void give_firewall(struct net *net, struct router *router, const char *name,
                          const struct firewall_config *config)
{
    char full[NET_NAME_MAX + 10] = "firewall/";
    memcpy(full + 9, name, strlen(name));
    struct random_stream stream;
    random_stream_init(&stream, net->config.seed, full, 9 + strlen(name));
    router->firewall = firewall_create(config, random_u64(&stream));
    check(router->firewall != NULL);
}

uint32_t net_add_router(struct net *net, const char *name, const struct net_router *config)
{
    struct router *parent = router_at(net, config->behind);
    check(config->nat == NULL || nat_config_problem(config->nat) == NULL);
    check(config->firewall == NULL || firewall_config_problem(config->firewall) == NULL);
    struct router *router = new_router(net, name);
    router->parent = config->behind;
    router->silent = config->silent;
    router->uplink = add_link(net, router->place, 0, parent);
    net->ports[router->uplink].outside = true;
    build_set_way(net, router->uplink, &config->up);
    build_set_way(net, router->uplink ^ 1, &config->down);

    static const struct addr any_v4 = {.family = ADDR_V4};
    static const struct addr any_v6 = {.family = ADDR_V6};
    route_set(&router->routes, &any_v4, 0, router->uplink);
    bool v6 = !config->no_v6 && parent->v6_prefix.family != ADDR_NONE;
    router->nat_v6 = config->nat_v6 && config->nat != NULL && v6;
    uint32_t external = config->external;
    if (external == 0)
        external = config->nat != NULL && config->nat->pool > 0 ? config->nat->pool : 1;
    router->external_v4 = external;
    router->external_v6 = !v6 ? 0 : router->nat_v6 ? external : 1;
    check(external <= NET_EXTERNAL_MAX);
    router->external =
        world_grow(NULL, router->external_v4 + router->external_v6, sizeof *router->external);
    give_external(net, router);
    if (config->nat != NULL) {
        give_v4_range(net, router, config);
        give_nat(net, router, name, config->nat);
    }
    if (config->firewall != NULL)
        give_firewall(net, router, name, config->firewall);
    if (v6) {
        route_set(&router->routes, &any_v6, 0, router->uplink);
        give_v6_prefix(net, router);
    }
    return router->place;
}

uint32_t net_add_interface(struct net *net, uint32_t place, const struct net_host *config)
{
    check(place < net->place_count && net->places[place].host != NULL);
    struct host *host = net->places[place].host;
    struct router *router = router_at(net, config->behind);
    uint32_t number = host->interface_count;
    uint32_t addresses = config->addresses == 0 ? 1 : config->addresses;
    check(number < NET_INTERFACES_MAX && addresses <= NET_ADDRESSES_MAX);
    host->interfaces = world_grow(host->interfaces, number + 1, sizeof *host->interfaces);
    host->interface_count++;
    struct host_interface *interface = &host->interfaces[number];
    memset(interface, 0, sizeof *interface);
    interface->port = add_link(net, place, number, router);
    build_set_way(net, interface->port, &config->up);
    build_set_way(net, interface->port ^ 1, &config->down);
    bool on_internet = router->place == NET_INTERNET;
    interface->v4_bits = on_internet ? 0 : router->v4_bits;
    interface->v6_bits = on_internet ? 0 : 64;
    for (uint32_t i = 0; i < addresses; i++) {
        if (!config->no_v4) {
            struct addr address = take_v4(net, router, interface->port ^ 1);
            struct addr external;
            interface->v4[interface->v4_count++] = address;
            /* A host behind a one-to-one NAT is reachable from the start, as a machine in a cloud
             * is. */
            if (router->nat != NULL && nat_configuration(router->nat)->one_to_one)
                (void)nat_assign(router->nat, &address, &external);
        }
        if (!config->no_v6 && router->v6_prefix.family != ADDR_NONE)
            interface->v6[interface->v6_count++] = take_v6(router, interface->port ^ 1);
    }
    return number;
}

uint32_t net_add_host(struct net *net, const char *name, const struct net_host *config)
{
    uint32_t place = add_place(net, name);
    struct host *host = world_grow(NULL, 1, sizeof *host);
    net->places[place].host = host;
    host->net = net;
    host->place = place;
    host->armed_ns = ENGINE_NEVER;
    char stream[NET_NAME_MAX + 12] = "host/";
    size_t size = strlen(name);
    memcpy(stream + 5, name, size);
    memcpy(stream + 5 + size, "/ports", 6);
    random_stream_init(&host->ports, net->config.seed, stream, 5 + size + 6);
    if (config->behind != NET_NONE)
        (void)net_add_interface(net, place, config);
    check(config->gate == NULL || (config->limits == NULL && config->gate->arrived != NULL));
    if (config->gate != NULL)
        host->gate = *config->gate;
    if (config->limits != NULL) {
        host->limits = *config->limits;
        host_start(net, host);
    }
    return place;
}

uint32_t build_port(const struct net *net, uint32_t place, uint32_t interface)
{
    check(place < net->place_count);
    const struct place *at = &net->places[place];
    if (at->router != NULL)
        return interface == 0 ? at->router->uplink : NET_NONE;
    return interface < at->host->interface_count ? at->host->interfaces[interface].port : NET_NONE;
}

/* ---- Finding --------------------------------------------------------------------------------- */

uint32_t net_parent(const struct net *net, uint32_t place, uint32_t interface)
{
    uint32_t port = build_port(net, place, interface);
    return port == NET_NONE ? NET_NONE : net->ports[port ^ 1].place;
}

uint32_t net_link(const struct net *net, uint32_t place, uint32_t interface)
{
    uint32_t port = build_port(net, place, interface);
    return port == NET_NONE ? NET_NONE : port / 2;
}

struct addr net_address(const struct net *net, uint32_t place, uint8_t family, uint32_t index)
{
    static const struct addr none;
    check(place < net->place_count && (family == ADDR_V4 || family == ADDR_V6));
    const struct router *router = net->places[place].router;
    const struct host *host = net->places[place].host;
    if (router != NULL && router->uplink == NET_NONE)
        return index > 0 ? none : family == ADDR_V4 ? router->inside_v4 : router->inside_v6;
    if (router != NULL) {
        uint32_t count = family == ADDR_V4 ? router->external_v4 : router->external_v6;
        return index >= count
                   ? none
                   : router->external[family == ADDR_V4 ? index : router->external_v4 + index];
    }
    for (uint32_t i = 0; i < host->interface_count; i++) {
        const struct host_interface *interface = &host->interfaces[i];
        uint32_t count = family == ADDR_V4 ? interface->v4_count : interface->v6_count;
        if (index < count)
            return family == ADDR_V4 ? interface->v4[index] : interface->v6[index];
        index -= count;
    }
    return none;
}

struct addr net_interface_address(const struct net *net, uint32_t place, uint32_t interface,
                                  uint8_t family, uint32_t index)
{
    static const struct addr none;
    check(place < net->place_count && (family == ADDR_V4 || family == ADDR_V6));
    const struct host *host = net->places[place].host;
    if (host == NULL)
        return interface == 0 ? net_address(net, place, family, index) : none;
    if (interface >= host->interface_count)
        return none;
    const struct host_interface *at = &host->interfaces[interface];
    if (family == ADDR_V4)
        return index < at->v4_count ? at->v4[index] : none;
    return index < at->v6_count ? at->v6[index] : none;
}

struct addr net_inside(const struct net *net, uint32_t router, uint8_t family)
{
    const struct router *at = router_at(net, router);
    return family == ADDR_V4 ? at->inside_v4 : at->inside_v6;
}

static bool place_has(const struct net *net, uint32_t place, const struct addr *address)
{
    for (uint32_t i = 0;; i++) {
        struct addr own = net_address(net, place, address->family, i);
        if (own.family == ADDR_NONE)
            break;
        if (addr_equal_ip(&own, address))
            return true;
    }
    const struct router *router = net->places[place].router;
    return router != NULL && (addr_equal_ip(&router->inside_v4, address) ||
                              addr_equal_ip(&router->inside_v6, address));
}

uint32_t net_owner(const struct net *net, const struct addr *address)
{
    for (uint32_t i = 0; address->family != ADDR_NONE && i < net->place_count; i++)
        if (place_has(net, i, address))
            return i;
    return NET_NONE;
}
