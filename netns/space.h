/*
 * The namespaces of one run: a sandbox that nothing of it outlives, and in it a network namespace
 * for each host.
 *
 * A sandbox is a process in user (unless root made it), mount, process, network and IPC namespaces
 * of its own. It is the first process of its process namespace and dies with the process that made
 * it, and then the kernel ends everything in it: processes, and with them namespaces, interfaces,
 * rules and mounts. So there is nothing to clean up, after SIGKILL either. "Dies with" means the
 * thread that made it, so a maker with several threads makes sandboxes in the one that lasts.
 *
 * In it /run is its own and has only an empty folder /run/tmp, which TMPDIR names; /proc shows its
 * processes; PATH ends with the folders of administrators' programs; signals are at their defaults;
 * there is no controlling terminal. /tmp is the maker's, because a checkout and its programs may
 * lie there; who is in /run, or is a program from there, gets no sandbox.
 *
 * As the first process of its namespace it cannot be ended by a signal with the default action,
 * except SIGKILL from outside, and it becomes the parent of those whose parent has ended. Nothing
 * here waits for these, as it could not tell them from children that the caller waits for: they
 * stay as zombies until the caller waits for any child, or the sandbox ends.
 *
 * Functions that can fail return false or -1 and put one line into `error`: what failed, and where
 * it helps, what to do about it.
 */
#ifndef WARREN_NETNS_SPACE_H
#define WARREN_NETNS_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    SPACE_ERROR_SIZE = 512,
    SPACE_NAME_SIZE = 16, /* of an interface, with its final 0: IFNAMSIZ */
    SPACE_ARGUMENTS_MAX = 64,
};

/* What runs as the sandbox's first process; what it returns is the exit status. It has the maker's
   memory as it was, and ends without the maker's exit handlers. */
typedef int space_main(void *argument);

/*
 * Runs `first` in a sandbox of its own; the process, as its maker sees it, or -1. File descriptors
 * that are open stay open in it, those with close-on-exec too. The maker waits for it with
 * waitpid(), and may end it with SIGKILL.
 */
pid_t space_sandbox(space_main *first, void *argument, char error[static SPACE_ERROR_SIZE]);

/* Whether sandboxes can be made here and a TUN device be opened in them; tries it once for
   each effective user, and gives the same answer from then on. */
bool space_is_possible(char error[static SPACE_ERROR_SIZE]);

/* Whether there is a program of this name where a sandbox that is made now would look for it. */
bool space_has_program(const char *name);

/* ---- In a sandbox ---- */

/*
 * A new network namespace with its loopback interface up; a file descriptor that stands for it, or
 * -1. It lasts as long as one of these: the descriptor, a process or a socket in it. IPv6 addresses
 * there are good at once: without duplicate address detection, and without router advertisements.
 */
int space_host(char error[static SPACE_ERROR_SIZE]);
/* The sandbox's own network namespace, as such a descriptor. */
int space_own(char error[static SPACE_ERROR_SIZE]);

/* A TUN device without packet information, down and without addresses: its file, non-blocking.
   `offload`: before each packet is a virtio header, as daemon/tun.h has it. */
int space_tun(int host, const char *name, bool offload, char error[static SPACE_ERROR_SIZE]);
/* As socket(2), non-blocking and closed on exec, in the host's namespace, where it stays. */
int space_socket(int host, int domain, int type, int protocol, char error[static SPACE_ERROR_SIZE]);

/* A program to start. `arguments` ends with NULL; the first is a path, or looked for in PATH. */
struct space_program {
    const char *const *arguments;
    const char *directory; /* NULL: as it is */
    int output;            /* its standard output and error; -1: none */
};

/* Starts it in the host's namespace; its process, a child of the caller, or -1, also where there is
   no such program. It dies with its parent, has no input, and no other open file. */
pid_t space_start(int host, const struct space_program *program,
                  char error[static SPACE_ERROR_SIZE]);

/*
 * Runs a program there to its end, with `input` (NULL: none) as its standard input; false where it
 * did not exit with 0, and then `error` has the command and the first line that it said.
 */
bool space_run(int host, const char *const *arguments, const char *input,
               char error[static SPACE_ERROR_SIZE]);
/* Likewise; what it wrote to standard output goes to `said`, cut at `size` with a final 0. */
bool space_ask(int host, const char *const *arguments, char *said, size_t size,
               char error[static SPACE_ERROR_SIZE]);

/* A file of a host's namespace under /proc/sys gets this value; `name` has slashes, such as
   "net/ipv4/ip_forward", because dots may belong to an interface. */
bool space_sysctl(int host, const char *name, const char *value,
                  char error[static SPACE_ERROR_SIZE]);

/* What to type, outside, to get a shell in the host: for sandboxes that are left standing. Works
   for root and for the user that made it. `sandbox` is the process as its maker sees it, or 0 for
   that of the caller; `host` is a descriptor there. */
void space_describe(int host, pid_t sandbox, char *to, size_t size);

#endif
