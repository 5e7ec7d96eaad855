/*
 * Tests of gathering packets into super-packets, which are split again byte by byte.
 */
#include "daemon/offload_test.h"

enum { EMITTED_MAX = 400 };

static uint8_t super[PACKET_MAX], expected[PACKET_MAX];

/* ---- What is emitted ------------------------------------------------------------------------- */

struct emitted {
    struct offload_header header;
    uint32_t size;
    uint32_t packets;
    const uint8_t *bytes;
};

static struct {
    struct offload_gather gather;
    unsigned count;
    uint32_t used;
    struct emitted emitted[EMITTED_MAX];
    uint8_t bytes[BYTES_MAX];
} out;

static void take(void *context, const struct iovec *parts, unsigned count, unsigned packets,
                 uint32_t size)
{
    assert_ptr_equal(context, &out);
    assert_true(out.count < EMITTED_MAX && out.used + size <= BYTES_MAX);
    struct emitted *emitted = &out.emitted[out.count++];
    *emitted = (struct emitted){.size = size, .packets = packets, .bytes = out.bytes + out.used};
    assert_int_equal(parts[0].iov_len, sizeof emitted->header);
    memcpy(&emitted->header, parts[0].iov_base, sizeof emitted->header);
    uint32_t before = out.used;
    for (unsigned i = 1; i < count; i++) {
        memcpy(out.bytes + out.used, parts[i].iov_base, parts[i].iov_len);
        out.used += (uint32_t)parts[i].iov_len;
    }
    assert_int_equal(out.used - before, size);
}

static void gather_begin(bool tcp, bool udp)
{
    out.count = 0;
    out.used = 0;
    offload_gather_init(&out.gather, tcp, udp, take, &out);
}

static void assert_single(const struct emitted *emitted, const uint8_t *packet, uint32_t size)
{
    static const struct offload_header none;
    assert_int_equal(emitted->packets, 1);
    assert_int_equal(emitted->size, size);
    assert_memory_equal(emitted->bytes, packet, size);
    assert_memory_equal(&emitted->header, &none, sizeof none);
}

/* ---- Merging --------------------------------------------------------------------------------- */

static uint8_t packets[BYTES_MAX];

/* Packets of one super-packet, split and gathered, are that super-packet. */
static void gathers_what_was_split(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 300; i++) {
        struct shape shape = draw_shape();
        uint32_t segment = 1 + draw(1400);
        uint32_t count = 2 + draw(62);
        uint32_t payload = (count - 1) * segment + 1 + draw(segment);
        if (payload > 65000)
            payload = 2 * segment;
        uint32_t size = make_packet(super, &shape, payload);
        if (!shape.udp) {
            super[transport_at(super) + 13] =
                (uint8_t)(ACK | (i % 2 == 0 ? PSH : 0) | (i % 3 == 0 ? FIN : 0) |
                          (i % 5 == 0 ? ECE : 0));
            finish(super, size);
        }
        /* Where DF is not set the identifications count, and here they follow one another. */
        if (!shape.v6 && i % 7 == 0) {
            super[6] = 0;
            finish(super, size);
        }
        struct offload_header header = make_super(super, size, segment);
        struct offload_split split;
        assert_true(offload_split_begin(&split, &header, super, size));
        uint32_t length;
        uint32_t used = offload_split_next(&split, packets, BYTES_MAX, &length);
        gather_begin(true, true);
        for (uint32_t at = 0; at < used; at += length)
            offload_gather_add(&out.gather, packets + at, used - at < length ? used - at : length);
        offload_gather_end(&out.gather);
        assert_int_equal(out.count, 1);
        assert_int_equal(out.emitted[0].size, size);
        assert_int_equal(out.emitted[0].packets, (payload + segment - 1) / segment);
        assert_memory_equal(out.emitted[0].bytes, super, size);
        assert_memory_equal(&out.emitted[0].header, &header, sizeof header);
    }
}

/* Two packets, the second right behind the first. */
struct pair {
    uint8_t first[2000], second[2000];
    uint32_t sizes[2];
};

static void make_pair(struct pair *pair, const struct shape *shape)
{
    static uint8_t both[PACKET_MAX];
    uint32_t size = make_packet(both, shape, 2 * MSS);
    pair->sizes[0] = naive_packet(pair->first, both, size, MSS, 0);
    pair->sizes[1] = naive_packet(pair->second, both, size, MSS, 1);
}

static unsigned gather_pair(const struct pair *pair, bool tcp, bool udp)
{
    gather_begin(tcp, udp);
    offload_gather_add(&out.gather, pair->first, pair->sizes[0]);
    offload_gather_add(&out.gather, pair->second, pair->sizes[1]);
    offload_gather_end(&out.gather);
    return out.count;
}

/* The shapes of what follows, and which of two packets is changed. */
enum { FOUR, FOUR_OPTIONS, TCP_OPTIONS, SIX, UDP_FOUR, UDP_SIX };
enum { FIRST = 1, SECOND = 2, BOTH = 3 };

static const struct shape shapes[] = {
    [FOUR] = {.v6 = false},
    [FOUR_OPTIONS] = {.ip_options = 8},
    [TCP_OPTIONS] = {.tcp_options = 12},
    [SIX] = {.v6 = true},
    [UDP_FOUR] = {.udp = true},
    [UDP_SIX] = {.v6 = true, .udp = true},
};

static void keeps_apart_what_differs(void **state)
{
    (void)state;
    enum { T = 20 }; /* where the transport begins behind IPv4 */
    static const struct {
        const char *what;
        unsigned shape;
        unsigned which;
        unsigned at;  /* of the byte that is changed */
        uint8_t flip; /* bits of it */
        bool spoil;   /* leave the sums as they were */
    } cases[] = {
        {"version 4's service", FOUR, SECOND, 1, 4, false},
        {"reserved flag", FOUR, BOTH, 6, 0x80, false},
        {"more fragments", FOUR, BOTH, 6, 0x20, false},
        {"fragment's place", FOUR, BOTH, 7, 1, false},
        {"DF in one", FOUR, SECOND, 6, 0x40, false},
        {"time to live", FOUR, SECOND, 8, 1, false},
        {"source", FOUR, SECOND, 12, 1, false},
        {"destination", FOUR, SECOND, 19, 1, false},
        {"option of IPv4", FOUR_OPTIONS, SECOND, 27, 1, false},
        {"source port", FOUR, SECOND, T + 1, 1, false},
        {"destination port", FOUR, SECOND, T + 3, 1, false},
        {"sequence", FOUR, SECOND, T + 7, 1, false},
        {"sequence far off", FOUR, SECOND, T + 4, 0x80, false},
        {"acknowledgement", FOUR, SECOND, T + 8, 1, false},
        {"reserved bits of TCP", FOUR, SECOND, T + 12, 1, false},
        {"SYN", FOUR, BOTH, T + 13, SYN, false},
        {"RST", FOUR, BOTH, T + 13, RST, false},
        {"URG", FOUR, BOTH, T + 13, URG, false},
        {"CWR", FOUR, BOTH, T + 13, CWR, false},
        {"no ACK", FOUR, BOTH, T + 13, ACK, false},
        {"ECE in one", FOUR, SECOND, T + 13, ECE, false},
        {"PSH in the first", FOUR, FIRST, T + 13, PSH, false},
        {"FIN in the first", FOUR, FIRST, T + 13, FIN, false},
        {"window", FOUR, SECOND, T + 15, 1, false},
        {"urgent pointer", FOUR, SECOND, T + 19, 1, false},
        {"option", TCP_OPTIONS, SECOND, T + 31, 1, false},
        {"first's sum", FOUR, FIRST, T + 17, 1, true},
        {"second's sum", FOUR, SECOND, T + 16, 1, true},
        {"first's payload", FOUR, FIRST, T + 20 + MSS - 1, 1, true},
        {"second's payload", FOUR, SECOND, T + 20, 0x80, true},
        {"first's IPv4 sum", FOUR, FIRST, 11, 1, true},
        {"second's IPv4 sum", FOUR, SECOND, 10, 1, true},
        {"traffic class", SIX, SECOND, 1, 0x10, false},
        {"flow label", SIX, SECOND, 3, 1, false},
        {"hop limit", SIX, SECOND, 7, 1, false},
        {"IPv6 source", SIX, SECOND, 8, 1, false},
        {"IPv6 destination", SIX, SECOND, 39, 1, false},
        {"IPv6 sum", SIX, SECOND, 100, 1, true},
        {"UDP port", UDP_FOUR, SECOND, T, 1, false},
        {"UDP sum", UDP_FOUR, SECOND, T + 9, 1, true},
        {"UDP over IPv6: port", UDP_SIX, SECOND, 43, 1, false},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct pair pair;
        make_pair(&pair, &shapes[cases[i].shape]);
        if (gather_pair(&pair, true, true) != 1)
            fail_msg("not merged before: %s", cases[i].what);
        for (unsigned which = 0; which < 2; which++) {
            uint8_t *packet = which == 0 ? pair.first : pair.second;
            if ((cases[i].which & (1u << which)) != 0)
                packet[cases[i].at] ^= cases[i].flip;
            if (!cases[i].spoil)
                finish(packet, pair.sizes[which]);
        }
        if (gather_pair(&pair, true, true) != 2)
            fail_msg("merged: %s", cases[i].what);
        assert_single(&out.emitted[0], pair.first, pair.sizes[0]);
        assert_single(&out.emitted[1], pair.second, pair.sizes[1]);
    }
}

static void merges_only_what_the_system_takes(void **state)
{
    (void)state;
    static struct pair pair;
    for (unsigned i = 0; i < 8; i++) {
        bool udp = i % 2 != 0, tcp_on = i / 2 % 2 != 0, udp_on = i / 4 != 0;
        make_pair(&pair, &(struct shape){.udp = udp});
        assert_int_equal(gather_pair(&pair, tcp_on, udp_on), (udp ? udp_on : tcp_on) ? 1 : 2);
    }
}

static void keeps_apart_identifications_that_count(void **state)
{
    (void)state;
    static struct pair pair;
    for (unsigned i = 0; i < 2; i++) {
        make_pair(&pair, &(struct shape){0});
        pair.first[6] = pair.second[6] = i == 0 ? 0x40 : 0;
        put16(pair.second + 4, (get16(pair.first + 4) + 7) & 0xffff);
        finish(pair.first, pair.sizes[0]);
        finish(pair.second, pair.sizes[1]);
        assert_int_equal(gather_pair(&pair, true, true), 1 + i);
    }
}

static void keeps_apart_odd_sizes(void **state)
{
    (void)state;
    static struct pair pair;
    /* The second is larger, has nothing in it, or is followed by bytes that are none of its. */
    static const int32_t more[] = {1, -MSS, 4, -20};
    for (unsigned i = 0; i < 4; i++) {
        make_pair(&pair, &(struct shape){0});
        pair.sizes[1] = (uint32_t)((int32_t)pair.sizes[1] + more[i]);
        if (i < 2)
            finish(pair.second, pair.sizes[1]);
        assert_int_equal(gather_pair(&pair, true, true), 2);
        bool whole = i < 2; /* else it is of no flow, and may overtake */
        assert_single(&out.emitted[whole ? 0 : 1], pair.first, pair.sizes[0]);
        assert_single(&out.emitted[whole ? 1 : 0], pair.second, pair.sizes[1]);
    }
}

static void keeps_apart_odd_udp(void **state)
{
    (void)state;
    static struct pair pair;
    uint8_t *const packets_of[] = {pair.first, pair.second};
    /* UDP that has no sum is not merged, for the super-packet would have one. */
    make_pair(&pair, &shapes[UDP_FOUR]);
    for (unsigned i = 0; i < 2; i++) {
        uint8_t *packet = packets_of[i];
        put16(packet + 28, 0);
        finish(packet, pair.sizes[i]);
        put16(packet + 28, get16(packet + 26)); /* so that even a sum over all of it is right */
        put16(packet + 26, 0);
    }
    assert_int_equal(gather_pair(&pair, true, true), 2);
    /* Nor is one that says of itself another size, with a sum that fits. */
    make_pair(&pair, &shapes[UDP_FOUR]);
    put16(pair.second + 24, get16(pair.second + 24) + 1);
    uint32_t sum = get16(pair.second + 26);
    put16(pair.second + 26, sum > 1 ? sum - 1 : 0xfffe);
    assert_int_equal(gather_pair(&pair, true, true), 2);
}

/* Flows that differ in nothing but one end's address. */
static void tells_flows_apart(void **state)
{
    (void)state;
    for (unsigned v6 = 0; v6 < 2; v6++) {
        static struct pair one, other;
        make_pair(&one, &shapes[v6 != 0 ? SIX : FOUR]);
        other = one;
        other.first[v6 != 0 ? 20 : 14] ^= 1;
        other.second[v6 != 0 ? 20 : 14] ^= 1;
        finish(other.first, other.sizes[0]);
        finish(other.second, other.sizes[1]);
        gather_begin(true, true);
        offload_gather_add(&out.gather, one.first, one.sizes[0]);
        offload_gather_add(&out.gather, other.first, other.sizes[0]);
        offload_gather_add(&out.gather, one.second, one.sizes[1]);
        offload_gather_add(&out.gather, other.second, other.sizes[1]);
        offload_gather_end(&out.gather);
        assert_int_equal(out.count, 2);
        assert_int_equal(out.emitted[0].packets, 2);
        assert_int_equal(out.emitted[1].packets, 2);
    }
}

/* What began first is emitted first, also where there are more flows than places for them. */
static void emits_in_order_of_beginning(void **state)
{
    (void)state;
    enum { COUNT = OFFLOAD_GROUPS + 5, ROOM = 200 };
    uint32_t size = 0;
    gather_begin(true, true);
    for (uint32_t i = 0; i < COUNT; i++) {
        size = make_packet(packets + (size_t)i * ROOM, &shapes[UDP_SIX], 50);
        offload_gather_add(&out.gather, packets + (size_t)i * ROOM, size);
    }
    assert_int_equal(out.count, COUNT - OFFLOAD_GROUPS);
    offload_gather_end(&out.gather);
    assert_int_equal(out.count, COUNT);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_single(&out.emitted[i], packets + (size_t)i * ROOM, size);
}

static void passes_anything_else_on(void **state)
{
    (void)state;
    static const struct {
        uint8_t bytes[48];
        uint32_t size;
    } cases[] = {
        {{0}, 0},
        {{0x45}, 1},
        {{0x45, 0, 0, 28, [9] = 1}, 28},
        {{0x65}, 48},
        {{0x60, [6] = 58}, 40},
        {{0x60, [5] = 1, [6] = 6}, 41},
        {{0x45, 0, 0, 20, [9] = 6}, 20},
        {{0x4f, 0, 0, 24, [9] = 17}, 24},
        {{0x45, 0, 0, 28, [9] = 17, [25] = 9}, 28},
        {{0x45, 0, 0, 40, [9] = 6, [32] = 0x40}, 40},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        gather_begin(true, true);
        offload_gather_add(&out.gather, cases[i].bytes, cases[i].size);
        assert_int_equal(out.count, 1);
        assert_single(&out.emitted[0], cases[i].bytes, cases[i].size);
        offload_gather_end(&out.gather);
        assert_int_equal(out.count, 1);
    }
}

static void ends_at_what_is_last(void **state)
{
    (void)state;
    static const struct {
        uint8_t flags;      /* of the third of four */
        uint32_t shorter;   /* bytes, of the third */
        unsigned groups[2]; /* packets in each of those emitted */
    } cases[] = {
        {ACK, 0, {4, 0}},
        {ACK | PSH, 0, {3, 1}},
        {ACK | FIN, 0, {3, 1}},
        {ACK, 1, {3, 1}},
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t size = make_packet(super, &(struct shape){0}, 4 * MSS);
        gather_begin(true, true);
        for (uint32_t k = 0; k < 4; k++) {
            uint8_t *packet = packets + (size_t)k * 2 * MSS;
            uint32_t one = naive_packet(packet, super, size, MSS, k);
            if (k == 2) {
                packet[33] = cases[i].flags;
                one -= cases[i].shorter;
            }
            if (k == 3)
                put32(packet + 24, get32(packet + 24) - cases[i].shorter);
            finish(packet, one);
            offload_gather_add(&out.gather, packet, one);
        }
        offload_gather_end(&out.gather);
        assert_int_equal(out.count, cases[i].groups[1] > 0 ? 2 : 1);
        assert_int_equal(out.emitted[0].packets, cases[i].groups[0]);
        if (cases[i].groups[1] == 0)
            continue;
        assert_int_equal(out.emitted[1].packets, cases[i].groups[1]);
        assert_int_equal(out.emitted[0].bytes[33], cases[i].flags);
    }
}

static void holds_as_many_as_fit(void **state)
{
    (void)state;
    static const struct {
        struct shape shape;
        uint32_t segment, count;
        unsigned groups[3];
    } cases[] = {
        {{.udp = true}, 100, 130, {64, 64, 2}},
        {{.udp = true, .v6 = true}, 1000, 70, {64, 6, 0}},
        {{.tcp_options = 12}, 100, 257, {128, 128, 1}},
        {{0}, 1400, 60, {46, 14, 0}},         /* 40 + 46 * 1400 = 64440, and 65840 is too much */
        {{.v6 = true}, 1400, 50, {46, 4, 0}}, /* 60 + 46 * 1400 = 64460 */
        {{.v6 = true}, 16365, 8, {4, 4, 0}},  /* 60 + 4 * 16365 = 65520 */
        {{0}, 13099, 6, {5, 1, 0}},           /* 40 + 5 * 13099 = 65535 */
        {{0}, 13100, 6, {4, 2, 0}},           /* one more in each */
    };
    for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t headers = make_packet(super, &cases[i].shape, 0);
        uint32_t at = transport_at(super), one = headers + cases[i].segment;
        gather_begin(true, true);
        for (uint32_t k = 0; k < cases[i].count; k++) {
            uint8_t *packet = packets + (size_t)k * one;
            memcpy(packet, super, headers);
            memset(packet + headers, (int)k, cases[i].segment);
            if (!cases[i].shape.udp)
                put32(packet + at + 4, get32(super + at + 4) + k * cases[i].segment);
            finish(packet, one);
            offload_gather_add(&out.gather, packet, one);
        }
        offload_gather_end(&out.gather);
        for (unsigned k = 0; k < 3; k++)
            assert_int_equal(out.count > k ? out.emitted[k].packets : 0, cases[i].groups[k]);
    }
}

enum { FLOWS = 12, EACH = 25, FLOW_SIZE = 200, FLOW_PAYLOAD = 60 };

static struct flow {
    uint32_t size; /* of each packet */
    uint32_t next; /* of those that were made, and then of those that came out */
    uint32_t before;
    uint8_t first[FLOW_SIZE];
    uint8_t sent[EACH][FLOW_SIZE];
} flows[FLOWS];

/* The next packet of a flow; now and then it ends a burst, or is spoilt. */
static void add_packet(struct flow *flow)
{
    uint8_t *packet = flow->sent[flow->next++];
    uint32_t at = transport_at(flow->first);
    memcpy(packet, flow->first, flow->size);
    if (!is_udp(packet)) {
        put32(packet + at + 4, get32(packet + at + 4) + flow->before);
        flow->before += FLOW_PAYLOAD;
        packet[at + 13] = draw(8) == 0 ? ACK | PSH : ACK;
    }
    if (packet[0] >> 4 == 4)
        put16(packet + 4, (get16(packet + 4) + flow->next) & 0xffff);
    finish(packet, flow->size);
    if (draw(10) == 0)
        packet[flow->size - 1] ^= 1;
    offload_gather_add(&out.gather, packet, flow->size);
}

/* Split again, these are the next packets of a flow, byte for byte. */
static void assert_next(const struct emitted *emitted, uint32_t count)
{
    struct flow *flow = flows;
    while (memcmp(emitted->bytes + transport_at(emitted->bytes),
                  flow->first + transport_at(flow->first), 4) != 0)
        flow++;
    assert_true(flow < flows + count);
    for (uint32_t k = 0; k < emitted->packets; k++) {
        const uint8_t *packet = emitted->bytes;
        uint32_t size = emitted->size;
        if (emitted->packets > 1) {
            size = naive_packet(expected, emitted->bytes, size, emitted->header.segment, k);
            packet = expected;
        }
        assert_int_equal(size, flow->size);
        assert_memory_equal(packet, flow->sent[flow->next++], size);
    }
}

/* Many flows in any order, with packets among them that cannot be merged. */
static void keeps_order_in_each_flow(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 60; round++) {
        uint32_t count = 1 + draw(FLOWS);
        for (uint32_t f = 0; f < count; f++) {
            struct shape shape = {.v6 = f % 2 == 0, .udp = f % 3 == 0};
            flows[f].size = make_packet(flows[f].first, &shape, FLOW_PAYLOAD);
            flows[f].next = 0;
            flows[f].before = 0;
        }
        gather_begin(true, true);
        for (uint32_t left = count * EACH; left > 0;) {
            struct flow *flow = &flows[draw(count)];
            for (uint32_t burst = 1 + draw(6); burst > 0 && flow->next < EACH; burst--, left--)
                add_packet(flow);
        }
        offload_gather_end(&out.gather);
        for (uint32_t f = 0; f < count; f++)
            flows[f].next = 0;
        for (unsigned e = 0; e < out.count; e++)
            assert_next(&out.emitted[e], count);
        for (uint32_t f = 0; f < count; f++)
            assert_int_equal(flows[f].next, EACH);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(gathers_what_was_split),
        cmocka_unit_test(keeps_apart_what_differs),
        cmocka_unit_test(merges_only_what_the_system_takes),
        cmocka_unit_test(keeps_apart_identifications_that_count),
        cmocka_unit_test(keeps_apart_odd_sizes),
        cmocka_unit_test(keeps_apart_odd_udp),
        cmocka_unit_test(tells_flows_apart),
        cmocka_unit_test(emits_in_order_of_beginning),
        cmocka_unit_test(passes_anything_else_on),
        cmocka_unit_test(ends_at_what_is_last),
        cmocka_unit_test(holds_as_many_as_fit),
        cmocka_unit_test(keeps_order_in_each_flow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
