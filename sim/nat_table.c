/* The NAT's tables: records in one block, found by hash, expired by timer lists. */
#include <string.h>

#include "core/base/check.h"
#include "sim/nat_state.h"

static void *at_offset(const struct nat *nat, size_t offset)
{
    return (void *)((uintptr_t)nat + offset);
}

struct nat_record *nat_record_at(const struct nat *nat, const struct nat_table *table,
                                 uint32_t index)
{
    check(index != NAT_NONE);
    check(index <= table->mark);
    return at_offset(nat, table->offset + (size_t)(index - 1) * table->stride);
}

struct nat_entry *nat_entry_at(const struct nat *nat, uint32_t index)
{
    return (struct nat_entry *)(void *)nat_record_at(nat, &nat->entries, index);
}

struct nat_flow *nat_flow_at(const struct nat *nat, uint32_t index)
{
    return (struct nat_flow *)(void *)nat_record_at(nat, &nat->flows, index);
}

struct nat_subscriber *nat_subscriber_at(const struct nat *nat, uint32_t index)
{
    return (struct nat_subscriber *)(void *)nat_record_at(nat, &nat->subscribers, index);
}

struct nat_space *nat_space_at(const struct nat *nat, uint32_t address, uint8_t protocol)
{
    struct nat_space *spaces = at_offset(nat, nat->space_offset);
    check(address < nat->pool_count);
    size_t kind = protocol == NAT_ICMP ? 0 : protocol == NAT_TCP ? 1 : 2;
    return &spaces[(size_t)address * NAT_SPACES + kind];
}

const struct addr *nat_pool_at(const struct nat *nat, uint32_t address)
{
    const struct addr *pool = at_offset(nat, nat->pool_offset);
    check(address < nat->pool_count);
    return &pool[address];
}

/* Hashing. The hash decides only where a record is looked for, never which one is found. */

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}

static uint64_t mix_addr(uint64_t hash, const struct addr *addr)
{
    uint64_t word[3] = {0};
    memcpy(word, addr, sizeof *addr);
    hash = mix(hash, word[0]);
    if (addr->family != ADDR_V6)
        return hash;
    return mix(mix(hash, word[1]), word[2]);
}

static uint32_t *hash_head(const struct nat *nat, const struct nat_hash *table, uint64_t hash)
{
    uint32_t *heads = at_offset(nat, table->offset);
    return &heads[(hash ^ hash >> 16) & table->mask];
}

static uint32_t *inside_head(const struct nat *nat, uint8_t protocol, const struct addr *inside,
                             const struct addr *remote)
{
    uint64_t hash = mix_addr(mix_addr(nat->hash_key ^ protocol, inside), remote);
    return hash_head(nat, &nat->by_inside, hash);
}

static uint32_t *outside_head(const struct nat *nat, uint8_t protocol, const struct addr *outside)
{
    return hash_head(nat, &nat->by_outside, mix_addr(nat->hash_key ^ protocol, outside));
}

static uint32_t *flow_head(const struct nat *nat, enum nat_flow_kind kind, uint8_t protocol,
                           const struct addr *owner, const struct addr *remote)
{
    uint64_t hash = nat->hash_key ^ (uint64_t)kind << 8 ^ protocol;
    return hash_head(nat, &nat->by_flow, mix_addr(mix_addr(hash, owner), remote));
}

static uint32_t *subscriber_head(const struct nat *nat, const struct addr *inside)
{
    return hash_head(nat, &nat->by_subscriber, mix_addr(nat->hash_key, inside));
}

/* Timer lists. */

static uint64_t add_saturating(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static void not_later(struct nat *nat, uint64_t due_ns)
{
    if (due_ns < nat->quiet_until_ns)
        nat->quiet_until_ns = due_ns;
}

static void list_remove(struct nat *nat, struct nat_table *table, uint32_t index)
{
    struct nat_record *record = nat_record_at(nat, table, index);
    if (record->timer == NAT_TIMER_COUNT)
        return;
    struct nat_timer_list *list = &table->lists[record->timer];
    if (record->prev == NAT_NONE)
        list->head = record->next;
    else
        nat_record_at(nat, table, record->prev)->next = record->next;
    if (record->next == NAT_NONE)
        list->tail = record->prev;
    else
        nat_record_at(nat, table, record->next)->prev = record->prev;
    record->timer = NAT_TIMER_COUNT;
}

static void list_append(struct nat *nat, struct nat_table *table, uint32_t index, uint8_t timer,
                        uint64_t at_ns)
{
    check(timer < NAT_TIMER_COUNT);
    struct nat_record *record = nat_record_at(nat, table, index);
    struct nat_timer_list *list = &table->lists[timer];
    check(record->timer == NAT_TIMER_COUNT);
    check(list->tail == NAT_NONE || nat_record_at(nat, table, list->tail)->used_ns <= at_ns);
    record->timer = timer;
    record->used_ns = at_ns;
    record->next = NAT_NONE;
    record->prev = list->tail;
    if (list->tail == NAT_NONE)
        list->head = index;
    else
        nat_record_at(nat, table, list->tail)->next = index;
    list->tail = index;
    not_later(nat, add_saturating(at_ns, nat->timer_ns[timer]));
}

void nat_timer_start(struct nat *nat, struct nat_table *table, uint32_t index, uint8_t timer)
{
    struct nat_record *record = nat_record_at(nat, table, index);
    if (record->timer == timer && record->next == NAT_NONE) {
        record->used_ns = nat->now_ns;
        return;
    }
    list_remove(nat, table, index);
    list_append(nat, table, index, timer, nat->now_ns);
}

/* A free record, zeroed; NAT_NONE when the table is full. */
static uint32_t record_new(struct nat *nat, struct nat_table *table)
{
    uint32_t index = table->free;
    if (index != NAT_NONE)
        table->free = nat_record_at(nat, table, index)->next;
    else if (table->mark < table->capacity)
        index = ++table->mark;
    if (index == NAT_NONE)
        return NAT_NONE;
    struct nat_record *record = nat_record_at(nat, table, index);
    memset(record, 0, table->stride);
    record->timer = NAT_TIMER_COUNT;
    record->made_ns = nat->now_ns;
    record->used_ns = nat->now_ns;
    return index;
}

static void record_free(struct nat *nat, struct nat_table *table, uint32_t index)
{
    list_remove(nat, table, index);
    struct nat_record *record = nat_record_at(nat, table, index);
    record->next = table->free;
    table->free = index;
}

/* The record of a table that has gone unused for longest, in the lists before `lists`. */
static uint32_t least_recent(const struct nat *nat, const struct nat_table *table, uint8_t lists)
{
    uint32_t best = NAT_NONE;
    uint64_t best_ns = 0;
    for (uint8_t timer = 0; timer < lists; timer++) {
        uint32_t head = table->lists[timer].head;
        if (head == NAT_NONE)
            continue;
        uint64_t used_ns = nat_record_at(nat, table, head)->used_ns;
        if (best == NAT_NONE || used_ns < best_ns) {
            best = head;
            best_ns = used_ns;
        }
    }
    return best;
}

/* Sessions. */

static void flow_unbind(struct nat *nat, uint32_t index)
{
    struct nat_flow *flow = nat_flow_at(nat, index);
    if (flow->entry == NAT_NONE)
        return;
    if (flow->entry_prev == NAT_NONE)
        nat_entry_at(nat, flow->entry)->flows = flow->entry_next;
    else
        nat_flow_at(nat, flow->entry_prev)->entry_next = flow->entry_next;
    if (flow->entry_next != NAT_NONE)
        nat_flow_at(nat, flow->entry_next)->entry_prev = flow->entry_prev;
    flow->entry = NAT_NONE;
}

static void flow_bind(struct nat *nat, uint32_t index, uint32_t entry)
{
    struct nat_flow *flow = nat_flow_at(nat, index);
    if (flow->entry == entry)
        return;
    flow_unbind(nat, index);
    if (entry == NAT_NONE)
        return;
    uint32_t *head = &nat_entry_at(nat, entry)->flows;
    flow->entry = entry;
    flow->entry_prev = NAT_NONE;
    flow->entry_next = *head;
    if (*head != NAT_NONE)
        nat_flow_at(nat, *head)->entry_prev = index;
    *head = index;
}

uint32_t nat_flow_find(const struct nat *nat, enum nat_flow_kind kind, uint8_t protocol,
                       const struct addr *owner, const struct addr *remote)
{
    uint32_t index = *flow_head(nat, kind, protocol, owner, remote);
    while (index != NAT_NONE) {
        const struct nat_flow *flow = nat_flow_at(nat, index);
        if (flow->record.kind == kind && flow->record.protocol == protocol &&
            addr_equal(&flow->owner, owner) && addr_equal(&flow->remote, remote))
            break;
        index = flow->chain;
    }
    return index;
}

static void flow_free(struct nat *nat, uint32_t index)
{
    struct nat_flow *flow = nat_flow_at(nat, index);
    flow_unbind(nat, index);
    uint32_t *link =
        flow_head(nat, flow->record.kind, flow->record.protocol, &flow->owner, &flow->remote);
    while (*link != index)
        link = &nat_flow_at(nat, *link)->chain;
    *link = flow->chain;
    record_free(nat, &nat->flows, index);
}

static uint32_t flow_new(struct nat *nat)
{
    uint32_t index = record_new(nat, &nat->flows);
    if (index != NAT_NONE || nat->config.eviction != NAT_EVICTION_OLDEST)
        return index;
    flow_free(nat, least_recent(nat, &nat->flows, NAT_TIMER_DEAD));
    return record_new(nat, &nat->flows);
}

uint32_t nat_flow_put(struct nat *nat, enum nat_flow_kind kind, uint8_t protocol,
                      const struct addr *owner, const struct addr *remote, uint32_t entry)
{
    uint32_t index = nat_flow_find(nat, kind, protocol, owner, remote);
    if (index == NAT_NONE) {
        index = flow_new(nat);
        if (index == NAT_NONE)
            return NAT_NONE;
        struct nat_flow *flow = nat_flow_at(nat, index);
        flow->record.kind = (uint8_t)kind;
        flow->record.protocol = protocol;
        flow->owner = *owner;
        flow->remote = *remote;
        uint32_t *head = flow_head(nat, kind, protocol, owner, remote);
        flow->chain = *head;
        *head = index;
        nat->counters.sessions_made++;
    }
    flow_bind(nat, index, entry);
    return index;
}

/* Mappings. */

uint32_t nat_entry_find(const struct nat *nat, uint8_t protocol, const struct addr *inside,
                        const struct addr *remote)
{
    uint32_t index = *inside_head(nat, protocol, inside, remote);
    while (index != NAT_NONE) {
        const struct nat_entry *entry = nat_entry_at(nat, index);
        if (entry->record.protocol == protocol && addr_equal(&entry->inside, inside) &&
            addr_equal(&entry->remote, remote))
            break;
        index = entry->inside_next;
    }
    return index;
}

uint32_t nat_outside_first(const struct nat *nat, uint8_t protocol, const struct addr *outside)
{
    return *outside_head(nat, protocol, outside);
}

/* Takes an entry out of the chain of its external endpoint. */
static void outside_remove(struct nat *nat, uint32_t index)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    uint32_t *link = outside_head(nat, entry->record.protocol, &entry->outside);
    while (*link != index)
        link = &nat_entry_at(nat, *link)->outside_next;
    *link = entry->outside_next;
}

static void inside_remove(struct nat *nat, uint32_t index)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    uint32_t *link = inside_head(nat, entry->record.protocol, &entry->inside, &entry->remote);
    while (*link != index)
        link = &nat_entry_at(nat, *link)->inside_next;
    *link = entry->inside_next;
}

static void age_remove(struct nat *nat, uint32_t index)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    if (nat->config.lifetime_ns == 0)
        return;
    if (entry->older == NAT_NONE)
        nat->oldest = entry->newer;
    else
        nat_entry_at(nat, entry->older)->newer = entry->newer;
    if (entry->newer == NAT_NONE)
        nat->newest = entry->older;
    else
        nat_entry_at(nat, entry->newer)->older = entry->older;
}

static void age_append(struct nat *nat, uint32_t index)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    if (nat->config.lifetime_ns == 0)
        return;
    entry->older = nat->newest;
    if (nat->newest == NAT_NONE)
        nat->oldest = index;
    else
        nat_entry_at(nat, nat->newest)->newer = index;
    nat->newest = index;
    not_later(nat, add_saturating(entry->record.made_ns, nat->config.lifetime_ns));
}

/* Forgets a dead mapping altogether. */
static void entry_free(struct nat *nat, uint32_t index)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    check(entry->record.kind != NAT_ALIVE);
    outside_remove(nat, index);
    if (nat->config.reuse_delay_ns != 0)
        nat_port_release(nat, entry->address, entry->record.protocol, entry->outside.port);
    record_free(nat, &nat->entries, index);
}

static void entry_kill_at(struct nat *nat, uint32_t index, enum nat_state state, uint64_t at_ns)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    check(entry->record.kind == NAT_ALIVE);
    while (entry->flows != NAT_NONE)
        flow_free(nat, entry->flows);
    inside_remove(nat, index);
    age_remove(nat, index);
    list_remove(nat, &nat->entries, index);
    entry->record.kind = (uint8_t)state;
    list_append(nat, &nat->entries, index, NAT_TIMER_DEAD, at_ns);
    if (nat->config.reuse_delay_ns == 0)
        nat_port_release(nat, entry->address, entry->record.protocol, entry->outside.port);

    struct nat_subscriber *subscriber = nat_subscriber_at(nat, entry->subscriber);
    check(subscriber->alive > 0);
    subscriber->alive--;
    nat->alive--;
    if (subscriber->alive == 0) {
        nat_block_release(nat, subscriber);
        list_append(nat, &nat->subscribers, entry->subscriber, NAT_TIMER_KEPT, nat->now_ns);
    }
    if (state == NAT_DEAD_IDLE)
        nat->counters.mappings_expired++;
    else if (state == NAT_DEAD_LIFETIME)
        nat->counters.mappings_outlived++;
    else
        nat->counters.mappings_evicted++;
}

void nat_entry_kill(struct nat *nat, uint32_t index, enum nat_state state)
{
    entry_kill_at(nat, index, state, nat->now_ns);
}

uint32_t nat_entry_new(struct nat *nat)
{
    struct nat_table *table = &nat->entries;
    uint32_t index = record_new(nat, table);
    if (index != NAT_NONE)
        return index;
    bool evict = nat->config.eviction == NAT_EVICTION_OLDEST;
    /* What is only remembered makes room first, unless its port still rests. */
    if (table->lists[NAT_TIMER_DEAD].head == NAT_NONE) {
        if (!evict)
            return NAT_NONE;
        nat_entry_kill(nat, least_recent(nat, table, NAT_TIMER_LIVE_COUNT), NAT_DEAD_OTHER);
    } else if (!evict && nat->config.reuse_delay_ns != 0) {
        return NAT_NONE;
    }
    entry_free(nat, table->lists[NAT_TIMER_DEAD].head);
    return record_new(nat, table);
}

void nat_entry_drop(struct nat *nat, uint32_t index)
{
    record_free(nat, &nat->entries, index);
}

void nat_entry_add(struct nat *nat, uint32_t index)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    check(nat_entry_find(nat, entry->record.protocol, &entry->inside, &entry->remote) == NAT_NONE);
    uint32_t *head = inside_head(nat, entry->record.protocol, &entry->inside, &entry->remote);
    entry->inside_next = *head;
    *head = index;
    head = outside_head(nat, entry->record.protocol, &entry->outside);
    entry->outside_next = *head;
    *head = index;
    age_append(nat, index);
    entry->serial = nat->next_serial++;

    struct nat_subscriber *subscriber = nat_subscriber_at(nat, entry->subscriber);
    list_remove(nat, &nat->subscribers, entry->subscriber);
    subscriber->alive++;
    nat->alive++;
    nat_port_take(nat, entry->address, entry->record.protocol, entry->outside.port);
    nat->counters.mappings_made++;
}

void nat_outside_forget(struct nat *nat, uint8_t protocol, const struct addr *outside)
{
    uint32_t index = nat_outside_first(nat, protocol, outside);
    while (index != NAT_NONE) {
        struct nat_entry *entry = nat_entry_at(nat, index);
        uint32_t next = entry->outside_next;
        if (entry->record.kind != NAT_ALIVE && entry->record.protocol == protocol &&
            addr_equal(&entry->outside, outside))
            entry_free(nat, index);
        index = next;
    }
}

/* Subscribers. */

uint32_t nat_subscriber_find(const struct nat *nat, const struct addr *inside)
{
    struct addr key = addr_with_port(*inside, 0);
    uint32_t index = *subscriber_head(nat, &key);
    while (index != NAT_NONE) {
        const struct nat_subscriber *subscriber = nat_subscriber_at(nat, index);
        if (addr_equal(&subscriber->inside, &key))
            break;
        index = subscriber->chain;
    }
    return index;
}

static void subscriber_free(struct nat *nat, uint32_t index)
{
    struct nat_subscriber *subscriber = nat_subscriber_at(nat, index);
    check(subscriber->alive == 0);
    uint32_t *link = subscriber_head(nat, &subscriber->inside);
    while (*link != index)
        link = &nat_subscriber_at(nat, *link)->chain;
    *link = subscriber->chain;
    check(subscriber->block == 0);
    record_free(nat, &nat->subscribers, index);
}

/* The next external address in turn; of one-to-one, the next that nobody has. pool_count: none. */
static uint32_t address_in_turn(struct nat *nat, uint8_t family)
{
    uint32_t first;
    uint32_t count = nat_pool_family(nat, family, &first);
    uint32_t *turn = family == ADDR_V4 ? &nat->turn_v4 : &nat->turn_v6;
    if (count == 0 || (nat->config.one_to_one && *turn >= count))
        return nat->pool_count;
    uint32_t address = first + *turn % count;
    *turn = nat->config.one_to_one ? *turn + 1 : (*turn + 1) % count;
    return address;
}

uint32_t nat_subscriber_put(struct nat *nat, const struct addr *inside)
{
    uint32_t index = nat_subscriber_find(nat, inside);
    if (index != NAT_NONE)
        return index;
    uint32_t address = address_in_turn(nat, inside->family);
    if (address == nat->pool_count)
        return NAT_NONE;
    index = record_new(nat, &nat->subscribers);
    if (index == NAT_NONE) {
        uint32_t unused = nat->subscribers.lists[NAT_TIMER_KEPT].head;
        check(unused != NAT_NONE); /* there is one more of them than there can be mappings */
        subscriber_free(nat, unused);
        index = record_new(nat, &nat->subscribers);
    }
    struct nat_subscriber *subscriber = nat_subscriber_at(nat, index);
    subscriber->inside = addr_with_port(*inside, 0);
    subscriber->address = address;
    uint32_t *head = subscriber_head(nat, &subscriber->inside);
    subscriber->chain = *head;
    *head = index;
    if (nat->config.one_to_one) {
        uint32_t *owners = at_offset(nat, nat->owner_offset);
        owners[address] = index;
    } else {
        list_append(nat, &nat->subscribers, index, NAT_TIMER_KEPT, nat->now_ns);
    }
    return index;
}

uint32_t nat_pool_owner(const struct nat *nat, uint32_t address)
{
    const uint32_t *owners = at_offset(nat, nat->owner_offset);
    check(address < nat->pool_count);
    return owners[address];
}

/* The pool. */

uint32_t nat_pool_family(const struct nat *nat, uint8_t family, uint32_t *first)
{
    *first = family == ADDR_V4 ? 0 : nat->pool_v4;
    return family == ADDR_V4 ? nat->pool_v4 : nat->pool_count - nat->pool_v4;
}

uint32_t nat_pool_find(const struct nat *nat, const struct addr *address)
{
    const struct addr *pool = at_offset(nat, nat->pool_offset);
    const uint32_t *chain = at_offset(nat, nat->pool_next_offset);
    struct addr key = addr_with_port(*address, 0);
    uint32_t index = *hash_head(nat, &nat->by_pool, mix_addr(nat->hash_key, &key));
    while (index != NAT_NONE && !addr_equal(&pool[index - 1], &key))
        index = chain[index - 1];
    return index == NAT_NONE ? nat->pool_count : index - 1;
}

void nat_pool_set(struct nat *nat, const struct addr *pool, size_t pool_count)
{
    check(pool_count == nat->pool_count);
    struct addr *to = at_offset(nat, nat->pool_offset);
    uint32_t *chain = at_offset(nat, nat->pool_next_offset);
    memset(hash_head(nat, &nat->by_pool, 0), 0, sizeof(uint32_t) * (nat->by_pool.mask + 1));
    nat->pool_v4 = 0;
    uint32_t count = 0;
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < pool_count; i++) {
            if ((pool[i].family == ADDR_V4) != (round == 0))
                continue;
            to[count] = addr_with_port(pool[i], 0);
            uint32_t *head = hash_head(nat, &nat->by_pool, mix_addr(nat->hash_key, &to[count]));
            chain[count] = *head;
            *head = ++count;
            nat->pool_v4 += round == 0;
        }
    }
    check(count == nat->pool_count);
}

/* Time. */

/* What is due first: in which table, which record, and when. */
struct due {
    uint64_t at_ns;
    struct nat_table *table;
    uint32_t index;
    bool of_age;
};

static struct due first_due(struct nat *nat)
{
    struct due due = {.at_ns = UINT64_MAX};
    struct nat_table *tables[2] = {&nat->entries, &nat->flows};
    for (size_t i = 0; i < 2; i++) {
        for (unsigned timer = 0; timer < NAT_TIMER_COUNT; timer++) {
            uint32_t head = tables[i]->lists[timer].head;
            if (head == NAT_NONE)
                continue;
            uint64_t at_ns =
                add_saturating(nat_record_at(nat, tables[i], head)->used_ns, nat->timer_ns[timer]);
            if (at_ns < due.at_ns)
                due = (struct due){.at_ns = at_ns, .table = tables[i], .index = head};
        }
    }
    if (nat->oldest != NAT_NONE) {
        uint64_t made_ns = nat_entry_at(nat, nat->oldest)->record.made_ns;
        uint64_t at_ns = add_saturating(made_ns, nat->config.lifetime_ns);
        if (at_ns < due.at_ns)
            due = (struct due){at_ns, &nat->entries, nat->oldest, true};
    }
    return due;
}

void nat_advance(struct nat *nat, uint64_t now_ns)
{
    check(now_ns >= nat->now_ns);
    nat->now_ns = now_ns;
    if (now_ns < nat->quiet_until_ns)
        return;
    struct due due = first_due(nat);
    while (due.index != NAT_NONE && due.at_ns <= now_ns) {
        if (due.table == &nat->flows)
            flow_free(nat, due.index);
        else if (nat_entry_at(nat, due.index)->record.kind != NAT_ALIVE)
            entry_free(nat, due.index);
        else
            entry_kill_at(nat, due.index, due.of_age ? NAT_DEAD_LIFETIME : NAT_DEAD_IDLE,
                          due.at_ns);
        due = first_due(nat);
    }
    nat->quiet_until_ns = due.at_ns;
}

void nat_flush(struct nat *nat)
{
    for (unsigned timer = 0; timer < NAT_TIMER_LIVE_COUNT; timer++) {
        while (nat->entries.lists[timer].head != NAT_NONE) {
            nat_entry_kill(nat, nat->entries.lists[timer].head, NAT_DEAD_OTHER);
            nat->counters.mappings_evicted--;
            nat->counters.mappings_flushed++;
        }
    }
    while (nat->entries.lists[NAT_TIMER_DEAD].head != NAT_NONE)
        entry_free(nat, nat->entries.lists[NAT_TIMER_DEAD].head);
    for (unsigned timer = 0; timer < NAT_TIMER_COUNT; timer++) {
        while (nat->flows.lists[timer].head != NAT_NONE)
            flow_free(nat, nat->flows.lists[timer].head);
    }
    while (nat->subscribers.lists[NAT_TIMER_KEPT].head != NAT_NONE)
        subscriber_free(nat, nat->subscribers.lists[NAT_TIMER_KEPT].head);
    nat->quiet_until_ns = UINT64_MAX;
}

uint32_t nat_mapping_count(struct nat *nat, uint64_t now_ns, const struct addr *internal)
{
    nat_advance(nat, now_ns);
    if (internal != NULL) {
        uint32_t subscriber = nat_subscriber_find(nat, internal);
        return subscriber == NAT_NONE ? 0 : nat_subscriber_at(nat, subscriber)->alive;
    }
    return nat->alive;
}
