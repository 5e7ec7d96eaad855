/* Tests of what sessions cost their receiver under load, and of what strangers may make it send. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/frame/seal_test.h"

#define A (&rig.end[0])
#define B (&rig.end[1])
#define C (&rig.end[2])

/* Empties the load bucket down to what only cookies get: HELLOs of ever new keys. */
static uint16_t flood(uint16_t who, unsigned hellos)
{
    for (unsigned i = 0; i < hellos; i++) {
        struct packet hello = hello_of(B, who++, 1, 1, NULL);
        hello.from = addr_v4(UINT32_C(0x0b000000) + who, 1);
        hand(B, &hello);
        lose();
    }
    return who;
}

static void test_load(void **state)
{
    (void)state;
    B->refuses = true;
    rig.diffie_hellmans = 0;
    flood(1, 400);
    /* 100 of 200 tokens were for anybody, and one for whom 100 were left. */
    assert_int_equal(rig.diffie_hellmans, 101);
    assert_int_equal(B->counts[TRACE_SEAL_COOKIE_SENT], 299);
    rig.now_ns += 10 * MS; /* twenty more */
    flood(401, 100);
    assert_int_equal(rig.diffie_hellmans, 121);

    /* A is told to come with a cookie, and does so at once. */
    B->refuses = false;
    opens(A, B);
    assert_int_equal(rig.diffie_hellmans, 122);
    assert_int_equal(rig.wire[0].bytes[2], FRAME_HELLO);
    carry_one();
    assert_int_equal(rig.on_wire, 1);
    struct packet cookie = rig.wire[0];
    assert_int_equal(cookie.bytes[2], FRAME_COOKIE);
    assert_int_equal(cookie.size, 4 + 4 + 24 + 16 + 16);
    assert_int_equal(rig.diffie_hellmans, 122);
    lose();
    for (uint32_t bit = 0; bit < 8 * cookie.size; bit++) {
        cookie.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        hand(A, &cookie);
        cookie.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_int_equal(rig.on_wire, 0);
    assert_int_equal(A->counts[TRACE_SEAL_HELLO_SENT], 1);
    hand(A, &cookie);
    assert_int_equal(rig.wire[0].bytes[2], FRAME_HELLO);
    carry();
    assert_int_equal(A->told.ups, 1);
    assert_int_equal(rig.diffie_hellmans, 123);
    says(A, B, "text");
    assert_int_equal(A->counts[TRACE_SEAL_HELLO_SENT], 2);
    hand(A, &cookie); /* again */
    assert_int_equal(rig.on_wire, 0);
}

/* A HELLO that bore a cookie is not said at once again, whatever comes: nobody talks in circles. */
static void test_stale_cookie(void **state)
{
    (void)state;
    B->refuses = true;
    flood(1, 150);
    opens(A, B);
    carry_one(); /* HELLO */
    carry_one(); /* COOKIE */
    lose();
    end_start(B, 2); /* with other secrets of cookies */
    flood(1000, 150);
    renews(A, B);
    static const uint8_t none[16];
    assert_memory_not_equal(rig.wire[0].bytes + rig.wire[0].size - 16, none, 16);
    carry_one();
    assert_int_equal(rig.wire[0].bytes[2], FRAME_COOKIE);
    carry_one();
    assert_int_equal(rig.on_wire, 0);
    B->refuses = false;
    pass(250 * MS);
    assert_int_equal(A->told.ups, 1);

    /* A cookie is used for 120 s, and where it was given. */
    renews(A, B);
    assert_memory_not_equal(rig.wire[0].bytes + rig.wire[0].size - 16, none, 16);
    carry();
    struct seal_session *a = session_of(A, B);
    struct seal_session kept = *a;
    seal_move(a, a->route);
    renews(A, B);
    assert_memory_equal(rig.wire[0].bytes + rig.wire[0].size - 16, none, 16);
    carry();
    a->cookie_known = kept.cookie_known;
    rig.now_ns = a->cookie_ns + SEAL_COOKIE_NS;
    renews(A, B);
    assert_memory_equal(rig.wire[0].bytes + rig.wire[0].size - 16, none, 16);
}

/* Who has a session needs no Diffie-Hellman, but its HELLO can cost signatures: so a cookie. */
static void test_load_and_sessions(void **state)
{
    (void)state;
    joins(A, B);
    B->refuses = true;
    flood(1, 200);
    B->refuses = false;
    rig.diffie_hellmans = 0;
    renews(A, B);
    carry();
    assert_int_equal(A->told.ups, 2);
    end_start(A, 2);
    joins(A, B);
    assert_int_equal(rig.diffie_hellmans, 1); /* A's */
    assert_int_equal(A->counts[TRACE_SEAL_HELLO_SENT], 5);
}

/* A peer that says HELLO anew, over and over: its introduction is judged within the load limit. */
static void test_load_of_one_peer(void **state)
{
    (void)state;
    for (uint8_t boots = 0; boots < 2; boots++) {
        rig_setup(NULL);
        for (unsigned i = 0; i < 250; i++) {
            struct by_hand by_hand = {.private_key = (const uint8_t[32]){8, 1},
                                      .receiver = B->public_key,
                                      .boot = boots,
                                      .nonce = (uint8_t)(i + 1),
                                      .number = i + 1,
                                      .index = 0x01020304};
            struct packet hello = hello_by_hand(&by_hand);
            hello.from = addr_v4(UINT32_C(0x0b000000) + i, 1);
            hand(B, &hello);
            lose();
            /* One that is only repeated is answered, and costs nothing. */
            if (i < 101)
                for (unsigned again = 1; again < SEAL_UNPROVEN_BURST; again++)
                    hand(B, &hello);
            assert_int_equal(rig.on_wire, i < 101 ? SEAL_UNPROVEN_BURST - 1 : 0);
            lose();
        }
        assert_int_equal(B->told.hellos, 101);
        assert_int_equal(rig.diffie_hellmans, 1);
        assert_int_equal(B->counts[TRACE_SEAL_COOKIE_SENT], 149);
    }
}

/* The right mac2, by who has been given this cookie. */
static void put_mac2(struct packet *hello, const uint8_t *cookie)
{
    blake2s(hello->bytes + hello->size - 16, 16, cookie, 16, "", hello->bytes, hello->size - 16);
}

static void cookie_of(const struct packet *answer, const struct packet *hello, uint8_t *cookie)
{
    uint8_t key[32], ad[32 + 16];
    assert_int_equal(answer->bytes[2], FRAME_COOKIE);
    blake2s(key, 32, NULL, 0, "warren cookie v1", B->public_key, 32);
    memcpy(ad, answer->bytes, 32);
    memcpy(ad + 32, hello->bytes + hello->size - 32, 16);
    assert_true(crypto_real.xaead_open(cookie, key, answer->bytes + 8, ad, sizeof ad,
                                       answer->bytes + 32, 32));
}

/* A restarted A says HELLO; `old` is a HELLO of a boot before the one that B knows. */
static struct packet restart_twice(void)
{
    opens(A, B);
    struct packet old = rig.wire[0];
    carry();
    says(A, B, "text");
    end_start(A, 2);
    joins(A, B);
    end_start(A, 3);
    opens(A, B);
    return old;
}

/* A recorded HELLO does not take the place of one that was answered just now. */
static void test_recording_after_restart(void **state)
{
    (void)state;
    struct packet old = restart_twice();
    carry_one();
    for (unsigned i = 0; i < 10; i++) {
        old.from = addr_v4(UINT32_C(0x0b000000) + i, 1);
        hand(B, &old);
    }
    assert_int_equal(B->counts[TRACE_SEAL_COOKIE_SENT], 10);
    carry_one(); /* WELCOME */
    lose();
    says(A, B, "text");
    assert_true(B->told.last.peer_restarted);
    assert_int_equal(B->counts[TRACE_SEAL_STRANGER], 0);
}

/* The recording was there first: the restarted peer comes again with a cookie, at once. */
static void test_recording_before_restart(void **state)
{
    (void)state;
    struct packet old = restart_twice();
    struct packet hello = wire_pop();
    old.from = C->addr;
    hand(B, &old);
    lose();
    hand(B, &hello);
    assert_int_equal(rig.wire[0].bytes[2], FRAME_COOKIE);
    carry();
    assert_int_equal(A->told.ups, 1);
    says(A, B, "text");
    assert_true(B->told.last.peer_restarted);
    /* After 5 s without a word what was offered is anybody's. */
    end_start(A, 4);
    opens(A, B);
    carry();
    rig.now_ns += SEAL_PENDING_NS;
    unsigned hellos = B->told.hellos;
    hand(B, &old);
    assert_int_equal(B->told.hellos, hellos + 1);
}

/* Who plays it again and has fetched a cookie can do so only as long as it may be answered. */
static void test_recording_with_cookie(void **state)
{
    (void)state;
    uint8_t cookie[16];
    struct packet old = restart_twice();
    carry_one();
    struct packet welcome = wire_pop();
    old.from = C->addr;
    for (unsigned i = 0; i < SEAL_UNPROVEN_BURST; i++) {
        hand(B, &old);
        assert_int_equal(rig.on_wire, 1);
        struct packet answer = wire_pop();
        cookie_of(&answer, &old, cookie);
    }
    put_mac2(&old, cookie);
    unsigned hellos = B->told.hellos;
    hand(B, &old);
    assert_int_equal(B->told.hellos, hellos + 1);
    assert_int_equal(rig.on_wire, 0);
    hand(A, &welcome);
    says(A, B, "text");
    assert_true(B->told.last.peer_restarted);
}

/* Takes the cookie that an address is given, as the sender of a HELLO does. */
static void cookie_for(struct addr from, uint16_t who, uint8_t cookie[16])
{
    struct packet hello = hello_of(B, who, 1, 1, NULL);
    hello.from = from;
    hand(B, &hello);
    struct packet answer = wire_pop();
    assert_int_equal(answer.bytes[2], FRAME_COOKIE);
    assert_memory_equal(answer.bytes + 4, "\1\2\3\4", 4);
    uint8_t key[32], ad[32 + 16];
    blake2s(key, 32, NULL, 0, "warren cookie v1", B->public_key, 32);
    memcpy(ad, answer.bytes, 32);
    memcpy(ad + 32, hello.bytes + hello.size - 32, 16);
    assert_true(crypto_real.xaead_open(cookie, key, answer.bytes + 8, ad, sizeof ad,
                                       answer.bytes + 32, 32));
}

static void test_cookies(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        uint64_t age_ns;
        uint32_t ip;   /* added to the address */
        uint16_t port; /* likewise */
        uint8_t damage;
        bool good;
    } rows[] = {
        {"fresh", 0, 0, 0, 0, true},
        {"of this period", 79 * SECOND, 0, 0, 0, true},
        {"of the last one", 199 * SECOND, 0, 0, 0, true},
        {"of the one before", 200 * SECOND, 0, 0, 0, false},
        {"of long ago", 1000 * SECOND, 0, 0, 0, false},
        {"another address", 0, 1, 0, 0, false},
        {"another port", 0, 0, 1, 0, false},
        {"damaged", 0, 0, 0, 1, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rig_setup(NULL); /* at 1000 s: the period of 120 s is 40 s old */
        B->refuses = true;
        flood(1, 150);
        uint8_t cookie[16];
        cookie_for(addr_v4(0x0c000001, 7), 500, cookie);
        rig.now_ns += rows[i].age_ns;
        flood(501, 150);
        cookie[15] ^= rows[i].damage;
        struct packet hello = hello_of(B, 700, 1, 1, cookie);
        hello.from = addr_v4(0x0c000001 + rows[i].ip, (uint16_t)(7 + rows[i].port));
        unsigned hellos = B->told.hellos;
        hand(B, &hello);
        if (B->told.hellos - hellos != rows[i].good)
            print_error("cookie: %s\n", rows[i].what);
        assert_int_equal(B->told.hellos - hellos, rows[i].good);
    }
}

/* Even with cookies there are no more Diffie-Hellmans than tokens. */
static void test_overload(void **state)
{
    (void)state;
    B->refuses = true;
    flood(1, 150);
    uint8_t cookie[16];
    struct addr from = addr_v4(0x0c000001, 7);
    cookie_for(from, 500, cookie);
    for (uint16_t who = 600; who < 800; who++) {
        struct packet hello = hello_of(B, who, 1, 1, cookie);
        hello.from = from;
        hand(B, &hello);
    }
    assert_int_equal(rig.diffie_hellmans, SEAL_LOAD_BURST);
    assert_int_equal(B->counts[TRACE_SEAL_OVERLOADED], 200 - 99);
    assert_int_equal(rig.on_wire, 0);
    /* Time that is not yet worth a token is not lost: two tokens in 1.2 ms, asked for in steps. */
    for (uint16_t i = 0; i < 6; i++) {
        rig.now_ns += SECOND / SEAL_LOAD_PER_SECOND * 2 / 5;
        struct packet hello = hello_of(B, (uint16_t)(900 + i), 1, 1, cookie);
        hello.from = from;
        hand(B, &hello);
    }
    assert_int_equal(rig.diffie_hellmans, SEAL_LOAD_BURST + 2);
    rig.diffie_hellmans = SEAL_LOAD_BURST;
    /* A second later there are 200 again, not 2000. */
    rig.now_ns += SECOND;
    flood(1000, 400);
    assert_int_equal(rig.diffie_hellmans, SEAL_LOAD_BURST + 101);
}

/* ---- Replies to who has proven nothing ------------------------------------------------------- */

static uint8_t number; /* of the last HELLO */

/* Twenty frames of a type from addresses like this one: how many are answered? */
static unsigned answered(char type, struct addr from, bool vary)
{
    unsigned answers = 0;
    for (unsigned i = 0; i < 20; i++) {
        struct packet packet = {.size = 40, .bytes = {0x0b, 1, FRAME_SEALED, 0, 0x77}};
        if (type == 'h')
            packet = hello_of(B, 1, 1, ++number, NULL); /* a WELCOME, or under load a COOKIE */
        packet.from = from;
        if (vary) {
            packet.from.port = (uint16_t)(1 + i);
            packet.from.ip[from.family == ADDR_V6 ? 15 : 3] ^=
                (uint8_t)(from.family == ADDR_V6 ? i : 0);
        }
        hand(B, &packet);
        answers += (unsigned)rig.on_wire;
        lose();
    }
    return answers;
}

static void test_unproven(void **state)
{
    (void)state;
    const uint8_t ip6[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    const struct addr from[] = {addr_v4(0x0a000001, 1), addr_v6(ip6, 1)};
    static const char types[] = "hsc"; /* HELLO, SEALED, HELLO under load */
    for (size_t i = 0; i < 6; i++) {
        rig_setup(NULL);
        if (types[i / 2] == 'c') {
            B->refuses = true;
            flood(1000, 150);
            B->refuses = false;
        }
        number = 0;
        char type = types[i / 2] == 's' ? 's' : 'h';
        struct addr addr = from[i % 2];
        /* A budget is for all that may be sent, and strangers do not get the last of it. */
        unsigned kept = type == 's' ? SEAL_UNPROVEN_KEPT : 0;
        unsigned burst = SEAL_UNPROVEN_BURST - kept;
        assert_int_equal(answered(type, addr, true), burst);
        assert_int_equal(B->counts[TRACE_SEAL_OVER_BUDGET], 20 - burst);
        assert_int_equal(answered('s', addr, true), 0);
        if (type == 'h')
            assert_int_equal(answered('h', addr, true), 0);
        rig.now_ns += SEAL_UNPROVEN_NS - 1;
        assert_int_equal(answered(type, addr, true), 0);
        rig.now_ns += 1;
        assert_int_equal(answered(type, addr, true), 1);
        /* The next address, or prefix of 64 bits, has its own. */
        addr.ip[i % 2 == 0 ? 3 : 7] ^= 1;
        assert_int_equal(answered(type, addr, true), burst);
        if (type == 's') /* what strangers do not get, HELLOs do */
            assert_int_equal(answered('h', addr, true), kept);
        rig.now_ns += SEAL_UNPROVEN_BURST * SEAL_UNPROVEN_NS;
        assert_int_equal(answered(type, addr, false), burst);
    }
}

/* Who has proven an address gets there what he asks for. */
static void test_proven(void **state)
{
    (void)state;
    joins(A, B);
    for (unsigned i = 0; i < 50; i++) {
        renews(A, B);
        carry();
        assert_int_equal(A->told.ups, 2 + i);
        if (i % 5 == 0)
            says(A, B, "text");
    }
    assert_int_equal(B->counts[TRACE_SEAL_OVER_BUDGET], 0);
}

/* Neighbours behind a NAT come one by one: each proof gives back what it has cost. */
static void test_neighbours(void **state)
{
    (void)state;
    joins(A, B);
    struct addr nat = A->addr;
    for (uint16_t i = 0; i < 3 * SEAL_UNPROVEN_BURST; i++) {
        C->addr = addr_with_port(nat, (uint16_t)(5000 + i));
        end_start(C, (uint8_t)(10 + i));
        joins(C, B);
    }
    assert_int_equal(B->counts[TRACE_SEAL_OVER_BUDGET], 0);
    /* Where somebody has answered a few more wait at a time. */
    unsigned most = SEAL_UNPROVEN_BURST + SEAL_UNPROVEN_MORE;
    struct addr victim = addr_with_port(nat, 1);
    assert_int_equal(answered('h', victim, false), most);
    /* Who proves his own address, over and over, does not pay for what goes to a neighbour's. */
    for (uint8_t i = 0; i < 10; i++) {
        renews(A, B);
        carry();
    }
    assert_int_equal(answered('h', victim, false), 0);
    /* WELCOMEs that were lost before one arrived are given back as well. */
    rig.now_ns += most * SEAL_UNPROVEN_NS;
    C->addr = addr_with_port(nat, 6000);
    end_start(C, 90);
    opens(C, B);
    struct packet hello = rig.wire[0];
    for (unsigned i = 1; i < SEAL_UNPROVEN_BURST; i++) {
        lose();
        hand(B, &hello);
    }
    carry();
    says(C, B, "text");
    assert_int_equal(answered('h', victim, false), most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_load, rig_setup),
        cmocka_unit_test_setup(test_stale_cookie, rig_setup),
        cmocka_unit_test_setup(test_load_and_sessions, rig_setup),
        cmocka_unit_test_setup(test_load_of_one_peer, rig_setup),
        cmocka_unit_test_setup(test_recording_after_restart, rig_setup),
        cmocka_unit_test_setup(test_recording_before_restart, rig_setup),
        cmocka_unit_test_setup(test_recording_with_cookie, rig_setup),
        cmocka_unit_test_setup(test_cookies, rig_setup),
        cmocka_unit_test_setup(test_overload, rig_setup),
        cmocka_unit_test_setup(test_unproven, rig_setup),
        cmocka_unit_test_setup(test_proven, rig_setup),
        cmocka_unit_test_setup(test_neighbours, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
