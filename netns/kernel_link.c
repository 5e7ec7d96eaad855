/*
 * What is the matter with a link, as nftables rules and queueing disciplines.
 *
 * The rules for both directions stand at the parent's end: a sender of its own would be told of a
 * packet that is dropped on its way out, and a capture at the child's end sees what was sent, and
 * of what was sent to it what arrives.
 */
#include <inttypes.h>

#include "core/base/check.h"
#include "netns/kernel_part.h"

enum { MILLION = 1000000, IPV6_HEADER = 40, NETEM_PACKETS = 100000, BURST_MIN = 3200 };

static uint32_t mtu_of(const struct link_config *way)
{
    return way->mtu == 0 ? LINK_MTU_DEFAULT : way->mtu;
}

static bool way_has_rules(const struct kernel_cable *cable, uint32_t way)
{
    const struct link_config *config = way == NET_WAY_UP ? &cable->up : &cable->down;
    return (cable->down_ways & way) != 0 || config->loss_ppm != 0 || config->mtu_black_hole;
}

bool kernel_link_has_rules(const struct kernel_cable *cable)
{
    return way_has_rules(cable, NET_WAY_UP) || way_has_rules(cable, NET_WAY_DOWN);
}

static void write_way(FILE *to, const char *name, const struct kernel_cable *cable, uint32_t way)
{
    const struct link_config *config = way == NET_WAY_UP ? &cable->up : &cable->down;
    if (!way_has_rules(cable, way))
        return;
    fprintf(to, " chain %s {\n  type filter hook %s device \"%s\" priority 0; policy accept;\n",
            way == NET_WAY_UP ? "up" : "down", way == NET_WAY_UP ? "ingress" : "egress", name);
    if ((cable->down_ways & way) != 0)
        fprintf(to, "  drop\n");
    if (config->mtu_black_hole)
        fprintf(to, "  ip length > %u drop\n  ip6 length > %u drop\n", mtu_of(config),
                mtu_of(config) - IPV6_HEADER);
    if (config->loss_ppm >= MILLION)
        fprintf(to, "  drop\n");
    else if (config->loss_ppm != 0)
        fprintf(to, "  numgen random mod %d < %u drop\n", MILLION, config->loss_ppm);
    fprintf(to, " }\n");
}

void kernel_write_link(FILE *to, const char *name, const struct kernel_cable *cable)
{
    fprintf(to, "table netdev %s\ndelete table netdev %s\n", name, name);
    if (!kernel_link_has_rules(cable))
        return;
    fprintf(to, "table netdev %s {\n", name);
    write_way(to, name, cable, NET_WAY_UP);
    write_way(to, name, cable, NET_WAY_DOWN);
    fprintf(to, "}\n");
}

/* What only netem can do; loss is the rules' in any case. */
static bool wants_netem(const struct link_config *way)
{
    return (way->latency_ns | way->jitter_ns) != 0 ||
           (way->burst_enter_ppm | way->duplicate_ppm | way->reorder_ppm | way->corrupt_ppm) != 0;
}

bool kernel_way_has_qdisc(const struct link_config *way)
{
    return way->rate_bps != 0 || (wants_netem(way) && kernel_delays());
}

static void write_percent(FILE *to, const char *word, uint32_t ppm)
{
    fprintf(to, " %s %u.%04u%%", word, ppm / 10000, ppm % 10000);
}

/* netem's jitter always reorders, and what it reorders goes ahead of what is delayed. */
static void write_netem(FILE *to, const struct link_config *way)
{
    uint64_t delay_ns = way->latency_ns + way->jitter_ns / 2;
    if (way->reorder_ppm != 0 && delay_ns == 0)
        delay_ns = way->reorder_hold_ns;
    fprintf(to, "netem limit %d delay %" PRIu64 "us", NETEM_PACKETS, delay_ns / 1000);
    if (way->jitter_ns != 0 && way->jitter_reorders)
        fprintf(to, " %" PRIu64 "us", way->jitter_ns / 2000);
    if (way->burst_enter_ppm != 0) {
        write_percent(to, "loss gemodel", way->burst_enter_ppm);
        write_percent(to, "", way->burst_leave_ppm);
        write_percent(to, "", way->burst_loss_ppm == 0 ? MILLION : way->burst_loss_ppm);
        write_percent(to, "", 0);
    }
    if (way->duplicate_ppm != 0)
        write_percent(to, "duplicate", way->duplicate_ppm);
    if (way->corrupt_ppm != 0)
        write_percent(to, "corrupt", way->corrupt_ppm);
    if (way->reorder_ppm != 0)
        write_percent(to, "reorder", way->reorder_ppm);
    if (way->rate_bps != 0)
        fprintf(to, " rate %" PRIu64 "bit", way->rate_bps);
}

void kernel_write_qdisc(FILE *to, const char *name, const struct link_config *way)
{
    check(kernel_way_has_qdisc(way));
    fprintf(to, "qdisc replace dev %s root ", name);
    if (wants_netem(way) && kernel_delays()) {
        write_netem(to, way);
    } else {
        /* What a hundredth of a second carries goes at once; tbf passes nothing bigger than that,
           so it is two packets at least. */
        uint64_t burst = way->rate_bps / 800;
        if (burst < BURST_MIN)
            burst = BURST_MIN;
        fprintf(to, "tbf rate %" PRIu64 "bit burst %" PRIu64 " limit %u", way->rate_bps, burst,
                way->queue_bytes == 0 ? LINK_QUEUE_DEFAULT : way->queue_bytes);
    }
    fprintf(to, "\n");
}
