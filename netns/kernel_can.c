/*
 * What of the simulated network Linux can be made to do.
 *
 * What of struct nat_config is compared, and what Linux has for it:
 *
 *   mapping, ports    EIM with ports preserved or random: maps that learn; EIM overloaded:
 *   masquerade;
 *                     ADM with ports preserved or random and APDM random: conntrack, with maps for
 *                     ADM. Sequential ports, and blocks of them, there are none
 *   filtering         APDF: conntrack. EIF and ADF: maps, which lead back to one mapping and
 *                     therefore need EIM
 *   scope             shows only where one inside endpoint has several mappings; then by mapping
 *   hairpin           off and external; "internal" answers from where it was not asked collision
 *   random, symmetric and refuse; the others would have to look for a port refresh           both
 *   ways idle, one_way,    whole seconds: conntrack's two timeouts. They are a flow's, so one_way
 *   of a two_way_after     mapping that strangers may use is only as good as idle. Two-way traffic
 *   has to
 *                     last for two seconds, and no longer, before idle holds
 *   well_known, lifetime, shared_protocols, refresh_dropped, icmp=terminates: nothing; not possible
 *   poison            without maps, and for as long as one_way: such an entry never has an answer
 *   capacity, sessions, quota   tables are as big as they are: small ones are not possible
 *   contiguity        holds by itself where ports are preserved nat_v6            without maps
 *
 * And what is not compared, because no verdict and no classification shows it: session (only
 * several mappings of an endpoint with filters that conntrack has not), parity and port_classes
 * (hosts use ports above 1023 and no pairs), reuse_delay, pooling (paired is by the hash of the
 * address, and soft never has to be), eviction (of tables that do not fill), step and block (with
 * ports that are not possible).
 */
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>

#include "netns/kernel_part.h"

enum {
    TABLE_MIN = 1024, /* mappings and sessions; more than a script's hosts ever have */
    QUOTA_MIN = 256,  /* of one host */
    MTU_MIN = 1280,   /* Linux takes IPv6 off an interface that has less (RFC 8200, section 5) */
    RATE_MIN = 8000,  /* bits per second: a byte in a millisecond */
};

static const uint64_t second_ns = 1000000000;
static const uint64_t stream_after_ns = 2000000000;

bool kernel_refuse(char why[static SPACE_ERROR_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, SPACE_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

/* One thing that Linux cannot do. */
struct obstacle {
    bool present;
    const char *why;
};

/* False, with the first one's sentence, when any is present. */
static bool none_of(const struct obstacle *obstacles, size_t count,
                    char why[static SPACE_ERROR_SIZE])
{
    for (size_t i = 0; i < count; i++)
        if (obstacles[i].present)
            return kernel_refuse(why, "%s", obstacles[i].why);
    return true;
}

/* ---- NATs ---- */

static bool can_map(const struct nat_config *nat, char why[static SPACE_ERROR_SIZE])
{
    bool eim = nat->mapping == NAT_MAPPING_EIM;
    bool preserved = nat->ports == NAT_PORTS_PRESERVED;
    const struct obstacle obstacles[] = {
        {nat->ports == NAT_PORTS_SEQUENTIAL,
         "ports=sequential: Linux's NAT does not give one port after the other"},
        {nat->ports == NAT_PORTS_BLOCK, "ports=block: Linux's NAT has no blocks of ports"},
        {!eim && nat->filtering != NAT_FILTERING_APDF,
         "filtering: with a mapping for each remote, conntrack admits nobody else to it"},
        {!eim && nat->scope != NAT_SCOPE_MAPPING,
         "scope=endpoint: conntrack remembers a remote by the one mapping it was sent to through"},
        {!eim && nat->ports == NAT_PORTS_OVERLOADED,
         "ports=overloaded: Linux's NAT would give all remotes the same mapping"},
        {preserved && nat->collision == NAT_COLLISION_NEXT,
         "collision=next: Linux's NAT does not look for the next free port"},
        {preserved && nat->collision == NAT_COLLISION_STEAL,
         "collision=steal: Linux's NAT takes no port away from a mapping"},
        {nat->contiguity && !preserved, "contiguity: Linux's NAT keeps no ports together"},
        {eim && nat->ports == NAT_PORTS_OVERLOADED && nat->filtering != NAT_FILTERING_APDF,
         "filtering: masquerade admits nobody but whom was sent to"},
        {nat->shared_protocols, "shared_protocols: Linux's NAT maps each protocol for itself"},
    };
    return none_of(obstacles, sizeof obstacles / sizeof *obstacles, why);
}

static bool whole_seconds(uint64_t ns)
{
    return ns != 0 && ns % second_ns == 0 && ns / second_ns <= UINT32_MAX / 1000;
}

static uint64_t one_way_of(const struct nat_config *nat)
{
    return nat->one_way_ns == 0 ? nat->idle_ns : nat->one_way_ns;
}

static bool can_forget(const struct nat_config *nat, char why[static SPACE_ERROR_SIZE])
{
    uint64_t one_way_ns = one_way_of(nat);
    bool two = one_way_ns != nat->idle_ns;
    bool odd = !whole_seconds(nat->idle_ns) || !whole_seconds(one_way_ns) ||
               !whole_seconds(nat->tcp_idle_ns) || !whole_seconds(nat->tcp_transitory_ns) ||
               !whole_seconds(nat->icmp_idle_ns);
    const struct obstacle obstacles[] = {
        {odd, "idle: conntrack's timeouts are whole seconds, and not for ever"},
        {one_way_ns > nat->idle_ns, "one_way: conntrack would forget it as soon as idle says"},
        {two && nat->two_way_after_ns > stream_after_ns,
         "two_way_after: conntrack's own is two seconds"},
        {two && !nat->one_to_one && nat->filtering != NAT_FILTERING_APDF,
         "one_way: conntrack has it for a flow, not for a mapping that others may use"},
        {nat->well_known_ns != 0 && nat->well_known_ns != nat->idle_ns,
         "well_known: conntrack has no timeout by port"},
        {nat->lifetime_ns != 0, "lifetime: conntrack ends nothing that is in use"},
        {nat->refresh != NAT_REFRESH_BOTH,
         "refresh: conntrack's timers are restarted by packets of both ways"},
        {nat->refresh_dropped,
         "refresh_dropped: a packet that is refused leaves no trace in conntrack"},
    };
    return none_of(obstacles, sizeof obstacles / sizeof *obstacles, why);
}

static bool can_refuse(const struct nat_config *nat, char why[static SPACE_ERROR_SIZE])
{
    bool poison = nat->poison_ns != 0;
    const struct obstacle obstacles[] = {
        {nat->hairpin == NAT_HAIRPIN_INTERNAL,
         "hairpin=internal: Linux's NAT would answer from the external address"},
        {nat->icmp == NAT_ICMP_TERMINATES,
         "icmp=terminates: Linux's NAT ends no mapping for an ICMP error"},
        {poison && (kernel_learns(nat) || nat->one_to_one),
         "poison: a mapping that holds for all remotes cannot be moved for one"},
        {poison && nat->hairpin != NAT_HAIRPIN_OFF,
         "poison: with hairpins the external address is not the router's own"},
        {poison && nat->poison_ns != one_way_of(nat),
         "poison: in conntrack it lasts for as long as one_way"},
        {nat->capacity < TABLE_MIN || nat->sessions < TABLE_MIN,
         "capacity: conntrack's tables cannot be made so small for one router"},
        {nat->quota != 0 && nat->quota < QUOTA_MIN, "quota: Linux's NAT has none"},
    };
    return none_of(obstacles, sizeof obstacles / sizeof *obstacles, why);
}

static bool can_nat(const struct nat_config *nat, char why[static SPACE_ERROR_SIZE])
{
    if (nat->one_to_one && nat->pool > NET_EXTERNAL_MAX)
        return kernel_refuse(why, "pool: %u addresses are too many", nat->pool);
    return (nat->one_to_one || can_map(nat, why)) && can_forget(nat, why) && can_refuse(nat, why);
}

/* ---- Firewalls ---- */

static bool can_firewall(const struct firewall_config *firewall, char why[static SPACE_ERROR_SIZE])
{
    if (firewall->stateful &&
        (!whole_seconds(firewall->idle_ns) || !whole_seconds(firewall->tcp_idle_ns)))
        return kernel_refuse(why, "firewall: conntrack's timeouts are whole seconds");
    if (firewall->stateful && firewall->capacity < TABLE_MIN)
        return kernel_refuse(why,
                             "firewall: conntrack's tables cannot be made so small for one router");
    for (uint32_t i = 0; i < firewall->rule_count; i++) {
        const struct firewall_rule *rule = &firewall->rules[i];
        if (rule->protocol == NAT_ICMP && (rule->port_low != 0 || rule->port_high != 65535))
            return kernel_refuse(why, "firewall: nftables has no ports of ICMP");
    }
    return true;
}

bool kernel_can_route(const struct net_router *router, char why[static SPACE_ERROR_SIZE])
{
    /* nft 1.0.6 fails an assertion of its own on a map from IPv6 endpoints that learns. */
    if (router->nat != NULL && router->nat_v6 && kernel_learns(router->nat))
        return kernel_refuse(why, "nat_v6: nft cannot learn mappings of IPv6 endpoints");
    return (router->nat == NULL || can_nat(router->nat, why)) &&
           (router->firewall == NULL || can_firewall(router->firewall, why));
}

/* ---- Links ---- */

static int try_netem(void *argument)
{
    static const char *const command[] = {"tc",   "qdisc", "add",   "dev", "lo",
                                          "root", "netem", "delay", "1ms", NULL};
    char error[SPACE_ERROR_SIZE];
    int host = space_host(error);
    (void)argument;
    return host >= 0 && space_run(host, command, NULL, error) ? 0 : 1;
}

bool kernel_delays(void)
{
    static bool known;
    static bool has;
    if (known)
        return has;
    char error[SPACE_ERROR_SIZE];
    int status = 1;
    pid_t sandbox = space_sandbox(try_netem, NULL, error);
    has = sandbox > 0 && waitpid(sandbox, &status, 0) == sandbox && WIFEXITED(status) &&
          WEXITSTATUS(status) == 0;
    known = true;
    return has;
}

bool kernel_can_link(const struct link_config *link, char why[static SPACE_ERROR_SIZE])
{
    const char *needs = link->burst_enter_ppm != 0                      ? "bursts of loss"
                        : link->duplicate_ppm != 0                      ? "duplication"
                        : link->reorder_ppm != 0                        ? "reordering"
                        : link->corrupt_ppm != 0                        ? "corruption"
                        : link->jitter_ns != 0 && link->jitter_reorders ? "jitter that reorders"
                                                                        : NULL;
    if (needs != NULL && !kernel_delays())
        return kernel_refuse(why, "%s: this kernel has no netem", needs);
    if (link->corrupt_ppm != 0 && link->corrupt_undetected)
        return kernel_refuse(why, "corrupt_undetected: netem's corruption is found by checksums");
    if (link->mtu != 0 && link->mtu < MTU_MIN)
        return kernel_refuse(why, "mtu: Linux has no IPv6 where it is below %d", MTU_MIN);
    if (link->rate_bps != 0 && link->rate_bps < RATE_MIN)
        return kernel_refuse(why, "rate: below %d bits per second", RATE_MIN);
    return true;
}

bool kernel_can_fault(const struct net_fault *fault, char why[static SPACE_ERROR_SIZE])
{
    return fault->kind != NET_FAULT_LINK_SET || kernel_can_link(&fault->link, why);
}
