/*
 * A small host of the core over real UDP sockets: serves STUN, or finds out what NAT this machine
 * is behind.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <arpa/inet.h>

#include "core/base/check.h"
#include "core/warren.h"
#include "crypto/crypto.h"
#include "daemon/udp.h"
#include "host/check.h"
#include "host/drive.h"
#include "host/tape.h"

#define VERSION "0.1"
#define SECOND_NS UINT64_C(1000000000)

enum {
    EXIT_USAGE = 2,
    STUN_PORT = 3478,            /* RFC 8489, section 18.6 */
    SECONDS_MAX = 100 * 1000000, /* about three years */
    HOST_TEXT_SIZE = 256,
    ADDR_TEXT_SIZE = 64,
};

struct probe_host {
    struct node_env env;
    void *memory;
    struct drive drive;
    struct udp udp;
    uint64_t stop_ns; /* NODE_NEVER: only a signal stops it */
    struct tape_writer tape;
    FILE *tape_file; /* NULL: nothing is recorded */
    const char *tape_name;
    bool found; /* `behaviour` is there */
    struct stun_behaviour behaviour;
};

static volatile sig_atomic_t stopped;

static const char help[] =
    "Serves STUN, or finds out what NAT this machine is behind.\n"
    "\n"
    "  stun-probe serve --address A [--address A]... [OPTION]...\n"
    "  stun-probe discover SERVER[:PORT] [SERVER[:PORT]] [OPTION]...\n"
    "\n"
    "serve\n"
    "  --address A         an address of this machine, up to two of each family; all the\n"
    "                      tests of RFC 5780 need two\n"
    "  --port N            default 3478\n"
    "  --alternate-port N  default one more than --port; 0 for none\n"
    "  --for SECONDS       stop after this time; default at SIGINT or SIGTERM\n"
    "discover\n"
    "  SERVER              a name or an address; IPv6 in brackets where a port follows.\n"
    "                      A second server helps where the first has one address only\n"
    "  -4, -6              take the IPv4 or the IPv6 address of a name\n"
    "  --json              print one line of JSON\n"
    "both\n"
    "  --tape FILE         record all that happens, to replay it with warren-lab\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 found, or served; 1 blocked, unknown or failed; 2 wrong command line.\n";

/* Says what went wrong, and ends the program. */
__attribute__((format(printf, 2, 3))) static _Noreturn void die(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("stun-probe: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

/* ---- What the command line says -------------------------------------------------------------- */

static uint64_t parse_number(const char *what, const char *text, uint64_t low, uint64_t high)
{
    uint64_t number = 0;
    size_t digits = strspn(text, "0123456789");
    if (digits > 0 && digits < 10 && text[digits] == 0)
        number = strtoull(text, NULL, 10);
    else
        digits = 0;
    if (digits == 0 || number < low || number > high)
        die(EXIT_USAGE, "%s must be a number from %" PRIu64 " to %" PRIu64 ", not '%s'", what, low,
            high, text);
    return number;
}

/*
 * An address as the core knows it: one that a host can have, and that needs no interface beside it.
 */
static struct addr parsed_addr(const char *text, const struct sockaddr *from, uint16_t port)
{
    struct addr addr = {0};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, from, sizeof v4);
        addr = addr_v4(ntohl(v4.sin_addr.s_addr), port);
    } else if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;
        memcpy(&v6, from, sizeof v6);
        if (IN6_IS_ADDR_LINKLOCAL(&v6.sin6_addr))
            die(EXIT_USAGE, "'%s' is a link-local address; name a global or private one", text);
        if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr))
            die(EXIT_USAGE, "'%s' is an IPv4 address in IPv6 form; write it as IPv4", text);
        addr = addr_v6(v6.sin6_addr.s6_addr, port);
    }
    if (!addr_is_unicast(&addr))
        die(EXIT_USAGE, "'%s' is not an address of one host", text);
    return addr;
}

/* Only numbers: what a server listens on must not depend on a name's answer. */
static struct addr parse_address(const char *text)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    if (getaddrinfo(text, NULL, &hints, &list) != 0)
        die(EXIT_USAGE, "'%s' is not an IP address; `ip address` lists those of this machine",
            text);
    struct addr addr = parsed_addr(text, list->ai_addr, 0);
    freeaddrinfo(list);
    return addr;
}

/*
 * HOST, HOST:PORT, [HOST]:PORT, or an IPv6 address bare. `family` is AF_UNSPEC, AF_INET or
 * AF_INET6.
 */
static struct addr parse_server(const char *text, int family)
{
    const char *name = text;
    const char *colon = strchr(text, ':');
    size_t size = strlen(text);
    if (text[0] == '[') {
        const char *bracket = strchr(text, ']');
        if (bracket == NULL || (bracket[1] != 0 && bracket[1] != ':'))
            die(EXIT_USAGE, "'%s': write an IPv6 address with a port as [2001:db8::1]:%d", text,
                STUN_PORT);
        name = text + 1;
        size = (size_t)(bracket - name);
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
    } else if (colon != NULL && strchr(colon + 1, ':') == NULL) {
        size = (size_t)(colon - text);
    } else {
        colon = NULL;
    }
    char host[HOST_TEXT_SIZE];
    if (size == 0 || size >= sizeof host)
        die(EXIT_USAGE, "'%s' does not name a server", text);
    memcpy(host, name, size);
    host[size] = 0;
    uint16_t port = STUN_PORT;
    if (colon != NULL)
        port = (uint16_t)parse_number("the server's port", colon + 1, 1, UINT16_MAX);

    struct addrinfo hints = {.ai_family = family, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    int error = getaddrinfo(host, NULL, &hints, &list);
    if (error != 0) {
        const char *over = family == AF_INET6 ? " over IPv6" : " over IPv4";
        die(EXIT_USAGE, "cannot find server '%s'%s: %s", host, family == AF_UNSPEC ? "" : over,
            error == EAI_SYSTEM ? strerror(errno) : gai_strerror(error));
    }
    struct addr addr = parsed_addr(text, list->ai_addr, port);
    freeaddrinfo(list);
    return addr;
}

/* ---- Results --------------------------------------------------------------------------------- */

/* A value in one word, for machines, and in more, for people. */
struct words {
    const char *word;
    const char *text;
};

static const struct words nat_words[] = {
    {"unknown", "unknown: the server answered with an error, or a socket could not be opened"},
    {"blocked", "blocked: no answer came back, so UDP does not pass or the server is gone"},
    {"none", "none: the server sees our own address and port"},
    {"present", "present"},
};
static const struct words mapping_words[] = {
    {"unknown", "unknown"},
    {"EIM", "endpoint-independent (EIM)"},
    {"ADM", "address-dependent (ADM)"},
    {"APDM", "address- and port-dependent (APDM)"},
    {"dependent", "dependent on the endpoint (ADM or APDM)"},
};
static const struct words filtering_words[] = {
    {"unknown", "unknown"},
    {"EIF", "endpoint-independent (EIF)"},
    {"ADF", "address-dependent (ADF)"},
    {"APDF", "address- and port-dependent (APDF)"},
};
static const struct words hairpin_words[] = {
    {"unknown", "unknown"},
    {"off", "off"},
    {"internal", "yes, with the internal source"},
    {"external", "yes, with the mapped source"},
};
static const struct words ports_words[] = {
    {"unknown", "unknown"},
    {"preserved", "preserved"},
    {"sequential", "sequential"},
    {"random", "random"},
};
static const struct words pooling_words[] = {
    {"unknown", "unknown"},
    {"paired", "one address for all ports"},
    {"arbitrary", "several addresses"},
};
static const struct words trap_words[] = {
    {"unknown", "unknown"},
    {"no", "no"},
    {"yes", "yes: a datagram that was refused moves the mapping made afterwards"},
};

static const char *addr_text(const struct addr *addr, char text[static ADDR_TEXT_SIZE])
{
    char ip[INET6_ADDRSTRLEN] = "";
    bool v4 = addr->family == ADDR_V4;
    if (addr->family != ADDR_NONE)
        inet_ntop(v4 ? AF_INET : AF_INET6, addr->ip, ip, sizeof ip);
    snprintf(text, ADDR_TEXT_SIZE, v4 ? "%s:%u" : "[%s]:%u", ip, (unsigned)addr->port);
    return addr->family == ADDR_NONE ? NULL : text;
}

static void print_json_addr(const char *name, const struct addr *addr)
{
    char text[ADDR_TEXT_SIZE];
    if (addr_text(addr, text) == NULL)
        printf("\"%s\":null,", name);
    else
        printf("\"%s\":\"%s\",", name, text);
}

static void print_json(const struct stun_behaviour *found)
{
    putchar('{');
    print_json_addr("server", &found->server);
    print_json_addr("local", &found->local);
    print_json_addr("mapped", &found->mapped);
    printf("\"nat\":\"%s\",\"mapping\":\"%s\",\"filtering\":\"%s\",\"hairpin\":\"%s\",",
           nat_words[found->nat].word, mapping_words[found->mapping].word,
           filtering_words[found->filtering].word, hairpin_words[found->hairpin].word);
    printf("\"ports\":\"%s\",\"step\":", ports_words[found->ports].word);
    if (found->ports == STUN_PORTS_SEQUENTIAL)
        printf("%" PRId32, found->step);
    else
        fputs("null", stdout);
    printf(",\"pooling\":\"%s\",\"trap\":\"%s\",", pooling_words[found->pooling].word,
           trap_words[found->trap].word);
    printf("\"sent\":%" PRIu32 ",\"received\":%" PRIu32 ",\"duration_ns\":%" PRIu64 "}\n",
           found->sent, found->received, found->duration_ns);
}

static void print_line(const char *name, const char *text)
{
    printf("%-11s %s\n", name, text != NULL ? text : "unknown");
}

static void print_lines(const struct stun_behaviour *found)
{
    char text[ADDR_TEXT_SIZE];
    print_line("server", addr_text(&found->server, text));
    if (found->nat == STUN_NAT_NONE || found->nat == STUN_NAT_PRESENT) {
        print_line("own address", addr_text(&found->local, text));
        print_line("seen as", addr_text(&found->mapped, text));
    }
    print_line("NAT", nat_words[found->nat].text);
    if (found->nat == STUN_NAT_NONE || found->nat == STUN_NAT_PRESENT) {
        print_line("mapping", mapping_words[found->mapping].text);
        print_line("filtering", filtering_words[found->filtering].text);
        if (found->nat == STUN_NAT_PRESENT)
            print_line("hairpinning", hairpin_words[found->hairpin].text);
        if (found->ports == STUN_PORTS_SEQUENTIAL)
            printf("%-11s sequential, in steps of %" PRId32 "\n", "ports", found->step);
        else
            print_line("ports", ports_words[found->ports].text);
        print_line("pool", pooling_words[found->pooling].text);
        print_line("punch trap", trap_words[found->trap].text);
    }
    printf("%-11s %" PRIu32 " datagrams, %" PRIu32 " answers, %" PRIu64 " ms\n", "spent",
           found->sent, found->received, found->duration_ns / 1000000);
}

/* ---- The host -------------------------------------------------------------------------------- */

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static bool write_tape(void *context, const uint8_t *bytes, size_t size)
{
    const struct probe_host *host = context;
    return fwrite(bytes, 1, size, host->tape_file) == size;
}

/* A tape that stops where a check failed is worth most. */
static void save_tape(void *context, const char *expression, const char *file, int line)
{
    const struct probe_host *host = context;
    (void)expression, (void)file, (void)line;
    if (host->tape_file != NULL)
        fflush(host->tape_file);
}

static void open_tape(struct probe_host *host, const char *name, const struct node_limits *limits,
                      const uint8_t *seed)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC, S_IRUSR | S_IWUSR);
    /* A file that was there may be open to others: it is closed to them before the seed goes in. */
    if (fd < 0 || fchmod(fd, S_IRUSR | S_IWUSR) != 0 || ftruncate(fd, 0) != 0)
        die(EXIT_FAILURE, "cannot write the tape '%s': %s", name, strerror(errno));
    host->tape_name = name;
    host->tape_file = fdopen(fd, "wb");
    check(host->tape_file != NULL);
    tape_start(&host->tape, write_tape, host, limits, seed);
    host->drive.tape = &host->tape;
    host->drive.digesting = true;
}

static void close_tape(struct probe_host *host)
{
    if (host->tape_file == NULL)
        return;
    tape_end(&host->tape, host->drive.outputs, drive_digest(&host->drive));
    bool failed = host->tape.failed;
    failed = fclose(host->tape_file) != 0 || failed;
    host->tape_file = NULL;
    if (failed)
        die(EXIT_FAILURE, "the tape '%s' could not be written whole: %s", host->tape_name,
            strerror(errno));
}

static void take_output(void *context, const struct node_out *out)
{
    struct probe_host *host = context;
    if (out->kind != NODE_OUT_BEHAVIOUR) {
        udp_output(&host->udp, out);
        return;
    }
    host->behaviour = out->behaviour;
    host->found = true;
}

/* Makes the node; signals are held back from here on, but for the times when it waits. */
static void host_start(struct probe_host *host, const struct node_limits *limits,
                       const char *tape_name, sigset_t *waiting)
{
    sigset_t held;
    sigemptyset(&held);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, waiting);
    sigdelset(waiting, SIGINT);
    sigdelset(waiting, SIGTERM);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    uint8_t seed[RANDOM_SEED_SIZE];
    size_t size = node_size(limits);
    host->memory = calloc(1, size);
    if (host->memory == NULL || getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        die(EXIT_FAILURE, "cannot begin: %s", strerror(errno));
    host->env.crypto = &crypto_real;
    struct node *node = node_init(host->memory, size, limits, seed, &host->env);
    drive_init(&host->drive, node, take_output, host);
    udp_init(&host->udp, &host->drive);
    host->stop_ns = NODE_NEVER;
    check_set_hook(save_tape, host);
    if (tape_name != NULL)
        open_tape(host, tape_name, limits, seed);
    crypto_real.wipe(seed, sizeof seed);
}

/* Runs until a discovery has ended, the time is over, or a signal says stop. */
static void host_run(struct probe_host *host, const sigset_t *waiting)
{
    while (!stopped && !host->found) {
        uint64_t now_ns = udp_now_ns();
        if (now_ns >= host->stop_ns)
            return;
        uint64_t until_ns = node_deadline(host->drive.node);
        if (until_ns <= now_ns)
            udp_feed(&host->udp, &(struct node_in){.kind = NODE_IN_DEADLINE});
        if (host->stop_ns < until_ns)
            until_ns = host->stop_ns;
        uint64_t wait_ns = until_ns > now_ns ? until_ns - now_ns : 0;
        if (until_ns == NODE_NEVER)
            wait_ns = NODE_NEVER;
        if (!host->found && !udp_wait(&host->udp, wait_ns, waiting))
            die(EXIT_FAILURE, "cannot wait for datagrams: %s", strerror(errno));
    }
}

static void host_end(struct probe_host *host)
{
    udp_close(&host->udp);
    close_tape(host);
    free(host->memory);
    crypto_thread_end();
}

/* ---- serve ----------------------------------------------------------------------------------- */

static void listen_on(struct probe_host *host, uint32_t socket, struct addr addr)
{
    if (udp_listen(&host->udp, socket, &addr))
        return;
    const char *hint = "";
    if (errno == EADDRINUSE)
        hint = "; another program has that port: stop it, or choose with --port, --alternate-port";
    else if (errno == EADDRNOTAVAIL)
        hint = "; no interface here has that address: `ip address` lists those that there are";
    else if (errno == EACCES)
        hint = "; ports below 1024 are root's: choose another with --port";
    char text[ADDR_TEXT_SIZE];
    die(EXIT_FAILURE, "cannot listen on %s: %s%s", addr_text(&addr, text), strerror(errno), hint);
}

static void listen_everywhere(struct probe_host *host, const struct node_in_serve_stun *serve)
{
    char line[2 * NODE_STUN_ADDRESSES * ADDR_TEXT_SIZE] = "";
    size_t used = 0;
    for (uint32_t i = 0; i < 2 * serve->count; i++) {
        bool alternate = i % 2 == 1;
        if (alternate && serve->alternate_port == 0)
            continue;
        struct addr addr = addr_with_port(serve->addresses[i / 2],
                                          alternate ? serve->alternate_port : serve->port);
        listen_on(host, alternate ? NODE_SOCKET_STUN_ALTERNATE : NODE_SOCKET_STUN, addr);
        char text[ADDR_TEXT_SIZE];
        used += (size_t)snprintf(line + used, sizeof line - used, " %s", addr_text(&addr, text));
    }
    fprintf(stderr, "listening on%s\n", line);
}

static void add_address(struct node_in_serve_stun *serve, const char *text)
{
    struct addr addr = parse_address(text);
    uint32_t same_family = 0;
    for (uint32_t i = 0; i < serve->count; i++) {
        if (addr_equal_ip(&serve->addresses[i], &addr))
            die(EXIT_USAGE, "--address %s is given twice", text);
        same_family += serve->addresses[i].family == addr.family;
    }
    if (same_family == 2)
        die(EXIT_USAGE, "--address %s: at most two IPv4 and two IPv6 addresses are served", text);
    check(serve->count < NODE_STUN_ADDRESSES);
    serve->addresses[serve->count++] = addr;
}

static _Noreturn void say_usage(void)
{
    fputs("stun-probe: try 'stun-probe --help'\n", stderr);
    exit(EXIT_USAGE);
}

static int serve(int argc, char **argv, struct probe_host *host)
{
    static const struct option options[] = {
        {"address", required_argument, NULL, 'a'},        {"port", required_argument, NULL, 'p'},
        {"alternate-port", required_argument, NULL, 'o'}, {"for", required_argument, NULL, 'f'},
        {"tape", required_argument, NULL, 't'},           {NULL, 0, NULL, 0},
    };
    struct node_in in = {.kind = NODE_IN_SERVE_STUN, .serve_stun = {.port = STUN_PORT}};
    struct node_in_serve_stun *serving = &in.serve_stun;
    int32_t alternate = -1;
    uint64_t seconds = 0;
    const char *tape_name = NULL;
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (option == 'a')
            add_address(serving, optarg);
        else if (option == 'p')
            serving->port = (uint16_t)parse_number("--port", optarg, 1, UINT16_MAX);
        else if (option == 'o')
            alternate = (int32_t)parse_number("--alternate-port", optarg, 0, UINT16_MAX);
        else if (option == 'f')
            seconds = parse_number("--for", optarg, 1, SECONDS_MAX);
        else if (option == 't')
            tape_name = optarg;
        else
            say_usage();
    }
    if (optind < argc)
        die(EXIT_USAGE, "serve takes no '%s'; addresses follow --address", argv[optind]);
    if (serving->count == 0)
        die(EXIT_USAGE, "serve needs --address; `ip address` lists those of this machine");
    /* The port after the last one is none. */
    serving->alternate_port = alternate >= 0 ? (uint16_t)alternate : (uint16_t)(serving->port + 1);
    if (serving->alternate_port == serving->port)
        die(EXIT_USAGE, "--port and --alternate-port must differ, and both are %u",
            (unsigned)serving->port);

    sigset_t waiting;
    host_start(host, &node_limits_server, tape_name, &waiting);
    if (seconds > 0)
        host->stop_ns = udp_now_ns() + seconds * SECOND_NS;
    udp_feed(&host->udp, &in);
    listen_everywhere(host, serving);
    host_run(host, &waiting);
    const struct node *node = host->drive.node;
    fprintf(stderr, "answered %" PRIu64 " requests, refused %" PRIu64 ", over budget %" PRIu64 "\n",
            node_count(node, TRACE_STUN_SERVED), node_count(node, TRACE_STUN_REFUSED),
            node_count(node, TRACE_STUN_OVER_BUDGET));
    host_end(host);
    return EXIT_SUCCESS;
}

/* ---- discover -------------------------------------------------------------------------------- */

static int discover(int argc, char **argv, struct probe_host *host)
{
    static const struct option options[] = {
        {"json", no_argument, NULL, 'j'},
        {"tape", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    struct node_in in = {.kind = NODE_IN_DISCOVER};
    int family = AF_UNSPEC;
    bool json = false;
    const char *tape_name = NULL;
    for (int option; (option = getopt_long(argc, argv, "46", options, NULL)) != -1;) {
        if (option == '4')
            family = AF_INET;
        else if (option == '6')
            family = AF_INET6;
        else if (option == 'j')
            json = true;
        else if (option == 't')
            tape_name = optarg;
        else
            say_usage();
    }
    if (optind == argc || argc - optind > NODE_DISCOVER_SERVERS)
        die(EXIT_USAGE, "discover takes one server or two, and %d are given", argc - optind);
    while (optind < argc) {
        struct addr server = parse_server(argv[optind], family);
        /* Both tests must go over one family: a second name follows the first. */
        family = server.family == ADDR_V4 ? AF_INET : AF_INET6;
        in.discover.servers[in.discover.count++] = server;
        optind++;
    }

    sigset_t waiting;
    host_start(host, &node_limits_client, tape_name, &waiting);
    udp_feed(&host->udp, &in);
    host_run(host, &waiting);
    host_end(host);
    if (!host->found)
        die(EXIT_FAILURE, "stopped before anything was found");
    if (json)
        print_json(&host->behaviour);
    else
        print_lines(&host->behaviour);
    bool known = host->behaviour.nat == STUN_NAT_NONE || host->behaviour.nat == STUN_NAT_PRESENT;
    return known ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    static struct probe_host host;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            fputs(help, stdout);
            return EXIT_SUCCESS;
        }
        if (strcmp(argv[i], "--version") == 0) {
            puts("stun-probe " VERSION " (Warren)");
            return EXIT_SUCCESS;
        }
    }
    if (argc < 2)
        die(EXIT_USAGE, "say 'serve' or 'discover'; 'stun-probe --help' tells more");
    /* The command word is no argument of the command, and getopt names argv[0] in what it says. */
    const char *command = argv[1];
    argv[1] = argv[0];
    if (strcmp(command, "serve") == 0)
        return serve(argc - 1, argv + 1, &host);
    if (strcmp(command, "discover") == 0)
        return discover(argc - 1, argv + 1, &host);
    die(EXIT_USAGE, "there is no command '%s', only 'serve' and 'discover'", command);
}
