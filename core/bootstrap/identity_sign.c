/* Signing certificates, credentials and server records, and verifying them up to the root. */
#include "core/bootstrap/identity.h"

#include <string.h>

#include "core/base/check.h"

/*
 * What is signed is a label with its closing zero byte, then the encoding without its signature. No
 * label is the beginning of another, so a signature of one kind of thing is none of any other.
 */
static const char certificate_label[] = "warren certificate v1";
static const char credential_label[] = "warren credential v1";
static const char record_label[] = "warren server record v1";

enum { LABEL_SIZE_MAX = 32, MESSAGE_SIZE_MAX = LABEL_SIZE_MAX + IDENTITY_ENCODING_MAX };
_Static_assert(sizeof certificate_label <= LABEL_SIZE_MAX, "the label fits");
_Static_assert(sizeof credential_label <= LABEL_SIZE_MAX, "the label fits");
_Static_assert(sizeof record_label <= LABEL_SIZE_MAX, "the label fits");

/*
 * Each returns the size of the message, or 0 for a struct that breaks a rule. The signature that is
 * encoded with it is left over behind the message.
 */
static size_t certificate_message(uint8_t message[static MESSAGE_SIZE_MAX],
                                  const struct certificate *certificate)
{
    enum { LABEL_SIZE = sizeof certificate_label };
    memcpy(message, certificate_label, LABEL_SIZE);
    size_t size = certificate_encode(certificate, message + LABEL_SIZE, IDENTITY_ENCODING_MAX);
    return size == 0 ? 0 : LABEL_SIZE + size - IDENTITY_SIGNATURE_SIZE;
}

static size_t credential_message(uint8_t message[static MESSAGE_SIZE_MAX],
                                 const struct credential *credential)
{
    enum { LABEL_SIZE = sizeof credential_label };
    memcpy(message, credential_label, LABEL_SIZE);
    size_t size = credential_encode(credential, message + LABEL_SIZE, IDENTITY_ENCODING_MAX);
    return size == 0 ? 0 : LABEL_SIZE + size - IDENTITY_SIGNATURE_SIZE;
}

static size_t record_message(uint8_t message[static MESSAGE_SIZE_MAX],
                             const struct server_record *record)
{
    enum { LABEL_SIZE = sizeof record_label };
    memcpy(message, record_label, LABEL_SIZE);
    size_t size = server_record_encode(record, message + LABEL_SIZE, IDENTITY_ENCODING_MAX);
    return size == 0 ? 0 : LABEL_SIZE + size - IDENTITY_SIGNATURE_SIZE;
}

bool certificate_sign(struct certificate *certificate, const struct crypto *crypto,
                      const uint8_t root_seed[static IDENTITY_SEED_SIZE])
{
    uint8_t message[MESSAGE_SIZE_MAX];
    size_t size = certificate_message(message, certificate);
    if (size == 0)
        return false;
    crypto->ed25519_sign(certificate->signature, root_seed, message, size);
    return true;
}

bool credential_sign(struct credential *credential, const struct crypto *crypto,
                     const uint8_t issuer_seed[static IDENTITY_SEED_SIZE])
{
    uint8_t message[MESSAGE_SIZE_MAX];
    struct credential with_issuer = *credential;
    crypto->ed25519_public(with_issuer.issuer, issuer_seed);
    size_t size = credential_message(message, &with_issuer);
    if (size == 0)
        return false;
    crypto->ed25519_sign(with_issuer.signature, issuer_seed, message, size);
    *credential = with_issuer;
    return true;
}

bool server_record_sign(struct server_record *record, const struct crypto *crypto,
                        const uint8_t owner_seed[static IDENTITY_SEED_SIZE])
{
    uint8_t message[MESSAGE_SIZE_MAX];
    struct server_record with_owner = *record;
    crypto->ed25519_public(with_owner.owner, owner_seed);
    size_t size = record_message(message, &with_owner);
    if (size == 0)
        return false;
    crypto->ed25519_sign(with_owner.signature, owner_seed, message, size);
    *record = with_owner;
    return true;
}

static bool has_root(const struct identity_trust *trust)
{
    static const uint8_t none[IDENTITY_SIZE];
    return trust->root != NULL && memcmp(trust->root, none, sizeof none) != 0;
}

static bool is_revoked(const struct identity_trust *trust,
                       const uint8_t identity[static IDENTITY_SIZE])
{
    for (size_t i = 0; i < trust->revoked_identity_count; i++) {
        if (memcmp(trust->revoked_identities + IDENTITY_SIZE * i, identity, IDENTITY_SIZE) == 0)
            return true;
    }
    return false;
}

static bool is_revoked_serial(const struct identity_trust *trust, uint32_t serial)
{
    for (size_t i = 0; i < trust->revoked_serial_count; i++) {
        if (trust->revoked_serials[i] == serial)
            return true;
    }
    return false;
}

/* All about a certificate but its signature. */
static enum identity_error certificate_counts(const struct certificate *certificate,
                                              const struct identity_trust *trust)
{
    if (trust->now_s < certificate->not_before_s)
        return IDENTITY_CERTIFICATE_EARLY;
    if (trust->now_s > certificate->not_after_s)
        return IDENTITY_CERTIFICATE_EXPIRED;
    if (is_revoked_serial(trust, certificate->serial) || is_revoked(trust, certificate->identity))
        return IDENTITY_CERTIFICATE_REVOKED;
    return IDENTITY_OK;
}

static bool certificate_is_signed(const struct certificate *certificate,
                                  const struct crypto *crypto, const struct identity_trust *trust)
{
    uint8_t message[MESSAGE_SIZE_MAX];
    size_t size = certificate_message(message, certificate);
    check(size <= sizeof message);
    return size > 0 && crypto->ed25519_verify(certificate->signature, trust->root, message, size);
}

enum identity_error certificate_verify(const struct certificate *certificate,
                                       const struct crypto *crypto,
                                       const struct identity_trust *trust)
{
    if (!has_root(trust))
        return IDENTITY_NO_ROOT;
    enum identity_error error = certificate_counts(certificate, trust);
    if (error != IDENTITY_OK)
        return error;
    return certificate_is_signed(certificate, crypto, trust) ? IDENTITY_OK
                                                             : IDENTITY_CERTIFICATE_SIGNATURE;
}

/* All about a credential and its issuer but their signatures. */
static enum identity_error credential_counts(const struct credential *credential,
                                             const struct certificate *issuer,
                                             const struct identity_trust *trust)
{
    if (memcmp(credential->issuer, issuer->identity, IDENTITY_SIZE) != 0)
        return IDENTITY_WRONG_ISSUER;
    enum identity_error error = certificate_counts(issuer, trust);
    if (error != IDENTITY_OK)
        return error;
    if ((issuer->roles & IDENTITY_ROLE_ISSUER) == 0)
        return IDENTITY_NOT_ISSUER;
    if (trust->now_s > credential->expiry_s)
        return IDENTITY_CREDENTIAL_EXPIRED;
    return is_revoked(trust, credential->identity) ? IDENTITY_CREDENTIAL_REVOKED : IDENTITY_OK;
}

enum identity_error credential_verify(const struct credential *credential,
                                      const struct certificate *issuer, const struct crypto *crypto,
                                      const struct identity_trust *trust)
{
    if (!has_root(trust))
        return IDENTITY_NO_ROOT;
    enum identity_error error = credential_counts(credential, issuer, trust);
    if (error != IDENTITY_OK)
        return error;
    if (!certificate_is_signed(issuer, crypto, trust))
        return IDENTITY_CERTIFICATE_SIGNATURE;
    uint8_t message[MESSAGE_SIZE_MAX];
    size_t size = credential_message(message, credential);
    check(size <= sizeof message);
    if (size == 0 ||
        !crypto->ed25519_verify(credential->signature, credential->issuer, message, size))
        return IDENTITY_CREDENTIAL_SIGNATURE;
    return IDENTITY_OK;
}

enum identity_error server_record_verify(const struct server_record *record,
                                         const struct certificate *owner,
                                         const struct crypto *crypto,
                                         const struct identity_trust *trust)
{
    if (!has_root(trust))
        return IDENTITY_NO_ROOT;
    if (memcmp(record->owner, owner->identity, IDENTITY_SIZE) != 0)
        return IDENTITY_WRONG_OWNER;
    enum identity_error error = certificate_counts(owner, trust);
    if (error != IDENTITY_OK)
        return error;
    if (!certificate_is_signed(owner, crypto, trust))
        return IDENTITY_CERTIFICATE_SIGNATURE;
    uint8_t message[MESSAGE_SIZE_MAX];
    size_t size = record_message(message, record);
    check(size <= sizeof message);
    if (size == 0 || !crypto->ed25519_verify(record->signature, record->owner, message, size))
        return IDENTITY_RECORD_SIGNATURE;
    return IDENTITY_OK;
}
