/* Probes: sending them at their pace, what they and their acknowledgements say, doubt and death. */
#include <string.h>

#include "core/base/check.h"
#include "core/frame/keys.h"
#include "core/punch/path_state.h"

enum {
    PATH_LEARNED_MAX = 16,    /* addresses in one attempt */
    RELAY_UNANSWERED_MAX = 5, /* probes through a silent relay after which it is dead, */
    RELAY_IDLE_MAX = 16,      /* and as many while nobody waits for data */
};

#define RELAY_RETRY_NS UINT64_C(500000000)
/* Two times that are closer than this are the same, as far as pacing is concerned. */
#define PACE_APART_NS UINT64_C(200000)
/* No home is farther away; it would be a lie. */
#define OTHER_MAX_NS UINT64_C(10000000000)

/*
 * From when both sides have been told. The second is sooner where the home is near: a quarter of
 * the way there, for a NAT that has been opened only just after the first came by.
 */
static const uint64_t pace_ns[PATH_PACE] = {0, PATH_SOON_NS, 120000000, 300000000, 700000000};

static bool is_first_try(const struct path_remote *remote)
{
    return remote->rtt_ns == 0;
}

/* ---- Sending --------------------------------------------------------------------------------- */

static void remember(struct path *path, uint8_t remote, uint64_t now_ns, uint64_t id, bool wants)
{
    path->transactions[path->transaction_next++ % PATH_TRANSACTIONS] =
        (struct path_transaction){.id = id, .sent_ns = now_ns, .remote = remote, .wants = wants};
}

static uint64_t draw_transaction(const struct context *cx)
{
    uint64_t id;
    do {
        id = random_secret_u64(cx->secret);
    } while (id == 0);
    return id;
}

/* A sealed PROBE frame under the newest call; its size, or 0 when it does not fit. */
static size_t make_probe(struct paths *paths, const struct path_tools *t, const struct path *path,
                         uint64_t id, bool wants, bool opening, uint8_t *to, size_t room)
{
    const struct path_call *call = &path->calls[path->newest];
    struct punch_probe probe = {
        .flags = wants ? PUNCH_PROBE_WANTS_ANSWER : 0,
        .transaction = id,
        .side = t->client->side,
        .ack_count = path->ack_count,
    };
    memcpy(probe.acks, path->acks, sizeof probe.acks);
    uint8_t body[PUNCH_PROBE_SIZE_MAX];
    size_t size = punch_probe_encode(&probe, body, sizeof body);
    check(size > 0);
    uint64_t counter = paths->counter++;
    if (opening)
        return path_make_opening(t, path, counter, body, size, to, room);
    struct frame frame = {.type = FRAME_PROBE,
                          .receiver = call->theirs,
                          .counter = counter,
                          .body = {.size = size + FRAME_TAG_SIZE}};
    size_t at = frame_encode(&frame, to, room);
    if (at == 0)
        return 0;
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    keys_nonce(nonce, counter);
    t->tools.cx->crypto->aead_seal(to + at, call->send, nonce, to, at, body, size);
    return at + size + FRAME_TAG_SIZE;
}

/* Has a server said that the peer is there, or has the address answered before? */
static bool is_vouched(const struct path_remote *remote)
{
    return !is_first_try(remote) || remote->kind == PUNCH_CANDIDATE_OBSERVED;
}

/*
 * How many datagrams the ports of an IP address may have that nobody vouches for. The first answer
 * to a probe must not wait for a server, but what an address on the internet got wrongly comes on
 * top of what others send there; a private one only those behind the same NAT can reach. Where a
 * server sees the peer at the same IP address, a symmetric NAT has the peer at another port of it
 * for us, to which several datagrams may be lost.
 */
static uint32_t shy_most(const struct path *path, const struct addr *addr)
{
    if (addr_equal_ip(addr, &path->observed))
        return PATH_SHY_SEEN;
    return addr_is_private(addr) ? PATH_SHY_PRIVATE : PATH_SHY_OTHER;
}

/*
 * Neighbours that both tell before either is heard must have one left to answer with. So nobody
 * tells a second time before there was time for that, on the slowest LAN.
 */
static bool keeps_for_answer(const struct path_remote *remote, uint64_t now_ns)
{
    return addr_is_private(&remote->addr) && remote->shy > 0 &&
           now_ns - remote->sent_ns < PATH_SHY_ANSWER_NS;
}

/* Whether one more may go there. What is spent there comes back when it answers. */
static bool may_send(struct paths *paths, const struct context *cx, const struct path *path,
                     struct path_remote *remote, bool answers)
{
    if (is_vouched(remote))
        return true;
    if (!answers && keeps_for_answer(remote, cx->now_ns))
        return false;
    uint32_t left = PATH_SHY_SEEN - shy_most(path, &remote->addr);
    if (!budget_take_above(&paths->shy, cx->now_ns, &remote->addr, left, NULL)) {
        context_trace(cx, TRACE_PATH_SHY, (struct trace_record){.remote = remote->addr});
        return false;
    }
    remote->shy++;
    return true;
}

/* `answers`: something has come from there just now. */
static void send_probe(struct paths *paths, const struct path_tools *t, struct path *path,
                       uint8_t index, bool wants, bool answers)
{
    const struct context *cx = t->tools.cx;
    struct path_remote *remote = &path->remotes[index];
    if (path->calls[path->newest].mine == 0)
        return;
    if (index != PATH_RELAY && !may_send(paths, cx, path, remote, answers))
        return;
    uint64_t id = draw_transaction(cx);
    if (index == PATH_RELAY) {
        uint8_t bytes[FRAME_PROBE_SIZE + PUNCH_PROBE_SIZE_MAX];
        size_t size = make_probe(paths, t, path, id, wants, false, bytes, sizeof bytes);
        check(size > 0);
        path_send_relayed(t, path, bytes, size);
    } else {
        size_t room;
        uint8_t *to = outbox_room(cx->out, &room);
        bool opening = path->opening && path->early && cx->now_ns < path->attempt_ns;
        size_t size = make_probe(paths, t, path, id, wants, opening, to, room);
        context_send(cx, size,
                     (struct node_out_send){.socket = NODE_SOCKET_TRAFFIC,
                                            .remote = remote->addr,
                                            .ttl = path_order_ttl(path, remote)});
    }
    remember(path, index, cx->now_ns, id, wants);
    context_trace(cx, TRACE_PATH_PROBE,
                  (struct trace_record){.remote = remote->addr, .number = paths->counter - 1});
    remote->sent_ns = cx->now_ns;
    if (!wants)
        return;
    if (remote->unanswered < UINT8_MAX)
        remote->unanswered++;
    if (remote->waiting_ns == 0)
        remote->waiting_ns = cx->now_ns;
}

/* ---- When ------------------------------------------------------------------------------------ */

static bool in_use(const struct path *path, uint64_t now_ns)
{
    return path->data_ns != 0 && now_ns - path->data_ns < PATH_IN_USE_NS;
}

static uint64_t relay_next(const struct path_tools *t, const struct path *path)
{
    const struct path_remote *relay = &path->remotes[PATH_RELAY];
    uint64_t now_ns = t->tools.cx->now_ns;
    if (relay->waiting_ns != 0 || !relay->heard)
        return now_ns + RELAY_RETRY_NS;
    if (path->chosen == PATH_RELAY && in_use(path, now_ns))
        return now_ns + 2 * RELAY_RETRY_NS;
    return now_ns + PATH_RELAY_KEEPALIVE_NS + (path_is_first(t, path) ? 0 : RELAY_RETRY_NS * 8);
}

uint64_t path_probe_chosen(const struct path_tools *t, const struct path *path)
{
    const struct path_remote *remote = &path->remotes[path->chosen];
    uint64_t now_ns = t->tools.cx->now_ns;
    if (path->doubt)
        return now_ns + PATH_DOUBTFUL_NS;
    if (remote->waiting_ns != 0 || in_use(path, now_ns))
        return now_ns + PATH_ACTIVE_NS;
    return now_ns + (path_is_first(t, path) ? PATH_KEEPALIVE_NS : PATH_KEEPALIVE_OTHER_NS);
}

/* At the pace of a new candidate. What was sent before the other side was told comes on top. */
static uint64_t paced_next(const struct path_tools *t, const struct path *path,
                           const struct path_remote *remote)
{
    if (remote->paced >= PATH_PACE || remote->valid)
        return UINT64_MAX;
    const struct seal_session *home =
        seal_at(t->tools.seal, t->client->servers[path->server].session);
    uint64_t now_ns = t->tools.cx->now_ns;
    unsigned step = path->early ? remote->paced - 1u : remote->paced;
    uint64_t wait_ns = pace_ns[step];
    if (step == 1 && home != NULL && home->rtt_ns / 8 < wait_ns)
        wait_ns = home->rtt_ns / 8;
    uint64_t next_ns = path->attempt_ns + path_order_wait_ns(path, remote, wait_ns);
    return next_ns > now_ns ? next_ns : now_ns + PATH_SOON_NS;
}

static uint64_t next_of(const struct path_tools *t, const struct path *path, uint8_t index)
{
    if (index == PATH_RELAY)
        return relay_next(t, path);
    if (index == path->chosen)
        return path_probe_chosen(t, path);
    return paced_next(t, path, &path->remotes[index]);
}

void path_attempt(const struct path_tools *t, struct path *path, uint64_t other_ns)
{
    uint64_t now_ns = t->tools.cx->now_ns;
    bool later = other_ns > PACE_APART_NS && other_ns < OTHER_MAX_NS;
    path_order_begin(t, path);
    path->early = later && !path_order_holds(path);
    path->attempt_ns = now_ns + (later ? other_ns : 0);
    path->judge_ns = path->attempt_ns + PATH_JUDGE_NS;
    for (uint8_t i = 0; i < path->remote_count; i++) {
        struct path_remote *remote = &path->remotes[i];
        remote->paced = 0;
        if (path_order_silences(path, remote))
            remote->next_ns = UINT64_MAX;
        else if (i != path->chosen)
            remote->next_ns = now_ns;
    }
    path->remotes[PATH_RELAY].next_ns = now_ns;
    path->remotes[PATH_RELAY].unanswered = 0;
    if (path->learned_ns == 0 || now_ns - path->learned_ns >= PATH_LEARN_NS) {
        path->learned_ns = now_ns;
        path->learned = 0;
    }
}

uint64_t path_probe_due(const struct path *path)
{
    uint64_t due_ns = path->remotes[PATH_RELAY].next_ns;
    for (uint8_t i = 0; i < path->remote_count; i++)
        if (path->remotes[i].next_ns < due_ns)
            due_ns = path->remotes[i].next_ns;
    if (path->chosen >= PATH_RELAY)
        return due_ns;
    const struct path_remote *remote = &path->remotes[path->chosen];
    if (remote->waiting_ns == 0)
        return due_ns;
    uint64_t change_ns =
        remote->waiting_ns + remote->rtt_ns + PATH_DOUBT_NS + (path->doubt ? PATH_DEAD_NS : 0);
    return change_ns < due_ns ? change_ns : due_ns;
}

/* What the silence of the chosen remote means. */
static void watch(struct paths *paths, const struct path_tools *t, struct path *path)
{
    struct path_remote *remote = &path->remotes[path->chosen];
    uint64_t now_ns = t->tools.cx->now_ns;
    if (remote->waiting_ns == 0)
        return;
    uint64_t silent_ns = now_ns - remote->waiting_ns;
    if (!path->doubt && silent_ns >= remote->rtt_ns + PATH_DOUBT_NS) {
        path->doubt = true;
        context_trace(t->tools.cx, TRACE_PATH_DOUBT, (struct trace_record){.remote = remote->addr});
        client_ask_home(t->client, &t->tools);
    }
    if (silent_ns >= remote->rtt_ns + PATH_DOUBT_NS + PATH_DEAD_NS) {
        remote->valid = false;
        remote->next_ns = UINT64_MAX;
        path->doubt = false;
        path->chosen = PATH_NONE;
        path_call_anew(paths, t, path);
    }
}

/*
 * Who hears nothing at all calls anew, and that helps both; so one direction is enough to keep a
 * relay, and a bad link does not cost the path. But data alone keeps only what a probe has proven:
 * a peer that was started since answers data and knows nothing of the call.
 */
void path_relay_speaks(struct path *path)
{
    if (path->remotes[PATH_RELAY].heard)
        path->remotes[PATH_RELAY].unanswered = 0;
}

void path_probe_work(struct paths *paths, const struct path_tools *t, struct path *path)
{
    uint64_t now_ns = t->tools.cx->now_ns;
    struct path_remote *relay = &path->remotes[PATH_RELAY];
    for (unsigned k = 0; k <= path->remote_count; k++) {
        uint8_t i = k < path->remote_count ? (uint8_t)k : PATH_RELAY;
        struct path_remote *remote = &path->remotes[i];
        if (remote->next_ns > now_ns)
            continue;
        if (i == PATH_RELAY &&
            relay->unanswered >= (in_use(path, now_ns) ? RELAY_UNANSWERED_MAX : RELAY_IDLE_MAX)) {
            /* The channel is gone, or the peer is: a call makes it anew where it can. */
            relay->unanswered = 0;
            relay->waiting_ns = 0;
            relay->heard = false;
            relay->next_ns = UINT64_MAX;
            path_call_anew(paths, t, path);
            continue;
        }
        /* Whose relay is silent has perhaps no home any more. */
        if (i == PATH_RELAY && relay->waiting_ns != 0)
            client_ask_home(t->client, &t->tools);
        send_probe(paths, t, path, i, true, false);
        if (i < PATH_RELAY && i != path->chosen)
            remote->paced++;
        remote->next_ns = next_of(t, path, i);
        check(remote->next_ns > now_ns);
    }
    if (path->chosen < PATH_RELAY)
        watch(paths, t, path);
}

void path_probe_woken(struct paths *paths, const struct path_tools *t, struct path *path)
{
    uint8_t index = path->chosen;
    if (index == PATH_NONE)
        return;
    path->remotes[index].next_ns = t->tools.cx->now_ns;
    path_probe_work(paths, t, path);
}

/* ---- Receiving ------------------------------------------------------------------------------- */

/* Opens and decodes a probe; false when it is not an authentic new one. */
static bool open_probe(const struct path_tools *t, struct path_call *call,
                       const struct node_in_datagram *datagram, const struct frame *frame,
                       struct punch_probe *probe)
{
    const struct context *cx = t->tools.cx;
    if (replay_seen(&call->seen, frame->counter)) {
        context_trace(cx, TRACE_SEAL_REPLAY,
                      (struct trace_record){.remote = datagram->remote, .number = frame->counter});
        return false;
    }
    uint8_t nonce[CRYPTO_AEAD_NONCE_SIZE];
    keys_nonce(nonce, frame->counter);
    uint8_t body[PUNCH_PROBE_SIZE_MAX];
    if (frame->body.size > sizeof body + FRAME_TAG_SIZE ||
        !cx->crypto->aead_open(body, call->receive, nonce, frame->front.bytes, frame->front.size,
                               frame->body.bytes, frame->body.size)) {
        context_trace(cx, TRACE_SEAL_BAD_TAG,
                      (struct trace_record){.remote = datagram->remote, .number = frame->type});
        return false;
    }
    replay_mark(&call->seen, frame->counter);
    enum punch_error error = punch_probe_decode(probe, body, frame->body.size - FRAME_TAG_SIZE);
    if (error == PUNCH_OK)
        return true;
    context_trace(cx, TRACE_HOME_MALFORMED,
                  (struct trace_record){.remote = datagram->remote, .number = error});
    return false;
}

/*
 * The remote that a probe came from, and whether nothing has come from there before. A new address
 * is learned, but not more than PATH_LEARNED_MAX in one attempt: a peer whose every datagram comes
 * from elsewhere must not keep us busy.
 */
static uint8_t heard_from(struct paths *paths, const struct path_tools *t, struct path *path,
                          const struct addr *from, bool *fresh)
{
    uint8_t index = PATH_RELAY;
    if (from->family != ADDR_NONE) {
        index = path_find_remote(path, from);
        if (index == PATH_NONE && path->learned < PATH_LEARNED_MAX) {
            index = path_add_remote(paths, path, from, 0);
            path->learned++;
        }
        if (index == PATH_NONE)
            return PATH_NONE;
    }
    struct path_remote *remote = &path->remotes[index];
    *fresh = !remote->heard;
    remote->heard = true;
    if (index == PATH_RELAY)
        path_relay_speaks(path);
    if (!*fresh || index == PATH_RELAY)
        return index;
    if (remote->kind == 0) {
        context_trace(t->tools.cx, TRACE_PATH_LEARNED, (struct trace_record){.remote = *from});
        /* It is answered at once; what follows keeps the pace. */
        remote->paced = 1;
        remote->next_ns = t->tools.cx->now_ns + PATH_SOON_NS;
    }
    /* Who was heard first has the address, until another one proves to be there. */
    uint32_t slot;
    if (!map_get(&paths->by_remote, from, &slot))
        map_set(&paths->by_remote, from, path->self.index);
    return index;
}

/* A probe of ours has arrived: where it went is a way to the peer. */
/*
 * One more round trip. The acknowledgement of a probe that wanted no answer waits for the next probe
 * that the peer sends anyway, so it tells no more than that the round trip is not longer.
 */
static void measure(struct path_remote *remote, uint64_t rtt_ns, bool wants)
{
    if (rtt_ns == 0)
        rtt_ns = 1;
    if (is_first_try(remote) || rtt_ns < remote->rtt_ns / 2)
        remote->rtt_ns = rtt_ns;
    else if (wants || rtt_ns < remote->rtt_ns)
        remote->rtt_ns = (7 * remote->rtt_ns + rtt_ns) / 8;
}

static void acknowledged(struct paths *paths, const struct path_tools *t, struct path *path,
                         uint64_t id, bool relayed)
{
    const struct context *cx = t->tools.cx;
    check(id != 0); /* the codec has seen to it: a slot without a probe has the id 0 */
    for (unsigned i = 0; i < PATH_TRANSACTIONS; i++) {
        struct path_transaction *transaction = &path->transactions[i];
        if (transaction->id != id || (relayed && transaction->remote != PATH_RELAY))
            continue;
        struct path_remote *remote = &path->remotes[transaction->remote];
        measure(remote, cx->now_ns - transaction->sent_ns, transaction->wants);
        remote->unanswered = 0;
        remote->waiting_ns = 0;
        remote->acked_ns = cx->now_ns;
        if (transaction->remote == PATH_RELAY) {
            remote->next_ns = relay_next(t, path);
        } else {
            remote->next_ns =
                transaction->remote == path->chosen ? path_probe_chosen(t, path) : UINT64_MAX;
            remote->valid = true;
            map_set(&paths->by_remote, &remote->addr, path->self.index);
            if (remote->shy > 0)
                budget_give_back(&paths->shy, cx->now_ns, &remote->addr, remote->shy);
            remote->shy = 0;
            if (transaction->remote == path->chosen)
                path->doubt = false;
        }
        context_trace(cx, TRACE_PATH_ACKED,
                      (struct trace_record){.remote = remote->addr, .number = id});
        *transaction = (struct path_transaction){0};
        return;
    }
}

static void will_acknowledge(struct path *path, uint64_t id)
{
    if (path->ack_count == PUNCH_ACKS_MAX) {
        memmove(path->acks, path->acks + 1, sizeof path->acks[0] * (PUNCH_ACKS_MAX - 1));
        path->ack_count--;
    }
    path->acks[path->ack_count++] = id;
}

/*
 * Answers to where a probe came from. The first time, the answer also goes to where the peer's home
 * sees it and to what is known to work: behind a NAT that shows inside addresses to the inside, the
 * source of a probe is not where an answer must go.
 */
static void answer(struct paths *paths, const struct path_tools *t, struct path *path,
                   uint8_t source, bool wanted, bool fresh)
{
    struct path_remote *remote = &path->remotes[source];
    bool proven = source == PATH_RELAY ? remote->rtt_ns != 0 : remote->valid;
    if (wanted || fresh)
        send_probe(paths, t, path, source, !proven && remote->unanswered < PATH_PACE, true);
    if (!fresh || source == PATH_RELAY)
        return;
    for (uint8_t i = 0; i < path->remote_count; i++)
        if (i != source &&
            (path->remotes[i].valid || path->remotes[i].kind == PUNCH_CANDIDATE_OBSERVED))
            send_probe(paths, t, path, i, false, false);
}

/*
 * Whether a probe under this call (NULL: an opening) says that the peer knows what we send under. A
 * probe under an older call says nothing of the sort: it may be that the offer of our call was
 * lost, while the peer has its own and now sends what we cannot read.
 */
static bool is_answer(const struct path *path, const struct path_call *call)
{
    if (call == NULL || memcmp(call->nonce, path->calling_nonce, PUNCH_NONCE_SIZE) == 0)
        return true;
    return path_find_call(path, path->calling_nonce) != PATH_NONE &&
           call == &path->calls[path->newest];
}

void path_probe(struct paths *paths, const struct path_tools *t,
                const struct node_in_datagram *datagram, const struct frame *frame)
{
    struct path_call *call;
    struct punch_probe probe;
    struct path *path = path_by_index(paths, frame->receiver, &call);
    if (path == NULL) {
        context_trace(t->tools.cx, TRACE_FRAME_UNEXPECTED,
                      (struct trace_record){.remote = datagram->remote, .number = FRAME_PROBE});
        return;
    }
    if (call == NULL ? !path_open(paths, t, path, frame, &probe)
                     : !open_probe(t, call, datagram, frame, &probe))
        return;
    path->opening = false;
    context_trace(t->tools.cx, TRACE_PATH_HEARD,
                  (struct trace_record){.remote = datagram->remote, .number = frame->counter});
    path->theirs = probe.side;
    path->blamed = false;
    path->heard_ns = t->tools.cx->now_ns;
    if (frame->counter > path->highest)
        path->highest = frame->counter;
    if (path->calling && is_answer(path, call)) {
        path->calling = false;
        path->call_tries = 0;
        path->call_next_ns = UINT64_MAX;
    }
    bool relayed = datagram->remote.family == ADDR_NONE;
    if (call == NULL || call == &path->calls[path->newest])
        path_order_heard(t, path, relayed);
    for (unsigned i = 0; i < probe.ack_count; i++)
        acknowledged(paths, t, path, probe.acks[i], relayed);
    will_acknowledge(path, probe.transaction);
    bool fresh = false;
    uint8_t source = heard_from(paths, t, path, &datagram->remote, &fresh);
    path_settle(t, path);
    if (source != PATH_NONE)
        answer(paths, t, path, source, (probe.flags & PUNCH_PROBE_WANTS_ANSWER) != 0, fresh);
    path_settle(t, path);
}
