/* The canonical bytes of certificates, credentials and server records. */
#include "core/bootstrap/identity.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

enum { FORMAT = 1, ADDRESS_V4_SIZE = 4, ADDRESS_V6_SIZE = 16 };

static const char *const error_names[IDENTITY_ERROR_COUNT] = {
    [IDENTITY_OK] = "ok",
    [IDENTITY_TRUNCATED] = "truncated",
    [IDENTITY_TRAILING] = "trailing-bytes",
    [IDENTITY_WRONG_KIND] = "wrong-kind",
    [IDENTITY_WRONG_FORMAT] = "wrong-format",
    [IDENTITY_BAD_KEY] = "bad-key",
    [IDENTITY_BAD_LABEL] = "bad-label",
    [IDENTITY_BAD_ROLES] = "bad-roles",
    [IDENTITY_BAD_VALIDITY] = "bad-validity",
    [IDENTITY_TOO_MANY] = "too-many",
    [IDENTITY_BAD_ADDRESS] = "bad-address",
    [IDENTITY_BAD_ORDER] = "bad-order",
    [IDENTITY_NO_ROOT] = "no-root",
    [IDENTITY_WRONG_ISSUER] = "wrong-issuer",
    [IDENTITY_WRONG_OWNER] = "wrong-owner",
    [IDENTITY_CERTIFICATE_EARLY] = "certificate-early",
    [IDENTITY_CERTIFICATE_EXPIRED] = "certificate-expired",
    [IDENTITY_CERTIFICATE_REVOKED] = "certificate-revoked",
    [IDENTITY_NOT_ISSUER] = "not-issuer",
    [IDENTITY_CREDENTIAL_EXPIRED] = "credential-expired",
    [IDENTITY_CREDENTIAL_REVOKED] = "credential-revoked",
    [IDENTITY_CERTIFICATE_SIGNATURE] = "certificate-signature",
    [IDENTITY_CREDENTIAL_SIGNATURE] = "credential-signature",
    [IDENTITY_RECORD_SIGNATURE] = "record-signature",
};

const char *identity_error_name(enum identity_error error)
{
    /* By way of a wider number, because an enum may be unsigned or not. */
    int64_t index = (int64_t)error;
    return index >= 0 && index < IDENTITY_ERROR_COUNT ? error_names[index] : "?";
}

/* ---- Rules ---- */

bool label_is_valid(const char *text, size_t size, size_t max)
{
    if (size == 0 || size > max || text[0] == '-' || text[size - 1] == '-')
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = text[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

struct label label_of(const char *text, size_t size)
{
    struct label label = {0};
    if (label_is_valid(text, size, IDENTITY_LABEL_MAX)) {
        label.size = (uint8_t)size;
        memcpy(label.text, text, size);
    }
    return label;
}

static int label_compare(const struct label *a, const struct label *b)
{
    check(a->size <= IDENTITY_LABEL_MAX && b->size <= IDENTITY_LABEL_MAX);
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    if (order != 0)
        return order;
    return (a->size > b->size) - (a->size < b->size);
}

bool label_equal(const struct label *a, const struct label *b)
{
    return label_compare(a, b) == 0;
}

static int endpoint_compare(const struct endpoint *a, const struct endpoint *b)
{
    if (a->role != b->role)
        return a->role < b->role ? -1 : 1;
    return addr_compare(&a->addr, &b->addr);
}

static bool is_zero_key(const uint8_t key[static IDENTITY_SIZE])
{
    static const uint8_t zero[IDENTITY_SIZE];
    return memcmp(key, zero, sizeof zero) == 0;
}

static bool address_is_valid(const struct addr *addr)
{
    return addr_is_unicast(addr) && !addr_is_mapped_v4(addr);
}

static enum identity_error certificate_rules(const struct certificate *c)
{
    if (is_zero_key(c->identity) || is_zero_key(c->tunnel_key))
        return IDENTITY_BAD_KEY;
    if (!label_is_valid(c->name.text, c->name.size, IDENTITY_LABEL_MAX))
        return IDENTITY_BAD_LABEL;
    if (c->roles == 0 || (c->roles & ~(unsigned)IDENTITY_ROLES_ALL) != 0)
        return IDENTITY_BAD_ROLES;
    if (c->not_after_s < c->not_before_s)
        return IDENTITY_BAD_VALIDITY;
    return IDENTITY_OK;
}

static enum identity_error address_rules(const struct credential *c)
{
    if (c->address_count > CREDENTIAL_ADDRESSES_MAX)
        return IDENTITY_TOO_MANY;
    for (size_t i = 0; i < c->address_count; i++) {
        if (!address_is_valid(&c->addresses[i]) || c->addresses[i].port != 0)
            return IDENTITY_BAD_ADDRESS;
        if (i > 0 && addr_compare(&c->addresses[i - 1], &c->addresses[i]) >= 0)
            return IDENTITY_BAD_ORDER;
    }
    return IDENTITY_OK;
}

static enum identity_error tag_rules(const struct credential *c)
{
    if (c->tag_count > CREDENTIAL_TAGS_MAX)
        return IDENTITY_TOO_MANY;
    for (size_t i = 0; i < c->tag_count; i++) {
        if (!label_is_valid(c->tags[i].text, c->tags[i].size, IDENTITY_TAG_MAX))
            return IDENTITY_BAD_LABEL;
        if (i > 0 && label_compare(&c->tags[i - 1], &c->tags[i]) >= 0)
            return IDENTITY_BAD_ORDER;
    }
    return IDENTITY_OK;
}

static enum identity_error credential_rules(const struct credential *c)
{
    if (is_zero_key(c->identity) || is_zero_key(c->tunnel_key) || is_zero_key(c->issuer))
        return IDENTITY_BAD_KEY;
    if (!label_is_valid(c->name.text, c->name.size, IDENTITY_LABEL_MAX))
        return IDENTITY_BAD_LABEL;
    enum identity_error error = address_rules(c);
    return error != IDENTITY_OK ? error : tag_rules(c);
}

static enum identity_error server_record_rules(const struct server_record *r)
{
    if (is_zero_key(r->owner))
        return IDENTITY_BAD_KEY;
    if (r->region.size > 0 && !label_is_valid(r->region.text, r->region.size, IDENTITY_LABEL_MAX))
        return IDENTITY_BAD_LABEL;
    if (r->endpoint_count > SERVER_ENDPOINTS_MAX)
        return IDENTITY_TOO_MANY;
    for (size_t i = 0; i < r->endpoint_count; i++) {
        const struct endpoint *e = &r->endpoints[i];
        if (e->role == 0 || e->role > ENDPOINT_ROLE_MAX)
            return IDENTITY_BAD_ROLES;
        if (!address_is_valid(&e->addr) || e->addr.port == 0)
            return IDENTITY_BAD_ADDRESS;
        if (i > 0 && endpoint_compare(&r->endpoints[i - 1], e) >= 0)
            return IDENTITY_BAD_ORDER;
    }
    return IDENTITY_OK;
}

/* ---- Sorting: a handful of entries, so by insertion; what is there already is dropped ---- */

void credential_sort(struct credential *c)
{
    check(c->address_count <= CREDENTIAL_ADDRESSES_MAX);
    check(c->tag_count <= CREDENTIAL_TAGS_MAX);
    uint8_t count = 0;
    for (size_t i = 0; i < c->address_count; i++) {
        const struct addr entry = c->addresses[i];
        size_t at = 0;
        while (at < count && addr_compare(&c->addresses[at], &entry) < 0)
            at++;
        if (at < count && addr_equal(&c->addresses[at], &entry))
            continue;
        memmove(&c->addresses[at + 1], &c->addresses[at], (count - at) * sizeof entry);
        c->addresses[at] = entry;
        count++;
    }
    c->address_count = count;
    count = 0;
    for (size_t i = 0; i < c->tag_count; i++) {
        const struct label entry = c->tags[i];
        size_t at = 0;
        while (at < count && label_compare(&c->tags[at], &entry) < 0)
            at++;
        if (at < count && label_equal(&c->tags[at], &entry))
            continue;
        memmove(&c->tags[at + 1], &c->tags[at], (count - at) * sizeof entry);
        c->tags[at] = entry;
        count++;
    }
    c->tag_count = count;
}

void server_record_sort(struct server_record *r)
{
    check(r->endpoint_count <= SERVER_ENDPOINTS_MAX);
    uint8_t count = 0;
    for (size_t i = 0; i < r->endpoint_count; i++) {
        const struct endpoint entry = r->endpoints[i];
        size_t at = 0;
        while (at < count && endpoint_compare(&r->endpoints[at], &entry) < 0)
            at++;
        if (at < count && endpoint_compare(&r->endpoints[at], &entry) == 0)
            continue;
        memmove(&r->endpoints[at + 1], &r->endpoints[at], (count - at) * sizeof entry);
        r->endpoints[at] = entry;
        count++;
    }
    r->endpoint_count = count;
    check(count <= SERVER_ENDPOINTS_MAX);
}

/* ---- Decoding ---- */

/* What has gone wrong so far; the first thing stays. */
struct decoder {
    struct reader in;
    enum identity_error error;
};

static void refuse(struct decoder *d, enum identity_error error)
{
    if (d->error == IDENTITY_OK)
        d->error = error;
    d->in.failed = true; /* so that nothing more is read */
}

static struct decoder decoder_of(const uint8_t *bytes, size_t size, enum identity_kind kind)
{
    struct decoder d = {.in = reader_of(bytes, size)};
    uint8_t got_kind = read_u8(&d.in), got_format = read_u8(&d.in);
    if (d.in.failed)
        refuse(&d, IDENTITY_TRUNCATED);
    else if (got_kind != kind)
        refuse(&d, IDENTITY_WRONG_KIND);
    else if (got_format != FORMAT)
        refuse(&d, IDENTITY_WRONG_FORMAT);
    return d;
}

/* What the bytes' form says; the rules of the fields come on top. */
static enum identity_error decoder_end(struct decoder *d)
{
    if (d->error != IDENTITY_OK)
        return d->error;
    if (d->in.failed)
        return IDENTITY_TRUNCATED;
    return reader_left(&d->in) > 0 ? IDENTITY_TRAILING : IDENTITY_OK;
}

static void decode_label(struct decoder *d, struct label *label)
{
    uint8_t size = read_u8(&d->in);
    if (size > IDENTITY_LABEL_MAX) {
        refuse(d, IDENTITY_BAD_LABEL);
        return;
    }
    label->size = size;
    read_bytes(&d->in, (uint8_t *)label->text, size);
}

/* The length of a list, at most `max`. */
static uint8_t decode_count(struct decoder *d, uint8_t max)
{
    uint8_t count = read_u8(&d->in);
    if (count <= max)
        return count;
    refuse(d, IDENTITY_TOO_MANY);
    return 0;
}

static void decode_ip(struct decoder *d, struct addr *addr)
{
    uint8_t family = read_u8(&d->in);
    if (family == ADDR_V4)
        read_bytes(&d->in, addr->ip, ADDRESS_V4_SIZE);
    else if (family == ADDR_V6)
        read_bytes(&d->in, addr->ip, ADDRESS_V6_SIZE);
    else
        refuse(d, d->in.failed ? IDENTITY_TRUNCATED : IDENTITY_BAD_ADDRESS);
    addr->family = d->in.failed ? ADDR_NONE : family;
}

enum identity_error certificate_decode(struct certificate *c, const uint8_t *bytes, size_t size)
{
    struct decoder d = decoder_of(bytes, size, IDENTITY_CERTIFICATE);
    memset(c, 0, sizeof *c);
    read_bytes(&d.in, c->identity, sizeof c->identity);
    read_bytes(&d.in, c->tunnel_key, sizeof c->tunnel_key);
    decode_label(&d, &c->name);
    c->roles = read_u16(&d.in);
    c->not_before_s = read_u64(&d.in);
    c->not_after_s = read_u64(&d.in);
    c->serial = read_u32(&d.in);
    read_bytes(&d.in, c->signature, sizeof c->signature);
    enum identity_error error = decoder_end(&d);
    if (error == IDENTITY_OK)
        error = certificate_rules(c);
    if (error != IDENTITY_OK)
        memset(c, 0, sizeof *c);
    return error;
}

enum identity_error credential_decode(struct credential *c, const uint8_t *bytes, size_t size)
{
    struct decoder d = decoder_of(bytes, size, IDENTITY_CREDENTIAL);
    memset(c, 0, sizeof *c);
    read_bytes(&d.in, c->identity, sizeof c->identity);
    read_bytes(&d.in, c->tunnel_key, sizeof c->tunnel_key);
    decode_label(&d, &c->name);
    c->address_count = decode_count(&d, CREDENTIAL_ADDRESSES_MAX);
    for (size_t i = 0; i < c->address_count; i++)
        decode_ip(&d, &c->addresses[i]);
    c->tag_count = decode_count(&d, CREDENTIAL_TAGS_MAX);
    for (size_t i = 0; i < c->tag_count; i++)
        decode_label(&d, &c->tags[i]);
    c->expiry_s = read_u64(&d.in);
    read_bytes(&d.in, c->issuer, sizeof c->issuer);
    read_bytes(&d.in, c->signature, sizeof c->signature);
    enum identity_error error = decoder_end(&d);
    if (error == IDENTITY_OK)
        error = credential_rules(c);
    if (error != IDENTITY_OK)
        memset(c, 0, sizeof *c);
    return error;
}

enum identity_error server_record_decode(struct server_record *r, const uint8_t *bytes, size_t size)
{
    struct decoder d = decoder_of(bytes, size, IDENTITY_SERVER_RECORD);
    memset(r, 0, sizeof *r);
    read_bytes(&d.in, r->owner, sizeof r->owner);
    r->version = read_u64(&d.in);
    decode_label(&d, &r->region);
    r->load = read_u16(&d.in);
    read_bytes(&d.in, r->tls_key_hash, sizeof r->tls_key_hash);
    r->endpoint_count = decode_count(&d, SERVER_ENDPOINTS_MAX);
    for (size_t i = 0; i < r->endpoint_count; i++) {
        r->endpoints[i].role = read_u8(&d.in);
        decode_ip(&d, &r->endpoints[i].addr);
        r->endpoints[i].addr.port = read_u16(&d.in);
    }
    read_bytes(&d.in, r->signature, sizeof r->signature);
    enum identity_error error = decoder_end(&d);
    if (error == IDENTITY_OK)
        error = server_record_rules(r);
    if (error != IDENTITY_OK)
        memset(r, 0, sizeof *r);
    return error;
}

/* ---- Encoding, of structs that keep the rules ---- */

static struct writer encoder_of(uint8_t *to, size_t room, enum identity_kind kind)
{
    struct writer w = writer_of(to, room);
    write_u8(&w, (uint8_t)kind);
    write_u8(&w, FORMAT);
    return w;
}

static void encode_label(struct writer *w, const struct label *label)
{
    check(label->size <= IDENTITY_LABEL_MAX);
    write_u8(w, label->size);
    write_bytes(w, (const uint8_t *)label->text, label->size);
}

static void encode_ip(struct writer *w, const struct addr *addr)
{
    check(addr->family != ADDR_NONE);
    write_u8(w, addr->family);
    write_bytes(w, addr->ip, addr_ip_size(addr));
}

static size_t encoded(const struct writer *w)
{
    check(w->index <= w->length);
    return w->failed ? 0 : w->index;
}

size_t certificate_encode(const struct certificate *c, uint8_t *to, size_t room)
{
    if (certificate_rules(c) != IDENTITY_OK)
        return 0;
    struct writer w = encoder_of(to, room, IDENTITY_CERTIFICATE);
    write_bytes(&w, c->identity, sizeof c->identity);
    write_bytes(&w, c->tunnel_key, sizeof c->tunnel_key);
    encode_label(&w, &c->name);
    write_u16(&w, c->roles);
    write_u64(&w, c->not_before_s);
    write_u64(&w, c->not_after_s);
    write_u32(&w, c->serial);
    write_bytes(&w, c->signature, sizeof c->signature);
    return encoded(&w);
}

size_t credential_encode(const struct credential *c, uint8_t *to, size_t room)
{
    if (credential_rules(c) != IDENTITY_OK)
        return 0;
    struct writer w = encoder_of(to, room, IDENTITY_CREDENTIAL);
    write_bytes(&w, c->identity, sizeof c->identity);
    write_bytes(&w, c->tunnel_key, sizeof c->tunnel_key);
    encode_label(&w, &c->name);
    write_u8(&w, c->address_count);
    for (size_t i = 0; i < c->address_count; i++)
        encode_ip(&w, &c->addresses[i]);
    write_u8(&w, c->tag_count);
    for (size_t i = 0; i < c->tag_count; i++)
        encode_label(&w, &c->tags[i]);
    write_u64(&w, c->expiry_s);
    write_bytes(&w, c->issuer, sizeof c->issuer);
    write_bytes(&w, c->signature, sizeof c->signature);
    return encoded(&w);
}

size_t server_record_encode(const struct server_record *r, uint8_t *to, size_t room)
{
    if (server_record_rules(r) != IDENTITY_OK)
        return 0;
    struct writer w = encoder_of(to, room, IDENTITY_SERVER_RECORD);
    write_bytes(&w, r->owner, sizeof r->owner);
    write_u64(&w, r->version);
    encode_label(&w, &r->region);
    write_u16(&w, r->load);
    write_bytes(&w, r->tls_key_hash, sizeof r->tls_key_hash);
    write_u8(&w, r->endpoint_count);
    for (size_t i = 0; i < r->endpoint_count; i++) {
        write_u8(&w, r->endpoints[i].role);
        encode_ip(&w, &r->endpoints[i].addr);
        write_u16(&w, r->endpoints[i].addr.port);
    }
    write_bytes(&w, r->signature, sizeof r->signature);
    return encoded(&w);
}

struct addr server_record_endpoint(const struct server_record *record, enum endpoint_role role,
                                   uint8_t family)
{
    for (unsigned i = 0; i < record->endpoint_count; i++) {
        const struct endpoint *endpoint = &record->endpoints[i];
        if (endpoint->role == role && (family == ADDR_NONE || endpoint->addr.family == family))
            return endpoint->addr;
    }
    return (struct addr){0};
}
