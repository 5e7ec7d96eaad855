/* Tests of host/drive.c: the loop, the digest, and a run that is recorded and replayed. */
#include "core/node_test.h"

#include <stdlib.h>

#include "crypto/crypto.h"
#include "host/tape.h"

static struct world world;
static _Alignas(16) uint8_t block[WORLD_BLOCK];
static struct node_env env;

static uint8_t tape_bytes[64 * 1024];
static size_t tape_size;

static bool keep(void *host, const uint8_t *bytes, size_t size)
{
    (void)host;
    assert_true(tape_size + size <= sizeof tape_bytes);
    memcpy(tape_bytes + tape_size, bytes, size);
    tape_size += size;
    return true;
}

static int setup(void **state)
{
    (void)state;
    env.crypto = &crypto_real;
    tape_size = 0;
    world_init(&world, block, &env);
    return 0;
}

/* A whole discovery, with a server that is asked something on the side. */
static void run(struct world *w)
{
    struct node_in serve = {.kind = NODE_IN_SERVE_STUN,
                            .serve_stun = {.count = 1, .port = 3478, .alternate_port = 3479}};
    serve.serve_stun.addresses[0] = addr_v4(WORLD_LOCAL_IP, 0);
    world_input(w, serve);
    world_discover(w, 1);
    world_run(w);
    w->now_ns += WORLD_MS;
    world_input(w, (struct node_in){.kind = NODE_IN_UNSENT, .unsent = {.error = 1}});
}

static void test_digest_costs_nothing_when_off(void **state)
{
    (void)state;
    run(&world);
    uint64_t digest = drive_digest(&world.drive), outputs = world.drive.outputs;
    assert_true(digest != 0 && outputs > 10);
    setup(NULL);
    world.drive.digesting = false;
    run(&world);
    assert_true(drive_digest(&world.drive) == 0);
    assert_true(world.drive.outputs == outputs);
}

/* Whatever differs in what goes out, or when, differs in the digest; and nothing else does. */
static void test_digest_tells_runs_apart(void **state)
{
    (void)state;
    enum { RUNS = 7 };
    uint64_t digests[RUNS];
    for (unsigned i = 0; i < RUNS; i++) {
        setup(NULL);
        switch (i) {
        case 1:
            world.now_ns += 1;
            break;
        case 2:
            world.nat.filtering = STUN_FILTERING_ADF;
            break;
        case 3:
            world.nat.mapping = STUN_MAPPING_ADM;
            break;
        case 4:
            world.nat.pooling = STUN_POOLING_ARBITRARY;
            break;
        case 5:
            world.refuse = 2;
            break;
        case 6: {
            uint8_t seed[RANDOM_SEED_SIZE] = {1};
            memset(block, 0, sizeof block);
            node_init(block, sizeof block, &world_limits, seed, &env);
            break;
        }
        default:
            break;
        }
        run(&world);
        digests[i] = drive_digest(&world.drive);
        for (unsigned k = 0; k < i; k++)
            assert_true(digests[i] != digests[k]);
    }
    setup(NULL);
    run(&world);
    assert_true(drive_digest(&world.drive) == digests[0]);
}

static void ignore(void *host, const struct node_out *out)
{
    (void)host, (void)out;
}

/* Replays the tape through a new node; false where its end does not agree. */
static bool replay(void)
{
    struct tape_reader reader;
    struct tape_record record;
    assert_int_equal(tape_open(&reader, tape_bytes, tape_size), TAPE_OK);
    assert_int_equal(tape_next(&reader, &record), TAPE_OK);
    assert_int_equal(record.kind, TAPE_START);
    size_t size = node_size(&record.limits);
    void *memory = aligned_alloc(16, size);
    assert_non_null(memory);
    memset(memory, 0, size);
    struct drive drive;
    drive_init(&drive, node_init(memory, size, &record.limits, record.seed, &env), ignore, NULL);
    drive.digesting = true;
    for (;;) {
        assert_int_equal(tape_next(&reader, &record), TAPE_OK);
        if (record.kind == TAPE_END)
            break;
        drive_input(&drive, &record.in);
    }
    free(memory);
    return drive.outputs == record.outputs && drive_digest(&drive) == record.digest;
}

static void record_run(void)
{
    struct tape_writer writer;
    tape_start(&writer, keep, NULL, &world_limits, world_seed);
    world.drive.tape = &writer;
    run(&world);
    tape_end(&writer, world.drive.outputs, drive_digest(&world.drive));
    assert_false(writer.failed);
}

static void test_recorded_run_replays(void **state)
{
    (void)state;
    static const struct world_nat nats[] = {
        {.mapping = STUN_MAPPING_EIM,
         .filtering = STUN_FILTERING_EIF,
         .hairpin = STUN_HAIRPIN_EXTERNAL,
         .ports = STUN_PORTS_PRESERVED,
         .pooling = STUN_POOLING_PAIRED,
         .step = 1},
        {.mapping = STUN_MAPPING_APDM,
         .filtering = STUN_FILTERING_APDF,
         .hairpin = STUN_HAIRPIN_OFF,
         .ports = STUN_PORTS_RANDOM,
         .pooling = STUN_POOLING_ARBITRARY,
         .step = 1},
        {.barred = true},
    };
    for (size_t i = 0; i < sizeof nats / sizeof nats[0]; i++) {
        setup(NULL);
        world.nat = nats[i];
        record_run();
        assert_int_equal(world.ended, 1);
        assert_true(replay());
        assert_true(replay());
    }
}

/* Recording changes nothing, and a changed tape does not agree with its end. */
static void test_changed_tape_does_not_agree(void **state)
{
    (void)state;
    run(&world);
    uint64_t digest = drive_digest(&world.drive);
    setup(NULL);
    record_run();
    assert_true(drive_digest(&world.drive) == digest);
    size_t seed_at = TAPE_ENVELOPE_SIZE + TAPE_RECORD_HEADER_SIZE + 15 * 4;
    tape_bytes[seed_at] ^= 1;
    assert_false(replay());
    tape_bytes[seed_at] ^= 1;
    tape_bytes[tape_size - 1] ^= 1;
    assert_false(replay());
    tape_bytes[tape_size - 1] ^= 1;
    tape_bytes[tape_size - 9] ^= 1;
    assert_false(replay());
    tape_bytes[tape_size - 9] ^= 1;
    assert_true(replay());
}

/* Every field of every kind of output counts, and nothing that a kind does not have. */
static uint64_t hash_of(const struct node_out *out)
{
    struct hash h;
    hash_start(&h, (struct hash_key){{0, 0}});
    drive_hash_output(&h, out);
    return hash_value(&h);
}

static void test_digest_of_every_field_of_a_mesh(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 4};
    static const uint8_t others[] = {1, 2, 3, 5};
    struct node_out outs[20] = {{.kind = NODE_OUT_HOME}};
    unsigned count = 1;
    struct node_out home = {.kind = NODE_OUT_HOME};
    home.home.server = addr_v4(1, 2);
    outs[count++] = home;
    home.home.mapped = addr_v4(1, 2);
    outs[count++] = home;
    struct node_out path = {.kind = NODE_OUT_PATH};
    outs[count++] = path;
    path.path.peer[31] = 1;
    outs[count++] = path;
    path.path.path = NODE_PATH_DIRECT;
    outs[count++] = path;
    path.path.reason = REASON_PUNCHED;
    outs[count++] = path;
    path.path.remote = addr_v4(3, 4);
    outs[count++] = path;
    path.path.rtt_ns = 5;
    outs[count++] = path;
    struct node_out deliver = {.kind = NODE_OUT_DELIVER};
    deliver.deliver.bytes = bytes;
    outs[count++] = deliver;
    deliver.deliver.size = 3;
    outs[count++] = deliver;
    deliver.deliver.size = 4;
    outs[count++] = deliver;
    deliver.deliver.bytes = others;
    outs[count++] = deliver;
    deliver.deliver.peer[0] = 9;
    outs[count++] = deliver;
    deliver.deliver.relayed = true;
    outs[count++] = deliver;
    for (unsigned i = 0; i < count; i++) {
        assert_true(hash_of(&outs[i]) == hash_of(&outs[i]));
        for (unsigned k = 0; k < i; k++)
            assert_true(hash_of(&outs[i]) != hash_of(&outs[k]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_digest_of_every_field_of_a_mesh),
        cmocka_unit_test_setup(test_digest_costs_nothing_when_off, setup),
        cmocka_unit_test_setup(test_digest_tells_runs_apart, setup),
        cmocka_unit_test_setup(test_recorded_run_replays, setup),
        cmocka_unit_test_setup(test_changed_tape_does_not_agree, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
