/* Hostile members: what they can make honest nodes send to a victim, and what their lies change. */
#include "sim/hostile_test.h"

enum {
    HONEST = 2,
    MINUTES = 10,
    BOUND = 5,          /* datagrams that a victim may get of one honest node */
    FOREIGN_PORT = 4444, /* of the victim: nothing there has ever asked for anything */
    LIES = 10000,
};

static struct rogue *rogues[ROGUES];
static uint32_t rogue_count;

/* ---- The victim ------------------------------------------------------------------------------ */

/* A way of pointing honest nodes at the victim. */
struct arrangement {
    const char *name;
    bool one_nat;    /* all of them, but the server, are behind one NAT */
    bool registers;  /* the victim's address as a host's own */
    bool binds;      /* HELLO, REGISTER, PING, CONNECT with the victim's source */
    bool twice;      /* the same bytes from the rogue's own address too */
    bool probes;     /* PROBEs with the victim's source */
    bool acknowledges; /* what it never received */
    bool forgets;    /* ever new sources between, so that budgets are forgotten */
    bool opens;      /* the honest clients call the rogues, too */
    unsigned calls;  /* in a second, of each rogue */
};

static const struct arrangement arrangements[] = {
    {.name = "registers", .registers = true, .calls = 1},
    {.name = "registers, one NAT", .one_nat = true, .registers = true, .calls = 1},
    {.name = "binds", .binds = true, .calls = 1},
    {.name = "binds twice", .binds = true, .twice = true, .calls = 1},
    {.name = "probes", .probes = true, .calls = 1},
    {.name = "probes, called", .probes = true, .opens = true, .acknowledges = true, .calls = 1},
    {.name = "probes, one NAT", .one_nat = true, .probes = true, .calls = 1},
    {.name = "acknowledges, one NAT",
     .one_nat = true,
     .registers = true,
     .acknowledges = true,
     .calls = 1},
    {.name = "all",
     .registers = true,
     .binds = true,
     .twice = true,
     .probes = true,
     .acknowledges = true,
     .calls = 2},
    {.name = "all, one NAT",
     .one_nat = true,
     .registers = true,
     .probes = true,
     .acknowledges = true,
     .calls = 2},
    {.name = "forgets", .probes = true, .forgets = true, .calls = 4},
};

static struct addr victim_addr(uint16_t port)
{
    return place_addr(arena.victim, port);
}

static void call_and_lie(struct rogue *r, const struct arrangement *how, uint32_t client)
{
    const uint64_t unknown[PUNCH_ACKS_MAX] = {0, 1, draw(), draw(), draw(), draw(), draw(), 0};
    const struct addr none = {0};
    struct addr to = place_addr(client, NET_PORT_TRAFFIC);
    rogue_connect(r, client);
    if (!r->call.known)
        return;
    uint8_t count = how->acknowledges ? PUNCH_ACKS_MAX : 0;
    for (uint16_t i = 0; how->forgets && i < 15; i++) {
        struct addr source = addr_v4(UINT32_C(0x0b000000) + ((uint32_t)draw() & 0xffffff), 9);
        rogue_probe(r, &source, &to, NULL, 0);
    }
    for (uint16_t i = 0; how->probes && i < 3; i++) {
        struct addr source = victim_addr((uint16_t)(FOREIGN_PORT + i));
        rogue_probe(r, &source, &to, unknown, count);
    }
    if (how->acknowledges)
        rogue_probe(r, &none, &to, unknown, count);
}

static void bind_as_victim(struct rogue *r, const struct arrangement *how)
{
    r->source = victim_addr(FOREIGN_PORT);
    r->twice = how->twice;
    rogue_hello(r);
    rogue_register(r);
    rogue_say(r, &(struct punch_message){.type = PUNCH_PING});
    rogue_say(r, &(struct punch_message){.type = PUNCH_CHALLENGE_ANSWER});
    rogue_connect(r, arena.clients[0]);
    r->source = (struct addr){0};
    r->twice = false;
}

/* One second of an attack by all rogues. */
static void attack(void *context, struct net *net, uint64_t second)
{
    const struct arrangement *how = context;
    for (uint32_t i = 0; i < rogue_count; i++) {
        struct rogue *r = rogues[i];
        assert_true(r->up);
        if (second % 20 == 0)
            rogue_register(r);
        if (how->binds && second % 3 == i % 3)
            bind_as_victim(r, how);
        for (unsigned n = 0; n < how->calls; n++)
            call_and_lie(r, how, arena.clients[(second / 20 + i) % HONEST]);
        if (how->opens && second % 5 == 0)
            connect_now(arena.clients[(second / 20 + i) % HONEST], r->place);
    }
    if (second + 1 < MINUTES * 60)
        net_schedule_call(net, net_now(net) + SECOND, arena.server, attack, context, second + 1);
}

static void ignore(void *context, struct net *net, uint32_t host, const struct addr *local,
                   const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    (void)net;
    (void)host;
    (void)local;
    (void)remote;
    (void)bytes;
    (void)size;
}

static void build(const struct arrangement *how, uint32_t count)
{
    struct node_limits limits = node_limits_server;
    limits.clients = limits.sessions = limits.pairs = 64;
    arena_new(7);
    add_server(&limits);
    uint32_t router = NET_INTERNET;
    struct nat_config nat = nat_config_default();
    if (how->one_nat)
        router = net_add_router(arena.net, "nat", &(struct net_router){.nat = &nat, .no_v6 = true});
    add_client("alice", router);
    add_client("bob", router);
    arena.victim = add_plain("victim", router);
    for (uint16_t i = 0; i < 3; i++)
        net_open(arena.net, arena.victim, (uint16_t)(FOREIGN_PORT + i), ignore, NULL, NULL);
    rogue_count = count;
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "rogue%" PRIu32, i);
        rogues[i] = rogue_new(name, router);
        struct punch_party *party = &rogues[i]->party;
        for (uint16_t n = 0; how->registers && n < 3; n++)
            party->candidates[party->candidate_count++] =
                (struct punch_candidate){.addr = victim_addr((uint16_t)(FOREIGN_PORT + n)),
                                         .kind = PUNCH_CANDIDATE_HOST};
    }
}

/* Most that one honest node sent to the victim. */
static uint64_t most_to_victim(uint64_t *total)
{
    uint64_t most = 0;
    *total = 0;
    for (uint32_t i = 0; i < PLACES; i++) {
        *total += arena.to_victim[i];
        if (arena.to_victim[i] > most)
            most = arena.to_victim[i];
    }
    return most;
}

static void test_victim(void **state)
{
    (void)state;
    static const uint32_t counts[] = {1};
    uint64_t worst = 0;
    print_message("%-24s %6s %8s %8s %6s\n", "arrangement", "rogues", "server", "clients", "most");
    for (size_t i = 0; i < sizeof arrangements / sizeof *arrangements; i++) {
        for (size_t n = 0; n < sizeof counts / sizeof *counts; n++) {
            const struct arrangement *how = &arrangements[i];
            uint64_t total;
            build(how, counts[n]);
            net_schedule_call(arena.net, 5 * SECOND, arena.server, attack, (void *)(uintptr_t)how,
                              0);
            net_run_until(arena.net, (MINUTES * 60 + 6) * SECOND);
            uint64_t most = most_to_victim(&total);
            uint64_t of_server = arena.to_victim[arena.server];
            print_message("%-24s %6" PRIu32 " %8" PRIu64 " %8" PRIu64 " %6" PRIu64 "\n", how->name,
                          counts[n], of_server, total - of_server, most);
            /* The rogues did what they are here for. */
            for (uint32_t k = 0; k < rogue_count; k++) {
                assert_true(rogues[k]->registered > 0 && rogues[k]->call.known);
                rogue_free(rogues[k]);
            }
            if (most > worst)
                worst = most;
            arena_free();
        }
    }
    assert_true(worst <= BOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_victim),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(arena.tapped);
    crypto_thread_end();
    return failed;
}
