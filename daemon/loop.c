/* The daemon's event loop. */
#include "daemon/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "core/base/check.h"
#include "daemon/answer.h"
#include "daemon/log.h"
#include "daemon/start.h"
#include "daemon/status.h"

#define SECOND_NS UINT64_C(1000000000)

enum {
    CLOCK_PERIOD_S = 600, /* the wall clock is told this often, and when it jumps */
    TUN_BATCH = 32,       /* packets or super-packets of the interface before others have a turn */
    TUN_RETRY_S = 5,
};

static const int watched_signals[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGQUIT};

/* ---- Names ----------------------------------------------------------------------------------- */

const char *loop_peer_name(const struct daemon *daemon,
                           const uint8_t identity[static IDENTITY_SIZE], const uint8_t *key)
{
    bool stock = sodium_is_zero(identity, IDENTITY_SIZE);
    for (uint32_t i = 0; i < daemon->config.peer_count; i++) {
        const struct config_peer *peer = &daemon->config.peers[i];
        const uint8_t *theirs = stock ? peer->in.key : peer->in.peer;
        const uint8_t *wanted = stock ? key : identity;
        bool same_kind = sodium_is_zero(peer->in.peer, IDENTITY_SIZE) == stock;
        if (same_kind && wanted != NULL && memcmp(theirs, wanted, IDENTITY_SIZE) == 0)
            return peer->name;
    }
    return NULL;
}

const char *loop_server_name(const struct daemon *daemon, const struct addr *addr)
{
    for (uint32_t i = 0; daemon->papers.cards != NULL && i < daemon->config.server_count; i++) {
        const struct server_record *record = &daemon->papers.cards[i].card.record;
        for (unsigned j = 0; j < record->endpoint_count; j++) {
            if (addr_equal(&record->endpoints[j].addr, addr))
                return daemon->config.servers[i].name;
        }
    }
    return NULL;
}

/* ---- Outputs of the node --------------------------------------------------------------------- */

static void take_home(struct daemon *daemon, const struct node_out_home *home)
{
    daemon->home = *home;
    if (home->server.family == ADDR_NONE)
        log_event(LOG_LEVEL_WARN, "home-lost", LOG_END);
    else
        log_event(LOG_LEVEL_INFO, "home", log_text("name", loop_server_name(daemon, &home->server)),
                  log_addr("server", &home->server), log_addr("mapped", &home->mapped));
}

static const char *path_word(uint8_t path)
{
    static const char *const words[] = {"pending", "relayed", "direct", "unreachable"};
    check(path < sizeof words / sizeof words[0]);
    return words[path];
}

static void take_path(const struct daemon *daemon, const struct node_out_path *path)
{
    const char *reason = reason_name((enum reason)path->reason);
    log_event(LOG_LEVEL_INFO, "path", log_text("peer", loop_peer_name(daemon, path->peer, NULL)),
              log_public_key("identity", path->peer), log_text("path", path_word(path->path)),
              log_text("reason", reason[0] != 0 ? reason : NULL),
              log_addr("endpoint", &path->remote),
              log_number("rtt_us", (int64_t)(path->rtt_ns / 1000)));
}

/* A member of a JSON object whose value is a word. */
static struct log_field log_word(json_t *object, const char *name)
{
    return log_text(name, json_string_value(json_object_get(object, name)));
}

static void take_behaviour(struct daemon *daemon, const struct stun_behaviour *behaviour)
{
    daemon->behaviour = *behaviour;
    daemon->behaviour_known = true;
    json_t *said = status_behaviour_json(behaviour);
    log_event(LOG_LEVEL_INFO, "discovered", log_word(said, "nat"), log_word(said, "mapping"),
              log_word(said, "filtering"), log_addr("mapped", &behaviour->mapped),
              log_word(said, "hairpin"), log_word(said, "ports"),
              log_number("step", behaviour->step), log_word(said, "pooling"),
              log_word(said, "trap"), log_addr("server", &behaviour->server),
              log_addr("local", &behaviour->local));
    json_decref(said);
    netcheck_found(daemon, behaviour);
}

/* The interface is gone: nothing more is read from it, and it is tried again from time to time. */
static void tun_died(struct daemon *daemon)
{
    log_event(LOG_LEVEL_ERROR, "interface-gone", log_text("interface", daemon->tun.name),
              log_text("error", strerror(daemon->tun.error)));
    daemon->tun_deaths++;
    if (ev_is_active(&daemon->tun_io))
        ev_io_stop(daemon->loop, &daemon->tun_io);
    ev_idle_stop(daemon->loop, &daemon->tun_idle);
    if (!daemon->dropped)
        ev_timer_again(daemon->loop, &daemon->tun_timer);
    else
        log_event(LOG_LEVEL_ERROR, "interface-gone",
                  log_text("advice", "rights are given up, so warrend must be started anew"));
}

static void take_packet(struct daemon *daemon, const struct node_out_packet *packet)
{
    if (daemon->tun.fd < 0 || daemon->tun.dead)
        return;
    if (tun_write(&daemon->tun, packet) == TUN_DEAD)
        tun_died(daemon);
}

void loop_output(void *host, const struct node_out *out)
{
    struct daemon *daemon = host;
    switch (out->kind) {
    case NODE_OUT_SEND:
    case NODE_OUT_OPEN:
    case NODE_OUT_CLOSE:
        udp_output(&daemon->udp, out);
        break;
    case NODE_OUT_PACKET:
        take_packet(daemon, &out->packet);
        break;
    case NODE_OUT_BEHAVIOUR:
        take_behaviour(daemon, &out->behaviour);
        break;
    case NODE_OUT_HOME:
        take_home(daemon, &out->home);
        break;
    case NODE_OUT_PATH:
        take_path(daemon, &out->path);
        break;
    case NODE_OUT_DELIVER:
        break; /* an opaque datagram, which no part of the daemon has sent */
    }
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static void on_socket(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    struct daemon *daemon = io->data;
    struct udp_endpoint *endpoint = &daemon->udp.endpoints[io - daemon->sockets];
    check(endpoint->fd == io->fd);
    udp_read(&daemon->udp, endpoint);
}

void loop_socket_changed(void *host, struct udp_endpoint *endpoint, bool opened)
{
    struct daemon *daemon = host;
    ev_io *io = &daemon->sockets[endpoint - daemon->udp.endpoints];
    if (!opened) {
        ev_io_stop(daemon->loop, io);
        return;
    }
    check(!ev_is_active(io));
    ev_io_init(io, on_socket, endpoint->fd, EV_READ);
    io->data = daemon;
    ev_io_start(daemon->loop, io);
}

/*
 * Packets from the interface, but no more than others can wait for. What is then read already, and
 * of which the descriptor says nothing, has its turn when nobody else wants one.
 */
static void read_tun(struct daemon *daemon)
{
    struct node_in in = {.kind = NODE_IN_PACKET};
    enum tun_status status = TUN_OK;
    for (unsigned n = 0; n < TUN_BATCH && status == TUN_OK; n++) {
        status = tun_read(&daemon->tun, &in.packet);
        if (status != TUN_OK)
            break;
        udp_feed(&daemon->udp, &in);
        if (daemon->tun.dead)
            return; /* it died as it was written to */
    }
    if (status == TUN_DEAD)
        tun_died(daemon);
    else if (tun_waiting(&daemon->tun))
        ev_idle_start(daemon->loop, &daemon->tun_idle);
    else
        ev_idle_stop(daemon->loop, &daemon->tun_idle);
}

static void on_tun(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    read_tun(io->data);
}

static void on_tun_idle(struct ev_loop *loop, ev_idle *idle, int events)
{
    (void)loop, (void)events;
    read_tun(idle->data);
}

static void watch_tun(struct daemon *daemon)
{
    if (daemon->tun.fd < 0)
        return;
    ev_io_init(&daemon->tun_io, on_tun, daemon->tun.fd, EV_READ);
    daemon->tun_io.data = daemon;
    ev_io_start(daemon->loop, &daemon->tun_io);
}

/* Only who still has the right to make interfaces can do this. */
static void on_tun_retry(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)events;
    struct daemon *daemon = timer->data;
    struct start_error error = {.text = ""};
    tun_close(&daemon->tun);
    if (!start_interface(daemon, &error)) {
        log_event(LOG_LEVEL_ERROR, "interface-gone", log_text("error", error.text));
        tun_close(&daemon->tun);
        return;
    }
    ev_timer_stop(loop, timer);
    log_event(LOG_LEVEL_INFO, "interface-back", log_text("interface", daemon->tun.name));
    start_routes(daemon);
    watch_tun(daemon);
}

static void on_netlink(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    struct daemon *daemon = io->data;
    if (netlink_changed(&daemon->netlink))
        start_tell_network(daemon, false);
}

/* ---- Time ------------------------------------------------------------------------------------ */

static void drain_timer(int fd, int *error)
{
    uint64_t expirations;
    *error = read(fd, &expirations, sizeof expirations) < 0 ? errno : 0;
}

static void arm_clock(struct daemon *daemon)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    now.tv_sec += CLOCK_PERIOD_S;
    struct itimerspec at = {.it_value = now};
    int failed =
        timerfd_settime(daemon->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &at, NULL);
    check(failed == 0);
}

static void on_clock(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    struct daemon *daemon = io->data;
    int error;
    drain_timer(daemon->clock_fd, &error);
    if (error == EAGAIN)
        return;
    if (error == ECANCELED)
        log_event(LOG_LEVEL_INFO, "clock-set", LOG_END);
    arm_clock(daemon);
    start_tell_clock(daemon);
}

static void on_deadline(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    struct daemon *daemon = io->data;
    int error;
    drain_timer(daemon->deadline_fd, &error);
    if (error == EAGAIN)
        return;
    daemon->armed_ns = NODE_NEVER;
    if (node_deadline(daemon->drive.node) <= udp_now_ns())
        udp_feed(&daemon->udp, &(struct node_in){.kind = NODE_IN_DEADLINE});
}

/*
 * Before each wait. A timer that fires too early costs less than arming it anew at every packet, so
 * it is armed only when it would fire too late.
 */
static void on_prepare(struct ev_loop *loop, ev_prepare *prepare, int events)
{
    (void)loop, (void)events;
    struct daemon *daemon = prepare->data;
    netcheck_step(daemon);
    uint64_t deadline_ns = node_deadline(daemon->drive.node);
    if (deadline_ns >= daemon->armed_ns)
        return;
    struct itimerspec at = {.it_value = {.tv_sec = (time_t)(deadline_ns / SECOND_NS),
                                         .tv_nsec = (long)(deadline_ns % SECOND_NS)}};
    if (deadline_ns == 0)
        at.it_value.tv_nsec = 1; /* zero would disarm it */
    int failed = timerfd_settime(daemon->deadline_fd, TFD_TIMER_ABSTIME, &at, NULL);
    check(failed == 0);
    daemon->armed_ns = deadline_ns;
}

/* ---- Signals --------------------------------------------------------------------------------- */

static const struct config_peer *find_peer(const struct config *config,
                                           const struct config_peer *like)
{
    for (uint32_t i = 0; i < config->peer_count; i++) {
        const struct node_in_peer *in = &config->peers[i].in;
        bool stock = sodium_is_zero(like->in.peer, IDENTITY_SIZE);
        if (memcmp(in->peer, like->in.peer, IDENTITY_SIZE) == 0 &&
            (!stock || memcmp(in->key, like->in.key, sizeof in->key) == 0))
            return &config->peers[i];
    }
    return NULL;
}

/* Peers are taken from the file again; for anything else the daemon is to be started anew. */
static void read_config_again(struct daemon *daemon)
{
    static struct config_errors errors;
    struct config fresh;
    if (!config_load(&fresh, daemon->config_path, &errors)) {
        for (uint32_t i = 0; i < errors.count && i < CONFIG_ERRORS_MAX; i++)
            log_event(LOG_LEVEL_ERROR, "config", log_text("file", errors.file),
                      log_number("line", errors.list[i].line),
                      log_text("error", errors.list[i].text));
        return;
    }
    struct start_error error = {.text = ""};
    for (uint32_t i = 0; i < daemon->config.peer_count; i++) {
        if (find_peer(&fresh, &daemon->config.peers[i]) == NULL)
            start_tell_peer(daemon, &daemon->config.peers[i], true, &error);
    }
    for (uint32_t i = 0; i < fresh.peer_count; i++) {
        if (!start_tell_peer(daemon, &fresh.peers[i], false, &error))
            log_event(LOG_LEVEL_ERROR, "config", log_text("error", error.text));
    }
    struct config_peer *peers = daemon->config.peers;
    uint32_t peer_count = daemon->config.peer_count;
    daemon->config.peers = fresh.peers;
    daemon->config.peer_count = fresh.peer_count;
    fresh.peers = peers;
    fresh.peer_count = peer_count;
    config_free(&fresh);
    start_routes(daemon);
    log_event(LOG_LEVEL_INFO, "config-read", log_number("peers", daemon->config.peer_count));
}

static void log_peer(const struct daemon *daemon, const struct node_peer *peer)
{
    const char *reason = reason_name((enum reason)peer->reason);
    log_event(LOG_LEVEL_INFO, "status-peer",
              log_text("peer", loop_peer_name(daemon, peer->peer, peer->key)),
              log_public_key("key", peer->key), log_text("path", path_word(peer->path)),
              log_text("reason", reason[0] != 0 ? reason : NULL),
              log_addr("endpoint", &peer->remote),
              log_number("rtt_us", (int64_t)(peer->rtt_ns / 1000)),
              log_number("sent_direct", (int64_t)peer->sent_direct),
              log_number("sent_relayed", (int64_t)peer->sent_relayed),
              log_number("received_direct", (int64_t)peer->received_direct),
              log_number("received_relayed", (int64_t)peer->received_relayed));
}

/* A line for each peer, and for each counter that is not zero. */
static void log_status(struct daemon *daemon)
{
    struct node_peer peer;
    uint32_t cursor = 0;
    int64_t peers = 0;
    for (; node_peers(daemon->drive.node, &cursor, &peer); peers++)
        log_peer(daemon, &peer);
    json_t *status = answer_status(daemon);
    const char *part;
    json_t *counts;
    json_object_foreach(json_object_get(status, "counters"), part, counts)
    {
        const char *name;
        json_t *count;
        json_object_foreach(counts, name, count)
        {
            if (json_integer_value(count) != 0)
                log_event(LOG_LEVEL_INFO, "status-count", log_text("part", part),
                          log_text("name", name), log_number("count", json_integer_value(count)));
        }
    }
    json_decref(status);
    log_event(LOG_LEVEL_INFO, "status", log_number("peers", peers),
              log_addr("home", &daemon->home.server), log_addr("mapped", &daemon->home.mapped));
}

static void on_signal(struct ev_loop *loop, ev_signal *watcher, int events)
{
    (void)events;
    struct daemon *daemon = watcher->data;
    switch (watcher->signum) {
    case SIGHUP:
        if (!log_reopen())
            log_event(LOG_LEVEL_ERROR, "log-reopen", log_text("error", strerror(errno)));
        read_config_again(daemon);
        break;
    case SIGUSR1:
        log_status(daemon);
        break;
    case SIGQUIT:
        if (daemon->ring.fd >= 0)
            log_event(LOG_LEVEL_INFO, "ring-tape",
                      log_text("written", ring_write(&daemon->ring) ? "yes" : strerror(errno)));
        break;
    default:
        log_event(LOG_LEVEL_INFO, "ending", log_number("signal", watcher->signum));
        ev_break(loop, EVBREAK_ALL);
        break;
    }
}

/* ---- The loop -------------------------------------------------------------------------------- */

static void watch(struct daemon *daemon, ev_io *io, int fd,
                  void (*call)(struct ev_loop *, ev_io *, int))
{
    ev_io_init(io, call, fd, EV_READ);
    io->data = daemon;
    ev_io_start(daemon->loop, io);
}

bool loop_init(struct daemon *daemon)
{
    _Static_assert(sizeof watched_signals / sizeof watched_signals[0] ==
                       sizeof daemon->signals / sizeof daemon->signals[0],
                   "a watcher for each");
    daemon->armed_ns = NODE_NEVER;
    daemon->loop = ev_default_loop(EVFLAG_AUTO | EVFLAG_NOENV);
    daemon->deadline_fd = timerfd_create(CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    daemon->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
    if (daemon->loop == NULL || daemon->deadline_fd < 0 || daemon->clock_fd < 0)
        return false;
    for (unsigned i = 0; i < sizeof watched_signals / sizeof watched_signals[0]; i++) {
        ev_signal_init(&daemon->signals[i], on_signal, watched_signals[i]);
        daemon->signals[i].data = daemon;
        ev_signal_start(daemon->loop, &daemon->signals[i]);
    }
    watch(daemon, &daemon->deadline_io, daemon->deadline_fd, on_deadline);
    watch(daemon, &daemon->clock_io, daemon->clock_fd, on_clock);
    arm_clock(daemon);
    ev_prepare_init(&daemon->prepare, on_prepare);
    ev_idle_init(&daemon->tun_idle, on_tun_idle);
    daemon->tun_idle.data = daemon;
    daemon->prepare.data = daemon;
    ev_init(&daemon->tun_timer, on_tun_retry);
    daemon->tun_timer.repeat = TUN_RETRY_S;
    daemon->tun_timer.data = daemon;
    return true;
}

void loop_run(struct daemon *daemon)
{
    ev_prepare_start(daemon->loop, &daemon->prepare);
    if (daemon->netlink.watch_fd >= 0)
        watch(daemon, &daemon->netlink_io, daemon->netlink.watch_fd, on_netlink);
    watch_tun(daemon);
    ev_run(daemon->loop, 0);
}

void loop_close(struct daemon *daemon)
{
    udp_close(&daemon->udp);
    control_close(&daemon->control);
    tun_close(&daemon->tun);
    netlink_close(&daemon->netlink);
    close(daemon->deadline_fd);
    close(daemon->clock_fd);
    ev_loop_destroy(daemon->loop);
}
