/*
 * Fuzzes super-packets. Any bytes are split as one; what that gives must be whole packets with
 * right sums, which gathered and split again are the same. Any packets are gathered; what that
 * gives must stand for the same packets. The first byte says which, and whether sums are put right
 * before, for a fuzzer seldom finds those.
 */
#include "daemon/offload.h"
#include "core/base/check.h"
#include "fuzz/harness.h"

enum { SPLIT = 0, GATHER = 1, PUT_RIGHT = 2, PACKETS_MAX = 2000, ROOM = 80 * 1024 };

static struct {
    uint32_t count; /* of what came in */
    uint8_t *packets[PACKETS_MAX];
    uint32_t sizes[PACKETS_MAX];
    bool seen[PACKETS_MAX];
    uint32_t next;  /* all before it are seen */
    uint32_t total; /* that were emitted */
} s;

static uint8_t room[ROOM];

/* ---- Sums, byte by byte ---------------------------------------------------------------------- */

static uint32_t get16(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 8 | bytes[1];
}

static void put16(uint8_t *bytes, uint32_t value)
{
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static uint32_t naive_sum(const uint8_t *bytes, size_t size, uint32_t sum)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return sum;
}

/*
 * Where the transport begins, in a packet that has all of its header behind there; 0 when it has
 * not, or is neither TCP nor UDP.
 */
static uint32_t transport_of(const uint8_t *packet, uint32_t size, bool *udp)
{
    if (size < 20)
        return 0;
    bool v6 = packet[0] >> 4 == 6;
    uint32_t at = v6 ? 40 : (packet[0] & 15u) * 4;
    if ((!v6 && packet[0] >> 4 != 4) || at < 20 || size < at)
        return 0;
    uint8_t protocol = v6 ? packet[6] : packet[9];
    *udp = protocol == 17;
    return (protocol == 6 || *udp) && size >= at + (*udp ? 8 : 20) ? at : 0;
}

static uint32_t pseudo_sum(const uint8_t *packet, uint32_t at, uint32_t size, bool udp)
{
    bool v6 = packet[0] >> 4 == 6;
    uint32_t sum = naive_sum(packet + (v6 ? 8 : 12), v6 ? 32 : 8, udp ? 17 : 6);
    return naive_sum(NULL, 0, sum + size - at);
}

static void put_right(uint8_t *packet, uint32_t size)
{
    bool udp;
    uint32_t at = transport_of(packet, size, &udp);
    if (at == 0 || size > OFFLOAD_SIZE_MAX)
        return;
    if (packet[0] >> 4 == 4) {
        put16(packet + 2, size);
        put16(packet + 10, 0);
        put16(packet + 10, ~naive_sum(packet, at, 0));
    } else {
        put16(packet + 4, size - 40);
    }
    if (udp)
        put16(packet + at + 4, size - at);
    uint8_t *field = packet + at + (udp ? 6 : 16);
    put16(field, 0);
    uint32_t sum = naive_sum(packet + at, size - at, pseudo_sum(packet, at, size, udp));
    put16(field, udp && sum == 0xffff ? sum : ~sum);
}

/* A packet that splitting has made, with its transport at `at`. */
static void check_whole(const uint8_t *packet, uint32_t size, uint32_t at, bool udp)
{
    if (packet[0] >> 4 == 4) {
        check(get16(packet + 2) == size);
        check(naive_sum(packet, at, 0) == 0xffff);
    } else {
        check(get16(packet + 4) + 40 == size);
    }
    if (udp)
        check(get16(packet + at + 4) == size - at);
    if (!udp || get16(packet + at + 6) != 0)
        check(naive_sum(packet + at, size - at, pseudo_sum(packet, at, size, udp)) == 0xffff);
}

/* ---- Gathering ------------------------------------------------------------------------------- */

/* But for what IPv4 says of itself where nobody may fragment it. */
static bool is_same(const uint8_t *a, const uint8_t *b, uint32_t size)
{
    if (size < 20 || a[0] >> 4 != 4 || (a[6] & 0x40) == 0)
        return memcmp(a, b, size) == 0;
    return memcmp(a, b, 4) == 0 && memcmp(a + 6, b + 6, 4) == 0 &&
           memcmp(a + 12, b + 12, size - 12) == 0;
}

/* One of what came in, and each only once. */
static void find(const uint8_t *packet, uint32_t size)
{
    for (uint32_t i = s.next; i < s.count; i++) {
        if (s.seen[i] || s.sizes[i] != size || !is_same(s.packets[i], packet, size))
            continue;
        s.seen[i] = true;
        while (s.next < s.count && s.seen[s.next])
            s.next++;
        return;
    }
    bool came_in = false;
    check(came_in);
}

static void take(void *context, const struct iovec *parts, unsigned count, unsigned packets,
                 uint32_t size)
{
    static uint8_t joined[OFFLOAD_SIZE_MAX];
    struct offload_header header;
    struct offload_split split;
    uint32_t used = 0, segment;
    check(context == &s && count >= 2 && packets > 0);
    s.total += packets;
    memcpy(&header, parts[0].iov_base, sizeof header);
    if (packets == 1) {
        check(parts[1].iov_len == size && header.kind == OFFLOAD_SINGLE && header.flags == 0);
        find(parts[1].iov_base, size);
        return;
    }
    for (unsigned i = 1; i < count; i++) {
        check(used + parts[i].iov_len <= sizeof joined);
        memcpy(joined + used, parts[i].iov_base, parts[i].iov_len);
        used += (uint32_t)parts[i].iov_len;
    }
    check(used == size && count == packets + 2);
    bool begun = offload_split_begin(&split, &header, joined, size);
    check(begun && split.headers == parts[1].iov_len);
    while ((used = offload_split_next(&split, room, sizeof room, &segment)) > 0) {
        for (uint32_t at = 0; at < used; at += segment) {
            uint32_t one = used - at < segment ? used - at : segment;
            check_whole(room + at, one, split.transport, split.udp);
            find(room + at, one);
        }
    }
    check(split.index == packets);
}

static void put(const uint8_t *bytes, uint32_t size)
{
    s.packets[s.count] = malloc(size > 0 ? size : 1);
    check(s.packets[s.count] != NULL);
    memcpy(s.packets[s.count], bytes, size);
    s.sizes[s.count++] = size;
}

/* Gathers all that was put, and forgets it. */
static void gather(void)
{
    static struct offload_gather gatherer;
    offload_gather_init(&gatherer, true, true, take, &s);
    s.total = 0;
    s.next = 0;
    memset(s.seen, 0, sizeof s.seen);
    for (uint32_t i = 0; i < s.count; i++)
        offload_gather_add(&gatherer, s.packets[i], s.sizes[i]);
    offload_gather_end(&gatherer);
    check(s.total == s.count && s.next == s.count);
    for (uint32_t i = 0; i < s.count; i++)
        free(s.packets[i]);
    s.count = 0;
}

/* ---- Both ------------------------------------------------------------------------------------ */

static void fuzz_split(const struct offload_header *header, uint8_t *bytes, uint32_t size)
{
    struct offload_split split;
    uint32_t used, segment, payloads = 0;
    if (offload_split_begin(&split, header, bytes, size)) {
        while ((used = offload_split_next(&split, room, sizeof room, &segment)) > 0) {
            for (uint32_t at = 0; at < used; at += segment) {
                uint32_t one = used - at < segment ? used - at : segment;
                check(one > split.headers);
                payloads += one - split.headers;
                check_whole(room + at, one, split.transport, split.udp);
                if (s.count < PACKETS_MAX)
                    put(room + at, one);
            }
        }
        check(payloads == size - split.headers);
        gather();
    }
    offload_complete(header, bytes, size);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    struct offload_header header;
    if (size < 1 + sizeof header || size > OFFLOAD_SIZE_MAX)
        return;
    uint8_t mode = data[0];
    uint8_t *bytes = malloc(size);
    check(bytes != NULL);
    if ((mode & GATHER) == 0) {
        memcpy(&header, data + 1, sizeof header);
        size -= 1 + sizeof header;
        memcpy(bytes, data + 1 + sizeof header, size);
        fuzz_split(&header, bytes, (uint32_t)size);
    }
    /* Each packet has its size before it, in two bytes. */
    for (size_t at = 1; (mode & GATHER) != 0 && at + 2 <= size && s.count < PACKETS_MAX;) {
        size_t one = get16(data + at);
        at += 2;
        if (one > size - at)
            one = size - at;
        put(data + at, (uint32_t)one);
        if ((mode & PUT_RIGHT) != 0)
            put_right(s.packets[s.count - 1], (uint32_t)one);
        at += one;
    }
    gather();
    free(bytes);
}
