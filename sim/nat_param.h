/*
 * One table that describes every field of struct nat_config: how a script writes it, its type, its
 * words or range. Whoever loads, prints, compares or shrinks a NAT's configuration needs this and
 * no knowledge of single fields.
 */
#ifndef WARREN_SIM_NAT_PARAM_H
#define WARREN_SIM_NAT_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sim/nat.h"

/*
 * A duration is a number with "ns", "us", "ms", "s", "m" (60 s) or "h", with at most nine decimals,
 * and a whole number of nanoseconds. One that stands for "off" is written "0s".
 */
enum nat_param_type {
    NAT_PARAM_WORD,     /* one of `words` */
    NAT_PARAM_BOOLEAN,  /* "true" or "false" */
    NAT_PARAM_INTEGER,  /* decimal */
    NAT_PARAM_DURATION, /* nanoseconds */
};

struct nat_param {
    const char *name; /* as a script writes it */
    enum nat_param_type type;
    size_t offset;            /* in struct nat_config */
    const char *const *words; /* NAT_PARAM_WORD: the allowed ones, by value, NULL after the last */
    uint64_t low;             /* the allowed range; of words, their values */
    uint64_t high;
    const char *about; /* one sentence */
};

enum {
    NAT_PARAM_TEXT_SIZE = 32,   /* room for any value as text, with its final 0 */
    NAT_PARAM_ERROR_SIZE = 256, /* room for any error sentence, with its final 0 */
};

size_t nat_param_count(void);
/* `index` is below nat_param_count(); the order is that of printing. */
const struct nat_param *nat_param_at(size_t index);
/* NULL when there is none of that name. */
const struct nat_param *nat_param_find(const char *name);
/* The parameter whose name is most like `name`, for "did you mean"; never NULL. */
const struct nat_param *nat_param_nearest(const char *name);

/* How many letters must change, come or go to make one word of the other (Levenshtein, 1965). */
unsigned nat_word_distance(const char *a, const char *b);

/* The field as a number: a word's value, 0 or 1, an integer, nanoseconds. */
uint64_t nat_param_get(const struct nat_param *param, const struct nat_config *config);
/*
 * False, with a sentence in `error` and the configuration unchanged, when the number is not
 * allowed.
 */
bool nat_param_set(const struct nat_param *param, struct nat_config *config, uint64_t value,
                   char error[static NAT_PARAM_ERROR_SIZE]);
/* Reads the value from text; otherwise as nat_param_set(). */
bool nat_param_parse(const struct nat_param *param, struct nat_config *config, const char *text,
                     char error[static NAT_PARAM_ERROR_SIZE]);
/* Writes the value so that nat_param_parse() reads it back; returns `text`. */
const char *nat_param_render(const struct nat_param *param, const struct nat_config *config,
                             char text[static NAT_PARAM_TEXT_SIZE]);
/* Sets one parameter by name; the error for an unknown name gives the nearest right one. */
bool nat_param_assign(struct nat_config *config, const char *name, const char *text,
                      char error[static NAT_PARAM_ERROR_SIZE]);

/*
 * The index of the first parameter at `from` or after it in which two configurations differ,
 * nat_param_count() when there is none: call with 0, then with the answer plus 1.
 */
size_t nat_config_difference(const struct nat_config *a, const struct nat_config *b, size_t from);
bool nat_config_equal(const struct nat_config *a, const struct nat_config *b);

#endif
