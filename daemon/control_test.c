/* Tests of daemon/control.c: what clients send, and what they get, over real sockets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control.h"

enum { READ_SIZE = 65536, BIG = 1024 * 1024 };

static char folder[64];
static char path[96];
static struct ev_loop *loop;
static struct control control;
static struct control_ticket kept; /* of a request that is answered later */
static unsigned kept_count;
static char text[READ_SIZE];

/* "echo" is answered at once, "later" is not, "big" with a megabyte. */
static void answer(void *host, struct control_ticket ticket, const char *command,
                   const json_t *request)
{
    assert_ptr_equal(host, &control);
    if (strcmp(command, "echo") == 0) {
        const char *said = json_string_value(json_object_get(request, "say"));
        control_reply(&control, ticket, json_pack("{s:s?}", "said", said));
    } else if (strcmp(command, "later") == 0) {
        kept = ticket;
        kept_count++;
    } else if (strcmp(command, "big") == 0) {
        char *big = malloc(BIG + 1);
        memset(big, 'x', BIG);
        big[BIG] = 0;
        control_reply(&control, ticket, json_pack("{s:s}", "big", big));
        free(big);
    } else {
        control_refuse(&control, ticket, "no such command");
    }
}

static int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/warren-control-XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/control", folder);
    loop = ev_loop_new(EVFLAG_AUTO);
    kept_count = 0;
    return control_open(&control, loop, path, getegid(), answer, &control) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    control_close(&control);
    ev_loop_destroy(loop);
    return rmdir(folder); /* fails where something is left over */
}

/* Lets the server do all that it can do. */
static void turn(void)
{
    for (int i = 0; i < 20; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

static int join(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    turn();
    return fd;
}

static void say(int fd, const char *line)
{
    assert_int_equal(send(fd, line, strlen(line), MSG_NOSIGNAL), (ssize_t)strlen(line));
    turn();
}

/* What has come so far; "gone" when the other end is closed. */
static const char *heard(int fd)
{
    ssize_t size = recv(fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno == ECONNRESET))
        return "gone";
    text[size < 0 ? 0 : size] = 0;
    return text;
}

static void requests_are_answered(void **state)
{
    static const char usage[] = "{\"ok\":false,\"error\":\"a request is one line such as "
                                "{\\\"command\\\": \\\"status\\\"}\"}\n";
    static const struct {
        const char *line;
        const char *answer;
    } cases[] = {
        {"{\"command\": \"echo\", \"say\": \"hi\"}\n", "{\"said\":\"hi\",\"ok\":true}\n"},
        {"{\"command\":\"echo\",\"say\":\"\\u00e9\\n\"}\n", "{\"said\":\"é\\n\",\"ok\":true}\n"},
        {"{\"command\": \"nonsense\"}\n", "{\"ok\":false,\"error\":\"no such command\"}\n"},
        {"{\"command\": 7}\n", usage},
        {"{}\n", usage},
        {"[1, 2]\n", usage},
        {"\"status\"\n", usage},
        {"\n", usage},
        {"status\n", usage},
        {"{\"command\": \"echo\"} {\"command\": \"echo\"}\n", usage},
        {"{\"command\": \"echo\", \"command\": \"big\"}\n", usage},
        {"\xff\xfe\n", usage},
        {"{\"command\": \"echo\"}\n{\"command\": \"echo\"}\n",
         "{\"said\":null,\"ok\":true}\n{\"said\":null,\"ok\":true}\n"},
        {"{\"command\": \"echo\"", ""}, /* not a line yet */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int fd = join();
        say(fd, cases[i].line);
        assert_string_equal(heard(fd), cases[i].answer);
        close(fd);
        turn();
    }
}

static void a_line_may_come_in_pieces(void **state)
{
    (void)state;
    int fd = join();
    for (const char *at = "{\"command\":\"echo\"}\n"; *at != 0; at++)
        say(fd, (const char[]){*at, 0});
    assert_string_equal(heard(fd), "{\"said\":null,\"ok\":true}\n");
    close(fd);
    turn();
}

/* The later request is not looked at before the earlier one has its answer. */
static void answers_keep_the_order(void **state)
{
    (void)state;
    int fd = join();
    say(fd, "{\"command\":\"later\"}\n{\"command\":\"later\"}\n{\"command\":\"echo\"}\n");
    assert_string_equal(heard(fd), "");
    assert_int_equal(kept_count, 1);
    control_reply(&control, kept, json_pack("{s:i}", "n", 1));
    turn();
    assert_int_equal(kept_count, 2);
    control_reply(&control, kept, json_pack("{s:i}", "n", 2));
    turn();
    assert_string_equal(
        heard(fd), "{\"n\":1,\"ok\":true}\n{\"n\":2,\"ok\":true}\n{\"said\":null,\"ok\":true}\n");
    close(fd);
    turn();
}

/* Whoever says no more is still answered, and then the connection ends. */
static void a_closed_half_is_answered(void **state)
{
    (void)state;
    int fd = join();
    say(fd, "{\"command\":\"later\"}\n{\"command\":\"echo\"}\n");
    shutdown(fd, SHUT_WR);
    turn();
    assert_string_equal(heard(fd), "");
    control_reply(&control, kept, json_object());
    turn();
    assert_string_equal(heard(fd), "{\"ok\":true}\n{\"said\":null,\"ok\":true}\n");
    assert_string_equal(heard(fd), "gone");
    close(fd);
}

static void an_answer_for_nobody_is_lost(void **state)
{
    (void)state;
    int fd = join();
    say(fd, "{\"command\":\"later\"}\n");
    struct control_ticket old = kept;
    control_refuse(&control, old, "first");
    turn();
    close(fd);
    turn();
    /* Another has the same slot now, and waits too. */
    fd = join();
    say(fd, "{\"command\":\"later\"}\n");
    assert_int_equal(kept.client, old.client);
    assert_int_not_equal(kept.generation, old.generation);
    control_refuse(&control, old, "stale");
    turn();
    assert_string_equal(heard(fd), "");
    control_refuse(&control, kept, "fresh");
    turn();
    assert_string_equal(heard(fd), "{\"ok\":false,\"error\":\"fresh\"}\n");
    close(fd);
    turn();
}

static void a_line_without_end_is_dropped(void **state)
{
    static char line[CONTROL_LINE_MAX + 1];
    (void)state;
    memset(line, ' ', sizeof line - 1);
    int fd = join();
    line[CONTROL_LINE_MAX - 1] = 0;
    say(fd, line);
    assert_string_equal(heard(fd), "");
    say(fd, "\n"); /* the longest that is taken */
    assert_non_null(strstr(heard(fd), "a request is one line"));
    line[CONTROL_LINE_MAX - 1] = ' ';
    say(fd, line);
    assert_string_equal(heard(fd), "gone");
    close(fd);
}

static void who_does_not_read_is_dropped(void **state)
{
    (void)state;
    int fd = join();
    for (int i = 0; i < CONTROL_REPLY_MAX / BIG; i++)
        say(fd, "{\"command\":\"big\"}\n");
    ssize_t size = recv(fd, text, sizeof text, MSG_DONTWAIT);
    assert_true(size > 0);
    ssize_t sent = 0;
    for (int i = 0; i < 4 && sent >= 0; i++) {
        sent = send(fd, "{\"command\":\"big\"}\n", 18, MSG_NOSIGNAL);
        turn();
    }
    assert_int_equal(sent, -1);
    close(fd);
    turn();
}

static void clients_are_bounded(void **state)
{
    int fds[CONTROL_CLIENTS_MAX];
    (void)state;
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
        fds[i] = join();
    int extra = join();
    assert_string_equal(heard(extra),
                        "{\"ok\":false,\"error\":\"too many are asking: try again\"}\n");
    assert_string_equal(heard(extra), "gone");
    assert_int_equal(control.refused, 1);
    close(extra);
    close(fds[3]);
    turn();
    extra = join(); /* there is room again */
    say(extra, "{\"command\":\"echo\"}\n");
    assert_string_equal(heard(extra), "{\"said\":null,\"ok\":true}\n");
    close(extra);
    for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
        if (i != 3)
            close(fds[i]);
    }
    turn();
}

static void the_socket_is_for_few(void **state)
{
    struct stat about;
    (void)state;
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 07777, 0660);
}

static void the_path_is_taken_with_care(void **state)
{
    static struct control other;
    (void)state;
    assert_false(control_open(&other, loop, path, getegid(), answer, &control));
    assert_int_equal(errno, EADDRINUSE);
    /* What a crash left over is replaced. */
    ev_io_stop(loop, &control.io);
    close(control.fd);
    control.fd = -1;
    assert_true(control_open(&control, loop, path, getegid(), answer, &control));
    /* What is no socket is not touched. */
    char file[128];
    snprintf(file, sizeof file, "%s/file", folder);
    FILE *made = fopen(file, "w");
    assert_non_null(made);
    fclose(made);
    assert_false(control_open(&other, loop, file, getegid(), answer, &control));
    assert_int_equal(errno, EEXIST);
    assert_int_equal(unlink(file), 0);
    /* A folder is made, but not the folder that it would be in. */
    snprintf(file, sizeof file, "%s/a/b", folder);
    assert_true(control_open(&other, loop, file, getegid(), answer, &control));
    control_close(&other);
    *strrchr(file, '/') = 0;
    assert_int_equal(rmdir(file), 0);
    snprintf(file, sizeof file, "%s/a/b/c", folder);
    assert_false(control_open(&other, loop, file, getegid(), answer, &control));
    assert_int_equal(errno, ENOENT);
    static char long_path[200];
    memset(long_path, 'x', sizeof long_path - 1);
    assert_false(control_open(&other, loop, long_path, getegid(), answer, &control));
    assert_int_equal(errno, ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(requests_are_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_may_come_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_keep_the_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_closed_half_is_answered, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_for_nobody_is_lost, setup, teardown),
        cmocka_unit_test_setup_teardown(a_line_without_end_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(who_does_not_read_is_dropped, setup, teardown),
        cmocka_unit_test_setup_teardown(clients_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(the_socket_is_for_few, setup, teardown),
        cmocka_unit_test_setup_teardown(the_path_is_taken_with_care, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
