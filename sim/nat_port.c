/* How the NAT chooses the external port of a new mapping (RFC 4787, section 4.2). */
#include "core/base/check.h"
#include "sim/nat_state.h"

/* What a port must be to be chosen. */
struct wish {
    struct nat_space *space;
    uint8_t protocol;
    bool parity; /* odd must equal `odd` */
    bool odd;
    bool pair; /* the port beside it must be free too */
    uint32_t low;
    uint32_t high;
    unsigned sequence;   /* which one of the space */
    struct addr outside; /* the external address; its port is set for each try */
    const struct addr *remote;
};

/* Random draws before a search goes through all ports in order. */
enum { DRAWS = 16 };

static bool bit_get(const uint64_t *bits, uint32_t index)
{
    return (bits[index / 64] >> index % 64 & 1) != 0;
}

static void bit_set(uint64_t *bits, uint32_t index, bool value)
{
    uint64_t mask = (uint64_t)1 << index % 64;
    bits[index / 64] = value ? bits[index / 64] | mask : bits[index / 64] & ~mask;
}

static uint64_t *blocks_of(struct nat *nat, uint32_t address)
{
    uint64_t *blocks = (uint64_t *)((uintptr_t)nat + nat->blocks_offset);
    check(address < nat->pool_count);
    return blocks + (size_t)address * NAT_PORT_WORDS;
}

void nat_ports_begin(struct nat *nat)
{
    uint32_t size = nat->config.port_high - nat->config.port_low + 1;
    if (nat->config.ports != NAT_PORTS_SEQUENTIAL)
        return;
    struct nat_space *spaces = (struct nat_space *)((uintptr_t)nat + nat->space_offset);
    for (size_t i = 0; i < (size_t)nat->pool_count * NAT_SPACES; i++)
        spaces[i].last[0] = nat->config.port_low + (uint32_t)random_below(&nat->random, size);
}

void nat_port_take(struct nat *nat, uint32_t address, uint8_t protocol, uint16_t port)
{
    /* Overloaded ports are nobody's: only 5-tuples are taken. */
    if (nat->config.ports == NAT_PORTS_OVERLOADED)
        return;
    struct nat_space *space = nat_space_at(nat, address, protocol);
    check(!bit_get(space->taken, port));
    bit_set(space->taken, port, true);
}

void nat_port_release(struct nat *nat, uint32_t address, uint8_t protocol, uint16_t port)
{
    if (nat->config.ports == NAT_PORTS_OVERLOADED)
        return;
    struct nat_space *space = nat_space_at(nat, address, protocol);
    check(bit_get(space->taken, port));
    bit_set(space->taken, port, false);
}

void nat_block_release(struct nat *nat, struct nat_subscriber *subscriber)
{
    if (subscriber->block == 0)
        return;
    bit_set(blocks_of(nat, subscriber->block_address), subscriber->block - 1, false);
    subscriber->block = 0;
}

/* Nobody has the 5-tuple of the port and the remote, where those are tracked. */
static bool tuple_free(const struct nat *nat, const struct wish *wish, uint32_t port)
{
    if (!nat->claims)
        return true;
    struct addr outside = addr_with_port(wish->outside, (uint16_t)port);
    return nat_flow_find(nat, NAT_CLAIM, wish->protocol, &outside, wish->remote) == NAT_NONE;
}

/* Nobody has the port; or with overloading, nobody has it towards this remote. */
static bool port_free(const struct nat *nat, const struct wish *wish, uint32_t port)
{
    if (nat->config.ports != NAT_PORTS_OVERLOADED && bit_get(wish->space->taken, port))
        return false;
    return tuple_free(nat, wish, port);
}

static bool in_range(const struct wish *wish, uint32_t port)
{
    return port >= wish->low && port <= wish->high;
}

static bool port_fits(const struct nat *nat, const struct wish *wish, uint32_t port)
{
    if (wish->parity && (port % 2 == 1) != wish->odd)
        return false;
    if (!port_free(nat, wish, port))
        return false;
    return !wish->pair || (in_range(wish, port ^ 1) && !bit_get(wish->space->taken, port ^ 1));
}

/* The first port that fits at `port` or above, going round at the end of the range. */
static uint32_t next_from(const struct nat *nat, const struct wish *wish, uint32_t port)
{
    check(in_range(wish, port));
    /* Words of 64 ports of which none will do are passed over at once. */
    uint64_t wrong = wish->odd ? 0x5555555555555555 : 0xaaaaaaaaaaaaaaaa;
    if (!wish->parity)
        wrong = 0;
    uint32_t tries = wish->high - wish->low + 1;
    while (tries > 0) {
        if (port_fits(nat, wish, port))
            return port;
        bool none = (wish->space->taken[port / 64] | wrong) == UINT64_MAX;
        uint32_t skip = none ? 64 - port % 64 : 1;
        skip = skip > wish->high - port ? wish->high - port + 1 : skip;
        port = port + skip > wish->high ? wish->low : port + skip;
        tries -= skip < tries ? skip : tries;
    }
    return NAT_NO_PORT;
}

static uint32_t random_port(struct nat *nat, const struct wish *wish)
{
    uint32_t size = wish->high - wish->low + 1;
    uint32_t port = wish->low;
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        port = wish->low + (uint32_t)random_below(&nat->random, size);
        if (port_fits(nat, wish, port))
            return port;
    }
    return next_from(nat, wish, port);
}

static uint32_t sequential_port(struct nat *nat, const struct wish *wish)
{
    uint32_t size = wish->high - wish->low + 1;
    uint32_t step = nat->config.step % size;
    uint32_t *last = &wish->space->last[wish->sequence];
    uint32_t port = in_range(wish, *last) ? *last : wish->high;
    for (uint32_t tries = size; tries > 0; tries--) {
        port = wish->low + (port - wish->low + step) % size;
        if (port_fits(nat, wish, port))
            break;
    }
    /* A step that shares a factor with the range does not reach every port. */
    if (!port_fits(nat, wish, port))
        port = next_from(nat, wish, port);
    if (port != NAT_NO_PORT)
        *last = port;
    return port;
}

/*
 * Gives the subscriber a block when it has none, and narrows the wish to it. A subscriber has one
 * block, on one address, whatever the pooling. With port classes there is none below 1024.
 */
static bool narrow_to_block(struct nat *nat, struct wish *wish, uint32_t address,
                            struct nat_subscriber *subscriber)
{
    uint32_t size = nat->config.block;
    uint32_t low = nat->config.port_low;
    if (nat->config.port_classes && low < 1024)
        low = 1024;
    uint32_t count = (nat->config.port_high - low + 1) / size;
    check(count > 0);
    if (subscriber->block != 0 && subscriber->block_address != address)
        return false;
    if (subscriber->block == 0) {
        uint64_t *blocks = blocks_of(nat, address);
        uint32_t block = (uint32_t)random_below(&nat->random, count);
        uint32_t tries = count;
        for (; tries > 0 && bit_get(blocks, block); tries--)
            block = (block + 1) % count;
        if (tries == 0)
            return false;
        bit_set(blocks, block, true);
        subscriber->block = block + 1;
        subscriber->block_address = address;
    }
    wish->low = low + (subscriber->block - 1) * size;
    wish->high = wish->low + size - 1;
    return true;
}

/* The port beside that of the mapping of the internal port beside ours, if it is there and free. */
static uint32_t contiguous_port(const struct nat *nat, const struct wish *wish,
                                const struct addr *inside, const struct addr *key)
{
    struct addr beside = addr_with_port(*inside, inside->port ^ 1);
    uint32_t index = nat_entry_find(nat, wish->protocol, &beside, key);
    if (index == NAT_NONE)
        return NAT_NO_PORT;
    const struct addr *outside = &nat_entry_at(nat, index)->outside;
    uint32_t port = outside->port ^ 1u;
    if (!addr_equal_ip(outside, &wish->outside) || (port ^ inside->port) % 2 != 0)
        return NAT_NO_PORT;
    return in_range(wish, port) && port_free(nat, wish, port) ? port : NAT_NO_PORT;
}

/*
 * The live mapping on the port loses it, for one that wants just this port. False when there is
 * none: the port rests.
 */
static bool steal(struct nat *nat, const struct wish *wish, uint32_t port)
{
    struct addr outside = addr_with_port(wish->outside, (uint16_t)port);
    uint32_t index = nat_outside_first(nat, wish->protocol, &outside);
    for (; index != NAT_NONE; index = nat_entry_at(nat, index)->outside_next) {
        const struct nat_entry *entry = nat_entry_at(nat, index);
        if (entry->record.kind == NAT_ALIVE && entry->record.protocol == wish->protocol &&
            addr_equal(&entry->outside, &outside))
            break;
    }
    if (index == NAT_NONE)
        return false;
    nat_entry_kill(nat, index, NAT_DEAD_OTHER);
    nat_outside_forget(nat, wish->protocol, &outside);
    return true;
}

static struct nat_choice preserved_port(struct nat *nat, const struct wish *wish, uint32_t port)
{
    if (!in_range(wish, port))
        return (struct nat_choice){.port = random_port(nat, wish)};
    /* The internal port has its own parity, and its neighbour may belong to its own neighbour. */
    if (port_free(nat, wish, port))
        return (struct nat_choice){.port = port};
    nat->counters.collisions++;
    /*
     * Somebody has only the 5-tuple, not the port. The mapping that is made instead serves later
     * remotes too, as Linux's does: it reuses the mapping of a source where that is unique.
     */
    if (!bit_get(wish->space->taken, port))
        return (struct nat_choice){.port = random_port(nat, wish)};
    switch (nat->config.collision) {
    case NAT_COLLISION_NEXT:
        return (struct nat_choice){.port = next_from(nat, wish, port)};
    case NAT_COLLISION_SYMMETRIC:
        return (struct nat_choice){.port = random_port(nat, wish), .for_remote = true};
    case NAT_COLLISION_STEAL:
        if (tuple_free(nat, wish, port) && steal(nat, wish, port))
            return (struct nat_choice){.port = port};
        return (struct nat_choice){.port = random_port(nat, wish)};
    case NAT_COLLISION_REFUSE:
        return (struct nat_choice){.port = NAT_NO_PORT};
    default:
        return (struct nat_choice){.port = random_port(nat, wish)};
    }
}

struct nat_choice nat_port_choose(struct nat *nat, uint8_t protocol, const struct nat_ask *ask,
                                  uint32_t address, uint32_t subscriber)
{
    const struct nat_config *config = &nat->config;
    struct wish wish = {
        .space = nat_space_at(nat, address, protocol),
        .protocol = protocol,
        .parity = config->parity || config->contiguity,
        .odd = ask->inside.port % 2 == 1,
        .pair = config->contiguity,
        .low = config->port_low,
        .high = config->port_high,
        .outside = *nat_pool_at(nat, address),
        .remote = &ask->remote,
    };
    if (config->port_classes && ask->inside.port < 1024) {
        wish.low = 1;
        wish.high = 1023;
        wish.sequence = 1;
    } else if (config->port_classes && wish.low < 1024) {
        wish.low = 1024;
    }
    if (config->ports == NAT_PORTS_BLOCK &&
        !narrow_to_block(nat, &wish, address, nat_subscriber_at(nat, subscriber)))
        return (struct nat_choice){.port = NAT_NO_PORT};
    if (config->contiguity) {
        uint32_t port = contiguous_port(nat, &wish, &ask->inside, &ask->key);
        if (port != NAT_NO_PORT)
            return (struct nat_choice){.port = port};
    }
    switch (ask->fresh ? NAT_PORTS_RANDOM : config->ports) {
    case NAT_PORTS_PRESERVED:
    case NAT_PORTS_OVERLOADED:
        return preserved_port(nat, &wish, ask->inside.port);
    case NAT_PORTS_SEQUENTIAL:
        return (struct nat_choice){.port = sequential_port(nat, &wish)};
    default:
        return (struct nat_choice){.port = random_port(nat, &wish)};
    }
}
