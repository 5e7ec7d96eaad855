/* Tests of sessions against those who do not keep the rules: forgers and replayers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "core/frame/seal_test.h"
#include "crypto/crypto_test.h"

#define A (&rig.end[0])
#define B (&rig.end[1])
#define C (&rig.end[2])

/* Everything that an end was told. */
static unsigned told(const struct end *end)
{
    return end->told.hellos + end->told.ups + end->told.messages;
}

/* Puts the right mac1 at this place; anybody can who knows the receiver's public key. */
static void put_mac1(struct packet *packet, const struct end *receiver, uint32_t at)
{
    uint8_t key[32];
    blake2s(key, 32, NULL, 0, "warren mac1 v1", receiver->public_key, 32);
    blake2s(packet->bytes + at, 16, key, 32, "", packet->bytes, at);
}

static void test_wrong_mac1_costs_nothing(void **state)
{
    (void)state;
    opens(A, B);
    struct packet hello = wire_pop();
    rig.diffie_hellmans = 0;
    for (uint32_t at = hello.size - 32; at < hello.size - 16; at++) {
        hello.bytes[at] ^= 0x10;
        hand(B, &hello);
        hello.bytes[at] ^= 0x10;
    }
    struct packet other = hello;
    hand(C, &other); /* whole, but for another */
    assert_int_equal(rig.diffie_hellmans, 0);
    assert_int_equal(rig.on_wire, 0);
    assert_int_equal(B->counts[TRACE_SEAL_BAD_MAC], 16);
    assert_int_equal(C->counts[TRACE_SEAL_BAD_MAC], 1);
    hand(B, &hello);
    assert_int_equal(rig.diffie_hellmans, 1);
}

/*
 * Each bit of a frame, changed: nobody is told anything, and the frame itself still counts
 * afterwards. mac2 counts only under load.
 */
static void each_bit(struct end *end, const struct packet *whole, uint32_t size)
{
    unsigned before = told(end);
    for (uint32_t bit = 0; bit < 8 * size; bit++) {
        struct packet packet = *whole;
        packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        hand(end, &packet);
        for (size_t i = 0; i < rig.on_wire; i++)
            assert_int_equal(rig.wire[i].bytes[2], FRAME_STRANGER);
        lose();
    }
    for (uint32_t cut = 0; cut < whole->size; cut++) {
        struct packet packet = *whole;
        packet.size = cut;
        hand(end, &packet);
        lose();
    }
    struct packet longer = *whole;
    longer.bytes[longer.size++] = 0;
    hand(end, &longer);
    lose();
    assert_int_equal(told(end), before);
}

/* The same of a frame with a mac1 at this place, which is right each time. */
static void each_bit_under_mac1(struct end *end, const struct packet *whole, uint32_t at)
{
    unsigned before = told(end);
    for (uint32_t bit = 32; bit < 8 * at; bit++) {
        struct packet packet = *whole;
        packet.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        put_mac1(&packet, end, at);
        rig.now_ns += SECOND / SEAL_LOAD_PER_SECOND;
        hand(end, &packet);
        assert_int_equal(rig.on_wire, 0);
    }
    assert_int_equal(told(end), before);
    assert_int_equal(end->counts[TRACE_SEAL_OVERLOADED], 0);
    assert_true(end->counts[TRACE_SEAL_BAD_TAG] > 0);
}

static void test_each_bit_counts(void **state)
{
    (void)state;
    opens(A, B);
    struct packet hello = wire_pop();
    each_bit(B, &hello, hello.size - 16);
    each_bit_under_mac1(B, &hello, hello.size - 32);
    hand(B, &hello);
    assert_int_equal(B->told.hellos, 1);
    struct packet welcome = wire_pop();
    each_bit(A, &welcome, welcome.size);
    each_bit_under_mac1(A, &welcome, welcome.size - 16);
    hand(A, &welcome);
    assert_int_equal(A->told.ups, 1);
    assert_true(sends(A, B, "text"));
    struct packet sealed = wire_pop();
    each_bit(B, &sealed, sealed.size);
    hand(B, &sealed);
    assert_int_equal(B->told.messages, 1);
    assert_true(B->told.last.first);

    pass(2 * SECOND);
    end_start(B, 2);
    assert_true(sends(A, B, "text"));
    carry_one();
    struct packet stranger = wire_pop();
    assert_int_equal(stranger.bytes[2], FRAME_STRANGER);
    /* Its last byte may as well be that of another frame that was sent. */
    each_bit(A, &stranger, stranger.size - 1);
    assert_int_equal(A->counts[TRACE_SEAL_HELLO_SENT], 1);
    hand(A, &stranger);
    assert_int_equal(A->counts[TRACE_SEAL_HELLO_SENT], 2);
}

/* Of two HELLOs that overtake each other, the later one counts. */
static void test_hello_overtaken(void **state)
{
    (void)state;
    opens(A, B);
    struct packet first = rig.wire[0];
    carry();
    says(A, B, "text");
    hand(B, &first); /* its keys are in use: not answered again */
    assert_int_equal(rig.on_wire, 0);
    assert_int_equal(B->counts[TRACE_SEAL_REPLAY], 1);
    renews(A, B);
    struct packet second = wire_pop();
    renews(A, B);
    carry();
    hand(B, &second);
    assert_int_equal(rig.on_wire, 0);
    assert_int_equal(B->counts[TRACE_SEAL_REPLAY], 2);
    says(A, B, "text");
    assert_true(B->told.last.first);
    assert_memory_equal(B->block.seal.hello_secret, (uint8_t[32]){0}, 32);
}

/*
 * After a restart another session may have the index by which somebody still calls his: what it
 * does not open is a stranger's.
 */
static void test_index_of_another(void **state)
{
    (void)state;
    joins(A, B);
    pass(2 * SECOND);
    end_start(B, 2);
    joins(C, B);
    session_of(B, C)->current.mine = session_of(A, B)->current.theirs;
    assert_true(sends(A, B, "lost"));
    carry();
    assert_int_equal(B->counts[TRACE_SEAL_BAD_TAG], 1);
    assert_int_equal(A->told.ups, 2);
    says(A, B, "text");
}

/* What was recorded of a session changes nothing when it comes again, from wherever. */
static void test_replays(void **state)
{
    (void)state;
    struct packet recorded[16];
    size_t count = 0;
    opens(A, B);
    while (rig.on_wire > 0)
        recorded[count++] = carry_one();
    assert_true(sends(A, B, "text"));
    recorded[count++] = carry_one();
    assert_true(sends(B, A, "back"));
    recorded[count++] = carry_one();
    renews(A, B);
    while (rig.on_wire > 0)
        recorded[count++] = carry_one();
    assert_true(sends(A, B, "under new keys"));
    recorded[count++] = carry_one();
    assert_int_equal(count, 7);

    unsigned a = told(A), b = told(B);
    struct seal_session *session = session_of(B, A);
    uint32_t index = session->current.mine;
    for (unsigned round = 0; round < 3; round++) {
        for (size_t i = 0; i < count; i++) {
            struct packet packet = recorded[i];
            if (round > 0)
                packet.from.port++;
            hand(addr_equal(&packet.to, &A->addr) ? A : B, &packet);
        }
        if (round == 1)
            pass(SEAL_PREVIOUS_NS); /* no more keys that they were sealed under */
        lose();
    }
    assert_int_equal(told(A), a);
    assert_int_equal(told(B), b);
    assert_int_equal(session->current.mine, index);
    assert_true(addr_equal(&session->proven, &A->addr));
    assert_true(addr_equal(&session->route.remote, &A->addr));
    says(A, B, "text");
    says(B, A, "text");
}

/* A HELLO of an earlier boot is judged anew, but displaces neither keys nor their renewal. */
static void test_replayed_hello_of_an_earlier_boot(void **state)
{
    (void)state;
    opens(A, B);
    struct packet old = rig.wire[0];
    carry();
    says(A, B, "text");
    end_start(A, 2);
    joins(A, B);
    renews(A, B);
    carry_one();
    struct packet welcome = wire_pop();
    old.from = C->addr;
    hand(B, &old);
    assert_int_equal(B->told.hellos, 4);
    lose();
    says(A, B, "under the current keys");
    says(B, A, "likewise");
    hand(A, &welcome);
    says(A, B, "under the new ones");
    assert_true(B->told.last.first && !B->told.last.peer_restarted);
    says(B, A, "likewise");
    assert_true(addr_equal(&session_of(B, A)->route.remote, &A->addr));
}

/* HELLOs of one boot after another: which are answered? */
static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        uint8_t boot, number;
        char answer; /* n: new, a: the same WELCOME again, -: none */
    } rows[] = {
        {1, 5, 'n'}, {1, 5, 'a'}, {1, 4, '-'}, {1, 6, 'n'}, {1, 5, '-'}, {1, 6, 'a'},
        {2, 1, 'n'}, {2, 1, 'a'}, {1, 5, 'n'}, {1, 6, 'n'}, {1, 6, 'a'},
    };
    struct packet last = {.size = 0};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned hellos = B->told.hellos;
        rig.now_ns += SEAL_PENDING_NS;
        struct packet hello = hello_of(B, 1, rows[i].boot, rows[i].number, NULL);
        hello.from = addr_v4((uint32_t)(0x0a000000 + i / 4), 1);
        hand(B, &hello);
        assert_int_equal(B->told.hellos - hellos, rows[i].answer == 'n');
        assert_int_equal(rig.on_wire, rows[i].answer != '-');
        if (rows[i].answer == '-')
            continue;
        struct packet welcome = wire_pop();
        assert_int_equal(memcmp(welcome.bytes, last.bytes, welcome.size) == 0,
                         rows[i].answer == 'a');
        last = welcome;
    }
    assert_int_equal(B->block.seal.sessions.used, 1);
}

/*
 * A HELLO that is repeated from another address gets its WELCOME there too; then neither address is
 * proven by who uses the keys.
 */
static void test_proof_is_of_one_address(void **state)
{
    (void)state;
    opens(A, B);
    struct packet hello = rig.wire[0];
    carry_one();
    hello.from = C->addr;
    hand(B, &hello);
    assert_int_equal(rig.on_wire, 2);
    assert_memory_equal(rig.wire[0].bytes, rig.wire[1].bytes, rig.wire[0].size);
    carry();
    assert_true(sends(A, B, "text"));
    struct packet sealed = wire_pop();
    static struct block before;
    before = B->block;
    const struct addr from[] = {A->addr, C->addr};
    for (size_t i = 0; i < 2; i++) {
        B->block = before;
        sealed.from = from[i];
        hand(B, &sealed);
        assert_true(B->told.last.first);
        assert_int_equal(session_of(B, A)->proven.family, ADDR_NONE);
    }
}

static void test_small_order(void **state)
{
    (void)state;
    /* 0, 1, the two points of order 8, p - 1 and p of the field's p = 2^255 - 19. */
    static const char *const points[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    };
    struct context cx = context_of(A);
    for (size_t i = 0; i < sizeof points / sizeof points[0]; i++) {
        uint8_t point[32];
        assert_int_equal(unhex(point, points[i]), 32);
        assert_null(seal_open(&A->block.seal, &cx, point, route_to(B), 0));
        struct packet hello = hello_of(B, 1, 1, 1, NULL);
        memcpy(hello.bytes + 8, point, 32);
        put_mac1(&hello, B, hello.size - 32);
        hand(B, &hello);
    }
    assert_int_equal(B->counts[TRACE_SEAL_BAD_TAG], 6);
    assert_int_equal(told(B), 0);
    assert_int_equal(A->block.seal.sessions.used + B->block.seal.sessions.used, 0);
}

/* Introductions of no bytes, of the most, and of one more; and a body without room for a number. */
static void test_sizes_of_hellos(void **state)
{
    (void)state;
    uint8_t private_key[32] = {8};
    struct by_hand by = {.private_key = private_key, .receiver = B->public_key};
    static const struct {
        size_t introduction;
        bool taken;
    } rows[] = {{0, true}, {SEAL_INTRODUCTION_MAX, true}, {SEAL_INTRODUCTION_MAX + 1, false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned before = B->told.hellos;
        by.introduction = rows[i].introduction;
        by.number++;
        by.nonce++;
        struct packet hello = hello_by_hand(&by);
        hello.from = A->addr;
        hand(B, &hello);
        assert_int_equal(B->told.hellos - before, rows[i].taken);
        if (rows[i].taken)
            assert_int_equal(B->told.last.body.size, rows[i].introduction);
    }
    assert_int_equal(B->counts[TRACE_FRAME_MALFORMED], 1);
    lose();
    /* mac1 is right, and there is a tag, but no number. */
    struct packet hello = hello_by_hand(&by);
    hello.size = 64 + 16 + 16 + 7 + 32;
    put_mac1(&hello, B, hello.size - 32);
    hand(B, &hello);
    assert_int_equal(B->counts[TRACE_FRAME_MALFORMED], 2);
    assert_int_equal(rig.on_wire, 0);
}

/* A WELCOME counts on the socket that its HELLO left from. */
static void test_welcome_at_another_socket(void **state)
{
    (void)state;
    struct context cx = context_of(A);
    struct seal_route route = {.socket = NODE_SOCKET_RELAY, .remote = B->addr};
    assert_non_null(seal_open(&A->block.seal, &cx, B->public_key, route, 7));
    collect(A);
    carry(); /* everything arrives on NODE_SOCKET_PUNCH */
    assert_int_equal(A->told.ups, 0);
    assert_int_equal(A->counts[TRACE_SEAL_STRANGER], 1);
    seal_move(session_of(A, B), route_to(B));
    pass(SECOND);
    assert_int_equal(A->told.ups, 1);
}

/* What was kept of a HELLO for its answer goes with the decision, once. */
static void test_declined(void **state)
{
    (void)state;
    B->refuses = true;
    opens(A, B);
    carry();
    struct seal *seal = &B->block.seal;
    struct context cx = context_of(B);
    assert_true(seal->hello_waits);
    assert_memory_not_equal(seal->hello_secret, (uint8_t[32]){0}, 32);
    for (unsigned i = 0; i < 2; i++) {
        seal_decline(seal, &cx);
        assert_false(seal->hello_waits);
        assert_memory_equal(seal->hello_secret, (uint8_t[32]){0}, 32);
    }
}

/* A refused HELLO leaves nothing behind; the secret is gone with the next frame. */
static void test_refused(void **state)
{
    (void)state;
    B->refuses = true;
    opens(A, B);
    pass(20 * SECOND);
    assert_int_equal(A->told.ups, 0);
    assert_in_range(B->told.hellos, 7, 9); /* waits of 1 s and more are up to a half shorter */
    assert_int_equal(B->block.seal.sessions.used, 0);
    B->refuses = false;
    pass(10 * SECOND);
    assert_int_equal(A->told.ups, 1);
    assert_memory_equal(B->block.seal.hello_secret, (uint8_t[32]){0}, 32);
}

/* What has no place, whoever sends it. */
static void test_misplaced(void **state)
{
    (void)state;
    /* A HELLO from ourselves; a SEALED frame with more than a message may have; another type. */
    struct packet own = hello_by_hand(
        &(struct by_hand){.private_key = B->private_key, .receiver = B->public_key, .number = 1});
    own.from = A->addr;
    hand(B, &own);
    assert_int_equal(B->counts[TRACE_FRAME_UNEXPECTED], 1);
    joins(A, B);
    struct packet packet = {.from = A->addr, .bytes = {0x0b, 1, FRAME_SEALED, 0}};
    packet.size = FRAME_SEALED_SIZE + SEAL_BODY_MAX + 1;
    hand(B, &packet);
    assert_int_equal(B->counts[TRACE_FRAME_MALFORMED], 1);
    packet.bytes[2] = FRAME_PROBE;
    hand(B, &packet);
    assert_int_equal(B->counts[TRACE_FRAME_UNEXPECTED], 2);
    assert_int_equal(rig.on_wire, 0);
    /* Before there are keys, nothing has a place. */
    B->block.seal.ready = false;
    packet.bytes[2] = FRAME_SEALED;
    hand(B, &packet);
    assert_int_equal(B->counts[TRACE_FRAME_UNEXPECTED], 3);
    assert_int_equal(rig.on_wire, 0);
}

/* ---- Strangers ------------------------------------------------------------------------------- */

/* A STRANGER counts when it names a frame that may have been sent, from where it was sent to. */
static void test_forged_stranger(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint32_t index;    /* xor */
        uint64_t counter;  /* of 2000 frames that were sent */
        uint16_t port;     /* xor */
        uint64_t after_ns; /* since the last HELLO */
        bool counts;
    } rows[] = {
        {"the last frame", 0, 1999, 0, 2 * SECOND, true},
        {"the oldest that counts", 0, 2000 - 1024, 0, 2 * SECOND, true},
        {"too old", 0, 2000 - 1025, 0, 2 * SECOND, false},
        {"not sent yet", 0, 2000, 0, 2 * SECOND, false},
        {"far ahead", 0, UINT64_MAX, 0, 2 * SECOND, false},
        {"another index", 1, 1999, 0, 2 * SECOND, false},
        {"another slot", 0x10000, 1999, 0, 2 * SECOND, false},
        {"another port", 0, 1999, 1, 2 * SECOND, false},
        {"right after a HELLO", 0, 1999, 0, SECOND - 1, false},
        {"a second after it", 0, 1999, 0, SECOND, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL);
        joins(A, B);
        struct seal_session *a = session_of(A, B);
        a->current.counter = 2000;
        rig.now_ns += rows[i].after_ns;
        struct packet packet = {.from = B->addr};
        packet.from.port ^= rows[i].port;
        struct writer w = writer_of(packet.bytes, PACKET_MAX);
        write_u32(&w, 0x0b010400);
        write_u32(&w, a->current.theirs ^ rows[i].index);
        write_u64(&w, rows[i].counter);
        packet.size = (uint32_t)w.index;
        hand(A, &packet);
        if (rig.on_wire != rows[i].counts)
            print_error("STRANGER: %s\n", rows[i].what);
        assert_int_equal(rig.on_wire, rows[i].counts);
        hand(A, &packet); /* once more: a HELLO is under way */
        assert_int_equal(rig.on_wire, rows[i].counts);
        struct packet hello = rig.wire[0];
        lose();
        says(A, B, "the keys stay"); /* until there are new ones */
        if (rows[i].counts) {
            hand(B, &hello);
            carry();
            says(A, B, "new keys");
            assert_true(B->told.last.first);
        }
    }
}

/* A responder says no HELLO, whatever it hears. */
static void test_responder_hears_stranger(void **state)
{
    (void)state;
    joins(A, B);
    pass(10 * SECOND);
    end_start(A, 2);
    assert_true(sends(B, A, "text"));
    carry_one();
    assert_int_equal(rig.wire[0].bytes[2], FRAME_STRANGER);
    carry_one();
    assert_int_equal(rig.on_wire, 0);
}

/* WELCOME and COOKIE without a HELLO that they answer. */
static void test_unasked(void **state)
{
    (void)state;
    opens(A, B);
    carry_one();
    struct packet welcome = rig.wire[0];
    renews(A, B); /* another HELLO takes the place of the first */
    lose();
    hand(A, &welcome);
    assert_int_equal(A->told.ups, 0);
    hand(C, &welcome);
    assert_int_equal(told(C), 0);
    assert_int_equal(rig.on_wire, 0);
    pass(SECOND);
    assert_int_equal(A->told.ups, 1);
}

/* ---- Anything at all ------------------------------------------------------------------------- */

/* Frames of every type, true ones and changed ones, in any order: no check fails. */
static void test_noise(void **state)
{
    (void)state;
    struct random_stream r;
    const uint8_t seed[RANDOM_SEED_SIZE] = {7};
    random_stream_init(&r, seed, "noise", 5);
    static struct packet kept[64];
    size_t keep = 0;
    for (unsigned step = 0; step < 20000; step++) {
        struct end *end = &rig.end[random_below(&r, 3)], *peer = &rig.end[random_below(&r, 3)];
        switch (random_below(&r, 12)) {
        case 0:
            if (end != peer && (session_of(end, peer) == NULL || random_below(&r, 20) == 0))
                opens(end, peer);
            break;
        case 1:
            if (random_below(&r, 50) == 0)
                end_start(end, (uint8_t)(2 + random_below(&r, 200)));
            break;
        case 2:
        case 3:
        case 4:
            if (end != peer && session_of(end, peer) != NULL)
                sends(end, peer, "noise");
            break;
        case 5:
            pass_until(rig.now_ns + random_below(&r, SECOND / 4), false);
            break;
        case 6:
            if (random_below(&r, 100) == 0 && end != peer && session_of(end, peer) != NULL) {
                struct context cx = context_of(end);
                seal_close(&end->block.seal, &cx, session_of(end, peer)->self);
            }
            break;
        default: {
            struct packet *packet = &kept[random_below(&r, 64)];
            if (random_below(&r, 3) > 0 || packet->size == 0) {
                hand(end, packet);
                break;
            }
            struct packet changed = *packet;
            changed.bytes[random_below(&r, packet->size)] ^= (uint8_t)(1 + random_below(&r, 255));
            if (random_below(&r, 4) == 0)
                changed.size = (uint32_t)random_below(&r, packet->size + 1);
            changed.from.port = (uint16_t)(changed.from.port + random_below(&r, 3));
            hand(end, &changed);
            break;
        }
        }
        while (rig.on_wire > 0) {
            struct packet packet = wire_pop();
            kept[keep++ % 64] = packet;
            for (size_t i = 0; i < 3 && random_below(&r, 4) > 0; i++) {
                if (addr_equal(&rig.end[i].addr, &packet.to))
                    hand(&rig.end[i], &packet);
            }
            if (rig.on_wire > WIRE / 2)
                lose();
        }
    }
    /* In quiet they find together again. */
    for (unsigned i = 0; i < 3; i++)
        end_start(&rig.end[i], 250);
    joins(A, B);
    joins(B, C);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_wrong_mac1_costs_nothing, rig_setup),
        cmocka_unit_test_setup(test_each_bit_counts, rig_setup),
        cmocka_unit_test_setup(test_hello_overtaken, rig_setup),
        cmocka_unit_test_setup(test_index_of_another, rig_setup),
        cmocka_unit_test_setup(test_replays, rig_setup),
        cmocka_unit_test_setup(test_replayed_hello_of_an_earlier_boot, rig_setup),
        cmocka_unit_test_setup(test_numbers, rig_setup),
        cmocka_unit_test_setup(test_proof_is_of_one_address, rig_setup),
        cmocka_unit_test_setup(test_small_order, rig_setup),
        cmocka_unit_test_setup(test_sizes_of_hellos, rig_setup),
        cmocka_unit_test_setup(test_welcome_at_another_socket, rig_setup),
        cmocka_unit_test_setup(test_declined, rig_setup),
        cmocka_unit_test_setup(test_refused, rig_setup),
        cmocka_unit_test_setup(test_misplaced, rig_setup),
        cmocka_unit_test_setup(test_forged_stranger, rig_setup),
        cmocka_unit_test_setup(test_responder_hears_stranger, rig_setup),
        cmocka_unit_test_setup(test_unasked, rig_setup),
        cmocka_unit_test_setup(test_noise, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
