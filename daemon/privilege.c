/* Gives up all rights that the daemon needs no more once it has set up. */
#include "daemon/privilege.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "core/base/check.h"

bool privilege_find(struct privilege *privilege, const char *user, char *error, size_t error_size)
{
    *privilege = (struct privilege){.uid = geteuid(), .gid = getegid()};
    if (user[0] == 0 && geteuid() != 0)
        return true; /* nothing to give up but capabilities */
    const char *name = user[0] != 0 ? user : "nobody";
    errno = 0;
    const struct passwd *found = getpwnam(name);
    if (found == NULL) {
        snprintf(error, error_size,
                 "there is no user '%s' to become: 'adduser --system %s', or name another with "
                 "user=",
                 name, name);
        return false;
    }
    privilege->drop = found->pw_uid != geteuid();
    privilege->uid = found->pw_uid;
    privilege->gid = found->pw_gid;
    if (!privilege->drop || geteuid() == 0)
        return true;
    snprintf(error, error_size,
             "only root can become the user '%s': start warrend as root, or leave user= out", name);
    return false;
}

static bool clear_capabilities(void)
{
    /* What a later exec could have again; fails for numbers that this kernel does not know. */
    for (unsigned long cap = 0; cap <= CAP_LAST_CAP; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];
    memset(none, 0, sizeof none);
    return syscall(SYS_capset, &header, none) == 0;
}

bool privilege_drop(const struct privilege *privilege, char *error, size_t error_size)
{
    /* The bounding set can be changed by root only, so it goes before the user does. */
    for (unsigned long cap = 0; privilege->drop && cap <= CAP_LAST_CAP; cap++)
        prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    if (privilege->drop && (setgroups(0, NULL) != 0 ||
                            setresgid(privilege->gid, privilege->gid, privilege->gid) != 0 ||
                            setresuid(privilege->uid, privilege->uid, privilege->uid) != 0)) {
        snprintf(error, error_size, "cannot become the user with number %u: %s",
                 (unsigned)privilege->uid, strerror(errno));
        return false;
    }
    if (!clear_capabilities() || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        snprintf(error, error_size, "cannot give up capabilities: %s", strerror(errno));
        return false;
    }
    /* Becoming another user made us undumpable, which is right: memory has keys in it. */
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    check(!privilege->drop || (setuid(0) != 0 && geteuid() == privilege->uid));
    return true;
}

/* What a running daemon does, and what the C library does for it. */
static const int allowed[] = {
    /* Datagrams, the interface, the control socket. */
    SCMP_SYS(accept4),
    SCMP_SYS(bind),
    SCMP_SYS(close),
    SCMP_SYS(connect),
    SCMP_SYS(fcntl),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(ioctl),
    SCMP_SYS(listen),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(socket),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* The loop: epoll, or what libev takes in its place; timers; signals. */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(nanosleep),
    SCMP_SYS(pipe2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(select),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(time),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(timerfd_settime),
    /* Memory. */
    SCMP_SYS(brk),
    SCMP_SYS(futex),
    SCMP_SYS(madvise),
    SCMP_SYS(mmap),
    SCMP_SYS(mprotect),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    /* Files: the log and the tapes, and the configuration at SIGHUP. */
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fdatasync),
    SCMP_SYS(fstat),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(lseek),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(readlink),
    SCMP_SYS(rename),
    SCMP_SYS(stat),
    SCMP_SYS(statx),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    /* Randomness, and who we are. */
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getrandom),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sysinfo),
    SCMP_SYS(uname),
    /* The end, also that of a failed check. */
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(rseq),
    SCMP_SYS(tgkill),
};

/* What has no place in a daemon: whoever gets there has taken it over. */
static const int deadly[] = {
    SCMP_SYS(execve),      SCMP_SYS(execveat),     SCMP_SYS(fork),   SCMP_SYS(vfork),
    SCMP_SYS(clone),       SCMP_SYS(clone3),       SCMP_SYS(ptrace), SCMP_SYS(process_vm_writev),
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(bpf),    SCMP_SYS(mount),
    SCMP_SYS(setns),       SCMP_SYS(unshare),
};

bool privilege_filter(char *error, size_t error_size)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int failed = filter == NULL ? -ENOMEM : 0;
    /* A call that this machine does not have needs no rule. */
    for (size_t i = 0; failed == 0 && i < sizeof allowed / sizeof allowed[0]; i++) {
        int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, allowed[i], 0);
        failed = result == -EDOM ? 0 : result;
    }
    for (size_t i = 0; failed == 0 && i < sizeof deadly / sizeof deadly[0]; i++) {
        int result = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, deadly[i], 0);
        failed = result == -EDOM ? 0 : result;
    }
    if (failed == 0)
        failed = seccomp_load(filter);
    seccomp_release(filter);
    if (failed == 0)
        return true;
    snprintf(error, error_size, "the kernel does not take the system call filter: %s",
             strerror(-failed));
    return false;
}
