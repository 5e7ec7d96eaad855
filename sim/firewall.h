/*
 * Simulated firewalls: filters that translate nothing, in the same shape as the NAT: two functions
 * of one packet and the time. A stateful one admits from outside what answers a packet from inside
 * (the filtering behaviours of RFC 4787, section 5, without a NAT; RFC 6092 for IPv6); a stateless
 * one has only its rules. Depends on core/base and the packet of sim/nat.h.
 */
#ifndef WARREN_SIM_FIREWALL_H
#define WARREN_SIM_FIREWALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/nat.h"

enum firewall_verdict {
    FIREWALL_PASS,
    FIREWALL_DROP_RULE,        /* a rule denies it, or none allows it and the default is to deny */
    FIREWALL_DROP_UNSOLICITED, /* inbound: it answers nothing that was sent */
    FIREWALL_DROP_FULL,        /* outbound: no room to remember it */
    FIREWALL_VERDICT_COUNT,
};

enum firewall_direction {
    FIREWALL_OUTBOUND,
    FIREWALL_INBOUND,
    FIREWALL_EITHER,
};

enum { FIREWALL_RULES_MAX = 16 };

/* Rules are tried in order; the first that matches decides, before any state is looked at. */
struct firewall_rule {
    uint8_t direction; /* enum firewall_direction */
    uint8_t protocol;  /* enum nat_protocol; 0: any */
    bool inside_port;  /* the range is of the port on the inside, not on the remote's end */
    bool allow;
    uint16_t port_low; /* both ends are in the range; 0 to 65535: any, also packets without ports */
    uint16_t port_high;
};

struct firewall_config {
    bool stateful; /* without: what no rule matches passes, or not, by default_allow */
    bool default_allow;
    /* stateful: enum nat_filtering; EIF admits any remote to a used endpoint */
    uint8_t filtering;
    uint32_t capacity;    /* remembered pairs, at least 1; a full table refuses new ones */
    uint64_t idle_ns;     /* UDP and ICMP; a packet either way restarts it; at least 1 */
    uint64_t tcp_idle_ns; /* at least 1 */
    uint32_t rule_count;
    struct firewall_rule rules[FIREWALL_RULES_MAX];
};

/* An ICMP error is matched by rules for NAT_ICMP or any protocol, and by the state of its quote. */

struct firewall;

/* A stateful one of the strictest filtering, without rules: 300 s, 16384 pairs. */
struct firewall_config firewall_config_default(void);
/* NULL when the configuration can work, otherwise a sentence that says what is wrong. */
const char *firewall_config_problem(const struct firewall_config *config);

/*
 * NULL when there is no memory. `key` only spreads the table. Destroy it with firewall_destroy().
 */
struct firewall *firewall_create(const struct firewall_config *config, uint64_t key);
void firewall_destroy(struct firewall *firewall);

/* `now_ns` never decreases. */
enum firewall_verdict firewall_outbound(struct firewall *firewall, uint64_t now_ns,
                                        const struct nat_packet *packet);
enum firewall_verdict firewall_inbound(struct firewall *firewall, uint64_t now_ns,
                                       const struct nat_packet *packet);

/* A reboot: what was sent is forgotten. */
void firewall_flush(struct firewall *firewall);
/* Packets so far, by verdict. */
uint64_t firewall_count(const struct firewall *firewall, enum firewall_verdict verdict);
const char *firewall_verdict_name(enum firewall_verdict verdict);

struct firewall_preset {
    const char *name;
    const char *about; /* one sentence */
    struct firewall_config config;
};

size_t firewall_preset_count(void);
const struct firewall_preset *firewall_preset_at(size_t index);
/* NULL when there is none of that name. */
const struct firewall_preset *firewall_preset_find(const char *name);

#endif
