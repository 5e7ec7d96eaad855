/* A hostile host: false sources, junk, and what it has heard. */
#include "sim/hostile.h"

#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/frame/keys.h"
#include "core/frame/message.h"
#include "core/frame/seal.h"
#include "sim/world.h"

/* ---- Sending ---- */

void hostile_send(struct net *net, uint32_t place, const struct addr *source,
                  const struct addr *destination, const void *bytes, uint32_t size)
{
    check(net->places[place].host != NULL && source->family == destination->family);
    const struct host *host = net->places[place].host;
    check(host->interface_count > 0);
    uint32_t port = host->interfaces[0].port;
    struct packet packet;
    if (host->down || host->suspended || net->ports[port].down)
        return;
    packet_make_udp(&net->pool, &packet, source, destination, bytes, size);
    check(packet_wire_size(&packet) <= net->ports[port].mtu);
    world_show(net, NET_SENT, place, port / 2, &packet);
    world_transmit(net, port, &packet);
}

static void forget(void *context, struct net *net, uint32_t host, const struct addr *local,
                   const struct addr *remote, const uint8_t *bytes, uint32_t size)
{
    (void)context;
    (void)net;
    (void)host;
    (void)local;
    (void)remote;
    (void)bytes;
    (void)size;
}

void hostile_listen(struct net *net, uint32_t place, uint16_t port)
{
    uint16_t opened = net_open(net, place, port, forget, NULL, NULL);
    check(port != 0 && opened == port);
}

struct random_stream hostile_stream(const struct net *net, uint32_t place, const char *purpose)
{
    const char *const parts[] = {"hostile/", net->places[place].name, "/", purpose};
    char name[NET_NAME_MAX + 32];
    size_t size = 0;
    struct random_stream stream;
    for (uint32_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        size_t part = strlen(parts[i]);
        check(part <= sizeof name - size);
        memcpy(name + size, parts[i], part);
        size += part;
    }
    random_stream_init(&stream, net->config.seed, name, size);
    return stream;
}

/* ---- Junk ---- */

uint32_t hostile_make(enum hostile_junk kind, struct random_stream *draws,
                      const struct crypto *crypto, const uint8_t server_key[static 32],
                      uint8_t bytes[static HOSTILE_JUNK_MAX])
{
    static const uint8_t types[HOSTILE_JUNKS] = {0,
                                                 FRAME_HELLO,
                                                 FRAME_HELLO,
                                                 FRAME_WELCOME,
                                                 FRAME_COOKIE,
                                                 FRAME_STRANGER,
                                                 FRAME_SEALED,
                                                 FRAME_DATA,
                                                 FRAME_PROBE,
                                                 0};
    static const uint32_t sizes[HOSTILE_JUNKS] = {
        [HOSTILE_HELLO] = FRAME_HELLO_SIZE + SEAL_HELLO_FRONT + 400,
        [HOSTILE_HELLO_MAC1] = FRAME_HELLO_SIZE + SEAL_HELLO_FRONT + 400,
        [HOSTILE_WELCOME] = FRAME_WELCOME_SIZE + SEAL_BOOT_SIZE,
        [HOSTILE_COOKIE] = FRAME_COOKIE_FRAME_SIZE,
        [HOSTILE_STRANGER] = FRAME_STRANGER_SIZE,
    };
    const uint8_t header[FRAME_HEADER_SIZE] = {FRAME_FIRST_BYTE, FRAME_VERSION, types[kind], 0};
    uint32_t size = sizes[kind] != 0 ? sizes[kind] : 40 + (uint32_t)random_below(draws, 400);
    check(kind < HOSTILE_JUNKS && size <= HOSTILE_JUNK_MAX);
    for (uint32_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)random_u64(draws);
    if (kind == HOSTILE_FOREIGN)
        bytes[0] = 0x40;
    else
        memcpy(bytes, header, sizeof header);
    if (kind == HOSTILE_HELLO_MAC1) {
        uint8_t key[KEYS_SIZE];
        size_t covered = size - (size_t)2 * FRAME_MAC_SIZE;
        keys_mac1(crypto, key, server_key);
        keys_mac(crypto, bytes + covered, key, sizeof key, bytes, covered);
    }
    return size;
}

/* ---- What was heard ---- */

bool hostile_is_opaque(const uint8_t *bytes, uint32_t size)
{
    struct frame frame;
    if (frame_decode(&frame, bytes, size) != FRAME_OK)
        return true;
    return frame.type == FRAME_DATA && !frame_is_ours(frame.body.bytes, frame.body.size);
}

void hostile_hear(struct hostile_ear *ear, uint32_t place, const struct packet *packet, bool opaque)
{
    const uint8_t *bytes = packet_data(packet);
    if (packet->protocol != PACKET_UDP || bytes == NULL || packet->data > HOSTILE_HEARD_BYTES ||
        (!opaque && hostile_is_opaque(bytes, packet->data)))
        return;
    struct hostile_heard *heard = &ear->heard[ear->count++ % HOSTILE_HEARD_MAX];
    heard->source = packet->source;
    heard->destination = packet->destination;
    heard->place = place;
    heard->size = packet->data;
    memcpy(heard->bytes, bytes, packet->data);
}

/* Never 0, which stands for nothing. */
static uint64_t digest_of(const struct packet *packet)
{
    const uint8_t *bytes = packet->protocol == PACKET_UDP ? packet_data(packet) : NULL;
    return bytes == NULL ? 0 : hash_once((struct hash_key){{0, 0}}, bytes, packet->data) | 1;
}

void hostile_notice(struct hostile_ear *ear, const struct packet *packet)
{
    uint64_t digest = digest_of(packet);
    if (digest != 0)
        ear->noticed[digest >> 8 & (HOSTILE_NOTICED - 1)] = digest;
}

void hostile_hear_noticed(struct hostile_ear *ear, uint32_t place, const struct packet *packet)
{
    uint64_t digest = digest_of(packet);
    uint64_t *noticed = &ear->noticed[digest >> 8 & (HOSTILE_NOTICED - 1)];
    if (digest == 0 || *noticed != digest)
        return;
    *noticed = 0;
    hostile_hear(ear, place, packet, false);
}

const struct hostile_heard *hostile_heard_at(const struct hostile_ear *ear, uint64_t number)
{
    if (number >= ear->count || ear->count - number > HOSTILE_HEARD_MAX)
        return NULL;
    return &ear->heard[number % HOSTILE_HEARD_MAX];
}
