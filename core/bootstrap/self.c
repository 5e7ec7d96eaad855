/* A node's own identity, and whether to believe what others show of theirs. */
#include "core/bootstrap/self.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

#define SECOND_NS UINT64_C(1000000000)

uint64_t self_wall_s(const struct self *self, uint64_t now_ns)
{
    if (!self->clock_known)
        return 0;
    check(now_ns >= self->clock_ns);
    uint64_t since_s = (now_ns - self->clock_ns) / SECOND_NS;
    /* The clock may be any number; one that wraps would make what has expired valid again. */
    return self->clock_s > UINT64_MAX - since_s ? UINT64_MAX : self->clock_s + since_s;
}

void self_clock(struct self *self, uint64_t now_ns, uint64_t wall_s)
{
    check(!self->clock_known || now_ns >= self->clock_ns);
    self->clock_known = true;
    self->clock_s = wall_s;
    self->clock_ns = now_ns;
}

struct identity_trust self_trust(const struct self *self, uint64_t now_ns)
{
    return (struct identity_trust){
        .root = self->ready ? self->root : NULL,
        .now_s = self_wall_s(self, now_ns),
    };
}

/* What a node shows of itself, decoded. Without a credential it is a server's. */
struct shown {
    struct certificate certificate;
    struct credential credential;
    bool server;
};

static enum identity_error shown_decode(struct shown *shown, struct crypto_span certificate,
                                        struct crypto_span credential)
{
    enum identity_error error =
        certificate_decode(&shown->certificate, certificate.bytes, certificate.size);
    shown->server = credential.bytes == NULL;
    if (error == IDENTITY_OK && !shown->server)
        error = credential_decode(&shown->credential, credential.bytes, credential.size);
    return error;
}

static struct member member_of(const struct shown *shown)
{
    const struct certificate *certificate = &shown->certificate;
    const struct credential *credential = &shown->credential;
    struct member member = {.expiry_s = certificate->not_after_s, .server = shown->server};
    if (shown->server) {
        member.name = certificate->name;
        member.roles = certificate->roles;
        memcpy(member.identity, certificate->identity, sizeof member.identity);
        memcpy(member.tunnel_key, certificate->tunnel_key, sizeof member.tunnel_key);
        return member;
    }
    /* A credential is believed as long as its issuer's certificate is. */
    if (credential->expiry_s < member.expiry_s)
        member.expiry_s = credential->expiry_s;
    member.name = credential->name;
    memcpy(member.identity, credential->identity, sizeof member.identity);
    memcpy(member.tunnel_key, credential->tunnel_key, sizeof member.tunnel_key);
    member.address_count = credential->address_count;
    memcpy(member.addresses, credential->addresses, sizeof member.addresses);
    return member;
}

/* `*member` stays on an error. */
static enum identity_error believe(const struct identity_trust *trust, const struct crypto *crypto,
                                   struct crypto_span certificate, struct crypto_span credential,
                                   struct member *member)
{
    struct shown shown;
    enum identity_error error = shown_decode(&shown, certificate, credential);
    if (error != IDENTITY_OK)
        return error;
    error = shown.server ? certificate_verify(&shown.certificate, crypto, trust)
                         : credential_verify(&shown.credential, &shown.certificate, crypto, trust);
    if (error == IDENTITY_OK)
        *member = member_of(&shown);
    return error;
}

/* Whether the private keys are those of the public ones that others will see. */
static bool owns(const struct member *member, const struct crypto *crypto,
                 const struct node_in_identity *in)
{
    uint8_t identity[IDENTITY_SIZE];
    uint8_t public_key[IDENTITY_TUNNEL_KEY_SIZE];
    crypto->ed25519_public(identity, in->seed);
    crypto->x25519_public(public_key, in->tunnel_key);
    return memcmp(identity, member->identity, sizeof identity) == 0 &&
           memcmp(public_key, member->tunnel_key, sizeof public_key) == 0;
}

static void introduce(struct self *self, struct crypto_span certificate,
                      struct crypto_span credential)
{
    struct writer w = writer_of(self->introduction, sizeof self->introduction);
    write_u16(&w, (uint16_t)certificate.size);
    write_bytes(&w, certificate.bytes, certificate.size);
    write_u16(&w, (uint16_t)credential.size);
    write_bytes(&w, credential.bytes, credential.size);
    check(!w.failed); /* what decodes is no longer than it may be */
    self->introduction_size = (uint32_t)w.index;
}

enum identity_error self_set(struct self *self, const struct crypto *crypto, uint64_t now_ns,
                             const struct node_in_identity *in)
{
    check(!self->ready);
    const struct crypto_span certificate = {in->certificate, in->certificate_size};
    const struct crypto_span credential = {in->credential,
                                           in->credential != NULL ? in->credential_size : 0};
    const struct identity_trust trust = {.root = in->root, .now_s = self_wall_s(self, now_ns)};
    struct member member;
    enum identity_error error = believe(&trust, crypto, certificate, credential, &member);
    if (error != IDENTITY_OK)
        return error;
    if (!owns(&member, crypto, in))
        return IDENTITY_WRONG_OWNER;
    self->server = member.server;
    self->roles = member.roles;
    memcpy(self->seed, in->seed, sizeof self->seed);
    memcpy(self->identity, member.identity, sizeof self->identity);
    memcpy(self->tunnel_key, in->tunnel_key, sizeof self->tunnel_key);
    memcpy(self->public_key, member.tunnel_key, sizeof self->public_key);
    memcpy(self->root, in->root, sizeof self->root);
    introduce(self, certificate, credential);
    self->ready = true;
    return IDENTITY_OK;
}

/* The two parts of an introduction; a credential of no bytes is NULL. */
static enum identity_error take_apart(const uint8_t *introduction, size_t size,
                                      struct crypto_span *certificate,
                                      struct crypto_span *credential)
{
    struct reader r = reader_of(introduction, size);
    *certificate = (struct crypto_span){.size = read_u16(&r)};
    certificate->bytes = read_span(&r, certificate->size);
    *credential = (struct crypto_span){.size = read_u16(&r)};
    if (credential->size > 0)
        credential->bytes = read_span(&r, credential->size);
    if (r.failed)
        return IDENTITY_TRUNCATED;
    return reader_left(&r) > 0 ? IDENTITY_TRAILING : IDENTITY_OK;
}

/* Another one under our own tunnel key: what we share with it would be no secret of two. */
static bool has_our_key(const struct self *self, const struct member *member)
{
    return self->ready &&
           memcmp(member->tunnel_key, self->public_key, sizeof member->tunnel_key) == 0 &&
           memcmp(member->identity, self->identity, sizeof member->identity) != 0;
}

enum identity_error self_verify(const struct self *self, const struct crypto *crypto,
                                uint64_t now_ns, const uint8_t *introduction, size_t size,
                                struct member *member)
{
    struct crypto_span certificate, credential;
    memset(member, 0, sizeof *member);
    enum identity_error error = take_apart(introduction, size, &certificate, &credential);
    if (error != IDENTITY_OK)
        return error;
    const struct identity_trust trust = self_trust(self, now_ns);
    error = believe(&trust, crypto, certificate, credential, member);
    if (error != IDENTITY_OK || !has_our_key(self, member))
        return error;
    memset(member, 0, sizeof *member);
    return IDENTITY_WRONG_OWNER;
}

enum identity_error self_claimed(const uint8_t *introduction, size_t size, struct member *member)
{
    struct crypto_span certificate, credential;
    struct shown shown;
    memset(member, 0, sizeof *member);
    enum identity_error error = take_apart(introduction, size, &certificate, &credential);
    if (error == IDENTITY_OK)
        error = shown_decode(&shown, certificate, credential);
    if (error == IDENTITY_OK)
        *member = member_of(&shown);
    return error;
}

bool self_expired(const struct self *self, uint64_t now_ns, const struct member *member)
{
    return self_wall_s(self, now_ns) > member->expiry_s;
}
