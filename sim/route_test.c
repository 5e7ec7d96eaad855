/* Tests of longest prefix match, against a plain search through a list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "sim/route.h"

enum { ROUTES = 300, LOOKUPS = 3000 };

static struct addr v6(uint8_t net, uint8_t host)
{
    uint8_t ip[16] = {0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, net};
    ip[15] = host;
    return addr_v6(ip, 0);
}

static void test_longest_prefix_wins(void **state)
{
    (void)state;
    struct route_table table;
    route_init(&table);
    struct addr any = {.family = ADDR_V4};
    struct addr ten = addr_v4(0x0a000000, 0);
    struct addr ten_one = addr_v4(0x0a010000, 0);
    struct addr host = addr_v4(0x0a010203, 0);
    struct addr near = addr_v4(0x0a010204, 0);
    struct addr far = addr_v4(0x0a990204, 0);
    struct addr out = addr_v4(0x0b000001, 0);
    assert_int_equal(route_find(&table, &host), ROUTE_NONE);
    route_set(&table, &ten, 8, 1);
    route_set(&table, &ten_one, 16, 2);
    route_set(&table, &host, 32, 3);
    assert_int_equal(route_find(&table, &out), ROUTE_NONE);
    route_set(&table, &any, 0, 4);
    assert_int_equal(route_find(&table, &host), 3);
    assert_int_equal(route_find(&table, &near), 2);
    assert_int_equal(route_find(&table, &far), 1);
    assert_int_equal(route_find(&table, &out), 4);
    route_remove_host(&table, &host);
    assert_int_equal(route_find(&table, &host), 2);
    route_set(&table, &host, 32, 5);
    assert_int_equal(route_find(&table, &host), 5);
    route_free(&table);
}

static void test_families_do_not_meet(void **state)
{
    (void)state;
    struct route_table table;
    route_init(&table);
    struct addr net1 = v6(1, 0);
    struct addr host = v6(1, 9);
    struct addr other = v6(2, 9);
    struct addr v4_default = {.family = ADDR_V4};
    route_set(&table, &v4_default, 0, 1);
    route_set(&table, &net1, 64, 2);
    assert_int_equal(route_find(&table, &host), 2);
    assert_int_equal(route_find(&table, &other), ROUTE_NONE);
    route_set(&table, &host, 128, 3);
    assert_int_equal(route_find(&table, &host), 3);
    route_free(&table);
}

static uint32_t search(const struct addr *prefixes, const uint32_t *bits, uint32_t count,
                       const struct addr *address)
{
    uint32_t best = ROUTE_NONE;
    for (uint32_t i = 0; i < count; i++) {
        struct addr cut = addr_prefix(address, bits[i]);
        if (addr_equal(&cut, &prefixes[i]) && (best == ROUTE_NONE || bits[i] >= bits[best]))
            best = i;
    }
    return best;
}

static void test_agrees_with_a_search(void **state)
{
    (void)state;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {3};
    struct random_stream random;
    random_stream_init(&random, seed, "routes", 6);
    struct route_table table;
    route_init(&table);
    struct addr prefixes[ROUTES];
    uint32_t bits[ROUTES];
    for (uint32_t i = 0; i < ROUTES; i++) {
        /* Few distinct bits, so that prefixes nest. */
        struct addr address = addr_v4((uint32_t)random_u64(&random) & 0xc3030303, 0);
        bits[i] = (uint32_t)random_below(&random, 32) + 1;
        prefixes[i] = addr_prefix(&address, bits[i]);
        route_set(&table, &prefixes[i], bits[i], i);
    }
    for (uint32_t i = 0; i < LOOKUPS; i++) {
        /* A few come again and again, which is remembered. */
        uint32_t mask = i % 2 == 0 ? 0xc3030303 : 0x00030003;
        struct addr address = addr_v4((uint32_t)random_u64(&random) & mask, 0);
        assert_int_equal(route_find(&table, &address), search(prefixes, bits, ROUTES, &address));
    }
    route_free(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_longest_prefix_wins),
        cmocka_unit_test(test_families_do_not_meet),
        cmocka_unit_test(test_agrees_with_a_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
