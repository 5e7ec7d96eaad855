/*
 * A host of the network `tun` whose ways out carry less than its links: its kernel is told so by
 * ICMP (RFC 1191, RFC 8201), and from then on cuts what it sends by itself, for programs that
 * leave the source to the routes, too.
 */
#include <sys/socket.h>

#include "daemon/socket_address.h"
#include "netns/space_test.h"
#include "scenarios/runner/load.h"
#include "scenarios/runner/on_real.h"

enum {
    ALICE = 2, /* places of the scenario */
    BOB = 3,
    PORT = 5001,
    SIZE = 1400,   /* of a datagram, more than Alice's ways carry in one piece */
    FAMILIES = 2,  /* IPv4 and IPv6 */
    INTERFACES = 2 /* of Alice: she loses the first one */
};

#define EVERY_S 0.02

static const char script[] =
    "scenario \"two narrow ways\" duration(\"10s\")\n"
    "router \"left\" { nat = \"home\", ipv6 = true, up = { mtu = 1320 } }\n"
    "router \"right\" { nat = \"home\", ipv6 = true, up = { mtu = 1300 } }\n"
    "client \"alice\" { behind = { \"left\", \"right\" }, ipv6 = true }\n"
    "client \"bob\" { ipv6 = true }\n"
    "at \"1s\" { unplug \"alice\" }\n";

static struct {
    struct real real;
    ev_timer timer;
    int from[FAMILIES];
    union socket_address to[FAMILIES];
    socklen_t to_size[FAMILIES];
    ev_io at_bob[FAMILIES];
    uint8_t interface; /* Alice's best one, as each datagram says */
    uint32_t got[INTERFACES][FAMILIES];
    bool cannot_begin;
} rig;

/* That an earlier one was too big may be told here, and is no failure. */
static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
    (void)loop;
    (void)watcher;
    (void)events;
    uint8_t bytes[SIZE];
    memset(bytes, rig.interface, sizeof bytes);
    for (uint32_t f = 0; f < FAMILIES; f++)
        (void)sendto(rig.from[f], bytes, sizeof bytes, 0, &rig.to[f].any, rig.to_size[f]);
}

static void on_receive(struct ev_loop *loop, ev_io *watcher, int events)
{
    uint8_t bytes[SIZE + 1];
    (void)events;
    ssize_t size = recv(watcher->fd, bytes, sizeof bytes, 0);
    if (size == SIZE && bytes[0] < INTERFACES)
        rig.got[bytes[0]][watcher - rig.at_bob]++;
    if (rig.got[INTERFACES - 1][0] > 0 && rig.got[INTERFACES - 1][1] > 0)
        ev_break(loop, EVBREAK_ALL);
}

/* Alice's socket is not bound, nor connected: each datagram is routed without a source. */
static bool begin_family(uint32_t family)
{
    char error[SPACE_ERROR_SIZE];
    int domain = family == 0 ? AF_INET : AF_INET6;
    struct addr bob = net_interface_address(rig.real.stage.net, rig.real.stage.places[BOB], 0,
                                            family == 0 ? ADDR_V4 : ADDR_V6, 0);
    bob.port = PORT;
    rig.to_size[family] = socket_address_of(&bob, &rig.to[family]);
    rig.from[family] = space_socket(rig.real.hosts[ALICE], domain, SOCK_DGRAM, 0, error);
    int at_bob = space_socket(rig.real.hosts[BOB], domain, SOCK_DGRAM, 0, error);
    if (rig.from[family] < 0 || at_bob < 0 ||
        bind(at_bob, &rig.to[family].any, rig.to_size[family]) != 0)
        return false;
    ev_io_init(&rig.at_bob[family], on_receive, at_bob, EV_READ);
    ev_io_start(rig.real.loop, &rig.at_bob[family]);
    return true;
}

static void begin(struct real *real)
{
    real_tun.begin(real);
    for (uint32_t f = 0; f < FAMILIES; f++)
        rig.cannot_begin |= !begin_family(f);
    ev_timer_init(&rig.timer, on_timer, 0, EVERY_S);
    ev_timer_start(real->loop, &rig.timer);
}

static bool fault(struct real *real, const struct net_fault *fault,
                  char error[static SPACE_ERROR_SIZE])
{
    rig.interface++;
    return real_tun.fault(real, fault, error);
}

static int be_hosts(void *argument)
{
    struct real_network network = real_tun;
    struct run_request request = {.scenario = argument, .seed = 1, .label = "on-tun-mtu"};
    struct run run = {.findings = NULL};
    char error[SPACE_ERROR_SIZE] = "";
    network.begin = begin;
    network.fault = fault;
    real_begin(&rig.real, &request, &network, &run);
    expect_done(real_run(&rig.real, error));
    expect(!rig.cannot_begin);
    for (uint32_t i = 0; i < INTERFACES; i++) {
        printf("# by interface %u: %u datagrams on IPv4, %u on IPv6\n", (unsigned)i,
               (unsigned)rig.got[i][0], (unsigned)rig.got[i][1]);
        fflush(stdout);
    }
    for (uint32_t i = 0; i < INTERFACES; i++)
        for (uint32_t f = 0; f < FAMILIES; f++)
            expect(rig.got[i][f] > 0);
    /* It was told, and has not cut by itself before. */
    expect(net_counts(rig.real.stage.net)->dropped[NET_DROP_TOO_BIG] > 0);
    real_end_programs(&rig.real);
    rig.real.network->end(&rig.real);
    return OK;
}

static void what_is_too_big_for_a_way_is_cut(void **state)
{
    static struct plan plan;
    char error[LOAD_ERROR_SIZE] = "";
    (void)state;
    need_sandboxes();
    if (!space_has_program("ip"))
        skip();
    if (!plan_load(&plan, "on_tun_mtu_test", script, strlen(script), error))
        fail_msg("%s", error);
    assert_int_equal(run(be_hosts, &plan.scenarios[0]), OK);
    plan_free(&plan);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_too_big_for_a_way_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
