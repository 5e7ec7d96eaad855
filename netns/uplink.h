/*
 * A host's way out of its namespace: what `ip -batch` is to make of an interface that is there
 * already ("eth0" is the first), after the addresses that the simulated network says it has.
 */
#ifndef WARREN_NETNS_UPLINK_H
#define WARREN_NETNS_UPLINK_H

#include <stdint.h>
#include <stdio.h>

#include "sim/net.h"

/* Nobody has these: they stand for the other end of any link, so that it is one neighbour in place
   of one for each remote, of which Linux keeps no more than a thousand. */
#define UPLINK_GATEWAY_V4 "169.254.0.1"
#define UPLINK_GATEWAY_V6 "fe80::1"

/* The interface's addresses of a family (enum addr_family), and the host's routes by it. */
void uplink_write(FILE *to, const struct net *net, uint32_t host, uint32_t interface,
                  uint8_t family);
/* What comes from one of them leaves by the interface. `ip` has to be told the family. */
void uplink_write_rules(FILE *to, const struct net *net, uint32_t host, uint32_t interface,
                        uint8_t family);

#endif
