/* NAT behaviour discovery: which test comes when. What the answers mean is in verdict.c. */
#include "core/stun/discovery.h"

#include "core/base/check.h"

static void trace_test(const struct context *cx, enum trace_kind kind, uint32_t socket,
                       const struct addr *remote, unsigned test)
{
    context_trace(cx, kind,
                  (struct trace_record){.socket = socket, .remote = *remote, .number = test});
}

/*
 * Begins a test: one request from a probe. A probe keeps to the address that it was bound from: on
 * a host with several, the route to another server may start at another address, which would look
 * like another mapping.
 */
static void begin(struct stun_discovery *discovery, struct stun_client *client,
                  const struct context *cx, enum stun_test test, enum stun_probe probe,
                  struct stun_request request)
{
    check(discovery->verdict[test] == STUN_VERDICT_NONE ||
          discovery->verdict[test] == STUN_VERDICT_QUIET);
    request.tag = test;
    request.socket = discovery->probe[probe].socket;
    request.source = discovery->probe[probe].local;
    trace_test(cx, TRACE_DISCOVER_TEST, request.socket, &request.server, test);
    bool room = stun_client_request(client, cx, &request);
    discovery->verdict[test] = room ? STUN_VERDICT_PENDING : STUN_VERDICT_FAILED;
}

static uint64_t at_least(uint64_t value, uint64_t least)
{
    return value > least ? value : least;
}

/* As many transmissions as the RFC's schedule has, in an eighth of the time. */
static struct stun_schedule plain_schedule(const struct stun_discovery *discovery)
{
    uint64_t least_ns = 2 * discovery->round_trip_ns;
    return (struct stun_schedule){
        .first_ns = at_least(STUN_PLAIN_FIRST_NS, least_ns),
        .longest_ns = at_least(STUN_PLAIN_LONGEST_NS, least_ns),
        .last_ns = at_least(STUN_PLAIN_LAST_NS, least_ns),
        .count = STUN_RC,
    };
}

static void begin_plain(struct stun_discovery *discovery, struct stun_client *client,
                        const struct context *cx, enum stun_test test, enum stun_probe probe,
                        struct addr server)
{
    begin(discovery, client, cx, test, probe,
          (struct stun_request){
              .server = server, .answers = server, .schedule = plain_schedule(discovery)});
}

/* The first request of all; the second server's turn comes when the first has been silent. */
static void begin_binds(struct stun_discovery *discovery, struct stun_client *client,
                        const struct context *cx)
{
    begin_plain(discovery, client, cx, STUN_TEST_BIND_MAPPING, STUN_PROBE_MAPPING,
                discovery->server[0]);
    if (discovery->servers < 2 || addr_equal(&discovery->server[0], &discovery->server[1]))
        return;
    struct stun_request request = {
        .server = discovery->server[1],
        .answers = discovery->server[1],
        .schedule = plain_schedule(discovery),
    };
    request.schedule.delay_ns = STUN_SECOND_DELAY_NS;
    begin(discovery, client, cx, STUN_TEST_BIND_SECOND, STUN_PROBE_MAPPING, request);
}

static bool answered(const struct stun_discovery *discovery, enum stun_test test)
{
    return discovery->verdict[test] == STUN_VERDICT_ANSWERED;
}

static bool is_over(const struct stun_discovery *discovery, enum stun_test test)
{
    return discovery->verdict[test] > STUN_VERDICT_QUIET;
}

static bool is_translated(const struct stun_discovery *discovery)
{
    const struct stun_probe_socket *probe = &discovery->probe[STUN_PROBE_MAPPING];
    return !addr_equal(&probe->mapped, &probe->local);
}

/* ---- Tests whose silence is an answer -------------------------------------------------------- */

struct pair {
    enum stun_test test[2];
    enum stun_probe probe[2];
    enum stun_test control;
    enum stun_probe control_probe;
};

/*
 * Each control goes from a probe to the address that its bind went to, so there is nothing that it
 * would open: the tests of FILTERING themselves go there, and the hairpin's tests do not depend on
 * who else MAPPING has sent to.
 */
static const struct pair pairs[STUN_PAIRS] = {
    [STUN_PAIR_FILTERING] =
        {
            .test = {STUN_TEST_FILTERING_II, STUN_TEST_FILTERING_III},
            .probe = {STUN_PROBE_FILTERING, STUN_PROBE_FILTERING},
            .control = STUN_TEST_CONTROL_FILTERING,
            .control_probe = STUN_PROBE_FILTERING,
        },
    [STUN_PAIR_HAIRPIN] =
        {
            .test = {STUN_TEST_HAIRPIN_OUT, STUN_TEST_HAIRPIN_BACK},
            .probe = {STUN_PROBE_HAIRPIN, STUN_PROBE_MAPPING},
            .control = STUN_TEST_CONTROL_HAIRPIN,
            .control_probe = STUN_PROBE_MAPPING,
        },
};

/*
 * RFC 5780, section 4.4: the filter's tests ask the primary address for an answer from another one.
 * Those of the hairpin go to the other probe of the two.
 */
static struct stun_request pair_request(const struct stun_discovery *discovery,
                                        enum stun_pair which, unsigned i)
{
    if (which == STUN_PAIR_HAIRPIN) {
        const struct stun_probe_socket *to = &discovery->probe[pairs[which].probe[1 - i]];
        return (struct stun_request){
            .server = to->mapped, .answers = to->mapped, .echo = to->socket};
    }
    bool change_ip = pairs[which].test[i] == STUN_TEST_FILTERING_II;
    return (struct stun_request){
        .server = discovery->server[0],
        .answers = addr_with_port(change_ip ? discovery->alternate : discovery->server[0],
                                  discovery->alternate.port),
        .change_ip = change_ip,
        .change_port = true,
    };
}

/* Begins those tests of a pair that have not been answered, and the control of the round. */
static void begin_round(struct stun_discovery *discovery, struct stun_client *client,
                        const struct context *cx, enum stun_pair which)
{
    const struct pair *pair = &pairs[which];
    bool last = discovery->round[which] == STUN_ROUNDS;
    struct stun_schedule schedule = {.count = 0}; /* the RFC's */
    uint64_t pace_ns = at_least(STUN_ROUND_PACE_NS, discovery->round_trip_ns / 4);
    if (!last)
        schedule = (struct stun_schedule){
            .first_ns = pace_ns,
            .longest_ns = pace_ns,
            .last_ns = at_least(STUN_ROUND_LAST_NS, 2 * discovery->round_trip_ns),
            .count = STUN_ROUND_SENDS,
        };
    check(discovery->round[which] <= STUN_ROUNDS);
    for (unsigned i = 0; i < 2; i++) {
        struct stun_request request = pair_request(discovery, which, i);
        request.schedule = schedule;
        if (!is_over(discovery, pair->test[i]))
            begin(discovery, client, cx, pair->test[i], pair->probe[i], request);
    }
    if (last)
        return;
    /* A test that is answered at once costs no control. */
    schedule.delay_ns = pace_ns;
    schedule.count = STUN_ROUND_CONTROLS;
    discovery->verdict[pair->control] = STUN_VERDICT_NONE;
    begin(discovery, client, cx, pair->control, pair->control_probe,
          (struct stun_request){
              .server = discovery->server[0],
              .answers = discovery->server[0],
              .series = true,
              .schedule = schedule,
          });
}

static void decide(struct stun_discovery *discovery, const struct context *cx, enum stun_test test,
                   enum stun_verdict verdict, uint32_t socket, const struct addr *remote)
{
    discovery->verdict[test] = (uint8_t)verdict;
    trace_test(cx, TRACE_DISCOVER_VERDICT, socket, remote, test);
}

/* Ends a round of a pair that is over: its silence counts, or there is another one. */
static void step_pair(struct stun_discovery *discovery, struct stun_client *client,
                      const struct context *cx, enum stun_pair which)
{
    const struct pair *pair = &pairs[which];
    bool quiet = false;
    for (unsigned i = 0; i < 2; i++) {
        if (discovery->verdict[pair->test[i]] <= STUN_VERDICT_PENDING)
            return;
        quiet = quiet || discovery->verdict[pair->test[i]] == STUN_VERDICT_QUIET;
    }
    if (!quiet && discovery->verdict[pair->control] == STUN_VERDICT_PENDING) {
        stun_client_cancel(client, cx, discovery->probe[pair->control_probe].socket, pair->control);
        discovery->verdict[pair->control] = STUN_VERDICT_NONE;
    }
    if (!quiet || discovery->verdict[pair->control] == STUN_VERDICT_PENDING)
        return;
    if (discovery->round[which] < STUN_ROUNDS && discovery->confirmed[which] < STUN_CONFIRMED) {
        discovery->round[which]++;
        begin_round(discovery, client, cx, which);
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        struct addr remote = pair_request(discovery, which, i).server;
        if (discovery->verdict[pair->test[i]] == STUN_VERDICT_QUIET)
            decide(discovery, cx, pair->test[i], STUN_VERDICT_SILENT,
                   discovery->probe[pair->probe[i]].socket, &remote);
    }
}

/* The control of a round has ended; at a round's end it may have been answered every time. */
static void take_control(struct stun_discovery *discovery, enum stun_pair which,
                         const struct stun_outcome *outcome)
{
    check(outcome->answers <= STUN_ROUND_CONTROLS);
    discovery->verdict[pairs[which].control] = STUN_VERDICT_NONE;
    discovery->confirmed[which] = (uint8_t)(discovery->confirmed[which] + outcome->answers);
}

/* ---- The order of the tests ------------------------------------------------------------------ */

static void step_mapping(struct stun_discovery *discovery, struct stun_client *client,
                         const struct context *cx)
{
    if (discovery->verdict[STUN_TEST_MAPPING_II] == STUN_VERDICT_NONE) {
        if (discovery->paired)
            begin_plain(discovery, client, cx, STUN_TEST_MAPPING_II, STUN_PROBE_MAPPING,
                        addr_with_port(discovery->alternate, discovery->server[0].port));
        else if (discovery->servers > 1 &&
                 !addr_equal_ip(&discovery->server[1], &discovery->server[0]))
            begin_plain(discovery, client, cx, STUN_TEST_MAPPING_II, STUN_PROBE_MAPPING,
                        discovery->server[1]);
    } else if (discovery->verdict[STUN_TEST_MAPPING_III] == STUN_VERDICT_NONE &&
               discovery->paired && answered(discovery, STUN_TEST_MAPPING_II) &&
               !stun_discovery_mapping_holds(discovery)) {
        begin_plain(discovery, client, cx, STUN_TEST_MAPPING_III, STUN_PROBE_MAPPING,
                    discovery->alternate);
    }
}

/*
 * A mapped address is the server's word. Requests go to one only where a datagram of ours can: not
 * to the IPv4 side of a NAT64, not to everybody.
 */
static bool may_be_sent_to(const struct stun_discovery *discovery, enum stun_probe probe)
{
    const struct addr *mapped = &discovery->probe[probe].mapped;
    return mapped->family == discovery->server[0].family && addr_is_unicast(mapped);
}

/* The sockets of both hairpin tests have other work until the mapping tests are over. */
static void step_hairpin(struct stun_discovery *discovery, struct stun_client *client,
                         const struct context *cx)
{
    if (discovery->verdict[STUN_TEST_HAIRPIN_OUT] != STUN_VERDICT_NONE ||
        discovery->verdict[STUN_TEST_MAPPING_II] == STUN_VERDICT_PENDING ||
        discovery->verdict[STUN_TEST_MAPPING_III] == STUN_VERDICT_PENDING ||
        !answered(discovery, STUN_TEST_BIND_HAIRPIN) || !is_translated(discovery) ||
        !may_be_sent_to(discovery, STUN_PROBE_MAPPING) ||
        !may_be_sent_to(discovery, STUN_PROBE_HAIRPIN))
        return;
    begin_round(discovery, client, cx, STUN_PAIR_HAIRPIN);
}

static void step_filtering(struct stun_discovery *discovery, struct stun_client *client,
                           const struct context *cx)
{
    if (!discovery->paired || !answered(discovery, STUN_TEST_BIND_FILTERING))
        return;
    if (discovery->verdict[STUN_TEST_FILTERING_II] == STUN_VERDICT_NONE) {
        begin_round(discovery, client, cx, STUN_PAIR_FILTERING);
    } else if (discovery->verdict[STUN_TEST_FILTERING_II] == STUN_VERDICT_SILENT &&
               is_over(discovery, STUN_TEST_FILTERING_III) &&
               discovery->verdict[STUN_TEST_TRAP] == STUN_VERDICT_NONE &&
               stun_discovery_mapping_holds(discovery) && is_translated(discovery)) {
        begin_plain(discovery, client, cx, STUN_TEST_TRAP, STUN_PROBE_FILTERING,
                    discovery->alternate);
    }
}

/*
 * Begins whatever may begin now. True when nothing is under way any more: the discovery has ended.
 */
static bool step(struct stun_discovery *discovery, struct stun_client *client,
                 const struct context *cx)
{
    if (discovery->verdict[STUN_TEST_BIND_MAPPING] == STUN_VERDICT_NONE)
        begin_binds(discovery, client, cx);
    if (!answered(discovery, STUN_TEST_BIND_MAPPING)) {
        if (discovery->verdict[STUN_TEST_BIND_MAPPING] == STUN_VERDICT_PENDING ||
            discovery->verdict[STUN_TEST_BIND_SECOND] == STUN_VERDICT_PENDING)
            return false;
        /* An error is a sign of life: whatever became of the first server, UDP passes. */
        if (discovery->verdict[STUN_TEST_BIND_SECOND] == STUN_VERDICT_FAILED)
            discovery->verdict[STUN_TEST_BIND_MAPPING] = STUN_VERDICT_FAILED;
        return true;
    }
    /*
     * One bind after the other, so that the ports of three fresh mappings stand in the order they
     * were made.
     */
    for (unsigned probe = STUN_PROBE_FILTERING; probe < STUN_PROBES; probe++) {
        enum stun_test test = (enum stun_test)(STUN_TEST_BIND_MAPPING + probe);
        if (discovery->verdict[test] == STUN_VERDICT_NONE)
            begin_plain(discovery, client, cx, test, (enum stun_probe)probe, discovery->server[0]);
        if (discovery->verdict[test] == STUN_VERDICT_PENDING)
            return false;
    }
    for (unsigned pair = 0; pair < STUN_PAIRS; pair++)
        step_pair(discovery, client, cx, (enum stun_pair)pair);
    step_mapping(discovery, client, cx);
    step_filtering(discovery, client, cx);
    step_hairpin(discovery, client, cx);
    for (unsigned test = 0; test < STUN_TESTS; test++) {
        if (discovery->verdict[test] == STUN_VERDICT_PENDING)
            return false;
    }
    return true;
}

static bool finish(struct stun_discovery *discovery, const struct stun_client *client,
                   const struct context *cx)
{
    struct node_out out = {
        .kind = NODE_OUT_BEHAVIOUR,
        .behaviour = stun_discovery_result(discovery, client, cx->now_ns),
    };
    discovery->running = false;
    context_trace(cx, TRACE_DISCOVER_END,
                  (struct trace_record){.remote = discovery->server[0],
                                        .other = out.behaviour.mapped,
                                        .number = out.behaviour.sent});
    context_put(cx, &out);
    return true;
}

void stun_discovery_start(struct stun_discovery *discovery, const struct stun_client *client,
                          const struct context *cx, const struct node_in_discover *discover,
                          const uint32_t sockets[static STUN_PROBES])
{
    check(!discovery->running);
    check(discover->count >= 1 && discover->count <= NODE_DISCOVER_SERVERS);
    *discovery = (struct stun_discovery){
        .running = true,
        .servers = (uint8_t)discover->count,
        .started_ns = cx->now_ns,
        .sent_before = client->sent,
        .received_before = client->received,
    };
    for (uint32_t i = 0; i < discover->count; i++)
        discovery->server[i] = discover->servers[i];
    for (unsigned i = 0; i < STUN_PROBES; i++)
        discovery->probe[i].socket = sockets[i];
    context_trace(cx, TRACE_DISCOVER_START, (struct trace_record){.remote = discovery->server[0]});
}

bool stun_discovery_socket(struct stun_discovery *discovery, struct stun_client *client,
                           const struct context *cx, const struct node_in_socket *socket)
{
    check(discovery->running);
    bool all_open = true;
    for (unsigned i = 0; i < STUN_PROBES; i++) {
        struct stun_probe_socket *probe = &discovery->probe[i];
        if (probe->socket == socket->socket)
            probe->port = socket->port;
        all_open = all_open && probe->port != 0;
    }
    if (socket->error != NODE_OK) {
        trace_test(cx, TRACE_DISCOVER_NO_SOCKET, socket->socket, &discovery->server[0],
                   socket->error);
        return finish(discovery, client, cx);
    }
    return all_open && step(discovery, client, cx) && finish(discovery, client, cx);
}

/*
 * One of the servers has answered the first bind: the other one's is called off, and the server is
 * the first from now on.
 */
static void settle_server(struct stun_discovery *discovery, struct stun_client *client,
                          const struct context *cx, bool second)
{
    enum stun_test other = second ? STUN_TEST_BIND_MAPPING : STUN_TEST_BIND_SECOND;
    if (discovery->verdict[other] == STUN_VERDICT_PENDING)
        stun_client_cancel(client, cx, discovery->probe[STUN_PROBE_MAPPING].socket, other);
    discovery->verdict[STUN_TEST_BIND_SECOND] = STUN_VERDICT_NONE;
    if (second) {
        struct addr first = discovery->server[0];
        discovery->server[0] = discovery->server[1];
        discovery->server[1] = first;
    }
}

/*
 * A bind's answer tells our own address and whether the server has an alternate (RFC 5780, section
 * 7.4).
 */
static void take_bind(struct stun_discovery *discovery, enum stun_test test,
                      const struct stun_outcome *outcome)
{
    struct stun_probe_socket *probe = &discovery->probe[test - STUN_TEST_BIND_MAPPING];
    probe->local = outcome->local;
    probe->mapped = outcome->mapped;
    uint64_t most_ns =
        test == STUN_TEST_BIND_MAPPING ? STUN_ROUND_TRIP_MAX_NS : discovery->round_trip_ns;
    discovery->round_trip_ns = outcome->took_ns < most_ns ? outcome->took_ns : most_ns;
    if (test == STUN_TEST_BIND_MAPPING && outcome->other.family == discovery->server[0].family &&
        !addr_equal_ip(&outcome->other, &discovery->server[0]) &&
        outcome->other.port != discovery->server[0].port && addr_is_unicast(&outcome->other)) {
        discovery->alternate = outcome->other;
        discovery->paired = true;
    }
}

static enum stun_verdict verdict_of(enum stun_result result)
{
    switch (result) {
    case STUN_RESULT_SUCCESS:
    case STUN_RESULT_ECHO:
        return STUN_VERDICT_ANSWERED;
    case STUN_RESULT_TIMEOUT:
        return STUN_VERDICT_SILENT;
    case STUN_RESULT_ICMP:
        return STUN_VERDICT_BARRED;
    default:
        return STUN_VERDICT_FAILED;
    }
}

/* A test that nobody answered in a round waits for what step_pair() makes of it. */
static bool is_one_of_pair(enum stun_test test)
{
    for (unsigned i = 0; i < STUN_PAIRS; i++)
        if (test == pairs[i].test[0] || test == pairs[i].test[1])
            return true;
    return false;
}

static void take_test(struct stun_discovery *discovery, struct stun_client *client,
                      const struct context *cx, enum stun_test test,
                      const struct stun_outcome *outcome)
{
    if (outcome->result == STUN_RESULT_TIMEOUT && is_one_of_pair(test)) {
        discovery->verdict[test] = STUN_VERDICT_QUIET;
        return;
    }
    bool success = outcome->result == STUN_RESULT_SUCCESS;
    if (success && (test == STUN_TEST_BIND_SECOND || test == STUN_TEST_BIND_MAPPING)) {
        settle_server(discovery, client, cx, test == STUN_TEST_BIND_SECOND);
        test = STUN_TEST_BIND_MAPPING;
    }
    if (outcome->result == STUN_RESULT_ECHO)
        trace_test(cx, TRACE_DISCOVER_HAIRPIN, outcome->socket, &outcome->remote, test);
    if (success || outcome->result == STUN_RESULT_ECHO)
        discovery->seen[test] = success ? outcome->mapped : outcome->remote;
    decide(discovery, cx, test, verdict_of(outcome->result), outcome->socket, &outcome->remote);
    if (test <= STUN_TEST_BIND_HAIRPIN && success)
        take_bind(discovery, test, outcome);
}

bool stun_discovery_outcome(struct stun_discovery *discovery, struct stun_client *client,
                            const struct context *cx, const struct stun_outcome *outcome)
{
    check(discovery->running && outcome->tag < STUN_TESTS);
    enum stun_test test = (enum stun_test)outcome->tag;
    check(discovery->verdict[test] == STUN_VERDICT_PENDING);
    if (test == STUN_TEST_CONTROL_FILTERING)
        take_control(discovery, STUN_PAIR_FILTERING, outcome);
    else if (test == STUN_TEST_CONTROL_HAIRPIN)
        take_control(discovery, STUN_PAIR_HAIRPIN, outcome);
    else
        take_test(discovery, client, cx, test, outcome);
    return step(discovery, client, cx) && finish(discovery, client, cx);
}
