/* What `warren netcheck` asks for: a discovery over each family, and which server answers first. */
#include "daemon/netcheck.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/answer.h"
#include "daemon/daemon.h"
#include "daemon/loop.h"
#include "daemon/socket_address.h"
#include "daemon/status.h"
#include "daemon/text.h"

enum {
    TIMEOUT_S = 15, /* a discovery has ended long before that; two may not */
    /* RFC 8489, section 5. */
    STUN_HEADER_SIZE = 20,
    STUN_BINDING_REQUEST = 0x0001,
    STUN_BINDING_RESPONSE = 0x0101,
    STUN_TRANSACTION_AT = 8,
    STUN_ANSWER_MAX = 512,
};
static const uint8_t stun_cookie[4] = {0x21, 0x12, 0xa4, 0x42};

static const uint8_t families[2] = {ADDR_V4, ADDR_V6};

/* ---- Latency --------------------------------------------------------------------------------- */

static void close_sockets(struct daemon *daemon)
{
    struct netcheck *run = &daemon->netcheck;
    for (unsigned f = 0; f < 2; f++) {
        if (run->fds[f] < 0)
            continue;
        ev_io_stop(daemon->loop, &run->ios[f]);
        close(run->fds[f]);
        run->fds[f] = -1;
    }
}

static void on_answer(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    struct daemon *daemon = io->data;
    struct netcheck *run = &daemon->netcheck;
    uint8_t bytes[STUN_ANSWER_MAX];
    for (unsigned n = 0; n < NETCHECK_SERVERS_MAX; n++) {
        ssize_t size = recv(io->fd, bytes, sizeof bytes, 0);
        if (size < 0)
            return;
        if (size < STUN_HEADER_SIZE || bytes[0] != STUN_BINDING_RESPONSE >> 8 ||
            bytes[1] != (STUN_BINDING_RESPONSE & 0xff))
            continue;
        for (uint32_t i = 0; i < run->server_count; i++) {
            struct netcheck_server *server = &run->servers[i];
            uint64_t now_ns = udp_now_ns();
            if (server->rtt_ns == 0 && memcmp(bytes + STUN_TRANSACTION_AT, server->transaction,
                                              sizeof server->transaction) == 0)
                server->rtt_ns = now_ns > server->sent_ns ? now_ns - server->sent_ns : 1;
        }
    }
}

/* A request that is lost leaves its server out: the others are nearer. */
static void ask_server(struct netcheck *run, struct netcheck_server *server)
{
    uint8_t bytes[STUN_HEADER_SIZE] = {0, STUN_BINDING_REQUEST};
    memcpy(bytes + 4, stun_cookie, sizeof stun_cookie);
    if (getrandom(server->transaction, sizeof server->transaction, 0) !=
        (ssize_t)sizeof server->transaction)
        return;
    memcpy(bytes + STUN_TRANSACTION_AT, server->transaction, sizeof server->transaction);
    server->sent_ns = udp_now_ns();
    ssize_t sent = -1;
    int fd = run->fds[server->addr.family == ADDR_V4 ? 0 : 1];
    if (fd >= 0) {
        union socket_address to;
        socklen_t size = socket_address_of(&server->addr, &to);
        sent = sendto(fd, bytes, sizeof bytes, 0, &to.any, size);
    }
    (void)sent; /* a server that cannot be reached has no latency */
}

static void ask_servers(struct daemon *daemon)
{
    struct netcheck *run = &daemon->netcheck;
    for (unsigned f = 0; f < 2; f++) {
        run->fds[f] = socket(families[f] == ADDR_V4 ? AF_INET : AF_INET6,
                             SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (run->fds[f] < 0)
            continue;
        ev_io_init(&run->ios[f], on_answer, run->fds[f], EV_READ);
        run->ios[f].data = daemon;
        ev_io_start(daemon->loop, &run->ios[f]);
    }
    for (uint32_t i = 0; i < run->server_count; i++)
        ask_server(run, &run->servers[i]);
}

/* ---- Answers --------------------------------------------------------------------------------- */

static json_t *json_nearest(const struct daemon *daemon)
{
    const struct netcheck *run = &daemon->netcheck;
    const struct netcheck_server *nearest = NULL;
    for (uint32_t i = 0; i < run->server_count; i++) {
        const struct netcheck_server *server = &run->servers[i];
        if (server->rtt_ns != 0 && (nearest == NULL || server->rtt_ns < nearest->rtt_ns))
            nearest = server;
    }
    if (nearest == NULL)
        return json_null();
    uint64_t rtt_us = nearest->rtt_ns / 1000;
    char text[TEXT_ADDR_SIZE];
    return json_pack("{s:s, s:s?, s:f}", "server", text_addr(text, &nearest->addr), "name",
                     loop_server_name(daemon, &nearest->addr), "rtt_ms", (double)rtt_us / 1000.0);
}

static json_t *json_found(const struct netcheck *run, unsigned family)
{
    return run->found[family] ? status_behaviour_json(&run->behaviour[family]) : json_null();
}

static bool is_through(const struct netcheck *run, unsigned family)
{
    uint8_t nat = run->behaviour[family].nat;
    return run->found[family] && (nat == STUN_NAT_NONE || nat == STUN_NAT_PRESENT);
}

static void finish(struct daemon *daemon)
{
    struct netcheck *run = &daemon->netcheck;
    check(run->running);
    json_t *nearest = json_nearest(daemon);
    bool udp = is_through(run, 0) || is_through(run, 1) || !json_is_null(nearest);
    char text[TEXT_ADDR_SIZE];
    bool mapped = daemon->home.mapped.family != ADDR_NONE;
    json_t *answer = json_pack(
        "{s:b, s:b, s:o, s:o, s:o, s:s?, s:o}", "ok", 1, "udp", (int)udp, "ipv4",
        json_found(run, 0), "ipv6", json_found(run, 1), "home", answer_home(daemon), "mapped",
        mapped ? text_addr(text, &daemon->home.mapped) : NULL, "nearest", nearest);
    check(answer != NULL);
    ev_timer_stop(daemon->loop, &run->timer);
    close_sockets(daemon);
    run->running = false;
    uint32_t count = run->waiting_count;
    run->waiting_count = 0;
    for (uint32_t i = 0; i < count; i++)
        control_reply(&daemon->control, run->waiting[i], json_incref(answer));
    json_decref(answer);
}

static void on_timeout(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    finish(timer->data);
}

/* ---- A run ----------------------------------------------------------------------------------- */

void netcheck_found(struct daemon *daemon, const struct stun_behaviour *behaviour)
{
    struct netcheck *run = &daemon->netcheck;
    unsigned family = behaviour->server.family == ADDR_V6 ? 1 : 0;
    if (!run->running)
        return;
    /* The node's own discovery may be the answer too, when it was under way. */
    run->found[family] = true;
    run->behaviour[family] = *behaviour;
    run->again = family != run->family;
}

static void discover(struct daemon *daemon, unsigned family)
{
    struct netcheck *run = &daemon->netcheck;
    check(run->discover[family].count > 0);
    run->again = false;
    udp_feed(&daemon->udp,
             &(struct node_in){.kind = NODE_IN_DISCOVER, .discover = run->discover[family]});
}

void netcheck_step(struct daemon *daemon)
{
    struct netcheck *run = &daemon->netcheck;
    while (run->running && run->family < 2) {
        unsigned family = run->family;
        bool under_way = run->discover[family].count > 0 && !run->found[family];
        if (under_way && run->again)
            discover(daemon, family);
        if (under_way)
            return;
        run->family++;
        if (run->family < 2 && run->discover[run->family].count > 0 && !run->found[run->family])
            discover(daemon, run->family);
    }
    if (run->running)
        finish(daemon);
}

/* Addresses of STUN servers, one of each family for each server that we have a card of. */
static void find_servers(struct daemon *daemon)
{
    struct netcheck *run = &daemon->netcheck;
    for (uint32_t i = 0; i < daemon->config.server_count; i++) {
        const struct server_record *record = &daemon->papers.cards[i].card.record;
        for (unsigned f = 0; f < 2; f++) {
            struct addr addr = server_record_endpoint(record, ENDPOINT_STUN, families[f]);
            struct node_in_discover *discover = &run->discover[f];
            if (addr.family == ADDR_NONE)
                continue;
            if (discover->count < NODE_DISCOVER_SERVERS)
                discover->servers[discover->count++] = addr;
            if (run->server_count < NETCHECK_SERVERS_MAX)
                run->servers[run->server_count++] = (struct netcheck_server){.addr = addr};
        }
    }
    /* Without an address of a family there is nothing to find out over it. */
    for (unsigned f = 0; f < 2 && !daemon->config.server; f++) {
        bool there = false;
        for (uint32_t i = 0; i < daemon->network.count; i++)
            there = there || daemon->network.addresses[i].family == families[f];
        if (!there)
            run->discover[f].count = 0;
    }
}

void netcheck_begin(struct daemon *daemon, struct control_ticket ticket)
{
    struct netcheck *run = &daemon->netcheck;
    if (run->waiting_count == NETCHECK_WAITING_MAX) {
        control_refuse(&daemon->control, ticket, "too many wait for a check already: try again");
        return;
    }
    if (daemon->config.server_count == 0) {
        control_refuse(&daemon->control, ticket,
                       "there is no server to ask: the configuration has no [server \"NAME\"]");
        return;
    }
    run->waiting[run->waiting_count++] = ticket;
    if (run->running)
        return;
    run->running = true;
    run->family = 0;
    run->server_count = 0;
    for (unsigned f = 0; f < 2; f++) {
        run->found[f] = false;
        run->discover[f].count = 0;
    }
    find_servers(daemon);
    ask_servers(daemon);
    ev_timer_again(daemon->loop, &run->timer);
    if (run->discover[0].count > 0)
        discover(daemon, 0);
    /* It goes on by netcheck_step(), which never runs within an answer. */
}

void netcheck_init(struct daemon *daemon)
{
    struct netcheck *run = &daemon->netcheck;
    run->fds[0] = -1;
    run->fds[1] = -1;
    ev_init(&run->timer, on_timeout);
    run->timer.repeat = TIMEOUT_S;
    run->timer.data = daemon;
}
