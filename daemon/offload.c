/* Splits super-packets, and gathers packets into them. */
#include "daemon/offload.h"

#include <string.h>

#include <arpa/inet.h>

#include "core/base/check.h"

/* Layouts of RFC 791, 8200, 9293 and 768, in bytes. */
enum {
    V4_SIZE = 20,
    V4_LENGTH = 2,
    V4_ID = 4,
    V4_FRAGMENT = 6,
    V4_PROTOCOL = 9,
    V4_SUM = 10,
    V4_ADDRESSES = 12,
    V6_SIZE = 40,
    V6_LENGTH = 4,
    V6_PROTOCOL = 6,
    V6_ADDRESSES = 8,
    TCP_SIZE = 20,
    TCP_SEQUENCE = 4,
    TCP_ACKNOWLEDGED = 8,
    TCP_OFFSET = 12,
    TCP_FLAGS = 13,
    TCP_WINDOW = 14,
    TCP_SUM = 16,
    TCP_URGENT = 18,
    UDP_SIZE = 8,
    UDP_LENGTH = 4,
    UDP_SUM = 6,
    PROTOCOL_TCP = 6,
    PROTOCOL_UDP = 17,
};

enum { DONT_FRAGMENT = 0x40, FRAGMENT_MASK = 0xbf };
enum { FIN = 0x01, PSH = 0x08, ACK = 0x10, ECE = 0x40, CWR = 0x80 };

static uint16_t get_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

static uint32_t get_u32(const uint8_t *bytes)
{
    return (uint32_t)get_u16(bytes) << 16 | get_u16(bytes + 2);
}

static void put_u16(uint8_t *bytes, uint32_t value)
{
    check(value <= UINT16_MAX);
    bytes[0] = (uint8_t)(value >> 8);
    bytes[1] = (uint8_t)value;
}

static void put_u32(uint8_t *bytes, uint32_t value)
{
    put_u16(bytes, value >> 16);
    put_u16(bytes + 2, value & UINT16_MAX);
}

/* A sum has the bytes' order of memory already. */
static void put_sum(uint8_t *bytes, uint16_t sum)
{
    memcpy(bytes, &sum, sizeof sum);
}

/* ---- Sums ------------------------------------------------------------------------------------ */

static uint64_t load_u64(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint64_t fold_u64(uint64_t sum)
{
    return (sum >> 32) + (uint32_t)sum;
}

#if defined(__x86_64__)

/* Four words of 64 bits, as AVX2 adds them. */
typedef uint64_t words __attribute__((vector_size(32)));
enum { WORDS_STEP = 4 * sizeof(words) };

/*
 * Sums whole steps. The halves of each word are added by themselves, so that no carry is lost: a
 * sum is too large only after 2^31 of them.
 */
__attribute__((target("avx2"))) static uint64_t sum_steps(const uint8_t *bytes, size_t steps)
{
    const words low = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX};
    words s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    for (; steps > 0; steps--, bytes += WORDS_STEP) {
        words w0, w1, w2, w3;
        memcpy(&w0, bytes, sizeof w0);
        memcpy(&w1, bytes + sizeof w0, sizeof w1);
        memcpy(&w2, bytes + 2 * sizeof w0, sizeof w2);
        memcpy(&w3, bytes + 3 * sizeof w0, sizeof w3);
        s0 += (w0 & low) + (w0 >> 32);
        s1 += (w1 & low) + (w1 >> 32);
        s2 += (w2 & low) + (w2 >> 32);
        s3 += (w3 & low) + (w3 >> 32);
    }
    s0 += s1 + s2 + s3;
    return fold_u64(s0[0]) + fold_u64(s0[1]) + fold_u64(s0[2]) + fold_u64(s0[3]);
}

static bool has_steps(void)
{
    return __builtin_cpu_supports("avx2");
}

#else

enum { WORDS_STEP = 128 };

static uint64_t sum_steps(const uint8_t *bytes, size_t steps)
{
    (void)bytes, (void)steps;
    return 0;
}

static bool has_steps(void)
{
    return false;
}

#endif

/* Sums less than 8 bytes. */
static uint64_t sum_rest(const uint8_t *bytes, size_t size)
{
    uint64_t total = 0;
    if ((size & 4) != 0) {
        uint32_t word;
        memcpy(&word, bytes, sizeof word);
        total += word;
        bytes += sizeof word;
    }
    if ((size & 2) != 0) {
        uint16_t word;
        memcpy(&word, bytes, sizeof word);
        total += word;
        bytes += sizeof word;
    }
    if ((size & 1) != 0) {
        const uint8_t last[2] = {bytes[0], 0};
        uint16_t word;
        memcpy(&word, last, sizeof word);
        total += word;
    }
    return total;
}

/*
 * A one's complement sum is the same in words of any width, since a carry out of a word comes in
 * again at its other end. Four sums side by side keep the adders busy.
 */
uint16_t offload_sum(const uint8_t *bytes, size_t size, uint16_t sum)
{
    uint64_t s0 = sum, s1 = 0, s2 = 0, s3 = 0, total = 0;
    uint64_t carry0 = 0, carry1 = 0, carry2 = 0, carry3 = 0;
    if (size >= WORDS_STEP && has_steps()) {
        size_t steps = size / WORDS_STEP;
        total = fold_u64(sum_steps(bytes, steps));
        bytes += steps * WORDS_STEP;
        size -= steps * WORDS_STEP;
    }
    for (; size >= 32; size -= 32, bytes += 32) {
        uint64_t w0 = load_u64(bytes), w1 = load_u64(bytes + 8);
        uint64_t w2 = load_u64(bytes + 16), w3 = load_u64(bytes + 24);
        s0 += w0;
        carry0 += s0 < w0;
        s1 += w1;
        carry1 += s1 < w1;
        s2 += w2;
        carry2 += s2 < w2;
        s3 += w3;
        carry3 += s3 < w3;
    }
    total += fold_u64(s0) + fold_u64(s1) + fold_u64(s2) + fold_u64(s3);
    total += carry0 + carry1 + carry2 + carry3;
    for (; size >= 8; size -= 8, bytes += 8)
        total += fold_u64(load_u64(bytes));
    total = fold_u64(fold_u64(total + sum_rest(bytes, size)));
    while (total > UINT16_MAX)
        total = (total >> 16) + (total & UINT16_MAX);
    return (uint16_t)total;
}

static uint16_t add_sum(uint16_t sum, uint16_t more)
{
    uint32_t total = (uint32_t)sum + more;
    return (uint16_t)((total & UINT16_MAX) + (total >> 16));
}

/* The pseudo header's part that is the same in all packets of a flow. */
static uint16_t addresses_sum(const uint8_t *packet, bool v6, uint8_t protocol)
{
    uint16_t sum =
        v6 ? offload_sum(packet + V6_ADDRESSES, 32, 0) : offload_sum(packet + V4_ADDRESSES, 8, 0);
    return add_sum(sum, htons(protocol));
}

/*
 * Sum of a TCP or UDP packet of `size` bytes with its pseudo header; all ones when it is right.
 */
static uint16_t transport_sum(const uint8_t *transport, uint32_t size, uint16_t addresses)
{
    check(size <= UINT16_MAX);
    return offload_sum(transport, size, add_sum(addresses, htons((uint16_t)size)));
}

/* UDP says with zero that there is no sum, and zero is also all ones (RFC 768). */
static uint16_t complement(uint16_t sum, bool udp)
{
    return udp && sum == UINT16_MAX ? sum : (uint16_t)~sum;
}

/* ---- Splitting ------------------------------------------------------------------------------- */

bool offload_complete(const struct offload_header *header, uint8_t *bytes, uint32_t size)
{
    if ((header->flags & OFFLOAD_NEEDS_SUM) == 0)
        return true;
    uint32_t start = header->sum_start;
    uint32_t at = start + header->sum_offset;
    if (size > OFFLOAD_SIZE_MAX || at + 2 > size)
        return false;
    /* The pseudo header's sum is there already. */
    uint16_t sum = offload_sum(bytes + start, size - start, 0);
    put_sum(bytes + at, complement(sum, header->sum_offset == UDP_SUM));
    return true;
}

/* Where TCP or UDP begins; 0 when that is not as the header says. */
static uint32_t transport_of(const struct offload_header *header, const uint8_t *bytes,
                             uint32_t size, uint8_t protocol)
{
    bool summed = (header->flags & OFFLOAD_NEEDS_SUM) != 0;
    if (bytes[0] >> 4 == 4) {
        uint32_t transport = (bytes[0] & 15u) * 4;
        bool whole = (bytes[V4_FRAGMENT] & FRAGMENT_MASK) == 0 && bytes[V4_FRAGMENT + 1] == 0;
        if (size < V4_SIZE || transport < V4_SIZE || !whole || bytes[V4_PROTOCOL] != protocol)
            return 0;
        return summed && header->sum_start != transport ? 0 : transport;
    }
    /* The kernel has gone through the extension headers. */
    if (summed && bytes[V6_PROTOCOL] != protocol)
        return header->sum_start > V6_SIZE && header->sum_start % 8 == 0 ? header->sum_start : 0;
    if (bytes[V6_PROTOCOL] != protocol || (summed && header->sum_start != V6_SIZE))
        return 0;
    return V6_SIZE;
}

bool offload_split_begin(struct offload_split *split, const struct offload_header *header,
                         const uint8_t *bytes, uint32_t size)
{
    if (size < V4_SIZE || header->segment == 0)
        return false;
    uint8_t version = bytes[0] >> 4;
    bool v6 = version == 6;
    bool udp = header->kind == OFFLOAD_UDP;
    if (!(header->kind == OFFLOAD_TCP4 && version == 4) && !(header->kind == OFFLOAD_TCP6 && v6) &&
        !(udp && (version == 4 || v6)))
        return false;
    if (v6 && size < V6_SIZE)
        return false;
    uint8_t protocol = udp ? PROTOCOL_UDP : PROTOCOL_TCP;
    uint32_t transport = transport_of(header, bytes, size, protocol);
    uint32_t least = udp ? UDP_SIZE : TCP_SIZE;
    if (transport == 0 || size <= transport + least)
        return false;
    const uint8_t *at = bytes + transport;
    uint32_t headers = transport + (udp ? least : (uint32_t)(at[TCP_OFFSET] >> 4) * 4);
    /* So no length of any packet is more than its field holds. */
    if (headers < transport + least || size <= headers || headers + header->segment > UINT16_MAX)
        return false;
    static const uint8_t none[2];
    *split = (struct offload_split){
        .bytes = bytes,
        .size = size,
        .headers = headers,
        .transport = transport,
        .segment = header->segment,
        .next = headers,
        .addresses_sum = addresses_sum(bytes, v6, protocol),
        .v6 = v6,
        .udp = udp,
        .sumless = udp && (header->flags & OFFLOAD_NEEDS_SUM) == 0 &&
                   memcmp(at + UDP_SUM, none, sizeof none) == 0,
    };
    return true;
}

/* The network header of a copy, when the packet has `size` bytes. */
static void rewrite_network(uint8_t *packet, uint32_t size, bool v6, uint16_t id)
{
    if (v6) {
        put_u16(packet + V6_LENGTH, size - V6_SIZE);
        return;
    }
    put_u16(packet + V4_LENGTH, size);
    put_u16(packet + V4_ID, id);
    put_sum(packet + V4_SUM, 0);
    put_sum(packet + V4_SUM, (uint16_t)~offload_sum(packet, (size_t)(packet[0] & 15u) * 4, 0));
}

/* One packet, complete, of `payload` bytes that begin at split->next. */
static void write_packet(const struct offload_split *split, uint8_t *packet, uint32_t payload)
{
    memcpy(packet, split->bytes, split->headers);
    memcpy(packet + split->headers, split->bytes + split->next, payload);
    uint32_t size = split->headers + payload;
    uint16_t id = split->v6 ? 0 : (uint16_t)(get_u16(packet + V4_ID) + split->index);
    rewrite_network(packet, size, split->v6, id);

    uint8_t *transport = packet + split->transport;
    uint32_t rest = size - split->transport;
    uint8_t *sum = transport + (split->udp ? UDP_SUM : TCP_SUM);
    if (split->udp) {
        put_u16(transport + UDP_LENGTH, rest);
    } else {
        uint32_t before = split->next - split->headers;
        put_u32(transport + TCP_SEQUENCE, get_u32(transport + TCP_SEQUENCE) + before);
        if (split->next + payload < split->size)
            transport[TCP_FLAGS] &= (uint8_t) ~(FIN | PSH);
        if (split->index > 0)
            transport[TCP_FLAGS] &= (uint8_t)~CWR;
    }
    put_sum(sum, 0);
    if (!split->sumless)
        put_sum(sum, complement(transport_sum(transport, rest, split->addresses_sum), split->udp));
}

uint32_t offload_split_next(struct offload_split *split, uint8_t *packets, uint32_t room,
                            uint32_t *segment)
{
    check(split->next >= split->headers && split->next <= split->size);
    *segment = split->headers + split->segment;
    uint32_t used = 0;
    while (split->next < split->size) {
        uint32_t payload = split->size - split->next;
        if (payload > split->segment)
            payload = split->segment;
        if (split->headers + payload > room - used)
            break;
        write_packet(split, packets + used, payload);
        used += split->headers + payload;
        split->next += payload;
        split->index++;
    }
    check(used <= room);
    if (*segment > used)
        *segment = used;
    return used;
}

/* ---- Gathering ------------------------------------------------------------------------------- */

/* What a packet that belongs to a flow says of itself. */
struct packet {
    const uint8_t *bytes;
    uint32_t size;
    uint32_t headers;
    uint32_t transport;
    uint64_t key;
    bool v6;
    bool udp;
};

void offload_gather_init(struct offload_gather *gather, bool tcp, bool udp, offload_emit *emit,
                         void *context)
{
    check(emit != NULL);
    gather->emit = emit;
    gather->context = context;
    gather->tcp = tcp;
    gather->udp = udp;
    gather->next_age = 0;
    gather->latest = 0;
    for (unsigned i = 0; i < OFFLOAD_GROUPS; i++)
        gather->groups[i].first = NULL;
}

/*
 * False when it is no whole packet of TCP or UDP right behind the network's header, or has other
 * bytes beside it.
 */
static bool parse(struct packet *packet, const uint8_t *bytes, uint32_t size)
{
    *packet = (struct packet){.bytes = bytes, .size = size};
    if (size < V4_SIZE || size > OFFLOAD_SIZE_MAX)
        return false;
    uint8_t protocol;
    if (bytes[0] >> 4 == 4) {
        packet->transport = (bytes[0] & 15u) * 4;
        protocol = bytes[V4_PROTOCOL];
        if (packet->transport < V4_SIZE || get_u16(bytes + V4_LENGTH) != size ||
            (bytes[V4_FRAGMENT] & FRAGMENT_MASK) != 0 || bytes[V4_FRAGMENT + 1] != 0)
            return false;
    } else {
        packet->v6 = true;
        packet->transport = V6_SIZE;
        if (bytes[0] >> 4 != 6 || size < V6_SIZE ||
            get_u16(bytes + V6_LENGTH) + (uint32_t)V6_SIZE != size)
            return false;
        protocol = bytes[V6_PROTOCOL];
    }
    packet->udp = protocol == PROTOCOL_UDP;
    uint32_t least = packet->udp ? UDP_SIZE : TCP_SIZE;
    if ((!packet->udp && protocol != PROTOCOL_TCP) || size < packet->transport + least)
        return false;
    const uint8_t *transport = bytes + packet->transport;
    uint32_t size_of_it = packet->udp ? least : (uint32_t)(transport[TCP_OFFSET] >> 4) * 4;
    packet->headers = packet->transport + size_of_it;
    if (size_of_it < least || packet->headers > size ||
        (packet->udp && get_u16(transport + UDP_LENGTH) != size - packet->transport))
        return false;
    packet->key = (uint64_t)get_u32(transport) << 9 | (uint64_t)protocol << 1 | packet->v6;
    return true;
}

/* Merged packets are split again with nothing lost but FIN and PSH before the end. */
static bool can_merge(const struct offload_gather *gather, const struct packet *packet)
{
    static const uint8_t none[2];
    const uint8_t *transport = packet->bytes + packet->transport;
    if (packet->size == packet->headers)
        return false;
    if (packet->udp)
        return gather->udp && memcmp(transport + UDP_SUM, none, sizeof none) != 0;
    uint8_t flags = transport[TCP_FLAGS];
    return gather->tcp && (flags & ACK) != 0 && (flags & ~(ACK | PSH | FIN | ECE)) == 0;
}

static bool sums_are_right(const struct packet *packet)
{
    if (!packet->v6 && offload_sum(packet->bytes, packet->transport, 0) != UINT16_MAX)
        return false;
    uint16_t addresses =
        addresses_sum(packet->bytes, packet->v6, packet->udp ? PROTOCOL_UDP : PROTOCOL_TCP);
    return transport_sum(packet->bytes + packet->transport, packet->size - packet->transport,
                         addresses) == UINT16_MAX;
}

static bool is_same_flow(const struct offload_group *group, const struct packet *packet)
{
    if (group->first == NULL || group->key != packet->key)
        return false;
    return packet->v6 ? memcmp(group->first + V6_ADDRESSES, packet->bytes + V6_ADDRESSES, 32) == 0
                      : memcmp(group->first + V4_ADDRESSES, packet->bytes + V4_ADDRESSES, 8) == 0;
}

static struct offload_group *group_of(struct offload_gather *gather, const struct packet *packet)
{
    if (is_same_flow(&gather->groups[gather->latest], packet))
        return &gather->groups[gather->latest];
    for (unsigned i = 0; i < OFFLOAD_GROUPS; i++) {
        if (is_same_flow(&gather->groups[i], packet))
            return &gather->groups[i];
    }
    return NULL;
}

/* All but what a splitter writes anew. */
static bool same_network(const struct offload_group *group, const struct packet *packet)
{
    const uint8_t *a = group->first, *b = packet->bytes;
    if (packet->v6)
        return memcmp(a, b, V6_LENGTH) == 0 &&
               memcmp(a + V6_PROTOCOL, b + V6_PROTOCOL, V6_SIZE - V6_PROTOCOL) == 0;
    /* An identification counts only where the packet may be fragmented (RFC 6864). */
    uint16_t id = (uint16_t)(get_u16(a + V4_ID) + group->packets);
    return memcmp(a, b, V4_LENGTH) == 0 &&
           memcmp(a + V4_FRAGMENT, b + V4_FRAGMENT, V4_SUM - V4_FRAGMENT) == 0 &&
           memcmp(a + V4_ADDRESSES, b + V4_ADDRESSES, group->transport - V4_ADDRESSES) == 0 &&
           ((b[V4_FRAGMENT] & DONT_FRAGMENT) != 0 || get_u16(b + V4_ID) == id);
}

static bool same_tcp(const struct offload_group *group, const struct packet *packet)
{
    const uint8_t *a = group->first + group->transport, *b = packet->bytes + packet->transport;
    uint32_t size = group->headers - group->transport;
    return get_u32(b + TCP_SEQUENCE) == group->sequence &&
           memcmp(a + TCP_ACKNOWLEDGED, b + TCP_ACKNOWLEDGED, TCP_FLAGS - TCP_ACKNOWLEDGED) == 0 &&
           ((a[TCP_FLAGS] ^ b[TCP_FLAGS]) & ~(FIN | PSH)) == 0 &&
           memcmp(a + TCP_WINDOW, b + TCP_WINDOW, TCP_SUM - TCP_WINDOW) == 0 &&
           memcmp(a + TCP_URGENT, b + TCP_URGENT, size - TCP_URGENT) == 0;
}

static bool can_append(struct offload_group *group, const struct packet *packet)
{
    uint32_t payload = packet->size - packet->headers;
    uint32_t packets_max = packet->udp ? OFFLOAD_UDP_PACKETS_MAX : OFFLOAD_PACKETS_MAX;
    if (group->packets == packets_max || group->size + payload > OFFLOAD_SIZE_MAX ||
        payload > group->segment || packet->headers != group->headers ||
        packet->transport != group->transport || !same_network(group, packet) ||
        (!packet->udp && !same_tcp(group, packet)))
        return false;
    if (!group->summed) {
        struct packet first = *packet;
        first.bytes = group->first;
        first.size = group->headers + group->segment;
        if (!sums_are_right(&first))
            return false;
        group->summed = true;
    }
    return sums_are_right(packet);
}

static void emit_packet(struct offload_gather *gather, const uint8_t *bytes, uint32_t size)
{
    static const struct offload_header single;
    const struct iovec parts[2] = {
        {.iov_base = (void *)(uintptr_t)&single, .iov_len = sizeof single},
        {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size},
    };
    gather->emit(gather->context, parts, 2, 1, size);
}

/* The headers of what is more than one packet. */
static void rewrite_headers(struct offload_group *group)
{
    bool v6 = (group->first[0] >> 4) == 6;
    uint8_t protocol = v6 ? group->first[V6_PROTOCOL] : group->first[V4_PROTOCOL];
    bool udp = protocol == PROTOCOL_UDP;
    uint8_t kind = v6 ? OFFLOAD_TCP6 : OFFLOAD_TCP4;
    group->header = (struct offload_header){
        .flags = OFFLOAD_NEEDS_SUM,
        .kind = udp ? OFFLOAD_UDP : kind,
        .headers = (uint16_t)group->headers,
        .segment = (uint16_t)group->segment,
        .sum_start = (uint16_t)group->transport,
        .sum_offset = udp ? UDP_SUM : TCP_SUM,
    };
    uint8_t *packet = group->rewritten;
    memcpy(packet, group->first, group->headers);
    rewrite_network(packet, group->size, v6, v6 ? 0 : get_u16(packet + V4_ID));
    uint32_t size = group->size - group->transport;
    uint8_t *transport = packet + group->transport;
    if (udp)
        put_u16(transport + UDP_LENGTH, size);
    else
        transport[TCP_FLAGS] |= group->last & (FIN | PSH);
    put_sum(transport + group->header.sum_offset,
            add_sum(addresses_sum(packet, v6, protocol), htons((uint16_t)size)));
}

/* Emits it and frees its slot. */
static void emit_group(struct offload_gather *gather, struct offload_group *group)
{
    check(group->first != NULL && group->packets > 0);
    if (group->packets == 1) {
        emit_packet(gather, group->first, group->size);
    } else {
        rewrite_headers(group);
        group->parts[0] =
            (struct iovec){.iov_base = &group->header, .iov_len = sizeof group->header};
        group->parts[1] = (struct iovec){.iov_base = group->rewritten, .iov_len = group->headers};
        gather->emit(gather->context, group->parts, 2 + group->packets, group->packets,
                     group->size);
    }
    group->first = NULL;
}

/* The group that began first; NULL when there is none. */
static struct offload_group *oldest(struct offload_gather *gather)
{
    struct offload_group *found = NULL;
    for (unsigned i = 0; i < OFFLOAD_GROUPS; i++) {
        struct offload_group *group = &gather->groups[i];
        /* Differences, since ages wrap around. */
        if (group->first != NULL &&
            (found == NULL || group->age - gather->next_age < found->age - gather->next_age))
            found = group;
    }
    return found;
}

static struct offload_group *free_slot(struct offload_gather *gather)
{
    for (unsigned i = 0; i < OFFLOAD_GROUPS; i++) {
        if (gather->groups[i].first == NULL)
            return &gather->groups[i];
    }
    struct offload_group *group = oldest(gather);
    check(group != NULL);
    emit_group(gather, group);
    return group;
}

/* One packet more; no other may follow a shorter one, or one that ends a burst. */
static void append(struct offload_gather *gather, struct offload_group *group,
                   const struct packet *packet)
{
    uint32_t payload = packet->size - packet->headers;
    const uint8_t *transport = packet->bytes + packet->transport;
    check(group->packets < OFFLOAD_PACKETS_MAX);
    group->parts[2 + group->packets] = (struct iovec){
        .iov_base = (void *)(uintptr_t)(packet->bytes + packet->headers), .iov_len = payload};
    group->packets++;
    group->size += payload;
    gather->latest = (uint32_t)(group - gather->groups);
    bool ended = payload < group->segment;
    if (!packet->udp) {
        group->sequence += payload;
        group->last = transport[TCP_FLAGS];
        ended = ended || (group->last & (FIN | PSH)) != 0;
    }
    if (ended)
        emit_group(gather, group);
}

void offload_gather_add(struct offload_gather *gather, const uint8_t *packet, uint32_t size)
{
    struct packet parsed;
    if (!parse(&parsed, packet, size)) {
        emit_packet(gather, packet, size);
        return;
    }
    struct offload_group *group = group_of(gather, &parsed);
    bool mergeable = can_merge(gather, &parsed);
    if (group != NULL && mergeable && can_append(group, &parsed)) {
        append(gather, group, &parsed);
        return;
    }
    if (group != NULL)
        emit_group(gather, group);
    if (!mergeable) {
        emit_packet(gather, packet, size);
        return;
    }
    if (group == NULL)
        group = free_slot(gather);
    group->first = packet;
    group->size = parsed.headers;
    group->headers = parsed.headers;
    group->transport = parsed.transport;
    group->segment = size - parsed.headers;
    group->sequence = parsed.udp ? 0 : get_u32(packet + parsed.transport + TCP_SEQUENCE);
    group->packets = 0;
    group->age = gather->next_age++;
    group->key = parsed.key;
    group->summed = false;
    append(gather, group, &parsed);
}

void offload_gather_end(struct offload_gather *gather)
{
    for (struct offload_group *group = oldest(gather); group != NULL; group = oldest(gather))
        emit_group(gather, group);
}
