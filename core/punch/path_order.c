/* Who comes first: docs/protocol.md, "Order". */
#include <string.h>

#include "core/punch/path_state.h"

static enum reason_order order_of(const struct path_tools *t, const struct path *path)
{
    struct reason_side mine = client_side_here(t->client);
    return path_same_mapped(t, path) ? REASON_ORDER_NONE : reason_order(&mine, &path->theirs);
}

void path_order_begin(const struct path_tools *t, struct path *path)
{
    bool heard = path->calls[path->newest].heard;
    path->order = (uint8_t)(heard ? REASON_ORDER_NONE : order_of(t, path));
}

/* It concerns the NAT where the peer is seen, and ways that are not open yet. */
static bool concerns(const struct path *path, const struct path_remote *remote)
{
    return !remote->valid && addr_equal_ip(&remote->addr, &path->observed);
}

bool path_order_holds(const struct path *path)
{
    return path->order == REASON_ORDER_OPENED || path->order == REASON_ORDER_PASSED;
}

bool path_order_silences(const struct path *path, const struct path_remote *remote)
{
    return path->order == REASON_ORDER_HEARD && concerns(path, remote);
}

/*
 * A caller that is told first is so by less than the direct way takes, unless that is longer than
 * the way through the homes; so what it sends early does not come too early. A callee's may.
 */
static bool is_too_early(const struct path *path)
{
    const uint8_t *nonce = path->calls[path->newest].nonce;
    bool caller = memcmp(nonce, path->calling_nonce, PUNCH_NONCE_SIZE) == 0;
    return path->order == REASON_ORDER_TOLD && path->early && !caller;
}

uint8_t path_order_ttl(const struct path *path, const struct path_remote *remote)
{
    bool knocks = (is_too_early(path) || path_order_holds(path)) && concerns(path, remote);
    return knocks && remote->paced == 0 ? PATH_KNOCK_TTL : 0;
}

uint64_t path_order_wait_ns(const struct path *path, const struct path_remote *remote,
                            uint64_t wait_ns)
{
    uint64_t hold_ns = path->order == REASON_ORDER_PASSED ? PATH_PASS_NS : PATH_HOLD_NS;
    bool held = path_order_holds(path) && concerns(path, remote) && wait_ns < hold_ns;
    return held ? hold_ns : wait_ns;
}

/*
 * The peer has sent something, through the relay or not, so its probes have left, too: we need not
 * hold ours any longer. Not so if it knocks for our trap, which may be further out than our knock
 * came: there the first whole probes of both must be on their way at the same time. And where the
 * peer must have come to our NATs, only what came directly surely has.
 */
void path_order_heard(const struct path_tools *t, struct path *path, bool relayed)
{
    uint64_t now_ns = t->tools.cx->now_ns;
    path->calls[path->newest].heard = path->calls[path->newest].heard || !relayed;
    bool comes = path->order == REASON_ORDER_PASSED || path->order == REASON_ORDER_HEARD ||
                 t->client->side.trap == STUN_TRAP_YES;
    if (path->order == REASON_ORDER_TOLD)
        path->order = REASON_ORDER_NONE; /* who has sent has been told; there is nothing to hurry */
    if (path->order == REASON_ORDER_NONE || (comes && relayed))
        return;
    uint64_t next_ns = now_ns + (relayed ? 0 : PATH_SOON_NS);
    for (uint8_t i = 0; i < path->remote_count; i++) {
        struct path_remote *remote = &path->remotes[i];
        bool sooner = !relayed || remote->next_ns > next_ns;
        if (concerns(path, remote) && remote->paced < PATH_PACE && sooner)
            remote->next_ns = next_ns;
    }
    path->order = REASON_ORDER_NONE;
}

/* The filter of a NAT that has the trap knows nothing of where we are now, so nothing is lost. */
bool path_order_leave(const struct path_tools *t, struct path *path)
{
    bool gave_up = false;
    if (client_side_here(t->client).nat != STUN_NAT_UNKNOWN ||
        order_of(t, path) != REASON_ORDER_OPENED)
        return false;
    for (uint8_t i = 0; i < path->remote_count; i++) {
        struct path_remote *remote = &path->remotes[i];
        if (!addr_equal_ip(&remote->addr, &path->observed))
            continue;
        gave_up = gave_up || remote->valid;
        remote->valid = false;
        remote->next_ns = UINT64_MAX;
        if (i == path->chosen)
            path->chosen = PATH_NONE;
    }
    path->doubt = path->doubt && path->chosen != PATH_NONE;
    return gave_up;
}
