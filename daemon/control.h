/*
 * The Unix socket over which the operator's tool asks the daemon: a request is one line with a JSON
 * object, and so is each answer, in the order of the requests. docs/status.md has the requests and
 * their answers. Only root and members of one group are heard. Clients and lines are bounded; a
 * client that sends more than is allowed, or does not read what it asked for, is dropped.
 */
#ifndef WARREN_DAEMON_CONTROL_H
#define WARREN_DAEMON_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <ev.h>
#include <jansson.h>

enum {
    CONTROL_CLIENTS_MAX = 16,            /* one more is told so and dropped */
    CONTROL_LINE_MAX = 4096,             /* bytes of a request, with its line feed */
    CONTROL_REPLY_MAX = 4 * 1024 * 1024, /* bytes of answers that one client has not read yet */
};

/* Which client waits for an answer; one that has gone meanwhile is nobody. */
struct control_ticket {
    uint32_t client;
    uint32_t generation;
};

struct control;

/*
 * Answers a request, which is an object with a text named "command" and belongs to the caller,
 * by control_reply() with this ticket: at once, or later.
 */
typedef void control_answer(void *host, struct control_ticket ticket, const char *command,
                            const json_t *request);

struct control_client {
    struct control *control;
    ev_io io;
    int fd;              /* -1: the slot is free */
    uint32_t generation; /* grows each time the slot is given away */
    bool waiting;        /* for an answer; until then the next request is not looked at */
    bool taking;         /* its requests are being taken, one after the other */
    bool ended;          /* it sends no more; it goes when all is answered */
    char line[CONTROL_LINE_MAX];
    size_t line_size;
    char *reply; /* what it has not read yet, malloc()ed */
    size_t reply_size;
    size_t reply_sent;
};

struct control {
    struct ev_loop *loop;
    ev_io io;
    int fd; /* -1: there is no socket */
    gid_t group;
    char path[108]; /* sizeof sun_path */
    control_answer *answer;
    void *host;
    struct control_client clients[CONTROL_CLIENTS_MAX];
    uint64_t refused; /* connections of others, or too many */
};

/*
 * Makes the socket at `path` with mode 0660 and this group, in place of one that nobody serves any
 * more. False with errno: EADDRINUSE means that another daemon answers there. Its directory is made
 * when only that is missing.
 */
bool control_open(struct control *control, struct ev_loop *loop, const char *path, gid_t group,
                  control_answer *answer, void *host);
/* Drops every client, and removes the socket where that is allowed. */
void control_close(struct control *control);

/* Sends an answer, which is given away. Adds "ok": true where it does not say. */
void control_reply(struct control *control, struct control_ticket ticket, json_t *answer);
/* Sends {"ok": false, "error": sentence}. */
void control_refuse(struct control *control, struct control_ticket ticket, const char *sentence);

#endif
