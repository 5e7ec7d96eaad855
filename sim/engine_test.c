/* Tests of the order of events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/base/random.h"
#include "sim/engine.h"

struct planned {
    uint64_t time_ns;
    enum engine_class class;
    uint32_t node;
    uint32_t which;
};

/* The written order: time, then class, then node, then as scheduled. `which` is the place in that
 * order. */
static const struct planned order_table[] = {
    {9, ENGINE_COMMAND, 0, 9},  {5, ENGINE_COMMAND, 0, 8}, {5, ENGINE_TIMER, 1, 6},
    {5, ENGINE_TIMER, 1, 7},    {5, ENGINE_TIMER, 0, 5},   {5, ENGINE_DELIVERY, 2, 3},
    {5, ENGINE_DELIVERY, 2, 4}, {5, ENGINE_FAULT, 2, 2},   {1, ENGINE_COMMAND, 2, 1},
    {0, ENGINE_COMMAND, 2, 0},
};

static void test_order_is_time_class_node_sequence(void **state)
{
    (void)state;
    struct engine engine;
    engine_init(&engine);
    engine_set_nodes(&engine, 3);
    const size_t count = sizeof order_table / sizeof order_table[0];
    for (size_t i = 0; i < count; i++)
        engine_schedule(&engine, order_table[i].time_ns, order_table[i].class, order_table[i].node,
                        0, order_table[i].which);
    for (uint32_t i = 0; i < count; i++) {
        struct engine_event event;
        engine_take(&engine, &event);
        assert_int_equal(event.which, i);
    }
    assert_true(engine_next_ns(&engine) == ENGINE_NEVER);
    engine_free(&engine);
}

/* Against the definition: what comes out is never before what came out earlier, and all of it comes
 * out. */
static void test_many_random_events_come_out_in_order(void **state)
{
    (void)state;
    enum { EVENTS = 20000, NODES = 7 };
    struct engine engine;
    engine_init(&engine);
    engine_set_nodes(&engine, NODES);
    static const uint8_t seed[RANDOM_SEED_SIZE] = {1};
    struct random_stream random;
    random_stream_init(&random, seed, "engine", 6);
    for (uint32_t i = 0; i < EVENTS; i++)
        engine_schedule(&engine, random_below(&random, 500),
                        (enum engine_class)random_below(&random, 4),
                        (uint32_t)random_below(&random, NODES), 0, i);
    struct engine_event last = {0};
    for (uint32_t i = 0; i < EVENTS; i++) {
        struct engine_event event;
        engine_take(&engine, &event);
        if (i > 0) {
            assert_true(event.time_ns >= last.time_ns);
            if (event.time_ns == last.time_ns)
                assert_true(event.order > last.order);
            if (event.time_ns == last.time_ns &&
                engine_event_class(&event) == engine_event_class(&last) &&
                engine_event_node(&event) == engine_event_node(&last))
                assert_true(event.which > last.which);
        }
        last = event;
    }
    assert_int_equal(engine.taken, EVENTS);
    engine_free(&engine);
}

static void test_an_event_may_schedule_for_the_same_time(void **state)
{
    (void)state;
    struct engine engine;
    engine_init(&engine);
    engine_set_nodes(&engine, 1);
    struct engine_event event;
    engine_schedule(&engine, 10, ENGINE_TIMER, 0, 0, 0);
    engine_take(&engine, &event);
    engine_schedule(&engine, 10, ENGINE_FAULT, 0, 0, 1);
    engine_take(&engine, &event);
    assert_int_equal(event.which, 1);
    assert_int_equal(engine.now_ns, 10);
    engine_advance(&engine, 25);
    assert_int_equal(engine.now_ns, 25);
    engine_free(&engine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_time_class_node_sequence),
        cmocka_unit_test(test_many_random_events_come_out_in_order),
        cmocka_unit_test(test_an_event_may_schedule_for_the_same_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
