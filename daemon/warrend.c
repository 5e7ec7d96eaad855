/* The daemon: one node of a mesh on real sockets and a TUN interface. */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <sodium.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "daemon/answer.h"
#include "daemon/daemon.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/preflight.h"
#include "daemon/privilege.h"
#include "daemon/start.h"
#include "daemon/version.h"
#include "host/check.h"

enum { EXIT_USAGE = 2, ERROR_TEXT = 512, STATE_MODE = 0700 };

struct options {
    const char *config;
    const char *replay; /* a ring tape to replay, in place of everything else */
    bool check_only;
    bool check;
    bool confine; /* give up rights, and filter system calls */
};

static const char help[] =
    "Runs one node of a Warren mesh: its tunnel interface and its UDP sockets.\n"
    "\n"
    "  warrend [OPTION]...\n"
    "\n"
    "  --config FILE   default " CONFIG_DEFAULT_PATH "\n"
    "  --check         only check that it could start; says all that is missing\n"
    "  --no-check      start without that check\n"
    "  --no-confine    keep the user, its rights and all system calls; for debugging\n"
    "  --replay FILE   replay a ring tape that this very program wrote, and say what came of it\n"
    "  --help, --version\n"
    "\n"
    "Signals: TERM and INT end it; HUP opens the log anew and reads the peers again; USR1 writes\n"
    "the status to the log; QUIT writes the ring tape.\n"
    "Exit status: 0 it was told to end, or could start; 1 it failed; 2 wrong command line or\n"
    "configuration.\n";

/* Says what went wrong, and ends the program. */
__attribute__((format(printf, 2, 3))) static _Noreturn void die(int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("warrend: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(status);
}

static struct options parse_options(int argc, char **argv)
{
    static const struct option known[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"no-check", no_argument, NULL, 'n'},     {"no-confine", no_argument, NULL, 'r'},
        {"replay", required_argument, NULL, 'p'}, {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'v'},      {NULL, 0, NULL, 0},
    };
    struct options options = {.config = CONFIG_DEFAULT_PATH, .check = true, .confine = true};
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        if (option == 'c') {
            options.config = optarg;
        } else if (option == 'k') {
            options.check_only = true;
        } else if (option == 'n') {
            options.check = false;
        } else if (option == 'r') {
            options.confine = false;
        } else if (option == 'p') {
            options.replay = optarg;
        } else if (option == 'h') {
            fputs(help, stdout);
            exit(EXIT_SUCCESS);
        } else if (option == 'v') {
            puts("warrend " WARREN_VERSION " (Warren)");
            exit(EXIT_SUCCESS);
        } else {
            die(EXIT_USAGE, "try 'warrend --help'");
        }
    }
    if (optind < argc)
        die(EXIT_USAGE, "there is no argument '%s': warrend [--config FILE] [--check]",
            argv[optind]);
    if (options.check_only && !options.check)
        die(EXIT_USAGE, "--check and --no-check exclude each other");
    return options;
}

/* ---- Tapes ----------------------------------------------------------------------------------- */

static void print_record(void *host, const struct trace_record *record)
{
    static const char *const texts[] = {
#define TRACE(name, text) #name ": " text,
#include "core/base/trace.def"
#undef TRACE
    };
    (void)host;
    printf("%llu %s (number %llu)\n", (unsigned long long)record->now_ns, texts[record->kind],
           (unsigned long long)record->number);
}

static int replay_ring(const char *path)
{
    struct node_env env = {.crypto = &crypto_real, .tracer = {.record = print_record}};
    struct ring_replay replay;
    char error[ERROR_TEXT];
    if (!ring_replay(&replay, path, &env, error, sizeof error))
        die(EXIT_FAILURE, "%s %s", path, error);
    printf("replayed %llu inputs, which made %llu outputs%s\n", (unsigned long long)replay.inputs,
           (unsigned long long)replay.outputs,
           replay.whole ? "" : "; the tape is not whole, so the run was another");
    return EXIT_SUCCESS;
}

/* What led to a failed check is worth most. */
static void save_tapes(void *context, const char *expression, const char *file, int line)
{
    struct daemon *daemon = context;
    (void)expression, (void)file, (void)line;
    if (daemon->tape_file != NULL)
        fflush(daemon->tape_file);
    ring_write(&daemon->ring);
}

/* ---- Start ----------------------------------------------------------------------------------- */

/* False when the daemon must not start. */
static bool fly_check(struct daemon *daemon)
{
    static struct preflight preflight;
    preflight_run(daemon, &preflight);
    for (uint32_t i = 0; i < preflight.count; i++)
        fprintf(stderr, "warrend: %s%s\n",
                preflight.findings[i].fatal ? "" : "note: ", preflight.findings[i].text);
    return preflight.fatal == 0;
}

/* The group whose members may use the control socket; root's where there is none. */
static gid_t control_group(const struct config *config)
{
    const struct group *group = config->group[0] != 0 ? getgrnam(config->group) : NULL;
    return group != NULL ? group->gr_gid : getegid();
}

static void open_control(struct daemon *daemon)
{
    const char *path = daemon->config.control;
    const char *hint = "";
    if (control_open(&daemon->control, daemon->loop, path, control_group(&daemon->config),
                     answer_request, daemon))
        return;
    if (errno == EADDRINUSE)
        hint = "; another warrend has it: stop it, or choose another with control=";
    else if (errno == ENOENT)
        hint = "; make its folder, or choose another with control=";
    else if (errno == EACCES)
        hint = "; give its folder to this user, or choose another with control=";
    die(EXIT_FAILURE, "cannot make the control socket %s: %s%s", path, strerror(errno), hint);
}

static void open_log(const struct config *config)
{
    struct log_options options = {
        .level = config->log_level, .json = config->log_json, .file = config->log_file};
    if (!log_open(&options))
        die(EXIT_FAILURE,
            "cannot open the log %s: %s; name another with log-file=", config->log_file,
            strerror(errno));
}

static void read_config(struct daemon *daemon, const char *path)
{
    static struct config_errors errors;
    daemon->config_path = path;
    if (config_load(&daemon->config, path, &errors))
        return;
    config_print_errors(&errors, stderr);
    exit(EXIT_USAGE);
}

/* Everything that needs rights, in the order in which one thing needs the other. */
static void set_up(struct daemon *daemon)
{
    struct start_error error = {.text = ""};
    if (mkdir(daemon->config.state_dir, STATE_MODE) != 0 && errno != EEXIST)
        die(EXIT_FAILURE, "cannot make the folder %s: %s; make it, or name another with state-dir=",
            daemon->config.state_dir, strerror(errno));
    if (!loop_init(daemon))
        die(EXIT_FAILURE, "cannot make the event loop: %s", strerror(errno));
    if (!netlink_open(&daemon->netlink))
        die(EXIT_FAILURE, "cannot ask the kernel for addresses (rtnetlink): %s", strerror(errno));
    netcheck_init(daemon);
    if (!start_node(daemon, loop_output, &error))
        die(EXIT_FAILURE, "%s", error.text);
    check_set_hook(save_tapes, daemon);
    if (!start_interface(daemon, &error) || !start_sockets(daemon, &error) ||
        (daemon->config.server && !start_card(daemon, &error)) || !start_inputs(daemon, &error))
        die(EXIT_FAILURE, "%s", error.text);
    open_control(daemon);
}

static void confine(struct daemon *daemon)
{
    struct privilege privilege;
    char error[ERROR_TEXT];
    if (!privilege_find(&privilege, daemon->config.user, error, sizeof error))
        die(EXIT_FAILURE, "%s", error);
    if (privilege.drop && daemon->config.log_file[0] != 0 &&
        fchown(log_fd(), privilege.uid, privilege.gid) != 0)
        log_event(LOG_LEVEL_WARN, "log-owner", log_text("error", strerror(errno)));
    if (!privilege_drop(&privilege, error, sizeof error) || !privilege_filter(error, sizeof error))
        die(EXIT_FAILURE, "%s", error);
    daemon->dropped = true;
}

/*
 * The socket at which systemd wants to hear that we are ready, where it does (sd_notify(3)); -1:
 * there is none. It is opened while we may open it.
 */
static int open_notify(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    size_t size = path != NULL ? strlen(path) : 0;
    if (size < 2 || size >= sizeof address.sun_path)
        return -1;
    memcpy(address.sun_path, path, size);
    if (path[0] == '@')
        address.sun_path[0] = 0;
    socklen_t address_size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, address_size) == 0)
        return fd;
    log_event(LOG_LEVEL_WARN, "notify", log_text("error", strerror(errno)));
    if (fd >= 0)
        close(fd);
    return -1;
}

static void tell_ready(int notify_fd)
{
    static const char ready[] = "READY=1";
    if (notify_fd < 0)
        return;
    if (send(notify_fd, ready, sizeof ready - 1, MSG_NOSIGNAL) < 0)
        log_event(LOG_LEVEL_WARN, "notify", log_text("error", strerror(errno)));
    close(notify_fd);
}

int main(int argc, char **argv)
{
    static struct daemon daemon;
    struct options options = parse_options(argc, argv);
    if (sodium_init() < 0)
        die(EXIT_FAILURE, "libsodium does not start");
    if (options.replay != NULL)
        return replay_ring(options.replay);
    signal(SIGPIPE, SIG_IGN);
    umask(077);
    read_config(&daemon, options.config);
    bool fit = !options.check || fly_check(&daemon);
    if (options.check_only || !fit)
        return fit ? EXIT_SUCCESS : EXIT_FAILURE;
    struct start_error error = {.text = ""};
    if (!options.check && !start_papers(&daemon, &error))
        die(EXIT_FAILURE, "%s", error.text);
    /* Keys stay out of core files, but for whoever debugs. */
    if (options.confine)
        setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    open_log(&daemon.config);
    set_up(&daemon);
    int notify_fd = open_notify();
    if (options.confine)
        confine(&daemon);
    log_event(LOG_LEVEL_INFO, "ready", log_text("version", WARREN_VERSION),
              log_text("role", daemon.config.server ? "server" : "client"),
              log_text("name", daemon.name),
              log_text("interface", daemon.tun_index != 0 ? daemon.tun.name : NULL),
              log_number("servers", daemon.config.server_count),
              log_number("peers", daemon.config.peer_count));
    tell_ready(notify_fd);
    loop_run(&daemon);
    loop_close(&daemon);
    start_undo(&daemon);
    config_free(&daemon.config);
    log_event(LOG_LEVEL_INFO, "ended", LOG_END);
    log_close();
    return EXIT_SUCCESS;
}
