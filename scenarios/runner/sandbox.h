/*
 * Lua for scenario scripts: a language without input, output, clocks, randomness or addresses, in
 * bounded steps and memory. What a script computes is a function of its text alone. The words that
 * make a plan are added by the caller.
 */
#ifndef WARREN_RUNNER_SANDBOX_H
#define WARREN_RUNNER_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

enum {
    SANDBOX_STEPS_MAX = 4000000,  /* instructions of Lua, and elements that the library touches */
    SANDBOX_BYTES_MAX = 16 << 20, /* in use at once */
    SANDBOX_BLOCK_MAX =
        256 << 10, /* of one string or table: bounds the time of a single instruction */
    SANDBOX_CHURN_MAX = 256 << 20, /* allocated in all */
    SANDBOX_SCRIPT_MAX = 1 << 20,  /* bytes of a script */
    SANDBOX_ERROR_SIZE = 768,
};

struct sandbox {
    lua_State *lua;
    const char *path; /* of the script, for messages */
    size_t bytes;
    size_t churn;
    uint64_t steps;
    int refused_line; /* where memory was last refused */
    int refused_why;
    void *context; /* the caller's; sandbox_context() finds it */
    lua_CFunction words;
    lua_CFunction finish;
    const char *text;
    size_t size;
};

/*
 * Runs a script. `words` is called with the table of global words on top of the stack and adds to
 * it; `finish` is called when the script has ended. Both may raise errors. False, with one line
 * "path:line: what" in `error`, when anything failed.
 */
bool sandbox_run(struct sandbox *sandbox, const char *path, const char *text, size_t size,
                 lua_CFunction words, lua_CFunction finish, void *context,
                 char error[static SANDBOX_ERROR_SIZE]);

/* ---- For words ---- */

void *sandbox_context(lua_State *lua);
/* The line of the script that is running; 0 when there is none. */
int sandbox_line(lua_State *lua);
/* Raises an error at the running line, or at a given one. */
_Noreturn void sandbox_fail(lua_State *lua, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
_Noreturn void sandbox_fail_at(lua_State *lua, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Counts steps that a word took; raises an error when there were too many. */
void sandbox_charge(lua_State *lua, uint64_t steps);
/*
 * Pushes a list of a table's keys: integers in order, then texts in byte order. Raises an error for
 * any other key.
 */
void sandbox_push_keys(lua_State *lua, int table);

#endif
