/*
 * The tunnel: WireGuard's sessions with peers, cryptokey routing, and the packets that go through
 * (the WireGuard paper, sections 2, 5 and 6). docs/protocol.md, "Tunnel", has what is ours.
 *
 * A peer of the mesh is known by its identity, and its datagrams go the way that its path has
 * found; one that called us is known by its credential. A stock peer is any other WireGuard. There
 * is one session for each pair, end to end; nothing is decrypted on the way. tunnel.c has the peers
 * and their timers, tunnel_handshake.c how sessions begin, tunnel_send.c what leaves and
 * tunnel_receive.c what comes.
 *
 * Uses paths (core/punch/path.h), identities (core/bootstrap/self.h) and DATA frames
 * (core/frame/message.h).
 */
#ifndef WARREN_TUNNEL_TUNNEL_H
#define WARREN_TUNNEL_TUNNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/budget.h"
#include "core/base/context.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/punch/path.h"
#include "core/tunnel/message.h"
#include "core/tunnel/noise.h"
#include "core/tunnel/route.h"
#include "core/tunnel/window.h"
#include "core/warren.h"

/* Section 6.1 of the paper. Jitter is up to a third of a second, as in other implementations. */
#define TUNNEL_REKEY_AFTER_NS UINT64_C(120000000000)
#define TUNNEL_REJECT_AFTER_NS UINT64_C(180000000000)
#define TUNNEL_REKEY_ATTEMPT_NS UINT64_C(90000000000)
#define TUNNEL_REKEY_TIMEOUT_NS UINT64_C(5000000000)
#define TUNNEL_KEEPALIVE_NS UINT64_C(10000000000)
#define TUNNEL_JITTER_NS UINT64_C(333000000)
#define TUNNEL_REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define TUNNEL_REJECT_AFTER_MESSAGES (UINT64_MAX - (UINT64_C(1) << 13))
/* A handshake with a peer of the mesh waits so long for its answer while the path has no round trip
   measured, and at least. */
#define TUNNEL_REPEAT_NS UINT64_C(500000000)
#define TUNNEL_REPEAT_MIN_NS UINT64_C(100000000)
/* One that was under way when its path was found waits at most so long. */
#define TUNNEL_FOUND_MAX_NS UINT64_C(700000000)
/* Who has not answered for so long, and is called anew, may have forgotten its sessions. */
#define TUNNEL_UNANSWERED_NS UINT64_C(1000000000)
/* A cookie counts for so long (section 5.4.7). */
#define TUNNEL_COOKIE_NS UINT64_C(120000000000)
/* Two initiations of one peer are at least so far apart, or the second is a flood. */
#define TUNNEL_INITIATION_APART_NS UINT64_C(20000000)

enum {
    TUNNEL_INDICES = 4,    /* of one peer: three sessions and a handshake */
    TUNNEL_QUEUE_MAX = 32, /* packets of one peer that wait */
    /* Handshakes that may cost a Diffie-Hellman; half of the burst is for those with a cookie. */
    TUNNEL_LOAD_BURST = 200,
    TUNNEL_LOAD_PER_SECOND = 2000,
    /* Of them, to one address that has a cookie. */
    TUNNEL_SOURCE_BURST = 5,
    TUNNEL_SOURCE_PER_SECOND = 20,
};

/* The keys of one session. */
struct tunnel_session {
    struct noise_session keys;
    uint32_t mine; /* index; 0: there is no session */
    uint32_t theirs;
    bool initiator;
    uint64_t made_ns;
    uint64_t counter; /* of the next message that we send */
    struct window received;
};

struct tunnel_peer {
    struct handle self;
    struct handle timer;
    uint8_t identity[IDENTITY_SIZE]; /* zero: a stock peer */
    bool keyed;                      /* `noise` is set */
    bool configured;                 /* by the host; else it has called us */
    bool key_named;                  /* and so was its key; else that is its credential's */
    uint32_t introductions;          /* of its path, when it was looked at last */
    uint64_t expiry_s;     /* of the credential that its key is from, or last second; 0: none */
    uint8_t subnets_named; /* of the subnets, so many are the host's; then the credential's */
    bool hub;
    uint8_t subnet_count;
    struct subnet subnets[NODE_PEER_SUBNETS]; /* that the host named */
    struct noise_peer noise;
    /* A stock peer: where it is, and what it is sent from. */
    struct addr endpoint;
    uint32_t socket;
    uint64_t keepalive_ns; /* 0: none */

    struct tunnel_session previous;
    struct tunnel_session current;
    struct tunnel_session next; /* made as responder, and nothing has come under it yet */

    /* A handshake that we have begun. */
    struct noise_handshake handshake;
    uint32_t handshake_index;      /* 0: there is none */
    bool unsent;                   /* there was no way for its last initiation */
    uint8_t way_seen;              /* the path as it was then: enum node_path */
    uint64_t began_ns;             /* when this attempt did */
    uint64_t attempt_ns;           /* when this attempt began, or a packet last asked for it */
    uint8_t mac1[TUNNEL_MAC_SIZE]; /* of our last handshake message: cookies are for it */
    bool mac1_waits;
    uint8_t cookie[TUNNEL_COOKIE_SIZE];
    uint64_t cookie_ns; /* when it came; 0: there is none */
    uint8_t sent_timestamp[TUNNEL_TIMESTAMP_SIZE];
    uint8_t seen_timestamp[TUNNEL_TIMESTAMP_SIZE];
    uint64_t behind_ns;    /* how long to wait before an older timestamp is looked at again */
    uint64_t accepted_ns;  /* when the peer's last initiation was; 0: never */
    uint64_t handshake_ns; /* when the last handshake ended; 0: never */

    /* What is to happen when; UINT64_MAX: not. */
    uint64_t retry_ns;   /* the initiation is repeated */
    uint64_t answer_ns;  /* a keepalive shows that what came has arrived */
    uint64_t silence_ns; /* nothing came back for what was sent: a new handshake */
    uint64_t beat_ns;    /* the persistent keepalive */
    uint64_t wipe_ns;    /* old keys are forgotten */
    bool answer_again;   /* more has come since answer_ns was set */

    uint32_t queue_first; /* slot + 1 of the packet that has waited longest; 0: none */
    uint32_t queue_last;
    uint32_t queue_count;

    uint64_t sent[2]; /* bytes of inner packets: direct, relayed */
    uint64_t received[2];
};

/* A packet that waits for a session. */
struct tunnel_waiting {
    uint32_t next; /* slot + 1 */
    uint32_t size;
    uint8_t bytes[NODE_PACKET_MAX];
};

struct tunnel {
    bool ready; /* has keys */
    bool server;
    struct noise_self self;
    struct pool peers; /* struct tunnel_peer */
    struct pool queue; /* struct tunnel_waiting */
    struct map by_identity;
    struct map by_key;
    struct map by_index; /* of sessions and handshakes -> slot */
    struct routes routes;
    uint64_t introduced; /* of paths, when peers were looked at last */
    uint32_t anxious;    /* peers of the mesh that begin a handshake, or wait for one: at least */
    /* Load, as core/frame/seal.h has it for HELLOs. */
    uint8_t cookie_secret[2][NOISE_KEY_SIZE]; /* this period's and the last one's */
    uint64_t cookie_ns;
    uint64_t load_ns;
    uint32_t load_tokens;
    struct budget sources; /* who has a cookie, and how many handshakes it still gets */
};

struct tunnel_tools {
    const struct context *cx;
    const struct self *self;
    struct paths *paths;
    struct path_tools path;
};

/* Where a message came from. */
struct tunnel_source {
    uint32_t socket;
    struct addr remote;
    uint32_t channel; /* of the relay; 0: it came directly */
};

size_t tunnel_bytes(const struct node_limits *limits);
void tunnel_init(struct tunnel *tunnel, void *memory, const struct node_limits *limits,
                 struct random_secret *secret);
/* Once our identity is known. */
void tunnel_configure(struct tunnel *tunnel, const struct tunnel_tools *tools);

/* NODE_IN_PEER; false when it makes no sense, or there is no room. */
bool tunnel_peer(struct tunnel *tunnel, const struct tunnel_tools *tools,
                 const struct node_in_peer *in);
/* NODE_IN_PACKET. */
void tunnel_packet(struct tunnel *tunnel, const struct tunnel_tools *tools,
                   const struct node_in_packet *in);
/* A datagram that tunnel_message_type() takes for a message. */
void tunnel_message(struct tunnel *tunnel, const struct tunnel_tools *tools,
                    const struct tunnel_source *source, const uint8_t *bytes, size_t size);
/* TIMER_TUNNEL_PEER. */
void tunnel_timer(struct tunnel *tunnel, const struct tunnel_tools *tools, struct handle owner);
/*
 * After each input: paths may have come to know their peers, or have found a way for a handshake
 * that had none. Costs nothing while no handshake is under way.
 */
void tunnel_look(struct tunnel *tunnel, const struct tunnel_tools *tools);
/* The peer in this slot, for node_peers(); false when there is none. */
bool tunnel_status(struct tunnel *tunnel, struct paths *paths, uint64_t now_ns, uint32_t slot,
                   struct node_peer *out);

#endif
