/* Paths to peers: the table, the choice between ways, and data. */
#include "core/punch/path.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/punch/path_state.h"

static const struct budget_rate shy_rate = {
    .burst = PATH_SHY_SEEN,
    .token_ns = UINT64_C(900000000000),
    .bits_v4 = 32,
    .bits_v6 = 64,
    .strict = true,
};

static size_t map_room(uint32_t entries, uint32_t key_size)
{
    return pool_align(map_bytes(entries, key_size));
}

/* Addresses that are shy at once: those of every path, and as many that were forgotten. */
static uint32_t shy_room(uint32_t count)
{
    return 2 * PATH_REMOTES_MAX * count;
}

size_t paths_bytes(uint32_t count)
{
    return pool_bytes(count, sizeof(struct path)) + map_room(count, IDENTITY_SIZE) +
           map_room(count * PATH_INDICES, 4) +
           map_room(count * PATH_REMOTES_MAX, sizeof(struct addr)) + map_room(count, 8) +
           budget_bytes(shy_room(count));
}

void paths_init(struct paths *paths, void *memory, uint32_t count, struct random_secret *secret)
{
    check(count > 0);
    uint8_t *at = memory;
    pool_init(&paths->pool, at, count, sizeof(struct path));
    at += pool_bytes(count, sizeof(struct path));
    map_init(&paths->by_identity, at, count, IDENTITY_SIZE, random_hash_key(secret));
    at += map_room(count, IDENTITY_SIZE);
    map_init(&paths->by_index, at, count * PATH_INDICES, 4, random_hash_key(secret));
    at += map_room(count * PATH_INDICES, 4);
    map_init(&paths->by_remote, at, count * PATH_REMOTES_MAX, sizeof(struct addr),
             random_hash_key(secret));
    at += map_room(count * PATH_REMOTES_MAX, sizeof(struct addr));
    map_init(&paths->by_channel, at, count, 8, random_hash_key(secret));
    at += map_room(count, 8);
    budget_init(&paths->shy, at, shy_room(count), shy_rate, random_hash_key(secret));
}

struct path *path_of(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE], bool make)
{
    uint32_t slot;
    struct handle handle;
    if (map_get(&paths->by_identity, identity, &slot))
        return pool_slot(&paths->pool, slot, &handle);
    struct path *path = make ? pool_take(&paths->pool, &handle) : NULL;
    if (path == NULL)
        return NULL;
    path->self = handle;
    memcpy(path->peer.identity, identity, IDENTITY_SIZE);
    path->call_next_ns = UINT64_MAX;
    path->recheck_ns = PATH_RECHECK_FIRST_NS;
    path->judge_ns = UINT64_MAX;
    path->chosen = PATH_NONE;
    for (unsigned i = 0; i <= PATH_REMOTES_MAX; i++)
        path->remotes[i].next_ns = UINT64_MAX;
    bool added = map_set(&paths->by_identity, identity, handle.index);
    check(added);
    return path;
}

/* Removes an entry of a map if it leads to this path. */
static void unmap(struct map *map, const void *key, uint32_t value)
{
    uint32_t found;
    if (map_get(map, key, &found) && found == value)
        map_remove(map, key);
}

void path_forget(struct paths *paths, const struct path_tools *t, struct path *path)
{
    struct handle self = path->self;
    timer_cancel(t->tools.cx->timers, &path->timer);
    path_calls_forget(paths, path);
    for (uint8_t i = 0; i < path->remote_count; i++)
        unmap(&paths->by_remote, &path->remotes[i].addr, self.index);
    map_remove(&paths->by_identity, path->peer.identity);
    t->tools.cx->crypto->wipe(path, sizeof *path);
    pool_give(&paths->pool, self);
}

/* The path that has been silent for the longest time among those that nobody here asked for. */
static struct path *least_wanted(struct paths *paths, uint64_t now_ns)
{
    struct path *worst = NULL;
    uint64_t oldest_ns = UINT64_MAX;
    for (uint32_t i = 0; i < paths->pool.high_water; i++) {
        struct handle handle;
        struct path *path = pool_slot(&paths->pool, i, &handle);
        if (path == NULL || path->wanted)
            continue;
        uint64_t last_ns = path->heard_ns > path->made_ns ? path->heard_ns : path->made_ns;
        if (path->data_ns > last_ns)
            last_ns = path->data_ns;
        if (now_ns - last_ns >= PATH_SILENT_NS && last_ns < oldest_ns) {
            oldest_ns = last_ns;
            worst = path;
        }
    }
    return worst;
}

struct path *path_make(struct paths *paths, const struct path_tools *t,
                       const uint8_t identity[static IDENTITY_SIZE])
{
    uint64_t now_ns = t->tools.cx->now_ns;
    struct path *path = path_of(paths, identity, true);
    if (path == NULL) {
        struct path *worst = least_wanted(paths, now_ns);
        if (worst == NULL)
            return NULL;
        path_forget(paths, t, worst);
        path = path_of(paths, identity, true);
        check(path != NULL);
    }
    if (path->made_ns == 0)
        path->made_ns = now_ns;
    return path;
}

bool path_same_mapped(const struct path_tools *t, const struct path *path)
{
    return path->observed.family != ADDR_NONE && addr_equal_ip(&t->client->mapped, &path->observed);
}

bool path_is_first(const struct path_tools *t, const struct path *path)
{
    return memcmp(t->tools.self->identity, path->peer.identity, IDENTITY_SIZE) < 0;
}

/* ---- Remotes --------------------------------------------------------------------------------- */

uint8_t path_find_remote(const struct path *path, const struct addr *addr)
{
    for (uint8_t i = 0; i < path->remote_count; i++)
        if (addr_equal(&path->remotes[i].addr, addr))
            return i;
    return PATH_NONE;
}

/* The least useful remote: learned before offered, silent before heard, older before newer. */
static uint8_t least_useful(const struct path *path)
{
    uint8_t worst = PATH_NONE;
    unsigned lowest = 0;
    for (uint8_t i = 0; i < path->remote_count; i++) {
        const struct path_remote *remote = &path->remotes[i];
        unsigned use = (remote->heard ? 1U : 0U) + (remote->kind != 0 ? 2U : 0U);
        if (!remote->valid && i != path->chosen &&
            (worst == PATH_NONE || use < lowest ||
             (use == lowest && remote->sent_ns < path->remotes[worst].sent_ns))) {
            worst = i;
            lowest = use;
        }
    }
    return worst;
}

uint8_t path_add_remote(struct paths *paths, struct path *path, const struct addr *addr,
                        uint8_t kind)
{
    uint8_t index = path_find_remote(path, addr);
    if (index != PATH_NONE) {
        if (kind != 0 && path->remotes[index].kind != PUNCH_CANDIDATE_OBSERVED)
            path->remotes[index].kind = kind;
        return index;
    }
    if (path->remote_count < PATH_REMOTES_MAX) {
        index = path->remote_count++;
    } else {
        index = least_useful(path);
        if (index == PATH_NONE)
            return PATH_NONE;
        uint32_t slot;
        if (map_get(&paths->by_remote, &path->remotes[index].addr, &slot) &&
            slot == path->self.index)
            map_remove(&paths->by_remote, &path->remotes[index].addr);
        for (unsigned i = 0; i < PATH_TRANSACTIONS; i++)
            if (path->transactions[i].remote == index)
                path->transactions[i] = (struct path_transaction){0};
    }
    path->remotes[index] = (struct path_remote){.addr = *addr, .kind = kind, .next_ns = UINT64_MAX};
    return index;
}

/* ---- The choice ------------------------------------------------------------------------------ */

/* A path between hosts' own addresses is within one network; others compare by round trip. */
static bool better(const struct path_remote *a, const struct path_remote *than)
{
    bool a_host = a->kind == PUNCH_CANDIDATE_HOST;
    bool b_host = than->kind == PUNCH_CANDIDATE_HOST;
    if (a_host != b_host)
        return a_host;
    return a->rtt_ns + a->rtt_ns / 4 + CLIENT_HYSTERESIS_NS < than->rtt_ns;
}

/* What would be in doubt at once is no choice: two such would take turns for ever, in no time. */
static bool is_silent(const struct path_tools *t, const struct path_remote *remote)
{
    return remote->waiting_ns != 0 &&
           t->tools.cx->now_ns - remote->waiting_ns >= remote->rtt_ns + PATH_DOUBT_NS;
}

static void choose(const struct path_tools *t, struct path *path)
{
    uint8_t best = PATH_NONE;
    if (path->chosen < PATH_RELAY && path->remotes[path->chosen].valid)
        best = path->chosen;
    for (uint8_t i = 0; i < path->remote_count; i++) {
        const struct path_remote *remote = &path->remotes[i];
        if (!remote->valid || i == best || (best != PATH_NONE && is_silent(t, remote)))
            continue;
        /* One that was proven after the chosen one fell silent is better than that. */
        bool lives =
            best != PATH_NONE && path->doubt && remote->acked_ns > path->remotes[best].waiting_ns;
        if (best == PATH_NONE || lives || better(remote, &path->remotes[best])) {
            path->doubt = path->doubt && !lives;
            best = i;
        }
    }
    path->chosen = best != PATH_NONE                 ? best
                   : path->remotes[PATH_RELAY].heard ? PATH_RELAY
                                                     : PATH_NONE;
    if (path->chosen < PATH_RELAY && path->remotes[path->chosen].next_ns == UINT64_MAX)
        path->remotes[path->chosen].next_ns = path_probe_chosen(t, path);
}

/* Who asked for the path looks for a better one, now and then. */
static void plan_recheck(const struct path_tools *t, struct path *path)
{
    uint64_t now_ns = t->tools.cx->now_ns;
    if (!path->wanted || path->call_next_ns != UINT64_MAX)
        return;
    if (path->reported == NODE_PATH_RELAYED) {
        path->call_next_ns = now_ns + path->recheck_ns;
        path->recheck_ns = 2 * path->recheck_ns < PATH_RECHECK_LAST_NS ? 2 * path->recheck_ns
                                                                       : PATH_RECHECK_LAST_NS;
    } else if (path->reported == NODE_PATH_DIRECT) {
        path->call_next_ns = now_ns + PATH_RECHECK_DIRECT_NS;
    }
}

static enum reason refusal_reason(const struct path *path)
{
    return path->refusal == PUNCH_REFUSED_UNKNOWN ? REASON_NOT_REGISTERED : REASON_REFUSED;
}

/* What the host is told; `out` has room for state and reason. */
static void judge(const struct path_tools *t, const struct path *path, struct node_out_path *out)
{
    const struct client *client = t->client;
    if (path->chosen < PATH_RELAY) {
        const struct path_remote *remote = &path->remotes[path->chosen];
        out->path = NODE_PATH_DIRECT;
        out->remote = remote->addr;
        out->rtt_ns = remote->rtt_ns;
        out->reason =
            (uint8_t)reason_direct(&client->side, &path->theirs,
                                   remote->kind == PUNCH_CANDIDATE_HOST, path_same_mapped(t, path));
    } else if (path->chosen == PATH_RELAY) {
        out->path = NODE_PATH_RELAYED;
        out->remote = client->servers[path->server].punch;
        out->rtt_ns = path->remotes[PATH_RELAY].rtt_ns;
        if (path->judge_ns <= t->tools.cx->now_ns)
            out->reason =
                (uint8_t)reason_relayed(&client->side, &path->theirs, path_same_mapped(t, path));
        else if (path->reported == NODE_PATH_RELAYED)
            out->reason = path->reported_reason; /* while it is being looked at again */
    } else if (client_home(client) == NULL && client->side.nat == STUN_NAT_BLOCKED) {
        out->path = NODE_PATH_UNREACHABLE;
        out->reason = REASON_UDP_BLOCKED;
    } else if (path->blamed) {
        out->path = NODE_PATH_UNREACHABLE;
        out->reason = (uint8_t)refusal_reason(path);
    }
}

void path_settle(const struct path_tools *t, struct path *path)
{
    const struct context *cx = t->tools.cx;
    choose(t, path);
    struct node_out_path now = {.path = NODE_PATH_PENDING};
    memcpy(now.peer, path->peer.identity, sizeof now.peer);
    judge(t, path, &now);
    if (now.path != path->reported || now.reason != path->reported_reason ||
        (now.path == NODE_PATH_DIRECT && !addr_equal(&now.remote, &path->reported_remote))) {
        if (context_put(cx, &(struct node_out){.kind = NODE_OUT_PATH, .path = now})) {
            path->reported = now.path;
            path->reported_reason = now.reason;
            path->reported_remote = now.remote;
            context_trace(cx, TRACE_PATH_STATE,
                          (struct trace_record){.remote = now.remote,
                                                .number = (uint64_t)now.path << 8 | now.reason});
        }
    }
    plan_recheck(t, path);
    uint64_t due_ns = path_probe_due(path);
    if (path->call_next_ns < due_ns)
        due_ns = path->call_next_ns;
    if (path->judge_ns > cx->now_ns && path->judge_ns < due_ns)
        due_ns = path->judge_ns;
    if (due_ns == UINT64_MAX)
        timer_cancel(cx->timers, &path->timer);
    else
        timer_set(cx->timers, &path->timer, due_ns, TIMER_PATH, path->self);
}

/* ---- Timers ---------------------------------------------------------------------------------- */

void path_timer(struct paths *paths, const struct path_tools *t, struct handle owner)
{
    struct path *path = pool_at(&paths->pool, owner);
    check(path != NULL);
    if (path->call_next_ns <= t->tools.cx->now_ns)
        path_call(paths, t, path);
    path_probe_work(paths, t, path);
    path_settle(t, path);
}

void path_network(struct paths *paths, const struct path_tools *t)
{
    for (uint32_t i = 0; i < paths->pool.high_water; i++) {
        struct handle handle;
        struct path *path = pool_slot(&paths->pool, i, &handle);
        if (path != NULL && path_order_leave(t, path))
            path_settle(t, path);
    }
}

void path_side(struct paths *paths, const struct path_tools *t)
{
    for (uint32_t i = 0; i < paths->pool.high_water; i++) {
        struct handle handle;
        struct path *path = pool_slot(&paths->pool, i, &handle);
        if (path == NULL)
            continue;
        /* The peer hears of it with a probe. */
        if (path->remotes[PATH_RELAY].next_ns != UINT64_MAX)
            path->remotes[PATH_RELAY].next_ns = t->tools.cx->now_ns;
        path_probe_work(paths, t, path);
        path_settle(t, path);
    }
}
