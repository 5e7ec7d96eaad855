/*
 * Other meshes in the namespaces of a run: their keys, configuration and programs, so that they can
 * walk through the same NATs as Warren. One table, a row for each mesh; a run has one mesh, and its
 * clients are peers of each other.
 *
 * All in a sandbox (netns/space.h), with which every program ends: none goes into the background.
 * The hosts have their outer interfaces, addresses and routes already. Nothing but the servers of
 * the run is ever asked for anything.
 *
 * Start the servers first and the clients once adapter_look() says that the servers are up: some of
 * these programs try again only after 20 s. Where a function can fail, `error` gets one line.
 */
#ifndef WARREN_NETNS_ADAPTER_H
#define WARREN_NETNS_ADAPTER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/addr.h"
#include "netns/space.h"

enum {
    ADAPTER_HOSTS_MAX = 250, /* in one run: inner addresses are 10.99.0.1 to 10.99.0.250 */
    ADAPTER_WIREGUARD_PORT = 51820,
};

/* A server or client that the mesh runs on. */
struct adapter_host {
    const char *name; /* in keys and logs; letters, digits and -, _, . as in a scenario */
    bool server;
    int host;             /* its network namespace, as space_host() gives it */
    struct addr outer[2]; /* IPv4 and IPv6 of its outer interface, port 0; ADDR_NONE: it has none */
    /*
     * Of a client, where WireGuard's datagrams to it are sent when everything has to be known in
     * advance: its own address where it is public, else that of its NAT, with the port. Only the
     * baseline asks for it; ADDR_NONE: others do not know where it is, and wait for its packets.
     */
    struct addr endpoint;
    struct addr inner; /* inside the mesh, 10.99.0.N with port 0; adapter_number() sets it */
};

struct adapter_run {
    const char *folder; /* for keys, configuration and what programs keep; it exists, and is ours */
    struct adapter_host *hosts;
    uint32_t count; /* at most ADAPTER_HOSTS_MAX, a server or more among them */
};

/* What has to be in PATH, or in a folder of administrators' programs. */
struct adapter_program {
    const char *file;
    const char *package; /* of Debian, for the sentence when it is missing */
};

enum adapter_state { ADAPTER_STARTING, ADAPTER_UP, ADAPTER_FAILED };

struct adapter {
    const char *name;
    const char *about;
    const struct adapter_program *programs; /* ends with one whose file is NULL */
    bool serves;                            /* its servers run a program */
    uint16_t server_port;                   /* UDP, where a server's program listens */
    /* Keys, certificates and configuration of all hosts. The run is numbered. */
    bool (*write)(const struct adapter_run *run, char error[static SPACE_ERROR_SIZE]);
    /* Starts a host's program, whose output goes to the descriptor (-1: nowhere). */
    bool (*start)(const struct adapter_run *run, uint32_t host, int output, pid_t *pid,
                  char error[static SPACE_ERROR_SIZE]);
    /*
     * What is left to do once the program has made its interface; NULL: nothing. Asked again while
     * it says that it is starting, and until the interface has its inner address.
     */
    enum adapter_state (*configure)(const struct adapter_run *run, uint32_t host,
                                    char error[static SPACE_ERROR_SIZE]);
};

/* All of them, one after the other; NULL where there are no more. */
const struct adapter *adapter_at(uint32_t index);
/* By name, or NULL. */
const struct adapter *adapter_find(const char *name);
/* Whether its programs are there; if not, `why` is a sentence for the skipped test. */
bool adapter_is_installed(const struct adapter *adapter, char why[static SPACE_ERROR_SIZE]);

/* Gives every host its inner address; the first of a run's functions to be called. */
void adapter_number(const struct adapter_run *run);
/* Writes the files of all hosts; takes a second or two where there are keys to be found. */
bool adapter_write(const struct adapter *adapter, const struct adapter_run *run,
                   char error[static SPACE_ERROR_SIZE]);
/* Starts one host's program; its process, a child of the caller, or 0 where it needs none. */
bool adapter_start(const struct adapter *adapter, const struct adapter_run *run, uint32_t host,
                   int output, pid_t *pid, char error[static SPACE_ERROR_SIZE]);

/*
 * How far the host has come: a client is up when its interface has its inner address, and a server
 * when its program has its port. To be asked every 20 ms or so, since some of the work is done here
 * when its time has come. That says nothing about the mesh: whether it carries anything is for a
 * probe to find out. A program that has ended is for the caller to notice.
 */
enum adapter_state adapter_look(const struct adapter *adapter, const struct adapter_run *run,
                                uint32_t host, char error[static SPACE_ERROR_SIZE]);

/*
 * The interface of the mesh on a host. Hosts of a sandbox share /run, and there some of these
 * programs have a file named after their interface; so it differs between the hosts.
 */
void adapter_interface(const struct adapter_run *run, uint32_t host,
                       char to[static SPACE_NAME_SIZE]);

#endif
