/*
 * Who this node is, and what it takes to believe others: its keys, its mesh's root, the wall clock,
 * and the introduction by which nodes show each other who they are.
 *
 * An introduction is the size (2 bytes) and bytes of a certificate, then the size and bytes of a
 * credential. A server shows its own certificate and an empty credential; a member shows its
 * credential and the certificate of its issuer.
 */
#ifndef WARREN_BOOTSTRAP_SELF_H
#define WARREN_BOOTSTRAP_SELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/bootstrap/identity.h"
#include "core/warren.h"

enum { SELF_INTRODUCTION_MAX = 2 + CERTIFICATE_SIZE_MAX + 2 + CREDENTIAL_SIZE_MAX };

struct self {
    bool ready; /* the rest below is set, but for the clock */
    bool server;
    uint16_t roles; /* of a server */
    bool clock_known;
    uint64_t clock_s;  /* wall time, */
    uint64_t clock_ns; /* when the node's time was this */
    uint8_t seed[IDENTITY_SEED_SIZE];
    uint8_t identity[IDENTITY_SIZE];
    uint8_t tunnel_key[IDENTITY_TUNNEL_KEY_SIZE]; /* private */
    uint8_t public_key[IDENTITY_TUNNEL_KEY_SIZE];
    uint8_t root[IDENTITY_SIZE];
    uint32_t introduction_size;
    uint8_t introduction[SELF_INTRODUCTION_MAX];
};

/* Somebody else, whose introduction was verified to the root. */
struct member {
    uint8_t identity[IDENTITY_SIZE];
    uint8_t tunnel_key[IDENTITY_TUNNEL_KEY_SIZE];
    struct label name;
    bool server;
    uint16_t roles;    /* of a server */
    uint64_t expiry_s; /* the last second in which what it showed is valid */
    uint8_t address_count;
    struct addr addresses[CREDENTIAL_ADDRESSES_MAX]; /* of a member, inside the mesh */
};

/* Wall time now, seconds since 1970; 0 while it is not known. */
uint64_t self_wall_s(const struct self *self, uint64_t now_ns);
void self_clock(struct self *self, uint64_t now_ns, uint64_t wall_s);

/*
 * Takes an identity, while there is none (`self` is not ready). Refuses one that would not be
 * believed itself, and with IDENTITY_WRONG_OWNER one whose private keys are not those of the
 * certificate or credential; `self` is then as before.
 */
enum identity_error self_set(struct self *self, const struct crypto *crypto, uint64_t now_ns,
                             const struct node_in_identity *in);

/*
 * Decodes and verifies an introduction: four hashes and two signatures at most. Another
 * node that shows our own tunnel key is IDENTITY_WRONG_OWNER. On an error the member is all zero.
 */
enum identity_error self_verify(const struct self *self, const struct crypto *crypto,
                                uint64_t now_ns, const uint8_t *introduction, size_t size,
                                struct member *member);
/* Likewise, but only what the bytes claim: nothing is verified. */
enum identity_error self_claimed(const uint8_t *introduction, size_t size, struct member *member);
/* Whether what the member showed is no longer valid. */
bool self_expired(const struct self *self, uint64_t now_ns, const struct member *member);
/* What trust rests on now. */
struct identity_trust self_trust(const struct self *self, uint64_t now_ns);

#endif
