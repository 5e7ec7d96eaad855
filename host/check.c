/* What a host does when a check fails: run its hook, print where, abort. */
#include "host/check.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"

static _Thread_local check_hook *hook;
static _Thread_local void *hook_context;

void check_set_hook(check_hook *new_hook, void *context)
{
    hook = new_hook;
    hook_context = context;
}

_Noreturn void warren_check_failed(const char *expression, const char *file, int line)
{
    /* Taken out before it runs: the state is broken, so the hook may well fail a check itself. */
    check_hook *once = hook;
    hook = NULL;
    if (once != NULL)
        once(hook_context, expression, file, line);
    fflush(stdout);
    fprintf(stderr, "%s:%d: check failed: %s\n", file, line, expression);
    abort();
}
