/* Verdicts about pairs: paths joined from both sides, data, and what the oracle says of a plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/judge_pair.h"
#include "scenarios/runner/load.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

/* In the plan below: servers 0 and 1, a behind 2, b behind 3, and c and d behind 4. */
enum { S1, S2, HOME, OFFICE, SHARED, A, B, C, D };

static struct plan plan;

static int load(void **state)
{
    static const char script[] =
        "scenario 't' server 's1' { delay = '5ms' } server 's2' { delay = '7ms' }\n"
        "router 'home' { nat = 'eim-apdf', delay = '10ms' }\n"
        "router 'office' { nat = 'apdm-apdf', up = { delay = '20ms' }, down = { delay = '30ms' } "
        "}\n"
        "router 'shared' { nat = 'eim-eif', delay = '40ms' }\n"
        "client 'a' { behind = 'home', delay = '1ms', home = 's1' }\n"
        "client 'b' { behind = 'office', home = 's2' }\n"
        "client 'c' { behind = 'shared', delay = '2ms' } client 'd' { behind = 'shared' }\n"
        "at '1s' { connect('a', 'b') } at '100s' { restart('b') }\n";
    char error[LOAD_ERROR_SIZE];
    (void)state;
    if (!plan_load(&plan, "x", script, sizeof script - 1, error))
        fail_msg("%s", error);
    return 0;
}

static int unload(void **state)
{
    (void)state;
    plan_free(&plan);
    return 0;
}

/* ---- What a run brought, as a text ---- */

/*
 * A row of words: "@SECONDS" sets the time; "a:P", "b:P" is what that side says, P being p pending,
 * r relayed, d direct, u unreachable, and a letter for the reason; "ab" and "ba" arrive now what
 * was sent now; "!ab" is a handshake of a's that b answers now; "+ab" is sent; "~ab" goes by the
 * relay, sent at the time it went; "~-ab" was sent a second earlier.
 */
static struct run run_of(const char *text)
{
    struct run run = {.findings = NULL};
    uint64_t now_ns = 1 * S;
    run_add_event(&run,
                  &(struct run_event){.at_ns = now_ns, .from = A, .to = B, .kind = RUN_CONNECTED});
    run_add_pair(&run, &(struct run_pair){.a = A, .b = B, .at_ns = now_ns});
    for (const char *at = text; *at != 0; at += strcspn(at, " "), at += strspn(at, " ")) {
        if (*at == '@') {
            now_ns = (uint64_t)(at[1] - '0') * S;
            continue;
        }
        struct run_event event = {.at_ns = now_ns, .sent_ns = now_ns};
        if (at[1] == ':') {
            static const char paths[] = "prdu";
            event.kind = RUN_PATH;
            event.from = at[0] == 'a' ? A : B;
            event.path = (uint8_t)(strchr(paths, at[2]) - paths);
            event.reason = at[3] == 'x'   ? REASON_PUNCHED
                           : at[3] == 'y' ? REASON_PUBLIC
                           : at[3] == 'z' ? REASON_APDM_AGAINST_APDF
                           : at[3] == 'n' ? REASON_NOT_REGISTERED
                           : at[3] == 'k' ? REASON_UDP_BLOCKED
                                          : REASON_NONE;
        } else {
            const char *ends = at;
            event.kind = *ends == '+'   ? RUN_SENT
                         : *ends == '~' ? RUN_RELAYED
                         : *ends == '!' ? RUN_ANSWERED
                                        : RUN_ARRIVED;
            ends += event.kind != RUN_ARRIVED;
            if (*ends == '-') {
                event.sent_ns -= S;
                ends++;
            }
            event.from = *ends == 'a' ? A : B;
        }
        event.to = event.from == A ? B : A;
        run_add_event(&run, &event);
    }
    return run;
}

static const struct {
    enum plan_expect_kind kind;
    enum plan_mode mode;
    uint8_t reason;
    uint64_t after_s;
    uint64_t within_s;
    const char *happened;
    bool passes;
} paths[] = {
    /* both sides have to say so */
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "b:dx", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx", true},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @2 a:r", false},
    {PLAN_RELAYED, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @2 a:r", true},
    {PLAN_RELAYED, PLAN_FINALLY, 0, 0, 0, "a:r", false},
    {PLAN_RELAYED, PLAN_FINALLY, 0, 0, 0, "a:r b:r", true},
    {PLAN_UNREACHABLE, PLAN_FINALLY, 0, 0, 0, "a:r b:r", false},
    /* for the same reason, unless it is all the same */
    {PLAN_DIRECT, PLAN_FINALLY, REASON_PUNCHED, 0, 0, "a:dx b:dx", true},
    {PLAN_DIRECT, PLAN_FINALLY, REASON_PUNCHED, 0, 0, "a:dx b:dy", false},
    {PLAN_DIRECT, PLAN_FINALLY, REASON_PUNCHED, 0, 0, "a:dx b:d", false},
    {PLAN_DIRECT, PLAN_FINALLY, REASON_PUBLIC, 0, 0, "a:dx b:dx", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dy", true},
    {PLAN_RELAYED, PLAN_FINALLY, REASON_APDM_AGAINST_APDF, 0, 0, "a:rz b:rz", true},
    {PLAN_RELAYED, PLAN_FINALLY, REASON_APDM_AGAINST_APDF, 0, 0, "a:rz b:r", false},
    {PLAN_RELAYED, PLAN_FINALLY, REASON_APDM_AGAINST_APDF, 0, 0, "a:rz b:dx", false},
    /* one side is enough for unreachable, and the one that is blocked knows why */
    {PLAN_UNREACHABLE, PLAN_FINALLY, REASON_NOT_REGISTERED, 0, 0, "a:un", true},
    {PLAN_UNREACHABLE, PLAN_FINALLY, REASON_UDP_BLOCKED, 0, 0, "a:un", false},
    {PLAN_UNREACHABLE, PLAN_FINALLY, REASON_UDP_BLOCKED, 0, 0, "a:un b:uk", true},
    {PLAN_UNREACHABLE, PLAN_FINALLY, REASON_UDP_BLOCKED, 0, 0, "a:uk b:r", true},
    /* the relay has a say */
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ba", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "~ab a:dx b:dx", true},
    /* until it has been left alone for more than a second of data */
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @5", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @4 ab", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @5 -ab", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @5 ab", true},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @5 ba", true},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @4 ~ba @5 ab", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @5 ab ~ba", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "@3 a:dx b:dx ~-ab", true},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "@3 a:dx b:dx @4 ~-ab", true},
    {PLAN_RELAYED, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab", false},
    {PLAN_DIRECT, PLAN_FINALLY, 0, 0, 0, "a:dx b:dx @3 ~ab @4 a:r @5 a:dx", true},
    /* modes, over states that last */
    {PLAN_DIRECT, PLAN_WITHIN, 0, 1, 2, "@3 a:dx b:dx", true},
    {PLAN_DIRECT, PLAN_WITHIN, 0, 1, 2, "@4 a:dx b:dx", false},
    {PLAN_DIRECT, PLAN_WITHIN, 0, 5, 1, "@3 a:dx b:dx", true},
    {PLAN_DIRECT, PLAN_WITHIN, 0, 5, 1, "@3 a:dx b:dx @4 a:r", false},
    {PLAN_DIRECT, PLAN_WITHIN, 0, 5, 1, "@3 a:dx b:dx @7 a:r", true},
    {PLAN_DIRECT, PLAN_ALWAYS, 0, 4, 0, "@3 a:dx b:dx", true},
    {PLAN_DIRECT, PLAN_ALWAYS, 0, 4, 0, "@3 a:dx b:dx @5 a:r", false},
    {PLAN_DIRECT, PLAN_ALWAYS, 0, 4, 0, "@5 a:dx b:dx", false},
    {PLAN_DIRECT, PLAN_ALWAYS, 0, 4, 0, "@5 a:r b:r @6 a:dx b:dx", false},
    {PLAN_DIRECT, PLAN_ALWAYS, 0, 4, 0, "@2 a:dx b:dx @3 b:r @4 b:dx", true},
    {PLAN_DIRECT, PLAN_NEVER, 0, 4, 0, "@3 a:dx b:dx @4 a:r", true},
    {PLAN_DIRECT, PLAN_NEVER, 0, 4, 0, "@3 a:dx b:dx @5 a:r", false},
    {PLAN_DIRECT, PLAN_NEVER, 0, 4, 0, "@5 a:dx b:dx", false},
    {PLAN_RELAYED, PLAN_NEVER, 0, 0, 0, "", true},
    /* data, from a to b */
    {PLAN_DATA, PLAN_FINALLY, 0, 0, 0, "+ab", false},
    {PLAN_DATA, PLAN_FINALLY, 0, 0, 0, "+ab ab", true},
    {PLAN_DATA, PLAN_FINALLY, 0, 0, 0, "+ab ba", false},
    {PLAN_DATA, PLAN_FINALLY, 0, 0, 0, "+ab ab @3 +ab", false},
    {PLAN_DATA, PLAN_FINALLY, 0, 0, 0, "+ab ab @2 +ab", true},
    {PLAN_DATA, PLAN_FINALLY, 0, 0, 0, "+ab @5 ab", true},
    {PLAN_DATA, PLAN_WITHIN, 0, 2, 1, "+ab @2 ab", true},
    {PLAN_DATA, PLAN_WITHIN, 0, 2, 1, "+ab ab", false},
    {PLAN_DATA, PLAN_WITHIN, 0, 2, 1, "+ab @4 ab", false},
    {PLAN_DATA, PLAN_ALWAYS, 0, 0, 0, "+ab ab @2 +ab ab @3 +ab ab", true},
    {PLAN_DATA, PLAN_ALWAYS, 0, 0, 0, "+ab ab @2 +ab @3 +ab ab", false},
    {PLAN_DATA, PLAN_ALWAYS, 0, 0, 0, "+ab @2 +ab @3 +ab ab", false},
    {PLAN_DATA, PLAN_ALWAYS, 0, 0, 0, "+ab ab @2 +ab @3 +ab", false},
    {PLAN_DATA, PLAN_ALWAYS, 0, 0, 0, "+ab", false},
    {PLAN_DATA, PLAN_ALWAYS, 0, 3, 0, "+ab @3 +ab ab @4 +ab ab", true},
    {PLAN_DATA, PLAN_NEVER, 0, 2, 0, "+ab ab @3 +ab", true},
    {PLAN_DATA, PLAN_NEVER, 0, 2, 0, "+ab @3 ab", false},
};

static void test_modes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        struct run run = run_of(paths[i].happened);
        char happened[JUDGE_TEXT_SIZE];
        struct plan_expect expect = {.kind = (uint8_t)paths[i].kind,
                                     .mode = (uint8_t)paths[i].mode,
                                     .reason = paths[i].reason,
                                     .client = A,
                                     .peer = B,
                                     .gap_ns = S,
                                     .after_ns = paths[i].after_s * S,
                                     .within_ns = paths[i].within_s * S};
        if (judge_pair_run(&plan.scenarios[0], &expect, &run, happened) != paths[i].passes)
            fail_msg("case %zu: %s %s over \"%s\": %s", i, plan_mode_words[paths[i].mode],
                     plan_expect_words[paths[i].kind], paths[i].happened, happened);
        assert_true(strlen(happened) > 5);
        run_free(&run);
    }
}

/* Where times are not exact, what has a limit may be as much later, and bounds are not judged. */
static void test_slack(void **state)
{
    static const struct {
        enum plan_expect_kind kind;
        enum plan_mode mode;
        uint64_t after_s, within_s, slack_s;
        const char *happened;
        bool passes;
    } rows[] = {
        {PLAN_DATA, PLAN_WITHIN, 2, 1, 0, "+ab @4 ab", false},
        {PLAN_DATA, PLAN_WITHIN, 2, 1, 1, "+ab @4 ab", true},
        {PLAN_DATA, PLAN_WITHIN, 2, 1, 1, "+ab @5 ab", false},
        {PLAN_DATA, PLAN_ALWAYS, 0, 0, 0, "+ab ab @2 +ab @3 +ab ab", false},
        {PLAN_DATA, PLAN_ALWAYS, 0, 0, 1, "+ab ab @2 +ab @3 +ab ab", true},
        {PLAN_DATA, PLAN_ALWAYS, 0, 0, 1, "+ab ab @2 +ab @4 +ab ab", false},
        {PLAN_DATA, PLAN_FINALLY, 0, 0, 0, "+ab ab @3 +ab", false},
        {PLAN_DATA, PLAN_FINALLY, 0, 0, 1, "+ab ab @3 +ab", true},
        {PLAN_DIRECT, PLAN_WITHIN, 0, 2, 0, "@3 a:dx b:dx", false},
        {PLAN_DIRECT, PLAN_WITHIN, 0, 2, 1, "@3 a:dx b:dx", true},
        {PLAN_DIRECT, PLAN_WITHIN, 0, 2, 1, "@4 a:dx b:dx", false},
        /* relayed since both said so, and much later than it can be */
        {PLAN_VERDICT, PLAN_FINALLY, 0, 0, 0, "@9 ab a:rz b:rz", false},
        {PLAN_VERDICT, PLAN_FINALLY, 0, 0, 1, "@9 ab a:rz b:rz", true},
        {PLAN_VERDICT, PLAN_FINALLY, 0, 0, 1, "@9 ab a:dx b:dx", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run run = run_of(rows[i].happened);
        char happened[JUDGE_TEXT_SIZE];
        struct plan_expect expect = {.kind = (uint8_t)rows[i].kind,
                                     .mode = (uint8_t)rows[i].mode,
                                     .client = A,
                                     .peer = B,
                                     .gap_ns = S,
                                     .after_ns = rows[i].after_s * S,
                                     .within_ns = rows[i].within_s * S};
        run.slack_ns = rows[i].slack_s * S;
        if (judge_pair_run(&plan.scenarios[0], &expect, &run, happened) != rows[i].passes)
            fail_msg("case %zu: \"%s\": %s", i, rows[i].happened, happened);
        run_free(&run);
    }
}

static void test_what_is_said(void **state)
{
    static const struct {
        const char *happened;
        const char *said;
    } rows[] = {
        {"", "at 1s it was pending"},
        {"@2 a:rz b:rz", "at 2s it was relayed (apdm-against-apdf)"},
        {"@2 a:dx b:dx @3 ~ab",
         "at 3s it was relayed (both say direct, and data goes through the relay)"},
        {"@2 a:dx b:dy", "at 2s it was direct (the sides say different reasons)"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run run = run_of(rows[i].happened);
        char happened[JUDGE_TEXT_SIZE];
        struct plan_expect expect = {.kind = PLAN_UNREACHABLE, .client = A, .peer = B};
        assert_false(judge_pair_run(&plan.scenarios[0], &expect, &run, happened));
        assert_string_equal(happened, rows[i].said);
        run_free(&run);
    }
}

static void test_a_blocked_callee_says_so_by_its_discovery(void **state)
{
    (void)state;
    struct run run = run_of("a:un");
    char happened[JUDGE_TEXT_SIZE];
    struct run_finding finding = {.client = B, .behaviour.nat = STUN_NAT_BLOCKED};
    run_add_finding(&run, &finding);
    struct plan_expect expect = {
        .kind = PLAN_UNREACHABLE, .reason = REASON_UDP_BLOCKED, .client = A, .peer = B};
    assert_true(judge_pair_run(&plan.scenarios[0], &expect, &run, happened));
    run_free(&run);
}

/* ---- The oracle's word about a plan ---- */

static void test_delays(void **state)
{
    static const struct {
        uint32_t a, b, home_a, home_b;
        uint64_t delay_a_us, delay_b_us, homes_us, peer_us, first_us, inner_us;
    } rows[] = {
        /* 1 + 10 + 5; the mean of 20 and 30, + 7; 5 + 7; 11 + the mean; 11 + 5 + 12 + 7 + 30;
           twice that, and 20 + 7 + 12 + 5 + 11 the other way */
        {A, B, PLAN_INTERNET, PLAN_INTERNET, 16000, 32000, 12000, 36000, 65000, 185000},
        {A, B, S1, S1, 16000, 30000, 0, 36000, 51000, 143000},
        {B, A, S1, S1, 30000, 16000, 0, 36000, 41000, 133000},
        /* both behind one router: by its LAN */
        {C, D, S1, S1, 47000, 45000, 0, 2000, 92000, 276000},
        {C, D, PLAN_INTERNET, S2, 47000, 47000, 12000, 2000, 106000, 318000},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const uint32_t homes[2] = {rows[i].home_a, rows[i].home_b};
        struct judge_pair judged;
        assert_true(judge_pair_oracle(&plan.scenarios[0], rows[i].a, rows[i].b, homes, &judged));
        assert_int_equal(judged.delay_ns[0], rows[i].delay_a_us * 1000);
        assert_int_equal(judged.delay_ns[1], rows[i].delay_b_us * 1000);
        assert_int_equal(judged.homes_ns, rows[i].homes_us * 1000);
        assert_int_equal(judged.peer_ns, rows[i].peer_us * 1000);
        assert_int_equal(judged.says.first_data_ns, rows[i].first_us * 1000);
        assert_int_equal(judged.first_inner_ns, rows[i].inner_us * 1000);
    }
}

static void test_sums(void **state)
{
    static const struct {
        const char *happened;
        uint8_t path;
        const char *reason;
        bool agrees;
        uint64_t first_ms, inner_ms, direct_ms; /* 0: never */
    } rows[] = {
        /* eim-apdf against apdm-apdf cannot be direct */
        {"a:rz b:rz @2 ab", NODE_PATH_RELAYED, "apdm-against-apdf", true, 1000, 1000, 0},
        {"a:rz b:rz @2 !ab @3 ba @4 ab", NODE_PATH_RELAYED, "apdm-against-apdf", true, 1000, 3000,
         0},
        {"a:rz b:rz @2 !ba @3 ab", NODE_PATH_RELAYED, "apdm-against-apdf", true, 2000, 2000, 0},
        {"a:rz b:rz @2 !ab", NODE_PATH_RELAYED, "apdm-against-apdf", true, 1000, 0, 0},
        {"a:rz b:r", NODE_PATH_RELAYED, "", false, 0, 0, 0},
        {"a:rz b:rx", NODE_PATH_RELAYED, "apdm-against-apdf|punched", false, 0, 0, 0},
        {"@2 a:dx @3 b:dx", NODE_PATH_DIRECT, "punched", false, 0, 0, 2000},
        {"@2 a:dx b:dx @3 ~ab", NODE_PATH_RELAYED, "belied-by-relay", false, 0, 0, 1000},
        {"", NODE_PATH_PENDING, "", false, 0, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run run = run_of(rows[i].happened);
        struct judge_sum sum;
        judge_sum_up(&plan.scenarios[0], &run, 0, &sum);
        assert_true(sum.known);
        assert_int_equal(sum.path, rows[i].path);
        assert_string_equal(sum.reason, rows[i].reason);
        assert_int_equal(sum.agrees, rows[i].agrees);
        assert_int_equal(sum.wanted, NODE_PATH_RELAYED);
        assert_int_equal(sum.wanted_reason, REASON_APDM_AGAINST_APDF);
        assert_true(sum.first_data_ns ==
                    (rows[i].first_ms != 0 ? rows[i].first_ms * MS : JUDGE_NEVER));
        assert_true(sum.first_inner_ns ==
                    (rows[i].inner_ms != 0 ? rows[i].inner_ms * MS : JUDGE_NEVER));
        assert_int_equal(sum.inner_bound_ns, 185 * MS);
        assert_true(sum.direct_ns ==
                    (rows[i].direct_ms != 0 ? rows[i].direct_ms * MS : JUDGE_NEVER));
        assert_int_equal(judge_stretch(&sum), 0); /* there is no time to compare with */
        run_free(&run);
    }
}

/* The first datagram has to come when it can, and a direct path within 1.1 of the ideal time. */
static void test_bounds(void **state)
{
    static const struct {
        uint64_t first_us, inner_us, direct_us;
        bool no_bounds, passes;
        uint64_t slack_us;
    } rows[] = {
        /* c and d share a LAN: 47 + 45 ms, three times that for a packet, and for the direct path
           the larger of 94 and 92 ms with twice 2 ms more */
        {92000, 276000, 98000, false, true, 0},
        {92000, 276000, 107800, false, true, 0},
        {92000, 276000, 107900, false, false, 0},
        {92001, 276000, 98000, false, false, 0},
        {92000, 276001, 98000, false, false, 0},
        {92000, 0, 98000, false, false, 0},
        {92001, 276001, 107900, true, true, 0},
        {0, 276000, 98000, false, false, 0},
        {92000, 98000, 98000, false, true, 0},
        /* times that are nearly exact, and times of which nothing can be said */
        {92100, 276100, 107900, false, true, 100},
        {92101, 276100, 107900, false, false, 100},
        {92100, 276101, 107900, false, false, 100},
        {92100, 276100, 108000, false, false, 100},
        {0, 276100, 107900, false, false, 100},
        {93000, 277000, 108800, false, true, 1000},
        {93001, 277000, 108800, false, false, 1000},
        {99000, 299000, 199000, false, true, 1001},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run run = {.findings = NULL};
        char happened[JUDGE_TEXT_SIZE];
        struct run_event event = {.at_ns = S, .sent_ns = S, .from = C, .to = D};
        event.kind = RUN_CONNECTED;
        run_add_event(&run, &event);
        run_add_pair(&run, &(struct run_pair){.a = C, .b = D, .at_ns = S});
        const struct {
            uint64_t us;
            enum run_event_kind kind;
        } order[] = {{rows[i].first_us, RUN_ANSWERED},
                     {rows[i].direct_us, RUN_PATH},
                     {rows[i].inner_us, RUN_ARRIVED}};
        for (size_t k = 0; k < 3; k++) {
            event.kind = (uint8_t)order[k].kind;
            event.at_ns = S + order[k].us * 1000;
            event.path = NODE_PATH_DIRECT;
            event.reason = REASON_SAME_LAN;
            if (order[k].us == 0)
                continue;
            run_add_event(&run, &event);
            if (event.kind != RUN_PATH)
                continue;
            struct run_event other = event;
            other.from = D;
            other.to = C;
            run_add_event(&run, &other);
        }
        struct plan_expect expect = {.kind = PLAN_VERDICT,
                                     .mode = PLAN_FINALLY,
                                     .client = C,
                                     .peer = D,
                                     .no_bounds = rows[i].no_bounds};
        run.slack_ns = rows[i].slack_us * 1000;
        if (judge_pair_run(&plan.scenarios[0], &expect, &run, happened) != rows[i].passes)
            fail_msg("case %zu: %s", i, happened);
        run_free(&run);
    }
}

/* Who has a session sends at once, unless it is old, or either has forgotten it. */
static void test_bound_with_a_session(void **state)
{
    static const struct {
        uint64_t arrived_s, connect_s;
        enum run_event_kind kind;
        bool back, session;
    } rows[] = {
        {3, 9, RUN_ARRIVED, false, true},     {3, 9, RUN_ARRIVED, true, true},
        {3, 52, RUN_ARRIVED, false, true},    {3, 53, RUN_ARRIVED, false, false},
        {3, 9, RUN_ANSWERED, false, false},   {9, 9, RUN_ARRIVED, false, false},
        {98, 103, RUN_ARRIVED, false, false}, /* b crashes at 100 s */
        {101, 103, RUN_ARRIVED, true, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct run run = {.findings = NULL};
        struct run_event event = {.at_ns = rows[i].arrived_s * S,
                                  .sent_ns = rows[i].arrived_s * S,
                                  .from = rows[i].back ? B : A,
                                  .to = rows[i].back ? A : B,
                                  .kind = (uint8_t)rows[i].kind};
        struct judge_sum sum;
        run_add_event(&run, &event);
        run_add_pair(&run, &(struct run_pair){.a = A, .b = B, .at_ns = rows[i].connect_s * S});
        judge_sum_up(&plan.scenarios[0], &run, 0, &sum);
        if (sum.inner_bound_ns != (rows[i].session ? 65 * MS : 185 * MS))
            fail_msg("case %zu", i);
        run_free(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_modes, load, unload),
        cmocka_unit_test_setup_teardown(test_slack, load, unload),
        cmocka_unit_test_setup_teardown(test_what_is_said, load, unload),
        cmocka_unit_test_setup_teardown(test_a_blocked_callee_says_so_by_its_discovery, load,
                                        unload),
        cmocka_unit_test_setup_teardown(test_delays, load, unload),
        cmocka_unit_test_setup_teardown(test_sums, load, unload),
        cmocka_unit_test_setup_teardown(test_bounds, load, unload),
        cmocka_unit_test_setup_teardown(test_bound_with_a_session, load, unload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
