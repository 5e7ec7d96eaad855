/* Cryptokey routing: tables of prefixes, and a list that is searched from end to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/tunnel/route.h"
#include "host/check.h"

/* The trie stands in front of its memory, as in a node's block. */
struct block {
    struct routes routes;
    _Alignas(POOL_ALIGN) uint8_t memory[];
};

static size_t block_size(uint32_t prefixes)
{
    return sizeof(struct block) + routes_bytes(prefixes);
}

static struct block *block_new(uint32_t prefixes)
{
    struct block *block = calloc(1, block_size(prefixes));
    assert_non_null(block);
    routes_init(&block->routes, block->memory, prefixes);
    return block;
}

static struct subnet v4(uint32_t ip, unsigned bits)
{
    struct addr addr = addr_v4(ip, 0);
    return subnet_of(&addr, bits);
}

static struct subnet v6(uint64_t high, uint64_t low, unsigned bits)
{
    uint8_t ip[16];
    for (size_t i = 0; i < 8; i++) {
        ip[i] = (uint8_t)(high >> (56 - 8 * i));
        ip[8 + i] = (uint8_t)(low >> (56 - 8 * i));
    }
    struct addr addr = addr_v6(ip, 0);
    return subnet_of(&addr, bits);
}

/* Any port, which must not matter. */
static uint32_t find_v4(const struct routes *routes, uint32_t ip)
{
    struct addr addr = addr_v4(ip, (uint16_t)(ip * 40503u >> 8));
    return routes_find(routes, &addr);
}

static uint32_t find_v6(const struct routes *routes, uint64_t high, uint64_t low)
{
    struct subnet host = v6(high, low, 128);
    struct addr addr = addr_with_port(host.addr, (uint16_t)low);
    return routes_find(routes, &addr);
}

static void set(struct routes *routes, struct subnet subnet, uint32_t value)
{
    assert_true(routes_set(routes, &subnet, value));
    assert_int_equal(routes_get(routes, &subnet), value);
}

static void unset(struct routes *routes, struct subnet subnet)
{
    assert_true(routes_remove(routes, &subnet));
    assert_int_equal(routes_get(routes, &subnet), ROUTE_NONE);
    assert_false(routes_remove(routes, &subnet));
}

static void test_empty(void **state)
{
    (void)state;
    struct block *block = block_new(4);
    struct routes *routes = &block->routes;
    struct addr none = {0};
    struct subnet all_v4 = v4(0, 0), all_v6 = v6(0, 0, 0);
    assert_int_equal(find_v4(routes, 0), ROUTE_NONE);
    assert_int_equal(find_v6(routes, 0, 0), ROUTE_NONE);
    assert_int_equal(routes_find(routes, &none), ROUTE_NONE);
    assert_int_equal(routes_get(routes, &all_v4), ROUTE_NONE);
    assert_int_equal(routes_get(routes, &all_v6), ROUTE_NONE);
    assert_false(routes_remove(routes, &all_v4));
    assert_false(routes_remove(routes, &all_v6));
    set(routes, all_v4, 1);
    set(routes, all_v6, 2);
    assert_int_equal(routes_find(routes, &none), ROUTE_NONE);
    free(block);
}

static void test_longest_v4(void **state)
{
    (void)state;
    static const struct {
        uint32_t ip;
        unsigned bits;
    } prefixes[] = {
        {0x00000000, 0},  {0xc0a80400, 24}, {0xc0a80404, 32}, {0xc0a80000, 16},
        {0xc05f0500, 27}, {0x0a000000, 8},  {0x0a010000, 16}, {0x0a010180, 25},
        {0x0a0101fe, 31}, {0x40010000, 16}, {0x80000000, 1},  {0xffffffff, 32},
    };
    /* The place in the table above of the one that an address belongs to. */
    static const struct {
        uint32_t ip, value;
    } rows[] = {
        {0xc0a80414, 1}, {0xc0a80404, 2},  {0xc0a80405, 1},  {0xc0a804ff, 1},  {0xc0a80500, 3},
        {0xc0a8ffff, 3}, {0xc0a90000, 10}, {0xc05f0500, 4},  {0xc05f051f, 4},  {0xc05f0520, 10},
        {0x0a000000, 5}, {0x0affffff, 5},  {0x0b000000, 0},  {0x09ffffff, 0},  {0x0a010000, 6},
        {0x0a01017f, 6}, {0x0a010180, 7},  {0x0a0101fd, 7},  {0x0a0101fe, 8},  {0x0a0101ff, 8},
        {0x0a010200, 6}, {0x0a020000, 5},  {0x4001ffff, 9},  {0x40020000, 0},  {0x00000000, 0},
        {0x7fffffff, 0}, {0x80000000, 10}, {0xfffffffe, 10}, {0xffffffff, 11},
    };
    enum { PREFIXES = sizeof prefixes / sizeof prefixes[0] };
    /* The order in which they came does not matter. */
    for (size_t first = 0; first < PREFIXES; first++) {
        struct block *block = block_new(PREFIXES);
        for (size_t i = 0; i < PREFIXES; i++) {
            size_t at = (first + 5 * i) % PREFIXES;
            set(&block->routes, v4(prefixes[at].ip, prefixes[at].bits), (uint32_t)at);
        }
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            assert_int_equal(find_v4(&block->routes, rows[i].ip), rows[i].value);
            /* IPv6 addresses that begin as these do belong to nobody. */
            assert_int_equal(find_v6(&block->routes, (uint64_t)rows[i].ip << 32, 0), ROUTE_NONE);
        }
        free(block);
    }
}

static void test_longest_v6(void **state)
{
    (void)state;
    const uint64_t doc = 0x20010db800000000;
    const struct subnet prefixes[] = {
        v6(0, 0, 0),
        v6(doc, 0, 32),
        v6(doc | 0x10000, 0, 48),
        v6(doc | 0x10001, 0, 63),
        v6(doc | 0x10001, 0, 64),
        v6(doc | 0x10001, UINT64_C(1) << 63, 65),
        v6(doc | 0x10001, 0x80000000000000fe, 127),
        v6(doc | 0x10001, 0x80000000000000ff, 128),
        v6(0, 1, 128),
        v6(UINT64_MAX, UINT64_MAX, 128),
    };
    const struct {
        uint64_t high, low;
        uint32_t value;
    } rows[] = {
        {doc, 0, 1},
        {doc | 0xffffffff, UINT64_MAX, 1},
        {doc + 0x100000000, 0, 0},
        {doc - 1, UINT64_MAX, 0},
        {doc | 0x1ffff, UINT64_MAX, 2},
        {doc | 0x10000, 0, 3},
        {doc | 0x10000, UINT64_MAX, 3},
        {doc | 0x10001, 0, 4},
        {doc | 0x10001, INT64_MAX, 4},
        {doc | 0x10001, UINT64_C(1) << 63, 5},
        {doc | 0x10001, UINT64_MAX, 5},
        {doc | 0x10001, 0x80000000000000fd, 5},
        {doc | 0x10001, 0x80000000000000fe, 6},
        {doc | 0x10001, 0x80000000000000ff, 7},
        {doc | 0x10001, 0x8000000000000100, 5},
        {doc | 0x10002, 0x80000000000000ff, 2},
        {0, 0, 0},
        {0, 1, 8},
        {0, 2, 0},
        {UINT64_MAX, UINT64_MAX, 9},
        {UINT64_MAX, UINT64_MAX - 1, 0},
    };
    enum { PREFIXES = sizeof prefixes / sizeof prefixes[0] };
    for (size_t first = 0; first < PREFIXES; first++) {
        struct block *block = block_new(PREFIXES);
        for (size_t i = 0; i < PREFIXES; i++) {
            size_t at = (first + 3 * i) % PREFIXES;
            set(&block->routes, prefixes[at], (uint32_t)at);
        }
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            assert_int_equal(find_v6(&block->routes, rows[i].high, rows[i].low), rows[i].value);
            assert_int_equal(find_v4(&block->routes, (uint32_t)(rows[i].high >> 32)), ROUTE_NONE);
        }
        free(block);
    }
}

/* A prefix has one owner at a time; a longer or a shorter one is another. */
static void test_moves(void **state)
{
    (void)state;
    struct block *block = block_new(3);
    struct routes *routes = &block->routes;
    set(routes, v4(0x0a000000, 8), 0);
    set(routes, v4(0x0a000000, 9), UINT32_MAX - 1);
    assert_int_equal(find_v4(routes, 0x0a000001), UINT32_MAX - 1);
    uint32_t used = routes->nodes.used;
    set(routes, v4(0x0a000000, 9), 7);
    set(routes, v4(0x0a000000, 8), 7);
    assert_int_equal(routes->nodes.used, used);
    assert_int_equal(find_v4(routes, 0x0a000001), 7);
    assert_int_equal(find_v4(routes, 0x0a800001), 7);
    struct subnet other = v4(0x0a000000, 10);
    assert_int_equal(routes_get(routes, &other), ROUTE_NONE);
    assert_false(routes_remove(routes, &other));
    unset(routes, v4(0x0a000000, 9));
    assert_int_equal(find_v4(routes, 0x0a000001), 7);
    unset(routes, v4(0x0a000000, 8));
    assert_int_equal(find_v4(routes, 0x0a000001), ROUTE_NONE);
    assert_int_equal(routes->nodes.used, 0);
    free(block);
}

/* A fork between two prefixes is itself no prefix: nothing belongs to it, and it goes with them. */
static void test_forks(void **state)
{
    (void)state;
    struct block *block = block_new(4);
    struct routes *routes = &block->routes;
    struct subnet fork = v4(0x0a000000, 30);
    set(routes, v4(0x0a000001, 32), 1);
    assert_int_equal(routes->nodes.used, 1);
    set(routes, v4(0x0a000002, 32), 2);
    assert_int_equal(routes->nodes.used, 3);
    assert_int_equal(find_v4(routes, 0x0a000000), ROUTE_NONE);
    assert_int_equal(find_v4(routes, 0x0a000003), ROUTE_NONE);
    assert_int_equal(routes_get(routes, &fork), ROUTE_NONE);
    assert_false(routes_remove(routes, &fork));
    set(routes, fork, 3);
    assert_int_equal(routes->nodes.used, 3);
    assert_int_equal(find_v4(routes, 0x0a000000), 3);
    assert_int_equal(find_v4(routes, 0x0a000001), 1);
    assert_int_equal(find_v4(routes, 0x0a000004), ROUTE_NONE);
    unset(routes, fork);
    assert_int_equal(routes->nodes.used, 3);
    assert_int_equal(find_v4(routes, 0x0a000000), ROUTE_NONE);
    assert_int_equal(find_v4(routes, 0x0a000002), 2);
    unset(routes, v4(0x0a000001, 32));
    assert_int_equal(routes->nodes.used, 1);
    assert_int_equal(find_v4(routes, 0x0a000002), 2);
    unset(routes, v4(0x0a000002, 32));
    assert_int_equal(routes->nodes.used, 0);
    free(block);
}

/* Neighbours need the most nodes: so many always fit, and what does not fit changes nothing. */
static void test_full(void **state)
{
    (void)state;
    for (uint32_t prefixes = 1; prefixes <= 64; prefixes++) {
        struct block *block = block_new(prefixes), *before = calloc(1, block_size(prefixes));
        struct routes *routes = &block->routes;
        assert_non_null(before);
        for (uint32_t i = 0; i < prefixes; i++)
            set(routes, i % 3 == 2 ? v6(i, 0, 128) : v4(0x64400000 + i, 32), i);
        assert_true(routes->nodes.used <= 2 * prefixes);
        /* What one node is enough for may still fit; beside it nothing does. */
        uint32_t more = prefixes;
        while (more < 3 * prefixes + 2) {
            struct subnet subnet = v4(0x64400000 + (more << 8), 32);
            memcpy(before, block, block_size(prefixes));
            if (!routes_set(routes, &subnet, more))
                break;
            more++;
        }
        assert_true(more <= prefixes + 1);
        assert_memory_equal(before, block, block_size(prefixes));
        assert_int_equal(find_v4(routes, 0x64400000 + (more << 8)), ROUTE_NONE);
        for (uint32_t i = 0; i < prefixes; i++) {
            struct subnet subnet = i % 3 == 2 ? v6(i, 0, 128) : v4(0x64400000 + i, 32);
            assert_int_equal(routes_get(routes, &subnet), i);
            set(routes, subnet, 1000 + i); /* is there, and needs no room */
        }
        unset(routes, v4(0x64400000, 32));
        if (prefixes < more)
            unset(routes, v4(0x64400000 + (prefixes << 8), 32));
        set(routes, v4(0x64400000 + (more << 8), 32), 5);
        assert_int_equal(find_v4(routes, 0x64400000 + (more << 8)), 5);
        free(before);
        free(block);
    }
}

/* One prefix inside another, down to the host, and up again: a step for each bit. */
static void test_nested(void **state)
{
    (void)state;
    struct block *block = block_new(129 + 33);
    struct routes *routes = &block->routes;
    const uint64_t high = 0x20010db8a5a5a5a5, low = 0x5a5a0f0ff0f01234;
    const uint32_t ip = 0x64635241;
    for (unsigned i = 0; i <= 128; i++)
        set(routes, v6(high, low, i * 50 % 129), i * 50 % 129);
    for (unsigned bits = 33; bits-- > 0;)
        set(routes, v4(ip, bits), bits);
    assert_int_equal(routes->nodes.used, 129 + 33);
    for (unsigned bit = 0; bit < 128; bit++) {
        uint64_t flip_high = bit < 64 ? UINT64_C(1) << (63 - bit) : 0;
        uint64_t flip_low = bit < 64 ? 0 : UINT64_C(1) << (127 - bit);
        assert_int_equal(find_v6(routes, high ^ flip_high, low ^ flip_low), bit);
        if (bit < 32)
            assert_int_equal(find_v4(routes, ip ^ 1u << (31 - bit)), bit);
    }
    for (unsigned bits = 0; bits <= 128; bits++) {
        assert_int_equal(find_v6(routes, high, low), 128);
        unset(routes, v6(high, low, bits));
        assert_int_equal(routes->nodes.used, 33 + 128 - bits);
    }
    assert_int_equal(find_v6(routes, high, low), ROUTE_NONE);
    for (unsigned bits = 33; bits-- > 0;) {
        assert_int_equal(find_v4(routes, ip), bits);
        unset(routes, v4(ip, bits));
    }
    assert_int_equal(routes->nodes.used, 0);
    free(block);
}

/* It lives in a block that is saved and restored: it works the same wherever it stands. */
static void test_copy_elsewhere_works(void **state)
{
    (void)state;
    struct block *block = block_new(8), *copy = block_new(8);
    for (uint32_t i = 0; i < 8; i++)
        set(&block->routes, v4(0x0a000000 + (i << 20), 24), i);
    memcpy(copy, block, block_size(8));
    memset(block, 0xa5, block_size(8));
    free(block);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(find_v4(&copy->routes, 0x0a000007 + (i << 20)), i);
        unset(&copy->routes, v4(0x0a000000 + (i << 20), 24));
    }
    assert_int_equal(copy->routes.nodes.used, 0);
    free(copy);
}

/* ---- Against a list -------------------------------------------------------------------------- */

enum { MODEL_MAX = 48 };

struct model {
    struct subnet prefixes[MODEL_MAX];
    uint32_t values[MODEL_MAX];
    size_t count;
};

static bool bit_of(const struct subnet *subnet, unsigned bit)
{
    return (subnet->addr.ip[bit / 8] >> (7 - bit % 8) & 1) != 0;
}

static bool subnet_equal(const struct subnet *a, const struct subnet *b)
{
    return a->bits == b->bits && addr_equal(&a->addr, &b->addr);
}

static size_t model_place(const struct model *model, const struct subnet *subnet)
{
    for (size_t i = 0; i < model->count; i++) {
        if (subnet_equal(&model->prefixes[i], subnet))
            return i;
    }
    return MODEL_MAX;
}

static uint32_t model_find(const struct model *model, const struct subnet *host)
{
    uint32_t found = ROUTE_NONE;
    int longest = -1;
    for (size_t i = 0; i < model->count; i++) {
        const struct subnet *prefix = &model->prefixes[i];
        bool has = prefix->addr.family == host->addr.family && prefix->bits > longest;
        for (unsigned bit = 0; has && bit < prefix->bits; bit++)
            has = bit_of(prefix, bit) == bit_of(host, bit);
        if (has) {
            longest = prefix->bits;
            found = model->values[i];
        }
    }
    return found;
}

/*
 * The nodes that a trie with compressed paths has: its prefixes, and what two of them have in
 * common.
 */
static uint32_t model_nodes(const struct model *model)
{
    static struct subnet nodes[MODEL_MAX * MODEL_MAX];
    uint32_t count = 0;
    for (size_t a = 0; a < model->count; a++) {
        for (size_t b = a; b < model->count; b++) {
            const struct subnet *p = &model->prefixes[a], *q = &model->prefixes[b];
            if (p->addr.family != q->addr.family)
                continue;
            unsigned bits = 0;
            while (bits < p->bits && bits < q->bits && bit_of(p, bits) == bit_of(q, bits))
                bits++;
            struct subnet node = subnet_of(&p->addr, bits);
            bool is_new = true;
            for (uint32_t i = 0; is_new && i < count; i++)
                is_new = !subnet_equal(&nodes[i], &node);
            if (is_new)
                nodes[count++] = node;
        }
    }
    return count;
}

/* An address of which few bits are drawn, at either end and in the middle, so that many meet. */
static struct addr draw_addr(struct random_stream *stream)
{
    uint8_t ip[16] = {0};
    bool is_v6 = random_chance(stream, RANDOM_PPM / 2);
    size_t last = is_v6 ? 15 : 3;
    ip[0] = (uint8_t)(random_below(stream, 4) << 6);
    ip[last / 2] = (uint8_t)random_below(stream, 4);
    ip[last / 2 + 1] = (uint8_t)(random_below(stream, 2) << 7);
    ip[last] = (uint8_t)random_below(stream, 8);
    if (is_v6)
        return addr_v6(ip, 0);
    return addr_v4((uint32_t)ip[0] << 24 | (uint32_t)ip[1] << 16 | (uint32_t)ip[2] << 8 | ip[3], 0);
}

static struct subnet draw_subnet(struct random_stream *stream)
{
    struct addr addr = draw_addr(stream);
    unsigned bits = addr.family == ADDR_V6 ? 128 : 32;
    switch (random_below(stream, 6)) {
    case 0:
        return subnet_of(&addr, bits);
    case 1:
        return subnet_of(&addr, bits / 2 + (unsigned)random_below(stream, 3) - 1);
    case 2:
        return subnet_of(&addr, (unsigned)random_below(stream, 4));
    case 3:
        return subnet_of(&addr, bits - (unsigned)random_below(stream, 4));
    default:
        return subnet_of(&addr, (unsigned)random_below(stream, bits + 1));
    }
}

static void model_step(struct model *model, struct routes *routes, struct random_stream *stream,
                       uint32_t limit, uint32_t value)
{
    struct subnet subnet = draw_subnet(stream);
    if (model->count > 0 && random_chance(stream, RANDOM_PPM / 3))
        subnet = model->prefixes[random_below(stream, model->count)];
    size_t at = model_place(model, &subnet);
    assert_int_equal(routes_get(routes, &subnet), at < MODEL_MAX ? model->values[at] : ROUTE_NONE);
    if (random_chance(stream, RANDOM_PPM * 3 / 5)) {
        bool fits = at < MODEL_MAX;
        if (!fits && model->count < MODEL_MAX) {
            model->prefixes[model->count] = subnet;
            model->count++;
            fits = model_nodes(model) <= 2 * limit;
            assert_true(fits || model->count > limit);
            model->count -= !fits;
            at = fits ? model->count - 1 : at;
        }
        if (at == MODEL_MAX && model->count == MODEL_MAX)
            return; /* the list is full, and the trie need not be */
        assert_int_equal(routes_set(routes, &subnet, value), fits);
        if (fits)
            model->values[at] = value;
        return;
    }
    assert_int_equal(routes_remove(routes, &subnet), at < MODEL_MAX);
    if (at < MODEL_MAX) {
        model->count--;
        model->prefixes[at] = model->prefixes[model->count];
        model->values[at] = model->values[model->count];
    }
}

static void run_model(uint32_t limit, unsigned steps)
{
    static const uint8_t seed[RANDOM_SEED_SIZE] = {6};
    struct random_stream stream;
    random_stream_init(&stream, seed, (const char *)&limit, sizeof limit);
    struct block *block = block_new(limit);
    struct model model = {.count = 0};
    unsigned found_count = 0, none_count = 0;
    size_t most = 0;
    for (unsigned step = 0; step < steps; step++) {
        model_step(&model, &block->routes, &stream, limit, step);
        assert_int_equal(block->routes.nodes.used, model_nodes(&model));
        most = model.count > most ? model.count : most;
        for (unsigned i = 0; i < 8; i++) {
            struct addr addr = draw_addr(&stream);
            /* Half of the addresses are of a prefix that is there, or stand beside it. */
            if (i % 2 == 0 && model.count > 0)
                addr = model.prefixes[random_below(&stream, model.count)].addr;
            struct subnet host = subnet_of(&addr, addr.family == ADDR_V6 ? 128 : 32);
            uint32_t expected = model_find(&model, &host);
            addr.port = (uint16_t)random_u64(&stream);
            assert_int_equal(routes_find(&block->routes, &addr), expected);
            found_count += expected != ROUTE_NONE;
            none_count += expected == ROUTE_NONE;
        }
    }
    assert_true(found_count > steps && none_count > steps / 100);
    assert_true(most >= limit || most == MODEL_MAX);
    while (model.count > 0) {
        model.count--;
        unset(&block->routes, model.prefixes[model.count]);
        assert_int_equal(block->routes.nodes.used, model_nodes(&model));
    }
    assert_int_equal(block->routes.nodes.used, 0);
    free(block);
}

static void test_model(void **state)
{
    (void)state;
    run_model(1, 2000);
    run_model(3, 4000);
    run_model(10, 4000);
    run_model(24, 4000);
    run_model(MODEL_MAX, 4000);
}

/* ---- Contracts ------------------------------------------------------------------------------- */

static jmp_buf caught;

static void leave(void *context, const char *expression, const char *file, int line)
{
    (void)context, (void)expression, (void)file, (void)line;
    longjmp(caught, 1);
}

static void test_broken_contracts_fail_checks(void **state)
{
    (void)state;
    struct block *block = block_new(2);
    const struct {
        struct subnet subnet;
        uint32_t value;
    } breaches[] = {
        {v4(0x0a000000, 8), ROUTE_NONE},
        {{.bits = 0}, 1},
        {{.addr = addr_v4(0x0a000000, 1), .bits = 8}, 1},
        {{.addr = addr_v4(0x0a000001, 0), .bits = 31}, 1},
        {{.addr = addr_v4(0x0a000001, 0), .bits = 33}, 1},
    };
    for (volatile size_t i = 0; i < sizeof breaches / sizeof breaches[0]; i++) {
        check_set_hook(leave, NULL);
        if (setjmp(caught) == 0) {
            routes_set(&block->routes, &breaches[i].subnet, breaches[i].value);
            fail_msg("breach %zu went unnoticed", (size_t)i);
        }
    }
    check_set_hook(NULL, NULL);
    assert_int_equal(block->routes.nodes.used, 0);
    free(block);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),      cmocka_unit_test(test_longest_v4),
        cmocka_unit_test(test_longest_v6), cmocka_unit_test(test_moves),
        cmocka_unit_test(test_forks),      cmocka_unit_test(test_full),
        cmocka_unit_test(test_nested),     cmocka_unit_test(test_copy_elsewhere_works),
        cmocka_unit_test(test_model),      cmocka_unit_test(test_broken_contracts_fail_checks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
