/* What the NAT's test files share: a small address plan, and packets in one line. */
#ifndef WARREN_SIM_NAT_TEST_H
#define WARREN_SIM_NAT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "sim/nat.h"
#include "sim/nat_preset.h"

static const uint64_t second_ns = 1000000000;

/* 10.0.0.n, 198.51.100.n, and the external addresses 203.0.113.n. */
static inline struct addr host(uint8_t number, uint16_t port)
{
    return addr_v4(0x0a000000u + number, port);
}

static inline struct addr server(uint8_t number, uint16_t port)
{
    return addr_v4(0xc6336400u + number, port);
}

static inline struct addr external(uint8_t number, uint16_t port)
{
    return addr_v4(0xcb007100u + number, port);
}

static inline bool same(struct addr a, struct addr b)
{
    return addr_equal(&a, &b);
}

/* A NAT with the first config->pool external addresses; its draws depend on seed and name. */
static inline struct nat *make_seeded(const struct nat_config *config,
                                      const uint8_t seed[static RANDOM_SEED_SIZE], const char *name)
{
    struct addr pool[16];
    for (unsigned i = 0; i < 16; i++)
        pool[i] = external((uint8_t)(i + 1), 0);
    assert_null(nat_config_problem(config));
    assert_true(config->pool <= 16);
    struct nat *nat = nat_create(config, pool, config->pool, seed, name, strlen(name));
    assert_non_null(nat);
    return nat;
}

static inline enum nat_verdict out_by(struct nat *nat, uint64_t now_ns, uint8_t protocol,
                                      uint8_t tcp_flags, struct addr from, struct addr to,
                                      struct addr *mapped)
{
    struct nat_packet packet = {
        .protocol = protocol, .tcp_flags = tcp_flags, .source = from, .destination = to};
    enum nat_verdict verdict = nat_outbound(nat, now_ns, &packet);
    *mapped = packet.source;
    return verdict;
}

/* A UDP packet that must go out; where it came out. */
static inline struct addr out(struct nat *nat, uint64_t now_ns, struct addr from, struct addr to)
{
    struct addr mapped;
    assert_int_equal(out_by(nat, now_ns, NAT_UDP, 0, from, to, &mapped), NAT_PASS);
    return mapped;
}

static inline enum nat_verdict in_by(struct nat *nat, uint64_t now_ns, uint8_t protocol,
                                     uint8_t tcp_flags, struct addr from, struct addr to)
{
    struct nat_packet packet = {
        .protocol = protocol, .tcp_flags = tcp_flags, .source = from, .destination = to};
    enum nat_verdict verdict = nat_inbound(nat, now_ns, &packet);
    assert_true(same(packet.source, from));
    if (verdict != NAT_PASS)
        assert_true(same(packet.destination, to));
    return verdict;
}

static inline enum nat_verdict in(struct nat *nat, uint64_t now_ns, struct addr from,
                                  struct addr to)
{
    return in_by(nat, now_ns, NAT_UDP, 0, from, to);
}

#endif
