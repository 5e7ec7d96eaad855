/*
 * The home: where clients register, and where two of them are brought together. A server is home
 * to some clients and knows, from the others' announcements, who is at home elsewhere.
 *
 * Uses sessions (core/frame/seal.h), messages (core/punch/message.h), relay pairs
 * (core/relay/server.h) and identities (core/bootstrap/self.h).
 */
#ifndef WARREN_PUNCH_HOME_H
#define WARREN_PUNCH_HOME_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/context.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/bootstrap/self.h"
#include "core/frame/seal.h"
#include "core/punch/message.h"
#include "core/relay/server.h"

/* A registration that has been silent for so long is forgotten. */
#define HOME_SILENT_NS UINT64_C(90000000000)
/* A location that no server has announced for so long is forgotten. */
#define HOME_LOCATION_NS UINT64_C(180000000000)
/* A new address gets a challenge at most this often. */
#define HOME_CHALLENGE_NS UINT64_C(1000000000)
/* A challenge that was sent so long ago is not answered any more. */
#define HOME_TOKEN_NS UINT64_C(10000000000)
/* Servers ask each other so often whether they are there, and are silent after so many times. */
#define HOME_PING_NS UINT64_C(15000000000)
/* A PING that has not been answered is repeated sooner. */
#define HOME_PING_AGAIN_NS UINT64_C(1000000000)
enum { HOME_PINGS_MAX = 3 };
/* Each server is told of all registrations anew so often. */
#define HOME_REFRESH_NS UINT64_C(60000000000)
/* A client may call so often at once, and then again after each of these times. */
enum { HOME_CALLS_BURST = 20 };
#define HOME_CALL_NS UINT64_C(100000000)
/* A client may have callees that nobody knows looked for at all servers so often at once, and then
   again after each of these times. */
enum { HOME_SEARCHES_BURST = 5 };
#define HOME_SEARCH_NS UINT64_C(1000000000)
/* Every server is told at once when a client has come home, or has left: so often, and then again
   after each of these times. Other news of it waits for the next one of these times at least. */
enum { HOME_ANNOUNCES_BURST = 5 };
#define HOME_ANNOUNCE_NS UINT64_C(1000000000)
/* A call that has waited for other servers so long is forgotten. */
#define HOME_WAIT_NS UINT64_C(10000000000)
/* The longest wait that an offer may ask for. */
enum { HOME_OTHER_MAX_US = 2000000 };
/* Most servers that a home may know: it keeps a bit for each. */
enum { HOME_SERVERS_MAX = 64 };

/* A client that is registered here. Its slot is its owner index at the relay. */
struct home_client {
    struct member member;
    struct handle self;
    struct handle session;
    struct handle timer;
    bool home;       /* 0: we are its reserve */
    bool registered; /* a REGISTER has come */
    uint64_t version;
    uint64_t heard_ns;
    struct seal_route route; /* where it answered a challenge, or where its session was made */
    struct seal_route asked; /* where a challenge is under way */
    uint64_t asked_ns;
    uint32_t asked_spent; /* tokens of the address's budget, on what was sent there meanwhile */
    /* The times up to which these have used up what they may. */
    uint64_t calls_ns;
    uint64_t searches_ns;
    uint64_t announces_ns;
    uint8_t token[PUNCH_TOKEN_SIZE];
    uint8_t salt[PUNCH_SALT_SIZE];
    struct reason_side side;
    uint32_t delay_us;
    uint8_t candidate_count; /* of kind HOST */
    struct punch_candidate candidates[PUNCH_CANDIDATES_MAX];
    uint32_t introduction_size;
    uint8_t introduction[PUNCH_INTRODUCTION_MAX];
    /*
     * What the HELLO showed that was answered last. It could be a recording, so it counts only from
     * the first message of its keys on.
     */
    uint32_t shown_size; /* 0: nothing waits */
    uint8_t shown[PUNCH_INTRODUCTION_MAX];
    uint8_t shown_hello[FRAME_NONCE_SIZE]; /* of the HELLO */
    struct member shown_member;
};

/* Another server of the mesh. */
struct home_server {
    struct member member;
    struct addr relay; /* its endpoint between servers; none: not known */
    struct handle session;
    struct handle self;
    struct handle timer;
    uint32_t delay_us;    /* one way: half of what the session, or the last PING, measured */
    uint32_t announce_at; /* slot of the client that it is told of next; UINT32_MAX: of none */
    uint64_t announce_ns; /* when that goes on, or begins again */
    uint64_t ping_ns;     /* when the last PING was sent */
    uint8_t unanswered;   /* PINGs since it was last heard */
    /* The introduction that was verified last: its hash, and the last second that it is good. */
    uint8_t believed[CRYPTO_BLAKE2S_SIZE];
    uint64_t believed_s;
};

struct home {
    bool serving;
    struct pool clients;     /* struct home_client */
    struct map by_identity;  /* identity -> slot of clients */
    struct pool servers;     /* struct home_server */
    struct pool locations;   /* struct home_location, in home_state.h */
    struct map by_location;  /* identity -> slot of locations */
    struct pool calls;       /* struct home_call, in home_state.h: as many as clients; one more
                                makes another forgotten, whose caller comes again */
    struct map by_nonce;     /* a call's nonce -> slot of calls */
    uint32_t forget_at;      /* slot of locations */
    uint32_t forget_call_at; /* slot of calls */
};

/* Tags of sessions (seal_session.tag): which kind of peer, and its slot here. */
enum { HOME_TAG_CLIENT = 1 << 24, HOME_TAG_SERVER = 2 << 24, HOME_TAG_SLOT = (1 << 24) - 1 };

size_t home_bytes(uint32_t clients, uint32_t servers, uint32_t locations);
void home_init(struct home *home, void *memory, uint32_t clients, uint32_t servers,
               uint32_t locations, struct random_secret *secret);

/* What the home works with, lent for one call. */
struct home_tools {
    const struct context *cx;
    const struct self *self;
    struct seal *seal;
    struct relay_server *relay;
};

/* Serve from now on, or no longer. */
void home_serve(struct home *home, const struct home_tools *tools, bool serving);
/* A server of the mesh became known, verified: opens a session to it from NODE_SOCKET_RELAY. Of two
   servers the one with the smaller identity is the initiator. */
void home_know_server(struct home *home, const struct home_tools *tools,
                      const struct member *member, const struct addr *relay);
/*
 * An event of a session on one of the server's sockets: SEAL_HELLO (verifies the introduction,
 * accepts members at NODE_SOCKET_PUNCH and servers at NODE_SOCKET_RELAY), SEAL_UP, SEAL_MESSAGE.
 */
void home_event(struct home *home, const struct home_tools *tools, const struct seal_event *event);
/* The timer of a client's registration (TIMER_HOME_CLIENT) fired. */
void home_timer(struct home *home, const struct home_tools *tools, struct handle owner);
/* The timer of another server (TIMER_HOME_SERVER) fired. */
void home_server_timer(struct home *home, const struct home_tools *tools, struct handle owner);

#endif
