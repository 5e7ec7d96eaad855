/* The two functions of the NAT: what happens to one packet. */
#include "sim/nat.h"

#include <string.h>

#include "core/base/check.h"
#include "sim/nat_state.h"

/* A packet on its way through: the parts that every step needs. */
struct passage {
    const struct nat_packet *packet;
    uint8_t protocol;    /* as in the tables: 0 when protocols share mappings */
    bool outbound;       /* whether it counts as traffic from inside */
    struct addr inside;  /* outbound: its source */
    struct addr outside; /* inbound: its destination */
    struct addr remote;
};

/* The part of a remote that a mapping (or, with its values one for one, a filter) looks at. */
static struct addr remote_part(const struct addr *remote, uint8_t depth)
{
    if (depth == NAT_MAPPING_EIM)
        return (struct addr){.family = ADDR_NONE};
    return depth == NAT_MAPPING_ADM ? addr_with_port(*remote, 0) : *remote;
}
_Static_assert((int)NAT_MAPPING_EIM == (int)NAT_FILTERING_EIF, "mapping and filtering are alike");
_Static_assert((int)NAT_MAPPING_ADM == (int)NAT_FILTERING_ADF, "mapping and filtering are alike");
_Static_assert((int)NAT_MAPPING_APDM == (int)NAT_FILTERING_APDF, "mapping and filtering are alike");

static uint8_t table_protocol(const struct nat *nat, uint8_t protocol)
{
    return nat->config.shared_protocols && protocol != NAT_ICMP ? 0 : protocol;
}

/* Timers. */

static uint8_t timer_of(const struct nat *nat, const struct nat_record *record, uint8_t protocol)
{
    const struct nat_config *config = &nat->config;
    bool both = (record->flags & (NAT_SEEN_OUT | NAT_SEEN_IN)) == (NAT_SEEN_OUT | NAT_SEEN_IN);
    if (protocol == NAT_ICMP)
        return NAT_TIMER_ICMP;
    if (protocol == NAT_TCP) {
        bool closed = (record->flags & (NAT_FIN_OUT | NAT_FIN_IN)) == (NAT_FIN_OUT | NAT_FIN_IN);
        bool open = both && !closed && (record->flags & NAT_RESET) == 0;
        return open ? NAT_TIMER_TCP_IDLE : NAT_TIMER_TCP_TRANSITORY;
    }
    if (config->one_way_ns != 0) {
        bool old = nat->now_ns - record->made_ns >= config->two_way_after_ns;
        if (!both || !old)
            return NAT_TIMER_ONE_WAY;
    }
    if (config->well_known_ns != 0 && (record->flags & NAT_SEEN_HIGH) == 0)
        return NAT_TIMER_WELL_KNOWN;
    return NAT_TIMER_IDLE;
}

static void note_tcp(struct nat_record *record, uint8_t tcp_flags, bool outbound)
{
    uint8_t fin = outbound ? NAT_FIN_OUT : NAT_FIN_IN;
    if ((tcp_flags & NAT_TCP_SYN) != 0)
        record->flags &= (uint8_t) ~(NAT_FIN_OUT | NAT_FIN_IN | NAT_RESET);
    if ((tcp_flags & NAT_TCP_FIN) != 0)
        record->flags |= fin;
    if ((tcp_flags & NAT_TCP_RST) != 0)
        record->flags |= NAT_RESET;
}

/*
 * A packet used this record. Its timer starts anew if packets of this direction do that. A TCP
 * reset never prolongs anything (RFC 7857, section 7.1); it ends the long timeout of an open
 * connection (section 2.2).
 */
static void touch(struct nat *nat, struct nat_table *table, uint32_t index,
                  const struct passage *passage)
{
    struct nat_record *record = nat_record_at(nat, table, index);
    const struct nat_packet *packet = passage->packet;
    record->flags |= passage->outbound ? NAT_SEEN_OUT : NAT_SEEN_IN;
    if (passage->remote.port >= 1024)
        record->flags |= NAT_SEEN_HIGH;
    if (packet->protocol == NAT_TCP)
        note_tcp(record, packet->tcp_flags, passage->outbound);
    uint8_t timer = timer_of(nat, record, packet->protocol);
    if (record->timer == NAT_TIMER_COUNT) {
        nat_timer_start(nat, table, index, timer);
        return;
    }
    if ((packet->tcp_flags & NAT_TCP_RST) != 0) {
        uint64_t idle_ns = nat->now_ns - record->used_ns;
        uint64_t left_ns = nat->timer_ns[record->timer] - idle_ns;
        if (record->timer != timer && left_ns > nat->timer_ns[timer])
            nat_timer_start(nat, table, index, timer);
        return;
    }
    uint8_t other = passage->outbound ? NAT_REFRESH_INBOUND : NAT_REFRESH_OUTBOUND;
    if (nat->config.refresh != other)
        nat_timer_start(nat, table, index, timer);
}

/* Mappings. */

static enum nat_verdict choose_port(struct nat *nat, const struct passage *passage,
                                    const struct nat_ask *ask, uint32_t subscriber,
                                    struct nat_entry *entry)
{
    uint32_t first;
    uint32_t count = nat_pool_family(nat, passage->inside.family, &first);
    uint32_t start = nat_subscriber_at(nat, subscriber)->address - first;
    uint32_t tries = nat->config.pooling == NAT_POOLING_PAIRED ? 1 : count;
    if (nat->config.pooling == NAT_POOLING_ARBITRARY)
        start = (uint32_t)random_below(&nat->random, count);
    for (uint32_t i = 0; i < tries; i++) {
        uint32_t address = first + (start + i) % count;
        struct nat_choice choice =
            nat_port_choose(nat, passage->protocol, ask, address, subscriber);
        if (choice.port == NAT_NO_PORT)
            continue;
        entry->address = address;
        entry->outside = addr_with_port(*nat_pool_at(nat, address), (uint16_t)choice.port);
        if (choice.for_remote)
            entry->remote = passage->remote;
        return NAT_PASS;
    }
    return NAT_DROP_NO_PORT;
}

/*
 * In whose name permissions stand: the internal endpoint's, or the mapping's, which is written as
 * the address of no family that holds its index. (Overloading mappings share external endpoints.)
 */
static struct addr permit_owner(const struct nat *nat, uint32_t index)
{
    if (nat->config.scope == NAT_SCOPE_ENDPOINT)
        return nat_entry_at(nat, index)->inside;
    struct addr owner = {.family = ADDR_NONE};
    memcpy(owner.ip, &index, sizeof index);
    return owner;
}

/*
 * A mapping for an outbound packet. `fresh`: the endpoint has its mapping, but the 5-tuple that
 * this packet would get belongs to somebody else, so it gets a mapping for its remote alone.
 */
static enum nat_verdict make_mapping(struct nat *nat, const struct passage *passage, bool fresh,
                                     uint32_t *made)
{
    uint32_t subscriber = nat_subscriber_put(nat, &passage->inside);
    if (subscriber == NAT_NONE)
        return NAT_DROP_NO_ADDRESS;
    uint32_t quota = nat->config.quota;
    if (quota != 0 && nat_subscriber_at(nat, subscriber)->alive >= quota)
        return NAT_DROP_QUOTA;
    uint32_t index = nat_entry_new(nat);
    if (index == NAT_NONE)
        return NAT_DROP_TABLE_FULL;
    struct nat_ask ask = {
        .inside = passage->inside,
        .remote = passage->remote,
        .key = remote_part(&passage->remote, nat->config.mapping),
        .fresh = fresh,
    };
    struct nat_entry *entry = nat_entry_at(nat, index);
    entry->record.protocol = passage->protocol;
    entry->inside = passage->inside;
    entry->remote = fresh ? passage->remote : ask.key;
    entry->subscriber = subscriber;
    entry->owner = permit_owner(nat, index);
    enum nat_verdict verdict = choose_port(nat, passage, &ask, subscriber, entry);
    if (verdict != NAT_PASS) {
        nat_entry_drop(nat, index);
        if (nat_subscriber_at(nat, subscriber)->alive == 0)
            nat_block_release(nat, nat_subscriber_at(nat, subscriber));
        return verdict;
    }
    nat_outside_forget(nat, passage->protocol, &entry->outside);
    nat_entry_add(nat, index);
    touch(nat, &nat->entries, index, passage);
    *made = index;
    return NAT_PASS;
}

/* The mapping that the mapping rule gives an outbound packet; NAT_NONE when it is not made yet. */
static uint32_t find_mapping(const struct nat *nat, const struct passage *passage)
{
    uint8_t depth = nat->config.mapping;
    if (nat->splits && depth != NAT_MAPPING_APDM) {
        uint32_t index = nat_entry_find(nat, passage->protocol, &passage->inside, &passage->remote);
        if (index != NAT_NONE)
            return index;
    }
    struct addr key = remote_part(&passage->remote, depth);
    return nat_entry_find(nat, passage->protocol, &passage->inside, &key);
}

/* The mapping that a session has fixed for packets to this remote; NAT_NONE when there is none. */
static uint32_t find_path(const struct nat *nat, const struct passage *passage,
                          const struct addr *inside)
{
    if (!nat->paths)
        return NAT_NONE;
    return nat_flow_find(nat, NAT_PATH, passage->protocol, inside, &passage->remote);
}

/*
 * Whether the 5-tuple of a mapping and this remote belongs to another mapping, or is poisoned. A
 * mapping for this remote alone takes a poisoned one back.
 */
static bool tuple_taken(const struct nat *nat, const struct passage *passage, uint32_t index)
{
    const struct nat_entry *entry = nat_entry_at(nat, index);
    if (!nat->claims)
        return false;
    uint32_t claim =
        nat_flow_find(nat, NAT_CLAIM, passage->protocol, &entry->outside, &passage->remote);
    if (claim == NAT_NONE)
        return false;
    uint32_t holder = nat_flow_at(nat, claim)->entry;
    if (holder == NAT_NONE)
        return !addr_equal(&entry->remote, &passage->remote);
    return holder != index;
}

/* Makes or refreshes what an outbound packet leaves behind besides its mapping. */
static bool note_outbound(struct nat *nat, const struct passage *passage, uint32_t index)
{
    struct nat_entry *entry = nat_entry_at(nat, index);
    uint8_t protocol = passage->protocol;
    uint32_t flow;
    if (nat->claims) {
        flow = nat_flow_put(nat, NAT_CLAIM, protocol, &entry->outside, &passage->remote, index);
        if (flow == NAT_NONE)
            return false;
        touch(nat, &nat->flows, flow, passage);
    }
    if (nat->permits) {
        struct addr remote = remote_part(&passage->remote, nat->config.filtering);
        flow = nat_flow_put(nat, NAT_PERMIT, protocol, &entry->owner, &remote, index);
        if (flow == NAT_NONE)
            return false;
        touch(nat, &nat->flows, flow, passage);
    }
    if (nat->paths && nat->config.session == NAT_SESSION_FIRST) {
        flow = nat_flow_put(nat, NAT_PATH, protocol, &entry->inside, &passage->remote, index);
        if (flow == NAT_NONE)
            return false;
        nat_timer_start(nat, &nat->flows, flow, NAT_TIMER_KEPT);
    }
    return true;
}

/* The mapping by which a packet leaves: found or made, refreshed, with its sessions. */
static enum nat_verdict leave(struct nat *nat, const struct passage *passage, uint32_t *by)
{
    uint32_t index;
    bool made = false;
    uint32_t path = find_path(nat, passage, &passage->inside);
    /* A path that lost its 5-tuple to another mapping leads nowhere. */
    if (path != NAT_NONE && !tuple_taken(nat, passage, nat_flow_at(nat, path)->entry)) {
        index = nat_flow_at(nat, path)->entry;
        nat_timer_start(nat, &nat->flows, path, NAT_TIMER_KEPT);
    } else {
        index = find_mapping(nat, passage);
        bool fresh = index != NAT_NONE && tuple_taken(nat, passage, index);
        if (fresh)
            nat->counters.collisions++;
        /* One that was made for this remote alone is of no use without the 5-tuple. */
        if (fresh && addr_equal(&nat_entry_at(nat, index)->remote, &passage->remote))
            nat_entry_kill(nat, index, NAT_DEAD_OTHER);
        if (index == NAT_NONE || fresh) {
            enum nat_verdict verdict = make_mapping(nat, passage, fresh, &index);
            if (verdict != NAT_PASS)
                return verdict;
            made = true;
        }
    }
    if (!note_outbound(nat, passage, index))
        return NAT_DROP_TABLE_FULL;
    if (!made)
        touch(nat, &nat->entries, index, passage);
    *by = index;
    return NAT_PASS;
}

/* Inbound. */

static uint32_t find_permit(const struct nat *nat, uint8_t protocol, const struct addr *owner,
                            const struct addr *remote)
{
    struct addr part = remote_part(remote, nat->config.filtering);
    return nat_flow_find(nat, NAT_PERMIT, protocol, owner, &part);
}

static bool admits(const struct nat *nat, uint32_t index, const struct addr *remote)
{
    const struct nat_entry *entry = nat_entry_at(nat, index);
    uint8_t depth = nat->config.filtering;
    if (depth == NAT_FILTERING_EIF)
        return true;
    if (nat->permits)
        return find_permit(nat, entry->record.protocol, &entry->owner, remote) != NAT_NONE;
    struct addr sent_to = remote_part(&entry->remote, depth);
    struct addr from = remote_part(remote, depth);
    return addr_equal(&sent_to, &from);
}

/*
 * The mapping that an external endpoint stands for towards a remote. Where several share it, the
 * one that has the 5-tuple, otherwise the oldest of those that admit the remote, otherwise the
 * oldest. NAT_NONE, with the reason in `verdict`, when there is none.
 */
static uint32_t find_outside(const struct nat *nat, const struct passage *passage,
                             enum nat_verdict *verdict)
{
    uint8_t protocol = passage->protocol;
    *verdict = NAT_DROP_FILTERED;
    if (nat->claims) {
        uint32_t claim =
            nat_flow_find(nat, NAT_CLAIM, protocol, &passage->outside, &passage->remote);
        if (claim != NAT_NONE)
            return nat_flow_at(nat, claim)->entry;
    }
    *verdict = NAT_DROP_NO_MAPPING;
    uint32_t best = NAT_NONE;
    bool best_admits = false;
    uint32_t index = nat_outside_first(nat, protocol, &passage->outside);
    for (; index != NAT_NONE; index = nat_entry_at(nat, index)->outside_next) {
        const struct nat_entry *entry = nat_entry_at(nat, index);
        if (entry->record.protocol != protocol || !addr_equal(&entry->outside, &passage->outside))
            continue;
        if (entry->record.kind == NAT_DEAD_IDLE && best == NAT_NONE)
            *verdict = NAT_DROP_EXPIRED;
        else if (entry->record.kind == NAT_DEAD_LIFETIME && best == NAT_NONE)
            *verdict = NAT_DROP_LIFETIME;
        if (entry->record.kind != NAT_ALIVE)
            continue;
        bool admitted = admits(nat, index, &passage->remote);
        bool older = best == NAT_NONE || entry->serial < nat_entry_at(nat, best)->serial;
        if ((admitted && !best_admits) || (admitted == best_admits && older)) {
            best = index;
            best_admits = admitted;
        }
    }
    return best;
}

/* What an admitted inbound packet does to later ones: enum nat_session. */
static bool note_inbound(struct nat *nat, const struct passage *passage, uint32_t index)
{
    if (!nat->paths)
        return true;
    const struct nat_entry *entry = nat_entry_at(nat, index);
    uint32_t path = find_path(nat, passage, &entry->inside);
    /* The first one wins: a packet by another mapping is delivered and changes nothing. */
    if (path != NAT_NONE && nat->config.session == NAT_SESSION_FIRST)
        return true;
    path = nat_flow_put(nat, NAT_PATH, passage->protocol, &entry->inside, &passage->remote, index);
    if (path == NAT_NONE)
        return false;
    nat_timer_start(nat, &nat->flows, path, NAT_TIMER_KEPT);
    return true;
}

/*
 * Remembers that a packet from this remote came to this external endpoint and was not admitted.
 * Linux's connection tracking does so where no rule drops such packets before its own stack answers
 * them: the entry that the answer confirms has the very 5-tuple that a mapping of the same port to
 * this remote would have, so that mapping is later moved to another port.
 */
static void poison(struct nat *nat, const struct passage *passage)
{
    if (nat->config.poison_ns == 0 || nat->config.one_to_one)
        return;
    uint32_t claim =
        nat_flow_find(nat, NAT_CLAIM, passage->protocol, &passage->outside, &passage->remote);
    if (claim != NAT_NONE && nat_flow_at(nat, claim)->entry != NAT_NONE)
        return;
    if (claim == NAT_NONE) {
        claim = nat_flow_put(nat, NAT_CLAIM, passage->protocol, &passage->outside, &passage->remote,
                             NAT_NONE);
        if (claim == NAT_NONE)
            return;
        nat->counters.poisoned++;
    }
    nat_timer_start(nat, &nat->flows, claim, NAT_TIMER_POISON);
}

/*
 * Refreshes the sessions that an admitted packet belongs to. A permission that several mappings of
 * an endpoint have given ends with one of them; it becomes that of the one in use, if that is for
 * this remote and so must have given it too.
 */
static void refresh_inbound(struct nat *nat, const struct passage *passage, uint32_t index)
{
    uint32_t flow = NAT_NONE;
    if (nat->permits) {
        const struct nat_entry *entry = nat_entry_at(nat, index);
        flow = find_permit(nat, passage->protocol, &entry->owner, &passage->remote);
        struct addr key = remote_part(&passage->remote, nat->config.mapping);
        bool own = nat->config.mapping >= nat->config.filtering && addr_equal(&entry->remote, &key);
        if (flow != NAT_NONE && own) {
            struct addr remote = remote_part(&passage->remote, nat->config.filtering);
            nat_flow_put(nat, NAT_PERMIT, passage->protocol, &entry->owner, &remote, index);
        }
        if (flow != NAT_NONE)
            touch(nat, &nat->flows, flow, passage);
    }
    if (nat->claims) {
        flow =
            nat_flow_find(nat, NAT_CLAIM, passage->protocol, &passage->outside, &passage->remote);
        if (flow != NAT_NONE)
            touch(nat, &nat->flows, flow, passage);
    }
}

/* A packet that is not admitted restarts the timer where configured, and changes no other state. */
static void refresh_filtered(struct nat *nat, const struct passage *passage, uint32_t index)
{
    if (nat->config.refresh_dropped && nat->config.refresh != NAT_REFRESH_OUTBOUND &&
        (passage->packet->tcp_flags & NAT_TCP_RST) == 0)
        nat_timer_start(nat, &nat->entries, index, nat_entry_at(nat, index)->record.timer);
}

static enum nat_verdict enter_mapped(struct nat *nat, const struct passage *passage,
                                     struct addr *inside)
{
    enum nat_verdict verdict;
    uint32_t index = find_outside(nat, passage, &verdict);
    if (index == NAT_NONE)
        return verdict;
    if (!admits(nat, index, &passage->remote)) {
        refresh_filtered(nat, passage, index);
        return NAT_DROP_FILTERED;
    }
    if (!note_inbound(nat, passage, index))
        return NAT_DROP_TABLE_FULL;
    *inside = nat_entry_at(nat, index)->inside;
    refresh_inbound(nat, passage, index);
    touch(nat, &nat->entries, index, passage);
    return NAT_PASS;
}

/* One-to-one: the internal endpoint behind an external one. */
static enum nat_verdict enter_fixed(struct nat *nat, const struct passage *passage,
                                    struct addr *inside)
{
    uint32_t owner = nat_pool_owner(nat, nat_pool_find(nat, &passage->outside));
    if (owner == NAT_NONE)
        return NAT_DROP_NO_MAPPING;
    const struct addr *address = &nat_subscriber_at(nat, owner)->inside;
    struct addr endpoint = addr_with_port(*address, passage->outside.port);
    if (nat->permits) {
        uint32_t flow = find_permit(nat, passage->protocol, &endpoint, &passage->remote);
        if (flow == NAT_NONE)
            return NAT_DROP_FILTERED;
        touch(nat, &nat->flows, flow, passage);
    }
    *inside = endpoint;
    return NAT_PASS;
}

/* The second half of every way in, also of a hairpin. */
static enum nat_verdict enter(struct nat *nat, const struct nat_packet *packet,
                              const struct addr *from, struct addr *inside)
{
    struct passage passage = {
        .packet = packet,
        .protocol = table_protocol(nat, packet->protocol),
        .outbound = false,
        .outside = packet->destination,
        .remote = *from,
    };
    if (nat->config.one_to_one)
        return enter_fixed(nat, &passage, inside);
    enum nat_verdict verdict = enter_mapped(nat, &passage, inside);
    if (verdict != NAT_PASS)
        poison(nat, &passage);
    return verdict;
}

/* One-to-one: the external endpoint of an internal one. */
static enum nat_verdict leave_fixed(struct nat *nat, const struct passage *passage,
                                    struct addr *outside)
{
    uint32_t subscriber = nat_subscriber_put(nat, &passage->inside);
    if (subscriber == NAT_NONE)
        return NAT_DROP_NO_ADDRESS;
    uint32_t address = nat_subscriber_at(nat, subscriber)->address;
    *outside = addr_with_port(*nat_pool_at(nat, address), passage->inside.port);
    if (!nat->permits)
        return NAT_PASS;
    struct addr remote = remote_part(&passage->remote, nat->config.filtering);
    uint32_t flow =
        nat_flow_put(nat, NAT_PERMIT, passage->protocol, &passage->inside, &remote, NAT_NONE);
    if (flow == NAT_NONE)
        return NAT_DROP_TABLE_FULL;
    touch(nat, &nat->flows, flow, passage);
    return NAT_PASS;
}

/* ICMP errors (RFC 5508, section 4): translated by what they quote; they refresh nothing. */

static enum nat_verdict error_inbound(struct nat *nat, struct nat_packet *packet, bool hairpin)
{
    struct passage passage = {
        .packet = packet,
        .protocol = table_protocol(nat, packet->protocol),
        .outside = packet->quoted_source,
        .remote = packet->quoted_destination,
    };
    if (nat_pool_find(nat, &passage.outside) == nat->pool_count)
        return NAT_DROP_NO_MAPPING;
    uint32_t index = NAT_NONE;
    struct addr inside;
    if (nat->config.one_to_one) {
        uint32_t owner = nat_pool_owner(nat, nat_pool_find(nat, &passage.outside));
        if (owner == NAT_NONE)
            return NAT_DROP_NO_MAPPING;
        inside = addr_with_port(nat_subscriber_at(nat, owner)->inside, passage.outside.port);
        if (nat->permits &&
            find_permit(nat, passage.protocol, &inside, &passage.remote) == NAT_NONE)
            return NAT_DROP_FILTERED;
    } else {
        enum nat_verdict verdict;
        index = find_outside(nat, &passage, &verdict);
        if (index == NAT_NONE)
            return verdict;
        /* Whoever sends the error (REQ-12a), the packet that it quotes must have been ours. */
        if (!admits(nat, index, &passage.remote))
            return NAT_DROP_FILTERED;
        inside = nat_entry_at(nat, index)->inside;
    }
    packet->quoted_source = inside;
    packet->destination = addr_with_port(inside, packet->destination.port);
    if (nat->config.icmp == NAT_ICMP_TERMINATES && index != NAT_NONE && !hairpin)
        nat_entry_kill(nat, index, NAT_DEAD_OTHER);
    return NAT_PASS;
}

static enum nat_verdict error_outbound(struct nat *nat, struct nat_packet *packet)
{
    struct passage passage = {
        .packet = packet,
        .protocol = table_protocol(nat, packet->protocol),
        .outbound = true,
        .inside = packet->quoted_destination,
        .remote = packet->quoted_source,
    };
    struct addr outside;
    bool hairpin = nat_pool_find(nat, &packet->destination) != nat->pool_count;
    if (hairpin && nat->config.hairpin == NAT_HAIRPIN_OFF)
        return NAT_DROP_HAIRPIN_OFF;
    if (nat->config.one_to_one) {
        uint32_t subscriber = nat_subscriber_find(nat, &passage.inside);
        if (subscriber == NAT_NONE)
            return NAT_DROP_NO_MAPPING;
        uint32_t address = nat_subscriber_at(nat, subscriber)->address;
        outside = addr_with_port(*nat_pool_at(nat, address), passage.inside.port);
    } else {
        uint32_t path = find_path(nat, &passage, &passage.inside);
        uint32_t index =
            path != NAT_NONE ? nat_flow_at(nat, path)->entry : find_mapping(nat, &passage);
        if (index == NAT_NONE)
            return NAT_DROP_NO_MAPPING;
        outside = nat_entry_at(nat, index)->outside;
    }
    struct nat_packet changed = *packet;
    changed.quoted_destination = outside;
    changed.source = addr_with_port(outside, packet->source.port);
    enum nat_verdict verdict = NAT_PASS;
    if (hairpin) {
        verdict = error_inbound(nat, &changed, true);
        if (verdict == NAT_PASS)
            verdict = NAT_HAIRPIN;
    }
    if (nat_verdict_passes(verdict))
        *packet = changed;
    return verdict;
}

/* The interface. */

static bool known_protocol(uint8_t protocol)
{
    return protocol == NAT_UDP || protocol == NAT_TCP || protocol == NAT_ICMP;
}

static bool is_exempt(const struct nat *nat, const struct addr *remote)
{
    for (uint32_t i = 0; i < nat->exempt_count; i++) {
        const struct nat_exemption *exempt = &nat->exempt[i];
        if (remote->family != exempt->prefix.family)
            continue;
        struct addr prefix = addr_prefix(remote, exempt->bits);
        if (addr_equal(&prefix, &exempt->prefix))
            return true;
    }
    return false;
}

static enum nat_verdict translate_outbound(struct nat *nat, struct nat_packet *packet)
{
    if (!known_protocol(packet->protocol))
        return NAT_DROP_PROTOCOL;
    if (is_exempt(nat, &packet->destination))
        return NAT_PASS;
    if (packet->is_error)
        return nat->config.icmp == NAT_ICMP_EATEN ? NAT_DROP_ICMP_EATEN
                                                  : error_outbound(nat, packet);
    bool hairpin = nat_pool_find(nat, &packet->destination) != nat->pool_count;
    if (hairpin && nat->config.hairpin == NAT_HAIRPIN_OFF)
        return NAT_DROP_HAIRPIN_OFF;
    struct passage passage = {
        .packet = packet,
        .protocol = table_protocol(nat, packet->protocol),
        .outbound = true,
        .inside = packet->source,
        .remote = packet->destination,
    };
    struct addr outside;
    enum nat_verdict verdict;
    if (nat->config.one_to_one) {
        verdict = leave_fixed(nat, &passage, &outside);
    } else {
        uint32_t index = NAT_NONE;
        verdict = leave(nat, &passage, &index);
        if (verdict == NAT_PASS)
            outside = nat_entry_at(nat, index)->outside;
    }
    if (verdict != NAT_PASS)
        return verdict;
    if (!hairpin) {
        packet->source = outside;
        return NAT_PASS;
    }
    struct addr inside;
    verdict = enter(nat, packet, &outside, &inside);
    if (verdict != NAT_PASS)
        return verdict;
    if (nat->config.hairpin == NAT_HAIRPIN_EXTERNAL)
        packet->source = outside;
    packet->destination = inside;
    return NAT_HAIRPIN;
}

static enum nat_verdict translate_inbound(struct nat *nat, struct nat_packet *packet)
{
    if (!known_protocol(packet->protocol))
        return NAT_DROP_PROTOCOL;
    const struct addr *remote = packet->is_error ? &packet->quoted_destination : &packet->source;
    if (nat_pool_find(nat, &packet->destination) == nat->pool_count)
        return is_exempt(nat, remote) ? NAT_PASS : NAT_DROP_NOT_OURS;
    if (packet->is_error)
        return nat->config.icmp == NAT_ICMP_EATEN ? NAT_DROP_ICMP_EATEN
                                                  : error_inbound(nat, packet, false);
    struct addr inside;
    enum nat_verdict verdict = enter(nat, packet, &packet->source, &inside);
    if (verdict == NAT_PASS)
        packet->destination = inside;
    return verdict;
}

enum nat_verdict nat_outbound(struct nat *nat, uint64_t now_ns, struct nat_packet *packet)
{
    nat_advance(nat, now_ns);
    enum nat_verdict verdict = translate_outbound(nat, packet);
    nat->counters.verdicts[verdict]++;
    return verdict;
}

enum nat_verdict nat_inbound(struct nat *nat, uint64_t now_ns, struct nat_packet *packet)
{
    nat_advance(nat, now_ns);
    enum nat_verdict verdict = translate_inbound(nat, packet);
    nat->counters.verdicts[verdict]++;
    check(verdict != NAT_HAIRPIN);
    return verdict;
}

bool nat_assign(struct nat *nat, const struct addr *internal, struct addr *external)
{
    check(nat->config.one_to_one);
    uint32_t subscriber = nat_subscriber_put(nat, internal);
    if (subscriber == NAT_NONE)
        return false;
    *external = *nat_pool_at(nat, nat_subscriber_at(nat, subscriber)->address);
    return true;
}

bool nat_exempt(struct nat *nat, const struct addr *prefix, unsigned bits)
{
    if (nat->exempt_count == NAT_EXEMPT_MAX)
        return false;
    struct nat_exemption exempt = {.prefix = addr_prefix(prefix, bits), .bits = bits};
    nat->exempt[nat->exempt_count++] = exempt;
    return true;
}

const struct nat_config *nat_configuration(const struct nat *nat)
{
    return &nat->config;
}

const struct nat_counters *nat_count(struct nat *nat, uint64_t now_ns)
{
    nat_advance(nat, now_ns);
    return &nat->counters;
}

bool nat_is_external(const struct nat *nat, const struct addr *address)
{
    return nat_pool_find(nat, address) != nat->pool_count;
}
