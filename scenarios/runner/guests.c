/* Programs of another mesh: how they begin and end, and what the network sees of them. */
#include "scenarios/runner/guests.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "netns/adapter.h"
#include "netns/adapter_probe.h"
#include "scenarios/runner/guest_path.h"

/* For so long a path has to be direct, since a mesh may take that back; and after so long from the
   connect what is not direct will not be: the slowest of them tries again within 10 seconds. */
#define DIRECT_FOR_NS UINT64_C(3000000000)
#define PATIENCE_NS UINT64_C(20000000000)

/* One host of the mesh. */
struct guest {
    struct guests *guests;
    uint32_t place; /* of the scenario */
    pid_t pid;      /* 0: none */
    bool up;
    ev_child child;
};

struct guests {
    struct guests_config config;
    const struct adapter *adapter;
    struct adapter_run run; /* its hosts are in the order of `guests` */
    struct adapter_host *hosts;
    struct guest *guests;
    uint32_t count;
    bool clients_begun;
    /* The connect. */
    struct adapter_probe *probe; /* NULL: not yet */
    uint32_t a;                  /* places of the scenario */
    uint32_t b;
    struct guest_path path;
    uint8_t told; /* enum node_path, the last that was */
    uint64_t connected_ns;
    uint64_t changed_ns;
};

/* ---- What can be run ---- */

bool guests_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    uint32_t connects = 0, hosts = 0;
    _Static_assert((int)RUN_ERROR_SIZE >= (int)SPACE_ERROR_SIZE, "a sentence fits");
    if (scenario->program[0] == 0)
        return true;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        const struct plan_action *action = &scenario->actions[i];
        connects += action->kind == PLAN_CONNECT;
        bool own = action->kind == PLAN_CLASSIFY || action->kind == PLAN_SEND ||
                   action->kind == PLAN_TALK ||
                   (action->kind >= PLAN_SUSPEND && action->kind <= PLAN_RESTART) ||
                   plan_is_attack((enum plan_action_kind)action->kind);
        if (!own)
            continue;
        snprintf(why, RUN_ERROR_SIZE, "%s is only for Warren's own programs, not for %s",
                 plan_action_words[action->kind].name, scenario->program);
        return false;
    }
    for (uint32_t i = 0; i < scenario->place_count; i++)
        hosts += plan_is_node(&scenario->places[i]);
    if (connects > 1 || hosts > ADAPTER_HOSTS_MAX) {
        snprintf(why, RUN_ERROR_SIZE, "%s runs with one connect and %d hosts at most",
                 scenario->program, ADAPTER_HOSTS_MAX);
        return false;
    }
    return adapter_is_installed(adapter_find(scenario->program), why);
}

/* ---- Hosts ---- */

static const struct plan_place *place_of(const struct guests *guests, uint32_t index)
{
    return &guests->config.scenario->places[guests->guests[index].place];
}

static uint32_t find(const struct guests *guests, uint32_t place)
{
    uint32_t i = 0;
    while (i < guests->count && guests->guests[i].place != place)
        i++;
    check(i < guests->count);
    return i;
}

/* Where others reach a client when all is known before: at its own address, or the outermost NAT's. */
static struct addr endpoint_of(const struct guests *guests, uint32_t place)
{
    const struct guests_config *config = &guests->config;
    uint32_t reached = place;
    for (uint32_t at = config->scenario->places[place].interfaces[0].behind; at != PLAN_INTERNET;
         at = config->scenario->places[at].interfaces[0].behind)
        if (config->scenario->places[at].has_nat)
            reached = at;
    struct addr addr = net_address(config->net, config->places[reached], ADDR_V4, 0);
    return addr.family == ADDR_NONE ? addr : addr_with_port(addr, ADAPTER_WIREGUARD_PORT);
}

static void add_host(struct guests *guests, uint32_t place)
{
    const struct guests_config *config = &guests->config;
    const struct plan_place *at = &config->scenario->places[place];
    uint32_t number = config->places[place];
    guests->guests[guests->count] = (struct guest){.guests = guests, .place = place};
    guests->hosts[guests->count] = (struct adapter_host){
        .name = at->name,
        .server = at->kind == PLAN_SERVER,
        .host = config->hosts[place],
        .outer = {net_address(config->net, number, ADDR_V4, 0),
                  net_address(config->net, number, ADDR_V6, 0)},
        .endpoint = at->kind == PLAN_CLIENT ? endpoint_of(guests, place)
                                            : (struct addr){.family = ADDR_NONE}};
    guests->count++;
}

static void on_child(struct ev_loop *loop, ev_child *child, int events)
{
    struct guest *guest = child->data;
    const struct guests *guests = guest->guests;
    char why[SPACE_ERROR_SIZE];
    (void)events;
    ev_child_stop(loop, child);
    guest->pid = 0;
    snprintf(why, sizeof why, "%s of %s has ended by itself, with status %d: see %s/%s.log",
             guests->adapter->name, guests->config.scenario->places[guest->place].name,
             child->rstatus, guests->config.folder,
             guests->config.scenario->places[guest->place].name);
    guests->config.events.failed(guests->config.events.context, why);
}

static bool start(struct guests *guests, uint32_t index, char error[static SPACE_ERROR_SIZE])
{
    struct guest *guest = &guests->guests[index];
    char path[RUN_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s.log", guests->config.folder, place_of(guests, index)->name);
    int output = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (output < 0) {
        snprintf(error, SPACE_ERROR_SIZE, "%.300s: %s", path, strerror(errno));
        return false;
    }
    bool good = adapter_start(guests->adapter, &guests->run, index, output, &guest->pid, error);
    close(output);
    if (!good || guest->pid == 0)
        return good;
    ev_child_init(&guest->child, on_child, guest->pid, 0);
    guest->child.data = guest;
    ev_child_start(guests->config.loop, &guest->child);
    return true;
}

/* Starts all servers, or all clients. */
static bool start_all(struct guests *guests, bool servers, char error[static SPACE_ERROR_SIZE])
{
    bool good = true;
    for (uint32_t i = 0; good && i < guests->count; i++)
        good = guests->hosts[i].server != servers || start(guests, i, error);
    return good;
}

struct guests *guests_new(const struct guests_config *config, char error[static SPACE_ERROR_SIZE])
{
    uint32_t count = config->scenario->place_count;
    struct guests *guests = calloc(1, sizeof *guests);
    check(guests != NULL && config->scenario->program[0] != 0);
    guests->config = *config;
    guests->adapter = adapter_find(config->scenario->program);
    guests->hosts = calloc((size_t)count + 1, sizeof *guests->hosts);
    guests->guests = calloc((size_t)count + 1, sizeof *guests->guests);
    check(guests->adapter != NULL && guests->hosts != NULL && guests->guests != NULL);
    for (uint32_t i = 0; i < count; i++)
        if (plan_is_node(&config->scenario->places[i]))
            add_host(guests, i);
    guests->run = (struct adapter_run){
        .folder = config->folder, .hosts = guests->hosts, .count = guests->count};
    adapter_number(&guests->run);
    if (guests->count > 0 && adapter_write(guests->adapter, &guests->run, error) &&
        start_all(guests, true, error))
        return guests;
    if (guests->count == 0)
        snprintf(error, SPACE_ERROR_SIZE, "there is no host for %s", guests->adapter->name);
    guests_free(guests);
    return NULL;
}

bool guests_ready(struct guests *guests)
{
    char error[SPACE_ERROR_SIZE] = "";
    bool all = true;
    for (uint32_t i = 0; i < guests->count; i++) {
        struct guest *guest = &guests->guests[i];
        if (guest->up || guests->hosts[i].server == guests->clients_begun)
            continue;
        enum adapter_state state = adapter_look(guests->adapter, &guests->run, i, error);
        if (state == ADAPTER_FAILED) {
            guests->config.events.failed(guests->config.events.context, error);
            return false;
        }
        guest->up = state == ADAPTER_UP;
        all = all && guest->up;
    }
    if (!all || guests->clients_begun)
        return all;
    guests->clients_begun = true;
    if (!start_all(guests, false, error))
        guests->config.events.failed(guests->config.events.context, error);
    return false;
}

/* ---- The probe ---- */

static void tell_path(struct guests *guests, uint8_t path)
{
    const struct guests_events *events = &guests->config.events;
    if (path == guests->told)
        return;
    guests->told = path;
    events->path(events->context, guests->a, guests->b, (enum node_path)path);
    events->path(events->context, guests->b, guests->a, (enum node_path)path);
    guests->changed_ns = net_now(guests->config.net);
}

static bool is_direct(void *context)
{
    struct guests *guests = context;
    bool direct = guest_path_answered(&guests->path);
    tell_path(guests, guests->path.path);
    return direct;
}

static void on_arrived(void *context)
{
    const struct guests *guests = context;
    guests->config.events.arrived(guests->config.events.context, guests->a, guests->b);
}

static struct adapter_probe_end end_of(const struct guests *guests, uint32_t place)
{
    uint32_t index = find(guests, place);
    struct adapter_probe_end end = {.host = guests->hosts[index].host,
                                    .inner = guests->hosts[index].inner};
    adapter_interface(&guests->run, index, end.interface);
    return end;
}

bool guests_connect(struct guests *guests, uint32_t place, uint32_t peer,
                    char error[static SPACE_ERROR_SIZE])
{
    const struct adapter_probe_config config = {.loop = guests->config.loop,
                                                .from = end_of(guests, place),
                                                .to = end_of(guests, peer),
                                                .direct = is_direct,
                                                .arrived = on_arrived,
                                                .context = guests};
    check(guests->probe == NULL);
    guests->a = place;
    guests->b = peer;
    guests->path = (struct guest_path){.path = NODE_PATH_PENDING};
    guests->connected_ns = guests->changed_ns = net_now(guests->config.net);
    guests->probe = adapter_probe_new(&config, error);
    return guests->probe != NULL;
}

static bool is_servers(const struct guests *guests, const struct addr *addr)
{
    for (uint32_t i = 0; i < guests->count; i++) {
        if (!guests->hosts[i].server)
            continue;
        for (uint32_t k = 0;; k++) {
            struct addr own =
                net_address(guests->config.net, guests->config.places[guests->guests[i].place],
                            addr->family, k);
            if (own.family == ADDR_NONE)
                break;
            if (addr_equal_ip(&own, addr))
                return true;
        }
    }
    return false;
}

void guests_see(struct guests *guests, const struct net_event *event)
{
    if (guests == NULL || guests->probe == NULL)
        return;
    const uint32_t *places = guests->config.places;
    if (event->place != places[guests->a] && event->place != places[guests->b])
        return;
    if (event->kind == NET_SENT && is_servers(guests, &event->packet->destination))
        guest_path_sent(&guests->path, packet_wire_size(event->packet));
    else if (event->kind == NET_DELIVERED && event->packet->protocol == PACKET_UDP &&
             !is_servers(guests, &event->packet->source))
        guest_path_delivered(&guests->path);
}

/* ---- The end ---- */

bool guests_are_over(const struct guests *guests)
{
    uint64_t now_ns = net_now(guests->config.net);
    if (guests->probe == NULL)
        return false;
    if (guests->told == NODE_PATH_DIRECT)
        return now_ns - guests->changed_ns >= DIRECT_FOR_NS;
    return now_ns - guests->connected_ns >= PATIENCE_NS;
}

void guests_conclude(struct guests *guests)
{
    if (guests->probe != NULL && guests->told == NODE_PATH_PENDING)
        tell_path(guests, NODE_PATH_UNREACHABLE);
}

void guests_free(struct guests *guests)
{
    if (guests == NULL)
        return;
    adapter_probe_free(guests->probe);
    for (uint32_t i = 0; i < guests->count; i++) {
        struct guest *guest = &guests->guests[i];
        if (guest->pid <= 0)
            continue;
        ev_child_stop(guests->config.loop, &guest->child);
        kill(guest->pid, SIGKILL);
        while (waitpid(guest->pid, NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    free(guests->hosts);
    free(guests->guests);
    free(guests);
}
