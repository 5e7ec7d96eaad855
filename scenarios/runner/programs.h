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

/* What programs tell their run. Called from within the event loop, where all may be called but
   programs_free(). */
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
    /* A client has found out what it is behind: with its daemon or with a stun-probe. */
    void (*behaviour)(void *context, uint32_t place, const struct stun_behaviour *behaviour);
    /* A program has ended that nobody told to; one line. The run has failed. */
    void (*failed)(void *context, const char *why);
};

struct programs_config {
    struct ev_loop *loop; /* the default loop, which alone hears of children */
    const struct plan_scenario *scenario;
    const struct net *net;  /* for addresses */
    const uint32_t *places; /* of the net, by the scenario's */
    const int *hosts;       /* network namespaces, by the scenario's places; -1: it has none */
    const char *binaries;   /* the folder of warrend and stun-probe */
    const char *folder;     /* for configuration, keys and logs; it exists */
    struct programs_events events;
};

/*
 * Writes every file, and opens the sockets of numbered packets. Servers and clients get identities
 * and papers from scenarios/runner/mesh.h, whose clock has to be set to the real one. A client
 * knows its home and reserve where the script names them, and all servers otherwise. In the folder
 * there are then NAME.conf with the files that it names, and NAME.log once the program was started.
 * The net has to last as long.
 */
struct programs *programs_new(const struct programs_config *config,
                              char error[static SPACE_ERROR_SIZE]);
/* Ends all of them, and waits; no events any more. */
void programs_free(struct programs *programs);

/* Starts the place's daemon, in place of one that still runs; it is not yet ready then. */
bool programs_start(struct programs *programs, uint32_t place, char error[static SPACE_ERROR_SIZE]);
/* Whether each daemon that was started, and did not crash, has its sockets and its interface. */
bool programs_ready(const struct programs *programs);
/* Without a word: SIGKILL, SIGSTOP, SIGCONT. */
void programs_crash(struct programs *programs, uint32_t place);
void programs_suspend(struct programs *programs, uint32_t place);
void programs_resume(struct programs *programs, uint32_t place);

/*
 * Tells a client that it has another as a peer, for which it then finds a path; as in the
 * simulator, this is forgotten when the client's process ends, and lost where there is none.
 * Packets that are sent next wait until it knows.
 */
bool programs_connect(struct programs *programs, uint32_t place, uint32_t peer,
                      char error[static SPACE_ERROR_SIZE]);
/* Sends a numbered packet of `size` bytes (NUMBERED_SIZE_MIN to NODE_PACKET_MAX, with its headers)
   into the tunnel. Where there is no tunnel it is lost. */
void programs_send(struct programs *programs, const struct numbered *numbered, uint32_t size);
/*
 * Starts `stun-probe` on the client against these servers; `behaviour` is called when it is done.
 */
bool programs_classify(struct programs *programs, const struct plan_action *action,
                       char error[static SPACE_ERROR_SIZE]);

#endif
