/*
 * What the files of netns/kernel.h share: kernel.c (building), kernel_fault.c (what happens later),
 * kernel_can.c (what Linux can do), kernel_nat.c and kernel_link.c (rule sets as text).
 */
#ifndef WARREN_NETNS_KERNEL_PART_H
#define WARREN_NETNS_KERNEL_PART_H

#include <stdio.h>

#include "netns/kernel.h"

enum { KERNEL_FAMILIES = 2 };

/* In the order in which a router's addresses are kept. */
static const uint8_t kernel_families[KERNEL_FAMILIES] = {ADDR_V4, ADDR_V6};

/* One end of a link, and what is the matter with it. */
struct kernel_cable {
    bool used;
    struct link_config up;
    struct link_config down;
    uint32_t down_ways; /* enum net_way: what LINK_DOWN has cut */
    bool is_down;       /* the host's interface */
};

struct kernel_place {
    int host; /* its namespace; -1: none yet */
    bool is_router;
    bool has_nat;
    bool has_firewall;
    bool is_down;
    struct net_router router; /* its `nat` and `firewall` point to the two below, or nowhere */
    struct nat_config nat;
    struct firewall_config firewall;
    struct kernel_cable cables[NET_INTERFACES_MAX];
    /* A router's external addresses, as they have been set up. */
    struct addr external[KERNEL_FAMILIES][NET_EXTERNAL_MAX];
    uint32_t external_count[KERNEL_FAMILIES];
};

/* Two places right behind the internet that it has cut off from each other. */
struct kernel_pair {
    uint32_t side[2];
};

struct kernel {
    struct net *net;
    struct kernel_place *places;
    uint32_t place_count;
    struct kernel_pair *severed;
    uint32_t severed_count;
};

/* An inside address and the external one that is its own. */
struct kernel_assignment {
    struct addr inside;
    struct addr outside;
};

/* What a router's rule set is made of. */
struct kernel_routing {
    const struct kernel_place *place;
    const struct kernel_assignment *assignments; /* of a one-to-one NAT */
    uint32_t assignment_count;
};

/* Whether the NAT translates this family. */
bool kernel_translates(const struct kernel_place *place, uint8_t family);
/* Whether packets from inside to its own addresses have to come back to it: by a cable from the
   router to itself, "turn0" to "turn1". */
bool kernel_turns(const struct kernel_place *place);

/*
 * Whether its mappings are learned in maps; otherwise Linux's own choice of ports is the mapping.
 */
bool kernel_learns(const struct nat_config *nat);
/* A router's whole rule set, for `nft -f -`; it takes the place of the one before. */
void kernel_write_rules(FILE *to, const struct kernel_routing *routing);
/* The router's conntrack timeouts, as `name value` pairs for space_sysctl(); how many. */
struct kernel_setting {
    const char *name;
    uint32_t value;
};
enum { KERNEL_SETTINGS_MAX = 16 };
uint32_t kernel_timeouts(const struct kernel_place *place,
                         struct kernel_setting settings[static KERNEL_SETTINGS_MAX]);

/* Rules for the parent's end of a link, whose interface there is `name`. */
void kernel_write_link(FILE *to, const char *name, const struct kernel_cable *cable);
/* Lines for `tc -batch -`: the rate, and all that netem does where there is netem. */
void kernel_write_qdisc(FILE *to, const char *name, const struct link_config *way);
/* Whether the rule set of this link has anything to say. */
bool kernel_link_has_rules(const struct kernel_cable *cable);
bool kernel_way_has_qdisc(const struct link_config *way);

/* The IP address as text. */
enum { KERNEL_ADDRESS_SIZE = 46 };
const char *kernel_address(const struct addr *addr, char text[static KERNEL_ADDRESS_SIZE]);
/* A sentence into `why`; always false. */
bool kernel_refuse(char why[static SPACE_ERROR_SIZE], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- kernel.c ---- */

/* The programs that are given lines. */
enum kernel_tool {
    KERNEL_IP,
    KERNEL_IP6, /* where IPv6 cannot be told from the line */
    KERNEL_NFT,
    KERNEL_TC,
};

/* Lines for a tool at one place; all zero is none yet. */
struct kernel_lines {
    FILE *file;
    char *bytes;
    size_t size;
};

/* One for each place. */
struct kernel_lines *kernel_lines_new(const struct kernel *kernel);
/* Where to write those of a place. */
FILE *kernel_lines_at(struct kernel_lines *lines, uint32_t place);
/* Hands them to the tool, where there are any, and frees them; false after the first failure. */
bool kernel_lines_do(const struct kernel *kernel, struct kernel_lines *lines, enum kernel_tool tool,
                     char error[static SPACE_ERROR_SIZE]);

/* The name of an interface at the place itself, and of its other end at the parent. */
void kernel_own_name(const struct kernel *kernel, uint32_t place, uint32_t interface,
                     char to[static SPACE_NAME_SIZE]);
void kernel_inner_name(const struct kernel *kernel, uint32_t place, uint32_t interface,
                       char to[static SPACE_NAME_SIZE]);
/* The MTU of both ends of a cable. */
uint32_t kernel_mtu(const struct kernel_cable *cable);

/* For `ip`: an interface of a host goes up, with its addresses and the routes by it. */
void kernel_write_up(FILE *to, const struct kernel *kernel, uint32_t place, uint32_t interface);
/* Waits until both ends of a cable that have been set up pass packets; a moment at most. */
bool kernel_await(const struct kernel *kernel, uint32_t place, uint32_t interface,
                  char error[static SPACE_ERROR_SIZE]);
/* For `ip`, at several places: the router's external addresses come ("replace") or go ("del"). */
void kernel_write_external(struct kernel_lines *lines, const struct kernel *kernel, uint32_t router,
                           const char *verb);
/* Takes the router's external addresses from the world. */
void kernel_read_external(struct kernel *kernel, uint32_t router);
/* For `nft`: the router's rules, and those of an interface's link, which are the parent's. */
void kernel_write_router(struct kernel_lines *lines, const struct kernel *kernel, uint32_t router);
/* Makes the queueing disciplines of a cable's ends what they have to be. */
void kernel_write_qdiscs(struct kernel_lines *lines, const struct kernel *kernel, uint32_t place,
                         uint32_t interface, bool anew);

#endif
