/*
 * The commands of `warren` that make keys and sign papers: keygen, root, certify, enroll and show.
 * None of them talks to a daemon, and so all of them work on a machine that has no network.
 *
 * Each takes what follows `warren`, its own name first, and returns the exit status: 0 done, 1 it
 * failed, 2 wrong use. Errors are one line on standard error; a secret is never printed.
 */
#ifndef WARREN_DAEMON_WARREN_KEYGEN_H
#define WARREN_DAEMON_WARREN_KEYGEN_H

int cmd_keygen(int argc, char **argv);
int cmd_root(int argc, char **argv);
int cmd_certify(int argc, char **argv);
int cmd_enroll(int argc, char **argv);
int cmd_show(int argc, char **argv);

#endif
