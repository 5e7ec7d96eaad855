/* Runs a scenario on the simulated network. */
#include "scenarios/runner/on_virtual.h"

bool run_on_sim(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE])
{
    return run_on_virtual(request, NULL, NULL, run, error);
}

bool run_sim_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    return run_virtual_can(scenario, why) && !run_needs_ns3(scenario, why);
}
