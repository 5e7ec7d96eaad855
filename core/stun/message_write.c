/* STUN messages: struct to bytes. */
#include "core/base/check.h"
#include "core/stun/message.h"
#include "core/stun/wire.h"

/* Which of the attributes that close a message have been written. */
enum stage { STAGE_OPEN, STAGE_INTEGRITY, STAGE_INTEGRITY_SHA256, STAGE_FINGERPRINT };

static const uint8_t no_mask[16];

struct stun_writer stun_begin(uint8_t *buffer, size_t capacity, enum stun_class class,
                              uint16_t method,
                              const uint8_t transaction[static STUN_TRANSACTION_SIZE])
{
    check((unsigned)class <= STUN_ERROR);
    check(method <= STUN_METHOD_MAX);
    size_t length = capacity < STUN_MESSAGE_MAX ? capacity : STUN_MESSAGE_MAX;
    struct stun_writer w = {.out = writer_of(buffer, length), .stage = STAGE_OPEN};
    unsigned type = (method & 0xf80u) << 2 | (method & 0x70u) << 1 | (method & 0xfu) |
                    ((unsigned)class & 2) << 7 | ((unsigned)class & 1) << 4;
    write_u16(&w.out, (uint16_t)type);
    write_u16(&w.out, 0);
    write_u32(&w.out, STUN_COOKIE);
    write_bytes(&w.out, transaction, STUN_TRANSACTION_SIZE);
    return w;
}

size_t stun_end(struct stun_writer *w)
{
    if (w->out.failed)
        return 0;
    check(w->out.index >= STUN_HEADER_SIZE);
    check(w->out.index % 4 == 0);
    write_u16_at(&w->out, 2, (uint16_t)(w->out.index - STUN_HEADER_SIZE));
    return w->out.index;
}

/* The caller writes exactly `size` bytes, then calls pad(). False when they would not fit. */
static bool begin_attribute(struct stun_writer *w, uint16_t type, size_t size)
{
    if (size > w->out.length)
        w->out.failed = true;
    write_u16(&w->out, type);
    write_u16(&w->out, (uint16_t)size);
    return !w->out.failed;
}

static void pad(struct stun_writer *w, size_t size)
{
    for (size_t left = stun_padding_of(size); left > 0; left--)
        write_u8(&w->out, w->pad);
}

void stun_put_attribute(struct stun_writer *w, uint16_t type, const void *value, size_t size)
{
    check(w->stage == STAGE_OPEN);
    check(value != NULL || size == 0);
    if (!begin_attribute(w, type, size))
        return;
    write_bytes(&w->out, value, size);
    pad(w, size);
}

void stun_put_closing(struct stun_writer *w, uint16_t type, const uint8_t *value, size_t size)
{
    enum stage stage = STAGE_FINGERPRINT;
    if (type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY)
        stage = STAGE_INTEGRITY;
    else if (type == STUN_ATTRIBUTE_MESSAGE_INTEGRITY_SHA256)
        stage = STAGE_INTEGRITY_SHA256;
    check(w->stage < stage);
    check(size % 4 == 0);
    w->stage = (uint8_t)stage;
    if (begin_attribute(w, type, size))
        write_bytes(&w->out, value, size);
}

static void put_address(struct stun_writer *w, uint16_t type, const struct addr *addr,
                        const uint8_t mask[static 16])
{
    check(w->stage == STAGE_OPEN);
    check(addr->family == ADDR_V4 || addr->family == ADDR_V6);
    size_t ip_size = addr_ip_size(addr);
    if (!begin_attribute(w, type, 4 + ip_size))
        return;
    write_u8(&w->out, 0);
    write_u8(&w->out, addr->family == ADDR_V4 ? STUN_WIRE_FAMILY_V4 : STUN_WIRE_FAMILY_V6);
    write_u16(&w->out, (uint16_t)(addr->port ^ (mask[0] << 8 | mask[1])));
    for (size_t i = 0; i < ip_size; i++)
        write_u8(&w->out, addr->ip[i] ^ mask[i]);
}

void stun_put_mapped_address(struct stun_writer *w, const struct addr *addr)
{
    put_address(w, STUN_ATTRIBUTE_MAPPED_ADDRESS, addr, no_mask);
}

void stun_put_xor_mapped_address(struct stun_writer *w, const struct addr *addr)
{
    if (!w->out.failed)
        put_address(w, STUN_ATTRIBUTE_XOR_MAPPED_ADDRESS, addr, w->out.base + STUN_MASK_AT);
}

void stun_put_alternate_server(struct stun_writer *w, const struct addr *addr)
{
    put_address(w, STUN_ATTRIBUTE_ALTERNATE_SERVER, addr, no_mask);
}

void stun_put_response_origin(struct stun_writer *w, const struct addr *addr)
{
    put_address(w, STUN_ATTRIBUTE_RESPONSE_ORIGIN, addr, no_mask);
}

void stun_put_other_address(struct stun_writer *w, const struct addr *addr)
{
    put_address(w, STUN_ATTRIBUTE_OTHER_ADDRESS, addr, no_mask);
}

static void put_text(struct stun_writer *w, uint16_t type, const void *text, size_t size)
{
    if (stun_text_fits(text, size))
        stun_put_attribute(w, type, text, size);
    else
        w->out.failed = true;
}

void stun_put_realm(struct stun_writer *w, const void *text, size_t size)
{
    put_text(w, STUN_ATTRIBUTE_REALM, text, size);
}

void stun_put_nonce(struct stun_writer *w, const void *text, size_t size)
{
    put_text(w, STUN_ATTRIBUTE_NONCE, text, size);
}

void stun_put_software(struct stun_writer *w, const void *text, size_t size)
{
    put_text(w, STUN_ATTRIBUTE_SOFTWARE, text, size);
}

void stun_put_username(struct stun_writer *w, const void *text, size_t size)
{
    if (size <= STUN_USERNAME_MAX)
        stun_put_attribute(w, STUN_ATTRIBUTE_USERNAME, text, size);
    else
        w->out.failed = true;
}

void stun_put_alternate_domain(struct stun_writer *w, const void *text, size_t size)
{
    if (size <= STUN_DOMAIN_MAX)
        stun_put_attribute(w, STUN_ATTRIBUTE_ALTERNATE_DOMAIN, text, size);
    else
        w->out.failed = true;
}

void stun_put_userhash(struct stun_writer *w, const uint8_t hash[static STUN_USERHASH_SIZE])
{
    stun_put_attribute(w, STUN_ATTRIBUTE_USERHASH, hash, STUN_USERHASH_SIZE);
}

void stun_put_error_code(struct stun_writer *w, uint16_t code, const void *reason,
                         size_t reason_size)
{
    check(w->stage == STAGE_OPEN);
    check(code >= 300 && code <= 699);
    if (!stun_text_fits(reason, reason_size))
        w->out.failed = true;
    if (!begin_attribute(w, STUN_ATTRIBUTE_ERROR_CODE, 4 + reason_size))
        return;
    write_u16(&w->out, 0);
    write_u8(&w->out, (uint8_t)(code / 100));
    write_u8(&w->out, (uint8_t)(code % 100));
    write_bytes(&w->out, reason, reason_size);
    pad(w, reason_size);
}

void stun_put_unknown_attributes(struct stun_writer *w, const uint16_t *types, size_t count)
{
    check(w->stage == STAGE_OPEN);
    check(count <= UINT16_MAX / 2);
    if (!begin_attribute(w, STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, 2 * count))
        return;
    for (size_t i = 0; i < count; i++)
        write_u16(&w->out, types[i]);
    pad(w, 2 * count);
}

static void put_algorithm_entry(struct stun_writer *w, const struct stun_algorithm *algorithm)
{
    write_u16(&w->out, algorithm->number);
    write_u16(&w->out, (uint16_t)algorithm->parameters.size);
    write_bytes(&w->out, algorithm->parameters.bytes, algorithm->parameters.size);
    pad(w, algorithm->parameters.size);
}

static void put_algorithms(struct stun_writer *w, uint16_t type, const struct stun_algorithm *list,
                           size_t count)
{
    check(w->stage == STAGE_OPEN);
    check(count > 0);
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        check(list[i].parameters.size <= UINT16_MAX);
        size += 4 + list[i].parameters.size + stun_padding_of(list[i].parameters.size);
    }
    if (!begin_attribute(w, type, size))
        return;
    for (size_t i = 0; i < count; i++)
        put_algorithm_entry(w, &list[i]);
}

void stun_put_password_algorithm(struct stun_writer *w, const struct stun_algorithm *algorithm)
{
    put_algorithms(w, STUN_ATTRIBUTE_PASSWORD_ALGORITHM, algorithm, 1);
}

void stun_put_password_algorithms(struct stun_writer *w, const struct stun_algorithm *list,
                                  size_t count)
{
    put_algorithms(w, STUN_ATTRIBUTE_PASSWORD_ALGORITHMS, list, count);
}

static void put_u32(struct stun_writer *w, uint16_t type, uint32_t value)
{
    check(w->stage == STAGE_OPEN);
    if (begin_attribute(w, type, 4))
        write_u32(&w->out, value);
}

static void put_u64(struct stun_writer *w, uint16_t type, uint64_t value)
{
    check(w->stage == STAGE_OPEN);
    if (begin_attribute(w, type, 8))
        write_u64(&w->out, value);
}

void stun_put_priority(struct stun_writer *w, uint32_t priority)
{
    put_u32(w, STUN_ATTRIBUTE_PRIORITY, priority);
}

void stun_put_use_candidate(struct stun_writer *w)
{
    stun_put_attribute(w, STUN_ATTRIBUTE_USE_CANDIDATE, NULL, 0);
}

void stun_put_ice_controlled(struct stun_writer *w, uint64_t tie_breaker)
{
    put_u64(w, STUN_ATTRIBUTE_ICE_CONTROLLED, tie_breaker);
}

void stun_put_ice_controlling(struct stun_writer *w, uint64_t tie_breaker)
{
    put_u64(w, STUN_ATTRIBUTE_ICE_CONTROLLING, tie_breaker);
}

void stun_put_change_request(struct stun_writer *w, bool change_ip, bool change_port)
{
    put_u32(w, STUN_ATTRIBUTE_CHANGE_REQUEST,
            (change_ip ? STUN_WIRE_CHANGE_IP : 0u) | (change_port ? STUN_WIRE_CHANGE_PORT : 0u));
}

void stun_put_padding(struct stun_writer *w, size_t size)
{
    check(w->stage == STAGE_OPEN);
    if (!begin_attribute(w, STUN_ATTRIBUTE_PADDING, size))
        return;
    write_zero(&w->out, size);
    pad(w, size);
}

void stun_put_response_port(struct stun_writer *w, uint16_t port)
{
    check(port != 0);
    put_u32(w, STUN_ATTRIBUTE_RESPONSE_PORT, (uint32_t)port << 16);
}

void stun_put_cache_timeout(struct stun_writer *w, uint32_t timeout_s)
{
    put_u32(w, STUN_ATTRIBUTE_CACHE_TIMEOUT, timeout_s);
}

static void put_addresses_from(struct stun_writer *w, const struct stun_message *m)
{
    if (stun_has(m, STUN_HAS_MAPPED_ADDRESS))
        stun_put_mapped_address(w, &m->mapped_address);
    if (stun_has(m, STUN_HAS_XOR_MAPPED_ADDRESS))
        stun_put_xor_mapped_address(w, &m->xor_mapped_address);
    if (stun_has(m, STUN_HAS_RESPONSE_ORIGIN))
        stun_put_response_origin(w, &m->response_origin);
    if (stun_has(m, STUN_HAS_OTHER_ADDRESS))
        stun_put_other_address(w, &m->other_address);
    if (stun_has(m, STUN_HAS_ALTERNATE_SERVER))
        stun_put_alternate_server(w, &m->alternate_server);
}

static void put_numbers_from(struct stun_writer *w, const struct stun_message *m)
{
    if (stun_has(m, STUN_HAS_PRIORITY))
        stun_put_priority(w, m->priority);
    if (stun_has(m, STUN_HAS_USE_CANDIDATE))
        stun_put_use_candidate(w);
    if (stun_has(m, STUN_HAS_ICE_CONTROLLED))
        stun_put_ice_controlled(w, m->ice_controlled);
    if (stun_has(m, STUN_HAS_ICE_CONTROLLING))
        stun_put_ice_controlling(w, m->ice_controlling);
    if (stun_has(m, STUN_HAS_CHANGE_REQUEST))
        stun_put_change_request(w, m->change_ip, m->change_port);
    if (stun_has(m, STUN_HAS_RESPONSE_PORT))
        stun_put_response_port(w, m->response_port);
    if (stun_has(m, STUN_HAS_CACHE_TIMEOUT))
        stun_put_cache_timeout(w, m->cache_timeout_s);
    if (stun_has(m, STUN_HAS_PADDING))
        stun_put_padding(w, m->padding.size);
}

static void put_credentials_from(struct stun_writer *w, const struct stun_message *m)
{
    if (stun_has(m, STUN_HAS_USERNAME))
        stun_put_username(w, m->username.bytes, m->username.size);
    if (stun_has(m, STUN_HAS_USERHASH))
        stun_put_userhash(w, m->userhash.bytes);
    if (stun_has(m, STUN_HAS_REALM))
        stun_put_realm(w, m->realm.bytes, m->realm.size);
    if (stun_has(m, STUN_HAS_NONCE))
        stun_put_nonce(w, m->nonce.bytes, m->nonce.size);
    if (stun_has(m, STUN_HAS_PASSWORD_ALGORITHMS))
        stun_put_attribute(w, STUN_ATTRIBUTE_PASSWORD_ALGORITHMS, m->password_algorithms.bytes,
                           m->password_algorithms.size);
    if (stun_has(m, STUN_HAS_PASSWORD_ALGORITHM)) {
        struct stun_algorithm algorithm = {m->password_algorithm, m->password_parameters};
        stun_put_password_algorithm(w, &algorithm);
    }
}

struct stun_writer stun_begin_from(uint8_t *buffer, size_t capacity,
                                   const struct stun_message *message)
{
    const struct stun_message *m = message;
    struct stun_writer w =
        stun_begin(buffer, capacity, (enum stun_class)m->class, m->method, m->transaction);
    if (stun_has(m, STUN_HAS_ERROR_CODE))
        stun_put_error_code(&w, m->error_code, m->error_reason.bytes, m->error_reason.size);
    if (stun_has(m, STUN_HAS_UNKNOWN_ATTRIBUTES))
        stun_put_attribute(&w, STUN_ATTRIBUTE_UNKNOWN_ATTRIBUTES, m->unknown_attributes.bytes,
                           m->unknown_attributes.size);
    put_addresses_from(&w, m);
    put_numbers_from(&w, m);
    put_credentials_from(&w, m);
    if (stun_has(m, STUN_HAS_ALTERNATE_DOMAIN))
        stun_put_alternate_domain(&w, m->alternate_domain.bytes, m->alternate_domain.size);
    if (stun_has(m, STUN_HAS_SOFTWARE))
        stun_put_software(&w, m->software.bytes, m->software.size);
    return w;
}
