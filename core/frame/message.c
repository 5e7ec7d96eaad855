/* Warren frames: bytes to struct and back. */
#include "core/frame/message.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

/* What stands in a frame of each type, in this order. */
struct shape {
    bool sender;
    bool receiver;
    bool counter;
    bool key;
    bool nonce;
    uint8_t macs;      /* after the body */
    uint16_t body_min; /* bytes */
    uint16_t body_max;
};

static const struct shape shapes[] = {
    [FRAME_HELLO] = {.sender = true,
                     .key = true,
                     .nonce = true,
                     .macs = 2,
                     .body_min = FRAME_TAG_SIZE,
                     .body_max = UINT16_MAX},
    [FRAME_WELCOME] = {.sender = true,
                       .receiver = true,
                       .nonce = true,
                       .macs = 1,
                       .body_min = FRAME_TAG_SIZE,
                       .body_max = UINT16_MAX},
    [FRAME_COOKIE] = {.receiver = true,
                      .nonce = true,
                      .body_min = FRAME_COOKIE_SIZE + FRAME_TAG_SIZE,
                      .body_max = FRAME_COOKIE_SIZE + FRAME_TAG_SIZE},
    [FRAME_STRANGER] = {.receiver = true, .counter = true},
    [FRAME_SEALED] = {.receiver = true,
                      .counter = true,
                      .body_min = FRAME_TAG_SIZE,
                      .body_max = UINT16_MAX},
    [FRAME_DATA] = {.receiver = true, .body_max = UINT16_MAX},
    [FRAME_PROBE] = {.receiver = true,
                     .counter = true,
                     .body_min = FRAME_TAG_SIZE,
                     .body_max = UINT16_MAX},
};

enum { TYPES = sizeof shapes / sizeof shapes[0] };

/* Bytes in front of the body. */
static size_t front_of(const struct shape *shape)
{
    return FRAME_HEADER_SIZE + (shape->sender ? 4u : 0u) + (shape->receiver ? 4u : 0u) +
           (shape->counter ? 8u : 0u) + (shape->key ? (size_t)FRAME_KEY_SIZE : 0u) +
           (shape->nonce ? (size_t)FRAME_NONCE_SIZE : 0u);
}

static size_t behind_of(const struct shape *shape)
{
    return (size_t)shape->macs * FRAME_MAC_SIZE;
}

bool frame_is_ours(const uint8_t *bytes, size_t size)
{
    return size > 0 && bytes[0] == FRAME_FIRST_BYTE;
}

const char *frame_error_name(enum frame_error error)
{
    static const char *const names[FRAME_ERROR_COUNT] = {
        [FRAME_OK] = "ok",
        [FRAME_TOO_SHORT] = "too-short",
        [FRAME_NOT_OURS] = "not-ours",
        [FRAME_OTHER_VERSION] = "other-version",
        [FRAME_UNKNOWN_TYPE] = "unknown-type",
        [FRAME_BAD_FLAGS] = "bad-flags",
        [FRAME_BAD_SIZE] = "bad-size",
    };
    check((unsigned)error < FRAME_ERROR_COUNT);
    return names[error];
}

static enum frame_error read_header(struct reader *r, uint8_t *type)
{
    uint8_t first = read_u8(r);
    uint8_t version = read_u8(r);
    *type = read_u8(r);
    uint8_t flags = read_u8(r);
    if (r->failed)
        return FRAME_TOO_SHORT;
    if (first != FRAME_FIRST_BYTE)
        return FRAME_NOT_OURS;
    if (version != FRAME_VERSION)
        return FRAME_OTHER_VERSION;
    if (*type == 0 || *type >= TYPES)
        return FRAME_UNKNOWN_TYPE;
    return flags == 0 ? FRAME_OK : FRAME_BAD_FLAGS;
}

/* Everything behind the body: the macs cover all that stands in front of them. */
static void read_macs(struct frame *frame, struct reader *r, const struct shape *shape)
{
    if (shape->macs >= 1) {
        frame->covered1 = (struct frame_span){.bytes = r->base, .size = r->index};
        frame->mac1 = read_span(r, FRAME_MAC_SIZE);
    }
    if (shape->macs >= 2) {
        frame->covered2 = (struct frame_span){.bytes = r->base, .size = r->index};
        frame->mac2 = read_span(r, FRAME_MAC_SIZE);
    }
}

enum frame_error frame_decode(struct frame *frame, const uint8_t *bytes, size_t size)
{
    memset(frame, 0, sizeof *frame);
    struct reader r = reader_of(bytes, size);
    uint8_t type;
    enum frame_error error = read_header(&r, &type);
    if (error != FRAME_OK)
        return error;
    const struct shape *shape = &shapes[type];
    size_t around = front_of(shape) + behind_of(shape);
    if (size < around)
        return FRAME_TOO_SHORT;
    size_t body = size - around;
    if (body < shape->body_min || body > shape->body_max)
        return body < shape->body_min ? FRAME_TOO_SHORT : FRAME_BAD_SIZE;

    frame->type = type;
    frame->sender = shape->sender ? read_u32(&r) : 0;
    frame->receiver = shape->receiver ? read_u32(&r) : 0;
    frame->counter = shape->counter ? read_u64(&r) : 0;
    frame->key = shape->key ? read_span(&r, FRAME_KEY_SIZE) : NULL;
    frame->nonce = shape->nonce ? read_span(&r, FRAME_NONCE_SIZE) : NULL;
    frame->front = (struct frame_span){.bytes = bytes, .size = r.index};
    frame->body.size = body;
    frame->body.bytes = read_span(&r, body);
    read_macs(frame, &r, shape);
    check(!r.failed && reader_left(&r) == 0);
    return FRAME_OK;
}

size_t frame_size(const struct frame *frame)
{
    check(frame->type > 0 && frame->type < TYPES);
    const struct shape *shape = &shapes[frame->type];
    return front_of(shape) + frame->body.size + behind_of(shape);
}

size_t frame_encode(const struct frame *frame, uint8_t *bytes, size_t capacity)
{
    size_t size = frame_size(frame);
    const struct shape *shape = &shapes[frame->type];
    check(frame->body.size >= shape->body_min && frame->body.size <= shape->body_max);
    if (size > capacity || size > FRAME_SIZE_MAX)
        return 0;
    struct writer w = writer_of(bytes, capacity);
    write_u8(&w, FRAME_FIRST_BYTE);
    write_u8(&w, FRAME_VERSION);
    write_u8(&w, frame->type);
    write_u8(&w, 0);
    if (shape->sender)
        write_u32(&w, frame->sender);
    if (shape->receiver)
        write_u32(&w, frame->receiver);
    if (shape->counter)
        write_u64(&w, frame->counter);
    if (shape->key)
        write_bytes(&w, frame->key, FRAME_KEY_SIZE);
    if (shape->nonce)
        write_bytes(&w, frame->nonce, FRAME_NONCE_SIZE);
    check(!w.failed && w.index == front_of(shape));
    return w.index;
}
