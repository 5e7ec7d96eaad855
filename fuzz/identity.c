/*
 * Fuzzes the codecs of identities: any bytes are decoded as each of the three kinds; what is
 * accepted must be written again as the same bytes, be accepted by its verification when every
 * signature is good, and stay what it is when it is sorted.
 */
#include "core/bootstrap/identity.h"
#include "core/base/check.h"
#include "fuzz/harness.h"
#include "fuzz/null_crypto.h"

static const uint8_t root[IDENTITY_SIZE] = {1};

static void check_bytes(const uint8_t *written, size_t written_size, const uint8_t *data,
                        size_t size)
{
    check(written_size == size);
    check(memcmp(written, data, size) == 0);
}

/* Written into exactly the room that it takes, and refused any less. */
#define CHECK_ENCODING(encode, value) \
    do { \
        uint8_t *room = malloc(size); \
        check(room != NULL); \
        check_bytes(room, encode((value), room, size), data, size); \
        size_t shorter = encode((value), room, size - 1); \
        check(shorter == 0); \
        free(room); \
    } while (0)

static void check_certificate(struct certificate *certificate, const uint8_t *data, size_t size)
{
    CHECK_ENCODING(certificate_encode, certificate);
    struct identity_trust trust = {.root = root, .now_s = certificate->not_before_s};
    check(certificate_verify(certificate, &crypto_null, &trust) == IDENTITY_OK);
    trust.revoked_serials = &certificate->serial;
    trust.revoked_serial_count = 1;
    check(certificate_verify(certificate, &crypto_null, &trust) == IDENTITY_CERTIFICATE_REVOKED);
    trust.root = NULL;
    check(certificate_verify(certificate, &crypto_null, &trust) == IDENTITY_NO_ROOT);
    check(certificate_sign(certificate, &crypto_null, root));
}

static void check_credential(struct credential *credential, const uint8_t *data, size_t size)
{
    CHECK_ENCODING(credential_encode, credential);
    struct certificate issuer = {.name = label_of("s", 1), .roles = IDENTITY_ROLE_ISSUER};
    memcpy(issuer.identity, credential->issuer, IDENTITY_SIZE);
    memset(issuer.tunnel_key, 1, sizeof issuer.tunnel_key);
    issuer.not_after_s = credential->expiry_s;
    struct identity_trust trust = {.root = root, .now_s = credential->expiry_s};
    check(credential_verify(credential, &issuer, &crypto_null, &trust) == IDENTITY_OK);
    trust.revoked_identities = credential->identity;
    trust.revoked_identity_count = 1;
    check(credential_verify(credential, &issuer, &crypto_null, &trust) != IDENTITY_OK);
    credential_sort(credential);
    CHECK_ENCODING(credential_encode, credential);
    check(credential_sign(credential, &crypto_null, root));
}

static void check_record(struct server_record *record, const uint8_t *data, size_t size)
{
    CHECK_ENCODING(server_record_encode, record);
    struct certificate owner = {.name = label_of("s", 1), .roles = IDENTITY_ROLE_STUN};
    memcpy(owner.identity, record->owner, IDENTITY_SIZE);
    memset(owner.tunnel_key, 1, sizeof owner.tunnel_key);
    const struct identity_trust trust = {.root = root};
    check(server_record_verify(record, &owner, &crypto_null, &trust) == IDENTITY_OK);
    server_record_sort(record);
    CHECK_ENCODING(server_record_encode, record);
    check(server_record_sign(record, &crypto_null, root));
}

void fuzz_one(const uint8_t *data, size_t size)
{
    struct certificate certificate;
    struct credential credential;
    struct server_record record;
    enum identity_error errors[] = {
        certificate_decode(&certificate, data, size),
        credential_decode(&credential, data, size),
        server_record_decode(&record, data, size),
    };
    unsigned accepted = 0;
    for (size_t i = 0; i < 3; i++) {
        check(identity_error_name(errors[i])[0] != '?');
        check(errors[i] < IDENTITY_NO_ROOT);
        accepted += errors[i] == IDENTITY_OK;
    }
    check(accepted <= 1); /* no bytes are two things */
    check(accepted == 0 || size <= IDENTITY_ENCODING_MAX);
    if (errors[0] == IDENTITY_OK)
        check_certificate(&certificate, data, size);
    if (errors[1] == IDENTITY_OK)
        check_credential(&credential, data, size);
    if (errors[2] == IDENTITY_OK)
        check_record(&record, data, size);
}
