/*
 * Nebula: the servers are lighthouses, the clients ask them where others are, and punch as its
 * documentation recommends for hosts behind NATs (punchy). Twice: without relays, as it is when
 * nobody has set them up, and with the lighthouses as relays.
 */
#include <stdio.h>

#include "core/base/check.h"
#include "netns/adapter_part.h"

enum { LIGHTHOUSE_PORT = 4242 };

/* What nebula-cert makes for one host: its key, and its certificate with its inner address. */
static bool certify(const struct adapter_run *run, uint32_t host, const char *ca,
                    const char *ca_key, char error[static SPACE_ERROR_SIZE])
{
    char certificate[ADAPTER_PATH_SIZE], key[ADAPTER_PATH_SIZE];
    char inner[ADAPTER_ADDR_SIZE], network[ADAPTER_ADDR_SIZE + 4];
    if (!adapter_own_path(certificate, run, host, "crt", error) ||
        !adapter_own_path(key, run, host, "key", error))
        return false;
    adapter_addr(inner, &run->hosts[host].inner);
    snprintf(network, sizeof network, "%s/24", inner);
    const char *arguments[] = {"nebula-cert", "sign",  "-name",    run->hosts[host].name,
                               "-ip",         network, "-ca-crt",  ca,
                               "-ca-key",     ca_key,  "-out-crt", certificate,
                               "-out-key",    key,     NULL};
    return adapter_do(run, host, arguments, error);
}

/* The inner addresses of all servers, each on a line of its own. */
static void add_servers(struct adapter_text *text, const struct adapter_run *run)
{
    for (uint32_t i = adapter_server(run, 0); i < run->count; i = adapter_server(run, i + 1)) {
        char inner[ADAPTER_ADDR_SIZE];
        adapter_addr(inner, &run->hosts[i].inner);
        adapter_add(text, "    - \"%s\"\n", inner);
    }
}

static void add_lighthouses(struct adapter_text *text, const struct adapter_run *run, bool server)
{
    adapter_add(text, "static_host_map:\n");
    for (uint32_t i = adapter_server(run, 0); i < run->count; i = adapter_server(run, i + 1)) {
        char inner[ADAPTER_ADDR_SIZE], outer[ADAPTER_ADDR_SIZE];
        struct addr at = addr_with_port(adapter_outer(&run->hosts[i]), LIGHTHOUSE_PORT);
        adapter_addr(inner, &run->hosts[i].inner);
        adapter_addr(outer, &at);
        adapter_add(text, "  \"%s\": [\"%s\"]\n", inner, outer);
    }
    /* A lighthouse that lists lighthouses would be a client of them. */
    adapter_add(text, "lighthouse:\n  am_lighthouse: %s\n  interval: 60\n",
                server ? "true" : "false");
    if (!server) {
        adapter_add(text, "  hosts:\n");
        add_servers(text, run);
    }
}

static void add_relays(struct adapter_text *text, const struct adapter_run *run, bool server,
                       bool relays)
{
    adapter_add(text, "relay:\n  am_relay: %s\n  use_relays: %s\n",
                relays && server ? "true" : "false", relays && !server ? "true" : "false");
    if (relays && !server) {
        adapter_add(text, "  relays:\n");
        add_servers(text, run);
    }
}

static bool write_host(const struct adapter_run *run, uint32_t host, const char *ca, bool relays,
                       char error[static SPACE_ERROR_SIZE])
{
    char path[ADAPTER_PATH_SIZE], key[ADAPTER_PATH_SIZE], certificate[ADAPTER_PATH_SIZE];
    char interface[SPACE_NAME_SIZE];
    if (!adapter_own_path(path, run, host, "yml", error) ||
        !adapter_own_path(certificate, run, host, "crt", error) ||
        !adapter_own_path(key, run, host, "key", error))
        return false;
    adapter_interface(run, host, interface);
    const struct adapter_host *h = &run->hosts[host];
    struct adapter_text text = {.size = 0};
    adapter_add(&text, "pki:\n  ca: \"%s\"\n  cert: \"%s\"\n  key: \"%s\"\n", ca, certificate, key);
    add_lighthouses(&text, run, h->server);
    /* Its documentation: a port that is free for hosts that move about, a fixed one for others. */
    adapter_add(&text, "listen:\n  host: \"%s\"\n  port: %d\n",
                adapter_outer(h).family == ADDR_V6 ? "[::]" : "0.0.0.0",
                h->server ? LIGHTHOUSE_PORT : 0);
    adapter_add(&text, "punchy:\n  punch: true\n  respond: true\n");
    add_relays(&text, run, h->server, relays);
    adapter_add(&text, "tun:\n  dev: %s\n", interface);
    adapter_add(&text, "logging:\n  level: info\n  format: text\n"
                       "firewall:\n"
                       "  outbound:\n    - {port: any, proto: any, host: any}\n"
                       "  inbound:\n    - {port: any, proto: any, host: any}\n");
    return adapter_save(&text, path, 0600, error);
}

static bool write_all(const struct adapter_run *run, bool relays,
                      char error[static SPACE_ERROR_SIZE])
{
    char ca[ADAPTER_PATH_SIZE], key[ADAPTER_PATH_SIZE];
    if (!adapter_path(ca, run, "ca.crt", error) || !adapter_path(key, run, "ca.key", error))
        return false;
    const char *arguments[] = {"nebula-cert", "ca", "-name", "warren-lab", "-out-crt", ca,
                               "-out-key",    key,  NULL};
    if (!adapter_do(run, 0, arguments, error))
        return false;
    for (uint32_t i = 0; i < run->count; i++)
        if (!certify(run, i, ca, key, error) || !write_host(run, i, ca, relays, error))
            return false;
    return true;
}

static bool write_direct(const struct adapter_run *run, char error[static SPACE_ERROR_SIZE])
{
    return write_all(run, false, error);
}

static bool write_relayed(const struct adapter_run *run, char error[static SPACE_ERROR_SIZE])
{
    return write_all(run, true, error);
}

static bool start(const struct adapter_run *run, uint32_t host, int output, pid_t *pid,
                  char error[static SPACE_ERROR_SIZE])
{
    char path[ADAPTER_PATH_SIZE];
    if (!adapter_own_path(path, run, host, "yml", error))
        return false;
    const char *arguments[] = {"nebula", "-config", path, NULL};
    return adapter_launch(run, host, arguments, output, pid, error);
}

static const struct adapter_program programs[] = {
    {"nebula", "nebula"}, {"nebula-cert", "nebula"}, {NULL, NULL}};

const struct adapter adapter_nebula = {
    .name = "nebula",
    .about = "Nebula without relays: the server is its lighthouse",
    .programs = programs,
    .serves = true,
    .server_port = LIGHTHOUSE_PORT,
    .write = write_direct,
    .start = start,
};

const struct adapter adapter_nebula_relay = {
    .name = "nebula-relay",
    .about = "Nebula whose lighthouse is a relay too",
    .programs = programs,
    .serves = true,
    .server_port = LIGHTHOUSE_PORT,
    .write = write_relayed,
    .start = start,
};
