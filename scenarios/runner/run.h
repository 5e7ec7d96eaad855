/*
 * One run of one scenario with one seed, on one network: what is asked of a network, and what it
 * gives back. Verdicts are made from this alone (judge.h).
 */
#ifndef WARREN_RUNNER_RUN_H
#define WARREN_RUNNER_RUN_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "core/stun/behaviour.h"
#include "scenarios/runner/plan.h"
#include "sim/oracle_pair.h"

enum { RUN_ERROR_SIZE = 512, RUN_PATH_SIZE = 512 };

/* Events that a run may have, whatever its script sends. */
enum { RUN_EVENTS_MAX = 10000000 };

/* How much a text trace shows. */
enum run_detail {
    RUN_DETAIL_ENDS, /* where each packet ended, what was commanded and found, and faults */
    RUN_DETAIL_HOPS, /* also where each was sent and forwarded, sockets, and what the nodes say */
};

struct run_request {
    const struct plan_scenario *scenario;
    uint64_t seed;
    const char *label;    /* what the files of this run are called, such as "classify-3-7" */
    const char *pcap_dir; /* NULL: no captures; it exists */
    const char *tape_dir; /* NULL: no tapes; it exists */
    FILE *trace;          /* NULL: no trace */
    uint64_t events_max; /* a run with more is a storm, and is stopped; 0: as many as it may need */
    uint64_t longest_ns; /* in real time: a run ends then at the latest; 0: as the scenario says */
    bool keep; /* in real time: what a run leaves that judge_is_right() says no to stays standing */
    enum run_detail detail;
};

/* What a client found, when. */
struct run_finding {
    uint64_t at_ns;
    uint32_t client; /* a place of the scenario */
    struct stun_behaviour behaviour;
};

enum run_event_kind {
    RUN_CONNECTED, /* `from` was told to find a path to `to` */
    RUN_SENT,      /* `from` handed its node a numbered packet for `to` */
    RUN_ARRIVED,   /* it came out of `to`'s node */
    RUN_ANSWERED,  /* `to`'s node answered a handshake of `from`'s: a datagram got there */
    RUN_RELAYED,   /* a datagram of `from`'s with a packet for `to` in it reached a server */
    RUN_PATH,      /* `from`'s node says what its path to `to` is */
    RUN_HOME,      /* `from` is registered at the server `to`; PLAN_INTERNET: no longer */
};

/* A run is quiet from so long after the last packet that its script has sent, if it then goes on
   for so long at least. */
#define RUN_QUIET_AFTER_NS UINT64_C(120000000000)
#define RUN_QUIET_MIN_NS UINT64_C(3600000000000)

/* What the network saw of paths between clients, or what their nodes said; see the kinds. */
struct run_event {
    uint64_t at_ns;
    uint64_t sent_ns; /* the packet, or of RUN_ANSWERED, RUN_RELAYED the datagram */
    uint32_t from;    /* places of the scenario */
    uint32_t to;
    uint32_t number; /* RUN_SENT, RUN_ARRIVED: counts over all packets of the run, from 0 */
    uint8_t kind;    /* enum run_event_kind */
    uint8_t path;    /* RUN_PATH: enum node_path */
    uint8_t reason;  /* RUN_PATH: enum reason */
};

/* A connect that happened, and the order of packets that its verdict may rest on. */
struct run_pair {
    uint32_t a; /* the caller */
    uint32_t b;
    uint64_t at_ns;
    struct oracle_pair_seen seen;
};

/* What a host sent, in IP packets, while the script asked for nothing. */
struct run_quiet {
    uint64_t packets;
    uint64_t bytes;
};

struct run {
    struct run_finding *findings; /* in order of arrival */
    uint32_t finding_count;
    struct run_event *events_seen; /* in order of time */
    uint32_t event_count;
    struct run_pair *pairs;
    uint32_t pair_count;
    uint64_t *counts; /* by expectation: datagrams that it counts; NULL: none does */
    uint64_t digest;  /* of everything that was sent, delivered and put out */
    uint64_t end_ns;
    uint64_t packets; /* that hosts sent */
    uint64_t events;
    uint64_t quiet_ns; /* its end, in which nothing was asked for; 0: below RUN_QUIET_MIN_NS */
    struct run_quiet *quiet; /* by place of the scenario, in that time; NULL: none */
    bool stormed;            /* it was stopped, since it had more events than it may need */
    uint64_t late_ns;        /* in real time: how late it did what was due, at worst */
    uint64_t slack_ns;       /* how much later things may be seen than they should; 0: exact */
    char *notes;             /* lines for whoever looks into a failure, from malloc(); NULL: none */
};

void run_add_finding(struct run *run, const struct run_finding *finding);
void run_add_event(struct run *run, const struct run_event *event);
/* Good until the next addition. */
struct run_pair *run_add_pair(struct run *run, const struct run_pair *pair);
void run_free(struct run *run);

/* A network that scenarios can run on. */
struct run_network {
    const char *name;
    const char *about;
    /* False, with a sentence in `error`, when the run could not be made; `run` then has
       notes at most. */
    bool (*run)(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE]);
    /* Runs take as long as they say, and what is seen has times that are not exact. */
    bool real;
    /* Each run is made in a process of its own (crew.h), many at once. */
    bool apart;
    /* Whether this machine has the network; false with the reason in `why`. NULL: every one has. */
    bool (*is_there)(char why[static RUN_ERROR_SIZE]);
    /* Whether the network can express the scenario; likewise. NULL: it can express all of them. */
    bool (*can)(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);
};

extern const struct run_network run_networks[];
extern const uint32_t run_network_count;

/* NULL when there is none of that name. */
const struct run_network *run_network_find(const char *name);

/* Whether the scenario says what only ns-3 has; true with a sentence in `why`. */
bool run_needs_ns3(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);

/* The simulator, in on_sim.c. */
bool run_sim_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);
bool run_on_sim(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE]);

/* The core's nodes on ns-3's links, by the program warren-ns3, in on_ns3.c. */
bool run_on_ns3(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE]);
bool run_ns3_is_there(char why[static RUN_ERROR_SIZE]);
bool run_ns3_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);

/* The folder that the running program is in, where the others of a build are, too. False when the
   system does not say. */
bool run_find_programs(char to[static RUN_PATH_SIZE]);

/* Real daemons in namespaces, on the simulated network through TUN and on Linux's, in on_real*.c. */
bool run_on_tun(const struct run_request *request, struct run *run,
                char error[static RUN_ERROR_SIZE]);
bool run_tun_is_there(char why[static RUN_ERROR_SIZE]);
bool run_tun_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);
bool run_on_linux(const struct run_request *request, struct run *run,
                  char error[static RUN_ERROR_SIZE]);
bool run_linux_is_there(char why[static RUN_ERROR_SIZE]);
bool run_linux_can(const struct plan_scenario *scenario, char why[static RUN_ERROR_SIZE]);

#endif
