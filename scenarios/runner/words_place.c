/* The words server, router and client. */
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "core/base/check.h"
#include "host/word.h"
#include "scenarios/runner/sandbox.h"
#include "scenarios/runner/words.h"
#include "sim/firewall.h"
#include "sim/nat_param.h"
#include "sim/nat_preset.h"

enum { OF_SIZE = 96 }; /* room for `router "<name>"` */

static const char *const host_others[] = {"behind", "up", "down", NULL};
static const char *const client_others[] = {"behind", "up", "down", "home", "reserve", NULL};
static const char *const hostile_others[] = {"behind", "up", "down", "home", NULL};
static const char *const router_others[] = {"behind", "up", "down", "nat", "firewall", NULL};
static const char *const interface_others[] = {"up", "down", NULL};

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

/* The key at -2 as a name; an error when it is a number: the table is no list. */
static const char *key_name(lua_State *lua, const char *of)
{
    if (lua_type(lua, -2) != LUA_TSTRING)
        sandbox_fail(lua, "%s: every field has a name, such as delay = \"20ms\"", of);
    return lua_tostring(lua, -2);
}

/* Reads the table of link words at -1, which is up = { } or down = { }, if it is there. Pops it. */
static void read_way(lua_State *lua, struct link_config *link, const char *of)
{
    if (lua_isnil(lua, -1)) {
        lua_pop(lua, 1);
        return;
    }
    int table = lua_gettop(lua);
    words_check_table(lua, table, of);
    struct words_walk walk = words_walk(lua, table);
    while (words_next(lua, &walk, table)) {
        const char *name = key_name(lua, of);
        const struct field *field = field_find(plan_link_fields, name);
        if (field == NULL)
            words_fail_field(lua, name, of, (const struct field *const[]){plan_link_fields, NULL},
                             NULL);
        words_set_field(lua, -1, field, link, of);
        lua_pop(lua, 2);
    }
    lua_settop(lua, table - 1);
}

/* up = { } and down = { } of the table at an index, over what both directions have in common. */
static void read_ways(lua_State *lua, int table, struct plan_interface *interface, const char *of)
{
    char what[OF_SIZE + 16];
    snprintf(what, sizeof what, "up of %s", of);
    lua_getfield(lua, table, "up");
    read_way(lua, &interface->up, what);
    snprintf(what, sizeof what, "down of %s", of);
    lua_getfield(lua, table, "down");
    read_way(lua, &interface->down, what);
}

/* The router that the text at an index names. */
static uint32_t read_router(lua_State *lua, int index, const struct plan_scenario *scenario,
                            const char *of)
{
    char what[OF_SIZE + 16];
    snprintf(what, sizeof what, "behind of %s", of);
    if (lua_type(lua, index) == LUA_TSTRING && strcmp(lua_tostring(lua, index), "internet") == 0)
        return PLAN_INTERNET;
    return words_place(lua, index, scenario, 1u << PLAN_ROUTER, what);
}

/* One of several interfaces: "home", or { "home", delay = "5ms" }. The value is at -1. */
static void read_interface(lua_State *lua, const struct plan_scenario *scenario,
                           struct plan_interface *interface, const char *of)
{
    int table = lua_gettop(lua);
    if (lua_type(lua, table) != LUA_TTABLE) {
        interface->behind = read_router(lua, table, scenario, of);
        return;
    }
    lua_rawgeti(lua, table, 1);
    interface->behind = read_router(lua, -1, scenario, of);
    lua_pop(lua, 1);
    struct words_walk walk = words_walk(lua, table);
    while (words_next(lua, &walk, table)) {
        if (lua_type(lua, -2) == LUA_TNUMBER && lua_tointeger(lua, -2) == 1) {
            lua_pop(lua, 2);
            continue;
        }
        const char *name = key_name(lua, of);
        const struct field *field = field_find(plan_link_fields, name);
        if (field != NULL) {
            words_set_field(lua, -1, field, &interface->up, of);
            words_set_field(lua, -1, field, &interface->down, of);
        } else if (!is_one_of(name, interface_others)) {
            words_fail_field(lua, name, "behind",
                             (const struct field *const[]){plan_link_fields, NULL},
                             interface_others);
        }
        lua_pop(lua, 2);
    }
    lua_settop(lua, table);
    read_ways(lua, table, interface, of);
}

static void read_behind(lua_State *lua, int table, const struct plan_scenario *scenario,
                        struct plan_place *place, const char *of)
{
    int type = lua_getfield(lua, table, "behind");
    int value = lua_gettop(lua);
    if (type != LUA_TNIL && type != LUA_TTABLE)
        place->interfaces[0].behind = read_router(lua, value, scenario, of);
    if (type != LUA_TTABLE) {
        lua_pop(lua, 1);
        return;
    }
    if (place->kind == PLAN_ROUTER)
        sandbox_fail(lua, "behind of %s: a router is behind one router, not a list of them", of);
    const struct plan_interface common = place->interfaces[0];
    uint32_t count = 0;
    struct words_walk walk = words_walk(lua, value);
    for (; words_next(lua, &walk, value); count++) {
        if (lua_type(lua, -2) != LUA_TNUMBER || lua_tointeger(lua, -2) != (lua_Integer)count + 1)
            sandbox_fail(lua, "behind of %s: must be a list of routers' names", of);
        if (count == PLAN_INTERFACES_MAX)
            sandbox_fail(lua, "behind of %s: there are more than %d interfaces", of,
                         PLAN_INTERFACES_MAX);
        place->interfaces[count] = common;
        read_interface(lua, scenario, &place->interfaces[count], of);
        lua_pop(lua, 2);
    }
    if (count == 0)
        sandbox_fail(lua, "behind of %s: the list is empty", of);
    place->interface_count = count;
    lua_settop(lua, value - 1);
}

static void set_preset(lua_State *lua, int index, struct plan_place *place, const char *of)
{
    char what[OF_SIZE + 16];
    snprintf(what, sizeof what, "nat of %s", of);
    const char *name = words_text(lua, index, what);
    const struct nat_preset *preset = nat_preset_find(name);
    if (preset == NULL)
        sandbox_fail(lua, "nat of %s: unknown preset \"%s\": did you mean \"%s\"?", of, name,
                     nat_preset_nearest(name)->name);
    check(strlen(preset->name) < PLAN_WORD_SIZE);
    strcpy(place->preset, preset->name);
    place->has_nat = preset->is_nat;
    place->nat = nat_preset_config(preset);
}

static void set_parameter(lua_State *lua, struct plan_place *place, const char *of)
{
    char what[OF_SIZE + 80], text[WORDS_VALUE_SIZE], error[NAT_PARAM_ERROR_SIZE];
    if (lua_type(lua, -2) != LUA_TSTRING)
        sandbox_fail(lua, "nat of %s: one preset, then parameters with their names", of);
    const char *name = lua_tostring(lua, -2);
    const struct nat_param *param = nat_param_find(name);
    if (param == NULL)
        sandbox_fail(lua, "unknown field \"%s\" of router: did you mean \"%s\"?", name,
                     nat_param_nearest(name)->name);
    snprintf(what, sizeof what, "%s in nat of %s", name, of);
    words_value_text(lua, -1, what, text);
    /* RFC 4787 writes its classes in capitals, and so may a script. */
    for (char *c = text; param->type == NAT_PARAM_WORD && *c != 0; c++)
        if (*c >= 'A' && *c <= 'Z')
            *c = (char)(*c - 'A' + 'a');
    if (!nat_param_parse(param, &place->nat, text, error))
        sandbox_fail(lua, "nat of %s: %s", of, error);
}

/* nat = "home", or nat = { "home", mapping = "APDM" }, or nat = { mapping = "APDM" }. */
static void read_nat(lua_State *lua, int table, struct plan_place *place, const char *of)
{
    int type = lua_getfield(lua, table, "nat");
    int value = lua_gettop(lua);
    if (type == LUA_TTABLE) {
        place->has_nat = true;
        if (lua_rawgeti(lua, value, 1) != LUA_TNIL)
            set_preset(lua, -1, place, of);
        lua_pop(lua, 1);
        struct words_walk walk = words_walk(lua, value);
        while (words_next(lua, &walk, value)) {
            if (lua_type(lua, -2) != LUA_TNUMBER || lua_tointeger(lua, -2) != 1) {
                if (!place->has_nat)
                    sandbox_fail(lua, "nat of %s: \"%s\" does not translate and has no parameters",
                                 of, place->preset);
                set_parameter(lua, place, of);
            }
            lua_pop(lua, 2);
        }
        const char *problem = nat_config_problem(&place->nat);
        if (problem != NULL)
            sandbox_fail(lua, "nat of %s: %s", of, problem);
    } else if (type != LUA_TNIL) {
        set_preset(lua, value, place, of);
    }
    lua_settop(lua, value - 1);
}

static void read_firewall(lua_State *lua, int table, struct plan_place *place, const char *of)
{
    char what[OF_SIZE + 16];
    snprintf(what, sizeof what, "firewall of %s", of);
    if (lua_getfield(lua, table, "firewall") != LUA_TNIL) {
        const char *name = words_text(lua, -1, what);
        struct word_search search = {.wrong = name};
        bool known = false;
        for (size_t i = 0; i < firewall_preset_count(); i++) {
            const char *candidate = firewall_preset_at(i)->name;
            known = known || strcmp(candidate, name) == 0;
            word_consider(&search, candidate);
        }
        if (!known)
            sandbox_fail(lua, "%s: unknown preset \"%s\": did you mean \"%s\"?", what, name,
                         search.best);
        check(strlen(name) < PLAN_WORD_SIZE);
        strcpy(place->firewall, name);
    }
    lua_pop(lua, 1);
}

/* home = "s1" and reserve = "s2" of a client. */
static void read_homes(lua_State *lua, int table, const struct plan_scenario *scenario,
                       struct plan_place *place, const char *of)
{
    char what[OF_SIZE + 16];
    snprintf(what, sizeof what, "home of %s", of);
    if (lua_getfield(lua, table, "home") != LUA_TNIL)
        place->home = words_place(lua, -1, scenario, 1u << PLAN_SERVER, what);
    snprintf(what, sizeof what, "reserve of %s", of);
    if (lua_getfield(lua, table, "reserve") != LUA_TNIL)
        place->reserve = words_place(lua, -1, scenario, 1u << PLAN_SERVER, what);
    lua_pop(lua, 2);
    if (place->reserve != PLAN_INTERNET && place->home == PLAN_INTERNET)
        sandbox_fail(lua, "%s has a reserve and no home", of);
    if (place->home != PLAN_INTERNET && place->home == place->reserve)
        sandbox_fail(lua, "home and reserve of %s are the same", of);
}

static _Noreturn void fail_place_field(lua_State *lua, const char *name,
                                       const struct plan_place *place, const char *const *others)
{
    const struct field *const tables[] = {plan_place_fields((enum plan_place_kind)place->kind),
                                          plan_link_fields};
    const char *candidates[8] = {NULL};
    uint32_t count = 0;
    while (others[count] != NULL) {
        check(count < 6);
        candidates[count] = others[count];
        count++;
    }
    /* A router's author may have meant a parameter of its NAT. */
    if (place->kind == PLAN_ROUTER)
        candidates[count] = nat_param_nearest(name)->name;
    words_fail_field(lua, name, plan_place_words[place->kind], tables, candidates);
}

/* The fields that every table of the place's kind has, and those of its link in both directions. */
static void read_fields(lua_State *lua, int table, struct plan_place *place, const char *of)
{
    static const char *const *const all[] = {host_others, router_others, client_others,
                                             hostile_others, host_others};
    check(place->kind < PLAN_PLACE_KINDS);
    const char *const *others = all[place->kind];
    const struct field *fields = plan_place_fields((enum plan_place_kind)place->kind);
    struct words_walk walk = words_walk(lua, table);
    while (words_next(lua, &walk, table)) {
        const char *name = key_name(lua, of);
        const struct field *own = field_find(fields, name);
        const struct field *link = field_find(plan_link_fields, name);
        if (own != NULL)
            words_set_field(lua, -1, own, place, of);
        else if (link != NULL)
            words_set_field(lua, -1, link, &place->interfaces[0].up, of);
        else if (place->kind == PLAN_ROUTER && nat_param_find(name) != NULL)
            sandbox_fail(lua, "unknown field \"%s\" of router: it belongs inside nat = { }", name);
        else if (!is_one_of(name, others))
            fail_place_field(lua, name, place, others);
        lua_pop(lua, 2);
    }
    lua_settop(lua, walk.keys - 1);
}

/* NATs in a row have ranges of their own, of which there are only so many. */
static void check_nested(lua_State *lua, const struct plan_scenario *scenario,
                         const struct plan_place *place, const char *of)
{
    static const struct {
        const char *word;
        uint32_t most;
    } insides[] = {[PLAN_INSIDE_HOME] = {"home", 254},
                   [PLAN_INSIDE_CARRIER] = {"carrier", 4},
                   [PLAN_INSIDE_WIDE] = {"wide", 16}};
    uint32_t count = 1;
    uint32_t at = place->interfaces[0].behind;
    for (; at != PLAN_INTERNET; at = scenario->places[at].interfaces[0].behind)
        count += scenario->places[at].has_nat && scenario->places[at].inside == place->inside;
    if (place->has_nat && count > insides[place->inside].most)
        sandbox_fail(lua, "%s: there are ranges for %u NATs with inside = \"%s\" in a row", of,
                     insides[place->inside].most, insides[place->inside].word);
}

/* Whether both are one Ethernet: a segment has one delay, rate, queue and MTU for everybody. */
static bool are_alike(const struct link_config *a, const struct link_config *b)
{
    return a->latency_ns == b->latency_ns && a->rate_bps == b->rate_bps &&
           a->queue_bytes == b->queue_bytes && a->mtu == b->mtu && a->queue_kind == b->queue_kind;
}

/* The segment that the place's interface would be on, as another place behind the router has it. */
static const struct plan_place *find_segment(const struct plan_scenario *scenario,
                                             const struct plan_interface *interface,
                                             const struct plan_interface **other)
{
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        for (uint32_t j = 0; j < place->interface_count; j++) {
            *other = &place->interfaces[j];
            if ((*other)->up.medium == LINK_MEDIUM_CSMA && (*other)->behind == interface->behind)
                return place;
        }
    }
    return NULL;
}

/* Hosts behind a router whose links are csma share one segment. */
static void check_medium(lua_State *lua, const struct plan_scenario *scenario,
                         const struct plan_place *place, const struct plan_interface *interface,
                         const char *of)
{
    const struct plan_interface *other;
    if (interface->up.medium != interface->down.medium)
        sandbox_fail(lua, "medium of %s: both directions have the same one", of);
    if (interface->up.medium != LINK_MEDIUM_CSMA)
        return;
    if (place->kind == PLAN_ROUTER)
        sandbox_fail(lua, "medium of %s: a router's uplink is no csma; its hosts' links may be",
                     of);
    if (!plan_is_node(place))
        sandbox_fail(lua, "medium of %s: only servers and clients are on csma segments", of);
    if (interface->behind == PLAN_INTERNET)
        sandbox_fail(lua, "medium of %s: csma is what hosts behind a router share", of);
    if (!are_alike(&interface->up, &interface->down))
        sandbox_fail(lua,
                     "medium of %s: a csma segment has one delay, rate, queue, discipline and mtu "
                     "in both directions",
                     of);
    for (const struct plan_interface *own = place->interfaces; own < interface; own++)
        if (own->behind == interface->behind && own->up.medium == LINK_MEDIUM_CSMA)
            sandbox_fail(lua, "medium of %s: it is twice on the csma segment of \"%s\"", of,
                         scenario->places[interface->behind].name);
    const struct plan_place *neighbour = find_segment(scenario, interface, &other);
    if (neighbour != NULL && !are_alike(&interface->up, &other->up))
        sandbox_fail(lua,
                     "medium of %s: on its csma segment \"%s\" has another delay, rate, queue, "
                     "discipline or mtu",
                     of, neighbour->name);
}

static void check_place(lua_State *lua, const struct plan_scenario *scenario,
                        const struct plan_place *place, const char *of)
{
    if (!place->ipv4 && !place->ipv6)
        sandbox_fail(lua, "%s has neither IPv4 nor IPv6", of);
    if (place->kind == PLAN_ROUTER && place->has_nat && place->addresses == 0 &&
        place->nat.pool > PLAN_EXTERNAL_MAX)
        sandbox_fail(lua, "nat of %s: a pool has at most %d addresses", of, PLAN_EXTERNAL_MAX);
    check_nested(lua, scenario, place, of);
    if (place->nat_v6 && !place->has_nat)
        sandbox_fail(lua, "%s: nat_v6 needs a nat", of);
    if (place->kind == PLAN_SERVER && place->port == place->alternate_port)
        sandbox_fail(lua, "%s: port and alternate_port are the same", of);
    for (uint32_t i = 0; i < place->interface_count; i++) {
        uint32_t behind = place->interfaces[i].behind;
        if (place->ipv6 && behind != PLAN_INTERNET && !scenario->places[behind].ipv6)
            sandbox_fail(lua,
                         "%s has IPv6, and \"%s\" in front of it has not: add ipv6 = true there",
                         of, scenario->places[behind].name);
        const struct link_config *ways[] = {&place->interfaces[i].up, &place->interfaces[i].down};
        for (int j = 0; j < 2; j++)
            if (ways[j]->mtu != 0 && ways[j]->mtu < LINK_MTU_MIN)
                sandbox_fail(lua, "mtu of %s: %u is below %d", of, ways[j]->mtu, LINK_MTU_MIN);
        check_medium(lua, scenario, place, &place->interfaces[i], of);
    }
}

/*
 * The second half of `router "home" { }`. Upvalues: the scenario's index, the place's, whether it
 * was described.
 */
static int describe_place(lua_State *lua)
{
    struct plan *plan = words_of(lua)->plan;
    struct plan_scenario *scenario = &plan->scenarios[lua_tointeger(lua, lua_upvalueindex(1))];
    struct plan_place place = scenario->places[lua_tointeger(lua, lua_upvalueindex(2))];
    char of[OF_SIZE];
    snprintf(of, sizeof of, "%s \"%s\"", plan_place_words[place.kind], place.name);
    words_check_table(lua, 1, of);
    if (lua_tointeger(lua, lua_upvalueindex(1)) != (lua_Integer)plan->scenario_count - 1)
        sandbox_fail(lua, "%s belongs to an earlier scenario", of);
    if (lua_toboolean(lua, lua_upvalueindex(3)) != 0)
        sandbox_fail(lua, "%s is described twice", of);
    lua_pushboolean(lua, 1);
    lua_replace(lua, lua_upvalueindex(3));
    lua_settop(lua, 1);
    read_fields(lua, 1, &place, of);
    place.interfaces[0].down = place.interfaces[0].up;
    read_ways(lua, 1, &place.interfaces[0], of);
    read_behind(lua, 1, scenario, &place, of);
    if (place.kind == PLAN_ROUTER) {
        read_nat(lua, 1, &place, of);
        read_firewall(lua, 1, &place, of);
    }
    if (place.kind == PLAN_CLIENT || place.kind == PLAN_HOSTILE)
        read_homes(lua, 1, scenario, &place, of);
    if (place.kind == PLAN_HOSTILE && place.home != PLAN_INTERNET && !place.member)
        sandbox_fail(lua, "%s has a home and is no member; add member = true", of);
    for (uint32_t i = 0; i < place.interface_count; i++)
        if (place.interfaces[i].behind != PLAN_INTERNET &&
            (lua_Integer)place.interfaces[i].behind >= lua_tointeger(lua, lua_upvalueindex(2)))
            sandbox_fail(lua, "behind of %s: \"%s\" has to be declared above", of,
                         scenario->places[place.interfaces[i].behind].name);
    check_place(lua, scenario, &place, of);
    scenario->places[lua_tointeger(lua, lua_upvalueindex(2))] = place;
    return 0;
}

/* Declares a place; what is said about it comes with the call of the function that is returned. */
static int declare(lua_State *lua, enum plan_place_kind kind)
{
    const char *word = plan_place_words[kind];
    struct plan_scenario *scenario = words_scenario(lua, word);
    char what[32];
    snprintf(what, sizeof what, "%s's name", word);
    const char *name = words_text(lua, 1, what);
    for (const char *c = name; *c != 0; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') ||
              strchr("-_.", *c)))
            sandbox_fail(
                lua,
                "%s: a name has letters, digits, '-', '_' and '.', which \"%.80s\" is not made of",
                word, name);
    if (name[0] == 0 || strlen(name) >= PLAN_NAME_SIZE)
        sandbox_fail(lua, "%s: a name has 1 to %d letters", word, PLAN_NAME_SIZE - 1);
    if (strcmp(name, "internet") == 0)
        sandbox_fail(lua, "%s: \"internet\" is there already", word);
    uint32_t known = plan_find_place(scenario, name);
    if (known != PLAN_INTERNET)
        sandbox_fail(lua, "%s: there is a %s \"%s\" already, on line %u", word,
                     plan_place_words[scenario->places[known].kind], name,
                     scenario->places[known].line);
    sandbox_charge(lua, WORDS_STEPS_PLACE);
    struct plan_place *place = plan_add_place(scenario, kind);
    if (place == NULL)
        sandbox_fail(lua, "%s: there are more than %d places", word, PLAN_PLACES_MAX);
    strcpy(place->name, name);
    place->line = (uint32_t)sandbox_line(lua);
    lua_pushinteger(lua, (lua_Integer)words_of(lua)->plan->scenario_count - 1);
    lua_pushinteger(lua, (lua_Integer)scenario->place_count - 1);
    lua_pushboolean(lua, 0);
    lua_pushcclosure(lua, describe_place, 3);
    return 1;
}

static int word_server(lua_State *lua)
{
    return declare(lua, PLAN_SERVER);
}

static int word_router(lua_State *lua)
{
    return declare(lua, PLAN_ROUTER);
}

static int word_client(lua_State *lua)
{
    return declare(lua, PLAN_CLIENT);
}

static int word_hostile(lua_State *lua)
{
    return declare(lua, PLAN_HOSTILE);
}

static int word_bystander(lua_State *lua)
{
    return declare(lua, PLAN_BYSTANDER);
}

void words_add_places(lua_State *lua)
{
    static const luaL_Reg ours[] = {{"server", word_server},       {"router", word_router},
                                    {"client", word_client},       {"hostile", word_hostile},
                                    {"bystander", word_bystander}, {NULL, NULL}};
    luaL_setfuncs(lua, ours, 0);
}
