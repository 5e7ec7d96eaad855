/* Events of a simulated network as text. */
#include "sim/trace_text.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"

#define NS_PER_SECOND UINT64_C(1000000000)

struct text {
    char *to;
    size_t size;
    size_t length;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int wrote = vsnprintf(text->to + text->length, text->size - text->length, format, arguments);
    va_end(arguments);
    check(wrote >= 0);
    size_t room = text->size - text->length - 1;
    text->length += (size_t)wrote < room ? (size_t)wrote : room;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952, section 4.2). */
static unsigned zero_run(const uint16_t group[static 8], unsigned *length)
{
    unsigned best = 8;
    *length = 1;
    for (unsigned i = 0; i < 8; i++) {
        unsigned run = 0;
        while (i + run < 8 && group[i + run] == 0)
            run++;
        if (run > *length) {
            best = i;
            *length = run;
        }
    }
    return best;
}

static void add_v6(struct text *text, const struct addr *addr)
{
    uint16_t group[8];
    for (unsigned i = 0; i < 8; i++)
        group[i] = (uint16_t)(addr->ip[(size_t)2 * i] << 8 | addr->ip[(size_t)2 * i + 1]);
    unsigned length;
    unsigned run = zero_run(group, &length);
    for (unsigned i = 0; i < 8; i++) {
        if (i == run) {
            add(text, "::");
            i += length - 1;
            continue;
        }
        add(text, "%s%x", i == 0 || i == run + length ? "" : ":", group[i]);
    }
}

static void add_addr(struct text *text, const struct addr *addr)
{
    if (addr->family == ADDR_V4) {
        add(text, "%u.%u.%u.%u", addr->ip[0], addr->ip[1], addr->ip[2], addr->ip[3]);
    } else if (addr->family == ADDR_V6) {
        add(text, addr->port == 0 ? "" : "[");
        add_v6(text, addr);
        add(text, addr->port == 0 ? "" : "]");
    } else {
        add(text, "-");
        return;
    }
    if (addr->port != 0)
        add(text, ":%u", addr->port);
}

void trace_addr(char to[static TRACE_ADDR_SIZE], const struct addr *addr)
{
    struct text text = {.to = to, .size = TRACE_ADDR_SIZE};
    to[0] = '\0';
    add_addr(&text, addr);
}

static const char *icmp_name(uint8_t icmp)
{
    static const char *const names[] = {
        [PACKET_ICMP_NONE] = "none",
        [PACKET_ICMP_UNREACHABLE_NET] = "unreachable-net",
        [PACKET_ICMP_UNREACHABLE_HOST] = "unreachable-host",
        [PACKET_ICMP_UNREACHABLE_PORT] = "unreachable-port",
        [PACKET_ICMP_PROHIBITED] = "prohibited",
        [PACKET_ICMP_TOO_BIG] = "too-big",
        [PACKET_ICMP_TIME_EXCEEDED] = "time-exceeded",
        [PACKET_ICMP_ECHO_REQUEST] = "echo-request",
        [PACKET_ICMP_ECHO_REPLY] = "echo-reply",
    };
    check(icmp < sizeof names / sizeof names[0]);
    return names[icmp];
}

static void add_packet(struct text *text, const struct packet *packet)
{
    if (packet->protocol == PACKET_ICMP)
        add(text, "icmp %s ", icmp_name(packet->icmp));
    else
        add(text, "%s ", packet->protocol == PACKET_TCP ? "tcp" : "udp");
    add_addr(text, &packet->source);
    add(text, " > ");
    add_addr(text, &packet->destination);
    add(text, ", %" PRIu32 " bytes", packet->data);
    if (packet->offset != 0 || packet->more_fragments)
        add(text, ", fragment %u+%" PRIu32 "%s", packet->offset, packet->length,
            packet->more_fragments ? "" : " last");
}

/* A text of trace.def with the record's fields in place of their names. */
static void add_record(struct text *text, const struct trace_record *record)
{
    static const char *const texts[TRACE_KINDS] = {
#define TRACE(name, words) [TRACE_##name] = (words),
#include "core/base/trace.def"
#undef TRACE
    };
    check(record->kind < TRACE_KINDS);
    const char *at = texts[record->kind];
    while (*at != '\0') {
        if (strncmp(at, "%remote", 7) == 0) {
            add_addr(text, &record->remote);
            at += 7;
        } else if (strncmp(at, "%other", 6) == 0) {
            add_addr(text, &record->other);
            at += 6;
        } else if (strncmp(at, "%socket", 7) == 0) {
            add(text, "%" PRIu32, record->socket);
            at += 7;
        } else if (strncmp(at, "%number", 7) == 0) {
            add(text, "%" PRIu64, record->number);
            at += 7;
        } else {
            add(text, "%c", *at++);
        }
    }
}

static void add_behaviour(struct text *text, const struct stun_behaviour *found)
{
    static const char *const nats[] = {"unknown", "blocked", "none", "present"};
    static const char *const mappings[] = {"unknown", "eim", "adm", "apdm", "dependent"};
    static const char *const filterings[] = {"unknown", "eif", "adf", "apdf"};
    static const char *const hairpins[] = {"unknown", "off", "internal", "external"};
    static const char *const ports[] = {"unknown", "preserved", "sequential", "random"};
    static const char *const poolings[] = {"unknown", "paired", "arbitrary"};
    static const char *const traps[] = {"unknown", "no", "yes"};
    check(found->nat < 4 && found->mapping < 5 && found->filtering < 4 && found->hairpin < 4);
    check(found->ports < 4 && found->pooling < 3 && found->trap < 3);
    add(text,
        "found nat %s, mapping %s, filtering %s, hairpin %s, ports %s step %" PRId32
        ", pooling %s, trap %s",
        nats[found->nat], mappings[found->mapping], filterings[found->filtering],
        hairpins[found->hairpin], ports[found->ports], found->step, poolings[found->pooling],
        traps[found->trap]);
    add(text, ", mapped to ");
    add_addr(text, &found->mapped);
    add(text, ", %" PRIu32 " sent, %" PRIu32 " received", found->sent, found->received);
}

static void add_drop(struct text *text, const struct net *net, const struct net_event *event)
{
    add(text, "dropped (%s", net_drop_name((enum net_drop)event->drop));
    if (event->drop == NET_DROP_NAT)
        add(text, " %s", nat_verdict_name((enum nat_verdict)event->detail));
    if (event->drop == NET_DROP_FIREWALL)
        add(text, " %s", firewall_verdict_name((enum firewall_verdict)event->detail));
    add(text, ") ");
    if (event->link != NET_NONE) {
        char name[NET_LINK_NAME_SIZE];
        net_link_name(net, event->link, name);
        add(text, "on %s ", name);
    }
    add_packet(text, event->packet);
}

/* The first bytes of a key are enough to tell nodes apart in a trace. */
static void add_key(struct text *text, const uint8_t *key)
{
    for (unsigned i = 0; i < 4; i++)
        add(text, "%02x", key[i]);
}

static void add_command(struct text *text, uint64_t kind)
{
    static const char *const names[] = {
        [NODE_IN_SERVE_STUN] = "serve-stun", [NODE_IN_DISCOVER] = "discover",
        [NODE_IN_WALL_CLOCK] = "wall-clock", [NODE_IN_IDENTITY] = "identity",
        [NODE_IN_SERVER] = "server",         [NODE_IN_SERVE_MESH] = "serve-mesh",
        [NODE_IN_NETWORK] = "network",       [NODE_IN_CONNECT] = "connect",
        [NODE_IN_CARRY] = "carry",           [NODE_IN_PEER] = "peer",
        [NODE_IN_PACKET] = "packet",
    };
    if (kind < sizeof names / sizeof *names && names[kind] != NULL)
        add(text, "command %s", names[kind]);
    else
        add(text, "command %" PRIu64, kind);
}

static void add_output(struct text *text, const struct node_out *out)
{
    static const char *const paths[] = {"pending", "relayed", "direct", "unreachable"};
    switch (out->kind) {
    case NODE_OUT_BEHAVIOUR:
        add_behaviour(text, &out->behaviour);
        return;
    case NODE_OUT_HOME:
        add(text, "home ");
        add_addr(text, &out->home.server);
        add(text, ", mapped to ");
        add_addr(text, &out->home.mapped);
        return;
    case NODE_OUT_PATH:
        check(out->path.path < sizeof paths / sizeof *paths);
        add(text, "path to ");
        add_key(text, out->path.peer);
        add(text, " %s", paths[out->path.path]);
        if (out->path.reason != REASON_NONE)
            add(text, " (%s)", reason_name((enum reason)out->path.reason));
        add(text, " by ");
        add_addr(text, &out->path.remote);
        add(text, ", rtt %" PRIu64 " us", out->path.rtt_ns / 1000);
        return;
    case NODE_OUT_DELIVER:
        add(text, "delivered %" PRIu32 " bytes of ", out->deliver.size);
        add_key(text, out->deliver.peer);
        add(text, out->deliver.relayed ? ", relayed" : ", direct");
        return;
    case NODE_OUT_PACKET:
        add(text, "%" PRIu32 " bytes for the tunnel interface", out->packet.size);
        return;
    default:
        add(text, "output %u", (unsigned)out->kind);
        return;
    }
}

size_t trace_text(char to[static TRACE_LINE_SIZE], const struct net *net,
                  const struct net_event *event)
{
    struct text text = {.to = to, .size = TRACE_LINE_SIZE};
    add(&text, "%" PRIu64 ".%09" PRIu64 " %-10s ", event->now_ns / NS_PER_SECOND,
        event->now_ns % NS_PER_SECOND, net_name(net, event->place));
    switch (event->kind) {
    case NET_SENT:
        add(&text, "sent ");
        add_packet(&text, event->packet);
        break;
    case NET_DELIVERED:
        add(&text, "received ");
        add_packet(&text, event->packet);
        break;
    case NET_FORWARDED:
        add(&text, "passed ");
        add_packet(&text, event->packet);
        break;
    case NET_DROPPED:
        add_drop(&text, net, event);
        break;
    case NET_FAULT:
        add(&text, "fault %s", net_fault_name((uint32_t)event->number));
        break;
    case NET_COMMAND:
        add_command(&text, event->number);
        break;
    case NET_OUTPUT:
        add_output(&text, event->output);
        break;
    case NET_TRACE:
        add_record(&text, event->record);
        break;
    case NET_SOCKET:
        add(&text, event->number == 0 ? "closed a socket" : "opened port %" PRIu64, event->number);
        break;
    }
    return text.length;
}
