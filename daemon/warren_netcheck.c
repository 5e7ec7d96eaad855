/* `warren netcheck`: what the network around this machine lets through. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "daemon/warren_client.h"
#include "daemon/warren_command.h"
#include "daemon/warren_grid.h"

/* A word of docs/status.md, and what it says to people. */
struct meaning {
    const char *member;
    const char *label;
    struct {
        const char *word;
        const char *text;
    } words[5];
};

/* So many of these have a line also where the tests could not tell. */
enum { MEANINGS_ALWAYS = 4 };
static const struct meaning meanings[] = {
    {"mapping",
     "  mapping",
     {{"EIM", "endpoint-independent (EIM)"},
      {"ADM", "address-dependent (ADM)"},
      {"APDM", "address- and port-dependent (APDM)"},
      {"dependent", "dependent on the endpoint (ADM or APDM)"}}},
    {"filtering",
     "  filtering",
     {{"EIF", "endpoint-independent (EIF)"},
      {"ADF", "address-dependent (ADF)"},
      {"APDF", "address- and port-dependent (APDF)"}}},
    {"hairpin",
     "  hairpin",
     {{"off", "no"},
      {"internal", "yes, with the internal source"},
      {"external", "yes, with the mapped source"}}},
    {"ports", "  port", {{"preserved", "kept"}, {"sequential", "sequential"}, {"random", "random"}}},
    {"pooling",
     "  pool",
     {{"paired", "one address for all ports"}, {"arbitrary", "several addresses"}}},
    {"trap",
     "  punch trap",
     {{"no", "no"}, {"yes", "yes: a refused datagram moves the mapping made afterwards"}}},
};

static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void row(struct warren_grid *grid, const char *label, const char *words)
{
    check(grid->columns == 2);
    warren_grid_cell(grid, GRID_PLAIN, label);
    warren_grid_cell(grid, GRID_PLAIN, words);
}

static void row_place(struct warren_grid *grid, const char *label, const json_t *place)
{
    const char *server = member(place, "server");
    const char *name = member(place, "name");
    if (server == NULL && name == NULL) {
        row(grid, label, "none");
        return;
    }
    char text[READABLE_SIZE];
    char words[256];
    double rtt_ms = json_number_value(json_object_get(place, "rtt_ms"));
    bool timed = rtt_ms > 0 && rtt_ms < 1e9;
    snprintf(words, sizeof words, "%s%s%s%s%s%s", name != NULL ? name : server,
             name != NULL && server != NULL ? " (" : "",
             name != NULL && server != NULL ? server : "",
             name != NULL && server != NULL ? ")" : "", timed ? ", " : "",
             timed ? readable_latency((uint64_t)(rtt_ms * 1000 + 0.5), text) : "");
    row(grid, label, words);
}

/* The discovery over one family. */
static void rows_family(struct warren_grid *grid, const char *label, const json_t *found)
{
    const char *nat = member(found, "nat");
    const char *mapped = member(found, "mapped");
    char words[256];
    if (!json_is_object(found)) {
        row(grid, label, "no: no server has such an address, or this machine has none");
        return;
    }
    if (nat == NULL || strcmp(nat, "unknown") == 0)
        row(grid, label,
            "unknown: the server answered with an error, or no socket could be opened");
    else if (strcmp(nat, "blocked") == 0)
        row(grid, label, "no: nothing came back");
    else {
        bool none = strcmp(nat, "none") == 0;
        snprintf(words, sizeof words, "yes, %s%s%s", none ? "no NAT" : "behind a NAT",
                 mapped == NULL ? "" : ", seen at ", mapped == NULL ? "" : mapped);
        row(grid, label, words);
    }
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++) {
        const char *word = member(found, meanings[i].member);
        const char *text = word;
        for (size_t j = 0; word != NULL && j < 5 && meanings[i].words[j].word != NULL; j++)
            if (strcmp(word, meanings[i].words[j].word) == 0)
                text = meanings[i].words[j].text;
        bool known = word != NULL && strcmp(word, "unknown") != 0;
        if (known || (word != NULL && i < MEANINGS_ALWAYS))
            row(grid, meanings[i].label, known ? text : "not known");
    }
}

static void print_found(const json_t *found)
{
    struct warren_grid grid = {.columns = 2};
    row(&grid, "UDP",
        json_is_true(json_object_get(found, "udp")) ? "yes" : "no: blocked, or no server runs");
    rows_family(&grid, "IPv4", json_object_get(found, "ipv4"));
    rows_family(&grid, "IPv6", json_object_get(found, "ipv6"));
    row_place(&grid, "nearest server", json_object_get(found, "nearest"));
    row_place(&grid, "home", json_object_get(found, "home"));
    const char *mapped = member(found, "mapped");
    if (mapped != NULL)
        row(&grid, "home sees", mapped);
    warren_grid_print(&grid, stdout, false);
    warren_grid_free(&grid);
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
            return command_wrong_option(&warren_netcheck, option, argv);
    }
    if (optind < argc)
        return command_wrong(&warren_netcheck, "it takes no '%s'", argv[optind]);
    json_t *found = client_ask_once(control, "netcheck", NULL);
    if (found == NULL)
        return COMMAND_FAILED;
    if (json) {
        json_dumpf(found, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
        putchar('\n');
    } else {
        print_found(found);
    }
    bool udp = json_is_true(json_object_get(found, "udp"));
    json_decref(found);
    return udp ? COMMAND_OK : COMMAND_FAILED;
}

const struct warren_command warren_netcheck = {
    .name = "netcheck",
    .form = "[--json] [--control SOCKET]",
    .about = "what the network here lets through, and which server is nearest",
    .help =
        "Asks the servers how the NATs in front of this machine behave; it takes up to fifteen seconds.\n"
        "\n"
        "  --json            print what the daemon says, as one JSON object\n"
        "  --control SOCKET  the daemon's socket; default " WARREN_CONTROL "\n"
        "\n"
        "Exit status: 0 UDP passes; 1 it does not, or nothing could be found out.\n",
    .run = run,
};
