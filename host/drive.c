/* The loop that every host runs: one input in, all outputs out. */
#include "host/drive.h"

#include "core/base/check.h"

static void digest_addr(struct hash *h, const struct addr *addr)
{
    hash_u64(h, (uint64_t)addr->family << 16 | addr->port);
    hash_bytes(h, addr->ip, sizeof addr->ip);
}

static void digest_behaviour(struct hash *h, const struct stun_behaviour *behaviour)
{
    hash_u64(h, behaviour->nat);
    hash_u64(h, behaviour->mapping);
    hash_u64(h, behaviour->filtering);
    hash_u64(h, behaviour->hairpin);
    hash_u64(h, behaviour->ports);
    hash_u64(h, behaviour->pooling);
    hash_u64(h, behaviour->trap);
    hash_u64(h, (uint64_t)(int64_t)behaviour->step);
    digest_addr(h, &behaviour->server);
    digest_addr(h, &behaviour->local);
    digest_addr(h, &behaviour->mapped);
    hash_u64(h, behaviour->sent);
    hash_u64(h, behaviour->received);
    hash_u64(h, behaviour->duration_ns);
}

static void digest_path(struct hash *h, const struct node_out_path *path)
{
    hash_bytes(h, path->peer, sizeof path->peer);
    hash_u64(h, path->path);
    hash_u64(h, path->reason);
    digest_addr(h, &path->remote);
    hash_u64(h, path->rtt_ns);
}

static void digest_deliver(struct hash *h, const struct node_out_deliver *deliver)
{
    hash_bytes(h, deliver->peer, sizeof deliver->peer);
    hash_u64(h, deliver->relayed);
    hash_u64(h, deliver->size);
    hash_bytes(h, deliver->bytes, deliver->size);
}

/* Field by field, since a struct's bytes have padding and a machine's byte order. */
void drive_hash_output(struct hash *h, const struct node_out *out)
{
    hash_u64(h, (uint64_t)out->kind);
    switch (out->kind) {
    case NODE_OUT_SEND:
        hash_u64(h, out->send.socket);
        digest_addr(h, &out->send.source);
        digest_addr(h, &out->send.remote);
        hash_u64(h, out->send.segment);
        hash_u64(h, (uint64_t)out->send.ttl << 1 | out->send.dont_fragment);
        hash_u64(h, out->send.size);
        hash_bytes(h, out->send.bytes, out->send.size);
        break;
    case NODE_OUT_OPEN:
        hash_u64(h, out->open.socket);
        hash_u64(h, out->open.family);
        break;
    case NODE_OUT_CLOSE:
        hash_u64(h, out->close);
        break;
    case NODE_OUT_BEHAVIOUR:
        digest_behaviour(h, &out->behaviour);
        break;
    case NODE_OUT_HOME:
        digest_addr(h, &out->home.server);
        digest_addr(h, &out->home.mapped);
        break;
    case NODE_OUT_PATH:
        digest_path(h, &out->path);
        break;
    case NODE_OUT_DELIVER:
        digest_deliver(h, &out->deliver);
        break;
    case NODE_OUT_PACKET:
        hash_u64(h, out->packet.segment);
        hash_u64(h, out->packet.size);
        hash_bytes(h, out->packet.bytes, out->packet.size);
        break;
    }
}

void drive_init(struct drive *drive, struct node *node, drive_output *output, void *host)
{
    check(node != NULL && output != NULL);
    *drive = (struct drive){.node = node, .output = output, .host = host};
    hash_start(&drive->digest, (struct hash_key){.word = {0, 0}});
}

void drive_input(struct drive *drive, const struct node_in *in)
{
    if (drive->tape != NULL)
        tape_input(drive->tape, in);
    node_input(drive->node, in);
    struct node_out out;
    while (node_output(drive->node, &out)) {
        drive->outputs++;
        if (drive->digesting) {
            hash_u64(&drive->digest, in->now_ns);
            drive_hash_output(&drive->digest, &out);
        }
        drive->output(drive->host, &out);
    }
}

uint64_t drive_digest(const struct drive *drive)
{
    return drive->digesting ? hash_value(&drive->digest) : 0;
}
