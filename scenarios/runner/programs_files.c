/* The files of a run's daemons: keys, papers, cards, configuration. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/config.h"
#include "daemon/keyfile.h"
#include "daemon/text.h"
#include "scenarios/runner/mesh.h"
#include "scenarios/runner/programs_state.h"

/* Always false. */
static bool fail(const struct programs *programs, const char *name, const char *suffix,
                 char error[static SPACE_ERROR_SIZE])
{
    snprintf(error, SPACE_ERROR_SIZE, "cannot write %s.%s in %.300s: %s", name, suffix,
             programs->folder, strerror(errno));
    return false;
}

/* Writes FOLDER/NAME.SUFFIX, at once for who reads it; what is in it may be a secret. It need not
   outlive a loss of power. */
static bool write_file(const struct programs *programs, const char *name, const char *suffix,
                       const char *text, size_t size, char error[static SPACE_ERROR_SIZE])
{
    char path[PROGRAMS_PATH_SIZE + PLAN_NAME_SIZE + 16], fresh[sizeof path + 4];
    snprintf(path, sizeof path, "%s/%s.%s", programs->folder, name, suffix);
    snprintf(fresh, sizeof fresh, "%s.new", path);
    int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = fd >= 0 && fchmod(fd, 0600) == 0;
    for (size_t at = 0; done && at < size;) {
        ssize_t written = write(fd, text + at, size - at);
        done = written > 0 || (written < 0 && errno == EINTR);
        at += written > 0 ? (size_t)written : 0;
    }
    done = done && rename(fresh, path) == 0;
    if (!done)
        fail(programs, name, suffix, error);
    if (fd >= 0)
        close(fd);
    return done;
}

static bool write_keys(const struct programs *programs, const char *name, const char *suffix,
                       const struct keyfile *file, char error[static SPACE_ERROR_SIZE])
{
    static char text[KEYFILE_BYTES_MAX];
    size_t size = keyfile_format(file, text, sizeof text);
    return write_file(programs, name, suffix, text, size, error);
}

static void copy_data(struct keyfile_data *to, const uint8_t *bytes, uint32_t size)
{
    check(bytes != NULL && size > 0 && size <= sizeof to->bytes);
    to->size = size;
    memcpy(to->bytes, bytes, size);
}

/* ---- Papers ---- */

static bool write_card(const struct programs *programs, uint32_t server,
                       char error[static SPACE_ERROR_SIZE])
{
    static struct keyfile file;
    const struct programs_config *config = &programs->config;
    const struct plan_place *at = &config->scenario->places[server];
    struct endpoint endpoints[SERVER_ENDPOINTS_MAX];
    struct node_in in;
    uint32_t count = mesh_endpoints(config->net, config->places[server], at, endpoints);
    mesh_server(&in, at->name, endpoints, count);
    file = (struct keyfile){.kind = KEYFILE_CARD};
    copy_data(&file.card.certificate_data, in.server.certificate, in.server.certificate_size);
    copy_data(&file.card.record_data, in.server.record, in.server.record_size);
    return write_keys(programs, at->name, "card", &file, error);
}

/* A server's certificate, or a client's credential. */
static bool write_paper(const struct programs *programs, const char *name,
                        const struct node_in_identity *in, char error[static SPACE_ERROR_SIZE])
{
    static struct keyfile file;
    if (in->credential == NULL) {
        file = (struct keyfile){.kind = KEYFILE_CERTIFICATE};
        copy_data(&file.certificate.data, in->certificate, in->certificate_size);
        return write_keys(programs, name, "certificate", &file, error);
    }
    file = (struct keyfile){.kind = KEYFILE_CREDENTIAL};
    copy_data(&file.credential.data, in->credential, in->credential_size);
    copy_data(&file.credential.certificate, in->certificate, in->certificate_size);
    return write_keys(programs, name, "credential", &file, error);
}

static bool write_identity(const struct programs *programs, const char *name,
                           const struct node_in_identity *in, char error[static SPACE_ERROR_SIZE])
{
    static struct keyfile file;
    file = (struct keyfile){.kind = KEYFILE_IDENTITY};
    memcpy(file.identity.seed, in->seed, sizeof file.identity.seed);
    memcpy(file.identity.tunnel_key, in->tunnel_key, sizeof file.identity.tunnel_key);
    return write_keys(programs, name, "identity", &file, error);
}

/* ---- Configuration ---- */

/* What others call a place: its name, unless that is no name for a section. */
static const char *title_of(const struct programs *programs, uint32_t place,
                            char to[static CONFIG_NAME_SIZE])
{
    const char *name = programs->config.scenario->places[place].name;
    if (label_is_valid(name, strlen(name), IDENTITY_LABEL_MAX))
        snprintf(to, CONFIG_NAME_SIZE, "%s", name);
    else
        snprintf(to, CONFIG_NAME_SIZE, "place-%u", (unsigned)place);
    return to;
}

static void print_server(FILE *to, const struct programs *programs, uint32_t place, uint32_t server)
{
    char title[CONFIG_NAME_SIZE];
    if (server == PLAN_INTERNET || server == place)
        return;
    fprintf(to, "\n[server \"%s\"]\ncard = %s.card\n", title_of(programs, server, title),
            programs->config.scenario->places[server].name);
}

/* A client knows its home and reserve where the script names them, and all servers otherwise. */
static void print_servers(FILE *to, const struct programs *programs, uint32_t place)
{
    const struct plan_scenario *scenario = programs->config.scenario;
    const struct plan_place *at = &scenario->places[place];
    if (at->kind == PLAN_CLIENT && at->home != PLAN_INTERNET) {
        print_server(to, programs, place, at->home);
        if (at->reserve != at->home)
            print_server(to, programs, place, at->reserve);
        return;
    }
    for (uint32_t i = 0; i < scenario->place_count; i++)
        if (scenario->places[i].kind == PLAN_SERVER)
            print_server(to, programs, place, i);
}

static void print_peer(FILE *to, const struct programs *programs, uint32_t peer)
{
    char title[CONFIG_NAME_SIZE], identity[TEXT_KEY_SIZE], key[TEXT_KEY_SIZE];
    struct node_in in;
    mesh_peer(&in, programs->config.scenario->places[peer].name, peer);
    fprintf(to,
            "\n[peer \"%s\"]\nidentity = %s\nkey = %s\nsubnets = ", title_of(programs, peer, title),
            text_key(identity, in.peer.peer), text_key(key, in.peer.key));
    for (uint32_t i = 0; i < in.peer.subnet_count; i++) {
        char subnet[TEXT_ADDR_SIZE];
        fprintf(to, "%s%s", i > 0 ? ", " : "", text_subnet(subnet, &in.peer.subnets[i]));
    }
    fputc('\n', to);
}

static void print_server_lines(FILE *to, const struct programs *programs, uint32_t place)
{
    static const uint8_t families[] = {ADDR_V4, ADDR_V6};
    const struct programs_config *config = &programs->config;
    const struct plan_place *at = &config->scenario->places[place];
    const char *before = "listen = ";
    for (uint32_t i = 0; i < 4; i++) {
        char text[TEXT_ADDR_SIZE];
        struct addr addr = net_address(config->net, config->places[place], families[i / 2], i % 2);
        if (addr.family == ADDR_NONE)
            continue;
        fprintf(to, "%s%s", before, text_addr(text, &addr));
        before = ", ";
    }
    fprintf(to, "\npunch-port = %d\nrelay-port = %d\n", NET_PORT_PUNCH, NET_PORT_RELAY);
    fprintf(to, "stun-port = %u\nstun-alternate-port = %u\n", (unsigned)at->port,
            (unsigned)at->alternate_port);
}

static void print_client_lines(FILE *to, const struct programs *programs, uint32_t place)
{
    const struct programs_config *config = &programs->config;
    uint32_t host = config->places[place];
    bool v4 = net_address(config->net, host, ADDR_V4, 0).family != ADDR_NONE;
    bool v6 = net_address(config->net, host, ADDR_V6, 0).family != ADDR_NONE;
    const char *listen = v4 && v6 ? "0.0.0.0, ::" : v6 ? "::" : "0.0.0.0";
    fprintf(to, "listen = %s\ninterface = " PROGRAMS_INTERFACE "\n", listen);
    /* What a simulated tunnel carries whole, a real one does too. */
    fprintf(to, "mtu = %d\ntraffic-port = %d\n", NODE_PACKET_MAX, NET_PORT_TRAFFIC);
}

bool programs_write_configuration(const struct programs *programs, uint32_t place,
                                  const bool *peers, char error[static SPACE_ERROR_SIZE])
{
    const struct plan_place *at = &programs->config.scenario->places[place];
    bool server = at->kind == PLAN_SERVER;
    char root[TEXT_KEY_SIZE], *text = NULL;
    struct node_in in;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    check(to != NULL);
    mesh_identity(&in, at->name, NULL, place); /* for the root alone, which all have */
    fprintf(to, "[warren]\nrole = %s\nroot = %s\nidentity = %s.identity\n",
            server ? "server" : "client", text_key(root, in.identity.root), at->name);
    fprintf(to, "%s = %s.%s\n", server ? "certificate" : "credential", at->name,
            server ? "certificate" : "credential");
    if (server)
        print_server_lines(to, programs, place);
    else
        print_client_lines(to, programs, place);
    fprintf(to, "control = %s.control\nstate-dir = %s.state\n", at->name, at->name);
    fprintf(to, "user = root\nlog-level = info\nlog-format = json\nring-tape = 0\n");
    print_servers(to, programs, place);
    for (uint32_t i = 0; peers != NULL && i < programs->count; i++)
        if (peers[i])
            print_peer(to, programs, i);
    check(fclose(to) == 0 && text != NULL);
    bool done = write_file(programs, at->name, "conf", text, size, error);
    free(text);
    return done;
}

/* ---- All ---- */

bool programs_has_mesh(const struct programs *programs, uint32_t *issuer)
{
    const struct plan_scenario *scenario = programs->config.scenario;
    *issuer = 0;
    while (*issuer < scenario->place_count && scenario->places[*issuer].kind != PLAN_SERVER)
        (*issuer)++;
    return *issuer < scenario->place_count;
}

bool programs_write_files(const struct programs *programs, char error[static SPACE_ERROR_SIZE])
{
    const struct plan_scenario *scenario = programs->config.scenario;
    uint32_t issuer;
    bool done = true;
    if (!programs_has_mesh(programs, &issuer))
        return true;
    for (uint32_t i = 0; done && i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        struct node_in in;
        if (!plan_is_node(place))
            continue;
        bool client = place->kind == PLAN_CLIENT;
        mesh_identity(&in, place->name, client ? scenario->places[issuer].name : NULL, i);
        done = write_identity(programs, place->name, &in.identity, error) &&
               write_paper(programs, place->name, &in.identity, error) &&
               (client || write_card(programs, i, error)) &&
               programs_write_configuration(programs, i, NULL, error);
    }
    return done;
}
