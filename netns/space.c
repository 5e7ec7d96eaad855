/* The making of sandboxes and, inside them, of network namespaces, sockets and TUN devices. */
#include "netns/space.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/sched.h>

#include "core/base/check.h"
#include "netns/space_part.h"

enum { LINE_SIZE = 64, PATH_SIZE = 256, SEARCH_SIZE = 4096 };

_Static_assert(SPACE_NAME_SIZE == IFNAMSIZ, "a name that we keep is one that the kernel takes");

#define NAMESPACES ((uint64_t)(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC))
#define OWN_NETWORK "/proc/thread-self/ns/net"

/* Of the sandbox that this process is in, or of the last one that it made. */
static struct {
    pid_t outside; /* the sandbox's process for its maker; 0: not in a sandbox */
    bool user;     /* it has a user namespace */
} here;

/* What the new process needs to know. */
struct sandbox {
    space_main *first;
    void *argument;
    bool user;
    uid_t uid; /* of the maker */
    gid_t gid;
    int alive;  /* the end of a pipe whose other end only the maker has */
    int report; /* where the new process says whether it is ready */
};

/* Small enough for a pipe to take it whole. */
struct report {
    bool ready;
    char error[SPACE_ERROR_SIZE];
};

/* ---- Small help ------------------------------------------------------------------------------ */

bool space_fail(char error[static SPACE_ERROR_SIZE], int number, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(error, SPACE_ERROR_SIZE, format, arguments);
    va_end(arguments);
    if (number != 0 && length >= 0 && length < SPACE_ERROR_SIZE)
        snprintf(error + length, SPACE_ERROR_SIZE - (size_t)length, ": %s", strerror(number));
    return false;
}

void space_signals_hold(sigset_t *before)
{
    sigset_t all;
    sigfillset(&all);
    check(sigprocmask(SIG_SETMASK, &all, before) == 0);
}

void space_signals_reset(void)
{
    /* By the kernel's call: the C library keeps two for itself, which posix_spawn() leaves ignored.
       Nothing but zeros is the default, without flags. */
    static const uint64_t standard[8];
    for (int number = 1; number < NSIG; number++)
        syscall(SYS_rt_sigaction, number, standard, NULL, NSIG / 8);
    sigset_t none;
    sigemptyset(&none);
    check(sigprocmask(SIG_SETMASK, &none, NULL) == 0);
}

size_t space_read(int fd, void *to, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t part = read(fd, (char *)to + done, size - done);
        if (part == 0 || (part < 0 && errno != EINTR))
            break;
        done += part > 0 ? (size_t)part : 0;
    }
    return done;
}

bool space_write(int fd, const void *from, size_t size)
{
    size_t done = 0;
    while (done < size) {
        ssize_t part = write(fd, (const char *)from + done, size - done);
        if (part < 0 && errno != EINTR)
            return false;
        done += part > 0 ? (size_t)part : 0;
    }
    return true;
}

bool space_wait(pid_t process, int *status)
{
    check(process > 0);
    pid_t ended;
    do
        ended = waitpid(process, status, 0);
    while (ended < 0 && errno == EINTR);
    return ended == process;
}

/* Files of /proc take a value in one write. 0, or an error number. */
static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return errno;
    ssize_t written = write(fd, text, strlen(text));
    int number = written < 0 ? errno : 0;
    close(fd);
    return number;
}

/* ---- Network namespaces ---------------------------------------------------------------------- */

static int open_own(char error[static SPACE_ERROR_SIZE])
{
    int fd = open(OWN_NETWORK, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        space_fail(error, errno, "%s cannot be opened", OWN_NETWORK);
    return fd;
}

/* The way back from enter(). */
static void leave(int own)
{
    check(own >= 0);
    /* What we came from is ours, so a refusal would be our mistake; and going on in the wrong
       namespace would do everything that follows in it. */
    check(setns(own, CLONE_NEWNET) == 0);
    close(own);
}

/* Moves this thread to the host's namespace; what leave() takes, or -1. */
static int enter(int host, char error[static SPACE_ERROR_SIZE])
{
    int own = open_own(error);
    if (own < 0)
        return -1;
    if (setns(host, CLONE_NEWNET) == 0)
        return own;
    space_fail(error, errno, "the host's network namespace cannot be entered");
    close(own);
    return -1;
}

/* Makes the namespace that this thread is in ready for use. */
static bool prepare_network(char error[static SPACE_ERROR_SIZE])
{
    static const char *const quiet[] = {
        "/proc/sys/net/ipv6/conf/all/accept_dad",
        "/proc/sys/net/ipv6/conf/all/accept_ra",
        "/proc/sys/net/ipv6/conf/default/accept_dad",
        "/proc/sys/net/ipv6/conf/default/accept_ra",
        "/proc/sys/net/ipv6/conf/default/dad_transmits",
    };
    /* Where IPv6 is off, the files are missing and nothing is to be done. */
    for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++) {
        int number = write_file(quiet[i], "0");
        if (number != 0 && number != ENOENT)
            return space_fail(error, number, "%s cannot be set", quiet[i]);
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return space_fail(error, errno, "no socket for setting the loopback interface up");
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    int number = ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? errno : 0;
    close(fd);
    return number == 0 || space_fail(error, number, "the loopback interface cannot be set up");
}

int space_own(char error[static SPACE_ERROR_SIZE])
{
    return open_own(error);
}

int space_host(char error[static SPACE_ERROR_SIZE])
{
    int own = open_own(error);
    if (own < 0)
        return -1;
    if (unshare(CLONE_NEWNET) < 0) {
        space_fail(error, errno, "a network namespace cannot be made");
        close(own);
        return -1;
    }
    int host = prepare_network(error) ? open_own(error) : -1;
    leave(own);
    return host;
}

int space_tun(int host, const char *name, bool offload, char error[static SPACE_ERROR_SIZE])
{
    struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    if (offload)
        request.ifr_flags |= IFF_VNET_HDR;
    if (name[0] == 0 || strlen(name) >= sizeof request.ifr_name) {
        space_fail(error, 0, "an interface cannot be called \"%s\": its name has 1 to %zu letters",
                   name, sizeof request.ifr_name - 1);
        return -1;
    }
    memcpy(request.ifr_name, name, strlen(name) + 1);
    int own = enter(host, error);
    if (own < 0)
        return -1;
    /* The device will be made in the namespace in which the file is opened. */
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    int number = errno;
    leave(own);
    if (fd < 0 && (number == EACCES || number == EPERM)) {
        space_fail(error, 0,
                   "/dev/net/tun cannot be opened: %s; let this user open it (chmod 666 "
                   "/dev/net/tun) or run as root",
                   strerror(number));
    } else if (fd < 0 && (number == ENOENT || number == ENODEV || number == ENXIO)) {
        space_fail(error, 0,
                   "/dev/net/tun cannot be opened: %s; load the kernel's module (modprobe tun)",
                   strerror(number));
    } else if (fd < 0) {
        space_fail(error, number, "/dev/net/tun cannot be opened");
    } else if (ioctl(fd, TUNSETIFF, &request) < 0) {
        space_fail(error, errno, "the TUN device %s cannot be made", name);
        close(fd);
        fd = -1;
    }
    return fd;
}

int space_socket(int host, int domain, int type, int protocol, char error[static SPACE_ERROR_SIZE])
{
    int own = enter(host, error);
    if (own < 0)
        return -1;
    int fd = socket(domain, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    int number = errno;
    leave(own);
    if (fd < 0)
        space_fail(error, number, "a socket of domain %d and type %d cannot be made", domain, type);
    return fd;
}

bool space_sysctl(int host, const char *name, const char *value,
                  char error[static SPACE_ERROR_SIZE])
{
    char path[PATH_SIZE];
    int length = snprintf(path, sizeof path, "/proc/sys/%s", name);
    if (length < 0 || length >= PATH_SIZE)
        return space_fail(error, ENAMETOOLONG, "/proc/sys/%s", name);
    int own = enter(host, error);
    if (own < 0)
        return false;
    int number = write_file(path, value);
    leave(own);
    return number == 0 || space_fail(error, number, "%s cannot be set to %s", path, value);
}

void space_describe(int host, pid_t sandbox, char *to, size_t size)
{
    int process = (int)(sandbox != 0 ? sandbox : here.outside);
    check(process > 0 && host >= 0);
    /* The group cannot be changed in a user namespace whose only group is the maker's, but without
       being user 0 there a shell of root's would have no rights in it. */
    const char *user = here.user ? "--user --preserve-credentials --setuid 0 " : "";
    snprintf(to, size, "nsenter --target %d %s--mount --pid --ipc --net=/proc/%d/fd/%d", process,
             user, process, host);
}

/* ---- The inside of a new sandbox ------------------------------------------------------------- */

/* The maker's user and group are 0 in here. */
static bool map_user(const struct sandbox *sandbox, char error[static SPACE_ERROR_SIZE])
{
    static const char advice[] =
        "user namespaces give this user no rights here; allow them (sysctl "
        "kernel.apparmor_restrict_unprivileged_userns=0) or run as root";
    char uid_line[LINE_SIZE];
    char gid_line[LINE_SIZE];
    snprintf(uid_line, sizeof uid_line, "0 %ju 1", (uintmax_t)sandbox->uid);
    snprintf(gid_line, sizeof gid_line, "0 %ju 1", (uintmax_t)sandbox->gid);
    const struct {
        const char *path;
        const char *line;
    } files[] = {
        /* user_namespaces(7): without this an unprivileged process may not write gid_map. */
        {"/proc/self/setgroups", "deny"},
        {"/proc/self/gid_map", gid_line},
        {"/proc/self/uid_map", uid_line},
    };
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        int number = write_file(files[i].path, files[i].line);
        if (number != 0)
            return space_fail(error, number, "%s (%s)", advice, files[i].path);
    }
    return true;
}

/* From here on this process ends when its maker does. */
static bool follow_maker(const struct sandbox *sandbox, char error[static SPACE_ERROR_SIZE])
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return space_fail(error, errno, "a sandbox cannot be tied to its maker");
    /* It may have ended before, and its number says nothing in here: a parent outside of the
       process namespace is 0. */
    struct pollfd alive = {.fd = sandbox->alive, .events = POLLIN};
    if (poll(&alive, 1, 0) != 0)
        return space_fail(error, 0, "the maker of the sandbox has ended");
    return true;
}

static bool mount_own(char error[static SPACE_ERROR_SIZE])
{
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return space_fail(error, errno, "the sandbox's mounts cannot be made private");
    if (mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755") < 0)
        return space_fail(error, errno, "/run of the sandbox cannot be mounted");
    if (mkdir("/run/tmp", 0777) < 0 || chmod("/run/tmp", 01777) < 0)
        return space_fail(error, errno, "/run/tmp of the sandbox cannot be made");
    if (mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        return space_fail(error, errno,
                          "/proc of the sandbox cannot be mounted (a container that hides parts of "
                          "/proc forbids it)");
    return true;
}

/* A sandbox's PATH. Most people's has no folder of what is for administrators. */
static const char *search_path(char to[static SEARCH_SIZE])
{
    static const char more[] = "/usr/local/sbin:/usr/sbin:/sbin";
    const char *before = getenv("PATH");
    int length = before != NULL ? snprintf(to, SEARCH_SIZE, "%s:%s", before, more) : -1;
    bool whole = length >= 0 && length < SEARCH_SIZE;
    return whole ? to : "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";
}

static void set_environment(void)
{
    char search[SEARCH_SIZE];
    check(setenv("PATH", search_path(search), 1) == 0);
    check(setenv("TMPDIR", "/run/tmp", 1) == 0);
}

bool space_has_program(const char *name)
{
    char search[SEARCH_SIZE], path[SEARCH_SIZE];
    for (const char *at = search_path(search); *at != 0;) {
        size_t size = strcspn(at, ":");
        int length = snprintf(path, sizeof path, "%.*s/%s", (int)size, at, name);
        if (size > 0 && length < SEARCH_SIZE && access(path, X_OK) == 0)
            return true;
        at += size + (at[size] == ':');
    }
    return false;
}

static bool settle(const struct sandbox *sandbox, char error[static SPACE_ERROR_SIZE])
{
    /* A process that once changed its user owns no file of its own in /proc until it says that it
       has nothing to hide. Neither could a shell from outside join it. */
    if (prctl(PR_SET_DUMPABLE, 1) < 0)
        return space_fail(error, errno, "PR_SET_DUMPABLE");
    if (sandbox->user && !map_user(sandbox, error))
        return false;
    if (!follow_maker(sandbox, error))
        return false;
    /* The /proc of outside, still, where this is the number that the maker knows. */
    char number[LINE_SIZE] = "";
    if (readlink("/proc/self", number, sizeof number - 1) < 0)
        return space_fail(error, errno, "/proc/self cannot be read");
    here.outside = (pid_t)strtol(number, NULL, 10);
    here.user = sandbox->user;
    /* A key that interrupts the maker must not interrupt what runs in here as well. */
    setsid();
    set_environment();
    return mount_own(error) && prepare_network(error);
}

static _Noreturn void be_first(const struct sandbox *sandbox)
{
    struct report report;
    memset(&report, 0, sizeof report);
    space_signals_reset();
    report.ready = settle(sandbox, report.error);
    bool told = space_write(sandbox->report, &report, sizeof report);
    if (!told || !report.ready)
        _exit(EXIT_FAILURE);
    close(sandbox->report);
    close(sandbox->alive);
    int status = sandbox->first(sandbox->argument);
    fflush(NULL);
    _exit(status);
}

/* ---- The making of a sandbox ----------------------------------------------------------------- */

/* As fork(), into new namespaces. The C library has no call for it, and unshare() would move the
   maker too. */
static pid_t fork_into(uint64_t namespaces)
{
    struct clone_args arguments = {.flags = namespaces, .exit_signal = SIGCHLD};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

static void explain_fork(int number, char error[static SPACE_ERROR_SIZE])
{
    const char *advice = "";
    if (number == EPERM)
        advice = "; allow user namespaces to this user (sysctl kernel.unprivileged_userns_clone=1) "
                 "or run as root";
    else if (number == ENOSPC || number == EUSERS)
        advice = "; raise the number of them (sysctl user.max_user_namespaces and its kin)";
    space_fail(error, 0, "namespaces cannot be made here: %s%s", strerror(number), advice);
}

/* Root needs no user namespace, but what is called root in a container may need one. */
static pid_t fork_first(struct sandbox *sandbox)
{
    sandbox->uid = geteuid();
    sandbox->gid = getegid();
    sandbox->user = sandbox->uid != 0;
    pid_t process = fork_into(NAMESPACES | (sandbox->user ? (uint64_t)CLONE_NEWUSER : 0));
    if (process < 0 && errno == EPERM && !sandbox->user) {
        sandbox->user = true;
        process = fork_into(NAMESPACES | (uint64_t)CLONE_NEWUSER);
    }
    return process;
}

static bool is_ready(int report_end, pid_t process, char error[static SPACE_ERROR_SIZE])
{
    struct report report;
    int status;
    bool told = space_read(report_end, &report, sizeof report) == sizeof report;
    if (told && report.ready)
        return true;
    if (told)
        memcpy(error, report.error, SPACE_ERROR_SIZE);
    else
        space_fail(error, 0, "the sandbox's process ended before it was ready");
    space_wait(process, &status);
    return false;
}

/* What lies in /run is hidden by the sandbox's own, and would be missed later by whoever starts
   programs of this folder, or from beside this one. */
static bool is_outside_run(char error[static SPACE_ERROR_SIZE])
{
    static const struct {
        const char *link;
        const char *what;
    } rows[] = {{"/proc/self/cwd", "the current directory"}, {"/proc/self/exe", "this program"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char begins[LINE_SIZE] = "";
        ssize_t length = readlink(rows[i].link, begins, sizeof begins - 1);
        if (length < 0)
            return space_fail(error, errno, "%s cannot be read", rows[i].link);
        if (strcmp(begins, "/run") == 0 || strncmp(begins, "/run/", 5) == 0)
            return space_fail(error, 0, "%s is in /run, which a sandbox hides; use another folder",
                              rows[i].what);
    }
    return true;
}

pid_t space_sandbox(space_main *first, void *argument, char error[static SPACE_ERROR_SIZE])
{
    int alive[2];
    int report[2];
    if (!is_outside_run(error))
        return -1;
    if (pipe2(alive, O_CLOEXEC) < 0) {
        space_fail(error, errno, "no pipe for a sandbox");
        return -1;
    }
    if (pipe2(report, O_CLOEXEC) < 0) {
        space_fail(error, errno, "no pipe for a sandbox");
        close(alive[0]);
        close(alive[1]);
        return -1;
    }
    struct sandbox sandbox = {
        .first = first, .argument = argument, .alive = alive[0], .report = report[1]};
    sigset_t before;
    /* What waits in a stream would be written by both. */
    fflush(NULL);
    space_signals_hold(&before);
    pid_t process = fork_first(&sandbox);
    int number = errno;
    if (process == 0) {
        close(alive[1]);
        close(report[0]);
        be_first(&sandbox);
    }
    check(sigprocmask(SIG_SETMASK, &before, NULL) == 0);
    close(alive[0]);
    close(report[1]);
    here.user = sandbox.user;
    if (process < 0)
        explain_fork(number, error);
    else if (!is_ready(report[0], process, error))
        process = -1;
    close(alive[1]);
    close(report[0]);
    return process;
}

/* ---- A trial --------------------------------------------------------------------------------- */

/* In memory that is shared with the maker. */
static int try_host(void *argument)
{
    char *error = argument;
    int host = space_host(error);
    int tun = host >= 0 ? space_tun(host, "trial", false, error) : -1;
    return tun >= 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static bool try_all(char error[static SPACE_ERROR_SIZE])
{
    char *said =
        mmap(NULL, SPACE_ERROR_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (said == MAP_FAILED)
        return space_fail(error, errno, "no memory for a trial of namespaces");
    int status = 0;
    pid_t process = space_sandbox(try_host, said, error);
    bool done = process > 0 && space_wait(process, &status);
    bool possible = done && status == 0;
    if (done && status != 0 && said[0] != 0)
        memcpy(error, said, SPACE_ERROR_SIZE);
    else if (done && status != 0)
        space_fail(error, 0, "a sandbox made on trial was ended, with status %d", status);
    munmap(said, SPACE_ERROR_SIZE);
    return possible;
}

bool space_is_possible(char error[static SPACE_ERROR_SIZE])
{
    static bool tried;
    static bool possible;
    static uid_t user;
    static char why_not[SPACE_ERROR_SIZE];
    /* Who gives up root may well get another answer. */
    if (!tried || user != geteuid())
        possible = try_all(why_not);
    tried = true;
    user = geteuid();
    if (!possible)
        memcpy(error, why_not, SPACE_ERROR_SIZE);
    return possible;
}
