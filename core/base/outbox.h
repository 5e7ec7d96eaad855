/*
 * What a node wants done as a result of one input: outputs in order, and the bytes that they point
 * to.
 */
#ifndef WARREN_BASE_OUTBOX_H
#define WARREN_BASE_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/warren.h"

/* Datagrams of one train, and its bytes, that every system sends at once. */
enum { OUTBOX_TRAIN_MAX = 64, OUTBOX_TRAIN_BYTES_MAX = 65000 };

struct outbox {
    int64_t outputs; /* array of struct node_out, in bytes from this struct */
    int64_t bytes;   /* likewise */
    uint32_t capacity;
    uint32_t bytes_capacity;
    uint32_t count;      /* outputs put in */
    uint32_t taken;      /* outputs taken out */
    uint32_t bytes_used; /* reset, like the counts, by the next input */
    uint32_t kept;       /* places that only what must not be lost may take */
};

size_t outbox_bytes(uint32_t capacity, uint32_t bytes_capacity);
void outbox_init(struct outbox *outbox, void *memory, uint32_t capacity, uint32_t bytes_capacity);
/* So many places are kept from datagrams and from the news of a path, which is told again. */
void outbox_keep(struct outbox *outbox, uint32_t places);

bool outbox_drained(const struct outbox *outbox);
/* Forgets everything that was taken out; only when drained. */
void outbox_reset(struct outbox *outbox);
bool outbox_take(struct outbox *outbox, struct node_out *out);

/* Adds an output that the outbox keeps no bytes of; false when it is full. */
bool outbox_put(struct outbox *outbox, const struct node_out *out);
/* Where the bytes of the next datagram go, and how many fit: write there, then outbox_send(). */
uint8_t *outbox_room(struct outbox *outbox, size_t *capacity);
/*
 * Adds a datagram of `size` bytes written to outbox_room(); false when the outbox is full, or the
 * size is 0.
 */
bool outbox_send(struct outbox *outbox, size_t size, struct node_out_send send);
/*
 * Likewise, but the datagram joins the train that was sent last, if that goes the same way and this
 * one is no longer than its others: one output, and one system call, for many.
 */
bool outbox_train(struct outbox *outbox, size_t size, struct node_out_send send);
/* Adds an IP packet for the host, written to outbox_room(): NODE_OUT_PACKET, in trains likewise. */
bool outbox_packet(struct outbox *outbox, size_t size);

#endif
