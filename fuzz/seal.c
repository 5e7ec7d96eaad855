/*
 * Fuzzes sessions: three ends and the datagrams between them. The bytes are a script of steps, each
 * a letter and its parameters, that open, renew, move and close sessions, send messages, deliver
 * what is on its way whole, changed, twice or never, hand in raw frames, restart ends, move their
 * memory, and let time pass. Out of bytes is the end; then the promises of core/frame/seal.h must
 * come true: two ends that are left in peace find together.
 */
#include "core/frame/seal.h"
#include "core/base/check.h"
#include "core/base/cursor.h"
#include "fuzz/harness.h"
#include "fuzz/null_crypto.h"

enum { ENDS = 3, SESSIONS = 2, SOURCES = 3, KEPT = 32, PACKET_MAX = 1500, STEPS_MAX = 2000 };

#define SECOND_NS UINT64_C(1000000000)

struct packet {
    struct addr from, to;
    uint32_t size;
    uint8_t bytes[PACKET_MAX];
};

/* One end, all of it in one block of memory. */
struct end {
    _Alignas(POOL_ALIGN) struct seal seal;
    _Alignas(POOL_ALIGN) struct outbox outbox;
    _Alignas(POOL_ALIGN) struct timers timers;
    _Alignas(POOL_ALIGN) uint8_t seal_memory[6 << 10];
    _Alignas(POOL_ALIGN) uint8_t outbox_memory[8 << 10];
    _Alignas(POOL_ALIGN) uint8_t timers_memory[1 << 10];
    struct random_secret secret;
    bool refuses;
    unsigned messages;
    uint64_t counts[TRACE_KINDS];
};

static struct state {
    struct reader script;
    uint64_t now_ns;
    struct end ends[ENDS];
    struct packet kept[KEPT]; /* the last ones, in turn */
    unsigned kept_count;
    uint16_t starts; /* more than 255: a boot id that came again would be a replay */
} s;

static const struct tracer no_tracer;

static unsigned pick(unsigned bound)
{
    return read_u8(&s.script) % bound;
}

static struct addr addr_of(unsigned end)
{
    return addr_v4(0xc0000201 + end, 4000);
}

/* The null x25519 makes a public key that is the private one. */
static const uint8_t *key_of(unsigned end)
{
    static const uint8_t keys[ENDS][FRAME_KEY_SIZE] = {{1}, {2}, {3}};
    return keys[end];
}

static struct context context_of(struct end *end)
{
    return (struct context){
        .now_ns = s.now_ns,
        .crypto = &crypto_null,
        .tracer = &no_tracer,
        .counts = end->counts,
        .out = &end->outbox,
        .timers = &end->timers,
        .secret = &end->secret,
    };
}

static void start(unsigned which)
{
    static const uint8_t introduction[24] = "who I am";
    struct end *end = &s.ends[which];
    memset(end, 0, sizeof *end);
    check(s.starts < UINT16_MAX);
    s.starts++;
    const uint8_t seed[RANDOM_SEED_SIZE] = {(uint8_t)which, (uint8_t)s.starts,
                                            (uint8_t)(s.starts >> 8)};
    random_secret_init(&end->secret, seed);
    check(outbox_bytes(8, 6144) <= sizeof end->outbox_memory);
    check(timers_bytes(SESSIONS) <= sizeof end->timers_memory);
    check(seal_bytes(SESSIONS, SOURCES) <= sizeof end->seal_memory);
    outbox_init(&end->outbox, end->outbox_memory, 8, 6144);
    timers_init(&end->timers, end->timers_memory, SESSIONS);
    seal_init(&end->seal, end->seal_memory, SESSIONS, SOURCES, &end->secret);
    seal_configure(&end->seal, &crypto_null, key_of(which), introduction, sizeof introduction);
}

/* Takes what an end wants sent; all of it is kept, and may arrive. Returns how many there were. */
static unsigned collect(unsigned which, const struct packet *request)
{
    struct node_out out;
    unsigned count = 0;
    while (outbox_take(&s.ends[which].outbox, &out)) {
        struct frame frame;
        check(out.kind == NODE_OUT_SEND && out.send.size <= PACKET_MAX);
        check(frame_decode(&frame, out.send.bytes, out.send.size) == FRAME_OK);
        check(out.send.remote.family != ADDR_NONE);
        /* A reply goes back, is not longer, and is the only one; a HELLO is a new question. */
        if (request != NULL && frame.type != FRAME_HELLO) {
            check(addr_equal(&out.send.remote, &request->from));
            check(out.send.size <= request->size && frame.type != FRAME_SEALED);
        }
        struct packet *packet = &s.kept[s.kept_count++ % KEPT];
        packet->from = out.send.source.family != ADDR_NONE ? out.send.source : addr_of(which);
        packet->to = out.send.remote;
        packet->size = out.send.size;
        memcpy(packet->bytes, out.send.bytes, out.send.size);
        count++;
    }
    check(request == NULL || count <= 1);
    outbox_reset(&s.ends[which].outbox);
    return count;
}

static void hand(unsigned which, const struct packet *given)
{
    const struct packet packet = *given; /* what is kept may go while this is handled */
    struct end *end = &s.ends[which];
    struct frame frame;
    if (frame_decode(&frame, packet.bytes, packet.size) != FRAME_OK)
        return;
    struct node_in_datagram datagram = {.socket = NODE_SOCKET_PUNCH,
                                        .local = addr_of(which),
                                        .remote = packet.from,
                                        .bytes = packet.bytes,
                                        .size = packet.size};
    struct context cx = context_of(end);
    struct seal_event event = seal_input(&end->seal, &cx, &datagram, &frame);
    const struct seal_session *session = seal_at(&end->seal, event.session);
    check((session != NULL) == (event.kind == SEAL_UP || event.kind == SEAL_MESSAGE));
    if (session != NULL)
        check(session->up && session->current.live && session->heard_ns == s.now_ns);
    if (event.kind == SEAL_HELLO) {
        check(event.body.size <= SEAL_INTRODUCTION_MAX);
        if (!end->refuses)
            session = seal_accept(&end->seal, &cx, 1);
        check(session == NULL || seal_with(&end->seal, session->peer) == session);
    }
    end->messages += event.kind == SEAL_MESSAGE;
    collect(which, &packet);
}

/* Fires every timer that is due. */
static void fire(unsigned which)
{
    struct end *end = &s.ends[which];
    struct context cx = context_of(end);
    struct timer_fired fired;
    for (unsigned i = 0; timers_next(&end->timers, s.now_ns, &fired); i++) {
        check(i < SESSIONS && fired.kind == TIMER_SEAL_SESSION);
        seal_timer(&end->seal, &cx, fired.owner);
        check(collect(which, NULL) <= 1);
    }
}

static void pass(uint64_t ns)
{
    if (s.now_ns + ns < UINT64_C(1) << 62)
        s.now_ns += ns;
    for (unsigned i = 0; i < ENDS; i++)
        fire(i);
}

static void open_session(unsigned which, unsigned peer)
{
    struct end *end = &s.ends[which];
    struct context cx = context_of(end);
    const struct seal_route route = {.socket = NODE_SOCKET_PUNCH, .remote = addr_of(peer)};
    struct seal_session *session = seal_open(&end->seal, &cx, key_of(peer), route, 2);
    check(session == NULL || (session->initiator && session->saying));
    check(which != peer || session == NULL); /* the null secret with oneself is of small order */
    collect(which, NULL);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static void do_time(void)
{
    pass(UINT64_C(1) << pick(44));
}

static void do_open(void)
{
    unsigned which = pick(ENDS);
    open_session(which, pick(ENDS));
}

/* To a session of ours: a message, another HELLO, another route, or the end. */
static void do_session(void)
{
    unsigned which = pick(ENDS), how = pick(8);
    struct end *end = &s.ends[which];
    struct context cx = context_of(end);
    struct seal_session *session = seal_with(&end->seal, key_of(pick(ENDS)));
    if (session == NULL)
        return;
    static const uint8_t body[SEAL_BODY_MAX + 1];
    bool live = session->current.live;
    if (how < 5)
        check(!seal_send(&end->seal, &cx, session, NULL, body, pick(4) * 320u + how) || live);
    else if (how == 5 && session->initiator)
        seal_renew(&end->seal, &cx, session);
    else if (how == 6)
        seal_move(session, (struct seal_route){.socket = 1, .remote = addr_of(pick(ENDS))});
    else if (how == 7)
        seal_close(&end->seal, &cx, session->self);
    collect(which, NULL);
}

/* What was sent arrives: where it should or elsewhere, as it was or changed, from there or not. */
static void do_deliver(void)
{
    struct packet packet = s.kept[(s.kept_count - 1 - pick(KEPT)) % KEPT];
    unsigned how = read_u8(&s.script);
    if (packet.size == 0)
        return;
    if ((how & 1) != 0)
        packet.from.port = (uint16_t)(packet.from.port + pick(3));
    if ((how & 2) != 0)
        packet.bytes[read_u16(&s.script) % packet.size] ^= read_u8(&s.script);
    if ((how & 4) != 0 && (how & 8) != 0)
        packet.size = read_u16(&s.script) % (packet.size + 1);
    for (unsigned i = 0; i < ENDS; i++) {
        struct addr addr = addr_of(i);
        if (((how & 16) != 0 && (how & 32) != 0) || addr_equal(&addr, &packet.to))
            hand(i, &packet);
    }
}

static void do_raw(void)
{
    struct packet packet = {.from = addr_of(pick(ENDS + 2)),
                            .bytes = {FRAME_FIRST_BYTE, FRAME_VERSION, (uint8_t)(1 + pick(7))}};
    unsigned which = pick(ENDS);
    packet.size = 4u + read_u8(&s.script);
    read_bytes(&s.script, packet.bytes + 4, packet.size - 4);
    hand(which, &packet);
}

static void do_restart(void)
{
    start(pick(ENDS));
}

static void do_refuse(void)
{
    struct end *end = &s.ends[pick(ENDS)];
    end->refuses = !end->refuses;
}

/* The whole state is the block: two ends change places in memory, and back. */
static void do_move(void)
{
    static struct end other;
    unsigned which = pick(ENDS);
    memcpy(&other, &s.ends[which], sizeof other);
    memset(&s.ends[which], 0xee, sizeof other);
    struct context cx = context_of(&other);
    struct timer_fired fired;
    while (timers_next(&other.timers, s.now_ns, &fired))
        seal_timer(&other.seal, &cx, fired.owner);
    memcpy(&s.ends[which], &other, sizeof other);
    collect(which, NULL);
}

/*
 * Left in peace, one end opens a session to another, and a message of each arrives. Both have room:
 * one has just started, the other forgets whoever has been silent, unless its sessions are its own.
 */
static void find_together(void)
{
    struct end *old = &s.ends[0], *fresh = &s.ends[1];
    start(1);
    old->refuses = false;
    pass(5 * SEAL_UNPROVEN_NS); /* the budget of replies is full again */
    s.kept_count = 0;
    memset(s.kept, 0, sizeof s.kept);
    bool room = seal_with(&old->seal, key_of(1)) != NULL || old->seal.first_opened == 0;
    open_session(1, 0);
    static const uint8_t body[] = {1};
    unsigned before = old->messages;
    for (unsigned i = 0; i < 20 && old->messages == before; i++) {
        for (unsigned k = 0; k < s.kept_count && k < KEPT; k++) {
            struct packet packet = s.kept[k];
            for (unsigned end = 0; end < 2; end++) {
                struct addr addr = addr_of(end);
                if (addr_equal(&addr, &packet.to))
                    hand(end, &packet);
            }
        }
        s.kept_count = 0;
        struct context cx = context_of(fresh);
        struct seal_session *session = seal_with(&fresh->seal, key_of(0));
        if (session->up)
            check(seal_send(&fresh->seal, &cx, session, NULL, body, sizeof body));
        collect(1, NULL);
        pass(SECOND_NS);
    }
    check(!room || old->messages > before);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static void (*const steps[])(void) = {
        do_time,   do_open, do_deliver, do_session, do_raw,     do_restart,
        do_refuse, do_move, do_deliver, do_deliver, do_session,
    };
    if (size == 0)
        return;
    memset(&s, 0, sizeof s);
    s.script = reader_of(data, size);
    s.now_ns = SECOND_NS;
    for (unsigned i = 0; i < ENDS; i++)
        start(i);
    for (unsigned i = 0; i < STEPS_MAX && reader_left(&s.script) > 0; i++)
        steps[pick(sizeof steps / sizeof steps[0])]();
    find_together();
}
