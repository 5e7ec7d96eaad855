/* Tests what files of keys may say, who may read them, and that no secret is repeated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "daemon/keyfile.h"
#include "daemon/text.h"

/* A key of ones, which is secret here; its public halves are of RFC 8032 and RFC 7748. */
#define ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define ONES_START "AQEBAQEB"
#define IDENTITY_TEXT "[identity]\nseed = " ONES "\ntunnel = " ONES "\n"

struct place {
    char folder[40];
    char path[64];
};

static void make_place(struct place *place)
{
    strcpy(place->folder, "/tmp/warren-keyfile-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/file", place->folder);
}

static void remove_place(const struct place *place)
{
    unlink(place->path);
    assert_int_equal(rmdir(place->folder), 0); /* so nothing temporary was left behind */
}

static void write_text(const struct place *place, const char *text, mode_t mode)
{
    FILE *file = fopen(place->path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    fclose(file);
    assert_int_equal(chmod(place->path, mode), 0);
}

/* Papers of a mesh with one server and one member; keys are their seeds' bytes. */
struct papers {
    struct keyfile certificate;
    struct keyfile credential;
    struct keyfile card;
};

static void sign_papers(struct papers *papers)
{
    uint8_t root[IDENTITY_SEED_SIZE] = {9}, server[IDENTITY_SEED_SIZE] = {1};
    *papers = (struct papers){.certificate = {.kind = KEYFILE_CERTIFICATE},
                              .credential = {.kind = KEYFILE_CREDENTIAL},
                              .card = {.kind = KEYFILE_CARD}};
    struct keyfile_certificate *mine = &papers->certificate.certificate;
    mine->certificate.name = label_of("s1", 2);
    mine->certificate.roles = IDENTITY_ROLES_ALL;
    mine->certificate.not_after_s = 1000;
    memset(mine->certificate.tunnel_key, 2, sizeof mine->certificate.tunnel_key);
    crypto_real.ed25519_public(mine->certificate.identity, server);
    assert_true(certificate_sign(&mine->certificate, &crypto_real, root));
    mine->data.size =
        (uint32_t)certificate_encode(&mine->certificate, mine->data.bytes, sizeof mine->data.bytes);

    struct keyfile_credential *member = &papers->credential.credential;
    member->credential.name = label_of("bob", 3);
    member->credential.expiry_s = 1000;
    memset(member->credential.identity, 3, IDENTITY_SIZE);
    memset(member->credential.tunnel_key, 4, IDENTITY_SIZE);
    assert_true(credential_sign(&member->credential, &crypto_real, server));
    member->data.size = (uint32_t)credential_encode(&member->credential, member->data.bytes,
                                                    sizeof member->data.bytes);
    member->issuer = mine->certificate;
    member->certificate = mine->data;

    struct keyfile_card *card = &papers->card.card;
    card->certificate = mine->certificate;
    card->certificate_data = mine->data;
    card->record.version = 1;
    memcpy(card->record.owner, mine->certificate.identity, IDENTITY_SIZE);
    card->record.endpoint_count = 1;
    card->record.endpoints[0] =
        (struct endpoint){.addr = addr_v4(0xc0000201, 51941), .role = ENDPOINT_PUNCH};
    assert_true(server_record_sign(&card->record, &crypto_real, server));
    card->record_data.size = (uint32_t)server_record_encode(&card->record, card->record_data.bytes,
                                                            sizeof card->record_data.bytes);
    assert_true(mine->data.size > 0 && member->data.size > 0 && card->record_data.size > 0);
}

static void what_is_written_is_read_again(void **state)
{
    (void)state;
    struct papers papers;
    sign_papers(&papers);
    struct keyfile identity = {.kind = KEYFILE_IDENTITY}, root = {.kind = KEYFILE_ROOT};
    keyfile_make_identity(&identity.identity);
    keyfile_make_root(&root.root);
    static const char *const names[] = {
        [KEYFILE_IDENTITY] = "an identity",      [KEYFILE_ROOT] = "a mesh's root",
        [KEYFILE_CERTIFICATE] = "a certificate", [KEYFILE_CREDENTIAL] = "a credential",
        [KEYFILE_CARD] = "a server's card",
    };
    const struct {
        const struct keyfile *file;
        mode_t mode;
    } cases[] = {
        {&identity, 0600},          {&root, 0600},        {&papers.certificate, 0644},
        {&papers.credential, 0644}, {&papers.card, 0644},
    };
    struct place place;
    make_place(&place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keyfile_error error;
        struct keyfile file;
        struct stat stat_of;
        const enum keyfile_kind kind = cases[i].file->kind;
        assert_true(keyfile_write(cases[i].file, place.path, &error));
        assert_int_equal(stat(place.path, &stat_of), 0);
        assert_int_equal(stat_of.st_mode & 07777, cases[i].mode);
        assert_true(keyfile_read(&file, kind, place.path, &error));
        assert_memory_equal(&file, cases[i].file, sizeof file);
        assert_true(keyfile_read(&file, KEYFILE_NONE, place.path, &error));
        assert_int_equal(file.kind, kind);
        /* Another kind than the one that is there. */
        const enum keyfile_kind other = kind == KEYFILE_CARD ? KEYFILE_ROOT : kind + 1;
        assert_false(keyfile_read(&file, other, place.path, &error));
        assert_non_null(strstr(error.text, names[kind]));
        assert_non_null(strstr(error.text, names[other]));
        assert_int_equal(file.kind, KEYFILE_NONE);
        unlink(place.path);
    }
    remove_place(&place);
}

/* Papers are renewed; keys are lost for good when they are replaced. */
static void keys_are_not_replaced(void **state)
{
    (void)state;
    struct papers papers;
    sign_papers(&papers);
    struct keyfile identity = {.kind = KEYFILE_IDENTITY}, other = {.kind = KEYFILE_IDENTITY};
    keyfile_make_identity(&identity.identity);
    keyfile_make_identity(&other.identity);
    assert_memory_not_equal(&identity, &other, sizeof identity);
    struct keyfile_error error;
    struct keyfile file;
    struct place place;
    make_place(&place);
    assert_true(keyfile_write(&papers.card, place.path, &error));
    assert_true(keyfile_write(&papers.certificate, place.path, &error));
    assert_false(keyfile_write(&identity, place.path, &error));
    assert_non_null(strstr(error.text, "is there already"));
    unlink(place.path);
    assert_true(keyfile_write(&identity, place.path, &error));
    assert_false(keyfile_write(&other, place.path, &error));
    assert_true(keyfile_read(&file, KEYFILE_IDENTITY, place.path, &error));
    assert_memory_equal(&file, &identity, sizeof file);
    remove_place(&place);
    assert_false(keyfile_write(&identity, place.path, &error));
    assert_non_null(strstr(error.text, "cannot be written: No such file or directory"));
}

static void known_keys_give_known_identities(void **state)
{
    (void)state;
    /* RFC 8032, section 7.1, test 1, and RFC 7748, section 6.1, Alice. */
    static const char text[] = "[identity]\n"
                               "seed = nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=\n"
                               "tunnel = dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo=\n";
    struct keyfile file;
    struct keyfile_error error;
    char key[TEXT_KEY_SIZE];
    assert_true(keyfile_parse(&file, KEYFILE_IDENTITY, text, "f", &error));
    assert_string_equal(text_key(key, file.identity.identity),
                        "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    assert_string_equal(text_key(key, file.identity.tunnel_public),
                        "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=");
}

static void every_mistake_has_its_line_and_no_secret(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"", "f: the file is empty; an identity is needed"},
        {"# nothing\n", "f: the file is empty; an identity is needed"},
        {"seed = " ONES "\n", "f:1: a value before the section; the first line is [identity], "
                              "[root], [certificate], [credential] or [server]"},
        {"\n[keys]\n", "f:2: this section is none of [identity], [root], [certificate], "
                       "[credential] and [server]"},
        {"[identity \"" ONES "\"]\n", "f:1: this section is none of [identity], [root], "
                                      "[certificate], [credential] and [server]"},
        {"[root]\nseed = " ONES "\n", "f:1: this is a mesh's root, and an identity is needed"},
        {"[identity]\nseed = " ONES "\n", "f: tunnel= is missing; was the file cut?"},
        {IDENTITY_TEXT "seed = " ONES "\n", "f:4: seed= is there twice"},
        {IDENTITY_TEXT "[identity]\n", "f:4: a second section; a file holds one thing"},
        {"[identity]\nsed = " ONES "\n", "f:2: [identity] has only seed= and tunnel="},
        {"[identity]\n" ONES "\n", "f:2: [identity] has only seed= and tunnel="},
        {"[identity]\nseed " ONES_START "\n", "f:2: no = in this line; it should be NAME = VALUE"},
        {"[identity]\nseed = " ONES_START "\n",
         "f:2: seed= must be 32 bytes in base64, not all of them zero"},
        {"[identity]\nseed = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
         "f:2: seed= must be 32 bytes in base64, not all of them zero"},
        {"[identity]\nseed = " ONES_START "*\n",
         "f:2: seed= is not base64, or too long; was the file cut or changed?"},
        {"[identity]\nseed =\n",
         "f:2: seed= is not base64, or too long; was the file cut or changed?"},
        {"[identity\nseed = " ONES "\n", "f:1: not a section; it should be [NAME]"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keyfile file;
        struct keyfile_error error;
        static const struct keyfile zero;
        assert_false(keyfile_parse(&file, KEYFILE_IDENTITY, cases[i].text, "f", &error));
        assert_string_equal(error.text, cases[i].error);
        assert_null(strstr(error.text, ONES_START));
        assert_memory_equal(&file, &zero, sizeof file);
    }
}

static void damaged_papers_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *error;
    } cases[] = {
        {"[certificate]\ndata = AQEBAQ==\n",
         "f: data= does not decode (truncated); fetch the file again from where it was made"},
        {"[certificate]\ndata = AgEBAQ==\n",
         "f: data= does not decode (wrong-kind); fetch the file again from where it was made"},
        {"[credential]\ndata = AgEBAQ==\ncertificate = AQEBAQ==\n",
         "f: data= does not decode (truncated); fetch the file again from where it was made"},
        {"[server]\nrecord = AQEBAQ==\ncertificate = AQEBAQ==\n",
         "f: certificate= does not decode (truncated); fetch the file again from where it was made"},
        {"[server]\ncertificate = AQEBAQ==\n", "f: record= is missing; was the file cut?"},
        {"[certificate]\nname = s1\n", "f:2: [certificate] has only data="},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keyfile file;
        struct keyfile_error error;
        assert_false(keyfile_parse(&file, KEYFILE_NONE, cases[i].text, "f", &error));
        assert_string_equal(error.text, cases[i].error);
        assert_int_equal(file.kind, KEYFILE_NONE);
    }
}

/* Whoever it is that could have read it: the group or everybody, to read or to write. */
static void open_secrets_are_refused(void **state)
{
    (void)state;
    static const struct {
        mode_t mode;
        bool good;
    } cases[] = {{0600, true},  {0400, true},  {0700, true},  {0640, false},
                 {0604, false}, {0620, false}, {0602, false}, {0610, false}};
    struct place place;
    make_place(&place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keyfile file;
        struct keyfile_error error;
        uint8_t psk[KEYFILE_PSK_SIZE];
        static const uint8_t zero[KEYFILE_PSK_SIZE];
        write_text(&place, IDENTITY_TEXT, cases[i].mode);
        assert_int_equal(keyfile_read(&file, KEYFILE_IDENTITY, place.path, &error), cases[i].good);
        assert_int_equal(file.kind, cases[i].good ? KEYFILE_IDENTITY : KEYFILE_NONE);
        unlink(place.path);
        write_text(&place, ONES "\n", cases[i].mode);
        assert_int_equal(keyfile_read_psk(psk, place.path, &error), cases[i].good);
        assert_int_equal(memcmp(psk, zero, sizeof zero) == 0, !cases[i].good);
        if (!cases[i].good) {
            assert_memory_equal(error.text, place.path, strlen(place.path));
            assert_non_null(strstr(error.text, "chmod 600"));
        }
        unlink(place.path);
    }
    remove_place(&place);
}

static void pre_shared_keys_are_one_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {ONES, true},  {ONES "\n", true},       {ONES "\r\n", true}, {"", false},
        {"\n", false}, {ONES "\n" ONES, false}, {"x" ONES, false},   {ONES_START "\n", false},
    };
    struct place place;
    make_place(&place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct keyfile_error error;
        uint8_t psk[KEYFILE_PSK_SIZE];
        write_text(&place, cases[i].text, 0600);
        assert_int_equal(keyfile_read_psk(psk, place.path, &error), cases[i].good);
        assert_int_equal(psk[31], cases[i].good ? 1 : 0);
        if (!cases[i].good)
            assert_null(strstr(error.text, ONES_START));
    }
    remove_place(&place);
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    struct keyfile file;
    struct keyfile_error error;
    struct place place;
    make_place(&place);
    assert_false(keyfile_read(&file, KEYFILE_ROOT, place.path, &error));
    assert_non_null(strstr(error.text, ": No such file or directory"));
    assert_false(keyfile_read(&file, KEYFILE_ROOT, place.folder, &error));
    assert_non_null(strstr(error.text, ": Is a directory"));
    assert_false(keyfile_read(&file, KEYFILE_ROOT, "/dev/null", &error));
    assert_string_equal(error.text, "/dev/null: not a regular file");
    FILE *large = fopen(place.path, "w");
    assert_non_null(large);
    for (int i = 0; i <= KEYFILE_BYTES_MAX; i++)
        fputc('#', large);
    fclose(large);
    assert_false(keyfile_read(&file, KEYFILE_ROOT, place.path, &error));
    assert_non_null(strstr(error.text, "this is no file of keys"));
    remove_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_again),
        cmocka_unit_test(keys_are_not_replaced),
        cmocka_unit_test(known_keys_give_known_identities),
        cmocka_unit_test(every_mistake_has_its_line_and_no_secret),
        cmocka_unit_test(damaged_papers_are_refused),
        cmocka_unit_test(open_secrets_are_refused),
        cmocka_unit_test(pre_shared_keys_are_one_line),
        cmocka_unit_test(what_is_no_file_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
