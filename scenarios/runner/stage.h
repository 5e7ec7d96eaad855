/*
 * A scenario on its stage: a world (sim/net.h) with the plan's places, links and timeline. On the
 * simulated network and on ns-3 the core's nodes act on it, in virtual time (on_virtual.c); on the
 * others programs do, in real time (on_real.c). stage.c builds, stage_mesh.c sets a mesh up, sends, and watches
 * paths, and stage_hostile.c is what is hostile in it.
 */
#ifndef WARREN_RUNNER_STAGE_H
#define WARREN_RUNNER_STAGE_H

#include "host/tape.h"
#include "scenarios/runner/numbered.h"
#include "scenarios/runner/run.h"
#include "scenarios/runner/sight.h"
#include "sim/hostile_member.h"
#include "sim/net.h"

struct stage;
struct virtual_network;

/* One node's tape. */
struct reel {
    struct tape_writer tape;
    FILE *file;
};

/* Packets of one direction of one action, that are still to be sent. */
struct stage_flow {
    struct stage *stage;
    uint32_t from; /* places of the scenario */
    uint32_t to;
    uint32_t left;
    uint32_t size;
    uint64_t every_ns;
};

/* A pair whose verdict rests on the order of packets: what is looked at. */
struct stage_watch {
    uint32_t pair;      /* of the run */
    uint32_t router[2]; /* of the net, by side: the NAT that decides; NET_NONE: there is none */
};

/* What a hostile host is made of. */
struct stage_hostile {
    struct random_stream draws;
    struct hostile_member *member; /* NULL: it is none */
};

/* An attack under way. */
struct stage_attack {
    struct stage *stage;
    const struct plan_action *action;
    uint32_t done;          /* times so far */
    uint64_t registered_ns; /* PLAN_CLAIM: when it did last; 0: never */
    uint64_t replayed;      /* PLAN_REPLAY: of what was heard, all before this */
};

/* What stands in for the core's nodes where programs run, in real time. */
struct stage_real {
    const struct net_gate *gate; /* of servers and clients; NULL: no packet comes to them */
    /* What a command tells a node, told to a program. All at the world's present time. */
    void (*connect)(struct stage *stage, uint32_t from, uint32_t to);
    void (*send)(struct stage *stage, const struct numbered *numbered, uint32_t size);
    void (*classify)(struct stage *stage, const struct plan_action *action);
    /* The world has this fault now. */
    void (*fault)(struct stage *stage, const struct net_fault *fault);
    /* Looks at what passes in place of who knows Warren's packets; NULL: they are Warren's. */
    void (*see)(struct stage *stage, const struct net_event *event);
};

struct stage {
    const struct run_request *request;
    const struct stage_real *real;         /* NULL: nodes of the core run, in virtual time */
    const struct virtual_network *network; /* where they run (on_virtual.h) */
    void *virtual_state;                   /* the network's */
    const struct plan_scenario *scenario;
    struct run *run;
    struct net *net;
    uint32_t *places;         /* of the net, by the scenario's */
    uint32_t *clients;        /* of the scenario, by the net's; PLAN_INTERNET for others */
    struct reel *reels;       /* by the scenario's places; NULL: no tapes */
    struct net_fault *faults; /* that happen; what is real is told of them by number */
    uint32_t fault_count;
    /* Of a mesh. */
    bool lossy;           /* plan_is_lossy() */
    const uint8_t **keys; /* by the scenario's places; NULL for routers */
    uint32_t *homes;      /* likewise, of clients: the server; PLAN_INTERNET: none */
    struct addr *mapped;  /* likewise: where the home sees the client */
    struct stage_flow *flows;
    uint32_t flow_count;
    struct stage_watch *watches;
    uint32_t watch_count;
    uint64_t quiet_from_ns; /* when run->quiet begins to count; UINT64_MAX: never */
    uint32_t numbers;       /* packets sent so far */
    uint64_t observed;      /* events so far: the measure of order */
    uint64_t changed_ns;    /* when a path was last said to be another */
    struct sight sight;     /* what the network has seen of tunnels */
    /* Of what is hostile. */
    struct stage_hostile *hostiles; /* by the scenario's places */
    struct stage_attack *attacks;
    uint32_t attack_count;
    struct hostile_ear *ear; /* what all nodes have sent; NULL: nobody replays it */
};

/* ---- stage.c ---- */

/* A new world, empty. */
void stage_begin(struct stage *stage, const struct net_config *config);
/* Every place of the plan. */
void stage_build(struct stage *stage);
/* A router of the plan in the world's terms; points into the plan. */
struct net_router stage_router(const struct stage *stage, const struct plan_place *place);
/* What an action does to the world: enum net_fault_kind, or 0 when that is no fault. */
uint32_t stage_fault_kind(const struct plan_action *action);
/* The set-up of all nodes, and the timeline. */
void stage_schedule(struct stage *stage);
/* Where the end of a mesh's run is quiet for long, it is counted what that costs. */
void stage_count_quiet(struct stage *stage);
/* A capture for each interface, in the request's folder. */
bool stage_capture(const struct stage *stage, char error[static RUN_ERROR_SIZE]);
/* The world's observer; `context` is the stage. */
void stage_see(void *context, const struct net_event *event);
/* A client has found out what it is behind. */
void stage_saw_behaviour(struct stage *stage, uint32_t place,
                         const struct stun_behaviour *behaviour);
/* Whether the run may end before its duration is over, and from when on: when stage_is_over(). */
bool stage_may_end(const struct stage *stage, uint64_t *from_ns);
/* Paths have been for a while where they will stay. */
bool stage_is_over(const struct stage *stage);
void stage_end(struct stage *stage);

/* ---- stage_mesh.c ---- */

/* A server serves STUN from a time on, at every start. */
void stage_serve_stun(const struct stage *stage, uint32_t place, uint64_t at_ns);
/* Servers and clients become a mesh at 0. */
void stage_set_up_mesh(struct stage *stage);
/* Schedules connect, send and talk. */
void stage_schedule_peer(struct stage *stage, const struct plan_action *action);
void stage_observe(struct stage *stage, const struct net_event *event);
/* What a client's node says, or a program. Places are the scenario's. */
void stage_saw_home(struct stage *stage, uint32_t place, const struct addr *server,
                    const struct addr *mapped);
void stage_saw_path(struct stage *stage, uint32_t place, uint32_t peer, enum node_path path,
                    enum reason reason);
/* A numbered packet has come out of its tunnel. */
void stage_saw_packet(struct stage *stage, uint32_t place, const struct numbered *numbered);
/* Whether every path has come to where it will stay, as far as its nodes say. */
bool stage_is_settled(const struct stage *stage);
void stage_free_mesh(struct stage *stage);

/* ---- stage_hostile.c ---- */

/* Hostile hosts and bystanders: sockets, sessions, and what counts. */
void stage_set_up_hostile(struct stage *stage);
void stage_schedule_attack(struct stage *stage, const struct plan_action *action);
/* Lets hostile hosts hear what nodes send, and counts what expectations count. */
void stage_observe_hostile(struct stage *stage, const struct net_event *event);
/* While the network still is there. */
void stage_free_hostile(struct stage *stage);

#endif
