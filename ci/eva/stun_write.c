/*
 * Eva driver: the STUN encoder, attribute by attribute, into buffers of several sizes around what
 * fits; then integrity and FINGERPRINT, appended and checked.
 *
 * EVA-SOURCES: core/stun/message.c core/stun/message_write.c core/stun/integrity.c
 * EVA-SOURCES: core/base/cursor.c core/base/addr.c
 * EVA-OPTIONS: -c11 -eva -eva-precision 1 -eva-slevel 100 -eva-split-return auto
 */
#include <stddef.h>
#include <stdint.h>

#include "core/base/check.h"
#include "core/stun/integrity.h"
#include "core/stun/message.h"

#include "__fc_builtin.h"

enum { ROOM_MAX = 64, KINDS = 26, TEXT_MAX = 8, KEY_SIZE = 4 };

/* Nothing may fail a check of ours. */
/*@ requires \false;
    assigns \nothing;
    ensures \false; */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

/* Where reads end up, so that they are made. */
uint8_t sink;

static void read_all(const struct crypto_span *parts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < parts[i].size; k++)
            sink = parts[i].bytes[k];
    }
}

static void any_sha1(uint8_t out[static CRYPTO_SHA1_SIZE], const uint8_t *key, size_t key_size,
                     const struct crypto_span *parts, size_t count)
{
    (void)key, (void)key_size;
    read_all(parts, count);
    Frama_C_make_unknown((char *)out, CRYPTO_SHA1_SIZE);
}

static void any_sha256(uint8_t out[static CRYPTO_SHA256_SIZE], const uint8_t *key, size_t key_size,
                       const struct crypto_span *parts, size_t count)
{
    (void)key, (void)key_size;
    read_all(parts, count);
    Frama_C_make_unknown((char *)out, CRYPTO_SHA256_SIZE);
}

static bool any_equal(const void *a, const void *b, size_t size)
{
    const uint8_t *x = a, *y = b;
    for (size_t i = 0; i < size; i++)
        sink = x[i] ^ y[i];
    return Frama_C_interval(0, 1) != 0;
}

static void no_wipe(void *secret, size_t size)
{
    (void)secret, (void)size;
}

static const struct crypto any_crypto = {
    .hmac_sha1 = any_sha1,
    .hmac_sha256 = any_sha256,
    .equal = any_equal,
    .wipe = no_wipe,
};

/* A message with one attribute, whose text has `size` bytes that are the last ones of `text`. */
static struct stun_message any_message(int kind, const uint8_t *text, size_t size)
{
    const struct stun_span span = {text + (STUN_USERHASH_SIZE - size), size};
    struct stun_message m = {.has = (uint32_t)1 << kind};
    m.class = (uint8_t)Frama_C_interval(0, 3);
    m.method = (uint16_t)Frama_C_interval(0, STUN_METHOD_MAX);
    Frama_C_make_unknown((char *)m.transaction, sizeof m.transaction);
    m.mapped_address = addr_v4((uint32_t)Frama_C_interval(0, 0x7fffffff), 1);
    m.xor_mapped_address = size % 2 == 0 ? addr_v6(text, 2) : m.mapped_address;
    m.alternate_server = addr_v6(text, 3);
    m.response_origin = m.mapped_address;
    m.other_address = m.alternate_server;
    m.username = m.realm = m.nonce = m.software = m.alternate_domain = m.padding = span;
    m.error_reason = m.unknown_attributes = m.password_algorithms = m.password_parameters = span;
    m.userhash = (struct stun_span){text, STUN_USERHASH_SIZE};
    m.error_code = (uint16_t)Frama_C_interval(300, 699);
    m.password_algorithm = (uint16_t)Frama_C_interval(0, UINT16_MAX);
    m.priority = (uint32_t)Frama_C_interval(0, 0x7fffffff);
    m.ice_controlled = m.ice_controlling = Frama_C_unsigned_long_interval(0, UINT64_MAX);
    m.change_ip = Frama_C_interval(0, 1) != 0;
    m.change_port = Frama_C_interval(0, 1) != 0;
    m.response_port = (uint16_t)Frama_C_interval(1, UINT16_MAX);
    m.cache_timeout_s = m.priority;
    return m;
}

static void drive_attributes(uint8_t *block, const uint8_t *text)
{
    for (size_t room = 22; room <= ROOM_MAX; room += 7) {
        //@ split room;
        for (int kind = 0; kind < KINDS; kind++) {
            //@ split kind;
            for (size_t size = 0; size <= TEXT_MAX; size += 5) {
                //@ split size;
                struct stun_message m = any_message(kind, text, size);
                struct stun_writer w = stun_begin_from(block + (ROOM_MAX - room), room, &m);
                w.pad = (uint8_t)Frama_C_interval(0, 255);
                size_t written = stun_end(&w);
                /*@ assert written <= room; */
            }
        }
    }
}

static void drive_closing(uint8_t *block, const uint8_t *key)
{
    static const uint8_t transaction[STUN_TRANSACTION_SIZE];
    for (size_t room = 16; room <= ROOM_MAX; room += 2) {
        //@ split room;
        for (int kind = 0; kind < 3; kind++) {
            //@ split kind;
            uint8_t *bytes = block + (ROOM_MAX - room);
            struct stun_writer w = stun_begin(bytes, room, STUN_REQUEST, 1, transaction);
            if (kind == 0)
                stun_put_integrity(&w, &any_crypto, key, KEY_SIZE);
            else if (kind == 1)
                stun_put_integrity_sha256(&w, &any_crypto, key, KEY_SIZE, 16);
            else
                stun_put_fingerprint(&w);
            size_t written = stun_end(&w);
            /*@ assert written <= room; */
        }
    }
}

/* A decoded message of any size, with each closing attribute as its last one. */
static void drive_checks(uint8_t *block, const uint8_t *key)
{
    for (size_t size = STUN_HEADER_SIZE; size <= ROOM_MAX; size += 4) {
        //@ split size;
        struct stun_message m = {.bytes = block + (ROOM_MAX - size), .size = size};
        if (size >= 20 + 24) {
            m.has = STUN_HAS_INTEGRITY;
            m.integrity_at = (uint32_t)(size - 24);
        }
        sink = stun_check_integrity(&m, &any_crypto, key, KEY_SIZE);
        for (uint32_t mac = 16; mac <= 32 && size >= 20 + 4 + mac; mac += 4) {
            //@ split mac;
            m.has = STUN_HAS_INTEGRITY_SHA256;
            m.integrity_sha256_at = (uint32_t)(size - 4 - mac);
            m.integrity_sha256_size = mac;
            sink = stun_check_integrity_sha256(&m, &any_crypto, key, KEY_SIZE);
        }
        if (size >= 20 + 8) {
            m.has = STUN_HAS_FINGERPRINT;
            m.fingerprint_at = (uint32_t)(size - 8);
            sink = stun_check_fingerprint(&m);
        }
    }
}

int main(void)
{
    uint8_t block[ROOM_MAX], text[STUN_USERHASH_SIZE], key[KEY_SIZE];
    Frama_C_make_unknown((char *)text, sizeof text);
    Frama_C_make_unknown((char *)key, sizeof key);
    drive_attributes(block, text);
    drive_closing(block, key);
    Frama_C_make_unknown((char *)block, sizeof block);
    drive_checks(block, key);
    return 0;
}
