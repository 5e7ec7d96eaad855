/*
 * Linux's own network in place of the simulated one: the world gives names, addresses and the
 * timeline, netns/kernel.h makes the rest, and packet sockets at the interfaces show what passes.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/clock.h"
#include "daemon/text.h"
#include "netns/kernel.h"
#include "scenarios/runner/on_real.h"
#include "sim/pcap.h"
#include "sim/wire.h"

enum {
    PACKET_SIZE = 65536,
    BUFFER_SIZE = 4 << 20, /* of a socket: what passes while this process has no processor */
    ASIDE_SIZE = 256,      /* of what recvmsg() says beside a packet */
    HELD_ROOM = 256,       /* at first */
};

/* A packet has its time a little before it is in its socket. */
#define HOLD_NS UINT64_C(1000000)
#define HOLD_S 0.002

/* An interface that is watched. */
struct watch {
    struct real *real;
    uint32_t place; /* of the world */
    uint32_t interface;
    bool router;
    int file;
    ev_io io;
    struct pcap_file *capture; /* NULL: none */
};

/* A packet that has passed, until everything before it has been read, too. */
struct held {
    uint64_t at_ns; /* of the kernel's wall clock, by which it stamps packets */
    const struct watch *watch;
    bool leaves;
    struct packet packet;
};

/* Datagrams of a server with one address, as they were seen. */
struct tally {
    uint32_t place; /* of the world */
    struct addr remote;
    uint64_t sent;
    uint64_t received;
};

struct linux_state {
    struct kernel *kernel;
    struct watch *watches;
    uint32_t watch_count;
    struct packet_pool pool;
    struct held *held; /* in order of time */
    uint32_t held_count;
    uint32_t held_room;
    ev_timer timer; /* while some are held */
    struct tally *tallies;
    uint32_t tally_count;
    uint8_t bytes[PACKET_SIZE];
};

/* ---- What passes ---- */

/* The relay's packets are counted once more, by rules of the kernel's that know of no daemon. */
static void count(struct linux_state *state, const struct stage *stage, const struct held *held)
{
    const struct packet *packet = &held->packet;
    uint32_t place = stage->clients[held->watch->place];
    if (place == PLAN_INTERNET || stage->scenario->places[place].kind != PLAN_SERVER ||
        packet->protocol != PACKET_UDP)
        return;
    struct addr remote = addr_with_port(held->leaves ? packet->destination : packet->source, 0);
    uint32_t at = 0;
    while (at < state->tally_count && (state->tallies[at].place != held->watch->place ||
                                       !addr_equal(&state->tallies[at].remote, &remote)))
        at++;
    if (at == state->tally_count) {
        state->tallies = realloc(state->tallies, (at + 1) * sizeof *state->tallies);
        check(state->tallies != NULL);
        state->tallies[at] = (struct tally){.place = held->watch->place, .remote = remote};
        state->tally_count++;
    }
    state->tallies[at].sent += held->leaves ? 1 : 0;
    state->tallies[at].received += held->leaves ? 0 : 1;
}

/* Shown as the simulated network would show it; of what a router does not pass on inwards only its
   coming is seen. */
static void show(struct real *real, const struct watch *watch, const struct packet *packet,
                 bool leaves)
{
    struct net_event event = {.now_ns = net_now(real->stage.net),
                              .place = watch->place,
                              .link = net_link(real->stage.net, watch->place, watch->interface),
                              .packet = packet};
    if (watch->router)
        event.kind = leaves ? NET_FORWARDED : NET_DROPPED;
    else
        event.kind = leaves ? NET_SENT : NET_DELIVERED;
    if (packet->protocol != PACKET_UDP && event.kind == NET_DELIVERED)
        return;
    stage_see(&real->stage, &event);
}

/* Behind all that are not later. */
static void hold(struct linux_state *state, const struct held *held)
{
    if (state->held_count == state->held_room) {
        state->held_room = state->held_room == 0 ? HELD_ROOM : 2 * state->held_room;
        state->held = realloc(state->held, state->held_room * sizeof *state->held);
        check(state->held != NULL);
    }
    uint32_t at = state->held_count++;
    for (; at > 0 && state->held[at - 1].at_ns > held->at_ns; at--)
        state->held[at] = state->held[at - 1];
    state->held[at] = *held;
}

/* The kernel's time of a packet; 0: it gave none. */
static uint64_t stamp_of(struct msghdr *message)
{
    struct timespec stamp = {.tv_sec = 0};
    for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part != NULL;
         part = CMSG_NXTHDR(message, part))
        if (part->cmsg_level == SOL_SOCKET && part->cmsg_type == SCM_TIMESTAMPNS)
            memcpy(&stamp, CMSG_DATA(part), sizeof stamp);
    return (uint64_t)stamp.tv_sec * 1000000000 + (uint64_t)stamp.tv_nsec;
}

/* Everything that has come to a socket. */
static void drain(struct linux_state *state, const struct watch *watch)
{
    for (;;) {
        struct sockaddr_ll from = {.sll_pkttype = PACKET_HOST};
        uint8_t aside[ASIDE_SIZE];
        struct iovec all = {.iov_base = state->bytes, .iov_len = sizeof state->bytes};
        struct msghdr message = {.msg_name = &from,
                                 .msg_namelen = sizeof from,
                                 .msg_iov = &all,
                                 .msg_iovlen = 1,
                                 .msg_control = aside,
                                 .msg_controllen = sizeof aside};
        struct held held = {.watch = watch};
        ssize_t size = recvmsg(watch->file, &message, 0);
        if (size < 0)
            return;
        if (!wire_read(&state->pool, &held.packet, state->bytes, (size_t)size))
            continue;
        held.at_ns = stamp_of(&message);
        held.leaves = from.sll_pkttype == PACKET_OUTGOING;
        hold(state, &held);
    }
}

/*
 * A server's socket may be read before that of the client whose packet it got. So packets are shown
 * in the order of their times, and only those before a time from which on every socket has been
 * read.
 */
static void release(struct real *real, uint64_t until_ns)
{
    struct linux_state *state = real->state;
    uint32_t shown = 0;
    for (uint32_t i = 0; i < state->watch_count; i++)
        drain(state, &state->watches[i]);
    for (; shown < state->held_count && state->held[shown].at_ns <= until_ns; shown++) {
        struct held *held = &state->held[shown];
        if (held->watch->capture != NULL)
            pcap_file_write(held->watch->capture, net_now(real->stage.net), &held->packet);
        count(state, &real->stage, held);
        show(real, held->watch, &held->packet, held->leaves);
        packet_drop(&state->pool, &held->packet);
    }
    state->held_count -= shown;
    if (shown > 0)
        memmove(state->held, state->held + shown, state->held_count * sizeof *state->held);
    if (state->held_count > 0 && !ev_is_active(&state->timer)) {
        ev_timer_set(&state->timer, HOLD_S, 0);
        ev_timer_start(real->loop, &state->timer);
    }
}

static void on_packet(struct ev_loop *loop, ev_io *watcher, int events)
{
    const struct watch *watch = watcher->data;
    (void)loop;
    (void)events;
    real_catch_up(watch->real);
    release(watch->real, clock_wall_ns() - HOLD_NS);
}

static void on_time(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    real_catch_up(timer->data);
    release(timer->data, clock_wall_ns() - HOLD_NS);
}

/* What a program says comes after what it sent before. */
static void look(struct real *real)
{
    release(real, clock_wall_ns());
}

/* Whether the kernel's counters at each server say what was seen there. */
static bool agrees(struct real *real, const struct tally *tally,
                   char error[static SPACE_ERROR_SIZE])
{
    struct linux_state *state = real->state;
    uint64_t sent, received;
    char text[TEXT_ADDR_SIZE];
    if (!kernel_counted(state->kernel, tally->place, &tally->remote, &sent, &received, error))
        return false;
    if (sent == tally->sent && received == tally->received)
        return true;
    snprintf(error, SPACE_ERROR_SIZE,
             "nft counted %" PRIu64 " datagrams from %s to %s and %" PRIu64 " back; %" PRIu64
             " and %" PRIu64 " were seen",
             received, text_addr(text, &tally->remote), net_name(real->stage.net, tally->place),
             sent, tally->received, tally->sent);
    return false;
}

/* What a socket had no room for was seen by nobody, and no verdict can rest on the rest. */
static bool settle(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    struct linux_state *state = real->state;
    real_catch_up(real);
    release(real, UINT64_MAX);
    for (uint32_t i = 0; i < state->watch_count; i++) {
        struct tpacket_stats counts = {.tp_drops = 0};
        socklen_t size = sizeof counts;
        const struct watch *watch = &state->watches[i];
        if (getsockopt(watch->file, SOL_PACKET, PACKET_STATISTICS, &counts, &size) == 0 &&
            counts.tp_drops == 0)
            continue;
        snprintf(error, SPACE_ERROR_SIZE, "%u packets passed %s and were not seen", counts.tp_drops,
                 net_name(real->stage.net, watch->place));
        return false;
    }
    /* Programs of other meshes go on. */
    for (uint32_t i = 0; real->programs != NULL && i < state->tally_count; i++)
        if (!agrees(real, &state->tallies[i], error))
            return false;
    return true;
}

/* Packets are to be seen as they would be on a wire: single, and with checksums. */
static bool set_plain(int file, const char *name)
{
    static const uint32_t offloads[] = {ETHTOOL_STXCSUM, ETHTOOL_SGSO, ETHTOOL_SGRO, ETHTOOL_STSO};
    bool done = true;
    for (uint32_t i = 0; i < sizeof offloads / sizeof *offloads; i++) {
        struct ethtool_value value = {.cmd = offloads[i], .data = 0};
        struct ifreq request = {.ifr_data = (void *)&value};
        snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
        done = (ioctl(file, SIOCETHTOOL, &request) == 0 || offloads[i] == ETHTOOL_STSO) && done;
    }
    return done;
}

static bool add_watch(struct real *real, uint32_t place, uint32_t interface, const char *name,
                      char error[static SPACE_ERROR_SIZE])
{
    struct linux_state *state = real->state;
    struct watch *watch = &state->watches[state->watch_count];
    *watch = (struct watch){.real = real,
                            .place = place,
                            .interface = interface,
                            .router = net_is_router(real->stage.net, place)};
    /* Of no protocol, it gets nothing before it is bound to its interface. */
    watch->file = space_socket(kernel_host(state->kernel, place), AF_PACKET, SOCK_DGRAM, 0, error);
    if (watch->file < 0)
        return false;
    state->watch_count++;
    int size = BUFFER_SIZE;
    struct ifreq request = {.ifr_ifindex = 0};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL)};
    bool done = ioctl(watch->file, SIOCGIFINDEX, &request) == 0 && set_plain(watch->file, name);
    at.sll_ifindex = request.ifr_ifindex;
    done = done && bind(watch->file, (struct sockaddr *)&at, sizeof at) == 0;
    if (!done) {
        snprintf(error, SPACE_ERROR_SIZE, "%s of %s cannot be watched: %s", name,
                 net_name(real->stage.net, place), strerror(errno));
        return false;
    }
    /* Past the limit for all, where this process may. */
    if (setsockopt(watch->file, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        setsockopt(watch->file, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    int yes = 1;
    if (setsockopt(watch->file, SOL_SOCKET, SO_TIMESTAMPNS, &yes, sizeof yes) != 0) {
        snprintf(error, SPACE_ERROR_SIZE, "packets of %s get no time: %s",
                 net_name(real->stage.net, place), strerror(errno));
        return false;
    }
    ev_io_init(&watch->io, on_packet, watch->file, EV_READ);
    watch->io.data = watch;
    /* What has passed is seen before anybody is told what came of it. */
    ev_set_priority(&watch->io, EV_MAXPRI);
    return true;
}

static bool capture(struct real *real, struct watch *watch, const char *name,
                    char error[static SPACE_ERROR_SIZE])
{
    const struct run_request *request = real->stage.request;
    char path[RUN_PATH_SIZE];
    if (request->pcap_dir == NULL)
        return true;
    snprintf(path, sizeof path, "%s/%s-%s-%s.pcap", request->pcap_dir, request->label,
             net_name(real->stage.net, watch->place), name);
    watch->capture = pcap_file_open(path);
    if (watch->capture == NULL)
        snprintf(error, SPACE_ERROR_SIZE, "%.300s: the capture cannot be written", path);
    return watch->capture != NULL;
}

/* Every interface of a host that runs a program, and the uplink of every router. */
static bool watch_all(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    const struct plan_scenario *scenario = real->stage.scenario;
    struct linux_state *state = real->state;
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        uint32_t count = scenario->places[i].interface_count;
        for (uint32_t j = 0; j < count; j++) {
            char name[SPACE_NAME_SIZE] = "wan";
            if (scenario->places[i].kind != PLAN_ROUTER)
                snprintf(name, sizeof name, "eth%u", j);
            if (!add_watch(real, real->stage.places[i], j, name, error) ||
                !capture(real, &state->watches[state->watch_count - 1], name, error))
                return false;
        }
    }
    return true;
}

/* ---- The network ---- */

static void describe(struct real *real)
{
    const struct plan_scenario *scenario = real->stage.scenario;
    struct linux_state *state = real->state;
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        if (place->kind == PLAN_ROUTER) {
            struct net_router router = stage_router(&real->stage, place);
            kernel_router(state->kernel, real->stage.places[i], &router);
        }
        for (uint32_t j = 0; j < place->interface_count; j++) {
            const struct kernel_interface interface = {.place = real->stage.places[i],
                                                       .interface = j,
                                                       .up = place->interfaces[j].up,
                                                       .down = place->interfaces[j].down};
            kernel_interface(state->kernel, &interface);
        }
    }
}

static bool build(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    const struct plan_scenario *scenario = real->stage.scenario;
    struct linux_state *state = calloc(1, sizeof *state);
    check(state != NULL);
    real->state = state;
    packet_pool_init(&state->pool);
    ev_timer_init(&state->timer, on_time, HOLD_S, 0);
    state->timer.data = real;
    state->watches =
        calloc((size_t)scenario->place_count * PLAN_INTERFACES_MAX + 1, sizeof *state->watches);
    state->kernel = kernel_new(real->stage.net);
    check(state->watches != NULL && state->kernel != NULL);
    describe(real);
    if (!kernel_build(state->kernel, error))
        return false;
    for (uint32_t i = 0; i < scenario->place_count; i++)
        if (plan_is_node(&scenario->places[i]))
            real->hosts[i] = kernel_host(state->kernel, real->stage.places[i]);
    return watch_all(real, error);
}

static void begin(struct real *real)
{
    struct linux_state *state = real->state;
    for (uint32_t i = 0; i < state->watch_count; i++)
        ev_io_start(real->loop, &state->watches[i].io);
}

static bool fault(struct real *real, const struct net_fault *fault,
                  char error[static SPACE_ERROR_SIZE])
{
    struct linux_state *state = real->state;
    return kernel_fault(state->kernel, fault, error);
}

static void end(struct real *real)
{
    struct linux_state *state = real->state;
    for (uint32_t i = 0; i < state->watch_count; i++) {
        ev_io_stop(real->loop, &state->watches[i].io);
        close(state->watches[i].file);
        if (state->watches[i].capture != NULL)
            pcap_file_close(state->watches[i].capture);
    }
    ev_timer_stop(real->loop, &state->timer);
    for (uint32_t i = 0; i < state->held_count; i++)
        packet_drop(&state->pool, &state->held[i].packet);
    free(state->held);
    free(state->tallies);
    free(state->watches);
    kernel_free(state->kernel);
    packet_pool_free(&state->pool);
    free(state);
}

/* ---- What Linux can do ---- */

static bool can_place(const struct stage *stage, const struct plan_place *place,
                      char why[static RUN_ERROR_SIZE])
{
    if (place->kind == PLAN_HOSTILE || place->kind == PLAN_BYSTANDER) {
        snprintf(why, RUN_ERROR_SIZE, "a %s is only simulated", plan_place_words[place->kind]);
        return false;
    }
    if (place->kind == PLAN_ROUTER) {
        struct net_router router = stage_router(stage, place);
        if (!kernel_can_route(&router, why))
            return false;
    }
    bool can = true;
    for (uint32_t i = 0; can && i < place->interface_count; i++)
        can = kernel_can_link(&place->interfaces[i].up, why) &&
              kernel_can_link(&place->interfaces[i].down, why);
    return can;
}

bool run_linux_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    if (!run_tun_can(scenario, why))
        return false;
    /* Where a router is behind is all the same here. */
    uint32_t *places = calloc(scenario->place_count + 1, sizeof *places);
    struct stage stage = {.scenario = scenario, .places = places};
    check(places != NULL);
    bool can = true;
    for (uint32_t i = 0; can && i < scenario->place_count; i++)
        can = can_place(&stage, &scenario->places[i], why);
    for (uint32_t i = 0; can && i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        struct net_fault fault = {.kind = stage_fault_kind(action), .link = action->link};
        can = fault.kind == 0 || kernel_can_fault(&fault, why);
    }
    free(places);
    return can;
}

const struct real_network real_linux = {.build = build,
                                        .begin = begin,
                                        .look = look,
                                        .fault = fault,
                                        .settle = settle,
                                        .end = end,
                                        .gate = NULL};
