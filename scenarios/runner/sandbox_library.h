/* What a scenario script may call of Lua's own library. */
#ifndef WARREN_RUNNER_SANDBOX_LIBRARY_H
#define WARREN_RUNNER_SANDBOX_LIBRARY_H

#include <lua.h>

/* In the registry: the table of the words that a script can use without having defined them. */
#define SANDBOX_WORDS "warren.words"

/*
 * Pushes a script's table of globals. Reading an unknown one is an error that names the nearest
 * known one; the words of SANDBOX_WORDS, which this fills with Lua's, cannot be assigned.
 */
void sandbox_library_push_environment(lua_State *lua);

#endif
