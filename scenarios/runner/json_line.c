/* JSON objects (RFC 8259), one a line. */
#include "scenarios/runner/json_line.h"

#include <inttypes.h>
#include <string.h>

#include "core/base/check.h"

/* The bytes of the UTF-8 character that begins here (RFC 3629, section 4), or 0 when none does. */
static size_t utf8_size(const unsigned char *at)
{
    size_t size = at[0] < 0x80                    ? 1
                  : at[0] >= 0xc2 && at[0] < 0xe0 ? 2
                  : at[0] >= 0xe0 && at[0] < 0xf0 ? 3
                                                  : 4;
    if ((at[0] >= 0x80 && at[0] < 0xc2) || at[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < size; i++)
        if ((at[i] & 0xc0) != 0x80) /* a final 0 is none either, so the end is never passed */
            return 0;
    /* Overlong forms, surrogates, and what lies above U+10FFFF. */
    if ((at[0] == 0xe0 && at[1] < 0xa0) || (at[0] == 0xed && at[1] > 0x9f) ||
        (at[0] == 0xf0 && at[1] < 0x90) || (at[0] == 0xf4 && at[1] > 0x8f))
        return 0;
    return size;
}

static void print_string(FILE *file, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    fputc('"', file);
    while (*at != 0) {
        size_t size = utf8_size(at);
        if (size == 0)
            fputs("\\ufffd", file);
        else if (*at == '"' || *at == '\\')
            fprintf(file, "\\%c", *at);
        else if (*at < 0x20 || *at == 0x7f)
            fprintf(file, "\\u%04x", (unsigned)*at);
        else
            fwrite(at, 1, size, file);
        at += size == 0 ? 1 : size;
    }
    fputc('"', file);
}

static void name_value(struct json_line *json, const char *name)
{
    check(json->file != NULL && name != NULL);
    if (!json->first)
        fputc(',', json->file);
    json->first = false;
    print_string(json->file, name);
    fputc(':', json->file);
}

void json_line_begin(struct json_line *json, FILE *file)
{
    *json = (struct json_line){.file = file, .first = true};
    fputc('{', file);
}

void json_line_text(struct json_line *json, const char *name, const char *value)
{
    name_value(json, name);
    print_string(json->file, value);
}

void json_line_number(struct json_line *json, const char *name, uint64_t value)
{
    name_value(json, name);
    fprintf(json->file, "%" PRIu64, value);
}

void json_line_signed(struct json_line *json, const char *name, int64_t value)
{
    name_value(json, name);
    fprintf(json->file, "%" PRId64, value);
}

void json_line_null(struct json_line *json, const char *name)
{
    name_value(json, name);
    fputs("null", json->file);
}

void json_line_end(struct json_line *json)
{
    fputs("}\n", json->file);
}
