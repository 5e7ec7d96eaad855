/* Answers to what the operator's tool asks. */
#include "daemon/answer.h"

#include <string.h>

#include <sodium.h>

#include "core/base/check.h"
#include "daemon/log.h"
#include "daemon/loop.h"
#include "daemon/status.h"
#include "daemon/text.h"
#include "daemon/version.h"

static const char *peer_name(void *host, const struct node_peer *peer)
{
    return loop_peer_name(host, peer->peer, peer->key);
}

static const char *server_name(void *host, const struct addr *addr)
{
    return loop_server_name(host, addr);
}

static struct status_view view_of(struct daemon *daemon)
{
    check(daemon->drive.node != NULL);
    struct status_view view = {
        .node = daemon->drive.node,
        .now_ns = udp_now_ns(),
        .start_ns = daemon->start_ns,
        .server = daemon->config.server,
        .name = daemon->name,
        .interface = daemon->tun_index != 0 ? daemon->tun.name : NULL,
        .addresses = daemon->addresses,
        .address_count = daemon->address_count,
        .mtu = daemon->config.mtu,
        .home = daemon->home,
        .behaviour = daemon->behaviour_known ? &daemon->behaviour : NULL,
        .peer_name = peer_name,
        .server_name = server_name,
        .host = daemon,
    };
    const struct keyfile_identity *own = &daemon->papers.identity.identity;
    memcpy(view.identity, own->identity, sizeof view.identity);
    memcpy(view.key, own->tunnel_public, sizeof view.key);
    return view;
}

static json_t *json_udp(const struct udp_counts *counts)
{
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "receives",
        (json_int_t)counts->receives, "received", (json_int_t)counts->received, "received_bytes",
        (json_int_t)counts->received_bytes, "truncated", (json_int_t)counts->truncated, "sends",
        (json_int_t)counts->sends, "sent", (json_int_t)counts->sent, "sent_bytes",
        (json_int_t)counts->sent_bytes, "split", (json_int_t)counts->split, "refused",
        (json_int_t)counts->refused, "full", (json_int_t)counts->full, "too_big",
        (json_int_t)counts->too_big, "no_address", (json_int_t)counts->no_address, "unreachable",
        (json_int_t)counts->unreachable, "icmp", (json_int_t)counts->icmp);
}

static json_t *json_tun(const struct daemon *daemon)
{
    const struct tun_counts *counts = &daemon->tun.counts;
    if (daemon->config.interface[0] == 0)
        return json_null();
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "reads",
                     (json_int_t)counts->reads, "received", (json_int_t)counts->received,
                     "received_bytes", (json_int_t)counts->received_bytes, "refused",
                     (json_int_t)counts->refused, "too_big", (json_int_t)counts->too_big, "writes",
                     (json_int_t)counts->writes, "sent", (json_int_t)counts->sent, "sent_bytes",
                     (json_int_t)counts->sent_bytes, "unwritten", (json_int_t)counts->unwritten,
                     "deaths", (json_int_t)daemon->tun_deaths);
}

json_t *answer_status(struct daemon *daemon)
{
    struct status_view view = view_of(daemon);
    json_t *status = status_json(&view);
    json_t *counters = json_object_get(status, "counters");
    json_object_set_new(counters, "udp", json_udp(&daemon->udp.counts));
    json_object_set_new(counters, "tun", json_tun(daemon));
    json_object_set_new(counters, "control",
                        json_pack("{s:I}", "refused", (json_int_t)daemon->control.refused));
    json_object_set_new(
        counters, "log",
        json_pack("{s:I, s:I}", "lines", (json_int_t)log_next(), "lost", (json_int_t)log_lost()));
    return status;
}

json_t *answer_home(struct daemon *daemon)
{
    struct status_view view = view_of(daemon);
    return status_home_json(&view);
}

/* Whether a person means this peer by its name, its identity or its key. */
static bool is_meant(const struct daemon *daemon, const struct node_peer *peer, const char *wanted)
{
    char text[TEXT_KEY_SIZE];
    const char *name = loop_peer_name(daemon, peer->peer, peer->key);
    return (name != NULL && strcmp(name, wanted) == 0) ||
           strcmp(text_key(text, peer->peer), wanted) == 0 ||
           strcmp(text_key(text, peer->key), wanted) == 0;
}

static void answer_peer(struct daemon *daemon, struct control_ticket ticket, const json_t *request)
{
    const char *wanted = json_string_value(json_object_get(request, "peer"));
    struct status_view view = view_of(daemon);
    struct node_peer peer;
    uint32_t cursor = 0;
    if (wanted == NULL) {
        control_refuse(&daemon->control, ticket,
                       "peer-status needs a peer, as in {\"command\": \"peer-status\", "
                       "\"peer\": \"bob\"}");
        return;
    }
    while (node_peers(daemon->drive.node, &cursor, &peer)) {
        if (is_meant(daemon, &peer, wanted)) {
            control_reply(&daemon->control, ticket,
                          json_pack("{s:b, s:o}", "ok", 1, "peer", status_peer_json(&view, &peer)));
            return;
        }
    }
    control_refuse(&daemon->control, ticket, "there is no such peer: 'warren status' lists them");
}

static void answer_log(struct daemon *daemon, struct control_ticket ticket, const json_t *request)
{
    const json_t *after = json_object_get(request, "after");
    uint64_t number = log_first();
    if (json_is_integer(after) && json_integer_value(after) >= 0 &&
        (uint64_t)json_integer_value(after) > number)
        number = (uint64_t)json_integer_value(after);
    json_t *lines = json_array();
    for (; number < log_next(); number++) {
        const char *line = log_line(number);
        if (line != NULL)
            json_array_append_new(lines, json_string(line));
    }
    control_reply(
        &daemon->control, ticket,
        json_pack("{s:b, s:o, s:I}", "ok", 1, "lines", lines, "next", (json_int_t)log_next()));
}

void answer_request(void *host, struct control_ticket ticket, const char *command,
                    const json_t *request)
{
    struct daemon *daemon = host;
    if (strcmp(command, "status") == 0)
        control_reply(&daemon->control, ticket, answer_status(daemon));
    else if (strcmp(command, "peer-status") == 0)
        answer_peer(daemon, ticket, request);
    else if (strcmp(command, "netcheck") == 0)
        netcheck_begin(daemon, ticket);
    else if (strcmp(command, "log") == 0)
        answer_log(daemon, ticket, request);
    else if (strcmp(command, "version") == 0)
        control_reply(&daemon->control, ticket,
                      json_pack("{s:b, s:s}", "ok", 1, "version", WARREN_VERSION));
    else
        control_refuse(&daemon->control, ticket,
                       "there is no such command, only status, peer-status, netcheck, log and "
                       "version");
}
