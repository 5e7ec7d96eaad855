/* Messages of tunnels, as the network sees them. */
#include "scenarios/runner/sight.h"

#include <stdlib.h>

#include "core/base/check.h"

enum { INDICES_FIRST = 64 };

/* Where the index is, or would be. Indices are random already. */
static struct sight_index *slot_of(struct sight_index *indices, uint32_t room, uint32_t index)
{
    uint32_t at = index & (room - 1);
    check(room > 0 && (room & (room - 1)) == 0);
    while (indices[at].sent_ns != 0 && indices[at].index != index)
        at = (at + 1) & (room - 1);
    return &indices[at];
}

/* A table that is half full is twice as large from then on, so every search ends soon. */
static void make_room(struct sight *sight)
{
    if (2 * sight->index_count < sight->index_room)
        return;
    uint32_t room = sight->index_room == 0 ? INDICES_FIRST : 2 * sight->index_room;
    struct sight_index *indices = calloc(room, sizeof *indices);
    check(indices != NULL);
    for (uint32_t i = 0; i < sight->index_room; i++)
        if (sight->indices[i].sent_ns != 0)
            *slot_of(indices, room, sight->indices[i].index) = sight->indices[i];
    free(sight->indices);
    sight->indices = indices;
    sight->index_room = room;
}

void sight_drawn(struct sight *sight, uint32_t index, uint32_t place, uint64_t now_ns)
{
    check(now_ns > 0);
    make_room(sight);
    struct sight_index *slot = slot_of(sight->indices, sight->index_room, index);
    if (slot->sent_ns != 0)
        return;
    *slot = (struct sight_index){.sent_ns = now_ns, .index = index, .place = place};
    sight->index_count++;
}

const struct sight_index *sight_owner(const struct sight *sight, uint32_t index)
{
    if (sight->index_room == 0)
        return NULL;
    const struct sight_index *slot = slot_of(sight->indices, sight->index_room, index);
    return slot->sent_ns != 0 ? slot : NULL;
}

/* From the last one backwards: what is looked for was sent a short while ago. */
const struct sight_message *sight_find(const struct sight *sight, uint32_t receiver,
                                       uint64_t counter)
{
    uint64_t count = sight->message_count;
    uint64_t kept = count < SIGHT_MESSAGES ? count : SIGHT_MESSAGES;
    for (uint64_t i = 1; i <= kept; i++) {
        const struct sight_message *message = &sight->messages[(count - i) % SIGHT_MESSAGES];
        if (message->receiver == receiver && message->counter == counter)
            return message;
    }
    return NULL;
}

struct sight_message *sight_sent(struct sight *sight, uint32_t receiver, uint64_t counter,
                                 uint32_t from, uint64_t now_ns)
{
    const struct sight_index *owner = sight_owner(sight, receiver);
    if (owner == NULL)
        return NULL;
    if (sight->messages == NULL)
        sight->messages = calloc(SIGHT_MESSAGES, sizeof *sight->messages);
    check(sight->messages != NULL);
    /* Both copies leave one after the other, and nothing else in between. */
    if (sight->message_count > 0) {
        struct sight_message *last = &sight->messages[(sight->message_count - 1) % SIGHT_MESSAGES];
        if (last->receiver == receiver && last->counter == counter)
            return last;
    }
    struct sight_message *message = &sight->messages[sight->message_count++ % SIGHT_MESSAGES];
    *message = (struct sight_message){.counter = counter,
                                      .sent_ns = now_ns,
                                      .receiver = receiver,
                                      .from = from,
                                      .to = owner->place};
    return message;
}

void sight_free(struct sight *sight)
{
    free(sight->indices);
    free(sight->messages);
}
