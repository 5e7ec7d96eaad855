/*
 * A flood of WireGuard initiations from unknown keys, for ci/interop-wireguard: what a responder
 * has to survive by cookies. Each initiation opens, with a right mac1, under a key of its own. It
 * ends by itself, is bounded in rate and time, and says how many of each kind came back.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/tunnel/noise.h"
#include "crypto/crypto.h"
#include "daemon/clock.h"
#include "daemon/socket_address.h"
#include "daemon/text.h"

#define SECOND_NS UINT64_C(1000000000)

enum {
    KEYS = 512, /* their initiations go in turn: a responder remembers none of a stranger's */
    RATE_MOST = 20000, /* a second */
    SECONDS_MOST = 60,
    REPLY_ROOM = 2048,
};

struct flood {
    int fd;
    uint8_t initiations[KEYS][TUNNEL_INITIATION_SIZE];
    uint64_t sent, unsent;
    uint64_t cookies, others; /* that came back */
};

/* False when the responder's key is of small order. */
static bool make_initiations(struct flood *flood, const uint8_t responder[static NOISE_KEY_SIZE])
{
    static const uint8_t no_psk[NOISE_KEY_SIZE];
    for (uint32_t i = 0; i < KEYS; i++) {
        struct noise_self self;
        struct noise_peer peer;
        struct noise_handshake handshake;
        struct tunnel_initiation initiation = {.sender = i + 1};
        uint8_t key[NOISE_KEY_SIZE], ephemeral[NOISE_KEY_SIZE];
        uint8_t timestamp[TUNNEL_TIMESTAMP_SIZE] = {0x40};
        randombytes_buf(key, sizeof key);
        randombytes_buf(ephemeral, sizeof ephemeral);
        noise_self_init(&self, &crypto_real, key);
        if (!noise_peer_init(&peer, &crypto_real, &self, responder, no_psk))
            return false;
        noise_initiate(&handshake, &crypto_real, &self, &peer, ephemeral, timestamp, &initiation);
        tunnel_initiation_encode(&initiation, flood->initiations[i]);
        noise_write_macs(&crypto_real, &peer, NULL, flood->initiations[i], TUNNEL_INITIATION_SIZE);
    }
    return true;
}

static bool open_socket(struct flood *flood, const struct addr *to)
{
    union socket_address name;
    socklen_t size = socket_address_of(to, &name);
    flood->fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return flood->fd >= 0 && connect(flood->fd, &name.any, size) == 0;
}

static void send_some(struct flood *flood, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        const uint8_t *next = flood->initiations[(flood->sent + flood->unsent) % KEYS];
        if (send(flood->fd, next, TUNNEL_INITIATION_SIZE, 0) == TUNNEL_INITIATION_SIZE)
            flood->sent++;
        else
            flood->unsent++;
    }
}

static void count_replies(struct flood *flood)
{
    uint8_t bytes[REPLY_ROOM];
    for (uint32_t i = 0; i < RATE_MOST; i++) {
        ssize_t size = recv(flood->fd, bytes, sizeof bytes, 0);
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (size == TUNNEL_COOKIE_REPLY_SIZE && bytes[0] == TUNNEL_COOKIE)
            flood->cookies++;
        else if (size >= 0)
            flood->others++;
    }
}

/* `rate` a second, `burst` of them at once. */
static void run(struct flood *flood, uint64_t rate, uint64_t burst, uint64_t seconds)
{
    const uint64_t start_ns = clock_monotonic_ns();
    uint64_t past_ns = 0;
    while (past_ns < seconds * SECOND_NS) {
        /* One burst at most, so that a pause of this process is made up for slowly. */
        if (rate * past_ns / SECOND_NS >= flood->sent + flood->unsent + burst)
            send_some(flood, burst);
        count_replies(flood);
        const struct timespec pause = {.tv_nsec = 1000000};
        nanosleep(&pause, NULL);
        past_ns = clock_monotonic_ns() - start_ns;
    }
}

int main(int argc, char **argv)
{
    static struct flood flood;
    uint8_t responder[NOISE_KEY_SIZE];
    struct addr to;
    uint64_t rate, burst, seconds;
    if (argc != 6 || !text_parse_key(responder, argv[1]) || !text_parse_endpoint(&to, argv[2]) ||
        !text_parse_number(&rate, argv[3], 1, RATE_MOST) ||
        !text_parse_number(&burst, argv[4], 1, RATE_MOST) ||
        !text_parse_number(&seconds, argv[5], 1, SECONDS_MOST)) {
        fprintf(
            stderr,
            "flood: usage: flood KEY ADDRESS:PORT RATE BURST SECONDS: a responder's public key, "
            "and where it is; at most %d a second, for at most %d seconds\n",
            RATE_MOST, SECONDS_MOST);
        return 2;
    }
    if (sodium_init() < 0 || !make_initiations(&flood, responder) || !open_socket(&flood, &to)) {
        fprintf(stderr, "flood: cannot begin: %s\n", strerror(errno));
        return 1;
    }
    puts("flood: begins");
    fflush(stdout);
    run(&flood, rate, burst, seconds);
    printf("flood: sent %" PRIu64 ", not sent %" PRIu64 "; came back: %" PRIu64 " cookies, %" PRIu64
           " others\n",
           flood.sent, flood.unsent, flood.cookies, flood.others);
    close(flood.fd);
    return 0;
}
