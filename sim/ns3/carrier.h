/*
 * A simulated world on an ns-3 network: its places, links and addresses are made there again, and
 * what moves between them moves there. The clock is ns-3's; the world follows it.
 *
 * One in a process, see sim/ns3/shim.h.
 */
#ifndef WARREN_SIM_NS3_CARRIER_H
#define WARREN_SIM_NS3_CARRIER_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/net.h"

struct carrier;

struct carrier *carrier_new(uint64_t seed);
void carrier_free(struct carrier *carrier);
/* For the world's config; good until carrier_free(). The world is freed first. */
const struct net_carrier *carrier_interface(struct carrier *carrier);

/*
 * Makes the network of a world that has all its places, before it runs. On links by CSMA there are
 * only nodes, behind a router, and those to one router are alike in both directions.
 */
void carrier_build(struct carrier *carrier, struct net *net);

/* TCP connections that send as much as they can. */
struct carrier_bulk {
    uint32_t from; /* hosts with a node, one of them without a NAT before it; */
    uint32_t to;
    bool from_listens; /* that one is `from`; the other opens the connections */
    uint32_t flows;
    uint64_t at_ns; /* absolute */
    uint64_t last_ns;
};

void carrier_add_bulk(struct carrier *carrier, const struct carrier_bulk *bulk);

/* Runs the world, and what carries it, up to and including this time. */
void carrier_run_until(struct carrier *carrier, uint64_t until_ns);
/* ns-3's events so far. */
uint64_t carrier_events(const struct carrier *carrier);
/* Bytes that have arrived over all flows. */
uint64_t carrier_bulk_bytes(const struct carrier *carrier);

#endif
