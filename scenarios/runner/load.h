/* Loads a scenario script into a plan. Lua runs here and nowhere else. */
#ifndef WARREN_RUNNER_LOAD_H
#define WARREN_RUNNER_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "scenarios/runner/plan.h"

enum { LOAD_ERROR_SIZE = 768 };

/*
 * `text` has `size` bytes; `path` stands for it in messages. False, with one line "path:line: what
 * is wrong" in `error` and an empty plan, when it is no scenario script. The plan is the caller's,
 * who gives it back with plan_free().
 */
bool plan_load(struct plan *plan, const char *path, const char *text, size_t size,
               char error[static LOAD_ERROR_SIZE]);
/* The same from a file. */
bool plan_load_file(struct plan *plan, const char *path, char error[static LOAD_ERROR_SIZE]);

#endif
