/*
 * Fuzzes the script loader: any bytes are a script that is refused with one line, within its bounds
 * of steps and memory, or a plan. A plan that is printed and loaded again is the same plan.
 */
#include "core/base/check.h"
#include "fuzz/harness.h"
#include "scenarios/runner/load.h"
#include "scenarios/runner/print.h"

/* What AFL++ tries is short; longer scripts would only make it slow. */
enum { SCRIPT_MAX = 1 << 16 };

static void check_error(const char error[static LOAD_ERROR_SIZE])
{
    check(memchr(error, 0, LOAD_ERROR_SIZE) != NULL && strncmp(error, "fuzz:", 5) == 0);
    for (const char *c = error; *c != 0; c++)
        check((unsigned char)*c >= 0x20 && *c != 0x7f);
}

static void check_plan(const struct plan *plan)
{
    char error[LOAD_ERROR_SIZE];
    char *text = NULL;
    size_t size = 0;
    struct plan again;
    FILE *file = open_memstream(&text, &size);
    check(file != NULL);
    plan_print(file, plan);
    check(fclose(file) == 0);
    /* A plan that a loop made can be longer as a script than a script may be. */
    if (size < SCRIPT_MAX) {
        check(plan_load(&again, "fuzz", text, size, error));
        check(plan_hash(&again) == plan_hash(plan));
        plan_free(&again);
    }
    free(text);
}

void fuzz_one(const uint8_t *data, size_t size)
{
    char error[LOAD_ERROR_SIZE];
    struct plan plan;
    if (size > SCRIPT_MAX)
        return;
    if (!plan_load(&plan, "fuzz", (const char *)data, size, error)) {
        check_error(error);
        check(plan.scenarios == NULL);
        return;
    }
    check(plan.scenario_count > 0);
    check_plan(&plan);
    plan_free(&plan);
}
