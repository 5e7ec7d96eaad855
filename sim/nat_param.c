/* The table of the NAT's parameters, and reading and writing values by it. */
#include "sim/nat_param.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define AT(field) offsetof(struct nat_config, field)
#define DAY_NS (86400ull * 1000000000)
#define YEAR_NS (365 * DAY_NS)

static const struct nat_param params[] = {
    {"mapping", NAT_PARAM_WORD, AT(mapping), WORDS("eim", "adm", "apdm"), 0, 2,
     "What the external endpoint depends on besides the internal one: nothing, the remote "
     "address, the remote address and port."},
    {"filtering", NAT_PARAM_WORD, AT(filtering), WORDS("eif", "adf", "apdf"), 0, 2,
     "From whom a mapping admits packets: anyone, an address that was sent to, an address and "
     "port that was sent to."},
    {"scope", NAT_PARAM_WORD, AT(scope), WORDS("mapping", "endpoint"), 0, 1,
     "Whether permission holds for one mapping or for all mappings of the internal endpoint."},
    {"session", NAT_PARAM_WORD, AT(session), WORDS("nothing", "first", "pin"), 0, 2,
     "What an admitted inbound packet does: nothing, fix the pair's mapping if it is the first "
     "packet, or make replies leave by the mapping it came in by."},
    {"ports", NAT_PARAM_WORD, AT(ports),
     WORDS("preserved", "overloaded", "sequential", "random", "block"), 0, 4,
     "How the external port of a new mapping is chosen."},
    {"collision", NAT_PARAM_WORD, AT(collision),
     WORDS("random", "next", "symmetric", "steal", "refuse"), 0, 4,
     "What a NAT that preserves ports does when the port is taken."},
    {"step", NAT_PARAM_INTEGER, AT(step), NULL, 1, 65535, "The distance between sequential ports."},
    {"block", NAT_PARAM_INTEGER, AT(block), NULL, 1, 65535,
     "The number of ports in a subscriber's block."},
    {"port_low", NAT_PARAM_INTEGER, AT(port_low), NULL, 1, 65535, "The lowest external port."},
    {"port_high", NAT_PARAM_INTEGER, AT(port_high), NULL, 1, 65535, "The highest external port."},
    {"parity", NAT_PARAM_BOOLEAN, AT(parity), NULL, 0, 1,
     "Whether even internal ports get even external ones, and odd ones odd."},
    {"contiguity", NAT_PARAM_BOOLEAN, AT(contiguity), NULL, 0, 1,
     "Whether a pair of neighbouring internal ports gets neighbouring external ones."},
    {"port_classes", NAT_PARAM_BOOLEAN, AT(port_classes), NULL, 0, 1,
     "Whether internal ports below 1024 get external ones below 1024, and others others."},
    {"pool", NAT_PARAM_INTEGER, AT(pool), NULL, 1, NAT_POOL_MAX,
     "The number of external addresses."},
    {"pooling", NAT_PARAM_WORD, AT(pooling), WORDS("paired", "soft", "arbitrary"), 0, 2,
     "Whether an internal address always has the same external one, has it while it has free "
     "ports, or gets any one for each mapping."},
    {"one_to_one", NAT_PARAM_BOOLEAN, AT(one_to_one), NULL, 0, 1,
     "Whether each internal address has an external one of its own with all its ports."},
    {"hairpin", NAT_PARAM_WORD, AT(hairpin), WORDS("off", "internal", "external"), 0, 2,
     "What source a packet from inside to one of the NAT's own addresses is delivered with."},
    {"refresh", NAT_PARAM_WORD, AT(refresh), WORDS("outbound", "inbound", "both"), 0, 2,
     "Which packets restart the idle timer."},
    {"refresh_dropped", NAT_PARAM_BOOLEAN, AT(refresh_dropped), NULL, 0, 1,
     "Whether an inbound packet that is filtered restarts the idle timer too."},
    {"idle", NAT_PARAM_DURATION, AT(idle_ns), NULL, 1, YEAR_NS,
     "After what time without use a UDP mapping is gone."},
    {"one_way", NAT_PARAM_DURATION, AT(one_way_ns), NULL, 0, YEAR_NS,
     "The same while only one side has sent; 0s: no difference."},
    {"two_way_after", NAT_PARAM_DURATION, AT(two_way_after_ns), NULL, 0, YEAR_NS,
     "How old a two-way mapping must be for the longer timeout."},
    {"well_known", NAT_PARAM_DURATION, AT(well_known_ns), NULL, 0, YEAR_NS,
     "The same while all remote ports are below 1024; 0s: no difference."},
    {"tcp_idle", NAT_PARAM_DURATION, AT(tcp_idle_ns), NULL, 1, YEAR_NS,
     "After what time without use an open TCP connection's mapping is gone."},
    {"tcp_transitory", NAT_PARAM_DURATION, AT(tcp_transitory_ns), NULL, 1, YEAR_NS,
     "The same while it is being opened or closed."},
    {"icmp_idle", NAT_PARAM_DURATION, AT(icmp_idle_ns), NULL, 1, YEAR_NS,
     "After what time without use an ICMP query's mapping is gone."},
    {"lifetime", NAT_PARAM_DURATION, AT(lifetime_ns), NULL, 0, YEAR_NS,
     "After what time a mapping is gone even if it is used; 0s: never."},
    {"reuse_delay", NAT_PARAM_DURATION, AT(reuse_delay_ns), NULL, 0, YEAR_NS,
     "How long an external port rests after its mapping is gone."},
    {"poison", NAT_PARAM_DURATION, AT(poison_ns), NULL, 0, YEAR_NS,
     "How long an inbound packet that was not admitted keeps its port from being used towards its "
     "sender; 0s: not at all."},
    {"capacity", NAT_PARAM_INTEGER, AT(capacity), NULL, 1, 1 << 24, "Mappings, at most."},
    {"sessions", NAT_PARAM_INTEGER, AT(sessions), NULL, 1, 1 << 24,
     "Permissions and fixed paths, at most."},
    {"quota", NAT_PARAM_INTEGER, AT(quota), NULL, 0, 1 << 24,
     "Mappings of one internal address, at most; 0: no limit."},
    {"eviction", NAT_PARAM_WORD, AT(eviction), WORDS("refuse", "oldest"), 0, 1,
     "Whether a full table refuses what is new or drops what was idle for longest."},
    {"icmp", NAT_PARAM_WORD, AT(icmp), WORDS("passed", "eaten", "terminates"), 0, 2,
     "Whether ICMP errors are translated, dropped, or translated and end their mapping."},
    {"shared_protocols", NAT_PARAM_BOOLEAN, AT(shared_protocols), NULL, 0, 1,
     "Whether UDP and TCP share mappings."},
};

/* Units of time, largest first. */
static const struct {
    const char *name;
    uint64_t ns;
} units[] = {
    {"h", 3600ull * 1000000000},
    {"m", 60ull * 1000000000},
    {"s", 1000000000},
    {"ms", 1000000},
    {"us", 1000},
    {"ns", 1},
};

size_t nat_param_count(void)
{
    return sizeof params / sizeof params[0];
}

const struct nat_param *nat_param_at(size_t index)
{
    check(index < nat_param_count());
    return &params[index];
}

const struct nat_param *nat_param_find(const char *name)
{
    for (size_t i = 0; i < nat_param_count(); i++) {
        if (strcmp(params[i].name, name) == 0)
            return &params[i];
    }
    return NULL;
}

unsigned nat_word_distance(const char *a, const char *b)
{
    enum { WORD_MAX = 32 };
    unsigned row[WORD_MAX + 1];
    size_t width = strlen(b);
    if (strlen(a) > WORD_MAX || width > WORD_MAX)
        return UINT32_MAX;
    for (unsigned j = 0; j <= width; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1] != 0; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            unsigned change = diagonal + (a[i - 1] != b[j - 1]);
            unsigned shorter = row[j - 1] < row[j] ? row[j - 1] : row[j];
            diagonal = row[j];
            row[j] = change < shorter + 1 ? change : shorter + 1;
        }
    }
    return row[width];
}

const struct nat_param *nat_param_nearest(const char *name)
{
    const struct nat_param *best = &params[0];
    for (size_t i = 1; i < nat_param_count(); i++) {
        if (nat_word_distance(name, params[i].name) < nat_word_distance(name, best->name))
            best = &params[i];
    }
    return best;
}

uint64_t nat_param_get(const struct nat_param *param, const struct nat_config *config)
{
    const uint8_t *field = (const uint8_t *)config + param->offset;
    uint32_t integer;
    uint64_t duration;
    switch (param->type) {
    case NAT_PARAM_INTEGER:
        memcpy(&integer, field, sizeof integer);
        return integer;
    case NAT_PARAM_DURATION:
        memcpy(&duration, field, sizeof duration);
        return duration;
    case NAT_PARAM_WORD:
    case NAT_PARAM_BOOLEAN:
        break;
    }
    return *field;
}

/* The value as text, without regard to a configuration. */
static const char *render(const struct nat_param *param, uint64_t value,
                          char text[static NAT_PARAM_TEXT_SIZE])
{
    size_t unit = 0;
    switch (param->type) {
    case NAT_PARAM_WORD:
        check(value <= param->high);
        snprintf(text, NAT_PARAM_TEXT_SIZE, "%s", param->words[value]);
        break;
    case NAT_PARAM_BOOLEAN:
        snprintf(text, NAT_PARAM_TEXT_SIZE, "%s", value != 0 ? "true" : "false");
        break;
    case NAT_PARAM_INTEGER:
        snprintf(text, NAT_PARAM_TEXT_SIZE, "%llu", (unsigned long long)value);
        break;
    case NAT_PARAM_DURATION:
        while (value % units[unit].ns != 0)
            unit++;
        if (value == 0)
            unit = 2;
        snprintf(text, NAT_PARAM_TEXT_SIZE, "%llu%s", (unsigned long long)(value / units[unit].ns),
                 units[unit].name);
        break;
    }
    return text;
}

const char *nat_param_render(const struct nat_param *param, const struct nat_config *config,
                             char text[static NAT_PARAM_TEXT_SIZE])
{
    return render(param, nat_param_get(param, config), text);
}

bool nat_param_set(const struct nat_param *param, struct nat_config *config, uint64_t value,
                   char error[static NAT_PARAM_ERROR_SIZE])
{
    uint8_t *field = (uint8_t *)config + param->offset;
    char low[NAT_PARAM_TEXT_SIZE];
    char high[NAT_PARAM_TEXT_SIZE];
    char given[NAT_PARAM_TEXT_SIZE];
    if (value < param->low || value > param->high) {
        if (param->type == NAT_PARAM_WORD || param->type == NAT_PARAM_BOOLEAN)
            snprintf(error, NAT_PARAM_ERROR_SIZE, "%s has no value number %llu", param->name,
                     (unsigned long long)value);
        else
            snprintf(error, NAT_PARAM_ERROR_SIZE, "%s must lie within %s to %s, not %s",
                     param->name, render(param, param->low, low), render(param, param->high, high),
                     render(param, value, given));
        return false;
    }
    uint32_t integer = (uint32_t)value;
    switch (param->type) {
    case NAT_PARAM_INTEGER:
        memcpy(field, &integer, sizeof integer);
        break;
    case NAT_PARAM_DURATION:
        memcpy(field, &value, sizeof value);
        break;
    case NAT_PARAM_WORD:
    case NAT_PARAM_BOOLEAN:
        *field = (uint8_t)value;
        break;
    }
    return true;
}

/* Decimal digits at *text, which moves past them; false when there are none or too many. */
static bool read_number(const char **text, uint64_t *value)
{
    const char *at = *text;
    *value = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    bool any = at != *text;
    *text = at;
    return any;
}

static bool read_duration(const char *text, uint64_t *value)
{
    uint64_t whole;
    uint64_t fraction = 0;
    uint64_t scale = 1;
    if (!read_number(&text, &whole))
        return false;
    if (*text == '.') {
        const char *start = ++text;
        if (!read_number(&text, &fraction) || text - start > 9)
            return false;
        for (; start != text; start++)
            scale *= 10;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t ns = units[i].ns;
        if (strcmp(text, units[i].name) != 0)
            continue;
        if (whole > UINT64_MAX / ns - 1 || fraction > UINT64_MAX / ns)
            return false;
        *value = whole * ns + fraction * ns / scale;
        return fraction * ns % scale == 0;
    }
    return false;
}

static void say_words(const struct nat_param *param, const char *text,
                      char error[static NAT_PARAM_ERROR_SIZE])
{
    int used = snprintf(error, NAT_PARAM_ERROR_SIZE, "%s cannot be \"%.40s\"; it is one of",
                        param->name, text);
    for (size_t i = 0; param->words[i] != NULL && used < NAT_PARAM_ERROR_SIZE; i++)
        used += snprintf(error + used, NAT_PARAM_ERROR_SIZE - (size_t)used, "%s %s",
                         i == 0 ? "" : ",", param->words[i]);
}

bool nat_param_parse(const struct nat_param *param, struct nat_config *config, const char *text,
                     char error[static NAT_PARAM_ERROR_SIZE])
{
    uint64_t value = 0;
    const char *rest = text;
    switch (param->type) {
    case NAT_PARAM_WORD:
        while (param->words[value] != NULL && strcmp(param->words[value], text) != 0)
            value++;
        if (param->words[value] != NULL)
            break;
        say_words(param, text, error);
        return false;
    case NAT_PARAM_BOOLEAN:
        value = strcmp(text, "true") == 0;
        if (value != 0 || strcmp(text, "false") == 0)
            break;
        snprintf(error, NAT_PARAM_ERROR_SIZE, "%s must be true or false, not \"%.40s\"",
                 param->name, text);
        return false;
    case NAT_PARAM_INTEGER:
        if (read_number(&rest, &value) && *rest == 0)
            break;
        snprintf(error, NAT_PARAM_ERROR_SIZE, "%s must be a whole number, not \"%.40s\"",
                 param->name, text);
        return false;
    case NAT_PARAM_DURATION:
        if (read_duration(text, &value))
            break;
        snprintf(error, NAT_PARAM_ERROR_SIZE,
                 "%s must be a time such as 30s, 1.5s, 200ms or 2h, not \"%.40s\"", param->name,
                 text);
        return false;
    }
    return nat_param_set(param, config, value, error);
}

bool nat_param_assign(struct nat_config *config, const char *name, const char *text,
                      char error[static NAT_PARAM_ERROR_SIZE])
{
    const struct nat_param *param = nat_param_find(name);
    if (param == NULL) {
        snprintf(error, NAT_PARAM_ERROR_SIZE,
                 "a NAT has no parameter \"%.40s\"; did you mean \"%s\"?", name,
                 nat_param_nearest(name)->name);
        return false;
    }
    return nat_param_parse(param, config, text, error);
}

size_t nat_config_difference(const struct nat_config *a, const struct nat_config *b, size_t from)
{
    size_t i = from;
    while (i < nat_param_count() && nat_param_get(&params[i], a) == nat_param_get(&params[i], b))
        i++;
    return i;
}

bool nat_config_equal(const struct nat_config *a, const struct nat_config *b)
{
    return nat_config_difference(a, b, 0) == nat_param_count();
}
