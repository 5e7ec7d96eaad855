/* Tests that INI files are read line by line, and that each line has its number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/inifile.h"

enum { SEEN_SIZE = 1024 };

/* Writes down what it is told: "1:heading(peer,bob) 2:value(key,3) ". */
static void write_down(void *user, const struct inifile_event *event)
{
    static const char *const names[] = {
        [INIFILE_VALUE] = "value",       [INIFILE_HEADING] = "heading",
        [INIFILE_NO_VALUE] = "no-value", [INIFILE_BAD_HEADING] = "bad",
        [INIFILE_TOO_LONG] = "long",     [INIFILE_ZERO_BYTE] = "zero",
    };
    char *seen = user;
    const size_t size = strlen(seen);
    const bool words = event->kind == INIFILE_VALUE || event->kind == INIFILE_HEADING;
    snprintf(seen + size, SEEN_SIZE - size, "%u:%s", (unsigned)event->line, names[event->kind]);
    if (words)
        snprintf(seen + strlen(seen), SEEN_SIZE - strlen(seen), "(%s,%s)", event->name,
                 event->value != NULL ? event->value : "NULL");
    strncat(seen, " ", SEEN_SIZE - strlen(seen) - 1);
}

static void expect(const char *text, size_t size, const char *wanted)
{
    char seen[SEEN_SIZE] = "";
    assert_true(inifile_parse(text, size, write_down, seen));
    assert_string_equal(seen, wanted);
}

static void lines_become_events(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *events;
    } cases[] = {
        {"", ""},
        {"\n\n", ""},
        {"a=1", "1:value(a,1) "},
        {"a=1\nb = 2 \n", "1:value(a,1) 2:value(b,2) "},
        {"a=1\r\n\r\nb=2\r\n", "1:value(a,1) 3:value(b,2) "},
        {"a=1\n  b=2\n\tc=3", "1:value(a,1) 2:value(b,2) 3:value(c,3) "},
        {"a: 1=2", "1:value(a,1=2) "},
        {"a=", "1:value(a,) "},
        {"=1", "1:value(,1) "},
        {"a b = 1", "1:value(a b,1) "},
        {"; a\n# b\n  ; c\nd=1 ; e\nf=1 # g\nh=1;2#3",
         "4:value(d,1) 5:value(f,1) 6:value(h,1;2#3) "},
        {"\xef\xbb\xbf"
         "a=1\n",
         "1:value(a,1) "},
        {"\xef\xbb\xbf[a]\n", "1:heading(a,NULL) "},
        {"[a]", "1:heading(a,NULL) "},
        {" [ a ] ; b", "1:heading(a,NULL) "},
        {"[a \"b c\"]", "1:heading(a,b c) "},
        {"[a \"\"]", "1:heading(a,) "},
        {"[a\"b;]#\"]", "1:heading(a,b;]#) "},
        {"[a] b=1", "1:bad "},
        {"[a", "1:bad "},
        {"[]", "1:bad "},
        {"[", "1:bad "},
        {"[a \"b]", "1:bad "},
        {"[a b]", "1:bad "},
        {"[a \"b\" c]", "1:bad "},
        {"[[a]]", "1:bad "},
        {"word", "1:no-value "},
        {"a=1\nword # with a comment\nb=2", "1:value(a,1) 2:no-value 3:value(b,2) "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect(cases[i].text, strlen(cases[i].text), cases[i].events);
}

static void zero_bytes_are_told(void **state)
{
    (void)state;
    expect("a=1\nb\0=2\nc=3", 12, "1:value(a,1) 2:zero 3:value(c,3) ");
    expect("\0", 1, "1:zero ");
    expect("[a\0]", 4, "1:zero ");
}

/* One byte less than too long, and too long: of a value, of a title and of a word. */
static void long_lines_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *before, *after;
        size_t most; /* letters between them */
        const char *kind;
    } cases[] = {
        {"a=", "", INIFILE_LINE_MAX - 2, "value"},
        {"[a \"", "\"]", INIFILE_TITLE_SIZE - 1, "heading"},
        {"[", "]", INIFILE_WORD_SIZE - 1, "heading"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t more = 0; more < 2; more++) {
            char text[INIFILE_LINE_MAX + 16], seen[2 * SEEN_SIZE + INIFILE_LINE_MAX] = "";
            char letters[INIFILE_LINE_MAX + 1];
            memset(letters, 'x', sizeof letters);
            const int size = snprintf(text, sizeof text, "%s%.*s%s\n", cases[i].before,
                                      (int)(cases[i].most + more), letters, cases[i].after);
            assert_true(inifile_parse(text, (size_t)size, write_down, seen));
            assert_memory_equal(seen + 2, more == 0 ? cases[i].kind : "long", 4);
        }
    }
}

/* ---- Files ----------------------------------------------------------------------------------- */

static void files_are_read_whole(void **state)
{
    (void)state;
    char folder[] = "/tmp/warren-inifile-XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("12345678", file);
    fclose(file);
    assert_int_equal(chmod(path, 0640), 0);

    size_t size = 0;
    mode_t mode = 0;
    char *text = inifile_read(path, 8, &size, &mode);
    assert_non_null(text);
    assert_int_equal(size, 8);
    assert_string_equal(text, "12345678");
    assert_int_equal(mode & 0777, 0640);
    free(text);

    assert_null(inifile_read(path, 7, &size, &mode));
    assert_int_equal(errno, EFBIG);
    assert_null(inifile_read(folder, 8, &size, &mode));
    assert_int_equal(errno, EISDIR);
    assert_int_equal(unlink(path), 0);
    assert_null(inifile_read(path, 8, &size, &mode));
    assert_int_equal(errno, ENOENT);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_null(inifile_read(path, 8, &size, &mode));
    assert_int_equal(errno, ENOTSUP);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_become_events),
        cmocka_unit_test(zero_bytes_are_told),
        cmocka_unit_test(long_lines_are_told),
        cmocka_unit_test(files_are_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
