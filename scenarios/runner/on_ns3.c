/*
 * Runs a scenario on ns-3: the program warren-ns3 beside this one gets the plan as a script, and
 * writes what the run came to.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "scenarios/runner/on_virtual.h"
#include "scenarios/runner/print.h"
#include "scenarios/runner/run_copy.h"

#define PROGRAM "warren-ns3"

/* Descriptors of the child, beside its standard ones. */
enum { RESULT_FILE = 3, TRACE_FILE = 4, FIRST_FREE = 5 };
enum { IPV6_MTU_MIN = 1280 }; /* RFC 8200, section 5 */
enum { ARGUMENTS_MAX = 24, LAST_WORDS_SIZE = 320 };

/* What the child is given; -1: there is none. */
struct given {
    int plan;   /* its standard input */
    int said;   /* its standard output and error */
    int result; /* the pipe's end that it writes to */
    int trace;
};

/* ---- What ns-3 can do ---- */

static bool find_program(char path[static RUN_PATH_SIZE])
{
    char folder_of[RUN_PATH_SIZE];
    return run_find_programs(folder_of) &&
           snprintf(path, RUN_PATH_SIZE, "%s/" PROGRAM, folder_of) < (int)RUN_PATH_SIZE;
}

bool run_ns3_is_there(char why[static RUN_ERROR_SIZE])
{
    char path[RUN_PATH_SIZE];
    if (find_program(path) && access(path, X_OK) == 0)
        return true;
    snprintf(why, RUN_ERROR_SIZE,
             "there is no " PROGRAM " beside warren-lab: make ns3 builds it; it needs Debian's "
             "libns3-dev");
    return false;
}

/* The field of a link that ns-3's links have not; NULL: they have all of it. */
static const char *beyond(const struct link_config *link)
{
    if (link->jitter_ns != 0)
        return "jitter";
    if (link->reorder_ppm != 0)
        return "reorder";
    if (link->duplicate_ppm != 0)
        return "duplicate";
    return link->corrupt_ppm != 0 ? "corrupt" : NULL;
}

static bool can_link(const struct link_config *link, const struct plan_place *place,
                     char why[static RUN_ERROR_SIZE])
{
    const char *field = beyond(link);
    if (field != NULL)
        snprintf(why, RUN_ERROR_SIZE, "ns-3's links have no %s, which that of \"%s\" has", field,
                 place->name);
    return field == NULL;
}

/* Its host has no IPv6 there, and does not get it back with a larger MTU. */
static bool can_ipv6(const struct plan_place *place, const struct link_config *up,
                     char why[static RUN_ERROR_SIZE])
{
    if (!plan_is_node(place) || !place->ipv6 || up->mtu == 0 || up->mtu >= IPV6_MTU_MIN)
        return true;
    snprintf(why, RUN_ERROR_SIZE,
             "ns-3's hosts have no IPv6 on links of less than %d bytes, such as that of \"%s\"",
             IPV6_MTU_MIN, place->name);
    return false;
}

/* Whoever opens the connections has to reach the server. */
static bool can_serve(const struct plan_scenario *scenario, const struct plan_action *action,
                      char why[static RUN_ERROR_SIZE])
{
    const struct plan_place *server = &scenario->places[action->place];
    if (server->kind != PLAN_SERVER)
        server = &scenario->places[action->peer];
    for (uint32_t at = server->interfaces[0].behind; at != PLAN_INTERNET;
         at = scenario->places[at].interfaces[0].behind) {
        const struct plan_place *router = &scenario->places[at];
        if (!router->has_nat && router->firewall[0] == 0)
            continue;
        snprintf(why, RUN_ERROR_SIZE, "bulk: nobody can open a connection to \"%s\" behind \"%s\"",
                 server->name, router->name);
        return false;
    }
    return true;
}

static bool can_act(const struct plan_scenario *scenario, const struct plan_action *action,
                    char why[static RUN_ERROR_SIZE])
{
    const struct plan_place *place = &scenario->places[action->place];
    if (action->kind == PLAN_BULK)
        return can_serve(scenario, action, why);
    bool links = action->kind == PLAN_LINK || action->kind == PLAN_DOWN || action->kind == PLAN_UP;
    if (!links)
        return true;
    if (place->interfaces[action->interface].up.medium == LINK_MEDIUM_CSMA) {
        snprintf(why, RUN_ERROR_SIZE,
                 "%s: one host's share of a csma segment, such as that of \"%s\", cannot change",
                 plan_action_words[action->kind].name, place->name);
        return false;
    }
    return action->kind != PLAN_LINK ||
           (can_link(&action->link, place, why) && can_ipv6(place, &action->link, why));
}

bool run_ns3_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE])
{
    bool can = run_virtual_can(scenario, why);
    for (uint32_t i = 0; can && i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        for (uint32_t j = 0; can && j < place->interface_count; j++)
            can = can_link(&place->interfaces[j].up, place, why) &&
                  can_link(&place->interfaces[j].down, place, why) &&
                  can_ipv6(place, &place->interfaces[j].up, why);
    }
    for (uint32_t i = 0; can && i < scenario->action_count; i++)
        can = can_act(scenario, &scenario->actions[i], why);
    return can;
}

/* ---- The child ---- */

/* Where it is, above what the child gets. */
static int lift(int file)
{
    return file < 0 ? file : fcntl(file, F_DUPFD_CLOEXEC, FIRST_FREE);
}

static bool place_at(int file, int at)
{
    return file < 0 || dup2(file, at) == at;
}

static _Noreturn void be_child(char *const *arguments, const struct given *given, pid_t maker)
{
    sigset_t none;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != maker) /* it was too late for that */
        _exit(EXIT_FAILURE);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const struct given up = {lift(given->plan), lift(given->said), lift(given->result),
                             lift(given->trace)};
    bool lifted =
        up.plan >= 0 && up.said >= 0 && up.result >= 0 && (up.trace >= 0 || given->trace < 0);
    if (lifted && place_at(up.plan, STDIN_FILENO) && place_at(up.said, STDOUT_FILENO) &&
        place_at(up.said, STDERR_FILENO) && place_at(up.result, RESULT_FILE) &&
        place_at(up.trace, TRACE_FILE))
        execv(arguments[0], arguments);
    dprintf(STDERR_FILENO, "it cannot be started: %s\n", strerror(errno));
    _exit(EXIT_FAILURE);
}

static pid_t start(const struct run_request *request, const struct given *given)
{
    char path[RUN_PATH_SIZE], seed[24], events[24], result[12], trace[12];
    char *arguments[ARGUMENTS_MAX] = {path, "--seed", seed, "--result", result, "--events", events};
    size_t count = 7;
    pid_t maker = getpid();
    if (!find_program(path))
        return -1;
    snprintf(seed, sizeof seed, "%" PRIu64, request->seed);
    snprintf(events, sizeof events, "%" PRIu64, request->events_max);
    snprintf(result, sizeof result, "%d", RESULT_FILE);
    snprintf(trace, sizeof trace, "%d", TRACE_FILE);
    const struct {
        const char *name;
        const char *value;
    } optional[] = {
        {"--label", request->label},
        {"--pcap", request->pcap_dir},
        {"--tape", request->tape_dir},
        {"--trace-to", given->trace >= 0 ? trace : NULL},
    };
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        if (optional[i].value == NULL)
            continue;
        arguments[count++] = (char *)optional[i].name;
        arguments[count++] = (char *)optional[i].value;
    }
    if (request->detail == RUN_DETAIL_HOPS)
        arguments[count++] = "--hops";
    check(count < ARGUMENTS_MAX);
    pid_t child = fork();
    if (child == 0)
        be_child(arguments, given, maker);
    return child;
}

/* ---- The maker ---- */

/* The last line of what the child has said; false when it said nothing. */
static bool last_words(int said, char words[static LAST_WORDS_SIZE])
{
    off_t size = lseek(said, 0, SEEK_END);
    off_t from = size > LAST_WORDS_SIZE - 1 ? size - (LAST_WORDS_SIZE - 1) : 0;
    ssize_t got = pread(said, words, LAST_WORDS_SIZE - 1, from);
    words[got > 0 ? got : 0] = 0;
    for (size_t end = strlen(words); end > 0 && words[end - 1] == '\n'; end--)
        words[end - 1] = 0;
    char *line = strrchr(words, '\n');
    if (line != NULL)
        memmove(words, line + 1, strlen(line + 1) + 1);
    return words[0] != 0;
}

static void say_death(int said, int status, char error[static RUN_ERROR_SIZE])
{
    char words[LAST_WORDS_SIZE];
    bool spoke = last_words(said, words);
    if (WIFSIGNALED(status))
        snprintf(error, RUN_ERROR_SIZE, PROGRAM " was ended by signal %d (%s)%s%s",
                 WTERMSIG(status), strsignal(WTERMSIG(status)), spoke ? ": " : "", words);
    else
        snprintf(error, RUN_ERROR_SIZE, PROGRAM " ended with status %d%s%s", WEXITSTATUS(status),
                 spoke ? ": " : " and no result", words);
}

/* The plan as a script in a file without a name; -1: that failed. */
static int write_plan(const struct plan_scenario *scenario)
{
    int file = memfd_create("plan", MFD_CLOEXEC);
    int copy = file >= 0 ? fcntl(file, F_DUPFD_CLOEXEC, 0) : -1;
    FILE *to = copy >= 0 ? fdopen(copy, "w") : NULL;
    if (to != NULL)
        plan_print_scenario(to, scenario);
    bool written = to != NULL && fclose(to) == 0 && lseek(file, 0, SEEK_SET) == 0;
    if (!written && file >= 0)
        close(file);
    return written ? file : -1;
}

/* What the child writes counts if it is whole, however it ended. */
static bool read_result(int result, int said, pid_t child, const struct plan_scenario *scenario,
                        struct run *run, char error[static RUN_ERROR_SIZE])
{
    int status = 0;
    bool made = run_copy_read(result, scenario, run, error);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!made && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        say_death(said, status, error);
    return made;
}

bool run_on_ns3(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE])
{
    int ends[2] = {-1, -1};
    bool made = false;
    *run = (struct run){.findings = NULL};
    if (request->trace != NULL)
        fflush(request->trace);
    struct given given = {.plan = write_plan(request->scenario),
                          .said = memfd_create("said", MFD_CLOEXEC),
                          .trace = request->trace != NULL ? fileno(request->trace) : -1};
    bool ready = given.plan >= 0 && given.said >= 0 && pipe2(ends, O_CLOEXEC) == 0;
    given.result = ends[1];
    pid_t child = ready ? start(request, &given) : -1;
    if (child < 0)
        snprintf(error, RUN_ERROR_SIZE, PROGRAM " cannot be started: %s", strerror(errno));
    if (ends[1] >= 0)
        close(ends[1]);
    if (child > 0)
        made = read_result(ends[0], given.said, child, request->scenario, run, error);
    const int ours[] = {ends[0], given.plan, given.said};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (ours[i] >= 0)
            close(ours[i]);
    return made;
}
