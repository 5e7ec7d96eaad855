/* The identities of a scenario's nodes, signed once for each process. */
#include "scenarios/runner/mesh.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/random.h"
#include "crypto/crypto.h"

/* Certificates and credentials hold from the day before a run's begin for ten years. */
#define DAY_S UINT64_C(86400)
#define YEARS_S (3650 * DAY_S)

/* A node, by name. */
struct node_keys {
    char name[PLAN_NAME_SIZE];
    uint8_t seed[IDENTITY_SEED_SIZE];
    uint8_t identity[IDENTITY_SIZE];
    uint8_t tunnel_key[IDENTITY_TUNNEL_KEY_SIZE];
    uint8_t tunnel_public[IDENTITY_TUNNEL_KEY_SIZE];
    uint32_t serial;
};

enum paper_kind { PAPER_CERTIFICATE, PAPER_CREDENTIAL, PAPER_RECORD };

/* What was signed, and what it is known by. */
struct paper {
    struct paper *next;
    enum paper_kind kind;
    char name[PLAN_NAME_SIZE];
    char issuer[PLAN_NAME_SIZE];
    uint64_t begin_s; /* of the run that it is for */
    uint32_t place;   /* of a credential */
    struct endpoint endpoints[SERVER_ENDPOINTS_MAX];
    uint32_t endpoint_count;
    uint8_t bytes[IDENTITY_ENCODING_MAX];
    uint32_t size;
};

struct kept_keys {
    struct kept_keys *next;
    struct node_keys keys;
};

static const uint8_t families[] = {ADDR_V4, ADDR_V6};
static struct kept_keys *all_keys;
static struct paper *all_papers;
static uint64_t clock_s = MESH_CLOCK_S;

void mesh_set_clock(uint64_t now_s)
{
    check(now_s > DAY_S);
    clock_s = now_s;
}

static void draw(struct random_stream *stream, uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = (uint8_t)random_u64(stream);
}

/* The keys of a name; the mesh's root is the one without. */
static const struct node_keys *keys_of(const char *name)
{
    for (const struct kept_keys *kept = all_keys; kept != NULL; kept = kept->next)
        if (strcmp(kept->keys.name, name) == 0)
            return &kept->keys;
    check(strlen(name) < PLAN_NAME_SIZE);
    struct kept_keys *kept = calloc(1, sizeof *kept);
    check(kept != NULL);
    static const uint8_t zero[RANDOM_SEED_SIZE];
    struct node_keys *keys = &kept->keys;
    char stream_name[PLAN_NAME_SIZE + 16] = "identity/";
    strcpy(keys->name, name);
    strcat(stream_name, name);
    struct random_stream stream;
    random_stream_init(&stream, zero, stream_name, strlen(stream_name));
    draw(&stream, keys->seed, sizeof keys->seed);
    draw(&stream, keys->tunnel_key, sizeof keys->tunnel_key);
    keys->serial = (uint32_t)random_u64(&stream);
    crypto_real.ed25519_public(keys->identity, keys->seed);
    crypto_real.x25519_public(keys->tunnel_public, keys->tunnel_key);
    kept->next = all_keys;
    all_keys = kept;
    return keys;
}

const uint8_t *mesh_key(const char *name)
{
    check(name[0] != 0);
    return keys_of(name)->identity;
}

const uint8_t *mesh_tunnel_key(const char *name)
{
    check(name[0] != 0);
    return keys_of(name)->tunnel_public;
}

struct addr mesh_inner(uint32_t place, uint8_t family)
{
    check(place < PLAN_PLACES_MAX);
    if (family == ADDR_V4)
        return addr_v4(UINT32_C(0x0a400000) + place + 1, 0);
    check(family == ADDR_V6);
    const uint8_t ip[16] = {0xfd,
                            'w',
                            'a',
                            'r',
                            'r',
                            'e',
                            'n',
                            [14] = (uint8_t)((place + 1) >> 8),
                            (uint8_t)(place + 1)};
    return addr_v6(ip, 0);
}

/* A place's name as a label, whose letters are fewer. */
static struct label label_from(const char *name)
{
    char text[IDENTITY_LABEL_MAX + 1];
    size_t size = strlen(name);
    check(size > 0 && size <= IDENTITY_LABEL_MAX);
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        bool letter = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        text[i] = letter ? c : i == 0 || i + 1 == size ? 'x' : '-';
    }
    struct label label = label_of(text, size);
    check(label.size == size);
    return label;
}

static struct paper *find_paper(const struct paper *like)
{
    for (struct paper *paper = all_papers; paper != NULL; paper = paper->next) {
        bool same = paper->kind == like->kind && strcmp(paper->name, like->name) == 0 &&
                    strcmp(paper->issuer, like->issuer) == 0 && paper->begin_s == clock_s &&
                    paper->place == like->place && paper->endpoint_count == like->endpoint_count;
        for (uint32_t i = 0; same && i < like->endpoint_count; i++)
            same = paper->endpoints[i].role == like->endpoints[i].role &&
                   addr_equal(&paper->endpoints[i].addr, &like->endpoints[i].addr);
        if (same)
            return paper;
    }
    return NULL;
}

static size_t sign_certificate(struct paper *paper, const struct node_keys *keys)
{
    struct certificate certificate = {.name = label_from(keys->name),
                                      .roles = IDENTITY_ROLES_ALL,
                                      .not_before_s = paper->begin_s - DAY_S,
                                      .not_after_s = paper->begin_s + YEARS_S,
                                      .serial = keys->serial};
    memcpy(certificate.identity, keys->identity, sizeof keys->identity);
    memcpy(certificate.tunnel_key, keys->tunnel_public, sizeof keys->tunnel_public);
    bool done = certificate_sign(&certificate, &crypto_real, keys_of("")->seed);
    check(done);
    return certificate_encode(&certificate, paper->bytes, sizeof paper->bytes);
}

static size_t sign_credential(struct paper *paper, const struct node_keys *keys)
{
    struct credential credential = {.name = label_from(keys->name),
                                    .expiry_s = paper->begin_s + YEARS_S};
    for (size_t i = 0; i < sizeof families; i++)
        credential.addresses[credential.address_count++] = mesh_inner(paper->place, families[i]);
    memcpy(credential.identity, keys->identity, sizeof keys->identity);
    memcpy(credential.tunnel_key, keys->tunnel_public, sizeof keys->tunnel_public);
    bool done = credential_sign(&credential, &crypto_real, keys_of(paper->issuer)->seed);
    check(done);
    return credential_encode(&credential, paper->bytes, sizeof paper->bytes);
}

static size_t sign_record(struct paper *paper, const struct node_keys *keys)
{
    struct server_record record = {.version = 1, .endpoint_count = (uint8_t)paper->endpoint_count};
    memcpy(record.owner, keys->identity, sizeof keys->identity);
    memcpy(record.endpoints, paper->endpoints, sizeof record.endpoints);
    server_record_sort(&record);
    bool done = server_record_sign(&record, &crypto_real, keys->seed);
    check(done);
    return server_record_encode(&record, paper->bytes, sizeof paper->bytes);
}

/* The signed paper that is like this one; signed now, if it never was. */
static const struct paper *paper_of(const struct paper *like)
{
    struct paper *paper = find_paper(like);
    if (paper != NULL)
        return paper;
    paper = malloc(sizeof *paper);
    check(paper != NULL);
    *paper = *like;
    paper->begin_s = clock_s;
    const struct node_keys *keys = keys_of(paper->name);
    size_t size = paper->kind == PAPER_CERTIFICATE  ? sign_certificate(paper, keys)
                  : paper->kind == PAPER_CREDENTIAL ? sign_credential(paper, keys)
                                                    : sign_record(paper, keys);
    check(size > 0);
    paper->size = (uint32_t)size;
    paper->next = all_papers;
    all_papers = paper;
    return paper;
}

static const struct paper *certificate_of(const char *name)
{
    struct paper like = {.kind = PAPER_CERTIFICATE};
    check(strlen(name) < sizeof like.name);
    strcpy(like.name, name);
    return paper_of(&like);
}

void mesh_identity(struct node_in *in, const char *name, const char *issuer, uint32_t place)
{
    const struct node_keys *keys = keys_of(name);
    const struct paper *certificate = certificate_of(issuer != NULL ? issuer : name);
    *in = (struct node_in){.kind = NODE_IN_IDENTITY};
    memcpy(in->identity.seed, keys->seed, sizeof keys->seed);
    memcpy(in->identity.tunnel_key, keys->tunnel_key, sizeof keys->tunnel_key);
    memcpy(in->identity.root, keys_of("")->identity, IDENTITY_SIZE);
    in->identity.certificate = certificate->bytes;
    in->identity.certificate_size = certificate->size;
    if (issuer == NULL)
        return;
    struct paper like = {.kind = PAPER_CREDENTIAL, .place = place};
    strcpy(like.name, keys->name);
    strcpy(like.issuer, certificate->name);
    const struct paper *credential = paper_of(&like);
    in->identity.credential = credential->bytes;
    in->identity.credential_size = credential->size;
}

void mesh_peer(struct node_in *in, const char *name, uint32_t place)
{
    const struct node_keys *keys = keys_of(name);
    *in = (struct node_in){.kind = NODE_IN_PEER};
    memcpy(in->peer.peer, keys->identity, sizeof in->peer.peer);
    memcpy(in->peer.key, keys->tunnel_public, sizeof in->peer.key);
    for (size_t i = 0; i < sizeof families; i++) {
        struct addr addr = mesh_inner(place, families[i]);
        in->peer.subnets[in->peer.subnet_count++] =
            subnet_of(&addr, 8 * (unsigned)addr_ip_size(&addr));
    }
}

uint32_t mesh_endpoints(const struct net *net, uint32_t host, const struct plan_place *server,
                        struct endpoint endpoints[static SERVER_ENDPOINTS_MAX])
{
    const struct endpoint kinds[] = {
        {.addr.port = NET_PORT_PUNCH, .role = ENDPOINT_PUNCH},
        {.addr.port = server->port, .role = ENDPOINT_STUN},
        {.addr.port = server->alternate_port, .role = ENDPOINT_STUN_ALTERNATE},
        {.addr.port = NET_PORT_RELAY, .role = ENDPOINT_RELAY},
    };
    uint32_t count = 0;
    check(server->kind == PLAN_SERVER);
    for (size_t i = 0; i < sizeof families; i++) {
        struct addr addr = net_address(net, host, families[i], 0);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            if (addr.family != ADDR_NONE && kinds[k].addr.port != 0)
                endpoints[count++] =
                    (struct endpoint){addr_with_port(addr, kinds[k].addr.port), kinds[k].role};
    }
    return count;
}

void mesh_server(struct node_in *in, const char *name, const struct endpoint *endpoints,
                 uint32_t count)
{
    const struct paper *certificate = certificate_of(name);
    struct paper like = {.kind = PAPER_RECORD, .endpoint_count = count};
    check(count > 0 && count <= SERVER_ENDPOINTS_MAX);
    strcpy(like.name, certificate->name);
    memcpy(like.endpoints, endpoints, count * sizeof *endpoints);
    const struct paper *record = paper_of(&like);
    *in = (struct node_in){.kind = NODE_IN_SERVER};
    in->server.certificate = certificate->bytes;
    in->server.certificate_size = certificate->size;
    in->server.record = record->bytes;
    in->server.record_size = record->size;
}
