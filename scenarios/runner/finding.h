/*
 * What a client finds out about its NATs, as words: the fields of struct stun_behaviour by name and
 * value, for scripts, verdicts and tables.
 */
#ifndef WARREN_RUNNER_FINDING_H
#define WARREN_RUNNER_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/stun/behaviour.h"

enum finding_field {
    FINDING_NAT,
    FINDING_MAPPING,
    FINDING_FILTERING,
    FINDING_PORTS,
    FINDING_STEP,
    FINDING_HAIRPIN,
    FINDING_POOLING,
    FINDING_TRAP,
    FINDING_FIELDS
};

/* Any number of the fields. Values of fields that are not in `mask` are 0. */
struct finding {
    uint32_t mask; /* bit n: enum finding_field n */
    int32_t value[FINDING_FIELDS];
};

enum { FINDING_TEXT_SIZE = 192, FINDING_STEP_MAX = 65535 };

/* "mapping"; static. */
const char *finding_name(enum finding_field field);
/* FINDING_FIELDS when there is none of that name. */
enum finding_field finding_find(const char *name);
/* The words of a field by value, NULL after the last; NULL for FINDING_STEP, which is a number. */
const char *const *finding_words(enum finding_field field);
/* "EIM"; for a number that is no word's, "?". Not for FINDING_STEP. */
const char *finding_word(enum finding_field field, int32_t value);

/* All fields; the step only where ports are sequential. */
struct finding finding_of(const struct stun_behaviour *behaviour);
/* Sets one field. */
void finding_add(struct finding *finding, enum finding_field field, int32_t value);
/* Whether what was found agrees in every field that is wanted. */
bool finding_agrees(const struct finding *wanted, const struct finding *found);

/*
 * "mapping EIM, filtering APDF": the fields of `finding`, or of them only those in which `other`
 * differs if not NULL.
 */
const char *finding_render(const struct finding *finding, const struct finding *other,
                           char text[static FINDING_TEXT_SIZE]);
/* "EIM APDF preserved hairpin:external paired": short, for tables; what is unknown is "?", what is
   not among the fields "~"; a trap is named if there is one. */
const char *finding_brief(const struct finding *finding, char text[static FINDING_TEXT_SIZE]);

#endif
