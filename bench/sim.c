/*
 * How many datagrams the simulated network delivers per processor second, through two NATs between
 * two hosts, as the network grows; beside it, in the same run, the event heap alone on this
 * machine, which nothing built on it can exceed. Then one plan on the simulator and on ns-3, nodes
 * and all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/load.h"
#include "scenarios/runner/run.h"
#include "sim/engine.h"
#include "sim/net.h"

#define NS_PER_SECOND UINT64_C(1000000000)
#define MILLISECOND_NS UINT64_C(1000000)

enum {
    ROUNDS = 3,
    PAYLOAD = 32,
    DATAGRAMS = 2000000, /* per measurement, over all hosts */
    EVENTS_EACH = 2,
    WINDOW = 8, /* datagrams that each host has under way */
};

static uint64_t processor_ns(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now) == 0);
    return (uint64_t)now.tv_sec * NS_PER_SECOND + (uint64_t)now.tv_nsec;
}

/* Every host answers each datagram with one, so that as many are under way at any time. */
static void answer(void *context, struct net *net, uint32_t host, const struct addr *local,
                   const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    struct net_send send = {.source = *local, .remote = *remote};
    enum node_error error = net_send(net, host, &send, bytes, size);
    check(error == NODE_OK);
}

static uint32_t add_side(struct net *net, uint32_t number, char side, const struct nat_config *nat)
{
    char name[32];
    (void)snprintf(name, sizeof name, "home%c%" PRIu32, side, number);
    struct net_router home = {.nat = nat};
    home.up.latency_ns = 10 * MILLISECOND_NS + (uint64_t)number * 7;
    home.down.latency_ns = 10 * MILLISECOND_NS + (uint64_t)number * 7;
    uint32_t router = net_add_router(net, name, &home);
    (void)snprintf(name, sizeof name, "host%c%" PRIu32, side, number);
    uint32_t host = net_add_host(net, name, &(struct net_host){.behind = router});
    check(net_open(net, host, 40000, answer, NULL, NULL) == 40000);
    return host;
}

/* Pairs of hosts, each behind a NAT of its own, whose mappings are open both ways. */
static struct net *build(uint32_t hosts)
{
    struct net_config config = {0};
    net_seed(config.seed, hosts);
    struct net *net = net_new(&config);
    struct nat_config nat = nat_config_default();
    nat.ports = NAT_PORTS_PRESERVED;
    nat.idle_ns = 1000000 * NS_PER_SECOND;
    nat.capacity = 64;
    nat.sessions = 64;
    static const uint8_t payload[PAYLOAD];
    for (uint32_t pair = 0; pair < hosts / 2; pair++) {
        uint32_t a = add_side(net, pair, 'a', &nat);
        uint32_t b = add_side(net, pair, 'b', &nat);
        struct addr to_a =
            addr_with_port(net_address(net, net_parent(net, a, 0), ADDR_V4, 0), 40000);
        struct addr to_b =
            addr_with_port(net_address(net, net_parent(net, b, 0), ADDR_V4, 0), 40000);
        struct net_send from_a = {.source = {.port = 40000}, .remote = to_b};
        struct net_send from_b = {.source = {.port = 40000}, .remote = to_a};
        /* The first ones of both sides cross, and each opens its filter for the other's. */
        for (unsigned i = 0; i < WINDOW; i++) {
            check(net_send(net, a, &from_a, payload, sizeof payload) == NODE_OK);
            check(net_send(net, b, &from_b, payload, sizeof payload) == NODE_OK);
        }
    }
    return net;
}

/* Processor nanoseconds for one delivered datagram, the best of ROUNDS. */
static double measure(uint32_t hosts)
{
    double best = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct net *net = build(hosts);
        net_run_until(net, NS_PER_SECOND); /* warm: every mapping and buffer is there */
        uint64_t delivered = net_counts(net)->delivered;
        check(delivered > 0);
        uint64_t start_ns = processor_ns();
        while (net_counts(net)->delivered - delivered < DATAGRAMS && net_step(net))
            ;
        uint64_t spent_ns = processor_ns() - start_ns;
        delivered = net_counts(net)->delivered - delivered;
        check(delivered >= DATAGRAMS);
        double each_ns = (double)spent_ns / (double)delivered;
        if (round == 0 || each_ns < best)
            best = each_ns;
        net_free(net);
    }
    return best;
}

/* The heap alone, with as many events in it as the network has: take one, schedule one. */
static double measure_heap(uint32_t pending)
{
    double best = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct engine engine;
        engine_init(&engine);
        engine_set_nodes(&engine, pending);
        for (uint32_t i = 0; i < pending; i++)
            engine_schedule(&engine, (uint64_t)i * 7, ENGINE_DELIVERY, i, 0, i);
        uint64_t start_ns = processor_ns();
        for (uint32_t i = 0; i < DATAGRAMS; i++) {
            struct engine_event event;
            engine_take(&engine, &event);
            engine_schedule(&engine, event.time_ns + 10 * MILLISECOND_NS, ENGINE_DELIVERY,
                            engine_event_node(&event), 0, event.which);
        }
        double each_ns = (double)(processor_ns() - start_ns) / DATAGRAMS;
        if (round == 0 || each_ns < best)
            best = each_ns;
        engine_free(&engine);
    }
    return best;
}

/* Whole and linear part of the binary logarithm, near enough to compare growth by. */
static double binary_logarithm(uint32_t n)
{
    uint32_t whole = 0;
    while (n >> whole >= 2)
        whole++;
    return whole + (double)n / (double)(1u << whole) - 1;
}

/* ---- One plan on two networks ---- */

static const char plan_text[] =
    "scenario 'pairs that talk'\n"
    "duration '16s'\n"
    "server 's1' { delay = '10ms' }\n"
    "for i = 1, 8 do\n"
    "    router('a' .. i) { nat = 'home', delay = '10ms' }\n"
    "    router('b' .. i) { nat = 'port-restricted-cone', delay = '15ms' }\n"
    "    client('c' .. i) { behind = 'a' .. i }\n"
    "    client('d' .. i) { behind = 'b' .. i }\n"
    "    at '4s' { connect('c' .. i, 'd' .. i) }\n"
    "    at '5s' { talk('c' .. i, 'd' .. i, { every = '2ms', lasts = '10s' }) }\n"
    "end\n";

/* Packets that hosts sent in a run on a network, for each second of processor time that the run
   took in all its processes; 0, with a sentence: there was none. */
static double measure_plan(const char *name, const struct plan_scenario *scenario,
                           char why[static RUN_ERROR_SIZE])
{
    const struct run_network *network = run_network_find(name);
    const struct run_request request = {.scenario = scenario, .seed = 1, .label = "bench"};
    uint64_t packets = 0;
    int ends[2], status;
    struct rusage usage;
    if (network->is_there != NULL && !network->is_there(why))
        return 0;
    (void)fflush(stdout);
    check(pipe(ends) == 0);
    pid_t child = fork();
    check(child >= 0);
    if (child == 0) {
        static struct run run;
        bool made = network->run(&request, &run, why);
        bool told = made && write(ends[1], &run.packets, sizeof run.packets) == sizeof run.packets;
        _exit(told ? EXIT_SUCCESS : EXIT_FAILURE);
    }
    check(close(ends[1]) == 0);
    bool told = read(ends[0], &packets, sizeof packets) == sizeof packets;
    check(close(ends[0]) == 0 && wait4(child, &status, 0, &usage) == child);
    if (!told) {
        (void)snprintf(why, RUN_ERROR_SIZE, "the run could not be made");
        return 0;
    }
    double seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                     (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return (double)packets / seconds;
}

static void compare_networks(void)
{
    static const char *const names[] = {"sim", "ns3"};
    char error[LOAD_ERROR_SIZE], why[RUN_ERROR_SIZE] = "";
    struct plan plan;
    double best[2] = {0, 0};
    check(plan_load(&plan, "pairs", plan_text, sizeof plan_text - 1, error));
    for (unsigned round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < 2; i++) {
            double rate = measure_plan(names[i], &plan.scenarios[0], why);
            best[i] = rate > best[i] ? rate : best[i];
        }
    plan_free(&plan);
    printf("\n%7s %14s\n", "network", "datagrams/s");
    for (unsigned i = 0; i < 2 && best[i] > 0; i++)
        printf("%7s %14.0f\n", names[i], best[i]);
    if (best[1] > 0)
        printf("%7s %14.1f\n", "ratio", best[0] / best[1]);
    else
        printf("skipped on ns3: %s\n", why);
    printf(
        "One plan on both, eight pairs that talk through two NATs each: what their hosts sent, for\n"
        "each second of processor time, with nodes, cryptography and start-up.\n");
}

int main(void)
{
    static const uint32_t sizes[] = {2, 100, 10000};
    double first_ns = 0;
    printf("%7s %14s %9s %16s %16s %14s %13s\n", "hosts", "datagrams/s", "ns each",
           "growth (n log n)", "times n log n", "heap events/s", "heap's share");
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t pending = sizes[i] * WINDOW;
        double each_ns = measure(sizes[i]);
        double heap_ns = measure_heap(pending);
        if (i == 0)
            first_ns = each_ns;
        double growth = each_ns / first_ns;
        double allowed = binary_logarithm(pending) / binary_logarithm(sizes[0] * WINDOW);
        printf("%7" PRIu32 " %14.0f %9.1f %8.2f (%5.2f) %16.2f %14.0f %12.1f%%\n", sizes[i],
               1e9 / each_ns, each_ns, growth, allowed, growth / allowed, 1e9 / heap_ns,
               100 * EVENTS_EACH * heap_ns / each_ns);
        (void)fflush(stdout);
    }
    printf(
        "Each datagram takes two events, since its way has two links with latency, and passes two\n"
        "NATs, the hub and two ideal links. Growth is of the time for one, with that of n log n\n"
        "over the datagrams under way beside it; the heap's share is what its two events would\n"
        "take in a bare heap of that size: the limit of anything built on it.\n");
    compare_networks();
    return 0;
}
