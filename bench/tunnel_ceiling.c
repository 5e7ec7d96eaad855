/*
 * What parts of the tunnel do alone, as ceilings for bench/tunnel.sh: sealing and opening on one
 * core, and UDP with trains in both directions and nothing else. Each says its Mbit/s.
 *
 *   tunnel_ceiling seal
 *   tunnel_ceiling receive ADDRESS PORT SECONDS
 *   tunnel_ceiling send ADDRESS PORT SECONDS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "crypto/crypto.h"

#define SECOND_NS UINT64_C(1000000000)

enum {
    PACKET = 1420,
    SEAL_ROUNDS = 5,
    SEAL_PACKETS = 100000, /* of each round */
    DATAGRAM = 1452,       /* of a packet in the tunnel */
    TRAIN = 44,            /* datagrams, as of one super-packet */
    RECEIVE_ROOM = 65536,
    BUFFER = 4 << 20,
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    check(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static uint64_t mbits_per_second(uint64_t bytes, uint64_t ns)
{
    return ns == 0 ? 0 : bytes * 8 * 1000 / ns;
}

static int measure_seal(void)
{
    static uint8_t sealed[PACKET + CRYPTO_AEAD_TAG_SIZE], plain[PACKET];
    uint8_t key[CRYPTO_AEAD_KEY_SIZE] = {1}, nonce[CRYPTO_AEAD_NONCE_SIZE] = {0};
    uint64_t best = 0;
    for (unsigned round = 0; round < SEAL_ROUNDS; round++) {
        uint64_t start_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        for (uint32_t i = 0; i < SEAL_PACKETS; i++) {
            memcpy(nonce + 4, &i, sizeof i);
            crypto_real.aead_seal(sealed, key, nonce, NULL, 0, plain, PACKET);
            bool opened = crypto_real.aead_open(plain, key, nonce, NULL, 0, sealed, sizeof sealed);
            check(opened);
        }
        uint64_t ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns;
        uint64_t rate = mbits_per_second((uint64_t)PACKET * SEAL_PACKETS, ns);
        if (rate > best)
            best = rate;
    }
    printf("%" PRIu64 "\n", best);
    return 0;
}

static bool set_option(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) == 0;
}

/* Until the time is over; says what came, from the first to the last. */
static int receive(int fd, const struct sockaddr_in *address, uint64_t end_ns)
{
    static uint8_t bytes[RECEIVE_ROOM];
    const struct timeval wait = {.tv_usec = 100000};
    if (bind(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
        !set_option(fd, SOL_UDP, UDP_GRO, 1) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) != 0)
        return -1;
    if (!set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER))
        set_option(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
    uint64_t total = 0, calls = 0, first_ns = 0, last_ns = 0;
    while (clock_ns(CLOCK_MONOTONIC) < end_ns) {
        ssize_t size = recv(fd, bytes, sizeof bytes, 0);
        if (size < 0 && errno != EAGAIN && errno != EINTR)
            return -1;
        if (size <= 0)
            continue;
        last_ns = clock_ns(CLOCK_MONOTONIC);
        if (first_ns == 0)
            first_ns = last_ns;
        total += (uint64_t)size;
        calls++;
    }
    printf("received %" PRIu64 "\nbytes each call %" PRIu64 "\n",
           mbits_per_second(total, last_ns - first_ns), calls == 0 ? 0 : total / calls);
    return 0;
}

static int send_trains(int fd, const struct sockaddr_in *address, uint64_t end_ns)
{
    static const uint8_t bytes[DATAGRAM * TRAIN];
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 ||
        !set_option(fd, SOL_UDP, UDP_SEGMENT, DATAGRAM))
        return -1;
    uint64_t total = 0, start_ns = clock_ns(CLOCK_MONOTONIC), now_ns;
    while ((now_ns = clock_ns(CLOCK_MONOTONIC)) < end_ns) {
        ssize_t size = send(fd, bytes, sizeof bytes, 0);
        if (size < 0 && errno != ENOBUFS && errno != ECONNREFUSED)
            return -1;
        total += size > 0 ? (uint64_t)size : 0;
    }
    printf("sent %" PRIu64 "\n", mbits_per_second(total, now_ns - start_ns));
    return 0;
}

static int use(void)
{
    (void)fprintf(stderr, "tunnel_ceiling seal | receive ADDRESS PORT SECONDS | "
                          "send ADDRESS PORT SECONDS\n");
    return 2;
}

int main(int argc, char **argv)
{
    if (argc == 1 || (argc == 2 && strcmp(argv[1], "seal") == 0))
        return measure_seal();
    if (argc != 5)
        return use();
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtoul(argv[3], NULL, 10))};
    if (inet_pton(AF_INET, argv[2], &address.sin_addr) != 1)
        return use();
    uint64_t end_ns = clock_ns(CLOCK_MONOTONIC) + (uint64_t)strtoul(argv[4], NULL, 10) * SECOND_NS;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int failed = -1;
    if (fd >= 0 && strcmp(argv[1], "receive") == 0)
        failed = receive(fd, &address, end_ns);
    else if (fd >= 0 && strcmp(argv[1], "send") == 0)
        failed = send_trains(fd, &address, end_ns);
    else
        return use();
    if (failed != 0)
        perror(argv[1]);
    close(fd);
    return failed == 0 ? 0 : 1;
}
