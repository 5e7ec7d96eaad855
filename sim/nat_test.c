/* The NAT's mechanics: sessions, tables when full, poisoning, addresses, errors, determinism. */
#include <stdlib.h>
#include <string.h>

#include "sim/nat_test.h"

static const uint8_t seed[RANDOM_SEED_SIZE] = {9};

static struct nat *make(const struct nat_config *config)
{
    return make_seeded(config, seed, "test");
}

static struct nat *make_preset(const char *name)
{
    assert_non_null(nat_preset_find(name));
    struct nat_config config = nat_preset_config(nat_preset_find(name));
    return make(&config);
}

static enum nat_verdict try_out(struct nat *nat, uint64_t now_ns, struct addr from, struct addr to)
{
    struct nat_packet packet = {.protocol = NAT_UDP, .source = from, .destination = to};
    struct nat_packet before = packet;
    enum nat_verdict verdict = nat_outbound(nat, now_ns, &packet);
    if (!nat_verdict_passes(verdict)) {
        assert_true(addr_equal(&packet.source, &before.source));
        assert_true(addr_equal(&packet.destination, &before.destination));
    }
    return verdict;
}

/* Session models, rule by rule; the NAT is symmetric with an open filter. */

static struct nat *symmetric_open(uint8_t session)
{
    struct nat_config config =
        nat_preset_config(nat_preset_class(NAT_MAPPING_APDM, NAT_FILTERING_EIF));
    config.session = session;
    return make(&config);
}

static void test_session_nothing(void **state)
{
    (void)state;
    struct nat *nat = symmetric_open(NAT_SESSION_NOTHING);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
    assert_int_equal(in(nat, 1, server(2, 1), first), NAT_PASS);
    assert_false(same(out(nat, 2, host(1, 5000), server(2, 1)), first));
    assert_true(same(out(nat, 3, host(1, 5000), server(1, 1)), first));
    nat_destroy(nat);
}

static void test_session_first(void **state)
{
    (void)state;
    struct nat *nat = symmetric_open(NAT_SESSION_FIRST);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
    struct addr second = out(nat, 0, host(1, 5000), server(2, 1));
    /* An inbound packet that is the first of its pair fixes the mapping. */
    assert_int_equal(in(nat, 1, server(3, 1), first), NAT_PASS);
    assert_true(same(out(nat, 2, host(1, 5000), server(3, 1)), first));
    /* One by another mapping is delivered and changes nothing, whoever was first. */
    assert_int_equal(in(nat, 3, server(3, 1), second), NAT_PASS);
    assert_true(same(out(nat, 4, host(1, 5000), server(3, 1)), first));
    assert_int_equal(in(nat, 5, server(2, 1), first), NAT_PASS);
    assert_true(same(out(nat, 6, host(1, 5000), server(2, 1)), second));
    nat_destroy(nat);
}

static void test_session_pin(void **state)
{
    (void)state;
    struct nat *nat = symmetric_open(NAT_SESSION_PIN);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
    struct addr second = out(nat, 0, host(1, 5000), server(2, 1));
    /* The last one in decides, also against an earlier packet out. */
    assert_int_equal(in(nat, 1, server(2, 1), first), NAT_PASS);
    assert_true(same(out(nat, 2, host(1, 5000), server(2, 1)), first));
    assert_int_equal(in(nat, 3, server(2, 1), second), NAT_PASS);
    assert_true(same(out(nat, 4, host(1, 5000), server(2, 1)), second));
    nat_destroy(nat);
}

/* A session admits nothing by itself, and ends with its mapping, not by a time of its own. */
static void test_session_ends_with_mapping(void **state)
{
    (void)state;
    for (unsigned session = NAT_SESSION_FIRST; session <= NAT_SESSION_PIN; session++) {
        struct nat *nat = symmetric_open((uint8_t)session);
        struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
        assert_int_equal(in(nat, 0, server(3, 1), first), NAT_PASS);
        uint64_t now_ns = 0;
        for (unsigned i = 0; i < 10; i++) {
            now_ns += 200 * second_ns; /* the mapping is used, the pair is not */
            out(nat, now_ns, host(1, 5000), server(1, 1));
        }
        assert_true(same(out(nat, now_ns, host(1, 5000), server(3, 1)), first));
        now_ns += 300 * second_ns;
        assert_false(same(out(nat, now_ns, host(1, 5000), server(3, 1)), first));
        nat_destroy(nat);
    }
    struct nat_config config =
        nat_preset_config(nat_preset_class(NAT_MAPPING_APDM, NAT_FILTERING_APDF));
    config.session = NAT_SESSION_PIN;
    struct nat *nat = make(&config);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
    assert_int_equal(in(nat, 1, server(3, 1), first), NAT_DROP_FILTERED);
    assert_false(same(out(nat, 2, host(1, 5000), server(3, 1)), first));
    nat_destroy(nat);
}

/* A packet that leaves by a pinned mapping opens that mapping to its remote. */
static void test_session_permission_goes_to_the_path(void **state)
{
    (void)state;
    struct nat_config config =
        nat_preset_config(nat_preset_class(NAT_MAPPING_APDM, NAT_FILTERING_ADF));
    config.session = NAT_SESSION_PIN;
    struct nat *nat = make(&config);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
    assert_int_equal(in(nat, 1, server(1, 2), first), NAT_PASS);
    assert_true(same(out(nat, 2, host(1, 5000), server(1, 2)), first));
    assert_int_equal(nat_mapping_count(nat, 2, NULL), 1);
    nat_destroy(nat);
}

/* Poisoning, as measured on Linux: the early packet moves the port of the mapping to its sender. */
static void test_poisoning(void **state)
{
    (void)state;
    const struct {
        const char *preset;
        bool poisons;
    } cases[] = {
        {"linux-masquerade", true},
        {"linux-masquerade-drop", false},
        {"home", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nat *nat = make_preset(cases[i].preset);
        struct addr mapped = out(nat, 0, host(1, 20551), server(1, 3478));
        assert_int_equal(mapped.port, 20551);
        assert_int_equal(in(nat, 1, server(2, 777), mapped), NAT_DROP_FILTERED);
        struct addr later = out(nat, 2, host(1, 20551), server(2, 777));
        assert_int_equal(later.port != 20551, cases[i].poisons);
        /* Its sender is admitted by the port that was sent from, and others are not hurt. */
        assert_int_equal(in(nat, 3, server(2, 777), later), NAT_PASS);
        assert_int_equal(in(nat, 3, server(2, 777), mapped),
                         cases[i].poisons ? NAT_DROP_FILTERED : NAT_PASS);
        assert_true(same(out(nat, 4, host(1, 20551), server(3, 1)), mapped));
        assert_true(same(out(nat, 5, host(1, 20551), server(2, 777)), later));
        assert_int_equal(nat_count(nat, 5)->poisoned, cases[i].poisons);
        nat_destroy(nat);
    }
}

static void test_poison_wears_off(void **state)
{
    (void)state;
    struct nat *nat = make_preset("linux-masquerade");
    struct addr mapped = external(1, 20551);
    /* Also when nothing was mapped yet. */
    assert_int_equal(in(nat, 0, server(2, 777), mapped), NAT_DROP_NO_MAPPING);
    assert_int_equal(in(nat, 20 * second_ns, server(2, 777), mapped), NAT_DROP_FILTERED);
    assert_int_not_equal(out(nat, 49 * second_ns, host(1, 20551), server(2, 777)).port, 20551);
    nat_flush(nat);
    assert_int_equal(in(nat, 60 * second_ns, server(2, 777), mapped), NAT_DROP_NO_MAPPING);
    assert_true(same(out(nat, 90 * second_ns, host(1, 20551), server(2, 777)), mapped));
    nat_destroy(nat);
}

/*
 * Measured on Linux 6.18 with 50 hosts on port 51820 and 4 destinations in random order: 4 hosts
 * lost their endpoint-independent mapping, and 1 external port was shared. Whoever finds the port
 * taken at first gets another one and keeps it; those who share it meet at a common destination.
 */
static void test_overloading_breaks_eim(void **state)
{
    (void)state;
    enum { HOSTS = 50, SERVERS = 4, PAIRS = HOSTS * SERVERS };
    struct nat *nat = make_preset("linux-masquerade-drop");
    struct random_stream random;
    struct addr mapped[HOSTS][SERVERS];
    unsigned order[PAIRS];
    random_stream_init(&random, seed, "order", 5);
    for (unsigned i = 0; i < PAIRS; i++) {
        unsigned j = (unsigned)random_below(&random, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
    for (unsigned i = 0; i < PAIRS; i++) {
        unsigned to = order[i] % SERVERS;
        unsigned from = order[i] / SERVERS;
        mapped[from][to] =
            out(nat, i, host((uint8_t)(1 + from), 51820), server((uint8_t)(1 + to), 1));
    }
    unsigned lost = 0;
    unsigned sharing = 0;
    for (unsigned i = 0; i < HOSTS; i++) {
        bool shares = false;
        bool keeps = true;
        for (unsigned j = 0; j < SERVERS; j++) {
            keeps = keeps && same(mapped[i][j], mapped[i][0]);
            shares = shares || mapped[i][j].port == 51820;
            struct nat_packet packet = {.protocol = NAT_UDP,
                                        .source = server((uint8_t)(1 + j), 1),
                                        .destination = mapped[i][j]};
            assert_int_equal(nat_inbound(nat, PAIRS, &packet), NAT_PASS);
            assert_true(same(packet.destination, host((uint8_t)(1 + i), 51820)));
        }
        lost += !keeps;
        sharing += shares;
    }
    assert_in_range(lost, 2, 4);
    assert_int_equal(sharing, lost);
    nat_destroy(nat);
}

/* Tables when full. */

static void test_full_mappings(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.capacity = 5;
    for (unsigned policy = 0; policy <= NAT_EVICTION_OLDEST; policy++) {
        config.eviction = (uint8_t)policy;
        struct nat *nat = make(&config);
        struct addr mapped[5];
        for (uint16_t i = 0; i < 5; i++)
            mapped[i] = out(nat, i, host(1, (uint16_t)(5000 + i)), server(1, 1));
        out(nat, 10, host(1, 5000), server(1, 1)); /* now the second one is the oldest */
        enum nat_verdict verdict = try_out(nat, 11, host(1, 6000), server(1, 1));
        bool evicts = policy == NAT_EVICTION_OLDEST;
        assert_int_equal(verdict, evicts ? NAT_PASS : NAT_DROP_TABLE_FULL);
        for (unsigned i = 0; i < 5; i++)
            assert_int_equal(in(nat, 12, server(1, 1), mapped[i]),
                             evicts && i == 1 ? NAT_DROP_NO_MAPPING : NAT_PASS);
        assert_int_equal(nat_mapping_count(nat, 12, NULL), 5);
        assert_int_equal(nat_count(nat, 12)->mappings_evicted, evicts);
        /* Expiry makes room either way. */
        assert_int_equal(try_out(nat, 700 * second_ns, host(1, 7000), server(1, 1)), NAT_PASS);
        nat_destroy(nat);
    }
}

static void test_full_sessions(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.sessions = 4;
    for (unsigned policy = 0; policy <= NAT_EVICTION_OLDEST; policy++) {
        config.eviction = (uint8_t)policy;
        struct nat *nat = make(&config);
        bool evicts = policy == NAT_EVICTION_OLDEST;
        struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
        for (uint8_t i = 2; i <= 4; i++)
            out(nat, i, host(1, 5000), server(i, 1));
        assert_int_equal(try_out(nat, 5, host(1, 5000), server(5, 1)),
                         evicts ? NAT_PASS : NAT_DROP_TABLE_FULL);
        assert_int_equal(in(nat, 6, server(1, 1), mapped) == NAT_PASS, !evicts);
        assert_int_equal(in(nat, 6, server(5, 1), mapped) == NAT_PASS, evicts);
        assert_int_equal(in(nat, 6, server(4, 1), mapped), NAT_PASS);
        nat_destroy(nat);
    }
}

/* Many more subscribers, mappings and remotes than there is room for, for long. */
static void test_churn(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.capacity = 50;
    config.sessions = 70;
    config.idle_ns = 400;
    config.ports = NAT_PORTS_BLOCK;
    config.block = 16;
    config.pool = 3;
    config.lifetime_ns = 900;
    config.session = NAT_SESSION_PIN;
    config.mapping = NAT_MAPPING_ADM;
    config.filtering = NAT_FILTERING_ADF;
    for (unsigned variant = 0; variant < 8; variant++) {
        config.eviction = variant % 2;
        config.reuse_delay_ns = (uint64_t)(variant / 2 % 2) * 300;
        config.poison_ns = (uint64_t)(variant / 4) * 250;
        struct nat *nat = make(&config);
        struct random_stream random;
        random_stream_init(&random, seed, "churn", 5);
        uint64_t now_ns = 0;
        for (unsigned i = 0; i < 20000; i++) {
            struct addr inside = host((uint8_t)random_below(&random, 90),
                                      (uint16_t)(5000 + random_below(&random, 3)));
            struct addr remote =
                server((uint8_t)random_below(&random, 5), (uint16_t)random_below(&random, 2));
            struct nat_packet packet = {
                .protocol = NAT_UDP, .source = inside, .destination = remote};
            now_ns += random_below(&random, 20);
            if (nat_outbound(nat, now_ns, &packet) != NAT_PASS)
                continue;
            assert_true(nat_mapping_count(nat, now_ns, NULL) <= 50);
            struct addr mapped = packet.source;
            remote.port ^= (uint16_t)random_below(&random, 2);
            packet.source = remote;
            packet.destination = mapped;
            if (nat_inbound(nat, now_ns, &packet) == NAT_PASS)
                assert_true(same(packet.destination, inside));
        }
        now_ns += 100000;
        assert_int_equal(nat_mapping_count(nat, now_ns, NULL), 0);
        const struct nat_counters *counters = nat_count(nat, now_ns);
        assert_int_equal(counters->mappings_made, counters->mappings_expired +
                                                      counters->mappings_outlived +
                                                      counters->mappings_evicted);
        assert_true(counters->mappings_made > 1000);
        nat_destroy(nat);
    }
}

/* Time. */

static void test_lifetime(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.lifetime_ns = 1000 * second_ns;
    config.ports = NAT_PORTS_SEQUENTIAL;
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    for (uint64_t now_s = 100; now_s < 1000; now_s += 100)
        assert_true(same(out(nat, now_s * second_ns, host(1, 5000), server(1, 1)), mapped));
    assert_int_equal(in(nat, 1000 * second_ns - 1, server(1, 1), mapped), NAT_PASS);
    assert_int_equal(in(nat, 1000 * second_ns, server(1, 1), mapped), NAT_DROP_LIFETIME);
    assert_false(same(out(nat, 1001 * second_ns, host(1, 5000), server(1, 1)), mapped));
    assert_int_equal(nat_count(nat, 1001 * second_ns)->mappings_outlived, 1);
    nat_destroy(nat);
}

static void test_permission_expires_alone(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    out(nat, 200 * second_ns, host(1, 5000), server(2, 1));
    assert_int_equal(in(nat, 299 * second_ns, server(2, 1), mapped), NAT_PASS);
    assert_int_equal(in(nat, 300 * second_ns, server(1, 1), mapped), NAT_DROP_FILTERED);
    assert_int_equal(in(nat, 300 * second_ns, server(2, 1), mapped), NAT_PASS);
    nat_destroy(nat);
}

/*
 * Measured on Linux: a quick exchange keeps the short timeout, one that lasts over two seconds gets
 * the long one.
 */
static void test_two_way_after(void **state)
{
    (void)state;
    for (unsigned lasts = 0; lasts < 2; lasts++) {
        struct nat *nat = make_preset("linux-masquerade-drop");
        struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
        assert_int_equal(in(nat, 1, server(1, 1), mapped), NAT_PASS);
        uint64_t now_ns = lasts ? 2 * second_ns : second_ns;
        out(nat, now_ns, host(1, 5000), server(1, 1));
        now_ns += 30 * second_ns;
        assert_int_equal(in(nat, now_ns, server(1, 1), mapped),
                         lasts ? NAT_PASS : NAT_DROP_EXPIRED);
        assert_int_equal(in(nat, now_ns + 119 * second_ns, server(1, 1), mapped),
                         lasts ? NAT_PASS : NAT_DROP_EXPIRED);
        nat_destroy(nat);
    }
}

/* A reset near the end of an open connection's timeout does not put that end off. */
static void test_reset_prolongs_nothing(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct nat_packet packet = {.protocol = NAT_TCP,
                                .tcp_flags = NAT_TCP_SYN,
                                .source = host(1, 5000),
                                .destination = server(1, 80)};
    const struct nat_packet inbound = {
        .protocol = NAT_TCP, .source = server(1, 80), .destination = external(1, 5000)};
    struct nat_packet answer = inbound;
    assert_int_equal(nat_outbound(nat, 0, &packet), NAT_PASS);
    assert_int_equal(nat_inbound(nat, 0, &answer), NAT_PASS);
    answer = inbound;
    answer.tcp_flags = NAT_TCP_RST;
    assert_int_equal(nat_inbound(nat, 7400 * second_ns, &answer), NAT_PASS);
    assert_int_equal(nat_mapping_count(nat, 7440 * second_ns - 1, NULL), 1);
    assert_int_equal(nat_mapping_count(nat, 7440 * second_ns, NULL), 0);
    nat_destroy(nat);
}

/* Ports. */

/* Two hosts share a port; a new port of an address that one of them has sent to finds that one. */
static void test_shared_port_is_told_apart_by_filter(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("linux-masquerade-drop"));
    config.filtering = NAT_FILTERING_ADF;
    struct nat *nat = make(&config);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
    assert_true(same(out(nat, 0, host(2, 5000), server(2, 1)), first));
    for (uint8_t i = 1; i <= 2; i++) {
        struct nat_packet packet = {
            .protocol = NAT_UDP, .source = server(i, 99), .destination = first};
        assert_int_equal(nat_inbound(nat, 1, &packet), NAT_PASS);
        assert_true(same(packet.destination, host(i, 5000)));
    }
    nat_destroy(nat);
}

/* Ports that rest hold their places in the table too, unless the policy is to evict. */
static void test_resting_ports_hold_their_places(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.capacity = 3;
    config.reuse_delay_ns = 120 * second_ns;
    for (unsigned policy = 0; policy <= NAT_EVICTION_OLDEST; policy++) {
        config.eviction = (uint8_t)policy;
        struct nat *nat = make(&config);
        for (uint16_t i = 0; i < 3; i++)
            out(nat, 0, host(1, (uint16_t)(5000 + i)), server(1, 1));
        assert_int_equal(try_out(nat, 310 * second_ns, host(2, 7000), server(1, 1)),
                         policy == NAT_EVICTION_OLDEST ? NAT_PASS : NAT_DROP_TABLE_FULL);
        assert_int_equal(try_out(nat, 420 * second_ns, host(2, 7001), server(1, 1)), NAT_PASS);
        nat_destroy(nat);
    }
}

/* A mapping for one remote whose 5-tuple was evicted and then poisoned takes it back. */
static void test_poisoned_after_eviction(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("linux-masquerade"));
    config.mapping = NAT_MAPPING_APDM;
    config.eviction = NAT_EVICTION_OLDEST;
    config.sessions = 2; /* a claim and a permission: one pair */
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    out(nat, 1, host(2, 6000), server(2, 1));
    assert_int_equal(in(nat, 2, server(1, 1), mapped), NAT_DROP_FILTERED);
    assert_true(same(out(nat, 3, host(1, 5000), server(1, 1)), mapped));
    assert_int_equal(in(nat, 4, server(1, 1), mapped), NAT_PASS);
    nat_destroy(nat);
}

static void test_contiguity(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    for (unsigned kept = 0; kept < 2; kept++) {
        config.contiguity = kept != 0;
        struct nat *nat = make(&config);
        unsigned neighbours = 0;
        for (uint16_t port = 5000; port < 5100; port += 2) {
            struct addr even = out(nat, 0, host(1, port), server(1, 1));
            struct addr odd = out(nat, 0, host(1, (uint16_t)(port + 1)), server(1, 1));
            neighbours += odd.port == even.port + 1 && even.port % 2 == 0;
        }
        if (kept)
            assert_int_equal(neighbours, 50);
        else
            assert_true(neighbours < 5);
        nat_destroy(nat);
    }
}

/* Every port of the range is given out, then none, by every way of choosing. */
static void test_range_is_used_up(void **state)
{
    (void)state;
    for (unsigned ports = 0; ports <= NAT_PORTS_BLOCK; ports++) {
        if (ports == NAT_PORTS_OVERLOADED)
            continue;
        struct nat_config config = nat_config_default();
        config.ports = (uint8_t)ports;
        config.port_low = 4001;
        config.port_high = 4300;
        config.block = 300;
        config.step = 6;
        config.parity = false;
        struct nat *nat = make(&config);
        bool met[300] = {false};
        for (uint16_t i = 0; i < 300; i++) {
            struct addr mapped = out(nat, 0, host(1, (uint16_t)(4100 + i)), server(1, 1));
            assert_in_range(mapped.port, 4001, 4300);
            assert_false(met[mapped.port - 4001]);
            met[mapped.port - 4001] = true;
        }
        assert_int_equal(try_out(nat, 0, host(1, 9000), server(1, 1)), NAT_DROP_NO_PORT);
        assert_int_equal(try_out(nat, 300 * second_ns, host(1, 9000), server(1, 1)), NAT_PASS);
        nat_destroy(nat);
    }
}

/* Blocks are disjoint, and given back. */
static void test_blocks(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_BLOCK;
    config.port_low = 10000;
    config.port_high = 10099;
    config.block = 25;
    config.parity = false;
    struct nat *nat = make(&config);
    unsigned met = 0;
    for (uint8_t i = 1; i <= 4; i++) {
        unsigned block = (out(nat, 0, host(i, 5000), server(1, 1)).port - 10000u) / 25;
        met |= 1u << block;
        for (uint16_t port = 5001; port < 5025; port++)
            assert_int_equal((out(nat, 0, host(i, port), server(1, 1)).port - 10000u) / 25, block);
        assert_int_equal(try_out(nat, 0, host(i, 6000), server(1, 1)), NAT_DROP_NO_PORT);
    }
    assert_int_equal(met, 15);
    assert_int_equal(try_out(nat, 0, host(5, 5000), server(1, 1)), NAT_DROP_NO_PORT);
    assert_int_equal(try_out(nat, 300 * second_ns, host(5, 5000), server(1, 1)), NAT_PASS);
    nat_destroy(nat);
}

/* Addresses. */

static void test_one_to_one(void **state)
{
    (void)state;
    struct nat_config config = nat_preset_config(nat_preset_find("one-to-one"));
    config.pool = 2;
    struct nat *nat = make(&config);
    struct addr inside = host(9, 0);
    struct addr outside;
    assert_int_equal(in(nat, 0, server(1, 1), external(1, 80)), NAT_DROP_NO_MAPPING);
    assert_true(nat_assign(nat, &inside, &outside));
    assert_true(same(outside, external(1, 0)));
    /* Inbound without anything outbound before, on any port. */
    struct nat_packet packet = {
        .protocol = NAT_TCP, .source = server(1, 1), .destination = external(1, 80)};
    assert_int_equal(nat_inbound(nat, 0, &packet), NAT_PASS);
    assert_true(same(packet.destination, host(9, 80)));
    assert_true(same(out(nat, 0, host(8, 80), server(1, 1)), external(2, 80)));
    assert_int_equal(try_out(nat, 0, host(7, 80), server(1, 1)), NAT_DROP_NO_ADDRESS);
    assert_false(nat_assign(nat, &(struct addr){.family = ADDR_V4, .ip = {10, 0, 0, 6}}, &outside));
    /* The assignment outlives a reboot, a new address replaces the old one. */
    nat_flush(nat);
    assert_true(same(out(nat, 1, host(9, 81), server(1, 1)), external(1, 81)));
    const struct addr moved[2] = {external(11, 0), external(12, 0)};
    nat_set_external(nat, moved, 2);
    assert_true(same(out(nat, 2, host(9, 81), server(1, 1)), external(11, 81)));
    /* One inside host calls another one by its external address. */
    packet = (struct nat_packet){
        .protocol = NAT_UDP, .source = host(9, 1), .destination = external(12, 2)};
    assert_int_equal(nat_outbound(nat, 3, &packet), NAT_HAIRPIN);
    assert_true(same(packet.source, external(11, 1)));
    assert_true(same(packet.destination, host(8, 2)));
    nat_destroy(nat);
}

static void test_flush_and_new_address(void **state)
{
    (void)state;
    struct nat *nat = make_preset("full-cone");
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    assert_true(nat_is_external(nat, &mapped));
    nat_flush(nat);
    assert_int_equal(in(nat, 1, server(1, 1), mapped), NAT_DROP_NO_MAPPING);
    assert_int_equal(nat_count(nat, 1)->mappings_flushed, 1);
    assert_true(same(out(nat, 2, host(1, 5000), server(1, 1)), mapped));
    const struct addr moved = external(7, 0);
    nat_set_external(nat, &moved, 1);
    assert_false(nat_is_external(nat, &mapped));
    assert_int_equal(in(nat, 3, server(1, 1), mapped), NAT_DROP_NOT_OURS);
    assert_true(same(out(nat, 4, host(1, 5000), server(1, 1)), external(7, 5000)));
    nat_destroy(nat);
}

/* A pool of both families gives each host one of its own family. */
static void test_families(void **state)
{
    (void)state;
    const uint8_t outside_ip[16] = {0x20, 0x01, 0x0d, 0xb8, 1};
    const uint8_t inside_ip[16] = {0xfd, 1};
    const uint8_t remote_ip[16] = {0x20, 0x01, 0x0d, 0xb8, 2};
    struct nat_config config = nat_config_default();
    const struct addr pool[2] = {addr_v6(outside_ip, 0), external(1, 0)};
    struct nat *nat = nat_create(&config, pool, 2, seed, "both", 4);
    struct addr mapped = out(nat, 0, addr_v6(inside_ip, 5000), addr_v6(remote_ip, 1));
    assert_true(same(mapped, addr_v6(outside_ip, 5000)));
    assert_int_equal(in(nat, 0, addr_v6(remote_ip, 1), mapped), NAT_PASS);
    assert_true(same(out(nat, 0, host(1, 5000), server(1, 1)), external(1, 5000)));
    nat_destroy(nat);
    nat = make(&config);
    assert_int_equal(try_out(nat, 0, addr_v6(inside_ip, 5000), addr_v6(remote_ip, 1)),
                     NAT_DROP_NO_ADDRESS);
    nat_destroy(nat);
}

/* An error about a hairpinned packet finds its way back to the host that sent it. */
static void test_error_about_hairpin(void **state)
{
    (void)state;
    struct nat *nat = make_preset("full-cone");
    struct addr called = out(nat, 0, host(2, 6000), server(1, 1));
    struct nat_packet packet = {
        .protocol = NAT_UDP, .source = host(1, 5000), .destination = called};
    assert_int_equal(nat_outbound(nat, 0, &packet), NAT_HAIRPIN);
    struct nat_packet error = {
        .protocol = NAT_UDP,
        .is_error = true,
        .source = host(2, 0),
        .destination = addr_with_port(packet.source, 0),
        .quoted_source = packet.source,
        .quoted_destination = host(2, 6000),
    };
    assert_int_equal(nat_outbound(nat, 1, &error), NAT_HAIRPIN);
    assert_true(same(error.source, addr_with_port(called, 0)));
    assert_true(same(error.destination, host(1, 0)));
    assert_true(same(error.quoted_source, host(1, 5000)));
    assert_true(same(error.quoted_destination, called));
    nat_destroy(nat);
}

static void test_other_drops(void **state)
{
    (void)state;
    struct nat *nat = make_preset("full-cone");
    struct nat_packet packet = {.protocol = 50, .source = host(1, 0), .destination = server(1, 0)};
    assert_int_equal(nat_outbound(nat, 0, &packet), NAT_DROP_PROTOCOL);
    packet.destination = external(1, 0);
    assert_int_equal(nat_inbound(nat, 0, &packet), NAT_DROP_PROTOCOL);
    assert_int_equal(in(nat, 0, server(1, 1), external(2, 1)), NAT_DROP_NOT_OURS);
    assert_int_equal(in(nat, 0, server(1, 1), external(1, 1)), NAT_DROP_NO_MAPPING);
    assert_int_equal(nat_count(nat, 0)->verdicts[NAT_DROP_PROTOCOL], 2);
    for (unsigned i = 0; i < NAT_VERDICT_COUNT; i++) {
        assert_non_null(nat_verdict_name(i));
        assert_int_equal(nat_verdict_passes(i), i == NAT_PASS || i == NAT_HAIRPIN);
    }
    struct addr prefix = server(0, 0);
    for (unsigned i = 0; i < NAT_EXEMPT_MAX; i++)
        assert_true(nat_exempt(nat, &prefix, 24));
    assert_false(nat_exempt(nat, &prefix, 24));
    nat_destroy(nat);
}

/* A hash over what a NAT does with a fixed course of packets. */
static uint64_t course(struct nat *nat, uint64_t from_ns)
{
    uint64_t digest = 1;
    for (unsigned i = 0; i < 3000; i++) {
        struct nat_packet packet = {
            .protocol = NAT_UDP,
            .source = host((uint8_t)(i * 7 % 50), (uint16_t)(5000 + i % 3)),
            .destination = server((uint8_t)(i % 9), 1),
        };
        enum nat_verdict verdict = nat_outbound(nat, from_ns + i * second_ns, &packet);
        digest = (digest ^ packet.source.port ^ (uint64_t)verdict << 32) * 0x100000001b3;
        struct addr mapped = packet.source;
        packet.source = server((uint8_t)(i % 4), 1);
        packet.destination = mapped;
        verdict = nat_inbound(nat, from_ns + i * second_ns, &packet);
        digest = (digest ^ packet.destination.port ^ (uint64_t)verdict << 32) * 0x100000001b3;
    }
    return digest;
}

/* The same seed and name give the same ports; a copy of the block goes on as the original. */
static void test_determinism(void **state)
{
    (void)state;
    for (size_t i = 0; i < nat_preset_count(); i++) {
        struct nat_config config = nat_preset_config(nat_preset_at(i));
        struct nat *first = make(&config);
        struct nat *second = make(&config);
        assert_true(course(first, 0) == course(second, 0));
        size_t size = nat_size(&config, config.pool);
        struct nat *copy = malloc(size);
        assert_non_null(copy);
        memcpy(copy, first, size);
        nat_destroy(first);
        assert_true(course(copy, 4000 * second_ns) == course(second, 4000 * second_ns));
        nat_destroy(second);
        free(copy);
    }
    struct nat_config config = nat_preset_config(nat_preset_find("symmetric"));
    struct addr pool = external(1, 0);
    struct nat *first = nat_create(&config, &pool, 1, seed, "a", 1);
    struct nat *second = nat_create(&config, &pool, 1, seed, "b", 1);
    assert_true(course(first, 0) != course(second, 0));
    nat_destroy(first);
    nat_destroy(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_nothing),
        cmocka_unit_test(test_session_first),
        cmocka_unit_test(test_session_pin),
        cmocka_unit_test(test_session_ends_with_mapping),
        cmocka_unit_test(test_session_permission_goes_to_the_path),
        cmocka_unit_test(test_poisoning),
        cmocka_unit_test(test_poison_wears_off),
        cmocka_unit_test(test_overloading_breaks_eim),
        cmocka_unit_test(test_full_mappings),
        cmocka_unit_test(test_full_sessions),
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_lifetime),
        cmocka_unit_test(test_permission_expires_alone),
        cmocka_unit_test(test_two_way_after),
        cmocka_unit_test(test_reset_prolongs_nothing),
        cmocka_unit_test(test_shared_port_is_told_apart_by_filter),
        cmocka_unit_test(test_resting_ports_hold_their_places),
        cmocka_unit_test(test_poisoned_after_eviction),
        cmocka_unit_test(test_contiguity),
        cmocka_unit_test(test_range_is_used_up),
        cmocka_unit_test(test_blocks),
        cmocka_unit_test(test_one_to_one),
        cmocka_unit_test(test_flush_and_new_address),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_error_about_hairpin),
        cmocka_unit_test(test_other_drops),
        cmocka_unit_test(test_determinism),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
