/* Reads what programs of a run say, line by line. */
#include "scenarios/runner/programs_log.h"

#include <string.h>

#include <jansson.h>

#include "core/base/check.h"
#include "daemon/text.h"
#include "scenarios/runner/finding.h"

/* "" where there is no such text. */
static const char *text_in(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text != NULL ? text : "";
}

/* ADDR_NONE where there is none. */
static struct addr addr_in(const json_t *object, const char *name)
{
    struct addr addr = {.family = ADDR_NONE};
    (void)text_parse_endpoint(&addr, text_in(object, name));
    return addr;
}

/* The place of a word in a list that ends with NULL; 0 where it is not in it. */
static uint8_t word_in(const json_t *object, const char *name, const char *const *words)
{
    const char *text = text_in(object, name);
    uint8_t found = 0;
    check(words != NULL);
    for (uint8_t i = 1; found == 0 && words[0] != NULL && words[i] != NULL; i++)
        if (strcmp(words[i], text) == 0)
            found = i;
    return found;
}

static uint8_t finding_in(const json_t *object, enum finding_field field)
{
    return word_in(object, finding_name(field), finding_words(field));
}

static enum reason reason_in(const json_t *object)
{
    const char *text = text_in(object, "reason");
    enum reason found = REASON_NONE;
    for (int reason = REASON_NONE + 1; reason < REASON_COUNT; reason++)
        if (strcmp(reason_name((enum reason)reason), text) == 0)
            found = (enum reason)reason;
    return found;
}

static void read_home(struct programs_said *said, const json_t *object)
{
    said->server = addr_in(object, "server");
    said->mapped = addr_in(object, "mapped");
    if (said->server.family != ADDR_NONE)
        said->kind = PROGRAMS_SAID_HOME;
}

static void read_path(struct programs_said *said, const json_t *object)
{
    /* By value of enum node_path, as daemon/loop.c has them. */
    static const char *const words[] = {
        [NODE_PATH_PENDING] = "pending",
        [NODE_PATH_RELAYED] = "relayed",
        [NODE_PATH_DIRECT] = "direct",
        [NODE_PATH_UNREACHABLE] = "unreachable",
        NULL,
    };
    if (!text_parse_key(said->peer, text_in(object, "identity")))
        return;
    said->kind = PROGRAMS_SAID_PATH;
    said->path = (enum node_path)word_in(object, "path", words);
    said->reason = reason_in(object);
}

static void read_behaviour(struct programs_said *said, const json_t *object)
{
    struct stun_behaviour *behaviour = &said->behaviour;
    json_int_t step = json_integer_value(json_object_get(object, "step"));
    json_int_t duration = json_integer_value(json_object_get(object, "duration_ns"));
    said->kind = PROGRAMS_SAID_BEHAVIOUR;
    behaviour->nat = finding_in(object, FINDING_NAT);
    behaviour->mapping = finding_in(object, FINDING_MAPPING);
    behaviour->filtering = finding_in(object, FINDING_FILTERING);
    behaviour->hairpin = finding_in(object, FINDING_HAIRPIN);
    behaviour->ports = finding_in(object, FINDING_PORTS);
    behaviour->pooling = finding_in(object, FINDING_POOLING);
    behaviour->trap = finding_in(object, FINDING_TRAP);
    if (behaviour->ports == STUN_PORTS_SEQUENTIAL && step >= -FINDING_STEP_MAX &&
        step <= FINDING_STEP_MAX)
        behaviour->step = (int32_t)step;
    behaviour->server = addr_in(object, "server");
    behaviour->local = addr_in(object, "local");
    behaviour->mapped = addr_in(object, "mapped");
    behaviour->sent = (uint32_t)json_integer_value(json_object_get(object, "sent"));
    behaviour->received = (uint32_t)json_integer_value(json_object_get(object, "received"));
    behaviour->duration_ns = duration > 0 ? (uint64_t)duration : 0;
}

void programs_log_read(struct programs_said *said, const char *line, size_t size)
{
    *said = (struct programs_said){.kind = PROGRAMS_SAID_OTHER};
    json_t *object = json_loadb(line, size, 0, NULL);
    const char *event = text_in(object, "event");
    /* stun-probe says one thing only, and no event. */
    bool found = event[0] == 0 && json_is_string(json_object_get(object, "nat"));
    if (strcmp(event, "ready") == 0)
        said->kind = PROGRAMS_SAID_READY;
    else if (strcmp(event, "config-read") == 0)
        said->kind = PROGRAMS_SAID_REREAD;
    else if (strcmp(event, "home") == 0)
        read_home(said, object);
    else if (strcmp(event, "home-lost") == 0)
        said->kind = PROGRAMS_SAID_HOME;
    else if (strcmp(event, "path") == 0)
        read_path(said, object);
    else if (found || strcmp(event, "discovered") == 0)
        read_behaviour(said, object);
    json_decref(object);
}
