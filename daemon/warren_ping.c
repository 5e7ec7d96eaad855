/* `warren ping`: echo requests through the tunnel, each with the path that its answer came on. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <arpa/inet.h>

#include "core/base/check.h"
#include "daemon/clock.h"
#include "daemon/warren_client.h"
#include "daemon/warren_command.h"
#include "daemon/warren_echo.h"
#include "daemon/warren_grid.h"

#define TENTH_NS UINT64_C(100000000)

enum {
    PING_COUNT = 10,
    PING_COUNT_MAX = 10 * 1000 * 1000,
    PING_ADDRESS_SIZE = INET6_ADDRSTRLEN,
};

struct ping {
    const char *peer;
    const char *control;
    uint32_t count; /* 0: until a signal */
    uint32_t interval_tenths;
    uint32_t wait_tenths;
    bool until_direct;
    bool is_direct; /* the last answer came on a direct path */
    char address[PING_ADDRESS_SIZE];
    uint32_t sent;
    uint32_t received;
    uint32_t direct;
    uint64_t least_ns;
    uint64_t most_ns;
    uint64_t all_ns;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
    (void)signal;
    stopped = 1;
}

/* The peer as the daemon sees it now, or NULL. The caller's to json_decref. */
static json_t *ask_peer(struct warren_client *client, const struct ping *ping)
{
    json_t *arguments = json_pack("{s:s}", "peer", ping->peer);
    if (arguments == NULL) {
        command_failed("the peer's name is not text");
        return NULL;
    }
    json_t *answer = client_ask(client, "peer-status", arguments);
    json_decref(arguments);
    json_t *peer = json_incref(json_object_get(answer, "peer"));
    if (answer != NULL && peer == NULL)
        command_failed("warrend did not say how it reaches %s", ping->peer);
    json_decref(answer);
    return peer;
}

/* The first prefix that is one address. */
static bool choose_address(struct ping *ping, const json_t *peer)
{
    size_t index;
    const json_t *value;
    json_array_foreach(json_object_get(peer, "addresses"), index, value)
    {
        const char *text = json_string_value(value);
        if (text == NULL)
            continue;
        size_t size = strcspn(text, "/");
        const char *whole = memchr(text, ':', size) != NULL ? "/128" : "/32";
        if (size >= sizeof ping->address || (text[size] != 0 && strcmp(text + size, whole) != 0))
            continue;
        memcpy(ping->address, text, size);
        ping->address[size] = 0;
        return true;
    }
    return false;
}

/* "direct 203.0.113.7:51940", "relayed via s1 (apdm-against-apdf)", "pending". */
static void print_path(const json_t *peer)
{
    const char *path = json_string_value(json_object_get(peer, "path"));
    const char *reason = json_string_value(json_object_get(peer, "reason"));
    const char *endpoint = json_string_value(json_object_get(peer, "endpoint"));
    const char *via = json_string_value(json_object_get(peer, "via"));
    bool relayed = path != NULL && strcmp(path, "relayed") == 0;
    readable_print(stdout, path != NULL ? path : "by an unknown path");
    if (relayed && (via != NULL || endpoint != NULL))
        fputs(" via ", stdout);
    else if (!relayed && endpoint != NULL)
        fputs(" ", stdout);
    if (relayed && via != NULL)
        readable_print(stdout, via);
    else if (endpoint != NULL)
        readable_print(stdout, endpoint);
    if (reason != NULL && (path == NULL || strcmp(path, "direct") != 0)) {
        fputs(" (", stdout);
        readable_print(stdout, reason);
        fputs(")", stdout);
    }
    fputs("\n", stdout);
    fflush(stdout);
}

static void note_reply(struct ping *ping, uint64_t took_ns)
{
    ping->least_ns = ping->received == 0 || took_ns < ping->least_ns ? took_ns : ping->least_ns;
    ping->most_ns = took_ns > ping->most_ns ? took_ns : ping->most_ns;
    ping->all_ns += took_ns;
    ping->received++;
    check(ping->received <= ping->sent);
}

/* One request, its line, and the path. False where the daemon or the socket fails. */
static bool ping_once(struct ping *ping, const struct echo *echo, struct warren_client *client)
{
    uint16_t sequence = (uint16_t)ping->sent++;
    uint64_t begun_ns = clock_monotonic_ns();
    int error = 0;
    if (!echo_send(echo, sequence) ||
        !echo_wait(echo, sequence, begun_ns + ping->wait_tenths * TENTH_NS))
        error = errno;
    uint64_t took_ns = clock_monotonic_ns() - begun_ns;
    if (error == EINTR && stopped) {
        ping->sent--;
        return true;
    }
    if (error == EACCES || error == EPERM) {
        command_failed("cannot send to %s: %s; a firewall here forbids it", ping->address,
                       strerror(error));
        return false;
    }
    json_t *peer = ask_peer(client, ping);
    if (peer == NULL)
        return false;
    char text[READABLE_SIZE];
    if (error == 0) {
        note_reply(ping, took_ns);
        const char *path = json_string_value(json_object_get(peer, "path"));
        ping->is_direct = path != NULL && strcmp(path, "direct") == 0;
        ping->direct += ping->is_direct;
        printf("from %s (%s): %s ", ping->peer, ping->address,
               readable_latency(took_ns / 1000, text));
    } else if (error == ETIMEDOUT) {
        printf("no answer from %s (%s) in %" PRIu32 ".%" PRIu32 " s: ", ping->peer, ping->address,
               ping->wait_tenths / 10, ping->wait_tenths % 10);
    } else {
        printf("nothing sent to %s (%s), %s: ", ping->peer, ping->address, strerror(error));
    }
    print_path(peer);
    json_decref(peer);
    return true;
}

static void sleep_until(uint64_t until_ns)
{
    struct timespec until = {.tv_sec = (time_t)(until_ns / (10 * TENTH_NS)),
                             .tv_nsec = (long)(until_ns % (10 * TENTH_NS))};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL);
}

static void print_sum(const struct ping *ping)
{
    printf("%" PRIu32 " sent, %" PRIu32 " received", ping->sent, ping->received);
    if (ping->received > 0) {
        char texts[3][READABLE_SIZE];
        printf(", %" PRIu32 " of them direct; least %s, mean %s, most %s", ping->direct,
               readable_latency(ping->least_ns / 1000, texts[0]),
               readable_latency(ping->all_ns / ping->received / 1000, texts[1]),
               readable_latency(ping->most_ns / 1000, texts[2]));
    }
    putchar('\n');
}

/*
 * A peer that has just been named may have no address until it has shown its credential: as long as
 * an answer is waited for, so is that. False when the daemon does not know the peer at all.
 */
static bool wait_for_address(struct ping *ping, struct warren_client *client, bool *found)
{
    uint64_t until_ns = clock_monotonic_ns() + ping->wait_tenths * TENTH_NS;
    for (;;) {
        json_t *peer = ask_peer(client, ping);
        if (peer == NULL)
            return false;
        *found = choose_address(ping, peer);
        json_decref(peer);
        uint64_t now_ns = clock_monotonic_ns();
        if (*found || stopped || now_ns >= until_ns)
            return true;
        sleep_until(now_ns + TENTH_NS);
    }
}

static int ping_all(struct ping *ping, struct warren_client *client)
{
    bool found = false;
    if (!wait_for_address(ping, client, &found))
        return COMMAND_FAILED;
    if (!found)
        return command_failed("%s has no address that can be pinged: none is known, or only "
                              "subnets are",
                              ping->peer);
    struct echo echo;
    if (!echo_open(&echo, ping->address)) {
        int error = errno;
        echo_close(&echo);
        bool forbidden = error == EACCES || error == EPERM;
        return command_failed("cannot make an ICMP socket: %s%s", strerror(error),
                              forbidden ? "; be root, or let your group have them with "
                                          "'sysctl net.ipv4.ping_group_range=\"0 65535\"'"
                                        : "");
    }
    bool works = true;
    while (works && !stopped && (ping->count == 0 || ping->sent < ping->count)) {
        uint64_t next_ns = clock_monotonic_ns() + ping->interval_tenths * TENTH_NS;
        works = ping_once(ping, &echo, client);
        if (ping->until_direct && ping->is_direct)
            break;
        if (works && !stopped && ping->sent != ping->count)
            sleep_until(next_ns);
    }
    echo_close(&echo);
    print_sum(ping);
    bool reached = ping->until_direct ? ping->is_direct : ping->received > 0;
    if (works && ping->until_direct && !reached)
        return command_failed("no direct path to %s yet", ping->peer);
    return works && reached ? COMMAND_OK : COMMAND_FAILED;
}

/* A signal ends a wait, and the sum is printed. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = stop};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

static int read_options(int argc, char **argv, struct ping *ping)
{
    static const struct option options[] = {
        {"count", required_argument, NULL, 'c'},   {"interval", required_argument, NULL, 'i'},
        {"wait", required_argument, NULL, 'W'},    {"until-direct", no_argument, NULL, 'u'},
        {"control", required_argument, NULL, 's'}, {NULL, 0, NULL, 0}};
    for (int option; (option = getopt_long(argc, argv, ":c:i:W:", options, NULL)) != -1;) {
        if (option == 'u')
            ping->until_direct = true;
        else if (option == 's')
            ping->control = optarg;
        else if (option == 'c' && !command_number(optarg, 0, PING_COUNT_MAX, &ping->count))
            return command_wrong(&warren_ping, "the count is a number from 0 to %d, not '%s'",
                                 PING_COUNT_MAX, optarg);
        else if (option == 'i' && !command_tenths(optarg, 1, 36000, &ping->interval_tenths))
            return command_wrong(&warren_ping, "the interval is from 0.1 to 3600 s, not '%s'",
                                 optarg);
        else if (option == 'W' && !command_tenths(optarg, 1, 36000, &ping->wait_tenths))
            return command_wrong(&warren_ping, "the wait is from 0.1 to 3600 s, not '%s'", optarg);
        else if (option == '?' || option == ':')
            return command_wrong_option(&warren_ping, option, argv);
    }
    if (optind == argc)
        return command_wrong(&warren_ping, "no peer is named");
    if (argc - optind > 1)
        return command_wrong(&warren_ping, "one peer is pinged at a time, and '%s' is a second",
                             argv[optind + 1]);
    ping->peer = argv[optind];
    return COMMAND_OK;
}

static int run(int argc, char **argv)
{
    struct ping ping = {
        .control = WARREN_CONTROL, .count = PING_COUNT, .interval_tenths = 10, .wait_tenths = 20};
    int status = read_options(argc, argv, &ping);
    if (status != COMMAND_OK)
        return status;
    struct warren_client client;
    if (!client_open(&client, ping.control))
        return COMMAND_FAILED;
    catch_signals();
    status = ping_all(&ping, &client);
    client_close(&client);
    return status;
}

const struct warren_command warren_ping = {
    .name = "ping",
    .form = "PEER [-c COUNT] [-i SECONDS] [-W SECONDS] [--until-direct] [--control SOCKET]",
    .about = "echo requests through the tunnel, and the path of each answer",
    .help =
        "PEER is a peer's name, identity or tunnel key. Each line says how long the answer took,\n"
        "and whether it came on a direct path or through which relay, and why.\n"
        "\n"
        "  -c, --count COUNT        so many requests; 0: until interrupted. Default 10\n"
        "  -i, --interval SECONDS   from one to the next; default 1\n"
        "  -W, --wait SECONDS       for an answer; default 2\n"
        "  --until-direct           stop at the first answer on a direct path\n"
        "  --control SOCKET         the daemon's socket; default " WARREN_CONTROL "\n"
        "\n"
        "Exit status: 0 an answer came, with --until-direct on a direct path; 1 otherwise.\n",
    .run = run,
};
