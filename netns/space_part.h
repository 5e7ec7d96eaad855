/* What the two halves of netns/space.h share: the making of sandboxes and the starting of
   programs. */
#ifndef WARREN_NETNS_SPACE_PART_H
#define WARREN_NETNS_SPACE_PART_H

#include <signal.h>
#include <stdbool.h>

#include "netns/space.h"

/* Writes the sentence, with the meaning of the error number behind it unless that is 0. Always
   false, so that a function can fail and say why in one statement. */
__attribute__((format(printf, 3, 4))) bool space_fail(char error[static SPACE_ERROR_SIZE],
                                                      int number, const char *format, ...);

/* Of all signals. A signal between a fork and the reset in the child would run a handler of the
   parent's, which may write to files that both have. */
void space_signals_hold(sigset_t *before);
/* In a new process: as a program expects to find them, nothing handled, ignored or blocked. */
void space_signals_reset(void);

/* All of it, also in parts; what was read or written in the end. */
size_t space_read(int fd, void *to, size_t size);
bool space_write(int fd, const void *from, size_t size);

/* How the process ended, as waitpid() puts it; false if it is no child of the caller. */
bool space_wait(pid_t process, int *status);

#endif
