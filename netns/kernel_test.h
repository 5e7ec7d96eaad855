/*
 * What the tests of netns/kernel.h share: worlds of a few places, and datagrams between them by
 * real sockets. Without namespaces, nft or ip there is nothing to see, and they say so.
 */
#ifndef WARREN_NETNS_KERNEL_TEST_H
#define WARREN_NETNS_KERNEL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netns/kernel.h"
#include "sim/nat_preset.h"

enum {
    SOON_MS = 3000, /* for what has to come; it comes at once */
    NEVER_MS = 25,  /* for what must not come */
    PLACES_MAX = 8,
    SOCKETS_MAX = 64,
};

/* ---- A world ---- */

struct bench {
    struct net *net;
    struct kernel *kernel;
    struct kernel_interface interfaces[PLACES_MAX];
    struct net_router routers[PLACES_MAX];
    uint32_t router_places[PLACES_MAX];
    uint32_t interface_count;
    uint32_t router_count;
    int sockets[SOCKETS_MAX];
    uint32_t socket_count;
};

static inline void begin(struct bench *b)
{
    struct net_config config = {.events_max = 0};
    memset(b, 0, sizeof *b);
    net_seed(config.seed, 1);
    b->net = net_new(&config);
}

static inline void linked(struct bench *b, uint32_t place, uint32_t interface,
                          struct link_config up, struct link_config down)
{
    assert_true(b->interface_count < PLACES_MAX);
    b->interfaces[b->interface_count++] =
        (struct kernel_interface){.place = place, .interface = interface, .up = up, .down = down};
}

static inline uint32_t add_router(struct bench *b, const char *name,
                                  const struct net_router *router)
{
    uint32_t place = net_add_router(b->net, name, router);
    b->routers[b->router_count] = *router;
    b->router_places[b->router_count++] = place;
    linked(b, place, 0, router->up, router->down);
    return place;
}

static inline uint32_t add_host(struct bench *b, const char *name, const struct net_host *host)
{
    uint32_t place = net_add_host(b->net, name, host);
    linked(b, place, 0, host->up, host->down);
    return place;
}

static inline void build(struct bench *b)
{
    char error[SPACE_ERROR_SIZE] = "";
    b->kernel = kernel_new(b->net);
    for (uint32_t i = 0; i < b->router_count; i++)
        kernel_router(b->kernel, b->router_places[i], &b->routers[i]);
    for (uint32_t i = 0; i < b->interface_count; i++)
        kernel_interface(b->kernel, &b->interfaces[i]);
    if (!kernel_build(b->kernel, error))
        fail_msg("%s", error);
}

static inline void end(struct bench *b)
{
    for (uint32_t i = 0; i < b->socket_count; i++)
        close(b->sockets[i]);
    kernel_free(b->kernel);
    net_free(b->net);
}

/* ---- Datagrams ---- */

static inline socklen_t to_system(const struct addr *addr, struct sockaddr_storage *to)
{
    memset(to, 0, sizeof *to);
    if (addr->family == ADDR_V4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)to;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(addr->port);
        memcpy(&v4->sin_addr, addr->ip, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)to;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(addr->port);
    memcpy(&v6->sin6_addr, addr->ip, 16);
    return sizeof *v6;
}

static inline struct addr from_system(const struct sockaddr_storage *from)
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
    if (from->ss_family == AF_INET)
        return addr_v4(ntohl(v4->sin_addr.s_addr), ntohs(v4->sin_port));
    return addr_v6(v6->sin6_addr.s6_addr, ntohs(v6->sin6_port));
}

/* A socket at the index-th address of a place. */
static inline int open_at(struct bench *b, uint32_t place, uint8_t family, uint32_t index,
                          uint16_t port)
{
    char error[SPACE_ERROR_SIZE] = "";
    struct sockaddr_storage own;
    struct addr addr = addr_with_port(net_address(b->net, place, family, index), port);
    assert_true(b->socket_count < SOCKETS_MAX);
    int file = space_socket(kernel_host(b->kernel, place), family == ADDR_V4 ? AF_INET : AF_INET6,
                            SOCK_DGRAM, 0, error);
    if (file < 0)
        fail_msg("%s", error);
    b->sockets[b->socket_count++] = file;
    socklen_t size = to_system(&addr, &own);
    assert_int_equal(bind(file, (struct sockaddr *)&own, size), 0);
    return file;
}

static inline void send_to(int file, const struct addr *to)
{
    struct sockaddr_storage remote;
    socklen_t size = to_system(to, &remote);
    /* An error that an earlier datagram brought back is not this one's. */
    for (uint32_t i = 0; i < 3; i++)
        if (sendto(file, "x", 1, 0, (struct sockaddr *)&remote, size) == 1)
            return;
    fail_msg("a datagram was not taken");
}

/* Where a datagram comes from; ADDR_NONE when none comes. */
static inline struct addr receive(int file, int wait_ms)
{
    struct sockaddr_storage from;
    char bytes[16];
    struct pollfd poll_of = {.fd = file, .events = POLLIN};
    while (poll(&poll_of, 1, wait_ms) == 1) {
        socklen_t size = sizeof from;
        if (recvfrom(file, bytes, sizeof bytes, 0, (struct sockaddr *)&from, &size) >= 0)
            return from_system(&from);
    }
    return (struct addr){.family = ADDR_NONE};
}

static inline struct addr local(int file)
{
    struct sockaddr_storage own;
    socklen_t size = sizeof own;
    assert_int_equal(getsockname(file, (struct sockaddr *)&own, &size), 0);
    return from_system(&own);
}

/* The source that `to` sees of what `file` sends it. */
static inline struct addr seen(int file, int to)
{
    struct addr there = local(to);
    send_to(file, &there);
    return receive(to, SOON_MS);
}

/* Whether what `from` sends to the address gets to `file`. */
static inline bool reaches(int from, const struct addr *mapped, int file, bool expected)
{
    send_to(from, mapped);
    return receive(file, expected ? SOON_MS : NEVER_MS).family != ADDR_NONE;
}

static inline bool same(struct addr a, struct addr b)
{
    return a.family != ADDR_NONE && addr_equal(&a, &b);
}

/* ---- Sites ---- */

/* A server with two addresses, and two clients behind a router, or behind one behind another. */
struct site {
    struct bench bench;
    uint32_t server;
    uint32_t router;
    uint32_t alice;
    uint32_t bob;
    uint8_t family;
    int s[2][2]; /* by address and port */
};

static inline void open_servers(struct site *site, uint8_t family)
{
    site->family = family;
    for (uint32_t a = 0; a < 2; a++)
        for (uint32_t p = 0; p < 2; p++)
            site->s[a][p] = open_at(&site->bench, site->server, family, a, (uint16_t)(3478 + p));
}

static inline void make_site(struct site *site, const struct net_router *outer,
                             const struct net_router *inner)
{
    begin(&site->bench);
    site->server = add_host(&site->bench, "server", &(struct net_host){.addresses = 2});
    site->router = add_router(&site->bench, "outer", outer);
    if (inner != NULL) {
        struct net_router behind = *inner;
        behind.behind = site->router;
        site->router = add_router(&site->bench, "inner", &behind);
    }
    const struct net_host client = {.behind = site->router};
    site->alice = add_host(&site->bench, "alice", &client);
    site->bob = add_host(&site->bench, "bob", &client);
    build(&site->bench);
    open_servers(site, ADDR_V4);
}

static inline int open_client(struct site *site, uint32_t place, uint16_t port)
{
    return open_at(&site->bench, place, site->family, 0, port);
}

static inline struct nat_config preset(const char *name)
{
    const struct nat_preset *found = nat_preset_find(name);
    assert_non_null(found);
    return nat_preset_config(found);
}

/* As a caller has to: the world first, then what is built. */
static inline void do_fault(struct bench *b, struct net_fault fault)
{
    char error[SPACE_ERROR_SIZE] = "";
    assert_true(kernel_can_fault(&fault, error));
    net_schedule_fault(b->net, net_now(b->net), &fault);
    net_run_until(b->net, net_now(b->net));
    if (!kernel_fault(b->kernel, &fault, error))
        fail_msg("%s", error);
}

/* ---- The sandbox ---- */

/* Runs a file's tests in a sandbox of their own, or says why not; the exit status. */
static inline int run_in_sandbox(space_main *tests)
{
    char error[SPACE_ERROR_SIZE];
    int status;
    pid_t sandbox = space_sandbox(tests, NULL, error);
    if (sandbox < 0) {
        printf("SKIP: %s\n", error);
        return 0;
    }
    if (waitpid(sandbox, &status, 0) != sandbox || !WIFEXITED(status))
        return 1;
    return WEXITSTATUS(status);
}

/* Whether the tools are there, and what they need; in the sandbox. */
static inline bool can_build(void)
{
    static const char *const nft[] = {"nft", "list", "ruleset", NULL};
    static const char *const ip[] = {"ip", "link", NULL};
    char error[SPACE_ERROR_SIZE];
    int host = space_host(error);
    if (host >= 0 && space_run(host, nft, NULL, error) && space_run(host, ip, NULL, error)) {
        close(host);
        return true;
    }
    printf("SKIP: Linux's network cannot be built: %s\n", error);
    return false;
}

#endif
