/* The tunnel's peers: who they are, what belongs to them, and when something is to happen. */
#include "core/tunnel/tunnel.h"

#include <string.h>

#include "core/base/check.h"
#include "core/tunnel/inner.h"
#include "core/tunnel/tunnel_state.h"

static size_t map_room(uint32_t entries, uint32_t key_size)
{
    return pool_align(map_bytes(entries, key_size));
}

size_t tunnel_bytes(const struct node_limits *limits)
{
    uint32_t peers = limits->tunnel_peers;
    return pool_bytes(peers, sizeof(struct tunnel_peer)) +
           pool_bytes(limits->tunnel_queue, sizeof(struct tunnel_waiting)) +
           map_room(peers, IDENTITY_SIZE) + map_room(peers, NOISE_KEY_SIZE) +
           map_room(peers * TUNNEL_INDICES, 4) + routes_bytes(limits->tunnel_subnets) +
           budget_bytes(limits->unproven);
}

void tunnel_init(struct tunnel *tunnel, void *memory, const struct node_limits *limits,
                 struct random_secret *secret)
{
    uint8_t *at = memory;
    uint32_t peers = limits->tunnel_peers;
    check(peers > 0 && limits->tunnel_subnets > 0 && limits->tunnel_queue > 0);
    pool_init(&tunnel->peers, at, peers, sizeof(struct tunnel_peer));
    at += pool_bytes(peers, sizeof(struct tunnel_peer));
    pool_init(&tunnel->queue, at, limits->tunnel_queue, sizeof(struct tunnel_waiting));
    at += pool_bytes(limits->tunnel_queue, sizeof(struct tunnel_waiting));
    map_init(&tunnel->by_identity, at, peers, IDENTITY_SIZE, random_hash_key(secret));
    at += map_room(peers, IDENTITY_SIZE);
    map_init(&tunnel->by_key, at, peers, NOISE_KEY_SIZE, random_hash_key(secret));
    at += map_room(peers, NOISE_KEY_SIZE);
    map_init(&tunnel->by_index, at, peers * TUNNEL_INDICES, 4, random_hash_key(secret));
    at += map_room(peers * TUNNEL_INDICES, 4);
    routes_init(&tunnel->routes, at, limits->tunnel_subnets);
    at += routes_bytes(limits->tunnel_subnets);
    const struct budget_rate rate = {.burst = TUNNEL_SOURCE_BURST,
                                     .token_ns = UINT64_C(1000000000) / TUNNEL_SOURCE_PER_SECOND,
                                     .bits_v4 = 32,
                                     .bits_v6 = 64};
    budget_init(&tunnel->sources, at, limits->unproven, rate, random_hash_key(secret));
    tunnel->load_tokens = TUNNEL_LOAD_BURST;
}

void tunnel_configure(struct tunnel *tunnel, const struct tunnel_tools *t)
{
    check(!tunnel->ready && t->self->ready);
    noise_self_init(&tunnel->self, t->cx->crypto, t->self->tunnel_key);
    tunnel->server = t->self->server;
    random_secret_bytes(t->cx->secret, tunnel->cookie_secret[0], NOISE_KEY_SIZE);
    random_secret_bytes(t->cx->secret, tunnel->cookie_secret[1], NOISE_KEY_SIZE);
    tunnel->cookie_ns = t->cx->now_ns;
    tunnel->load_ns = t->cx->now_ns;
    tunnel->ready = true;
}

struct tunnel_peer *tunnel_peer_at(struct tunnel *tunnel, uint32_t slot)
{
    struct handle handle;
    return pool_slot(&tunnel->peers, slot, &handle);
}

uint32_t tunnel_index_draw(struct tunnel *tunnel, const struct tunnel_tools *t,
                           const struct tunnel_peer *peer)
{
    uint32_t index, taken;
    do {
        index = random_secret_u32(t->cx->secret);
    } while (index == 0 || map_get(&tunnel->by_index, &index, &taken));
    bool added = map_set(&tunnel->by_index, &index, peer->self.index);
    check(added); /* there is room for TUNNEL_INDICES of each peer */
    return index;
}

void tunnel_session_end(struct tunnel *tunnel, const struct tunnel_tools *t,
                        struct tunnel_session *session)
{
    if (session->mine != 0)
        map_remove(&tunnel->by_index, &session->mine);
    t->cx->crypto->wipe(&session->keys, sizeof session->keys);
    memset(session, 0, sizeof *session);
}

/* ---- Prefixes -------------------------------------------------------------------------------- */

static void unroute(struct tunnel *tunnel, const struct tunnel_peer *peer)
{
    for (uint32_t i = 0; i < peer->subnet_count; i++)
        if (routes_get(&tunnel->routes, &peer->subnets[i]) == peer->self.index)
            routes_remove(&tunnel->routes, &peer->subnets[i]);
}

/* The prefix is no longer of the peer in this slot. */
static void lose(struct tunnel *tunnel, uint32_t slot, const struct subnet *subnet)
{
    struct tunnel_peer *peer = tunnel_peer_at(tunnel, slot);
    check(peer != NULL && peer->subnet_count <= NODE_PEER_SUBNETS);
    uint8_t kept = 0;
    for (uint32_t i = 0; i < peer->subnet_count; i++)
        if (memcmp(&peer->subnets[i], subnet, sizeof *subnet) != 0)
            peer->subnets[kept++] = peer->subnets[i];
        else if (i < peer->subnets_named)
            peer->subnets_named--;
    peer->subnet_count = kept;
}

/* The peer has this prefix from now on; false when there is no room. */
static bool route(struct tunnel *tunnel, struct tunnel_peer *peer, const struct subnet *subnet)
{
    uint32_t owner = routes_get(&tunnel->routes, subnet);
    if (owner != ROUTE_NONE && owner != peer->self.index && peer->subnet_count < NODE_PEER_SUBNETS)
        lose(tunnel, owner, subnet);
    for (uint32_t i = 0; i < peer->subnet_count; i++)
        if (memcmp(&peer->subnets[i], subnet, sizeof *subnet) == 0)
            return routes_set(&tunnel->routes, subnet, peer->self.index);
    if (peer->subnet_count == NODE_PEER_SUBNETS ||
        !routes_set(&tunnel->routes, subnet, peer->self.index))
        return false;
    peer->subnets[peer->subnet_count++] = *subnet;
    return true;
}

/* Takes back what an earlier credential said. */
static void unroute_member(struct tunnel *tunnel, struct tunnel_peer *peer)
{
    check(peer->subnets_named <= peer->subnet_count);
    for (uint32_t i = peer->subnets_named; i < peer->subnet_count; i++)
        if (routes_get(&tunnel->routes, &peer->subnets[i]) == peer->self.index)
            routes_remove(&tunnel->routes, &peer->subnets[i]);
    peer->subnet_count = peer->subnets_named;
}

/* What a credential says is the peer's, unless it is somebody else's already. */
static void route_member(struct tunnel *tunnel, const struct tunnel_tools *t,
                         struct tunnel_peer *peer, const struct member *member)
{
    unroute_member(tunnel, peer);
    for (uint32_t i = 0; i < member->address_count; i++) {
        const struct addr *addr = &member->addresses[i];
        struct subnet subnet = subnet_of(addr, 8 * (unsigned)addr_ip_size(addr));
        uint32_t owner = routes_get(&tunnel->routes, &subnet);
        if ((owner != ROUTE_NONE && owner != peer->self.index) || !route(tunnel, peer, &subnet))
            context_trace(t->cx, TRACE_TUNNEL_NO_PREFIX, (struct trace_record){.remote = *addr});
    }
}

/* ---- Peers ----------------------------------------------------------------------------------- */

static void forget(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer)
{
    struct handle self = peer->self;
    timer_cancel(t->cx->timers, &peer->timer);
    tunnel_queue_drop(tunnel, t, peer);
    tunnel_handshake_end(tunnel, t, peer);
    tunnel_session_end(tunnel, t, &peer->previous);
    tunnel_session_end(tunnel, t, &peer->current);
    tunnel_session_end(tunnel, t, &peer->next);
    unroute(tunnel, peer);
    if (!tunnel_is_stock(peer))
        map_remove(&tunnel->by_identity, peer->identity);
    if (peer->keyed)
        map_remove(&tunnel->by_key, peer->noise.public_key);
    t->cx->crypto->wipe(peer, sizeof *peer);
    pool_give(&tunnel->peers, self);
}

/* Of those that nobody here asked for, the one whose last handshake is the longest ago. */
static struct tunnel_peer *least_wanted(struct tunnel *tunnel)
{
    struct tunnel_peer *worst = NULL;
    for (uint32_t i = 0; i < tunnel->peers.high_water; i++) {
        struct tunnel_peer *peer = tunnel_peer_at(tunnel, i);
        if (peer != NULL && !peer->configured &&
            (worst == NULL || peer->handshake_ns < worst->handshake_ns))
            worst = peer;
    }
    return worst;
}

static struct tunnel_peer *add(struct tunnel *tunnel, const struct tunnel_tools *t,
                               const uint8_t identity[static IDENTITY_SIZE])
{
    struct handle handle;
    struct tunnel_peer *peer = pool_take(&tunnel->peers, &handle);
    if (peer == NULL) {
        struct tunnel_peer *worst = least_wanted(tunnel);
        if (worst != NULL)
            forget(tunnel, t, worst);
        peer = pool_take(&tunnel->peers, &handle);
    }
    if (peer == NULL) {
        context_trace(t->cx, TRACE_TUNNEL_FULL, (struct trace_record){0});
        return NULL;
    }
    peer->self = handle;
    peer->retry_ns = peer->answer_ns = peer->silence_ns = UINT64_MAX;
    peer->beat_ns = peer->wipe_ns = UINT64_MAX;
    memcpy(peer->identity, identity, IDENTITY_SIZE);
    if (!tunnel_is_stock(peer)) {
        bool added = map_set(&tunnel->by_identity, identity, handle.index);
        check(added);
    }
    return peer;
}

/* Gives a peer its key. A key that is nobody's, ours, or another peer's is refused. */
static bool set_key(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                    const uint8_t key[static NOISE_KEY_SIZE])
{
    uint32_t slot;
    check(!peer->keyed);
    if (memcmp(key, tunnel->self.public_key, NOISE_KEY_SIZE) == 0 ||
        map_get(&tunnel->by_key, key, &slot))
        return false;
    uint8_t psk[NOISE_KEY_SIZE];
    memcpy(psk, peer->noise.psk, sizeof psk);
    peer->keyed = noise_peer_init(&peer->noise, t->cx->crypto, &tunnel->self, key, psk);
    if (!peer->keyed)
        memcpy(peer->noise.psk, psk, sizeof psk);
    t->cx->crypto->wipe(psk, sizeof psk);
    if (peer->keyed) {
        bool added = map_set(&tunnel->by_key, key, peer->self.index);
        check(added);
    }
    return peer->keyed;
}

/* The key is no longer the peer's, and so are the sessions under it. */
static void drop_key(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer)
{
    uint8_t psk[NOISE_KEY_SIZE];
    tunnel_handshake_end(tunnel, t, peer);
    tunnel_session_end(tunnel, t, &peer->previous);
    tunnel_session_end(tunnel, t, &peer->current);
    tunnel_session_end(tunnel, t, &peer->next);
    map_remove(&tunnel->by_key, peer->noise.public_key);
    memcpy(psk, peer->noise.psk, sizeof psk);
    t->cx->crypto->wipe(&peer->noise, sizeof peer->noise);
    memcpy(peer->noise.psk, psk, sizeof psk);
    t->cx->crypto->wipe(psk, sizeof psk);
    memset(peer->seen_timestamp, 0, sizeof peer->seen_timestamp);
    peer->keyed = false;
}

bool tunnel_peer_expired(const struct tunnel_tools *t, const struct tunnel_peer *peer)
{
    return peer->expiry_s != 0 && self_wall_s(t->self, t->cx->now_ns) > peer->expiry_s;
}

void tunnel_peer_learn(struct tunnel *tunnel, const struct tunnel_tools *t,
                       struct tunnel_peer *peer)
{
    const struct member *member =
        tunnel_is_stock(peer) ? NULL : path_member(t->paths, peer->identity);
    if (member == NULL)
        return;
    if (peer->keyed && !peer->key_named &&
        memcmp(peer->noise.public_key, member->tunnel_key, NOISE_KEY_SIZE) != 0)
        drop_key(tunnel, t, peer); /* its credential names another one now */
    if (!peer->keyed && !set_key(tunnel, t, peer, member->tunnel_key)) {
        context_trace(t->cx, TRACE_TUNNEL_KEY_REFUSED, (struct trace_record){0});
        return;
    }
    peer->expiry_s = peer->key_named ? 0 : member->expiry_s;
    if (t->cx->crypto->equal(peer->noise.public_key, member->tunnel_key, NOISE_KEY_SIZE))
        route_member(tunnel, t, peer, member);
    else /* the host has named another key, and it is the host who is believed */
        context_trace(t->cx, TRACE_TUNNEL_KEY_REFUSED, (struct trace_record){0});
}

struct tunnel_peer *tunnel_peer_by_key(struct tunnel *tunnel,
                                       const uint8_t key[static NOISE_KEY_SIZE])
{
    uint32_t slot;
    return map_get(&tunnel->by_key, key, &slot) ? tunnel_peer_at(tunnel, slot) : NULL;
}

struct tunnel_peer *tunnel_peer_met(struct tunnel *tunnel, const struct tunnel_tools *t,
                                    const uint8_t key[static NOISE_KEY_SIZE])
{
    uint32_t slot;
    const struct member *member = path_member_by_key(t->paths, key);
    check(member != NULL);
    struct tunnel_peer *peer = map_get(&tunnel->by_identity, member->identity, &slot)
                                   ? tunnel_peer_at(tunnel, slot)
                                   : add(tunnel, t, member->identity);
    if (peer == NULL)
        return NULL;
    tunnel_peer_learn(tunnel, t, peer);
    return peer->keyed && memcmp(peer->noise.public_key, key, NOISE_KEY_SIZE) == 0 ? peer : NULL;
}

void tunnel_roam(const struct tunnel_tools *t, struct tunnel_peer *peer,
                 const struct tunnel_source *source)
{
    if (!tunnel_is_stock(peer) || source->channel != 0 ||
        addr_equal(&peer->endpoint, &source->remote))
        return;
    context_trace(t->cx, TRACE_TUNNEL_ROAMED,
                  (struct trace_record){.remote = source->remote, .other = peer->endpoint});
    peer->endpoint = source->remote;
    peer->socket = source->socket;
}

/* ---- NODE_IN_PEER ---------------------------------------------------------------------------- */

static bool is_zero(const uint8_t *bytes)
{
    static const uint8_t zero[32];
    return memcmp(bytes, zero, sizeof zero) == 0;
}

static bool makes_sense(const struct tunnel *tunnel, const struct tunnel_tools *t,
                        const struct node_in_peer *in)
{
    bool stock = is_zero(in->peer);
    if (!tunnel->ready || in->subnet_count > NODE_PEER_SUBNETS || (stock && is_zero(in->key)) ||
        (!stock &&
         (tunnel->server || in->hub || in->keepalive_s != 0 || in->endpoint.family != ADDR_NONE)) ||
        memcmp(in->peer, t->self->identity, IDENTITY_SIZE) == 0 ||
        memcmp(in->key, tunnel->self.public_key, NOISE_KEY_SIZE) == 0)
        return false;
    for (uint32_t i = 0; i < in->subnet_count; i++)
        if (!subnet_is_valid(&in->subnets[i]))
            return false;
    return in->endpoint.family == ADDR_NONE ||
           (addr_is_unicast(&in->endpoint) && in->endpoint.port != 0);
}

static struct tunnel_peer *find(struct tunnel *tunnel, const struct node_in_peer *in)
{
    uint32_t slot;
    bool found = is_zero(in->peer) ? map_get(&tunnel->by_key, in->key, &slot)
                                   : map_get(&tunnel->by_identity, in->peer, &slot);
    return found ? tunnel_peer_at(tunnel, slot) : NULL;
}

/* Other keys than before make another peer of it; else its sessions go on. */
static bool is_other(const struct tunnel_peer *peer, const struct node_in_peer *in)
{
    return memcmp(peer->identity, in->peer, IDENTITY_SIZE) != 0 ||
           memcmp(peer->noise.psk, in->psk, NOISE_KEY_SIZE) != 0 ||
           (peer->keyed && !is_zero(in->key) &&
            memcmp(peer->noise.public_key, in->key, NOISE_KEY_SIZE) != 0);
}

bool tunnel_peer(struct tunnel *tunnel, const struct tunnel_tools *t, const struct node_in_peer *in)
{
    if (!makes_sense(tunnel, t, in))
        return false;
    struct tunnel_peer *peer = find(tunnel, in);
    if (peer != NULL && (in->remove || is_other(peer, in))) {
        forget(tunnel, t, peer);
        peer = NULL;
    }
    if (in->remove) {
        if (!is_zero(in->peer))
            path_disconnect(t->paths, &t->path, in->peer);
        return true;
    }
    struct tunnel_peer *holder = is_zero(in->key) ? NULL : tunnel_peer_by_key(tunnel, in->key);
    if (holder != NULL && holder != peer && !holder->configured)
        forget(tunnel, t, holder); /* the host is believed */
    if (peer == NULL)
        peer = add(tunnel, t, in->peer);
    if (peer == NULL)
        return false;
    memcpy(peer->noise.psk, in->psk, NOISE_KEY_SIZE);
    if (!peer->keyed && !is_zero(in->key) && !set_key(tunnel, t, peer, in->key)) {
        forget(tunnel, t, peer);
        return false;
    }
    peer->configured = true;
    peer->key_named = !is_zero(in->key);
    peer->hub = in->hub;
    if (in->endpoint.family != ADDR_NONE)
        peer->endpoint = in->endpoint;
    peer->socket = tunnel->server ? NODE_SOCKET_TUNNEL : NODE_SOCKET_TRAFFIC;
    peer->keepalive_ns = in->keepalive_s * UINT64_C(1000000000);
    peer->beat_ns = in->keepalive_s > 0 ? t->cx->now_ns : UINT64_MAX;
    unroute(tunnel, peer);
    peer->subnet_count = peer->subnets_named = 0;
    bool routed = true;
    for (uint32_t i = 0; i < in->subnet_count; i++)
        routed = route(tunnel, peer, &in->subnets[i]) && routed;
    peer->subnets_named = peer->subnet_count;
    if (!tunnel_is_stock(peer)) {
        path_connect(t->paths, &t->path, peer->identity);
        tunnel_peer_learn(tunnel, t, peer);
    }
    tunnel_rearm(t, peer);
    return routed;
}

/* ---- Timers (section 6) ---------------------------------------------------------------------- */

uint64_t tunnel_jitter(const struct tunnel_tools *t)
{
    return random_secret_u32(t->cx->secret) % TUNNEL_JITTER_NS;
}

void tunnel_rearm(const struct tunnel_tools *t, struct tunnel_peer *peer)
{
    const uint64_t times[] = {peer->retry_ns, peer->answer_ns, peer->silence_ns, peer->beat_ns,
                              peer->wipe_ns};
    uint64_t first_ns = UINT64_MAX;
    for (unsigned i = 0; i < sizeof times / sizeof *times; i++)
        if (times[i] < first_ns)
            first_ns = times[i];
    if (first_ns == UINT64_MAX)
        timer_cancel(t->cx->timers, &peer->timer);
    else
        timer_set(t->cx->timers, &peer->timer, first_ns, TIMER_TUNNEL_PEER, peer->self);
}

static void beat_later(const struct tunnel_tools *t, struct tunnel_peer *peer)
{
    if (peer->keepalive_ns != 0)
        peer->beat_ns = t->cx->now_ns + peer->keepalive_ns;
}

void tunnel_heard(const struct tunnel_tools *t, struct tunnel_peer *peer, bool data)
{
    peer->silence_ns = UINT64_MAX;
    beat_later(t, peer);
    if (!data)
        return;
    peer->answer_again = peer->answer_ns != UINT64_MAX;
    if (!peer->answer_again)
        peer->answer_ns = t->cx->now_ns + TUNNEL_KEEPALIVE_NS;
}

void tunnel_spoke(const struct tunnel_tools *t, struct tunnel_peer *peer, bool data)
{
    peer->answer_ns = UINT64_MAX;
    beat_later(t, peer);
    if (data && peer->silence_ns == UINT64_MAX)
        peer->silence_ns =
            t->cx->now_ns + TUNNEL_KEEPALIVE_NS + TUNNEL_REKEY_TIMEOUT_NS + tunnel_jitter(t);
}

/* Takes a time that has come off the list. */
static bool is_due(uint64_t *time_ns, uint64_t now_ns)
{
    if (*time_ns > now_ns)
        return false;
    *time_ns = UINT64_MAX;
    return true;
}

/* The peer has not answered for TUNNEL_REKEY_ATTEMPT_NS: what waits for it is lost. */
static void give_up(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer)
{
    context_trace(t->cx, TRACE_TUNNEL_GIVEN_UP, (struct trace_record){.remote = peer->endpoint});
    tunnel_queue_drop(tunnel, t, peer);
    tunnel_handshake_end(tunnel, t, peer);
    if (peer->wipe_ns == UINT64_MAX)
        peer->wipe_ns = t->cx->now_ns + 3 * TUNNEL_REJECT_AFTER_NS;
}

void tunnel_timer(struct tunnel *tunnel, const struct tunnel_tools *t, struct handle owner)
{
    struct tunnel_peer *peer = pool_at(&tunnel->peers, owner);
    check(peer != NULL);
    uint64_t now_ns = t->cx->now_ns;
    /* A handshake that is under way is younger, and is wiped when it ends or is given up. */
    if (is_due(&peer->wipe_ns, now_ns)) {
        tunnel_session_end(tunnel, t, &peer->previous);
        tunnel_session_end(tunnel, t, &peer->current);
        tunnel_session_end(tunnel, t, &peer->next);
    }
    if (is_due(&peer->retry_ns, now_ns)) {
        if (now_ns - peer->attempt_ns >= TUNNEL_REKEY_ATTEMPT_NS)
            give_up(tunnel, t, peer);
        else
            tunnel_initiate(tunnel, t, peer, true);
    }
    if (is_due(&peer->silence_ns, now_ns))
        tunnel_initiate(tunnel, t, peer, false);
    if (is_due(&peer->answer_ns, now_ns)) {
        bool again = peer->answer_again;
        tunnel_send_keepalive(tunnel, t, peer);
        peer->answer_again = false;
        if (again)
            peer->answer_ns = now_ns + TUNNEL_KEEPALIVE_NS;
    }
    if (is_due(&peer->beat_ns, now_ns)) {
        beat_later(t, peer);
        tunnel_send_keepalive(tunnel, t, peer);
    }
    tunnel_rearm(t, peer);
}

/*
 * A path is found by an answer that has taken at least half of a round trip through the relay, so
 * what the handshake has taken until then is enough for its own answer; and no relay is further
 * away than TUNNEL_FOUND_MAX_NS each way.
 */
static uint64_t found_after(const struct tunnel_tools *t, const struct tunnel_peer *peer)
{
    uint64_t taken_ns = t->cx->now_ns - peer->began_ns;
    if (taken_ns < TUNNEL_REPEAT_MIN_NS)
        return TUNNEL_REPEAT_MIN_NS;
    return taken_ns < TUNNEL_FOUND_MAX_NS ? taken_ns : TUNNEL_FOUND_MAX_NS;
}

/*
 * A handshake whose path has just been found may have been lost on the way there: it is repeated
 * soon, unless its answer comes first.
 */
static void look_at(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer)
{
    struct tunnel_way way;
    uint8_t state = (uint8_t)path_state(t->paths, peer->identity, NULL);
    bool found = peer->way_seen == NODE_PATH_PENDING &&
                 (state == NODE_PATH_RELAYED || state == NODE_PATH_DIRECT);
    if (peer->handshake_index == 0 || (peer->unsent && tunnel_way(t, peer, &way))) {
        tunnel_initiate(tunnel, t, peer, true);
    } else if (found) {
        uint64_t soon_ns = t->cx->now_ns + found_after(t, peer);
        peer->way_seen = state;
        if (soon_ns < peer->retry_ns)
            peer->retry_ns = soon_ns;
    } else {
        return;
    }
    tunnel_rearm(t, peer);
}

/*
 * A peer that has just shown who it is, and has let our packets go unanswered, may have started
 * again and lost its sessions. Waiting for TUNNEL_KEEPALIVE_NS and TUNNEL_REKEY_TIMEOUT_NS to pass
 * would lose packets that a new handshake saves; where it was not so, the old session goes on.
 */
static bool may_have_forgotten(const struct tunnel_peer *peer, uint64_t now_ns)
{
    const uint64_t patience_ns = TUNNEL_KEEPALIVE_NS + TUNNEL_REKEY_TIMEOUT_NS;
    return peer->keyed && peer->handshake_index == 0 && peer->silence_ns != UINT64_MAX &&
           peer->silence_ns < now_ns + patience_ns - TUNNEL_UNANSWERED_NS;
}

/*
 * Whom a path has come to know is a peer, while there is room without taking another's: packets for
 * it need not wait until it has sent some.
 */
static void meet_all(struct tunnel *tunnel, const struct tunnel_tools *t)
{
    uint32_t slot;
    for (uint32_t i = 0; i < path_slots(t->paths); i++) {
        const struct member *member = path_member_at(t->paths, i);
        if (tunnel->peers.used == tunnel->peers.capacity)
            return;
        if (member != NULL && !map_get(&tunnel->by_identity, member->identity, &slot))
            tunnel_peer_met(tunnel, t, member->tunnel_key);
    }
}

void tunnel_look(struct tunnel *tunnel, const struct tunnel_tools *t)
{
    bool introduced = tunnel->introduced != t->paths->introduced;
    if (tunnel->anxious == 0 && !introduced)
        return;
    uint32_t anxious = 0;
    tunnel->introduced = t->paths->introduced;
    if (introduced)
        meet_all(tunnel, t);
    for (uint32_t i = 0; i < tunnel->peers.high_water; i++) {
        struct tunnel_peer *peer = tunnel_peer_at(tunnel, i);
        if (peer == NULL || tunnel_is_stock(peer))
            continue;
        if (introduced)
            tunnel_peer_learn(tunnel, t, peer);
        uint32_t introductions = path_introductions(t->paths, peer->identity);
        if (introductions != peer->introductions && may_have_forgotten(peer, t->cx->now_ns)) {
            tunnel_initiate(tunnel, t, peer, false);
            tunnel_rearm(t, peer);
        }
        peer->introductions = introductions;
        if (peer->handshake_index == 0 && peer->queue_count == 0)
            continue;
        anxious++;
        if (peer->keyed)
            look_at(tunnel, t, peer);
    }
    tunnel->anxious = anxious;
}

/* ---- Packets from the host ------------------------------------------------------------------- */

void tunnel_packet(struct tunnel *tunnel, const struct tunnel_tools *t,
                   const struct node_in_packet *in)
{
    struct inner inner;
    size_t segment = in->segment > 0 && in->segment < in->size ? in->segment : in->size;
    if (segment > NODE_PACKET_MAX || in->size > NODE_PACKETS_MAX ||
        !inner_parse(&inner, in->bytes, segment)) {
        context_trace(t->cx, TRACE_TUNNEL_NOT_IP, (struct trace_record){.number = segment});
        return;
    }
    uint32_t slot = routes_find(&tunnel->routes, &inner.destination);
    struct tunnel_peer *peer = slot == ROUTE_NONE ? NULL : tunnel_peer_at(tunnel, slot);
    if (peer == NULL) {
        context_trace(t->cx, TRACE_TUNNEL_NO_ROUTE,
                      (struct trace_record){.remote = inner.destination});
        return;
    }
    tunnel_send(tunnel, t, peer, in->bytes, in->size, segment);
    tunnel_rearm(t, peer);
}

/* ---- Messages from the network --------------------------------------------------------------- */

void tunnel_message(struct tunnel *tunnel, const struct tunnel_tools *t,
                    const struct tunnel_source *source, const uint8_t *bytes, size_t size)
{
    switch (tunnel_message_type(bytes, size)) {
    case TUNNEL_INITIATION:
        tunnel_initiation(tunnel, t, source, bytes, size);
        return;
    case TUNNEL_RESPONSE:
        tunnel_response(tunnel, t, source, bytes, size);
        return;
    case TUNNEL_COOKIE:
        tunnel_cookie(tunnel, t, source, bytes, size);
        return;
    case TUNNEL_DATA:
        tunnel_data(tunnel, t, source, bytes, size);
        return;
    case TUNNEL_NO_MESSAGE:
        break;
    }
    warren_check_failed("a message of the tunnel", __FILE__, __LINE__);
}

/* ---- What a host may ask --------------------------------------------------------------------- */

bool tunnel_status(struct tunnel *tunnel, struct paths *paths, uint64_t now_ns, uint32_t slot,
                   struct node_peer *out)
{
    const struct tunnel_peer *peer = tunnel_peer_at(tunnel, slot);
    memset(out, 0, sizeof *out);
    if (peer == NULL)
        return false;
    memcpy(out->peer, peer->identity, sizeof out->peer);
    if (peer->keyed)
        memcpy(out->key, peer->noise.public_key, sizeof out->key);
    out->hub = peer->hub;
    out->session = tunnel_session_sends(&peer->current, now_ns);
    out->handshake_ns = peer->handshake_ns;
    out->sent_direct = peer->sent[0];
    out->sent_relayed = peer->sent[1];
    out->received_direct = peer->received[0];
    out->received_relayed = peer->received[1];
    out->subnet_count = peer->subnet_count;
    memcpy(out->subnets, peer->subnets, sizeof out->subnets);
    if (tunnel_is_stock(peer)) {
        out->path = peer->handshake_ns != 0 ? NODE_PATH_DIRECT : NODE_PATH_PENDING;
        out->remote = peer->endpoint;
        return true;
    }
    struct node_out_path path;
    out->path = (uint8_t)path_state(paths, peer->identity, &path);
    out->reason = path.reason;
    out->remote = path.remote;
    out->rtt_ns = path.rtt_ns;
    return true;
}
