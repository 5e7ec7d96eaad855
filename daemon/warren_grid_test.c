/* Tests how numbers and tables are written for people. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "daemon/warren_grid.h"

struct number_row {
    uint64_t number;
    const char *text;
};

static void test_bytes(void **state)
{
    (void)state;
    static const struct number_row rows[] = {
        {0, "0 B"},
        {999, "999 B"},
        {1000, "1.0 kB"},
        {1099, "1.0 kB"},
        {999999, "999.9 kB"},
        {1000000, "1.0 MB"},
        {12345678, "12.3 MB"},
        {5000000000, "5.0 GB"},
        {UINT64_MAX, "18.4 EB"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[READABLE_SIZE];
        assert_string_equal(readable_bytes(rows[i].number, text), rows[i].text);
    }
}

static void test_seconds(void **state)
{
    (void)state;
    static const struct number_row rows[] = {
        {0, "0s"},       {59, "59s"},     {60, "1m 0s"},      {80, "1m 20s"},   {3599, "59m 59s"},
        {3600, "1h 0m"}, {7500, "2h 5m"}, {86399, "23h 59m"}, {86400, "1d 0h"}, {273600, "3d 4h"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[READABLE_SIZE];
        assert_string_equal(readable_seconds(rows[i].number, text), rows[i].text);
    }
}

static void test_latency(void **state)
{
    (void)state;
    static const struct number_row rows[] = {
        {0, "0.0 ms"},      {49, "0.0 ms"},     {50, "0.1 ms"},
        {12345, "12.3 ms"}, {99949, "99.9 ms"}, {99950, "100 ms"},
        {999900, "999 ms"}, {1000000, "1.0 s"}, {12000000, "12.0 s"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char text[READABLE_SIZE];
        assert_string_equal(readable_latency(rows[i].number, text), rows[i].text);
    }
}

static char *printed(const struct warren_grid *grid, bool coloured)
{
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    warren_grid_print(grid, file, coloured);
    assert_int_equal(fclose(file), 0);
    return text;
}

static void test_table(void **state)
{
    (void)state;
    struct warren_grid grid = {.columns = 3};
    static const char *const words[] = {"A", "LONGER", "C", "a\033[2Jx", "b", "c"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        warren_grid_cell(&grid, i == 4 ? GRID_GOOD : GRID_PLAIN, words[i]);
    char *plain = printed(&grid, false);
    assert_string_equal(plain, "A       LONGER  C\n"
                               "a?[2Jx  b       c\n");
    char *coloured = printed(&grid, true);
    assert_string_equal(coloured, "A       LONGER  C\n"
                                  "a?[2Jx  \033[32mb\033[0m       c\n");
    free(plain);
    free(coloured);
    warren_grid_free(&grid);
}

/* More rows than the first allocation has, and each is still there. */
static void test_table_grows(void **state)
{
    (void)state;
    struct warren_grid grid = {.columns = 1};
    char *wanted = calloc(1, 4096);
    size_t used = 0;
    assert_non_null(wanted);
    for (uint32_t i = 0; i < 100; i++) {
        char word[16];
        snprintf(word, sizeof word, "row%u", (unsigned)i);
        warren_grid_cell(&grid, GRID_PLAIN, word);
        used += (size_t)snprintf(wanted + used, 4096 - used, "%s\n", word);
    }
    char *text = printed(&grid, false);
    assert_string_equal(text, wanted);
    free(text);
    free(wanted);
    warren_grid_free(&grid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes),       cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_latency),     cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
