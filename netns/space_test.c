/* Tests of sandboxes and of hosts in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netns/space_test.h"

/* ---- The sandbox itself ---------------------------------------------------------------------- */

static int give_back(void *argument)
{
    return *(const int *)argument;
}

static void the_exit_status_comes_back(void **state)
{
    static const int statuses[] = {0, 1, 7, 255};
    (void)state;
    need_sandboxes();
    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        int wanted = statuses[i];
        int status = run(give_back, &wanted);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), wanted);
    }
}

static int wait_forever(void *argument)
{
    (void)argument;
    while (pause() < 0)
        continue;
    return WRONG;
}

static void the_maker_can_end_it(void **state)
{
    char error[SPACE_ERROR_SIZE];
    int status;
    (void)state;
    need_sandboxes();
    pid_t process = space_sandbox(wait_forever, NULL, error);
    assert_true(process > 0);
    assert_int_equal(kill(process, SIGKILL), 0);
    assert_int_equal(waitpid(process, &status, 0), process);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* How many entries a folder has besides "." and "..", or -1. */
static int count_entries(const char *path)
{
    DIR *folder = opendir(path);
    if (folder == NULL)
        return -1;
    int count = 0;
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder))
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

static int look_around(void *argument)
{
    const int *inherited = argument;
    struct sigaction action;
    sigset_t blocked;
    char self[16] = "";
    const char *temporary = getenv("TMPDIR");
    const char *search = getenv("PATH");
    expect(getpid() == 1);
    expect(geteuid() == 0 && getegid() == 0);
    expect(readlink("/proc/self", self, sizeof self - 1) == 1 && strcmp(self, "1") == 0);
    expect(count_entries("/run") == 1);
    expect(temporary != NULL && strcmp(temporary, "/run/tmp") == 0);
    expect(count_entries("/run/tmp") == 0);
    expect(search != NULL && strstr(search, "/usr/sbin") != NULL);
    expect(open("/run/tmp/file", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600) >= 0);
    expect(sigaction(SIGUSR1, NULL, &action) == 0 && action.sa_handler == SIG_DFL);
    expect(sigprocmask(SIG_SETMASK, NULL, &blocked) == 0 && !sigismember(&blocked, SIGUSR2));
    expect(write(*inherited, "x", 1) == 1);
    expect(open("/dev/tty", O_RDWR | O_CLOEXEC) < 0);
    return OK;
}

static void the_inside_is_as_promised(void **state)
{
    int ends[2];
    char byte;
    sigset_t some;
    sigset_t before;
    (void)state;
    need_sandboxes();
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    signal(SIGUSR1, SIG_IGN);
    sigemptyset(&some);
    sigaddset(&some, SIGUSR2);
    assert_int_equal(sigprocmask(SIG_BLOCK, &some, &before), 0);
    int status = run(look_around, &ends[1]);
    sigset_t after;
    assert_int_equal(sigprocmask(SIG_SETMASK, &before, &after), 0);
    signal(SIGUSR1, SIG_DFL);
    assert_int_equal(status, OK);
    /* The maker's own mask is as it was. */
    assert_true(sigismember(&after, SIGUSR2));
    assert_int_equal(read(ends[0], &byte, 1), 1);
    close(ends[0]);
    close(ends[1]);
}

static void programs_are_found(void **state)
{
    static const struct {
        const char *before, *after; /* of the folder, in PATH; NULL: PATH is not set */
        bool found;
    } rows[] = {
        {"", "", true},      {"/nowhere:", "", true}, {"", ":/nowhere", true},
        {"::", "::", true},  {"", "x", false}, /* another folder */
        {NULL, NULL, false},
    };
    char folder[] = "/tmp/space-test-XXXXXX", path[64], other[64], search[96];
    const char *own = getenv("PATH");
    char *before = strdup(own != NULL ? own : "");
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/space-test-program", folder);
    snprintf(other, sizeof other, "%s/space-test-text", folder);
    int file = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);
    int text = open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(file >= 0 && text >= 0 && close(file) == 0 && close(text) == 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (rows[i].before == NULL) {
            unsetenv("PATH");
        } else {
            snprintf(search, sizeof search, "%s%s%s", rows[i].before, folder, rows[i].after);
            setenv("PATH", search, 1);
        }
        assert_true(space_has_program("space-test-program") == rows[i].found);
        assert_false(space_has_program("space-test-text"));
        assert_false(space_has_program("space-test-none"));
    }
    setenv("PATH", before, 1);
    free(before);
    assert_true(space_has_program("sh"));
    assert_int_equal(unlink(path) | unlink(other) | rmdir(folder), 0);
}

/* ---- Hosts ----------------------------------------------------------------------------------- */

static bool loopback_is_up(int host)
{
    char error[SPACE_ERROR_SIZE];
    struct ifreq request = {.ifr_name = "lo"};
    int fd = space_socket(host, AF_INET, SOCK_DGRAM, 0, error);
    bool up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP);
    close(fd);
    return up;
}

/* A UDP socket there that has this port of the loopback address. */
static int bind_loopback(int host, uint16_t port)
{
    char error[SPACE_ERROR_SIZE];
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = space_socket(host, AF_INET, SOCK_DGRAM, 0, error);
    if (fd >= 0 && bind(fd, (const struct sockaddr *)&at, sizeof at) < 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

static int use_two_hosts(void *argument)
{
    char error[SPACE_ERROR_SIZE] = "";
    char names[3][64];
    (void)argument;
    int own = space_own(error);
    int one = space_host(error);
    int two = space_host(error);
    expect_done(own >= 0 && one >= 0 && two >= 0);
    int again = space_own(error);
    struct stat before;
    struct stat after;
    expect(fstat(own, &before) == 0 && fstat(again, &after) == 0 && before.st_ino == after.st_ino);
    expect(name_network(own, names[0]) && name_network(one, names[1]));
    expect(name_network(two, names[2]));
    expect(strcmp(names[0], names[1]) != 0 && strcmp(names[1], names[2]) != 0);
    expect(loopback_is_up(own) && loopback_is_up(one) && loopback_is_up(two));
    /* Each has every port of its own. */
    int first = bind_loopback(one, 1000);
    int second = bind_loopback(two, 1000);
    expect(first >= 0 && second >= 0 && bind_loopback(one, 1000) < 0);
    expect(fcntl(first, F_GETFD) == FD_CLOEXEC && (fcntl(first, F_GETFL) & O_NONBLOCK));
    expect(space_socket(one, -1, SOCK_DGRAM, 0, error) < 0);
    expect(strstr(error, "socket") != NULL);
    /* What is no namespace is refused, and one stays where one is. */
    expect(space_socket(first, AF_INET, SOCK_DGRAM, 0, error) < 0);
    expect(strstr(error, "entered") != NULL);
    again = space_own(error);
    expect(fstat(again, &after) == 0 && before.st_ino == after.st_ino);
    return OK;
}

static void hosts_are_apart(void **state)
{
    (void)state;
    need_sandboxes();
    assert_int_equal(run(use_two_hosts, NULL), OK);
}

static bool says(int host, const char *path, const char *text)
{
    const char *const arguments[] = {"cat", path, NULL};
    char error[SPACE_ERROR_SIZE];
    char said[TEXT_SIZE];
    return space_ask(host, arguments, said, sizeof said, error) && strcmp(said, text) == 0;
}

static int set_values(void *argument)
{
    static const char *const at_once[] = {
        "/proc/sys/net/ipv6/conf/default/accept_dad",
        "/proc/sys/net/ipv6/conf/default/accept_ra",
        "/proc/sys/net/ipv6/conf/default/dad_transmits",
    };
    char error[SPACE_ERROR_SIZE] = "";
    char long_name[TEXT_SIZE];
    (void)argument;
    int one = space_host(error);
    int two = space_host(error);
    expect_done(one >= 0 && two >= 0);
    expect_done(space_sysctl(one, "net/ipv4/ip_forward", "1", error));
    expect_done(space_sysctl(two, "net/ipv4/ip_forward", "0", error));
    expect(says(one, "/proc/sys/net/ipv4/ip_forward", "1\n"));
    expect(says(two, "/proc/sys/net/ipv4/ip_forward", "0\n"));
    expect(!space_sysctl(one, "net/ipv4/no_such", "1", error));
    expect(strstr(error, "net/ipv4/no_such cannot be set") != NULL);
    expect(!space_sysctl(one, "net/ipv4/ip_forward", "x", error));
    memset(long_name, 'a', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    expect(!space_sysctl(one, long_name, "1", error));
    for (size_t i = 0; i < sizeof at_once / sizeof at_once[0]; i++)
        expect(access(at_once[i], F_OK) < 0 || says(one, at_once[i], "0\n"));
    return OK;
}

static void values_are_set_in_one_host(void **state)
{
    (void)state;
    need_sandboxes();
    assert_int_equal(run(set_values, NULL), OK);
}

/* ---- TUN devices ----------------------------------------------------------------------------- */

/* One of two sandboxes that are alike but for the letter. */
struct twin {
    char letter;
    int built; /* says that its device stands */
    int go;    /* and waits here until the other one's does */
};

static bool set_address(int host, const char *name)
{
    char error[SPACE_ERROR_SIZE];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = inet_addr("10.9.0.1")};
    struct sockaddr_in mask = {.sin_family = AF_INET,
                               .sin_addr.s_addr = inet_addr("255.255.255.0")};
    struct ifreq request = {.ifr_flags = 0};
    int fd = space_socket(host, AF_INET, SOCK_DGRAM, 0, error);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    memcpy(&request.ifr_addr, &address, sizeof address);
    bool set = fd >= 0 && ioctl(fd, SIOCSIFADDR, &request) == 0;
    memcpy(&request.ifr_netmask, &mask, sizeof mask);
    set = set && ioctl(fd, SIOCSIFNETMASK, &request) == 0;
    request.ifr_flags = IFF_UP;
    set = set && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    close(fd);
    return set;
}

/* The payload's first byte of the next IPv4 UDP packet for port 9; 0 when none comes. */
static char next_letter(int tun, int wait_ms)
{
    uint8_t packet[2048];
    struct pollfd waiting = {.fd = tun, .events = POLLIN};
    while (poll(&waiting, 1, wait_ms) == 1) {
        ssize_t size = read(tun, packet, sizeof packet);
        if (size > PAYLOAD_AT && packet[0] == 0x45 && packet[PROTOCOL_AT] == IPPROTO_UDP &&
            packet[PORT_AT] == 0 && packet[PORT_AT + 1] == 9)
            return (char)packet[PAYLOAD_AT];
    }
    return 0;
}

static int be_twin(void *argument)
{
    const struct twin *twin = argument;
    char error[SPACE_ERROR_SIZE] = "";
    char byte;
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = inet_addr("10.9.0.2")};
    int host = space_host(error);
    expect_done(host >= 0);
    int tun = space_tun(host, "tun0", false, error);
    expect_done(tun >= 0);
    expect(read(tun, &byte, 1) < 0);
    expect(fcntl(tun, F_GETFD) == FD_CLOEXEC);
    expect(set_address(host, "tun0"));
    expect(space_tun(host, "tun0", false, error) < 0 && strstr(error, "tun0") != NULL);
    expect(write(twin->built, "x", 1) == 1);
    expect(read(twin->go, &byte, 1) == 1);
    int fd = space_socket(host, AF_INET, SOCK_DGRAM, 0, error);
    expect_done(fd >= 0);
    expect(sendto(fd, &twin->letter, 1, 0, (const struct sockaddr *)&to, sizeof to) == 1);
    expect(next_letter(tun, WAIT_MS) == twin->letter);
    expect(next_letter(tun, 0) == 0);
    return OK;
}

static void twins_do_not_disturb_each_other(void **state)
{
    char error[SPACE_ERROR_SIZE];
    pid_t processes[2];
    int built[2];
    int go[2];
    char bytes[2];
    (void)state;
    if (!space_is_possible(error)) {
        print_message("# SKIP: %s\n", error);
        skip();
    }
    assert_int_equal(pipe2(built, O_CLOEXEC), 0);
    assert_int_equal(pipe2(go, O_CLOEXEC), 0);
    for (int i = 0; i < 2; i++) {
        struct twin twin = {.letter = i == 0 ? 'a' : 'b', .built = built[1], .go = go[0]};
        processes[i] = space_sandbox(be_twin, &twin, error);
        assert_true(processes[i] > 0);
    }
    /* So that a twin that fails is the end of the file, not a wait without one. */
    close(built[1]);
    for (int i = 0; i < 2; i++)
        assert_int_equal(read(built[0], bytes, 1), 1);
    assert_int_equal(write(go[1], "xx", 2), 2);
    for (int i = 0; i < 2; i++) {
        int status;
        assert_int_equal(waitpid(processes[i], &status, 0), processes[i]);
        assert_int_equal(status, OK);
    }
    close(built[0]);
    close(go[0]);
    close(go[1]);
}

static int name_tuns(void *argument)
{
    static const char *const names[] = {"", "a-name-of-16-let", "a-name-that-is-much-too-long"};
    char error[SPACE_ERROR_SIZE] = "";
    (void)argument;
    int host = space_host(error);
    expect_done(host >= 0);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        error[0] = 0;
        expect(space_tun(host, names[i], false, error) < 0);
        expect(strstr(error, "interface cannot be called") != NULL);
    }
    return OK;
}

static void names_that_are_no_interfaces_are_refused(void **state)
{
    (void)state;
    need_sandboxes();
    assert_int_equal(run(name_tuns, NULL), OK);
}

/* ---- The end of everything ------------------------------------------------------------------- */

/* How many processes of this machine run exactly this command. */
static int count_processes(const char *command, size_t size)
{
    int count = 0;
    DIR *folder = opendir("/proc");
    assert_non_null(folder);
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[300];
        char line[TEXT_SIZE];
        snprintf(path, sizeof path, "/proc/%s/cmdline", entry->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        if (fd < 0)
            continue;
        ssize_t length = read(fd, line, sizeof line);
        count += length >= 0 && (size_t)length == size && memcmp(line, command, size) == 0;
        close(fd);
    }
    closedir(folder);
    return count;
}

/* A sleep whose length no other process has, so that it can be found again. */
struct sleeper {
    char length[64];
    char command[80]; /* as /proc shows it */
    size_t size;
    int started; /* says that it runs */
    bool stays;  /* the sandbox outlives its start */
};

static struct sleeper make_sleeper(int number, int started, bool stays)
{
    struct sleeper sleeper = {.started = started, .stays = stays};
    snprintf(sleeper.length, sizeof sleeper.length, "%d.%d", 100000 + number, (int)getpid());
    int size = snprintf(sleeper.command, sizeof sleeper.command, "sleep %s", sleeper.length);
    sleeper.command[5] = 0;
    sleeper.size = (size_t)size + 1;
    return sleeper;
}

static int start_sleeper(void *argument)
{
    const struct sleeper *sleeper = argument;
    const char *const arguments[] = {"sleep", sleeper->length, NULL};
    const struct space_program program = {.arguments = arguments, .output = -1};
    char error[SPACE_ERROR_SIZE] = "";
    int host = space_host(error);
    expect_done(host >= 0);
    expect_done(space_start(host, &program, error) > 0);
    expect(write(sleeper->started, "x", 1) == 1);
    return sleeper->stays ? wait_forever(NULL) : OK;
}

static bool vanishes(const struct sleeper *sleeper)
{
    int polls = 0;
    while (count_processes(sleeper->command, sleeper->size) > 0 && polls++ < POLLS_MAX)
        pause_once();
    return polls < POLLS_MAX;
}

enum ending { RETURNS, IS_KILLED, MAKER_IS_KILLED, ENDINGS };

/* The process that makes the sandbox, where that is not the test itself. */
static _Noreturn void make_and_wait(struct sleeper *sleeper)
{
    char error[SPACE_ERROR_SIZE];
    if (space_sandbox(start_sleeper, sleeper, error) < 0)
        _exit(WRONG);
    wait_forever(NULL);
    _exit(OK);
}

static void nothing_outlives_a_sandbox(void **state)
{
    (void)state;
    need_sandboxes();
    for (int ending = RETURNS; ending < ENDINGS; ending++) {
        char error[SPACE_ERROR_SIZE];
        char byte;
        int ends[2];
        int status;
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        struct sleeper sleeper = make_sleeper(ending, ends[1], ending != RETURNS);
        pid_t process =
            ending == MAKER_IS_KILLED ? fork() : space_sandbox(start_sleeper, &sleeper, error);
        assert_true(process >= 0);
        if (process == 0)
            make_and_wait(&sleeper);
        close(ends[1]);
        assert_int_equal(read(ends[0], &byte, 1), 1);
        close(ends[0]);
        if (ending != RETURNS) {
            /* Without this the search below could not fail. */
            assert_int_equal(count_processes(sleeper.command, sleeper.size), 1);
            assert_int_equal(kill(process, SIGKILL), 0);
        }
        assert_int_equal(waitpid(process, &status, 0), process);
        assert_int_equal(status, ending == RETURNS ? OK : SIGKILL);
        assert_true(vanishes(&sleeper));
    }
}

/* ---- From outside ---------------------------------------------------------------------------- */

/* What the sandbox tells about its host. */
struct standing {
    int host;
    char network[64];
    char inside[TEXT_SIZE]; /* its own idea of how to enter it */
};

static int stand(void *argument)
{
    const int *told = argument;
    char error[SPACE_ERROR_SIZE] = "";
    struct standing standing;
    memset(&standing, 0, sizeof standing);
    standing.host = space_host(error);
    expect_done(standing.host >= 0);
    expect(name_network(standing.host, standing.network));
    space_describe(standing.host, 0, standing.inside, sizeof standing.inside);
    expect(write(*told, &standing, sizeof standing) == (ssize_t)sizeof standing);
    return wait_forever(NULL);
}

/* What a shell prints, as outside as this process is. */
static bool ask_shell(const char *command, char said[static TEXT_SIZE])
{
    int status = -1;
    int output = memfd_create("output", MFD_CLOEXEC);
    pid_t process = fork();
    if (process == 0) {
        dup2(output, STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(WRONG);
    }
    bool ended = process > 0 && waitpid(process, &status, 0) == process;
    ssize_t size = pread(output, said, TEXT_SIZE - 1, 0);
    said[size > 0 ? size : 0] = 0;
    close(output);
    return ended && status == 0;
}

/* In the process that has the rights of the test; fit for any. */
static int enter_from_outside(void)
{
    char error[SPACE_ERROR_SIZE] = "";
    char entry[TEXT_SIZE];
    char command[TEXT_SIZE + 200];
    char said[TEXT_SIZE];
    struct standing standing;
    int told[2];
    int status;
    expect(pipe2(told, O_CLOEXEC) == 0);
    pid_t process = space_sandbox(stand, &told[1], error);
    expect_done(process > 0);
    close(told[1]);
    expect(read(told[0], &standing, sizeof standing) == (ssize_t)sizeof standing);
    close(told[0]);
    space_describe(standing.host, process, entry, sizeof entry);
    expect(strcmp(entry, standing.inside) == 0);
    snprintf(command, sizeof command,
             "%s sh -c 'readlink /proc/self/ns/net && cat /proc/1/comm >/dev/null && "
             "echo 1 >/proc/sys/net/ipv4/ip_forward && ls /run'",
             entry);
    bool well = ask_shell(command, said);
    kill(process, SIGKILL);
    expect(waitpid(process, &status, 0) == process);
    if (!well)
        fprintf(stderr, "# %s: %s\n", command, said);
    expect(well);
    expect(strncmp(said, standing.network, strlen(standing.network)) == 0);
    expect(strcmp(said + strlen(standing.network), "tmp\n") == 0);
    return OK;
}

static void a_shell_enters_a_host(void **state)
{
    char said[TEXT_SIZE];
    (void)state;
    need_sandboxes();
    if (!ask_shell("command -v nsenter", said)) {
        print_message("# SKIP: nsenter is not installed\n");
        skip();
    }
    assert_int_equal(enter_from_outside(), OK);
}

/* ---- Without privileges ---------------------------------------------------------------------- */

static bool ends_ok(space_main *first)
{
    char error[SPACE_ERROR_SIZE] = "";
    int status = WRONG;
    pid_t process = space_sandbox(first, NULL, error);
    if (process < 0)
        fprintf(stderr, "# %s\n", error);
    return process > 0 && waitpid(process, &status, 0) == process && status == OK;
}

static int run_one(void *argument)
{
    static const char *const arguments[] = {"true", NULL};
    char error[SPACE_ERROR_SIZE] = "";
    (void)argument;
    int host = space_host(error);
    expect_done(host >= 0 && space_run(host, arguments, NULL, error));
    return OK;
}

static int open_tun(void *argument)
{
    char error[SPACE_ERROR_SIZE] = "";
    (void)argument;
    int host = space_host(error);
    expect_done(host >= 0 && space_tun(host, "tun0", false, error) >= 0);
    return OK;
}

static int work_as_nobody(void)
{
    char error[SPACE_ERROR_SIZE] = "";
    char again[TEXT_SIZE] = "";
    if (setgroups(0, NULL) < 0 || setgid(NOBODY) < 0 || setuid(NOBODY) < 0) {
        fprintf(stderr, "# user %d is not to be had here\n", NOBODY);
        return LEFT_OUT;
    }
    /* Folders of root's, to which a search would be refused, give another error. */
    expect(chdir("/") == 0 && setenv("PATH", "/usr/local/bin:/usr/bin:/bin", 1) == 0);
    pid_t process = space_sandbox(idle, NULL, error);
    if (process < 0) {
        /* A sentence must say why. */
        fprintf(stderr, "# as user %d: %s\n", NOBODY, error);
        expect(strstr(error, "run as root") != NULL);
        return LEFT_OUT;
    }
    expect(waitpid(process, NULL, 0) == process);
    expect(ends_ok(use_two_hosts) && ends_ok(set_values) && ends_ok(run_one));
    expect(!ask_shell("command -v nsenter", again) || enter_from_outside() == OK);
    /* The answer that the test's own user got is not this one's. */
    bool possible = space_is_possible(error);
    expect(space_is_possible(again) == possible && strcmp(error, again) == 0);
    if (possible)
        return ends_ok(open_tun) ? OK : WRONG;
    fprintf(stderr, "# as user %d: %s\n", NOBODY, error);
    expect(access("/dev/net/tun", R_OK | W_OK) < 0);
    expect(strstr(error, "/dev/net/tun cannot be opened") != NULL);
    return LEFT_OUT;
}

static void nobody_can_do_the_same(void **state)
{
    int status;
    (void)state;
    if (geteuid() != 0) {
        print_message("# SKIP: the other tests are without privileges already\n");
        skip();
    }
    need_sandboxes();
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        int result = work_as_nobody();
        fflush(NULL);
        _exit(result);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == LEFT_OUT)
        print_message("# SKIP: a part of this, as said on standard error\n");
    else
        assert_int_equal(WEXITSTATUS(status), OK);
}

static void who_is_in_run_is_told(void **state)
{
    char error[SPACE_ERROR_SIZE] = "";
    int status = OK;
    (void)state;
    need_sandboxes();
    int before = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(before >= 0);
    assert_int_equal(chdir("/run"), 0);
    pid_t process = space_sandbox(give_back, &status, error);
    assert_int_equal(fchdir(before), 0);
    close(before);
    assert_int_equal(process, -1);
    assert_ptr_equal(strstr(error, "the current directory is in /run"), error);
}

static void the_answer_stays(void **state)
{
    char first[SPACE_ERROR_SIZE] = "";
    char second[SPACE_ERROR_SIZE] = "";
    (void)state;
    bool possible = space_is_possible(first);
    assert_int_equal(space_is_possible(second), possible);
    assert_string_equal(first, second);
    assert_true(possible == (first[0] == 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exit_status_comes_back),
        cmocka_unit_test(the_maker_can_end_it),
        cmocka_unit_test(the_inside_is_as_promised),
        cmocka_unit_test(programs_are_found),
        cmocka_unit_test(hosts_are_apart),
        cmocka_unit_test(values_are_set_in_one_host),
        cmocka_unit_test(twins_do_not_disturb_each_other),
        cmocka_unit_test(names_that_are_no_interfaces_are_refused),
        cmocka_unit_test(nothing_outlives_a_sandbox),
        cmocka_unit_test(a_shell_enters_a_host),
        cmocka_unit_test(nobody_can_do_the_same),
        cmocka_unit_test(who_is_in_run_is_told),
        cmocka_unit_test(the_answer_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
