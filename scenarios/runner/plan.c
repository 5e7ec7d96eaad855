/* The plan's tables and memory. */
#include "scenarios/runner/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

/* A day: longer delays are typing errors. */
#define DELAY_MAX_NS 86400000000000u

#define LINK_FIELD(member) FIELD_AT(struct link_config, member)
#define PLACE_FIELD(member) FIELD_AT(struct plan_place, member)

static const char *const jitter_words[] = {"uniform", "bell", NULL};
const char *const plan_discipline_words[] = {"drop-tail", "codel", "fq-codel", "red", NULL};
const char *const plan_medium_words[] = {"wire", "csma", NULL};
static const char *const inside_words[] = {"home", "carrier", "wide", NULL};

const struct field plan_link_fields[] = {
    {"delay", FIELD_DURATION, LINK_FIELD(latency_ns), NULL, 0, DELAY_MAX_NS, "one-way latency"},
    {"jitter", FIELD_DURATION, LINK_FIELD(jitter_ns), NULL, 0, DELAY_MAX_NS,
     "at most this much is added to the delay"},
    {"jitter_shape", FIELD_WORD, LINK_FIELD(jitter), jitter_words, 0, 0,
     "how jitter is spread over its range"},
    {"jitter_reorders", FIELD_BOOLEAN, LINK_FIELD(jitter_reorders), NULL, 0, 0,
     "jitter may let a packet pass another"},
    {"loss", FIELD_SHARE, LINK_FIELD(loss_ppm), NULL, 0, RANDOM_PPM,
     "packets lost, independently of each other"},
    {"burst_enter", FIELD_SHARE, LINK_FIELD(burst_enter_ppm), NULL, 0, RANDOM_PPM,
     "packets at which a good link becomes bad (Gilbert-Elliott loss)"},
    {"burst_leave", FIELD_SHARE, LINK_FIELD(burst_leave_ppm), NULL, 0, RANDOM_PPM,
     "packets at which a bad link becomes good"},
    {"burst_loss", FIELD_SHARE, LINK_FIELD(burst_loss_ppm), NULL, 0, RANDOM_PPM,
     "packets lost while the link is bad; 0%: all"},
    {"duplicate", FIELD_SHARE, LINK_FIELD(duplicate_ppm), NULL, 0, RANDOM_PPM,
     "packets that arrive twice"},
    {"reorder", FIELD_SHARE, LINK_FIELD(reorder_ppm), NULL, 0, RANDOM_PPM,
     "packets that are held back"},
    {"reorder_hold", FIELD_DURATION, LINK_FIELD(reorder_hold_ns), NULL, 0, DELAY_MAX_NS,
     "how much longer a reordered packet takes"},
    {"corrupt", FIELD_SHARE, LINK_FIELD(corrupt_ppm), NULL, 0, RANDOM_PPM,
     "packets in which one bit flips"},
    {"corrupt_undetected", FIELD_BOOLEAN, LINK_FIELD(corrupt_undetected), NULL, 0, 0,
     "the flipped bit escapes the checksum"},
    {"rate", FIELD_RATE, LINK_FIELD(rate_bps), NULL, 0, 1000000000000u,
     "of IP packets; 0bit/s: unlimited"},
    {"queue", FIELD_BYTES, LINK_FIELD(queue_bytes), NULL, 0, 1u << 30,
     "waiting for a limited wire; 0: 65536"},
    {"mtu", FIELD_BYTES, LINK_FIELD(mtu), NULL, 0, 65535, "largest IP packet; 0: 1500"},
    {"mtu_black_hole", FIELD_BOOLEAN, LINK_FIELD(mtu_black_hole), NULL, 0, 0,
     "what is too big vanishes without an ICMP error"},
    {"discipline", FIELD_WORD, LINK_FIELD(queue_kind), plan_discipline_words, 0, 0,
     "which packets a full queue drops (ns3 alone has other than drop-tail)"},
    {"medium", FIELD_WORD, LINK_FIELD(medium), plan_medium_words, 0, 0,
     "csma: Ethernet that the hosts behind a router share (ns3 alone)"},
    {.name = NULL},
};

const struct field plan_server_fields[] = {
    {"addresses", FIELD_COUNT, PLACE_FIELD(addresses), NULL, 1, 2,
     "public addresses in each family; 2 for RFC 5780"},
    {"port", FIELD_COUNT, PLACE_FIELD(port), NULL, 1, 65535, "where STUN is served"},
    {"alternate_port", FIELD_COUNT, PLACE_FIELD(alternate_port), NULL, 0, 65535,
     "the other port; 0: none"},
    {"ipv4", FIELD_BOOLEAN, PLACE_FIELD(ipv4), NULL, 0, 0, "has IPv4 addresses"},
    {"ipv6", FIELD_BOOLEAN, PLACE_FIELD(ipv6), NULL, 0, 0, "has IPv6 addresses"},
    {.name = NULL},
};

const struct field plan_router_fields[] = {
    {"addresses", FIELD_COUNT, PLACE_FIELD(addresses), NULL, 0, PLAN_EXTERNAL_MAX,
     "external addresses; 0: as many as the NAT's pool asks for"},
    {"inside", FIELD_WORD, PLACE_FIELD(inside), inside_words, 0, 0,
     "the range behind its NAT: 192.168.N.0/24, 100.64.0.0/12 or 10.0.0.0/12"},
    {"ipv6", FIELD_BOOLEAN, PLACE_FIELD(ipv6), NULL, 0, 0,
     "it, and what is behind it, may have IPv6"},
    {"nat_v6", FIELD_BOOLEAN, PLACE_FIELD(nat_v6), NULL, 0, 0, "the NAT translates IPv6 too"},
    {"silent", FIELD_BOOLEAN, PLACE_FIELD(silent), NULL, 0, 0, "makes no ICMP errors of its own"},
    {.name = NULL},
};

const struct field plan_client_fields[] = {
    {"addresses", FIELD_COUNT, PLACE_FIELD(addresses), NULL, 1, 4,
     "of each interface, in each family"},
    {"ipv4", FIELD_BOOLEAN, PLACE_FIELD(ipv4), NULL, 0, 0, "has IPv4 addresses"},
    {"ipv6", FIELD_BOOLEAN, PLACE_FIELD(ipv6), NULL, 0, 0, "has IPv6 addresses"},
    {.name = NULL},
};

const struct field plan_hostile_fields[] = {
    {"member", FIELD_BOOLEAN, PLACE_FIELD(member), NULL, 0, 0, "holds a credential of the mesh"},
    {"ipv4", FIELD_BOOLEAN, PLACE_FIELD(ipv4), NULL, 0, 0, "has an IPv4 address"},
    {"ipv6", FIELD_BOOLEAN, PLACE_FIELD(ipv6), NULL, 0, 0, "has an IPv6 address"},
    {.name = NULL},
};

const struct field plan_bystander_fields[] = {
    {"ipv4", FIELD_BOOLEAN, PLACE_FIELD(ipv4), NULL, 0, 0, "has an IPv4 address"},
    {"ipv6", FIELD_BOOLEAN, PLACE_FIELD(ipv6), NULL, 0, 0, "has an IPv6 address"},
    {.name = NULL},
};

#define ACTION_FIELD(member) FIELD_AT(struct plan_action, member)

const struct field plan_send_fields[] = {
    {"every", FIELD_DURATION, ACTION_FIELD(every_ns), NULL, 1, DELAY_MAX_NS,
     "from one packet to the next"},
    {"count", FIELD_COUNT, ACTION_FIELD(count), NULL, 1, PLAN_COUNT_MAX, "packets each way"},
    {"size", FIELD_BYTES, ACTION_FIELD(size), NULL, PLAN_SIZE_MIN, NODE_PACKET_MAX,
     "of each packet"},
    {.name = NULL},
};

const struct field plan_attack_fields[] = {
    {"every", FIELD_DURATION, ACTION_FIELD(every_ns), NULL, 1, DELAY_MAX_NS,
     "from one time to the next"},
    {"count", FIELD_COUNT, ACTION_FIELD(count), NULL, 1, PLAN_COUNT_MAX, "how often"},
    {.name = NULL},
};

const struct field plan_bulk_fields[] = {
    {"flows", FIELD_COUNT, ACTION_FIELD(count), NULL, 1, PLAN_FLOWS_MAX, "TCP connections"},
    {"lasts", FIELD_DURATION, ACTION_FIELD(lasts_ns), NULL, 1000000, DELAY_MAX_NS,
     "from their begin to their end"},
    {.name = NULL},
};

#define EXPECT_FIELD(member) FIELD_AT(struct plan_expect, member)

const struct field plan_count_fields[] = {
    {"at_least", FIELD_COUNT, EXPECT_FIELD(at_least), NULL, 1, PLAN_COUNT_ANY - 1, "datagrams"},
    {"at_most", FIELD_COUNT, EXPECT_FIELD(at_most), NULL, 0, PLAN_COUNT_ANY - 1, "datagrams"},
    {.name = NULL},
};

const char *const plan_place_words[] = {"server", "router", "client", "hostile", "bystander", NULL};
const char *const plan_mode_words[] = {"finally", "within", "always", "never", NULL};
const char *const plan_way_words[] = {"both", "up", "down", NULL};
const char *const plan_expect_words[] = {
    "classified", "data", "direct", "relayed", "unreachable", "verdict", "sends", "receives", NULL};

const struct plan_action_word plan_action_words[PLAN_ACTION_KINDS] = {
    [PLAN_CLASSIFY] = {"classify", "a client finds out what it is behind", false, true},
    [PLAN_FLUSH] = {"flush", "a router reboots and forgets its mappings", true, false},
    [PLAN_ADDRESS] = {"address", "a router's external addresses are replaced by new ones", true,
                      false},
    [PLAN_LINK] = {"link", "the link of a place changes in the given fields", true, true},
    [PLAN_DOWN] = {"down", "the link of a place carries nothing any more", true, true},
    [PLAN_UP] = {"up", "it carries packets again", true, true},
    [PLAN_SUSPEND] = {"suspend", "a host sleeps, while time goes on", false, true},
    [PLAN_RESUME] = {"resume", "it wakes up", false, true},
    [PLAN_CRASH] = {"crash", "a host's process ends and its state is lost", false, true},
    [PLAN_RESTART] = {"restart", "a fresh process starts", false, true},
    [PLAN_UNPLUG] = {"unplug", "an interface of a host is gone, with its addresses", false, true},
    [PLAN_PLUG] = {"plug", "it is there again", false, true},
    [PLAN_CONNECT] = {"connect", "a client asks for a path to another one, and sends a packet",
                      false, true},
    [PLAN_SEND] = {"send", "a client sends numbered packets to another one", false, true},
    [PLAN_TALK] = {"talk", "two clients send each other numbered packets", false, true},
    [PLAN_SEVER] = {"sever", "the internet loses its routes between two places", true, true},
    [PLAN_MEND] = {"mend", "it has them again", true, true},
    [PLAN_REPLAY] = {"replay", "a hostile host sends again what it has heard", false, false},
    [PLAN_FLOOD] = {"flood", "a hostile host sends a node junk", false, false},
    [PLAN_SPOOF] = {"spoof", "a hostile host sends a node junk from false sources", false, false},
    [PLAN_CLAIM] = {"claim", "a hostile member registers a host's address as its own, and calls",
                    false, false},
    [PLAN_BIND] = {"bind", "a hostile member registers and calls from a host's address", false,
                   false},
    [PLAN_PROBE] = {"probe", "a hostile member probes whom it calls from a host's address", false,
                    false},
    [PLAN_CLOCK] = {"clock", "the wall clock of a server or client is off by so much", false, true},
    [PLAN_BULK] = {"bulk",
                   "a server sends a client as much as TCP can, or the other way (ns3 alone)",
                   false, true},
};

const struct field *plan_place_fields(enum plan_place_kind kind)
{
    static const struct field *const tables[] = {plan_server_fields, plan_router_fields,
                                                 plan_client_fields, plan_hostile_fields,
                                                 plan_bystander_fields};
    check(kind < PLAN_PLACE_KINDS);
    return tables[kind];
}

void plan_place_init(struct plan_place *place, enum plan_place_kind kind)
{
    memset(place, 0, sizeof *place);
    place->kind = (uint8_t)kind;
    place->ipv4 = true;
    place->interface_count = 1;
    place->interfaces[0].behind = PLAN_INTERNET;
    place->addresses = kind == PLAN_SERVER ? 2 : kind == PLAN_ROUTER ? 0 : 1;
    place->nat = nat_config_default();
    place->home = PLAN_INTERNET;
    place->reserve = PLAN_INTERNET;
    if (kind == PLAN_SERVER) {
        place->port = PLAN_PORT;
        place->alternate_port = PLAN_ALTERNATE_PORT;
    }
}

/*
 * Room for one more, zeroed; NULL when there are `most`. Lists double, so their room is a power of
 * two.
 */
static void *add(void *list_pointer, uint32_t *count, uint32_t most, size_t size)
{
    void *list;
    memcpy(&list, list_pointer, sizeof list);
    check(size > 0 && *count <= most);
    if (*count == most)
        return NULL;
    if ((*count & (*count - 1)) == 0) {
        list = realloc(list, (*count == 0 ? 1 : (size_t)*count * 2) * size);
        if (list == NULL) {
            fprintf(stderr, "warren-lab: out of memory\n");
            exit(2);
        }
        memcpy(list_pointer, &list, sizeof list);
    }
    void *added = (uint8_t *)list + *count * size;
    memset(added, 0, size);
    (*count)++;
    return added;
}

struct plan_scenario *plan_add_scenario(struct plan *plan)
{
    struct plan_scenario *scenario =
        add(&plan->scenarios, &plan->scenario_count, PLAN_SCENARIOS_MAX, sizeof *plan->scenarios);
    if (scenario != NULL) {
        scenario->seeds = 1;
        scenario->duration_ns = PLAN_DURATION_DEFAULT_NS;
    }
    return scenario;
}

struct plan_place *plan_add_place(struct plan_scenario *scenario, enum plan_place_kind kind)
{
    struct plan_place *place =
        add(&scenario->places, &scenario->place_count, PLAN_PLACES_MAX, sizeof *scenario->places);
    if (place != NULL)
        plan_place_init(place, kind);
    return place;
}

struct plan_action *plan_add_action(struct plan_scenario *scenario)
{
    return add(&scenario->actions, &scenario->action_count, PLAN_ACTIONS_MAX,
               sizeof *scenario->actions);
}

struct plan_expect *plan_add_expect(struct plan_scenario *scenario)
{
    struct plan_expect *expect = add(&scenario->expects, &scenario->expect_count, PLAN_EXPECTS_MAX,
                                     sizeof *scenario->expects);
    if (expect != NULL) {
        expect->share_ppm = RANDOM_PPM;
        expect->at_most = PLAN_COUNT_ANY;
    }
    return expect;
}

struct plan_difference *plan_add_difference(struct plan_scenario *scenario)
{
    return add(&scenario->differences, &scenario->difference_count, PLAN_DIFFERENCES_MAX,
               sizeof *scenario->differences);
}

const char *plan_why_different(const struct plan_scenario *scenario, const char *network)
{
    for (uint32_t i = 0; i < scenario->difference_count; i++)
        if (strcmp(scenario->differences[i].network, network) == 0)
            return scenario->differences[i].why;
    return NULL;
}

const char *plan_program(const struct plan_scenario *scenario)
{
    return scenario->program[0] != 0 ? scenario->program : "warren";
}

uint32_t plan_find_place(const struct plan_scenario *scenario, const char *name)
{
    for (uint32_t i = 0; i < scenario->place_count; i++)
        if (strcmp(scenario->places[i].name, name) == 0)
            return i;
    return PLAN_INTERNET;
}

bool plan_is_node(const struct plan_place *place)
{
    return place->kind == PLAN_SERVER || place->kind == PLAN_CLIENT;
}

bool plan_names_peer(enum plan_action_kind kind)
{
    return kind == PLAN_CONNECT || kind == PLAN_SEND || kind == PLAN_TALK;
}

bool plan_is_mesh(const struct plan_scenario *scenario)
{
    bool mesh = scenario->mesh;
    for (uint32_t i = 0; i < scenario->action_count && !mesh; i++) {
        enum plan_action_kind kind = (enum plan_action_kind)scenario->actions[i].kind;
        mesh = plan_names_peer(kind) || plan_is_attack(kind) || kind == PLAN_CLOCK;
    }
    return mesh;
}

bool plan_is_attack(enum plan_action_kind kind)
{
    return kind >= PLAN_REPLAY && kind <= PLAN_PROBE;
}

bool plan_is_lie(enum plan_action_kind kind)
{
    return kind >= PLAN_CLAIM && kind <= PLAN_PROBE;
}

bool plan_is_count(enum plan_expect_kind kind)
{
    return kind == PLAN_SENDS || kind == PLAN_RECEIVES;
}

uint64_t plan_action_end_ns(const struct plan_action *action)
{
    uint64_t room_ns = UINT64_MAX - action->at_ns;
    if (action->kind == PLAN_BULK)
        return action->lasts_ns < room_ns ? action->at_ns + action->lasts_ns : UINT64_MAX;
    if (action->every_ns != 0 && action->count > room_ns / action->every_ns)
        return UINT64_MAX;
    return action->at_ns + action->count * action->every_ns;
}

bool plan_link_is_usual(const struct link_config *link)
{
    return link->queue_kind == LINK_QUEUE_DROP_TAIL && link->medium == LINK_MEDIUM_WIRE;
}

bool plan_link_is_fixed(const struct field *field)
{
    return field->offset == offsetof(struct link_config, queue_kind) ||
           field->offset == offsetof(struct link_config, medium);
}

static bool link_is_lossy(const struct link_config *link)
{
    return link->loss_ppm != 0 || link->burst_enter_ppm != 0 || link->corrupt_ppm != 0;
}

bool plan_is_lossy(const struct plan_scenario *scenario)
{
    for (uint32_t i = 0; i < scenario->place_count; i++) {
        const struct plan_place *place = &scenario->places[i];
        for (uint32_t j = 0; j < place->interface_count; j++)
            if (link_is_lossy(&place->interfaces[j].up) ||
                link_is_lossy(&place->interfaces[j].down))
                return true;
    }
    for (uint32_t i = 0; i < scenario->action_count; i++)
        if (scenario->actions[i].kind == PLAN_LINK && link_is_lossy(&scenario->actions[i].link))
            return true;
    return false;
}

void plan_free(struct plan *plan)
{
    for (uint32_t i = 0; i < plan->scenario_count; i++) {
        free(plan->scenarios[i].places);
        free(plan->scenarios[i].actions);
        free(plan->scenarios[i].expects);
        free(plan->scenarios[i].differences);
    }
    free(plan->scenarios);
    *plan = (struct plan){.scenarios = NULL};
}
