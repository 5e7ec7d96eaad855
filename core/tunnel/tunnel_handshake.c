/*
 * How sessions begin: initiations, responses, cookies, and what is done under load (the WireGuard
 * paper, sections 5.3, 5.4 and 6.2 to 6.6).
 */
#include <string.h>

#include "core/base/check.h"
#include "core/tunnel/tunnel_state.h"

#define SECOND_NS UINT64_C(1000000000)
/* TAI64N of the Unix epoch: 2^62, and the ten seconds that TAI was ahead. */
#define TAI64_EPOCH (UINT64_C(0x4000000000000000) + 10)
/* Less than the true time is told: this hides what a clock says of its machine. */
#define TIMESTAMP_STEP_NS UINT64_C(16777216)

static void dropped(const struct tunnel_tools *t, const struct tunnel_source *source,
                    enum trace_kind kind, uint64_t number)
{
    context_trace(t->cx, kind,
                  (struct trace_record){
                      .socket = source->socket, .remote = source->remote, .number = number});
}

/* ---- Timestamps ------------------------------------------------------------------------------ */

static void write_be(uint8_t *to, uint64_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
}

/* One that is greater than all before, also when the wall clock has gone back. */
static void make_timestamp(const struct tunnel_tools *t, struct tunnel_peer *peer)
{
    uint64_t now_ns = t->cx->now_ns;
    uint64_t part_ns = t->self->clock_known ? (now_ns - t->self->clock_ns) % SECOND_NS : 0;
    uint8_t timestamp[TUNNEL_TIMESTAMP_SIZE];
    write_be(timestamp, TAI64_EPOCH + self_wall_s(t->self, now_ns), 8);
    write_be(timestamp + 8, part_ns - part_ns % TIMESTAMP_STEP_NS, 4);
    if (memcmp(timestamp, peer->sent_timestamp, sizeof timestamp) > 0) {
        memcpy(peer->sent_timestamp, timestamp, sizeof timestamp);
        return;
    }
    /* The last one and one more: its bytes, as one number. */
    for (unsigned i = TUNNEL_TIMESTAMP_SIZE; i > 0 && ++peer->sent_timestamp[i - 1] == 0;)
        i--;
}

/* ---- Cookies and load ------------------------------------------------------------------------ */

static void cookies_turn(struct tunnel *tunnel, const struct tunnel_tools *t)
{
    uint64_t periods = (t->cx->now_ns - tunnel->cookie_ns) / TUNNEL_COOKIE_NS;
    if (periods == 0)
        return;
    if (periods == 1)
        memcpy(tunnel->cookie_secret[1], tunnel->cookie_secret[0], NOISE_KEY_SIZE);
    else
        random_secret_bytes(t->cx->secret, tunnel->cookie_secret[1], NOISE_KEY_SIZE);
    random_secret_bytes(t->cx->secret, tunnel->cookie_secret[0], NOISE_KEY_SIZE);
    tunnel->cookie_ns += periods * TUNNEL_COOKIE_NS;
}

static bool mac2_is_right(const struct tunnel *tunnel, const struct tunnel_tools *t,
                          const struct tunnel_source *source, const uint8_t *bytes, size_t size)
{
    static const uint8_t none[TUNNEL_MAC_SIZE];
    if (memcmp(bytes + size - TUNNEL_MAC2_END, none, sizeof none) == 0)
        return false;
    for (unsigned i = 0; i < 2; i++) {
        uint8_t cookie[TUNNEL_COOKIE_SIZE];
        noise_cookie_of(t->cx->crypto, tunnel->cookie_secret[i], &source->remote, source->channel,
                        cookie);
        if (noise_check_mac2(t->cx->crypto, cookie, bytes, size))
            return true;
    }
    return false;
}

/* The way back to where something came from. */
static struct tunnel_way way_back(const struct tunnel_source *source)
{
    struct tunnel_way way = {.socket = source->socket,
                             .direct = source->channel == 0,
                             .remote = source->remote,
                             .relayed = source->channel != 0,
                             .home = source->remote,
                             .channel = source->channel};
    return way;
}

static void send_cookie(struct tunnel *tunnel, const struct tunnel_tools *t,
                        const struct tunnel_source *source, uint32_t sender,
                        const uint8_t mac1[static TUNNEL_MAC_SIZE])
{
    uint8_t nonce[CRYPTO_XAEAD_NONCE_SIZE], cookie[TUNNEL_COOKIE_SIZE];
    uint8_t bytes[TUNNEL_COOKIE_REPLY_SIZE];
    struct tunnel_cookie reply = {.receiver = sender};
    random_secret_bytes(t->cx->secret, nonce, sizeof nonce);
    noise_cookie_of(t->cx->crypto, tunnel->cookie_secret[0], &source->remote, source->channel,
                    cookie);
    noise_seal_cookie(t->cx->crypto, &tunnel->self, mac1, nonce, cookie, &reply);
    tunnel_cookie_encode(&reply, bytes);
    struct tunnel_way way = way_back(source);
    if (tunnel_send_message(t, &way, bytes, sizeof bytes))
        dropped(t, source, TRACE_TUNNEL_COOKIE_SENT, sender);
}

/*
 * Whose handshakes a message counts as: of its address; or of its relay's channel, as an address
 * that nobody has, since multicast is no source.
 */
static struct addr account_of(const struct tunnel_source *source)
{
    if (source->channel == 0)
        return source->remote;
    struct addr account = {.family = ADDR_V6, .ip = {0xff}};
    write_be(account.ip + 4, source->channel, 4);
    return account;
}

/*
 * Whether a handshake message may cost a Diffie-Hellman. The second half of the tokens is for those
 * who have shown by a cookie that they are where they say.
 */
static bool load_allows(struct tunnel *tunnel, const struct tunnel_tools *t,
                        const struct tunnel_source *source, uint32_t sender, const uint8_t *mac1,
                        const uint8_t *bytes, size_t size)
{
    const uint64_t token_ns = SECOND_NS / TUNNEL_LOAD_PER_SECOND;
    check(tunnel->load_tokens <= TUNNEL_LOAD_BURST && t->cx->now_ns >= tunnel->load_ns);
    uint64_t fills = (t->cx->now_ns - tunnel->load_ns) / token_ns;
    uint64_t missing = TUNNEL_LOAD_BURST - tunnel->load_tokens;
    tunnel->load_tokens += (uint32_t)(fills < missing ? fills : missing);
    tunnel->load_ns += fills * token_ns;
    if (2 * tunnel->load_tokens < TUNNEL_LOAD_BURST) {
        cookies_turn(tunnel, t);
        if (!mac2_is_right(tunnel, t, source, bytes, size)) {
            send_cookie(tunnel, t, source, sender, mac1);
            return false;
        }
        const struct addr account = account_of(source);
        if (!budget_take(&tunnel->sources, t->cx->now_ns, &account, NULL)) {
            dropped(t, source, TRACE_TUNNEL_OVERLOADED, 0);
            return false;
        }
    }
    if (tunnel->load_tokens == 0) {
        dropped(t, source, TRACE_TUNNEL_OVERLOADED, 0);
        return false;
    }
    tunnel->load_tokens--;
    return true;
}

static void write_macs(const struct tunnel_tools *t, struct tunnel_peer *peer, uint8_t *bytes,
                       size_t size)
{
    bool fresh = peer->cookie_ns != 0 && t->cx->now_ns - peer->cookie_ns < TUNNEL_COOKIE_NS;
    noise_write_macs(t->cx->crypto, &peer->noise, fresh ? peer->cookie : NULL, bytes, size);
    memcpy(peer->mac1, bytes + size - TUNNEL_MAC1_END, TUNNEL_MAC_SIZE);
    peer->mac1_waits = true;
}

static struct tunnel_peer *peer_by_index(struct tunnel *tunnel, uint32_t index)
{
    uint32_t slot;
    return map_get(&tunnel->by_index, &index, &slot) ? tunnel_peer_at(tunnel, slot) : NULL;
}

/* ---- As initiator ---------------------------------------------------------------------------- */

void tunnel_handshake_end(struct tunnel *tunnel, const struct tunnel_tools *t,
                          struct tunnel_peer *peer)
{
    if (peer->handshake_index != 0)
        map_remove(&tunnel->by_index, &peer->handshake_index);
    peer->handshake_index = 0;
    peer->unsent = false;
    peer->retry_ns = UINT64_MAX;
    t->cx->crypto->wipe(&peer->handshake, sizeof peer->handshake);
}

/*
 * How long an initiation waits for its answer. Section 6.4 has TUNNEL_REKEY_TIMEOUT_NS, which would
 * make one lost datagram cost a peer of the mesh its first five seconds; once there is a path, it
 * is two round trips, and longer the longer the attempt has taken. A new initiation makes the
 * answer to the last one void, so nothing is repeated before it can have come.
 */
static uint64_t repeat_after(const struct tunnel_tools *t, const struct tunnel_peer *peer)
{
    uint64_t wait_ns = TUNNEL_REKEY_TIMEOUT_NS;
    struct node_out_path path;
    if (!tunnel_is_stock(peer) &&
        path_state(t->paths, peer->identity, &path) != NODE_PATH_PENDING) {
        uint64_t taken_ns = t->cx->now_ns - peer->began_ns;
        wait_ns = path.rtt_ns != 0 ? 2 * path.rtt_ns : TUNNEL_REPEAT_NS;
        if (wait_ns < TUNNEL_REPEAT_MIN_NS)
            wait_ns = TUNNEL_REPEAT_MIN_NS;
        if (wait_ns < taken_ns / 3)
            wait_ns = taken_ns / 3;
        if (wait_ns > TUNNEL_REKEY_TIMEOUT_NS)
            wait_ns = TUNNEL_REKEY_TIMEOUT_NS;
    }
    return wait_ns + tunnel_jitter(t) * wait_ns / TUNNEL_REKEY_TIMEOUT_NS;
}

void tunnel_initiate(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                     bool again)
{
    uint64_t now_ns = t->cx->now_ns;
    bool under_way = peer->handshake_index != 0;
    if (!tunnel_is_stock(peer))
        tunnel->anxious++; /* tunnel_look() counts */
    bool can = peer->keyed && !tunnel_peer_expired(t, peer);
    if (!can && peer->retry_ns == UINT64_MAX)
        peer->retry_ns = now_ns + TUNNEL_REKEY_TIMEOUT_NS; /* what waits is given up some day */
    if (!can || (under_way && !again))
        return;
    if (!under_way)
        peer->began_ns = peer->attempt_ns = now_ns;
    tunnel_handshake_end(tunnel, t, peer);
    struct tunnel_initiation initiation = {0};
    uint8_t ephemeral[NOISE_KEY_SIZE], bytes[TUNNEL_INITIATION_SIZE];
    random_secret_bytes(t->cx->secret, ephemeral, sizeof ephemeral);
    make_timestamp(t, peer);
    noise_initiate(&peer->handshake, t->cx->crypto, &tunnel->self, &peer->noise, ephemeral,
                   peer->sent_timestamp, &initiation);
    t->cx->crypto->wipe(ephemeral, sizeof ephemeral);
    peer->handshake_index = tunnel_index_draw(tunnel, t, peer);
    initiation.sender = peer->handshake_index;
    tunnel_initiation_encode(&initiation, bytes);
    write_macs(t, peer, bytes, sizeof bytes);
    struct tunnel_way way;
    peer->way_seen =
        tunnel_is_stock(peer) ? 0 : (uint8_t)path_state(t->paths, peer->identity, NULL);
    peer->unsent = !tunnel_way(t, peer, &way) || !tunnel_send_message(t, &way, bytes, sizeof bytes);
    peer->retry_ns = now_ns + repeat_after(t, peer);
    context_trace(t->cx, TRACE_TUNNEL_INITIATED,
                  (struct trace_record){.remote = way.direct ? way.remote : way.home,
                                        .number = peer->handshake_index});
    if (peer->unsent)
        return;
    tunnel_spoke(t, peer, false);
    if (!tunnel_is_stock(peer))
        path_used(t->paths, &t->path, peer->identity);
}

/* The keys of a handshake that has ended become a session. */
static void begin_session(struct tunnel *tunnel, const struct tunnel_tools *t,
                          struct tunnel_peer *peer, struct tunnel_session *session)
{
    session->made_ns = t->cx->now_ns;
    if (session->initiator) {
        tunnel_session_end(tunnel, t, &peer->previous);
        if (peer->next.mine != 0) {
            peer->previous = peer->next;
            memset(&peer->next, 0, sizeof peer->next);
            tunnel_session_end(tunnel, t, &peer->current);
        } else {
            peer->previous = peer->current;
        }
        peer->current = *session;
    } else {
        tunnel_session_end(tunnel, t, &peer->next);
        tunnel_session_end(tunnel, t, &peer->previous);
        peer->next = *session;
    }
    t->cx->crypto->wipe(&session->keys, sizeof session->keys);
    peer->handshake_ns = t->cx->now_ns;
    peer->wipe_ns = t->cx->now_ns + 3 * TUNNEL_REJECT_AFTER_NS;
}

void tunnel_response(struct tunnel *tunnel, const struct tunnel_tools *t,
                     const struct tunnel_source *source, const uint8_t *bytes, size_t size)
{
    struct tunnel_response response;
    tunnel_response_decode(&response, bytes, size);
    if (!noise_check_mac1(t->cx->crypto, &tunnel->self, bytes, size)) {
        dropped(t, source, TRACE_TUNNEL_BAD_MAC, TUNNEL_RESPONSE);
        return;
    }
    struct tunnel_peer *peer = peer_by_index(tunnel, response.receiver);
    if (peer == NULL || peer->handshake_index != response.receiver) {
        dropped(t, source, TRACE_TUNNEL_NO_SESSION, response.receiver);
        return;
    }
    if (!load_allows(tunnel, t, source, response.sender, response.mac1, bytes, size))
        return;
    struct tunnel_session session = {.initiator = true, .theirs = response.sender};
    if (!noise_finish(&peer->handshake, t->cx->crypto, &tunnel->self, &peer->noise, &response,
                      &session.keys)) {
        dropped(t, source, TRACE_TUNNEL_FORGED, TUNNEL_RESPONSE);
        return;
    }
    session.mine = peer->handshake_index;
    peer->handshake_index = 0; /* the number is the session's from now on */
    tunnel_handshake_end(tunnel, t, peer);
    begin_session(tunnel, t, peer, &session);
    dropped(t, source, TRACE_TUNNEL_SESSION, peer->current.mine);
    tunnel_roam(t, peer, source);
    tunnel_heard(t, peer, false);
    tunnel_send_waiting(tunnel, t, peer);
    tunnel_rearm(t, peer);
}

/* ---- As responder ---------------------------------------------------------------------------- */

static void respond(struct tunnel *tunnel, const struct tunnel_tools *t,
                    const struct tunnel_source *source, struct tunnel_peer *peer,
                    struct noise_handshake *handshake, uint32_t sender)
{
    struct tunnel_response response = {.receiver = sender};
    struct tunnel_session session = {.theirs = sender};
    uint8_t ephemeral[NOISE_KEY_SIZE], bytes[TUNNEL_RESPONSE_SIZE];
    random_secret_bytes(t->cx->secret, ephemeral, sizeof ephemeral);
    bool ok =
        noise_respond(handshake, t->cx->crypto, &peer->noise, ephemeral, &response, &session.keys);
    t->cx->crypto->wipe(ephemeral, sizeof ephemeral);
    if (!ok) {
        dropped(t, source, TRACE_TUNNEL_FORGED, TUNNEL_INITIATION);
        return;
    }
    /* The slot must be free for its number. */
    tunnel_session_end(tunnel, t, &peer->next);
    tunnel_session_end(tunnel, t, &peer->previous);
    session.mine = tunnel_index_draw(tunnel, t, peer);
    response.sender = session.mine;
    begin_session(tunnel, t, peer, &session);
    tunnel_response_encode(&response, bytes);
    write_macs(t, peer, bytes, sizeof bytes);
    tunnel_roam(t, peer, source);
    dropped(t, source, TRACE_TUNNEL_SESSION, peer->next.mine);
    struct tunnel_way way;
    if (tunnel_way(t, peer, &way) && tunnel_send_message(t, &way, bytes, sizeof bytes)) {
        tunnel_spoke(t, peer, false);
        if (!tunnel_is_stock(peer))
            path_used(t->paths, &t->path, peer->identity);
    }
}

/*
 * A peer of the mesh that started again with a clock that is behind would be refused as a replay
 * for as long as that lasts. It may be one, so nothing is taken from it; but a handshake that we
 * begin ourselves is as good for the peer, and costs nobody else anything.
 */
static bool lost_its_clock(const struct tunnel_peer *peer,
                           const uint8_t timestamp[static TUNNEL_TIMESTAMP_SIZE], uint64_t now_ns)
{
    return !tunnel_is_stock(peer) &&
           memcmp(timestamp, peer->seen_timestamp, TUNNEL_TIMESTAMP_SIZE) < 0 &&
           now_ns - peer->accepted_ns >= TUNNEL_REKEY_TIMEOUT_NS + peer->behind_ns &&
           now_ns - peer->handshake_ns >= TUNNEL_REKEY_TIMEOUT_NS + peer->behind_ns;
}

/*
 * Somebody whom a path knows, and who is not a peer yet. It must first show that it has the key,
 * since it may cost another its place.
 */
static struct tunnel_peer *meet(struct tunnel *tunnel, const struct tunnel_tools *t,
                                const struct noise_handshake *handshake,
                                const struct tunnel_initiation *initiation,
                                const uint8_t key[static NOISE_KEY_SIZE])
{
    static const uint8_t no_psk[NOISE_KEY_SIZE];
    const struct crypto *crypto = t->cx->crypto;
    struct noise_peer noise;
    struct noise_handshake copy = *handshake;
    uint8_t timestamp[TUNNEL_TIMESTAMP_SIZE];
    bool has_key = path_member_by_key(t->paths, key) != NULL &&
                   noise_peer_init(&noise, crypto, &tunnel->self, key, no_psk) &&
                   noise_read_timestamp(&copy, crypto, &noise, initiation, timestamp);
    crypto->wipe(&noise, sizeof noise);
    crypto->wipe(&copy, sizeof copy);
    return has_key ? tunnel_peer_met(tunnel, t, key) : NULL;
}

void tunnel_initiation(struct tunnel *tunnel, const struct tunnel_tools *t,
                       const struct tunnel_source *source, const uint8_t *bytes, size_t size)
{
    const struct crypto *crypto = t->cx->crypto;
    struct tunnel_initiation initiation;
    tunnel_initiation_decode(&initiation, bytes, size);
    if (!noise_check_mac1(crypto, &tunnel->self, bytes, size)) {
        dropped(t, source, TRACE_TUNNEL_BAD_MAC, TUNNEL_INITIATION);
        return;
    }
    if (!load_allows(tunnel, t, source, initiation.sender, initiation.mac1, bytes, size))
        return;
    struct noise_handshake handshake;
    uint8_t key[NOISE_KEY_SIZE], timestamp[TUNNEL_TIMESTAMP_SIZE];
    struct tunnel_peer *peer = NULL;
    enum trace_kind failed = TRACE_TUNNEL_FORGED;
    if (noise_read_static(&handshake, crypto, &tunnel->self, &initiation, key)) {
        peer = tunnel_peer_by_key(tunnel, key);
        if (peer == NULL)
            peer = meet(tunnel, t, &handshake, &initiation, key);
        failed = TRACE_TUNNEL_STRANGER;
    }
    if (peer != NULL && tunnel_peer_expired(t, peer))
        peer = NULL;
    if (peer != NULL &&
        !noise_read_timestamp(&handshake, crypto, &peer->noise, &initiation, timestamp)) {
        peer = NULL;
        failed = TRACE_TUNNEL_FORGED;
    }
    uint64_t now_ns = t->cx->now_ns;
    if (peer != NULL && lost_its_clock(peer, timestamp, now_ns)) {
        /* A replay looks the same: less often each time, until the peer's clock is right. */
        peer->behind_ns = 2 * peer->behind_ns + TUNNEL_REKEY_TIMEOUT_NS;
        if (peer->behind_ns > TUNNEL_REKEY_AFTER_NS)
            peer->behind_ns = TUNNEL_REKEY_AFTER_NS;
        tunnel_initiate(tunnel, t, peer, false);
        tunnel_rearm(t, peer);
    }
    if (peer != NULL &&
        (memcmp(timestamp, peer->seen_timestamp, sizeof timestamp) <= 0 ||
         (peer->accepted_ns != 0 && now_ns - peer->accepted_ns < TUNNEL_INITIATION_APART_NS))) {
        peer = NULL;
        failed = TRACE_TUNNEL_OLD;
    }
    if (peer == NULL) {
        dropped(t, source, failed, TUNNEL_INITIATION);
        crypto->wipe(&handshake, sizeof handshake);
        return;
    }
    memcpy(peer->seen_timestamp, timestamp, sizeof timestamp);
    peer->accepted_ns = now_ns;
    peer->behind_ns = 0;
    tunnel_heard(t, peer, false);
    respond(tunnel, t, source, peer, &handshake, initiation.sender);
    tunnel_rearm(t, peer);
}

void tunnel_cookie(struct tunnel *tunnel, const struct tunnel_tools *t,
                   const struct tunnel_source *source, const uint8_t *bytes, size_t size)
{
    struct tunnel_cookie reply;
    tunnel_cookie_decode(&reply, bytes, size);
    struct tunnel_peer *peer = peer_by_index(tunnel, reply.receiver);
    if (peer == NULL || !peer->mac1_waits) {
        dropped(t, source, TRACE_TUNNEL_NO_SESSION, reply.receiver);
        return;
    }
    uint8_t cookie[TUNNEL_COOKIE_SIZE];
    if (!noise_open_cookie(t->cx->crypto, &peer->noise, peer->mac1, &reply, cookie)) {
        dropped(t, source, TRACE_TUNNEL_FORGED, TUNNEL_COOKIE);
        return;
    }
    peer->mac1_waits = false;
    memcpy(peer->cookie, cookie, sizeof cookie);
    peer->cookie_ns = t->cx->now_ns;
    dropped(t, source, TRACE_TUNNEL_COOKIE, reply.receiver);
}
