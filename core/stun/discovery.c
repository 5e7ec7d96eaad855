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
    check(discovery->verdict[test] == STUN_VERDICT_NONE);
    request.tag = test;
    request.socket = discovery->probe[probe].socket;
    request.source = discovery->probe[probe].local;
    trace_test(cx, TRACE_DISCOVER_TEST, request.socket, &request.server, test);
    bool room = stun_client_request(client, cx, &request);
    discovery->verdict[test] = room ? STUN_VERDICT_PENDING : STUN_VERDICT_FAILED;
}

static void begin_plain(struct stun_discovery *discovery, struct stun_client *client,
                        const struct context *cx, enum stun_test test, enum stun_probe probe,
                        struct addr server)
{
    begin(discovery, client, cx, test, probe,
          (struct stun_request){.server = server, .answers = server});
}

/* RFC 5780, section 4.4: asks the primary address for an answer from another one. */
static void begin_filtering(struct stun_discovery *discovery, struct stun_client *client,
                            const struct context *cx, enum stun_test test, bool change_ip)
{
    struct addr from = addr_with_port(change_ip ? discovery->alternate : discovery->server[0],
                                      discovery->alternate.port);
    begin(discovery, client, cx, test, STUN_PROBE_FILTERING,
          (struct stun_request){
              .server = discovery->server[0],
              .answers = from,
              .change_ip = change_ip,
              .change_port = true,
          });
}

static void begin_hairpin(struct stun_discovery *discovery, struct stun_client *client,
                          const struct context *cx, enum stun_test test, enum stun_probe from,
                          enum stun_probe to)
{
    begin(discovery, client, cx, test, from,
          (struct stun_request){
              .server = discovery->probe[to].mapped,
              .answers = discovery->probe[to].mapped,
              .echo = discovery->probe[to].socket,
          });
}

static bool answered(const struct stun_discovery *discovery, enum stun_test test)
{
    return discovery->verdict[test] == STUN_VERDICT_ANSWERED;
}

static bool is_over(const struct stun_discovery *discovery, enum stun_test test)
{
    return discovery->verdict[test] > STUN_VERDICT_PENDING;
}

static bool is_translated(const struct stun_discovery *discovery)
{
    const struct stun_probe_socket *probe = &discovery->probe[STUN_PROBE_MAPPING];
    return !addr_equal(&probe->mapped, &probe->local);
}

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
    begin_hairpin(discovery, client, cx, STUN_TEST_HAIRPIN_OUT, STUN_PROBE_HAIRPIN,
                  STUN_PROBE_MAPPING);
    begin_hairpin(discovery, client, cx, STUN_TEST_HAIRPIN_BACK, STUN_PROBE_MAPPING,
                  STUN_PROBE_HAIRPIN);
}

static void step_filtering(struct stun_discovery *discovery, struct stun_client *client,
                           const struct context *cx)
{
    if (!discovery->paired || !answered(discovery, STUN_TEST_BIND_FILTERING))
        return;
    if (discovery->verdict[STUN_TEST_FILTERING_II] == STUN_VERDICT_NONE) {
        begin_filtering(discovery, client, cx, STUN_TEST_FILTERING_II, true);
        begin_filtering(discovery, client, cx, STUN_TEST_FILTERING_III, false);
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
    /*
     * One bind after the other, so that the ports of three fresh mappings stand in the order they
     * were made.
     */
    for (unsigned probe = 0; probe < STUN_PROBES; probe++) {
        enum stun_test test = (enum stun_test)(STUN_TEST_BIND_MAPPING + probe);
        if (discovery->verdict[test] == STUN_VERDICT_NONE)
            begin_plain(discovery, client, cx, test, (enum stun_probe)probe, discovery->server[0]);
        if (discovery->verdict[test] == STUN_VERDICT_PENDING)
            return false;
        if (!answered(discovery, STUN_TEST_BIND_MAPPING))
            return true;
    }
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
 * The first answer tells our own address and whether the server has an alternate (RFC 5780, section
 * 7.4).
 */
static void take_bind(struct stun_discovery *discovery, enum stun_test test,
                      const struct stun_outcome *outcome)
{
    struct stun_probe_socket *probe = &discovery->probe[test - STUN_TEST_BIND_MAPPING];
    probe->local = outcome->local;
    probe->mapped = outcome->mapped;
    if (test == STUN_TEST_BIND_MAPPING && outcome->other.family == discovery->server[0].family &&
        !addr_equal_ip(&outcome->other, &discovery->server[0]) &&
        outcome->other.port != discovery->server[0].port && addr_is_unicast(&outcome->other)) {
        discovery->alternate = outcome->other;
        discovery->paired = true;
    }
}

bool stun_discovery_outcome(struct stun_discovery *discovery, struct stun_client *client,
                            const struct context *cx, const struct stun_outcome *outcome)
{
    check(discovery->running && outcome->tag < STUN_TESTS);
    enum stun_test test = (enum stun_test)outcome->tag;
    check(discovery->verdict[test] == STUN_VERDICT_PENDING);
    switch (outcome->result) {
    case STUN_RESULT_SUCCESS:
        discovery->verdict[test] = STUN_VERDICT_ANSWERED;
        discovery->seen[test] = outcome->mapped;
        break;
    case STUN_RESULT_ECHO:
        discovery->verdict[test] = STUN_VERDICT_ANSWERED;
        discovery->seen[test] = outcome->remote;
        trace_test(cx, TRACE_DISCOVER_HAIRPIN, outcome->socket, &outcome->remote, test);
        break;
    case STUN_RESULT_TIMEOUT:
        discovery->verdict[test] = STUN_VERDICT_SILENT;
        break;
    case STUN_RESULT_ICMP:
        discovery->verdict[test] = STUN_VERDICT_BARRED;
        break;
    default:
        discovery->verdict[test] = STUN_VERDICT_FAILED;
        break;
    }
    trace_test(cx, TRACE_DISCOVER_VERDICT, outcome->socket, &outcome->remote, test);
    if (test <= STUN_TEST_BIND_HAIRPIN && outcome->result == STUN_RESULT_SUCCESS)
        take_bind(discovery, test, outcome);
    return step(discovery, client, cx) && finish(discovery, client, cx);
}
