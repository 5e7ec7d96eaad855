/* Control messages and the bodies of probes: bytes to struct and back. */
#include "core/punch/message.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

/* What stands in a message, in this order, behind its type. */
enum field {
    FIELD_FLAG = 1 << 0,
    FIELD_VERSION = 1 << 1,
    FIELD_NONCE = 1 << 2,
    FIELD_IDENTITY = 1 << 3,
    FIELD_CHANNEL = 1 << 4,
    FIELD_OTHER = 1 << 5,
    FIELD_OBSERVED = 1 << 6,
    FIELD_TOKEN = 1 << 7,
    FIELD_INTRODUCTION = 1 << 8,
    FIELD_PARTY = 1 << 9, /* but for its introduction */
    FIELD_LOCATIONS = 1 << 10,
    FIELD_PADDING = 1 << 11,
};

struct shape {
    uint16_t fields; /* 0: there is no such type */
    uint8_t flag_min;
    uint8_t flag_max;
    uint8_t kind_max; /* enum punch_candidate_kind */
};

static const struct shape shapes[] = {
    [PUNCH_REGISTER] = {FIELD_FLAG | FIELD_VERSION | FIELD_PARTY, 0, 1, PUNCH_CANDIDATE_HOST},
    [PUNCH_REGISTERED] = {.fields = FIELD_OBSERVED},
    [PUNCH_PING] = {.fields = FIELD_PADDING},
    [PUNCH_PONG] = {.fields = FIELD_OBSERVED},
    [PUNCH_CHALLENGE] = {.fields = FIELD_TOKEN},
    [PUNCH_CHALLENGE_ANSWER] = {.fields = FIELD_TOKEN},
    [PUNCH_CONNECT] = {.fields = FIELD_NONCE | FIELD_IDENTITY | FIELD_CHANNEL},
    [PUNCH_OFFER] = {FIELD_FLAG | FIELD_NONCE | FIELD_CHANNEL | FIELD_OTHER | FIELD_INTRODUCTION |
                         FIELD_PARTY,
                     0, 1, PUNCH_CANDIDATE_OBSERVED},
    [PUNCH_REFUSED] = {FIELD_FLAG | FIELD_NONCE | FIELD_IDENTITY, PUNCH_REFUSED_UNKNOWN,
                       PUNCH_REFUSAL_MAX, 0},
    [PUNCH_INTRODUCE] = {.fields = FIELD_NONCE | FIELD_IDENTITY | FIELD_CHANNEL |
                                   FIELD_INTRODUCTION | FIELD_PARTY,
                         .kind_max = PUNCH_CANDIDATE_OBSERVED},
    [PUNCH_INTRODUCED] = {.fields = FIELD_NONCE | FIELD_IDENTITY | FIELD_INTRODUCTION | FIELD_PARTY,
                          .kind_max = PUNCH_CANDIDATE_OBSERVED},
    [PUNCH_ANNOUNCE] = {.fields = FIELD_LOCATIONS},
};

enum { TYPES = sizeof shapes / sizeof shapes[0] };

enum {
    ADDR_SIZE_MAX = 1 + 16 + 2,
    SIDE_SIZE = 6,
    PARTY_SIZE_MAX =
        PUNCH_SALT_SIZE + SIDE_SIZE + 4 + 1 + PUNCH_CANDIDATES_MAX * (1 + ADDR_SIZE_MAX),
    INTRODUCTION_SIZE_MAX = 2 + PUNCH_INTRODUCTION_MAX,
    OFFER_SIZE_MAX = 1 + 1 + PUNCH_NONCE_SIZE + 4 + 4 + INTRODUCTION_SIZE_MAX + PARTY_SIZE_MAX,
    INTRODUCE_SIZE_MAX =
        1 + PUNCH_NONCE_SIZE + IDENTITY_SIZE + 4 + INTRODUCTION_SIZE_MAX + PARTY_SIZE_MAX,
    ANNOUNCE_SIZE_MAX = 1 + 1 + PUNCH_ANNOUNCED_MAX * (IDENTITY_SIZE + 8),
    /* No request is shorter than its answer, which goes to an address that may be another's. */
    PADDING_SIZE = ADDR_SIZE_MAX,
};
_Static_assert((int)OFFER_SIZE_MAX <= (int)PUNCH_MESSAGE_MAX, "the longest OFFER fits");
_Static_assert((int)INTRODUCE_SIZE_MAX <= (int)PUNCH_MESSAGE_MAX, "the longest INTRODUCE fits");
_Static_assert((int)ANNOUNCE_SIZE_MAX <= (int)PUNCH_MESSAGE_MAX, "the longest ANNOUNCE fits");
_Static_assert((int)PADDING_SIZE >= (int)PUNCH_TOKEN_SIZE, "a CHALLENGE may answer a PING");

const char *punch_error_name(enum punch_error error)
{
    static const char *const names[PUNCH_ERROR_COUNT] = {
        [PUNCH_OK] = "ok",
        [PUNCH_TRUNCATED] = "truncated",
        [PUNCH_TRAILING] = "trailing-bytes",
        [PUNCH_UNKNOWN_TYPE] = "unknown-type",
        [PUNCH_BAD_VALUE] = "bad-value",
        [PUNCH_BAD_ADDRESS] = "bad-address",
        [PUNCH_TOO_MANY] = "too-many",
    };
    /* By way of a wider number, because an enum may be unsigned or not. */
    int64_t index = (int64_t)error;
    return index >= 0 && index < PUNCH_ERROR_COUNT ? names[index] : "?";
}

static const struct shape *shape_of(uint8_t type)
{
    return type < TYPES && shapes[type].fields != 0 ? &shapes[type] : NULL;
}

/* ---- Rules, of what is decoded and of what is encoded ---- */

static bool address_is_valid(const struct addr *addr)
{
    return addr->port != 0 && addr_is_unicast(addr) && !addr_is_mapped_v4(addr);
}

/* All zero stands for no key. */
static bool identity_is_valid(const uint8_t identity[static IDENTITY_SIZE])
{
    static const uint8_t zero[IDENTITY_SIZE];
    return memcmp(identity, zero, sizeof zero) != 0;
}

static bool side_is_valid(const struct reason_side *side)
{
    return side->nat <= STUN_NAT_PRESENT && side->mapping <= STUN_MAPPING_DEPENDENT &&
           side->filtering <= STUN_FILTERING_APDF && side->hairpin <= STUN_HAIRPIN_EXTERNAL &&
           side->pooling <= STUN_POOLING_ARBITRARY && side->trap <= STUN_TRAP_YES;
}

static enum punch_error introduction_rules(const struct frame_span *introduction)
{
    if (introduction->size > PUNCH_INTRODUCTION_MAX)
        return PUNCH_TOO_MANY;
    return introduction->size == 0 || introduction->bytes == NULL ? PUNCH_BAD_VALUE : PUNCH_OK;
}

static enum punch_error party_rules(const struct punch_party *party, const struct shape *shape)
{
    if (!side_is_valid(&party->side))
        return PUNCH_BAD_VALUE;
    if (party->candidate_count > PUNCH_CANDIDATES_MAX)
        return PUNCH_TOO_MANY;
    for (size_t i = 0; i < party->candidate_count; i++) {
        const struct punch_candidate *candidate = &party->candidates[i];
        if (candidate->kind == 0 || candidate->kind > shape->kind_max)
            return PUNCH_BAD_VALUE;
        if (!address_is_valid(&candidate->addr))
            return PUNCH_BAD_ADDRESS;
    }
    return PUNCH_OK;
}

static enum punch_error location_rules(const struct punch_message *message)
{
    if (message->location_count > PUNCH_ANNOUNCED_MAX)
        return PUNCH_TOO_MANY;
    for (size_t i = 0; i < message->location_count; i++) {
        if (!identity_is_valid(message->locations[i].identity))
            return PUNCH_BAD_VALUE;
    }
    return message->location_count == 0 ? PUNCH_BAD_VALUE : PUNCH_OK;
}

static enum punch_error rules(const struct punch_message *message, const struct shape *shape)
{
    unsigned fields = shape->fields;
    bool flag = message->flag >= shape->flag_min && message->flag <= shape->flag_max;
    if ((fields & FIELD_FLAG) != 0 && !flag)
        return PUNCH_BAD_VALUE;
    if ((fields & FIELD_IDENTITY) != 0 && !identity_is_valid(message->identity))
        return PUNCH_BAD_VALUE;
    if ((fields & FIELD_CHANNEL) != 0 && message->channel == 0)
        return PUNCH_BAD_VALUE;
    if ((fields & FIELD_OBSERVED) != 0 && !address_is_valid(&message->observed))
        return PUNCH_BAD_ADDRESS;
    enum punch_error error = PUNCH_OK;
    if ((fields & FIELD_INTRODUCTION) != 0)
        error = introduction_rules(&message->party.introduction);
    if (error == PUNCH_OK && (fields & FIELD_PARTY) != 0)
        error = party_rules(&message->party, shape);
    if (error == PUNCH_OK && (fields & FIELD_LOCATIONS) != 0)
        error = location_rules(message);
    return error;
}

/* ---- Decoding ---- */

/* What has gone wrong so far; the first thing stays. */
struct decoder {
    struct reader in;
    enum punch_error error;
};

static void refuse(struct decoder *d, enum punch_error error)
{
    if (d->error == PUNCH_OK)
        d->error = error;
    d->in.failed = true; /* so that nothing more is read */
}

/* What the bytes' form says; the rules of the fields come on top. */
static enum punch_error decoder_end(const struct decoder *d)
{
    if (d->error != PUNCH_OK)
        return d->error;
    if (d->in.failed)
        return PUNCH_TRUNCATED;
    return reader_left(&d->in) > 0 ? PUNCH_TRAILING : PUNCH_OK;
}

/* The length of a list, at most `max`. */
static uint8_t decode_count(struct decoder *d, uint8_t max)
{
    uint8_t count = read_u8(&d->in);
    if (count <= max)
        return count;
    refuse(d, PUNCH_TOO_MANY);
    return 0;
}

static void decode_addr(struct decoder *d, struct addr *addr)
{
    uint8_t family = read_u8(&d->in);
    if (family == ADDR_V4 || family == ADDR_V6)
        read_bytes(&d->in, addr->ip, family == ADDR_V4 ? 4 : 16);
    else
        refuse(d, d->in.failed ? PUNCH_TRUNCATED : PUNCH_BAD_ADDRESS);
    addr->port = read_u16(&d->in);
    addr->family = d->in.failed ? ADDR_NONE : family;
}

static void decode_side(struct decoder *d, struct reason_side *side)
{
    side->nat = read_u8(&d->in);
    side->mapping = read_u8(&d->in);
    side->filtering = read_u8(&d->in);
    side->hairpin = read_u8(&d->in);
    side->pooling = read_u8(&d->in);
    side->trap = read_u8(&d->in);
}

static void decode_introduction(struct decoder *d, struct frame_span *introduction)
{
    uint16_t size = read_u16(&d->in);
    if (size > PUNCH_INTRODUCTION_MAX) {
        refuse(d, PUNCH_TOO_MANY);
        return;
    }
    introduction->bytes = read_span(&d->in, size);
    introduction->size = introduction->bytes != NULL ? size : 0;
}

static void decode_party(struct decoder *d, struct punch_party *party)
{
    read_bytes(&d->in, party->salt, sizeof party->salt);
    decode_side(d, &party->side);
    party->delay_us = read_u32(&d->in);
    party->candidate_count = decode_count(d, PUNCH_CANDIDATES_MAX);
    for (size_t i = 0; i < party->candidate_count; i++) {
        party->candidates[i].kind = read_u8(&d->in);
        decode_addr(d, &party->candidates[i].addr);
    }
}

static void decode_locations(struct decoder *d, struct punch_message *message)
{
    message->location_count = decode_count(d, PUNCH_ANNOUNCED_MAX);
    for (size_t i = 0; i < message->location_count; i++) {
        struct punch_location *location = &message->locations[i];
        read_bytes(&d->in, location->identity, sizeof location->identity);
        location->version = read_u64(&d->in);
    }
}

static void decode_padding(struct decoder *d)
{
    uint8_t any = 0;
    for (size_t i = 0; i < PADDING_SIZE; i++)
        any |= read_u8(&d->in);
    if (any != 0)
        refuse(d, d->in.failed ? PUNCH_TRUNCATED : PUNCH_BAD_VALUE);
}

static void decode_fields(struct decoder *d, struct punch_message *message, unsigned fields)
{
    if ((fields & FIELD_FLAG) != 0)
        message->flag = read_u8(&d->in);
    if ((fields & FIELD_VERSION) != 0)
        message->version = read_u64(&d->in);
    if ((fields & FIELD_NONCE) != 0)
        read_bytes(&d->in, message->nonce, sizeof message->nonce);
    if ((fields & FIELD_IDENTITY) != 0)
        read_bytes(&d->in, message->identity, sizeof message->identity);
    if ((fields & FIELD_CHANNEL) != 0)
        message->channel = read_u32(&d->in);
    if ((fields & FIELD_OTHER) != 0)
        message->other_us = read_u32(&d->in);
    if ((fields & FIELD_OBSERVED) != 0)
        decode_addr(d, &message->observed);
    if ((fields & FIELD_TOKEN) != 0)
        read_bytes(&d->in, message->token, sizeof message->token);
    if ((fields & FIELD_INTRODUCTION) != 0)
        decode_introduction(d, &message->party.introduction);
    if ((fields & FIELD_PARTY) != 0)
        decode_party(d, &message->party);
    if ((fields & FIELD_LOCATIONS) != 0)
        decode_locations(d, message);
    if ((fields & FIELD_PADDING) != 0)
        decode_padding(d);
}

enum punch_error punch_decode(struct punch_message *message, const uint8_t *bytes, size_t size)
{
    struct decoder d = {.in = reader_of(bytes, size)};
    memset(message, 0, sizeof *message);
    message->type = read_u8(&d.in);
    const struct shape *shape = shape_of(message->type);
    if (shape != NULL)
        decode_fields(&d, message, shape->fields);
    else if (!d.in.failed)
        refuse(&d, PUNCH_UNKNOWN_TYPE);
    enum punch_error error = decoder_end(&d);
    if (error == PUNCH_OK && shape != NULL)
        error = rules(message, shape);
    if (error != PUNCH_OK)
        memset(message, 0, sizeof *message);
    return error;
}

/* ---- Encoding, of structs that keep the rules ---- */

static size_t encoded(const struct writer *w)
{
    check(w->index <= w->length);
    return w->failed ? 0 : w->index;
}

static void encode_addr(struct writer *w, const struct addr *addr)
{
    check(addr->family != ADDR_NONE);
    write_u8(w, addr->family);
    write_bytes(w, addr->ip, addr_ip_size(addr));
    write_u16(w, addr->port);
}

static void encode_side(struct writer *w, const struct reason_side *side)
{
    write_u8(w, side->nat);
    write_u8(w, side->mapping);
    write_u8(w, side->filtering);
    write_u8(w, side->hairpin);
    write_u8(w, side->pooling);
    write_u8(w, side->trap);
}

static void encode_introduction(struct writer *w, const struct frame_span *introduction)
{
    check(introduction->size > 0 && introduction->size <= PUNCH_INTRODUCTION_MAX);
    write_u16(w, (uint16_t)introduction->size);
    write_bytes(w, introduction->bytes, introduction->size);
}

static void encode_party(struct writer *w, const struct punch_party *party)
{
    check(party->candidate_count <= PUNCH_CANDIDATES_MAX);
    write_bytes(w, party->salt, sizeof party->salt);
    encode_side(w, &party->side);
    write_u32(w, party->delay_us);
    write_u8(w, party->candidate_count);
    for (size_t i = 0; i < party->candidate_count; i++) {
        write_u8(w, party->candidates[i].kind);
        encode_addr(w, &party->candidates[i].addr);
    }
}

static void encode_locations(struct writer *w, const struct punch_message *message)
{
    check(message->location_count > 0 && message->location_count <= PUNCH_ANNOUNCED_MAX);
    write_u8(w, message->location_count);
    for (size_t i = 0; i < message->location_count; i++) {
        const struct punch_location *location = &message->locations[i];
        write_bytes(w, location->identity, sizeof location->identity);
        write_u64(w, location->version);
    }
}

size_t punch_encode(const struct punch_message *message, uint8_t *to, size_t room)
{
    const struct shape *shape = shape_of(message->type);
    if (shape == NULL || rules(message, shape) != PUNCH_OK)
        return 0;
    unsigned fields = shape->fields;
    struct writer w = writer_of(to, room);
    write_u8(&w, message->type);
    if ((fields & FIELD_FLAG) != 0)
        write_u8(&w, message->flag);
    if ((fields & FIELD_VERSION) != 0)
        write_u64(&w, message->version);
    if ((fields & FIELD_NONCE) != 0)
        write_bytes(&w, message->nonce, sizeof message->nonce);
    if ((fields & FIELD_IDENTITY) != 0)
        write_bytes(&w, message->identity, sizeof message->identity);
    if ((fields & FIELD_CHANNEL) != 0)
        write_u32(&w, message->channel);
    if ((fields & FIELD_OTHER) != 0)
        write_u32(&w, message->other_us);
    if ((fields & FIELD_OBSERVED) != 0)
        encode_addr(&w, &message->observed);
    if ((fields & FIELD_TOKEN) != 0)
        write_bytes(&w, message->token, sizeof message->token);
    if ((fields & FIELD_INTRODUCTION) != 0)
        encode_introduction(&w, &message->party.introduction);
    if ((fields & FIELD_PARTY) != 0)
        encode_party(&w, &message->party);
    if ((fields & FIELD_LOCATIONS) != 0)
        encode_locations(&w, message);
    if ((fields & FIELD_PADDING) != 0)
        write_zero(&w, PADDING_SIZE);
    return encoded(&w);
}

/* ---- Bodies of probes ---- */

static enum punch_error probe_rules(const struct punch_probe *probe)
{
    if (probe->ack_count > PUNCH_ACKS_MAX)
        return PUNCH_TOO_MANY;
    bool flags = (probe->flags & ~(unsigned)PUNCH_PROBE_FLAGS) == 0;
    bool names = probe->transaction != 0;
    for (unsigned i = 0; i < probe->ack_count; i++)
        names = names && probe->acks[i] != 0;
    return flags && names && side_is_valid(&probe->side) ? PUNCH_OK : PUNCH_BAD_VALUE;
}

enum punch_error punch_probe_decode(struct punch_probe *probe, const uint8_t *bytes, size_t size)
{
    struct decoder d = {.in = reader_of(bytes, size)};
    memset(probe, 0, sizeof *probe);
    probe->flags = read_u8(&d.in);
    probe->transaction = read_u64(&d.in);
    decode_side(&d, &probe->side);
    probe->ack_count = decode_count(&d, PUNCH_ACKS_MAX);
    for (size_t i = 0; i < probe->ack_count; i++)
        probe->acks[i] = read_u64(&d.in);
    enum punch_error error = decoder_end(&d);
    if (error == PUNCH_OK)
        error = probe_rules(probe);
    if (error != PUNCH_OK)
        memset(probe, 0, sizeof *probe);
    return error;
}

size_t punch_probe_encode(const struct punch_probe *probe, uint8_t *to, size_t room)
{
    if (probe_rules(probe) != PUNCH_OK)
        return 0;
    struct writer w = writer_of(to, room);
    write_u8(&w, probe->flags);
    write_u64(&w, probe->transaction);
    encode_side(&w, &probe->side);
    write_u8(&w, probe->ack_count);
    for (size_t i = 0; i < probe->ack_count; i++)
        write_u64(&w, probe->acks[i]);
    return encoded(&w);
}
