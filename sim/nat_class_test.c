/* Every preset, and the product of the main parameters, classifies as it is configured. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sim/nat_class.h"
#include "sim/nat_preset.h"

static const uint8_t seed[RANDOM_SEED_SIZE] = {7};

static struct nat_class classify(const struct nat_config *config, uint32_t pool_count)
{
    struct addr pool[64];
    struct addr inside = addr_v4(0x0a000001, 0);
    struct addr remote = addr_v4(0xc6336401, 0);
    uint64_t now_ns = 0;
    assert_true(pool_count <= 64);
    for (uint32_t i = 0; i < pool_count; i++)
        pool[i] = addr_v4(0xcb007101 + i, 0);
    struct nat *nat = nat_create(config, pool, pool_count, seed, "class", 5);
    assert_non_null(nat);
    struct nat_class class = nat_classify(nat, &now_ns, &inside, &remote);
    nat_destroy(nat);
    return class;
}

static void assert_fits(const struct nat_config *config, const char *what)
{
    struct nat_class class = classify(config, config->pool);
    const char *mismatch = nat_class_mismatch(&class, config);
    if (mismatch != NULL)
        fail_msg("%s: %s does not classify as configured (map %u/%u filt %u/%u scope %u/%u sess "
                 "%u/%u ports %u/%u coll %u/%u hair %u/%u parity %u/%u seen %x idle %llu)",
                 what, mismatch, class.mapping, config->mapping, class.filtering, config->filtering,
                 class.scope, config->scope, class.session, config->session, class.ports,
                 config->ports, class.collision, config->collision, class.hairpin, config->hairpin,
                 class.parity, config->parity, class.seen, (unsigned long long)class.idle_ns);
}

static void test_every_preset(void **state)
{
    (void)state;
    for (size_t i = 0; i < nat_preset_count(); i++) {
        const struct nat_preset *preset = nat_preset_at(i);
        struct nat_config config = nat_preset_config(preset);
        if (!preset->is_nat)
            continue;
        assert_fits(&config, preset->name);
        struct nat_class class = classify(&config, config.pool);
        /* What must always be seen of a NAT that is not one-to-one. */
        uint32_t always = NAT_ASPECT_MAPPING | NAT_ASPECT_FILTERING | NAT_ASPECT_PORTS |
                          NAT_ASPECT_REFRESH | NAT_ASPECT_IDLE | NAT_ASPECT_LIFETIME;
        if (!config.one_to_one)
            assert_int_equal(class.seen & always, always);
    }
}

/* What can be seen from outside, by the argument of where each parameter can matter at all. */
static uint32_t visible(const struct nat_config *config)
{
    bool depends = config->mapping != NAT_MAPPING_EIM && config->ports != NAT_PORTS_OVERLOADED;
    bool endpoint = config->scope == NAT_SCOPE_ENDPOINT;
    bool apdf = config->filtering == NAT_FILTERING_APDF;
    bool eif = config->filtering == NAT_FILTERING_EIF;
    bool stranger = eif || (!apdf && (endpoint || config->mapping == NAT_MAPPING_APDM));
    uint32_t seen = 0;
    if (depends && !eif)
        seen |= NAT_ASPECT_SCOPE;
    if (depends && (stranger || endpoint))
        seen |= NAT_ASPECT_SESSION;
    if (depends && stranger)
        seen |= NAT_ASPECT_FIRST;
    /* Where the called endpoint's mapping towards us is another one, we cannot learn it. */
    if (!depends || eif || (!apdf && endpoint) || config->hairpin == NAT_HAIRPIN_OFF)
        seen |= NAT_ASPECT_HAIRPIN;
    return seen;
}

static void test_product(void **state)
{
    (void)state;
    const uint32_t judged =
        NAT_ASPECT_SCOPE | NAT_ASPECT_SESSION | NAT_ASPECT_FIRST | NAT_ASPECT_HAIRPIN;
    unsigned count = 0;
    for (unsigned i = 0; i < 3 * 3 * 2 * 3 * 5 * 3; i++) {
        struct nat_config config = nat_config_default();
        config.mapping = (uint8_t)(i % 3);
        config.filtering = (uint8_t)(i / 3 % 3);
        config.scope = (uint8_t)(i / 9 % 2);
        config.session = (uint8_t)(i / 18 % 3);
        config.ports = (uint8_t)(i / 54 % 5);
        config.hairpin = (uint8_t)(i / 270 % 3);
        assert_fits(&config, "product");
        struct nat_class class = classify(&config, 1);
        assert_int_equal(class.seen & judged, visible(&config));
        count++;
    }
    assert_int_equal(count, 810);
}

/*
 * Nine classes, two scopes and three session models make 54 configurations, of which only 25
 * behave differently, as exhaustive search over all exchanges of packets found.
 */
static void test_distinguishable_behaviours(void **state)
{
    (void)state;
    struct nat_class met[54];
    unsigned count = 0;
    for (unsigned i = 0; i < 54; i++) {
        struct nat_config config = nat_config_default();
        config.mapping = (uint8_t)(i % 3);
        config.filtering = (uint8_t)(i / 3 % 3);
        config.scope = (uint8_t)(i / 9 % 2);
        config.session = (uint8_t)(i / 18);
        config.ports = NAT_PORTS_RANDOM;
        struct nat_class class = classify(&config, 1);
        unsigned known = 0;
        while (known < count &&
               (met[known].mapping != class.mapping || met[known].filtering != class.filtering ||
                met[known].scope != class.scope || met[known].session != class.session))
            known++;
        if (known == count)
            met[count++] = class;
    }
    assert_int_equal(count, 25);
}

/* One parameter away from the default, and the field of the class that must show it. */
static void test_single_parameters(void **state)
{
    (void)state;
    const uint64_t second_ns = 1000000000;
    struct nat_config config;
    struct nat_class class;

    config = nat_config_default();
    class = classify(&config, 1);
    assert_int_equal(class.collision, NAT_COLLISION_RANDOM);
    assert_int_equal(class.idle_ns, 300 * second_ns);
    assert_int_equal(class.one_way_ns, 300 * second_ns);
    assert_int_equal(class.well_known_ns, 300 * second_ns);
    assert_int_equal(class.lifetime_ns, 0);
    assert_int_equal(class.refresh, NAT_REFRESH_BOTH);
    assert_true(class.parity);
    assert_false(class.poison);
    assert_int_equal(class.pool, 1);

    for (unsigned collision = 0; collision <= NAT_COLLISION_REFUSE; collision++) {
        config = nat_config_default();
        config.collision = (uint8_t)collision;
        class = classify(&config, 1);
        assert_true((class.seen & NAT_ASPECT_COLLISION) != 0);
        assert_int_equal(class.collision, collision);
    }
    for (unsigned refresh = 0; refresh <= NAT_REFRESH_BOTH; refresh++) {
        config = nat_config_default();
        config.refresh = (uint8_t)refresh;
        assert_int_equal(classify(&config, 1).refresh, refresh);
    }
    for (uint32_t step = 1; step < 600; step = step * 5 + 2) {
        config = nat_config_default();
        config.ports = NAT_PORTS_SEQUENTIAL;
        config.parity = false;
        config.step = step;
        class = classify(&config, 1);
        assert_int_equal(class.ports, NAT_PORTS_SEQUENTIAL);
        assert_int_equal(class.step, step);
    }
    for (uint32_t block = 64; block <= 4096; block *= 4) {
        config = nat_config_default();
        config.ports = NAT_PORTS_BLOCK;
        config.block = block;
        class = classify(&config, 1);
        assert_int_equal(class.ports, NAT_PORTS_BLOCK);
        assert_int_equal(class.block, block);
    }
    for (unsigned parity = 0; parity < 2; parity++) {
        config = nat_config_default();
        config.ports = NAT_PORTS_RANDOM;
        config.parity = parity != 0;
        assert_int_equal(classify(&config, 1).parity, parity);
    }
}

static void test_single_times(void **state)
{
    (void)state;
    const uint64_t second_ns = 1000000000;
    struct nat_config config = nat_config_default();
    struct nat_class class;

    config.idle_ns = 120 * second_ns;
    config.one_way_ns = 30 * second_ns;
    config.two_way_after_ns = 2 * second_ns;
    config.well_known_ns = 17 * second_ns;
    config.lifetime_ns = 3600 * second_ns;
    class = classify(&config, 1);
    assert_int_equal(class.idle_ns, 120 * second_ns);
    assert_int_equal(class.one_way_ns, 30 * second_ns);
    assert_int_equal(class.well_known_ns, 17 * second_ns);
    assert_int_equal(class.lifetime_ns, 3600 * second_ns);
    assert_null(nat_class_mismatch(&class, &config));

    config = nat_config_default();
    config.poison_ns = 30 * second_ns;
    assert_true(classify(&config, 1).poison);
    config.ports = NAT_PORTS_OVERLOADED;
    class = classify(&config, 1);
    assert_true(class.poison);
    assert_int_equal(class.ports, NAT_PORTS_OVERLOADED);
}

static void test_pools(void **state)
{
    (void)state;
    struct nat_config config = nat_config_default();
    struct nat_class class = classify(&config, 7);
    assert_int_equal(class.pool, 7);
    assert_int_equal(class.pooling, NAT_POOLING_PAIRED);
    assert_int_equal(class.collision, NAT_COLLISION_RANDOM);
    config.pooling = NAT_POOLING_ARBITRARY;
    class = classify(&config, 7);
    assert_int_equal(class.pool, 7);
    assert_int_equal(class.pooling, NAT_POOLING_ARBITRARY);
    assert_true((class.seen & NAT_ASPECT_POOLING) != 0);
}

/* Comparing notices every field. */
static void test_mismatch_is_noticed(void **state)
{
    (void)state;
    const struct nat_config honest = nat_config_default();
    struct nat_class class = classify(&honest, 1);
    assert_null(nat_class_mismatch(&class, &honest));
    struct nat_config claims = honest;
    claims.mapping = NAT_MAPPING_ADM;
    assert_string_equal(nat_class_mismatch(&class, &claims), "mapping");
    claims = honest;
    claims.filtering = NAT_FILTERING_ADF;
    assert_string_equal(nat_class_mismatch(&class, &claims), "filtering");
    claims = honest;
    claims.hairpin = NAT_HAIRPIN_OFF;
    assert_string_equal(nat_class_mismatch(&class, &claims), "hairpin");
    claims = honest;
    claims.refresh = NAT_REFRESH_OUTBOUND;
    assert_string_equal(nat_class_mismatch(&class, &claims), "refresh");
    claims = honest;
    claims.ports = NAT_PORTS_RANDOM;
    assert_string_equal(nat_class_mismatch(&class, &claims), "ports");
    claims = honest;
    claims.collision = NAT_COLLISION_SYMMETRIC;
    assert_string_equal(nat_class_mismatch(&class, &claims), "collision");
    claims = honest;
    claims.parity = false;
    assert_string_equal(nat_class_mismatch(&class, &claims), "parity");
    claims = honest;
    claims.poison_ns = 1000;
    assert_string_equal(nat_class_mismatch(&class, &claims), "poison");
    claims = honest;
    claims.idle_ns += 1000000000;
    assert_string_equal(nat_class_mismatch(&class, &claims), "idle");
    claims = honest;
    claims.one_way_ns = 1000000000;
    assert_string_equal(nat_class_mismatch(&class, &claims), "one_way");
    claims = honest;
    claims.lifetime_ns = 3600ull * 1000000000;
    assert_string_equal(nat_class_mismatch(&class, &claims), "lifetime");
    claims = honest;
    claims.one_to_one = true;
    claims.filtering = NAT_FILTERING_EIF;
    assert_string_equal(nat_class_mismatch(&class, &claims), "one_to_one");
}

static void test_ipv6(void **state)
{
    (void)state;
    const uint8_t outside_ip[16] = {0x20, 0x01, 0x0d, 0xb8, 1};
    const uint8_t inside_ip[16] = {0xfd, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const uint8_t remote_ip[16] = {0x20, 0x01, 0x0d, 0xb8, 2};
    struct addr outside = addr_v6(outside_ip, 0);
    struct addr inside = addr_v6(inside_ip, 0);
    struct addr remote = addr_v6(remote_ip, 0);
    for (unsigned i = 0; i < 9; i++) {
        const struct nat_preset *preset = nat_preset_class(i / 3, i % 3);
        struct nat_config config = nat_preset_config(preset);
        uint64_t now_ns = 0;
        assert_int_equal(config.mapping, i / 3);
        assert_int_equal(config.filtering, i % 3);
        struct nat *nat = nat_create(&config, &outside, 1, seed, "v6", 2);
        struct nat_class class = nat_classify(nat, &now_ns, &inside, &remote);
        assert_null(nat_class_mismatch(&class, &config));
        assert_int_equal(class.mapping, i / 3);
        nat_destroy(nat);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_preset),
        cmocka_unit_test(test_product),
        cmocka_unit_test(test_distinguishable_behaviours),
        cmocka_unit_test(test_single_parameters),
        cmocka_unit_test(test_single_times),
        cmocka_unit_test(test_pools),
        cmocka_unit_test(test_mismatch_is_noticed),
        cmocka_unit_test(test_ipv6),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
