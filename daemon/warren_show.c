/* `warren show`: what a file of keys or papers says, without its secrets. */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "daemon/keyfile.h"
#include "daemon/text.h"
#include "daemon/warren_keygen.h"

enum { EXIT_USAGE = 2 };

static const char usage[] = "warren show [--root PUBLIC] FILE";

static const char *const endpoint_names[ENDPOINT_ROLE_MAX + 1] = {
    [ENDPOINT_API] = "api",     [ENDPOINT_TUNNEL] = "tunnel",
    [ENDPOINT_PUNCH] = "punch", [ENDPOINT_GOSSIP] = "gossip",
    [ENDPOINT_STUN] = "stun",   [ENDPOINT_STUN_ALTERNATE] = "stun-alternate",
    [ENDPOINT_RELAY] = "relay", [ENDPOINT_DNS] = "dns",
};

/* `prefix` tells what is the issuer's from what is the member's own. */
static void show_key(const char *prefix, const char *name, const uint8_t *key)
{
    char text[TEXT_KEY_SIZE];
    printf("%s%s %s\n", prefix, name, text_key(text, key));
}

static void show_label(const char *prefix, const char *name, const struct label *label)
{
    printf("%s%s %.*s\n", prefix, name, (int)label->size, label->text);
}

static void show_time(const char *prefix, const char *name, uint64_t seconds)
{
    char text[TEXT_TIME_SIZE];
    printf("%s%s %s\n", prefix, name, text_time(text, seconds));
}

static void show_certificate(const char *prefix, const struct certificate *certificate)
{
    const char *separator = " ";
    show_label(prefix, "name", &certificate->name);
    show_key(prefix, "identity", certificate->identity);
    show_key(prefix, "key", certificate->tunnel_key);
    printf("%sroles", prefix);
    for (unsigned i = 0; i < KEYFILE_ROLES; i++)
        if (((unsigned)certificate->roles >> i & 1) != 0) {
            printf("%s%s", separator, keyfile_roles[i]);
            separator = ",";
        }
    putchar('\n');
    show_time(prefix, "valid-from", certificate->not_before_s);
    show_time(prefix, "valid-until", certificate->not_after_s);
    printf("%sserial %" PRIu32 "\n", prefix, certificate->serial);
}

static void show_credential(const struct keyfile_credential *file)
{
    char text[TEXT_ADDR_SIZE];
    const struct credential *credential = &file->credential;
    show_label("", "name", &credential->name);
    show_key("", "identity", credential->identity);
    show_key("", "key", credential->tunnel_key);
    for (unsigned i = 0; i < credential->address_count; i++)
        printf("address %s\n", text_addr(text, &credential->addresses[i]));
    for (unsigned i = 0; i < credential->tag_count; i++)
        show_label("", "tag", &credential->tags[i]);
    show_time("", "valid-until", credential->expiry_s);
    show_certificate("issuer-", &file->issuer);
}

static void show_card(const struct keyfile_card *file)
{
    char text[TEXT_ADDR_SIZE];
    const struct server_record *record = &file->record;
    show_certificate("", &file->certificate);
    printf("record-version %" PRIu64 "\n", record->version);
    if (record->region.size > 0)
        show_label("", "region", &record->region);
    printf("load %u\n", (unsigned)record->load);
    for (unsigned i = 0; i < record->endpoint_count; i++) {
        const struct endpoint *endpoint = &record->endpoints[i];
        check(endpoint->role <= ENDPOINT_ROLE_MAX && endpoint_names[endpoint->role] != NULL);
        printf("endpoint %s %s\n", endpoint_names[endpoint->role],
               text_addr(text, &endpoint->addr));
    }
}

static void show(const struct keyfile *file)
{
    static const char *const words[] = {
        [KEYFILE_NONE] = "",
        [KEYFILE_IDENTITY] = "identity",
        [KEYFILE_ROOT] = "root",
        [KEYFILE_CERTIFICATE] = "certificate",
        [KEYFILE_CREDENTIAL] = "credential",
        [KEYFILE_CARD] = "card",
    };
    printf("kind %s\n", words[file->kind]);
    switch (file->kind) {
    case KEYFILE_IDENTITY:
        show_key("", "identity", file->identity.identity);
        show_key("", "key", file->identity.tunnel_public);
        break;
    case KEYFILE_ROOT:
        show_key("", "root", file->root.root);
        break;
    case KEYFILE_CERTIFICATE:
        show_certificate("", &file->certificate.certificate);
        break;
    case KEYFILE_CREDENTIAL:
        show_credential(&file->credential);
        break;
    case KEYFILE_CARD:
        show_card(&file->card);
        break;
    case KEYFILE_NONE:
        break;
    }
}

/* Whether the mesh of this root would believe the file now. */
static enum identity_error verify(const struct keyfile *file, const uint8_t *root)
{
    const struct identity_trust trust = {.root = root, .now_s = (uint64_t)time(NULL)};
    if (file->kind == KEYFILE_CERTIFICATE)
        return certificate_verify(&file->certificate.certificate, &crypto_real, &trust);
    if (file->kind == KEYFILE_CREDENTIAL)
        return credential_verify(&file->credential.credential, &file->credential.issuer,
                                 &crypto_real, &trust);
    check(file->kind == KEYFILE_CARD);
    return server_record_verify(&file->card.record, &file->card.certificate, &crypto_real, &trust);
}

static int misuse(const char *what)
{
    fprintf(stderr, "warren show: %s; usage: %s\n", what, usage);
    return EXIT_USAGE;
}

/* The exit status; what the file says is printed even when it is not to be believed. */
static int show_file(const char *path, const uint8_t *root)
{
    struct keyfile file;
    struct keyfile_error error;
    if (!keyfile_read(&file, KEYFILE_NONE, path, &error)) {
        fprintf(stderr, "warren show: %s\n", error.text);
        return EXIT_FAILURE;
    }
    enum identity_error why = IDENTITY_OK;
    show(&file);
    if (file.kind != KEYFILE_IDENTITY && file.kind != KEYFILE_ROOT) {
        if (root != NULL)
            why = verify(&file, root);
        printf("signatures %s\n", root == NULL         ? "not checked (--root PUBLIC checks them)"
                                  : why == IDENTITY_OK ? "good"
                                                       : identity_error_name(why));
    }
    keyfile_wipe(&file);
    const bool printed = fflush(stdout) == 0 && !ferror(stdout);
    return why == IDENTITY_OK && printed ? 0 : EXIT_FAILURE;
}

int cmd_show(int argc, char **argv)
{
    static const struct option options[] = {
        {"root", required_argument, NULL, 'r'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    uint8_t root[IDENTITY_SIZE];
    bool rooted = false;
    int option;
    optind = 0; /* glibc: begin anew */
    opterr = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            printf("usage: %s\n", usage);
            return 0;
        }
        if (option != 'r')
            return misuse("unknown option, or one without its value");
        rooted = text_parse_key(root, optarg);
        if (!rooted)
            return misuse("--root must be the public key that `warren root` printed");
    }
    if (optind + 1 != argc)
        return misuse(optind == argc ? "FILE is missing" : "one FILE only");
    return show_file(argv[optind], rooted ? root : NULL);
}
