/* The bytes of identities: laid out by hand, round trips, and everything that is not canonical. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "core/bootstrap/identity.h"
#include "core/bootstrap/identity_test.h"

enum { ROUNDS = 20000 };

/* ---- Bytes laid out by hand, from docs/protocol.md ---- */

struct bytes {
    uint8_t at[IDENTITY_ENCODING_MAX + 64];
    size_t size;
};

static void put(struct bytes *b, const void *from, size_t size)
{
    memcpy(b->at + b->size, from, size);
    b->size += size;
}

static void put_number(struct bytes *b, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0;)
        b->at[b->size++] = (uint8_t)(i < 8 ? value >> 8 * i : 0);
}

static struct bytes certificate_bytes(void)
{
    const struct certificate c = certificate_sample();
    struct bytes b = {.size = 0};
    put(&b, "\x01\x01", 2);
    put(&b, c.identity, 32);
    put(&b, c.tunnel_key, 32);
    put(&b, "\x02s1", 3);
    put_number(&b, 0x0005, 2);
    put_number(&b, 1000, 8);
    put_number(&b, 2000, 8);
    put_number(&b, 77, 4);
    put(&b, c.signature, 64);
    return b;
}

static struct bytes credential_bytes(void)
{
    const struct credential c = credential_sample();
    struct bytes b = {.size = 0};
    put(&b, "\x02\x01", 2);
    put(&b, c.identity, 32);
    put(&b, c.tunnel_key, 32);
    put(&b,
        "\x05"
        "alice",
        6);
    put(&b, "\x02\x04\x0a\x40\x00\x64\x06\xfd\x01", 9);
    put_number(&b, 9, 14);
    put(&b,
        "\x02\x03"
        "dev\x04"
        "eu-1",
        10);
    put_number(&b, 1500, 8);
    put(&b, c.issuer, 32);
    put(&b, c.signature, 64);
    return b;
}

static struct bytes record_bytes(void)
{
    const struct server_record r = record_sample();
    struct bytes b = {.size = 0};
    put(&b, "\x03\x01", 2);
    put(&b, r.owner, 32);
    put_number(&b, 0x0102030405060708, 8);
    put(&b,
        "\x02"
        "eu",
        3);
    put_number(&b, 3, 2);
    put(&b, r.tls_key_hash, 32);
    put(&b, "\x02\x03\x04\xc6\x33\x64\x01\xca\xe5", 9);
    put(&b, "\x05\x06\x20\x01\x0d\xb8", 6);
    put_number(&b, 1, 12);
    put_number(&b, 3478, 2);
    put(&b, r.signature, 64);
    return b;
}

/* The three kinds behind one face. */
union any {
    struct certificate certificate;
    struct credential credential;
    struct server_record record;
};

static enum identity_error decode(uint8_t kind, union any *to, const uint8_t *bytes, size_t size)
{
    if (kind == IDENTITY_CERTIFICATE)
        return certificate_decode(&to->certificate, bytes, size);
    if (kind == IDENTITY_CREDENTIAL)
        return credential_decode(&to->credential, bytes, size);
    return server_record_decode(&to->record, bytes, size);
}

static size_t encode(uint8_t kind, const union any *from, uint8_t *to, size_t room)
{
    if (kind == IDENTITY_CERTIFICATE)
        return certificate_encode(&from->certificate, to, room);
    if (kind == IDENTITY_CREDENTIAL)
        return credential_encode(&from->credential, to, room);
    return server_record_encode(&from->record, to, room);
}

static size_t size_of(uint8_t kind)
{
    return kind == IDENTITY_CERTIFICATE  ? sizeof(struct certificate)
           : kind == IDENTITY_CREDENTIAL ? sizeof(struct credential)
                                         : sizeof(struct server_record);
}

static union any sample(uint8_t kind)
{
    union any any;
    memset(&any, 0, sizeof any);
    if (kind == IDENTITY_CERTIFICATE)
        any.certificate = certificate_sample();
    else if (kind == IDENTITY_CREDENTIAL)
        any.credential = credential_sample();
    else
        any.record = record_sample();
    return any;
}

static struct bytes sample_bytes(uint8_t kind)
{
    return kind == IDENTITY_CERTIFICATE  ? certificate_bytes()
           : kind == IDENTITY_CREDENTIAL ? credential_bytes()
                                         : record_bytes();
}

/* Decodes from a block of exactly this size, so that a sanitizer sees a read past its end. */
static enum identity_error decode_exact(uint8_t kind, union any *to, const uint8_t *bytes,
                                        size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    enum identity_error error = decode(kind, to, copy, size);
    free(copy);
    return error;
}

static void test_layout(void **state)
{
    (void)state;
    for (uint8_t kind = 1; kind <= 3; kind++) {
        const struct bytes expected = sample_bytes(kind);
        const union any any = sample(kind);
        uint8_t got[IDENTITY_ENCODING_MAX];
        assert_int_equal(encode(kind, &any, got, sizeof got), expected.size);
        assert_memory_equal(got, expected.at, expected.size);
        union any back;
        assert_int_equal(decode_exact(kind, &back, expected.at, expected.size), IDENTITY_OK);
        uint8_t again[IDENTITY_ENCODING_MAX];
        assert_int_equal(encode(kind, &back, again, sizeof again), expected.size);
        assert_memory_equal(again, expected.at, expected.size);
    }
}

/* ---- Round trips ---- */

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint32_t draw(uint32_t below)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 16) % below;
}

static void draw_bytes(uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)draw(256);
    to[size - 1] |= 1; /* a key is not all zero */
}

static struct label draw_label(uint32_t min, uint32_t max)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    struct label label = {.size = (uint8_t)(min + draw(max - min + 1))};
    for (size_t i = 0; i < label.size; i++) {
        bool is_edge = i == 0 || i + 1 == label.size;
        label.text[i] = letters[draw(is_edge ? 36 : 37)];
    }
    return label;
}

static struct addr draw_address(uint16_t port)
{
    uint8_t ip[16];
    if (draw(2) == 0)
        return addr_v4(0x01000000 + draw(0xdf000000), port);
    draw_bytes(ip, sizeof ip);
    ip[0] = (uint8_t)(0x20 + draw(0xd0));
    return addr_v6(ip, port);
}

static union any draw_any(uint8_t kind)
{
    union any any;
    memset(&any, 0, sizeof any);
    if (kind == IDENTITY_CERTIFICATE) {
        struct certificate *c = &any.certificate;
        draw_bytes(c->identity, 32);
        draw_bytes(c->tunnel_key, 32);
        c->name = draw_label(1, 63);
        c->roles = (uint16_t)(1 + draw(31));
        c->not_before_s = (uint64_t)draw(UINT32_MAX) << draw(33);
        c->not_after_s = draw(4) == 0 ? UINT64_MAX : c->not_before_s + draw(1000);
        c->serial = draw(UINT32_MAX);
        draw_bytes(c->signature, 64);
    } else if (kind == IDENTITY_CREDENTIAL) {
        struct credential *c = &any.credential;
        draw_bytes(c->identity, 32);
        draw_bytes(c->tunnel_key, 32);
        c->name = draw_label(1, 63);
        c->address_count = (uint8_t)draw(CREDENTIAL_ADDRESSES_MAX + 1);
        for (size_t i = 0; i < c->address_count; i++)
            c->addresses[i] = draw_address(0);
        c->tag_count = (uint8_t)draw(CREDENTIAL_TAGS_MAX + 1);
        for (size_t i = 0; i < c->tag_count; i++)
            c->tags[i] = draw_label(1, draw(2) == 0 ? 1 : IDENTITY_TAG_MAX);
        c->expiry_s = (uint64_t)draw(UINT32_MAX) << draw(33);
        draw_bytes(c->issuer, 32);
        draw_bytes(c->signature, 64);
        credential_sort(c);
    } else {
        struct server_record *r = &any.record;
        draw_bytes(r->owner, 32);
        r->version = (uint64_t)draw(UINT32_MAX) << draw(33);
        r->region = draw_label(0, 63);
        r->load = (uint16_t)draw(65536);
        draw_bytes(r->tls_key_hash, 32);
        r->endpoint_count = (uint8_t)draw(SERVER_ENDPOINTS_MAX + 1);
        for (size_t i = 0; i < r->endpoint_count; i++) {
            r->endpoints[i].role = (uint8_t)(1 + draw(ENDPOINT_ROLE_MAX));
            r->endpoints[i].addr = draw_address((uint16_t)(1 + draw(65535)));
        }
        draw_bytes(r->signature, 64);
        server_record_sort(r);
    }
    return any;
}

/* What sorting left behind its end is not part of the value. */
static void clear_rest(uint8_t kind, union any *any)
{
    if (kind == IDENTITY_CREDENTIAL) {
        struct credential *c = &any->credential;
        for (size_t i = c->address_count; i < CREDENTIAL_ADDRESSES_MAX; i++)
            c->addresses[i] = (struct addr){0};
        for (size_t i = c->tag_count; i < CREDENTIAL_TAGS_MAX; i++)
            c->tags[i] = (struct label){0};
    } else if (kind == IDENTITY_SERVER_RECORD) {
        struct server_record *r = &any->record;
        for (size_t i = r->endpoint_count; i < SERVER_ENDPOINTS_MAX; i++)
            memset(&r->endpoints[i], 0, sizeof r->endpoints[i]);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t kind = (uint8_t)(1 + round % 3);
        union any any = draw_any(kind), back;
        clear_rest(kind, &any);
        uint8_t bytes[IDENTITY_ENCODING_MAX];
        size_t size = encode(kind, &any, bytes, sizeof bytes);
        assert_true(size > 0);
        memset(&back, 0xaa, sizeof back);
        assert_int_equal(decode_exact(kind, &back, bytes, size), IDENTITY_OK);
        assert_memory_equal(&back, &any, size_of(kind));
        assert_int_equal(encode(kind, &any, bytes, size - 1 - draw((uint32_t)size - 1)), 0);
    }
}

static void test_sizes_at_their_limits(void **state)
{
    (void)state;
    struct credential c = credential_sample();
    struct certificate s = certificate_sample();
    struct server_record r = record_sample();
    uint8_t bytes[IDENTITY_ENCODING_MAX];
    const struct label longest =
        text("a23456789012345678901234567890123456789012345678901234567890123");
    assert_int_equal(longest.size, 63);
    c.name = s.name = r.region = longest;
    c.address_count = 8, c.tag_count = 8, r.endpoint_count = 16;
    for (uint8_t i = 0; i < 16; i++) {
        const uint8_t ip[16] = {0xfd, [15] = i};
        r.endpoints[i] = (struct endpoint){addr_v6(ip, 1), ENDPOINT_DNS};
        if (i >= 8)
            continue;
        c.addresses[i] = addr_v6(ip, 0);
        c.tags[i] = longest;
        c.tags[i].size = 31;
        c.tags[i].text[30] = (char)('a' + i);
    }
    assert_int_equal(certificate_encode(&s, bytes, sizeof bytes), CERTIFICATE_SIZE_MAX);
    assert_int_equal(server_record_encode(&r, bytes, sizeof bytes), SERVER_RECORD_SIZE_MAX);
    assert_int_equal(server_record_decode(&r, bytes, SERVER_RECORD_SIZE_MAX), IDENTITY_OK);
    assert_int_equal(credential_encode(&c, bytes, sizeof bytes), CREDENTIAL_SIZE_MAX);
    assert_int_equal(credential_decode(&c, bytes, CREDENTIAL_SIZE_MAX), IDENTITY_OK);
    c.tags[7].size = 32;
    c.tags[7].text[31] = 'a';
    assert_int_equal(credential_encode(&c, bytes, sizeof bytes), 0);
}

static void test_truncations_and_additions(void **state)
{
    (void)state;
    for (uint8_t kind = 1; kind <= 3; kind++) {
        struct bytes b = sample_bytes(kind);
        union any any, zero;
        memset(&zero, 0, sizeof zero);
        for (size_t size = 0; size < b.size; size++) {
            memset(&any, 0xaa, sizeof any);
            assert_int_equal(decode_exact(kind, &any, b.at, size), IDENTITY_TRUNCATED);
            assert_memory_equal(&any, &zero, size_of(kind));
        }
        b.at[b.size] = 0;
        assert_int_equal(decode_exact(kind, &any, b.at, b.size + 1), IDENTITY_TRAILING);
        assert_memory_equal(&any, &zero, size_of(kind));
        for (uint8_t other = 1; other <= 3; other++) {
            if (other != kind)
                assert_int_equal(decode_exact(other, &any, b.at, b.size), IDENTITY_WRONG_KIND);
        }
    }
}

/* ---- What is not canonical ---- */

/* `size` bytes at `at` of the sample's bytes are replaced by those in `with`. */
static const struct edit {
    uint8_t kind;
    uint16_t at;
    uint8_t size;
    const char *with;
    uint8_t with_size;
    enum identity_error expected;
} edits[] = {
    {1, 0, 1, "\x00", 1, IDENTITY_WRONG_KIND},
    {1, 0, 1, "\x04", 1, IDENTITY_WRONG_KIND},
    {1, 1, 1, "\x00", 1, IDENTITY_WRONG_FORMAT},
    {2, 1, 1, "\x02", 1, IDENTITY_WRONG_FORMAT},
    {3, 1, 1, "\xff", 1, IDENTITY_WRONG_FORMAT},
    {1, 66, 3, "\x00", 1, IDENTITY_BAD_LABEL},     /* no name */
    {1, 67, 2, "S1", 2, IDENTITY_BAD_LABEL},       /* upper case */
    {1, 67, 2, "s_", 2, IDENTITY_BAD_LABEL},       /* another character */
    {1, 67, 2, "s.", 2, IDENTITY_BAD_LABEL},       /* two labels */
    {1, 67, 2, "-s", 2, IDENTITY_BAD_LABEL},       /* hyphen first */
    {1, 67, 2, "s-", 2, IDENTITY_BAD_LABEL},       /* hyphen last */
    {1, 67, 2, "s\x00", 2, IDENTITY_BAD_LABEL},    /* padded */
    {1, 67, 2, "\xc3\xa9", 2, IDENTITY_BAD_LABEL}, /* UTF-8 */
    {1, 66, 1, "\x40", 1, IDENTITY_BAD_LABEL},     /* 64 bytes */
    {1, 69, 2, "\x00\x00", 2, IDENTITY_BAD_ROLES},
    {1, 69, 2, "\x00\x21", 2, IDENTITY_BAD_ROLES},
    {1, 69, 2, "\x80\x01", 2, IDENTITY_BAD_ROLES},
    {1, 71, 8, "\x00\x00\x00\x00\x00\x00\x07\xd1", 8, IDENTITY_BAD_VALIDITY}, /* 2001 to 2000 */
    {2, 72, 1, "\x09", 1, IDENTITY_TOO_MANY},
    {2, 73, 1, "\x05", 1, IDENTITY_BAD_ADDRESS}, /* no such family */
    {2, 73, 1, "\x00", 1, IDENTITY_BAD_ADDRESS},
    {2, 74, 1, "\x00", 1, IDENTITY_BAD_ADDRESS}, /* 0.64.0.100 */
    {2, 74, 1, "\xe0", 1, IDENTITY_BAD_ADDRESS}, /* multicast */
    {2, 79, 1, "\xff", 1, IDENTITY_BAD_ADDRESS}, /* multicast */
    {2, 79, 16, "\0\0\0\0\0\0\0\0\0\0\xff\xff\x0a\x40\x00\x64", 16, IDENTITY_BAD_ADDRESS},
    {2, 78, 17, "\x04\x0a\x40\x00\x63", 5, IDENTITY_BAD_ORDER}, /* descending */
    {2, 78, 17, "\x04\x0a\x40\x00\x64", 5, IDENTITY_BAD_ORDER}, /* twice */
    {2, 95, 1, "\x09", 1, IDENTITY_TOO_MANY},
    {2, 96, 4, "\x00", 1, IDENTITY_BAD_LABEL}, /* an empty tag */
    {2, 97, 1, "D", 1, IDENTITY_BAD_LABEL},
    {2, 97, 1, "f", 1, IDENTITY_BAD_ORDER}, /* "fev", "eu-1" */
    {2, 100, 5,
     "\x03"
     "dev",
     4, IDENTITY_BAD_ORDER}, /* twice */
    {2, 100, 5,
     "\x02"
     "de",
     3, IDENTITY_BAD_ORDER}, /* the prefix goes first */
    {2, 96, 9,
     "\x02"
     "de\x03"
     "dev",
     7, IDENTITY_OK}, /* as here */
    {2, 96, 4,
     "\x20"
     "a2345678901234567890123456789012",
     33, IDENTITY_BAD_LABEL},
    {3, 42, 3, "\x00", 1, IDENTITY_OK}, /* no region */
    {3, 43, 2, "e-", 2, IDENTITY_BAD_LABEL},
    {3, 79, 1, "\x11", 1, IDENTITY_TOO_MANY},
    {3, 80, 1, "\x00", 1, IDENTITY_BAD_ROLES},
    {3, 80, 1, "\x09", 1, IDENTITY_BAD_ROLES},
    {3, 81, 1, "\x03", 1, IDENTITY_BAD_ADDRESS},
    {3, 82, 4, "\xff\xff\xff\xff", 4, IDENTITY_BAD_ADDRESS},
    {3, 86, 2, "\x00\x00", 2, IDENTITY_BAD_ADDRESS},
    {3, 80, 1, "\x06", 1, IDENTITY_BAD_ORDER},                              /* role 6, then 5 */
    {3, 80, 1, "\x05", 1, IDENTITY_OK},                                     /* IPv4 before IPv6 */
    {3, 88, 20, "\x03\x04\xc6\x33\x64\x01\xca\xe5", 8, IDENTITY_BAD_ORDER}, /* twice */
    {3, 88, 20, "\x03\x04\xc6\x33\x64\x01\xca\xe6", 8, IDENTITY_OK},        /* next port */
    {3, 88, 20, "\x03\x04\xc6\x33\x64\x01\xca\xe4", 8, IDENTITY_BAD_ORDER},
};

static void test_edits(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        const struct edit *e = &edits[i];
        const struct bytes b = sample_bytes(e->kind);
        struct bytes edited = {.size = 0};
        union any any;
        put(&edited, b.at, e->at);
        put(&edited, e->with, e->with_size);
        put(&edited, b.at + e->at + e->size, b.size - e->at - e->size);
        enum identity_error error = decode_exact(e->kind, &any, edited.at, edited.size);
        if (error != e->expected)
            print_error("edit %zu: %s\n", i, identity_error_name(error));
        assert_int_equal(error, e->expected);
    }
}

/* Whatever the bytes, what is accepted is what would be written. */
static void test_random_edits(void **state)
{
    (void)state;
    unsigned accepted = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint8_t kind = (uint8_t)(1 + round % 3), again[IDENTITY_ENCODING_MAX];
        struct bytes b = sample_bytes(kind);
        union any any;
        for (uint32_t n = 1 + draw(3); n > 0; n--)
            b.at[draw((uint32_t)b.size)] = (uint8_t)draw(256);
        if (decode(kind, &any, b.at, b.size) != IDENTITY_OK)
            continue;
        accepted++;
        assert_int_equal(encode(kind, &any, again, sizeof again), b.size);
        assert_memory_equal(again, b.at, b.size);
    }
    assert_true(accepted > ROUNDS / 10 && accepted < ROUNDS);
}

static void test_zero_keys(void **state)
{
    (void)state;
    static const struct {
        uint8_t kind;
        uint16_t at;
    } keys[] = {{1, 2}, {1, 34}, {2, 2}, {2, 34}, {2, 113}, {3, 2}};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        struct bytes b = sample_bytes(keys[i].kind);
        union any any;
        memset(b.at + keys[i].at, 0, 32);
        assert_int_equal(decode(keys[i].kind, &any, b.at, b.size), IDENTITY_BAD_KEY);
    }
}

/* ---- Structs that are not in order ---- */

static void test_sort(void **state)
{
    (void)state;
    uint8_t bytes[IDENTITY_ENCODING_MAX];
    const struct credential c = credential_sample();
    struct credential mixed = c;
    mixed.address_count = 4, mixed.tag_count = 4;
    for (size_t i = 0; i < 4; i++) {
        mixed.addresses[i] = c.addresses[(i + 1) % 2];
        mixed.tags[i] = c.tags[(i + 1) % 2];
    }
    assert_int_equal(credential_encode(&mixed, bytes, sizeof bytes), 0);
    credential_sort(&mixed);
    assert_int_equal(mixed.address_count, 2);
    assert_int_equal(mixed.tag_count, 2);
    assert_true(addr_equal(&mixed.addresses[0], &c.addresses[0]));
    assert_true(addr_equal(&mixed.addresses[1], &c.addresses[1]));
    assert_true(label_equal(&mixed.tags[0], &c.tags[0]));
    assert_true(label_equal(&mixed.tags[1], &c.tags[1]));
    const struct server_record r = record_sample();
    struct server_record turned = r;
    turned.endpoint_count = 3;
    turned.endpoints[0] = turned.endpoints[2] = r.endpoints[1];
    turned.endpoints[1] = r.endpoints[0];
    assert_int_equal(server_record_encode(&turned, bytes, sizeof bytes), 0);
    server_record_sort(&turned);
    assert_int_equal(turned.endpoint_count, 2);
    assert_int_equal(turned.endpoints[0].role, ENDPOINT_PUNCH);
    assert_int_equal(turned.endpoints[1].role, ENDPOINT_STUN);
    assert_true(server_record_encode(&turned, bytes, sizeof bytes) > 0);
}

static void test_labels(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } labels[] = {
        {"a", true},    {"0", true},    {"a-b", true},  {"a--b", true}, {"xn--abc", true},
        {"", false},    {"-", false},   {"-a", false},  {"a-", false},  {"A", false},
        {"a b", false}, {"a.b", false}, {"a_b", false}, {"a/", false},  {"a:", false},
        {"a`", false},  {"a{", false},
    };
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        size_t size = strlen(labels[i].text);
        assert_int_equal(label_is_valid(labels[i].text, size, 63), labels[i].valid);
        assert_int_equal(label_of(labels[i].text, size).size, labels[i].valid ? size : 0);
    }
    assert_true(label_is_valid("abc", 3, 3));
    assert_false(label_is_valid("abc", 3, 2));
}

static void test_error_names(void **state)
{
    (void)state;
    for (int i = 0; i < IDENTITY_ERROR_COUNT; i++) {
        const char *name = identity_error_name((enum identity_error)i);
        assert_non_null(name);
        assert_string_not_equal(name, "?");
        for (int k = 0; k < i; k++)
            assert_string_not_equal(name, identity_error_name((enum identity_error)k));
    }
    assert_string_equal(identity_error_name(IDENTITY_ERROR_COUNT), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_sizes_at_their_limits),
        cmocka_unit_test(test_truncations_and_additions),
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_random_edits),
        cmocka_unit_test(test_zero_keys),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_error_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
