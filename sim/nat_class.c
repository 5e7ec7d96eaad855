/* Probing one NAT: the tests, one function each. */
#include "sim/nat_class.h"

#include "core/base/check.h"

enum {
    PORT_SAMPLES = 48,
    HOSTS_TRIED = 64,
    HIGH_PORT = 40000, /* remote ports that are not well known */
};

static const uint64_t ms_ns = 1000000;
static const uint64_t second_ns = 1000000000;
static const uint64_t day_ns = 86400ull * 1000000000;

struct probe {
    struct nat *nat;
    uint64_t now_ns;
    struct addr inside;
    struct addr remote;
    uint32_t hosts; /* inside addresses used so far */
    uint16_t port;  /* of the next fresh endpoint */
    struct nat_class class;
};

/* The address `offset` above a first one. */
static struct addr above(const struct addr *first, uint32_t offset, uint16_t port)
{
    struct addr addr = addr_with_port(*first, port);
    size_t size = addr_ip_size(first);
    check(size >= 4);
    for (size_t i = size; i > size - 4; i--) {
        uint32_t sum = addr.ip[i - 1] + (offset & 0xff);
        addr.ip[i - 1] = (uint8_t)sum;
        offset = (offset >> 8) + (sum >> 8);
    }
    return addr;
}

static struct addr remote_of(const struct probe *probe, uint32_t host, uint16_t port)
{
    return above(&probe->remote, host, port);
}

/* An inside endpoint whose address nothing was sent from before. */
static struct addr fresh(struct probe *probe)
{
    /* A prime stride, so that parity and distances do not follow a pattern of ours. */
    probe->port = (uint16_t)(20000 + (probe->port + 7919u) % 20000);
    probe->hosts = (probe->hosts + 1) % 4096;
    return above(&probe->inside, probe->hosts, probe->port);
}

/* Another port of a fresh endpoint's host, which no other endpoint has. */
static struct addr second_port(struct addr inside)
{
    return addr_with_port(inside, (uint16_t)(inside.port + 20000));
}

/* Sends from inside; `mapped` is where it came out. */
static enum nat_verdict send_out(struct probe *probe, struct addr from, struct addr to,
                                 struct addr *mapped)
{
    struct nat_packet packet = {.protocol = NAT_UDP, .source = from, .destination = to};
    enum nat_verdict verdict = nat_outbound(probe->nat, probe->now_ns, &packet);
    *mapped = verdict == NAT_PASS ? packet.source : (struct addr){.family = ADDR_NONE};
    return verdict;
}

static struct addr mapped_of(struct probe *probe, struct addr from, struct addr to)
{
    struct addr mapped;
    send_out(probe, from, to, &mapped);
    return mapped;
}

/* Sends from outside; true when it reaches just this endpoint inside. */
static bool reaches(struct probe *probe, struct addr from, struct addr to, struct addr inside)
{
    struct nat_packet packet = {.protocol = NAT_UDP, .source = from, .destination = to};
    return to.family != ADDR_NONE && nat_inbound(probe->nat, probe->now_ns, &packet) == NAT_PASS &&
           addr_equal(&packet.destination, &inside);
}

static bool saw(const struct probe *probe, enum nat_aspect aspect)
{
    return (probe->class.seen & (uint32_t)aspect) != 0;
}

static void see(struct probe *probe, enum nat_aspect aspect)
{
    probe->class.seen |= (uint32_t)aspect;
}

static void find_one_to_one(struct probe *probe)
{
    struct addr inside = fresh(probe);
    struct addr mapped = mapped_of(probe, inside, remote_of(probe, 1, HIGH_PORT));
    if (mapped.family == ADDR_NONE)
        return;
    uint16_t silent = (uint16_t)(inside.port + 1);
    probe->class.one_to_one =
        reaches(probe, remote_of(probe, 2, HIGH_PORT), addr_with_port(mapped, silent),
                addr_with_port(inside, silent));
}

/* RFC 5780, section 4.3. */
static void find_mapping(struct probe *probe)
{
    struct addr inside = fresh(probe);
    struct addr first = mapped_of(probe, inside, remote_of(probe, 1, HIGH_PORT));
    struct addr second = mapped_of(probe, inside, remote_of(probe, 2, HIGH_PORT));
    struct addr third = mapped_of(probe, inside, remote_of(probe, 2, HIGH_PORT + 1));
    if (first.family == ADDR_NONE || second.family == ADDR_NONE || third.family == ADDR_NONE)
        return;
    if (addr_equal(&first, &second))
        probe->class.mapping = NAT_MAPPING_EIM;
    else
        probe->class.mapping = addr_equal(&second, &third) ? NAT_MAPPING_ADM : NAT_MAPPING_APDM;
    see(probe, NAT_ASPECT_MAPPING);
}

/* RFC 5780, section 4.4. */
static void find_filtering(struct probe *probe)
{
    struct addr inside = fresh(probe);
    struct addr to = remote_of(probe, 1, HIGH_PORT);
    struct addr mapped = mapped_of(probe, inside, to);
    if (!reaches(probe, to, mapped, inside))
        return;
    if (reaches(probe, remote_of(probe, 2, HIGH_PORT), mapped, inside))
        probe->class.filtering = NAT_FILTERING_EIF;
    else if (reaches(probe, addr_with_port(to, HIGH_PORT + 1), mapped, inside))
        probe->class.filtering = NAT_FILTERING_ADF;
    else
        probe->class.filtering = NAT_FILTERING_APDF;
    see(probe, NAT_ASPECT_FILTERING);
}

/* Whether permission given through one mapping opens another one of the same endpoint. */
static void find_scope(struct probe *probe)
{
    if (probe->class.mapping == NAT_MAPPING_EIM || probe->class.filtering == NAT_FILTERING_EIF)
        return;
    struct addr inside = fresh(probe);
    struct addr other = remote_of(probe, 2, HIGH_PORT);
    struct addr mapped = mapped_of(probe, inside, remote_of(probe, 1, HIGH_PORT));
    mapped_of(probe, inside, other);
    probe->class.scope =
        reaches(probe, other, mapped, inside) ? NAT_SCOPE_ENDPOINT : NAT_SCOPE_MAPPING;
    see(probe, NAT_ASPECT_SCOPE);
}

/*
 * After sending to remote 1 (and to 2): lets `from` come in by the mapping made for remote 1, then
 * answers it. `before`: whether we have sent to `from` at first. 0: it was not admitted, or the
 * answer leaves by that mapping anyway; 1: the answer leaves elsewhere; 2: it is held to the
 * mapping.
 */
static unsigned answer_path(struct probe *probe, struct addr from, bool before)
{
    struct addr inside = fresh(probe);
    struct addr first = remote_of(probe, 1, HIGH_PORT);
    struct addr mapped = mapped_of(probe, inside, first);
    mapped_of(probe, inside, remote_of(probe, 2, HIGH_PORT));
    if (before)
        mapped_of(probe, inside, from);
    if (probe->class.mapping == NAT_MAPPING_ADM && addr_equal_ip(&first, &from))
        return 0;
    if (!reaches(probe, from, mapped, inside))
        return 0;
    struct addr answer = mapped_of(probe, inside, from);
    return addr_equal(&answer, &mapped) ? 2 : 1;
}

static void find_session(struct probe *probe)
{
    if (probe->class.mapping == NAT_MAPPING_EIM)
        return;
    struct addr strangers[3] = {
        remote_of(probe, 3, HIGH_PORT),
        remote_of(probe, 1, HIGH_PORT + 1),
        remote_of(probe, 2, HIGH_PORT + 1),
    };
    unsigned unsent = 0;
    unsigned sent = answer_path(probe, remote_of(probe, 2, HIGH_PORT), true);
    for (unsigned i = 0; i < 3; i++) {
        unsigned path = answer_path(probe, strangers[i], false);
        unsent = path > unsent ? path : unsent;
        path = answer_path(probe, strangers[i], true);
        sent = path > sent ? path : sent;
    }
    if (sent == 0)
        return;
    probe->class.session = NAT_SESSION_NOTHING;
    if (sent == 2)
        probe->class.session = NAT_SESSION_PIN;
    else if (unsent == 2)
        probe->class.session = NAT_SESSION_FIRST;
    see(probe, NAT_ASPECT_SESSION);
    if (unsent != 0)
        see(probe, NAT_ASPECT_FIRST);
}

/* A fresh endpoint whose host is on this external address; family ADDR_NONE when none is found. */
static struct addr neighbour(struct probe *probe, const struct addr *mapped)
{
    for (unsigned i = 0; i < HOSTS_TRIED; i++) {
        struct addr inside = fresh(probe);
        struct addr other = mapped_of(probe, second_port(inside), remote_of(probe, 4, HIGH_PORT));
        if (addr_equal_ip(&other, mapped))
            return inside;
    }
    return (struct addr){.family = ADDR_NONE};
}

static void find_pool(struct probe *probe)
{
    struct addr met[HOSTS_TRIED];
    uint32_t count = 0;
    bool arbitrary = false;
    for (unsigned i = 0; i < HOSTS_TRIED; i++) {
        struct addr inside = fresh(probe);
        struct addr first = mapped_of(probe, inside, remote_of(probe, 1, HIGH_PORT));
        struct addr second = mapped_of(probe, second_port(inside), remote_of(probe, 1, HIGH_PORT));
        arbitrary = arbitrary || !addr_equal_ip(&first, &second);
        uint32_t known = 0;
        while (known < count && !addr_equal_ip(&met[known], &first))
            known++;
        if (known == count)
            met[count++] = first;
    }
    probe->class.pool = count;
    probe->class.pooling = arbitrary ? NAT_POOLING_ARBITRARY : NAT_POOLING_PAIRED;
    if (count > 1)
        see(probe, NAT_ASPECT_POOLING);
}

/* External ports of one host in the order of making, on the external address of the first one. */
struct sample {
    struct addr address; /* of the first one */
    uint16_t inside[PORT_SAMPLES];
    uint16_t mapped[PORT_SAMPLES];
    uint32_t count;
    uint32_t low;
    uint32_t high;
};

static void take_sample(struct probe *probe, struct addr host, struct sample *sample)
{
    *sample = (struct sample){.low = UINT32_MAX};
    for (uint32_t i = 0; i < PORT_SAMPLES; i++) {
        /* Parities in no regular order. */
        struct addr inside = addr_with_port(host, (uint16_t)(20000 + 17 * i + (i * i / 3) % 2));
        struct addr mapped = mapped_of(probe, inside, remote_of(probe, 1, HIGH_PORT));
        if (mapped.family == ADDR_NONE)
            break;
        if (i == 0)
            sample->address = mapped;
        if (!addr_equal_ip(&mapped, &sample->address))
            continue;
        sample->inside[sample->count] = inside.port;
        sample->mapped[sample->count++] = mapped.port;
        sample->low = mapped.port < sample->low ? mapped.port : sample->low;
        sample->high = mapped.port > sample->high ? mapped.port : sample->high;
    }
}

/* The step that most neighbours in the sample are apart; 0 when there is none. */
static uint32_t step_of(const struct sample *sample)
{
    uint32_t best = 0;
    uint32_t best_votes = 0;
    for (uint32_t i = 1; i < sample->count; i++) {
        uint32_t step = (uint16_t)(sample->mapped[i] - sample->mapped[i - 1]);
        uint32_t votes = 0;
        for (uint32_t j = 1; j < sample->count; j++)
            votes += (uint16_t)(sample->mapped[j] - sample->mapped[j - 1]) == step;
        if (votes > best_votes) {
            best = step;
            best_votes = votes;
        }
    }
    return best_votes * 2 > sample->count ? best : 0;
}

static bool keeps_parity(const struct sample *sample)
{
    for (uint32_t i = 0; i < sample->count; i++) {
        if ((sample->inside[i] ^ sample->mapped[i]) % 2 != 0)
            return false;
    }
    return true;
}

/* How many ports a block has: a host takes all it can get, and the ends of that are the block's. */
static uint32_t block_size(struct probe *probe)
{
    struct addr host = fresh(probe);
    uint32_t low = UINT32_MAX;
    uint32_t high = 0;
    for (uint32_t port = 1024; port < 65536; port++) {
        struct addr mapped =
            mapped_of(probe, addr_with_port(host, (uint16_t)port), remote_of(probe, 1, HIGH_PORT));
        if (mapped.family == ADDR_NONE && high != 0 && port % 2 == 1)
            break;
        if (mapped.family == ADDR_NONE)
            continue;
        low = mapped.port < low ? mapped.port : low;
        high = mapped.port > high ? mapped.port : high;
    }
    return high - low + 1;
}

static void find_ports(struct probe *probe)
{
    struct sample first;
    struct sample second;
    struct addr host = fresh(probe);
    take_sample(probe, host, &first);
    if (first.count < 8)
        return;
    see(probe, NAT_ASPECT_PORTS);
    uint32_t preserved = 0;
    for (uint32_t i = 0; i < first.count; i++)
        preserved += first.inside[i] == first.mapped[i];
    if (preserved == first.count) {
        probe->class.ports = NAT_PORTS_PRESERVED;
        return;
    }
    see(probe, NAT_ASPECT_PARITY);
    probe->class.parity = keeps_parity(&first);
    probe->class.step = step_of(&first);
    probe->class.ports = probe->class.step != 0 ? NAT_PORTS_SEQUENTIAL : NAT_PORTS_RANDOM;
    if (probe->class.step != 0)
        return;
    struct addr other = neighbour(probe, &first.address);
    if (other.family == ADDR_NONE || probe->class.pooling == NAT_POOLING_ARBITRARY)
        return;
    take_sample(probe, other, &second);
    if (second.count > 8 && (second.low > first.high || first.low > second.high)) {
        probe->class.ports = NAT_PORTS_BLOCK;
        probe->class.block = block_size(probe);
    }
}

/* Two hosts want the same port: towards different remotes, then towards the same one. */
static void find_collision(struct probe *probe)
{
    if (!saw(probe, NAT_ASPECT_PORTS) || probe->class.ports != NAT_PORTS_PRESERVED ||
        probe->class.pooling == NAT_POOLING_ARBITRARY)
        return;
    struct addr holder = fresh(probe);
    struct addr held = mapped_of(probe, holder, remote_of(probe, 1, HIGH_PORT));
    struct addr rival = neighbour(probe, &held);
    if (rival.family == ADDR_NONE)
        return;
    rival.port = holder.port;
    see(probe, NAT_ASPECT_COLLISION);
    struct addr apart = mapped_of(probe, rival, remote_of(probe, 2, HIGH_PORT));
    if (addr_equal(&apart, &held)) {
        bool lost = !reaches(probe, remote_of(probe, 1, HIGH_PORT), held, holder);
        if (lost)
            probe->class.collision = NAT_COLLISION_STEAL;
        else
            probe->class.ports = NAT_PORTS_OVERLOADED;
        return;
    }
    if (apart.family == ADDR_NONE) {
        probe->class.collision = NAT_COLLISION_REFUSE;
        return;
    }
    struct addr again = mapped_of(probe, rival, remote_of(probe, 3, HIGH_PORT));
    uint32_t distance = (uint32_t)apart.port - held.port;
    if (probe->class.mapping == NAT_MAPPING_EIM && !addr_equal(&again, &apart))
        probe->class.collision = NAT_COLLISION_SYMMETRIC;
    else if (distance == 1 || distance == 2)
        probe->class.collision = NAT_COLLISION_NEXT;
    /* Parity shows where the port could not be kept. */
    bool parity = (apart.port ^ held.port) % 2 == 0;
    for (uint16_t i = 1; i < 16 && parity; i++) {
        struct addr port = addr_with_port(holder, (uint16_t)(holder.port + 40 * i));
        mapped_of(probe, port, remote_of(probe, 1, HIGH_PORT));
        struct addr moved =
            mapped_of(probe, addr_with_port(rival, port.port), remote_of(probe, 2, HIGH_PORT));
        parity = (moved.port ^ port.port) % 2 == 0;
    }
    probe->class.parity = parity;
    see(probe, NAT_ASPECT_PARITY);
}

static void find_hairpin(struct probe *probe)
{
    struct addr server = remote_of(probe, 1, HIGH_PORT);
    struct addr caller = fresh(probe);
    struct addr caller_mapped = mapped_of(probe, caller, server);
    struct addr called = neighbour(probe, &caller_mapped);
    if (called.family == ADDR_NONE)
        called = fresh(probe);
    struct addr called_mapped = mapped_of(probe, called, server);
    struct addr ignored;
    send_out(probe, called, caller_mapped, &ignored);
    struct nat_packet packet = {
        .protocol = NAT_UDP, .source = caller, .destination = called_mapped};
    enum nat_verdict verdict = nat_outbound(probe->nat, probe->now_ns, &packet);
    if (verdict != NAT_HAIRPIN && verdict != NAT_DROP_HAIRPIN_OFF)
        return;
    see(probe, NAT_ASPECT_HAIRPIN);
    if (verdict == NAT_DROP_HAIRPIN_OFF)
        probe->class.hairpin = NAT_HAIRPIN_OFF;
    else
        probe->class.hairpin =
            addr_equal(&packet.source, &caller) ? NAT_HAIRPIN_INTERNAL : NAT_HAIRPIN_EXTERNAL;
}

/* Timers. Each trial has a fresh endpoint and ends with a packet from outside. */

enum trial { TRIAL_ONE_WAY, TRIAL_TWO_WAY, TRIAL_KEPT_BUSY };

/* Traffic both ways for three seconds, so that no NAT takes it for a single packet. */
static struct addr converse(struct probe *probe, struct addr inside, struct addr to)
{
    struct addr mapped = mapped_of(probe, inside, to);
    for (unsigned i = 0; i < 4; i++) {
        reaches(probe, to, mapped, inside);
        mapped_of(probe, inside, to);
        probe->now_ns += i < 3 ? second_ns : 0;
    }
    return mapped;
}

/* Whether a mapping with this traffic is there `after_ns`. `every_ns` is how often it is used. */
static bool alive_after(struct probe *probe, enum trial trial, uint16_t port, uint64_t after_ns,
                        uint64_t every_ns)
{
    struct addr inside = fresh(probe);
    struct addr to = remote_of(probe, 1, port);
    uint64_t end_ns = probe->now_ns + after_ns;
    struct addr mapped;
    if (trial == TRIAL_TWO_WAY) {
        mapped = converse(probe, inside, to);
        end_ns = probe->now_ns + after_ns;
    } else {
        mapped = mapped_of(probe, inside, to);
    }
    if (trial == TRIAL_KEPT_BUSY) {
        while (probe->now_ns + every_ns < end_ns) {
            if (!reaches(probe, to, mapped, inside))
                return false;
            mapped_of(probe, inside, to);
            probe->now_ns += every_ns;
        }
        if (!reaches(probe, to, mapped, inside))
            return false;
        mapped_of(probe, inside, to);
    }
    probe->now_ns = end_ns;
    return reaches(probe, to, mapped, inside);
}

/* The shortest time, in whole milliseconds up to a day, after which it is gone; 0: none. */
static uint64_t gone_after(struct probe *probe, enum trial trial, uint16_t port, uint64_t every_ns)
{
    uint64_t alive_ms = 0;
    uint64_t gone_ms = day_ns / ms_ns;
    if (alive_after(probe, trial, port, day_ns, every_ns))
        return 0;
    while (gone_ms - alive_ms > 1) {
        uint64_t middle_ms = alive_ms + (gone_ms - alive_ms) / 2;
        if (alive_after(probe, trial, port, middle_ms * ms_ns, every_ns))
            alive_ms = middle_ms;
        else
            gone_ms = middle_ms;
    }
    return gone_ms * ms_ns;
}

/* Whether one packet at three fifths of the timeout, one way, carries a mapping past it. */
static bool refreshed_by(struct probe *probe, bool outbound)
{
    struct addr inside = fresh(probe);
    struct addr to = remote_of(probe, 1, HIGH_PORT);
    struct addr mapped = converse(probe, inside, to);
    uint64_t part_ns = probe->class.idle_ns / 5 * 3;
    probe->now_ns += part_ns;
    if (outbound)
        mapped_of(probe, inside, to);
    else
        reaches(probe, to, mapped, inside);
    probe->now_ns += part_ns;
    return reaches(probe, to, mapped, inside);
}

static void find_timers(struct probe *probe)
{
    struct nat_class *class = &probe->class;
    class->one_way_ns = gone_after(probe, TRIAL_ONE_WAY, HIGH_PORT, 0);
    class->idle_ns = gone_after(probe, TRIAL_TWO_WAY, HIGH_PORT, 0);
    class->well_known_ns = gone_after(probe, TRIAL_TWO_WAY, 53, 0);
    see(probe, NAT_ASPECT_IDLE);
    if (class->idle_ns == 0)
        return;
    bool outbound = refreshed_by(probe, true);
    bool inbound = refreshed_by(probe, false);
    if (outbound || inbound) {
        class->refresh = outbound && inbound ? NAT_REFRESH_BOTH
                         : outbound          ? NAT_REFRESH_OUTBOUND
                                             : NAT_REFRESH_INBOUND;
        see(probe, NAT_ASPECT_REFRESH);
    }
    uint64_t shorter_ns = class->one_way_ns != 0 && class->one_way_ns < class->idle_ns
                              ? class->one_way_ns
                              : class->idle_ns;
    if (shorter_ns < 8) /* nothing can be kept busy that is gone at once */
        return;
    class->lifetime_ns = gone_after(probe, TRIAL_KEPT_BUSY, HIGH_PORT, shorter_ns / 4);
    see(probe, NAT_ASPECT_LIFETIME);
}

/* A packet that is refused first, then the mapping towards its sender. */
static void find_poison(struct probe *probe)
{
    struct addr inside = fresh(probe);
    struct addr early = remote_of(probe, 5, HIGH_PORT);
    struct addr mapped = mapped_of(probe, inside, remote_of(probe, 1, HIGH_PORT));
    bool keeps =
        probe->class.ports == NAT_PORTS_PRESERVED || probe->class.ports == NAT_PORTS_OVERLOADED;
    if (probe->class.mapping == NAT_MAPPING_EIM && probe->class.filtering != NAT_FILTERING_EIF) {
        reaches(probe, early, mapped, inside);
    } else if (saw(probe, NAT_ASPECT_PORTS) && keeps &&
               probe->class.pooling != NAT_POOLING_ARBITRARY) {
        /* Another port of the same host, which will be mapped to itself. */
        inside.port++;
        mapped.port = inside.port;
        reaches(probe, early, mapped, inside);
    } else {
        return;
    }
    struct addr later = mapped_of(probe, inside, early);
    probe->class.poison = !addr_equal(&later, &mapped);
    see(probe, NAT_ASPECT_POISON);
}

struct nat_class nat_classify(struct nat *nat, uint64_t *now_ns, const struct addr *inside,
                              const struct addr *remote)
{
    /* A pause in which what one test left behind is forgotten, ports that rest included. */
    static void (*const tests[])(struct probe *) = {
        find_mapping, find_filtering, find_scope,   find_session, find_pool,
        find_ports,   find_collision, find_hairpin, find_poison,  find_timers,
    };
    struct probe probe = {.nat = nat, .now_ns = *now_ns, .inside = *inside, .remote = *remote};
    find_one_to_one(&probe);
    for (size_t i = 0; i < sizeof tests / sizeof tests[0] && !probe.class.one_to_one; i++) {
        probe.now_ns += day_ns;
        tests[i](&probe);
    }
    *now_ns = probe.now_ns;
    return probe.class;
}

/* Comparing. */

static uint64_t shortest(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* A time as the classifier sees it: to the millisecond, and not above a day. */
static uint64_t as_seen(uint64_t time_ns)
{
    uint64_t rounded_ns = (time_ns + ms_ns - 1) / ms_ns * ms_ns;
    return rounded_ns > day_ns ? 0 : rounded_ns;
}

static const char *times_mismatch(const struct nat_class *seen, const struct nat_config *config)
{
    uint64_t two_way_ns = config->idle_ns;
    if (config->one_way_ns != 0 && config->two_way_after_ns > 3 * second_ns)
        two_way_ns = config->one_way_ns;
    uint64_t one_way_ns = config->one_way_ns != 0 ? config->one_way_ns : config->idle_ns;
    uint64_t known_ns = config->well_known_ns != 0 ? config->well_known_ns : two_way_ns;
    uint64_t lifetime_ns = config->lifetime_ns;
    /* The lifetime began three seconds before the last packet of a conversation. */
    uint64_t after_ns = lifetime_ns > 3 * second_ns ? lifetime_ns - 3 * second_ns : lifetime_ns;
    if ((seen->seen & NAT_ASPECT_IDLE) != 0) {
        if (seen->idle_ns != as_seen(shortest(after_ns, two_way_ns)))
            return "idle";
        if (seen->one_way_ns != as_seen(shortest(lifetime_ns, one_way_ns)))
            return "one_way";
        if (seen->well_known_ns != as_seen(shortest(after_ns, known_ns)))
            return "well_known";
    }
    if ((seen->seen & NAT_ASPECT_LIFETIME) != 0 && seen->lifetime_ns != as_seen(lifetime_ns))
        return "lifetime";
    return NULL;
}

/* Ports that are chosen for a preserving NAT's collisions only may say nothing of parity. */
static const char *ports_mismatch(const struct nat_class *seen, const struct nat_config *config)
{
    bool chosen = (seen->seen & NAT_ASPECT_PORTS) != 0;
    if (chosen && seen->ports != config->ports &&
        !(config->ports == NAT_PORTS_OVERLOADED && (seen->seen & NAT_ASPECT_COLLISION) == 0))
        return "ports";
    if (chosen && seen->ports == NAT_PORTS_SEQUENTIAL && seen->step != config->step)
        return "step";
    if (chosen && seen->ports == NAT_PORTS_BLOCK && seen->block != config->block)
        return "block";
    if ((seen->seen & NAT_ASPECT_PARITY) != 0 &&
        seen->parity != (config->parity || config->contiguity))
        return "parity";
    if ((seen->seen & NAT_ASPECT_COLLISION) == 0 || config->ports != NAT_PORTS_PRESERVED)
        return NULL;
    uint8_t collision = config->collision;
    if (collision == NAT_COLLISION_SYMMETRIC && config->mapping != NAT_MAPPING_EIM)
        collision = NAT_COLLISION_RANDOM; /* it is symmetric before */
    return seen->collision == collision ? NULL : "collision";
}

const char *nat_class_mismatch(const struct nat_class *seen, const struct nat_config *config)
{
    if (seen->one_to_one != (config->one_to_one && config->filtering == NAT_FILTERING_EIF))
        return "one_to_one";
    /* A port that is kept for every remote looks like one mapping. */
    uint8_t mapping =
        config->ports == NAT_PORTS_OVERLOADED ? (uint8_t)NAT_MAPPING_EIM : config->mapping;
    const struct {
        const char *name;
        uint32_t aspect;
        bool fits;
    } fits[] = {
        {"mapping", NAT_ASPECT_MAPPING, seen->mapping == mapping},
        {"filtering", NAT_ASPECT_FILTERING, seen->filtering == config->filtering},
        {"scope", NAT_ASPECT_SCOPE, seen->scope == config->scope},
        {"session", NAT_ASPECT_FIRST, seen->session == config->session},
        {"session", NAT_ASPECT_SESSION,
         (seen->session == NAT_SESSION_PIN) == (config->session == NAT_SESSION_PIN)},
        {"pooling", NAT_ASPECT_POOLING,
         (seen->pooling == NAT_POOLING_ARBITRARY) == (config->pooling == NAT_POOLING_ARBITRARY)},
        {"hairpin", NAT_ASPECT_HAIRPIN, seen->hairpin == config->hairpin},
        {"refresh", NAT_ASPECT_REFRESH, seen->refresh == config->refresh},
        {"poison", NAT_ASPECT_POISON, seen->poison == (config->poison_ns != 0)},
    };
    for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
        if ((seen->seen & fits[i].aspect) != 0 && !fits[i].fits)
            return fits[i].name;
    }
    const char *ports = ports_mismatch(seen, config);
    return ports != NULL ? ports : times_mismatch(seen, config);
}
