/*
 * The control messages of registration and rendezvous, which travel in SEALED frames, and the body
 * of a PROBE. Bytes to struct and back; no state, no cryptography. docs/protocol.md has each one
 * field by field.
 *
 * Numbers are big-endian. An encoding is canonical: decoding refuses every string of bytes that
 * encoding what was decoded would not give again.
 */
#ifndef WARREN_PUNCH_MESSAGE_H
#define WARREN_PUNCH_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/bootstrap/identity.h"
#include "core/frame/message.h"
#include "core/punch/reason.h"

enum {
    PUNCH_NONCE_SIZE = 16,
    PUNCH_SALT_SIZE = 16,
    PUNCH_TOKEN_SIZE = 8,
    PUNCH_CANDIDATES_MAX = 8,
    PUNCH_INTRODUCTION_MAX = 900, /* SEAL_INTRODUCTION_MAX */
    PUNCH_ANNOUNCED_MAX = 28,     /* locations in one message */
    PUNCH_ACKS_MAX = 8,           /* acknowledgements in one probe */
    PUNCH_MESSAGE_MAX = 1280,     /* SEAL_BODY_MAX */
};

/* The first byte of every message. */
enum punch_type {
    PUNCH_REGISTER = 1,   /* client to home: I am here; also: what I found out has changed */
    PUNCH_REGISTERED = 2, /* home to client */
    PUNCH_PING = 3,       /* client to home, server to server: are you there, where am I seen */
    PUNCH_PONG = 4,
    PUNCH_CHALLENGE = 5, /* home to a new address of a client */
    PUNCH_CHALLENGE_ANSWER = 6,
    PUNCH_CONNECT = 7,     /* client to home: I want this peer */
    PUNCH_OFFER = 8,       /* home to both clients: here is the other one */
    PUNCH_REFUSED = 9,     /* home to caller, callee's home to caller's home: no */
    PUNCH_INTRODUCE = 10,  /* caller's home to callee's home */
    PUNCH_INTRODUCED = 11, /* callee's home to caller's home */
    PUNCH_ANNOUNCE = 12,   /* server to server: these clients are mine */
};

enum punch_candidate_kind {
    PUNCH_CANDIDATE_HOST = 1,     /* an address of the host itself, by its own word */
    PUNCH_CANDIDATE_OBSERVED = 2, /* where its home sees it: answered a challenge there */
};

struct punch_candidate {
    struct addr addr; /* unicast, with a port */
    uint8_t kind;     /* enum punch_candidate_kind */
};

/* Why a call is refused. */
enum punch_refusal {
    PUNCH_REFUSED_UNKNOWN = 1, /* no server has the callee */
    PUNCH_REFUSED_RULES = 2,
    PUNCH_REFUSED_QUOTA = 3,   /* too many calls, pairs or channels */
    PUNCH_REFUSED_CHANNEL = 4, /* the channel number is taken: come with another */
    PUNCH_REFUSAL_MAX = PUNCH_REFUSED_CHANNEL,
};

/* One side of a call, as its home knows it. */
struct punch_party {
    struct frame_span introduction; /* core/bootstrap/self.h; 1 to PUNCH_INTRODUCTION_MAX bytes */
    uint8_t salt[PUNCH_SALT_SIZE];  /* the client's, new with every start */
    struct reason_side side;        /* what its discovery found so far */
    uint32_t delay_us; /* one way between it and its home, as it measured; 0: unknown */
    uint8_t candidate_count;
    struct punch_candidate candidates[PUNCH_CANDIDATES_MAX];
};

struct punch_location {
    uint8_t identity[IDENTITY_SIZE];
    uint64_t version; /* of the registration; the higher one counts */
};

/* Which fields count depends on the type; the rest is zero. */
struct punch_message {
    uint8_t type; /* enum punch_type */
    /*
     * REGISTER: 0 or 1: this server is the client's home, not its reserve.
     * OFFER: 0 or 1: the receiver is the caller.
     * REFUSED: enum punch_refusal.
     */
    uint8_t flag;
    /* REGISTER: grows with every registration of the client anywhere, over restarts too. */
    uint64_t version;
    /* REGISTER: the client itself, without introduction, and with candidates of kind HOST alone.
       OFFER: the other side. INTRODUCE: the caller. INTRODUCED: the callee. */
    struct punch_party party;
    /* REGISTERED, PONG: where the client's frame came from. */
    struct addr observed;
    /* CHALLENGE, CHALLENGE_ANSWER. */
    uint8_t token[PUNCH_TOKEN_SIZE];
    /* CONNECT, INTRODUCE: the callee. REFUSED: the callee. INTRODUCED: the caller. */
    uint8_t identity[IDENTITY_SIZE];
    /* CONNECT, OFFER, REFUSED, INTRODUCE, INTRODUCED: names the call; drawn by the caller. */
    uint8_t nonce[PUNCH_NONCE_SIZE];
    /* CONNECT, OFFER, INTRODUCE: the relay channel on the leg that the message travels; not 0. */
    uint32_t channel;
    /* OFFER: so long after this offer arrives does the other side's arrive there; 0: before it. */
    uint32_t other_us;
    /* INTRODUCED: one way between the callee and its home is in party.delay_us. */
    uint8_t location_count; /* ANNOUNCE: 1 to PUNCH_ANNOUNCED_MAX */
    struct punch_location locations[PUNCH_ANNOUNCED_MAX];
};

enum punch_error {
    PUNCH_OK = 0,
    PUNCH_TRUNCATED,
    PUNCH_TRAILING,
    PUNCH_UNKNOWN_TYPE,
    PUNCH_BAD_VALUE,   /* a flag, code, kind or class that has no meaning */
    PUNCH_BAD_ADDRESS, /* no family, not unicast, an IPv4 address in IPv6 clothes, port 0 */
    PUNCH_TOO_MANY,
    PUNCH_ERROR_COUNT
};

/* Decodes exactly `size` bytes; spans borrow them. On an error the struct is all zero. */
enum punch_error punch_decode(struct punch_message *message, const uint8_t *bytes, size_t size);
/* Returns the size; 0 when it does not fit or the struct breaks a rule of decoding. */
size_t punch_encode(const struct punch_message *message, uint8_t *to, size_t room);
/* A short lower-case name for traces: "bad-address". */
const char *punch_error_name(enum punch_error error);

/*
 * The body of a PROBE. Its transaction is drawn at random, so that only who has received a probe
 * can acknowledge it; an acknowledgement counts from whatever address it comes.
 */
enum punch_probe_flag {
    PUNCH_PROBE_WANTS_ANSWER = 1 << 0, /* please answer to where this came from */
    PUNCH_PROBE_FLAGS = 1,
};

struct punch_probe {
    uint8_t flags;
    uint64_t transaction;    /* of this probe; not 0, nor is any that is acknowledged */
    struct reason_side side; /* the sender's, so far */
    uint8_t ack_count;
    uint64_t acks[PUNCH_ACKS_MAX]; /* transactions of probes that the sender has received */
};

enum { PUNCH_PROBE_SIZE_MAX = 1 + 8 + 6 + 1 + 8 * PUNCH_ACKS_MAX };

enum punch_error punch_probe_decode(struct punch_probe *probe, const uint8_t *bytes, size_t size);
size_t punch_probe_encode(const struct punch_probe *probe, uint8_t *to, size_t room);

#endif
