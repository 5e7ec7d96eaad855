/*
 * Two hosts on the network `tun`, whose kernels hand over super-packets: on the simulated network
 * there are single packets that fit the link, and everything arrives as it was sent.
 */
#include <errno.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include "daemon/socket_address.h"
#include "netns/space_test.h"
#include "scenarios/runner/load.h"
#include "scenarios/runner/on_real.h"

enum {
    ALICE = 0, /* places of the scenario */
    BOB = 1,
    MTU = 1400, /* of Alice's link */
    PORT = 5001,
    STREAM_SIZE = 300000, /* bytes by TCP */
    SEGMENT = 1200,
    TRAIN_SIZE = SEGMENT * 30 + 77, /* bytes by UDP, at once */
    CHUNK_SIZE = 65536,
    FLOWS = 4, /* TCP and UDP, on IPv4 and IPv6 */
    UDP4 = 2,  /* that of UDP on IPv4 */
    LONE = 20, /* packets of one byte, by the same */
};

static const char script[] = "scenario \"two hosts\" duration(\"30s\")\n"
                             "client \"alice\" { ipv6 = true, mtu = 1400, delay = \"2ms\" }\n"
                             "client \"bob\" { ipv6 = true }\n";

/* From Alice to Bob. */
struct flow {
    uint32_t size; /* bytes in all */
    uint32_t sent;
    uint32_t got;
    ev_io from;
    ev_io listener; /* TCP: until Bob's socket is there */
    ev_io to;
};

static struct {
    struct real real;
    struct flow flows[FLOWS];
    uint32_t packets; /* that arrived at Bob */
    uint32_t largest; /* of all that arrived, in bytes */
    uint32_t done;    /* flows of which all has arrived */
    uint32_t lone;    /* lone packets that have arrived */
    const char *wrong;
} rig;

static void give_up(const char *why)
{
    if (rig.wrong == NULL)
        rig.wrong = why;
    ev_break(rig.real.loop, EVBREAK_ALL);
}

/* What is at this place of a flow. */
static uint8_t pattern(uint32_t at)
{
    return (uint8_t)((at * UINT32_C(2654435761)) >> 24);
}

/* ---- Flows ---- */

static void on_send(struct ev_loop *loop, ev_io *watcher, int events)
{
    static uint8_t chunk[CHUNK_SIZE];
    struct flow *flow = watcher->data;
    (void)events;
    uint32_t size = flow->size - flow->sent < CHUNK_SIZE ? flow->size - flow->sent : CHUNK_SIZE;
    for (uint32_t i = 0; i < size; i++)
        chunk[i] = pattern(flow->sent + i);
    ssize_t done = send(watcher->fd, chunk, size, MSG_NOSIGNAL);
    if (done < 0 && errno != EAGAIN)
        give_up("Alice cannot send");
    flow->sent += done > 0 ? (uint32_t)done : 0;
    if (flow->sent == flow->size)
        ev_io_stop(loop, watcher);
}

/* The next one, which nothing follows before it has arrived. */
static void send_lone(void)
{
    if (rig.lone == LONE)
        ev_break(rig.real.loop, EVBREAK_ALL);
    else if (send(rig.flows[UDP4].from.fd, "x", 1, 0) != 1)
        give_up("Alice cannot send a lone packet");
}

static void on_receive(struct ev_loop *loop, ev_io *watcher, int events)
{
    static uint8_t chunk[CHUNK_SIZE];
    struct flow *flow = watcher->data;
    (void)loop;
    (void)events;
    ssize_t size = recv(watcher->fd, chunk, sizeof chunk, 0);
    if (rig.done == FLOWS && flow == &rig.flows[UDP4] && size == 1) {
        rig.lone++;
        send_lone();
        return;
    }
    if (size <= 0 || (uint32_t)size > flow->size - flow->got) {
        give_up("Bob gets what Alice has not sent, or nothing");
        return;
    }
    for (uint32_t i = 0; i < (uint32_t)size; i++)
        if (chunk[i] != pattern(flow->got + i))
            give_up("a byte is wrong");
    flow->got += (uint32_t)size;
    if (flow->got == flow->size && ++rig.done == FLOWS)
        send_lone();
}

static void receive_from(struct flow *flow, int file)
{
    ev_io_init(&flow->to, on_receive, file, EV_READ);
    flow->to.data = flow;
    ev_io_start(rig.real.loop, &flow->to);
}

static void on_accept(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)events;
    int file = accept4(watcher->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (file < 0) {
        give_up("Bob cannot accept");
        return;
    }
    ev_io_stop(loop, watcher);
    receive_from(watcher->data, file);
}

/* Where Bob listens. */
static socklen_t bob_address(bool v6, union socket_address *to)
{
    struct addr addr = net_interface_address(rig.real.stage.net, rig.real.stage.places[BOB], 0,
                                             v6 ? ADDR_V6 : ADDR_V4, 0);
    addr.port = PORT;
    return socket_address_of(&addr, to);
}

static bool begin_flow(struct flow *flow, bool v6, bool udp)
{
    char error[SPACE_ERROR_SIZE];
    union socket_address bob;
    socklen_t size = bob_address(v6, &bob);
    int domain = v6 ? AF_INET6 : AF_INET, type = udp ? SOCK_DGRAM : SOCK_STREAM;
    int segment = SEGMENT;
    int from = space_socket(rig.real.hosts[ALICE], domain, type, 0, error);
    int to = space_socket(rig.real.hosts[BOB], domain, type, 0, error);
    if (from < 0 || to < 0 || bind(to, &bob.any, size) != 0)
        return false;
    flow->size = udp ? TRAIN_SIZE : STREAM_SIZE;
    if (udp)
        receive_from(flow, to);
    else if (listen(to, 1) != 0)
        return false;
    ev_io_init(&flow->listener, on_accept, to, EV_READ);
    flow->listener.data = flow;
    if (!udp)
        ev_io_start(rig.real.loop, &flow->listener);
    if (connect(from, &bob.any, size) != 0 && errno != EINPROGRESS)
        return false;
    if (udp && setsockopt(from, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) != 0)
        return false;
    ev_io_init(&flow->from, on_send, from, EV_WRITE);
    flow->from.data = flow;
    ev_io_start(rig.real.loop, &flow->from);
    return true;
}

/* ---- The network, looked at ---- */

static void begin(struct real *real)
{
    real_tun.begin(real);
    for (uint32_t i = 0; i < FLOWS; i++)
        if (!begin_flow(&rig.flows[i], (i & 1) != 0, (i & 2) != 0))
            give_up("a flow cannot begin");
}

static void arrived(void *context, struct net *net, uint32_t host, uint32_t interface,
                    const uint8_t *bytes, uint32_t size)
{
    rig.packets += rig.real.stage.clients[host] == BOB ? 1 : 0;
    rig.largest = size > rig.largest ? size : rig.largest;
    real_tun.gate->arrived(context, net, host, interface, bytes, size);
}

/* What the kernel has counted at a host's interface: packets that it got, and that it sent. */
static bool ask_counts(uint32_t place, unsigned long counts[static 2])
{
    static const char *const ask[] = {"cat", "/proc/net/dev", NULL};
    char error[SPACE_ERROR_SIZE], said[TEXT_SIZE];
    if (!space_ask(rig.real.hosts[place], ask, said, sizeof said, error))
        return false;
    char *at = strstr(said, "eth0:");
    if (at == NULL)
        return false;
    at += strlen("eth0:");
    for (uint32_t i = 0; i < 10; i++) {
        unsigned long value = strtoul(at, &at, 10);
        if (i == 1 || i == 9)
            counts[i == 9] = value;
    }
    return true;
}

static int be_hosts(void *argument)
{
    static const struct net_gate gate = {.arrived = arrived};
    struct real_network network = real_tun;
    struct run_request request = {.scenario = argument, .seed = 1, .label = "on-tun"};
    struct run run = {.findings = NULL};
    char error[SPACE_ERROR_SIZE] = "";
    unsigned long alice[2], bob[2];
    network.begin = begin;
    network.gate = &gate;
    real_begin(&rig.real, &request, &network, &run);
    expect_done(real_run(&rig.real, error));
    snprintf(error, sizeof error, "%s", rig.wrong != NULL ? rig.wrong : "not all has arrived");
    expect_done(rig.wrong == NULL && rig.lone == LONE);
    expect(rig.largest == MTU);
    expect(rig.packets >= 2 * (STREAM_SIZE + TRAIN_SIZE) / MTU);
    /* In both directions the kernel counts a super-packet as one, and a burst of TCP is many. */
    expect(ask_counts(ALICE, alice) && ask_counts(BOB, bob));
    printf("# %u packets: Alice's kernel sent %lu, Bob's got %lu\n", (unsigned)rig.packets,
           alice[1], bob[0]);
    expect(alice[1] < rig.packets / 2);
    expect(bob[0] < rig.packets / 2);
    const struct net_counts *counts = net_counts(rig.real.stage.net);
    for (uint32_t i = 0; i < sizeof counts->dropped / sizeof counts->dropped[0]; i++)
        expect(counts->dropped[i] == 0);
    real_end_programs(&rig.real);
    rig.real.network->end(&rig.real);
    return OK;
}

static void super_packets_are_packets_on_the_network(void **state)
{
    static struct plan plan;
    char error[LOAD_ERROR_SIZE] = "";
    (void)state;
    need_sandboxes();
    if (!space_has_program("ip"))
        skip();
    if (!plan_load(&plan, "on_tun_test", script, strlen(script), error))
        fail_msg("%s", error);
    assert_int_equal(run(be_hosts, &plan.scenarios[0]), OK);
    plan_free(&plan);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(super_packets_are_packets_on_the_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
