/* Makes the daemon what its configuration says. */
#include "daemon/start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <sodium.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/text.h"

enum {
    AROUND = 56,        /* bytes at most that a packet grows by: padding, tunnel and relay */
    VERSION_SHIFT = 20, /* a record's version counts from its second */
    CARD_ADDRESSES = 3, /* each has five endpoints, of SERVER_ENDPOINTS_MAX */
    TRAFFIC_TRIES = 8,  /* ports that are tried for all of a client's addresses */
    FILE_MODE = 0600,
};

__attribute__((format(printf, 2, 3))) static bool fail(struct start_error *error,
                                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return false;
}

void start_state_path(const struct daemon *daemon, const char *name,
                      char path[static START_PATH_SIZE])
{
    int size = snprintf(path, START_PATH_SIZE, "%s/%s", daemon->config.state_dir, name);
    check(size > 0 && size < START_PATH_SIZE);
}

/* ---- Papers ---------------------------------------------------------------------------------- */

static void take_name(struct daemon *daemon, const struct label *label)
{
    check(label->size < sizeof daemon->name);
    memcpy(daemon->name, label->text, label->size);
    daemon->name[label->size] = 0;
}

static bool read_paper(struct daemon *daemon, struct start_error *error)
{
    const struct config *config = &daemon->config;
    struct papers *papers = &daemon->papers;
    const struct keyfile_identity *own = &papers->identity.identity;
    struct keyfile_error cause;
    const uint8_t *identity;
    const uint8_t *key;
    const char *path = config->server ? config->certificate : config->credential;
    enum keyfile_kind kind = config->server ? KEYFILE_CERTIFICATE : KEYFILE_CREDENTIAL;
    if (!keyfile_read(&papers->paper, kind, path, &cause))
        return fail(error, "%s", cause.text);
    if (config->server) {
        identity = papers->paper.certificate.certificate.identity;
        key = papers->paper.certificate.certificate.tunnel_key;
        take_name(daemon, &papers->paper.certificate.certificate.name);
    } else {
        identity = papers->paper.credential.credential.identity;
        key = papers->paper.credential.credential.tunnel_key;
        take_name(daemon, &papers->paper.credential.credential.name);
    }
    if (memcmp(identity, own->identity, IDENTITY_SIZE) != 0)
        return fail(error,
                    "%s: it is made out to another identity than %s holds; have it made for this "
                    "one, whose public keys 'warren show' prints",
                    path, config->identity);
    if (memcmp(key, own->tunnel_public, IDENTITY_TUNNEL_KEY_SIZE) != 0)
        return fail(error, "%s: it has another tunnel key than %s; have it made anew", path,
                    config->identity);
    return true;
}

bool start_papers(struct daemon *daemon, struct start_error *error)
{
    const struct config *config = &daemon->config;
    struct papers *papers = &daemon->papers;
    struct keyfile_error cause;
    if (!keyfile_read(&papers->identity, KEYFILE_IDENTITY, config->identity, &cause))
        return fail(error, "%s", cause.text);
    if (!read_paper(daemon, error))
        return false;
    free(papers->cards);
    papers->cards =
        calloc(config->server_count > 0 ? config->server_count : 1, sizeof *papers->cards);
    if (papers->cards == NULL)
        return fail(error, "there is not enough memory for %u cards", config->server_count);
    for (uint32_t i = 0; i < config->server_count; i++) {
        if (!keyfile_read(&papers->cards[i], KEYFILE_CARD, config->servers[i].card, &cause))
            return fail(error, "%s:%u: %s; that server writes its card into its state-dir: copy it",
                        daemon->config_path, config->servers[i].line, cause.text);
    }
    return true;
}

/* ---- The node and its tapes ------------------------------------------------------------------ */

/* Where the tape's writer writes: to the file, and to the ring. */
static bool put_tape(void *host, const uint8_t *bytes, size_t size)
{
    struct daemon *daemon = host;
    if (daemon->tape_file != NULL && !daemon->tape_failed &&
        fwrite(bytes, 1, size, daemon->tape_file) != size) {
        daemon->tape_failed = true;
        log_event(LOG_LEVEL_ERROR, "tape-failed", log_text("file", daemon->config.tape),
                  log_text("error", strerror(errno)));
    }
    return ring_put(&daemon->ring, bytes, size);
}

static bool open_tape(struct daemon *daemon, const char *path, struct start_error *error)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    /* A file that was there may be open to others: it is closed to them before the seed goes in. */
    if (fd < 0 || fchmod(fd, FILE_MODE) != 0 || ftruncate(fd, 0) != 0)
        return fail(error, "cannot write the tape %s: %s; name another file with tape=", path,
                    strerror(errno));
    daemon->tape_file = fdopen(fd, "wb");
    check(daemon->tape_file != NULL);
    return true;
}

static bool open_ring(struct daemon *daemon, struct start_error *error)
{
    daemon->ring.fd = -1;
    if (daemon->config.ring_tape_mib == 0)
        return true;
    char path[START_PATH_SIZE];
    start_state_path(daemon, "ring.tape", path);
    if (ring_open(&daemon->ring, path, daemon->config.ring_tape_mib, daemon->config.tape_packets,
                  daemon->memory, daemon->memory_size))
        return true;
    return fail(error,
                "cannot make the ring tape %s: %s; make the state-dir writable, or set "
                "ring-tape=0",
                path, strerror(errno));
}

bool start_node(struct daemon *daemon, drive_output *output, struct start_error *error)
{
    const struct node_limits *limits =
        daemon->config.server ? &node_limits_server : &node_limits_client;
    uint8_t seed[RANDOM_SEED_SIZE];
    daemon->memory_size = node_size(limits);
    /* Pages of the system: zero, and not there before they are touched. */
    daemon->memory = mmap(NULL, daemon->memory_size, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (daemon->memory == MAP_FAILED)
        return fail(error, "the node needs %zu MiB of memory, which are not there",
                    daemon->memory_size >> 20);
    if (getrandom(seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return fail(error, "the system gives no random bytes: %s", strerror(errno));
    daemon->env.crypto = &crypto_real;
    daemon->start_ns = udp_now_ns();
    struct node *node = node_init(daemon->memory, daemon->memory_size, limits, seed, &daemon->env);
    drive_init(&daemon->drive, node, output, daemon);
    udp_init(&daemon->udp, &daemon->drive);
    daemon->udp.changed = loop_socket_changed;
    daemon->udp.changed_host = daemon;
    bool full = daemon->config.tape[0] != 0;
    bool done =
        open_ring(daemon, error) && (!full || open_tape(daemon, daemon->config.tape, error));
    if (done && (full || daemon->ring.fd >= 0)) {
        tape_start(&daemon->tape, put_tape, daemon, limits, seed);
        daemon->drive.tape = &daemon->tape;
        daemon->drive.digesting = full;
    }
    sodium_memzero(seed, sizeof seed);
    return done;
}

void start_undo(struct daemon *daemon)
{
    if (daemon->tape_file != NULL) {
        tape_end(&daemon->tape, daemon->drive.outputs, drive_digest(&daemon->drive));
        if (fclose(daemon->tape_file) != 0 || daemon->tape_failed)
            log_event(LOG_LEVEL_ERROR, "tape-failed", log_text("file", daemon->config.tape));
        daemon->tape_file = NULL;
    }
    ring_close(&daemon->ring);
    keyfile_wipe(&daemon->papers.identity);
    free(daemon->papers.cards);
    daemon->papers.cards = NULL;
    if (daemon->memory != NULL && daemon->memory != MAP_FAILED)
        munmap(daemon->memory, daemon->memory_size);
    daemon->memory = NULL;
    crypto_thread_end();
}

/* ---- The interface --------------------------------------------------------------------------- */

/*
 * How much of the mesh's range goes to the interface: that part in which addresses are given out,
 * so that a peer whose prefixes are not configured is routed too. The defaults of the mesh: a
 * 10.64.0.0/10, and an IPv6 /48 of its own (RFC 4193).
 */
static uint8_t range_bits(const struct addr *addr)
{
    const struct addr range = addr_v4(0x0a400000, 0);
    struct subnet v4 = subnet_of(&range, 10);
    if (addr->family == ADDR_V4)
        return subnet_has(&v4, addr) ? v4.bits : 32;
    return (addr->ip[0] & 0xfe) == 0xfc ? 48 : 128;
}

/* A server's addresses come from its configuration, a client's from its credential. */
static void find_addresses(struct daemon *daemon)
{
    const struct config *config = &daemon->config;
    daemon->address_count = config->address_count;
    memcpy(daemon->addresses, config->addresses, sizeof daemon->addresses);
    if (config->server || config->address_count > 0)
        return;
    const struct credential *credential = &daemon->papers.paper.credential.credential;
    for (unsigned i = 0; i < credential->address_count && i < CONFIG_ADDRESSES_MAX; i++) {
        struct addr addr = credential->addresses[i];
        daemon->addresses[daemon->address_count++] =
            (struct config_address){.addr = addr, .bits = range_bits(&addr)};
    }
}

bool start_interface(struct daemon *daemon, struct start_error *error)
{
    const struct config *config = &daemon->config;
    daemon->tun.fd = -1;
    daemon->tun_index = 0;
    if (config->interface[0] == 0)
        return true;
    find_addresses(daemon);
    if (!tun_open(&daemon->tun, config->interface)) {
        const char *hint = "";
        if (errno == EPERM || errno == EACCES)
            hint = "; it takes CAP_NET_ADMIN: start warrend as root, or by its systemd unit";
        else if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
            hint = "; /dev/net/tun is missing: 'modprobe tun', or let the container have it";
        else if (errno == EBUSY)
            hint = "; another program has that interface: choose another with interface=";
        return fail(error, "cannot make the interface %s: %s%s", config->interface, strerror(errno),
                    hint);
    }
    daemon->tun_index = netlink_index(daemon->tun.name);
    if (daemon->tun_index == 0 || !netlink_up(&daemon->netlink, daemon->tun_index, config->mtu))
        return fail(error, "cannot set up the interface %s: %s; it takes CAP_NET_ADMIN",
                    daemon->tun.name, strerror(errno));
    /* A super-packet that becomes one train arrives as one; where it cannot be, it becomes two. */
    uint32_t segments = UDP_TRAIN_MAX / (config->mtu + AROUND);
    if (segments > UDP_TRAIN_SEGMENTS)
        segments = UDP_TRAIN_SEGMENTS;
    (void)netlink_segments(&daemon->netlink, daemon->tun_index, segments);
    for (uint32_t i = 0; i < daemon->address_count; i++) {
        const struct config_address *own = &daemon->addresses[i];
        char text[TEXT_ADDR_SIZE];
        if (!netlink_address_add(&daemon->netlink, daemon->tun_index, &own->addr, own->bits))
            return fail(error, "cannot give the interface %s the address %s: %s%s",
                        daemon->tun.name, text_addr(text, &own->addr), strerror(errno),
                        own->addr.family == ADDR_V6 ? "; IPv6 may be off: see sysctl "
                                                      "net.ipv6.conf.all.disable_ipv6"
                                                    : "");
    }
    return true;
}

/* Whether the interface has it already, as the network of one of its addresses. */
static bool is_connected(const struct daemon *daemon, const struct subnet *subnet)
{
    for (uint32_t i = 0; i < daemon->address_count; i++) {
        struct subnet own = subnet_of(&daemon->addresses[i].addr, daemon->addresses[i].bits);
        if (own.bits <= subnet->bits && subnet_has(&own, &subnet->addr))
            return true;
    }
    return false;
}

static void route(struct daemon *daemon, const struct subnet *subnet)
{
    struct addr source = {0};
    for (uint32_t i = 0; i < daemon->address_count && source.family == ADDR_NONE; i++) {
        if (daemon->addresses[i].addr.family == subnet->addr.family)
            source = daemon->addresses[i].addr;
    }
    if (is_connected(daemon, subnet) ||
        netlink_route_add(&daemon->netlink, daemon->tun_index, subnet, &source))
        return;
    int error = errno;
    char text[TEXT_ADDR_SIZE];
    log_event(
        LOG_LEVEL_WARN, "route-failed", log_text("subnet", text_subnet(text, subnet)),
        log_text("error", strerror(error)),
        log_text("advice", daemon->dropped ? "rights are given up: start warrend anew" : NULL));
}

void start_routes(struct daemon *daemon)
{
    if (daemon->tun_index == 0)
        return;
    struct node_peer peer;
    uint32_t cursor = 0;
    while (node_peers(daemon->drive.node, &cursor, &peer)) {
        for (uint32_t i = 0; i < peer.subnet_count; i++)
            route(daemon, &peer.subnets[i]);
    }
}

/* ---- Sockets --------------------------------------------------------------------------------- */

static bool listen_on(struct daemon *daemon, uint32_t number, const struct addr *addr,
                      uint16_t port, const char *option, struct start_error *error)
{
    struct addr bound = addr_with_port(*addr, port);
    if (udp_listen(&daemon->udp, number, &bound))
        return true;
    char text[TEXT_ADDR_SIZE];
    const char *hint = "";
    if (errno == EADDRINUSE)
        hint = "; another program has that port: stop it, or choose another";
    else if (errno == EADDRNOTAVAIL)
        hint = "; no interface here has that address: 'ip address' lists those that there are";
    else if (errno == EACCES)
        hint = "; ports below 1024 are root's: choose another";
    else if (errno == EAFNOSUPPORT)
        hint = "; this system has no IPv6: take its address out of listen=";
    return fail(error, "cannot listen on %s (%s): %s%s", text_addr(text, &bound), option,
                strerror(errno), hint);
}

static bool listen_server(struct daemon *daemon, struct start_error *error)
{
    const struct config *config = &daemon->config;
    const struct {
        uint32_t number;
        uint16_t port;
        const char *option;
    } sockets[] = {
        {NODE_SOCKET_PUNCH, config->punch_port, "punch-port="},
        {NODE_SOCKET_RELAY, config->relay_port, "relay-port="},
        {NODE_SOCKET_TUNNEL, config->tunnel_port, "tunnel-port="},
        {NODE_SOCKET_STUN, config->stun_port, "stun-port="},
        {NODE_SOCKET_STUN_ALTERNATE, config->stun_port != 0 ? config->stun_alternate_port : 0,
         "stun-alternate-port="},
    };
    for (uint32_t i = 0; i < config->listen_count; i++) {
        for (size_t s = 0; s < sizeof sockets / sizeof sockets[0]; s++) {
            if (sockets[s].port != 0 && !listen_on(daemon, sockets[s].number, &config->listen[i],
                                                   sockets[s].port, sockets[s].option, error))
                return false;
        }
    }
    return true;
}

static uint16_t traffic_port(const struct daemon *daemon)
{
    for (unsigned i = 0; i < UDP_ENDPOINTS_MAX; i++) {
        const struct udp_endpoint *endpoint = &daemon->udp.endpoints[i];
        if (endpoint->fd >= 0 && endpoint->socket == NODE_SOCKET_TRAFFIC)
            return endpoint->bound.port;
    }
    return 0;
}

/* One port on all addresses: that which the system gave for the first may be taken on another. */
static bool listen_client(struct daemon *daemon, struct start_error *error)
{
    const struct config *config = &daemon->config;
    unsigned tries = config->traffic_port == 0 && config->listen_count > 1 ? TRAFFIC_TRIES : 1;
    for (unsigned n = 0; n < tries; n++) {
        uint16_t port = config->traffic_port;
        bool done = true;
        for (uint32_t i = 0; done && i < config->listen_count; i++) {
            done = listen_on(daemon, NODE_SOCKET_TRAFFIC, &config->listen[i], port,
                             "traffic-port=", error);
            port = traffic_port(daemon);
        }
        if (done)
            return true;
        udp_close(&daemon->udp);
    }
    return false;
}

bool start_sockets(struct daemon *daemon, struct start_error *error)
{
    return daemon->config.server ? listen_server(daemon, error) : listen_client(daemon, error);
}

/* ---- A server's card ------------------------------------------------------------------------- */

static bool is_everywhere(const struct addr *addr)
{
    static const uint8_t zero[16];
    return memcmp(addr->ip, zero, sizeof zero) == 0;
}

/* The addresses of this machine that we listen on, the best first. */
static uint32_t own_addresses(struct daemon *daemon, struct addr addresses[static NODE_ADDRESSES])
{
    const struct config *config = &daemon->config;
    struct addr own[NODE_ADDRESSES];
    uint32_t own_count = 0;
    uint32_t count = 0;
    if (!netlink_addresses(&daemon->netlink, daemon->tun_index, own, &own_count))
        log_event(LOG_LEVEL_WARN, "addresses-unknown", log_text("error", strerror(errno)));
    for (uint32_t i = 0; i < own_count; i++) {
        bool heard = false;
        for (uint32_t j = 0; j < config->listen_count; j++)
            heard =
                heard || addr_equal_ip(&config->listen[j], &own[i]) ||
                (is_everywhere(&config->listen[j]) && config->listen[j].family == own[i].family);
        if (heard)
            addresses[count++] = own[i];
    }
    /* What the list leaves out, such as the loopback, may be listened on nevertheless. */
    for (uint32_t j = 0; j < config->listen_count && count < NODE_ADDRESSES; j++) {
        bool there = is_everywhere(&config->listen[j]);
        for (uint32_t i = 0; i < count; i++)
            there = there || addr_equal_ip(&addresses[i], &config->listen[j]);
        if (!there)
            addresses[count++] = config->listen[j];
    }
    return count;
}

static void add_endpoint(struct server_record *record, struct addr addr, uint16_t port,
                         enum endpoint_role role)
{
    check(record->endpoint_count < SERVER_ENDPOINTS_MAX);
    if (port != 0)
        record->endpoints[record->endpoint_count++] =
            (struct endpoint){.addr = addr_with_port(addr, port), .role = (uint8_t)role};
}

bool start_card(struct daemon *daemon, struct start_error *error)
{
    const struct config *config = &daemon->config;
    const struct keyfile_identity *own = &daemon->papers.identity.identity;
    struct addr addresses[NODE_ADDRESSES];
    uint32_t count = config->advertise_count;
    memcpy(addresses, config->advertise, sizeof addresses);
    if (count == 0)
        count = own_addresses(daemon, addresses);
    if (count == 0)
        return fail(error, "this machine has no address that clients could reach: name one with "
                           "advertise=");
    static struct keyfile card;
    card = (struct keyfile){.kind = KEYFILE_CARD};
    card.card.certificate = daemon->papers.paper.certificate.certificate;
    card.card.certificate_data = daemon->papers.paper.certificate.data;
    struct server_record *record = &card.card.record;
    record->version = (uint64_t)time(NULL) << VERSION_SHIFT;
    record->region = config->region;
    memcpy(record->owner, own->identity, IDENTITY_SIZE);
    for (uint32_t i = 0; i < count && i < CARD_ADDRESSES; i++) {
        add_endpoint(record, addresses[i], config->tunnel_port, ENDPOINT_TUNNEL);
        add_endpoint(record, addresses[i], config->punch_port, ENDPOINT_PUNCH);
        add_endpoint(record, addresses[i], config->relay_port, ENDPOINT_RELAY);
        add_endpoint(record, addresses[i], config->stun_port, ENDPOINT_STUN);
        if (config->stun_port != 0)
            add_endpoint(record, addresses[i], config->stun_alternate_port,
                         ENDPOINT_STUN_ALTERNATE);
    }
    server_record_sort(record);
    if (!server_record_sign(record, &crypto_real, own->seed))
        return fail(error, "the addresses of advertise= make no record that others would take");
    struct keyfile_data *data = &card.card.record_data;
    data->size = (uint32_t)server_record_encode(record, data->bytes, sizeof data->bytes);
    check(data->size > 0);
    char path[START_PATH_SIZE];
    start_state_path(daemon, "card", path);
    struct keyfile_error cause;
    if (!keyfile_write(&card, path, &cause))
        return fail(error, "%s", cause.text);
    log_event(LOG_LEVEL_INFO, "card", log_text("file", path), log_addr("address", &addresses[0]));
    return true;
}

/* ---- What the node has to know --------------------------------------------------------------- */

void start_tell_clock(struct daemon *daemon)
{
    struct timespec now;
    int failed = clock_gettime(CLOCK_REALTIME, &now);
    check(failed == 0);
    struct node_in in = {.kind = NODE_IN_WALL_CLOCK};
    in.wall_clock.now_s = now.tv_sec > 0 ? (uint64_t)now.tv_sec : 0;
    udp_feed(&daemon->udp, &in);
}

static bool is_same_network(const struct node_in_network *a, const struct node_in_network *b)
{
    bool same = a->count == b->count && a->traffic_port == b->traffic_port;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = addr_equal(&a->addresses[i], &b->addresses[i]);
    return same;
}

void start_tell_network(struct daemon *daemon, bool always)
{
    struct node_in in = {.kind = NODE_IN_NETWORK};
    in.network.count = own_addresses(daemon, in.network.addresses);
    in.network.traffic_port = traffic_port(daemon);
    if (daemon->config.server || (!always && is_same_network(&in.network, &daemon->network)))
        return;
    daemon->network = in.network;
    log_event(LOG_LEVEL_INFO, "network", log_number("addresses", in.network.count),
              log_addr("first", &in.network.addresses[0]),
              log_number("port", in.network.traffic_port));
    udp_feed(&daemon->udp, &in);
}

bool start_tell_peer(struct daemon *daemon, const struct config_peer *peer, bool remove,
                     struct start_error *error)
{
    struct node_in in = {.kind = NODE_IN_PEER, .peer = peer->in};
    struct keyfile_error cause;
    in.peer.remove = remove;
    if (!remove && peer->psk[0] != 0 && !keyfile_read_psk(in.peer.psk, peer->psk, &cause))
        return fail(error, "%s:%u: %s", daemon->config_path, peer->line, cause.text);
    udp_feed(&daemon->udp, &in);
    sodium_memzero(in.peer.psk, sizeof in.peer.psk);
    return true;
}

static void tell_identity(struct daemon *daemon)
{
    const struct papers *papers = &daemon->papers;
    struct node_in in = {.kind = NODE_IN_IDENTITY};
    memcpy(in.identity.seed, papers->identity.identity.seed, sizeof in.identity.seed);
    memcpy(in.identity.tunnel_key, papers->identity.identity.tunnel_key,
           sizeof in.identity.tunnel_key);
    memcpy(in.identity.root, daemon->config.root, sizeof in.identity.root);
    const struct keyfile_data *certificate = &papers->paper.certificate.data;
    if (!daemon->config.server) {
        certificate = &papers->paper.credential.certificate;
        in.identity.credential = papers->paper.credential.data.bytes;
        in.identity.credential_size = papers->paper.credential.data.size;
    }
    in.identity.certificate = certificate->bytes;
    in.identity.certificate_size = certificate->size;
    udp_feed(&daemon->udp, &in);
    sodium_memzero(&in.identity, sizeof in.identity);
}

static void tell_server(struct daemon *daemon, const struct keyfile_card *card)
{
    struct node_in in = {.kind = NODE_IN_SERVER};
    in.server.certificate = card->certificate_data.bytes;
    in.server.certificate_size = card->certificate_data.size;
    in.server.record = card->record_data.bytes;
    in.server.record_size = card->record_data.size;
    udp_feed(&daemon->udp, &in);
}

static void tell_services(struct daemon *daemon)
{
    const struct config *config = &daemon->config;
    struct node_in in = {.kind = NODE_IN_SERVE_STUN};
    struct node_in_serve_stun *stun = &in.serve_stun;
    struct addr addresses[NODE_ADDRESSES];
    uint32_t count = config->stun_port != 0 ? own_addresses(daemon, addresses) : 0;
    for (uint32_t i = 0; i < count && stun->count < NODE_STUN_ADDRESSES; i++) {
        uint32_t same_family = 0;
        for (uint32_t j = 0; j < stun->count; j++)
            same_family += stun->addresses[j].family == addresses[i].family;
        if (same_family < NODE_STUN_ADDRESSES / 2)
            stun->addresses[stun->count++] = addresses[i];
    }
    stun->port = config->stun_port;
    stun->alternate_port = config->stun_alternate_port;
    if (stun->count > 0)
        udp_feed(&daemon->udp, &in);
    in = (struct node_in){.kind = NODE_IN_SERVE_MESH};
    in.serve_mesh.punch_port = config->punch_port;
    in.serve_mesh.relay_port = config->relay_port;
    udp_feed(&daemon->udp, &in);
}

bool start_inputs(struct daemon *daemon, struct start_error *error)
{
    const struct config *config = &daemon->config;
    start_tell_clock(daemon);
    tell_identity(daemon);
    if (node_count(daemon->drive.node, TRACE_IDENTITY_REFUSED) > 0)
        return fail(error, "%s is not believed: it is not signed by root=, or not valid now",
                    config->server ? config->certificate : config->credential);
    for (uint32_t i = 0; i < config->server_count; i++) {
        uint64_t refused = node_count(daemon->drive.node, TRACE_IDENTITY_REFUSED);
        tell_server(daemon, &daemon->papers.cards[i].card);
        if (node_count(daemon->drive.node, TRACE_IDENTITY_REFUSED) > refused)
            log_event(LOG_LEVEL_WARN, "card-refused", log_text("server", config->servers[i].name),
                      log_text("file", config->servers[i].card));
    }
    if (config->server)
        tell_services(daemon);
    else
        start_tell_network(daemon, true);
    for (uint32_t i = 0; i < config->peer_count; i++) {
        if (!start_tell_peer(daemon, &config->peers[i], false, error))
            return false;
    }
    start_routes(daemon);
    return true;
}
