/*
 * Warren frames: the outermost bytes of everything that is neither STUN nor WireGuard. Bytes to
 * struct and back; no state, no cryptography (that is core/frame/seal.h). docs/protocol.md has each
 * frame field by field.
 */
#ifndef WARREN_FRAME_MESSAGE_H
#define WARREN_FRAME_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FRAME_FIRST_BYTE = 0x0b, /* in no range of RFC 7983 and RFC 9443 */
    FRAME_VERSION = 1,
    FRAME_KEY_SIZE = 32,   /* an X25519 public key */
    FRAME_NONCE_SIZE = 24, /* of XChaCha20-Poly1305, drawn at random */
    FRAME_TAG_SIZE = 16,   /* of either AEAD, at the end of what is sealed */
    FRAME_MAC_SIZE = 16,
    FRAME_COOKIE_SIZE = 16,
};

enum frame_type {
    FRAME_HELLO = 1, /* opens a session; the only frame that costs its receiver a Diffie-Hellman */
    FRAME_WELCOME = 2,  /* answers it, and is never longer */
    FRAME_COOKIE = 3,   /* answers it under load: come again with this cookie */
    FRAME_STRANGER = 4, /* no such session here: say hello first */
    FRAME_SEALED = 5,   /* a control message within a session */
    FRAME_DATA = 6,  /* an opaque datagram in a relay channel; sealed end to end, not hop by hop */
    FRAME_PROBE = 7, /* from client to client, to find a path */
};

/* Sizes of a frame without what it carries. */
enum {
    FRAME_HEADER_SIZE = 4,
    FRAME_HELLO_SIZE = FRAME_HEADER_SIZE + 4 + FRAME_KEY_SIZE + FRAME_NONCE_SIZE + FRAME_TAG_SIZE +
                       2 * FRAME_MAC_SIZE,
    FRAME_WELCOME_SIZE = FRAME_HEADER_SIZE + 8 + FRAME_NONCE_SIZE + FRAME_TAG_SIZE + FRAME_MAC_SIZE,
    FRAME_COOKIE_FRAME_SIZE =
        FRAME_HEADER_SIZE + 4 + FRAME_NONCE_SIZE + FRAME_COOKIE_SIZE + FRAME_TAG_SIZE,
    FRAME_STRANGER_SIZE = FRAME_HEADER_SIZE + 12,
    FRAME_SEALED_SIZE = FRAME_HEADER_SIZE + 12 + FRAME_TAG_SIZE,
    FRAME_DATA_SIZE = FRAME_HEADER_SIZE + 4,
    FRAME_PROBE_SIZE = FRAME_HEADER_SIZE + 12 + FRAME_TAG_SIZE,
    FRAME_SIZE_MAX = 65507, /* what an IPv4 UDP datagram can carry */
};

/* Why a datagram is not a frame. */
enum frame_error {
    FRAME_OK = 0,
    FRAME_TOO_SHORT,
    FRAME_NOT_OURS,      /* another first byte */
    FRAME_OTHER_VERSION, /* of a build that this one does not understand */
    FRAME_UNKNOWN_TYPE,
    FRAME_BAD_FLAGS, /* a flag that has no meaning is set */
    FRAME_BAD_SIZE,  /* a frame of a fixed size has another */
    FRAME_ERROR_COUNT
};

/* Bytes inside the decoded datagram. */
struct frame_span {
    const uint8_t *bytes;
    size_t size;
};

/* A decoded frame, or one to be encoded. Which fields count depends on the type. */
struct frame {
    uint8_t type; /* enum frame_type */

    /* HELLO, WELCOME: the index by which answers name the sender's end of the session. */
    uint32_t sender;
    /*
     * WELCOME, COOKIE, STRANGER, SEALED, PROBE: the index that the receiver gave, or that both ends
     * of a path derived. DATA: the channel.
     */
    uint32_t receiver;
    /* SEALED, PROBE: the nonce of the AEAD. STRANGER: that of the frame which had no session. */
    uint64_t counter;
    /* HELLO: the sender's static public key, FRAME_KEY_SIZE bytes. */
    const uint8_t *key;
    /* HELLO, WELCOME, COOKIE: FRAME_NONCE_SIZE bytes. */
    const uint8_t *nonce;
    /* Everything but STRANGER: the sealed bytes with their tag; DATA: the datagram itself. */
    struct frame_span body;

    /* HELLO, WELCOME: what mac1 covers, and mac1; HELLO: what mac2 covers, and mac2. */
    struct frame_span covered1;
    const uint8_t *mac1;
    struct frame_span covered2;
    const uint8_t *mac2;
    /* What an AEAD takes as additional data: every byte of the frame in front of its body. */
    struct frame_span front;
};

/* The cheap test that tells a frame from what else arrives at a socket: the first byte. */
bool frame_is_ours(const uint8_t *bytes, size_t size);

/* Decodes a whole datagram, which the frame borrows. On an error the frame is all zero. */
enum frame_error frame_decode(struct frame *frame, const uint8_t *bytes, size_t size);

/* A short lower-case name for traces: "bad-size". */
const char *frame_error_name(enum frame_error error);

/*
 * Writes a frame up to where its body begins, and returns that index: the caller then seals
 * `frame->body.size` bytes into place (tag included) with the bytes before as additional data, and
 * fills in the macs. 0 when the whole frame would not fit.
 */
size_t frame_encode(const struct frame *frame, uint8_t *bytes, size_t capacity);
/* Bytes of the whole frame, with a body of frame->body.size. */
size_t frame_size(const struct frame *frame);

#endif
