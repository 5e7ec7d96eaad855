/*
 * What the parts of a home share: home.c keeps registrations, home_server.c the other servers and
 * what they announce, home_call.c brings clients together.
 */
#ifndef WARREN_PUNCH_HOME_STATE_H
#define WARREN_PUNCH_HOME_STATE_H

#include "core/punch/home.h"

/* A client that is at home at another server. */
struct home_location {
    uint8_t identity[IDENTITY_SIZE];
    uint64_t version;
    uint64_t heard_ns; /* when that server last said so */
    struct handle server;
    struct handle self;
};

/* A call of a client of ours that waits for other servers. */
struct home_call {
    uint8_t nonce[PUNCH_NONCE_SIZE];
    uint8_t callee[IDENTITY_SIZE];
    struct handle client; /* the caller */
    struct handle self;
    uint32_t channel; /* that the leg to the callee's home has, or will have */
    /* How often all servers were asked; 0: only the one where the callee should be. */
    uint32_t asks;
    uint64_t asked; /* bit n: the server in slot n has not answered yet */
    uint64_t asked_ns;
};

/* ---- home.c ---------------------------------------------------------------------------------- */

/* The registered client with this identity, or NULL. */
struct home_client *home_client_with(struct home *home,
                                     const uint8_t identity[static IDENTITY_SIZE]);
/* Sends along the session's route; false when it cannot be sent now. */
bool home_send(const struct home_tools *tools, struct handle session,
               const struct punch_message *message);
/* One more is within what a client may: `burst` at once, and one after each `each_ns`. `*used_ns`:
   the time up to which it has used that up. */
bool home_may(uint64_t *used_ns, uint64_t now_ns, uint32_t burst, uint64_t each_ns);
/* Answers a message to where it came from. An address that is not `proven` gets no more than it
   sent, and that while its budget has more than `kept` left. False when nothing was sent. */
bool home_reply(const struct home_tools *tools, const struct seal_event *event, bool proven,
                uint32_t kept, const struct punch_message *message);
/*
 * Answers a client's message to where it came from. An address that has not been proven gets no
 * more than it sent, and that within its budget, of which the last is for challenges. False when
 * nothing was sent.
 */
bool home_answer(const struct home_tools *tools, struct home_client *client,
                 const struct seal_event *event, const struct punch_message *message);
/* Traces an introduction that is not believed. */
void home_disbelieve(const struct home_tools *tools, const struct seal_event *event,
                     enum identity_error error);

/* ---- home_server.c --------------------------------------------------------------------------- */

void home_server_hello(struct home *home, const struct home_tools *tools,
                       const struct seal_event *event);
/* SEAL_UP or SEAL_MESSAGE of the session of the server in this slot. */
void home_server_event(struct home *home, const struct home_tools *tools, uint32_t slot,
                       const struct seal_event *event);
void home_servers_serve(struct home *home, const struct home_tools *tools, bool serving);
/* The session with a server, when it has shown that it is where its frames go; otherwise NULL. */
struct seal_session *home_server_proven(const struct home_tools *tools,
                                        const struct home_server *server);
/* Likewise, and it answers. */
struct seal_session *home_server_session(const struct home_tools *tools,
                                         const struct home_server *server);
/* Tells every server of this client. */
void home_announce(struct home *home, const struct home_tools *tools,
                   const struct home_client *client);
/* Where a client is at home, when that is known and not too old. */
struct home_location *home_location_of(struct home *home, const struct context *cx,
                                       const uint8_t identity[static IDENTITY_SIZE]);
void home_location_set(struct home *home, const struct context *cx,
                       const struct punch_location *where, struct handle server);
void home_location_forget(struct home *home, struct home_location *location);

/* ---- home_call.c ----------------------------------------------------------------------------- */

void home_connect(struct home *home, const struct home_tools *tools, struct home_client *client,
                  const struct seal_event *event, const struct punch_message *message);
/* The three messages of another server about a call. */
void home_introduce(struct home *home, const struct home_tools *tools, struct home_server *server,
                    const struct seal_event *event, const struct punch_message *message);
void home_introduced(struct home *home, const struct home_tools *tools, struct home_server *server,
                     const struct seal_event *event, const struct punch_message *message);
void home_refused(struct home *home, const struct home_tools *tools, struct home_server *server,
                  const struct punch_message *message);
void home_calls_forget(struct home *home);

#endif
