/*
 * WireGuard's four messages: bytes to struct and back, no state. Sections are those of the
 * WireGuard paper (Donenfeld, "WireGuard: Next Generation Kernel Network Tunnel", 2020). Unlike
 * everything else of ours, numbers are little-endian on the wire.
 */
#ifndef WARREN_TUNNEL_MESSAGE_H
#define WARREN_TUNNEL_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/crypto.h"

enum tunnel_message_type {
    TUNNEL_NO_MESSAGE = 0,
    TUNNEL_INITIATION = 1, /* section 5.4.2 */
    TUNNEL_RESPONSE = 2,   /* section 5.4.3 */
    TUNNEL_COOKIE = 3,     /* section 5.4.7 */
    TUNNEL_DATA = 4,       /* section 5.4.6 */
};

/* Bytes of a message, UDP's not included. */
enum {
    TUNNEL_MAC_SIZE = 16,
    TUNNEL_COOKIE_SIZE = 16,
    TUNNEL_TIMESTAMP_SIZE = 12, /* TAI64N, which grows as bytes do */
    TUNNEL_INITIATION_SIZE = 4 + 4 + 32 + (32 + 16) + (12 + 16) + 2 * TUNNEL_MAC_SIZE,
    TUNNEL_RESPONSE_SIZE = 4 + 4 + 4 + 32 + 16 + 2 * TUNNEL_MAC_SIZE,
    TUNNEL_COOKIE_REPLY_SIZE = 4 + 4 + 24 + TUNNEL_COOKIE_SIZE + 16,
    TUNNEL_DATA_HEADER_SIZE = 4 + 4 + 8,
    /* Of an empty data message, which is a keepalive; what it adds to what it carries. */
    TUNNEL_DATA_SIZE_MIN = TUNNEL_DATA_HEADER_SIZE + CRYPTO_AEAD_TAG_SIZE,
    /* What the macs of a handshake message cover ends here, counted from its end. */
    TUNNEL_MAC1_END = 2 * TUNNEL_MAC_SIZE,
    TUNNEL_MAC2_END = TUNNEL_MAC_SIZE,
};
_Static_assert(TUNNEL_INITIATION_SIZE == 148 && TUNNEL_RESPONSE_SIZE == 92 &&
                   TUNNEL_COOKIE_REPLY_SIZE == 64 && TUNNEL_DATA_SIZE_MIN == 32,
               "the sizes that WireGuard is known by");

struct tunnel_initiation {
    uint32_t sender;                       /* index by which an answer names the sender */
    uint8_t ephemeral[CRYPTO_X25519_SIZE]; /* not encrypted */
    uint8_t sealed_static[32 + CRYPTO_AEAD_TAG_SIZE];
    uint8_t sealed_timestamp[TUNNEL_TIMESTAMP_SIZE + CRYPTO_AEAD_TAG_SIZE];
    uint8_t mac1[TUNNEL_MAC_SIZE];
    uint8_t mac2[TUNNEL_MAC_SIZE]; /* zero: no cookie */
};

struct tunnel_response {
    uint32_t sender;
    uint32_t receiver; /* the initiation's sender */
    uint8_t ephemeral[CRYPTO_X25519_SIZE];
    uint8_t sealed_nothing[CRYPTO_AEAD_TAG_SIZE];
    uint8_t mac1[TUNNEL_MAC_SIZE];
    uint8_t mac2[TUNNEL_MAC_SIZE];
};

struct tunnel_cookie {
    uint32_t receiver; /* the sender of what it answers */
    uint8_t nonce[CRYPTO_XAEAD_NONCE_SIZE];
    uint8_t sealed_cookie[TUNNEL_COOKIE_SIZE + CRYPTO_AEAD_TAG_SIZE];
};

struct tunnel_data {
    uint32_t receiver;
    uint64_t counter;
    const uint8_t *sealed; /* borrowed from the message: ciphertext and tag */
    size_t sealed_size;    /* at least CRYPTO_AEAD_TAG_SIZE */
};

/*
 * The type of a message whose first four bytes and size are those of one; TUNNEL_NO_MESSAGE when
 * they are of none. A data message has at least TUNNEL_DATA_SIZE_MIN bytes, the others exactly
 * their own; data that is no multiple of 16 is still data (section 5.4.6 pads, but nothing checks).
 */
enum tunnel_message_type tunnel_message_type(const uint8_t *bytes, size_t size);

/* Each takes bytes that tunnel_message_type() said are of its type: checked. */
void tunnel_initiation_decode(struct tunnel_initiation *message, const uint8_t *bytes, size_t size);
void tunnel_response_decode(struct tunnel_response *message, const uint8_t *bytes, size_t size);
void tunnel_cookie_decode(struct tunnel_cookie *message, const uint8_t *bytes, size_t size);
void tunnel_data_decode(struct tunnel_data *message, const uint8_t *bytes, size_t size);

void tunnel_initiation_encode(const struct tunnel_initiation *message,
                              uint8_t to[static TUNNEL_INITIATION_SIZE]);
void tunnel_response_encode(const struct tunnel_response *message,
                            uint8_t to[static TUNNEL_RESPONSE_SIZE]);
void tunnel_cookie_encode(const struct tunnel_cookie *message,
                          uint8_t to[static TUNNEL_COOKIE_REPLY_SIZE]);
/* The header alone; ciphertext and tag stand behind it. */
void tunnel_data_header_encode(uint32_t receiver, uint64_t counter,
                               uint8_t to[static TUNNEL_DATA_HEADER_SIZE]);

#endif
