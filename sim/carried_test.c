/*
 * Tests of carried worlds. The carrier here has ideal queues and the latencies that the links have,
 * so that a carried world must come to the same digest as one that carries its packets itself:
 * every datagram delivered, its time, and every node's inputs and outputs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "sim/nat_preset.h"
#include "sim/net.h"
#include "sim/wire.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

enum { FLIGHTS_MAX = 4096, PORTS_MAX = 64 };

/* A packet on its way to an end. */
struct flight {
    uint64_t at_ns;
    uint32_t end;
    uint32_t size;
    uint8_t *bytes;
};

struct fake {
    struct net_carrier carrier;
    struct net *net;
    struct packet_pool pool;
    struct flight flights[FLIGHTS_MAX];
    uint32_t first, last; /* in order of time: all links here have one latency at a time */
    struct addr open[PORTS_MAX];
    uint32_t open_count;
    uint32_t carried, sent, faults, black;
};

static void fly(struct fake *fake, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct flight flight = {.at_ns = net_now(fake->net) + net_end_way(fake->net, end)->latency_ns,
                            .end = end ^ 1,
                            .size = size,
                            .bytes = malloc(size)};
    assert_non_null(flight.bytes);
    if (!net_carry_leaves(fake->net, end, bytes, size)) {
        free(flight.bytes);
        return;
    }
    memcpy(flight.bytes, bytes, size);
    assert_true(fake->last < FLIGHTS_MAX);
    uint32_t at = fake->last++;
    for (; at > fake->first && fake->flights[at - 1].at_ns > flight.at_ns; at--)
        fake->flights[at] = fake->flights[at - 1];
    fake->flights[at] = flight;
}

static void fake_carry(void *context, uint32_t end, const uint8_t *bytes, uint32_t size)
{
    struct fake *fake = context;
    fake->carried++;
    fly(fake, end, bytes, size);
}

static void fake_open(void *context, uint32_t host, const struct addr *local)
{
    struct fake *fake = context;
    (void)host;
    assert_true(fake->open_count < PORTS_MAX);
    for (uint32_t i = 0; i < fake->open_count; i++)
        assert_false(addr_equal(&fake->open[i], local));
    fake->open[fake->open_count++] = *local;
}

static void fake_close(void *context, uint32_t host, uint16_t port)
{
    struct fake *fake = context;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fake->open_count; i++)
        if (fake->open[i].port != port || net_owner(fake->net, &fake->open[i]) != host)
            fake->open[kept++] = fake->open[i];
    assert_true(kept < fake->open_count);
    fake->open_count = kept;
}

static bool fake_send(void *context, uint32_t host, uint32_t end, const struct net_send *send,
                      const void *bytes, uint32_t size)
{
    struct fake *fake = context;
    struct packet packet;
    uint8_t wire[WIRE_MAX];
    assert_int_equal(net_end_place(fake->net, end), host);
    packet_make_udp(&fake->pool, &packet, &send->source, &send->remote, bytes, size);
    uint32_t length = (uint32_t)wire_write(&packet, wire);
    packet_drop(&fake->pool, &packet);
    fake->sent++;
    net_carry_left(fake->net, end, wire, length);
    fly(fake, end, wire, length);
    return true;
}

static void fake_fault(void *context, const struct net_fault *fault)
{
    struct fake *fake = context;
    assert_true(fault->kind > 0 && fault->kind < NET_FAULT_KINDS);
    fake->faults++;
}

/* What a host's stack does: datagrams to open ports. */
static void receive(struct fake *fake, const struct flight *flight)
{
    struct packet packet;
    uint32_t place = net_end_place(fake->net, flight->end);
    if (!net_is_node(fake->net, place) ||
        !wire_read(&fake->pool, &packet, flight->bytes, flight->size))
        return;
    if (packet.protocol == PACKET_UDP && !packet_is_fragment(&packet))
        for (uint32_t i = 0; i < fake->open_count; i++)
            if (addr_equal(&fake->open[i], &packet.destination)) {
                net_carry_received(fake->net, place, &packet.destination, &packet.source,
                                   packet_data(&packet), packet.data);
                break;
            }
    packet_drop(&fake->pool, &packet);
}

static void run(struct fake *fake, uint64_t until_ns)
{
    for (;;) {
        uint64_t next_ns = net_next(fake->net);
        if (fake->first < fake->last && fake->flights[fake->first].at_ns <= next_ns) {
            struct flight flight = fake->flights[fake->first];
            if (flight.at_ns > until_ns)
                break;
            fake->first++;
            net_run_until(fake->net, flight.at_ns);
            if (net_carry_passes(fake->net, flight.end, flight.bytes, flight.size)) {
                net_carry_arrived(fake->net, flight.end, flight.bytes, flight.size);
                receive(fake, &flight);
            }
            free(flight.bytes);
            continue;
        }
        if (next_ns > until_ns)
            break;
        net_run_until(fake->net, next_ns);
    }
    net_run_until(fake->net, until_ns);
}

/* The fake's world, which it carries or which carries itself. */
static void run_either(struct fake *fake, bool carried, uint64_t until_ns)
{
    if (carried)
        run(fake, until_ns);
    else
        net_run_until(fake->net, until_ns);
}

struct seen {
    uint32_t discoveries;
    uint32_t left;
    uint32_t lost;
};

static void observe(void *context, const struct net_event *event)
{
    struct seen *seen = context;
    seen->discoveries += event->kind == NET_OUTPUT && event->output->kind == NODE_OUT_BEHAVIOUR;
    seen->left += event->kind == NET_SENT;
    seen->lost += event->kind == NET_DROPPED && event->drop == NET_DROP_LOSS;
}

/* Latencies that no sum of others equals, so that no two packets meet. */
static struct net *make(struct seen *seen, const struct net_carrier *carrier, const char *preset,
                        uint32_t loss_ppm, uint32_t *client)
{
    struct net_config config = {.crypto = &crypto_real,
                                .digesting = true,
                                .observe = observe,
                                .context = seen,
                                .carrier = carrier};
    net_seed(config.seed, 7);
    memset(seen, 0, sizeof *seen);
    struct net *net = net_new(&config);
    const struct nat_preset *nat = nat_preset_find(preset);
    assert_non_null(nat);
    struct nat_config config_of_nat = nat_preset_config(nat);
    struct net_router router = {.nat = nat->is_nat ? &config_of_nat : NULL,
                                .up = {.latency_ns = 10007001, .loss_ppm = loss_ppm},
                                .down = {.latency_ns = 13011013, .loss_ppm = loss_ppm}};
    uint32_t server = net_add_host(net, "s1",
                                   &(struct net_host){.addresses = 2,
                                                      .limits = &node_limits_server,
                                                      .up.latency_ns = 1000003,
                                                      .down.latency_ns = 2000029});
    uint32_t home = net_add_router(net, "home", &router);
    *client =
        net_add_host(net, "alice",
                     &(struct net_host){.behind = home,
                                        .limits = &node_limits_client,
                                        .up.latency_ns = 300007,
                                        .down = {.latency_ns = 500009, .loss_ppm = loss_ppm}});
    net_schedule_serve_stun(net, 0, server);
    net_schedule_discover(net, SECOND, *client, ADDR_V4, &server, 1);
    net_schedule_discover(net, 200 * SECOND, *client, ADDR_V6, &server, 1);
    return net;
}

static struct fake *new_fake(void)
{
    struct fake *fake = calloc(1, sizeof *fake);
    assert_non_null(fake);
    packet_pool_init(&fake->pool);
    fake->carrier = (struct net_carrier){.context = fake,
                                         .carry = fake_carry,
                                         .open = fake_open,
                                         .close = fake_close,
                                         .send = fake_send,
                                         .fault = fake_fault};
    return fake;
}

static void free_fake(struct fake *fake)
{
    for (uint32_t i = fake->first; i < fake->last; i++)
        free(fake->flights[i].bytes);
    packet_pool_free(&fake->pool);
    free(fake);
}

static void test_a_carried_world_does_what_a_plain_one_does(void **state)
{
    (void)state;
    static const struct {
        const char *preset;
        uint32_t loss_ppm;
    } table[] = {
        {"home", 0}, {"symmetric", 0}, {"none", 0}, {"home", 100000}, {"symmetric", 100000}};
    for (uint32_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct seen plain_seen, seen;
        uint32_t client;
        struct net *plain = make(&plain_seen, NULL, table[i].preset, table[i].loss_ppm, &client);
        net_run_until(plain, 400 * SECOND);
        struct fake *fake = new_fake();
        struct net *net = make(&seen, &fake->carrier, table[i].preset, table[i].loss_ppm, &client);
        fake->net = net;
        run(fake, 400 * SECOND);
        assert_int_equal(seen.discoveries, 2);
        assert_int_equal(plain_seen.discoveries, 2);
        assert_true(fake->carried > 0 && fake->sent > 0);
        assert_int_equal(seen.left, plain_seen.left);
        assert_int_equal(seen.lost, plain_seen.lost);
        assert_true(table[i].loss_ppm == 0 || seen.lost > 0);
        assert_int_equal(net_digest(net), net_digest(plain));
        net_free(net);
        net_free(plain);
        free_fake(fake);
    }
}

/* A router's ICMP error reaches the node, also where its stack has it first. */
static void test_a_node_is_told_of_errors(void **state)
{
    (void)state;
    uint64_t digests[2];
    for (uint32_t carried = 0; carried < 2; carried++) {
        struct seen seen;
        uint32_t client;
        struct fake *fake = new_fake();
        struct net *net = make(&seen, carried == 1 ? &fake->carrier : NULL, "home", 0, &client);
        fake->net = net;
        struct node_in in = {.kind = NODE_IN_DISCOVER, .discover = {.count = 1}};
        in.discover.servers[0] = addr_v4(0xcb007109, 3478); /* 203.0.113.9: nobody has it */
        net_schedule_command(net, 100 * SECOND, client, &in);
        run_either(fake, carried == 1, 150 * SECOND);
        assert_true(net_counts(net)->icmp > 0);
        digests[carried] = net_digest(net);
        net_free(net);
        free_fake(fake);
    }
    assert_int_equal(digests[0], digests[1]);
}

static void count_bytes(void *context, struct net *net, uint32_t host, const struct addr *local,
                        const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    (void)net, (void)host, (void)local, (void)remote, (void)bytes;
    *(uint32_t *)context += size;
}

/* What comes back in pieces is put together by NATs, firewalls and plain hosts, as is what never
   left the world. */
static void test_fragments(void **state)
{
    (void)state;
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    for (uint32_t f = 0; f < 2; f++) {
        uint64_t digests[2];
        for (uint32_t carried = 0; carried < 2; carried++) {
            struct seen seen;
            uint32_t client, received = 0;
            uint8_t bytes[1400] = {1, 2, 3};
            struct fake *fake = new_fake();
            struct net *net = make(&seen, carried == 1 ? &fake->carrier : NULL, "home", 0, &client);
            fake->net = net;
            struct firewall_config stateful = firewall_preset_find("stateful")->config;
            struct net_router router = {.firewall = &stateful, .up.latency_ns = 70001};
            struct net_host host = {.up = {.latency_ns = 60013, .mtu = 1280},
                                    .down.latency_ns = 50021};
            uint32_t to = net_add_host(net, "to", &host);
            host.behind = f == 0 ? net_find(net, "home") : net_add_router(net, "wall", &router);
            uint32_t from = net_add_host(net, "from", &host);
            uint16_t port = net_open(net, to, 7000, count_bytes, NULL, &received);
            assert_int_equal(net_open(net, from, 7001, NULL, NULL, NULL), 7001);
            struct net_send send = {.source.port = 7001,
                                    .remote =
                                        addr_with_port(net_address(net, to, families[f], 0), port)};
            assert_int_equal(net_send(net, from, &send, bytes, sizeof bytes), NODE_OK);
            run_either(fake, carried == 1, 10 * SECOND);
            assert_int_equal(received, sizeof bytes);
            digests[carried] = net_digest(net);
            net_free(net);
            free_fake(fake);
        }
        assert_int_equal(digests[0], digests[1]);
    }
}

/* Links that are down, and hosts that are, are the world's business. */
static void test_faults_are_both_networks(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {NET_FAULT_LINK_DOWN, NET_FAULT_HOST_DOWN, NET_FAULT_SUSPEND,
                                     NET_FAULT_CRASH, NET_FAULT_INTERFACE_DOWN};
    for (uint32_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        uint64_t digests[2];
        for (uint32_t carried = 0; carried < 2; carried++) {
            struct seen seen;
            uint32_t client;
            struct fake *fake = new_fake();
            struct net *net = make(&seen, carried == 1 ? &fake->carrier : NULL, "home", 0, &client);
            fake->net = net;
            struct net_fault fault = {.kind = kinds[i], .place = client, .way = NET_WAY_BOTH};
            net_schedule_fault(net, SECOND + 50 * MS, &fault);
            run_either(fake, carried == 1, 400 * SECOND);
            assert_int_equal(fake->faults, carried);
            digests[carried] = net_digest(net);
            net_free(net);
            free_fake(fake);
        }
        assert_int_equal(digests[0], digests[1]);
    }
}

/* Sockets close with their process, and open again with the next. */
static void test_ports_follow_the_process(void **state)
{
    (void)state;
    struct seen seen;
    uint32_t client;
    struct fake *fake = new_fake();
    struct net *net = make(&seen, &fake->carrier, "home", 0, &client);
    fake->net = net;
    uint32_t server = net_find(net, "s1");
    run(fake, SECOND / 2);
    /* Two ports on two addresses in two families. */
    assert_int_equal(fake->open_count, 8);
    struct net_fault crash = {.kind = NET_FAULT_CRASH, .place = server};
    net_schedule_fault(net, SECOND * 3 / 4, &crash);
    run(fake, SECOND * 7 / 8);
    assert_int_equal(fake->open_count, 0);
    net_free(net);
    free_fake(fake);
}

/* What has no room before a link is a packet that its queue has lost. */
static void test_what_the_carrier_loses_is_counted(void **state)
{
    (void)state;
    static const uint8_t junk[] = {0x45, 0, 0, 1};
    struct seen seen;
    uint32_t client;
    struct fake *fake = new_fake();
    struct net *net = make(&seen, &fake->carrier, "home", 0, &client);
    fake->net = net;
    run(fake, SECOND + MS); /* the first packet is on its way to the router */
    assert_true(fake->first < fake->last);
    const struct flight *flight = &fake->flights[fake->first];
    net_carry_lost(net, flight->end, flight->bytes, flight->size);
    assert_int_equal(net_counts(net)->dropped[NET_DROP_QUEUE], 1);
    net_carry_arrived(net, flight->end, junk, sizeof junk);
    assert_int_equal(net_counts(net)->dropped[NET_DROP_UNSUPPORTED], 1);
    net_free(net);
    free_fake(fake);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_carried_world_does_what_a_plain_one_does),
        cmocka_unit_test(test_a_node_is_told_of_errors),
        cmocka_unit_test(test_fragments),
        cmocka_unit_test(test_faults_are_both_networks),
        cmocka_unit_test(test_ports_follow_the_process),
        cmocka_unit_test(test_what_the_carrier_loses_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
