/* What a host does when a check of core/base/check.h fails: run its hook, print where, abort. */
#ifndef WARREN_HOST_CHECK_H
#define WARREN_HOST_CHECK_H

/*
 * Called once, before the failure is printed: a daemon writes its ring tape there, a test leaves by
 * longjmp. A check that fails inside the hook does not call it again.
 */
typedef void check_hook(void *context, const char *expression, const char *file, int line);

/* Installs a hook for the calling thread, in place of the one before; NULL for none. */
void check_set_hook(check_hook *hook, void *context);

#endif
