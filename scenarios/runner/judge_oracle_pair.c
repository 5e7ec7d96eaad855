/*
 * Asks the oracle about a pair of clients of a scenario: which routers are in front of each, which
 * they share, and how far it is between all of them.
 */
#include <stddef.h>

#include "core/base/check.h"
#include "scenarios/runner/judge.h"

/* The router that a place's first interface leads to. */
static uint32_t above(const struct plan_scenario *scenario, uint32_t place)
{
    return scenario->places[place].interfaces[0].behind;
}

static bool is_in_front(const struct plan_scenario *scenario, uint32_t router, uint32_t place)
{
    uint32_t at = above(scenario, place);
    while (at != PLAN_INTERNET && at != router)
        at = above(scenario, at);
    return at == router;
}

/* One way from a place up to a router in front of it, or to the internet. */
static uint64_t up_ns(const struct plan_scenario *scenario, uint32_t place, uint32_t router)
{
    uint64_t sum_ns = 0;
    for (uint32_t at = place; at != router; at = above(scenario, at))
        sum_ns += scenario->places[at].interfaces[0].up.latency_ns;
    return sum_ns;
}

static uint64_t down_ns(const struct plan_scenario *scenario, uint32_t place, uint32_t router)
{
    uint64_t sum_ns = 0;
    for (uint32_t at = place; at != router; at = above(scenario, at))
        sum_ns += scenario->places[at].interfaces[0].down.latency_ns;
    return sum_ns;
}

/* One way from a place to another by a router in front of both. */
static uint64_t way_ns(const struct plan_scenario *scenario, uint32_t from, uint32_t to,
                       uint32_t router)
{
    return up_ns(scenario, from, router) + down_ns(scenario, to, router);
}

/* The mean of both ways: the oracle knows one. */
static uint64_t mean_ns(const struct plan_scenario *scenario, uint32_t a, uint32_t b,
                        uint32_t router)
{
    return (way_ns(scenario, a, b, router) + way_ns(scenario, b, a, router) + 1) / 2;
}

/* The nearest router in front of both; PLAN_INTERNET when there is none. */
static uint32_t nearest_common(const struct plan_scenario *scenario, uint32_t a, uint32_t b)
{
    uint32_t at = above(scenario, a);
    while (at != PLAN_INTERNET && !is_in_front(scenario, at, b))
        at = above(scenario, at);
    return at;
}

static bool translates(const struct plan_place *router, bool ipv6)
{
    return router->has_nat && (!ipv6 || router->nat_v6);
}

/* The router whose range a client's own address is of. */
static uint32_t range_of(const struct plan_scenario *scenario, uint32_t client, bool ipv6)
{
    uint32_t at = above(scenario, client);
    while (at != PLAN_INTERNET && !translates(&scenario->places[at], ipv6))
        at = above(scenario, at);
    return at;
}

/* Whether nothing filters between a client and a router in front of it. */
static bool is_open_below(const struct plan_scenario *scenario, uint32_t client, uint32_t router)
{
    bool open = true;
    for (uint32_t at = above(scenario, client); at != router; at = above(scenario, at))
        open = open && scenario->places[at].firewall[0] == 0;
    return open;
}

/* Where the direct path turns: the outermost NAT that is in front of both, if there is one. */
static uint32_t turning_point(const struct plan_scenario *scenario, uint32_t a, uint32_t b,
                              bool ipv6)
{
    uint32_t nearest = nearest_common(scenario, a, b), turn = nearest;
    for (uint32_t at = nearest; at != PLAN_INTERNET; at = above(scenario, at))
        if (translates(&scenario->places[at], ipv6))
            turn = at;
    return turn;
}

static uint32_t home_of(const struct plan_scenario *scenario, uint32_t client, uint32_t known)
{
    uint32_t home = known != PLAN_INTERNET ? known : scenario->places[client].home;
    for (uint32_t i = 0; home == PLAN_INTERNET && i < scenario->place_count; i++)
        if (scenario->places[i].kind == PLAN_SERVER)
            home = i;
    return home;
}

static const char *why_unknown(const struct plan_scenario *scenario, const uint32_t ends[static 2],
                               const uint32_t homes[static 2])
{
    if (homes[0] == PLAN_INTERNET || homes[1] == PLAN_INTERNET)
        return "there is no server";
    bool both[2];
    for (uint32_t i = 0; i < 2; i++) {
        const struct plan_place *end = &scenario->places[ends[i]];
        if (scenario->places[homes[i]].interfaces[0].behind != PLAN_INTERNET)
            return "the oracle knows only servers that are directly on the internet";
        both[i] = end->ipv4 && end->ipv6;
    }
    if (both[0] && both[1])
        return "the oracle knows one family at a time";
    const struct plan_place *a = &scenario->places[ends[0]], *b = &scenario->places[ends[1]];
    if (!((a->ipv4 && b->ipv4) || (a->ipv6 && b->ipv6)))
        return "the two have no family in common";
    return NULL;
}

/* What two sides share: routers, from the outermost on, and perhaps the LAN. */
static void relate(const struct plan_scenario *scenario, const uint32_t ends[static 2], bool ipv6,
                   struct oracle_pair *pair)
{
    uint32_t common = nearest_common(scenario, ends[0], ends[1]);
    for (uint32_t at = common; at != PLAN_INTERNET; at = above(scenario, at))
        pair->shared++;
    uint32_t range = range_of(scenario, ends[0], ipv6);
    pair->same_lan = range != PLAN_INTERNET && range == range_of(scenario, ends[1], ipv6) &&
                     is_open_below(scenario, ends[0], common) &&
                     is_open_below(scenario, ends[1], common);
    uint32_t turn = pair->same_lan ? common : turning_point(scenario, ends[0], ends[1], ipv6);
    pair->peer_ns = mean_ns(scenario, ends[0], ends[1], turn);
}

/* One way from a client to another through both their homes. */
static uint64_t relayed_ns(const struct plan_scenario *scenario, uint32_t from, uint32_t to,
                           uint32_t home_from, uint32_t home_to)
{
    uint64_t between_ns =
        home_from != home_to ? way_ns(scenario, home_from, home_to, PLAN_INTERNET) : 0;
    return way_ns(scenario, from, home_from, PLAN_INTERNET) + between_ns +
           way_ns(scenario, home_to, to, PLAN_INTERNET);
}

bool judge_pair_oracle(const struct plan_scenario *scenario, uint32_t a, uint32_t b,
                       const uint32_t homes[static 2], struct judge_pair *judged)
{
    struct oracle_layer layers[2][ORACLE_LAYERS_MAX];
    const uint32_t ends[2] = {a, b};
    const uint32_t at[2] = {home_of(scenario, a, homes[0]), home_of(scenario, b, homes[1])};
    *judged = (struct judge_pair){.why = why_unknown(scenario, ends, at)};
    if (judged->why != NULL)
        return false;
    bool ipv6 = !scenario->places[a].ipv4 || !scenario->places[b].ipv4;
    struct oracle_pair pair = {.server_port = 0};
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t count = judge_layers(scenario, ends[i], ipv6, layers[i]);
        if (count > ORACLE_LAYERS_MAX) {
            judged->why = "the oracle knows at most 16 routers in a row";
            return false;
        }
        pair.side[i] = (struct oracle_side){.layers = layers[i], .count = count};
        pair.delay_ns[i] = mean_ns(scenario, ends[i], at[i], PLAN_INTERNET);
        judged->delay_ns[i] = pair.delay_ns[i];
    }
    if (at[0] != at[1])
        pair.homes_ns = mean_ns(scenario, at[0], at[1], PLAN_INTERNET);
    relate(scenario, ends, ipv6, &pair);
    judged->homes_ns = pair.homes_ns;
    judged->peer_ns = pair.peer_ns;
    judged->says = oracle_pair(&pair);
    judged->first_inner_ns = ORACLE_NEVER;
    if (judged->says.first_data_ns == ORACLE_NEVER)
        return true;
    /* The first datagram goes one way only, and the plan knows how long that takes. */
    judged->says.first_data_ns = relayed_ns(scenario, a, b, at[0], at[1]);
    judged->first_inner_ns =
        2 * judged->says.first_data_ns + relayed_ns(scenario, b, a, at[1], at[0]);
    return true;
}

uint32_t judge_order_router(const struct plan_scenario *scenario, uint32_t client,
                            const struct oracle_pair_says *says)
{
    uint32_t decides = PLAN_INTERNET, outermost = PLAN_INTERNET;
    check(says->verdict == ORACLE_ORDER);
    for (uint32_t at = above(scenario, client); at != PLAN_INTERNET; at = above(scenario, at)) {
        const struct plan_place *router = &scenario->places[at];
        if (!router->has_nat)
            continue;
        outermost = at;
        bool traps = says->order == ORACLE_ORDER_LEFT && router->nat.poison_ns != 0;
        bool binds = says->order == ORACLE_ORDER_HEARD && router->nat.mapping != NAT_MAPPING_EIM &&
                     router->nat.session == NAT_SESSION_FIRST;
        if (traps || binds)
            decides = at;
    }
    return decides != PLAN_INTERNET ? decides : outermost;
}
