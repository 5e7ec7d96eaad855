/* Token buckets by address prefix, in a table that forgets in turn. */
#include "core/base/budget.h"

#include "core/base/check.h"

/* Buckets of a strict table that are looked at for one to forget. */
enum { STRICT_STEPS = 16 };

/* What one prefix may still get. */
struct budget_bucket {
    struct addr prefix;
    uint32_t tokens;
    uint32_t most; /* when it is full */
    uint32_t zero;
    uint64_t filled_ns; /* when `tokens` was last right */
};

size_t budget_bytes(uint32_t prefixes)
{
    return pool_bytes(prefixes, sizeof(struct budget_bucket)) +
           map_bytes(prefixes, sizeof(struct addr));
}

void budget_init(struct budget *budget, void *memory, uint32_t prefixes, struct budget_rate rate,
                 struct hash_key hash_key)
{
    check(prefixes > 0 && rate.burst > 0 && rate.token_ns > 0);
    check(rate.bits_v4 <= 32 && rate.bits_v6 <= 128);
    *budget = (struct budget){.rate = rate};
    pool_init(&budget->buckets, memory, prefixes, sizeof(struct budget_bucket));
    uint8_t *map = (uint8_t *)memory + pool_bytes(prefixes, sizeof(struct budget_bucket));
    map_init(&budget->by_prefix, map, prefixes, sizeof(struct addr), hash_key);
}

static struct addr prefix_of(const struct budget *budget, const struct addr *addr)
{
    check(addr->family != ADDR_NONE);
    return addr_prefix(addr, addr->family == ADDR_V4 ? budget->rate.bits_v4 : budget->rate.bits_v6);
}

/* NULL: the prefix has no bucket, which is as good as a full one. */
static struct budget_bucket *bucket_of(struct budget *budget, const struct addr *prefix)
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&budget->by_prefix, prefix, &slot))
        return NULL;
    struct budget_bucket *bucket = pool_slot(&budget->buckets, slot, &handle);
    check(bucket != NULL && addr_equal(&bucket->prefix, prefix));
    return bucket;
}

/* Gives back the tokens that time has made. */
static void bucket_fill(const struct budget *budget, struct budget_bucket *bucket, uint64_t now_ns)
{
    check(now_ns >= bucket->filled_ns && bucket->tokens <= bucket->most);
    uint64_t fills = (now_ns - bucket->filled_ns) / budget->rate.token_ns;
    if (fills >= bucket->most - bucket->tokens) {
        bucket->tokens = bucket->most;
        bucket->filled_ns = now_ns;
    } else {
        bucket->tokens += (uint32_t)fills;
        bucket->filled_ns += fills * budget->rate.token_ns;
    }
}

/* The next bucket that may be forgotten; NULL: none is found. */
static struct budget_bucket *bucket_to_forget(struct budget *budget, uint64_t now_ns,
                                              struct handle *handle)
{
    for (unsigned i = 0; i < STRICT_STEPS; i++) {
        uint32_t victim = budget->next_to_forget;
        budget->next_to_forget = (victim + 1) % budget->buckets.capacity;
        struct budget_bucket *bucket = pool_slot(&budget->buckets, victim, handle);
        check(bucket != NULL);
        if (!budget->rate.strict)
            return bucket;
        bucket_fill(budget, bucket, now_ns);
        if (bucket->tokens == bucket->most)
            return bucket;
    }
    return NULL;
}

/*
 * When the table is full, it goes round. Unless it is strict, a prefix that is forgotten gets a new
 * burst, which bounds what a flood of prefixes can win. NULL: a strict one has no room.
 */
static struct budget_bucket *bucket_new(struct budget *budget, uint64_t now_ns,
                                        const struct addr *prefix, struct addr *forgot)
{
    struct handle handle;
    struct budget_bucket *bucket = pool_take(&budget->buckets, &handle);
    if (bucket == NULL) {
        bucket = bucket_to_forget(budget, now_ns, &handle);
        if (bucket == NULL)
            return NULL;
        *forgot = bucket->prefix;
        bool known = map_remove(&budget->by_prefix, &bucket->prefix);
        check(known);
    }
    *bucket = (struct budget_bucket){
        .prefix = *prefix,
        .tokens = budget->rate.burst,
        .most = budget->rate.burst,
        .filled_ns = now_ns,
    };
    bool stored = map_set(&budget->by_prefix, prefix, handle.index);
    check(stored);
    return bucket;
}

bool budget_take(struct budget *budget, uint64_t now_ns, const struct addr *addr,
                 struct addr *forgot)
{
    return budget_take_above(budget, now_ns, addr, 0, forgot);
}

bool budget_take_above(struct budget *budget, uint64_t now_ns, const struct addr *addr,
                       uint32_t left, struct addr *forgot)
{
    struct addr prefix = prefix_of(budget, addr);
    struct addr forgotten = {0};
    struct budget_bucket *bucket = bucket_of(budget, &prefix);
    if (bucket == NULL)
        bucket = bucket_new(budget, now_ns, &prefix, &forgotten);
    if (forgot != NULL)
        *forgot = forgotten;
    if (bucket == NULL)
        return false;
    bucket_fill(budget, bucket, now_ns);
    if (bucket->tokens <= left)
        return false;
    bucket->tokens--;
    return true;
}

void budget_give_back(struct budget *budget, uint64_t now_ns, const struct addr *addr,
                      uint32_t tokens)
{
    struct addr prefix = prefix_of(budget, addr);
    struct budget_bucket *bucket = bucket_of(budget, &prefix);
    if (bucket == NULL)
        return;
    bucket_fill(budget, bucket, now_ns);
    if (bucket->most == budget->rate.burst) {
        bucket->most += budget->rate.more;
        bucket->tokens += budget->rate.more;
    }
    /* Time may have given some back already. */
    uint32_t room = bucket->most - bucket->tokens;
    bucket->tokens += tokens < room ? tokens : room;
}
