/*
 * The loop that every host runs: one input in, all outputs out, and on the way the tape and the
 * digest. A host embeds one struct drive for each node and says what to do with an output.
 */
#ifndef WARREN_HOST_DRIVE_H
#define WARREN_HOST_DRIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/hash.h"
#include "core/warren.h"
#include "host/tape.h"

/*
 * Does what an output says. The bytes in it are good only during the call; it must not call
 * drive_input().
 */
typedef void drive_output(void *host, const struct node_out *out);

struct drive {
    struct node *node;
    drive_output *output;
    void *host;               /* first argument of output */
    struct tape_writer *tape; /* NULL: nothing is recorded */
    bool digesting;           /* off: the digest costs nothing */
    struct hash digest;       /* over all outputs so far, in canonical little-endian form */
    uint64_t outputs;         /* how many there were */
};

/*
 * No tape, no digest: set the fields afterwards. A full tape begins with tape_start() when the node
 * is made, before its first input, and ends with tape_end(tape, drive->outputs,
 * drive_digest(drive)), so recording needs digesting.
 */
void drive_init(struct drive *drive, struct node *node, drive_output *output, void *host);
/* Feeds exactly one input, then hands every output to the host. */
void drive_input(struct drive *drive, const struct node_in *in);
/* Adds one output, without its time, to a hash. */
void drive_hash_output(struct hash *h, const struct node_out *out);
/* The digest so far; 0 when digesting is off. */
uint64_t drive_digest(const struct drive *drive);

#endif
