/* The daemon's log: one line for each event, printed and kept. */
#include "daemon/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/text.h"

enum {
    LOG_PATH_SIZE = 1024,
    LOG_CUT_ROOM = 16, /* for the mark of a line that lost fields, and the end of an object */
};

_Static_assert((int)LOG_KEY_BYTES == (int)TEXT_KEY_BYTES, "public keys of one size");

static struct {
    enum log_level level;
    bool json;
    int fd;
    char path[LOG_PATH_SIZE]; /* empty: standard error */
    uint64_t lost;
    uint64_t next;
    char lines[LOG_LINES][LOG_LINE_SIZE];
} journal = {.level = LOG_LEVEL_INFO, .fd = STDERR_FILENO};

static const char *const level_names[] = {
    [LOG_LEVEL_ERROR] = "error",
    [LOG_LEVEL_WARN] = "warn",
    [LOG_LEVEL_INFO] = "info",
    [LOG_LEVEL_DEBUG] = "debug",
};
enum { LEVEL_COUNT = sizeof level_names / sizeof *level_names };

/* A line under construction; what does not fit leaves it marked as full. */
struct line {
    char *text; /* LOG_LINE_SIZE bytes */
    size_t size;
    size_t room;
    bool full;
};

__attribute__((format(printf, 2, 3))) static void put(struct line *line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int size = vsnprintf(line->text + line->size, line->room - line->size, format, arguments);
    va_end(arguments);
    check(size >= 0);
    if ((size_t)size >= line->room - line->size)
        line->full = true;
    else
        line->size += (size_t)size;
}

/* Without quotes logfmt would not know where the value ends, or that there is one. */
static bool needs_quotes(const char *text)
{
    for (const char *at = text; *at != 0; at++)
        if (*at <= ' ' || *at > '~' || *at == '"' || *at == '=' || *at == '\\')
            return true;
    return *text == 0;
}

/* Escaped as in JSON, which is how logfmt is read too; a long text ends in dots. */
static void put_text(struct line *line, const char *text, bool quoted)
{
    const char *quote = quoted ? "\"" : "";
    put(line, "%s", quote);
    size_t size = 0;
    for (; size < LOG_TEXT_MAX && text[size] != 0; size++) {
        const unsigned char byte = (unsigned char)text[size];
        if (byte == '"' || byte == '\\')
            put(line, "\\%c", byte);
        else if (byte < ' ' || byte > '~')
            put(line, "\\u%04x", (unsigned)byte);
        else
            put(line, "%c", byte);
    }
    put(line, "%s%s", text[size] != 0 ? "..." : "", quote);
}

static bool name_is_good(const char *name)
{
    return name != NULL && *name != 0 &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-")] == 0;
}

static void put_field(struct line *line, const struct log_field *field)
{
    char addr[TEXT_ADDR_SIZE], key[TEXT_KEY_SIZE];
    check(name_is_good(field->name));
    put(line, journal.json ? ",\"%s\":" : " %s=", field->name);
    const char *text = NULL;
    switch (field->kind) {
    case LOG_FIELD_NUMBER:
        put(line, "%" PRId64, field->number);
        return;
    case LOG_FIELD_TEXT:
        text = field->text;
        break;
    case LOG_FIELD_ADDR:
        text = text_addr(addr, field->addr);
        break;
    case LOG_FIELD_KEY:
        text = text_key(key, field->key);
        break;
    case LOG_FIELD_END:
        break;
    }
    check(text != NULL);
    /* The padding of a key is no reason for quotes: readers split at the first = of a field. */
    put_text(line, text, journal.json || (field->kind != LOG_FIELD_KEY && needs_quotes(text)));
}

/* A field that does not fit is left out whole, and then so are those behind it. */
static void put_fields(struct line *line, const struct log_field *fields)
{
    for (const struct log_field *field = fields; field->kind != LOG_FIELD_END; field++) {
        if (field->kind == LOG_FIELD_TEXT && field->text == NULL)
            continue;
        const size_t before = line->size;
        put_field(line, field);
        if (line->full) {
            line->size = before;
            break;
        }
    }
    line->room += LOG_CUT_ROOM;
    if (line->full)
        put(line, "%s", journal.json ? ",\"cut\":true" : " cut=true");
    put(line, "%s", journal.json ? "}" : "");
    line->text[line->size] = 0;
}

static void put_head(struct line *line, enum log_level level, const char *event)
{
    struct timespec now = {0};
    struct tm tm = {0};
    char time[TEXT_TIME_SIZE] = "";
    clock_gettime(CLOCK_REALTIME, &now);
    if (gmtime_r(&now.tv_sec, &tm) != NULL)
        strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%S", &tm);
    put(line,
        journal.json ? "{\"time\":\"%s.%03dZ\",\"level\":\"%s\",\"event\":\"%s\""
                     : "%s.%03dZ %s %s",
        time, (int)(now.tv_nsec / 1000000), level_names[level], event);
    check(!line->full);
}

/* A failure is counted; the log has nowhere to tell of it. */
static void print(char *text, size_t size)
{
    text[size] = '\n';
    size_t done = 0;
    while (done <= size) {
        const ssize_t written = write(journal.fd, text + done, size + 1 - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0) {
            journal.lost++;
            break;
        }
        done += (size_t)written;
    }
    text[size] = 0;
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    check((unsigned)level < LEVEL_COUNT);
    check(name_is_good(event));
    if (level > journal.level)
        return;
    const int error = errno;
    char *text = journal.lines[journal.next % LOG_LINES];
    /* One byte is kept for the newline, with which the line is printed. */
    struct line line = {.text = text, .room = LOG_LINE_SIZE - 1 - LOG_CUT_ROOM};
    put_head(&line, level, event);
    put_fields(&line, fields);
    journal.next++;
    print(text, line.size);
    errno = error;
}

/* ---- Where it goes --------------------------------------------------------------------------- */

/*
 * The folder may belong to whoever the daemon becomes, and root opens the file: a link there, or a
 * pipe, is nothing to write to, or to give away.
 */
static int open_file(const char *path)
{
    struct stat found;
    int fd = open(
        path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK, 0640);
    if (fd < 0 || (fstat(fd, &found) == 0 && S_ISREG(found.st_mode) && found.st_nlink == 1))
        return fd;
    close(fd);
    errno = ELOOP;
    return -1;
}

void log_close(void)
{
    if (journal.fd != STDERR_FILENO)
        close(journal.fd);
    journal.fd = STDERR_FILENO;
    journal.path[0] = 0;
}

bool log_open(const struct log_options *options)
{
    check((unsigned)options->level < LEVEL_COUNT);
    int fd = STDERR_FILENO;
    const char *path = options->file != NULL ? options->file : "";
    if (strlen(path) >= sizeof journal.path) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (*path != 0 && (fd = open_file(path)) < 0)
        return false;
    log_close();
    journal.fd = fd;
    memcpy(journal.path, path, strlen(path) + 1);
    journal.level = options->level;
    journal.json = options->json;
    return true;
}

bool log_reopen(void)
{
    if (journal.path[0] == 0)
        return true;
    const int fd = open_file(journal.path);
    if (fd < 0)
        return false;
    close(journal.fd);
    journal.fd = fd;
    return true;
}

int log_fd(void)
{
    return journal.fd;
}

uint64_t log_lost(void)
{
    return journal.lost;
}

/* ---- What is kept ---------------------------------------------------------------------------- */

uint64_t log_first(void)
{
    return journal.next > LOG_LINES ? journal.next - LOG_LINES : 0;
}

uint64_t log_next(void)
{
    return journal.next;
}

const char *log_line(uint64_t number)
{
    if (number < log_first() || number >= journal.next)
        return NULL;
    return journal.lines[number % LOG_LINES];
}

bool log_level_parse(enum log_level *level, const char *name)
{
    for (unsigned i = 0; i < LEVEL_COUNT; i++) {
        if (strcmp(name, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    }
    return false;
}
