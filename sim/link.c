/* What one direction of a link does to a packet. */
#include "sim/link.h"

#include <string.h>

#include "core/base/check.h"

enum { BITS_PER_BYTE = 8 };
#define NS_PER_SECOND 1000000000u

bool link_needs_draws(const struct link_config *config)
{
    return config->jitter_ns != 0 || config->loss_ppm != 0 || config->burst_enter_ppm != 0 ||
           config->duplicate_ppm != 0 || config->reorder_ppm != 0 || config->corrupt_ppm != 0;
}

void link_set(struct link_way *way, const struct link_config *config)
{
    check(config->loss_ppm <= RANDOM_PPM && config->burst_enter_ppm <= RANDOM_PPM);
    check(config->burst_leave_ppm <= RANDOM_PPM && config->burst_loss_ppm <= RANDOM_PPM);
    check(config->duplicate_ppm <= RANDOM_PPM && config->reorder_ppm <= RANDOM_PPM);
    check(config->corrupt_ppm <= RANDOM_PPM && (config->mtu == 0 || config->mtu >= LINK_MTU_MIN));
    check(config->queue_bytes <= LINK_QUEUE_MAX);
    way->config = *config;
    if (way->config.mtu == 0)
        way->config.mtu = LINK_MTU_DEFAULT;
    if (way->config.queue_bytes == 0)
        way->config.queue_bytes = LINK_QUEUE_DEFAULT;
    if (way->config.burst_loss_ppm == 0)
        way->config.burst_loss_ppm = RANDOM_PPM;
    if (config->burst_enter_ppm == 0)
        way->bad = false;
    way->impaired = link_needs_draws(config);
    way->plain = !way->impaired && config->rate_bps == 0 && !config->jitter_reorders;
    way->ideal = way->plain && config->latency_ns == 0;
}

void link_draws_init(struct link_draws *draws, const uint8_t seed[static RANDOM_SEED_SIZE],
                     const char *name)
{
    static const char *const purposes[LINK_DRAWS] = {
        [LINK_DRAW_LOSS] = "loss",       [LINK_DRAW_BURST] = "burst",
        [LINK_DRAW_JITTER] = "jitter",   [LINK_DRAW_DUPLICATE] = "duplicate",
        [LINK_DRAW_REORDER] = "reorder", [LINK_DRAW_CORRUPT] = "corrupt",
    };
    for (unsigned i = 0; i < LINK_DRAWS; i++) {
        char full[LINK_NAME_SIZE];
        size_t name_size = strlen(name);
        size_t purpose_size = strlen(purposes[i]);
        check(5 + name_size + 1 + purpose_size <= sizeof full);
        memcpy(full, "link/", 5);
        memcpy(full + 5, name, name_size);
        full[5 + name_size] = '/';
        memcpy(full + 6 + name_size, purposes[i], purpose_size);
        random_stream_init(&draws->stream[i], seed, full, 6 + name_size + purpose_size);
    }
}

/* Draws only for what is switched on, so that each stream is a function of its own parameter. */
static bool chance(struct link_way *way, enum link_purpose purpose, uint32_t ppm)
{
    return ppm != 0 && random_chance(&way->draws->stream[purpose], ppm);
}

/* Two draws for each packet, the state's and the loss's, whatever the state. */
static bool lost_in_burst(struct link_way *way)
{
    const struct link_config *config = &way->config;
    if (config->burst_enter_ppm == 0)
        return false;
    struct random_stream *stream = &way->draws->stream[LINK_DRAW_BURST];
    bool change =
        random_chance(stream, way->bad ? config->burst_leave_ppm : config->burst_enter_ppm);
    bool loses = random_chance(stream, config->burst_loss_ppm);
    if (change)
        way->bad = !way->bad;
    return way->bad && loses;
}

static enum link_loss draw_loss(struct link_way *way)
{
    check(way->draws != NULL);
    bool lost = chance(way, LINK_DRAW_LOSS, way->config.loss_ppm);
    bool lost_burst = lost_in_burst(way);
    if (lost)
        return LINK_LOST;
    return lost_burst ? LINK_LOST_BURST : LINK_KEPT;
}

enum link_loss link_lose(struct link_way *way)
{
    if (way->down)
        return LINK_LOST_DOWN;
    return way->impaired ? draw_loss(way) : LINK_KEPT;
}

static uint64_t jitter(struct link_way *way)
{
    uint64_t range = way->config.jitter_ns;
    if (range == 0)
        return 0;
    struct random_stream *stream = &way->draws->stream[LINK_DRAW_JITTER];
    if (way->config.jitter == LINK_JITTER_UNIFORM)
        return random_below(stream, range + 1);
    uint64_t sum = 0;
    for (unsigned i = 0; i < 4; i++)
        sum += random_below(stream, range / 4 + 1);
    return sum;
}

/* When the wire has sent the packet; UINT64_MAX when the queue has no room for it. */
static uint64_t serialise(struct link_way *way, uint64_t now_ns, uint32_t size)
{
    const struct link_config *config = &way->config;
    if (config->rate_bps == 0)
        return now_ns;
    uint64_t start_ns = way->busy_until_ns > now_ns ? way->busy_until_ns : now_ns;
    uint64_t queue_ns =
        (uint64_t)config->queue_bytes * BITS_PER_BYTE * NS_PER_SECOND / config->rate_bps;
    uint64_t send_ns = (uint64_t)size * BITS_PER_BYTE * NS_PER_SECOND / config->rate_bps;
    /* The packet that is on the wire now is no longer in the queue, but its rest counts; that is a
     * packet's error. */
    if (start_ns > now_ns && start_ns - now_ns + send_ns > queue_ns)
        return UINT64_MAX;
    way->busy_until_ns = start_ns + send_ns;
    return way->busy_until_ns;
}

/* When a copy that leaves the wire at `sent_ns` comes out. */
static uint64_t arrival(struct link_way *way, uint64_t sent_ns, bool held)
{
    uint64_t at_ns = sent_ns + way->config.latency_ns + jitter(way);
    if (held)
        return at_ns + way->config.reorder_hold_ns;
    if (!way->config.jitter_reorders && at_ns < way->last_arrival_ns)
        at_ns = way->last_arrival_ns;
    if (at_ns > way->last_arrival_ns)
        way->last_arrival_ns = at_ns;
    return at_ns;
}

void link_pass(struct link_way *way, uint64_t now_ns, uint32_t size, struct link_outcome *outcome)
{
    outcome->copies = 0;
    outcome->corrupt = false;
    outcome->lost = LINK_KEPT;
    if (way->down) {
        outcome->lost = LINK_LOST_DOWN;
        return;
    }
    /* The queue stands before the wire: what the wire loses afterwards has used its rate. */
    uint64_t sent_ns = serialise(way, now_ns, size);
    if (sent_ns == UINT64_MAX) {
        outcome->lost = LINK_LOST_QUEUE;
        return;
    }
    if (!way->impaired) {
        outcome->arrival_ns[0] = arrival(way, sent_ns, false);
        outcome->copies = 1;
        return;
    }
    outcome->lost = (uint8_t)draw_loss(way);
    if (outcome->lost != LINK_KEPT)
        return;
    bool held = chance(way, LINK_DRAW_REORDER, way->config.reorder_ppm);
    outcome->corrupt = chance(way, LINK_DRAW_CORRUPT, way->config.corrupt_ppm);
    if (outcome->corrupt)
        outcome->corrupt_draw = (uint32_t)random_u64(&way->draws->stream[LINK_DRAW_CORRUPT]);
    outcome->arrival_ns[0] = arrival(way, sent_ns, held);
    outcome->copies = 1;
    if (chance(way, LINK_DRAW_DUPLICATE, way->config.duplicate_ppm)) {
        outcome->arrival_ns[1] = arrival(way, sent_ns, false);
        outcome->copies = 2;
    }
}
