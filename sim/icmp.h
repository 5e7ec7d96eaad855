/* ICMP errors and echo, for IPv4 (RFC 792, RFC 1191, RFC 1812 section 4.3) and IPv6 (RFC 4443)
 * alike. */
#ifndef WARREN_SIM_ICMP_H
#define WARREN_SIM_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include "sim/packet.h"

/* Errors that one place makes: 1,000 a second, 50 at once, as Linux does by default. */
struct icmp_budget {
    uint64_t spent_until_ns;
};

bool icmp_budget_take(struct icmp_budget *budget, uint64_t now_ns);

/* False for what no error may answer: an ICMP error, a fragment but the first, what comes from no
 * single host. */
bool icmp_may_answer(const struct packet *cause);

/*
 * An error about `cause`, from `source` (its port is ignored) to the cause's source. `mtu` is for
 * PACKET_ICMP_TOO_BIG, otherwise 0.
 */
void icmp_make_error(struct packet_pool *pool, struct packet *error, const struct packet *cause,
                     enum packet_icmp kind, uint32_t mtu, const struct addr *source);
/* The answer to an echo request; takes over its reference. */
void icmp_make_reply(struct packet *packet);

void icmp_read_quote(const struct packet *error, struct packet_quote *quote);
/* Replaces the quote, on a copy of the buffer that only this packet has. */
void icmp_write_quote(struct packet_pool *pool, struct packet *error,
                      const struct packet_quote *quote);

#endif
