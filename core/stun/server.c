/* STUN server: Binding requests over UDP, with behaviour discovery. */
#include "core/stun/server.h"

#include "core/base/check.h"
#include "core/stun/integrity.h"

size_t stun_server_bytes(uint32_t sources)
{
    return budget_bytes(sources);
}

void stun_server_init(struct stun_server *server, void *memory, uint32_t sources,
                      struct hash_key hash_key)
{
    static const struct budget_rate rate = {
        .burst = STUN_BUDGET_BURST,
        .token_ns = UINT64_C(1000000000) / STUN_BUDGET_PER_SECOND,
        .bits_v4 = STUN_BUDGET_BITS_V4,
        .bits_v6 = STUN_BUDGET_BITS_V6,
    };
    *server = (struct stun_server){.serving.count = 0};
    budget_init(&server->sources, memory, sources, rate, hash_key);
}

void stun_server_serve(struct stun_server *server, const struct node_in_serve_stun *serve)
{
    check(serve->count <= NODE_STUN_ADDRESSES);
    check(serve->count == 0 || serve->port != 0);
    server->serving = *serve;
}

/*
 * The other served address of the same family; none without one, or when `local` itself is not
 * served.
 */
static struct addr alternate_of(const struct node_in_serve_stun *serving, const struct addr *local)
{
    bool served = false;
    struct addr other = {0};
    for (uint32_t i = 0; i < serving->count; i++) {
        const struct addr *candidate = &serving->addresses[i];
        if (addr_equal_ip(candidate, local))
            served = true;
        else if (candidate->family == local->family)
            other = *candidate;
    }
    return served ? other : (struct addr){0};
}

bool stun_server_source(const struct node_in_serve_stun *serving, const struct addr *local,
                        bool change_ip, bool change_port, struct stun_answer_source *source)
{
    struct addr other = alternate_of(serving, local);
    bool on_primary = local->port == serving->port;
    uint16_t other_port = on_primary ? serving->alternate_port : serving->port;
    bool paired = other.family != ADDR_NONE && other_port != 0;
    /* Section 6.1: without a second address and port there is nothing to change to. */
    if ((change_ip || change_port) && !paired)
        return false;

    source->source = change_ip ? addr_with_port(other, local->port) : *local;
    if (change_port)
        source->source.port = other_port;
    source->other = paired ? addr_with_port(other, other_port) : (struct addr){0};
    source->socket =
        source->source.port == serving->port ? NODE_SOCKET_STUN : NODE_SOCKET_STUN_ALTERNATE;
    return true;
}

/* Takes one token of the prefix that `remote` is in; false when there is none. */
static bool source_may(struct stun_server *server, const struct context *cx,
                       const struct addr *remote)
{
    struct addr forgot;
    bool may = budget_take(&server->sources, cx->now_ns, remote, &forgot);
    if (forgot.family != ADDR_NONE)
        context_trace(cx, TRACE_STUN_SOURCES_FULL, (struct trace_record){.remote = forgot});
    return may;
}

/* What is wrong with a request, as the code of an error response; 0 when nothing is. */
static uint16_t request_fault(const struct stun_message *message)
{
    if (message->method != STUN_METHOD_BINDING)
        return STUN_CODE_BAD_REQUEST;
    /* RFC 5780, section 7.6: padding a response to another port would be an amplifier. */
    if (stun_has(message, STUN_HAS_PADDING) && stun_has(message, STUN_HAS_RESPONSE_PORT))
        return STUN_CODE_BAD_REQUEST;
    if (message->unknown_count > 0)
        return STUN_CODE_UNKNOWN_ATTRIBUTE;
    return 0;
}

static size_t write_error(uint8_t *room, size_t capacity, const struct stun_message *message,
                          uint16_t code)
{
    struct stun_writer w =
        stun_begin(room, capacity, STUN_ERROR, message->method, message->transaction);
    stun_put_error_code(&w, code, NULL, 0);
    if (code == STUN_CODE_UNKNOWN_ATTRIBUTE) {
        static const uint16_t change_request = STUN_ATTRIBUTE_CHANGE_REQUEST;
        uint16_t listed =
            message->unknown_count < STUN_UNKNOWN_MAX ? message->unknown_count : STUN_UNKNOWN_MAX;
        if (listed > 0)
            stun_put_unknown_attributes(&w, message->unknown, listed);
        else
            stun_put_unknown_attributes(&w, &change_request, 1);
    }
    if (stun_has(message, STUN_HAS_FINGERPRINT))
        stun_put_fingerprint(&w);
    return stun_end(&w);
}

/*
 * RFC 5780, section 6.1: both mapped addresses, RESPONSE-ORIGIN, and OTHER-ADDRESS where there is
 * one. Section 7.6 lets PADDING be echoed at the size of the MTU; ours reaches at most the size of
 * the request, lest it amplify.
 */
static size_t write_success(uint8_t *room, size_t capacity, const struct node_in_datagram *datagram,
                            const struct stun_message *message,
                            const struct stun_answer_source *from)
{
    struct stun_writer w =
        stun_begin(room, capacity, STUN_SUCCESS, STUN_METHOD_BINDING, message->transaction);
    stun_put_xor_mapped_address(&w, &datagram->remote);
    stun_put_mapped_address(&w, &datagram->remote);
    stun_put_response_origin(&w, &from->source);
    if (from->other.family != ADDR_NONE)
        stun_put_other_address(&w, &from->other);
    size_t used = w.out.index + STUN_ATTRIBUTE_HEADER_SIZE;
    if (stun_has(message, STUN_HAS_FINGERPRINT))
        used += STUN_ATTRIBUTE_HEADER_SIZE + STUN_FINGERPRINT_SIZE;
    if (stun_has(message, STUN_HAS_PADDING) && used < datagram->size)
        stun_put_padding(&w, (datagram->size - used) / 4 * 4);
    if (stun_has(message, STUN_HAS_FINGERPRINT))
        stun_put_fingerprint(&w);
    return stun_end(&w);
}

/*
 * False: 420. RFC 5780, section 6.1: without an alternate, CHANGE-REQUEST is an attribute that is
 * not understood, whatever its flags.
 */
static bool answer_source(const struct stun_server *server, const struct node_in_datagram *datagram,
                          const struct stun_message *message, struct stun_answer_source *from)
{
    if (!stun_server_source(&server->serving, &datagram->local, message->change_ip,
                            message->change_port, from))
        return false;
    return !stun_has(message, STUN_HAS_CHANGE_REQUEST) || from->other.family != ADDR_NONE;
}

void stun_server_message(struct stun_server *server, const struct context *cx,
                         const struct node_in_datagram *datagram,
                         const struct stun_message *message)
{
    check(message->class == STUN_REQUEST);
    struct trace_record record = {.socket = datagram->socket, .remote = datagram->remote};
    /* RFC 8489, section 6.3: a method that is not supported is passed over in silence. */
    if (message->method != STUN_METHOD_BINDING) {
        record.number = message->class;
        context_trace(cx, TRACE_STUN_UNEXPECTED, record);
        return;
    }

    struct stun_answer_source from = {.socket = datagram->socket, .source = datagram->local};
    uint16_t fault = request_fault(message);
    if (fault == 0 && !answer_source(server, datagram, message, &from))
        fault = STUN_CODE_UNKNOWN_ATTRIBUTE;
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    size_t size = fault == 0 ? write_success(room, capacity, datagram, message, &from)
                             : write_error(room, capacity, message, fault);

    /* An answer to another port than the request's was not asked for by whoever listens there. */
    bool elsewhere = fault == 0 && stun_has(message, STUN_HAS_RESPONSE_PORT);
    if ((size > datagram->size || elsewhere) && !source_may(server, cx, &datagram->remote)) {
        context_trace(cx, TRACE_STUN_OVER_BUDGET, record);
        return;
    }
    struct node_out_send send = {
        .socket = from.socket,
        .source = from.source,
        .remote =
            elsewhere ? addr_with_port(datagram->remote, message->response_port) : datagram->remote,
    };
    if (!context_send(cx, size, send))
        return;
    record.other = from.source;
    record.number = fault;
    context_trace(cx, fault == 0 ? TRACE_STUN_SERVED : TRACE_STUN_REFUSED, record);
}
