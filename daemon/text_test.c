/* Tests how keys, addresses and times are read and written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "daemon/text.h"

#define KEY_OF_ONES "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="

static void keys_are_32_bytes_of_base64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {KEY_OF_ONES, true},
        {"", false},
        {"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE", false},  /* no padding */
        {"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQF=", false}, /* a bit too many */
        {"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQ==", false}, /* 31 bytes */
        {"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB", false}, /* 33 bytes */
        {KEY_OF_ONES " ", false},
        {" " KEY_OF_ONES, false},
        {"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBA_E=", false}, /* the alphabet of URLs */
        {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", false}, /* no key at all */
    };
    uint8_t ones[TEXT_KEY_BYTES];
    memset(ones, 1, sizeof ones);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t key[TEXT_KEY_BYTES] = {7};
        const uint8_t before[TEXT_KEY_BYTES] = {7};
        assert_int_equal(text_parse_key(key, cases[i].text), cases[i].good);
        assert_memory_equal(key, cases[i].good ? ones : before, sizeof key);
    }
    char text[TEXT_KEY_SIZE];
    assert_string_equal(text_key(text, ones), KEY_OF_ONES);
}

static void base64_fits_its_room(void **state)
{
    (void)state;
    uint8_t bytes[3];
    assert_int_equal(text_parse_base64(bytes, sizeof bytes, "AQID"), 3);
    assert_memory_equal(bytes, "\1\2\3", 3);
    assert_int_equal(text_parse_base64(bytes, sizeof bytes, "AQ=="), 1);
    assert_int_equal(text_parse_base64(bytes, sizeof bytes, "AQIDBA=="), 0);
    assert_int_equal(text_parse_base64(bytes, sizeof bytes, ""), 0);
    assert_int_equal(text_parse_base64(bytes, sizeof bytes, "*"), 0);
}

static void endpoints_and_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *ip;       /* what an address is written as; NULL: it is none */
        const char *endpoint; /* likewise of an endpoint */
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", NULL},
        {"0.0.0.0", "0.0.0.0", NULL},
        {"::", "::", NULL},
        {"2001:db8:0::1", "2001:db8::1", NULL},
        {"192.0.2.1:51820", NULL, "192.0.2.1:51820"},
        {"[2001:db8::1]:1", NULL, "[2001:db8::1]:1"},
        {"[192.0.2.1]:1", NULL, NULL},
        {"2001:db8::1:5182", "2001:db8::1:5182", NULL}, /* a group, not a port */
        {"192.0.2.1:0", NULL, NULL},
        {"192.0.2.1:65536", NULL, NULL},
        {"192.0.2.1:", NULL, NULL},
        {"192.0.2.1: 5", NULL, NULL},
        {":5", NULL, NULL},
        {"[]:5", NULL, NULL},
        {"[2001:db8::1]5", NULL, NULL},
        {"[2001:db8::1:5", NULL, NULL},
        {"]:5", NULL, NULL},
        {"::ffff:192.0.2.1", NULL, NULL}, /* it has two encodings */
        {"[::ffff:192.0.2.1]:5", NULL, NULL},
        {"192.0.2", NULL, NULL},
        {"192.0.2.256", NULL, NULL},
        {"localhost", NULL, NULL},
        {"fe80::1%eth0", NULL, NULL},
        {"", NULL, NULL},
        {"1111111111111111111111111111111111111111111111111111111111111111111111:5", NULL, NULL},
    };
    char text[TEXT_ADDR_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr addr = addr_v4(1, 1);
        assert_int_equal(text_parse_ip(&addr, cases[i].text), cases[i].ip != NULL);
        if (cases[i].ip != NULL)
            assert_string_equal(text_addr(text, &addr), cases[i].ip);
        assert_int_equal(text_parse_endpoint(&addr, cases[i].text), cases[i].endpoint != NULL);
        if (cases[i].endpoint != NULL)
            assert_string_equal(text_addr(text, &addr), cases[i].endpoint);
    }
    const struct addr none = {0};
    assert_string_equal(text_addr(text, &none), "none");
}

static void prefixes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *subnet; /* NULL: none */
    } cases[] = {
        {"10.64.0.1/22", "10.64.0.0/22"},
        {"10.64.0.1", "10.64.0.1/32"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"2001:db8::1/64", "2001:db8::/64"},
        {"2001:db8::1", "2001:db8::1/128"},
        {"10.64.0.1/33", NULL},
        {"2001:db8::1/129", NULL},
        {"10.64.0.1/", NULL},
        {"10.64.0.1/-1", NULL},
        {"10.64.0.1/22/1", NULL},
        {"/22", NULL},
        {"", NULL},
    };
    char text[TEXT_ADDR_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct addr addr = {0};
        uint8_t bits = 0;
        assert_int_equal(text_parse_prefix(&addr, &bits, cases[i].text), cases[i].subnet != NULL);
        const struct subnet subnet = subnet_of(&addr, bits);
        assert_string_equal(text_subnet(text, &subnet),
                            cases[i].subnet != NULL ? cases[i].subnet : "none");
    }
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t low, high;
        bool good;
        uint64_t number;
    } cases[] = {
        {"0", 0, 9, true, 0},
        {"9", 0, 9, true, 9},
        {"10", 0, 9, false, 0},
        {"4", 5, 9, false, 0},
        {"007", 0, 9, true, 7},
        {"", 0, 9, false, 0},
        {"-1", 0, 9, false, 0},
        {"+1", 0, 9, false, 0},
        {" 1", 0, 9, false, 0},
        {"1 ", 0, 9, false, 0},
        {"0x1", 0, 9, false, 0},
        {"18446744073709551617", 0, UINT64_MAX, false, 0}, /* would wrap to 1 */
        {"999999999999999999", 0, UINT64_MAX, true, UINT64_C(999999999999999999)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint64_t number = 0;
        assert_int_equal(text_parse_number(&number, cases[i].text, cases[i].low, cases[i].high),
                         cases[i].good);
        assert_int_equal(number, cases[i].number);
    }
}

static void times(void **state)
{
    (void)state;
    char text[TEXT_TIME_SIZE];
    assert_string_equal(text_time(text, 0), "1970-01-01T00:00:00Z");
    assert_string_equal(text_time(text, 951782399), "2000-02-28T23:59:59Z");
    assert_string_equal(text_time(text, 951782400), "2000-02-29T00:00:00Z");
    assert_string_equal(text_time(text, UINT64_C(253402300799)), "9999-12-31T23:59:59Z");
    assert_string_equal(text_time(text, UINT64_C(253402300800)), "never");
    assert_string_equal(text_time(text, UINT64_MAX), "never");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_32_bytes_of_base64),
        cmocka_unit_test(base64_fits_its_room),
        cmocka_unit_test(endpoints_and_addresses),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(numbers),
        cmocka_unit_test(times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
