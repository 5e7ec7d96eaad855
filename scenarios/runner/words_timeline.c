/* The word at, and the actions that stand in it. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "core/base/check.h"
#include "scenarios/runner/sandbox.h"
#include "scenarios/runner/words.h"

static const char *const classify_others[] = {"servers", "family", NULL};
static const char *const link_others[] = {"way", "interface", NULL};

enum {
    HOSTS = 1u << PLAN_SERVER | 1u << PLAN_CLIENT,
    ROUTERS = 1u << PLAN_ROUTER,
    HOSTILE = 1u << PLAN_HOSTILE,
    ANY_HOST = HOSTS | HOSTILE | 1u << PLAN_BYSTANDER,
};

/* servers = { "s1", "s2" } at -1. */
static void read_servers(lua_State *lua, const struct plan_scenario *scenario,
                         struct plan_action *action)
{
    int list = lua_gettop(lua);
    words_check_table(lua, list, "classify: servers");
    struct words_walk walk = words_walk(lua, list);
    while (words_next(lua, &walk, list)) {
        if (lua_type(lua, -2) != LUA_TNUMBER ||
            lua_tointeger(lua, -2) != (lua_Integer)action->server_count + 1)
            sandbox_fail(lua, "classify: servers must be a list of names");
        if (action->server_count == PLAN_SERVERS_MAX)
            sandbox_fail(lua, "classify: at most %d servers are used", PLAN_SERVERS_MAX);
        uint32_t server = words_place(lua, -1, scenario, 1u << PLAN_SERVER, "classify");
        action->servers[action->server_count++] = server;
        lua_pop(lua, 2);
    }
    lua_settop(lua, list);
}

/* Without a word about servers: the first server with two addresses, else the first two servers. */
static void choose_servers(lua_State *lua, const struct plan_scenario *scenario,
                           struct plan_action *action)
{
    for (uint32_t i = 0; i < scenario->place_count && action->server_count < PLAN_SERVERS_MAX;
         i++) {
        const struct plan_place *place = &scenario->places[i];
        if (place->kind != PLAN_SERVER || !(action->ipv6 ? place->ipv6 : place->ipv4))
            continue;
        action->servers[action->server_count++] = i;
        if (place->addresses >= 2 && action->server_count == 1)
            return;
    }
    if (action->server_count == 0)
        sandbox_fail(lua, "classify: no server above has %s", action->ipv6 ? "IPv6" : "IPv4");
}

static void read_classify(lua_State *lua, int options, const struct plan_scenario *scenario,
                          struct plan_action *action)
{
    const struct plan_place *client = &scenario->places[action->place];
    action->ipv6 = !client->ipv4;
    if (!lua_isnoneornil(lua, options)) {
        words_check_table(lua, options, "classify");
        struct words_walk walk = words_walk(lua, options);
        while (words_next(lua, &walk, options)) {
            const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
            if (strcmp(name, "servers") == 0) {
                read_servers(lua, scenario, action);
            } else if (strcmp(name, "family") == 0) {
                const char *family = words_text(lua, -1, "classify: family");
                if (strcmp(family, "ipv4") != 0 && strcmp(family, "ipv6") != 0)
                    sandbox_fail(lua, "classify: family is \"ipv4\" or \"ipv6\", not \"%.60s\"",
                                 family);
                action->ipv6 = strcmp(family, "ipv6") == 0;
            } else {
                words_fail_field(lua, name, "classify", (const struct field *const[]){NULL, NULL},
                                 classify_others);
            }
            lua_pop(lua, 2);
        }
    }
    if (!(action->ipv6 ? client->ipv6 : client->ipv4))
        sandbox_fail(lua, "classify: \"%s\" has no %s", client->name,
                     action->ipv6 ? "IPv6" : "IPv4");
    if (action->server_count == 0)
        choose_servers(lua, scenario, action);
    for (uint32_t i = 0; i < action->server_count; i++) {
        const struct plan_place *server = &scenario->places[action->servers[i]];
        if (!(action->ipv6 ? server->ipv6 : server->ipv4))
            sandbox_fail(lua, "classify: \"%s\" has no %s", server->name,
                         action->ipv6 ? "IPv6" : "IPv4");
    }
}

/* The interface that leads to the router of that name. */
static uint32_t read_interface(lua_State *lua, const struct plan_scenario *scenario,
                               const struct plan_action *action)
{
    const struct plan_place *place = &scenario->places[action->place];
    const char *name = words_text(lua, -1, "interface");
    for (uint32_t i = 0; i < place->interface_count; i++) {
        uint32_t behind = place->interfaces[i].behind;
        if (strcmp(behind == PLAN_INTERNET ? "internet" : scenario->places[behind].name, name) == 0)
            return i;
    }
    sandbox_fail(lua, "interface: \"%s\" is not behind \"%.60s\"", place->name, name);
}

/* What may follow the name in link, down and up. */
static void read_link(lua_State *lua, int options, const struct plan_scenario *scenario,
                      struct plan_action *action)
{
    const char *word = plan_action_words[action->kind].name;
    char error[FIELD_ERROR_SIZE];
    if (lua_isnoneornil(lua, options) && action->kind != PLAN_LINK)
        return;
    words_check_table(lua, options, word);
    const struct field way = {"way", FIELD_WORD, 0, 8, plan_way_words, 0, 0, ""};
    struct words_walk walk = words_walk(lua, options);
    while (words_next(lua, &walk, options)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        const struct field *field =
            action->kind == PLAN_LINK ? field_find(plan_link_fields, name) : NULL;
        if (field != NULL) {
            if (plan_link_is_fixed(field))
                sandbox_fail(lua, "link: %s stays as the link of \"%s\" was made", name,
                             scenario->places[action->place].name);
            words_set_field(lua, -1, field, &action->link, word);
            action->changed |= 1u << (field - plan_link_fields);
        } else if (strcmp(name, "interface") == 0) {
            action->interface = read_interface(lua, scenario, action);
        } else if (strcmp(name, "way") == 0) {
            uint64_t value;
            if (!field_parse(&way, words_text(lua, -1, "way"), &value, error))
                sandbox_fail(lua, "%s: way: %s", word, error);
            action->way = (uint8_t)value;
        } else {
            words_fail_field(lua, name, word,
                             (const struct field *const[]){
                                 action->kind == PLAN_LINK ? plan_link_fields : NULL, NULL},
                             link_others);
        }
        lua_pop(lua, 2);
    }
    if (action->kind == PLAN_LINK && action->changed == 0)
        sandbox_fail(lua, "link: says nothing about the link of \"%s\"",
                     scenario->places[action->place].name);
    if (action->link.mtu != 0 && action->link.mtu < LINK_MTU_MIN)
        sandbox_fail(lua, "mtu of link: %u is below %d", action->link.mtu, LINK_MTU_MIN);
}

/* The interface that unplug and plug are about. */
static void read_plug(lua_State *lua, int options, const struct plan_scenario *scenario,
                      struct plan_action *action)
{
    static const char *const others[] = {"interface", NULL};
    const char *word = plan_action_words[action->kind].name;
    if (lua_isnoneornil(lua, options))
        return;
    words_check_table(lua, options, word);
    struct words_walk walk = words_walk(lua, options);
    while (words_next(lua, &walk, options)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        if (strcmp(name, "interface") != 0)
            words_fail_field(lua, name, word, (const struct field *const[]){NULL, NULL}, others);
        action->interface = read_interface(lua, scenario, action);
        lua_pop(lua, 2);
    }
}

/* How many datagrams of which size: count = 50, or lasts = "10s", by every = "20ms". */
static void read_sends(lua_State *lua, int options, const struct field *fields,
                       struct plan_action *action)
{
    static const char *const others[] = {"lasts", NULL};
    const char *word = plan_action_words[action->kind].name;
    bool counted = false;
    uint64_t lasts_ns = 0;
    words_check_table(lua, options, word);
    struct words_walk walk = words_walk(lua, options);
    while (words_next(lua, &walk, options)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        const struct field *field = field_find(fields, name);
        if (field != NULL)
            words_set_field(lua, -1, field, action, word);
        else if (strcmp(name, "lasts") == 0)
            lasts_ns = words_duration(lua, -1, "lasts");
        else
            words_fail_field(lua, name, word, (const struct field *const[]){fields, NULL}, others);
        counted = counted || strcmp(name, "count") == 0;
        lua_pop(lua, 2);
    }
    if (counted == (lasts_ns != 0))
        sandbox_fail(lua, "%s: say either count = 50 or lasts = \"10s\"", word);
    if (counted)
        return;
    uint64_t count = lasts_ns / action->every_ns;
    if (count < 1 || count > PLAN_COUNT_MAX)
        sandbox_fail(lua, "%s: that would be %llu %s, not 1 to %d", word, (unsigned long long)count,
                     fields == plan_send_fields ? "datagrams" : "times", PLAN_COUNT_MAX);
    action->count = (uint32_t)count;
}

/* What follows the first name in connect, send and talk. */
static void read_peer(lua_State *lua, const struct plan_scenario *scenario,
                      struct plan_action *action)
{
    const char *word = plan_action_words[action->kind].name;
    action->peer = words_place(lua, 2, scenario, 1u << PLAN_CLIENT, word);
    if (action->peer == action->place)
        sandbox_fail(lua, "%s: \"%s\" is on both ends", word, scenario->places[action->place].name);
    if (action->kind == PLAN_CONNECT) {
        if (!lua_isnil(lua, 3))
            sandbox_fail(lua, "connect takes two names and nothing else");
        return;
    }
    action->every_ns = PLAN_EVERY_DEFAULT_NS;
    action->size = PLAN_SIZE_DEFAULT;
    read_sends(lua, 3, plan_send_fields, action);
}

/* What follows the first name in bulk. */
static void read_bulk(lua_State *lua, const struct plan_scenario *scenario,
                      struct plan_action *action)
{
    action->peer = words_place(lua, 2, scenario, HOSTS, "bulk");
    const struct plan_place *from = &scenario->places[action->place];
    const struct plan_place *to = &scenario->places[action->peer];
    if (from == to)
        sandbox_fail(lua, "bulk: \"%s\" is on both ends", from->name);
    if (from->kind == to->kind)
        sandbox_fail(lua,
                     "bulk: \"%s\" and \"%s\" are both %ss: it goes between a server, which "
                     "listens, and a client, such as bulk(\"s1\", \"alice\")",
                     from->name, to->name, plan_place_words[from->kind]);
    if (!(from->ipv4 && to->ipv4) && !(from->ipv6 && to->ipv6))
        sandbox_fail(lua, "bulk: \"%s\" and \"%s\" have neither IPv4 nor IPv6 in common",
                     from->name, to->name);
    action->count = 1;
    action->lasts_ns = PLAN_BULK_DEFAULT_NS;
    if (lua_isnil(lua, 3))
        return;
    words_check_table(lua, 3, "bulk");
    struct words_walk walk = words_walk(lua, 3);
    while (words_next(lua, &walk, 3)) {
        const char *name = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";
        const struct field *field = field_find(plan_bulk_fields, name);
        if (field == NULL)
            words_fail_field(lua, name, "bulk",
                             (const struct field *const[]){plan_bulk_fields, NULL}, NULL);
        words_set_field(lua, -1, field, action, "bulk");
        lua_pop(lua, 2);
    }
}

static bool has_server(const struct plan_scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->place_count; i++)
        if (scenario->places[i].kind == PLAN_SERVER)
            return true;
    return false;
}

/* What follows the hostile host's name: a node or a victim, but for replay, and how often. */
static void read_attack(lua_State *lua, const struct plan_scenario *scenario,
                        struct plan_action *action)
{
    enum plan_action_kind kind = (enum plan_action_kind)action->kind;
    const char *word = plan_action_words[kind].name;
    const struct plan_place *host = &scenario->places[action->place];
    if (kind != PLAN_REPLAY)
        action->peer = words_place(lua, 2, scenario, plan_is_lie(kind) ? ANY_HOST : HOSTS, word);
    if (plan_is_lie(kind) && !host->member)
        sandbox_fail(lua, "%s: \"%s\" is no member; add member = true", word, host->name);
    if (plan_is_lie(kind) && !has_server(scenario))
        sandbox_fail(lua, "%s: there is no server above that \"%s\" could lie to", word,
                     host->name);
    if (plan_is_lie(kind) && action->peer == action->place)
        sandbox_fail(lua, "%s: \"%s\" is on both ends", word, host->name);
    action->every_ns = PLAN_EVERY_DEFAULT_NS;
    read_sends(lua, kind == PLAN_REPLAY ? 2 : 3, plan_attack_fields, action);
}

/* How far a wall clock is off: "-1h". */
static void read_clock(lua_State *lua, struct plan_action *action)
{
    char error[FIELD_ERROR_SIZE];
    const char *text = words_text(lua, 2, "clock");
    action->clock_slow = text[0] == '-';
    if (!field_parse_duration(text + action->clock_slow, &action->clock_ns, error))
        sandbox_fail(lua, "clock: %s, or of \"-1h\" where it is slow", error);
    if (action->clock_ns % 1000000000 != 0 || action->clock_ns > PLAN_CLOCK_MAX_NS)
        sandbox_fail(lua, "clock: \"%.60s\" is not whole seconds up to fifty years", text);
    action->clock_slow = action->clock_slow && action->clock_ns != 0;
    if (!lua_isnil(lua, 3))
        sandbox_fail(lua, "clock takes a name and how far it is off, and nothing else");
}

/* The place right behind the internet that this one is, or is behind. */
static uint32_t side_of(const struct plan_scenario *scenario, uint32_t place)
{
    while (scenario->places[place].interfaces[0].behind != PLAN_INTERNET)
        place = scenario->places[place].interfaces[0].behind;
    return place;
}

/* What follows the first name in sever and mend. */
static void read_severed(lua_State *lua, const struct plan_scenario *scenario,
                         struct plan_action *action)
{
    const char *word = plan_action_words[action->kind].name;
    action->peer = words_place(lua, 2, scenario, ROUTERS | HOSTS, word);
    if (side_of(scenario, action->peer) == side_of(scenario, action->place))
        sandbox_fail(lua, "%s: the internet is not between \"%s\" and \"%s\"", word,
                     scenario->places[action->place].name, scenario->places[action->peer].name);
    if (!lua_isnil(lua, 3))
        sandbox_fail(lua, "%s takes two names and nothing else", word);
}

static void read_rest(lua_State *lua, const struct plan_scenario *scenario,
                      struct plan_action *action)
{
    switch (action->kind) {
    case PLAN_CLASSIFY:
        read_classify(lua, 2, scenario, action);
        return;
    case PLAN_LINK:
    case PLAN_DOWN:
    case PLAN_UP:
        read_link(lua, 2, scenario, action);
        return;
    case PLAN_UNPLUG:
    case PLAN_PLUG:
        read_plug(lua, 2, scenario, action);
        return;
    case PLAN_CONNECT:
    case PLAN_SEND:
    case PLAN_TALK:
        read_peer(lua, scenario, action);
        return;
    case PLAN_SEVER:
    case PLAN_MEND:
        read_severed(lua, scenario, action);
        return;
    case PLAN_CLOCK:
        read_clock(lua, action);
        return;
    case PLAN_BULK:
        read_bulk(lua, scenario, action);
        return;
    default:
        if (plan_is_attack((enum plan_action_kind)action->kind)) {
            read_attack(lua, scenario, action);
            return;
        }
        if (!lua_isnil(lua, 2))
            sandbox_fail(lua, "%s takes a name and nothing else",
                         plan_action_words[action->kind].name);
        return;
    }
}

/* All actions are made by this function. Upvalue: the kind. */
static int word_action(lua_State *lua)
{
    struct plan_action action = {.kind = (uint8_t)lua_tointeger(lua, lua_upvalueindex(1))};
    const struct plan_action_word *word = &plan_action_words[action.kind];
    struct words *words = words_of(lua);
    const struct plan_scenario *scenario = words_scenario(lua, word->name);
    unsigned kinds = (word->on_router ? ROUTERS : 0u) | (word->on_host ? HOSTS : 0u);
    if (action.kind == PLAN_CLASSIFY || plan_names_peer((enum plan_action_kind)action.kind))
        kinds = 1u << PLAN_CLIENT;
    if (plan_is_attack((enum plan_action_kind)action.kind))
        kinds = HOSTILE;
    lua_settop(lua, 3);
    action.place = words_place(lua, 1, scenario, kinds, word->name);
    action.line = (uint32_t)sandbox_line(lua);
    read_rest(lua, scenario, &action);
    struct words_value *value = lua_newuserdatauv(lua, sizeof *value, 0);
    *value = (struct words_value){
        .line = (int)action.line, .scenario = words->plan->scenario_count, .action = action};
    luaL_newmetatable(lua, WORDS_ACTION);
    lua_setmetatable(lua, -2);
    lua_getfield(lua, LUA_REGISTRYINDEX, "warren.values");
    lua_pushvalue(lua, -2);
    lua_rawseti(lua, -2, ++words->values);
    lua_pop(lua, 1);
    return 1;
}

/* The second half of `at "1s" { }`. Upvalue: the time. */
static int word_at_actions(lua_State *lua)
{
    struct words *words = words_of(lua);
    struct plan_scenario *scenario = words_scenario(lua, "at");
    words_check_table(lua, 1, "at");
    words->open_line = 0;
    lua_settop(lua, 1);
    struct words_walk walk = words_walk(lua, 1);
    lua_Integer count = 0;
    while (words_next(lua, &walk, 1)) {
        struct words_value *value = luaL_testudata(lua, -1, WORDS_ACTION);
        if (lua_type(lua, -2) != LUA_TNUMBER || lua_tointeger(lua, -2) != ++count || value == NULL)
            sandbox_fail(lua, "at: takes a list of actions, such as { classify(\"alice\") }");
        if (value->scenario != words->plan->scenario_count)
            sandbox_fail(lua, "at: %s on line %d belongs to another scenario",
                         plan_action_words[value->action.kind].name, value->line);
        sandbox_charge(lua, WORDS_STEPS_OTHER);
        struct plan_action *action = plan_add_action(scenario);
        if (action == NULL)
            sandbox_fail(lua, "at: there are more than %d actions", PLAN_ACTIONS_MAX);
        *action = value->action;
        action->at_ns = (uint64_t)lua_tointeger(lua, lua_upvalueindex(1));
        value->used = true;
        lua_pop(lua, 2);
    }
    if (count == 0)
        sandbox_fail(lua, "at: has no actions; write at \"1s\" { flush(\"home\") }");
    return 0;
}

static int word_at(lua_State *lua)
{
    struct words *words = words_of(lua);
    words_scenario(lua, "at");
    uint64_t at_ns = words_duration(lua, 1, "at");
    words->open_line = sandbox_line(lua);
    lua_pushinteger(lua, (lua_Integer)at_ns);
    lua_pushcclosure(lua, word_at_actions, 1);
    return 1;
}

void words_add_timeline(lua_State *lua)
{
    lua_pushcfunction(lua, word_at);
    lua_setfield(lua, -2, "at");
    for (lua_Integer i = 0; i < PLAN_ACTION_KINDS; i++) {
        check(plan_action_words[i].name != NULL);
        lua_pushinteger(lua, i);
        lua_pushcclosure(lua, word_action, 1);
        lua_setfield(lua, -2, plan_action_words[i].name);
    }
}
