/*
 * Tests the probe between two hosts with a cable in place of a mesh: what it counts, whom it
 * believes, and when it asks whether the way is direct.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <ev.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netns/adapter_probe.h"
#include "netns/space_test.h"

enum {
    NETWORK = 0x0a630000, /* 10.99.0.0/24 */
    ANSWERS_MAX = 256,
    WANTED = 5,
    PATIENCE_S = 20,
};

/* Two hosts, each with 10.99.0.N on eth0, and a loop. */
struct pair {
    struct ev_loop *loop;
    struct adapter_probe_end ends[2];
    struct ev_timer patience;
    struct adapter_probe_answer answers[ANSWERS_MAX];
    uint32_t count;
    uint32_t asked;
    uint32_t arrived;
    bool answered_before; /* the first arrival was told of */
    bool gave_up;
};

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)events;
    ((struct pair *)timer->data)->gave_up = true;
    ev_break(loop, EVBREAK_ALL);
}

static bool set_up_end(struct pair *pair, uint32_t i, char error[static SPACE_ERROR_SIZE])
{
    struct adapter_probe_end *end = &pair->ends[i];
    end->inner = addr_v4(NETWORK + i + 1, 0);
    snprintf(end->interface, sizeof end->interface, "eth0");
    char address[32];
    snprintf(address, sizeof address, "10.99.0.%u/24", (unsigned)i + 1);
    const char *take[] = {"ip", "address", "add", address, "dev", "eth0", NULL};
    const char *up[] = {"ip", "link", "set", "eth0", "up", NULL};
    return space_run(end->host, take, NULL, error) && space_run(end->host, up, NULL, error);
}

/* The cable is made in the sandbox's own namespace, whose first process this is. */
static bool set_up(struct pair *pair, char error[static SPACE_ERROR_SIZE])
{
    *pair = (struct pair){.loop = ev_loop_new(EVFLAG_AUTO)};
    int own = space_own(error);
    pair->ends[0].host = space_host(error);
    pair->ends[1].host = space_host(error);
    if (own < 0 || pair->ends[0].host < 0 || pair->ends[1].host < 0)
        return false;
    const char *one[] = {"ip",   "link", "add",   "eth0",  "type", "veth",
                         "peer", "name", "other", "netns", "1",    NULL};
    char path[64];
    snprintf(path, sizeof path, "/proc/1/fd/%d", pair->ends[1].host);
    const char *other[] = {"ip", "link", "set", "other", "netns", path, "name", "eth0", NULL};
    bool good = space_run(pair->ends[0].host, one, NULL, error) &&
                space_run(own, other, NULL, error) && set_up_end(pair, 0, error) &&
                set_up_end(pair, 1, error);
    close(own);
    ev_timer_init(&pair->patience, on_patience, PATIENCE_S, 0);
    pair->patience.data = pair;
    ev_timer_start(pair->loop, &pair->patience);
    return good;
}

static void on_answer(void *context, const struct adapter_probe_answer *answer)
{
    struct pair *pair = context;
    if (pair->count < ANSWERS_MAX)
        pair->answers[pair->count++] = *answer;
    if (pair->count == WANTED)
        ev_break(pair->loop, EVBREAK_ALL);
}

/* Says yes from the third time on. */
static bool is_direct(void *context)
{
    struct pair *pair = context;
    return ++pair->asked >= 3;
}

static void on_arrived(void *context)
{
    struct pair *pair = context;
    pair->arrived++;
    pair->answered_before = pair->answered_before || pair->count > 0;
}

static struct adapter_probe_config config_of(struct pair *pair)
{
    return (struct adapter_probe_config){.loop = pair->loop,
                                         .from = pair->ends[0],
                                         .to = pair->ends[1],
                                         .direct = is_direct,
                                         .arrived = on_arrived,
                                         .answered = on_answer,
                                         .context = pair};
}

/* Times are in order, and the predicate has been asked where a whole way lies in between. */
static int check_answers(const struct pair *pair, const struct adapter_probe_result *result)
{
    uint64_t asked_ns = result->begun_ns;
    uint32_t asked = 0;
    for (uint32_t i = 0; i < pair->count; i++) {
        const struct adapter_probe_answer *answer = &pair->answers[i];
        expect(answer->number < result->sent);
        expect(i == 0 || answer->number > pair->answers[i - 1].number);
        expect(answer->sent_ns >= result->begun_ns);
        expect(answer->answered_ns >= answer->sent_ns);
        bool asks = answer->sent_ns >= asked_ns;
        if (asks) {
            asked++;
            asked_ns = answer->answered_ns;
        }
        expect(answer->direct == (asks && asked >= 3));
        if (answer->direct && asked == 3)
            expect(result->first_direct_ns == answer->answered_ns);
    }
    expect(pair->asked == asked);
    expect(result->first_answer_ns == pair->answers[0].answered_ns);
    expect(result->first_arrival_ns >= pair->answers[0].sent_ns);
    expect(result->first_arrival_ns <= result->first_answer_ns);
    expect(pair->arrived == 1 && !pair->answered_before);
    expect(result->answers == pair->count && result->sent >= result->answers);
    return OK;
}

static int answers_are_counted(void *argument)
{
    (void)argument;
    struct pair pair;
    char error[SPACE_ERROR_SIZE] = "";
    expect_done(set_up(&pair, error));
    struct adapter_probe_config config = config_of(&pair);
    struct adapter_probe *probe = adapter_probe_new(&config, error);
    expect_done(probe != NULL);
    ev_run(pair.loop, 0);
    expect(!pair.gave_up);
    expect(pair.count >= WANTED);
    if (check_answers(&pair, adapter_probe_result(probe)) != OK)
        return WRONG;
    adapter_probe_free(probe);
    adapter_probe_free(NULL);
    ev_timer_stop(pair.loop, &pair.patience);
    /* It has left nothing in the loop, so this comes back at once. */
    ev_run(pair.loop, 0);
    ev_loop_destroy(pair.loop);
    return OK;
}

/* A packet to the probe's own port, of this size and all bytes alike. */
static bool disturb(const struct pair *pair, uint32_t from, uint32_t to, size_t size,
                    char error[static SPACE_ERROR_SIZE])
{
    uint8_t junk[64];
    memset(junk, 0x57, sizeof junk);
    int file = space_socket(pair->ends[from].host, AF_INET, SOCK_DGRAM, 0, error);
    if (file < 0)
        return false;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(ADAPTER_PROBE_PORT)};
    memcpy(&at.sin_addr, pair->ends[to].inner.ip, sizeof at.sin_addr);
    bool sent =
        sendto(file, junk, size, 0, (const struct sockaddr *)&at, sizeof at) == (ssize_t)size;
    close(file);
    return sent;
}

static int strangers_are_not_counted(void *argument)
{
    (void)argument;
    struct pair pair;
    char error[SPACE_ERROR_SIZE] = "";
    expect_done(set_up(&pair, error));
    struct adapter_probe_config config = config_of(&pair);
    struct adapter_probe *probe = adapter_probe_new(&config, error);
    expect_done(probe != NULL);
    static const size_t sizes[] = {0, 1, 15, 16, 17, 64};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        expect_done(disturb(&pair, 1, 0, sizes[i], error));
        expect_done(disturb(&pair, 0, 1, sizes[i], error));
    }
    ev_run(pair.loop, 0);
    expect(!pair.gave_up);
    if (check_answers(&pair, adapter_probe_result(probe)) != OK)
        return WRONG;
    adapter_probe_free(probe);
    return OK;
}

/* What must go through the mesh does not find another way. */
static int another_way_is_not_taken(void *argument)
{
    (void)argument;
    struct pair pair;
    char error[SPACE_ERROR_SIZE] = "";
    expect_done(set_up(&pair, error));
    /* An interface with the same address that leads nowhere. */
    const char *dead[] = {"ip",   "link", "add",     "dead",  "type", "veth",
                          "peer", "name", "nowhere", "netns", "1",    NULL};
    const char *take[] = {"ip", "address", "add", "10.99.0.1/32", "dev", "dead", NULL};
    const char *up[] = {"ip", "link", "set", "dead", "up", NULL};
    expect_done(space_run(pair.ends[0].host, dead, NULL, error));
    expect_done(space_run(pair.ends[0].host, take, NULL, error));
    expect_done(space_run(pair.ends[0].host, up, NULL, error));
    snprintf(pair.ends[0].interface, sizeof pair.ends[0].interface, "dead");
    struct adapter_probe_config config = config_of(&pair);
    struct adapter_probe *probe = adapter_probe_new(&config, error);
    expect_done(probe != NULL);
    ev_timer_stop(pair.loop, &pair.patience);
    ev_timer_set(&pair.patience, 0.5, 0);
    ev_timer_start(pair.loop, &pair.patience);
    ev_run(pair.loop, 0);
    const struct adapter_probe_result *result = adapter_probe_result(probe);
    expect(result->sent > 0 && result->answers == 0);
    expect(result->first_arrival_ns == 0 && result->first_answer_ns == 0);
    expect(pair.asked == 0 && pair.arrived == 0 && result->first_direct_ns == 0);
    adapter_probe_free(probe);
    return OK;
}

static int an_interface_that_is_missing_is_named(void *argument)
{
    (void)argument;
    struct pair pair;
    char error[SPACE_ERROR_SIZE] = "";
    expect_done(set_up(&pair, error));
    for (uint32_t i = 0; i < 2; i++) {
        struct adapter_probe_config config = config_of(&pair);
        struct adapter_probe_end *end = i == 0 ? &config.from : &config.to;
        snprintf(end->interface, sizeof end->interface, "missing%u", (unsigned)i);
        expect(adapter_probe_new(&config, error) == NULL);
        expect(strstr(error, end->interface) != NULL);
    }
    return OK;
}

struct trial {
    const char *name;
    space_main *main;
};

static struct trial trials[] = {
    {"answers_are_counted", answers_are_counted},
    {"strangers_are_not_counted", strangers_are_not_counted},
    {"another_way_is_not_taken", another_way_is_not_taken},
    {"an_interface_that_is_missing_is_named", an_interface_that_is_missing_is_named},
};
enum { TRIALS = sizeof trials / sizeof trials[0] };

static void test_in_a_sandbox(void **state)
{
    const struct trial *trial = *state;
    need_sandboxes();
    assert_int_equal(run(trial->main, NULL), OK);
}

int main(void)
{
    struct CMUnitTest tests[TRIALS] = {{.name = NULL}};
    for (uint32_t i = 0; i < TRIALS; i++)
        tests[i] = (struct CMUnitTest){
            .name = trials[i].name, .test_func = test_in_a_sandbox, .initial_state = &trials[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
