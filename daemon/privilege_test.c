/* Tests of daemon/privilege.c, each in a process of its own: there is no way back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/privilege.h"

enum { ERROR_TEXT = 256, OK = 0, NOT_CONFINED = 50, WRONG = 51 };

/* What a confined process does; returns its exit status. */
typedef int deed(void);

static int confine(void)
{
    struct privilege privilege;
    char error[ERROR_TEXT];
    bool done = privilege_find(&privilege, "", error, sizeof error) &&
                privilege_drop(&privilege, error, sizeof error) &&
                privilege_filter(error, sizeof error);
    return done ? OK : NOT_CONFINED;
}

/* Its exit status, or the negative number of the signal that ended it. */
static int run(deed *what)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        /* Nothing of cmocka may run in here. */
        int result = confine();
        _exit(result != OK ? result : what());
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static int does_its_work(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    void *memory = malloc(1 << 20);
    free(memory);
    return fd >= 0 && memory != NULL && close(fd) == 0 ? OK : WRONG;
}

static int aborts(void)
{
    abort();
}

static int starts_a_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return WRONG;
}

static int makes_a_process(void)
{
    return fork() < 0 ? OK : WRONG;
}

static int traces(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? OK : WRONG;
}

static int mounts(void)
{
    return mount("none", "/tmp", "tmpfs", 0, NULL) < 0 ? OK : WRONG;
}

static int asks_for_what_is_not_listed(void)
{
    return syscall(SYS_chroot, "/") < 0 && errno == EPERM ? OK : WRONG;
}

static int wants_to_be_root(void)
{
    return geteuid() != 0 && setuid(0) < 0 ? OK : WRONG;
}

static int has_no_capability(void)
{
    char line[256];
    int wanted = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status != NULL && fgets(line, sizeof line, status) != NULL) {
        if (strncmp(line, "CapPrm:", 7) == 0 || strncmp(line, "CapEff:", 7) == 0 ||
            strncmp(line, "CapInh:", 7) == 0 || strncmp(line, "CapAmb:", 7) == 0)
            wanted += strtoull(line + 7, NULL, 16) == 0;
        if (strncmp(line, "NoNewPrivs:", 11) == 0)
            wanted += strtoul(line + 11, NULL, 10) == 1;
        if (strncmp(line, "Seccomp:", 8) == 0)
            wanted += strtoul(line + 8, NULL, 10) == 2;
    }
    return wanted == 6 ? OK : WRONG;
}

static void a_confined_process(void **state)
{
    static const struct {
        const char *name;
        deed *what;
        int result;
    } cases[] = {
        {"does its work", does_its_work, OK},
        {"aborts", aborts, -SIGABRT},
        {"starts a program", starts_a_program, -SIGSYS},
        {"makes a process", makes_a_process, -SIGSYS},
        {"traces", traces, -SIGSYS},
        {"mounts", mounts, -SIGSYS},
        {"asks for what is not listed", asks_for_what_is_not_listed, OK},
        {"has no capability", has_no_capability, OK},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int result = run(cases[i].what);
        if (result != cases[i].result)
            print_error("a process that %s: %d\n", cases[i].name, result);
        assert_int_equal(result, cases[i].result);
    }
}

static void root_is_given_up(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    assert_int_equal(run(wants_to_be_root), OK);
}

static void a_user_must_be_there(void **state)
{
    struct privilege privilege;
    char error[ERROR_TEXT] = "";
    (void)state;
    assert_false(privilege_find(&privilege, "nobody-of-that-name", error, sizeof error));
    assert_non_null(strstr(error, "there is no user 'nobody-of-that-name' to become"));
    if (geteuid() == 0) {
        assert_true(privilege_find(&privilege, "root", error, sizeof error));
        assert_false(privilege.drop);
        assert_true(privilege_find(&privilege, "", error, sizeof error));
        assert_true(privilege.drop);
        assert_int_not_equal(privilege.uid, 0);
    } else {
        assert_true(privilege_find(&privilege, "", error, sizeof error));
        assert_false(privilege.drop);
        assert_false(privilege_find(&privilege, "root", error, sizeof error));
        assert_non_null(strstr(error, "only root can become the user 'root'"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_confined_process),
        cmocka_unit_test(root_is_given_up),
        cmocka_unit_test(a_user_must_be_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
