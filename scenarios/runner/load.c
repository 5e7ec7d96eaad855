/* Loading: reads the file, runs it in the sandbox, and holds what all words share. */
#include "scenarios/runner/load.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "core/base/check.h"
#include "host/word.h"
#include "netns/adapter.h"
#include "scenarios/runner/run.h"
#include "scenarios/runner/sandbox.h"
#include "scenarios/runner/words.h"

_Static_assert((int)LOAD_ERROR_SIZE == (int)SANDBOX_ERROR_SIZE, "errors are handed through");

struct words *words_of(lua_State *lua)
{
    struct words *words = sandbox_context(lua);
    check(words != NULL && words->plan != NULL);
    return words;
}

/*
 * The nearest router above an interface that gives out a private range; PLAN_INTERNET when there is
 * none.
 */
static uint32_t find_range(const struct plan_scenario *scenario, uint32_t behind)
{
    while (behind != PLAN_INTERNET && !scenario->places[behind].has_nat)
        behind = scenario->places[behind].interfaces[0].behind;
    return behind;
}

/* A home's range is small. */
static void check_ranges(lua_State *lua)
{
    const struct plan *plan = words_of(lua)->plan;
    if (plan->scenario_count == 0)
        return;
    const struct plan_scenario *scenario = &plan->scenarios[plan->scenario_count - 1];
    uint32_t *used = lua_newuserdatauv(lua, (scenario->place_count + 1) * sizeof *used, 0);
    memset(used, 0, (scenario->place_count + 1) * sizeof *used);
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        uint32_t addresses =
            place->addresses > place->nat.pool ? place->addresses : place->nat.pool;
        for (uint32_t j = 0; j < place->interface_count; j++) {
            uint32_t range = find_range(scenario, place->interfaces[j].behind);
            if (range == PLAN_INTERNET || scenario->places[range].inside != PLAN_INSIDE_HOME)
                continue;
            used[range] += addresses;
            if (used[range] > PLAN_HOME_MAX)
                sandbox_fail_at(
                    lua, (int)place->line,
                    "there are more than %d addresses behind \"%s\": give it inside = \"wide\"",
                    PLAN_HOME_MAX, scenario->places[range].name);
        }
    }
    lua_pop(lua, 1);
}

/* Everything that was begun has to be complete before something else begins. */
static void check_complete(lua_State *lua)
{
    struct words *words = words_of(lua);
    check_ranges(lua);
    if (words->open_line != 0)
        sandbox_fail_at(lua, words->open_line,
                        "at: has no actions; write at \"1s\" { flush(\"home\") }");
    lua_getfield(lua, LUA_REGISTRYINDEX, "warren.values");
    for (lua_Integer i = 1; i <= words->values; i++) {
        lua_rawgeti(lua, -1, i);
        const struct words_value *value = lua_touserdata(lua, -1);
        if (!value->used) {
            bool is_action = luaL_testudata(lua, -1, WORDS_ACTION) != NULL;
            sandbox_fail_at(lua, value->line, "%s belongs inside %s",
                            is_action ? plan_action_words[value->action.kind].name
                                      : plan_expect_words[value->expect.kind],
                            is_action ? "at \"1s\" { }" : "expect { }");
        }
        lua_pop(lua, 1);
    }
    lua_pop(lua, 1);
    /* They have been looked at, and a long script makes many. */
    lua_newtable(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "warren.values");
    words->values = 0;
}

struct plan_scenario *words_scenario(lua_State *lua, const char *word)
{
    struct plan *plan = words_of(lua)->plan;
    if (plan->scenario_count == 0)
        sandbox_fail(lua, "%s: begin with scenario \"what this is about\"", word);
    return &plan->scenarios[plan->scenario_count - 1];
}

const char *words_text(lua_State *lua, int index, const char *what)
{
    size_t size;
    if (lua_type(lua, index) != LUA_TSTRING)
        sandbox_fail(lua, "%s must be a text, not a %s", what, luaL_typename(lua, index));
    const char *text = lua_tolstring(lua, index, &size);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            sandbox_fail(lua, "%s has a control character in it", what);
    return text;
}

uint64_t words_duration(lua_State *lua, int index, const char *what)
{
    char error[FIELD_ERROR_SIZE];
    uint64_t ns;
    const char *text = words_text(lua, index, what);
    if (!field_parse_duration(text, &ns, error))
        sandbox_fail(lua, "%s: %s", what, error);
    /* Far from the end of time, so that sums of two cannot overflow. */
    if (ns > UINT64_MAX / 16)
        sandbox_fail(lua, "%s: \"%.60s\" is too long", what, text);
    return ns;
}

void words_check_table(lua_State *lua, int index, const char *word)
{
    if (lua_type(lua, index) != LUA_TTABLE)
        sandbox_fail(lua, "%s takes a table in { }, not a %s", word, luaL_typename(lua, index));
}

uint32_t words_place(lua_State *lua, int index, const struct plan_scenario *scenario,
                     unsigned kinds, const char *word)
{
    const char *name = words_text(lua, index, word);
    uint32_t place = plan_find_place(scenario, name);
    if (place != PLAN_INTERNET && (kinds >> scenario->places[place].kind & 1) != 0)
        return place;
    const char *wanted = kinds == 1u << PLAN_ROUTER                         ? "router"
                         : kinds == 1u << PLAN_CLIENT                       ? "client"
                         : kinds == 1u << PLAN_SERVER                       ? "server"
                         : kinds == 1u << PLAN_HOSTILE                      ? "hostile"
                         : kinds == (1u << PLAN_SERVER | 1u << PLAN_CLIENT) ? "server or client"
                                                                            : "place";
    if (place != PLAN_INTERNET)
        sandbox_fail(lua, "%s: \"%s\" is a %s, not a %s", word, name,
                     plan_place_words[scenario->places[place].kind], wanted);
    struct word_search search = {.wrong = name};
    for (uint32_t i = 0; i < scenario->place_count; i++)
        if ((kinds >> scenario->places[i].kind & 1) != 0)
            word_consider(&search, scenario->places[i].name);
    const char *meant = word_meant(&search);
    if (meant != NULL)
        sandbox_fail(lua, "%s: unknown %s \"%s\": did you mean \"%s\"?", word, wanted, name, meant);
    sandbox_fail(lua, "%s: unknown %s \"%s\": it has to be declared above", word, wanted, name);
}

const char *words_value_text(lua_State *lua, int index, const char *what,
                             char text[static WORDS_VALUE_SIZE])
{
    int type = lua_type(lua, index);
    if (type == LUA_TSTRING) {
        snprintf(text, WORDS_VALUE_SIZE, "%s", words_text(lua, index, what));
    } else if (type == LUA_TBOOLEAN) {
        snprintf(text, WORDS_VALUE_SIZE, "%s", lua_toboolean(lua, index) != 0 ? "true" : "false");
    } else if (type == LUA_TNUMBER && lua_isinteger(lua, index)) {
        snprintf(text, WORDS_VALUE_SIZE, "%lld", (long long)lua_tointeger(lua, index));
    } else if (type == LUA_TNUMBER) {
        sandbox_fail(lua,
                     "%s: a plan has whole numbers only, and this is a fraction or the result of a "
                     "division by /",
                     what);
    } else {
        sandbox_fail(lua, "%s cannot be a %s", what, luaL_typename(lua, index));
    }
    return text;
}

void words_set_field(lua_State *lua, int index, const struct field *field, void *base,
                     const char *of)
{
    char what[160], text[WORDS_VALUE_SIZE], error[FIELD_ERROR_SIZE];
    uint64_t value;
    snprintf(what, sizeof what, "%s of %s", field->name, of);
    words_value_text(lua, index, what, text);
    bool is_text = lua_type(lua, index) == LUA_TSTRING;
    if (is_text ? field->type == FIELD_BOOLEAN || field->type == FIELD_COUNT
                : field_is_quoted(field))
        sandbox_fail(lua, "%s must be %s, not the %s %s", what, field_kind(field),
                     is_text ? "text" : luaL_typename(lua, index), text);
    if (!field_parse(field, text, &value, error))
        sandbox_fail(lua, "%s: %s", what, error);
    field_set(field, base, value);
}

_Noreturn void words_fail_field(lua_State *lua, const char *wrong, const char *kind,
                                const struct field *const tables[static 2],
                                const char *const *others)
{
    struct word_search search = {.wrong = wrong};
    for (int i = 0; i < 2; i++)
        for (const struct field *field = tables[i]; field != NULL && field->name != NULL; field++)
            word_consider(&search, field->name);
    for (; others != NULL && *others != NULL; others++)
        word_consider(&search, *others);
    const char *meant = word_meant(&search);
    if (meant != NULL)
        sandbox_fail(lua, "unknown field \"%s\" of %s: did you mean \"%s\"?", wrong, kind, meant);
    sandbox_fail(lua, "unknown field \"%s\" of %s", wrong, kind);
}

struct words_walk words_walk(lua_State *lua, int table)
{
    sandbox_push_keys(lua, table);
    return (struct words_walk){.keys = lua_gettop(lua), .next = 1};
}

bool words_next(lua_State *lua, struct words_walk *walk, int table)
{
    check(walk->keys <= lua_gettop(lua) && walk->next >= 1);
    if (lua_rawgeti(lua, walk->keys, walk->next) == LUA_TNIL) {
        lua_pop(lua, 1);
        return false;
    }
    lua_pushvalue(lua, -1);
    lua_rawget(lua, table);
    walk->next++;
    return true;
}

/* ---- scenario, seeds, duration ---- */

static int word_scenario(lua_State *lua)
{
    const char *title = words_text(lua, 1, "scenario's title");
    if (title[0] == 0)
        sandbox_fail(lua, "scenario: the title is empty");
    if (strlen(title) >= PLAN_TITLE_SIZE)
        sandbox_fail(lua, "scenario: the title is longer than %d bytes", PLAN_TITLE_SIZE - 1);
    check_complete(lua);
    sandbox_charge(lua, WORDS_STEPS_OTHER);
    struct plan_scenario *scenario = plan_add_scenario(words_of(lua)->plan);
    if (scenario == NULL)
        sandbox_fail(lua, "scenario: there are more than %d", PLAN_SCENARIOS_MAX);
    strcpy(scenario->title, title);
    scenario->line = (uint32_t)sandbox_line(lua);
    return 0;
}

static int word_seeds(lua_State *lua)
{
    struct plan_scenario *scenario = words_scenario(lua, "seeds");
    char text[WORDS_VALUE_SIZE];
    words_value_text(lua, 1, "seeds", text);
    lua_Integer count = lua_type(lua, 1) == LUA_TNUMBER ? lua_tointeger(lua, 1) : 0;
    if (count < 1 || count > PLAN_SEEDS_MAX)
        sandbox_fail(lua, "seeds: \"%s\" is not a number from 1 to %d", text, PLAN_SEEDS_MAX);
    scenario->seeds = (uint32_t)count;
    return 0;
}

static int word_duration(lua_State *lua)
{
    struct plan_scenario *scenario = words_scenario(lua, "duration");
    uint64_t ns = words_duration(lua, 1, "duration");
    if (ns == 0)
        sandbox_fail(lua, "duration: a run cannot last 0s");
    scenario->duration_ns = ns;
    return 0;
}

static int word_mesh(lua_State *lua)
{
    struct plan_scenario *scenario = words_scenario(lua, "mesh");
    if (lua_gettop(lua) != 0)
        sandbox_fail(lua, "mesh: takes nothing between its brackets");
    scenario->mesh = true;
    return 0;
}

/* program("nebula"): whose programs run; Warren's own unless it says so. */
static int word_program(lua_State *lua)
{
    static const char own[] = "warren";
    struct plan_scenario *scenario = words_scenario(lua, "program");
    const char *name = words_text(lua, 1, "program");
    struct word_search search = {.wrong = name};
    word_consider(&search, own);
    for (uint32_t i = 0; adapter_at(i) != NULL; i++)
        word_consider(&search, adapter_at(i)->name);
    bool is_own = strcmp(name, own) == 0;
    if (!is_own && adapter_find(name) == NULL)
        sandbox_fail(lua, "program: unknown program \"%.60s\": did you mean \"%s\"?", name,
                     search.best);
    check(strlen(name) < sizeof scenario->program);
    strcpy(scenario->program, is_own ? "" : name);
    return 0;
}

static void read_side(lua_State *lua, int index, char side[static PLAN_WORD_SIZE])
{
    const char *text = words_text(lua, index, "cell");
    if (text[0] == 0 || strlen(text) >= PLAN_WORD_SIZE)
        sandbox_fail(lua, "cell: the name of a row or column has 1 to %d letters",
                     PLAN_WORD_SIZE - 1);
    strcpy(side, text);
}

/* cell("row", "column"): where the scenario stands in the matrix. */
static int word_cell(lua_State *lua)
{
    struct plan_scenario *scenario = words_scenario(lua, "cell");
    read_side(lua, 1, scenario->row);
    read_side(lua, 2, scenario->column);
    return 0;
}

/* differs("linux", "why"): what comes of the scenario there may be something else. */
static int word_differs(lua_State *lua)
{
    struct plan_scenario *scenario = words_scenario(lua, "differs");
    const char *name = words_text(lua, 1, "differs: the network");
    const char *why = words_text(lua, 2, "differs: the reason");
    struct word_search search = {.wrong = name};
    for (uint32_t i = 0; i < run_network_count; i++)
        word_consider(&search, run_networks[i].name);
    if (run_network_find(name) == NULL)
        sandbox_fail(lua, "differs: unknown network \"%.60s\": did you mean \"%s\"?", name,
                     search.best);
    if (why[0] == 0 || strlen(why) >= PLAN_WHY_SIZE)
        sandbox_fail(lua, "differs: the reason is a sentence of at most %d bytes",
                     PLAN_WHY_SIZE - 1);
    if (plan_why_different(scenario, name) != NULL)
        sandbox_fail(lua, "differs: says twice why \"%s\" does", name);
    struct plan_difference *difference = plan_add_difference(scenario);
    check(difference != NULL && strlen(name) < sizeof difference->network);
    strcpy(difference->network, name);
    strcpy(difference->why, why);
    return 0;
}

static int add_words(lua_State *lua)
{
    static const luaL_Reg ours[] = {{"scenario", word_scenario}, {"seeds", word_seeds},
                                    {"duration", word_duration}, {"mesh", word_mesh},
                                    {"program", word_program},   {"cell", word_cell},
                                    {"differs", word_differs},   {NULL, NULL}};
    luaL_setfuncs(lua, ours, 0);
    lua_newtable(lua);
    lua_setfield(lua, LUA_REGISTRYINDEX, "warren.values");
    words_add_places(lua);
    words_add_timeline(lua);
    words_add_expect(lua);
    return 0;
}

static int finish(lua_State *lua)
{
    check_complete(lua);
    if (words_of(lua)->plan->scenario_count == 0)
        sandbox_fail_at(lua, 1, "the script has no scenario");
    return 0;
}

bool plan_load(struct plan *plan, const char *path, const char *text, size_t size,
               char error[static LOAD_ERROR_SIZE])
{
    struct sandbox sandbox;
    struct words words = {.plan = plan};
    *plan = (struct plan){.scenarios = NULL};
    if (sandbox_run(&sandbox, path, text, size, add_words, finish, &words, error))
        return true;
    plan_free(plan);
    return false;
}

bool plan_load_file(struct plan *plan, const char *path, char error[static LOAD_ERROR_SIZE])
{
    *plan = (struct plan){.scenarios = NULL};
    FILE *file = fopen(path, "rb");
    size_t room = SANDBOX_SCRIPT_MAX + 1;
    char *text = file != NULL ? malloc(room) : NULL;
    size_t size = text != NULL ? fread(text, 1, room, file) : 0;
    if (text == NULL || ferror(file)) {
        snprintf(error, LOAD_ERROR_SIZE, "%.300s: cannot be read: %s", path, strerror(errno));
        if (file != NULL)
            fclose(file);
        free(text);
        return false;
    }
    fclose(file);
    bool loaded = plan_load(plan, path, text, size, error);
    free(text);
    return loaded;
}
