/* What tunnel.c, tunnel_handshake.c, tunnel_send.c and tunnel_receive.c share. */
#ifndef WARREN_TUNNEL_TUNNEL_STATE_H
#define WARREN_TUNNEL_TUNNEL_STATE_H

#include "core/tunnel/tunnel.h"

/* ---- tunnel.c: peers and their timers -------------------------------------------------------- */

static inline bool tunnel_is_stock(const struct tunnel_peer *peer)
{
    static const uint8_t zero[IDENTITY_SIZE];
    return memcmp(peer->identity, zero, sizeof zero) == 0;
}
struct tunnel_peer *tunnel_peer_at(struct tunnel *tunnel, uint32_t slot);
/* The peer with this static key; NULL: none. */
struct tunnel_peer *tunnel_peer_by_key(struct tunnel *tunnel,
                                       const uint8_t key[static NOISE_KEY_SIZE]);
/* Makes a peer of the one whom a path knows by this key; NULL: there is no room, or a better key. */
struct tunnel_peer *tunnel_peer_met(struct tunnel *tunnel, const struct tunnel_tools *t,
                                    const uint8_t key[static NOISE_KEY_SIZE]);
/* A stock peer is where its last authentic message came from. */
void tunnel_roam(const struct tunnel_tools *t, struct tunnel_peer *peer,
                 const struct tunnel_source *source);
/* Its key is from a credential that is no longer valid. */
bool tunnel_peer_expired(const struct tunnel_tools *t, const struct tunnel_peer *peer);
/* A peer of the mesh may have become known to its path: then it has a key. */
void tunnel_peer_learn(struct tunnel *tunnel, const struct tunnel_tools *t,
                       struct tunnel_peer *peer);
/* A number that names nothing yet is this peer's. */
uint32_t tunnel_index_draw(struct tunnel *tunnel, const struct tunnel_tools *t,
                           const struct tunnel_peer *peer);
/* The session is over: its index names nothing, its keys are wiped. */
void tunnel_session_end(struct tunnel *tunnel, const struct tunnel_tools *t,
                        struct tunnel_session *session);
/* Sets the peer's timer to the first thing that is to happen. */
void tunnel_rearm(const struct tunnel_tools *t, struct tunnel_peer *peer);
/* Section 6.5: an authentic message came, or went; with data in it, or without. */
void tunnel_heard(const struct tunnel_tools *t, struct tunnel_peer *peer, bool data);
void tunnel_spoke(const struct tunnel_tools *t, struct tunnel_peer *peer, bool data);
uint64_t tunnel_jitter(const struct tunnel_tools *t);

/* ---- tunnel_handshake.c ---------------------------------------------------------------------- */

/*
 * Begins a handshake, unless one has been begun just now; `again`: repeats one that is under way.
 */
void tunnel_initiate(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                     bool again);
void tunnel_initiation(struct tunnel *tunnel, const struct tunnel_tools *t,
                       const struct tunnel_source *source, const uint8_t *bytes, size_t size);
void tunnel_response(struct tunnel *tunnel, const struct tunnel_tools *t,
                     const struct tunnel_source *source, const uint8_t *bytes, size_t size);
void tunnel_cookie(struct tunnel *tunnel, const struct tunnel_tools *t,
                   const struct tunnel_source *source, const uint8_t *bytes, size_t size);
/* The handshake that we have begun is over. */
void tunnel_handshake_end(struct tunnel *tunnel, const struct tunnel_tools *t,
                          struct tunnel_peer *peer);

/* ---- tunnel_send.c --------------------------------------------------------------------------- */

/* Where a peer's datagrams go. */
struct tunnel_way {
    uint32_t socket;
    bool direct;
    struct addr remote;
    bool relayed; /* both while a path is in doubt */
    struct addr home;
    uint32_t channel;
};

/* False when there is none now. */
bool tunnel_way(const struct tunnel_tools *t, const struct tunnel_peer *peer,
                struct tunnel_way *way);
/* A handshake message goes the peer's way; false when there is none. */
bool tunnel_send_message(const struct tunnel_tools *t, const struct tunnel_way *way,
                         const uint8_t *bytes, size_t size);
/* Whether the session can be sent under. */
bool tunnel_session_sends(const struct tunnel_session *session, uint64_t now_ns);
/* Sends a packet, or waits with it for a handshake. */
void tunnel_send(struct tunnel *tunnel, const struct tunnel_tools *t, struct tunnel_peer *peer,
                 const uint8_t *bytes, size_t size, size_t segment);
/* Sends what waits, and a keepalive when nothing does. */
void tunnel_send_waiting(struct tunnel *tunnel, const struct tunnel_tools *t,
                         struct tunnel_peer *peer);
void tunnel_send_keepalive(struct tunnel *tunnel, const struct tunnel_tools *t,
                           struct tunnel_peer *peer);
void tunnel_queue_drop(struct tunnel *tunnel, const struct tunnel_tools *t,
                       struct tunnel_peer *peer);

/* ---- tunnel_receive.c ------------------------------------------------------------------------ */

void tunnel_data(struct tunnel *tunnel, const struct tunnel_tools *t,
                 const struct tunnel_source *source, const uint8_t *bytes, size_t size);

#endif
