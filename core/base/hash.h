/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): keyed, so that a stranger cannot aim at a map's
 * chains; streamed, so that a digest can run over everything a node puts out. Same bytes, same
 * value, on every machine.
 */
#ifndef WARREN_BASE_HASH_H
#define WARREN_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash_key {
    uint64_t word[2];
};

struct hash {
    uint64_t v[4];
    uint64_t tail;   /* bytes not yet compressed, the first one lowest */
    uint64_t length; /* bytes taken in so far */
};

void hash_start(struct hash *h, struct hash_key key);
void hash_bytes(struct hash *h, const void *bytes, size_t size);
/* One number as eight little-endian bytes. */
void hash_u64(struct hash *h, uint64_t value);
/* The value over everything so far; the stream may go on afterwards. */
uint64_t hash_value(const struct hash *h);

/* Start, bytes, value in one call. */
uint64_t hash_once(struct hash_key key, const void *bytes, size_t size);

#endif
