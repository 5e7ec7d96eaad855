/* Hostile hosts without a credential: what they replay, forge and flood changes nothing. */
#include "sim/hostile_test.h"

#include "sim/world.h"

static struct talk talk;

/* ---- The world, with and without an attack --------------------------------------------------- */

/* What an attack could change. */
struct result {
    struct watch a, b;
    uint64_t lost, gone, moved, replays, refused;
};

static void build(void)
{
    arena_new(3);
    add_server(&node_limits_server);
    add_client("alice", NET_INTERNET);
    add_client("bob", NET_INTERNET);
    arena.mallory = add_plain("mallory", NET_INTERNET);
    talk = (struct talk){
        .a = arena.clients[0], .b = arena.clients[1], .left = 1200, .every_ns = 20 * MS};
    talk_from(&talk, 5 * SECOND);
}

static struct result finish(void)
{
    struct result result = {.a = arena.watch[talk.a], .b = arena.watch[talk.b]};
    const uint32_t clients[] = {talk.a, talk.b};
    assert_int_equal(talk.left, 0);
    for (unsigned i = 0; i < 2; i++) {
        result.lost += counted(clients[i], TRACE_CLIENT_HOME_LOST);
        result.replays += counted(clients[i], TRACE_SEAL_REPLAY);
        result.refused += counted(clients[i], TRACE_INPUT_FOREIGN);
    }
    result.gone = counted(arena.server, TRACE_HOME_GONE);
    result.moved = counted(arena.server, TRACE_HOME_MOVED);
    result.replays += counted(arena.server, TRACE_SEAL_REPLAY);
    arena_free();
    return result;
}

static void expect_same_watch(const struct watch *a, const struct watch *b)
{
    assert_int_equal(a->homes, b->homes);
    assert_int_equal(a->paths, b->paths);
    assert_int_equal(a->path.path, b->path.path);
    assert_true(addr_equal(&a->path.remote, &b->path.remote));
    assert_int_equal(a->delivered, b->delivered);
    assert_int_equal(a->first_ns, b->first_ns);
    assert_int_equal(a->direct_ns, b->direct_ns);
    assert_int_equal(a->gap_ns, b->gap_ns);
}

static void expect_same(const struct result *attacked, const struct result *peace)
{
    expect_same_watch(&attacked->a, &peace->a);
    expect_same_watch(&attacked->b, &peace->b);
    assert_int_equal(attacked->lost, peace->lost);
    assert_int_equal(attacked->gone, peace->gone);
    assert_int_equal(attacked->moved, peace->moved);
}

/* ---- Replays --------------------------------------------------------------------------------- */

static bool replays_raw; /* opaque data as well, which nothing protects at this layer */
static uint32_t replayed;

static void replay(const struct hostile_heard *h)
{
    struct addr own = place_addr(arena.mallory, 6666);
    if (h == NULL || (hostile_is_opaque(h->bytes, h->size) && !replays_raw))
        return;
    hostile_send(arena.net, arena.mallory, &h->source, &h->destination, h->bytes, h->size);
    hostile_send(arena.net, arena.mallory, &own, &h->destination, h->bytes, h->size);
}

/* Everything once more, some 10 ms after it was sent. */
static void replay_next(void *context, struct net *net, uint64_t argument)
{
    (void)context;
    (void)argument;
    while (replayed < arena.ear->count)
        replay(hostile_heard_at(arena.ear, replayed++));
    if (net_now(net) < 28 * SECOND)
        net_schedule_call(net, net_now(net) + 10 * MS, arena.mallory, replay_next, NULL, 0);
}

static void replay_all(void *context, struct net *net, uint64_t count)
{
    (void)context;
    (void)net;
    assert_in_range(arena.ear->count, 500, HOSTILE_HEARD_MAX);
    for (uint64_t i = 0; i < arena.ear->count && i < (count == 0 ? HOSTILE_HEARD_MAX : count); i++)
        replay(hostile_heard_at(arena.ear, i));
}

static struct result run_replayed(bool attack, bool raw)
{
    build();
    replayed = 0;
    replays_raw = raw;
    arena.tapping = attack;
    if (attack) {
        net_schedule_call(arena.net, 0, arena.mallory, replay_next, NULL, 0);
        net_schedule_call(arena.net, 25 * SECOND, arena.mallory, replay_all, NULL, 0);
    }
    net_run_until(arena.net, 32 * SECOND);
    return finish();
}

static void test_replays(void **state)
{
    (void)state;
    struct result peace = run_replayed(false, false);
    assert_int_equal(peace.a.path.path, NODE_PATH_DIRECT);
    assert_in_range(peace.a.delivered, 1198, 1200); /* bob has no path before the offer */
    assert_int_equal(peace.a.repeated + peace.b.repeated, 0);
    struct result attacked = run_replayed(true, false);
    expect_same(&attacked, &peace);
    assert_true(attacked.replays > 500);
    assert_int_equal(attacked.a.repeated + attacked.b.repeated, 0);

    /*
     * Opaque data has no protection at this layer: whoever spoofs its source has it delivered
     * again, to the same peer as from the same one. From the attacker's own address nothing is.
     */
    attacked = run_replayed(true, true);
    expect_same(&attacked, &peace);
    assert_in_range(attacked.a.repeated, 1, 2 * 1200);
    assert_in_range(attacked.b.repeated, 1, 2 * 1200);
    assert_true(attacked.refused > 2000);
}

/* A client that has lost everything, with old frames of it in the hands of somebody. */
static struct result run_restarted(bool attack)
{
    build();
    replays_raw = false;
    arena.tapping = attack;
    net_run_until(arena.net, 12 * SECOND);
    arena.tapping = false;
    net_schedule_fault(arena.net, 12 * SECOND,
                       &(struct net_fault){.kind = NET_FAULT_RESTART, .place = talk.a});
    if (attack)
        for (uint64_t at_ms = 12001; at_ms < 25000; at_ms += at_ms < 12200 ? 20 : 1000)
            net_schedule_call(arena.net, at_ms * MS, arena.mallory, replay_all, NULL, 0);
    net_run_until(arena.net, 40 * SECOND);
    return finish();
}

static void test_lost_disk(void **state)
{
    (void)state;
    struct result peace = run_restarted(false);
    assert_int_equal(peace.a.homes, 2);
    assert_int_equal(peace.a.path.path, NODE_PATH_DIRECT);
    assert_int_equal(peace.b.path.path, NODE_PATH_DIRECT);
    struct result attacked = run_restarted(true);
    expect_same(&attacked, &peace);
    assert_true(attacked.replays > 0);
}

/* ---- Floods ---------------------------------------------------------------------------------- */

static uint32_t junk_make(enum hostile_junk kind, uint8_t bytes[static HOSTILE_JUNK_MAX])
{
    uint8_t server[32];
    put_tunnel_key(server, 1);
    return hostile_make(kind, &arena.draws, &crypto_real, server, bytes);
}

/* A millisecond of the flood: each kind to each node, from anywhere and from the others. */
static void flood(void *context, struct net *net, uint64_t argument)
{
    (void)context;
    (void)argument;
    const struct addr nodes[] = {server_punch(), place_addr(talk.a, NET_PORT_TRAFFIC),
                                 place_addr(talk.b, NET_PORT_TRAFFIC)};
    uint8_t bytes[HOSTILE_JUNK_MAX];
    for (unsigned kind = 0; kind < HOSTILE_JUNKS; kind++)
        for (unsigned to = 0; to < 3; to++) {
            uint32_t size = junk_make((enum hostile_junk)kind, bytes);
            struct addr source = addr_v4(UINT32_C(0x0b000000) + (uint32_t)(draw() & 0xffffff), 9);
            hostile_send(arena.net, arena.mallory, &source, &nodes[to], bytes, size);
            /* What a peer's source and no frame's byte has is a peer's, as far as this layer knows;
               and who has no server's key cannot ask for cookies in another's name. */
            if (kind != HOSTILE_FOREIGN && kind != HOSTILE_HELLO_MAC1)
                hostile_send(arena.net, arena.mallory, &nodes[(to + 1 + draw() % 2) % 3],
                             &nodes[to], bytes, size);
        }
    if (net_now(net) < 20 * SECOND)
        net_schedule_call(net, net_now(net) + 2 * MS, arena.mallory, flood, NULL, 0);
}

/* Both clients begin anew under the flood: how long until both have a home again? */
static struct result run_flooded(bool attack, uint64_t *home_ns)
{
    build();
    if (attack)
        net_schedule_call(arena.net, SECOND, arena.mallory, flood, NULL, 0);
    for (unsigned i = 0; i < 2; i++)
        net_schedule_fault(
            arena.net, 3 * SECOND,
            &(struct net_fault){.kind = NET_FAULT_RESTART, .place = arena.clients[i]});
    do
        assert_true(net_step(arena.net));
    while (arena.watch[talk.a].homes < 2 || arena.watch[talk.b].homes < 2);
    *home_ns = net_now(arena.net) - 3 * SECOND;
    net_run_until(arena.net, 32 * SECOND);
    return finish();
}

static void test_flood(void **state)
{
    (void)state;
    uint64_t peace_ns, attacked_ns;
    struct result peace = run_flooded(false, &peace_ns);
    struct result attacked = run_flooded(true, &attacked_ns);
    print_message("a home after %" PRIu64 " ms, and after %" PRIu64 " ms under the flood; first "
                  "data after %" PRIu64 " and %" PRIu64 " ms, direct after %" PRIu64 " and %" PRIu64
                  " ms, longest gap %" PRIu64 " and %" PRIu64 " ms\n",
                  peace_ns / MS, attacked_ns / MS, (peace.b.first_ns - 5 * SECOND) / MS,
                  (attacked.b.first_ns - 5 * SECOND) / MS, (peace.b.direct_ns - 5 * SECOND) / MS,
                  (attacked.b.direct_ns - 5 * SECOND) / MS, peace.b.gap_ns / MS,
                  attacked.b.gap_ns / MS);
    expect_same(&attacked, &peace);
    /* A round trip more for a cookie, where there is a load. */
    assert_true(attacked_ns <= peace_ns + 40 * MS);
}

/* ---- What is heard --------------------------------------------------------------------------- */

/* A datagram with a number in it: a frame, or one without a frame's first byte. */
static void hear_number(struct hostile_ear *ear, uint32_t number, bool frame, bool opaque)
{
    struct packet_pool *pool = &arena.net->pool;
    struct addr from = addr_v4(number, 1), to = addr_v4(number, 2);
    uint8_t bytes[FRAME_STRANGER_SIZE] = {FRAME_FIRST_BYTE, FRAME_VERSION, FRAME_STRANGER};
    struct writer w = writer_of(bytes + FRAME_HEADER_SIZE, 4);
    struct packet packet;
    write_u32(&w, number);
    if (!frame)
        bytes[0] = 0x40;
    packet_make_udp(pool, &packet, &from, &to, bytes, sizeof bytes);
    hostile_hear(ear, number, &packet, opaque);
    packet_drop(pool, &packet);
}

static void test_ear(void **state)
{
    (void)state;
    arena_new(1);
    struct hostile_ear *ear = arena.ear;
    assert_null(hostile_heard_at(ear, 0));
    hear_number(ear, 7, false, false);
    assert_int_equal(ear->count, 0);
    hear_number(ear, 7, false, true);
    assert_int_equal(ear->count, 1);
    assert_true(hostile_is_opaque(ear->heard[0].bytes, ear->heard[0].size));
    for (uint32_t i = 1; i <= HOSTILE_HEARD_MAX; i++)
        hear_number(ear, i, true, false);
    assert_int_equal(ear->count, HOSTILE_HEARD_MAX + 1);
    assert_null(hostile_heard_at(ear, 0)); /* the oldest went */
    assert_null(hostile_heard_at(ear, HOSTILE_HEARD_MAX + 1));
    for (uint32_t i = 1; i <= HOSTILE_HEARD_MAX; i++) {
        const struct hostile_heard *heard = hostile_heard_at(ear, i);
        struct addr from = addr_v4(i, 1);
        assert_non_null(heard);
        assert_int_equal(heard->place, i);
        assert_int_equal(heard->size, FRAME_STRANGER_SIZE);
        assert_true(addr_equal(&heard->source, &from));
        assert_false(hostile_is_opaque(heard->bytes, heard->size));
    }
    arena_free();
}

/* Only what was noticed where it left is heard, and once. */
static void test_noticed(void **state)
{
    (void)state;
    arena_new(1);
    struct packet_pool *pool = &arena.net->pool;
    struct addr from = addr_v4(1, 1), to = addr_v4(2, 2), translated = addr_v4(3, 3);
    uint8_t bytes[FRAME_STRANGER_SIZE] = {FRAME_FIRST_BYTE, FRAME_VERSION, FRAME_STRANGER};
    struct packet packet;
    packet_make_udp(pool, &packet, &from, &to, bytes, sizeof bytes);
    hostile_hear_noticed(arena.ear, 4, &packet);
    assert_int_equal(arena.ear->count, 0);
    hostile_notice(arena.ear, &packet);
    packet.source = translated;
    hostile_hear_noticed(arena.ear, 4, &packet);
    hostile_hear_noticed(arena.ear, 4, &packet);
    assert_int_equal(arena.ear->count, 1);
    assert_true(addr_equal(&hostile_heard_at(arena.ear, 0)->source, &translated));
    packet_drop(pool, &packet);
    arena_free();
}

/* Junk has the header of its kind, and each host draws its own. */
static void test_junk(void **state)
{
    static const uint8_t types[HOSTILE_JUNKS] = {
        [HOSTILE_HELLO] = FRAME_HELLO,       [HOSTILE_HELLO_MAC1] = FRAME_HELLO,
        [HOSTILE_WELCOME] = FRAME_WELCOME,   [HOSTILE_COOKIE] = FRAME_COOKIE,
        [HOSTILE_STRANGER] = FRAME_STRANGER, [HOSTILE_SEALED] = FRAME_SEALED,
        [HOSTILE_DATA] = FRAME_DATA,         [HOSTILE_PROBE] = FRAME_PROBE};
    uint8_t bytes[HOSTILE_JUNK_MAX];
    struct frame frame;
    (void)state;
    arena_new(1);
    for (uint32_t kind = 0; kind < HOSTILE_JUNKS; kind++)
        for (uint32_t i = 0; i < 100; i++) {
            uint32_t size = junk_make((enum hostile_junk)kind, bytes);
            enum frame_error error = frame_decode(&frame, bytes, size);
            assert_int_equal(error == FRAME_OK, types[kind] != 0);
            if (error == FRAME_OK)
                assert_int_equal(frame.type, types[kind]);
            assert_int_equal(frame_is_ours(bytes, size), kind != HOSTILE_FOREIGN);
        }
    uint32_t a = add_plain("a", NET_INTERNET), b = add_plain("b", NET_INTERNET);
    struct random_stream draws[] = {
        hostile_stream(arena.net, a, "attack"), hostile_stream(arena.net, a, "attack"),
        hostile_stream(arena.net, a, "member"), hostile_stream(arena.net, b, "attack")};
    uint64_t first[4];
    for (uint32_t i = 0; i < 4; i++)
        first[i] = random_u64(&draws[i]);
    assert_true(first[0] == first[1] && first[0] != first[2] && first[0] != first[3]);
    arena_free();
}

/* ---- Amplification --------------------------------------------------------------------------- */

enum { ASKED = 400 };

static void ignore(void *context, struct net *net, uint32_t host, const struct addr *local,
                   const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    (void)net;
    (void)host;
    (void)local;
    (void)remote;
    (void)bytes;
    (void)size;
}

/* Bytes that come back from `to` for those that go there in 4 s, in thousandths. */
static uint64_t answered(const char *name, const char *who, struct addr to, int kind)
{
    static const uint8_t request[20] = {0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1};
    struct watch *watch = &arena.watch[arena.mallory];
    struct watch before = *watch;
    uint8_t bytes[HOSTILE_JUNK_MAX];
    for (unsigned i = 0; i < ASKED; i++) {
        uint32_t size = sizeof request;
        if (kind == HOSTILE_JUNKS)
            memcpy(bytes, request, sizeof request);
        else
            size = junk_make((enum hostile_junk)kind, bytes);
        struct net_send send = {.source = {.port = 6666}, .remote = to};
        assert_int_equal(net_send(arena.net, arena.mallory, &send, bytes, size), NODE_OK);
        if (kind != HOSTILE_HELLO_MAC1) /* at once, they make a load */
            net_run_until(arena.net, net_now(arena.net) + 10 * MS);
    }
    net_run_until(arena.net, net_now(arena.net) + SECOND);
    uint64_t out = watch->out_bytes - before.out_bytes, in = watch->in_bytes - before.in_bytes;
    print_message("%-22s %-7s %9" PRIu64 " %9" PRIu64 " %6" PRIu64 ".%03" PRIu64 "\n", name, who,
                  out, in, in / out, in * 1000 / out % 1000);
    return in * 1000 / out;
}

static void test_amplification(void **state)
{
    (void)state;
    static const char *const names[HOSTILE_JUNKS] = {"malformed",
                                                     "HELLO, wrong mac1",
                                                     "HELLO, right mac1",
                                                     "WELCOME",
                                                     "COOKIE",
                                                     "STRANGER",
                                                     "SEALED",
                                                     "DATA",
                                                     "PROBE",
                                                     "opaque"};
    print_message("%-22s %-7s %9s %9s %9s\n", "frame", "at", "bytes in", "bytes out", "ratio");
    for (int kind = 0; kind < HOSTILE_JUNKS; kind++)
        for (unsigned at = 0; at < 3; at++) {
            static const char *const who[] = {"server", "relay", "client"};
            build();
            net_open(arena.net, arena.mallory, 6666, ignore, NULL, NULL);
            net_run_until(arena.net, 3 * SECOND);
            struct addr to =
                at == 2 ? place_addr(talk.a, NET_PORT_TRAFFIC)
                        : place_addr(arena.server, at == 0 ? NET_PORT_PUNCH : NET_PORT_RELAY);
            assert_true(answered(names[kind], who[at], to, kind) <= 1000);
            arena_free();
        }
    /* STUN answers by its own budget: 100 at once and 20 a second that are longer than asked. */
    build();
    net_open(arena.net, arena.mallory, 6666, ignore, NULL, NULL);
    net_run_until(arena.net, 3 * SECOND);
    struct watch *watch = &arena.watch[arena.mallory];
    answered("STUN Binding, 20 bytes", "server", place_addr(arena.server, 3478), HOSTILE_JUNKS);
    assert_in_range(watch->in_datagrams, 100, 100 + 20 * (4 + 1) + 1);
    arena_free();
}

/* A member's HELLOs, which are answered by WELCOMEs. */
static void test_amplification_hello(void **state)
{
    (void)state;
    arena_new(5);
    add_server(&node_limits_server);
    struct hostile_member *r = rogue_new("rogue", NET_INTERNET);
    net_run_until(arena.net, 4 * SECOND);
    assert_true(r->up && r->registered == 1);
    struct watch *watch = &arena.watch[r->place];
    struct watch before = *watch;
    uint64_t accepted = counted(arena.server, TRACE_SEAL_ACCEPTED);
    for (unsigned i = 0; i < ASKED; i++) {
        hostile_member_hello(r);
        net_run_until(arena.net, net_now(arena.net) + 50 * MS);
    }
    uint64_t out = watch->out_bytes - before.out_bytes, in = watch->in_bytes - before.in_bytes;
    print_message("%-22s %-7s %9" PRIu64 " %9" PRIu64 " %6" PRIu64 ".%03" PRIu64 "\n",
                  "HELLO of a member", "server", out, in, in / out, in * 1000 / out % 1000);
    assert_int_equal(counted(arena.server, TRACE_SEAL_ACCEPTED) - accepted, ASKED);
    assert_true(in > 0 && in <= out);
    hostile_member_free(r);
    arena_free();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ear),           cmocka_unit_test(test_noticed),
        cmocka_unit_test(test_junk),          cmocka_unit_test(test_replays),
        cmocka_unit_test(test_lost_disk),     cmocka_unit_test(test_flood),
        cmocka_unit_test(test_amplification), cmocka_unit_test(test_amplification_hello),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crypto_thread_end();
    return failed;
}
