/*
 * For tests of what a member's papers do to its tunnel: a server and members with credentials of
 * every kind, all real nodes, whose hosts give packets to the tunnel and get packets from it.
 */
#ifndef WARREN_SIM_MEMBER_TEST_H
#define WARREN_SIM_MEMBER_TEST_H

#include "sim/hostile_test.h"

#include "core/tunnel/message.h"

enum { PACKET_SIZE = 28, INNER = 0x0a400000 /* 10.64.0.0 */ };

/* What a member is: numbers of its identity and tunnel key, and the last byte of its address. */
struct card {
    uint32_t identity, key;
    uint8_t inner;
    uint64_t lasts_s;  /* from CLOCK_S on */
    uint64_t behind_s; /* its wall clock */
};

/* A message of the tunnel, as its sender sent it. */
struct taped {
    struct addr source;
    uint32_t size;
    uint8_t bytes[256];
};

static struct witness {
    uint32_t packets[PLACES]; /* that came to the host */
    uint32_t from[PLACES];    /* the source of the last one */
    struct taped taped[PLACES][TUNNEL_DATA + 1];
    uint64_t initiations[PLACES]; /* that left for a peer, by whatever way */
} witness;

static inline void tape(struct taped *taped, const struct addr *source, const uint8_t *bytes,
                        size_t size)
{
    if (size > sizeof taped->bytes)
        return;
    taped->source = *source;
    taped->size = (uint32_t)size;
    memcpy(taped->bytes, bytes, size);
}

static inline void sent_seen(const struct net_event *event)
{
    const struct packet *packet = event->packet;
    const uint8_t *bytes = packet_data(packet);
    size_t size = packet->data;
    struct frame frame;
    if (packet->protocol != PACKET_UDP || bytes == NULL || !net_is_node(arena.net, event->place) ||
        event->place == arena.server)
        return;
    if (frame_is_ours(bytes, size) && frame_decode(&frame, bytes, size) == FRAME_OK &&
        frame.type == FRAME_DATA) {
        bytes = frame.body.bytes;
        size = frame.body.size;
    }
    enum tunnel_message_type type = tunnel_message_type(bytes, size);
    witness.initiations[event->place] += type == TUNNEL_INITIATION;
    if (type != TUNNEL_NO_MESSAGE)
        tape(&witness.taped[event->place][type], &packet->source, bytes, size);
}

static inline void witness_all(void *context, const struct net_event *event)
{
    (void)context;
    assert_true(event->place < PLACES);
    if (event->kind == NET_SENT && event->packet != NULL)
        sent_seen(event);
    if (event->kind != NET_OUTPUT || event->output->kind != NODE_OUT_PACKET)
        return;
    struct reader r = reader_of(event->output->packet.bytes + 12, 4);
    assert_int_equal(event->output->packet.size, PACKET_SIZE);
    witness.packets[event->place]++;
    witness.from[event->place] = read_u32(&r);
}

/* ---- The world ------------------------------------------------------------------------------- */

/* A server alone, and a plain host to send from. */
static inline void world_new(uint64_t seed)
{
    memset(&arena, 0, sizeof arena);
    memset(&witness, 0, sizeof witness);
    struct net_config config = {.crypto = &crypto_real, .observe = witness_all};
    net_seed(config.seed, seed);
    arena.net = net_new(&config);
    add_server(&node_limits_server);
    arena.mallory = add_plain("mallory", NET_INTERNET);
}

static inline void run_for(uint64_t ns)
{
    net_run_until(arena.net, net_now(arena.net) + ns);
}

static inline void credential_of(const struct card *card, struct papers *papers)
{
    papers_make(papers, card->identity, 1);
    struct credential c = {.name = name_of('c', card->identity),
                           .expiry_s = CLOCK_S + card->lasts_s,
                           .address_count = 1,
                           .addresses = {addr_v4(INNER + card->inner, 0)}};
    uint8_t seed[32];
    put_seed(seed, 0x11, 1);
    put_seed(papers->in.identity.tunnel_key, 0x22, card->key);
    put_identity(c.identity, card->identity);
    put_tunnel_key(c.tunnel_key, card->key);
    assert_true(credential_sign(&c, &crypto_real, seed));
    papers->in.identity.credential_size =
        (uint32_t)credential_encode(&c, papers->credential, sizeof papers->credential);
}

/* A member that starts now; the same identity may have had another host before. */
static inline uint32_t member_new(const char *name, const struct card *card)
{
    uint64_t now_ns = net_now(arena.net);
    struct net_host host = host_behind(NET_INTERNET, &node_limits_client);
    uint32_t place = net_add_host(arena.net, name, &host);
    struct papers papers;
    struct node_in in = {.kind = NODE_IN_WALL_CLOCK,
                         .wall_clock = {.now_s = CLOCK_S + now_ns / SECOND - card->behind_s}};
    net_schedule_setup(arena.net, now_ns, place, &in);
    credential_of(card, &papers);
    net_schedule_setup(arena.net, now_ns, place, &papers.in);
    join(place);
    run_for(3 * SECOND);
    return place;
}

static inline void member_off(uint32_t place)
{
    struct net_fault fault = {.kind = NET_FAULT_HOST_DOWN, .place = place};
    net_schedule_fault(arena.net, net_now(arena.net), &fault);
    run_for(MS);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

static inline struct node_in peer_of(uint32_t identity)
{
    struct node_in in = {.kind = NODE_IN_PEER};
    put_identity(in.peer.peer, identity);
    return in;
}

/* The host names a peer by its identity alone, or no longer. Whether the node took it. */
static inline bool tell(uint32_t place, struct node_in in)
{
    uint64_t invalid = counted(place, TRACE_COMMAND_INVALID);
    net_command(arena.net, place, &in);
    return counted(place, TRACE_COMMAND_INVALID) == invalid;
}

static inline void name_peer(uint32_t place, uint32_t identity)
{
    assert_true(tell(place, peer_of(identity)));
}

static inline void remove_peer(uint32_t place, uint32_t identity)
{
    struct node_in in = peer_of(identity);
    in.peer.remove = true;
    assert_true(tell(place, in));
}

/* What the place says of the peer with this identity; false: it is none. */
static inline bool peer_at(uint32_t place, uint32_t identity, struct node_peer *peer)
{
    uint8_t wanted[IDENTITY_SIZE];
    uint32_t cursor = 0;
    put_identity(wanted, identity);
    while (node_peers(net_node(arena.net, place), &cursor, peer))
        if (memcmp(peer->peer, wanted, IDENTITY_SIZE) == 0)
            return true;
    return false;
}

/* ---- Packets --------------------------------------------------------------------------------- */

static inline void put_packet(uint8_t to[static PACKET_SIZE], uint32_t from, uint32_t dest)
{
    const uint8_t head[10] = {0x45, 0, 0, PACKET_SIZE, 0, 0, 0, 0, 64, 17};
    memset(to, 0, PACKET_SIZE);
    memcpy(to, head, sizeof head);
    struct writer w = writer_of(to + 12, 8);
    write_u32(&w, from);
    write_u32(&w, dest);
    uint32_t sum = 0;
    for (size_t i = 0; i < 20; i += 2)
        sum += (uint32_t)to[i] << 8 | to[i + 1];
    sum = (sum & 0xffff) + (sum >> 16);
    sum = ~((sum & 0xffff) + (sum >> 16));
    to[10] = (uint8_t)(sum >> 8);
    to[11] = (uint8_t)sum;
}

/* The host of a place gives its tunnel a packet, with any addresses. */
static inline void say_as(uint32_t place, uint32_t from, uint32_t dest)
{
    uint8_t bytes[PACKET_SIZE];
    put_packet(bytes, from, dest);
    struct node_in in = {.kind = NODE_IN_PACKET, .packet = {.bytes = bytes, .size = PACKET_SIZE}};
    net_command(arena.net, place, &in);
}

/* Likewise, between members, by the last bytes. */
static inline void say(uint32_t place, uint8_t from, uint8_t dest)
{
    say_as(place, INNER + from, INNER + dest);
}

/* Says one a second for so long. */
static inline void say_for(uint32_t place, uint8_t from, uint8_t dest, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        say(place, from, dest);
        run_for(SECOND);
    }
}

/* Somebody sends what was once sent to this place again, with the source that it had. */
static inline void send_again(const struct taped *taped, uint32_t to)
{
    assert_true(taped->size > 0);
    struct addr dest = place_addr(to, NET_PORT_TRAFFIC);
    hostile_send(arena.net, arena.mallory, &taped->source, &dest, taped->bytes, taped->size);
    run_for(50 * MS);
}

#endif
