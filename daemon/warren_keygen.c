/* The commands of `warren` that make keys and sign papers. */
#include "daemon/warren_keygen.h"

#include <getopt.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "daemon/keyfile.h"
#include "daemon/text.h"

#define DAY_S UINT64_C(86400)

enum {
    EXIT_USAGE = 2,
    CERTIFICATE_DAYS = 3650, /* unless --days says otherwise */
    CREDENTIAL_DAYS = 365,
    DAYS_MAX = 36500,
};

/* ---- The command line ------------------------------------------------------------------------ */

/* What one of the commands was asked for. */
struct order {
    const char *command;
    const char *usage;
    const char *file; /* the one argument that is no option */
    const char *root;
    const char *issuer;
    const char *certificate;
    const char *output;
    bool named; /* the options with a value below were there */
    bool has_identity;
    bool has_key;
    bool has_days;
    bool has_serial;
    struct label name;
    uint8_t identity[IDENTITY_SIZE];
    uint8_t key[IDENTITY_TUNNEL_KEY_SIZE];
    uint16_t roles; /* 0: not there */
    uint64_t days;
    uint64_t serial;
    uint32_t address_count;
    struct addr addresses[CREDENTIAL_ADDRESSES_MAX];
    uint32_t tag_count;
    struct label tags[CREDENTIAL_TAGS_MAX];
};

/* Says what was wrong and the right form, in one line; returns the exit status. */
__attribute__((format(printf, 2, 3))) static int misuse(const struct order *order,
                                                        const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "warren %s: ", order->command);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "; usage: %s\n", order->usage);
    va_end(arguments);
    return EXIT_USAGE;
}

__attribute__((format(printf, 2, 3))) static int fail(const struct order *order, const char *format,
                                                      ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "warren %s: ", order->command);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return EXIT_FAILURE;
}

/* "issuer,punch": the roles; 0 when a word is none. */
static uint16_t parse_roles(const char *text)
{
    uint16_t found = 0;
    for (;;) {
        const size_t size = strcspn(text, ",");
        unsigned i = 0;
        while (i < KEYFILE_ROLES &&
               (strlen(keyfile_roles[i]) != size || memcmp(keyfile_roles[i], text, size) != 0))
            i++;
        if (i == KEYFILE_ROLES)
            return 0;
        found |= (uint16_t)(1U << i);
        if (text[size] == 0)
            return found;
        text += size + 1;
    }
}

static bool parse_label(struct label *label, const char *text, size_t max)
{
    if (!label_is_valid(text, strlen(text), max))
        return false;
    *label = label_of(text, strlen(text));
    return true;
}

static int take_address(struct order *order, const char *text)
{
    struct addr addr;
    if (!text_parse_ip(&addr, text) || !addr_is_unicast(&addr))
        return misuse(order, "--address must be an address inside the mesh, such as 10.64.0.2");
    for (uint32_t i = 0; i < order->address_count; i++)
        if (addr_equal(&order->addresses[i], &addr))
            return misuse(order, "--address %s is there twice", text);
    if (order->address_count == CREDENTIAL_ADDRESSES_MAX)
        return misuse(order, "at most %d times --address", CREDENTIAL_ADDRESSES_MAX);
    order->addresses[order->address_count++] = addr;
    return 0;
}

static int take_tag(struct order *order, const char *text)
{
    if (order->tag_count == CREDENTIAL_TAGS_MAX)
        return misuse(order, "at most %d times --tag", CREDENTIAL_TAGS_MAX);
    if (!parse_label(&order->tags[order->tag_count], text, IDENTITY_TAG_MAX))
        return misuse(order, "--tag must be 1 to %d of a-z, 0-9 and -, not - at either end",
                      IDENTITY_TAG_MAX);
    for (uint32_t i = 0; i < order->tag_count; i++)
        if (label_equal(&order->tags[i], &order->tags[order->tag_count]))
            return misuse(order, "--tag %s is there twice", text);
    order->tag_count++;
    return 0;
}

enum option_code {
    OPTION_ROOT = 256,
    OPTION_ISSUER,
    OPTION_CERTIFICATE,
    OPTION_NAME,
    OPTION_IDENTITY,
    OPTION_KEY,
    OPTION_ROLES,
    OPTION_DAYS,
    OPTION_SERIAL,
    OPTION_ADDRESS,
    OPTION_TAG,
};

/* Values are not repeated in what is said: one that is wrong may be a secret in a wrong place. */
static int take_option(struct order *order, int option, const char *text)
{
    switch (option) {
    case OPTION_ROOT:
        order->root = text;
        return 0;
    case OPTION_ISSUER:
        order->issuer = text;
        return 0;
    case OPTION_CERTIFICATE:
        order->certificate = text;
        return 0;
    case 'o':
        order->output = text;
        return 0;
    case OPTION_NAME:
        order->named = parse_label(&order->name, text, IDENTITY_LABEL_MAX);
        return order->named
                   ? 0
                   : misuse(order, "--name must be 1 to 63 of a-z, 0-9 and -, not - at either end");
    case OPTION_IDENTITY:
        order->has_identity = text_parse_key(order->identity, text);
        return order->has_identity ? 0
                                   : misuse(order, "--identity must be the public identity that "
                                                   "`warren keygen` printed");
    case OPTION_KEY:
        order->has_key = text_parse_key(order->key, text);
        return order->has_key ? 0
                              : misuse(order, "--key must be the tunnel key that `warren keygen` "
                                              "printed");
    case OPTION_ROLES:
        order->roles = parse_roles(text);
        return order->roles != 0
                   ? 0
                   : misuse(order, "--roles must be some of issuer,punch,relay,stun,dns");
    case OPTION_DAYS:
        order->has_days = text_parse_number(&order->days, text, 1, DAYS_MAX);
        return order->has_days ? 0
                               : misuse(order, "--days must be a number from 1 to %d", DAYS_MAX);
    case OPTION_SERIAL:
        order->has_serial = text_parse_number(&order->serial, text, 0, UINT32_MAX);
        return order->has_serial
                   ? 0
                   : misuse(order, "--serial must be a number from 0 to %" PRIu32, UINT32_MAX);
    case OPTION_ADDRESS:
        return take_address(order, text);
    case OPTION_TAG:
        return take_tag(order, text);
    default:
        return misuse(order, "unknown option, or one without its value");
    }
}

/*
 * Reads a command line with these options, and with one argument beside them where `file` says so.
 * 0, or the exit status; *done when there is nothing more to do.
 */
static int take_order(struct order *order, int argc, char **argv, const struct option *options,
                      bool file, bool *done)
{
    *done = true;
    optind = 0; /* glibc: begin anew */
    opterr = 0;
    int status = 0, option;
    while (status == 0 && (option = getopt_long(argc, argv, "o:h", options, NULL)) != -1) {
        if (option == 'h') {
            printf("usage: %s\n", order->usage);
            return 0;
        }
        status = take_option(order, option, optarg);
    }
    if (status != 0)
        return status;
    if (file && optind + 1 != argc)
        return misuse(order, optind == argc ? "FILE is missing" : "one FILE only");
    if (!file && optind != argc)
        return misuse(order, "every argument belongs to an option");
    order->file = file ? argv[optind] : NULL;
    *done = false;
    return 0;
}

/* ---- keygen and root ------------------------------------------------------------------------- */

static const struct option no_options[] = {{"help", no_argument, NULL, 'h'}, {0}};

static void print_key(const char *name, const uint8_t *key)
{
    char text[TEXT_KEY_SIZE];
    printf("%s %s\n", name, text_key(text, key));
}

/* What a script reads goes to standard output; false when that is closed or full. */
static bool is_printed(void)
{
    return fflush(stdout) == 0 && !ferror(stdout);
}

int cmd_keygen(int argc, char **argv)
{
    struct order order = {.command = "keygen", .usage = "warren keygen FILE"};
    bool done;
    const int status = take_order(&order, argc, argv, no_options, true, &done);
    if (done)
        return status;
    struct keyfile file = {.kind = KEYFILE_IDENTITY};
    struct keyfile_error error;
    keyfile_make_identity(&file.identity);
    const bool good = keyfile_write(&file, order.file, &error);
    if (good) {
        print_key("identity", file.identity.identity);
        print_key("key", file.identity.tunnel_public);
    }
    keyfile_wipe(&file);
    if (!good)
        return fail(&order, "%s", error.text);
    return is_printed() ? 0 : fail(&order, "the public keys could not be printed; warren show");
}

int cmd_root(int argc, char **argv)
{
    struct order order = {.command = "root", .usage = "warren root FILE"};
    bool done;
    const int status = take_order(&order, argc, argv, no_options, true, &done);
    if (done)
        return status;
    struct keyfile file = {.kind = KEYFILE_ROOT};
    struct keyfile_error error;
    keyfile_make_root(&file.root);
    const bool good = keyfile_write(&file, order.file, &error);
    if (good)
        print_key("root", file.root.root);
    keyfile_wipe(&file);
    if (!good)
        return fail(&order, "%s", error.text);
    return is_printed() ? 0 : fail(&order, "the root's key could not be printed; warren show");
}

/* ---- certify and enroll ---------------------------------------------------------------------- */

/* 0 when the clock stands before anything could have been signed. */
static uint64_t wall_clock_s(void)
{
    const time_t now = time(NULL);
    return now > (time_t)DAY_S ? (uint64_t)now : 0;
}

/* To the file that -o names, or to standard output. */
static int deliver(const struct order *order, const struct keyfile *file)
{
    struct keyfile_error error;
    if (order->output != NULL)
        return keyfile_write(file, order->output, &error) ? 0 : fail(order, "%s", error.text);
    char text[KEYFILE_BYTES_MAX];
    const size_t size = keyfile_format(file, text, sizeof text);
    if (fwrite(text, 1, size, stdout) != size || !is_printed())
        return fail(order, "the %s could not be printed", order->command);
    return 0;
}

/* What both kinds of paper need; 0, or the exit status. */
static int check_subject(const struct order *order)
{
    if (!order->named)
        return misuse(order, "--name is missing");
    if (!order->has_identity)
        return misuse(order, "--identity is missing");
    if (!order->has_key)
        return misuse(order, "--key is missing");
    if (memcmp(order->identity, order->key, sizeof order->key) == 0)
        return misuse(order, "--identity and --key are the same, and are never");
    return 0;
}

static int certify(const struct order *order, const struct keyfile_root *root, uint64_t now_s)
{
    struct keyfile file = {.kind = KEYFILE_CERTIFICATE};
    struct certificate *certificate = &file.certificate.certificate;
    certificate->name = order->name;
    certificate->roles = order->roles != 0 ? order->roles : IDENTITY_ROLES_ALL;
    /* From the day before, for servers whose clock is a little behind. */
    certificate->not_before_s = now_s - DAY_S;
    certificate->not_after_s =
        now_s + DAY_S * (order->has_days ? order->days : (uint64_t)CERTIFICATE_DAYS);
    certificate->serial = order->has_serial ? (uint32_t)order->serial : randombytes_random();
    memcpy(certificate->identity, order->identity, IDENTITY_SIZE);
    memcpy(certificate->tunnel_key, order->key, IDENTITY_TUNNEL_KEY_SIZE);
    bool good = certificate_sign(certificate, &crypto_real, root->seed);
    check(good);
    const struct identity_trust trust = {.root = root->root, .now_s = now_s};
    good = certificate_verify(certificate, &crypto_real, &trust) == IDENTITY_OK;
    check(good);
    struct keyfile_data *data = &file.certificate.data;
    data->size = (uint32_t)certificate_encode(certificate, data->bytes, sizeof data->bytes);
    check(data->size > 0);
    return deliver(order, &file);
}

int cmd_certify(int argc, char **argv)
{
    static const struct option options[] = {
        {"root", required_argument, NULL, OPTION_ROOT},
        {"name", required_argument, NULL, OPTION_NAME},
        {"identity", required_argument, NULL, OPTION_IDENTITY},
        {"key", required_argument, NULL, OPTION_KEY},
        {"roles", required_argument, NULL, OPTION_ROLES},
        {"days", required_argument, NULL, OPTION_DAYS},
        {"serial", required_argument, NULL, OPTION_SERIAL},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct order order = {
        .command = "certify",
        .usage = "warren certify --root FILE --name NAME --identity PUBLIC --key PUBLIC "
                 "[--roles issuer,punch,relay,stun,dns] [--days N] [--serial N] [-o FILE]",
    };
    bool done;
    int status = take_order(&order, argc, argv, options, false, &done);
    if (done)
        return status;
    if (order.root == NULL)
        return misuse(&order, "--root is missing: the file of `warren root`");
    status = check_subject(&order);
    if (status != 0)
        return status;
    const uint64_t now_s = wall_clock_s();
    if (now_s == 0)
        return fail(&order, "the clock is not set, and a certificate says from when it is valid");
    struct keyfile root;
    struct keyfile_error error;
    if (!keyfile_read(&root, KEYFILE_ROOT, order.root, &error))
        return fail(&order, "%s", error.text);
    status = certify(&order, &root.root, now_s);
    keyfile_wipe(&root);
    return status;
}

/* Whether this server may sign; 0, or the exit status. */
static int check_issuer(const struct order *order, const struct keyfile_identity *issuer,
                        const struct certificate *certificate, uint64_t now_s)
{
    char text[TEXT_TIME_SIZE];
    if (memcmp(certificate->identity, issuer->identity, IDENTITY_SIZE) != 0 ||
        memcmp(certificate->tunnel_key, issuer->tunnel_public, IDENTITY_TUNNEL_KEY_SIZE) != 0)
        return fail(order, "%s is the certificate of another server than %s is the identity of",
                    order->certificate, order->issuer);
    if ((certificate->roles & IDENTITY_ROLE_ISSUER) == 0)
        return fail(order, "%s does not let its server enroll: it has no role issuer",
                    order->certificate);
    if (now_s < certificate->not_before_s)
        return fail(order, "%s is valid from %s on; is the clock right?", order->certificate,
                    text_time(text, certificate->not_before_s));
    if (now_s > certificate->not_after_s)
        return fail(order, "%s has expired (%s); the root must certify the server again",
                    order->certificate, text_time(text, certificate->not_after_s));
    return 0;
}

static int enroll(const struct order *order, const struct keyfile_identity *issuer,
                  const struct keyfile_certificate *certificate, uint64_t now_s)
{
    char text[TEXT_TIME_SIZE];
    struct keyfile file = {.kind = KEYFILE_CREDENTIAL};
    struct credential *credential = &file.credential.credential;
    const uint64_t last_s = certificate->certificate.not_after_s;
    credential->name = order->name;
    credential->expiry_s =
        now_s + DAY_S * (order->has_days ? order->days : (uint64_t)CREDENTIAL_DAYS);
    /* Nobody believes it any longer than its issuer. */
    if (credential->expiry_s > last_s) {
        if (order->has_days)
            return fail(order,
                        "the certificate of the issuer is valid until %s only; --days must "
                        "be %" PRIu64 " or less",
                        text_time(text, last_s), (last_s - now_s) / DAY_S);
        credential->expiry_s = last_s;
    }
    memcpy(credential->identity, order->identity, IDENTITY_SIZE);
    memcpy(credential->tunnel_key, order->key, IDENTITY_TUNNEL_KEY_SIZE);
    credential->address_count = (uint8_t)order->address_count;
    memcpy(credential->addresses, order->addresses, sizeof order->addresses);
    credential->tag_count = (uint8_t)order->tag_count;
    memcpy(credential->tags, order->tags, sizeof order->tags);
    credential_sort(credential);
    const bool good = credential_sign(credential, &crypto_real, issuer->seed);
    check(good);
    struct keyfile_data *data = &file.credential.data;
    data->size = (uint32_t)credential_encode(credential, data->bytes, sizeof data->bytes);
    check(data->size > 0);
    file.credential.issuer = certificate->certificate;
    file.credential.certificate = certificate->data;
    return deliver(order, &file);
}

/* With the issuer's secrets read. */
static int enroll_with(const struct order *order, const struct keyfile_identity *issuer)
{
    struct keyfile certificate;
    struct keyfile_error error;
    const uint64_t now_s = wall_clock_s();
    if (now_s == 0)
        return fail(order, "the clock is not set, and a credential says until when it is valid");
    if (!keyfile_read(&certificate, KEYFILE_CERTIFICATE, order->certificate, &error))
        return fail(order, "%s", error.text);
    const int status = check_issuer(order, issuer, &certificate.certificate.certificate, now_s);
    return status != 0 ? status : enroll(order, issuer, &certificate.certificate, now_s);
}

int cmd_enroll(int argc, char **argv)
{
    static const struct option options[] = {
        {"issuer", required_argument, NULL, OPTION_ISSUER},
        {"certificate", required_argument, NULL, OPTION_CERTIFICATE},
        {"name", required_argument, NULL, OPTION_NAME},
        {"identity", required_argument, NULL, OPTION_IDENTITY},
        {"key", required_argument, NULL, OPTION_KEY},
        {"address", required_argument, NULL, OPTION_ADDRESS},
        {"tag", required_argument, NULL, OPTION_TAG},
        {"days", required_argument, NULL, OPTION_DAYS},
        {"output", required_argument, NULL, 'o'},
        {"help", no_argument, NULL, 'h'},
        {0},
    };
    struct order order = {
        .command = "enroll",
        .usage = "warren enroll --issuer FILE --certificate FILE --name NAME --identity PUBLIC "
                 "--key PUBLIC --address ADDRESS... [--tag TAG]... [--days N] [-o FILE]",
    };
    bool done;
    int status = take_order(&order, argc, argv, options, false, &done);
    if (done)
        return status;
    if (order.issuer == NULL)
        return misuse(&order, "--issuer is missing: the server's identity file");
    if (order.certificate == NULL)
        return misuse(&order, "--certificate is missing: the server's certificate");
    status = check_subject(&order);
    if (status != 0)
        return status;
    if (order.address_count == 0)
        return misuse(&order, "--address is missing: the member's address inside the mesh");
    struct keyfile issuer;
    struct keyfile_error error;
    if (!keyfile_read(&issuer, KEYFILE_IDENTITY, order.issuer, &error))
        return fail(&order, "%s", error.text);
    status = enroll_with(&order, &issuer.identity);
    keyfile_wipe(&issuer);
    return status;
}
