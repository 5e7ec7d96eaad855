/*
 * A scenario on the simulated network, for the files that run it: on_sim.c builds and runs,
 * on_sim_mesh.c sets a mesh up, sends, and watches paths, and on_sim_hostile.c is what is hostile
 * in it.
 */
#ifndef WARREN_RUNNER_STAGE_H
#define WARREN_RUNNER_STAGE_H

#include "host/tape.h"
#include "scenarios/runner/run.h"
#include "scenarios/runner/sight.h"
#include "sim/hostile_member.h"
#include "sim/net.h"

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

struct stage {
    const struct run_request *request;
    const struct plan_scenario *scenario;
    struct run *run;
    struct net *net;
    uint32_t *places;   /* of the net, by the scenario's */
    uint32_t *clients;  /* of the scenario, by the net's; PLAN_INTERNET for others */
    struct reel *reels; /* by the scenario's places */
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

/* A server serves STUN from a time on, at every start. */
void stage_serve_stun(const struct stage *stage, uint32_t place, uint64_t at_ns);
/* Servers and clients become a mesh at 0. */
void stage_set_up_mesh(struct stage *stage);
/* Schedules connect, send and talk. */
void stage_schedule_peer(struct stage *stage, const struct plan_action *action);
void stage_observe(struct stage *stage, const struct net_event *event);
/* Whether every path has come to where it will stay, as far as its nodes say. */
bool stage_is_settled(const struct stage *stage);
void stage_free_mesh(struct stage *stage);

/* Hostile hosts and bystanders: sockets, sessions, and what counts. */
void stage_set_up_hostile(struct stage *stage);
void stage_schedule_attack(struct stage *stage, const struct plan_action *action);
/* Lets hostile hosts hear what nodes send, and counts what expectations count. */
void stage_observe_hostile(struct stage *stage, const struct net_event *event);
/* While the network still is there. */
void stage_free_hostile(struct stage *stage);

#endif
