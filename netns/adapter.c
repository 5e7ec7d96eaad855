/* The table of other meshes, and what their adapters share (adapter.h). */
#include "netns/adapter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "netns/adapter_part.h"

static const struct adapter *const table[] = {
    &adapter_nebula, &adapter_nebula_relay, &adapter_n2n, &adapter_tinc, &adapter_wireguard,
};
enum { TABLE_COUNT = sizeof table / sizeof table[0] };

enum {
    INNER_NETWORK = 0x0a630000, /* 10.99.0.0 */
    REFUSAL_MS = 5, /* on the loopback a port that is closed says so at once, or a little later */
};

const struct adapter *adapter_at(uint32_t index)
{
    return index < TABLE_COUNT ? table[index] : NULL;
}

const struct adapter *adapter_find(const char *name)
{
    for (uint32_t i = 0; i < TABLE_COUNT; i++)
        if (strcmp(table[i]->name, name) == 0)
            return table[i];
    return NULL;
}

bool adapter_is_installed(const struct adapter *adapter, char why[static SPACE_ERROR_SIZE])
{
    for (const struct adapter_program *p = adapter->programs; p->file != NULL; p++)
        if (!space_has_program(p->file))
            return adapter_fail(why, "%s needs %s, which is not installed (Debian's package %s)",
                                adapter->name, p->file, p->package);
    return true;
}

void adapter_number(const struct adapter_run *run)
{
    check(run->count <= ADAPTER_HOSTS_MAX);
    for (uint32_t i = 0; i < run->count; i++)
        run->hosts[i].inner = addr_v4(INNER_NETWORK + i + 1, 0);
}

bool adapter_write(const struct adapter *adapter, const struct adapter_run *run,
                   char error[static SPACE_ERROR_SIZE])
{
    check(run->count > 0 && run->hosts[0].inner.family == ADDR_V4);
    if (adapter_server(run, 0) == run->count)
        return adapter_fail(error, "%s needs a server", adapter->name);
    return adapter->write(run, error);
}

bool adapter_start(const struct adapter *adapter, const struct adapter_run *run, uint32_t host,
                   int output, pid_t *pid, char error[static SPACE_ERROR_SIZE])
{
    check(host < run->count);
    *pid = 0;
    if (run->hosts[host].server && !adapter->serves)
        return true;
    return adapter->start(run, host, output, pid, error);
}

void adapter_interface(const struct adapter_run *run, uint32_t host,
                       char to[static SPACE_NAME_SIZE])
{
    check(host < run->count && host < ADAPTER_HOSTS_MAX);
    snprintf(to, SPACE_NAME_SIZE, "war%u", (unsigned)host + 1);
}

/* ---- How far a host has come ---- */

/* The interface exists; `has_address` is whether it is up with the host's inner address too. */
static bool interface_exists(int file, const char *name, const struct addr *inner,
                             bool *has_address)
{
    struct ifreq request = {.ifr_name = ""};
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", name);
    *has_address = false;
    if (ioctl(file, SIOCGIFFLAGS, &request) != 0)
        return false;
    if ((request.ifr_flags & IFF_UP) == 0 || ioctl(file, SIOCGIFADDR, &request) != 0)
        return true;
    struct sockaddr_in own;
    memcpy(&own, &request.ifr_addr, sizeof own);
    *has_address = memcmp(&own.sin_addr, inner->ip, sizeof own.sin_addr) == 0;
    return true;
}

/* Whether nobody refuses a datagram to the port at the loopback address. */
static bool port_is_open(int file, uint16_t port)
{
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(file, (const struct sockaddr *)&to, sizeof to) != 0 || send(file, "", 1, 0) != 1)
        return false;
    struct pollfd refused = {.fd = file};
    return poll(&refused, 1, REFUSAL_MS) == 0;
}

enum adapter_state adapter_look(const struct adapter *adapter, const struct adapter_run *run,
                                uint32_t host, char error[static SPACE_ERROR_SIZE])
{
    check(host < run->count);
    const struct adapter_host *h = &run->hosts[host];
    if (h->server && !adapter->serves)
        return ADAPTER_UP;
    int file = space_socket(h->host, AF_INET, SOCK_DGRAM, 0, error);
    if (file < 0)
        return ADAPTER_FAILED;
    char name[SPACE_NAME_SIZE];
    adapter_interface(run, host, name);
    bool exists = false, up;
    if (h->server)
        up = port_is_open(file, adapter->server_port);
    else
        exists = interface_exists(file, name, &h->inner, &up);
    close(file);
    if (exists && !up && adapter->configure != NULL)
        return adapter->configure(run, host, error);
    return up ? ADAPTER_UP : ADAPTER_STARTING;
}

/* ---- For adapters ---- */

bool adapter_fail(char error[static SPACE_ERROR_SIZE], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error, SPACE_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return false;
}

void adapter_add(struct adapter_text *text, const char *format, ...)
{
    check(text->size < sizeof text->bytes);
    size_t room = sizeof text->bytes - text->size;
    va_list arguments;
    va_start(arguments, format);
    int size = vsnprintf(text->bytes + text->size, room, format, arguments);
    va_end(arguments);
    if (size < 0 || (size_t)size >= room)
        text->cut = true;
    else
        text->size += (uint32_t)size;
}

bool adapter_save(const struct adapter_text *text, const char *path, mode_t mode,
                  char error[static SPACE_ERROR_SIZE])
{
    if (text->cut)
        return adapter_fail(error, "%s would be longer than %d bytes", path, ADAPTER_TEXT_SIZE);
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (file < 0)
        return adapter_fail(error, "cannot make %s: %s", path, strerror(errno));
    ssize_t wrote = write(file, text->bytes, text->size);
    /* Some of these programs append to it, so the mode must not depend on the umask. */
    bool good = wrote == (ssize_t)text->size && fchmod(file, mode) == 0;
    int wrong = errno;
    if (close(file) == 0 && good)
        return true;
    return adapter_fail(error, "cannot write %s: %s", path, strerror(wrong));
}

bool adapter_path(char to[static ADAPTER_PATH_SIZE], const struct adapter_run *run,
                  const char *name, char error[static SPACE_ERROR_SIZE])
{
    int size = snprintf(to, ADAPTER_PATH_SIZE, "%s/%s", run->folder, name);
    if (size < 0 || size >= ADAPTER_PATH_SIZE)
        return adapter_fail(error, "the name of the folder is too long: %s", run->folder);
    return true;
}

bool adapter_own_path(char to[static ADAPTER_PATH_SIZE], const struct adapter_run *run,
                      uint32_t host, const char *end, char error[static SPACE_ERROR_SIZE])
{
    char interface[SPACE_NAME_SIZE], name[64];
    adapter_interface(run, host, interface);
    snprintf(name, sizeof name, "%s.%s", interface, end);
    return adapter_path(to, run, name, error);
}

void adapter_addr(char to[static ADAPTER_ADDR_SIZE], const struct addr *addr)
{
    check(addr->family != ADDR_NONE);
    char ip[INET6_ADDRSTRLEN];
    bool v6 = addr->family == ADDR_V6;
    inet_ntop(v6 ? AF_INET6 : AF_INET, addr->ip, ip, sizeof ip);
    if (addr->port == 0)
        snprintf(to, ADAPTER_ADDR_SIZE, "%s", ip);
    else
        snprintf(to, ADAPTER_ADDR_SIZE, v6 ? "[%s]:%u" : "%s:%u", ip, (unsigned)addr->port);
}

struct addr adapter_outer(const struct adapter_host *host)
{
    for (uint32_t i = 0; i < 2; i++)
        if (host->outer[i].family == ADDR_V4)
            return addr_with_port(host->outer[i], 0);
    return addr_with_port(host->outer[0].family != ADDR_NONE ? host->outer[0] : host->outer[1], 0);
}

uint32_t adapter_server(const struct adapter_run *run, uint32_t from)
{
    while (from < run->count && !run->hosts[from].server)
        from++;
    return from;
}

bool adapter_launch(const struct adapter_run *run, uint32_t host, const char *const *arguments,
                    int output, pid_t *pid, char error[static SPACE_ERROR_SIZE])
{
    struct space_program program = {.arguments = arguments, .output = output};
    *pid = space_start(run->hosts[host].host, &program, error);
    return *pid > 0;
}

bool adapter_do(const struct adapter_run *run, uint32_t host, const char *const *arguments,
                char error[static SPACE_ERROR_SIZE])
{
    return space_run(run->hosts[host].host, arguments, NULL, error);
}
