/* JSON lines: whatever the text is, the line is JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "scenarios/runner/json_line.h"

static void test_texts(void **state)
{
    static const struct {
        const char *text;
        const char *json;
    } cases[] = {
        {"", "{\"t\":\"\"}\n"},
        {"plain", "{\"t\":\"plain\"}\n"},
        {"a \"b\" \\ c/d", "{\"t\":\"a \\\"b\\\" \\\\ c/d\"}\n"},
        {"a\nb\tc\x01\x7f", "{\"t\":\"a\\u000ab\\u0009c\\u0001\\u007f\"}\n"},
        {"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
         "{\"t\":\"\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\"}\n"},
        {"\xff", "{\"t\":\"\\ufffd\"}\n"},
        {"\xc3", "{\"t\":\"\\ufffd\"}\n"},                         /* cut short */
        {"\xc0\x80", "{\"t\":\"\\ufffd\\ufffd\"}\n"},              /* overlong */
        {"\xe0\x80\x80x", "{\"t\":\"\\ufffd\\ufffd\\ufffdx\"}\n"}, /* overlong */
        {"\xed\xa0\x80", "{\"t\":\"\\ufffd\\ufffd\\ufffd\"}\n"},   /* half of a surrogate pair */
        {"\xf4\x90\x80\x80", "{\"t\":\"\\ufffd\\ufffd\\ufffd\\ufffd\"}\n"}, /* above U+10FFFF */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text;
        size_t size;
        struct json_line json;
        FILE *file = open_memstream(&text, &size);
        json_line_begin(&json, file);
        json_line_text(&json, "t", cases[i].text);
        json_line_end(&json);
        fclose(file);
        assert_string_equal(text, cases[i].json);
        free(text);
    }
}

static void test_numbers(void **state)
{
    char *text;
    size_t size;
    struct json_line json;
    FILE *file = open_memstream(&text, &size);
    (void)state;
    json_line_begin(&json, file);
    json_line_number(&json, "a", UINT64_MAX);
    json_line_signed(&json, "b", INT64_MIN);
    json_line_null(&json, "c");
    json_line_end(&json);
    fclose(file);
    assert_string_equal(text,
                        "{\"a\":18446744073709551615,\"b\":-9223372036854775808,\"c\":null}\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
