/* Direct or relayed, from what was seen between two answers. */
#include "scenarios/runner/guest_path.h"

#include "core/base/check.h"

void guest_path_sent(struct guest_path *path, uint32_t size)
{
    path->served = path->served || size >= GUEST_PATH_PROBE_SIZE;
}

void guest_path_delivered(struct guest_path *path)
{
    path->between = true;
}

bool guest_path_answered(struct guest_path *path)
{
    bool direct = path->between && !path->served;
    path->between = path->served = false;
    path->doubts = direct ? 0 : (uint8_t)(path->doubts + 1);
    if (direct)
        path->path = NODE_PATH_DIRECT;
    else if (path->path != NODE_PATH_DIRECT || path->doubts >= GUEST_PATH_DOUBTS)
        path->path = NODE_PATH_RELAYED;
    if (path->path == NODE_PATH_RELAYED)
        path->doubts = 0;
    check(path->doubts < GUEST_PATH_DOUBTS);
    return direct;
}
