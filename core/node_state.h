/* What node.c and node_command.c share: the node, and who works with whom in it. */
#ifndef WARREN_NODE_STATE_H
#define WARREN_NODE_STATE_H

#include "core/base/context.h"
#include "core/base/pool.h"
#include "core/bootstrap/self.h"
#include "core/frame/seal.h"
#include "core/punch/client.h"
#include "core/punch/home.h"
#include "core/punch/path.h"
#include "core/relay/server.h"
#include "core/stun/client.h"
#include "core/stun/discovery.h"
#include "core/stun/server.h"
#include "core/tunnel/tunnel.h"
#include "core/warren.h"

/* A probe socket, from the request to open it until it is closed. */
struct probe {
    uint32_t socket;
    bool open;
};

/*
 * Everything about a node, but for what hangs behind it in the same block. No pointers but `env`.
 */
struct node {
    uint64_t magic;
    uint64_t size; /* of the whole block */
    const struct node_env *env;
    struct node_limits limits;
    uint64_t now_ns;
    uint64_t counts[TRACE_KINDS];
    struct random_secret secret;
    struct timers timers;
    struct outbox outbox;
    struct pool probes;
    struct stun_client client;
    struct stun_server server;
    struct stun_discovery discovery;
    bool serving_mesh;
    bool rediscover; /* something has changed since the discovery began */
    struct self self;
    struct seal seal;
    struct client punch_client;
    struct paths paths;
    struct home home;
    struct relay_server relay;
    struct tunnel tunnel;
};

static inline struct path_tools node_path_tools(struct node *node, const struct context *cx)
{
    return (struct path_tools){
        .tools = {.cx = cx, .self = &node->self, .seal = &node->seal},
        .client = &node->punch_client,
    };
}

static inline struct home_tools node_home_tools(struct node *node, const struct context *cx)
{
    return (struct home_tools){
        .cx = cx, .self = &node->self, .seal = &node->seal, .relay = &node->relay};
}

static inline struct tunnel_tools node_tunnel_tools(struct node *node, const struct context *cx)
{
    return (struct tunnel_tools){
        .cx = cx, .self = &node->self, .paths = &node->paths, .path = node_path_tools(node, cx)};
}

/* Begins a discovery; there is none under way. */
void node_discover(struct node *node, const struct context *cx,
                   const struct node_in_discover *discover);
/* A client finds out what it is behind, through its servers. */
void node_discover_own(struct node *node, const struct context *cx);
/* Takes an input that is a command of the host. */
void node_command(struct node *node, const struct context *cx, const struct node_in *in);

#endif
