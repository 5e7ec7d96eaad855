/*
 * The baseline: WireGuard with what can be known in advance. Every client has the others as peers
 * at their fixed endpoints, with the keepalive that its documentation gives for hosts behind NATs;
 * the server has no part in it. What this reaches, a list of addresses reaches.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "netns/adapter_part.h"

enum { KEEPALIVE_S = 25, KEY_SIZE = 64 };

static bool make_key(const struct adapter_run *run, uint32_t host,
                     char error[static SPACE_ERROR_SIZE])
{
    char key[ADAPTER_PATH_SIZE], public_key[ADAPTER_PATH_SIZE];
    if (!adapter_own_path(key, run, host, "key", error) ||
        !adapter_own_path(public_key, run, host, "pub", error))
        return false;
    const char *arguments[] = {
        "sh", "-c",       "umask 077; wg genkey >\"$0\" && wg pubkey <\"$0\" >\"$1\"",
        key,  public_key, NULL};
    return adapter_do(run, host, arguments, error);
}

/* The first line of a host's file. */
static bool read_key(const struct adapter_run *run, uint32_t host, const char *end,
                     char key[static KEY_SIZE], char error[static SPACE_ERROR_SIZE])
{
    char path[ADAPTER_PATH_SIZE];
    if (!adapter_own_path(path, run, host, end, error))
        return false;
    FILE *file = fopen(path, "re");
    bool good = file != NULL && fgets(key, KEY_SIZE, file) != NULL;
    if (file != NULL)
        fclose(file);
    if (!good)
        return adapter_fail(error, "cannot read %s", path);
    key[strcspn(key, "\n")] = 0;
    return true;
}

static bool write_host(const struct adapter_run *run, uint32_t host,
                       char error[static SPACE_ERROR_SIZE])
{
    char path[ADAPTER_PATH_SIZE], key[KEY_SIZE];
    if (!adapter_own_path(path, run, host, "conf", error) ||
        !read_key(run, host, "key", key, error))
        return false;
    struct adapter_text text = {.size = 0};
    adapter_add(&text, "[Interface]\nPrivateKey = %s\nListenPort = %d\n", key,
                ADAPTER_WIREGUARD_PORT);
    for (uint32_t i = 0; i < run->count; i++) {
        const struct adapter_host *peer = &run->hosts[i];
        if (i == host || peer->server)
            continue;
        char inner[ADAPTER_ADDR_SIZE], endpoint[ADAPTER_ADDR_SIZE];
        if (!read_key(run, i, "pub", key, error))
            return false;
        adapter_addr(inner, &peer->inner);
        adapter_add(&text, "[Peer]\nPublicKey = %s\nAllowedIPs = %s/32\n", key, inner);
        if (peer->endpoint.family == ADDR_NONE)
            continue;
        adapter_addr(endpoint, &peer->endpoint);
        adapter_add(&text, "Endpoint = %s\nPersistentKeepalive = %d\n", endpoint, KEEPALIVE_S);
    }
    return adapter_save(&text, path, 0600, error);
}

static bool write_all(const struct adapter_run *run, char error[static SPACE_ERROR_SIZE])
{
    for (uint32_t i = 0; i < run->count; i++)
        if (!run->hosts[i].server && !make_key(run, i, error))
            return false;
    for (uint32_t i = 0; i < run->count; i++)
        if (!run->hosts[i].server && !write_host(run, i, error))
            return false;
    return true;
}

static bool start(const struct adapter_run *run, uint32_t host, int output, pid_t *pid,
                  char error[static SPACE_ERROR_SIZE])
{
    char interface[SPACE_NAME_SIZE];
    adapter_interface(run, host, interface);
    const char *arguments[] = {"wireguard-go", "-f", interface, NULL};
    return adapter_launch(run, host, arguments, output, pid, error);
}

/* The program takes its configuration from a socket, which it has a little after its interface;
   without it `wg` would ask the kernel. */
static bool takes_configuration(const char *interface)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, "/var/run/wireguard/%s.sock", interface);
    int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (file < 0)
        return false;
    bool takes = connect(file, (const struct sockaddr *)&to, sizeof to) == 0;
    close(file);
    return takes;
}

static enum adapter_state configure(const struct adapter_run *run, uint32_t host,
                                    char error[static SPACE_ERROR_SIZE])
{
    char interface[SPACE_NAME_SIZE], path[ADAPTER_PATH_SIZE];
    char inner[ADAPTER_ADDR_SIZE], network[ADAPTER_ADDR_SIZE + 4];
    adapter_interface(run, host, interface);
    if (!takes_configuration(interface))
        return ADAPTER_STARTING;
    if (!adapter_own_path(path, run, host, "conf", error))
        return ADAPTER_FAILED;
    adapter_addr(inner, &run->hosts[host].inner);
    snprintf(network, sizeof network, "%s/24", inner);
    const char *set[] = {"wg", "setconf", interface, path, NULL};
    const char *address[] = {"ip", "address", "add", network, "dev", interface, NULL};
    const char *up[] = {"ip", "link", "set", "dev", interface, "up", NULL};
    bool good = adapter_do(run, host, set, error) && adapter_do(run, host, address, error) &&
                adapter_do(run, host, up, error);
    return good ? ADAPTER_UP : ADAPTER_FAILED;
}

static const struct adapter_program programs[] = {
    {"wireguard-go", "wireguard-go"}, {"wg", "wireguard-tools"}, {"ip", "iproute2"}, {NULL, NULL}};

const struct adapter adapter_wireguard = {
    .name = "wireguard",
    .about = "WireGuard with fixed endpoints and nothing else",
    .programs = programs,
    .write = write_all,
    .start = start,
    .configure = configure,
};
