/*
 * The table of sessions and what each one holds: its indices, key sets and timer.
 * Part of core/frame/seal.h: its .c files alone include this.
 */
#ifndef WARREN_FRAME_SESSION_H
#define WARREN_FRAME_SESSION_H

#include "core/frame/seal.h"

size_t session_table_bytes(uint32_t sessions);
/* Memory is zeroed and aligned to POOL_ALIGN. */
void session_table_init(struct seal *seal, void *memory, uint32_t sessions,
                        struct hash_key hash_key);

/*
 * Makes a session with a key that has none. A full table forgets one that we did not open and that
 * has been silent; when it finds none, NULL.
 */
struct seal_session *session_new(struct seal *seal, const struct context *cx,
                                 const uint8_t key[static FRAME_KEY_SIZE],
                                 const uint8_t secret[static CRYPTO_X25519_SIZE],
                                 struct seal_route route);
/* Wipes it and gives it back. */
void session_end(struct seal *seal, const struct context *cx, struct seal_session *session);
/* From now on it is ours: in the list of sessions that we opened. */
void session_own(struct seal *seal, struct seal_session *session);
/* The first session that we opened, or the next; NULL at the end. */
struct seal_session *session_first(struct seal *seal);
struct seal_session *session_next(struct seal *seal, const struct seal_session *session);

/* Draws an index for another key set of the session, distinct from those in use. */
uint32_t session_draw_index(const struct context *cx, const struct seal_session *session);
/* The session that an index may lead to; whether the index is one of its own is not checked. */
struct seal_session *session_by_index(struct seal *seal, uint32_t index);

/* How long after its last transmission a HELLO is sent again. */
uint64_t session_hello_wait_ns(const struct seal_session *session);
/* Sets the timer to what comes next: a HELLO, new keys, or the end of the previous ones. */
void session_schedule(const struct context *cx, struct seal_session *session);

/*
 * Makes room for a new current key set. The old one is kept for receiving, unless nothing has come
 * under it: the peer then still sends under the one before.
 */
void session_retire(const struct context *cx, struct seal_session *session);
/* A frame opened under the current keys: nothing is sent under the previous ones any more. */
void session_confirm(const struct context *cx, struct seal_session *session);

/* In core/frame/seal.c: a HELLO with a new nonce takes the place of the one under way. */
void hello_say(struct seal *seal, const struct context *cx, struct seal_session *session);
/* Transmits the HELLO under way, the same bytes each time but for mac2, and sets the timer. */
void hello_transmit(struct seal *seal, const struct context *cx, struct seal_session *session);

static inline struct trace_record record_of(const struct seal_route *route, uint64_t number)
{
    return (struct trace_record){
        .socket = route->socket, .remote = route->remote, .number = number};
}

static inline struct node_out_send send_to(const struct seal_route *route)
{
    return (struct node_out_send){
        .socket = route->socket, .source = route->source, .remote = route->remote};
}

#endif
