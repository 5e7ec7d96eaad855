/* A scenario on ns-3: the stage's world on a network of ns-3's, whose clock it follows. */
#include "scenarios/ns3/run_ns3.h"

#include "scenarios/runner/on_virtual.h"
#include "sim/ns3/carrier.h"

/*
 * How much later things may be seen than on the simulator: a packet on a link without a rate takes
 * as long as at 100 Gbit/s, at every hop.
 */
#define SLACK_NS 100000

static void configure(void *state, struct net_config *config)
{
    config->carrier = carrier_interface(state);
}

static void build(struct stage *stage)
{
    carrier_build(stage->virtual_state, stage->net);
}

/* The server's end listens, since it has an address that everybody can reach. */
static void bulk(struct stage *stage, const struct plan_action *action)
{
    const struct carrier_bulk flows = {
        .from = stage->places[action->place],
        .to = stage->places[action->peer],
        .from_listens = stage->scenario->places[action->place].kind == PLAN_SERVER,
        .flows = action->count,
        .at_ns = action->at_ns,
        .last_ns = plan_action_end_ns(action) - action->at_ns,
    };
    carrier_add_bulk(stage->virtual_state, &flows);
}

static void run_until(struct stage *stage, uint64_t until_ns)
{
    carrier_run_until(stage->virtual_state, until_ns);
}

static void end(struct stage *stage)
{
    stage->run->events += carrier_events(stage->virtual_state);
}

bool run_ns3_here(const struct run_request *request, struct run *run,
                  char error[static RUN_ERROR_SIZE])
{
    static const struct virtual_network network = {.configure = configure,
                                                   .build = build,
                                                   .bulk = bulk,
                                                   .run_until = run_until,
                                                   .end = end,
                                                   .slack_ns = SLACK_NS};
    struct carrier *carrier = carrier_new(request->seed);
    bool done = run_on_virtual(request, &network, carrier, run, error);
    carrier_free(carrier);
    return done;
}
