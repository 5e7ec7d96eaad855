/*
 * The daemons of one run, in real time: their files, their processes, what they log, and the
 * numbered packets that go through their tunnels. In a sandbox (netns/space.h); each host's network
 * namespace has its outer interfaces already.
 */
#ifndef WARREN_RUNNER_PROGRAMS_H
#define WARREN_RUNNER_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "netns/space.h"
#include "scenarios/runner/numbered.h"
#include "scenarios/runner/plan.h"
#include "scenarios/runner/run.h"
#include "sim/net.h"

struct programs;

/* What programs tell their run. Called from within the event loop. */
struct programs_events {
    void *context;
    /* A client is registered at that address, or (family ADDR_NONE) no longer anywhere; where the
       home sees it. */
    void (*home)(void *context, uint32_t place, const struct addr *server,
                 const struct addr *mapped);
    /* A client's daemon says what its path to another is. */
    void (*path)(void *context, uint32_t place, uint32_t peer, enum node_path path,
                 enum reason reason);
    /* A numbered packet has come out of a client's tunnel. */
    void (*arrived)(void *context, uint32_t place, const struct numbered *numbered);
    /* A client has found out what it is behind. */
    void (*behaviour)(void *context, uint32_t place, const struct stun_behaviour *behaviour);
    /* A program has ended that nobody told to; one line. The run has failed. */
    void (*failed)(void *context, const char *why);
};

struct programs_config {
    struct ev_loop *loop;
    const struct plan_scenario *scenario;
    const struct net *net;  /* for addresses */
    const uint32_t *places; /* of the net, by the scenario's */
    const int *hosts;       /* network namespaces, by the scenario's places; -1: it has none */
    const char *binaries;   /* the folder of warrend and stun-probe */
    const char *folder;     /* for configuration, keys and logs; it exists */
    struct programs_events events;
};

/*
 * Writes every file. Servers and clients get identities and papers from scenarios/runner/mesh.h. A
 * client knows its home and reserve where the script names them and all servers otherwise, and lists
 * those clients as peers that it is told to connect to.
 */
struct programs *programs_new(const struct programs_config *config,
                              char error[static SPACE_ERROR_SIZE]);
/* Ends all of them, and waits. */
void programs_free(struct programs *programs);

/* Starts the place's daemon; it is not yet ready then. */
bool programs_start(struct programs *programs, uint32_t place, char error[static SPACE_ERROR_SIZE]);
/* Whether each daemon that was started has its sockets and its tunnel interface. */
bool programs_ready(const struct programs *programs);
/* Without a word: SIGKILL, SIGSTOP, SIGCONT. */
void programs_crash(struct programs *programs, uint32_t place);
void programs_suspend(struct programs *programs, uint32_t place);
void programs_resume(struct programs *programs, uint32_t place);

/* Sends a numbered packet of `size` bytes (NUMBERED_SIZE_MIN to NODE_PACKET_MAX) into the tunnel. */
void programs_send(struct programs *programs, const struct numbered *numbered, uint32_t size);
/* Starts `stun-probe` on the client against these servers; `behaviour` is called when it is done. */
bool programs_classify(struct programs *programs, const struct plan_action *action,
                       char error[static SPACE_ERROR_SIZE]);

#endif
