/* The table of named NATs. */
#include "sim/nat_preset.h"

#include <string.h>

#include "core/base/check.h"
#include "sim/nat_param.h"

static const struct nat_preset presets[] = {
    {"none", "No NAT: the router forwards every packet as it is.", false, {NULL}},
    {"one-to-one",
     "Each inside address has an outside address of its own, open to anyone.",
     true,
     {"one_to_one=true", "filtering=eif", "pool=16", NULL}},
    /* An elastic address; the security group is a firewall of its own, not part of the NAT. */
    {"ec2-one-to-one",
     "A cloud's elastic address: one-to-one, without hairpin to the outside address.",
     true,
     {"one_to_one=true", "filtering=eif", "pool=16", "hairpin=off", NULL}},
    /* The four classes of RFC 3489, section 5, in the terms of RFC 4787. */
    {"full-cone",
     "One outside port per inside port, open to anyone.",
     true,
     {"mapping=eim", "filtering=eif", NULL}},
    {"restricted-cone",
     "One outside port per inside port, open to addresses that were sent to.",
     true,
     {"mapping=eim", "filtering=adf", NULL}},
    {"port-restricted-cone",
     "One outside port per inside port, open to addresses and ports that were sent to.",
     true,
     {"mapping=eim", "filtering=apdf", NULL}},
    {"symmetric",
     "A new random outside port for every remote address and port, open to that one alone.",
     true,
     {"mapping=apdm", "filtering=apdf", "ports=random", "parity=false", "hairpin=off", NULL}},
    /*
     * Home routers keep ports in 92 % of sessions (Richter and others, 2016); median timeouts are
     * 90 s after one packet and 180 s after an answer (Haetoenen and others, 2010).
     */
    {"home",
     "A home router: keeps ports, filters by address and port, has no hairpin.",
     true,
     {"mapping=eim", "filtering=apdf", "ports=preserved", "parity=false", "port_classes=false",
      "hairpin=off", "idle=180s", "one_way=90s", "capacity=4096", "sessions=16384", NULL}},
    /* RFC 6888: paired pooling, EIF, a quota, 120 s of port rest, nothing evicted; RFC 4787. */
    {"carrier-grade",
     "A carrier's NAT as RFC 6888 asks: anyone may answer, ports are random, limited and rested.",
     true,
     {"mapping=eim", "filtering=eif", "ports=random", "pool=4", "pooling=paired", "quota=1024",
      "reuse_delay=120s", "parity=false", "capacity=131072", "sessions=262144", NULL}},
    /* Median idle time of carriers outside mobile networks (Richter and others, 2016). */
    {"carrier-grade-strict",
     "A carrier's NAT as often met: symmetric, in blocks of 512 ports, forgetting after 35 s.",
     true,
     {"mapping=apdm", "filtering=apdf", "ports=block", "block=512", "pool=4", "quota=512",
      "idle=35s", "parity=false", "hairpin=off", "capacity=131072", "sessions=262144", NULL}},
    /* Two fifths of mobile carriers are symmetric, with a median of 65 s (the same study). */
    {"mobile-symmetric",
     "A mobile carrier's NAT: symmetric, random ports, forgetting after 65 s.",
     true,
     {"mapping=apdm", "filtering=apdf", "ports=random", "pool=4", "pooling=paired", "idle=65s",
      "parity=false", "hairpin=off", NULL}},
    /* Measured on Linux 6.18: sets (a), (a2) and (b) of docs on network namespaces. */
    {"linux-masquerade",
     "Linux masquerade with no rule that drops inbound packets: an early packet moves the port.",
     true,
     {"mapping=eim", "filtering=apdf", "ports=overloaded", "poison=30s", "idle=120s", "one_way=30s",
      "two_way_after=2s", "hairpin=off", "parity=false", "port_classes=false", NULL}},
    {"linux-masquerade-drop",
     "Linux masquerade behind a rule that drops unsolicited packets, as in most home routers.",
     true,
     {"mapping=eim", "filtering=apdf", "ports=overloaded", "idle=120s", "one_way=30s",
      "two_way_after=2s", "hairpin=off", "parity=false", "port_classes=false", NULL}},
    {"linux-random",
     "Linux masquerade with fully random ports: symmetric.",
     true,
     {"mapping=apdm", "filtering=apdf", "ports=random", "idle=120s", "one_way=30s",
      "two_way_after=2s", "hairpin=off", "parity=false", "port_classes=false", NULL}},
    {"sequential-symmetric",
     "A new outside port for every remote, each one above the last: it can be predicted.",
     true,
     {"mapping=apdm", "filtering=apdf", "ports=sequential", "step=1", "parity=false",
      "port_classes=false", "hairpin=off", NULL}},
    /* pf: random ports of 50001 to 65535; udp.single 30 s, udp.multiple 60 s. */
    {"pf-symmetric",
     "The packet filter of FreeBSD, OPNsense and pfSense: symmetric, random high ports.",
     true,
     {"mapping=apdm", "filtering=apdf", "ports=random", "port_low=50001", "port_high=65535",
      "idle=60s", "one_way=30s", "parity=false", "port_classes=false", "hairpin=off", NULL}},
    {"changes-under-collision",
     "Keeps ports and looks well behaved until two hosts want the same one; then symmetric.",
     true,
     {"mapping=eim", "filtering=apdf", "ports=preserved", "collision=symmetric", "hairpin=off",
      "parity=false", NULL}},
    {"outbound-refresh",
     "A router whose mappings only packets from inside keep alive, for 30 s.",
     true,
     {"mapping=eim", "filtering=apdf", "refresh=outbound", "idle=30s", NULL}},

    {"eim-eif",
     "Endpoint-independent mapping, endpoint-independent filtering.",
     true,
     {"mapping=eim", "filtering=eif", NULL}},
    {"eim-adf",
     "Endpoint-independent mapping, address-dependent filtering.",
     true,
     {"mapping=eim", "filtering=adf", NULL}},
    {"eim-apdf",
     "Endpoint-independent mapping, address-and-port-dependent filtering.",
     true,
     {"mapping=eim", "filtering=apdf", NULL}},
    {"adm-eif",
     "Address-dependent mapping to random ports, endpoint-independent filtering.",
     true,
     {"mapping=adm", "filtering=eif", "ports=random", NULL}},
    {"adm-adf",
     "Address-dependent mapping to random ports, address-dependent filtering.",
     true,
     {"mapping=adm", "filtering=adf", "ports=random", NULL}},
    {"adm-apdf",
     "Address-dependent mapping to random ports, address-and-port-dependent filtering.",
     true,
     {"mapping=adm", "filtering=apdf", "ports=random", NULL}},
    {"apdm-eif",
     "Address-and-port-dependent mapping to random ports, endpoint-independent filtering.",
     true,
     {"mapping=apdm", "filtering=eif", "ports=random", NULL}},
    {"apdm-adf",
     "Address-and-port-dependent mapping to random ports, address-dependent filtering.",
     true,
     {"mapping=apdm", "filtering=adf", "ports=random", NULL}},
    {"apdm-apdf",
     "Address-and-port-dependent mapping to random ports, and filtering alike.",
     true,
     {"mapping=apdm", "filtering=apdf", "ports=random", NULL}},
};

size_t nat_preset_count(void)
{
    return sizeof presets / sizeof presets[0];
}

const struct nat_preset *nat_preset_at(size_t index)
{
    check(index < nat_preset_count());
    return &presets[index];
}

const struct nat_preset *nat_preset_find(const char *name)
{
    for (size_t i = 0; i < nat_preset_count(); i++) {
        if (strcmp(presets[i].name, name) == 0)
            return &presets[i];
    }
    return NULL;
}

const struct nat_preset *nat_preset_nearest(const char *name)
{
    const struct nat_preset *best = &presets[0];
    for (size_t i = 1; i < nat_preset_count(); i++) {
        if (nat_word_distance(name, presets[i].name) < nat_word_distance(name, best->name))
            best = &presets[i];
    }
    return best;
}

struct nat_config nat_preset_config(const struct nat_preset *preset)
{
    struct nat_config config = nat_config_default();
    char error[NAT_PARAM_ERROR_SIZE];
    for (size_t i = 0; preset->settings[i] != NULL; i++) {
        char name[NAT_PARAM_TEXT_SIZE] = {0};
        const char *equals = strchr(preset->settings[i], '=');
        check(equals != NULL);
        size_t size = (size_t)(equals - preset->settings[i]);
        check(size < sizeof name);
        memcpy(name, preset->settings[i], size);
        bool known = nat_param_assign(&config, name, equals + 1, error);
        check(known);
    }
    check(nat_config_problem(&config) == NULL);
    return config;
}

const struct nat_preset *nat_preset_class(enum nat_mapping mapping, enum nat_filtering filtering)
{
    size_t first = nat_preset_count() - 9;
    check(mapping <= NAT_MAPPING_APDM);
    check(filtering <= NAT_FILTERING_APDF);
    return &presets[first + (size_t)mapping * 3 + (size_t)filtering];
}
