/* Addresses for sockets, held to what the C library makes of the same text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "daemon/socket_address.h"

static const struct {
    const char *text;
    struct addr addr;
} rows[] = {
    {"192.0.2.1", {ADDR_V4, 0, 51941, {192, 0, 2, 1}}},
    {"0.0.0.0", {ADDR_V4, 0, 0, {0}}},
    {"255.255.255.255", {ADDR_V4, 0, 65535, {255, 255, 255, 255}}},
    {"2001:db8::1:2", {ADDR_V6, 0, 51941, {0x20, 0x01, 0x0d, 0xb8, [13] = 1, [15] = 2}}},
    {"::", {ADDR_V6, 0, 1, {0}}},
    {"::ffff:192.0.2.1", {ADDR_V6, 0, 256, {[10] = 0xff, 0xff, 192, 0, 2, 1}}},
};

/* The port in network order, the address's bytes, and nothing else that is not zero. */
static void test_to_the_kernel(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct addr *addr = &rows[i].addr;
        const uint8_t port[] = {(uint8_t)(addr->port >> 8), (uint8_t)addr->port};
        union socket_address got;
        memset(&got, 0xa5, sizeof got);
        socklen_t size = socket_address_of(addr, &got);
        if (addr->family == ADDR_V4) {
            struct sockaddr_in wanted = {.sin_family = AF_INET};
            memcpy(&wanted.sin_port, port, sizeof port);
            assert_int_equal(inet_pton(AF_INET, rows[i].text, &wanted.sin_addr), 1);
            assert_int_equal(size, sizeof wanted);
            assert_memory_equal(&got, &wanted, sizeof wanted);
        } else {
            struct sockaddr_in6 wanted = {.sin6_family = AF_INET6};
            memcpy(&wanted.sin6_port, port, sizeof port);
            assert_int_equal(inet_pton(AF_INET6, rows[i].text, &wanted.sin6_addr), 1);
            assert_int_equal(size, sizeof wanted);
            assert_memory_equal(&got, &wanted, sizeof wanted);
        }
    }
}

static void test_and_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        union socket_address address;
        socket_address_of(&rows[i].addr, &address);
        struct addr back = socket_address_addr(&address);
        assert_true(addr_equal(&back, &rows[i].addr));
    }
}

/* A scope and a flow label are not part of an address. */
static void test_what_is_left_out(void **state)
{
    const union socket_address full = {.v6 = {.sin6_family = AF_INET6,
                                              .sin6_port = htons(7),
                                              .sin6_flowinfo = htonl(9),
                                              .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                              .sin6_scope_id = 3}};
    const struct addr wanted = {ADDR_V6, 0, 7, {[15] = 1}};
    (void)state;
    struct addr addr = socket_address_addr(&full);
    assert_true(addr_equal(&addr, &wanted));
}

static void test_other_families(void **state)
{
    static const sa_family_t families[] = {AF_UNSPEC, AF_UNIX, AF_NETLINK};
    const struct addr none = {0};
    (void)state;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        union socket_address address;
        memset(&address, 0xff, sizeof address);
        address.any.sa_family = families[i];
        struct addr addr = socket_address_addr(&address);
        assert_true(addr_equal(&addr, &none));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_to_the_kernel),
        cmocka_unit_test(test_and_back),
        cmocka_unit_test(test_what_is_left_out),
        cmocka_unit_test(test_other_families),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
