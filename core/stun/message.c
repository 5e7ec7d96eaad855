/* STUN messages: bytes to struct. The way back is message_write.c. */
#include "core/stun/message.h"

#include <string.h>

#include "core/base/check.h"
#include "core/stun/wire.h"

/* Where a value goes, or which rule of its own it has. */
enum kind {
    KIND_ADDRESS,
    KIND_TEXT,  /* at most STUN_TEXT_CHARACTERS_MAX characters and STUN_TEXT_MAX bytes */
    KIND_BYTES, /* bytes with no inner structure */
    KIND_NUMBER,
    KIND_ERROR_CODE,
    KIND_ALGORITHMS, /* PASSWORD-ALGORITHM and PASSWORD-ALGORITHMS */
    KIND_CLOSING,    /* integrity and FINGERPRINT: only their place is noted */
};

struct rule {
    uint16_t type; /* enum stun_attribute */
    uint16_t size_min;
    uint16_t size_max;
    uint8_t size_step; /* sizes are multiples of it */
    uint8_t kind;      /* enum kind */
    uint32_t bit;      /* enum stun_has */
};

/*
 * RESPONSE-PORT is a port and two bytes of padding (RFC 5780, 7.5), which senders count into the
 * length or not: both are read. Texts and domains have their limits in take_text() and
 * take_bytes(), since too long is an error of its own.
 */
static const struct rule rules[] = {
    {STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, 8, 20, 12, KIND_ADDRESS, STUN_HAS_XOR_MAPPED_ADDRESS},
    {STUN_ATTRIBUTE_MAPPED_ADDRESS, 8, 20, 12, KIND_ADDRESS, STUN_HAS_MAPPED_ADDRESS},
    {STUN_ATTRIBUTE_RESPONSE_ORIGIN, 8, 20, 12, KIND_ADDRESS, STUN_HAS_RESPONSE_ORIGIN},
    {STUN_ATTRIBUTE_OTHER_ADDRESS, 8, 20, 12, KIND_ADDRESS, STUN_HAS_OTHER_ADDRESS},
    {STUN_ATTRIBUTE_ALTERNATE_SERVER, 8, 20, 12, KIND_ADDRESS, STUN_HAS_ALTERNATE_SERVER},
    {STUN_ATTRIBUTE_CHANGE_REQUEST, 4, 4, 1, KIND_NUMBER, STUN_HAS_CHANGE_REQUEST},
    {STUN_ATTRIBUTE_PADDING, 0, UINT16_MAX, 1, KIND_BYTES, STUN_HAS_PADDING},
    {STUN_ATTRIBUTE_RESPONSE_PORT, 2, 4, 2, KIND_NUMBER, STUN_HAS_RESPONSE_PORT},
    {STUN_ATTRIBUTE_SOFTWARE, 0, UINT16_MAX, 1, KIND_TEXT, STUN_HAS_SOFTWARE},
    {STUN_ATTRIBUTE_FINGERPRINT, STUN_FINGERPRINT_SIZE, STUN_FINGERPRINT_SIZE, 1, KIND_CLOSING,
     STUN_HAS_FINGERPRINT},
    {STUN_ATTRIBUTE_MESSAGE_INTEGRITY, STUN_INTEGRITY_SIZE, STUN_INTEGRITY_SIZE, 1, KIND_CLOSING,
     STUN_HAS_INTEGRITY},
    {STUN_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256, STUN_INTEGRITY_SHA256_SIZE_MIN,
     STUN_INTEGRITY_SHA256_SIZE_MAX, 4, KIND_CLOSING, STUN_HAS_INTEGRITY_SHA256},
    {STUN_ATTRIBUTE_ERROR_CODE, 4, UINT16_MAX, 1, KIND_ERROR_CODE, STUN_HAS_ERROR_CODE},
    {STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 0, UINT16_MAX, 2, KIND_BYTES, STUN_HAS_UNKNOWN_ATTRIBUTES},
    {STUN_ATTRIBUTE_USERNAME, 0, UINT16_MAX, 1, KIND_BYTES, STUN_HAS_USERNAME},
    {STUN_ATTRIBUTE_REALM, 0, UINT16_MAX, 1, KIND_TEXT, STUN_HAS_REALM},
    {STUN_ATTRIBUTE_NONCE, 0, UINT16_MAX, 1, KIND_TEXT, STUN_HAS_NONCE},
    {STUN_ATTRIBUTE_USERHASH, STUN_USERHASH_SIZE, STUN_USERHASH_SIZE, 1, KIND_BYTES,
     STUN_HAS_USERHASH},
    {STUN_ATTRIBUTE_PASSWORD_ALGORITHM, 4, UINT16_MAX, 1, KIND_ALGORITHMS,
     STUN_HAS_PASSWORD_ALGORITHM},
    {STUN_ATTRIBUTE_PASSWORD_ALGORITHMS, 4, UINT16_MAX, 1, KIND_ALGORITHMS,
     STUN_HAS_PASSWORD_ALGORITHMS},
    {STUN_ATTRIBUTE_ALTERNATE_DOMAIN, 0, UINT16_MAX, 1, KIND_BYTES, STUN_HAS_ALTERNATE_DOMAIN},
    {STUN_ATTRIBUTE_CACHE_TIMEOUT, 4, 4, 1, KIND_NUMBER, STUN_HAS_CACHE_TIMEOUT},
    {STUN_ATTRIBUTE_PRIORITY, 4, 4, 1, KIND_NUMBER, STUN_HAS_PRIORITY},
    {STUN_ATTRIBUTE_USE_CANDIDATE, 0, 0, 1, KIND_NUMBER, STUN_HAS_USE_CANDIDATE},
    {STUN_ATTRIBUTE_ICE_CONTROLLED, 8, 8, 1, KIND_NUMBER, STUN_HAS_ICE_CONTROLLED},
    {STUN_ATTRIBUTE_ICE_CONTROLLING, 8, 8, 1, KIND_NUMBER, STUN_HAS_ICE_CONTROLLING},
};

enum { RULE_COUNT = sizeof rules / sizeof rules[0] };

bool stun_has(const struct stun_message *message, enum stun_has bit)
{
    return (message->has & (uint32_t)bit) != 0;
}

const char *stun_error_name(enum stun_error error)
{
    static const char *const names[STUN_ERROR_COUNT] = {
        [STUN_OK] = "ok",
        [STUN_TOO_SHORT] = "too-short",
        [STUN_FIRST_BITS] = "first-bits",
        [STUN_BAD_COOKIE] = "bad-cookie",
        [STUN_LENGTH_UNALIGNED] = "length-unaligned",
        [STUN_LENGTH_MISMATCH] = "length-mismatch",
        [STUN_ATTRIBUTE_OVERRUN] = "attribute-overrun",
        [STUN_ATTRIBUTE_SIZE] = "attribute-size",
        [STUN_ATTRIBUTE_TEXT] = "attribute-text",
        [STUN_ADDRESS_FAMILY] = "address-family",
        [STUN_ADDRESS_PORT] = "address-port",
        [STUN_BAD_ERROR_CODE] = "bad-error-code",
        [STUN_BAD_ALGORITHMS] = "bad-algorithms",
        [STUN_FINGERPRINT_NOT_LAST] = "fingerprint-not-last",
        [STUN_BAD_FINGERPRINT] = "bad-fingerprint",
    };
    check((unsigned)error < STUN_ERROR_COUNT);
    return names[error];
}

size_t stun_padding_of(size_t size)
{
    return (4 - size % 4) % 4;
}

bool stun_text_fits(const uint8_t *text, size_t size)
{
    if (size > STUN_TEXT_MAX)
        return false;
    unsigned characters = 0;
    for (size_t i = 0; i < size; i++)
        characters += (text[i] & 0xc0) != 0x80;
    return characters <= STUN_TEXT_CHARACTERS_MAX;
}

static enum stun_error read_header(const uint8_t *bytes, size_t length, uint16_t *type)
{
    if (length < STUN_HEADER_SIZE)
        return STUN_TOO_SHORT;
    struct reader r = reader_of(bytes, STUN_HEADER_SIZE);
    *type = read_u16(&r);
    uint16_t size = read_u16(&r);
    uint32_t cookie = read_u32(&r);
    check(!r.failed);
    if ((*type & 0xc000) != 0)
        return STUN_FIRST_BITS;
    if (cookie != STUN_COOKIE)
        return STUN_BAD_COOKIE;
    if (size % 4 != 0)
        return STUN_LENGTH_UNALIGNED;
    if (size != length - STUN_HEADER_SIZE)
        return STUN_LENGTH_MISMATCH;
    return STUN_OK;
}

bool stun_is_message(const uint8_t *bytes, size_t length)
{
    uint16_t type;
    return read_header(bytes, length, &type) == STUN_OK;
}

static const struct rule *find_rule(uint16_t type)
{
    for (unsigned i = 0; i < RULE_COUNT; i++) {
        if (rules[i].type == type)
            return &rules[i];
    }
    return NULL;
}

static enum stun_error read_address(struct addr *addr, struct stun_span value,
                                    const uint8_t mask[static 16])
{
    struct reader r = reader_of(value.bytes, value.size);
    read_skip(&r, 1); /* to be ignored (RFC 8489, 14.1) */
    uint8_t family = read_u8(&r);
    uint16_t port = (uint16_t)(read_u16(&r) ^ (mask[0] << 8 | mask[1]));
    bool is_v4 = family == STUN_WIRE_FAMILY_V4;
    size_t ip_size = is_v4 ? 4 : 16;
    if (!is_v4 && family != STUN_WIRE_FAMILY_V6)
        return STUN_ADDRESS_FAMILY;
    if (reader_left(&r) != ip_size)
        return STUN_ADDRESS_FAMILY;
    *addr = (struct addr){.family = is_v4 ? ADDR_V4 : ADDR_V6, .port = port};
    read_bytes(&r, addr->ip, ip_size);
    for (size_t i = 0; i < ip_size; i++)
        addr->ip[i] ^= mask[i];
    check(!r.failed);
    return STUN_OK;
}

/*
 * Port 0 is refused where it would be taken for our own; in what a server says about servers it is
 * left to whoever wants to send there.
 */
static enum stun_error take_address(struct stun_message *m, uint16_t type, struct stun_span value)
{
    static const uint8_t no_mask[16];
    struct addr addr = {0};
    bool masked = type == STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS;
    enum stun_error error = read_address(&addr, value, masked ? m->bytes + STUN_MASK_AT : no_mask);
    if (error != STUN_OK)
        return error;
    bool mapped = masked || type == STUN_ATTRIBUTE_MAPPED_ADDRESS;
    if (mapped && addr.port == 0)
        return STUN_ADDRESS_PORT;
    switch (type) {
    case STUN_ATTRIBUTE_MAPPED_ADDRESS:
        m->mapped_address = addr;
        break;
    case STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS:
        m->xor_mapped_address = addr;
        break;
    case STUN_ATTRIBUTE_ALTERNATE_SERVER:
        m->alternate_server = addr;
        break;
    case STUN_ATTRIBUTE_RESPONSE_ORIGIN:
        m->response_origin = addr;
        break;
    default:
        check(type == STUN_ATTRIBUTE_OTHER_ADDRESS);
        m->other_address = addr;
    }
    return STUN_OK;
}

static enum stun_error take_text(struct stun_message *m, uint16_t type, struct stun_span value)
{
    if (!stun_text_fits(value.bytes, value.size))
        return STUN_ATTRIBUTE_TEXT;
    if (type == STUN_ATTRIBUTE_SOFTWARE)
        m->software = value;
    else if (type == STUN_ATTRIBUTE_REALM)
        m->realm = value;
    else
        m->nonce = value;
    return STUN_OK;
}

static enum stun_error take_bytes(struct stun_message *m, uint16_t type, struct stun_span value)
{
    switch (type) {
    case STUN_ATTRIBUTE_USERNAME:
        m->username = value;
        return value.size <= STUN_USERNAME_MAX ? STUN_OK : STUN_ATTRIBUTE_TEXT;
    case STUN_ATTRIBUTE_ALTERNATE_DOMAIN:
        m->alternate_domain = value;
        return value.size <= STUN_DOMAIN_MAX ? STUN_OK : STUN_ATTRIBUTE_TEXT;
    case STUN_ATTRIBUTE_USERHASH:
        m->userhash = value;
        return STUN_OK;
    case STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES:
        m->unknown_attributes = value;
        return STUN_OK;
    default:
        check(type == STUN_ATTRIBUTE_PADDING);
        m->padding = value;
        return STUN_OK;
    }
}

static enum stun_error take_number(struct stun_message *m, uint16_t type, struct stun_span value)
{
    struct reader r = reader_of(value.bytes, value.size);
    switch (type) {
    case STUN_ATTRIBUTE_CHANGE_REQUEST: {
        uint32_t flags = read_u32(&r);
        m->change_ip = (flags & STUN_WIRE_CHANGE_IP) != 0;
        m->change_port = (flags & STUN_WIRE_CHANGE_PORT) != 0;
        break;
    }
    case STUN_ATTRIBUTE_RESPONSE_PORT:
        m->response_port = read_u16(&r);
        if (m->response_port == 0)
            return STUN_ADDRESS_PORT;
        break;
    case STUN_ATTRIBUTE_CACHE_TIMEOUT:
        m->cache_timeout_s = read_u32(&r);
        break;
    case STUN_ATTRIBUTE_PRIORITY:
        m->priority = read_u32(&r);
        break;
    case STUN_ATTRIBUTE_ICE_CONTROLLED:
        m->ice_controlled = read_u64(&r);
        break;
    case STUN_ATTRIBUTE_ICE_CONTROLLING:
        m->ice_controlling = read_u64(&r);
        break;
    default:
        check(type == STUN_ATTRIBUTE_USE_CANDIDATE);
    }
    check(!r.failed);
    return STUN_OK;
}

static enum stun_error take_error_code(struct stun_message *m, struct stun_span value)
{
    struct reader r = reader_of(value.bytes, value.size);
    uint32_t code = read_u32(&r); /* 21 bits are reserved and ignored */
    uint32_t class = code >> 8 & 7;
    uint32_t number = code & 0xff;
    if (class < 3 || class > 6 || number > 99)
        return STUN_BAD_ERROR_CODE;
    m->error_code = (uint16_t)(class * 100 + number);
    m->error_reason.size = reader_left(&r);
    m->error_reason.bytes = read_span(&r, m->error_reason.size);
    check(!r.failed);
    if (!stun_text_fits(m->error_reason.bytes, m->error_reason.size))
        return STUN_ATTRIBUTE_TEXT;
    return STUN_OK;
}

/*
 * An entry's parameters are padded to four bytes like an attribute (RFC 8489, 14.11). Those of the
 * last one may be left to the attribute's own padding.
 */
bool stun_next_algorithm(struct stun_span list, size_t *index, struct stun_algorithm *algorithm)
{
    check(*index <= list.size);
    struct reader r = reader_of(list.bytes, list.size);
    read_skip(&r, *index);
    algorithm->number = read_u16(&r);
    algorithm->parameters.size = read_u16(&r);
    algorithm->parameters.bytes = read_span(&r, algorithm->parameters.size);
    if (r.failed)
        return false;
    if (reader_left(&r) > 0)
        read_skip(&r, stun_padding_of(algorithm->parameters.size));
    if (r.failed)
        return false;
    *index = r.index;
    return true;
}

static enum stun_error take_algorithms(struct stun_message *m, uint16_t type,
                                       struct stun_span value)
{
    struct stun_algorithm algorithm;
    size_t index = 0;
    if (type == STUN_ATTRIBUTE_PASSWORD_ALGORITHM) {
        if (!stun_next_algorithm(value, &index, &algorithm) || index != value.size)
            return STUN_BAD_ALGORITHMS;
        m->password_algorithm = algorithm.number;
        m->password_parameters = algorithm.parameters;
        return STUN_OK;
    }
    check(type == STUN_ATTRIBUTE_PASSWORD_ALGORITHMS);
    while (index < value.size) {
        if (!stun_next_algorithm(value, &index, &algorithm))
            return STUN_BAD_ALGORITHMS;
    }
    m->password_algorithms = value;
    return STUN_OK;
}

static void take_closing(struct stun_message *m, uint16_t type, size_t size, size_t at)
{
    check(at % 4 == 0);
    check(at >= STUN_HEADER_SIZE);
    if (type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY) {
        m->integrity_at = (uint32_t)at;
    } else if (type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256) {
        m->integrity_sha256_at = (uint32_t)at;
        m->integrity_sha256_size = (uint32_t)size;
    } else {
        check(type == STUN_ATTRIBUTE_FINGERPRINT);
        m->fingerprint_at = (uint32_t)at;
    }
}

static enum stun_error take_attribute(struct stun_message *m, const struct rule *rule,
                                      struct stun_span value, size_t at)
{
    if (value.size < rule->size_min || value.size > rule->size_max ||
        (value.size - rule->size_min) % rule->size_step != 0)
        return STUN_ATTRIBUTE_SIZE;
    m->has |= rule->bit;
    switch (rule->kind) {
    case KIND_ADDRESS:
        return take_address(m, rule->type, value);
    case KIND_TEXT:
        return take_text(m, rule->type, value);
    case KIND_BYTES:
        return take_bytes(m, rule->type, value);
    case KIND_NUMBER:
        return take_number(m, rule->type, value);
    case KIND_ERROR_CODE:
        return take_error_code(m, value);
    case KIND_ALGORITHMS:
        return take_algorithms(m, rule->type, value);
    default:
        check(rule->kind == KIND_CLOSING);
        take_closing(m, rule->type, value.size, at);
        return STUN_OK;
    }
}

static void note_unknown(struct stun_message *m, uint16_t type)
{
    unsigned listed = m->unknown_count < STUN_UNKNOWN_MAX ? m->unknown_count : STUN_UNKNOWN_MAX;
    for (unsigned i = 0; i < listed; i++) {
        if (m->unknown[i] == type)
            return;
    }
    if (listed < STUN_UNKNOWN_MAX)
        m->unknown[listed] = type;
    m->unknown_count++; /* at most one for every four bytes of the datagram */
}

/* What an integrity attribute does not cover counts only if it is one of those that may follow. */
static bool is_ignored(const struct stun_message *m, uint16_t type)
{
    if (type == STUN_ATTRIBUTE_FINGERPRINT)
        return false;
    if (stun_has(m, STUN_HAS_INTEGRITY_SHA256))
        return true;
    return stun_has(m, STUN_HAS_INTEGRITY) && type != STUN_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256;
}

/* The two marks tell Frama-C to look at each place and size by itself; compilers see comments. */
static enum stun_error decode_attributes(struct stun_message *m, struct reader *r)
{
    while (reader_left(r) > 0) {
        size_t at = r->index;
        //@ split at;
        uint16_t type = read_u16(r);
        struct stun_span value = {.size = read_u16(r)};
        if (value.size > reader_left(r))
            return STUN_ATTRIBUTE_OVERRUN;
        //@ split value.size;
        value.bytes = read_span(r, value.size);
        read_skip(r, stun_padding_of(value.size));
        if (r->failed)
            return STUN_ATTRIBUTE_OVERRUN;
        if (stun_has(m, STUN_HAS_FINGERPRINT))
            return STUN_FINGERPRINT_NOT_LAST;
        if (is_ignored(m, type))
            continue;
        const struct rule *rule = find_rule(type);
        if (rule == NULL) {
            if (type < 0x8000)
                note_unknown(m, type);
            continue;
        }
        if ((m->has & rule->bit) != 0)
            continue;
        enum stun_error error = take_attribute(m, rule, value, at);
        if (error != STUN_OK)
            return error;
    }
    return STUN_OK;
}

enum stun_error stun_decode(struct stun_message *message, const uint8_t *bytes, size_t length)
{
    uint16_t type;
    memset(message, 0, sizeof *message);
    enum stun_error error = read_header(bytes, length, &type);
    if (error != STUN_OK)
        return error;
    message->bytes = bytes;
    message->size = length;
    message->class = (uint8_t)((type >> 7 & 2) | (type >> 4 & 1));
    message->method = (uint16_t)((type >> 2 & 0xf80) | (type >> 1 & 0x70) | (type & 0xf));
    struct reader r = reader_of(bytes, length);
    read_skip(&r, STUN_TRANSACTION_AT);
    read_bytes(&r, message->transaction, STUN_TRANSACTION_SIZE);
    check(!r.failed);
    error = decode_attributes(message, &r);
    if (error != STUN_OK)
        memset(message, 0, sizeof *message);
    return error;
}

size_t stun_unknown_attribute_count(const struct stun_message *message)
{
    return message->unknown_attributes.size / 2;
}

uint16_t stun_unknown_attribute(const struct stun_message *message, size_t index)
{
    check(index < stun_unknown_attribute_count(message));
    struct stun_span types = message->unknown_attributes;
    struct reader r = reader_of(types.bytes, types.size);
    read_skip(&r, 2 * index);
    return read_u16(&r);
}
