/* Tests the commands that make keys and sign papers, as an operator would use them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "daemon/keyfile.h"
#include "daemon/text.h"
#include "daemon/warren_keygen.h"

#define DAY_S UINT64_C(86400)
#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define TWOS "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define ONES_START "AQEBAQEB"

enum { OUTPUT_SIZE = 8192, WORDS_MAX = 32 };

/* What the last command printed. */
static char output[OUTPUT_SIZE], errors[OUTPUT_SIZE];

static void take(char *to, const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    to[fread(to, 1, OUTPUT_SIZE - 1, file)] = 0;
    fclose(file);
}

/* Runs one command, whose words have one space between them; its exit status. */
static int run(const char *line)
{
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"keygen", cmd_keygen},
                    {"root", cmd_root},
                    {"certify", cmd_certify},
                    {"enroll", cmd_enroll},
                    {"show", cmd_show}};
    char words[2048], *argv[WORDS_MAX + 1] = {NULL};
    int argc = 0, status = -1;
    assert_non_null(line);
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word != NULL; word = strtok(NULL, " ")) {
        assert_true(argc < WORDS_MAX);
        argv[argc++] = word;
    }
    const char *name = argc > 0 ? argv[0] : "";
    fflush(stdout);
    fflush(stderr);
    const int old_output = dup(STDOUT_FILENO), old_errors = dup(STDERR_FILENO);
    const bool redirected =
        freopen("output", "w", stdout) != NULL && freopen("errors", "w", stderr) != NULL;
    for (size_t i = 0; redirected && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(commands[i].name, name) == 0)
            status = commands[i].run(argc, argv);
    fflush(stdout);
    fflush(stderr);
    dup2(old_output, STDOUT_FILENO);
    dup2(old_errors, STDERR_FILENO);
    close(old_output);
    close(old_errors);
    take(output, "output");
    take(errors, "errors");
    return status;
}

__attribute__((format(printf, 1, 2))) static int runf(const char *format, ...)
{
    char line[2048];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    return run(line);
}

static void read_good(struct keyfile *file, enum keyfile_kind kind, const char *path)
{
    struct keyfile_error error;
    if (!keyfile_read(file, kind, path, &error))
        fail_msg("%s", error.text);
}

/* A new folder for each test, which it stands in. */
static int enter_folder(void **state)
{
    static char folder[32];
    strcpy(folder, "/tmp/warren-keygen-XXXXXX");
    *state = folder;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int remove_one(const char *path, const struct stat *stat_of, int kind, struct FTW *place)
{
    (void)stat_of;
    (void)kind;
    (void)place;
    return remove(path);
}

static int leave_folder(void **state)
{
    return chdir("/") != 0 || nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS) != 0;
}

/* A root, a server s1 with its certificate, and a client's identity. */
struct mesh {
    struct keyfile root;
    struct keyfile server;
    struct keyfile client;
    char identity[TEXT_KEY_SIZE]; /* the client's */
    char key[TEXT_KEY_SIZE];
};

static void make_mesh(struct mesh *mesh, const char *certify_options)
{
    char identity[TEXT_KEY_SIZE], key[TEXT_KEY_SIZE];
    assert_int_equal(run("root root"), 0);
    assert_int_equal(run("keygen s1"), 0);
    assert_int_equal(run("keygen bob"), 0);
    read_good(&mesh->root, KEYFILE_ROOT, "root");
    read_good(&mesh->server, KEYFILE_IDENTITY, "s1");
    read_good(&mesh->client, KEYFILE_IDENTITY, "bob");
    text_key(mesh->identity, mesh->client.identity.identity);
    text_key(mesh->key, mesh->client.identity.tunnel_public);
    assert_int_equal(runf("certify --root root --name s1 --identity %s --key %s -o s1.cert %s",
                          text_key(identity, mesh->server.identity.identity),
                          text_key(key, mesh->server.identity.tunnel_public), certify_options),
                     0);
    assert_string_equal(errors, "");
}

static void keys_are_made_and_public_ones_printed(void **state)
{
    (void)state;
    struct keyfile file;
    char key[TEXT_KEY_SIZE], other[TEXT_KEY_SIZE], wanted[256];
    assert_int_equal(run("keygen me"), 0);
    read_good(&file, KEYFILE_IDENTITY, "me");
    snprintf(wanted, sizeof wanted, "identity %s\nkey %s\n", text_key(key, file.identity.identity),
             text_key(other, file.identity.tunnel_public));
    assert_string_equal(output, wanted);
    assert_string_equal(errors, "");
    assert_int_equal(run("root root"), 0);
    read_good(&file, KEYFILE_ROOT, "root");
    snprintf(wanted, sizeof wanted, "root %s\n", text_key(key, file.root.root));
    assert_string_equal(output, wanted);
    /* They are there now, and stay. */
    assert_int_equal(run("keygen root"), 1);
    assert_string_equal(output, "");
    assert_non_null(strstr(errors, "warren keygen: root: is there already"));
    assert_int_equal(run("root root"), 1);
    assert_int_equal(run("keygen nowhere/me"), 1);
    assert_non_null(strstr(errors, "warren keygen: nowhere/me: cannot be written"));
}

static void a_mesh_is_signed_down_from_its_root(void **state)
{
    (void)state;
    static struct mesh mesh;
    make_mesh(&mesh, "");
    assert_int_equal(runf("enroll --issuer s1 --certificate s1.cert --name bob --identity %s "
                          "--key %s --address 10.64.0.3 --address 10.64.0.2 --tag phone "
                          "--tag android -o bob.cred",
                          mesh.identity, mesh.key),
                     0);
    const uint64_t now_s = (uint64_t)time(NULL);
    const struct identity_trust trust = {.root = mesh.root.root.root, .now_s = now_s};
    struct keyfile file;
    read_good(&file, KEYFILE_CERTIFICATE, "s1.cert");
    const struct certificate *certificate = &file.certificate.certificate;
    assert_int_equal(certificate_verify(certificate, &crypto_real, &trust), IDENTITY_OK);
    assert_int_equal(certificate->roles, IDENTITY_ROLES_ALL);
    assert_in_range(certificate->not_before_s, now_s - DAY_S - 100, now_s - DAY_S);
    assert_in_range(certificate->not_after_s, now_s + 3650 * DAY_S - 100, now_s + 3650 * DAY_S);
    read_good(&file, KEYFILE_CREDENTIAL, "bob.cred");
    const struct credential *credential = &file.credential.credential;
    assert_int_equal(credential_verify(credential, &file.credential.issuer, &crypto_real, &trust),
                     IDENTITY_OK);
    assert_memory_equal(credential->identity, mesh.client.identity.identity, IDENTITY_SIZE);
    assert_memory_equal(credential->tunnel_key, mesh.client.identity.tunnel_public, IDENTITY_SIZE);
    assert_int_equal(credential->address_count, 2);
    assert_int_equal(credential->addresses[0].ip[3], 2);
    assert_int_equal(credential->tag_count, 2);
    assert_in_range(credential->expiry_s, now_s + 365 * DAY_S - 100, now_s + 365 * DAY_S);
}

static void options_reach_the_papers(void **state)
{
    (void)state;
    static struct mesh mesh;
    make_mesh(&mesh, "--roles relay,issuer --days 10 --serial 7");
    struct keyfile file;
    struct keyfile_error error;
    read_good(&file, KEYFILE_CERTIFICATE, "s1.cert");
    const struct certificate *certificate = &file.certificate.certificate;
    const uint64_t last_s = certificate->not_after_s;
    assert_int_equal(certificate->roles, IDENTITY_ROLE_RELAY | IDENTITY_ROLE_ISSUER);
    assert_int_equal(certificate->serial, 7);
    assert_int_equal(last_s - certificate->not_before_s, 11 * DAY_S);
    /* Nobody believes a credential any longer than its issuer. */
    static const char enroll[] = "enroll --issuer s1 --certificate s1.cert --name bob --identity "
                                 "%s --key %s --address 10.64.0.2 %s";
    assert_int_equal(runf(enroll, mesh.identity, mesh.key, ""), 0);
    assert_true(keyfile_parse(&file, KEYFILE_CREDENTIAL, output, "output", &error));
    assert_int_equal(file.credential.credential.expiry_s, last_s);
    assert_int_equal(runf(enroll, mesh.identity, mesh.key, "--days 9"), 0);
    assert_true(keyfile_parse(&file, KEYFILE_CREDENTIAL, output, "output", &error));
    assert_true(file.credential.credential.expiry_s < last_s);
    assert_int_equal(runf(enroll, mesh.identity, mesh.key, "--days 11"), 1);
    assert_non_null(strstr(errors, "the certificate of the issuer is valid until"));
    assert_string_equal(output, "");
}

static void who_may_not_sign_does_not(void **state)
{
    (void)state;
    static struct mesh mesh;
    make_mesh(&mesh, "--roles relay");
    static const struct {
        const char *options;
        const char *error;
    } cases[] = {
        {"--issuer s1 --certificate s1.cert", "it has no role issuer"},
        {"--issuer bob --certificate s1.cert", "is the certificate of another server"},
        {"--issuer root --certificate s1.cert", "root:2: this is a mesh's root, and an identity"},
        {"--issuer s1.cert --certificate s1.cert", "this is a certificate, and an identity is"},
        {"--issuer s1 --certificate s1", "s1:2: this is an identity, and a certificate is needed"},
        {"--issuer none --certificate s1.cert", "none: No such file or directory"},
        {"--issuer s1 --certificate none", "none: No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(runf("enroll %s --name bob --identity %s --key %s --address 10.64.0.2",
                              cases[i].options, mesh.identity, mesh.key),
                         1);
        assert_string_equal(output, "");
        if (strstr(errors, cases[i].error) == NULL)
            fail_msg("%s", errors);
    }
}

static void wrong_use_is_told_in_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *line;
        const char *error;
    } cases[] = {
        {"keygen", "FILE is missing; usage: warren keygen FILE"},
        {"keygen a b", "one FILE only; usage: warren keygen FILE"},
        {"keygen --days 3 a", "unknown option"},
        {"root", "FILE is missing; usage: warren root FILE"},
        {"certify", "--root is missing"},
        {"certify a", "every argument belongs to an option"},
        {"certify --root r --identity " ONES " --key " TWOS, "--name is missing"},
        {"certify --root r --name s1 --key " TWOS, "--identity is missing"},
        {"certify --root r --name s1 --identity " ONES, "--key is missing"},
        {"certify --root r --name s1 --identity " ONES " --key " ONES, "are the same"},
        {"certify --name S1", "--name must be 1 to 63"},
        {"certify --identity x" ONES, "--identity must be the public identity"},
        {"certify --key me.key", "--key must be the tunnel key"},
        {"certify --roles relay,all", "--roles must be some of issuer,punch,relay,stun,dns"},
        {"certify --roles relay,", "--roles must be some of"},
        {"certify --days 0", "--days must be a number from 1 to 36500"},
        {"certify --days 36501", "--days must be a number from 1 to 36500"},
        {"certify --serial 4294967296", "--serial must be a number from 0 to 4294967295"},
        {"certify --root", "unknown option, or one without its value"},
        {"certify --tag a", "unknown option"},
        {"enroll", "--issuer is missing"},
        {"enroll --issuer a", "--certificate is missing"},
        {"enroll --issuer a --certificate b --name c --identity " ONES " --key " TWOS,
         "--address is missing"},
        {"enroll --address 10.64.0.2/32", "--address must be an address inside the mesh"},
        {"enroll --address 0.0.0.0", "--address must be an address inside the mesh"},
        {"enroll --address 10.64.0.2 --address 10.64.0.2", "--address 10.64.0.2 is there twice"},
        {"enroll --tag A", "--tag must be 1 to 31"},
        {"enroll --tag a --tag a", "--tag a is there twice"},
        {"enroll --tag a --tag b --tag c --tag d --tag e --tag f --tag g --tag h --tag i",
         "at most 8 times --tag"},
        {"show", "FILE is missing; usage: warren show"},
        {"show a b", "one FILE only; usage: warren show"},
        {"show --root a b", "--root must be the public key"},
        {"show -x", "unknown option"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(run(cases[i].line), 2);
        assert_string_equal(output, "");
        if (strstr(errors, cases[i].error) == NULL)
            fail_msg("%s: %s", cases[i].line, errors);
        assert_non_null(strstr(errors, "; usage: warren "));
        assert_ptr_equal(strchr(errors, '\n'), errors + strlen(errors) - 1);
        assert_null(strstr(errors, ONES_START));
    }
}

static void every_command_has_help(void **state)
{
    (void)state;
    static const char *const names[] = {"keygen", "root", "certify", "enroll", "show"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char wanted[64];
        assert_int_equal(runf("%s --help", names[i]), 0);
        snprintf(wanted, sizeof wanted, "usage: warren %s ", names[i]);
        assert_memory_equal(output, wanted, strlen(wanted));
        assert_string_equal(errors, "");
    }
}

/* ---- show ------------------------------------------------------------------------------------ */

static void secrets_are_not_shown(void **state)
{
    (void)state;
    static struct mesh mesh;
    make_mesh(&mesh, "");
    const uint8_t *const secrets[] = {mesh.server.identity.seed, mesh.server.identity.tunnel_key,
                                      mesh.root.root.seed};
    static const char *const lines[] = {"show s1", "show root", "show s1.cert"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(run(lines[i]), 0);
        assert_true(strlen(output) > 50);
        for (size_t k = 0; k < sizeof secrets / sizeof *secrets; k++) {
            char text[TEXT_KEY_SIZE];
            text_key(text, secrets[k]);
            text[40] = 0; /* with another end, too */
            assert_null(strstr(output, text));
        }
    }
}

static void papers_are_shown_and_verified(void **state)
{
    (void)state;
    static struct mesh mesh;
    char root[TEXT_KEY_SIZE], wanted[512];
    make_mesh(&mesh, "--roles relay,issuer --serial 7");
    assert_int_equal(runf("enroll --issuer s1 --certificate s1.cert --name bob --identity %s "
                          "--key %s --address 10.64.0.2 --tag phone -o bob.cred",
                          mesh.identity, mesh.key),
                     0);
    text_key(root, mesh.root.root.root);
    assert_int_equal(runf("show --root %s bob.cred", root), 0);
    snprintf(wanted, sizeof wanted,
             "kind credential\nname bob\nidentity %s\nkey %s\naddress 10.64.0.2\ntag "
             "phone\nvalid-until ",
             mesh.identity, mesh.key);
    assert_memory_equal(output, wanted, strlen(wanted));
    assert_non_null(strstr(output, "\nissuer-name s1\n"));
    assert_non_null(strstr(output, "\nissuer-roles issuer,relay\n"));
    assert_non_null(strstr(output, "\nissuer-serial 7\n"));
    assert_non_null(strstr(output, "\nsignatures good\n"));
    assert_int_equal(run("show bob.cred"), 0);
    assert_non_null(strstr(output, "\nsignatures not checked"));
    assert_int_equal(run("show --root " ONES " bob.cred"), 1);
    assert_non_null(strstr(output, "\nsignatures certificate-signature\n"));
    assert_int_equal(runf("show --root %s s1.cert", root), 0);
    assert_non_null(strstr(output, "kind certificate\nname s1\n"));
    assert_int_equal(run("show output"), 1);
    assert_non_null(strstr(errors, "warren show: output: the file is empty"));
}

static void cards_are_shown(void **state)
{
    (void)state;
    static struct mesh mesh;
    char root[TEXT_KEY_SIZE];
    struct keyfile file = {.kind = KEYFILE_CARD}, certificate;
    struct keyfile_error error;
    make_mesh(&mesh, "");
    read_good(&certificate, KEYFILE_CERTIFICATE, "s1.cert");
    struct keyfile_card *card = &file.card;
    card->certificate = certificate.certificate.certificate;
    card->certificate_data = certificate.certificate.data;
    card->record.version = 3;
    card->record.region = label_of("eu", 2);
    memcpy(card->record.owner, card->certificate.identity, IDENTITY_SIZE);
    card->record.endpoint_count = 2;
    card->record.endpoints[0] =
        (struct endpoint){.addr = addr_v4(0xcb007101, 51940), .role = ENDPOINT_TUNNEL};
    card->record.endpoints[1] =
        (struct endpoint){.addr = addr_v4(0xcb007101, 51941), .role = ENDPOINT_PUNCH};
    assert_true(server_record_sign(&card->record, &crypto_real, mesh.server.identity.seed));
    card->record_data.size = (uint32_t)server_record_encode(&card->record, card->record_data.bytes,
                                                            sizeof card->record_data.bytes);
    assert_true(keyfile_write(&file, "card", &error));
    assert_int_equal(runf("show --root %s card", text_key(root, mesh.root.root.root)), 0);
    assert_non_null(strstr(output, "kind card\nname s1\n"));
    assert_non_null(strstr(output, "\nrecord-version 3\nregion eu\nload 0\n"
                                   "endpoint tunnel 203.0.113.1:51940\n"
                                   "endpoint punch 203.0.113.1:51941\nsignatures good\n"));
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, enter_folder, leave_folder)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(keys_are_made_and_public_ones_printed),
        IN_FOLDER(a_mesh_is_signed_down_from_its_root),
        IN_FOLDER(options_reach_the_papers),
        IN_FOLDER(who_may_not_sign_does_not),
        IN_FOLDER(wrong_use_is_told_in_one_line),
        IN_FOLDER(every_command_has_help),
        IN_FOLDER(secrets_are_not_shown),
        IN_FOLDER(papers_are_shown_and_verified),
        IN_FOLDER(cards_are_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
