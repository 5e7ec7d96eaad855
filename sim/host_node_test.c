/* Tests of hosts with nodes of the core: a STUN server and a client that discovers, over the whole
 * network. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "crypto/crypto.h"
#include "sim/nat_preset.h"
#include "sim/net.h"
#include "sim/trace_text.h"
#include "sim/world.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

struct seen {
    const struct net *net;
    uint32_t discoveries;
    struct stun_behaviour found;
    uint32_t traces;
    uint32_t sockets;
    uint32_t longest_line;
};

static void observe(void *context, const struct net_event *event)
{
    struct seen *seen = context;
    if (event->kind == NET_OUTPUT && event->output->kind == NODE_OUT_BEHAVIOUR) {
        seen->discoveries++;
        seen->found = event->output->behaviour;
    }
    seen->traces += event->kind == NET_TRACE;
    seen->sockets += event->kind == NET_SOCKET && event->number != 0;
    if (seen->net == NULL)
        return;
    char line[TRACE_LINE_SIZE];
    uint32_t length = (uint32_t)trace_text(line, seen->net, event);
    assert_int_equal(strlen(line), length);
    if (length > seen->longest_line)
        seen->longest_line = length;
}

static struct net *make(struct seen *seen, const struct nat_config *nat, bool tracing,
                        uint32_t *client)
{
    struct net_config config = {.crypto = &crypto_real, .digesting = true, .tracing = tracing};
    config.observe = observe;
    config.context = seen;
    net_seed(config.seed, 5);
    memset(seen, 0, sizeof *seen);
    struct net *net = net_new(&config);
    seen->net = net;
    struct net_router router = {.nat = nat, .up.latency_ns = 10 * MS, .down.latency_ns = 10 * MS};
    uint32_t server =
        net_add_host(net, "s1", &(struct net_host){.addresses = 2, .limits = &node_limits_server});
    uint32_t home = net_add_router(net, "home", &router);
    *client = net_add_host(net, "alice",
                           &(struct net_host){.behind = home, .limits = &node_limits_client});
    net_schedule_serve_stun(net, 0, server);
    net_schedule_discover(net, SECOND, *client, ADDR_V4, &server, 1);
    return net;
}

static void test_a_client_finds_out_what_it_is_behind(void **state)
{
    (void)state;
    static const struct {
        uint8_t mapping, filtering;
        uint8_t found_mapping, found_filtering;
    } table[] = {
        {NAT_MAPPING_EIM, NAT_FILTERING_EIF, STUN_MAPPING_EIM, STUN_FILTERING_EIF},
        {NAT_MAPPING_EIM, NAT_FILTERING_ADF, STUN_MAPPING_EIM, STUN_FILTERING_ADF},
        {NAT_MAPPING_EIM, NAT_FILTERING_APDF, STUN_MAPPING_EIM, STUN_FILTERING_APDF},
        {NAT_MAPPING_ADM, NAT_FILTERING_ADF, STUN_MAPPING_ADM, STUN_FILTERING_ADF},
        {NAT_MAPPING_APDM, NAT_FILTERING_APDF, STUN_MAPPING_APDM, STUN_FILTERING_APDF},
    };
    for (unsigned i = 0; i < sizeof table / sizeof table[0]; i++) {
        struct nat_config nat = nat_config_default();
        nat.mapping = table[i].mapping;
        nat.filtering = table[i].filtering;
        struct seen seen;
        uint32_t client;
        struct net *net = make(&seen, &nat, true, &client);
        net_run_until(net, 300 * SECOND);
        assert_int_equal(seen.discoveries, 1);
        assert_int_equal(seen.found.nat, STUN_NAT_PRESENT);
        assert_int_equal(seen.found.mapping, table[i].found_mapping);
        assert_int_equal(seen.found.filtering, table[i].found_filtering);
        assert_true(seen.sockets > 0 && seen.traces > 0);
        assert_true(seen.longest_line < TRACE_LINE_SIZE - 1);
        net_free(net);
    }
}

static uint64_t digest_of(bool tracing)
{
    struct nat_config nat = nat_config_default();
    struct seen seen;
    uint32_t client;
    struct net *net = make(&seen, &nat, tracing, &client);
    net_run_until(net, 60 * SECOND);
    assert_int_equal(seen.traces > 0, tracing);
    uint64_t digest = net_digest(net);
    net_free(net);
    return digest;
}

static void test_the_trace_changes_nothing(void **state)
{
    (void)state;
    uint64_t digest = digest_of(false);
    assert_true(digest != 0);
    assert_true(digest == digest_of(true));
    assert_true(digest == digest_of(false));
}

/* A crash in the midst of a discovery: no result. A restart is a fresh node, with another seed. */
static void test_crash_and_restart(void **state)
{
    (void)state;
    struct nat_config nat = nat_config_default();
    struct seen seen;
    uint32_t client;
    struct net *net = make(&seen, &nat, false, &client);
    uint32_t server = net_find(net, "s1");
    uint8_t first[RANDOM_SEED_SIZE];
    uint8_t second[RANDOM_SEED_SIZE];
    net_node_seed(net, client, first);
    net_schedule_fault(net, SECOND + 15 * MS,
                       &(struct net_fault){.kind = NET_FAULT_CRASH, .place = client});
    net_run_until(net, 100 * SECOND);
    assert_int_equal(seen.discoveries, 0);
    net_schedule_fault(net, 100 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_RESTART, .place = client});
    net_schedule_discover(net, 101 * SECOND, client, ADDR_V4, &server, 1);
    net_run_until(net, 300 * SECOND);
    assert_int_equal(seen.discoveries, 1);
    assert_int_equal(seen.found.nat, STUN_NAT_PRESENT);
    net_node_seed(net, client, second);
    assert_memory_not_equal(first, second, sizeof first);
    net_free(net);
}

/* While it sleeps nothing happens to it; its timers come when it wakes. */
static void test_suspend_and_resume(void **state)
{
    (void)state;
    struct nat_config nat = nat_config_default();
    struct seen seen;
    uint32_t client;
    struct net *net = make(&seen, &nat, false, &client);
    net_schedule_fault(net, SECOND + 15 * MS,
                       &(struct net_fault){.kind = NET_FAULT_SUSPEND, .place = client});
    net_run_until(net, 1000 * SECOND);
    assert_int_equal(seen.discoveries, 0);
    net_schedule_fault(net, 1000 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_RESUME, .place = client});
    net_run_until(net, 2000 * SECOND);
    assert_int_equal(seen.discoveries, 1);
    net_free(net);
}

static void test_udp_blocked_by_a_firewall(void **state)
{
    (void)state;
    struct seen seen;
    struct net_config config = {.crypto = &crypto_real, .observe = observe, .context = &seen};
    memset(&seen, 0, sizeof seen);
    struct net *net = net_new(&config);
    struct firewall_config firewall = firewall_config_default();
    firewall.stateful = false;
    firewall.default_allow = false;
    uint32_t server =
        net_add_host(net, "s1", &(struct net_host){.addresses = 2, .limits = &node_limits_server});
    uint32_t wall = net_add_router(net, "wall", &(struct net_router){.firewall = &firewall});
    uint32_t client =
        net_add_host(net, "bob", &(struct net_host){.behind = wall, .limits = &node_limits_client});
    net_schedule_serve_stun(net, 0, server);
    net_schedule_discover(net, SECOND, client, ADDR_V6, &server, 1);
    net_run_until(net, 300 * SECOND);
    assert_int_equal(seen.discoveries, 1);
    assert_int_equal(seen.found.nat, STUN_NAT_BLOCKED);
    assert_true(net_counts(net)->dropped[NET_DROP_FIREWALL] > 0);
    net_free(net);
}

/* ---- Set-up, at every start ---- */

struct commands {
    uint8_t kinds[32];
    uint64_t at_s[32];
    uint32_t count;
};

static void observe_commands(void *context, const struct net_event *event)
{
    struct commands *commands = context;
    if (event->kind != NET_COMMAND)
        return;
    assert_true(commands->count < 32);
    commands->kinds[commands->count] = (uint8_t)event->number;
    commands->at_s[commands->count++] = event->now_ns / SECOND;
}

static void assert_commands(const struct commands *commands, uint32_t from, uint64_t at_s,
                            const uint8_t *kinds, uint32_t count)
{
    assert_int_equal(commands->count, from + count);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(commands->kinds[from + i], kinds[i]);
        assert_int_equal(commands->at_s[from + i], at_s);
    }
}

static struct net *make_plain(struct commands *commands)
{
    struct net_config config = {
        .crypto = &crypto_real, .observe = observe_commands, .context = commands};
    net_seed(config.seed, 6);
    memset(commands, 0, sizeof *commands);
    return net_new(&config);
}

static void test_set_up_is_fed_at_every_start(void **state)
{
    (void)state;
    static const uint8_t kinds[] = {NODE_IN_WALL_CLOCK, NODE_IN_SERVE_STUN, NODE_IN_SERVE_MESH};
    struct commands commands;
    struct net *net = make_plain(&commands);
    uint32_t host = net_add_host(net, "s1", &(struct net_host){.limits = &node_limits_server});
    struct node_in clock = {.kind = NODE_IN_WALL_CLOCK, .wall_clock = {1000}};
    struct node_in stun = {.kind = NODE_IN_SERVE_STUN, .serve_stun = {.count = 1, .port = 3478}};
    struct node_in late = {.kind = NODE_IN_SERVE_STUN};
    stun.serve_stun.addresses[0] = net_address(net, host, ADDR_V4, 0);
    net_schedule_setup(net, SECOND, host, &clock);
    net_schedule_setup(net, SECOND, host, &stun);
    net_schedule_serve_mesh(net, SECOND, host);
    net_schedule_setup(net, 100 * SECOND, host, &late); /* not before its time */
    net_run_until(net, 2 * SECOND);
    assert_commands(&commands, 0, 1, kinds, 3);
    net_schedule_fault(net, 10 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_CRASH, .place = host});
    net_run_until(net, 15 * SECOND);
    assert_int_equal(commands.count, 3);
    uint8_t first[RANDOM_SEED_SIZE], second[RANDOM_SEED_SIZE];
    net_node_seed(net, host, first);
    net_schedule_fault(net, 20 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_RESTART, .place = host});
    net_run_until(net, 25 * SECOND);
    assert_commands(&commands, 3, 20, kinds, 3);
    net_node_seed(net, host, second);
    assert_memory_not_equal(first, second, sizeof first);
    /* A restart without a crash is one too. */
    net_schedule_fault(net, 30 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_RESTART, .place = host});
    net_run_until(net, 35 * SECOND);
    assert_commands(&commands, 6, 30, kinds, 3);
    net_free(net);
}

/* A start has one wall clock, the last one, where the first one was; it has gone on. */
static void test_wall_clock_is_replaced(void **state)
{
    (void)state;
    static const uint8_t both[] = {NODE_IN_WALL_CLOCK, NODE_IN_SERVE_MESH};
    struct commands commands;
    struct net *net = make_plain(&commands);
    uint32_t host = net_add_host(net, "s1", &(struct net_host){.limits = &node_limits_server});
    struct node_in clock = {.kind = NODE_IN_WALL_CLOCK, .wall_clock = {1000}};
    net_schedule_setup(net, SECOND, host, &clock);
    net_schedule_serve_mesh(net, SECOND, host);
    clock.wall_clock.now_s = 900;
    net_schedule_setup(net, 10 * SECOND, host, &clock);
    net_run_until(net, 11 * SECOND);
    assert_int_equal(commands.count, 3);
    assert_int_equal(commands.kinds[2], NODE_IN_WALL_CLOCK);
    assert_int_equal(commands.at_s[2], 10);
    /* While nothing runs it is not lost. */
    net_schedule_fault(net, 20 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_CRASH, .place = host});
    clock.wall_clock.now_s = 50;
    net_schedule_setup(net, 25 * SECOND, host, &clock);
    net_schedule_fault(net, 30 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_RESTART, .place = host});
    net_run_until(net, 35 * SECOND);
    assert_int_equal(commands.kinds[3], NODE_IN_WALL_CLOCK);
    assert_commands(&commands, 4, 30, both, 2);
    const struct host_setup *kept = &net->places[host].host->setup[0];
    assert_int_equal(kept->in.wall_clock.now_s, 50);
    assert_int_equal(kept->since_ns, 25 * SECOND);
    net_free(net);
}

/* The sockets are there from the command on, and again after a restart. */
static void test_standing_sockets(void **state)
{
    (void)state;
    struct commands commands;
    struct net *net = make_plain(&commands);
    uint32_t server = net_add_host(net, "s1", &(struct net_host){.limits = &node_limits_server});
    uint32_t client = net_add_host(net, "c", &(struct net_host){.limits = &node_limits_client});
    uint32_t plain = net_add_host(net, "p", &(struct net_host){.behind = NET_INTERNET});
    uint16_t port = net_open(net, plain, 0, NULL, NULL, NULL);
    net_schedule_serve_mesh(net, SECOND, server);
    net_schedule_network(net, SECOND, client);
    const struct {
        uint32_t host;
        uint16_t port;
    } ports[] = {{server, NET_PORT_PUNCH}, {server, NET_PORT_RELAY}, {client, NET_PORT_TRAFFIC}};
    for (uint32_t round = 0; round < 4; round++) {
        bool open = round == 1 || round == 3;
        uint64_t refused = net_counts(net)->dropped[NET_DROP_NO_SOCKET];
        uint64_t down = net_counts(net)->dropped[NET_DROP_HOST_DOWN];
        for (uint32_t i = 0; i < 3; i++) {
            struct net_send send = {.source.port = port};
            send.remote =
                addr_with_port(net_address(net, ports[i].host, ADDR_V4, 0), ports[i].port);
            assert_int_equal(net_send(net, plain, &send, "hello", 5), NODE_OK);
        }
        net_run_until(net, net_now(net) + MS);
        assert_int_equal(net_counts(net)->dropped[NET_DROP_NO_SOCKET] - refused +
                             net_counts(net)->dropped[NET_DROP_HOST_DOWN] - down,
                         open ? 0 : 3);
        for (uint32_t i = 0; i < 2 && round > 0; i++)
            net_schedule_fault(
                net, (round + 1) * SECOND,
                &(struct net_fault){.kind = round == 1 ? NET_FAULT_CRASH : NET_FAULT_RESTART,
                                    .place = i == 0 ? server : client});
        net_run_until(net, (round + 1) * SECOND + SECOND / 2);
    }
    net_free(net);
}

static uint8_t tape_bytes[64 * 1024];
static size_t tape_size;

static bool keep(void *host, const uint8_t *bytes, size_t size)
{
    (void)host;
    assert_true(tape_size + size <= sizeof tape_bytes);
    memcpy(tape_bytes + tape_size, bytes, size);
    tape_size += size;
    return true;
}

/* The lists of addresses on the tape, as counts: what a host was told of its network, in order. */
static void read_networks(struct node_in_network *networks, uint32_t *count)
{
    struct tape_reader reader;
    struct tape_record record;
    assert_int_equal(tape_open(&reader, tape_bytes, tape_size), TAPE_OK);
    *count = 0;
    while (!reader.ended) {
        assert_int_equal(tape_next(&reader, &record), TAPE_OK);
        if (record.kind != TAPE_INPUT || record.in.kind != NODE_IN_NETWORK)
            continue;
        assert_true(*count < 16);
        networks[(*count)++] = record.in.network;
    }
}

static void test_a_host_is_told_of_its_addresses(void **state)
{
    (void)state;
    struct commands commands;
    struct net *net = make_plain(&commands);
    uint32_t host = net_add_host(net, "c", &(struct net_host){.limits = &node_limits_client});
    net_add_interface(net, host, &(struct net_host){.no_v6 = true});
    struct tape_writer tape;
    uint8_t seed[RANDOM_SEED_SIZE];
    net_node_seed(net, host, seed);
    tape_size = 0;
    tape_start(&tape, keep, NULL, &node_limits_client, seed);
    net_drive(net, host)->tape = &tape;
    /* Not told yet: faults say nothing. */
    static const struct {
        uint32_t kind, interface;
    } faults[] = {
        {NET_FAULT_INTERFACE_DOWN, 1}, {NET_FAULT_INTERFACE_UP, 1},   {0, 0},
        {NET_FAULT_INTERFACE_DOWN, 0}, {NET_FAULT_INTERFACE_DOWN, 0}, {NET_FAULT_INTERFACE_UP, 0},
        {NET_FAULT_HOST_DOWN, 0},      {NET_FAULT_HOST_UP, 0},        {NET_FAULT_SUSPEND, 0},
        {NET_FAULT_INTERFACE_DOWN, 1}, {NET_FAULT_RESUME, 0},         {NET_FAULT_LINK_DOWN, 0},
    };
    for (uint32_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct net_fault fault = {.kind = faults[i].kind,
                                  .place = host,
                                  .interface = faults[i].interface,
                                  .way = NET_WAY_BOTH};
        if (fault.kind == 0)
            net_schedule_network(net, i * SECOND, host);
        else
            net_schedule_fault(net, i * SECOND, &fault);
    }
    net_run_until(net, 20 * SECOND);
    tape_end(&tape, net_drive(net, host)->outputs, 0);
    net_drive(net, host)->tape = NULL;
    static const struct {
        uint32_t count;
        uint32_t first; /* which of the host's IPv4 addresses is the first */
    } wanted[] = {{3, 0}, {1, 1}, {3, 0}, {0, 0}, {3, 0}, {2, 0}};
    struct node_in_network networks[16];
    uint32_t count;
    read_networks(networks, &count);
    assert_int_equal(count, sizeof wanted / sizeof *wanted);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(networks[i].count, wanted[i].count);
        assert_int_equal(networks[i].traffic_port, NET_PORT_TRAFFIC);
        struct addr first = net_address(net, host, ADDR_V4, wanted[i].first);
        if (wanted[i].count > 0)
            assert_true(addr_equal(&networks[i].addresses[0], &first));
    }
    net_free(net);
}

/* What a set-up points to is copied, and fed to the node as it was. */
static void test_set_up_is_copied(void **state)
{
    (void)state;
    struct commands commands;
    struct net *net = make_plain(&commands);
    uint32_t host = net_add_host(net, "c", &(struct net_host){.limits = &node_limits_client});
    uint8_t certificate[] = {1, 2, 3}, credential[] = {4, 5};
    struct node_in in = {.kind = NODE_IN_IDENTITY};
    in.identity.certificate = certificate;
    in.identity.certificate_size = sizeof certificate;
    in.identity.credential = credential;
    in.identity.credential_size = sizeof credential;
    net_schedule_setup(net, SECOND, host, &in);
    in.identity.credential = NULL;
    in.identity.credential_size = 0;
    net_schedule_setup(net, SECOND, host, &in);
    memset(certificate, 0, sizeof certificate);
    memset(credential, 0, sizeof credential);
    struct tape_writer tape;
    uint8_t seed[RANDOM_SEED_SIZE];
    net_node_seed(net, host, seed);
    tape_size = 0;
    tape_start(&tape, keep, NULL, &node_limits_client, seed);
    net_drive(net, host)->tape = &tape;
    net_run_until(net, 2 * SECOND);
    net_drive(net, host)->tape = NULL;
    struct tape_reader reader;
    struct tape_record record;
    assert_int_equal(tape_open(&reader, tape_bytes, tape_size), TAPE_OK);
    assert_int_equal(tape_next(&reader, &record), TAPE_OK);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(tape_next(&reader, &record), TAPE_OK);
        assert_int_equal(record.in.kind, NODE_IN_IDENTITY);
        assert_int_equal(record.in.identity.certificate_size, 3);
        assert_memory_equal(record.in.identity.certificate, "\1\2\3", 3);
        assert_int_equal(record.in.identity.credential != NULL, i == 0);
        if (i == 0)
            assert_memory_equal(record.in.identity.credential, "\4\5", 2);
    }
    net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_finds_out_what_it_is_behind),
        cmocka_unit_test(test_the_trace_changes_nothing),
        cmocka_unit_test(test_crash_and_restart),
        cmocka_unit_test(test_suspend_and_resume),
        cmocka_unit_test(test_udp_blocked_by_a_firewall),
        cmocka_unit_test(test_set_up_is_fed_at_every_start),
        cmocka_unit_test(test_wall_clock_is_replaced),
        cmocka_unit_test(test_standing_sockets),
        cmocka_unit_test(test_a_host_is_told_of_its_addresses),
        cmocka_unit_test(test_set_up_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
