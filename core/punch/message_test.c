/*
 * Control messages against docs/protocol.md: one of each type byte for byte, every truncation, a
 * byte too many, and one wrong value at a time.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/frame/seal.h"
#include "core/punch/message.h"

_Static_assert((int)PUNCH_MESSAGE_MAX <= (int)SEAL_BODY_MAX, "a message fits a sealed frame");
_Static_assert((int)SEAL_INTRODUCTION_MAX <= (int)PUNCH_INTRODUCTION_MAX, "and so do parties");

enum { BYTES_MAX = 2 * PUNCH_MESSAGE_MAX };

#define NONCE "c0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
#define SALT "d0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
#define IDENTITY "a000000000000000000000000000000000000000000000000000000000000001"
#define OTHER "a000000000000000000000000000000000000000000000000000000000000002"
#define V4 "04c0000201ca6c"                         /* 192.0.2.1:51820 */
#define V6 "0620010db8000000000000000000000001d431" /* [2001:db8::1]:54321 */
#define SIDE "030301020102" /* a NAT; APDM, EIF, internal hairpin, paired; the trap */

/* Field by field, in hexadecimal. */
static const struct row {
    uint8_t type;
    const char *hex;
} rows[] = {
    {PUNCH_REGISTER, "01"
                     "01"
                     "0102030405060708" SALT SIDE "000186a0"
                     "02"
                     "01" V4 "01" V6},
    {PUNCH_REGISTERED, "02" V4},
    {PUNCH_PING, "03"
                 "00000000000000000000000000000000000000"},
    {PUNCH_PONG, "04" V6},
    {PUNCH_CHALLENGE, "05"
                      "e0e1e2e3e4e5e6e7"},
    {PUNCH_CHALLENGE_ANSWER, "06"
                             "e0e1e2e3e4e5e6e7"},
    {PUNCH_CONNECT, "07" NONCE IDENTITY "0000002a"},
    {PUNCH_OFFER, "08"
                  "01" NONCE "0000002a"
                  "0000c350"
                  "0003"
                  "f1f2f3" SALT SIDE "000186a0"
                  "02"
                  "02" V4 "01" V6},
    {PUNCH_REFUSED, "09"
                    "04" NONCE IDENTITY},
    {PUNCH_INTRODUCE, "0a" NONCE IDENTITY "0000002a"
                      "0003"
                      "f1f2f3" SALT SIDE "000186a0"
                      "02"
                      "02" V4 "01" V6},
    {PUNCH_INTRODUCED, "0b" NONCE IDENTITY "0003"
                       "f1f2f3" SALT SIDE "000186a0"
                       "02"
                       "02" V4 "01" V6},
    {PUNCH_ANNOUNCE, "0c"
                     "02" IDENTITY "0102030405060708" OTHER "0000000000000001"},
};

enum { ROWS = sizeof rows / sizeof rows[0] };

/* flags, transaction, side, two acknowledgements */
static const char probe_hex[] = "01"
                                "8182838485868788" SIDE "02"
                                "1112131415161718"
                                "2122232425262728";

static size_t unhex(uint8_t *to, const char *hex)
{
    size_t size = strlen(hex) / 2;
    for (size_t i = 0; i < size; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], 0};
        to[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

static void count_up(uint8_t *to, size_t size, uint8_t first)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)(first + i);
}

static const uint8_t introduction[] = {0xf1, 0xf2, 0xf3};

static struct punch_party party_of(bool introduced, uint8_t first_kind)
{
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct punch_party party = {
        .side = {.nat = STUN_NAT_PRESENT,
                 .mapping = STUN_MAPPING_APDM,
                 .filtering = STUN_FILTERING_EIF,
                 .hairpin = STUN_HAIRPIN_INTERNAL,
                 .pooling = STUN_POOLING_PAIRED,
                 .trap = STUN_TRAP_YES},
        .delay_us = 100000,
        .candidate_count = 2,
        .candidates = {{addr_v4(0xc0000201, 51820), first_kind},
                       {addr_v6(v6, 54321), PUNCH_CANDIDATE_HOST}},
    };
    count_up(party.salt, sizeof party.salt, 0xd0);
    if (introduced)
        party.introduction = (struct frame_span){introduction, sizeof introduction};
    return party;
}

/* What the row of this type means. Fields that its type does not have stay zero. */
static struct punch_message sample(uint8_t type)
{
    struct punch_message m;
    memset(&m, 0, sizeof m);
    m.type = type;
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    bool called = type >= PUNCH_CONNECT && type <= PUNCH_INTRODUCED;
    if (called)
        count_up(m.nonce, sizeof m.nonce, 0xc0);
    if (called && type != PUNCH_OFFER) {
        m.identity[0] = 0xa0;
        m.identity[31] = 1;
    }
    if (type == PUNCH_CONNECT || type == PUNCH_OFFER || type == PUNCH_INTRODUCE)
        m.channel = 42;
    if (type == PUNCH_OFFER || type == PUNCH_INTRODUCE || type == PUNCH_INTRODUCED)
        m.party = party_of(true, PUNCH_CANDIDATE_OBSERVED);
    if (type == PUNCH_REGISTER) {
        m.flag = 1;
        m.version = 0x0102030405060708;
        m.party = party_of(false, PUNCH_CANDIDATE_HOST);
    }
    if (type == PUNCH_REGISTERED)
        m.observed = addr_v4(0xc0000201, 51820);
    if (type == PUNCH_PONG)
        m.observed = addr_v6(v6, 54321);
    if (type == PUNCH_CHALLENGE || type == PUNCH_CHALLENGE_ANSWER)
        count_up(m.token, sizeof m.token, 0xe0);
    if (type == PUNCH_OFFER) {
        m.flag = 1;
        m.other_us = 50000;
    }
    if (type == PUNCH_REFUSED)
        m.flag = PUNCH_REFUSED_CHANNEL;
    if (type == PUNCH_ANNOUNCE) {
        m.location_count = 2;
        for (uint8_t i = 0; i < 2; i++) {
            m.locations[i].identity[0] = 0xa0;
            m.locations[i].identity[31] = (uint8_t)(1 + i);
        }
        m.locations[0].version = 0x0102030405060708;
        m.locations[1].version = 1;
    }
    return m;
}

/* Decodes a copy of exactly the size, so that a sanitizer sees a read past its end. */
static enum punch_error decode_exact(struct punch_message *message, const uint8_t *bytes,
                                     size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    memset(message, 0xa5, sizeof *message);
    enum punch_error error = punch_decode(message, copy, size);
    if (error != PUNCH_OK) {
        struct punch_message zero;
        memset(&zero, 0, sizeof zero);
        assert_memory_equal(message, &zero, sizeof zero);
    } else {
        uint8_t again[BYTES_MAX];
        assert_int_equal(punch_encode(message, again, sizeof again), size);
        assert_memory_equal(again, bytes, size);
        /* The only part that borrows. */
        message->party.introduction.bytes = NULL;
    }
    free(copy);
    return error;
}

static size_t encode_exact(const struct punch_message *message, uint8_t *to, size_t room)
{
    uint8_t *exact = malloc(room > 0 ? room : 1);
    assert_non_null(exact);
    size_t size = punch_encode(message, exact, room);
    if (size > 0)
        memcpy(to, exact, size);
    free(exact);
    return size;
}

static void assert_party(const struct punch_party *a, const struct punch_party *b)
{
    assert_int_equal(a->introduction.size, b->introduction.size);
    assert_memory_equal(a->salt, b->salt, sizeof a->salt);
    assert_memory_equal(&a->side, &b->side, sizeof a->side);
    assert_int_equal(a->delay_us, b->delay_us);
    assert_int_equal(a->candidate_count, b->candidate_count);
    for (size_t i = 0; i < PUNCH_CANDIDATES_MAX; i++) {
        assert_int_equal(a->candidates[i].kind, b->candidates[i].kind);
        assert_true(addr_equal(&a->candidates[i].addr, &b->candidates[i].addr));
    }
}

static void assert_message(const struct punch_message *a, const struct punch_message *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->flag, b->flag);
    assert_true(a->version == b->version);
    assert_party(&a->party, &b->party);
    assert_true(addr_equal(&a->observed, &b->observed));
    assert_memory_equal(a->token, b->token, sizeof a->token);
    assert_memory_equal(a->identity, b->identity, sizeof a->identity);
    assert_memory_equal(a->nonce, b->nonce, sizeof a->nonce);
    assert_int_equal(a->channel, b->channel);
    assert_int_equal(a->other_us, b->other_us);
    assert_int_equal(a->location_count, b->location_count);
    for (size_t i = 0; i < PUNCH_ANNOUNCED_MAX; i++) {
        const struct punch_location *x = &a->locations[i], *y = &b->locations[i];
        assert_memory_equal(x->identity, y->identity, sizeof x->identity);
        assert_true(x->version == y->version);
    }
}

static void test_layout(void **state)
{
    (void)state;
    assert_int_equal(ROWS, PUNCH_ANNOUNCE);
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t bytes[BYTES_MAX], written[BYTES_MAX];
        size_t size = unhex(bytes, rows[i].hex);
        const struct punch_message expected = sample(rows[i].type);
        struct punch_message message;
        assert_int_equal(decode_exact(&message, bytes, size), PUNCH_OK);
        assert_message(&message, &expected);
        assert_int_equal(encode_exact(&expected, written, size), size);
        assert_memory_equal(written, bytes, size);
    }
}

/* The introduction is borrowed, in place. */
static void test_borrowed(void **state)
{
    (void)state;
    uint8_t bytes[BYTES_MAX];
    struct punch_message message;
    size_t size = unhex(bytes, rows[PUNCH_OFFER - 1].hex);
    assert_int_equal(punch_decode(&message, bytes, size), PUNCH_OK);
    assert_ptr_equal(message.party.introduction.bytes, bytes + 1 + 1 + 16 + 4 + 4 + 2);
    assert_int_equal(message.party.introduction.size, sizeof introduction);
}

/* Every shorter string of bytes, one byte more, and every room that is too small. */
static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t bytes[BYTES_MAX] = {0}, written[BYTES_MAX];
        size_t size = unhex(bytes, rows[i].hex);
        const struct punch_message expected = sample(rows[i].type);
        struct punch_message message;
        for (size_t length = 0; length < size; length++) {
            assert_int_equal(decode_exact(&message, bytes, length), PUNCH_TRUNCATED);
            assert_int_equal(encode_exact(&expected, written, length), 0);
        }
        assert_int_equal(decode_exact(&message, bytes, size + 1), PUNCH_TRAILING);
    }
}

static void test_types(void **state)
{
    (void)state;
    for (unsigned type = 0; type < 256; type++) {
        const uint8_t bytes[1] = {(uint8_t)type};
        bool known = type >= 1 && type <= 12;
        struct punch_message message;
        assert_int_equal(decode_exact(&message, bytes, 1),
                         known ? PUNCH_TRUNCATED : PUNCH_UNKNOWN_TYPE);
        message = sample((uint8_t)type);
        uint8_t written[BYTES_MAX];
        assert_int_equal(punch_encode(&message, written, sizeof written) > 0, known);
    }
}

/* These bytes take the values that are listed, and no others. */
static const struct range {
    uint8_t type;
    size_t at;
    unsigned low, high;     /* the values that are accepted */
    enum punch_error error; /* of all others */
} ranges[] = {
    {PUNCH_REGISTER, 1, 0, 1, PUNCH_BAD_VALUE},
    {PUNCH_REGISTER, 26, 0, 3, PUNCH_BAD_VALUE}, /* NAT */
    {PUNCH_REGISTER, 27, 0, 4, PUNCH_BAD_VALUE}, /* mapping */
    {PUNCH_REGISTER, 28, 0, 3, PUNCH_BAD_VALUE}, /* filtering */
    {PUNCH_REGISTER, 29, 0, 3, PUNCH_BAD_VALUE}, /* hairpin */
    {PUNCH_REGISTER, 30, 0, 2, PUNCH_BAD_VALUE}, /* pooling */
    {PUNCH_REGISTER, 31, 0, 2, PUNCH_BAD_VALUE}, /* trap */
    {PUNCH_REGISTER, 37, 1, 1, PUNCH_BAD_VALUE}, /* kind: its own word alone */
    {PUNCH_PING, 1, 0, 0, PUNCH_BAD_VALUE},
    {PUNCH_PING, 19, 0, 0, PUNCH_BAD_VALUE},
    {PUNCH_REGISTERED, 2, 1, 223, PUNCH_BAD_ADDRESS}, /* 0/8, and from multicast on */
    {PUNCH_OFFER, 1, 0, 1, PUNCH_BAD_VALUE},
    {PUNCH_OFFER, 21, 1, 255, PUNCH_BAD_VALUE}, /* channel, whose other bytes are 0 */
    {PUNCH_OFFER, 47, 0, 3, PUNCH_BAD_VALUE},
    {PUNCH_OFFER, 58, 1, 2, PUNCH_BAD_VALUE},
    {PUNCH_REFUSED, 1, 1, 4, PUNCH_BAD_VALUE},
    {PUNCH_CONNECT, 52, 1, 255, PUNCH_BAD_VALUE},
    {PUNCH_INTRODUCE, 52, 1, 255, PUNCH_BAD_VALUE},
    {PUNCH_INTRODUCE, 85, 1, 2, PUNCH_BAD_VALUE},
    {PUNCH_INTRODUCED, 81, 1, 2, PUNCH_BAD_VALUE},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        const struct range *range = &ranges[i];
        uint8_t bytes[BYTES_MAX];
        size_t size = unhex(bytes, rows[range->type - 1].hex);
        for (unsigned value = 0; value < 256; value++) {
            bool good = value >= range->low && value <= range->high;
            struct punch_message message;
            bytes[range->at] = (uint8_t)value;
            enum punch_error error = decode_exact(&message, bytes, size);
            if (error != (good ? PUNCH_OK : range->error))
                fail_msg("type %u, byte %zu, value %u: %s", range->type, range->at, value,
                         punch_error_name(error));
        }
    }
}

/*
 * Every byte set to every value: what is accepted is written again as it was, so nothing has two
 * spellings. decode_exact() sees to that.
 */
static void test_canonical(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        uint8_t bytes[BYTES_MAX];
        size_t size = unhex(bytes, rows[i].hex);
        unsigned accepted = 0;
        for (size_t at = 1; at < size; at++) {
            uint8_t before = bytes[at];
            for (unsigned value = 0; value < 256; value++) {
                struct punch_message message;
                bytes[at] = (uint8_t)value;
                accepted += decode_exact(&message, bytes, size) == PUNCH_OK;
            }
            bytes[at] = before;
        }
        assert_true(accepted >= size - 1); /* itself, once for each byte */
    }
}

/* ---- What a struct or a string of bytes must not say ---- */

enum fault {
    FAULT_FAMILY_NONE,
    FAULT_FAMILY_OTHER,
    FAULT_PORT,
    FAULT_UNSPECIFIED,
    FAULT_BROADCAST,
    FAULT_MULTICAST,
    FAULT_MULTICAST_V6,
    FAULT_MAPPED,
    FAULTS_OF_ADDRESSES,
};

static struct addr bad_address(enum fault fault)
{
    static const uint8_t multicast[16] = {0xff, 0x02, [15] = 1};
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2, [15] = 1};
    struct addr good = addr_v4(0xc0000201, 51820);
    switch (fault) {
    case FAULT_FAMILY_NONE:
        return (struct addr){.family = ADDR_NONE};
    case FAULT_FAMILY_OTHER:
        good.family = 5;
        return good;
    case FAULT_PORT:
        return addr_with_port(good, 0);
    case FAULT_UNSPECIFIED:
        return addr_v4(0, 51820);
    case FAULT_BROADCAST:
        return addr_v4(0xffffffff, 51820);
    case FAULT_MULTICAST:
        return addr_v4(0xe0000001, 51820);
    case FAULT_MULTICAST_V6:
        return addr_v6(multicast, 51820);
    default:
        return addr_v6(mapped, 51820);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const spelled[FAULTS_OF_ADDRESSES] = {
        [FAULT_FAMILY_NONE] = "00",
        [FAULT_FAMILY_OTHER] = "05c0000201ca6c",
        [FAULT_PORT] = "04c00002010000",
        [FAULT_UNSPECIFIED] = "0400000000ca6c",
        [FAULT_BROADCAST] = "04ffffffffca6c",
        [FAULT_MULTICAST] = "04e0000001ca6c",
        [FAULT_MULTICAST_V6] = "06ff020000000000000000000000000001ca6c",
        [FAULT_MAPPED] = "0600000000000000000000ffffc0000201ca6c",
    };
    for (unsigned i = 0; i < FAULTS_OF_ADDRESSES; i++) {
        uint8_t bytes[BYTES_MAX];
        struct punch_message message = sample(PUNCH_PONG);
        message.observed = bad_address((enum fault)i);
        assert_int_equal(punch_encode(&message, bytes, sizeof bytes), 0);
        for (unsigned k = 0; k < 2; k++) {
            message = sample(PUNCH_INTRODUCED);
            message.party.candidates[k].addr = bad_address((enum fault)i);
            assert_int_equal(punch_encode(&message, bytes, sizeof bytes), 0);
        }
        bytes[0] = PUNCH_PONG;
        size_t size = 1 + unhex(bytes + 1, spelled[i]);
        assert_int_equal(decode_exact(&message, bytes, size), PUNCH_BAD_ADDRESS);
        /* As the only candidate of a REGISTER. */
        size_t at = 36;
        unhex(bytes, rows[0].hex);
        bytes[at] = 1;
        size = at + 2 + unhex(bytes + at + 2, spelled[i]);
        assert_int_equal(decode_exact(&message, bytes, size), PUNCH_BAD_ADDRESS);
    }
}

static void refuse_party(uint8_t type)
{
    uint8_t bytes[BYTES_MAX];
    const struct punch_message good = sample(type);
    struct punch_message m;
    uint8_t *const sides[] = {&m.party.side.nat,     &m.party.side.mapping, &m.party.side.filtering,
                              &m.party.side.hairpin, &m.party.side.pooling, &m.party.side.trap};
    static const uint8_t sides_max[] = {3, 4, 3, 3, 2, 2};
    for (size_t i = 0; i < sizeof sides_max; i++) {
        m = good;
        *sides[i] = sides_max[i];
        assert_true(punch_encode(&m, bytes, sizeof bytes) > 0);
        ++*sides[i];
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes), 0);
    }
    m = good;
    m.party.candidate_count = PUNCH_CANDIDATES_MAX + 1;
    assert_int_equal(punch_encode(&m, bytes, sizeof bytes), 0);
    m = good;
    m.party.candidates[1].kind = 0;
    assert_int_equal(punch_encode(&m, bytes, sizeof bytes), 0);
    m.party.candidates[1].kind = type == PUNCH_REGISTER ? PUNCH_CANDIDATE_OBSERVED : 3;
    assert_int_equal(punch_encode(&m, bytes, sizeof bytes), 0);
}

/* Writing refuses what reading would. */
static void test_structs(void **state)
{
    (void)state;
    static const uint8_t parties[] = {PUNCH_REGISTER, PUNCH_OFFER, PUNCH_INTRODUCE,
                                      PUNCH_INTRODUCED};
    uint8_t bytes[BYTES_MAX];
    for (size_t i = 0; i < sizeof parties; i++)
        refuse_party(parties[i]);
    for (unsigned type = 1; type <= ROWS; type++) {
        const struct punch_message good = sample((uint8_t)type);
        struct punch_message m = good;
        m.flag = 5;
        bool flag = type == PUNCH_REGISTER || type == PUNCH_OFFER || type == PUNCH_REFUSED;
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0, flag);
        m = good;
        m.flag = 0;
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0, type == PUNCH_REFUSED);
        m = good;
        m.channel = 0;
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0, good.channel != 0);
        m = good;
        memset(m.identity, 0, sizeof m.identity);
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0, good.identity[0] != 0);
        m = good;
        m.party.introduction.size = 0;
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0,
                         good.party.introduction.size != 0);
        m = good;
        m.location_count = 0;
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0, type == PUNCH_ANNOUNCE);
        m.location_count = PUNCH_ANNOUNCED_MAX + 1;
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0, type == PUNCH_ANNOUNCE);
        m = good;
        memset(m.locations, 0, sizeof m.locations);
        assert_int_equal(punch_encode(&m, bytes, sizeof bytes) == 0, type == PUNCH_ANNOUNCE);
    }
}

/* The same in bytes: counts and sizes that are one too large, or nothing. */
static void test_counts(void **state)
{
    (void)state;
    uint8_t bytes[BYTES_MAX] = {0};
    struct punch_message message;
    size_t size = unhex(bytes, rows[PUNCH_REGISTER - 1].hex);
    for (unsigned count = PUNCH_CANDIDATES_MAX + 1; count < 256; count++) {
        bytes[36] = (uint8_t)count;
        assert_int_equal(decode_exact(&message, bytes, size), PUNCH_TOO_MANY);
    }
    bytes[36] = 0;
    assert_int_equal(decode_exact(&message, bytes, 37), PUNCH_OK);
    size = unhex(bytes, rows[PUNCH_ANNOUNCE - 1].hex);
    bytes[1] = PUNCH_ANNOUNCED_MAX + 1;
    assert_int_equal(decode_exact(&message, bytes, size), PUNCH_TOO_MANY);
    bytes[1] = 0;
    assert_int_equal(decode_exact(&message, bytes, 2), PUNCH_BAD_VALUE);
    bytes[1] = 1;
    memset(bytes + 2, 0, IDENTITY_SIZE);
    assert_int_equal(decode_exact(&message, bytes, 2 + 40), PUNCH_BAD_VALUE);
    unhex(bytes, rows[PUNCH_OFFER - 1].hex);
    bytes[26] = (PUNCH_INTRODUCTION_MAX + 1) >> 8;
    bytes[27] = (PUNCH_INTRODUCTION_MAX + 1) & 0xff;
    assert_int_equal(decode_exact(&message, bytes, sizeof bytes), PUNCH_TOO_MANY);
    /* An empty introduction, and all that follows it. */
    size = unhex(bytes, rows[PUNCH_OFFER - 1].hex);
    bytes[27] = 0;
    memmove(bytes + 28, bytes + 31, size - 31);
    assert_int_equal(decode_exact(&message, bytes, size - 3), PUNCH_BAD_VALUE);
    size = unhex(bytes, rows[PUNCH_CONNECT - 1].hex);
    memset(bytes + 17, 0, IDENTITY_SIZE);
    assert_int_equal(decode_exact(&message, bytes, size), PUNCH_BAD_VALUE);
}

/* Everything at its longest. */
static void test_longest(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        size_t size; /* counted by hand */
    } longest[] = {
        {PUNCH_REGISTER, 1 + 1 + 8 + 16 + 6 + 4 + 1 + 8 * 20},
        {PUNCH_OFFER, 1 + 1 + 16 + 4 + 4 + 2 + 900 + 16 + 6 + 4 + 1 + 8 * 20},
        {PUNCH_INTRODUCE, 1 + 16 + 32 + 4 + 2 + 900 + 16 + 6 + 4 + 1 + 8 * 20},
        {PUNCH_INTRODUCED, 1 + 16 + 32 + 2 + 900 + 16 + 6 + 4 + 1 + 8 * 20},
        {PUNCH_ANNOUNCE, 1 + 1 + 28 * 40},
    };
    static uint8_t filler[PUNCH_INTRODUCTION_MAX + 1];
    memset(filler, 0x77, sizeof filler);
    for (size_t i = 0; i < sizeof longest / sizeof longest[0]; i++) {
        struct punch_message message = sample(longest[i].type), again;
        uint8_t bytes[PUNCH_MESSAGE_MAX];
        if (message.party.introduction.size > 0)
            message.party.introduction = (struct frame_span){filler, PUNCH_INTRODUCTION_MAX};
        message.party.candidate_count = PUNCH_CANDIDATES_MAX;
        for (size_t k = 0; k < PUNCH_CANDIDATES_MAX; k++)
            message.party.candidates[k] = message.party.candidates[1];
        message.location_count = PUNCH_ANNOUNCED_MAX;
        for (size_t k = 0; k < PUNCH_ANNOUNCED_MAX; k++)
            message.locations[k] = message.locations[0];
        assert_int_equal(punch_encode(&message, bytes, sizeof bytes), longest[i].size);
        assert_int_equal(decode_exact(&again, bytes, longest[i].size), PUNCH_OK);
        if (message.party.introduction.size > 0) {
            message.party.introduction.size++;
            assert_int_equal(punch_encode(&message, bytes, sizeof bytes), 0);
        }
    }
}

/* What a home sends to an address that has proven nothing is never longer than what came. */
static void test_answers(void **state)
{
    (void)state;
    uint8_t bytes[BYTES_MAX];
    struct punch_message message = sample(PUNCH_PONG);
    size_t pong = punch_encode(&message, bytes, sizeof bytes);
    message = sample(PUNCH_CHALLENGE);
    size_t challenge = punch_encode(&message, bytes, sizeof bytes);
    message = sample(PUNCH_PING);
    size_t ping = punch_encode(&message, bytes, sizeof bytes);
    message = sample(PUNCH_REGISTER);
    message.party.candidate_count = 0;
    size_t shortest = punch_encode(&message, bytes, sizeof bytes);
    assert_true(pong == ping && challenge <= ping && pong <= shortest);
}

/* ---- Bodies of probes ---- */

static enum punch_error decode_probe(struct punch_probe *probe, const uint8_t *bytes, size_t size)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, bytes, size);
    memset(probe, 0xa5, sizeof *probe);
    enum punch_error error = punch_probe_decode(probe, copy, size);
    free(copy);
    if (error != PUNCH_OK) {
        struct punch_probe zero;
        memset(&zero, 0, sizeof zero);
        assert_memory_equal(probe, &zero, sizeof zero);
        return error;
    }
    uint8_t again[PUNCH_PROBE_SIZE_MAX];
    assert_int_equal(punch_probe_encode(probe, again, size), size);
    assert_memory_equal(again, bytes, size);
    return error;
}

static void test_probe(void **state)
{
    (void)state;
    uint8_t bytes[PUNCH_PROBE_SIZE_MAX + 1] = {0}, room[PUNCH_PROBE_SIZE_MAX];
    struct punch_probe probe, again;
    size_t size = unhex(bytes, probe_hex);
    assert_int_equal(decode_probe(&probe, bytes, size), PUNCH_OK);
    assert_int_equal(probe.flags, PUNCH_PROBE_WANTS_ANSWER);
    assert_true(probe.transaction == 0x8182838485868788);
    const struct reason_side side = party_of(false, 1).side;
    assert_memory_equal(&probe.side, &side, sizeof side);
    assert_int_equal(probe.ack_count, 2);
    assert_true(probe.acks[0] == 0x1112131415161718);
    assert_true(probe.acks[1] == 0x2122232425262728);
    for (size_t length = 0; length < size; length++) {
        assert_int_equal(decode_probe(&again, bytes, length), PUNCH_TRUNCATED);
        assert_int_equal(punch_probe_encode(&probe, room, length), 0);
    }
    assert_int_equal(decode_probe(&again, bytes, size + 1), PUNCH_TRAILING);
    probe.ack_count = PUNCH_ACKS_MAX;
    assert_int_equal(punch_probe_encode(&probe, room, sizeof room), 0); /* 0 is no transaction */
    for (unsigned i = 2; i < PUNCH_ACKS_MAX; i++)
        probe.acks[i] = i;
    assert_int_equal(punch_probe_encode(&probe, room, sizeof room), PUNCH_PROBE_SIZE_MAX);
    assert_int_equal(decode_probe(&again, room, sizeof room), PUNCH_OK);
    probe.ack_count++;
    assert_int_equal(punch_probe_encode(&probe, bytes, sizeof bytes), 0);
}

static void test_probe_values(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        unsigned high;
        enum punch_error error;
    } limits[] = {
        {0, 1, PUNCH_BAD_VALUE},  {9, 3, PUNCH_BAD_VALUE},  {10, 4, PUNCH_BAD_VALUE},
        {11, 3, PUNCH_BAD_VALUE}, {12, 3, PUNCH_BAD_VALUE}, {13, 2, PUNCH_BAD_VALUE},
        {14, 2, PUNCH_BAD_VALUE},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        uint8_t bytes[PUNCH_PROBE_SIZE_MAX];
        struct punch_probe probe;
        size_t size = unhex(bytes, probe_hex);
        for (unsigned value = 0; value < 256; value++) {
            bytes[limits[i].at] = (uint8_t)value;
            assert_int_equal(decode_probe(&probe, bytes, size),
                             value <= limits[i].high ? PUNCH_OK : limits[i].error);
        }
    }
    uint8_t bytes[PUNCH_PROBE_SIZE_MAX];
    struct punch_probe probe;
    unhex(bytes, probe_hex);
    for (unsigned count = PUNCH_ACKS_MAX + 1; count < 256; count++) {
        bytes[15] = (uint8_t)count;
        assert_int_equal(decode_probe(&probe, bytes, sizeof bytes), PUNCH_TOO_MANY);
    }
    bytes[15] = 0;
    assert_int_equal(decode_probe(&probe, bytes, 16), PUNCH_OK);
    uint8_t *const fields[] = {&probe.flags,          &probe.side.nat,     &probe.side.mapping,
                               &probe.side.filtering, &probe.side.hairpin, &probe.side.pooling,
                               &probe.side.trap};
    const struct punch_probe good = probe;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        probe = good;
        *fields[i] = (uint8_t)(limits[i].high + 1);
        assert_int_equal(punch_probe_encode(&probe, bytes, sizeof bytes), 0);
    }
}

static void test_error_names(void **state)
{
    (void)state;
    static const char *const names[] = {"ok",           "truncated", "trailing-bytes",
                                        "unknown-type", "bad-value", "bad-address",
                                        "too-many",     "?"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_string_equal(punch_error_name((enum punch_error)i), names[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),       cmocka_unit_test(test_borrowed),
        cmocka_unit_test(test_sizes),        cmocka_unit_test(test_types),
        cmocka_unit_test(test_values),       cmocka_unit_test(test_canonical),
        cmocka_unit_test(test_addresses),    cmocka_unit_test(test_structs),
        cmocka_unit_test(test_counts),       cmocka_unit_test(test_longest),
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_probe),
        cmocka_unit_test(test_probe_values), cmocka_unit_test(test_error_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
