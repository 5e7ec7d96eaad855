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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_finds_out_what_it_is_behind),
        cmocka_unit_test(test_the_trace_changes_nothing),
        cmocka_unit_test(test_crash_and_restart),
        cmocka_unit_test(test_suspend_and_resume),
        cmocka_unit_test(test_udp_blocked_by_a_firewall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
