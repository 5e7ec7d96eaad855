/*
 * Checks of our own invariants. A failed check is a bug in Warren; nothing that arrives from
 * outside may fail one.
 */
#ifndef WARREN_BASE_CHECK_H
#define WARREN_BASE_CHECK_H

/* Provided by the host: reports the failure and does not return. */
_Noreturn void warren_check_failed(const char *expression, const char *file, int line);

/* Kept on in release builds. The expression has no side effects. */
#define check(expression) \
    ((expression) ? (void)0 : warren_check_failed(#expression, __FILE__, __LINE__))

#endif
