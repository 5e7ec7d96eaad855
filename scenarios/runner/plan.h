/*
 * The plan: everything that a scenario script says, as data. Loading makes it, printing turns it
 * back into a script, the networks run it. It holds no pointers into Lua, and nothing of it changes
 * while a network runs.
 *
 * Durations are nanoseconds, probabilities parts per million, rates bits per second. Lists are in
 * the script's order.
 */
#ifndef WARREN_RUNNER_PLAN_H
#define WARREN_RUNNER_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/punch/reason.h"
#include "core/warren.h"
#include "scenarios/runner/field.h"
#include "scenarios/runner/finding.h"
#include "sim/link.h"
#include "sim/nat.h"

enum {
    PLAN_NAME_SIZE = 64,     /* of a place, with its final 0 */
    PLAN_TITLE_SIZE = 200,   /* of a scenario, likewise */
    PLAN_WORD_SIZE = 32,     /* of a preset's name, likewise */
    PLAN_INTERFACES_MAX = 4, /* of one client or server */
    PLAN_SCENARIOS_MAX = 65536,
    PLAN_PLACES_MAX = 4096,     /* of one scenario */
    PLAN_ACTIONS_MAX = 4096,    /* likewise */
    PLAN_EXPECTS_MAX = 1024,    /* likewise */
    PLAN_DIFFERENCES_MAX = 8,   /* likewise */
    PLAN_SEEDS_MAX = 1000000,   /* runs of one scenario */
    PLAN_SERVERS_MAX = 2,       /* of one classification */
    PLAN_EXTERNAL_MAX = 64,     /* external addresses of one router */
    PLAN_HOME_MAX = 250,        /* addresses behind one NAT whose inside is "home" */
    PLAN_PORT = 3478,           /* RFC 8489, section 9 */
    PLAN_ALTERNATE_PORT = 3479, /* RFC 5780, section 6: any other one */
    PLAN_SIZE_MIN = 72,         /* of a numbered packet that clients send each other */
    PLAN_SIZE_DEFAULT = 100,
    PLAN_COUNT_MAX = 10000000, /* of packets that one action sends each way */
    PLAN_FLOWS_MAX = 64,       /* connections of one bulk */
    PLAN_WHY_SIZE = 256,       /* of the reason for a difference, with its final 0 */
};

/* How often datagrams follow each other unless the script says so, and the gap between arrivals. */
#define PLAN_EVERY_DEFAULT_NS 100000000u
#define PLAN_GAP_DEFAULT_NS 1000000000u

/* An hour: no scenario of today's protocols needs more, and a script can ask for it. */
#define PLAN_DURATION_DEFAULT_NS 3600000000000u

/* How long bulk data is sent unless the script says so. */
#define PLAN_BULK_DEFAULT_NS UINT64_C(10000000000)

/* In place of a most: as many as come. */
#define PLAN_COUNT_ANY UINT32_MAX

/* Fifty years: what a wall clock can be off by. */
#define PLAN_CLOCK_MAX_NS 1576800000000000000u

/* In place of a place: directly on the internet. */
#define PLAN_INTERNET UINT32_MAX

enum plan_place_kind {
    PLAN_SERVER,
    PLAN_ROUTER,
    PLAN_CLIENT,
    PLAN_HOSTILE,   /* a host that does what the script says, and nothing else */
    PLAN_BYSTANDER, /* a host that runs nothing, and asks for nothing */
    PLAN_PLACE_KINDS
};

/* Which private range a router gives to what is behind it. */
enum plan_inside {
    PLAN_INSIDE_HOME,    /* 192.168.N.0/24 */
    PLAN_INSIDE_CARRIER, /* of 100.64.0.0/10 (RFC 6598) */
    PLAN_INSIDE_WIDE,    /* of 10.0.0.0/8 */
};

/* The uplink of a router, or one interface of a host. */
struct plan_interface {
    uint32_t behind;         /* a router's index in the scenario's places, or PLAN_INTERNET */
    struct link_config up;   /* away from the place */
    struct link_config down; /* towards it */
};

struct plan_place {
    uint8_t kind; /* enum plan_place_kind */
    bool ipv4;
    bool ipv6;
    char name[PLAN_NAME_SIZE];
    uint32_t line; /* in the script; not part of the hash */
    uint32_t interface_count;
    struct plan_interface interfaces[PLAN_INTERFACES_MAX]; /* a router has one */
    uint32_t addresses; /* in each family; a router's external ones, 0: as its NAT asks for */
    /* Servers only. */
    uint16_t port;
    uint16_t alternate_port; /* 0: none */
    bool member;             /* hostile hosts only: it holds a credential of the mesh */
    /* Clients only: servers, or PLAN_INTERNET. With a home they know only it and the reserve. A
       hostile member has a home alone: the server that it lies to. */
    uint32_t home;
    uint32_t reserve;
    /* Routers only. */
    bool has_nat;
    bool nat_v6;
    bool silent;
    uint8_t inside;                /* enum plan_inside */
    char preset[PLAN_WORD_SIZE];   /* that `nat` started from; "" where the script gave none */
    char firewall[PLAN_WORD_SIZE]; /* a preset's name; "": none */
    struct nat_config nat;
};

enum plan_action_kind {
    PLAN_CLASSIFY, /* a client finds out what it is behind */
    PLAN_FLUSH,    /* a router reboots */
    PLAN_ADDRESS,  /* a router gets new external addresses */
    PLAN_LINK,     /* a link changes */
    PLAN_DOWN,     /* a place is cut off */
    PLAN_UP,
    PLAN_SUSPEND, /* a host sleeps; time goes on */
    PLAN_RESUME,
    PLAN_CRASH, /* a host's process ends */
    PLAN_RESTART,
    PLAN_UNPLUG, /* an interface of a host is gone, with its addresses */
    PLAN_PLUG,
    PLAN_CONNECT, /* a client asks for a path to another, and sends one packet */
    PLAN_SEND,    /* a client sends numbered packets to another */
    PLAN_TALK,    /* both do */
    PLAN_SEVER,   /* the internet loses its routes between two places */
    PLAN_MEND,
    PLAN_REPLAY, /* a hostile host sends again what it has heard */
    PLAN_FLOOD,  /* it sends a node junk */
    PLAN_SPOOF,  /* likewise, from false sources */
    PLAN_CLAIM,  /* a hostile member registers another's address, and calls clients */
    PLAN_BIND,   /* it says HELLO, registers and calls from another's address */
    PLAN_PROBE,  /* it calls clients, and probes them from another's address */
    PLAN_CLOCK,  /* a node's wall clock is off */
    PLAN_BULK,   /* one of a server and a client sends the other as much as TCP can */
    PLAN_ACTION_KINDS
};

enum plan_way {
    PLAN_WAY_BOTH,
    PLAN_WAY_UP,
    PLAN_WAY_DOWN,
};

struct plan_action {
    uint8_t kind; /* enum plan_action_kind */
    bool ipv6;    /* PLAN_CLASSIFY: through the servers' IPv6 addresses */
    uint8_t way;  /* PLAN_LINK: enum plan_way */
    uint32_t place;
    uint32_t line;      /* in the script; not part of the hash */
    uint32_t interface; /* PLAN_LINK, _DOWN, _UP, _PLUG, _UNPLUG: counted from 0 */
    uint32_t peer;      /* PLAN_CONNECT, _SEND, _TALK: the other client; PLAN_SEVER, _MEND: place;
                           PLAN_FLOOD, _SPOOF: the node; PLAN_CLAIM, _BIND, _PROBE: the victim;
                           PLAN_BULK: who is sent to */
    uint32_t count;     /* PLAN_SEND, PLAN_TALK: packets each way; of an attack: how often;
                           PLAN_BULK: TCP connections */
    uint32_t size;      /* PLAN_SEND, PLAN_TALK: bytes of each */
    uint64_t every_ns;  /* goes with count */
    uint64_t lasts_ns;  /* PLAN_BULK: for so long */
    bool clock_slow;    /* PLAN_CLOCK: it says less than it should */
    uint64_t clock_ns;  /* likewise: by how much, whole seconds */
    uint32_t server_count;
    uint32_t servers[PLAN_SERVERS_MAX]; /* PLAN_CLASSIFY */
    uint64_t at_ns;
    uint64_t changed; /* PLAN_LINK: bit n: the field plan_link_fields[n] gets the value in `link` */
    struct link_config link;
};

/*
 * When an expectation has to be true, over the results that one run brings, in the order of their
 * arrival.
 */
enum plan_mode {
    PLAN_FINALLY, /* the last result is so */
    PLAN_WITHIN,  /* a result that is so arrives between `after` and `within` later */
    PLAN_ALWAYS,  /* there are results from `after` on, and all of them are so */
    PLAN_NEVER,   /* no result from `after` on is so */
};

enum plan_expect_kind {
    PLAN_CLASSIFIED, /* what a client finds */
    PLAN_DATA,       /* numbered packets from the client arrive at the peer */
    PLAN_DIRECT,     /* the path between the client and the peer */
    PLAN_RELAYED,
    PLAN_UNREACHABLE,
    PLAN_VERDICT,  /* the path is what the oracle says, for its reason and as soon */
    PLAN_SENDS,    /* UDP datagrams that leave a host */
    PLAN_RECEIVES, /* that come to it, to an open port or not */
    PLAN_EXPECT_KINDS
};

struct plan_expect {
    uint8_t kind;       /* enum plan_expect_kind */
    uint8_t mode;       /* enum plan_mode */
    bool oracle;        /* PLAN_CLASSIFIED: `wanted` is to be all that the oracle says */
    bool no_bounds;     /* PLAN_VERDICT: when is all the same */
    uint8_t reason;     /* enum reason, of a path; REASON_NONE: any */
    uint32_t client;    /* PLAN_SENDS, PLAN_RECEIVES: the host */
    uint32_t peer;      /* of two clients */
    uint64_t at_least;  /* PLAN_SENDS, PLAN_RECEIVES; one of the two is not its default: 0, */
    uint64_t at_most;   /* and PLAN_COUNT_ANY */
    uint64_t gap_ns;    /* PLAN_DATA: the longest time between two arrivals */
    uint32_t line;      /* in the script; not part of the hash */
    uint32_t share_ppm; /* of the runs in which it must be so, at least */
    uint64_t within_ns; /* PLAN_WITHIN */
    uint64_t after_ns;
    struct finding wanted;
};

/* On that network something of the scenario comes out differently, and that is known. */
struct plan_difference {
    char network[PLAN_WORD_SIZE];
    char why[PLAN_WHY_SIZE]; /* a sentence */
};

struct plan_scenario {
    char title[PLAN_TITLE_SIZE];
    uint32_t line;        /* in the script; not part of the hash */
    uint32_t seeds;       /* how often it is run, with consecutive seeds */
    uint64_t duration_ns; /* a run ends when nothing more can happen, and at the latest then */
    bool mesh;            /* servers and clients are set up as members of one mesh */
    char program[PLAN_WORD_SIZE]; /* another mesh (netns/adapter.h) in Warren's place; "": none */
    char row[PLAN_WORD_SIZE];     /* of the matrix; "": the scenario is not in it */
    char column[PLAN_WORD_SIZE];
    struct plan_place *places;
    uint32_t place_count;
    struct plan_action *actions;
    uint32_t action_count;
    struct plan_expect *expects;
    uint32_t expect_count;
    struct plan_difference *differences; /* one for each network at most */
    uint32_t difference_count;
};

struct plan {
    struct plan_scenario *scenarios;
    uint32_t scenario_count;
};

/*
 * The tables of fields: of a link (struct link_config), and of each kind of place (struct
 * plan_place).
 */
extern const struct field plan_link_fields[];
extern const struct field plan_server_fields[];
extern const struct field plan_router_fields[];
extern const struct field plan_client_fields[];
extern const struct field plan_hostile_fields[];
extern const struct field plan_bystander_fields[];
/* What follows the names in the words for attacks (struct plan_action). */
extern const struct field plan_attack_fields[];
/* What stands in sends and receives (struct plan_expect). */
extern const struct field plan_count_fields[];
/* What follows the two names in send and talk (struct plan_action). */
extern const struct field plan_send_fields[];
/* Likewise in bulk. */
extern const struct field plan_bulk_fields[];

/* By value, NULL after the last. */
extern const char *const plan_discipline_words[]; /* "codel", by enum link_queue */
extern const char *const plan_medium_words[];     /* "csma" */
extern const char *const plan_place_words[];      /* "server" */
extern const char *const plan_mode_words[];       /* "finally" */
extern const char *const plan_way_words[];        /* "up" */
extern const char *const plan_expect_words[];     /* "classified" */

/* An action's word, what it acts on and what it does. */
struct plan_action_word {
    const char *name;
    const char *about;
    bool on_router;
    bool on_host; /* servers and clients */
};
extern const struct plan_action_word plan_action_words[PLAN_ACTION_KINDS];

const struct field *plan_place_fields(enum plan_place_kind kind);
/* Whether it is a server or a client: where a node runs, or a program in its place. */
bool plan_is_node(const struct plan_place *place);
/* A place of this kind with every default filled in, and one interface to the internet. */
void plan_place_init(struct plan_place *place, enum plan_place_kind kind);

/*
 * What was added, zeroed but for defaults; NULL when there are PLAN_..._MAX already. Good until the
 * next addition.
 */
struct plan_scenario *plan_add_scenario(struct plan *plan);
struct plan_place *plan_add_place(struct plan_scenario *scenario, enum plan_place_kind kind);
struct plan_action *plan_add_action(struct plan_scenario *scenario);
struct plan_expect *plan_add_expect(struct plan_scenario *scenario);
struct plan_difference *plan_add_difference(struct plan_scenario *scenario);

/* The index of the place of that name; PLAN_INTERNET when there is none. */
uint32_t plan_find_place(const struct plan_scenario *scenario, const char *name);
/* Why something may be different on that network; NULL: nothing may. */
const char *plan_why_different(const struct plan_scenario *scenario, const char *network);
/* The mesh whose programs run: "warren", or the other one. */
const char *plan_program(const struct plan_scenario *scenario);
/* Whether the scenario's nodes are set up as a mesh: it says so, uses connect, send, talk or clock,
   or there is an attack. */
bool plan_is_mesh(const struct plan_scenario *scenario);
/* When an action that is repeated, or goes on for a while, is done; UINT64_MAX: later than can be said. */
uint64_t plan_action_end_ns(const struct plan_action *action);
/* Whether an action names two clients. */
bool plan_names_peer(enum plan_action_kind kind);
/* Whether a hostile host does it. */
bool plan_is_attack(enum plan_action_kind kind);
/* Whether only a hostile member can do it. */
bool plan_is_lie(enum plan_action_kind kind);
/* Whether it counts datagrams of one host. */
bool plan_is_count(enum plan_expect_kind kind);
/* Whether a field of plan_link_fields is about what a link is, so that it cannot change in a run. */
bool plan_link_is_fixed(const struct field *field);
/* Whether a link is a wire with a drop-tail queue, as every network has them. */
bool plan_link_is_usual(const struct link_config *link);
/* Whether any link of the scenario loses packets by chance. */
bool plan_is_lossy(const struct plan_scenario *scenario);

/*
 * Over everything but line numbers, in one canonical encoding: equal plans have equal hashes on
 * every machine.
 */
uint64_t plan_hash(const struct plan *plan);

void plan_free(struct plan *plan);

#endif
