/* The daemon's configuration: one row for each key, and the rules between keys. */
#include "daemon/config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "daemon/config_key.h"
#include "daemon/inifile.h"
#include "daemon/text.h"
#include "host/word.h"

#define OF_CONFIG(member) offsetof(struct config, member), sizeof(((struct config *)NULL)->member)
#define OF_SERVER(member) \
    offsetof(struct config_server, member), sizeof(((struct config_server *)NULL)->member)
#define OF_PEER(member) \
    offsetof(struct config_peer, member), sizeof(((struct config_peer *)NULL)->member)

/* What a key may stand for; of [peer], mesh and stock peers take the place of client and server. */
enum { CLIENT = 1, SERVER = 2, MESH = CLIENT, STOCK = SERVER };

static const struct config_key warren_keys[] = {
    {"role", CONFIG_KEY_ROLE, 0, OF_CONFIG(server), .low = 0, .high = 0},
    {"root", CONFIG_KEY_KEY, 0, OF_CONFIG(root), 0, 0},
    {"identity", CONFIG_KEY_FILE, 0, OF_CONFIG(identity), 0, 0},
    {"certificate", CONFIG_KEY_FILE, SERVER, OF_CONFIG(certificate), 0, 0},
    {"credential", CONFIG_KEY_FILE, CLIENT, OF_CONFIG(credential), 0, 0},
    {"interface", CONFIG_KEY_INTERFACE, 0, OF_CONFIG(interface), 0, 0},
    {"address", CONFIG_KEY_PREFIXES, SERVER, OF_CONFIG(addresses), 0, 0},
    {"mtu", CONFIG_KEY_NUMBER, 0, OF_CONFIG(mtu), 576, NODE_PACKET_MAX},
    {"listen", CONFIG_KEY_LISTEN, 0, OF_CONFIG(listen), 0, 0},
    {"advertise", CONFIG_KEY_ADVERTISE, SERVER, OF_CONFIG(advertise), 0, 0},
    {"region", CONFIG_KEY_LABEL, SERVER, OF_CONFIG(region), 0, 0},
    {"tunnel-port", CONFIG_KEY_PORT, SERVER, OF_CONFIG(tunnel_port), 1, UINT16_MAX},
    {"punch-port", CONFIG_KEY_PORT, SERVER, OF_CONFIG(punch_port), 1, UINT16_MAX},
    {"relay-port", CONFIG_KEY_PORT, SERVER, OF_CONFIG(relay_port), 1, UINT16_MAX},
    {"stun-port", CONFIG_KEY_PORT, SERVER, OF_CONFIG(stun_port), 0, UINT16_MAX},
    {"stun-alternate-port", CONFIG_KEY_PORT, SERVER, OF_CONFIG(stun_alternate_port), 0, UINT16_MAX},
    {"traffic-port", CONFIG_KEY_PORT, CLIENT, OF_CONFIG(traffic_port), 0, UINT16_MAX},
    {"control", CONFIG_KEY_FILE, 0, OF_CONFIG(control), 0, 0},
    {"state-dir", CONFIG_KEY_FILE, 0, OF_CONFIG(state_dir), 0, 0},
    {"user", CONFIG_KEY_USER, 0, OF_CONFIG(user), 0, 0},
    {"group", CONFIG_KEY_USER, 0, OF_CONFIG(group), 0, 0},
    {"log-level", CONFIG_KEY_LEVEL, 0, OF_CONFIG(log_level), 0, 0},
    {"log-format", CONFIG_KEY_FORMAT, 0, OF_CONFIG(log_json), 0, 0},
    {"log-file", CONFIG_KEY_FILE, 0, OF_CONFIG(log_file), 0, 0},
    {"tape", CONFIG_KEY_FILE, 0, OF_CONFIG(tape), 0, 0},
    {"ring-tape", CONFIG_KEY_NUMBER, 0, OF_CONFIG(ring_tape_mib), 0, 1024},
    {"tape-packets", CONFIG_KEY_YES_NO, 0, OF_CONFIG(tape_packets), 0, 0},
};

static const struct config_key server_keys[] = {
    {"card", CONFIG_KEY_FILE, 0, OF_SERVER(card), 0, 0},
};

static const struct config_key peer_keys[] = {
    {"identity", CONFIG_KEY_KEY, MESH, OF_PEER(in.peer), 0, 0},
    {"key", CONFIG_KEY_KEY, 0, OF_PEER(in.key), 0, 0},
    {"subnets", CONFIG_KEY_SUBNETS, 0, OF_PEER(in.subnets), 0, 0},
    {"psk", CONFIG_KEY_FILE, 0, OF_PEER(psk), 0, 0},
    {"endpoint", CONFIG_KEY_ENDPOINT, STOCK, OF_PEER(in.endpoint), 0, 0},
    {"keepalive", CONFIG_KEY_SECONDS, STOCK, OF_PEER(in.keepalive_s), 0, UINT16_MAX},
    {"hub", CONFIG_KEY_YES_NO, STOCK, OF_PEER(in.hub), 0, 0},
};

enum { KEYS_MAX = 32 };
_Static_assert(sizeof warren_keys / sizeof *warren_keys <= KEYS_MAX, "their lines are kept");

/* A kind of section, and what a key in it may be. */
struct section {
    const char *name;
    const struct config_key *keys;
    uint32_t key_count;
    bool titled;
};

enum section_kind { SECTION_NONE, SECTION_WARREN, SECTION_SERVER, SECTION_PEER, SECTION_COUNT };

static const struct section sections[SECTION_COUNT] = {
    [SECTION_WARREN] = {"warren", warren_keys, sizeof warren_keys / sizeof *warren_keys, false},
    [SECTION_SERVER] = {"server", server_keys, sizeof server_keys / sizeof *server_keys, true},
    [SECTION_PEER] = {"peer", peer_keys, sizeof peer_keys / sizeof *peer_keys, true},
};

struct reader {
    struct config *config;
    struct config_errors *errors;
    enum section_kind section; /* SECTION_NONE: before the first, or in one that was refused */
    bool between;              /* before the first */
    bool role_known;           /* what else is right depends on it */
    uint32_t section_line;
    uint32_t warren_line;           /* 0: there is none yet */
    uint32_t warren_seen[KEYS_MAX]; /* the lines of its keys; 0: not there */
    uint32_t seen[KEYS_MAX];        /* likewise of the section that is being read */
    uint32_t server_room;
    uint32_t peer_room;
};

/* ---- Errors ---------------------------------------------------------------------------------- */

/* In the order of lines; those about the file as a whole come last. */
__attribute__((format(printf, 3, 4))) static void refuse(struct reader *reader, uint32_t line,
                                                         const char *format, ...)
{
    struct config_errors *errors = reader->errors;
    struct config_error error = {.line = line};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.text, sizeof error.text, format, arguments);
    va_end(arguments);
    uint32_t kept = errors->count++;
    if (kept >= CONFIG_ERRORS_MAX)
        return;
    while (kept > 0 && line > 0 &&
           (errors->list[kept - 1].line > line || errors->list[kept - 1].line == 0)) {
        errors->list[kept] = errors->list[kept - 1];
        kept--;
    }
    errors->list[kept] = error;
}

void config_print_errors(const struct config_errors *errors, FILE *to)
{
    for (uint32_t i = 0; i < errors->count && i < CONFIG_ERRORS_MAX; i++) {
        const struct config_error *error = &errors->list[i];
        if (error->line > 0)
            fprintf(to, "%s:%" PRIu32 ": %s\n", errors->file, error->line, error->text);
        else
            fprintf(to, "%s: %s\n", errors->file, error->text);
    }
    if (errors->count > CONFIG_ERRORS_MAX)
        fprintf(to, "%s: %" PRIu32 " more mistakes like these\n", errors->file,
                errors->count - CONFIG_ERRORS_MAX);
}

/* ---- Lines ----------------------------------------------------------------------------------- */

/* What stands where a name should, unless it is rather a secret that came there by mistake. */
static bool is_word(const char *text)
{
    const size_t size = strlen(text);
    return size > 0 && size <= 24 &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == size;
}

/* The struct that the section's keys fill in. */
static void *target(const struct reader *reader)
{
    struct config *config = reader->config;
    switch (reader->section) {
    case SECTION_WARREN:
        return config;
    case SECTION_SERVER:
        return &config->servers[config->server_count - 1];
    case SECTION_PEER:
        return &config->peers[config->peer_count - 1];
    case SECTION_NONE:
    case SECTION_COUNT:
        break;
    }
    return NULL;
}

static void refuse_key(struct reader *reader, uint32_t line, const char *name)
{
    const struct section *section = &sections[reader->section];
    if (!is_word(name)) {
        refuse(reader, line, "not a key of [%s]; a line is NAME = VALUE", section->name);
        return;
    }
    struct word_search search = {.wrong = name};
    for (uint32_t i = 0; i < section->key_count; i++)
        word_consider(&search, section->keys[i].name);
    const char *meant = word_meant(&search);
    for (unsigned i = SECTION_WARREN; i < SECTION_COUNT; i++)
        for (uint32_t k = 0; k < sections[i].key_count; k++)
            if (i != (unsigned)reader->section && strcmp(sections[i].keys[k].name, name) == 0) {
                refuse(reader, line, "%s= is no key of [%s]; it belongs to [%s%s]", name,
                       section->name, sections[i].name, sections[i].titled ? " \"NAME\"" : "");
                return;
            }
    if (meant != NULL)
        refuse(reader, line, "[%s] has no %s=; did you mean %s=?", section->name, name, meant);
    else
        refuse(reader, line, "[%s] has no %s=; warrend.conf(5) lists the keys", section->name,
               name);
}

static void take_value(struct reader *reader, const struct inifile_event *event)
{
    if (reader->section == SECTION_NONE) {
        if (reader->between)
            refuse(reader, event->line, "a value before the first section; begin with [warren]");
        return;
    }
    const struct section *section = &sections[reader->section];
    uint32_t i = 0;
    while (i < section->key_count && strcmp(section->keys[i].name, event->name) != 0)
        i++;
    if (i == section->key_count) {
        refuse_key(reader, event->line, event->name);
        return;
    }
    const struct config_key *key = &section->keys[i];
    if (reader->seen[i] != 0 && !config_key_repeats(key)) {
        refuse(reader, event->line, "%s= is there twice; the first is in line %" PRIu32, key->name,
               reader->seen[i]);
        return;
    }
    reader->seen[i] = event->line;
    char what[CONFIG_WHAT_SIZE];
    const bool good = config_key_set(key, target(reader), event->value, reader->errors->file, what);
    if (!good)
        refuse(reader, event->line, "%s= %s", key->name, what);
    else if (key->kind == CONFIG_KEY_ROLE)
        reader->role_known = true;
}

/* ---- Sections -------------------------------------------------------------------------------- */

static uint32_t line_of(const uint32_t *seen, const struct config_key *keys, const char *name)
{
    uint32_t i = 0;
    while (strcmp(keys[i].name, name) != 0)
        i++;
    check(i < KEYS_MAX);
    return seen[i];
}

static void check_peer(struct reader *reader, const struct config_peer *peer)
{
    const bool mesh = line_of(reader->seen, peer_keys, "identity") != 0;
    for (uint32_t i = 0; i < sizeof peer_keys / sizeof *peer_keys; i++)
        if (mesh && peer_keys[i].roles == STOCK && reader->seen[i] != 0)
            refuse(reader, reader->seen[i],
                   "%s= is for stock WireGuard peers, and one with identity= is of the mesh",
                   peer_keys[i].name);
    if (mesh)
        return;
    if (line_of(reader->seen, peer_keys, "key") == 0)
        refuse(reader, peer->line,
               "this peer has neither identity= (of the mesh) nor key= (stock WireGuard)");
    if (line_of(reader->seen, peer_keys, "subnets") == 0)
        refuse(reader, peer->line,
               "subnets= is missing: a stock peer's addresses, such as 10.64.0.3/32");
}

/* What can be said of a section once its last line was read. */
static void end_section(struct reader *reader)
{
    if (reader->section == SECTION_WARREN)
        memcpy(reader->warren_seen, reader->seen, sizeof reader->seen);
    if (reader->section == SECTION_SERVER && reader->seen[0] == 0)
        refuse(reader, reader->section_line,
               "card= is missing: the server's card, which it writes to its state-dir");
    if (reader->section == SECTION_PEER)
        check_peer(reader, &reader->config->peers[reader->config->peer_count - 1]);
    memset(reader->seen, 0, sizeof reader->seen);
    reader->section = SECTION_NONE;
}

/* Room for one more; NULL when there are too many. */
static void *grow(void *list, uint32_t count, uint32_t *room, uint32_t most, size_t size)
{
    if (count < *room)
        return list;
    if (count >= most)
        return NULL;
    const uint32_t more = *room == 0 ? 8 : 2 * *room;
    void *grown = realloc(list, more * size);
    if (grown != NULL)
        *room = more;
    return grown;
}

static bool add_server(struct reader *reader, const char *name, uint32_t line)
{
    check(name != NULL && strlen(name) < CONFIG_NAME_SIZE);
    struct config *config = reader->config;
    void *list = grow(config->servers, config->server_count, &reader->server_room,
                      CONFIG_SERVERS_MAX, sizeof *config->servers);
    if (list == NULL) {
        refuse(reader, line, "there are more servers than %d", CONFIG_SERVERS_MAX);
        return false;
    }
    config->servers = list;
    struct config_server *server = &config->servers[config->server_count++];
    *server = (struct config_server){.line = line};
    strcpy(server->name, name);
    return true;
}

static bool add_peer(struct reader *reader, const char *name, uint32_t line)
{
    check(name != NULL && strlen(name) < CONFIG_NAME_SIZE);
    struct config *config = reader->config;
    void *list = grow(config->peers, config->peer_count, &reader->peer_room, CONFIG_PEERS_MAX,
                      sizeof *config->peers);
    if (list == NULL) {
        refuse(reader, line, "there are more peers than %d", CONFIG_PEERS_MAX);
        return false;
    }
    config->peers = list;
    struct config_peer *peer = &config->peers[config->peer_count++];
    *peer = (struct config_peer){.line = line};
    strcpy(peer->name, name);
    return true;
}

static void refuse_section(struct reader *reader, uint32_t line, const char *name)
{
    struct word_search search = {.wrong = name};
    for (unsigned i = SECTION_WARREN; i < SECTION_COUNT; i++)
        word_consider(&search, sections[i].name);
    const char *meant = is_word(name) ? word_meant(&search) : NULL;
    const char *quoted = meant != NULL && strcmp(meant, "warren") != 0 ? " \"NAME\"" : "";
    if (meant != NULL)
        refuse(reader, line, "there is no section [%s]; did you mean [%s%s]?", name, meant, quoted);
    else
        refuse(reader, line,
               "no section of this file; there are [warren], [server \"NAME\"] and "
               "[peer \"NAME\"]");
}

static void take_heading(struct reader *reader, const struct inifile_event *event)
{
    end_section(reader);
    reader->between = false;
    enum section_kind kind = SECTION_PEER;
    while (kind > SECTION_NONE && strcmp(sections[kind].name, event->name) != 0)
        kind--;
    const uint32_t line = event->line;
    const char *title = event->value;
    if (kind == SECTION_NONE) {
        refuse_section(reader, line, event->name);
    } else if (sections[kind].titled != (title != NULL)) {
        refuse(reader, line, "the heading must be [%s%s]", sections[kind].name,
               sections[kind].titled ? " \"NAME\"" : "");
    } else if (title != NULL && !label_is_valid(title, strlen(title), IDENTITY_LABEL_MAX)) {
        refuse(reader, line,
               "the name of a %s must be 1 to 63 of a-z, 0-9 and -, not - at either end",
               sections[kind].name);
    } else if (kind == SECTION_WARREN && reader->warren_line != 0) {
        refuse(reader, line, "a second [warren]; the first is in line %" PRIu32,
               reader->warren_line);
    } else if (kind == SECTION_WARREN ||
               (kind == SECTION_SERVER ? add_server : add_peer)(reader, title, line)) {
        reader->section = kind;
        reader->section_line = line;
        if (kind == SECTION_WARREN)
            reader->warren_line = line;
    }
}

static void take_event(void *user, const struct inifile_event *event)
{
    struct reader *reader = user;
    switch (event->kind) {
    case INIFILE_VALUE:
        take_value(reader, event);
        break;
    case INIFILE_HEADING:
        take_heading(reader, event);
        break;
    case INIFILE_BAD_HEADING:
        end_section(reader);
        reader->between = false;
        refuse(reader, event->line,
               "not a heading; there are [warren], [server \"NAME\"] and [peer \"NAME\"]");
        break;
    case INIFILE_NO_VALUE:
        refuse(reader, event->line, "no = in this line; a line is NAME = VALUE");
        break;
    case INIFILE_TOO_LONG:
        refuse(reader, event->line, "the line is too long; at most %d bytes", INIFILE_LINE_MAX);
        break;
    case INIFILE_ZERO_BYTE:
        refuse(reader, event->line, "a zero byte; the file must be text");
        break;
    }
}

/* ---- Rules between keys ---------------------------------------------------------------------- */

static void check_missing(struct reader *reader, const char *name, const char *what)
{
    if (line_of(reader->warren_seen, warren_keys, name) == 0)
        refuse(reader, reader->warren_line, "[warren] needs %s=, %s", name, what);
}

/* Two standing sockets of a server cannot share a port. */
static void check_ports(struct reader *reader)
{
    const struct config *config = reader->config;
    const struct {
        const char *name;
        uint16_t port;
    } ports[] = {
        {"tunnel-port", config->tunnel_port},
        {"punch-port", config->punch_port},
        {"relay-port", config->relay_port},
        {"stun-port", config->stun_port},
        {"stun-alternate-port", config->stun_alternate_port},
    };
    enum { PORTS = sizeof ports / sizeof *ports };
    for (unsigned i = 0; i < PORTS; i++)
        for (unsigned k = 0; k < i; k++) {
            if (ports[i].port == 0 || ports[i].port != ports[k].port)
                continue;
            const uint32_t a = line_of(reader->warren_seen, warren_keys, ports[i].name);
            const uint32_t b = line_of(reader->warren_seen, warren_keys, ports[k].name);
            refuse(reader, a > b ? a : b, "%s= and %s= are both %u; each needs a port of its own",
                   ports[k].name, ports[i].name, (unsigned)ports[i].port);
        }
}

static void check_warren(struct reader *reader)
{
    const struct config *config = reader->config;
    if (reader->warren_line == 0) {
        refuse(reader, 0, "there is no [warren] section, which says what this node is");
        return;
    }
    check_missing(reader, "role", "client or server");
    check_missing(reader, "root", "the mesh's root key: what `warren root` printed");
    check_missing(reader, "identity", "the file that `warren keygen` made");
    if (!reader->role_known)
        return;
    for (uint32_t i = 0; i < sizeof warren_keys / sizeof *warren_keys; i++) {
        const unsigned roles = warren_keys[i].roles;
        if (reader->warren_seen[i] != 0 && roles != 0 &&
            roles != (config->server ? SERVER : CLIENT))
            refuse(reader, reader->warren_seen[i], "%s= is for role=%s, and this is a %s",
                   warren_keys[i].name, config->server ? "client" : "server",
                   config->server ? "server" : "client");
    }
    if (config->server) {
        check_missing(reader, "certificate", "the file that `warren certify` made");
        check_ports(reader);
        if (config->stun_alternate_port != 0 && config->stun_port == 0)
            refuse(reader, line_of(reader->warren_seen, warren_keys, "stun-port"),
                   "stun-port=0 serves no STUN, and then stun-alternate-port= must be 0 too");
    } else {
        check_missing(reader, "credential", "the file that `warren enroll` made");
        if (config->server_count == 0)
            refuse(reader, 0,
                   "there is no [server \"NAME\"] section; a client needs one server's card at "
                   "least");
    }
}

/* What must not be there twice. */
struct twin {
    const char *what; /* NULL: nothing to tell apart */
    const char *name;
    uint32_t line;
    uint32_t size;
    const uint8_t *bytes;
};

static int compare_twins(const void *a, const void *b)
{
    const struct twin *one = a, *other = b;
    if (one->size != other->size)
        return one->size < other->size ? -1 : 1;
    const int order = memcmp(one->bytes, other->bytes, one->size);
    if (order != 0 || one->line == other->line)
        return order;
    return one->line < other->line ? -1 : 1;
}

static void check_list(struct reader *reader, struct twin *twins, size_t count)
{
    if (count < 2)
        return;
    qsort(twins, count, sizeof *twins, compare_twins);
    for (size_t i = 1; i < count; i++)
        if (twins[i].line != twins[i - 1].line && twins[i].size == twins[i - 1].size &&
            memcmp(twins[i].bytes, twins[i - 1].bytes, twins[i].size) == 0)
            refuse(reader, twins[i].line, "%s is also that of \"%s\" in line %" PRIu32,
                   twins[i].what, twins[i - 1].name, twins[i - 1].line);
}

enum twin_kind { TWIN_NAME, TWIN_IDENTITY, TWIN_KEY, TWIN_SUBNET, TWIN_KINDS };

/* The values of this kind that a peer has. */
static size_t take_twins(struct twin *to, const struct config_peer *peer, enum twin_kind kind)
{
    static const uint8_t zero[IDENTITY_SIZE];
    struct twin twin = {.name = peer->name, .line = peer->line};
    if (kind == TWIN_NAME) {
        twin.what = "this name";
        twin.bytes = (const uint8_t *)peer->name;
        twin.size = (uint32_t)strlen(peer->name);
    } else if (kind == TWIN_SUBNET) {
        for (uint32_t i = 0; i < peer->in.subnet_count; i++) {
            to[i] = twin;
            to[i].what = "one of these subnets";
            to[i].bytes = (const uint8_t *)&peer->in.subnets[i];
            to[i].size = sizeof peer->in.subnets[i];
        }
        return peer->in.subnet_count;
    } else {
        twin.what = kind == TWIN_KEY ? "this key" : "this identity";
        twin.bytes = kind == TWIN_KEY ? peer->in.key : peer->in.peer;
        twin.size = IDENTITY_SIZE;
        if (memcmp(twin.bytes, zero, sizeof zero) == 0)
            return 0;
    }
    *to = twin;
    return 1;
}

static void check_twins(struct reader *reader)
{
    const struct config *config = reader->config;
    const size_t room = (size_t)config->peer_count * NODE_PEER_SUBNETS + config->server_count + 1;
    struct twin *twins = calloc(room, sizeof *twins);
    if (twins == NULL) {
        refuse(reader, 0, "there is no memory for so many peers");
        return;
    }
    for (uint32_t i = 0; i < config->server_count; i++) {
        const struct config_server *server = &config->servers[i];
        twins[i] = (struct twin){"this name", server->name, server->line,
                                 (uint32_t)strlen(server->name), (const uint8_t *)server->name};
    }
    check_list(reader, twins, config->server_count);
    for (unsigned kind = 0; kind < TWIN_KINDS; kind++) {
        size_t count = 0;
        for (uint32_t i = 0; i < config->peer_count; i++)
            count += take_twins(twins + count, &config->peers[i], (enum twin_kind)kind);
        check(count <= room);
        check_list(reader, twins, count);
    }
    free(twins);
}

/* ---- The whole ------------------------------------------------------------------------------- */

static const struct config defaults = {
    .mtu = 1400,
    .tunnel_port = 51940,
    .punch_port = 51941,
    .relay_port = 9103,
    .stun_port = 3478,
    .stun_alternate_port = 3479,
    .control = "/run/warren/control",
    .state_dir = "/var/lib/warren",
    .group = "warren",
    .log_level = LOG_LEVEL_INFO,
    .ring_tape_mib = 4,
};

/* What other keys say where a key says nothing. */
static void complete(struct reader *reader)
{
    struct config *config = reader->config;
    if (config->listen_count == 0)
        config->listen[config->listen_count++] = addr_v4(0, 0);
    if (config->interface[0] == 0 && (!config->server || config->address_count > 0))
        strcpy(config->interface, "warren0");
    if (config->server && config->advertise_count == 0)
        for (uint32_t i = 0; i < config->listen_count; i++)
            if (addr_is_unicast(&config->listen[i]))
                config->advertise[config->advertise_count++] = config->listen[i];
}

bool config_parse(struct config *config, const char *text, size_t size, const char *path,
                  struct config_errors *errors)
{
    struct reader reader = {.config = config, .errors = errors, .between = true};
    *config = defaults;
    memset(errors, 0, sizeof *errors);
    snprintf(errors->file, sizeof errors->file, "%s", path);
    if (!inifile_parse(text, size, take_event, &reader))
        refuse(&reader, 0, "there is no memory to read it");
    end_section(&reader);
    check_warren(&reader);
    check_twins(&reader);
    complete(&reader);
    if (errors->count > 0)
        config_free(config);
    return errors->count == 0;
}

bool config_load(struct config *config, const char *path, struct config_errors *errors)
{
    size_t size = 0;
    mode_t mode;
    char *text = inifile_read(path, CONFIG_BYTES_MAX, &size, &mode);
    if (text == NULL) {
        const int error = errno;
        memset(config, 0, sizeof *config);
        memset(errors, 0, sizeof *errors);
        struct reader reader = {.errors = errors};
        snprintf(errors->file, sizeof errors->file, "%s", path);
        if (error == EFBIG)
            refuse(&reader, 0, "the file has more than %d bytes", CONFIG_BYTES_MAX);
        else
            refuse(&reader, 0, "%s", error == ENOTSUP ? "not a regular file" : strerror(error));
        return false;
    }
    const bool good = config_parse(config, text, size, path, errors);
    free(text);
    return good;
}

void config_free(struct config *config)
{
    free(config->servers);
    free(config->peers);
    memset(config, 0, sizeof *config);
}
