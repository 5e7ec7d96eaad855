/* Deterministic randomness: ChaCha20 for secrets, xoshiro256** streams for everything else. */
#include "core/base/random.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/base/hash.h"

static uint32_t rotate32(uint32_t x, unsigned by)
{
    return x << by | x >> (32 - by);
}

static uint64_t rotate64(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static uint32_t load32(const uint8_t *at)
{
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* RFC 8439, section 2.1. */
static void quarter_round(uint32_t s[static 16], unsigned a, unsigned b, unsigned c, unsigned d)
{
    s[a] += s[b];
    s[d] = rotate32(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate32(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate32(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate32(s[b] ^ s[c], 7);
}

void chacha20_block(uint8_t out[static 64], const uint8_t key[static 32], uint32_t counter,
                    const uint8_t nonce[static 12])
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    for (unsigned i = 0; i < 8; i++)
        start[4 + i] = load32(key + (size_t)4 * i);
    start[12] = counter;
    for (unsigned i = 0; i < 3; i++)
        start[13 + i] = load32(nonce + (size_t)4 * i);

    uint32_t s[16];
    memcpy(s, start, sizeof s);
    for (unsigned i = 0; i < 10; i++) {
        quarter_round(s, 0, 4, 8, 12);
        quarter_round(s, 1, 5, 9, 13);
        quarter_round(s, 2, 6, 10, 14);
        quarter_round(s, 3, 7, 11, 15);
        quarter_round(s, 0, 5, 10, 15);
        quarter_round(s, 1, 6, 11, 12);
        quarter_round(s, 2, 7, 8, 13);
        quarter_round(s, 3, 4, 9, 14);
    }
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word = s[i] + start[i];
        for (unsigned b = 0; b < 4; b++)
            out[4 * i + b] = (uint8_t)(word >> (8 * b));
    }
}

void random_secret_init(struct random_secret *r, const uint8_t seed[static RANDOM_SEED_SIZE])
{
    memcpy(r->key, seed, sizeof r->key);
    memset(r->block, 0, sizeof r->block);
    r->left = 0;
}

void random_secret_bytes(struct random_secret *r, uint8_t *to, size_t size)
{
    static const uint8_t nonce[12];
    for (size_t done = 0; done < size; done++) {
        if (r->left == 0) {
            uint8_t block[64];
            chacha20_block(block, r->key, 0, nonce);
            memcpy(r->key, block, 32);
            memcpy(r->block, block + 32, 32);
            r->left = 32;
        }
        uint8_t *next = &r->block[sizeof r->block - r->left];
        to[done] = *next;
        *next = 0;
        r->left--;
    }
}

uint32_t random_secret_u32(struct random_secret *r)
{
    uint8_t bytes[4];
    random_secret_bytes(r, bytes, sizeof bytes);
    struct reader reader = reader_of(bytes, sizeof bytes);
    return read_u32(&reader);
}

uint64_t random_secret_u64(struct random_secret *r)
{
    uint8_t bytes[8];
    random_secret_bytes(r, bytes, sizeof bytes);
    struct reader reader = reader_of(bytes, sizeof bytes);
    return read_u64(&reader);
}

struct hash_key random_hash_key(struct random_secret *r)
{
    struct hash_key key;
    key.word[0] = random_secret_u64(r);
    key.word[1] = random_secret_u64(r);
    return key;
}

void random_stream_init(struct random_stream *r, const uint8_t seed[static RANDOM_SEED_SIZE],
                        const char *name, size_t name_size)
{
    for (unsigned i = 0; i < 4; i++) {
        struct hash_key key = {
            .word = {(uint64_t)load32(seed) | (uint64_t)load32(seed + 4) << 32,
                     (uint64_t)load32(seed + 8) | (uint64_t)load32(seed + 12) << 32}};
        struct hash h;
        hash_start(&h, key);
        hash_bytes(&h, seed + 16, 16);
        hash_u64(&h, i);
        hash_bytes(&h, name, name_size);
        r->state[i] = hash_value(&h);
    }
    r->state[0] |= 1; /* the state that is all zero would stay so */
}

uint64_t random_u64(struct random_stream *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate64(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate64(s[3], 45);
    return result;
}

uint64_t random_below(struct random_stream *r, uint64_t bound)
{
    check(bound > 0);
    uint64_t unfair =
        (0 - bound) % bound; /* 2^64 mod bound: the values that would come up once too often */
    uint64_t draw;
    do {
        draw = random_u64(r);
    } while (draw < unfair);
    return draw % bound;
}

bool random_chance(struct random_stream *r, uint32_t ppm)
{
    check(ppm <= RANDOM_PPM);
    return random_u64(r) % RANDOM_PPM < ppm;
}
