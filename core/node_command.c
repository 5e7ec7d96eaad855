/* The host's commands to a node, each to its protocol. */
#include <string.h>

#include "core/base/check.h"
#include "core/node_state.h"

static void invalid(const struct context *cx, enum node_in_kind kind)
{
    context_trace(cx, TRACE_COMMAND_INVALID, (struct trace_record){.number = kind});
}

static void command_serve_stun(struct node *node, const struct context *cx,
                               const struct node_in_serve_stun *serve)
{
    bool valid = serve->count == 0 || (serve->count <= NODE_STUN_ADDRESSES && serve->port != 0 &&
                                       serve->port != serve->alternate_port);
    for (uint32_t i = 0; valid && i < serve->count; i++)
        valid = addr_is_unicast(&serve->addresses[i]);
    if (valid)
        stun_server_serve(&node->server, serve);
    else
        invalid(cx, NODE_IN_SERVE_STUN);
}

static void command_discover(struct node *node, const struct context *cx,
                             const struct node_in_discover *command)
{
    bool valid = command->count >= 1 && command->count <= NODE_DISCOVER_SERVERS;
    for (uint32_t i = 0; valid && i < command->count; i++) {
        const struct addr *server = &command->servers[i];
        valid = addr_is_unicast(server) && server->port != 0 &&
                server->family == command->servers[0].family;
    }
    if (!valid) {
        invalid(cx, NODE_IN_DISCOVER);
        return;
    }
    if (!node->discovery.running)
        node_discover(node, cx, command);
}

static void command_identity(struct node *node, const struct context *cx,
                             const struct node_in_identity *in)
{
    if (node->self.ready) {
        invalid(cx, NODE_IN_IDENTITY);
        return;
    }
    enum identity_error error = self_set(&node->self, cx->crypto, cx->now_ns, in);
    if (error != IDENTITY_OK) {
        context_trace(cx, TRACE_IDENTITY_REFUSED, (struct trace_record){.number = error});
        return;
    }
    seal_configure(&node->seal, cx->crypto, node->self.tunnel_key, node->self.introduction,
                   node->self.introduction_size);
    struct tunnel_tools tools = node_tunnel_tools(node, cx);
    tunnel_configure(&node->tunnel, &tools);
}

static void command_server(struct node *node, const struct context *cx,
                           const struct node_in_server *in)
{
    struct certificate certificate;
    struct server_record record;
    enum identity_error error =
        certificate_decode(&certificate, in->certificate, in->certificate_size);
    if (error == IDENTITY_OK)
        error = server_record_decode(&record, in->record, in->record_size);
    if (error == IDENTITY_OK) {
        struct identity_trust trust = self_trust(&node->self, cx->now_ns);
        error = server_record_verify(&record, &certificate, cx->crypto, &trust);
    }
    if (error != IDENTITY_OK || !node->self.ready) {
        context_trace(cx, TRACE_IDENTITY_REFUSED, (struct trace_record){.number = error});
        return;
    }
    struct member member = {.server = true, .name = certificate.name, .roles = certificate.roles};
    memcpy(member.identity, certificate.identity, sizeof member.identity);
    memcpy(member.tunnel_key, certificate.tunnel_key, sizeof member.tunnel_key);
    if (memcmp(member.identity, node->self.identity, sizeof member.identity) == 0)
        return;
    struct addr relay = server_record_endpoint(&record, ENDPOINT_RELAY, ADDR_NONE);
    struct path_tools tools = node_path_tools(node, cx);
    struct home_tools home = node_home_tools(node, cx);
    if (node->self.server)
        home_know_server(&node->home, &home, &member, &relay);
    else
        client_know_server(tools.client, &tools.tools, &member, &record);
}

static void command_serve_mesh(struct node *node, const struct context *cx,
                               const struct node_in_serve_mesh *serve)
{
    bool serving = serve->punch_port != 0;
    if ((serving && !(node->self.ready && node->self.server)) ||
        (serve->relay_port != 0) != serving ||
        (serving && serve->relay_port == serve->punch_port)) {
        invalid(cx, NODE_IN_SERVE_MESH);
        return;
    }
    node->serving_mesh = serving;
    struct home_tools tools = node_home_tools(node, cx);
    home_serve(&node->home, &tools, serving);
}

static void command_network(struct node *node, const struct context *cx,
                            const struct node_in_network *network)
{
    bool valid = network->count <= NODE_ADDRESSES && node->self.ready && !node->self.server &&
                 (network->count == 0 || network->traffic_port != 0);
    for (uint32_t i = 0; valid && i < network->count; i++)
        valid = addr_is_unicast(&network->addresses[i]) && network->addresses[i].port == 0 &&
                !addr_is_mapped_v4(&network->addresses[i]);
    if (!valid) {
        invalid(cx, NODE_IN_NETWORK);
        return;
    }
    struct path_tools tools = node_path_tools(node, cx);
    client_network(tools.client, &tools.tools, network);
    path_network(&node->paths, &tools);
    if (tools.client->running)
        node_discover_own(node, cx);
}

static void command_carry(struct node *node, const struct context *cx,
                          const struct node_in_carry *carry)
{
    struct path_tools tools = node_path_tools(node, cx);
    if (carry->size == 0 || carry->size > NODE_CARRY_MAX ||
        frame_is_ours(carry->bytes, carry->size) || stun_is_message(carry->bytes, carry->size))
        invalid(cx, NODE_IN_CARRY);
    else
        path_carry(&node->paths, &tools, carry);
}

static void command_connect(struct node *node, const struct context *cx,
                            const struct node_in_connect *connect)
{
    static const uint8_t nobody[IDENTITY_SIZE];
    struct path_tools tools = node_path_tools(node, cx);
    if (!node->self.ready || node->self.server ||
        memcmp(connect->peer, node->self.identity, sizeof connect->peer) == 0 ||
        memcmp(connect->peer, nobody, sizeof nobody) == 0)
        invalid(cx, NODE_IN_CONNECT);
    else
        path_connect(&node->paths, &tools, connect->peer);
}

static void command_peer(struct node *node, const struct context *cx,
                         const struct node_in_peer *peer)
{
    struct tunnel_tools tools = node_tunnel_tools(node, cx);
    if (!tunnel_peer(&node->tunnel, &tools, peer))
        invalid(cx, NODE_IN_PEER);
}

void node_command(struct node *node, const struct context *cx, const struct node_in *in)
{
    switch (in->kind) {
    case NODE_IN_SERVE_STUN:
        command_serve_stun(node, cx, &in->serve_stun);
        return;
    case NODE_IN_DISCOVER:
        command_discover(node, cx, &in->discover);
        return;
    case NODE_IN_WALL_CLOCK:
        self_clock(&node->self, in->now_ns, in->wall_clock.now_s);
        return;
    case NODE_IN_IDENTITY:
        command_identity(node, cx, &in->identity);
        return;
    case NODE_IN_SERVER:
        command_server(node, cx, &in->server);
        return;
    case NODE_IN_SERVE_MESH:
        command_serve_mesh(node, cx, &in->serve_mesh);
        return;
    case NODE_IN_NETWORK:
        command_network(node, cx, &in->network);
        return;
    case NODE_IN_CONNECT:
        command_connect(node, cx, &in->connect);
        return;
    case NODE_IN_CARRY:
        command_carry(node, cx, &in->carry);
        return;
    case NODE_IN_PEER:
        command_peer(node, cx, &in->peer);
        return;
    default:
        warren_check_failed("an input kind that the core knows", __FILE__, __LINE__);
    }
}
