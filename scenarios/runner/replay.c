/* Replays tapes. */
#include "scenarios/runner/replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "crypto/crypto.h"
#include "host/drive.h"
#include "host/tape.h"

/*
 * A tape's first record says how much memory its node takes; a foreign one could ask for anything.
 */
enum { NODE_BYTES_MAX = 1 << 30 };

static void ignore(void *host, const struct node_out *out)
{
    (void)host;
    (void)out;
}

/* The whole file; NULL, with errno set, when it cannot be read. */
static uint8_t *read_whole(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = NULL;
    size_t room = 0;
    *size = 0;
    while (file != NULL && !feof(file) && !ferror(file)) {
        if (*size == room) {
            room = room == 0 ? 1 << 16 : room * 2;
            uint8_t *grown = realloc(bytes, room);
            check(grown != NULL);
            bytes = grown;
        }
        *size += fread(bytes + *size, 1, room - *size, file);
    }
    if (file == NULL || ferror(file)) {
        int saved = errno;
        free(bytes);
        bytes = NULL;
        if (file != NULL)
            fclose(file);
        errno = saved;
        return NULL;
    }
    fclose(file);
    return bytes;
}

/* Feeds the tape's inputs; its time was checked by the reader. */
static enum tape_error feed(struct replay *replay, struct tape_reader *tape, const char **problem)
{
    struct tape_record record;
    enum tape_error error = tape_next(tape, &record);
    if (error != TAPE_OK)
        return error;
    check(record.kind == TAPE_START);
    size_t size = node_size(&record.limits);
    void *memory = size <= NODE_BYTES_MAX ? calloc(1, size) : NULL;
    if (memory == NULL) {
        *problem = "its node needs more memory than there is";
        return TAPE_OK;
    }
    const struct node_env env = {.crypto = &crypto_real};
    struct drive drive;
    drive_init(&drive, node_init(memory, size, &record.limits, record.seed, &env), ignore, NULL);
    drive.digesting = true;
    while ((error = tape_next(tape, &record)) == TAPE_OK && record.kind == TAPE_INPUT) {
        drive_input(&drive, &record.in);
        replay->inputs++;
    }
    replay->outputs = drive.outputs;
    replay->digest = drive_digest(&drive);
    if (error == TAPE_OK) {
        replay->recorded_digest = record.digest;
        replay->recorded_outputs = record.outputs;
    }
    free(memory);
    return error;
}

bool replay_file(struct replay *replay, const char *path, char error[static REPLAY_ERROR_SIZE])
{
    size_t size;
    const char *problem = NULL;
    uint8_t *bytes = read_whole(path, &size);
    *replay = (struct replay){.inputs = 0};
    if (bytes == NULL) {
        snprintf(error, REPLAY_ERROR_SIZE, "%.300s: cannot be read: %s", path, strerror(errno));
        return false;
    }
    struct tape_reader tape;
    enum tape_error result = tape_open(&tape, bytes, size);
    if (result == TAPE_OK)
        result = feed(replay, &tape, &problem);
    if (result != TAPE_OK)
        snprintf(error, REPLAY_ERROR_SIZE, "%.300s: byte %zu: %s", path, tape.index,
                 tape_error_text(result));
    else if (problem != NULL)
        snprintf(error, REPLAY_ERROR_SIZE, "%.300s: %s", path, problem);
    free(bytes);
    return result == TAPE_OK && problem == NULL;
}
