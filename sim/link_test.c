/* Tests of what one direction of a link does, each parameter by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sim/link.h"

enum { PACKETS = 20000 };
#define MS UINT64_C(1000000)

static const uint8_t seed[RANDOM_SEED_SIZE] = {7};

struct fixture {
    struct link_way way;
    struct link_draws draws;
};

static void start(struct fixture *f, const struct link_config *config)
{
    memset(f, 0, sizeof *f);
    link_draws_init(&f->draws, seed, "a>b");
    f->way.draws = &f->draws;
    link_set(&f->way, config);
}

/* What PACKETS packets of 100 bytes, 1 ms apart, meet. */
struct tally {
    uint32_t lost[5];
    uint32_t twice;
    uint32_t corrupt;
    uint32_t overtaken; /* came out before an earlier one */
    uint64_t least_ns;  /* of the delays */
    uint64_t most_ns;
    uint64_t sum_ns;
    uint32_t longest_loss; /* packets in a row */
};

static void run(const struct link_config *config, struct tally *tally)
{
    struct fixture f;
    start(&f, config);
    memset(tally, 0, sizeof *tally);
    tally->least_ns = UINT64_MAX;
    uint64_t latest_ns = 0;
    uint32_t in_a_row = 0;
    for (uint32_t i = 0; i < PACKETS; i++) {
        struct link_outcome outcome;
        link_pass(&f.way, i * MS, 100, &outcome);
        assert_in_range(outcome.copies, 0, 2);
        assert_int_equal(outcome.copies == 0, outcome.lost != LINK_KEPT);
        in_a_row = outcome.copies == 0 ? in_a_row + 1 : 0;
        if (in_a_row > tally->longest_loss)
            tally->longest_loss = in_a_row;
        tally->lost[outcome.lost]++;
        tally->twice += outcome.copies == 2;
        tally->corrupt += outcome.corrupt;
        if (outcome.copies == 0)
            continue;
        uint64_t delay_ns = outcome.arrival_ns[0] - i * MS;
        tally->least_ns = delay_ns < tally->least_ns ? delay_ns : tally->least_ns;
        tally->most_ns = delay_ns > tally->most_ns ? delay_ns : tally->most_ns;
        tally->sum_ns += delay_ns;
        tally->overtaken += outcome.arrival_ns[0] < latest_ns;
        latest_ns = outcome.arrival_ns[0] > latest_ns ? outcome.arrival_ns[0] : latest_ns;
    }
}

static void test_latency_is_exact(void **state)
{
    (void)state;
    struct tally t;
    run(&(struct link_config){.latency_ns = 12 * MS}, &t);
    assert_int_equal(t.lost[LINK_KEPT], PACKETS);
    assert_int_equal(t.least_ns, 12 * MS);
    assert_int_equal(t.most_ns, 12 * MS);
}

static void test_all_zero_is_ideal(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &(struct link_config){0});
    assert_true(f.way.ideal);
    assert_int_equal(f.way.config.mtu, 1500);
    start(&f, &(struct link_config){.loss_ppm = 1});
    assert_false(f.way.ideal);
}

static void test_jitter_keeps_order_unless_it_may_not(void **state)
{
    (void)state;
    struct tally t;
    run(&(struct link_config){.latency_ns = 5 * MS, .jitter_ns = 4 * MS}, &t);
    assert_int_equal(t.overtaken, 0);
    assert_in_range(t.least_ns, 5 * MS, 6 * MS);
    assert_in_range(t.most_ns, 8 * MS, 9 * MS);
    run(&(struct link_config){.latency_ns = 5 * MS, .jitter_ns = 4 * MS, .jitter_reorders = true},
        &t);
    assert_in_range(t.overtaken, PACKETS / 4, PACKETS);
    assert_in_range(t.sum_ns / PACKETS, 6950000, 7050000); /* the middle of 5 to 9 ms */
    run(&(struct link_config){.jitter_ns = 4 * MS,
                              .jitter = LINK_JITTER_BELL,
                              .jitter_reorders = true},
        &t);
    assert_in_range(t.sum_ns / PACKETS, 1950000, 2050000);
    assert_in_range(t.most_ns, 3 * MS, 4 * MS);
}

struct rate_row {
    struct link_config config;
    uint32_t low, high; /* how many of PACKETS, in 4 standard deviations or more */
    enum { LOST, BURST, TWICE, CORRUPT, OVERTAKEN } what;
};

static const struct rate_row rate_table[] = {
    {{.loss_ppm = 0}, 0, 0, LOST},
    {{.loss_ppm = 100000}, 1800, 2200, LOST},
    {{.loss_ppm = 1000000}, PACKETS, PACKETS, LOST},
    /* In the bad state a share of 1/(1+9) of the time, and half of that is lost. */
    {{.burst_enter_ppm = 10000, .burst_leave_ppm = 90000, .burst_loss_ppm = 500000},
     750,
     1250,
     BURST},
    {{.duplicate_ppm = 50000}, 860, 1140, TWICE},
    {{.corrupt_ppm = 20000}, 310, 490, CORRUPT},
    /* Held back for 1.5 packets, so that each is passed by one. */
    {{.reorder_ppm = 30000, .reorder_hold_ns = 1500000}, 500, 700, OVERTAKEN},
};

static void test_probabilities(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rate_table / sizeof rate_table[0]; i++) {
        const struct rate_row *row = &rate_table[i];
        struct tally t;
        run(&row->config, &t);
        uint32_t seen = row->what == LOST      ? t.lost[LINK_LOST]
                        : row->what == BURST   ? t.lost[LINK_LOST_BURST]
                        : row->what == TWICE   ? t.twice
                        : row->what == CORRUPT ? t.corrupt
                                               : t.overtaken;
        assert_in_range(seen, row->low, row->high);
    }
}

static void test_bursts_are_longer_than_independent_loss(void **state)
{
    (void)state;
    struct tally burst;
    struct tally independent;
    run(&(struct link_config){.burst_enter_ppm = 10000, .burst_leave_ppm = 90000}, &burst);
    run(&(struct link_config){.loss_ppm = 100000}, &independent);
    assert_true(burst.longest_loss > 3 * independent.longest_loss);
}

/* 100 bytes at 800 kbit/s take 1 ms. Ten at once: the n-th comes out after n ms. */
static void test_rate_spaces_packets(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &(struct link_config){.rate_bps = 800000, .latency_ns = 2 * MS});
    for (unsigned i = 0; i < 10; i++) {
        struct link_outcome outcome;
        link_pass(&f.way, 0, 100, &outcome);
        assert_int_equal(outcome.arrival_ns[0], (i + 1) * MS + 2 * MS);
    }
}

static void test_a_full_queue_drops_the_tail(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &(struct link_config){.rate_bps = 800000, .queue_bytes = 500});
    uint32_t kept = 0;
    struct link_outcome outcome;
    for (unsigned i = 0; i < 20; i++) {
        link_pass(&f.way, 0, 100, &outcome);
        kept += outcome.copies;
        if (outcome.copies == 0)
            assert_int_equal(outcome.lost, LINK_LOST_QUEUE);
    }
    assert_int_equal(kept, 5);
    /* It empties at the rate. */
    link_pass(&f.way, 3 * MS, 100, &outcome);
    assert_int_equal(outcome.copies, 1);
    assert_int_equal(outcome.arrival_ns[0], 6 * MS);
}

static void test_down_loses_everything_and_draws_nothing(void **state)
{
    (void)state;
    struct fixture f;
    start(&f, &(struct link_config){.loss_ppm = 500000});
    struct link_draws before = f.draws;
    f.way.down = true;
    struct link_outcome outcome;
    link_pass(&f.way, 0, 100, &outcome);
    assert_int_equal(outcome.lost, LINK_LOST_DOWN);
    assert_memory_equal(&before, &f.draws, sizeof before);
}

/* Which packets are lost is the same whether or not other things are drawn as well. */
static void test_each_purpose_has_its_own_stream(void **state)
{
    (void)state;
    struct fixture plain;
    struct fixture busy;
    start(&plain, &(struct link_config){.loss_ppm = 300000});
    start(&busy, &(struct link_config){.loss_ppm = 300000,
                                       .jitter_ns = 1000,
                                       .duplicate_ppm = 200000,
                                       .corrupt_ppm = 200000,
                                       .reorder_ppm = 200000});
    for (unsigned i = 0; i < 1000; i++) {
        struct link_outcome a;
        struct link_outcome b;
        link_pass(&plain.way, i, 100, &a);
        link_pass(&busy.way, i, 100, &b);
        assert_int_equal(a.lost, b.lost);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_latency_is_exact),
        cmocka_unit_test(test_all_zero_is_ideal),
        cmocka_unit_test(test_jitter_keeps_order_unless_it_may_not),
        cmocka_unit_test(test_probabilities),
        cmocka_unit_test(test_bursts_are_longer_than_independent_loss),
        cmocka_unit_test(test_rate_spaces_packets),
        cmocka_unit_test(test_a_full_queue_drops_the_tail),
        cmocka_unit_test(test_down_loses_everything_and_draws_nothing),
        cmocka_unit_test(test_each_purpose_has_its_own_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
