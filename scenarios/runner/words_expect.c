/* The word expect, and what stands in it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <lauxlib.h>

#include "core/base/check.h"
#include "host/word.h"
#include "scenarios/runner/sandbox.h"
#include "scenarios/runner/words.h"

static const char *const expect_others[] = {"within", "after", "share", NULL};

/* The error for a word that the field does not have. */
static _Noreturn void fail_word(lua_State *lua, enum finding_field field, const char *wrong)
{
    struct word_search search = {.wrong = wrong};
    for (const char *const *known = finding_words(field); *known != NULL; known++)
        word_consider(&search, *known);
    const char *meant = word_meant(&search);
    if (meant != NULL)
        sandbox_fail(lua, "classified: unknown %s \"%s\": did you mean \"%s\"?",
                     finding_name(field), wrong, meant);
    sandbox_fail(lua, "classified: unknown %s \"%s\": one of them is \"%s\"", finding_name(field),
                 wrong, finding_words(field)[1]);
}

/* One field of classified("alice", { }): its name at -2, its value at -1. */
static void read_finding(lua_State *lua, struct finding *wanted)
{
    const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
    enum finding_field field = finding_find(name);
    if (field == FINDING_FIELDS) {
        const char *names[FINDING_FIELDS + 1] = {NULL};
        for (uint32_t i = 0; i < FINDING_FIELDS; i++)
            names[i] = finding_name((enum finding_field)i);
        words_fail_field(lua, name, "classified", (const struct field *const[]){NULL, NULL}, names);
    }
    if (field == FINDING_STEP) {
        if (!lua_isinteger(lua, -1) || lua_tointeger(lua, -1) < -FINDING_STEP_MAX ||
            lua_tointeger(lua, -1) > FINDING_STEP_MAX)
            sandbox_fail(lua, "classified: step is a number from -%d to %d", FINDING_STEP_MAX,
                         FINDING_STEP_MAX);
        finding_add(wanted, field, (int32_t)lua_tointeger(lua, -1));
        return;
    }
    const char *word = words_text(lua, -1, name);
    const char *const *words = finding_words(field);
    int32_t value = 0;
    while (words[value] != NULL && strcasecmp(words[value], word) != 0)
        value++;
    if (words[value] == NULL)
        fail_word(lua, field, word);
    finding_add(wanted, field, value);
}

/* Pushes what will stand in an expect. */
static void push_value(lua_State *lua, const struct plan_expect *expect)
{
    struct words *words = words_of(lua);
    struct words_value *value = lua_newuserdatauv(lua, sizeof *value, 0);
    *value = (struct words_value){
        .line = sandbox_line(lua), .scenario = words->plan->scenario_count, .expect = *expect};
    luaL_newmetatable(lua, WORDS_FINDING);
    lua_setmetatable(lua, -2);
    lua_getfield(lua, LUA_REGISTRYINDEX, "warren.values");
    lua_pushvalue(lua, -2);
    lua_rawseti(lua, -2, ++words->values);
    lua_pop(lua, 1);
}

/* classified("alice") or classified("alice", { mapping = "EIM" }). */
static int word_classified(lua_State *lua)
{
    const struct plan_scenario *scenario = words_scenario(lua, "classified");
    struct plan_expect expect = {.kind = PLAN_CLASSIFIED, .oracle = true};
    lua_settop(lua, 2);
    expect.client = words_place(lua, 1, scenario, 1u << PLAN_CLIENT, "classified");
    if (!lua_isnil(lua, 2)) {
        words_check_table(lua, 2, "classified");
        expect.oracle = false;
        struct words_walk walk = words_walk(lua, 2);
        while (words_next(lua, &walk, 2)) {
            read_finding(lua, &expect.wanted);
            lua_pop(lua, 2);
        }
        if (expect.wanted.mask == 0)
            sandbox_fail(
                lua, "classified: the table is empty; without one, everything the oracle says is "
                     "expected");
    }
    push_value(lua, &expect);
    return 1;
}

static uint8_t read_reason(lua_State *lua, int index, const char *word)
{
    const char *text = words_text(lua, index, word);
    struct word_search search = {.wrong = text};
    for (uint32_t i = REASON_NONE + 1; i < REASON_COUNT; i++) {
        const char *known = reason_name((enum reason)i);
        if (strcmp(known, text) == 0)
            return (uint8_t)i;
        word_consider(&search, known);
    }
    const char *meant = word_meant(&search);
    if (meant != NULL)
        sandbox_fail(lua, "%s: unknown reason \"%s\": did you mean \"%s\"?", word, text, meant);
    sandbox_fail(lua, "%s: unknown reason \"%s\": docs/reasons.md lists them", word, text);
}

/* { gap = "1s" } of data, and { bounds = false } of verdict. */
static void read_options(lua_State *lua, int options, struct plan_expect *expect)
{
    static const struct field gap = {
        "gap", FIELD_DURATION, FIELD_AT(struct plan_expect, gap_ns), NULL, 1, UINT64_MAX / 16, ""};
    static const char *const bounds[] = {"bounds", NULL};
    static const char *const gaps[] = {"gap", NULL};
    const char *word = plan_expect_words[expect->kind];
    words_check_table(lua, options, word);
    struct words_walk walk = words_walk(lua, options);
    while (words_next(lua, &walk, options)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        bool data = expect->kind == PLAN_DATA;
        if (data && strcmp(name, "gap") == 0)
            words_set_field(lua, -1, &gap, expect, word);
        else if (!data && strcmp(name, "bounds") == 0 && lua_isboolean(lua, -1))
            expect->no_bounds = lua_toboolean(lua, -1) == 0;
        else if (!data && strcmp(name, "bounds") == 0)
            sandbox_fail(lua, "verdict: bounds is true or false");
        else
            words_fail_field(lua, name, word, (const struct field *const[]){NULL, NULL},
                             data ? gaps : bounds);
        lua_pop(lua, 2);
    }
}

/* data, direct, relayed, unreachable and verdict: between two clients. Upvalue: the kind. */
static int word_pair(lua_State *lua)
{
    const struct plan_scenario *scenario;
    struct plan_expect expect = {.kind = (uint8_t)lua_tointeger(lua, lua_upvalueindex(1)),
                                 .gap_ns = PLAN_GAP_DEFAULT_NS};
    const char *word = plan_expect_words[expect.kind];
    scenario = words_scenario(lua, word);
    lua_settop(lua, 3);
    expect.client = words_place(lua, 1, scenario, 1u << PLAN_CLIENT, word);
    expect.peer = words_place(lua, 2, scenario, 1u << PLAN_CLIENT, word);
    if (expect.peer == expect.client)
        sandbox_fail(lua, "%s: \"%s\" is on both ends", word, scenario->places[expect.client].name);
    if (!lua_isnil(lua, 3)) {
        if (expect.kind == PLAN_DATA || expect.kind == PLAN_VERDICT)
            read_options(lua, 3, &expect);
        else
            expect.reason = read_reason(lua, 3, word);
    }
    push_value(lua, &expect);
    return 1;
}

/* sends("mallory", { at_least = 3 }) and receives("victim", { at_most = 5 }). Upvalue: the kind. */
static int word_count(lua_State *lua)
{
    static const unsigned hosts =
        1u << PLAN_SERVER | 1u << PLAN_CLIENT | 1u << PLAN_HOSTILE | 1u << PLAN_BYSTANDER;
    struct plan_expect expect = {.kind = (uint8_t)lua_tointeger(lua, lua_upvalueindex(1)),
                                 .at_most = PLAN_COUNT_ANY};
    const char *word = plan_expect_words[expect.kind];
    const struct plan_scenario *scenario = words_scenario(lua, word);
    lua_settop(lua, 2);
    expect.client = words_place(lua, 1, scenario, hosts, word);
    words_check_table(lua, 2, word);
    struct words_walk walk = words_walk(lua, 2);
    while (words_next(lua, &walk, 2)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        const struct field *field = field_find(plan_count_fields, name);
        if (field == NULL)
            words_fail_field(lua, name, word,
                             (const struct field *const[]){plan_count_fields, NULL}, NULL);
        words_set_field(lua, -1, field, &expect, word);
        lua_pop(lua, 2);
    }
    if (expect.at_least == 0 && expect.at_most == PLAN_COUNT_ANY)
        sandbox_fail(lua, "%s: add at_most = 5 or at_least = 5", word);
    if (expect.at_least > expect.at_most)
        sandbox_fail(lua, "%s: at_least is more than at_most", word);
    push_value(lua, &expect);
    return 1;
}

/* What expect has been told so far. */
struct reading {
    struct plan_expect expect;
    bool has_mode;
    bool has_finding;
};

static void set_mode(lua_State *lua, struct reading *reading, enum plan_mode mode)
{
    if (reading->has_mode)
        sandbox_fail(lua, "expect: only one of finally, always, never and within = \"1s\"");
    reading->has_mode = true;
    reading->expect.mode = (uint8_t)mode;
}

/* An element of the list: finally, or classified(...) and the like. At -1. */
static void read_element(lua_State *lua, struct reading *reading)
{
    const uint8_t *mode = luaL_testudata(lua, -1, WORDS_MODE);
    struct words_value *value = luaL_testudata(lua, -1, WORDS_FINDING);
    if (mode != NULL) {
        set_mode(lua, reading, (enum plan_mode) * mode);
        return;
    }
    if (value == NULL)
        sandbox_fail(lua, "expect: takes finally, always or never, and classified(\"alice\")");
    if (reading->has_finding)
        sandbox_fail(lua, "expect: one thing at a time; write a second expect");
    if (value->scenario != words_of(lua)->plan->scenario_count)
        sandbox_fail(lua, "expect: %s on line %d belongs to another scenario",
                     plan_expect_words[value->expect.kind], value->line);
    value->used = true;
    reading->has_finding = true;
    reading->expect.kind = value->expect.kind;
    reading->expect.oracle = value->expect.oracle;
    reading->expect.no_bounds = value->expect.no_bounds;
    reading->expect.reason = value->expect.reason;
    reading->expect.client = value->expect.client;
    reading->expect.peer = value->expect.peer;
    reading->expect.gap_ns = value->expect.gap_ns;
    reading->expect.at_least = value->expect.at_least;
    reading->expect.at_most = value->expect.at_most;
    reading->expect.wanted = value->expect.wanted;
}

static void read_share(lua_State *lua, struct reading *reading)
{
    static const struct field share = {
        "share",    FIELD_SHARE, offsetof(struct plan_expect, share_ppm), sizeof(uint32_t), NULL, 1,
        RANDOM_PPM, ""};
    words_set_field(lua, -1, &share, &reading->expect, "expect");
}

/* Something above has to bring about what is expected of a pair. */
static void check_pair(lua_State *lua, const struct plan_scenario *scenario,
                       const struct plan_expect *expect)
{
    const char *a = scenario->places[expect->client].name;
    const char *b = scenario->places[expect->peer].name;
    bool path = false, data = false;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        if (!plan_names_peer((enum plan_action_kind)action->kind))
            continue;
        bool there = action->place == expect->client && action->peer == expect->peer;
        bool back = action->place == expect->peer && action->peer == expect->client;
        path = path ||
               (action->kind == PLAN_CONNECT && (there || (back && expect->kind != PLAN_VERDICT)));
        data = data || there || (back && action->kind == PLAN_TALK);
    }
    if (expect->kind == PLAN_DATA && !data)
        sandbox_fail(lua, "expect: nothing above sends from \"%s\" to \"%s\"", a, b);
    if (expect->kind != PLAN_DATA && !path)
        sandbox_fail(lua,
                     "expect: nothing above connects \"%s\" and \"%s\"; add at \"8s\" { "
                     "connect(\"%s\", \"%s\") }",
                     a, b, a, b);
}

/* A count only grows, so that not every mode says something. */
static void check_count(lua_State *lua, const struct plan_expect *expect)
{
    const char *word = plan_expect_words[expect->kind];
    if (expect->mode == PLAN_NEVER)
        sandbox_fail(lua, "expect: %s goes with finally, always or within, not with never", word);
    if (expect->mode == PLAN_ALWAYS && expect->at_least != 0)
        sandbox_fail(lua, "expect: always goes with at_most alone; no count begins above 0");
    if (expect->mode == PLAN_WITHIN && expect->at_most != PLAN_COUNT_ANY)
        sandbox_fail(lua, "expect: within goes with at_least alone; write always for at_most");
}

static void check_expect(lua_State *lua, const struct plan_scenario *scenario,
                         const struct reading *reading)
{
    const struct plan_expect *expect = &reading->expect;
    if (!reading->has_finding)
        sandbox_fail(lua, "expect: says nothing that could be true; add classified(\"alice\")");
    if (!reading->has_mode)
        sandbox_fail(lua, "expect: add finally, always, never or within = \"10s\"");
    if (expect->mode == PLAN_FINALLY && expect->after_ns != 0)
        sandbox_fail(lua,
                     "expect: finally looks at the end of the run; after has no meaning there");
    if (plan_is_count((enum plan_expect_kind)expect->kind)) {
        check_count(lua, expect);
        return;
    }
    if (expect->kind != PLAN_CLASSIFIED) {
        check_pair(lua, scenario, expect);
        return;
    }
    for (uint32_t i = 0; i < scenario->action_count; i++)
        if (scenario->actions[i].kind == PLAN_CLASSIFY &&
            scenario->actions[i].place == expect->client)
            return;
    sandbox_fail(lua, "expect: nothing above classifies \"%s\"; add at \"1s\" { classify(\"%s\") }",
                 scenario->places[expect->client].name, scenario->places[expect->client].name);
}

static int word_expect(lua_State *lua)
{
    struct plan_scenario *scenario = words_scenario(lua, "expect");
    struct reading reading = {.expect = {.share_ppm = RANDOM_PPM}};
    words_check_table(lua, 1, "expect");
    lua_settop(lua, 1);
    struct words_walk walk = words_walk(lua, 1);
    while (words_next(lua, &walk, 1)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : NULL;
        if (name == NULL) {
            read_element(lua, &reading);
        } else if (strcmp(name, "within") == 0) {
            set_mode(lua, &reading, PLAN_WITHIN);
            reading.expect.within_ns = words_duration(lua, -1, "within");
        } else if (strcmp(name, "after") == 0) {
            reading.expect.after_ns = words_duration(lua, -1, "after");
        } else if (strcmp(name, "share") == 0) {
            read_share(lua, &reading);
        } else {
            words_fail_field(lua, name, "expect", (const struct field *const[]){NULL, NULL},
                             expect_others);
        }
        lua_pop(lua, 2);
    }
    check_expect(lua, scenario, &reading);
    sandbox_charge(lua, WORDS_STEPS_OTHER);
    struct plan_expect *expect = plan_add_expect(scenario);
    if (expect == NULL)
        sandbox_fail(lua, "expect: there are more than %d", PLAN_EXPECTS_MAX);
    *expect = reading.expect;
    expect->line = (uint32_t)sandbox_line(lua);
    return 0;
}

void words_add_expect(lua_State *lua)
{
    static const enum plan_mode modes[] = {PLAN_FINALLY, PLAN_ALWAYS, PLAN_NEVER};
    lua_pushcfunction(lua, word_expect);
    lua_setfield(lua, -2, "expect");
    lua_pushcfunction(lua, word_classified);
    lua_setfield(lua, -2, "classified");
    for (lua_Integer i = PLAN_CLASSIFIED + 1; i < PLAN_EXPECT_KINDS; i++) {
        lua_pushinteger(lua, i);
        lua_pushcclosure(lua, plan_is_count((enum plan_expect_kind)i) ? word_count : word_pair, 1);
        lua_setfield(lua, -2, plan_expect_words[i]);
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        uint8_t *mode = lua_newuserdatauv(lua, 1, 0);
        *mode = (uint8_t)modes[i];
        luaL_newmetatable(lua, WORDS_MODE);
        lua_setmetatable(lua, -2);
        lua_setfield(lua, -2, plan_mode_words[modes[i]]);
    }
}
