/* How much a node may hold, to start from. */
#include "core/base/limits.h"

const struct node_limits node_limits_client = {
    .outputs = 64,
    .output_bytes = 64 * 1024,
    .stun_probes = 8,
    .stun_transactions = 32,
    .stun_sources = 16,
};

const struct node_limits node_limits_server = {
    .outputs = 256,
    .output_bytes = 256 * 1024,
    .stun_probes = 8,
    .stun_transactions = 64,
    .stun_sources = 65536,
};
