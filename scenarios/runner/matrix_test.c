/* The picture of a sweep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "scenarios/runner/matrix.h"

static struct plan_scenario exact, lossy;
static struct plan_place places[2], lossy_places[2];

static int setup(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 2; i++) {
        plan_place_init(&places[i], PLAN_CLIENT);
        plan_place_init(&lossy_places[i], PLAN_CLIENT);
    }
    lossy_places[0].interfaces[0].up.loss_ppm = 100000;
    exact = (struct plan_scenario){.places = places, .place_count = 2};
    lossy = (struct plan_scenario){.places = lossy_places, .place_count = 2};
    return 0;
}

/* A cell: 'D' direct, 'r' relayed, '.' unreachable, '?' pending, 'c' chance. */
static void add(struct matrix *matrix, const char *row, const char *column, char what, bool agrees,
                uint64_t direct_ns)
{
    strcpy(exact.row, row);
    strcpy(exact.column, column);
    struct judge_sum sum = {
        .known = true, .agrees = agrees, .first_data_ns = 1, .direct_ns = direct_ns};
    sum.path = what == 'r'   ? NODE_PATH_RELAYED
               : what == '.' ? NODE_PATH_UNREACHABLE
               : what == '?' ? NODE_PATH_PENDING
                             : NODE_PATH_DIRECT;
    sum.oracle.says.verdict = what == 'c' ? ORACLE_CHANCE : 0;
    sum.oracle.says.direct_ns = 1000;
    matrix_add(matrix, &exact, &sum);
}

static char *printed(struct matrix *matrix)
{
    char *text;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    matrix_print(file, matrix, "x.lua", false);
    fclose(file);
    return text;
}

static void test_picture(void **state)
{
    (void)state;
    struct matrix *matrix = calloc(1, sizeof *matrix);
    add(matrix, "none", "none", 'D', true, 1000);
    add(matrix, "none", "symmetric", 'D', true, 1100);
    add(matrix, "symmetric", "none", 'c', true, JUDGE_NEVER);
    /* the worst of its variants */
    add(matrix, "symmetric", "symmetric", 'D', true, 1000);
    add(matrix, "symmetric", "symmetric", 'r', true, JUDGE_NEVER);
    add(matrix, "symmetric", "symmetric", 'c', true, JUDGE_NEVER);
    /* other columns are another block */
    add(matrix, "one", "off", '.', true, JUDGE_NEVER);
    add(matrix, "one", "on", '?', false, JUDGE_NEVER);
    add(matrix, "two", "off", 'D', true, 1050);
    add(matrix, "two", "on", 'c', true, JUDGE_NEVER);
    char *text = printed(matrix);
    assert_string_equal(text, "\nx.lua\n"
                              "\n              a b\n"
                              "  a none      D D\n"
                              "  b symmetric c r\n"
                              "\n              d e\n"
                              "    one       . !\n"
                              "    two       D c\n"
                              "  d off\n"
                              "  e on\n"
                              "\n"
                              "  D direct\n"
                              "  c direct or relayed, as a NAT draws\n"
                              "  r relayed\n"
                              "  . unreachable\n"
                              "  ? never decided\n"
                              "  ! not what the oracle says\n"
                              "  The row calls the column; a cell shows the worst of its "
                              "variants.\n"
                              "  Without loss, 9 of 10 verdicts are the oracle's.\n"
                              "  Without loss, time to direct over that of the ideal flood, in 4 "
                              "runs: 50 % within 1.00, 90 % within 1.10, 99 % within 1.10, at "
                              "most 1.10\n");
    free(text);
    matrix_free(matrix);
    free(matrix);
}

/* Runs with loss make no cell; an order is not held against them. */
static void test_loss(void **state)
{
    (void)state;
    struct matrix *matrix = calloc(1, sizeof *matrix);
    struct judge_sum sum = {.known = true, .agrees = true, .path = NODE_PATH_DIRECT};
    sum.oracle.says.direct_ns = 1000;
    strcpy(lossy.row, "a");
    strcpy(lossy.column, "b");
    for (uint64_t i = 1; i <= 100; i++) {
        sum.direct_ns = 1000 + 10 * i;
        matrix_add(matrix, &lossy, &sum);
    }
    sum.agrees = false;
    matrix_add(matrix, &lossy, &sum);
    sum.oracle.says.verdict = ORACLE_ORDER;
    matrix_add(matrix, &lossy, &sum);
    char *text = printed(matrix);
    assert_string_equal(text, "\nx.lua\n"
                              "  With loss, 100 of 101 verdicts are the oracle's.\n"
                              "  With loss, time to direct over that of the ideal flood, in 100 "
                              "runs: 50 % within 1.50, 90 % within 1.90, 99 % within 1.99, at "
                              "most 2.00\n");
    free(text);
    matrix_free(matrix);
    free(matrix);
}

static void test_empty_and_full(void **state)
{
    (void)state;
    struct matrix *matrix = calloc(1, sizeof *matrix);
    char *text = printed(matrix);
    assert_string_equal(text, "");
    free(text);
    for (unsigned i = 0; i < 2 * MATRIX_NAMES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%u", i);
        add(matrix, name, "n0", 'D', true, 1000);
    }
    assert_int_equal(matrix->name_count, MATRIX_NAMES_MAX);
    assert_int_equal(matrix->cell_count, MATRIX_NAMES_MAX);
    assert_int_equal(matrix->runs, 2 * MATRIX_NAMES_MAX);
    text = printed(matrix);
    assert_non_null(strstr(text, "    n63 D\n"));
    free(text);
    matrix_free(matrix);
    free(matrix);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_picture, setup),
        cmocka_unit_test_setup(test_loss, setup),
        cmocka_unit_test_setup(test_empty_and_full, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
