/*
 * Fields of the plan, described by tables: how a script writes them, their range, where they lie.
 * Loading, printing, hashing and `warren-lab list` walk the tables and know no single field.
 */
#ifndef WARREN_RUNNER_FIELD_H
#define WARREN_RUNNER_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_DURATION, /* nanoseconds; "20ms" */
    FIELD_SHARE,    /* parts per million; "1%" */
    FIELD_RATE,     /* bits per second; "10Mbit/s" */
    FIELD_BYTES,    /* 1500 or "64kB" */
    FIELD_COUNT,    /* a number */
    FIELD_BOOLEAN,  /* true or false */
    FIELD_WORD,     /* one of `words` */
};

struct field {
    const char *name;
    enum field_type type;
    size_t offset;            /* in the struct that the table belongs to */
    size_t width;             /* 1, 2, 4 or 8 bytes */
    const char *const *words; /* FIELD_WORD: by value, NULL after the last */
    uint64_t low; /* the allowed range, both ends in it; unused for words and booleans */
    uint64_t high;
    const char *about; /* one sentence */
};

/* The two members of struct field that say where it lies. */
#define FIELD_AT(type, member) offsetof(type, member), sizeof(((type *)0)->member)

enum { FIELD_TEXT_SIZE = 32, FIELD_ERROR_SIZE = 256 };

/* The table ends with a field without a name. NULL when there is none of that name. */
const struct field *field_find(const struct field *table, const char *name);

uint64_t field_get(const struct field *field, const void *base);
void field_set(const struct field *field, void *base, uint64_t value);

/* Reads a value from text. False, with a sentence in `error`, when it is none or out of range. */
bool field_parse(const struct field *field, const char *text, uint64_t *value,
                 char error[static FIELD_ERROR_SIZE]);
/* Writes the value so that field_parse() reads it back; returns `text`. */
const char *field_render(const struct field *field, uint64_t value,
                         char text[static FIELD_TEXT_SIZE]);
/* Whether a script writes such a value in quotes. */
bool field_is_quoted(const struct field *field);
/* What a value looks like, for messages and lists: `a duration, such as "20ms"`. */
const char *field_kind(const struct field *field);

/* The same for a duration that is not in a table. */
bool field_parse_duration(const char *text, uint64_t *ns, char error[static FIELD_ERROR_SIZE]);
const char *field_render_duration(uint64_t ns, char text[static FIELD_TEXT_SIZE]);

#endif
