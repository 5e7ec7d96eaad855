/* Runs as bytes: what is packed comes out again, and nothing else does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "scenarios/runner/run_copy.h"

static struct plan_place places[3];
static struct plan_expect expects[2];
static const struct plan_scenario scenario = {
    .places = places, .place_count = 3, .expects = expects, .expect_count = 2};

/* A run with something of everything. */
static struct run_outcome full(void)
{
    static const struct run_event events[] = {
        {.at_ns = 5, .from = 1, .to = 2, .kind = RUN_CONNECTED},
        {.at_ns = 5, .from = 1, .to = PLAN_INTERNET, .kind = RUN_HOME},
        {.at_ns = 9,
         .from = 2,
         .to = 1,
         .kind = RUN_PATH,
         .path = NODE_PATH_DIRECT,
         .reason = REASON_PUNCHED},
        {.at_ns = 11, .sent_ns = 7, .from = 1, .to = 2, .number = 3, .kind = RUN_ARRIVED},
        {.at_ns = 12, .from = 1, .to = 0, .kind = RUN_HOME},
    };
    struct run_outcome outcome = {.made = true,
                                  .run = {.digest = 1,
                                          .end_ns = 2,
                                          .packets = 3,
                                          .events = 4,
                                          .quiet_ns = 5,
                                          .late_ns = 8,
                                          .slack_ns = 6,
                                          .stormed = true}};
    struct run *run = &outcome.run;
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        run_add_event(run, &events[i]);
    run_add_finding(
        run, &(struct run_finding){.at_ns = 8, .client = 1, .behaviour = {.step = -7, .sent = 9}});
    run_add_pair(run, &(struct run_pair){.a = 1, .b = 2, .at_ns = 5, .seen = {.left = {4, 5}}});
    run->counts = calloc(2, sizeof *run->counts);
    run->quiet = calloc(3, sizeof *run->quiet);
    run->notes = strdup("how to\nenter it");
    assert_true(run->counts != NULL && run->quiet != NULL);
    run->counts[1] = 77;
    run->quiet[2] = (struct run_quiet){.packets = 8, .bytes = 800};
    return outcome;
}

static void check_full(const struct run *run)
{
    assert_int_equal(run->digest, 1);
    assert_int_equal(run->end_ns, 2);
    assert_int_equal(run->packets, 3);
    assert_int_equal(run->events, 4);
    assert_int_equal(run->quiet_ns, 5);
    assert_int_equal(run->late_ns, 8);
    assert_int_equal(run->slack_ns, 6);
    assert_true(run->stormed);
    assert_int_equal(run->event_count, 5);
    assert_int_equal(run->events_seen[1].to, PLAN_INTERNET);
    assert_int_equal(run->events_seen[2].path, NODE_PATH_DIRECT);
    assert_int_equal(run->events_seen[2].reason, REASON_PUNCHED);
    assert_int_equal(run->events_seen[3].sent_ns, 7);
    assert_int_equal(run->events_seen[3].number, 3);
    assert_int_equal(run->finding_count, 1);
    assert_int_equal(run->findings[0].behaviour.step, -7);
    assert_int_equal(run->pair_count, 1);
    assert_int_equal(run->pairs[0].seen.left[1], 5);
    assert_int_equal(run->counts[0], 0);
    assert_int_equal(run->counts[1], 77);
    assert_int_equal(run->quiet[2].bytes, 800);
    assert_string_equal(run->notes, "how to\nenter it");
}

static void test_round_trip(void **state)
{
    struct run_outcome outcome = full(), again;
    size_t size;
    (void)state;
    uint8_t *bytes = run_copy_pack(&outcome, &scenario, &size);
    assert_true(run_copy_unpack(bytes, size, &scenario, &again));
    assert_true(again.made);
    check_full(&again.run);
    /* It can grow as any other. */
    for (uint32_t i = 0; i < 20; i++)
        run_add_event(&again.run, &(struct run_event){.at_ns = 20 + i, .from = 1, .to = 2});
    assert_int_equal(again.run.event_count, 25);
    free(bytes);
    run_free(&outcome.run);
    run_free(&again.run);
}

static void test_empty(void **state)
{
    struct run_outcome outcome = {.made = true}, again;
    size_t size;
    (void)state;
    uint8_t *bytes = run_copy_pack(&outcome, &scenario, &size);
    assert_true(run_copy_unpack(bytes, size, &scenario, &again));
    assert_true(again.made);
    assert_null(again.run.counts);
    assert_null(again.run.quiet);
    assert_null(again.run.notes);
    assert_int_equal(again.run.event_count, 0);
    free(bytes);
    run_free(&again.run);
}

/* Of a run that was not made there are notes alone. */
static void test_not_made(void **state)
{
    struct run_outcome outcome = full(), again;
    size_t size;
    (void)state;
    outcome.made = false;
    strcpy(outcome.error, "no such device");
    uint8_t *bytes = run_copy_pack(&outcome, &scenario, &size);
    assert_true(run_copy_unpack(bytes, size, &scenario, &again));
    assert_false(again.made);
    assert_string_equal(again.error, "no such device");
    assert_string_equal(again.run.notes, "how to\nenter it");
    assert_int_equal(again.run.event_count, 0);
    assert_null(again.run.counts);
    free(bytes);
    run_free(&outcome.run);
    run_free(&again.run);
}

/* Every truncation, every changed bit, and more than there was. */
static void test_damage(void **state)
{
    struct run_outcome outcome = full(), again;
    size_t size;
    (void)state;
    uint8_t *bytes = run_copy_pack(&outcome, &scenario, &size);
    uint8_t *longer = calloc(1, size + 1);
    assert_non_null(longer);
    memcpy(longer, bytes, size);
    assert_false(run_copy_unpack(longer, size + 1, &scenario, &again));
    for (size_t cut = 0; cut < size; cut++) {
        /* In a block of its own, so that a read past its end is seen. */
        uint8_t *part = malloc(cut + 1);
        assert_non_null(part);
        memcpy(part, bytes, cut);
        assert_false(run_copy_unpack(part, cut, &scenario, &again));
        assert_false(again.made);
        free(part);
    }
    for (size_t bit = 0; bit < size * 8; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
        assert_false(run_copy_unpack(bytes, size, &scenario, &again));
        assert_null(again.run.events_seen);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1u << bit % 8);
    }
    assert_true(run_copy_unpack(bytes, size, &scenario, &again));
    run_free(&again.run);
    free(longer);
    free(bytes);
    run_free(&outcome.run);
}

/* Whole, but with something that those who judge would fall over. */
static void test_unsound(void **state)
{
    static const struct run_event events[] = {
        {.from = 3, .to = 1},
        {.from = 1, .to = 3},
        {.from = PLAN_INTERNET, .to = 1, .kind = RUN_HOME},
        {.from = 1, .to = PLAN_INTERNET, .kind = RUN_SENT},
        {.from = 1, .to = 2, .kind = RUN_HOME + 1},
        {.from = 1, .to = 2, .kind = RUN_PATH, .path = NODE_PATH_UNREACHABLE + 1},
        {.from = 1, .to = 2, .kind = RUN_PATH, .reason = REASON_COUNT},
    };
    struct run_outcome again;
    size_t size;
    (void)state;
    for (size_t i = 0; i < sizeof events / sizeof *events + 2; i++) {
        struct run_outcome outcome = {.made = true};
        if (i < sizeof events / sizeof *events)
            run_add_event(&outcome.run, &events[i]);
        else if (i % 2 == 0)
            run_add_pair(&outcome.run, &(struct run_pair){.a = 1, .b = 3});
        else
            run_add_finding(&outcome.run, &(struct run_finding){.client = 3});
        uint8_t *bytes = run_copy_pack(&outcome, &scenario, &size);
        assert_false(run_copy_unpack(bytes, size, &scenario, &again));
        assert_false(again.made);
        free(bytes);
        run_free(&outcome.run);
    }
    struct run_outcome outcome = {.made = true};
    run_add_event(&outcome.run, &(struct run_event){.at_ns = 4, .from = 1, .to = 2});
    run_add_event(&outcome.run, &(struct run_event){.at_ns = 4, .from = 1, .to = 2});
    outcome.run.events_seen[1].at_ns = 3;
    uint8_t *bytes = run_copy_pack(&outcome, &scenario, &size);
    assert_false(run_copy_unpack(bytes, size, &scenario, &again));
    free(bytes);
    run_free(&outcome.run);
}

/* What another scenario has counted is not taken for this one's. */
static void test_other_scenario(void **state)
{
    const struct plan_scenario other = {
        .places = places, .place_count = 3, .expects = expects, .expect_count = 1};
    struct run_outcome outcome = full(), again;
    size_t size;
    (void)state;
    uint8_t *bytes = run_copy_pack(&outcome, &scenario, &size);
    assert_false(run_copy_unpack(bytes, size, &other, &again));
    free(bytes);
    run_free(&outcome.run);
}

static void test_through_a_file(void **state)
{
    struct run_outcome outcome = full();
    struct run run;
    char error[RUN_ERROR_SIZE];
    int ends[2];
    (void)state;
    assert_int_equal(pipe(ends), 0);
    assert_true(run_copy_write(ends[1], &scenario, &outcome.run, NULL));
    close(ends[1]);
    assert_true(run_copy_read(ends[0], &scenario, &run, error));
    close(ends[0]);
    check_full(&run);
    run_free(&run);

    assert_int_equal(pipe(ends), 0);
    assert_true(run_copy_write(ends[1], &scenario, &outcome.run, "it did not start"));
    close(ends[1]);
    assert_false(run_copy_read(ends[0], &scenario, &run, error));
    close(ends[0]);
    assert_string_equal(error, "it did not start");
    run_free(&run);

    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "junk", 4), 4);
    close(ends[1]);
    assert_false(run_copy_read(ends[0], &scenario, &run, error));
    close(ends[0]);
    assert_string_equal(error, "the run's process ended without a result");
    run_free(&outcome.run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_empty),
        cmocka_unit_test(test_not_made),       cmocka_unit_test(test_damage),
        cmocka_unit_test(test_unsound),        cmocka_unit_test(test_other_scenario),
        cmocka_unit_test(test_through_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
