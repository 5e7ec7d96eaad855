/* A NAT's one block of memory: how it is laid out, made and destroyed. */
#include <stdlib.h>

#include "core/base/check.h"
#include "sim/nat_state.h"

/* How long a dead mapping is remembered, to say why a packet to it is dropped. */
static const uint64_t dead_memory_ns = 300ull * 1000000000;

static size_t reserve(size_t *size, size_t bytes)
{
    size_t offset = (*size + 63) & ~(size_t)63;
    *size = offset + bytes;
    return offset;
}

static void reserve_hash(struct nat_hash *table, size_t *size, uint32_t records)
{
    uint32_t heads = 1;
    while (heads < records)
        heads *= 2;
    table->mask = heads - 1;
    table->offset = reserve(size, heads * sizeof(uint32_t));
}

static void reserve_table(struct nat_table *table, size_t *size, uint32_t capacity, size_t stride)
{
    table->capacity = capacity;
    table->stride = stride;
    table->offset = reserve(size, capacity * stride);
}

/* Lays the block out: fills in capacities and offsets, and returns its size. */
static size_t lay_out(struct nat *nat, const struct nat_config *config, size_t pool_count)
{
    size_t size = sizeof *nat;
    uint32_t pool = (uint32_t)pool_count;
    reserve_table(&nat->entries, &size, config->capacity, sizeof(struct nat_entry));
    reserve_table(&nat->flows, &size, config->sessions, sizeof(struct nat_flow));
    reserve_table(&nat->subscribers, &size, config->capacity + pool + 1,
                  sizeof(struct nat_subscriber));
    reserve_hash(&nat->by_inside, &size, config->capacity);
    reserve_hash(&nat->by_outside, &size, config->capacity);
    reserve_hash(&nat->by_flow, &size, config->sessions);
    reserve_hash(&nat->by_subscriber, &size, config->capacity + pool);
    reserve_hash(&nat->by_pool, &size, pool * 2);
    nat->pool_offset = reserve(&size, pool_count * sizeof(struct addr));
    nat->pool_next_offset = reserve(&size, pool_count * sizeof(uint32_t));
    nat->owner_offset = reserve(&size, pool_count * sizeof(uint32_t));
    nat->space_offset = reserve(&size, pool_count * NAT_SPACES * sizeof(struct nat_space));
    nat->blocks_offset = reserve(&size, pool_count * NAT_PORT_WORDS * sizeof(uint64_t));
    nat->pool_count = pool;
    return size;
}

size_t nat_size(const struct nat_config *config, size_t pool_count)
{
    struct nat measure = {0};
    return lay_out(&measure, config, pool_count);
}

/* Times by timer list, from the configuration. */
static void set_timers(struct nat *nat, const struct nat_config *config)
{
    uint64_t *timer_ns = nat->timer_ns;
    timer_ns[NAT_TIMER_IDLE] = config->idle_ns;
    timer_ns[NAT_TIMER_ONE_WAY] = config->one_way_ns;
    timer_ns[NAT_TIMER_WELL_KNOWN] = config->well_known_ns;
    timer_ns[NAT_TIMER_TCP_IDLE] = config->tcp_idle_ns;
    timer_ns[NAT_TIMER_TCP_TRANSITORY] = config->tcp_transitory_ns;
    timer_ns[NAT_TIMER_ICMP] = config->icmp_idle_ns;
    timer_ns[NAT_TIMER_POISON] = config->poison_ns;
    timer_ns[NAT_TIMER_DEAD] =
        config->reuse_delay_ns != 0 ? config->reuse_delay_ns : dead_memory_ns;
    timer_ns[NAT_TIMER_KEPT] = UINT64_MAX;
}

struct nat *nat_create(const struct nat_config *config, const struct addr *pool, size_t pool_count,
                       const uint8_t seed[static RANDOM_SEED_SIZE], const char *name,
                       size_t name_size)
{
    check(nat_config_problem(config) == NULL);
    check(pool_count >= 1 && pool_count <= NAT_POOL_MAX);
    struct nat *nat = calloc(1, nat_size(config, pool_count));
    if (nat == NULL)
        return NULL;
    lay_out(nat, config, pool_count);
    nat->config = *config;
    random_stream_init(&nat->random, seed, name, name_size);
    nat->hash_key = random_u64(&nat->random);
    nat->quiet_until_ns = UINT64_MAX;
    set_timers(nat, config);
    bool endpoint_scope = config->scope == NAT_SCOPE_ENDPOINT;
    nat->claims =
        !config->one_to_one && (config->ports == NAT_PORTS_OVERLOADED || config->poison_ns != 0);
    nat->splits = nat->claims || config->collision == NAT_COLLISION_SYMMETRIC;
    nat->paths = !config->one_to_one && config->session != NAT_SESSION_NOTHING;
    /* A mapping that depends on as much of the remote as the filter is its own permission. */
    nat->permits = config->filtering != NAT_FILTERING_EIF &&
                   (endpoint_scope || nat->paths || nat->splits || config->one_to_one ||
                    config->mapping < config->filtering);
    nat_pool_set(nat, pool, pool_count);
    nat_ports_begin(nat);
    return nat;
}

void nat_destroy(struct nat *nat)
{
    free(nat);
}

void nat_set_external(struct nat *nat, const struct addr *pool, size_t pool_count)
{
    check(pool_count == nat->pool_count);
    nat_flush(nat);
    nat_pool_set(nat, pool, pool_count);
}
