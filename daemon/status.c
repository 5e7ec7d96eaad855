/* What the daemon says of itself, as JSON. */
#include "daemon/status.h"

#include <string.h>

#include <sodium.h>

#include "core/base/check.h"
#include "daemon/text.h"
#include "daemon/version.h"

#define SECOND_NS UINT64_C(1000000000)

enum { COUNTER_NAME = 64 };

static json_t *json_addr(const struct addr *addr)
{
    char text[TEXT_ADDR_SIZE];
    return addr->family == ADDR_NONE ? json_null() : json_string(text_addr(text, addr));
}

static json_t *json_key(const uint8_t key[static 32])
{
    char text[TEXT_KEY_SIZE];
    return sodium_is_zero(key, 32) ? json_null() : json_string(text_key(text, key));
}

static json_t *json_text(const char *text)
{
    return text != NULL && text[0] != 0 ? json_string(text) : json_null();
}

static json_t *json_count(uint64_t count)
{
    /* JSON's numbers end there; nothing that is counted gets so far. */
    return json_integer(count > INT64_MAX ? INT64_MAX : (json_int_t)count);
}

static json_t *json_subnets(const struct subnet *subnets, uint32_t count)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < count; i++) {
        char text[TEXT_ADDR_SIZE];
        json_array_append_new(list, json_string(text_subnet(text, &subnets[i])));
    }
    return list;
}

/* Of the interface: the address itself, with the size of its network. */
static json_t *json_own_addresses(const struct status_view *view)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < view->address_count; i++) {
        /* Written like a subnet that keeps all its bits. */
        struct subnet own = {.addr = view->addresses[i].addr, .bits = view->addresses[i].bits};
        char text[TEXT_ADDR_SIZE];
        json_array_append_new(list, json_string(text_subnet(text, &own)));
    }
    return list;
}

/* Milliseconds with three decimals: no more is measured. */
static json_t *json_ms(uint64_t ns)
{
    uint64_t us = ns / 1000;
    return ns == 0 ? json_null() : json_real((double)us / 1000.0);
}

/* ---- A discovery ----------------------------------------------------------------------------- */

/* The word for a value of one of the enums of core/stun/behaviour.h. */
static const char *word_of(const char *const *words, size_t count, uint8_t value)
{
    check(count > 0);
    return value < count ? words[value] : words[0];
}
#define WORD(words, value) json_string(word_of(words, sizeof(words) / sizeof(words)[0], value))

static const char *const nat_words[] = {"unknown", "blocked", "none", "present"};
static const char *const mapping_words[] = {"unknown", "EIM", "ADM", "APDM", "dependent"};
static const char *const filtering_words[] = {"unknown", "EIF", "ADF", "APDF"};
static const char *const hairpin_words[] = {"unknown", "off", "internal", "external"};
static const char *const ports_words[] = {"unknown", "preserved", "sequential", "random"};
static const char *const pooling_words[] = {"unknown", "paired", "arbitrary"};
static const char *const trap_words[] = {"unknown", "no", "yes"};
static const char *const path_words[] = {"pending", "relayed", "direct", "unreachable"};

json_t *status_behaviour_json(const struct stun_behaviour *behaviour)
{
    json_t *object = json_object();
    json_object_set_new(object, "server", json_addr(&behaviour->server));
    json_object_set_new(object, "local", json_addr(&behaviour->local));
    json_object_set_new(object, "mapped", json_addr(&behaviour->mapped));
    json_object_set_new(object, "nat", WORD(nat_words, behaviour->nat));
    json_object_set_new(object, "mapping", WORD(mapping_words, behaviour->mapping));
    json_object_set_new(object, "filtering", WORD(filtering_words, behaviour->filtering));
    json_object_set_new(object, "hairpin", WORD(hairpin_words, behaviour->hairpin));
    json_object_set_new(object, "ports", WORD(ports_words, behaviour->ports));
    bool steps = behaviour->ports == STUN_PORTS_SEQUENTIAL;
    json_object_set_new(object, "step", steps ? json_integer(behaviour->step) : json_null());
    json_object_set_new(object, "pooling", WORD(pooling_words, behaviour->pooling));
    json_object_set_new(object, "trap", WORD(trap_words, behaviour->trap));
    json_object_set_new(object, "sent", json_count(behaviour->sent));
    json_object_set_new(object, "received", json_count(behaviour->received));
    json_object_set_new(object, "duration_ns", json_count(behaviour->duration_ns));
    return object;
}

/* ---- Peers ----------------------------------------------------------------------------------- */

json_t *status_peer_json(const struct status_view *view, const struct node_peer *peer)
{
    bool mesh = !sodium_is_zero(peer->peer, sizeof peer->peer);
    const char *via = NULL;
    if (peer->path == NODE_PATH_RELAYED && view->server_name != NULL)
        via = view->server_name(view->host, &peer->remote);
    uint64_t handshake_s = 0;
    if (peer->handshake_ns != 0 && view->now_ns > peer->handshake_ns)
        handshake_s = (view->now_ns - peer->handshake_ns) / SECOND_NS;
    const char *reason = mesh ? reason_name((enum reason)peer->reason) : NULL;

    json_t *object = json_object();
    json_object_set_new(object, "peer", json_key(peer->peer));
    json_object_set_new(object, "name",
                        json_text(view->peer_name ? view->peer_name(view->host, peer) : NULL));
    json_object_set_new(object, "kind", json_string(mesh ? "mesh" : "wireguard"));
    json_object_set_new(object, "key", json_key(peer->key));
    json_object_set_new(object, "hub", json_boolean(peer->hub));
    json_object_set_new(object, "addresses", json_subnets(peer->subnets, peer->subnet_count));
    json_object_set_new(object, "path", WORD(path_words, peer->path));
    json_object_set_new(object, "reason", json_text(reason));
    json_object_set_new(object, "endpoint", json_addr(&peer->remote));
    json_object_set_new(object, "via", json_text(via));
    json_object_set_new(object, "session", json_boolean(peer->session));
    json_object_set_new(object, "rtt_ms", json_ms(peer->rtt_ns));
    json_object_set_new(object, "last_handshake_s",
                        peer->handshake_ns == 0 ? json_null() : json_count(handshake_s));
    json_object_set_new(object, "sent_direct", json_count(peer->sent_direct));
    json_object_set_new(object, "sent_relayed", json_count(peer->sent_relayed));
    json_object_set_new(object, "received_direct", json_count(peer->received_direct));
    json_object_set_new(object, "received_relayed", json_count(peer->received_relayed));
    return object;
}

static json_t *json_peers(const struct status_view *view)
{
    json_t *list = json_array();
    struct node_peer peer;
    uint32_t cursor = 0;
    while (node_peers(view->node, &cursor, &peer))
        json_array_append_new(list, status_peer_json(view, &peer));
    return list;
}

/* ---- The whole ------------------------------------------------------------------------------- */

static const char *const count_names[] = {
#define TRACE(name, text) #name,
#include "core/base/trace.def"
#undef TRACE
};
_Static_assert(sizeof count_names / sizeof count_names[0] == TRACE_KINDS, "each has a name");

static json_t *json_node_counts(const struct node *node)
{
    json_t *object = json_object();
    for (unsigned kind = 0; kind < TRACE_KINDS; kind++) {
        uint64_t count = node_count(node, (enum trace_kind)kind);
        char name[COUNTER_NAME];
        size_t size = strlen(count_names[kind]);
        check(size < sizeof name);
        for (size_t i = 0; i <= size; i++) {
            char c = count_names[kind][i];
            name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
        }
        if (count > 0)
            json_object_set_new(object, name, json_count(count));
    }
    return object;
}

json_t *status_home_json(const struct status_view *view)
{
    if (view->home.server.family == ADDR_NONE)
        return json_null();
    const char *name = NULL;
    if (view->server_name != NULL)
        name = view->server_name(view->host, &view->home.server);
    json_t *home = json_object();
    json_object_set_new(home, "server", json_addr(&view->home.server));
    json_object_set_new(home, "name", json_text(name));
    return home;
}

json_t *status_json(const struct status_view *view)
{
    check(view->node != NULL);
    check(view->now_ns >= view->start_ns);
    json_t *status = json_object();
    json_object_set_new(status, "ok", json_true());
    json_object_set_new(status, "schema", json_integer(STATUS_SCHEMA));
    json_object_set_new(status, "version", json_string(WARREN_VERSION));
    json_object_set_new(status, "role", json_string(view->server ? "server" : "client"));
    json_object_set_new(status, "name", json_text(view->name));
    json_object_set_new(status, "identity", json_key(view->identity));
    json_object_set_new(status, "key", json_key(view->key));
    json_object_set_new(status, "interface", json_text(view->interface));
    json_object_set_new(status, "addresses", json_own_addresses(view));
    json_object_set_new(status, "mtu", json_count(view->mtu));
    json_object_set_new(status, "uptime_s",
                        json_count((view->now_ns - view->start_ns) / SECOND_NS));
    json_object_set_new(status, "home", status_home_json(view));
    json_object_set_new(status, "mapped", json_addr(&view->home.mapped));
    json_object_set_new(status, "nat",
                        view->behaviour ? status_behaviour_json(view->behaviour) : json_null());
    json_object_set_new(status, "peers", json_peers(view));
    json_t *counters = json_object();
    json_object_set_new(counters, "node", json_node_counts(view->node));
    json_object_set_new(status, "counters", counters);
    return status;
}
