/*
 * The identities of a scenario's nodes: keys, certificates, credentials and server records, all of
 * them functions of the nodes' names, so that a name means the same node in every scenario. The
 * addresses inside the mesh alone are those of a place, so that no two are the same in a scenario.
 * What was signed once is kept until the process ends: a script with thousands of scenarios has few
 * names.
 */
#ifndef WARREN_RUNNER_MESH_H
#define WARREN_RUNNER_MESH_H

#include <stdint.h>

#include "core/bootstrap/identity.h"
#include "core/warren.h"
#include "scenarios/runner/plan.h"
#include "sim/net.h"

/* What every node's wall clock says when a run begins: seconds since 1970. */
#define MESH_CLOCK_S UINT64_C(1800000000)

/*
 * The clock of nodes whose clock is another, such as that of real daemons: papers that are asked
 * for from now on are signed for a run that begins at `now_s`. Those from before stay as they are.
 */
void mesh_set_clock(uint64_t now_s);

/* The public key of the node of this name: its identity. Good until the process ends. */
const uint8_t *mesh_key(const char *name);

/* Its public tunnel key, which a certificate or credential has beside it. Likewise. */
const uint8_t *mesh_tunnel_key(const char *name);

/*
 * The address that the member at this place of its scenario has inside the mesh: of 10.64.0.0/10,
 * or a unique local one (RFC 4193).
 */
struct addr mesh_inner(uint32_t place, uint8_t family);

/*
 * NODE_IN_IDENTITY of a server, where `issuer` is NULL, or of the client at `place` with a
 * credential that the server `issuer` has signed. What it points to is good until the process ends.
 */
void mesh_identity(struct node_in *in, const char *name, const char *issuer, uint32_t place);
/* NODE_IN_PEER: the client of this name at `place`, with its key and its addresses inside. */
void mesh_peer(struct node_in *in, const char *name, uint32_t place);

/*
 * Where a server listens: at the first address that its host in the net has in each family, with a
 * port for each role that it has. The number of endpoints.
 */
uint32_t mesh_endpoints(const struct net *net, uint32_t host, const struct plan_place *server,
                        struct endpoint endpoints[static SERVER_ENDPOINTS_MAX]);

/*
 * NODE_IN_SERVER for the server of this name, which has signed that it listens at these endpoints,
 * at most SERVER_ENDPOINTS_MAX and in any order. Likewise.
 */
void mesh_server(struct node_in *in, const char *name, const struct endpoint *endpoints,
                 uint32_t count);

#endif
