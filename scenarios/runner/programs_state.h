/*
 * The programs of a run, for the files that make them up: programs.c starts, reads and ends
 * processes, programs_files.c writes what they are configured with, and programs_packets.c sends
 * and receives numbered packets.
 */
#ifndef WARREN_RUNNER_PROGRAMS_STATE_H
#define WARREN_RUNNER_PROGRAMS_STATE_H

#include "scenarios/runner/programs.h"

enum {
    PROGRAMS_PATH_SIZE = 4096,
    PROGRAMS_LINE_SIZE = 4096, /* of what a program says; a longer line becomes several */
    PROGRAMS_HELD_MAX = 1024,  /* packets that wait for a daemon; more are lost */
};

/* The tunnel interface of a client. */
#define PROGRAMS_INTERFACE "warren0"

/* A numbered packet that waits. */
struct programs_packet {
    struct numbered numbered;
    uint32_t size;
};

/* A process: a daemon, or a stun-probe, which is there for one finding. */
struct program {
    struct programs *programs;
    struct program *next; /* the next stun-probe */
    uint32_t place;
    bool probe;
    bool told;  /* to end */
    bool ready; /* a daemon: it has its sockets; a probe: it has found */
    pid_t pid;  /* 0: it does not run */
    int output; /* the end that we read what it says from; -1: none */
    int log;    /* the file where that goes; -1: none */
    ev_io io;
    ev_child child;
    /* Of a daemon. What it sends waits until it knows its peers: */
    bool *peers;    /* by place; those in its configuration */
    bool rereading; /* it was told to read that again, and has not said that it did */
    bool changed;   /* since then, or it was not ready for it */
    struct programs_packet *held;
    uint32_t held_count;
    size_t size; /* of the line so far */
    char line[PROGRAMS_LINE_SIZE];
    char last[PROGRAMS_LINE_SIZE]; /* the last whole line */
};

/* Where a client's numbered packets go into its tunnel and come out of it, by family. */
struct programs_port {
    struct programs *programs;
    uint32_t place;
    int fd[2]; /* IPv4, IPv6; -1: none */
    ev_io io[2];
};

struct programs {
    struct programs_config config; /* its strings are those below */
    char binaries[PROGRAMS_PATH_SIZE];
    char folder[PROGRAMS_PATH_SIZE];
    bool ending;                  /* what they say is for their logs only */
    uint32_t count;               /* places of the scenario */
    struct program **daemons;     /* by place; NULL: it was never started */
    struct program *probes;       /* all that were started */
    struct programs_port **ports; /* by place; NULL: none */
};

/* Whether servers and clients are members of a mesh, and the server that signs for clients; without
   one there is none. */
bool programs_has_mesh(const struct programs *programs, uint32_t *issuer);
bool programs_write_files(const struct programs *programs, char error[static SPACE_ERROR_SIZE]);
/* NAME.conf with these peers, by place; NULL: none. */
bool programs_write_configuration(const struct programs *programs, uint32_t place,
                                  const bool *peers, char error[static SPACE_ERROR_SIZE]);

/* Opens the sockets of a client's numbered packets. */
bool programs_open_port(struct programs *programs, uint32_t place,
                        char error[static SPACE_ERROR_SIZE]);
/* Sends it at once. */
void programs_send_now(const struct programs *programs, const struct numbered *numbered,
                       uint32_t size);
void programs_close_port(struct programs_port *port);

#endif
