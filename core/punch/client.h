/*
 * A client's standing with its servers: sessions to those it knows, the choice of a home and a
 * reserve, registration at both, and keeping it. What concerns a peer is core/punch/path.h's.
 *
 * Uses sessions (core/frame/seal.h), messages (core/punch/message.h) and identities
 * (core/bootstrap/self.h).
 */
#ifndef WARREN_PUNCH_CLIENT_H
#define WARREN_PUNCH_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/context.h"
#include "core/bootstrap/self.h"
#include "core/frame/seal.h"
#include "core/punch/message.h"

enum {
    CLIENT_SERVERS_MAX = 8, /* that a client knows; one more is not learned */
    CLIENT_TRIES_MAX = 4,   /* unanswered requests in a row after which a server is lost */
    CLIENT_NONE = 0xff,     /* no server */
};

/* Shorter than the 30 s after which Linux forgets a mapping (nf_conntrack_udp_timeout). */
#define CLIENT_KEEPALIVE_NS UINT64_C(20000000000)
/* The first wait for an answer that does not come; doubled from try to try. */
#define CLIENT_RETRY_NS UINT64_C(250000000)
/* So long after the first session is up the choice of a home does not wait for the others. */
#define CLIENT_CHOICE_NS UINT64_C(250000000)
/* A better home must be better by so much, and by a third. */
#define CLIENT_HYSTERESIS_NS UINT64_C(10000000)
#define CLIENT_LOAD_NS UINT64_C(10000000) /* each 1 of a server's load */

/* Where a server is, in one family of addresses; none: nowhere. */
struct client_endpoints {
    struct addr punch; /* for clients */
    struct addr stun;
};

struct client_server {
    struct member member;
    struct client_endpoints v4, v6; /* by its record */
    struct addr punch;              /* of the family that is used */
    struct addr stun;
    uint64_t record_version;
    uint16_t load;
    bool up;         /* the session is */
    bool registered; /* it has answered a REGISTER of this session */
    uint8_t tries;   /* requests without an answer */
    struct handle session;
    uint64_t next_ns;  /* when to say something to it; UINT64_MAX: not at all */
    uint64_t asked_ns; /* when the first of these requests left */
    struct addr observed;
};

struct client {
    bool running; /* it has an identity, a server and a network */
    uint8_t home; /* index of servers, or CLIENT_NONE */
    uint8_t reserve;
    uint8_t server_count;
    uint32_t sequence;  /* of registrations */
    uint64_t choice_ns; /* when a home is chosen; UINT64_MAX: not pending */
    struct handle timer;
    struct node_in_network network;
    uint8_t salt[PUNCH_SALT_SIZE];
    struct reason_side side; /* what our discovery found so far */
    struct addr side_from;   /* from this address of ours */
    struct addr mapped;      /* where our home sees us */
    struct client_server servers[CLIENT_SERVERS_MAX];
};

/* What the client and its paths work with, lent for one call. */
struct client_tools {
    const struct context *cx;
    const struct self *self;
    struct seal *seal;
};

/* What the node has to pass on, after a call here. */
struct client_news {
    bool home;  /* there is another home, or the same one has forgotten us: call again */
    bool moved; /* the home sees us elsewhere: call again, and discover again */
    const struct punch_message *call; /* an OFFER or REFUSED: in `scratch` */
    uint8_t server;                   /* that it came from */
};

void client_init(struct client *client, struct random_secret *secret);
/* A server became known, or its record is newer. Both are verified. */
void client_know_server(struct client *client, const struct client_tools *tools,
                        const struct member *member, const struct server_record *record);
/* Our addresses are these now. */
void client_network(struct client *client, const struct client_tools *tools,
                    const struct node_in_network *network);
/* Our discovery has found out more, from this address of ours: the home is told. */
void client_side(struct client *client, const struct client_tools *tools,
                 const struct reason_side *side, const struct addr *from);
/* What it found where we are now: nothing yet, when it was in another network. */
struct reason_side client_side_here(const struct client *client);
/* An event of a session of ours. A message is decoded into `scratch`. */
struct client_news client_event(struct client *client, const struct client_tools *tools,
                                const struct seal_event *event, struct punch_message *scratch);
/* TIMER_CLIENT fired. */
void client_timer(struct client *client, const struct client_tools *tools);
/* Something says that the home may be gone, or that we are seen elsewhere: ask it now. */
void client_ask_home(struct client *client, const struct client_tools *tools);

/* The home when we are registered there; NULL otherwise. */
const struct client_server *client_home(const struct client *client);
/* Sends a message to a server; false when it cannot be sent now. */
bool client_send(struct client *client, const struct client_tools *tools, uint8_t server,
                 const struct punch_message *message);

#endif
