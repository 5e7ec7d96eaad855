/* The processes of a run: daemons and stun-probes, what they say, and how they end. */
#include "scenarios/runner/programs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/text.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/programs_log.h"
#include "scenarios/runner/programs_state.h"

enum {
    END_TRIES = 1000, /* that programs have to end by themselves, */
    END_TRY_NS = 2000000,
    SERVER_TEXT_SIZE = TEXT_ADDR_SIZE,
};

static const char *name_of(const struct program *program)
{
    return program->programs->config.scenario->places[program->place].name;
}

static void tell(struct program *program, int number)
{
    if (program != NULL && program->pid > 0)
        kill(program->pid, number);
}

static const char *kind_of(const struct program *program)
{
    return program->probe ? "stun-probe" : "warrend";
}

/* ---- Peers ---- */

static bool is_waiting(const struct program *program)
{
    return program->rereading || program->changed;
}

/* Has a daemon read its configuration again, once it is able to: the signal would end it before. */
static void reread(struct program *program)
{
    if (!program->ready || program->rereading || !program->changed)
        return;
    program->changed = false;
    program->rereading = true;
    tell(program, SIGHUP);
}

static void take_reread(struct program *program)
{
    program->rereading = false;
    reread(program);
    if (is_waiting(program))
        return;
    for (uint32_t i = 0; i < program->held_count; i++)
        programs_send_now(program->programs, &program->held[i].numbered, program->held[i].size);
    program->held_count = 0;
}

bool programs_connect(struct programs *programs, uint32_t place, uint32_t peer,
                      char error[static SPACE_ERROR_SIZE])
{
    struct program *program = programs->daemons[place];
    check(place < programs->count && peer < programs->count && place != peer);
    /* A command to a node that does not run is lost. */
    if (program == NULL || program->told || program->pid == 0)
        return true;
    program->peers[peer] = true;
    if (!programs_write_configuration(programs, place, program->peers, error))
        return false;
    program->changed = true;
    reread(program);
    return true;
}

void programs_send(struct programs *programs, const struct numbered *numbered, uint32_t size)
{
    struct program *program = programs->daemons[numbered->from];
    if (program == NULL || !is_waiting(program))
        programs_send_now(programs, numbered, size);
    else if (program->held_count < PROGRAMS_HELD_MAX)
        program->held[program->held_count++] = (struct programs_packet){*numbered, size};
}

/* A daemon that begins has no peers, and nothing waits for it. */
static void forget_peers(struct program *program)
{
    memset(program->peers, 0, program->programs->count * sizeof *program->peers);
    program->rereading = false;
    program->changed = false;
    program->held_count = 0;
}

/* ---- What they say ---- */

static void take_path(const struct program *program, const struct programs_said *said)
{
    const struct programs_config *config = &program->programs->config;
    const struct plan_scenario *scenario = config->scenario;
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        if (place->kind == PLAN_CLIENT &&
            memcmp(mesh_key(place->name), said->peer, IDENTITY_SIZE) == 0)
            config->events.path(config->events.context, program->place, i, said->path,
                                said->reason);
    }
}

static void take_line(struct program *program)
{
    const struct programs_config *config = &program->programs->config;
    struct programs_said said;
    programs_log_read(&said, program->line, program->size);
    memcpy(program->last, program->line, program->size);
    program->last[program->size] = 0;
    program->size = 0;
    if (program->programs->ending)
        return;
    bool client = config->scenario->places[program->place].kind == PLAN_CLIENT;
    if (said.kind == PROGRAMS_SAID_READY) {
        program->ready = true;
        reread(program);
    } else if (said.kind == PROGRAMS_SAID_REREAD && !program->probe) {
        take_reread(program);
    }
    if (said.kind == PROGRAMS_SAID_HOME && client)
        config->events.home(config->events.context, program->place, &said.server, &said.mapped);
    else if (said.kind == PROGRAMS_SAID_PATH && client)
        take_path(program, &said);
    else if (said.kind == PROGRAMS_SAID_BEHAVIOUR && client) {
        program->ready = program->ready || program->probe;
        config->events.behaviour(config->events.context, program->place, &said.behaviour);
    }
}

static void take_bytes(struct program *program, const char *bytes, size_t size)
{
    /* The log is for people; a run does not fail because a disk is full. */
    if (program->log >= 0 && write(program->log, bytes, size) < 0)
        program->log = (close(program->log), -1);
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n')
            program->line[program->size++] = bytes[i];
        if (program->size > 0 && (bytes[i] == '\n' || program->size + 1 == sizeof program->line))
            take_line(program);
    }
}

/* Reads all that is there. */
static void drain(struct program *program)
{
    char bytes[PROGRAMS_LINE_SIZE];
    while (program->output >= 0) {
        ssize_t size = read(program->output, bytes, sizeof bytes);
        if (size > 0)
            take_bytes(program, bytes, (size_t)size);
        else if (size == 0)
            ev_io_stop(program->programs->config.loop, &program->io);
        if (size == 0 || (size < 0 && errno != EINTR))
            return;
    }
}

static void on_output(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    drain(io->data);
}

static void close_output(struct program *program)
{
    if (program->output >= 0) {
        ev_io_stop(program->programs->config.loop, &program->io);
        close(program->output);
    }
    if (program->log >= 0)
        close(program->log);
    program->output = -1;
    program->log = -1;
}

/* ---- How they end ---- */

static void fail_run(const struct program *program, int status)
{
    const struct programs_events *to = &program->programs->config.events;
    char why[PLAN_NAME_SIZE + PROGRAMS_LINE_SIZE + 128];
    int size = snprintf(why, sizeof why, "%s on %s ", kind_of(program), name_of(program));
    check(size > 0 && (size_t)size < sizeof why);
    char *at = why + size;
    size_t room = sizeof why - (size_t)size;
    const char *last = program->last[0] != 0 ? program->last : "it said nothing";
    if (WIFSIGNALED(status))
        snprintf(at, room, "was ended by signal %d; its last line: %s", WTERMSIG(status), last);
    else
        snprintf(at, room, "ended with status %d; its last line: %s", WEXITSTATUS(status), last);
    to->failed(to->context, why);
}

/* Of a program that was told to end: what it is made of may still have found something wrong. */
static bool ends_well(int status)
{
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM;
    return WEXITSTATUS(status) == 0;
}

/* The process is no more, and its parent knows. */
static void ended(struct program *program, int status)
{
    ev_child_stop(program->programs->config.loop, &program->child);
    program->pid = 0;
    drain(program);
    if (program->size > 0)
        take_line(program);
    close_output(program);
    /* A probe's status says what it has found. */
    bool well = (program->told && ends_well(status)) || (program->probe && program->ready);
    program->ready = false;
    if (program->peers != NULL)
        forget_peers(program);
    if (!well)
        fail_run(program, status);
}

static void on_child(struct ev_loop *loop, ev_child *child, int events)
{
    (void)loop, (void)events;
    ended(child->data, child->rstatus);
}

/* False while it still runs. The event loop may have heard of its end before. */
static bool is_over(struct program *program, bool wait)
{
    int status = 0;
    if (program->pid == 0)
        return true;
    pid_t got = waitpid(program->pid, &status, wait ? 0 : WNOHANG);
    while (got < 0 && errno == EINTR)
        got = waitpid(program->pid, &status, wait ? 0 : WNOHANG);
    if (got == 0)
        return false;
    ended(program, status);
    return true;
}

/* ---- How they begin ---- */

static bool fail(char error[static SPACE_ERROR_SIZE], const char *what, const char *name)
{
    snprintf(error, SPACE_ERROR_SIZE, "cannot %s %.300s: %s", what, name, strerror(errno));
    return false;
}

static bool open_log(struct program *program, char error[static SPACE_ERROR_SIZE])
{
    char path[PROGRAMS_PATH_SIZE + PLAN_NAME_SIZE + 32];
    snprintf(path, sizeof path, "%s/%s%s.log", program->programs->folder, name_of(program),
             program->probe ? ".stun-probe" : "");
    program->log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    return program->log >= 0 || fail(error, "write the log", path);
}

static bool start(struct program *program, const char *const *arguments,
                  char error[static SPACE_ERROR_SIZE])
{
    const struct programs_config *config = &program->programs->config;
    int ends[2];
    check(program->pid == 0 && program->output < 0 && program->log < 0);
    program->told = false;
    program->ready = false;
    program->size = 0;
    program->last[0] = 0;
    if (!open_log(program, error))
        return false;
    if (pipe2(ends, O_CLOEXEC) != 0) {
        close_output(program);
        return fail(error, "make a pipe for", kind_of(program));
    }
    /* Our end alone must not block: the daemon's log waits for whoever reads it. */
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    struct space_program what = {
        .arguments = arguments, .directory = config->folder, .output = ends[1]};
    program->output = ends[0];
    ev_io_init(&program->io, on_output, program->output, EV_READ);
    program->io.data = program;
    ev_io_start(config->loop, &program->io);
    program->pid = space_start(config->hosts[program->place], &what, error);
    close(ends[1]);
    if (program->pid < 0) {
        program->pid = 0;
        close_output(program);
        return false;
    }
    ev_child_init(&program->child, on_child, program->pid, 0);
    program->child.data = program;
    ev_child_start(config->loop, &program->child);
    return true;
}

static struct program *program_new(struct programs *programs, uint32_t place)
{
    struct program *program = calloc(1, sizeof *program);
    check(program != NULL && place < programs->count);
    program->programs = programs;
    program->place = place;
    program->output = -1;
    program->log = -1;
    return program;
}

static struct program *daemon_new(struct programs *programs, uint32_t place)
{
    struct program *program = program_new(programs, place);
    program->peers = calloc((size_t)programs->count + 1, sizeof *program->peers);
    program->held = calloc(PROGRAMS_HELD_MAX, sizeof *program->held);
    check(program->peers != NULL && program->held != NULL);
    return program;
}

bool programs_start(struct programs *programs, uint32_t place, char error[static SPACE_ERROR_SIZE])
{
    const struct plan_place *at = &programs->config.scenario->places[place];
    char path[PROGRAMS_PATH_SIZE + 16], file[PLAN_NAME_SIZE + 8];
    uint32_t issuer;
    check(plan_is_node(at));
    check(programs->config.hosts[place] >= 0);
    if (!programs_has_mesh(programs, &issuer)) {
        snprintf(error, SPACE_ERROR_SIZE, "%s has no mesh: the scenario has no server", at->name);
        return false;
    }
    if (programs->daemons[place] == NULL)
        programs->daemons[place] = daemon_new(programs, place);
    /* Of a restart without a crash, the end is wanted; of one after a crash it is near. */
    struct program *program = programs->daemons[place];
    program->told = true;
    tell(program, SIGKILL);
    (void)is_over(program, true);
    if (!programs_write_configuration(programs, place, NULL, error))
        return false;
    snprintf(path, sizeof path, "%s/warrend", programs->binaries);
    snprintf(file, sizeof file, "%s.conf", at->name);
    const char *const arguments[] = {path, "--config", file, "--no-check", "--no-confine", NULL};
    return start(program, arguments, error);
}

bool programs_ready(const struct programs *programs)
{
    bool ready = true;
    for (uint32_t i = 0; i < programs->count; i++) {
        const struct program *program = programs->daemons[i];
        ready = ready && (program == NULL || program->told || program->ready);
    }
    return ready;
}

void programs_crash(struct programs *programs, uint32_t place)
{
    struct program *program = programs->daemons[place];
    if (program == NULL || program->pid == 0)
        return;
    program->told = true;
    tell(program, SIGKILL);
}

void programs_suspend(struct programs *programs, uint32_t place)
{
    tell(programs->daemons[place], SIGSTOP);
}

void programs_resume(struct programs *programs, uint32_t place)
{
    tell(programs->daemons[place], SIGCONT);
}

/* ---- Probes ---- */

bool programs_classify(struct programs *programs, const struct plan_action *action,
                       char error[static SPACE_ERROR_SIZE])
{
    const struct programs_config *config = &programs->config;
    char path[PROGRAMS_PATH_SIZE + 16];
    char servers[PLAN_SERVERS_MAX][SERVER_TEXT_SIZE];
    const char *arguments[PLAN_SERVERS_MAX + 4] = {path, "discover", "--json", NULL};
    check(action->kind == PLAN_CLASSIFY && action->server_count <= PLAN_SERVERS_MAX);
    snprintf(path, sizeof path, "%s/stun-probe", programs->binaries);
    for (uint32_t i = 0; i < action->server_count; i++) {
        uint32_t server = action->servers[i];
        uint8_t family = action->ipv6 ? ADDR_V6 : ADDR_V4;
        struct addr addr = net_address(config->net, config->places[server], family, 0);
        check(addr.family == family);
        addr.port = config->scenario->places[server].port;
        arguments[3 + i] = text_addr(servers[i], &addr);
    }
    struct program *program = program_new(programs, action->place);
    program->probe = true;
    program->next = programs->probes;
    programs->probes = program;
    return start(program, arguments, error);
}

/* ---- All ---- */

struct programs *programs_new(const struct programs_config *config,
                              char error[static SPACE_ERROR_SIZE])
{
    struct programs *programs = calloc(1, sizeof *programs);
    check(programs != NULL && ev_is_default_loop(config->loop));
    _Static_assert(PROGRAMS_PATH_SIZE >= PATH_MAX, "as realpath(3) asks for");
    programs->config = *config;
    programs->count = config->scenario->place_count;
    programs->daemons = calloc((size_t)programs->count + 1, sizeof *programs->daemons);
    programs->ports = calloc((size_t)programs->count + 1, sizeof(struct programs_port *));
    check(programs->daemons != NULL && programs->ports != NULL);
    programs->config.binaries = programs->binaries;
    programs->config.folder = programs->folder;
    /* Programs run in their folder, which must not be where these are looked for. */
    bool done = true;
    if (realpath(config->binaries, programs->binaries) == NULL)
        done = fail(error, "find the programs in", config->binaries);
    else if (realpath(config->folder, programs->folder) == NULL)
        done = fail(error, "find the folder", config->folder);
    done = done && programs_write_files(programs, error);
    for (uint32_t i = 0; done && i < programs->count; i++)
        if (config->scenario->places[i].kind == PLAN_CLIENT && config->hosts[i] >= 0)
            done = programs_open_port(programs, i, error);
    if (done)
        return programs;
    programs_free(programs);
    return NULL;
}

/* Calls for each program, daemons and probes. */
static bool for_all(struct programs *programs, bool (*call)(struct program *, bool), bool argument)
{
    bool all = true;
    for (uint32_t i = 0; i < programs->count; i++)
        if (programs->daemons[i] != NULL)
            all = call(programs->daemons[i], argument) && all;
    for (struct program *probe = programs->probes; probe != NULL; probe = probe->next)
        all = call(probe, argument) && all;
    return all;
}

/* One that is stopped hears it when it goes on. */
static bool end(struct program *program, bool at_once)
{
    program->told = true;
    tell(program, at_once ? SIGKILL : SIGTERM);
    tell(program, SIGCONT);
    return true;
}

/* It must not wait for us to read its last words. */
static bool look(struct program *program, bool wait)
{
    drain(program);
    return is_over(program, wait);
}

static bool discard(struct program *program, bool argument)
{
    (void)argument;
    check(program->pid == 0);
    close_output(program);
    free(program->peers);
    free(program->held);
    free(program);
    return true;
}

void programs_free(struct programs *programs)
{
    const struct timespec pause = {.tv_nsec = END_TRY_NS};
    programs->ending = true;
    for_all(programs, end, false);
    bool over = for_all(programs, look, false);
    for (int i = 0; !over && i < END_TRIES; i++) {
        nanosleep(&pause, NULL);
        over = for_all(programs, look, false);
    }
    if (!over) {
        for_all(programs, end, true);
        for_all(programs, look, true);
    }
    for (uint32_t i = 0; i < programs->count; i++) {
        programs_close_port(programs->ports[i]);
        if (programs->daemons[i] != NULL)
            discard(programs->daemons[i], false);
    }
    while (programs->probes != NULL) {
        struct program *probe = programs->probes;
        programs->probes = probe->next;
        discard(probe, false);
    }
    free(programs->daemons);
    free(programs->ports);
    free(programs);
}
