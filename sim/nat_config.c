/* The NAT's configuration and verdicts: defaults, what cannot work, names. */
#include "core/base/check.h"
#include "sim/nat.h"

static const uint64_t second_ns = 1000000000;

struct nat_config nat_config_default(void)
{
    return (struct nat_config){
        .idle_ns = 300 * second_ns,           /* RFC 4787, REQ-5c */
        .tcp_idle_ns = 7440 * second_ns,      /* RFC 5382, REQ-5: 2 hours 4 minutes */
        .tcp_transitory_ns = 240 * second_ns, /* RFC 5382, REQ-5: 4 minutes */
        .icmp_idle_ns = 60 * second_ns,       /* RFC 5508, REQ-2 */
        .port_low = 1024,
        .port_high = 65535,
        .step = 1,
        .block = 512,
        .pool = 1,
        .capacity = 16384,
        .sessions = 65536,
        .mapping = NAT_MAPPING_EIM, /* RFC 4787, REQ-1 */
        .filtering = NAT_FILTERING_APDF,
        .scope = NAT_SCOPE_MAPPING,
        .session = NAT_SESSION_NOTHING,
        .ports = NAT_PORTS_PRESERVED,
        .collision = NAT_COLLISION_RANDOM, /* RFC 7857, section 9 */
        .pooling = NAT_POOLING_PAIRED,     /* RFC 4787, REQ-2 */
        .hairpin = NAT_HAIRPIN_EXTERNAL,   /* RFC 4787, REQ-9a */
        .refresh = NAT_REFRESH_BOTH,       /* RFC 4787, REQ-6 and REQ-6a */
        .eviction = NAT_EVICTION_REFUSE,   /* RFC 6888, REQ-11 */
        .icmp = NAT_ICMP_PASSED,
        .parity = true,       /* RFC 4787, REQ-4 */
        .port_classes = true, /* RFC 4787, REQ-3a */
    };
}

static bool words_known(const struct nat_config *config)
{
    return config->mapping <= NAT_MAPPING_APDM && config->filtering <= NAT_FILTERING_APDF &&
           config->scope <= NAT_SCOPE_ENDPOINT && config->session < NAT_SESSION_COUNT &&
           config->ports <= NAT_PORTS_BLOCK && config->collision <= NAT_COLLISION_REFUSE &&
           config->pooling <= NAT_POOLING_ARBITRARY && config->hairpin <= NAT_HAIRPIN_EXTERNAL &&
           config->refresh <= NAT_REFRESH_BOTH && config->eviction <= NAT_EVICTION_OLDEST &&
           config->icmp <= NAT_ICMP_TERMINATES;
}

const char *nat_config_problem(const struct nat_config *config)
{
    enum { RECORDS_MAX = 1 << 24 };
    if (!words_known(config))
        return "a behaviour has a value that is none of its words";
    if (config->idle_ns == 0 || config->tcp_idle_ns == 0 || config->tcp_transitory_ns == 0 ||
        config->icmp_idle_ns == 0)
        return "an idle timeout must be longer than zero";
    if (config->port_low < 1 || config->port_high > 65535 || config->port_low > config->port_high)
        return "the port range must lie within 1 to 65535";
    if (config->step < 1 || config->step > 65535)
        return "the step must lie within 1 to 65535";
    if (config->port_classes && config->port_high < 1024)
        return "port classes need external ports of 1024 and above in the range";
    uint32_t low = config->port_classes && config->port_low < 1024 ? 1024 : config->port_low;
    if (config->block < 1 || config->block > config->port_high - low + 1)
        return "a block must have at least 1 port and fit into the port range";
    if (config->pool < 1 || config->pool > NAT_POOL_MAX)
        return "the pool must have 1 to 65536 addresses";
    if (config->capacity < 1 || config->capacity > RECORDS_MAX || config->sessions < 1 ||
        config->sessions > RECORDS_MAX)
        return "capacity and sessions must lie within 1 to 16777216";
    if (config->contiguity && config->ports == NAT_PORTS_OVERLOADED)
        return "overloaded ports cannot be kept contiguous";
    return NULL;
}

bool nat_verdict_passes(enum nat_verdict verdict)
{
    return verdict == NAT_PASS || verdict == NAT_HAIRPIN;
}

const char *nat_verdict_name(enum nat_verdict verdict)
{
    static const char *const names[NAT_VERDICT_COUNT] = {
        [NAT_PASS] = "pass",
        [NAT_HAIRPIN] = "hairpin",
        [NAT_DROP_NO_MAPPING] = "no-mapping",
        [NAT_DROP_EXPIRED] = "expired",
        [NAT_DROP_LIFETIME] = "lifetime",
        [NAT_DROP_FILTERED] = "filtered",
        [NAT_DROP_NO_PORT] = "no-port",
        [NAT_DROP_QUOTA] = "quota",
        [NAT_DROP_TABLE_FULL] = "table-full",
        [NAT_DROP_HAIRPIN_OFF] = "hairpin-off",
        [NAT_DROP_ICMP_EATEN] = "icmp-eaten",
        [NAT_DROP_NO_ADDRESS] = "no-address",
        [NAT_DROP_NOT_OURS] = "not-ours",
        [NAT_DROP_PROTOCOL] = "protocol",
    };
    check((unsigned)verdict < NAT_VERDICT_COUNT);
    return names[verdict];
}
