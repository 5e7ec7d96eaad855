/* What path.c, path_call.c and path_probe.c share. */
#ifndef WARREN_PUNCH_PATH_STATE_H
#define WARREN_PUNCH_PATH_STATE_H

#include "core/punch/path.h"

/* The second probe of an address leaves so long after the first; what follows an answer, too. */
#define PATH_SOON_NS UINT64_C(40000000)

/* ---- path.c: the table, the choice, data ------------------------------------------------------ */

/* The path to a peer, made when there is none; one that is of no use to us makes room. */
struct path *path_make(struct paths *paths, const struct path_tools *t,
                       const uint8_t identity[static IDENTITY_SIZE]);
/* Forgets a path and wipes its keys. */
void path_forget(struct paths *paths, const struct path_tools *t, struct path *path);
/* The path to a peer; made when there is none and `make` says so; NULL: none, or no room. */
struct path *path_of(struct paths *paths, const uint8_t identity[static IDENTITY_SIZE], bool make);
/* Sends bytes through the relay channel, whether or not anything has come from there. */
void path_send_relayed(const struct path_tools *t, const struct path *path, const uint8_t *bytes,
                       size_t size);
/* The index of the remote with this address; PATH_NONE. */
uint8_t path_find_remote(const struct path *path, const struct addr *addr);
/*
 * Adds a remote, or finds it. When the table is full one that is of no use makes room; PATH_NONE
 * when all are.
 */
uint8_t path_add_remote(struct paths *paths, struct path *path, const struct addr *addr,
                        uint8_t kind);
/* Chooses the way for data, tells the host what has changed, and sets the timer. */
void path_settle(const struct path_tools *t, struct path *path);
/* Whether both ends are seen at the same IP address. */
bool path_same_mapped(const struct path_tools *t, const struct path *path);
/* Whether our identity is the smaller one: who does what only one side has to. */
bool path_is_first(const struct path_tools *t, const struct path *path);

/* ---- path_call.c ------------------------------------------------------------------------------ */

/* Calls the peer through our home now, or says the last call again; else tries again later. */
void path_call(struct paths *paths, const struct path_tools *t, struct path *path);
/* Nothing leads to its calls and its channel any more. */
void path_calls_forget(struct paths *paths, struct path *path);
/* Calls anew, but not too often. */
void path_call_anew(struct paths *paths, const struct path_tools *t, struct path *path);
/* The path that this index belongs to, and the call; without one it is of an opening. NULL: none. */
struct path *path_by_index(struct paths *paths, uint32_t index, struct path_call **call);
/*
 * A callee's first probe came before our home's offer. Whether it is from whom we called: then the
 * call has its keys, and `probe` is what stands behind the introduction.
 */
bool path_open(struct paths *paths, const struct path_tools *t, struct path *path,
               const struct frame *frame, struct punch_probe *probe);
/* Writes such a probe; its size, or 0 when it does not fit. */
size_t path_make_opening(const struct path_tools *t, const struct path *path, uint64_t counter,
                         const uint8_t *body, size_t body_size, uint8_t *to, size_t room);
/* The index of the call with this nonce that has keys; PATH_NONE. */
uint8_t path_find_call(const struct path *path, const uint8_t nonce[static PUNCH_NONCE_SIZE]);
/* The relay leads through this server and channel from now on. */
void path_set_channel(struct paths *paths, struct path *path, uint8_t server, uint32_t channel);

/* ---- path_order.c: who comes first ------------------------------------------------------------- */

/* An attempt begins: what the findings of both say of it. */
void path_order_begin(const struct path_tools *t, struct path *path);
/* The TTL of the next probe to a remote; 0: as always. */
uint8_t path_order_ttl(const struct path *path, const struct path_remote *remote);
/* Whether nothing goes there until the peer has been heard. */
bool path_order_silences(const struct path *path, const struct path_remote *remote);
/* Whether whole probes are held back after a knock, which goes at once, */
bool path_order_holds(const struct path *path);
/* and how long one waits, from when both have been told, that would wait so long otherwise. */
uint64_t path_order_wait_ns(const struct path *path, const struct path_remote *remote,
                            uint64_t wait_ns);
/* A probe has come under the newest call. */
void path_order_heard(const struct path_tools *t, struct path *path, bool relayed);
/*
 * Gives up the ways that were found from an address that we no longer have, where what goes there
 * would come too early for a new one. False when there are none.
 */
bool path_order_leave(const struct path_tools *t, struct path *path);

/* ---- path_probe.c ----------------------------------------------------------------------------- */

/* Begins an attempt: every remote is probed at once, and again from `other_ns` on. */
void path_attempt(const struct path_tools *t, struct path *path, uint64_t other_ns);
/* Sends every probe that is due, and finds out what is in doubt or dead. */
void path_probe_work(struct paths *paths, const struct path_tools *t, struct path *path);
/* Something has come through the relay. */
void path_relay_speaks(struct path *path);
/* The next time at which that has something to do. */
uint64_t path_probe_due(const struct path *path);
/* When the chosen remote is to be probed again. */
uint64_t path_probe_chosen(const struct path_tools *t, const struct path *path);
/* Data was sent on a path that was in peace: now it is watched. */
void path_probe_woken(struct paths *paths, const struct path_tools *t, struct path *path);

#endif
