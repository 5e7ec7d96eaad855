/*
 * NAT behaviour discovery (RFC 5780, section 4) through three fresh probe sockets.
 *
 * 1. Each socket in turn binds to the server's primary address: is there a NAT, how does it allot
 *    ports (three fresh mappings), does it keep to one external address. Where there is a second
 *    server it is asked as well when the first has been silent for a second, and the rest is done
 *    with the one that answers first: a single dead server is not a blocked path.
 * 2. Then, side by side,
 *    - MAPPING binds to the alternate address, then to the alternate address and port (4.3);
 *    - FILTERING asks for an answer from another address and port, and for one from another port
 *      (4.4);
 *    - once the mapping is known, MAPPING and HAIRPIN each send to the other's mapped address (4.5;
 *      both send, because a NAT that filters lets a hairpinned datagram in only where one has gone
 *      out).
 * 3. Where the filter refused, FILTERING binds to the very address that was refused: a mapping that
 *    has moved shows the punch trap.
 *
 * No request is made on FILTERING that would open what its tests find closed. Section 4.2 asks for
 * at most ten new transactions a second; no more than that go to servers in any second, since the
 * two of the hairpin go to ourselves.
 *
 * Silence is an answer in the tests of the filter and of the hairpin, which go in pairs. A round of
 * a pair is seven transmissions at a fast pace, with a series of six control requests beside them
 * that anybody would be answered: they leave at the same moments as the second to the seventh. A
 * test is silent when all that was sent was lost and five controls were answered, counted over all
 * rounds; with fewer there is another round. After three rounds, a last one on the RFC's schedule
 * decides without controls.
 *
 * How likely is it that an endpoint-independent filter is called another because datagrams got
 * lost? With 10 % lost each way, independently, a request or its answer is lost with probability
 * 1 - 0.9 * 0.9 = 0.19, and all seven of a round with 0.19^7 = 8.9e-6, as on the RFC's schedule. If
 * the line is dead in bursts besides, the verdict still rests on five moments that each answered
 * the control and lost the test: (0.19 * 0.81)^5 = 8.6e-5 for any five.
 */
#ifndef WARREN_STUN_DISCOVERY_H
#define WARREN_STUN_DISCOVERY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/context.h"
#include "core/stun/behaviour.h"
#include "core/stun/client.h"

enum stun_probe {
    STUN_PROBE_MAPPING,
    STUN_PROBE_FILTERING,
    STUN_PROBE_HAIRPIN,
    STUN_PROBES,
};

/* The tests, each a transaction, or one in each round; also the tags of their requests. */
enum stun_test {
    STUN_TEST_BIND_MAPPING, /* test I, one for each probe, in the order of enum stun_probe */
    STUN_TEST_BIND_FILTERING,
    STUN_TEST_BIND_HAIRPIN,
    STUN_TEST_MAPPING_II,
    STUN_TEST_MAPPING_III,
    STUN_TEST_FILTERING_II,
    STUN_TEST_FILTERING_III,
    STUN_TEST_HAIRPIN_OUT,  /* from HAIRPIN to MAPPING */
    STUN_TEST_HAIRPIN_BACK, /* from MAPPING to HAIRPIN */
    STUN_TEST_TRAP,
    STUN_TEST_BIND_SECOND,       /* MAPPING's test I at the second server */
    STUN_TEST_CONTROL_FILTERING, /* says nothing but that the path was there */
    STUN_TEST_CONTROL_HAIRPIN,
    STUN_TESTS,
};

/* The pairs of tests whose silence is an answer. */
enum stun_pair {
    STUN_PAIR_FILTERING,
    STUN_PAIR_HAIRPIN,
    STUN_PAIRS,
};

/*
 * The times, in nanoseconds, all of them for a round trip that is short. Requests whose answer is
 * all that matters go out at 0, 0.25, 0.75, 1.5, 2.25, 3 and 3.75 s and are given up at 5 s; each
 * wait is twice the round trip at least.
 */
#define STUN_PLAIN_FIRST_NS UINT64_C(250000000)
#define STUN_PLAIN_LONGEST_NS UINT64_C(750000000)
#define STUN_PLAIN_LAST_NS UINT64_C(1250000000)
#define STUN_SECOND_DELAY_NS UINT64_C(1000000000)
/*
 * The longest round trip that is believed: what is measured as more has waited for a host that
 * slept. Twice this is the time in which a bind is given up.
 */
#define STUN_ROUND_TRIP_MAX_NS UINT64_C(2500000000)
/* In a round of a pair: the pace, a quarter of the round trip at least, and the end, twice it. */
#define STUN_ROUND_PACE_NS UINT64_C(100000000)
#define STUN_ROUND_LAST_NS UINT64_C(400000000)
enum {
    STUN_ROUND_SENDS = 7,
    STUN_ROUND_CONTROLS = STUN_ROUND_SENDS - 1, /* beside all but the first */
    STUN_ROUNDS = 3,                            /* before the one on the RFC's schedule */
    STUN_CONFIRMED = 5,                         /* answered controls that make silence an answer */
};

/* The most datagrams that a discovery spends: single tests, then the pairs and their controls. */
enum {
    STUN_DISCOVERY_SENT_MAX = (STUN_TESTS - 3 * STUN_PAIRS) * STUN_RC +
                              STUN_PAIRS * (2 * (STUN_ROUNDS * STUN_ROUND_SENDS + STUN_RC) +
                                            STUN_ROUNDS * STUN_ROUND_CONTROLS),
};

struct stun_probe_socket {
    uint32_t socket; /* 0: none */
    uint16_t port;   /* local; 0 until it is open */
    struct addr local;
    struct addr mapped; /* none until bound */
};

/* How a test stands. */
enum stun_verdict {
    STUN_VERDICT_NONE = 0, /* not begun */
    STUN_VERDICT_PENDING,
    STUN_VERDICT_QUIET, /* no answer in the latest round; what that is worth is not settled */
    STUN_VERDICT_ANSWERED,
    STUN_VERDICT_SILENT,
    STUN_VERDICT_BARRED, /* an ICMP error says that nothing gets there */
    STUN_VERDICT_FAILED, /* an error that says nothing about the way */
};

struct stun_discovery {
    bool running;
    bool paired; /* the server has an alternate address and port */
    uint8_t servers;
    uint8_t round[STUN_PAIRS]; /* that is under way, from 0; STUN_ROUNDS: on the RFC's schedule */
    uint8_t confirmed[STUN_PAIRS]; /* controls that were answered, over all rounds */
    uint8_t zero;
    uint64_t started_ns;
    uint64_t round_trip_ns; /* the shortest that a bind took; 0: none has been answered */
    uint64_t sent_before;   /* the client's counts when it began */
    uint64_t received_before;
    struct addr server[NODE_DISCOVER_SERVERS]; /* first the one that the tests are made with */
    struct addr alternate; /* OTHER-ADDRESS: the other address and the other port */
    struct stun_probe_socket probe[STUN_PROBES];
    struct addr seen[STUN_TESTS]; /* by test: the mapped address; of a hairpin the source */
    uint8_t verdict[STUN_TESTS];  /* by test: enum stun_verdict */
};

/*
 * Begins. The node has asked for the three sockets named here; each is reported below. Not while
 * one is running.
 */
void stun_discovery_start(struct stun_discovery *discovery, const struct stun_client *client,
                          const struct context *cx, const struct node_in_discover *discover,
                          const uint32_t sockets[static STUN_PROBES]);

/* A probe socket was opened or refused. True when the discovery has ended by it. */
bool stun_discovery_socket(struct stun_discovery *discovery, struct stun_client *client,
                           const struct context *cx, const struct node_in_socket *socket);

/* A transaction of the discovery ended. True when the discovery has ended with it. */
bool stun_discovery_outcome(struct stun_discovery *discovery, struct stun_client *client,
                            const struct context *cx, const struct stun_outcome *outcome);

/* Do two destinations see one mapping? False also while that is not known. */
bool stun_discovery_mapping_holds(const struct stun_discovery *discovery);

/* What was found; complete once the discovery has ended. */
struct stun_behaviour stun_discovery_result(const struct stun_discovery *discovery,
                                            const struct stun_client *client, uint64_t now_ns);

#endif
