/* Calls: asking the home for a peer, and what an offer brings. */
#include <string.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/frame/keys.h"
#include "core/punch/path_state.h"

/* ---- Keys ------------------------------------------------------------------------------------ */

static const char path_label[] = "warren path v1";
static const char index_label[] = "warren path index v1";
static const char call_label[] = "warren call index v1";

static uint32_t index_of(const struct crypto *crypto, const char *label, size_t label_size,
                         const uint8_t *key, size_t key_size)
{
    uint8_t hash[CRYPTO_BLAKE2S_SIZE];
    struct crypto_span part = {(const uint8_t *)label, label_size};
    crypto->blake2s(hash, sizeof hash, key, key_size, &part, 1);
    struct reader r = reader_of(hash, sizeof hash);
    uint32_t index = read_u32(&r);
    return index == 0 ? 1 : index;
}

/* By which a call's probes are named, in one direction. */
static uint32_t probe_index(const struct crypto *crypto, const uint8_t key[static 32])
{
    return index_of(crypto, index_label, sizeof index_label - 1, key, 32);
}

/* By which a callee names a call of which the caller has not heard back. */
static uint32_t call_index(const struct crypto *crypto,
                           const uint8_t nonce[static PUNCH_NONCE_SIZE])
{
    return index_of(crypto, call_label, sizeof call_label - 1, nonce, PUNCH_NONCE_SIZE);
}

/* One direction's key: from the holder of the first public key and salt to the other. */
static void derive(const struct path_tools *t, const struct path *path,
                   const uint8_t nonce[static PUNCH_NONCE_SIZE],
                   const uint8_t theirs[static PUNCH_SALT_SIZE], bool ours, uint8_t key[static 32])
{
    const struct crypto *crypto = t->tools.cx->crypto;
    struct crypto_span mine[2] = {{t->tools.self->public_key, IDENTITY_TUNNEL_KEY_SIZE},
                                  {t->client->salt, PUNCH_SALT_SIZE}};
    struct crypto_span other[2] = {{path->peer.tunnel_key, IDENTITY_TUNNEL_KEY_SIZE},
                                   {theirs, PUNCH_SALT_SIZE}};
    struct crypto_span parts[6] = {
        {(const uint8_t *)path_label, sizeof path_label - 1},
        {nonce, PUNCH_NONCE_SIZE},
        ours ? mine[0] : other[0],
        ours ? mine[1] : other[1],
        ours ? other[0] : mine[0],
        ours ? other[1] : mine[1],
    };
    crypto->blake2s(key, CRYPTO_BLAKE2S_SIZE, path->secret, sizeof path->secret, parts, 6);
}

struct path *path_by_index(struct paths *paths, uint32_t index, struct path_call **call)
{
    uint32_t value;
    struct handle handle;
    *call = NULL;
    if (!map_get(&paths->by_index, &index, &value))
        return NULL;
    struct path *path = pool_slot(&paths->pool, value / PATH_INDICES, &handle);
    check(path != NULL);
    if (value % PATH_INDICES == PATH_CALLS) {
        check(path->calling_index == index);
    } else {
        *call = &path->calls[value % PATH_INDICES];
        check((*call)->mine == index);
    }
    return path;
}

/* Openings of our latest call are known by this index from now on; 0: none are expected. */
static void set_calling_index(struct paths *paths, struct path *path, uint32_t index)
{
    uint32_t taken;
    if (path->calling_index != 0)
        map_remove(&paths->by_index, &path->calling_index);
    path->calling_index = 0;
    path->opening_tries = 0;
    if (index == 0 || map_get(&paths->by_index, &index, &taken))
        return;
    bool added = map_set(&paths->by_index, &index, path->self.index * PATH_INDICES + PATH_CALLS);
    check(added);
    path->calling_index = index;
}

uint8_t path_find_call(const struct path *path, const uint8_t nonce[static PUNCH_NONCE_SIZE])
{
    for (unsigned i = 0; i < PATH_CALLS; i++)
        if (path->calls[i].mine != 0 && memcmp(path->calls[i].nonce, nonce, PUNCH_NONCE_SIZE) == 0)
            return (uint8_t)i;
    return PATH_NONE;
}

/*
 * Makes the call with this nonce the newest; the older of the two that there were is forgotten. A
 * call that is known keeps its keys and counters. False when its index is taken.
 */
static bool set_call(struct paths *paths, const struct path_tools *t, struct path *path,
                     const uint8_t nonce[static PUNCH_NONCE_SIZE],
                     const uint8_t salt[static PUNCH_SALT_SIZE])
{
    uint8_t known = path_find_call(path, nonce);
    if (known != PATH_NONE) {
        path->newest = known;
        return true;
    }
    const struct crypto *crypto = t->tools.cx->crypto;
    uint8_t slot = path->calls[path->newest].mine == 0 ? path->newest : (uint8_t)(path->newest ^ 1);
    struct path_call *call = &path->calls[slot];
    struct path_call fresh = {0};
    memcpy(fresh.nonce, nonce, PUNCH_NONCE_SIZE);
    derive(t, path, nonce, salt, true, fresh.send);
    derive(t, path, nonce, salt, false, fresh.receive);
    fresh.mine = probe_index(crypto, fresh.receive);
    fresh.theirs = probe_index(crypto, fresh.send);
    /* What was heard under this salt before is not heard again under an old call come back. */
    if (memcmp(path->salt, salt, PUNCH_SALT_SIZE) != 0) {
        memcpy(path->salt, salt, PUNCH_SALT_SIZE);
        path->highest = 0;
    }
    fresh.seen.highest = path->highest;
    fresh.seen.window = path->highest > 0 ? UINT64_MAX : 0;
    uint32_t taken;
    bool ok = !map_get(&paths->by_index, &fresh.mine, &taken);
    if (ok) {
        if (call->mine != 0)
            map_remove(&paths->by_index, &call->mine);
        crypto->wipe(call, sizeof *call);
        *call = fresh;
        ok = map_set(&paths->by_index, &fresh.mine, path->self.index * PATH_INDICES + slot);
        check(ok);
        path->newest = slot;
    }
    crypto->wipe(&fresh, sizeof fresh);
    return ok;
}

/* ---- Calling --------------------------------------------------------------------------------- */

static void channel_key(uint8_t key[static 8], uint8_t server, uint32_t channel)
{
    memset(key, 0, 8);
    key[0] = server;
    struct writer w = writer_of(key + 4, 4);
    write_u32(&w, channel);
}

void path_set_channel(struct paths *paths, struct path *path, uint8_t server, uint32_t channel)
{
    if (path->channel == channel && path->server == server)
        return;
    uint8_t key[8];
    channel_key(key, path->server, path->channel);
    if (path->channel != 0)
        map_remove(&paths->by_channel, key);
    path->server = server;
    path->channel = channel;
    channel_key(key, server, channel);
    if (channel != 0) {
        bool added = map_set(&paths->by_channel, key, path->self.index);
        check(added);
    }
}

void path_calls_forget(struct paths *paths, struct path *path)
{
    set_calling_index(paths, path, 0);
    path_set_channel(paths, path, 0, 0);
    for (unsigned i = 0; i < PATH_CALLS; i++)
        if (path->calls[i].mine != 0)
            map_remove(&paths->by_index, &path->calls[i].mine);
}

static void draw_channel(struct paths *paths, const struct path_tools *t, struct path *path,
                         uint8_t server)
{
    uint32_t channel, taken;
    uint8_t key[8];
    do {
        channel = random_secret_u32(t->tools.cx->secret);
        channel_key(key, server, channel);
    } while (channel == 0 || map_get(&paths->by_channel, key, &taken));
    path_set_channel(paths, path, server, channel);
}

void path_call(struct paths *paths, const struct path_tools *t, struct path *path)
{
    uint64_t now_ns = t->tools.cx->now_ns;
    const struct client_server *home = client_home(t->client);
    path->call_next_ns = UINT64_MAX;
    if (home == NULL)
        return; /* when there is one, path_call_all() is called */
    uint64_t wait_ns = PATH_CALL_FIRST_NS << path->call_tries / 2;
    path->call_next_ns = now_ns + (wait_ns < PATH_CALL_LAST_NS ? wait_ns : PATH_CALL_LAST_NS);
    if (path->call_tries < PATH_CALL_TRIES_MAX)
        path->call_tries++;
    uint8_t server = t->client->home;
    if (path->calling) {
        client_ask_home(t->client, &t->tools); /* perhaps it is not there any more */
    } else {
        path->calling = true;
        random_secret_bytes(t->tools.cx->secret, path->calling_nonce, PUNCH_NONCE_SIZE);
        set_calling_index(paths, path, call_index(t->tools.cx->crypto, path->calling_nonce));
    }
    if (path->channel == 0 || path->server != server)
        draw_channel(paths, t, path, server);
    struct punch_message message = {.type = PUNCH_CONNECT, .channel = path->channel};
    memcpy(message.identity, path->peer.identity, IDENTITY_SIZE);
    memcpy(message.nonce, path->calling_nonce, PUNCH_NONCE_SIZE);
    path->call_ns = now_ns;
    client_send(t->client, &t->tools, server, &message);
    context_trace(t->tools.cx, TRACE_PATH_CALL,
                  (struct trace_record){.remote = home->punch, .number = path->call_tries});
}

void path_call_anew(struct paths *paths, const struct path_tools *t, struct path *path)
{
    uint64_t now_ns = t->tools.cx->now_ns;
    path->calling = false;
    path->call_tries = 0;
    path->recheck_ns = PATH_RECHECK_FIRST_NS;
    if (path->call_ns == 0 || now_ns - path->call_ns >= PATH_CALL_SPACING_NS)
        path_call(paths, t, path);
    else
        path->call_next_ns = path->call_ns + PATH_CALL_SPACING_NS;
}

void path_connect(struct paths *paths, const struct path_tools *t,
                  const uint8_t identity[static IDENTITY_SIZE])
{
    struct path *path = path_make(paths, t, identity);
    if (path == NULL) {
        context_trace(t->tools.cx, TRACE_COMMAND_INVALID,
                      (struct trace_record){.number = NODE_IN_CONNECT});
        return;
    }
    bool first = !path->wanted;
    path->wanted = true;
    if (first && path->chosen == PATH_NONE)
        path_call_anew(paths, t, path);
    path_settle(t, path);
}

void path_call_all(struct paths *paths, const struct path_tools *t)
{
    for (uint32_t i = 0; i < paths->pool.high_water; i++) {
        struct handle handle;
        struct path *path = pool_slot(&paths->pool, i, &handle);
        if (path == NULL || (!path->wanted && !path->known))
            continue;
        if (path->server != t->client->home)
            path->call_ns = 0; /* another home: the one before may not have heard the last call */
        path_call_anew(paths, t, path);
        path_settle(t, path);
    }
}

/* ---- Being answered, or called --------------------------------------------------------------- */

/* Whether an introduction is to be believed, and whose it is. */
static bool introduce(const struct path_tools *t, const struct frame_span *introduction,
                      struct member *member)
{
    enum identity_error error = self_verify(t->tools.self, t->tools.cx->crypto, t->tools.cx->now_ns,
                                            introduction->bytes, introduction->size, member);
    if (error == IDENTITY_OK && !member->server &&
        memcmp(member->identity, t->tools.self->identity, IDENTITY_SIZE) != 0)
        return true;
    context_trace(t->tools.cx, TRACE_INTRODUCTION_REFUSED, (struct trace_record){.number = error});
    return false;
}

/* The path's peer is this member. False for a bad tunnel key. */
static bool believe(struct paths *paths, const struct path_tools *t, struct path *path,
                    const struct member *member)
{
    bool rekey = !path->known ||
                 memcmp(path->peer.tunnel_key, member->tunnel_key, IDENTITY_TUNNEL_KEY_SIZE) != 0;
    if (rekey &&
        !t->tools.cx->crypto->x25519(path->secret, t->tools.self->tunnel_key, member->tunnel_key))
        return false;
    path->peer = *member;
    path->known = true;
    path->introductions++;
    paths->introduced++;
    return true;
}

/* The path whose call this offer answers; NULL. */
static struct path *path_called(struct paths *paths, const struct punch_message *message)
{
    for (uint32_t i = 0; i < paths->pool.high_water; i++) {
        struct handle handle;
        struct path *path = pool_slot(&paths->pool, i, &handle);
        if (path != NULL && path->wanted + path->known > 0 && path->call_ns != 0 &&
            memcmp(path->calling_nonce, message->nonce, PUNCH_NONCE_SIZE) == 0)
            return path;
    }
    return NULL;
}

/* The peer of an offer, verified each time: what was believed before may have run out. */
static struct path *offered(struct paths *paths, const struct path_tools *t,
                            const struct punch_message *offer)
{
    struct member member;
    struct path *called = path_called(paths, offer);
    if ((called != NULL) != (offer->flag != 0))
        return NULL;
    if (!introduce(t, &offer->party.introduction, &member))
        return NULL;
    struct path *path = called == NULL ? path_make(paths, t, member.identity)
                                       : path_of(paths, member.identity, false);
    if (path == NULL || (called != NULL && path != called))
        return NULL;
    if (believe(paths, t, path, &member))
        return path;
    if (!path->wanted && !path->known)
        path_forget(paths, t, path);
    return NULL;
}

/*
 * Such an address is somewhere else for everybody who is not behind the same NAT: a private one,
 * and those of a host itself and of a site (RFC 3879), which no home should tell of.
 */
static bool is_elsewhere(const struct addr *addr)
{
    bool loopback = addr->family == ADDR_V4 && addr->ip[0] == 127;
    bool site = addr->family == ADDR_V6 && addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0xc0;
    return addr_is_private(addr) || loopback || site;
}

static bool is_own(const struct path_tools *t, const struct addr *addr)
{
    for (uint32_t i = 0; i < t->client->network.count; i++)
        if (addr_equal_ip(&t->client->network.addresses[i], addr) &&
            t->client->network.traffic_port == addr->port)
            return true;
    return false;
}

static void add_candidates(struct paths *paths, const struct path_tools *t, struct path *path,
                           const struct punch_party *party)
{
    for (unsigned i = 0; i < party->candidate_count; i++)
        if (party->candidates[i].kind == PUNCH_CANDIDATE_OBSERVED)
            path->observed = party->candidates[i].addr;
    for (unsigned i = 0; i < party->candidate_count; i++) {
        const struct punch_candidate *candidate = &party->candidates[i];
        bool near = candidate->kind == PUNCH_CANDIDATE_OBSERVED ||
                    !is_elsewhere(&candidate->addr) || path_same_mapped(t, path);
        bool family = candidate->addr.family == t->client->mapped.family;
        if (near && family && !is_own(t, &candidate->addr))
            path_add_remote(paths, path, &candidate->addr, candidate->kind);
    }
}

static void offer_in(struct paths *paths, const struct path_tools *t, uint8_t server,
                     const struct punch_message *offer)
{
    struct path *path = offered(paths, t, offer);
    if (path == NULL)
        return;
    bool again = path_find_call(path, offer->nonce) == path->newest;
    if (!set_call(paths, t, path, offer->nonce, offer->party.salt))
        return;
    context_trace(t->tools.cx, TRACE_PATH_OFFER,
                  (struct trace_record){.number = offer->party.candidate_count});
    path->blamed = false;
    path->opening = offer->flag == 0 && !again;
    path->theirs = offer->party.side;
    path_set_channel(paths, path, server, offer->channel);
    add_candidates(paths, t, path, &offer->party);
    /* The same offer once more brings candidates, but no new attempt on top of the one under way. */
    if (!again || path->judge_ns <= t->tools.cx->now_ns || path->judge_ns == UINT64_MAX)
        path_attempt(t, path, (uint64_t)offer->other_us * 1000);
    path_probe_work(paths, t, path);
    path_settle(t, path);
}

static void refused_in(struct paths *paths, const struct path_tools *t,
                       const struct punch_message *message)
{
    struct path *path = path_called(paths, message);
    if (path == NULL || !path->calling)
        return;
    if (message->flag == PUNCH_REFUSED_CHANNEL) {
        /* Nobody has refused the call itself: it comes again, with another number. */
        path_set_channel(paths, path, path->server, 0);
        path_call_anew(paths, t, path);
        path_settle(t, path);
        return;
    }
    path->blamed = true;
    path->refusal = message->flag;
    path->calling = false;
    path->call_tries = 0;
    path->call_next_ns = t->tools.cx->now_ns + path->recheck_ns;
    path->recheck_ns =
        2 * path->recheck_ns < PATH_RECHECK_LAST_NS ? 2 * path->recheck_ns : PATH_RECHECK_LAST_NS;
    path_settle(t, path);
}

void path_message(struct paths *paths, const struct path_tools *t, uint8_t server,
                  const struct punch_message *message)
{
    if (message->type == PUNCH_OFFER)
        offer_in(paths, t, server, message);
    else if (message->type == PUNCH_REFUSED)
        refused_in(paths, t, message);
}

/* ---- Openings -------------------------------------------------------------------------------- */

/*
 * Where the callee's home is nearer than the caller's, or the caller's is far from it, the callee's
 * first probe can be there before the caller has been told of it. So it says who it is: behind the
 * frame's header its tunnel key and salt, then, sealed, the size (2 bytes) and bytes of its
 * introduction and the probe's body.
 */
enum { OPENING_CLEAR = IDENTITY_TUNNEL_KEY_SIZE + PUNCH_SALT_SIZE };

size_t path_make_opening(const struct path_tools *t, const struct path *path, uint64_t counter,
                         const uint8_t *body, size_t body_size, uint8_t *to, size_t room)
{
    const struct self *self = t->tools.self;
    const struct path_call *call = &path->calls[path->newest];
    const struct crypto *crypto = t->tools.cx->crypto;
    size_t sealed = 2 + self->introduction_size + body_size;
    struct frame frame = {.type = FRAME_PROBE,
                          .receiver = call_index(crypto, call->nonce),
                          .counter = counter,
                          .body = {.size = OPENING_CLEAR + sealed + FRAME_TAG_SIZE}};
    size_t at = frame_encode(&frame, to, room);
    if (at == 0)
        return 0;
    struct writer w = writer_of(to + at, room - at);
    write_bytes(&w, self->public_key, IDENTITY_TUNNEL_KEY_SIZE);
    write_bytes(&w, t->client->salt, PUNCH_SALT_SIZE);
    write_u16(&w, (uint16_t)self->introduction_size);
    write_bytes(&w, self->introduction, self->introduction_size);
    write_bytes(&w, body, body_size);
    check(!w.failed && w.index == OPENING_CLEAR + sealed);
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    keys_nonce(nonce, counter);
    uint8_t *plain = to + at + OPENING_CLEAR;
    crypto->aead_seal(plain, call->send, nonce, to, at + OPENING_CLEAR, plain, sealed);
    return at + OPENING_CLEAR + sealed + FRAME_TAG_SIZE;
}

/* Opens it with the keys that it claims; the plaintext is good only when that succeeds. */
static bool unseal_opening(const struct path_tools *t, struct path *claim,
                           const struct frame *frame, uint8_t *plain)
{
    const struct crypto *crypto = t->tools.cx->crypto;
    const uint8_t *clear = frame->body.bytes;
    memcpy(claim->peer.tunnel_key, clear, IDENTITY_TUNNEL_KEY_SIZE);
    if (!crypto->x25519(claim->secret, t->tools.self->tunnel_key, clear))
        return false;
    uint8_t key[32], nonce[CRYPTO_AEAD_NONCE_SIZE];
    derive(t, claim, claim->calling_nonce, clear + IDENTITY_TUNNEL_KEY_SIZE, false, key);
    keys_nonce(nonce, frame->counter);
    bool opened =
        crypto->aead_open(plain, key, nonce, frame->front.bytes, frame->front.size + OPENING_CLEAR,
                          clear + OPENING_CLEAR, frame->body.size - OPENING_CLEAR);
    crypto->wipe(key, sizeof key);
    return opened;
}

bool path_open(struct paths *paths, const struct path_tools *t, struct path *path,
               const struct frame *frame, struct punch_probe *probe)
{
    uint8_t plain[2 + SELF_INTRODUCTION_MAX + PUNCH_PROBE_SIZE_MAX];
    if (frame->body.size < OPENING_CLEAR + FRAME_TAG_SIZE ||
        frame->body.size - OPENING_CLEAR - FRAME_TAG_SIZE > sizeof plain)
        return false;
    struct path claim;
    memcpy(claim.calling_nonce, path->calling_nonce, sizeof claim.calling_nonce);
    bool good = unseal_opening(t, &claim, frame, plain);
    t->tools.cx->crypto->wipe(claim.secret, sizeof claim.secret);
    if (!good) {
        if (++path->opening_tries >= PATH_OPENINGS_MAX)
            set_calling_index(paths, path, 0);
        return false;
    }
    struct reader r = reader_of(plain, frame->body.size - OPENING_CLEAR - FRAME_TAG_SIZE);
    struct frame_span introduction = {.size = read_u16(&r)};
    introduction.bytes = read_span(&r, introduction.size);
    size_t left = reader_left(&r);
    struct member member;
    if (introduction.bytes == NULL ||
        punch_probe_decode(probe, read_span(&r, left), left) != PUNCH_OK ||
        !introduce(t, &introduction, &member) ||
        memcmp(member.identity, path->peer.identity, IDENTITY_SIZE) != 0 ||
        memcmp(member.tunnel_key, claim.peer.tunnel_key, IDENTITY_TUNNEL_KEY_SIZE) != 0)
        return false;
    /* One opening is enough: the same bytes once more would be a replay. */
    set_calling_index(paths, path, 0);
    return believe(paths, t, path, &member) &&
           set_call(paths, t, path, path->calling_nonce,
                    frame->body.bytes + IDENTITY_TUNNEL_KEY_SIZE);
}
