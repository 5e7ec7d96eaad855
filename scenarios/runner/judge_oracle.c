/*
 * Asks the oracle about a client of a scenario: which routers are in front of it, and which servers
 * it asks.
 */
#include <stddef.h>

#include "core/base/check.h"
#include "scenarios/runner/judge.h"
#include "sim/oracle.h"

/* The classification that comes last; NULL when the client is never told to. */
static const struct plan_action *last_classification(const struct plan_scenario *scenario,
                                                     uint32_t client)
{
    const struct plan_action *last = NULL;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        if (action->kind == PLAN_CLASSIFY && action->place == client &&
            (last == NULL || action->at_ns >= last->at_ns))
            last = action;
    }
    return last;
}

uint32_t judge_layers(const struct plan_scenario *scenario, uint32_t client, bool ipv6,
                      struct oracle_layer layers[static ORACLE_LAYERS_MAX])
{
    uint32_t count = 0;
    uint32_t at = scenario->places[client].interfaces[0].behind;
    for (; at != PLAN_INTERNET; at = scenario->places[at].interfaces[0].behind) {
        const struct plan_place *router = &scenario->places[at];
        const struct firewall_preset *firewall = firewall_preset_find(router->firewall);
        check(router->kind == PLAN_ROUTER);
        if (count == ORACLE_LAYERS_MAX)
            return ORACLE_LAYERS_MAX + 1;
        layers[count++] = (struct oracle_layer){
            .nat = router->has_nat && (!ipv6 || router->nat_v6) ? &router->nat : NULL,
            .firewall = firewall != NULL ? &firewall->config : NULL,
            .external = router->addresses,
        };
    }
    return count;
}

static enum oracle_servers servers_of(const struct plan_scenario *scenario,
                                      const struct plan_action *action)
{
    const struct plan_place *first = &scenario->places[action->servers[0]];
    check(action->server_count >= 1);
    if (first->addresses >= 2 && first->alternate_port != 0)
        return ORACLE_SERVER_PAIRED;
    return action->server_count >= 2 ? ORACLE_SERVERS_TWO : ORACLE_SERVER_ONE;
}

bool judge_oracle(const struct plan_scenario *scenario, uint32_t client, struct finding *wanted,
                  const char **why)
{
    static const struct {
        enum oracle_aspect aspect;
        uint32_t fields;
    } aspects[] = {
        {ORACLE_NAT, 1u << FINDING_NAT},
        {ORACLE_MAPPING, 1u << FINDING_MAPPING},
        {ORACLE_FILTERING, 1u << FINDING_FILTERING},
        {ORACLE_HAIRPIN, 1u << FINDING_HAIRPIN},
        {ORACLE_PORTS, 1u << FINDING_PORTS | 1u << FINDING_STEP},
        {ORACLE_POOLING, 1u << FINDING_POOLING},
        {ORACLE_TRAP, 1u << FINDING_TRAP},
    };
    struct oracle_layer layers[ORACLE_LAYERS_MAX];
    const struct plan_action *action = last_classification(scenario, client);
    *why = NULL;
    if (action == NULL) {
        *why = "the client is never told to classify";
        return false;
    }
    for (uint32_t i = 0; i < action->server_count; i++)
        if (scenario->places[action->servers[i]].interfaces[0].behind != PLAN_INTERNET)
            *why = "the oracle knows only servers that are directly on the internet";
    uint32_t count = judge_layers(scenario, client, action->ipv6, layers);
    if (count > ORACLE_LAYERS_MAX)
        *why = "the oracle knows at most 16 routers in a row";
    if (*why != NULL)
        return false;
    struct oracle_finding says = oracle_discovery(layers, count, servers_of(scenario, action));
    struct finding all = finding_of(&says.is);
    for (size_t i = 0; i < sizeof aspects / sizeof *aspects; i++)
        if ((says.unsure & aspects[i].aspect) != 0)
            all.mask &= ~aspects[i].fields;
    *wanted = (struct finding){.mask = 0};
    for (uint32_t i = 0; i < FINDING_FIELDS; i++)
        if ((all.mask >> i & 1) != 0)
            finding_add(wanted, (enum finding_field)i, all.value[i]);
    return true;
}
