/*
 * Tests of gates: bytes in at one, bytes out at another, with a NAT and routers between. Packets
 * are made here field by field, and every one that arrives is summed up here, by RFC 1071.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "sim/gate_test.h"
#include "sim/net.h"

#define SECOND UINT64_C(1000000000)

enum { ARRIVALS = 32 };

struct arrival {
    uint32_t interface;
    uint32_t size;
    uint8_t *bytes;
};

struct end {
    struct net_gate gate;
    uint32_t host;
    uint32_t count;
    struct arrival arrivals[ARRIVALS];
};

struct fixture {
    struct net *net;
    uint32_t home;
    struct end alice; /* behind the NAT */
    struct end bob;   /* on the internet */
    uint32_t sent;    /* events */
    uint32_t delivered;
    uint32_t dropped;
};

/* ---- The world ------------------------------------------------------------------------------- */

static void arrived(void *context, struct net *net, uint32_t host, uint32_t interface,
                    const uint8_t *bytes, uint32_t size)
{
    struct end *end = context;
    (void)net;
    assert_int_equal(host, end->host);
    assert_true(end->count < ARRIVALS);
    struct arrival *arrival = &end->arrivals[end->count++];
    *arrival = (struct arrival){.interface = interface, .size = size, .bytes = malloc(size)};
    assert_non_null(arrival->bytes);
    memcpy(arrival->bytes, bytes, size);
    assert_int_equal(transport_sum(bytes, size), 0xffff);
    assert_int_equal(is_v6(bytes) ? 40u + get16(bytes + 4) : get16(bytes + 2), size);
    if (!is_v6(bytes))
        assert_int_equal(add_up(0, bytes, 20), 0xffff);
}

static void observe(void *context, const struct net_event *event)
{
    struct fixture *f = context;
    f->sent += event->kind == NET_SENT;
    f->delivered += event->kind == NET_DELIVERED;
    f->dropped += event->kind == NET_DROPPED;
}

static void add_gate(struct fixture *f, struct end *end, const char *name, uint32_t behind)
{
    end->gate = (struct net_gate){.arrived = arrived, .context = end};
    struct net_host config = {.behind = behind, .gate = &end->gate};
    end->host = net_add_host(f->net, name, &config);
}

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    struct net_config config = {.observe = observe, .context = f, .digesting = true};
    net_seed(config.seed, 5);
    f->net = net_new(&config);
    struct nat_config nat = nat_config_default();
    nat.ports = NAT_PORTS_RANDOM;
    struct net_router home = {.behind = NET_INTERNET, .nat = &nat, .nat_v6 = true};
    f->home = net_add_router(f->net, "home", &home);
    add_gate(f, &f->alice, "alice", f->home);
    add_gate(f, &f->bob, "bob", NET_INTERNET);
    *state = f;
    return 0;
}

static void forget(struct end *end)
{
    for (uint32_t i = 0; i < end->count; i++)
        free(end->arrivals[i].bytes);
    end->count = 0;
}

static int end(void **state)
{
    struct fixture *f = *state;
    forget(&f->alice);
    forget(&f->bob);
    net_free(f->net);
    free(f);
    return 0;
}

static struct addr address_of(const struct fixture *f, uint32_t place, bool v6, uint16_t port)
{
    struct addr address = net_address(f->net, place, v6 ? ADDR_V6 : ADDR_V4, 0);
    assert_int_not_equal(address.family, ADDR_NONE);
    return addr_with_port(address, port);
}

static bool give(struct fixture *f, const struct end *from, const uint8_t *bytes, uint32_t size)
{
    /* A block of its own, so that a sanitizer sees a read behind it. */
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, size);
    bool sent = net_gate_send(f->net, from->host, 0, copy, size);
    free(copy);
    net_run_until(f->net, net_now(f->net) + SECOND / 100);
    return sent;
}

/* The one packet that has arrived; it stays good until the next call. */
static const struct arrival *only(struct end *end)
{
    assert_int_equal(end->count, 1);
    end->count = 0;
    static struct arrival kept;
    free(kept.bytes);
    kept = end->arrivals[0];
    return &kept;
}

static struct addr source_of(const struct arrival *arrival)
{
    const uint8_t *at = arrival->bytes + header_of(arrival->bytes);
    const uint8_t *ip = arrival->bytes;
    uint16_t port =
        protocol_of(ip) == ICMP || protocol_of(ip) == ICMP_V6 ? get16(at + 4) : get16(at);
    if (is_v6(ip))
        return addr_v6(ip + 8, port);
    return addr_v4((uint32_t)get16(ip + 12) << 16 | get16(ip + 14), port);
}

static void assert_from(const struct arrival *arrival, const struct addr *expected)
{
    struct addr source = source_of(arrival);
    assert_memory_equal(&source, expected, sizeof source);
}

/* From the NAT's external address, with another port than inside. */
static struct addr assert_translated(const struct fixture *f, const struct arrival *arrival,
                                     uint16_t inside)
{
    struct addr source = source_of(arrival);
    struct addr external = address_of(f, f->home, is_v6(arrival->bytes), source.port);
    assert_memory_equal(&source, &external, sizeof source);
    assert_int_not_equal(source.port, inside);
    return source;
}

/* ---- Through a NAT --------------------------------------------------------------------------- */

static void test_udp_both_ways(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[256];
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct addr inside = address_of(f, f->alice.host, v6, 4660);
        struct addr remote = address_of(f, f->bob.host, v6, 51941);
        uint32_t size = make_udp(bytes, &inside, &remote, 33);
        assert_true(give(f, &f->alice, bytes, size));
        const struct arrival *there = only(&f->bob);
        uint32_t header = header_of(bytes);
        struct addr outside = assert_translated(f, there, 4660);
        assert_int_equal(there->size, size);
        assert_int_equal(ttl_of(there->bytes), 62);
        assert_int_equal(get16(there->bytes + header + 2), 51941);
        assert_memory_equal(there->bytes + header + 8, bytes + header + 8, 33);
        size = make_udp(bytes, &remote, &outside, 0);
        assert_true(give(f, &f->bob, bytes, size));
        const struct arrival *here = only(&f->alice);
        assert_from(here, &remote);
        assert_int_equal(get16(here->bytes + header + 2), 4660);
        assert_int_equal(here->size, header + 8);
        assert_memory_equal(here->bytes + (v6 ? 24 : 16), inside.ip, v6 ? 16 : 4);
    }
    assert_int_equal(f->sent, 4);
    assert_int_equal(f->delivered, 4);
    assert_int_equal(f->dropped, 0);
    assert_int_equal(net_counts(f->net)->delivered, 4);
    assert_int_equal(net_counts(f->net)->bytes, 66);
}

/* Who waits for the next event must not leave lying what ideal links pass on at once. */
static void test_what_is_sent_is_due_now(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[256];
    struct addr inside = address_of(f, f->alice.host, false, 4660);
    struct addr remote = address_of(f, f->bob.host, false, 51941);
    uint32_t size = make_udp(bytes, &inside, &remote, 33);
    net_run_until(f->net, SECOND);
    assert_int_equal(net_next(f->net), UINT64_MAX);
    assert_true(net_gate_send(f->net, f->alice.host, 0, bytes, size));
    assert_int_equal(net_next(f->net), SECOND);
    assert_int_equal(f->delivered, 0);
    net_run_until(f->net, net_next(f->net));
    assert_int_equal(f->delivered, 1);
    assert_int_equal(net_next(f->net), UINT64_MAX);
}

static void test_ping_both_ways(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[256];
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct addr inside = address_of(f, f->alice.host, v6, 4660);
        struct addr remote = address_of(f, f->bob.host, v6, 0);
        uint32_t header = v6 ? 40 : 20;
        for (uint16_t sequence = 0xfffe; sequence != 1; sequence++) {
            uint32_t size = make_echo(bytes, &inside, &remote, false, sequence);
            assert_true(give(f, &f->alice, bytes, size));
            const struct arrival *there = only(&f->bob);
            struct addr outside = assert_translated(f, there, 4660);
            assert_int_equal(there->size, size);
            assert_int_equal(get16(there->bytes + header + 6), sequence);
            assert_memory_equal(there->bytes + header + 8, bytes + header + 8, 56);
            size = make_echo(bytes, &remote, &outside, true, sequence);
            assert_true(give(f, &f->bob, bytes, size));
            const struct arrival *here = only(&f->alice);
            struct addr answer = addr_with_port(remote, 4660);
            assert_from(here, &answer);
            assert_int_equal(here->size, size);
            assert_int_equal(here->bytes[header], v6 ? 129 : 0);
            assert_int_equal(get16(here->bytes + header + 6), sequence);
            assert_memory_equal(here->bytes + header + 8, bytes + header + 8, 56);
        }
    }
}

/* A router answers with what it was sent. */
static void test_ping_of_a_router(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[256];
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct addr inside = address_of(f, f->alice.host, v6, 7);
        struct addr router = address_of(f, NET_INTERNET, v6, 0);
        uint32_t size = make_echo(bytes, &inside, &router, false, 300);
        assert_true(give(f, &f->alice, bytes, size));
        const struct arrival *here = only(&f->alice);
        uint32_t header = v6 ? 40 : 20;
        router.port = 7;
        assert_from(here, &router);
        assert_int_equal(here->size, size);
        assert_int_equal(get16(here->bytes + header + 6), 300);
        assert_memory_equal(here->bytes + header + 8, bytes + header + 8, 56);
    }
}

/* All of a segment but its ports and its checksum. */
static void assert_same_segment(const struct arrival *arrival, const uint8_t *bytes, uint32_t size)
{
    uint32_t header = header_of(bytes);
    assert_int_equal(arrival->size, size);
    assert_memory_equal(arrival->bytes + header + 4, bytes + header + 4, 12);
    assert_memory_equal(arrival->bytes + header + 18, bytes + header + 18, size - header - 18);
}

static void test_tcp_handshake(void **state)
{
    struct fixture *f = *state;
    enum { FIN = 1, SYN = 2, PSH = 8, ACK = 16 };
    static const struct {
        bool back;
        uint8_t flags;
        uint32_t sequence;
        uint32_t data;
    } steps[] = {{false, SYN, 0xfffffffe, 0},      {true, SYN | ACK, 0x12345678, 0},
                 {false, ACK, 0xffffffff, 0},      {false, PSH | ACK, 0xffffffff, 101},
                 {true, PSH | ACK, 0x12345679, 1}, {true, FIN | ACK, 0x1234567a, 0}};
    uint8_t bytes[512];
    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct addr inside = address_of(f, f->alice.host, v6, 40001);
        struct addr remote = address_of(f, f->bob.host, v6, 443);
        struct addr outside = inside;
        for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
            bool back = steps[i].back;
            uint32_t size = make_tcp(bytes, back ? &remote : &inside, back ? &outside : &remote,
                                     steps[i].flags, steps[i].sequence, steps[i].data);
            assert_true(give(f, back ? &f->bob : &f->alice, bytes, size));
            const struct arrival *arrival = only(back ? &f->alice : &f->bob);
            assert_same_segment(arrival, bytes, size);
            if (back)
                assert_from(arrival, &remote);
            else
                outside = assert_translated(f, arrival, 40001);
            assert_int_equal(get16(arrival->bytes + header_of(bytes) + 2), back ? 40001 : 443);
        }
    }
}

/* ---- ICMP errors ----------------------------------------------------------------------------- */

/* What an error quotes, as far as it does, is what was sent: but for life and, with IPv4, the
 * header's checksum, which must fit. */
static void assert_quotes(const struct arrival *error, const uint8_t *sent)
{
    uint8_t quoted[48], expected[48];
    uint32_t header = header_of(sent);
    assert_true(error->size >= 2 * header + 16);
    memcpy(quoted, error->bytes + header + 8, header + 8);
    memcpy(expected, sent, header + 8);
    quoted[is_v6(sent) ? 7 : 8] = expected[is_v6(sent) ? 7 : 8] = 0;
    if (!is_v6(sent)) {
        assert_int_equal(add_up(0, error->bytes + header + 8, 20), 0xffff);
        put16(quoted + 10, 0);
        put16(expected + 10, 0);
    }
    assert_memory_equal(quoted, expected, header + 8);
}

static uint32_t make_any(uint8_t *to, const struct addr *from, const struct addr *remote,
                         unsigned protocol)
{
    return protocol == UDP   ? make_udp(to, from, remote, 40)
           : protocol == TCP ? make_tcp(to, from, remote, 2, 0xcafebabe, 0)
                             : make_echo(to, from, remote, false, 9);
}

/* A kernel quotes what has reached it; its sender gets back what it sent. */
static void test_errors_of_a_kernel(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint8_t v4[2], v6[2]; /* type and code */
        uint32_t rest;
    } kinds[] = {{{3, 3}, {1, 4}, 0}, {{3, 4}, {2, 0}, 1280}, {{11, 0}, {3, 0}, 0}};
    static const uint8_t protocols[] = {UDP, TCP, ICMP};
    uint8_t bytes[256], error[512], payload[300];
    for (unsigned i = 0; i < 18; i++) {
        unsigned v6 = i % 2, kind = i / 2 % 3;
        struct addr inside = address_of(f, f->alice.host, v6, (uint16_t)(5000 + i));
        struct addr remote = address_of(f, f->bob.host, v6, 51941);
        struct addr external = address_of(f, f->home, v6, 0);
        uint32_t header = v6 ? 40 : 20;
        uint32_t sent = make_any(bytes, &inside, &remote, protocols[i / 6]);
        assert_true(give(f, &f->alice, bytes, sent));
        const struct arrival *there = only(&f->bob);
        memset(payload, 0, 8);
        memcpy(payload, v6 ? kinds[kind].v6 : kinds[kind].v4, 2);
        put16(payload + 6, kinds[kind].rest);
        memcpy(payload + 8, there->bytes, there->size);
        uint32_t size = make_packet(error, &remote, &external, ICMP, payload, 8 + there->size);
        assert_true(give(f, &f->bob, error, size));
        const struct arrival *here = only(&f->alice);
        assert_memory_equal(here->bytes + header, payload, 2);
        assert_memory_equal(here->bytes + header + 4, payload + 4, 4);
        assert_memory_equal(here->bytes + (v6 ? 24 : 16), inside.ip, v6 ? 16 : 4);
        assert_quotes(here, bytes);
    }
}

static void test_errors_of_routers(void **state)
{
    struct fixture *f = *state;
    static const uint8_t protocols[] = {UDP, TCP, ICMP};
    uint8_t bytes[256];
    for (unsigned i = 0; i < 12; i++) {
        bool v6 = i % 2 != 0;
        uint8_t ttl = (uint8_t)(i / 2 % 2 + 1);
        struct addr inside = address_of(f, f->alice.host, v6, (uint16_t)(5000 + i));
        struct addr remote = address_of(f, f->bob.host, v6, 51941);
        uint32_t size = make_any(bytes, &inside, &remote, protocols[i / 4]);
        bytes[v6 ? 7 : 8] = ttl;
        put_checksums(bytes, size);
        assert_true(give(f, &f->alice, bytes, size));
        const struct arrival *here = only(&f->alice);
        uint32_t header = header_of(bytes);
        assert_int_equal(get16(here->bytes + header), v6 ? 0x0300 : 0x0b00);
        if (ttl == 2) {
            struct addr router = address_of(f, NET_INTERNET, v6, 0);
            assert_from(here, &router);
        }
        assert_quotes(here, bytes);
        assert_int_equal(f->bob.count, 0);
    }
}

static void cause(struct fixture *f, struct net_fault fault)
{
    net_schedule_fault(f->net, net_now(f->net), &fault);
    net_run_until(f->net, net_now(f->net));
}

static void set_mtu(struct fixture *f, uint32_t place, uint32_t way, uint32_t mtu)
{
    struct net_fault fault = {
        .kind = NET_FAULT_LINK_SET, .place = place, .way = way, .link = {.mtu = mtu}};
    cause(f, fault);
}

/* A path narrower than the gate's own link, and then that link itself. */
static void test_too_big(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[2048];
    for (unsigned own = 0; own < 2; own++) {
        set_mtu(f, f->bob.host, NET_WAY_DOWN, own == 1 ? 1500 : 1300);
        set_mtu(f, f->alice.host, NET_WAY_UP, own == 1 ? 1300 : 1500);
        for (unsigned v6 = 0; v6 < 2; v6++) {
            struct addr inside = address_of(f, f->alice.host, v6, 4660);
            struct addr remote = address_of(f, f->bob.host, v6, 51941);
            uint32_t size = make_udp(bytes, &inside, &remote, 1400);
            if (v6 == 0) {
                bytes[6] = 0x40;
                put_checksums(bytes, size);
            }
            assert_int_equal(give(f, &f->alice, bytes, size), own == 0);
            const struct arrival *here = only(&f->alice);
            uint32_t header = header_of(bytes);
            assert_int_equal(get16(here->bytes + header), v6 ? 0x0200 : 0x0304);
            assert_int_equal(get16(here->bytes + header + 6), 1300);
            assert_quotes(here, bytes);
        }
    }
}

/* The gate's own link is narrower than what it sends, which may be cut. */
static void test_cut_on_the_way_out(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[2048];
    set_mtu(f, f->alice.host, NET_WAY_UP, 1300);
    struct addr inside = address_of(f, f->alice.host, false, 4660);
    struct addr remote = address_of(f, f->bob.host, false, 51941);
    uint32_t size = make_udp(bytes, &inside, &remote, 1400);
    assert_true(give(f, &f->alice, bytes, size));
    assert_int_equal(f->sent, 2);
    const struct arrival *there = only(&f->bob);
    assert_int_equal(there->size, size);
    assert_memory_equal(there->bytes + 28, bytes + 28, 1400);
}

/* ---- Fragments ------------------------------------------------------------------------------- */

/* The piece of a packet that begins `offset` bytes into its payload; its size. */
static uint32_t cut(uint8_t *to, const uint8_t *packet, uint32_t size, uint32_t offset,
                    uint32_t length)
{
    uint32_t header = header_of(packet);
    bool last = header + offset + length >= size;
    if (last)
        length = size - header - offset;
    memcpy(to, packet, header);
    if (!is_v6(packet)) {
        put16(to + 2, 20 + length);
        put16(to + 6, (last ? 0 : 0x2000) | offset / 8);
        put16(to + 10, 0);
        put16(to + 10, add_up(0, to, 20) ^ 0xffff);
        memcpy(to + 20, packet + 20 + offset, length);
        return 20 + length;
    }
    put16(to + 4, 8 + length);
    to[6] = 44;
    memset(to + 40, 0, 8);
    to[40] = packet[6];
    put16(to + 42, offset | (last ? 0u : 1u));
    to[47] = 99;
    memcpy(to + 48, packet + 40 + offset, length);
    return 48 + length;
}

/* Fragments leave as they came, and arrive as one, through a NAT and without. */
static void test_fragments(void **state)
{
    struct fixture *f = *state;
    static uint8_t bytes[BYTES_MAX], piece[2048];
    static const uint32_t sizes[] = {1473, 4000, 60000};
    for (unsigned i = 0; i < 12; i++) {
        unsigned v6 = i % 2;
        bool backwards = i / 2 % 2 != 0;
        struct addr inside = address_of(f, f->alice.host, v6, 4660);
        struct addr remote = address_of(f, f->bob.host, v6, 51941);
        uint32_t data = sizes[i / 4];
        uint32_t size = make_udp(bytes, &inside, &remote, data);
        uint32_t header = header_of(bytes);
        uint32_t count = (data + 8 + 1231) / 1232;
        f->sent = f->delivered = 0;
        for (uint32_t k = 0; k < count; k++) {
            uint32_t offset = (backwards ? count - 1 - k : k) * 1232;
            uint32_t length = cut(piece, bytes, size, offset, 1232);
            assert_int_equal(f->bob.count, 0);
            assert_true(give(f, &f->alice, piece, length));
        }
        const struct arrival *there = only(&f->bob);
        (void)assert_translated(f, there, 4660);
        assert_int_equal(there->size, size);
        assert_memory_equal(there->bytes + header + 8, bytes + header + 8, data);
        assert_int_equal(f->sent, count);
        assert_int_equal(f->delivered, 1);
    }
    assert_int_equal(f->dropped, 0);
}

/* Overlapping (RFC 5722), and with a wrong checksum over the whole. */
static void test_bad_fragments(void **state)
{
    struct fixture *f = *state;
    static uint8_t bytes[4096], piece[2048];
    struct addr inside = address_of(f, f->alice.host, true, 4660);
    struct addr remote = address_of(f, f->bob.host, true, 51941);
    uint32_t size = make_udp(bytes, &inside, &remote, 2000);
    assert_true(give(f, &f->alice, piece, cut(piece, bytes, size, 0, 1232)));
    assert_false(give(f, &f->alice, piece, cut(piece, bytes, size, 1224, 1232)));
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_REASSEMBLY], 1);
    assert_true(give(f, &f->alice, piece, cut(piece, bytes, size, 1232, 1232)));
    assert_int_equal(only(&f->bob)->size, size);
    bytes[1500] ^= 1;
    assert_true(give(f, &f->alice, piece, cut(piece, bytes, size, 0, 1232)));
    assert_false(give(f, &f->alice, piece, cut(piece, bytes, size, 1232, 1232)));
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_CHECKSUM], 1);
    assert_int_equal(f->bob.count, 0);
}

/* ---- What does not pass ---------------------------------------------------------------------- */

static void test_refusals_are_counted(void **state)
{
    struct fixture *f = *state;
    const struct net_counts *counts = net_counts(f->net);
    uint8_t bytes[256];
    struct addr inside = address_of(f, f->alice.host, false, 4660);
    struct addr remote = address_of(f, f->bob.host, false, 51941);
    uint32_t size = make_udp(bytes, &remote, &remote, 10);
    assert_false(give(f, &f->alice, bytes, size));
    assert_int_equal(counts->dropped[NET_DROP_NOT_OURS], 1);
    size = make_udp(bytes, &inside, &remote, 10);
    bytes[11] ^= 1;
    assert_false(give(f, &f->alice, bytes, size));
    assert_int_equal(counts->dropped[NET_DROP_CHECKSUM], 1);
    assert_false(give(f, &f->alice, bytes, 19));
    assert_false(give(f, &f->alice, bytes, 0));
    assert_int_equal(counts->dropped[NET_DROP_UNSUPPORTED], 2);
    struct addr many = addr_v4(0xe00000fb, 5353);
    size = make_udp(bytes, &inside, &many, 10);
    assert_false(give(f, &f->alice, bytes, size));
    assert_int_equal(counts->sent, 0);
    uint64_t all = 0;
    for (unsigned i = 0; i < NET_DROPS; i++)
        all += counts->dropped[i];
    assert_int_equal(all, 4);
    assert_int_equal(f->dropped, 1);
}

/* Damage on the way: never seen where a checksum finds it; otherwise the checksum fits it. */
static void test_damage_on_the_way(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[512];
    struct addr inside = address_of(f, f->alice.host, false, 40001);
    struct addr remote = address_of(f, f->bob.host, false, 443);
    uint32_t size = make_tcp(bytes, &inside, &remote, 2, 1, 150);
    struct net_fault fault = {.kind = NET_FAULT_LINK_SET,
                              .place = f->alice.host,
                              .way = NET_WAY_UP,
                              .link = {.corrupt_ppm = RANDOM_PPM}};
    for (unsigned undetected = 0; undetected < 2; undetected++) {
        fault.link.corrupt_undetected = undetected != 0;
        cause(f, fault);
        for (unsigned i = 0; i < 20; i++)
            assert_true(give(f, &f->alice, bytes, size));
        assert_int_equal(f->bob.count, undetected != 0 ? 20 : 0);
    }
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_CHECKSUM], 20);
}

/* ---- Faults ---------------------------------------------------------------------------------- */

static bool passes(struct fixture *f, bool from_alice)
{
    uint8_t bytes[256];
    struct addr inside = address_of(f, f->alice.host, true, 4660);
    struct addr remote = address_of(f, f->bob.host, true, 51941);
    struct addr answer = remote;
    uint32_t size = make_udp(bytes, &inside, &remote, 10);
    (void)give(f, &f->alice, bytes, size);
    if (!from_alice && f->bob.count == 1) {
        answer = source_of(&f->bob.arrivals[0]);
        size = make_udp(bytes, &remote, &answer, 10);
        (void)give(f, &f->bob, bytes, size);
    }
    bool arrived_there = (from_alice ? f->bob.count : f->alice.count) == 1;
    forget(&f->alice);
    forget(&f->bob);
    return arrived_there;
}

static void test_faults(void **state)
{
    struct fixture *f = *state;
    static const struct {
        uint32_t kind;
        bool passes; /* while it lasts */
    } faults[] = {
        {NET_FAULT_SUSPEND, true},         {NET_FAULT_RESUME, true},
        {NET_FAULT_CRASH, true},           {NET_FAULT_RESTART, true},
        {NET_FAULT_HOST_DOWN, false},      {NET_FAULT_HOST_UP, true},
        {NET_FAULT_INTERFACE_DOWN, false}, {NET_FAULT_INTERFACE_UP, true},
        {NET_FAULT_HOST_DOWN, false},      {NET_FAULT_RESTART, false},
        {NET_FAULT_HOST_UP, true},         {NET_FAULT_RESTART, true},
    };
    for (unsigned at = 0; at < 2; at++) {
        uint32_t place = at == 0 ? f->alice.host : f->bob.host;
        for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
            struct net_fault fault = {.kind = faults[i].kind, .place = place};
            cause(f, fault);
            assert_int_equal(passes(f, true), faults[i].passes);
            assert_int_equal(passes(f, false), faults[i].passes);
        }
    }
    assert_true(net_counts(f->net)->dropped[NET_DROP_HOST_DOWN] >= 4);
    assert_true(net_counts(f->net)->dropped[NET_DROP_LINK_DOWN] >= 2);
    assert_int_not_equal(net_digest(f->net), 0);
}

/* ---- Beside others --------------------------------------------------------------------------- */

struct heard {
    uint32_t count;
    uint32_t size;
    struct addr remote;
};

static void hear(void *context, struct net *net, uint32_t host, const struct addr *local,
                 const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    struct heard *heard = context;
    *heard = (struct heard){.count = heard->count + 1, .size = size, .remote = *remote};
    struct net_send back = {.source = *local, .remote = *remote};
    assert_int_equal(net_send(net, host, &back, bytes, size), NODE_OK);
}

static void test_with_a_plain_host(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[256];
    struct net_host config = {.behind = NET_INTERNET};
    uint32_t plain = net_add_host(f->net, "plain", &config);
    struct heard heard = {.count = 0};
    assert_int_equal(net_open(f->net, plain, 7, hear, NULL, &heard), 7);
    struct addr inside = address_of(f, f->alice.host, false, 4660);
    struct addr remote = address_of(f, plain, false, 7);
    uint32_t size = make_udp(bytes, &inside, &remote, 100);
    assert_true(give(f, &f->alice, bytes, size));
    assert_int_equal(heard.count, 1);
    assert_int_equal(heard.size, 100);
    const struct arrival *echoed = only(&f->alice);
    assert_from(echoed, &remote);
    assert_memory_equal(echoed->bytes + 28, bytes + 28, 100);
    /* A closed port. */
    remote.port = 8;
    (void)make_udp(bytes, &inside, &remote, 100);
    assert_true(give(f, &f->alice, bytes, size));
    const struct arrival *error = only(&f->alice);
    assert_int_equal(get16(error->bytes + 20), 0x0303);
    assert_quotes(error, bytes);
}

static void test_second_interface(void **state)
{
    struct fixture *f = *state;
    uint8_t bytes[256];
    struct net_host config = {.behind = NET_INTERNET};
    assert_int_equal(net_add_interface(f->net, f->alice.host, &config), 1);
    struct addr second = net_address(f->net, f->alice.host, ADDR_V4, 1);
    struct addr remote = address_of(f, f->bob.host, false, 51941);
    second.port = 4660;
    uint32_t size = make_udp(bytes, &second, &remote, 10);
    assert_true(net_gate_send(f->net, f->alice.host, 1, bytes, size));
    net_run_until(f->net, SECOND);
    assert_from(only(&f->bob), &second);
    size = make_udp(bytes, &remote, &second, 10);
    assert_true(give(f, &f->bob, bytes, size));
    assert_int_equal(only(&f->alice)->interface, 1);
}

static void test_capture(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/warren-gate-XXXXXX";
    int descriptor = mkstemp(path);
    assert_true(descriptor >= 0);
    assert_int_equal(close(descriptor), 0);
    assert_true(net_capture(f->net, f->alice.host, 0, path));
    uint8_t bytes[512], file[1024];
    struct addr inside = address_of(f, f->alice.host, false, 40001);
    struct addr remote = address_of(f, f->bob.host, false, 443);
    uint32_t size = make_tcp(bytes, &inside, &remote, 2, 1, 0);
    assert_true(give(f, &f->alice, bytes, size));
    net_free(f->net);
    f->net = net_new(&(struct net_config){.observe = NULL});
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fread(file, 1, sizeof file, in), 24 + 16 + size);
    assert_int_equal(fclose(in), 0);
    assert_int_equal(unlink(path), 0);
    assert_memory_equal(file + 40, bytes, size);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_udp_both_ways),
        TEST(test_what_is_sent_is_due_now),
        TEST(test_ping_both_ways),
        TEST(test_ping_of_a_router),
        TEST(test_tcp_handshake),
        TEST(test_errors_of_a_kernel),
        TEST(test_errors_of_routers),
        TEST(test_too_big),
        TEST(test_cut_on_the_way_out),
        TEST(test_fragments),
        TEST(test_bad_fragments),
        TEST(test_refusals_are_counted),
        TEST(test_damage_on_the_way),
        TEST(test_faults),
        TEST(test_with_a_plain_host),
        TEST(test_second_interface),
        TEST(test_capture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
