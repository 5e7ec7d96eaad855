/*
 * STUN server: Binding requests over UDP (RFC 8489), with the behaviour discovery usage of RFC
 * 5780. It keeps no state about requests, only a budget for each prefix that asks for more bytes
 * than it sends.
 */
#ifndef WARREN_STUN_SERVER_H
#define WARREN_STUN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/budget.h"
#include "core/base/context.h"
#include "core/stun/message.h"

/*
 * Answers that are larger than their request may be aimed at a victim whose address the request
 * bore. Such an answer has the fewest attributes that RFC 5780, section 6.1 allows, and each /24
 * (IPv4) or /48 (IPv6) gets no more than this many of them: enough for all the clients of a
 * carrier's NAT to be told once, too few to be worth aiming.
 */
enum {
    STUN_BUDGET_BURST = 100,
    STUN_BUDGET_PER_SECOND = 20,
    STUN_BUDGET_BITS_V4 = 24,
    STUN_BUDGET_BITS_V6 = 48,
};

/* Counted with each datagram in the comparison of request and answer. */
enum { STUN_IP_UDP_V4 = 28, STUN_IP_UDP_V6 = 48 };

struct stun_server {
    struct node_in_serve_stun serving;
    struct budget sources;
};

size_t stun_server_bytes(uint32_t sources);
void stun_server_init(struct stun_server *server, void *memory, uint32_t sources,
                      struct hash_key hash_key);

/* Serve on these addresses from now on. */
void stun_server_serve(struct stun_server *server, const struct node_in_serve_stun *serve);

/*
 * Where an answer comes from and what it says of its origin (RFC 5780, sections 6.1 and 7.2 to
 * 7.5).
 */
struct stun_answer_source {
    uint32_t socket;
    struct addr source; /* RESPONSE-ORIGIN */
    struct addr other;  /* OTHER-ADDRESS; none without a second address */
};

/*
 * RFC 5780's table: from the address a request came to, and the flags of CHANGE-REQUEST, to the
 * address that the answer leaves from. False when a change is asked for that this server cannot
 * make: 420.
 */
bool stun_server_source(const struct node_in_serve_stun *serving, const struct addr *local,
                        bool change_ip, bool change_port, struct stun_answer_source *source);

/* A STUN request arrived on one of the server's sockets; it was decoded without error. */
void stun_server_message(struct stun_server *server, const struct context *cx,
                         const struct node_in_datagram *datagram,
                         const struct stun_message *message);

#endif
