/* The relay against the plainest model of it, under many calls, moves and ends in any order. */
#include "core/relay/server_test.h"

/* What the relay should hold, kept in the plainest way. */
enum { MODEL_CLIENTS = 6, MODEL_CHANNELS = 4, MODEL_PLACES = 8 };

struct model_leg {
    uint32_t channel; /* 0: no leg */
    int place;        /* -1: no address */
};

struct model_pair {
    bool there;
    struct model_leg leg[2];
};

static struct model_pair model[MODEL_CLIENTS][MODEL_CLIENTS];
static int model_place[MODEL_CLIENTS];

/* The address of a place. */
static struct addr address_of(int place)
{
    struct addr none = {0};
    if (place < 0)
        return none;
    return client_at((unsigned)place);
}

/* The leg that frames from a place on a channel belong to; false: none. */
static bool model_find(int place, uint32_t channel, unsigned *a, unsigned *b, unsigned *side)
{
    for (*a = 0; *a < MODEL_CLIENTS; ++*a)
        for (*b = *a + 1; *b < MODEL_CLIENTS; ++*b)
            for (*side = 0; *side < 2; ++*side) {
                const struct model_pair *pair = &model[*a][*b];
                if (pair->there && pair->leg[*side].channel == channel && channel != 0 &&
                    pair->leg[*side].place == place && place >= 0)
                    return true;
            }
    return false;
}

static void model_call(unsigned a, unsigned b, uint32_t channel_a, uint32_t channel_b)
{
    const uint32_t channels[2] = {channel_a, channel_b};
    const unsigned owners[2] = {a, b};
    struct relay_leg legs[2] = {{.channel = 0}, {.channel = 0}};
    enum relay_result expected = RELAY_OK;
    for (unsigned i = 0; i < 2; i++) {
        int place = model_place[owners[i]];
        struct addr at = address_of(place);
        unsigned x, y, side;
        if (channels[i] == 0)
            continue;
        legs[i] = client_leg(owners[i], channels[i], at);
        if (model_find(place, channels[i], &x, &y, &side) && (x != a || y != b || side != i))
            expected = RELAY_TAKEN;
    }
    if (channel_a != 0 && channel_a == channel_b && model_place[a] >= 0 &&
        model_place[a] == model_place[b])
        expected = RELAY_TAKEN;
    assert_int_equal(set_legs(key_of(a, b), legs[0], legs[1]), expected);
    if (expected != RELAY_OK)
        return;
    model[a][b].there = true;
    for (unsigned i = 0; i < 2; i++)
        if (channels[i] != 0)
            model[a][b].leg[i] = (struct model_leg){channels[i], model_place[owners[i]]};
}

static void model_gone(unsigned owner)
{
    relay_owner_gone(&rig.relay, &rig.cx, owner);
    for (unsigned a = 0; a < MODEL_CLIENTS; a++)
        for (unsigned b = a + 1; b < MODEL_CLIENTS; b++)
            if ((a == owner && model[a][b].leg[0].channel != 0) ||
                (b == owner && model[a][b].leg[1].channel != 0))
                model[a][b] = (struct model_pair){.there = false};
}

/*
 * Moves to a place where nobody is, which is what a fresh mapping is; or nowhere. False: somebody
 * is there.
 */
static bool model_move(unsigned owner, int place)
{
    for (unsigned i = 0; i < MODEL_CLIENTS; i++)
        if (place >= 0 && model_place[i] == place && i != owner)
            return false;
    /* Two legs without an address may bear one number, which no address could tell apart. */
    for (unsigned x = 0; x < MODEL_CLIENTS; x++)
        for (unsigned y = 0; y < MODEL_CLIENTS; y++) {
            const struct model_leg *one =
                x < owner ? &model[x][owner].leg[1] : &model[owner][x].leg[0];
            const struct model_leg *two =
                y < owner ? &model[y][owner].leg[1] : &model[owner][y].leg[0];
            if (x != y && x != owner && y != owner && one->channel != 0 &&
                one->channel == two->channel)
                return false;
        }
    struct addr at = address_of(place);
    struct seal_route route = route_of(NODE_SOCKET_PUNCH, at);
    relay_owner_moved(&rig.relay, &rig.cx, owner, &route);
    model_place[owner] = place;
    for (unsigned i = 0; i < MODEL_CLIENTS; i++) {
        if (i < owner)
            model[i][owner].leg[1].place = place;
        if (i > owner)
            model[owner][i].leg[0].place = place;
    }
    return true;
}

static void model_check(void)
{
    for (int place = 0; place < MODEL_PLACES; place++)
        for (uint32_t channel = 1; channel <= MODEL_CHANNELS; channel++) {
            unsigned a, b, side;
            if (!model_find(place, channel, &a, &b, &side)) {
                assert_dropped(NODE_SOCKET_PUNCH, client_at((unsigned)place), channel,
                               TRACE_RELAY_NO_CHANNEL);
                continue;
            }
            const struct model_leg *out = &model[a][b].leg[1 - side];
            if (out->channel == 0 || out->place < 0)
                assert_dropped(NODE_SOCKET_PUNCH, client_at((unsigned)place), channel,
                               TRACE_RELAY_NO_WAY);
            else
                assert_true(
                    client_passes((unsigned)place, channel, (unsigned)out->place, out->channel));
        }
}

static void test_against_a_model(void **state)
{
    (void)state;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {42};
    struct random_stream stream;
    random_stream_init(&stream, seed, "relay", 5);
    memset(model, 0, sizeof model);
    for (int i = 0; i < MODEL_CLIENTS; i++)
        model_place[i] = i;
    unsigned done[4] = {0};
    for (unsigned step = 0; step < 10000; step++) {
        unsigned owner = (unsigned)random_below(&stream, MODEL_CLIENTS);
        unsigned other = (unsigned)random_below(&stream, MODEL_CLIENTS);
        uint64_t dice = random_below(&stream, 20);
        rig.cx.now_ns += 10000000;
        if (dice < 14 && owner < other) {
            model_call(owner, other, (uint32_t)random_below(&stream, MODEL_CHANNELS + 1),
                       (uint32_t)random_below(&stream, MODEL_CHANNELS + 1));
            done[0]++;
        } else if (dice < 17) {
            done[1] += model_move(owner, (int)random_below(&stream, MODEL_PLACES + 1) - 1);
        } else if (dice < 18) {
            model_gone(owner);
            done[2]++;
        } else if (dice < 19 && owner < other && model[owner][other].there) {
            relay_pair_end(&rig.relay, &rig.cx,
                           relay_pair_find(&rig.relay, key_of(owner, other).bytes));
            model[owner][other] = (struct model_pair){.there = false};
            done[3]++;
        }
        model_check();
    }
    for (unsigned i = 0; i < 4; i++)
        assert_true(done[i] > 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_against_a_model, rig_setup),
    };
    return cmocka_run_group_tests(tests, NULL, rig_teardown);
}
