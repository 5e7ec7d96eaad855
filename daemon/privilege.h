/*
 * Gives up all rights that the daemon needs no more once it has set up: its user, every capability,
 * new privileges, and every system call that is not on a list. There is no way back.
 */
#ifndef WARREN_DAEMON_PRIVILEGE_H
#define WARREN_DAEMON_PRIVILEGE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privilege {
    uid_t uid;
    gid_t gid; /* of the user */
    bool drop; /* false: stay who we are */
};

/*
 * Finds the user to become: `user`, or nobody for root when it is empty. False, with a sentence in
 * `error`, when there is none of that name or we may not become it.
 */
bool privilege_find(struct privilege *privilege, const char *user, char *error, size_t error_size);

/* Becomes that user, without capabilities, groups or a way to get them. */
bool privilege_drop(const struct privilege *privilege, char *error, size_t error_size);

/*
 * From now on only listed system calls work; any other fails with EPERM, and those that would start
 * another program end the process.
 */
bool privilege_filter(char *error, size_t error_size);

#endif
