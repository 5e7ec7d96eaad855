/*
 * Sessions between two nodes of a mesh, and the sealed control messages in them: HELLO, WELCOME,
 * COOKIE, STRANGER and SEALED of core/frame/message.h. docs/protocol.md, "Frames", has the keys and
 * the rules. A session says whose the messages are, by X25519 key; whether that key belongs to
 * anybody is the caller's question, asked between SEAL_HELLO and seal_accept().
 *
 * Bodies and introductions are opaque here. Nothing in it knows of clients, homes or relays.
 */
#ifndef WARREN_FRAME_SEAL_H
#define WARREN_FRAME_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/budget.h"
#include "core/base/context.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/base/replay.h"
#include "core/frame/message.h"

enum {
    SEAL_INTRODUCTION_MAX = 900, /* bytes; what a HELLO says about its sender */
    SEAL_BODY_MAX = 1280,        /* bytes of a control message */
    SEAL_BOOT_SIZE = 16,
    SEAL_LABEL_SIZE = 32,                  /* the keys of mac1 and of cookies */
    SEAL_HELLO_FRONT = SEAL_BOOT_SIZE + 8, /* of HELLO's body: boot id and number */
    SEAL_SESSIONS_MAX = 65536,             /* the slot is the upper half of an index */
    SEAL_EVICT_STEPS = 64,                 /* sessions looked at for one to forget, at each HELLO */
    /* A STRANGER names one of the last so many frames that we sent. */
    SEAL_STRANGER_FRAMES = 1024,
    /* HELLOs that may cost public-key operations: at once, and in a second. Below half, a cookie is
       asked for. */
    SEAL_LOAD_BURST = 200,
    SEAL_LOAD_PER_SECOND = 2000,
    /* Replies to addresses that have proven nothing, by prefix: at once, and more */
    SEAL_UNPROVEN_BURST = 3,
    SEAL_UNPROVEN_MORE = 2, /* where somebody of the prefix has answered: neighbours come at once */
    SEAL_UNPROVEN_KEPT = 2, /* of them, for what proves an address: WELCOME and CHALLENGE */
    SEAL_UNPROVEN_BITS_V4 = 32,
    SEAL_UNPROVEN_BITS_V6 = 64,
};
#define SEAL_UNPROVEN_NS UINT64_C(900000000000) /* until one more may be sent */
#define SEAL_COOKIE_NS UINT64_C(120000000000)   /* a period; the last one's cookies count as well */

/* The initiator makes new keys after this time or this many frames; no set sends more than twice
   as many. The keys before are good for receiving this long after the first frame under the new. */
#define SEAL_RENEW_NS UINT64_C(3600000000000)
#define SEAL_RENEW_FRAMES (UINT64_C(1) << 60)
#define SEAL_PREVIOUS_NS UINT64_C(10000000000)
/* STRANGERs make for at most one HELLO in this time. */
#define SEAL_STRANGER_NS UINT64_C(1000000000)
/* Keys that were offered to another boot are given up for a HELLO without a cookie only when they
   have waited this long for their first frame. */
#define SEAL_PENDING_NS UINT64_C(5000000000)

/*
 * A HELLO is sent again after the first wait, then after waits that double up to the last, for as
 * long as the owner wants the session. Those of SEAL_HELLO_SPREAD_NS and more are shortened by a
 * random part of up to a half: a crowd behind one address, whose nodes all lost their server in one
 * moment, must not come back in one moment each time, for its budget lets a few through at once.
 */
#define SEAL_HELLO_FIRST_NS UINT64_C(250000000)
#define SEAL_HELLO_SPREAD_NS UINT64_C(1000000000)
#define SEAL_HELLO_LAST_NS UINT64_C(8000000000)

/* Where a session's frames go, and from which of our sockets. */
struct seal_route {
    uint32_t socket;
    struct addr source; /* ADDR_NONE: as the route says */
    struct addr remote;
};

/* One set of session keys, both directions. */
struct seal_keys {
    uint8_t send[32];
    uint8_t receive[32];
    uint64_t counter;   /* of the next frame that is sent */
    struct replay seen; /* of the frames that arrive */
    uint32_t mine;      /* the index by which the peer names this set */
    uint32_t theirs;    /* and we the peer's */
    bool live;
    uint8_t zero[7];
};

/* What a responder offered in a WELCOME: keys that wait for their first frame. */
struct seal_pending {
    struct seal_keys keys;
    uint8_t boot[SEAL_BOOT_SIZE]; /* of the peer, and the number of its HELLO */
    uint64_t number;
    uint8_t hello[FRAME_NONCE_SIZE]; /* nonces: the same HELLO gets the same WELCOME again */
    uint8_t welcome[FRAME_NONCE_SIZE];
    uint64_t made_ns;
    struct addr to; /* the one address that the WELCOME went to; none: more than one */
    uint32_t spent; /* tokens of seal.unproven, on WELCOMEs there */
};

/* Read by the owner; written by seal.c alone. */
struct seal_session {
    uint8_t peer[FRAME_KEY_SIZE]; /* static key */
    struct seal_route route;
    struct addr proven; /* the address that answered: what comes from it came to it; none: nobody */
    struct handle self;
    struct handle timer;
    uint32_t tag;      /* the owner's */
    bool initiator;    /* we open it and keep it */
    bool up;           /* there are keys that both ends have used */
    uint64_t rtt_ns;   /* HELLO to WELCOME, of the last HELLO that was sent once; until there is
                        one, from the last transmission; 0: not measured */
    bool rtt_unsure;   /* so it may be too short: the answer may have been to an earlier one */
    uint64_t heard_ns; /* when a frame of it last opened */

    /* The rest is seal.c's own. First the HELLO under way. */
    bool saying;
    bool cookie_known;
    bool boot_known;
    bool previous_ends;
    uint32_t hello_index;
    uint32_t hello_tries; /* transmissions */
    uint32_t next_opened; /* list of the sessions that we opened: slot + 1; 0: the end */
    uint32_t previous_opened;
    uint64_t hello_number;
    uint64_t hello_ns; /* when any HELLO was last sent */
    uint8_t nonce[FRAME_NONCE_SIZE];
    uint8_t mac1[FRAME_MAC_SIZE];      /* of our last HELLO: what a COOKIE answers */
    uint8_t cookie[FRAME_COOKIE_SIZE]; /* for mac2 */
    uint64_t cookie_ns;                /* when it came */
    /* Then the key sets, */
    uint8_t secret[32]; /* X25519 of the two static keys */
    struct seal_keys current;
    struct seal_keys previous;      /* only to receive */
    struct seal_pending pending[2]; /* of the peer's boot, and of any other */
    uint64_t keys_ns;               /* when `current` was made */
    uint64_t previous_ns;           /* when `previous` ends, if previous_ends */
    /* and what is known of the peer's boot. */
    uint8_t boot[SEAL_BOOT_SIZE]; /* that of `current` */
    uint64_t number;              /* highest HELLO number of it */
};

struct seal {
    bool ready; /* seal_configure() was called */
    uint8_t private_key[FRAME_KEY_SIZE];
    uint8_t public_key[FRAME_KEY_SIZE];
    uint8_t boot[SEAL_BOOT_SIZE];
    uint64_t number; /* of our last HELLO */
    uint8_t mac1_key[SEAL_LABEL_SIZE];
    uint8_t cookie_key[SEAL_LABEL_SIZE];
    uint8_t cookie_secret[2][32]; /* this period's and the last one's */
    uint64_t cookie_ns;           /* when this period began */
    uint64_t load_ns;             /* token bucket of HELLOs: when it was last filled */
    uint32_t load_tokens;
    uint32_t introduction_size;
    uint8_t introduction[SEAL_INTRODUCTION_MAX];
    struct pool sessions;   /* struct seal_session */
    struct map by_key;      /* static key -> slot */
    struct budget unproven; /* replies to addresses that have proven nothing */
    uint32_t evict_at;      /* where the search for a session to forget goes on */
    uint32_t first_opened;  /* list of the sessions that we opened: slot + 1; 0: there is none */
    /* A HELLO that waits for seal_accept(), and the plaintext of the last event. */
    bool hello_waits;
    uint8_t hello_secret[32];
    uint8_t hello_key[FRAME_KEY_SIZE];
    uint8_t hello_boot[SEAL_BOOT_SIZE];
    uint8_t hello_nonce[FRAME_NONCE_SIZE];
    uint64_t hello_number;
    uint32_t hello_index;
    struct seal_route hello_route;
    uint8_t plain[SEAL_BODY_MAX];
};
_Static_assert((int)SEAL_BODY_MAX >= (int)SEAL_INTRODUCTION_MAX + SEAL_HELLO_FRONT,
               "`plain` holds either");

enum seal_event_kind {
    SEAL_NOTHING,
    SEAL_HELLO,   /* somebody who holds `key` wants a session: judge `body`, its introduction, then
                     seal_accept() before anything else, or leave it */
    SEAL_UP,      /* a session of ours as initiator is up, or up again with new keys. The
                     responder has none to send under until a message of ours comes: send one */
    SEAL_MESSAGE, /* a control message: `body` */
};

struct seal_event {
    enum seal_event_kind kind;
    struct handle session;   /* SEAL_UP, SEAL_MESSAGE */
    const uint8_t *key;      /* the peer's static key */
    struct frame_span body;  /* good until the next call of anything here but seal_accept() */
    const uint8_t *hello;    /* SEAL_HELLO, first SEAL_MESSAGE: the nonce of the HELLO, of which the
                                keys came; FRAME_NONCE_SIZE bytes, as long as `body` */
    struct seal_route route; /* where it came from: an answer goes there */
    bool first; /* SEAL_MESSAGE: the first of new keys; what it came from is then proven, if it is
                   where the WELCOME went */
    bool peer_restarted; /* SEAL_UP, first SEAL_MESSAGE: the peer's boot is another than before */
};

/* `sources` addresses can have an account of unproven replies at once; one more makes another
   forgotten. Sessions when full: a HELLO is refused unless a session that has been silent for
   SEAL_SILENT_NS can be forgotten. Each session needs one of the node's timers. */
#define SEAL_SILENT_NS UINT64_C(120000000000)
size_t seal_bytes(uint32_t sessions, uint32_t sources);
/* Keys of the two maps are drawn from `secret`, like the boot id. */
void seal_init(struct seal *seal, void *memory, uint32_t sessions, uint32_t sources,
               struct random_secret *secret);
/* Once. The introduction goes into every HELLO; at most SEAL_INTRODUCTION_MAX bytes. */
void seal_configure(struct seal *seal, const struct crypto *crypto,
                    const uint8_t private_key[static FRAME_KEY_SIZE], const uint8_t *introduction,
                    size_t introduction_size);

/* NULL when it is gone. */
struct seal_session *seal_at(struct seal *seal, struct handle session);
/* The session with this static key, whoever opened it; NULL: none. */
struct seal_session *seal_with(struct seal *seal, const uint8_t key[static FRAME_KEY_SIZE]);

/*
 * Opens a session as initiator: says HELLO, again and again until it is welcome, and renews keys by
 * itself. One that exists with this key is taken over, with its keys as they are. NULL when the
 * table is full or the key is bad (of small order).
 */
struct seal_session *seal_open(struct seal *seal, const struct context *cx,
                               const uint8_t key[static FRAME_KEY_SIZE], struct seal_route route,
                               uint32_t tag);
/* Forgets a session and wipes its keys. */
void seal_close(struct seal *seal, const struct context *cx, struct handle session);
/* Frames go to, and from, somewhere else from now on. */
void seal_move(struct seal_session *session, struct seal_route route);
/*
 * Says HELLO anew at once, in a session that we opened: the owner has a reason to believe that the
 * peer has forgotten. It supersedes the HELLO under way, so a WELCOME to that one comes too late.
 */
void seal_renew(struct seal *seal, const struct context *cx, struct seal_session *session);

/*
 * Seals a message and sends it along the session's route, or along `route` when it is not NULL.
 * False when the session has no keys yet, the body is longer than SEAL_BODY_MAX, or the outbox is
 * full.
 */
bool seal_send(struct seal *seal, const struct context *cx, struct seal_session *session,
               const struct seal_route *route, const uint8_t *body, size_t size);

/* A frame of type HELLO, WELCOME, COOKIE, STRANGER or SEALED arrived; it was decoded. */
struct seal_event seal_input(struct seal *seal, const struct context *cx,
                             const struct node_in_datagram *datagram, const struct frame *frame);
/* After SEAL_HELLO, at once: takes the peer in, and says WELCOME. NULL when there is no room, or
   when keys of another boot would have to go for a WELCOME that may not be sent. */
struct seal_session *seal_accept(struct seal *seal, const struct context *cx, uint32_t tag);
/* Wipes what a HELLO left behind for seal_accept(), if there is one that still waits. */
void seal_decline(struct seal *seal, const struct context *cx);
/* A session's timer fired. */
void seal_timer(struct seal *seal, const struct context *cx, struct handle owner);

#endif
