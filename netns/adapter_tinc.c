/*
 * tinc 1.0 as a router: the clients connect to the servers (ConnectTo), and all know all keys. It
 * tells its nodes each other's outside addresses by itself. Every node has a folder, with the name
 * of its interface, and all have one folder of hosts.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netns/adapter_part.h"

enum { PORT = 655 };

/* Small, since each host waits for its own; what is compared does not depend on it. */
#define KEY_BITS "1024"
#define HOSTS "hosts"

static bool make_folder(const char *path, char error[static SPACE_ERROR_SIZE])
{
    if (mkdir(path, 0700) == 0 || errno == EEXIST)
        return true;
    return adapter_fail(error, "cannot make %s: %s", path, strerror(errno));
}

/* What others know of a host; tincd adds its public key to it. */
static bool write_card(const struct adapter_run *run, uint32_t host,
                       char error[static SPACE_ERROR_SIZE])
{
    char interface[SPACE_NAME_SIZE], name[64], path[ADAPTER_PATH_SIZE];
    char inner[ADAPTER_ADDR_SIZE], outer[ADAPTER_ADDR_SIZE];
    adapter_interface(run, host, interface);
    snprintf(name, sizeof name, HOSTS "/%s", interface);
    if (!adapter_path(path, run, name, error))
        return false;
    const struct adapter_host *h = &run->hosts[host];
    struct adapter_text text = {.size = 0};
    adapter_addr(inner, &h->inner);
    adapter_add(&text, "Subnet = %s/32\nPort = %d\n", inner, PORT);
    if (h->server) {
        struct addr at = adapter_outer(h);
        adapter_addr(outer, &at);
        adapter_add(&text, "Address = %s\n", outer);
    }
    return adapter_save(&text, path, 0600, error);
}

static void describe(struct adapter_text *text, const struct adapter_run *run, uint32_t host)
{
    char interface[SPACE_NAME_SIZE];
    adapter_interface(run, host, interface);
    adapter_add(text, "Name = %s\nInterface = %s\nMode = router\nAddressFamily = %s\n", interface,
                interface, adapter_outer(&run->hosts[host]).family == ADDR_V6 ? "ipv6" : "ipv4");
    for (uint32_t i = adapter_server(run, 0); i < run->count; i = adapter_server(run, i + 1)) {
        if (i == host)
            continue;
        char server[SPACE_NAME_SIZE];
        adapter_interface(run, i, server);
        adapter_add(text, "ConnectTo = %s\n", server);
    }
}

static bool write_host(const struct adapter_run *run, uint32_t host,
                       char error[static SPACE_ERROR_SIZE])
{
    char folder[ADAPTER_PATH_SIZE], path[ADAPTER_PATH_SIZE], inner[ADAPTER_ADDR_SIZE];
    if (!write_card(run, host, error) || !adapter_own_path(folder, run, host, "tinc", error) ||
        !make_folder(folder, error) || !adapter_own_path(path, run, host, "tinc/hosts", error))
        return false;
    if (symlink("../" HOSTS, path) != 0 && errno != EEXIST)
        return adapter_fail(error, "cannot make %s: %s", path, strerror(errno));

    struct adapter_text text = {.size = 0};
    describe(&text, run, host);
    if (!adapter_own_path(path, run, host, "tinc/tinc.conf", error) ||
        !adapter_save(&text, path, 0600, error))
        return false;

    struct adapter_text up = {.size = 0};
    adapter_addr(inner, &run->hosts[host].inner);
    adapter_add(&up,
                "#!/bin/sh\nip link set dev \"$INTERFACE\" up\n"
                "ip address add %s/24 dev \"$INTERFACE\"\n",
                inner);
    if (!adapter_own_path(path, run, host, "tinc/tinc-up", error) ||
        !adapter_save(&up, path, 0700, error))
        return false;

    const char *arguments[] = {"tincd", "-c", folder, "-K", KEY_BITS, NULL};
    return adapter_do(run, host, arguments, error);
}

static bool write_all(const struct adapter_run *run, char error[static SPACE_ERROR_SIZE])
{
    char hosts[ADAPTER_PATH_SIZE];
    if (!adapter_path(hosts, run, HOSTS, error) || !make_folder(hosts, error))
        return false;
    for (uint32_t i = 0; i < run->count; i++)
        if (!write_host(run, i, error))
            return false;
    return true;
}

static bool start(const struct adapter_run *run, uint32_t host, int output, pid_t *pid,
                  char error[static SPACE_ERROR_SIZE])
{
    char folder[ADAPTER_PATH_SIZE], pidfile[ADAPTER_PATH_SIZE + 16];
    if (!adapter_own_path(folder, run, host, "tinc", error))
        return false;
    snprintf(pidfile, sizeof pidfile, "--pidfile=%s/pid", folder);
    const char *arguments[] = {"tincd", "-c", folder, "-D", "-d2", pidfile, NULL};
    return adapter_launch(run, host, arguments, output, pid, error);
}

static const struct adapter_program programs[] = {
    {"tincd", "tinc"}, {"ip", "iproute2"}, {NULL, NULL}};

const struct adapter adapter_tinc = {
    .name = "tinc",
    .about = "tinc 1.0 as a router: clients connect to the server",
    .programs = programs,
    .serves = true,
    .server_port = PORT,
    .write = write_all,
    .start = start,
};
