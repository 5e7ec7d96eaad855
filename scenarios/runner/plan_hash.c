/* The plan's hash, over one canonical encoding of everything in it. */
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "scenarios/runner/plan.h"
#include "sim/nat_param.h"

/*
 * Every text goes in with its length, every list with its count, so that no two plans have one
 * encoding.
 */
static void add_text(struct hash *h, const char *text)
{
    hash_u64(h, strlen(text));
    hash_bytes(h, text, strlen(text));
}

static void add_fields(struct hash *h, const struct field *table, const void *base)
{
    for (const struct field *field = table; field->name != NULL; field++)
        hash_u64(h, field_get(field, base));
}

/* What a link is made of, or all else: the former comes last, and only where it is unusual. */
static void add_link(struct hash *h, const struct link_config *link, bool fixed)
{
    for (const struct field *field = plan_link_fields; field->name != NULL; field++)
        if (plan_link_is_fixed(field) == fixed)
            hash_u64(h, field_get(field, link));
}

/* What links of a place are made of, where any is not a wire with a drop-tail queue. */
static void add_media(struct hash *h, const struct plan_scenario *scenario, uint32_t place)
{
    const struct plan_place *at = &scenario->places[place];
    for (uint32_t i = 0; i < at->interface_count; i++) {
        const struct plan_interface *interface = &at->interfaces[i];
        if (plan_link_is_usual(&interface->up) && plan_link_is_usual(&interface->down))
            continue;
        hash_u64(h, UINT64_MAX - 2);
        hash_u64(h, place);
        hash_u64(h, i);
        add_link(h, &interface->up, true);
        add_link(h, &interface->down, true);
    }
}

static void add_place(struct hash *h, const struct plan_place *place)
{
    check(place->interface_count <= PLAN_INTERFACES_MAX);
    hash_u64(h, place->kind);
    add_text(h, place->name);
    add_fields(h, plan_place_fields((enum plan_place_kind)place->kind), place);
    hash_u64(h, place->interface_count);
    for (uint32_t i = 0; i < place->interface_count; i++) {
        hash_u64(h, place->interfaces[i].behind);
        add_link(h, &place->interfaces[i].up, false);
        add_link(h, &place->interfaces[i].down, false);
    }
    hash_u64(h, place->home);
    hash_u64(h, place->reserve);
    if (place->kind != PLAN_ROUTER)
        return;
    add_text(h, place->preset);
    add_text(h, place->firewall);
    hash_u64(h, place->has_nat);
    for (size_t i = 0; place->has_nat && i < nat_param_count(); i++)
        hash_u64(h, nat_param_get(nat_param_at(i), &place->nat));
}

static void add_action(struct hash *h, const struct plan_action *action)
{
    check(action->kind < PLAN_ACTION_KINDS && action->server_count <= PLAN_SERVERS_MAX);
    hash_u64(h, action->kind);
    hash_u64(h, action->at_ns);
    hash_u64(h, action->place);
    hash_u64(h, action->interface);
    hash_u64(h, action->peer);
    add_fields(h, plan_send_fields, action);
    hash_u64(h, action->ipv6);
    hash_u64(h, action->server_count);
    for (uint32_t i = 0; i < action->server_count; i++)
        hash_u64(h, action->servers[i]);
    hash_u64(h, action->way);
    hash_u64(h, action->changed);
    add_link(h, &action->link, false);
    if (action->kind == PLAN_BULK)
        hash_u64(h, action->lasts_ns);
    if (action->kind != PLAN_CLOCK)
        return;
    hash_u64(h, action->clock_slow);
    hash_u64(h, action->clock_ns);
}

static void add_expect(struct hash *h, const struct plan_expect *expect)
{
    hash_u64(h, expect->kind);
    hash_u64(h, expect->mode);
    hash_u64(h, expect->peer);
    hash_u64(h, expect->gap_ns);
    hash_u64(h, expect->reason);
    hash_u64(h, expect->no_bounds);
    hash_u64(h, expect->client);
    hash_u64(h, expect->share_ppm);
    hash_u64(h, expect->within_ns);
    hash_u64(h, expect->after_ns);
    hash_u64(h, expect->oracle);
    hash_u64(h, expect->wanted.mask);
    for (uint32_t i = 0; i < FINDING_FIELDS; i++)
        hash_u64(h, (uint64_t)(int64_t)expect->wanted.value[i]);
    if (plan_is_count((enum plan_expect_kind)expect->kind))
        add_fields(h, plan_count_fields, expect);
}

uint64_t plan_hash(const struct plan *plan)
{
    static const struct hash_key key = {{0x57617272656e2070u, 0x6c616e2068617368u}};
    struct hash h;
    hash_start(&h, key);
    hash_u64(&h, plan->scenario_count);
    for (uint32_t i = 0; i < plan->scenario_count; i++) {
        const struct plan_scenario *scenario = &plan->scenarios[i];
        add_text(&h, scenario->title);
        hash_u64(&h, scenario->seeds);
        hash_u64(&h, scenario->duration_ns);
        hash_u64(&h, scenario->mesh);
        add_text(&h, scenario->row);
        add_text(&h, scenario->column);
        hash_u64(&h, scenario->place_count);
        for (uint32_t j = 0; j < scenario->place_count; j++)
            add_place(&h, &scenario->places[j]);
        hash_u64(&h, scenario->action_count);
        for (uint32_t j = 0; j < scenario->action_count; j++)
            add_action(&h, &scenario->actions[j]);
        hash_u64(&h, scenario->expect_count);
        for (uint32_t j = 0; j < scenario->expect_count; j++)
            add_expect(&h, &scenario->expects[j]);
        /* The last of the scenario, and a number that no title's length is: where nothing differs,
           there is nothing to add. */
        for (uint32_t j = 0; j < scenario->difference_count; j++) {
            hash_u64(&h, UINT64_MAX);
            add_text(&h, scenario->differences[j].network);
            add_text(&h, scenario->differences[j].why);
        }
        /* Likewise. */
        if (scenario->program[0] != 0) {
            hash_u64(&h, UINT64_MAX - 1);
            add_text(&h, scenario->program);
        }
        for (uint32_t j = 0; j < scenario->place_count; j++)
            add_media(&h, scenario, j);
    }
    return hash_value(&h);
}
