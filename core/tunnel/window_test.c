/* The window of counters: tables of its edges, and a set that remembers everything. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "core/base/random.h"
#include "core/tunnel/window.h"

#define W UINT64_C(8128)
_Static_assert(W == WINDOW_SIZE, "two ways at once put no more counters out of order");

struct row {
    uint64_t counter;
    bool seen;
};

/* Each counter is asked for, twice, and marked when it was not seen; then it is. */
static void run_rows(const struct row *rows, size_t count)
{
    struct window window = {0};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(window_seen(&window, rows[i].counter), rows[i].seen);
        assert_int_equal(window_seen(&window, rows[i].counter), rows[i].seen);
        if (!rows[i].seen)
            window_mark(&window, rows[i].counter);
        assert_true(window_seen(&window, rows[i].counter));
    }
}
#define RUN_ROWS(rows) run_rows(rows, sizeof(rows) / sizeof(rows)[0])

static void test_order(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {0, false}, {0, true},       {1, false},      {1, true},       {9, false},
        {8, false}, {7, false},      {7, true},       {6, false},      {5, false},
        {4, false}, {3, false},      {2, false},      {2, true},       {16, false},
        {3, true},  {63, false},     {64, false},     {65, false},     {62, false},
        {64, true}, {W + 16, false}, {W + 16, true},  {10, true}, /* too old */
        {15, true}, {16, true},      {17, false},     {17, true},      {W + 17, false},
        {16, true}, {18, false},     {W + 15, false}, {W + 64, false}, {63, true},
        {65, true}, {66, false},     {64, true},
    };
    RUN_ROWS(rows);
}

/* Late by as much as can be, by one more, by one less, wherever in a word the highest stands. */
static void test_edges(void **state)
{
    (void)state;
    for (uint64_t highest = W + 1; highest < W + 300; highest++) {
        struct window window = {0};
        window_mark(&window, highest);
        assert_true(window_seen(&window, highest));
        assert_false(window_seen(&window, highest + 1));
        assert_false(window_seen(&window, highest + W));
        assert_false(window_seen(&window, highest - 1));
        assert_true(window_seen(&window, highest - W - 1));
        assert_false(window_seen(&window, highest - W + 1));
        assert_false(window_seen(&window, highest - W));
        window_mark(&window, highest - W);
        assert_true(window_seen(&window, highest - W));
        /* What was marked is one counter, not another that stands in the same place. */
        assert_false(window_seen(&window, highest - W + 1));
        assert_false(window_seen(&window, highest - W + 64));
        assert_false(window_seen(&window, highest - 1));
        assert_false(window_seen(&window, highest + 64));
    }
}

/* All counters in reach, the highest first: each once. */
static void test_backwards(void **state)
{
    (void)state;
    struct window window = {0};
    uint64_t highest = 3 * W + 17;
    for (uint64_t late = 0; late <= W; late++) {
        assert_false(window_seen(&window, highest - late));
        window_mark(&window, highest - late);
    }
    for (uint64_t late = 0; late <= 2 * W; late++)
        assert_true(window_seen(&window, highest - late));
    assert_false(window_seen(&window, highest + 1));
}

/* After a jump, no trace is left of what stood where the new counters stand, however far it was. */
static void test_jumps(void **state)
{
    (void)state;
    static const uint64_t jumps[] = {
        1,
        2,
        63,
        64,
        65,
        127,
        128,
        W - 64,
        W - 1,
        W,
        W + 1,
        W + 63,
        W + 64,
        W + 65,
        W + 128,
        2 * W,
        2 * W + 127,
        1000000,
        1 << 30,
        UINT64_C(1) << 32,
        UINT64_C(1) << 40,
        UINT64_C(1) << 62,
        (UINT64_C(1) << 63) + UINT64_C(64) * 128,
    };
    for (size_t j = 0; j < sizeof jumps / sizeof jumps[0]; j++) {
        for (uint64_t begin = 2 * W; begin < 2 * W + 64; begin += 21) {
            struct window window = {0};
            for (uint64_t late = 0; late <= W; late++)
                window_mark(&window, begin - late);
            uint64_t highest = begin + jumps[j];
            window_mark(&window, highest);
            for (uint64_t late = 0; late <= W + 200; late++) {
                uint64_t counter = highest - late;
                bool seen = late == 0 || late > W || counter <= begin;
                assert_int_equal(window_seen(&window, counter), seen);
            }
            assert_false(window_seen(&window, highest + 1));
        }
    }
}

/* The last counter of all is never taken: there is none after it. Everything before it is. */
static void test_end_of_counters(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {UINT64_MAX, true},
        {UINT64_MAX - W - 1, false},
        {UINT64_MAX, true},
        {UINT64_MAX - W - 2, false},
        {UINT64_MAX - 2, false},
        {UINT64_MAX - W - 1, true},
        {UINT64_MAX - W - 3, true},
        {UINT64_MAX - W, false},
        {UINT64_MAX - 1, false},
        {UINT64_MAX - 1, true},
        {UINT64_MAX - W - 1, true},
        {UINT64_MAX - W, true},
        {UINT64_MAX - 3, false},
        {UINT64_MAX, true},
        {0, true},
        {1, true},
    };
    RUN_ROWS(rows);
    struct window window = {0};
    window_mark(&window, 0);
    assert_false(window_seen(&window, UINT64_MAX - 1));
    window_mark(&window, UINT64_MAX - 1);
    assert_true(window_seen(&window, 0));
    for (uint64_t late = 1; late <= W; late++)
        assert_false(window_seen(&window, UINT64_MAX - 1 - late));
    assert_true(window_seen(&window, UINT64_MAX - 1 - W - 1));
}

enum { MODEL_STEPS = 40000 };

/* What was ever marked; a naive set, and the rule of the header in so many words. */
struct model {
    uint64_t marked[MODEL_STEPS];
    size_t count;
    uint64_t highest;
};

static bool model_seen(const struct model *model, uint64_t counter)
{
    if (model->count == 0 || counter > model->highest)
        return false;
    if (model->highest - counter > W)
        return true;
    for (size_t i = model->count; i-- > 0;) {
        if (model->marked[i] == counter)
            return true;
    }
    return false;
}

/* A counter somewhere round the highest: mostly in reach, often at an edge, seldom far ahead. */
static uint64_t model_draw(struct random_stream *stream, uint64_t highest)
{
    uint64_t near = random_below(stream, 4);
    switch (random_below(stream, 8)) {
    case 0:
        return highest - W - 2 + near;
    case 1:
        return highest - random_below(stream, W + 70);
    case 2:
        return highest - random_below(stream, 300);
    case 3:
        return highest + random_below(stream, 130);
    case 4:
        return random_chance(stream, 20000) ? highest + random_below(stream, 3 * W)
                                            : highest - near;
    case 5:
        return (highest / 64 - random_below(stream, WINDOW_WORDS)) * 64 + near - 1;
    default:
        return highest + near;
    }
}

static void test_model(void **state)
{
    (void)state;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {4};
    static const uint64_t begins[] = {W + 1000, UINT64_C(1) << 32, UINT64_C(1) << 63,
                                      UINT64_MAX - 6000000};
    struct model *model = calloc(1, sizeof *model);
    assert_non_null(model);
    for (size_t b = 0; b < sizeof begins / sizeof begins[0]; b++) {
        struct random_stream stream;
        random_stream_init(&stream, seed, (const char *)&b, sizeof b);
        struct window window = {0};
        model->count = 0;
        model->highest = begins[b];
        size_t seen_count = 0;
        for (size_t step = 0; step < MODEL_STEPS / 4; step++) {
            uint64_t counter = model_draw(&stream, model->highest);
            bool seen = model_seen(model, counter);
            assert_int_equal(window_seen(&window, counter), seen);
            seen_count += seen;
            if (seen)
                continue;
            window_mark(&window, counter);
            if (model->count == 0 || counter > model->highest)
                model->highest = counter;
            model->marked[model->count++] = counter;
        }
        /* Both answers were given often enough to mean something. */
        assert_true(seen_count > MODEL_STEPS / 40 && model->count > MODEL_STEPS / 40);
        for (uint64_t late = 0; late < W + 200; late++)
            assert_int_equal(window_seen(&window, model->highest - late),
                             model_seen(model, model->highest - late));
    }
    free(model);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),           cmocka_unit_test(test_edges),
        cmocka_unit_test(test_backwards),       cmocka_unit_test(test_jumps),
        cmocka_unit_test(test_end_of_counters), cmocka_unit_test(test_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
