/* The vectors of RFC 5769 and RFC 8489 in both directions, and what must not pass for them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/stun/integrity.h"
#include "core/stun/vectors_test.h"
#include "crypto/crypto.h"
#include "host/check.h"

#define TEXT(literal) ((struct stun_span){(const uint8_t *)(literal), sizeof(literal) - 1})

enum { BUFFER_SIZE = 1024 };

static void make_key_md5(uint8_t key[static 32], size_t *size)
{
    stun_key_long_term_md5(&crypto_real, key, TEXT(LONG_TERM_USER), TEXT(LONG_TERM_REALM),
                           TEXT(LONG_TERM_PASSWORD));
    *size = CRYPTO_MD5_SIZE;
}

static void make_key_sha256(uint8_t key[static 32], size_t *size)
{
    stun_key_long_term_sha256(&crypto_real, key, TEXT(LONG_TERM_USER), TEXT(LONG_TERM_REALM),
                              TEXT(LONG_TERM_PASSWORD));
    *size = CRYPTO_SHA256_SIZE;
}

static void make_key_short_term(uint8_t key[static 32], size_t *size)
{
    struct stun_span span = stun_key_short_term(VECTOR_PASSWORD, strlen(VECTOR_PASSWORD));
    memcpy(key, span.bytes, span.size);
    *size = span.size;
}

static struct stun_writer begin(uint8_t *buffer, enum stun_class class, const char *transaction)
{
    size_t size;
    uint8_t *id = from_hex(transaction, &size);
    assert_int_equal(size, STUN_TRANSACTION_SIZE);
    struct stun_writer w = stun_begin(buffer, BUFFER_SIZE, class, STUN_METHOD_BINDING, id);
    free(id);
    return w;
}

static struct stun_writer encode_request(uint8_t *buffer)
{
    struct stun_writer w = begin(buffer, STUN_REQUEST, VECTOR_TRANSACTION);
    w.pad = ' ';
    stun_put_software(&w, "STUN test client", 16);
    stun_put_priority(&w, 0x6e0001ff);
    stun_put_ice_controlled(&w, 0x932ff9b151263b36);
    stun_put_username(&w, "evtj:h6vY", 9);
    return w;
}

static struct stun_writer encode_response_v4(uint8_t *buffer)
{
    struct stun_writer w = begin(buffer, STUN_SUCCESS, VECTOR_TRANSACTION);
    struct addr addr = addr_v4(0xc0000201, 32853);
    w.pad = ' ';
    stun_put_software(&w, "test vector", 11);
    stun_put_xor_mapped_address(&w, &addr);
    return w;
}

static const uint8_t vector_ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
                                        0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};

static struct stun_writer encode_response_v6(uint8_t *buffer)
{
    struct stun_writer w = begin(buffer, STUN_SUCCESS, VECTOR_TRANSACTION);
    struct addr addr = addr_v6(vector_ipv6, 32853);
    w.pad = ' ';
    stun_put_software(&w, "test vector", 11);
    stun_put_xor_mapped_address(&w, &addr);
    return w;
}

static struct stun_writer encode_long_term(uint8_t *buffer)
{
    struct stun_writer w = begin(buffer, STUN_REQUEST, LONG_TERM_TRANSACTION);
    stun_put_username(&w, LONG_TERM_USER, strlen(LONG_TERM_USER));
    stun_put_nonce(&w, LONG_TERM_NONCE, strlen(LONG_TERM_NONCE));
    stun_put_realm(&w, LONG_TERM_REALM, strlen(LONG_TERM_REALM));
    return w;
}

static struct stun_writer encode_sha256(uint8_t *buffer)
{
    struct stun_writer w = begin(buffer, STUN_REQUEST, LONG_TERM_TRANSACTION);
    uint8_t hash[STUN_USERHASH_SIZE];
    stun_userhash(&crypto_real, hash, TEXT(LONG_TERM_USER), TEXT(LONG_TERM_REALM));
    stun_put_userhash(&w, hash);
    stun_put_nonce(&w, SHA256_NONCE, strlen(SHA256_NONCE));
    stun_put_realm(&w, LONG_TERM_REALM, strlen(LONG_TERM_REALM));
    return w;
}

static const struct vector {
    const char *name;
    const char *hex;
    void (*make_key)(uint8_t key[static 32], size_t *size);
    struct stun_writer (*encode)(uint8_t *buffer); /* all but what closes the message */
    uint32_t closing;                              /* enum stun_has */
} vectors[] = {
    {"RFC 5769, 2.1", VECTOR_REQUEST, make_key_short_term, encode_request,
     STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT},
    {"RFC 5769, 2.2", VECTOR_RESPONSE_V4, make_key_short_term, encode_response_v4,
     STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT},
    {"RFC 5769, 2.3", VECTOR_RESPONSE_V6, make_key_short_term, encode_response_v6,
     STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT},
    {"RFC 5769, 2.4", VECTOR_LONG_TERM, make_key_md5, encode_long_term, STUN_HAS_INTEGRITY},
    {"RFC 8489, B.1, corrected", VECTOR_SHA256, make_key_sha256, encode_sha256,
     STUN_HAS_INTEGRITY_SHA256},
};

enum { VECTOR_COUNT = sizeof vectors / sizeof vectors[0] };

/*
 * Takes the bytes as a careful receiver would: everything the vector has must be there and right.
 */
static bool accepts(const struct vector *v, const uint8_t *bytes, size_t size)
{
    uint8_t key[32];
    size_t key_size;
    v->make_key(key, &key_size);
    struct stun_message m;
    if (stun_decode(&m, bytes, size) != STUN_OK)
        return false;
    if ((v->closing & STUN_HAS_INTEGRITY) != 0 &&
        !stun_check_integrity(&m, &crypto_real, key, key_size))
        return false;
    if ((v->closing & STUN_HAS_INTEGRITY_SHA256) != 0 &&
        !stun_check_integrity_sha256(&m, &crypto_real, key, key_size))
        return false;
    return (v->closing & STUN_HAS_FINGERPRINT) == 0 || stun_check_fingerprint(&m);
}

static void test_vectors_are_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        size_t size;
        uint8_t *bytes = from_hex(vectors[i].hex, &size);
        if (!accepts(&vectors[i], bytes, size))
            fail_msg("%s is refused", vectors[i].name);
        free(bytes);
    }
}

static void test_vectors_are_encoded_byte_for_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        const struct vector *v = &vectors[i];
        size_t size, key_size;
        uint8_t *expected = from_hex(v->hex, &size);
        uint8_t key[32], buffer[BUFFER_SIZE];
        v->make_key(key, &key_size);
        struct stun_writer w = v->encode(buffer);
        if ((v->closing & STUN_HAS_INTEGRITY) != 0)
            stun_put_integrity(&w, &crypto_real, key, key_size);
        if ((v->closing & STUN_HAS_INTEGRITY_SHA256) != 0)
            stun_put_integrity_sha256(&w, &crypto_real, key, key_size, 32);
        if ((v->closing & STUN_HAS_FINGERPRINT) != 0)
            stun_put_fingerprint(&w);
        assert_int_equal(stun_end(&w), size);
        assert_memory_equal(buffer, expected, size);
        free(expected);
    }
}

static void test_every_flipped_bit_is_rejected(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        size_t size;
        uint8_t *bytes = from_hex(vectors[i].hex, &size);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            if (accepts(&vectors[i], bytes, size))
                fail_msg("%s: bit %zu of byte %zu flipped", vectors[i].name, bit % 8, bit / 8);
            bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        assert_true(accepts(&vectors[i], bytes, size));
        free(bytes);
    }
}

/* An HMAC and a CRC each reject alone: what one misses must not hide behind the other. */
static void test_flipped_bits_are_seen_by_each_check(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = from_hex(VECTOR_REQUEST, &size);
    struct stun_message m;
    for (size_t bit = 0; bit < (size_t)8 * 76;
         bit++) { /* up to MESSAGE-INTEGRITY, which both cover */
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (stun_decode(&m, bytes, size) == STUN_OK) {
            assert_false(stun_check_integrity(&m, &crypto_real, (const uint8_t *)VECTOR_PASSWORD,
                                              strlen(VECTOR_PASSWORD)));
            assert_false(stun_check_fingerprint(&m));
        }
        bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
}

static void test_truncations_are_rejected(void **state)
{
    (void)state;
    for (size_t i = 0; i < VECTOR_COUNT; i++) {
        size_t size;
        uint8_t *bytes = from_hex(vectors[i].hex, &size);
        for (size_t cut = 0; cut < size; cut++) {
            uint8_t *copy = exact_copy(bytes, cut);
            struct stun_message m;
            assert_int_not_equal(stun_decode(&m, copy, cut), STUN_OK);
            assert_false(stun_is_message(copy, cut));
            free(copy);
        }
        free(bytes);
    }
}

static void test_wrong_keys_are_rejected(void **state)
{
    (void)state;
    size_t size, key_size;
    uint8_t key[32];
    struct stun_message m;
    uint8_t *bytes = from_hex(VECTOR_LONG_TERM, &size);
    assert_int_equal(stun_decode(&m, bytes, size), STUN_OK);
    make_key_md5(key, &key_size);
    assert_true(stun_check_integrity(&m, &crypto_real, key, key_size));
    assert_false(stun_check_integrity(&m, &crypto_real, key, key_size - 1));
    assert_false(stun_check_integrity(&m, &crypto_real, key, 0));
    key[0] ^= 1;
    assert_false(stun_check_integrity(&m, &crypto_real, key, key_size));
    /* It has neither of the others. */
    assert_false(stun_check_integrity_sha256(&m, &crypto_real, key, key_size));
    assert_false(stun_check_fingerprint(&m));
    free(bytes);
}

static void test_printed_b1_is_rejected(void **state)
{
    (void)state;
    size_t size;
    uint8_t *bytes = from_hex(VECTOR_SHA256_PRINTED, &size);
    struct stun_message m;
    assert_int_equal(size, 156);
    assert_int_equal(stun_decode(&m, bytes, size), STUN_LENGTH_MISMATCH);
    free(bytes);
}

static void test_keys_and_userhash(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "e8ca7ad59d5eb0518e312911d2dab2a9",
        "dd295a613b9058c3c23d6dc7165bda072304d989c9d0af3a8c7e184b4f9bb4a1",
        "4a3cf38fef6992bda952c6780417da0f24819415569e60b205c46e41407f1704",
    };
    uint8_t got[3][32];
    size_t size;
    make_key_md5(got[0], &size);
    make_key_sha256(got[1], &size);
    stun_userhash(&crypto_real, got[2], TEXT(LONG_TERM_USER), TEXT(LONG_TERM_REALM));
    for (size_t i = 0; i < 3; i++) {
        uint8_t *want = from_hex(expected[i], &size);
        assert_memory_equal(got[i], want, size);
        free(want);
    }
}

static void test_crc32(void **state)
{
    (void)state;
    /* The check value that catalogues of CRCs give, whole and in two pieces. */
    const uint8_t *digits = (const uint8_t *)"123456789";
    assert_int_equal(stun_crc32(0, digits, 9), 0xcbf43926);
    assert_int_equal(stun_crc32(stun_crc32(0, digits, 4), digits + 4, 5), 0xcbf43926);
    assert_int_equal(stun_crc32(0, NULL, 0), 0);
}

/*
 * All three in one message; each truncation of the HMAC that the RFC allows, and some that it does
 * not.
 */
static void test_truncated_sha256(void **state)
{
    (void)state;
    for (size_t mac_size = 4; mac_size <= 40; mac_size += 4) {
        uint8_t buffer[BUFFER_SIZE] = {0}, key[32];
        size_t key_size;
        make_key_sha256(key, &key_size);
        struct stun_writer w = encode_sha256(buffer);
        bool allowed = mac_size >= 16 && mac_size <= 32;
        stun_put_integrity(&w, &crypto_real, key, key_size);
        size_t at = w.out.index;
        stun_put_integrity_sha256(&w, &crypto_real, key, key_size, allowed ? mac_size : 32);
        if (!allowed) { /* patched to the wrong size by hand */
            w.out.index = at + 4 + mac_size;
            buffer[at + 3] = (uint8_t)mac_size;
        }
        stun_put_fingerprint(&w);
        size_t size = stun_end(&w);
        uint8_t *copy = exact_copy(buffer, size);
        struct stun_message m;
        enum stun_error error = stun_decode(&m, copy, size);
        assert_int_equal(error, allowed ? STUN_OK : STUN_ATTRIBUTE_SIZE);
        if (allowed) {
            assert_int_equal(m.integrity_sha256_size, mac_size);
            assert_true(stun_check_integrity(&m, &crypto_real, key, key_size));
            assert_true(stun_check_integrity_sha256(&m, &crypto_real, key, key_size));
            assert_true(stun_check_fingerprint(&m));
            copy[at + 4 + mac_size - 1] ^= 0x80; /* the last byte of it counts */
            assert_true(stun_check_integrity(&m, &crypto_real, key, key_size));
            assert_false(stun_check_integrity_sha256(&m, &crypto_real, key, key_size));
        }
        free(copy);
    }
}

/*
 * What follows an integrity attribute, but for those that may, is neither read nor an error (14.5).
 */
static void test_uncovered_attributes_are_ignored(void **state)
{
    (void)state;
    static const struct {
        const char *tail; /* appended behind MESSAGE-INTEGRITY; the length is put right */
        uint32_t has;
        enum stun_error error;
    } rows[] = {
        {"002000080001ffffffffffff", STUN_HAS_INTEGRITY, STUN_OK},
        {"0020000400010000", STUN_HAS_INTEGRITY, STUN_OK}, /* even malformed */
        {"00080004ffffffff", STUN_HAS_INTEGRITY, STUN_OK}, /* a second one */
        {"7ffe0000", STUN_HAS_INTEGRITY, STUN_OK},         /* not listed as unknown */
        {"80280004ffffffff", STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT, STUN_OK},
        {"8022000141000000"
         "80280004ffffffff",
         STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT, STUN_OK},
        {"001c0010000102030405060708090a0b0c0d0e0f"
         "8022000141000000"
         "80280004ffffffff",
         STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256 | STUN_HAS_FINGERPRINT, STUN_OK},
        {"80280004ffffffff"
         "8022000141000000",
         0, STUN_FINGERPRINT_NOT_LAST},
        {"80280004ffffffff"
         "80280004ffffffff",
         0, STUN_FINGERPRINT_NOT_LAST},
        {"00200008", 0, STUN_ATTRIBUTE_OVERRUN}, /* but its length must still be true */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t buffer[BUFFER_SIZE];
        size_t tail_size;
        uint8_t *tail = from_hex(rows[i].tail, &tail_size);
        struct stun_writer w = begin(buffer, STUN_REQUEST, VECTOR_TRANSACTION);
        stun_put_integrity(&w, &crypto_real, (const uint8_t *)"key", 3);
        write_bytes(&w.out, tail, tail_size);
        size_t size = stun_end(&w);
        struct stun_message m;
        uint8_t *copy = exact_copy(buffer, size);
        assert_int_equal(stun_decode(&m, copy, size), rows[i].error);
        assert_int_equal(m.has, rows[i].has);
        assert_int_equal(m.unknown_count, 0);
        if (rows[i].error == STUN_OK) /* the HMAC is as it was before the tail */
            assert_true(stun_check_integrity(&m, &crypto_real, (const uint8_t *)"key", 3));
        free(copy);
        free(tail);
    }
}

/* MESSAGE-INTEGRITY behind MESSAGE-INTEGRITY-SHA256 is one of those that are ignored (14.6). */
static void test_integrity_after_sha256_is_ignored(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    struct stun_writer w = begin(buffer, STUN_REQUEST, VECTOR_TRANSACTION);
    stun_put_integrity_sha256(&w, &crypto_real, (const uint8_t *)"key", 3, 32);
    write_u16(&w.out, STUN_ATTRIBUTE_MESSAGE_INTEGRITY);
    write_u16(&w.out, STUN_INTEGRITY_SIZE);
    write_zero(&w.out, STUN_INTEGRITY_SIZE);
    struct stun_message m;
    assert_int_equal(stun_decode(&m, buffer, stun_end(&w)), STUN_OK);
    assert_int_equal(m.has, STUN_HAS_INTEGRITY_SHA256);
    assert_false(stun_check_integrity(&m, &crypto_real, (const uint8_t *)"key", 3));
    assert_true(stun_check_integrity_sha256(&m, &crypto_real, (const uint8_t *)"key", 3));
}

static void test_no_room(void **state)
{
    (void)state;
    static const uint8_t id[STUN_TRANSACTION_SIZE];
    enum { WHOLE = 20 + 24 + 36 + 8 };
    for (size_t room = 0; room <= WHOLE; room++) {
        uint8_t *block = malloc(room > 0 ? room : 1);
        assert_non_null(block);
        struct stun_writer w = stun_begin(block, room, STUN_REQUEST, 1, id);
        stun_put_integrity(&w, &crypto_real, (const uint8_t *)"key", 3);
        stun_put_integrity_sha256(&w, &crypto_real, (const uint8_t *)"key", 3, 32);
        stun_put_fingerprint(&w);
        assert_int_equal(stun_end(&w), room == WHOLE ? WHOLE : 0);
        free(block);
    }
}

static void leave_check(void *context, const char *expression, const char *file, int line)
{
    (void)context;
    mock_assert(0, expression, file, line);
}

/* Our own mistakes: closing a message twice, out of order, or writing on behind. */
static void test_order_is_checked(void **state)
{
    (void)state;
    static const uint8_t id[STUN_TRANSACTION_SIZE];
    const uint8_t *key = (const uint8_t *)"key";
    uint8_t buffer[BUFFER_SIZE];
    struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_REQUEST, 1, id);
    stun_put_integrity(&w, &crypto_real, key, 3);
    check_set_hook(leave_check, NULL);
    expect_assert_failure(stun_put_priority(&w, 1));
    check_set_hook(leave_check, NULL);
    expect_assert_failure(stun_put_integrity(&w, &crypto_real, key, 3));
    stun_put_fingerprint(&w);
    check_set_hook(leave_check, NULL);
    expect_assert_failure(stun_put_integrity_sha256(&w, &crypto_real, key, 3, 32));
    check_set_hook(leave_check, NULL);
    expect_assert_failure(stun_put_fingerprint(&w));
    check_set_hook(NULL, NULL);
    assert_int_equal(stun_end(&w), 20 + 24 + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_are_accepted),
        cmocka_unit_test(test_vectors_are_encoded_byte_for_byte),
        cmocka_unit_test(test_every_flipped_bit_is_rejected),
        cmocka_unit_test(test_flipped_bits_are_seen_by_each_check),
        cmocka_unit_test(test_truncations_are_rejected),
        cmocka_unit_test(test_wrong_keys_are_rejected),
        cmocka_unit_test(test_printed_b1_is_rejected),
        cmocka_unit_test(test_keys_and_userhash),
        cmocka_unit_test(test_crc32),
        cmocka_unit_test(test_truncated_sha256),
        cmocka_unit_test(test_uncovered_attributes_are_ignored),
        cmocka_unit_test(test_integrity_after_sha256_is_ignored),
        cmocka_unit_test(test_no_room),
        cmocka_unit_test(test_order_is_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
