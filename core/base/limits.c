/* How much a node may hold, to start from. */
#include "core/base/limits.h"

const struct node_limits node_limits_client = {
    .outputs = 256,
    .output_bytes = 256 * 1024,
    .stun_probes = 8,
    .stun_transactions = 32,
    .stun_sources = 16,
    .sessions = 16,
    .unproven = 64,
    .servers = 8,
    .clients = 1,
    .locations = 1,
    .pairs = 1,
    .paths = 64,
    .tunnel_peers = 64,
    .tunnel_subnets = 256,
    .tunnel_queue = 256,
};

const struct node_limits node_limits_server = {
    .outputs = 256,
    .output_bytes = 256 * 1024,
    .stun_probes = 8,
    .stun_transactions = 64,
    .stun_sources = 65536,
    .sessions = 16384,
    .unproven = 65536,
    .servers = 64,
    .clients = 16384,
    .locations = 65536,
    .pairs = 16384,
    .paths = 1,
    .tunnel_peers = 1024,
    .tunnel_subnets = 4096,
    .tunnel_queue = 1024,
};
