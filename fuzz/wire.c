/*
 * Fuzzes packets as bytes, and gates. The bytes are packets, each behind a word of flags and its
 * size. What is a packet is written again and must then be read as the same. Every one is sent by
 * one of two gates with a NAT between them; where its flags say so, its addresses, sizes and
 * checksums are put right before, for a fuzzer seldom finds those. What arrives must be a packet
 * with right checksums; some of it is sent back.
 */
#include "sim/wire.h"
#include "core/base/check.h"
#include "core/base/cursor.h"
#include "fuzz/harness.h"
#include "sim/icmp.h"
#include "sim/nat_preset.h"
#include "sim/net.h"

enum {
    PACKETS_MAX = 64,
    FROM_BOB = 1,       /* sent by the host on the internet */
    TO_OTHER = 2,       /* the addresses are those of the two hosts */
    PUT_RIGHT = 4,      /* so are sizes and checksums */
    ANSWERED = 8,       /* what arrives is sent back, with its ends changed over */
    LATER = 16,         /* time passes first */
    NEXT_INTERFACE = 32 /* by the host's second interface */
};

static struct {
    struct net *net;
    uint32_t alice, bob, home;
    uint32_t answers; /* still to be made */
} s;

static uint8_t written[WIRE_MAX];

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

static uint32_t naive_sum(uint32_t sum, const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        sum += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
    while (sum > 0xffff)
        sum = (sum >> 16) + (sum & 0xffff);
    return sum;
}

static uint32_t header_of(const uint8_t *packet)
{
    return packet[0] >> 4 == 6 ? 40 : (packet[0] & 15u) * 4;
}

static uint32_t transport_sum(const uint8_t *packet, size_t size)
{
    uint32_t header = header_of(packet);
    bool v6 = packet[0] >> 4 == 6;
    uint8_t protocol = v6 ? packet[6] : packet[9];
    uint32_t sum = 0;
    if (v6 || protocol != 1)
        sum = naive_sum((uint32_t)size - header + protocol, packet + (v6 ? 8 : 12), v6 ? 32 : 8);
    return naive_sum(sum, packet + header, size - header);
}

/* As far as there are bytes for it. */
static void put_right(uint8_t *packet, size_t size)
{
    bool v6 = packet[0] >> 4 == 6;
    uint32_t header = header_of(packet);
    if ((!v6 && packet[0] >> 4 != 4) || header < 20 || size < header || size > UINT16_MAX)
        return;
    uint8_t protocol = v6 ? packet[6] : packet[9];
    bool fragment = !v6 && (get16(packet + 6) & 0x3fff) != 0;
    size_t at = protocol == 17 ? 6 : protocol == 6 ? 16 : 2;
    put16(packet + (v6 ? 4 : 2), (uint32_t)(v6 ? size - 40 : size));
    if (!fragment && size >= header + at + 2 && protocol != 44) {
        if (protocol == 17)
            put16(packet + header + 4, (uint32_t)size - header);
        put16(packet + header + at, 0);
        put16(packet + header + at, transport_sum(packet, size) ^ 0xffff);
        if (protocol == 17 && get16(packet + header + at) == 0)
            put16(packet + header + at, 0xffff);
    }
    if (v6)
        return;
    put16(packet + 10, 0);
    put16(packet + 10, naive_sum(0, packet, header) ^ 0xffff);
}

static void put_addresses(uint8_t *packet, size_t size, uint32_t from, uint32_t to)
{
    bool v6 = size >= 40 && packet[0] >> 4 == 6;
    if (!v6 && size < 20)
        return;
    struct addr source = net_address(s.net, from, v6 ? ADDR_V6 : ADDR_V4, 0);
    struct addr destination = net_address(s.net, to, v6 ? ADDR_V6 : ADDR_V4, 0);
    memcpy(packet + (v6 ? 8 : 12), source.ip, v6 ? 16 : 4);
    memcpy(packet + (v6 ? 24 : 16), destination.ip, v6 ? 16 : 4);
}

/* ---- What must hold -------------------------------------------------------------------------- */

static void same_fields(const struct packet *a, const struct packet *b)
{
    check(addr_equal(&a->source, &b->source) && addr_equal(&a->destination, &b->destination));
    check(a->protocol == b->protocol && a->icmp == b->icmp && a->ttl == b->ttl);
    check(a->data == b->data && a->length == b->length && a->sequence == b->sequence);
    check(a->tcp_flags == b->tcp_flags && a->headed == b->headed);
    check(a->dont_fragment == b->dont_fragment && !b->bad_checksum);
    check(a->source.family == ADDR_V6 || a->id == b->id);
    if (packet_is_icmp_error(a)) {
        struct packet_quote left, right;
        icmp_read_quote(a, &left);
        icmp_read_quote(b, &right);
        check(addr_equal(&left.source, &right.source) && left.mtu == right.mtu);
        check(addr_equal(&left.destination, &right.destination) && left.size == right.size);
        check(left.checksum == right.checksum && left.sequence == right.sequence);
    } else if (a->headed) { /* but for the ports and the checksum, which are the same anyhow */
        check(memcmp(packet_data(a), packet_data(b), a->data) == 0);
    } else if (a->data > 0) {
        check(memcmp(packet_data(a), packet_data(b), a->data) == 0);
    }
}

static void there_and_back(const uint8_t *bytes, size_t size)
{
    struct packet_pool pool;
    packet_pool_init(&pool);
    struct packet first, second;
    if (wire_parse(&pool, &first, bytes, size) == WIRE_OK) {
        size_t again = wire_write(&first, written);
        check(again == packet_wire_size(&first) && again <= size);
        if (!packet_is_fragment(&first)) {
            check(wire_parse(&pool, &second, written, again) == WIRE_OK);
            same_fields(&first, &second);
            packet_drop(&pool, &second);
        }
        packet_drop(&pool, &first);
    }
    check(pool.buffers_live == 0);
    packet_pool_free(&pool);
}

static void arrived(void *context, struct net *net, uint32_t host, uint32_t interface,
                    const uint8_t *bytes, uint32_t size)
{
    (void)context;
    bool v6 = bytes[0] >> 4 == 6;
    uint32_t header = header_of(bytes);
    check((bytes[0] == 0x45 || v6) && interface < 2);
    check(size == (v6 ? get16(bytes + 4) + 40 : get16(bytes + 2)));
    check(v6 || naive_sum(0, bytes, header) == 0xffff);
    check(transport_sum(bytes, size) == 0xffff);
    check(v6 || (get16(bytes + 6) & 0x3fff) == 0);
    if (s.answers == 0)
        return;
    s.answers--;
    uint8_t *back = malloc(size);
    if (back == NULL)
        abort();
    memcpy(back, bytes, size);
    memcpy(back + (v6 ? 8 : 12), bytes + (v6 ? 24 : 16), v6 ? 16 : 4);
    memcpy(back + (v6 ? 24 : 16), bytes + (v6 ? 8 : 12), v6 ? 16 : 4);
    uint8_t protocol = v6 ? bytes[6] : bytes[9];
    if (protocol == 6 || protocol == 17) {
        memcpy(back + header, bytes + header + 2, 2);
        memcpy(back + header + 2, bytes + header, 2);
    } else if (back[header] == (v6 ? 128 : 8)) {
        back[header] = v6 ? 129 : 0;
    }
    put_right(back, size);
    (void)net_gate_send(net, host, interface, back, size);
    free(back);
}

/* ---- The world ------------------------------------------------------------------------------- */

static void make_world(uint8_t choice)
{
    static const struct net_gate gate = {.arrived = arrived};
    struct net_config config = {.digesting = true, .events_max = 200000};
    net_seed(config.seed, choice);
    s.net = net_new(&config);
    const struct nat_preset *preset = nat_preset_at(choice % nat_preset_count());
    struct nat_config nat = nat_preset_config(preset);
    nat.capacity = nat.capacity < 64 ? nat.capacity : 64;
    nat.sessions = nat.sessions < 64 ? nat.sessions : 64;
    struct net_router home = {.behind = NET_INTERNET,
                              .nat = preset->is_nat ? &nat : NULL,
                              .nat_v6 = choice % 2 == 0,
                              .up = {.mtu = choice % 3 == 0 ? 1280 : 0}};
    s.home = net_add_router(s.net, "home", &home);
    struct net_host host = {.behind = s.home, .gate = &gate};
    s.alice = net_add_host(s.net, "alice", &host);
    (void)net_add_interface(s.net, s.alice, &host);
    host.behind = NET_INTERNET;
    s.bob = net_add_host(s.net, "bob", &host);
    (void)net_add_interface(s.net, s.bob, &host);
    s.answers = 0;
}

static void send_one(uint8_t flags, const uint8_t *bytes, uint32_t size)
{
    uint8_t *packet = malloc(size > 0 ? size : 1);
    if (packet == NULL)
        abort();
    memcpy(packet, bytes, size);
    bool from_bob = (flags & FROM_BOB) != 0;
    if ((flags & TO_OTHER) != 0)
        put_addresses(packet, size, from_bob ? s.bob : s.alice, from_bob ? s.home : s.bob);
    if ((flags & PUT_RIGHT) != 0 && size >= 20)
        put_right(packet, size);
    there_and_back(packet, size);
    if ((flags & ANSWERED) != 0)
        s.answers = 2;
    (void)net_gate_send(s.net, from_bob ? s.bob : s.alice, (flags & NEXT_INTERFACE) != 0 ? 1 : 0,
                        packet, size);
    free(packet);
    net_run_until(s.net, net_now(s.net) + ((flags & LATER) != 0 ? 20000000000u : 1000u));
}

void fuzz_one(const uint8_t *data, size_t size)
{
    there_and_back(data, size);
    struct reader r = reader_of(data, size);
    make_world(read_u8(&r));
    for (uint32_t i = 0; i < PACKETS_MAX && reader_left(&r) > 2; i++) {
        uint8_t flags = read_u8(&r);
        uint32_t length = read_u16(&r);
        if (length > reader_left(&r))
            length = (uint32_t)reader_left(&r);
        send_one(flags, read_span(&r, length), length);
    }
    (void)net_digest(s.net);
    net_free(s.net);
}
