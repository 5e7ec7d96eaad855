/* Tests the commands that ask the daemon, against a control socket that answers from a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/warren_client.h"
#include "daemon/warren_command.h"
#include "daemon/warren_echo.h"

enum {
    WORDS_MAX = 8,
    OUTPUT_SIZE = 8192,
};

#define NOTHING "listens nowhere"

struct run {
    const struct warren_command *command;
    const char *words[WORDS_MAX]; /* of the command line, behind the command's name */
    const char *request;          /* what the daemon has to be asked first; NULL: any */
    const char *answer;           /* its line to every request; NOTHING: there is no daemon */
    int status;
    const char *out;
    const char *error; /* begins so, and is one line; NULL: is empty */
};

static char folder[] = "/tmp/warren-command-XXXXXX";
static char socket_path[sizeof folder + 16];

/* ---- The daemon that answers from a table ---------------------------------------------------- */

static int listen_here(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, socket_path, strlen(socket_path) + 1);
    unlink(socket_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 4), 0);
    return fd;
}

/* Serves one connection to its end. The status is 1 where the first request is not the wanted one. */
static _Noreturn void serve(int fd, const struct run *run)
{
    int status = 0;
    bool first = true;
    int client = accept(fd, NULL, NULL);
    FILE *in = client >= 0 ? fdopen(client, "r") : NULL;
    if (in == NULL)
        _exit(2);
    char line[4096];
    while (fgets(line, sizeof line, in) != NULL) {
        if (first && run->request != NULL && strcmp(line, run->request) != 0)
            status = 1;
        first = false;
        if (send(client, run->answer, strlen(run->answer), MSG_NOSIGNAL) < 0)
            break;
        /* An answer without its end is all that there is. */
        if (strchr(run->answer, '\n') == NULL)
            break;
    }
    _exit(status);
}

/* ---- The command ----------------------------------------------------------------------------- */

static void redirect(int number, FILE *to)
{
    if (dup2(fileno(to), number) < 0)
        _exit(99);
}

static _Noreturn void run_command(const struct run *run, FILE *out, FILE *error)
{
    char *argv[WORDS_MAX + 4] = {(char *)(uintptr_t)run->command->name};
    int argc = 1;
    for (uint32_t i = 0; i < WORDS_MAX && run->words[i] != NULL; i++)
        argv[argc++] = strdup(run->words[i]);
    argv[argc++] = strdup("--control");
    argv[argc++] = socket_path;
    redirect(STDOUT_FILENO, out);
    redirect(STDERR_FILENO, error);
    optind = 1;
    int status = run->command->run(argc, argv);
    fflush(NULL);
    _exit(status);
}

static void read_all(FILE *file, char text[static OUTPUT_SIZE])
{
    rewind(file);
    size_t size = fread(text, 1, OUTPUT_SIZE - 1, file);
    text[size] = 0;
    fclose(file);
}

static int status_of(pid_t process)
{
    int status;
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A number of milliseconds and its unit become "T", since nobody knows how long a reply takes. */
static void mask_times(char *text)
{
    char *to = text;
    while (*text != 0) {
        size_t size = strspn(text, "0123456789.");
        if (size > 0 && strncmp(text + size, " ms", 3) == 0) {
            *to++ = 'T';
            text += size + 3;
            continue;
        }
        size = size > 0 ? size : 1;
        memmove(to, text, size);
        to += size;
        text += size;
    }
    *to = 0;
}

static void check_run(const struct run *run)
{
    FILE *out = tmpfile();
    FILE *error = tmpfile();
    assert_true(out != NULL && error != NULL);
    bool served = strcmp(run->answer, NOTHING) != 0;
    unlink(socket_path);
    int fd = served ? listen_here() : -1;
    pid_t daemon = served ? fork() : 0;
    if (served && daemon == 0)
        serve(fd, run);
    pid_t command = fork();
    if (command == 0)
        run_command(run, out, error);
    int status = status_of(command);
    static char said[OUTPUT_SIZE];
    static char wrong[OUTPUT_SIZE];
    read_all(out, said);
    read_all(error, wrong);
    if (served)
        close(fd);
    /* A command line that is wrong asks nothing, and its daemon waits for ever. */
    if (served && run->status == COMMAND_WRONG) {
        kill(daemon, SIGKILL);
        waitpid(daemon, NULL, 0);
    } else if (served) {
        assert_int_equal(status_of(daemon), 0);
    }
    /* Of other commands no time is masked: what they print is known. */
    if (run->command == &warren_ping)
        mask_times(said);
    assert_string_equal(said, run->out);
    if (run->error == NULL) {
        assert_string_equal(wrong, "");
    } else {
        assert_memory_equal(wrong, run->error, strlen(run->error));
        assert_ptr_equal(strchr(wrong, '\n'), wrong + strlen(wrong) - 1);
    }
    assert_int_equal(status, run->status);
}

static void check_runs(const struct run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        check_run(&runs[i]);
}

/* ---- Tables ---------------------------------------------------------------------------------- */

#define BOB \
    "{\"peer\":\"Ym9i\",\"name\":\"bob\",\"kind\":\"mesh\",\"key\":null,\"hub\":false," \
    "\"addresses\":[\"10.64.0.3/32\",\"fd00::3/128\"],\"path\":\"direct\",\"reason\":\"punched\"," \
    "\"endpoint\":\"203.0.113.7:51940\",\"via\":null,\"session\":true,\"rtt_ms\":12.345," \
    "\"last_handshake_s\":80,\"sent_direct\":12345678,\"sent_relayed\":0," \
    "\"received_direct\":999,\"received_relayed\":1500}"
#define CAROL \
    "{\"peer\":\"Y2Fyb2w=\",\"name\":null,\"kind\":\"mesh\",\"key\":null,\"hub\":false," \
    "\"addresses\":[],\"path\":\"relayed\",\"reason\":\"apdm-against-apdf\"," \
    "\"endpoint\":\"203.0.113.1:51941\",\"via\":\"s1\",\"session\":false,\"rtt_ms\":null," \
    "\"last_handshake_s\":null,\"sent_direct\":0,\"sent_relayed\":0," \
    "\"received_direct\":0,\"received_relayed\":0}"
#define NODE \
    "{\"ok\":true,\"schema\":1,\"role\":\"client\",\"name\":\"alice\",\"interface\":\"warren0\"," \
    "\"addresses\":[\"10.64.0.2/22\"],\"uptime_s\":7500," \
    "\"home\":{\"server\":\"203.0.113.1:51941\",\"name\":\"s1\"}," \
    "\"mapped\":\"203.0.113.6:4242\",\"nat\":null,\"peers\":["

static const struct run status_runs[] = {
    {&warren_status,
     {NULL},
     "{\"command\":\"status\"}\n",
     NODE BOB "," CAROL "]}\n",
     0,
     "alice, client, 10.64.0.2/22 on warren0, home s1, seen at 203.0.113.6:4242, up 2h 5m\n"
     "PEER      ADDRESS       PATH            REASON             ENDPOINT           RTT      "
     "HANDSHAKE   DIRECT OUT/IN    RELAYED OUT/IN\n"
     "bob       10.64.0.3 +1  direct          punched            203.0.113.7:51940  12.3 ms  "
     "1m 20s ago  12.3 MB / 999 B  0 B / 1.5 kB\n"
     "Y2Fyb2w=  -             relayed via s1  apdm-against-apdf  203.0.113.1:51941  -        "
     "never       -                -\n",
     NULL},
    {&warren_status,
     {NULL},
     NULL,
     "{\"ok\":true,\"role\":\"client\",\"name\":\"al\\u0007\",\"home\":null,\"peers\":[]}\n",
     0,
     "al?, client, no home, up 0s\nno peers\n",
     NULL},
    {&warren_status,
     {"--json"},
     NULL,
     "{\"ok\": true, \"schema\": 1, \"new\": [1, null, 0.25], \"peers\": []}\n",
     0,
     "{\"ok\":true,\"schema\":1,\"new\":[1,null,0.25],\"peers\":[]}\n",
     NULL},
    {&warren_status, {NULL}, NULL, NOTHING, 1, "", "warren: warrend does not run here: "},
    {&warren_status,
     {NULL},
     NULL,
     "{\"ok\":false,\"error\":\"it is full\"}\n",
     1,
     "",
     "warren: it is full\n"},
    {&warren_status, {NULL}, NULL, "HTTP/1.1 400\n", 1, "", "warren: what answers at "},
    {&warren_status, {NULL}, NULL, "[]\n", 1, "", "warren: what answers at "},
    {&warren_status, {NULL}, NULL, "{\"ok\":tr", 1, "", "warren: warrend at "},
    {&warren_status,
     {"--jsn"},
     NULL,
     "",
     2,
     "",
     "warren status: there is no option --jsn; usage: warren status [--json] "},
    {&warren_status, {"-x"}, NULL, "", 2, "", "warren status: there is no option -x; "},
    {&warren_status, {"--json=1"}, NULL, "", 2, "", "warren status: --json takes no value; "},
    {&warren_status, {"all"}, NULL, "", 2, "", "warren status: it takes no 'all'; "},
};

static void test_status(void **state)
{
    (void)state;
    check_runs(status_runs, sizeof status_runs / sizeof *status_runs);
}

static const struct run netcheck_runs[] = {
    {&warren_netcheck,
     {NULL},
     "{\"command\":\"netcheck\"}\n",
     "{\"ok\":true,\"udp\":true,\"ipv4\":{\"server\":\"203.0.113.1:3478\",\"mapped\":"
     "\"203.0.113.6:4242\",\"nat\":\"present\",\"mapping\":\"EIM\",\"filtering\":\"APDF\","
     "\"hairpin\":\"off\",\"ports\":\"preserved\",\"pooling\":\"unknown\",\"trap\":\"no\"},"
     "\"ipv6\":null,\"home\":{\"server\":\"203.0.113.1:51941\",\"name\":\"s1\"},"
     "\"mapped\":\"203.0.113.6:51940\",\"nearest\":{\"server\":\"203.0.113.1:3478\","
     "\"name\":null,\"rtt_ms\":0.5}}\n",
     0,
     "UDP             yes\n"
     "IPv4            yes, behind a NAT, seen at 203.0.113.6:4242\n"
     "  mapping       endpoint-independent (EIM)\n"
     "  filtering     address- and port-dependent (APDF)\n"
     "  hairpin       no\n"
     "  port          kept\n"
     "  punch trap    no\n"
     "IPv6            no: no server has such an address, or this machine has none\n"
     "nearest server  203.0.113.1:3478, 0.5 ms\n"
     "home            s1 (203.0.113.1:51941)\n"
     "home sees       203.0.113.6:51940\n",
     NULL},
    {&warren_netcheck,
     {NULL},
     NULL,
     "{\"ok\":true,\"udp\":false,\"ipv4\":{\"nat\":\"blocked\"},\"ipv6\":null,\"home\":null,"
     "\"mapped\":null,\"nearest\":null}\n",
     1,
     "UDP             no: blocked, or no server runs\n"
     "IPv4            no: nothing came back\n"
     "IPv6            no: no server has such an address, or this machine has none\n"
     "nearest server  none\n"
     "home            none\n",
     NULL},
    {&warren_netcheck,
     {"--json"},
     NULL,
     "{\"ok\":true,\"udp\":true}\n",
     0,
     "{\"ok\":true,\"udp\":true}\n",
     NULL},
    {&warren_netcheck, {NULL}, NULL, NOTHING, 1, "", "warren: warrend does not run here: "},
    {&warren_netcheck, {"now"}, NULL, "", 2, "", "warren netcheck: it takes no 'now'; "},
};

static void test_netcheck(void **state)
{
    (void)state;
    check_runs(netcheck_runs, sizeof netcheck_runs / sizeof *netcheck_runs);
}

#define LINES "{\"ok\":true,\"lines\":[\"one\",\"t\\u001bwo\",\"three\"],\"next\":3}\n"

static const struct run log_runs[] = {
    {&warren_log, {NULL}, "{\"command\":\"log\"}\n", LINES, 0, "one\nt?wo\nthree\n", NULL},
    {&warren_log, {"-n", "1"}, NULL, LINES, 0, "three\n", NULL},
    {&warren_log, {"-n", "0"}, NULL, LINES, 0, "", NULL},
    {&warren_log, {NULL}, NULL, "{\"ok\":true}\n", 1, "", "warren: warrend did not send its log\n"},
    {&warren_log, {NULL}, NULL, NOTHING, 1, "", "warren: warrend does not run here: "},
    {&warren_log, {"-n", "-1"}, NULL, "", 2, "", "warren log: the lines are a number from 0 to "},
    {&warren_log, {"-n", "1x"}, NULL, "", 2, "", "warren log: the lines are a number from 0 to "},
};

static void test_log(void **state)
{
    (void)state;
    check_runs(log_runs, sizeof log_runs / sizeof *log_runs);
}

#define PEER(addresses, path, via) \
    "{\"ok\":true,\"peer\":{\"name\":\"bob\",\"addresses\":[" addresses "],\"path\":\"" path \
    "\",\"reason\":\"trap\",\"endpoint\":\"203.0.113.1:51941\",\"via\":" via "}}\n"

static const struct run ping_runs[] = {
    {&warren_ping,
     {"bob"},
     "{\"peer\":\"bob\",\"command\":\"peer-status\"}\n",
     "{\"ok\":false,\"error\":\"there is no peer bob\"}\n",
     1,
     "",
     "warren: there is no peer bob\n"},
    {&warren_ping,
     {"bob"},
     NULL,
     PEER("\"10.64.1.0/24\"", "direct", "null"),
     1,
     "",
     "warren: bob has no address that can be pinged"},
    {&warren_ping, {"bob"}, NULL, "{\"ok\":true}\n", 1, "", "warren: warrend did not say how "},
    {&warren_ping, {"bob"}, NULL, NOTHING, 1, "", "warren: warrend does not run here: "},
    {&warren_ping, {NULL}, NULL, "", 2, "", "warren ping: no peer is named; usage: "},
    {&warren_ping, {"bob", "carol"}, NULL, "", 2, "", "warren ping: one peer is pinged at a time"},
    {&warren_ping, {"bob", "-c", "many"}, NULL, "", 2, "", "warren ping: the count is a number "},
    {&warren_ping, {"bob", "-c", ""}, NULL, "", 2, "", "warren ping: the count is a number "},
    {&warren_ping, {"bob", "-i", "0"}, NULL, "", 2, "", "warren ping: the interval is from 0.1 "},
    {&warren_ping, {"bob", "-W", "0.05"}, NULL, "", 2, "", "warren ping: the wait is from 0.1 to "},
    {&warren_ping, {"bob", "-q"}, NULL, "", 2, "", "warren ping: there is no option -q; "},
};

static void test_ping_fails(void **state)
{
    (void)state;
    check_runs(ping_runs, sizeof ping_runs / sizeof *ping_runs);
}

static const struct run reply_runs[] = {
    {&warren_ping,
     {"bob", "-c", "2", "--until-direct"},
     NULL,
     PEER("\"127.0.0.1/32\"", "direct", "null"),
     0,
     "from bob (127.0.0.1): T direct 203.0.113.1:51941\n"
     "1 sent, 1 received, 1 of them direct; least T, mean T, most T\n",
     NULL},
    {&warren_ping,
     {"bob", "-c", "2", "-i", "0.1"},
     NULL,
     PEER("\"10.64.1.0/24\",\"127.0.0.1/32\"", "relayed", "\"s1\""),
     0,
     "from bob (127.0.0.1): T relayed via s1 (trap)\n"
     "from bob (127.0.0.1): T relayed via s1 (trap)\n"
     "2 sent, 2 received, 0 of them direct; least T, mean T, most T\n",
     NULL},
    {&warren_ping,
     {"bob", "-c", "1", "--until-direct"},
     NULL,
     PEER("\"127.0.0.1\"", "relayed", "null"),
     1,
     "from bob (127.0.0.1): T relayed via 203.0.113.1:51941 (trap)\n"
     "1 sent, 1 received, 0 of them direct; least T, mean T, most T\n",
     "warren: no direct path to bob yet\n"},
};

/* The replies are those of this machine itself. */
static void test_ping(void **state)
{
    (void)state;
    struct echo echo;
    bool allowed = echo_open(&echo, "127.0.0.1");
    echo_close(&echo);
    if (!allowed)
        skip();
    check_runs(reply_runs, sizeof reply_runs / sizeof *reply_runs);
}

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(socket_path, sizeof socket_path, "%s/control", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(socket_path);
    return rmdir(folder);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status), cmocka_unit_test(test_netcheck),
        cmocka_unit_test(test_log),    cmocka_unit_test(test_ping_fails),
        cmocka_unit_test(test_ping),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
