/* The NAT's parameters as scripts see them, and the table of presets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "sim/nat_param.h"
#include "sim/nat_preset.h"

/* Every byte of the configuration belongs to exactly one parameter, but for padding. */
static void test_every_field_is_described(void **state)
{
    (void)state;
    static const size_t sizes[] = {[NAT_PARAM_WORD] = 1,
                                   [NAT_PARAM_BOOLEAN] = sizeof(bool),
                                   [NAT_PARAM_INTEGER] = 4,
                                   [NAT_PARAM_DURATION] = 8};
    unsigned owners[sizeof(struct nat_config)] = {0};
    size_t end = 0;
    for (size_t i = 0; i < nat_param_count(); i++) {
        const struct nat_param *param = nat_param_at(i);
        for (size_t j = 0; j < sizes[param->type]; j++)
            owners[param->offset + j]++;
        if (param->offset + sizes[param->type] > end)
            end = param->offset + sizes[param->type];
        assert_ptr_equal(nat_param_find(param->name), param);
        assert_int_equal(param->about[strlen(param->about) - 1], '.');
        assert_int_equal(param->type == NAT_PARAM_WORD, param->words != NULL);
    }
    for (size_t i = 0; i < end; i++)
        assert_int_equal(owners[i], 1);
    assert_true(sizeof(struct nat_config) - end < 8);
}

/* The ends of every range and every word: set, render, parse back, compare. */
static void test_round_trip(void **state)
{
    (void)state;
    char text[NAT_PARAM_TEXT_SIZE];
    char error[NAT_PARAM_ERROR_SIZE];
    for (size_t i = 0; i < nat_param_count(); i++) {
        const struct nat_param *param = nat_param_at(i);
        const uint64_t values[] = {param->low, param->high, param->low + 1, param->high - 1,
                                   param->low + (param->high - param->low) / 3};
        for (size_t j = 0; j < sizeof values / sizeof values[0]; j++) {
            struct nat_config config = nat_config_default();
            struct nat_config other = nat_config_default();
            if (values[j] > param->high)
                continue;
            assert_true(nat_param_set(param, &config, values[j], error));
            assert_true(nat_param_get(param, &config) == values[j]);
            nat_param_render(param, &config, text);
            assert_true(nat_param_assign(&other, param->name, text, error));
            assert_true(nat_config_equal(&config, &other));
            struct nat_config standard = nat_config_default();
            bool changed = nat_param_get(param, &standard) != values[j];
            assert_int_equal(nat_config_difference(&config, &standard, 0),
                             changed ? i : nat_param_count());
            assert_int_equal(nat_config_difference(&config, &standard, i + 1), nat_param_count());
        }
    }
}

static void test_render(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *given;
        const char *printed;
    } cases[] = {
        {"idle", "300s", "5m"},
        {"idle", "90s", "90s"},
        {"idle", "1.5s", "1500ms"},
        {"idle", "2h", "2h"},
        {"idle", "0.5h", "30m"},
        {"idle", "0.000000001s", "1ns"},
        {"idle", "250us", "250us"},
        {"one_way", "0h", "0s"},
        {"mapping", "apdm", "apdm"},
        {"ports", "overloaded", "overloaded"},
        {"parity", "false", "false"},
        {"step", "007", "7"},
        {"capacity", "16777216", "16777216"},
    };
    char text[NAT_PARAM_TEXT_SIZE];
    char error[NAT_PARAM_ERROR_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nat_config config = nat_config_default();
        assert_true(nat_param_assign(&config, cases[i].name, cases[i].given, error));
        nat_param_render(nat_param_find(cases[i].name), &config, text);
        assert_string_equal(text, cases[i].printed);
    }
}

static void test_errors(void **state)
{
    (void)state;
    const struct {
        const char *name;
        const char *given;
        const char *error;
    } cases[] = {
        {"maping", "eim", "a NAT has no parameter \"maping\"; did you mean \"mapping\"?"},
        {"hair_pin", "off", "a NAT has no parameter \"hair_pin\"; did you mean \"hairpin\"?"},
        {"mapping", "cone", "mapping cannot be \"cone\"; it is one of eim, adm, apdm"},
        {"parity", "yes", "parity must be true or false, not \"yes\""},
        {"step", "0", "step must lie within 1 to 65535, not 0"},
        {"step", "65536", "step must lie within 1 to 65535, not 65536"},
        {"step", "4294967297", "step must lie within 1 to 65535, not 4294967297"},
        {"step", "ten", "step must be a whole number, not \"ten\""},
        {"step", "-1", "step must be a whole number, not \"-1\""},
        {"step", "", "step must be a whole number, not \"\""},
        {"step", "18446744073709551616",
         "step must be a whole number, not \"18446744073709551616\""},
        {"idle", "30", "idle must be a time such as 30s, 1.5s, 200ms or 2h, not \"30\""},
        {"idle", "s", "idle must be a time such as 30s, 1.5s, 200ms or 2h, not \"s\""},
        {"idle", "1.s", "idle must be a time such as 30s, 1.5s, 200ms or 2h, not \"1.s\""},
        {"idle", "1.5ns", "idle must be a time such as 30s, 1.5s, 200ms or 2h, not \"1.5ns\""},
        {"idle", "30s ", "idle must be a time such as 30s, 1.5s, 200ms or 2h, not \"30s \""},
        {"idle", "99999999999h",
         "idle must be a time such as 30s, 1.5s, 200ms or 2h, not \"99999999999h\""},
        {"idle", "0s", "idle must lie within 1ns to 8760h, not 0s"},
        {"idle", "8761h", "idle must lie within 1ns to 8760h, not 8761h"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct nat_config config = nat_config_default();
        const struct nat_config before = config;
        char error[NAT_PARAM_ERROR_SIZE] = "";
        assert_false(nat_param_assign(&config, cases[i].name, cases[i].given, error));
        assert_string_equal(error, cases[i].error);
        assert_true(nat_config_equal(&config, &before));
    }
    char error[NAT_PARAM_ERROR_SIZE] = "";
    struct nat_config config = nat_config_default();
    assert_false(nat_param_set(nat_param_find("mapping"), &config, 3, error));
    assert_string_equal(error, "mapping has no value number 3");
}

static void test_word_distance(void **state)
{
    (void)state;
    const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"", "", 0},         {"", "abc", 3},      {"abc", "", 3},  {"kitten", "sitting", 3},
        {"flaw", "lawn", 2}, {"same", "same", 0}, {"ab", "ba", 2},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(nat_word_distance(cases[i].a, cases[i].b), cases[i].distance);
}

/* Every preset works, has a name of its own, and changes what it says it changes. */
static void test_presets(void **state)
{
    (void)state;
    const struct nat_config standard = nat_config_default();
    for (size_t i = 0; i < nat_preset_count(); i++) {
        const struct nat_preset *preset = nat_preset_at(i);
        struct nat_config config = nat_preset_config(preset);
        assert_null(nat_config_problem(&config));
        assert_ptr_equal(nat_preset_find(preset->name), preset);
        assert_int_equal(preset->about[strlen(preset->about) - 1], '.');
        assert_int_equal(preset->is_nat, strcmp(preset->name, "none") != 0);
        assert_true(preset->is_nat || nat_config_equal(&config, &standard));
    }
    assert_null(nat_preset_find("nonesuch"));
    assert_string_equal(nat_preset_nearest("linux-masquerad")->name, "linux-masquerade");
    assert_string_equal(nat_preset_nearest("carriergrade")->name, "carrier-grade");
    for (unsigned i = 0; i < 9; i++) {
        struct nat_config config = nat_preset_config(nat_preset_class(i / 3, i % 3));
        assert_int_equal(config.mapping, i / 3);
        assert_int_equal(config.filtering, i % 3);
    }
}

static void test_config_problems(void **state)
{
    (void)state;
    const struct nat_config good = nat_config_default();
    assert_null(nat_config_problem(&good));
    struct nat_config bad[16];
    for (size_t i = 0; i < 16; i++)
        bad[i] = good;
    bad[0].idle_ns = 0;
    bad[1].tcp_idle_ns = 0;
    bad[2].icmp_idle_ns = 0;
    bad[3].port_low = 0;
    bad[4].port_high = 65536;
    bad[5].port_high = 1023;
    bad[6].step = 0;
    bad[7].block = 0;
    bad[8].block = 65000;
    bad[9].pool = 0;
    bad[10].capacity = 0;
    bad[11].sessions = 0;
    bad[12].mapping = 3;
    bad[13].session = NAT_SESSION_COUNT;
    bad[14].contiguity = true;
    bad[14].ports = NAT_PORTS_OVERLOADED;
    bad[15].port_low = 500;
    bad[15].port_high = 1000;
    for (size_t i = 0; i < 16; i++)
        assert_non_null(nat_config_problem(&bad[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_field_is_described),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_render),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_word_distance),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_config_problems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
