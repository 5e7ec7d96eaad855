/* ICMP echo from user space: one request out, its reply in. */
#ifndef WARREN_DAEMON_WARREN_ECHO_H
#define WARREN_DAEMON_WARREN_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct echo {
    int fd;
    bool raw; /* the replies to other programs come too, and over IPv4 an IP header with them */
    bool v6;
    uint16_t id;
    uint64_t cookie; /* ours among the replies that come */
    struct sockaddr_storage to;
    socklen_t to_size;
};

/*
 * `address` is numeric. False with errno; EACCES and EPERM say that neither kind of socket is
 * allowed to this user.
 */
bool echo_open(struct echo *echo, const char *address);
void echo_close(struct echo *echo);

/* False with errno. */
bool echo_send(const struct echo *echo, uint16_t sequence);
/*
 * Waits for the reply to `sequence` until the clock CLOCK_MONOTONIC says `until_ns`. False where
 * none came, with errno: ETIMEDOUT, or EINTR after a signal.
 */
bool echo_wait(const struct echo *echo, uint16_t sequence, uint64_t until_ns);

#endif
