/* The words for what a client finds. */
#include "scenarios/runner/finding.h"

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"

static const char *const nat_words[] = {"unknown", "blocked", "none", "present", NULL};
static const char *const mapping_words[] = {"unknown", "EIM", "ADM", "APDM", "dependent", NULL};
static const char *const filtering_words[] = {"unknown", "EIF", "ADF", "APDF", NULL};
static const char *const ports_words[] = {"unknown", "preserved", "sequential", "random", NULL};
static const char *const hairpin_words[] = {"unknown", "off", "internal", "external", NULL};
static const char *const pooling_words[] = {"unknown", "paired", "arbitrary", NULL};
static const char *const trap_words[] = {"unknown", "no", "yes", NULL};

static const struct {
    const char *name;
    const char *const *words;
} fields[FINDING_FIELDS] = {
    [FINDING_NAT] = {"nat", nat_words},
    [FINDING_MAPPING] = {"mapping", mapping_words},
    [FINDING_FILTERING] = {"filtering", filtering_words},
    [FINDING_PORTS] = {"ports", ports_words},
    [FINDING_STEP] = {"step", NULL},
    [FINDING_HAIRPIN] = {"hairpin", hairpin_words},
    [FINDING_POOLING] = {"pooling", pooling_words},
    [FINDING_TRAP] = {"trap", trap_words},
};

const char *finding_name(enum finding_field field)
{
    check(field < FINDING_FIELDS);
    return fields[field].name;
}

enum finding_field finding_find(const char *name)
{
    uint32_t i = 0;
    while (i < FINDING_FIELDS && strcmp(fields[i].name, name) != 0)
        i++;
    return (enum finding_field)i;
}

const char *const *finding_words(enum finding_field field)
{
    check(field < FINDING_FIELDS);
    return fields[field].words;
}

const char *finding_word(enum finding_field field, int32_t value)
{
    const char *const *words = finding_words(field);
    check(words != NULL);
    for (int32_t i = 0; words[i] != NULL; i++)
        if (i == value)
            return words[i];
    return "?";
}

void finding_add(struct finding *finding, enum finding_field field, int32_t value)
{
    check(field < FINDING_FIELDS);
    finding->mask |= 1u << field;
    finding->value[field] = value;
}

struct finding finding_of(const struct stun_behaviour *behaviour)
{
    struct finding finding = {.mask = 0};
    finding_add(&finding, FINDING_NAT, behaviour->nat);
    finding_add(&finding, FINDING_MAPPING, behaviour->mapping);
    finding_add(&finding, FINDING_FILTERING, behaviour->filtering);
    finding_add(&finding, FINDING_PORTS, behaviour->ports);
    if (behaviour->ports == STUN_PORTS_SEQUENTIAL)
        finding_add(&finding, FINDING_STEP, behaviour->step);
    finding_add(&finding, FINDING_HAIRPIN, behaviour->hairpin);
    finding_add(&finding, FINDING_POOLING, behaviour->pooling);
    finding_add(&finding, FINDING_TRAP, behaviour->trap);
    return finding;
}

static bool differs(const struct finding *a, const struct finding *b, uint32_t field)
{
    return (b->mask >> field & 1) == 0 || a->value[field] != b->value[field];
}

bool finding_agrees(const struct finding *wanted, const struct finding *found)
{
    for (uint32_t i = 0; i < FINDING_FIELDS; i++)
        if ((wanted->mask >> i & 1) != 0 && differs(wanted, found, i))
            return false;
    return true;
}

const char *finding_render(const struct finding *finding, const struct finding *other,
                           char text[static FINDING_TEXT_SIZE])
{
    size_t size = 0;
    text[0] = 0;
    for (uint32_t i = 0; i < FINDING_FIELDS; i++) {
        if ((finding->mask >> i & 1) == 0 || (other != NULL && !differs(finding, other, i)))
            continue;
        const char *comma = size > 0 ? ", " : "";
        if (i == FINDING_STEP)
            size += (size_t)snprintf(text + size, FINDING_TEXT_SIZE - size, "%sstep %d", comma,
                                     finding->value[i]);
        else
            size += (size_t)snprintf(text + size, FINDING_TEXT_SIZE - size, "%s%s %s", comma,
                                     fields[i].name,
                                     finding_word((enum finding_field)i, finding->value[i]));
        check(size < FINDING_TEXT_SIZE);
    }
    return text;
}

const char *finding_brief(const struct finding *finding, char text[static FINDING_TEXT_SIZE])
{
    int32_t nat = finding->value[FINDING_NAT];
    size_t size = 0;
    text[0] = 0;
    if (nat == STUN_NAT_BLOCKED || nat == STUN_NAT_UNKNOWN) {
        snprintf(text, FINDING_TEXT_SIZE, "%s", finding_word(FINDING_NAT, nat));
        return text;
    }
    for (uint32_t i = 0; i < FINDING_FIELDS; i++) {
        int32_t value = finding->value[i];
        const char *space = size > 0 ? " " : "";
        bool missing = (finding->mask >> i & 1) == 0;
        if ((i == FINDING_NAT && nat != STUN_NAT_NONE) ||
            (i == FINDING_TRAP && value != STUN_TRAP_YES) || (i == FINDING_STEP && missing))
            continue;
        if (i == FINDING_STEP) {
            size += (size_t)snprintf(text + size, FINDING_TEXT_SIZE - size, "%+d", value);
            continue;
        }
        const char *word = value == 0 ? "?" : finding_word((enum finding_field)i, value);
        if (i == FINDING_NAT)
            word = "no NAT:";
        else if (missing)
            word = "~";
        else if (i == FINDING_TRAP)
            word = "trap";
        size += (size_t)snprintf(text + size, FINDING_TEXT_SIZE - size, "%s%s%s", space,
                                 i == FINDING_HAIRPIN ? "hairpin:" : "", word);
        check(size < FINDING_TEXT_SIZE);
    }
    return text;
}
