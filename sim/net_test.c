/*
 * Tests of whole networks: routers, NATs and links between plain hosts, held against RFC 4787's
 * requirements on what is not the NAT's table alone (ICMP, fragments), by number.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "sim/net.h"

#define MS UINT64_C(1000000)
#define SECOND UINT64_C(1000000000)

enum { DATA_MAX = 9000 };

/* What a plain host's socket has seen. */
struct end {
    uint32_t host;
    uint16_t port;
    uint32_t received;
    uint32_t size;     /* of the last one */
    struct addr local; /* and where it went to and came from */
    struct addr remote;
    uint8_t bytes[DATA_MAX];
    uint32_t errors;
    struct node_in_icmp error; /* the last one */
};

struct fixture {
    struct net *net;
    struct end ends[8];
    uint32_t count;
    uint8_t data[DATA_MAX];
};

static void receive(void *context, struct net *net, uint32_t host, const struct addr *local,
                    const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    struct end *end = context;
    (void)net;
    check(host == end->host && size <= DATA_MAX);
    end->received++;
    end->size = size;
    end->local = *local;
    end->remote = *remote;
    memcpy(end->bytes, bytes, size);
}

static void receive_icmp(void *context, struct net *net, uint32_t host,
                         const struct node_in_icmp *in)
{
    struct end *end = context;
    (void)net;
    check(host == end->host);
    end->errors++;
    end->error = *in;
}

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    struct net_config config = {.digesting = true};
    net_seed(config.seed, 1);
    f->net = net_new(&config);
    for (uint32_t i = 0; i < DATA_MAX; i++)
        f->data[i] = (uint8_t)(i * 31 + i / 251);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    net_free(f->net); /* checks that every packet has come to rest */
    free(f);
    return 0;
}

static struct end *open_end(struct fixture *f, uint32_t host, uint16_t port)
{
    struct end *end = &f->ends[f->count++];
    end->host = host;
    end->port = net_open(f->net, host, port, receive, receive_icmp, end);
    assert_int_not_equal(end->port, 0);
    return end;
}

static struct end *add_end(struct fixture *f, const char *name, const struct net_host *host,
                           uint16_t port)
{
    return open_end(f, net_add_host(f->net, name, host), port);
}

static struct addr address_of(const struct fixture *f, const struct end *end, uint8_t family)
{
    return addr_with_port(net_address(f->net, end->host, family, 0), end->port);
}

static enum node_error send_to(struct fixture *f, const struct end *from, struct addr to,
                               uint32_t size)
{
    struct net_send send = {.source = {.port = from->port}, .remote = to};
    return net_send(f->net, from->host, &send, f->data, size);
}

static enum node_error send_whole(struct fixture *f, const struct end *from, struct addr to,
                                  uint32_t size)
{
    struct net_send send = {.source = {.port = from->port}, .remote = to, .dont_fragment = true};
    return net_send(f->net, from->host, &send, f->data, size);
}

static void settle(struct fixture *f)
{
    net_run_until(f->net, net_now(f->net) + SECOND);
}

static uint32_t add_home(struct fixture *f, const char *name, uint32_t behind,
                         const struct nat_config *nat)
{
    struct net_router router = {.behind = behind, .nat = nat};
    router.up.latency_ns = 10 * MS;
    router.down.latency_ns = 10 * MS;
    return net_add_router(f->net, name, &router);
}

/* ---- Routers --------------------------------------------------------------------------------- */

static void test_a_datagram_crosses_the_internet_and_back(void **state)
{
    struct fixture *f = *state;
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    struct end *a = add_end(f, "a", &(struct net_host){.up.latency_ns = 3 * MS}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){.up.latency_ns = 4 * MS}, 2000);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(send_to(f, a, address_of(f, b, families[i]), 100), NODE_OK);
        settle(f);
        assert_int_equal(b->received, i + 1);
        assert_int_equal(b->size, 100);
        assert_memory_equal(b->bytes, f->data, 100);
        struct addr expected = address_of(f, a, families[i]);
        assert_true(addr_equal(&b->remote, &expected));
        assert_int_equal(send_to(f, b, b->remote, 0), NODE_OK);
        settle(f);
        assert_int_equal(a->received, i + 1);
        assert_int_equal(a->size, 0);
    }
}

static void test_time_to_live_ends_a_packet_and_says_so(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    /* Two routers on the way. An error of the first has the address that the inside sees. */
    for (uint8_t ttl = 1; ttl <= 3; ttl++) {
        for (unsigned i = 0; i < 2; i++) {
            a->errors = b->received = 0;
            struct net_send send = {
                .source = {.port = 1000}, .remote = address_of(f, b, families[i]), .ttl = ttl};
            assert_int_equal(net_send(f->net, a->host, &send, f->data, 10), NODE_OK);
            settle(f);
            assert_int_equal(b->received, ttl == 3);
            assert_int_equal(a->errors, ttl != 3);
            if (ttl == 3)
                continue;
            struct addr inside = address_of(f, a, families[i]);
            assert_int_equal(a->error.error, NODE_ICMP_TIME_EXCEEDED);
            assert_true(addr_equal(&a->error.remote, &send.remote));
            assert_true(addr_equal(&a->error.local, &inside));
            if (ttl == 2) {
                struct addr hub = net_address(f->net, NET_INTERNET, families[i], 0);
                assert_true(addr_equal(&a->error.reporter, &hub));
            }
        }
    }
    /* What died at the first router opened nothing there; only the two later ones did, one
     * endpoint. */
    assert_int_equal(nat_mapping_count(net_nat(f->net, home), net_now(f->net), NULL), 1);
}

static void test_unreachable(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct addr closed = addr_with_port(address_of(f, b, ADDR_V4), 2001);
    const struct {
        struct addr to;
        uint8_t error;
    } table[] = {
        {closed, NODE_ICMP_UNREACHABLE_PORT},
        {addr_v4(0xc0000201, 9), NODE_ICMP_UNREACHABLE_NET}, /* 192.0.2.1: nobody's */
        {addr_v4(0xc0a80163, 9),
         NODE_ICMP_UNREACHABLE_HOST}, /* 192.168.1.99: of the home's range, not given */
    };
    for (uint32_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        assert_int_equal(send_to(f, a, table[i].to, 20), NODE_OK);
        settle(f);
        assert_int_equal(a->errors, i + 1);
        assert_int_equal(a->error.error, table[i].error);
        assert_true(addr_equal(&a->error.remote, &table[i].to));
    }
}

static void test_icmp_errors_are_limited(void **state)
{
    struct fixture *f = *state;
    struct end *a = add_end(f, "a", &(struct net_host){0}, 1000);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(send_to(f, a, addr_v4(0xc0000201, 9), 20), NODE_OK);
    settle(f);
    assert_in_range(a->errors, 10, 100);
}

/* An echo request through a NAT comes back with the identifier that was sent (RFC 5508, REQ-1). */
static void test_echo_through_a_nat(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    nat.ports = NAT_PORTS_RANDOM;
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct net_send send = {
        .source = {.port = 1000}, .remote = address_of(f, b, ADDR_V4), .protocol = PACKET_ICMP};
    assert_int_equal(net_send(f->net, a->host, &send, f->data, 56), NODE_OK);
    settle(f);
    assert_int_equal(a->errors, 1);
    assert_int_equal(a->error.error, PACKET_ICMP_ECHO_REPLY);
    assert_true(addr_equal_ip(&a->error.remote, &send.remote));
}

static void test_tcp_crosses_a_nat(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 443);
    struct net_send send = {.source = {.port = 1000},
                            .remote = address_of(f, b, ADDR_V4),
                            .protocol = PACKET_TCP,
                            .tcp_flags = NAT_TCP_SYN};
    assert_int_equal(net_send(f->net, a->host, &send, f->data, 0), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
    send = (struct net_send){.source = b->local, .remote = b->remote, .protocol = PACKET_TCP};
    assert_int_equal(net_send(f->net, b->host, &send, f->data, 77), NODE_OK);
    settle(f);
    assert_int_equal(a->received, 1);
    assert_int_equal(a->size, 77);
}

static void test_a_router_without_a_nat_routes(void **state)
{
    struct fixture *f = *state;
    uint32_t upper = add_home(f, "upper", NET_INTERNET, NULL);
    uint32_t lower = add_home(f, "lower", upper, NULL);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = lower}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(send_to(f, b, address_of(f, a, families[i]), 5), NODE_OK);
        settle(f);
        assert_int_equal(a->received, i + 1);
    }
}

/* ---- NATs ------------------------------------------------------------------------------------ */

static void test_stacked_nats_translate_one_after_the_other(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t cgn =
        net_add_router(f->net, "cgn", &(struct net_router){.nat = &nat, .carrier = true});
    uint32_t home = add_home(f, "home", cgn, &nat);
    uint32_t inner = add_home(f, "inner", home, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = inner}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
    struct addr outermost = net_address(f->net, cgn, ADDR_V4, 0);
    assert_true(addr_equal_ip(&b->remote, &outermost));
    assert_int_equal(net_address(f->net, home, ADDR_V4, 0).ip[0], 100);
    assert_int_equal(net_address(f->net, inner, ADDR_V4, 0).ip[0], 192);
    assert_int_equal(send_to(f, b, b->remote, 5), NODE_OK);
    settle(f);
    assert_int_equal(a->received, 1);
    /* A closed port three NATs away: the error comes back through all of them, with our own view of
     * what we sent. */
    struct addr closed = addr_with_port(address_of(f, b, ADDR_V4), 2001);
    assert_int_equal(send_to(f, a, closed, 5), NODE_OK);
    settle(f);
    assert_int_equal(a->errors, 1);
    struct addr own = address_of(f, a, ADDR_V4);
    assert_true(addr_equal(&a->error.local, &own));
    assert_true(addr_equal(&a->error.remote, &closed));
}

/* RFC 4787, REQ-9 and 9a, through a router. */
static void test_hairpin_through_the_router(void **state)
{
    struct fixture *f = *state;
    static const uint8_t modes[] = {NAT_HAIRPIN_OFF, NAT_HAIRPIN_INTERNAL, NAT_HAIRPIN_EXTERNAL};
    for (unsigned i = 0; i < 3; i++) {
        struct nat_config nat = nat_config_default();
        nat.filtering = NAT_FILTERING_EIF;
        nat.hairpin = modes[i];
        static const char *const names[][4] = {
            {"h0", "a0", "b0", "s0"}, {"h1", "a1", "b1", "s1"}, {"h2", "a2", "b2", "s2"}};
        f->count = 0;
        memset(f->ends, 0, sizeof f->ends);
        uint32_t home = add_home(f, names[i][0], NET_INTERNET, &nat);
        struct end *a = add_end(f, names[i][1], &(struct net_host){.behind = home}, 1000);
        struct end *b = add_end(f, names[i][2], &(struct net_host){.behind = home}, 1001);
        struct end *s = add_end(f, names[i][3], &(struct net_host){0}, 2000);
        assert_int_equal(send_to(f, a, address_of(f, s, ADDR_V4), 5), NODE_OK);
        settle(f);
        struct addr a_mapped = s->remote;
        assert_int_equal(send_to(f, b, address_of(f, s, ADDR_V4), 5), NODE_OK);
        settle(f);
        struct addr b_mapped = s->remote;
        assert_int_equal(send_to(f, a, b_mapped, 9), NODE_OK);
        settle(f);
        assert_int_equal(b->received, modes[i] != NAT_HAIRPIN_OFF);
        if (modes[i] == NAT_HAIRPIN_OFF)
            continue;
        struct addr expected =
            modes[i] == NAT_HAIRPIN_EXTERNAL ? a_mapped : address_of(f, a, ADDR_V4);
        assert_true(addr_equal(&b->remote, &expected));
    }
}

static void test_flush_and_a_new_address(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    struct addr before = b->remote;
    assert_int_equal(send_to(f, b, before, 5), NODE_OK);
    settle(f);
    assert_int_equal(a->received, 1);
    net_schedule_fault(f->net, net_now(f->net),
                       &(struct net_fault){.kind = NET_FAULT_NAT_FLUSH, .place = home});
    settle(f);
    assert_int_equal(send_to(f, b, before, 5), NODE_OK);
    settle(f);
    assert_int_equal(a->received, 1);
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_NAT], 1);

    net_schedule_fault(f->net, net_now(f->net),
                       &(struct net_fault){.kind = NET_FAULT_WAN_ADDRESS, .place = home});
    settle(f);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    assert_false(addr_equal_ip(&b->remote, &before));
    assert_int_equal(send_to(f, b, b->remote, 5), NODE_OK);
    assert_int_equal(send_to(f, b, before, 5), NODE_OK);
    settle(f);
    assert_int_equal(a->received, 2);
    assert_int_equal(b->errors, 1); /* nobody has the old address any more */
}

static void test_ipv6_is_translated_where_the_nat_says_so(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t plain = add_home(f, "plain", NET_INTERNET, &nat);
    uint32_t nat66 =
        net_add_router(f->net, "nat66", &(struct net_router){.nat = &nat, .nat_v6 = true});
    struct end *a = add_end(f, "a", &(struct net_host){.behind = plain}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){.behind = nat66}, 1000);
    struct end *s = add_end(f, "s", &(struct net_host){0}, 2000);
    struct addr a_own = address_of(f, a, ADDR_V6);
    assert_int_equal(send_to(f, a, address_of(f, s, ADDR_V6), 5), NODE_OK);
    settle(f);
    assert_true(addr_equal(&s->remote, &a_own));
    assert_int_equal(send_to(f, b, address_of(f, s, ADDR_V6), 5), NODE_OK);
    settle(f);
    struct addr external = net_address(f->net, nat66, ADDR_V6, 0);
    assert_true(addr_equal_ip(&s->remote, &external));
    assert_int_equal(address_of(f, b, ADDR_V6).ip[0], 0xfd);
    assert_int_equal(send_to(f, s, s->remote, 5), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
}

/* RFC 4787, REQ-12: "receipt of any sort of ICMP message MUST NOT terminate the NAT mapping"; 12b:
 * unreachables pass. */
static void test_req_12_icmp_does_not_end_a_mapping(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct addr to = address_of(f, b, ADDR_V4);
    assert_int_equal(send_to(f, a, to, 5), NODE_OK);
    settle(f);
    struct addr mapped = b->remote;
    net_close(f->net, b->host, 2000);
    assert_int_equal(send_to(f, a, to, 5), NODE_OK);
    settle(f);
    assert_int_equal(a->errors, 1);
    assert_int_equal(a->error.error, NODE_ICMP_UNREACHABLE_PORT);
    struct end *again = open_end(f, b->host, 2000);
    assert_int_equal(send_to(f, again, mapped, 5), NODE_OK);
    settle(f);
    assert_int_equal(a->received, 1);
}

/* REQ-13: "MUST send an ICMP Fragmentation needed and DF set message" when an inside packet with DF
 * is too big. */
static void test_req_13_too_big_with_df_is_answered(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    struct net_router router = {.nat = &nat};
    router.up.mtu = 1400;
    uint32_t home = net_add_router(f->net, "home", &router);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct addr to = address_of(f, b, ADDR_V4);
    assert_int_equal(send_whole(f, a, to, 1400 - 28), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
    assert_int_equal(send_whole(f, a, to, 1400 - 27), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
    assert_int_equal(a->errors, 1);
    assert_int_equal(a->error.error, NODE_ICMP_TOO_BIG);
    assert_int_equal(a->error.mtu, 1400);
    assert_true(addr_equal(&a->error.remote, &to));
    /* Too big for the host's own link: it hears so at once. */
    assert_int_equal(send_whole(f, a, to, 1473), NODE_ERROR_TOO_BIG);
}

/* From outside, through the NAT, onto a smaller inside link: the sender outside hears about what it
 * sent itself. */
static void test_too_big_for_the_inside_is_told_outside(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    struct net_host small = {.behind = home, .down.mtu = 1300};
    struct end *a = add_end(f, "a", &small, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    struct addr mapped = b->remote;
    assert_int_equal(send_whole(f, b, mapped, 1400), NODE_OK);
    settle(f);
    assert_int_equal(b->errors, 1);
    assert_int_equal(b->error.mtu, 1300);
    assert_true(addr_equal(&b->error.remote, &mapped));
    assert_true(addr_equal_ip(&b->error.reporter, &mapped));
}

/* REQ-13a: without DF the NAT "MUST fragment the packet and SHOULD send the fragments in order". */
static void test_req_13a_too_big_without_df_is_fragmented(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    struct net_router router = {.nat = &nat};
    router.up.mtu = 600;
    router.down.mtu = 700;
    uint32_t home = net_add_router(f->net, "home", &router);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 1400), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
    assert_int_equal(b->size, 1400);
    assert_memory_equal(b->bytes, f->data, 1400);
    assert_int_equal(send_to(f, b, b->remote, 1450), NODE_OK);
    settle(f);
    assert_int_equal(a->received, 1);
    assert_memory_equal(a->bytes, f->data, 1450);
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_REASSEMBLY], 0);
}

/* REQ-14: "MUST support receiving in-order and out-of-order fragments", in both directions. */
static void test_req_14_fragments_in_any_order(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    struct net_router router = {.nat = &nat};
    uint32_t home = net_add_router(f->net, "home", &router);
    struct net_host host = {.behind = home};
    host.up.latency_ns = 5 * MS;
    host.up.jitter_ns = 5 * MS;
    host.up.jitter_reorders = true;
    struct end *a = add_end(f, "a", &host, 1000);
    host.behind = NET_INTERNET;
    struct end *b = add_end(f, "b", &host, 2000);
    for (uint32_t i = 1; i <= 30; i++) {
        assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 8000), NODE_OK);
        settle(f);
        assert_int_equal(b->received, i);
        assert_memory_equal(b->bytes, f->data, 8000);
        assert_int_equal(send_to(f, b, b->remote, 7000), NODE_OK);
        settle(f);
        assert_int_equal(a->received, i);
        assert_memory_equal(a->bytes, f->data, 7000);
        memset(a->bytes, 0, DATA_MAX);
        memset(b->bytes, 0, DATA_MAX);
    }
}

struct flood {
    struct end *from;
    struct addr to;
};

static void send_flood(void *context, struct net *net, uint64_t count)
{
    struct flood *flood = context;
    static const uint8_t bytes[3000];
    struct net_send send = {.source = {.port = flood->from->port}, .remote = flood->to};
    for (uint64_t i = 0; i < count; i++)
        check(net_send(net, flood->from->host, &send, bytes, sizeof bytes) == NODE_OK);
}

/* REQ-14a: fragments that never become whole harm neither in-order fragments nor whole packets. */
static void test_req_14a_a_flood_of_fragments(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    nat.filtering = NAT_FILTERING_EIF;
    uint32_t home = net_add_router(f->net, "home", &(struct net_router){.nat = &nat});
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct net_host lossy = {.up.loss_ppm = 500000};
    struct end *attacker = add_end(f, "attacker", &lossy, 3000);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    struct addr mapped = b->remote;
    struct flood flood = {.from = attacker, .to = mapped};
    uint64_t at_ns = net_now(f->net);
    net_schedule_call(f->net, at_ns, attacker->host, send_flood, &flood, 5000);
    settle(f);
    uint32_t from_attacker = a->received;
    assert_true(net_counts(f->net)->dropped[NET_DROP_REASSEMBLY] > 1000);
    for (uint32_t i = 1; i <= 20; i++) {
        assert_int_equal(send_to(f, b, mapped, 4000), NODE_OK);
        assert_int_equal(send_to(f, b, mapped, 400), NODE_OK);
        net_schedule_call(f->net, net_now(f->net), attacker->host, send_flood, &flood, 10);
        net_run_until(f->net, net_now(f->net) + MS);
    }
    assert_true(a->received - from_attacker >= 40);
}

/* ---- Links ----------------------------------------------------------------------------------- */

static void test_corruption_is_caught_unless_it_slips_through(void **state)
{
    struct fixture *f = *state;
    struct net_host bad = {.up.corrupt_ppm = RANDOM_PPM};
    struct net_host worse = {.up.corrupt_ppm = RANDOM_PPM, .up.corrupt_undetected = true};
    struct end *a = add_end(f, "a", &bad, 1000);
    struct end *b = add_end(f, "b", &worse, 1000);
    struct end *s = add_end(f, "s", &(struct net_host){0}, 2000);
    assert_int_equal(send_to(f, a, address_of(f, s, ADDR_V4), 100), NODE_OK);
    settle(f);
    assert_int_equal(s->received, 0);
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_CHECKSUM], 1);
    assert_int_equal(send_to(f, b, address_of(f, s, ADDR_V4), 100), NODE_OK);
    settle(f);
    assert_int_equal(s->received, 1);
    unsigned flipped = 0;
    for (unsigned i = 0; i < 100; i++)
        for (unsigned bit = 0; bit < 8; bit++)
            flipped += ((s->bytes[i] ^ f->data[i]) >> bit & 1) != 0;
    assert_int_equal(flipped, 1);
}

static void test_a_black_hole_says_nothing(void **state)
{
    struct fixture *f = *state;
    struct net_router router = {.up.mtu = 1300, .up.mtu_black_hole = true};
    uint32_t home = net_add_router(f->net, "home", &router);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    assert_int_equal(send_whole(f, a, address_of(f, b, ADDR_V4), 1400), NODE_OK);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V6), 1400), NODE_OK);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V6), 1200), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
    assert_int_equal(a->errors, 0);
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_BLACK_HOLE], 2);
}

/* RFC 8201: an IPv6 router never cuts; the host learns, and cuts the next one itself. */
static void test_an_ipv6_host_learns_the_path(void **state)
{
    struct fixture *f = *state;
    struct net_router router = {.up.mtu = 1300};
    uint32_t home = net_add_router(f->net, "home", &router);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    for (uint32_t i = 0; i < 2; i++) {
        assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V6), 1400), NODE_OK);
        settle(f);
        assert_int_equal(b->received, i);
        assert_int_equal(a->errors, 1);
    }
    assert_int_equal(a->error.error, NODE_ICMP_TOO_BIG);
    assert_memory_equal(b->bytes, f->data, 1400);
}

static void test_one_way_down(void **state)
{
    struct fixture *f = *state;
    struct end *a = add_end(f, "a", &(struct net_host){.up.latency_ns = 50 * MS}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct net_fault fault = {.kind = NET_FAULT_LINK_DOWN, .place = a->host, .way = NET_WAY_UP};
    /* What is on the wire when it is cut is lost, also when it would have arrived in that very
     * nanosecond. */
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    net_schedule_fault(f->net, 50 * MS, &fault);
    net_run_until(f->net, 100 * MS);
    assert_int_equal(b->received, 0);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    assert_int_equal(send_to(f, b, address_of(f, a, ADDR_V4), 5), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 0);
    assert_int_equal(a->received, 1);
    fault.kind = NET_FAULT_LINK_UP;
    net_schedule_fault(f->net, net_now(f->net), &fault);
    net_run_until(f->net, net_now(f->net));
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 1);
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_LINK_DOWN], 2);
}

/* What is behind either side cannot reach the other, in silence; everybody else can reach both. */
static void test_severed(void **state)
{
    struct fixture *f = *state;
    uint32_t home = add_home(f, "home", NET_INTERNET, NULL);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct end *c = add_end(f, "c", &(struct net_host){0}, 3000);
    struct net_fault fault = {.kind = NET_FAULT_SEVER, .place = b->host, .peer = a->host};
    for (uint32_t round = 0; round < 2; round++) {
        fault.kind = round == 0 ? NET_FAULT_SEVER : NET_FAULT_MEND;
        net_schedule_fault(f->net, net_now(f->net), &fault);
        net_run_until(f->net, net_now(f->net));
        assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
        assert_int_equal(send_to(f, b, address_of(f, a, ADDR_V6), 5), NODE_OK);
        assert_int_equal(send_to(f, c, address_of(f, a, ADDR_V4), 5), NODE_OK);
        assert_int_equal(send_to(f, c, address_of(f, b, ADDR_V4), 5), NODE_OK);
        settle(f);
    }
    assert_int_equal(a->received, 2 + 1);
    assert_int_equal(b->received, 2 + 1);
    assert_int_equal(a->errors + b->errors, 0);
    assert_int_equal(net_counts(f->net)->dropped[NET_DROP_NO_ROUTE], 2);
}

static void test_the_second_interface_takes_over(void **state)
{
    struct fixture *f = *state;
    struct nat_config nat = nat_config_default();
    uint32_t home = add_home(f, "home", NET_INTERNET, &nat);
    uint32_t phone = add_home(f, "phone", NET_INTERNET, &nat);
    struct end *a = add_end(f, "a", &(struct net_host){.behind = home}, 1000);
    (void)net_add_interface(f->net, a->host, &(struct net_host){.behind = phone});
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct addr home_external = net_address(f->net, home, ADDR_V4, 0);
    struct addr phone_external = net_address(f->net, phone, ADDR_V4, 0);
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    assert_true(addr_equal_ip(&b->remote, &home_external));
    /* On the second one's own range, and with its address as source, the second one is used
     * although it is not first. */
    struct net_send send = {.source =
                                addr_with_port(net_address(f->net, a->host, ADDR_V4, 1), 1000),
                            .remote = address_of(f, b, ADDR_V4)};
    assert_int_equal(net_send(f->net, a->host, &send, f->data, 5), NODE_OK);
    settle(f);
    assert_true(addr_equal_ip(&b->remote, &phone_external));
    struct net_fault fault = {.kind = NET_FAULT_INTERFACE_DOWN, .place = a->host, .interface = 0};
    net_schedule_fault(f->net, net_now(f->net), &fault);
    net_run_until(f->net, net_now(f->net));
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_OK);
    settle(f);
    assert_int_equal(b->received, 3);
    assert_true(addr_equal_ip(&b->remote, &phone_external));
    fault.interface = 1;
    net_schedule_fault(f->net, net_now(f->net), &fault);
    net_run_until(f->net, net_now(f->net));
    assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 5), NODE_ERROR_UNREACHABLE);
}

/* ---- Determinism ----------------------------------------------------------------------------- */

/* The arrival times of 200 datagrams over a bad link. */
static uint64_t run_bad_link(uint64_t seed, bool another_link, uint64_t *digest)
{
    struct net_config config = {.digesting = true};
    net_seed(config.seed, seed);
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->net = net_new(&config);
    struct net_host bad = {.up = {.latency_ns = 5 * MS,
                                  .jitter_ns = 5 * MS,
                                  .loss_ppm = 200000,
                                  .duplicate_ppm = 100000,
                                  .corrupt_ppm = 50000}};
    struct end *a = add_end(f, "a", &bad, 1000);
    struct end *b = add_end(f, "b", &(struct net_host){0}, 2000);
    struct end *other = another_link ? add_end(f, "other", &bad, 3000) : NULL;
    uint64_t heard = 0;
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(send_to(f, a, address_of(f, b, ADDR_V4), 50), NODE_OK);
        if (other != NULL)
            assert_int_equal(send_to(f, other, addr_v4(0xc0000201, 1), 50), NODE_OK);
        uint32_t before = b->received;
        net_run_until(f->net, net_now(f->net) + MS);
        heard = heard * 0x100000001b3u + (b->received - before);
    }
    *digest = net_digest(f->net);
    net_free(f->net);
    free(f);
    return heard;
}

static void test_same_seed_same_run(void **state)
{
    (void)state;
    uint64_t digest[4];
    uint64_t first = run_bad_link(1, false, &digest[0]);
    uint64_t again = run_bad_link(1, false, &digest[1]);
    uint64_t other_seed = run_bad_link(2, false, &digest[2]);
    uint64_t more_links = run_bad_link(1, true, &digest[3]);
    assert_true(first == again && digest[0] == digest[1] && digest[0] != 0);
    assert_true(first != other_seed && digest[0] != digest[2]);
    /* Adding a place and a link, and traffic there, disturbs no other link's draws. */
    assert_true(first == more_links && digest[0] == digest[3]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_datagram_crosses_the_internet_and_back),
        TEST(test_time_to_live_ends_a_packet_and_says_so),
        TEST(test_unreachable),
        TEST(test_icmp_errors_are_limited),
        TEST(test_echo_through_a_nat),
        TEST(test_tcp_crosses_a_nat),
        TEST(test_a_router_without_a_nat_routes),
        TEST(test_stacked_nats_translate_one_after_the_other),
        TEST(test_hairpin_through_the_router),
        TEST(test_flush_and_a_new_address),
        TEST(test_ipv6_is_translated_where_the_nat_says_so),
        TEST(test_req_12_icmp_does_not_end_a_mapping),
        TEST(test_req_13_too_big_with_df_is_answered),
        TEST(test_too_big_for_the_inside_is_told_outside),
        TEST(test_req_13a_too_big_without_df_is_fragmented),
        TEST(test_req_14_fragments_in_any_order),
        TEST(test_req_14a_a_flood_of_fragments),
        TEST(test_corruption_is_caught_unless_it_slips_through),
        TEST(test_a_black_hole_says_nothing),
        TEST(test_an_ipv6_host_learns_the_path),
        TEST(test_one_way_down),
        TEST(test_severed),
        TEST(test_the_second_interface_takes_over),
        cmocka_unit_test(test_same_seed_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
