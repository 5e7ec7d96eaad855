/* `warren status`: the peers, how each is reached, and why. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "daemon/warren_client.h"
#include "daemon/warren_command.h"
#include "daemon/warren_grid.h"

static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static const char *or_dash(const char *words)
{
    return words != NULL && words[0] != 0 ? words : "-";
}

/* What negative or missing numbers are is 0. */
static uint64_t count_of(const json_t *object, const char *name)
{
    double value = json_number_value(json_object_get(object, name));
    return value > 0 && value < 1e18 ? (uint64_t)value : 0;
}

static void add_name(struct warren_grid *grid, const json_t *peer)
{
    const char *name = member(peer, "name");
    name = name != NULL ? name : member(peer, "peer");
    warren_grid_cell(grid, GRID_PLAIN, or_dash(name != NULL ? name : member(peer, "key")));
}

/* Those that do not fit are counted: "10.64.0.3/32 +2". */
static void add_addresses(struct warren_grid *grid, const json_t *peer)
{
    const json_t *addresses = json_object_get(peer, "addresses");
    const char *first = or_dash(json_string_value(json_array_get(addresses, 0)));
    size_t size = strlen(first);
    bool v6 = strchr(first, ':') != NULL;
    if (size > 4 && strcmp(first + size - 4, "/128") == 0 && v6)
        size -= 4;
    else if (size > 3 && strcmp(first + size - 3, "/32") == 0 && !v6)
        size -= 3;
    char words[128];
    size_t more = json_array_size(addresses);
    if (more > 1)
        snprintf(words, sizeof words, "%.*s +%zu", (int)size, first, more - 1);
    else
        snprintf(words, sizeof words, "%.*s", (int)size, first);
    warren_grid_cell(grid, GRID_PLAIN, words);
}

static void add_path(struct warren_grid *grid, const json_t *peer)
{
    static const struct {
        const char *word;
        enum warren_grid_colour colour;
    } paths[] = {{"direct", GRID_GOOD}, {"relayed", GRID_DOUBTFUL}, {"unreachable", GRID_BAD}};
    const char *path = or_dash(member(peer, "path"));
    enum warren_grid_colour colour = GRID_PLAIN;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(path, paths[i].word) == 0)
            colour = paths[i].colour;
    char words[128];
    const char *via = member(peer, "via");
    if (json_is_true(json_object_get(peer, "hub")))
        snprintf(words, sizeof words, "%s, hub", path);
    else if (via != NULL)
        snprintf(words, sizeof words, "%s via %s", path, via);
    else
        snprintf(words, sizeof words, "%s", path);
    warren_grid_cell(grid, colour, words);
}

static void add_times(struct warren_grid *grid, const json_t *peer)
{
    char words[READABLE_SIZE + 8] = "-";
    char text[READABLE_SIZE];
    double rtt_ms = json_number_value(json_object_get(peer, "rtt_ms"));
    if (rtt_ms > 0 && rtt_ms < 1e9)
        snprintf(words, sizeof words, "%s",
                 readable_latency((uint64_t)(rtt_ms * 1000 + 0.5), text));
    warren_grid_cell(grid, GRID_PLAIN, words);
    snprintf(words, sizeof words, "never");
    if (json_is_number(json_object_get(peer, "last_handshake_s")))
        snprintf(words, sizeof words, "%s ago",
                 readable_seconds(count_of(peer, "last_handshake_s"), text));
    warren_grid_cell(grid, GRID_PLAIN, words);
}

static void add_bytes(struct warren_grid *grid, uint64_t sent, uint64_t received)
{
    char out[READABLE_SIZE];
    char in[READABLE_SIZE];
    char words[2 * READABLE_SIZE + 8];
    snprintf(words, sizeof words, "%s / %s", readable_bytes(sent, out),
             readable_bytes(received, in));
    warren_grid_cell(grid, GRID_PLAIN, sent + received == 0 ? "-" : words);
}

static void print_peers(const json_t *peers)
{
    static const char *const heads[] = {"PEER",      "ADDRESS",       "PATH",
                                        "REASON",    "ENDPOINT",      "RTT",
                                        "HANDSHAKE", "DIRECT OUT/IN", "RELAYED OUT/IN"};
    struct warren_grid grid = {.columns = sizeof heads / sizeof *heads};
    check(grid.columns <= GRID_COLUMNS_MAX);
    for (uint32_t i = 0; i < grid.columns; i++)
        warren_grid_cell(&grid, GRID_PLAIN, heads[i]);
    size_t index;
    const json_t *peer;
    json_array_foreach(peers, index, peer)
    {
        add_name(&grid, peer);
        add_addresses(&grid, peer);
        add_path(&grid, peer);
        warren_grid_cell(&grid, GRID_PLAIN, or_dash(member(peer, "reason")));
        warren_grid_cell(&grid, GRID_PLAIN, or_dash(member(peer, "endpoint")));
        add_times(&grid, peer);
        add_bytes(&grid, count_of(peer, "sent_direct"), count_of(peer, "received_direct"));
        add_bytes(&grid, count_of(peer, "sent_relayed"), count_of(peer, "received_relayed"));
    }
    warren_grid_print(&grid, stdout, warren_grid_is_coloured(stdout));
    warren_grid_free(&grid);
}

/* One line on this node: "alice, client, 10.64.0.2/22 on warren0, home s1, seen at ..., up 2h 5m". */
static void print_node(const json_t *status)
{
    readable_print(stdout, or_dash(member(status, "name")));
    printf(", ");
    readable_print(stdout, or_dash(member(status, "role")));
    const json_t *addresses = json_object_get(status, "addresses");
    size_t index;
    const json_t *address;
    json_array_foreach(addresses, index, address)
    {
        printf(", ");
        readable_print(stdout, or_dash(json_string_value(address)));
    }
    const char *interface = member(status, "interface");
    if (interface != NULL) {
        printf(" on ");
        readable_print(stdout, interface);
    }
    const json_t *home = json_object_get(status, "home");
    const char *name = member(home, "name");
    if (home != NULL && json_is_object(home)) {
        printf(", home ");
        readable_print(stdout, or_dash(name != NULL ? name : member(home, "server")));
    } else if (strcmp(or_dash(member(status, "role")), "client") == 0) {
        printf(", no home");
    }
    const char *mapped = member(status, "mapped");
    if (mapped != NULL) {
        printf(", seen at ");
        readable_print(stdout, mapped);
    }
    char text[READABLE_SIZE];
    printf(", up %s\n", readable_seconds(count_of(status, "uptime_s"), text));
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'},
                                            {"control", required_argument, NULL, 's'},
                                            {NULL, 0, NULL, 0}};
    const char *control = WARREN_CONTROL;
    bool json = false;
    for (int option; (option = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        if (option == 'j')
            json = true;
        else if (option == 's')
            control = optarg;
        else
            return command_wrong_option(&warren_status, option, argv);
    }
    if (optind < argc)
        return command_wrong(&warren_status, "it takes no '%s'", argv[optind]);
    json_t *status = client_ask_once(control, "status", NULL);
    if (status == NULL)
        return COMMAND_FAILED;
    const json_t *peers = json_object_get(status, "peers");
    if (json) {
        json_dumpf(status, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
        putchar('\n');
    } else {
        print_node(status);
        if (json_array_size(peers) == 0)
            puts("no peers");
        else
            print_peers(peers);
    }
    json_decref(status);
    return COMMAND_OK;
}

const struct warren_command warren_status = {
    .name = "status",
    .form = "[--json] [--control SOCKET]",
    .about = "the peers: how each is reached, and why",
    .help =
        "A line on this node, and a table of its peers: tunnel address, path, the reason for it,\n"
        "where datagrams go, round trip, last handshake, and bytes sent / received on direct\n"
        "paths and through relays.\n"
        "\n"
        "  --json            print what the daemon says, as one JSON object\n"
        "  --control SOCKET  the daemon's socket; default " WARREN_CONTROL "\n",
    .run = run,
};
