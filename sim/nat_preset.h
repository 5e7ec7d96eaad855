/*
 * Named NATs: real things and the textbook classes, each as a short list of what differs from
 * nat_config_default(). Where the values come from is said at each one in sim/nat_preset.c.
 */
#ifndef WARREN_SIM_NAT_PRESET_H
#define WARREN_SIM_NAT_PRESET_H

#include <stdbool.h>
#include <stddef.h>

#include "sim/nat.h"

enum { NAT_PRESET_SETTINGS = 16 };

struct nat_preset {
    const char *name;
    const char *about; /* one sentence */
    bool is_nat;       /* false: the router forwards without translating, and has no struct nat */
    /* "parameter=value", as sim/nat_param.h reads them; NULL after the last. */
    const char *settings[NAT_PRESET_SETTINGS];
};

size_t nat_preset_count(void);
/* `index` is below nat_preset_count(); the order is that of the table. */
const struct nat_preset *nat_preset_at(size_t index);
/* NULL when there is none of that name. */
const struct nat_preset *nat_preset_find(const char *name);
/* The preset whose name is most like `name`, for "did you mean"; never NULL. */
const struct nat_preset *nat_preset_nearest(const char *name);
/* The whole configuration; of a preset that is no NAT, the default one. */
struct nat_config nat_preset_config(const struct nat_preset *preset);

/* The nine classes are presets too, named "eim-eif", "eim-adf" ... "apdm-apdf". */
const struct nat_preset *nat_preset_class(enum nat_mapping mapping, enum nat_filtering filtering);

#endif
