/* Tests of daemon/ring.c: what is kept, what is written, and that it replays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/crypto.h"
#include "daemon/ring.h"
#include "host/drive.h"
#include "host/tape.h"

enum { FILE_MAX = 16 << 20 };

#define SECRET_PACKET "what the tunnel carries"

static char folder[64];
static char path[96];
static struct node_env env;
static void *memory;
static size_t memory_size;
static struct drive drive;
static struct tape_writer tape;
static struct ring ring;
static uint64_t now_ns;
static uint8_t *file; /* what was written */
static size_t file_size;

static void ignore(void *host, const struct node_out *out)
{
    (void)host, (void)out;
}

static bool put(void *host, const uint8_t *bytes, size_t size)
{
    return ring_put(host, bytes, size);
}

static void start(uint32_t mib, bool packets)
{
    static const uint8_t seed[RANDOM_SEED_SIZE] = {7};
    memory_size = node_size(&node_limits_client);
    memory = mmap(NULL, memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(memory, MAP_FAILED);
    env.crypto = &crypto_real;
    struct node *node = node_init(memory, memory_size, &node_limits_client, seed, &env);
    drive_init(&drive, node, ignore, NULL);
    assert_true(ring_open(&ring, path, mib, packets, memory, memory_size));
    tape_start(&tape, put, &ring, &node_limits_client, seed);
    drive.tape = &tape;
    now_ns = 1000;
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/warren-ring-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/ring.tape", folder);
    file = malloc(FILE_MAX);
    return file != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    char old[128];
    (void)state;
    ring_close(&ring);
    munmap(memory, memory_size);
    free(file);
    unlink(path);
    snprintf(old, sizeof old, "%s.old", path);
    unlink(old);
    return rmdir(folder);
}

/* A Binding request makes a served node answer, and another one count. */
static void feed_datagram(const uint8_t *bytes, uint32_t size)
{
    struct node_in in = {.now_ns = now_ns, .kind = NODE_IN_DATAGRAM};
    in.datagram.socket = NODE_SOCKET_TRAFFIC;
    in.datagram.local = addr_v4(0xc0000201, 4000);
    in.datagram.remote = addr_v4(0xc0000202, 4001);
    in.datagram.bytes = bytes;
    in.datagram.size = size;
    drive_input(&drive, &in);
    now_ns++;
}

static void feed_clock(uint64_t now_s)
{
    struct node_in in = {.now_ns = now_ns, .kind = NODE_IN_WALL_CLOCK};
    in.wall_clock.now_s = now_s;
    drive_input(&drive, &in);
    now_ns++;
}

static void read_file(void)
{
    FILE *from = fopen(path, "rb");
    assert_non_null(from);
    file_size = fread(file, 1, FILE_MAX, from);
    fclose(from);
}

static bool file_has(const void *bytes, size_t size)
{
    return memmem(file, file_size, bytes, size) != NULL;
}

static struct ring_replay replay_it(void)
{
    struct ring_replay replay;
    char error[256] = "";
    bool done = ring_replay(&replay, path, &env, error, sizeof error);
    assert_string_equal(error, "");
    assert_true(done);
    return replay;
}

static void a_ring_replays(void **state)
{
    struct stat about;
    (void)state;
    start(1, true);
    for (uint64_t i = 0; i < 100; i++)
        feed_clock(1800000000 + i);
    assert_true(ring_write(&ring));
    struct ring_replay replay = replay_it();
    assert_int_equal(replay.inputs, 100);
    assert_true(replay.whole);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0600);
    /* Written again it has what came since. */
    feed_clock(1900000000);
    assert_true(ring_write(&ring));
    assert_int_equal(replay_it().inputs, 101);
}

/* What was there before the oldest half is forgotten, and the snapshot stands for it. */
static void the_newest_inputs_are_kept(void **state)
{
    static uint8_t junk[1000];
    (void)state;
    memset(junk, 0x55, sizeof junk);
    start(1, true);
    for (int i = 0; i < 5000; i++) {
        ring.wait_ns = 0; /* as if snapshots cost nothing */
        memcpy(junk + 100, &i, sizeof i);
        feed_datagram(junk, sizeof junk);
    }
    assert_true(ring_write(&ring));
    struct ring_replay replay = replay_it();
    /* Of 512 KiB for each half; the record has 52 bytes more. */
    assert_true(replay.inputs > 512 * 1024 / 1080 && replay.inputs < 1024 * 1024 / 1000);
    assert_true(replay.whole);
    read_file();
    const int last = 4999;
    const int first = 0;
    memcpy(junk + 100, &last, sizeof last);
    assert_true(file_has(junk, sizeof junk));
    memcpy(junk + 100, &first, sizeof first);
    assert_false(file_has(junk, sizeof junk));
}

/* Where inputs come faster than snapshots may be taken, there is a gap, and it is told. */
static void a_gap_is_told(void **state)
{
    static uint8_t junk[1000];
    (void)state;
    memset(junk, 0x55, sizeof junk);
    start(1, true);
    for (int i = 0; i < 2000; i++) {
        if (i > 0)
            ring.wait_ns = UINT64_MAX;
        feed_datagram(junk, sizeof junk);
    }
    assert_true(ring_write(&ring));
    struct ring_replay replay = replay_it();
    assert_false(replay.whole);
    assert_true(replay.inputs > 400 && replay.inputs < 600);
}

static void tunnel_data_is_left_out(void **state)
{
    static const struct {
        uint8_t first[4];
        bool kept;
    } cases[] = {
        {{4, 0, 0, 0}, false},    /* WireGuard's data */
        {{1, 0, 0, 0}, true},     /* its handshake */
        {{0x0b, 1, 6, 0}, false}, /* data in a relay's channel */
        {{0x0b, 1, 5, 0}, true},  /* a sealed control message */
        {{0x55, 1, 2, 3}, true},  /* anything else */
    };
    (void)state;
    start(1, false);
    feed_clock(1800000000);
    uint64_t inputs = 1;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint8_t bytes[64] = {0};
        memcpy(bytes, cases[i].first, 4);
        memcpy(bytes + 16, SECRET_PACKET, sizeof SECRET_PACKET);
        bytes[48] = (uint8_t)(i + 1);
        feed_datagram(bytes, sizeof bytes);
        inputs += cases[i].kept;
        assert_true(ring_write(&ring));
        read_file();
        assert_int_equal(file_has(bytes, sizeof bytes), cases[i].kept);
        assert_int_equal(replay_it().inputs, inputs);
    }
    assert_false(replay_it().whole);
}

static void an_earlier_tape_is_kept(void **state)
{
    char old[128];
    struct stat about;
    (void)state;
    start(1, true);
    feed_clock(1);
    assert_true(ring_write(&ring));
    ring_close(&ring);
    assert_true(ring_open(&ring, path, 1, true, memory, memory_size));
    snprintf(old, sizeof old, "%s.old", path);
    assert_int_equal(stat(old, &about), 0);
    assert_true(about.st_size > 0);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_size, 0);
}

static void what_is_no_ring_is_refused(void **state)
{
    static const struct {
        size_t at; /* the byte that is changed */
        uint8_t flip;
        long size; /* of the file; -1: all */
        const char *error;
    } cases[] = {
        {0, 1, -1, "is not a ring tape of Warren"},
        {0, 0, 0, "cannot be read"},
        {0, 0, 11, "is not a ring tape of Warren"},
        {11, 1, -1, "is of another build"},
        {20, 1, -1, "is of another build"},
        {0, 0, 100, "has a record that makes no sense"}, /* within the snapshot */
    };
    struct ring_replay replay;
    (void)state;
    start(1, true);
    feed_clock(1);
    assert_true(ring_write(&ring));
    read_file();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char error[256] = "";
        FILE *to = fopen(path, "wb");
        assert_non_null(to);
        file[cases[i].at] ^= cases[i].flip;
        fwrite(file, 1, cases[i].size < 0 ? file_size : (size_t)cases[i].size, to);
        file[cases[i].at] ^= cases[i].flip;
        fclose(to);
        assert_false(ring_replay(&replay, path, &env, error, sizeof error));
        assert_non_null(strstr(error, cases[i].error));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_ring_replays, setup, teardown),
        cmocka_unit_test_setup_teardown(the_newest_inputs_are_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_gap_is_told, setup, teardown),
        cmocka_unit_test_setup_teardown(tunnel_data_is_left_out, setup, teardown),
        cmocka_unit_test_setup_teardown(an_earlier_tape_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_ring_is_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
