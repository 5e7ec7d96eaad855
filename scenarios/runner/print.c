/* The plan as a script. Only what differs from the defaults is written. */
#include "scenarios/runner/print.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/check.h"
#include "sim/nat_param.h"
#include "sim/nat_preset.h"

/* A Lua string in quotes. Control characters cannot be in a plan. */
static void print_text(FILE *file, const char *text)
{
    fputc('"', file);
    for (; *text != 0; text++) {
        if (*text == '"' || *text == '\\')
            fputc('\\', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

/* A comma before every element but the first. */
static void separate(FILE *file, bool *first)
{
    fputs(*first ? " " : ", ", file);
    *first = false;
}

static void print_field(FILE *file, const struct field *field, const void *base, bool *first)
{
    char text[FIELD_TEXT_SIZE];
    const char *quote = field_is_quoted(field) ? "\"" : "";
    separate(file, first);
    fprintf(file, "%s = %s%s%s", field->name, quote,
            field_render(field, field_get(field, base), text), quote);
}

/* up = { } or down = { }: the fields that the directions do not share. */
static void print_way(FILE *file, const char *name, const struct link_config *way,
                      const struct link_config *other, bool *first)
{
    bool any = false, inner = true;
    for (const struct field *field = plan_link_fields; field->name != NULL; field++) {
        if (field_get(field, way) == 0 || field_get(field, way) == field_get(field, other))
            continue;
        if (!any) {
            separate(file, first);
            fprintf(file, "%s = {", name);
        }
        any = true;
        print_field(file, field, way, &inner);
    }
    if (any)
        fputs(" }", file);
}

static void print_link(FILE *file, const struct plan_interface *interface, bool *first)
{
    for (const struct field *field = plan_link_fields; field->name != NULL; field++) {
        uint64_t value = field_get(field, &interface->up);
        if (value != 0 && value == field_get(field, &interface->down))
            print_field(file, field, &interface->up, first);
    }
    print_way(file, "up", &interface->up, &interface->down, first);
    print_way(file, "down", &interface->down, &interface->up, first);
}

static const char *router_name(const struct plan_scenario *scenario, uint32_t place)
{
    check(place == PLAN_INTERNET || place < scenario->place_count);
    return place == PLAN_INTERNET ? "internet" : scenario->places[place].name;
}

static void print_interfaces(FILE *file, const struct plan_scenario *scenario,
                             const struct plan_place *place, bool *first)
{
    if (place->interface_count == 1) {
        if (place->interfaces[0].behind != PLAN_INTERNET) {
            separate(file, first);
            fputs("behind = ", file);
            print_text(file, router_name(scenario, place->interfaces[0].behind));
        }
        print_link(file, &place->interfaces[0], first);
        return;
    }
    separate(file, first);
    fputs("behind = {", file);
    for (uint32_t i = 0; i < place->interface_count; i++) {
        bool inner = false;
        fputs(i == 0 ? " { " : ", { ", file);
        print_text(file, router_name(scenario, place->interfaces[i].behind));
        print_link(file, &place->interfaces[i], &inner);
        fputs(" }", file);
    }
    fputs(" }", file);
}

/* The parameters in which a NAT differs from its preset, or from the default one. */
static void print_parameters(FILE *file, const struct plan_place *place, bool *first)
{
    const struct nat_preset *preset = place->preset[0] != 0 ? nat_preset_find(place->preset) : NULL;
    struct nat_config base = preset != NULL ? nat_preset_config(preset) : nat_config_default();
    size_t i = nat_config_difference(&place->nat, &base, 0);
    for (; i < nat_param_count(); i = nat_config_difference(&place->nat, &base, i + 1)) {
        char text[NAT_PARAM_TEXT_SIZE];
        const struct nat_param *param = nat_param_at(i);
        const char *quote =
            param->type == NAT_PARAM_WORD || param->type == NAT_PARAM_DURATION ? "\"" : "";
        separate(file, first);
        fprintf(file, "%s = %s%s%s", param->name, quote, nat_param_render(param, &place->nat, text),
                quote);
    }
}

static bool has_parameters(const struct plan_place *place)
{
    const struct nat_preset *preset = place->preset[0] != 0 ? nat_preset_find(place->preset) : NULL;
    struct nat_config base = preset != NULL ? nat_preset_config(preset) : nat_config_default();
    return nat_config_difference(&place->nat, &base, 0) < nat_param_count();
}

static void print_nat(FILE *file, const struct plan_place *place, bool *first)
{
    if (!place->has_nat && place->preset[0] == 0)
        return;
    bool inner = true;
    bool plain = place->preset[0] != 0 && (!place->has_nat || !has_parameters(place));
    separate(file, first);
    fputs(plain ? "nat = " : "nat = {", file);
    if (place->preset[0] != 0) {
        if (!plain)
            separate(file, &inner);
        print_text(file, place->preset);
    }
    if (!plain) {
        print_parameters(file, place, &inner);
        fputs(" }", file);
    }
}

static void print_server(FILE *file, const struct plan_scenario *scenario, const char *name,
                         uint32_t server, bool *first)
{
    if (server == PLAN_INTERNET)
        return;
    check(server < scenario->place_count);
    separate(file, first);
    fprintf(file, "%s = ", name);
    print_text(file, scenario->places[server].name);
}

static void print_place(FILE *file, const struct plan_scenario *scenario,
                        const struct plan_place *place)
{
    enum plan_place_kind kind = (enum plan_place_kind)place->kind;
    struct plan_place plain;
    bool first = true;
    plan_place_init(&plain, kind);
    fprintf(file, "%s ", plan_place_words[kind]);
    print_text(file, place->name);
    fputs(" {", file);
    if (kind == PLAN_ROUTER) {
        print_nat(file, place, &first);
        if (place->firewall[0] != 0) {
            separate(file, &first);
            fputs("firewall = ", file);
            print_text(file, place->firewall);
        }
    }
    print_interfaces(file, scenario, place, &first);
    for (const struct field *field = plan_place_fields(kind); field->name != NULL; field++)
        if (field_get(field, place) != field_get(field, &plain))
            print_field(file, field, place, &first);
    print_server(file, scenario, "home", place->home, &first);
    print_server(file, scenario, "reserve", place->reserve, &first);
    fputs(first ? "}\n" : " }\n", file);
}

static void print_classify(FILE *file, const struct plan_scenario *scenario,
                           const struct plan_action *action)
{
    fputs(", { servers = {", file);
    for (uint32_t i = 0; i < action->server_count; i++) {
        fputs(i == 0 ? " " : ", ", file);
        print_text(file, scenario->places[action->servers[i]].name);
    }
    fprintf(file, " }, family = \"%s\" }", action->ipv6 ? "ipv6" : "ipv4");
}

static void print_peer(FILE *file, const struct plan_scenario *scenario,
                       const struct plan_action *action)
{
    bool first = true;
    fputs(", ", file);
    print_text(file, scenario->places[action->peer].name);
    if (action->kind != PLAN_SEND && action->kind != PLAN_TALK)
        return;
    fputs(", {", file);
    for (const struct field *field = plan_send_fields; field->name != NULL; field++)
        print_field(file, field, action, &first);
    fputs(" }", file);
}

/* An attack, or bulk: whom it goes to, and all of its fields. */
static void print_doing(FILE *file, const struct plan_scenario *scenario,
                        const struct plan_action *action, const struct field *fields)
{
    bool first = true;
    fputs(", ", file);
    if (action->kind != PLAN_REPLAY) {
        print_text(file, scenario->places[action->peer].name);
        fputs(", ", file);
    }
    fputc('{', file);
    for (const struct field *field = fields; field->name != NULL; field++)
        print_field(file, field, action, &first);
    fputs(" }", file);
}

static void print_action(FILE *file, const struct plan_scenario *scenario,
                         const struct plan_action *action)
{
    char text[FIELD_TEXT_SIZE];
    bool first = true;
    const struct plan_place *place = &scenario->places[action->place];
    fprintf(file, "at \"%s\" { %s(", field_render_duration(action->at_ns, text),
            plan_action_words[action->kind].name);
    print_text(file, place->name);
    if (action->kind == PLAN_CLASSIFY) {
        print_classify(file, scenario, action);
    } else if (plan_names_peer((enum plan_action_kind)action->kind) || action->kind == PLAN_SEVER ||
               action->kind == PLAN_MEND) {
        print_peer(file, scenario, action);
    } else if (plan_is_attack((enum plan_action_kind)action->kind)) {
        print_doing(file, scenario, action, plan_attack_fields);
    } else if (action->kind == PLAN_BULK) {
        print_doing(file, scenario, action, plan_bulk_fields);
    } else if (action->kind == PLAN_CLOCK) {
        fprintf(file, ", \"%s%s\"", action->clock_slow ? "-" : "",
                field_render_duration(action->clock_ns, text));
    } else if (action->changed != 0 || action->interface != 0 || action->way != PLAN_WAY_BOTH) {
        fputs(", {", file);
        for (uint32_t i = 0; plan_link_fields[i].name != NULL; i++)
            if ((action->changed >> i & 1) != 0)
                print_field(file, &plan_link_fields[i], &action->link, &first);
        if (action->way != PLAN_WAY_BOTH) {
            separate(file, &first);
            fprintf(file, "way = \"%s\"", plan_way_words[action->way]);
        }
        if (action->interface != 0) {
            separate(file, &first);
            fputs("interface = ", file);
            print_text(file, router_name(scenario, place->interfaces[action->interface].behind));
        }
        fputs(" }", file);
    }
    fputs(") }\n", file);
}

static void print_finding(FILE *file, const struct finding *finding)
{
    bool first = true;
    fputs(", {", file);
    for (uint32_t i = 0; i < FINDING_FIELDS; i++) {
        enum finding_field field = (enum finding_field)i;
        if ((finding->mask >> i & 1) == 0)
            continue;
        separate(file, &first);
        if (field == FINDING_STEP)
            fprintf(file, "step = %" PRId32, finding->value[i]);
        else
            fprintf(file, "%s = \"%s\"", finding_name(field),
                    finding_word(field, finding->value[i]));
    }
    fputs(" }", file);
}

static void print_count(FILE *file, const struct plan_expect *expect)
{
    const struct plan_expect any = {.at_most = PLAN_COUNT_ANY};
    bool first = true;
    fputs(", {", file);
    for (const struct field *field = plan_count_fields; field->name != NULL; field++)
        if (field_get(field, expect) != field_get(field, &any))
            print_field(file, field, expect, &first);
    fputs(" })", file);
}

/* What is expected: classified("alice"), data("alice", "bob", { }) ... */
static void print_what(FILE *file, const struct plan_scenario *scenario,
                       const struct plan_expect *expect)
{
    char text[FIELD_TEXT_SIZE];
    fprintf(file, "%s(", plan_expect_words[expect->kind]);
    print_text(file, scenario->places[expect->client].name);
    if (expect->kind == PLAN_CLASSIFIED) {
        if (!expect->oracle)
            print_finding(file, &expect->wanted);
        fputc(')', file);
        return;
    }
    if (plan_is_count((enum plan_expect_kind)expect->kind)) {
        print_count(file, expect);
        return;
    }
    fputs(", ", file);
    print_text(file, scenario->places[expect->peer].name);
    if (expect->kind == PLAN_DATA && expect->gap_ns != PLAN_GAP_DEFAULT_NS)
        fprintf(file, ", { gap = \"%s\" }", field_render_duration(expect->gap_ns, text));
    if (expect->kind == PLAN_VERDICT && expect->no_bounds)
        fputs(", { bounds = false }", file);
    if (expect->reason != REASON_NONE)
        fprintf(file, ", \"%s\"", reason_name((enum reason)expect->reason));
    fputc(')', file);
}

static void print_expect(FILE *file, const struct plan_scenario *scenario,
                         const struct plan_expect *expect)
{
    char text[FIELD_TEXT_SIZE];
    static const struct field share = {
        "share",    FIELD_SHARE, offsetof(struct plan_expect, share_ppm), sizeof(uint32_t), NULL, 0,
        RANDOM_PPM, ""};
    if (expect->mode == PLAN_WITHIN)
        fprintf(file, "expect { within = \"%s\", ", field_render_duration(expect->within_ns, text));
    else
        fprintf(file, "expect { %s, ", plan_mode_words[expect->mode]);
    if (expect->after_ns != 0)
        fprintf(file, "after = \"%s\", ", field_render_duration(expect->after_ns, text));
    if (expect->share_ppm != RANDOM_PPM)
        fprintf(file, "share = \"%s\", ", field_render(&share, expect->share_ppm, text));
    print_what(file, scenario, expect);
    fputs(" }\n", file);
}

void plan_print_scenario(FILE *file, const struct plan_scenario *scenario)
{
    char text[FIELD_TEXT_SIZE];
    fputs("scenario ", file);
    print_text(file, scenario->title);
    fputc('\n', file);
    if (scenario->seeds != 1)
        fprintf(file, "seeds(%" PRIu32 ")\n", scenario->seeds);
    if (scenario->duration_ns != PLAN_DURATION_DEFAULT_NS)
        fprintf(file, "duration(\"%s\")\n", field_render_duration(scenario->duration_ns, text));
    if (scenario->mesh)
        fputs("mesh()\n", file);
    if (scenario->program[0] != 0) {
        fputs("program(", file);
        print_text(file, scenario->program);
        fputs(")\n", file);
    }
    if (scenario->row[0] != 0) {
        fputs("cell(", file);
        print_text(file, scenario->row);
        fputs(", ", file);
        print_text(file, scenario->column);
        fputs(")\n", file);
    }
    for (uint32_t i = 0; i < scenario->difference_count; i++) {
        fputs("differs(", file);
        print_text(file, scenario->differences[i].network);
        fputs(", ", file);
        print_text(file, scenario->differences[i].why);
        fputs(")\n", file);
    }
    for (uint32_t i = 0; i < scenario->place_count; i++)
        print_place(file, scenario, &scenario->places[i]);
    for (uint32_t i = 0; i < scenario->action_count; i++)
        print_action(file, scenario, &scenario->actions[i]);
    for (uint32_t i = 0; i < scenario->expect_count; i++)
        print_expect(file, scenario, &scenario->expects[i]);
}

void plan_print(FILE *file, const struct plan *plan)
{
    for (uint32_t i = 0; i < plan->scenario_count; i++) {
        if (i > 0)
            fputc('\n', file);
        plan_print_scenario(file, &plan->scenarios[i]);
    }
}

static void print_counted(FILE *file, const struct plan_expect *expect)
{
    fprintf(file, ", %s", plan_expect_words[expect->kind]);
    if (expect->at_least != 0)
        fprintf(file, " at least %" PRIu64, expect->at_least);
    if (expect->at_most != PLAN_COUNT_ANY)
        fprintf(file, "%s at most %" PRIu64, expect->at_least != 0 ? " and" : "", expect->at_most);
    fputs(" datagrams", file);
}

void plan_print_sentence(FILE *file, const struct plan_scenario *scenario,
                         const struct plan_expect *expect)
{
    char text[FIELD_TEXT_SIZE], finding[FINDING_TEXT_SIZE];
    fputs(scenario->places[expect->client].name, file);
    bool counts = plan_is_count((enum plan_expect_kind)expect->kind);
    if (expect->kind != PLAN_CLASSIFIED && !counts)
        fprintf(file, " and %s", scenario->places[expect->peer].name);
    if (expect->mode == PLAN_WITHIN)
        fprintf(file, ", within %s", field_render_duration(expect->within_ns, text));
    else
        fprintf(file, ", %s", plan_mode_words[expect->mode]);
    if (expect->after_ns != 0)
        fprintf(file, " after %s", field_render_duration(expect->after_ns, text));
    if (expect->share_ppm != RANDOM_PPM)
        fprintf(file, " in %" PRIu32 ".%02" PRIu32 " %% of the runs", expect->share_ppm / 10000,
                expect->share_ppm % 10000 / 100);
    if (counts) {
        print_counted(file, expect);
        return;
    }
    switch (expect->kind) {
    case PLAN_CLASSIFIED:
        if (expect->oracle)
            fputs(", finds what the oracle says", file);
        else
            fprintf(file, ", finds %s", finding_render(&expect->wanted, NULL, finding));
        return;
    case PLAN_DATA:
        fprintf(file, ": data arrives, with no gap above %s",
                field_render_duration(expect->gap_ns, text));
        return;
    case PLAN_VERDICT:
        fprintf(file, ": the path is what the oracle says%s",
                expect->no_bounds ? "" : ", and as soon");
        return;
    default:
        fprintf(file, ": %s", plan_expect_words[expect->kind]);
        if (expect->reason != REASON_NONE)
            fprintf(file, " (%s)", reason_name((enum reason)expect->reason));
        return;
    }
}

void plan_print_route(FILE *file, const struct plan_scenario *scenario, uint32_t place)
{
    const struct plan_place *at = &scenario->places[place];
    bool outer = false;
    /* A router is declared before what is behind it, so the walk ends. */
    while (at->interfaces[0].behind != PLAN_INTERNET) {
        at = &scenario->places[at->interfaces[0].behind];
        if (outer)
            fputs(" behind ", file);
        outer = true;
        bool said = at->preset[0] != 0 || at->has_nat;
        fputs(at->preset[0] != 0 ? at->preset : at->has_nat ? "NAT" : "", file);
        if (at->has_nat && has_parameters(at)) {
            bool first = true;
            fputs(" {", file);
            print_parameters(file, at, &first);
            fputs(" }", file);
        }
        if (at->firewall[0] != 0)
            fprintf(file, "%sfirewall %s", said ? " + " : "", at->firewall);
        else if (!said)
            fputs("router", file);
    }
}
