/*
 * A router's NAT and firewall as an nftables rule set.
 *
 * Conntrack alone gives a NAT whose filter is by address and port. Where the mapping has to hold
 * beside it, two maps learn it: i2o from inside endpoints to external ones, which later flows of
 * the endpoint are given, and o2i back, by which strangers are let in where the filter admits them.
 *
 * A hairpin is exact because the router has a cable to itself, "turn0" to "turn1", and its external
 * addresses are routed there instead of being its own: what is sent to them from inside is
 * translated and leaves by turn0 as by the uplink, and comes in by turn1 as from anywhere outside.
 */
#include <inttypes.h>

#include "core/base/check.h"
#include "netns/kernel_part.h"

/* Interfaces that lead outside; naming one that does not exist does no harm. */
#define OUTSIDE "{ \"wan\", \"turn0\" }"
#define FROM_OUTSIDE "{ \"wan\", \"turn1\" }"

static const uint64_t second_ns = 1000000000;

/* The words of a family. */
struct words {
    FILE *to;
    const struct kernel_routing *routing;
    const struct nat_config *nat;
    uint32_t family; /* index into kernel_families */
    const char *ip;
    const char *type;
};

bool kernel_translates(const struct kernel_place *place, uint8_t family)
{
    return place->has_nat && (family == ADDR_V4 || place->router.nat_v6);
}

bool kernel_turns(const struct kernel_place *place)
{
    return place->has_nat && place->nat.hairpin == NAT_HAIRPIN_EXTERNAL;
}

bool kernel_learns(const struct nat_config *nat)
{
    return nat->mapping != NAT_MAPPING_APDM && nat->ports != NAT_PORTS_OVERLOADED &&
           !nat->one_to_one;
}

static bool has_used_ports(const struct nat_config *nat)
{
    return nat->ports == NAT_PORTS_PRESERVED && !nat->one_to_one;
}

static bool has_permissions(const struct nat_config *nat)
{
    return nat->filtering == NAT_FILTERING_ADF;
}

static uint64_t seconds(uint64_t ns)
{
    return ns / second_ns;
}

/* ---- The tables that learn ---- */

static const char *key_remote(const struct words *w, const char *of)
{
    static const char *const names[2][2] = {{" . ip daddr", " . ip saddr"},
                                            {" . ip6 daddr", " . ip6 saddr"}};
    return w->nat->mapping != NAT_MAPPING_ADM ? "" : names[w->family][of[0] == 's'];
}

static void write_sets(const struct words *w)
{
    uint64_t idle = seconds(w->nat->idle_ns);
    const char *flags = "flags dynamic,timeout; size 65535;";
    if (kernel_learns(w->nat)) {
        fprintf(w->to,
                " map i2o { type %s . inet_service%s%s : %s . inet_service; %s timeout %" PRIu64
                "s; }\n",
                w->type, w->nat->mapping == NAT_MAPPING_ADM ? " . " : "",
                w->nat->mapping == NAT_MAPPING_ADM ? w->type : "", w->type, flags, idle);
        fprintf(w->to,
                " map o2i { type %s . inet_service : %s . inet_service; %s timeout %" PRIu64
                "s; }\n",
                w->type, w->type, flags, idle);
    }
    for (uint32_t i = 0; has_used_ports(w->nat) && i < w->routing->place->external_count[w->family];
         i++)
        fprintf(w->to, " set used%u { type inet_service; %s timeout %" PRIu64 "s; }\n", i, flags,
                idle);
    if (has_permissions(w->nat))
        fprintf(w->to, " set sent { type %s . inet_service . %s; %s timeout %" PRIu64 "s; }\n",
                w->type, w->type, flags, idle);
}

/* What a packet that leaves, with its external source by then, teaches. */
static void write_learn(const struct words *w)
{
    static const char *const ways[] = {"original", "reply"};
    fprintf(w->to,
            " chain learn {\n  type filter hook postrouting priority srcnat + 10; policy accept;\n"
            "  oifname " OUTSIDE " meta l4proto udp ct mark 0 jump remember\n }\n"
            " chain remember {\n");
    for (uint32_t i = 0; kernel_learns(w->nat) && i < 2; i++) {
        fprintf(w->to,
                "  meta l4proto udp ct direction %s update @i2o { ct %s %s saddr . ct %s "
                "proto-src%s : %s saddr . udp sport }\n",
                ways[i], ways[i], w->ip, ways[i], key_remote(w, "daddr"), w->ip);
        fprintf(w->to,
                "  meta l4proto udp ct direction %s update @o2i { %s saddr . udp sport : ct %s %s "
                "saddr . ct %s proto-src }\n",
                ways[i], w->ip, ways[i], w->ip, ways[i]);
    }
    for (uint32_t i = 0; has_used_ports(w->nat) && i < w->routing->place->external_count[w->family];
         i++) {
        char text[KERNEL_ADDRESS_SIZE];
        fprintf(w->to, "  %s saddr %s meta l4proto udp update @used%u { udp sport }\n", w->ip,
                kernel_address(&w->routing->place->external[w->family][i], text), i);
    }
    if (has_permissions(w->nat))
        fprintf(w->to, "  meta l4proto udp update @sent { %s saddr . udp sport . %s daddr }\n",
                w->ip, w->ip);
    fprintf(w->to, " }\n");
}

/* A packet that was let in keeps its mapping too (RFC 4787, REQ-6). */
static void write_refresh(const struct words *w)
{
    static const char *const ways[] = {"original", "reply"};
    for (uint32_t i = 0; i < 2; i++) {
        fprintf(w->to,
                "  iifname " FROM_OUTSIDE " meta l4proto udp ct direction %s ct mark 0 update @i2o "
                "{ %s daddr . udp dport%s : ct %s %s daddr . ct %s proto-dst }\n",
                ways[i], w->ip, key_remote(w, "saddr"), ways[i], w->ip, ways[i]);
        fprintf(w->to,
                "  iifname " FROM_OUTSIDE " meta l4proto udp ct direction %s ct mark 0 update @o2i "
                "{ ct %s %s daddr . ct %s proto-dst : %s daddr . udp dport }\n",
                ways[i], ways[i], w->ip, ways[i], w->ip);
    }
}

/* ---- Translation ---- */

static void write_arriving(const struct words *w)
{
    const struct kernel_routing *routing = w->routing;
    fprintf(w->to,
            " chain arriving {\n  type nat hook prerouting priority dstnat; policy accept;\n");
    const char *condition = "";
    char permission[80];
    if (w->nat->one_to_one) {
        if (has_permissions(w->nat)) {
            snprintf(permission, sizeof permission, "%s daddr . udp dport . %s saddr @sent ", w->ip,
                     w->ip);
            condition = permission;
        }
        const char *protocol = has_permissions(w->nat) ? "meta l4proto udp " : "";
        bool first = true;
        for (uint32_t i = 0;
             w->nat->filtering != NAT_FILTERING_APDF && i < routing->assignment_count; i++) {
            const struct kernel_assignment *at = &routing->assignments[i];
            char inside[KERNEL_ADDRESS_SIZE];
            char outside[KERNEL_ADDRESS_SIZE];
            if (at->inside.family != kernel_families[w->family])
                continue;
            if (first)
                fprintf(w->to, "  iifname " FROM_OUTSIDE " %s%sdnat to %s daddr map { ", protocol,
                        condition, w->ip);
            fprintf(w->to, "%s%s : %s", first ? "" : ", ", kernel_address(&at->outside, outside),
                    kernel_address(&at->inside, inside));
            first = false;
        }
        fprintf(w->to, first ? "" : " }\n");
    } else if (w->nat->filtering != NAT_FILTERING_APDF) {
        if (has_permissions(w->nat)) {
            snprintf(permission, sizeof permission, "%s daddr . udp dport . %s saddr @sent ", w->ip,
                     w->ip);
            condition = permission;
        }
        fprintf(w->to,
                "  iifname " FROM_OUTSIDE
                " meta l4proto udp %sdnat %s to %s daddr . udp dport map @o2i\n",
                condition, w->ip, w->ip);
    }
    fprintf(w->to, " }\n");
}

/* "203.0.113.1", or "203.0.113.1:1024-65535". */
static void write_target(const struct words *w, uint32_t index, bool with_ports)
{
    char text[KERNEL_ADDRESS_SIZE];
    kernel_address(&w->routing->place->external[w->family][index], text);
    if (!with_ports)
        fprintf(w->to, "%s", text);
    else if (w->family == 0)
        fprintf(w->to, "%s:%u-%u", text, w->nat->port_low, w->nat->port_high);
    else
        fprintf(w->to, "[%s]:%u-%u", text, w->nat->port_low, w->nat->port_high);
}

/* Linux's own: "masquerade" where the address is the uplink's only one. */
static void write_snat(const struct words *w, uint32_t index, const char *match, bool with_ports,
                       const char *flags)
{
    bool own =
        w->routing->place->external_count[w->family] == 1 && !kernel_turns(w->routing->place);
    if (own && !kernel_learns(w->nat) && !with_ports) {
        fprintf(w->to, "  %s masquerade %s\n", match, flags);
        return;
    }
    fprintf(w->to, "  %s snat to ", match);
    write_target(w, index, with_ports);
    fprintf(w->to, " %s\n", flags);
}

static void write_collision(const struct words *w, uint32_t index)
{
    if (w->nat->collision == NAT_COLLISION_REFUSE) {
        fprintf(w->to, "  meta l4proto udp drop\n");
        return;
    }
    /* A flow with this mark teaches nothing, so each remote gets a port of its own. */
    if (w->nat->collision == NAT_COLLISION_SYMMETRIC)
        fprintf(w->to, "  meta l4proto udp ct mark set 1\n");
    write_snat(w, index, "meta l4proto udp", true, "fully-random");
}

/* How one of the external addresses gives its ports. */
static void write_pool(const struct words *w, uint32_t index)
{
    bool narrow = w->nat->port_low > 1024 || w->nat->port_high < 65535;
    fprintf(w->to, " chain pool%u {\n", index);
    if (w->nat->ports == NAT_PORTS_OVERLOADED) {
        if (narrow)
            write_snat(w, index, "meta l4proto { tcp, udp }", true, "");
        write_snat(w, index, "", false, "");
    } else if (w->nat->ports == NAT_PORTS_RANDOM) {
        write_snat(w, index, "meta l4proto { tcp, udp }", true, "fully-random");
        write_snat(w, index, "", false, "");
    } else {
        char match[64];
        snprintf(match, sizeof match, "udp sport %u-%u udp sport != @used%u", w->nat->port_low,
                 w->nat->port_high, index);
        write_snat(w, index, "meta l4proto != udp", false, "");
        write_snat(w, index, match, false, "");
        write_collision(w, index);
    }
    fprintf(w->to, " }\n");
}

static void write_pools(const struct words *w)
{
    uint32_t count = w->routing->place->external_count[w->family];
    for (uint32_t i = 0; i < count; i++)
        write_pool(w, i);
    fprintf(w->to, " chain choose {\n");
    if (count == 1) {
        fprintf(w->to, "  jump pool0\n }\n");
        return;
    }
    if (w->nat->pooling == NAT_POOLING_ARBITRARY)
        fprintf(w->to, "  numgen random mod %u vmap { ", count);
    else
        fprintf(w->to, "  jhash %s saddr mod %u vmap { ", w->ip, count);
    for (uint32_t i = 0; i < count; i++)
        fprintf(w->to, "%s%u : jump pool%u", i == 0 ? "" : ", ", i, i);
    fprintf(w->to, " }\n }\n");
}

static void write_leaving(const struct words *w)
{
    const struct kernel_routing *routing = w->routing;
    if (!w->nat->one_to_one)
        write_pools(w);
    fprintf(w->to, " chain leaving {\n  type nat hook postrouting priority srcnat; policy accept;\n"
                   "  oifname != " OUTSIDE " return\n");
    bool first = true;
    for (uint32_t i = 0; w->nat->one_to_one && i < routing->assignment_count; i++) {
        const struct kernel_assignment *at = &routing->assignments[i];
        char inside[KERNEL_ADDRESS_SIZE];
        char outside[KERNEL_ADDRESS_SIZE];
        if (at->inside.family != kernel_families[w->family])
            continue;
        if (first)
            fprintf(w->to, "  snat to %s saddr map { ", w->ip);
        fprintf(w->to, "%s%s : %s", first ? "" : ", ", kernel_address(&at->inside, inside),
                kernel_address(&at->outside, outside));
        first = false;
    }
    fprintf(w->to, first ? "" : " }\n");
    if (kernel_learns(w->nat))
        fprintf(w->to, "  meta l4proto udp snat %s to %s saddr . udp sport%s map @i2o\n", w->ip,
                w->ip, key_remote(w, "daddr"));
    if (!w->nat->one_to_one)
        fprintf(w->to, "  jump choose\n");
    fprintf(w->to, " }\n");
}

static void write_externals(const struct words *w)
{
    char text[KERNEL_ADDRESS_SIZE];
    fprintf(w->to, "{ ");
    for (uint32_t i = 0; i < w->routing->place->external_count[w->family]; i++)
        fprintf(w->to, "%s%s", i == 0 ? "" : ", ",
                kernel_address(&w->routing->place->external[w->family][i], text));
    fprintf(w->to, " }");
}

/* What is not admitted vanishes, before conntrack can take it for a conversation with the router
   itself; unless that is what the NAT is known for. */
static void write_refusal(const struct words *w)
{
    if (kernel_turns(w->routing->place)) {
        fprintf(w->to, " chain transit {\n  type filter hook forward priority filter + 5; "
                       "policy accept;\n  oifname \"turn0\" iifname " FROM_OUTSIDE " drop\n");
    } else {
        fprintf(w->to,
                " chain hairpin {\n  type filter hook prerouting priority raw; policy "
                "accept;\n  iifname != " FROM_OUTSIDE " %s daddr ",
                w->ip);
        write_externals(w);
        fprintf(w->to, " drop\n }\n");
        fprintf(w->to, " chain own {\n  type filter hook input priority filter; policy accept;\n");
        if (w->nat->poison_ns == 0) {
            fprintf(w->to,
                    "  iifname \"wan\" ct state established,related accept\n"
                    "  iifname \"wan\" %s daddr ",
                    w->ip);
            write_externals(w);
            fprintf(w->to, " drop\n");
        }
        fprintf(w->to, " }\n chain transit {\n  type filter hook forward priority filter + 5; "
                       "policy accept;\n");
    }
    if (w->nat->icmp == NAT_ICMP_EATEN)
        fprintf(w->to, "  ct state related meta l4proto { icmp, ipv6-icmp } drop\n");
    if (kernel_learns(w->nat))
        write_refresh(w);
    fprintf(w->to, " }\n");
}

static void write_nat(FILE *to, const struct kernel_routing *routing, uint32_t family)
{
    const struct words w = {.to = to,
                            .routing = routing,
                            .nat = &routing->place->nat,
                            .family = family,
                            .ip = family == 0 ? "ip" : "ip6",
                            .type = family == 0 ? "ipv4_addr" : "ipv6_addr"};
    check(routing->place->external_count[family] > 0);
    fprintf(to, "table %s nat {\n", w.ip);
    write_sets(&w);
    write_arriving(&w);
    write_leaving(&w);
    write_learn(&w);
    write_refusal(&w);
    fprintf(to, "}\n");
}

/* ---- Firewalls ---- */

static void write_rule(FILE *to, const struct firewall_rule *rule, bool outbound)
{
    const char *protocol = rule->protocol == NAT_UDP    ? "meta l4proto udp "
                           : rule->protocol == NAT_TCP  ? "meta l4proto tcp "
                           : rule->protocol == NAT_ICMP ? "meta l4proto { icmp, ipv6-icmp } "
                                                        : "";
    bool any = rule->port_low == 0 && rule->port_high == 65535;
    fprintf(to, "  %s", protocol);
    if (!any) {
        if (rule->protocol == 0)
            fprintf(to, "meta l4proto { tcp, udp } ");
        /* The remote end is where a packet out goes, and where one that comes in is from. */
        bool destination = outbound != rule->inside_port;
        fprintf(to, "th %s %u-%u ", destination ? "dport" : "sport", rule->port_low,
                rule->port_high);
    }
    fprintf(to, "%s\n", rule->allow ? "accept" : "drop");
}

static void write_rules_of(FILE *to, const struct firewall_config *firewall, bool outbound)
{
    uint8_t other = outbound ? FIREWALL_INBOUND : FIREWALL_OUTBOUND;
    for (uint32_t i = 0; i < firewall->rule_count; i++)
        if (firewall->rules[i].direction != other)
            write_rule(to, &firewall->rules[i], outbound);
}

static void write_firewall_sets(FILE *to, const struct firewall_config *firewall)
{
    bool remote = firewall->filtering == NAT_FILTERING_ADF;
    for (uint32_t f = 0; f < KERNEL_FAMILIES; f++) {
        const char *type = f == 0 ? "ipv4_addr" : "ipv6_addr";
        fprintf(to,
                " set sent%u { type %s . inet_service%s%s; flags dynamic,timeout; size 65535; "
                "timeout %" PRIu64 "s; }\n",
                f, type, remote ? " . " : "", remote ? type : "", seconds(firewall->idle_ns));
    }
}

static void write_firewall(FILE *to, const struct firewall_config *firewall)
{
    bool loose = firewall->stateful && firewall->filtering != NAT_FILTERING_APDF;
    bool remote = firewall->filtering == NAT_FILTERING_ADF;
    if (loose)
        write_firewall_sets(to, firewall);
    fprintf(to, " chain out {\n");
    for (uint32_t f = 0; loose && f < KERNEL_FAMILIES; f++) {
        const char *ip = f == 0 ? "ip" : "ip6";
        fprintf(to, "  meta l4proto udp update @sent%u { %s saddr . udp sport%s%s%s }\n", f, ip,
                remote ? " . " : "", remote ? ip : "", remote ? " daddr" : "");
    }
    write_rules_of(to, firewall, true);
    fprintf(to, "  %s\n }\n chain in {\n",
            firewall->stateful || firewall->default_allow ? "accept" : "drop");
    write_rules_of(to, firewall, false);
    if (firewall->stateful)
        fprintf(to, "  ct state established,related accept\n");
    for (uint32_t f = 0; loose && f < KERNEL_FAMILIES; f++) {
        const char *ip = f == 0 ? "ip" : "ip6";
        fprintf(to, "  meta l4proto udp %s daddr . udp dport%s%s%s @sent%u accept\n", ip,
                remote ? " . " : "", remote ? ip : "", remote ? " saddr" : "", f);
    }
    fprintf(to, "  %s\n }\n", !firewall->stateful && firewall->default_allow ? "accept" : "drop");
    fprintf(to, " chain transit {\n  type filter hook forward priority filter; policy accept;\n"
                "  oifname " OUTSIDE " jump out\n  iifname " FROM_OUTSIDE " jump in\n }\n");
}

/* ---- All of it ---- */

void kernel_write_rules(FILE *to, const struct kernel_routing *routing)
{
    const struct kernel_place *place = routing->place;
    for (uint32_t f = 0; f < KERNEL_FAMILIES; f++)
        if (kernel_translates(place, kernel_families[f]) && place->external_count[f] > 0) {
            const char *ip = f == 0 ? "ip" : "ip6";
            fprintf(to, "table %s nat\ndelete table %s nat\n", ip, ip);
            write_nat(to, routing, f);
        }
    fprintf(to, "table inet router\ndelete table inet router\ntable inet router {\n");
    if (place->has_firewall)
        write_firewall(to, &place->firewall);
    if (place->router.silent)
        fprintf(to, " chain mute {\n  type filter hook output priority filter; policy accept;\n"
                    "  icmp type { destination-unreachable, time-exceeded, parameter-problem } "
                    "drop\n  icmpv6 type { destination-unreachable, packet-too-big, "
                    "time-exceeded, parameter-problem } drop\n }\n");
    fprintf(to, "}\n");
}

/* What conntrack has one timeout for is as short as the shorter of the NAT's and the firewall's. */
uint32_t kernel_timeouts(const struct kernel_place *place,
                         struct kernel_setting settings[static KERNEL_SETTINGS_MAX])
{
    bool stateful = place->has_firewall && place->firewall.stateful;
    uint64_t idle_ns = place->has_nat ? place->nat.idle_ns : UINT64_MAX;
    uint64_t tcp_ns = place->has_nat ? place->nat.tcp_idle_ns : UINT64_MAX;
    if (stateful && place->firewall.idle_ns < idle_ns)
        idle_ns = place->firewall.idle_ns;
    if (stateful && place->firewall.tcp_idle_ns < tcp_ns)
        tcp_ns = place->firewall.tcp_idle_ns;
    if (idle_ns == UINT64_MAX)
        return 0;
    uint64_t one_way_ns = idle_ns;
    if (place->has_nat && place->nat.one_way_ns != 0 && place->nat.one_way_ns < idle_ns)
        one_way_ns = place->nat.one_way_ns;
    uint32_t count = 0;
    settings[count++] = (struct kernel_setting){"udp_timeout", (uint32_t)seconds(one_way_ns)};
    settings[count++] = (struct kernel_setting){"udp_timeout_stream", (uint32_t)seconds(idle_ns)};
    settings[count++] =
        (struct kernel_setting){"tcp_timeout_established", (uint32_t)seconds(tcp_ns)};
    if (place->has_nat) {
        static const char *const transitory[] = {"tcp_timeout_syn_sent", "tcp_timeout_syn_recv",
                                                 "tcp_timeout_fin_wait", "tcp_timeout_time_wait",
                                                 "tcp_timeout_close",    "tcp_timeout_close_wait",
                                                 "tcp_timeout_last_ack"};
        uint32_t transitory_s = (uint32_t)seconds(place->nat.tcp_transitory_ns);
        for (uint32_t i = 0; i < sizeof transitory / sizeof *transitory; i++)
            settings[count++] = (struct kernel_setting){transitory[i], transitory_s};
        uint32_t icmp_s = (uint32_t)seconds(place->nat.icmp_idle_ns);
        settings[count++] = (struct kernel_setting){"icmp_timeout", icmp_s};
    }
    check(count <= KERNEL_SETTINGS_MAX);
    return count;
}
