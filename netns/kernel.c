/*
 * Builds a world from network namespaces.
 *
 * A cable is a pair of veth interfaces without ARP whose ends have the same hardware address, so
 * that every packet is for the other end and nobody has to be asked. Each address stands for
 * itself alone; where it is, its parent and whoever is above it know by a route to the interface.
 */
#include "netns/kernel.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "netns/kernel_part.h"
#include "netns/uplink.h"

#define HARDWARE_ADDRESS "02:00:00:00:00:01"

enum {
    AWAIT_MAX = 2000,       /* milliseconds */
    COUNTED_SIZE = 1 << 20, /* bytes of text in which counters are read */
};

const char *kernel_address(const struct addr *addr, char text[static KERNEL_ADDRESS_SIZE])
{
    check(addr->family == ADDR_V4 || addr->family == ADDR_V6);
    const char *done = inet_ntop(addr->family == ADDR_V4 ? AF_INET : AF_INET6, addr->ip, text,
                                 KERNEL_ADDRESS_SIZE);
    check(done != NULL);
    return done;
}

static unsigned bits_of(const struct addr *addr)
{
    return addr->family == ADDR_V4 ? 32 : 128;
}

/* ---- Lines ---- */

struct kernel_lines *kernel_lines_new(const struct kernel *kernel)
{
    check(kernel->place_count > 0);
    struct kernel_lines *lines = calloc(kernel->place_count, sizeof *lines);
    check(lines != NULL);
    return lines;
}

FILE *kernel_lines_at(struct kernel_lines *lines, uint32_t place)
{
    struct kernel_lines *at = &lines[place];
    if (at->file == NULL)
        at->file = open_memstream(&at->bytes, &at->size);
    check(at->file != NULL);
    return at->file;
}

bool kernel_lines_do(const struct kernel *kernel, struct kernel_lines *lines, enum kernel_tool tool,
                     char error[static SPACE_ERROR_SIZE])
{
    static const char *const commands[][5] = {[KERNEL_IP] = {"ip", "-batch", "-", NULL},
                                              [KERNEL_IP6] = {"ip", "-6", "-batch", "-", NULL},
                                              [KERNEL_NFT] = {"nft", "-f", "-", NULL},
                                              [KERNEL_TC] = {"tc", "-batch", "-", NULL}};
    bool well = true;
    for (uint32_t i = 0; i < kernel->place_count; i++) {
        if (lines[i].file == NULL)
            continue;
        fclose(lines[i].file);
        char why[SPACE_ERROR_SIZE];
        if (well && !space_run(kernel->places[i].host, commands[tool], lines[i].bytes, why)) {
            snprintf(error, SPACE_ERROR_SIZE, "%s: %.*s", net_name(kernel->net, i),
                     SPACE_ERROR_SIZE - NET_NAME_MAX - 3, why);
            well = false;
        }
        free(lines[i].bytes);
    }
    free(lines);
    return well;
}

/* ---- What is to be built ---- */

struct kernel *kernel_new(struct net *net)
{
    struct kernel *kernel = calloc(1, sizeof *kernel);
    check(kernel != NULL);
    kernel->net = net;
    kernel->place_count = net_places(net);
    kernel->places = calloc(kernel->place_count, sizeof *kernel->places);
    check(kernel->places != NULL);
    for (uint32_t i = 0; i < kernel->place_count; i++) {
        kernel->places[i].host = -1;
        kernel->places[i].is_router = net_is_router(net, i);
    }
    return kernel;
}

void kernel_router(struct kernel *kernel, uint32_t place, const struct net_router *router)
{
    check(place < kernel->place_count && place != NET_INTERNET);
    struct kernel_place *at = &kernel->places[place];
    check(at->is_router);
    at->router = *router;
    at->has_nat = router->nat != NULL;
    at->has_firewall = router->firewall != NULL;
    if (at->has_nat)
        at->nat = *router->nat;
    if (at->has_firewall)
        at->firewall = *router->firewall;
    at->router.nat = NULL;
    at->router.firewall = NULL;
    at->router.nat_v6 = at->has_nat && router->nat_v6 && !router->no_v6;
}

void kernel_interface(struct kernel *kernel, const struct kernel_interface *interface)
{
    check(interface->place < kernel->place_count && interface->interface < NET_INTERFACES_MAX);
    check(net_parent(kernel->net, interface->place, interface->interface) != NET_NONE);
    struct kernel_cable *cable = &kernel->places[interface->place].cables[interface->interface];
    *cable = (struct kernel_cable){.used = true, .up = interface->up, .down = interface->down};
}

void kernel_free(struct kernel *kernel)
{
    if (kernel == NULL)
        return;
    for (uint32_t i = 0; i < kernel->place_count; i++)
        if (kernel->places[i].host >= 0)
            close(kernel->places[i].host);
    free(kernel->severed);
    free(kernel->places);
    free(kernel);
}

int kernel_host(const struct kernel *kernel, uint32_t place)
{
    check(place < kernel->place_count);
    return kernel->places[place].host;
}

/* ---- Namespaces and cables ---- */

void kernel_own_name(const struct kernel *kernel, uint32_t place, uint32_t interface,
                     char to[static SPACE_NAME_SIZE])
{
    if (kernel->places[place].is_router)
        snprintf(to, SPACE_NAME_SIZE, "wan");
    else
        snprintf(to, SPACE_NAME_SIZE, "eth%u", interface);
}

void kernel_inner_name(const struct kernel *kernel, uint32_t place, uint32_t interface,
                       char to[static SPACE_NAME_SIZE])
{
    snprintf(to, SPACE_NAME_SIZE, "c%u", net_link(kernel->net, place, interface));
}

/* Both ends have the smaller one: veth takes no packet that is too big for its own end. */
uint32_t kernel_mtu(const struct kernel_cable *cable)
{
    const struct link_config *const ways[] = {&cable->up, &cable->down};
    uint32_t mtu = UINT32_MAX;
    for (uint32_t i = 0; i < 2; i++) {
        bool own = ways[i]->mtu != 0 && !ways[i]->mtu_black_hole;
        uint32_t of_way = own ? ways[i]->mtu : LINK_MTU_DEFAULT;
        mtu = of_way < mtu ? of_way : mtu;
    }
    return mtu;
}

/* Nothing is said unasked, and routers pass on what anyone sends. */
static bool set_up_namespace(struct kernel *kernel, uint32_t place,
                             char error[static SPACE_ERROR_SIZE])
{
    static const struct {
        const char *name;
        const char *value;
        bool routers;
    } settings[] = {
        {"net/ipv4/conf/all/rp_filter", "0", false},
        {"net/ipv4/conf/default/rp_filter", "0", false},
        {"net/ipv6/conf/default/addr_gen_mode", "1", false},
        {"net/ipv6/conf/default/accept_ra", "0", false},
        {"net/ipv6/conf/default/router_solicitations", "0", false},
        {"net/ipv4/ip_forward", "1", true},
        {"net/ipv6/conf/all/forwarding", "1", true},
        {"net/ipv4/conf/all/send_redirects", "0", true},
        {"net/ipv4/conf/default/send_redirects", "0", true},
    };
    struct kernel_place *at = &kernel->places[place];
    at->host = space_host(error);
    if (at->host < 0)
        return false;
    for (uint32_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if ((at->is_router || !settings[i].routers) &&
            !space_sysctl(at->host, settings[i].name, settings[i].value, error))
            return false;
    struct kernel_setting timeouts[KERNEL_SETTINGS_MAX];
    uint32_t count = at->is_router ? kernel_timeouts(at, timeouts) : 0;
    for (uint32_t i = 0; i < count; i++) {
        char name[80];
        char value[16];
        snprintf(name, sizeof name, "net/netfilter/nf_conntrack_%s", timeouts[i].name);
        snprintf(value, sizeof value, "%u", timeouts[i].value);
        if (!space_sysctl(at->host, name, value, error))
            return false;
    }
    return true;
}

static void write_veth(FILE *to, const char *name, int host, const char *other, int other_host,
                       uint32_t mtu)
{
    fprintf(
        to,
        "link add %s netns /proc/%d/fd/%d mtu %u gso_max_segs 1 address " HARDWARE_ADDRESS
        " type veth peer name %s netns /proc/%d/fd/%d mtu %u gso_max_segs 1 address " HARDWARE_ADDRESS
        "\n",
        name, (int)getpid(), host, mtu, other, (int)getpid(), other_host, mtu);
}

static bool build_cables(const struct kernel *kernel, char error[static SPACE_ERROR_SIZE])
{
    struct kernel_lines *lines = kernel_lines_new(kernel);
    FILE *to = kernel_lines_at(lines, NET_INTERNET);
    for (uint32_t i = 0; i < kernel->place_count; i++) {
        const struct kernel_place *at = &kernel->places[i];
        for (uint32_t j = 0; j < NET_INTERFACES_MAX; j++) {
            if (!at->cables[j].used)
                continue;
            char own[SPACE_NAME_SIZE];
            char inner[SPACE_NAME_SIZE];
            kernel_own_name(kernel, i, j, own);
            kernel_inner_name(kernel, i, j, inner);
            int parent = kernel->places[net_parent(kernel->net, i, j)].host;
            write_veth(to, inner, parent, own, at->host, kernel_mtu(&at->cables[j]));
        }
        if (kernel_turns(at))
            write_veth(to, "turn0", at->host, "turn1", at->host, LINK_MTU_DEFAULT);
    }
    return kernel_lines_do(kernel, lines, KERNEL_IP, error);
}

/* ---- Addresses and routes ---- */

/* The router up to which an address behind `router` is known by itself. */
static bool ends_at(const struct kernel *kernel, uint32_t router, uint8_t family)
{
    return router == NET_INTERNET || kernel_translates(&kernel->places[router], family);
}

/* Routes to an address of an interface, in its parent and every router above that needs one. */
static void write_routes(struct kernel_lines *lines, const struct kernel *kernel, uint32_t place,
                         uint32_t interface, const struct addr *address, const char *verb)
{
    char text[KERNEL_ADDRESS_SIZE];
    char name[SPACE_NAME_SIZE];
    kernel_address(address, text);
    uint32_t at = place;
    uint32_t by = interface;
    do {
        uint32_t parent = net_parent(kernel->net, at, by);
        check(parent != NET_NONE);
        kernel_inner_name(kernel, at, by, name);
        fprintf(kernel_lines_at(lines, parent), "route %s %s/%u dev %s\n", verb, text,
                bits_of(address), name);
        at = parent;
        by = 0;
    } while (!ends_at(kernel, at, address->family));
}

void kernel_write_up(FILE *to, const struct kernel *kernel, uint32_t place, uint32_t interface)
{
    fprintf(to, "link set eth%u arp off up\n", interface);
    for (uint32_t f = 0; f < KERNEL_FAMILIES; f++)
        uplink_write(to, kernel->net, place, interface, kernel_families[f]);
}

/* What comes from an interface's address leaves by it; for hosts with several. */
static bool build_source_routes(const struct kernel *kernel, uint8_t family,
                                char error[static SPACE_ERROR_SIZE])
{
    struct kernel_lines *lines = kernel_lines_new(kernel);
    for (uint32_t i = 0; i < kernel->place_count; i++)
        for (uint32_t j = 0; kernel->places[i].cables[1].used && j < NET_INTERFACES_MAX; j++)
            uplink_write_rules(kernel_lines_at(lines, i), kernel->net, i, j, family);
    return kernel_lines_do(kernel, lines, family == ADDR_V4 ? KERNEL_IP : KERNEL_IP6, error);
}

/* An interface that has just been set up drops all until a worker of Linux has seen to it. */
static bool await_end(int host, const char *name, char error[static SPACE_ERROR_SIZE])
{
    static const struct timespec millisecond = {.tv_nsec = 1000000};
    struct ifreq request = {.ifr_flags = 0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    int file = space_socket(host, AF_INET, SOCK_DGRAM, 0, error);
    if (file < 0)
        return false;
    bool running = false;
    for (uint32_t i = 0; !running && i < AWAIT_MAX; i++) {
        running =
            ioctl(file, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_RUNNING) != 0;
        if (!running)
            nanosleep(&millisecond, NULL);
    }
    close(file);
    return running || kernel_refuse(error, "%s does not come up", name);
}

bool kernel_await(const struct kernel *kernel, uint32_t place, uint32_t interface,
                  char error[static SPACE_ERROR_SIZE])
{
    char own[SPACE_NAME_SIZE];
    char inner[SPACE_NAME_SIZE];
    kernel_own_name(kernel, place, interface, own);
    kernel_inner_name(kernel, place, interface, inner);
    uint32_t parent = net_parent(kernel->net, place, interface);
    return await_end(kernel->places[place].host, own, error) &&
           await_end(kernel->places[parent].host, inner, error);
}

static bool await_all(const struct kernel *kernel, char error[static SPACE_ERROR_SIZE])
{
    for (uint32_t i = 0; i < kernel->place_count; i++) {
        const struct kernel_place *at = &kernel->places[i];
        for (uint32_t j = 0; j < NET_INTERFACES_MAX; j++)
            if (at->cables[j].used && !kernel_await(kernel, i, j, error))
                return false;
        if (kernel_turns(at) &&
            !(await_end(at->host, "turn0", error) && await_end(at->host, "turn1", error)))
            return false;
    }
    return true;
}

void kernel_read_external(struct kernel *kernel, uint32_t router)
{
    struct kernel_place *at = &kernel->places[router];
    for (uint32_t f = 0; f < KERNEL_FAMILIES; f++) {
        uint32_t count = 0;
        struct addr addr;
        while (count < NET_EXTERNAL_MAX &&
               (addr = net_address(kernel->net, router, kernel_families[f], count)).family !=
                   ADDR_NONE)
            at->external[f][count++] = addr;
        at->external_count[f] = count;
    }
}

void kernel_write_external(struct kernel_lines *lines, const struct kernel *kernel, uint32_t router,
                           const char *verb)
{
    const struct kernel_place *at = &kernel->places[router];
    FILE *to = kernel_lines_at(lines, router);
    for (uint32_t f = 0; f < KERNEL_FAMILIES; f++)
        for (uint32_t i = 0; i < at->external_count[f]; i++) {
            const struct addr *addr = &at->external[f][i];
            char text[KERNEL_ADDRESS_SIZE];
            kernel_address(addr, text);
            if (kernel_turns(at) && kernel_translates(at, addr->family))
                fprintf(to, "route %s %s/%u dev turn0\n", verb, text, bits_of(addr));
            else
                fprintf(to, "addr %s %s/%u dev wan\n", verb, text, bits_of(addr));
            write_routes(lines, kernel, router, 0, addr, verb);
        }
}

static void write_router(struct kernel_lines *lines, const struct kernel *kernel, uint32_t router)
{
    const struct kernel_place *at = &kernel->places[router];
    FILE *to = kernel_lines_at(lines, router);
    for (uint32_t f = 0; f < KERNEL_FAMILIES; f++) {
        struct addr inside = net_inside(kernel->net, router, kernel_families[f]);
        char text[KERNEL_ADDRESS_SIZE];
        if (inside.family != ADDR_NONE)
            fprintf(to, "addr replace %s/%u dev lo\n", kernel_address(&inside, text),
                    bits_of(&inside));
    }
    if (router == NET_INTERNET)
        return;
    fprintf(to, "link set wan arp off up\n");
    if (kernel_turns(at))
        fprintf(to, "link set turn0 arp off up\nlink set turn1 arp off up\n");
    fprintf(to, "route replace 0.0.0.0/0 via " UPLINK_GATEWAY_V4 " dev wan onlink\n");
    if (at->external_count[1] > 0)
        fprintf(to, "route replace ::/0 via " UPLINK_GATEWAY_V6 " dev wan onlink\n");
    kernel_write_external(lines, kernel, router, "replace");
}

static void write_host(struct kernel_lines *lines, const struct kernel *kernel, uint32_t host)
{
    const struct kernel_place *at = &kernel->places[host];
    FILE *to = kernel_lines_at(lines, host);
    for (uint32_t j = 0; j < NET_INTERFACES_MAX; j++) {
        if (!at->cables[j].used)
            continue;
        kernel_write_up(to, kernel, host, j);
        for (uint32_t f = 0; f < KERNEL_FAMILIES; f++) {
            struct addr addr;
            for (uint32_t i = 0;
                 (addr = net_interface_address(kernel->net, host, j, kernel_families[f], i))
                     .family != ADDR_NONE;
                 i++)
                write_routes(lines, kernel, host, j, &addr, "replace");
        }
    }
}

static bool build_addresses(struct kernel *kernel, char error[static SPACE_ERROR_SIZE])
{
    struct kernel_lines *lines = kernel_lines_new(kernel);
    for (uint32_t i = 0; i < kernel->place_count; i++)
        for (uint32_t j = 0; j < NET_INTERFACES_MAX; j++) {
            if (!kernel->places[i].cables[j].used)
                continue;
            char inner[SPACE_NAME_SIZE];
            kernel_inner_name(kernel, i, j, inner);
            fprintf(kernel_lines_at(lines, net_parent(kernel->net, i, j)),
                    "link set %s arp off up\n", inner);
        }
    for (uint32_t i = 0; i < kernel->place_count; i++) {
        if (kernel->places[i].is_router)
            write_router(lines, kernel, i);
        else
            write_host(lines, kernel, i);
    }
    return kernel_lines_do(kernel, lines, KERNEL_IP, error) &&
           build_source_routes(kernel, ADDR_V4, error) &&
           build_source_routes(kernel, ADDR_V6, error);
}

/* ---- Rules ---- */

/* The external address of an inside one, where each has its own. */
static void assign(const struct kernel *kernel, uint32_t router, const struct addr *inside,
                   struct kernel_routing *routing, struct kernel_assignment *assignments)
{
    struct kernel_assignment *at = &assignments[routing->assignment_count];
    if (routing->assignment_count == KERNEL_FAMILIES * NET_EXTERNAL_MAX ||
        !kernel_translates(&kernel->places[router], inside->family))
        return;
    at->inside = *inside;
    if (nat_assign(net_nat(kernel->net, router), inside, &at->outside) &&
        at->outside.family == inside->family)
        routing->assignment_count++;
}

/* Those of all that is behind the router and not behind another NAT. */
static void assign_all(const struct kernel *kernel, uint32_t router, struct kernel_routing *routing,
                       struct kernel_assignment *assignments)
{
    for (uint32_t i = 0; i < kernel->place_count; i++)
        for (uint32_t j = 0; j < NET_INTERFACES_MAX; j++)
            for (uint32_t f = 0; f < KERNEL_FAMILIES && kernel->places[i].cables[j].used; f++) {
                uint32_t above = net_parent(kernel->net, i, j);
                while (above != router && !ends_at(kernel, above, kernel_families[f]))
                    above = net_parent(kernel->net, above, 0);
                struct addr addr;
                for (uint32_t k = 0;
                     above == router &&
                     (addr = net_interface_address(kernel->net, i, j, kernel_families[f], k))
                             .family != ADDR_NONE;
                     k++)
                    assign(kernel, router, &addr, routing, assignments);
            }
}

void kernel_write_router(struct kernel_lines *lines, const struct kernel *kernel, uint32_t router)
{
    struct kernel_assignment assignments[KERNEL_FAMILIES * NET_EXTERNAL_MAX];
    const struct kernel_place *at = &kernel->places[router];
    struct kernel_routing routing = {.place = at, .assignments = assignments};
    if (at->has_nat && at->nat.one_to_one)
        assign_all(kernel, router, &routing, assignments);
    kernel_write_rules(kernel_lines_at(lines, router), &routing);
}

/* Counters by remote address and port; of what passes the router's rules, both ways. */
static void write_counters(FILE *to, bool router)
{
    const char *name = router ? "\"wan\"" : "\"eth*\"";
    fprintf(to, "table inet count {\n");
    for (uint32_t f = 0; f < KERNEL_FAMILIES; f++)
        for (uint32_t way = 0; way < 2; way++)
            fprintf(to,
                    " set %s%u { type %s . inet_service; flags dynamic; size 65535; counter; }\n",
                    way == 0 ? "sent" : "received", f, f == 0 ? "ipv4_addr" : "ipv6_addr");
    fprintf(to,
            " chain leaving {\n  type filter hook postrouting priority srcnat + 20; policy "
            "accept;\n  oifname %s meta l4proto udp update @sent0 { ip daddr . udp dport }\n"
            "  oifname %s meta l4proto udp update @sent1 { ip6 daddr . udp dport }\n }\n",
            name, name);
    fprintf(to,
            " chain arriving {\n  type filter hook %s; policy accept;\n"
            "  iifname %s meta l4proto udp update @received0 { ip saddr . udp sport }\n"
            "  iifname %s meta l4proto udp update @received1 { ip6 saddr . udp sport }\n }\n}\n",
            router ? "forward priority filter + 20" : "prerouting priority raw", name, name);
}

void kernel_write_qdiscs(struct kernel_lines *lines, const struct kernel *kernel, uint32_t place,
                         uint32_t interface, bool anew)
{
    const struct kernel_cable *cable = &kernel->places[place].cables[interface];
    char names[2][SPACE_NAME_SIZE];
    kernel_own_name(kernel, place, interface, names[0]);
    kernel_inner_name(kernel, place, interface, names[1]);
    for (uint32_t i = 0; i < 2; i++) {
        const struct link_config *way = i == 0 ? &cable->up : &cable->down;
        uint32_t at = i == 0 ? place : net_parent(kernel->net, place, interface);
        if (kernel_way_has_qdisc(way))
            kernel_write_qdisc(kernel_lines_at(lines, at), names[i], way);
        else if (anew)
            fprintf(kernel_lines_at(lines, at), "qdisc replace dev %s root pfifo\n", names[i]);
    }
}

static bool build_rules(const struct kernel *kernel, char error[static SPACE_ERROR_SIZE])
{
    struct kernel_lines *rules = kernel_lines_new(kernel);
    struct kernel_lines *qdiscs = kernel_lines_new(kernel);
    for (uint32_t i = 1; i < kernel->place_count; i++) {
        const struct kernel_place *at = &kernel->places[i];
        if (at->is_router)
            kernel_write_router(rules, kernel, i);
        write_counters(kernel_lines_at(rules, i), at->is_router);
    }
    for (uint32_t i = 1; i < kernel->place_count; i++)
        for (uint32_t j = 0; j < NET_INTERFACES_MAX; j++) {
            const struct kernel_cable *cable = &kernel->places[i].cables[j];
            if (!cable->used)
                continue;
            char name[SPACE_NAME_SIZE];
            kernel_inner_name(kernel, i, j, name);
            if (kernel_link_has_rules(cable))
                kernel_write_link(kernel_lines_at(rules, net_parent(kernel->net, i, j)), name,
                                  cable);
            kernel_write_qdiscs(qdiscs, kernel, i, j, false);
        }
    bool well = kernel_lines_do(kernel, rules, KERNEL_NFT, error);
    char ignored[SPACE_ERROR_SIZE] = "";
    return kernel_lines_do(kernel, qdiscs, KERNEL_TC, well ? error : ignored) && well;
}

bool kernel_build(struct kernel *kernel, char error[static SPACE_ERROR_SIZE])
{
    check(kernel->place_count == net_places(kernel->net));
    for (uint32_t i = 0; i < kernel->place_count; i++) {
        if (!set_up_namespace(kernel, i, error))
            return false;
        if (kernel->places[i].is_router)
            kernel_read_external(kernel, i);
    }
    return build_cables(kernel, error) && build_addresses(kernel, error) &&
           build_rules(kernel, error) && await_all(kernel, error);
}

/* ---- Counters ---- */

/* The packets of all elements "ADDRESS . PORT counter packets N bytes M"; with port 0, of any. */
static uint64_t sum_of(const char *said, const struct addr *remote)
{
    static const char counter[] = " counter packets ";
    char address[KERNEL_ADDRESS_SIZE];
    char prefix[KERNEL_ADDRESS_SIZE + 3];
    uint64_t sum = 0;
    snprintf(prefix, sizeof prefix, "%s . ", kernel_address(remote, address));
    for (const char *at = strstr(said, prefix); at != NULL; at = strstr(at + 1, prefix)) {
        bool whole = at > said && (at[-1] == ' ' || at[-1] == '\t' || at[-1] == '\n');
        char *after;
        unsigned long port = strtoul(at + strlen(prefix), &after, 10);
        if (whole && strncmp(after, counter, sizeof counter - 1) == 0 &&
            (remote->port == 0 || remote->port == port))
            sum += strtoull(after + sizeof counter - 1, NULL, 10);
    }
    return sum;
}

bool kernel_counted(struct kernel *kernel, uint32_t place, const struct addr *remote,
                    uint64_t *sent, uint64_t *received, char error[static SPACE_ERROR_SIZE])
{
    check(place < kernel->place_count && place != NET_INTERNET);
    bool v4 = remote->family == ADDR_V4;
    const char *const names[] = {v4 ? "sent0" : "sent1", v4 ? "received0" : "received1"};
    uint64_t *const to[] = {sent, received};
    char *said = malloc(COUNTED_SIZE);
    check(said != NULL);
    bool well = true;
    for (uint32_t i = 0; well && i < 2; i++) {
        const char *const command[] = {"nft", "-n", "list", "set", "inet", "count", names[i], NULL};
        well = space_ask(kernel->places[place].host, command, said, COUNTED_SIZE, error);
        *to[i] = well ? sum_of(said, remote) : 0;
    }
    free(said);
    return well;
}
