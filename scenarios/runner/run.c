/* The networks by name, and the results of a run. */
#include "scenarios/runner/run.h"

#include <stdlib.h>

#include "core/base/check.h"

const struct run_network run_networks[] = {
    {"sim", "the simulated network, in virtual time; needs nothing", run_on_sim},
};
const uint32_t run_network_count = sizeof run_networks / sizeof *run_networks;

void run_add_finding(struct run *run, const struct run_finding *finding)
{
    struct run_finding *grown = realloc(run->findings, (run->finding_count + 1) * sizeof *grown);
    check(grown != NULL);
    grown[run->finding_count++] = *finding;
    run->findings = grown;
}

void run_free(struct run *run)
{
    free(run->findings);
    *run = (struct run){.findings = NULL};
}
