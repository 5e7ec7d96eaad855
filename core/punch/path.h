/*
 * Paths to peers: calls through the home, the probes that look for a direct way, the choice between
 * what answered, and the relay meanwhile. docs/protocol.md, "Paths", has the rules and timers.
 *
 * A path is made by our NODE_IN_CONNECT or by a peer's call. Each call has keys of its own, and two
 * calls can be alive at a time, so that both sides may call at once and a new call never breaks
 * what an old one has found. A remote is an address where the peer may be; what is known of it is
 * in struct path_remote. The relay counts as one more remote, PATH_RELAY.
 *
 * Uses sessions' client (core/punch/client.h), messages (core/punch/message.h), DATA and PROBE
 * frames (core/frame/message.h).
 */
#ifndef WARREN_PUNCH_PATH_H
#define WARREN_PUNCH_PATH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/budget.h"
#include "core/base/context.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/base/replay.h"
#include "core/punch/client.h"
#include "core/punch/message.h"
#include "core/warren.h"

enum {
    PATH_REMOTES_MAX = 8,          /* candidates and learned addresses together */
    PATH_RELAY = PATH_REMOTES_MAX, /* the relay, in the place of a remote's index */
    PATH_NONE = 0xff,
    PATH_CALLS = 2,
    PATH_INDICES = PATH_CALLS + 1, /* by which probes name a path */
    PATH_TRANSACTIONS = 32,        /* probes whose acknowledgement still counts */
    PATH_CALL_TRIES_MAX = 10,      /* after which the wait no longer grows */
    PATH_OPENINGS_MAX = 8,         /* that are opened for one call: each costs a Diffie-Hellman */
    /*
     * Datagrams to the ports of one IP address that no server has seen the peer at and that have
     * not answered: where a server sees the peer at another port of it, which is then probably its
     * own; at a private one; and anywhere else.
     */
    PATH_SHY_SEEN = 8,
    PATH_SHY_PRIVATE = 2,
    PATH_SHY_OTHER = 1,
    PATH_PACE = 5, /* probes of a candidate that does not answer, in one attempt */
    /*
     * Of what opens our own NAT and must not come to the peer's. The trap is found where a NAT is
     * the first router; the next one ends it.
     */
    PATH_KNOCK_TTL = 2,
};

/* A peer that has the trap is given so long to open its NAT, when both have been told. */
#define PATH_HOLD_NS UINT64_C(40000000)
/* And a peer so long to come as far as our NATs, if it does not reach us before. */
#define PATH_PASS_NS UINT64_C(300000000)
/* The second one to a private address is kept for an answer for so long. */
#define PATH_SHY_ANSWER_NS UINT64_C(250000000)
/* A pair that no probe has connected so long after both were told has a reason for it. */
#define PATH_JUDGE_NS UINT64_C(1500000000)
/* While data flows, the chosen path is probed this often. */
#define PATH_ACTIVE_NS UINT64_C(200000000)
/* While it is in doubt, this often: where much is lost, one of many probes must come through. */
#define PATH_DOUBTFUL_NS UINT64_C(100000000)
/* An unanswered probe makes a path doubtful after so long and a round trip: data goes both ways. */
#define PATH_DOUBT_NS UINT64_C(300000000)
/* A path that has been doubtful for so long is dead. */
#define PATH_DEAD_NS UINT64_C(5000000000)
/* What has carried data within so long is in use. */
#define PATH_IN_USE_NS UINT64_C(2000000000)
/* A path in peace is probed this often by the side with the smaller identity, and a little later by
   the other, which finds it done. */
#define PATH_KEEPALIVE_NS UINT64_C(15000000000)
#define PATH_KEEPALIVE_OTHER_NS UINT64_C(18000000000)
/* The relay of a path likewise; less than RELAY_IDLE_NS and than a NAT's patience. */
#define PATH_RELAY_KEEPALIVE_NS UINT64_C(25000000000)
/* A relayed pair calls again after so long, doubled each time up to the second. */
#define PATH_RECHECK_FIRST_NS UINT64_C(10000000000)
#define PATH_RECHECK_LAST_NS UINT64_C(300000000000)
/* A call that has not been answered is repeated after so long, doubled at every other time up to
   the second: a bad link loses several in a row. */
#define PATH_CALL_FIRST_NS UINT64_C(250000000)
#define PATH_CALL_LAST_NS UINT64_C(8000000000)
/* A direct pair likewise, for the sake of a better path. */
#define PATH_RECHECK_DIRECT_NS UINT64_C(300000000000)
/*
 * When the table is full, a path that nobody here asked for and that was silent for so long goes.
 */
#define PATH_SILENT_NS UINT64_C(60000000000)
/* A peer's many calls do not make us learn more addresses than one attempt does in this time. */
#define PATH_LEARN_NS UINT64_C(10000000000)
/* Two calls of ours are at least so far apart. */
#define PATH_CALL_SPACING_NS UINT64_C(1000000000)

/* One call: its keys, made of both tunnel keys, both salts and the caller's nonce. */
struct path_call {
    uint8_t nonce[PUNCH_NONCE_SIZE];
    uint8_t send[32];
    uint8_t receive[32];
    uint32_t mine;      /* the index in probes to us; 0: no keys yet */
    uint32_t theirs;    /* and in probes to the peer */
    struct replay seen; /* counters of probes to us */
    bool heard;         /* one of which came directly */
};

struct path_remote {
    struct addr addr;
    uint8_t kind;       /* enum punch_candidate_kind; 0: learned from a probe */
    uint8_t paced;      /* probes of this attempt's pace that were sent, at most PATH_PACE */
    uint8_t unanswered; /* probes since the last acknowledgement, at most 255 */
    uint8_t shy;        /* tokens of paths.shy that were spent there since it last answered */
    bool heard;         /* an authentic probe has come from there */
    bool valid;         /* a probe that went there was acknowledged, and it is not dead */
    uint64_t next_ns;   /* of its next probe; UINT64_MAX: none */
    uint64_t waiting_ns; /* when the oldest probe left that nothing was acknowledged after; 0: none */
    uint64_t sent_ns;
    uint64_t acked_ns;
    uint64_t rtt_ns; /* smoothed; 0: none yet */
};

struct path_transaction {
    uint64_t id;
    uint64_t sent_ns;
    uint8_t remote; /* index, or PATH_RELAY */
    bool wants;     /* it asked for an answer at once */
};

struct path {
    struct handle self;
    struct handle timer;
    struct member peer;     /* tunnel key: all zero until an offer came */
    uint8_t secret[32];     /* X25519 of both tunnel keys */
    bool wanted;            /* our host asked for it */
    bool known;             /* the peer's credential was believed */
    uint32_t introductions; /* how often */
    bool calling;           /* our call has had no answer yet */
    bool early;             /* the last offer came before the other side had one */
    uint8_t order;          /* enum reason_order: what this attempt still waits for */
    bool opening; /* the next probe tells the caller who we are, since its home has not yet */
    bool blamed;  /* `refusal` says why nobody can be reached */
    uint8_t refusal;
    uint8_t server;   /* through which home the relay leads */
    uint32_t channel; /* of the relay; 0: none */
    uint8_t newest;   /* of calls: what we send under */
    struct path_call calls[PATH_CALLS];
    uint8_t calling_nonce[PUNCH_NONCE_SIZE];
    uint32_t calling_index; /* of an opening that answers it; 0: none */
    uint8_t opening_tries;  /* openings of this call that were not what they seemed */
    uint8_t call_tries;
    uint64_t call_ns; /* when our last call was sent; 0: never */
    uint64_t made_ns;
    uint64_t heard_ns;             /* when an authentic probe last came; 0: never */
    uint64_t learned_ns;           /* when `learned` was last set back */
    uint8_t salt[PUNCH_SALT_SIZE]; /* of the peer, in its latest call */
    uint64_t highest;              /* counter of probes under that salt: the peer never goes back */
    uint64_t call_next_ns;         /* of its repetition, or of the next recheck */
    uint64_t recheck_ns;           /* the wait before the next recheck */
    uint64_t attempt_ns;           /* when both sides have been told of the last call */
    uint64_t judge_ns;             /* when that attempt is over; UINT64_MAX: there was none */
    uint8_t learned;               /* addresses in this attempt */
    uint8_t remote_count;
    struct path_remote remotes[PATH_REMOTES_MAX + 1]; /* the last is the relay */
    uint8_t chosen;                                   /* of remotes; PATH_RELAY or PATH_NONE */
    bool doubt;
    uint32_t transaction_next;
    struct path_transaction transactions[PATH_TRANSACTIONS];
    uint8_t ack_count; /* of probes received, newest last */
    uint64_t acks[PUNCH_ACKS_MAX];
    struct reason_side theirs;
    struct addr observed; /* the peer, as its home sees it */
    uint64_t data_ns;     /* when data was last sent; 0: never */
    uint8_t reported;     /* enum node_path */
    uint8_t reported_reason;
    struct addr reported_remote;
};

struct paths {
    struct pool pool;       /* struct path */
    struct map by_identity; /* -> slot */
    struct map by_index;    /* 4 bytes -> slot * PATH_INDICES + call, or + PATH_CALLS: our call */
    struct map by_remote;   /* struct addr -> slot; only addresses that were heard */
    struct map by_channel;  /* server index and channel, 8 bytes -> slot */
    struct budget shy;      /* datagrams to addresses that no server vouches for */
    uint64_t introduced;    /* how often a peer has shown who it is */
    uint64_t counter;       /* of the next probe, whatever its path: never twice under one key */
};

size_t paths_bytes(uint32_t count);
void paths_init(struct paths *paths, void *memory, uint32_t count, struct random_secret *secret);

/* What paths work with. */
struct path_tools {
    struct client_tools tools;
    struct client *client;
};

/* NODE_IN_CONNECT. */
void path_connect(struct paths *paths, const struct path_tools *tools,
                  const uint8_t identity[static IDENTITY_SIZE]);
/* What the peer has shown of itself; NULL while that is not known. Good until the path changes. */
const struct member *path_member(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE]);
/* Likewise, of the path in this slot, for walks: slots begin at 0 and end before path_slots(). */
const struct member *path_member_at(struct paths *paths, uint32_t slot);
uint32_t path_slots(const struct paths *paths);
/* How often the peer has shown who it is, on the path that there is now. */
uint32_t path_introductions(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE]);
/* The host no longer asks for the path: it is forgotten, until the peer calls. */
void path_disconnect(struct paths *paths, const struct path_tools *tools,
                     const uint8_t identity[static IDENTITY_SIZE]);
/* The peer that has shown this tunnel key; NULL: none. A walk over all paths. */
const struct member *path_member_by_key(struct paths *paths,
                                        const uint8_t key[static IDENTITY_TUNNEL_KEY_SIZE]);
/* What the host was told last of the path to a peer, in `out` unless that is NULL. */
enum node_path path_state(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE],
                          struct node_out_path *out);

/* Where data for a peer goes now: both ways while a path is in doubt. */
struct path_way {
    bool direct;
    struct addr remote;
    bool relayed;
    struct addr home; /* DATA frames on this channel go there */
    uint32_t channel;
};
/* False, with a trace, when there is no way. */
bool path_way(struct paths *paths, const struct path_tools *tools,
              const uint8_t identity[static IDENTITY_SIZE], struct path_way *way);
/* Data was sent that way. */
void path_used(struct paths *paths, const struct path_tools *tools,
               const uint8_t identity[static IDENTITY_SIZE]);

/* A datagram that a peer has carried to us. */
struct path_arrival {
    const uint8_t *bytes; /* NULL: it was none, or was not for us */
    size_t size;
    uint32_t channel; /* of the relay; 0: it came directly */
    uint8_t peer[IDENTITY_SIZE];
};

/* NODE_IN_CARRY. */
void path_carry(struct paths *paths, const struct path_tools *tools,
                const struct node_in_carry *carry);
/* An OFFER or REFUSED from the server with this index. */
void path_message(struct paths *paths, const struct path_tools *tools, uint8_t server,
                  const struct punch_message *message);
/* A PROBE frame, at NODE_SOCKET_TRAFFIC. */
void path_probe(struct paths *paths, const struct path_tools *tools,
                const struct node_in_datagram *datagram, const struct frame *frame);
/* A DATA frame, at NODE_SOCKET_TRAFFIC. */
struct path_arrival path_data(struct paths *paths, const struct path_tools *tools,
                              const struct node_in_datagram *datagram, const struct frame *frame);
/* Anything that is neither STUN, a frame nor the tunnel's, at NODE_SOCKET_TRAFFIC. */
struct path_arrival path_opaque(struct paths *paths, const struct node_in_datagram *datagram);
/* Hands it to the host as it is. */
void path_deliver(const struct context *cx, const struct path_arrival *arrival);
/* TIMER_PATH. */
void path_timer(struct paths *paths, const struct path_tools *tools, struct handle owner);
/* Every path calls again: we are at another home, or seen elsewhere. */
void path_call_all(struct paths *paths, const struct path_tools *tools);
/* Our addresses are others now. */
void path_network(struct paths *paths, const struct path_tools *tools);
/* Our discovery has found out more: reasons may change, and peers are told. */
void path_side(struct paths *paths, const struct path_tools *tools);

#endif
