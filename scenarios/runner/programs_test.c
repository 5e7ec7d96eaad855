/*
 * Real daemons on one cable: a server and two clients, which find each other, crash, sleep, and are
 * classified. Skipped where namespaces cannot be made.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "crypto/crypto.h"
#include "daemon/text.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/programs.h"

enum {
    PLACES = 3,
    SERVER = 0,
    ALICE = 1,
    BOB = 2,
    PATIENCE_S = 40, /* for each thing to happen; sanitizers are slow */
    PATH_SIZE = 4096,
    EVERY_MS = 10,
    ROUND = 30, /* packets that are sent in the hope that none arrives */
};

/* What the run was told. */
struct rig {
    struct ev_loop *loop;
    struct ev_timer timer;
    struct net *net;
    struct plan plan;
    struct programs *programs;
    char folder[PATH_SIZE];
    char error[SPACE_ERROR_SIZE];
    uint32_t places[PLACES];
    int hosts[PLACES];
    bool homes[PLACES];
    struct addr mapped[PLACES];
    enum node_path paths[PLACES]; /* to the other client */
    enum reason reasons[PLACES];
    uint32_t sent;
    uint32_t arrived[PLACES];            /* the highest number so far, and one */
    bool wrong;                          /* a packet came to the wrong place */
    uint32_t found;                      /* results of stun-probe, */
    struct stun_behaviour behaviours[2]; /* by family */
    char why[1024];                      /* of a failure */
};

static const uint8_t families[] = {ADDR_V4, ADDR_V6};
static char binaries[PATH_SIZE];

#define MUST(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "%s:%d: not so: %s; %s\n", __FILE__, __LINE__, #condition, \
                    rig->error); \
            return false; \
        } \
    } while (0)

/* ---- Events ---- */

static void on_home(void *context, uint32_t place, const struct addr *server,
                    const struct addr *mapped)
{
    struct rig *rig = context;
    rig->homes[place] = server->family != ADDR_NONE;
    rig->mapped[place] = *mapped;
}

static void on_path(void *context, uint32_t place, uint32_t peer, enum node_path path,
                    enum reason reason)
{
    struct rig *rig = context;
    rig->wrong = rig->wrong || place == peer || place == SERVER || peer == SERVER;
    rig->paths[place] = path;
    rig->reasons[place] = reason;
}

static void on_arrived(void *context, uint32_t place, const struct numbered *numbered)
{
    struct rig *rig = context;
    rig->wrong = rig->wrong || numbered->to != place || numbered->from == place ||
                 numbered->sent_ns != 7000 + (uint64_t)numbered->number;
    if (numbered->number + 1 > rig->arrived[place])
        rig->arrived[place] = numbered->number + 1;
}

static void on_behaviour(void *context, uint32_t place, const struct stun_behaviour *behaviour)
{
    struct rig *rig = context;
    /* The daemons tell what they found, too; but not how long it took. */
    if (behaviour->duration_ns == 0)
        return;
    rig->wrong = rig->wrong || place != ALICE;
    rig->behaviours[behaviour->server.family == ADDR_V6] = *behaviour;
    rig->found++;
}

static void on_failed(void *context, const char *why)
{
    struct rig *rig = context;
    snprintf(rig->why, sizeof rig->why, "%s", why);
}

/* ---- The network ---- */

static bool build_net(struct rig *rig)
{
    struct net_config config = {.crypto = &crypto_real};
    struct plan_scenario *scenario = plan_add_scenario(&rig->plan);
    static const char *const names[] = {"s1", "alice", "Bob_2"};
    net_seed(config.seed, 1);
    rig->net = net_new(&config);
    for (uint32_t i = 0; i < PLACES; i++) {
        struct plan_place *place =
            plan_add_place(scenario, i == SERVER ? PLAN_SERVER : PLAN_CLIENT);
        struct net_host host = {.behind = NET_INTERNET, .addresses = i == SERVER ? 2 : 1};
        snprintf(place->name, sizeof place->name, "%s", names[i]);
        rig->places[i] = net_add_host(rig->net, names[i], &host);
    }
    return true;
}

/* A cable from the host to the bridge, with the addresses that it has in the simulated network. */
static bool lay_cable(struct rig *rig, uint32_t i)
{
    char lines[1024], space[64];
    int size = 0;
    rig->hosts[i] = space_host(rig->error);
    MUST(rig->hosts[i] >= 0);
    int own = space_own(rig->error);
    MUST(own >= 0);
    snprintf(space, sizeof space, "/proc/%d/fd/%d", (int)getpid(), rig->hosts[i]);
    snprintf(lines, sizeof lines,
             "link add v%u type veth peer name eth0 netns %s\n"
             "link set v%u master cable up\n",
             (unsigned)i, space, (unsigned)i);
    const char *const batch[] = {"ip", "-batch", "-", NULL};
    MUST(space_run(own, batch, lines, rig->error));
    for (uint32_t k = 0; k < 4; k++) {
        char text[TEXT_ADDR_SIZE];
        struct addr addr = net_address(rig->net, rig->places[i], families[k / 2], k % 2);
        if (addr.family != ADDR_NONE)
            size += snprintf(lines + size, sizeof lines - (size_t)size,
                             "address add %s/%d dev eth0%s\n", text_addr(text, &addr),
                             k < 2 ? 15 : 64, k < 2 ? "" : " nodad");
    }
    snprintf(lines + size, sizeof lines - (size_t)size, "link set eth0 up\n");
    MUST(space_run(rig->hosts[i], batch, lines, rig->error));
    close(own);
    return true;
}

static bool build(struct rig *rig)
{
    const char *const bridge[] = {"ip", "-batch", "-", NULL};
    MUST(build_net(rig));
    int own = space_own(rig->error);
    MUST(own >= 0);
    MUST(space_run(own, bridge, "link add cable type bridge\nlink set cable up\n", rig->error));
    close(own);
    for (uint32_t i = 0; i < PLACES; i++)
        MUST(lay_cable(rig, i));
    /* Of the sandbox, so that it is gone with it. */
    snprintf(rig->folder, sizeof rig->folder, "%.1000s/programs-XXXXXX", getenv("TMPDIR"));
    MUST(mkdtemp(rig->folder) != NULL);
    mesh_set_clock((uint64_t)time(NULL));
    struct programs_config config = {
        .loop = rig->loop,
        .scenario = &rig->plan.scenarios[0],
        .net = rig->net,
        .places = rig->places,
        .hosts = rig->hosts,
        .binaries = binaries,
        .folder = rig->folder,
        .events = {.context = rig,
                   .home = on_home,
                   .path = on_path,
                   .arrived = on_arrived,
                   .behaviour = on_behaviour,
                   .failed = on_failed},
    };
    rig->programs = programs_new(&config, rig->error);
    MUST(rig->programs != NULL);
    return true;
}

/* ---- What is waited for ---- */

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)timer, (void)events;
}

static void send_one(struct rig *rig, uint32_t from, uint32_t to)
{
    struct numbered numbered = {
        .from = from, .to = to, .number = rig->sent, .sent_ns = 7000 + (uint64_t)rig->sent};
    rig->sent++;
    /* The smallest, the largest, and some between. */
    static const uint32_t sizes[] = {NUMBERED_SIZE_MIN, 100, 1000, NODE_PACKET_MAX};
    programs_send(rig->programs, &numbered, sizes[rig->sent / 2 % 4]);
}

/* Runs the loop until it is so, while each client sends to the other; false when it takes too long,
   or a program failed. */
static bool wait_for(struct rig *rig, bool (*so)(const struct rig *), bool sending)
{
    for (int i = 0; i < PATIENCE_S * 1000 / EVERY_MS && !so(rig) && rig->why[0] == 0; i++) {
        if (sending) {
            send_one(rig, ALICE, BOB);
            send_one(rig, BOB, ALICE);
        }
        ev_timer_again(rig->loop, &rig->timer);
        ev_run(rig->loop, EVRUN_ONCE);
    }
    if (!so(rig))
        fprintf(stderr, "paths %d %d, homes %d %d, arrived %u %u of %u; %s\n",
                (int)rig->paths[ALICE], (int)rig->paths[BOB], rig->homes[ALICE], rig->homes[BOB],
                (unsigned)rig->arrived[ALICE], (unsigned)rig->arrived[BOB], (unsigned)rig->sent,
                rig->why);
    return so(rig);
}

static bool are_ready(const struct rig *rig)
{
    return programs_ready(rig->programs);
}

static bool have_homes(const struct rig *rig)
{
    return rig->homes[ALICE] && rig->homes[BOB];
}

static bool are_direct(const struct rig *rig)
{
    return rig->paths[ALICE] == NODE_PATH_DIRECT && rig->paths[BOB] == NODE_PATH_DIRECT;
}

static bool first_is_there(const struct rig *rig)
{
    return rig->arrived[BOB] > 0;
}

static bool data_flows(const struct rig *rig)
{
    return rig->arrived[ALICE] > 0 && rig->arrived[BOB] > 0;
}

static bool has_found(const struct rig *rig)
{
    return rig->found == 2;
}

static bool has_failed(const struct rig *rig)
{
    return rig->why[0] != 0;
}

static bool has_waited(const struct rig *rig)
{
    return rig->sent >= ROUND;
}

static void forget(struct rig *rig)
{
    memset(rig->arrived, 0, sizeof rig->arrived);
    memset(rig->paths, 0, sizeof rig->paths);
}

/* ---- The story ---- */

static bool begins(struct rig *rig)
{
    struct stat identity;
    char path[PATH_SIZE + 32];
    for (uint32_t i = 0; i < PLACES; i++)
        MUST(programs_start(rig->programs, i, rig->error));
    MUST(!programs_ready(rig->programs));
    MUST(wait_for(rig, are_ready, false));
    MUST(wait_for(rig, have_homes, false));
    struct addr own = net_address(rig->net, rig->places[ALICE], ADDR_V4, 0);
    struct addr own_v6 = net_address(rig->net, rig->places[ALICE], ADDR_V6, 0);
    MUST(addr_equal_ip(&rig->mapped[ALICE], &own) || addr_equal_ip(&rig->mapped[ALICE], &own_v6));
    snprintf(path, sizeof path, "%s/alice.identity", rig->folder);
    MUST(stat(path, &identity) == 0 && (identity.st_mode & 077) == 0);
    return true;
}

static bool talks(struct rig *rig)
{
    /* The first packet waits until there is a path for it. */
    MUST(programs_connect(rig->programs, ALICE, BOB, rig->error));
    send_one(rig, ALICE, BOB);
    MUST(wait_for(rig, first_is_there, false));
    MUST(wait_for(rig, are_direct, true));
    MUST(wait_for(rig, data_flows, true));
    MUST(rig->reasons[ALICE] != REASON_NONE && rig->reasons[ALICE] < REASON_PUNCHED + 1);
    return true;
}

/* What was on its way has arrived when the first round is over; nothing of the second one does. */
static bool is_silent(struct rig *rig)
{
    for (int i = 0; i < 2; i++) {
        forget(rig);
        rig->sent = 0;
        MUST(wait_for(rig, has_waited, true));
    }
    MUST(rig->arrived[ALICE] == 0 && rig->arrived[BOB] == 0);
    return true;
}

/* A process that ends without a word takes its interface along, and starts again. */
static bool crashes(struct rig *rig)
{
    programs_crash(rig->programs, BOB);
    MUST(is_silent(rig));
    MUST(programs_ready(rig->programs));
    MUST(programs_start(rig->programs, BOB, rig->error));
    MUST(!programs_ready(rig->programs));
    /* Not ready, and told already; what is lost is called again. */
    MUST(programs_connect(rig->programs, BOB, ALICE, rig->error));
    MUST(wait_for(rig, are_ready, false));
    MUST(wait_for(rig, data_flows, true));
    return true;
}

/* One that is stopped lets nothing through, and lives on. */
static bool sleeps(struct rig *rig)
{
    programs_suspend(rig->programs, BOB);
    MUST(is_silent(rig));
    programs_resume(rig->programs, BOB);
    MUST(wait_for(rig, data_flows, true));
    return true;
}

/* Takes seconds, and may go on beside all else. */
static bool classifies(struct rig *rig)
{
    for (int i = 0; i < 2; i++) {
        struct plan_action action = {.kind = PLAN_CLASSIFY,
                                     .ipv6 = i == 1,
                                     .place = ALICE,
                                     .server_count = 1,
                                     .servers = {SERVER}};
        MUST(programs_classify(rig->programs, &action, rig->error));
    }
    return true;
}

static bool is_classified(struct rig *rig)
{
    MUST(wait_for(rig, has_found, false));
    for (int i = 0; i < 2; i++) {
        struct addr own = net_address(rig->net, rig->places[ALICE], families[i], 0);
        MUST(rig->behaviours[i].nat == STUN_NAT_NONE);
        MUST(rig->behaviours[i].filtering == STUN_FILTERING_EIF);
        MUST(addr_equal_ip(&rig->behaviours[i].mapped, &own));
    }
    return true;
}

/* A daemon that cannot start is the end of the run, and its last words are told. */
static bool fails(struct rig *rig)
{
    char path[PATH_SIZE + 32];
    snprintf(path, sizeof path, "%s/alice.credential", rig->folder);
    MUST(unlink(path) == 0);
    MUST(rig->why[0] == 0);
    MUST(programs_start(rig->programs, ALICE, rig->error));
    (void)wait_for(rig, has_failed, false);
    MUST(strstr(rig->why, "warrend on alice ended with status 1") != NULL);
    MUST(strstr(rig->why, "alice.credential") != NULL);
    MUST(!programs_ready(rig->programs));
    return true;
}

/*
 * No child is left. What a program had begun when it was ended, such as the check of a sanitizer for
 * leaks, becomes a child of this process, the first of its namespace, and ends by itself.
 */
static bool all_have_ended(void)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (uint32_t i = 0; i < 1000; i++) {
        if (waitpid(-1, NULL, WNOHANG) < 0)
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

static bool run(struct rig *rig)
{
    MUST(build(rig));
    bool good = begins(rig) && classifies(rig) && talks(rig) && crashes(rig) && sleeps(rig) &&
                is_classified(rig);
    MUST(good && !rig->wrong);
    MUST(fails(rig));
    /* One that sleeps is ended, too. */
    programs_suspend(rig->programs, BOB);
    programs_free(rig->programs);
    MUST(all_have_ended());
    net_free(rig->net);
    plan_free(&rig->plan);
    return true;
}

static int sandboxed(void *argument)
{
    static struct rig rig;
    (void)argument;
    rig.loop = ev_default_loop(EVFLAG_NOENV);
    ev_init(&rig.timer, on_timer);
    rig.timer.repeat = EVERY_MS / 1000.0;
    return rig.loop != NULL && run(&rig) ? 0 : 1;
}

static void test_daemons_on_a_cable(void **state)
{
    char error[SPACE_ERROR_SIZE];
    int status = 0;
    (void)state;
    char path[PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/warrend", binaries);
    if (access(path, X_OK) != 0)
        snprintf(error, sizeof error, "%.400s is not built", path);
    else if (system("command -v ip >/dev/null 2>&1") != 0)
        strcpy(error, "ip is not installed");
    else if (space_is_possible(error))
        error[0] = 0;
    if (error[0] != 0) {
        printf("# SKIP daemons on a cable: %s\n", error);
        skip();
    }
    pid_t process = space_sandbox(sandboxed, NULL, error);
    if (process < 0)
        fail_msg("%s", error);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_int_equal(status, 0);
}

/* Programs lie where the Makefile puts them: this test is BUILD/test/scenarios/runner/... */
static void find_binaries(void)
{
    ssize_t size = readlink("/proc/self/exe", binaries, sizeof binaries - 1);
    binaries[size > 0 ? size : 0] = 0;
    for (int i = 0; i < 4; i++) {
        char *slash = strrchr(binaries, '/');
        if (slash != NULL)
            *slash = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_daemons_on_a_cable)};
    find_binaries();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
