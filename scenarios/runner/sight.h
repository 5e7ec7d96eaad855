/*
 * What the network sees of tunnels: WireGuard's messages, which nobody on the way can read. Who
 * sent which message to whom, and when, follows from what stands in clear at its head. A handshake
 * message names an index that its sender has just drawn, so from then on the index is that
 * client's; a data message names the index of whom it is for, and a counter that no other one under
 * this index has (the WireGuard paper, sections 5.4.2, 5.4.3 and 5.4.6).
 */
#ifndef WARREN_RUNNER_SIGHT_H
#define WARREN_RUNNER_SIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGHT_MESSAGES = 4096 }; /* that are remembered: many more than are on their way at once */

/* An index, and the client that has drawn it. */
struct sight_index {
    uint64_t sent_ns; /* when the message that names it first was sent; never 0 */
    uint32_t index;
    uint32_t place;
};

/* A data message with something in it. */
struct sight_message {
    uint64_t counter;
    uint64_t sent_ns;
    uint32_t receiver; /* index */
    uint32_t from;     /* places of the scenario */
    uint32_t to;
    bool direct; /* it was sent to where no relay is, too */
};

struct sight {
    struct sight_index *indices; /* open addressing; sent_ns 0: free */
    uint32_t index_count;
    uint32_t index_room;            /* a power of two, or 0 */
    struct sight_message *messages; /* a ring */
    uint64_t message_count;
};

/* The number has been drawn by this client, unless it has been before. */
void sight_drawn(struct sight *sight, uint32_t index, uint32_t place, uint64_t now_ns);
/* Whose number it is; NULL: nobody's. Good until the next is drawn. */
const struct sight_index *sight_owner(const struct sight *sight, uint32_t index);
/*
 * A client sends the data message, one of its two copies; NULL when it is for nobody known. Good
 * until so many others have been sent.
 */
struct sight_message *sight_sent(struct sight *sight, uint32_t receiver, uint64_t counter,
                                 uint32_t from, uint64_t now_ns);
/* The message as it was sent; NULL: it never was, or long ago. */
const struct sight_message *sight_find(const struct sight *sight, uint32_t receiver,
                                       uint64_t counter);
void sight_free(struct sight *sight);

#endif
