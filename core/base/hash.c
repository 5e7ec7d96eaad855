/* SipHash-2-4. */
#include "core/base/hash.h"

#include "core/base/check.h"

static uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[static 4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] = rotate(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] = rotate(v[2], 32);
}

static void sip_compress(uint64_t v[static 4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

void hash_start(struct hash *h, struct hash_key key)
{
    h->v[0] = key.word[0] ^ 0x736f6d6570736575u;
    h->v[1] = key.word[1] ^ 0x646f72616e646f6du;
    h->v[2] = key.word[0] ^ 0x6c7967656e657261u;
    h->v[3] = key.word[1] ^ 0x7465646279746573u;
    h->tail = 0;
    h->length = 0;
}

static uint64_t load_word(const uint8_t *at)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

void hash_bytes(struct hash *h, const void *bytes, size_t size)
{
    check(bytes != NULL || size == 0);
    const uint8_t *at = bytes;
    size_t i = 0;
    for (; i < size && h->length % 8 != 0; i++, h->length++) {
        h->tail |= (uint64_t)at[i] << (8 * (h->length % 8));
        if (h->length % 8 == 7) {
            sip_compress(h->v, h->tail);
            h->tail = 0;
        }
    }
    for (; size - i >= 8; i += 8, h->length += 8)
        sip_compress(h->v, load_word(at + i));
    for (; i < size; i++, h->length++)
        h->tail |= (uint64_t)at[i] << (8 * (h->length % 8));
}

void hash_u64(struct hash *h, uint64_t value)
{
    uint8_t bytes[8];
    for (unsigned i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
    hash_bytes(h, bytes, sizeof bytes);
}

uint64_t hash_value(const struct hash *h)
{
    uint64_t v[4] = {h->v[0], h->v[1], h->v[2], h->v[3]};
    sip_compress(v, h->tail | h->length << 56);
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t hash_once(struct hash_key key, const void *bytes, size_t size)
{
    struct hash h;
    hash_start(&h, key);
    hash_bytes(&h, bytes, size);
    return hash_value(&h);
}
