/* Network events as text. */
#include "scenarios/runner/event_text.h"

#include "core/stun/message.h"
#include "sim/trace_text.h"

/* What a STUN message says, after the line about its packet. */
static void print_stun(FILE *file, const struct packet *packet)
{
    static const char *const classes[] = {"request", "indication", "response", "error"};
    struct stun_message message;
    char text[TRACE_ADDR_SIZE];
    const uint8_t *bytes = packet_data(packet);
    if (packet->protocol != PACKET_UDP || packet->offset != 0 || packet->more_fragments ||
        bytes == NULL || stun_decode(&message, bytes, packet->data) != STUN_OK)
        return;
    fprintf(file, ": STUN %s", classes[message.class & 3]);
    if (stun_has(&message, STUN_HAS_CHANGE_REQUEST) && (message.change_ip || message.change_port))
        fprintf(file, ", change%s%s", message.change_ip ? " address" : "",
                message.change_port ? " port" : "");
    if (stun_has(&message, STUN_HAS_XOR_MAPPED_ADDRESS)) {
        trace_addr(text, &message.xor_mapped_address);
        fprintf(file, ", mapped to %s", text);
    }
    if (stun_has(&message, STUN_HAS_ERROR_CODE))
        fprintf(file, " %u", message.error_code);
}

static bool is_shown(const struct net_event *event, enum run_detail detail)
{
    switch (event->kind) {
    case NET_FORWARDED:
        return detail == RUN_DETAIL_HOPS &&
               event->place != NET_INTERNET; /* the hub translates nothing */
    case NET_SENT:
    case NET_SOCKET:
    case NET_TRACE:
        return detail == RUN_DETAIL_HOPS;
    default:
        return true;
    }
}

void event_print(FILE *file, const struct net *net, const struct net_event *event,
                 enum run_detail detail)
{
    char line[TRACE_LINE_SIZE];
    if (!is_shown(event, detail))
        return;
    trace_text(line, net, event);
    fputs(line, file);
    if (event->packet != NULL)
        print_stun(file, event->packet);
    fputc('\n', file);
}
