/*
 * The daemon's log: one line for each event, with its fields by name, as logfmt
 *
 *   2026-11-21T10:00:00.123Z info path peer=bob path=direct reason=punched
 *
 * or as JSON lines. The newest lines are kept in memory too, for `warren log`. There is one log for
 * each process, of one thread. No field has room for a secret: there are words, texts, numbers,
 * addresses and public keys.
 */
#ifndef WARREN_DAEMON_LOG_H
#define WARREN_DAEMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/addr.h"

enum {
    LOG_LINES = 512,     /* kept in memory; one more makes the oldest forgotten */
    LOG_LINE_SIZE = 768, /* bytes with the end of the string; texts are cut short to fit */
    LOG_TEXT_MAX = 240,  /* bytes of one field's text that are printed */
    LOG_KEY_BYTES = 32,
};

/* Not LOG_ERR and its like, which are the system log's. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

enum log_kind { LOG_FIELD_END, LOG_FIELD_TEXT, LOG_FIELD_NUMBER, LOG_FIELD_ADDR, LOG_FIELD_KEY };

/* What it points to is only looked at during the call of log_event(). */
struct log_field {
    enum log_kind kind;
    const char *name; /* lower case, digits and _ */
    union {
        const char *text;
        int64_t number;
        const struct addr *addr;
        const uint8_t *key; /* LOG_KEY_BYTES bytes, of a public key */
    };
};

#define LOG_END \
    (struct log_field) \
    { \
        .kind = LOG_FIELD_END \
    }

/* Any bytes; what is not printable ASCII is escaped. NULL: the field is left out. */
static inline struct log_field log_text(const char *name, const char *text)
{
    return (struct log_field){.kind = LOG_FIELD_TEXT, .name = name, .text = text};
}
static inline struct log_field log_number(const char *name, int64_t number)
{
    return (struct log_field){.kind = LOG_FIELD_NUMBER, .name = name, .number = number};
}
static inline struct log_field log_addr(const char *name, const struct addr *addr)
{
    return (struct log_field){.kind = LOG_FIELD_ADDR, .name = name, .addr = addr};
}
static inline struct log_field log_public_key(const char *name, const uint8_t *key)
{
    return (struct log_field){.kind = LOG_FIELD_KEY, .name = name, .key = key};
}

/*
 * log_event(LOG_LEVEL_INFO, "path", log_text("peer", name), log_addr("remote", &addr), LOG_END);
 * The event is one word, or a few with hyphens between them.
 */
#define log_event(level, event, ...) \
    log_write((level), (event), (const struct log_field[]){__VA_ARGS__, LOG_END})
void log_write(enum log_level level, const char *event, const struct log_field *fields);

struct log_options {
    enum log_level level; /* more talkative ones are neither printed nor kept */
    bool json;
    const char *file; /* NULL or "": standard error */
};

/* Before the first call, events of level info and above go to standard error, as logfmt. */
bool log_open(const struct log_options *options); /* false, with errno: the file cannot be opened */
/* Opens the file anew, after it was moved away. On failure the old one stays in use. */
bool log_reopen(void);
/* Closes the file; standard error is used again. The lines in memory are kept. */
void log_close(void);

/*
 * The descriptor that lines go to, whose file may have to be given to the user that the daemon runs
 * as.
 */
int log_fd(void);
/* Lines that could not be written, because the disk was full for example. */
uint64_t log_lost(void);

/* Lines in memory have numbers, counted from 0 since the start: from first to before next. */
uint64_t log_first(void);
uint64_t log_next(void);
/* Without a newline; good until the next event. NULL when it is not there, or no longer. */
const char *log_line(uint64_t number);

/* From "info" and so on. False for what is no level. */
bool log_level_parse(enum log_level *level, const char *name);

#endif
