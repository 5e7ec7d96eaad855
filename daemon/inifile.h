/*
 * INI files line by line, with the number of each line, on top of inih. Comments begin with ; or #,
 * at the start of a line or after a space. A heading is [word] or [word "title"]. Every line is one
 * event, or none where it is empty; a handler decides what is wrong with it.
 */
#ifndef WARREN_DAEMON_INIFILE_H
#define WARREN_DAEMON_INIFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { INIFILE_LINE_MAX = 4096, INIFILE_WORD_SIZE = 32, INIFILE_TITLE_SIZE = 128 };

enum inifile_kind {
    INIFILE_VALUE,    /* name and value, both without spaces around them; the value may be empty */
    INIFILE_HEADING,  /* name; value is the title, or NULL */
    INIFILE_NO_VALUE, /* a line with no = in it */
    INIFILE_BAD_HEADING,
    INIFILE_TOO_LONG,  /* more than INIFILE_LINE_MAX bytes, or a heading's words are too long */
    INIFILE_ZERO_BYTE, /* so it is no text */
};

struct inifile_event {
    enum inifile_kind kind;
    uint32_t line; /* from 1 */
    const char *name;
    const char *value;
};

/* What the event points to is good for the call only. */
typedef void inifile_handler(void *user, const struct inifile_event *event);

/* False when there is no memory. No copy of a value stays behind in memory. */
bool inifile_parse(const char *text, size_t size, inifile_handler *handler, void *user);

/*
 * Reads a regular file of at most size_max bytes. The text is the caller's to free, ends with a
 * zero byte that is not counted, and `mode` is the file's. NULL, with errno, on failure: EFBIG when
 * it is longer, ENOTSUP when it is no regular file.
 */
char *inifile_read(const char *path, size_t size_max, size_t *size, mode_t *mode);

#endif
