/* Tests what the log prints, and what it keeps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "daemon/log.h"

struct place {
    char folder[32];
    char path[64];
    char moved[64];
};

static void make_place(struct place *place)
{
    strcpy(place->folder, "/tmp/warren-log-XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof place->path, "%s/log", place->folder);
    snprintf(place->moved, sizeof place->moved, "%s/log.1", place->folder);
}

static void remove_place(const struct place *place)
{
    unlink(place->path);
    unlink(place->moved);
    assert_int_equal(rmdir(place->folder), 0);
}

static void open_log(const struct place *place, enum log_level level, bool json)
{
    const struct log_options options = {.level = level, .json = json, .file = place->path};
    assert_true(log_open(&options));
}

/* The newest line, from behind its time on. */
static const char *newest(bool json)
{
    const char *line = log_line(log_next() - 1);
    assert_non_null(line);
    static const char form[] = "0000-00-00T00:00:00.000Z";
    const char *at = line;
    if (json) {
        assert_memory_equal(line, "{\"time\":\"", 9);
        at += 9;
    }
    for (const char *want = form; *want != 0; want++, at++)
        assert_true(*want == '0' ? *at >= '0' && *at <= '9' : *at == *want);
    return at;
}

static const uint8_t ones[LOG_KEY_BYTES] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
                                            1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

static void lines_are_logfmt_or_json(void **state)
{
    (void)state;
    const struct addr addr = addr_v4(0xc0000201, 51940), none = {0};
    const struct {
        struct log_field field;
        const char *text; /* NULL: left out */
        const char *json;
    } cases[] = {
        {log_text("peer", "bob"), "peer=bob", "\"peer\":\"bob\""},
        {log_text("peer", ""), "peer=\"\"", "\"peer\":\"\""},
        {log_text("peer", NULL), NULL, NULL},
        {log_text("why", "a b"), "why=\"a b\"", "\"why\":\"a b\""},
        {log_text("why", "a=b"), "why=\"a=b\"", "\"why\":\"a=b\""},
        {log_text("why", "a\"\\"), "why=\"a\\\"\\\\\"", "\"why\":\"a\\\"\\\\\""},
        {log_text("why", "a\nb\x1b\x7f\xff"), "why=\"a\\u000ab\\u001b\\u007f\\u00ff\"",
         "\"why\":\"a\\u000ab\\u001b\\u007f\\u00ff\""},
        {log_number("count", 12), "count=12", "\"count\":12"},
        {log_number("count", INT64_MIN), "count=-9223372036854775808",
         "\"count\":-9223372036854775808"},
        {log_addr("remote", &addr), "remote=192.0.2.1:51940", "\"remote\":\"192.0.2.1:51940\""},
        {log_addr("remote", &none), "remote=none", "\"remote\":\"none\""},
        {log_public_key("key", ones), "key=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=",
         "\"key\":\"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\""},
    };
    struct place place;
    make_place(&place);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char wanted[256];
        open_log(&place, LOG_LEVEL_INFO, false);
        log_event(LOG_LEVEL_WARN, "some-event", cases[i].field, log_number("x", 1), LOG_END);
        snprintf(wanted, sizeof wanted, " warn some-event%s%s x=1",
                 cases[i].text != NULL ? " " : "", cases[i].text != NULL ? cases[i].text : "");
        assert_string_equal(newest(false), wanted);
        open_log(&place, LOG_LEVEL_INFO, true);
        log_event(LOG_LEVEL_ERROR, "some-event", cases[i].field, log_number("x", 1), LOG_END);
        snprintf(wanted, sizeof wanted,
                 "\",\"level\":\"error\",\"event\":\"some-event\"%s%s,\"x\":1}",
                 cases[i].json != NULL ? "," : "", cases[i].json != NULL ? cases[i].json : "");
        assert_string_equal(newest(true), wanted);
    }
    log_close();
    remove_place(&place);
}

/* A long text ends in dots, and a field that does not fit takes those behind it along. */
static void long_lines_are_cut(void **state)
{
    (void)state;
    static char text[4096];
    memset(text, 'x', sizeof text - 1);
    struct place place;
    make_place(&place);
    for (int json = 0; json < 2; json++) {
        open_log(&place, LOG_LEVEL_INFO, json != 0);
        log_event(LOG_LEVEL_INFO, "long", log_text("a", text), LOG_END);
        const char *line = newest(json != 0);
        assert_non_null(strstr(line, json != 0 ? "xxx...\"}" : "xxx..."));
        assert_true(strlen(line) < LOG_TEXT_MAX + 64);
        log_event(LOG_LEVEL_INFO, "long", log_text("a", text), log_text("b", text),
                  log_text("c", text), log_number("d", 4), LOG_END);
        line = newest(json != 0);
        assert_non_null(strstr(line, json != 0 ? "\"b\":" : " b="));
        assert_null(strstr(line, json != 0 ? "\"c\":" : " c="));
        assert_null(strstr(line, json != 0 ? "\"d\":" : " d="));
        const char *end = json != 0 ? "...\",\"cut\":true}" : "... cut=true";
        assert_string_equal(line + strlen(line) - strlen(end), end);
        assert_true(strlen(log_line(log_next() - 1)) < LOG_LINE_SIZE);
    }
    log_close();
    remove_place(&place);
}

static void levels_decide(void **state)
{
    (void)state;
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct place place;
    make_place(&place);
    for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
        open_log(&place, (enum log_level)level, false);
        for (int said = LOG_LEVEL_ERROR; said <= LOG_LEVEL_DEBUG; said++) {
            const uint64_t before = log_next();
            log_event((enum log_level)said, "event", LOG_END);
            assert_int_equal(log_next() - before, said <= level ? 1 : 0);
        }
        enum log_level parsed = LOG_LEVEL_ERROR;
        assert_true(log_level_parse(&parsed, names[level]));
        assert_int_equal(parsed, level);
    }
    enum log_level parsed;
    assert_false(log_level_parse(&parsed, "verbose"));
    log_close();
    remove_place(&place);
}

static size_t lines_in(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t lines = 0;
    for (int c; (c = fgetc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    return lines;
}

static void files_are_opened_anew(void **state)
{
    (void)state;
    struct place place;
    make_place(&place);
    open_log(&place, LOG_LEVEL_INFO, false);
    log_event(LOG_LEVEL_INFO, "one", LOG_END);
    assert_int_equal(rename(place.path, place.moved), 0);
    log_event(LOG_LEVEL_INFO, "two", LOG_END);
    assert_true(log_reopen());
    log_event(LOG_LEVEL_INFO, "three", LOG_END);
    assert_int_equal(lines_in(place.moved), 2);
    assert_int_equal(lines_in(place.path), 1);
    open_log(&place, LOG_LEVEL_INFO, false); /* appends */
    log_event(LOG_LEVEL_INFO, "four", LOG_END);
    assert_int_equal(lines_in(place.path), 2);

    const struct log_options bad = {.level = LOG_LEVEL_INFO, .file = "/nonexistent/folder/log"};
    assert_false(log_open(&bad));
    assert_int_equal(errno, ENOENT);
    log_event(LOG_LEVEL_INFO, "five", LOG_END); /* where it went before */
    assert_int_equal(lines_in(place.path), 3);
    log_close();
    remove_place(&place);
}

static void what_cannot_be_written_is_counted_and_kept(void **state)
{
    (void)state;
    const struct log_options full = {.level = LOG_LEVEL_INFO, .file = "/dev/full"};
    if (!log_open(&full))
        skip();
    const uint64_t lost = log_lost();
    errno = EAGAIN;
    log_event(LOG_LEVEL_INFO, "lost", LOG_END);
    assert_int_equal(errno, EAGAIN); /* the caller's */
    assert_int_equal(log_lost(), lost + 1);
    assert_string_equal(newest(false), " info lost");
    log_close();
}

static void the_newest_lines_are_kept(void **state)
{
    (void)state;
    struct place place;
    make_place(&place);
    open_log(&place, LOG_LEVEL_INFO, false);
    const uint64_t begin = log_next();
    for (int64_t i = 0; i < LOG_LINES + 5; i++)
        log_event(LOG_LEVEL_INFO, "line", log_number("n", i), LOG_END);
    assert_int_equal(log_next(), begin + LOG_LINES + 5);
    assert_int_equal(log_first(), log_next() - LOG_LINES);
    assert_null(log_line(log_first() - 1));
    assert_null(log_line(log_next()));
    for (uint64_t number = log_first(); number < log_next(); number++) {
        char end[32];
        snprintf(end, sizeof end, " info line n=%d", (int)(number - begin));
        const char *line = log_line(number);
        assert_non_null(line);
        assert_string_equal(line + strlen("0000-00-00T00:00:00.000Z"), end);
    }
    log_close();
    remove_place(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_logfmt_or_json),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(levels_decide),
        cmocka_unit_test(files_are_opened_anew),
        cmocka_unit_test(what_cannot_be_written_is_counted_and_kept),
        cmocka_unit_test(the_newest_lines_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
