/* The STUN codec: every attribute's bytes, every way to be malformed, and there and back again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/stun/message.h"
#include "core/stun/vectors_test.h"

enum { BUFFER_SIZE = 4096 };

static const uint8_t id[STUN_TRANSACTION_SIZE] = {0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34,
                                                  0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae};

/* Decodes a whole message in hexadecimal from a block of exactly its size. */
static enum stun_error decode_hex(struct stun_message *m, const char *hex, uint8_t **bytes)
{
    size_t size;
    *bytes = from_hex(hex, &size);
    return stun_decode(m, *bytes, size);
}

/* A Binding request around attributes in hexadecimal, with a length field that is right. */
static size_t wrap(uint8_t *buffer, const char *attributes)
{
    size_t size;
    uint8_t *bytes = from_hex(attributes, &size);
    struct stun_writer w = stun_begin(buffer, BUFFER_SIZE, STUN_REQUEST, STUN_METHOD_BINDING, id);
    write_bytes(&w.out, bytes, size);
    free(bytes);
    return stun_end(&w);
}

static void assert_span(struct stun_span span, const void *expected, size_t size)
{
    assert_int_equal(span.size, size);
    assert_memory_equal(span.bytes, expected, size);
}

static void test_rfc5769_fields(void **state)
{
    (void)state;
    struct stun_message m;
    uint8_t *bytes;
    assert_int_equal(decode_hex(&m, VECTOR_REQUEST, &bytes), STUN_OK);
    assert_int_equal(m.class, STUN_REQUEST);
    assert_int_equal(m.method, STUN_METHOD_BINDING);
    assert_memory_equal(m.transaction, id, sizeof id);
    assert_int_equal(m.has, STUN_HAS_SOFTWARE | STUN_HAS_PRIORITY | STUN_HAS_ICE_CONTROLLED |
                                STUN_HAS_USERNAME | STUN_HAS_INTEGRITY | STUN_HAS_FINGERPRINT);
    assert_span(m.software, "STUN test client", 16);
    assert_span(m.username, "evtj:h6vY", 9);
    assert_int_equal(m.priority, 0x6e0001ff);
    assert_true(m.ice_controlled == 0x932ff9b151263b36);
    assert_int_equal(m.integrity_at, 76);
    assert_int_equal(m.fingerprint_at, 100);
    assert_int_equal(m.size, 108);
    free(bytes);

    assert_int_equal(decode_hex(&m, VECTOR_RESPONSE_V4, &bytes), STUN_OK);
    struct addr v4 = addr_v4(0xc0000201, 32853);
    assert_int_equal(m.class, STUN_SUCCESS);
    assert_int_equal(m.has, STUN_HAS_SOFTWARE | STUN_HAS_XOR_MAPPED_ADDRESS | STUN_HAS_INTEGRITY |
                                STUN_HAS_FINGERPRINT);
    assert_span(m.software, "test vector", 11);
    assert_true(addr_equal(&m.xor_mapped_address, &v4));
    free(bytes);

    static const uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, 0x12, 0x34, 0x56, 0x78,
                                   0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77};
    struct addr v6 = addr_v6(ip, 32853);
    assert_int_equal(decode_hex(&m, VECTOR_RESPONSE_V6, &bytes), STUN_OK);
    assert_true(addr_equal(&m.xor_mapped_address, &v6));
    free(bytes);

    assert_int_equal(decode_hex(&m, VECTOR_LONG_TERM, &bytes), STUN_OK);
    assert_int_equal(m.has,
                     STUN_HAS_USERNAME | STUN_HAS_NONCE | STUN_HAS_REALM | STUN_HAS_INTEGRITY);
    assert_span(m.username, LONG_TERM_USER, 18);
    assert_span(m.nonce, LONG_TERM_NONCE, 28);
    assert_span(m.realm, LONG_TERM_REALM, 11);
    free(bytes);
}

/* RFC 8489, section 5: the class is in bits 4 and 8 of the type, the method around them. */
static void test_types(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        uint16_t method;
        enum stun_class class;
    } rows[] = {
        {0x0001, 0x001, STUN_REQUEST}, {0x0011, 0x001, STUN_INDICATION},
        {0x0101, 0x001, STUN_SUCCESS}, {0x0111, 0x001, STUN_ERROR},
        {0x0113, 0x003, STUN_ERROR},   {0x0016, 0x006, STUN_INDICATION},
        {0x0020, 0x010, STUN_REQUEST}, {0x00e0, 0x070, STUN_REQUEST},
        {0x0200, 0x080, STUN_REQUEST}, {0x3eef, 0xfff, STUN_REQUEST},
        {0x3fff, 0xfff, STUN_ERROR},   {0x0000, 0x000, STUN_REQUEST},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t buffer[STUN_HEADER_SIZE];
        struct stun_writer w = stun_begin(buffer, sizeof buffer, rows[i].class, rows[i].method, id);
        assert_int_equal(stun_end(&w), STUN_HEADER_SIZE);
        assert_int_equal(buffer[0] << 8 | buffer[1], rows[i].type);
        struct stun_message m;
        assert_int_equal(stun_decode(&m, buffer, sizeof buffer), STUN_OK);
        assert_int_equal(m.method, rows[i].method);
        assert_int_equal(m.class, rows[i].class);
        assert_int_equal(m.has, 0);
    }
}

/* One attribute each, laid out by hand from its RFC: the message that the fields describe. */
static const struct attribute_row {
    const char *hex;
    struct stun_message fields;
} attribute_rows[] = {
    {"000100080001123401020304",
     {.has = STUN_HAS_MAPPED_ADDRESS, .mapped_address = {ADDR_V4, 0, 0x1234, {1, 2, 3, 4}}}},
    {"000100140002123420010db8000000000000000000000001",
     {.has = STUN_HAS_MAPPED_ADDRESS,
      .mapped_address = {ADDR_V6, 0, 0x1234, {0x20, 1, 0xd, 0xb8, [15] = 1}}}},
    {"802300080001ffff01020304",
     {.has = STUN_HAS_ALTERNATE_SERVER, .alternate_server = {ADDR_V4, 0, 65535, {1, 2, 3, 4}}}},
    {"802b000800010d96c0000201",
     {.has = STUN_HAS_RESPONSE_ORIGIN, .response_origin = {ADDR_V4, 0, 3478, {192, 0, 2, 1}}}},
    {"802c000800010d97c0000202",
     {.has = STUN_HAS_OTHER_ADDRESS, .other_address = {ADDR_V4, 0, 3479, {192, 0, 2, 2}}}},
    {"0003000400000006", {.has = STUN_HAS_CHANGE_REQUEST, .change_ip = true, .change_port = true}},
    {"0003000400000004", {.has = STUN_HAS_CHANGE_REQUEST, .change_ip = true}},
    {"0003000400000002", {.has = STUN_HAS_CHANGE_REQUEST, .change_port = true}},
    {"0027000412340000", {.has = STUN_HAS_RESPONSE_PORT, .response_port = 0x1234}},
    {"8027000400000e10", {.has = STUN_HAS_CACHE_TIMEOUT, .cache_timeout_s = 3600}},
    {"002400046e7f1eff", {.has = STUN_HAS_PRIORITY, .priority = 0x6e7f1eff}},
    {"00250000", {.has = STUN_HAS_USE_CANDIDATE}},
    {"802900080102030405060708",
     {.has = STUN_HAS_ICE_CONTROLLED, .ice_controlled = 0x0102030405060708}},
    {"802a0008f102030405060708",
     {.has = STUN_HAS_ICE_CONTROLLING, .ice_controlling = 0xf102030405060708}},
};

static void test_numbers_and_addresses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof attribute_rows / sizeof attribute_rows[0]; i++) {
        const struct attribute_row *row = &attribute_rows[i];
        uint8_t buffer[BUFFER_SIZE], again[BUFFER_SIZE];
        size_t size = wrap(buffer, row->hex);
        uint8_t *copy = exact_copy(buffer, size);
        struct stun_message m, expected = row->fields;
        assert_int_equal(stun_decode(&m, copy, size), STUN_OK);
        expected.bytes = copy;
        expected.size = size;
        expected.method = STUN_METHOD_BINDING;
        memcpy(expected.transaction, id, sizeof id);
        assert_int_equal(m.has, expected.has);
        assert_memory_equal(&m.mapped_address, &expected.mapped_address, 5 * sizeof(struct addr));
        assert_int_equal(m.change_ip, expected.change_ip);
        assert_int_equal(m.change_port, expected.change_port);
        assert_int_equal(m.response_port, expected.response_port);
        assert_int_equal(m.cache_timeout_s, expected.cache_timeout_s);
        assert_int_equal(m.priority, expected.priority);
        assert_true(m.ice_controlled == expected.ice_controlled);
        assert_true(m.ice_controlling == expected.ice_controlling);
        struct stun_writer w = stun_begin_from(again, sizeof again, &expected);
        assert_int_equal(stun_end(&w), size);
        assert_memory_equal(again, buffer, size);
        free(copy);
    }
}

static const struct span_row {
    const char *hex;
    uint32_t has;
    size_t field; /* offset of the struct stun_span */
    const char *value;
} span_rows[] = {
    {"000600036162630a", STUN_HAS_USERNAME, offsetof(struct stun_message, username), "abc"},
    {"00060000", STUN_HAS_USERNAME, offsetof(struct stun_message, username), ""},
    {"0014000461626364", STUN_HAS_REALM, offsetof(struct stun_message, realm), "abcd"},
    {"001500056162636465000000", STUN_HAS_NONCE, offsetof(struct stun_message, nonce), "abcde"},
    {"8022000161ffffff", STUN_HAS_SOFTWARE, offsetof(struct stun_message, software), "a"},
    {"80030006612e6e6574210000", STUN_HAS_ALTERNATE_DOMAIN,
     offsetof(struct stun_message, alternate_domain), "a.net!"},
    {"001e0020"
     "6162636465666768696a6b6c6d6e6f707172737475767778797a303132333435",
     STUN_HAS_USERHASH, offsetof(struct stun_message, userhash),
     "abcdefghijklmnopqrstuvwxyz012345"},
    {"002600056162636465000000", STUN_HAS_PADDING, offsetof(struct stun_message, padding), "abcde"},
};

static void test_spans(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof span_rows / sizeof span_rows[0]; i++) {
        const struct span_row *row = &span_rows[i];
        uint8_t buffer[BUFFER_SIZE];
        size_t size = wrap(buffer, row->hex);
        uint8_t *copy = exact_copy(buffer, size);
        struct stun_message m;
        assert_int_equal(stun_decode(&m, copy, size), STUN_OK);
        assert_int_equal(m.has, row->has);
        struct stun_span span;
        memcpy(&span, (const uint8_t *)&m + row->field, sizeof span);
        assert_span(span, row->value, strlen(row->value));
        assert_ptr_equal(span.bytes, copy + STUN_HEADER_SIZE + 4); /* borrowed, not copied */
        free(copy);
    }
}

static void test_error_codes(void **state)
{
    (void)state;
    static const struct {
        const char *hex;
        uint16_t code;
        const char *reason;
    } rows[] = {
        {"0009000400000300", 300, ""},
        {"00090007000004146f6f7300", 420, "oos"},
        {"0009000800000663"
         "61626364",
         699, "abcd"},
        {"00090004fffffc26", 438, ""}, /* the reserved bits are ignored */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t buffer[BUFFER_SIZE], again[BUFFER_SIZE];
        size_t size = wrap(buffer, rows[i].hex);
        uint8_t *copy = exact_copy(buffer, size);
        struct stun_message m;
        assert_int_equal(stun_decode(&m, copy, size), STUN_OK);
        assert_int_equal(m.has, STUN_HAS_ERROR_CODE);
        assert_int_equal(m.error_code, rows[i].code);
        assert_span(m.error_reason, rows[i].reason, strlen(rows[i].reason));
        struct stun_writer w = stun_begin_from(again, sizeof again, &m);
        assert_int_equal(stun_end(&w), size);
        buffer[24] = buffer[25] = 0;
        buffer[26] &= 7;
        assert_memory_equal(again, buffer, size);
        free(copy);
    }
}

static void test_unknown_attributes(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    static const uint16_t types[] = {0x7fff, 0x0003, 0x1234};
    struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_ERROR, 1, id);
    stun_put_unknown_attributes(&w, types, 3);
    static const uint8_t expected[] = {0x00, 0x0a, 0x00, 0x06, 0x7f, 0xff,
                                       0x00, 0x03, 0x12, 0x34, 0x00, 0x00};
    assert_int_equal(stun_end(&w), STUN_HEADER_SIZE + sizeof expected);
    assert_memory_equal(buffer + STUN_HEADER_SIZE, expected, sizeof expected);
    struct stun_message m;
    assert_int_equal(stun_decode(&m, buffer, stun_end(&w)), STUN_OK);
    assert_int_equal(stun_unknown_attribute_count(&m), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(stun_unknown_attribute(&m, i), types[i]);
}

static void test_password_algorithms(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    const struct stun_algorithm list[] = {
        {STUN_PASSWORD_SHA256, {NULL, 0}},
        {0x1234, {(const uint8_t *)"abcde", 5}},
        {STUN_PASSWORD_MD5, {NULL, 0}},
    };
    struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_REQUEST, 1, id);
    stun_put_password_algorithms(&w, list, 3);
    stun_put_password_algorithm(&w, &list[0]);
    size_t size, got = stun_end(&w);
    uint8_t *expected = from_hex("80020014"
                                 "00020000"
                                 "123400056162636465000000"
                                 "00010000"
                                 "001d0004"
                                 "00020000",
                                 &size);
    assert_int_equal(got, STUN_HEADER_SIZE + size);
    assert_memory_equal(buffer + STUN_HEADER_SIZE, expected, size);
    free(expected);
    struct stun_message m;
    struct stun_algorithm algorithm = {0};
    size_t index = 0;
    assert_int_equal(stun_decode(&m, buffer, got), STUN_OK);
    assert_int_equal(m.password_algorithm, STUN_PASSWORD_SHA256);
    assert_int_equal(m.password_parameters.size, 0);
    for (size_t i = 0; i < 3; i++) {
        assert_true(stun_next_algorithm(m.password_algorithms, &index, &algorithm));
        assert_int_equal(algorithm.number, list[i].number);
        assert_span(algorithm.parameters, "abcde", list[i].parameters.size);
    }
    assert_false(stun_next_algorithm(m.password_algorithms, &index, &algorithm));
}

/* RFC 8489, section 14: only the first occurrence counts, the others are not even looked at. */
static void test_first_of_duplicates_counts(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    size_t size = wrap(buffer, "0024000400000001"
                               "0024000400000002"
                               "00240003ffffff00"
                               "8022000161000000"
                               "8022000162000000");
    struct stun_message m;
    assert_int_equal(stun_decode(&m, buffer, size), STUN_OK);
    assert_int_equal(m.priority, 1);
    assert_span(m.software, "a", 1);
}

static void test_unknown_types(void **state)
{
    (void)state;
    uint8_t buffer[BUFFER_SIZE];
    struct stun_message m;
    /* 0x8000 and above may be skipped; a type that comes twice is listed once. */
    size_t size = wrap(buffer, "7fff0000"
                               "80000001ffffffff"
                               "0000000100ffffff"
                               "7fff0000"
                               "00040000"
                               "ffff0000");
    assert_int_equal(stun_decode(&m, buffer, size), STUN_OK);
    assert_int_equal(m.unknown_count, 3);
    assert_int_equal(m.unknown[0], 0x7fff);
    assert_int_equal(m.unknown[1], 0x0000);
    assert_int_equal(m.unknown[2], 0x0004);
    assert_int_equal(m.has, 0);
    /* More than there is room for. */
    struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_REQUEST, 1, id);
    for (unsigned i = 0; i < STUN_UNKNOWN_MAX + 5; i++)
        stun_put_attribute(&w, (uint16_t)(0x4000 + i), NULL, 0);
    assert_int_equal(stun_decode(&m, buffer, stun_end(&w)), STUN_OK);
    assert_int_equal(m.unknown_count, STUN_UNKNOWN_MAX + 5);
    for (unsigned i = 0; i < STUN_UNKNOWN_MAX; i++)
        assert_int_equal(m.unknown[i], 0x4000 + i);
}

/* One or more inputs for every error. Those of attributes get a header put around them. */
static const struct malformed_row {
    enum stun_error error;
    bool whole; /* the message with its header */
    const char *hex;
} malformed_rows[] = {
    {STUN_TOO_SHORT, true, ""},
    {STUN_TOO_SHORT, true, "000100002112a44200000000000000000000"},
    {STUN_FIRST_BITS, true, "400100002112a442000000000000000000000000"},
    {STUN_FIRST_BITS, true, "800100002112a442000000000000000000000000"},
    {STUN_BAD_COOKIE, true, "000100002112a443000000000000000000000000"},
    {STUN_BAD_COOKIE, true, "000100000112a442000000000000000000000000"},
    {STUN_LENGTH_UNALIGNED, true, "000100022112a4420000000000000000000000000000"},
    {STUN_LENGTH_UNALIGNED, true, "000100012112a44200000000000000000000000000"},
    {STUN_LENGTH_MISMATCH, true, "000100042112a442000000000000000000000000"},
    {STUN_LENGTH_MISMATCH, true, "000100002112a44200000000000000000000000080220000"},
    {STUN_LENGTH_MISMATCH, true, "0001fffc2112a442000000000000000000000000"},
    {STUN_ATTRIBUTE_OVERRUN, false, "80220001"},
    {STUN_ATTRIBUTE_OVERRUN, false, "8022000561626364"},
    {STUN_ATTRIBUTE_OVERRUN, false, "8022ffff61626364"},
    {STUN_ATTRIBUTE_OVERRUN, false,
     "7fff000461626364"
     "7fff0004"},
    {STUN_ATTRIBUTE_SIZE, false, "0001000400011234"},
    {STUN_ATTRIBUTE_SIZE, false,
     "0020000c0001123401020304"
     "00000000"},
    {STUN_ATTRIBUTE_SIZE, false,
     "002000180002123420010db8000000000000000000000001"
     "00000000"},
    {STUN_ATTRIBUTE_SIZE, false, "002000070001123401020300"},
    {STUN_ATTRIBUTE_SIZE, false, "0003000300000600"},
    {STUN_ATTRIBUTE_SIZE, false, "000300080000000600000000"},
    {STUN_ATTRIBUTE_SIZE, false, "0027000112000000"},
    {STUN_ATTRIBUTE_SIZE, false, "002700061234000000000000"},
    {STUN_ATTRIBUTE_SIZE, false, "002500010a000000"},
    {STUN_ATTRIBUTE_SIZE, false,
     "0024000801020304"
     "01020304"},
    {STUN_ATTRIBUTE_SIZE, false, "8029000401020304"},
    {STUN_ATTRIBUTE_SIZE, false, "802a000401020304"},
    {STUN_ATTRIBUTE_SIZE, false, "80270000"},
    {STUN_ATTRIBUTE_SIZE, false, "802800020000ffff"},
    {STUN_ATTRIBUTE_SIZE, false,
     "8028000800000000"
     "00000000"},
    {STUN_ATTRIBUTE_SIZE, false, "00080010000102030405060708090a0b0c0d0e0f"},
    {STUN_ATTRIBUTE_SIZE, false, "001c000c000102030405060708090a0b"},
    {STUN_ATTRIBUTE_SIZE, false, "001c0011000102030405060708090a0b0c0d0e0f10000000"},
    {STUN_ATTRIBUTE_SIZE, false, "001e0010000102030405060708090a0b0c0d0e0f"},
    {STUN_ATTRIBUTE_SIZE, false, "0009000300000400"},
    {STUN_ATTRIBUTE_SIZE, false, "000a000300010200"},
    {STUN_ATTRIBUTE_SIZE, false, "001d000200010000"},
    {STUN_ATTRIBUTE_SIZE, false, "80020000"},
    {STUN_ADDRESS_FAMILY, false, "000100080000123401020304"},
    {STUN_ADDRESS_FAMILY, false, "000100080003123401020304"},
    {STUN_ADDRESS_FAMILY, false, "000100080002123401020304"},
    {STUN_ADDRESS_FAMILY, false, "002000140001123420010db8000000000000000000000001"},
    {STUN_ADDRESS_FAMILY, false, "802c00080011123401020304"},
    {STUN_ADDRESS_PORT, false, "000100080001000001020304"},
    {STUN_ADDRESS_PORT, false, "002000080001211201020304"},
    {STUN_ADDRESS_PORT, false, "0027000400001234"},
    {STUN_BAD_ERROR_CODE, false, "0009000400000263"},
    {STUN_BAD_ERROR_CODE, false, "0009000400000700"},
    {STUN_BAD_ERROR_CODE, false, "0009000400000464"},
    {STUN_BAD_ALGORITHMS, false, "001d000400010001"},
    {STUN_BAD_ALGORITHMS, false, "001d00080001000000020000"},
    {STUN_BAD_ALGORITHMS, false, "800200080001000000020004"},
    {STUN_BAD_ALGORITHMS, false,
     "8002000600010000"
     "00020000"},
    {STUN_FINGERPRINT_NOT_LAST, false,
     "8028000400000000"
     "80220000"},
    {STUN_FINGERPRINT_NOT_LAST, false,
     "8028000400000000"
     "ffff0000"},
};

static void test_malformed(void **state)
{
    (void)state;
    bool seen[STUN_ERROR_COUNT] = {[STUN_OK] = true, [STUN_ATTRIBUTE_TEXT] = true};
    for (size_t i = 0; i < sizeof malformed_rows / sizeof malformed_rows[0]; i++) {
        const struct malformed_row *row = &malformed_rows[i];
        uint8_t buffer[BUFFER_SIZE];
        size_t size;
        uint8_t *bytes;
        if (row->whole) {
            bytes = from_hex(row->hex, &size);
        } else {
            size = wrap(buffer, row->hex);
            bytes = exact_copy(buffer, size);
        }
        struct stun_message m, zero;
        memset(&m, 0xff, sizeof m);
        memset(&zero, 0, sizeof zero);
        enum stun_error error = stun_decode(&m, bytes, size);
        if (error != row->error)
            fail_msg("%s: %s instead of %s", row->hex, stun_error_name(error),
                     stun_error_name(row->error));
        assert_memory_equal(&m, &zero, sizeof m);
        assert_int_equal(stun_is_message(bytes, size), !row->whole);
        seen[error] = true;
        free(bytes);
    }
    for (int error = 0; error < STUN_ERROR_COUNT; error++)
        assert_true(seen[error] == (error != STUN_BAD_FINGERPRINT));
}

/*
 * The limits on texts, in bytes and in characters, read and written alike (RFC 8489, 14.3 to
 * 14.16).
 */
static void test_text_limits(void **state)
{
    (void)state;
    static const struct {
        uint16_t type;
        uint8_t first;    /* the first byte of every character */
        uint8_t each;     /* bytes in a character */
        uint16_t allowed; /* characters */
    } rows[] = {
        {STUN_ATTRIBUTE_USERNAME, 'x', 1, 508},   {STUN_ATTRIBUTE_REALM, 'x', 1, 127},
        {STUN_ATTRIBUTE_NONCE, 'x', 1, 127},      {STUN_ATTRIBUTE_SOFTWARE, 'x', 1, 127},
        {STUN_ATTRIBUTE_ERROR_CODE, 'x', 1, 127}, {STUN_ATTRIBUTE_ALTERNATE_DOMAIN, 'x', 1, 255},
        {STUN_ATTRIBUTE_REALM, 0xf0, 4, 127},     {STUN_ATTRIBUTE_SOFTWARE, 0xfc, 6, 127},
        {STUN_ATTRIBUTE_NONCE, 0x80, 1, 763}, /* nothing but continuations: bytes alone count */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (size_t more = 0; more <= 1; more++) {
            uint8_t text[1024], buffer[BUFFER_SIZE], again[BUFFER_SIZE];
            size_t size = (rows[i].allowed + more) * rows[i].each;
            memset(text, rows[i].first == 'x' ? 'x' : 0x80, size);
            for (size_t k = 0; k < size; k += rows[i].each)
                text[k] = rows[i].first;
            bool is_error_code = rows[i].type == STUN_ATTRIBUTE_ERROR_CODE;
            struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_REQUEST, 1, id);
            write_u16(&w.out, rows[i].type);
            write_u16(&w.out, (uint16_t)(size + (is_error_code ? 4 : 0)));
            if (is_error_code)
                write_u32(&w.out, 0x00000400);
            write_bytes(&w.out, text, size);
            write_zero(&w.out, -size % 4);
            struct stun_message m;
            assert_int_equal(stun_decode(&m, buffer, stun_end(&w)),
                             more > 0 ? STUN_ATTRIBUTE_TEXT : STUN_OK);
            w = stun_begin(again, sizeof again, STUN_REQUEST, 1, id);
            switch (rows[i].type) {
            case STUN_ATTRIBUTE_USERNAME:
                stun_put_username(&w, text, size);
                break;
            case STUN_ATTRIBUTE_REALM:
                stun_put_realm(&w, text, size);
                break;
            case STUN_ATTRIBUTE_NONCE:
                stun_put_nonce(&w, text, size);
                break;
            case STUN_ATTRIBUTE_SOFTWARE:
                stun_put_software(&w, text, size);
                break;
            case STUN_ATTRIBUTE_ALTERNATE_DOMAIN:
                stun_put_alternate_domain(&w, text, size);
                break;
            default:
                stun_put_error_code(&w, 400, text, size);
            }
            size_t got = stun_end(&w);
            assert_int_equal(got == 0, more > 0);
            assert_memory_equal(again, buffer, got);
        }
    }
}

/* RFC 7983 and what else Warren's sockets see: only STUN may look like STUN. */
static void test_demultiplexing(void **state)
{
    (void)state;
    uint8_t bytes[STUN_HEADER_SIZE] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42};
    for (unsigned first = 0; first < 256; first++) {
        bytes[0] = (uint8_t)first;
        assert_int_equal(stun_is_message(bytes, sizeof bytes), first < 64);
    }
    static const uint8_t handshake[148] = {1}, frame[40] = {0x0b, 1}, keepalive[32] = {4};
    assert_false(stun_is_message(handshake, sizeof handshake));
    assert_false(stun_is_message(frame, sizeof frame));
    assert_false(stun_is_message(keepalive, sizeof keepalive));
    assert_false(stun_is_message(NULL, 0));
}

static void test_error_names(void **state)
{
    (void)state;
    for (int a = 0; a < STUN_ERROR_COUNT; a++) {
        assert_non_null(stun_error_name((enum stun_error)a));
        for (int b = 0; b < a; b++)
            assert_string_not_equal(stun_error_name((enum stun_error)a),
                                    stun_error_name((enum stun_error)b));
    }
}

/* A message that has everything, from random numbers. Spans point into `text`. */
static struct stun_message generate(struct random_stream *r, const uint8_t *text)
{
    uint64_t one = random_u64(r);
    uint64_t another =
        random_u64(r); /* together a quarter of the bits: messages of a common size */
    uint32_t some_bits = (uint32_t)(one & another);
    struct stun_message m = {
        .method = (uint16_t)random_below(r, STUN_METHOD_MAX + 1),
        .class = (uint8_t)random_below(r, 4),
        .has = some_bits & (2 * STUN_HAS_OTHER_ADDRESS - 1),
        .username = {text, random_below(r, STUN_USERNAME_MAX + 1)},
        .realm = {text, random_below(r, STUN_TEXT_CHARACTERS_MAX + 1)},
        .nonce = {text, random_below(r, STUN_TEXT_CHARACTERS_MAX + 1)},
        .software = {text, random_below(r, STUN_TEXT_CHARACTERS_MAX + 1)},
        .alternate_domain = {text, random_below(r, STUN_DOMAIN_MAX + 1)},
        .userhash = {text, STUN_USERHASH_SIZE},
        .padding = {text, random_below(r, 1500)},
        .error_code = (uint16_t)(300 + random_below(r, 400)),
        .error_reason = {text, random_below(r, STUN_TEXT_CHARACTERS_MAX + 1)},
        .unknown_attributes = {text, 2 * random_below(r, 20)},
        .password_algorithms = {(const uint8_t *)"\0\2\0\0\0\7\0\2xx\0\0", 12},
        .password_algorithm = (uint16_t)random_u64(r),
        .password_parameters = {text, random_below(r, 9)},
        .priority = (uint32_t)random_u64(r),
        .ice_controlled = random_u64(r),
        .ice_controlling = random_u64(r),
        .change_ip = random_chance(r, RANDOM_PPM / 2),
        .change_port = random_chance(r, RANDOM_PPM / 2),
        .response_port = (uint16_t)(1 + random_below(r, UINT16_MAX)),
        .cache_timeout_s = (uint32_t)random_u64(r),
    };
    for (unsigned i = 0; i < STUN_TRANSACTION_SIZE; i++)
        m.transaction[i] = (uint8_t)random_u64(r);
    struct addr *const addrs[] = {&m.mapped_address, &m.xor_mapped_address, &m.alternate_server,
                                  &m.response_origin, &m.other_address};
    for (unsigned i = 0; i < 5; i++) {
        uint16_t port = (uint16_t)(1 + random_below(r, UINT16_MAX));
        *addrs[i] = addr_v4((uint32_t)random_u64(r), port);
        if (random_chance(r, RANDOM_PPM / 2))
            *addrs[i] = addr_v6(text + random_below(r, 100), port);
    }
    m.has &= ~(uint32_t)(STUN_HAS_INTEGRITY | STUN_HAS_INTEGRITY_SHA256 | STUN_HAS_FINGERPRINT);
    return m;
}

static void assert_same_span(const struct stun_message *a, struct stun_span one,
                             struct stun_span other, enum stun_has bit)
{
    if (stun_has(a, bit))
        assert_span(one, other.bytes, other.size);
    else
        assert_int_equal(one.size, 0);
}

/* `a` was decoded, `b` is what was encoded. */
static void assert_same(const struct stun_message *a, const struct stun_message *b)
{
    assert_int_equal(a->has, b->has);
    assert_int_equal(a->class, b->class);
    assert_int_equal(a->method, b->method);
    assert_memory_equal(a->transaction, b->transaction, STUN_TRANSACTION_SIZE);
#define SAME(field, bit) assert_true(!stun_has(a, bit) || a->field == b->field)
#define SAME_ADDR(field, bit) assert_true(!stun_has(a, bit) || addr_equal(&a->field, &b->field))
#define SAME_SPAN(field, bit) assert_same_span(a, a->field, b->field, bit)
    SAME_ADDR(mapped_address, STUN_HAS_MAPPED_ADDRESS);
    SAME_ADDR(xor_mapped_address, STUN_HAS_XOR_MAPPED_ADDRESS);
    SAME_ADDR(alternate_server, STUN_HAS_ALTERNATE_SERVER);
    SAME_ADDR(response_origin, STUN_HAS_RESPONSE_ORIGIN);
    SAME_ADDR(other_address, STUN_HAS_OTHER_ADDRESS);
    SAME_SPAN(username, STUN_HAS_USERNAME);
    SAME_SPAN(realm, STUN_HAS_REALM);
    SAME_SPAN(nonce, STUN_HAS_NONCE);
    SAME_SPAN(software, STUN_HAS_SOFTWARE);
    SAME_SPAN(alternate_domain, STUN_HAS_ALTERNATE_DOMAIN);
    SAME_SPAN(userhash, STUN_HAS_USERHASH);
    SAME_SPAN(error_reason, STUN_HAS_ERROR_CODE);
    SAME_SPAN(unknown_attributes, STUN_HAS_UNKNOWN_ATTRIBUTES);
    SAME_SPAN(password_algorithms, STUN_HAS_PASSWORD_ALGORITHMS);
    SAME_SPAN(password_parameters, STUN_HAS_PASSWORD_ALGORITHM);
    SAME(padding.size, STUN_HAS_PADDING);
    SAME(error_code, STUN_HAS_ERROR_CODE);
    SAME(password_algorithm, STUN_HAS_PASSWORD_ALGORITHM);
    SAME(priority, STUN_HAS_PRIORITY);
    SAME(ice_controlled, STUN_HAS_ICE_CONTROLLED);
    SAME(ice_controlling, STUN_HAS_ICE_CONTROLLING);
    SAME(change_ip, STUN_HAS_CHANGE_REQUEST);
    SAME(change_port, STUN_HAS_CHANGE_REQUEST);
    SAME(response_port, STUN_HAS_RESPONSE_PORT);
    SAME(cache_timeout_s, STUN_HAS_CACHE_TIMEOUT);
#undef SAME
#undef SAME_ADDR
#undef SAME_SPAN
}

static void test_round_trips(void **state)
{
    (void)state;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {1};
    struct random_stream r;
    random_stream_init(&r, seed, "round-trips", 11);
    for (unsigned round = 0; round < 5000; round++) {
        uint8_t text[1500], buffer[BUFFER_SIZE];
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (uint8_t)random_u64(&r);
        struct stun_message m = generate(&r, text), back;
        struct stun_writer w = stun_begin_from(buffer, sizeof buffer, &m);
        size_t size = stun_end(&w);
        assert_int_not_equal(size, 0);
        assert_true(stun_is_message(buffer, size));
        uint8_t *copy = exact_copy(buffer, size);
        assert_int_equal(stun_decode(&back, copy, size), STUN_OK);
        assert_same(&back, &m);
        /* Room for exactly this is enough; any less is not, and nothing is written behind it. */
        w = stun_begin_from(copy, size, &m);
        assert_int_equal(stun_end(&w), size);
        free(copy);
        size_t room = random_below(&r, size);
        copy = exact_copy(buffer, room);
        w = stun_begin_from(copy, room, &m);
        assert_int_equal(stun_end(&w), 0);
        free(copy);
    }
}

/* PADDING of any size up to a full datagram, and not beyond (RFC 5780, 7.6). */
static void test_large_padding(void **state)
{
    (void)state;
    static uint8_t buffer[70000];
    static const size_t sizes[] = {0, 1, 1500, 65535 - 28 - 20 - 4 - 3};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_REQUEST, 1, id);
        stun_put_padding(&w, sizes[i]);
        size_t size = stun_end(&w);
        assert_int_equal(size, STUN_HEADER_SIZE + 4 + (sizes[i] + 3) / 4 * 4);
        struct stun_message m;
        assert_int_equal(stun_decode(&m, buffer, size), STUN_OK);
        assert_int_equal(m.padding.size, sizes[i]);
    }
    static const size_t too_large[] = {65484, 65536, 65540, 69000, SIZE_MAX};
    for (size_t i = 0; i < sizeof too_large / sizeof too_large[0]; i++) {
        struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_REQUEST, 1, id);
        stun_put_padding(&w, too_large[i]);
        assert_int_equal(stun_end(&w), 0);
    }
    /*
     * The largest length field there is; more than a datagram holds, but the decoder is not told.
     */
    memset(buffer, 0, sizeof buffer);
    struct stun_writer w = stun_begin(buffer, sizeof buffer, STUN_REQUEST, 1, id);
    assert_int_equal(stun_end(&w), STUN_HEADER_SIZE);
    buffer[2] = 0xff;
    buffer[3] = 0xfc;
    buffer[20] = 0x80; /* 0x8000, which is skipped, up to the last eight bytes */
    buffer[22] = 0xff;
    buffer[23] = 0xfc - 12;
    memcpy(buffer + 65552 - 8, "\x80\x28\0\4zzzz", 8);
    uint8_t *copy = exact_copy(buffer, 65552);
    struct stun_message m;
    assert_int_equal(stun_decode(&m, copy, 65552), STUN_OK);
    assert_int_equal(m.has, STUN_HAS_FINGERPRINT);
    assert_int_equal(m.fingerprint_at, 65544);
    free(copy);
}

/* Any bytes at all behind a true header: no error is missed, nothing is read outside the block. */
static void test_noise(void **state)
{
    (void)state;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {2};
    static const uint8_t types[] = {0x01, 0x03, 0x09, 0x0a, 0x14, 0x1c, 0x1d, 0x20, 0x27, 0x28};
    struct random_stream r;
    unsigned accepted = 0;
    random_stream_init(&r, seed, "noise", 5);
    for (unsigned round = 0; round < 50000; round++) {
        uint8_t buffer[20 + 64];
        size_t size = 20 + 4 * random_below(&r, 17);
        for (size_t i = 20; i < size; i++)
            buffer[i] = (uint8_t)(random_u64(&r) & (i % 4 == 3 ? 0x1f : 0xff));
        for (size_t i = 20; i < size; i += 8) {
            buffer[i] = random_chance(&r, RANDOM_PPM / 2) ? 0x80 : 0;
            buffer[i + 1] = types[random_below(&r, sizeof types)];
            buffer[i + 2] = 0;
        }
        struct stun_writer w = stun_begin(buffer, 20, STUN_REQUEST, 1, id);
        assert_int_equal(stun_end(&w), 20);
        buffer[3] = (uint8_t)(size - 20);
        uint8_t *copy = exact_copy(buffer, size);
        struct stun_message m;
        if (stun_decode(&m, copy, size) == STUN_OK) {
            accepted++;
            assert_ptr_equal(m.bytes, copy);
            assert_int_equal(m.size, size);
        }
        free(copy);
    }
    assert_in_range(accepted, 3000, 47000); /* neither side of it is left untested */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc5769_fields),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_numbers_and_addresses),
        cmocka_unit_test(test_spans),
        cmocka_unit_test(test_error_codes),
        cmocka_unit_test(test_unknown_attributes),
        cmocka_unit_test(test_password_algorithms),
        cmocka_unit_test(test_first_of_duplicates_counts),
        cmocka_unit_test(test_unknown_types),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_text_limits),
        cmocka_unit_test(test_demultiplexing),
        cmocka_unit_test(test_error_names),
        cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_large_padding),
        cmocka_unit_test(test_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
