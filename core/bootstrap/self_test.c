/* Who this node is, and whom it believes: real signatures, one thing wrong at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/bootstrap/identity_test.h"
#include "core/bootstrap/self.h"
#include "core/punch/message.h"

_Static_assert((int)SELF_INTRODUCTION_MAX <= (int)PUNCH_INTRODUCTION_MAX, "an OFFER has room");

#define SECOND_NS UINT64_C(1000000000)
#define START_NS (UINT64_C(5) * SECOND_NS)

enum { TUNNEL_SERVER = 0x61, TUNNEL_MEMBER = 0x62 };

/* What a host hands in for one node, with room for what is wrong with it. */
struct papers {
    struct node_in_identity in;
    uint8_t certificate[IDENTITY_ENCODING_MAX];
    uint8_t credential[IDENTITY_ENCODING_MAX];
};

static void put_tunnel_key(uint8_t public_key[static IDENTITY_TUNNEL_KEY_SIZE], uint8_t number)
{
    const struct seed private_key = seed_of(number);
    crypto_real.x25519_public(public_key, private_key.bytes);
}

static struct certificate certificate_of(uint16_t roles)
{
    struct certificate c = certificate_sample();
    const struct seed root = seed_of(SEED_ROOT);
    put_tunnel_key(c.tunnel_key, TUNNEL_SERVER);
    c.roles = roles;
    assert_true(certificate_sign(&c, &crypto_real, root.bytes));
    return c;
}

static struct credential credential_of(uint8_t issuer)
{
    struct credential c = credential_sample();
    const struct seed seed = seed_of(issuer);
    put_tunnel_key(c.tunnel_key, TUNNEL_MEMBER);
    assert_true(credential_sign(&c, &crypto_real, seed.bytes));
    return c;
}

static void show_certificate(struct papers *papers, const struct certificate *certificate)
{
    papers->in.certificate = papers->certificate;
    papers->in.certificate_size =
        (uint32_t)certificate_encode(certificate, papers->certificate, sizeof papers->certificate);
    assert_true(papers->in.certificate_size > 0);
}

static void show_credential(struct papers *papers, const struct credential *credential)
{
    papers->in.credential = papers->credential;
    papers->in.credential_size =
        (uint32_t)credential_encode(credential, papers->credential, sizeof papers->credential);
    assert_true(papers->in.credential_size > 0);
}

static void make_papers(struct papers *papers, bool server)
{
    const struct certificate certificate =
        certificate_of(IDENTITY_ROLE_ISSUER | IDENTITY_ROLE_PUNCH);
    const struct credential credential = credential_of(SEED_SERVER);
    memset(papers, 0, sizeof *papers);
    memset(papers->in.seed, server ? SEED_SERVER : SEED_MEMBER, sizeof papers->in.seed);
    memset(papers->in.tunnel_key, server ? TUNNEL_SERVER : TUNNEL_MEMBER,
           sizeof papers->in.tunnel_key);
    put_identity(papers->in.root, SEED_ROOT);
    show_certificate(papers, &certificate);
    if (!server)
        show_credential(papers, &credential);
}

/* A node that knows the time. */
static struct self blank(void)
{
    struct self self;
    memset(&self, 0, sizeof self);
    self_clock(&self, START_NS, NOW_S);
    return self;
}

static struct self made(bool server)
{
    struct papers papers;
    struct self self = blank();
    make_papers(&papers, server);
    assert_int_equal(self_set(&self, &crypto_real, START_NS, &papers.in), IDENTITY_OK);
    return self;
}

/* ---- The clock ------------------------------------------------------------------------------- */

static void test_clock(void **state)
{
    (void)state;
    struct self self;
    memset(&self, 0, sizeof self);
    assert_int_equal(self_wall_s(&self, 0), 0);
    assert_int_equal(self_wall_s(&self, UINT64_MAX), 0);
    self_clock(&self, START_NS, 1000);
    assert_int_equal(self_wall_s(&self, START_NS), 1000);
    assert_int_equal(self_wall_s(&self, START_NS + SECOND_NS - 1), 1000);
    assert_int_equal(self_wall_s(&self, START_NS + SECOND_NS), 1001);
    assert_int_equal(self_wall_s(&self, START_NS + 3600 * SECOND_NS), 4600);
    /* It jumps, both ways. */
    self_clock(&self, START_NS + SECOND_NS, 50);
    assert_int_equal(self_wall_s(&self, START_NS + 2 * SECOND_NS), 51);
    self_clock(&self, START_NS + 2 * SECOND_NS, 900000);
    assert_int_equal(self_wall_s(&self, START_NS + 2 * SECOND_NS), 900000);
    /* The largest clock stays the largest. */
    self_clock(&self, START_NS + 2 * SECOND_NS, UINT64_MAX - 1);
    assert_true(self_wall_s(&self, START_NS + 3 * SECOND_NS) == UINT64_MAX);
    assert_true(self_wall_s(&self, START_NS + 30 * SECOND_NS) == UINT64_MAX);
}

/* ---- Taking an identity ---------------------------------------------------------------------- */

static void test_set(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        bool server = i == 1;
        struct papers papers;
        uint8_t expected[IDENTITY_SIZE];
        make_papers(&papers, server);
        const struct self self = made(server);
        assert_true(self.ready);
        assert_int_equal(self.server, server);
        assert_int_equal(self.roles, server ? IDENTITY_ROLE_ISSUER | IDENTITY_ROLE_PUNCH : 0);
        put_identity(expected, server ? SEED_SERVER : SEED_MEMBER);
        assert_memory_equal(self.identity, expected, sizeof expected);
        put_tunnel_key(expected, server ? TUNNEL_SERVER : TUNNEL_MEMBER);
        assert_memory_equal(self.public_key, expected, sizeof expected);
        assert_memory_equal(self.seed, papers.in.seed, sizeof self.seed);
        assert_memory_equal(self.tunnel_key, papers.in.tunnel_key, sizeof self.tunnel_key);
        assert_memory_equal(self.root, papers.in.root, sizeof self.root);
        /* Size and certificate, size and credential. */
        size_t size = papers.in.certificate_size, more = papers.in.credential_size;
        const uint8_t *shown = self.introduction;
        assert_int_equal(self.introduction_size, 4 + size + more);
        assert_int_equal(shown[0] << 8 | shown[1], size);
        assert_memory_equal(shown + 2, papers.certificate, size);
        assert_int_equal(shown[2 + size] << 8 | shown[3 + size], more);
        assert_memory_equal(shown + 4 + size, papers.credential, more);
    }
}

static void test_trust(void **state)
{
    (void)state;
    struct self self = blank();
    assert_null(self_trust(&self, START_NS).root);
    self = made(true);
    const struct identity_trust trust = self_trust(&self, START_NS + 7 * SECOND_NS);
    assert_ptr_equal(trust.root, self.root);
    assert_int_equal(trust.now_s, NOW_S + 7);
    assert_int_equal(trust.revoked_serial_count + trust.revoked_identity_count, 0);
}

enum fault {
    FAULT_SEED,
    FAULT_TUNNEL_KEY,
    FAULT_ROOT,
    FAULT_NO_ROOT,
    FAULT_EARLY,
    FAULT_LATE,
    FAULT_CERTIFICATE_SHORT,
    FAULT_NO_CERTIFICATE,
    FAULT_CERTIFICATE_BIT,
    FAULT_CREDENTIAL_SHORT, /* from here on only a member has it */
    FAULT_CREDENTIAL_EMPTY,
    FAULT_CREDENTIAL_BIT,
    FAULT_ISSUER,
    FAULT_NOT_ISSUER,
    FAULTS,
};

static const struct {
    enum identity_error server;
    enum identity_error member;
} faults[FAULTS] = {
    [FAULT_SEED] = {IDENTITY_WRONG_OWNER, IDENTITY_WRONG_OWNER},
    [FAULT_TUNNEL_KEY] = {IDENTITY_WRONG_OWNER, IDENTITY_WRONG_OWNER},
    [FAULT_ROOT] = {IDENTITY_CERTIFICATE_SIGNATURE, IDENTITY_CERTIFICATE_SIGNATURE},
    [FAULT_NO_ROOT] = {IDENTITY_NO_ROOT, IDENTITY_NO_ROOT},
    [FAULT_EARLY] = {IDENTITY_CERTIFICATE_EARLY, IDENTITY_CERTIFICATE_EARLY},
    [FAULT_LATE] = {IDENTITY_OK, IDENTITY_CREDENTIAL_EXPIRED},
    [FAULT_CERTIFICATE_SHORT] = {IDENTITY_TRUNCATED, IDENTITY_TRUNCATED},
    [FAULT_NO_CERTIFICATE] = {IDENTITY_TRUNCATED, IDENTITY_TRUNCATED},
    [FAULT_CERTIFICATE_BIT] = {IDENTITY_CERTIFICATE_SIGNATURE, IDENTITY_CERTIFICATE_SIGNATURE},
    [FAULT_CREDENTIAL_SHORT] = {IDENTITY_OK, IDENTITY_TRUNCATED},
    [FAULT_CREDENTIAL_EMPTY] = {IDENTITY_OK, IDENTITY_TRUNCATED},
    [FAULT_CREDENTIAL_BIT] = {IDENTITY_OK, IDENTITY_CREDENTIAL_SIGNATURE},
    [FAULT_ISSUER] = {IDENTITY_OK, IDENTITY_WRONG_ISSUER},
    [FAULT_NOT_ISSUER] = {IDENTITY_OK, IDENTITY_NOT_ISSUER},
};

static void apply_fault(struct papers *papers, struct self *self, enum fault fault)
{
    const struct credential other = credential_of(SEED_OTHER);
    const struct certificate relay = certificate_of(IDENTITY_ROLE_RELAY);
    switch (fault) {
    case FAULT_SEED:
        papers->in.seed[5] ^= 1;
        break;
    case FAULT_TUNNEL_KEY:
        papers->in.tunnel_key[5] ^= 1;
        break;
    case FAULT_ROOT:
        put_identity(papers->in.root, SEED_OTHER);
        break;
    case FAULT_NO_ROOT:
        memset(papers->in.root, 0, sizeof papers->in.root);
        break;
    case FAULT_EARLY:
        memset(self, 0, sizeof *self); /* the time is not known */
        break;
    case FAULT_LATE:
        self_clock(self, START_NS, EXPIRY_S + 1);
        break;
    case FAULT_CERTIFICATE_SHORT:
        papers->in.certificate_size--;
        break;
    case FAULT_NO_CERTIFICATE:
        papers->in.certificate = NULL;
        papers->in.certificate_size = 0;
        break;
    case FAULT_CERTIFICATE_BIT:
        papers->certificate[papers->in.certificate_size - 1] ^= 1;
        break;
    case FAULT_CREDENTIAL_SHORT:
        papers->in.credential_size--;
        break;
    case FAULT_CREDENTIAL_EMPTY:
        papers->in.credential_size = 0;
        break;
    case FAULT_CREDENTIAL_BIT:
        papers->credential[papers->in.credential_size - 1] ^= 1;
        break;
    case FAULT_ISSUER:
        show_credential(papers, &other);
        break;
    default:
        show_certificate(papers, &relay);
    }
}

/* One thing is wrong: refused for it, and nothing is taken. */
static void test_set_refuses(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FAULTS; i++) {
        for (unsigned server = 0; server < 2; server++) {
            if (server == 1 && i >= FAULT_CREDENTIAL_SHORT)
                continue;
            struct papers papers;
            struct self self = blank();
            make_papers(&papers, server == 1);
            apply_fault(&papers, &self, (enum fault)i);
            const struct self before = self;
            enum identity_error expected = server == 1 ? faults[i].server : faults[i].member;
            assert_int_equal(self_set(&self, &crypto_real, START_NS, &papers.in), expected);
            if (expected != IDENTITY_OK)
                assert_memory_equal(&self, &before, sizeof self);
        }
    }
}

/* ---- Believing others ------------------------------------------------------------------------ */

static enum identity_error verify(const struct self *self, uint64_t now_ns,
                                  const uint8_t *introduction, size_t size, struct member *member)
{
    uint8_t *copy = malloc(size > 0 ? size : 1);
    assert_non_null(copy);
    if (size > 0)
        memcpy(copy, introduction, size);
    memset(member, 0xa5, sizeof *member);
    enum identity_error error = self_verify(self, &crypto_real, now_ns, copy, size, member);
    free(copy);
    return error;
}

static void assert_nobody(const struct member *member)
{
    static const struct member nobody;
    assert_memory_equal(member, &nobody, sizeof nobody);
}

/* Each believes itself and the other. */
static void test_verify(void **state)
{
    (void)state;
    const struct self nodes[2] = {made(false), made(true)};
    for (unsigned i = 0; i < 2; i++) {
        for (unsigned k = 0; k < 2; k++) {
            const struct self *shown = &nodes[k];
            struct member member;
            assert_int_equal(
                verify(&nodes[i], START_NS, shown->introduction, shown->introduction_size, &member),
                IDENTITY_OK);
            assert_memory_equal(member.identity, shown->identity, sizeof member.identity);
            assert_memory_equal(member.tunnel_key, shown->public_key, sizeof member.tunnel_key);
            assert_int_equal(member.server, shown->server);
            assert_int_equal(member.roles, shown->roles);
            const struct label name = text(k == 0 ? "alice" : "s1");
            assert_true(label_equal(&member.name, &name));
        }
    }
}

/* What is claimed is what would be believed if it were signed, and needs no signature. */
static void test_claimed(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        const struct self self = made(i == 1);
        uint8_t bytes[SELF_INTRODUCTION_MAX] = {0};
        size_t size = self.introduction_size;
        struct member member, verified;
        assert_int_equal(verify(&self, START_NS, self.introduction, size, &verified), IDENTITY_OK);
        /* An issuer's certificate is good for longer than the credential. */
        assert_int_equal(verified.expiry_s, i == 1 ? NOT_AFTER_S : EXPIRY_S);
        memcpy(bytes, self.introduction, size);
        bytes[size - (i == 1 ? 3 : 1)] ^= 1; /* in the last signature */
        assert_int_not_equal(verify(&self, START_NS, bytes, size, &member), IDENTITY_OK);
        assert_int_equal(self_claimed(bytes, size, &member), IDENTITY_OK);
        assert_memory_equal(member.identity, verified.identity, sizeof member.identity);
        assert_memory_equal(member.tunnel_key, verified.tunnel_key, sizeof member.tunnel_key);
        assert_int_equal(member.roles, verified.roles);
        assert_int_equal(member.server, verified.server);
        assert_int_equal(member.expiry_s, verified.expiry_s);
        assert_int_equal(self_claimed(bytes, size - 1, &member), IDENTITY_TRUNCATED);
        assert_nobody(&member);
    }
}

/* A credential is good for no longer than the certificate that it was issued under. */
static void test_expiry(void **state)
{
    (void)state;
    struct papers papers;
    struct credential credential = credential_of(SEED_SERVER);
    const struct seed seed = seed_of(SEED_SERVER);
    struct self self = blank();
    struct member member;
    credential.expiry_s = NOT_AFTER_S + 1;
    assert_true(credential_sign(&credential, &crypto_real, seed.bytes));
    make_papers(&papers, false);
    show_credential(&papers, &credential);
    assert_int_equal(self_set(&self, &crypto_real, START_NS, &papers.in), IDENTITY_OK);
    assert_int_equal(verify(&self, START_NS, self.introduction, self.introduction_size, &member),
                     IDENTITY_OK);
    assert_int_equal(member.expiry_s, NOT_AFTER_S);
    uint64_t last_ns = START_NS + (uint64_t)(NOT_AFTER_S - NOW_S) * SECOND_NS;
    assert_false(self_expired(&self, START_NS, &member));
    assert_false(self_expired(&self, last_ns + SECOND_NS - 1, &member));
    assert_true(self_expired(&self, last_ns + SECOND_NS, &member));
}

/* Somebody else who shows our tunnel key could be sent what we would read ourselves. */
static void test_own_key(void **state)
{
    (void)state;
    const struct self self = made(false), server = made(true);
    struct papers papers;
    struct credential credential = credential_of(SEED_SERVER);
    const struct seed seed = seed_of(SEED_SERVER);
    struct self other = blank();
    struct member member;
    put_identity(credential.identity, SEED_OTHER);
    assert_true(credential_sign(&credential, &crypto_real, seed.bytes));
    make_papers(&papers, false);
    memset(papers.in.seed, SEED_OTHER, sizeof papers.in.seed);
    show_credential(&papers, &credential);
    assert_int_equal(self_set(&other, &crypto_real, START_NS, &papers.in), IDENTITY_OK);
    assert_int_equal(
        verify(&server, START_NS, other.introduction, other.introduction_size, &member),
        IDENTITY_OK);
    assert_int_equal(verify(&self, START_NS, other.introduction, other.introduction_size, &member),
                     IDENTITY_WRONG_OWNER);
    assert_nobody(&member);
}

/* Every shorter introduction, a longer one, and every flipped bit. */
static void test_verify_bytes(void **state)
{
    (void)state;
    const struct self self = made(true);
    const struct self shown[2] = {made(false), made(true)};
    for (unsigned k = 0; k < 2; k++) {
        uint8_t bytes[SELF_INTRODUCTION_MAX + 1] = {0};
        struct member member;
        size_t size = shown[k].introduction_size;
        memcpy(bytes, shown[k].introduction, size);
        for (size_t length = 0; length < size; length++) {
            assert_int_equal(verify(&self, START_NS, bytes, length, &member), IDENTITY_TRUNCATED);
            assert_nobody(&member);
        }
        assert_int_equal(verify(&self, START_NS, bytes, size + 1, &member), IDENTITY_TRAILING);
        assert_nobody(&member);
        for (size_t bit = 0; bit < 8 * size; bit++) {
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_not_equal(verify(&self, START_NS, bytes, size, &member), IDENTITY_OK);
            assert_nobody(&member);
            bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

/* The same introduction at other times, and to a node that has no mesh. */
static void test_verify_trust(void **state)
{
    (void)state;
    struct self self = made(true);
    const struct self shown = made(false);
    struct member member;
    const struct {
        uint64_t wall_s;
        enum identity_error error;
    } times[] = {
        {NOT_BEFORE_S - 1, IDENTITY_CERTIFICATE_EARLY},
        {NOT_BEFORE_S, IDENTITY_OK},
        {EXPIRY_S, IDENTITY_OK},
        {EXPIRY_S + 1, IDENTITY_CREDENTIAL_EXPIRED},
        {NOT_AFTER_S + 1, IDENTITY_CERTIFICATE_EXPIRED},
    };
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        self_clock(&self, START_NS, times[i].wall_s);
        assert_int_equal(
            verify(&self, START_NS, shown.introduction, shown.introduction_size, &member),
            times[i].error);
    }
    /* Time passes without being told. */
    self_clock(&self, START_NS, EXPIRY_S);
    uint64_t later_ns = START_NS + SECOND_NS;
    assert_int_equal(verify(&self, later_ns, shown.introduction, shown.introduction_size, &member),
                     IDENTITY_CREDENTIAL_EXPIRED);
    self = blank();
    assert_int_equal(verify(&self, START_NS, shown.introduction, shown.introduction_size, &member),
                     IDENTITY_NO_ROOT);
    assert_nobody(&member);
}

/* A member cannot pass for the server that issued its credential, nor a server for a member. */
static void test_verify_roles(void **state)
{
    (void)state;
    const struct self self = made(true);
    const struct self shown = made(false);
    uint8_t bytes[SELF_INTRODUCTION_MAX];
    struct member member;
    struct papers papers;
    make_papers(&papers, false);
    /* The issuer's certificate alone says who the issuer is, not who shows it. */
    size_t size = 2 + papers.in.certificate_size;
    memcpy(bytes, shown.introduction, size);
    memset(bytes + size, 0, 2);
    assert_int_equal(verify(&self, START_NS, bytes, size + 2, &member), IDENTITY_OK);
    assert_true(member.server);
    assert_memory_not_equal(member.tunnel_key, shown.public_key, sizeof member.tunnel_key);
    /* A credential in the certificate's place is none. */
    size = 2 + papers.in.credential_size;
    memcpy(bytes, shown.introduction + 2 + papers.in.certificate_size, size);
    memset(bytes + size, 0, 2);
    assert_int_equal(verify(&self, START_NS, bytes, size + 2, &member), IDENTITY_WRONG_KIND);
    assert_nobody(&member);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),        cmocka_unit_test(test_set),
        cmocka_unit_test(test_trust),        cmocka_unit_test(test_set_refuses),
        cmocka_unit_test(test_verify),       cmocka_unit_test(test_verify_bytes),
        cmocka_unit_test(test_verify_trust), cmocka_unit_test(test_verify_roles),
        cmocka_unit_test(test_claimed),      cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_own_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
