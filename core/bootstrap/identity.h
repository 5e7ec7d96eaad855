/*
 * What says who is who in a mesh: certificates of servers, credentials of members and the records
 * that servers publish about themselves; their bytes, their signatures, and the chain up to the
 * mesh's root. docs/protocol.md, "Identities", has the bytes field by field.
 *
 * A node is named by its Ed25519 public key, its identity, and a mesh by the public key of its
 * root. On the wire everything is big-endian. An encoding is canonical: each value has exactly one,
 * and decoding refuses every other string of bytes. Decoding looks at bytes only; whether they are
 * to be believed is what the *_verify() functions say. Nothing here keeps state.
 */
#ifndef WARREN_BOOTSTRAP_IDENTITY_H
#define WARREN_BOOTSTRAP_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/addr.h"
#include "core/base/crypto.h"

enum {
    IDENTITY_SIZE = CRYPTO_ED25519_PUBLIC_SIZE,
    IDENTITY_SEED_SIZE = CRYPTO_ED25519_SEED_SIZE, /* the private half of an identity */
    IDENTITY_TUNNEL_KEY_SIZE = CRYPTO_X25519_SIZE,
    IDENTITY_SIGNATURE_SIZE = CRYPTO_ED25519_SIGNATURE_SIZE,
    IDENTITY_TLS_KEY_HASH_SIZE = CRYPTO_SHA256_SIZE,
    IDENTITY_LABEL_MAX = 63, /* RFC 1035, section 2.3.4 */
    IDENTITY_TAG_MAX = 31,
    CREDENTIAL_ADDRESSES_MAX = 8,
    CREDENTIAL_TAGS_MAX = 8,
    SERVER_ENDPOINTS_MAX = 16,
    /* With every text and list at its longest. A certificate and a credential fit one datagram. */
    CERTIFICATE_SIZE_MAX = 2 + 32 + 32 + (1 + 63) + 2 + 8 + 8 + 4 + 64,
    CREDENTIAL_SIZE_MAX =
        2 + 32 + 32 + (1 + 63) + (1 + 8 * (1 + 16)) + (1 + 8 * (1 + 31)) + 8 + 32 + 64,
    SERVER_RECORD_SIZE_MAX = 2 + 32 + 8 + (1 + 63) + 2 + 32 + (1 + 16 * (1 + 1 + 16 + 2)) + 64,
    /* Of any of the three. */
    IDENTITY_ENCODING_MAX = CREDENTIAL_SIZE_MAX,
};
_Static_assert(CERTIFICATE_SIZE_MAX + CREDENTIAL_SIZE_MAX <= 1000, "they fit one small datagram");
_Static_assert(SERVER_RECORD_SIZE_MAX <= IDENTITY_ENCODING_MAX, "the largest is the credential");

/* The first byte of each encoding; the second is the version, which is 1. */
enum identity_kind {
    IDENTITY_CERTIFICATE = 1,
    IDENTITY_CREDENTIAL = 2,
    IDENTITY_SERVER_RECORD = 3,
};

/* What a server's certificate lets it be. Bits that are not named here are refused. */
enum identity_role {
    IDENTITY_ROLE_ISSUER = 1 << 0, /* signs credentials */
    IDENTITY_ROLE_PUNCH = 1 << 1,  /* home of clients: registration and rendezvous */
    IDENTITY_ROLE_RELAY = 1 << 2,
    IDENTITY_ROLE_STUN = 1 << 3,
    IDENTITY_ROLE_DNS = 1 << 4,
    IDENTITY_ROLES_ALL = (1 << 5) - 1,
};

/* What listens at an endpoint. */
enum endpoint_role {
    ENDPOINT_API = 1, /* public HTTPS */
    ENDPOINT_TUNNEL = 2,
    ENDPOINT_PUNCH = 3,
    ENDPOINT_GOSSIP = 4,
    ENDPOINT_STUN = 5,
    ENDPOINT_STUN_ALTERNATE = 6,
    ENDPOINT_RELAY = 7,
    ENDPOINT_DNS = 8,
    ENDPOINT_ROLE_MAX = ENDPOINT_DNS,
};

/*
 * A name by the rules of a DNS label: 1 to 63 of a-z, 0-9 and -, the first and the last not a
 * hyphen. A tag is shorter; a region may be empty, which means that none is given. What stands
 * beyond `size` means nothing.
 */
struct label {
    uint8_t size;
    char text[IDENTITY_LABEL_MAX];
};

/* A server's, signed by the mesh's root. Times are seconds since 1970, both of them included. */
struct certificate {
    uint8_t identity[IDENTITY_SIZE];
    uint8_t tunnel_key[IDENTITY_TUNNEL_KEY_SIZE];
    struct label name;
    uint16_t roles; /* enum identity_role, one at least */
    uint64_t not_before_s;
    uint64_t not_after_s; /* not before not_before_s */
    uint32_t serial;      /* unique in the mesh, which is the root's duty */
    uint8_t signature[IDENTITY_SIGNATURE_SIZE];
};

/* A member's, signed by the server whose identity is `issuer`. */
struct credential {
    uint8_t identity[IDENTITY_SIZE];
    uint8_t tunnel_key[IDENTITY_TUNNEL_KEY_SIZE];
    struct label name;
    uint8_t address_count;
    struct addr addresses[CREDENTIAL_ADDRESSES_MAX]; /* inside the mesh; port 0; ascending */
    uint8_t tag_count;
    struct label tags[CREDENTIAL_TAGS_MAX]; /* ascending by bytes, a prefix first */
    uint64_t expiry_s;                      /* seconds since 1970; the last one that counts */
    uint8_t issuer[IDENTITY_SIZE];
    uint8_t signature[IDENTITY_SIGNATURE_SIZE];
};

struct endpoint {
    struct addr addr; /* unicast, with a port */
    uint8_t role;     /* enum endpoint_role */
};

/* What changes about a server, signed by itself. Of two, the one with the higher version counts. */
struct server_record {
    uint8_t owner[IDENTITY_SIZE];
    uint64_t version;
    struct label region;
    uint16_t load; /* 0 is idle; each 1 counts as 10 ms of latency when a server is chosen */
    uint8_t tls_key_hash[IDENTITY_TLS_KEY_HASH_SIZE]; /* SHA-256; all zero: it has no TLS */
    uint8_t endpoint_count;
    struct endpoint endpoints[SERVER_ENDPOINTS_MAX]; /* ascending by role, then by address */
    uint8_t signature[IDENTITY_SIGNATURE_SIZE];
};

/* Why bytes were refused, or not believed. */
enum identity_error {
    IDENTITY_OK = 0,
    /* From decoding. */
    IDENTITY_TRUNCATED,    /* ends before its end */
    IDENTITY_TRAILING,     /* goes on after it */
    IDENTITY_WRONG_KIND,   /* another kind, or no kind there is */
    IDENTITY_WRONG_FORMAT, /* a version that is not known */
    IDENTITY_BAD_KEY,      /* all zero, which stands for no key */
    IDENTITY_BAD_LABEL,    /* a name, tag or region that breaks its rules */
    IDENTITY_BAD_ROLES,    /* none, or one that is not known */
    IDENTITY_BAD_VALIDITY, /* ends before it begins */
    IDENTITY_TOO_MANY,     /* more entries than a list may have */
    IDENTITY_BAD_ADDRESS,  /* no family, not unicast, an IPv4 address in IPv6 clothes, port 0 */
    IDENTITY_BAD_ORDER,    /* a list that is not ascending, or names an entry twice */
    /* From verifying: the first that applies, in this order, with the costly ones last. */
    IDENTITY_NO_ROOT,           /* there is no mesh, so nothing verifies */
    IDENTITY_WRONG_ISSUER,      /* the credential names another server than the certificate */
    IDENTITY_WRONG_OWNER,       /* the record is about another server than the certificate */
    IDENTITY_CERTIFICATE_EARLY, /* not valid yet */
    IDENTITY_CERTIFICATE_EXPIRED,
    IDENTITY_CERTIFICATE_REVOKED, /* its serial or its identity is */
    IDENTITY_NOT_ISSUER,          /* its roles do not let it sign credentials */
    IDENTITY_CREDENTIAL_EXPIRED,
    IDENTITY_CREDENTIAL_REVOKED,
    IDENTITY_CERTIFICATE_SIGNATURE, /* not signed by the root */
    IDENTITY_CREDENTIAL_SIGNATURE,  /* not signed by the certificate's server */
    IDENTITY_RECORD_SIGNATURE,      /* likewise */
    IDENTITY_ERROR_COUNT,
};

/* The first endpoint of this role and family (ADDR_NONE: of any), or none. */
struct addr server_record_endpoint(const struct server_record *record, enum endpoint_role role,
                                   uint8_t family);

/* For traces: "credential-expired". "?" for what is no error. */
const char *identity_error_name(enum identity_error error);

/*
 * What verifying rests on. The lists need no order and are searched from end to end, so whoever
 * stores them bounds them.
 */
struct identity_trust {
    const uint8_t *root; /* IDENTITY_SIZE bytes; NULL, or all zero: no root, so nothing verifies */
    uint64_t now_s;      /* wall time, seconds since 1970 */
    const uint32_t *revoked_serials; /* of certificates */
    size_t revoked_serial_count;
    const uint8_t *revoked_identities; /* of servers and members, IDENTITY_SIZE bytes each */
    size_t revoked_identity_count;
};

/* False when `size` bytes of text are no name of at least 1 and at most `max` bytes. */
bool label_is_valid(const char *text, size_t size, size_t max);
/* The label with this text; size 0, which is no name, when the text breaks the rules. */
struct label label_of(const char *text, size_t size);
bool label_equal(const struct label *a, const struct label *b);

/* Decodes exactly `size` bytes. On an error the struct is all zero. */
enum identity_error certificate_decode(struct certificate *certificate, const uint8_t *bytes,
                                       size_t size);
enum identity_error credential_decode(struct credential *credential, const uint8_t *bytes,
                                      size_t size);
enum identity_error server_record_decode(struct server_record *record, const uint8_t *bytes,
                                         size_t size);

/*
 * Writes the encoding with its signature and returns its size; 0 when it does not fit, or when the
 * struct breaks a rule that decoding would refuse it for.
 */
size_t certificate_encode(const struct certificate *certificate, uint8_t *to, size_t room);
size_t credential_encode(const struct credential *credential, uint8_t *to, size_t room);
size_t server_record_encode(const struct server_record *record, uint8_t *to, size_t room);

/* Sorts what must be sorted and drops entries that are there twice; before signing. */
void credential_sort(struct credential *credential);
void server_record_sort(struct server_record *record);

/*
 * Fills in the signature, and for a credential the issuer, from the signer's seed. False, with
 * nothing changed, when the struct breaks a rule.
 */
bool certificate_sign(struct certificate *certificate, const struct crypto *crypto,
                      const uint8_t root_seed[static IDENTITY_SEED_SIZE]);
bool credential_sign(struct credential *credential, const struct crypto *crypto,
                     const uint8_t issuer_seed[static IDENTITY_SEED_SIZE]);
bool server_record_sign(struct server_record *record, const struct crypto *crypto,
                        const uint8_t owner_seed[static IDENTITY_SEED_SIZE]);

/*
 * Whether what a struct says is to be believed now. Signatures are checked once each, and only when
 * nothing cheaper refuses. A struct that breaks a rule counts as one with a wrong signature.
 */
enum identity_error certificate_verify(const struct certificate *certificate,
                                       const struct crypto *crypto,
                                       const struct identity_trust *trust);
/* The whole chain: root, the issuer's certificate, the credential. */
enum identity_error credential_verify(const struct credential *credential,
                                      const struct certificate *issuer, const struct crypto *crypto,
                                      const struct identity_trust *trust);
/* The whole chain: root, the owner's certificate, the record. */
enum identity_error server_record_verify(const struct server_record *record,
                                         const struct certificate *owner,
                                         const struct crypto *crypto,
                                         const struct identity_trust *trust);

#endif
