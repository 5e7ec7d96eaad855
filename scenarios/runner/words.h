/*
 * The words of scenario scripts, in parts: what all of them share. Used by load.c and words_*.c
 * alone.
 */
#ifndef WARREN_RUNNER_WORDS_H
#define WARREN_RUNNER_WORDS_H

#include <stdint.h>

#include <lua.h>

#include "scenarios/runner/plan.h"

/* What loading knows besides the plan. */
struct words {
    struct plan *plan;
    int open_line;   /* of an `at` that has no actions yet; 0: there is none */
    uint32_t values; /* actions and findings made so far */
};

/* Steps that count for what a word adds to the plan, so that a plan's memory is bounded too. */
enum { WORDS_STEPS_PLACE = 50, WORDS_STEPS_OTHER = 10 };

/* The kinds of userdata that words make. */
#define WORDS_ACTION "action"
#define WORDS_FINDING "finding"
#define WORDS_MODE "mode"

/* What classify(...) and the like make for `at`, and classified(...) for `expect`. */
struct words_value {
    int line;
    bool used; /* it stands in an `at` or `expect` */
    uint32_t scenario;
    union {
        struct plan_action action;
        struct plan_expect expect;
    };
};

struct words *words_of(lua_State *lua);
/* The scenario that the running word belongs to; an error when none has begun. */
struct plan_scenario *words_scenario(lua_State *lua, const char *word);

/* Adds what the file defines to the table on top of the stack. */
void words_add_places(lua_State *lua);
void words_add_timeline(lua_State *lua);
void words_add_expect(lua_State *lua);

/*
 * The text at an index, without zero bytes; an error that says "`what` must be a text" otherwise.
 */
const char *words_text(lua_State *lua, int index, const char *what);
/* A duration. */
uint64_t words_duration(lua_State *lua, int index, const char *what);
/* A table; an error that says what `word` wants otherwise. */
void words_check_table(lua_State *lua, int index, const char *word);
/* The index of a place of the scenario that is one of `kinds` (bit n: enum plan_place_kind n). */
uint32_t words_place(lua_State *lua, int index, const struct plan_scenario *scenario,
                     unsigned kinds, const char *word);

enum { WORDS_VALUE_SIZE = 128 };
/*
 * A field's value as text, whatever its type is; an error when it is a fraction or no single value.
 */
const char *words_value_text(lua_State *lua, int index, const char *what,
                             char text[static WORDS_VALUE_SIZE]);
/* Sets a field from the value at an index. `of` says whose, such as `router "home"`. */
void words_set_field(lua_State *lua, int index, const struct field *field, void *base,
                     const char *of);

/*
 * Raises an error for a field that does not exist: `kind` is whose ("router"), `tables` are the
 * fields that do (NULL entries are left out), `others` more names, NULL after the last.
 */
_Noreturn void words_fail_field(lua_State *lua, const char *wrong, const char *kind,
                                const struct field *const tables[static 2],
                                const char *const *others);

/* Walks a table in the order of its keys. */
struct words_walk {
    int keys; /* stack index of the list */
    lua_Integer next;
};
struct words_walk words_walk(lua_State *lua, int table);
/* Pushes the next key and its value; false, with nothing pushed, after the last. */
bool words_next(lua_State *lua, struct words_walk *walk, int table);

#endif
