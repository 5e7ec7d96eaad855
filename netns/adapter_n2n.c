/*
 * n2n 1: the server is the supernode, the clients are edges of one community. It has IPv4 alone and
 * one supernode, so of several servers it takes the first. Nothing is written: all it needs are
 * arguments.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "netns/adapter_part.h"

enum { SUPERNODE_PORT = 7654 };

static bool write_nothing(const struct adapter_run *run, char error[static SPACE_ERROR_SIZE])
{
    for (uint32_t i = 0; i < run->count; i++)
        if (adapter_outer(&run->hosts[i]).family != ADDR_V4)
            return adapter_fail(error, "n2n has IPv4 alone, and %s has no such address",
                                run->hosts[i].name);
    return true;
}

static bool start(const struct adapter_run *run, uint32_t host, int output, pid_t *pid,
                  char error[static SPACE_ERROR_SIZE])
{
    char port[16];
    snprintf(port, sizeof port, "%d", SUPERNODE_PORT);
    if (run->hosts[host].server) {
        const char *arguments[] = {"supernode", "-l", port, NULL};
        return adapter_launch(run, host, arguments, output, pid, error);
    }
    char interface[SPACE_NAME_SIZE], inner[ADAPTER_ADDR_SIZE], supernode[ADAPTER_ADDR_SIZE];
    char mac[24];
    adapter_interface(run, host, interface);
    adapter_addr(inner, &run->hosts[host].inner);
    uint32_t server = adapter_server(run, 0);
    check(server < run->count);
    struct addr at = addr_with_port(adapter_outer(&run->hosts[server]), SUPERNODE_PORT);
    adapter_addr(supernode, &at);
    /* A locally administered address, as the manual wants one: without it the edge invents one. */
    snprintf(mac, sizeof mac, "02:00:0a:63:00:%02x", (unsigned)run->hosts[host].inner.ip[3]);
    const char *arguments[] = {
        "edge",   "-d", interface,         "-a", inner, "-s", "255.255.255.0", "-c",
        "warren", "-k", "one-key-for-all", "-m", mac,   "-l", supernode,       NULL};
    return adapter_launch(run, host, arguments, output, pid, error);
}

static const struct adapter_program programs[] = {
    {"supernode", "n2n"}, {"edge", "n2n"}, {"ifconfig", "net-tools"}, {NULL, NULL}};

const struct adapter adapter_n2n = {
    .name = "n2n",
    .about = "n2n 1: the server is its supernode",
    .programs = programs,
    .serves = true,
    .server_port = SUPERNODE_PORT,
    .write = write_nothing,
    .start = start,
};
