/*
 * Fuzzes the STUN codec: any bytes are decoded; what is accepted is written again, decoded again,
 * and must say the same.
 */
#include "core/base/check.h"
#include "core/stun/integrity.h"
#include "core/stun/message.h"
#include "fuzz/harness.h"
#include "fuzz/null_crypto.h"

static const uint8_t key[] = "key";

static bool same_span(struct stun_span a, struct stun_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static void check_same_spans(const struct stun_message *a, const struct stun_message *b)
{
    check(same_span(a->username, b->username));
    check(same_span(a->realm, b->realm));
    check(same_span(a->nonce, b->nonce));
    check(same_span(a->software, b->software));
    check(same_span(a->alternate_domain, b->alternate_domain));
    check(same_span(a->userhash, b->userhash));
    check(same_span(a->error_reason, b->error_reason));
    check(same_span(a->unknown_attributes, b->unknown_attributes));
    check(same_span(a->password_algorithms, b->password_algorithms));
    check(same_span(a->password_parameters, b->password_parameters));
    check(a->padding.size == b->padding.size);
}

/* All but places and padding bytes, which a message does not mean anything by. */
static void check_same(const struct stun_message *a, const struct stun_message *b)
{
    check(a->has == b->has);
    check(a->class == b->class);
    check(a->method == b->method);
    check(memcmp(a->transaction, b->transaction, STUN_TRANSACTION_SIZE) == 0);
    check(addr_equal(&a->mapped_address, &b->mapped_address));
    check(addr_equal(&a->xor_mapped_address, &b->xor_mapped_address));
    check(addr_equal(&a->alternate_server, &b->alternate_server));
    check(addr_equal(&a->response_origin, &b->response_origin));
    check(addr_equal(&a->other_address, &b->other_address));
    check(a->error_code == b->error_code);
    check(a->password_algorithm == b->password_algorithm);
    check(a->priority == b->priority);
    check(a->ice_controlled == b->ice_controlled);
    check(a->ice_controlling == b->ice_controlling);
    check(a->change_ip == b->change_ip);
    check(a->change_port == b->change_port);
    check(a->response_port == b->response_port);
    check(a->cache_timeout_s == b->cache_timeout_s);
    check(a->integrity_sha256_size == b->integrity_sha256_size);
    check_same_spans(a, b);
}

static size_t encode(uint8_t *to, size_t room, const struct stun_message *m)
{
    struct stun_writer w = stun_begin_from(to, room, m);
    if (stun_has(m, STUN_HAS_INTEGRITY))
        stun_put_integrity(&w, &crypto_null, key, sizeof key);
    if (stun_has(m, STUN_HAS_INTEGRITY_SHA256))
        stun_put_integrity_sha256(&w, &crypto_null, key, sizeof key, m->integrity_sha256_size);
    if (stun_has(m, STUN_HAS_FINGERPRINT))
        stun_put_fingerprint(&w);
    return stun_end(&w);
}

/* Reads every byte that an accessor hands out. */
static void walk(const struct stun_message *m)
{
    size_t index = 0;
    struct stun_algorithm algorithm;
    while (stun_next_algorithm(m->password_algorithms, &index, &algorithm))
        check(algorithm.parameters.size <= m->password_algorithms.size);
    check(index == m->password_algorithms.size);
    unsigned sum = 0;
    for (size_t i = 0; i < stun_unknown_attribute_count(m); i++)
        sum += stun_unknown_attribute(m, i);
    check(sum <= 65535 * stun_unknown_attribute_count(m));
    (void)stun_check_integrity(m, &crypto_null, key, sizeof key);
    (void)stun_check_integrity_sha256(m, &crypto_null, key, sizeof key);
    (void)stun_check_fingerprint(m);
}

static void check_round_trip(const struct stun_message *m)
{
    /* Nothing that is read is written longer, so this is room enough. */
    uint8_t *bytes = malloc(m->size);
    check(bytes != NULL);
    size_t size = encode(bytes, m->size, m);
    check(size >= STUN_HEADER_SIZE && size <= m->size);
    check(stun_is_message(bytes, size));
    struct stun_message again;
    enum stun_error error = stun_decode(&again, bytes, size);
    check(error == STUN_OK);
    check(again.unknown_count == 0);
    check_same(m, &again);
    check(stun_check_integrity(&again, &crypto_null, key, sizeof key) ==
          stun_has(m, STUN_HAS_INTEGRITY));
    check(stun_check_integrity_sha256(&again, &crypto_null, key, sizeof key) ==
          stun_has(m, STUN_HAS_INTEGRITY_SHA256));
    check(stun_check_fingerprint(&again) == stun_has(m, STUN_HAS_FINGERPRINT));
    uint8_t *shorter = malloc(size - 1);
    check(shorter != NULL);
    size = encode(shorter, size - 1, m);
    check(size == 0);
    free(shorter);
    free(bytes);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    struct stun_message m;
    enum stun_error error = stun_decode(&m, data, size);
    bool is_message = stun_is_message(data, size);
    check(stun_error_name(error) != NULL);
    check(is_message == (error == STUN_OK || error >= STUN_ATTRIBUTE_OVERRUN));
    if (error != STUN_OK)
        return;
    walk(&m);
    if (size <= STUN_MESSAGE_MAX)
        check_round_trip(&m);
}
