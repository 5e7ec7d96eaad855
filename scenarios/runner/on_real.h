/*
 * A scenario in real time, for the files that run it: on_real.c has the clock and the programs,
 * on_real_sandbox.c the process that they are in, on_real_needs.c what there has to be. on_tun.c puts
 * TUN devices at the ends of the simulated network, and on_linux.c has Linux's own network in its
 * place.
 */
#ifndef WARREN_RUNNER_ON_REAL_H
#define WARREN_RUNNER_ON_REAL_H

#include <stdbool.h>
#include <stdint.h>

#include <ev.h>

#include "netns/space.h"
#include "scenarios/runner/guests.h"
#include "scenarios/runner/programs.h"
#include "scenarios/runner/stage.h"

struct real;

/* Of a run, with what its programs read and write; in its sandbox. */
#define REAL_FOLDER "/run/warren-lab"

/* What is between the hosts. */
struct real_network {
    /* Makes the network of the world, which is built, and a namespace for each server and client;
       real->hosts says which. */
    bool (*build)(struct real *real, char error[static SPACE_ERROR_SIZE]);
    /* From now on packets move. */
    void (*begin)(struct real *real);
    /* Hands over what has arrived, so that nothing of it comes later than what is done next. NULL:
       it is handed over as it arrives. */
    void (*flush)(struct real *real);
    /* Shows what has moved so far and was not shown yet; NULL: nothing ever waits for that. */
    void (*look)(struct real *real);
    /* The world has this fault now. False, with a sentence: it cannot be made so. */
    bool (*fault)(struct real *real, const struct net_fault *fault,
                  char error[static SPACE_ERROR_SIZE]);
    /* No packet moves any more; false, with a sentence, where some were not seen. NULL: all are. */
    bool (*settle)(struct real *real, char error[static SPACE_ERROR_SIZE]);
    void (*end)(struct real *real);
    const struct net_gate *gate; /* of servers and clients; NULL: the world carries no packets */
};

struct real {
    struct stage stage;      /* first: callbacks of the stage get this one */
    struct stage_real hooks; /* the stage's */
    struct net_gate gate;    /* the network's, which gets this one */
    const struct real_network *network;
    void *state; /* the network's */
    struct ev_loop *loop;
    struct programs *programs; /* Warren's own; NULL: none */
    struct guests *guests;     /* in their place, those of another mesh; likewise */
    struct numbered first;     /* of guests: the first packet */
    int *hosts;                /* network namespaces, by the scenario's places; -1: none */
    ev_io clock_io;
    int clock_fd;      /* a timer that fires when the world has something to do */
    bool moving;       /* the clock runs */
    uint64_t begun_ns; /* of the kernel's clock */
    uint64_t end_ns;   /* of the world's, as all others */
    uint64_t look_ns;  /* when to look next whether the run is over; UINT64_MAX: never */
    bool failed;
    char error[SPACE_ERROR_SIZE];
};

/* Lets the world come up to the present; to be called before anything is done to it. */
void real_catch_up(struct real *real);

/* Readies it, with nothing in its world yet; `run` gets what comes of it. */
void real_begin(struct real *real, const struct run_request *request,
                const struct real_network *network, struct run *run);
/* Makes the whole run. False, with a sentence: it could not be made. Programs go on until
   real_end_programs(), and may still find something wrong then: `failed`. */
bool real_run(struct real *real, char error[static SPACE_ERROR_SIZE]);
void real_end_programs(struct real *real);

/* The folder that this program is in, where the others are, too. */
bool real_find_binaries(char to[static RUN_PATH_SIZE], char error[static SPACE_ERROR_SIZE]);

extern const struct real_network real_tun;
extern const struct real_network real_linux;

#endif
