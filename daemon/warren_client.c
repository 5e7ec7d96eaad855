/* Speaks to the daemon over its control socket. */
#include "daemon/warren_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/base/check.h"
#include "daemon/warren_command.h"

enum {
    ANSWER_SIZE_MAX = 64 << 20,
    ANSWER_ROOM_FIRST = 1 << 16,
    ANSWER_WAIT_S = 30, /* a netcheck takes up to fifteen seconds */
};

static void say_unreachable(const char *path)
{
    if (errno == ENOENT || errno == ECONNREFUSED)
        command_failed("warrend does not run here: nothing listens at %s; start it, or name its "
                       "socket with --control",
                       path);
    else if (errno == EACCES || errno == EPERM)
        command_failed("you may not speak to warrend at %s; only root and the group of that socket "
                       "may, which is 'warren' unless the configuration says otherwise",
                       path);
    else if (errno == ENAMETOOLONG)
        command_failed("%s is too long for the name of a socket", path);
    else
        command_failed("cannot speak to warrend at %s: %s", path, strerror(errno));
}

static bool open_socket(const char *path, int *fd)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t size = strlen(path);
    if (size >= sizeof addr.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(addr.sun_path, path, size + 1);
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return false;
    struct timeval wait = {.tv_sec = ANSWER_WAIT_S};
    setsockopt(*fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(*fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
    if (connect(*fd, (const struct sockaddr *)&addr, sizeof addr) == 0)
        return true;
    int error = errno;
    close(*fd);
    errno = error;
    return false;
}

bool client_open(struct warren_client *client, const char *path)
{
    check(path != NULL);
    *client = (struct warren_client){.path = path, .fd = -1};
    if (open_socket(path, &client->fd))
        return true;
    client->fd = -1;
    say_unreachable(path);
    return false;
}

void client_close(struct warren_client *client)
{
    if (client->fd >= 0)
        close(client->fd);
    free(client->line);
    *client = (struct warren_client){.fd = -1};
}

static bool send_line(int fd, const char *text)
{
    size_t size = strlen(text);
    for (size_t sent = 0; sent < size;) {
        ssize_t got = send(fd, text + sent, size - sent, MSG_NOSIGNAL);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return false;
        sent += (size_t)got;
    }
    return true;
}

/* One read behind what is there already. False at the end, on an error and where it gets too long. */
static bool read_more(struct warren_client *client)
{
    if (client->size == client->room) {
        size_t room = client->room == 0 ? ANSWER_ROOM_FIRST : 2 * client->room;
        char *line = room <= ANSWER_SIZE_MAX ? realloc(client->line, room) : NULL;
        if (line == NULL) {
            errno = EMSGSIZE;
            return false;
        }
        client->line = line;
        client->room = room;
    }
    ssize_t got;
    do
        got = recv(client->fd, client->line + client->size, client->room - client->size, 0);
    while (got < 0 && errno == EINTR);
    if (got == 0)
        errno = ECONNRESET;
    if (got <= 0)
        return false;
    client->size += (size_t)got;
    return true;
}

/* A line without its end, or NULL. What was read behind it is kept for the next. */
static json_t *read_answer(struct warren_client *client, json_error_t *wrong)
{
    size_t seen = 0;
    const char *end = NULL;
    while (end == NULL) {
        if (client->size > seen)
            end = memchr(client->line + seen, '\n', client->size - seen);
        seen = client->size;
        if (end == NULL && !read_more(client))
            return NULL;
    }
    size_t size = (size_t)(end - client->line);
    json_t *answer = json_loadb(client->line, size, JSON_REJECT_DUPLICATES, wrong);
    check(client->size > size);
    client->size -= size + 1;
    memmove(client->line, client->line + size + 1, client->size);
    errno = EPROTO;
    return answer;
}

static char *request_line(const char *command, json_t *arguments)
{
    json_t *request = json_object();
    if (arguments != NULL)
        json_object_update(request, arguments);
    json_object_set_new(request, "command", json_string(command));
    char *text = json_dumps(request, JSON_COMPACT);
    json_decref(request);
    if (text == NULL)
        return NULL;
    size_t size = strlen(text);
    char *line = malloc(size + 2);
    if (line != NULL) {
        memcpy(line, text, size);
        memcpy(line + size, "\n", 2);
    }
    free(text);
    return line;
}

json_t *client_ask(struct warren_client *client, const char *command, json_t *arguments)
{
    check(client->fd >= 0);
    char *line = request_line(command, arguments);
    if (line == NULL) {
        command_failed("there is no memory left");
        return NULL;
    }
    json_error_t wrong = {0};
    json_t *answer = send_line(client->fd, line) ? read_answer(client, &wrong) : NULL;
    free(line);
    if (json_is_object(answer)) {
        const char *error = json_string_value(json_object_get(answer, "error"));
        if (error == NULL)
            return answer;
        command_failed("%s", error);
    } else if (answer == NULL && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        command_failed("warrend at %s did not answer within %d s", client->path, ANSWER_WAIT_S);
    } else if (answer == NULL && (errno == ECONNRESET || errno == EPIPE)) {
        command_failed("warrend at %s closed the connection without an answer", client->path);
    } else if (answer != NULL || errno == EPROTO) {
        command_failed("what answers at %s is not warrend: it did not send a line of JSON",
                       client->path);
    } else {
        command_failed("cannot speak to warrend at %s: %s", client->path, strerror(errno));
    }
    json_decref(answer);
    return NULL;
}

json_t *client_ask_once(const char *path, const char *command, json_t *arguments)
{
    struct warren_client client;
    if (!client_open(&client, path))
        return NULL;
    json_t *answer = client_ask(&client, command, arguments);
    client_close(&client);
    return answer;
}
