/* Numbered packets: IP, UDP, and what the runner knows them by. */
#include "scenarios/runner/numbered.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/warren.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/plan.h"

enum {
    HEADER_V4 = 20,
    HEADER_V6 = 40,
    HEADER_UDP = 8,
    PROTOCOL_UDP = 17,
    HOPS = 64,
};
#define NUMBERED_WORD UINT32_C(0x044c4142)

_Static_assert((int)NUMBERED_SIZE_MIN == (int)PLAN_SIZE_MIN, "the smallest packet has its number");

/* The sum of RFC 1071 over so many bytes more, the first of which stands at an even place. */
static uint32_t add_sum(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* The sum over a whole UDP datagram and its pseudo-header, with the checksum as it stands. */
static uint32_t sum_of_udp(const uint8_t *addresses, size_t addresses_size, const uint8_t *udp,
                           size_t size)
{
    const uint8_t rest[] = {(uint8_t)(size >> 8), (uint8_t)size, 0, PROTOCOL_UDP};
    uint32_t sum = add_sum(0, addresses, addresses_size);
    sum = add_sum(sum, rest, sizeof rest);
    return add_sum(sum, udp, size);
}

static void write_address(struct writer *w, uint32_t place, uint8_t family)
{
    struct addr addr = mesh_inner(place, family);
    write_bytes(w, addr.ip, addr_ip_size(&addr));
}

static void write_v4(struct writer *w, const struct numbered *numbered, size_t size)
{
    write_u16(w, 0x4500); /* version and words of header */
    write_u16(w, (uint16_t)size);
    write_u16(w, (uint16_t)numbered->number);
    write_u16(w, 0x4000); /* don't fragment */
    write_u8(w, HOPS);
    write_u8(w, PROTOCOL_UDP);
    write_u16(w, 0);
    write_address(w, numbered->from, ADDR_V4);
    write_address(w, numbered->to, ADDR_V4);
    check(w->index == HEADER_V4);
    write_u16_at(w, 10, (uint16_t)~add_sum(0, w->base, HEADER_V4));
}

static void write_v6(struct writer *w, const struct numbered *numbered, size_t size)
{
    write_u32(w, UINT32_C(0x60000000));
    write_u16(w, (uint16_t)(size - HEADER_V6));
    write_u8(w, PROTOCOL_UDP);
    write_u8(w, HOPS);
    write_address(w, numbered->from, ADDR_V6);
    write_address(w, numbered->to, ADDR_V6);
    check(w->index == HEADER_V6);
}

uint8_t numbered_family(const struct numbered *numbered)
{
    return numbered->from < numbered->to ? ADDR_V4 : ADDR_V6;
}

static size_t header_of(uint8_t family)
{
    return family == ADDR_V4 ? HEADER_V4 : HEADER_V6;
}

/* The data behind the headers, to the writer's end. */
static void write_data(struct writer *w, const struct numbered *numbered, size_t size)
{
    write_u32(w, NUMBERED_WORD);
    write_u32(w, numbered->from << 16 | numbered->to);
    write_u32(w, numbered->number);
    write_u64(w, numbered->sent_ns);
    write_zero(w, size - w->index);
    check(!w->failed);
}

size_t numbered_write_data(const struct numbered *numbered, uint8_t *bytes, size_t size)
{
    check(size >= NUMBERED_SIZE_MIN && size <= NODE_PACKET_MAX);
    size_t data = size - header_of(numbered_family(numbered)) - HEADER_UDP;
    struct writer w = writer_of(bytes, data);
    write_data(&w, numbered, data);
    return data;
}

void numbered_write(const struct numbered *numbered, uint8_t *bytes, size_t size)
{
    bool v4 = numbered_family(numbered) == ADDR_V4;
    size_t header = header_of(numbered_family(numbered));
    struct writer w = writer_of(bytes, size);
    check(size >= NUMBERED_SIZE_MIN && size <= NODE_PACKET_MAX);
    if (v4)
        write_v4(&w, numbered, size);
    else
        write_v6(&w, numbered, size);
    write_u16(&w, NUMBERED_PORT);
    write_u16(&w, NUMBERED_PORT);
    write_u16(&w, (uint16_t)(size - header));
    write_u16(&w, 0);
    write_data(&w, numbered, size);
    size_t addresses = v4 ? 8 : 32;
    uint32_t sum = sum_of_udp(bytes + header - addresses, addresses, bytes + header, size - header);
    /* RFC 768: zero would mean that there is none. */
    write_u16_at(&w, header + 6, sum == 0xffff ? 0xffff : (uint16_t)~sum);
}

/* What the data says, whatever follows. */
static bool read_data(struct numbered *numbered, struct reader *r)
{
    bool known = read_u32(r) == NUMBERED_WORD;
    uint32_t ends = read_u32(r);
    numbered->from = ends >> 16;
    numbered->to = ends & 0xffff;
    numbered->number = read_u32(r);
    numbered->sent_ns = read_u64(r);
    return known && !r->failed && numbered->from < PLAN_PLACES_MAX &&
           numbered->to < PLAN_PLACES_MAX;
}

bool numbered_read(struct numbered *numbered, const uint8_t *bytes, size_t size)
{
    uint8_t like[NODE_PACKET_MAX];
    if (size < NUMBERED_SIZE_MIN || size > sizeof like)
        return false;
    struct reader r = reader_of(bytes, size);
    read_skip(&r, (bytes[0] >> 4 == 4 ? HEADER_V4 : HEADER_V6) + HEADER_UDP);
    if (!read_data(numbered, &r))
        return false;
    numbered_write(numbered, like, size);
    return memcmp(bytes, like, size) == 0;
}

bool numbered_read_data(struct numbered *numbered, const uint8_t *bytes, size_t size)
{
    uint8_t like[NODE_PACKET_MAX];
    struct reader r = reader_of(bytes, size);
    if (!read_data(numbered, &r))
        return false;
    size_t whole = size + header_of(numbered_family(numbered)) + HEADER_UDP;
    if (whole < NUMBERED_SIZE_MIN || whole > sizeof like)
        return false;
    size_t data = numbered_write_data(numbered, like, whole);
    check(data == size);
    return memcmp(bytes, like, size) == 0;
}
