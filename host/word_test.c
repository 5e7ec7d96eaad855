/* Which word was meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "host/word.h"

static void test_distance(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        uint32_t distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"router", "router", 0},
        {"Router", "rOUTER", 0},
        {"mappin", "mapping", 1},  /* left out */
        {"mapppng", "mapping", 1}, /* replaced */
        {"routter", "router", 1},  /* inserted */
        {"clinet", "client", 1},   /* swapped */
        {"kitten", "sitting", 3},
        {"ca", "abc", 3}, /* the swapped letters are not edited again */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(word_distance(cases[i].a, cases[i].b), cases[i].distance);
        assert_int_equal(word_distance(cases[i].b, cases[i].a), cases[i].distance);
    }
}

static void test_long_words_are_cut(void **state)
{
    char a[200], b[200];
    (void)state;
    for (size_t i = 0; i < 199; i++)
        a[i] = b[i] = 'x';
    a[199] = b[199] = 0;
    b[100] = 'y';
    assert_int_equal(word_distance(a, b), 0);
    b[62] = 'y';
    assert_int_equal(word_distance(a, b), 1);
}

static void test_meant(void **state)
{
    static const char *const known[] = {"server", "router", "client", "at"};
    static const struct {
        const char *wrong;
        const char *meant;
    } cases[] = {
        {"ruoter", "router"}, {"serve", "server"}, {"zzzzzz", NULL}, {"aat", "at"}, {"q", NULL}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct word_search search = {.wrong = cases[i].wrong};
        assert_null(word_meant(&search));
        for (size_t j = 0; j < sizeof known / sizeof *known; j++)
            word_consider(&search, known[j]);
        if (cases[i].meant == NULL)
            assert_null(word_meant(&search));
        else
            assert_string_equal(word_meant(&search), cases[i].meant);
    }
}

static void test_first_of_equals(void **state)
{
    struct word_search search = {.wrong = "cat"};
    (void)state;
    word_consider(&search, "bat");
    word_consider(&search, "rat");
    assert_string_equal(word_meant(&search), "bat");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_distance),
        cmocka_unit_test(test_long_words_are_cut),
        cmocka_unit_test(test_meant),
        cmocka_unit_test(test_first_of_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
