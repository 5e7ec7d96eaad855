/* What the tests of sandboxes share: a sandbox for a test, and how one says what is wrong in it. */
#ifndef WARREN_NETNS_SPACE_TEST_H
#define WARREN_NETNS_SPACE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netns/space.h"

enum {
    OK = 0,
    WRONG = 1,
    LEFT_OUT = 2, /* in part; it has said why */
    NOBODY = 65534,
    TEXT_SIZE = 4096,
    POLLS_MAX = 200, /* of 50 ms each, for what takes its time; nothing waits so long that works */
    POLL_NS = 50000000,
    WAIT_MS = 10000,
    MUCH = 3000000,
    /* In an IPv4 packet without options that carries UDP. */
    PROTOCOL_AT = 9,
    PORT_AT = 22,
    PAYLOAD_AT = 28,
};

/* Nothing of cmocka may run in a sandbox, so what happens there says itself what is wrong. */
#define expect(condition) \
    do { \
        if (!(condition)) { \
            fprintf(stderr, "# line %d: not so: %s\n", __LINE__, #condition); \
            return WRONG; \
        } \
    } while (false)

/* Likewise for what gives a sentence when it fails. */
#define expect_done(call) \
    do { \
        if (!(call)) { \
            fprintf(stderr, "# line %d: %s: %s\n", __LINE__, #call, error); \
            return WRONG; \
        } \
    } while (false)

static inline int idle(void *argument)
{
    (void)argument;
    return OK;
}

/* Every test needs this; where there are no namespaces, the others are skipped. */
static inline bool has_sandboxes(void)
{
    char error[SPACE_ERROR_SIZE];
    int status;
    pid_t process = space_sandbox(idle, NULL, error);
    if (process < 0)
        print_message("# SKIP: %s\n", error);
    else
        assert_int_equal(waitpid(process, &status, 0), process);
    return process >= 0;
}

#define need_sandboxes() \
    do { \
        if (!has_sandboxes()) \
            skip(); \
    } while (false)

/* The status as waitpid() puts it. */
static inline int run(space_main *first, void *argument)
{
    char error[SPACE_ERROR_SIZE] = "";
    int status;
    pid_t process = space_sandbox(first, argument, error);
    if (process < 0)
        print_error("%s\n", error);
    assert_true(process > 0);
    assert_int_equal(waitpid(process, &status, 0), process);
    return status;
}

static inline bool name_network(int host, char to[static 64])
{
    struct stat about;
    if (fstat(host, &about) < 0)
        return false;
    snprintf(to, 64, "net:[%ju]\n", (uintmax_t)about.st_ino);
    return true;
}

static inline void pause_once(void)
{
    const struct timespec length = {.tv_nsec = POLL_NS};
    nanosleep(&length, NULL);
}
#endif
