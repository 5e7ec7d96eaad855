/*
 * Tests the adapters of other meshes: each one that is installed, on one bridge with a server and
 * two clients and nothing between them. What these programs do behind NATs is not tested but shown,
 * by scenarios/peers.lua; here they have to start, carry a packet, and end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <ev.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/clock.h"
#include "netns/adapter.h"
#include "netns/adapter_probe.h"

enum {
    SERVER,
    ALICE,
    BOB,
    HOSTS,
    OUTER_NETWORK = 0x0a010000, /* 10.1.0.0/24 */
    LOG_SIZE = 64 * 1024,
    PATIENCE_MS = 20000,
    STEP_MS = 20,
    READ_MS = 120000, /* no run takes as long, with all its waits */
};

static const char folder[] = "/run/tmp/mesh"; /* of the sandbox alone */

/* What one sandbox is to try, and says of it. */
struct trial {
    const struct adapter *adapter;
    int output; /* a pipe, which is at its end when the sandbox and all its programs are */
    struct adapter_host hosts[HOSTS];
    struct adapter_run run;
    char error[SPACE_ERROR_SIZE];
};

static uint64_t now_ms(void)
{
    return clock_monotonic_ns() / 1000000;
}

/* ---- In the sandbox ---- */

/* A host with 10.1.0.N on eth0, whose other end is at a bridge in the sandbox's own namespace. */
static bool add_host(struct trial *trial, uint32_t i, const char *name)
{
    struct adapter_host *host = &trial->hosts[i];
    *host = (struct adapter_host){.name = name, .server = i == SERVER};
    host->outer[0] = addr_v4(OUTER_NETWORK + i + 1, 0);
    host->endpoint = addr_with_port(host->outer[0], ADAPTER_WIREGUARD_PORT);
    host->host = space_host(trial->error);
    int own = space_own(trial->error);
    if (host->host < 0 || own < 0)
        return false;
    char cable[SPACE_NAME_SIZE], address[32];
    snprintf(cable, sizeof cable, "cable%u", (unsigned)i);
    snprintf(address, sizeof address, "10.1.0.%u/24", (unsigned)i + 1);
    /* The sandbox is the first process of its own. */
    const char *link[] = {"ip",   "link", "add", "eth0",  "type", "veth",
                          "peer", "name", cable, "netns", "1",    NULL};
    const char *plug[] = {"ip", "link", "set", cable, "master", "bridge", "up", NULL};
    const char *take[] = {"ip", "address", "add", address, "dev", "eth0", NULL};
    const char *up[] = {"ip", "link", "set", "eth0", "up", NULL};
    bool good = space_run(host->host, link, NULL, trial->error) &&
                space_run(own, plug, NULL, trial->error) &&
                space_run(host->host, take, NULL, trial->error) &&
                space_run(host->host, up, NULL, trial->error);
    close(own);
    return good;
}

static bool build(struct trial *trial)
{
    const char *bridge[] = {"ip", "link", "add", "bridge", "type", "bridge", NULL};
    const char *up[] = {"ip", "link", "set", "bridge", "up", NULL};
    int own = space_own(trial->error);
    bool good = own >= 0 && space_run(own, bridge, NULL, trial->error) &&
                space_run(own, up, NULL, trial->error) && add_host(trial, SERVER, "s1") &&
                add_host(trial, ALICE, "alice") && add_host(trial, BOB, "bob");
    if (own >= 0)
        close(own);
    return good;
}

static bool start_and_wait(struct trial *trial, uint32_t host)
{
    pid_t pid = 0;
    if (!adapter_start(trial->adapter, &trial->run, host, trial->output, &pid, trial->error))
        return false;
    for (uint32_t waited = 0; waited < PATIENCE_MS; waited += STEP_MS) {
        enum adapter_state state = adapter_look(trial->adapter, &trial->run, host, trial->error);
        if (state != ADAPTER_STARTING)
            return state == ADAPTER_UP;
        if (pid != 0 && waitpid(pid, NULL, WNOHANG) == pid) {
            snprintf(trial->error, SPACE_ERROR_SIZE, "the program on %s has ended",
                     trial->hosts[host].name);
            return false;
        }
        poll(NULL, 0, STEP_MS);
    }
    snprintf(trial->error, SPACE_ERROR_SIZE, "%s does not get ready", trial->hosts[host].name);
    return false;
}

static struct adapter_probe_end end_of(const struct trial *trial, uint32_t host)
{
    struct adapter_probe_end end = {.host = trial->hosts[host].host,
                                    .inner = trial->hosts[host].inner};
    adapter_interface(&trial->run, host, end.interface);
    return end;
}

/* An answer to a later packet than the first ends the loop: the way has stayed. */
static void on_answer(void *context, const struct adapter_probe_answer *answer)
{
    struct ev_loop *loop = context;
    if (answer->number > 0)
        ev_break(loop, EVBREAK_ALL);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)timer;
    (void)events;
    ev_break(loop, EVBREAK_ALL);
}

static bool probe(struct trial *trial, uint64_t begun_ms)
{
    struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);
    struct adapter_probe_config config = {.loop = loop,
                                          .from = end_of(trial, ALICE),
                                          .to = end_of(trial, BOB),
                                          .answered = on_answer,
                                          .context = loop};
    struct adapter_probe *p = adapter_probe_new(&config, trial->error);
    if (p == NULL)
        return false;
    struct ev_timer patience;
    ev_timer_init(&patience, on_patience, PATIENCE_MS / 1000.0, 0);
    ev_timer_start(loop, &patience);
    ev_run(loop, 0);
    struct adapter_probe_result result = *adapter_probe_result(p);
    adapter_probe_free(p);
    ev_loop_destroy(loop);
    if (result.first_answer_ns == 0) {
        snprintf(trial->error, SPACE_ERROR_SIZE, "none of %u packets came back", result.sent);
        return false;
    }
    dprintf(trial->output, "# %s: %llu ms until all were up, first answer %llu ms after\n",
            trial->adapter->name, (unsigned long long)(result.begun_ns / 1000000 - begun_ms),
            (unsigned long long)((result.first_answer_ns - result.begun_ns) / 1000000));
    return true;
}

static int try_it(void *argument)
{
    struct trial *trial = argument;
    trial->run = (struct adapter_run){.folder = folder, .hosts = trial->hosts, .count = HOSTS};
    bool good = build(trial);
    if (good && mkdir(folder, 0700) != 0) {
        snprintf(trial->error, SPACE_ERROR_SIZE, "cannot make %s: %s", folder, strerror(errno));
        good = false;
    }
    uint64_t begun_ms = now_ms();
    if (good) {
        adapter_number(&trial->run);
        good = adapter_write(trial->adapter, &trial->run, trial->error);
    }
    for (uint32_t i = 0; good && i < HOSTS; i++)
        good = start_and_wait(trial, i);
    good = good && probe(trial, begun_ms);
    if (!good)
        dprintf(trial->output, "# %s: %s\n", trial->adapter->name, trial->error);
    return good ? 0 : 1;
}

/* ---- Outside ---- */

/* All that comes out of the pipe until nobody can write to it any more; false if that never is. */
static bool read_all(int file, char log[static LOG_SIZE])
{
    uint32_t size = 0;
    uint64_t until_ms = now_ms() + READ_MS;
    for (;;) {
        struct pollfd readable = {.fd = file, .events = POLLIN};
        if (now_ms() > until_ms || poll(&readable, 1, READ_MS) != 1)
            return false;
        char chunk[4096];
        ssize_t got = read(file, chunk, sizeof chunk);
        if (got <= 0)
            return got == 0;
        for (ssize_t i = 0; i < got && size + 1 < LOG_SIZE; i++)
            log[size++] = chunk[i];
        log[size] = 0;
    }
}

/* The lines of the log that are ours: programs' output is of interest only when all else fails. */
static void print_log(const char *log, bool all)
{
    for (const char *line = log; *line != 0;) {
        size_t size = strcspn(line, "\n");
        if (all || line[0] == '#')
            print_message("%.*s\n", (int)size, line);
        line += size + (line[size] == '\n');
    }
}

static void test_two_clients_reach_each_other(void **state)
{
    static char log[LOG_SIZE];
    struct trial trial = {.adapter = adapter_find(*state)};
    char why[SPACE_ERROR_SIZE];
    if (!adapter_is_installed(trial.adapter, why) || !space_is_possible(why)) {
        print_message("# SKIP %s: %s\n", trial.adapter->name, why);
        skip();
    }
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    trial.output = ends[1];
    log[0] = 0;
    pid_t sandbox = space_sandbox(try_it, &trial, why);
    close(ends[1]);
    assert_true(sandbox > 0);
    /* At its end only when the sandbox and every program in it have ended. */
    bool ended = read_all(ends[0], log);
    close(ends[0]);
    int status = -1;
    assert_int_equal(waitpid(sandbox, &status, ended ? 0 : WNOHANG), ended ? sandbox : 0);
    print_log(log, !ended || status != 0);
    assert_true(ended);
    assert_int_equal(status, 0);
}

/* ---- The table ---- */

static void test_table(void **state)
{
    (void)state;
    static const char *const names[] = {"nebula", "nebula-relay", "n2n", "tinc", "wireguard"};
    uint32_t count = sizeof names / sizeof names[0];
    for (uint32_t i = 0; i < count; i++) {
        const struct adapter *adapter = adapter_find(names[i]);
        assert_non_null(adapter);
        assert_string_equal(adapter->name, names[i]);
        assert_ptr_equal(adapter_at(i), adapter);
        assert_true(strlen(adapter->about) > 0);
        assert_non_null(adapter->programs[0].file);
        assert_true(adapter->serves == (adapter->server_port != 0));
    }
    assert_null(adapter_at(count));
    assert_null(adapter_find("neb"));
    assert_null(adapter_find("nebula-relays"));
    assert_null(adapter_find(""));
}

static void test_what_is_missing_is_named(void **state)
{
    (void)state;
    static const struct adapter_program programs[] = {
        {"sh", "dash"}, {"no-such-program", "no-such-package"}, {NULL, NULL}};
    struct adapter adapter = {.name = "other", .programs = programs};
    char why[SPACE_ERROR_SIZE] = "";
    assert_false(adapter_is_installed(&adapter, why));
    assert_non_null(strstr(why, "no-such-program"));
    assert_non_null(strstr(why, "no-such-package"));
    adapter.programs = programs + 2;
    assert_true(adapter_is_installed(&adapter, why));
}

static void test_hosts_have_addresses_and_interfaces_of_their_own(void **state)
{
    (void)state;
    static struct adapter_host hosts[ADAPTER_HOSTS_MAX];
    static char interfaces[ADAPTER_HOSTS_MAX][SPACE_NAME_SIZE];
    struct adapter_run run = {.folder = folder, .hosts = hosts, .count = ADAPTER_HOSTS_MAX};
    adapter_number(&run);
    struct addr first = addr_v4(0x0a630001, 0), last = addr_v4(0x0a6300fa, 0);
    assert_true(addr_equal(&hosts[0].inner, &first));
    assert_true(addr_equal(&hosts[ADAPTER_HOSTS_MAX - 1].inner, &last));
    for (uint32_t i = 0; i < ADAPTER_HOSTS_MAX; i++) {
        adapter_interface(&run, i, interfaces[i]);
        assert_true(strlen(interfaces[i]) > 0);
        for (uint32_t j = 0; j < i; j++) {
            assert_string_not_equal(interfaces[i], interfaces[j]);
            assert_false(addr_equal(&hosts[i].inner, &hosts[j].inner));
        }
    }
}

static void test_a_mesh_without_a_server_is_refused(void **state)
{
    (void)state;
    struct adapter_host hosts[2] = {{.name = "alice"}, {.name = "bob"}};
    struct adapter_run run = {.folder = folder, .hosts = hosts, .count = 2};
    adapter_number(&run);
    for (uint32_t i = 0; adapter_at(i) != NULL; i++) {
        char error[SPACE_ERROR_SIZE] = "";
        assert_false(adapter_write(adapter_at(i), &run, error));
        assert_non_null(strstr(error, adapter_at(i)->name));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_what_is_missing_is_named),
        cmocka_unit_test(test_hosts_have_addresses_and_interfaces_of_their_own),
        cmocka_unit_test(test_a_mesh_without_a_server_is_refused),
        {"test_nebula", test_two_clients_reach_each_other, NULL, NULL, "nebula"},
        {"test_nebula_relay", test_two_clients_reach_each_other, NULL, NULL, "nebula-relay"},
        {"test_n2n", test_two_clients_reach_each_other, NULL, NULL, "n2n"},
        {"test_tinc", test_two_clients_reach_each_other, NULL, NULL, "tinc"},
        {"test_wireguard", test_two_clients_reach_each_other, NULL, NULL, "wireguard"},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
