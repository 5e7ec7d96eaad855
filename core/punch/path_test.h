/* For tests of a client and its paths: what a test says and asks, on top of the rig. */
#ifndef WARREN_PUNCH_PATH_TEST_H
#define WARREN_PUNCH_PATH_TEST_H

#include "core/punch/path_rig_test.h"

/* ---- What a test does ------------------------------------------------------------------------- */

static inline void knows(unsigned n, uint64_t version, uint16_t load)
{
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    struct server_record record = record_of(n, version, load);
    client_know_server(&r->client, &tools.tools, &r->server[n].member, &record);
    our_drain();
}

static inline void network_is(uint32_t count, const struct addr *addresses)
{
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    struct node_in_network network = {.count = count, .traffic_port = TRAFFIC_PORT};
    memcpy(network.addresses, addresses, count * sizeof addresses[0]);
    client_network(&r->client, &tools.tools, &network);
    path_network(&r->paths, &tools);
    our_drain();
}

static const struct addr own_address = {.family = ADDR_V4, .ip = {10, 0, 0, 2}};

/* Our discovery has found out so much. */
static inline void our_side(const struct reason_side *side)
{
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    client_side(&r->client, &tools.tools, side, &own_address);
    path_side(&r->paths, &tools);
    our_drain();
}

static inline void rig_end(void)
{
    if (r == NULL)
        return;
    for (unsigned i = 0; i < 4; i++)
        free(r->memory[i]);
    for (unsigned i = 0; i < SERVERS; i++)
        for (unsigned j = 0; j < 3; j++)
            free(r->server[i].memory[j]);
    free(r);
    r = NULL;
}

static inline int rig_setup(void **state)
{
    (void)state;
    static const uint8_t seed[RANDOM_SEED_SIZE] = {'p', 'a', 't', 'h'};
    rig_end();
    r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->now_ns = 7 * SECOND;
    r->address = addr_v4(0xcb007101, 40000);
    for (unsigned i = 0; i < SERVERS; i++) {
        struct end *end = &r->server[i];
        self_of_test(&end->self, (uint8_t)(10 + i), true);
        assert_int_equal(self_verify(&end->self, &crypto_real, r->now_ns, end->self.introduction,
                                     end->self.introduction_size, &end->member),
                         IDENTITY_OK);
        end->punch = addr_v4(0xc6336401 + i, PUNCH_PORT);
        end->way_ns = 10 * MS;
        end_start(end);
    }
    self_of_test(&r->self, US, false);
    for (uint8_t i = 0; i < PEERS; i++) {
        self_of_test(&r->peer[i].self, (uint8_t)(PEER + i), false);
        memset(r->peer[i].salt, 0xa0 + i, sizeof r->peer[i].salt);
        r->peer[i].side =
            (struct reason_side){STUN_NAT_PRESENT, STUN_MAPPING_EIM,    STUN_FILTERING_APDF,
                                 STUN_HAIRPIN_OFF, STUN_POOLING_PAIRED, STUN_TRAP_NO};
    }
    random_secret_init(&r->secret, seed);
    r->memory[0] = calloc(1, timers_bytes(64));
    r->memory[1] = calloc(1, outbox_bytes(64, 64 * 1024));
    r->memory[2] = calloc(1, seal_bytes(SERVERS, 16));
    r->memory[3] = calloc(1, paths_bytes(PATHS));
    timers_init(&r->timers, r->memory[0], 64);
    outbox_init(&r->outbox, r->memory[1], 64, 64 * 1024);
    seal_init(&r->seal, r->memory[2], SERVERS, 16, &r->secret);
    client_init(&r->client, &r->secret);
    paths_init(&r->paths, r->memory[3], PATHS, &r->secret);
    seal_configure(&r->seal, &crypto_real, r->self.tunnel_key, r->self.introduction,
                   r->self.introduction_size);
    return 0;
}

static inline int rig_teardown(void **state)
{
    (void)state;
    rig_end();
    return 0;
}

/* So many servers are known, and the first is the home, the second the reserve. */
static inline void rig_home(unsigned servers)
{
    for (unsigned i = 0; i < servers; i++)
        knows(i, 1, 0);
    network_is(1, &own_address);
    run_for(SECOND);
    assert_non_null(client_home(&r->client));
    mark();
}

static inline int home_setup(void **state)
{
    rig_setup(state);
    rig_home(1);
    return 0;
}

static inline void connect_to(const struct peer *peer)
{
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    path_connect(&r->paths, &tools, peer->self.identity);
    our_drain();
}

static inline void carry(const struct peer *peer, uint8_t what, uint32_t size)
{
    struct context cx = our_context();
    struct path_tools tools = our_tools(&cx);
    uint8_t bytes[NODE_CARRY_MAX];
    memset(bytes, what, sizeof bytes);
    struct node_in_carry in = {.bytes = bytes, .size = size};
    memcpy(in.peer, peer->self.identity, sizeof in.peer);
    path_carry(&r->paths, &tools, &in);
    our_drain();
}

static inline struct path *path_to(const struct peer *peer)
{
    return path_of(&r->paths, peer->self.identity, false);
}

/* The last message of this type that a server got since the mark; NULL: none. */
static inline const struct punch_message *heard(unsigned n, uint8_t type)
{
    const struct end *end = &r->server[n];
    assert_true(end->count <= INBOX);
    for (uint32_t i = end->count; i-- > 0;)
        if (end->inbox[i].type == type)
            return &end->inbox[i];
    return NULL;
}

static inline unsigned heard_times(unsigned n, uint8_t type, uint64_t *at_ns, unsigned room)
{
    const struct end *end = &r->server[n];
    unsigned count = 0;
    assert_true(end->count <= INBOX);
    for (uint32_t i = 0; i < end->count; i++)
        if (end->inbox[i].type == type && count++ < room)
            at_ns[count - 1] = end->inbox_ns[i] - end->way_ns - r->mark_ns;
    return count;
}

static inline unsigned heard_count(unsigned n, uint8_t type)
{
    return heard_times(n, type, NULL, 0);
}

/* Says it, and lets it arrive. */
static inline void offered_by(unsigned n, const struct punch_message *offer)
{
    server_says(n, offer);
    run_for(r->server[n].way_ns);
}

/* The peer calls us with this nonce; it is seen there. Counts time from the offer's arrival. */
static inline void called_by(struct peer *peer, uint8_t nonce, struct addr seen)
{
    uint8_t bytes[PUNCH_NONCE_SIZE];
    memset(bytes, nonce, sizeof bytes);
    struct punch_message offer = offer_of(peer, bytes, false, CHANNEL);
    add_candidate(&offer, seen, PUNCH_CANDIDATE_OBSERVED);
    server_says(0, &offer);
    run_for(r->server[0].way_ns - 1);
    mark();
    run_for(1);
    r->mark_ns = r->now_ns;
}

static inline struct place *answers_at(struct peer *peer, struct addr addr, uint64_t way_ns)
{
    assert_true(r->places < PLACES);
    struct place *place = &r->place[r->places++];
    *place = (struct place){.addr = addr, .peer = peer, .way_ns = way_ns};
    return place;
}

/* A probe of the peer arrives from there; ADDR_NONE: through our home. */
static inline void probed_by(struct peer *peer, struct addr from, const struct punch_probe *probe)
{
    uint8_t bytes[DATAGRAM], wrapped[DATAGRAM];
    size_t size = probe_make(peer, probe, bytes);
    if (from.family != ADDR_NONE) {
        arrives(&from, bytes, size);
        return;
    }
    struct frame data = {.type = FRAME_DATA, .receiver = path_to(peer)->channel, .body.size = size};
    size_t at = frame_encode(&data, wrapped, sizeof wrapped);
    memcpy(wrapped + at, bytes, size);
    arrives(&r->server[path_to(peer)->server].punch, wrapped, at + size);
}

/* How many datagrams went there since the mark, and when. */
static inline unsigned sent_times(struct addr to, uint64_t *at_ns, unsigned room)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < r->sent_count; i++)
        if (addr_equal(&r->sent[i].to, &to) && count++ < room)
            at_ns[count - 1] = r->sent[i].at_ns - r->mark_ns;
    return count;
}

static inline unsigned sent_count(struct addr to)
{
    return sent_times(to, NULL, 0);
}

/* The last probe that went there since the mark, as the peer reads it. */
static inline struct punch_probe last_probe(const struct peer *peer, struct addr to)
{
    struct frame frame;
    struct punch_probe probe;
    for (uint32_t i = r->sent_count; i-- > 0;)
        if (addr_equal(&r->sent[i].to, &to) &&
            probe_read(peer, r->sent[i].bytes, r->sent[i].size, &frame, &probe))
            return probe;
    fail_msg("%s", "no probe went there");
    return (struct punch_probe){0};
}

static inline const struct node_out_path *last_state(void)
{
    assert_true(r->states > 0);
    return &r->state[r->states - 1];
}

#endif
