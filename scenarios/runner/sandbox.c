/*
 * The sandboxed Lua: limits, errors with their line, and running a script. What it may call is in
 * sandbox_library.c.
 */
#include "scenarios/runner/sandbox.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "core/base/check.h"
#include "scenarios/runner/sandbox_library.h"

/*
 * Lua shortens a chunk's name in messages, so the chunk has this name and messages get the path in
 * its place.
 */
#define CHUNK "script"

enum { HOOK_STEPS = 1000 };

enum refused { REFUSED_NOTHING, REFUSED_BLOCK, REFUSED_BYTES, REFUSED_CHURN };

static const char *const refused_text[] = {
    [REFUSED_NOTHING] = "out of memory",
    [REFUSED_BLOCK] = "a text, a table or the depth of calls has grown beyond 256 KiB",
    [REFUSED_BYTES] = "the script needs more than 16 MiB of memory",
    [REFUSED_CHURN] = "the script has taken more than 256 MiB of memory in all",
};

_Static_assert(LUA_EXTRASPACE == sizeof(struct sandbox *),
               "the extra space holds the pointer to ours");

static struct sandbox *sandbox_of(lua_State *lua)
{
    struct sandbox *sandbox;
    memcpy((void *)&sandbox, lua_getextraspace(lua), LUA_EXTRASPACE);
    check(sandbox != NULL);
    return sandbox;
}

void *sandbox_context(lua_State *lua)
{
    return sandbox_of(lua)->context;
}

int sandbox_line(lua_State *lua)
{
    lua_Debug at;
    for (int level = 0; lua_getstack(lua, level, &at) != 0; level++) {
        lua_getinfo(lua, "l", &at);
        if (at.currentline > 0)
            return at.currentline;
    }
    return 0;
}

static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
    struct sandbox *sandbox = context;
    size_t old = block != NULL ? old_size : 0; /* without a block, Lua passes the kind of object */
    check(old <= sandbox->bytes);
    if (size == 0) {
        free(block);
        sandbox->bytes -= old;
        return NULL;
    }
    int why = REFUSED_NOTHING;
    if (size > SANDBOX_BLOCK_MAX)
        why = REFUSED_BLOCK;
    else if (sandbox->bytes - old + size > SANDBOX_BYTES_MAX)
        why = REFUSED_BYTES;
    else if (sandbox->churn + size > SANDBOX_CHURN_MAX)
        why = REFUSED_CHURN;
    /* Making a block smaller must not fail. */
    void *grown = why == REFUSED_NOTHING || size <= old ? realloc(block, size) : NULL;
    if (grown == NULL) {
        sandbox->refused_why = why;
        sandbox->refused_line = sandbox->lua != NULL ? sandbox_line(sandbox->lua) : 0;
        return NULL;
    }
    sandbox->bytes += size - old;
    sandbox->churn += size > old ? size : 0;
    return grown;
}

static _Noreturn void fail_at(lua_State *lua, int line, const char *format, va_list arguments)
{
    char text[SANDBOX_ERROR_SIZE];
    vsnprintf(text, sizeof text, format, arguments);
    lua_pushfstring(lua, CHUNK ":%d: %s", line, text);
    lua_error(lua);
    abort(); /* lua_error() does not return, but is not declared so */
}

void sandbox_fail(lua_State *lua, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_at(lua, sandbox_line(lua), format, arguments);
}

void sandbox_fail_at(lua_State *lua, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fail_at(lua, line, format, arguments);
}

void sandbox_charge(lua_State *lua, uint64_t steps)
{
    struct sandbox *sandbox = sandbox_of(lua);
    sandbox->steps += steps < SANDBOX_STEPS_MAX ? steps : SANDBOX_STEPS_MAX;
    if (sandbox->steps > SANDBOX_STEPS_MAX)
        sandbox_fail(lua, "the script takes more than %d steps: is there an endless loop?",
                     SANDBOX_STEPS_MAX);
}

static void count_steps(lua_State *lua, lua_Debug *at)
{
    (void)at;
    sandbox_charge(lua, HOOK_STEPS);
}

/* Runs where an error was raised: gives its text the line that runs there, if it has none yet. */
static int add_line(lua_State *lua)
{
    const char *said = lua_type(lua, 1) == LUA_TSTRING
                           ? lua_tostring(lua, 1)
                           : "the script raised an error that is no text";
    int line = sandbox_line(lua);
    if (strncmp(said, CHUNK ":", sizeof CHUNK) != 0 && line > 0)
        lua_pushfstring(lua, CHUNK ":%d: %s", line, said);
    else
        lua_pushstring(lua, said);
    return 1;
}

/* Everything that may raise an error: runs inside lua_pcall(). */
static int run(lua_State *lua)
{
    struct sandbox *sandbox = sandbox_of(lua);
    sandbox_library_push_environment(lua);
    lua_getfield(lua, LUA_REGISTRYINDEX, SANDBOX_WORDS);
    sandbox->words(lua);
    lua_settop(lua, 1);
    if (luaL_loadbufferx(lua, sandbox->text, sandbox->size, "@" CHUNK, "t") != LUA_OK)
        lua_error(lua);
    lua_pushvalue(lua, 1);
    const char *upvalue = lua_setupvalue(lua, -2, 1);
    check(upvalue != NULL && strcmp(upvalue, "_ENV") == 0);
    lua_sethook(lua, count_steps, LUA_MASKCOUNT, HOOK_STEPS);
    lua_call(lua, 0, 0);
    lua_sethook(lua, NULL, 0, 0);
    sandbox->finish(lua);
    return 0;
}

/* One line, of bytes that a terminal can bear. */
static void copy_line(char *to, size_t size, const char *from)
{
    size_t used = strlen(to);
    for (; *from != 0 && used + 1 < size; from++)
        to[used++] = (unsigned char)*from < 0x20 || *from == 0x7f ? ' ' : *from;
    to[used] = 0;
}

static void describe(const struct sandbox *sandbox, int status,
                     char error[static SANDBOX_ERROR_SIZE])
{
    const char *said =
        lua_type(sandbox->lua, -1) == LUA_TSTRING ? lua_tostring(sandbox->lua, -1) : NULL;
    error[0] = 0;
    copy_line(error, SANDBOX_ERROR_SIZE / 2, sandbox->path);
    if (status == LUA_ERRMEM) {
        char line[16];
        snprintf(line, sizeof line, ":%d: ", sandbox->refused_line);
        copy_line(error, SANDBOX_ERROR_SIZE, sandbox->refused_line > 0 ? line : ": ");
        copy_line(error, SANDBOX_ERROR_SIZE, refused_text[sandbox->refused_why]);
    } else if (said != NULL && strncmp(said, CHUNK ":", sizeof CHUNK) == 0) {
        copy_line(error, SANDBOX_ERROR_SIZE, said + sizeof CHUNK - 1);
    } else {
        copy_line(error, SANDBOX_ERROR_SIZE, ": ");
        copy_line(error, SANDBOX_ERROR_SIZE, said != NULL ? said : "the script cannot be run");
    }
}

bool sandbox_run(struct sandbox *sandbox, const char *path, const char *text, size_t size,
                 lua_CFunction words, lua_CFunction finish, void *context,
                 char error[static SANDBOX_ERROR_SIZE])
{
    *sandbox = (struct sandbox){.path = path,
                                .context = context,
                                .words = words,
                                .finish = finish,
                                .text = text,
                                .size = size};
    error[0] = 0;
    if (size > SANDBOX_SCRIPT_MAX) {
        snprintf(error, SANDBOX_ERROR_SIZE,
                 "%.300s: a script has at most 1 MiB, and this one has %zu bytes", path, size);
        return false;
    }
    lua_State *lua = lua_newstate(allocate, sandbox);
    if (lua == NULL) {
        snprintf(error, SANDBOX_ERROR_SIZE, "%.300s: out of memory", path);
        return false;
    }
    memcpy(lua_getextraspace(lua), (const void *)&sandbox, LUA_EXTRASPACE);
    sandbox->lua = lua;
    lua_pushcfunction(lua, add_line);
    lua_pushcfunction(lua, run);
    int status = lua_pcall(lua, 0, 0, 1);
    if (status != LUA_OK)
        describe(sandbox, status, error);
    lua_close(lua);
    sandbox->lua = NULL;
    return status == LUA_OK;
}
