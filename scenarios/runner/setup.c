/* Scripts, networks and files for the commands that run scenarios. */
#include "scenarios/runner/setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "host/word.h"
#include "scenarios/runner/load.h"

/* A run in real time may take so much longer than its scenario: daemons have to start and end. */
#define LIMIT_EXTRA_NS UINT64_C(60000000000)

struct plan *setup_load(const struct options *options)
{
    char error[LOAD_ERROR_SIZE];
    bool loaded = true;
    struct plan *plans = calloc((size_t)options->file_count + 1, sizeof *plans);
    check(plans != NULL);
    for (int i = 0; i < options->file_count; i++) {
        if (plan_load_file(&plans[i], options->files[i], error))
            continue;
        fprintf(stderr, "%s\n", error);
        loaded = false;
    }
    if (loaded)
        return plans;
    setup_free(options, plans);
    return NULL;
}

void setup_free(const struct options *options, struct plan *plans)
{
    for (int i = 0; i < options->file_count; i++)
        plan_free(&plans[i]);
    free(plans);
}

const struct run_network *setup_network(const char *name)
{
    const struct run_network *network = run_network_find(name);
    struct word_search search = {.wrong = name};
    if (network != NULL)
        return network;
    for (uint32_t i = 0; i < run_network_count; i++)
        word_consider(&search, run_networks[i].name);
    fprintf(stderr, "warren-lab: unknown network \"%s\": did you mean \"%s\"?\n", name,
            search.best);
    return NULL;
}

uint32_t setup_networks(const char *list,
                        const struct run_network *networks[static SETUP_NETWORKS_MAX])
{
    uint32_t count = 0;
    check(run_network_count <= SETUP_NETWORKS_MAX);
    for (; list == NULL && count < run_network_count; count++)
        networks[count] = &run_networks[count];
    for (const char *at = list; at != NULL; at = *at == ',' ? at + 1 : NULL) {
        char name[PLAN_WORD_SIZE];
        size_t size = strcspn(at, ",");
        snprintf(name, sizeof name, "%.*s", (int)(size < sizeof name ? size : sizeof name), at);
        const struct run_network *network = setup_network(name);
        if (network == NULL)
            return 0;
        for (uint32_t i = 0; i < count; i++) {
            if (networks[i] != network)
                continue;
            fprintf(stderr, "warren-lab: --on names \"%s\" twice\n", name);
            return 0;
        }
        networks[count++] = network;
        at += size;
    }
    check(count > 0);
    return count;
}

bool setup_is_there(const struct run_network *network, char why[static RUN_ERROR_SIZE])
{
    return network->is_there == NULL || network->is_there(why);
}

/*
 * How long a run takes: as the script says, or until all has happened that it commands, and all can
 * be seen that it expects.
 */
static uint64_t needs_ns(const struct plan_scenario *scenario)
{
    uint64_t most_ns = 0;
    if (scenario->duration_ns != PLAN_DURATION_DEFAULT_NS)
        return scenario->duration_ns;
    for (uint32_t i = 0; i < scenario->action_count; i++) {
        uint64_t end_ns = plan_action_end_ns(&scenario->actions[i]);
        most_ns = end_ns > most_ns ? end_ns : most_ns;
    }
    for (uint32_t i = 0; i < scenario->expect_count; i++) {
        uint64_t end_ns = scenario->expects[i].after_ns + scenario->expects[i].within_ns;
        most_ns = end_ns > most_ns ? end_ns : most_ns;
    }
    return most_ns;
}

bool setup_can_run(const struct run_network *network, const struct plan_scenario *scenario,
                   uint64_t longest_ns, char why[static RUN_ERROR_SIZE])
{
    char takes[FIELD_TEXT_SIZE], longest[FIELD_TEXT_SIZE];
    uint64_t takes_ns = needs_ns(scenario);
    if (network->real && takes_ns > longest_ns) {
        field_render_duration(takes_ns, takes);
        snprintf(why, RUN_ERROR_SIZE,
                 "it takes %s, and runs in real time are cut at %s: --longest %s", takes,
                 field_render_duration(longest_ns, longest), takes);
        return false;
    }
    return network->can == NULL || network->can(scenario, why);
}

struct crew_task setup_task(const struct run_network *network, const struct run_request *request,
                            uint64_t longest_ns)
{
    struct crew_task task = {.network = network, .request = *request, .limit_ns = UINT64_MAX / 2};
    if (!network->real)
        return task;
    uint64_t duration_ns = request->scenario->duration_ns;
    task.request.longest_ns = duration_ns < longest_ns ? duration_ns : longest_ns;
    task.limit_ns = task.request.longest_ns + LIMIT_EXTRA_NS;
    return task;
}

bool setup_is_wanted(const struct options *options, const struct plan_scenario *scenario)
{
    return options->only == NULL || strstr(scenario->title, options->only) != NULL;
}

FILE *setup_open(const char *path)
{
    if (strcmp(path, "-") == 0)
        return stdout;
    FILE *file = fopen(path, "w");
    if (file == NULL)
        fprintf(stderr, "warren-lab: %s: %s\n", path, strerror(errno));
    return file;
}

bool setup_close(FILE *file, const char *path)
{
    if (file == NULL || (file == stdout ? fflush(file) : fclose(file)) == 0)
        return true;
    fprintf(stderr, "warren-lab: %s: %s\n", path, strerror(errno));
    return false;
}

bool setup_folder(const char *path)
{
    char part[RUN_PATH_SIZE];
    if (strlen(path) >= sizeof part) {
        fprintf(stderr, "warren-lab: %.60s...: the path is too long\n", path);
        return false;
    }
    for (size_t i = 0;; i++) {
        part[i] = 0;
        if (i > 0 && (path[i] == '/' || path[i] == 0) && mkdir(part, 0777) != 0 &&
            errno != EEXIST) {
            fprintf(stderr, "warren-lab: %s: %s\n", part, strerror(errno));
            return false;
        }
        part[i] = path[i];
        if (path[i] == 0)
            return true;
    }
}

bool setup_has_colour(FILE *file)
{
    const char *no_colour = getenv("NO_COLOR");
    return (no_colour == NULL || no_colour[0] == 0) && isatty(fileno(file)) != 0;
}
