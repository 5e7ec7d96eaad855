/* Tests of core/node.c: commands of the mesh, and what they must not be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/bootstrap/identity_test.h"
#include "core/frame/message.h"
#include "core/warren.h"

enum { SERVER = 10, CLIENT = 40, OTHER = 41, PUNCH = 51941, TRAFFIC = 51900 };

static struct node *node;
static void *block;
static unsigned sends;
static const struct node_env env = {.crypto = &crypto_real};

static uint64_t input(struct node_in in, enum trace_kind kind)
{
    struct node_out out;
    uint64_t before = node_count(node, kind);
    in.now_ns = 1000;
    node_input(node, &in);
    sends = 0;
    while (node_output(node, &out))
        sends += out.kind == NODE_OUT_SEND;
    return node_count(node, kind) - before;
}

/* How often it was found to make no sense. */
static uint64_t invalid(struct node_in in)
{
    return input(in, TRACE_COMMAND_INVALID);
}

static int setup(void **state)
{
    (void)state;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {1};
    size_t size = node_size(&node_limits_client);
    free(block);
    block = calloc(1, size);
    assert_non_null(block);
    node = node_init(block, size, &node_limits_client, seed, &env);
    invalid((struct node_in){.kind = NODE_IN_WALL_CLOCK, .wall_clock.now_s = NOW_S});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(block);
    block = NULL;
    return 0;
}

/* Whether the node takes the identity with this number. */
static bool becomes(uint8_t number, bool server, bool bent)
{
    uint8_t bytes[2][CREDENTIAL_SIZE_MAX];
    struct seed root = seed_of(SEED_ROOT), issuer = seed_of(SERVER), own = seed_of(number);
    struct certificate certificate = certificate_sample();
    struct credential credential = credential_sample();
    struct seed tunnel = seed_of((uint8_t)(100 + (server ? number : SERVER)));
    put_identity(certificate.identity, server ? number : SERVER);
    crypto_real.x25519_public(certificate.tunnel_key, tunnel.bytes);
    assert_true(certificate_sign(&certificate, &crypto_real, root.bytes));
    tunnel = seed_of((uint8_t)(100 + number));
    put_identity(credential.identity, number);
    crypto_real.x25519_public(credential.tunnel_key, tunnel.bytes);
    assert_true(credential_sign(&credential, &crypto_real, issuer.bytes));
    struct node_in in = {.kind = NODE_IN_IDENTITY};
    in.identity.certificate = bytes[0];
    in.identity.certificate_size =
        (uint32_t)certificate_encode(&certificate, bytes[0], sizeof bytes[0]);
    in.identity.credential = server ? NULL : bytes[1];
    in.identity.credential_size =
        (uint32_t)credential_encode(&credential, bytes[1], sizeof bytes[1]);
    memcpy(in.identity.seed, own.bytes, sizeof in.identity.seed);
    memcpy(in.identity.tunnel_key, tunnel.bytes, sizeof in.identity.tunnel_key);
    put_identity(in.identity.root, SEED_ROOT);
    if (bent)
        bytes[server ? 0 : 1][5] ^= 1;
    uint64_t refused = node_count(node, TRACE_IDENTITY_REFUSED);
    return invalid(in) == 0 && node_count(node, TRACE_IDENTITY_REFUSED) == refused;
}

static struct node_in connect_to(uint8_t number)
{
    struct node_in in = {.kind = NODE_IN_CONNECT};
    if (number != 0)
        put_identity(in.connect.peer, number);
    return in;
}

static struct node_in network(uint32_t count, struct addr addr, uint16_t port)
{
    struct node_in in = {.kind = NODE_IN_NETWORK,
                         .network = {.count = count, .traffic_port = port}};
    in.network.addresses[0] = addr;
    return in;
}

static const struct addr own = {.family = ADDR_V4, .ip = {10, 0, 0, 2}};

static void test_before_identity(void **state)
{
    (void)state;
    assert_int_equal(invalid(connect_to(OTHER)), 1);
    assert_int_equal(invalid(network(1, own, TRAFFIC)), 1);
    assert_int_equal(
        invalid((struct node_in){.kind = NODE_IN_SERVE_MESH, .serve_mesh = {PUNCH, 9103}}), 1);
    assert_int_equal(sends, 0);
}

static void test_identity(void **state)
{
    (void)state;
    assert_false(becomes(CLIENT, false, true)); /* not to be believed */
    assert_int_equal(node_count(node, TRACE_IDENTITY_REFUSED), 1);
    assert_true(becomes(CLIENT, false, false)); /* that was no harm */
    assert_false(becomes(CLIENT, false, false));
    assert_false(becomes(OTHER, false, false)); /* one, once */
    assert_int_equal(node_count(node, TRACE_COMMAND_INVALID), 2);
}

static void test_connects(void **state)
{
    (void)state;
    assert_true(becomes(CLIENT, false, false));
    assert_int_equal(invalid(connect_to(CLIENT)), 1); /* to itself, */
    assert_int_equal(invalid(connect_to(0)), 1);      /* and to nobody */
    assert_int_equal(invalid(connect_to(OTHER)), 0);
    setup(NULL);
    assert_true(becomes(SERVER, true, false));
    assert_int_equal(invalid(connect_to(OTHER)), 1);
    assert_int_equal(invalid(network(1, own, TRAFFIC)), 1);
}

static void test_networks(void **state)
{
    (void)state;
    static const uint8_t mapped[16] = {[10] = 0xff, 0xff, 10, 0, 0, 2};
    assert_true(becomes(CLIENT, false, false));
    assert_int_equal(invalid(network(1, own, 0)), 1);
    assert_int_equal(invalid(network(NODE_ADDRESSES + 1, own, TRAFFIC)), 1);
    assert_int_equal(invalid(network(1, addr_with_port(own, 5), TRAFFIC)), 1);
    assert_int_equal(invalid(network(1, addr_v4(0xe0000001, 0), TRAFFIC)), 1);
    assert_int_equal(invalid(network(1, (struct addr){0}, TRAFFIC)), 1);
    assert_int_equal(invalid(network(1, addr_v6(mapped, 0), TRAFFIC)), 1);
    assert_int_equal(invalid(network(1, own, TRAFFIC)), 0);
    assert_int_equal(invalid(network(0, own, 0)), 0);
}

static void test_carries(void **state)
{
    (void)state;
    static uint8_t bytes[NODE_CARRY_MAX + 1];
    static const struct {
        uint8_t first[8];
        uint32_t size;
        bool valid;
    } rows[] = {
        {{4}, 32, true},
        {{4}, NODE_CARRY_MAX, true},
        {{4}, NODE_CARRY_MAX + 1, false},
        {{4}, 0, false},
        {{FRAME_FIRST_BYTE, 1, FRAME_PROBE}, 60, false},
        {{FRAME_FIRST_BYTE}, 1, false},
        {{0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42}, 20, false},
        {{1}, 148, true}, /* what WireGuard begins with */
    };
    assert_true(becomes(CLIENT, false, false));
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct node_in in = {.kind = NODE_IN_CARRY};
        memcpy(bytes, rows[i].first, sizeof rows[i].first);
        put_identity(in.carry.peer, OTHER);
        in.carry.bytes = bytes;
        in.carry.size = rows[i].size;
        assert_int_equal(invalid(in), !rows[i].valid);
        assert_int_equal(sends, 0); /* there is no path */
    }
}

static void test_serves(void **state)
{
    (void)state;
    static const struct {
        uint16_t punch, relay;
        bool valid;
    } rows[] = {{PUNCH, 9103, true},
                {PUNCH, 0, false},
                {0, 9103, false},
                {PUNCH, PUNCH, false},
                {0, 0, true}};
    for (unsigned server = 0; server < 2; server++) {
        setup(NULL);
        assert_true(becomes(server ? SERVER : CLIENT, server, false));
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct node_in in = {.kind = NODE_IN_SERVE_MESH,
                                 .serve_mesh = {rows[i].punch, rows[i].relay}};
            bool valid = rows[i].valid && (server || rows[i].punch == 0);
            assert_int_equal(invalid(in), !valid);
        }
    }
}

/* A server, by its certificate and record; a bent one is nobody. */
static void test_servers(void **state)
{
    (void)state;
    for (unsigned bent = 0; bent < 4; bent++) {
        setup(NULL);
        if (bent != 3)
            assert_true(becomes(CLIENT, false, false));
        assert_int_equal(invalid(network(1, own, TRAFFIC)), bent == 3);
        uint8_t bytes[2][SERVER_RECORD_SIZE_MAX];
        struct certificate certificate = certificate_sample();
        struct server_record record = record_sample();
        struct seed tunnel = seed_of(120), root = seed_of(SEED_ROOT);
        certificate.roles |= IDENTITY_ROLE_PUNCH;
        crypto_real.x25519_public(certificate.tunnel_key, tunnel.bytes);
        assert_true(certificate_sign(&certificate, &crypto_real, root.bytes));
        struct node_in in = {.kind = NODE_IN_SERVER};
        in.server.certificate = bytes[0];
        in.server.record = bytes[1];
        in.server.certificate_size =
            (uint32_t)certificate_encode(&certificate, bytes[0], sizeof bytes[0]);
        in.server.record_size = (uint32_t)server_record_encode(&record, bytes[1], sizeof bytes[1]);
        if (bent == 1)
            bytes[0][in.server.certificate_size - 1] ^= 1;
        if (bent == 2)
            in.server.record_size--;
        assert_int_equal(input(in, TRACE_IDENTITY_REFUSED), bent != 0);
        assert_int_equal(sends, bent == 0); /* it says HELLO */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_before_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_identity, setup, teardown),
        cmocka_unit_test_setup_teardown(test_connects, setup, teardown),
        cmocka_unit_test_setup_teardown(test_networks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_carries, setup, teardown),
        cmocka_unit_test_setup_teardown(test_serves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_servers, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
