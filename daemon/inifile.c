/* INI files line by line, with the number of each line, on top of inih. */
#include "daemon/inifile.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"

struct inifile {
    const char *text;
    size_t size;
    size_t at;
    uint32_t line;
    inifile_handler *handler;
    void *user;
};

static void tell(struct inifile *file, enum inifile_kind kind, const char *name, const char *value)
{
    const struct inifile_event event = {kind, file->line, name, value};
    check(file->line > 0);
    file->handler(file->user, &event);
}

static size_t skip_space(const char *text, size_t size, size_t at)
{
    while (at < size && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r'))
        at++;
    return at;
}

/* Takes what stands before `end` into a string. */
static bool take(char *to, size_t room, const char *text, size_t *at, size_t size, const char *end)
{
    size_t used = 0;
    while (*at < size && strchr(end, text[*at]) == NULL) {
        if (used + 1 >= room)
            return false;
        to[used++] = text[(*at)++];
    }
    to[used] = 0;
    return true;
}

/* A line that begins with [, which is at `at`. inih would cut its words to 49 bytes. */
static void take_heading(struct inifile *file, const char *text, size_t size, size_t at)
{
    char word[INIFILE_WORD_SIZE], title[INIFILE_TITLE_SIZE];
    bool titled = false;
    at = skip_space(text, size, at + 1);
    bool fits = take(word, sizeof word, text, &at, size, " \t]\"[");
    at = skip_space(text, size, at);
    if (fits && at < size && text[at] == '"') {
        titled = true;
        at++;
        fits = take(title, sizeof title, text, &at, size, "\"");
        at = skip_space(text, size, at < size ? at + 1 : at);
    }
    if (!fits) {
        tell(file, INIFILE_TOO_LONG, NULL, NULL);
        return;
    }
    bool good = at < size && text[at] == ']' && word[0] != 0;
    const size_t rest = skip_space(text, size, good ? at + 1 : size);
    good = good && (rest >= size || text[rest] == ';' || text[rest] == '#');
    tell(file, good ? INIFILE_HEADING : INIFILE_BAD_HEADING, word, titled ? title : NULL);
}

/*
 * Gives inih the next line. It reads headings itself, so that inih sees values and comments only,
 * and an empty line in place of each that is no line of text.
 */
static char *next_line(char *to, int room, void *stream)
{
    struct inifile *file = stream;
    check(room > INIFILE_LINE_MAX);
    if (file->at >= file->size) {
        sodium_memzero(to, (size_t)room);
        return NULL;
    }
    const char *text = file->text + file->at;
    const char *newline = memchr(text, '\n', file->size - file->at);
    const size_t size = newline != NULL ? (size_t)(newline - text) : file->size - file->at;
    file->at += size + (newline != NULL);
    file->line++;
    size_t start = file->line == 1 && size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    start = skip_space(text, size, start);
    to[0] = 0;
    if (size > INIFILE_LINE_MAX) {
        tell(file, INIFILE_TOO_LONG, NULL, NULL);
    } else if (memchr(text, 0, size) != NULL) {
        tell(file, INIFILE_ZERO_BYTE, NULL, NULL);
    } else if (start < size && text[start] == '[') {
        take_heading(file, text, size, start);
    } else {
        memcpy(to, text + start, size - start);
        to[size - start] = 0;
    }
    return to;
}

static int take_value(void *user, const char *section, const char *name, const char *value)
{
    (void)section;
    tell(user, value != NULL ? INIFILE_VALUE : INIFILE_NO_VALUE, name, value);
    return 1;
}

bool inifile_parse(const char *text, size_t size, inifile_handler *handler, void *user)
{
    struct inifile file = {.text = text, .size = size, .handler = handler, .user = user};
    ini_use_stack = false;
    ini_allow_realloc = false;
    ini_max_line = INIFILE_LINE_MAX + 3;
    ini_initial_alloc = INIFILE_LINE_MAX + 3;
    ini_allow_multiline = false; /* an indented line is a line like any other */
    ini_allow_bom = true;
    ini_allow_inline_comments = true;
    ini_inline_comment_prefixes = ";#";
    ini_start_comment_prefixes = ";#";
    ini_stop_on_first_error = false;
    ini_allow_no_value = true;
    return ini_parse_stream(next_line, &file, take_value, &file) != -2;
}

/* Reads what the file has to the end; false with errno. */
static bool read_all(int fd, char *text, size_t room, size_t *size)
{
    *size = 0;
    while (*size < room) {
        const ssize_t got = read(fd, text + *size, room - *size);
        if (got == 0)
            return true;
        if (got < 0 && errno != EINTR)
            return false;
        *size += got > 0 ? (size_t)got : 0;
    }
    errno = EFBIG;
    return false;
}

char *inifile_read(const char *path, size_t size_max, size_t *size, mode_t *mode)
{
    /* Non-blocking, so that a FIFO in the file's place is refused, and does not stop us. */
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return NULL;
    struct stat stat;
    char *text = NULL;
    bool done = fstat(fd, &stat) == 0;
    if (done && !S_ISREG(stat.st_mode)) {
        errno = S_ISDIR(stat.st_mode) ? EISDIR : ENOTSUP;
        done = false;
    }
    if (done) {
        text = malloc(size_max + 1);
        done = text != NULL && read_all(fd, text, size_max + 1, size);
    }
    const int error = errno;
    close(fd);
    if (!done) {
        if (text != NULL)
            sodium_memzero(text, size_max + 1);
        free(text);
        errno = error;
        return NULL;
    }
    text[*size] = 0;
    *mode = stat.st_mode;
    return text;
}
