/* The networks by name, and the results of a run. */
#include "scenarios/runner/run.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

const struct run_network run_networks[] = {
    {.name = "sim",
     .about = "the simulated network, in virtual time; needs nothing",
     .run = run_on_sim,
     .can = run_sim_can},
    {.name = "tun",
     .about = "real daemons on the simulated network, in real time; needs /dev/net/tun",
     .run = run_on_tun,
     .real = true,
     .is_there = run_tun_is_there,
     .can = run_tun_can},
    {.name = "linux",
     .about = "real daemons on Linux's own NAT, in real time; needs namespaces and nftables",
     .run = run_on_linux,
     .real = true,
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
