/*
 * Tapes: everything that happened to one node, so that it can happen again. A tape is an envelope
 * (magic, version) and records of kind, length and payload, all big-endian. The first record says
 * how the node was made, the last how the run ended. A tape holds the node's seed, the private keys
 * of its identity and every byte it was sent: whoever has it has the node's secrets.
 *
 *   envelope  "WARRENTP", u32 version record    u16 kind, u16 zero, u32 length, then `length` bytes
 *
 * The fields of each record are in docs/tapes.md.
 */
#ifndef WARREN_HOST_TAPE_H
#define WARREN_HOST_TAPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/warren.h"

enum {
    TAPE_VERSION = 3,
    TAPE_ENVELOPE_SIZE = 12,
    TAPE_RECORD_HEADER_SIZE = 8,
    TAPE_INPUT_MAX =
        NODE_PACKETS_MAX + 256, /* bytes of an input's record at most: one train and its fields */
};

enum tape_kind {
    TAPE_START = 1, /* limits and seed */
    TAPE_INPUT = 2, /* one input */
    TAPE_END = 3,   /* number of outputs and digest */
};

/*
 * Where recorded bytes go; false when they could not be kept, after which nothing more is written.
 */
typedef bool tape_sink(void *host, const uint8_t *bytes, size_t size);

struct tape_writer {
    tape_sink *sink;
    void *host;
    bool failed;
};

void tape_start(struct tape_writer *tape, tape_sink *sink, void *host,
                const struct node_limits *limits, const uint8_t seed[static RANDOM_SEED_SIZE]);
void tape_input(struct tape_writer *tape, const struct node_in *in);
void tape_end(struct tape_writer *tape, uint64_t outputs, uint64_t digest);

enum tape_error {
    TAPE_OK = 0,
    TAPE_FOREIGN,     /* does not begin as a tape does */
    TAPE_VERSION_NEW, /* a tape of a version that this build does not know */
    TAPE_TRUNCATED,   /* stops within a record, or without its end */
    TAPE_MALFORMED,   /* a record that no writer makes */
};

/* A sentence for each, without the tape's name. */
const char *tape_error_text(enum tape_error error);

struct tape_record {
    enum tape_kind kind;
    struct node_limits limits; /* TAPE_START */
    uint8_t seed[RANDOM_SEED_SIZE];
    struct node_in in; /* TAPE_INPUT; its bytes point into the tape */
    uint64_t outputs;  /* TAPE_END */
    uint64_t digest;
};

/* Reads a tape that lies in memory, which it borrows. */
struct tape_reader {
    const uint8_t *bytes;
    size_t size;
    size_t index;
    uint64_t now_ns; /* of the last input: a tape's time may not go back */
    bool started;
    bool ended;
};

enum tape_error tape_open(struct tape_reader *tape, const uint8_t *bytes, size_t size);
/*
 * The next record: the first is TAPE_START, the last TAPE_END. After TAPE_END, or after an error,
 * it must not be called again. tape->index is then where the trouble lies.
 */
enum tape_error tape_next(struct tape_reader *tape, struct tape_record *record);

#endif
