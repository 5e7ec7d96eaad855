/* The networks by name, and the results of a run. */
#include "scenarios/runner/run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"

const struct run_network run_networks[] = {
    {.name = "sim",
     .about = "the simulated network, in virtual time; needs nothing",
     .run = run_on_sim,
     .can = run_sim_can},
    {.name = "ns3",
     .about = "ns-3's links, queues and IP stacks, in virtual time; needs warren-ns3",
     .run = run_on_ns3,
     .apart = true,
     .is_there = run_ns3_is_there,
     .can = run_ns3_can},
    {.name = "tun",
     .about = "real daemons on the simulated network, in real time; needs /dev/net/tun",
     .run = run_on_tun,
     .real = true,
     .apart = true,
     .is_there = run_tun_is_there,
     .can = run_tun_can},
    {.name = "linux",
     .about = "real daemons on Linux's own NAT, in real time; needs namespaces and nftables",
     .run = run_on_linux,
     .real = true,
     .apart = true,
     .is_there = run_linux_is_there,
     .can = run_linux_can},
};
const uint32_t run_network_count = sizeof run_networks / sizeof *run_networks;

const struct run_network *run_network_find(const char *name)
{
    for (uint32_t i = 0; i < run_network_count; i++)
        if (strcmp(run_networks[i].name, name) == 0)
            return &run_networks[i];
    return NULL;
}

bool run_find_programs(char to[static RUN_PATH_SIZE])
{
    ssize_t size = readlink("/proc/self/exe", to, RUN_PATH_SIZE - 1);
    to[size > 0 ? size : 0] = 0;
    char *slash = strrchr(to, '/');
    if (slash != NULL)
        *slash = 0;
    return slash != NULL;
}

/* A link of the scenario's places that not every network has; NULL: none. */
static const struct link_config *find_unusual(const struct plan_scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        for (uint32_t j = 0; j < place->interface_count; j++) {
            const struct link_config *ways[] = {&place->interfaces[j].up,
                                                &place->interfaces[j].down};
            for (uint32_t k = 0; k < 2; k++)
                if (!plan_link_is_usual(ways[k]))
                    return ways[k];
        }
    }
    return NULL;
}

bool run_needs_ns3(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    const struct link_config *link = find_unusual(scenario);
    if (link != NULL && link->queue_kind != LINK_QUEUE_DROP_TAIL)
        snprintf(why, RUN_ERROR_SIZE, "the queueing discipline %s is only ns-3's: --on ns3",
                 plan_discipline_words[link->queue_kind]);
    else if (link != NULL)
        snprintf(why, RUN_ERROR_SIZE, "the medium %s is only ns-3's: --on ns3",
                 plan_medium_words[link->medium]);
    if (link != NULL)
        return true;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        if (scenario->actions[i].kind != PLAN_BULK)
            continue;
        snprintf(why, RUN_ERROR_SIZE, "bulk data is only ns-3's, which has TCP: --on ns3");
        return true;
    }
    return false;
}

void run_add_finding(struct run *run, const struct run_finding *finding)
{
    struct run_finding *grown = realloc(run->findings, (run->finding_count + 1) * sizeof *grown);
    check(grown != NULL);
    grown[run->finding_count++] = *finding;
    run->findings = grown;
}

/* Room for one more; lists double, so their room is a power of two. */
static void *grow(void *list, uint32_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return list;
    void *grown = realloc(list, (count == 0 ? 1 : (size_t)count * 2) * size);
    check(grown != NULL);
    return grown;
}

void run_add_event(struct run *run, const struct run_event *event)
{
    run->events_seen = grow(run->events_seen, run->event_count, sizeof *event);
    check(run->event_count == 0 || run->events_seen[run->event_count - 1].at_ns <= event->at_ns);
    run->events_seen[run->event_count++] = *event;
}

struct run_pair *run_add_pair(struct run *run, const struct run_pair *pair)
{
    run->pairs = grow(run->pairs, run->pair_count, sizeof *pair);
    run->pairs[run->pair_count] = *pair;
    return &run->pairs[run->pair_count++];
}

void run_free(struct run *run)
{
    free(run->findings);
    free(run->events_seen);
    free(run->pairs);
    free(run->quiet);
    free(run->counts);
    free(run->notes);
    *run = (struct run){.findings = NULL};
}
