/* The relay of a server: pairs, their legs, and what is passed on between them. */
#include "core/relay/server.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"

#define SECOND_NS UINT64_C(1000000000)

/* A leg is found by what its frames show: where they come from, and their channel. */
struct relay_channel_key {
    struct addr remote;
    uint32_t channel;
};
_Static_assert(sizeof(struct relay_channel_key) == 24, "a map key has no padding");

/* What an owner index has. Its legs are a list of leg numbers plus one; 0 ends it. */
struct relay_owner {
    struct relay_bucket bucket;
    uint32_t first;
    uint32_t pairs;
};

/* ---- Memory ---------------------------------------------------------------------------------- */

size_t relay_server_bytes(uint32_t pairs, uint32_t owners)
{
    return pool_bytes(pairs, sizeof(struct relay_pair)) +
           pool_align(map_bytes(pairs, RELAY_KEY_SIZE)) +
           pool_align(map_bytes(2 * pairs, sizeof(struct relay_channel_key))) +
           pool_align((size_t)owners * sizeof(struct relay_owner));
}

void relay_server_init(struct relay_server *relay, void *memory, uint32_t pairs, uint32_t owners,
                       struct random_secret *secret)
{
    check(pairs > 0 && owners > 0);
    *relay = (struct relay_server){.owner_count = owners};
    uint8_t *at = memory;
    pool_init(&relay->pairs, at, pairs, sizeof(struct relay_pair));
    at += pool_bytes(pairs, sizeof(struct relay_pair));
    map_init(&relay->by_key, at, pairs, RELAY_KEY_SIZE, random_hash_key(secret));
    at += pool_align(map_bytes(pairs, RELAY_KEY_SIZE));
    map_init(&relay->by_channel, at, 2 * pairs, sizeof(struct relay_channel_key),
             random_hash_key(secret));
    at += pool_align(map_bytes(2 * pairs, sizeof(struct relay_channel_key)));
    relay->owners = at - (uint8_t *)relay;
}

static struct relay_owner *owner_at(struct relay_server *relay, uint32_t owner)
{
    check(owner < relay->owner_count);
    struct relay_owner *owners = (struct relay_owner *)(void *)((uint8_t *)relay + relay->owners);
    return &owners[owner];
}

/* ---- Legs ------------------------------------------------------------------------------------ */

/* Leg `side` of a pair as one number. */
static uint32_t leg_number(const struct relay_pair *pair, unsigned side)
{
    return 2 * pair->self.index + side;
}

static struct relay_pair *pair_of_leg(struct relay_server *relay, uint32_t number)
{
    struct handle handle;
    struct relay_pair *pair = pool_slot(&relay->pairs, number / 2, &handle);
    check(pair != NULL);
    return pair;
}

static void owner_link(struct relay_server *relay, struct relay_pair *pair, unsigned side)
{
    if (pair->leg[side].owner == RELAY_NO_OWNER)
        return;
    struct relay_owner *owner = owner_at(relay, pair->leg[side].owner);
    uint32_t me = leg_number(pair, side) + 1;
    if (owner->first != 0)
        pair_of_leg(relay, owner->first - 1)->previous[(owner->first - 1) % 2] = me;
    pair->next[side] = owner->first;
    pair->previous[side] = 0;
    owner->first = me;
    owner->pairs++;
}

static void owner_unlink(struct relay_server *relay, struct relay_pair *pair, unsigned side)
{
    if (pair->leg[side].owner == RELAY_NO_OWNER)
        return;
    struct relay_owner *owner = owner_at(relay, pair->leg[side].owner);
    uint32_t next = pair->next[side], previous = pair->previous[side];
    check(owner->pairs > 0);
    owner->pairs--;
    if (next != 0)
        pair_of_leg(relay, next - 1)->previous[(next - 1) % 2] = previous;
    if (previous != 0)
        pair_of_leg(relay, previous - 1)->next[(previous - 1) % 2] = next;
    else
        owner->first = next;
    pair->next[side] = pair->previous[side] = 0;
}

static struct relay_channel_key key_of(const struct relay_leg *leg)
{
    return (struct relay_channel_key){.remote = leg->route.remote, .channel = leg->channel};
}

static bool leg_is_open(const struct relay_leg *leg)
{
    return leg->channel != 0 && leg->route.remote.family != ADDR_NONE;
}

/* From now on frames of this leg are known by its address and channel. */
static void leg_listen(struct relay_server *relay, struct relay_pair *pair, unsigned side)
{
    if (!leg_is_open(&pair->leg[side]))
        return;
    struct relay_channel_key key = key_of(&pair->leg[side]);
    bool stored = map_set(&relay->by_channel, &key, leg_number(pair, side));
    check(stored);
}

static void leg_unlisten(struct relay_server *relay, struct relay_pair *pair, unsigned side)
{
    if (!leg_is_open(&pair->leg[side]))
        return;
    struct relay_channel_key key = key_of(&pair->leg[side]);
    bool known = map_remove(&relay->by_channel, &key);
    check(known);
}

/* ---- Pairs ----------------------------------------------------------------------------------- */

struct relay_pair *relay_pair_find(struct relay_server *relay,
                                   const uint8_t key[static RELAY_KEY_SIZE])
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&relay->by_key, key, &slot))
        return NULL;
    struct relay_pair *pair = pool_slot(&relay->pairs, slot, &handle);
    check(pair != NULL);
    return pair;
}

/* Whether another leg than this one listens where `leg` would. */
static bool channel_is_taken(struct relay_server *relay, const struct relay_pair *pair,
                             unsigned side, const struct relay_leg *leg)
{
    struct relay_channel_key key = key_of(leg);
    uint32_t number;
    if (!leg_is_open(leg) || !map_get(&relay->by_channel, &key, &number))
        return false;
    return pair == NULL || number != leg_number(pair, side);
}

static bool owner_has_room(struct relay_server *relay, const struct relay_pair *pair, unsigned side,
                           uint32_t owner)
{
    if (owner == RELAY_NO_OWNER || (pair != NULL && pair->leg[side].owner == owner))
        return true;
    return owner_at(relay, owner)->pairs < RELAY_PAIRS_PER_CLIENT;
}

/* Whether a pair leads nowhere so far: the other end is still searched for. */
static bool is_half(const struct relay_leg legs[static 2])
{
    return legs[0].channel == 0 || legs[1].channel == 0;
}

/* Whether an owner may have one more pair with this leg alone. It has few pairs, so they are
   counted when it is asked. */
static bool owner_has_room_for_half(struct relay_server *relay, uint32_t owner)
{
    uint32_t halves = 0;
    if (owner == RELAY_NO_OWNER)
        return true;
    for (uint32_t number = owner_at(relay, owner)->first; number != 0;) {
        const struct relay_pair *pair = pair_of_leg(relay, number - 1);
        halves += is_half(pair->leg);
        number = pair->next[(number - 1) % 2];
    }
    return halves < RELAY_HALVES_PER_CLIENT;
}

/* What stands against these legs, before anything is changed. */
static enum relay_result legs_fit(struct relay_server *relay, const struct relay_pair *pair,
                                  const struct relay_leg legs[static 2])
{
    for (unsigned side = 0; side < 2; side++) {
        if (legs[side].channel == 0)
            continue;
        if (!owner_has_room(relay, pair, side, legs[side].owner))
            return RELAY_QUOTA;
        if (pair == NULL && is_half(legs) && !owner_has_room_for_half(relay, legs[side].owner))
            return RELAY_QUOTA;
        if (channel_is_taken(relay, pair, side, &legs[side]))
            return RELAY_TAKEN;
        /* Two legs of one pair would be one: hosts that share an address and chose one number. */
        const struct relay_leg *other = &legs[1 - side];
        if (other->channel == legs[side].channel && leg_is_open(other) &&
            addr_equal(&other->route.remote, &legs[side].route.remote))
            return RELAY_TAKEN;
    }
    return RELAY_OK;
}

static void leg_set(struct relay_server *relay, struct relay_pair *pair, unsigned side,
                    const struct relay_leg *leg)
{
    struct relay_leg *mine = &pair->leg[side];
    leg_unlisten(relay, pair, side);
    owner_unlink(relay, pair, side);
    mine->channel = leg->channel;
    mine->owner = leg->owner;
    mine->route = leg->route;
    owner_link(relay, pair, side);
    leg_listen(relay, pair, side);
}

/* Gives back what time has paid for. */
static void bucket_settle(struct relay_bucket *bucket, uint64_t now_ns, uint64_t rate)
{
    check(now_ns >= bucket->paid_ns && bucket->spent <= rate);
    uint64_t elapsed_ns = now_ns - bucket->paid_ns;
    uint64_t paid = elapsed_ns >= SECOND_NS ? rate : elapsed_ns * rate / SECOND_NS;
    if (paid >= bucket->spent) {
        *bucket = (struct relay_bucket){.paid_ns = now_ns};
        return;
    }
    bucket->spent -= paid;
    /* The time that these bytes took, rounded up; what is left over counts the next time. */
    bucket->paid_ns += (paid * SECOND_NS + rate - 1) / rate;
}

static struct relay_pair *pair_new(struct relay_server *relay, const uint8_t *key)
{
    struct handle handle;
    struct relay_pair *pair = pool_take(&relay->pairs, &handle);
    if (pair == NULL)
        return NULL;
    memcpy(pair->key, key, RELAY_KEY_SIZE);
    pair->self = handle;
    pair->leg[0].owner = pair->leg[1].owner = RELAY_NO_OWNER;
    bool stored = map_set(&relay->by_key, key, handle.index);
    check(stored);
    return pair;
}

/* So long may the pair be without data. */
static uint64_t idle_ns(const struct relay_pair *pair)
{
    return is_half(pair->leg) ? RELAY_HALF_IDLE_NS : RELAY_IDLE_NS;
}

enum relay_result relay_pair_set(struct relay_server *relay, const struct context *cx,
                                 const uint8_t key[static RELAY_KEY_SIZE],
                                 const struct relay_leg legs[static 2], struct relay_pair **pair)
{
    struct relay_pair *record = relay_pair_find(relay, key);
    enum relay_result fit = legs_fit(relay, record, legs);
    if (fit != RELAY_OK)
        return fit;
    if (record == NULL)
        record = pair_new(relay, key);
    if (record == NULL)
        return RELAY_FULL;
    for (unsigned side = 0; side < 2; side++)
        if (legs[side].channel != 0)
            leg_set(relay, record, side, &legs[side]);
    record->used_ns = cx->now_ns;
    timer_set(cx->timers, &record->timer, cx->now_ns + idle_ns(record), TIMER_RELAY_PAIR,
              record->self);
    context_trace(cx, TRACE_RELAY_PAIR,
                  (struct trace_record){.remote = record->leg[0].route.remote,
                                        .other = record->leg[1].route.remote});
    *pair = record;
    return RELAY_OK;
}

void relay_pair_end(struct relay_server *relay, const struct context *cx, struct relay_pair *pair)
{
    check(pool_at(&relay->pairs, pair->self) == pair);
    for (unsigned side = 0; side < 2; side++) {
        leg_unlisten(relay, pair, side);
        owner_unlink(relay, pair, side);
    }
    timer_cancel(cx->timers, &pair->timer);
    bool known = map_remove(&relay->by_key, pair->key);
    check(known);
    pool_give(&relay->pairs, pair->self);
}

uint32_t relay_channel_draw(struct relay_server *relay, const struct context *cx,
                            const struct addr *remote)
{
    /* At most 2^15 of 2^32 numbers are taken, so four draws in a row do not all hit one. */
    for (;;) {
        struct relay_channel_key key = {.remote = *remote,
                                        .channel = random_secret_u32(cx->secret)};
        uint32_t number;
        if (key.channel != 0 && !map_get(&relay->by_channel, &key, &number))
            return key.channel;
    }
}

/* ---- Owners ---------------------------------------------------------------------------------- */

void relay_owner_moved(struct relay_server *relay, const struct context *cx, uint32_t owner,
                       const struct seal_route *route)
{
    (void)cx;
    uint32_t number = owner_at(relay, owner)->first;
    for (uint32_t next; number != 0; number = next) {
        unsigned side = (number - 1) % 2;
        struct relay_pair *pair = pair_of_leg(relay, number - 1);
        next = pair->next[side];
        leg_unlisten(relay, pair, side);
        pair->leg[side].route = *route;
        struct relay_channel_key key = key_of(&pair->leg[side]);
        uint32_t before;
        /*
         * Whoever was at this address with this channel is there no longer: the owner has just
         * shown that it is.
         */
        if (leg_is_open(&pair->leg[side]) && map_get(&relay->by_channel, &key, &before)) {
            struct relay_pair *stale = pair_of_leg(relay, before);
            leg_unlisten(relay, stale, before % 2);
            stale->leg[before % 2].route = (struct seal_route){0};
        }
        leg_listen(relay, pair, side);
    }
}

void relay_owner_gone(struct relay_server *relay, const struct context *cx, uint32_t owner)
{
    struct relay_owner *record = owner_at(relay, owner);
    while (record->first != 0)
        relay_pair_end(relay, cx, pair_of_leg(relay, record->first - 1));
    check(record->pairs == 0);
    *record = (struct relay_owner){0};
}

/* ---- Data ------------------------------------------------------------------------------------ */

static void data_dropped(const struct context *cx, enum trace_kind kind,
                         const struct node_in_datagram *datagram, uint64_t number)
{
    context_trace(cx, kind,
                  (struct trace_record){
                      .socket = datagram->socket, .remote = datagram->remote, .number = number});
}

/* Whether pair, sender and relay have so many bytes left; takes nothing. */
static bool quotas_allow(struct relay_server *relay, const struct context *cx,
                         struct relay_pair *pair, uint32_t payer, uint64_t size)
{
    bucket_settle(&pair->bucket, cx->now_ns, RELAY_PAIR_RATE);
    bucket_settle(&relay->total, cx->now_ns, RELAY_TOTAL_RATE);
    if (pair->bucket.spent + size > RELAY_PAIR_RATE || relay->total.spent + size > RELAY_TOTAL_RATE)
        return false;
    if (payer == RELAY_NO_OWNER)
        return true;
    struct relay_owner *owner = owner_at(relay, payer);
    bucket_settle(&owner->bucket, cx->now_ns, RELAY_CLIENT_RATE);
    return owner->bucket.spent + size <= RELAY_CLIENT_RATE;
}

static void quotas_charge(struct relay_server *relay, struct relay_pair *pair, uint32_t payer,
                          uint64_t size)
{
    pair->bucket.spent += size;
    relay->total.spent += size;
    if (payer != RELAY_NO_OWNER)
        owner_at(relay, payer)->bucket.spent += size;
}

void relay_data(struct relay_server *relay, const struct context *cx,
                const struct node_in_datagram *datagram, const struct frame *frame)
{
    struct relay_channel_key key = {.remote = datagram->remote, .channel = frame->receiver};
    uint32_t number;
    check(frame->type == FRAME_DATA);
    if (!map_get(&relay->by_channel, &key, &number)) {
        data_dropped(cx, TRACE_RELAY_NO_CHANNEL, datagram, frame->receiver);
        return;
    }
    struct relay_pair *pair = pair_of_leg(relay, number);
    struct relay_leg *in = &pair->leg[number % 2], *out = &pair->leg[1 - number % 2];
    uint64_t size = frame->body.size;
    if (datagram->socket != in->route.socket) {
        data_dropped(cx, TRACE_RELAY_NO_CHANNEL, datagram, frame->receiver);
        return;
    }
    if (!leg_is_open(out)) {
        data_dropped(cx, TRACE_RELAY_NO_WAY, datagram, 0);
        return;
    }
    if (!quotas_allow(relay, cx, pair, in->owner, size)) {
        data_dropped(cx, TRACE_RELAY_OVER_QUOTA, datagram, size);
        return;
    }
    struct frame onward = {.type = FRAME_DATA, .receiver = out->channel, .body = frame->body};
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    size_t front = frame_encode(&onward, room, capacity);
    if (front != 0)
        memcpy(room + front, frame->body.bytes, frame->body.size);
    if (!context_send_train(cx, front == 0 ? 0 : front + frame->body.size,
                            (struct node_out_send){.socket = out->route.socket,
                                                   .source = out->route.source,
                                                   .remote = out->route.remote}))
        return;
    quotas_charge(relay, pair, in->owner, size);
    in->datagrams++;
    in->bytes += size;
    pair->used_ns = cx->now_ns;
    context_trace(cx, TRACE_RELAY_FORWARDED,
                  (struct trace_record){.socket = datagram->socket,
                                        .remote = datagram->remote,
                                        .other = out->route.remote,
                                        .number = size});
}

void relay_timer(struct relay_server *relay, const struct context *cx, struct handle owner)
{
    struct relay_pair *pair = pool_at(&relay->pairs, owner);
    check(pair != NULL);
    if (cx->now_ns - pair->used_ns < idle_ns(pair)) {
        timer_set(cx->timers, &pair->timer, pair->used_ns + idle_ns(pair), TIMER_RELAY_PAIR, owner);
        return;
    }
    context_trace(cx, TRACE_RELAY_IDLE,
                  (struct trace_record){.remote = pair->leg[0].route.remote,
                                        .other = pair->leg[1].route.remote});
    relay_pair_end(relay, cx, pair);
}
