/* The grid of several meshes: what it shows, and when Warren is beaten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/grid.h"

#define MS UINT64_C(1000000)

static struct plan_scenario scenario_of(const char *a, const char *b, const char *program)
{
    struct plan_scenario scenario = {.title = "t"};
    strcpy(scenario.row, a);
    strcpy(scenario.column, b);
    if (strcmp(program, "warren") != 0)
        strcpy(scenario.program, program);
    return scenario;
}

/* 'D' direct, 'r' relayed, '.' unreachable, '?' pending; '-' skipped, '!' not made. */
static void add(struct grid *grid, const char *a, const char *b, const char *program, char what,
                uint64_t first_ns, uint64_t direct_ns)
{
    struct plan_scenario scenario = scenario_of(a, b, program);
    struct judge_sum sum = {.known = true, .first_inner_ns = first_ns};
    if (what == '-' || what == '!') {
        grid_miss(grid, &scenario, what == '-');
        return;
    }
    sum.direct_ns = direct_ns;
    sum.path = what == 'D'   ? NODE_PATH_DIRECT
               : what == '.' ? NODE_PATH_UNREACHABLE
               : what == '?' ? NODE_PATH_PENDING
                             : NODE_PATH_RELAYED;
    grid_add(grid, &scenario, &sum);
}

static char *printed(const struct grid *grid)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    grid_print(file, grid, "x.lua", false);
    fclose(file);
    return text;
}

static void test_picture(void **state)
{
    struct grid grid = {.rows = NULL};
    (void)state;
    add(&grid, "none", "none", "warren", 'D', 20 * MS, 314 * MS);
    add(&grid, "none", "none", "nebula", 'D', 1204 * MS, 1205 * MS);
    add(&grid, "none", "none", "n2n", '-', 0, 0);
    add(&grid, "none", "drops", "warren", 'r', 20 * MS, JUDGE_NEVER);
    add(&grid, "none", "drops", "nebula", 'D', 12345 * MS, 12345 * MS);
    add(&grid, "none", "drops", "n2n", '!', 0, 0);
    add(&grid, "drops", "drops", "warren", 'r', 30 * MS, JUDGE_NEVER);
    add(&grid, "drops", "drops", "nebula", '.', JUDGE_NEVER, JUDGE_NEVER);
    add(&grid, "drops", "drops", "n2n", '?', JUDGE_NEVER, JUDGE_NEVER);
    /* no cell */
    add(&grid, "", "", "warren", 'D', MS, MS);
    char *text = printed(&grid);
    assert_string_equal(
        text, "\nx.lua\n"
              "           warren            nebula              n2n\n"
              "\n  none calls\n"
              "    none   direct 0.02/0.31  direct 1.20/1.21    -\n"
              "    drops  relayed 0.02      direct 12.35/12.35  ?\n"
              "\n  drops calls\n"
              "    drops  relayed 0.03      failed              failed\n"
              "\n  Seconds from the connect to the first packet / to direct.\n"
              "\n"
              "  warren  1 direct, 2 relayed, 0 failed, median 0.02 s to the first packet, median "
              "0.31 s to direct\n"
              "  nebula  2 direct, 0 relayed, 1 failed, median 1.20 s to the first packet, median "
              "1.21 s to direct\n"
              "  n2n     0 direct, 0 relayed, 1 failed, 1 skipped, 1 could not be run\n");
    free(text);
    grid_free(&grid);
    text = printed(&grid);
    assert_string_equal(text, "");
    free(text);
}

/* The worst run of a cell is shown, and of equals the slowest. */
static void test_worst(void **state)
{
    struct grid grid = {.rows = NULL};
    (void)state;
    add(&grid, "a", "b", "warren", 'D', 500 * MS, 600 * MS);
    add(&grid, "a", "b", "warren", 'D', 10 * MS, 900 * MS);
    add(&grid, "a", "b", "warren", 'D', 10 * MS, 700 * MS);
    assert_int_equal(grid.row_count, 1);
    assert_int_equal(grid.rows[0].cells[0].direct_ns, 900 * MS);
    add(&grid, "a", "b", "warren", 'r', 10 * MS, JUDGE_NEVER);
    add(&grid, "a", "b", "warren", 'D', 10 * MS, 900 * MS);
    assert_int_equal(grid.rows[0].cells[0].kind, GRID_RELAYED);
    add(&grid, "b", "a", "warren", 'D', 10 * MS, 900 * MS);
    assert_int_equal(grid.row_count, 2);
    grid_free(&grid);
}

static void test_comparison(void **state)
{
    static const struct {
        char warren, nebula, tinc;
        enum grid_result result;
        const char *pairs;
    } cases[] = {
        {'D', 'D', 'D', GRID_AS_GOOD, ""},
        {'D', 'r', '.', GRID_AS_GOOD, ""},
        {'r', 'r', '.', GRID_AS_GOOD, ""},
        {'r', 'D', 'r', GRID_BEATEN, "a x b with nebula"},
        {'r', 'D', 'D', GRID_BEATEN, "a x b with nebula, tinc"},
        {'.', '-', 'D', GRID_BEATEN, "a x b with tinc"},
        {'?', 'r', 'D', GRID_BEATEN, "a x b with tinc"},
        {'-', 'D', 'r', GRID_NOT_COMPARED, ""},
        {'!', 'D', 'r', GRID_NOT_COMPARED, ""},
        {'r', '-', '!', GRID_NOT_COMPARED, ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct grid grid = {.rows = NULL};
        char pairs[GRID_TEXT_SIZE];
        add(&grid, "a", "b", "nebula", cases[i].nebula, MS, MS);
        add(&grid, "a", "b", "warren", cases[i].warren, MS, MS);
        add(&grid, "a", "b", "tinc", cases[i].tinc, MS, MS);
        assert_int_equal(grid_compare(&grid, pairs), cases[i].result);
        assert_string_equal(pairs, cases[i].pairs);
        grid_free(&grid);
    }
}

/* Another's luck is not Warren's, and every pair is named. */
static void test_pairs_are_named(void **state)
{
    struct grid grid = {.rows = NULL};
    char pairs[GRID_TEXT_SIZE];
    (void)state;
    assert_int_equal(grid_compare(&grid, pairs), GRID_NOT_COMPARED);
    for (uint32_t i = 0; i < 2; i++) {
        add(&grid, i == 0 ? "a" : "b", "c", "warren", 'r', MS, MS);
        add(&grid, i == 0 ? "a" : "b", "c", "nebula", 'D', MS, MS);
    }
    assert_int_equal(grid_compare(&grid, pairs), GRID_BEATEN);
    assert_string_equal(pairs, "a x c with nebula; b x c with nebula");
    grid_free(&grid);
    /* A mesh whose scenarios alone stand in a script has nobody beside it. */
    add(&grid, "a", "b", "nebula", 'D', MS, MS);
    assert_int_equal(grid_compare(&grid, pairs), GRID_NOT_COMPARED);
    grid_free(&grid);
}

static void test_which_scripts_have_one(void **state)
{
    struct plan_scenario scenarios[2] = {scenario_of("a", "b", "warren"),
                                         scenario_of("", "", "nebula")};
    struct plan plan = {.scenarios = scenarios, .scenario_count = 2};
    (void)state;
    assert_false(grid_is_for(&plan));
    strcpy(scenarios[1].row, "a");
    assert_true(grid_is_for(&plan));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_picture),
        cmocka_unit_test(test_worst),
        cmocka_unit_test(test_comparison),
        cmocka_unit_test(test_pairs_are_named),
        cmocka_unit_test(test_which_scripts_have_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
