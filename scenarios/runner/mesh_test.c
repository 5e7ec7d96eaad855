/* Identities of scenarios: what is made verifies to the root, and a name gives the same again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "scenarios/runner/mesh.h"

static struct identity_trust trust_of(const struct node_in *in)
{
    return (struct identity_trust){.root = in->identity.root, .now_s = MESH_CLOCK_S};
}

static void test_a_server_verifies(void **state)
{
    (void)state;
    static const char *const names[] = {"s1", "S_2.eu", "-", "a_", "_"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct node_in in;
        struct certificate certificate;
        mesh_identity(&in, names[i], NULL, 0);
        assert_int_equal(in.kind, NODE_IN_IDENTITY);
        assert_null(in.identity.credential);
        struct identity_trust trust = trust_of(&in);
        assert_int_equal(
            certificate_decode(&certificate, in.identity.certificate, in.identity.certificate_size),
            IDENTITY_OK);
        assert_int_equal(certificate_verify(&certificate, &crypto_real, &trust), IDENTITY_OK);
        assert_memory_equal(certificate.identity, mesh_key(names[i]), IDENTITY_SIZE);
        uint8_t key[32];
        crypto_real.ed25519_public(key, in.identity.seed);
        assert_memory_equal(key, certificate.identity, sizeof key);
        crypto_real.x25519_public(key, in.identity.tunnel_key);
        assert_memory_equal(key, certificate.tunnel_key, sizeof key);
        assert_int_equal(certificate.roles, IDENTITY_ROLES_ALL);
    }
}

static void test_a_client_verifies(void **state)
{
    (void)state;
    struct node_in in;
    struct certificate certificate;
    struct credential credential;
    mesh_identity(&in, "alice", "s1", 7);
    struct identity_trust trust = trust_of(&in);
    assert_int_equal(
        certificate_decode(&certificate, in.identity.certificate, in.identity.certificate_size),
        IDENTITY_OK);
    assert_int_equal(
        credential_decode(&credential, in.identity.credential, in.identity.credential_size),
        IDENTITY_OK);
    assert_int_equal(credential_verify(&credential, &certificate, &crypto_real, &trust),
                     IDENTITY_OK);
    assert_memory_equal(credential.identity, mesh_key("alice"), IDENTITY_SIZE);
    assert_memory_equal(credential.issuer, mesh_key("s1"), IDENTITY_SIZE);
    assert_int_equal(credential.address_count, 2);
    const struct addr inner[] = {mesh_inner(7, ADDR_V4), mesh_inner(7, ADDR_V6)};
    for (size_t i = 0; i < 2; i++)
        assert_true(addr_equal(&credential.addresses[i], &inner[i]));
}

/* No two places of a scenario have one address, and none is outside of the mesh's ranges. */
static void test_addresses_inside(void **state)
{
    static const uint32_t places[] = {0, 1, 254, 255, 256, 4094, 4095};
    const struct addr v4 = addr_v4(0x0a400000, 0);
    const struct addr v6 = addr_v6((const uint8_t[16]){0xfd}, 0);
    const struct subnet range_v4 = subnet_of(&v4, 10), range_v6 = subnet_of(&v6, 8);
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct addr own[] = {mesh_inner(places[i], ADDR_V4), mesh_inner(places[i], ADDR_V6)};
        assert_true(subnet_has(&range_v4, &own[0]));
        assert_true(subnet_has(&range_v6, &own[1]));
        for (size_t k = 0; k < i; k++) {
            struct addr other[] = {mesh_inner(places[k], ADDR_V4), mesh_inner(places[k], ADDR_V6)};
            assert_false(addr_equal(&own[0], &other[0]));
            assert_false(addr_equal(&own[1], &other[1]));
        }
    }
}

/* What the caller's node is told of a peer is what the peer's credential says. */
static void test_a_peer(void **state)
{
    struct node_in in;
    (void)state;
    mesh_peer(&in, "alice", 7);
    assert_int_equal(in.kind, NODE_IN_PEER);
    assert_memory_equal(in.peer.peer, mesh_key("alice"), IDENTITY_SIZE);
    assert_memory_equal(in.peer.key, mesh_tunnel_key("alice"), IDENTITY_TUNNEL_KEY_SIZE);
    assert_int_equal(in.peer.subnet_count, 2);
    const struct addr inner[] = {mesh_inner(7, ADDR_V4), mesh_inner(7, ADDR_V6)};
    const uint8_t bits[] = {32, 128};
    for (size_t i = 0; i < 2; i++) {
        assert_true(addr_equal(&in.peer.subnets[i].addr, &inner[i]));
        assert_int_equal(in.peer.subnets[i].bits, bits[i]);
    }
    assert_false(in.peer.remove || in.peer.hub);
}

static void test_a_record_verifies(void **state)
{
    (void)state;
    const struct endpoint endpoints[] = {{addr_v4(0xc6120002, 9103), ENDPOINT_RELAY},
                                         {addr_v4(0xc6120002, 51941), ENDPOINT_PUNCH},
                                         {addr_v4(0xc6120002, 3478), ENDPOINT_STUN}};
    struct node_in in, self;
    struct certificate certificate;
    struct server_record record;
    mesh_identity(&self, "s1", NULL, 0);
    mesh_server(&in, "s1", endpoints, 3);
    struct identity_trust trust = trust_of(&self);
    assert_int_equal(
        certificate_decode(&certificate, in.server.certificate, in.server.certificate_size),
        IDENTITY_OK);
    assert_int_equal(server_record_decode(&record, in.server.record, in.server.record_size),
                     IDENTITY_OK);
    assert_int_equal(server_record_verify(&record, &certificate, &crypto_real, &trust),
                     IDENTITY_OK);
    assert_int_equal(record.endpoint_count, 3);
    assert_int_equal(record.endpoints[0].role, ENDPOINT_PUNCH);
    assert_int_equal(record.endpoints[0].addr.port, 51941);
    /* What was signed is kept; another place is another record. */
    struct node_in again, other;
    mesh_server(&again, "s1", endpoints, 3);
    assert_ptr_equal(again.server.record, in.server.record);
    mesh_server(&other, "s1", endpoints, 2);
    assert_ptr_not_equal(other.server.record, in.server.record);
    assert_ptr_equal(other.server.certificate, in.server.certificate);
}

static void test_endpoints(void **state)
{
    static const struct {
        bool no_v4, no_v6;
        uint16_t alternate_port; /* 0: none */
        uint32_t count;
    } rows[] = {
        {false, false, 3479, 8}, {false, false, 0, 6},  {true, false, 3479, 4},
        {false, true, 0, 3},     {true, true, 3479, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct net_config config = {.crypto = &crypto_real};
        const struct net_host host = {
            .behind = NET_INTERNET, .addresses = 2, .no_v4 = rows[i].no_v4, .no_v6 = rows[i].no_v6};
        const uint16_t ports[] = {[ENDPOINT_PUNCH] = NET_PORT_PUNCH,
                                  [ENDPOINT_STUN] = 9000,
                                  [ENDPOINT_STUN_ALTERNATE] = rows[i].alternate_port,
                                  [ENDPOINT_RELAY] = NET_PORT_RELAY};
        struct plan_place server;
        struct endpoint endpoints[SERVER_ENDPOINTS_MAX];
        struct net *net = net_new(&config);
        plan_place_init(&server, PLAN_SERVER);
        server.port = 9000;
        server.alternate_port = rows[i].alternate_port;
        uint32_t place = net_add_host(net, "s1", &host);
        assert_int_equal(mesh_endpoints(net, place, &server, endpoints), rows[i].count);
        for (uint32_t k = 0; k < rows[i].count; k++) {
            struct addr own = net_address(net, place, endpoints[k].addr.family, 0);
            assert_true(own.family != ADDR_NONE);
            assert_true(addr_equal_ip(&endpoints[k].addr, &own));
            assert_int_equal(endpoints[k].addr.port, ports[endpoints[k].role]);
            assert_true(endpoints[k].addr.port != 0);
            for (uint32_t j = 0; j < k; j++)
                assert_false(addr_equal(&endpoints[j].addr, &endpoints[k].addr));
        }
        net_free(net);
    }
}

static void test_names_tell_nodes_apart(void **state)
{
    (void)state;
    struct node_in a, again, other, elsewhere;
    mesh_identity(&a, "alice", "s1", 7);
    mesh_identity(&again, "alice", "s1", 7);
    mesh_identity(&other, "bob", "s1", 8);
    mesh_identity(&elsewhere, "alice", "s2", 7);
    assert_memory_equal(a.identity.seed, again.identity.seed, IDENTITY_SEED_SIZE);
    assert_ptr_equal(a.identity.credential, again.identity.credential);
    assert_memory_not_equal(a.identity.seed, other.identity.seed, IDENTITY_SEED_SIZE);
    assert_memory_not_equal(mesh_key("alice"), mesh_key("bob"), IDENTITY_SIZE);
    assert_memory_not_equal(mesh_key("alice"), a.identity.root, IDENTITY_SIZE);
    assert_ptr_not_equal(a.identity.credential, elsewhere.identity.credential);
    /* A function of the name alone: the first bytes of alice's key, as every build makes them. */
    static const uint8_t alice[4] = {0x7c, 0xa1, 0xa8, 0xdb};
    assert_memory_equal(mesh_key("alice"), alice, sizeof alice);
}

/* Papers for real daemons hold today, and those of simulated nodes stay as they were. */
static void test_another_clock(void **state)
{
    static const uint64_t today_s = UINT64_C(1764000000);
    struct node_in before, now, after;
    struct certificate certificate;
    struct credential credential;
    (void)state;
    mesh_identity(&before, "alice", "s1", 7);
    mesh_set_clock(today_s);
    mesh_identity(&now, "alice", "s1", 7);
    mesh_set_clock(MESH_CLOCK_S);
    mesh_identity(&after, "alice", "s1", 7);
    assert_ptr_equal(before.identity.credential, after.identity.credential);
    assert_ptr_equal(before.identity.certificate, after.identity.certificate);
    assert_memory_equal(before.identity.seed, now.identity.seed, IDENTITY_SEED_SIZE);
    assert_int_equal(
        certificate_decode(&certificate, now.identity.certificate, now.identity.certificate_size),
        IDENTITY_OK);
    assert_int_equal(
        credential_decode(&credential, now.identity.credential, now.identity.credential_size),
        IDENTITY_OK);
    struct identity_trust trust = {.root = now.identity.root, .now_s = today_s};
    assert_int_equal(credential_verify(&credential, &certificate, &crypto_real, &trust),
                     IDENTITY_OK);
    assert_int_equal(certificate_decode(&certificate, before.identity.certificate,
                                        before.identity.certificate_size),
                     IDENTITY_OK);
    assert_int_equal(certificate_verify(&certificate, &crypto_real, &trust),
                     IDENTITY_CERTIFICATE_EARLY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_verifies), cmocka_unit_test(test_a_client_verifies),
        cmocka_unit_test(test_addresses_inside),  cmocka_unit_test(test_a_peer),
        cmocka_unit_test(test_a_record_verifies), cmocka_unit_test(test_names_tell_nodes_apart),
        cmocka_unit_test(test_another_clock),     cmocka_unit_test(test_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
