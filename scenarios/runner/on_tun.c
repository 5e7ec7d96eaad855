/*
 * The simulated network in real time: what arrives at a server or client is written to a TUN device
 * in its namespace, and what is read from there is sent by it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/tun.h"
#include "netns/uplink.h"
#include "scenarios/runner/on_real.h"

enum {
    READ_MAX = 64, /* packets from one device before others have their turn, and a train more */
    GATHERED_SIZE = 4 * OFFLOAD_SIZE_MAX,
};

/* One interface of a host. */
struct end {
    struct real *real;
    uint32_t place; /* of the scenario */
    uint32_t interface;
    struct tun *tun; /* NULL: there is none */
    ev_io io;
    ev_idle idle; /* runs while something that has been read waits */
};

struct tun_state {
    struct end (*ends)[PLAN_INTERFACES_MAX]; /* by the scenario's places */
    struct tun *gathering;                   /* NULL: nothing is gathered */
    uint32_t size;                           /* of what is */
    uint8_t bytes[GATHERED_SIZE];
};

/* ---- Packets ---- */

/* Into the simulated network, where each packet is by itself; returns how many they are. */
static uint32_t send_train(const struct end *end, const struct node_in_packet *train)
{
    const struct stage *stage = &end->real->stage;
    uint32_t segment = train->segment > 0 ? train->segment : train->size;
    uint32_t count = 0;
    for (uint32_t at = 0; at < train->size; at += segment, count++)
        net_gate_send(stage->net, stage->places[end->place], end->interface, train->bytes + at,
                      train->size - at < segment ? train->size - at : segment);
    return count;
}

static void read_some(struct end *end)
{
    struct node_in_packet train;
    real_catch_up(end->real);
    for (uint32_t count = 0; count < READ_MAX && tun_read(end->tun, &train) == TUN_OK;)
        count += send_train(end, &train);
    if (tun_waiting(end->tun))
        ev_idle_start(end->real->loop, &end->idle);
    else
        ev_idle_stop(end->real->loop, &end->idle);
}

static void on_packet(struct ev_loop *loop, ev_io *watcher, int events)
{
    (void)loop;
    (void)events;
    read_some(watcher->data);
}

static void on_idle(struct ev_loop *loop, ev_idle *watcher, int events)
{
    (void)loop;
    (void)events;
    read_some(watcher->data);
}

static void flush(struct real *real)
{
    struct tun_state *state = real->state;
    if (state->gathering != NULL)
        (void)tun_flush(state->gathering);
    state->gathering = NULL;
    state->size = 0;
}

/* What a device that is down does not take is lost, as on a cable that is not plugged in. */
static void arrived(void *context, struct net *net, uint32_t host, uint32_t interface,
                    const uint8_t *bytes, uint32_t size)
{
    struct real *real = context;
    struct tun_state *state = real->state;
    (void)net;
    uint32_t place = real->stage.clients[host];
    check(place != PLAN_INTERNET && interface < PLAN_INTERFACES_MAX);
    check(size <= sizeof state->bytes);
    struct tun *tun = state->ends[place][interface].tun;
    /* One at a time, so that all devices get what arrived in that order. */
    if (tun != state->gathering || size > sizeof state->bytes - state->size)
        flush(real);
    state->gathering = tun;
    uint8_t *copy = state->bytes + state->size;
    memcpy(copy, bytes, size);
    state->size += size;
    tun_gather(tun, copy, size);
}

/* ---- Devices ---- */

/* Lines for `ip -batch` about one family, which `ip` does not tell from every line by itself. */
typedef void write_lines(FILE *to, const struct real *real, uint32_t place, uint32_t interface,
                         uint8_t family);

/* The interface is up, with its addresses and the routes by it. */
static void write_up(FILE *to, const struct real *real, uint32_t place, uint32_t interface,
                     uint8_t family)
{
    const struct plan_interface *link = &real->stage.scenario->places[place].interfaces[interface];
    if (family == ADDR_V4)
        fprintf(to, "link set eth%u mtu %u up\n", interface,
                link->up.mtu != 0 ? link->up.mtu : LINK_MTU_DEFAULT);
    uplink_write(to, real->stage.net, real->stage.places[place], interface, family);
}

static void write_rules(FILE *to, const struct real *real, uint32_t place, uint32_t interface,
                        uint8_t family)
{
    uplink_write_rules(to, real->stage.net, real->stage.places[place], interface, family);
}

static bool configure_family(const struct real *real, uint32_t place, uint32_t first, uint32_t end,
                             write_lines *const *writers, uint32_t writer_count, uint8_t family,
                             char error[static SPACE_ERROR_SIZE])
{
    const char *const ip[] = {"ip", family == ADDR_V4 ? "-4" : "-6", "-batch", "-", NULL};
    char *lines = NULL;
    size_t size;
    FILE *file = open_memstream(&lines, &size);
    check(file != NULL);
    for (uint32_t w = 0; w < writer_count; w++)
        for (uint32_t i = first; i < end; i++)
            writers[w](file, real, place, i, family);
    fclose(file);
    bool done = size == 0 || space_run(real->hosts[place], ip, lines, error);
    free(lines);
    return done;
}

static bool configure(const struct real *real, uint32_t place, uint32_t first, uint32_t end,
                      write_lines *const *writers, uint32_t writer_count,
                      char error[static SPACE_ERROR_SIZE])
{
    return configure_family(real, place, first, end, writers, writer_count, ADDR_V4, error) &&
           configure_family(real, place, first, end, writers, writer_count, ADDR_V6, error);
}

static bool build_host(struct real *real, uint32_t place, char error[static SPACE_ERROR_SIZE])
{
    static write_lines *const writers[] = {write_up, write_rules};
    struct tun_state *state = real->state;
    uint32_t count = real->stage.scenario->places[place].interface_count;
    real->hosts[place] = space_host(error);
    if (real->hosts[place] < 0)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        struct end *end = &state->ends[place][i];
        char name[SPACE_NAME_SIZE];
        snprintf(name, sizeof name, "eth%u", i);
        *end = (struct end){.real = real, .place = place, .interface = i};
        int file = space_tun(real->hosts[place], name, true, error);
        if (file < 0)
            return false;
        struct tun *tun = malloc(sizeof *tun);
        check(tun != NULL);
        if (!tun_adopt(tun, file, OFFLOAD_SIZE_MAX)) {
            snprintf(error, SPACE_ERROR_SIZE, "the TUN device %s takes no virtio header: %s", name,
                     strerror(errno));
            free(tun);
            close(file);
            return false;
        }
        end->tun = tun;
        ev_io_init(&end->io, on_packet, file, EV_READ);
        ev_idle_init(&end->idle, on_idle);
        end->io.data = end->idle.data = end;
    }
    return configure(real, place, 0, count, writers, 2, error);
}

static bool build(struct real *real, char error[static SPACE_ERROR_SIZE])
{
    uint32_t count = real->stage.scenario->place_count;
    struct tun_state *state = calloc(1, sizeof *state);
    check(state != NULL);
    real->state = state;
    state->ends = calloc(count + 1, sizeof *state->ends);
    check(state->ends != NULL);
    for (uint32_t i = 0; i < count; i++)
        if (plan_is_node(&real->stage.scenario->places[i]) && !build_host(real, i, error))
            return false;
    return true;
}

/* What the kernel said before, such as that it looks for routers, is left in the devices. */
static void begin(struct real *real)
{
    struct tun_state *state = real->state;
    for (uint32_t i = 0; i < real->stage.scenario->place_count; i++)
        for (uint32_t j = 0; j < PLAN_INTERFACES_MAX; j++)
            if (state->ends[i][j].tun != NULL)
                ev_io_start(real->loop, &state->ends[i][j].io);
}

static bool fault(struct real *real, const struct net_fault *fault,
                  char error[static SPACE_ERROR_SIZE])
{
    static write_lines *const up[] = {write_up};
    uint32_t place = real->stage.clients[fault->place];
    if (fault->kind == NET_FAULT_INTERFACE_UP)
        return configure(real, place, fault->interface, fault->interface + 1, up, 1, error);
    if (fault->kind != NET_FAULT_INTERFACE_DOWN)
        return true;
    char name[SPACE_NAME_SIZE];
    snprintf(name, sizeof name, "eth%u", fault->interface);
    const char *const flush[] = {"ip", "addr", "flush", "dev", name, NULL};
    const char *const down[] = {"ip", "link", "set", name, "down", NULL};
    return space_run(real->hosts[place], flush, NULL, error) &&
           space_run(real->hosts[place], down, NULL, error);
}

static void end(struct real *real)
{
    struct tun_state *state = real->state;
    for (uint32_t i = 0; i < real->stage.scenario->place_count; i++) {
        for (uint32_t j = 0; j < PLAN_INTERFACES_MAX; j++) {
            struct end *end = &state->ends[i][j];
            if (end->tun == NULL)
                continue;
            ev_io_stop(real->loop, &end->io);
            ev_idle_stop(real->loop, &end->idle);
            tun_close(end->tun);
            free(end->tun);
        }
    }
    free(state->ends);
    free(state);
}

static const struct net_gate gate = {.arrived = arrived};

const struct real_network real_tun = {
    .build = build, .begin = begin, .flush = flush, .fault = fault, .end = end, .gate = &gate};
