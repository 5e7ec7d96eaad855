/* STUN client transactions over UDP. */
#include "core/stun/client.h"

#include <string.h>

#include "core/base/check.h"

struct stun_transaction {
    uint8_t id[STUN_TRANSACTION_SIZE];
    uint32_t transmissions;
    uint32_t sent;       /* transmissions that there was room for */
    uint32_t answers;    /* of a series */
    uint64_t started_ns; /* the first transmission */
    uint64_t wait_ns;    /* what the next transmission is followed by, unless it is the last */
    struct handle self;
    struct handle timer;
    struct stun_request request;
};

size_t stun_client_bytes(uint32_t transactions)
{
    return pool_bytes(transactions, sizeof(struct stun_transaction)) +
           map_bytes(transactions, STUN_TRANSACTION_SIZE);
}

void stun_client_init(struct stun_client *client, void *memory, uint32_t transactions,
                      struct hash_key hash_key)
{
    *client = (struct stun_client){.sent = 0};
    pool_init(&client->transactions, memory, transactions, sizeof(struct stun_transaction));
    uint8_t *map = (uint8_t *)memory + pool_bytes(transactions, sizeof(struct stun_transaction));
    map_init(&client->by_id, map, transactions, STUN_TRANSACTION_SIZE, hash_key);
}

static struct stun_transaction *transaction_by_id(struct stun_client *client, const uint8_t *id)
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&client->by_id, id, &slot))
        return NULL;
    struct stun_transaction *transaction = pool_slot(&client->transactions, slot, &handle);
    check(transaction != NULL);
    return transaction;
}

static void transaction_end(struct stun_client *client, const struct context *cx,
                            struct stun_transaction *transaction)
{
    timer_cancel(cx->timers, &transaction->timer);
    bool known = map_remove(&client->by_id, transaction->id);
    check(known);
    pool_give(&client->transactions, transaction->self);
}

/*
 * What pads a request: SOFTWARE may be skipped by any server, unlike PADDING (RFC 5780, section
 * 7.6).
 */
static void put_filling(struct stun_writer *w, size_t size)
{
    static const char filling[] =
        "Warren; this request is as long as its longest answer, so that no "
        "server sends more than it gets        ";
    size_t used = w->out.index + STUN_ATTRIBUTE_HEADER_SIZE;
    if (w->out.failed)
        return;
    check(used <= size && size - used < sizeof filling);
    stun_put_software(w, filling, size - used);
}

/* Transmits, and sets the timer to the moment of the next transmission or of giving up. */
static void transaction_transmit(struct stun_client *client, const struct context *cx,
                                 struct stun_transaction *transaction)
{
    const struct stun_request *request = &transaction->request;
    size_t capacity;
    uint8_t *room = outbox_room(cx->out, &capacity);
    struct stun_writer w =
        stun_begin(room, capacity, STUN_REQUEST, STUN_METHOD_BINDING, transaction->id);
    if (request->change_ip || request->change_port)
        stun_put_change_request(&w, request->change_ip, request->change_port);
    put_filling(&w,
                request->server.family == ADDR_V6 ? STUN_REQUEST_SIZE_V6 : STUN_REQUEST_SIZE_V4);
    if (transaction->transmissions++ == 0)
        transaction->started_ns = cx->now_ns;
    /* Without room it is as if it were lost on the way: the schedule sends it again. */
    if (context_send(cx, stun_end(&w),
                     (struct node_out_send){.socket = request->socket,
                                            .source = request->source,
                                            .remote = request->server})) {
        client->sent++;
        transaction->sent++;
        context_trace(cx, TRACE_STUN_REQUEST,
                      (struct trace_record){.socket = request->socket,
                                            .remote = request->server,
                                            .number = transaction->transmissions});
    }

    const struct stun_schedule *schedule = &request->schedule;
    check(transaction->transmissions <= schedule->count);
    uint64_t wait_ns = schedule->last_ns;
    if (transaction->transmissions < schedule->count) {
        wait_ns = transaction->wait_ns;
        transaction->wait_ns =
            wait_ns < schedule->longest_ns / 2 ? 2 * wait_ns : schedule->longest_ns;
    }
    timer_set(cx->timers, &transaction->timer, cx->now_ns + wait_ns, TIMER_STUN_TRANSACTION,
              transaction->self);
}

/* Section 6.2.1: the wait doubles, and after the last transmission it is Rm times the RTO. */
static const struct stun_schedule rfc_schedule = {
    .first_ns = STUN_RTO_NS,
    .longest_ns = STUN_RTO_NS << (STUN_RC - 2),
    .last_ns = STUN_RTO_NS * STUN_RM,
    .count = STUN_RC,
};

bool stun_client_request(struct stun_client *client, const struct context *cx,
                         const struct stun_request *request)
{
    struct handle handle;
    struct stun_transaction *transaction = pool_take(&client->transactions, &handle);
    if (transaction == NULL)
        return false;
    transaction->self = handle;
    transaction->request = *request;
    struct stun_schedule *schedule = &transaction->request.schedule;
    if (schedule->count == 0)
        *schedule = rfc_schedule;
    check(schedule->first_ns > 0 && schedule->last_ns > 0);
    check(schedule->first_ns <= schedule->longest_ns);
    transaction->wait_ns = schedule->first_ns;
    random_secret_bytes(cx->secret, transaction->id, sizeof transaction->id);
    check(transaction_by_id(client, transaction->id) == NULL);
    bool stored = map_set(&client->by_id, transaction->id, handle.index);
    check(stored);
    if (schedule->delay_ns == 0)
        transaction_transmit(client, cx, transaction);
    else
        timer_set(cx->timers, &transaction->timer, cx->now_ns + schedule->delay_ns,
                  TIMER_STUN_TRANSACTION, transaction->self);
    return true;
}

void stun_client_cancel(struct stun_client *client, const struct context *cx, uint32_t socket,
                        uint32_t tag)
{
    for (uint32_t i = 0; i < client->transactions.high_water; i++) {
        struct handle handle;
        struct stun_transaction *transaction = pool_slot(&client->transactions, i, &handle);
        if (transaction != NULL && transaction->request.socket == socket &&
            transaction->request.tag == tag)
            transaction_end(client, cx, transaction);
    }
}

void stun_client_forget(struct stun_client *client, const struct context *cx, uint32_t socket)
{
    for (uint32_t i = 0; i < client->transactions.high_water; i++) {
        struct handle handle;
        struct stun_transaction *transaction = pool_slot(&client->transactions, i, &handle);
        if (transaction != NULL && transaction->request.socket == socket)
            transaction_end(client, cx, transaction);
    }
}

/* Fills an outcome of a transaction, which ends. */
static struct stun_outcome outcome_of(struct stun_client *client, const struct context *cx,
                                      struct stun_transaction *transaction, enum stun_result result)
{
    struct stun_outcome outcome = {
        .result = result,
        .tag = transaction->request.tag,
        .socket = transaction->request.socket,
        .remote = transaction->request.server,
        .answers = transaction->answers,
        .took_ns = cx->now_ns - transaction->started_ns,
    };
    check(transaction->transmissions > 0);
    transaction_end(client, cx, transaction);
    return outcome;
}

static struct stun_outcome message_dropped(const struct context *cx, enum trace_kind kind,
                                           const struct node_in_datagram *datagram, uint64_t number,
                                           struct addr other)
{
    context_trace(cx, kind,
                  (struct trace_record){.socket = datagram->socket,
                                        .remote = datagram->remote,
                                        .other = other,
                                        .number = number});
    return (struct stun_outcome){.result = STUN_RESULT_NONE};
}

/*
 * Section 6.3.3: a success response with attributes that must be understood and are not counts as a
 * failure.
 */
static enum stun_result result_of(const struct stun_message *message)
{
    if (message->class == STUN_ERROR || message->unknown_count > 0)
        return STUN_RESULT_ERROR;
    if (!stun_has(message, STUN_HAS_XOR_MAPPED_ADDRESS) &&
        !stun_has(message, STUN_HAS_MAPPED_ADDRESS))
        return STUN_RESULT_ERROR;
    return STUN_RESULT_SUCCESS;
}

static void take_response(struct stun_outcome *outcome, const struct context *cx,
                          const struct stun_message *message)
{
    if (outcome->result == STUN_RESULT_ERROR) {
        outcome->code = message->error_code;
        context_trace(cx, TRACE_STUN_ERROR_RESPONSE,
                      (struct trace_record){.socket = outcome->socket,
                                            .remote = outcome->remote,
                                            .number = outcome->code});
        return;
    }
    /*
     * Middleboxes rewrite addresses that they find in the clear, so the XORed one is believed
     * (section 14.2).
     */
    outcome->mapped = stun_has(message, STUN_HAS_XOR_MAPPED_ADDRESS) ? message->xor_mapped_address
                                                                     : message->mapped_address;
    outcome->other = message->other_address;
    context_trace(cx, TRACE_STUN_RESPONSE,
                  (struct trace_record){.socket = outcome->socket,
                                        .remote = outcome->remote,
                                        .other = outcome->mapped});
}

/*
 * An answer within a series. One more than requests were sent is a copy that the network made: it
 * says nothing about how many requests got through.
 */
static struct stun_outcome take_one_of_series(struct stun_client *client, const struct context *cx,
                                              struct stun_transaction *transaction,
                                              const struct node_in_datagram *datagram,
                                              const struct stun_message *message)
{
    if (transaction->answers == transaction->sent)
        return message_dropped(cx, TRACE_STUN_UNEXPECTED, datagram, message->class,
                               (struct addr){0});
    transaction->answers++;
    client->received++;
    struct stun_outcome answer = {
        .result = STUN_RESULT_SUCCESS, .socket = datagram->socket, .remote = datagram->remote};
    take_response(&answer, cx, message);
    return (struct stun_outcome){.result = STUN_RESULT_NONE};
}

struct stun_outcome stun_client_message(struct stun_client *client, const struct context *cx,
                                        const struct node_in_datagram *datagram,
                                        const struct stun_message *message)
{
    struct stun_transaction *transaction = transaction_by_id(client, message->transaction);
    if (transaction == NULL || transaction->sent == 0 || message->method != STUN_METHOD_BINDING ||
        message->class == STUN_INDICATION)
        return message_dropped(cx, TRACE_STUN_UNEXPECTED, datagram, message->class,
                               (struct addr){0});

    struct stun_outcome outcome;
    if (message->class == STUN_REQUEST) {
        if (datagram->socket != transaction->request.echo)
            return message_dropped(cx, TRACE_STUN_UNEXPECTED, datagram, message->class,
                                   (struct addr){0});
        outcome = outcome_of(client, cx, transaction, STUN_RESULT_ECHO);
    } else {
        if (datagram->socket != transaction->request.socket)
            return message_dropped(cx, TRACE_STUN_UNEXPECTED, datagram, message->class,
                                   (struct addr){0});
        enum stun_result result = result_of(message);
        /*
         * An error response comes from where the request went: a server without an alternate
         * answers for itself.
         */
        const struct addr *expected = message->class == STUN_SUCCESS ? &transaction->request.answers
                                                                     : &transaction->request.server;
        if (!addr_equal(&datagram->remote, expected))
            return message_dropped(cx, TRACE_STUN_WRONG_SOURCE, datagram, 0, *expected);
        if (transaction->request.series && result == STUN_RESULT_SUCCESS)
            return take_one_of_series(client, cx, transaction, datagram, message);
        outcome = outcome_of(client, cx, transaction, result);
    }
    client->received++;
    outcome.socket = datagram->socket;
    outcome.local = datagram->local;
    outcome.remote = datagram->remote;
    if (outcome.result != STUN_RESULT_ECHO)
        take_response(&outcome, cx, message);
    return outcome;
}

/* Section 6.2.1 lets a hard error end a transaction; "too big" and "time exceeded" are not. */
static bool icmp_is_hard(uint8_t error)
{
    return error == NODE_ICMP_UNREACHABLE_NET || error == NODE_ICMP_UNREACHABLE_HOST ||
           error == NODE_ICMP_UNREACHABLE_PORT || error == NODE_ICMP_PROHIBITED;
}

struct stun_outcome stun_client_icmp(struct stun_client *client, const struct context *cx,
                                     const struct node_in_icmp *icmp)
{
    for (uint32_t i = 0; icmp_is_hard(icmp->error) && i < client->transactions.high_water; i++) {
        struct handle handle;
        struct stun_transaction *transaction = pool_slot(&client->transactions, i, &handle);
        if (transaction == NULL || transaction->transmissions == 0 ||
            transaction->request.socket != icmp->socket ||
            !addr_equal(&transaction->request.server, &icmp->remote))
            continue;
        context_trace(cx, TRACE_STUN_ICMP,
                      (struct trace_record){.socket = icmp->socket,
                                            .remote = icmp->remote,
                                            .other = icmp->reporter,
                                            .number = icmp->error});
        return outcome_of(client, cx, transaction, STUN_RESULT_ICMP);
    }
    return (struct stun_outcome){.result = STUN_RESULT_NONE};
}

struct stun_outcome stun_client_timer(struct stun_client *client, const struct context *cx,
                                      struct handle owner)
{
    struct stun_transaction *transaction = pool_at(&client->transactions, owner);
    check(transaction != NULL);
    if (transaction->transmissions < transaction->request.schedule.count) {
        transaction_transmit(client, cx, transaction);
        return (struct stun_outcome){.result = STUN_RESULT_NONE};
    }
    if (transaction->answers > 0)
        return outcome_of(client, cx, transaction, STUN_RESULT_SUCCESS);
    context_trace(cx, TRACE_STUN_TIMEOUT,
                  (struct trace_record){.socket = transaction->request.socket,
                                        .remote = transaction->request.server,
                                        .number = transaction->transmissions});
    return outcome_of(client, cx, transaction, STUN_RESULT_TIMEOUT);
}
