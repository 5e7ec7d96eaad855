/*
 * The pair oracle against floods through real NATs and firewalls: every two of the situations that
 * the matrix of scenarios consists of, clients that have routers in common, and stacks drawn at
 * random.
 */
#include "sim/oracle_pair_test.h"

/* ---- The matrix ------------------------------------------------------------------------------ */

enum {
    KIND_NONE,
    KIND_ONE_TO_ONE,
    KIND_CARRIER, /* a carrier's NAT over a home's */
    KIND_MASQUERADE,
    KIND_MASQUERADE_DROP,
    KIND_FIREWALL,
    KIND_BLOCKED,
    KIND_CLASS, /* nine classes by two scopes by three session models */
    KINDS = KIND_CLASS + 9 * 2 * 3,
};

/* What is in front of one client. */
struct front {
    struct nat_config nats[2];
    struct oracle_layer layers[2];
    uint32_t count;
    char name[48];
};

static struct front fronts[KINDS];

static const char *const kind_names[KIND_CLASS] = {
    "none",     "one-to-one",  "home+carrier-grade", "linux-masquerade", "linux-masquerade-drop",
    "stateful", "udp-blocked",
};

/* A preset, with tables small enough to be made by the thousand. */
static struct nat_config preset(const char *name)
{
    const struct nat_preset *found = nat_preset_find(name);
    assert_non_null(found);
    struct nat_config config = nat_preset_config(found);
    config.capacity = 128;
    config.sessions = 1024;
    return config;
}

static void put_nat(struct front *front, struct nat_config config)
{
    front->nats[front->count] = config;
    front->layers[front->count] = (struct oracle_layer){.nat = &front->nats[front->count]};
    front->count++;
}

static void put_firewall(struct front *front, const char *name)
{
    static struct firewall_config configs[2];
    const struct firewall_preset *found = firewall_preset_find(name);
    assert_non_null(found);
    struct firewall_config *config = &configs[found->config.stateful];
    *config = found->config;
    config->capacity = 256;
    front->layers[front->count++] = (struct oracle_layer){.firewall = config};
}

static void fill_front(struct front *front, uint32_t kind)
{
    front->count = 0;
    if (kind < KIND_CLASS) {
        (void)snprintf(front->name, sizeof front->name, "%s", kind_names[kind]);
    } else {
        uint32_t index = kind - KIND_CLASS;
        uint8_t scope = (uint8_t)(index / 9 % 2);
        uint8_t session = (uint8_t)(index / 18);
        (void)snprintf(front->name, sizeof front->name, "%s %s %s", class_names[index % 9],
                       scope == NAT_SCOPE_ENDPOINT ? "endpoint" : "mapping",
                       session_names[session]);
        put_nat(front, class_config(index % 9, scope, session));
    }
    if (kind == KIND_CARRIER) {
        put_nat(front, preset("home"));
        put_nat(front, preset("carrier-grade"));
    } else if (kind == KIND_ONE_TO_ONE || kind == KIND_MASQUERADE || kind == KIND_MASQUERADE_DROP) {
        put_nat(front, preset(kind_names[kind]));
    } else if (kind == KIND_FIREWALL || kind == KIND_BLOCKED) {
        put_firewall(front, kind_names[kind]);
    }
}

static void fill_fronts(void)
{
    for (uint32_t kind = 0; kind < KINDS; kind++)
        fill_front(&fronts[kind], kind);
}

/* Whether the oracle and the NATs agree on a pair; with UDP blocked there is nothing to flood. */
static bool judge(const struct oracle_pair *pair, bool blocked, const char *what)
{
    if (!blocked)
        return agree(pair, what);
    struct oracle_pair_says says = oracle_pair(pair);
    return says.verdict == ORACLE_UNREACHABLE && says.direct_ns == ORACLE_NEVER &&
           says.first_data_ns == ORACLE_NEVER && says.relayed_reason == ORACLE_REASON_UDP_BLOCKED;
}

/*
 * Every two fronts, in both orders of who calls. Two classes that differ in scope or session model
 * are compared elsewhere.
 */
static void test_matrix(void **state)
{
    (void)state;
    fill_fronts();
    unsigned runs = 0;
    unsigned differences = 0;
    for (uint32_t cell = 0; cell < KINDS * KINDS * 4; cell++) {
        uint32_t a = cell / 4 / KINDS;
        uint32_t b = cell / 4 % KINDS;
        bool classes = a >= KIND_CLASS && b >= KIND_CLASS;
        if (classes && (a - KIND_CLASS) / 9 != (b - KIND_CLASS) / 9)
            continue;
        for (uint32_t homes = 0; homes < 2; homes++) {
            struct oracle_pair pair = pair_of(fronts[a].layers, fronts[a].count, fronts[b].layers,
                                              fronts[b].count, short_triples[cell % 4]);
            pair.homes_ns = (uint64_t)homes * 3 * MS;
            char what[128];
            (void)snprintf(what, sizeof what, "%s x %s", fronts[a].name, fronts[b].name);
            differences += !judge(&pair, a == KIND_BLOCKED || b == KIND_BLOCKED, what);
            runs++;
        }
    }
    print_message("%u floods, %u differences\n", runs, differences);
    assert_int_equal(differences, 0);
}

/* ---- Clients that have routers in common ----------------------------------------------------- */

/* Two hosts behind one NAT, or each with a home's in between, for every mode of hairpin. */
static void test_behind_one(void **state)
{
    (void)state;
    fill_fronts();
    unsigned runs = 0;
    unsigned differences = 0;
    for (uint32_t cell = 0; cell < KINDS * 3 * 4 * 4; cell++) {
        uint32_t kind = cell / 4 / 3 / 4;
        uint32_t inner = cell / 4 / 3 % 4; /* bits: the caller has a home, the callee has */
        struct front *front = &fronts[kind];
        if (kind == KIND_BLOCKED)
            continue;
        struct nat_config home = class_config(2, NAT_SCOPE_MAPPING, NAT_SESSION_NOTHING);
        struct oracle_layer layers[2][3];
        uint32_t counts[2];
        for (uint32_t i = 0; i < front->count; i++)
            front->nats[i].hairpin = (uint8_t)(cell / 4 % 3);
        for (uint32_t side = 0; side < 2; side++) {
            counts[side] = 0;
            if ((inner >> side & 1) != 0)
                layers[side][counts[side]++] = (struct oracle_layer){.nat = &home};
            for (uint32_t i = 0; i < front->count; i++)
                layers[side][counts[side]++] = front->layers[i];
        }
        for (uint32_t shared = 1; shared <= front->count; shared++) {
            const uint64_t *triple = short_triples[cell % 4];
            const uint64_t doubled[3] = {2 * triple[0], 2 * triple[1], 2 * triple[2]};
            struct oracle_pair pair = pair_of(layers[0], counts[0], layers[1], counts[1], doubled);
            pair.shared = shared;
            pair.homes_ns = (uint64_t)(cell % 2) * 4 * MS;
            char what[128];
            (void)snprintf(what, sizeof what, "%s, %u in common, hairpin %u, homes %u", front->name,
                           shared, cell / 4 % 3, inner);
            differences += !agree(&pair, what);
            runs++;
        }
    }
    print_message("%u floods, %u differences\n", runs, differences);
    assert_int_equal(differences, 0);
}

/* ---- Stacks, drawn --------------------------------------------------------------------------- */

enum { STACKS = 12000 };

static uint32_t draw(uint64_t *dice, uint32_t below)
{
    *dice = *dice * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*dice >> 33) % below;
}

struct drawn {
    struct nat_config nats[2][LAYERS];
    struct firewall_config firewalls[2][LAYERS];
    struct oracle_layer layers[2][LAYERS];
    uint32_t counts[2];
};

static void draw_layer(struct drawn *drawn, uint32_t side, uint32_t i, uint64_t *dice)
{
    struct oracle_layer *layer = &drawn->layers[side][i];
    struct nat_config *nat = &drawn->nats[side][i];
    *layer = (struct oracle_layer){.nat = NULL};
    if (draw(dice, 8) != 0) {
        *nat = class_config(draw(dice, 9), (uint8_t)draw(dice, 2), (uint8_t)draw(dice, 3));
        nat->hairpin = (uint8_t)draw(dice, 3);
        if (draw(dice, 8) == 0) {
            nat->one_to_one = true;
        } else if (draw(dice, 5) == 0) {
            nat->poison_ns = 30000 * MS;
        }
        layer->nat = nat;
    }
    if (draw(dice, 6) == 0) {
        struct firewall_config *firewall = &drawn->firewalls[side][i];
        *firewall = firewall_config_default();
        firewall->capacity = 256;
        firewall->filtering = (uint8_t)draw(dice, 3);
        layer->firewall = firewall;
    }
}

static const char *draw_text(const struct drawn *drawn, uint32_t shared, char text[static 512])
{
    size_t size = (size_t)snprintf(text, 512, "shared %u:", shared);
    for (uint32_t side = 0; side < 2; side++) {
        for (uint32_t i = 0; i < drawn->counts[side]; i++) {
            const struct oracle_layer *layer = &drawn->layers[side][i];
            const struct nat_config *nat = layer->nat;
            if (layer->firewall != NULL)
                size += (size_t)snprintf(text + size, 512 - size, " [firewall %u]",
                                         layer->firewall->filtering);
            if (nat != NULL)
                size += (size_t)snprintf(text + size, 512 - size, " %s.%u.%s%s%s hairpin %u,",
                                         class_names[nat->mapping * 3 + nat->filtering], nat->scope,
                                         session_names[nat->session],
                                         nat->poison_ns != 0 ? " trap" : "",
                                         nat->one_to_one ? " 1:1" : "", nat->hairpin);
        }
        size += (size_t)snprintf(text + size, 512 - size, side == 0 ? " x" : "");
    }
    return text;
}

/*
 * The inside source that the outermost NAT in common shows is of use if there is another one in
 * common further in, and that turns packets back itself: a case that the oracle leaves out.
 */
static void mend_hairpin(struct drawn *drawn, uint32_t shared)
{
    uint32_t nats = 0;
    struct nat_config *outermost = NULL;
    for (uint32_t i = drawn->counts[0] - shared; i < drawn->counts[0]; i++) {
        if (drawn->layers[0][i].nat == NULL)
            continue;
        outermost = &drawn->nats[0][i];
        nats++;
    }
    if (nats > 1 && outermost->hairpin == NAT_HAIRPIN_INTERNAL)
        outermost->hairpin = NAT_HAIRPIN_EXTERNAL;
}

/* Stacks of up to three NATs and firewalls, apart or with routers in common. */
static void test_flood_stacks(void **state)
{
    (void)state;
    static struct drawn drawn;
    unsigned differences = 0;
    unsigned verdicts[ORACLE_VERDICT_COUNT] = {0};
    uint64_t dice = 1;
    for (uint32_t n = 0; n < STACKS; n++) {
        for (uint32_t side = 0; side < 2; side++) {
            drawn.counts[side] = draw(&dice, LAYERS + 1);
            for (uint32_t i = 0; i < drawn.counts[side]; i++)
                draw_layer(&drawn, side, i, &dice);
        }
        uint32_t fewest = drawn.counts[drawn.counts[1] < drawn.counts[0]];
        uint32_t shared = draw(&dice, 3) == 0 ? draw(&dice, fewest + 1) : 0;
        for (uint32_t i = 1; i <= shared; i++)
            drawn.layers[1][drawn.counts[1] - i] = drawn.layers[0][drawn.counts[0] - i];
        mend_hairpin(&drawn, shared);
        const uint64_t delays[3] = {draw(&dice, 20), draw(&dice, 20), 2 * draw(&dice, 20) + 2};
        struct oracle_pair pair =
            pair_of(drawn.layers[0], drawn.counts[0], drawn.layers[1], drawn.counts[1], delays);
        pair.shared = shared;
        pair.homes_ns = draw(&dice, 4) == 0 ? 4 * MS : 0;
        char text[512];
        differences += !agree(&pair, draw_text(&drawn, shared, text));
        verdicts[oracle_pair(&pair).verdict]++;
    }
    print_message("%u direct, %u relayed, %u by order, %u by chance; %u differences\n",
                  verdicts[ORACLE_DIRECT], verdicts[ORACLE_RELAYED], verdicts[ORACLE_ORDER],
                  verdicts[ORACLE_CHANCE], differences);
    assert_int_equal(differences, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matrix),
        cmocka_unit_test(test_behind_one),
        cmocka_unit_test(test_flood_stacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
