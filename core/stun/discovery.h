/*
 * NAT behaviour discovery (RFC 5780, section 4) through three fresh probe sockets.
 *
 * 1. Each socket in turn binds to the server's primary address: is there a NAT, how does it allot
 *    ports (three fresh mappings), does it keep to one external address.
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
 * at most ten new transactions a second; there are no more than ten in all.
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

/* The tests, each one transaction; also the tags of their requests. */
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
    STUN_TESTS,
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
    STUN_VERDICT_ANSWERED,
    STUN_VERDICT_SILENT,
    STUN_VERDICT_BARRED, /* an ICMP error says that nothing gets there */
    STUN_VERDICT_FAILED, /* an error that says nothing about the way */
};

struct stun_discovery {
    bool running;
    bool paired; /* the server has an alternate address and port */
    uint8_t servers;
    uint8_t zero[5];
    uint64_t started_ns;
    uint64_t sent_before; /* the client's counts when it began */
    uint64_t received_before;
    struct addr server[NODE_DISCOVER_SERVERS];
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
