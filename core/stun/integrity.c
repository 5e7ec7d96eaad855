/* MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256 and FINGERPRINT: keys, appending, checking. */
#include "core/stun/integrity.h"

#include "core/base/check.h"
#include "core/stun/wire.h"

/* RFC 8489, 14.7: so that the CRC of a protocol inside that has one too is not taken for ours. */
#define FINGERPRINT_XOR 0x5354554eu

uint32_t stun_crc32(uint32_t before, const uint8_t *bytes, size_t size)
{
    /* The remainders of the polynomial 0xedb88320 for half a byte. */
    static const uint32_t remainder[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    uint32_t crc = ~before;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ remainder[crc & 15];
        crc = crc >> 4 ^ remainder[crc & 15];
    }
    return ~crc;
}

struct stun_span stun_key_short_term(const void *password, size_t size)
{
    return (struct stun_span){.bytes = password, .size = size};
}

static struct crypto_span part(struct stun_span span)
{
    return (struct crypto_span){.bytes = span.bytes, .size = span.size};
}

static const struct crypto_span colon = {.bytes = (const uint8_t *)":", .size = 1};

void stun_key_long_term_md5(const struct crypto *crypto, uint8_t key[static CRYPTO_MD5_SIZE],
                            struct stun_span username, struct stun_span realm,
                            struct stun_span password)
{
    const struct crypto_span parts[] = {part(username), colon, part(realm), colon, part(password)};
    crypto->md5(key, parts, 5);
}

void stun_key_long_term_sha256(const struct crypto *crypto, uint8_t key[static CRYPTO_SHA256_SIZE],
                               struct stun_span username, struct stun_span realm,
                               struct stun_span password)
{
    const struct crypto_span parts[] = {part(username), colon, part(realm), colon, part(password)};
    crypto->sha256(key, parts, 5);
}

void stun_userhash(const struct crypto *crypto, uint8_t hash[static STUN_USERHASH_SIZE],
                   struct stun_span username, struct stun_span realm)
{
    const struct crypto_span parts[] = {part(username), colon, part(realm)};
    crypto->sha256(hash, parts, 3);
}

/*
 * What an HMAC covers: the message up to its attribute, with a length field that says that the
 * message ends with the attribute (RFC 8489, 14.5), whatever follows. The length is the only byte
 * pair that may differ from the datagram, so nothing is copied.
 */
struct covered {
    uint8_t length[2];
    struct crypto_span parts[3];
};

static void cover(struct covered *covered, const uint8_t *bytes, size_t at, size_t attribute_size)
{
    check(at >= STUN_HEADER_SIZE);
    size_t length = at + STUN_ATTRIBUTE_HEADER_SIZE + attribute_size - STUN_HEADER_SIZE;
    check(length <= UINT16_MAX);
    covered->length[0] = (uint8_t)(length >> 8);
    covered->length[1] = (uint8_t)length;
    covered->parts[0] = (struct crypto_span){bytes, STUN_LENGTH_AT};
    covered->parts[1] = (struct crypto_span){covered->length, 2};
    covered->parts[2] = (struct crypto_span){bytes + STUN_MASK_AT, at - STUN_MASK_AT};
}

void stun_put_integrity(struct stun_writer *w, const struct crypto *crypto, const uint8_t *key,
                        size_t key_size)
{
    uint8_t mac[CRYPTO_SHA1_SIZE] = {0};
    if (!w->out.failed && STUN_ATTRIBUTE_HEADER_SIZE + sizeof mac <= w->out.length - w->out.index) {
        struct covered covered;
        cover(&covered, w->out.base, w->out.index, sizeof mac);
        crypto->hmac_sha1(mac, key, key_size, covered.parts, 3);
    }
    stun_put_closing(w, STUN_ATTRIBUTE_MESSAGE_INTEGRITY, mac, sizeof mac);
}

void stun_put_integrity_sha256(struct stun_writer *w, const struct crypto *crypto,
                               const uint8_t *key, size_t key_size, size_t size)
{
    check(size >= STUN_INTEGRITY_SHA256_SIZE_MIN && size <= STUN_INTEGRITY_SHA256_SIZE_MAX);
    check(size % 4 == 0);
    uint8_t mac[CRYPTO_SHA256_SIZE] = {0};
    if (!w->out.failed && STUN_ATTRIBUTE_HEADER_SIZE + size <= w->out.length - w->out.index) {
        struct covered covered;
        cover(&covered, w->out.base, w->out.index, size);
        crypto->hmac_sha256(mac, key, key_size, covered.parts, 3);
    }
    stun_put_closing(w, STUN_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, mac, size);
}

/* The CRC covers the real length field: FINGERPRINT is last, so the message does end with it. */
void stun_put_fingerprint(struct stun_writer *w)
{
    uint8_t bytes[STUN_FINGERPRINT_SIZE] = {0};
    size_t at = w->out.index;
    if (!w->out.failed && STUN_ATTRIBUTE_HEADER_SIZE + sizeof bytes <= w->out.length - at) {
        size_t length = at + STUN_ATTRIBUTE_HEADER_SIZE + sizeof bytes - STUN_HEADER_SIZE;
        write_u16_at(&w->out, STUN_LENGTH_AT, (uint16_t)length);
        struct writer value = writer_of(bytes, sizeof bytes);
        write_u32(&value, stun_crc32(0, w->out.base, at) ^ FINGERPRINT_XOR);
        check(!value.failed);
    }
    stun_put_closing(w, STUN_ATTRIBUTE_FINGERPRINT, bytes, sizeof bytes);
}

/* Where an attribute's value stands, of which the decoder has seen all. */
static const uint8_t *value_at(const struct stun_message *message, size_t at, size_t size)
{
    check(at >= STUN_HEADER_SIZE);
    check(message->size >= at + STUN_ATTRIBUTE_HEADER_SIZE + size);
    return message->bytes + at + STUN_ATTRIBUTE_HEADER_SIZE;
}

bool stun_check_integrity(const struct stun_message *message, const struct crypto *crypto,
                          const uint8_t *key, size_t key_size)
{
    if (!stun_has(message, STUN_HAS_INTEGRITY))
        return false;
    uint8_t mac[CRYPTO_SHA1_SIZE];
    const uint8_t *value = value_at(message, message->integrity_at, sizeof mac);
    struct covered covered;
    cover(&covered, message->bytes, message->integrity_at, sizeof mac);
    crypto->hmac_sha1(mac, key, key_size, covered.parts, 3);
    bool same = crypto->equal(mac, value, sizeof mac);
    crypto->wipe(mac, sizeof mac); /* of a forged message it would be the one to forge it with */
    return same;
}

bool stun_check_integrity_sha256(const struct stun_message *message, const struct crypto *crypto,
                                 const uint8_t *key, size_t key_size)
{
    if (!stun_has(message, STUN_HAS_INTEGRITY_SHA256))
        return false;
    uint8_t mac[CRYPTO_SHA256_SIZE];
    size_t size = message->integrity_sha256_size;
    check(size >= STUN_INTEGRITY_SHA256_SIZE_MIN && size <= sizeof mac);
    const uint8_t *value = value_at(message, message->integrity_sha256_at, size);
    struct covered covered;
    cover(&covered, message->bytes, message->integrity_sha256_at, size);
    crypto->hmac_sha256(mac, key, key_size, covered.parts, 3);
    bool same = crypto->equal(mac, value, size);
    crypto->wipe(mac, sizeof mac);
    return same;
}

bool stun_check_fingerprint(const struct stun_message *message)
{
    if (!stun_has(message, STUN_HAS_FINGERPRINT))
        return false;
    size_t at = message->fingerprint_at;
    const uint8_t *value = value_at(message, at, STUN_FINGERPRINT_SIZE);
    struct reader r = reader_of(value, STUN_FINGERPRINT_SIZE);
    return read_u32(&r) == (stun_crc32(0, message->bytes, at) ^ FINGERPRINT_XOR);
}
