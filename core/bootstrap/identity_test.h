/* What the tests of identities share: keys by number, and a valid struct of each kind. */
#ifndef WARREN_BOOTSTRAP_IDENTITY_TEST_H
#define WARREN_BOOTSTRAP_IDENTITY_TEST_H

#include <string.h>

#include "core/bootstrap/identity.h"
#include "crypto/crypto.h"

enum { SEED_ROOT = 1, SEED_SERVER, SEED_MEMBER, SEED_OTHER };
enum { NOT_BEFORE_S = 1000, NOT_AFTER_S = 2000, EXPIRY_S = 1500, NOW_S = 1200, SERIAL = 77 };

struct seed {
    uint8_t bytes[IDENTITY_SEED_SIZE];
};

static inline struct seed seed_of(uint8_t number)
{
    struct seed seed;
    memset(seed.bytes, number, sizeof seed.bytes);
    return seed;
}

static inline void put_identity(uint8_t to[static IDENTITY_SIZE], uint8_t number)
{
    const struct seed seed = seed_of(number);
    crypto_real.ed25519_public(to, seed.bytes);
}

static inline struct label text(const char *string)
{
    return label_of(string, strlen(string));
}

static inline struct certificate certificate_sample(void)
{
    struct certificate c = {
        .name = text("s1"),
        .roles = IDENTITY_ROLE_ISSUER | IDENTITY_ROLE_RELAY,
        .not_before_s = NOT_BEFORE_S,
        .not_after_s = NOT_AFTER_S,
        .serial = SERIAL,
    };
    const struct seed root = seed_of(SEED_ROOT);
    put_identity(c.identity, SEED_SERVER);
    memset(c.tunnel_key, 0x51, sizeof c.tunnel_key);
    (void)certificate_sign(&c, &crypto_real, root.bytes);
    return c;
}

static inline struct credential credential_sample(void)
{
    static const uint8_t v6[16] = {0xfd, 0x01, [15] = 9};
    struct credential c = {
        .name = text("alice"),
        .address_count = 2,
        .addresses = {addr_v4(0x0a400064, 0), addr_v6(v6, 0)},
        .tag_count = 2,
        .tags = {text("dev"), text("eu-1")},
        .expiry_s = EXPIRY_S,
    };
    const struct seed server = seed_of(SEED_SERVER);
    put_identity(c.identity, SEED_MEMBER);
    memset(c.tunnel_key, 0x52, sizeof c.tunnel_key);
    (void)credential_sign(&c, &crypto_real, server.bytes);
    return c;
}

static inline struct server_record record_sample(void)
{
    static const uint8_t v6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 1};
    struct server_record r = {
        .version = 0x0102030405060708,
        .region = text("eu"),
        .load = 3,
        .endpoint_count = 2,
        .endpoints = {{addr_v4(0xc6336401, 51941), ENDPOINT_PUNCH},
                      {addr_v6(v6, 3478), ENDPOINT_STUN}},
    };
    const struct seed server = seed_of(SEED_SERVER);
    memset(r.tls_key_hash, 0x53, sizeof r.tls_key_hash);
    (void)server_record_sign(&r, &crypto_real, server.bytes);
    return r;
}

#endif
