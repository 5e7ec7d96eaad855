/* NAT behaviour discovery: what the answers to its tests say about the NAT. */
#include "core/base/check.h"
#include "core/stun/discovery.h"

static bool answered(const struct stun_discovery *discovery, enum stun_test test)
{
    return discovery->verdict[test] == STUN_VERDICT_ANSWERED;
}

static bool silent(const struct stun_discovery *discovery, enum stun_test test)
{
    return discovery->verdict[test] == STUN_VERDICT_SILENT;
}

static enum stun_nat nat_of(const struct stun_discovery *discovery)
{
    const struct stun_probe_socket *probe = &discovery->probe[STUN_PROBE_MAPPING];
    if (answered(discovery, STUN_TEST_BIND_MAPPING))
        return addr_equal(&probe->mapped, &probe->local) ? STUN_NAT_NONE : STUN_NAT_PRESENT;
    bool blocked = silent(discovery, STUN_TEST_BIND_MAPPING) ||
                   discovery->verdict[STUN_TEST_BIND_MAPPING] == STUN_VERDICT_BARRED;
    return blocked ? STUN_NAT_BLOCKED : STUN_NAT_UNKNOWN;
}

bool stun_discovery_mapping_holds(const struct stun_discovery *discovery)
{
    return answered(discovery, STUN_TEST_MAPPING_II) &&
           addr_equal(&discovery->seen[STUN_TEST_MAPPING_II],
                      &discovery->seen[STUN_TEST_BIND_MAPPING]);
}

/* RFC 5780, section 4.3: where nothing is translated, test I alone says that nothing depends. */
static enum stun_mapping mapping_of(const struct stun_discovery *discovery)
{
    const struct addr *second = &discovery->seen[STUN_TEST_MAPPING_II];
    const struct addr *third = &discovery->seen[STUN_TEST_MAPPING_III];
    if (!answered(discovery, STUN_TEST_MAPPING_II))
        return nat_of(discovery) == STUN_NAT_NONE ? STUN_MAPPING_EIM : STUN_MAPPING_UNKNOWN;
    if (stun_discovery_mapping_holds(discovery))
        return STUN_MAPPING_EIM;
    if (!answered(discovery, STUN_TEST_MAPPING_III))
        return STUN_MAPPING_DEPENDENT;
    return addr_equal(second, third) ? STUN_MAPPING_ADM : STUN_MAPPING_APDM;
}

/* RFC 5780, section 4.4. Silence counts only because the same socket was answered before. */
static enum stun_filtering filtering_of(const struct stun_discovery *discovery)
{
    if (answered(discovery, STUN_TEST_FILTERING_II))
        return STUN_FILTERING_EIF;
    if (!silent(discovery, STUN_TEST_FILTERING_II))
        return STUN_FILTERING_UNKNOWN;
    if (answered(discovery, STUN_TEST_FILTERING_III))
        return STUN_FILTERING_ADF;
    return silent(discovery, STUN_TEST_FILTERING_III) ? STUN_FILTERING_APDF
                                                      : STUN_FILTERING_UNKNOWN;
}

/* One direction that came back is enough; which source it bore tells the mode. */
static enum stun_hairpin hairpin_of(const struct stun_discovery *discovery)
{
    static const enum stun_test tests[] = {STUN_TEST_HAIRPIN_OUT, STUN_TEST_HAIRPIN_BACK};
    static const enum stun_probe senders[] = {STUN_PROBE_HAIRPIN, STUN_PROBE_MAPPING};
    for (unsigned i = 0; i < 2; i++) {
        if (answered(discovery, tests[i])) {
            const struct stun_probe_socket *sender = &discovery->probe[senders[i]];
            return addr_equal_ip(&discovery->seen[tests[i]], &sender->local)
                       ? STUN_HAIRPIN_INTERNAL
                       : STUN_HAIRPIN_EXTERNAL;
        }
    }
    return silent(discovery, STUN_TEST_HAIRPIN_OUT) && silent(discovery, STUN_TEST_HAIRPIN_BACK)
               ? STUN_HAIRPIN_OFF
               : STUN_HAIRPIN_UNKNOWN;
}

static enum stun_ports ports_of(const struct stun_discovery *discovery, int32_t *step)
{
    bool preserved = true;
    for (unsigned i = 0; i < STUN_PROBES; i++) {
        const struct stun_probe_socket *probe = &discovery->probe[i];
        if (probe->mapped.family == ADDR_NONE)
            return STUN_PORTS_UNKNOWN;
        preserved = preserved && probe->mapped.port == probe->local.port;
    }
    if (preserved)
        return STUN_PORTS_PRESERVED;
    int32_t first = discovery->probe[1].mapped.port - discovery->probe[0].mapped.port;
    int32_t second = discovery->probe[2].mapped.port - discovery->probe[1].mapped.port;
    if (first != second || first == 0)
        return STUN_PORTS_RANDOM;
    *step = first;
    return STUN_PORTS_SEQUENTIAL;
}

static enum stun_pooling pooling_of(const struct stun_discovery *discovery)
{
    const struct stun_probe_socket *probe = discovery->probe;
    for (unsigned i = 0; i < STUN_PROBES; i++) {
        if (probe[i].mapped.family == ADDR_NONE)
            return STUN_POOLING_UNKNOWN;
    }
    return addr_equal_ip(&probe[0].mapped, &probe[1].mapped) &&
                   addr_equal_ip(&probe[1].mapped, &probe[2].mapped)
               ? STUN_POOLING_PAIRED
               : STUN_POOLING_ARBITRARY;
}

/* Only where one mapping serves all destinations does a moved one mean that something moved it. */
static enum stun_trap trap_of(const struct stun_discovery *discovery,
                              const struct stun_behaviour *behaviour)
{
    if (behaviour->nat == STUN_NAT_NONE || behaviour->filtering == STUN_FILTERING_EIF)
        return STUN_TRAP_NO;
    if (!stun_discovery_mapping_holds(discovery) || !answered(discovery, STUN_TEST_TRAP))
        return STUN_TRAP_UNKNOWN;
    return addr_equal(&discovery->seen[STUN_TEST_TRAP],
                      &discovery->probe[STUN_PROBE_FILTERING].mapped)
               ? STUN_TRAP_NO
               : STUN_TRAP_YES;
}

struct stun_behaviour stun_discovery_result(const struct stun_discovery *discovery,
                                            const struct stun_client *client, uint64_t now_ns)
{
    check(now_ns >= discovery->started_ns);
    check(client->sent >= discovery->sent_before);
    struct stun_behaviour behaviour = {
        .nat = (uint8_t)nat_of(discovery),
        .server = discovery->server[0],
        .local = discovery->probe[STUN_PROBE_MAPPING].local,
        .mapped = discovery->probe[STUN_PROBE_MAPPING].mapped,
        .sent = (uint32_t)(client->sent - discovery->sent_before),
        .received = (uint32_t)(client->received - discovery->received_before),
        .duration_ns = now_ns - discovery->started_ns,
    };
    if (behaviour.nat == STUN_NAT_UNKNOWN || behaviour.nat == STUN_NAT_BLOCKED)
        return behaviour;
    behaviour.mapping = (uint8_t)mapping_of(discovery);
    behaviour.filtering = (uint8_t)filtering_of(discovery);
    behaviour.hairpin = (uint8_t)hairpin_of(discovery);
    behaviour.ports = (uint8_t)ports_of(discovery, &behaviour.step);
    behaviour.pooling = (uint8_t)pooling_of(discovery);
    behaviour.trap = (uint8_t)trap_of(discovery, &behaviour);
    return behaviour;
}
