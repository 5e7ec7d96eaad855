/* The NAT where two of its behaviours meet: blocks and pools, sessions and 5-tuples, errors. */
#include <string.h>

#include "sim/nat_test.h"

static const uint8_t seed[RANDOM_SEED_SIZE] = {5};

static struct nat *make(const struct nat_config *config)
{
    return make_seeded(config, seed, "corner");
}

static struct nat_config preset(const char *name)
{
    assert_non_null(nat_preset_find(name));
    return nat_preset_config(nat_preset_find(name));
}

static enum nat_verdict try_out(struct nat *nat, uint64_t now_ns, struct addr from, struct addr to,
                                struct addr *mapped)
{
    struct nat_packet packet = {.protocol = NAT_UDP, .source = from, .destination = to};
    enum nat_verdict verdict = nat_outbound(nat, now_ns, &packet);
    *mapped = packet.source;
    return verdict;
}

/* Blocks. */

/* A subscriber that was given a block but could get no port of it does not keep the block. */
static void test_a_block_without_mappings_is_given_back(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_BLOCK;
    config.port_low = 10000;
    config.port_high = 10024;
    config.block = 25;
    config.parity = false;
    config.reuse_delay_ns = 120 * second_ns;
    struct nat *nat = make(&config);
    struct addr mapped;
    for (uint16_t port = 5000; port < 5025; port++)
        out(nat, 0, host(1, port), server(1, 1));
    assert_int_equal(try_out(nat, 301 * second_ns, host(2, 1), server(1, 1), &mapped),
                     NAT_DROP_NO_PORT);
    assert_int_equal(try_out(nat, 420 * second_ns, host(3, 1), server(1, 1), &mapped), NAT_PASS);
    nat_destroy(nat);
}

/* One block belongs to one subscriber, whatever chooses among the addresses. */
static void test_blocks_of_a_pool(void **state)
{
    (void)state;
    for (unsigned pooling = NAT_POOLING_PAIRED; pooling <= NAT_POOLING_ARBITRARY; pooling++) {
        struct nat_config config = nat_config_default();
        config.ports = NAT_PORTS_BLOCK;
        config.port_low = 10000;
        config.port_high = 10074;
        config.block = 25;
        config.parity = false;
        config.pool = 2;
        config.pooling = (uint8_t)pooling;
        struct nat *nat = make(&config);
        for (uint64_t round = 0; round < 6; round++) {
            uint8_t owner[2][3] = {{0}};
            unsigned served = 0;
            /* In every second round only those whose turn was the first address. */
            uint8_t step = round % 2 == 0 ? 1 : 2;
            for (uint8_t number = 1; number <= 8; number = (uint8_t)(number + step)) {
                struct addr mapped;
                for (uint16_t port = 6000; port < 6020; port++) {
                    if (try_out(nat, round * 300 * second_ns, host(number, port), server(1, 1),
                                &mapped) != NAT_PASS)
                        break;
                    uint8_t *of = &owner[mapped.ip[3] - 1][(mapped.port - 10000) / 25];
                    served += *of == 0;
                    *of = *of == 0 ? number : *of;
                    assert_int_equal(*of, number);
                }
            }
            unsigned most = step == 1 ? 6 : 4;
            assert_int_equal(served, pooling == NAT_POOLING_PAIRED && step == 2 ? 3 : most);
        }
        nat_destroy(nat);
    }
}

static void test_blocks_keep_port_classes(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_BLOCK;
    config.port_low = 1;
    config.port_high = 2047;
    config.block = 64;
    struct nat *nat = make(&config);
    for (uint8_t i = 1; i <= 16; i++)
        assert_in_range(out(nat, 0, host(i, 5000), server(1, 1)).port, 1024, 2047);
    nat_destroy(nat);
    config.block = 1025;
    assert_non_null(nat_config_problem(&config));
    config.block = 1024;
    assert_null(nat_config_problem(&config));
}

/* Ports. */

/* Both ports of a pair lie in the range. */
static void test_contiguity_at_the_ends_of_the_range(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    config.contiguity = true;
    config.port_low = 4001;
    config.port_high = 4060;
    config.block = 1;
    struct nat *nat = make(&config);
    for (uint16_t i = 0; i < 29; i++) {
        struct addr even = out(nat, 0, host(1, (uint16_t)(5000 + 2 * i)), server(1, 1));
        struct addr odd = out(nat, 0, host(1, (uint16_t)(5001 + 2 * i)), server(1, 1));
        assert_int_equal(even.port % 2, 0);
        assert_int_equal(odd.port, even.port + 1);
    }
    nat_destroy(nat);
}

/* Well-known ports have a sequence of their own. */
static void test_sequences_of_port_classes(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_SEQUENTIAL;
    config.parity = false;
    config.step = 2;
    struct nat *nat = make(&config);
    struct addr high = out(nat, 0, host(1, 5000), server(1, 1));
    struct addr low = out(nat, 0, host(1, 500), server(1, 1));
    struct addr low_too = out(nat, 0, host(1, 501), server(1, 1));
    struct addr high_too = out(nat, 0, host(1, 5001), server(1, 1));
    assert_in_range(low.port, 1, 1021);
    assert_int_equal(low_too.port, low.port + 2);
    assert_in_range(high.port, 1024, 65533);
    assert_int_equal(high_too.port, high.port + 2);
    nat_destroy(nat);
}

/* Only a live mapping can lose its port; one that rests, or a poisoned 5-tuple, is left alone. */
static void test_what_cannot_be_stolen(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.collision = NAT_COLLISION_STEAL;
    config.reuse_delay_ns = 120 * second_ns;
    struct nat *nat = make(&config);
    out(nat, 0, host(1, 5000), server(1, 1));
    assert_true(out(nat, 310 * second_ns, host(2, 5000), server(1, 1)).port != 5000);
    assert_int_equal(out(nat, 420 * second_ns, host(3, 5000), server(1, 1)).port, 5000);
    assert_int_equal(out(nat, 421 * second_ns, host(4, 5000), server(1, 1)).port, 5000);
    assert_int_equal(nat_count(nat, 421 * second_ns)->mappings_evicted, 1);
    nat_destroy(nat);

    config.reuse_delay_ns = 0;
    config.poison_ns = 30 * second_ns;
    nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    assert_int_equal(in(nat, 1, server(2, 7), mapped), NAT_DROP_FILTERED);
    assert_true(out(nat, 2, host(2, 5000), server(2, 7)).port != 5000);
    assert_int_equal(in(nat, 3, server(1, 1), mapped), NAT_PASS);
    nat_destroy(nat);
}

/* Sessions. */

/* A fixed path does not take a 5-tuple from another host that came to have it in the meantime. */
static void test_paths_respect_tuples(void **state)
{
    (void)state;
    for (unsigned session = NAT_SESSION_FIRST; session <= NAT_SESSION_PIN; session++) {
        struct nat_config config = preset("linux-masquerade-drop");
        config.one_way_ns = 0;
        config.session = (uint8_t)session;
        struct nat *nat = make(&config);
        struct addr shared = out(nat, 0, host(1, 5000), server(1, 1));
        assert_int_equal(in(nat, 0, server(1, 1), shared), NAT_PASS);
        out(nat, 100 * second_ns, host(1, 5000), server(2, 1));
        assert_true(same(out(nat, 130 * second_ns, host(2, 5000), server(1, 1)), shared));
        for (unsigned i = 0; i < 2; i++)
            assert_false(same(out(nat, 131 * second_ns, host(1, 5000), server(1, 1)), shared));
        struct nat_packet packet = {
            .protocol = NAT_UDP, .source = server(1, 1), .destination = shared};
        assert_int_equal(nat_inbound(nat, 132 * second_ns, &packet), NAT_PASS);
        assert_true(same(packet.destination, host(2, 5000)));
        nat_destroy(nat);
    }
}

/* Nor does a mapping for one remote whose claim was evicted. */
static void test_evicted_claims_are_not_taken_back(void **state)
{
    (void)state;
    struct nat_config config = preset("linux-masquerade-drop");
    config.mapping = NAT_MAPPING_APDM;
    config.eviction = NAT_EVICTION_OLDEST;
    config.sessions = 2; /* a claim and a permission: one pair */
    struct nat *nat = make(&config);
    struct addr shared = out(nat, 0, host(1, 5000), server(1, 1));
    out(nat, 1, host(2, 6000), server(2, 1));
    assert_true(same(out(nat, 2, host(3, 5000), server(1, 1)), shared));
    assert_false(same(out(nat, 3, host(1, 5000), server(1, 1)), shared));
    assert_int_equal(nat_mapping_count(nat, 3, NULL), 3);
    nat_destroy(nat);
}

/* A permission that two mappings of an endpoint have given lasts while one of them is used. */
static void test_shared_permission_outlives_one_mapping(void **state)
{
    (void)state;
    struct nat_config config = preset("apdm-adf");
    config.scope = NAT_SCOPE_ENDPOINT;
    struct nat *nat = make(&config);
    struct addr first = out(nat, 0, host(1, 5000), server(1, 1));
    struct addr second = out(nat, 0, host(1, 5000), server(1, 2));
    out(nat, 2 * second_ns, host(1, 5000), server(1, 1));
    assert_int_equal(in(nat, 200 * second_ns, server(1, 2), second), NAT_PASS);
    assert_int_equal(in(nat, 302 * second_ns, server(1, 1), first), NAT_DROP_EXPIRED);
    assert_int_equal(in(nat, 303 * second_ns, server(1, 2), second), NAT_PASS);
    nat_destroy(nat);
}

/* A mapping's permission ends with it, though the remote has come in by another mapping. */
static void test_shared_permission_ends_with_its_mapping(void **state)
{
    (void)state;
    struct nat_config config = preset("apdm-adf");
    config.scope = NAT_SCOPE_ENDPOINT;
    struct nat *nat = make(&config);
    struct addr other = out(nat, 0, host(1, 5000), server(2, 1));
    out(nat, 0, host(1, 5000), server(1, 1));
    assert_int_equal(in(nat, 200 * second_ns, server(1, 1), other), NAT_PASS);
    assert_int_equal(in(nat, 301 * second_ns, server(1, 1), other), NAT_DROP_FILTERED);
    nat_destroy(nat);
}

/* A filtered packet may keep a mapping, but a stranger's reset or FIN changes no state. */
static void test_filtered_resets_close_nothing(void **state)
{
    (void)state;
    const uint8_t flags[] = {NAT_TCP_RST, NAT_TCP_FIN};
    struct nat_config config = nat_config_default();
    config.refresh_dropped = true;
    for (size_t i = 0; i < sizeof flags; i++) {
        struct nat *nat = make(&config);
        struct nat_packet packet = {.protocol = NAT_TCP,
                                    .tcp_flags = NAT_TCP_SYN,
                                    .source = host(1, 5000),
                                    .destination = server(1, 1)};
        assert_int_equal(nat_outbound(nat, 0, &packet), NAT_PASS);
        struct addr mapped = packet.source;
        packet =
            (struct nat_packet){.protocol = NAT_TCP, .source = server(1, 1), .destination = mapped};
        assert_int_equal(nat_inbound(nat, 1, &packet), NAT_PASS);
        packet = (struct nat_packet){.protocol = NAT_TCP,
                                     .tcp_flags = NAT_TCP_FIN,
                                     .source = host(1, 5000),
                                     .destination = server(1, 1)};
        assert_int_equal(nat_outbound(nat, 2, &packet), NAT_PASS);
        packet = (struct nat_packet){.protocol = NAT_TCP,
                                     .tcp_flags = flags[i],
                                     .source = server(9, 9),
                                     .destination = mapped};
        assert_int_equal(nat_inbound(nat, 3, &packet), NAT_DROP_FILTERED);
        assert_int_equal(nat_mapping_count(nat, 1000 * second_ns, NULL), 1);
        nat_destroy(nat);
    }
}

/* Odd internal ports find every odd port of the range, also when the even ones are taken. */
static void test_half_a_range_is_used_up(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    config.port_low = 4001;
    config.port_high = 4700;
    struct nat *nat = make(&config);
    struct addr mapped;
    for (uint16_t i = 0; i < 700; i++) {
        uint16_t port = (uint16_t)(i < 350 ? 5000 + 2 * i : 5001 + 2 * (i - 350));
        assert_int_equal(out(nat, 0, host(1, port), server(1, 1)).port % 2, port % 2);
    }
    assert_int_equal(try_out(nat, 0, host(2, 7000), server(1, 1), &mapped), NAT_DROP_NO_PORT);
    assert_int_equal(try_out(nat, 0, host(2, 7001), server(1, 1), &mapped), NAT_DROP_NO_PORT);
    nat_destroy(nat);
}

/* The neighbour of a port waits for the neighbour inside. */
static void test_contiguity_in_any_order(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    config.contiguity = true;
    config.port_low = 4000;
    config.port_high = 4599;
    struct nat *nat = make(&config);
    struct addr even[200];
    for (uint16_t i = 0; i < 200; i++) {
        even[i] = out(nat, 0, host(1, (uint16_t)(5000 + 2 * i)), server(1, 1));
        if (i < 100)
            out(nat, 0, host(2, (uint16_t)(8001 + 2 * i)), server(1, 1));
    }
    for (uint16_t i = 0; i < 200; i++)
        assert_int_equal(out(nat, 0, host(1, (uint16_t)(5001 + 2 * i)), server(1, 1)).port,
                         even[i].port + 1);
    nat_destroy(nat);
}

static void test_port_classes_meet_at_1024(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.ports = NAT_PORTS_RANDOM;
    struct nat *nat = make(&config);
    assert_in_range(out(nat, 0, host(1, 1023), server(1, 1)).port, 1, 1023);
    assert_in_range(out(nat, 0, host(1, 1024), server(1, 1)).port, 1024, 65535);
    nat_destroy(nat);
}

/* The mapping that a collision made for one remote serves that remote again. */
static void test_symmetric_collision_is_steady(void **state)
{
    (void)state;
    struct nat_config config = preset("changes-under-collision");
    struct nat *nat = make(&config);
    out(nat, 0, host(1, 5000), server(1, 1));
    struct addr first = out(nat, 0, host(2, 5000), server(1, 1));
    assert_false(same(out(nat, 0, host(2, 5000), server(2, 1)), first));
    assert_true(same(out(nat, 1, host(2, 5000), server(1, 1)), first));
    nat_destroy(nat);
}

/* A poisoned 5-tuple is no taken port: whatever the policy for those, another port is found. */
static void test_poison_is_no_collision_of_ports(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    config.poison_ns = 30 * second_ns;
    config.collision = NAT_COLLISION_REFUSE;
    struct nat *nat = make(&config);
    assert_int_equal(in(nat, 0, server(1, 1), external(1, 5000)), NAT_DROP_NO_MAPPING);
    assert_true(out(nat, 1, host(1, 5000), server(1, 1)).port != 5000);
    nat_destroy(nat);
}

/* Of those that share a port and admit anyone, the oldest hears a stranger. */
static void test_shared_port_belongs_to_the_oldest(void **state)
{
    (void)state;
    struct nat_config config = preset("linux-masquerade-drop");
    config.filtering = NAT_FILTERING_EIF;
    struct nat *nat = make(&config);
    struct nat_packet packet = {.protocol = NAT_UDP, .source = server(9, 9)};
    for (uint8_t i = 1; i <= 3; i++)
        packet.destination = out(nat, i, host(i, 5000), server(i, 1));
    assert_int_equal(nat_inbound(nat, 4, &packet), NAT_PASS);
    assert_true(same(packet.destination, host(1, 5000)));
    nat_destroy(nat);
}

/* The mapping idle for longest is found among those of all timeouts. */
static void test_eviction_looks_at_all_timeouts(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 2; order++) {
        struct nat_config config = nat_config_default();
        config.one_way_ns = 100 * second_ns;
        config.capacity = 2;
        config.eviction = NAT_EVICTION_OLDEST;
        struct nat *nat = make(&config);
        struct addr two_way = {.family = ADDR_NONE};
        struct addr one_way = {.family = ADDR_NONE};
        for (unsigned i = 0; i < 2; i++) {
            if (i == order) {
                two_way = out(nat, i, host(1, 5000), server(1, 1));
                assert_int_equal(in(nat, i, server(1, 1), two_way), NAT_PASS);
            } else {
                one_way = out(nat, i, host(2, 6000), server(1, 1));
            }
        }
        out(nat, 2, host(3, 7000), server(1, 1));
        assert_int_equal(in(nat, 3, server(1, 1), two_way) == NAT_PASS, order == 1);
        assert_int_equal(in(nat, 3, server(1, 1), one_way) == NAT_PASS, order == 0);
        nat_destroy(nat);
    }
}

static void test_one_to_one_permission_is_kept_by_answers(void **state)
{
    (void)state;
    struct nat_config config = preset("one-to-one");
    config.filtering = NAT_FILTERING_APDF;
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    assert_int_equal(in(nat, 200 * second_ns, server(1, 1), mapped), NAT_PASS);
    assert_int_equal(in(nat, 499 * second_ns, server(1, 1), mapped), NAT_PASS);
    assert_int_equal(in(nat, 799 * second_ns, server(1, 1), mapped), NAT_DROP_FILTERED);
    nat_destroy(nat);
}

static void test_flushed_mappings_are_counted_once(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    out(nat, 0, host(1, 5000), server(1, 1));
    nat_flush(nat);
    const struct nat_counters *count = nat_count(nat, 1);
    assert_int_equal(count->mappings_flushed, 1);
    assert_int_equal(count->mappings_evicted, 0);
    /* A prefix of the other family, longer than an IPv4 address, concerns nobody here. */
    struct addr prefix = addr_v6((const uint8_t[16]){0x20, 1, 0xd, 0xb8}, 0);
    assert_true(nat_exempt(nat, &prefix, 64));
    assert_int_equal(out(nat, 2, host(1, 5000), server(1, 1)).port, 5000);
    nat_destroy(nat);
}

/* A SYN on a closed connection's endpoints opens it anew, with the long timeout. */
static void test_a_closed_connection_opens_again(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    const uint8_t flags[2][2] = {{NAT_TCP_FIN, NAT_TCP_FIN}, {NAT_TCP_SYN, NAT_TCP_SYN}};
    for (unsigned i = 0; i < 2; i++) {
        struct nat_packet packet = {.protocol = NAT_TCP, .tcp_flags = flags[i][0]};
        packet.source = host(1, 5000);
        packet.destination = server(1, 1);
        assert_int_equal(nat_outbound(nat, i, &packet), NAT_PASS);
        packet = (struct nat_packet){.protocol = NAT_TCP,
                                     .tcp_flags = flags[i][1],
                                     .source = server(1, 1),
                                     .destination = packet.source};
        assert_int_equal(nat_inbound(nat, i, &packet), NAT_PASS);
    }
    assert_int_equal(nat_mapping_count(nat, 1000 * second_ns, NULL), 1);
    nat_destroy(nat);
}

/* Errors. */

static struct nat_packet error_about(struct addr from, struct addr to, struct addr quoted_source,
                                     struct addr quoted_destination)
{
    return (struct nat_packet){
        .protocol = NAT_UDP,
        .is_error = true,
        .source = addr_with_port(from, 0),
        .destination = addr_with_port(to, 0),
        .quoted_source = quoted_source,
        .quoted_destination = quoted_destination,
    };
}

/* One-to-one too: an error gets in when what it quotes was sent. */
static void test_one_to_one_filters_errors(void **state)
{
    (void)state;
    struct nat_config config = preset("one-to-one");
    config.filtering = NAT_FILTERING_APDF;
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    struct nat_packet packet = error_about(server(9, 0), mapped, mapped, server(1, 1));
    assert_int_equal(nat_inbound(nat, 1, &packet), NAT_PASS);
    assert_true(same(packet.destination, host(1, 0)));
    assert_true(same(packet.quoted_source, host(1, 5000)));
    packet = error_about(server(9, 0), mapped, mapped, server(1, 2));
    assert_int_equal(nat_inbound(nat, 1, &packet), NAT_DROP_FILTERED);
    assert_true(same(packet.quoted_source, mapped));
    nat_destroy(nat);
}

/* An error about an untranslated packet may come from any router on the way. */
static void test_errors_about_exempt_remotes(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr prefix = addr_v4(0xc0a80000u, 0);
    struct addr remote = addr_v4(0xc0a80001u, 7);
    assert_true(nat_exempt(nat, &prefix, 16));
    struct nat_packet packet = error_about(server(9, 0), host(1, 0), host(1, 5000), remote);
    assert_int_equal(nat_inbound(nat, 0, &packet), NAT_PASS);
    assert_true(same(packet.destination, host(1, 0)));
    packet = error_about(remote, host(1, 0), host(1, 5000), server(1, 1));
    assert_int_equal(nat_inbound(nat, 0, &packet), NAT_DROP_NOT_OURS);
    nat_destroy(nat);
}

/* An error from inside to an external address is a hairpin, and ends no mapping. */
static void test_errors_by_hairpin(void **state)
{
    (void)state;
    struct nat_config config = preset("full-cone");
    config.icmp = NAT_ICMP_TERMINATES;
    for (unsigned hairpin = NAT_HAIRPIN_OFF; hairpin <= NAT_HAIRPIN_EXTERNAL; hairpin += 2) {
        config.hairpin = (uint8_t)hairpin;
        struct nat *nat = make(&config);
        struct addr caller = out(nat, 0, host(1, 5000), server(1, 1));
        out(nat, 0, host(2, 6000), server(1, 1));
        struct nat_packet packet = error_about(host(2, 0), caller, caller, host(2, 6000));
        assert_int_equal(nat_outbound(nat, 1, &packet),
                         hairpin == NAT_HAIRPIN_OFF ? NAT_DROP_HAIRPIN_OFF : NAT_HAIRPIN);
        assert_int_equal(nat_mapping_count(nat, 1, NULL), 2);
        nat_destroy(nat);
    }
}

/* An endpoint that sends to its own external endpoint hears itself. */
static void test_hairpin_to_oneself(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat *nat = make(&config);
    struct addr mapped = out(nat, 0, host(1, 5000), server(1, 1));
    struct nat_packet packet = {
        .protocol = NAT_UDP, .source = host(1, 5000), .destination = mapped};
    assert_int_equal(nat_outbound(nat, 1, &packet), NAT_HAIRPIN);
    assert_true(same(packet.source, mapped));
    assert_true(same(packet.destination, host(1, 5000)));
    nat_destroy(nat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_block_without_mappings_is_given_back),
        cmocka_unit_test(test_blocks_of_a_pool),
        cmocka_unit_test(test_blocks_keep_port_classes),
        cmocka_unit_test(test_contiguity_at_the_ends_of_the_range),
        cmocka_unit_test(test_sequences_of_port_classes),
        cmocka_unit_test(test_what_cannot_be_stolen),
        cmocka_unit_test(test_paths_respect_tuples),
        cmocka_unit_test(test_evicted_claims_are_not_taken_back),
        cmocka_unit_test(test_shared_permission_outlives_one_mapping),
        cmocka_unit_test(test_shared_permission_ends_with_its_mapping),
        cmocka_unit_test(test_filtered_resets_close_nothing),
        cmocka_unit_test(test_half_a_range_is_used_up),
        cmocka_unit_test(test_contiguity_in_any_order),
        cmocka_unit_test(test_port_classes_meet_at_1024),
        cmocka_unit_test(test_symmetric_collision_is_steady),
        cmocka_unit_test(test_poison_is_no_collision_of_ports),
        cmocka_unit_test(test_shared_port_belongs_to_the_oldest),
        cmocka_unit_test(test_eviction_looks_at_all_timeouts),
        cmocka_unit_test(test_one_to_one_permission_is_kept_by_answers),
        cmocka_unit_test(test_flushed_mappings_are_counted_once),
        cmocka_unit_test(test_one_to_one_filters_errors),
        cmocka_unit_test(test_errors_about_exempt_remotes),
        cmocka_unit_test(test_errors_by_hairpin),
        cmocka_unit_test(test_hairpin_to_oneself),
        cmocka_unit_test(test_a_closed_connection_opens_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
