/* Looks at everything that a start needs before anything is touched. */
#include "daemon/preflight.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/capability.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "daemon/privilege.h"
#include "daemon/socket_address.h"
#include "daemon/start.h"
#include "daemon/text.h"

/* The wall clock cannot be before this: 2026-01-01, when there was no Warren yet. */
#define CLOCK_LEAST_S UINT64_C(1767225600)

__attribute__((format(printf, 3, 4))) static void find(struct preflight *preflight, bool fatal,
                                                       const char *format, ...)
{
    preflight->fatal += fatal;
    if (preflight->count == PREFLIGHT_FINDINGS_MAX)
        return;
    struct preflight_finding *finding = &preflight->findings[preflight->count++];
    finding->fatal = fatal;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
}

/* ---- Papers and time ------------------------------------------------------------------------- */

static void check_validity(const struct daemon *daemon, struct preflight *preflight, uint64_t now_s)
{
    const struct config *config = &daemon->config;
    const struct keyfile *paper = &daemon->papers.paper;
    const char *path = config->server ? config->certificate : config->credential;
    struct identity_trust trust = {.root = config->root, .now_s = now_s};
    enum identity_error result;
    if (config->server)
        result = certificate_verify(&paper->certificate.certificate, &crypto_real, &trust);
    else
        result = credential_verify(&paper->credential.credential, &paper->credential.issuer,
                                   &crypto_real, &trust);
    char time_text[TEXT_TIME_SIZE];
    switch (result) {
    case IDENTITY_OK:
        return;
    case IDENTITY_NO_ROOT:
        find(preflight, true,
             "there is no root=, so nobody is believed: it is the mesh's public "
             "key, which 'warren show' prints of the root's file");
        return;
    case IDENTITY_CERTIFICATE_SIGNATURE:
        find(preflight, true, "%s: it is not of this mesh: root= has not signed its certificate",
             path);
        return;
    case IDENTITY_CERTIFICATE_EARLY:
        find(preflight, true,
             "%s: its certificate is not valid yet, or the clock is wrong, which "
             "says %s: see 'timedatectl'",
             path, text_time(time_text, now_s));
        return;
    case IDENTITY_CERTIFICATE_EXPIRED:
    case IDENTITY_CREDENTIAL_EXPIRED:
        find(preflight, true,
             "%s: it is expired, or the clock is wrong, which says %s: have it "
             "made anew, or see 'timedatectl'",
             path, text_time(time_text, now_s));
        return;
    default:
        find(preflight, true, "%s: it is not believed: %s", path, identity_error_name(result));
        return;
    }
}

static void check_cards(const struct daemon *daemon, struct preflight *preflight, uint64_t now_s)
{
    struct identity_trust trust = {.root = daemon->config.root, .now_s = now_s};
    for (uint32_t i = 0; i < daemon->config.server_count; i++) {
        const struct keyfile_card *card = &daemon->papers.cards[i].card;
        enum identity_error result =
            server_record_verify(&card->record, &card->certificate, &crypto_real, &trust);
        if (result != IDENTITY_OK)
            find(preflight, false,
                 "%s: the card is not believed (%s), so that server is not used: copy its newest "
                 "card from its state-dir",
                 daemon->config.servers[i].card, identity_error_name(result));
    }
    if (!daemon->config.server && daemon->config.server_count == 0)
        find(preflight, false,
             "no [server \"NAME\"] is configured, so there is no home to "
             "register with, and no peer of the mesh can be reached");
}

/* Whether what is sent to this address outside would go into the tunnel. */
static void check_outside(const struct config *config, struct preflight *preflight,
                          const struct addr *outside, const char *name)
{
    for (uint32_t i = 0; i < config->peer_count; i++) {
        const struct node_in_peer *in = &config->peers[i].in;
        for (uint32_t k = 0; k < in->subnet_count; k++) {
            char address[TEXT_ADDR_SIZE], prefix[TEXT_ADDR_SIZE];
            if (subnet_has(&in->subnets[k], outside))
                find(preflight, false,
                     "the subnets= of %s have %s, where %s is: unless a smaller route leads there, "
                     "what is sent to it goes into the tunnel and is lost (%s)",
                     config->peers[i].name, text_subnet(prefix, &in->subnets[k]), name,
                     text_addr(address, outside));
        }
    }
}

static void check_loops(const struct daemon *daemon, struct preflight *preflight)
{
    const struct config *config = &daemon->config;
    if (config->interface[0] == 0)
        return;
    for (uint32_t i = 0; i < config->server_count; i++) {
        const struct server_record *record = &daemon->papers.cards[i].card.record;
        for (uint32_t k = 0; k < record->endpoint_count; k++) {
            const struct addr *addr = &record->endpoints[k].addr;
            uint32_t first = 0; /* with that address: it has several ports */
            while (!addr_equal_ip(addr, &record->endpoints[first].addr))
                first++;
            if (first == k)
                check_outside(config, preflight, addr, config->servers[i].name);
        }
    }
    for (uint32_t i = 0; i < config->peer_count; i++)
        if (config->peers[i].in.endpoint.family != ADDR_NONE)
            check_outside(config, preflight, &config->peers[i].in.endpoint, config->peers[i].name);
}

static void check_papers(struct daemon *daemon, struct preflight *preflight)
{
    struct start_error error = {.text = ""};
    uint64_t now_s = (uint64_t)time(NULL);
    char text[TEXT_TIME_SIZE];
    if (now_s < CLOCK_LEAST_S)
        find(preflight, true,
             "the clock says %s, so no certificate is valid: set it, or wait for "
             "the time service ('timedatectl')",
             text_time(text, now_s));
    if (!start_papers(daemon, &error)) {
        find(preflight, true, "%s", error.text);
        return;
    }
    if (now_s >= CLOCK_LEAST_S)
        check_validity(daemon, preflight, now_s);
    check_cards(daemon, preflight, now_s);
    check_loops(daemon, preflight);
    for (uint32_t i = 0; i < daemon->config.peer_count; i++) {
        const struct config_peer *peer = &daemon->config.peers[i];
        uint8_t psk[KEYFILE_PSK_SIZE];
        struct keyfile_error cause;
        if (peer->psk[0] != 0 && !keyfile_read_psk(psk, peer->psk, &cause))
            find(preflight, true, "%s:%u: %s", daemon->config_path, peer->line, cause.text);
        crypto_real.wipe(psk, sizeof psk);
    }
}

/* ---- Rights and devices ---------------------------------------------------------------------- */

static bool has_capability(unsigned capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3];
    memset(sets, 0, sizeof sets);
    if (syscall(SYS_capget, &header, sets) != 0)
        return false;
    return (sets[capability / 32].effective >> capability % 32 & 1) != 0;
}

static void check_interface(const struct config *config, struct preflight *preflight)
{
    if (config->interface[0] == 0)
        return;
    if (!has_capability(CAP_NET_ADMIN))
        find(preflight, true,
             "there is no right to make the interface %s (CAP_NET_ADMIN): start warrend as root, "
             "or by its systemd unit",
             config->interface);
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        return;
    }
    if (errno == EACCES || errno == EPERM)
        find(preflight, true,
             "/dev/net/tun cannot be opened: %s; start warrend as root, or let "
             "the container have the device",
             strerror(errno));
    else
        find(preflight, true, "/dev/net/tun cannot be opened: %s; 'modprobe tun' loads its driver",
             strerror(errno));
}

static void check_user(const struct config *config, struct preflight *preflight)
{
    struct privilege privilege;
    char text[PREFLIGHT_TEXT];
    if (!privilege_find(&privilege, config->user, text, sizeof text))
        find(preflight, true, "%s", text);
    if (config->group[0] != 0 && getgrnam(config->group) == NULL)
        find(preflight, false,
             "there is no group '%s', so only root can use 'warren': 'addgroup --system %s', or "
             "name another with group=",
             config->group, config->group);
}

static void check_state_dir(const struct config *config, struct preflight *preflight)
{
    struct stat found;
    if (stat(config->state_dir, &found) == 0) {
        if (!S_ISDIR(found.st_mode))
            find(preflight, true,
                 "%s is not a folder: name another with state-dir=", config->state_dir);
        else if (access(config->state_dir, W_OK | X_OK) != 0)
            find(preflight, true,
                 "the folder %s cannot be written to: give it to this user, or "
                 "name another with state-dir=",
                 config->state_dir);
        return;
    }
    if (errno != ENOENT) {
        find(preflight, true, "the folder %s cannot be looked at: %s", config->state_dir,
             strerror(errno));
        return;
    }
    /* It is made at the start, in the folder that it is in. */
    char parent[CONFIG_PATH_SIZE];
    strcpy(parent, config->state_dir);
    char *slash = strrchr(parent, '/');
    if (slash != NULL)
        slash[slash == parent ? 1 : 0] = 0;
    if (access(slash != NULL ? parent : ".", W_OK | X_OK) != 0)
        find(preflight, true,
             "the folder %s is not there and cannot be made in %s: %s; make it, "
             "or name another with state-dir=",
             config->state_dir, slash != NULL ? parent : ".", strerror(errno));
}

static void check_control(const struct config *config, struct preflight *preflight)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(config->control);
    check(size < sizeof address.sun_path);
    memcpy(address.sun_path, config->control, size + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) == 0)
        find(preflight, true,
             "another warrend runs and has the control socket %s: stop it, or "
             "give this one another with control=",
             config->control);
    close(fd);
}

/* ---- Ports ----------------------------------------------------------------------------------- */

/* False when the address is none of ours, so that no other port need be tried on it. */
static bool check_port(const struct addr *addr, uint16_t port, const char *option,
                       struct preflight *preflight)
{
    const struct addr own = addr_with_port(*addr, port);
    union socket_address name;
    socklen_t size = socket_address_of(&own, &name);
    int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int on = 1;
    int failed = fd < 0;
    if (fd >= 0 && addr->family == ADDR_V6)
        failed = setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (failed == 0)
        failed = bind(fd, &name.any, size);
    int error = errno;
    if (fd >= 0)
        close(fd);
    if (failed == 0)
        return true;
    char text[TEXT_ADDR_SIZE];
    text_addr(text, addr);
    if (error == EADDRINUSE)
        find(preflight, true,
             "another program has UDP port %u on %s: 'ss -ulnp' shows which; stop "
             "it, or choose another with %s",
             (unsigned)port, text, option);
    else if (error == EADDRNOTAVAIL)
        find(preflight, true,
             "no interface here has the address %s: 'ip address' lists those that "
             "there are; correct listen=",
             text);
    else if (error == EACCES)
        find(preflight, true, "port %u is root's: choose one from 1024 on with %s", (unsigned)port,
             option);
    else
        find(preflight, true, "cannot listen on %s: %s; correct listen= or %s", text,
             strerror(error), option);
    return error != EADDRNOTAVAIL && error != EAFNOSUPPORT;
}

static void check_ports(const struct config *config, struct preflight *preflight)
{
    const struct {
        uint16_t port;
        const char *option;
    } server[] = {
        {config->punch_port, "punch-port="},
        {config->relay_port, "relay-port="},
        {config->tunnel_port, "tunnel-port="},
        {config->stun_port, "stun-port="},
        {config->stun_port != 0 ? config->stun_alternate_port : 0, "stun-alternate-port="},
    };
    for (uint32_t i = 0; i < config->listen_count; i++) {
        const struct addr *addr = &config->listen[i];
        if (!config->server)
            check_port(addr, config->traffic_port, "traffic-port=", preflight);
        bool ours = config->server;
        for (size_t p = 0; ours && p < sizeof server / sizeof server[0]; p++)
            ours = server[p].port == 0 ||
                   check_port(addr, server[p].port, server[p].option, preflight);
    }
}

void preflight_run(struct daemon *daemon, struct preflight *preflight)
{
    const struct config *config = &daemon->config;
    preflight->count = 0;
    preflight->fatal = 0;
    check_papers(daemon, preflight);
    check_interface(config, preflight);
    check_user(config, preflight);
    check_state_dir(config, preflight);
    check_control(config, preflight);
    check_ports(config, preflight);
    check(preflight->count <= PREFLIGHT_FINDINGS_MAX);
}
