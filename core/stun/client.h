/*
 * STUN client transactions over UDP (RFC 8489, sections 6.2.1 and 6.3): a request is sent again on
 * a schedule, the RFC's or its owner's, until a response with its transaction id comes, a hard ICMP
 * error ends it, or the schedule is over.
 */
#ifndef WARREN_STUN_CLIENT_H
#define WARREN_STUN_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/context.h"
#include "core/base/map.h"
#include "core/base/pool.h"
#include "core/stun/message.h"

/*
 * RFC 8489, section 6.2.1: "SHOULD be ... 500 ms or more", Rc "default of 7", Rm "default of 16".
 */
#define STUN_RTO_NS UINT64_C(500000000)
enum { STUN_RC = 7, STUN_RM = 16 };

/*
 * Our Binding requests are padded to what the fullest answer to them takes, so that a server never
 * sends more than it got: the header and four addresses (MAPPED, XOR-MAPPED, RESPONSE-ORIGIN,
 * OTHER) of the family.
 */
enum {
    STUN_REQUEST_SIZE_V4 = STUN_HEADER_SIZE + 4 * 12,
    STUN_REQUEST_SIZE_V6 = STUN_HEADER_SIZE + 4 * 24,
};

/*
 * When a request is sent. Waits double from one transmission to the next, up to the longest; all of
 * them are above 0, but for the delay. With a count of 0 it is the RFC's schedule, and the waits
 * say nothing.
 */
struct stun_schedule {
    uint64_t delay_ns;   /* before the first transmission; 0: it is made at once */
    uint64_t first_ns;   /* from the first transmission to the second */
    uint64_t longest_ns; /* the most between two */
    uint64_t last_ns;    /* from the last one until the request is given up */
    uint32_t count;      /* transmissions */
};

struct stun_request {
    uint32_t socket;
    struct addr source;  /* our address that it leaves from; none: as the route says */
    struct addr server;  /* where it goes */
    struct addr answers; /* where the answer must come from; a success from elsewhere is dropped */
    bool change_ip;      /* CHANGE-REQUEST (RFC 5780, section 7.2) */
    bool change_port;
    uint32_t echo; /* socket where the request itself may come in: it goes to ourselves; 0: none */
    uint32_t tag;  /* the owner's, given back with the outcome */
    bool series;   /* a success ends nothing: it goes on to the end and counts its answers */
    struct stun_schedule schedule;
};

enum stun_result {
    STUN_RESULT_NONE = 0, /* nothing has ended */
    STUN_RESULT_SUCCESS,  /* of a series: it is over, and there were answers */
    STUN_RESULT_ERROR,    /* an error response; outcome.code */
    STUN_RESULT_TIMEOUT,  /* the schedule is over */
    STUN_RESULT_ICMP,     /* a hard ICMP error (section 6.2.1) */
    STUN_RESULT_ECHO,     /* our own request came back: something hairpinned it */
};

/* How a transaction ended. It is over and forgotten when its owner reads this. */
struct stun_outcome {
    enum stun_result result;
    uint32_t tag;
    uint32_t socket;    /* that it arrived on */
    uint16_t code;      /* STUN_RESULT_ERROR */
    uint32_t answers;   /* of a series: at most one for each transmission */
    uint64_t took_ns;   /* from the first transmission; an upper bound of the round trip */
    struct addr local;  /* our address that it arrived at; none on a timeout */
    struct addr remote; /* where it came from */
    struct addr mapped; /* STUN_RESULT_SUCCESS but of a series: where the server saw us */
    struct addr other;  /* likewise: OTHER-ADDRESS, or none */
};

struct stun_client {
    struct pool transactions;
    struct map by_id;  /* transaction id -> slot in the pool */
    uint64_t sent;     /* datagrams, over all transactions ever */
    uint64_t received; /* responses and echoes that counted for a transaction */
};

size_t stun_client_bytes(uint32_t transactions);
void stun_client_init(struct stun_client *client, void *memory, uint32_t transactions,
                      struct hash_key hash_key);

/*
 * Begins a Binding request, and sends it unless its schedule has a delay. False when there is no
 * room for another transaction.
 */
bool stun_client_request(struct stun_client *client, const struct context *cx,
                         const struct stun_request *request);
/* Forgets the transactions of a socket that have this tag. */
void stun_client_cancel(struct stun_client *client, const struct context *cx, uint32_t socket,
                        uint32_t tag);
/* Forgets every transaction of a socket that is about to be closed. */
void stun_client_forget(struct stun_client *client, const struct context *cx, uint32_t socket);

/* A STUN message arrived; it was decoded without error. */
struct stun_outcome stun_client_message(struct stun_client *client, const struct context *cx,
                                        const struct node_in_datagram *datagram,
                                        const struct stun_message *message);
/* An ICMP error that may quote one of our requests. Ends at most one transaction. */
struct stun_outcome stun_client_icmp(struct stun_client *client, const struct context *cx,
                                     const struct node_in_icmp *icmp);
/* The timer of a transaction fired. */
struct stun_outcome stun_client_timer(struct stun_client *client, const struct context *cx,
                                      struct handle owner);

#endif
