/* A home brings clients together: offers to both sides, and the relay between them. */
#include <string.h>

#include "core/base/check.h"
#include "core/punch/home_state.h"

/* A caller that comes again so often, with no server having its callee, hears that none has it. */
enum { SEARCHES_MAX = 4 };
/* Two homes that call each other for the same pair within this time do so at once. */
#define CROSSING_NS UINT64_C(1000000000)

/* Which two clients a call is about. */
struct ends {
    uint8_t key[RELAY_KEY_SIZE];
    unsigned mine; /* the leg of the one that is named first */
};

static struct ends ends_of(const uint8_t *mine, const uint8_t *theirs)
{
    struct ends ends = {.mine = memcmp(mine, theirs, IDENTITY_SIZE) > 0};
    memcpy(ends.key, ends.mine == 0 ? mine : theirs, IDENTITY_SIZE);
    memcpy(ends.key + IDENTITY_SIZE, ends.mine == 0 ? theirs : mine, IDENTITY_SIZE);
    return ends;
}

/* ---- Offers ---------------------------------------------------------------------------------- */

/*
 * What others are told of a client. A public address by its own word could be a victim's, so it
 * counts only where we see the client.
 */
static void tell_party(const struct home_client *client, struct punch_party *party)
{
    const struct addr *observed = &client->route.remote;
    *party = (struct punch_party){
        .introduction = {client->introduction, client->introduction_size},
        .side = client->side,
        .delay_us = client->delay_us,
    };
    memcpy(party->salt, client->salt, sizeof party->salt);
    for (unsigned i = 0; i < client->candidate_count; i++) {
        const struct punch_candidate *candidate = &client->candidates[i];
        if (party->candidate_count < PUNCH_CANDIDATES_MAX - 1 &&
            (addr_is_private(&candidate->addr) || addr_equal_ip(&candidate->addr, observed)))
            party->candidates[party->candidate_count++] = *candidate;
    }
    party->candidates[party->candidate_count++] =
        (struct punch_candidate){.addr = *observed, .kind = PUNCH_CANDIDATE_OBSERVED};
}

/* So much later than `mine_us` is `theirs_us`; never less than nothing. */
static uint32_t later_us(uint64_t theirs_us, uint64_t mine_us)
{
    if (theirs_us <= mine_us)
        return 0;
    uint64_t later = theirs_us - mine_us;
    return later < HOME_OTHER_MAX_US ? (uint32_t)later : HOME_OTHER_MAX_US;
}

/* What an offer says beside the other side itself. */
struct offer {
    bool to_caller;
    uint32_t channel;
    uint32_t other_us;
    const uint8_t *nonce;
};

static void send_offer(const struct home_tools *tools, const struct home_client *to,
                       const struct punch_party *other, struct offer offer)
{
    struct punch_message message = {
        .type = PUNCH_OFFER,
        .flag = offer.to_caller,
        .party = *other,
        .channel = offer.channel,
        .other_us = offer.other_us,
    };
    memcpy(message.nonce, offer.nonce, sizeof message.nonce);
    home_send(tools, to->session, &message);
}

static struct punch_message refusal_of(const uint8_t *callee, const uint8_t *nonce,
                                       enum punch_refusal why)
{
    struct punch_message message = {.type = PUNCH_REFUSED, .flag = (uint8_t)why};
    memcpy(message.identity, callee, sizeof message.identity);
    memcpy(message.nonce, nonce, sizeof message.nonce);
    return message;
}

static void trace_refusal(const struct home_tools *tools, const struct addr *remote,
                          enum punch_refusal why)
{
    context_trace(tools->cx, TRACE_HOME_REFUSED,
                  (struct trace_record){.remote = *remote, .number = why});
}

static enum punch_refusal refusal_by_relay(enum relay_result result)
{
    check(result != RELAY_OK);
    return result == RELAY_TAKEN ? PUNCH_REFUSED_CHANNEL : PUNCH_REFUSED_QUOTA;
}

/* ---- Calls that wait for other servers ------------------------------------------------------- */

static void call_end(struct home *home, struct home_call *call)
{
    bool known = map_remove(&home->by_nonce, call->nonce);
    check(known);
    pool_give(&home->calls, call->self);
}

/* The call that is named so and has not waited for too long; NULL: there is none. */
static struct home_call *call_with(struct home *home, const struct home_tools *tools,
                                   const uint8_t *nonce)
{
    uint32_t slot;
    struct handle handle;
    if (!map_get(&home->by_nonce, nonce, &slot))
        return NULL;
    struct home_call *call = pool_slot(&home->calls, slot, &handle);
    check(call != NULL);
    if (tools->cx->now_ns - call->asked_ns < HOME_WAIT_NS)
        return call;
    call_end(home, call);
    return NULL;
}

void home_calls_forget(struct home *home)
{
    for (uint32_t i = 0; i < home->calls.high_water; i++) {
        struct handle handle;
        struct home_call *call = pool_slot(&home->calls, i, &handle);
        if (call != NULL)
            call_end(home, call);
    }
}

static struct home_call *call_new(struct home *home, const struct home_tools *tools,
                                  const struct home_client *caller, const uint8_t *callee,
                                  const uint8_t *nonce)
{
    struct handle handle;
    struct home_call *call;
    if (home->calls.used == home->calls.capacity) {
        call = pool_slot(&home->calls, home->forget_call_at++ % home->calls.capacity, &handle);
        check(call != NULL);
        call_end(home, call);
    }
    call = pool_take(&home->calls, &handle);
    check(call != NULL);
    call->self = handle;
    call->client = caller->self;
    call->asked_ns = tools->cx->now_ns;
    memcpy(call->callee, callee, sizeof call->callee);
    memcpy(call->nonce, nonce, sizeof call->nonce);
    bool stored = map_set(&home->by_nonce, nonce, handle.index);
    check(stored);
    return call;
}

static uint64_t server_bit(const struct home_server *server)
{
    check(server->self.index < HOME_SERVERS_MAX);
    return UINT64_C(1) << server->self.index;
}

static uint64_t servers_there(struct home *home, const struct home_tools *tools)
{
    uint64_t there = 0;
    for (uint32_t i = 0; i < home->servers.high_water; i++) {
        struct handle handle;
        const struct home_server *server = pool_slot(&home->servers, i, &handle);
        if (server != NULL && home_server_session(tools, server) != NULL)
            there |= server_bit(server);
    }
    return there;
}

/* Asks, or asks again, every server that has not answered yet. */
static void call_ask(struct home *home, const struct home_tools *tools, struct home_call *call,
                     const struct home_client *caller)
{
    struct punch_message message = {.type = PUNCH_INTRODUCE, .channel = call->channel};
    memcpy(message.identity, call->callee, sizeof message.identity);
    memcpy(message.nonce, call->nonce, sizeof message.nonce);
    tell_party(caller, &message.party);
    call->asked_ns = tools->cx->now_ns;
    for (uint32_t i = 0; i < home->servers.high_water; i++) {
        struct handle handle;
        const struct home_server *server = pool_slot(&home->servers, i, &handle);
        if (server != NULL && (call->asked & server_bit(server)) != 0)
            home_send(tools, server->session, &message);
    }
}

/* ---- A client calls -------------------------------------------------------------------------- */

/* A call under way: who called whom, and by which message. */
struct calling {
    struct home_client *caller;
    uint8_t callee[IDENTITY_SIZE];
    uint8_t nonce[PUNCH_NONCE_SIZE];
    uint32_t channel; /* the caller's */
    struct ends ends; /* mine: the caller's */
};

/* The last word on a call, after which its pair may talk no longer. */
static void call_refuse(struct home *home, const struct home_tools *tools,
                        const struct calling *calling, enum punch_refusal why)
{
    struct relay_pair *pair = relay_pair_find(tools->relay, calling->ends.key);
    struct home_call *call = call_with(home, tools, calling->nonce);
    struct punch_message message = refusal_of(calling->callee, calling->nonce, why);
    trace_refusal(tools, &calling->caller->route.remote, why);
    home_send(tools, calling->caller->session, &message);
    if (pair != NULL && memcmp(pair->nonce, calling->nonce, sizeof pair->nonce) == 0)
        relay_pair_end(tools->relay, tools->cx, pair);
    if (call != NULL)
        call_end(home, call);
}

static struct relay_leg leg_to_client(const struct home_client *client, uint32_t channel)
{
    return (struct relay_leg){
        .channel = channel, .owner = client->self.index, .route = client->route};
}

static struct relay_leg leg_to_server(const struct seal_session *session, uint32_t channel)
{
    return (struct relay_leg){.channel = channel, .owner = RELAY_NO_OWNER, .route = session->route};
}

/* Whether a pair's leg already leads to where this one would: its channel can stay. */
static bool leads_there(const struct relay_pair *pair, unsigned side, const struct relay_leg *leg)
{
    const struct relay_leg *mine = &pair->leg[side];
    return mine->channel != 0 && mine->owner == leg->owner &&
           addr_equal(&mine->route.remote, &leg->route.remote);
}

/* Makes the pair of a call, with a channel of our choice on the leg that leads to the callee. */
static enum relay_result pair_up(const struct home_tools *tools, const struct calling *calling,
                                 struct relay_leg theirs, struct relay_pair **pair)
{
    unsigned other = 1 - calling->ends.mine;
    struct relay_leg legs[2] = {{.channel = 0}, {.channel = 0}};
    *pair = relay_pair_find(tools->relay, calling->ends.key);
    legs[calling->ends.mine] = leg_to_client(calling->caller, calling->channel);
    if (*pair == NULL || !leads_there(*pair, other, &theirs)) {
        theirs.channel = relay_channel_draw(tools->relay, tools->cx, &theirs.route.remote);
        legs[other] = theirs;
    }
    enum relay_result result =
        relay_pair_set(tools->relay, tools->cx, calling->ends.key, legs, pair);
    if (result == RELAY_OK)
        memcpy((*pair)->nonce, calling->nonce, sizeof(*pair)->nonce);
    return result;
}

/* Both are ours. */
static void connect_here(struct home *home, const struct home_tools *tools,
                         const struct calling *calling, const struct home_client *callee)
{
    const struct home_client *caller = calling->caller;
    struct relay_pair *pair;
    enum relay_result result = pair_up(tools, calling, leg_to_client(callee, 0), &pair);
    if (result != RELAY_OK) {
        call_refuse(home, tools, calling, refusal_by_relay(result));
        return;
    }
    struct home_call *call = call_with(home, tools, calling->nonce);
    if (call != NULL)
        call_end(home, call);
    struct punch_party party;
    tell_party(caller, &party);
    send_offer(tools, callee, &party,
               (struct offer){.to_caller = false,
                              .channel = pair->leg[1 - calling->ends.mine].channel,
                              .other_us = later_us(caller->delay_us, callee->delay_us),
                              .nonce = calling->nonce});
    tell_party(callee, &party);
    send_offer(tools, caller, &party,
               (struct offer){.to_caller = true,
                              .channel = calling->channel,
                              .other_us = later_us(callee->delay_us, caller->delay_us),
                              .nonce = calling->nonce});
}

/* The callee is at home at `server`: the way there is made at once. */
static void connect_there(struct home *home, const struct home_tools *tools,
                          const struct calling *calling, const struct home_server *server)
{
    struct relay_pair *pair;
    const struct seal_session *session = home_server_session(tools, server);
    check(session != NULL);
    enum relay_result result = pair_up(tools, calling, leg_to_server(session, 0), &pair);
    if (result != RELAY_OK) {
        call_refuse(home, tools, calling, refusal_by_relay(result));
        return;
    }
    struct home_call *call = call_with(home, tools, calling->nonce);
    if (call == NULL)
        call = call_new(home, tools, calling->caller, calling->callee, calling->nonce);
    call->channel = pair->leg[1 - calling->ends.mine].channel;
    call->asked |= server_bit(server);
    call_ask(home, tools, call, calling->caller);
}

/*
 * Nobody has announced the callee, or the announcement was lost: every server but those in `not` is
 * asked, and the way there is made when one has him.
 */
static void connect_anywhere(struct home *home, const struct home_tools *tools,
                             const struct calling *calling, uint64_t not )
{
    struct relay_leg legs[2] = {{.channel = 0}, {.channel = 0}};
    struct relay_pair *pair;
    struct home_call *call = call_with(home, tools, calling->nonce);
    uint64_t there = servers_there(home, tools) & ~not ;
    bool begun = call != NULL && call->asks > 0;
    if (begun ? call->asks == SEARCHES_MAX : there == 0) {
        call_refuse(home, tools, calling, PUNCH_REFUSED_UNKNOWN);
        return;
    }
    /* Everyone is asked by many more bytes than the caller has sent. */
    bool may = home_may(&calling->caller->searches_ns, tools->cx->now_ns, HOME_SEARCHES_BURST,
                        HOME_SEARCH_NS);
    if (!begun && !may) {
        call_refuse(home, tools, calling, PUNCH_REFUSED_QUOTA);
        return;
    }
    if (call == NULL)
        call = call_new(home, tools, calling->caller, calling->callee, calling->nonce);
    legs[calling->ends.mine] = leg_to_client(calling->caller, calling->channel);
    enum relay_result result =
        relay_pair_set(tools->relay, tools->cx, calling->ends.key, legs, &pair);
    if (result != RELAY_OK) {
        call_refuse(home, tools, calling, refusal_by_relay(result));
        return;
    }
    memcpy(pair->nonce, calling->nonce, sizeof pair->nonce);
    if (call->asks++ == 0) {
        call->asked = there;
        call->channel = relay_channel_draw(tools->relay, tools->cx, &(struct addr){0});
    }
    if (may)
        call_ask(home, tools, call, calling->caller);
}

/* The server where the callee is at home, when it is known and there; NULL otherwise. */
static struct home_server *server_of(struct home *home, const struct home_tools *tools,
                                     const uint8_t *callee)
{
    const struct home_location *location = home_location_of(home, tools->cx, callee);
    struct home_server *server =
        location != NULL ? pool_at(&home->servers, location->server) : NULL;
    return server != NULL && home_server_session(tools, server) != NULL ? server : NULL;
}

/* The callee when it is here, and can be reached. */
static struct home_client *callee_here(struct home *home, const uint8_t *identity)
{
    struct home_client *callee = home_client_with(home, identity);
    return callee != NULL && callee->route.remote.family != ADDR_NONE ? callee : NULL;
}

static void connect_best(struct home *home, const struct home_tools *tools,
                         const struct calling *calling)
{
    struct home_client *here = callee_here(home, calling->callee);
    struct home_server *there = server_of(home, tools, calling->callee);
    if (here != NULL && (here->home || there == NULL))
        connect_here(home, tools, calling, here);
    else if (there != NULL)
        connect_there(home, tools, calling, there);
    else
        connect_anywhere(home, tools, calling, 0);
}

/* Why a client may not make this call at all; 0: it may. */
static uint8_t call_fault(struct home *home, const struct home_tools *tools,
                          struct home_client *client, const struct punch_message *message)
{
    const struct home_call *call = call_with(home, tools, message->nonce);
    if (!home_may(&client->calls_ns, tools->cx->now_ns, HOME_CALLS_BURST, HOME_CALL_NS))
        return PUNCH_REFUSED_QUOTA;
    if (memcmp(message->identity, client->member.identity, IDENTITY_SIZE) == 0)
        return PUNCH_REFUSED_RULES;
    /* A nonce that names another call already cannot name this one. */
    if (call != NULL && (pool_at(&home->clients, call->client) != client ||
                         memcmp(call->callee, message->identity, IDENTITY_SIZE) != 0))
        return PUNCH_REFUSED_CHANNEL;
    return 0;
}

void home_connect(struct home *home, const struct home_tools *tools, struct home_client *client,
                  const struct seal_event *event, const struct punch_message *message)
{
    /* Nothing may be forwarded to where it is not proven to be. */
    if (client->route.remote.family == ADDR_NONE)
        return;
    uint8_t fault = call_fault(home, tools, client, message);
    if (fault != 0) {
        struct punch_message refusal = refusal_of(message->identity, message->nonce, fault);
        trace_refusal(tools, &event->route.remote, fault);
        home_answer(tools, client, event, &refusal);
        return;
    }
    const struct home_client *here = callee_here(home, message->identity);
    context_trace(tools->cx, TRACE_HOME_CALL,
                  (struct trace_record){
                      .socket = event->route.socket,
                      .remote = client->route.remote,
                      .other = here != NULL ? here->route.remote : (struct addr){0},
                  });
    struct calling calling = {
        .caller = client,
        .channel = message->channel,
        .ends = ends_of(client->member.identity, message->identity),
    };
    memcpy(calling.callee, message->identity, sizeof calling.callee);
    memcpy(calling.nonce, message->nonce, sizeof calling.nonce);
    connect_best(home, tools, &calling);
}

/* ---- Another server's call ------------------------------------------------------------------- */

/* The caller that another home speaks for, if it may call this callee. */
static bool caller_shown(const struct home_tools *tools, const struct seal_event *event,
                         const struct punch_message *message, struct member *caller)
{
    enum identity_error error =
        self_verify(tools->self, tools->cx->crypto, tools->cx->now_ns,
                    message->party.introduction.bytes, message->party.introduction.size, caller);
    if (error == IDENTITY_OK && caller->server)
        error = IDENTITY_WRONG_KIND;
    if (error != IDENTITY_OK)
        home_disbelieve(tools, event, error);
    return error == IDENTITY_OK && memcmp(caller->identity, message->identity, IDENTITY_SIZE) != 0;
}

static void refuse_server(const struct home_tools *tools, const struct home_server *server,
                          const struct punch_message *message, enum punch_refusal why)
{
    struct punch_message refusal = refusal_of(message->identity, message->nonce, why);
    const struct seal_session *session = seal_at(tools->seal, server->session);
    trace_refusal(tools, &session->route.remote, why);
    home_send(tools, server->session, &refusal);
}

/*
 * Our client has called the other server's at the same time. One of the two calls has to give way,
 * or each home would use the other's channel: it is that of the home with the larger identity. True
 * when it is the other server's.
 */
static bool crossing_wins(struct home *home, const struct home_tools *tools,
                          const struct home_server *server, const struct home_client *callee,
                          const struct ends *ends)
{
    const struct relay_pair *pair = relay_pair_find(tools->relay, ends->key);
    struct home_call *call = pair != NULL ? call_with(home, tools, pair->nonce) : NULL;
    if (call == NULL || pool_at(&home->clients, call->client) != callee ||
        (call->asked & server_bit(server)) == 0)
        return false;
    if (tools->cx->now_ns - call->asked_ns < CROSSING_NS &&
        memcmp(tools->self->identity, server->member.identity, IDENTITY_SIZE) < 0)
        return true;
    call_end(home, call);
    return false;
}

/* The callee as another server may have it: at home here, or nowhere else that we know of. */
static struct home_client *callee_for(struct home *home, const struct home_tools *tools,
                                      const struct home_server *server, const uint8_t *identity)
{
    struct home_client *callee = callee_here(home, identity);
    const struct home_server *there = server_of(home, tools, identity);
    return callee != NULL && (callee->home || there == NULL || there == server) ? callee : NULL;
}

static void introduce_here(const struct home_tools *tools, struct home_server *server,
                           const struct home_client *callee, const struct member *caller,
                           const struct punch_message *message, const struct relay_pair *pair,
                           unsigned theirs)
{
    uint64_t caller_us = (uint64_t)server->delay_us + message->party.delay_us;
    struct punch_message answer = {.type = PUNCH_INTRODUCED};
    send_offer(tools, callee, &message->party,
               (struct offer){.to_caller = false,
                              .channel = pair->leg[theirs].channel,
                              .other_us = later_us(caller_us, callee->delay_us),
                              .nonce = message->nonce});
    tell_party(callee, &answer.party);
    memcpy(answer.identity, caller->identity, sizeof answer.identity);
    memcpy(answer.nonce, message->nonce, sizeof answer.nonce);
    home_send(tools, server->session, &answer);
}

void home_introduce(struct home *home, const struct home_tools *tools, struct home_server *server,
                    const struct seal_event *event, const struct punch_message *message)
{
    struct member caller;
    struct relay_leg legs[2] = {{.channel = 0}, {.channel = 0}};
    struct relay_pair *pair;
    const struct seal_session *session = seal_at(tools->seal, server->session);
    struct home_client *callee = callee_for(home, tools, server, message->identity);
    check(session != NULL);
    if (callee == NULL) {
        refuse_server(tools, server, message, PUNCH_REFUSED_UNKNOWN);
        return;
    }
    if (!caller_shown(tools, event, message, &caller)) {
        refuse_server(tools, server, message, PUNCH_REFUSED_RULES);
        return;
    }
    struct ends ends = ends_of(callee->member.identity, caller.identity);
    if (crossing_wins(home, tools, server, callee, &ends))
        return;
    struct relay_leg mine = leg_to_client(callee, 0);
    pair = relay_pair_find(tools->relay, ends.key);
    if (pair == NULL || !leads_there(pair, ends.mine, &mine)) {
        mine.channel = relay_channel_draw(tools->relay, tools->cx, &mine.route.remote);
        legs[ends.mine] = mine;
    }
    legs[1 - ends.mine] = leg_to_server(session, message->channel);
    enum relay_result result = relay_pair_set(tools->relay, tools->cx, ends.key, legs, &pair);
    if (result != RELAY_OK) {
        refuse_server(tools, server, message, refusal_by_relay(result));
        return;
    }
    memcpy(pair->nonce, message->nonce, sizeof pair->nonce);
    context_trace(tools->cx, TRACE_HOME_CALL,
                  (struct trace_record){.socket = event->route.socket,
                                        .remote = event->route.remote,
                                        .other = callee->route.remote});
    introduce_here(tools, server, callee, &caller, message, pair, ends.mine);
}

/* The call of ours that a server answers, and its caller; false: there is none, or not any more. */
static bool call_answered(struct home *home, const struct home_tools *tools,
                          const struct home_server *server, const uint8_t *nonce,
                          struct calling *calling)
{
    struct home_call *call = call_with(home, tools, nonce);
    if (call == NULL || (call->asked & server_bit(server)) == 0)
        return false;
    struct home_client *caller = pool_at(&home->clients, call->client);
    if (caller == NULL) {
        call_end(home, call);
        return false;
    }
    *calling = (struct calling){
        .caller = caller,
        .ends = ends_of(caller->member.identity, call->callee),
    };
    memcpy(calling->callee, call->callee, sizeof calling->callee);
    memcpy(calling->nonce, call->nonce, sizeof calling->nonce);
    const struct relay_pair *pair = relay_pair_find(tools->relay, calling->ends.key);
    if (pair == NULL || memcmp(pair->nonce, nonce, sizeof pair->nonce) != 0) {
        call_end(home, call);
        return false;
    }
    calling->channel = pair->leg[calling->ends.mine].channel;
    return true;
}

void home_introduced(struct home *home, const struct home_tools *tools, struct home_server *server,
                     const struct seal_event *event, const struct punch_message *message)
{
    struct calling calling;
    struct member callee;
    if (!call_answered(home, tools, server, message->nonce, &calling) ||
        memcmp(calling.caller->member.identity, message->identity, IDENTITY_SIZE) != 0)
        return;
    enum identity_error error =
        self_verify(tools->self, tools->cx->crypto, tools->cx->now_ns,
                    message->party.introduction.bytes, message->party.introduction.size, &callee);
    if (error == IDENTITY_OK && memcmp(callee.identity, calling.callee, IDENTITY_SIZE) != 0)
        error = IDENTITY_WRONG_OWNER;
    if (error != IDENTITY_OK || callee.server) {
        home_disbelieve(tools, event, error != IDENTITY_OK ? error : IDENTITY_WRONG_KIND);
        return;
    }
    struct home_call *call = call_with(home, tools, message->nonce);
    struct relay_leg legs[2] = {{.channel = 0}, {.channel = 0}};
    struct relay_pair *pair;
    legs[1 - calling.ends.mine] =
        leg_to_server(seal_at(tools->seal, server->session), call->channel);
    enum relay_result result =
        relay_pair_set(tools->relay, tools->cx, calling.ends.key, legs, &pair);
    if (result != RELAY_OK) {
        call_refuse(home, tools, &calling, refusal_by_relay(result));
        return;
    }
    if (home_location_of(home, tools->cx, calling.callee) == NULL) {
        /* Its announcement will come, with its version. */
        struct punch_location where = {.version = 0};
        memcpy(where.identity, calling.callee, sizeof where.identity);
        home_location_set(home, tools->cx, &where, server->self);
    }
    uint64_t caller_us = (uint64_t)server->delay_us + calling.caller->delay_us;
    call_end(home, call);
    send_offer(tools, calling.caller, &message->party,
               (struct offer){.to_caller = true,
                              .channel = calling.channel,
                              .other_us = later_us(message->party.delay_us, caller_us),
                              .nonce = message->nonce});
}

void home_refused(struct home *home, const struct home_tools *tools, struct home_server *server,
                  const struct punch_message *message)
{
    struct calling calling;
    if (!call_answered(home, tools, server, message->nonce, &calling))
        return;
    struct home_call *call = call_with(home, tools, message->nonce);
    call->asked &= ~server_bit(server);
    if (message->flag != PUNCH_REFUSED_UNKNOWN) {
        call_refuse(home, tools, &calling, message->flag);
        return;
    }
    struct home_location *location = home_location_of(home, tools->cx, calling.callee);
    if (location != NULL && pool_at(&home->servers, location->server) == server)
        home_location_forget(home, location);
    struct home_client *here = callee_here(home, calling.callee);
    if (here != NULL)
        connect_here(home, tools, &calling, here);
    else if (call->asks == 0)
        connect_anywhere(home, tools, &calling, server_bit(server));
    else if (call->asked == 0)
        call_refuse(home, tools, &calling, PUNCH_REFUSED_UNKNOWN);
}
