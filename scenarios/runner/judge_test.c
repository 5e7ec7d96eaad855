/* Verdicts: each mode against sequences of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/judge.h"

#define S UINT64_C(1000000000)

/*
 * Results are letters at seconds: 'r' a right one, 'w' a wrong one, 'o' a wrong one of another
 * client, '.' none.
 */
static const struct {
    enum plan_mode mode;
    uint64_t after_s;
    uint64_t within_s;
    const char *results; /* at 0 s, 1 s, 2 s, ... */
    bool passes;
} cases[] = {
    {PLAN_FINALLY, 0, 0, "", false},     {PLAN_FINALLY, 0, 0, "r", true},
    {PLAN_FINALLY, 0, 0, "w", false},    {PLAN_FINALLY, 0, 0, "wr", true},
    {PLAN_FINALLY, 0, 0, "rw", false},   {PLAN_FINALLY, 0, 0, "ro", true},
    {PLAN_FINALLY, 0, 0, "o", false},    {PLAN_WITHIN, 0, 2, "..r", true},
    {PLAN_WITHIN, 0, 2, "...r", false},  {PLAN_WITHIN, 0, 2, "rw", true},
    {PLAN_WITHIN, 2, 1, "r", false},     {PLAN_WITHIN, 2, 1, "w..r", true},
    {PLAN_WITHIN, 2, 1, "....r", false}, {PLAN_WITHIN, 0, 9, "", false},
    {PLAN_ALWAYS, 0, 0, "", false},      {PLAN_ALWAYS, 0, 0, "rr", true},
    {PLAN_ALWAYS, 0, 0, "rwr", false},   {PLAN_ALWAYS, 2, 0, "wwr", true},
    {PLAN_ALWAYS, 2, 0, "rr", false},    {PLAN_NEVER, 0, 0, "", true},
    {PLAN_NEVER, 0, 0, "w", true},       {PLAN_NEVER, 0, 0, "wr", false},
    {PLAN_NEVER, 1, 0, "rw", true},      {PLAN_NEVER, 1, 0, "wr", false},
};

static void test_modes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run run = {.findings = NULL};
        char happened[JUDGE_TEXT_SIZE];
        for (size_t j = 0; cases[i].results[j] != 0; j++) {
            char result = cases[i].results[j];
            struct run_finding finding = {.at_ns = j * S, .client = result == 'o' ? 1 : 0};
            finding.behaviour.mapping = result == 'r' ? STUN_MAPPING_EIM : STUN_MAPPING_APDM;
            if (result != '.')
                run_add_finding(&run, &finding);
        }
        struct plan_expect expect = {.mode = (uint8_t)cases[i].mode,
                                     .after_ns = cases[i].after_s * S,
                                     .within_ns = cases[i].within_s * S};
        struct finding wanted = {.mask = 0};
        finding_add(&wanted, FINDING_MAPPING, STUN_MAPPING_EIM);
        if (judge_run(&expect, &wanted, &run, happened) != cases[i].passes)
            fail_msg("case %zu: %s over \"%s\"", i, plan_mode_words[cases[i].mode],
                     cases[i].results);
        run_free(&run);
    }
}

/* A classification in real time may be as much later as its times are inexact. */
static void test_slack(void **state)
{
    char happened[JUDGE_TEXT_SIZE];
    struct run run = {.slack_ns = S};
    struct plan_expect expect = {.mode = PLAN_WITHIN, .after_ns = S, .within_ns = 2 * S};
    struct finding wanted = {.mask = 0};
    (void)state;
    finding_add(&wanted, FINDING_MAPPING, STUN_MAPPING_EIM);
    run_add_finding(&run,
                    &(struct run_finding){.at_ns = 4 * S, .behaviour.mapping = STUN_MAPPING_EIM});
    assert_true(judge_run(&expect, &wanted, &run, happened));
    run.slack_ns--;
    assert_false(judge_run(&expect, &wanted, &run, happened));
    expect.mode = PLAN_FINALLY;
    assert_int_equal(judge_until_ns(&expect, &run), UINT64_MAX);
    run_free(&run);
}

static void test_happened(void **state)
{
    char happened[JUDGE_TEXT_SIZE];
    struct run run = {.findings = NULL};
    struct plan_expect expect = {.mode = PLAN_FINALLY};
    struct finding wanted = {.mask = 0};
    (void)state;
    finding_add(&wanted, FINDING_MAPPING, STUN_MAPPING_EIM);
    finding_add(&wanted, FINDING_STEP, 2);
    assert_false(judge_run(&expect, &wanted, &run, happened));
    assert_string_equal(happened, "nothing was found at all");
    struct run_finding finding = {.at_ns = 1500 * S / 1000};
    finding.behaviour.mapping = STUN_MAPPING_ADM;
    finding.behaviour.filtering = STUN_FILTERING_APDF;
    finding.behaviour.ports = STUN_PORTS_SEQUENTIAL;
    finding.behaviour.step = 2;
    run_add_finding(&run, &finding);
    assert_false(judge_run(&expect, &wanted, &run, happened));
    assert_string_equal(happened, "at 1500ms it found mapping ADM");
    run_free(&run);
}

/* A step that the client did not find, because ports are not sequential, is not the step 0. */
static void test_step(void **state)
{
    struct stun_behaviour behaviour = {.ports = STUN_PORTS_RANDOM};
    struct finding found = finding_of(&behaviour), wanted = {.mask = 0};
    (void)state;
    finding_add(&wanted, FINDING_STEP, 0);
    assert_false(finding_agrees(&wanted, &found));
    behaviour.ports = STUN_PORTS_SEQUENTIAL;
    found = finding_of(&behaviour);
    assert_true(finding_agrees(&wanted, &found));
}

static void test_texts(void **state)
{
    static const struct {
        struct stun_behaviour behaviour;
        const char *text;
        const char *brief;
    } texts[] = {
        {{.nat = STUN_NAT_BLOCKED},
         "nat blocked, mapping unknown, filtering unknown, ports unknown, hairpin unknown, "
         "pooling unknown, trap unknown",
         "blocked"},
        {{.nat = STUN_NAT_PRESENT,
          .mapping = STUN_MAPPING_EIM,
          .filtering = STUN_FILTERING_APDF,
          .ports = STUN_PORTS_SEQUENTIAL,
          .step = 2,
          .hairpin = STUN_HAIRPIN_EXTERNAL,
          .pooling = STUN_POOLING_PAIRED,
          .trap = STUN_TRAP_YES},
         "nat present, mapping EIM, filtering APDF, ports sequential, step 2, hairpin external, "
         "pooling paired, trap yes",
         "EIM APDF sequential+2 hairpin:external paired trap"},
        {{.nat = STUN_NAT_NONE, .mapping = STUN_MAPPING_EIM, .filtering = STUN_FILTERING_EIF},
         "nat none, mapping EIM, filtering EIF, ports unknown, hairpin unknown, pooling unknown, "
         "trap unknown",
         "no NAT: EIM EIF ? hairpin:? ?"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[FINDING_TEXT_SIZE];
        struct finding finding = finding_of(&texts[i].behaviour);
        assert_string_equal(finding_render(&finding, NULL, text), texts[i].text);
        assert_string_equal(finding_brief(&finding, text), texts[i].brief);
    }
}

/* What a run has counted, against what is asked for. */
static void test_counts(void **state)
{
    static const struct {
        uint8_t kind;
        uint64_t at_least, at_most, count;
        bool passes;
    } rows[] = {
        {PLAN_RECEIVES, 0, 5, 0, true},
        {PLAN_RECEIVES, 0, 5, 5, true},
        {PLAN_RECEIVES, 0, 5, 6, false},
        {PLAN_RECEIVES, 0, 0, 0, true},
        {PLAN_RECEIVES, 0, 0, 1, false},
        {PLAN_SENDS, 3, PLAN_COUNT_ANY, 2, false},
        {PLAN_SENDS, 3, PLAN_COUNT_ANY, 3, true},
        {PLAN_SENDS, 3, PLAN_COUNT_ANY, UINT64_MAX, true},
        {PLAN_SENDS, 3, 4, 4, true},
        {PLAN_SENDS, 3, 4, 5, false},
    };
    char happened[JUDGE_TEXT_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct plan_expect expect = {
            .kind = rows[i].kind, .at_least = rows[i].at_least, .at_most = rows[i].at_most};
        if (judge_count(&expect, rows[i].count, happened) != rows[i].passes)
            fail_msg("row %zu: %s", i, happened);
    }
    assert_string_equal(happened, "it sent 5 datagrams");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes), cmocka_unit_test(test_happened), cmocka_unit_test(test_step),
        cmocka_unit_test(test_texts), cmocka_unit_test(test_counts),   cmocka_unit_test(test_slack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
