/* Linux's NATs and firewalls as they are built, by what real UDP sockets see of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "netns/kernel_test.h"
#include "sim/nat_param.h"

enum { IDLE_S = 1 };

/* ---- NATs ---- */

struct expected {
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    bool hairpin;
    bool ports_kept;
    bool trap;
    bool collision_holds; /* two hosts on one port keep their mappings */
};

static enum nat_mapping find_mapping(struct site *site, bool *kept)
{
    int file = open_client(site, site->alice, 40001);
    struct addr first = seen(file, site->s[0][0]);
    struct addr other_port = seen(file, site->s[0][1]);
    struct addr other_address = seen(file, site->s[1][0]);
    assert_true(first.family != ADDR_NONE && other_port.family != ADDR_NONE &&
                other_address.family != ADDR_NONE);
    *kept = first.port == 40001;
    if (!same(first, other_port))
        return NAT_MAPPING_APDM;
    return same(first, other_address) ? NAT_MAPPING_EIM : NAT_MAPPING_ADM;
}

static enum nat_filtering find_filtering(struct site *site, enum nat_filtering expected)
{
    int file = open_client(site, site->alice, 40002);
    struct addr mapped = seen(file, site->s[0][0]);
    assert_true(reaches(site->s[0][0], &mapped, file, true));
    if (reaches(site->s[1][0], &mapped, file, expected == NAT_FILTERING_EIF))
        return NAT_FILTERING_EIF;
    return reaches(site->s[0][1], &mapped, file, expected == NAT_FILTERING_ADF)
               ? NAT_FILTERING_ADF
               : NAT_FILTERING_APDF;
}

/* Both send, so that every filter admits; where mappings hold, each is seen as by the server. */
static bool find_hairpin(struct site *site, bool expected)
{
    int a = open_client(site, site->alice, 40003);
    int b = open_client(site, site->bob, 40004);
    int wait_ms = expected ? SOON_MS : NEVER_MS;
    struct addr mapped_a = seen(a, site->s[0][0]);
    struct addr mapped_b = seen(b, site->s[0][0]);
    send_to(a, &mapped_b);
    /* Admitted or not. */
    (void)receive(b, NEVER_MS);
    send_to(b, &mapped_a);
    bool there = same(receive(a, wait_ms), mapped_b);
    send_to(a, &mapped_b);
    bool back = same(receive(b, wait_ms), mapped_a);
    assert_int_equal(there, back);
    return there;
}

/* A packet that comes before the one that would let it in. */
static bool find_trap(struct site *site)
{
    int file = open_client(site, site->alice, 40005);
    struct addr mapped = seen(file, site->s[0][0]);
    (void)reaches(site->s[1][1], &mapped, file, false);
    return !same(seen(file, site->s[1][1]), mapped);
}

static bool holds_collision(struct site *site)
{
    int a = open_client(site, site->alice, 40006);
    int b = open_client(site, site->bob, 40006);
    struct addr mapped_a = seen(a, site->s[0][0]);
    struct addr mapped_b = seen(b, site->s[1][0]);
    return same(seen(a, site->s[1][0]), mapped_a) && same(seen(b, site->s[0][0]), mapped_b) &&
           same(seen(b, site->s[1][1]), mapped_b);
}

static void expect(struct site *site, const struct expected *expected, const char *name)
{
    bool kept;
    bool eim = expected->mapping == NAT_MAPPING_EIM;
    enum nat_mapping mapping = find_mapping(site, &kept);
    enum nat_filtering filtering = find_filtering(site, expected->filtering);
    if (mapping != expected->mapping || filtering != expected->filtering ||
        kept != expected->ports_kept)
        fail_msg("%s: mapping %d, filtering %d, port %s", name, (int)mapping, (int)filtering,
                 kept ? "kept" : "changed");
    if (eim && find_hairpin(site, expected->hairpin) != expected->hairpin)
        fail_msg("%s: hairpin is not %d", name, expected->hairpin);
    if (eim && find_trap(site) != expected->trap)
        fail_msg("%s: trap is not %d", name, expected->trap);
    if (eim && holds_collision(site) != expected->collision_holds)
        fail_msg("%s: collision does not hold as %d", name, expected->collision_holds);
}

/* What the parameters promise; a classifier that is behind several has all of them. */
static struct expected promised(const struct nat_config *nat)
{
    return (struct expected){
        .mapping = (enum nat_mapping)nat->mapping,
        .filtering = (enum nat_filtering)nat->filtering,
        .hairpin = nat->hairpin == NAT_HAIRPIN_EXTERNAL,
        .ports_kept = nat->ports != NAT_PORTS_RANDOM,
        .trap = nat->poison_ns != 0,
        .collision_holds = nat->one_to_one || (nat->ports != NAT_PORTS_OVERLOADED &&
                                               (nat->ports != NAT_PORTS_PRESERVED ||
                                                nat->collision == NAT_COLLISION_RANDOM)),
    };
}

/* Every preset: either it comes out as it says, or its sentence names what is in the way. */
static void test_presets(void **state)
{
    static const struct {
        const char *name;
        const char *obstacle; /* NULL: none */
    } rows[] = {
        {"none", NULL},
        {"one-to-one", NULL},
        {"ec2-one-to-one", NULL},
        {"full-cone", NULL},
        {"restricted-cone", NULL},
        {"port-restricted-cone", NULL},
        {"symmetric", NULL},
        {"home", NULL},
        {"carrier-grade", NULL},
        {"carrier-grade-strict", "ports=block"},
        {"mobile-symmetric", NULL},
        {"linux-masquerade", NULL},
        {"linux-masquerade-drop", NULL},
        {"linux-random", NULL},
        {"sequential-symmetric", "ports=sequential"},
        {"pf-symmetric", NULL},
        {"changes-under-collision", NULL},
        {"outbound-refresh", "refresh"},
        {"eim-eif", NULL},
        {"eim-adf", NULL},
        {"eim-apdf", NULL},
        {"adm-eif", "filtering"},
        {"adm-adf", "filtering"},
        {"adm-apdf", NULL},
        {"apdm-eif", "filtering"},
        {"apdm-adf", "filtering"},
        {"apdm-apdf", NULL},
    };
    (void)state;
    assert_int_equal(sizeof rows / sizeof *rows, nat_preset_count());
    for (size_t i = 0; i < nat_preset_count(); i++) {
        const struct nat_preset *found = nat_preset_find(rows[i].name);
        assert_non_null(found);
        struct nat_config nat = nat_preset_config(found);
        struct net_router router = {.nat = found->is_nat ? &nat : NULL};
        char why[SPACE_ERROR_SIZE] = "";
        bool can = kernel_can_route(&router, why);
        assert_int_equal(can, rows[i].obstacle == NULL);
        if (!can) {
            assert_ptr_equal(strstr(why, rows[i].obstacle), why);
            continue;
        }
        if (!found->is_nat)
            continue;
        struct site site;
        struct expected expected = promised(&nat);
        make_site(&site, &router, NULL);
        expect(&site, &expected, found->name);
        end(&site.bench);
    }
}

/* Parameters one by one, on top of a preset that can be built. */
static void test_parameters(void **state)
{
    static const struct {
        const char *preset;
        const char *name;
        const char *value;
        const char *obstacle;
    } rows[] = {
        {"home", "collision", "next", "collision=next"},
        {"home", "collision", "steal", "collision=steal"},
        {"home", "collision", "refuse", NULL},
        {"home", "hairpin", "internal", "hairpin=internal"},
        {"home", "lifetime", "60s", "lifetime"},
        {"home", "idle", "1500ms", "idle"},
        {"home", "two_way_after", "3s", "two_way_after"},
        {"home", "well_known", "10s", "well_known"},
        {"home", "poison", "30s", "poison"},
        {"home", "icmp", "terminates", "icmp=terminates"},
        {"home", "icmp", "eaten", NULL},
        {"home", "refresh", "inbound", "refresh"},
        {"home", "refresh_dropped", "true", "refresh_dropped"},
        {"home", "shared_protocols", "true", "shared_protocols"},
        {"home", "quota", "8", "quota"},
        {"home", "capacity", "8", "capacity"},
        {"home", "filtering", "eif", "one_way"},
        {"linux-masquerade", "poison", "60s", "poison"},
        {"linux-masquerade-drop", "filtering", "eif", "filtering"},
        {"apdm-apdf", "scope", "endpoint", "scope=endpoint"},
        {"apdm-apdf", "session", "pin", NULL},
        {"apdm-apdf", "contiguity", "true", "contiguity"},
        {"carrier-grade", "pooling", "arbitrary", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nat_config nat = preset(rows[i].preset);
        struct net_router router = {.nat = &nat};
        char error[NAT_PARAM_ERROR_SIZE];
        char why[SPACE_ERROR_SIZE] = "";
        assert_true(nat_param_assign(&nat, rows[i].name, rows[i].value, error));
        if (kernel_can_route(&router, why) != (rows[i].obstacle == NULL) ||
            (rows[i].obstacle != NULL && strstr(why, rows[i].obstacle) != why))
            fail_msg("%s with %s=%s: \"%s\"", rows[i].preset, rows[i].name, rows[i].value, why);
    }
}

static void test_stacked(void **state)
{
    static const struct {
        const char *outer;
        const char *inner;
        struct expected expected;
    } rows[] = {
        /* The hairpin is the carrier's: its addresses are outside for the home router. */
        {"carrier-grade",
         "home",
         {.filtering = NAT_FILTERING_APDF, .hairpin = true, .collision_holds = true}},
        {"full-cone",
         "full-cone",
         {.filtering = NAT_FILTERING_EIF,
          .hairpin = true,
          .ports_kept = true,
          .collision_holds = true}},
        {"linux-random", "home", {.mapping = NAT_MAPPING_APDM, .filtering = NAT_FILTERING_APDF}},
        {"one-to-one",
         "restricted-cone",
         {.filtering = NAT_FILTERING_ADF,
          .hairpin = true,
          .ports_kept = true,
          .collision_holds = true}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct nat_config outer = preset(rows[i].outer);
        struct nat_config inner = preset(rows[i].inner);
        struct site site;
        make_site(&site, &(struct net_router){.nat = &outer, .carrier = true},
                  &(struct net_router){.nat = &inner});
        expect(&site, &rows[i].expected, rows[i].outer);
        end(&site.bench);
    }
}

/* The NAT's other family, and a symmetric answer to a taken port. */
static void test_corners(void **state)
{
    (void)state;
    static const char *const names[] = {"linux-masquerade-drop", "apdm-apdf", "one-to-one"};
    struct nat_config nat;
    struct site site;
    char why[SPACE_ERROR_SIZE];
    for (uint32_t i = 0; i < sizeof names / sizeof *names; i++) {
        nat = preset(names[i]);
        struct expected expected = promised(&nat);
        make_site(&site, &(struct net_router){.nat = &nat, .nat_v6 = true}, NULL);
        open_servers(&site, ADDR_V6);
        expect(&site, &expected, names[i]);
        end(&site.bench);
    }
    nat = preset("full-cone");
    assert_false(kernel_can_route(&(struct net_router){.nat = &nat, .nat_v6 = true}, why));
    assert_ptr_equal(strstr(why, "nat_v6"), why);

    nat = preset("home");
    nat.collision = NAT_COLLISION_REFUSE;
    make_site(&site, &(struct net_router){.nat = &nat}, NULL);
    int a = open_client(&site, site.alice, 40007);
    int b = open_client(&site, site.bob, 40007);
    struct addr server = local(site.s[0][0]);
    assert_int_equal(seen(a, site.s[0][0]).port, 40007);
    for (uint32_t i = 0; i < 2; i++) {
        struct sockaddr_storage to;
        socklen_t size = to_system(&server, &to);
        (void)sendto(b, "x", 1, 0, (struct sockaddr *)&to, size);
        assert_int_equal(receive(site.s[0][0], NEVER_MS).family, ADDR_NONE);
    }
    end(&site.bench);
}

/* ---- Firewalls ---- */

static void test_firewalls(void **state)
{
    static const struct {
        const char *name;
        bool passes;
        enum nat_filtering filtering;
    } rows[] = {
        {"stateful", true, NAT_FILTERING_APDF},      {"stateful-adf", true, NAT_FILTERING_ADF},
        {"stateful-eif", true, NAT_FILTERING_EIF},   {"udp-blocked", false, NAT_FILTERING_APDF},
        {"tcp-443-only", false, NAT_FILTERING_APDF}, {"dns-and-web", false, NAT_FILTERING_APDF},
    };
    (void)state;
    assert_int_equal(sizeof rows / sizeof *rows, firewall_preset_count());
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct firewall_preset *found = firewall_preset_find(rows[i].name);
        assert_non_null(found);
        struct net_router router = {.firewall = &found->config};
        char why[SPACE_ERROR_SIZE];
        assert_true(kernel_can_route(&router, why));
        struct site site;
        make_site(&site, &router, NULL);
        for (uint32_t f = 0; f < 2; f++) {
            if (f == 1)
                open_servers(&site, ADDR_V6);
            int file = open_client(&site, site.alice, 40001);
            struct addr own = local(file);
            struct addr server = local(site.s[0][0]);
            assert_false(reaches(site.s[0][0], &own, file, rows[i].name == NULL));
            if (rows[i].passes) {
                assert_true(same(seen(file, site.s[0][0]), own));
                assert_int_equal(find_filtering(&site, rows[i].filtering), rows[i].filtering);
            } else {
                struct sockaddr_storage to;
                socklen_t size = to_system(&server, &to);
                (void)sendto(file, "x", 1, 0, (struct sockaddr *)&to, size);
                assert_int_equal(receive(site.s[0][0], NEVER_MS).family, ADDR_NONE);
            }
        }
        end(&site.bench);
    }
}

/* Port 53 of the remote end is open where all others are not. */
static void test_firewall_ports(void **state)
{
    (void)state;
    struct site site;
    make_site(&site, &(struct net_router){.firewall = &firewall_preset_find("dns-and-web")->config},
              NULL);
    int resolver = open_at(&site.bench, site.server, ADDR_V4, 0, 53);
    int file = open_client(&site, site.alice, 40001);
    struct addr own = local(file);
    assert_true(same(seen(file, resolver), own));
    assert_true(reaches(resolver, &own, file, true));
    end(&site.bench);
}

/* ---- What they forget ---- */

static void test_flush_and_new_address(void **state)
{
    static const char *const names[] = {"full-cone", "symmetric", "linux-masquerade-drop",
                                        "one-to-one"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct nat_config nat = preset(names[i]);
        struct site site;
        make_site(&site, &(struct net_router){.nat = &nat}, NULL);
        int file = open_client(&site, site.alice, 40001);
        struct addr mapped = seen(file, site.s[0][0]);
        assert_true(reaches(site.s[0][0], &mapped, file, true));
        do_fault(&site.bench,
                 (struct net_fault){.kind = NET_FAULT_NAT_FLUSH, .place = site.router});
        /* What is static is back with the router. */
        assert_int_equal(reaches(site.s[0][0], &mapped, file, nat.one_to_one), nat.one_to_one);
        assert_true(seen(file, site.s[0][0]).family != ADDR_NONE);

        do_fault(&site.bench,
                 (struct net_fault){.kind = NET_FAULT_WAN_ADDRESS, .place = site.router});
        struct addr moved = seen(file, site.s[0][0]);
        assert_true(moved.family != ADDR_NONE && !addr_equal_ip(&moved, &mapped));
        assert_true(reaches(site.s[0][0], &moved, file, true));
        assert_int_equal(net_owner(site.bench.net, &moved), site.router);
        struct sockaddr_storage to;
        socklen_t size = to_system(&mapped, &to);
        (void)sendto(site.s[0][0], "x", 1, 0, (struct sockaddr *)&to, size);
        assert_int_equal(receive(file, NEVER_MS).family, ADDR_NONE);
        end(&site.bench);
    }
}

/* Used or not, what was mapped is forgotten after its idle time; what is in use stays. */
static void test_idle(void **state)
{
    static const char *const names[] = {"full-cone", "home"};
    (void)state;
    struct site sites[2];
    int files[2];
    struct addr mapped[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct nat_config nat = preset(names[i]);
        nat.idle_ns = IDLE_S * UINT64_C(1000000000);
        nat.one_way_ns = nat.idle_ns;
        make_site(&sites[i], &(struct net_router){.nat = &nat}, NULL);
        files[i] = open_client(&sites[i], sites[i].alice, 40001);
        mapped[i] = seen(files[i], sites[i].s[0][0]);
        assert_true(reaches(sites[i].s[0][0], &mapped[i], files[i], true));
    }
    sleep(IDLE_S + 1);
    for (uint32_t i = 0; i < 2; i++) {
        assert_false(reaches(sites[i].s[0][0], &mapped[i], files[i], false));
        assert_false(reaches(sites[i].s[1][0], &mapped[i], files[i], false));
        assert_int_equal(seen(files[i], sites[i].s[0][0]).port, 40001);
        assert_true(reaches(sites[i].s[0][0], &mapped[i], files[i], true));
        end(&sites[i].bench);
    }
}

static int run_all(void *argument)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_stacked),
        cmocka_unit_test(test_corners),
        cmocka_unit_test(test_firewalls),
        cmocka_unit_test(test_firewall_ports),
        cmocka_unit_test(test_flush_and_new_address),
        cmocka_unit_test(test_idle),
    };
    (void)argument;
    return can_build() ? cmocka_run_group_tests(tests, NULL, NULL) : 0;
}

int main(void)
{
    return run_in_sandbox(run_all);
}
