/*
 * Lua's library for scripts, as an allow-list. What is not here is missing for a reason: io, os,
 * debug, load and require reach outside; pcall and coroutines would outlive a limit; setmetatable
 * can hang code on the collector; patterns take time that no step counts; `next`, `%p` and
 * tostring() of a table would show addresses or their order; sort() of Lua reads the clock; math
 * with results that are not integers has no place in a plan.
 */
#include "scenarios/runner/sandbox_library.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "core/base/check.h"
#include "host/word.h"
#include "scenarios/runner/sandbox.h"

typedef bool before(lua_State *lua, int a, int b);

static uint64_t list_length(lua_State *lua, int list)
{
    return (uint64_t)lua_rawlen(lua, list);
}

/* Merges two neighbouring runs of `width` from one list into the other. */
static void merge(lua_State *lua, int from, int to, lua_Integer low, lua_Integer width,
                  lua_Integer n, before *is_before)
{
    lua_Integer i = low, middle = low + width <= n ? low + width : n + 1;
    lua_Integer j = middle, end = middle + width <= n ? middle + width : n + 1;
    for (lua_Integer k = low; k < end; k++) {
        bool right = i >= middle;
        if (!right && j < end) {
            lua_rawgeti(lua, from, j);
            lua_rawgeti(lua, from, i);
            right = is_before(lua, -2, -1);
            lua_pop(lua, 2);
        }
        lua_rawgeti(lua, from, right ? j++ : i++);
        lua_rawseti(lua, to, k);
    }
}

/* Sorts the list at an absolute index. Stable, so that equal elements have one order everywhere. */
static void sort(lua_State *lua, int list, before *is_before)
{
    lua_Integer n = (lua_Integer)list_length(lua, list);
    luaL_checkstack(lua, 8, NULL);
    lua_createtable(lua, (int)n, 0);
    int from = list, to = lua_gettop(lua);
    int scratch = to;
    for (lua_Integer width = 1; width < n; width *= 2) {
        sandbox_charge(lua, (uint64_t)n);
        for (lua_Integer low = 1; low <= n; low += 2 * width)
            merge(lua, from, to, low, width, n, is_before);
        int swap = from;
        from = to;
        to = swap;
    }
    for (lua_Integer i = 1; from != list && i <= n; i++) {
        lua_rawgeti(lua, from, i);
        lua_rawseti(lua, list, i);
    }
    check(lua_gettop(lua) == scratch);
    lua_pop(lua, 1);
}

static bool key_before(lua_State *lua, int a, int b)
{
    bool a_is_number = lua_type(lua, a) == LUA_TNUMBER;
    bool b_is_number = lua_type(lua, b) == LUA_TNUMBER;
    if (a_is_number != b_is_number)
        return a_is_number;
    if (a_is_number)
        return lua_compare(lua, a, b, LUA_OPLT) != 0;
    size_t a_size, b_size;
    const char *a_text = lua_tolstring(lua, a, &a_size);
    const char *b_text = lua_tolstring(lua, b, &b_size);
    int order = memcmp(a_text, b_text, a_size < b_size ? a_size : b_size);
    return order != 0 ? order < 0 : a_size < b_size;
}

void sandbox_push_keys(lua_State *lua, int table)
{
    table = lua_absindex(lua, table);
    luaL_checkstack(lua, 8, NULL);
    lua_newtable(lua);
    int keys = lua_gettop(lua);
    lua_Integer n = 0;
    lua_pushnil(lua);
    while (lua_next(lua, table) != 0) {
        lua_pop(lua, 1);
        int type = lua_type(lua, -1);
        if (type != LUA_TNUMBER && type != LUA_TSTRING)
            sandbox_fail(lua, "a key is a %s; only numbers and texts have an order",
                         lua_typename(lua, type));
        lua_pushvalue(lua, -1);
        lua_rawseti(lua, keys, ++n);
    }
    sandbox_charge(lua, (uint64_t)n);
    sort(lua, keys, key_before);
}

/* Upvalues: the table, its keys, how many were visited. */
static int pairs_step(lua_State *lua)
{
    lua_Integer index = lua_tointeger(lua, lua_upvalueindex(3)) + 1;
    lua_pushinteger(lua, index);
    lua_replace(lua, lua_upvalueindex(3));
    if (lua_rawgeti(lua, lua_upvalueindex(2), index) == LUA_TNIL)
        return 1;
    lua_pushvalue(lua, -1);
    lua_rawget(lua, lua_upvalueindex(1));
    return 2;
}

static int word_pairs(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    lua_pushvalue(lua, 1);
    sandbox_push_keys(lua, 1);
    lua_pushinteger(lua, 0);
    lua_pushcclosure(lua, pairs_step, 3);
    return 1;
}

/* Replaces the value at `index` by its text, if that would show an address. */
static void push_text(lua_State *lua, int index)
{
    switch (lua_type(lua, index)) {
    case LUA_TNIL:
    case LUA_TBOOLEAN:
    case LUA_TNUMBER:
    case LUA_TSTRING:
        luaL_tolstring(lua, index, NULL);
        break;
    default:
        lua_pushstring(lua, luaL_typename(lua, index));
    }
}

static int word_tostring(lua_State *lua)
{
    luaL_checkany(lua, 1);
    push_text(lua, 1);
    return 1;
}

/*
 * Calls Lua's string.format, its upvalue, with arguments that have no address and are no fractions.
 */
static int string_format(lua_State *lua)
{
    size_t size;
    const char *format = luaL_checklstring(lua, 1, &size);
    for (size_t i = 0; i + 1 < size; i++) {
        if (format[i] != '%')
            continue;
        i++;
        while (i < size && strchr("-+ #0.123456789", format[i]) != NULL && format[i] != 0)
            i++;
        if (i < size && strchr("cdiuxXosq%", format[i]) == NULL)
            sandbox_fail(lua, "string.format: %%%c is not available in scenarios", format[i]);
    }
    int count = lua_gettop(lua);
    for (int i = 2; i <= count; i++) {
        push_text(lua, i);
        if (lua_type(lua, i) != LUA_TNUMBER)
            lua_replace(lua, i);
        lua_settop(lua, count);
    }
    sandbox_charge(lua, size);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, 1);
    return 1;
}

static bool value_before(lua_State *lua, int a, int b)
{
    a = lua_absindex(lua, a);
    b = lua_absindex(lua, b);
    if (lua_isnoneornil(lua, 2))
        return lua_compare(lua, a, b, LUA_OPLT) != 0;
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, a);
    lua_pushvalue(lua, b);
    lua_call(lua, 2, 1);
    bool is_before = lua_toboolean(lua, -1) != 0;
    lua_pop(lua, 1);
    return is_before;
}

static int table_sort(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    if (!lua_isnoneornil(lua, 2))
        luaL_checktype(lua, 2, LUA_TFUNCTION);
    lua_settop(lua, 2);
    sort(lua, 1, value_before);
    return 0;
}

static int table_unpack(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    uint64_t n = list_length(lua, 1);
    if (n > 200)
        sandbox_fail(lua, "table.unpack: the list has more than 200 elements");
    luaL_checkstack(lua, (int)n + 4, NULL);
    for (lua_Integer i = 1; i <= (lua_Integer)n; i++)
        lua_rawgeti(lua, 1, i);
    return (int)n;
}

/* Calls Lua's own function, the upvalue, after counting the elements that it will touch. */
static int charged(lua_State *lua)
{
    if (lua_type(lua, 1) == LUA_TTABLE || lua_type(lua, 1) == LUA_TSTRING)
        sandbox_charge(lua, (uint64_t)lua_rawlen(lua, 1) / 16);
    int count = lua_gettop(lua);
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, count, LUA_MULTRET);
    return lua_gettop(lua);
}

/* string.rep with the empty text would count to any number. */
static int string_rep(lua_State *lua)
{
    size_t size, separator;
    luaL_checklstring(lua, 1, &size);
    lua_Integer n = luaL_checkinteger(lua, 2);
    luaL_optlstring(lua, 3, "", &separator);
    if (n > SANDBOX_BLOCK_MAX)
        sandbox_fail(lua, "string.rep: the result would be too long");
    sandbox_charge(lua, n > 0 ? (uint64_t)n / 64 : 0);
    return charged(lua);
}

/*
 * Puts allowed elements of the table on top of the stack into the table at `to`; functions as
 * charged() or as they are.
 */
static void copy_elements(lua_State *lua, int to, const char *const *names, bool charging)
{
    to = lua_absindex(lua, to);
    for (; *names != NULL; names++) {
        int type = lua_getfield(lua, -1, *names);
        check(type != LUA_TNIL);
        if (charging && type == LUA_TFUNCTION)
            lua_pushcclosure(lua, charged, 1);
        lua_setfield(lua, to, *names);
    }
}

/*
 * Raises an error that names the nearest of a table's keys. `of` is "" or a library's name with its
 * point.
 */
static _Noreturn void fail_unknown(lua_State *lua, const char *of, const char *name, int known,
                                   int more)
{
    struct word_search search = {.wrong = name};
    int tables[] = {known, more};
    for (int i = 0; i < 2; i++) {
        if (tables[i] == 0)
            continue;
        sandbox_push_keys(lua, tables[i]);
        lua_Integer n = (lua_Integer)list_length(lua, -1);
        for (lua_Integer k = 1; k <= n; k++) {
            lua_rawgeti(lua, -1, k);
            if (lua_type(lua, -1) == LUA_TSTRING)
                word_consider(&search, lua_tostring(lua, -1)); /* the table keeps the text alive */
            lua_pop(lua, 1);
        }
    }
    const char *meant = word_meant(&search);
    if (meant != NULL)
        sandbox_fail(lua, "unknown word \"%s%s\": did you mean \"%s%s\"?", of, name, of, meant);
    sandbox_fail(lua, "unknown word \"%s%s\"", of, name);
}

/* Upvalue: the library's name. */
static int library_unknown(lua_State *lua)
{
    char of[32] = "";
    strncat(of, lua_tostring(lua, lua_upvalueindex(1)), sizeof of - 2);
    strcat(of, ".");
    if (lua_type(lua, 2) == LUA_TSTRING)
        fail_unknown(lua, of, lua_tostring(lua, 2), 1, 0);
    sandbox_fail(lua, "%s has no such element", lua_tostring(lua, lua_upvalueindex(1)));
}

static int global_unknown(lua_State *lua)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, SANDBOX_WORDS);
    int words = lua_gettop(lua);
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, words) != LUA_TNIL)
        return 1;
    if (lua_type(lua, 2) != LUA_TSTRING)
        sandbox_fail(lua, "a global name is a text");
    fail_unknown(lua, "", lua_tostring(lua, 2), words, 1);
}

static int global_assign(lua_State *lua)
{
    lua_getfield(lua, LUA_REGISTRYINDEX, SANDBOX_WORDS);
    lua_pushvalue(lua, 2);
    if (lua_rawget(lua, -2) != LUA_TNIL)
        sandbox_fail(lua, "\"%s\" is a word of scenarios and cannot be assigned",
                     lua_tostring(lua, 2));
    lua_settop(lua, 3);
    lua_rawset(lua, 1);
    return 0;
}

/*
 * Makes the table on top of the stack an element of the table below it, with errors for what it
 * does not have.
 */
static void add_library(lua_State *lua, const char *name)
{
    lua_newtable(lua);
    lua_pushstring(lua, name);
    lua_pushcclosure(lua, library_unknown, 1);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_setfield(lua, -2, name);
}

/* Adds a library's table, with the allowed functions of Lua's and some of ours. */
static void open_library(lua_State *lua, const char *name, lua_CFunction open,
                         const char *const *allowed, const luaL_Reg *ours)
{
    luaL_requiref(lua, name, open, 0);
    lua_newtable(lua);
    lua_insert(lua, -2);
    copy_elements(lua, -2, allowed, true);
    for (; ours->name != NULL; ours++) {
        lua_getfield(lua, -1, ours->name);
        lua_pushcclosure(lua, ours->func, 1);
        lua_setfield(lua, -3, ours->name);
    }
    lua_pop(lua, 1);
    if (strcmp(name, LUA_STRLIBNAME) == 0) { /* methods of texts: ("x"):rep(3) */
        lua_pushliteral(lua, "");
        int has = lua_getmetatable(lua, -1);
        check(has != 0);
        lua_pushvalue(lua, -3);
        lua_setfield(lua, -2, "__index");
        lua_pop(lua, 2);
    }
    add_library(lua, name);
}

void sandbox_library_push_environment(lua_State *lua)
{
    static const char *const base[] = {"assert",   "error", "ipairs", "select",
                                       "tonumber", "type",  NULL};
    static const char *const strings[] = {"byte",    "char", "len",   "lower",
                                          "reverse", "sub",  "upper", NULL};
    static const char *const tables[] = {"concat", "insert", "remove", NULL};
    static const char *const numbers[] = {"abs",       "max",  "min", "maxinteger", "mininteger",
                                          "tointeger", "type", "ult", NULL};
    static const luaL_Reg our_strings[] = {
        {"format", string_format}, {"rep", string_rep}, {NULL, NULL}};
    static const luaL_Reg our_tables[] = {
        {"sort", table_sort}, {"unpack", table_unpack}, {NULL, NULL}};
    static const luaL_Reg our_numbers[] = {{NULL, NULL}};
    lua_newtable(lua); /* the words */
    luaL_requiref(lua, LUA_GNAME, luaopen_base, 0);
    copy_elements(lua, -2, base, false);
    lua_pop(lua, 1);
    lua_pushcfunction(lua, word_pairs);
    lua_setfield(lua, -2, "pairs");
    lua_pushcfunction(lua, word_tostring);
    lua_setfield(lua, -2, "tostring");
    open_library(lua, LUA_STRLIBNAME, luaopen_string, strings, our_strings);
    open_library(lua, LUA_TABLIBNAME, luaopen_table, tables, our_tables);
    open_library(lua, LUA_MATHLIBNAME, luaopen_math, numbers, our_numbers);
    lua_setfield(lua, LUA_REGISTRYINDEX, SANDBOX_WORDS);
    lua_newtable(lua); /* the script's own globals */
    lua_newtable(lua);
    lua_pushcfunction(lua, global_unknown);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, global_assign);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
}
