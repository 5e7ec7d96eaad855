/* Which counters of a numbered stream were seen. */
#include "core/base/replay.h"

#include "core/base/check.h"

bool replay_seen(const struct replay *replay, uint64_t counter)
{
    if (replay->window == 0 || counter > replay->highest)
        return false;
    uint64_t late = replay->highest - counter;
    return late >= REPLAY_WINDOW || (replay->window >> late & 1) != 0;
}

void replay_mark(struct replay *replay, uint64_t counter)
{
    check(!replay_seen(replay, counter));
    if (replay->window == 0 || counter > replay->highest) {
        uint64_t ahead = counter - replay->highest;
        replay->window = ahead < REPLAY_WINDOW ? replay->window << ahead : 0;
        replay->window |= 1;
        replay->highest = counter;
    } else {
        replay->window |= UINT64_C(1) << (replay->highest - counter);
    }
}
