/*
 * Deterministic randomness, in two kinds. A secret generator (ChaCha20 with fast key erasure) makes
 * what a stranger must not guess: transaction ids, keys. A named stream (xoshiro256**) makes what
 * only has to be spread: jitter, the simulator's losses. Streams are derived from a root and a
 * name, so adding one disturbs no other. No floating point.
 */
#ifndef WARREN_BASE_RANDOM_H
#define WARREN_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/hash.h"

enum { RANDOM_SEED_SIZE = 32 };

/* Probabilities are parts per million: 0 never, RANDOM_PPM always. */
enum { RANDOM_PPM = 1000000 };

struct random_secret {
    uint8_t key[32];
    uint8_t block[32]; /* output not handed out yet, at its end */
    uint32_t left;     /* bytes of it */
};

struct random_stream {
    uint64_t state[4];
};

void random_secret_init(struct random_secret *r, const uint8_t seed[static RANDOM_SEED_SIZE]);
/* What was handed out cannot be computed from the state that is left. */
void random_secret_bytes(struct random_secret *r, uint8_t *to, size_t size);
uint32_t random_secret_u32(struct random_secret *r);
uint64_t random_secret_u64(struct random_secret *r);
/* A key for a table that strangers can put entries into. */
struct hash_key random_hash_key(struct random_secret *r);

/* `name` is any bytes; equal (seed, name) give equal streams, others are independent. */
void random_stream_init(struct random_stream *r, const uint8_t seed[static RANDOM_SEED_SIZE],
                        const char *name, size_t name_size);
uint64_t random_u64(struct random_stream *r);
/* Uniform in [0, bound), without bias; bound is at least 1. */
uint64_t random_below(struct random_stream *r, uint64_t bound);
/* True with probability ppm / RANDOM_PPM. Always draws exactly once, also for 0 and 1. */
bool random_chance(struct random_stream *r, uint32_t ppm);

/* One ChaCha20 block (RFC 8439, section 2.3): 64 bytes of key stream. */
void chacha20_block(uint8_t out[static 64], const uint8_t key[static 32], uint32_t counter,
                    const uint8_t nonce[static 12]);

#endif
