/* WireGuard's messages as bytes. */
#include "core/tunnel/message.h"

#include "core/base/check.h"
#include "core/base/cursor.h"

/* The type and three reserved bytes, which are zero. */
enum { TYPE_SIZE = 4 };

/* ---- Little-endian numbers, on top of cursors whose own numbers are big-endian ---- */

static uint32_t read_le32(struct reader *r)
{
    uint8_t bytes[4];
    read_bytes(r, bytes, sizeof bytes);
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint64_t read_le64(struct reader *r)
{
    uint64_t low = read_le32(r);
    uint64_t high = read_le32(r);
    return low | high << 32;
}

static void write_le32(struct writer *w, uint32_t value)
{
    const uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                              (uint8_t)(value >> 24)};
    write_bytes(w, bytes, sizeof bytes);
}

static void write_le64(struct writer *w, uint64_t value)
{
    write_le32(w, (uint32_t)value);
    write_le32(w, (uint32_t)(value >> 32));
}

/* ---- Decoding ---- */

enum tunnel_message_type tunnel_message_type(const uint8_t *bytes, size_t size)
{
    if (size < TYPE_SIZE || bytes[1] != 0 || bytes[2] != 0 || bytes[3] != 0)
        return TUNNEL_NO_MESSAGE;
    switch (bytes[0]) {
    case TUNNEL_INITIATION:
        return size == TUNNEL_INITIATION_SIZE ? TUNNEL_INITIATION : TUNNEL_NO_MESSAGE;
    case TUNNEL_RESPONSE:
        return size == TUNNEL_RESPONSE_SIZE ? TUNNEL_RESPONSE : TUNNEL_NO_MESSAGE;
    case TUNNEL_COOKIE:
        return size == TUNNEL_COOKIE_REPLY_SIZE ? TUNNEL_COOKIE : TUNNEL_NO_MESSAGE;
    case TUNNEL_DATA:
        return size >= TUNNEL_DATA_SIZE_MIN ? TUNNEL_DATA : TUNNEL_NO_MESSAGE;
    default:
        return TUNNEL_NO_MESSAGE;
    }
}

/* Behind the type of a message that is of this one. */
static struct reader reader_behind_type(enum tunnel_message_type type, const uint8_t *bytes,
                                        size_t size)
{
    check(tunnel_message_type(bytes, size) == type);
    struct reader r = reader_of(bytes, size);
    read_skip(&r, TYPE_SIZE);
    return r;
}

static void check_read(const struct reader *r)
{
    check(!r->failed);
    check(r->index == r->length);
}

void tunnel_initiation_decode(struct tunnel_initiation *message, const uint8_t *bytes, size_t size)
{
    struct reader r = reader_behind_type(TUNNEL_INITIATION, bytes, size);
    message->sender = read_le32(&r);
    read_bytes(&r, message->ephemeral, sizeof message->ephemeral);
    read_bytes(&r, message->sealed_static, sizeof message->sealed_static);
    read_bytes(&r, message->sealed_timestamp, sizeof message->sealed_timestamp);
    read_bytes(&r, message->mac1, sizeof message->mac1);
    read_bytes(&r, message->mac2, sizeof message->mac2);
    check_read(&r);
}

void tunnel_response_decode(struct tunnel_response *message, const uint8_t *bytes, size_t size)
{
    struct reader r = reader_behind_type(TUNNEL_RESPONSE, bytes, size);
    message->sender = read_le32(&r);
    message->receiver = read_le32(&r);
    read_bytes(&r, message->ephemeral, sizeof message->ephemeral);
    read_bytes(&r, message->sealed_nothing, sizeof message->sealed_nothing);
    read_bytes(&r, message->mac1, sizeof message->mac1);
    read_bytes(&r, message->mac2, sizeof message->mac2);
    check_read(&r);
}

void tunnel_cookie_decode(struct tunnel_cookie *message, const uint8_t *bytes, size_t size)
{
    struct reader r = reader_behind_type(TUNNEL_COOKIE, bytes, size);
    message->receiver = read_le32(&r);
    read_bytes(&r, message->nonce, sizeof message->nonce);
    read_bytes(&r, message->sealed_cookie, sizeof message->sealed_cookie);
    check_read(&r);
}

void tunnel_data_decode(struct tunnel_data *message, const uint8_t *bytes, size_t size)
{
    struct reader r = reader_behind_type(TUNNEL_DATA, bytes, size);
    message->receiver = read_le32(&r);
    message->counter = read_le64(&r);
    message->sealed_size = reader_left(&r);
    message->sealed = read_span(&r, message->sealed_size);
    check_read(&r);
    check(message->sealed_size >= CRYPTO_AEAD_TAG_SIZE);
}

/* ---- Encoding ---- */

static struct writer writer_behind_type(enum tunnel_message_type type, uint8_t *to, size_t room)
{
    check(type >= TUNNEL_INITIATION && type <= TUNNEL_DATA);
    struct writer w = writer_of(to, room);
    write_u8(&w, (uint8_t)type);
    write_zero(&w, TYPE_SIZE - 1);
    return w;
}

static void check_written(const struct writer *w)
{
    check(!w->failed);
    check(w->index == w->length);
}

void tunnel_initiation_encode(const struct tunnel_initiation *message,
                              uint8_t to[static TUNNEL_INITIATION_SIZE])
{
    struct writer w = writer_behind_type(TUNNEL_INITIATION, to, TUNNEL_INITIATION_SIZE);
    write_le32(&w, message->sender);
    write_bytes(&w, message->ephemeral, sizeof message->ephemeral);
    write_bytes(&w, message->sealed_static, sizeof message->sealed_static);
    write_bytes(&w, message->sealed_timestamp, sizeof message->sealed_timestamp);
    write_bytes(&w, message->mac1, sizeof message->mac1);
    write_bytes(&w, message->mac2, sizeof message->mac2);
    check_written(&w);
}

void tunnel_response_encode(const struct tunnel_response *message,
                            uint8_t to[static TUNNEL_RESPONSE_SIZE])
{
    struct writer w = writer_behind_type(TUNNEL_RESPONSE, to, TUNNEL_RESPONSE_SIZE);
    write_le32(&w, message->sender);
    write_le32(&w, message->receiver);
    write_bytes(&w, message->ephemeral, sizeof message->ephemeral);
    write_bytes(&w, message->sealed_nothing, sizeof message->sealed_nothing);
    write_bytes(&w, message->mac1, sizeof message->mac1);
    write_bytes(&w, message->mac2, sizeof message->mac2);
    check_written(&w);
}

void tunnel_cookie_encode(const struct tunnel_cookie *message,
                          uint8_t to[static TUNNEL_COOKIE_REPLY_SIZE])
{
    struct writer w = writer_behind_type(TUNNEL_COOKIE, to, TUNNEL_COOKIE_REPLY_SIZE);
    write_le32(&w, message->receiver);
    write_bytes(&w, message->nonce, sizeof message->nonce);
    write_bytes(&w, message->sealed_cookie, sizeof message->sealed_cookie);
    check_written(&w);
}

void tunnel_data_header_encode(uint32_t receiver, uint64_t counter,
                               uint8_t to[static TUNNEL_DATA_HEADER_SIZE])
{
    struct writer w = writer_behind_type(TUNNEL_DATA, to, TUNNEL_DATA_HEADER_SIZE);
    write_le32(&w, receiver);
    write_le64(&w, counter);
    check_written(&w);
}
