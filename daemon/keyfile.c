/* The files that say who is who: what stands in them, and how it is read and written. */
#include "daemon/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "daemon/inifile.h"
#include "daemon/text.h"

enum { VALUES_MAX = 2, BASE64_MAX = IDENTITY_ENCODING_MAX * 4 / 3 + 8 };

/* One kind of file: its section, its keys, and their sizes where these are fixed. */
struct kind {
    const char *name;
    const char *section;
    const char *keys[VALUES_MAX];
    size_t size; /* of each value; 0: of an encoding */
    const char *remark;
};

static const struct kind kinds[] = {
    [KEYFILE_IDENTITY] = {"an identity",
                          "identity",
                          {"seed", "tunnel"},
                          32,
                          "SECRET: who has this file is this node"},
    [KEYFILE_ROOT] = {"a mesh's root",
                      "root",
                      {"seed"},
                      32,
                      "SECRET: who has this file decides who is a server of the mesh"},
    [KEYFILE_CERTIFICATE] = {"a certificate", "certificate", {"data"}, 0, "of a server; no secret"},
    [KEYFILE_CREDENTIAL] =
        {"a credential", "credential", {"data", "certificate"}, 0, "of a member; no secret"},
    [KEYFILE_CARD] = {"a server's card",
                      "server",
                      {"certificate", "record"},
                      0,
                      "for those who use the server; no secret"},
};
enum { KIND_COUNT = sizeof kinds / sizeof *kinds };

const char *const keyfile_roles[KEYFILE_ROLES] = {"issuer", "punch", "relay", "stun", "dns"};
_Static_assert(1 << KEYFILE_ROLES == IDENTITY_ROLES_ALL + 1, "one name for each role");

static bool is_secret(enum keyfile_kind kind)
{
    return kind == KEYFILE_IDENTITY || kind == KEYFILE_ROOT;
}

/* Says what is wrong, once; always false. `line` 0: the file as a whole. */
__attribute__((format(printf, 4, 5))) static bool
refuse(struct keyfile_error *error, const char *path, uint32_t line, const char *format, ...)
{
    char where[16] = "";
    if (line > 0)
        snprintf(where, sizeof where, ":%u", (unsigned)line);
    int size = snprintf(error->text, sizeof error->text, "%s%s: ", path, where);
    va_list arguments;
    va_start(arguments, format);
    if (size > 0 && (size_t)size < sizeof error->text)
        vsnprintf(error->text + size, sizeof error->text - (size_t)size, format, arguments);
    va_end(arguments);
    return false;
}

/* ---- Reading --------------------------------------------------------------------------------- */

struct parser {
    struct keyfile_error *error;
    const char *path;
    enum keyfile_kind wanted;
    enum keyfile_kind kind; /* of the section; KEYFILE_NONE: there was none yet */
    bool failed;
    bool seen[VALUES_MAX];
    struct keyfile_data values[VALUES_MAX];
};

static enum keyfile_kind kind_of_section(const char *section)
{
    for (unsigned i = KEYFILE_IDENTITY; i < KIND_COUNT; i++)
        if (strcmp(kinds[i].section, section) == 0)
            return (enum keyfile_kind)i;
    return KEYFILE_NONE;
}

static bool take_heading(struct parser *parser, const struct inifile_event *event)
{
    const enum keyfile_kind kind = kind_of_section(event->name);
    if (kind == KEYFILE_NONE || event->value != NULL)
        return refuse(parser->error, parser->path, event->line,
                      "this section is none of [identity], [root], [certificate], [credential] and "
                      "[server]");
    if (parser->wanted != KEYFILE_NONE && parser->wanted != kind)
        return refuse(parser->error, parser->path, event->line, "this is %s, and %s is needed",
                      kinds[kind].name, kinds[parser->wanted].name);
    if (parser->kind != KEYFILE_NONE)
        return refuse(parser->error, parser->path, event->line,
                      "a second section; a file holds one thing");
    parser->kind = kind;
    return true;
}

static bool take_value(struct parser *parser, const struct inifile_event *event)
{
    const struct kind *kind = &kinds[parser->kind];
    if (parser->kind == KEYFILE_NONE)
        return refuse(parser->error, parser->path, event->line,
                      "a value before the section; the first line is [identity], [root], "
                      "[certificate], [credential] or [server]");
    unsigned i = 0;
    while (i < VALUES_MAX && (kind->keys[i] == NULL || strcmp(kind->keys[i], event->name) != 0))
        i++;
    if (i == VALUES_MAX) /* the name might be half of a secret, so it is not repeated */
        return refuse(parser->error, parser->path, event->line, "[%s] has only %s=%s%s%s",
                      kind->section, kind->keys[0], kind->keys[1] != NULL ? " and " : "",
                      kind->keys[1] != NULL ? kind->keys[1] : "", kind->keys[1] != NULL ? "=" : "");
    if (parser->seen[i])
        return refuse(parser->error, parser->path, event->line, "%s= is there twice",
                      kind->keys[i]);
    parser->seen[i] = true;
    struct keyfile_data *data = &parser->values[i];
    data->size = (uint32_t)text_parse_base64(data->bytes, sizeof data->bytes, event->value);
    if (data->size == 0)
        return refuse(parser->error, parser->path, event->line,
                      "%s= is not base64, or too long; was the file cut or changed?",
                      kind->keys[i]);
    if (kind->size != 0 && (data->size != kind->size || sodium_is_zero(data->bytes, kind->size)))
        return refuse(parser->error, parser->path, event->line,
                      "%s= must be %zu bytes in base64, not all of them zero", kind->keys[i],
                      kind->size);
    return true;
}

static void take_event(void *user, const struct inifile_event *event)
{
    struct parser *parser = user;
    if (parser->failed)
        return;
    bool good = false;
    if (event->kind == INIFILE_HEADING)
        good = take_heading(parser, event);
    else if (event->kind == INIFILE_VALUE)
        good = take_value(parser, event);
    else
        refuse(parser->error, parser->path, event->line,
               event->kind == INIFILE_TOO_LONG    ? "the line is too long for a file of keys"
               : event->kind == INIFILE_ZERO_BYTE ? "a zero byte; this is no text file"
               : event->kind == INIFILE_NO_VALUE  ? "no = in this line; it should be NAME = VALUE"
                                                  : "not a section; it should be [NAME]");
    parser->failed = !good;
}

static bool damaged(const struct parser *parser, unsigned value, enum identity_error why)
{
    return refuse(parser->error, parser->path, 0,
                  "%s= does not decode (%s); fetch the file again from where it was made",
                  kinds[parser->kind].keys[value], identity_error_name(why));
}

/* Makes the struct of what the sections' values were. */
static bool build(struct keyfile *file, const struct parser *parser)
{
    const struct keyfile_data *first = &parser->values[0], *second = &parser->values[1];
    enum identity_error why = IDENTITY_OK;
    file->kind = parser->kind;
    switch (parser->kind) {
    case KEYFILE_IDENTITY:
        memcpy(file->identity.seed, first->bytes, sizeof file->identity.seed);
        memcpy(file->identity.tunnel_key, second->bytes, sizeof file->identity.tunnel_key);
        crypto_real.ed25519_public(file->identity.identity, file->identity.seed);
        crypto_real.x25519_public(file->identity.tunnel_public, file->identity.tunnel_key);
        return true;
    case KEYFILE_ROOT:
        memcpy(file->root.seed, first->bytes, sizeof file->root.seed);
        crypto_real.ed25519_public(file->root.root, file->root.seed);
        return true;
    case KEYFILE_CERTIFICATE:
        file->certificate.data = *first;
        why = certificate_decode(&file->certificate.certificate, first->bytes, first->size);
        return why == IDENTITY_OK || damaged(parser, 0, why);
    case KEYFILE_CREDENTIAL:
        file->credential.data = *first;
        file->credential.certificate = *second;
        why = credential_decode(&file->credential.credential, first->bytes, first->size);
        if (why != IDENTITY_OK)
            return damaged(parser, 0, why);
        why = certificate_decode(&file->credential.issuer, second->bytes, second->size);
        return why == IDENTITY_OK || damaged(parser, 1, why);
    case KEYFILE_CARD:
        file->card.certificate_data = *first;
        file->card.record_data = *second;
        why = certificate_decode(&file->card.certificate, first->bytes, first->size);
        if (why != IDENTITY_OK)
            return damaged(parser, 0, why);
        why = server_record_decode(&file->card.record, second->bytes, second->size);
        return why == IDENTITY_OK || damaged(parser, 1, why);
    case KEYFILE_NONE:
        break;
    }
    return false;
}

static bool complete(const struct parser *parser)
{
    if (parser->kind == KEYFILE_NONE)
        return refuse(parser->error, parser->path, 0, "the file is empty; %s is needed",
                      parser->wanted != KEYFILE_NONE ? kinds[parser->wanted].name
                                                     : "a file of `warren keygen` and its like");
    for (unsigned i = 0; i < VALUES_MAX; i++)
        if (kinds[parser->kind].keys[i] != NULL && !parser->seen[i])
            return refuse(parser->error, parser->path, 0, "%s= is missing; was the file cut?",
                          kinds[parser->kind].keys[i]);
    return true;
}

static bool parse(struct keyfile *file, enum keyfile_kind kind, const char *text, size_t size,
                  const char *path, struct keyfile_error *error)
{
    struct parser parser = {.error = error, .path = path, .wanted = kind};
    memset(file, 0, sizeof *file);
    error->text[0] = 0;
    bool good = inifile_parse(text, size, take_event, &parser);
    if (!good)
        refuse(error, path, 0, "there is no memory to read it");
    good = good && !parser.failed && complete(&parser) && build(file, &parser);
    sodium_memzero(&parser, sizeof parser);
    if (!good)
        keyfile_wipe(file);
    check(good == (error->text[0] == 0));
    return good;
}

bool keyfile_parse(struct keyfile *file, enum keyfile_kind kind, const char *text, const char *name,
                   struct keyfile_error *error)
{
    return parse(file, kind, text, strlen(text), name, error);
}

/* The text of a file, to be wiped and freed. */
static char *slurp(const char *path, size_t *size, mode_t *mode, struct keyfile_error *error)
{
    char *text = inifile_read(path, KEYFILE_BYTES_MAX, size, mode);
    if (text == NULL && errno == EFBIG)
        refuse(error, path, 0, "more than %d bytes; this is no file of keys", KEYFILE_BYTES_MAX);
    else if (text == NULL && errno == ENOTSUP)
        refuse(error, path, 0, "not a regular file");
    else if (text == NULL)
        refuse(error, path, 0, "%s", strerror(errno));
    return text;
}

static void discard(char *text)
{
    sodium_memzero(text, KEYFILE_BYTES_MAX + 1);
    free(text);
}

static bool is_private(const char *path, mode_t mode, struct keyfile_error *error)
{
    if ((mode & 077) == 0)
        return true;
    return refuse(
        error, path, 0,
        "holds a secret and is open to others (mode %04o); chmod 600 it, and make new keys "
        "if others could have read it",
        (unsigned)(mode & 07777));
}

bool keyfile_read(struct keyfile *file, enum keyfile_kind kind, const char *path,
                  struct keyfile_error *error)
{
    size_t size;
    mode_t mode;
    memset(file, 0, sizeof *file);
    char *text = slurp(path, &size, &mode, error);
    if (text == NULL)
        return false;
    bool good = parse(file, kind, text, size, path, error);
    discard(text);
    if (good && is_secret(file->kind) && !is_private(path, mode, error)) {
        keyfile_wipe(file);
        good = false;
    }
    return good;
}

bool keyfile_read_psk(uint8_t psk[static KEYFILE_PSK_SIZE], const char *path,
                      struct keyfile_error *error)
{
    size_t size;
    mode_t mode;
    memset(psk, 0, KEYFILE_PSK_SIZE);
    char *text = slurp(path, &size, &mode, error);
    if (text == NULL)
        return false;
    while (size > 0 && strchr(" \t\r\n", text[size - 1]) != NULL)
        text[--size] = 0;
    bool good = is_private(path, mode, error);
    if (good && (strlen(text) != size || !text_parse_key(psk, text)))
        good = refuse(error, path, 0,
                      "not a pre-shared key: one line of 44 characters, as `wg genpsk` prints it");
    discard(text);
    return good;
}

/* ---- Writing --------------------------------------------------------------------------------- */

size_t keyfile_format(const struct keyfile *file, char *to, size_t room)
{
    check(file->kind != KEYFILE_NONE && (unsigned)file->kind < KIND_COUNT);
    const struct kind *kind = &kinds[file->kind];
    struct keyfile_data seeds[VALUES_MAX] = {{.size = 32}, {.size = 32}};
    const struct keyfile_data *values[VALUES_MAX] = {&seeds[0], &seeds[1]};
    if (file->kind == KEYFILE_IDENTITY) {
        memcpy(seeds[0].bytes, file->identity.seed, 32);
        memcpy(seeds[1].bytes, file->identity.tunnel_key, 32);
    } else if (file->kind == KEYFILE_ROOT) {
        memcpy(seeds[0].bytes, file->root.seed, 32);
    } else if (file->kind == KEYFILE_CERTIFICATE) {
        values[0] = &file->certificate.data;
    } else if (file->kind == KEYFILE_CREDENTIAL) {
        values[0] = &file->credential.data;
        values[1] = &file->credential.certificate;
    } else {
        values[0] = &file->card.certificate_data;
        values[1] = &file->card.record_data;
    }
    char base64[BASE64_MAX];
    int used =
        snprintf(to, room, "# Warren: %s (%s).\n[%s]\n", kind->name, kind->remark, kind->section);
    check(used > 0 && (size_t)used < room);
    size_t size = (size_t)used;
    for (unsigned i = 0; i < VALUES_MAX && kind->keys[i] != NULL; i++) {
        sodium_bin2base64(base64, sizeof base64, values[i]->bytes, values[i]->size,
                          sodium_base64_VARIANT_ORIGINAL);
        used = snprintf(to + size, room - size, "%s = %s\n", kind->keys[i], base64);
        check(used > 0 && (size_t)used < room - size);
        size += (size_t)used;
    }
    sodium_memzero(base64, sizeof base64);
    sodium_memzero(seeds, sizeof seeds);
    return size;
}

static bool write_all(int fd, const char *text, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t written = write(fd, text + done, size - done);
        if (written < 0 && errno != EINTR)
            return false;
        done += written > 0 ? (size_t)written : 0;
    }
    return fsync(fd) == 0;
}

/* A new name that outlives a loss of power. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash == NULL ? strdup(".") : strndup(path, (size_t)(slash - path) + 1);
    const int fd = folder != NULL ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(folder);
}

/* Gives the temporary file its name; false with errno. */
static bool give_name(const char *temporary, const char *path, bool replace)
{
    if (replace)
        return rename(temporary, path) == 0;
    if (renameat2(AT_FDCWD, temporary, AT_FDCWD, path, RENAME_NOREPLACE) == 0)
        return true;
    /* Some file systems only know links. */
    return errno == EINVAL && link(temporary, path) == 0 && unlink(temporary) == 0;
}

bool keyfile_write(const struct keyfile *file, const char *path, struct keyfile_error *error)
{
    const bool secret = is_secret(file->kind);
    char *text = malloc(KEYFILE_BYTES_MAX + 1);
    char *temporary = malloc(strlen(path) + sizeof ".XXXXXX");
    check(text != NULL && temporary != NULL);
    const size_t size = keyfile_format(file, text, KEYFILE_BYTES_MAX);
    strcpy(temporary, path);
    strcat(temporary, ".XXXXXX");
    error->text[0] = 0;
    bool good = false;
    const int fd = mkostemp(temporary, O_CLOEXEC); /* its mode is 0600 */
    if (fd < 0) {
        refuse(error, path, 0, "cannot be written: %s", strerror(errno));
    } else {
        good = write_all(fd, text, size) && (secret || fchmod(fd, 0644) == 0);
        good = close(fd) == 0 && good && give_name(temporary, path, !secret);
        if (!good && errno == EEXIST)
            refuse(error, path, 0,
                   "is there already, and keys are never replaced; choose another name, or move it "
                   "away");
        else if (!good)
            refuse(error, path, 0, "cannot be written: %s", strerror(errno));
        if (good)
            sync_folder(path);
        else
            unlink(temporary);
    }
    discard(text);
    free(temporary);
    return good;
}

/* ---- Keys ------------------------------------------------------------------------------------ */

void keyfile_make_identity(struct keyfile_identity *identity)
{
    randombytes_buf(identity->seed, sizeof identity->seed);
    randombytes_buf(identity->tunnel_key, sizeof identity->tunnel_key);
    crypto_real.ed25519_public(identity->identity, identity->seed);
    crypto_real.x25519_public(identity->tunnel_public, identity->tunnel_key);
}

void keyfile_make_root(struct keyfile_root *root)
{
    randombytes_buf(root->seed, sizeof root->seed);
    crypto_real.ed25519_public(root->root, root->seed);
}

void keyfile_wipe(struct keyfile *file)
{
    sodium_memzero(file, sizeof *file);
}
