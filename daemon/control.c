/* The Unix socket over which the operator's tool asks the daemon. */
#include "daemon/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/check.h"

enum {
    SOCKET_MODE = 0660,
    FOLDER_MODE = 0755,
    BACKLOG = 16,
    GROUPS_MAX = 256, /* of a user; with more it is not looked for among them */
};

/* ---- Clients --------------------------------------------------------------------------------- */

static void client_drop(struct control_client *client)
{
    check(client->fd >= 0);
    ev_io_stop(client->control->loop, &client->io);
    close(client->fd);
    free(client->reply);
    client->fd = -1;
    client->generation++;
    client->reply = NULL;
    client->reply_size = 0;
    client->reply_sent = 0;
}

/* Listens for what the client may do next. */
static void client_watch(struct control_client *client)
{
    int events = client->reply_size > client->reply_sent ? EV_WRITE : 0;
    if (!client->ended && !client->waiting)
        events |= EV_READ;
    struct ev_loop *loop = client->control->loop;
    ev_io_stop(loop, &client->io);
    ev_io_set(&client->io, client->fd, events);
    if (events != 0)
        ev_io_start(loop, &client->io);
}

/* Writes what the socket takes. Whoever has sent its last, and has read all, is dropped. */
static void client_write(struct control_client *client)
{
    while (client->reply_sent < client->reply_size) {
        ssize_t size = send(client->fd, client->reply + client->reply_sent,
                            client->reply_size - client->reply_sent, MSG_NOSIGNAL);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            break;
        if (size <= 0) {
            client_drop(client);
            return;
        }
        client->reply_sent += (size_t)size;
    }
    if (client->reply_sent == client->reply_size) {
        free(client->reply);
        client->reply = NULL;
        client->reply_size = 0;
        client->reply_sent = 0;
        if (client->ended && !client->waiting) {
            client_drop(client);
            return;
        }
    }
    client_watch(client);
}

/* Adds bytes to what the client shall read; false when that is too much. */
static bool client_put(struct control_client *client, const char *bytes, size_t size)
{
    check(client->reply_sent <= client->reply_size);
    size_t left = client->reply_size - client->reply_sent;
    if (size + 1 > CONTROL_REPLY_MAX - left)
        return false;
    char *reply = malloc(left + size + 1);
    if (reply == NULL)
        return false;
    if (left > 0)
        memcpy(reply, client->reply + client->reply_sent, left);
    memcpy(reply + left, bytes, size);
    reply[left + size] = '\n';
    free(client->reply);
    client->reply = reply;
    client->reply_size = left + size + 1;
    client->reply_sent = 0;
    return true;
}

/* ---- Requests -------------------------------------------------------------------------------- */

static void take_request(struct control_client *client, const char *line, size_t size)
{
    struct control *control = client->control;
    struct control_ticket ticket = {.client = (uint32_t)(client - control->clients),
                                    .generation = client->generation};
    client->waiting = true;
    json_error_t error;
    json_t *request = json_loadb(line, size, JSON_REJECT_DUPLICATES, &error);
    const json_t *command = json_object_get(request, "command");
    if (!json_is_string(command))
        control_refuse(control, ticket, "a request is one line such as {\"command\": \"status\"}");
    else
        control->answer(control->host, ticket, json_string_value(command), request);
    json_decref(request);
}

/* Takes the whole lines that have come until one must wait for its answer. */
static void client_take(struct control_client *client)
{
    check(!client->taking);
    uint32_t generation = client->generation;
    size_t from = 0;
    client->taking = true;
    while (!client->waiting) {
        const char *end = memchr(client->line + from, '\n', client->line_size - from);
        if (end == NULL)
            break;
        size_t size = (size_t)(end - client->line) - from;
        take_request(client, client->line + from, size);
        if (client->generation != generation)
            return; /* the answer was more than it may have */
        from += size + 1;
    }
    client->taking = false;
    memmove(client->line, client->line + from, client->line_size - from);
    client->line_size -= from;
    if (client->line_size == sizeof client->line && !client->waiting)
        client_drop(client);
    else
        client_write(client);
}

void control_reply(struct control *control, struct control_ticket ticket, json_t *answer)
{
    check(ticket.client < CONTROL_CLIENTS_MAX);
    struct control_client *client = &control->clients[ticket.client];
    if (client->fd < 0 || client->generation != ticket.generation) {
        json_decref(answer);
        return;
    }
    check(client->waiting);
    client->waiting = false;
    if (json_object_get(answer, "ok") == NULL)
        json_object_set_new(answer, "ok", json_true());
    char *text = json_dumps(answer, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(15));
    json_decref(answer);
    if (text == NULL || !client_put(client, text, strlen(text)))
        client_drop(client);
    else if (!client->taking) /* its other requests are taken from the loop, not from in here */
        ev_feed_event(control->loop, &client->io, EV_CUSTOM);
    free(text);
}

void control_refuse(struct control *control, struct control_ticket ticket, const char *sentence)
{
    control_reply(control, ticket, json_pack("{s:b, s:s}", "ok", 0, "error", sentence));
}

static void client_read(struct control_client *client)
{
    check(client->line_size < sizeof client->line);
    ssize_t size = recv(client->fd, client->line + client->line_size,
                        sizeof client->line - client->line_size, 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (size < 0) {
        client_drop(client);
        return;
    }
    client->ended = size == 0;
    client->line_size += (size_t)size;
    client_take(client);
}

static void on_client(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop;
    struct control_client *client = io->data;
    uint32_t generation = client->generation;
    if ((events & EV_WRITE) != 0)
        client_write(client);
    if ((events & EV_CUSTOM) != 0 && client->generation == generation)
        client_take(client);
    if ((events & EV_READ) != 0 && client->generation == generation)
        client_read(client);
}

/* ---- Connections ----------------------------------------------------------------------------- */

/* The mode of a socket is not looked at everywhere, nor in every directory, so this is. */
static bool is_allowed(const struct control *control, int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
        return false;
    if (peer.uid == 0 || peer.uid == geteuid() || peer.gid == control->group)
        return true;
    gid_t groups[GROUPS_MAX];
    size = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
        return false;
    for (size_t i = 0; i < size / sizeof groups[0]; i++) {
        if (groups[i] == control->group)
            return true;
    }
    return false;
}

static void on_connection(struct ev_loop *loop, ev_io *io, int events)
{
    (void)loop, (void)events;
    struct control *control = io->data;
    int fd = accept4(control->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0)
        return;
    struct control_client *client = control->clients;
    while (client < control->clients + CONTROL_CLIENTS_MAX && client->fd >= 0)
        client++;
    bool full = client == control->clients + CONTROL_CLIENTS_MAX;
    if (full || !is_allowed(control, fd)) {
        static const char busy[] = "{\"ok\":false,\"error\":\"too many are asking: try again\"}\n";
        static const char denied[] =
            "{\"ok\":false,\"error\":\"only root and the daemon's group may ask\"}\n";
        const char *said = full ? busy : denied;
        ssize_t ignored = send(fd, said, strlen(said), MSG_NOSIGNAL);
        (void)ignored;
        close(fd);
        control->refused++;
        return;
    }
    uint32_t generation = client->generation;
    *client = (struct control_client){.control = control, .fd = fd, .generation = generation};
    ev_io_init(&client->io, on_client, fd, EV_READ);
    client->io.data = client;
    client_watch(client);
}

/* ---- The socket ------------------------------------------------------------------------------ */

/* Whether somebody answers there; a socket that is left over from a crash answers no more. */
static bool is_served(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool served = connect(fd, (const struct sockaddr *)address, sizeof *address) == 0;
    close(fd);
    return served;
}

/* Removes what is left of an earlier daemon; false with errno when something else is in the way. */
static bool clear_way(const struct sockaddr_un *address)
{
    struct stat found;
    if (lstat(address->sun_path, &found) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(found.st_mode)) {
        errno = EEXIST;
        return false;
    }
    if (is_served(address)) {
        errno = EADDRINUSE;
        return false;
    }
    return unlink(address->sun_path) == 0;
}

static bool make_folder(const char *path)
{
    char folder[sizeof((struct sockaddr_un *)NULL)->sun_path];
    const char *slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return true;
    size_t size = (size_t)(slash - path);
    check(size < sizeof folder);
    memcpy(folder, path, size);
    folder[size] = 0;
    if (mkdir(folder, FOLDER_MODE) != 0)
        return errno == EEXIST;
    return chmod(folder, FOLDER_MODE) == 0; /* whatever the mask is: its group must get through */
}

bool control_open(struct control *control, struct ev_loop *loop, const char *path, gid_t group,
                  control_answer *answer, void *host)
{
    check(answer != NULL);
    *control = (struct control){.loop = loop, .fd = -1, .group = group};
    control->answer = answer;
    control->host = host;
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
        control->clients[i].fd = -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address.sun_path, path, size + 1);
    memcpy(control->path, path, size + 1);
    if (!make_folder(path) || !clear_way(&address))
        return false;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    /* Nobody else gets in between bind() and chmod(). */
    mode_t mask = umask(0777);
    bool bound = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    umask(mask);
    if (!bound || chown(path, (uid_t)-1, group) != 0 || chmod(path, SOCKET_MODE) != 0 ||
        listen(fd, BACKLOG) != 0) {
        int error = errno;
        close(fd);
        if (bound)
            unlink(path);
        errno = error;
        return false;
    }
    control->fd = fd;
    ev_io_init(&control->io, on_connection, fd, EV_READ);
    control->io.data = control;
    ev_io_start(loop, &control->io);
    return true;
}

void control_close(struct control *control)
{
    if (control->fd < 0)
        return;
    for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].fd >= 0)
            client_drop(&control->clients[i]);
    }
    ev_io_stop(control->loop, &control->io);
    close(control->fd);
    control->fd = -1;
    unlink(control->path);
}
