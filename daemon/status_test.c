/* Tests of daemon/status.c, from docs/status.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "crypto/crypto.h"
#include "daemon/status.h"

#define SECOND_NS UINT64_C(1000000000)

static const char *peer_name(void *host, const struct node_peer *peer)
{
    (void)host;
    return peer->key[0] == 2 ? "bob" : NULL;
}

static const char *server_name(void *host, const struct addr *addr)
{
    (void)host;
    return addr->port == 51941 ? "s1" : NULL;
}

static struct status_view view_of(void)
{
    return (struct status_view){.now_ns = 500 * SECOND_NS,
                                .start_ns = 400 * SECOND_NS,
                                .name = "alice",
                                .peer_name = peer_name,
                                .server_name = server_name};
}

/* What a member says, as compact JSON. */
static void assert_member(const json_t *object, const char *name, const char *wanted)
{
    const json_t *member = json_object_get(object, name);
    assert_non_null(member);
    char *text = json_dumps(member, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    assert_string_equal(text, wanted);
    free(text);
}

static void a_peer_of_the_mesh(void **state)
{
    struct node_peer peer = {.peer = {1},
                             .key = {2},
                             .session = true,
                             .path = NODE_PATH_RELAYED,
                             .reason = REASON_APDM_AGAINST_APDF,
                             .rtt_ns = 12345678,
                             .handshake_ns = 497 * SECOND_NS + 1,
                             .sent_direct = 1,
                             .sent_relayed = UINT64_C(5000000000),
                             .received_direct = 3,
                             .received_relayed = 4,
                             .subnet_count = 2};
    (void)state;
    struct addr v4 = addr_v4(0x0a400003, 0);
    static const uint8_t ip6[16] = {0xfd, 0, 0, 1};
    struct addr v6 = addr_v6(ip6, 0);
    peer.remote = addr_v4(0xcb007101, 51941);
    peer.subnets[0] = subnet_of(&v4, 32);
    peer.subnets[1] = subnet_of(&v6, 64);
    struct status_view view = view_of();
    json_t *object = status_peer_json(&view, &peer);
    static const char *const members[][2] = {
        {"peer", "\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""},
        {"key", "\"AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\""},
        {"name", "\"bob\""},
        {"kind", "\"mesh\""},
        {"hub", "false"},
        {"addresses", "[\"10.64.0.3/32\",\"fd00:1::/64\"]"},
        {"path", "\"relayed\""},
        {"reason", "\"apdm-against-apdf\""},
        {"endpoint", "\"203.0.113.1:51941\""},
        {"via", "\"s1\""},
        {"session", "true"},
        {"rtt_ms", NULL}, /* a fraction: looked at below */
        {"last_handshake_s", "2"},
        {"sent_direct", "1"},
        {"sent_relayed", "5000000000"},
        {"received_direct", "3"},
        {"received_relayed", "4"},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        if (members[i][1] != NULL)
            assert_member(object, members[i][0], members[i][1]);
    }
    assert_int_equal(json_object_size(object), sizeof members / sizeof members[0]);
    double rtt_ms = json_real_value(json_object_get(object, "rtt_ms"));
    assert_true(rtt_ms > 12.3449 && rtt_ms < 12.3451);
    json_decref(object);
}

/* Nothing is known of it but its key. */
static void a_stock_peer(void **state)
{
    (void)state;
    struct node_peer peer = {.key = {9}, .hub = true, .path = NODE_PATH_PENDING};
    struct status_view view = view_of();
    json_t *object = status_peer_json(&view, &peer);
    static const char *const members[][2] = {
        {"peer", "null"},     {"name", "null"},          {"kind", "\"wireguard\""},
        {"hub", "true"},      {"addresses", "[]"},       {"path", "\"pending\""},
        {"reason", "null"},   {"endpoint", "null"},      {"via", "null"},
        {"session", "false"}, {"rtt_ms", "null"},        {"last_handshake_s", "null"},
        {"sent_direct", "0"}, {"received_relayed", "0"},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        assert_member(object, members[i][0], members[i][1]);
    json_decref(object);
}

static void a_direct_path_is_via_nobody(void **state)
{
    (void)state;
    struct node_peer peer = {.peer = {1}, .path = NODE_PATH_DIRECT, .reason = REASON_PUNCHED};
    peer.remote = addr_v4(0xcb007101, 51941);
    struct status_view view = view_of();
    json_t *object = status_peer_json(&view, &peer);
    assert_member(object, "via", "null");
    assert_member(object, "path", "\"direct\"");
    assert_member(object, "reason", "\"punched\"");
    json_decref(object);
}

static void a_discovery(void **state)
{
    (void)state;
    struct stun_behaviour behaviour = {.nat = STUN_NAT_PRESENT,
                                       .mapping = STUN_MAPPING_APDM,
                                       .filtering = STUN_FILTERING_ADF,
                                       .hairpin = STUN_HAIRPIN_EXTERNAL,
                                       .ports = STUN_PORTS_SEQUENTIAL,
                                       .pooling = STUN_POOLING_ARBITRARY,
                                       .trap = STUN_TRAP_YES,
                                       .step = -2,
                                       .sent = 3,
                                       .received = 2,
                                       .duration_ns = 1500000000};
    behaviour.mapped = addr_v4(0xcb007163, 40000);
    json_t *object = status_behaviour_json(&behaviour);
    static const char *const members[][2] = {
        {"server", "null"},
        {"local", "null"},
        {"mapped", "\"203.0.113.99:40000\""},
        {"nat", "\"present\""},
        {"mapping", "\"APDM\""},
        {"filtering", "\"ADF\""},
        {"hairpin", "\"external\""},
        {"ports", "\"sequential\""},
        {"step", "-2"},
        {"pooling", "\"arbitrary\""},
        {"trap", "\"yes\""},
        {"sent", "3"},
        {"received", "2"},
        {"duration_ns", "1500000000"},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        assert_member(object, members[i][0], members[i][1]);
    assert_int_equal(json_object_size(object), sizeof members / sizeof members[0]);
    json_decref(object);
    behaviour.ports = STUN_PORTS_RANDOM;
    behaviour.nat = 200; /* of no word */
    object = status_behaviour_json(&behaviour);
    assert_member(object, "step", "null");
    assert_member(object, "nat", "\"unknown\"");
    json_decref(object);
}

static void a_whole_status(void **state)
{
    static const uint8_t seed[RANDOM_SEED_SIZE] = {3};
    static const struct config_address own = {.addr = {.family = ADDR_V4, .ip = {10, 64, 0, 2}},
                                              .bits = 10};
    (void)state;
    struct node_env env = {.crypto = &crypto_real};
    size_t size = node_size(&node_limits_client);
    void *memory = calloc(1, size);
    struct node *node = node_init(memory, size, &node_limits_client, seed, &env);
    struct node_out out;
    node_input(node, &(struct node_in){.now_ns = 1, .kind = NODE_IN_DISCOVER}); /* of no server */
    assert_false(node_output(node, &out));

    struct status_view view = view_of();
    view.node = node;
    view.interface = "warren0";
    view.addresses = &own;
    view.address_count = 1;
    view.mtu = 1400;
    view.identity[0] = 1;
    json_t *status = status_json(&view);
    static const char *const members[][2] = {
        {"ok", "true"},
        {"schema", "1"},
        {"role", "\"client\""},
        {"name", "\"alice\""},
        {"key", "null"},
        {"interface", "\"warren0\""},
        {"addresses", "[\"10.64.0.2/10\"]"},
        {"mtu", "1400"},
        {"uptime_s", "100"},
        {"home", "null"},
        {"mapped", "null"},
        {"nat", "null"},
        {"peers", "[]"},
        {"counters", "{\"node\":{\"command_invalid\":1}}"},
    };
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
        assert_member(status, members[i][0], members[i][1]);
    json_decref(status);
    view.server = true;
    view.interface = NULL;
    view.home.server = addr_v4(0xcb007101, 51941);
    view.home.mapped = addr_v4(0xcb007102, 1);
    status = status_json(&view);
    assert_member(status, "role", "\"server\"");
    assert_member(status, "interface", "null");
    assert_member(status, "home", "{\"server\":\"203.0.113.1:51941\",\"name\":\"s1\"}");
    assert_member(status, "mapped", "\"203.0.113.2:1\"");
    json_decref(status);
    free(memory);
    crypto_thread_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_of_the_mesh),
        cmocka_unit_test(a_stock_peer),
        cmocka_unit_test(a_direct_path_is_via_nobody),
        cmocka_unit_test(a_discovery),
        cmocka_unit_test(a_whole_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
