/* Whom to believe: signatures, times, issuers and revocations, up to the mesh's root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bootstrap/identity.h"
#include "core/bootstrap/identity_test.h"

static uint8_t root_key[IDENTITY_SIZE];

static struct identity_trust trust_of(void)
{
    put_identity(root_key, SEED_ROOT);
    return (struct identity_trust){.root = root_key, .now_s = NOW_S};
}

static enum identity_error check_credential(const struct identity_trust *trust)
{
    const struct certificate s = certificate_sample();
    const struct credential c = credential_sample();
    return credential_verify(&c, &s, &crypto_real, trust);
}

static enum identity_error check_record(const struct identity_trust *trust)
{
    const struct certificate s = certificate_sample();
    const struct server_record r = record_sample();
    return server_record_verify(&r, &s, &crypto_real, trust);
}

static void test_believed(void **state)
{
    (void)state;
    const struct identity_trust trust = trust_of();
    const struct certificate s = certificate_sample();
    assert_int_equal(certificate_verify(&s, &crypto_real, &trust), IDENTITY_OK);
    assert_int_equal(check_credential(&trust), IDENTITY_OK);
    assert_int_equal(check_record(&trust), IDENTITY_OK);
}

/* The certificate's times, the credential's expiry: the first and the last second count. */
static void test_times(void **state)
{
    (void)state;
    static const struct {
        uint64_t now_s;
        enum identity_error certificate;
        enum identity_error credential;
    } times[] = {
        {0, IDENTITY_CERTIFICATE_EARLY, IDENTITY_CERTIFICATE_EARLY},
        {NOT_BEFORE_S - 1, IDENTITY_CERTIFICATE_EARLY, IDENTITY_CERTIFICATE_EARLY},
        {NOT_BEFORE_S, IDENTITY_OK, IDENTITY_OK},
        {EXPIRY_S, IDENTITY_OK, IDENTITY_OK},
        {EXPIRY_S + 1, IDENTITY_OK, IDENTITY_CREDENTIAL_EXPIRED},
        {NOT_AFTER_S, IDENTITY_OK, IDENTITY_CREDENTIAL_EXPIRED},
        {NOT_AFTER_S + 1, IDENTITY_CERTIFICATE_EXPIRED, IDENTITY_CERTIFICATE_EXPIRED},
        {UINT64_MAX, IDENTITY_CERTIFICATE_EXPIRED, IDENTITY_CERTIFICATE_EXPIRED},
    };
    const struct certificate s = certificate_sample();
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        struct identity_trust trust = trust_of();
        trust.now_s = times[i].now_s;
        assert_int_equal(certificate_verify(&s, &crypto_real, &trust), times[i].certificate);
        assert_int_equal(check_record(&trust), times[i].certificate);
        assert_int_equal(check_credential(&trust), times[i].credential);
    }
}

static void test_no_root(void **state)
{
    (void)state;
    static const uint8_t zero[IDENTITY_SIZE];
    const uint8_t *const roots[] = {NULL, zero};
    const struct certificate s = certificate_sample();
    for (size_t i = 0; i < 2; i++) {
        struct identity_trust trust = trust_of();
        trust.root = roots[i];
        assert_int_equal(certificate_verify(&s, &crypto_real, &trust), IDENTITY_NO_ROOT);
        assert_int_equal(check_credential(&trust), IDENTITY_NO_ROOT);
        assert_int_equal(check_record(&trust), IDENTITY_NO_ROOT);
    }
}

static void test_other_root(void **state)
{
    (void)state;
    struct identity_trust trust = trust_of();
    const struct certificate s = certificate_sample();
    put_identity(root_key, SEED_OTHER);
    assert_int_equal(certificate_verify(&s, &crypto_real, &trust), IDENTITY_CERTIFICATE_SIGNATURE);
    assert_int_equal(check_credential(&trust), IDENTITY_CERTIFICATE_SIGNATURE);
    assert_int_equal(check_record(&trust), IDENTITY_CERTIFICATE_SIGNATURE);
}

static void test_issuers(void **state)
{
    (void)state;
    const struct identity_trust trust = trust_of();
    const struct seed root = seed_of(SEED_ROOT), other = seed_of(SEED_OTHER);
    struct certificate s = certificate_sample();
    struct credential c = credential_sample();
    struct server_record r = record_sample();
    /* Another server, certified as well. */
    assert_true(credential_sign(&c, &crypto_real, other.bytes));
    assert_int_equal(credential_verify(&c, &s, &crypto_real, &trust), IDENTITY_WRONG_ISSUER);
    assert_true(server_record_sign(&r, &crypto_real, other.bytes));
    assert_int_equal(server_record_verify(&r, &s, &crypto_real, &trust), IDENTITY_WRONG_OWNER);
    put_identity(s.identity, SEED_OTHER);
    assert_true(certificate_sign(&s, &crypto_real, root.bytes));
    assert_int_equal(credential_verify(&c, &s, &crypto_real, &trust), IDENTITY_OK);
    assert_int_equal(server_record_verify(&r, &s, &crypto_real, &trust), IDENTITY_OK);
    /* It says that the first server issued it, and signs with its own key. */
    s = certificate_sample();
    memcpy(c.issuer, s.identity, IDENTITY_SIZE);
    assert_int_equal(credential_verify(&c, &s, &crypto_real, &trust),
                     IDENTITY_CREDENTIAL_SIGNATURE);
    memcpy(r.owner, s.identity, IDENTITY_SIZE);
    assert_int_equal(server_record_verify(&r, &s, &crypto_real, &trust), IDENTITY_RECORD_SIGNATURE);
    /* A server whose roles do not include it issues no credentials, but publishes its record. */
    s.roles = IDENTITY_ROLES_ALL & ~IDENTITY_ROLE_ISSUER;
    assert_true(certificate_sign(&s, &crypto_real, root.bytes));
    assert_int_equal(check_record(&trust), IDENTITY_OK);
    c = credential_sample();
    assert_int_equal(credential_verify(&c, &s, &crypto_real, &trust), IDENTITY_NOT_ISSUER);
    /* It certifies itself. */
    s = certificate_sample();
    assert_true(certificate_sign(&s, &crypto_real, seed_of(SEED_SERVER).bytes));
    assert_int_equal(credential_verify(&c, &s, &crypto_real, &trust),
                     IDENTITY_CERTIFICATE_SIGNATURE);
}

static void test_revocations(void **state)
{
    (void)state;
    uint8_t identities[3][IDENTITY_SIZE];
    const uint32_t serials[] = {SERIAL - 1, SERIAL + 1, SERIAL};
    put_identity(identities[0], SEED_OTHER);
    put_identity(identities[1], SEED_MEMBER);
    put_identity(identities[2], SEED_SERVER);
    static const struct {
        size_t identities;
        size_t serials;
        enum identity_error certificate;
        enum identity_error credential;
    } lists[] = {
        {0, 0, IDENTITY_OK, IDENTITY_OK},
        {1, 2, IDENTITY_OK, IDENTITY_OK}, /* others */
        {2, 0, IDENTITY_OK, IDENTITY_CREDENTIAL_REVOKED},
        {3, 0, IDENTITY_CERTIFICATE_REVOKED, IDENTITY_CERTIFICATE_REVOKED},
        {0, 3, IDENTITY_CERTIFICATE_REVOKED, IDENTITY_CERTIFICATE_REVOKED},
    };
    const struct certificate s = certificate_sample();
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        struct identity_trust trust = trust_of();
        trust.revoked_identities = lists[i].identities > 0 ? identities[0] : NULL;
        trust.revoked_identity_count = lists[i].identities;
        trust.revoked_serials = lists[i].serials > 0 ? serials : NULL;
        trust.revoked_serial_count = lists[i].serials;
        assert_int_equal(certificate_verify(&s, &crypto_real, &trust), lists[i].certificate);
        assert_int_equal(check_record(&trust), lists[i].certificate);
        assert_int_equal(check_credential(&trust), lists[i].credential);
    }
}

/* ---- What is signed: a label with its zero byte, and all but the signature ---- */

static const struct {
    const char *label;
    size_t size;
} labels[] = {
    {"", 0},
    {"warren certificate v1", 22},
    {"warren credential v1", 21},
    {"warren server record v1", 24},
    {"warren certificate v1", 21}, /* without the zero byte */
    {"warren credential v1", 20},
    {"warren server record v1", 23},
    {"warren certificate v2", 22},
};

static void sign_under(uint8_t signature[static 64], size_t label, const uint8_t *bytes,
                       size_t size, uint8_t signer)
{
    uint8_t message[32 + IDENTITY_ENCODING_MAX];
    const struct seed seed = seed_of(signer);
    memcpy(message, labels[label].label, labels[label].size);
    memcpy(message + labels[label].size, bytes, size - 64);
    crypto_real.ed25519_sign(signature, seed.bytes, message, labels[label].size + size - 64);
}

static void test_labels_of_signatures(void **state)
{
    (void)state;
    const struct identity_trust trust = trust_of();
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        uint8_t bytes[IDENTITY_ENCODING_MAX];
        struct certificate s = certificate_sample();
        size_t size = certificate_encode(&s, bytes, sizeof bytes);
        sign_under(s.signature, i, bytes, size, SEED_ROOT);
        assert_int_equal(certificate_verify(&s, &crypto_real, &trust),
                         i == 1 ? IDENTITY_OK : IDENTITY_CERTIFICATE_SIGNATURE);
        s = certificate_sample();
        struct credential c = credential_sample();
        size = credential_encode(&c, bytes, sizeof bytes);
        sign_under(c.signature, i, bytes, size, SEED_SERVER);
        assert_int_equal(credential_verify(&c, &s, &crypto_real, &trust),
                         i == 2 ? IDENTITY_OK : IDENTITY_CREDENTIAL_SIGNATURE);
        struct server_record r = record_sample();
        size = server_record_encode(&r, bytes, sizeof bytes);
        sign_under(r.signature, i, bytes, size, SEED_SERVER);
        assert_int_equal(server_record_verify(&r, &s, &crypto_real, &trust),
                         i == 3 ? IDENTITY_OK : IDENTITY_RECORD_SIGNATURE);
    }
}

static void flip(uint8_t *bytes, size_t bit)
{
    bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
}

static void test_every_flip_refused(void **state)
{
    (void)state;
    const struct identity_trust trust = trust_of();
    const struct certificate server = certificate_sample();
    uint8_t bytes[IDENTITY_ENCODING_MAX];
    struct certificate s = server;
    size_t size = certificate_encode(&s, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * size; bit++, flip(bytes, bit - 1)) {
        flip(bytes, bit);
        if (certificate_decode(&s, bytes, size) == IDENTITY_OK)
            assert_int_not_equal(certificate_verify(&s, &crypto_real, &trust), IDENTITY_OK);
    }
    struct credential c = credential_sample();
    size = credential_encode(&c, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * size; bit++, flip(bytes, bit - 1)) {
        flip(bytes, bit);
        if (credential_decode(&c, bytes, size) == IDENTITY_OK)
            assert_int_not_equal(credential_verify(&c, &server, &crypto_real, &trust), IDENTITY_OK);
    }
    struct server_record r = record_sample();
    size = server_record_encode(&r, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * size; bit++, flip(bytes, bit - 1)) {
        flip(bytes, bit);
        if (server_record_decode(&r, bytes, size) == IDENTITY_OK)
            assert_int_not_equal(server_record_verify(&r, &server, &crypto_real, &trust),
                                 IDENTITY_OK);
    }
    /* All flips were taken back. */
    assert_int_equal(server_record_decode(&r, bytes, size), IDENTITY_OK);
    assert_int_equal(server_record_verify(&r, &server, &crypto_real, &trust), IDENTITY_OK);
}

/* A flip of the issuer's certificate breaks the chain as well. */
static void test_every_flip_of_the_issuer_refused(void **state)
{
    (void)state;
    const struct identity_trust trust = trust_of();
    const struct credential c = credential_sample();
    struct certificate s = certificate_sample();
    uint8_t bytes[IDENTITY_ENCODING_MAX];
    size_t size = certificate_encode(&s, bytes, sizeof bytes);
    for (size_t bit = 0; bit < 8 * size; bit++, flip(bytes, bit - 1)) {
        flip(bytes, bit);
        if (certificate_decode(&s, bytes, size) == IDENTITY_OK)
            assert_int_not_equal(credential_verify(&c, &s, &crypto_real, &trust), IDENTITY_OK);
    }
}

/* A struct that breaks a rule is not signed, and never verifies. */
static void test_broken_structs(void **state)
{
    (void)state;
    const struct identity_trust trust = trust_of();
    const struct seed seed = seed_of(SEED_ROOT), server = seed_of(SEED_SERVER);
    struct certificate s = certificate_sample();
    struct credential c = credential_sample(), c_before;
    struct server_record r = record_sample();
    s.roles = 0;
    assert_false(certificate_sign(&s, &crypto_real, seed.bytes));
    assert_int_equal(certificate_verify(&s, &crypto_real, &trust), IDENTITY_CERTIFICATE_SIGNATURE);
    s = certificate_sample();
    c.addresses[1] = c.addresses[0];
    memset(c.signature, 0x77, sizeof c.signature);
    c_before = c;
    assert_false(credential_sign(&c, &crypto_real, server.bytes));
    assert_memory_equal(&c, &c_before, sizeof c);
    assert_int_equal(credential_verify(&c, &s, &crypto_real, &trust),
                     IDENTITY_CREDENTIAL_SIGNATURE);
    r.endpoints[0].addr.port = 0;
    assert_false(server_record_sign(&r, &crypto_real, server.bytes));
    assert_int_equal(server_record_verify(&r, &s, &crypto_real, &trust), IDENTITY_RECORD_SIGNATURE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_believed),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_root),
        cmocka_unit_test(test_other_root),
        cmocka_unit_test(test_issuers),
        cmocka_unit_test(test_revocations),
        cmocka_unit_test(test_labels_of_signatures),
        cmocka_unit_test(test_every_flip_refused),
        cmocka_unit_test(test_every_flip_of_the_issuer_refused),
        cmocka_unit_test(test_broken_structs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
