/* Verdicts: does what a run brought agree with what the script expects? */
#ifndef WARREN_RUNNER_JUDGE_H
#define WARREN_RUNNER_JUDGE_H

#include <stdbool.h>

#include "scenarios/runner/plan.h"
#include "scenarios/runner/run.h"
#include "sim/oracle_pair.h"

enum { JUDGE_TEXT_SIZE = 320 };

/*
 * What the oracle says that a client finds in this scenario, of every field that it can know.
 * False, with the reason in `why` (static), when it says nothing.
 */
bool judge_oracle(const struct plan_scenario *scenario, uint32_t client, struct finding *wanted,
                  const char **why);

/*
 * The routers in front of a client's first interface, from it outwards, as the oracle wants them;
 * ORACLE_LAYERS_MAX + 1 when there are more.
 */
uint32_t judge_layers(const struct plan_scenario *scenario, uint32_t client, bool ipv6,
                      struct oracle_layer layers[static ORACLE_LAYERS_MAX]);

/* What the oracle says of a pair of clients, and the delays that it says it for. */
struct judge_pair {
    struct oracle_pair_says says;
    uint64_t delay_ns[2]; /* one way between the caller, the callee and their homes */
    uint64_t homes_ns;    /* between the homes */
    uint64_t peer_ns;     /* between the two */
    /* For a packet of the caller's where the two have no session: a handshake's two messages go
       before it, all three through the relay. With one it is says.first_data_ns. */
    uint64_t first_inner_ns;
    const char *why; /* it says nothing, or NULL; static */
};

/*
 * Asks the oracle about a pair whose homes are these places, or PLAN_INTERNET: as the script says,
 * or else the first server. False, with `why`, when it says nothing.
 */
bool judge_pair_oracle(const struct plan_scenario *scenario, uint32_t a, uint32_t b,
                       const uint32_t homes[static 2], struct judge_pair *judged);
/*
 * In front of this client, the router whose NAT decides a pair of verdict ORACLE_ORDER;
 * PLAN_INTERNET when there is none.
 */
uint32_t judge_order_router(const struct plan_scenario *scenario, uint32_t client,
                            const struct oracle_pair_says *says);

/* As judge_run(), for an expectation that counts, of which the run has counted so many. */
bool judge_count(const struct plan_expect *expect, uint64_t count,
                 char happened[static JUDGE_TEXT_SIZE]);

/*
 * Until when a result counts for this expectation: to the end of its `within`, and as much longer
 * as the run's times are not exact.
 */
uint64_t judge_until_ns(const struct plan_expect *expect, const struct run *run);

/*
 * Holds one run against one expectation; `wanted` is the oracle's word where the expectation asks
 * for that, and the script's otherwise. When it fails, `happened` is a sentence that says what was
 * found instead.
 */
bool judge_run(const struct plan_expect *expect, const struct finding *wanted,
               const struct run *run, char happened[static JUDGE_TEXT_SIZE]);

#endif
