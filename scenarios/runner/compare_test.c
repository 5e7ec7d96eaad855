/* Comparing: networks that answer as they are told to, and what is said of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/compare.h"
#include "scenarios/runner/load.h"

#define S UINT64_C(1000000000)

/* Two of them, and another behind a NAT of its own that tells what it finds. */
#define WORLD \
    "server 's1' { delay = '5ms' }\n" \
    "router 'home' { nat = 'eim-apdf' } router 'office' { nat = 'apdm-apdf' }\n" \
    "client 'a' { behind = 'home' } client 'b' { behind = 'office' }\n" \
    "at '1s' { connect('a', 'b') }\n"
#define EXPECTED "expect { finally, data('a', 'b') }\n"

/* What a stand-in network lets happen. */
struct answer {
    uint8_t path;
    uint8_t reason;
    bool data;
    bool fails;
    bool crashes;
    uint8_t mapping;   /* that a classification finds */
    uint64_t later_ns; /* than others, everything happens */
};

static const struct answer relayed = {.path = NODE_PATH_RELAYED,
                                      .reason = REASON_APDM_AGAINST_APDF,
                                      .data = true,
                                      .mapping = STUN_MAPPING_EIM};
static struct answer answers[3];
static uint32_t network_count = 2;

static bool make_run(const struct run_request *request, struct run *run, const struct answer *as,
                     char error[static RUN_ERROR_SIZE])
{
    const struct plan_action *action = &request->scenario->actions[0];
    uint32_t a = action->place, b = action->peer;
    *run = (struct run){.findings = NULL};
    snprintf(error, RUN_ERROR_SIZE, "no daemons");
    if (as->crashes)
        raise(SIGKILL);
    if (as->fails)
        return false;
    if (action->kind == PLAN_CLASSIFY) {
        struct run_finding finding = {.at_ns = 2 * S, .client = a};
        finding.behaviour = (struct stun_behaviour){.nat = STUN_NAT_PRESENT,
                                                    .mapping = as->mapping,
                                                    .filtering = STUN_FILTERING_APDF,
                                                    .ports = STUN_PORTS_SEQUENTIAL,
                                                    .step = as->path, /* chance */
                                                    .hairpin = STUN_HAIRPIN_EXTERNAL,
                                                    .pooling = STUN_POOLING_PAIRED,
                                                    .trap = STUN_TRAP_NO};
        run_add_finding(run, &finding);
        return true;
    }
    struct run_event event = {.at_ns = S, .from = a, .to = b, .kind = RUN_CONNECTED};
    run_add_event(run, &event);
    run_add_pair(run, &(struct run_pair){.a = a, .b = b, .at_ns = S});
    event = (struct run_event){.at_ns = 2 * S + as->later_ns,
                               .sent_ns = 2 * S,
                               .from = a,
                               .to = b,
                               .kind = RUN_PATH,
                               .path = as->path,
                               .reason = as->reason};
    run_add_event(run, &event);
    event.from = b;
    event.to = a;
    run_add_event(run, &event);
    event.from = a;
    event.to = b;
    event.kind = RUN_ARRIVED;
    if (as->data)
        run_add_event(run, &event);
    return true;
}

static bool run_first(const struct run_request *request, struct run *run,
                      char error[static RUN_ERROR_SIZE])
{
    return make_run(request, run, &answers[0], error);
}

static bool run_second(const struct run_request *request, struct run *run,
                       char error[static RUN_ERROR_SIZE])
{
    return make_run(request, run, &answers[1], error);
}

static bool run_third(const struct run_request *request, struct run *run,
                      char error[static RUN_ERROR_SIZE])
{
    return make_run(request, run, &answers[2], error);
}

static bool can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    snprintf(why, RUN_ERROR_SIZE, "it has no %s", scenario->title);
    return strcmp(scenario->title, "impossible") != 0;
}

static bool is_nowhere(char why[static RUN_ERROR_SIZE])
{
    snprintf(why, RUN_ERROR_SIZE, "no such device");
    return false;
}

static const struct run_network first = {.name = "sim", .run = run_first};
static const struct run_network second = {
    .name = "linux", .run = run_second, .real = true, .can = can};
static const struct run_network third = {.name = "third", .run = run_third, .real = true};
static const struct run_network absent = {.name = "tun", .is_there = is_nowhere};

/* What is said about a script whose scenarios run on both; free(). */
static char *said(const char *script, struct compare_totals *totals, bool json)
{
    struct compare compare = {.networks = {&first, &second, &third},
                              .network_count = network_count};
    const struct crew_config config = {.jobs = 2};
    char error[LOAD_ERROR_SIZE], *text = NULL, *lines = NULL;
    size_t size, line_size;
    struct plan plan;
    if (!plan_load(&plan, "x.lua", script, strlen(script), error))
        fail_msg("%s", error);
    FILE *out = open_memstream(&text, &size), *json_out = open_memstream(&lines, &line_size);
    assert_true(out != NULL && json_out != NULL);
    compare_add(&compare, "x.lua", &plan, NULL);
    assert_true(compare_run(&compare, &config, 1, 180 * S));
    *totals = compare_report(&compare, out, json_out, false);
    fclose(out);
    fclose(json_out);
    compare_free(&compare);
    plan_free(&plan);
    free(json ? text : lines);
    return json ? lines : text;
}

static void check_totals(const struct compare_totals *totals, uint32_t pairs, uint32_t differences,
                         uint32_t declared, uint32_t skipped)
{
    assert_int_equal(totals->pairs, pairs);
    assert_int_equal(totals->differences, differences);
    assert_int_equal(totals->declared, declared);
    assert_int_equal(totals->skipped, skipped);
}

static void check_said(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("no \"%s\" in:\n%s", part, text);
}

/* What two networks answer, and what comes of it. */
static const struct pair_row {
    struct answer second;
    const char *declared; /* a word of the script, or "" */
    uint32_t pairs, differences, declared_count;
    const char *said;
} pair_rows[] = {
    {{NODE_PATH_RELAYED, REASON_APDM_AGAINST_APDF, true, false, false, 0, 0},
     "",
     1,
     0,
     0,
     "t: a, b  relayed (apdm-against-apdf)    relayed (apdm-against-apdf)\n"},
    {{NODE_PATH_RELAYED, REASON_PROBES_UNANSWERED, true, false, false, 0, 0},
     "",
     1,
     1,
     0,
     "relayed (probes-unanswered) !\n"},
    {{NODE_PATH_DIRECT, REASON_PUNCHED, true, false, false, 0, 0}, "", 1, 1, 0, " (punched) !"},
    {{NODE_PATH_DIRECT, REASON_PUNCHED, true, false, false, 0, 0},
     "differs('linux', 'ports are kept there')",
     1,
     0,
     1,
     "\n+ t, linux: ports are kept there\n"},
    {{NODE_PATH_DIRECT, REASON_PUNCHED, true, false, false, 0, 0},
     "differs('sim', 'it is wrong')",
     1,
     0,
     1,
     "\n+ t, sim: it is wrong\n"},
    {{NODE_PATH_DIRECT, REASON_PUNCHED, true, false, false, 0, 0},
     "differs('tun', 'not this')",
     1,
     1,
     0,
     "direct (punched)"},
    {{NODE_PATH_RELAYED, REASON_APDM_AGAINST_APDF, true, false, false, 0, 0},
     "differs('linux', 'so it was')",
     1,
     0,
     0,
     "\n# t: linux is declared to differ (so it was), and does not\n"},
    /* the path is the same, and what was expected besides is not */
    {{NODE_PATH_RELAYED, REASON_APDM_AGAINST_APDF, false, false, false, 0, 0},
     "",
     1,
     1,
     0,
     "\n  on linux: 0 packets arrived"},
    /* the expectation fails too, and the pair has said so */
    {{NODE_PATH_PENDING, REASON_NONE, false, false, false, 0, 0}, "", 1, 1, 0, "pending"},
    {{.fails = true}, "", 0, 1, 0, "\n! no run on linux, 1 scenario: no daemons\n"},
    /* what was not run is no difference that could have been declared */
    {{.fails = true}, "differs('linux', 'so it was')", 0, 1, 0, "no run !\n"},
    {{.fails = true}, "differs('sim', 'so it was')", 0, 1, 0, "no run !\n"},
    {{.crashes = true}, "differs('linux', 'so it was')", 0, 1, 0, "ended by signal 9"},
};

/* Of what is to be so in some runs one says nothing. */
static void test_shares(void **state)
{
    static const struct {
        const char *expected;
        uint32_t differences;
    } rows[] = {
        {"expect { finally, verdict('a', 'b') }", 1},
        {"expect { finally, share = '75%', verdict('a', 'b') }", 0},
        {"expect { finally, share = '75%', data('a', 'b') }", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct compare_totals totals;
        char script[2048];
        answers[0] = answers[1] = relayed;
        answers[1].path = NODE_PATH_DIRECT;
        answers[1].reason = REASON_PUNCHED;
        snprintf(script, sizeof script, "scenario 't'\n" WORLD "%s\n", rows[i].expected);
        char *text = said(script, &totals, false);
        if (totals.differences != rows[i].differences)
            fail_msg("row %zu: %s", i, text);
        free(text);
    }
}

/* How much later one network is, or earlier, and where; of a pair whose verdict is the same. */
static void test_times(void **state)
{
    static const struct {
        uint64_t later_ns[2];
        uint8_t path;
        const char *said; /* NULL: nothing */
    } rows[] = {
        {{0, 407},
         NODE_PATH_RELAYED,
         "at most 407ns later and 0s earlier than on the first, 1 pair"},
        {{9000, 0}, NODE_PATH_RELAYED, "at most 0s later and 9us earlier than on the first, 1 pair"},
        {{0, 407}, NODE_PATH_DIRECT, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct compare_totals totals;
        answers[0] = answers[1] = relayed;
        answers[0].later_ns = rows[i].later_ns[0];
        answers[1].later_ns = rows[i].later_ns[1];
        answers[1].path = rows[i].path;
        char *text = said("scenario 't'\n" WORLD, &totals, false);
        if (rows[i].said != NULL) {
            check_said(text, "\nto the first packet, on linux: ");
            check_said(text, rows[i].said);
            check_said(text, "most in t: a, b\n");
        } else if (strstr(text, "first packet") != NULL) {
            fail_msg("times of what differs:\n%s", text);
        }
        free(text);
    }
}

static void test_pairs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pair_rows / sizeof *pair_rows; i++) {
        struct compare_totals totals;
        char script[2048];
        answers[0] = relayed;
        answers[1] = pair_rows[i].second;
        snprintf(script, sizeof script, "scenario 't' %s\n" WORLD EXPECTED, pair_rows[i].declared);
        char *text = said(script, &totals, false);
        check_said(text, pair_rows[i].said);
        bool unmade = pair_rows[i].second.fails || pair_rows[i].second.crashes;
        check_totals(&totals, pair_rows[i].pairs, pair_rows[i].differences,
                     pair_rows[i].declared_count, 0);
        assert_int_equal(totals.unmade, unmade);
        if (unmade && strstr(text, "and does not") != NULL)
            fail_msg("it was not run:\n%s", text);
        free(text);
    }
}

/* What the network cannot run, and what would take too long. */
static void test_skipped(void **state)
{
    struct compare_totals totals;
    (void)state;
    answers[0] = answers[1] = relayed;
    char *text = said("scenario 'impossible'\n" WORLD "scenario 'long' duration '61m'\n" WORLD
                      "scenario 'short'\n" WORLD "scenario 'impossible'\n" WORLD,
                      &totals, false);
    check_totals(&totals, 1, 0, 0, 3);
    check_said(text, "\n- linux, 2 scenarios: it has no impossible\n");
    check_said(text, "\n- linux, 1 scenario: it takes 61m, and runs in real time are cut at 3m: "
                     "--longest 61m\n");
    check_said(text, "\n1 pairs compared, 0 differences, 0 declared, 3 skipped\n");
    free(text);
}

/* A run that could not be made is a difference, also where there is no pair to show it. */
static void test_no_run(void **state)
{
    struct compare_totals totals;
    (void)state;
    answers[0] = relayed;
    answers[1] = (struct answer){.fails = true};
    char *text = said("scenario 't' server 's1' hostile 'm' client 'b'\n"
                      "at '1s' { flood('m', 'b', { count = 3 }) }\n"
                      "expect { finally, receives('b', { at_most = 5 }) }\n",
                      &totals, false);
    check_totals(&totals, 0, 1, 0, 0);
    check_said(text, "no run !\n");
    check_said(text, "\n! no run on linux, 1 scenario: no daemons\n");
    free(text);
    /* Nor an expectation. */
    for (uint32_t i = 0; i < 2; i++) {
        answers[1].fails = i == 0;
        answers[1].crashes = i == 1;
        text = said("scenario 't' server 's1' hostile 'm' client 'b'\n"
                    "differs('linux', 'so it was')\n"
                    "at '1s' { flood('m', 'b', { count = 3 }) }\n",
                    &totals, false);
        check_totals(&totals, 0, 0, 0, 0);
        assert_int_equal(totals.unmade, 1);
        check_said(text, "\n! no run on linux, 1 scenario: ");
        check_said(text, "\n0 pairs compared, 0 differences, 0 declared, 0 skipped, 1 not run\n");
        free(text);
    }
}

/* Where the first network did not run it, the others are held against each other. */
static void test_first_not_run(void **state)
{
    struct compare_totals totals;
    (void)state;
    network_count = 3;
    answers[0] = (struct answer){.fails = true};
    answers[1] = answers[2] = relayed;
    free(said("scenario 't'\n" WORLD EXPECTED, &totals, false));
    check_totals(&totals, 1, 1, 0, 0);
    answers[2].path = NODE_PATH_DIRECT;
    answers[2].reason = REASON_PUNCHED;
    char *text = said("scenario 't'\n" WORLD EXPECTED, &totals, false);
    network_count = 2;
    check_totals(&totals, 1, 2, 0, 0);
    assert_int_equal(totals.unmade, 1);
    check_said(text, "direct (punched) !\n");
    free(text);
}

/*
 * Where the order of packets decides, it is direct unless packets are lost; then each is held
 * against the oracle for the order it saw.
 */
static void check_order(const char *script, bool direct)
{
    struct judge_pair judged;
    struct plan plan;
    char error[LOAD_ERROR_SIZE];
    const uint32_t homes[2] = {PLAN_INTERNET, PLAN_INTERNET};
    if (!plan_load(&plan, "x.lua", script, strlen(script), error))
        fail_msg("%s", error);
    assert_true(judge_pair_oracle(&plan.scenarios[0], 3, 4, homes, &judged));
    assert_int_equal(judged.says.verdict, ORACLE_ORDER);
    struct compare_totals totals;
    const struct answer right = {.path = direct ? NODE_PATH_DIRECT : NODE_PATH_RELAYED,
                                 .reason = direct ? judged.says.direct_reason
                                                  : judged.says.relayed_reason};
    const struct answer wrong = {.path = direct ? NODE_PATH_RELAYED : NODE_PATH_DIRECT,
                                 .reason = direct ? judged.says.relayed_reason
                                                  : judged.says.direct_reason};
    const struct answer *const rows[][2] = {
        {&right, &right}, {&right, &wrong}, {&wrong, &right}, {&wrong, &wrong}};
    for (uint32_t i = 0; i < 4; i++) {
        answers[0] = *rows[i][0];
        answers[1] = *rows[i][1];
        free(said(script, &totals, false));
        /* Equal and wrong is wrong twice. */
        uint32_t wrongs = rows[i][0] == &wrong;
        wrongs += rows[i][1] == &wrong;
        check_totals(&totals, 1, wrongs, 0, 0);
    }
    plan_free(&plan);
}

static void test_order(void **state)
{
    (void)state;
#define TRAPPED(client) \
    "scenario 't' server 's1'\n" \
    "router 'x' { nat = { 'eim-apdf', poison = '30s' } } router 'y' { nat = 'eim-apdf' }\n" \
    "client 'a' " client " client 'b' { behind = 'y' } at '1s' { connect('a', 'b') }\n"
    check_order(TRAPPED("{ behind = 'x' }"), true);
    /* Of these nothing was seen to leave the NAT with the trap. */
    check_order(TRAPPED("{ behind = 'x', loss = '1%' }"), false);
#undef TRAPPED
}

/* A field that chance decides is not compared; one that the oracle is sure of is. */
static void test_classified(void **state)
{
    static const char script[] =
        "scenario 't' server 's1' router 'x' { nat = { 'eim-apdf', ports = 'sequential' } }\n"
        "client 'a' { behind = 'x' } at '1s' { classify('a') }\n";
    struct compare_totals totals;
    (void)state;
    answers[0] = answers[1] = relayed;
    answers[1].path = NODE_PATH_DIRECT;
    char *text = said(script, &totals, false);
    check_totals(&totals, 1, 0, 0, 0);
    check_said(text, "EIM APDF ~ hairpin:external paired");
    free(text);
    answers[1].mapping = STUN_MAPPING_APDM;
    text = said(script, &totals, false);
    check_totals(&totals, 1, 1, 0, 0);
    check_said(text, "APDM APDF ~ hairpin:external paired !");
    free(text);
}

static void test_json(void **state)
{
    struct compare_totals totals;
    (void)state;
    answers[0] = answers[1] = relayed;
    answers[1].path = NODE_PATH_DIRECT;
    answers[1].reason = REASON_PUNCHED;
    char *lines = said("scenario 't' differs('linux', 'why not') " WORLD, &totals, true);
    assert_string_equal(
        lines, "{\"script\":\"x.lua\",\"scenario\":\"t\",\"kind\":\"pair\",\"a\":\"a\",\"b\":\"b\","
               "\"ordinal\":0,\"network\":\"sim\",\"is\":\"relayed (apdm-against-apdf)\","
               "\"result\":\"same\"}\n"
               "{\"script\":\"x.lua\",\"scenario\":\"t\",\"kind\":\"pair\",\"a\":\"a\",\"b\":\"b\","
               "\"ordinal\":0,\"network\":\"linux\",\"is\":\"direct (punched)\","
               "\"result\":\"declared\",\"reason\":\"why not\"}\n");
    free(lines);
}

static void test_left_out(void **state)
{
    struct compare compare = {.networks = {&absent, &first}, .network_count = 2};
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    (void)state;
    assert_non_null(out);
    compare_leave_out(&compare, out);
    fclose(out);
    assert_int_equal(compare.network_count, 1);
    assert_ptr_equal(compare.networks[0], &first);
    assert_string_equal(text, "# without tun: no such device\n");
    free(text);
}

static void test_lists(void **state)
{
    const struct run_network *networks[SETUP_NETWORKS_MAX];
    (void)state;
    assert_int_equal(setup_networks(NULL, networks), run_network_count);
    assert_int_equal(setup_networks("tun,sim", networks), 2);
    assert_string_equal(networks[0]->name, "tun");
    assert_string_equal(networks[1]->name, "sim");
    assert_int_equal(setup_networks("sim,sim", networks), 0);
    assert_int_equal(setup_networks("sim,smi", networks), 0);
    assert_int_equal(setup_networks("", networks), 0);
    assert_int_equal(setup_networks("sim,", networks), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),         cmocka_unit_test(test_times),
        cmocka_unit_test(test_shares),        cmocka_unit_test(test_skipped),
        cmocka_unit_test(test_no_run),        cmocka_unit_test(test_order),
        cmocka_unit_test(test_classified),    cmocka_unit_test(test_json),
        cmocka_unit_test(test_left_out),      cmocka_unit_test(test_lists),
        cmocka_unit_test(test_first_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
