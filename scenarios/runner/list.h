/* `warren-lab list`: everything that a script can name. */
#ifndef WARREN_RUNNER_LIST_H
#define WARREN_RUNNER_LIST_H

void list_everything(void);

#endif
