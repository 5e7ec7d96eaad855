/*
 * The kernel's tables, in a network namespace of the test's own, which ends with it: what is set up
 * is what the kernel then says, and is listed in the right order.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "daemon/netlink.h"
#include "daemon/tun.h"

enum { MTU = 1380 };

static struct tun outside, tunnel;
static struct netlink netlink;
static uint32_t outside_index, tunnel_index;
static const char *skipped; /* why nothing can be tested here */

static struct addr v6(uint8_t first, uint8_t second, uint8_t last)
{
    const uint8_t ip[16] = {first, second, [15] = last};
    return addr_v6(ip, 0);
}

static int begin(void **state)
{
    (void)state;
    outside.fd = tunnel.fd = netlink.fd = netlink.watch_fd = -1;
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        skipped = "no right to make a network namespace";
    else if (!tun_open(&outside, "outside") || !tun_open(&tunnel, "tunnel"))
        skipped = "cannot open /dev/net/tun";
    if (skipped != NULL) {
        printf("# skipped: %s: %s\n", skipped, strerror(errno));
        return 0;
    }
    if (!netlink_open(&netlink))
        return -1;
    outside_index = netlink_index("outside");
    tunnel_index = netlink_index("tunnel");
    return 0;
}

static int end(void **state)
{
    (void)state;
    netlink_close(&netlink);
    tun_close(&outside);
    tun_close(&tunnel);
    return 0;
}

/* The address that the system would send from; ADDR_NONE when there is no route. */
static struct addr source_for(struct addr to)
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(struct sockaddr_in6);
    bool v4 = to.family == ADDR_V4;
    if (v4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = 9};
        memcpy(&in.sin_addr, to.ip, 4);
        memcpy(&address, &in, sizeof in);
        size = sizeof in;
    } else {
        struct sockaddr_in6 in = {.sin6_family = AF_INET6, .sin6_port = 9};
        memcpy(&in.sin6_addr, to.ip, 16);
        memcpy(&address, &in, sizeof in);
    }
    int fd = socket(address.ss_family, SOCK_DGRAM, 0);
    assert_true(fd >= 0);
    struct addr addr = {.family = ADDR_NONE};
    if (connect(fd, (struct sockaddr *)&address, size) == 0) {
        size = sizeof address;
        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        addr.family = to.family;
        const uint8_t *bytes = (const uint8_t *)&address;
        memcpy(addr.ip,
               bytes + (v4 ? offsetof(struct sockaddr_in, sin_addr)
                           : offsetof(struct sockaddr_in6, sin6_addr)),
               v4 ? 4 : 16);
    }
    close(fd);
    return addr;
}

static bool has_source(struct addr to, struct addr source)
{
    struct addr got = source_for(to);
    return addr_equal(&got, &source);
}

static void sets_an_interface_up(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    assert_true(outside_index > 0 && tunnel_index > 0);
    assert_true(netlink_up(&netlink, outside_index, 1500));
    assert_true(netlink_up(&netlink, tunnel_index, MTU));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ifreq request = {.ifr_name = "tunnel"};
    assert_int_equal(ioctl(fd, SIOCGIFMTU, &request), 0);
    assert_int_equal(request.ifr_mtu, MTU);
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &request), 0);
    assert_true((request.ifr_flags & IFF_UP) != 0);
    close(fd);
    assert_false(netlink_up(&netlink, 999, MTU));
    assert_int_equal(errno, ENODEV);
    assert_int_equal(netlink_index("no-such"), 0);
}

static void gives_addresses_and_routes(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    struct addr none = {.family = ADDR_NONE};
    struct addr four = addr_v4(0x0a400001, 0), six = v6(0xfd, 0x64, 1); /* 10.64.0.1 */
    for (unsigned i = 0; i < 2; i++) { /* a second time is harmless */
        assert_true(netlink_address_add(&netlink, tunnel_index, &four, 22));
        assert_true(netlink_address_add(&netlink, tunnel_index, &six, 64));
    }
    assert_true(has_source(addr_v4(0x0a4003fe, 0), four)); /* of the same /22 */
    assert_true(has_source(addr_v4(0x0a400400, 0), none));
    assert_true(has_source(v6(0xfd, 0x64, 2), six));

    struct addr far_four = addr_v4(0xc0a80700, 0), far_six = v6(0xfd, 0x77, 0);
    struct subnet routes[2] = {subnet_of(&far_four, 24), subnet_of(&far_six, 64)};
    for (unsigned i = 0; i < 2; i++) {
        assert_true(netlink_route_add(&netlink, tunnel_index, &routes[0], &four));
        assert_true(netlink_route_add(&netlink, tunnel_index, &routes[1], &none));
    }
    assert_true(has_source(addr_v4(0xc0a80708, 0), four));
    assert_true(has_source(v6(0xfd, 0x77, 9), six));
    for (unsigned i = 0; i < 2; i++) {
        assert_true(netlink_route_remove(&netlink, tunnel_index, &routes[0]));
        assert_true(netlink_route_remove(&netlink, tunnel_index, &routes[1]));
    }
    assert_true(has_source(addr_v4(0xc0a80708, 0), none));
    assert_true(has_source(v6(0xfd, 0x77, 9), none));

    struct addr more = addr_v4(0x0a410001, 0);
    assert_true(netlink_address_add(&netlink, tunnel_index, &more, 32));
    assert_true(has_source(more, more));
}

static void lists_the_best_address_first(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    struct addr addresses[NODE_ADDRESSES];
    uint32_t count = 99;
    assert_true(netlink_addresses(&netlink, tunnel_index, addresses, &count));
    assert_int_equal(count, 0); /* link-local and the tunnel's own do not count */

    static struct tun beside;
    assert_true(tun_open(&beside, "beside"));
    uint32_t index = netlink_index("beside");
    assert_true(netlink_up(&netlink, index, 1500));
    const struct addr private = addr_v4(0xc0a80102, 0), global = addr_v4(0xcb007102, 0);
    const struct addr routed = addr_v4(0xac100005, 0), six = v6(0x20, 0x01, 7);
    const struct addr unique = v6(0xfd, 0x31, 3);
    assert_true(netlink_address_add(&netlink, index, &private, 24));
    assert_true(netlink_address_add(&netlink, index, &global, 24));
    assert_true(netlink_address_add(&netlink, index, &unique, 64));
    assert_true(netlink_address_add(&netlink, index, &six, 64));
    assert_true(netlink_address_add(&netlink, outside_index, &routed, 24));
    const struct subnet everything = {.addr = {.family = ADDR_V4}};
    const struct addr none = {.family = ADDR_NONE};
    assert_true(netlink_route_add(&netlink, outside_index, &everything, &none));

    /* Where the default route leaves, then what is global, then what is private. */
    const struct addr wanted[] = {routed, six, global, unique, private};
    assert_true(netlink_addresses(&netlink, tunnel_index, addresses, &count));
    assert_int_equal(count, 5);
    for (unsigned i = 0; i < 5; i++)
        assert_true(addr_equal(&addresses[i], &wanted[i]));
    /* Without an exception the tunnel's addresses are there too, and more than fit do no harm. */
    for (uint8_t i = 0; i < 90; i++) {
        struct addr more = addr_v4(0xcb007200u + i, 0);
        assert_true(netlink_address_add(&netlink, index, &more, 32));
    }
    assert_true(netlink_addresses(&netlink, 0, addresses, &count));
    assert_int_equal(count, NODE_ADDRESSES);
    assert_true(addr_equal(&addresses[0], &routed));
    tun_close(&beside);
    assert_true(netlink_addresses(&netlink, tunnel_index, addresses, &count));
    assert_int_equal(count, 1);
}

static void tells_of_changes(void **state)
{
    (void)state;
    if (skipped != NULL)
        skip();
    netlink_changed(&netlink);
    assert_false(netlink_changed(&netlink));
    const struct addr four = addr_v4(0x0a420001, 0), six = v6(0xfd, 0x42, 1);
    const struct addr none = {.family = ADDR_NONE}, far_away = addr_v4(0x0a430000, 0);
    const struct subnet subnet = subnet_of(&far_away, 16);
    assert_true(netlink_address_add(&netlink, tunnel_index, &four, 24));
    assert_true(netlink_changed(&netlink));
    assert_false(netlink_changed(&netlink));
    assert_true(netlink_address_add(&netlink, tunnel_index, &six, 64));
    assert_true(netlink_changed(&netlink));
    assert_true(netlink_route_add(&netlink, tunnel_index, &subnet, &none));
    assert_true(netlink_changed(&netlink));
    assert_true(netlink_up(&netlink, tunnel_index, MTU - 20));
    assert_true(netlink_changed(&netlink));
    /* More than the socket has room for, and still the kernel says that something has changed. */
    for (uint32_t i = 0; i < 4000; i++) {
        const struct addr addr = addr_v4(0x0b000000u + i, 0);
        const struct subnet one = subnet_of(&addr, 32);
        assert_true(netlink_route_add(&netlink, tunnel_index, &one, &none));
    }
    assert_true(netlink_changed(&netlink));
    assert_false(netlink_changed(&netlink));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_an_interface_up),
        cmocka_unit_test(gives_addresses_and_routes),
        cmocka_unit_test(lists_the_best_address_first),
        cmocka_unit_test(tells_of_changes),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
