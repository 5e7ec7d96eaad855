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
        mesh_identity(&in, names[i], NULL);
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
    mesh_identity(&in, "alice", "s1");
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
    mesh_identity(&self, "s1", NULL);
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

static void test_names_tell_nodes_apart(void **state)
{
    (void)state;
    struct node_in a, again, other, elsewhere;
    mesh_identity(&a, "alice", "s1");
    mesh_identity(&again, "alice", "s1");
    mesh_identity(&other, "bob", "s1");
    mesh_identity(&elsewhere, "alice", "s2");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_server_verifies),
        cmocka_unit_test(test_a_client_verifies),
        cmocka_unit_test(test_a_record_verifies),
        cmocka_unit_test(test_names_tell_nodes_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
