/* What the two halves of the STUN codec, and integrity.c, share and nobody else needs. */
#ifndef WARREN_STUN_WIRE_H
#define WARREN_STUN_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/stun/message.h"

enum {
    STUN_WIRE_FAMILY_V4 = 1, /* RFC 8489, 14.1 */
    STUN_WIRE_FAMILY_V6 = 2,
    STUN_WIRE_CHANGE_IP = 4, /* RFC 5780, 7.2 */
    STUN_WIRE_CHANGE_PORT = 2,
};

enum {
    STUN_LENGTH_AT = 2,
    STUN_TRANSACTION_AT = 8,
    /* The cookie and the transaction id, side by side, are the mask of XOR-MAPPED-ADDRESS. */
    STUN_MASK_AT = 4,
};

/* The bytes that fill a value up to a multiple of four: 0 to 3. */
size_t stun_padding_of(size_t size);

/*
 * The limit on REALM, NONCE, SOFTWARE and reason phrases. Characters are counted as the bytes that
 * do not continue one, so text that is not UTF-8 is held to the limit as well.
 */
bool stun_text_fits(const uint8_t *text, size_t size);

/*
 * Appends MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 or FINGERPRINT: each once, in this order,
 * with nothing else after them. `size` is a multiple of 4.
 */
void stun_put_closing(struct stun_writer *w, uint16_t type, const uint8_t *value, size_t size);

#endif
