/*
 * Fuzzes the tape reader: any bytes are read as a tape, with and without a good envelope in front;
 * every record that is accepted is written again and must come out as the bytes it was read from.
 */
#include "host/tape.h"
#include "core/base/check.h"
#include "fuzz/harness.h"

/* What a writer writes must be what the reader read. */
struct mirror {
    const uint8_t *bytes;
    size_t size;
    size_t index;
};

static bool compare(void *host, const uint8_t *bytes, size_t size)
{
    struct mirror *mirror = host;
    check(size <= mirror->size - mirror->index);
    check(memcmp(mirror->bytes + mirror->index, bytes, size) == 0);
    mirror->index += size;
    return true;
}

static void check_written(const struct tape_reader *tape, size_t from,
                          const struct tape_record *record)
{
    struct mirror mirror = {tape->bytes, tape->index, from};
    struct tape_writer writer = {.sink = compare, .host = &mirror};
    switch (record->kind) {
    case TAPE_START: /* its envelope is written with it */
        check(from == TAPE_ENVELOPE_SIZE);
        mirror.index = 0;
        tape_start(&writer, compare, &mirror, &record->limits, record->seed);
        break;
    case TAPE_INPUT:
        tape_input(&writer, &record->in);
        break;
    case TAPE_END:
        tape_end(&writer, record->outputs, record->digest);
        break;
    }
    check(mirror.index == tape->index);
}

static void read_all(const uint8_t *bytes, size_t size)
{
    struct tape_reader tape;
    enum tape_error error = tape_open(&tape, bytes, size);
    uint64_t now_ns = 0;
    bool started = false;
    while (error == TAPE_OK && !tape.ended) {
        struct tape_record record;
        size_t from = tape.index;
        error = tape_next(&tape, &record);
        check(tape.index <= size);
        if (error != TAPE_OK)
            break;
        check(tape.index >= from + TAPE_RECORD_HEADER_SIZE);
        check(started == (record.kind != TAPE_START));
        started = true;
        if (record.kind == TAPE_INPUT) {
            check(record.in.now_ns >= now_ns);
            now_ns = record.in.now_ns;
        }
        check_written(&tape, from, &record);
    }
    check(error != TAPE_OK || tape.index == size);
    check(tape_error_text(error) != NULL);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    static const uint8_t envelope[TAPE_ENVELOPE_SIZE] = {'W', 'A', 'R', 'R', 'E', 'N',
                                                         'T', 'P', 0,   0,   0,   TAPE_VERSION};
    read_all(data, size);
    uint8_t *bytes = malloc(sizeof envelope + size);
    check(bytes != NULL);
    memcpy(bytes, envelope, sizeof envelope);
    if (size > 0)
        memcpy(bytes + sizeof envelope, data, size);
    read_all(bytes, sizeof envelope + size);
    free(bytes);
}
