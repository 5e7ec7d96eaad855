/* Values of fields from text and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scenarios/runner/field.h"
#include "scenarios/runner/plan.h"

static const char *const words[] = {"both", "up", "down", NULL};

static const struct field of_type[] = {
    [FIELD_DURATION] = {"d", FIELD_DURATION, 0, 8, NULL, 0, UINT64_MAX, ""},
    [FIELD_SHARE] = {"s", FIELD_SHARE, 0, 4, NULL, 0, 1000000, ""},
    [FIELD_RATE] = {"r", FIELD_RATE, 0, 8, NULL, 0, UINT64_MAX, ""},
    [FIELD_BYTES] = {"b", FIELD_BYTES, 0, 4, NULL, 0, 1000000, ""},
    [FIELD_COUNT] = {"c", FIELD_COUNT, 0, 2, NULL, 1, 65535, ""},
    [FIELD_BOOLEAN] = {"t", FIELD_BOOLEAN, 0, 1, NULL, 0, 0, ""},
    [FIELD_WORD] = {"w", FIELD_WORD, 0, 1, words, 0, 0, ""},
};

/* `back` is how the value is written; NULL when that is how it was read. */
static const struct {
    enum field_type type;
    const char *text;
    uint64_t value;
    const char *back;
} good[] = {
    {FIELD_DURATION, "20ms", 20000000, NULL},
    {FIELD_DURATION, "1.5s", 1500000000, "1500ms"},
    {FIELD_DURATION, "0.000000001s", 1, "1ns"},
    {FIELD_DURATION, "60s", 60000000000, "1m"},
    {FIELD_DURATION, "90s", 90000000000, NULL},
    {FIELD_DURATION, "2h", 7200000000000, NULL},
    {FIELD_DURATION, "0s", 0, NULL},
    {FIELD_DURATION, "0h", 0, "0s"},
    {FIELD_DURATION, "18446744073709551615ns", UINT64_MAX, NULL},
    {FIELD_DURATION, "1.50ms", 1500000, "1500us"},
    {FIELD_SHARE, "1%", 10000, NULL},
    {FIELD_SHARE, "100%", 1000000, NULL},
    {FIELD_SHARE, "0.0001%", 1, "1ppm"},
    {FIELD_SHARE, "0%", 0, NULL},
    {FIELD_RATE, "10Mbit/s", 10000000, NULL},
    {FIELD_RATE, "0.5kbit/s", 500, "500bit/s"},
    {FIELD_BYTES, "1500", 1500, NULL},
    {FIELD_BYTES, "64kB", 64000, "64000"},
    {FIELD_COUNT, "65535", 65535, NULL},
    {FIELD_BOOLEAN, "true", 1, NULL},
    {FIELD_BOOLEAN, "false", 0, NULL},
    {FIELD_WORD, "down", 2, NULL},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char error[FIELD_ERROR_SIZE], text[FIELD_TEXT_SIZE];
        uint64_t value = 12345, again = 54321;
        const struct field *field = &of_type[good[i].type];
        assert_true(field_parse(field, good[i].text, &value, error));
        assert_int_equal(value, good[i].value);
        assert_string_equal(field_render(field, value, text),
                            good[i].back != NULL ? good[i].back : good[i].text);
        assert_true(field_parse(field, text, &again, error));
        assert_int_equal(again, value);
    }
}

static const struct {
    enum field_type type;
    const char *text;
    const char *error;
} bad[] = {
    {FIELD_DURATION, "12m s",
     "\"12m s\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "", "\"\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "20", "\"20\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "ms", "\"ms\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "-1s", "\"-1s\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "1.s", "\"1.s\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "1.2.3s",
     "\"1.2.3s\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "0.5ns",
     "\"0.5ns\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "18446744073709551616ns",
     "\"18446744073709551616ns\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_DURATION, "20000000000s",
     "\"20000000000s\" is not a duration, such as \"20ms\" (ns, us, ms, s, m, h)"},
    {FIELD_SHARE, "101%", "101% is out of range: 0% to 100%"},
    {FIELD_SHARE, "0.00001%", "\"0.00001%\" is not a share, such as \"1%\" or \"50ppm\""},
    {FIELD_COUNT, "0", "0 is out of range: 1 to 65535"},
    {FIELD_COUNT, "65536", "65536 is out of range: 1 to 65535"},
    {FIELD_BOOLEAN, "yes", "\"yes\" is neither true nor false"},
    {FIELD_WORD, "dwon", "unknown word \"dwon\": did you mean \"down\"?"},
    {FIELD_WORD, "sideways", "unknown word \"sideways\": one of them is \"both\""},
};

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char error[FIELD_ERROR_SIZE];
        uint64_t value = 7;
        assert_false(field_parse(&of_type[bad[i].type], bad[i].text, &value, error));
        assert_string_equal(error, bad[i].error);
        assert_int_equal(value, 7);
    }
}

/* Every field of every table can hold both ends of its range, and disturbs no other field. */
static void test_tables(void **state)
{
    const struct field *const tables[] = {plan_server_fields, plan_router_fields,
                                          plan_client_fields};
    (void)state;
    for (size_t t = 0; t < 3; t++) {
        for (const struct field *field = tables[t]; field->name != NULL; field++) {
            struct plan_place place = {.kind = 0};
            uint64_t high =
                field->type == FIELD_WORD || field->type == FIELD_BOOLEAN ? 1 : field->high;
            field_set(field, &place, high);
            for (const struct field *other = tables[t]; other->name != NULL; other++)
                assert_int_equal(field_get(other, &place), other == field ? high : 0);
            assert_ptr_equal(field_find(tables[t], field->name), field);
        }
        assert_null(field_find(tables[t], "mappin"));
    }
    for (const struct field *field = plan_link_fields; field->name != NULL; field++) {
        struct link_config link = {.latency_ns = 0};
        uint64_t high = field->type == FIELD_WORD || field->type == FIELD_BOOLEAN ? 1 : field->high;
        field_set(field, &link, high);
        for (const struct field *other = plan_link_fields; other->name != NULL; other++)
            assert_int_equal(field_get(other, &link), other == field ? high : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
