/* Packets to the other end of a mesh and back (adapter_probe.h). */
#include "netns/adapter_probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/clock.h"
#include "daemon/socket_address.h"

enum {
    MAGIC = 0x57504252,
    BURST_MAX = 64, /* errors and strangers' packets at a time, before the loop has its turn */
};

/* What a packet says; both ends are this process, so the machine's own byte order will do. */
struct packet {
    uint32_t magic;
    uint32_t number;
    uint64_t sent_ns;
};
_Static_assert(sizeof(struct packet) == 16, "the packet has no padding");

struct adapter_probe {
    struct adapter_probe_config config;
    struct adapter_probe_result result;
    uint64_t asked_ns; /* when the predicate was asked last, or the begin */
    struct ev_timer timer;
    struct ev_io answers; /* at `from` */
    struct ev_io echo;    /* at `to` */
};

/* A socket that has the end's inner address and sends through the mesh's interface alone. */
static int open_end(const struct adapter_probe_end *end, char error[static SPACE_ERROR_SIZE])
{
    check(end->inner.family == ADDR_V4);
    int file = space_socket(end->host, AF_INET, SOCK_DGRAM, 0, error);
    if (file < 0)
        return -1;
    const struct addr inner = addr_with_port(end->inner, ADAPTER_PROBE_PORT);
    union socket_address own;
    socklen_t own_size = socket_address_of(&inner, &own);
    socklen_t size = (socklen_t)strnlen(end->interface, sizeof end->interface);
    if (setsockopt(file, SOL_SOCKET, SO_BINDTODEVICE, end->interface, size) == 0 &&
        bind(file, &own.any, own_size) == 0)
        return file;
    snprintf(error, SPACE_ERROR_SIZE, "cannot have a socket on %s: %s", end->interface,
             strerror(errno));
    close(file);
    return -1;
}

/* The next packet that has arrived; false for none. Whatever is not ours is left out. */
static bool receive(int file, struct packet *packet, struct sockaddr_in *from)
{
    struct packet read;
    for (uint32_t i = 0; i < BURST_MAX; i++) {
        socklen_t size = sizeof *from;
        ssize_t got = recvfrom(file, &read, sizeof read, 0, (struct sockaddr *)from, &size);
        /* What an ICMP error left behind comes as an error once, and more may be waiting. */
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return false;
        if (got == (ssize_t)sizeof read && read.magic == MAGIC) {
            *packet = read;
            return true;
        }
    }
    return false;
}

static void on_echo(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct adapter_probe *probe = io->data;
    struct packet packet;
    struct sockaddr_in from;
    while (receive(io->fd, &packet, &from)) {
        if (probe->result.first_arrival_ns == 0) {
            probe->result.first_arrival_ns = clock_monotonic_ns();
            if (probe->config.arrived != NULL)
                probe->config.arrived(probe->config.context);
        }
        /* An answer that cannot be sent is one that was lost. */
        (void)!sendto(io->fd, &packet, sizeof packet, 0, (const struct sockaddr *)&from,
                      sizeof from);
    }
}

static void on_answer(struct ev_loop *loop, struct ev_io *io, int events)
{
    (void)loop;
    (void)events;
    struct adapter_probe *probe = io->data;
    const struct adapter_probe_config *config = &probe->config;
    struct adapter_probe_result *result = &probe->result;
    struct packet packet;
    struct sockaddr_in from;
    while (receive(io->fd, &packet, &from)) {
        struct adapter_probe_answer answer = {.number = packet.number,
                                              .sent_ns = packet.sent_ns,
                                              .answered_ns = clock_monotonic_ns()};
        if (config->direct != NULL && answer.sent_ns >= probe->asked_ns) {
            answer.direct = config->direct(config->context);
            probe->asked_ns = answer.answered_ns;
        }
        result->answers++;
        if (result->first_answer_ns == 0)
            result->first_answer_ns = answer.answered_ns;
        if (answer.direct && result->first_direct_ns == 0)
            result->first_direct_ns = answer.answered_ns;
        if (config->answered != NULL)
            config->answered(config->context, &answer);
    }
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events)
{
    (void)loop;
    (void)events;
    struct adapter_probe *probe = timer->data;
    struct packet packet = {
        .magic = MAGIC, .number = probe->result.sent++, .sent_ns = clock_monotonic_ns()};
    const struct addr inner = addr_with_port(probe->config.to.inner, ADAPTER_PROBE_PORT);
    union socket_address to;
    socklen_t size = socket_address_of(&inner, &to);
    /* Without a route yet it is lost, as it would be for anybody. */
    (void)!sendto(probe->answers.fd, &packet, sizeof packet, 0, &to.any, size);
}

struct adapter_probe *adapter_probe_new(const struct adapter_probe_config *config,
                                        char error[static SPACE_ERROR_SIZE])
{
    int from = open_end(&config->from, error);
    int to = from < 0 ? -1 : open_end(&config->to, error);
    struct adapter_probe *probe = to < 0 ? NULL : calloc(1, sizeof *probe);
    if (probe == NULL) {
        if (to >= 0)
            snprintf(error, SPACE_ERROR_SIZE, "out of memory");
        if (from >= 0)
            close(from);
        if (to >= 0)
            close(to);
        return NULL;
    }
    probe->config = *config;
    probe->asked_ns = probe->result.begun_ns = clock_monotonic_ns();
    ev_io_init(&probe->answers, on_answer, from, EV_READ);
    ev_io_init(&probe->echo, on_echo, to, EV_READ);
    ev_timer_init(&probe->timer, on_timer, 0, ADAPTER_PROBE_EVERY_MS / 1000.0);
    probe->answers.data = probe->echo.data = probe->timer.data = probe;
    ev_io_start(config->loop, &probe->answers);
    ev_io_start(config->loop, &probe->echo);
    ev_timer_start(config->loop, &probe->timer);
    return probe;
}

const struct adapter_probe_result *adapter_probe_result(const struct adapter_probe *probe)
{
    return &probe->result;
}

void adapter_probe_free(struct adapter_probe *probe)
{
    if (probe == NULL)
        return;
    ev_io_stop(probe->config.loop, &probe->answers);
    ev_io_stop(probe->config.loop, &probe->echo);
    ev_timer_stop(probe->config.loop, &probe->timer);
    close(probe->answers.fd);
    close(probe->echo.fd);
    free(probe);
}
