/* Runs as bytes: a head with counts and a hash, and then the lists one after the other. */
#include "scenarios/runner/run_copy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/hash.h"

#define MAGIC UINT64_C(0x57617272656e5275)

/* Of each list, so that sums of sizes cannot overflow. */
enum { ITEMS_MAX = 1 << 28, CHUNK_SIZE = 65536 };

struct head {
    uint64_t magic;
    uint64_t hash; /* of everything, with 0 in its own place */
    uint64_t made;
    uint64_t stormed;
    uint64_t digest;
    uint64_t end_ns;
    uint64_t packets;
    uint64_t events;
    uint64_t quiet_ns;
    uint64_t late_ns;
    uint64_t slack_ns;
    uint64_t finding_count;
    uint64_t event_count;
    uint64_t pair_count;
    uint64_t count_count; /* 0, or the scenario's expectations */
    uint64_t quiet_count; /* 0, or its places */
    uint64_t notes_size;  /* without a final 0 */
    uint64_t has_notes;
    uint64_t error_size; /* likewise */
};

static const struct hash_key hash_key = {{0x72756e20636f7079u, 0x7061727469637573u}};

/* Of a run that was not made only the notes are worth anything. */
static struct run worth(const struct run_outcome *outcome)
{
    return outcome->made ? outcome->run : (struct run){.notes = outcome->run.notes};
}

static struct head head_of(const struct run_outcome *outcome, const struct plan_scenario *scenario)
{
    const struct run all = worth(outcome), *run = &all;
    struct head head = {
        .magic = MAGIC,
        .made = outcome->made,
        .stormed = run->stormed,
        .digest = run->digest,
        .end_ns = run->end_ns,
        .packets = run->packets,
        .events = run->events,
        .quiet_ns = run->quiet_ns,
        .late_ns = run->late_ns,
        .slack_ns = run->slack_ns,
        .finding_count = run->finding_count,
        .event_count = run->event_count,
        .pair_count = run->pair_count,
        .count_count = run->counts != NULL ? scenario->expect_count : 0,
        .quiet_count = run->quiet != NULL ? scenario->place_count : 0,
        .notes_size = run->notes != NULL ? strnlen(run->notes, RUN_COPY_NOTES_MAX) : 0,
        .has_notes = run->notes != NULL,
        .error_size = outcome->made ? 0 : strnlen(outcome->error, RUN_ERROR_SIZE - 1),
    };
    return head;
}

/* What follows the head, in this order; 0 when no run has so much. */
static size_t size_of(const struct head *head)
{
    const uint64_t counts[] = {head->finding_count, head->event_count, head->pair_count,
                               head->count_count,   head->quiet_count, head->notes_size,
                               head->error_size};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i] > ITEMS_MAX)
            return 0;
    return sizeof *head + head->finding_count * sizeof(struct run_finding) +
           head->event_count * sizeof(struct run_event) +
           head->pair_count * sizeof(struct run_pair) + head->count_count * sizeof(uint64_t) +
           head->quiet_count * sizeof(struct run_quiet) + head->notes_size + head->error_size;
}

static void put(uint8_t *bytes, size_t *at, const void *list, size_t size)
{
    if (size > 0)
        memcpy(bytes + *at, list, size);
    *at += size;
}

uint8_t *run_copy_pack(const struct run_outcome *outcome, const struct plan_scenario *scenario,
                       size_t *size)
{
    const struct run all = worth(outcome), *run = &all;
    struct head head = head_of(outcome, scenario);
    size_t at = 0;
    *size = size_of(&head);
    check(*size > 0);
    uint8_t *bytes = malloc(*size);
    check(bytes != NULL);
    put(bytes, &at, &head, sizeof head);
    put(bytes, &at, run->findings, run->finding_count * sizeof *run->findings);
    put(bytes, &at, run->events_seen, run->event_count * sizeof *run->events_seen);
    put(bytes, &at, run->pairs, run->pair_count * sizeof *run->pairs);
    put(bytes, &at, run->counts, head.count_count * sizeof *run->counts);
    put(bytes, &at, run->quiet, head.quiet_count * sizeof *run->quiet);
    put(bytes, &at, run->notes, head.notes_size);
    put(bytes, &at, outcome->error, head.error_size);
    check(at == *size);
    head.hash = hash_once(hash_key, bytes, *size);
    memcpy(bytes, &head, sizeof head);
    return bytes;
}

/* A list of the run; NULL when it is empty. */
static void *get(const uint8_t *bytes, size_t *at, uint64_t count, size_t size)
{
    if (count == 0)
        return NULL;
    /* As run_add_event() makes room: a power of two, so that more may be added. */
    size_t room = 1;
    while (room < count)
        room *= 2;
    void *list = calloc(room, size);
    check(list != NULL);
    memcpy(list, bytes + *at, count * size);
    *at += count * size;
    return list;
}

static bool is_place(const struct plan_scenario *scenario, uint32_t place)
{
    return place < scenario->place_count;
}

static bool is_event(const struct plan_scenario *scenario, const struct run_event *event)
{
    bool nowhere = event->kind == RUN_HOME && event->to == PLAN_INTERNET;
    return event->kind <= RUN_HOME && event->path <= NODE_PATH_UNREACHABLE &&
           event->reason < REASON_COUNT && is_place(scenario, event->from) &&
           (nowhere || is_place(scenario, event->to));
}

/* Whether those who judge the run may take its numbers for what they stand for. */
static bool is_sound(const struct plan_scenario *scenario, const struct run *run)
{
    bool sound = true;
    for (uint32_t i = 0; i < run->finding_count; i++)
        sound = sound && is_place(scenario, run->findings[i].client);
    for (uint32_t i = 0; i < run->event_count; i++)
        sound = sound && is_event(scenario, &run->events_seen[i]) &&
                (i == 0 || run->events_seen[i - 1].at_ns <= run->events_seen[i].at_ns);
    for (uint32_t i = 0; i < run->pair_count; i++)
        sound = sound && is_place(scenario, run->pairs[i].a) && is_place(scenario, run->pairs[i].b);
    return sound;
}

/* The head says how long all of it is, and the counts that go by the scenario are its own. */
static bool is_head(const struct head *head, size_t size, const struct plan_scenario *scenario)
{
    return head->magic == MAGIC && size_of(head) == size && head->made <= 1 && head->stormed <= 1 &&
           head->has_notes <= 1 && head->error_size < RUN_ERROR_SIZE &&
           head->notes_size <= RUN_COPY_NOTES_MAX &&
           (head->count_count == 0 || head->count_count == scenario->expect_count) &&
           (head->quiet_count == 0 || head->quiet_count == scenario->place_count);
}

static bool has_hash(const uint8_t *bytes, size_t size, const struct head *head)
{
    static const uint8_t none[sizeof head->hash];
    struct hash hash;
    size_t at = offsetof(struct head, hash);
    hash_start(&hash, hash_key);
    hash_bytes(&hash, bytes, at);
    hash_bytes(&hash, none, sizeof none);
    hash_bytes(&hash, bytes + at + sizeof none, size - at - sizeof none);
    return hash_value(&hash) == head->hash;
}

bool run_copy_unpack(const uint8_t *bytes, size_t size, const struct plan_scenario *scenario,
                     struct run_outcome *outcome)
{
    struct head head;
    size_t at = sizeof head;
    *outcome = (struct run_outcome){.made = false};
    if (size < sizeof head)
        return false;
    memcpy(&head, bytes, sizeof head);
    if (!is_head(&head, size, scenario) || !has_hash(bytes, size, &head))
        return false;
    struct run *run = &outcome->run;
    *run = (struct run){
        .finding_count = (uint32_t)head.finding_count,
        .event_count = (uint32_t)head.event_count,
        .pair_count = (uint32_t)head.pair_count,
        .digest = head.digest,
        .end_ns = head.end_ns,
        .packets = head.packets,
        .events = head.events,
        .quiet_ns = head.quiet_ns,
        .stormed = head.stormed != 0,
        .late_ns = head.late_ns,
        .slack_ns = head.slack_ns,
    };
    run->findings = get(bytes, &at, head.finding_count, sizeof *run->findings);
    run->events_seen = get(bytes, &at, head.event_count, sizeof *run->events_seen);
    run->pairs = get(bytes, &at, head.pair_count, sizeof *run->pairs);
    run->counts = get(bytes, &at, head.count_count, sizeof *run->counts);
    run->quiet = get(bytes, &at, head.quiet_count, sizeof *run->quiet);
    if (head.has_notes != 0) {
        run->notes = calloc(head.notes_size + 1, 1);
        check(run->notes != NULL);
        memcpy(run->notes, bytes + at, head.notes_size);
    }
    at += head.notes_size;
    memcpy(outcome->error, bytes + at, head.error_size);
    outcome->made = head.made != 0;
    if (is_sound(scenario, run))
        return true;
    run_free(run);
    outcome->made = false;
    return false;
}

bool run_copy_write(int file, const struct plan_scenario *scenario, const struct run *run,
                    const char *error)
{
    struct run_outcome outcome = {.made = error == NULL, .run = *run};
    size_t size, at = 0;
    if (error != NULL)
        snprintf(outcome.error, sizeof outcome.error, "%s", error);
    uint8_t *bytes = run_copy_pack(&outcome, scenario, &size);
    while (at < size) {
        ssize_t written = write(file, bytes + at, size - at);
        if (written < 0 && errno != EINTR)
            break;
        at += written > 0 ? (size_t)written : 0;
    }
    free(bytes);
    return at == size;
}

bool run_copy_read(int file, const struct plan_scenario *scenario, struct run *run,
                   char error[static RUN_ERROR_SIZE])
{
    struct run_outcome outcome;
    uint8_t *bytes = NULL;
    size_t size = 0, room = 0;
    ssize_t got;
    do {
        if (room - size < CHUNK_SIZE) {
            room = room * 2 + CHUNK_SIZE;
            uint8_t *grown = realloc(bytes, room);
            check(grown != NULL);
            bytes = grown;
        }
        got = read(file, bytes + size, room - size);
        size += got > 0 ? (size_t)got : 0;
    } while (got > 0 || (got < 0 && errno == EINTR));
    if (!run_copy_unpack(bytes, size, scenario, &outcome))
        snprintf(outcome.error, sizeof outcome.error, "the run's process ended without a result");
    free(bytes);
    memcpy(error, outcome.error, sizeof outcome.error);
    *run = outcome.run;
    return outcome.made;
}
