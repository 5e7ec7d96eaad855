/*
 * The files that say who is who, as an operator handles them: a node's identity, a mesh's root, a
 * server's certificate, a member's credential, a server's card, and a pre-shared key. Each is a
 * short INI file with base64 values; docs/protocol.md has the bytes in them.
 *
 *   identity     [identity] seed= tunnel=               secret, mode 0600
 *   root         [root] seed=                           secret, mode 0600
 *   certificate  [certificate] data=
 *   credential   [credential] data= certificate=        with its issuer's certificate
 *   card         [server] certificate= record=
 *   psk          32 bytes in base64, as `wg genpsk` writes them; secret
 *
 * Reading refuses a file that others could have read, where it holds a secret, and whatever does
 * not decode; it believes no signature. An error is one sentence that begins with the file's name,
 * and never has a value in it.
 */
#ifndef WARREN_DAEMON_KEYFILE_H
#define WARREN_DAEMON_KEYFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/bootstrap/identity.h"

enum {
    KEYFILE_BYTES_MAX = 16384, /* of a file */
    KEYFILE_PSK_SIZE = 32,
    KEYFILE_ROLES = 5,
};

/* The names of the roles in a certificate, in the order of their bits (enum identity_role). */
extern const char *const keyfile_roles[KEYFILE_ROLES];

struct keyfile_error {
    char text[512];
};

enum keyfile_kind {
    KEYFILE_NONE,
    KEYFILE_IDENTITY,
    KEYFILE_ROOT,
    KEYFILE_CERTIFICATE,
    KEYFILE_CREDENTIAL,
    KEYFILE_CARD,
};

struct keyfile_identity {
    uint8_t seed[IDENTITY_SEED_SIZE];                /* secret */
    uint8_t tunnel_key[IDENTITY_TUNNEL_KEY_SIZE];    /* secret: the X25519 private key */
    uint8_t identity[IDENTITY_SIZE];                 /* public, */
    uint8_t tunnel_public[IDENTITY_TUNNEL_KEY_SIZE]; /* and found from the secret ones */
};

struct keyfile_root {
    uint8_t seed[IDENTITY_SEED_SIZE]; /* secret */
    uint8_t root[IDENTITY_SIZE];
};

/* An encoding, as it stands in a file and as the node takes it. */
struct keyfile_data {
    uint32_t size;
    uint8_t bytes[IDENTITY_ENCODING_MAX];
};

struct keyfile_certificate {
    struct certificate certificate;
    struct keyfile_data data;
};

struct keyfile_credential {
    struct credential credential;
    struct certificate issuer;
    struct keyfile_data data;
    struct keyfile_data certificate; /* the issuer's */
};

struct keyfile_card {
    struct certificate certificate;
    struct server_record record;
    struct keyfile_data certificate_data;
    struct keyfile_data record_data;
};

/* What a file holds. Only the member of its kind is there. */
struct keyfile {
    enum keyfile_kind kind;
    union {
        struct keyfile_identity identity;
        struct keyfile_root root;
        struct keyfile_certificate certificate;
        struct keyfile_credential credential;
        struct keyfile_card card;
    };
};

/* KEYFILE_NONE: of any kind. On failure the struct is zero. */
bool keyfile_read(struct keyfile *file, enum keyfile_kind kind, const char *path,
                  struct keyfile_error *error);
/* Likewise from a string, `name` being the file's in errors. */
bool keyfile_parse(struct keyfile *file, enum keyfile_kind kind, const char *text, const char *name,
                   struct keyfile_error *error);
bool keyfile_read_psk(uint8_t psk[static KEYFILE_PSK_SIZE], const char *path,
                      struct keyfile_error *error);

/*
 * Writes by way of a temporary file beside it, synchronously, so that the file is there whole or
 * not at all. Never replaces an identity or a root: an existing one is an error.
 */
bool keyfile_write(const struct keyfile *file, const char *path, struct keyfile_error *error);

/* The file's text, and its size; `room` is KEYFILE_BYTES_MAX. Of a secret one it is a secret. */
size_t keyfile_format(const struct keyfile *file, char *to, size_t room);

/* Fresh keys from the kernel. */
void keyfile_make_identity(struct keyfile_identity *identity);
void keyfile_make_root(struct keyfile_root *root);
/* Overwrites it so that nothing stays in memory. */
void keyfile_wipe(struct keyfile *file);

#endif
