/* ICMP echo (RFC 792, RFC 4443 section 4) over datagram sockets, or raw ones where those are not allowed. */
#include "daemon/warren_echo.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/clock.h"

enum {
    ECHO_REQUEST_V4 = 8,
    ECHO_REPLY_V4 = 0,
    ECHO_REQUEST_V6 = 128,
    ECHO_REPLY_V6 = 129,
    ECHO_SIZE = 64,
    ECHO_COOKIE_AT = 8,
};

bool echo_open(struct echo *echo, const char *address)
{
    *echo = (struct echo){.fd = -1};
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *list;
    if (getaddrinfo(address, NULL, &hints, &list) != 0) {
        errno = EINVAL;
        return false;
    }
    check(list->ai_addrlen <= sizeof echo->to);
    memcpy(&echo->to, list->ai_addr, list->ai_addrlen);
    echo->to_size = list->ai_addrlen;
    echo->v6 = list->ai_family == AF_INET6;
    int protocol = echo->v6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP;
    echo->fd = socket(list->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (echo->fd < 0) {
        echo->raw = true;
        echo->fd = socket(list->ai_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    }
    freeaddrinfo(list);
    if (echo->fd < 0 || getrandom(&echo->cookie, sizeof echo->cookie, 0) < 0)
        return false;
    echo->id = (uint16_t)getpid();
    return true;
}

void echo_close(struct echo *echo)
{
    if (echo->fd >= 0)
        close(echo->fd);
    echo->fd = -1;
}

/* RFC 1071. */
static uint16_t checksum(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 0;
    check(size % 2 == 0);
    for (size_t i = 0; i < size; i += 2)
        sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    sum = (sum >> 16) + (sum & 0xffff);
    sum += sum >> 16;
    return (uint16_t)~sum;
}

bool echo_send(const struct echo *echo, uint16_t sequence)
{
    uint8_t packet[ECHO_SIZE] = {0};
    packet[0] = echo->v6 ? ECHO_REQUEST_V6 : ECHO_REQUEST_V4;
    packet[4] = (uint8_t)(echo->id >> 8);
    packet[5] = (uint8_t)echo->id;
    packet[6] = (uint8_t)(sequence >> 8);
    packet[7] = (uint8_t)sequence;
    memcpy(packet + ECHO_COOKIE_AT, &echo->cookie, sizeof echo->cookie);
    /* Over IPv6 the kernel fills in the checksum, which covers addresses too. */
    if (!echo->v6) {
        uint16_t sum = checksum(packet, sizeof packet);
        packet[2] = (uint8_t)(sum >> 8);
        packet[3] = (uint8_t)sum;
    }
    return sendto(echo->fd, packet, sizeof packet, 0, (const struct sockaddr *)&echo->to,
                  echo->to_size) == (ssize_t)sizeof packet;
}

/* Whether what came is the reply to `sequence`. */
static bool is_reply(const struct echo *echo, uint16_t sequence, const uint8_t *bytes, size_t size)
{
    if (echo->raw && !echo->v6) {
        size_t header = size > 0 ? (size_t)(bytes[0] & 15) * 4 : 0;
        if (header < 20 || header > size)
            return false;
        bytes += header;
        size -= header;
    }
    if (size < ECHO_SIZE || bytes[0] != (echo->v6 ? ECHO_REPLY_V6 : ECHO_REPLY_V4))
        return false;
    return ((uint32_t)bytes[6] << 8 | bytes[7]) == sequence &&
           memcmp(bytes + ECHO_COOKIE_AT, &echo->cookie, sizeof echo->cookie) == 0;
}

bool echo_wait(const struct echo *echo, uint16_t sequence, uint64_t until_ns)
{
    for (;;) {
        uint64_t now_ns = clock_monotonic_ns();
        uint64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;
        struct timespec left = {.tv_sec = (time_t)(left_ns / UINT64_C(1000000000)),
                                .tv_nsec = (long)(left_ns % UINT64_C(1000000000))};
        struct pollfd poll = {.fd = echo->fd, .events = POLLIN};
        int ready = ppoll(&poll, 1, &left, NULL);
        if (ready < 0)
            return false;
        if (ready == 0) {
            errno = ETIMEDOUT;
            return false;
        }
        uint8_t bytes[2048];
        ssize_t got = recv(echo->fd, bytes, sizeof bytes, 0);
        if (got > 0 && is_reply(echo, sequence, bytes, (size_t)got))
            return true;
    }
}
