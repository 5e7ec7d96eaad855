/* The ring tape: the newest inputs of the node, and a snapshot of it from before them. */
#include "daemon/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/cursor.h"
#include "core/frame/message.h"
#include "daemon/clock.h"
#include "daemon/version.h"
#include "host/drive.h"
#include "host/tape.h"

static const uint8_t magic[8] = {'W', 'A', 'R', 'R', 'E', 'N', 'R', 'T'};
static const uint8_t zeros[4096];

enum {
    PAGE = sizeof zeros,
    FILE_MODE = 0600,
    ENVELOPE_SIZE = 12,
    HEAD_SIZE = RING_BUILD_SIZE + 8 + 1,
    RUN_SIZE = 16,
    SNAPSHOT_SHARE = 100, /* a snapshot's time is at most one part of so many */
    KIND_AT = 8,          /* in an input's fields, after the time */
    FRAME_TYPE_AT = 2,    /* in a frame, after its first byte and the version */
    WIREGUARD_DATA = 4,   /* first byte of a datagram with data of the tunnel */
};

/* ---- Which build this is --------------------------------------------------------------------- */

/* The linker puts a hash of everything that it has linked into the first object: the program. */
static int take_build_id(struct dl_phdr_info *object, size_t size, void *context)
{
    char *text = context;
    (void)size;
    for (unsigned i = 0; i < object->dlpi_phnum; i++) {
        if (object->dlpi_phdr[i].p_type != PT_NOTE)
            continue;
        const uint8_t *at = (const uint8_t *)(object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
        size_t left = object->dlpi_phdr[i].p_memsz;
        while (left >= sizeof(ElfW(Nhdr))) {
            ElfW(Nhdr) note;
            memcpy(&note, at, sizeof note);
            size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3;
            size_t all = sizeof note + name + (((size_t)note.n_descsz + 3) & ~(size_t)3);
            if (all > left)
                break;
            const uint8_t *id = at + sizeof note + name;
            bool named = note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4;
            for (unsigned b = 0; named && b < note.n_descsz && b < 20; b++)
                snprintf(text + 2 * (size_t)b, 3, "%02x", id[b]);
            at += all;
            left -= all;
        }
    }
    return 1; /* the first object only */
}

const char *ring_build(void)
{
    static char text[RING_BUILD_SIZE];
    char id[41] = "unknown";
    if (text[0] == 0) {
        dl_iterate_phdr(take_build_id, id);
        snprintf(text, sizeof text, "warrend %s %s", WARREN_VERSION, id);
    }
    return text;
}

/* ---- Recording ------------------------------------------------------------------------------- */

static void *pages(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

bool ring_open(struct ring *ring, const char *path, uint32_t mib, bool packets, const void *memory,
               size_t memory_size)
{
    check(mib > 0);
    check((uintptr_t)memory % PAGE == 0);
    *ring = (struct ring){.fd = -1, .memory = memory, .memory_size = memory_size};
    ring->room = ((size_t)mib << 20) / RING_HALVES;
    ring->packets = packets;
    for (unsigned i = 0; i < RING_HALVES; i++) {
        ring->halves[i].snapshot = pages(memory_size);
        ring->halves[i].inputs = pages(ring->room);
        if (ring->halves[i].snapshot == NULL || ring->halves[i].inputs == NULL)
            return false;
    }
    struct stat old;
    char old_path[PATH_MAX];
    int size = snprintf(old_path, sizeof old_path, "%s.old", path);
    if (size > 0 && (size_t)size < sizeof old_path && stat(path, &old) == 0 && old.st_size > 0 &&
        rename(path, old_path) != 0)
        return false;
    ring->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, FILE_MODE);
    if (ring->fd >= 0 && fchmod(ring->fd, FILE_MODE) == 0 && ftruncate(ring->fd, 0) == 0)
        return true;
    int error = errno;
    ring_close(ring);
    errno = error;
    return false;
}

void ring_close(struct ring *ring)
{
    for (unsigned i = 0; i < RING_HALVES; i++) {
        if (ring->halves[i].snapshot != NULL)
            munmap(ring->halves[i].snapshot, ring->memory_size);
        if (ring->halves[i].inputs != NULL)
            munmap(ring->halves[i].inputs, ring->room);
        ring->halves[i] = (struct ring_half){.used = false};
    }
    if (ring->fd >= 0)
        close(ring->fd);
    ring->fd = -1;
}

/* Copies the node, but for pages that are zero there and are still so here. */
static void take_snapshot(struct ring *ring, struct ring_half *half)
{
    uint64_t start_ns = clock_monotonic_ns();
    madvise(half->snapshot, ring->memory_size, MADV_DONTNEED);
    for (size_t at = 0; at < ring->memory_size; at += PAGE) {
        size_t size = ring->memory_size - at < PAGE ? ring->memory_size - at : PAGE;
        if (memcmp(ring->memory + at, zeros, size) != 0)
            memcpy(half->snapshot + at, ring->memory + at, size);
    }
    half->used = true;
    half->gap = false;
    half->size = 0;
    uint64_t end_ns = clock_monotonic_ns();
    ring->wait_ns = end_ns + SNAPSHOT_SHARE * (end_ns - start_ns);
}

/* A record of so many bytes begins: whether it is kept. */
static bool make_room(struct ring *ring, size_t size)
{
    struct ring_half *half = &ring->halves[ring->current];
    if (half->used && !half->gap && ring->room - half->size >= size)
        return true;
    if (size > ring->room || clock_monotonic_ns() < ring->wait_ns) {
        half->gap = true;
        return false;
    }
    ring->current = (ring->current + 1) % RING_HALVES;
    take_snapshot(ring, &ring->halves[ring->current]);
    return true;
}

/*
 * Whether an input carries what the tunnel carries: packets, WireGuard's data, or a relay's. It is
 * told from the header, the fields, and the first bytes behind them.
 */
static bool is_tunnel_data(const struct ring *ring, const uint8_t *rest, size_t size)
{
    struct reader r = reader_of(ring->hold, ring->held);
    read_skip(&r, TAPE_RECORD_HEADER_SIZE + KIND_AT);
    uint16_t kind = read_u16(&r);
    if (kind == NODE_IN_PACKET || kind == NODE_IN_CARRY)
        return true;
    if (kind != NODE_IN_DATAGRAM || size <= FRAME_TYPE_AT)
        return false;
    return rest[0] == WIREGUARD_DATA ||
           (rest[0] == FRAME_FIRST_BYTE && rest[FRAME_TYPE_AT] == FRAME_DATA);
}

static void keep(struct ring *ring, const uint8_t *bytes, size_t size)
{
    struct ring_half *half = &ring->halves[ring->current];
    check(size <= ring->room - half->size);
    memcpy(half->inputs + half->size, bytes, size);
    half->size += size;
}

/* What is held of the record is all but `size` bytes at `rest`. */
static void decide(struct ring *ring, const uint8_t *rest, size_t size)
{
    bool wanted = ring->packets || !is_tunnel_data(ring, rest, size);
    if (!wanted)
        ring->left_out++;
    ring->skipping = !wanted || !make_room(ring, ring->held + ring->left);
    if (!ring->skipping)
        keep(ring, ring->hold, ring->held);
    ring->held = 0;
}

static void hold(struct ring *ring, const uint8_t *bytes, size_t size)
{
    check(size <= sizeof ring->hold - ring->held);
    memcpy(ring->hold + ring->held, bytes, size);
    ring->held += size;
}

/* A record comes as its header, its fields, and the bytes behind them, if there are any. */
bool ring_put(struct ring *ring, const uint8_t *bytes, size_t size)
{
    if (ring->fd < 0)
        return true;
    if (ring->left == 0) {
        /* The envelope is no header, and the start of the tape is not of the ring. */
        struct reader r = reader_of(bytes, size);
        bool input = read_u16(&r) == TAPE_INPUT;
        read_skip(&r, 2);
        uint32_t length = read_u32(&r);
        ring->left = size == TAPE_RECORD_HEADER_SIZE ? length : 0;
        ring->skipping = !input;
        if (input && ring->left > 0)
            hold(ring, bytes, size);
        return true;
    }
    check(size <= ring->left);
    bool fields = ring->held == TAPE_RECORD_HEADER_SIZE;
    if (fields)
        hold(ring, bytes, size);
    else if (ring->held > 0)
        decide(ring, bytes, size);
    if (!fields && !ring->skipping)
        keep(ring, bytes, size);
    ring->left -= size;
    if (ring->left == 0 && ring->held > 0)
        decide(ring, NULL, 0);
    return true;
}

/* ---- Writing --------------------------------------------------------------------------------- */

static bool put(int fd, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        ssize_t done = write(fd, bytes, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return false;
        bytes += done;
        size -= (size_t)done;
    }
    return true;
}

static size_t page_size_at(const struct ring *ring, size_t at)
{
    return ring->memory_size - at < PAGE ? ring->memory_size - at : PAGE;
}

static bool is_zero_at(const struct ring *ring, const struct ring_half *half, size_t at)
{
    return memcmp(half->snapshot + at, zeros, page_size_at(ring, at)) == 0;
}

/* Runs of pages that are not zero, each with its offset and size, and one of size 0 at the end. */
static bool put_snapshot(const struct ring *ring, const struct ring_half *half)
{
    uint8_t bytes[RUN_SIZE];
    struct writer w;
    for (size_t at = 0; at < ring->memory_size;) {
        size_t end = at;
        while (end < ring->memory_size && !is_zero_at(ring, half, end))
            end += page_size_at(ring, end);
        if (end > at) {
            w = writer_of(bytes, sizeof bytes);
            write_u64(&w, at);
            write_u64(&w, end - at);
            if (!put(ring->fd, bytes, w.index) || !put(ring->fd, half->snapshot + at, end - at))
                return false;
        }
        at = end < ring->memory_size ? end + page_size_at(ring, end) : end;
    }
    w = writer_of(bytes, sizeof bytes);
    write_u64(&w, ring->memory_size);
    write_u64(&w, 0);
    return put(ring->fd, bytes, w.index);
}

bool ring_write(struct ring *ring)
{
    if (ring->fd < 0)
        return true;
    const struct ring_half *newer = &ring->halves[ring->current];
    const struct ring_half *older = &ring->halves[(ring->current + 1) % RING_HALVES];
    bool both = older->used && !older->gap;
    const struct ring_half *first = both ? older : newer;
    uint8_t bytes[ENVELOPE_SIZE + HEAD_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, magic, sizeof magic);
    write_u32(&w, RING_VERSION);
    write_bytes(&w, (const uint8_t *)ring_build(), RING_BUILD_SIZE);
    write_u64(&w, ring->memory_size);
    write_u8(&w, ring->left_out == 0 && !newer->gap);
    check(!w.failed && w.index == sizeof bytes);
    if (!newer->used) {
        errno = ENODATA;
        return false;
    }
    return lseek(ring->fd, 0, SEEK_SET) == 0 && ftruncate(ring->fd, 0) == 0 &&
           put(ring->fd, bytes, w.index) && put_snapshot(ring, first) &&
           put(ring->fd, first->inputs, first->size) &&
           (!both || put(ring->fd, newer->inputs, newer->size)) && fsync(ring->fd) == 0;
}

/* ---- Replaying ------------------------------------------------------------------------------- */

static void count_output(void *host, const struct node_out *out)
{
    struct ring_replay *replay = host;
    (void)out;
    replay->outputs++;
}

/* Fills a node's memory from the runs; NULL when they are none of a writer. */
static uint8_t *read_snapshot(struct reader *r, size_t memory_size)
{
    uint8_t *memory = pages(memory_size);
    while (memory != NULL) {
        uint64_t at = read_u64(r);
        uint64_t size = read_u64(r);
        if (!r->failed && size == 0 && at == memory_size)
            return memory;
        if (r->failed || at > memory_size || size == 0 || size > memory_size - at)
            break;
        read_bytes(r, memory + at, size);
    }
    if (memory != NULL)
        munmap(memory, memory_size);
    return NULL;
}

/* The inputs are those of a tape without its start and its end. */
static enum tape_error feed(struct ring_replay *replay, struct node *node, const uint8_t *bytes,
                            size_t size)
{
    struct drive drive;
    drive_init(&drive, node, count_output, replay);
    struct tape_reader tape = {.bytes = bytes, .size = size, .started = true};
    enum tape_error error = TAPE_OK;
    static struct tape_record record;
    while (error == TAPE_OK && tape.index < tape.size) {
        error = tape_next(&tape, &record);
        if (error == TAPE_OK && record.kind != TAPE_INPUT)
            return TAPE_MALFORMED;
        if (error == TAPE_OK) {
            drive_input(&drive, &record.in);
            replay->inputs++;
        }
    }
    return error;
}

static bool replay_bytes(struct ring_replay *replay, const uint8_t *bytes, size_t size,
                         const struct node_env *env, char *error, size_t error_size)
{
    uint8_t build[RING_BUILD_SIZE];
    uint8_t found[sizeof magic];
    struct reader r = reader_of(bytes, size);
    read_bytes(&r, found, sizeof found);
    uint32_t version = read_u32(&r);
    read_bytes(&r, build, sizeof build);
    uint64_t memory_size = read_u64(&r);
    replay->whole = read_u8(&r) == 1;
    if (r.failed || memcmp(found, magic, sizeof magic) != 0) {
        snprintf(error, error_size, "is not a ring tape of Warren");
        return false;
    }
    build[sizeof build - 1] = 0;
    if (version != RING_VERSION || strcmp((const char *)build, ring_build()) != 0) {
        snprintf(error, error_size, "is of another build, which alone can replay it: '%s'",
                 (const char *)build);
        return false;
    }
    uint8_t *memory = read_snapshot(&r, memory_size);
    struct node *node = memory != NULL ? node_attach(memory, memory_size, env) : NULL;
    enum tape_error result = TAPE_MALFORMED;
    if (node != NULL)
        result = feed(replay, node, bytes + r.index, size - r.index);
    if (memory != NULL)
        munmap(memory, memory_size);
    if (result == TAPE_OK)
        return true;
    snprintf(error, error_size, "%s", tape_error_text(result));
    return false;
}

bool ring_replay(struct ring_replay *replay, const char *path, const struct node_env *env,
                 char *error, size_t error_size)
{
    *replay = (struct ring_replay){.inputs = 0};
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about;
    void *bytes = MAP_FAILED;
    if (fd >= 0 && fstat(fd, &about) == 0 && about.st_size > 0)
        bytes = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    else if (fd >= 0)
        errno = ENODATA;
    if (bytes == MAP_FAILED) {
        snprintf(error, error_size, "cannot be read: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return false;
    }
    bool done = replay_bytes(replay, bytes, (size_t)about.st_size, env, error, error_size);
    munmap(bytes, (size_t)about.st_size);
    close(fd);
    return done;
}
